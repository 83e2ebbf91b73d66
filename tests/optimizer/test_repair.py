"""An urgent visit: the best ways to take it in, what they cost, and who has to move or to go for it."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.check import check
from optimizer.construct import construct
from optimizer.desk import Desk
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Pin, Problem, Shift, Window
from optimizer.repair import Repair, insert_urgent
from optimizer.score import score
from tests.optimizer.days import problems
from tests.optimizer.given import driven, plan_of, problem, technician, visit

ANY_DAY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SHORT = Shift(0, 120, "depot", "depot")


def unserved(question: Problem, plan: Plan, visit_id: str) -> Plan:
    desk = Desk(question, plan)
    return desk.without(visit_id).plan if visit_id in desk.placed else plan


@ANY_DAY
@given(problems(stocked=True))
def test_every_way_is_sound_told_truly_and_the_best_comes_first(question: Problem) -> None:
    plan = construct(question)
    for visit_id in question.visit_by_id:
        before = unserved(question, plan, visit_id)
        repairs = insert_urgent(question, plan, visit_id)
        assert [each.plan.score.levels for each in repairs if each.plan.score is not None] == sorted(
            score(question, each.plan).levels for each in repairs
        )
        for repair in repairs:
            assert check(question, repair.plan) == []
            assert visit_id in repair.plan.visit_ids
            assert_true(question, before, repair)
            assert_changes_no_more_than_it_says(question, before, repair)


def assert_true(question: Problem, before: Plan, repair: Repair) -> None:
    """Every figure is the difference between two plans that the judge has priced."""
    first, last, price = score(question, before), score(question, repair.plan), dict[str, int]()
    price = {visit.id: visit.price_cents for visit in question.visits}
    come, gone = repair.plan.visit_ids - before.visit_ids, before.visit_ids - repair.plan.visit_ids
    assert repair.plan.score == last
    assert repair.bumped == tuple(sorted(gone))
    assert repair.added_lateness_cents == last.lateness_cents - first.lateness_cents
    prices = sum(price[each] for each in come) - sum(price[each] for each in gone)
    assert repair.added_cents == last.wishes_cents - first.wishes_cents + prices
    for name in ("travel_minutes", "travel_metres"):
        sums = [sum(getattr(route, name) for route in plan.routes) for plan in (before, repair.plan)]
        assert getattr(repair, f"added_{name}") == sums[1] - sums[0]


def assert_changes_no_more_than_it_says(question: Problem, before: Plan, repair: Repair) -> None:
    moved = {move.visit_id: move for move in repair.moved}
    for visit_id in before.visit_ids & repair.plan.visit_ids:
        told = (before.technicians_of(visit_id), before.stops_of(visit_id)[0].start_minute)
        now = (repair.plan.technicians_of(visit_id), repair.plan.stops_of(visit_id)[0].start_minute)
        assert (visit_id in moved) == (told != now)
        if visit_id in moved:
            move = moved[visit_id]
            assert question.visit_by_id[visit_id].pin is None
            assert (move.from_technician_ids, move.from_start_minute) == told
            assert (move.to_technician_ids, move.to_start_minute) == now
            assert move.to_start_minute >= move.from_start_minute
    touched = {*moved, *repair.bumped, *(repair.plan.visit_ids - before.visit_ids)}
    for route in before.routes:
        if not touched & {stop.visit_id for stop in route.stops}:
            same = [each for each in repair.plan.routes if each.technician_id == route.technician_id]
            assert route in same or touched & {stop.visit_id for each in same for stop in each.stops}


@ANY_DAY
@given(problems(visits_max=6, linked=False))
def test_no_place_for_the_visit_alone_is_better_than_the_best(question: Problem) -> None:
    """Wherever it is put, with nobody else moved to another place, it costs no less."""
    question = replace(question, travel=replace(question.travel, slowdowns=()))
    desk = Desk(question, construct(question))
    for left in desk.plan.unassigned:
        number = desk.number(left.visit_id)
        prices: list[int] = []
        for vehicle, timeline, starts in desk.open_routes(number):
            for position in range(len(timeline.visits) + 1):
                longer = desk.lines[vehicle].adding(position, number, starts)
                if desk.timeline(vehicle, longer).is_feasible() and desk.change({vehicle: longer}).keeps_the_rules:
                    prices.append(desk.change({vehicle: longer}).price)
        assert [way.price for way in desk.ways(number)] == sorted(prices)


def test_the_nearest_comes_and_nobody_is_disturbed() -> None:
    crew = [technician("ann"), technician("bob", Shift(0, 240, "farm", "farm"))]
    question = problem(crew, [visit("a", "quay"), visit("urgent", "mill", priority=1)])
    plan = plan_of(question, driven(question, "bob", ("a", 10)))
    best = insert_urgent(question, plan, "urgent")[0]
    assert best.plan.technicians_of("urgent") == ("ann",)
    assert (best.moved, best.bumped) == ((), ())
    assert (best.added_travel_minutes, best.added_travel_metres) == (20, 20_000)
    assert best.sentence == "ann could start at minute 10: 20 min and 20.0 km more to drive, 0 cents."


def test_another_visit_moves_to_someone_else_when_only_that_helps() -> None:
    crew = [technician("ann", SHORT, skills={"gas": 1}), technician("bob", SHORT)]
    question = problem(crew, [visit("a", minutes=90), visit("urgent", minutes=60, required_skills={"gas": 1})])
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    (repair,) = insert_urgent(question, plan, "urgent")
    assert repair.bumped == ()
    assert [(move.visit_id, move.to_technician_ids, move.to_start_minute) for move in repair.moved] == [
        ("a", ("bob",), 10)
    ]
    assert "moves “a” to bob" in repair.sentence


def test_a_less_urgent_visit_gives_way_when_nothing_else_fits_and_says_so() -> None:
    question = problem(
        technician("ann", SHORT),
        [visit("a", minutes=90, mandatory=False, price_cents=900), visit("urgent", minutes=60, priority=1)],
    )
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    (repair,) = insert_urgent(question, plan, "urgent")
    assert repair.bumped == ("a",)
    (left,) = repair.plan.unassigned
    assert (left.visit_id, left.reasons[0].sentence) == ("a", "It gave way to “urgent”.")
    assert "leaves out “a”" in repair.sentence


@pytest.mark.parametrize(
    "wish",
    [
        {"priority": 1},
        {"pin": Pin(("ann",)), "mandatory": False, "price_cents": 1},
        {"pin": Pin(None, 10), "mandatory": False, "price_cents": 1},
    ],
)
def test_what_is_as_urgent_or_pinned_does_not_give_way(wish: dict[str, object]) -> None:
    question = problem(
        technician("ann", SHORT), [visit("a", minutes=90, **wish), visit("urgent", minutes=60, priority=1)]
    )
    assert insert_urgent(question, plan_of(question, driven(question, "ann", ("a", 10))), "urgent") == ()


def test_a_promise_is_kept_while_others_move_later() -> None:
    question = problem(
        technician("ann"),
        [
            visit("kept", "mill", promised=Window(10, 15)),
            visit("later", "mill"),
            visit("urgent", "mill", 20, windows=(Window(30, 60),)),
        ],
    )
    plan = plan_of(question, driven(question, "ann", ("kept", 10), ("later", 40)))
    (repair,) = insert_urgent(question, plan, "urgent")
    assert [(move.visit_id, move.to_start_minute) for move in repair.moved] == [("later", 60)]


def test_a_visit_that_is_served_already_is_compared_with_the_plan_without_it() -> None:
    question = problem([technician("ann"), technician("bob")], [visit("a"), visit("b", "park")])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 50)))
    ways = insert_urgent(question, plan, "b")
    assert [(way.plan.technicians_of("b"), way.added_travel_minutes) for way in ways] == [
        (("ann",), 20),
        (("bob",), 40),
    ]


def test_bad_questions_are_refused() -> None:
    question = problem(technician(), visit("a"))
    with pytest.raises(InvalidProblem, match="no visit “x”"):
        insert_urgent(question, plan_of(question), "x")
    with pytest.raises(InvalidProblem, match="ways_max"):
        insert_urgent(question, plan_of(question), "a", ways_max=0)
