"""What our two clients promise beyond Tortoise's: safe settings, readers that do not wait, processes that take turns."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable
from pathlib import Path

import pytest

from app import database as db
from app.kernel.dialects import Dialect
from tests.app.database.conftest import NOTES, Scratch
from tests.databases import connect_image, sqlite_image

ADDER = """
import asyncio, sys
from app import database as db

async def add_one():
    client = db.connection()
    [row] = await client.execute_query_dict("SELECT count FROM note WHERE id = 1")
    await client.execute_query(f"UPDATE note SET count = {row['count'] + 1} WHERE id = 1")

async def main():
    await db.connect(sys.argv[1], model_modules=["tests.app.database.nothing"])
    for _ in range(100):
        await db.unit_of_work(add_one)
    await db.disconnect()

asyncio.run(main())
"""


async def run_python(code: str, *arguments: str) -> int:
    """A process of our own with this code; its exit code."""
    root = Path(db.__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *arguments, env=environment, cwd=root)
    return await process.wait()


async def test_sqlite_is_durable_keeps_foreign_keys_and_writes_ahead(sqlite_project: Scratch) -> None:
    await db.connect(sqlite_project.models(NOTES, lock_seconds=2))
    client = db.connection()
    found = {}
    for pragma in ("synchronous", "foreign_keys", "journal_mode", "busy_timeout"):
        found[pragma] = next(iter((await client.execute_query_dict(f"PRAGMA {pragma}"))[0].values()))
    assert found == {"synchronous": 2, "foreign_keys": 1, "journal_mode": "wal", "busy_timeout": 2000}


async def test_sqlite_reads_while_a_transaction_writes(sqlite_project: Scratch) -> None:
    await db.connect(sqlite_project.models(NOTES))
    await db.build_schema()

    async def work() -> list[tuple[int]]:
        await db.connection().execute_query("INSERT INTO author (id) VALUES (1)")
        # Another task, outside: it must answer before this transaction ends, with what was committed before.
        reading = asyncio.get_running_loop().create_task(outside())
        return await asyncio.wait_for(reading, 2)

    client = db.connection()

    async def outside() -> list[tuple[int]]:
        return await client.read_rows("SELECT id FROM author", ())  # type: ignore[attr-defined]

    assert await db.unit_of_work(work) == []
    assert await db.read_rows("SELECT id FROM author") == [(1,)]


async def test_sqlites_readers_cannot_write(sqlite_project: Scratch) -> None:
    await db.connect(sqlite_project.models(NOTES))
    await db.build_schema()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.read_rows("INSERT INTO author (id) VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.read_rows("PRAGMA user_version = 5")
    assert await db.read_rows("SELECT id FROM author") == []


async def test_a_canceled_read_frees_its_reader(sqlite_project: Scratch) -> None:
    await db.connect(sqlite_project.models(NOTES, statement_seconds=60))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    reads = [asyncio.create_task(db.read_rows(endless)) for _ in range(8)]
    await asyncio.sleep(0.05)
    for read in reads:
        read.cancel()
    await asyncio.wait(reads)
    assert await asyncio.wait_for(db.read_rows("SELECT 1"), 5) == [(1,)]


COUNT_TO = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT max(i) FROM n"


async def turns_of_the_loop_while(reading: Awaitable[list[tuple[int]]]) -> tuple[list[tuple[int]], int]:
    """What was read, and how often others had their turn meanwhile."""
    task = asyncio.ensure_future(reading)
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return task.result(), turns


async def test_short_reads_are_done_at_once_however_often_and_long_ones_leave_the_loop_to_others(
    sqlite_project: Scratch,
) -> None:
    await db.connect(sqlite_project.models(NOTES))
    readers = db.connection()._readers  # type: ignore[attr-defined]
    for _ in range(200):  # SQLite counts a statement's instructions over all its runs
        assert await turns_of_the_loop_while(db.read_rows(COUNT_TO.format(500))) == ([(500,)], 1)
    assert readers._threads is None
    for _ in range(2):
        rows, turns = await turns_of_the_loop_while(db.read_rows(COUNT_TO.format(300_000)))
        assert rows == [(300_000,)] and turns > 20
    assert list(readers._long) == [COUNT_TO.format(300_000)]


async def test_a_database_in_memory_is_read_through_its_one_connection(sqlite_project: Scratch) -> None:
    config = sqlite_project.models(NOTES)
    modules = config["apps"]["truckroll"]["models"]
    image = await sqlite_image(modules)
    for _ in range(2):
        await connect_image(image, modules)
        await db.unit_of_work(lambda: db.connection().execute_query("INSERT INTO author (id) VALUES (1)"))
        assert await db.read_rows("SELECT id FROM author") == [(1,)]
        await db.disconnect()


async def test_two_processes_lose_no_increment(sqlite_project: Scratch) -> None:
    await db.connect(sqlite_project.models(NOTES))
    await db.build_schema()
    await db.connection().execute_query("INSERT INTO note (id, count, starts, ends) VALUES (1, 0, 0, 0)")
    await db.disconnect()
    assert await asyncio.gather(*(run_python(ADDER, sqlite_project.url) for _ in range(2))) == [0, 0]
    await db.connect(sqlite_project.models(NOTES))
    assert await db.read_rows("SELECT count FROM note") == [(200,)]


async def test_postgres_has_our_limits_and_name(postgres_project: Scratch) -> None:
    config = postgres_project.models(NOTES, statement_seconds=3, lock_seconds=1.5, idle_in_transaction_seconds=7)
    await db.connect(config)
    names = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone")
    rows = [(await db.read_rows(f"SHOW {name}"))[0][0] for name in names]
    assert rows == ["truckroll", "3s", "1500ms", "7s", "UTC"]


async def test_postgres_gives_json_as_text(postgres_project: Scratch) -> None:
    await db.connect(postgres_project.models(NOTES))
    assert await db.read_rows("SELECT json_build_object('a', $1::int)", [1]) == [('{"a" : 1}',)]


async def test_a_row_locked_too_long_is_busy(postgres_project: Scratch) -> None:
    await db.connect(postgres_project.models(NOTES, lock_seconds=0.1))
    await db.build_schema()
    await db.connection().execute_query("INSERT INTO author (id) VALUES (1)")
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        await db.connection().execute_query("UPDATE author SET id = 1")
        locked.set()
        await go_on.wait()

    holder = asyncio.create_task(db.unit_of_work(hold))
    await locked.wait()
    with pytest.raises(db.Busy):
        await db.unit_of_work(lambda: db.connection().execute_query("UPDATE author SET id = 2"), attempts=1)
    go_on.set()
    await holder
    assert await db.read_rows("SELECT id FROM author") == [(1,)]


async def test_one_process_can_change_from_one_database_to_the_other(
    sqlite_project: Scratch, postgres_project: Scratch
) -> None:
    source = NOTES.replace("null=True, on_delete", "null=True, related_name='notes', on_delete")
    modules = None
    for scratch in (sqlite_project, postgres_project, sqlite_project, postgres_project):
        await scratch.empty()
        config = scratch.models(source)
        modules = modules or config["apps"]["truckroll"]["models"]
        # The very same model classes each time: their statements must be those of the database of the moment.
        config["apps"]["truckroll"]["models"] = modules
        await db.connect(config)
        await db.build_schema()
        note = __import__(modules[0], fromlist=["Note"]).Note
        await note.create(id=1, title="a", starts=1, ends=2)
        await note.filter(id=1).update(count=4)
        found = await note.get(id=1, title__icontains="A")
        await found.delete()
        assert found.count == 4
        assert await note.all().count() == 0
        assert db.dialect() is scratch.dialect
        await db.disconnect()


def test_dialects_are_the_engines_names() -> None:
    assert {str(dialect) for dialect in Dialect} == {"sqlite", "postgres"}


async def test_a_short_read_that_meets_a_lock_is_not_taken_for_a_long_one(
    sqlite_project: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.connect(sqlite_project.models(NOTES))
    readers = db.connection()._readers  # type: ignore[attr-defined]

    class Locked:
        def execute(self, *_: object) -> None:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorname = "SQLITE_BUSY"
            raise error

        def close(self) -> None:
            pass

    readers._near = Locked()
    assert await db.read_rows("SELECT 5") == [(5,)]
    assert not readers._long
