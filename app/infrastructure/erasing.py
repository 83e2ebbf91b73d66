"""Finds all that is kept of a person, writes it into a file for them, and erases it, by the rules of ``personal_data``.

An erasure may be broken off at any point and begun again: each step finds only what is still there. It leaves who did what to
which row and when, work that was done, and money; see ``redaction`` for the journal. Which people were erased is also noted in a
file in the data folder, ids only, so that they can be erased again after an older backup was restored.
"""

import asyncio
import os
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import orjson

from app import database
from app.infrastructure import journal, outbox, texts
from app.infrastructure.conditions import Condition, any_of, column
from app.infrastructure.models import JournalEntry
from app.infrastructure.personal_data import ALIASES, ELSEWHERE, ERASED, PEOPLE, RULES, Holding, Rule
from app.infrastructure.redaction import Traces, called, erase_from_journal
from app.infrastructure.storage import sync_folder
from app.infrastructure.tables import OwnedTable, Table, find_rows, table_of, walk_rows
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfigurationError
from app.kernel.events import FACTS
from app.kernel.ids import prefix_of

LIST = "erasures.ndjson"
FACTS_PER_PAGE = 1000
# Of a person's own row, what they are known by; the rest may say anything.
_NAMES = ("name", "phone", "email", "username", "number")

_folder: Path | None = None
Ids = dict[str, list[str]]


def configure(folder: Path) -> None:
    """Keep files for people, and the list of erasures, in a folder."""
    global _folder
    _folder = folder


def file_of(request_id: str) -> Path:
    """Where the file of a request is."""
    return _place() / "personal-data" / f"{request_id}.zip"


def _place() -> Path:
    if _folder is None:
        raise ConfigurationError("no folder was configured; set TRUCKROLL_DATA_FOLDER to a folder for files.")
    return _folder


async def find_person(organization_id: str, id: str) -> Ids:
    """All ids under which a person is known, by their kind."""
    known: dict[str, dict[str, None]] = {kind: {} for kind in PEOPLE}
    known.setdefault(prefix_of(id), {})[id] = None
    ours = column("organization_id") == organization_id
    before = -1
    while before != (before := sum(map(len, known.values()))):
        for alias in ALIASES:
            theirs = column(alias.via).one_of(list(known[alias.kind]))
            same = [theirs] if known[alias.kind] else []
            if alias.both_ways and known[alias.model.prefix]:
                same.append(column("id").one_of(list(known[alias.model.prefix])))
            for row in await find_rows(alias.model, ours & any_of(*same)) if same else ():
                other = getattr(row, alias.via)
                if row.id in known[alias.model.prefix] and alias.both_ways and other is not None:
                    known[alias.kind][other] = None
                elif other in known[alias.kind]:
                    known[alias.model.prefix][row.id] = None
    return {kind: list(ids) for kind, ids in known.items() if ids}


def _all(ids: Ids) -> list[str]:
    return [id for those in ids.values() for id in those]


def _holdings(rule: Rule, ids: Ids) -> list[Holding]:
    return [one for one in rule.holdings if one.kind in ids]


async def names_of(organization_id: str, ids: Ids) -> list[str]:
    """What a person is called in their own rows."""
    found: list[str] = []
    for kind, those in ids.items():
        rule = RULES[PEOPLE[kind].model]
        names = {name for one in rule.holdings if one.via == "id" for name in one.erase}
        for row in await find_rows(PEOPLE[kind].model, _own(organization_id, those)):
            values = [getattr(row, name) for name in sorted(names) if name.rpartition("_")[2] in _NAMES]
            found += [
                one for one in values if isinstance(one, str) and one not in ("", ERASED) and ".invalid" not in one
            ]
    return list(dict.fromkeys(found))


def _own(organization_id: str, ids: Sequence[str]) -> Condition:
    return (column("organization_id") == organization_id) & column("id").one_of(ids)


# A copy for the person


