"""What is true of what is said to people: the words of alerts, messages and notifications, the life of an alert. Pure."""

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
from app.messaging.rules.notifications import (
    ALL_KEPT,
    BODY_LENGTH_MAX,
    EXCERPT_LENGTH,
    MARKED_MAX,
    READ_ONES_KEPT,
    TITLE_LENGTH_MAX,
    NotificationKind,
    shortened,
)

__all__ = [
    "ALERT",
    "ALL_KEPT",
    "BODY_LENGTH_MAX",
    "EXCERPT_LENGTH",
    "KIND_LABELS",
    "MARKED_MAX",
    "MESSAGE_TEXT_LENGTH_MAX",
    "READ_ONES_KEPT",
    "SEVERITY_LABELS",
    "TITLE_LENGTH_MAX",
    "UNRESOLVED",
    "AlertKind",
    "AlertSeverity",
    "AlertStatus",
    "AuthorKind",
    "Danger",
    "MessageVisibility",
    "NotificationKind",
    "kind_label",
    "severity_label",
    "shortened",
]
