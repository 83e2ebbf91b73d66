"""A mistake in the rule engine is noticed, whichever it is. All of them with TRUCKROLL_TEST_MUTANTS=all; a sample unless set."""

import os
import random
from collections import Counter

import pytest_asyncio

from app.kernel.dialects import Dialect
from schema import rules
from tests.schema import mutants
from tests.schema.tenants import Tenant, found

ALL = os.environ.get("TRUCKROLL_TEST_MUTANTS") == "all"
LINES, CELLS = 15, 25


@pytest_asyncio.fixture(loop_scope="session")
async def tenant(sqlite_database: Dialect) -> Tenant:
    ours = await found("a", 910_000)
    await found("b", 920_000)
    return ours


async def test_a_line_of_a_condition_that_is_left_out_or_turned_round_is_noticed(tenant: Tenant) -> None:
    known, table = await mutants.seen(tenant), rules._rows()
    assert await mutants.seen(tenant) == known, "something is noticed without a mistake"
    every = mutants.mutants()
    assert len(every) > 100
    chosen = every if ALL else random.Random(20310303).sample(every, LINES)
    by = {one: await mutants.kills_line(one, tenant, known, table) for one in chosen}
    survived = [f"{one.module}.{one.owner}.{one.function}: {one.says}" for one, killer in by.items() if not killer]
    print(f"{len(chosen)} lines: {Counter(by.values())}")
    assert len(survived) <= len(chosen) // 100, "\n".join(survived)
    assert await mutants.seen(tenant) == known, "a mistake stayed"


async def test_a_flipped_cell_of_the_table_is_noticed(tenant: Tenant) -> None:
    known = await mutants.seen(tenant)
    every = mutants.cells()
    chosen = every if ALL else random.Random(20310303).sample(every, CELLS)
    by = {one: await mutants.kills_cell(*one, tenant, known) for one in chosen}
    print(f"{len(chosen)} cells: {Counter(by.values())}")
    survived = [one for one, killer in by.items() if not killer]
    assert len(survived) <= len(chosen) // 100, survived
