"""The one journal: what happened, in the order in which it was committed, per organization.

``record`` collects facts while a command runs; ``write`` puts them down as the transaction's last statements, under
numbers taken from a counter row that stays locked until commit. So numbers have no gaps and follow the order of commits,
and a reader that asks for ``seq > last`` can neither miss nor repeat a fact. (A plain sequence loses facts: a late
committer's number is behind the reader's already.)
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from app import database
from app.infrastructure.models import JournalEntry
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput, ResyncRequired
from app.kernel.events import Fact
from app.kernel.ids import new_id
from app.kernel.pages import decode_cursor, encode_cursor

CURSOR_KIND = "j"
SALTED = "salt:"
HEADS_MAX = 500


@dataclass(slots=True)
class Recorder:
    """The facts of the command that is running, and the topics it has news about besides."""

    actor: Actor
    command: str
    facts: list[Fact] = field(default_factory=list)
    topics: set[str] = field(default_factory=set)
    open: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact as the journal keeps it."""

    id: str
    organization_id: str
    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    command: str
    type: str
    noun: str
    subject_id: str
    customer_id: str | None
    technician_ids: tuple[str, ...]
    payload: dict[str, Any]

    @property
    def cursor(self) -> str:
        """Where a reader stands who has seen this fact."""
        return cursor_at(self.organization_id, self.seq)


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a fact came: the client's address and what it says it is, the session, and what was asked for."""

    address: str | None = None
    user_agent: str | None = None
    session_id: str | None = None
    operation: str | None = None
    caller: str | None = field(default=None, compare=False)
    """The id of who asks; it is not kept here, as each fact names its actor."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return self != NOWHERE


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Record:
    """A fact with all that the journal keeps of it: the request it came with, from where, and its seal, once it has one."""

    entry: Entry
    request_id: str | None
    previous_hash: str | None
    hash: str | None
    origin: Origin = NOWHERE
    salt: str | None = None


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def record(fact: Fact) -> None:
    """Note that something happened. It is written with the command's transaction, or not at all."""
    recorder = current()
    if recorder is None:
        raise RuntimeError(f"{fact.type} was recorded outside a command")
    recorder.facts.append(fact)


def announce(topic: str) -> None:
    """Wake whoever waits for a topic of the organization once the running command has committed: for news that is no fact."""
    recorder = current()
    if recorder is None:
        raise RuntimeError(f"{topic} was announced outside a command")
    recorder.topics.add(topic)


def cursor_at(organization_id: str, seq: int) -> str:
    """The opaque cursor of a place in an organization's journal."""
    return encode_cursor(CURSOR_KIND, [organization_id, seq])


def seq_of(cursor: str, organization_id: str, path: str = "after") -> int:
    """The place a cursor stands for. One of another organization, or a made-up one, is ``InvalidInput``."""
    values = decode_cursor(cursor, CURSOR_KIND, path)
    match values:
        case [str(owner), int(seq)] if owner == organization_id and not isinstance(seq, bool) and 0 <= seq < 2**62:
            return seq
    raise InvalidInput("This cursor does not belong to your journal. Take it from an answer as it is.", path=[path])


@contextmanager
def coming_from(place: Origin) -> Iterator[None]:
    """What is recorded inside came from there."""
    token = origin.set(place)
    try:
        yield
    finally:
        origin.reset(token)


async def write(recorder: Recorder) -> int:
    """Put the facts down and return the number of the last one; 0 when there are none. Last thing in a transaction."""
    facts = recorder.facts
    if not facts:
        return 0
    client = database.connection()
    organization_id = recorder.actor.organization_id
    marks = ("$1", "$2") if database.dialect() is Dialect.POSTGRES else ("?", "?")
    rows = await client.execute_query_dict(
        f'INSERT INTO "journal_head" ("organization_id", "seq") VALUES ({marks[0]}, {marks[1]}) '
        'ON CONFLICT ("organization_id") DO UPDATE SET "seq" = "journal_head"."seq" + excluded."seq" RETURNING "seq"',
        [organization_id, len(facts)],
    )
    last = int(rows[0]["seq"])
    now, place = utc_now(), origin.get()
    entries = [
        JournalEntry(
            id=new_id("fact"),
            organization_id=organization_id,
            seq=last - len(facts) + index + 1,
            at=now,
            actor_kind=recorder.actor.kind,
            actor_id=recorder.actor.id,
            command=recorder.command,
            type=fact.type,
            noun=fact.noun,
            subject_id=fact.subject_id,
            customer_id=fact.customer_id,
            technician_ids=list(fact.technician_ids),
            payload=plain(fact.payload()),
            request_id=request_id.get(),
            address=place.address,
            user_agent=place.user_agent,
            session_id=place.session_id or recorder.actor.session_id,
            operation=place.operation,
            salt=f"{SALTED}{secrets.token_hex(16)}",
        )
        for index, fact in enumerate(facts)
    ]
    if len(entries) == 1:
        await entries[0].save(force_create=True)
    else:
        await JournalEntry.bulk_create(entries, batch_size=500)
    return last


