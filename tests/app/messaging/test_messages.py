"""Messages: who may write about what, who reads them, how far, and what of them is told."""

import asyncio
from collections.abc import Awaitable

import pytest

from app import database as db
from app.infrastructure import journal
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor, system_actor
from app.kernel.errors import AlreadyExists, InvalidInput, NotFound, NotPermitted, Problem
from app.kernel.ids import new_id
from app.kernel.permissions import ROLES, Permission, Role
from app.messaging import commands
from app.messaging.commands import About
from app.messaging.models import Conversation, ConversationReader, Message
from app.messaging.rules import MESSAGE_TEXT_LENGTH_MAX
from app.scheduling import commands as scheduling
from tests.app.scheduling.world import Company, assignments_of, booked, row_of, told, work

TABLES = ("conversation", "conversation_reader", "message", "journal_entry")
EVERYONE = {"visibility": "EVERYONE"}


async def snapshot() -> list[list[tuple[object, ...]]]:
    return [await db.read_rows(f'SELECT * FROM "{table}" ORDER BY "id"', []) for table in TABLES]


async def refused(attempt: Awaitable[object]) -> Problem:
    before = await snapshot()
    try:
        await attempt
    except Problem as problem:
        assert await snapshot() == before
        return problem
    raise AssertionError("nothing was refused")


async def anns_work(company: Company) -> str:
    """Work with a visit of Ann's."""
    return (await row_of(await booked(company))).work_order_id


async def texts_seen_by(actor: Actor) -> list[str]:
    return [one.text for one in await find_rows(Message, Message.visible_to(actor), order=["number", "text"])]


async def conversations_seen_by(actor: Actor) -> list[str]:
    return [one.about_id for one in await find_rows(Conversation, Conversation.visible_to(actor), order=["id"])]


def test_whoever_may_write_may_read_an_auditor_only_reads_and_a_guest_may_neither() -> None:
    assert (Permission.VIEW_MESSAGES in ROLES[Role.AUDITOR], Permission.SEND_MESSAGES in ROLES[Role.AUDITOR]) == (
        True,
        False,
    )
    for role, held in ROLES.items():
        if role is Role.AUDITOR:
            continue
        assert (Permission.SEND_MESSAGES in held) == (Permission.VIEW_MESSAGES in held), role
    assert Permission.VIEW_MESSAGES not in ROLES[Role.GUEST]


async def test_the_first_message_begins_the_conversation_and_the_others_join_it(company: Company) -> None:
    order = await anns_work(company)
    about = About(work_order_id=order)
    [fact] = await told(company, commands.send_message(company.dispatcher, about, "  Bring a ladder. "))
    assert (fact.type, fact.noun, fact.customer_id, fact.technician_ids) == (
        "MessageSent", "message", None, (company.ann_id,)
    )  # fmt: skip
    [first] = await Message.all()
    assert (first.text, first.visibility, first.author_kind, first.author_name, first.number) == (
        "Bring a ladder.", "INTERNAL", "STAFF", "dispatcher", 1
    )  # fmt: skip
    assert fact.payload == {
        "conversation_id": first.conversation_id,
        "work_order_id": order,
        "visibility": "INTERNAL",
        "changes": {},
    }
    await commands.send_message(company.ann, About(conversation_id=first.conversation_id), "I have one.")
    [public] = await told(company, commands.send_message(company.customer, about, "The gate is open."))
    assert (public.customer_id, public.payload["visibility"]) == (company.customer_id, "EVERYONE")
    [conversation] = await Conversation.all()
    assert (conversation.about_id, conversation.work_order_id, conversation.customer_id, conversation.message_count) == (
        order, order, company.customer_id, 3
    )  # fmt: skip
    last = await Message.get(number=3)
    assert conversation.last_message_at == conversation.last_public_message_at == last.sent_at


async def test_no_text_is_part_of_a_fact(company: Company) -> None:
    about = About(work_order_id=await anns_work(company))
    facts = await told(company, commands.send_message(company.dispatcher, about, "a secret", **EVERYONE))
    assert "a secret" not in str(facts)


async def test_of_many_who_write_at_once_each_gets_a_number_of_its_own(company: Company) -> None:
    about = About(work_order_id=await anns_work(company))
    await asyncio.gather(*(commands.send_message(company.dispatcher, about, str(one)) for one in range(8)))
    assert sorted(await Message.all().values_list("number", flat=True)) == list(range(1, 9))
    assert await Conversation.all().count() == 1


async def test_the_same_id_twice_is_refused(company: Company) -> None:
    about, id = About(work_order_id=await anns_work(company)), new_id("msg")
    assert await commands.send_message(company.dispatcher, about, "Once.", id=id) == id
    assert isinstance(await refused(commands.send_message(company.dispatcher, about, "Twice.", id=id)), AlreadyExists)


@pytest.mark.parametrize("text", ["", "  \n ", "x" * (MESSAGE_TEXT_LENGTH_MAX + 1)])
async def test_a_text_that_is_empty_or_too_long_is_refused(company: Company, text: str) -> None:
    about = About(work_order_id=await anns_work(company))
    problem = await refused(commands.send_message(company.dispatcher, about, text))
    assert (type(problem), problem.path) == (InvalidInput, ("text",))


