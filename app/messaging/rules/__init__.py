"""What is true of what is said to people: the words and the life of an alert. Pure."""

from app.messaging.rules.alerts import (
    ALERT,
    KIND_LABELS,
    SEVERITY_LABELS,
    UNRESOLVED,
    AlertKind,
    AlertSeverity,
    AlertStatus,
    Danger,
    kind_label,
    severity_label,
)

__all__ = [
    "ALERT",
    "KIND_LABELS",
    "SEVERITY_LABELS",
    "UNRESOLVED",
    "AlertKind",
    "AlertSeverity",
    "AlertStatus",
    "Danger",
    "kind_label",
    "severity_label",
]
