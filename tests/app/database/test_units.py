"""A unit of work is all or nothing, is tried again only when nothing was saved, and outlives a caller that leaves."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from tortoise.transactions import in_transaction

from app import database as db
from app.database import units
from tests.app.database.conftest import NOTES, Scratch

word: ContextVar[str] = ContextVar("word", default="none")


def add(id: int) -> Callable[[], Awaitable[Any]]:
    return lambda: db.connection().execute_query(f"INSERT INTO author (id) VALUES ({id})")


async def authors() -> list[int]:
    return [row[0] for row in await db.read_rows("SELECT id FROM author ORDER BY id")]


async def test_returns_the_result_once_it_is_committed(notes: Scratch) -> None:
    async def work() -> str:
        assert db.in_unit()
        await add(1)()
        return "done"

    assert await db.unit_of_work(work) == "done"
    assert not db.in_unit()
    assert await authors() == [1]


async def test_an_exception_leaves_nothing_and_passes_as_it_is(notes: Scratch) -> None:
    async def work() -> None:
        await add(1)()
        raise LookupError("no")

    with pytest.raises(LookupError):
        await db.unit_of_work(work)
    assert await authors() == []


async def test_sees_its_own_writes_and_others_see_them_only_after_the_commit(notes: Scratch) -> None:
    seen: dict[str, list[int]] = {}
    wrote, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await add(1)()
        seen["inside"] = await authors()
        wrote.set()
        await go_on.wait()

    unit = asyncio.create_task(db.unit_of_work(work))
    await wrote.wait()
    seen["outside"] = await authors()
    go_on.set()
    await unit
    seen["after"] = await authors()
    assert seen == {"inside": [1], "outside": [], "after": [1]}


async def test_the_callers_context_is_seen_inside(notes: Scratch) -> None:
    async def work() -> str:
        return word.get()

    token = word.set("hello")
    try:
        assert await db.unit_of_work(work) == "hello"
    finally:
        word.reset(token)


async def test_a_unit_inside_a_unit_joins_it(notes: Scratch) -> None:
    async def outer() -> None:
        await db.unit_of_work(add(1))
        raise LookupError("no")

    with pytest.raises(LookupError):
        await db.unit_of_work(outer)
    assert await authors() == []


async def test_a_nested_unit_fails_alone(notes: Scratch) -> None:
    async def inner() -> None:
        await add(2)()
        await add(1)()

    async def outer() -> None:
        await add(1)()
        with pytest.raises(db.DuplicateRow):
            await db.unit_of_work(inner, nested=True)
        await db.unit_of_work(add(3), nested=True)

    await db.unit_of_work(outer)
    assert await authors() == [1, 3]


async def test_is_tried_again_from_the_start_when_another_was_in_the_way(notes: Scratch) -> None:
    tries: list[asyncio.Task[Any] | None] = []

    async def work() -> None:
        tries.append(asyncio.current_task())
        await add(len(tries))()
        if len(tries) < 3:
            raise db.Busy()

    await db.unit_of_work(work)
    assert len(set(tries)) == 3
    assert await authors() == [3]


async def test_gives_up_after_the_last_try(notes: Scratch) -> None:
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        raise db.ConnectionLost()

    with pytest.raises(db.ConnectionLost):
        await db.unit_of_work(work, attempts=2)
    assert len(tries) == 2


async def test_is_not_tried_again_when_it_may_be_committed(notes: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    class Breaking:
        def __init__(self) -> None:
            self.real = in_transaction()

        async def __aenter__(self) -> Any:
            return await self.real.__aenter__()

        async def __aexit__(self, *error: Any) -> None:
            await self.real.__aexit__(*error)
            if error[0] is None:
                raise db.ConnectionLost()

    async def work() -> None:
        tries.append(1)
        await add(1)()

    monkeypatch.setattr(units, "in_transaction", Breaking)
    with pytest.raises(db.OutcomeUnknown) as caught:
        await db.unit_of_work(work)
    assert not caught.value.retryable
    assert tries == [1]
    assert await authors() == [1]


async def test_a_canceled_caller_leaves_the_unit_to_finish(notes: Scratch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await add(1)()
        begun.set()
        await go_on.wait()
        await add(2)()

    caller = asyncio.create_task(db.unit_of_work(work))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await authors() == []
    assert await db.drain(0.01) == 1
    go_on.set()
    assert await db.drain() == 0
    assert await authors() == [1, 2]


async def test_a_unit_that_fails_after_its_caller_left_is_logged(
    notes: Scratch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        raise LookupError("nobody hears this")

    caller = asyncio.create_task(db.unit_of_work(work))
    await begun.wait()
    caller.cancel()
    await asyncio.wait({caller})
    with caplog.at_level(logging.ERROR):
        go_on.set()
        await db.drain()
        await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == ["a unit of work failed after its caller had left"]


async def test_a_task_that_outlives_its_unit_works_outside_it(notes: Scratch) -> None:
    go_on = asyncio.Event()
    states: list[bool] = []

    async def later() -> None:
        await go_on.wait()
        states.append(db.in_unit())
        await db.unit_of_work(add(2))
        await add(3)()
        states.append(bool(await authors()))

    async def work() -> "asyncio.Task[None]":
        await add(1)()
        return asyncio.create_task(later())

    task = await db.unit_of_work(work)
    go_on.set()
    await task
    assert states == [False, True]
    assert await authors() == [1, 2, 3]


async def test_tasks_gathered_inside_a_unit_belong_to_it(notes: Scratch) -> None:
    async def work() -> None:
        await asyncio.gather(*(add(id)() for id in range(8)))
        raise LookupError("no")

    with pytest.raises(LookupError):
        await db.unit_of_work(work)
    assert await authors() == []


async def test_a_storm_of_cancellations_loses_no_connection_and_no_lock(notes: Scratch) -> None:
    """100 rounds of 8 units whose callers leave at random; then twice as many units as the pool holds run at once."""
    dice = random.Random(1)
    finished: list[int] = []

    async def work() -> None:
        id = len(finished)
        finished.append(id)
        await add(id)()
        await db.read_rows("SELECT count(*) FROM author")

    for _ in range(100):
        callers = [asyncio.create_task(db.unit_of_work(work)) for _ in range(8)]
        for caller in callers:
            await asyncio.sleep(0 if dice.random() < 0.7 else dice.random() / 500)
            caller.cancel()
        await asyncio.wait(callers)
    assert await db.drain(30) == 0
    assert await authors() == finished
    before = len(finished)
    await asyncio.gather(*(db.unit_of_work(work) for _ in range(8)))
    assert await authors() == list(range(before + 8))


@pytest.mark.slow
async def test_transactions_canceled_at_any_point_give_back_what_they_took(notes: Scratch) -> None:
    """The engine alone, without the shield: no lock and no connection may be lost even then."""
    dice = random.Random(7)

    async def bare() -> None:
        async with db.connection()._in_transaction() as transaction:
            await transaction.execute_query("INSERT INTO author (id) VALUES (1)")
            raise LookupError("roll back")

    for _ in range(40):
        tasks = [asyncio.create_task(bare()) for _ in range(8)]
        for task in tasks:
            await asyncio.sleep(0 if dice.random() < 0.7 else dice.random() / 500)
            task.cancel()
        await asyncio.wait(tasks)
    await asyncio.gather(*(db.unit_of_work(add(id)) for id in range(8)))
    assert await authors() == list(range(8))


async def test_a_script_inside_a_unit_belongs_to_it(notes: Scratch) -> None:
    async def work() -> None:
        await db.connection().execute_script("INSERT INTO author (id) VALUES (1); INSERT INTO author (id) VALUES (2);")
        raise LookupError("no")

    with pytest.raises(LookupError):
        await db.unit_of_work(work)
    assert await authors() == []


async def kill_backends() -> None:
    await db.connection().execute_query_dict(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.fault
async def test_killed_backends_are_replaced(postgres_project: Scratch) -> None:
    await db.connect(postgres_project.models(NOTES, pool_max=4))
    await db.build_schema()
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        await add(1)()
        if len(tries) == 1:
            # Our own backend, in the middle of its transaction.
            await db.connection().execute_query_dict("SELECT pg_terminate_backend(pg_backend_pid())")
        await add(2)()

    await db.unit_of_work(work)
    assert len(tries) == 2
    assert await authors() == [1, 2]

    await asyncio.gather(*(db.read_rows("SELECT pg_sleep(0.05)") for _ in range(4)))
    await kill_backends()
    assert await asyncio.gather(*(authors() for _ in range(4))) == [[1, 2]] * 4
    await db.unit_of_work(add(3))
    assert await authors() == [1, 2, 3]


@pytest.mark.fault
async def test_a_begin_that_fails_does_not_stay_with_the_task(postgres_project: Scratch) -> None:
    """The same task, on a pool of one whose connection dies silently between two transactions."""
    await db.connect(postgres_project.models(NOTES, pool_max=1))
    await db.build_schema()
    client = db.connection()
    for _ in range(3):
        connection = await client._pool.acquire()
        await client._pool.release(connection)
        held = client._pool._holders[0]._con
        held._transport.abort()
        try:
            async with client._in_transaction() as transaction:
                await transaction.execute_query("SELECT 1")
        except Exception as error:  # noqa: BLE001 (whatever it is, it must be one of the database's)
            assert db.translate(error) is not None
        assert db.connection() is client
    await db.unit_of_work(add(1))
    assert await authors() == [1]
