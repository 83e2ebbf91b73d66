"""Notifications: put down by reactions, read and muted by the people they are for."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from app import database
from app.identity.models import User
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import change_row, find_rows, require_visible
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.kernel.ids import new_id
from app.messaging import events, queries
from app.messaging.models import Notification, NotificationPreference
from app.messaging.rules import (
    ALL_KEPT,
    BODY_LENGTH_MAX,
    MARKED_MAX,
    READ_ONES_KEPT,
    TITLE_LENGTH_MAX,
    NotificationKind,
    shortened,
)

FORGOTTEN_AT_ONCE = 1000


async def notify(
    actor: Actor, users: Iterable[User], kind: NotificationKind, title: str, body: str, *, subject_id: str, cause: str
) -> list[str]:
    """Part of a reaction: tell some people something, but for those who muted it; the ids of the users who are told.

    The same cause, which is a fact's id, tells nobody twice.
    """
    by_id = {user.id: user for user in users}
    technicians = await queries.find_technicians_who_are(actor.organization_id, by_id.values())
    told = await _without(actor, by_id, kind, cause)
    now = utc_now()
    rows = [
        Notification(
            id=new_id(Notification.prefix),
            created_at=now,
            updated_at=now,
            organization_id=actor.organization_id,
            user_id=user_id,
            kind=kind.value,
            title=shortened(title, TITLE_LENGTH_MAX),
            body=shortened(body, BODY_LENGTH_MAX),
            subject_id=subject_id,
            cause=cause,
        )
        for user_id in told
    ]
    await Notification.bulk_create(rows, batch_size=500)
    for row in rows:
        user = by_id[row.user_id]
        journal.record(
            events.NotificationAdded(
                subject_id=row.id,
                customer_id=user.customer_id,
                technician_ids=(technicians[user.id],) if user.id in technicians else (),
                user_id=user.id,
                kind=kind.value,
            )
        )
    return told


@command(None)
async def mark_notifications_read(actor: Actor, ids: Sequence[str] | None = None) -> int:
    """Note that the actor has read some of the own notifications, or all; how many were not read before."""
    unread = Notification.filter(organization_id=actor.organization_id, user_id=actor.id, read_at=None)
    if ids is not None:
        if not 1 <= len(ids) <= MARKED_MAX:
            raise InvalidInput(f"Name 1 to {MARKED_MAX} notifications.", path=["ids"])
        await require_visible(Notification, actor, ids, "ids")
        unread = unread.filter(id__in=list(ids))
    newest = await unread.order_by("-created_at", "-id").first()
    if newest is None:
        return 0
    now = utc_now()
    count = await unread.update(read_at=now, updated_at=now)
    journal.record(
        events.NotificationsRead(
            subject_id=newest.id,
            customer_id=actor.customer_id if actor.is_customer else None,
            technician_ids=(actor.technician_id,) if actor.technician_id else (),
            user_id=actor.id,
            count=count,
        )
    )
    return count


@command(None)
async def update_notification_preferences(actor: Actor, muted_kinds: Sequence[NotificationKind]) -> list[str]:
    """Say of what the actor does not want to be told any more; the kinds, in their usual order."""
    wanted = [kind.value for kind in NotificationKind if kind in muted_kinds]
    now = utc_now()
    row = NotificationPreference(
        id=new_id(NotificationPreference.prefix),
        created_at=now,
        updated_at=now,
        organization_id=actor.organization_id,
        user_id=actor.id,
    )
    await NotificationPreference.bulk_create([row], ignore_conflicts=True)
    [found] = await find_rows(NotificationPreference, NotificationPreference.visible_to(actor), lock=True)
    if changed := await change_row(found, muted_kinds=wanted):
        journal.record(events.NotificationPreferencesUpdated(subject_id=found.id, changes=changed))
    return wanted


async def forget_old_notifications() -> int:
    """Delete the notifications that were read long enough ago, and those that nobody read for much longer; how many."""
    now = utc_now()
    read = await _delete("read_at", now - READ_ONES_KEPT)
    return read + await _delete("created_at", now - ALL_KEPT)


async def _delete(name: str, before: datetime) -> int:
    """Delete the notifications from before a time, in small parts, so that nothing waits for it."""

    async def work() -> int:
        old = await find_rows(Notification, column(name) < before, order=[name], limit=FORGOTTEN_AT_ONCE)
        return await Notification.filter(id__in=[one.id for one in old]).delete() if old else 0

    total = 0
    while deleted := await database.unit_of_work(work):
        total += deleted
    return total


async def _without(actor: Actor, users: Iterable[str], kind: NotificationKind, cause: str) -> list[str]:
    """Some users, without those who muted a kind and those who were told of the cause."""
    theirs = (column("organization_id") == actor.organization_id) & column("user_id").one_of(sorted(users))
    preferences = await find_rows(NotificationPreference, theirs)
    known = await find_rows(Notification, theirs & (column("cause") == cause))
    left_out = {one.user_id for one in preferences if kind in one.muted_kinds} | {one.user_id for one in known}
    return [user_id for user_id in sorted(users) if user_id not in left_out]
