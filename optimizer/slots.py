"""Which windows a customer may be offered for a visit that does not exist yet, and what each would cost us.

A slot near work that is planned anyway is cheap, and so is one where capacity lies idle: the price of a window
is what the whole plan would cost more, lateness caused to others included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.change import Change, Starts
from optimizer.desk import Desk
from optimizer.fits import FOREVER, intersect
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Problem, Visit
from optimizer.timing import Timeline


@dataclass(frozen=True, slots=True)
class Slot:
    """One window to offer: work could start at `start_minute` inside it. `marginal_cents` is what the plan
    would cost more, wishes and lateness; `near_visit_id` the nearer neighbor on the road, None on an empty day."""

    earliest_minute: int
    latest_minute: int
    technician_ids: tuple[str, ...]
    start_minute: int
    marginal_cents: int
    added_travel_minutes: int
    added_travel_metres: int
    near_visit_id: str | None


def slots(
    problem: Problem, plan: Plan, visit: Visit, *, count: int = 10, window_minutes: int = 120, step_minutes: int = 60
) -> tuple[Slot, ...]:
    """The cheapest windows in which the visit fits, one slot each, cheapest first. Windows open at multiples
    of `step_minutes` during the technicians' shifts. The visit is new to the problem; its place is not.
    Raises `InvalidProblem` for a visit the problem cannot take."""
    return slots_at(Desk(problem, plan), visit, count=count, window_minutes=window_minutes, step_minutes=step_minutes)


def slots_at(
    desk: Desk, visit: Visit, *, count: int = 10, window_minutes: int = 120, step_minutes: int = 60
) -> tuple[Slot, ...]:
    """`slots` for a day that is prepared."""
    for name, minutes in (("window_minutes", window_minutes), ("step_minutes", step_minutes)):
        if minutes < 1:
            raise InvalidProblem(name, "must be positive.")
    guest = desk.expecting(visit)
    number = guest.number(visit.id)
    windows = [(earliest, earliest + window_minutes) for earliest in _openings(guest, step_minutes)]
    best = _best_of_crews if guest.model.is_linked[number] else _best
    found = [_slot(guest, number, *window, way) for window, way in best(guest, number, windows).items()]
    found.sort(key=lambda slot: (slot.marginal_cents, slot.earliest_minute))
    return tuple(found[:count])


Ways = dict[tuple[int, int], Change]


def _best_of_crews(desk: Desk, number: int, windows: Sequence[tuple[int, int]]) -> Ways:
    ways: Ways = {}
    for window in windows:
        cheapest = min(desk.ways(number, limits=window), key=lambda way: way.marginal_cents, default=None)
        if cheapest is not None:
            ways[window] = cheapest
    return ways


def _best(desk: Desk, number: int, windows: Sequence[tuple[int, int]]) -> Ways:
    """The cheapest way in each window; positions are looked at from the cheapest on, for all windows at once,
    and only as long as one of them could still do better."""
    ways: Ways = {}
    missing = len(windows)
    for cents, position, vehicle, timeline, starts in _positions(desk, number):
        if not missing and cents >= max(way.marginal_cents for way in ways.values()):
            break
        fitting = desk.fitting(number, vehicle, position, timeline, starts)
        if fitting is None:
            continue
        # Another stock than the nearest may let it start sooner.
        first = -FOREVER if desk.model.visits[number].parts else fitting[0]
        for window in windows:
            earliest, latest = window
            if latest < first or (window in ways and cents >= ways[window].marginal_cents):
                continue
            inside = intersect(starts, earliest, latest)
            fitting = desk.fitting(number, vehicle, position, timeline, inside) if inside else None
            if fitting is None:
                continue
            way = desk.change({vehicle: desk.lines[vehicle].adding(position, number, inside, fitting[1])})
            if window not in ways or way.marginal_cents < ways[window].marginal_cents:
                missing -= window not in ways
                ways[window] = way
    return ways


def _positions(desk: Desk, number: int) -> list[tuple[int, int, int, Timeline, Starts]]:
    """Where the visit may fit, with the least it would cost, cheapest first."""
    found = [
        (cents, position, vehicle, timeline, starts)
        for vehicle, timeline, starts in desk.open_routes(number)
        for position, cents, _ in desk.gaps(number, vehicle, timeline, starts)
    ]
    found.sort(key=lambda each: (each[0], each[2], each[1]))
    return found


def _openings(desk: Desk, step_minutes: int) -> list[int]:
    """The grid's minutes in some shift."""
    openings: set[int] = set()
    for first, last in {(each.first_minute, each.last_minute) for each in desk.model.vehicles}:
        openings.update(range(first - first % step_minutes, last, step_minutes))
    return sorted(openings)


def _slot(desk: Desk, number: int, earliest: int, latest: int, way: Change) -> Slot:
    visit_id = desk.model.visits[number].id
    return Slot(
        earliest_minute=earliest,
        latest_minute=latest,
        technician_ids=way.technicians_of(visit_id),
        start_minute=way.starts[visit_id],
        marginal_cents=way.marginal_cents,
        added_travel_minutes=way.added_travel_minutes,
        added_travel_metres=way.added_travel_metres,
        near_visit_id=near_visit_id(desk, number, way),
    )


def near_visit_id(desk: Desk, number: int, way: Change) -> str | None:
    """The neighbor that is the shorter drive away, on the route of whoever comes."""
    model, near = desk.model, list[tuple[int, str]]()
    for vehicle, line in way.lines.items():
        minutes = model.minutes[model.vehicles[vehicle].technician]
        if number in line.visits:
            at = line.visits.index(number)
            for other in (*line.visits[max(0, at - 1) : at], *line.visits[at + 1 : at + 2]):
                near.append((minutes[model.place[other]][model.place[number]], model.visits[other].id))
    return min(near)[1] if near else None
