"""Notifications through the API: one's own, and nobody else's."""

from typing import Any

from app import database as db
from app.identity.models import User
from app.infrastructure import journal
from app.kernel.actor import Actor, system_actor
from app.messaging import commands
from app.messaging.rules import NotificationKind
from tests.app.scheduling.world import Company, booked
from tests.schema.asking import ask, codes, heard

LIST = "{ unreadNotificationCount notifications { totalCount nodes { kind title body readAt subject { id } } } }"
MARK = """mutation ($input: MarkNotificationsReadInput!) { markNotificationsRead(input: $input) {
    readNotifications { count unreadCount } cursor errors { code path } } }"""


async def notified(company: Company, subject_id: str, *actors: Actor, cause: str = "one") -> None:
    system = system_actor(company.organization_id)
    users = await User.filter(id__in=[actor.id for actor in actors])
    recorder = journal.Recorder(system, "follower")

    async def act() -> None:
        token = journal.collect(recorder)
        kind = NotificationKind.VISIT_RESCHEDULED
        await commands.notify(system, users, kind, "Moved", "No heat", subject_id=subject_id, cause=cause)
        journal.release(token)
        await journal.write(recorder)

    await db.unit_of_work(act)


async def seen(actor: Actor) -> tuple[int, int]:
    """How many are unread, and how many there are."""
    data = (await ask(actor, LIST))["data"]
    return data["unreadNotificationCount"], data["notifications"]["totalCount"]


async def test_each_sees_the_own_with_what_it_is_about_as_far_as_that_may_be_seen(
    company: Company, stranger: Company
) -> None:
    visit = await booked(company)
    await notified(company, visit, company.ann, company.bob)
    told = {"kind": "VISIT_RESCHEDULED", "title": "Moved", "body": "No heat", "readAt": None}
    for actor, subject in ((company.ann, {"id": visit}), (company.bob, None)):
        data = (await ask(actor, LIST))["data"]
        assert data["notifications"] == {"totalCount": 1, "nodes": [told | {"subject": subject}]}
    for other in (company.dispatcher, company.customer, stranger.dispatcher, stranger.ann):
        assert await seen(other) == (0, 0)
    assert codes(await ask(None, LIST)) == ["NOT_AUTHENTICATED"] * 2


async def test_what_is_read_is_counted_no_more(company: Company) -> None:
    visit = await booked(company)
    for cause in ("one", "two", "three"):
        await notified(company, visit, company.ann, company.bob, cause=cause)
    nodes = (await ask(company.ann, "{ notifications { nodes { id } } }"))["data"]["notifications"]["nodes"]
    [payload] = (await ask(company.ann, MARK, {"input": {"ids": [nodes[0]["id"]]}}))["data"].values()
    assert payload.pop("cursor") is not None
    assert payload == {"readNotifications": {"count": 1, "unreadCount": 2}, "errors": []}
    [refused] = (await ask(company.bob, MARK, {"input": {"ids": [nodes[1]["id"]]}}))["data"].values()
    assert (refused["readNotifications"], refused["errors"]) == (None, [{"code": "NOT_FOUND", "path": ["ids"]}])
    [rest] = (await ask(company.ann, MARK, {"input": {}}))["data"].values()
    assert rest["readNotifications"] == {"count": 2, "unreadCount": 0}
    assert (await seen(company.ann), await seen(company.bob)) == ((0, 3), (3, 3))
    [nothing] = (await ask(company.ann, MARK, {"input": {}}))["data"].values()
    assert nothing == {"readNotifications": {"count": 0, "unreadCount": 0}, "cursor": None, "errors": []}


async def test_each_says_what_not_to_be_told(company: Company) -> None:
    document = """mutation ($kinds: [NotificationKind!]!) {
        updateNotificationPreferences(input: { mutedKinds: $kinds }) {
            notificationPreferences { mutedKinds } errors { code } } }"""
    kinds = ["ALERT_RAISED", "VISIT_RESCHEDULED", "ALERT_RAISED"]
    answer = await ask(company.ann, document, {"kinds": kinds})
    muted = {"mutedKinds": ["VISIT_RESCHEDULED", "ALERT_RAISED"]}
    assert answer["data"]["updateNotificationPreferences"] == {"notificationPreferences": muted, "errors": []}
    asked = "{ notificationPreferences { mutedKinds } }"
    assert (await ask(company.ann, asked))["data"]["notificationPreferences"] == muted
    assert (await ask(company.bob, asked))["data"]["notificationPreferences"] == {"mutedKinds": []}
    await notified(company, await booked(company), company.ann, company.bob)
    assert (await seen(company.ann), await seen(company.bob)) == ((0, 0), (1, 1))


async def test_each_hears_of_the_own_and_of_nobody_elses(company: Company, stranger: Company) -> None:
    start = journal.cursor_at(company.organization_id, await journal.head(company.organization_id))
    elsewhere = journal.cursor_at(stranger.organization_id, await journal.head(stranger.organization_id))
    await notified(company, await booked(company), company.ann, company.customer)
    await ask(company.customer, MARK, {"input": {}})
    document = (
        "subscription ($after: String) { notifications(after: $after) { fact unreadCount notification { title } } }"
    )

    async def events(actor: Actor, after: str) -> list[Any]:
        answers = [one["data"]["notifications"] for one in await heard(actor, document, {"after": after})]
        assert all(one["notification"] == {"title": "Moved"} for one in answers)
        return [(one["fact"], one["unreadCount"]) for one in answers]

    assert await events(company.ann, start) == [("NotificationAdded", 1)]
    assert await events(company.customer, start) == [("NotificationAdded", 0), ("NotificationsRead", 0)]
    assert await events(company.bob, start) == []
    assert await events(company.dispatcher, start) == []
    assert await events(stranger.dispatcher, elsewhere) == []
    [refused] = await heard(None, document, {"after": start})
    assert codes(refused) == ["NOT_AUTHENTICATED"]
