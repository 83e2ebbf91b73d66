"""A day as the tables have it: what the planner's question is made from, and what its answer is compared with."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.customers.models import Site
from app.infrastructure.conditions import Condition, any_of, column, exists
from app.infrastructure.tables import find_rows
from app.kernel.calendar import ONE_DAY, day_bounds, zone
from app.scheduling import queries
from app.scheduling.models import Appointment, Assignment, PlanRun
from app.scheduling.rules import (
    SETTLED,
    AppointmentStatus,
    AssignmentStatus,
)
from app.technicians import models as technicians
from app.work_orders.models import WorkOrder
from app.work_orders.rules import WorkOrderStatus
from optimizer.problem import MINUTES_MAX

PLANNABLE = (
    WorkOrderStatus.SUBMITTED,
    WorkOrderStatus.TRIAGED,
    WorkOrderStatus.SCHEDULED,
    WorkOrderStatus.IN_PROGRESS,
)


@dataclass(frozen=True, slots=True)
class Material:
    """A day as the tables have it, read in one transaction."""

    day_start: datetime
    day_end: datetime
    tz: ZoneInfo
    appointments: list[Appointment]
    work_orders: dict[str, WorkOrder]
    sites: dict[str, Site]
    crew: list[technicians.Technician]
    skills: dict[str, list[technicians.TechnicianSkill]]
    skill_names: dict[str, str]
    shifts: dict[str, list[technicians.Shift]]
    night_shifts: dict[str, list[technicians.Shift]]
    absences: dict[str, list[technicians.Absence]]
    declined: dict[str, list[str]]
    chosen_work_order_ids: frozenset[str] | None

    @property
    def base(self) -> dict[str, int]:
        """The versions a plan is made from."""
        return {appointment.id: appointment.version for appointment in self.appointments}

    def minute(self, moment: datetime) -> int:
        """Whole minutes since the day began; further away than the planner looks counts as just that far."""
        minutes = math.floor((moment - self.day_start).total_seconds() / 60)
        return min(max(minutes, -MINUTES_MAX), MINUTES_MAX)

    def moment(self, minute: int) -> datetime:
        """The instant of a minute."""
        return self.day_start + timedelta(minutes=minute)

    def crew_of(self, appointment: Appointment) -> tuple[str, ...]:
        """Those of a visit's technicians whom the plan is about, the lead first."""
        known = {technician.id for technician in self.crew}
        return tuple(id for id in appointment.technician_ids or [] if id in known)

    def is_fixed(self, appointment: Appointment) -> bool:
        """Whether the plan must leave a visit as it is."""
        if appointment.starts_at is None:
            return False
        return (
            AppointmentStatus(appointment.status) in SETTLED
            or (appointment.is_pinned_who and appointment.is_pinned_when)
            or appointment.starts_at < self.day_start
            or self._is_of_the_night_before(appointment)
            or (self.chosen_work_order_ids is not None and appointment.work_order_id not in self.chosen_work_order_ids)
            or not set(appointment.technician_ids or []) <= {technician.id for technician in self.crew}
        )

    def _is_of_the_night_before(self, appointment: Appointment) -> bool:
        """Whether a visit lies in a shift that began before midnight: the plan of that day placed it, and keeps it."""
        begins = appointment.starts_at
        shifts = (shift for id in appointment.technician_ids or [] for shift in self.night_shifts.get(id, []))
        return begins is not None and any(shift.starts_at <= begins < shift.ends_at for shift in shifts)


async def gather(run: PlanRun) -> Material:
    """Everything about a run's day. Visits come first: their versions are the base that is compared at commit."""
    tz = zone(run.time_zone)
    starts, ends = day_bounds(run.day, tz)
    own = column("organization_id") == run.organization_id
    wanted: Condition = own & (column("is_active") == True)  # noqa: E712  # builds SQL
    if run.technician_ids is not None:
        wanted = wanted & column("id").one_of(run.technician_ids)
    crew = await find_rows(technicians.Technician, wanted, order=["id"])
    ids = [technician.id for technician in crew]
    appointments = await find_rows(Appointment, own & of_plan(run, ids), order=["id"])
    work_orders = await _by_id(WorkOrder, {one.work_order_id for one in appointments})
    theirs = own & column("technician_id").one_of(ids)
    within = (column("starts_at") < ends) & (column("ends_at") > starts)
    shifts = await find_rows(technicians.Shift, theirs & within, order=["starts_at"])
    absences = await find_rows(
        technicians.Absence, theirs & (column("starts_at") < ends + ONE_DAY) & (column("ends_at") > starts)
    )
    declined = await find_rows(
        Assignment,
        column("appointment_id").one_of([one.id for one in appointments])
        & (column("status") == AssignmentStatus.DECLINED.value),
    )
    return Material(
        day_start=starts,
        day_end=ends,
        tz=tz,
        appointments=appointments,
        work_orders=work_orders,
        sites=await _by_id(Site, {one.site_id for one in appointments}),
        crew=crew,
        skills=_grouped(await find_rows(technicians.TechnicianSkill, theirs), "technician_id"),
        skill_names={skill.id: skill.name for skill in await find_rows(technicians.Skill, own)},
        shifts=_grouped([shift for shift in shifts if shift.starts_at >= starts], "technician_id"),
        night_shifts=_grouped([shift for shift in shifts if shift.starts_at < starts], "technician_id"),
        absences=_grouped(absences, "technician_id"),
        declined={id: [one.technician_id for one in rows] for id, rows in _grouped(declined, "appointment_id").items()},
        chosen_work_order_ids=None if run.work_order_ids is None else frozenset(run.work_order_ids),
    )


def of_plan(run: PlanRun, technician_ids: Sequence[str]) -> Condition:
    """The appointments a plan is about: those the technicians have on the day, and those that wait for a time then."""
    tz = zone(run.time_zone)
    starts, ends = day_bounds(run.day, tz)
    planned = [AppointmentStatus.SCHEDULED.value, *sorted(status.value for status in SETTLED)]
    placed = column("status").one_of(planned) & queries.of_day(run.day, tz)
    if run.technician_ids is not None:
        placed = placed & queries.of_technicians(run.organization_id, technician_ids)
    work = column("status").one_of([status.value for status in PLANNABLE])
    if run.work_order_ids is not None:
        work = work & column("id").one_of(run.work_order_ids)
    waiting = (
        (column("status") == AppointmentStatus.UNSCHEDULED.value)
        & any_of(
            column("window_start").is_null(),
            (column("window_start") < ends) & (column("window_end") > starts),
        )
        & exists("work_order", "id", work, ours="work_order_id")
    )
    return any_of(placed, waiting)


async def _by_id(model: Any, ids: Iterable[str]) -> dict[str, Any]:
    rows = await find_rows(model, column("id").one_of(sorted(ids)))
    return {row.id: row for row in rows}


def _grouped(rows: Iterable[Any], name: str) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, name)].append(row)
    return groups
