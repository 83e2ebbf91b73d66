"""A technician drops out, or runs late: what they cannot do any more is handed over, and as little changes as can.

First comes what was told to people: the same start, by whoever can; then the smallest move; money comes last.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from optimizer.change import Change, Move
from optimizer.desk import Desk, placed_in
from optimizer.draft import fetches_of
from optimizer.explain import explain_unassigned_at
from optimizer.fits import FOREVER, Interval, intersect
from optimizer.model import Model
from optimizer.plan import Plan, Route, Stop, Unassigned
from optimizer.problem import Break, InvalidProblem, Problem, Shift, Technician
from optimizer.repair import Repair, consequences, exchanges
from optimizer.score import score, scored
from optimizer.supply import first_shortage
from optimizer.timing import NEVER, Timeline, timeline_of

# How far from its old start a visit may be put, tried in this order, and how many places are compared.
TOLERANCES = (0, 15, 30, 60, 120, FOREVER)
WAYS_COMPARED = 40


def without_technician(
    problem: Problem, plan: Plan, technician_id: str, *, from_minute: int, until_minute: int | None = None
) -> Repair:
    """The day without a technician from one minute until another, or for good. What is in the way of the
    absence is handed over: at the same start if anyone can, else moved the least, else left out with reasons.
    The shift is cut in `Repair.problem`, to which the plan's shift indexes belong: a route before the absence
    ends where its last visit does, one after it begins where the shift did."""
    if until_minute is not None and until_minute <= from_minute:
        raise InvalidProblem("until_minute", "must be after from_minute.")
    person = _person(problem, technician_id)
    until = FOREVER if until_minute is None else until_minute
    routes = {route.shift_index: route for route in plan.routes if route.technician_id == technician_id}
    shifts: list[Shift] = []
    parts: list[_Part] = []
    for index, shift in enumerate(person.shifts):
        for piece in _pieces(shift, routes.get(index), from_minute, until):
            if index in routes:
                parts.append(_Part(len(shifts), routes[index], piece is shift, piece))
            shifts.append(piece)
    changed = _with_person(problem, replace(person, shifts=tuple(shifts)))
    repair = _mend(problem, changed, plan, technician_id, parts, from_minute)
    return replace(repair, sentence=f"Without {technician_id} from minute {from_minute}{repair.sentence}.")


def after_delay(problem: Problem, plan: Plan, technician_id: str, *, at_minute: int, delay_minutes: int) -> Repair:
    """The day after a technician has fallen behind by so many minutes. What has begun stays; what follows is
    shifted, and handed over where a promise would break or that spares lateness. In `Repair.problem` the delay
    is a later start of the shift, or, on the way, a break of that length after what was begun last."""
    if delay_minutes < 1:
        raise InvalidProblem("delay_minutes", "must be positive.")
    person = _person(problem, technician_id)
    routes = {route.shift_index: route for route in plan.routes if route.technician_id == technician_id}
    index = next((at for at, shift in enumerate(person.shifts) if at_minute < shift.last_minute), None)
    if index is None:
        raise InvalidProblem("at_minute", f"{technician_id} has no shift after that.")
    late = _late(problem, person, index, routes.get(index), at_minute, delay_minutes)
    if late is None:
        shift = person.shifts[index]
        begun = _begun(routes.get(index), at_minute)
        gone = max(shift.start_minute, begun[-1].end_minute if begun else shift.start_minute)
        return without_technician(problem, plan, technician_id, from_minute=gone, until_minute=shift.last_minute)
    shifts = (*person.shifts[:index], late, *person.shifts[index + 1 :])
    changed = _with_person(problem, replace(person, shifts=shifts))
    parts = [_Part(each, route, each != index, shifts[each]) for each, route in routes.items()]
    repair = _mend(problem, changed, plan, technician_id, parts, at_minute)
    return replace(
        repair, sentence=f"With {technician_id} {delay_minutes} min late at minute {at_minute}{repair.sentence}."
    )


def _person(problem: Problem, technician_id: str) -> Technician:
    person = problem.technician_by_id.get(technician_id)
    if person is None:
        raise InvalidProblem("technician_id", f"there is no technician “{technician_id}”.")
    return person


def _with_person(problem: Problem, person: Technician) -> Problem:
    return replace(problem, technicians=tuple(person if each.id == person.id else each for each in problem.technicians))


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the technician's shifts as it is now, with the route it had, and whether that is untouched."""

    shift_index: int
    route: Route
    is_whole: bool
    shift: Shift


