"""Small days to try the planner on, and `given(problem, plan)`, which asks what one rule says.

Places lie on a line, ten minutes and ten kilometres apart: `depot`, `mill`, `park`, `quay`, `farm`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from optimizer.plan import Pickup, PlacedBreak, Plan, Route, Stop, Unassigned
from optimizer.problem import Place, Policy, Problem, Shift, Skill, Technician, TravelMatrix, Visit
from optimizer.rules import Charge, Day, Violation

NAMES = ("depot", "mill", "park", "quay", "farm")
PLACES = tuple(Place(name, 52.0 + index / 10, 13.0) for index, name in enumerate(NAMES))
LINE = TravelMatrix(
    minutes=tuple(tuple(10 * abs(here - there) for there in range(5)) for here in range(5)),
    metres=tuple(tuple(10_000 * abs(here - there) for there in range(5)) for here in range(5)),
)
# No wish but the ones a test asks for.
INDIFFERENT = Policy(
    preference_cents=0,
    overqualification_cents_per_level=0,
    changed_technician_cents=0,
    moved_cents_per_minute=0,
)
MORNING = Shift(0, 240, "depot", "depot")


def technician(
    name: str = "ann", *shifts: Shift, skills: Mapping[str, int | Skill] | None = None, **more: Any
) -> Technician:
    levels = {key: each if isinstance(each, Skill) else Skill(each) for key, each in (skills or {}).items()}
    return Technician(id=name, shifts=shifts or (MORNING,), skills=levels, **more)


def visit(name: str, place: str = "mill", minutes: int = 30, **more: Any) -> Visit:
    return Visit(id=name, place=place, duration_minutes=minutes, **more)


def problem(
    technicians: Iterable[Technician] | Technician,
    visits: Iterable[Visit] | Visit,
    policy: Policy = INDIFFERENT,
    travel: TravelMatrix = LINE,
    **more: Any,
) -> Problem:
    crew = (technicians,) if isinstance(technicians, Technician) else tuple(technicians)
    work = (visits,) if isinstance(visits, Visit) else tuple(visits)
    return Problem(technicians=crew, visits=work, places=PLACES, travel=travel, policy=policy, **more)


def driven(
    question: Problem,
    name: str,
    *stops: tuple[str, int],
    shift_index: int = 0,
    breaks: tuple[tuple[int, int], ...] = (),
    depart_minute: int = 0,
    fetches: Mapping[str, tuple[str, Mapping[str, int]]] | None = None,
) -> Route:
    """The route through (visit, start), with legs and ends as they truly are, whatever rules it breaks; `fetches`
    say at which stock's place what is picked up on the way to a visit."""
    person = question.technician_by_id[name]
    shift, travel = person.shifts[shift_index], question.travel_for(person)
    here, clock, made = question.place_index[shift.start_place], depart_minute, list[Stop]()
    for visit_id, start in stops:
        each, there = question.visit_by_id[visit_id], question.place_index[question.visit_by_id[visit_id].place]
        by, parts = (fetches or {}).get(visit_id, (None, {}))
        marks, minutes, metres = _leg(question, travel, here, there, clock, by)
        resting = _prolong(marks, clock, start, breaks)
        end_minute = start + person.minutes_for(each)
        pickup = None if by is None else Pickup(by, marks[0], marks[1], parts)
        wait = start - marks[-1] - resting
        made.append(Stop(visit_id, marks[-1], start, end_minute, minutes, metres, wait, pickup))
        here, clock = there, end_minute
    home = here if shift.end_place is None else question.place_index[shift.end_place]
    marks, minutes, metres = _leg(question, travel, here, home, clock, None)
    _prolong(marks, clock, clock, breaks)
    return Route(
        name,
        shift_index,
        depart_minute,
        marks[-1],
        minutes,
        metres,
        tuple(made),
        tuple(PlacedBreak(*each) for each in breaks),
    )


def _leg(
    question: Problem, travel: TravelMatrix, here: int, there: int, clock: int, by: str | None
) -> tuple[list[int], int, int]:
    """When one is at the stock, leaves it and arrives, without breaks; minutes and metres."""
    if by is None:
        minutes = travel.minutes_from(here, there, clock)
        return [clock + minutes], minutes, travel.metres[here][there]
    stock, handling_minutes = question.place_index[by], question.stock_by_place[by].handling_minutes
    first = travel.minutes_from(here, stock, clock)
    left = clock + first + handling_minutes
    onward = travel.minutes_from(stock, there, left)
    marks = [clock + first, left, left + onward]
    return marks, first + onward, travel.metres[here][stock] + travel.metres[stock][there]


def _prolong(marks: list[int], clock: int, start: int, breaks: tuple[tuple[int, int], ...]) -> int:
    """Moves what lies behind each break of the leg; the minutes of those taken after arriving."""
    resting = 0
    for begin, end in breaks:
        if clock <= begin < marks[-1]:
            marks[:] = [mark + end - begin if begin < mark else mark for mark in marks]
        elif marks[-1] <= begin < start:
            resting += end - begin
    return resting


def plan_of(question: Problem, *routes: Route) -> Plan:
    """The routes, and all other visits left out."""
    served = {stop.visit_id for route in routes for stop in route.stops}
    return Plan(routes, tuple(Unassigned(each.id) for each in question.visits if each.id not in served))


def with_stop(plan: Plan, **changes: Any) -> Plan:
    """The first stop of the first route, changed."""
    route = plan.routes[0]
    return replace(
        plan,
        routes=(
            replace(route, stops=(replace(route.stops[0], **changes), *route.stops[1:])),
            *plan.routes[1:],
        ),
    )


@dataclass(frozen=True)
class Asked:
    day: Day

    def breaks(self, rule: Callable[[Day], Iterable[Violation]], times: int = 1) -> None:
        found = list(rule(self.day))
        assert len(found) == times, found
        assert {each.rule for each in found} <= {rule.__name__}

    def keeps(self, rule: Callable[[Day], Iterable[Violation]]) -> None:
        assert list(rule(self.day)) == []

    def pays(self, goal: Callable[[Day], Iterable[Charge]], amount: int) -> None:
        found = list(goal(self.day))
        assert sum(each.amount for each in found) == amount, found
        assert {each.rule for each in found} <= {goal.__name__}


def given(question: Problem, plan: Plan) -> Asked:
    return Asked(Day(question, plan))


def given_day(question: Problem, *routes: Route) -> Asked:
    return given(question, plan_of(question, *routes))
