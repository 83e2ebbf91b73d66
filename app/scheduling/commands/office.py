"""What the office does: wants a visit, gives it a time and technicians, moves it, sends them off."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_one, find_rows, lock_one, require_text, require_visible
from app.kernel.actor import Actor
from app.kernel.calendar import require_aware
from app.kernel.errors import IllegalTransition, InvalidInput
from app.kernel.permissions import Permission
from app.scheduling import events, queries, rules
from app.scheduling.commands import steps
from app.scheduling.models import Appointment
from app.scheduling.rules import AppointmentStatus
from app.technicians.models import Technician
from app.work_orders import rules as work_order_rules
from app.work_orders.models import WorkOrder

BATCH_MAX = 500


@command(Permission.MANAGE_SCHEDULE)
async def create_appointment(
    actor: Actor,
    work_order_id: str,
    *,
    id: str | None = None,
    window_start: datetime | None = None,
    window_end: datetime | None = None,
    duration_minutes: int | None = None,
) -> str:
    """Want one more visit for a work order. Window and duration are the work order's own unless given."""
    work_order = await lock_one(WorkOrder, actor, work_order_id, path="workOrderId")
    work_order_rules.require_changeable(work_order.number, work_order.status)
    if window_start is None and window_end is None:
        window_start, window_end = work_order.requested_window_start, work_order.requested_window_end
    rules.require_window(window_start, window_end)
    minutes = rules.require_duration(work_order.duration_minutes if duration_minutes is None else duration_minutes)
    appointment = await add_appointment(
        work_order, id=id, window_start=window_start, window_end=window_end, duration_minutes=minutes
    )
    await steps.roll_up(actor, appointment)
    return appointment.id


async def add_appointment(work_order: WorkOrder, *, id: str | None = None, **values: Any) -> Appointment:
    """The next visit of a locked work order, still without a time."""
    visits = await queries.find_appointments_of_work_order(work_order.organization_id, work_order.id)
    for name in ("window_start", "window_end"):
        if values[name] is not None:
            values[name] = require_aware(values[name], name)
    appointment = await add_row(
        Appointment,
        id=id,
        organization_id=work_order.organization_id,
        work_order_id=work_order.id,
        site_id=work_order.site_id,
        customer_id=work_order.customer_id,
        number=max((visit.number for visit in visits), default=0) + 1,
        status=AppointmentStatus.UNSCHEDULED.value,
        **values,
    )
    journal.record(events.AppointmentCreated(**steps.audience(appointment)))
    return appointment


async def lock_wanted_visit(actor: Actor, work_order_id: str) -> tuple[Appointment, WorkOrder]:
    """The one visit of some work that waits for a time, and the work, kept for this transaction; a new one if none does."""
    seen = await find_one(WorkOrder, actor, work_order_id, path="workOrderId")
    waiting = await queries.find_wanted_visit(seen)
    if waiting is not None:
        await find_rows(Appointment, column("id") == waiting.id, lock=True)
    work_order = await lock_one(WorkOrder, actor, work_order_id, path="workOrderId")
    work_order_rules.require_changeable(work_order.number, work_order.status)
    # Somebody may have been faster.
    waiting = await queries.find_wanted_visit(work_order)
    if waiting is not None:
        return waiting, work_order
    made = await add_appointment(
        work_order,
        window_start=work_order.requested_window_start,
        window_end=work_order.requested_window_end,
        duration_minutes=min(work_order.duration_minutes, rules.DURATION_MINUTES_MAX),
    )
    return made, work_order


@command(Permission.MANAGE_SCHEDULE)
async def schedule_appointment(
    actor: Actor,
    id: str,
    technician_ids: Sequence[str],
    starts_at: datetime,
    *,
    version: int | None = None,
    duration_minutes: int | None = None,
    pin_who: bool | None = None,
    pin_when: bool | None = None,
    override_reason: str | None = None,
) -> str:
    """Give a visit its time and its technicians, the lead first; everything that speaks against it is listed."""
    appointment = await lock_one(Appointment, actor, id, version=version)
    status = AppointmentStatus(appointment.status)
    rules.require_step_from(status, AppointmentStatus.SCHEDULED, AppointmentStatus.UNSCHEDULED)
    return await _place(
        actor,
        appointment,
        technician_ids,
        starts_at,
        duration_minutes=duration_minutes,
        pin_who=pin_who,
        pin_when=pin_when,
        override_reason=override_reason,
    )


