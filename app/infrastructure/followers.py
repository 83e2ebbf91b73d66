"""Followers of the journal: what the rooms do when something happened elsewhere.

A reaction is declared with ``@follows`` in a room's ``reactions.py``. Each follower has a cursor per organization; its
batch of facts, what it changes and the cursor's new place are one transaction, so a crash repeats nothing and skips
nothing in the database. Whoever holds the cursor's row lock has the follower in hand: a process that dies lets go of it
at once, and no clock is asked. What a reaction does outside the database (it should leave that to the outbox or a job)
can happen twice, and carries the fact's id as its key.

A fact that fails is tried again, later and later, and set aside after five tries, so that the follower goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app import database
from app.infrastructure import archives, broadcast, journal, metrics
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.journal import Entry, Recorder
from app.infrastructure.loops import Outage, back_off, to_the_end
from app.infrastructure.models import FollowerCursor, ParkedFact
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.kernel.events import Fact
from app.kernel.permissions import Permission

NAME_LENGTH_MAX = 64
PAGE_SIZE = 500
BATCH_SIZE = 50
TRIES = 5
RETRY_SECONDS_MIN = 1.0
RETRY_SECONDS_MAX = 60.0
POLL_SECONDS = 1.0
PAUSE_SECONDS = 0.1
ORGANIZATIONS_AT_ONCE = 4
ERROR_LENGTH_MAX = 2000
MEASURED_MAX = 20
MEASURED_EVERY_SECONDS = 5.0
AWAY = (database.RetryableError, database.OutcomeUnknown, OSError)

Reaction = Callable[[Actor, Entry], Awaitable[object]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Follower:
    """A reaction and the facts it waits for. Facts older than ``forget_after_hours`` are passed over."""

    name: str
    types: frozenset[str]
    react: Reaction
    forget_after_hours: float | None = None

    def wants(self, entry: Entry, now: datetime) -> bool:
        """Whether the reaction is to be called for a fact."""
        if entry.type not in self.types:
            return False
        return self.forget_after_hours is None or entry.at >= now - timedelta(hours=self.forget_after_hours)


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """How a follower stands with an organization: the facts it has yet to handle, and those set aside."""

    follower: str
    waiting: int
    oldest_at: datetime | None
    failing_seq: int | None
    attempts: int
    parked: int


FOLLOWERS: dict[str, Follower] = {}


def follows(
    *facts: type[Fact], name: str | None = None, forget_after_hours: float | None = None
) -> Callable[[Reaction], Reaction]:
    """Call a function ``(actor, entry)`` for every fact of some classes, in order, in a transaction with the system's actor.

    The name is the follower's identity in the database: it stays when the function is renamed. A follower that is new
    begins with the first fact of the journal; ``forget_after_hours`` spares it what is of no interest any more.
    """

    def decorate(react: Reaction) -> Reaction:
        module, function = react.__module__.split("."), getattr(react, "__name__", "reaction")
        chosen = name or f"{module[1] if len(module) > 2 else module[-1]}.{function}"
        if not facts or len(chosen) > NAME_LENGTH_MAX:
            raise TypeError(f"the follower {chosen} follows nothing, or its name is too long")
        if chosen in FOLLOWERS:
            raise TypeError(f"two followers are called {chosen}")
        FOLLOWERS[chosen] = Follower(chosen, frozenset(fact.__name__ for fact in facts), react, forget_after_hours)
        return react

    return decorate


async def run_followers() -> None:
    """Follow the journal until cancelled; the batch in hand is finished then."""
    await Followers(FOLLOWERS.values()).run()


async def status(organization_id: str) -> list[FollowerStatus]:
    """How each follower stands with an organization."""
    cursors = await find_cursors(organization_id)
    parked = await _count_parked(organization_id)
    found = []
    for follower in FOLLOWERS.values():
        cursor = cursors.get(follower.name, _START)
        waiting, oldest_at = await _waiting(organization_id, follower, cursor.seq)
        found.append(
            FollowerStatus(
                follower.name, waiting, oldest_at, cursor.failing_seq, cursor.attempts, parked.get(follower.name, 0)
            )
        )
    return found


async def find_parked_facts(organization_id: str) -> list[ParkedFact]:
    """The facts of an organization that were set aside and not replayed since, oldest first."""
    waiting = (column("organization_id") == organization_id) & column("replayed_at").is_null()
    return await find_rows(ParkedFact, waiting, order=["seq", "id"])


@command(Permission.MANAGE_ORGANIZATION)
async def replay_parked_fact(actor: Actor, id: str) -> str:
    """Let the follower try a fact again that was set aside."""
    row = await lock_one(ParkedFact, actor, id)
    follower = FOLLOWERS.get(row.follower)
    entry = await _find_fact(actor.organization_id, row.seq)
    if follower is None or entry is None or entry.id != row.fact_id:
        raise InvalidInput("The follower or the fact no longer exists.", path=["id"])
    if row.replayed_at is not None:
        raise InvalidInput("This fact has been replayed already.", path=["id"])
    await follower.react(system_actor(actor.organization_id), entry)
    await change_row(row, replayed_at=utc_now())
    return row.id


async def _find_fact(organization_id: str, seq: int) -> Entry | None:
    """A fact, be it in the archive."""
    entries = await journal.read(organization_id, seq - 1, 1)
    if entries and entries[0].seq == seq:
        return entries[0]
    record = await archives.find_record(organization_id, seq)
    return record.entry if record is not None else None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a follower has come, and the fact that it fails at."""

    seq: int = 0
    failing_seq: int | None = None
    attempts: int = 0
    retry_at: datetime | None = None
    exists: bool = True


