"""Whom to send: technicians ranked for one visit with figures, and visits that would suit a gap or lie near."""

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.change import Change
from optimizer.desk import Desk
from optimizer.model import NOWHERE
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Problem
from optimizer.rules import surplus_levels


@dataclass(frozen=True, slots=True)
class Recommendation:
    """These technicians for this visit. `travel_…` is what is driven more, `gap_minutes` what would stay free
    between the neighbors, `workload_minutes` work and travel already planned in that shift; figures of a
    crew are added up, its gap the smallest."""

    visit_id: str
    technician_ids: tuple[str, ...]
    start_minute: int
    travel_minutes: int
    travel_metres: int
    added_cents: int
    added_lateness_cents: int
    skill_surplus_levels: int
    gap_minutes: int
    workload_minutes: int
    is_preferred: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A visit near a route or a place; `near_visit_id` is the stop it is near to, None for a start or a place.
    `technician_ids` and `start_minute` tell who comes so far, and when: nobody, if it is left out."""

    visit_id: str
    metres: int
    near_visit_id: str | None
    technician_ids: tuple[str, ...]
    start_minute: int | None


def recommend(problem: Problem, plan: Plan, visit_id: str, *, limit: int = 5) -> tuple[Recommendation, ...]:
    """The best technicians (for a crew: the best crews) for a visit, best first, the rest of the plan kept.
    A visit that is planned already is judged against the plan without it."""
    return recommend_at(Desk(problem, plan), visit_id, limit=limit)


def recommend_at(desk: Desk, visit_id: str, *, limit: int = 5) -> tuple[Recommendation, ...]:
    """`recommend` for a day that is prepared."""
    number = desk.number(visit_id)
    if desk.is_served(number):
        desk = desk.without(visit_id)
    ways = _best_of_each(desk, number, limit)
    return tuple(_recommendation(desk, number, way) for way in sorted(ways, key=lambda way: way.score.levels))


def _best_of_each(desk: Desk, number: int, limit: int) -> list[Change]:
    found: dict[tuple[str, ...], Change] = {}
    for way in desk.ways(number):
        if len(found) >= limit:
            break
        if way.keeps_the_rules:
            found.setdefault(way.technicians_of(desk.model.visits[number].id), way)
    return list(found.values())


def fits_in_gap(
    problem: Problem, plan: Plan, technician_id: str, *, from_minute: int, until_minute: int, limit: int = 5
) -> tuple[Recommendation, ...]:
    """Left-out visits that the technician could do between both minutes with nobody else's start changed;
    the most valuable first: mandatory and urgent ones, then what the plan would gain."""
    return fits_in_gap_at(
        Desk(problem, plan), technician_id, from_minute=from_minute, until_minute=until_minute, limit=limit
    )


def fits_in_gap_at(
    desk: Desk, technician_id: str, *, from_minute: int, until_minute: int, limit: int = 5
) -> tuple[Recommendation, ...]:
    """`fits_in_gap` for a day that is prepared."""
    if from_minute > until_minute:
        raise InvalidProblem("until_minute", "must not be before from_minute.")
    technician = desk.technician(technician_id)
    vehicles = desk.model.vehicles_of[technician]
    found: list[tuple[tuple[int, ...], str, Recommendation]] = []
    for number, visit in enumerate(desk.model.visits):
        if desk.is_served(number) or desk.model.is_linked[number]:
            continue
        latest = until_minute - desk.model.duration[technician][number]
        if latest < from_minute:
            continue
        for way in desk.placings(number, vehicles=vehicles, limits=(from_minute, latest)):
            if not way.moved and way.keeps_the_rules:
                found.append((way.score.levels, visit.id, _recommendation(desk, number, way)))
                break
    found.sort(key=lambda each: each[:2])
    return tuple(recommendation for _, _, recommendation in found[:limit])


def nearby(
    problem: Problem,
    plan: Plan,
    *,
    technician_id: str | None = None,
    place: str | None = None,
    radius_metres: int,
    limit: int = 20,
) -> tuple[Opportunity, ...]:
    """Visits by road no farther than `radius_metres` from a technician's route, or from a place: left-out ones
    first, then those planned with others; nearest first. With a technician, only what they may do."""
    return nearby_at(
        Desk(problem, plan), technician_id=technician_id, place=place, radius_metres=radius_metres, limit=limit
    )


def nearby_at(
    desk: Desk,
    *,
    technician_id: str | None = None,
    place: str | None = None,
    radius_metres: int,
    limit: int = 20,
) -> tuple[Opportunity, ...]:
    """`nearby` for a day that is prepared."""
    if (technician_id is None) == (place is None):
        raise InvalidProblem("technician_id", "or a place must be given, and not both.")
    if place is not None and place not in desk.problem.place_index:
        raise InvalidProblem("place", f"there is no place “{place}”.")
    technician = None if technician_id is None else desk.technician(technician_id)
    points = (
        [(desk.problem.place_index[place], None)]
        if place is not None
        else list(_points(desk, NOWHERE if technician is None else technician))
    )
    own = {visit_id for _, visit_id in points}
    metres = (desk.problem.travel if technician is None else desk.model.travel[technician]).metres
    found: list[tuple[bool, int, str, Opportunity]] = []
    for number, visit in enumerate(desk.model.visits):
        if visit.id in own or (technician is not None and not desk.model.starts(technician, number)):
            continue
        far, near = min((metres[point][desk.model.place[number]], visit_id or "") for point, visit_id in points)
        if far <= radius_metres:
            technician_ids, start = desk.placed.get(visit.id, (frozenset(), None))
            opportunity = Opportunity(visit.id, far, near or None, tuple(sorted(technician_ids)), start)
            found.append((start is not None, far, visit.id, opportunity))
    found.sort(key=lambda each: each[:3])
    return tuple(opportunity for *_, opportunity in found[:limit])


def _points(desk: Desk, technician: int) -> Iterator[tuple[int, str | None]]:
    """Where the technician's routes lead, with the visit each point belongs to."""
    for vehicle in desk.model.vehicles_of[technician]:
        shift = desk.model.vehicles[vehicle]
        yield shift.start_place, None
        if shift.end_place != NOWHERE:
            yield shift.end_place, None
        if vehicle in desk.routes:
            for stop in desk.routes[vehicle].stops:
                number = desk.model.visit_number.get(stop.visit_id)
                if number is not None:
                    yield desk.model.place[number], stop.visit_id


