"""Run as a program by `test_native.py`: the kernel, built with the compiler's sanitizers, on random and extreme days.

Whatever it reads or writes outside its arrays, and each number that does not fit its type, ends the process.
"""

import random
import sys
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import HealthCheck, given, seed, settings

from optimizer import native
from optimizer.model import Model
from optimizer.problem import (
    AMOUNT_MAX,
    CENTS_MAX,
    CENTS_PER_MINUTE_MAX,
    METRES_MAX,
    MINUTES_MAX,
    After,
    Break,
    Policy,
    Problem,
    Shift,
    Slowdown,
    Stock,
    Tier,
    TravelMatrix,
    Visit,
)
from optimizer.search import Search
from optimizer.stop import Stop
from optimizer.tables import COUNT, SIZE_NAMES
from tests.optimizer.days import problems, with_published
from tests.optimizer.given import INDIFFERENT, LINE, NAMES, problem, technician, visit

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")
LONG = Shift(0, 10_000, "depot", "depot")
DEAR = {
    "cost_cents_per_minute": CENTS_PER_MINUTE_MAX,
    "cost_cents_per_kilometre": CENTS_PER_MINUTE_MAX,
    "cost_cents_per_shift": CENTS_MAX,
    "overtime_cents_per_minute": CENTS_PER_MINUTE_MAX,
}
STRICT = Policy(
    priority_weights=(100,) * 5,
    wait_cents_per_minute=CENTS_PER_MINUTE_MAX,
    balance_cents_per_minute=CENTS_PER_MINUTE_MAX,
    moved_cents_per_minute=CENTS_PER_MINUTE_MAX,
    worst_lateness_cents_per_minute=CENTS_PER_MINUTE_MAX,
    preference_cents=AMOUNT_MAX,
    overqualification_cents_per_level=AMOUNT_MAX,
    changed_technician_cents=AMOUNT_MAX,
)
WISHES_FIRST = ((Tier.HARD,), (Tier.MANDATORY,), (Tier.WISHES,), (Tier.LATENESS,))


def searched(question: Problem, iterations: int = 60) -> Search:
    """The search on this problem after so many iterations; no row of it is longer than there is room for."""
    search = Search.of(Model(question), seed=1)
    search.construct()
    search.run(Stop(100, solutions=iterations))
    for worker in search.workers:
        assert int(worker.state.facts[:, COUNT].max(initial=0)) + 3 <= int(
            search.tables.sizes[SIZE_NAMES.index("WIDTH")]
        )
    search.draft()
    return search


def work(count: int, minutes: int = 10, **more: object) -> list[Visit]:
    dice = random.Random(count)
    return [visit(f"v{number}", dice.choice(NAMES), minutes, **more) for number in range(count)]


def far(minutes: int, metres: int) -> TravelMatrix:
    def rows(leg: int) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(0 if here == there else leg for there in range(5)) for here in range(5))

    return TravelMatrix(rows(minutes), rows(metres))


def extremes() -> Iterator[tuple[str, Problem]]:
    ann, bob = technician("ann", LONG), technician("bob", LONG)
    yield "a hundred stops in one shift", problem(ann, work(100))
    pauses = tuple(Break(1_000 * each, 1_000 * each + 500, 30) for each in range(1, 9))
    yield "a hundred stops and eight breaks", problem(technician("ann", replace(LONG, breaks=pauses)), work(100))
    yield "work of no length at one place", problem(ann, [visit(f"v{each}", "depot", 0) for each in range(80)])
    yield "roads and work of no length", problem(ann, work(80, 0), travel=far(0, 0))
    yield "more vehicles than visits", problem([technician(f"t{each}") for each in range(60)], work(3))
    yield "many vehicles", problem([technician(f"t{each}", cost_cents_per_shift=9) for each in range(60)], work(90))
    yield "a crew larger than the company", problem([ann, bob], [*work(3), visit("all", crew_size=7)])
    yield "a crew of everybody", problem([technician(f"t{each}") for each in range(9)], visit("all", crew_size=9))
    long_chain = [
        visit(
            f"v{each}",
            NAMES[each % 5],
            5,
            after=(After(f"v{each - 1}", 1, 90),) if each else (),
            crew_size=1 + each % 2,
        )
        for each in range(30)
    ]
    yield "a long sequence of crews", problem([ann, bob, technician("cid", LONG)], long_chain)
    yield "nobody may come", problem([ann, bob], work(5, required_skills={"gas": 1}))
    yield "one visit", problem(ann, visit("a"))
    for levels in (1, AMOUNT_MAX):
        demanding = work(
            6,
            required_skills={"gas": 1},
            preferred_technicians=("bob",),
            due_minute=-MINUTES_MAX,
            lateness_cents_per_minute=CENTS_PER_MINUTE_MAX,
            load_units=AMOUNT_MAX,
            parts={"fuse": AMOUNT_MAX},
            priority=1,
        )
        shift = Shift(-MINUTES_MAX, MINUTES_MAX, "depot", "depot", MINUTES_MAX)
        people = [
            technician(each, shift, skills={"gas": levels}, parts={"fuse": AMOUNT_MAX}, **DEAR)
            for each in ("ann", "bob")
        ]
        stocks = (Stock("mill", {"fuse": AMOUNT_MAX}, 1_000), Stock("farm", {"fuse": AMOUNT_MAX}, MINUTES_MAX))
        for tiers in (STRICT.tiers, WISHES_FIRST):
            dear = problem(people, demanding, replace(STRICT, tiers=tiers), far(1_000, METRES_MAX), stocks=stocks)
            yield "the longest and dearest of all", dear
            yield (
                "the slowest hours",
                replace(dear, travel=replace(dear.travel, slowdowns=(Slowdown(-MINUTES_MAX, MINUTES_MAX, 100.0),))),
            )
    yield "slow people", problem(technician("ann", LONG, speed_factor=0.01), work(5, MINUTES_MAX))
    yield "fast people", problem(technician("ann", LONG, speed_factor=100.0), work(50, 10))
    # The way past the stock is shorter than the way without.
    detour = TravelMatrix(
        tuple(
            tuple(0 if here == there else 0 if 0 in (here, there) else 90 for there in range(5)) for here in range(5)
        ),
        LINE.metres,
    )
    fetched = [visit(f"v{each}", NAMES[each], 0, parts={"fuse": 1}) for each in range(1, 5)]
    short = technician("ann", Shift(0, 60, "depot", "depot"))
    yield "detours that save time", problem(short, fetched, travel=detour, stocks=(Stock("depot", {"fuse": 9}, 0),))
    fast = replace(LINE, slowdowns=(Slowdown(0, 5_000, 0.01),))
    yield "roads without a wait", problem([ann, bob], work(60, 1), travel=fast)
    weighty = replace(INDIFFERENT, priority_weights=(AMOUNT_MAX,) * 5)
    yield "heavy priorities", problem([technician(), technician("bob")], work(40, lateness_cents_per_minute=0), weighty)


def run(examples: int) -> None:
    native.FLAGS = (*native.FLAGS, *SANITIZERS)
    for _, question in extremes():
        searched(question)

    @seed(examples)
    @settings(deadline=None, database=None, max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(problems(visits_max=9, stocked=True))
    def any_day(question: Problem) -> None:
        if not question.visits:
            return
        found = searched(question)
        searched(with_published(question, found.draft().to_plan()), 20)

    any_day()


if __name__ == "__main__":
    run(int(sys.argv[1]))
    print("sound")
