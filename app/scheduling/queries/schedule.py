"""What this room asks of the tables, its own and those below, to decide whether and where a visit fits."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app import database
from app.company.queries import get_own_time_zone
from app.customers.models import Site
from app.infrastructure.conditions import Condition, any_of, column, exists
from app.infrastructure.tables import find_rows, walk_rows
from app.kernel.actor import Actor
from app.kernel.calendar import day_bounds, zone
from app.kernel.dialects import Dialect
from app.kernel.errors import Conflict
from app.kernel.places import Point
from app.messaging import queries as messaging
from app.messaging.rules import AlertKind, Danger
from app.scheduling import rules
from app.scheduling.models import HELD, Appointment, Assignment, PlanRun
from app.scheduling.rules import AppointmentStatus, Availability, Busy, SkillHeld
from app.technicians import models as technicians
from app.work_orders.models import TimeEntry, WorkOrder

# How long a shift may go on into overtime, so that a search by time finds those that reach into it.
OVERTIME_MAX = timedelta(hours=24)


async def get_time_zone(actor: Actor, name: str | None) -> ZoneInfo:
    """The zone of that name, or the organization's own."""
    return zone(name if name is not None else await get_own_time_zone(actor))


def of_day(day: date, tz: ZoneInfo) -> Condition:
    """Appointments whose planned time reaches into a local day."""
    starts, ends = day_bounds(day, tz)
    return (column("starts_at") < ends) & (column("ends_at") > starts)


def span_of_run(run: PlanRun) -> tuple[datetime, datetime]:
    """The instants between which the days of a plan lie."""
    tz = zone(run.time_zone)
    begins = day_bounds(run.day, tz)[0]
    return begins, day_bounds(run.day + timedelta(days=run.days - 1), tz)[1]


def within(starts: datetime, ends: datetime) -> Condition:
    """Whatever reaches into a stretch of time."""
    return (column("starts_at") < ends) & (column("ends_at") > starts)


def of_technicians(organization_id: str, technician_ids: Iterable[str]) -> Condition:
    """Appointments given to any of the technicians."""
    own = column("organization_id") == organization_id
    return exists("assignment", "appointment_id", own & held_by(technician_ids))


def given_to(actor: Actor, technician_ids: Iterable[str]) -> Condition:
    """Appointments given to any of the technicians, as far as the actor may see who is given what."""
    return exists("assignment", "appointment_id", Assignment.visible_to(actor) & held_by(technician_ids))


def held_by(technician_ids: Iterable[str]) -> Condition:
    """Assignments that the technicians have, also those that are done."""
    return column("technician_id").one_of(technician_ids) & column("status").one_of(HELD)


async def find_appointments_of_work_order(organization_id: str, work_order_id: str) -> list[Appointment]:
    """All visits of a work order, first to last."""
    own = (column("organization_id") == organization_id) & (column("work_order_id") == work_order_id)
    return await find_rows(Appointment, own, order=["number"])


async def find_appointments_of_work_orders(
    organization_id: str, work_order_ids: Sequence[str]
) -> dict[str, list[Appointment]]:
    """All visits of work orders by work order, first to last."""
    own = (column("organization_id") == organization_id) & column("work_order_id").one_of(work_order_ids)
    found: dict[str, list[Appointment]] = {id: [] for id in work_order_ids}
    for visit in await find_rows(Appointment, own, order=["number"]):
        found[visit.work_order_id].append(visit)
    return found


async def find_assignments(appointment_ids: Sequence[str], *, held_only: bool = True) -> dict[str, list[Assignment]]:
    """The assignments of visits by visit, the lead first."""
    wanted: Condition = column("appointment_id").one_of(appointment_ids)
    if held_only:
        wanted = wanted & column("status").one_of(HELD)
    found: dict[str, list[Assignment]] = defaultdict(list)
    for assignment in await find_rows(Assignment, wanted, order=["-is_lead", "created_at", "id"]):
        found[assignment.appointment_id].append(assignment)
    return found


