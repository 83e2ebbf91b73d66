"""The journal's numbers follow the commits, without gaps, per organization."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app import database as db
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.journal import Recorder
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.pages import encode_cursor
from tests.app.infrastructure.happenings import BellRung, break_bell, facts, ring_bell


async def test_keeps_everything_about_a_fact(database: Dialect, actor: Actor) -> None:
    before = utc_now()
    await break_bell(actor, "b1")
    entry = (await journal.read(actor.organization_id, 1))[0]
    assert before <= entry.at <= utc_now()
    assert entry.at.tzinfo is not None
    assert entry.id.startswith("fact_")
    assert (entry.organization_id, entry.seq, entry.actor_kind, entry.actor_id) == ("org_ours", 2, "SYSTEM", "system")
    assert (entry.command, entry.type, entry.noun, entry.subject_id) == ("break_bell", "BellBroken", "bell", "b1")
    assert (entry.customer_id, entry.technician_ids, entry.payload) == ("cus_1", ("tech_1", "tech_2"), {"changes": {}})
    assert entry.cursor == journal.cursor_at("org_ours", 2)


async def test_changes_are_kept_as_plain_json(database: Dialect, actor: Actor) -> None:
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)

    @command(None)
    async def polish_bell(actor: Actor) -> None:
        """Polish a bell."""
        journal.record(BellRung(subject_id="b", changes={"price": [Decimal("1.10"), None], "at": [None, at]}))

    await polish_bell(actor)
    assert (await journal.read(actor.organization_id, 0))[0].payload == {
        "changes": {"price": ["1.10", None], "at": [None, "2026-03-01T09:00:00+00:00"]}
    }


async def test_each_organization_counts_for_itself(database: Dialect, actor: Actor, stranger: Actor) -> None:
    await ring_bell(actor, "ours", times=3)
    await ring_bell(stranger, "theirs")
    assert await facts(stranger) == [(1, "BellRung", "theirs")]
    assert await journal.heads() == {"org_ours": 3, "org_theirs": 1}
    assert await journal.heads(["org_theirs", "org_none"]) == {"org_theirs": 1}
    assert await journal.heads([]) == {}
    assert (await journal.head("org_ours"), await journal.head("org_none")) == (3, 0)


async def test_reads_pages_from_a_place(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, times=5)
    assert [entry.seq for entry in await journal.read(actor.organization_id, 2, 2)] == [3, 4]
    assert await journal.read(actor.organization_id, 5) == []


async def test_many_facts_of_one_command_have_numbers_in_their_order(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, times=1200)
    entries = await journal.read(actor.organization_id, 0, 2000)
    assert [entry.seq for entry in entries] == list(range(1, 1201))
    assert [entry.payload["changes"]["times"][1] for entry in entries] == list(range(1, 1201))


async def test_eight_writers_and_a_reader_miss_and_repeat_nothing(database: Dialect, actor: Actor) -> None:
    read: list[int] = []

    async def write(writer: int) -> None:
        for number in range(15):
            await ring_bell(actor, f"w{writer}", times=1 + number % 3, fail=False)

    async def follow() -> None:
        while len(read) < 8 * 30:
            read.extend(entry.seq for entry in await journal.read(actor.organization_id, read[-1] if read else 0, 7))
            await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await asyncio.gather(follow(), *(write(writer) for writer in range(8)))
    assert read == list(range(1, 241))


async def test_a_transaction_that_fails_late_leaves_no_gap(database: Dialect, actor: Actor) -> None:
    async def work() -> None:
        recorder = Recorder(actor, "test", [BellRung(subject_id="b")])
        assert await journal.write(recorder) == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await db.unit_of_work(work)
    await ring_bell(actor, "b2")
    assert await facts(actor) == [(1, "BellRung", "b2")]


async def test_a_command_without_facts_takes_no_number(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, times=0)
    assert await journal.heads() == {}


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        encode_cursor("x", ["org_ours", 1]),
        encode_cursor("j", ["org_theirs", 1]),
        encode_cursor("j", ["org_ours"]),
        encode_cursor("j", ["org_ours", -1]),
        encode_cursor("j", ["org_ours", True]),
        encode_cursor("j", ["org_ours", "1"]),
        encode_cursor("j", ["org_ours", 2**62]),
        encode_cursor("j", ["org_ours", 1.5]),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        journal.seq_of(cursor, "org_ours")
    assert refusal.value.path == ("after",)


def test_a_cursor_stands_for_its_place() -> None:
    for seq in (0, 1, 2**62 - 1):
        assert journal.seq_of(journal.cursor_at("org_ours", seq), "org_ours") == seq
