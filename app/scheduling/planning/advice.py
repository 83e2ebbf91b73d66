"""Answers to a dispatcher's questions, with figures and reasons: whom to send, why this one, what else fits, what would help."""

import copy
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import optimizer
from app.company.models import ServiceType
from app.customers.models import Site
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_one, find_rows, require_visible
from app.kernel.actor import Actor
from app.kernel.calendar import local_day, require_aware
from app.kernel.errors import Conflict, InvalidInput, NotFound, PlanOutdated
from app.kernel.ids import new_id
from app.kernel.places import Point
from app.scheduling import queries, rules
from app.scheduling.models import Appointment, PlannedVisit, PlanRun
from app.scheduling.planning.laid import LaidOut, lay_out, require_place, think_beside, wanted
from app.scheduling.planning.material import Material, gather
from app.scheduling.rules import AppointmentStatus, PlanKind
from app.scheduling.travel import travel_between
from app.technicians.models import Technician
from app.work_orders.models import WorkOrder
from app.work_orders.rules import Priority, WorkOrderStatus

LIMIT_MAX = 50
DAYS_MAX = 7
RADIUS_METRES_MAX = 200_000
HERE = "here"
SUGGESTIBLE = (AppointmentStatus.UNSCHEDULED, AppointmentStatus.SCHEDULED, AppointmentStatus.DISPATCHED)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Technicians for a visit and when they could begin; figures are what they add to what is planned."""

    visit: Appointment
    technician_ids: tuple[str, ...]
    starts_at: datetime
    duration_minutes: int
    travel_minutes: int
    travel_metres: int
    added_cents: int
    late_cents: int
    surplus_levels: int = 0
    gap_minutes: int = 0
    workload_minutes: int = 0
    knows_site: bool = False
    sentence: str = ""

    @property
    def is_of_new_visit(self) -> bool:
        """Whether the visit would have to be made first."""
        return self.visit.created_at is None

    @property
    def reasons(self) -> tuple[rules.SuggestionReason, ...]:
        """What speaks for and against it."""
        return rules.suggestion_reasons(
            travel_minutes=self.travel_minutes,
            travel_metres=self.travel_metres,
            late_cents=self.late_cents,
            surplus_levels=self.surplus_levels,
            gap_minutes=self.gap_minutes,
            workload_minutes=self.workload_minutes,
            knows_site=self.knows_site,
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why these technicians have a visit: what they add to the rest of the plan, and what others would."""

    technician_ids: tuple[str, ...]
    sentence: str
    chosen: Suggestion | None
    alternatives: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class Nearby:
    """A visit near a route or a place; technicians and time are those who have it so far."""

    visit: Appointment
    metres: int
    near_visit_id: str | None
    technician_ids: tuple[str, ...]
    starts_at: datetime | None


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something that would let a visit fit: it was tried, and it did."""

    code: str
    sentence: str
    added_cents: int | None
    change: Mapping[str, object]


async def recommend_technicians(
    actor: Actor,
    *,
    appointment_id: str | None = None,
    work_order_id: str | None = None,
    day: date,
    days: int = 1,
    time_zone: str | None = None,
    limit: int = 5,
) -> list[Suggestion]:
    """Who should go, the best first, with everything else left as it stands."""
    if (appointment_id is None) == (work_order_id is None):
        raise InvalidInput("Name a visit or a work order.", path=["appointmentId"])
    require_limit(limit)
    if appointment_id is not None:
        subject = await _suggestible(actor, appointment_id)
    else:
        assert work_order_id is not None
        subject = await wanted_for(actor, work_order_id)
    run = await run_of(actor, day, days, time_zone)
    material = await gather(run, wanted(subject))
    require_place(material, subject)
    laid = await lay_out(material)
    found = await think_beside(
        lambda: optimizer.recommend(laid.problem, laid.standing, subject.id, limit=limit + len(material.crew))
    )
    return [_suggestion(laid, subject, one) for one in found if is_free(material, subject, one)][:limit]


async def explain_assignment(actor: Actor, appointment_id: str, *, run_id: str | None = None) -> Explanation:
    """Why a visit is with whom it is, in the schedule or in a plan."""
    appointment = await find_one(Appointment, actor, appointment_id, path="appointmentId")
    if run_id is not None:
        material = await _planned_material(await _readable_run(actor, run_id))
        appointment = _of(material, appointment_id)
    elif appointment.starts_at is None:
        raise Conflict("This visit has no technicians.", path=["appointmentId"])
    else:
        tz = await queries.get_time_zone(actor, None)
        run = await run_of(actor, local_day(appointment.starts_at, tz), 1, tz.key)
        material = await gather(run, appointment)
    if appointment.starts_at is None:
        raise Conflict("The plan leaves this visit without technicians; its reasons say why.", path=["appointmentId"])
    require_place(material, appointment)
    laid = await lay_out(replace(material, keep_scheduled=True, free_ids=frozenset({appointment_id})))
    everybody = len(material.crew) + 1
    found = await think_beside(
        lambda: optimizer.recommend(laid.problem, laid.standing, appointment_id, limit=everybody)
    )
    crew = set(appointment.technician_ids or ())
    ways = [_suggestion(laid, appointment, one) for one in found if is_free(material, appointment, one)]
    chosen = next((one for one in ways if set(one.technician_ids) == crew), None)
    others = tuple(one for one in ways if one is not chosen)
    return Explanation(
        technician_ids=tuple(appointment.technician_ids or ()),
        sentence=_comparison(laid, appointment, chosen, others),
        chosen=chosen,
        alternatives=others,
    )


def _comparison(
    laid: LaidOut, appointment: Appointment, chosen: Suggestion | None, others: Sequence[Suggestion]
) -> str:
    """Why these technicians, in a sentence."""
    names = {technician.id: technician.name for technician in laid.material.crew}

    def called(ids: Iterable[str]) -> str:
        return " and ".join(names.get(id, id) for id in ids)

    who = called(appointment.technician_ids or ())
    if chosen is None:
        return f"{who} has it as part of the whole day."
    if not others:
        return f"Nobody but {who} can."
    return f"{who} adds {_figures(chosen)}; {called(others[0].technician_ids)}, the best of the others, adds {_figures(others[0])}."


def _figures(one: Suggestion) -> str:
    late = f", {one.late_cents} cents of lateness" if one.late_cents > 0 else ""
    return f"{one.travel_minutes} min and {one.travel_metres / 1000:.1f} km of travel, {one.added_cents} cents{late}"


async def find_remedies(actor: Actor, run_id: str, appointment_id: str, *, limit: int = 3) -> list[Remedy]:
    """What would let a visit fit that a plan leaves out; each was tried by solving again."""
    require_limit(limit)
    run = await _readable_run(actor, run_id)
    material = await _planned_material(run)
    appointment = _of(material, appointment_id)
    if appointment.starts_at is not None:
        raise Conflict("The plan does not leave this visit out.", path=["appointmentId"])
    require_place(material, appointment)
    laid = await lay_out(material)
    found = await think_beside(lambda: optimizer.remedies(laid.problem, laid.standing, appointment_id, limit=limit))
    return [
        Remedy(
            code=str(one.code),
            sentence=laid.words(one.sentence),
            added_cents=getattr(one, "added_cents", None),
            change=dict(one.change),
        )
        for one in found
    ]


async def find_nearby_work(
    actor: Actor,
    *,
    technician_id: str | None,
    place: Point | None,
    day: date,
    time_zone: str | None,
    radius_metres: int,
    limit: int,
) -> list[Nearby]:
    """Work near a technician's route, or near a place: first what waits for a time, then what others have."""
    if (technician_id is None) == (place is None):
        raise InvalidInput("Name a technician, or a place.", path=["technicianId"])
    if not 1 <= radius_metres <= RADIUS_METRES_MAX:
        raise InvalidInput(f"A radius has 1 to {RADIUS_METRES_MAX} metres.", path=["radiusMetres"])
    require_limit(limit)
    if technician_id is not None:
        await require_visible(Technician, actor, [technician_id], "technicianId")
    run = await run_of(actor, day, 1, time_zone, kind=PlanKind.SCHEDULE)
    # What others have may be taken from them, unless it is pinned.
    laid = await lay_out(replace(await gather(run), keep_scheduled=False))
    problem = laid.problem
    if place is not None:
        problem = await _with_place(laid, place)
    elif not _works(problem, technician_id):
        return []
    found = await think_beside(
        lambda: optimizer.nearby(
            problem,
            laid.standing,
            technician_id=technician_id,
            place=None if place is None else HERE,
            radius_metres=radius_metres,
            limit=limit,
        )
    )
    visits = {one.id: one for one in laid.material.appointments}
    return [
        Nearby(
            visit=visits[one.visit_id],
            metres=one.metres,
            near_visit_id=one.near_visit_id,
            technician_ids=tuple(one.technician_ids),
            starts_at=None if one.start_minute is None else laid.material.moment(one.start_minute),
        )
        for one in found
    ]


