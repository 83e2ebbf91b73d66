"""What was tried in vain, and what of the sensitive was read: noted in memory, and written into the journal beside.

A refused command leaves no transaction behind that could hold a fact, and a read has none. So both are noted where they
happen, at the cost of a look into a dictionary, and a loop of the process writes them a moment later, in transactions of
their own. They are told together, so that nobody can flood the journal with them: of one actor, for one command and one
reason (or one field), there is a fact for the first time within a minute, and another for all the rest of that minute.
A process that dies loses the notes of its last second.

The facts are ``confidential``: auditors alone read them. They have their places in the organization's chain as all others.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

import structlog

from app import database
from app.infrastructure import broadcast, journal
from app.infrastructure.journal import NOWHERE, Origin, Recorder
from app.infrastructure.loops import Outage, to_the_end
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfirmationRequired, NotFound, NotPermitted, Problem
from app.kernel.events import Fact

MINUTE_SECONDS = 60
FLUSH_SECONDS = 1.0
KEYS_MAX = 20_000
IDS_OF_REFUSALS_MAX = 20
IDS_PER_FACT = 200
REFUSALS = (NotPermitted, NotFound, ConfirmationRequired)
AWAY = (database.DatabaseError, OSError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class AttemptRefused(Fact):
    """Somebody tried what they may not: so many times since ``since``, with these ids of rows."""

    noun: ClassVar[str] = "refused attempt"
    confidential: ClassVar[bool] = True

    code: str
    permission: str | None
    tries: int
    ids: tuple[str, ...]
    since: str


@dataclass(frozen=True, kw_only=True)
class SensitiveDataRead(Fact):
    """Somebody read a sensitive field of these rows."""

    noun: ClassVar[str] = "reading"
    confidential: ClassVar[bool] = True

    field: str
    ids: tuple[str, ...]
    since: str


Key = tuple[object, ...]


@dataclass(slots=True)
class _Note:
    """What one actor did of one kind within a minute, as far as it is not in the journal yet."""

    actor: Actor
    minute: int
    origin: Origin
    request_id: str | None
    command: str
    what: str
    permission: str | None = None
    since: datetime = field(default_factory=utc_now)
    times: int = 0
    ids: dict[str, None] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    told: bool = False


_refusals: dict[Key, _Note] = {}
_readings: dict[Key, _Note] = {}
_open = False


def start() -> None:
    """Take notes from now on: this process writes them down."""
    global _open
    stop()
    _open = True


def stop() -> None:
    """Take no more notes, and forget those that are not written."""
    global _open
    _open = False
    _refusals.clear()
    _readings.clear()


@contextmanager
def noting_refusals(actor: Actor, command: str) -> Iterator[None]:
    """Note when what is inside is refused."""
    try:
        yield
    except REFUSALS as problem:
        note_refusal(actor, command, problem)
        raise


def note_refusal(actor: Actor, command: str, problem: Problem) -> None:
    """Somebody was refused a command or a query. What the system itself stumbles over is no attempt of anybody."""
    if not _open or actor.kind is ActorKind.SYSTEM:
        return
    permission = problem.permission if isinstance(problem, NotPermitted) else None
    key = (actor.organization_id, actor.id, command, problem.code, permission)
    note = _note(_refusals, key, actor, command, problem.code)
    if note is None:
        return
    note.permission = permission
    note.times += 1
    if isinstance(problem, NotFound) and len(note.ids) < IDS_OF_REFUSALS_MAX:
        note.ids[problem.id] = None


def note_reading(actor: Actor, field: str, id: str) -> None:
    """Somebody read a sensitive field of a row. The system's own reading is part of what it does for others."""
    if not _open or actor.kind is ActorKind.SYSTEM:
        return
    note = _note(_readings, (actor.organization_id, actor.id, actor.session_id, field), actor, "", field)
    if note is None or id in note.known:
        return
    note.known.add(id)
    note.ids[id] = None
    note.times += 1


def _note(notes: dict[Key, _Note], key: Key, actor: Actor, command: str, what: str) -> _Note | None:
    minute = int(utc_now().timestamp()) // MINUTE_SECONDS
    note = notes.get((*key, minute))
    if note is None:
        if len(notes) >= KEYS_MAX:
            log.error("too many notes at once; one is lost", organization=actor.organization_id, actor=actor.id)
            return None
        place = journal.origin.get()
        if place.caller != actor.id:  # of the task that began this, not of who asks
            place = Origin(session_id=actor.session_id)
        note = notes[(*key, minute)] = _Note(actor, minute, place, journal.request_id.get(), command, what)
    return note


async def run_notes() -> None:
    """Write notes down until cancelled; those that are there then as well."""
    outage = Outage("the database (notes for the audit)")
    try:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await to_the_end(flush())
                outage.recovered()
            except AWAY as error:
                await asyncio.sleep(outage.failed(error))
            except Exception:
                log.exception("the notes for the audit stumbled")
    finally:
        await to_the_end(flush(everything=True))
        stop()


async def flush(*, everything: bool = False) -> int:
    """Write down what is ripe: the first of a kind at once, the rest of its minute when that is over; how many facts."""
    now = int(utc_now().timestamp()) // MINUTE_SECONDS
    ripe: dict[str, list[tuple[_Note, bool]]] = {}
    for notes, are_refusals in ((_refusals, True), (_readings, False)):
        for key, note in list(notes.items()):
            if note.times and (everything or not note.told or note.minute < now):
                ripe.setdefault(note.actor.organization_id, []).append((note, are_refusals))
            elif note.minute < now:
                del notes[key]
    written = 0
    for organization_id, those in ripe.items():
        with database.within(organization_id):
            written += await _write(organization_id, those)
    return written


async def _write(organization_id: str, notes: list[tuple[_Note, bool]]) -> int:
    taken = [(note, note.times, list(note.ids), refused) for note, refused in notes]
    facts = [
        (note, fact)
        for note, times, ids, refused in taken
        for fact in ([_refusal(note, times, ids)] if refused else _readings_of(note, ids))
    ]

    async def work() -> None:
        for note, fact in facts:
            token = journal.request_id.set(note.request_id)
            try:
                with journal.coming_from(note.origin):
                    await journal.write(Recorder(note.actor, note.command, [fact]))
            finally:
                journal.request_id.reset(token)

    await database.unit_of_work(work)
    for note, times, ids, _ in taken:
        note.told = True
        note.times -= times
        note.since = utc_now()
        for id in ids:
            note.ids.pop(id, None)
    broadcast.wake(organization_id)
    return len(facts)


def _refusal(note: _Note, tries: int, ids: list[str]) -> AttemptRefused:
    return AttemptRefused(
        subject_id=ids[0] if ids else note.actor.id,
        code=note.what,
        permission=note.permission,
        tries=tries,
        ids=tuple(ids),
        since=note.since.isoformat(),
    )


def _readings_of(note: _Note, ids: list[str]) -> Iterator[SensitiveDataRead]:
    for start in range(0, len(ids), IDS_PER_FACT):
        part = tuple(ids[start : start + IDS_PER_FACT])
        yield SensitiveDataRead(subject_id=part[0], field=note.what, ids=part, since=note.since.isoformat())


__all__ = [
    "NOWHERE",
    "AttemptRefused",
    "SensitiveDataRead",
    "flush",
    "note_reading",
    "note_refusal",
    "noting_refusals",
    "run_notes",
    "start",
    "stop",
]
