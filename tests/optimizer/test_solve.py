"""`solve`: what it honors, when it stops, what it tells, and what it does without OR-Tools."""

import logging
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from optimizer import Score, Stop, check, native, routing, rules, solve
from optimizer.construct import construct
from optimizer.draft import Draft
from optimizer.model import Model
from optimizer.plan import Plan, Unassigned
from optimizer.problem import (
    After,
    Break,
    InvalidProblem,
    Pin,
    Policy,
    Problem,
    Shift,
    Skill,
    Slowdown,
    Tier,
    TravelMatrix,
    Window,
)
from optimizer.search import Search
from optimizer.solve import sound
from tests.optimizer.given import (
    INDIFFERENT,
    LINE,
    NAMES,
    driven,
    given_day,
    plan_of,
    problem,
    technician,
    visit,
)

QUICK = Stop(seconds=1, solutions=60, unimproved_seconds=0.2)
# However busy the machine is, so many solutions come.
ENOUGH = Stop(seconds=20, solutions=40)


def a_day(count: int = 40) -> Problem:
    """Clustered work for three, with something to improve on construction."""
    dice = random.Random(11)
    crew = [
        technician(name, Shift(0, 480, "depot", "depot"), cost_cents_per_minute=5) for name in ("ann", "bob", "cid")
    ]
    minutes = tuple(tuple(0 if here == there else dice.randint(5, 40) for there in range(5)) for here in range(5))
    travel = TravelMatrix(minutes, tuple(tuple(each * 800 for each in row) for row in minutes))
    return problem(
        crew,
        [
            visit(
                f"v{number}",
                dice.choice(NAMES),
                dice.choice((15, 25)),
                windows=(Window(opens, opens + 90),),
                mandatory=False,
                price_cents=dice.randint(300, 900),
                preferred_technicians=(dice.choice(("ann", "bob")),),
            )
            for number in range(count)
            for opens in (dice.choice((0, 60, 120, 240, 300)),)
        ],
        travel=travel,
        policy=replace(INDIFFERENT, preference_cents=150),
    )


def solved(question: Problem, stop: Stop = QUICK) -> Plan:
    plan = solve(question, stop=stop)
    assert check(question, plan) == []
    return plan


def test_an_empty_problem_has_an_empty_plan() -> None:
    assert solved(problem([], [])).routes == ()
    assert solved(problem(technician(), [])).routes == ()
    assert [each.visit_id for each in solved(problem([], visit("a"))).unassigned] == ["a"]


def test_routing_improves_on_construction_when_not_all_can_be_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    question = a_day()
    assert construct(question).unassigned != ()
    built, found = construct(question).score, solved(question, ENOUGH).score
    assert built is not None
    assert found is not None
    assert found < built
    assert caplog.records == []


def test_a_technician_works_several_shifts() -> None:
    days = (Shift(0, 60, "depot", "depot"), Shift(1440, 1500, "depot", "depot"))
    plan = solved(problem(technician("ann", *days), [visit("a", minutes=40), visit("b", minutes=40)]))
    assert [(route.shift_index, len(route.stops)) for route in plan.routes] == [(0, 1), (1, 1)]


def test_parts_on_board_are_not_used_twice_in_two_shifts() -> None:
    days = (Shift(0, 60, "depot", "depot"), Shift(1440, 1500, "depot", "depot"))
    needs_fuse = [visit(name, minutes=40, parts={"fuse": 1}) for name in "ab"]
    plan = solved(problem(technician("ann", *days, parts={"fuse": 1}), needs_fuse))
    assert len(plan.visit_ids) == 1


def test_overtime_is_used_when_a_mandatory_visit_needs_it_and_not_for_one_it_does_not_pay_for() -> None:
    shift = Shift(0, 40, "depot", "depot", overtime_minutes_max=10)
    ann = technician("ann", shift, overtime_cents_per_minute=10)
    assert solved(problem(ann, visit("a"))).visit_ids == {"a"}
    assert solved(problem(ann, visit("a", mandatory=False, price_cents=99))).visit_ids == set()
    assert solved(problem(ann, visit("a", mandatory=False, price_cents=101))).visit_ids == {"a"}


