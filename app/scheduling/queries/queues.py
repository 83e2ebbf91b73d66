"""The dispatcher's queues: how long they are, what stands in them, and what facts mean to them."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app import database
from app.infrastructure.conditions import Condition, Writer, all_of, any_of, column, exists, nothing
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.scheduling import rules
from app.scheduling.events import AppointmentFact
from app.scheduling.models import Appointment
from app.scheduling.rules import AssignmentStatus, DispatchQueue
from app.work_orders.events import WorkOrderStepped, WorkOrderSubmitted, WorkOrderUpdated
from app.work_orders.models import WorkOrder

FACTS = (AppointmentFact, WorkOrderSubmitted, WorkOrderStepped, WorkOrderUpdated)
VISIT_STATUSES = sorted({status.value for status, _ in rules.VISITS})
WORK_STATUSES = sorted({status for status, _ in rules.WORK})

DECLINED = exists("assignment", "appointment_id", column("status") == AssignmentStatus.DECLINED.value)
ENDED = sorted(status.value for status in rules.ENDED)


@dataclass(frozen=True, slots=True)
class Queued:
    """A visit or a work order, with the queues in which it stands now, and those of a visit's work order."""

    id: str
    work_order_id: str
    queues: tuple[DispatchQueue, ...]
    work_queues: tuple[DispatchQueue, ...]
    is_visit: bool


def _open_visit(actor: Actor, ours: str = "id") -> Condition:
    """The work has a visit that is not over, whoever has it."""
    open = (column("organization_id") == actor.organization_id) & ~column("status").one_of(ENDED)
    return exists("appointment", "work_order_id", open, ours=ours)


def _seen_visits(actor: Actor) -> Condition:
    return Appointment.visible_to(actor) if actor.holds(Permission.VIEW_SCHEDULE) else nothing()


def _seen_work(actor: Actor) -> Condition:
    return WorkOrder.visible_to(actor) if actor.holds(Permission.VIEW_WORK_ORDERS) else nothing()


async def count_dispatch_queues(actor: Actor) -> dict[DispatchQueue, int]:
    """How many visits and work orders that the actor may see stand in each queue, by one statement."""
    writer = Writer(database.dialect())
    visits = _seen_visits(actor) & column("status").one_of(VISIT_STATUSES)
    work = _seen_work(actor) & column("status").one_of(WORK_STATUSES)
    parts = [
        f'SELECT {kind} AS kind, r."status" AS status, CASE WHEN {flag.write(writer, "r")} THEN 1 ELSE 0 END AS flag '
        f"FROM {table} r WHERE {wanted.write(writer, 'r')}"
        for kind, flag, table, wanted in (
            (1, DECLINED, '"appointment"', visits),
            (0, _open_visit(actor), '"work_order"', work),
        )
    ]
    sql = f"SELECT kind, status, flag, count(*) FROM ({' UNION ALL '.join(parts)}) q GROUP BY kind, status, flag"
    counts: Counter[DispatchQueue] = Counter()
    for kind, status, flag, count in map(tuple, await database.read_rows(sql, writer.values)):
        if kind:
            standing = rules.queues_of_visit(status, is_declined=flag == 1)
        else:
            standing = rules.queues_of_work(status, has_open_visit=flag == 1)
        for queue in standing:
            counts[queue] += count
    return {queue: counts[queue] for queue in DispatchQueue}


async def find_queued(actor: Actor, queue: DispatchQueue, *, after: str | None, limit: int) -> list[Queued]:
    """What stands in a queue, those that wait longest first. A queue holds visits or work orders, never both."""
    visits = any_of(
        *((column("status") == status) & _flag(DECLINED, is_set) for status, is_set in rules.visits_in(queue))
    )
    work = any_of(
        *((column("status") == status) & _flag(_open_visit(actor), is_set) for status, is_set in rules.work_in(queue))
    )
    beyond = column("id") > (after or "")
    if rules.holds_visits(queue):
        return await _visits(actor, all_of(_seen_visits(actor), visits, beyond), limit=limit)
    return await _work(actor, all_of(_seen_work(actor), work, beyond), limit=limit)


