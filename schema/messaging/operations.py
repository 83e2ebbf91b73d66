"""What clients may ask about alerts, messages and notifications, do with them, and hear of them."""

from collections.abc import Sequence
from typing import Annotated

from app.infrastructure.conditions import Condition, everything
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, IllegalTransition, StaleVersion
from app.kernel.permissions import Permission
from app.messaging import commands, queries
from app.messaging.events import MessageSent, NotificationAdded, NotificationsRead
from app.messaging.rules import MessageVisibility, NotificationKind
from schema.kit import ID, SIGNED_IN, Connection, about, arg, inputs, many, mutation, one, query
from schema.kit.live import changed, heard
from schema.messaging.types import (
    Alert,
    AlertFilter,
    AlertOrder,
    Conversation,
    ConversationFilter,
    ConversationOrder,
    Message,
    MessageEvent,
    MessageFilter,
    MessageOrder,
    Notification,
    NotificationEvent,
    NotificationFilter,
    NotificationOrder,
    NotificationPreferences,
    ReadNotifications,
)

VERSION = "The version you saw; refused when it is no longer the current one."


def not_over(
    actor: Actor,
    include_resolved: Annotated[bool, arg("Those that are over as well; only the others without it.")] = False,
) -> Condition:
    """Alerts that still need attention, or all."""
    return everything() if include_resolved else queries.unresolved()


class Queries:
    """What clients may ask."""

    alert: Alert | None = one("One alert.", permission=Permission.VIEW_ALERTS)
    alerts: Connection[Alert] = many(
        "What needs attention, the newest first unless told otherwise.",
        permission=Permission.VIEW_ALERTS,
        filter=AlertFilter,
        order=AlertOrder,
        where=not_over,
    )
    conversation: Conversation | None = one("One conversation.", permission=Permission.VIEW_MESSAGES)
    conversations: Connection[Conversation] = many(
        "The conversations that you may see, the latest first unless told otherwise. A work order's is its conversation.",
        permission=Permission.VIEW_MESSAGES,
        filter=ConversationFilter,
        order=ConversationOrder,
    )
    messages: Connection[Message] = many(
        "The messages of all conversations that you may see, the newest first unless told otherwise.",
        permission=Permission.VIEW_MESSAGES,
        filter=MessageFilter,
        order=MessageOrder,
    )
    notifications: Connection[Notification] = many(
        "What you were told, the newest first unless told otherwise.",
        permission=SIGNED_IN,
        filter=NotificationFilter,
        order=NotificationOrder,
    )

    @query("How many notifications you have not read.", permission=SIGNED_IN)
    async def unread_notification_count(actor: Actor) -> int:
        """The own ones."""
        return await queries.count_unread_notifications(actor)

    @query("Of what you are told, as you said with updateNotificationPreferences.", permission=SIGNED_IN)
    async def notification_preferences(actor: Actor) -> NotificationPreferences:
        """All but what is muted."""
        return _preferences(await queries.find_muted_kinds(actor))


@inputs
class AlertStepInput:
    """An alert that somebody sees to."""

    id: ID = about("Which alert.")
    version: int | None = about(VERSION, default=None)


@inputs
class SendMessageInput:
    """A message to send. At most one of the four ids says what it is about; without any, it is between you, as a customer or a
    technician, and the office."""

    text: str = about("What to write, 1 to 10,000 characters.")
    conversation_id: ID | None = about("In which conversation.", default=None)
    work_order_id: ID | None = about("About which work.", default=None)
    customer_id: ID | None = about("To which customer, not about work; only the office says so.", default=None)
    technician_id: ID | None = about("To which technician, not about work; only the office says so.", default=None)
    visibility: MessageVisibility | None = about(
        "Who may read it; a customer's message is for everyone, anybody else's internal.", default=None
    )
    id: ID | None = about("An id that you made, msg_ and a UUIDv7; one is made if you leave it out.", default=None)


@inputs
class MarkConversationReadInput:
    """What has been read."""

    id: ID = about("Which conversation.")
    message_id: ID | None = about("Up to which message; to the end unless given.", default=None)


@inputs
class MarkNotificationsReadInput:
    """What has been read."""

    ids: list[ID] | None = about("Which notifications, at most 100; all unless given.", default=None)


@inputs
class UpdateNotificationPreferencesInput:
    """Of what to be told."""

    muted_kinds: list[NotificationKind] = about("Of what not to be told, all of it; an empty list mutes nothing.")