# ---- what is left of a shift


def _pieces(shift: Shift, route: Route | None, from_minute: int, until_minute: int) -> Iterator[Shift]:
    if until_minute <= shift.start_minute or from_minute >= shift.last_minute:
        yield shift
        return
    if from_minute > shift.start_minute:
        is_home = route is None or route.return_minute <= from_minute
        yield replace(
            shift,
            end_minute=min(shift.end_minute, from_minute),
            overtime_minutes_max=max(0, from_minute - shift.end_minute),
            end_place=shift.end_place if is_home else None,
            breaks=_breaks_inside(shift, route, shift.start_minute, from_minute),
        )
    if until_minute < shift.end_minute:
        yield replace(
            shift,
            start_minute=until_minute,
            breaks=_breaks_inside(shift, route, until_minute, shift.last_minute),
        )


def _breaks_inside(shift: Shift, route: Route | None, start_minute: int, end_minute: int) -> tuple[Break, ...]:
    """The breaks that were to be taken in this stretch and still can."""
    kept: list[Break] = []
    free_from = start_minute
    for pause, placed in zip(shift.breaks, _placed(shift, route), strict=True):
        earliest, latest = max(pause.earliest_minute, start_minute), pause.latest_minute
        latest = min(latest, end_minute - pause.duration_minutes)
        begin = max(free_from, earliest)
        begin = begin if route is None else placed
        if start_minute <= begin <= latest:
            kept.append(Break(earliest, latest, pause.duration_minutes))
            free_from = begin + pause.duration_minutes
    return tuple(kept)


def _placed(shift: Shift, route: Route | None) -> Sequence[int]:
    """When each break begins."""
    if route is not None and len(route.breaks) == len(shift.breaks):
        return [pause.start_minute for pause in route.breaks]
    return [pause.earliest_minute for pause in shift.breaks]


def _begun(route: Route | None, at_minute: int) -> tuple[Stop, ...]:
    return () if route is None else tuple(stop for stop in route.stops if stop.start_minute <= at_minute)


def _late(
    problem: Problem, person: Technician, index: int, route: Route | None, at_minute: int, delay_minutes: int
) -> Shift | None:
    """The shift with the delay in it; None when nothing is left of it. Who comes home late comes home."""
    shift, begun = person.shifts[index], _begun(route, at_minute)
    placed = _placed(shift, route)
    if not begun:
        left = shift.start_minute
        if at_minute > left:
            left = at_minute if route is None else min(at_minute, max(left, route.depart_minute))
        start = left + delay_minutes
        if start >= shift.end_minute:
            return None
        ahead = [
            pause
            for pause, minute in zip(shift.breaks, placed, strict=True)
            if route is None or minute + pause.duration_minutes > at_minute
        ]
        return replace(shift, start_minute=start, breaks=_breaks_after(ahead, start, shift.last_minute))
    end = begun[-1].end_minute
    free = end + delay_minutes
    taken = [
        Break(minute, minute, pause.duration_minutes)
        for pause, minute in zip(shift.breaks, placed, strict=True)
        if minute < end
    ]
    rest = _breaks_after(shift.breaks[len(taken) :], free, shift.last_minute)
    rested = max([free, *(pause.earliest_minute + pause.duration_minutes for pause in rest)])
    last_minute = max(shift.last_minute, rested + _minutes_home(problem, person, shift, begun[-1]))
    if index + 1 < len(person.shifts) and last_minute > person.shifts[index + 1].start_minute:
        return None
    return replace(
        shift,
        overtime_minutes_max=last_minute - shift.end_minute,
        breaks=(*taken, Break(end, end, delay_minutes), *rest),
    )


def _minutes_home(problem: Problem, person: Technician, shift: Shift, stop: Stop) -> int:
    """As the road is when the stop ends: a break taken on it counts from there."""
    if shift.end_place is None:
        return 0
    places = problem.place_index
    here, home = places[problem.visit_by_id[stop.visit_id].place], places[shift.end_place]
    return problem.travel_for(person).minutes_from(here, home, stop.end_minute)