_START = Cursor(exists=False)


class Followers:
    """The followers as one process runs them."""

    def __init__(
        self,
        followers: Iterable[Follower],
        *,
        poll_seconds: float = POLL_SECONDS,
        retry_seconds_min: float = RETRY_SECONDS_MIN,
    ) -> None:
        self._followers = tuple(followers)
        self._poll_seconds = poll_seconds
        self._retry_seconds_min = retry_seconds_min
        # How far the facts have been looked at: ahead of the stored cursor by facts that the follower does not want.
        self._seen: dict[tuple[str, str], int] = {}
        self._at_once = asyncio.Semaphore(ORGANIZATIONS_AT_ONCE)
        self._measured_at = -MEASURED_EVERY_SECONDS

    async def run(self) -> None:
        """Follow until cancelled."""
        outage = Outage("the database (followers)")
        with broadcast.news() as news:
            hinted = {broadcast.EVERYWHERE}
            while True:
                try:
                    await self.catch_up(hinted)
                    outage.recovered()
                    # While facts keep coming, batches are worth more than the last milliseconds.
                    await asyncio.sleep(PAUSE_SECONDS)
                    hinted = await news.wait(self._poll_seconds)
                except AWAY as error:
                    await asyncio.sleep(outage.failed(error))
                    hinted = {broadcast.EVERYWHERE}
                except Exception:
                    log.exception("the followers stumbled")
                    await asyncio.sleep(self._poll_seconds)
                    hinted = {broadcast.EVERYWHERE}

    async def catch_up(self, hinted: set[str] | None = None) -> None:
        """Handle everything there is in some organizations, or in all; raises when the database is away."""
        everywhere = hinted is None or broadcast.EVERYWHERE in hinted
        heads = await journal.heads(None if everywhere else sorted(hinted or ()))
        behind = [(id, head) for id, head in heads.items() if self._behind(id, head)]
        failures = await asyncio.gather(*(self._with_patience(id, head) for id, head in behind))
        await self._measure(heads)
        for failure in failures:
            if failure is not None:
                raise failure

    async def _with_patience(self, organization_id: str, head: int) -> Exception | None:
        async with self._at_once:
            try:
                await self._catch_up(organization_id, head)
            except Exception as error:  # noqa: BLE001  one organization's trouble must not keep the others from theirs
                return error
        return None

    async def _catch_up(self, organization_id: str, head: int) -> None:
        waiting = self._behind(organization_id, head)
        while waiting:
            cursors = await find_cursors(organization_id)
            now = utc_now()
            for follower in waiting:
                self._saw(follower, organization_id, cursors.get(follower.name, _START).seq)
            ready = [one for one in waiting if (at := cursors.get(one.name, _START).retry_at) is None or at <= now]
            if not ready:
                return
            low = min(self._seen[one.name, organization_id] for one in ready)
            entries = await journal.read(organization_id, low, PAGE_SIZE)
            if not entries:
                return
            waiting = []
            for follower in ready:
                place = self._seen[follower.name, organization_id]
                todo = [entry for entry in entries if entry.seq > place]
                cursor = cursors.get(follower.name, _START)
                reached = await self._pass_on(follower, organization_id, cursor, todo) if todo else place
                self._saw(follower, organization_id, reached)
                if (reached > place or not todo) and reached < head:
                    waiting.append(follower)

    async def _pass_on(self, follower: Follower, organization_id: str, cursor: Cursor, entries: Sequence[Entry]) -> int:
        """Hand a page of facts to a follower; the place it reached."""
        now = utc_now()
        end = entries[-1].seq
        wanted = [entry for entry in entries if follower.wants(entry, now)]
        if not wanted and end - cursor.seq < PAGE_SIZE:
            return end
        if not cursor.exists:
            await _make_cursor(follower.name, organization_id)
        size = 1 if cursor.attempts else BATCH_SIZE
        batches = [wanted[start : start + size] for start in range(0, len(wanted), size)] or [[]]
        for index, batch in enumerate(batches):
            reach = end if index == len(batches) - 1 else batch[-1].seq
            reached = await self._handle(follower, organization_id, batch, reach)
            if reached < reach:
                return reached
        return end

    async def _handle(self, follower: Follower, organization_id: str, batch: Sequence[Entry], reach: int) -> int:
        """One batch; when it fails, its facts one by one, up to the one that fails alone."""
        try:
            with database.within(organization_id):
                done = await to_the_end(_in_one_transaction(follower, organization_id, batch, reach))
            return reach if done else self._seen[follower.name, organization_id]
        except AWAY:
            raise
        except Exception as error:
            if not batch:
                raise
            if len(batch) == 1:
                parked = await to_the_end(self._stumble(follower, organization_id, batch[0], error))
                return batch[0].seq if parked else batch[0].seq - 1
        for entry in batch:
            reached = await self._handle(follower, organization_id, [entry], entry.seq)
            if reached < entry.seq:
                return reached
        return reach

    async def _stumble(self, follower: Follower, organization_id: str, entry: Entry, error: Exception) -> bool:
        """Note a failure; True when the fact was set aside because it was the last try."""
        log.warning(
            "a follower failed", follower=follower.name, organization=organization_id, seq=entry.seq, exc_info=error
        )

        async def work() -> bool:
            cursor = await _take_cursor(follower.name, organization_id)
            if cursor is None or cursor.seq >= entry.seq:
                return False
            attempts = cursor.attempts + 1 if cursor.failing_seq == entry.seq else 1
            if attempts < TRIES:
                seconds = back_off(attempts, self._retry_seconds_min, RETRY_SECONDS_MAX)
                await FollowerCursor.filter(id=cursor.id).update(
                    failing_seq=entry.seq, attempts=attempts, retry_at=utc_now() + timedelta(seconds=seconds)
                )
                return False
            await add_row(
                ParkedFact,
                organization_id=organization_id,
                follower=follower.name,
                seq=entry.seq,
                fact_id=entry.id,
                type=entry.type,
                attempts=attempts,
                error=f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX].replace("\x00", ""),
            )
            await _move(cursor, entry.seq)
            return True

        parked = await database.unit_of_work(work)
        if parked:
            metrics.count_parked(follower.name)
            log.error("a fact was set aside", follower=follower.name, organization=organization_id, seq=entry.seq)
        return parked

    def _behind(self, organization_id: str, head: int) -> list[Follower]:
        return [one for one in self._followers if self._seen.get((one.name, organization_id), 0) < head]

    def _saw(self, follower: Follower, organization_id: str, seq: int) -> None:
        key = (follower.name, organization_id)
        self._seen[key] = max(self._seen.get(key, 0), seq)

    async def _measure(self, heads: dict[str, int]) -> None:
        """Tell how far each follower is behind; what has to be asked for that, once in so many seconds."""
        behind = [
            (head - seen, follower.name, id, seen)
            for follower in self._followers
            for id, head in heads.items()
            if (seen := self._seen.get((follower.name, id), 0)) < head
        ]
        due = time.monotonic() >= self._measured_at + MEASURED_EVERY_SECONDS
        ages: dict[str, float] = {}
        # Nobody is behind, as a rule; of many who are, those that are farthest tell how long it has been.
        for _, name, id, seen in sorted(behind, reverse=True)[: MEASURED_MAX if due else 0]:
            ages[name] = max(ages.get(name, 0.0), await _age_of_next(id, seen))
        for follower in self._followers:
            lag = sum(facts for facts, name, _, _ in behind if name == follower.name)
            metrics.follower_lag(follower.name, lag, ages.get(follower.name) if lag else 0.0)
        if due:
            self._measured_at = time.monotonic()
            parked = await _count_parked()
            for follower in self._followers:
                metrics.facts_set_aside(follower.name, parked.get(follower.name, 0))


