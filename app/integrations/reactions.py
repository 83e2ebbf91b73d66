"""What integrations does by the clock: files that were kept long enough go, and what nobody works at any more is said to have failed."""

from collections.abc import Sequence

import structlog

from app.infrastructure import storage
from app.infrastructure.conditions import column
from app.infrastructure.jobs import OPEN
from app.infrastructure.models import Job
from app.infrastructure.personal_data import forgets_people
from app.infrastructure.retention import keeps_facts
from app.infrastructure.tables import find_rows
from app.infrastructure.timers import every
from app.integrations import commands, queries, rules
from app.integrations.models import BulkExport
from app.integrations.rules import ExportStatus
from app.kernel.actor import system_actor
from app.kernel.calendar import utc_now

EXPIRED_AT_ONCE = 200
ERASED_SINCE = "Somebody's data was erased meanwhile. Ask for the export anew."

# Whoever has a file goes on from its cursor.
keeps_facts(queries.seq_needed)

log = structlog.get_logger(__name__)


@every(seconds=600, name="integrations.tidy_exports")
async def tidy_exports() -> None:
    """Let files go whose time is over, and those that a worker left lying when it died."""
    for export in await queries.find_exports_to_expire(utc_now(), EXPIRED_AT_ONCE):
        await commands.expire_export(system_actor(export.organization_id), export.id)
    await _fail_abandoned()
    # Read before the rows: a file that is begun after this look is not among them.
    names = await storage.exports().names()
    for name in names - await queries.find_kept_files():
        await storage.exports().delete(name)


async def _fail_abandoned() -> None:
    """An export whose job was given up, because it took its process down each time, would stay open for ever."""
    exports = await queries.find_open_exports()
    jobs = await find_rows(Job, column("id").one_of(export.job_id for export in exports))
    alive = {job.id for job in jobs if job.status in OPEN}
    for export in exports:
        if export.job_id not in alive:
            log.warning("an export was abandoned", export=export.id)
            said = (
                "The worker broke off, time and again. Ask for the export anew, in smaller parts if it is a large one."
            )
            await commands.fail_export(system_actor(export.organization_id), export.id, "ABANDONED", said)


@forgets_people
async def forget_in_exports(organization_id: str, ids: Sequence[str]) -> None:
    """No file that was written before says anything of somebody who was erased; nobody can tell in which they are."""
    actor = system_actor(organization_id)
    kept = column("status").one_of([ExportStatus.READY.value, *sorted(one.value for one in rules.OPEN)])
    for export in await find_rows(BulkExport, (column("organization_id") == organization_id) & kept):
        if export.status == ExportStatus.READY:
            await commands.expire_export(actor, export.id)
        else:
            await commands.fail_export(actor, export.id, "ERASED", ERASED_SINCE)
        for name in {str(export.position.get("file", "")), queries.file_of(export)} - {""}:
            await storage.exports().delete(name)
