"""Judging an insertion by its two neighbors says the same as timing the whole route."""

from hypothesis import HealthCheck, given, settings

from optimizer.draft import Draft
from optimizer.model import Model
from optimizer.problem import Break, Problem, Shift
from optimizer.timing import NEVER, latest_departure, ready_minute, timeline_of
from tests.optimizer.days import problems
from tests.optimizer.given import problem, technician, visit


@settings(deadline=None, derandomize=True, max_examples=80, suppress_health_check=list(HealthCheck))
@given(problems(visits_max=6, linked=False))
def test_a_visit_fits_where_the_longer_route_can_be_driven(question: Problem) -> None:
    model = Model(question)
    draft = Draft(model)
    for number in range(len(model.visits)):
        for vehicle, timeline in enumerate(draft.timelines):
            starts = draft.starts_for(number, vehicle)
            if not starts:
                continue
            for position in range(len(timeline.visits) + 1):
                visits = [*timeline.visits[:position], number, *timeline.visits[position:]]
                windows = [*timeline.starts[:position], starts, *timeline.starts[position:]]
                fits = timeline_of(model, timeline.vehicle, visits, windows).is_feasible()
                assert (timeline.start_when_inserted(position, number, starts) is not None) is fits
                assert (timeline.minutes_short(position, number, starts) == 0) is fits
        options = [each for vehicle in range(len(model.vehicles)) for each in draft.options(number, vehicle)]
        if options:
            draft.insert(number, options[0].vehicle, options[0].position)


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
