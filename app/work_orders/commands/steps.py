"""The steps of a work order's life. Every one of them goes through ``change_status``."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from app.company.queries import get_organization
from app.identity.queries import approval_limit_of
from app.infrastructure import journal
from app.infrastructure.batches import change_rows
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import change_row, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, NotFound, Problem
from app.kernel.ids import require_id
from app.kernel.permissions import Permission
from app.work_orders import events, models, rules
from app.work_orders.commands.notes import write_note
from app.work_orders.commands.times import stop_timers_of
from app.work_orders.queries import appointment_statuses_of, cost_of, record_of, technician_ids_by_work
from app.work_orders.rules import WorkOrderStatus as S

BATCH_MAX = 100
Reason = TypeVar("Reason", bound=StrEnum)

FACT_OF: dict[S, type[events.WorkOrderStepped]] = {
    S.TRIAGED: events.WorkOrderTriaged,
    S.SCHEDULED: events.WorkOrderScheduled,
    S.IN_PROGRESS: events.WorkOrderStarted,
    S.ON_HOLD: events.WorkOrderHeld,
    S.COMPLETED: events.WorkOrderCompleted,
    S.APPROVED: events.WorkOrderApproved,
    S.CLOSED: events.WorkOrderClosed,
    S.CANNOT_COMPLETE: events.WorkOrderCannotComplete,
    S.CANCELED: events.WorkOrderCanceled,
    S.DECLINED: events.WorkOrderDeclined,
}


async def change_status(
    row: models.WorkOrder, to: S, *, hold_reason: str | None = None, reason_code: str | None = None
) -> None:
    """The one place where a status changes: the table is asked, the time stamped, the fact recorded."""
    await change_statuses([row], to, hold_reason=hold_reason, reason_codes={row.id: reason_code})


async def change_statuses(
    rows: Sequence[models.WorkOrder],
    to: S,
    *,
    hold_reason: str | None = None,
    reason_codes: Mapping[str, str | None] | None = None,
) -> None:
    """As ``change_status`` for many locked work orders."""
    now = utc_now()
    for row in rows:
        record = await record_of(row) if to in rules.LIFECYCLE.guards else rules.Record()
        rules.require_step(row.status, to, record)
        if to not in rules.CLOCKED:
            await stop_timers_of(row.id, now)
    facts = [
        events.WorkOrderResumed if row.status == S.ON_HOLD and to in rules.CLOCKED else FACT_OF[to] for row in rows
    ]
    wanted = []
    for row in rows:
        stamped = {name: getattr(row, name) for name in rules.STAMP_OF.values()}
        values = {"status": to.value, **rules.stamps(row.status, to, now, stamped)}
        if hold_reason is not None:
            values["hold_reason"] = hold_reason
        if (reason_code := (reason_codes or {}).get(row.id)) is not None:
            values["reason_code"] = reason_code
        wanted.append((row, values))
    changes = await change_rows(wanted)
    crews = await technician_ids_by_work([row.id for row in rows])
    for row, fact, changed in zip(rows, facts, changes, strict=True):
        journal.record(
            fact(subject_id=row.id, customer_id=row.customer_id, technician_ids=crews[row.id], changes=changed)
        )


@command(Permission.MANAGE_WORK_ORDERS)
async def triage_work_order(actor: Actor, id: str, *, version: int | None = None, priority: str | None = None) -> str:
    """Take a request on, ready to be planned; or take up again what could not be completed. May set the priority."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    rules.require_from(row.status, rules.TRIAGED_FROM, S.TRIAGED)
    await change_status(row, S.TRIAGED)
    if priority is not None:
        changed = await change_row(row, priority=_word(rules.Priority, priority, "priority"))
        if changed:
            journal.record(events.WorkOrderUpdated(subject_id=row.id, customer_id=row.customer_id, changes=changed))
    return row.id


