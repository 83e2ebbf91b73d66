"""The compiled search: its account is the judge's, its answer depends on seed and iterations alone, and it stops when told."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from optimizer import Plan, Problem, Score, Stop, check, score, solve
from optimizer import search as search_module
from optimizer.model import Model
from optimizer.problem import After, Tier
from optimizer.search import Search
from optimizer.tables import (
    COUNT,
    LOADED,
    SUM_LATENESS,
    SUM_POINTS,
    SUM_WISHES,
    SUM_WORST,
    VISIT,
)
from tests.optimizer.days import problems, with_published
from tests.optimizer.given import INDIFFERENT, NAMES, problem, technician, visit

ROOT = Path(__file__).parents[2]
CALM = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def started(question: Problem, seed: int = 1, workers: int = 1) -> Search:
    search = Search.of(Model(question), seed, workers)
    search.construct()
    return search


def searched(question: Problem, iterations: int = 150, *, seed: int = 1, workers: int = 1) -> Search:
    search = started(question, seed, workers)
    search.run(Stop(seconds=100, solutions=iterations))
    return search


def served_by(search: Search) -> set[str]:
    slots = [slot for route in search.best.best_routes().values() for slot in route]
    return {search.model.visits[int(search.tables.slots[slot, VISIT])].id for slot in slots}


def a_day(count: int = 13) -> Problem:
    """More than three can serve in the morning, some of it linked."""
    visits = [
        visit(
            f"v{number}",
            NAMES[(number * 7) % 5],
            10 + number % 3 * 5,
            mandatory=number % 3 == 0,
            price_cents=0 if number % 3 == 0 else 300 + number * 17 % 400,
            due_minute=60 + number * 3,
            crew_size=2 if number % 11 == 5 else 1,
            after=(After("v1", 5, 120),) if number == 8 else (),
        )
        for number in range(count)
    ]
    crew = [technician(name, cost_cents_per_minute=rate) for name, rate in (("ann", 5), ("bob", 6), ("cid", 7))]
    return problem(crew, visits)


# ---- its account


def assert_account_is_true(search: Search, question: Problem) -> Plan:
    """Nothing needs dropping or is lost, and what the kernel says it is worth is what the judge says."""
    plan = search.draft().to_plan()
    assert check(question, plan) == []
    assert plan.visit_ids == served_by(search)
    own, true = search.score(), score(question, plan)
    assert (own.mandatory_points, own.lateness_cents) == (true.mandatory_points, true.lateness_cents)
    # Roads at slow hours are priced by one departure of several, and a break before the first door may make one wait.
    if not question.travel.slowdowns:
        assert own.wishes_cents <= true.wishes_cents
        rests = any(shift.breaks for technician in question.technicians for shift in technician.shifts)
        if not (rests and question.policy.wait_cents_per_minute):
            assert own == true
    return plan


@pytest.mark.slow
@settings(CALM, max_examples=50)
@given(problems(stocked=True))
def test_on_any_day_its_plan_is_sound_and_its_account_is_the_judges(question: Problem) -> None:
    if not question.visits:
        return
    search = started(question)
    first = search.score()
    plan = assert_account_is_true(search, question)
    search.run(Stop(seconds=100, solutions=100))
    plan = assert_account_is_true(search, question)
    assert search.score() <= first
    again = with_published(question, plan)
    assert_account_is_true(searched(again, 40), again)


@settings(CALM, max_examples=20)
@given(problems(stocked=True))
def test_taking_its_own_solution_up_again_costs_the_same(question: Problem) -> None:
    if not question.visits:
        return
    search = searched(question, 60)
    worker, state = search.best, search.best.state
    assert worker.adopt(worker.best_routes())
    assert state.totals.tolist() == state.best_totals.tolist()
    assert state.balance.tolist() == state.best_balance.tolist()
    assert not worker.kernel.keep_if_better()


def test_a_start_that_cannot_be_driven_is_not_taken_up() -> None:
    question = problem(technician(capacity_units=3), [visit("a", load_units=2), visit("b", load_units=2)])
    search = started(question)
    assert not search.best.adopt({0: [0, 1]})
    assert search.best.adopt({0: [1]})
    assert search.best.state.facts[0, [COUNT, LOADED]].tolist() == [1, 2]
    search.construct({0: [0, 1]})
    assert len(served_by(search)) == 1


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("wishes_first", [False, True])
def test_better_is_better_tier_by_tier(wishes_first: bool, together: bool) -> None:
    tiers = ((Tier.WISHES,), (Tier.LATENESS,)) if wishes_first else ((Tier.LATENESS,), (Tier.WISHES,))
    goals = (tuple(tier[0] for tier in tiers),) if together else tiers
    question = problem(technician(), visit("a"), replace(INDIFFERENT, tiers=((Tier.HARD,), (Tier.MANDATORY,), *goals)))
    search = started(question)
    worker, state = search.best, search.best.state

    def totals(points: int, lateness: int, worst: int, wishes: int, balance: int) -> tuple[Score, bool]:
        """What the best solution is worth after this one was offered, and whether it was taken."""
        state.totals[[SUM_POINTS, SUM_LATENESS, SUM_WORST, SUM_WISHES]] = points, lateness, worst, wishes
        state.balance[0] = balance
        return search.score(), worker.kernel.keep_if_better()

    offered = [(5, 9, 9, 9, 9), (5, 9, 0, 9, 9), (5, 0, 9, 20, 9), (4, 90, 90, 90, 90), (4, 90, 90, 91, 88)]
    offered += [(4, 0, 0, 10**15, 0), (4, 10**15, 0, 0, 0), (4, 1, 0, 10**15 - 1, 0), (3, 0, 0, 0, 0), (3, 0, 0, 0, 0)]
    for each in offered:
        before, taken = totals(*each)
        now = search.score()
        assert taken == (now < before)
        worth = (each[0], each[1] + each[2], each[3] + each[4])
        assert (now.mandatory_points, now.lateness_cents, now.wishes_cents) == worth if taken else now == before
        by_hand = replace(
            before,
            levels=tuple(
                sum(
                    {Tier.HARD: 0, Tier.MANDATORY: worth[0], Tier.LATENESS: worth[1], Tier.WISHES: worth[2]}[goal]
                    for goal in tier
                )
                for tier in question.policy.tiers
            ),
            mandatory_points=worth[0],
            lateness_cents=worth[1],
            wishes_cents=worth[2],
        )
        assert taken == (by_hand < before)


# ---- seed and iterations


def test_the_same_seed_and_iterations_give_the_same_plan_whatever_the_workers() -> None:
    question = a_day()
    for workers in (1, 2):
        plans = [searched(question, 150, seed=3, workers=workers).draft().to_plan() for _ in range(2)]
        assert plans[0] == plans[1]
    assert searched(question, 150, seed=3).best.state.random != searched(question, 150, seed=4).best.state.random


def seen(plan: Plan) -> list[list[object]]:
    return [[each.technician_id, [[stop.visit_id, stop.start_minute] for stop in each.stops]] for each in plan.routes]


PROGRAM = """
import json, sys
from optimizer import Stop, solve
from tests.optimizer.test_search import a_day, seen
few = Stop(seconds=100, solutions=500)
plans = [seen(solve(a_day(), stop=few, seed=3, workers=each)) for each in (1, 2)]
print(json.dumps([plans, "ortools" in sys.modules, "pandas" in sys.modules]))
"""


@pytest.mark.slow
def test_the_same_seed_and_iterations_give_the_same_plan_in_another_process() -> None:
    hash_seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    few = Stop(seconds=100, solutions=500)
    plans, has_ortools, has_pandas = json.loads(done.stdout)
    assert plans == [seen(solve(a_day(), stop=few, seed=3, workers=each)) for each in (1, 2)]
    assert all(plans)
    # CP-SAT put routes together, without what takes twenty times as long to load as itself.
    assert (has_ortools, has_pandas) == (True, False)


def test_no_days_work_is_no_trouble() -> None:
    for question in (problem(technician(), []), problem(technician(), visit("a", required_skills={"gas": 1}))):
        search = searched(question, 20)
        assert search.best.kernel.anneal(10, 1.0, 1.0, removed_mean=10, string_max=10, blink=0.01, pool_within=1.0) == 0
        assert search.draft().to_plan().routes == ()


# ---- when it stops


class Clock:
    """Time that passes only when asked for, so much at each question."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 1000.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(search_module.STRETCH_SECONDS)
    monkeypatch.setattr(search_module, "time", made)
    return made


