"""What every change of a visit has in common: locks in one order, one function for the status, one for the crew's time.

Rows are locked in the order appointments, work orders, the customer who has times held, technicians, each by id, so that
two commands never wait for each other in a circle.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app import database
from app.infrastructure import journal
from app.infrastructure.batches import add_rows, change_rows
from app.infrastructure.conditions import column
from app.infrastructure.tables import change_row, find_rows, require_visible
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
    return (await change_statuses([appointment], to, facts, **values))[0]


async def change_statuses(
    appointments: Sequence[Appointment],
    to: AppointmentStatus,
    facts: rules.StepFacts | None = None,
    **values: Any,
) -> list[dict[str, list[Any]]]:
    """As ``change_status`` for many visits."""
    for appointment in appointments:
        rules.APPOINTMENT.require(AppointmentStatus(appointment.status), to, facts)
    if to in STAMPS:
        values.setdefault(STAMPS[to], utc_now())
    return await change_rows([(appointment, {"status": to.value, **values}) for appointment in appointments])


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


@dataclass(frozen=True, slots=True)
class Given:
    """The time that a locked visit gets, and the crew, the lead first."""

    appointment: Appointment
    technician_ids: Sequence[str]
    starts_at: datetime
    ends_at: datetime
    travel_minutes: int | None = None


async def give_time(
    appointment: Appointment, technician_ids: Sequence[str], starts_at: datetime, ends_at: datetime
) -> None:
    """Make these technicians, at this time, the crew of a visit; whoever else held it is released, and what was kept free
    for it."""
    await give_times([Given(appointment, technician_ids, starts_at, ends_at)])


async def give_times(wanted: Sequence[Given]) -> None:
    """As ``give_time`` for many visits, none of them twice."""
    await release_holds_of([one.appointment for one in wanted])
    held = await queries.find_assignments([one.appointment.id for one in wanted])
    by_visit = {id: {one.technician_id: one for one in theirs} for id, theirs in held.items()}
    left, changed, added = [], [], []
    for one in wanted:
        theirs = by_visit.get(one.appointment.id, {})
        left += [assignment for id, assignment in theirs.items() if id not in one.technician_ids]
        for technician_id in one.technician_ids:
            times = _times_of(one, technician_id)
            if technician_id in theirs:
                changed.append((theirs[technician_id], times))
            else:
                added.append(_assignment_of(one.appointment, technician_id) | times)
    await settle_all(left, AssignmentStatus.RELEASED)
    with no_overlap():
        await change_rows(changed)
        await add_rows(Assignment, added)


def _times_of(one: Given, technician_id: str) -> dict[str, Any]:
    return {
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
        "is_active": True,
        "is_lead": technician_id == one.technician_ids[0],
        "travel_minutes": one.travel_minutes,
    }


def _assignment_of(appointment: Appointment, technician_id: str) -> dict[str, Any]:
    return {
        "organization_id": appointment.organization_id,
        "appointment_id": appointment.id,
        "technician_id": technician_id,
        "work_order_id": appointment.work_order_id,
        "customer_id": appointment.customer_id,
        "status": AssignmentStatus.PROPOSED.value,
    }


async def find_reserved(*appointments: Appointment) -> list[Assignment]:
    """The time that is kept free for visits."""
    theirs = column("appointment_id").one_of([one.id for one in appointments])
    reserved = theirs & (column("status") == AssignmentStatus.RESERVED.value)
    return await find_rows(Assignment, reserved, order=["-is_lead", "id"], lock=True)


async def release_holds(appointment: Appointment, to: SlotHoldStatus = SlotHoldStatus.RELEASED) -> None:
    """Give back the time that is kept free for a locked visit, if there is any."""
    await release_holds_of([appointment], to)


async def release_holds_of(appointments: Sequence[Appointment], to: SlotHoldStatus = SlotHoldStatus.RELEASED) -> None:
    """As ``release_holds`` for many visits."""
    await settle_all(await find_reserved(*appointments), AssignmentStatus.RELEASED)
    theirs = column("appointment_id").one_of([one.id for one in appointments])
    held = theirs & (column("status") == SlotHoldStatus.HELD.value)
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


async def release_all(appointments: Sequence[Appointment], reason: str | None = None) -> None:
    """Nobody has these visits any more."""
    held = await queries.find_assignments([one.id for one in appointments])
    await settle_all([one for each in appointments for one in held[each.id]], AssignmentStatus.RELEASED, reason)


async def settle(assignment: Assignment, to: AssignmentStatus, reason: str | None = None) -> None:
    """The one way an assignment's status changes: checked against the table; only who may still come keeps the time."""
    await settle_all([assignment], to, reason)


async def settle_all(assignments: Iterable[Assignment], to: AssignmentStatus, reason: str | None = None) -> None:
    """As ``settle`` for many."""
    values: dict[str, Any] = {"status": to.value, "reason": reason}
    if to is not AssignmentStatus.PROPOSED:
        values["decided_at"] = utc_now()
    if to not in (AssignmentStatus.PROPOSED, AssignmentStatus.ACCEPTED):
        values |= {"is_active": False, "is_lead": False}
    wanted = [(one, values) for one in assignments]
    for one, _ in wanted:
        rules.ASSIGNMENT.require(AssignmentStatus(one.status), to)
    await change_rows(wanted)


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
    ids = sorted({appointment.work_order_id for appointment in appointments})
    visits = await queries.find_appointments_of_work_orders(actor.organization_id, ids)
    came_to: dict[str, tuple[list[str], str | None]] = {}
    for id in ids:
        reasons = [one.reason_code for one in visits[id] if one.status == AppointmentStatus.CANNOT_COMPLETE]
        came_to[id] = ([one.status for one in visits[id]], reasons[-1] if reasons else None)
    await work_orders.follow_all_appointments(system_actor(actor.organization_id), came_to)


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
