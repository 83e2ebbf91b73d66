"""Everything that is done with what is said to people: alerts are raised and seen to, messages written and read."""

from app.messaging.commands.alerts import (
    MESSAGE_LENGTH_MAX,
    acknowledge_alert,
    raise_alert,
    resolve_alert,
    resolve_alerts,
)
from app.messaging.commands.messages import About, mark_conversation_read, send_message

__all__ = [
    "MESSAGE_LENGTH_MAX",
    "About",
    "acknowledge_alert",
    "mark_conversation_read",
    "raise_alert",
    "resolve_alert",
    "resolve_alerts",
    "send_message",
]