@command(Permission.MANAGE_WORK_ORDERS)
async def triage_work_orders(actor: Actor, ids: Sequence[str]) -> list[str]:
    """Take several requests on: all of them or none."""
    return await _each(ids, lambda id: triage_work_order(actor, id))


@command(Permission.EXECUTE_WORK_ORDERS)
async def start_work_order(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Begin work that needs no visit, or begins before one, such as help by telephone."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await change_status(row, S.IN_PROGRESS)
    return row.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def hold_work_order(
    actor: Actor, id: str, *, reason: str, comment: str | None = None, version: int | None = None
) -> str:
    """Let the work wait for a reason. The comment is kept as an internal note."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await change_status(row, S.ON_HOLD, hold_reason=_word(rules.HoldReason, reason, "reason"))
    await _comment(actor, row, comment)
    return row.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def resume_work_order(actor: Actor, id: str, *, version: int | None = None) -> str:
    """End a hold. The work goes on where its visits say, or where it stood."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    rules.require_from(row.status, rules.RESUMED_FROM, S.IN_PROGRESS)
    statuses = await appointment_statuses_of(row.id)
    await change_status(row, rules.status_after_hold(statuses, was_started=row.started_at is not None))
    return row.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def complete_work_order(actor: Actor, id: str, *, version: int | None = None) -> str:
    """The work is done. ``CompletionBlocked`` lists everything that is missing."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await change_status(row, S.COMPLETED)
    return row.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def mark_cannot_complete(
    actor: Actor, id: str, *, reason: str, comment: str | None = None, version: int | None = None
) -> str:
    """The work ends undone, for a reason. Running timers stop."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await _end(actor, row, S.CANNOT_COMPLETE, _word(rules.CannotCompleteReason, reason, "reason"), comment)
    return row.id


@command(Permission.APPROVE_WORK_ORDERS)
async def approve_work_order(actor: Actor, id: str, *, version: int | None = None) -> str:
    """The done work was reviewed: its lines and times are frozen and may be billed. Up to the actor's own limit."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await _require_within_limit(actor, row)
    await change_status(row, S.APPROVED)
    return row.id


async def _require_within_limit(actor: Actor, row: models.WorkOrder) -> None:
    """Who has a limit approves what costs no more, in the organization's currency: other sums cannot be compared with it."""
    limit = await approval_limit_of(actor)
    if limit is None:
        return
    organization = await get_organization(actor)
    cost = await cost_of(row)
    if cost > limit or (cost and row.currency != organization.currency):
        raise Conflict(f"Work order {row.number} costs more than you may approve. Somebody else has to.", path=["id"])


@command(Permission.APPROVE_WORK_ORDERS)
async def approve_work_orders(actor: Actor, ids: Sequence[str]) -> list[str]:
    """Approve several: all of them or none."""
    return await _each(ids, lambda id: approve_work_order(actor, id))


@command(Permission.APPROVE_WORK_ORDERS)
async def close_work_order(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Nothing is left to do."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await change_status(row, S.CLOSED)
    return row.id


@command(Permission.APPROVE_WORK_ORDERS)
async def close_work_orders(actor: Actor, ids: Sequence[str]) -> list[str]:
    """Close several: all of them or none."""
    return await _each(ids, lambda id: close_work_order(actor, id))


@command(Permission.CANCEL_WORK_ORDERS)
async def cancel_work_order(
    actor: Actor, id: str, *, reason: str, comment: str | None = None, version: int | None = None
) -> str:
    """Call the work off, for a reason. Running timers stop."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await _end(actor, row, S.CANCELED, _word(rules.CancelReason, reason, "reason"), comment)
    return row.id


@command(Permission.MANAGE_WORK_ORDERS)
async def decline_work_order(
    actor: Actor, id: str, *, reason: str, comment: str | None = None, version: int | None = None
) -> str:
    """Do not take a request on, for a reason."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    await _end(actor, row, S.DECLINED, _word(rules.DeclineReason, reason, "reason"), comment)
    return row.id


@command(None)
async def follow_appointments(
    actor: Actor, work_order_id: str, statuses: Sequence[str], *, reason: str | None = None
) -> str:
    """Let the work follow what its visits, all of them, came to. The scheduling room calls it; it asked who may.

    The technician whose visit it was may have lost sight of the work by now, so only the organization is asked for here.
    Work that is done but not fully put down stays IN_PROGRESS until ``complete_work_order``.
    """
    await _follow(actor, {work_order_id: (statuses, reason)})
    return work_order_id


@command(None)
async def follow_all_appointments(actor: Actor, visits: Mapping[str, tuple[Sequence[str], str | None]]) -> list[str]:
    """As ``follow_appointments`` for many: by work order, the statuses of its visits and why the last of them failed."""
    await _follow(actor, visits)
    return sorted(visits)


async def _follow(actor: Actor, visits: Mapping[str, tuple[Sequence[str], str | None]]) -> None:
    """Each work takes its steps in order; those that take the same next step take it together."""
    rows = {row.id: row for row in await _locked_in_organization(actor, sorted(visits))}
    to_come = {id: rules.steps_after_visits(row.status, visits[id][0]) for id, row in rows.items()}
    while to_come := {id: steps for id, steps in to_come.items() if steps}:
        alike: dict[S, list[str]] = defaultdict(list)
        for id, steps in to_come.items():
            alike[steps.pop(0)].append(id)
        for step, ids in alike.items():
            if step is S.COMPLETED:
                for id in [id for id in ids if rules.missing_for_completion(await record_of(rows[id]))]:
                    ids.remove(id)
                    to_come[id] = []
            reasons = {id: _visit_reason(visits[id][1]) for id in ids} if step is S.CANNOT_COMPLETE else None
            await change_statuses([rows[id] for id in ids], step, reason_codes=reasons)


async def _locked_in_organization(actor: Actor, ids: Sequence[str]) -> list[models.WorkOrder]:
    for id in ids:
        require_id(id, models.WorkOrder.prefix, "workOrderId")
    mine = column("id").one_of(ids) & (column("organization_id") == actor.organization_id)
    found = await find_rows(models.WorkOrder, mine, order=["id"], lock=True)
    if missing := sorted(set(ids) - {row.id for row in found}):
        raise NotFound(models.WorkOrder.noun, missing[0], path=["workOrderId"])
    return found


async def _end(actor: Actor, row: models.WorkOrder, to: S, reason: str, comment: str | None) -> None:
    if reason == "OTHER" and not (comment or "").strip():
        raise InvalidInput("The reason OTHER needs a comment.", path=["comment"])
    await change_status(row, to, reason_code=reason)
    await _comment(actor, row, comment)


async def _comment(actor: Actor, row: models.WorkOrder, comment: str | None) -> None:
    if comment is not None:
        await write_note(actor, row, comment, rules.NoteVisibility.INTERNAL)


async def _each(ids: Sequence[str], act: Callable[[str], Awaitable[str]]) -> list[str]:
    """One after another in one transaction, in a fixed order so that two batches do not block each other."""
    if not 1 <= len(ids) <= BATCH_MAX:
        raise InvalidInput(f"Name 1 to {BATCH_MAX} work orders.", path=["ids"])
    done: dict[str, str] = {}
    for id in sorted(set(ids)):
        try:
            done[id] = await act(id)
        except Problem as problem:
            problem.path = ("ids", str(ids.index(id)))
            raise
    return [done[id] for id in dict.fromkeys(ids)]


def _visit_reason(reason: str | None) -> str:
    known = set(rules.CannotCompleteReason)
    return reason if reason in known else rules.CannotCompleteReason.OTHER.value


def _word(words: type[Reason], value: str, path: str) -> str:
    try:
        return words(value).value
    except ValueError:
        raise InvalidInput(f"{value[:40]!r} is none of {', '.join(words)}.", path=[path]) from None