def test_optional_visits_that_pay_only_together_are_served_together() -> None:
    ann = technician("ann", cost_cents_per_shift=300)
    together = [visit(name, mandatory=False, price_cents=200) for name in "ab"]
    for built in (solved(problem(ann, together)), construct(problem(ann, together))):
        assert built.visit_ids == {"a", "b"}
    assert solved(problem(ann, together[:1])).visit_ids == set()
    assert solved(problem(replace(ann, cost_cents_per_shift=401), together)).visit_ids == set()


def test_breaks_go_where_they_cost_no_lateness() -> None:
    shift = Shift(0, 240, "depot", "depot", breaks=(Break(0, 60, 30),))
    plan = solved(problem(technician("ann", shift), visit("a", due_minute=10)))
    assert plan.routes[0].stops[0].start_minute == 10
    assert plan.routes[0].breaks[0].start_minute >= 40


def test_a_crew_comes_together_and_after_comes_after() -> None:
    question = problem(
        [technician("ann", skills={"gas": 1}), technician("bob", skills={"gas": 1}), technician("cid")],
        [
            visit("lift", "park", crew_size=2, required_skills={"gas": 1}),
            visit("test", "park", 20, after=(After("lift", 15, 60),), same_technician_as="lift"),
            visit("near", "mill"),
            visit("far", "farm"),
        ],
    )
    plan = solved(question)
    assert plan.unassigned == ()
    assert plan.technicians_of("lift") == ("ann", "bob")
    assert plan.technicians_of("test")[0] in ("ann", "bob")


def test_simultaneous_visits_by_different_skills_start_at_once() -> None:
    question = problem(
        [technician("ann", skills={"gas": 1}), technician("bob", skills={"solar": 1})],
        [
            visit("pipe", "park", required_skills={"gas": 1}),
            visit("roof", "park", required_skills={"solar": 1}, after=(After("pipe", 0, 0, from_start=True),)),
        ],
    )
    plan = solved(question)
    assert plan.stops_of("pipe")[0].start_minute == plan.stops_of("roof")[0].start_minute


def test_pins_expiry_and_territory_are_kept_while_searching() -> None:
    question = problem(
        [
            technician("ann", skills={"gas": Skill(2, expires_minute=60)}, territories=("north",)),
            technician("bob", skills={"gas": Skill(2)}, cost_cents_per_minute=3),
        ],
        [
            visit("a", "park", pin=Pin(("bob",), 100)),
            visit("b", "quay", required_skills={"gas": 2}, windows=(Window(50, 200),)),
            visit("c", "mill", territory="north"),
            visit("d", "mill", territory="south"),
        ],
    )
    plan = solved(question)
    assert plan.unassigned == ()
    assert plan.stops_of("a")[0].start_minute == 100
    assert plan.technicians_of("b") == plan.technicians_of("d") == ("bob",)


def test_slow_hours_are_planned_with_and_driven_as_they_are() -> None:
    travel = replace(LINE, slowdowns=(Slowdown(0, 30, 2.0),))
    visits = [visit("a", "mill", windows=(Window(0, 25),)), visit("b", "park")]
    plan = solved(problem(technician(), visits, travel=travel))
    assert [stop.travel_minutes for stop in plan.routes[0].stops] == [20, 10]


