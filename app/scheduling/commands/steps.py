"""What every change of a visit has in common: locks in one order, one function for the status, one for the crew's time.

Rows are locked in the order appointments, work orders, the customer who has times held, technicians, each by id, so that
two commands never wait for each other in a circle.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from app import database
from app.infrastructure import journal
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, require_visible
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, ScheduleClash, ScheduleConflict
from app.scheduling import events, queries, rules
from app.scheduling.models import Appointment, Assignment, SlotHold
from app.scheduling.rules import AppointmentStatus, AssignmentStatus, SlotHoldStatus
from app.technicians.models import Technician
from app.work_orders import commands as work_orders
from app.work_orders.models import WorkOrder

STAMPS = {
    AppointmentStatus.DISPATCHED: "dispatched_at",
    AppointmentStatus.EN_ROUTE: "en_route_at",
    AppointmentStatus.ON_SITE: "arrived_at",
    AppointmentStatus.PAUSED: "paused_at",
    AppointmentStatus.COMPLETED: "completed_at",
    AppointmentStatus.PARTIALLY_COMPLETED: "completed_at",
    AppointmentStatus.CANNOT_COMPLETE: "completed_at",
    AppointmentStatus.CANCELED: "canceled_at",
}
# What a visit that was sent back to the office has no longer.
UNSENT: dict[str, Any] = {"dispatched_at": None, "en_route_at": None, "eta_at": None, "arrival_suggested_at": None}
UNPLANNED: dict[str, Any] = {
    **UNSENT,
    "starts_at": None,
    "ends_at": None,
    "technician_ids": [],
    "travel_minutes": None,
    "is_pinned_who": False,
    "is_pinned_when": False,
}


async def change_status(
    appointment: Appointment,
    to: AppointmentStatus,
    facts: rules.StepFacts | None = None,
    **values: Any,
) -> dict[str, list[Any]]:
    """The one way a visit's status changes: checked against the table, stamped with the time."""
    rules.APPOINTMENT.require(AppointmentStatus(appointment.status), to, facts)
    if to in STAMPS:
        values.setdefault(STAMPS[to], utc_now())
    return await change_row(appointment, status=to.value, **values)


async def lock_technicians(
    actor: Actor, technician_ids: Sequence[str], path: str = "technicianIds"
) -> list[Technician]:
    """The technicians, in the order given, kept for this transaction: nobody else gives them work meanwhile."""
    await require_visible(Technician, actor, technician_ids, path)
    rows = await find_rows(Technician, column("id").one_of(sorted(set(technician_ids))), order=["id"], lock=True)
    by_id = {row.id: row for row in rows}
    return [by_id[id] for id in technician_ids]


async def lock_crew(appointment: Appointment) -> list[Technician]:
    """The technicians of a visit, kept for this transaction."""
    ids = list(appointment.technician_ids or [])
    rows = await find_rows(Technician, column("id").one_of(sorted(ids)), order=["id"], lock=True)
    by_id = {row.id: row for row in rows}
    return [by_id[id] for id in ids if id in by_id]


def require_crew(technician_ids: Sequence[str]) -> list[str]:
    """One technician or a crew, the lead first, nobody twice."""
    if not 1 <= len(technician_ids) <= rules.CREW_MAX:
        raise InvalidInput(f"A visit has 1 to {rules.CREW_MAX} technicians.", path=["technicianIds"])
    if len(set(technician_ids)) != len(technician_ids):
        raise InvalidInput("A technician is named twice.", path=["technicianIds"])
    return list(technician_ids)


async def lock_work_orders(appointments: Iterable[Appointment]) -> dict[str, WorkOrder]:
    """What the visits are for. The visits themselves were found through the actor's own door already."""
    ids = sorted({appointment.work_order_id for appointment in appointments})
    rows = await find_rows(WorkOrder, column("id").one_of(ids), order=["id"], lock=True)
    return {row.id: row for row in rows}


async def give_time(
    appointment: Appointment,
    technician_ids: Sequence[str],
    starts_at: datetime,
    ends_at: datetime,
    *,
    travel_minutes: int | None = None,
) -> None:
    """Make these technicians, at this time, the crew of a visit; whoever else held it is released, and what was kept free
    for it."""
    await release_holds(appointment)
    held = {one.technician_id: one for one in (await queries.find_assignments([appointment.id]))[appointment.id]}
    await _release([one for id, one in held.items() if id not in technician_ids], AssignmentStatus.RELEASED)
    with no_overlap():
        for index, technician_id in enumerate(technician_ids):
            times: dict[str, Any] = {
                "starts_at": starts_at,
                "ends_at": ends_at,
                "is_active": True,
                "is_lead": index == 0,
                "travel_minutes": travel_minutes,
            }
            if technician_id in held:
                await change_row(held[technician_id], **times)
                continue
            await add_row(
                Assignment,
                organization_id=appointment.organization_id,
                appointment_id=appointment.id,
                technician_id=technician_id,
                work_order_id=appointment.work_order_id,
                customer_id=appointment.customer_id,
                status=AssignmentStatus.PROPOSED.value,
                **times,
            )