async def find_work_for_gap(
    actor: Actor, technician_id: str, since: datetime, until: datetime, *, limit: int
) -> list[Suggestion]:
    """Work that waits for a time and that a technician could do between two moments, the most valuable first."""
    begins, ends = require_aware(since, "since"), require_aware(until, "until")
    if not timedelta() < ends - begins <= timedelta(days=1):
        raise InvalidInput("A gap ends after it begins, within a day.", path=["until"])
    require_limit(limit)
    await require_visible(Technician, actor, [technician_id], "technicianId")
    tz = await queries.get_time_zone(actor, None)
    run = await days_of(actor, (begins, ends))
    run.kind = PlanKind.SCHEDULE.value
    run.time_zone = tz.key
    material = await gather(run)
    laid = await lay_out(replace(material, keep_scheduled=True))
    if not _works(laid.problem, technician_id):
        return []
    found = await think_beside(
        lambda: optimizer.fits_in_gap(
            laid.problem,
            laid.standing,
            technician_id,
            from_minute=laid.material.minute(begins),
            until_minute=laid.material.minute(ends),
            limit=limit,
        )
    )
    visits = {one.id: one for one in material.appointments}
    fitting = [(visits[one.visit_id], one) for one in found]
    return [_suggestion(laid, visit, one) for visit, one in fitting if is_free(material, visit, one)]


