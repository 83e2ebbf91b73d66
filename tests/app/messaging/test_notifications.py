"""Notifications: who is told of what, once, unless it is muted; read by whom they are for, and forgotten in the end."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from app import database as db
from app.identity.models import User
from app.infrastructure import journal
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotFound, Problem
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.messaging import commands, queries, reactions
from app.messaging.commands import About, notifications
from app.messaging.models import Conversation, Message, Notification
from app.messaging.rules import AlertKind, AlertSeverity, Danger, NotificationKind, shortened
from app.technicians.models import Technician
from app.work_orders.models import WorkOrder
from tests.app.scheduling.world import Company, booked, row_of, told, work

K = NotificationKind
EVERYONE = {"visibility": "EVERYONE"}


async def follow(company: Company, after: int = 0) -> None:
    """Hand each message and alert to its reaction, twice: a follower may run twice."""
    system = system_actor(company.organization_id)
    for entry in await journal.read(company.organization_id, after):
        for _ in range(2):
            if entry.type == "MessageSent":
                await inside(system, reactions.tell_of_messages(system, entry))
            if entry.type in ("AlertRaised", "AlertSeverityChanged"):
                await inside(system, reactions.tell_of_alerts(system, entry))


async def inside(actor: Actor, reaction: Awaitable[object]) -> None:
    """As followers run it: in one transaction, with what it records."""
    recorder = journal.Recorder(actor, "follower")

    async def work() -> None:
        token = journal.collect(recorder)
        try:
            await reaction
        finally:
            journal.release(token)
        await journal.write(recorder)

    await db.unit_of_work(work, attempts=1)


async def told_to() -> dict[str, list[str]]:
    """What each person was told, by name, oldest first."""
    names = {user.id: user.legal_name for user in await User.all()}
    found: dict[str, list[str]] = {}
    for one in await Notification.all().order_by("created_at", "id"):
        found.setdefault(names[one.user_id], []).append(one.kind)
    return found


async def put_down(company: Company, *actors: Actor, kind: K = K.MESSAGE_RECEIVED, cause: str = "one") -> list[str]:
    system = system_actor(company.organization_id)
    users = await User.filter(id__in=[actor.id for actor in actors])
    told: list[str] = []

    async def act() -> None:
        told.extend(await commands.notify(system, users, kind, "Title", "Body", subject_id=new_id("msg"), cause=cause))

    await inside(system, act())
    return told


async def refused(attempt: Awaitable[object]) -> Problem:
    before = await db.read_rows('SELECT * FROM "notification" ORDER BY "id"', [])
    try:
        await attempt
    except Problem as problem:
        assert await db.read_rows('SELECT * FROM "notification" ORDER BY "id"', []) == before
        return problem
    raise AssertionError("nothing was refused")


def test_a_long_text_is_cut_in_one_line() -> None:
    assert shortened("a\n b  c", 5) == "a b c"
    assert shortened("abc def", 5) == "abc…"


async def test_the_same_cause_tells_each_person_once(company: Company) -> None:
    before = await journal.head(company.organization_id)
    assert set(await put_down(company, company.ann, company.customer)) == {company.ann.id, company.customer.id}
    assert await put_down(company, company.ann, company.bob) == [company.bob.id]
    assert await put_down(company, company.ann, cause="another") == [company.ann.id]
    facts = await journal.read(company.organization_id, before)
    assert {(one.type, one.noun) for one in facts} == {("NotificationAdded", "notification")}
    heard_by = {(one.payload["user_id"], one.customer_id, one.technician_ids) for one in facts}
    assert heard_by == {
        (company.ann.id, None, (company.ann_id,)),
        (company.bob.id, None, (company.bob_id,)),
        (company.customer.id, company.customer_id, ()),
    }


async def test_what_is_muted_is_not_told_and_the_rest_is(company: Company) -> None:
    muted = await commands.update_notification_preferences(company.ann, [K.VISIT_CANCELED, K.MESSAGE_RECEIVED])
    assert muted == [K.VISIT_CANCELED, K.MESSAGE_RECEIVED]
    assert await queries.find_muted_kinds(company.ann) == muted
    assert await queries.find_muted_kinds(company.bob) == []
    assert await put_down(company, company.ann, company.bob) == [company.bob.id]
    assert await put_down(company, company.ann, kind=K.ALERT_RAISED, cause="two") == [company.ann.id]
    assert await commands.update_notification_preferences(company.ann, []) == []
    assert await put_down(company, company.ann, cause="three") == [company.ann.id]


async def test_each_reads_the_own_and_each_once(company: Company, stranger: Company) -> None:
    await put_down(company, company.ann, company.bob)
    await put_down(company, company.ann, cause="two")
    mine = [one.id for one in await Notification.filter(user_id=company.ann.id).order_by("created_at", "id")]
    for actor in (company.bob, company.dispatcher, stranger.ann):
        assert isinstance(await refused(commands.mark_notifications_read(actor, mine[:1])), NotFound)
    for ids in ([], [new_id("ntf")] * 101):
        assert isinstance(await refused(commands.mark_notifications_read(company.ann, ids)), InvalidInput)
    assert await queries.count_unread_notifications(company.ann) == 2
    [fact] = await told(company, commands.mark_notifications_read(company.ann, mine[:1]))
    assert (fact.type, fact.subject_id, fact.technician_ids) == ("NotificationsRead", mine[0], (company.ann_id,))
    assert fact.payload == {"user_id": company.ann.id, "count": 1, "changes": {}}
    assert await told(company, commands.mark_notifications_read(company.ann, mine[:1])) == []
    assert await commands.mark_notifications_read(company.ann) == 1
    assert await commands.mark_notifications_read(company.ann) == 0
    assert await queries.count_unread_notifications(company.ann) == 0
    assert await queries.count_unread_notifications(company.bob) == 1


async def test_what_was_read_long_ago_is_forgotten_and_the_rest_kept(company: Company) -> None:
    await put_down(company, company.ann, company.bob, company.support)
    now = utc_now()
    await Notification.filter(user_id=company.ann.id).update(read_at=now - timedelta(days=31))
    await Notification.filter(user_id=company.bob.id).update(read_at=now - timedelta(days=29))
    assert await commands.forget_old_notifications() == 1
    kept = await Notification.all().values_list("user_id", flat=True)
    assert set(kept) == {company.bob.id, company.support.id}


async def test_what_nobody_read_is_forgotten_in_the_end_part_by_part(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "FORGOTTEN_AT_ONCE", 2)
    old = [f"old {number}" for number in range(5)]
    for cause in (*old, "new"):
        await put_down(company, company.ann, cause=cause)
    now = utc_now()
    await Notification.filter(cause__in=old).update(created_at=now - timedelta(days=181))
    await Notification.filter(cause="new").update(created_at=now - timedelta(days=179))
    assert await commands.forget_old_notifications() == 5
    assert await Notification.all().values_list("cause", flat=True) == ["new"]
    assert await commands.forget_old_notifications() == 0


# Messages


async def anns_work(company: Company, **values: object) -> str:
    return (await row_of(await booked(company, **values))).work_order_id  # type: ignore[arg-type]


@pytest.mark.parametrize("routed", ["to the technicians", "to the office"])
async def test_a_customers_message_goes_to_the_technicians_of_the_work_else_to_the_office(
    company: Company, routed: str
) -> None:
    order = await (anns_work(company) if routed == "to the technicians" else work(company))
    await commands.send_message(company.customer, About(work_order_id=order), "Is somebody coming?\nIt is cold.")
    await follow(company)
    names = ["ann"] if routed == "to the technicians" else ["dispatcher", "support"]
    assert await told_to() == {name: ["MESSAGE_RECEIVED"] for name in names}
    one = await Notification.all().first()
    assert one is not None
    assert one.title.startswith("customer wrote about ")
    assert one.body == "Is somebody coming? It is cold."
    assert one.subject_id.startswith("msg_")


async def test_a_technicians_message_goes_to_the_office_until_somebody_of_it_took_part(company: Company) -> None:
    about = About(work_order_id=await anns_work(company))
    await commands.send_message(company.ann, about, "I need a part.")
    await follow(company)
    assert await told_to() == {"dispatcher": ["MESSAGE_RECEIVED"], "support": ["MESSAGE_RECEIVED"]}
    await commands.send_message(company.support, about, "Which one?")
    before = await journal.head(company.organization_id)
    await commands.send_message(company.ann, about, "The fuser.")
    await follow(company, before)
    assert await told_to() == {"dispatcher": ["MESSAGE_RECEIVED"], "support": ["MESSAGE_RECEIVED"] * 2}


async def test_the_office_reaches_technicians_and_only_with_what_is_for_everyone_the_customer(
    company: Company,
) -> None:
    about = About(work_order_id=await anns_work(company))
    await commands.send_message(company.dispatcher, about, "internal")
    await follow(company)
    assert await told_to() == {"ann": ["MESSAGE_RECEIVED"]}
    before = await journal.head(company.organization_id)
    await commands.send_message(company.dispatcher, about, "public", **EVERYONE)
    await follow(company, before)
    assert await told_to() == {"ann": ["MESSAGE_RECEIVED"] * 2, "customer": ["MESSAGE_RECEIVED"]}


async def test_of_an_account_whoever_asked_for_the_work_is_told_and_nobody_who_may_not_read(company: Company) -> None:
    mine = {"organization_id": company.organization_id, "customer_id": company.customer_id}
    for role in (Role.GUEST, Role.CUSTOMER_USER):
        await add_row(User, **mine, email=f"{role}@acme.example", legal_name=role.lower(), roles=[role])
    order = await work(company)
    await commands.send_message(company.dispatcher, About(work_order_id=order), "public", **EVERYONE)
    await follow(company)
    assert await told_to() == {"customer": ["MESSAGE_RECEIVED"], "customer_user": ["MESSAGE_RECEIVED"]}
    before = await journal.head(company.organization_id)
    await WorkOrder.filter(id=order).update(opened_by_user_id=company.customer.id)
    await commands.send_message(company.dispatcher, About(work_order_id=order), "again", **EVERYONE)
    await follow(company, before)
    assert await told_to() == {"customer": ["MESSAGE_RECEIVED"] * 2, "customer_user": ["MESSAGE_RECEIVED"]}


async def test_a_technician_whose_login_is_named_by_the_technician_is_told_too(company: Company) -> None:
    await User.filter(id=company.ann.id).update(technician_id=None)
    await Technician.filter(id=company.ann_id).update(user_id=company.ann.id)
    before = await journal.head(company.organization_id)
    await commands.send_message(company.dispatcher, About(work_order_id=await anns_work(company)), "Hello.")
    await follow(company, before)
    assert await told_to() == {"ann": ["MESSAGE_RECEIVED"]}
    fact = (await journal.read(company.organization_id, before))[-1]
    assert (fact.type, fact.technician_ids) == ("NotificationAdded", (company.ann_id,))


async def test_whom_a_message_is_for_is_found_without_reading_what_else_was_written(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = About(work_order_id=await anns_work(company))
    for actor in (company.ann, company.support, company.ann, company.dispatcher):
        id = await commands.send_message(actor, about, "A long story.")
    message = await Message.get(id=id)
    conversation = await Conversation.get(id=message.conversation_id)
    read: list[type[object]] = []
    find_rows = queries.find_rows

    async def noted(table: type[Any], *args: Any, **options: Any) -> list[Any]:
        read.append(table)
        return await find_rows(table, *args, **options)

    monkeypatch.setattr(queries, "find_rows", noted)
    told = await queries.find_recipients(conversation, message)
    assert {user.id for user in told} == {company.ann.id, company.support.id}
    assert User in read and Message not in read


# Alerts


SUBJECT = new_id("run")


async def raised(company: Company, severity: AlertSeverity) -> str | None:
    danger = Danger(AlertKind.PLAN_FAILED, severity, "one")
    return await commands.raise_alert(system_actor(company.organization_id), danger, SUBJECT, "No plan.")


@pytest.mark.parametrize("severity", AlertSeverity)
async def test_alerts_that_need_attention_go_to_the_dispatchers(company: Company, severity: AlertSeverity) -> None:
    await raised(company, severity)
    await follow(company)
    expected = {} if severity is AlertSeverity.INFO else {"dispatcher": ["ALERT_RAISED"]}
    assert await told_to() == expected


async def test_an_alert_is_told_again_when_it_is_graver_and_not_when_it_is_less_so_or_over(company: Company) -> None:
    await raised(company, AlertSeverity.WARNING)
    await raised(company, AlertSeverity.CRITICAL)
    await raised(company, AlertSeverity.WARNING)
    await follow(company)
    assert await told_to() == {"dispatcher": ["ALERT_RAISED"] * 2}
    id = await raised(company, AlertSeverity.CRITICAL)
    assert id is not None
    before = await journal.head(company.organization_id) - 1
    await commands.resolve_alert(company.dispatcher, id)
    await follow(company, before)
    assert await told_to() == {"dispatcher": ["ALERT_RAISED"] * 2}


async def test_without_dispatchers_whoever_manages_is_called(company: Company) -> None:
    await User.filter(id=company.dispatcher.id).update(status="DEACTIVATED")
    mine = {"organization_id": company.organization_id}
    for role in (Role.OPERATIONS_MANAGER, Role.ADMINISTRATOR):
        await add_row(User, **mine, email=f"{role}@acme.example", legal_name=role.lower(), roles=[role])
    await raised(company, AlertSeverity.CRITICAL)
    await follow(company)
    assert await told_to() == {"operations_manager": ["ALERT_RAISED"]}
