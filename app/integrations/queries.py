"""Whose file it is: the asker as they are now, links, and the way from a link to the file."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.identity.queries import actor_now
from app.infrastructure import journal, storage, tokens
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import find_rows
from app.integrations import rules
from app.integrations.models import BulkExport
from app.integrations.rules import ExportStatus
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import NotAuthenticated, NotFound, NotPermitted
from app.kernel.permissions import Permission

LINK = "dl"


async def asker_of(export: BulkExport) -> Actor:
    """The asker as they are now; a ``Problem`` when they may not sign in, export, or see as much as when they asked."""
    actor = await actor_now(export.organization_id, export.requested_by)
    actor.require(Permission.EXPORT_DATA)
    if not rules.sees_as_much(actor, export.access):
        raise rules.AccessChanged
    return actor


async def has_room(actor: Actor) -> bool:
    """Whether one more export may be under way beside those that are."""
    limit = rules.open_max(actor)
    open = column("status").one_of(sorted(rules.OPEN))
    theirs = shares_with(actor, actor.customer_id if actor.is_customer else None)
    return len(await find_rows(BulkExport, theirs & open, limit=limit)) < limit


def shares_with(actor: Actor, customer_id: str | None) -> Condition:
    """The exports that share their limits: those of a customer's account, or those of all others of the company."""
    theirs = column("customer_id").is_null() if customer_id is None else column("customer_id") == customer_id
    return (column("organization_id") == actor.organization_id) & theirs


def link_to(actor: Actor, export_id: str, secret: str) -> str:
    """A link to the file for one actor, good for some minutes. Whoever has it has the file, so it is a secret."""
    until = int((utc_now() + rules.LINK_LASTS).timestamp())
    token = tokens.signed_token(LINK, secret, export_id, actor.id, until)
    return f"/exports/{export_id}?for={actor.id}&until={until}&token={token}"


@dataclass(frozen=True, slots=True)
class Download:
    """A file that may be taken, and by whom."""

    export: BulkExport
    actor: Actor
    path: Path


async def find_download(id: str, for_: str, until: int, token: str) -> Download:
    """The file behind a link. One that was made up is ``NotFound``; for whom it was made is looked at anew."""
    found = await find_rows(BulkExport, (column("id") == id) & (column("status") == ExportStatus.READY))
    if not found or not tokens.is_signed(token, LINK, found[0].link_secret or "", id, for_, until):
        raise NotFound(BulkExport.noun, id[:60])
    [export] = found
    now = utc_now()
    if datetime.fromtimestamp(until, UTC) <= now:
        raise rules.LinkExpired
    try:
        actor = await actor_now(export.organization_id, for_)
    except NotAuthenticated:
        raise NotPermitted(Permission.EXPORT_DATA) from None
    if not rules.may_download(actor, export.requested_by, export.access):
        raise NotPermitted(Permission.EXPORT_DATA)
    if export.expires_at is None or export.expires_at <= now:
        raise NotFound(BulkExport.noun, id)
    return Download(export, actor, await storage.exports().find(export.position["file"]))


async def find_exports_to_expire(now: datetime, limit: int) -> list[BulkExport]:
    """Exports whose file was kept long enough, in every organization."""
    over = (column("status") == ExportStatus.READY) & (column("expires_at") <= now)
    return await find_rows(BulkExport, over, order=["expires_at"], limit=limit)


async def find_open_exports() -> list[BulkExport]:
    """Exports that wait or are under way, in every organization."""
    return await find_rows(BulkExport, column("status").one_of(sorted(rules.OPEN)))


async def find_kept_files() -> set[str]:
    """The files of exports that are under way or ready, in every organization."""
    kept = column("status").one_of(sorted({*rules.OPEN, ExportStatus.READY}))
    rows = await find_rows(BulkExport, kept)
    return {name for row in rows for name in (row.position.get("file"), file_of(row)) if name}


def file_of(export: BulkExport) -> str:
    """The name of the file that the worker writes who has the export in hand."""
    return f"{export.id}.{export.runner}"


async def seq_needed(organization_id: str) -> int | None:
    """The place in the journal behind which facts are still needed by those who go on from an export; None for nobody."""
    going_on = column("status").one_of(sorted({*rules.OPEN, ExportStatus.READY}))
    exports = await find_rows(BulkExport, (column("organization_id") == organization_id) & going_on)
    return min((journal.seq_of(one.cursor, organization_id) for one in exports if one.cursor), default=None)
