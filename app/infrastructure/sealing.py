"""Seals the facts of the journal after they were committed, in their order: no command waits for it.

All facts are sealed, whether anybody follows them or not. What was committed within a second or so is sealed together. A seal
is computed outside the transaction and written only if nobody was faster: the organization's row in ``journal_seal`` says how
far the chain goes. It goes on from there after a crash.
"""

import asyncio

import structlog

from app import database
from app.infrastructure import broadcast, chain, journal, metrics
from app.infrastructure.loops import Outage, to_the_end
from app.infrastructure.models import JournalSeal
from app.kernel.calendar import utc_now

BATCH_SIZE = 500
POLL_SECONDS = 5.0
PAUSE_SECONDS = 1.0
AWAY = (database.DatabaseError, OSError)

log = structlog.get_logger(__name__)


async def run_sealing() -> None:
    """Seal until cancelled; the batch in hand is finished then."""
    outage = Outage("the database (sealing)")
    with broadcast.news() as news:
        while True:
            try:
                await to_the_end(seal_everything())
                outage.recovered()
                await news.wait(POLL_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
            except AWAY as error:
                await asyncio.sleep(outage.failed(error))
            except Exception:
                log.exception("the sealing stumbled")
                await asyncio.sleep(POLL_SECONDS)


async def seal_everything() -> int:
    """Seal what has no seal yet, of every organization; how many facts."""
    sealed = 0
    for organization_id in await _unsealed():
        while count := await seal_batch(organization_id):
            sealed += count
    await _measure()
    return sealed


async def seal_batch(organization_id: str) -> int:
    """Seal the next facts of an organization; how many. None when there are none, or another process is at it."""
    seal = await _seal_of(organization_id)
    records = await journal.read_records(organization_id, seal.seq, BATCH_SIZE)
    if not records:
        return 0
    place, previous = seal.seq, seal.hash
    rows: list[list[str]] = []
    for record in records:
        if record.entry.seq != place + 1:
            # The chain goes on, so that the gap stays visible to whoever verifies it, and later facts are safe.
            log.error("facts are missing in the journal", organization=organization_id, after=place)
        place = record.entry.seq
        # A fact with a seal keeps it: should the mark of how far we are be lost, nothing is sealed anew.
        hash = record.hash or chain.seal_of(record, previous)
        rows.append([previous, hash, record.entry.id])
        previous = hash

    async def work() -> int:
        held = await JournalSeal.filter(organization_id=organization_id).select_for_update(skip_locked=True).first()
        if held is None or held.seq != seal.seq:
            return 0
        await database.connection().execute_many(
            f'UPDATE "journal_entry" SET "previous_hash" = {journal.mark(1)}, "hash" = {journal.mark(2)} '
            f'WHERE "id" = {journal.mark(3)} AND "hash" IS NULL',
            rows,
        )
        await JournalSeal.filter(organization_id=organization_id).update(seq=place, hash=previous)
        return len(rows)

    return await database.unit_of_work(work)


async def _seal_of(organization_id: str) -> JournalSeal:
    seal = await JournalSeal.get_or_none(organization_id=organization_id)
    if seal is None:
        row = JournalSeal(organization_id=organization_id)
        await database.unit_of_work(lambda: JournalSeal.bulk_create([row], ignore_conflicts=True))
        seal = await JournalSeal.get(organization_id=organization_id)
    return seal


_BEHIND = (
    'FROM "journal_head" h LEFT JOIN "journal_seal" s ON s."organization_id" = h."organization_id" '
    'WHERE h."seq" > COALESCE(s."seq", 0)'
)


async def _unsealed() -> list[str]:
    rows = await database.read_rows(f'SELECT h."organization_id" {_BEHIND} ORDER BY 1', [])
    return [row[0] for row in rows]


async def lag(organization_id: str | None = None) -> tuple[int, float]:
    """How many facts have no seal yet, of one organization or of all, and the age of the oldest in seconds."""
    only = "" if organization_id is None else f' AND h."organization_id" = {journal.mark(1)}'
    rows = await database.read_rows(
        f'SELECT h."seq" - COALESCE(s."seq", 0), (SELECT e."at" FROM "journal_entry" e WHERE e."organization_id" = '
        'h."organization_id" AND e."seq" > COALESCE(s."seq", 0) ORDER BY e."seq" LIMIT 1) '
        f"{_BEHIND}{only}",
        [] if organization_id is None else [organization_id],
    )
    now = utc_now()
    ages = [(now - journal.moment(row[1])).total_seconds() for row in rows if row[1] is not None]
    return sum(int(row[0]) for row in rows), max(ages, default=0.0)


async def _measure() -> None:
    metrics.sealing_lag(*await lag())
    [row] = await database.read_rows(
        'SELECT COALESCE((SELECT SUM("seq") FROM "journal_head"), 0), '
        'COALESCE((SELECT SUM("archived_seq") FROM "journal_seal"), 0)',
        [],
    )
    metrics.facts_kept(int(row[0]) - int(row[1]), int(row[1]))
