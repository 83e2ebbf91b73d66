"""Saying when open work may not be done in time, and taking it back when that is over."""

from datetime import datetime
from typing import Any

from app.customers.models import Site
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import spoken, zone
from app.kernel.permissions import Permission
from app.messaging import commands as messaging
from app.messaging.rules import AlertKind, Danger
from app.work_orders import models, rules
from app.work_orders.queries import dangers_of


@command(Permission.MANAGE_ALERTS)
async def watch_work_order(actor: Actor, id: str, *, now: datetime) -> list[str]:
    """Make the alerts about a work order say what is true at a moment; the ids of those that are raised."""
    row = await _read(actor, id)
    if dangers_of(row, now):
        # Looked at again while nobody can change it: what is told must be true.
        row = await _read(actor, id, lock=True)
    dangers = {danger.kind: danger for danger in dangers_of(row, now)}
    for kind in rules.WATCH_KINDS:
        await _take_back(actor, row, kind, dangers)
    raised = [await _tell(actor, row, danger) for danger in dangers.values()]
    return [one for one in raised if one is not None]


async def _take_back(actor: Actor, row: models.WorkOrder, kind: AlertKind, dangers: dict[AlertKind, Danger]) -> None:
    about = column("subject_id") == row.id
    instead = (
        next((one for one in rules.DUE_KINDS if one in dangers and one is not kind), None)
        if kind in rules.DUE_KINDS
        else None
    )
    if kind in dangers:
        # Of another due time than the one that holds now.
        about = about & (column("cause") != dangers[kind].cause)
        instead = kind
    await messaging.resolve_alerts(actor, [kind], about, superseded_by=instead, may_return=True)


async def _tell(actor: Actor, row: models.WorkOrder, danger: Danger) -> str | None:
    [site] = await find_rows(Site, column("id") == row.site_id)
    scope: dict[str, Any] = {
        "work_order_id": row.id,
        "customer_id": row.customer_id,
        "territory_id": site.territory_id,
        "due_at": row.due_at,
    }
    return await messaging.raise_alert(actor, danger, row.id, _words(row, danger, site), **scope)


def _words(row: models.WorkOrder, danger: Danger, site: Site) -> str:
    local = zone(site.time_zone)
    if danger.kind is AlertKind.EMERGENCY_WAITING:
        return f"Emergency {row.number} waits for a visit since {spoken(row.submitted_at, local)}: {row.summary}"
    assert row.due_at is not None
    if danger.kind is AlertKind.SLA_BREACHED:
        return f"{row.number} is overdue since {spoken(row.due_at, local)}: {row.summary}"
    return f"{row.number} must be done by {spoken(row.due_at, local)}: {row.summary}"


async def _read(actor: Actor, id: str, *, lock: bool = False) -> models.WorkOrder:
    mine = (column("organization_id") == actor.organization_id) & (column("id") == id)
    [row] = await find_rows(models.WorkOrder, mine, lock=lock)
    return row
