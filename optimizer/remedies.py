"""What would have to change for a left-out visit to be served: concrete changes, each tried before it is named.

A remedy is a changed `Problem` whose plan serves the visit, passes `check` and loses nothing mandatory. The least
change of a kind is looked for: so many minutes and no more, the technician for whom it costs least.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import nsmallest
from typing import Any

from optimizer.change import Change, Starts
from optimizer.check import check
from optimizer.desk import Desk
from optimizer.documents import to_json
from optimizer.explain import explain_unassigned_at
from optimizer.fits import may_serve, start_intervals
from optimizer.model import Model, Vehicle
from optimizer.plan import Plan, ReasonCode, Score
from optimizer.problem import Problem, Shift, Skill, Technician, Visit, Window
from optimizer.repair import exchanges
from optimizer.score import score
from optimizer.timing import Timeline, timeline_of

# How many technicians are tried for each kind of change, and how far times may be stretched.
TECHNICIANS_TRIED = 3
STRETCH_MAX = 24 * 60
OVERTIME_MAX = 240


class RemedyCode(StrEnum):
    """What would make a left-out visit fit."""

    WIDEN_WINDOW = "WIDEN_WINDOW"
    WIDEN_PROMISE = "WIDEN_PROMISE"
    LIFT_PROMISE = "LIFT_PROMISE"
    RELEASE_EARLIER = "RELEASE_EARLIER"
    DROP_PIN = "DROP_PIN"
    ALLOW_TECHNICIAN = "ALLOW_TECHNICIAN"
    ALLOW_TERRITORY = "ALLOW_TERRITORY"
    TRAIN = "TRAIN"
    RENEW_CERTIFICATE = "RENEW_CERTIFICATE"
    LOAD_PARTS = "LOAD_PARTS"
    LARGER_VEHICLE = "LARGER_VEHICLE"
    OVERTIME = "OVERTIME"
    EARLIER_SHIFT = "EARLIER_SHIFT"
    MOVE_TO_ANOTHER_DAY = "MOVE_TO_ANOTHER_DAY"
    RAISE_PRICE = "RAISE_PRICE"
    SECOND_TECHNICIAN = "SECOND_TECHNICIAN"
    SMALLER_CREW = "SMALLER_CREW"
    LOOSEN_SEQUENCE = "LOOSEN_SEQUENCE"
    SERVE_AS_IT_IS = "SERVE_AS_IT_IS"


@dataclass(frozen=True, slots=True)
class Remedy:
    """`change` is the change as data, in the words of the problem's document: changed fields of visits and
    technicians by id, and visits taken out (`{"visits": {"boiler": {"promised": null}}, "technicians": {},
    "without_visits": []}`). `problem` has it made, `plan` is the plan at hand with the visit served;
    `added_…` is what that costs the rest of the day. `minutes` is by how much times are stretched."""

    code: RemedyCode
    sentence: str
    change: dict[str, Any]
    visit_id: str
    technician_id: str | None
    minutes: int | None
    added_cents: int
    added_lateness_cents: int
    problem: Problem
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Try:
    """A change not yet tried."""

    code: RemedyCode
    sentence: str
    problem: Problem
    technician_id: str | None = None
    minutes: int | None = None
    way: Change | None = None


def remedies(problem: Problem, plan: Plan, visit_id: str, *, limit: int = 3) -> tuple[Remedy, ...]:
    """Changes that would let a left-out visit be served, one of each kind, those that meet the reason for
    leaving it out first, then the cheapest. Empty for a visit that is served, and where nothing helps.
    Raises `InvalidProblem` for a visit the problem does not have."""
    return remedies_at(Desk(problem, plan), visit_id, limit=limit)


def remedies_at(desk: Desk, visit_id: str, *, limit: int = 3) -> tuple[Remedy, ...]:
    """`remedies` for a day that is prepared."""
    number = desk.number(visit_id)
    if desk.is_served(number):
        return ()
    as_it_is = _tried(desk, visit_id, _Try(RemedyCode.SERVE_AS_IT_IS, f"“{visit_id}” fits as it is.", desk.problem))
    if as_it_is is not None and _holds(desk, as_it_is):
        return (as_it_is,)
    first = _first_in_line(desk, number)
    codes = _codes_for(desk, first)
    # What fits at a price needs nothing but the price; what does not may need both.
    fits = next(desk.ways(first), None) is not None
    found: list[Remedy] = []
    for each in _tries(desk, first):
        remedy = _tried(desk, visit_id, each, may_raise_the_price=not fits)
        if remedy is not None:
            found.append(remedy)
    best: dict[RemedyCode, Remedy] = {}
    for remedy in sorted(found, key=lambda remedy: _rank(remedy, codes)):
        if len(best) < limit and remedy.code not in best and _holds(desk, remedy):
            best[remedy.code] = remedy
    return tuple(best.values())


def _holds(desk: Desk, remedy: Remedy) -> bool:
    """The last word, by the judge and the price that trust nobody."""
    problem, plan = remedy.problem, remedy.plan
    mandatory = {visit.id for visit in problem.visits if visit.mandatory and visit.id in desk.placed}
    return (
        check(problem, plan) == []
        and plan.score == score(problem, plan)
        and remedy.visit_id in plan.visit_ids
        and mandatory <= plan.visit_ids
    )


def _rank(remedy: Remedy, codes: Sequence[RemedyCode]) -> tuple[bool, int, int, str, str]:
    return (
        remedy.code not in codes,
        remedy.added_lateness_cents + remedy.added_cents,
        remedy.minutes or 0,
        remedy.code,
        remedy.sentence,
    )


def _first_in_line(desk: Desk, number: int) -> int:
    """The visit itself, or one that comes before it and is left out as well."""
    for link in desk.model.visits[number].after:
        before = desk.model.visit_number[link.visit_id]
        if not desk.is_served(before):
            return _first_in_line(desk, before)
    return number


# ---- trying


def _tried(desk: Desk, visit_id: str, each: _Try, *, may_raise_the_price: bool = False) -> Remedy | None:
    """The remedy, if the visit is served with it."""
    if each.way is not None:
        return _remedy(desk.problem, desk, visit_id, each, each.way.score, _as_planned(each.problem, each.way))
    start = desk if each.problem is desk.problem else desk.asked_otherwise(each.problem)
    now = _serving(start, visit_id)
    if now is None and may_raise_the_price:
        start, each = _at_a_price(desk, start, visit_id, each)
        now = _serving(start, visit_id)
    if now is None:
        return None
    return _remedy(desk.problem, start, visit_id, each, now.score, now.plan)


def _at_a_price(desk: Desk, start: Desk, visit_id: str, each: _Try) -> tuple[Desk, _Try]:
    """The change with the price raised to what serving the visit then costs; as it is where that is not it."""
    number = desk.number(visit_id)
    price = None if start.model.visits[number].mandatory else _price_worth(start, number)
    if price is None:
        return start, each
    visit = start.model.visits[number]
    sentence = f"{each.sentence} It pays at a price raised by {price - visit.price_cents} cents."
    problem = _with_visit(each.problem, replace(visit, price_cents=price))
    return desk.asked_otherwise(problem), replace(each, problem=problem, sentence=sentence)


def _as_planned(problem: Problem, way: Change) -> Plan:
    """The way's plan for a problem that lacks what the way leaves out."""
    unassigned = tuple(left for left in way.plan.unassigned if left.visit_id in problem.visit_by_id)
    plan = replace(way.plan, unassigned=unassigned)
    return replace(plan, score=score(problem, plan))


