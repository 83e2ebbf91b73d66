"""Days as the tables have them: what the planner's question is made from, and what its answer is compared with."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.customers.models import Site
from app.infrastructure.conditions import Condition, any_of, column, exists, nothing
from app.infrastructure.tables import find_rows
from app.kernel.calendar import ONE_DAY, zone
from app.scheduling import queries
from app.scheduling.models import Appointment, Assignment, PlanRun
from app.scheduling.rules import (
    RESULTS,
    SETTLED,
    AppointmentStatus,
    AssignmentStatus,
    PlanKind,
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


# Whom a site knows: the technicians of so many past visits to all the sites of a plan are looked at, the latest first.
PAST_VISITS_MAX = 2000
REGULARS_MAX = 3
Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Material:
    """Some days as the tables have them; visits are read first, so that their versions are the base.

    ``reserved`` is the time kept free for customers who are choosing, and ``held`` are the visits that it is kept for, as if
    they had it: they are no part of a plan, and it works around them. ``regulars`` is who has been at a site before.
    ``freed`` says of technicians when they are not where they were planned: their visits then may change although they
    were sent off, whoever they are pinned to. ``free_ids`` are visits that may change even where all else is kept.
    """

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
    reserved: dict[str, list[Stretch]] = field(default_factory=dict)
    held: list[Appointment] = field(default_factory=list)
    regulars: dict[str, tuple[str, ...]] = field(default_factory=dict)
    freed: Mapping[str, Stretch] = field(default_factory=dict)
    free_ids: frozenset[str] = frozenset()
    keep_scheduled: bool = False
    _names: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def names(self) -> Mapping[str, str]:
        """What people call technicians, skills and visits, by id; put together once, as each reason asks for it."""
        if not self._names:
            self._names.update({technician.id: technician.name for technician in self.crew} | self.skill_names)
            self._names.update(
                {one.id: f"visit {self.work_orders[one.work_order_id].number}" for one in self.everything}
            )
        return self._names

    @property
    def base(self) -> dict[str, int]:
        """The versions a plan is made from."""
        return {appointment.id: appointment.version for appointment in self.appointments}

    @property
    def everything(self) -> list[Appointment]:
        """The visits of a plan, and those that it works around."""
        return [*self.appointments, *self.held]

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
        if appointment.starts_at is None or appointment.id in self.free_ids:
            return False
        if self.is_freed(appointment):
            return False
        return (
            self.keep_scheduled
            or any(appointment is one for one in self.held)
            or AppointmentStatus(appointment.status) in SETTLED
            or (appointment.is_pinned_who and appointment.is_pinned_when)
            or appointment.starts_at < self.day_start
            or self._is_of_the_night_before(appointment)
            or (self.chosen_work_order_ids is not None and appointment.work_order_id not in self.chosen_work_order_ids)
            or not set(appointment.technician_ids or []) <= {technician.id for technician in self.crew}
        )

    def is_freed(self, appointment: Appointment) -> bool:
        """Whether one of a visit's technicians cannot be there as planned, so that it has to change."""
        status, begins, ends = appointment.status, appointment.starts_at, appointment.ends_at
        if begins is None or ends is None or status not in (AppointmentStatus.SCHEDULED, AppointmentStatus.DISPATCHED):
            return False
        away = (self.freed[id] for id in appointment.technician_ids or [] if id in self.freed)
        return any(begins < until and since < ends for since, until in away)

    def _is_of_the_night_before(self, appointment: Appointment) -> bool:
        """Whether a visit lies in a shift that began before midnight: the plan of that day placed it, and keeps it."""
        begins = appointment.starts_at
        shifts = (shift for id in appointment.technician_ids or [] for shift in self.night_shifts.get(id, []))
        return begins is not None and any(shift.starts_at <= begins < shift.ends_at for shift in shifts)


async def gather(run: PlanRun, subject: Appointment | None = None, work_order: WorkOrder | None = None) -> Material:
    """Everything about a run's days. Visits come first: their versions are the base that is compared at commit.

    ``subject`` is a visit as it is to be looked at, which may be another way than it stands, or none that stands at all;
    ``work_order`` is its work, if that is not kept either.
    """
    tz = zone(run.time_zone)
    starts, ends = queries.span_of_run(run)
    own = column("organization_id") == run.organization_id
    crew = await find_rows(technicians.Technician, queries.crew_of_run(run), order=["id"])
    ids = [technician.id for technician in crew]
    appointments = await find_rows(Appointment, own & of_plan(run, ids), order=["id"])
    if subject is not None:
        appointments = [*(one for one in appointments if one.id != subject.id), subject]
    theirs = own & column("technician_id").one_of(ids)
    shifts = await find_rows(technicians.Shift, theirs & queries.within(starts, ends), order=["starts_at"])
    absences = await find_rows(technicians.Absence, theirs & queries.within(starts, ends + ONE_DAY))
    declined = await find_rows(
        Assignment,
        column("appointment_id").one_of([one.id for one in appointments])
        & (column("status") == AssignmentStatus.DECLINED.value),
    )
    reserved = await _reserved(theirs & queries.within(starts, ends + ONE_DAY), {one.id for one in appointments})
    held = await _held(reserved)
    work_orders = await _by_id(WorkOrder, {one.work_order_id for one in (*appointments, *held)})
    if work_order is not None:
        work_orders[work_order.id] = work_order
    sites = await _by_id(Site, {one.site_id for one in (*appointments, *held)})
    asked = run.question or {}
    return Material(
        day_start=starts,
        day_end=ends,
        tz=tz,
        appointments=appointments,
        work_orders=work_orders,
        sites=sites,
        crew=crew,
        skills=_grouped(await find_rows(technicians.TechnicianSkill, theirs), "technician_id"),
        skill_names={skill.id: skill.name for skill in await find_rows(technicians.Skill, own)},
        shifts=_grouped([shift for shift in shifts if shift.starts_at >= starts], "technician_id"),
        night_shifts=_grouped([shift for shift in shifts if shift.starts_at < starts], "technician_id"),
        absences=_grouped(absences, "technician_id"),
        declined={id: [one.technician_id for one in rows] for id, rows in _grouped(declined, "appointment_id").items()},
        chosen_work_order_ids=None if run.work_order_ids is None else frozenset(run.work_order_ids),
        reserved=_stretches(reserved),
        held=held,
        regulars=await _regulars(own, sites),
        freed=_freed(asked),
        keep_scheduled=bool(asked.get("keep_scheduled")),
    )


