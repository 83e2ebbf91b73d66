"""Old facts leave the table for the archive, if ``TRUCKROLL_JOURNAL_DAYS`` says so: whole months, from the oldest on.

What goes is sealed, has been handled by every follower, and is needed by nobody who said so with ``@keeps_facts``. One file
after another: it is written and read back along the chain; then the organization's row in ``journal_seal`` says that these
facts are in the archive; then they are deleted, some at a time. A process that dies in between leaves a file that the next run
takes over, or facts that it deletes: nothing is written twice, and nothing is deleted that is not on the disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from app import database
from app.infrastructure import archives, journal
from app.infrastructure.archives import ArchiveFile, ArchiveWriter, month_of
from app.infrastructure.chain import BrokenChain, Chain
from app.infrastructure.followers import FOLLOWERS, Cursor, Follower, find_cursors
from app.infrastructure.journal import Record
from app.infrastructure.models import JournalEntry, JournalSeal
from app.infrastructure.timers import every
from app.kernel.calendar import utc_now

FACTS_PER_FILE_MAX = 100_000
DELETED_AT_ONCE = 1000
PAUSE_SECONDS = 0.01

Keeper = Callable[[str], Awaitable[int | None]]

log = structlog.get_logger(__name__)
_keepers: list[Keeper] = []
_days = 0


def configure(days: int) -> None:
    """Keep the facts of so many days in the table; of all time with 0."""
    global _days
    _days = days


def keeps_facts(keeper: Keeper) -> Keeper:
    """Ask a function ``(organization_id)`` for the place in a journal behind which facts are still needed, None when none."""
    _keepers.append(keeper)
    return keeper


@every(seconds=3600, name="infrastructure.archive_facts")
async def archive_old_facts() -> int:
    """Archive what is old enough, of every organization; how many facts. One that cannot be archived holds up no other."""
    if not _days:
        return 0
    day = utc_now() - timedelta(days=_days)
    before = datetime(day.year, day.month, 1, tzinfo=UTC)
    archived, failure = 0, None
    for row in await JournalSeal.all().order_by("organization_id"):
        try:
            archived += await archive(row.organization_id, before)
        except (BrokenChain, OSError, ValueError) as error:
            log.exception("facts could not be archived", organization=row.organization_id)
            failure = error
    if failure is not None:
        raise failure
    return archived


async def archive(organization_id: str, before: datetime) -> int:
    """Archive an organization's facts from before a time, as far as they are not needed; how many."""
    archived = 0
    await _delete_archived(organization_id)
    while (file := await _next_file(organization_id, before)) is not None:
        await _take_over(organization_id, file)
        await _delete_archived(organization_id)
        archived += file.last - file.first + 1
    return archived


async def kept_from(organization_id: str) -> int:
    """The number of the last fact that is no longer in the table."""
    seal = await JournalSeal.get_or_none(organization_id=organization_id)
    return seal.archived_seq if seal is not None else 0


async def _next_file(organization_id: str, before: datetime) -> ArchiveFile | None:
    """The next file, written now, or found where one who died has left it."""
    seal = await JournalSeal.get_or_none(organization_id=organization_id)
    if seal is None:
        return None
    limit = await _limit(organization_id, seal, before)
    if limit <= seal.archived_seq:
        return None
    left = await asyncio.to_thread(_whole_files_from, organization_id, seal.archived_seq + 1)
    if not left:
        return await _write(organization_id, seal.archived_seq, limit)
    return next((one for one in left if one.last <= limit), None)


def _whole_files_from(organization_id: str, first: int) -> list[ArchiveFile]:
    """The files that begin with a fact, the longest first, without those that are not whole: these are deleted."""
    found = []
    for file in archives.files_from(organization_id, first):
        if file.is_whole():
            found.append(file)
        else:
            log.warning("an unfinished archive is written anew", file=file.path.name)
            file.delete()
    return found


async def _limit(organization_id: str, seal: JournalSeal, before: datetime) -> int:
    """The last fact that may go."""
    young = await _first(organization_id, seal.archived_seq, '"at" >= {}', [before])
    limits: list[int] = [seal.seq, seal.seq if young is None else young - 1]
    cursors = await find_cursors(organization_id)
    for follower in FOLLOWERS.values():
        waiting = await _first_waiting(organization_id, follower, cursors.get(follower.name, Cursor()).seq)
        limits.append(seal.seq if waiting is None else waiting - 1)
    for keeper in _keepers:
        needed = await keeper(organization_id)
        limits.append(seal.seq if needed is None else needed)
    return min(limits)


