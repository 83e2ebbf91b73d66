"""What the journal says that somebody hears, read from its table and judged without any of the code that is tested; and how
what they did hear differs from it.
"""

import asyncio
import contextlib
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

import asyncpg

from tests.faults.live.hearers import Hearer, Told

ROWS = """SELECT seq, type, subject_id, customer_id, technician_ids, actor_id FROM journal_entry
WHERE organization_id = $1 ORDER BY seq"""
SHOWN = 5


class Row(NamedTuple):
    """A fact with those it is for."""

    told: Told
    customer_id: str | None
    technician_ids: frozenset[str]
    actor_id: str

    def is_for(self, hearer: Hearer) -> bool:
        """Whether somebody is to hear it: the office all, a customer what names them, a technician that and their own deeds."""
        who = hearer.audience
        if self.told.seq <= hearer.start or not hearer.concerns(self.told.subject_id):
            return False
        if who.customer_id:
            return who.customer_id == self.customer_id
        if who.technician_id:
            return who.technician_id in self.technician_ids or who.user_id == self.actor_id
        return True


async def read(database_url: str, organization_id: str) -> list[Row]:
    """The whole journal of an organization."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(ROWS, organization_id)
    finally:
        await connection.close()
    return [
        Row(Told(row[0], row[1], row[2]), row[3], frozenset(json.loads(row[4])), row[5]) for row in rows
    ]  # fmt: skip


def expected(journal: Iterable[Row], hearer: Hearer) -> list[Told]:
    """What somebody is to hear, in order."""
    return [row.told for row in journal if row.is_for(hearer)]


def complaint(heard: Sequence[Told], due: Sequence[Told]) -> str:
    """How a history differs from what was due; nothing when it does not."""
    if list(heard) == list(due):
        return ""
    missing, extra = Counter(due) - Counter(heard), Counter(heard) - Counter(due)
    repeated = [one for one in extra if one in set(due)]
    foreign = [one for one in extra if one not in set(due)]
    said = [
        f"{what} {len(ones)}: {[tuple(one) for one in ones[:SHOWN]]}"
        for what, ones in (("misses", [*missing]), ("repeats", repeated), ("is told what is not for them", foreign))
        if ones
    ]
    return "; ".join(said) or "hears in another order"


def at_leisure(seconds: float) -> float:
    """So many seconds, and as many times that as there are others who want a processor of this machine."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def complaints(
    hearers: Sequence[Hearer], database_url: str, organization_id: str, *, patience_seconds: float
) -> list[str]:
    """What is wrong with anybody's history, once all have what was due or the patience is over."""
    journal = await read(database_url, organization_id)
    due = {id(hearer): expected(journal, hearer) for hearer in hearers}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_seconds):
            while any(len(hearer.heard) < len(due[id(hearer)]) for hearer in hearers):
                await asyncio.sleep(0.05)
            # What comes too often comes late.
            await asyncio.sleep(0.2)
    found = [(str(hearer), _with_ends(hearer, complaint(hearer.heard, due[id(hearer)]))) for hearer in hearers]
    found += [(str(hearer), wrong) for hearer in hearers for wrong in hearer.wrong]
    return [f"{who} {what}" for who, what in found if what]


def _with_ends(hearer: Hearer, said: str) -> str:
    """A complaint with how often and why its hearer's connections ended."""
    return f"{said} (connections ended: {dict(hearer.ended)})" if said else ""


@contextlib.asynccontextmanager
async def following(hearers: Sequence[Hearer]) -> AsyncIterator[None]:
    """Let them follow for as long as the block lasts."""
    running = [asyncio.create_task(hearer.run()) for hearer in hearers]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
    broken = [one for one in ended if not isinstance(one, asyncio.CancelledError)]
    assert broken == [], "a client of the test is broken"
