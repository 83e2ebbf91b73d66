"""What alerts can be about, how grave they are, and how they end."""

from dataclasses import dataclass
from enum import StrEnum

from app.kernel.lifecycle import Lifecycle


class AlertKind(StrEnum):
    """What an alert is about."""

    ASSIGNMENT_DECLINED = "ASSIGNMENT_DECLINED"
    VISIT_FAILED = "VISIT_FAILED"
    VISIT_LATE = "VISIT_LATE"
    SLA_AT_RISK = "SLA_AT_RISK"
    SLA_BREACHED = "SLA_BREACHED"
    EMERGENCY_WAITING = "EMERGENCY_WAITING"
    PLAN_FAILED = "PLAN_FAILED"


class AlertSeverity(StrEnum):
    """How grave an alert is, the least first."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class AlertStatus(StrEnum):
    """Whether somebody still has to look."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class Danger:
    """What an alert would say of a thing right now. The same ``cause`` is told once."""

    kind: AlertKind
    severity: AlertSeverity
    cause: str


K = AlertKind
KIND_LABELS: dict[AlertKind, str] = {
    K.ASSIGNMENT_DECLINED: "Visit declined",
    K.VISIT_FAILED: "Visit without success",
    K.VISIT_LATE: "Visit late",
    K.SLA_AT_RISK: "Due soon",
    K.SLA_BREACHED: "Overdue",
    K.EMERGENCY_WAITING: "Emergency waiting",
    K.PLAN_FAILED: "No plan",
}
SEVERITY_LABELS: dict[AlertSeverity, str] = {
    AlertSeverity.INFO: "Good to know",
    AlertSeverity.WARNING: "Needs attention",
    AlertSeverity.CRITICAL: "Act now",
}

# What is over stays over: when the same happens again, it is another alert.
ALERT: Lifecycle[AlertStatus] = Lifecycle(
    "alert",
    {
        AlertStatus.OPEN: frozenset({AlertStatus.ACKNOWLEDGED, AlertStatus.RESOLVED}),
        AlertStatus.ACKNOWLEDGED: frozenset({AlertStatus.RESOLVED}),
        AlertStatus.RESOLVED: frozenset(),
    },
)
UNRESOLVED = (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)


def kind_label(kind: str) -> str:
    """What an alert is about, in plain words."""
    return KIND_LABELS[AlertKind(kind)]


def severity_label(severity: str) -> str:
    """How grave an alert is, in plain words."""
    return SEVERITY_LABELS[AlertSeverity(severity)]