async def find_busy_names(
    organization_id: str, crew: Sequence[technicians.Technician], appointment_id: str
) -> tuple[str, ...]:
    """The names of those of a crew who are on the way to or at another visit."""
    active = exists("appointment", "id", column("status").one_of(sorted(rules.ACTIVE)), ours="appointment_id")
    elsewhere = (
        (column("organization_id") == organization_id)
        & column("technician_id").one_of([technician.id for technician in crew])
        & (column("is_active") == True)  # noqa: E712  # builds SQL
        & (column("appointment_id") != appointment_id)
        & active
    )
    busy = {assignment.technician_id for assignment in await find_rows(Assignment, elsewhere)}
    return tuple(technician.name for technician in crew if technician.id in busy)


async def find_visit_on_the_way(actor: Actor) -> Appointment | None:
    """The visit that the actor, a technician, is on the way to, unless an arrival there was suggested already."""
    if actor.technician_id is None:
        return None
    own = column("organization_id") == actor.organization_id
    mine = own & (column("technician_id") == actor.technician_id) & (column("is_active") == True)  # noqa: E712  # builds SQL
    wanted = (
        own
        & (column("status") == AppointmentStatus.EN_ROUTE.value)
        & column("arrival_suggested_at").is_null()
        & exists("assignment", "appointment_id", mine)
    )
    found = await find_rows(Appointment, wanted, limit=1)
    return found[0] if found else None


async def find_place_of(appointment: Appointment) -> Point | None:
    """Where a visit's site is, if anybody knows."""
    sites = await find_rows(Site, column("id") == appointment.site_id)
    if not sites or sites[0].latitude is None or sites[0].longitude is None:
        return None
    return Point(sites[0].latitude, sites[0].longitude)


async def find_running_timers(appointment: Appointment) -> list[TimeEntry]:
    """The time entries of a visit that still run."""
    running = (
        (column("organization_id") == appointment.organization_id)
        & (column("appointment_id") == appointment.id)
        & column("ended_at").is_null()
    )
    return await find_rows(TimeEntry, running, order=["id"])


async def visit_of(
    appointment: Appointment, work_order: WorkOrder, starts_at: datetime, ends_at: datetime
) -> rules.Visit:
    """What a visit at some time asks of its technicians."""
    return (await visits_of([(appointment, work_order, starts_at, ends_at)]))[appointment.id]


async def visits_of(
    wanted: Iterable[tuple[Appointment, WorkOrder, datetime, datetime]],
) -> dict[str, rules.Visit]:
    """What visits at some times ask of their technicians, by visit."""
    wanted = list(wanted)
    skills = sorted({id for _, work_order, _, _ in wanted for id in work_order.required_skills or {}})
    named = await find_rows(technicians.Skill, column("id").one_of(skills)) if skills else []
    names = {skill.id: skill.name for skill in named}
    at_sites = column("id").one_of(sorted({appointment.site_id for appointment, _, _, _ in wanted}))
    territories = {site.id: site.territory_id for site in await find_rows(Site, at_sites)}
    declined = column("appointment_id").one_of([appointment.id for appointment, _, _, _ in wanted]) & (
        column("status") == rules.AssignmentStatus.DECLINED.value
    )
    declined_by: dict[str, set[str]] = defaultdict(set)
    for one in await find_rows(Assignment, declined):
        declined_by[one.appointment_id].add(one.technician_id)
    return {
        appointment.id: rules.Visit(
            starts_at=starts_at,
            ends_at=ends_at,
            window_start=appointment.window_start,
            window_end=appointment.window_end,
            required_skills=dict(work_order.required_skills or {}),
            skill_names={id: names[id] for id in work_order.required_skills or {} if id in names},
            territory_id=territories.get(appointment.site_id),
            declined_by=frozenset(declined_by[appointment.id]),
        )
        for appointment, work_order, starts_at, ends_at in wanted
    }