# ---- figures


def _recommendation(desk: Desk, number: int, way: Change) -> Recommendation:
    visit = desk.model.visits[number]
    technician_ids = way.technicians_of(visit.id)
    vehicles = [vehicle for vehicle, line in way.lines.items() if number in line.visits]
    people = [desk.problem.technician_by_id[each] for each in technician_ids]
    surplus = sum(surplus_levels(person, visit) for person in people)
    is_preferred = bool(visit.preferred_technicians) and set(technician_ids) <= set(visit.preferred_technicians)
    gap = min(_gap_minutes(desk, vehicle, number, way) for vehicle in vehicles)
    workload = sum(desk.bills[vehicle].busy_minutes for vehicle in vehicles if vehicle in desk.bills)
    return Recommendation(
        visit_id=visit.id,
        technician_ids=technician_ids,
        start_minute=way.starts[visit.id],
        travel_minutes=way.added_travel_minutes,
        travel_metres=way.added_travel_metres,
        added_cents=way.added_cents,
        added_lateness_cents=way.added_lateness_cents,
        skill_surplus_levels=surplus,
        gap_minutes=gap,
        workload_minutes=workload,
        is_preferred=is_preferred,
        sentence=_sentence(way, technician_ids, visit.id, surplus, gap, workload, is_preferred),
    )


def _gap_minutes(desk: Desk, vehicle: int, number: int, way: Change) -> int:
    """What stays free around the visit: idle before it, and until the next stop, or the shift's end."""
    route = way.routes[vehicle]
    assert route is not None
    at = next(index for index, stop in enumerate(route.stops) if stop.visit_id == desk.model.visits[number].id)
    if at + 1 < len(route.stops):
        return route.stops[at].wait_minutes + route.stops[at + 1].wait_minutes
    return route.stops[at].wait_minutes + max(0, desk.model.vehicles[vehicle].end_minute - route.return_minute)


def _sentence(
    way: Change,
    technician_ids: tuple[str, ...],
    visit_id: str,
    surplus: int,
    gap: int,
    workload: int,
    is_preferred: bool,
) -> str:
    names = " and ".join(technician_ids)
    parts = [
        f"{names} could start at minute {way.starts[visit_id]}, with {way.added_travel_minutes} min and "
        f"{way.added_travel_metres / 1000:.1f} km more to drive"
    ]
    if is_preferred:
        parts.append("whom the customer prefers")
    if surplus:
        parts.append(f"skilled {surplus} levels beyond the need")
    parts.append(f"{workload} min planned so far, {gap} min left in the gap")
    if way.added_lateness_cents:
        parts.append(f"{way.added_lateness_cents} cents of lateness")
    return f"{', '.join(parts)}; it adds {way.added_cents} cents."
