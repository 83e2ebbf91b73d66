"""What clients may see of the schedule: visits, who has them, and the plans that propose changes."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any

from app.customers import models as customers
from app.infrastructure.conditions import Condition, Writer, quoted, selected
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.scheduling import models, planning, queries, rules
from app.scheduling.rules import AppointmentStatus, AssignmentStatus, PlanKind, PlanRunStatus, ReasonCode, VisitChange
from app.technicians.models import Technician as TechnicianRow
from app.work_orders.models import WorkOrder as WorkOrderRow
from schema.customers.types import Coordinates, Customer, CustomerFilter, Site, SiteFilter
from schema.kit import (
    ID,
    AreaInput,
    BooleanFilter,
    Connection,
    DateFilter,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    IntFilter,
    Node,
    Private,
    StringFilter,
    TimeRangeInput,
    about,
    by,
    by_children,
    by_parent,
    children,
    col,
    computed,
    count_of,
    describe_enum,
    extends,
    extends_filter,
    filterable,
    from_parent,
    group,
    link,
    orderable,
    overlaps,
    parent,
    plain,
    readable,
    sql_value,
    within,
)
from schema.messaging.types import Alert, AlertFilter, AlertOrder
from schema.technicians.types import Technician, TechnicianFilter
from schema.work_orders.types import WorkOrder, WorkOrderFilter, at_sites

A = AppointmentStatus
describe_enum(
    AppointmentStatus,
    "Where a visit stands.",
    {
        A.UNSCHEDULED: "Wanted; it has no time and no technician yet.",
        A.SCHEDULED: "It has a time and technicians, who have not been told to go yet.",
        A.DISPATCHED: "The technicians were told to go.",
        A.EN_ROUTE: "The technicians are on their way.",
        A.ON_SITE: "The technicians have arrived.",
        A.IN_PROGRESS: "They are at work.",
        A.PAUSED: "The work is interrupted; they may be at another visit.",
        A.COMPLETED: "The visit ended, and its work is done.",
        A.PARTIALLY_COMPLETED: "The visit ended with a part of its work; another visit is needed.",
        A.CANNOT_COMPLETE: "The visit ended without success; reasonCode says why.",
        A.CANCELED: "The visit was called off; reasonCode says why.",
    },
)
describe_enum(
    AssignmentStatus,
    "Where a technician stands with a visit.",
    {
        AssignmentStatus.RESERVED: "The time is kept free for a customer who is choosing; the technician is not told.",
        AssignmentStatus.PROPOSED: "Given to the technician, who has not answered.",
        AssignmentStatus.ACCEPTED: "The technician comes, or came.",
        AssignmentStatus.DECLINED: "The technician turned it down; reason says why.",
        AssignmentStatus.RELEASED: "The office took the technician off.",
    },
)
describe_enum(
    PlanKind,
    "What the planner is asked for.",
    {
        PlanKind.SCHEDULE: "A plan of some days.",
        PlanKind.ROUTE: "A better order of one technician's day.",
        PlanKind.INSERTION: "A place for one urgent visit among those that are planned.",
        PlanKind.ABSENCE: "Who takes over from a technician who drops out.",
        PlanKind.DELAY: "What becomes of the day of a technician who runs late.",
    },
)
describe_enum(
    PlanRunStatus,
    "Where a question to the planner stands.",
    {
        PlanRunStatus.QUEUED: "It waits for a free worker.",
        PlanRunStatus.RUNNING: "The planner thinks; progress says how far it is.",
        PlanRunStatus.READY: "The plan is there to be looked at; nothing has changed yet.",
        PlanRunStatus.PARTLY_COMMITTED: "A part of the plan is the schedule now.",
        PlanRunStatus.COMMITTED: "The plan is the schedule now.",
        PlanRunStatus.UNDONE: "The schedule is as before the commit again.",
        PlanRunStatus.DISCARDED: "Put away unused.",
        PlanRunStatus.CANCELED: "Stopped before there was a plan.",
        PlanRunStatus.FAILED: "There is no plan; error says why.",
    },
)
describe_enum(
    VisitChange,
    "What a plan would do with a visit.",
    {
        VisitChange.ADDED: "Schedule one that had no time.",
        VisitChange.MOVED: "Give it another time or other technicians.",
        VisitChange.KEPT: "Leave it as it is.",
        VisitChange.UNASSIGNED: "Leave it without a time; reasons say why.",
    },
)
describe_enum(
    ReasonCode,
    "Why a visit was canceled, paused or not completed.",
    {
        ReasonCode.CUSTOMER_NO_SHOW: "Nobody of age was there.",
        ReasonCode.CUSTOMER_REQUEST: "The customer asked for it.",
        ReasonCode.NO_ACCESS: "There was no way in or to the equipment.",
        ReasonCode.PARTS_UNAVAILABLE: "Parts are missing.",
        ReasonCode.SCOPE_DIFFERENT: "It is other work than was asked for.",
        ReasonCode.TECHNICIAN_UNAVAILABLE: "The technician cannot come or stay.",
        ReasonCode.UNSAFE: "Working there would be unsafe.",
        ReasonCode.WEATHER: "The weather does not allow it.",
        ReasonCode.RETURN_VISIT_NEEDED: "It takes another visit.",
        ReasonCode.WORK_ORDER_CLOSED: "The work order is over.",
        ReasonCode.DUPLICATE: "There is another visit for the same.",
        ReasonCode.BREAK: "The technician takes a break.",
        ReasonCode.OTHER: "Something else.",
    },
)


@plain
class AllowedAppointmentStep:
    """A step that the visit's lifecycle allows from where it stands."""

    to: AppointmentStatus = about("The status it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


@plain
class AllowedAssignmentStep:
    """A step that the assignment's lifecycle allows from where it stands."""

    to: AssignmentStatus = about("The status it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


@plain
class AllowedPlanRunStep:
    """A step that the plan run's lifecycle allows from where it stands."""

    to: PlanRunStatus = about("The status it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


@plain
class PlanScore:
    """What a plan is worth: compared from the first figure to the last, less is better."""

    mandatory_points: int = about("Visits left out, weighted by their urgency.")
    lateness_cents: int = about("What being late after due times costs, in cents.")
    wishes_cents: int = about("Travel, overtime, changed promises and the like, in cents.")


@plain
class PlanProgress:
    """How far the planner has come."""

    elapsed_seconds: float = about("How long it has been thinking.")
    score: PlanScore = about("The best plan so far.")


@plain
class PlanPolicy:
    """What matters how much among the wishes, in cents; hard rules, work that must be done and due times come first."""

    preference_cents: int = about("What it costs to send somebody whom the site does not know from before.")
    overqualification_cents_per_level: int = about("What each level of skill costs beyond what the work needs.")
    balance_cents_per_minute: int = about("What each minute costs by which the busiest works longer than the average.")
    changed_technician_cents: int = about("What it costs to send another technician than planned before.")
    moved_cents_per_minute: int = about("What each minute costs by which a planned visit is moved.")
    wait_cents_per_minute: int = about("What each minute of waiting costs.")
    worst_lateness_cents_per_minute: int = about(
        "What each minute costs by which the latest of all visits is late: it shares lateness out."
    )


POLICY_WEIGHTS = tuple(one.name for one in fields(PlanPolicy))


@plain
class PlanCost:
    """What the schedule cost as it stood when the planner looked at it."""

    score: PlanScore = about("What it was worth.")
    travel_minutes: int = about("Minutes on the road to all its visits.")
    travel_metres: int = about("Metres on the road to all its visits.")


@plain
class PlanSummary:
    """A finished plan in figures."""

    score: PlanScore = about("What it is worth.")
    travel_minutes: int = about("Minutes on the road to all its visits.")
    travel_metres: int = about("Metres on the road to all its visits.")
    added: int = about("Visits that get their first time.")
    moved: int = about("Visits that get another time or other technicians.")
    kept: int = about("Visits that stay as they are.")
    unassigned: int = about("Visits that are left without a time.")
    moved_minutes: int = about(
        "By how many minutes all moved visits together would begin earlier or later than before."
    )
    technicians_changed: int = about("Visits that would get other technicians than before.")
    before: PlanCost | None = about("The same of the schedule as it stood; null of plans that were made without it.")


@plain
class PlanReason:
    """Why a visit is left without a time."""

    code: str = about("Stable code, such as NO_TECHNICIAN_HAS_SKILL or NO_CAPACITY_LEFT.")
    sentence: str = about("The reason for a person.")
    deficit: int | None = about("How much was lacking, if that can be counted.")
    unit: str | None = about("What the deficit counts, such as minutes or levels.")
    subject: str | None = about("What it is about, such as the id of a skill.")


@plain
class PreviousPlacement:
    """Where a visit was before the plan."""

    status: AppointmentStatus = about("How it stood.")
    technician_ids: list[str] = about("Who had it, the lead first.")
    starts_at: datetime = about("When it was to begin.")
    ends_at: datetime = about("When it was to be over.")


def busy_elsewhere(writer: Writer, alias: str, actor: Actor) -> str:
    """Whether a technician of the visit is on the way to or at another one."""
    active = ",".join(writer.bind(status.value) for status in sorted(rules.ACTIVE))
    mine, other, visit = quoted(writer.alias()), quoted(writer.alias()), quoted(writer.alias())
    return (
        f'EXISTS (SELECT 1 FROM "assignment" {mine} JOIN "assignment" {other} '
        f'ON {other}."technician_id" = {mine}."technician_id" AND {other}."is_active" '
        f'AND {other}."appointment_id" <> {mine}."appointment_id" '
        f'JOIN "appointment" {visit} ON {visit}."id" = {other}."appointment_id" '
        f'WHERE {mine}."appointment_id" = {quoted(alias)}."id" AND {mine}."is_active" '
        f'AND {visit}."status" IN ({active}))'
    )


def appointment_steps(status: str, technician_ids: Sequence[str], busy: bool) -> list[AllowedAppointmentStep]:
    """The lifecycle's steps, with what is known about the crew."""
    facts = rules.StepFacts(len(technician_ids or []), ("A technician",) if busy else ())
    return [
        AllowedAppointmentStep(to=step.to, blocked_by=list(step.blocked_by))
        for step in rules.APPOINTMENT.allowed(AppointmentStatus(status), facts)
    ]


def assignment_steps(status: str) -> list[AllowedAssignmentStep]:
    """The lifecycle's steps."""
    return [
        AllowedAssignmentStep(to=step.to, blocked_by=list(step.blocked_by))
        for step in rules.ASSIGNMENT.allowed(AssignmentStatus(status))
    ]


def plan_run_steps(status: str) -> list[AllowedPlanRunStep]:
    """The lifecycle's steps."""
    return [
        AllowedPlanRunStep(to=step.to, blocked_by=list(step.blocked_by))
        for step in rules.PLAN_RUN.allowed(PlanRunStatus(status))
    ]


def score_of(score: Mapping[str, Any]) -> PlanScore:
    """The planner's figures."""
    return PlanScore(
        mandatory_points=score.get("mandatory_points", 0),
        lateness_cents=score.get("lateness_cents", 0),
        wishes_cents=score.get("wishes_cents", 0),
    )


def progress_of(progress: Mapping[str, Any]) -> PlanProgress | None:
    """The planner's last word, if it has said one."""
    if not progress:
        return None
    return PlanProgress(elapsed_seconds=progress["elapsed_seconds"], score=score_of(progress["score"]))


def summary_of(score: Mapping[str, Any]) -> PlanSummary | None:
    """The plan in figures, once it is there."""
    if not score:
        return None
    changes = score["changes"]
    return PlanSummary(
        score=score_of(score),
        travel_minutes=score["travel_minutes"],
        travel_metres=score["travel_metres"],
        added=changes["ADDED"],
        moved=changes["MOVED"],
        kept=changes["KEPT"],
        unassigned=changes["UNASSIGNED"],
        moved_minutes=score.get("moved_minutes", 0),
        technicians_changed=score.get("technicians_changed", 0),
        before=cost_of(score.get("before") or {}),
    )


def cost_of(figures: Mapping[str, Any]) -> PlanCost | None:
    """What the schedule cost, if it was asked."""
    if not figures:
        return None
    return PlanCost(
        score=score_of(figures),
        travel_minutes=figures["travel_minutes"],
        travel_metres=figures["travel_metres"],
    )


def policy_shown(question: Mapping[str, Any] | None) -> PlanPolicy:
    """What matters how much in a plan: what was asked for, and the planner's own weights for the rest."""
    policy = planning.policy_of((question or {}).get("policy") or {})
    return PlanPolicy(**{name: getattr(policy, name) for name in POLICY_WEIGHTS})


def keeps_scheduled(question: Mapping[str, Any] | None) -> bool:
    """Whether only what had no time is planned."""
    return bool((question or {}).get("keep_scheduled"))


def goes_by_history(question: Mapping[str, Any] | None) -> bool:
    """Whether visits take what such visits took."""
    return bool((question or {}).get("durations_by_history"))


def minutes_moved(before: Mapping[str, Any] | None, starts_at: datetime | None) -> int | None:
    """By how many minutes a visit would begin later than before; negative for earlier."""
    if before is None or starts_at is None:
        return None
    return int((starts_at - datetime.fromisoformat(before["starts_at"])).total_seconds() // 60)


def reasons_of(reasons: Sequence[Mapping[str, Any]]) -> list[PlanReason]:
    """The planner's reasons."""
    return [
        PlanReason(
            code=one["code"],
            sentence=one["sentence"],
            deficit=one.get("deficit"),
            unit=one.get("unit"),
            subject=one.get("subject"),
        )
        for one in reasons
    ]


def previous_of(before: Mapping[str, Any] | None) -> PreviousPlacement | None:
    """Where the visit was, if it was anywhere."""
    if before is None:
        return None
    return PreviousPlacement(
        status=AppointmentStatus(before["status"]),
        technician_ids=before["technician_ids"],
        starts_at=datetime.fromisoformat(before["starts_at"]),
        ends_at=datetime.fromisoformat(before["ends_at"]),
    )


@filterable(models.Assignment)
class AssignmentFilter:
    """Which assignments."""

    id: IdFilter | None = by("Its id.")
    status: EnumFilter[AssignmentStatus] | None = by("Where the technician stands with the visit.")
    technician_id: IdFilter | None = by("Whose.")
    appointment_id: IdFilter | None = by("For which visit.")
    work_order_id: IdFilter | None = by("For which work order.")
    is_active: BooleanFilter | None = by("Whether its time is taken.")
    starts_at: DateTimeFilter | None = by("When it begins.")
    ends_at: DateTimeFilter | None = by("When it is over.")
    is_lead: BooleanFilter | None = by("Whether this technician leads the crew.")
    travel_minutes: IntFilter | None = by("Minutes on the road to it, by plan.")
    decided_at: DateTimeFilter | None = by("When it was accepted, declined or released.")
    reason: StringFilter | None = by("Why it was declined or released.")
    created_at: DateTimeFilter | None = by("When it was given.")
    technician: TechnicianFilter | None = by_parent("Who has it.")
    work_order: WorkOrderFilter | None = by_parent("What it is for.")


AssignmentOrder = orderable(
    "AssignmentOrder",
    models.Assignment,
    default=("starts_at",),
    starts_at="When it begins.",
    created_at="When it was given.",
    status="Where the technician stands with the visit.",
    is_active="Whether the time is taken: false once declined, released or over.",
    is_lead="Whether this technician leads the crew.",
    ends_at="When it is over; when it was, once it is.",
    travel_minutes="Minutes on the road to it, by plan.",
    decided_at="When it was accepted, declined or released.",
    reason="Why it was declined or released.",
    technician_name=from_parent("The technician's name.", TechnicianRow, "name", via="technician_id"),
)


@filterable(models.Appointment)
class AppointmentFilter:
    """Which visits."""

    id: IdFilter | None = by("Its id.")
    status: EnumFilter[AppointmentStatus] | None = by("Where it stands.")
    starts_at: DateTimeFilter | None = by("When it is to begin.")
    ends_at: DateTimeFilter | None = by("When it is to be over.")
    window_start: DateTimeFilter | None = by("When the promised window begins.")
    window_end: DateTimeFilter | None = by("When the promised window ends.")
    work_order_id: IdFilter | None = by("For which work order.")
    customer_id: IdFilter | None = by("For which customer.")
    site_id: IdFilter | None = by("At which site.")
    is_pinned_who: BooleanFilter | None = by("Whether the planner must keep the technicians.")
    is_pinned_when: BooleanFilter | None = by("Whether the planner must keep the time.")
    number: IntFilter | None = by("Its number within the work order, from 1.")
    duration_minutes: IntFilter | None = by("How long it is expected to take.")
    dispatched_at: DateTimeFilter | None = by("When the technicians were told to go.")
    en_route_at: DateTimeFilter | None = by("When they set out.")
    eta_at: DateTimeFilter | None = by("When they should arrive, once they are on their way.")
    arrived_at: DateTimeFilter | None = by("When they arrived.")
    arrived_distance_metres: IntFilter | None = by("How far from the site their device was then.")
    arrived_near_site: BooleanFilter | None = by("Whether that counts as being there.")
    arrival_suggested_at: DateTimeFilter | None = by("Since when their device says that they have come to the site.")
    started_at: DateTimeFilter | None = by("When work began.")
    paused_at: DateTimeFilter | None = by("When work was interrupted; empty once it goes on.")
    completed_at: DateTimeFilter | None = by("When the visit ended, however it did.")
    canceled_at: DateTimeFilter | None = by("When it was called off.")
    reason_code: EnumFilter[ReasonCode] | None = by("Why it was canceled, paused or not completed.")
    travel_minutes: IntFilter | None = by("Minutes on the road to it, by plan.")
    created_at: DateTimeFilter | None = by("When it was wanted.")
    updated_at: DateTimeFilter | None = by("When it changed last.")
    technician_id: str | None = by(
        "Given to this technician.",
        where=lambda actor, id: queries.given_to(actor, [id]),
        permission=Permission.VIEW_SCHEDULE,
    )
    during: TimeRangeInput | None = by(
        "Planned at a time that shares some of this. What ends when the range begins, or begins when it ends, does not; nor "
        "does a visit without a time.",
        where=lambda _actor, range: overlaps(range),
    )
    within: AreaInput | None = by(
        "At sites on this part of the map.",
        where=lambda actor, area: at_sites(actor, within(area)),
        permission=Permission.VIEW_CUSTOMERS,
    )
    work_order: WorkOrderFilter | None = by_parent("What it is for.")
    customer: CustomerFilter | None = by_parent("For whom.")
    site: SiteFilter | None = by_parent("Where.")
    assignments: AssignmentFilter | None = by_children("Who has or had it.", via="appointment_id")


AppointmentOrder = orderable(
    "AppointmentOrder",
    models.Appointment,
    default=("starts_at",),
    starts_at="When it is to begin; those without a time come last.",
    window_end="When the promised window ends; those without come last.",
    number="Its number within the work order.",
    created_at="When it was wanted.",
    updated_at="When it changed last.",
    status="Where it stands.",
    window_start="From when on the customer expects the technician.",
    ends_at="When it is to be over.",
    duration_minutes="How long it is expected to take.",
    is_pinned_who="Whether the planner must keep the technicians.",
    is_pinned_when="Whether the planner must keep the time.",
    dispatched_at="When the technicians were told to go.",
    en_route_at="When they set out.",
    eta_at="When they should arrive, once they are on their way.",
    arrived_at="When they arrived.",
    arrived_distance_metres="How far from the site their device was then.",
    arrived_near_site="Whether that counts as being there.",
    arrival_suggested_at="Since when their device says that they have come to the site.",
    started_at="When work began.",
    paused_at="When work was interrupted; empty once it goes on.",
    completed_at="When the visit ended, however it did.",
    canceled_at="When it was called off.",
    reason_code="Why it was canceled, paused or not completed.",
    travel_minutes="Minutes on the road to it, by plan.",
    work_order_number=from_parent("The number of the work order.", WorkOrderRow, "number", via="work_order_id"),
    customer_name=from_parent("The customer's name.", customers.Customer, "name", via="customer_id"),
    site_name=from_parent("The site's name.", customers.Site, "name", via="site_id"),
    site_city=from_parent("The site's city.", customers.Site, "city", via="site_id"),
)


@filterable(models.PlannedVisit)
class PlannedVisitFilter:
    """Which planned visits."""

    id: IdFilter | None = by("Its id.")
    change: EnumFilter[VisitChange] | None = by("What the plan would do.")
    technician_id: IdFilter | None = by("Who would go.")
    appointment_id: IdFilter | None = by("Which visit.")
    is_accepted: BooleanFilter | None = by("Whether it was committed.")
    sequence: IntFilter | None = by("Its place in the technician's day, from 0.")
    starts_at: DateTimeFilter | None = by("When it would begin.")
    ends_at: DateTimeFilter | None = by("When it would be over.")
    travel_minutes: IntFilter | None = by("Minutes on the road to it.")
    travel_metres: IntFilter | None = by("Metres on the road to it.")
    run_id: IdFilter | None = by("The plan.")
    work_order_id: IdFilter | None = by("What it is for.")
    appointment: AppointmentFilter | None = by_parent("The visit.")
    work_order: WorkOrderFilter | None = by_parent("What it is for.")
    technician: TechnicianFilter | None = by_parent("Who would go.")


PlannedVisitOrder = orderable(
    "PlannedVisitOrder",
    models.PlannedVisit,
    default=("technician_id", "starts_at"),
    technician_id="By technician; those without come last.",
    starts_at="When it would begin; those without a time come last.",
    sequence="Its place in the technician's day.",
    change="What the plan would do.",
    ends_at="When it would be over.",
    travel_minutes="Minutes on the road to it.",
    travel_metres="Metres on the road to it.",
    is_accepted="Whether this part of the plan was committed.",
    technician_name=from_parent(
        "The technician's name; those without come last.", TechnicianRow, "name", via="technician_id"
    ),
)


@filterable(models.PlanRun)
class PlanRunFilter:
    """Which plan runs."""

    id: IdFilter | None = by("Its id.")
    status: EnumFilter[PlanRunStatus] | None = by("Where it stands.")
    kind: EnumFilter[PlanKind] | None = by("What was asked for.")
    day: DateFilter | None = by("For which day, or the first of several.")
    days: IntFilter | None = by("How many days it is about.")
    time_zone: StringFilter | None = by("The zone whose clocks say when the day begins and ends.")
    seconds: IntFilter | None = by("How long the planner may think.")
    seed: IntFilter | None = by("What its chances are drawn from; the same gives the same.")
    requested_by: StringFilter | None = by("The id of the user or key who asked.")
    error: StringFilter | None = by("Why there is no plan.")
    created_at: DateTimeFilter | None = by("When it was asked for.")
    started_at: DateTimeFilter | None = by("When the planner set to work.")
    finished_at: DateTimeFilter | None = by("When the planner was done.")
    committed_at: DateTimeFilter | None = by("When the plan, or its last part so far, became the schedule.")
    visits: PlannedVisitFilter | None = by_children("What it says about each visit.", via="run_id")


PlanRunOrder = orderable(
    "PlanRunOrder",
    models.PlanRun,
    default=("-created_at",),
    created_at="When it was asked for.",
    kind="What was asked for.",
    day="Which day it plans, or the first of several.",
    days="How many days it is about.",
    time_zone="The zone whose clocks say when the day begins and ends.",
    status="Where it stands.",
    seconds="How long the planner may think.",
    seed="What its chances are drawn from; the same gives the same.",
    requested_by="The id of the user or key who asked.",
    error="Why there is no plan.",
    started_at="When the planner set to work.",
    finished_at="When the planner was done.",
    committed_at="When the plan, or its last part so far, became the schedule.",
)


def planned_or_asked_for(actor: Actor, range: dict[str, Any]) -> Condition:
    """Work with a visit in a range that the actor may see, or that was asked for then."""
    asked_for = overlaps(range, "requested_window_start", "requested_window_end")
    if not actor.holds(Permission.VIEW_SCHEDULE):
        return asked_for
    visits = models.Appointment.visible_to(actor) & overlaps(range)
    return asked_for | selected("appointment", "work_order_id", visits, ours="id")


@extends_filter(WorkOrderFilter)
class WorkOrdersVisits:
    """What the schedule knows of a work order."""

    during: TimeRangeInput | None = by(
        "A visit of it is planned, or its requested window lies, at a time that shares some of this. What ends when the range "
        "begins, or begins when it ends, does not.",
        where=planned_or_asked_for,
    )
    appointments: AppointmentFilter | None = by_children("Its visits.", via="work_order_id")


@extends_filter(AlertFilter)
class AlertsVisit:
    """What an alert is about."""

    appointment: AppointmentFilter | None = by_parent("About which visit.")


@extends_filter(AppointmentFilter)
class AppointmentsAlerts:
    """What was said of a visit."""

    alerts: AlertFilter | None = by_children("What needed attention about it.", via="appointment_id")


@extends_filter(AssignmentFilter)
class AssignmentsVisit:
    """The visit that was given."""

    appointment: AppointmentFilter | None = by_parent("The visit.")


@extends_filter(TechnicianFilter)
class TechniciansVisits:
    """What the schedule knows of a technician."""

    assignments: AssignmentFilter | None = by_children("The visits given to the technician.", via="technician_id")


@extends_filter(SiteFilter)
class SitesVisits:
    """What the schedule knows of a site."""

    appointments: AppointmentFilter | None = by_children("The visits to it.", via="site_id")


@extends_filter(CustomerFilter)
class CustomersVisits:
    """What the schedule knows of a customer."""

    appointments: AppointmentFilter | None = by_children("The visits to the customer's sites.", via="customer_id")


@extends_filter(PlannedVisitFilter)
class PlannedVisitsRun:
    """The plan that a visit belongs to."""

    run: PlanRunFilter | None = by_parent("The plan.", via="run_id")


@readable(models.Assignment, permission=Permission.VIEW_SCHEDULE)
class Assignment(Node):
    """A visit given to a technician."""

    version: int = col("Counts up with every change.")
    status: AssignmentStatus = col("Where the technician stands with the visit.", facet=True)
    is_active: bool = col("Whether the time is taken: false once declined, released or over.")
    is_lead: bool = col("Whether this technician leads the crew.")
    starts_at: datetime = col("When it begins; when it began, once it is over.", facet=True, totals=True)
    ends_at: datetime = col("When it is over; when it was, once it is.", totals=True)
    travel_minutes: int | None = col("Minutes on the road to it, by plan; null while no plan says.", totals=True)
    decided_at: datetime | None = col("When it was accepted, declined or released; null until then.")
    reason: str | None = col(
        "Why it was declined or released; null if nobody said, and without the permission VIEW_INTERNAL_NOTES.",
        permission=Permission.VIEW_INTERNAL_NOTES,
    )
    created_at: datetime = col("When it was given.")
    technician: Technician = parent("Who has it.", facet="name")
    appointment: "Appointment" = parent("The visit.")
    work_order: WorkOrder = parent("What it is for.")
    allowed_transitions: list[AllowedAssignmentStep] = computed(
        "Steps the lifecycle allows from here.", assignment_steps, needs=("status",)
    )


@readable(models.Appointment, permission=Permission.VIEW_SCHEDULE)
class Appointment(Node):
    """One visit to a site for a work order. Planned times and what really happened are kept apart."""

    version: int = col("Counts up with every change.")
    number: int = col("Its number within the work order, from 1.")
    status: AppointmentStatus = col("Where it stands.", facet=True)
    status_label: str = computed("Where it stands, in plain words.", rules.appointment_label, needs=("status",))
    window_start: datetime | None = col(
        "From when on the customer expects the technician; null when nothing was promised."
    )
    window_end: datetime | None = col("Until when the technician is to arrive; null when nothing was promised.")
    starts_at: datetime | None = col("When it is to begin; null while it has no time.", facet=True, totals=True)
    ends_at: datetime | None = col("When it is to be over.", totals=True)
    duration_minutes: int = col("How many minutes it is expected to take, the way to it not counted.", totals=True)
    is_pinned_who: bool = col("Whether the planner must keep the technicians.")
    is_pinned_when: bool = col("Whether the planner must keep the time.")
    dispatched_at: datetime | None = col("When the technicians were told to go; null until then.")
    en_route_at: datetime | None = col("When they set out; null until then.")
    eta_at: datetime | None = col("When they should arrive, once they are on their way; null before.")
    arrived_at: datetime | None = col("When they arrived; null until then.")
    arrived_coordinates: Coordinates | None = group(
        "Where their device was then; null if it did not say.",
        latitude="arrived_latitude",
        longitude="arrived_longitude",
        null_without="latitude",
    )
    arrived_distance_metres: int | None = col(
        "How far from the site that was; null if the device did not say where it was, or nobody knows where the site is.",
        totals=True,
    )
    arrived_near_site: bool | None = col(
        "Whether that counts as being there, by the organization's arrivalRadiusMetres and the accuracy of the device; "
        "null if nobody knows."
    )
    arrival_suggested_at: datetime | None = col(
        "Since when, on this way, the device of a technician says that they have come to the site: ask them to arrive. "
        "Null while it does not."
    )
    started_at: datetime | None = col("When work began; null until then.")
    paused_at: datetime | None = col("When work was interrupted; null once it goes on.")
    completed_at: datetime | None = col("When the visit ended, however it did; null until then.")
    canceled_at: datetime | None = col("When it was called off; null if it was not.")
    reason_code: ReasonCode | None = col("Why it was canceled, paused or not completed; null if it was none of these.")
    travel_minutes: int | None = col("Minutes on the road to it, by plan; null while no plan says.", totals=True)
    created_at: datetime = col("When it was wanted.")
    updated_at: datetime = col("When it changed last.")
    work_order: WorkOrder = parent("What it is for.")
    customer: Customer = parent("For whom.", facet="name")
    site: Site = parent("Where.", facet="name")
    assignments: Connection[Assignment] = children(
        "Who has or had it.", via="appointment_id", filter=AssignmentFilter, order=AssignmentOrder
    )
    allowed_transitions: list[AllowedAppointmentStep] = computed(
        "Steps the lifecycle allows from here.",
        appointment_steps,
        needs=("status", "technician_ids", busy_elsewhere),
    )


@filterable(models.VisitShare)
class VisitShareFilter:
    """Which links."""

    id: IdFilter | None = by("Its id.")
    appointment_id: IdFilter | None = by("To which visit.")
    created_at: DateTimeFilter | None = by("When it was made.")
    revoked_at: DateTimeFilter | None = by("When it was shut; missing while it is not.")


VisitShareOrder = orderable(
    "VisitShareOrder",
    models.VisitShare,
    default=("-created_at",),
    created_at="When it was made.",
    revoked_at="When it was shut; missing while it is not.",
)


@extends_filter(VisitShareFilter)
class VisitSharesVisit:
    """The visit that it shows."""

    appointment: AppointmentFilter | None = by_parent("The visit that it shows.")


@readable(models.VisitShare, permission=Permission.VIEW_SCHEDULE)
class VisitShare(Node):
    """A link that shows one visit to whoever has it, until 4 hours after its end, and at most 90 days after the end that
    is planned or after the link was made, whichever is later. Technicians do not see them."""

    version: int = col("Counts up with every change.")
    created_at: datetime = col("When it was made.")
    revoked_at: datetime | None = col("When it was shut; null while it is not.")
    appointment: Appointment = parent("The visit that it shows.")


@extends(Appointment)
class AppointmentShares:
    """Who else may follow a visit."""

    shares: Connection[VisitShare] = children(
        "The links that show it to whoever has them, newest first.",
        via="appointment_id",
        filter=VisitShareFilter,
        order=VisitShareOrder,
    )


@plain
class SharedVisit:
    """A link to a visit. Its secret is shown this once."""

    visit_share_id: ID = about("The link, to revoke it by.")
    visit_share: VisitShare | None = link("The link itself.", "visit_share_id")
    token: str | None = about("The secret, for trackedVisit and trackVisit; null when the request was repeated.")
    path: str | None = about(
        "Where the page is that shows it, to be put behind your server's address; null when the request was repeated."
    )


@plain
class TrackedPlace:
    """About where the technician is, within 100 metres or so."""

    coordinates: Coordinates = about("Where on the map, roughly.")
    at: datetime = about("When that was, to the minute.")


@plain
class TrackedVisit:
    """A visit as somebody sees it who has a link to it: nothing else of the company, and no ids."""

    status: AppointmentStatus = about("Where it stands.")
    status_label: str = about("Where it stands, in plain words.")
    is_over: bool = about("Whether it has ended: nothing more will happen, and the link opens for some hours more.")
    window_start: datetime | None = about("From when on the technician is expected; null when nothing was promised.")
    window_end: datetime | None = about("Until when the technician is to arrive; null when nothing was promised.")
    starts_at: datetime | None = about("When it is to begin; null while it has no time.")
    eta_at: datetime | None = about("When the technician should arrive; null unless on the way.")
    time_zone: str = about(
        "The time zone of the place that is visited, such as Europe/Berlin: show the times on its clocks."
    )
    technician_first_name: str | None = about("Who comes, by first name; null until somebody was told to go.")
    place: TrackedPlace | None = about(
        "About where the technician is; null unless on the way to this visit, and on duty."
    )
    # Not for strangers: a cursor names the company and says how much happens there.
    cursor: Private[str] = ""

    def __post_init__(self) -> None:
        self.cursor = ""


def shown_to_strangers(seen: queries.Tracked) -> TrackedVisit:
    """What is known of a visit, for whoever has a link to it."""
    place = None
    if seen.place is not None and seen.place_at is not None:
        coordinates = Coordinates(latitude=seen.place.latitude, longitude=seen.place.longitude)
        place = TrackedPlace(coordinates=coordinates, at=seen.place_at)
    return TrackedVisit(
        status=seen.status,
        status_label=rules.tracking_label(seen.status),
        is_over=seen.status in rules.ENDED,
        window_start=seen.window_start,
        window_end=seen.window_end,
        starts_at=seen.starts_at,
        eta_at=seen.eta_at,
        time_zone=seen.time_zone,
        technician_first_name=seen.technician_first_name,
        place=place,
    )


@readable(models.PlannedVisit, permission=Permission.VIEW_SCHEDULE)
class PlannedVisit(Node):
    """What a plan says about one visit; a visit of several technicians has one for each."""

    change: VisitChange = col("What the plan would do.", facet=True)
    sequence: int = col("Its place in the technician's day, from 0.")
    starts_at: datetime | None = col("When it would begin; null when it is left without a time.")
    ends_at: datetime | None = col("When it would be over; null when it is left without a time.")
    travel_minutes: int = col("Minutes on the road to it.", totals=True)
    travel_metres: int = col("Metres on the road to it.", totals=True)
    is_accepted: bool = col("Whether this part of the plan was committed.")
    before: PreviousPlacement | None = computed("Where it was before.", previous_of, needs=("before",))
    moved_minutes: int | None = computed(
        "By how many minutes it would begin later than before, negative for earlier; null without a time before or after.",
        minutes_moved,
        needs=("before", "starts_at"),
    )
    reasons: list[PlanReason] = computed("Why it is left without a time.", reasons_of, needs=("reasons",))
    run: "PlanRun" = parent("The plan.", via="run_id")
    appointment: Appointment = parent("The visit.")
    work_order: WorkOrder = parent("What it is for.")
    technician: Technician = parent("Who would go.", facet="name")


@readable(models.PlanRun, permission=Permission.VIEW_SCHEDULE)
class PlanRun(Node):
    """One question to the planner about some days, and its answer. Nothing changes until it is committed."""

    version: int = col("Counts up with every change.")
    kind: PlanKind = col("What was asked for.")
    day: date = col("The day, or the first of several.")
    days: int = col("How many days it is about.")
    time_zone: str = col("The zone whose clocks say when the day begins and ends.")
    status: PlanRunStatus = col("Where it stands.")
    seconds: int = col("How many seconds the planner may think.")
    seed: int = col("What its chances are drawn from; the same gives the same.")
    policy: PlanPolicy = computed("What matters how much in it.", policy_shown, needs=("question",))
    keep_scheduled: bool = computed(
        "Whether only what had no time is planned, and nothing else may change.", keeps_scheduled, needs=("question",)
    )
    durations_by_history: bool = computed(
        "Whether visits with their service type's usual minutes take what such visits took.",
        goes_by_history,
        needs=("question",),
    )
    requested_by: str = col("The id of the user or key who asked.")
    error: str | None = col("Why there is no plan; null unless it failed.")
    created_at: datetime = col("When it was asked for.")
    started_at: datetime | None = col("When the planner set to work; null until then.")
    finished_at: datetime | None = col("When the planner was done; null until then.")
    committed_at: datetime | None = col("When the plan, or its last part so far, became the schedule.")
    progress: PlanProgress | None = computed("How far the planner has come.", progress_of, needs=("progress",))
    summary: PlanSummary | None = computed("The plan in figures, once it is there.", summary_of, needs=("score",))
    visit_count: int = sql_value("How many planned visits it has.", count_of("planned_visit", "run_id"))
    visits: Connection[PlannedVisit] = children(
        "What it says about each visit.", via="run_id", filter=PlannedVisitFilter, order=PlannedVisitOrder
    )
    allowed_transitions: list[AllowedPlanRunStep] = computed(
        "Steps the lifecycle allows from here.", plan_run_steps, needs=("status",)
    )


@extends(WorkOrder)
class WorkOrderVisits:
    """What the schedule knows of a work order."""

    appointments: Connection[Appointment] = children(
        "Its visits.", via="work_order_id", filter=AppointmentFilter, order=AppointmentOrder
    )


@extends(Technician)
class TechnicianVisits:
    """What the schedule knows of a technician."""

    assignments: Connection[Assignment] = children(
        "The visits given to the technician.",
        via="technician_id",
        filter=AssignmentFilter,
        order=AssignmentOrder,
    )


@extends(Site)
class SiteVisits:
    """What the schedule knows of a site."""

    appointments: Connection[Appointment] = children(
        "The visits to it.", via="site_id", filter=AppointmentFilter, order=AppointmentOrder
    )


@extends(Customer)
class CustomerVisits:
    """What the schedule knows of a customer."""

    appointments: Connection[Appointment] = children(
        "The visits to the customer's sites.",
        via="customer_id",
        filter=AppointmentFilter,
        order=AppointmentOrder,
    )


@extends(Alert)
class AlertVisit:
    """What an alert is about."""

    appointment: Appointment = parent("About which visit; null where it is about none.")


@extends(Appointment)
class AppointmentAlerts:
    """What was said of a visit."""

    alerts: Connection[Alert] = children(
        "What needed attention about it, what is over included.",
        via="appointment_id",
        filter=AlertFilter,
        order=AlertOrder,
    )
