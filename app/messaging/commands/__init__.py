"""Everything that is done with what is said to people: alerts are raised and seen to, messages written and read, people notified."""

from app.messaging.commands.alerts import (
    MESSAGE_LENGTH_MAX,
    acknowledge_alert,
    raise_alert,
    resolve_alert,
    resolve_alerts,
)
from app.messaging.commands.messages import About, mark_conversation_read, send_message
from app.messaging.commands.notifications import (
    forget_old_notifications,
    mark_notifications_read,
    notify,
    update_notification_preferences,
)

__all__ = [
    "MESSAGE_LENGTH_MAX",
    "About",
    "acknowledge_alert",
    "forget_old_notifications",
    "mark_conversation_read",
    "mark_notifications_read",
    "notify",
    "raise_alert",
    "resolve_alert",
    "resolve_alerts",
    "send_message",
    "update_notification_preferences",
]
