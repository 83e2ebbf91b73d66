"""One technician's best order: as good as the best of all orders, and never worse than the day as it was."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.change import Line
from optimizer.check import check
from optimizer.construct import construct
from optimizer.desk import Desk
from optimizer.problem import InvalidProblem, Pin, Problem, Shift, Window
from optimizer.reorder import improve_route
from optimizer.score import score
from tests.optimizer.days import problems
from tests.optimizer.given import driven, plan_of, problem, technician, visit

ANY_DAY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
LONG = Shift(0, 900, "depot", "depot")


@ANY_DAY
@given(problems(technicians_max=1, stocked=True))
def test_no_order_is_better_and_nobody_else_is_touched(question: Problem) -> None:
    plan = construct(question)
    found = improve_route(question, plan, "ann", shift_index=0)
    assert check(question, found.plan) == []
    assert found.plan.score == score(question, found.plan)
    desk = Desk(question, plan)
    assert found.plan.score <= desk.score
    assert found.plan.visit_ids == plan.visit_ids
    line, prices = desk.lines[0], [0]
    for order in permutations(line.visits) if len(line.visits) <= 5 and 0 not in desk.closed else ():
        starts = [
            desk.starts_for(number, 0) if desk.is_fixed(number) else desk.model.starts(0, number) for number in order
        ]
        other = Line(tuple(order), tuple(starts), line.fetches)
        if desk.timeline(0, other).is_feasible() and desk.change({0: other}).keeps_the_rules:
            prices.append(desk.change({0: other}).price)
    saved = found.plan.score.wishes_cents - desk.score.wishes_cents
    late = found.plan.score.lateness_cents - desk.score.lateness_cents
    assert late * desk.model.lateness_scale + saved * desk.model.wishes_scale == min(prices)


def test_turns_a_detour_into_the_way_along_the_road() -> None:
    question = problem(
        [technician("ann", LONG, cost_cents_per_minute=1), technician("bob")],
        [visit("a", "mill"), visit("b", "park"), visit("c", "quay"), visit("x", "mill")],
    )
    plan = plan_of(
        question, driven(question, "ann", ("b", 20), ("a", 60), ("c", 110)), driven(question, "bob", ("x", 10))
    )
    found = improve_route(question, plan, "ann")
    assert (found.minutes_before, found.minutes_after) == (80, 60)
    assert (found.metres_before, found.metres_after) == (80_000, 60_000)
    assert found.order in (("a", "b", "c"), ("c", "b", "a"))
    assert found.plan.routes[1] is plan.routes[1]


def test_keeps_promises_and_pins() -> None:
    question = problem(
        technician("ann", LONG, cost_cents_per_minute=1),
        [visit("a", "mill", pin=Pin(None, 60)), visit("b", "park", promised=Window(20, 20)), visit("c", "quay")],
    )
    plan = plan_of(question, driven(question, "ann", ("b", 20), ("a", 60), ("c", 110)))
    found = improve_route(question, plan, "ann")
    assert (found.order, found.plan.routes) == (("b", "a", "c"), plan.routes)


def test_a_long_day_gets_better_too() -> None:
    names = ("farm", "mill", "quay", "depot", "park") * 3
    visits = [visit(f"v{number:02}", place, 10) for number, place in enumerate(names)]
    question = problem(technician("ann", LONG, cost_cents_per_minute=1), visits)
    stops, clock, here = [], 0, 0
    for each in visits:
        there = question.place_index[each.place]
        clock += 10 * abs(there - here)
        stops.append((each.id, clock))
        clock, here = clock + 10, there
    plan = plan_of(question, driven(question, "ann", *stops))
    found = improve_route(question, plan, "ann")
    assert check(question, found.plan) == []
    assert found.minutes_after == 80 < found.minutes_before


def test_bad_questions_are_refused_and_an_idle_day_is_as_good_as_it_gets() -> None:
    question = problem(technician("ann"), visit("a"))
    plan = plan_of(question)
    assert improve_route(question, plan, "ann").plan.routes == ()
    with pytest.raises(InvalidProblem, match="no technician “x”"):
        improve_route(question, plan, "x")
    with pytest.raises(InvalidProblem, match="no shift 1"):
        improve_route(question, plan, "ann", shift_index=1)
    assert replace(plan) == plan