def test_a_published_plan_stays_unless_leaving_it_pays() -> None:
    policy = replace(INDIFFERENT, changed_technician_cents=100, moved_cents_per_minute=5)
    base = problem(
        [technician("ann", cost_cents_per_minute=5), technician("bob", cost_cents_per_minute=4)],
        visit("a"),
        policy,
    )
    published = replace(base, published=plan_of(base, driven(base, "ann", ("a", 60))))
    plan = solved(published)
    assert plan.technicians_of("a") == ("ann",)
    assert plan.stops_of("a")[0].start_minute == 60
    dear = replace(published, technicians=(replace(base.technicians[0], cost_cents_per_minute=15), base.technicians[1]))
    assert solved(dear).technicians_of("a") == ("bob",)
    given_day(published, driven(published, "ann", ("a", 60))).pays(rules.keep_what_was_published, 0)


def test_wishes_may_come_before_lateness_if_the_policy_says_so() -> None:
    policy = Policy(tiers=((Tier.HARD,), (Tier.MANDATORY,), (Tier.WISHES,), (Tier.LATENESS,)))
    people = [technician("ann", cost_cents_per_minute=1), technician("bob", cost_cents_per_minute=2)]
    visits = [visit("a", due_minute=10), visit("b", due_minute=10)]
    assert len(solved(problem(people, visits, policy)).routes) == 1
    assert len(solved(problem(people, visits)).routes) == 2


# ---- stopping and telling


def test_canceling_stops_the_search_and_keeps_the_best_so_far() -> None:
    question, heard = a_day(), list[Score]()
    started = time.monotonic()

    def on_progress(_: float, value: Score) -> None:
        heard.append(value)

    plan = solve(question, stop=Stop(seconds=60), on_progress=on_progress, should_stop=lambda: len(heard) > 1)
    assert time.monotonic() - started < 10
    assert check(question, plan) == []
    assert plan.score is not None
    assert plan.score <= heard[0]


def test_progress_is_told_from_the_first_plan_to_the_last() -> None:
    heard: list[tuple[float, Score]] = []
    plan = solve(a_day(), stop=ENOUGH, on_progress=lambda seconds, value: heard.append((seconds, value)))
    assert [seconds for seconds, _ in heard] == sorted(seconds for seconds, _ in heard)
    assert len(heard) >= 2
    assert heard[-1][1] == plan.score
    assert all(value.is_feasible for _, value in heard)


def test_it_stops_when_nothing_improves() -> None:
    started = time.monotonic()
    solve(problem(technician(), [visit("a"), visit("b", "park")]), stop=Stop(seconds=60, unimproved_seconds=0.1))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("when", ["on_progress", "should_stop"])
def test_an_exception_of_the_caller_comes_out(when: str) -> None:
    calls = 0

    def fail(name: str) -> bool:
        nonlocal calls
        calls += when == name
        if calls > (1 if when == "on_progress" else 20):
            raise LookupError(when)
        return False

    def on_progress(_seconds: float, _value: Score) -> None:
        fail("on_progress")

    with pytest.raises(LookupError, match=when):
        solve(a_day(), stop=Stop(seconds=5), on_progress=on_progress, should_stop=lambda: fail("should_stop"))


def test_no_seconds_means_construction_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "import_ortools", lambda: pytest.fail("it was not needed"))
    question = a_day(8)
    monkeypatch.setattr(Search, "run", lambda *_, **__: pytest.fail("nothing is searched"))
    plan = solve(question, stop=Stop(seconds=0))
    assert plan == solve(question, stop=Stop(seconds=0))
    assert not plan.unassigned


@pytest.mark.parametrize("wrong", [{"seconds": -1.0}, {"solutions": 0}, {"unimproved_seconds": 0.0}])
def test_a_stop_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidProblem):
        Stop(**wrong)  # type: ignore[arg-type]


# ---- without, and despite, the engine


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise native.NoCompiler("There is no C compiler.")

    monkeypatch.setattr(native, "library", missing)


def missing_ortools() -> None:
    raise ImportError("ortools")


