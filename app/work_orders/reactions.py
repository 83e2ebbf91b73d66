"""What this room does in the background: it watches whether work is done in time, and says when it is done."""

from datetime import datetime

from app.infrastructure.followers import follows
from app.infrastructure.journal import Entry
from app.infrastructure.tables import find_one
from app.infrastructure.timers import every, for_each_organization
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.messaging import commands as messaging
from app.messaging import queries as messaging_queries
from app.messaging.rules import NotificationKind
from app.work_orders import commands, queries
from app.work_orders.events import (
    WorkOrderCanceled,
    WorkOrderCannotComplete,
    WorkOrderCompleted,
    WorkOrderDeclined,
    WorkOrderHeld,
    WorkOrderResumed,
    WorkOrderScheduled,
    WorkOrderStarted,
    WorkOrderTriaged,
    WorkOrderUpdated,
)
from app.work_orders.models import WorkOrder

WATCHED = frozenset({"status", "priority", "due_at"})
WATCHED_AT_ONCE = 200
OLD_HOURS = 7 * 24
NEWS_HOURS = 24


@follows(
    WorkOrderUpdated,
    WorkOrderTriaged,
    WorkOrderScheduled,
    WorkOrderStarted,
    WorkOrderHeld,
    WorkOrderResumed,
    WorkOrderCompleted,
    WorkOrderCannotComplete,
    WorkOrderCanceled,
    WorkOrderDeclined,
    forget_after_hours=OLD_HOURS,
)
async def keep_alerts_true(actor: Actor, entry: Entry) -> None:
    """What is done, called off or due at another time is not in danger any more, or in another one."""
    if WATCHED & entry.payload["changes"].keys():
        await commands.watch_work_order(actor, entry.subject_id, now=utc_now())


@follows(WorkOrderCompleted, forget_after_hours=NEWS_HOURS)
async def tell_whoever_asked(actor: Actor, entry: Entry) -> None:
    """The customer's person who asked for the work is told when it is done."""
    work = await find_one(WorkOrder, actor, entry.subject_id)
    users = await messaging_queries.find_opener(actor.organization_id, work.opened_by_user_id, work.customer_id)
    title = f"{work.number} is done"
    await messaging.notify(
        actor, users, NotificationKind.WORK_COMPLETED, title, work.summary, subject_id=work.id, cause=entry.id
    )


@every(seconds=60, name="work_orders.watch_due_times")
async def watch_due_times(now: datetime | None = None) -> None:
    """Time alone puts work in danger. After a downtime only what is true now is told, and some of it at a time."""
    at = now or utc_now()

    async def watch(organization_id: str) -> None:
        for id in await queries.find_work_to_watch(organization_id, at, WATCHED_AT_ONCE):
            await commands.watch_work_order(system_actor(organization_id), id, now=at)

    await for_each_organization(watch)