class Mutations:
    """What clients may do."""

    @mutation(
        Alert,
        "Takes care of an alert; others see who does. Of one that was acknowledged already, nothing changes.",
        permission=Permission.MANAGE_ALERTS,
        problems=(IllegalTransition, StaleVersion),
    )
    async def acknowledge_alert(actor: Actor, input: AlertStepInput) -> str:
        """See the command."""
        return await commands.acknowledge_alert(actor, input.id, version=input.version)

    @mutation(
        Alert,
        "Says that an alert needs no attention any more. It does not come back for the same cause: the same visit at the "
        "same time, the same due time. Of one that was resolved already, nothing changes.",
        permission=Permission.MANAGE_ALERTS,
        problems=(StaleVersion,),
    )
    async def resolve_alert(actor: Actor, input: AlertStepInput) -> str:
        """See the command."""
        return await commands.resolve_alert(actor, input.id, version=input.version)

    @mutation(
        Message,
        "Writes a message. The first one about work, to a customer or a technician begins the conversation. It goes to the "
        "technicians who have a visit for the work, and to the office.",
        permission=Permission.SEND_MESSAGES,
        problems=(AlreadyExists,),
    )
    async def send_message(actor: Actor, input: SendMessageInput) -> str:
        """See the command."""
        about = commands.About(input.conversation_id, input.work_order_id, input.customer_id, input.technician_id)
        return await commands.send_message(actor, about, input.text, visibility=input.visibility, id=input.id)

    @mutation(
        Conversation,
        "Notes that you have read a conversation; others' counts of unread messages stay as they are.",
        permission=Permission.SEND_MESSAGES,
    )
    async def mark_conversation_read(actor: Actor, input: MarkConversationReadInput) -> str:
        """See the command."""
        return await commands.mark_conversation_read(actor, input.id, message_id=input.message_id)

    @mutation(
        ReadNotifications,
        "Notes that you have read some of your notifications, or all.",
        permission=SIGNED_IN,
    )
    async def mark_notifications_read(actor: Actor, input: MarkNotificationsReadInput) -> ReadNotifications:
        """See the command."""
        count = await commands.mark_notifications_read(actor, input.ids)
        return ReadNotifications(count=count, unread_count=await queries.count_unread_notifications(actor))

    @mutation(
        NotificationPreferences,
        "Says of what you do not want to be told any more. What you were told stays.",
        permission=SIGNED_IN,
    )
    async def update_notification_preferences(
        actor: Actor, input: UpdateNotificationPreferencesInput
    ) -> NotificationPreferences:
        """See the command."""
        return _preferences(await commands.update_notification_preferences(actor, input.muted_kinds))


def _preferences(muted_kinds: Sequence[str]) -> NotificationPreferences:
    return NotificationPreferences(muted_kinds=[NotificationKind(kind) for kind in muted_kinds])


class Subscriptions:
    """What clients may hear."""

    alerts = changed(
        Alert,
        "What happens to alerts: AlertRaised, AlertSeverityChanged, AlertUpdated (other words, technicians or promise), "
        "AlertAcknowledged, AlertResolved; each as one fact, in order.",
        permission=Permission.VIEW_ALERTS,
    )

    @heard(
        "Messages as they are sent, your own from elsewhere included: to the office all, to a technician those about the own "
        "work, to a customer those for everyone.",
        permission=Permission.VIEW_MESSAGES,
        facts=(MessageSent,),
    )
    async def message_received(
        actor: Actor,
        entries: Sequence[Entry],
        conversation_id: Annotated[ID | None, arg("Only those of this conversation.")] = None,
        work_order_id: Annotated[ID | None, arg("Only those about this work.")] = None,
    ) -> list[MessageEvent]:
        """Each message that the actor may read."""
        internal_too = actor.holds(Permission.VIEW_INTERNAL_NOTES)
        return [
            MessageEvent(
                cursor=entry.cursor,
                at=entry.at,
                visibility=MessageVisibility(said["visibility"]),
                message_id=ID(entry.subject_id),
                conversation_id=ID(said["conversation_id"]),
            )
            for entry in entries
            for said in [entry.payload]
            if (internal_too or said["visibility"] == MessageVisibility.EVERYONE)
            and conversation_id in (None, said["conversation_id"])
            and work_order_id in (None, said["work_order_id"])
        ]

    @heard(
        "What you are told, and what you read of it, here or elsewhere.",
        permission=SIGNED_IN,
        facts=(NotificationAdded, NotificationsRead),
        personal=True,
    )
    async def notifications(actor: Actor, entries: Sequence[Entry]) -> list[NotificationEvent]:
        """The very user's own."""
        own = [entry for entry in entries if entry.payload["user_id"] == actor.id]
        unread_count = await queries.count_unread_notifications(actor) if own else 0
        return [
            NotificationEvent(
                cursor=entry.cursor,
                at=entry.at,
                fact=entry.type,
                unread_count=unread_count,
                notification_id=ID(entry.subject_id),
            )
            for entry in own
        ]
