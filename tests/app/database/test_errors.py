"""Each refusal of a database becomes the one exception of ours that says why."""

import sqlite3

import pytest

from app import database as db
from app.kernel.dialects import Dialect
from tests.app.database.conftest import Scratch

SETUP = "INSERT INTO author (id) VALUES (1); INSERT INTO note (id, author_id, title, count, starts, ends) VALUES (1, 1, 'a', 0, 0, 10)"

REFUSALS = [
    ("INSERT INTO author (id) VALUES (1)", db.DuplicateRow, ("id",)),
    (
        "INSERT INTO note (id, author_id, title, count, starts, ends) VALUES (2, 1, 'a', 0, 50, 60)",
        db.DuplicateRow,
        ("author_id", "title"),
    ),
    (
        "INSERT INTO note (id, author_id, title, count, starts, ends) VALUES (2, 9, 'b', 0, 50, 60)",
        db.MissingReference,
        None,
    ),
    ("DELETE FROM author WHERE id = 1", db.MissingReference, None),
    ("INSERT INTO note (id, author_id, title, count, starts, ends) VALUES (2, 1, 'b', -1, 50, 60)", db.CheckFailed, ()),
    (
        "INSERT INTO note (id, author_id, title, count, starts, ends) VALUES (2, 1, 'b', NULL, 50, 60)",
        db.CheckFailed,
        ("count",),
    ),
    ("INSERT INTO note (id, author_id, title, count, starts, ends) VALUES (2, 1, 'b', 0, 5, 15)", db.Overlap, ()),
]


@pytest.mark.parametrize(("sql", "expected", "columns"), REFUSALS)
async def test_a_refusal_is_named_and_nothing_of_the_unit_stays(
    notes: Scratch, sql: str, expected: type[db.DatabaseError], columns: tuple[str, ...] | None
) -> None:
    await db.connection().execute_script(SETUP)

    async def work() -> None:
        await db.connection().execute_query("INSERT INTO author (id) VALUES (7)")
        await db.connection().execute_query(sql)

    with pytest.raises(db.DatabaseError) as caught:
        await db.unit_of_work(work)
    assert type(caught.value) is expected
    assert not caught.value.retryable
    if columns is not None:
        assert caught.value.columns == columns
    assert await db.read_rows("SELECT id FROM author ORDER BY id") == [(1,)]
    assert await db.read_rows("SELECT id FROM note ORDER BY id") == [(1,)]


async def test_a_check_names_its_rule(notes: Scratch) -> None:
    with pytest.raises(db.CheckFailed) as caught:
        await db.unit_of_work(
            lambda: db.connection().execute_query("INSERT INTO note (id, count, starts, ends) VALUES (1, -1, 0, 0)")
        )
    assert caught.value.constraint == "note_count"


async def test_the_message_of_a_duplicate_does_not_repeat_the_values(notes: Scratch) -> None:
    await db.connection().execute_script(SETUP)
    with pytest.raises(db.DuplicateRow) as caught:
        await db.unit_of_work(lambda: db.connection().execute_query("INSERT INTO author (id) VALUES (1)"))
    assert str(caught.value) == "A row with these values exists already."


async def test_a_problem_of_ours_that_a_refusal_led_to_stays_what_it_is(notes: Scratch) -> None:
    class TakenError(Exception):
        pass

    async def work() -> None:
        try:
            await db.unit_of_work(
                lambda: db.connection().execute_query(
                    "INSERT INTO note (id, count, starts, ends) VALUES (1, -1, 0, 0)"
                ),
                nested=True,
            )
        except db.CheckFailed as error:
            raise TakenError from error

    with pytest.raises(TakenError):
        await db.unit_of_work(work)


async def test_a_slow_read_takes_too_long_and_the_next_one_answers(notes: Scratch) -> None:
    slow = {
        Dialect.SQLITE: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        Dialect.POSTGRES: "SELECT pg_sleep(30)",
    }
    with pytest.raises(db.TookTooLong):
        await db.read_rows(slow[notes.dialect])
    assert await db.read_rows("SELECT 1") == [(1,)]


def test_what_is_not_the_databases_is_not_translated() -> None:
    assert db.translate(ValueError("no")) is None
    assert db.translate(ConnectionResetError()) is None
    assert db.translate(sqlite3.ProgrammingError("no such function")) is None