def freed_ids(material: Material) -> frozenset[str]:
    """The visits that cannot stay as they are planned."""
    return frozenset(one.id for one in material.appointments if material.is_freed(one))


def _freed(asked: Mapping[str, Any]) -> dict[str, Stretch]:
    """Who cannot be where they were planned, and from when until when."""
    if "technician_id" not in asked or "since" not in asked:
        return {}
    return {asked["technician_id"]: (datetime.fromisoformat(asked["since"]), datetime.fromisoformat(asked["until"]))}


async def _reserved(wanted: Condition, without: Collection[str]) -> list[Assignment]:
    """What keeps time free for customers who are choosing, for other visits than some."""
    kept = (column("is_active") == True) & (column("status") == AssignmentStatus.RESERVED.value)  # noqa: E712
    rows = await find_rows(Assignment, wanted & kept, order=["appointment_id", "-is_lead", "id"])
    return [one for one in rows if one.appointment_id not in without]


def _stretches(reserved: Iterable[Assignment]) -> dict[str, list[Stretch]]:
    found: dict[str, list[Stretch]] = defaultdict(list)
    for one in reserved:
        found[one.technician_id].append((one.starts_at, one.ends_at))
    return found


async def _held(reserved: Sequence[Assignment]) -> list[Appointment]:
    """The visits for which time is kept free, as if they had it: whoever goes there has to drive there."""
    by_visit = _grouped(reserved, "appointment_id")
    held = await find_rows(Appointment, column("id").one_of(sorted(by_visit)), order=["id"])
    for visit in held:
        rows = by_visit[visit.id]
        visit.starts_at, visit.ends_at = rows[0].starts_at, rows[0].ends_at
        visit.technician_ids = [row.technician_id for row in rows]
    return held


async def _regulars(own: Condition, sites: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Who was at each site last, the latest first."""
    ended = column("status").one_of(sorted(status.value for status in RESULTS))
    there = own & column("site_id").one_of(sorted(sites)) & ended
    known: dict[str, dict[str, None]] = defaultdict(dict)
    for past in await find_rows(Appointment, there, order=["-starts_at", "id"], limit=PAST_VISITS_MAX):
        known[past.site_id] |= dict.fromkeys(past.technician_ids or [])
    return {site_id: tuple(ids)[:REGULARS_MAX] for site_id, ids in known.items()}


def of_plan(run: PlanRun, technician_ids: Sequence[str]) -> Condition:
    """The appointments a plan is about: those the technicians have then, and those that wait for a time then. A change
    of what is planned is about that alone, an insertion about the one visit besides."""
    starts, ends = queries.span_of_run(run)
    planned = [AppointmentStatus.SCHEDULED.value, *sorted(status.value for status in SETTLED)]
    placed = column("status").one_of(planned) & queries.within(starts, ends)
    if run.technician_ids is not None or run.territory_ids is not None:
        placed = placed & queries.of_technicians(run.organization_id, technician_ids)
    return any_of(placed, _waiting(run, starts, ends))


def _waiting(run: PlanRun, starts: datetime, ends: datetime) -> Condition:
    unplanned = column("status") == AppointmentStatus.UNSCHEDULED.value
    if run.kind == PlanKind.INSERTION:
        return unplanned & (column("id") == (run.question or {}).get("appointment_id"))
    if run.kind != PlanKind.SCHEDULE:
        return nothing()
    work = column("status").one_of([status.value for status in PLANNABLE])
    if run.work_order_ids is not None:
        work = work & column("id").one_of(run.work_order_ids)
    reserved = (column("status") == AssignmentStatus.RESERVED.value) & (column("is_active") == True)  # noqa: E712
    wanted = (
        unplanned
        # A customer is choosing a time for it at this moment.
        & ~exists("assignment", "appointment_id", reserved)
        & any_of(
            column("window_start").is_null(),
            (column("window_start") < ends) & (column("window_end") > starts),
        )
        & exists("work_order", "id", work, ours="work_order_id")
    )
    return wanted if run.territory_ids is None else wanted & queries.at_sites_of(run.territory_ids)


async def _by_id(model: Any, ids: Iterable[str]) -> dict[str, Any]:
    rows = await find_rows(model, column("id").one_of(sorted(ids)))
    return {row.id: row for row in rows}


def _grouped(rows: Iterable[Any], name: str) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, name)].append(row)
    return groups
