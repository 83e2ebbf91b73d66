"""An urgent visit comes in: whom to send, whom to move, who has to give way.

What is promised, pinned or linked stays as it is, and nobody starts earlier than they were told. What has begun
is the caller's to pin; that the urgent visit cannot start in the past, its release says.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from optimizer.change import Change, Move
from optimizer.desk import Desk
from optimizer.fits import FOREVER
from optimizer.model import NOWHERE
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Problem, Visit

# How many visits are taken out of the way for a try: where there is another way, and where there is none.
EXCHANGES_BESIDE = 6
EXCHANGES_MAX = 16
# Someone else is only sent away if that spares lateness, or at least so much.
MUCH_BETTER_CENTS = 2_000


@dataclass(frozen=True, slots=True)
class Repair:
    """A changed plan, and the difference to the one before. `problem` is what the plan answers: another than
    was asked where a shift is cut. `bumped` visits were served and are not any more."""

    plan: Plan
    moved: tuple[Move, ...]
    bumped: tuple[str, ...]
    added_travel_minutes: int
    added_travel_metres: int
    added_lateness_cents: int
    added_cents: int
    sentence: str
    problem: Problem


# ---- one more visit


def insert_urgent(problem: Problem, plan: Plan, visit_id: str, *, ways_max: int = 5) -> tuple[Repair, ...]:
    """Ways to serve one more visit, best first by what the whole plan is worth: as it is, with another visit
    moved to a later start or to someone else, or in the place of less urgent ones, where nothing else fits or
    it is much better. Empty when nothing does. A visit that is served is taken out first; figures are the
    difference to the plan without it."""
    return insert_urgent_at(Desk(problem, plan), visit_id, ways_max=ways_max)


def insert_urgent_at(desk: Desk, visit_id: str, *, ways_max: int = 5) -> tuple[Repair, ...]:
    """`insert_urgent` for a day that is prepared."""
    if ways_max < 1:
        raise InvalidProblem("ways_max", "must be positive.")
    number = desk.number(visit_id)
    if desk.is_served(number):
        desk = desk.without(visit_id)
    ways = list(_for_each_technician(desk, number, ways_max))
    if not desk.model.is_linked[number]:
        # Better than the best there is, or the best of its kind where there is nothing else.
        below = min((way.price for way in ways), default=None)
        tries = EXCHANGES_BESIDE if ways else EXCHANGES_MAX
        moving, bumping = exchanges(desk, number, below=below, tries=tries)
        ways += moving
        best = min((way.score.levels for way in ways), default=None)
        ways += [way for way in bumping if _is_worth_bumping(desk, way, best, ways)]
    ways.sort(key=lambda way: (way.score.levels, len(way.dropped), len(way.moved), way.added_travel_minutes))
    return tuple(_repair(desk, way) for way in islice((way for way in ways if way.keeps_the_rules), ways_max))


def _for_each_technician(desk: Desk, number: int, ways_max: int) -> Iterator[Change]:
    visit_id, seen = desk.model.visits[number].id, set[tuple[str, ...]]()
    for way in desk.ways(number):
        if way.technicians_of(visit_id) not in seen:
            seen.add(way.technicians_of(visit_id))
            yield way
        if len(seen) >= ways_max:
            return


def _is_worth_bumping(desk: Desk, way: Change, best: tuple[int, ...] | None, others: list[Change]) -> bool:
    if best is None:
        return way.score < desk.score
    spared = min(other.added_lateness_cents for other in others) - way.added_lateness_cents
    cheaper = min(other.score.wishes_cents for other in others) - way.score.wishes_cents
    return way.score.levels < best and (spared > 0 or cheaper >= MUCH_BETTER_CENTS)


def _is_less_urgent(one: Visit, other: Visit) -> bool:
    """Whether the one may give way to the other: optional to mandatory, cheaper to dearer, or less urgent."""
    if one.mandatory != other.mandatory:
        return other.mandatory
    return one.priority > other.priority or (not one.mandatory and one.price_cents < other.price_cents)


def exchanges(
    desk: Desk, number: int, earliest_minute: int = -FOREVER, *, below: int | None = None, tries: int = EXCHANGES_MAX
) -> tuple[list[Change], list[Change]]:
    """Ways that take one other visit out of the way: moved later or to someone else, and left out; of those
    with a move, only such whose price is `below`."""
    moving: list[Change] = []
    bumping: list[Change] = []
    urgent, scale, limits = desk.model.visits[number], desk.model.wishes_scale, (earliest_minute, FOREVER)
    for cents, vehicle, other in _in_the_way(desk, number)[:tries]:
        if below is not None and cents * scale >= below:
            break
        shorter = {vehicle: desk.lines[vehicle].without(other)}
        first = next(desk.placings(number, vehicles=(vehicle,), limits=limits, lines=shorter), None)
        if first is None:
            continue
        if _is_less_urgent(desk.model.visits[other], urgent):
            bumping.append(first)
        if below is not None and first.price >= below:
            continue
        later = (desk.placed[desk.model.visits[other].id][1], FOREVER)
        second = next(desk.placings(other, limits=later, lines=first.lines, instead=True, below=below), None)
        if second is not None:
            moving.append(second)
            below = second.price if below is None else min(below, second.price)
    return moving, bumping


def _in_the_way(desk: Desk, number: int) -> list[tuple[int, int, int]]:
    """In whose place the visit would fit, breaks not looked at: the least that would cost, route and visit,
    cheapest first."""
    model, place, found = desk.model, desk.model.place[number], list[tuple[int, int, int]]()
    for vehicle, starts, own in desk.able(number):
        if vehicle in desk.closed:
            continue
        timeline, technician = desk.draft.timelines[vehicle], model.vehicles[vehicle].technician
        minutes, duration = model.minutes[technician], model.duration[technician][number]
        stations = desk.stations_of(vehicle, timeline)
        here = stations.places[0]
        for at, other in enumerate(timeline.visits):
            _, opens, _, saved = stations.gaps[at]
            there, _, closes, saved_after = stations.gaps[at + 1]
            start = max(opens + minutes[here][place], starts[0][0])
            onward = 0 if there == NOWHERE else minutes[place][there]
            fits = start <= starts[-1][1] and start + duration + onward <= closes
            is_free = not desk.is_fixed(other) and other not in timeline.fetches
            if is_free and (fits or model.is_slowed[technician]):
                cents = model.leg_cents(technician, here, place) + model.leg_cents(technician, place, there)
                found.append((own + cents - saved - saved_after, vehicle, other))
            here = stations.places[at + 1]
    return sorted(found)


def _repair(desk: Desk, way: Change) -> Repair:
    return Repair(
        plan=way.plan,
        moved=way.moved,
        bumped=way.dropped,
        added_travel_minutes=way.added_travel_minutes,
        added_travel_metres=way.added_travel_metres,
        added_lateness_cents=way.added_lateness_cents,
        added_cents=way.added_cents,
        sentence=_insertion_sentence(way),
        problem=desk.problem,
    )


def _insertion_sentence(way: Change) -> str:
    (visit_id,) = way.served
    who = " and ".join(way.technicians_of(visit_id))
    figures = (
        f"{who} could start at minute {way.starts[visit_id]}: {way.added_travel_minutes} min and "
        f"{way.added_travel_metres / 1000:.1f} km more to drive, {way.added_cents} cents"
    )
    return f"{figures}{consequences(way.added_lateness_cents, way.moved, way.dropped)}."


def consequences(lateness_cents: int, moved: Collection[Move], bumped: Collection[str]) -> str:
    text = f", {lateness_cents} cents of lateness" if lateness_cents > 0 else ""
    if moved:
        text += f"; moves {', '.join(_move(each) for each in moved)}"
    if bumped:
        text += f"; leaves out {', '.join(f'“{each}”' for each in bumped)}"
    return text


def _move(move: Move) -> str:
    minutes = move.to_start_minute - move.from_start_minute
    when = "" if not minutes else f" {abs(minutes)} min {'later' if minutes > 0 else 'earlier'}"
    if move.to_technician_ids == move.from_technician_ids:
        return f"“{move.visit_id}”{when}"
    return f"“{move.visit_id}” to {' and '.join(move.to_technician_ids)}{when}"
