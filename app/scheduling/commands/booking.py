"""Times that customers choose: kept free for some minutes, then confirmed or given back.

A hold reserves real capacity: its assignments take the technicians' time like any booking, under the same locks and the
same rule of the database, so that two callers never get the same capacity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from app import database
from app.customers.models import Customer
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_one, find_rows, lock_one, require_new
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import require_aware, utc_now
from app.kernel.errors import Conflict, LimitReached, ScheduleClash, ScheduleConflict
from app.kernel.permissions import Permission
from app.scheduling import events, planning, queries, rules
from app.scheduling.commands import office, steps
from app.scheduling.models import Appointment, Assignment, SlotHold
from app.scheduling.rules import AppointmentStatus, AssignmentStatus, SlotHoldStatus
from app.technicians.models import Technician
from app.work_orders import rules as work_order_rules
from app.work_orders.models import WorkOrder

EXPIRED_AT_ONCE = 100
FORGOTTEN_AT_ONCE = 1000
CHOICES_MAX = 5
Taken = tuple[tuple[str, datetime, datetime], ...]


class Choice:
    """Who would come to a window, and when: found by the planner just before, from what each of them had to do then
    (``seen``, within ``span``). Nobody, if it found no one.

    It is no part of the request: a repeated one is answered from memory, whatever the planner would say by now.
    """

    __slots__ = ("ends_at", "seen", "span", "starts_at", "technician_ids")

    def __init__(
        self,
        technician_ids: Sequence[str],
        starts_at: datetime,
        ends_at: datetime,
        seen: Mapping[str, Taken],
        span: tuple[datetime, datetime],
    ) -> None:
        self.technician_ids = list(technician_ids)
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.seen = dict(seen)
        self.span = span

    def __repr__(self) -> str:
        return "choice"


@command(Permission.BOOK_VISITS)
async def reserve_slot(
    actor: Actor,
    choice: Choice,
    work_order_id: str,
    window_start: datetime,
    window_end: datetime,
    *,
    id: str | None = None,
    minutes: int = rules.HOLD_MINUTES_DEFAULT,
) -> str:
    """Keep a time free for work that waits for one. What was kept free for the same work before is given back."""
    await require_new(SlotHold, id)
    now = utc_now()
    expires_at = rules.hold_ends_at(now, minutes)
    start, end = require_aware(window_start, "windowStart"), require_aware(window_end, "windowEnd")
    rules.require_slot_window(start, end, now)
    appointment, work_order = await office.lock_wanted_visit(actor, work_order_id)
    await steps.release_holds(appointment)
    await _require_few(work_order, now)
    await _require_capacity(appointment, work_order, choice, (start, end))
    with steps.no_overlap():
        for index, technician_id in enumerate(choice.technician_ids):
            await add_row(
                Assignment,
                organization_id=appointment.organization_id,
                appointment_id=appointment.id,
                technician_id=technician_id,
                work_order_id=appointment.work_order_id,
                customer_id=appointment.customer_id,
                status=AssignmentStatus.RESERVED.value,
                starts_at=choice.starts_at,
                ends_at=choice.ends_at,
                is_active=True,
                is_lead=index == 0,
            )
    hold = await add_row(
        SlotHold,
        id=id,
        organization_id=appointment.organization_id,
        work_order_id=work_order.id,
        appointment_id=appointment.id,
        customer_id=work_order.customer_id,
        status=SlotHoldStatus.HELD.value,
        window_start=start,
        window_end=end,
        starts_at=choice.starts_at,
        ends_at=choice.ends_at,
        technician_ids=choice.technician_ids,
        held_by=actor.id,
        expires_at=expires_at,
    )
    journal.record(events.SlotHeld(**steps.about_hold(hold), expires_at=expires_at.isoformat()))
    return hold.id


async def hold_slot(
    actor: Actor,
    work_order_id: str,
    window_start: datetime,
    window_end: datetime,
    *,
    id: str | None = None,
    minutes: int = rules.HOLD_MINUTES_DEFAULT,
) -> str:
    """Find out who could come in a window, and keep their time free. When somebody else was faster, look again."""
    actor.require(Permission.BOOK_VISITS)
    tries = CHOICES_MAX
    while True:
        choice = await _choose(actor, work_order_id, window_start, window_end)
        try:
            return await reserve_slot(actor, choice, work_order_id, window_start, window_end, id=id, minutes=minutes)
        except ScheduleConflict:
            tries -= 1
            if not choice.technician_ids or not tries:
                raise


async def _choose(actor: Actor, work_order_id: str, window_start: datetime, window_end: datetime) -> Choice:
    """The cheapest way to be there in the window, as the planner sees it now."""
    start, end = require_aware(window_start, "windowStart"), require_aware(window_end, "windowEnd")
    rules.require_slot_window(start, end, utc_now())
    run = await planning.days_of(actor, (start, end))
    span = queries.span_of_run(run)
    nobody = Choice([], start, end, {}, span)
    try:
        wanted = await planning.wanted_for(actor, work_order_id)
    except Conflict:
        return nobody  # said under lock, where a repeated request is known
    # Before anything else is read: what comes in meanwhile must differ from what was seen.
    everybody = await queries.find_technicians_of_run(run)
    seen = await queries.find_taken(actor.organization_id, everybody, span, without=wanted.id)
    best = await planning.best_start(run, wanted, (start, end))
    if best is None:
        return nobody
    return Choice(best.technician_ids, best.starts_at, best.ends_at, {id: seen[id] for id in best.technician_ids}, span)


@command(Permission.BOOK_VISITS)
async def confirm_slot(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Make a time that is kept free the visit's, with the window as its promise."""
    seen = await find_one(SlotHold, actor, id)
    appointment, work_order = await _lock_visit(actor, seen)
    hold = await lock_one(SlotHold, actor, id, version=version)
    rules.SLOT_HOLD.require(SlotHoldStatus(hold.status), SlotHoldStatus.CONFIRMED)
    rules.require_unexpired(hold.status, hold.expires_at, utc_now())
    work_order_rules.require_changeable(work_order.number, work_order.status)
    status = AppointmentStatus(appointment.status)
    rules.require_step_from(status, AppointmentStatus.SCHEDULED, AppointmentStatus.UNSCHEDULED)
    crew = await _lock_crew(hold.technician_ids)
    window = {"window_start": hold.window_start, "window_end": hold.window_end}
    await _require_fit(
        appointment, work_order, crew, hold.starts_at, hold.ends_at, (hold.window_start, hold.window_end)
    )
    confirmed = await change_row(hold, status=SlotHoldStatus.CONFIRMED.value)
    for reserved in await steps.find_reserved(appointment):
        await steps.settle(reserved, AssignmentStatus.PROPOSED)
    await steps.give_time(appointment, hold.technician_ids, hold.starts_at, hold.ends_at)
    changes = await change_row(
        appointment,
        status=AppointmentStatus.SCHEDULED.value,
        starts_at=hold.starts_at,
        ends_at=hold.ends_at,
        technician_ids=hold.technician_ids,
        **window,
    )
    journal.record(
        events.AppointmentScheduled(
            **steps.audience(appointment),
            starts_at=hold.starts_at.isoformat(),
            ends_at=hold.ends_at.isoformat(),
            changes=changes,
        )
    )
    journal.record(events.SlotConfirmed(**steps.about_hold(hold), changes=confirmed))
    await steps.roll_up(system_actor(actor.organization_id), appointment)
    return hold.id