async def _in_one_transaction(follower: Follower, organization_id: str, batch: Sequence[Entry], reach: int) -> bool:
    """Handle a batch and move the cursor; False when another process has the follower in hand."""
    actor = system_actor(organization_id)

    async def work() -> tuple[bool, int, set[str]]:
        cursor = await _take_cursor(follower.name, organization_id)
        if cursor is None:
            return False, 0, set()
        recorder = Recorder(actor, f"follower {follower.name}")
        token = journal.collect(recorder)
        try:
            for entry in batch:
                if entry.seq > cursor.seq:
                    await follower.react(actor, entry)
        finally:
            journal.release(token)
        await _move(cursor, max(reach, cursor.seq))
        return True, await journal.write(recorder), recorder.topics

    done, seq, topics = await database.unit_of_work(work)
    if seq:
        broadcast.wake(organization_id)
    for topic in topics:
        broadcast.wake(organization_id, topic)
    return done


async def _take_cursor(follower: str, organization_id: str) -> FollowerCursor | None:
    """The cursor's row, ours until the transaction ends; None when it is in somebody else's hand."""
    rows = FollowerCursor.filter(id=_key(follower, organization_id)).select_for_update(skip_locked=True)
    return await rows.first()


async def _move(cursor: FollowerCursor, seq: int) -> None:
    await FollowerCursor.filter(id=cursor.id).update(seq=seq, failing_seq=None, attempts=0, retry_at=None)