async def find_availability(
    organization_id: str,
    crew: Sequence[technicians.Technician],
    starts_at: datetime,
    ends_at: datetime,
    *,
    without: Collection[str] = (),
) -> list[Availability]:
    """What each technician can do between two moments. Visits in ``without`` do not count as taken time."""
    ids = [technician.id for technician in crew]
    ours = (column("organization_id") == organization_id) & column("technician_id").one_of(ids)
    reaching = (column("starts_at") < ends_at) & (column("ends_at") > starts_at)
    taking = ours & reaching & (column("is_active") == True)  # noqa: E712  # builds SQL
    lately = (column("starts_at") < ends_at) & (column("ends_at") > starts_at - OVERTIME_MAX)
    skills: dict[str, dict[str, SkillHeld]] = defaultdict(dict)
    for held in await find_rows(technicians.TechnicianSkill, ours):
        skills[held.technician_id][held.skill_id] = SkillHeld(held.level, held.expires_on)
    shifts: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for shift in await find_rows(technicians.Shift, ours & lately, order=["starts_at"]):
        end = shift.ends_at + timedelta(minutes=shift.overtime_minutes_max)
        shifts[shift.technician_id].append((shift.starts_at, end))
    absences: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
    for absence in await find_rows(technicians.Absence, ours & reaching, order=["starts_at"]):
        absences[absence.technician_id].append((absence.starts_at, absence.ends_at, absence.kind))
    busy: dict[str, list[Busy]] = defaultdict(list)
    for taken in await find_rows(Assignment, taking, order=["starts_at"]):
        if taken.appointment_id not in without:
            busy[taken.technician_id].append(Busy(taken.appointment_id, taken.starts_at, taken.ends_at))
    return [
        Availability(
            technician_id=technician.id,
            name=technician.name,
            tz=zone(technician.time_zone),
            is_active=technician.is_active,
            skills=skills[technician.id],
            shifts=shifts[technician.id],
            absences=absences[technician.id],
            busy=busy[technician.id],
            territory_id=technician.territory_id,
        )
        for technician in crew
    ]


async def find_overlaps(
    organization_id: str, wanted: Sequence[tuple[str, datetime, datetime]]
) -> list[tuple[str, Busy]]:
    """The taken times that overlap with wanted ones (technician, from, to), each with its technician."""
    if not wanted:
        return []
    near = (
        (column("organization_id") == organization_id)
        & column("technician_id").one_of(sorted({technician_id for technician_id, _, _ in wanted}))
        & (column("is_active") == True)  # noqa: E712  # builds SQL
        & (column("starts_at") < max(end for _, _, end in wanted))
        & (column("ends_at") > min(start for _, start, _ in wanted))
    )
    taken: dict[str, list[Busy]] = defaultdict(list)
    for one in await find_rows(Assignment, near, order=["starts_at"]):
        taken[one.technician_id].append(Busy(one.appointment_id, one.starts_at, one.ends_at))
    return [
        (technician_id, busy)
        for technician_id, start, end in wanted
        for busy in taken[technician_id]
        if busy.starts_at < end and start < busy.ends_at
    ]


def crew_of_run(run: PlanRun) -> Condition:
    """The technicians a plan is about who work: those named, those of its territories and who go anywhere, or all."""
    wanted = (column("organization_id") == run.organization_id) & (column("is_active") == True)  # noqa: E712  # builds SQL
    if run.technician_ids is not None:
        wanted = wanted & column("id").one_of(run.technician_ids)
    if run.territory_ids is not None:
        wanted = wanted & any_of(column("territory_id").one_of(run.territory_ids), column("territory_id").is_null())
    return wanted


async def find_wanted_visit(work_order: WorkOrder) -> Appointment | None:
    """The visit of some work that waits for a time, or None if it has none to come. ``Conflict`` when one has a time."""
    visits = await find_appointments_of_work_order(work_order.organization_id, work_order.id)
    to_come = [visit for visit in visits if AppointmentStatus(visit.status) not in rules.ENDED]
    if any(visit.status != AppointmentStatus.UNSCHEDULED for visit in to_come):
        raise Conflict(f"{work_order.number} has a visit already.", path=["workOrderId"])
    return to_come[0] if to_come else None


async def find_taken(
    organization_id: str, technician_ids: Iterable[str], span: tuple[datetime, datetime], *, without: str
) -> dict[str, tuple[tuple[str, datetime, datetime], ...]]:
    """The time that technicians have given away in a stretch of it, by technician, one visit left out."""
    ids = sorted(technician_ids)
    theirs = (column("organization_id") == organization_id) & column("technician_id").one_of(ids)
    active = theirs & (column("is_active") == True) & within(*span)  # noqa: E712  # builds SQL
    found: dict[str, list[tuple[str, datetime, datetime]]] = {id: [] for id in ids}
    for one in await find_rows(Assignment, active & (column("appointment_id") != without), order=["starts_at", "id"]):
        found[one.technician_id].append((one.appointment_id, one.starts_at, one.ends_at))
    return {id: tuple(taken) for id, taken in found.items()}


