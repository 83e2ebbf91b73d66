"""What technicians do with a visit, from setting out to the result; the office may do it for them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.company.queries import get_organization
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.tables import lock_one, require_text
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import require_aware, utc_now
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Permission
from app.kernel.places import Point, great_circle_metres
from app.scheduling import events, queries, rules
from app.scheduling.commands import steps
from app.scheduling.models import Appointment
from app.scheduling.rules import AppointmentStatus, AssignmentStatus, ReasonCode
from app.technicians import commands as technicians
from app.technicians.models import Technician
from app.technicians.rules import ACCURACY_METRES_MAX, TechnicianStatus
from app.work_orders import commands as work_orders
from app.work_orders.rules import TimeKind

A = AppointmentStatus
DOING = {
    A.EN_ROUTE: TechnicianStatus.TRAVELLING,
    A.ON_SITE: TechnicianStatus.WORKING,
    A.IN_PROGRESS: TechnicianStatus.WORKING,
}
TIMERS = {A.EN_ROUTE: TimeKind.TRAVEL, A.IN_PROGRESS: TimeKind.REPAIR}
ETA_HOURS_MAX = 24


@command(Permission.EXECUTE_APPOINTMENTS)
async def depart(actor: Actor, id: str, *, version: int | None = None, eta_at: datetime | None = None) -> str:
    """Set out for a visit. Who does so has accepted it; the travel time runs."""
    now = utc_now()
    eta = require_aware(eta_at, "etaAt") if eta_at is not None else None
    if eta is not None and not now - timedelta(minutes=5) <= eta <= now + timedelta(hours=ETA_HOURS_MAX):
        raise InvalidInput(f"The arrival lies within the next {ETA_HOURS_MAX} hours.", path=["etaAt"])

    def values(appointment: Appointment) -> dict[str, Any]:
        if eta is not None or appointment.travel_minutes is None:
            return {"eta_at": eta, "arrival_suggested_at": None}
        return {"eta_at": now + timedelta(minutes=appointment.travel_minutes), "arrival_suggested_at": None}

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        at = appointment.eta_at
        return events.AppointmentDeparted(**about, eta_at=at.isoformat() if at else None)

    return await _step(actor, id, version, A.EN_ROUTE, fact, values)


@command(Permission.EXECUTE_APPOINTMENTS)
async def turn_back(actor: Actor, id: str, *, version: int | None = None, reason: str | None = None) -> str:
    """Break off the way to a visit; it waits to be set out for again."""
    why = require_text(reason, "reason", longest=500) if reason is not None else None

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        return events.AppointmentTurnedBack(**about, reason=why)

    def values(appointment: Appointment) -> dict[str, Any]:
        return {**steps.UNSENT, "dispatched_at": appointment.dispatched_at}

    return await _step(actor, id, version, A.DISPATCHED, fact, values, came_from=A.EN_ROUTE)


@command(Permission.EXECUTE_APPOINTMENTS)
async def arrive(
    actor: Actor,
    id: str,
    *,
    version: int | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
    accuracy_metres: float | None = None,
) -> str:
    """Be on site. The device's position is kept with the visit, how far from the site it was, and whether that counts as
    there. Who is far away arrives all the same: sites are drawn wrong, and devices err.
    """
    if (latitude is None) != (longitude is None):
        raise InvalidInput("A position has a latitude and a longitude.", path=["latitude"])
    if accuracy_metres is not None and not 0 <= accuracy_metres <= ACCURACY_METRES_MAX:
        raise InvalidInput(f"An accuracy is 0 to {ACCURACY_METRES_MAX:,} metres.", path=["accuracyMetres"])
    here = Point(latitude, longitude) if latitude is not None and longitude is not None else None
    distance: int | None = None
    is_near: bool | None = None
    if here is not None:
        appointment = await lock_one(Appointment, actor, id, version=version)
        site = await queries.find_place_of(appointment)
        if site is not None:
            radius = (await get_organization(actor)).arrival_radius_metres
            distance = round(great_circle_metres(here, site))
            is_near = rules.may_be_there(distance, radius, accuracy_metres)

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        return events.AppointmentArrived(**about, distance_metres=distance, is_near_site=is_near)

    where = {
        "arrived_latitude": latitude,
        "arrived_longitude": longitude,
        "arrived_distance_metres": distance,
        "arrived_near_site": is_near,
    }
    return await _step(actor, id, version, A.ON_SITE, fact, lambda _: where)


@command(Permission.EXECUTE_APPOINTMENTS)
async def start_work(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Begin the work on site; the working time runs."""

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        return events.AppointmentStarted(**about)

    return await _step(
        actor, id, version, A.IN_PROGRESS, fact, lambda _: {"started_at": utc_now()}, came_from=A.ON_SITE
    )


