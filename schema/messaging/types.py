"""What clients may see of alerts."""

from datetime import datetime

from app.kernel.permissions import Permission
from app.messaging import models, rules
from app.messaging.rules import AlertKind, AlertSeverity, AlertStatus
from schema.company.types import Territory
from schema.identity.types import User
from schema.kit import (
    ID,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    Node,
    StringFilter,
    by,
    col,
    computed,
    describe_enum,
    either,
    filterable,
    orderable,
    parent,
    ranked,
    readable,
)

K = AlertKind
describe_enum(
    AlertKind,
    "What an alert is about.",
    {
        K.ASSIGNMENT_DECLINED: "A technician turned a visit down. Over when the visit is given a time or technicians again.",
        K.VISIT_FAILED: "A visit ended without success. Over when another one is booked, or the work is decided on.",
        K.VISIT_LATE: "A visit has not begun and is late, or will be by its ETA: later than its window, or than 15 minutes "
        "after its planned start where it has none. Over when the technicians arrive or the visit is moved.",
        K.SLA_AT_RISK: "Open work is due soon: within 24 hours for LOW, 8 for NORMAL, 4 for HIGH, 2 for URGENT, 1 for "
        "EMERGENCY. Over when it is done, or due at another time.",
        K.SLA_BREACHED: "Open work is overdue. Over when it is done, or due at another time.",
        K.EMERGENCY_WAITING: "An emergency has waited for 15 minutes without a visit being booked.",
        K.PLAN_FAILED: "The planner could not make a plan. Over when there is one for that day.",
    },
)
describe_enum(
    AlertSeverity,
    "How grave an alert is.",
    {
        AlertSeverity.INFO: "Good to know.",
        AlertSeverity.WARNING: "Needs attention.",
        AlertSeverity.CRITICAL: "Act now.",
    },
)
describe_enum(
    AlertStatus,
    "Whether somebody still has to look.",
    {
        AlertStatus.OPEN: "Nobody has taken it up.",
        AlertStatus.ACKNOWLEDGED: "Somebody takes care of it.",
        AlertStatus.RESOLVED: "Over: somebody said so, or what it is about is seen to.",
    },
)


@filterable(models.Alert)
class AlertFilter:
    """Which alerts."""

    id: IdFilter | None = by("Its id.")
    kind: EnumFilter[AlertKind] | None = by("What it is about.")
    severity: EnumFilter[AlertSeverity] | None = by("How grave it is.")
    status: EnumFilter[AlertStatus] | None = by("Whether somebody still has to look.")
    subject_id: IdFilter | None = by("The id of the visit, work order or plan run that it is about.")
    work_order_id: IdFilter | None = by("About which work.")
    appointment_id: IdFilter | None = by("About which visit.")
    territory_id: IdFilter | None = by("In which territory.")
    acknowledged_by_id: IdFilter | None = by("Who takes care of it.")
    resolved_by_id: IdFilter | None = by("Who said that it is over.")
    message: StringFilter | None = by("What it says.")
    due_at: DateTimeFilter | None = by("By when something was promised.")
    raised_at: DateTimeFilter | None = by("When it was raised.")
    acknowledged_at: DateTimeFilter | None = by("When somebody took it up.")
    resolved_at: DateTimeFilter | None = by("When it was over.")


AlertOrder = orderable(
    "AlertOrder",
    models.Alert,
    default=("-raised_at",),
    raised_at="When it was raised.",
    severity=ranked("The gravest last.", "severity", [str(one) for one in AlertSeverity]),
    kind="What it is about.",
    status="Whether somebody still has to look.",
    message="What it says.",
    due_at="By when something was promised; those without come last.",
    acknowledged_at="When somebody took it up.",
    resolved_at="When it was over.",
)


@readable(models.Alert, permission=Permission.VIEW_ALERTS)
class Alert(Node):
    """Something that needs attention, until somebody or time takes care of it. The office sees all, a technician what is about
    the own visits, a customer none."""

    version: int = col("Counts up with every change.")
    kind: AlertKind = col("What it is about.", facet=True)
    kind_label: str = computed("What it is about, in plain words.", rules.kind_label, needs=("kind",))
    severity: AlertSeverity = col("How grave it is.", facet=True)
    severity_label: str = computed("How grave it is, in plain words.", rules.severity_label, needs=("severity",))
    status: AlertStatus = col("Whether somebody still has to look.", facet=True)
    message: str = col("What is the matter, in plain words.")
    subject_id: ID = col("The id of the visit, work order or plan run that it is about.")
    subject: Node = either("What it is about; null when you may not see it, or when it is gone.")
    due_at: datetime | None = col("By when something was promised; null when nothing was.")
    raised_at: datetime = col("When it was raised.", facet=True)
    acknowledged_at: datetime | None = col("When somebody took it up; null until then.")
    acknowledged_by: User = parent("The person who takes care of it.")
    resolved_at: datetime | None = col("When it was over; null until then.")
    resolved_by: User = parent("The person who said that it is over; null when time or an event did.")
    territory: Territory = parent("Where it is about.", facet="name")