def test_without_a_compiler_ortools_plans_and_the_log_says_so(
    no_compiler: None, caplog: pytest.LogCaptureFixture
) -> None:
    question = a_day(8)
    with caplog.at_level(logging.WARNING):
        plan = solve(question, stop=ENOUGH)
    assert plan.score is not None and construct(question).score is not None
    assert not construct(question).score < plan.score
    assert [record.message for record in caplog.records] == [
        "The compiled search is not there, OR-Tools plans alone: There is no C compiler."
    ]


def test_without_a_compiler_and_ortools_the_constructed_plan_is_the_answer(
    no_compiler: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(routing, "import_ortools", missing_ortools)
    question = a_day(8)
    with caplog.at_level(logging.WARNING):
        assert solve(question, stop=QUICK).routes == construct(question).routes
    assert [record.message for record in caplog.records][1:] == [
        "OR-Tools is not installed; the plan is the constructed one."
    ]


BOTH = ("search", "routing")


def test_of_two_engines_the_better_answer_counts_and_the_same_again() -> None:
    question, few = a_day(12), Stop(seconds=20, solutions=100)
    raced, again = (solve(question, stop=few, seed=3, engines=BOTH) for _ in range(2))
    alone = [solve(question, stop=few, seed=3, engines=(each,)).score for each in BOTH]
    assert check(question, raced) == []
    assert raced.score == min(each for each in alone if each is not None)
    assert raced == again


def test_where_the_other_engine_is_better_its_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    question = a_day(12)
    few = Stop(seconds=20, solutions=100)
    best = solve(question, stop=few)
    monkeypatch.setattr("optimizer.search.Search.run", lambda *_, **__: None)
    first = solve(question, stop=few)
    monkeypatch.setattr(
        sys.modules["optimizer.solve"], "improve", lambda draft, **_: Draft.from_plan(draft.model, best)
    )
    raced = solve(question, stop=few, engines=BOTH)
    assert best.score is not None and first.score is not None
    assert best.score < first.score
    assert raced.score == best.score


def test_engines_that_race_call_in_the_callers_thread_and_end_with_it() -> None:
    before, callers = threading.active_count(), set[threading.Thread]()

    def listen(*_: object) -> None:
        callers.add(threading.current_thread())

    def should_stop() -> bool:
        listen()
        if threading.active_count() > before:
            raise LookupError("enough")
        return False

    with pytest.raises(LookupError, match="enough"):
        solve(a_day(12), stop=Stop(seconds=20), engines=BOTH, on_progress=listen, should_stop=should_stop)
    assert callers == {threading.current_thread()}
    assert threading.active_count() == before


@pytest.mark.parametrize("wrong", [{"engines": ("magic",)}, {"workers": 0}])
def test_an_engine_nobody_knows_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidProblem):
        solve(a_day(3), **wrong)


def test_what_an_engine_gets_wrong_is_left_out_not_returned(caplog: pytest.LogCaptureFixture) -> None:
    question = problem(technician(), [visit("a"), visit("b", "park", release_minute=100)])
    draft = Draft(Model(question))
    draft.insert(0, 0, 0)
    draft.insert(1, 0, 1, starts=((20, 99),))
    plan = sound(question, draft)
    assert check(question, plan) == []
    assert plan.visit_ids == {"a"}
    assert "start_after_the_release" in caplog.text


def test_importing_the_planner_does_not_import_ortools() -> None:
    script = "import sys, optimizer; print(sorted({'ortools', 'numpy', 'app', 'asyncio'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_draft_takes_over_what_it_can_of_a_plan_that_no_longer_fits() -> None:
    question = problem(technician(), [visit("a"), visit("b", "park")])
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 50)))
    shorter = replace(question, technicians=(technician("ann", Shift(0, 60, "depot", "depot")),))
    assert Draft.from_plan(Model(shorter), plan).to_plan().unassigned == (Unassigned("b"),)
    elsewhere = replace(question, technicians=(technician("bob"),))
    assert Draft.from_plan(Model(elsewhere), plan).to_plan().routes == ()