def _remedy(asked: Problem, start: Desk, visit_id: str, each: _Try, after: Score, plan: Plan) -> Remedy:
    before, price = start.score, {visit.id: visit.price_cents for visit in start.problem.visits}
    prices = sum(price[other] for other in plan.visit_ids - start.placed.keys())
    prices -= sum(price[other] for other in start.placed.keys() - plan.visit_ids)
    return Remedy(
        code=each.code,
        sentence=each.sentence,
        change=change_between(asked, each.problem),
        visit_id=visit_id,
        technician_id=each.technician_id,
        minutes=each.minutes,
        added_cents=after.wishes_cents - before.wishes_cents + prices,
        added_lateness_cents=after.lateness_cents - before.lateness_cents,
        problem=each.problem,
        plan=plan,
    )


def _serving(desk: Desk, visit_id: str) -> Desk | None:
    """The day with the visit, and all that comes before it, served; None when it is not, or is not worth it."""
    while not desk.is_served(desk.number(visit_id)):
        number = _first_in_line(desk, desk.number(visit_id))
        way = _best_way(desk, number)
        if way is None:
            return None
        desk = desk.after(way)
    return desk


def _best_way(desk: Desk, number: int) -> Change | None:
    way = next((way for way in desk.ways(number) if way.keeps_the_rules), None)
    if way is None and not desk.model.is_linked[number]:
        moving, _ = exchanges(desk, number)
        way = min((way for way in moving if way.keeps_the_rules), key=lambda way: way.score.levels, default=None)
    if way is None or (not desk.model.visits[number].mandatory and not way.score < desk.score):
        return None
    return way


