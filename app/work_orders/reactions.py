"""What this room does in the background: it watches whether work is done in time."""

from datetime import datetime

from app.infrastructure import journal
from app.infrastructure.followers import follows
from app.infrastructure.journal import Entry
from app.infrastructure.timers import every
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
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

WATCHED = frozenset({"status", "priority", "due_at"})
WATCHED_AT_ONCE = 200
OLD_HOURS = 7 * 24


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


@every(seconds=60, name="work_orders.watch_due_times")
async def watch_due_times(now: datetime | None = None) -> None:
    """Time alone puts work in danger. After a downtime only what is true now is told, and some of it at a time."""
    now = now or utc_now()
    for organization_id in await journal.heads():
        actor = system_actor(organization_id)
        for id in await queries.find_work_to_watch(organization_id, now, WATCHED_AT_ONCE):
            await commands.watch_work_order(actor, id, now=now)
