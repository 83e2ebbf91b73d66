"""What happens to a bulk export until there is a file, and after: asked for, begun, under way, ready, failed, canceled, expired."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.company.models import Organization
from app.infrastructure import jobs, journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one
from app.integrations import events, queries, rules
from app.integrations.models import BulkExport
from app.integrations.rules import ExportFormat, ExportStatus
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import LimitReached
from app.kernel.permissions import Permission

JOB = "integrations.bulk_export"
ERROR_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Written:
    """How far a file is: where to go on after a crash, and how much there is."""

    position: Mapping[str, Any]
    rows: int = 0
    lines: int = 0

    @property
    def bytes(self) -> int:
        """How long the file is."""
        return int(self.position.get("length", 0))


@command(Permission.EXPORT_DATA)
async def bulk_export(
    actor: Actor,
    *,
    id: str | None = None,
    document: str,
    variables: Mapping[str, Any],
    root: str,
    format: ExportFormat,
    file_name: str | None = None,
    byte_order_mark: bool = False,
) -> str:
    """Ask for a whole list as a file. The document was looked at before; a job writes the file with the asker's eyes."""
    await _require_room(actor)
    export = await add_row(
        BulkExport,
        id=id,
        organization_id=actor.organization_id,
        document=document,
        variables=dict(variables),
        root=root,
        format=format.value,
        file_name=rules.file_name_of(file_name, root, format),
        byte_order_mark=byte_order_mark,
        requested_by=actor.id,
        customer_id=actor.customer_id if actor.is_customer else None,
        access=rules.access_of(actor),
    )
    await change_row(export, job_id=await jobs.enqueue(actor, JOB, {"export_id": export.id}))
    _record(export, events.BulkExportRequested, root=root, format=format.value)
    return export.id


async def _require_room(actor: Actor) -> None:
    """So many at a time for the company's own people and partners together, and one for each customer's account."""
    await find_rows(Organization, column("id") == actor.organization_id, lock=True)
    if not await queries.has_room(actor):
        limit = rules.open_max(actor)
        raise LimitReached(f"At most {limit} exports may be under way. Wait for one to end, or cancel it.", limit)


@command(Permission.EXPORT_DATA)
async def begin_export(actor: Actor, id: str) -> BulkExport | None:
    """Take an export on, or over from a worker that died; None when it is over. The journal's head is noted at first."""
    export = await lock_one(BulkExport, actor, id)
    if export.status not in rules.OPEN:
        return None
    await change_row(export, runner=export.runner + 1)
    if export.status == ExportStatus.QUEUED:
        cursor = journal.cursor_at(actor.organization_id, await journal.head(actor.organization_id))
        await _change_status(export, ExportStatus.RUNNING, started_at=utc_now(), cursor=cursor)
    return export


@command(Permission.EXPORT_DATA)
async def note_export_extent(actor: Actor, id: str, runner: int, rows: int, last_id: str | None) -> bool:
    """Say how many rows there are about to be, and which is the last; whether the worker is to go on."""
    export = await lock_one(BulkExport, actor, id)
    if not _is_at_work(export, runner):
        return False
    await change_row(export, estimated_rows=rows, position={"until": last_id})
    _record(export, events.BulkExportStarted, estimated_rows=rows)
    return True


@command(Permission.EXPORT_DATA)
async def note_export_progress(actor: Actor, id: str, runner: int, written: Written) -> bool:
    """Note what is safely in the file; whether the worker is to go on."""
    export = await lock_one(BulkExport, actor, id)
    if not _is_at_work(export, runner):
        return False
    await change_row(export, **_values(written))
    _record(export, events.BulkExportProgressed, rows=written.rows)
    return True


@command(Permission.EXPORT_DATA)
async def finish_export(actor: Actor, id: str, runner: int, written: Written) -> bool:
    """Say that the file is there; whether it is this worker's."""
    export = await lock_one(BulkExport, actor, id)
    if not _is_at_work(export, runner):
        return False
    now = utc_now()
    await _change_status(
        export,
        ExportStatus.READY,
        **_values(written),
        finished_at=now,
        expires_at=now + rules.KEPT,
        link_secret=secrets.token_hex(32),
    )
    _record(export, events.BulkExportReady, rows=written.rows, bytes=written.bytes)
    await _expire_surplus(actor, export.customer_id)
    return True


async def _expire_surplus(actor: Actor, customer_id: str | None) -> None:
    """So many files are kept, and of more the oldest go: otherwise who exports all day would fill the disk."""
    most = rules.KEPT_PER_ORGANIZATION_MAX if customer_id is None else rules.KEPT_PER_ACCOUNT_MAX
    ready = queries.shares_with(actor, customer_id) & (column("status") == ExportStatus.READY)
    kept = await find_rows(BulkExport, ready, order=["-finished_at", "-id"], lock=True)
    for surplus in kept[most:]:
        await _expire(surplus)


@command(Permission.EXPORT_DATA)
async def fail_export(actor: Actor, id: str, code: str, error: str) -> str:
    """Say that there will be no file, and why."""
    export = await lock_one(BulkExport, actor, id)
    if export.status in rules.OPEN:
        said = error[:ERROR_LENGTH_MAX]
        await _change_status(export, ExportStatus.FAILED, finished_at=utc_now(), error_code=code, error=said)
        _record(export, events.BulkExportFailed, code=code)
    return export.id


@command(Permission.EXPORT_DATA)
async def cancel_bulk_export(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Stop an export; what was written so far is deleted."""
    export = await lock_one(BulkExport, actor, id, version=version)
    await _change_status(export, ExportStatus.CANCELED, finished_at=utc_now())
    _record(export, events.BulkExportCanceled)
    return export.id


@command(Permission.EXPORT_DATA)
async def expire_export(actor: Actor, id: str) -> bool:
    """Say that a file was kept long enough; whether it was ready until now."""
    export = await lock_one(BulkExport, actor, id)
    if export.status != ExportStatus.READY:
        return False
    await _expire(export)
    return True


async def _expire(export: BulkExport) -> None:
    await _change_status(export, ExportStatus.EXPIRED, link_secret=None)
    _record(export, events.BulkExportExpired)


@command(None)
async def note_download(actor: Actor, export: BulkExport) -> None:
    """Note in the journal who took a file; they were let in by the link and the rules of its file.

    Once for each link: its requests have the same idempotency key.
    """
    _record(export, events.BulkExportDownloaded, by=actor.id)


def _is_at_work(export: BulkExport, runner: int) -> bool:
    """Whether a worker still has the export in hand: it may have been given up for dead, or the export canceled."""
    return export.status == ExportStatus.RUNNING and export.runner == runner


def _values(written: Written) -> dict[str, Any]:
    return {
        "position": dict(written.position),
        "row_count": written.rows,
        "line_count": written.lines,
        "byte_count": written.bytes,
    }


async def _change_status(export: BulkExport, to: ExportStatus, **values: Any) -> None:
    """The one way an export's status changes: checked against the table."""
    rules.EXPORT.require(ExportStatus(export.status), to)
    await change_row(export, status=to.value, **values)


def _record(export: BulkExport, kind: type[events.BulkExportFact], **figures: Any) -> None:
    journal.record(kind(subject_id=export.id, customer_id=export.customer_id, **figures))