def change_between(before: Problem, after: Problem) -> dict[str, Any]:
    """What differs in visits and technicians, as data; see `Remedy`."""
    people = [(before.technician_by_id[each.id], each) for each in after.technicians]
    return {
        "visits": _changed_fields((before.visit_by_id[each.id], each) for each in after.visits),
        "technicians": _changed_fields(people),
        "without_visits": [each.id for each in before.visits if each.id not in after.visit_by_id],
    }


def _changed_fields(
    pairs: Iterable[tuple[Visit, Visit]] | Iterable[tuple[Technician, Technician]],
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for before, after in pairs:
        if before is not after and before != after:
            former, now = to_json(before), to_json(after)
            found[after.id] = {key: value for key, value in now.items() if former[key] != value}
    return found


# ---- what could be changed


def _tries(desk: Desk, number: int) -> Iterator[_Try]:
    yield from _changed_visits(desk, number)
    yield from _changed_technicians(desk, number)
    yield from _stretched_shifts(desk, number)
    yield from _other_visits(desk, number)


def _with_visit(problem: Problem, visit: Visit) -> Problem:
    return replace(problem, visits=tuple(visit if each.id == visit.id else each for each in problem.visits))


def _with_technician(problem: Problem, person: Technician) -> Problem:
    return replace(problem, technicians=tuple(person if each.id == person.id else each for each in problem.technicians))


def _changed_visits(desk: Desk, number: int) -> Iterator[_Try]:
    visit = desk.model.visits[number]
    name = f"“{visit.id}”"

    def attempt(code: RemedyCode, sentence: str, changed: Visit, minutes: int | None = None) -> _Try:
        return _Try(code, sentence, _with_visit(desk.problem, changed), minutes=minutes)

    for minutes, changed, what in _wider(desk, number):
        code = RemedyCode.WIDEN_PROMISE if what == "promise" else RemedyCode.WIDEN_WINDOW
        yield attempt(code, f"Widen the {what} of {name} by {minutes} min.", changed, minutes)
    if visit.promised is not None:
        yield attempt(RemedyCode.LIFT_PROMISE, f"Lift the promise made for {name}.", replace(visit, promised=None))
    if visit.release_minute is not None:
        release = visit.release_minute
        sooner = _least(lambda by: _fits(desk, number, replace(visit, release_minute=release - by)))
        if sooner is not None:
            earlier = replace(visit, release_minute=release - sooner)
            yield attempt(RemedyCode.RELEASE_EARLIER, f"Release {name} {sooner} min earlier.", earlier, sooner)
    if visit.pin is not None:
        yield attempt(RemedyCode.DROP_PIN, f"Drop the pin of {name}.", replace(visit, pin=None))
    if not visit.mandatory:
        price = _price_worth(desk, number)
        if price is not None:
            yield attempt(
                RemedyCode.RAISE_PRICE,
                f"Raise the price of {name} by {price - visit.price_cents} cents.",
                replace(visit, price_cents=price),
            )
    if visit.crew_size == 1 and visit.duration_minutes > 1 and visit.pin is None:
        half = -(-visit.duration_minutes // 2)
        yield attempt(
            RemedyCode.SECOND_TECHNICIAN,
            f"Send two to {name}, who need {half} min.",
            replace(visit, crew_size=2, duration_minutes=half),
        )
    if visit.crew_size > 1 and visit.pin is None:
        size = visit.crew_size - 1
        yield attempt(RemedyCode.SMALLER_CREW, f"Send {size} to {name}.", replace(visit, crew_size=size))
    if visit.same_technician_as is not None or any(link.gap_minutes_max is not None for link in visit.after):
        loose = replace(
            visit,
            same_technician_as=None,
            after=tuple(replace(link, gap_minutes_max=None) for link in visit.after),
        )
        yield attempt(
            RemedyCode.LOOSEN_SEQUENCE, f"Let {name} follow later, or with someone else, than it should.", loose
        )


def _wider(desk: Desk, number: int) -> Iterator[tuple[int, Visit, str]]:
    """Each window, and the promise, opened earlier or closed later by the least that helps."""
    visit = desk.model.visits[number]

    def windows_with(index: int, window: Window) -> Visit:
        return replace(visit, windows=(*visit.windows[:index], window, *visit.windows[index + 1 :]))

    wide: list[tuple[Window, Callable[[Window], Visit], str]] = [
        (window, lambda changed, index=index: windows_with(index, changed), "window")  # type: ignore[misc]
        for index, window in enumerate(visit.windows)
    ]
    if visit.promised is not None:
        wide.append((visit.promised, lambda changed: replace(visit, promised=changed), "promise"))
    for window, rebuild, what in wide:
        for stretch in (_later, _earlier):
            minutes = _least(lambda by, w=window, r=rebuild, s=stretch: _fits(desk, number, r(s(w, by))))  # type: ignore[misc]
            if minutes is not None:
                yield minutes, rebuild(stretch(window, minutes)), what


def _later(window: Window, minutes: int) -> Window:
    return replace(window, latest_minute=window.latest_minute + minutes)


def _earlier(window: Window, minutes: int) -> Window:
    return replace(window, earliest_minute=window.earliest_minute - minutes)


def _least(works: Callable[[int], bool], most: int = STRETCH_MAX) -> int | None:
    """The least number of minutes that works, if more of them never hurt; None when none does."""
    if works(0) or not works(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def _fits(desk: Desk, number: int, visit: Visit) -> bool:
    """Whether the visit, changed so, finds a place in some route (a crew or linked visit: in the day)."""
    if desk.model.is_linked[number]:
        changed = desk.asked_otherwise(_with_visit(desk.problem, visit))
        return next(changed.ways(number), None) is not None
    for vehicle, shift in enumerate(desk.model.vehicles):
        person = desk.model.technicians[shift.technician]
        may = may_serve(person, visit, desk.problem.stocks)
        if vehicle in desk.closed or not may or not desk.draft.has_room(number, vehicle):
            continue
        starts = start_intervals(person, visit)
        if starts and _fits_there(desk, vehicle, number, desk.draft.timelines[vehicle], starts):
            return True
    return False


def _fits_there(desk: Desk, vehicle: int, number: int, timeline: Timeline, starts: Starts) -> bool:
    return any(
        desk.fitting(number, vehicle, position, timeline, starts) is not None
        for position in range(len(timeline.visits) + 1)
    )


def _price_worth(desk: Desk, number: int) -> int | None:
    """The least price at which serving the visit pays; None when it does already, or at no price."""
    visit = desk.model.visits[number]
    way = next((way for way in desk.ways(number) if way.keeps_the_rules), None)
    if way is None or way.score < desk.score:
        return None
    worth = max(way.added_cents, 0) + max(way.added_lateness_cents, 0) + 1
    return worth if worth > visit.price_cents else None


# ---- technicians who could, if


def _changed_technicians(desk: Desk, number: int) -> Iterator[_Try]:
    """For each kind of change those few technicians whose route the visit lies nearest to."""
    visit = desk.model.visits[number]
    kinds: list[tuple[RemedyCode, Callable[[Technician, Visit], tuple[Technician, Visit, str] | None]]] = [
        (RemedyCode.ALLOW_TECHNICIAN, _allowed),
        (RemedyCode.ALLOW_TERRITORY, _in_the_territory),
        (RemedyCode.TRAIN, _trained),
        (RemedyCode.RENEW_CERTIFICATE, _certified),
        (RemedyCode.LOAD_PARTS, _loaded),
        (RemedyCode.LARGER_VEHICLE, _with_more_room),
    ]
    for code, change in kinds:
        able: list[tuple[int, int, _Try]] = []
        for technician, person in enumerate(desk.model.technicians):
            changed = change(person, visit)
            if changed is None:
                continue
            better, other, sentence = changed
            if visit.crew_size == 1 and not may_serve(better, other, desk.problem.stocks):
                continue
            cents = _nearest_cents(desk, technician, number, start_intervals(better, other))
            if cents is None:
                continue
            problem = desk.problem
            if better is not person:
                problem = _with_technician(problem, better)
            if other is not visit:
                problem = _with_visit(problem, other)
            able.append((cents, technician, _Try(code, sentence, problem, person.id)))
        for _, _, attempt in nsmallest(TECHNICIANS_TRIED, able, key=lambda each: each[:2]):
            yield attempt


def _nearest_cents(desk: Desk, technician: int, number: int, starts: Starts) -> int | None:
    """The least that legs would cost where the visit fits in time; linked visits are taken at their word."""
    model, found = desk.model, list[int]()
    for vehicle in model.vehicles_of[technician]:
        timeline = desk.draft.timelines[vehicle]
        if vehicle in desk.closed or not starts:
            continue
        for position, cents, _ in desk.gaps(number, vehicle, timeline, starts):
            if model.is_linked[number] or timeline.start_when_inserted(position, number, starts) is not None:
                found.append(cents)
    return min(found, default=None)


def _allowed(person: Technician, visit: Visit) -> tuple[Technician, Visit, str] | None:
    excluded = person.id in visit.excluded_technicians
    missing = bool(visit.required_technicians) and person.id not in visit.required_technicians
    if not excluded and not missing:
        return None
    changed = replace(
        visit,
        excluded_technicians=tuple(each for each in visit.excluded_technicians if each != person.id),
        required_technicians=(*visit.required_technicians, person.id) if missing else visit.required_technicians,
    )
    return person, changed, f"Let {person.id} go to “{visit.id}”."


def _in_the_territory(person: Technician, visit: Visit) -> tuple[Technician, Visit, str] | None:
    if visit.territory is None or not person.territories or visit.territory in person.territories:
        return None
    wider = replace(person, territories=(*person.territories, visit.territory))
    return wider, visit, f"Let {person.id} work in “{visit.territory}”."


def _trained(person: Technician, visit: Visit) -> tuple[Technician, Visit, str] | None:
    lacking = {
        name: level
        for name, level in visit.required_skills.items()
        if name not in person.skills or person.skills[name].level < level
    }
    if not lacking:
        return None
    skills = {**person.skills}
    for name, level in lacking.items():
        skills[name] = Skill(level, person.skills[name].expires_minute if name in person.skills else None)
    what = ", ".join(f"“{name}” to level {level}" for name, level in lacking.items())
    return replace(person, skills=skills), visit, f"Train {person.id} in {what}."


def _certified(person: Technician, visit: Visit) -> tuple[Technician, Visit, str] | None:
    ending = [
        name
        for name in visit.required_skills
        if name in person.skills and person.skills[name].expires_minute is not None
    ]
    if not ending:
        return None
    skills = {**person.skills, **{name: Skill(person.skills[name].level) for name in ending}}
    names = ", ".join(f"“{name}”" for name in ending)
    return replace(person, skills=skills), visit, f"Renew the certificate of {person.id} for {names}."


def _loaded(person: Technician, visit: Visit) -> tuple[Technician, Visit, str] | None:
    if not visit.parts:
        return None
    parts = {**person.parts}
    for name, amount in visit.parts.items():
        parts[name] = parts.get(name, 0) + amount
    what = ", ".join(f"{amount} of “{name}”" for name, amount in visit.parts.items())
    return replace(person, parts=parts), visit, f"Load {what} for {person.id}."


def _with_more_room(person: Technician, visit: Visit) -> tuple[Technician, Visit, str] | None:
    if person.capacity_units is None or not visit.load_units:
        return None
    larger = replace(person, capacity_units=person.capacity_units + visit.load_units)
    return larger, visit, f"Give {person.id} a vehicle that holds {visit.load_units} units more."


# ---- longer shifts


def _stretched_shifts(desk: Desk, number: int) -> Iterator[_Try]:
    """Overtime, or an earlier start, for those who need the fewest minutes more."""
    model = desk.model
    if model.is_linked[number]:
        return
    for code, stretched, words in (
        (RemedyCode.OVERTIME, _longer, "Allow {} {} min more overtime."),
        (RemedyCode.EARLIER_SHIFT, _sooner, "Let {} start {} min earlier."),
    ):
        able: list[tuple[int, int]] = []
        for vehicle, shift in enumerate(model.vehicles):
            starts = model.starts(shift.technician, number)
            if not starts or vehicle in desk.closed or not desk.draft.has_room(number, vehicle):
                continue
            most = min(OVERTIME_MAX, _room_beside(model, vehicle, code))

            def works(by: int, vehicle: int = vehicle, starts: Starts = starts, code: RemedyCode = code) -> bool:
                return _fits_in_a_longer_shift(desk, vehicle, number, starts, code, by)

            minutes = _least(works, most) if most > 0 else None
            if minutes is not None:
                able.append((minutes, vehicle))
        for minutes, vehicle in nsmallest(TECHNICIANS_TRIED, able):
            shift = model.vehicles[vehicle]
            person = model.technicians[shift.technician]
            shifts = list(person.shifts)
            shifts[shift.shift_index] = stretched(shifts[shift.shift_index], minutes)
            yield _Try(
                code,
                words.format(person.id, minutes),
                _with_technician(desk.problem, replace(person, shifts=tuple(shifts))),
                person.id,
                minutes,
            )


def _longer(shift: Shift, minutes: int) -> Shift:
    return replace(shift, overtime_minutes_max=shift.overtime_minutes_max + minutes)


def _sooner(shift: Shift, minutes: int) -> Shift:
    return replace(shift, start_minute=shift.start_minute - minutes)


def _room_beside(model: Model, vehicle: int, code: RemedyCode) -> int:
    """Minutes until the technician's next shift, or since the one before."""
    shift = model.vehicles[vehicle]
    shifts = model.technicians[shift.technician].shifts
    if code == RemedyCode.OVERTIME:
        return min(
            (each.start_minute - shift.last_minute for each in shifts[shift.shift_index + 1 :]), default=OVERTIME_MAX
        )
    return min((shift.first_minute - each.last_minute for each in shifts[: shift.shift_index]), default=OVERTIME_MAX)


def _fits_in_a_longer_shift(
    desk: Desk, vehicle: int, number: int, starts: Starts, code: RemedyCode, minutes: int
) -> bool:
    shift: Vehicle = desk.model.vehicles[vehicle]
    if code == RemedyCode.OVERTIME:
        shift = replace(shift, last_minute=shift.last_minute + minutes)
    else:
        shift = replace(shift, first_minute=shift.first_minute - minutes)
    line = desk.lines[vehicle]
    timeline = timeline_of(desk.model, shift, line.visits, line.starts, line.fetches)
    return _fits_there(desk, vehicle, number, timeline, starts)


# ---- others who could go another day


def _other_visits(desk: Desk, number: int) -> Iterator[_Try]:
    """Optional visits whose place the left-out one could take."""
    model = desk.model
    if model.is_linked[number]:
        return
    _, bumping = exchanges(desk, number)
    optional = [way for way in bumping if all(not desk.problem.visit_by_id[each].mandatory for each in way.dropped)]
    for way in nsmallest(TECHNICIANS_TRIED, optional, key=lambda way: way.score.levels):
        gone = set(way.dropped)
        if any(link.visit_id in gone for visit in model.visits for link in visit.after) or any(
            visit.same_technician_as in gone for visit in model.visits
        ):
            continue
        names = ", ".join(f"“{each}”" for each in sorted(gone))
        yield _Try(
            RemedyCode.MOVE_TO_ANOTHER_DAY,
            f"Move {names} to another day.",
            replace(desk.problem, visits=tuple(each for each in model.visits if each.id not in gone)),
            way=way,
        )


# ---- which changes meet which reason


def _codes_for(desk: Desk, number: int) -> Sequence[RemedyCode]:
    reasons = explain_unassigned_at(desk, desk.model.visits[number].id)
    return [code for reason in reasons for code in _MEETS.get(reason.code, ())]


_TIMES = (RemedyCode.WIDEN_WINDOW, RemedyCode.WIDEN_PROMISE, RemedyCode.LIFT_PROMISE, RemedyCode.RELEASE_EARLIER)
_SHIFTS = (RemedyCode.OVERTIME, RemedyCode.EARLIER_SHIFT)
_MEETS: dict[ReasonCode, tuple[RemedyCode, ...]] = {
    ReasonCode.NO_TECHNICIAN_HAS_SKILL: (RemedyCode.TRAIN,),
    ReasonCode.SKILL_LEVEL_TOO_LOW: (RemedyCode.TRAIN,),
    ReasonCode.SKILL_EXPIRED: (RemedyCode.RENEW_CERTIFICATE, *_TIMES),
    ReasonCode.REQUIRED_TECHNICIAN_UNAVAILABLE: (RemedyCode.ALLOW_TECHNICIAN,),
    ReasonCode.EXCLUDED_TECHNICIANS: (RemedyCode.ALLOW_TECHNICIAN,),
    ReasonCode.TERRITORY: (RemedyCode.ALLOW_TERRITORY,),
    ReasonCode.PARTS_MISSING: (RemedyCode.LOAD_PARTS,),
    ReasonCode.LOAD_TOO_LARGE: (RemedyCode.LARGER_VEHICLE,),
    ReasonCode.PIN_IMPOSSIBLE: (RemedyCode.DROP_PIN,),
    ReasonCode.WINDOW_TOO_SHORT: _TIMES,
    ReasonCode.WINDOW_OUTSIDE_SHIFTS: (*_TIMES, *_SHIFTS),
    ReasonCode.SHIFT_TOO_SHORT: (*_SHIFTS, RemedyCode.SECOND_TECHNICIAN),
    ReasonCode.TOO_FAR: (*_SHIFTS, *_TIMES),
    ReasonCode.CREW_TOO_SMALL: (RemedyCode.SMALLER_CREW, RemedyCode.TRAIN),
    ReasonCode.LINKED_VISITS_DO_NOT_FIT: (RemedyCode.LOOSEN_SEQUENCE, *_TIMES),
    ReasonCode.NO_CAPACITY_LEFT: (*_SHIFTS, RemedyCode.MOVE_TO_ANOTHER_DAY, *_TIMES, RemedyCode.LOAD_PARTS),
    ReasonCode.CHEAPER_TO_LEAVE_OUT: (RemedyCode.RAISE_PRICE,),
    ReasonCode.STOPPED_EARLY: (RemedyCode.SERVE_AS_IT_IS,),
}
