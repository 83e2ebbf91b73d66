"""Conditions as SQL, their values and their shapes."""

import datetime as dt

import pytest

from app.infrastructure.conditions import all_of, any_of, column, everything, exists, nothing, quoted
from app.infrastructure.models import OutboxMessage
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from tests.app.infrastructure.happenings import add_note

OPEN = column("status") == "OPEN"
OURS = column("organization_id") == "org_1"


def test_numbers_placeholders_as_each_dialect_wants_them() -> None:
    condition = OURS & column("status").one_of(["OPEN", "NEW"])
    assert condition.sql("w", Dialect.SQLITE) == (
        '("w"."organization_id" = ? AND "w"."status" IN (?,?))',
        ["org_1", "OPEN", "NEW"],
    )
    assert condition.sql("w", Dialect.POSTGRES) == (
        '("w"."organization_id" = $1 AND "w"."status" IN ($2,$3))',
        ["org_1", "OPEN", "NEW"],
    )


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        (everything(), "1 = 1"),
        (nothing(), "1 = 0"),
        (all_of(), "1 = 1"),
        (any_of(), "1 = 0"),
        (column("status").one_of([]), "1 = 0"),
        (everything() & OPEN, '"t"."status" = ?'),
        (nothing() | OPEN, '"t"."status" = ?'),
        (nothing() & OPEN, '(1 = 0 AND "t"."status" = ?)'),
        (everything() | OPEN, '(1 = 1 OR "t"."status" = ?)'),
        (~OPEN, 'NOT ("t"."status" = ?)'),
        (~(OPEN | OURS), 'NOT (("t"."status" = ? OR "t"."organization_id" = ?))'),
        (OPEN & OURS & everything(), '("t"."status" = ? AND "t"."organization_id" = ?)'),
        ((OPEN | OURS) & OPEN, '(("t"."status" = ? OR "t"."organization_id" = ?) AND "t"."status" = ?)'),
        (column("status") != "OPEN", '"t"."status" <> ?'),
        (column("count") < 1, '"t"."count" < ?'),
        (column("count") <= 1, '"t"."count" <= ?'),
        (column("count") > 1, '"t"."count" > ?'),
        (column("count") >= 1, '"t"."count" >= ?'),
        (column("ended_at").is_null(), '"t"."ended_at" IS NULL'),
    ],
)
def test_writes_each_condition(condition: object, sql: str) -> None:
    assert condition.sql("t", Dialect.SQLITE)[0] == sql  # type: ignore[attr-defined]


def test_gives_every_sub_query_an_alias_of_its_own() -> None:
    tied = exists("assignment", "work_order_id", exists("technician", "id", OPEN, ours="technician_id"))
    assert (tied & exists("note", "work_order_id")).sql("w", Dialect.POSTGRES) == (
        '(EXISTS (SELECT 1 FROM "assignment" "x1" WHERE "x1"."work_order_id" = "w"."id" AND EXISTS '
        '(SELECT 1 FROM "technician" "x2" WHERE "x2"."id" = "x1"."technician_id" AND "x2"."status" = $1)) AND '
        'EXISTS (SELECT 1 FROM "note" "x3" WHERE "x3"."work_order_id" = "w"."id" AND 1 = 1))',
        ["OPEN"],
    )


def test_equal_shapes_have_equal_sql_and_other_shapes_have_not() -> None:
    ours, theirs = OURS & OPEN, (column("organization_id") == "org_2") & (column("status") == "NEW")
    assert ours.shape == theirs.shape
    assert ours.sql("t", Dialect.POSTGRES)[0] == theirs.sql("t", Dialect.POSTGRES)[0]
    assert ours.values == ["org_1", "OPEN"]
    assert theirs.values == ["org_2", "NEW"]
    others = [OURS | OPEN, OPEN & OURS, ~ours, column("status").one_of(["a"]), column("status").one_of(["a", "b"]),
              column("status").is_null(), column("status") != "OPEN", exists("note", "id", OPEN)]  # fmt: skip
    assert len({ours.shape, *(one.shape for one in others)}) == len(others) + 1


@pytest.mark.parametrize("name", ['status" OR 1=1 --', "Status", "a.b", "", "1a", "a\n"])
def test_refuses_names_that_are_not_plain(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain name"):
        quoted(name)
    with pytest.raises(ValueError, match="not a plain name"):
        (column(name) == 1).sql("t", Dialect.SQLITE)


async def test_a_comparison_with_nothing_is_true_of_no_row(database: Dialect, actor: Actor) -> None:
    await add_note(actor, "a")
    assert await find_rows(OutboxMessage, column("effect_key") == None) == []  # noqa: E711
    assert await find_rows(OutboxMessage, ~(column("effect_key") == None)) == []  # noqa: E711
    assert len(await find_rows(OutboxMessage, column("effect_key").is_null())) == 1


async def test_compares_moments_whatever_their_offset(database: Dialect, actor: Actor) -> None:
    row = await add_note(actor, "a")
    far = dt.timezone(dt.timedelta(hours=11))
    before, after = row.created_at - dt.timedelta(minutes=1), row.created_at + dt.timedelta(minutes=1)
    for moment in (before, before.astimezone(far), before.astimezone(dt.timezone(dt.timedelta(hours=-11)))):
        assert len(await find_rows(OutboxMessage, column("created_at") > moment)) == 1
    for moment in (after, after.astimezone(far)):
        assert await find_rows(OutboxMessage, column("created_at") > moment) == []
