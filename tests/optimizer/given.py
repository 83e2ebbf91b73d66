"""Small days to try the planner on, and `given(problem, plan)`, which asks what one rule says.

Places lie on a line, ten minutes and ten kilometres apart: `depot`, `mill`, `park`, `quay`, `farm`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from optimizer.plan import PlacedBreak, Plan, Route, Stop, Unassigned
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
) -> Route:
    """The route through (visit, start), with legs and ends as they truly are, whatever rules it breaks."""
    person = question.technician_by_id[name]
    shift, travel = person.shifts[shift_index], question.travel_for(person)
    here, clock, made = question.place_index[shift.start_place], depart_minute, list[Stop]()
    for visit_id, start in stops:
        each = question.visit_by_id[visit_id]
        there, resting = (
            question.place_index[each.place],
            sum(end - begin for begin, end in breaks if clock <= begin < start),
        )
        leg = travel.minutes_from(here, there, clock)
        road = sum(end - begin for begin, end in breaks if clock <= begin < clock + leg)
        wait = start - clock - leg - resting
        arrive, end_minute = clock + leg + road, start + person.minutes_for(each)
        made.append(Stop(visit_id, arrive, start, end_minute, leg, travel.metres[here][there], wait))
        here, clock = there, end_minute
    home = here if shift.end_place is None else question.place_index[shift.end_place]
    leg = travel.minutes_from(here, home, clock)
    road = sum(end - begin for begin, end in breaks if clock <= begin < clock + leg)
    return Route(
        name,
        shift_index,
        depart_minute,
        clock + leg + road,
        leg,
        travel.metres[here][home],
        tuple(made),
        tuple(PlacedBreak(*each) for each in breaks),
    )


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