async def head(organization_id: str) -> int:
    """The number of the newest fact, 0 when there is none."""
    rows = await database.read_rows(
        f'SELECT "seq" FROM "journal_head" WHERE "organization_id" = {mark(1)}', [organization_id]
    )
    return int(rows[0][0]) if rows else 0


async def resync_required(organization_id: str) -> ResyncRequired:
    """What is raised where facts after a cursor are not there: it tells from where to go on after reading all anew."""
    return ResyncRequired(cursor_at(organization_id, await head(organization_id)))


async def heads(organization_ids: Sequence[str] | None = None) -> dict[str, int]:
    """The number of the newest fact of each organization that has any: of some, or of all."""
    sql = 'SELECT "organization_id", "seq" FROM "journal_head"'
    if organization_ids is not None and not organization_ids:
        return {}
    if organization_ids is not None and len(organization_ids) <= HEADS_MAX:
        marks = ", ".join(mark(number + 1) for number in range(len(organization_ids)))
        rows = await database.read_rows(f'{sql} WHERE "organization_id" IN ({marks})', list(organization_ids))
    else:
        rows = await database.read_rows(sql, [])
    return {row[0]: int(row[1]) for row in rows}


async def read(organization_id: str, after: int, limit: int = 500) -> list[Entry]:
    """The facts after a place, oldest first."""
    return [_entry(row) for row in await _rows(_COLUMNS, organization_id, after, limit)]


async def read_records(organization_id: str, after: int, limit: int = 500) -> list[Record]:
    """As ``read``, with all that the journal keeps of them."""
    more = '"request_id", "previous_hash", "hash", "address", "user_agent", "session_id", "operation", "salt"'
    rows = await _rows(f"{_COLUMNS}, {more}", organization_id, after, limit)
    return [Record(_entry(row), row[13], row[14], row[15], Origin(*row[16:20]), row[20]) for row in rows]


_COLUMNS = (
    '"id", "organization_id", "seq", "at", "actor_kind", "actor_id", "command", "type", "noun", "subject_id", '
    '"customer_id", "technician_ids", "payload"'
)


async def _rows(columns: str, organization_id: str, after: int, limit: int) -> list[Any]:
    return await database.read_rows(
        f'SELECT {columns} FROM "journal_entry" WHERE "organization_id" = {mark(1)} AND "seq" > {mark(2)} '
        f'ORDER BY "seq" LIMIT {int(limit)}',
        [organization_id, after],
    )


def _entry(row: Any) -> Entry:
    return Entry(
        id=row[0],
        organization_id=row[1],
        seq=int(row[2]),
        at=moment(row[3]),
        actor_kind=row[4],
        actor_id=row[5],
        command=row[6],
        type=row[7],
        noun=row[8],
        subject_id=row[9],
        customer_id=row[10],
        technician_ids=tuple(_json(row[11])),
        payload=_json(row[12]),
    )


def plain(value: Any) -> Any:
    """A value as JSON keeps it: times as text, decimals exact as text."""
    return orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))


def mark(number: int) -> str:
    """The placeholder of a statement's first, second … value."""
    return f"${number}" if database.dialect() is Dialect.POSTGRES else "?"


def moment(value: Any) -> datetime:
    """A time as the raw read door gives it: text on SQLite."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def collect(recorder: Recorder) -> Token[Recorder | None]:
    """Make a recorder the current one; returns the token that ``release`` takes."""
    return _recorder.set(recorder)


def release(token: Token[Recorder | None]) -> None:
    """Undo ``collect``. A task that the command started has a copy of the context: for it, too, the command is over."""
    if recorder := _recorder.get():
        recorder.open = False
    _recorder.reset(token)


def current() -> Recorder | None:
    """The recorder of the command that is running, if one is."""
    recorder = _recorder.get()
    return recorder if recorder is not None and recorder.open else None