@command(Permission.EXECUTE_APPOINTMENTS)
async def pause_work(
    actor: Actor, id: str, *, version: int | None = None, reason_code: ReasonCode | None = None
) -> str:
    """Interrupt the work; the technicians can be at another visit meanwhile."""

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        return events.AppointmentPaused(**about, reason_code=reason_code)

    return await _step(actor, id, version, A.PAUSED, fact, lambda _: {"reason_code": reason_code})


@command(Permission.EXECUTE_APPOINTMENTS)
async def resume_work(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Go on with paused work."""

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        return events.AppointmentResumed(**about)

    return await _step(
        actor,
        id,
        version,
        A.IN_PROGRESS,
        fact,
        lambda _: {"paused_at": None, "reason_code": None},
        came_from=A.PAUSED,
    )


@command(Permission.EXECUTE_APPOINTMENTS)
async def complete_appointment(
    actor: Actor,
    id: str,
    *,
    result: AppointmentStatus = AppointmentStatus.COMPLETED,
    reason_code: ReasonCode | None = None,
    version: int | None = None,
) -> str:
    """End a visit with its result; anything but COMPLETED has a reason. The technicians are free again."""
    if result not in rules.RESULTS:
        raise InvalidInput(f"A visit ends as one of {', '.join(sorted(rules.RESULTS))}.", path=["result"])
    if result is not A.COMPLETED and reason_code is None:
        raise InvalidInput("Say why the work is not complete.", path=["reasonCode"])

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        return events.AppointmentCompleted(**about, result=result, reason_code=reason_code)

    return await _step(actor, id, version, result, fact, lambda _: {"reason_code": reason_code, "eta_at": None})


@command(Permission.MANAGE_SCHEDULE)
async def cancel_appointment(actor: Actor, id: str, reason_code: ReasonCode, *, version: int | None = None) -> str:
    """Call a visit off before its work begins."""

    def fact(appointment: Appointment, about: dict[str, Any]) -> events.AppointmentFact:
        return events.AppointmentCanceled(**about, reason_code=reason_code)

    return await _step(actor, id, version, A.CANCELED, fact, lambda _: {"reason_code": reason_code, "eta_at": None})


async def _step(
    actor: Actor,
    id: str,
    version: int | None,
    to: AppointmentStatus,
    fact: Callable[[Appointment, dict[str, Any]], events.AppointmentFact],
    values: Callable[[Appointment], dict[str, Any]],
    *,
    came_from: AppointmentStatus | None = None,
) -> str:
    appointment = await lock_one(Appointment, actor, id, version=version)
    before = AppointmentStatus(appointment.status)
    await steps.lock_work_orders([appointment])
    members = await steps.lock_crew(appointment)
    busy = await queries.find_busy_names(actor.organization_id, members, appointment.id) if to in rules.ACTIVE else ()
    if came_from is not None:
        # Start and resume both lead to work: the table alone does not tell them apart.
        rules.require_step_from(before, to, came_from)
    facts = rules.StepFacts(technician_count=len(members), busy_technicians=busy)
    changes = await steps.change_status(appointment, to, facts, **values(appointment))
    if to is A.EN_ROUTE:
        await _accept_all(appointment)
    if to in rules.ENDED:
        await steps.free_time(appointment)
    journal.record(fact(appointment, {**steps.audience(appointment), "changes": changes}))
    await _tell_clock(actor, appointment, members, before, to)
    await _tell_status(actor, members, before, to)
    await steps.roll_up(actor, appointment)
    return appointment.id


async def _accept_all(appointment: Appointment) -> None:
    for assignment in (await queries.find_assignments([appointment.id]))[appointment.id]:
        if assignment.status == AssignmentStatus.PROPOSED:
            await steps.settle(assignment, AssignmentStatus.ACCEPTED)


async def _tell_clock(
    actor: Actor,
    appointment: Appointment,
    members: list[Technician],
    before: AppointmentStatus,
    to: AppointmentStatus,
) -> None:
    system = system_actor(actor.organization_id)
    if before in TIMERS:
        for entry in await queries.find_running_timers(appointment):
            await work_orders.stop_timer(system, entry.id)
    if to in TIMERS:
        for member in members:
            await work_orders.start_timer(
                system,
                appointment.work_order_id,
                TIMERS[to],
                technician_id=member.id,
                appointment_id=appointment.id,
                stop_running=True,
            )


async def _tell_status(
    actor: Actor, members: list[Technician], before: AppointmentStatus, to: AppointmentStatus
) -> None:
    if to not in DOING and before not in DOING:
        return
    doing = DOING.get(to, TechnicianStatus.AVAILABLE)
    for member in members:
        # Who was checked out meanwhile is not checked in again by the end of a visit.
        if member.status != doing and not (
            doing is TechnicianStatus.AVAILABLE and member.status == TechnicianStatus.OFF
        ):
            await technicians.change_status(system_actor(actor.organization_id), member.id, doing)
