"""Whether work may not be done in time, and whether an emergency waits: what alerts say of open work."""

from datetime import datetime, timedelta

from app.kernel.work import Priority
from app.messaging.rules import AlertKind, AlertSeverity, Danger
from app.work_orders.rules.lifecycle import OPEN
from app.work_orders.rules.words import WorkOrderStatus

# How long before its due time open work is at risk. Urgent work has short terms, so its warnings come shortly before.
RISK_LEAD: dict[Priority, timedelta] = {
    Priority.LOW: timedelta(hours=24),
    Priority.NORMAL: timedelta(hours=8),
    Priority.HIGH: timedelta(hours=4),
    Priority.URGENT: timedelta(hours=2),
    Priority.EMERGENCY: timedelta(hours=1),
}
RISK_LEAD_MAX = max(RISK_LEAD.values())
# What has been overdue for longer is in the queue OVERDUE, and no news.
OVERDUE_NEWS_LASTS = timedelta(days=7)
GRAVE = frozenset({Priority.URGENT, Priority.EMERGENCY})

DUE_KINDS = (AlertKind.SLA_AT_RISK, AlertKind.SLA_BREACHED)
WATCH_KINDS = (*DUE_KINDS, AlertKind.EMERGENCY_WAITING)

EMERGENCY_WAITS_MAX = timedelta(minutes=15)
EMERGENCY_NEWS_LASTS = timedelta(days=1)
WITHOUT_A_VISIT = (WorkOrderStatus.SUBMITTED, WorkOrderStatus.TRIAGED)


def due_danger(id: str, *, status: str, priority: str, due_at: datetime | None, now: datetime) -> Danger | None:
    """Whether open work is overdue, or at risk of it."""
    if due_at is None or status not in OPEN or now < due_at - RISK_LEAD[Priority(priority)]:
        return None
    cause = f"{id} due {due_at.isoformat()}"
    if now >= due_at:
        return Danger(AlertKind.SLA_BREACHED, AlertSeverity.CRITICAL, cause)
    severity = AlertSeverity.CRITICAL if priority in GRAVE else AlertSeverity.WARNING
    return Danger(AlertKind.SLA_AT_RISK, severity, cause)


def waiting_danger(id: str, *, status: str, priority: str, submitted_at: datetime, now: datetime) -> Danger | None:
    """Whether an emergency has waited too long for a visit to be booked."""
    if priority != Priority.EMERGENCY or status not in WITHOUT_A_VISIT or now < submitted_at + EMERGENCY_WAITS_MAX:
        return None
    return Danger(AlertKind.EMERGENCY_WAITING, AlertSeverity.CRITICAL, f"{id} waits")
