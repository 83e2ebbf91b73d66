"""Many rows are written by few statements, and as carefully as one."""

from datetime import UTC, datetime

import pytest

from app import database as db
from app.identity.models import MfaMethod
from app.infrastructure import batches
from app.infrastructure.batches import add_rows, change_rows
from app.infrastructure.models import OutboxMessage
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import StaleVersion
from tests.app.infrastructure.happenings import add_note

LATER = datetime(2027, 3, 1, tzinfo=UTC)


async def test_writes_of_each_row_what_differs_and_tells_it_in_the_order_asked_for(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    rows = [await add_note(actor, text) for text in ("a", "b", "c", "d", "e")]
    asked = [(row, {"text": "d" if row.text == "d" else row.text * 2, "sent_at": None}) for row in reversed(rows)]
    asked[0][1]["sent_at"] = LATER
    told = await change_rows(asked)
    assert told == [
        {"text": ["e", "ee"], "sent_at": [None, LATER]},
        {},
        {"text": ["c", "cc"]},
        {"text": ["b", "bb"]},
        {"text": ["a", "aa"]},
    ]
    stored = {row.id: row for row in await OutboxMessage.all()}
    assert [(stored[row.id].text, stored[row.id].version) for row in rows] == [
        ("aa", 2),
        ("bb", 2),
        ("cc", 2),
        ("d", 1),
        ("ee", 2),
    ]
    assert [(row.text, row.version) for row in rows] == [(stored[row.id].text, stored[row.id].version) for row in rows]
    assert stored[rows[4].id].sent_at == LATER
    assert stored[rows[0].id].updated_at > stored[rows[0].id].created_at


async def test_refuses_all_when_one_row_is_not_as_it_was_read(database: Dialect, actor: Actor) -> None:
    rows = [await add_note(actor, text) for text in "abc"]
    await OutboxMessage.filter(id=rows[1].id).update(version=4)
    with pytest.raises(StaleVersion) as refusal:
        await db.unit_of_work(lambda: change_rows([(row, {"text": "x"}) for row in rows]))
    assert (refusal.value.expected, refusal.value.actual) == (1, 4)
    assert [row.text for row in await OutboxMessage.all().order_by("text")] == ["a", "b", "c"]


async def test_adds_rows_with_ids_of_their_own(sqlite_database: Dialect, actor: Actor) -> None:
    values = {"organization_id": actor.organization_id, "channel": "NOTE", "recipient": "x"}
    rows = await add_rows(OutboxMessage, [values | {"text": text} for text in "ab"])
    assert {(row.id, row.text) for row in await OutboxMessage.all()} == {(row.id, row.text) for row in rows}
    assert {row.id.split("_")[0] for row in rows} == {OutboxMessage.prefix}
    assert await add_rows(OutboxMessage, []) == []


async def test_rows_with_sealed_columns_are_not_written_past_the_seal(sqlite_database: Dialect) -> None:
    with pytest.raises(TypeError, match="encrypted"):
        await add_rows(MfaMethod, [{"secret": "plain"}])
    rows = [MfaMethod(id="mfa_1", secret="sealed"), MfaMethod(id="mfa_2", secret="sealed")]
    with pytest.raises(TypeError, match="encrypted"):
        await change_rows([(row, {"secret": "plain"}) for row in rows])