def _breaks_after(breaks: Iterable[Break], free_from: int, last_minute: int) -> tuple[Break, ...]:
    """Each in its window, or as soon as it can be."""
    kept: list[Break] = []
    for pause in breaks:
        earliest = max(pause.earliest_minute, free_from)
        if earliest + pause.duration_minutes <= last_minute:
            kept.append(Break(earliest, max(earliest, pause.latest_minute), pause.duration_minutes))
            free_from = earliest + pause.duration_minutes
    return tuple(kept)


# ---- who stays, and where the others go


def _mend(
    problem: Problem, changed: Problem, plan: Plan, technician_id: str, parts: Sequence[_Part], now: int
) -> Repair:
    placed = placed_in(plan)
    desk, homeless = _with_what_stays(changed, plan, technician_id, parts, now)
    for number in _in_order(desk, homeless, placed):
        if desk.is_served(number):
            continue
        way = _settled(desk, number, placed, now)
        if way is not None:
            desk = desk.after(way)
    desk = _less_late(desk, technician_id, placed, now)
    return _repair(problem, changed, plan, scored(changed, _with_reasons(desk, plan)))


def _with_what_stays(
    changed: Problem, plan: Plan, technician_id: str, parts: Sequence[_Part], now: int
) -> tuple[Desk, list[int]]:
    """The plan with all that may stay as it is, and what may not."""
    # Times are chosen against the plan that people know: a break is not taken before a visit that then moves.
    policy = replace(changed.policy, moved_cents_per_minute=max(1, changed.policy.moved_cents_per_minute))
    model = Model(replace(changed, published=plan, policy=policy))
    routes = [route for route in plan.routes if route.technician_id != technician_id]
    # All of theirs at first: of a shift that is gone as a whole there is no part.
    theirs = (route for route in plan.routes if route.technician_id == technician_id)
    homeless = {model.visit_number[stop.visit_id] for route in theirs for stop in route.stops}
    for part in parts:
        if part.is_whole:
            routes.append(replace(part.route, shift_index=part.shift_index))
            homeless -= {model.visit_number[stop.visit_id] for stop in part.route.stops}
            continue
        vehicle = model.vehicle_number[model.technician_number[technician_id], part.shift_index]
        timeline = _feasible(model, vehicle, part, now)
        if timeline.visits:
            routes.append(timeline.route())
            homeless -= set(timeline.visits)
    # A crew is whole or not at all, and nobody comes before whom they follow: both are placed anew together.
    routes, homeless = _without_the_incomplete(model, routes, homeless)
    served = {stop.visit_id for route in routes for stop in route.stops}
    known = {each.visit_id: each for each in plan.unassigned}
    left = tuple(known.get(visit.id, Unassigned(visit.id)) for visit in changed.visits if visit.id not in served)
    return Desk(changed, Plan(tuple(routes), left)), sorted(homeless)


def _feasible(model: Model, vehicle: int, part: _Part, now: int) -> Timeline:
    """As many of the stops as the shift still holds, each at its start or later."""
    kept: list[int] = []
    starts: list[tuple[Interval, ...]] = []
    technician = model.vehicles[vehicle].technician
    last_minute = part.shift.last_minute
    for stop in part.route.stops:
        number = model.visit_number[stop.visit_id]
        if stop.start_minute < part.shift.start_minute and stop.end_minute <= part.shift.start_minute:
            continue
        if stop.start_minute >= last_minute:
            continue
        allowed = _starts_left(model, technician, number, stop, now)
        if allowed:
            kept.append(number)
            starts.append(allowed)
    begun = sum(stop.start_minute <= now for stop in part.route.stops)
    return _as_many_as_hold(model, vehicle, part.route, kept, starts, begun)


def _starts_left(model: Model, technician: int, number: int, stop: Stop, now: int = -FOREVER) -> tuple[Interval, ...]:
    """As it was, or later where nothing depends on its start and it has not begun."""
    is_fixed = model.visits[number].pin is not None or model.is_linked[number] or stop.start_minute <= now
    latest = stop.start_minute if is_fixed else FOREVER
    return intersect(model.starts(technician, number), stop.start_minute, latest)


def _as_many_as_hold(
    model: Model, vehicle: int, route: Route, kept: list[int], starts: list[tuple[Interval, ...]], begun: int = 0
) -> Timeline:
    """Those of a route's visits that can be driven to with these starts; the `begun` first of them go last."""
    while True:
        fetches = {number: fetch for number, fetch in fetches_of(model, route).items() if number in kept}
        timeline = timeline_of(model, model.vehicles[vehicle], kept, starts, fetches)
        if not kept or timeline.is_feasible():
            return timeline
        gone = _weakest(timeline, begun)
        del kept[gone], starts[gone]


