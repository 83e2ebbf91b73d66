"""Judging an insertion by its two neighbors says the same as timing the whole route."""

from hypothesis import HealthCheck, given, settings

from optimizer.draft import Draft
from optimizer.fits import Interval
from optimizer.model import Model
from optimizer.problem import Break, Problem, Shift
from optimizer.timing import NEVER, Fetch, Timeline, latest_departure, ready_minute, timeline_of
from tests.optimizer.days import problems
from tests.optimizer.given import problem, technician, visit

Starts = tuple[Interval, ...]


CALM = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def inserted(timeline: Timeline, position: int, number: int, starts: Starts, fetch: Fetch | None) -> Timeline:
    return timeline_of(
        timeline.model,
        timeline.vehicle,
        [*timeline.visits[:position], number, *timeline.visits[position:]],
        [*timeline.starts[:position], starts, *timeline.starts[position:]],
        timeline.fetches if fetch is None else {**timeline.fetches, number: fetch},
    )


@settings(CALM, max_examples=80)
@given(problems(visits_max=6, linked=False, stocked=True))
def test_a_visit_fits_where_the_longer_route_can_be_driven(question: Problem) -> None:
    draft = Draft(Model(question))
    for number in range(len(draft.model.visits)):
        for vehicle, timeline in enumerate(draft.timelines):
            starts = draft.starts_for(number, vehicle)
            if not starts:
                continue
            for position in range(len(timeline.visits) + 1):
                for fetch in draft.supplies(number, vehicle, position):
                    fits = inserted(timeline, position, number, starts, fetch).is_feasible()
                    assert (timeline.start_when_inserted(position, number, starts, fetch) is not None) is fits
                    assert (timeline.minutes_short(position, number, starts, fetch) == 0) is fits
        options = [each for vehicle in range(len(draft.model.vehicles)) for each in draft.options(number, vehicle)]
        if options:
            assert draft.insert(number, options[0].vehicle, options[0].position)


@settings(CALM, max_examples=40)
@given(problems(visits_max=5, linked=False, technicians_max=1, stocked=True))
def test_the_earliest_ends_are_those_of_every_schedule_minute_by_minute(question: Problem) -> None:
    draft = Draft(Model(question))
    for number in range(len(draft.model.visits)):
        for vehicle in range(len(draft.model.vehicles)):
            for option in draft.options(number, vehicle)[:1] if number not in draft.served else ():
                draft.insert(number, vehicle, option.position, fetch=option.fetch)
    for timeline in draft.timelines:
        reached = [simulated(timeline, position) for position in range(len(timeline.visits) + 1)]
        earliest = [
            [min((end for taken, end in each if taken == count), default=NEVER) for count in range(len(row))]
            for each, row in zip(reached, timeline.forward, strict=True)
        ]
        assert earliest == timeline.forward
        assert timeline.is_feasible()


def simulated(timeline: Timeline, stops: int) -> set[tuple[int, int]]:
    """Every (breaks taken, end) after so many stops: any start, any minute for each break, anywhere but at work."""
    question, vehicle = timeline.model.problem, timeline.vehicle
    person = question.technicians[vehicle.technician]
    travel, ends = question.travel_for(person), {(0, vehicle.first_minute)}
    for position in range(stops):
        number = timeline.visits[position]
        here, there = timeline.place(position - 1), timeline.place(position)
        ready: set[tuple[int, int]] = set()
        for taken, clock in ends:
            fetch = timeline.fetches.get(number)
            if fetch is None:
                arrival = clock + travel.minutes_from(here, there, clock)
            else:
                stock = question.place_index[question.stocks[fetch.stock].place]
                left = clock + travel.minutes_from(here, stock, clock) + question.stocks[fetch.stock].handling_minutes
                arrival = left + travel.minutes_from(stock, there, left)
            # (breaks taken, when the next may begin, when one is ready)
            open_states = {(taken, clock, arrival)}
            while open_states:
                count, free, stand = open_states.pop()
                ready.add((count, stand))
                if count < len(vehicle.breaks):
                    low, high, minutes = vehicle.breaks[count]
                    for begin in range(max(low, free), high + 1):
                        later = max(stand, begin) + minutes if begin >= stand else stand + minutes
                        open_states.add((count + 1, begin + minutes, later))
        allowed = [
            start
            for low, high in timeline.starts[position]
            for start in range(max(low, vehicle.first_minute), min(high, vehicle.last_minute) + 1)
        ]
        duration = timeline.model.duration[vehicle.technician][number]
        first: dict[int, int] = {}
        for count, stand in ready:
            first[count] = min(stand, first.get(count, stand))
        ends = {(count, start + duration) for count, stand in first.items() for start in allowed if start >= stand}
    return ends


def test_the_latest_departure_is_the_last_that_is_ready_in_time() -> None:
    for breaks in ((), ((30, 50, 10),), ((20, 40, 10), (35, 60, 15))):
        for travel in (0, 12, 45):
            for due in range(0, 140, 3):
                latest = latest_departure(due, travel, breaks, 0, len(breaks))
                in_time = [
                    clock for clock in range(-60, 150) if ready_minute(clock, travel, breaks, 0, len(breaks)) <= due
                ]
                assert latest == max(in_time) if in_time else latest < -60


def test_a_missed_break_makes_a_leg_impossible() -> None:
    assert ready_minute(51, 10, ((30, 50, 10),), 0, 1) == NEVER
    assert ready_minute(51, 10, ((30, 50, 10),), 0, 0) == 61


def test_the_first_leg_leaves_late_rather_than_wait_and_not_when_a_break_comes_first() -> None:
    for breaks, depart in (((), 90), ((Break(0, 20, 30),), 0)):
        question = problem(
            technician("ann", Shift(0, 240, "depot", "depot", breaks=breaks)), visit("a", release_minute=100)
        )
        draft = Draft(Model(question))
        draft.insert(0, 0, 0)
        (route,) = draft.to_plan().routes
        assert (route.depart_minute, route.stops[0].start_minute) == (depart, 100)
