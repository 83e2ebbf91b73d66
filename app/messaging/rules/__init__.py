"""What is true of what is said to people: the words of alerts and messages, and the life of an alert. Pure."""

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
from app.messaging.rules.messages import MESSAGE_TEXT_LENGTH_MAX, AuthorKind, MessageVisibility

__all__ = [
    "ALERT",
    "KIND_LABELS",
    "MESSAGE_TEXT_LENGTH_MAX",
    "SEVERITY_LABELS",
    "UNRESOLVED",
    "AlertKind",
    "AlertSeverity",
    "AlertStatus",
    "AuthorKind",
    "Danger",
    "MessageVisibility",
    "kind_label",
    "severity_label",
]
