"""Why a visit is left out, by code and with what was lacking; and why this technician, with figures.

A left-out visit is led through the conditions one after the other, from skills to the day's last free minute;
the first one that too few technicians survive is the reason.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from optimizer.construct import Insertion, placings_price, ways_to_insert
from optimizer.desk import Desk
from optimizer.draft import Draft
from optimizer.fits import (
    carries_the_load,
    carries_the_parts,
    has_the_skills,
    is_accepted,
    is_pinned_elsewhere,
    serves_the_territory,
    start_intervals,
)
from optimizer.model import Model
from optimizer.plan import Plan, Reason, ReasonCode, Unassigned
from optimizer.problem import Problem, Technician, Visit
from optimizer.supply import lacking_on_board, ways_to_supply
from optimizer.timing import NEVER, Fetch, Timeline

Condition = tuple[Callable[[Technician, Visit], bool], Callable[[Sequence[Technician], Visit], Reason]]


def explain_unassigned(problem: Problem, plan: Plan, visit_id: str) -> tuple[Reason, ...]:
    """Why this visit is not in this plan."""
    draft = Draft.from_plan(Model(problem), plan)
    return _reasons(draft, draft.model.visit_number[visit_id])


def explain_unassigned_at(desk: Desk, visit_id: str) -> tuple[Reason, ...]:
    """`explain_unassigned` for a day that is prepared; raises `InvalidProblem` for a visit it does not have."""
    return _reasons(desk.draft, desk.number(visit_id))


def with_reasons(
    problem: Problem, plan: Plan, model: Model | None = None, is_late: Callable[[], bool] | None = None
) -> Plan:
    """The same plan, each left-out visit with its reasons, the most urgent first; from when `is_late` says so, without
    what was lacking."""
    if not plan.unassigned:
        return plan
    draft = Draft.from_plan(model or Model(problem), plan)
    numbers, visits = draft.model.visit_number, problem.visit_by_id
    found: dict[str, tuple[Reason, ...]] = {}
    for visit_id in sorted(
        (each.visit_id for each in plan.unassigned),
        key=lambda each: (not visits[each].mandatory, visits[each].priority, each),
    ):
        brief = is_late is not None and is_late()
        found[visit_id] = _reasons(draft, numbers[visit_id], brief=brief)
    return replace(plan, unassigned=tuple(Unassigned(visit_id, reasons) for visit_id, reasons in found.items()))


def _reasons(draft: Draft, number: int, *, brief: bool = False) -> tuple[Reason, ...]:
    model, crew_size = draft.model, draft.model.visits[number].crew_size
    reachable = 0
    for technician, vehicles in enumerate(model.vehicles_of):
        reachable += bool(vehicles) and _is_reachable(model, technician, number)
        if reachable == crew_size:
            break
    if reachable < crew_size:
        return (_reason_on_an_empty_day(model, number),)
    if brief:
        return (Reason(ReasonCode.NO_CAPACITY_LEFT, "It found no place among the others in the time there was."),)
    return (_reason_on_this_day(draft, number),)


# ---- on a day without any other work


def _is_reachable(model: Model, technician: int, number: int) -> bool:
    starts = model.starts(technician, number)
    return bool(starts) and any(
        Timeline.empty(model, model.vehicles[vehicle]).start_when_inserted(0, number, starts, fetch) is not None
        for vehicle in model.vehicles_of[technician]
        for fetch in _ways_to_supply(model, technician, number)
    )


def _ways_to_supply(model: Model, technician: int, number: int) -> list[Fetch | None]:
    lacking = lacking_on_board(model.technicians[technician], model.visits[number])
    return ways_to_supply(lacking, [stock.parts for stock in model.problem.stocks])


def _reason_on_an_empty_day(model: Model, number: int) -> Reason:
    visit = model.visits[number]
    survivors: list[Technician] = [technician for technician in model.technicians if technician.shifts]
    if not survivors:
        return Reason(ReasonCode.NO_TECHNICIANS, "Nobody works in this time.")
    for holds, reason in (*_personal_conditions(model.problem), *_TIMELY_CONDITIONS):
        remaining = [technician for technician in survivors if holds(technician, visit)]
        if not remaining:
            return reason(survivors, visit)
        if len(remaining) < visit.crew_size:
            return _crew_too_small(len(remaining), visit)
        survivors = remaining
    reached = [
        technician for technician in survivors if _is_reachable(model, model.technician_number[technician.id], number)
    ]
    if reached:
        return _crew_too_small(len(reached), visit)
    short = min(
        (
            Timeline.empty(model, model.vehicles[vehicle]).minutes_short(
                0, number, model.starts(technician, number), fetch
            )
            for technician in (model.technician_number[each.id] for each in survivors)
            for vehicle in model.vehicles_of[technician]
            for fetch in _ways_to_supply(model, technician, number)
        ),
        default=NEVER,
    )
    deficit = None if short == NEVER else short
    by = "" if deficit is None else f"; {deficit} min are lacking"
    return Reason(
        ReasonCode.TOO_FAR,
        f"There is not enough time to drive there, work and return{by}.",
        deficit,
        None if deficit is None else "minutes",
    )


def _crew_too_small(found: int, visit: Visit) -> Reason:
    return Reason(
        ReasonCode.CREW_TOO_SMALL,
        f"It takes {visit.crew_size} technicians, and only {found} could come.",
        visit.crew_size - found,
        "technicians",
    )


def _no_skill(technicians: Sequence[Technician], visit: Visit) -> Reason:
    for name, level in visit.required_skills.items():
        best = max((each.skills[name].level for each in technicians if name in each.skills), default=0)
        if best == 0:
            return Reason(
                ReasonCode.NO_TECHNICIAN_HAS_SKILL,
                f"No technician has the skill “{name}”.",
                level,
                "levels",
                name,
            )
        if best < level:
            return Reason(
                ReasonCode.SKILL_LEVEL_TOO_LOW,
                f"“{name}” is needed at level {level}, the best has {best}.",
                level - best,
                "levels",
                name,
            )
    names = ", ".join(f"“{name}”" for name in visit.required_skills)
    return Reason(ReasonCode.NO_TECHNICIAN_HAS_SKILL, f"No technician has all of {names}.", subject=names)


def _not_accepted(technicians: Sequence[Technician], visit: Visit) -> Reason:
    if visit.required_technicians:
        names = ", ".join(visit.required_technicians)
        return Reason(
            ReasonCode.REQUIRED_TECHNICIAN_UNAVAILABLE,
            f"Only {names} may come, and none of them works with the skills needed.",
            subject=names,
        )
    names = ", ".join(each.id for each in technicians)
    return Reason(ReasonCode.EXCLUDED_TECHNICIANS, f"All who could come are excluded: {names}.", subject=names)


def _no_territory(technicians: Sequence[Technician], visit: Visit) -> Reason:
    return Reason(ReasonCode.TERRITORY, f"Nobody who could come serves “{visit.territory}”.", subject=visit.territory)


def _no_parts(technicians: Sequence[Technician], visit: Visit) -> Reason:
    least = min((lacking_on_board(each, visit) for each in technicians), key=lambda each: sum(each.values()))
    name, amount = max(least.items(), key=lambda each: (each[1], each[0]))
    return Reason(
        ReasonCode.PARTS_MISSING,
        f"Nobody who could come has the parts, nor has any one stock; {amount} of “{name}” are lacking.",
        amount,
        "pieces",
        name,
    )


def _load_too_large(technicians: Sequence[Technician], visit: Visit) -> Reason:
    largest = max(each.capacity_units or 0 for each in technicians)
    return Reason(
        ReasonCode.LOAD_TOO_LARGE,
        f"The load of {visit.load_units} fits no vehicle.",
        visit.load_units - largest,
        "units",
    )


def _pinned_elsewhere(technicians: Sequence[Technician], visit: Visit) -> Reason:
    assert visit.pin is not None and visit.pin.technician_ids is not None
    names = ", ".join(visit.pin.technician_ids)
    return Reason(ReasonCode.PIN_IMPOSSIBLE, f"It is pinned to {names}, who is away or may not do it.", subject=names)


def _personal_conditions(problem: Problem) -> tuple[Condition, ...]:
    return (
        (has_the_skills, _no_skill),
        (is_accepted, _not_accepted),
        (serves_the_territory, _no_territory),
        (lambda technician, visit: carries_the_parts(technician, visit, problem.stocks), _no_parts),
        (carries_the_load, _load_too_large),
        (lambda technician, visit: not is_pinned_elsewhere(technician, visit), _pinned_elsewhere),
    )


def _opens(technician: Technician, visit: Visit) -> bool:
    return bool(start_intervals(technician, replace(visit, pin=None, required_skills={})))


def _window_too_short(technicians: Sequence[Technician], visit: Visit) -> Reason:
    needed = min(technician.minutes_for(visit) for technician in technicians)
    windows = [*visit.windows, *([visit.promised] if visit.promised is not None else [])]
    gaps = [needed - (window.latest_minute - window.earliest_minute) for window in windows if window.ends_inside]
    if gaps and max(gaps) > 0:
        short = min(gap for gap in gaps if gap > 0)
        return Reason(
            ReasonCode.WINDOW_TOO_SHORT,
            f"The work takes {needed} min, {short} more than the window has.",
            short,
            "minutes",
        )
    opens = max([window.earliest_minute for window in windows] + [visit.release_minute or windows[0].earliest_minute])
    closes = min(
        max((window.latest_minute for window in visit.windows), default=opens),
        visit.promised.latest_minute if visit.promised is not None else opens,
    )
    short = max(1, opens - closes)
    return Reason(
        ReasonCode.WINDOW_TOO_SHORT,
        f"Windows, promise and release leave no start; {short} min are lacking.",
        short,
        "minutes",
    )


def _is_certified(technician: Technician, visit: Visit) -> bool:
    return bool(start_intervals(technician, replace(visit, pin=None)))


def _expired(technicians: Sequence[Technician], visit: Visit) -> Reason:
    names = ", ".join(f"“{name}”" for name in visit.required_skills)
    return Reason(
        ReasonCode.SKILL_EXPIRED,
        f"The certificates for {names} expire before the work could be done.",
        subject=names,
    )


def _is_open_when_pinned(technician: Technician, visit: Visit) -> bool:
    return bool(start_intervals(technician, visit))


def _pinned_outside(technicians: Sequence[Technician], visit: Visit) -> Reason:
    assert visit.pin is not None
    return Reason(
        ReasonCode.PIN_IMPOSSIBLE,
        f"It is pinned to minute {visit.pin.start_minute}, where no window of it is open.",
    )


def _has_a_shift_long_enough(technician: Technician, visit: Visit) -> bool:
    return any(shift.last_minute - shift.start_minute >= technician.minutes_for(visit) for shift in technician.shifts)


def _shift_too_short(technicians: Sequence[Technician], visit: Visit) -> Reason:
    short = min(
        technician.minutes_for(visit) - (shift.last_minute - shift.start_minute)
        for technician in technicians
        for shift in technician.shifts
    )
    return Reason(ReasonCode.SHIFT_TOO_SHORT, f"It takes {short} min longer than the longest shift.", short, "minutes")


def _minutes_outside(technician: Technician, visit: Visit) -> int:
    """How far the nearest start lies from a shift it fits into; 0 when inside."""
    duration_minutes = technician.minutes_for(visit)
    return min(
        (
            max(0, shift.start_minute - high, low + duration_minutes - shift.last_minute)
            for shift in technician.shifts
            for low, high in start_intervals(technician, visit)
        ),
        default=NEVER,
    )


def _opens_during_a_shift(technician: Technician, visit: Visit) -> bool:
    return _minutes_outside(technician, visit) == 0


def _outside_shifts(technicians: Sequence[Technician], visit: Visit) -> Reason:
    short = min(_minutes_outside(technician, visit) for technician in technicians)
    code = ReasonCode.WINDOW_OUTSIDE_SHIFTS
    if visit.pin is not None and visit.pin.start_minute is not None:
        code = ReasonCode.PIN_IMPOSSIBLE
    return Reason(code, f"It would have to start {short} min outside of every shift.", short, "minutes")


_TIMELY_CONDITIONS: tuple[Condition, ...] = (
    (_opens, _window_too_short),
    (_is_certified, _expired),
    (_is_open_when_pinned, _pinned_outside),
    (_has_a_shift_long_enough, _shift_too_short),
    (_opens_during_a_shift, _outside_shifts),
)


# ---- beside the day's other work


def _reason_on_this_day(draft: Draft, number: int) -> Reason:
    model, visit = draft.model, draft.model.visits[number]
    missing = [link.visit_id for link in visit.after if model.visit_number[link.visit_id] not in draft.served]
    if missing:
        return Reason(
            ReasonCode.EARLIER_VISIT_UNASSIGNED,
            f"“{missing[0]}” comes first and is left out.",
            subject=missing[0],
        )
    price = placings_price(draft, number)
    if price is not None:
        return _fits_and_is_left(model, visit, price)
    if model.is_linked[number]:
        return Reason(
            ReasonCode.LINKED_VISITS_DO_NOT_FIT,
            "No start suits its crew, the visits it is linked to, and the rest of the day.",
        )
    return _full(draft, number)


def _fits_and_is_left(model: Model, visit: Visit, price: int) -> Reason:
    worth = visit.price_cents * model.wishes_scale
    if visit.mandatory or price < worth:
        return Reason(ReasonCode.STOPPED_EARLY, "The search was stopped before this visit was placed.")
    over = (price - worth) // model.wishes_scale
    if price >= model.lateness_scale > model.wishes_scale:
        return Reason(ReasonCode.CHEAPER_TO_LEAVE_OUT, "Serving it would make a mandatory visit late.")
    return Reason(
        ReasonCode.CHEAPER_TO_LEAVE_OUT,
        f"Serving it costs {over} cents more than leaving it out.",
        over,
        "cents",
    )


def _full(draft: Draft, number: int) -> Reason:
    shortages: list[int] = []
    for vehicle, timeline in enumerate(draft.timelines):
        starts = draft.starts_for(number, vehicle)
        if starts and draft.has_room(number, vehicle):
            shortages.extend(
                timeline.minutes_short(position, number, starts, fetch)
                for position in range(len(timeline.visits) + 1)
                for fetch in draft.supplies(number, vehicle, position)
            )
    least = min(shortages, default=NEVER)
    if least == NEVER:
        return Reason(ReasonCode.NO_CAPACITY_LEFT, "The vehicles that could come are fully loaded or out of parts.")
    return Reason(
        ReasonCode.NO_CAPACITY_LEFT,
        f"Everyone who could come is busy; {least} min are lacking.",
        least,
        "minutes",
    )


# ---- why this technician


@dataclass(frozen=True, slots=True)
class Choice:
    """The technicians chosen against the others, each with what they would add to the rest of the plan."""

    visit_id: str
    technician_ids: tuple[str, ...]
    chosen: Insertion | None
    alternatives: tuple[Insertion, ...]
    sentence: str


def explain_assigned(problem: Problem, plan: Plan, visit_id: str) -> Choice:
    """Why these technicians; alternatives are the others' best places in the same plan without this visit."""
    technician_ids = tuple(sorted(plan.technicians_of(visit_id)))
    ways = ways_to_insert(problem, Draft.from_plan(Model(problem), plan), visit_id, len(problem.technicians))
    chosen = next((way for way in ways if way.technician_ids == technician_ids), None)
    alternatives = tuple(_best_of_each(way for way in ways if way.technician_ids != technician_ids))
    return Choice(visit_id, technician_ids, chosen, alternatives, _compare(technician_ids, chosen, alternatives))


def _best_of_each(ways: Iterable[Insertion]) -> Iterable[Insertion]:
    seen: set[tuple[str, ...]] = set()
    for way in ways:
        if way.technician_ids not in seen:
            seen.add(way.technician_ids)
            yield way


def _compare(technician_ids: tuple[str, ...], chosen: Insertion | None, others: tuple[Insertion, ...]) -> str:
    names = " and ".join(technician_ids)
    if chosen is None:
        return f"{names} serves it as part of the whole day."
    if not others:
        return f"Nobody but {names} can."
    figures = f"{names} adds {_figures(chosen)}"
    return f"{figures}; {' and '.join(others[0].technician_ids)}, next best, adds {_figures(others[0])}."


def _figures(way: Insertion) -> str:
    late = f", {way.added_lateness_cents} cents of lateness" if way.added_lateness_cents else ""
    return (
        f"{way.added_travel_minutes} min and {way.added_travel_metres / 1000:.1f} km of travel, "
        f"{way.added_cents} cents{late}"
    )