# What the questions are about


async def run_of(
    actor: Actor, day: date, days: int, time_zone: str | None, *, kind: PlanKind = PlanKind.INSERTION
) -> PlanRun:
    """Some days of an organization, as a run that is not kept; all else is to stay as it is."""
    if not 1 <= days <= DAYS_MAX:
        raise InvalidInput(f"This is asked of 1 to {DAYS_MAX} days.", path=["days"])
    tz = await queries.get_time_zone(actor, time_zone)
    return PlanRun(
        organization_id=actor.organization_id,
        kind=kind.value,
        day=day,
        days=days,
        time_zone=tz.key,
        requested_by=actor.id,
        seconds=0,
        technician_ids=None,
        work_order_ids=None,
        territory_ids=None,
        question={"keep_scheduled": True},
    )


async def days_of(actor: Actor, span: tuple[datetime, datetime]) -> PlanRun:
    """The days on which a stretch of time lies, on the organization's clocks."""
    tz = await queries.get_time_zone(actor, None)
    first, last = local_day(span[0], tz), local_day(span[1], tz)
    return await run_of(actor, first, (last - first).days + 1, tz.key)


async def wanted_for(actor: Actor, work_order_id: str) -> Appointment:
    """The visit that some work waits for: the one without a time, or what would be made."""
    work_order = await find_one(WorkOrder, actor, work_order_id, path="workOrderId")
    known = await queries.find_wanted_visit(work_order)
    return visit_for(work_order) if known is None else known


async def work_at(actor: Actor, site_id: str, service_type_id: str | None, duration_minutes: int | None) -> WorkOrder:
    """Work as somebody is about to ask for it at a site; it is not kept."""
    site = await find_one(Site, actor, site_id, path="siteId")
    usual = None
    if service_type_id is not None:
        usual = await find_one(ServiceType, actor, service_type_id, path="serviceTypeId")
    minutes = duration_minutes if duration_minutes is not None else usual.duration_minutes if usual else 60
    return WorkOrder(
        id=new_id(WorkOrder.prefix),
        organization_id=actor.organization_id,
        number="the work asked for",
        customer_id=site.customer_id,
        site_id=site.id,
        status=WorkOrderStatus.SUBMITTED.value,
        priority=usual.default_priority if usual else Priority.NORMAL.value,
        duration_minutes=rules.require_duration(minutes),
        required_skills=dict(usual.required_skills) if usual else {},
    )


def visit_for(work_order: WorkOrder) -> Appointment:
    """The first visit of some work as it would be made."""
    return Appointment(
        id=new_id(Appointment.prefix),
        organization_id=work_order.organization_id,
        work_order_id=work_order.id,
        site_id=work_order.site_id,
        customer_id=work_order.customer_id,
        number=1,
        status=AppointmentStatus.UNSCHEDULED.value,
        window_start=work_order.requested_window_start,
        window_end=work_order.requested_window_end,
        duration_minutes=min(work_order.duration_minutes, rules.DURATION_MINUTES_MAX),
        technician_ids=[],
    )


