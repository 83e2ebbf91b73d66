"""Takes a person out of the journal, in the database and in its archive, so that the chain of seals still holds.

A fact is never deleted, and who did what to which row and when stays. Of its payload goes what the rules of ``personal_data``
call personal in the row that it is about, the address of what they did themselves, every free text of a fact about the person, and wherever it stands what the person
was called. Each batch is one transaction: the facts, what is left of their salts, and a fact ``FactsErased`` with a proof for
each. So an erasure that was broken off leaves a journal that is whole, and goes on when it is begun again.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

from app.infrastructure import archives, chain, journal, sealing
from app.infrastructure.archives import ArchiveFile
from app.infrastructure.chain import BrokenChain
from app.infrastructure.command import command
from app.infrastructure.journal import Entry, Origin, Record
from app.infrastructure.models import JournalEntry, JournalSeal
from app.infrastructure.personal_data import ERASED, RULES, suspects
from app.infrastructure.tables import BY_PREFIX
from app.kernel.actor import Actor
from app.kernel.events import FACTS, Fact
from app.kernel.ids import prefix_of

PAGE_SIZE = 500
# What may stay of a fact about the person: ids, times, numbers, and the words that we have for things, such as WO-000123.
_WORD = re.compile(
    r"[a-z]{2,6}_[0-9a-z]{26}|-?\d{1,15}(\.\d+)?|\d{4}-\d\d-\d\d(T[0-9:.]+(Z|[+-]\d\d:\d\d))?|[A-Z][A-Z0-9]*([_-][A-Z0-9]+)*|"
    r"\[[a-z ]+\]|"
)
_TELLS_WHO = re.compile(r"^(?=.{4})\S+\s+\S|.@.|(\d\W*){7}")


@dataclass(frozen=True, kw_only=True)
class FactsErased(Fact):
    """Personal data was taken out of facts: the number of each, and the proof that what is left of it is what we left."""

    noun: ClassVar[str] = "journal"
    facts: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Traces:
    """By what a person is known in facts: the own ids, the ids of the rows that are about them, and what they were called."""

    ids: frozenset[str]
    rows: frozenset[str]
    called: re.Pattern[str] | None

    def without(self, value: Any) -> Any:
        """A JSON value without what the person was called."""
        if isinstance(value, str):
            return self.called.sub(ERASED, value) if self.called is not None else value
        if isinstance(value, list):
            return [self.without(one) for one in value]
        if isinstance(value, Mapping):
            return {name: self.without(one) for name, one in value.items()}
        return value

    def redacted(self, entry: Entry) -> dict[str, Any]:
        """A fact's payload without the person."""
        payload = dict(entry.payload)
        if self._is_about(entry):
            changes = payload.pop("changes", None)
            payload = {name: _bare(value) for name, value in payload.items()}
            if changes is not None:
                payload["changes"] = self._changes(entry, changes)
        return {name: self.without(value) for name, value in payload.items()}

    def place(self, record: Record) -> Origin:
        """Where a fact came from, without the address and the device of the person."""
        if record.entry.actor_id not in self.ids:
            return record.origin
        return replace(record.origin, address=None, user_agent=None)

    def _is_about(self, entry: Entry) -> bool:
        told = (entry.subject_id, entry.customer_id, *entry.payload.values())
        return any(isinstance(one, str) and (one in self.ids or one in self.rows) for one in told)

    def _changes(self, entry: Entry, changes: Mapping[str, Any]) -> dict[str, Any]:
        fact = FACTS.get(entry.type)
        row = entry.subject_id if fact is None or fact.changes_of is None else entry.payload.get(fact.changes_of)
        if row not in self.rows and row not in self.ids:
            return dict(changes)
        personal = _personal_columns(prefix_of(str(row)))
        return {
            name: [None if one is None else ERASED for one in both] if name in personal else both
            for name, both in changes.items()
        }


