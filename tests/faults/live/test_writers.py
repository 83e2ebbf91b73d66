"""Fifty write at once over two servers; who reads meanwhile, from an old cursor, gets everything once and in order.

TRUCKROLL_TEST_WRITER_RUNS says how often (2 unless told; 20 before a release).
"""

import asyncio
import os

import pytest

from app.infrastructure import journal
from tests.faults.live import chronicle
from tests.faults.live.hearers import Hearer, Poller, StreamHearer
from tests.faults.live.stage import Stage
from tests.faults.live.writers import Writer

pytestmark = [pytest.mark.slow, pytest.mark.fault]

RUNS = int(os.environ.get("TRUCKROLL_TEST_WRITER_RUNS", "2"))
WRITERS = 50
COMMANDS = 4
PATIENCE_SECONDS = 30


@pytest.mark.parametrize("run", range(RUNS))
async def test_fifty_writers_and_who_reads_from_an_old_cursor_misses_and_repeats_nothing(
    stage: Stage, run: int
) -> None:
    office = stage.company.office[0]
    oldest, now = journal.cursor_at(stage.world.organization_id, 0), await stage.now()
    readers = [
        stage.hearer(office, "workOrder", after, kind=kind, at=number % 2)
        for number, after in enumerate((oldest, now, now))
        for kind in (Hearer, StreamHearer, Poller)
    ]
    # These lose their connection again and again, and come back to one server or the other.
    readers += [stage.hearer(office, "workOrder", now, drops_after=20) for _ in range(2)]
    writers = [Writer(number, stage.company, stage.urls) for number in range(WRITERS)]
    async with chronicle.following(readers):
        await asyncio.gather(*(writer.write(COMMANDS) for writer in writers))
        assert await stage.complaints(readers, patience_seconds=PATIENCE_SECONDS) == []
    assert [refused for writer in writers for refused in writer.refused] == []
    told = [row.told.seq for row in await chronicle.read(stage.database_url, stage.world.organization_id)]
    assert told == list(range(1, len(told) + 1)), "the journal itself has a gap"
    assert all(len(reader.heard) > WRITERS for reader in readers)