@command(Permission.MANAGE_SCHEDULE)
async def schedule_work(
    actor: Actor,
    work_order_id: str,
    technician_ids: Sequence[str],
    starts_at: datetime,
    *,
    duration_minutes: int | None = None,
    override_reason: str | None = None,
) -> str:
    """Give some work its visit with time and technicians at once: the one that waits for a time, or a new one."""
    await require_visible(Technician, actor, technician_ids, "technicianIds")
    appointment, _ = await lock_wanted_visit(actor, work_order_id)
    return await schedule_appointment(
        actor,
        appointment.id,
        technician_ids,
        starts_at,
        duration_minutes=duration_minutes,
        override_reason=override_reason,
    )


@command(Permission.MANAGE_SCHEDULE)
async def reschedule_appointment(
    actor: Actor,
    id: str,
    *,
    version: int | None = None,
    technician_ids: Sequence[str] | None = None,
    starts_at: datetime | None = None,
    duration_minutes: int | None = None,
    pin_who: bool | None = None,
    pin_when: bool | None = None,
    override_reason: str | None = None,
) -> str:
    """Move a visit to another time, to other technicians, or both. One that was dispatched must be dispatched again."""
    appointment = await lock_one(Appointment, actor, id, version=version)
    status = AppointmentStatus(appointment.status)
    if appointment.starts_at is None:
        allowed = [step.to.value for step in rules.APPOINTMENT.allowed(status)]
        raise IllegalTransition(
            Appointment.noun, status, "RESCHEDULED", allowed, because="it has no time yet; schedule it"
        )
    if status is not AppointmentStatus.SCHEDULED:
        rules.APPOINTMENT.require(status, AppointmentStatus.SCHEDULED)
    return await _place(
        actor,
        appointment,
        appointment.technician_ids if technician_ids is None else technician_ids,
        appointment.starts_at if starts_at is None else starts_at,
        duration_minutes=duration_minutes,
        pin_who=pin_who,
        pin_when=pin_when,
        override_reason=override_reason,
    )


async def _place(
    actor: Actor,
    appointment: Appointment,
    technician_ids: Sequence[str],
    starts_at: datetime,
    *,
    duration_minutes: int | None,
    pin_who: bool | None,
    pin_when: bool | None,
    override_reason: str | None,
) -> str:
    ids = steps.require_crew(technician_ids)
    start = require_aware(starts_at, "startsAt")
    minutes = rules.require_duration(appointment.duration_minutes if duration_minutes is None else duration_minutes)
    reason = require_text(override_reason, "overrideReason", longest=500) if override_reason is not None else None
    end = rules.ends_at(start, minutes)
    work_order = (await steps.lock_work_orders([appointment]))[appointment.work_order_id]
    crew = await steps.lock_technicians(actor, ids)
    work_order_rules.require_changeable(work_order.number, work_order.status)
    visit = await queries.visit_of(appointment, work_order, start, end)
    available = await queries.find_availability(actor.organization_id, crew, start, end, without=[appointment.id])
    found = rules.clashes(visit, available)
    rules.require_fit(
        found,
        override_reason=reason,
        may_override=actor.holds(Permission.OVERRIDE_SCHEDULE_CONFLICTS),
    )
    moved_from = list(appointment.technician_ids or [])
    was_placed = appointment.starts_at is not None
    await steps.give_time(appointment, ids, start, end)
    changes = await change_row(
        appointment,
        **steps.UNSENT,
        status=AppointmentStatus.SCHEDULED.value,
        starts_at=start,
        ends_at=end,
        duration_minutes=minutes,
        technician_ids=ids,
        travel_minutes=None,
        is_pinned_who=appointment.is_pinned_who if pin_who is None else pin_who,
        is_pinned_when=appointment.is_pinned_when if pin_when is None else pin_when,
    )
    if changes:
        kind = events.AppointmentRescheduled if was_placed else events.AppointmentScheduled
        journal.record(
            kind(
                **steps.audience(appointment, *moved_from),
                starts_at=start.isoformat(),
                ends_at=end.isoformat(),
                override_reason=reason if found else None,
                overridden=sorted({clash.code for clash in found}),
                changes=changes,
            )
        )
        await steps.roll_up(actor, appointment)
    return appointment.id


