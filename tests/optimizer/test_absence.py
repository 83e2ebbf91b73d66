"""A technician drops out or runs late: who stays, who takes over, and that nothing else changes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.absence import after_delay, without_technician
from optimizer.check import check
from optimizer.construct import construct
from optimizer.plan import Plan
from optimizer.problem import Break, InvalidProblem, Pin, Problem, Shift, Technician, Window
from optimizer.repair import Repair
from optimizer.score import score
from tests.optimizer.days import problems
from tests.optimizer.given import driven, plan_of, problem, technician, visit

ANY_DAY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def placed(plan: Plan) -> dict[str, tuple[tuple[str, ...], int]]:
    return {each: (plan.technicians_of(each), plan.stops_of(each)[0].start_minute) for each in plan.visit_ids}


def assert_sound_and_true(question: Problem, plan: Plan, repair: Repair) -> None:
    first, last = placed(plan), placed(repair.plan)
    assert check(repair.problem, repair.plan) == []
    assert repair.plan.score == score(repair.problem, repair.plan)
    assert repair.bumped == tuple(sorted(first.keys() - last.keys()))
    assert {move.visit_id for move in repair.moved} == {
        each for each in first.keys() & last.keys() if first[each] != last[each]
    }
    assert repair.added_lateness_cents == last_score(repair) - score(question, plan).lateness_cents
    assert repair.problem.visits == question.visits
    assert all(each.reasons for each in repair.plan.unassigned if each.visit_id in repair.bumped)
    for each in question.visits:
        if each.pin is not None and each.id in first and each.id in last:
            # A start that is pinned is kept by whoever comes; who is pinned comes then.
            assert first[each.id][1] == last[each.id][1]
            assert each.pin.technician_ids is None or first[each.id] == last[each.id]


def last_score(repair: Repair) -> int:
    assert repair.plan.score is not None
    return repair.plan.score.lateness_cents


@ANY_DAY
@given(problems(stocked=True), st.integers(0, 200), st.none() | st.integers(10, 100))
def test_an_absence_is_kept_free_and_what_was_done_before_stays(
    question: Problem, from_minute: int, minutes: int | None
) -> None:
    plan = construct(question)
    until = None if minutes is None else from_minute + minutes
    repair = without_technician(question, plan, "ann", from_minute=from_minute, until_minute=until)
    assert_sound_and_true(question, plan, repair)
    for route in repair.plan.routes:
        for stop in route.stops if route.technician_id == "ann" else ():
            assert stop.end_minute <= from_minute or (until is not None and stop.start_minute >= until)
    for visit_id, (names, start) in placed(plan).items():
        # Of a shift that begins with the absence nothing is left, not even what takes no time.
        if names == ("ann",) and start < from_minute and plan.stops_of(visit_id)[0].end_minute <= from_minute:
            assert placed(repair.plan)[visit_id] == (names, start)
    for move in repair.moved:
        assert move.to_start_minute >= min(from_minute, move.from_start_minute)


@ANY_DAY
@given(problems(stocked=True), st.integers(0, 150), st.integers(1, 120))
def test_a_delay_leaves_what_has_begun_and_shifts_or_hands_over_the_rest(
    question: Problem, at_minute: int, delay_minutes: int
) -> None:
    plan = construct(question)
    repair = after_delay(question, plan, "ann", at_minute=at_minute, delay_minutes=delay_minutes)
    assert_sound_and_true(question, plan, repair)
    begun = {
        stop.visit_id: stop.start_minute
        for route in plan.routes
        if route.technician_id == "ann" and question.technician_by_id["ann"].shifts[0].last_minute > at_minute
        for stop in route.stops
        if stop.start_minute <= at_minute
    }
    for visit_id, start in begun.items():
        # A crew whose other member must go elsewhere cannot be told: it is not this technician's alone.
        assert repair.plan.stops_of(visit_id)[0].start_minute == start


def two() -> list[Technician]:
    return [technician("ann"), technician("bob")]


def test_another_takes_over_at_the_same_start() -> None:
    question = problem(two(), [visit("a", "mill"), visit("b", "park"), visit("c", "quay")])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 100)), driven(question, "bob", ("c", 30)))
    repair = without_technician(question, plan, "ann", from_minute=60)
    assert placed(repair.plan) == {"a": (("ann",), 10), "b": (("bob",), 100), "c": (("bob",), 30)}
    assert repair.sentence == "Without ann from minute 60; moves “b” to bob."
    (shift,) = repair.problem.technician_by_id["ann"].shifts
    assert (shift.start_minute, shift.end_minute, shift.end_place) == (0, 60, None)


def test_who_cannot_be_replaced_is_left_out_with_a_reason() -> None:
    crew = [technician("ann", skills={"gas": 1}), technician("bob")]
    question = problem(crew, [visit("a", required_skills={"gas": 1}), visit("b", pin=Pin(("ann",)))])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 40)))
    repair = without_technician(question, plan, "ann", from_minute=0)
    assert repair.bumped == ("a", "b")
    assert [(each.visit_id, each.reasons[0].code.value) for each in repair.plan.unassigned] == [
        ("a", "NO_TECHNICIAN_HAS_SKILL"),
        ("b", "PIN_IMPOSSIBLE"),
    ]


def test_a_crew_keeps_its_start_and_gets_another_member() -> None:
    crew = [*two(), technician("cid")]
    question = problem(crew, [visit("a", crew_size=2), visit("b", "mill", windows=(Window(10, 200),))])
    plan = plan_of(question, driven(question, "ann", ("a", 20)), driven(question, "bob", ("a", 20), ("b", 50)))
    repair = without_technician(question, plan, "ann", from_minute=0)
    assert placed(repair.plan) == {"a": (("bob", "cid"), 20), "b": (("bob",), 50)}


def test_after_an_absence_of_an_hour_the_day_goes_on() -> None:
    question = problem([technician("ann")], [visit("a", "mill"), visit("b", "mill")])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 150)))
    repair = without_technician(question, plan, "ann", from_minute=50, until_minute=110)
    assert placed(repair.plan) == placed(plan)
    assert [(each.start_minute, each.end_minute) for each in repair.problem.technicians[0].shifts] == [
        (0, 50),
        (110, 240),
    ]
    assert (repair.moved, repair.bumped) == ((), ())


def test_a_delay_shifts_what_may_be_shifted_and_hands_over_where_a_promise_would_break() -> None:
    visits = [visit("a", "mill"), visit("b", "mill"), visit("c", "mill", promised=Window(70, 80))]
    question = problem(two(), visits)
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 40), ("c", 70)))
    repair = after_delay(question, plan, "ann", at_minute=20, delay_minutes=25)
    assert placed(repair.plan) == {"a": (("ann",), 10), "b": (("ann",), 65), "c": (("bob",), 70)}
    (shift,) = repair.problem.technician_by_id["ann"].shifts
    assert shift.breaks == (Break(40, 40, 25),)


def test_a_delay_before_the_first_visit_is_a_later_start_of_the_shift() -> None:
    question = problem([technician("ann")], [visit("a", "mill")])
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    repair = after_delay(question, plan, "ann", at_minute=0, delay_minutes=30)
    assert repair.problem.technicians[0].shifts[0].start_minute == 30
    assert placed(repair.plan) == {"a": (("ann",), 40)}
    assert repair.sentence == "With ann 30 min late at minute 0; moves “a” 30 min later."


def test_a_delay_that_slack_takes_up_changes_nothing() -> None:
    question = problem(two(), [visit("a", "mill"), visit("b", "mill")])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 90)))
    repair = after_delay(question, plan, "ann", at_minute=15, delay_minutes=20)
    assert (placed(repair.plan), repair.moved) == (placed(plan), ())
    assert repair.sentence.endswith("nothing changes.")


def test_a_delay_that_outlasts_the_shift_is_an_absence() -> None:
    question = problem(two(), [visit("a", "mill"), visit("b", "mill")])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 90)))
    repair = after_delay(question, plan, "ann", at_minute=15, delay_minutes=500)
    assert placed(repair.plan) == {"a": (("ann",), 10), "b": (("bob",), 90)}


def test_what_is_late_is_handed_over_where_that_spares_lateness() -> None:
    question = problem(two(), [visit("a", "mill"), visit("b", "mill", due_minute=45)])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 40)))
    repair = after_delay(question, plan, "ann", at_minute=15, delay_minutes=30)
    assert placed(repair.plan)["b"] == (("bob",), 40)
    assert repair.added_lateness_cents == 0


def test_the_route_of_whoever_is_not_needed_stays_the_same_object() -> None:
    question = problem([*two(), technician("cid", Shift(0, 100, "farm", "farm"))], [visit("a"), visit("b", "farm")])
    plan = plan_of(question, driven(question, "ann", ("a", 10)), driven(question, "cid", ("b", 0)))
    repair = without_technician(question, plan, "ann", from_minute=0)
    assert plan.routes[1] in repair.plan.routes
    assert any(route is plan.routes[1] for route in repair.plan.routes)


def test_bad_questions_are_refused() -> None:
    question = problem(technician(), visit("a"))
    plan = plan_of(question)
    with pytest.raises(InvalidProblem, match="no technician “x”"):
        without_technician(question, plan, "x", from_minute=0)
    with pytest.raises(InvalidProblem, match="until_minute"):
        without_technician(question, plan, "ann", from_minute=5, until_minute=5)
    with pytest.raises(InvalidProblem, match="delay_minutes"):
        after_delay(question, plan, "ann", at_minute=5, delay_minutes=0)
    with pytest.raises(InvalidProblem, match="no shift after that"):
        after_delay(question, plan, "ann", at_minute=500, delay_minutes=5)
    assert replace(question) == question


@pytest.mark.parametrize("fixed", [{"pin": Pin(("bob",))}, {"crew_size": 2}])
def test_what_is_fixed_keeps_its_start_when_a_crew_before_it_falls_apart(fixed: dict[str, Any]) -> None:
    # To rest before “b” would spare three minutes of overtime.
    resting = Shift(0, 55, "depot", "depot", overtime_minutes_max=60, breaks=(Break(30, 45, 5),))
    crew = [technician("ann"), technician("bob", resting, overtime_cents_per_minute=1), technician("cid")]
    question = problem(
        crew,
        [visit("a", minutes=20, crew_size=2, required_technicians=("ann", "bob")), visit("b", minutes=10, **fixed)],
    )
    mates = [driven(question, "cid", ("b", 33))] if "crew_size" in fixed else []
    bob = driven(question, "bob", ("a", 10), ("b", 33), breaks=((43, 48),))
    plan = plan_of(question, driven(question, "ann", ("a", 10)), bob, *mates)
    assert check(question, plan) == []
    repair = without_technician(question, plan, "ann", from_minute=0)
    assert repair.bumped == ("a",)
    assert placed(repair.plan) == {"b": placed(plan)["b"]}
    assert check(repair.problem, repair.plan) == []


def test_a_route_that_a_crew_was_all_of_is_gone_and_so_is_its_way() -> None:
    question = problem(two(), [visit("a", crew_size=2)])
    plan = plan_of(question, driven(question, "ann", ("a", 10)), driven(question, "bob", ("a", 10)))
    repair = without_technician(question, plan, "ann", from_minute=0)
    assert (repair.plan.routes, repair.bumped) == ((), ("a",))
    assert repair.added_travel_minutes == -40
