"""What happens to an assignment: the technician agrees or declines, the office takes somebody off."""

from typing import Any

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.tables import change_row, find_one, lock_one, require_text
from app.kernel.actor import Actor, system_actor
from app.kernel.errors import Conflict
from app.kernel.permissions import Permission
from app.scheduling import events, queries, rules
from app.scheduling.commands import steps
from app.scheduling.models import Appointment, Assignment
from app.scheduling.rules import AppointmentStatus, AssignmentStatus


@command(Permission.EXECUTE_APPOINTMENTS)
async def accept_assignment(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Agree to come."""
    appointment, assignment = await _lock(actor, id, version)
    rules.require_open(AppointmentStatus(appointment.status))
    await steps.settle(assignment, AssignmentStatus.ACCEPTED)
    about = steps.audience(appointment, assignment.technician_id)
    journal.record(events.AssignmentAccepted(**about, assignment_id=assignment.id))
    return assignment.id


@command(Permission.EXECUTE_APPOINTMENTS)
async def decline_assignment(actor: Actor, id: str, reason: str, *, version: int | None = None) -> str:
    """Turn a visit down, with a reason. A visit that nobody is left for waits for a new time."""
    why = require_text(reason, "reason", longest=500)
    appointment, assignment = await _lock(actor, id, version)
    about = await _take_off(appointment, assignment, AssignmentStatus.DECLINED, why)
    journal.record(events.AssignmentDeclined(**about, assignment_id=assignment.id, reason=why))
    await steps.roll_up(actor, appointment)
    return assignment.id


@command(Permission.MANAGE_SCHEDULE)
async def release_assignment(actor: Actor, id: str, *, reason: str | None = None, version: int | None = None) -> str:
    """Take a technician off a visit. A visit that nobody is left for waits for a new time."""
    why = require_text(reason, "reason", longest=500) if reason is not None else None
    appointment, assignment = await _lock(actor, id, version)
    about = await _take_off(appointment, assignment, AssignmentStatus.RELEASED, why)
    journal.record(events.AssignmentReleased(**about, assignment_id=assignment.id, reason=why))
    await steps.roll_up(actor, appointment)
    return assignment.id


async def _lock(actor: Actor, id: str, version: int | None) -> tuple[Appointment, Assignment]:
    """The visit is locked first, as everywhere."""
    seen = await find_one(Assignment, actor, id)
    appointment = await lock_one(Appointment, system_actor(actor.organization_id), seen.appointment_id)
    return appointment, await lock_one(Assignment, actor, id, version=version)


async def _take_off(
    appointment: Appointment, assignment: Assignment, to: AssignmentStatus, reason: str | None
) -> dict[str, Any]:
    """Take a technician off a visit; what the fact about it says."""
    if assignment.status == AssignmentStatus.RESERVED:
        raise Conflict("This time is kept free for a customer; releaseSlot gives it back.", path=["id"])
    rules.require_not_begun(AppointmentStatus(appointment.status))
    await steps.settle(assignment, to, reason)
    left = [id for id in appointment.technician_ids or [] if id != assignment.technician_id]
    if not left:
        changes = await steps.change_status(appointment, AppointmentStatus.UNSCHEDULED, **steps.UNPLANNED)
        about = steps.audience(appointment, assignment.technician_id)
        journal.record(events.AppointmentUnscheduled(**about, reason=reason, changes=changes))
        return about
    changes = await change_row(appointment, technician_ids=left)
    for other in (await queries.find_assignments([appointment.id]))[appointment.id]:
        await change_row(other, is_lead=other.technician_id == left[0])
    return {**steps.audience(appointment, assignment.technician_id), "changes": changes}
