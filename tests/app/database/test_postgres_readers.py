"""Connections that only read: so many and no more, none lost to whoever leaves or dies, and none that can change anything."""

import asyncio

import asyncpg
import pytest

from app import database as db
from app.database.engines.postgres_readers import PostgresReaders
from tests.databases import POSTGRES, require_postgres


@pytest.fixture
async def readers():
    await require_postgres()
    opened = []

    async def connect():
        opened.append(await asyncpg.connect(POSTGRES, server_settings={"default_transaction_read_only": "on"}))
        return opened[-1]

    made = PostgresReaders(connect, 2)
    made.opened = opened
    yield made
    await made.close()


async def test_opens_no_more_than_it_may_and_serves_all(readers):
    found = await asyncio.gather(*(readers.read("SELECT $1::int, pg_sleep(0.01)", [n]) for n in range(20)))
    assert [rows[0][0] for rows in found] == list(range(20))
    assert len(readers.opened) == 2


async def test_lends_the_one_that_came_back_last(readers):
    for _ in range(5):
        await readers.read("SELECT 1", [])
    assert len(readers.opened) == 1


async def test_a_reader_who_leaves_takes_the_connection_along_and_others_are_served(readers):
    async with asyncio.timeout(10):
        for _ in range(10):
            leaving = [asyncio.create_task(readers.read("SELECT pg_sleep(5)", [])) for _ in range(4)]
            await asyncio.sleep(0.02)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            assert (await readers.read("SELECT 7", []))[0][0] == 7
        assert sum(not connection.is_closed() for connection in readers.opened) <= 2


async def test_one_that_died_is_replaced(readers):
    await readers.read("SELECT 1", [])
    readers.opened[0].terminate()
    assert (await readers.read("SELECT 2", []))[0][0] == 2
    assert len(readers.opened) == 2


async def test_an_error_of_the_statement_costs_no_connection(readers):
    for _ in range(5):
        with pytest.raises(asyncpg.UndefinedTableError):
            await readers.read("SELECT * FROM nowhere", [])
    assert len(readers.opened) == 1 and not readers.opened[0].is_closed()


async def test_waits_for_nobody_when_none_can_be_opened(readers):
    async def refused():
        raise OSError("refused")

    dead = PostgresReaders(refused, 1)
    found = await asyncio.gather(*(dead.read("SELECT 1", []) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [OSError] * 3


async def test_the_read_door_cannot_change_anything(postgres_database):
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await db.read_rows("""INSERT INTO "timer" ("name", "next_at") VALUES ('x', now()) RETURNING 1""")


async def test_who_was_told_of_room_and_leaves_tells_the_next(readers):
    async def never_twice():
        raise OSError("refused")

    narrow = PostgresReaders(never_twice, 1)
    narrow._open = 1  # lent to somebody
    first, second = (asyncio.create_task(narrow.read("SELECT 1", [])) for _ in range(2))
    await asyncio.sleep(0)
    narrow._open = 0
    narrow._wake(None)
    first.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(OSError):
            await second


async def test_a_canceled_read_ends_on_the_server_before_another_takes_its_place(readers):
    leaving = [asyncio.create_task(readers.read("SELECT pg_sleep(20), 'left by its reader'", [])) for _ in range(2)]
    await asyncio.sleep(0.1)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    async with asyncio.timeout(10):
        asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%left by its%'"
        [[running]] = await readers.read(f"{asked} AND pid <> pg_backend_pid()", [])
    assert running == 0