async def write_copy(organization_id: str, id: str, path: Path) -> dict[str, int]:
    """Write all that is kept of a person into a zip file, a JSON file for each table; how many rows of each."""
    ids = await find_person(organization_id, id)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    counts: dict[str, int] = {}
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
                for name, pages in _tables_about(organization_id, ids, await names_of(organization_id, ids)):
                    if count := await _write_table(zipped, f"{name}.json", pages):
                        counts[name] = count
                about = {"person": id, "ids": ids, "written_at": utc_now(), "rows": counts}
                zipped.writestr("about.json", orjson.dumps(about, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return counts


Pages = AsyncIterator[list[dict[str, Any]]]


def _tables_about(organization_id: str, ids: Ids, names: Sequence[str]) -> list[tuple[str, Pages]]:
    found = []
    for model, rule in sorted(RULES.items(), key=lambda one: table_of(one[0])):
        conditions = [one.rows_told_of(organization_id, ids[one.kind]) for one in _holdings(rule, ids)]
        if rule.recipient is not None and names:
            ours = column("organization_id") == organization_id
            conditions.append(ours & column(rule.recipient).one_of(names))
        if conditions:
            found.append((table_of(model), _rows(rule, any_of(*conditions))))
    return [*found, ("journal", _deeds(organization_id, _all(ids)))]


async def _rows(rule: Rule, condition: Condition) -> Pages:
    model = cast(type[Table], rule.model)
    hidden = {*rule.hidden, *getattr(model, "encrypted", ()), "organization_id"}
    names = [name for name in sorted(model._meta.fields_db_projection) if name not in hidden]
    async for page in walk_rows(model, condition):
        yield [{name: getattr(row, name) for name in names} for row in page]


async def _deeds(organization_id: str, ids: Sequence[str]) -> Pages:
    """What the person did and from where, and what happened to their rows: when and what, not what others wrote with it, nor
    where they were, nor what auditors alone may know."""
    mine = column("organization_id") == organization_id
    done = column("actor_id").one_of(ids)
    confidential = [fact.__name__ for fact in FACTS.values() if fact.confidential]
    happened = column("subject_id").one_of(ids) & ~column("type").one_of(confidential)
    told = ("at", "type", "noun", "subject_id", "actor_id")
    own = (*told, "address", "user_agent")
    async for page in walk_rows(cast(type[Table], JournalEntry), mine & (done | happened), size=FACTS_PER_PAGE):
        facts = cast(list[JournalEntry], page)
        yield [{name: getattr(fact, name) for name in (own if fact.actor_id in ids else told)} for fact in facts]


async def _write_table(zipped: zipfile.ZipFile, name: str, pages: Pages) -> int:
    count = 0
    member = None
    try:
        async for page in pages:
            if member is None:
                member = zipped.open(name, "w", force_zip64=True)
            for row in page:
                text = orjson.dumps(row, default=str, option=orjson.OPT_INDENT_2)
                await asyncio.to_thread(member.write, (b",\n" if count else b"[\n") + text)
                count += 1
        if member is not None:
            member.write(b"\n]\n")
    finally:
        if member is not None:
            member.close()
    return count


# Erasing


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did: facts and rows by table."""

    facts: int
    rows: Mapping[str, int]


async def erase(actor: Actor, request_id: str, id: str, names: Sequence[str]) -> Erased:
    """Erase a person who is called so: from the journal, from the rows, and wherever else something is kept."""
    organization_id = actor.organization_id
    ids = await find_person(organization_id, id)
    traces = Traces(frozenset(_all(ids)), frozenset(await _row_ids(organization_id, ids)), called(names))
    facts = await erase_from_journal(actor, request_id, traces)
    counts: dict[str, int] = {}
    for model, rule in sorted(RULES.items(), key=lambda one: table_of(one[0])):
        count = await _erase_rows(organization_id, rule, ids)
        count += await _forget_mentions(organization_id, rule, traces)
        if rule.recipient is not None and names:
            count += await _drop_addressed(organization_id, rule, names)
        if count:
            counts[table_of(model)] = count
    for forget in ELSEWHERE:
        await forget(organization_id, _all(ids))
    await texts.forget()
    return Erased(facts, counts)


async def _row_ids(organization_id: str, ids: Ids) -> list[str]:
    """The ids of all rows that are about the person, and not only point to them."""
    found: list[str] = []
    for rule in RULES.values():
        for one in _holdings(rule, ids):
            if one.erase or one.drop:
                model = cast(type[Table], rule.model)
                async for page in walk_rows(model, one.rows_of(organization_id, ids[one.kind])):
                    found += [row.id for row in page]
    return found


async def _erase_rows(organization_id: str, rule: Rule, ids: Ids) -> int:
    model, count = cast(type[Table], rule.model), 0
    for one in _holdings(rule, ids):
        if not one.erase and not one.drop:
            continue
        async for page in walk_rows(model, one.rows_of(organization_id, ids[one.kind])):
            if one.drop:
                gone = [row.id for row in page]
                count += await database.unit_of_work(lambda gone=gone: model.filter(id__in=gone).delete())  # type: ignore[misc]
                continue
            for row in page:
                values = {name: to(row) if callable(to) else to for name, to in one.erase.items()}
                count += await _change(row, {name: to for name, to in values.items() if getattr(row, name) != to})
    return count


async def _change(row: Table, values: Mapping[str, Any]) -> int:
    if not values:
        return 0

    async def work() -> int:
        now = {"version": row.version + 1, "updated_at": utc_now()} if isinstance(row, OwnedTable) else {}
        return await type(row).filter(id=row.id).update(**values, **now)

    return await database.unit_of_work(work)


async def _forget_mentions(organization_id: str, rule: Rule, traces: Traces) -> int:
    """Take what the person is called out of columns in which others may have written it."""
    if not rule.mentions or traces.called is None:
        return 0
    model, count = cast(type[Table], rule.model), 0
    async for page in walk_rows(model, column("organization_id") == organization_id):
        for row in page:
            without = {name: traces.without(getattr(row, name)) for name in rule.mentions}
            changed = {name: value for name, value in without.items() if value != getattr(row, name)}
            count += await _change(row, changed)
            if changed and rule.recipient is not None:
                await outbox.forget([row.id])
    return count


async def _drop_addressed(organization_id: str, rule: Rule, names: Sequence[str]) -> int:
    """Delete what went to one of the person's addresses."""
    model, count = cast(type[Table], rule.model), 0
    assert rule.recipient is not None
    theirs = (column("organization_id") == organization_id) & column(rule.recipient).one_of(names)
    async for page in walk_rows(model, theirs):
        gone = [row.id for row in page]
        await outbox.forget(gone)
        count += await database.unit_of_work(lambda gone=gone: model.filter(id__in=gone).delete())  # type: ignore[misc]
    return count


# The list of those who were erased


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a person was erased: ids, and nothing that says who it was."""

    organization_id: str
    request_id: str
    person_id: str
    at: datetime


async def note_erasure(erasure: Erasure) -> None:
    """Add to the list that outlives the database."""
    await asyncio.to_thread(_append, erasure)


def _append(erasure: Erasure) -> None:
    path = _place() / LIST
    path.parent.mkdir(parents=True, exist_ok=True)
    if erasure.request_id in {one.request_id for one in read_list(path)}:
        return
    with path.open("ab") as file:
        file.write(orjson.dumps(erasure, option=orjson.OPT_APPEND_NEWLINE))
        file.flush()
        os.fsync(file.fileno())


def read_list(path: Path | None = None) -> list[Erasure]:
    """Who was erased, oldest first, by the list of the data folder or another; a line that was not finished counts for nothing."""
    try:
        lines = (path or _place() / LIST).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            told = orjson.loads(line)
            found.append(Erasure(**{**told, "at": journal.moment(told["at"])}))
        except (orjson.JSONDecodeError, TypeError, KeyError):
            continue
    return found
