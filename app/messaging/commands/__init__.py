"""Everything that is done with what is said to people: alerts are raised, acknowledged and resolved."""

from app.messaging.commands.alerts import (
    MESSAGE_LENGTH_MAX,
    acknowledge_alert,
    raise_alert,
    resolve_alert,
    resolve_alerts,
)

__all__ = ["MESSAGE_LENGTH_MAX", "acknowledge_alert", "raise_alert", "resolve_alert", "resolve_alerts"]