async def queued_of(
    actor: Actor, entries: Sequence[Entry], wanted: Collection[DispatchQueue]
) -> list[tuple[Entry, Queued]]:
    """What facts mean to some queues: each with where its visit or work order stands now, if it stands, or stood before, in
    one of them."""
    ids = {one.subject_id for one in entries}
    found = {one.id: one for one in await _visits(actor, _seen_visits(actor) & column("id").one_of(sorted(ids)))}
    found |= {one.id: one for one in await _work(actor, _seen_work(actor) & column("id").one_of(sorted(ids)))}
    made = []
    for entry in entries:
        row = found.get(entry.subject_id) or _unseen(entry)
        if not {*row.queues, *row.work_queues, *_before(entry)}.isdisjoint(wanted):
            made.append((entry, row))
    return made


def _unseen(entry: Entry) -> Queued:
    is_visit = entry.noun == Appointment.noun
    return Queued(entry.subject_id, entry.payload.get("work_order_id") or entry.subject_id, (), (), is_visit)


def _before(entry: Entry) -> set[DispatchQueue]:
    """The queues in which it may have stood before the fact."""
    if entry.noun == Appointment.noun:
        stood = rules.placements(entry.payload)
        status = stood[0].status.value if stood is not None else None
        return (
            set()
            if status is None
            else {queue for flag in (False, True) for queue in rules.queues_of_visit(status, is_declined=flag)}
        )
    status = (entry.payload.get("changes") or {}).get("status", [None])[0]
    return (
        set()
        if status is None
        else {queue for flag in (False, True) for queue in rules.queues_of_work(status, has_open_visit=flag)}
    )


def _flag(condition: Condition, is_set: bool) -> Condition:
    return condition if is_set else ~condition


async def _visits(actor: Actor, condition: Condition, *, limit: int | None = None) -> list[Queued]:
    """Visits, each with its work order as far as the actor may see it."""
    writer = Writer(database.dialect())
    declined = DECLINED.write(writer, "r")
    status = f'(SELECT w."status" FROM "work_order" w WHERE w."id" = r."work_order_id" AND {_seen_work(actor).write(writer, "w")})'
    open_visit = _open_visit(actor, "work_order_id").write(writer, "r")
    sql = (
        f'SELECT r."id", r."work_order_id", r."status", CASE WHEN {declined} THEN 1 ELSE 0 END, {status}, '
        f'CASE WHEN {open_visit} THEN 1 ELSE 0 END FROM "appointment" r WHERE {condition.write(writer, "r")} ORDER BY r."id"'
    )
    rows = await database.read_rows(sql + ("" if limit is None else f" LIMIT {int(limit)}"), writer.values)
    return [
        Queued(
            row[0],
            row[1],
            rules.queues_of_visit(row[2], is_declined=row[3] == 1),
            rules.queues_of_work(row[4], has_open_visit=row[5] == 1) if row[4] is not None else (),
            is_visit=True,
        )
        for row in rows
    ]


async def _work(actor: Actor, condition: Condition, *, limit: int | None = None) -> list[Queued]:
    writer = Writer(database.dialect())
    open_visit = _open_visit(actor).write(writer, "r")
    sql = (
        f'SELECT r."id", r."status", CASE WHEN {open_visit} THEN 1 ELSE 0 END FROM "work_order" r '
        f'WHERE {condition.write(writer, "r")} ORDER BY r."id"'
    )
    rows = await database.read_rows(sql + ("" if limit is None else f" LIMIT {int(limit)}"), writer.values)
    return [
        Queued(row[0], row[0], queues, queues, is_visit=False)
        for row in rows
        for queues in [rules.queues_of_work(row[1], has_open_visit=row[2] == 1)]
    ]