async def _suggestible(actor: Actor, appointment_id: str) -> Appointment:
    appointment = await find_one(Appointment, actor, appointment_id, path="appointmentId")
    if appointment.status not in SUGGESTIBLE:
        raise Conflict("This visit is under way or over.", path=["appointmentId"])
    return appointment


async def _readable_run(actor: Actor, run_id: str) -> PlanRun:
    run = await find_one(PlanRun, actor, run_id, path="runId")
    if not run.score:
        raise Conflict("There is no plan yet.", path=["runId"])
    return run


async def _planned_material(run: PlanRun) -> Material:
    """The days of a run as its plan has them. ``PlanOutdated`` when the schedule is not the plan's base any more."""
    material = await gather(run)
    moved = sorted(id for id, version in material.base.items() if run.base.get(id) != version)
    moved += sorted(set(run.base) - set(material.base))
    if moved:
        raise PlanOutdated(moved)
    rows: dict[str, list[PlannedVisit]] = defaultdict(list)
    own = (column("organization_id") == run.organization_id) & (column("run_id") == run.id)
    for row in await find_rows(PlannedVisit, own, order=["id"]):
        rows[row.appointment_id].append(row)
    return replace(material, appointments=[_as_planned(one, rows.get(one.id, ())) for one in material.appointments])


def _as_planned(appointment: Appointment, rows: Sequence[PlannedVisit]) -> Appointment:
    if not rows:
        return appointment
    planned = copy.copy(appointment)
    planned.starts_at, planned.ends_at = rows[0].starts_at, rows[0].ends_at
    crew = [row.technician_id for row in rows if row.technician_id is not None]
    planned.technician_ids = crew or planned.technician_ids
    if planned.starts_at is None:
        planned.status = AppointmentStatus.UNSCHEDULED.value
    return planned


def _of(material: Material, appointment_id: str) -> Appointment:
    for one in material.appointments:
        if one.id == appointment_id:
            return one
    raise NotFound(Appointment.noun, appointment_id, path=["appointmentId"])


def _works(problem: optimizer.Problem, technician_id: str | None) -> bool:
    technician = problem.technician_by_id.get(technician_id or "")
    return technician is not None and bool(technician.shifts)


async def _with_place(laid: LaidOut, place: Point) -> optimizer.Problem:
    """The same problem with one more place in it."""
    places = (*laid.problem.places, optimizer.Place(HERE, place.latitude, place.longitude))
    material = laid.material
    travel = await travel_between(places, starts=material.day_start, ends=material.day_end, tz=material.tz)
    return replace(laid.problem, places=places, travel=travel)


# What is said about them


def require_limit(limit: int) -> None:
    """Raise ``InvalidInput`` for more than is answered at once."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"Ask for 1 to {LIMIT_MAX}.", path=["limit"])


def is_free(material: Material, subject: Appointment, found: optimizer.Recommendation) -> bool:
    """Whether nothing that stands as it is lies there: the planner leaves out what it cannot reach in time, and what lies
    outside of shifts."""
    begins = material.moment(found.start_minute)
    ends = begins + timedelta(minutes=subject.duration_minutes)
    return not overlaps(taken_time(material, found.technician_ids, without={subject.id}), begins, ends)


def taken_time(
    material: Material, technician_ids: Iterable[str], *, without: Collection[str]
) -> list[tuple[datetime, datetime]]:
    """The time that visits and holds take of some technicians."""
    ids = set(technician_ids)
    taken = [
        (one.starts_at, one.ends_at)
        for one in material.appointments
        if one.id not in without and ids & set(one.technician_ids or ()) and one.starts_at and one.ends_at
    ]
    return taken + [stretch for id in ids for stretch in material.reserved.get(id, ())]


def overlaps(taken: Iterable[tuple[datetime, datetime]], begins: datetime, ends: datetime) -> bool:
    """Whether a stretch of time is not free."""
    return any(start < ends and begins < end for start, end in taken)


def _suggestion(laid: LaidOut, visit: Appointment, found: optimizer.Recommendation) -> Suggestion:
    return Suggestion(
        visit=visit,
        technician_ids=tuple(found.technician_ids),
        starts_at=laid.material.moment(found.start_minute),
        duration_minutes=laid.minutes_of(found.technician_ids, visit.id),
        travel_minutes=found.travel_minutes,
        travel_metres=found.travel_metres,
        added_cents=found.added_cents,
        late_cents=found.added_lateness_cents,
        surplus_levels=found.skill_surplus_levels,
        gap_minutes=found.gap_minutes,
        workload_minutes=found.workload_minutes,
        knows_site=found.is_preferred,
        sentence=laid.words(found.sentence),
    )
