"""Messages: written about a work order, or between the office and a customer or technician; and read."""

from dataclasses import dataclass

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import BY_PREFIX, add_row, change_row, find_one, find_rows, lock_one, require_text
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotFound
from app.kernel.ids import new_id
from app.kernel.permissions import Permission
from app.messaging import events, queries
from app.messaging.models import Conversation, ConversationReader, Message
from app.messaging.rules import MESSAGE_TEXT_LENGTH_MAX, MessageVisibility

# The tables of what one can write about are higher rooms', so they are found by their ids.
WORK_ORDER, CUSTOMER, TECHNICIAN = "wo", "cus", "tech"


@dataclass(frozen=True, slots=True)
class About:
    """What a conversation is about: a work order, a customer's account or a technician; none: the asker and the office."""

    conversation_id: str | None = None
    work_order_id: str | None = None
    customer_id: str | None = None
    technician_id: str | None = None

    def require_one(self) -> None:
        """Raise ``InvalidInput`` when it is more than one thing."""
        given = [self.conversation_id, self.work_order_id, self.customer_id, self.technician_id]
        if sum(one is not None for one in given) > 1:
            raise InvalidInput("Name one thing that the message is about.", path=["conversationId"])


@command(Permission.SEND_MESSAGES)
async def send_message(
    actor: Actor, about: About, text: str, *, visibility: str | None = None, id: str | None = None
) -> str:
    """Write a message; the message's id. Its conversation begins with the first one.

    A customer's is for everyone, anybody else's internal unless said otherwise. Who writes internally may read internal notes.
    """
    readers = _readers(actor, visibility)
    cleaned = require_text(text, "text", longest=MESSAGE_TEXT_LENGTH_MAX)
    conversation = await _conversation(actor, about)
    kind, name = await queries.author_of(actor)
    now = utc_now()
    message = await add_row(
        Message,
        id=id,
        organization_id=actor.organization_id,
        conversation_id=conversation.id,
        number=conversation.message_count + 1,
        work_order_id=conversation.work_order_id,
        customer_id=conversation.customer_id,
        author_kind=kind.value,
        author_id=actor.id,
        author_name=name,
        visibility=readers.value,
        text=cleaned,
        sent_at=now,
    )
    is_public = readers is MessageVisibility.EVERYONE
    public = {"last_public_message_at": now} if is_public else {}
    await change_row(conversation, message_count=message.number, last_message_at=now, **public)
    journal.record(
        events.MessageSent(
            subject_id=message.id,
            customer_id=conversation.customer_id if is_public else None,
            technician_ids=await queries.find_technicians_of(conversation),
            conversation_id=conversation.id,
            work_order_id=conversation.work_order_id,
            visibility=readers.value,
        )
    )
    return message.id


@command(Permission.SEND_MESSAGES)
async def mark_conversation_read(actor: Actor, id: str, *, message_id: str | None = None) -> str:
    """Note that the actor has read a conversation, up to a message or to its end. What was read stays so."""
    conversation = await find_one(Conversation, actor, id)
    number = conversation.message_count
    if message_id is not None:
        message = await find_one(Message, actor, message_id, path="messageId")
        if message.conversation_id != conversation.id:
            raise InvalidInput("This message is of another conversation.", path=["messageId"])
        number = message.number
    reader = await _reader(actor, conversation)
    if number > reader.read_number:
        await change_row(reader, read_number=number)
        journal.record(
            events.ConversationRead(
                subject_id=conversation.id,
                customer_id=actor.customer_id if actor.is_customer else None,
                technician_ids=(actor.technician_id,) if actor.technician_id else (),
                user_id=actor.id,
                number=number,
            )
        )
    return conversation.id


def _readers(actor: Actor, visibility: str | None) -> MessageVisibility:
    if visibility is None:
        return MessageVisibility.EVERYONE if actor.is_customer else MessageVisibility.INTERNAL
    try:
        readers = MessageVisibility(visibility)
    except ValueError:
        raise InvalidInput("A message is INTERNAL or for EVERYONE.", path=["visibility"]) from None
    if readers is MessageVisibility.INTERNAL:
        actor.require(Permission.VIEW_INTERNAL_NOTES)
    return readers


async def _conversation(actor: Actor, about: About) -> Conversation:
    """The conversation about a thing, kept for this transaction; a new one if there is none."""
    about.require_one()
    if about.conversation_id is not None:
        return await lock_one(Conversation, actor, about.conversation_id, path="conversationId")
    values = await _subject(actor, about)
    now = utc_now()
    row = Conversation(
        id=new_id(Conversation.prefix),
        created_at=now,
        updated_at=now,
        organization_id=actor.organization_id,
        **values,
    )
    # Of two who begin the same at once one does, and the other joins.
    await Conversation.bulk_create([row], ignore_conflicts=True)
    same = (column("organization_id") == actor.organization_id) & (column("about_id") == row.about_id)
    [found] = await find_rows(Conversation, same, lock=True)
    return found


async def _subject(actor: Actor, about: About) -> dict[str, str]:
    if about.work_order_id is not None:
        work = await find_one(BY_PREFIX[WORK_ORDER], actor, about.work_order_id, path="workOrderId")
        customer_id: str = work.customer_id  # type: ignore[attr-defined]  # a work order has one
        return {"about_id": work.id, "work_order_id": work.id, "customer_id": customer_id}
    if about.customer_id is not None:
        customer = await find_one(BY_PREFIX[CUSTOMER], actor, about.customer_id, path="customerId")
        if actor.is_technician_only:
            raise NotFound(customer.noun, customer.id, path=["customerId"])
        return {"about_id": customer.id, "customer_id": customer.id}
    if about.technician_id is not None:
        technician = await find_one(BY_PREFIX[TECHNICIAN], actor, about.technician_id, path="technicianId")
        if actor.is_customer or (actor.is_technician_only and technician.id != actor.technician_id):
            raise NotFound(technician.noun, technician.id, path=["technicianId"])
        return {"about_id": technician.id, "technician_id": technician.id}
    if actor.is_customer and actor.customer_id is not None:
        return {"about_id": actor.customer_id, "customer_id": actor.customer_id}
    if actor.is_technician_only and actor.technician_id is not None:
        return {"about_id": actor.technician_id, "technician_id": actor.technician_id}
    raise InvalidInput(
        "Say what the message is about: a conversation, work, a customer or a technician.", path=["input"]
    )


async def _reader(actor: Actor, conversation: Conversation) -> ConversationReader:
    now = utc_now()
    row = ConversationReader(
        id=new_id(ConversationReader.prefix),
        created_at=now,
        updated_at=now,
        organization_id=actor.organization_id,
        conversation_id=conversation.id,
        user_id=actor.id,
    )
    await ConversationReader.bulk_create([row], ignore_conflicts=True)
    mine = ConversationReader.visible_to(actor) & (column("conversation_id") == conversation.id)
    [found] = await find_rows(ConversationReader, mine, lock=True)
    return found