async def find_technicians_of_run(run: PlanRun) -> list[str]:
    """The technicians a plan is about: those named, also if they have left since, or all who work there."""
    if run.technician_ids is not None and run.territory_ids is None:
        return sorted(run.technician_ids)
    return [row.id for row in await find_rows(technicians.Technician, crew_of_run(run), order=["id"])]


async def find_work_without_visit(run: PlanRun, statuses: Sequence[str], limit: int) -> list[WorkOrder]:
    """Work that waits for a visit on a run's days, the oldest first, kept for this transaction."""
    starts, ends = span_of_run(run)
    ended = sorted(status.value for status in rules.ENDED)
    wanted = (
        (column("organization_id") == run.organization_id)
        & column("status").one_of(statuses)
        & ~exists("appointment", "work_order_id", ~column("status").one_of(ended))
        & any_of(
            column("requested_window_start").is_null(),
            (column("requested_window_start") < ends) & (column("requested_window_end") > starts),
        )
    )
    if run.work_order_ids is not None:
        wanted = wanted & column("id").one_of(run.work_order_ids)
    if run.territory_ids is not None:
        wanted = wanted & at_sites_of(run.territory_ids)
    order = ["submitted_at", "id"]
    ids = [row.id for row in await find_rows(WorkOrder, wanted, order=order, limit=limit)]
    await find_rows(WorkOrder, column("id").one_of(sorted(ids)), order=["id"], lock=True)
    # Whoever had one of the locks may have wanted a visit for that work meanwhile, so it is asked again.
    return await find_rows(WorkOrder, wanted & column("id").one_of(ids), order=order)


def at_sites_of(territory_ids: Iterable[str]) -> Condition:
    """Visits or work at sites of some territories."""
    return exists("site", "id", column("territory_id").one_of(territory_ids), ours="site_id")


async def get_plan_status(run_id: str) -> str | None:
    """Where a plan run stands, past every open transaction; None when there is none."""
    mark = "$1" if database.dialect() is Dialect.POSTGRES else "?"
    rows = await database.read_rows(f'SELECT "status" FROM "plan_run" WHERE "id" = {mark}', [run_id])
    return rows[0][0] if rows else None


def lateness_of(visit: Appointment, now: datetime) -> Danger | None:
    """What an alert is to say of a visit at a moment: that it is late, or will be."""
    return rules.lateness_danger(
        visit.id,
        status=visit.status,
        starts_at=visit.starts_at,
        window_end=visit.window_end,
        eta_at=visit.eta_at,
        travel_minutes=visit.travel_minutes,
        now=now,
    )


async def find_visits_to_watch(organization_id: str, now: datetime, limit: int) -> list[str]:
    """The visits of which no alert says yet that they are late, and those of which one says so although they are not."""
    under_way = (
        (column("organization_id") == organization_id)
        & column("status").one_of([one.value for one in rules.NOT_ARRIVED])
        & (column("starts_at") > now - rules.WATCHED_BEHIND)
        & (column("starts_at") <= now + rules.WATCHED_AHEAD)
    )
    found: dict[str, None] = dict.fromkeys(await _late_no_more(organization_id, now))
    async for page in walk_rows(Appointment, under_way):
        if len(found) >= limit:
            break
        late = {visit.id: danger for visit in page if (danger := lateness_of(visit, now)) is not None}
        found |= dict.fromkeys(await messaging.find_untold(organization_id, late))
    return list(found)[:limit]


async def _late_no_more(organization_id: str, now: datetime) -> list[str]:
    """Followers see to it at once; this is for what they did not hear of."""
    found: list[str] = []
    async for alerts in messaging.walk_unresolved(organization_id, [AlertKind.VISIT_LATE]):
        said = {(alert.subject_id, alert.cause) for alert in alerts}
        visits = await find_rows(Appointment, column("id").one_of(sorted({id for id, _ in said})))
        true = {(visit.id, danger.cause) for visit in visits if (danger := lateness_of(visit, now)) is not None}
        found += [id for id, _ in said - true]
    return found