@command(Permission.BOOK_VISITS)
async def release_slot(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Give a time back that was kept free. What was given back, or is over, stays so."""
    seen = await find_one(SlotHold, actor, id)
    appointment, _ = await _lock_visit(actor, seen)
    hold = await lock_one(SlotHold, actor, id, version=version)
    if hold.status in (SlotHoldStatus.RELEASED, SlotHoldStatus.EXPIRED):
        return hold.id
    rules.SLOT_HOLD.require(SlotHoldStatus(hold.status), SlotHoldStatus.RELEASED)
    await steps.release_holds(appointment)
    return hold.id


@command(Permission.MANAGE_SCHEDULE)
async def expire_slot(actor: Actor, id: str, *, now: datetime | None = None) -> str:
    """Give a time back whose minutes are over."""
    seen = await find_one(SlotHold, actor, id)
    appointment, _ = await _lock_visit(actor, seen)
    hold = await lock_one(SlotHold, actor, id)
    if hold.status == SlotHoldStatus.HELD and hold.expires_at <= (now or utc_now()):
        await steps.release_holds(appointment, SlotHoldStatus.EXPIRED)
    return hold.id


async def expire_slots(organization_id: str, now: datetime) -> None:
    """Give back all times of an organization whose minutes are over."""
    over = (
        (column("organization_id") == organization_id)
        & (column("status") == SlotHoldStatus.HELD.value)
        & (column("expires_at") <= now)
    )
    for hold in await find_rows(SlotHold, over, order=["expires_at", "id"], limit=EXPIRED_AT_ONCE):
        await expire_slot(system_actor(organization_id), hold.id, now=now)


async def forget_old_holds() -> int:
    """Delete the holds that have ended long ago; how many. In small parts, so that nothing waits for it."""
    ended = (column("status") != SlotHoldStatus.HELD.value) & (column("updated_at") < utc_now() - rules.HOLDS_KEPT)

    async def work() -> int:
        old = await find_rows(SlotHold, ended, order=["id"], limit=FORGOTTEN_AT_ONCE)
        return await SlotHold.filter(id__in=[one.id for one in old]).delete() if old else 0

    total = 0
    while deleted := await database.unit_of_work(work):
        total += deleted
    return total


async def _lock_visit(actor: Actor, hold: SlotHold) -> tuple[Appointment, WorkOrder]:
    """What a time is kept free for, in the order in which everybody locks."""
    own = column("organization_id") == actor.organization_id
    [appointment] = await find_rows(Appointment, own & (column("id") == hold.appointment_id), lock=True)
    return appointment, (await steps.lock_work_orders([appointment]))[appointment.work_order_id]


async def _lock_crew(technician_ids: Sequence[str]) -> list[Technician]:
    """Customers do not see the technicians; they are chosen for them."""
    rows = await find_rows(Technician, column("id").one_of(sorted(technician_ids)), order=["id"], lock=True)
    by_id = {row.id: row for row in rows}
    return [by_id[id] for id in technician_ids]


async def _require_few(work_order: WorkOrder, now: datetime) -> None:
    # One after the other, or two at once would both be the last that may be.
    await find_rows(Customer, column("id") == work_order.customer_id, lock=True)
    held = (
        (column("organization_id") == work_order.organization_id)
        & (column("customer_id") == work_order.customer_id)
        & (column("status") == SlotHoldStatus.HELD.value)
        & (column("expires_at") > now)
    )
    if len(await find_rows(SlotHold, held, limit=rules.HOLDS_MAX)) >= rules.HOLDS_MAX:
        message = "As many times as may be are kept free for this account: confirm or release one first."
        raise LimitReached(message, limit=rules.HOLDS_MAX)


async def _require_capacity(
    appointment: Appointment, work_order: WorkOrder, choice: Choice, window: tuple[datetime, datetime]
) -> None:
    """Raise ``ScheduleConflict`` when nobody can come, or one of the technicians has got other work since the choice was
    made, even if that only changes the way: the next choice takes it into account."""
    if not choice.technician_ids:
        message = "Nobody can come in this window any more; choose another one."
        raise ScheduleConflict([ScheduleClash("NO_CAPACITY", message, overridable=False)])
    crew = await _lock_crew(choice.technician_ids)
    taken = await queries.find_taken(appointment.organization_id, choice.seen, choice.span, without=appointment.id)
    if taken != choice.seen:
        message = "The time was taken a moment ago."
        raise ScheduleConflict([ScheduleClash("OVERLAP", message, overridable=False)])
    await _require_fit(appointment, work_order, crew, choice.starts_at, choice.ends_at, window)


async def _require_fit(
    appointment: Appointment,
    work_order: WorkOrder,
    crew: Sequence[Technician],
    starts_at: datetime,
    ends_at: datetime,
    window: tuple[datetime, datetime],
) -> None:
    visit = await queries.visit_of(appointment, work_order, starts_at, ends_at)
    promised = replace(visit, window_start=window[0], window_end=window[1])
    available = await queries.find_availability(
        appointment.organization_id, crew, starts_at, ends_at, without=[appointment.id]
    )
    found = rules.clashes(promised, available)
    if found:
        raise ScheduleConflict(found)
