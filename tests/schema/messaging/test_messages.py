"""Conversations through the API: written, counted until they are read, and heard by whom they are for."""

from typing import Any

import pytest
from graphql import get_named_type, is_leaf_type

from app.infrastructure import journal
from app.kernel.actor import Actor
from app.kernel.ids import new_id
from app.messaging import commands
from schema.schema import api
from tests.app.scheduling.world import Company, booked, row_of
from tests.schema.asking import ask, codes, heard

SEND = """mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
    message { id text visibility authorKind author { id } conversation { id unreadCount about { __typename id } } }
    cursor errors { code path } } }"""
UNREAD = "query ($id: ID!) { conversation(id: $id) { unreadCount messages { nodes { text } } } }"


async def anns_work(company: Company) -> str:
    return (await row_of(await booked(company))).work_order_id


async def send(actor: Actor, **input: object) -> dict[str, Any]:
    payload: dict[str, Any] = (await ask(actor, SEND, {"input": input}))["data"]["sendMessage"]
    return payload


async def conversation_of(company: Company, order: str) -> str:
    """One with an internal message and one for everyone, both of the dispatcher's."""
    await send(company.dispatcher, workOrderId=order, text="internal")
    sent = await send(company.dispatcher, workOrderId=order, text="public", visibility="EVERYONE")
    id: str = sent["message"]["conversation"]["id"]
    return id


async def unread(actor: Actor, id: str) -> Any:
    found = (await ask(actor, UNREAD, {"id": id}))["data"]["conversation"]
    return found and (found["unreadCount"], [one["text"] for one in found["messages"]["nodes"]])


async def test_nothing_of_a_conversation_tells_a_customer_that_an_internal_message_was_sent(company: Company) -> None:
    order = await anns_work(company)
    id = await conversation_of(company, order)
    fields = api._schema.type_map["Conversation"].fields  # type: ignore[attr-defined]  # an object type has them
    values = " ".join(name for name, one in fields.items() if is_leaf_type(get_named_type(one.type)))
    document = f"query ($id: ID!) {{ conversation(id: $id) {{ {values} messages {{ totalCount }} }} }}"
    before = await ask(company.customer, document, {"id": id})
    await send(company.dispatcher, workOrderId=order, text="internal")
    after = await ask(company.customer, document, {"id": id})
    assert before["data"]["conversation"]["id"] == id
    assert after["data"] == before["data"]


async def test_a_message_is_answered_with_its_conversation(company: Company) -> None:
    order, id = await anns_work(company), new_id("msg")
    payload = await send(company.dispatcher, id=id, workOrderId=order, text="Bring a ladder.")
    conversation = payload["message"]["conversation"]
    assert payload["errors"] == []
    assert payload["message"] == {
        "id": id,
        "text": "Bring a ladder.",
        "visibility": "INTERNAL",
        "authorKind": "STAFF",
        "author": {"id": company.dispatcher.id},
        "conversation": {**conversation, "unreadCount": 0, "about": {"__typename": "WorkOrder", "id": order}},
    }
    again = await send(company.dispatcher, id=id, workOrderId=order, text="Bring a ladder.")
    assert (again["message"], again["errors"]) == (None, [{"code": "ALREADY_EXISTS", "path": ["id"]}])
    empty = await send(company.dispatcher, workOrderId=order, text=" ")
    assert empty["errors"] == [{"code": "INVALID_INPUT", "path": ["text"]}]


