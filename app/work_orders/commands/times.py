"""Clocking the work: one running timer per technician, *worked* minutes measured, *billed* minutes assessed."""

from datetime import datetime, timedelta

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.calendar import require_aware, utc_now
from app.kernel.errors import Conflict, InvalidInput, NotFound
from app.kernel.ids import require_id
from app.kernel.permissions import Permission
from app.technicians.models import Technician
from app.work_orders import events, models, rules
from app.work_orders.queries import appointment_ids_of, technician_ids_of

CLOCK_SKEW = timedelta(minutes=5)


@command(Permission.EXECUTE_WORK_ORDERS)
async def start_timer(
    actor: Actor,
    work_order_id: str,
    kind: str,
    *,
    technician_id: str | None = None,
    appointment_id: str | None = None,
    started_at: datetime | None = None,
    stop_running: bool = False,
    id: str | None = None,
) -> str:
    """Start a technician's clock on the work; the time entry's id.

    One clock runs per technician: another one is a ``Conflict``, or is stopped at this moment with ``stop_running``.
    """
    row = await lock_one(models.WorkOrder, actor, work_order_id, path="workOrderId")
    rules.require_clocked(row.number, row.status)
    technician = await _locked_technician(actor, technician_id)
    chosen, moment = _kind(kind), _past(started_at, "startedAt")
    for running in await _running_of(technician.id):
        if not stop_running:
            other = await models.WorkOrder.get(id=running.work_order_id)
            raise Conflict(f"A timer of {technician.name} runs already, on {other.number}: stop it first.")
        await _stop(running, max(moment, running.started_at), None)
    entry = await add_row(
        models.TimeEntry,
        id=id,
        organization_id=actor.organization_id,
        work_order_id=row.id,
        appointment_id=await _own_appointment(row, appointment_id),
        technician_id=technician.id,
        kind=chosen,
        started_at=moment,
    )
    journal.record(
        events.TimerStarted(
            subject_id=row.id,
            technician_ids=await technician_ids_of(row.id),
            time_entry_id=entry.id,
            technician_id=technician.id,
            kind=chosen,
        )
    )
    return entry.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def stop_timer(
    actor: Actor, id: str, *, ended_at: datetime | None = None, billed_minutes: int | None = None
) -> str:
    """Stop a running clock; the technician may assess how much of it is billed. Stopping it again changes nothing."""
    entry = await lock_one(models.TimeEntry, actor, id)
    _require_own(actor, entry.technician_id)
    if entry.ended_at is None:
        # A device whose clock is a little ahead may have started it in what is our future still.
        ended = max(utc_now(), entry.started_at) if ended_at is None else _past(ended_at, "endedAt")
        await _stop(entry, ended, billed_minutes)
    return entry.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def add_time_entry(
    actor: Actor,
    work_order_id: str,
    kind: str,
    *,
    started_at: datetime,
    ended_at: datetime,
    billed_minutes: int | None = None,
    technician_id: str | None = None,
    appointment_id: str | None = None,
    id: str | None = None,
) -> str:
    """Enter a stretch of time that is over; the time entry's id. Until the work is approved."""
    row = await lock_one(models.WorkOrder, actor, work_order_id, path="workOrderId")
    rules.require_open_bill(row.number, row.status)
    technician = await _locked_technician(actor, technician_id)
    chosen, start, end = _kind(kind), _past(started_at, "startedAt"), _past(ended_at, "endedAt")
    worked = rules.minutes_worked(start, end)
    entry = await add_row(
        models.TimeEntry,
        id=id,
        organization_id=actor.organization_id,
        work_order_id=row.id,
        appointment_id=await _own_appointment(row, appointment_id),
        technician_id=technician.id,
        kind=chosen,
        started_at=start,
        ended_at=end,
        worked_minutes=worked,
        billed_minutes=rules.minutes_billed(chosen, worked, billed_minutes),
    )
    journal.record(
        events.TimeEntryAdded(
            subject_id=row.id,
            technician_ids=await technician_ids_of(row.id),
            time_entry_id=entry.id,
            technician_id=technician.id,
            kind=chosen,
            worked_minutes=entry.worked_minutes,
            billed_minutes=entry.billed_minutes,
        )
    )
    return entry.id


async def stop_timers_of(work_order_id: str, now: datetime) -> None:
    """Part of a command: stop every clock that runs on the work."""
    running = models.TimeEntry.filter(work_order_id=work_order_id, ended_at__isnull=True)
    for entry in await running.select_for_update():
        await _stop(entry, max(now, entry.started_at), None)


async def _stop(entry: models.TimeEntry, ended_at: datetime, billed_minutes: int | None) -> None:
    # A clock that was forgotten stops at the longest stretch that makes sense, so that it can always be stopped.
    longest = entry.started_at + timedelta(minutes=rules.TIME_ENTRY_MINUTES_MAX)
    end = min(ended_at, longest)
    worked = rules.minutes_worked(entry.started_at, end)
    billed = rules.minutes_billed(entry.kind, worked, billed_minutes)
    await change_row(entry, ended_at=end, worked_minutes=worked, billed_minutes=billed)
    journal.record(
        events.TimerStopped(
            subject_id=entry.work_order_id,
            technician_ids=await technician_ids_of(entry.work_order_id),
            time_entry_id=entry.id,
            technician_id=entry.technician_id,
            kind=entry.kind,
            worked_minutes=worked,
            billed_minutes=billed,
        )
    )


async def _locked_technician(actor: Actor, technician_id: str | None) -> Technician:
    """Whose time it is: the actor's own, or anybody's for those who manage work. The lock makes "one timer" true."""
    chosen = technician_id if technician_id is not None else actor.technician_id
    if chosen is None:
        raise InvalidInput("Say whose time it is.", path=["technicianId"])
    _require_own(actor, require_id(chosen, Technician.prefix, "technicianId"))
    mine = (column("id") == chosen) & (column("organization_id") == actor.organization_id)
    found = await find_rows(Technician, mine, lock=True)
    if not found:
        raise NotFound(Technician.noun, chosen, path=["technicianId"])
    return found[0]


def _require_own(actor: Actor, technician_id: str) -> None:
    if technician_id != actor.technician_id:
        actor.require(Permission.MANAGE_WORK_ORDERS)


async def _running_of(technician_id: str) -> list[models.TimeEntry]:
    return await models.TimeEntry.filter(technician_id=technician_id, ended_at__isnull=True).select_for_update()


async def _own_appointment(row: models.WorkOrder, appointment_id: str | None) -> str | None:
    """The visit must be one of this work; which visits there are, the table of a higher room knows."""
    if appointment_id is not None and appointment_id not in await appointment_ids_of(row.id):
        raise NotFound("appointment", appointment_id, path=["appointmentId"])
    return appointment_id


def _past(moment: datetime | None, path: str) -> datetime:
    now = utc_now()
    if moment is None:
        return now
    aware = require_aware(moment, path)
    if aware > now + CLOCK_SKEW:
        raise InvalidInput("Time is clocked when it has passed.", path=[path])
    return aware


def _kind(kind: str) -> str:
    try:
        return rules.TimeKind(kind).value
    except ValueError:
        raise InvalidInput(f"{kind[:40]!r} is none of {', '.join(rules.TimeKind)}.", path=["kind"]) from None