def called(names: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern of what tells somebody from others wherever it stands: a name of several words, an address, a long number.

    A single word is a word of the language or somebody else's name as well, such as Will, Mark or Smith, and a short number
    is found everywhere.
    """
    known = sorted({name.strip() for name in names if _TELLS_WHO.search(name.strip())}, key=len, reverse=True)
    if not known:
        return None
    return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in known), re.IGNORECASE)


def _bare(value: Any) -> Any:
    """A value of a fact about the person, without free text."""
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else ERASED
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _bare(one) for name, one in value.items()}
    return None if isinstance(value, float) else value


@cache
def _personal_columns(prefix: str) -> frozenset[str]:
    """The columns of a kind of row that hold something of a person and do not stay."""
    rule = RULES.get(BY_PREFIX[prefix]) if prefix in BY_PREFIX else None
    if rule is None:
        return frozenset()
    found = {name for one in rule.holdings for name in one.erase} | set(rule.mentions)
    if any(one.drop for one in rule.holdings):
        found |= set(suspects(rule.model)) - {one.column for one in rule.holdings}
    # That a row is out of use says nothing of the person.
    return frozenset(found - {"status"})


async def erase_from_journal(actor: Actor, request_id: str, traces: Traces) -> int:
    """Take a person out of all facts that are there; of how many. ``BrokenChain`` when one is not as it was sealed."""
    while await sealing.seal_batch(actor.organization_id):
        pass
    count = await _through_the_archive(actor, request_id, traces)
    seal = await JournalSeal.get_or_none(organization_id=actor.organization_id)
    seq, last = (seal.archived_seq, seal.seq) if seal is not None else (0, 0)
    while seq < last and (records := await journal.read_records(actor.organization_id, seq, PAGE_SIZE)):
        seq = records[-1].entry.seq
        if found := await asyncio.to_thread(_changed, [one for one in records if one.entry.seq <= last], traces):
            await _keep_erased_facts(actor, request_id, found)
            count += len(found)
    return count


def _changed(records: Sequence[Record], traces: Traces) -> list[Record]:
    """What is left of those facts in which the person is."""
    found = []
    for record in records:
        if record.entry.type == chain.ERASURE:
            continue
        payload, origin = traces.redacted(record.entry), traces.place(record)
        if payload == record.entry.payload and origin == record.origin:
            continue
        if not chain.is_as_sealed(record):
            raise BrokenChain(record.entry.seq, "it was altered before anything was erased from it")
        left = replace(record.entry, payload=payload)
        found.append(replace(record, entry=left, origin=origin, salt=chain.salt_after_erasure(record)))
    return found


@command(None)
async def _keep_erased_facts(actor: Actor, request_id: str, records: Sequence[Record]) -> str:
    """Put what is left of facts in their place."""
    for record in records:
        await JournalEntry.filter(id=record.entry.id, organization_id=actor.organization_id).update(
            payload=record.entry.payload,
            salt=record.salt,
            address=record.origin.address,
            user_agent=record.origin.user_agent,
        )
    await _prove(request_id, records)
    return request_id


@command(None)
async def _prove_archived(actor: Actor, request_id: str, records: Sequence[Record]) -> str:
    """Say what is about to be left of facts in the archive."""
    await _prove(request_id, records)
    return request_id


async def _prove(request_id: str, records: Sequence[Record]) -> None:
    for start in range(0, len(records), PAGE_SIZE):
        facts: list[list[Any]] = [
            [one.entry.seq, chain.proof_of_erasure(one)] for one in records[start : start + PAGE_SIZE]
        ]
        journal.record(FactsErased(subject_id=request_id, facts=facts))


async def _through_the_archive(actor: Actor, request_id: str, traces: Traces) -> int:
    count = 0
    for file in await asyncio.to_thread(archives.files_of, actor.organization_id):
        records, found = await asyncio.to_thread(_left_of_file, file, traces)
        if found:
            # First the proofs: a file that was changed is vouched for at any moment.
            await _prove_archived(actor, request_id, found)
            await asyncio.to_thread(file.rewrite, records)
            count += len(found)
    return count


def _left_of_file(file: ArchiveFile, traces: Traces) -> tuple[list[Record], list[Record]]:
    if not file.is_whole():
        raise BrokenChain(file.first, f"the archive {file.path.name} is not the one that was written")
    records = list(file.records())
    found = _changed(records, traces)
    left = {one.entry.seq: one for one in found}
    return [left.get(one.entry.seq, one) for one in records], found