@command(Permission.MANAGE_SCHEDULE)
async def pin_appointment(
    actor: Actor, id: str, *, who: bool | None = None, when: bool | None = None, version: int | None = None
) -> str:
    """Say whether the planner may change a visit's technicians or its time; what is not given stays."""
    appointment = await lock_one(Appointment, actor, id, version=version)
    who = appointment.is_pinned_who if who is None else who
    when = appointment.is_pinned_when if when is None else when
    if (who or when) and appointment.starts_at is None:
        raise InvalidInput("A visit without a time and technicians has nothing to pin.", path=["id"])
    changes = await change_row(appointment, is_pinned_who=who, is_pinned_when=when)
    if changes:
        journal.record(events.AppointmentPinned(**steps.audience(appointment), changes=changes))
    return appointment.id


@command(Permission.MANAGE_SCHEDULE)
async def unschedule_appointment(
    actor: Actor, id: str, *, version: int | None = None, reason: str | None = None
) -> str:
    """Take a visit out of the schedule; it waits for a new time."""
    appointment = await lock_one(Appointment, actor, id, version=version)
    why = require_text(reason, "reason", longest=500) if reason is not None else None
    await take_out([appointment], reason=why)
    await steps.roll_up(actor, appointment)
    return appointment.id


async def take_out(
    appointments: Sequence[Appointment], *, reason: str | None = None, run_id: str | None = None
) -> None:
    """Release the crews of locked visits and forget their times."""
    crews = [list(one.technician_ids or []) for one in appointments]
    changes = await steps.change_statuses(appointments, AppointmentStatus.UNSCHEDULED, **steps.UNPLANNED)
    await steps.release_all(appointments, reason)
    for appointment, crew, changed in zip(appointments, crews, changes, strict=True):
        journal.record(
            events.AppointmentUnscheduled(
                **steps.audience(appointment, *crew), reason=reason, run_id=run_id, changes=changed
            )
        )


@command(Permission.MANAGE_SCHEDULE)
async def dispatch_appointment(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Tell the technicians of a visit to go there when it is time."""
    appointment = await lock_one(Appointment, actor, id, version=version)
    await _dispatch(appointment)
    await steps.roll_up(actor, appointment)
    return appointment.id


@command(Permission.MANAGE_SCHEDULE)
async def dispatch_appointments(actor: Actor, ids: Sequence[str]) -> list[str]:
    """Dispatch several visits, all or none."""
    if not 1 <= len(ids) <= BATCH_MAX:
        raise InvalidInput(f"Name 1 to {BATCH_MAX} visits.", path=["ids"])
    await require_visible(Appointment, actor, ids, "ids")
    rows = await find_rows(Appointment, column("id").one_of(sorted(set(ids))), order=["id"], lock=True)
    for appointment in rows:
        await _dispatch(appointment)
    await steps.roll_up(actor, *rows)
    return list(dict.fromkeys(ids))


@command(Permission.MANAGE_SCHEDULE)
async def dispatch_day(
    actor: Actor, day: date, *, time_zone: str | None = None, technician_ids: Sequence[str] | None = None
) -> list[str]:
    """Dispatch every scheduled visit of a day, of all technicians or of some; the ids of those that were."""
    tz = await queries.get_time_zone(actor, time_zone)
    wanted = (
        Appointment.visible_to(actor)
        & (column("status") == AppointmentStatus.SCHEDULED.value)
        & queries.of_day(day, tz)
    )
    if technician_ids is not None:
        await require_visible(Technician, actor, technician_ids, "technicianIds")
        wanted = wanted & queries.of_technicians(actor.organization_id, technician_ids)
    rows = await find_rows(Appointment, wanted, order=["id"], lock=True)
    for appointment in rows:
        await _dispatch(appointment)
    await steps.roll_up(actor, *rows)
    return [row.id for row in rows]


async def _dispatch(appointment: Appointment) -> None:
    status = AppointmentStatus(appointment.status)
    rules.require_step_from(status, AppointmentStatus.DISPATCHED, AppointmentStatus.SCHEDULED)
    facts = rules.StepFacts(technician_count=len(appointment.technician_ids or []))
    changes = await steps.change_status(appointment, AppointmentStatus.DISPATCHED, facts)
    journal.record(events.AppointmentDispatched(**steps.audience(appointment), changes=changes))