async def _make_cursor(follower: str, organization_id: str) -> None:
    row = FollowerCursor(id=_key(follower, organization_id), follower=follower, organization_id=organization_id)

    async def work() -> None:
        await FollowerCursor.bulk_create([row], ignore_conflicts=True)

    await database.unit_of_work(work)


async def find_cursors(organization_id: str) -> dict[str, Cursor]:
    """How far each follower has come in an organization's journal; one that is not there has yet to begin."""
    rows = await database.read_rows(
        'SELECT "follower", "seq", "failing_seq", "attempts", "retry_at" FROM "follower_cursor" '
        f'WHERE "organization_id" = {journal.mark(1)}',
        [organization_id],
    )
    return {
        row[0]: Cursor(int(row[1]), row[2], int(row[3]), None if row[4] is None else journal.moment(row[4]))
        for row in rows
    }


async def _waiting(organization_id: str, follower: Follower, seq: int) -> tuple[int, datetime | None]:
    """How many facts a follower has yet to handle, and when the first of them happened."""
    types = sorted(follower.types)
    marks = ", ".join(journal.mark(number + 3) for number in range(len(types)))
    rows = await database.read_rows(
        f'SELECT COUNT(*), MIN("at") FROM "journal_entry" WHERE "organization_id" = {journal.mark(1)} '
        f'AND "seq" > {journal.mark(2)} AND "type" IN ({marks})',
        [organization_id, seq, *types],
    )
    count, oldest = rows[0]
    return int(count), None if oldest is None else journal.moment(oldest)


async def _age_of_next(organization_id: str, seq: int) -> float:
    """The seconds since the next fact after a place; 0 when there is none in the table."""
    entries = await journal.read(organization_id, seq, 1)
    return (utc_now() - entries[0].at).total_seconds() if entries else 0.0


async def _count_parked(organization_id: str | None = None) -> dict[str, int]:
    """How many facts each follower set aside that were not replayed since, of one organization or of all."""
    only = "" if organization_id is None else f' AND "organization_id" = {journal.mark(1)}'
    rows = await database.read_rows(
        f'SELECT "follower", COUNT(*) FROM "parked_fact" WHERE "replayed_at" IS NULL{only} GROUP BY "follower"',
        [] if organization_id is None else [organization_id],
    )
    return {row[0]: int(row[1]) for row in rows}


def _key(follower: str, organization_id: str) -> str:
    return f"{organization_id}/{follower}"