def _weakest(timeline: Timeline, begun: int) -> int:
    """The stop whose promise breaks; another only where that one has begun, or its removal would not help."""
    count = len(timeline.visits)
    broken: int = next((at for at in range(count) if min(timeline.forward[at + 1]) == NEVER), count - 1)
    candidates: list[int] = [broken, *range(count - 1, -1, -1)]
    for at in candidates:
        if at >= begun and _is_feasible_without(timeline, at):
            return at
    return max(broken, min(begun, count - 1))


def _is_feasible_without(timeline: Timeline, at: int) -> bool:
    visits, starts = timeline.visits, timeline.starts
    shorter = visits[:at] + visits[at + 1 :], starts[:at] + starts[at + 1 :]
    return timeline_of(timeline.model, timeline.vehicle, *shorter, timeline.fetches).is_feasible()


def _without_the_incomplete(model: Model, routes: list[Route], homeless: set[int]) -> tuple[list[Route], set[int]]:
    while True:
        count = Counter(model.visit_number[stop.visit_id] for route in routes for stop in route.stops)
        broken = {
            number
            for number, times in count.items()
            if times != model.visits[number].crew_size
            or any(model.visit_number[link.visit_id] not in count for link in model.visits[number].after)
        }
        broken |= _unsupplied(model, routes)
        if not broken:
            return routes, homeless
        routes = [each for route in routes if (each := _route_without(model, route, broken)) is not None]
        homeless = homeless | (
            count.keys() - {model.visit_number[stop.visit_id] for each in routes for stop in each.stops}
        )


def _unsupplied(model: Model, routes: Iterable[Route]) -> set[int]:
    """Stops whose parts were to be fetched on the way to one that is gone."""
    timelines = [Timeline.empty(model, vehicle) for vehicle in model.vehicles]
    technicians: set[int] = set()
    for route in routes:
        fetches = fetches_of(model, route)
        numbers = [model.visit_number[stop.visit_id] for stop in route.stops]
        if fetches or any(model.visits[number].parts for number in numbers):
            technician = model.technician_number[route.technician_id]
            vehicle = model.vehicle_number[technician, route.shift_index]
            timelines[vehicle].visits, timelines[vehicle].fetches = numbers, fetches
            technicians.add(technician)
    short = (first_shortage(model, timelines, technician) for technician in sorted(technicians))
    return {each[1] for each in short if each is not None}


def _route_without(model: Model, route: Route, gone: set[int]) -> Route | None:
    """Without those, and without what cannot be reached in time when they are not on the way; None for no route."""
    numbers = [model.visit_number[stop.visit_id] for stop in route.stops]
    if not gone & set(numbers):
        return route
    technician = model.technician_number[route.technician_id]
    kept = {number: stop for number, stop in zip(numbers, route.stops, strict=True) if number not in gone}
    starts = [_starts_left(model, technician, number, stop) for number, stop in kept.items()]
    vehicle = model.vehicle_number[technician, route.shift_index]
    timeline = _as_many_as_hold(model, vehicle, route, list(kept), starts)
    return timeline.route() if timeline.visits else None


def _in_order(desk: Desk, homeless: Iterable[int], placed: dict[str, tuple[frozenset[str], int]]) -> list[int]:
    """Linked visits first, in their order; then the most urgent."""
    visits = desk.model.visits

    def key(number: int) -> tuple[object, ...]:
        visit = visits[number]
        return (
            not desk.model.is_linked[number],
            not visit.mandatory,
            placed[visit.id][1] if desk.model.is_linked[number] else visit.priority,
            placed[visit.id][1],
            number,
        )

    return sorted(homeless, key=key)


