"""What this room does in the background: tells people of messages and alerts, and forgets what is old."""

from app.identity import notices
from app.identity.events import (
    AccessRequested,
    ApiKeyExpiring,
    PasswordChanged,
    SecondFactorAdded,
    SecondFactorRemoved,
    SecondFactorsReset,
    UnusualSignIn,
    UserUpdated,
)
from app.identity.models import AccessRequest, User
from app.identity.rules import SignInOddity
from app.infrastructure.conditions import column
from app.infrastructure.followers import follows
from app.infrastructure.journal import Entry
from app.infrastructure.tables import find_rows
from app.infrastructure.timers import every
from app.kernel.actor import Actor
from app.messaging import commands, queries
from app.messaging.events import AlertRaised, AlertSeverityChanged, MessageSent
from app.messaging.models import Alert, Conversation, Message
from app.messaging.rules import (
    EXCERPT_LENGTH,
    AlertSeverity,
    AlertStatus,
    NotificationKind,
    kind_label,
    shortened,
)

# What is older is no news; whoever looks finds it in the list.
NEWS_HOURS = 24

every(seconds=6 * 3600, name="messaging.forget_old_notifications")(commands.forget_old_notifications)


@follows(MessageSent, forget_after_hours=NEWS_HOURS)
async def tell_of_messages(actor: Actor, entry: Entry) -> None:
    """A message goes to the technicians of the work, to who took part, and to the customer if it is for everyone."""
    [message] = await find_rows(Message, column("id") == entry.subject_id)
    [conversation] = await find_rows(Conversation, column("id") == message.conversation_id)
    users = await queries.find_recipients(conversation, message)
    about = await queries.number_of(conversation)
    title = f"{message.author_name} wrote about {about}" if about else f"{message.author_name} wrote to you"
    await commands.notify(
        actor,
        users,
        NotificationKind.MESSAGE_RECEIVED,
        title,
        shortened(message.text, EXCERPT_LENGTH),
        subject_id=message.id,
        cause=entry.id,
    )


@follows(AlertRaised, AlertSeverityChanged, forget_after_hours=NEWS_HOURS)
async def tell_of_alerts(actor: Actor, entry: Entry) -> None:
    """What needs attention goes to the dispatchers, if it still does when they are told."""
    [alert] = await find_rows(Alert, column("id") == entry.subject_id)
    if alert.status == AlertStatus.RESOLVED or alert.severity == AlertSeverity.INFO or _eased(entry):
        return
    users: list[User] = await queries.find_dispatchers(actor.organization_id)
    await commands.notify(
        actor,
        users,
        NotificationKind.ALERT_RAISED,
        kind_label(alert.kind),
        alert.message,
        subject_id=alert.id,
        cause=entry.id,
    )


@follows(ApiKeyExpiring)
async def tell_of_keys_that_end(actor: Actor, entry: Entry) -> None:
    """That a partner's key ends soon goes to the administrators, while there is time to give the partner another."""
    users = await queries.find_administrators(actor.organization_id)
    title = f"The key {entry.payload['name']} ends soon"
    ends = f"It ends on {entry.payload['expires_at'][:10]}. Prolong it, or make another and give it to the partner."
    kind = NotificationKind.API_KEY_EXPIRING
    await commands.notify(actor, users, kind, title, ends, subject_id=entry.subject_id, cause=entry.id)


@follows(UnusualSignIn, forget_after_hours=NEWS_HOURS)
async def tell_of_unusual_sign_ins(actor: Actor, entry: Entry) -> None:
    """Who signed in as never before is told, where they see it who are signed in already."""
    oddities = [SignInOddity(one) for one in entry.payload["oddities"]]
    await _tell_owner(
        actor, entry, entry.payload["user_id"], "A sign-in to your account", notices.sentence_of(oddities)
    )


@follows(PasswordChanged, UserUpdated, forget_after_hours=NEWS_HOURS)
async def tell_of_changed_logins(actor: Actor, entry: Entry) -> None:
    """Whose password or login address changed is told."""
    if entry.type == PasswordChanged.__name__:
        await _tell_owner(actor, entry, entry.subject_id, *notices.of_password())
    elif "email" in entry.payload["changes"]:
        await _tell_owner(actor, entry, entry.subject_id, *notices.of_address())


@follows(SecondFactorAdded, SecondFactorRemoved, SecondFactorsReset, forget_after_hours=NEWS_HOURS)
async def tell_of_changed_factors(actor: Actor, entry: Entry) -> None:
    """Whose second factors changed is told."""
    await _tell_owner(actor, entry, entry.payload.get("user_id") or entry.subject_id, *notices.of_factors())


@follows(AccessRequested, forget_after_hours=NEWS_HOURS)
async def tell_of_access_requests(actor: Actor, entry: Entry) -> None:
    """That somebody asks for access goes to the administrators."""
    users = await queries.find_administrators(actor.organization_id)
    for request in await find_rows(AccessRequest, column("id") == entry.subject_id):
        title = f"{request.legal_name} asks for access"
        kind = NotificationKind.ACCESS_REQUESTED
        await commands.notify(actor, users, kind, title, request.message, subject_id=request.id, cause=entry.id)


async def _tell_owner(actor: Actor, entry: Entry, user_id: str, title: str, body: str) -> None:
    users = await find_rows(User, column("id") == user_id)
    kind = NotificationKind.SECURITY_NOTICE
    await commands.notify(actor, users, kind, title, body, subject_id=entry.subject_id, cause=entry.id)


def _eased(entry: Entry) -> bool:
    """Whether an alert became less grave, which nobody needs to be called for."""
    before, after = entry.payload["changes"].get("severity", (None, None))
    order = list(AlertSeverity)
    return before is not None and order.index(AlertSeverity(after)) < order.index(AlertSeverity(before))
