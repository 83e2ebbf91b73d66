"""A prepared day: whatever is asked of it, a day prepared anew would say the same."""

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.change import Change
from optimizer.check import check
from optimizer.construct import construct
from optimizer.desk import Desk
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Problem, Visit, Window
from optimizer.score import score
from tests.optimizer.days import problems, visits
from tests.optimizer.given import driven, plan_of, problem, technician, visit

ANY_DAY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def ways_of(desk: Desk, number: int) -> list[Change]:
    return list(islice(desk.ways(number), 6))


def told(ways: list[Change]) -> list[tuple[object, ...]]:
    return [(way.score, way.moved, way.plan.routes, way.added_travel_minutes) for way in ways]


def assert_alike(desk: Desk, other: Desk) -> None:
    assert desk.score == other.score
    assert (desk.lines, desk.routes, desk.bills) == (other.lines, other.routes, other.bills)
    assert (desk.serving, desk.closed) == (other.serving, other.closed)
    for number in range(len(desk.model.visits)):
        if not desk.is_served(number):
            assert told(ways_of(desk, number)) == told(ways_of(other, number))


@ANY_DAY
@given(problems(stocked=True))
def test_what_a_change_says_of_the_whole_plan_is_what_the_judge_says(question: Problem) -> None:
    desk = Desk(question, construct(question))
    for visit_id in question.visit_by_id:
        day = desk.without(visit_id) if visit_id in desk.placed else desk
        assert day.score == score(question, day.plan)
        for way in ways_of(day, day.number(visit_id)):
            assert way.keeps_the_rules == (check(question, way.plan) == [])
            assert way.score == score(question, way.plan)
            assert way.added_travel_minutes == minutes_of(way.plan) - minutes_of(day.plan)


def minutes_of(plan: Plan) -> int:
    return sum(route.travel_minutes for route in plan.routes)


@ANY_DAY
@given(problems(stocked=True))
def test_a_day_after_a_change_is_the_day_of_the_changed_plan(question: Problem) -> None:
    desk = Desk(question, construct(question))
    for left in desk.plan.unassigned:
        for way in ways_of(desk, desk.number(left.visit_id))[:2]:
            assert_alike(desk.after(way), Desk(question, way.plan))
    for visit_id in desk.placed:
        day = desk.without(visit_id)
        assert visit_id not in day.plan.visit_ids
        assert_alike(day, Desk(question, day.plan))


@ANY_DAY
@given(problems(visits_max=5, stocked=True), visits(99, False))
def test_a_day_that_expects_a_visit_is_the_day_of_the_larger_problem(question: Problem, guest: Visit) -> None:
    desk = Desk(question, construct(question))
    expecting = desk.expecting(guest)
    larger = replace(question, visits=(*question.visits, guest))
    assert_alike(expecting, Desk(larger, expecting.plan))
    assert desk.problem is question


@ANY_DAY
@given(problems(visits_max=5, stocked=True))
def test_a_day_asked_otherwise_is_the_day_of_the_other_problem(question: Problem) -> None:
    desk = Desk(question, construct(question))
    left = {each.visit_id for each in desk.plan.unassigned}
    other = replace(
        question,
        technicians=tuple(
            replace(each, shifts=tuple(replace(shift, overtime_minutes_max=90) for shift in each.shifts[:1]))
            if len(each.shifts) == 1
            else each
            for each in question.technicians
        ),
        visits=tuple(replace(each, windows=(), priority=1) if each.id in left else each for each in question.visits),
    )
    assert_alike(desk.asked_otherwise(other), Desk(other, desk.plan))


def test_asking_changes_nothing() -> None:
    question = problem([technician("ann"), technician("bob")], [visit("a"), visit("b", "park"), visit("c", "quay")])
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    desk = Desk(question, plan)
    before = told(ways_of(desk, 1))
    desk.after(ways_of(desk, 2)[0])
    desk.without("a")
    desk.expecting(visit("new"))
    assert told(ways_of(desk, 1)) == before
    assert desk.plan.routes == plan.routes


def test_a_route_that_cannot_be_timed_as_it_is_stays_as_it_is() -> None:
    question = problem(
        [technician("ann"), technician("bob")], [visit("a", "farm", windows=(Window(5, 5),)), visit("b", "mill")]
    )
    broken = plan_of(question, driven(question, "ann", ("a", 5)))
    desk = Desk(question, broken)
    (way,) = {way.technicians_of("b"): way for way in ways_of(desk, 1)}.values()
    assert way.technicians_of("b") == ("bob",)
    assert broken.routes[0] in way.plan.routes


def test_who_is_not_known_is_refused() -> None:
    question = problem(technician(), visit("a"))
    desk = Desk(question, plan_of(question))
    with pytest.raises(InvalidProblem, match="there is no visit “x”"):
        desk.number("x")
    with pytest.raises(InvalidProblem, match="there is no technician “x”"):
        desk.technician("x")
    with pytest.raises(InvalidProblem, match="listed twice"):
        desk.expecting(visit("a"))
