"""What commands and other rooms ask about work orders that is more than a list: who works on them, what is on record, queues.

Visits and assignments belong to a higher room; their tables are asked by name, so nothing is imported upwards.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from app import database
from app.company.models import ServiceType
from app.customers.models import Customer
from app.infrastructure.conditions import Condition, Writer, all_of, any_of, column, exists, selected
from app.infrastructure.tables import find_rows, walk_rows
from app.kernel.actor import Actor
from app.kernel.work import Priority
from app.messaging import queries as messaging
from app.messaging.rules import Danger
from app.work_orders import models, rules
from app.work_orders.rules import OPEN, HoldReason, Record, WorkOrderStatus, WorkQueue

S = WorkOrderStatus
LONG_OPEN = timedelta(days=7)


async def technician_ids_of(work_order_id: str) -> tuple[str, ...]:
    """The technicians who have, or are offered, a visit for the work; each once, in a stable order."""
    held = (column("work_order_id") == work_order_id) & column("status").one_of(models.HELD_ASSIGNMENT_STATUSES)
    found = await _values("assignment", "technician_id", held)
    return tuple(sorted(set(found)))


async def technician_ids_by_work(work_order_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """As ``technician_ids_of`` for many works, by work."""
    writer = Writer(database.dialect())
    held = column("work_order_id").one_of(work_order_ids) & column("status").one_of(models.HELD_ASSIGNMENT_STATUSES)
    sql = f'SELECT r."work_order_id", r."technician_id" FROM "assignment" r WHERE {held.write(writer, "r")}'
    found: dict[str, set[str]] = {id: set() for id in work_order_ids}
    for row in await database.connection().execute_query_dict(sql, writer.values):
        found[row["work_order_id"]].add(row["technician_id"])
    return {id: tuple(sorted(theirs)) for id, theirs in found.items()}


async def appointment_statuses_of(work_order_id: str) -> list[str]:
    """The status of each of the work's visits."""
    return await _values("appointment", "status", column("work_order_id") == work_order_id)


async def appointment_ids_of(work_order_id: str) -> list[str]:
    """The ids of the work's visits."""
    return await _values("appointment", "id", column("work_order_id") == work_order_id)


async def cost_of(row: models.WorkOrder) -> Decimal:
    """What the lines of some work come to."""
    of_it = (column("organization_id") == row.organization_id) & (column("work_order_id") == row.id)
    return sum((line.amount for line in await find_rows(models.LineItem, of_it)), Decimal(0))


async def owed_by(customer: Customer) -> Decimal:
    """What the lines of a customer's work come to that is not closed yet, in the customer's currency."""
    ours = column("organization_id") == customer.organization_id
    counted = column("status").one_of([one.value for one in rules.OWED])
    work = selected("work_order", "id", ours & (column("customer_id") == customer.id) & counted, ours="work_order_id")
    lines = await find_rows(models.LineItem, ours & (column("currency") == customer.currency) & work)
    return sum((line.amount for line in lines), Decimal(0))


async def record_of(row: models.WorkOrder) -> Record:
    """What has been put down for the work so far, and what its service type asks for."""
    service_type = await ServiceType.get_or_none(id=row.service_type_id) if row.service_type_id else None
    return Record(
        line_items=await models.LineItem.filter(work_order_id=row.id).count(),
        running_timers=await models.TimeEntry.filter(work_order_id=row.id, ended_at__isnull=True).count(),
        notes=await models.Note.filter(work_order_id=row.id).count(),
        finished_time_entries=await models.TimeEntry.filter(work_order_id=row.id, ended_at__isnull=False).count(),
        required_evidence=tuple(service_type.required_evidence) if service_type else (),
    )