def test_the_time_limit_holds_to_the_last_stretch(clock: Clock) -> None:
    search, begun = started(a_day()), clock.now
    search.run(Stop(seconds=3))
    assert 3 <= clock.now - begun <= 3 * 1.05


def test_it_stops_when_nothing_became_better_for_so_long_and_not_sooner(clock: Clock) -> None:
    heard: list[float] = []
    search, begun = started(problem(technician(), [visit("a"), visit("b", "park")])), clock.now
    search.run(Stop(seconds=60, unimproved_seconds=1), on_better=lambda _: heard.append(clock.now))
    last = max(heard, default=begun)
    assert 1 <= clock.now - last <= 1.05


def test_so_many_iterations_are_made_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    search = started(a_day())
    search.assemblies.clear()
    anneal = search.best.kernel.anneal

    def counted(iterations: int, *heat: float, **more: float) -> int:
        made.append(iterations)
        return anneal(iterations, *heat, **more)

    monkeypatch.setattr(search.workers[0].kernel, "anneal", counted)
    search.run(Stop(seconds=100, solutions=501))
    assert sum(made) == 501


def test_canceling_ends_it_within_a_stretch_and_what_it_has_stays() -> None:
    search, asked = started(a_day()), 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    search.run(Stop(seconds=100), should_stop=should_stop)
    assert asked == 4
    assert check(search.model.problem, search.draft().to_plan()) == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("trouble", [LookupError, KeyboardInterrupt])
def test_what_a_callback_raises_comes_out_and_no_thread_stays(trouble: type[BaseException], workers: int) -> None:
    before = threading.active_count()

    def fail(*_: object) -> bool:
        raise trouble("enough")

    for told in ({"on_better": fail}, {"should_stop": fail}):
        search = started(a_day(), workers=workers)
        with pytest.raises(trouble, match="enough"):
            search.run(Stop(seconds=20), **told)
        assert check(search.model.problem, search.draft().to_plan()) == []
    assert threading.active_count() == before


def test_python_goes_on_while_it_searches() -> None:
    """The kernel runs without Python's lock: another thread has its turns."""
    search, turns = started(a_day()), 0
    done = threading.Event()

    def count() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    heat = {"removed_mean": 10.0, "string_max": 10.0, "blink": 0.01, "pool_within": 100.0}
    search.best.kernel.anneal(6_000, 100.0, 1.0, **heat)
    during = turns
    done.set()
    other.join()
    assert during > 10