async def _first_waiting(organization_id: str, follower: Follower, seq: int) -> int | None:
    types = sorted(follower.types)
    wanted = f'"type" IN ({", ".join("{}" for _ in types)})'
    if follower.forget_after_hours is None:
        return await _first(organization_id, seq, wanted, types)
    since = utc_now() - timedelta(hours=follower.forget_after_hours)
    return await _first(organization_id, seq, f'{wanted} AND "at" >= {{}}', [*types, since])


async def _first(organization_id: str, after: int, condition: str, values: Sequence[object]) -> int | None:
    """The first fact after a place of which a condition is true; ``{}`` stands for each of its values."""
    marks = [journal.mark(number + 3) for number in range(len(values))]
    rows = await database.read_rows(
        f'SELECT "seq" FROM "journal_entry" WHERE "organization_id" = {journal.mark(1)} AND "seq" > {journal.mark(2)} '
        f'AND {condition.format(*marks)} ORDER BY "seq" LIMIT 1',
        [organization_id, after, *values],
    )
    return int(rows[0][0]) if rows else None


async def _write(organization_id: str, after: int, limit: int) -> ArchiveFile | None:
    """A file of the facts after a place: those of one month, at most so many."""
    limit = min(limit, after + FACTS_PER_FILE_MAX)
    page = _within(await journal.read_records(organization_id, after, archives.PAGE_SIZE), limit)
    if not page:
        raise BrokenChain(after + 1, "it is missing")
    month = month_of(page[0].entry.at)
    with ArchiveWriter(organization_id, month, page[0].entry.seq) as writer:
        while page and (taken := [one for one in page if month_of(one.entry.at) == month]):
            await asyncio.to_thread(writer.add, taken)
            if len(taken) < len(page):
                break
            page = _within(await journal.read_records(organization_id, page[-1].entry.seq, archives.PAGE_SIZE), limit)
        return await asyncio.to_thread(writer.finish)


def _within(records: list[Record], limit: int) -> list[Record]:
    return [one for one in records if one.entry.seq <= limit]


async def _take_over(organization_id: str, file: ArchiveFile) -> None:
    """Let a file stand for its facts, once it was read back along the chain; ``BrokenChain`` when it does not fit."""
    seal = await JournalSeal.get(organization_id=organization_id)
    start = seal.archived_seq
    # Whether seals from before there was a key are good is for whoever verifies to say.
    chain = Chain(start, seal.archived_hash, unkeyed_to=file.last, sealed_seq=start)
    async for page in archives.pages(file):
        await asyncio.to_thread(_follow, chain, page)
    if (chain.seq, chain.sealed_seq) != (file.last, file.last):
        raise BrokenChain(chain.sealed_seq + 1, "the archive that was written lacks it")
    in_table = await journal.read_records(organization_id, file.last - 1, 1)
    if not in_table or in_table[0].entry.seq != file.last or in_table[0].hash != chain.hash:
        raise BrokenChain(file.last, "the archive tells another fact than the table")

    async def work() -> int:
        same = JournalSeal.filter(organization_id=organization_id, archived_seq=start)
        return await same.update(archived_seq=file.last, archived_hash=chain.hash)

    if not await database.unit_of_work(work):
        await asyncio.to_thread(_delete_unless_needed, organization_id, file, await kept_from(organization_id))
        raise OSError("another process archives the same facts")
    log.info("facts were archived", organization=organization_id, file=file.path.name)


def _delete_unless_needed(organization_id: str, file: ArchiveFile, archived_seq: int) -> None:
    """Delete a file that another process came before, unless it is the very one that stands for its facts."""
    others = [one for one in archives.files_with(organization_id, file.first, archived_seq) if one.path != file.path]
    if file.last > archived_seq or any(one.last >= file.last and one.is_whole() for one in others):
        file.delete()


def _follow(chain: Chain, records: list[Record]) -> None:
    for record in records:
        chain.follow(record)


async def _delete_archived(organization_id: str) -> None:
    """Delete what is in the archive from the table, some at a time."""
    archived = await kept_from(organization_id)
    while (first := await _first(organization_id, 0, '"seq" <= {}', [archived])) is not None:
        last = min(archived, first + DELETED_AT_ONCE - 1)

        async def work(last: int = last) -> None:
            await JournalEntry.filter(organization_id=organization_id, seq__lte=last).delete()

        await database.unit_of_work(work)
        await asyncio.sleep(PAUSE_SECONDS)