def in_queue(queue: WorkQueue, now: datetime) -> Condition:
    """The work orders that stand in a queue at a moment."""
    status = column("status")
    is_open = status.one_of([one.value for one in OPEN])
    held = status == S.ON_HOLD.value
    match queue:
        case WorkQueue.UNTRIAGED:
            return status == S.SUBMITTED.value
        case WorkQueue.UNASSIGNED:
            waiting = status.one_of([S.SUBMITTED.value, S.TRIAGED.value, S.SCHEDULED.value])
            return all_of(waiting, ~exists("assignment", "work_order_id", column("is_active") == True))  # noqa: E712
        case WorkQueue.ON_HOLD:
            return held
        case WorkQueue.AWAITING_PARTS:
            return all_of(held, _hold_reason(HoldReason.AWAITING_PARTS, HoldReason.WAITING_ON_VENDOR))
        case WorkQueue.WAITING_ON_CUSTOMER:
            return all_of(held, _hold_reason(HoldReason.WAITING_ON_CUSTOMER, HoldReason.CUSTOMER_DECISION))
        case WorkQueue.ESCALATED:
            return all_of(held, _hold_reason(HoldReason.ESCALATED))
        case WorkQueue.ISSUES:
            return any_of(status == S.CANNOT_COMPLETE.value, all_of(held, _hold_reason(HoldReason.ESCALATED)))
        case WorkQueue.OVERDUE:
            return all_of(is_open, column("due_at") < now)
        case WorkQueue.OPEN_OVER_A_WEEK:
            return all_of(is_open, column("submitted_at") < now - LONG_OPEN)
        case WorkQueue.AWAITING_APPROVAL:
            return status == S.COMPLETED.value
        case WorkQueue.WITHOUT_LINE_ITEMS:
            return all_of(status == S.IN_PROGRESS.value, ~exists("line_item", "work_order_id"))
        case WorkQueue.READY_TO_CLOSE:
            return status.one_of([S.APPROVED.value, S.CANNOT_COMPLETE.value])


def _hold_reason(*reasons: HoldReason) -> Condition:
    return column("hold_reason").one_of([reason.value for reason in reasons])


async def _values(table: str, name: str, condition: Condition) -> list[str]:
    writer = Writer(database.dialect())
    sql = f'SELECT r."{name}" AS "value" FROM "{table}" r WHERE {condition.write(writer, "r")}'
    return [row["value"] for row in await database.connection().execute_query_dict(sql, writer.values)]


async def count_queues(actor: Actor, now: datetime) -> dict[WorkQueue, int]:
    """How many work orders that the actor may see stand in each queue, by one statement."""
    writer = Writer(database.dialect())
    visible = models.WorkOrder.visible_to(actor)
    counts = (
        f'(SELECT count(*) FROM "work_order" r WHERE {all_of(visible, in_queue(queue, now)).write(writer, "r")})'
        for queue in WorkQueue
    )
    sql = f"SELECT {', '.join(counts)}"
    [row] = await database.read_rows(sql, writer.values)
    return dict(zip(WorkQueue, row, strict=True))


def dangers_of(row: models.WorkOrder, now: datetime) -> list[Danger]:
    """What alerts are to say of a work order at a moment."""
    due = rules.due_danger(row.id, status=row.status, priority=row.priority, due_at=row.due_at, now=now)
    waiting = rules.waiting_danger(
        row.id, status=row.status, priority=row.priority, submitted_at=row.submitted_at, now=now
    )
    return [danger for danger in (due, waiting) if danger is not None]


async def find_work_to_watch(organization_id: str, now: datetime, limit: int) -> list[str]:
    """The work of which no alert says yet in what danger it is, and that of which one says what is no longer true."""
    mine = column("organization_id") == organization_id
    due = (
        mine
        & column("status").one_of([one.value for one in OPEN])
        & (column("due_at") > now - rules.OVERDUE_NEWS_LASTS)
        & (column("due_at") <= now + rules.RISK_LEAD_MAX)
    )
    waiting = (
        mine
        & column("status").one_of([one.value for one in rules.WITHOUT_A_VISIT])
        & (column("priority") == Priority.EMERGENCY.value)
        & (column("submitted_at") > now - rules.EMERGENCY_NEWS_LASTS)
        & (column("submitted_at") <= now - rules.EMERGENCY_WAITS_MAX)
    )
    found: dict[str, None] = dict.fromkeys(await _in_danger_no_more(organization_id, now))
    for condition in (due, waiting):
        async for page in walk_rows(models.WorkOrder, condition):
            if len(found) >= limit:
                break
            for kind in rules.WATCH_KINDS:
                dangers = {row.id: one for row in page for one in dangers_of(row, now) if one.kind is kind}
                found |= dict.fromkeys(await messaging.find_untold(organization_id, dangers))
    return list(found)[:limit]


async def _in_danger_no_more(organization_id: str, now: datetime) -> list[str]:
    """Followers see to it at once; this is for what they did not hear of."""
    found: list[str] = []
    async for alerts in messaging.walk_unresolved(organization_id, rules.WATCH_KINDS):
        said = {(alert.subject_id, alert.kind, alert.cause) for alert in alerts}
        rows = await find_rows(models.WorkOrder, column("id").one_of(sorted({id for id, _, _ in said})))
        true = {(row.id, one.kind.value, one.cause) for row in rows for one in dangers_of(row, now)}
        found += [id for id, _, _ in said - true]
    return found