async def find_reserved(appointment: Appointment) -> list[Assignment]:
    """The time that is kept free for a visit."""
    reserved = (column("appointment_id") == appointment.id) & (column("status") == AssignmentStatus.RESERVED.value)
    return await find_rows(Assignment, reserved, order=["-is_lead", "id"], lock=True)


async def release_holds(appointment: Appointment, to: SlotHoldStatus = SlotHoldStatus.RELEASED) -> None:
    """Give back the time that is kept free for a locked visit, if there is any."""
    await _release(await find_reserved(appointment), AssignmentStatus.RELEASED)
    held = (column("appointment_id") == appointment.id) & (column("status") == SlotHoldStatus.HELD.value)
    for hold in await find_rows(SlotHold, held, order=["id"], lock=True):
        rules.SLOT_HOLD.require(SlotHoldStatus(hold.status), to)
        changes = await change_row(hold, status=to.value)
        kind = events.SlotExpired if to is SlotHoldStatus.EXPIRED else events.SlotReleased
        journal.record(kind(**about_hold(hold), changes=changes))


def about_hold(hold: SlotHold) -> dict[str, Any]:
    """What every fact about a time that was kept free says. Technicians are told when it is confirmed, not before."""
    return {
        "subject_id": hold.id,
        "customer_id": hold.customer_id,
        "work_order_id": hold.work_order_id,
        "appointment_id": hold.appointment_id,
        "window_start": hold.window_start.isoformat(),
        "window_end": hold.window_end.isoformat(),
    }


async def release_all(appointment: Appointment, reason: str | None = None) -> None:
    """Nobody has this visit any more."""
    held = (await queries.find_assignments([appointment.id]))[appointment.id]
    await _release(held, AssignmentStatus.RELEASED, reason)


async def _release(assignments: Iterable[Assignment], to: AssignmentStatus, reason: str | None = None) -> None:
    for assignment in assignments:
        await settle(assignment, to, reason)


async def settle(assignment: Assignment, to: AssignmentStatus, reason: str | None = None) -> None:
    """The one way an assignment's status changes: checked against the table; only who may still come keeps the time."""
    rules.ASSIGNMENT.require(AssignmentStatus(assignment.status), to)
    values: dict[str, Any] = {"status": to.value, "reason": reason}
    if to is not AssignmentStatus.PROPOSED:
        values["decided_at"] = utc_now()
    if to not in (AssignmentStatus.PROPOSED, AssignmentStatus.ACCEPTED):
        values |= {"is_active": False, "is_lead": False}
    await change_row(assignment, **values)


async def free_time(appointment: Appointment) -> None:
    """The visit has ended: its crew can be placed again, and the time it took in truth is what stays."""
    await release_holds(appointment)
    now = utc_now()
    for assignment in (await queries.find_assignments([appointment.id]))[appointment.id]:
        begun = min(assignment.starts_at, appointment.started_at or appointment.arrived_at or assignment.starts_at)
        begun = min(begun, now)
        ended = max(now, rules.ends_at(begun, 1))
        await change_row(assignment, is_active=False, starts_at=begun, ends_at=ended)


@contextmanager
def no_overlap() -> Iterator[None]:
    """The database's own refusal of a double booking, in our words."""
    try:
        yield
    except Exception as error:
        if isinstance(database.translate(error), database.Overlap):
            message = "A technician was given another visit at that time a moment ago."
            raise ScheduleConflict([ScheduleClash("OVERLAP", message, overridable=False)]) from error
        raise


async def roll_up(actor: Actor, *appointments: Appointment) -> None:
    """Let the work orders follow what became of their visits."""
    for work_order_id in sorted({appointment.work_order_id for appointment in appointments}):
        visits = await queries.find_appointments_of_work_order(actor.organization_id, work_order_id)
        reasons = [visit.reason_code for visit in visits if visit.status == AppointmentStatus.CANNOT_COMPLETE]
        await work_orders.follow_appointments(
            system_actor(actor.organization_id),
            work_order_id,
            [visit.status for visit in visits],
            reason=reasons[-1] if reasons else None,
        )


PLACED = ("status", "starts_at", "ends_at", "window_start", "window_end", "technician_ids")


def audience(appointment: Appointment, *technician_ids: str) -> dict[str, Any]:
    """What every fact about a visit says, once the visit was changed: whom it concerns, which are its customer, its crew and
    who else is named, and where the visit stands now."""
    concerned = dict.fromkeys([*(appointment.technician_ids or []), *technician_ids])
    return {
        "subject_id": appointment.id,
        "work_order_id": appointment.work_order_id,
        "customer_id": appointment.customer_id,
        "technician_ids": tuple(concerned),
        "placed": {name: getattr(appointment, name) for name in PLACED},
    }
