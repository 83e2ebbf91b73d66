"""Saying what needs attention about visits and plans, and taking it back when it is seen to."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from app.customers.models import Site
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import spoken, zone
from app.kernel.permissions import Permission
from app.kernel.work import Priority
from app.messaging import commands as messaging
from app.messaging.rules import AlertKind, AlertSeverity, Danger
from app.scheduling import queries, rules
from app.scheduling.models import Appointment, Assignment, PlanRun
from app.technicians.models import Technician
from app.work_orders.models import WorkOrder
from app.work_orders.rules import OPEN, WorkOrderStatus

Words = Callable[[WorkOrder, Site, str], str]
"""What an alert says, of the work, where it is done, and the names of who comes."""
GRAVE = (Priority.URGENT, Priority.EMERGENCY)
# A visit that ended without success is nobody's worry once its work went on or is over.
STILL_OPEN = frozenset({*OPEN, WorkOrderStatus.CANNOT_COMPLETE})


@command(Permission.MANAGE_ALERTS)
async def watch_visit(actor: Actor, id: str, *, now: datetime) -> str | None:
    """Make the alert about a visit's lateness say what is true at a moment; its id, if it is late."""
    visit = await _read(actor, id)
    if queries.lateness_of(visit, now) is not None:
        # Looked at again while nobody can change it: what is told must be true.
        visit = await _read(actor, id, lock=True)
    danger = queries.lateness_of(visit, now)
    about = column("subject_id") == visit.id
    if danger is None:
        await messaging.resolve_alerts(actor, [AlertKind.VISIT_LATE], about, may_return=True)
        return None
    earlier = about & (column("cause") != danger.cause)
    await messaging.resolve_alerts(
        actor, [AlertKind.VISIT_LATE], earlier, superseded_by=AlertKind.VISIT_LATE, may_return=True
    )
    return await _raise_about(actor, visit, danger, lambda work, site, names: _late(visit, now, work, site, names))


@command(Permission.MANAGE_ALERTS)
async def tell_of_decline(actor: Actor, assignment_id: str, crew: Sequence[str], cause: str) -> str | None:
    """Say that one of a crew turned a visit down, unless the office has given it to others since."""
    mine = (column("organization_id") == actor.organization_id) & (column("id") == assignment_id)
    [assignment] = await find_rows(Assignment, mine)
    visit = await _read(actor, assignment.appointment_id)
    left = [id for id in crew if id != assignment.technician_id]
    if visit.status in rules.ENDED or (visit.technician_ids or []) != left:
        return None
    [work] = await find_rows(WorkOrder, column("id") == visit.work_order_id)
    severity = AlertSeverity.CRITICAL if work.priority in GRAVE else AlertSeverity.WARNING
    danger = Danger(AlertKind.ASSIGNMENT_DECLINED, severity if not left else AlertSeverity.INFO, cause)
    [who] = await find_rows(Technician, column("id") == assignment.technician_id)

    def words(work: WorkOrder, site: Site, names: str) -> str:
        # Not why: the rest of the crew reads this, and the reason may be a private one. The office reads the assignment's.
        remaining = f"{names} still comes." if left else "Nobody comes."
        return f"{who.name} declined visit {visit.number} of {work.number}. {remaining}"

    return await _raise_about(actor, visit, danger, words)


@command(Permission.MANAGE_ALERTS)
async def tell_of_failure(actor: Actor, id: str, cause: str) -> str | None:
    """Say that a visit ended without success, unless another one is booked or the work is over since."""
    visit = await _read(actor, id)
    others = await queries.find_appointments_of_work_order(actor.organization_id, visit.work_order_id)
    [work] = await find_rows(WorkOrder, column("id") == visit.work_order_id)
    if work.status not in STILL_OPEN or any(one.starts_at and one.status not in rules.ENDED for one in others):
        return None
    danger = Danger(AlertKind.VISIT_FAILED, AlertSeverity.WARNING, cause)

    def words(work: WorkOrder, site: Site, names: str) -> str:
        why = (visit.reason_code or "OTHER").lower().replace("_", " ")
        return f"Visit {visit.number} of {work.number} by {names} ended without success ({why}): {work.summary}"

    return await _raise_about(actor, visit, danger, words)


@command(Permission.MANAGE_ALERTS)
async def tell_of_failed_plan(actor: Actor, run_id: str, cause: str) -> str | None:
    """Say that there is no plan of a day."""
    [run] = await find_rows(PlanRun, (column("organization_id") == actor.organization_id) & (column("id") == run_id))
    danger = Danger(AlertKind.PLAN_FAILED, AlertSeverity.WARNING, cause)
    message = f"There is no plan of {run.day.isoformat()}: {run.error or 'the planner failed.'}"[:500]
    return await messaging.raise_alert(actor, danger, run.id, message)


async def _raise_about(actor: Actor, visit: Appointment, danger: Danger, words: Words) -> str | None:
    [work] = await find_rows(WorkOrder, column("id") == visit.work_order_id)
    [site] = await find_rows(Site, column("id") == visit.site_id)
    crew = await find_rows(Technician, column("id").one_of(visit.technician_ids or []), order=["name", "id"])
    scope: dict[str, Any] = {
        "work_order_id": visit.work_order_id,
        "appointment_id": visit.id,
        "customer_id": visit.customer_id,
        "territory_id": site.territory_id,
        "technician_ids": list(visit.technician_ids or []),
        "due_at": rules.promised_by(visit.starts_at, visit.window_end) if visit.starts_at else None,
    }
    message = words(work, site, " and ".join(one.name for one in crew) or "nobody")
    return await messaging.raise_alert(actor, danger, visit.id, message[: messaging.MESSAGE_LENGTH_MAX], **scope)


def _late(visit: Appointment, now: datetime, work: WorkOrder, site: Site, names: str) -> str:
    assert visit.starts_at is not None
    local = zone(site.time_zone)
    expected = rules.expected_at(
        visit.status, visit.starts_at, eta_at=visit.eta_at, travel_minutes=visit.travel_minutes, now=now
    )
    promised = rules.promised_by(visit.starts_at, visit.window_end)
    return (
        f"{names} will not be at visit {visit.number} of {work.number} before {spoken(expected, local)}; "
        f"promised was {spoken(promised, local)}: {work.summary}"
    )


async def _read(actor: Actor, id: str, *, lock: bool = False) -> Appointment:
    mine = (column("organization_id") == actor.organization_id) & (column("id") == id)
    [row] = await find_rows(Appointment, mine, lock=lock)
    return row