async def test_a_message_is_about_one_thing_that_the_writer_may_see(company: Company, stranger: Company) -> None:
    order = await anns_work(company)
    conversation = (await Message.get(id=await send(company.dispatcher, order))).conversation_id
    two = About(work_order_id=order, customer_id=company.customer_id)
    for actor, about, problem in (
        (company.dispatcher, two, InvalidInput),
        (company.dispatcher, About(), InvalidInput),
        (company.bob, About(work_order_id=order), NotFound),
        (company.bob, About(conversation_id=conversation), NotFound),
        (company.customer, About(conversation_id=conversation), NotFound),
        (company.ann, About(customer_id=company.customer_id), NotFound),
        (company.ann, About(technician_id=company.bob_id), NotFound),
        (company.customer, About(technician_id=company.ann_id), NotFound),
        (stranger.dispatcher, About(work_order_id=order), NotFound),
        (stranger.dispatcher, About(customer_id=company.customer_id), NotFound),
        (stranger.dispatcher, About(technician_id=company.ann_id), NotFound),
        (stranger.customer, About(conversation_id=conversation), NotFound),
    ):
        assert isinstance(await refused(commands.send_message(actor, about, "Hello?")), problem)


async def send(actor: Actor, order: str, text: str = "Hello.", **values: str) -> str:
    return await commands.send_message(actor, About(work_order_id=order), text, **values)


async def test_a_customer_never_writes_internally(company: Company) -> None:
    order = await anns_work(company)
    assert isinstance(await refused(send(company.customer, order, visibility="INTERNAL")), NotPermitted)
    assert isinstance(await refused(send(company.dispatcher, order, visibility="NOBODY")), InvalidInput)


async def test_customers_and_technicians_write_to_the_office_without_naming_it(company: Company) -> None:
    for actor in (company.customer, company.ann):
        [fact] = await told(company, commands.send_message(actor, About(), "Is anybody there?"))
        assert fact.technician_ids == ((company.ann_id,) if actor is company.ann else ())
    await commands.send_message(company.dispatcher, About(customer_id=company.customer_id), "Yes.", **EVERYONE)
    await commands.send_message(company.dispatcher, About(technician_id=company.ann_id), "Yes, Ann.")
    by_about = {one.about_id: one.message_count for one in await Conversation.all()}
    assert by_about == {company.customer_id: 2, company.ann_id: 2}
    assert await texts_seen_by(company.customer) == ["Is anybody there?", "Yes."]
    assert await texts_seen_by(company.ann) == ["Is anybody there?", "Yes, Ann."]
    assert await texts_seen_by(company.bob) == []


async def test_the_office_reads_all_technicians_that_of_their_work_and_customers_what_is_for_everyone(
    company: Company, stranger: Company
) -> None:
    order, hidden = await anns_work(company), await work(company)
    await send(company.dispatcher, order, "internal")
    await send(company.dispatcher, order, "public", **EVERYONE)
    await send(company.support, hidden, "about it")
    assert await texts_seen_by(company.dispatcher) == ["about it", "internal", "public"]
    assert await texts_seen_by(company.support) == ["about it", "internal", "public"]
    assert await texts_seen_by(company.ann) == ["internal", "public"]
    assert await texts_seen_by(company.bob) == []
    assert await texts_seen_by(company.customer) == ["public"]
    assert await texts_seen_by(stranger.dispatcher) == []
    assert await texts_seen_by(stranger.customer) == []
    assert await conversations_seen_by(company.customer) == [order]
    assert sorted(await conversations_seen_by(company.dispatcher)) == sorted([order, hidden])
    assert await conversations_seen_by(company.ann) == [order]


async def test_whoever_declined_the_visit_reads_no_more(company: Company) -> None:
    visit = await booked(company)
    await send(company.dispatcher, (await row_of(visit)).work_order_id)
    assert await texts_seen_by(company.ann) == ["Hello."]
    [assignment] = await assignments_of(visit)
    await scheduling.decline_assignment(company.ann, assignment.id, "No.")
    assert await texts_seen_by(company.ann) == []


async def test_reading_is_noted_for_whoever_read_and_never_taken_back(company: Company) -> None:
    order = await anns_work(company)
    first, second = await send(company.dispatcher, order), await send(company.dispatcher, order)
    id = (await Message.get(id=first)).conversation_id
    [fact] = await told(company, commands.mark_conversation_read(company.ann, id, message_id=first))
    assert (fact.type, fact.subject_id, fact.customer_id, fact.technician_ids) == (
        "ConversationRead", id, None, (company.ann_id,)
    )  # fmt: skip
    assert fact.payload == {"user_id": company.ann.id, "number": 1, "changes": {}}
    assert len(await told(company, commands.mark_conversation_read(company.ann, id))) == 1
    for message in (first, second, None):
        assert await told(company, commands.mark_conversation_read(company.ann, id, message_id=message)) == []
    assert await ConversationReader.all().values_list("user_id", "read_number") == [(company.ann.id, 2)]


async def test_only_what_one_may_see_can_be_read(company: Company, stranger: Company) -> None:
    order, other = await anns_work(company), await work(company)
    message = await send(company.dispatcher, order)
    elsewhere = await send(company.dispatcher, other)
    id = (await Message.get(id=message)).conversation_id
    for actor in (company.bob, company.customer, stranger.dispatcher):
        assert isinstance(await refused(commands.mark_conversation_read(actor, id)), NotFound)
    attempt = commands.mark_conversation_read(company.ann, id, message_id=elsewhere)
    assert isinstance(await refused(attempt), NotFound)
    attempt = commands.mark_conversation_read(company.dispatcher, id, message_id=elsewhere)
    assert isinstance(await refused(attempt), InvalidInput)


async def test_the_system_may_write_too(company: Company) -> None:
    order = await anns_work(company)
    await send(system_actor(company.organization_id), order)
    assert (await Message.get()).author_kind == "SYSTEM"
    assert (await journal.read(company.organization_id, 0))[-1].type == "MessageSent"