def _settled(desk: Desk, number: int, placed: dict[str, tuple[frozenset[str], int]], now: int) -> Change | None:
    """The way to serve it again that changes least; None where there is none worth it."""
    visit = desk.model.visits[number]
    former = placed[visit.id][1]
    best: tuple[tuple[int, ...], int, Change] | None = None
    order = 0
    # Whoever pinned it knows why it is then, or them.
    for tolerance in TOLERANCES if visit.pin is None else TOLERANCES[:1]:
        limits = (max(now, former - tolerance), former + tolerance)
        if limits[0] > limits[1]:
            continue
        for way in islice(desk.ways(number, limits=limits), WAYS_COMPARED):
            if not way.keeps_the_rules:
                continue
            changed = abs(way.starts[visit.id] - former) + _minutes_moved(way)
            changed += len(set(way.technicians_of(visit.id)) - placed[visit.id][0])
            rank = (way.added_lateness_cents, changed, way.added_cents)
            order += 1
            if best is None or (rank, order) < best[:2]:
                best = rank, order, way
        if best is not None and best[0][1] <= tolerance + visit.crew_size and best[0][0] <= 0:
            break
    if best is not None and (visit.mandatory or best[0][0] <= 0 or best[2].score < desk.score):
        return best[2]
    if desk.is_fixed(number):
        return None
    moving, bumping = exchanges(desk, number, now)
    others = [way for way in (*moving, *bumping) if way.keeps_the_rules and way.score < desk.score]
    return min(others, key=lambda way: way.score.levels, default=None)


def _minutes_moved(way: Change) -> int:
    return sum(abs(move.to_start_minute - move.from_start_minute) for move in way.moved)


def _less_late(desk: Desk, technician_id: str, placed: dict[str, tuple[frozenset[str], int]], now: int) -> Desk:
    """Hands over what would now be late with the technician and would be less so with another."""
    for vehicle in desk.model.vehicles_of[desk.technician(technician_id)]:
        line = desk.lines[vehicle]
        for number in line.visits if vehicle not in desk.closed else ():
            visit = desk.model.visits[number]
            start = desk.placed[visit.id][1]
            is_late = visit.due_minute is not None and start > visit.due_minute
            if desk.is_fixed(number) or number in line.fetches or not is_late or start <= now:
                continue
            former = placed[visit.id][1] if visit.id in placed else start
            limits, shorter = (max(now, former), FOREVER), {vehicle: line.without(number)}
            way = next(desk.placings(number, limits=limits, lines=shorter, instead=True), None)
            if way is not None and way.added_lateness_cents < 0 and way.keeps_the_rules:
                return _less_late(desk.after(way), technician_id, placed, now)
    return desk


def _with_reasons(desk: Desk, before: Plan) -> Plan:
    """Who is left out now says why; who was before has said it."""
    known = {each.visit_id for each in before.unassigned}
    return replace(
        desk.plan,
        unassigned=tuple(
            each if each.visit_id in known else Unassigned(each.visit_id, explain_unassigned_at(desk, each.visit_id))
            for each in desk.plan.unassigned
        ),
    )


# ---- what became of it


def _repair(problem: Problem, changed: Problem, before: Plan, after: Plan) -> Repair:
    first, last = score(problem, before), after.score
    assert last is not None
    moved = tuple(moves_between(before, after))
    gone, come = before.visit_ids - after.visit_ids, after.visit_ids - before.visit_ids
    price = {visit.id: visit.price_cents for visit in problem.visits}
    lateness = last.lateness_cents - first.lateness_cents
    cents = last.wishes_cents - first.wishes_cents
    cents += sum(price[each] for each in come) - sum(price[each] for each in gone)
    return Repair(
        plan=after,
        moved=moved,
        bumped=tuple(sorted(gone)),
        added_travel_minutes=_minutes(after) - _minutes(before),
        added_travel_metres=_metres(after) - _metres(before),
        added_lateness_cents=lateness,
        added_cents=cents,
        sentence=consequences(lateness, moved, sorted(gone)) or ", nothing changes",
        problem=changed,
    )


def _minutes(plan: Plan) -> int:
    return sum(route.travel_minutes for route in plan.routes)


def _metres(plan: Plan) -> int:
    return sum(route.travel_metres for route in plan.routes)


def moves_between(before: Plan, after: Plan) -> Iterator[Move]:
    """Every visit that both plans serve, and not alike."""
    first, last = placed_in(before), placed_in(after)
    for visit_id in sorted(first.keys() & last.keys()):
        if first[visit_id] != last[visit_id]:
            (then, start), (now, begin) = first[visit_id], last[visit_id]
            yield Move(visit_id, tuple(sorted(then)), start, tuple(sorted(now)), begin)
