"""Bringing in other systems' data. Rows are taken fifty to a transaction, each with a way back of its own."""

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from app import database
from app.company.queries import find_service_type
from app.customers import commands as customers
from app.customers import models as customer_models
from app.customers.queries import find_customer_by_external_id, find_site_by_external_id
from app.infrastructure import journal
from app.infrastructure.command import command, idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import Table, add_row, change_row, find_one, find_rows, lock_one
from app.integrations import events, models, rules
from app.integrations.mappings import column_of, mapping_of
from app.integrations.rules import CellError, ImportOutcome, ImportResult, ImportStatus, RowOutcome
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, Problem, Unavailable
from app.kernel.permissions import Permission
from app.work_orders import commands as work_orders
from app.work_orders import models as work_order_models

TRIES_PER_BATCH = 5
BACK_OFF_SECONDS = 0.2
FILE_NAME_LENGTH_MAX = 200
# What a request is born with and no later file changes.
ONLY_AT_BIRTH = frozenset({"submitted_at", "channel", "external_id"})
NEEDED = (Permission.IMPORT_DATA, Permission.MANAGE_CUSTOMERS, Permission.REQUEST_WORK, Permission.MANAGE_WORK_ORDERS)

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is, after each batch."""

    done: int
    total: int
    failed: int


OnProgress = Callable[[Progress], Awaitable[None] | None]


class _GoBack(Exception):
    """A batch of a dry run is over: nothing of it is kept but what would have become of its rows."""

    def __init__(self, outcomes: list[RowOutcome]) -> None:
        super().__init__("dry run")
        self.outcomes = outcomes


class _RowFailed(Exception):
    """A command refused what a row says; its savepoint is left."""

    def __init__(self, error: CellError) -> None:
        super().__init__(error.message)
        self.error = error


async def import_file(
    actor: Actor, path: Path, mapping: str, dry_run: bool = False, on_progress: OnProgress | None = None
) -> ImportResult:
    """Import work orders from a CSV file on this machine. ``InvalidInput`` names the line of a file that cannot be read."""
    try:
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        if size > rules.FILE_BYTES_MAX:
            raise InvalidInput(f"A file has at most {rules.FILE_BYTES_MAX // 1024**2} MiB; split it.", path=["file"])
        data = await asyncio.to_thread(path.read_bytes)
    except OSError as problem:
        raise InvalidInput(f"{path.name} cannot be read ({problem.strerror}).", path=["file"]) from None
    return await import_work_orders(
        actor, data, mapping=mapping, file_name=path.name, dry_run=dry_run, on_progress=on_progress
    )


async def import_work_orders(
    actor: Actor,
    data: bytes,
    *,
    mapping: str,
    file_name: str,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> ImportResult:
    """Import a CSV file of work orders with their customers and sites; each is found again by its external id.

    A row that cannot be used is reported and stops no other. A dry run does everything and takes it all back: only the
    import itself stays, as its report. No transaction spans the file; one that breaks off is simply imported again.
    """
    for permission in NEEDED:
        actor.require(permission)
    chosen = mapping_of(mapping)
    rows = await asyncio.to_thread(rules.read_rows, data, chosen.required_columns)
    # Repeating is harmless by the external ids, and one key cannot stand for the many commands of a file.
    with idempotency_key(None):
        id = await start_import(
            actor,
            mapping=mapping,
            file_name=file_name,
            sha256=hashlib.sha256(data).hexdigest(),
            dry_run=dry_run,
            row_count=len(rows),
        )
        try:
            outcomes = await _import_all(actor, chosen, rows, dry_run, on_progress)
        except BaseException as problem:
            await finish_import(actor, id, [], error=_told(problem))
            raise
        await finish_import(actor, id, outcomes)
    return ImportResult(id, dry_run, tuple(outcomes))


@command(Permission.IMPORT_DATA)
async def start_import(
    actor: Actor, *, mapping: str, file_name: str, sha256: str, dry_run: bool, row_count: int
) -> str:
    """Note that a file is being read. For ``import_work_orders``."""
    row = await add_row(
        models.Import,
        organization_id=actor.organization_id,
        kind=rules.ImportKind.WORK_ORDERS.value,
        mapping=mapping,
        file_name="".join(sign for sign in file_name if sign.isprintable())[:FILE_NAME_LENGTH_MAX] or "unnamed",
        sha256=sha256,
        dry_run=dry_run,
        row_count=row_count,
        started_by=actor.id,
        started_at=utc_now(),
    )
    return row.id


@command(Permission.IMPORT_DATA)
async def finish_import(actor: Actor, id: str, outcomes: Sequence[RowOutcome], *, error: str | None = None) -> str:
    """Keep what became of a file. For ``import_work_orders``; a dry run is no fact, because nothing happened."""
    row = await lock_one(models.Import, actor, id)
    counts = {outcome: sum(one.outcome is outcome for one in outcomes) for outcome in ImportOutcome}
    failed = [one.as_json() for one in outcomes if one.outcome is ImportOutcome.FAILED]
    await change_row(
        row,
        status=(ImportStatus.FINISHED if error is None else ImportStatus.FAILED).value,
        created_count=counts[ImportOutcome.CREATED],
        updated_count=counts[ImportOutcome.UPDATED],
        unchanged_count=counts[ImportOutcome.UNCHANGED],
        failed_count=counts[ImportOutcome.FAILED],
        errors=failed[: rules.REPORTED_ROWS_MAX],
        error=error,
        finished_at=utc_now(),
    )
    if error is None and not row.dry_run:
        journal.record(
            events.ImportFinished(
                subject_id=row.id,
                mapping=row.mapping,
                file_name=row.file_name,
                created=row.created_count,
                updated=row.updated_count,
                unchanged=row.unchanged_count,
                failed=row.failed_count,
            )
        )
    return row.id


@command(Permission.IMPORT_DATA)
async def import_batch(
    actor: Actor, mapping: rules.Mapping, rows: Sequence[tuple[rules.Row, rules.Translated]], dry_run: bool
) -> list[RowOutcome]:
    """Some rows in one transaction. For ``import_work_orders``."""
    outcomes = [await _import_row(actor, mapping, row, said) for row, said in rows]
    if dry_run:
        raise _GoBack(outcomes)
    return outcomes


async def _import_all(
    actor: Actor,
    mapping: rules.Mapping,
    rows: Sequence[rules.Row],
    dry_run: bool,
    on_progress: OnProgress | None,
) -> list[RowOutcome]:
    outcomes: list[RowOutcome] = []
    first_row_of: dict[str, int] = {}
    for start in range(0, len(rows), rules.ROWS_PER_BATCH):
        batch = [(row, _translated(mapping, row, first_row_of)) for row in rows[start : start + rules.ROWS_PER_BATCH]]
        outcomes += await _patiently(actor, mapping, batch, dry_run)
        if on_progress is not None:
            failed = sum(one.outcome is ImportOutcome.FAILED for one in outcomes)
            answer = on_progress(Progress(len(outcomes), len(rows), failed))
            if inspect.isawaitable(answer):
                await answer
    return outcomes


def _translated(mapping: rules.Mapping, row: rules.Row, first_row_of: dict[str, int]) -> rules.Translated:
    """A row in our terms; the second row with the same external id is refused, so that the order of rows means nothing."""
    said = rules.translate(mapping, row)
    if said.external_id is not None:
        first = first_row_of.setdefault(said.external_id, row.row)
        if first != row.row:
            same = CellError(column_of(mapping, "work_order", ("externalId",)), f"Row {first} has the same id.")
            return rules.Translated(said.values, (*said.errors, same))
    return said


async def _patiently(
    actor: Actor,
    mapping: rules.Mapping,
    batch: Sequence[tuple[rules.Row, rules.Translated]],
    dry_run: bool,
) -> list[RowOutcome]:
    """A batch, tried again when the database is busy; nothing of a try that failed is kept."""
    for tried in range(TRIES_PER_BATCH):
        try:
            return await import_batch(actor, mapping, batch, dry_run)
        except _GoBack as over:
            return over.outcomes
        except Unavailable:
            if tried == TRIES_PER_BATCH - 1:
                raise
            await asyncio.sleep(BACK_OFF_SECONDS * 2**tried)
    raise AssertionError("the last try returns or raises")


async def _import_row(actor: Actor, mapping: rules.Mapping, row: rules.Row, said: rules.Translated) -> RowOutcome:
    """One row, with a way back of its own: what a failed one did or recorded is undone."""
    if said.errors:
        return RowOutcome(row.row, row.line, said.external_id, ImportOutcome.FAILED, said.errors)
    recorder = journal.current()
    assert recorder is not None
    recorded = len(recorder.facts)
    try:
        outcome = await database.unit_of_work(lambda: _upsert(actor, mapping, said.values), nested=True)
        return RowOutcome(row.row, row.line, said.external_id, outcome)
    except database.RetryableError:
        raise
    except _RowFailed as refused:
        error = refused.error
    except database.DatabaseError as refused:
        log.warning("row refused by the database", row=row.row, reason=type(refused).__name__)
        error = CellError(None, "The database refuses this row: it repeats or contradicts another.")
    del recorder.facts[recorded:]
    return RowOutcome(row.row, row.line, said.external_id, ImportOutcome.FAILED, (error,))


async def _upsert(actor: Actor, mapping: rules.Mapping, values: Map[str, Map[str, Any]]) -> ImportOutcome:
    """Customer, then site, then work order: each created, or changed where the file says something else."""
    customer_id, customer_changed = await _step(mapping, "customer", _put_customer(actor, dict(values["customer"])))
    site_id, site_changed = await _step(mapping, "site", _put_site(actor, customer_id, dict(values["site"])))
    outcome = await _step(
        mapping, "work_order", _put_work_order(actor, customer_id, site_id, dict(values["work_order"]))
    )
    if outcome is ImportOutcome.UNCHANGED and (customer_changed or site_changed):
        return ImportOutcome.UPDATED
    return outcome


async def _step(mapping: rules.Mapping, noun: str, step: Awaitable[T]) -> T:
    try:
        return await step
    except Problem as problem:
        raise _RowFailed(CellError(column_of(mapping, noun, problem.path), problem.message)) from problem


async def _put_customer(actor: Actor, values: dict[str, Any]) -> tuple[str, bool]:
    known = await find_customer_by_external_id(actor, values["external_id"])
    if known is None:
        values.setdefault("type", "RESIDENTIAL")
        return await customers.create_customer(actor, **values), True
    different = _different(known, values)
    if different:
        await customers.update_customer(actor, known.id, **different)
    return known.id, await _moved_on(actor, known)


async def _put_site(actor: Actor, customer_id: str, values: dict[str, Any]) -> tuple[str, bool]:
    known = await find_site_by_external_id(actor, values["external_id"])
    if known is None:
        values.setdefault("name", values["address_line"])
        return await customers.create_site(actor, customer_id=customer_id, **values), True
    if known.customer_id != customer_id:
        raise InvalidInput("This site belongs to another customer.", path=["externalId"])
    different = _different(known, values)
    if different:
        await customers.update_site(actor, known.id, **different)
    return known.id, await _moved_on(actor, known)


async def _put_work_order(actor: Actor, customer_id: str, site_id: str, values: dict[str, Any]) -> ImportOutcome:
    if code := values.pop("service_type", None):
        values["service_type_id"] = await _service_type_id(actor, code)
    known = await _work_order(actor, values["external_id"])
    if known is None:
        await work_orders.create_work_order(actor, customer_id=customer_id, site_id=site_id, **values)
        return ImportOutcome.CREATED
    if known.customer_id != customer_id:
        raise InvalidInput(
            f"Work order {known.number} has this id and belongs to another customer.", path=["externalId"]
        )
    later = {name: value for name, value in values.items() if name not in ONLY_AT_BIRTH}
    different = _different(known, {**later, "site_id": site_id})
    if not different:
        return ImportOutcome.UNCHANGED
    await work_orders.update_work_order(actor, known.id, **different)
    return ImportOutcome.UPDATED if await _moved_on(actor, known) else ImportOutcome.UNCHANGED


async def _work_order(actor: Actor, external_id: str) -> work_order_models.WorkOrder | None:
    same = work_order_models.WorkOrder.visible_to(actor) & (column("external_id") == external_id)
    found = await find_rows(work_order_models.WorkOrder, same)
    return found[0] if found else None


async def _service_type_id(actor: Actor, code: str) -> str:
    service_type = await find_service_type(actor, code)
    if service_type is None:
        raise InvalidInput(f"There is no service type with the code {code!r}.", path=["serviceTypeId"])
    return service_type.id


def _different(row: Table, values: Map[str, Any]) -> dict[str, Any]:
    """What a file says otherwise than a row does."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


async def _moved_on(
    actor: Actor, row: customer_models.Customer | customer_models.Site | work_order_models.WorkOrder
) -> bool:
    """Whether a change was one: a phone number written in another way is the same number."""
    return (await find_one(type(row), actor, row.id)).version != row.version


def _told(problem: BaseException) -> str:
    return problem.message if isinstance(problem, Problem) else "The import broke off. Import the file again."
