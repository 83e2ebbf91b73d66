"""Visits that depend on others, in the compiled search: whatever is taken out and put back, they keep their distance."""

import random

from optimizer.construct import construct
from optimizer.model import Model
from optimizer.problem import After, Problem, Visit
from optimizer.search import Search
from optimizer.tables import BOUND, MINUTES, ROUTE, START, TECHNICIAN
from tests.optimizer.given import NAMES, problem, technician, visit


def a_day(seed: int) -> Problem:
    """Twelve visits for four technicians, some of them after another, some not before a given minute."""
    dice = random.Random(seed)
    work: list[Visit] = []
    for number in range(12):
        after = (After(f"v{dice.randrange(number)}", dice.choice((0, 10))),) if number and dice.random() < 0.4 else ()
        release = dice.choice((None, None, 60, 150))
        name, place, minutes = f"v{number}", dice.choice(NAMES), dice.choice((10, 20, 40))
        work.append(visit(name, place, minutes, after=after, release_minute=release))
    crew = [technician(name, cost_cents_per_minute=3) for name in ("ann", "bob", "cid", "dan")]
    return problem(crew, work)


def too_soon(search: Search) -> list[tuple[int, int]]:
    """Pairs of slots of which the second starts before the first lets it."""
    where, tables, found = search.best.state.where, search.tables, list[tuple[int, int]]()
    for first, then, gap, after_end, before_end in tables.arcs.tolist():
        if first == then or min(where[first, ROUTE], where[then, ROUTE]) < 0:
            continue
        took, takes = (
            int(tables.fits[tables.vehicles[where[slot, ROUTE], TECHNICIAN], slot, MINUTES]) for slot in (first, then)
        )
        bound = int(where[first, START]) + gap + after_end * took - before_end * takes
        if where[then, START] < bound or where[then, BOUND] < bound:
            found.append((first, then))
    return found


def test_who_follows_a_visit_of_a_route_left_alone_still_waits_for_it() -> None:
    looked_at = 0
    for seed in range(12):
        search = Search.of(Model(a_day(seed)), seed)
        search.construct()
        for _ in range(60):
            search.best.kernel.anneal(1, 100.0, 100.0, removed_mean=10.0, string_max=10.0, blink=0.01, pool_within=0.0)
            assert too_soon(search) == [], seed
            looked_at += int((search.best.state.where[:, ROUTE] >= 0).sum())
    assert looked_at > 5000


def test_a_first_plan_that_is_stopped_begins_no_more_groups() -> None:
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > 1

    crews = [visit(name, crew_size=2) for name in ("a", "b", "c")]
    question = problem([technician("ann"), technician("bob")], crews)
    assert construct(question).visit_ids == {"a", "b", "c"}
    assert construct(question, should_stop).visit_ids == {"a"}
