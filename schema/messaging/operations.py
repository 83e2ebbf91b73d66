"""What clients may ask about alerts and messages, do with them, and hear of them."""

from collections.abc import Sequence
from typing import Annotated

from app.infrastructure.conditions import Condition, everything
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, IllegalTransition, StaleVersion
from app.kernel.permissions import Permission
from app.messaging import commands, queries
from app.messaging.events import MessageSent
from app.messaging.rules import MessageVisibility
from schema.kit import ID, Connection, about, arg, inputs, many, mutation, one
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
        permission=Permission.VIEW_MESSAGES,
    )
    async def mark_conversation_read(actor: Actor, input: MarkConversationReadInput) -> str:
        """See the command."""
        return await commands.mark_conversation_read(actor, input.id, message_id=input.message_id)


class Subscriptions:
    """What clients may hear."""

    alerts = changed(
        Alert,
        "What happens to alerts: AlertRaised, AlertSeverityChanged, AlertAcknowledged, AlertResolved; each as one fact, in "
        "order.",
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
