"""What happened to what is said to people. No text is part of a fact: the journal keeps it for ever."""

from dataclasses import dataclass

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class AlertFact(Fact):
    """Something that happened to an alert; ``about_id`` is what the alert is about. Customers never hear of it."""

    noun = "alert"
    kind: str
    severity: str
    about_id: str
    work_order_id: str | None = None
    appointment_id: str | None = None
    due_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class AlertRaised(AlertFact):
    """Something needs attention."""


@dataclass(frozen=True, kw_only=True)
class AlertSeverityChanged(AlertFact):
    """It is graver than it was, or less so."""


@dataclass(frozen=True, kw_only=True)
class AlertUpdated(AlertFact):
    """It is as grave as it was, and what it says, whom it concerns or what was promised is different."""


@dataclass(frozen=True, kw_only=True)
class AlertAcknowledged(AlertFact):
    """Somebody takes care of it."""


@dataclass(frozen=True, kw_only=True)
class AlertResolved(AlertFact):
    """It needs no attention any more; ``superseded_by`` is the kind of alert that took its place, if one did."""

    superseded_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class MessageSent(Fact):
    """Somebody wrote. A customer hears of what is for everyone."""

    noun = "message"
    conversation_id: str
    visibility: str
    work_order_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConversationRead(Fact):
    """Somebody has read a conversation up to the message of a number."""

    noun = "conversation"
    user_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class NotificationAdded(Fact):
    """Somebody is told something."""

    noun = "notification"
    user_id: str
    kind: str


class NotificationPreferencesUpdated(Fact):
    """Somebody wants to be told of other things than before."""

    noun = "notification preference"


@dataclass(frozen=True, kw_only=True)
class NotificationsRead(Fact):
    """Somebody has read so many notifications; the subject is the newest of them."""

    noun = "notification"
    user_id: str
    count: int
