"""Alerts: raised and resolved by the rooms that know why, acknowledged and resolved by people."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import change_row, lock_one, require_text
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now
from app.kernel.ids import new_id
from app.kernel.permissions import Permission
from app.messaging import events, queries
from app.messaging.models import Alert
from app.messaging.rules import ALERT, AlertKind, AlertStatus, Danger

MESSAGE_LENGTH_MAX = 500
# What of an alert follows what it is about, for as long as it is not resolved.
RENEWED = ("severity", "message", "technician_ids", "territory_id", "due_at")


@command(Permission.MANAGE_ALERTS)
async def raise_alert(
    actor: Actor,
    danger: Danger,
    subject_id: str,
    message: str,
    *,
    work_order_id: str | None = None,
    appointment_id: str | None = None,
    customer_id: str | None = None,
    territory_id: str | None = None,
    technician_ids: Sequence[str] = (),
    due_at: datetime | None = None,
) -> str | None:
    """Say that something needs attention; the alert's id. While one of that kind about the subject is not resolved, it is made
    to say what is true now. None when the same cause led to it before and somebody resolved it.
    """
    now = utc_now()
    row = Alert(
        id=new_id(Alert.prefix),
        created_at=now,
        updated_at=now,
        organization_id=actor.organization_id,
        kind=danger.kind.value,
        severity=danger.severity.value,
        status=AlertStatus.OPEN.value,
        subject_id=subject_id,
        work_order_id=work_order_id,
        appointment_id=appointment_id,
        customer_id=customer_id,
        territory_id=territory_id,
        technician_ids=list(technician_ids),
        message=require_text(message, "message", longest=MESSAGE_LENGTH_MAX),
        due_at=due_at,
        cause=danger.cause,
        raised_at=now,
    )
    # Two that raise the same at once do not fail: the rules of the table let one in, and the other finds it.
    await Alert.bulk_create([row], ignore_conflicts=True)
    about = column("subject_id") == subject_id
    found = await queries.find_unresolved(actor.organization_id, [danger.kind], about, lock=True)
    if not found:
        return None
    alert = found[0]
    if alert.id == row.id:
        journal.record(events.AlertRaised(**_told(alert)))
    else:
        await _renew(alert, row)
    return alert.id


async def _renew(alert: Alert, now: Alert) -> None:
    """Make an alert say what is true now. Those whom it concerned hear that it no longer does."""
    before = tuple(alert.technician_ids)
    changes = await change_row(alert, **{name: getattr(now, name) for name in RENEWED})
    if not changes:
        return
    told = _told(alert) | {"technician_ids": tuple(dict.fromkeys((*alert.technician_ids, *before)))}
    if "severity" in changes:
        journal.record(events.AlertSeverityChanged(**told, changes={"severity": changes["severity"]}))
    else:
        journal.record(events.AlertUpdated(**told))


@command(Permission.MANAGE_ALERTS)
async def acknowledge_alert(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Take care of it; others see that somebody does. Of one that was acknowledged already, nothing changes."""
    alert = await lock_one(Alert, actor, id, version=version)
    if alert.status == AlertStatus.ACKNOWLEDGED:
        return alert.id
    changes = await _change_status(
        alert, AlertStatus.ACKNOWLEDGED, acknowledged_at=utc_now(), acknowledged_by_id=actor.id
    )
    journal.record(events.AlertAcknowledged(**_told(alert), changes=changes))
    return alert.id


@command(Permission.MANAGE_ALERTS)
async def resolve_alert(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Say that it needs no attention any more. Of one that was resolved already, nothing changes."""
    alert = await lock_one(Alert, actor, id, version=version)
    if alert.status != AlertStatus.RESOLVED:
        await _resolve(actor, alert)
    return alert.id


@command(Permission.MANAGE_ALERTS)
async def resolve_alerts(
    actor: Actor,
    kinds: Iterable[AlertKind],
    about: Condition,
    *,
    superseded_by: AlertKind | None = None,
    may_return: bool = False,
) -> list[str]:
    """What the alerts of some kinds were about is over, because something happened: those of which a condition is true.

    Those that ``may_return`` are raised anew when the same cause leads to them once more.
    """
    found = await queries.find_unresolved(actor.organization_id, kinds, about, lock=True)
    for alert in found:
        await _resolve(actor, alert, superseded_by, **({"cause": None} if may_return else {}))
    return [alert.id for alert in found]


async def _resolve(actor: Actor, alert: Alert, superseded_by: AlertKind | None = None, **values: Any) -> None:
    by = None if actor.kind is ActorKind.SYSTEM else actor.id
    changes = await _change_status(alert, AlertStatus.RESOLVED, resolved_at=utc_now(), resolved_by_id=by, **values)
    journal.record(
        events.AlertResolved(
            **_told(alert), changes=changes, superseded_by=superseded_by.value if superseded_by else None
        )
    )


async def _change_status(alert: Alert, to: AlertStatus, **values: Any) -> dict[str, list[Any]]:
    """The one way an alert's status changes: checked against the table; only the status is audited."""
    ALERT.require(AlertStatus(alert.status), to)
    changes = await change_row(alert, status=to.value, **values)
    return {"status": changes["status"]}


def _told(alert: Alert) -> dict[str, Any]:
    """What every fact about an alert says."""
    return {
        "subject_id": alert.id,
        "technician_ids": tuple(alert.technician_ids or ()),
        "kind": alert.kind,
        "severity": alert.severity,
        "about_id": alert.subject_id,
        "work_order_id": alert.work_order_id,
        "appointment_id": alert.appointment_id,
        "due_at": alert.due_at.isoformat() if alert.due_at else None,
    }