async def test_each_has_a_count_of_what_others_wrote_and_they_may_read_until_it_is_marked_read(
    company: Company, stranger: Company
) -> None:
    id = await conversation_of(company, await anns_work(company))
    both = ["public", "internal"]
    assert await unread(company.dispatcher, id) == (0, both)
    assert await unread(company.support, id) == (2, both)
    assert await unread(company.ann, id) == (2, both)
    assert await unread(company.customer, id) == (1, ["public"])
    assert await unread(company.bob, id) is None
    assert await unread(stranger.dispatcher, id) is None
    mark = """mutation ($id: ID!) { markConversationRead(input: { id: $id }) {
        conversation { unreadCount } errors { code } } }"""
    for actor in (company.ann, company.customer):
        answer = await ask(actor, mark, {"id": id})
        assert answer["data"]["markConversationRead"] == {"conversation": {"unreadCount": 0}, "errors": []}
    assert await unread(company.support, id) == (2, both)
    await send(company.support, conversationId=id, text="later")
    assert [(await unread(actor, id))[0] for actor in (company.ann, company.customer)] == [1, 0]
    for actor in (company.bob, stranger.dispatcher):
        refused = await ask(actor, mark, {"id": id})
        assert refused["data"]["markConversationRead"]["errors"] == [{"code": "NOT_FOUND"}]


async def test_a_customer_learns_nothing_of_when_something_internal_was_written(company: Company) -> None:
    order = await anns_work(company)
    await send(company.dispatcher, workOrderId=order, text="internal")
    document = (
        "{ conversations { totalCount nodes { lastPublicMessageAt } } workOrders { nodes { conversation { id } } } }"
    )
    answer = (await ask(company.customer, document))["data"]
    assert answer["conversations"] == {"totalCount": 0, "nodes": []}
    assert answer["workOrders"]["nodes"] == [{"conversation": None}]
    await send(company.customer, workOrderId=order, text="public")
    [node] = (await ask(company.customer, document))["data"]["conversations"]["nodes"]
    assert node["lastPublicMessageAt"] is not None
    for text in (
        "{ conversations(orderBy: [{ field: LAST_MESSAGE_AT }]) { totalCount } }",
        '{ conversations(filter: { lastMessageAt: { gt: "2020-01-01T00:00:00Z" } }) { totalCount } }',
    ):
        assert codes(await ask(company.customer, text)) == ["NOT_PERMITTED"]
        assert codes(await ask(company.dispatcher, text)) == []


async def test_messages_are_heard_by_whom_they_are_for(company: Company, stranger: Company) -> None:
    start = journal.cursor_at(company.organization_id, await journal.head(company.organization_id))
    elsewhere = journal.cursor_at(stranger.organization_id, await journal.head(stranger.organization_id))
    order = await anns_work(company)
    id = await conversation_of(company, order)
    await send(company.customer, text="to the office")
    document = """subscription ($after: String, $order: ID, $id: ID) {
        messageReceived(after: $after, workOrderId: $order, conversationId: $id) {
            visibility conversationId message { text } } }"""

    async def texts(actor: Actor, after: str, **only: str) -> list[str]:
        answers = await heard(actor, document, {"after": after, **only})
        return [one["data"]["messageReceived"]["message"]["text"] for one in answers]

    assert await texts(company.dispatcher, start) == ["internal", "public", "to the office"]
    assert await texts(company.support, start, order=order) == ["internal", "public"]
    assert await texts(company.support, start, id=id) == ["internal", "public"]
    assert await texts(company.support, start, id=new_id("conv")) == []
    assert await texts(company.ann, start) == ["internal", "public"]
    assert await texts(company.customer, start) == ["public", "to the office"]
    assert await texts(company.bob, start) == []
    assert await texts(stranger.dispatcher, elsewhere) == []


@pytest.mark.parametrize("document", ["{ conversations { totalCount } }", "{ messages { totalCount } }"])
async def test_lists_show_what_each_may_see(company: Company, stranger: Company, document: str) -> None:
    order = await anns_work(company)
    await conversation_of(company, order)
    await commands.send_message(company.bob, commands.About(), "Bob to the office")
    count = {
        name: next(iter((await ask(actor, document))["data"].values()))["totalCount"]
        for name, actor in (
            ("dispatcher", company.dispatcher),
            ("ann", company.ann),
            ("bob", company.bob),
            ("customer", company.customer),
            ("stranger", stranger.dispatcher),
        )
    }
    assert count == (
        {"dispatcher": 2, "ann": 1, "bob": 1, "customer": 1, "stranger": 0}
        if "conversations" in document
        else {"dispatcher": 3, "ann": 2, "bob": 1, "customer": 1, "stranger": 0}
    )
