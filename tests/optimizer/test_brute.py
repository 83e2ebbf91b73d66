"""Against the true optimum of tiny days: nobody beats it, and the planner nearly always finds it.

`TRUCKROLL_TEST_BRUTE_CASES` sets how many days are drawn in all (2,000 take a few minutes).
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer import Stop, check, construct, score, solve
from optimizer.problem import (
    After,
    Break,
    Pin,
    Policy,
    Problem,
    Shift,
    Skill,
    Slowdown,
    Stock,
    Technician,
    Tier,
    TravelMatrix,
    Visit,
    Window,
)
from tests.optimizer.brute import STEP, best_levels
from tests.optimizer.given import NAMES, PLACES

CASES = int(os.environ.get("TRUCKROLL_TEST_BRUTE_CASES", "150"))
GENEROUS = Stop(seconds=2.0, solutions=3_000)
TIERS = ((Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS,), (Tier.WISHES,))
ONE_SUM = ((Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS, Tier.WISHES))


def steps(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least // STEP, most // STEP).map(lambda each: each * STEP)


def seldom(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 4)) == 0


@st.composite
def matrices(draw: st.DrawFn, slow: bool, wild: bool) -> TravelMatrix:
    """With `wild` roads the way by another place may be the shorter: then a visit may fit only beside another."""
    rows = [[0 if here == there else draw(steps(0, 40)) for there in range(5)] for here in range(5)]
    for by, here, there in product(range(5), repeat=3):
        if not wild:
            rows[here][there] = min(rows[here][there], rows[here][by] + rows[by][there])
    minutes = tuple(map(tuple, rows))
    metres = tuple(tuple(each * 700 for each in row) for row in minutes)
    hours = (Slowdown(30, 90, draw(st.sampled_from((0.5, 1.5, 2.0)))),) if slow else ()
    return TravelMatrix(minutes, metres, hours)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    opens = draw(steps(0, 150))
    return Window(opens, opens + draw(steps(0, 100)), draw(st.booleans()))


@st.composite
def technicians(draw: st.DrawFn, name: str, days: int, per_minute: int) -> Technician:
    shifts: list[Shift] = []
    for day in range(days):
        start = day * 300 + draw(steps(0, 40))
        breaks = tuple(
            Break(start + opens, start + opens + draw(steps(10, 40)), draw(st.sampled_from((10, 20))))
            for opens in draw(st.sampled_from(((), (), (40,), (20, 80))))
        )
        ends = draw(st.sampled_from((*NAMES, None)))
        shifts.append(
            Shift(start, start + 140, draw(st.sampled_from(NAMES)), ends, draw(st.sampled_from((0, 30))), breaks)
        )
    return Technician(
        id=name,
        shifts=tuple(shifts),
        skills={"gas": Skill(draw(st.integers(1, 3)), draw(st.none() | steps(60, 160)))} if draw(st.booleans()) else {},
        territories=draw(st.sampled_from(((), (), ("north",)))),
        speed_factor=draw(st.sampled_from((1.0, 1.0, 2.0))),
        cost_cents_per_minute=per_minute,
        cost_cents_per_kilometre=draw(st.integers(0, 9)),
        cost_cents_per_shift=draw(st.sampled_from((0, 300))),
        overtime_cents_per_minute=draw(st.sampled_from((0, 20))),
        capacity_units=draw(st.sampled_from((None, 3))),
        parts={"fuse": draw(st.integers(0, 1))},
    )


@st.composite
def visits(draw: st.DrawFn, number: int, linked: bool, parts: bool) -> Visit:
    mandatory = draw(st.booleans())
    crew_size = 2 if linked and seldom(draw) else 1
    after: tuple[After, ...] = ()
    if linked and number and draw(st.booleans()):
        gap = draw(steps(0, 20))
        most = gap + draw(steps(0, 50)) if draw(st.booleans()) else None
        after = (After(f"v{draw(st.integers(0, number - 1))}", gap, most, draw(st.booleans())),)
    pin = None
    if seldom(draw):
        who = draw(st.permutations(("ann", "bob")))[:crew_size] if draw(st.booleans()) else None
        pin = Pin(None if who is None else tuple(who), draw(steps(20, 120)) if who is None else None)
    return Visit(
        id=f"v{number}",
        place=draw(st.sampled_from(NAMES)),
        duration_minutes=draw(st.sampled_from((0, 20, 40))),
        windows=tuple(draw(st.lists(windows(), max_size=2))),
        promised=draw(windows()) if seldom(draw) else None,
        release_minute=draw(steps(0, 80)) if seldom(draw) else None,
        due_minute=draw(st.none() | steps(0, 120)),
        lateness_cents_per_minute=draw(st.integers(1, 9)),
        priority=draw(st.integers(1, 5)),
        mandatory=mandatory,
        price_cents=0 if mandatory else draw(st.integers(0, 2000)),
        required_skills={"gas": draw(st.integers(1, 2))} if draw(st.integers(0, 2)) == 0 else {},
        excluded_technicians=("bob",) if seldom(draw) else (),
        preferred_technicians=draw(st.sampled_from(((), ("ann",)))),
        territory=draw(st.sampled_from((None, None, "north", "south"))),
        crew_size=crew_size,
        after=after,
        same_technician_as=f"v{draw(st.integers(0, number - 1))}" if linked and number and seldom(draw) else None,
        load_units=draw(st.integers(0, 2)),
        parts=draw(st.sampled_from(({}, {"fuse": 1}, {"fuse": 2}))) if parts else {},
        pin=pin,
    )


@st.composite
def days(
    draw: st.DrawFn,
    visits_max: int = 4,
    linked: bool = False,
    parts: bool = False,
    slow: bool = False,
    published: bool = False,
    wild: bool = True,
    **policy: st.SearchStrategy[int],
) -> Problem:
    # Who pays for minutes may gain by leaving later where hours are slow: then starts would have to be tried.
    rates = st.just(0) if slow else st.integers(0, 9)
    count = draw(st.integers(1, 2))
    crew = tuple(
        draw(technicians(name, 2 if count == 1 and not parts and draw(st.booleans()) else 1, draw(rates)))
        for name in ("ann", "bob")[:count]
    )
    work = tuple(draw(visits(number, linked, parts)) for number in range(draw(st.integers(1, visits_max))))
    places = draw(st.sampled_from((("park",), ("mill", "quay")))) if parts else ()
    question = Problem(
        technicians=crew,
        visits=work,
        places=PLACES,
        travel=draw(matrices(slow, wild)),
        policy=Policy(
            tiers=draw(st.sampled_from((TIERS, ONE_SUM))),
            preference_cents=100,
            overqualification_cents_per_level=20,
            changed_technician_cents=150,
            moved_cents_per_minute=2,
            **{name: draw(each) for name, each in policy.items()},
        ),
        stocks=tuple(
            Stock(place, {"fuse": draw(st.integers(0, 3))}, draw(st.sampled_from((0, 10)))) for place in places
        ),
    )
    return replace(question, published=construct(replace(question, policy=Policy()))) if published else question


def calm(share: float) -> settings:
    return settings(
        max_examples=max(1, round(CASES * share)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def against(question: Problem, any_start: bool, tally: Counter[str]) -> None:
    plan = solve(question, stop=GENEROUS)
    assert check(question, plan) == []
    assert plan.score == score(question, plan)
    best = best_levels(question, any_start)
    assert plan.score.levels >= best
    tally["all"] += 1
    tally["equal"] += plan.score.levels == best
    tally["served"] += plan.score.levels[:2] == best[:2]


def compared(strategy: st.SearchStrategy[Problem], share: float, any_start: bool = False) -> Counter[str]:
    tally: Counter[str] = Counter()

    @calm(share)
    @given(strategy)
    def each(question: Problem) -> None:
        against(question, any_start, tally)

    each()
    return tally


KINDS: dict[str, tuple[Callable[[], st.SearchStrategy[Problem]], float, bool, float, float]] = {
    # The days, their share of the cases, whether any start is tried, and how often at least the planner must serve
    # all that can be, and be as good as the best.
    "plain": (lambda: days(wild=False), 0.35, False, 1.0, 1.0),
    "slow hours": (lambda: days(slow=True), 0.1, False, 0.98, 0.98),
    "pickups": (lambda: days(3, parts=True), 0.15, False, 0.95, 0.9),
    "shared": (
        lambda: days(3, balance_cents_per_minute=st.just(4), worst_lateness_cents_per_minute=st.just(30)),
        0.1,
        False,
        1.0,
        0.9,
    ),
    "published": (lambda: days(2, published=True, wait_cents_per_minute=st.integers(0, 3)), 0.1, True, 0.95, 0.85),
    "linked": (lambda: days(3, linked=True), 0.1, True, 0.95, 0.85),
    "everything": (
        lambda: days(
            2,
            linked=True,
            parts=True,
            published=True,
            wait_cents_per_minute=st.integers(0, 3),
            balance_cents_per_minute=st.integers(0, 4),
            worst_lateness_cents_per_minute=st.sampled_from((0, 30)),
        ),
        0.1,
        True,
        0.9,
        0.8,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_beats_the_best_of_all_plans_and_the_planner_finds_it(kind: str) -> None:
    strategy, share, any_start, served, equal = KINDS[kind]
    tally = compared(strategy(), share, any_start)
    print(kind, dict(tally))
    assert tally["served"] >= served * tally["all"]
    assert tally["equal"] >= equal * tally["all"]
