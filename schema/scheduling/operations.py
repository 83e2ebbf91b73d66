"""What clients may ask of the schedule, do to it, and hear of it."""

from datetime import date, datetime
from typing import Annotated

from app.identity.secret import Slip
from app.infrastructure.conditions import Condition
from app.infrastructure.tables import require_visible
from app.kernel.actor import Actor
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    IllegalTransition,
    LimitReached,
    PlanOutdated,
    ScheduleConflict,
    StaleVersion,
)
from app.kernel.permissions import Permission
from app.scheduling import commands, queries
from app.scheduling.events import AppointmentFact
from app.scheduling.rules import AppointmentStatus, ReasonCode
from app.technicians import commands as technician_commands
from app.technicians import models as technicians
from app.technicians.events import TechnicianStatusChanged
from app.technicians.rules import IgnoredReason, PositionReport
from schema.kit import ANYONE, ID, Connection, about, arg, inputs, many, mutation, one, query
from schema.kit.live import changed, watched
from schema.scheduling.types import (
    POLICY_WEIGHTS,
    Appointment,
    AppointmentFilter,
    AppointmentOrder,
    Assignment,
    AssignmentFilter,
    AssignmentOrder,
    PlannedVisit,
    PlannedVisitFilter,
    PlannedVisitOrder,
    PlanRun,
    PlanRunFilter,
    PlanRunOrder,
    SharedVisit,
    TrackedVisit,
    VisitShare,
    shown_to_strangers,
)
from schema.technicians.types import IgnoredPositions, PositionsReceipt

TRACKING_PATH = "/track"
TOKEN = "The secret of the link, from shareVisit."
VERSION = "The version you saw; refused when it is not the current one. Leave it out to change whatever is there."
NEW_ID = "Your own id for it, so that you may send this again; without it we make one."
ZONE = "IANA zone whose clocks say when the day begins and ends; your organization's unless you say otherwise."
STEP = (IllegalTransition, StaleVersion, Conflict)


async def of_day(
    actor: Actor,
    day: Annotated[date, arg("The day.")],
    time_zone: Annotated[str | None, arg(ZONE)] = None,
    technician_ids: Annotated[list[ID] | None, arg("Only visits of these technicians.")] = None,
) -> Condition:
    """The visits whose planned time reaches into a day."""
    wanted = queries.of_day(day, await queries.get_time_zone(actor, time_zone))
    if technician_ids is None:
        return wanted
    await require_visible(technicians.Technician, actor, technician_ids, "technicianIds")
    return wanted & queries.given_to(actor, technician_ids)


class Queries:
    """What clients may ask."""

    appointment: Appointment | None = one("One visit.", permission=Permission.VIEW_SCHEDULE)
    appointments: Connection[Appointment] = many(
        "The visits you may see, earliest first; those without a time come last.",
        permission=Permission.VIEW_SCHEDULE,
        filter=AppointmentFilter,
        order=AppointmentOrder,
    )
    schedule: Connection[Appointment] = many(
        "A day's visits, of all technicians or of some, earliest first.",
        permission=Permission.VIEW_SCHEDULE,
        filter=AppointmentFilter,
        order=AppointmentOrder,
        where=of_day,
    )
    assignment: Assignment | None = one("One assignment.", permission=Permission.VIEW_SCHEDULE)
    assignments: Connection[Assignment] = many(
        "Who has or had which visit, earliest first.",
        permission=Permission.VIEW_SCHEDULE,
        filter=AssignmentFilter,
        order=AssignmentOrder,
    )
    plan_run: PlanRun | None = one("One plan run.", permission=Permission.VIEW_SCHEDULE)
    plan_runs: Connection[PlanRun] = many(
        "The plan runs, newest first.",
        permission=Permission.VIEW_SCHEDULE,
        filter=PlanRunFilter,
        order=PlanRunOrder,
    )
    planned_visits: Connection[PlannedVisit] = many(
        "What plans say about visits.",
        permission=Permission.VIEW_SCHEDULE,
        filter=PlannedVisitFilter,
        order=PlannedVisitOrder,
    )

    @query(
        "The visit behind a link, for anyone who has it. A link that is wrong, was revoked or is past its time finds nothing.",
        permission=ANYONE,
    )
    async def tracked_visit(token: Annotated[str, arg(TOKEN)]) -> TrackedVisit:
        """What may be known of it now."""
        return shown_to_strangers(await queries.track(await queries.find_shared_visit(token)))


async def organization_of_link(token: str) -> str:
    """Whose visit a link shows."""
    return (await queries.find_shared_visit(token)).organization_id


@inputs
class CreateAppointmentInput:
    """A visit that is needed."""

    work_order_id: ID = about("For which work order.")
    id: ID | None = about(NEW_ID, default=None)
    window_start: datetime | None = about("The promised window's begin; the work order's unless given.", default=None)
    window_end: datetime | None = about("The promised window's end; the work order's unless given.", default=None)
    duration_minutes: int | None = about("How long it takes; the work order's unless given.", default=None)


@inputs
class ScheduleAppointmentInput:
    """When and by whom."""

    id: ID = about("Which visit.")
    technician_ids: list[ID] = about("Who goes, the lead first.")
    starts_at: datetime = about("When it begins.")
    version: int | None = about(VERSION, default=None)
    duration_minutes: int | None = about("How many minutes it takes; as it was unless given.", default=None)
    pin_who: bool | None = about("Whether the planner must keep the technicians; as it was unless given.", default=None)
    pin_when: bool | None = about("Whether the planner must keep the time; as it was unless given.", default=None)
    override_reason: str | None = about(
        "Why it is scheduled although something speaks against it; needs OVERRIDE_SCHEDULE_CONFLICTS.",
        default=None,
    )


@inputs
class RescheduleAppointmentInput:
    """What changes about a visit's time or technicians."""

    id: ID = about("Which visit.")
    technician_ids: list[ID] | None = about("Who goes from now on, the lead first.", default=None)
    starts_at: datetime | None = about("When it begins from now on.", default=None)
    version: int | None = about(VERSION, default=None)
    duration_minutes: int | None = about("How many minutes it takes from now on.", default=None)
    pin_who: bool | None = about("Whether the planner must keep the technicians; as it was unless given.", default=None)
    pin_when: bool | None = about("Whether the planner must keep the time; as it was unless given.", default=None)
    override_reason: str | None = about(
        "Why it is scheduled although something speaks against it; needs OVERRIDE_SCHEDULE_CONFLICTS.",
        default=None,
    )


@inputs
class PinAppointmentInput:
    """What the planner must leave alone."""

    id: ID = about("Which visit.")
    who: bool | None = about("Whether it must keep the technicians; as it was unless given.", default=None)
    when: bool | None = about("Whether it must keep the time; as it was unless given.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class UnscheduleAppointmentInput:
    """A visit to take out of the schedule."""

    id: ID = about("Which visit.")
    reason: str | None = about("Why.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class AppointmentStepInput:
    """A visit that takes a step."""

    id: ID = about("Which visit.")
    version: int | None = about(VERSION, default=None)


@inputs
class DispatchAppointmentsInput:
    """Visits to dispatch, all or none."""

    ids: list[ID] = about("Which visits, at most 500.")


@inputs
class DispatchDayInput:
    """A day to dispatch."""

    day: date = about("The day.")
    time_zone: str | None = about(ZONE, default=None)
    technician_ids: list[ID] | None = about("Only visits of these technicians.", default=None)


@inputs
class AcceptAssignmentInput:
    """An assignment to accept."""

    id: ID = about("Which assignment.")
    version: int | None = about(VERSION, default=None)


@inputs
class DeclineAssignmentInput:
    """An assignment to decline."""

    id: ID = about("Which assignment.")
    reason: str = about("Why, 1 to 500 characters.")
    version: int | None = about(VERSION, default=None)


@inputs
class ReleaseAssignmentInput:
    """An assignment to take back."""

    id: ID = about("Which assignment.")
    reason: str | None = about("Why.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class DepartInput:
    """A visit to set out for."""

    id: ID = about("Which visit.")
    eta_at: datetime | None = about("When you should arrive; by the planned travel time unless given.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class TurnBackInput:
    """A visit whose way is broken off."""

    id: ID = about("Which visit.")
    reason: str | None = about("Why.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class ArriveInput:
    """A visit whose site is reached."""

    id: ID = about("Which visit.")
    latitude: float | None = about("Where the device is; only together with the longitude.", default=None)
    longitude: float | None = about("Where the device is; only together with the latitude.", default=None)
    accuracy_metres: float | None = about("How many metres off that may be.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class PositionInput:
    """Where your device was."""

    latitude: float = about("Degrees north.")
    longitude: float = about("Degrees east.")
    at: datetime = about("When it was there, by its own clock.")
    accuracy_metres: float | None = about("How many metres off it may be.", default=None)
    heading: float | None = about("In which direction it moved: degrees from north, clockwise.", default=None)
    speed_metres_per_second: float | None = about("How fast it moved.", default=None)


@inputs
class ReportPositionsInput:
    """A batch of your device's positions, in any order."""

    positions: list[PositionInput] = about(
        "1 to 1,000 positions. Those taken hours ago may come late, and again: each counts once, as of when it was taken."
    )


@inputs
class ShareVisitInput:
    """A visit to be followed by others."""

    appointment_id: ID = about("Which visit.")


@inputs
class RevokeVisitShareInput:
    """A link to shut."""

    id: ID = about("Which link.")


@inputs
class PauseWorkInput:
    """A visit whose work is interrupted."""

    id: ID = about("Which visit.")
    reason_code: ReasonCode | None = about("Why.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class CompleteAppointmentInput:
    """How a visit ended."""

    id: ID = about("Which visit.")
    result: AppointmentStatus = about(
        "COMPLETED, PARTIALLY_COMPLETED or CANNOT_COMPLETE.", default=AppointmentStatus.COMPLETED
    )
    reason_code: ReasonCode | None = about("Why, for any result but COMPLETED.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class CancelAppointmentInput:
    """A visit to call off."""

    id: ID = about("Which visit.")
    reason_code: ReasonCode = about("Why.")
    version: int | None = about(VERSION, default=None)


@inputs
class PlanPolicyInput:
    """What is to matter how much among the wishes, in cents; the planner's own weights stay where nothing is given. Hard
    rules, work that must be done and due times come first in any case."""

    preference_cents: int | None = about(
        "What it costs to send somebody whom the site does not know from before.", default=None
    )
    overqualification_cents_per_level: int | None = about(
        "What each level of skill costs beyond what the work needs.", default=None
    )
    balance_cents_per_minute: int | None = about(
        "What each minute costs by which the busiest works longer than the average.", default=None
    )
    changed_technician_cents: int | None = about(
        "What it costs to send another technician than planned before.", default=None
    )
    moved_cents_per_minute: int | None = about(
        "What each minute costs by which a planned visit is moved.", default=None
    )
    wait_cents_per_minute: int | None = about("What each minute of waiting costs.", default=None)
    worst_lateness_cents_per_minute: int | None = about(
        "What each minute costs by which the latest of all visits is late: it shares lateness out.", default=None
    )


@inputs
class PlanDayInput:
    """A question to the planner."""

    day: date = about("Which day, or the first of several.")
    days: int = about("How many days, 1 to 14.", default=1)
    id: ID | None = about(NEW_ID, default=None)
    time_zone: str | None = about(ZONE, default=None)
    seconds: int = about("How long the planner may think, 1 to 300 seconds.", default=10)
    seed: int = about("What its chances are drawn from; the same gives the same.", default=0)
    technician_ids: list[ID] | None = about("Only these technicians; all who work unless given.", default=None)
    work_order_ids: list[ID] | None = about(
        "Only the visits of this work may change; all open work unless given.", default=None
    )
    territory_ids: list[ID] | None = about(
        "Only work at sites of these territories, and only technicians who work there or anywhere; all unless given.",
        default=None,
    )
    policy: PlanPolicyInput | None = about("What is to matter how much.", default=None)
    keep_scheduled: bool = about(
        "Whether all that has a time keeps it, and its technicians; only what has none is planned then.", default=False
    )
    durations_by_history: bool = about(
        "Whether visits that are planned with the usual minutes of their service type take what durationForecast expects "
        "instead, if such forecasts were less wrong than what was planned.",
        default=False,
    )


@inputs
class OptimizeRouteInput:
    """A technician's day to be driven better."""

    technician_id: ID = about("Whose day.")
    day: date = about("Which day.")
    id: ID | None = about(NEW_ID, default=None)
    time_zone: str | None = about(ZONE, default=None)


@inputs
class PlanAbsenceInput:
    """A technician who drops out."""

    technician_id: ID = about("Who.")
    since: datetime = about("From when on.")
    until: datetime = about("Until when; the time may lie on 14 days at most.")
    id: ID | None = about(NEW_ID, default=None)
    time_zone: str | None = about(ZONE, default=None)
    technician_ids: list[ID] | None = about("Who may take over; all who work unless given.", default=None)


@inputs
class PlanDelayInput:
    """A technician who runs late."""

    technician_id: ID = about("Who.")
    delay_minutes: int = about("By how many minutes, 1 to 1,440.")
    at: datetime | None = about("From when on; from now unless given.", default=None)
    id: ID | None = about(NEW_ID, default=None)
    time_zone: str | None = about(ZONE, default=None)
    technician_ids: list[ID] | None = about("Who may take over; all who work unless given.", default=None)


@inputs
class PlanRunStepInput:
    """A plan run that takes a step."""

    id: ID = about("Which plan run.")
    version: int | None = about(VERSION, default=None)


@inputs
class CommitPlanInput:
    """A plan, or the part of it, that becomes the schedule."""

    id: ID = about("Which plan run.")
    appointment_ids: list[ID] | None = about("Only these visits; the whole plan unless given.", default=None)
    version: int | None = about(VERSION, default=None)


def _weights(policy: PlanPolicyInput) -> dict[str, int]:
    named = {name: getattr(policy, name) for name in POLICY_WEIGHTS}
    return {name: value for name, value in named.items() if value is not None}


class Mutations:
    """What clients may do."""

    @mutation(
        Appointment,
        "Wants one more visit for a work order, still without a time.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(AlreadyExists, Conflict),
    )
    async def create_appointment(actor: Actor, input: CreateAppointmentInput) -> str:
        """See the command."""
        return await commands.create_appointment(
            actor,
            input.work_order_id,
            id=input.id,
            window_start=input.window_start,
            window_end=input.window_end,
            duration_minutes=input.duration_minutes,
        )

    @mutation(
        Appointment,
        "Gives a visit its time and technicians. Everything that speaks against it is listed; nobody is booked twice.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(ScheduleConflict, *STEP),
    )
    async def schedule_appointment(actor: Actor, input: ScheduleAppointmentInput) -> str:
        """See the command."""
        return await commands.schedule_appointment(
            actor,
            input.id,
            input.technician_ids,
            input.starts_at,
            version=input.version,
            duration_minutes=input.duration_minutes,
            pin_who=input.pin_who,
            pin_when=input.pin_when,
            override_reason=input.override_reason,
        )

    @mutation(
        Appointment,
        "Moves a scheduled visit to another time, to other technicians, or both. One that was dispatched must be "
        "dispatched again.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(ScheduleConflict, *STEP),
    )
    async def reschedule_appointment(actor: Actor, input: RescheduleAppointmentInput) -> str:
        """See the command."""
        return await commands.reschedule_appointment(
            actor,
            input.id,
            version=input.version,
            technician_ids=input.technician_ids,
            starts_at=input.starts_at,
            duration_minutes=input.duration_minutes,
            pin_who=input.pin_who,
            pin_when=input.pin_when,
            override_reason=input.override_reason,
        )

    @mutation(
        Appointment,
        "Says whether the planner may change a visit's technicians or its time.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(StaleVersion,),
    )
    async def pin_appointment(actor: Actor, input: PinAppointmentInput) -> str:
        """See the command."""
        return await commands.pin_appointment(actor, input.id, who=input.who, when=input.when, version=input.version)

    @mutation(
        Appointment,
        "Takes a visit out of the schedule; it waits for a new time.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=STEP,
    )
    async def unschedule_appointment(actor: Actor, input: UnscheduleAppointmentInput) -> str:
        """See the command."""
        return await commands.unschedule_appointment(actor, input.id, version=input.version, reason=input.reason)

    @mutation(
        Appointment,
        "Tells the technicians of a visit to go there when it is time.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=STEP,
    )
    async def dispatch_appointment(actor: Actor, input: AppointmentStepInput) -> str:
        """See the command."""
        return await commands.dispatch_appointment(actor, input.id, version=input.version)

    @mutation(
        list[Appointment],
        "Dispatches several visits, all or none.",
        noun="appointments",
        permission=Permission.MANAGE_SCHEDULE,
        problems=STEP,
    )
    async def dispatch_appointments(actor: Actor, input: DispatchAppointmentsInput) -> list[str]:
        """See the command."""
        return await commands.dispatch_appointments(actor, input.ids)

    @mutation(
        list[Appointment],
        "Dispatches every scheduled visit of a day and answers with those that were.",
        noun="appointments",
        permission=Permission.MANAGE_SCHEDULE,
        problems=STEP,
    )
    async def dispatch_day(actor: Actor, input: DispatchDayInput) -> list[str]:
        """See the command."""
        return await commands.dispatch_day(
            actor, input.day, time_zone=input.time_zone, technician_ids=input.technician_ids
        )

    @mutation(
        Assignment,
        "Agrees to come.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def accept_assignment(actor: Actor, input: AcceptAssignmentInput) -> str:
        """See the command."""
        return await commands.accept_assignment(actor, input.id, version=input.version)

    @mutation(
        Assignment,
        "Turns a visit down. A visit that nobody is left for waits for a new time.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def decline_assignment(actor: Actor, input: DeclineAssignmentInput) -> str:
        """See the command."""
        return await commands.decline_assignment(actor, input.id, input.reason, version=input.version)

    @mutation(
        Assignment,
        "Takes a technician off a visit. A visit that nobody is left for waits for a new time.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=STEP,
    )
    async def release_assignment(actor: Actor, input: ReleaseAssignmentInput) -> str:
        """See the command."""
        return await commands.release_assignment(actor, input.id, reason=input.reason, version=input.version)

    @mutation(
        Appointment,
        "Sets out for a visit, which accepts it; the travel time runs. Nobody sets out for two at a time.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def depart(actor: Actor, input: DepartInput) -> str:
        """See the command."""
        return await commands.depart(actor, input.id, version=input.version, eta_at=input.eta_at)

    @mutation(
        Appointment,
        "Breaks off the way to a visit; it waits to be set out for again.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def turn_back(actor: Actor, input: TurnBackInput) -> str:
        """See the command."""
        return await commands.turn_back(actor, input.id, version=input.version, reason=input.reason)

    @mutation(
        Appointment,
        "Arrives on site. With the device's place the visit says how far from the site that was, and whether it counts as "
        "there; who is far away arrives all the same.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def arrive(actor: Actor, input: ArriveInput) -> str:
        """See the command."""
        return await commands.arrive(
            actor,
            input.id,
            version=input.version,
            latitude=input.latitude,
            longitude=input.longitude,
            accuracy_metres=input.accuracy_metres,
        )

    @mutation(
        SharedVisit,
        "Makes a link that shows one visit to whoever has it, until 4 hours after its end, and at most 90 days after the "
        "end that is planned or after the link was made, whichever is later: the office to any visit (MANAGE_SCHEDULE), "
        "customers to their own.",
        permission=Permission.SHARE_VISITS,
        problems=(Conflict, LimitReached),
    )
    async def share_visit(actor: Actor, input: ShareVisitInput) -> SharedVisit:
        """See the command."""
        slip = Slip()
        id = await commands.share_visit(actor, slip, input.appointment_id)
        path = f"{TRACKING_PATH}#{slip.secret}" if slip.secret is not None else None
        return SharedVisit(visit_share_id=ID(id), token=slip.secret, path=path)

    @mutation(
        VisitShare,
        "Shuts a link to a visit at once: the office any (MANAGE_SCHEDULE), customers those to their own visits. May be "
        "repeated.",
        permission=Permission.SHARE_VISITS,
    )
    async def revoke_visit_share(actor: Actor, input: RevokeVisitShareInput) -> str:
        """See the command."""
        return await commands.revoke_visit_share(actor, input.id)

    @mutation(
        PositionsReceipt,
        "Uploads where the asker's own device was: the newest position is shown, on duty only, and a few are kept for as "
        "many days as the organization says. Who has come to the site they are on the way to is asked whether they have "
        "arrived: see arrivalSuggestedAt of the visit.",
        permission=Permission.REPORT_OWN_STATUS,
        noun="receipt",
        problems=(Conflict,),
    )
    async def report_positions(actor: Actor, input: ReportPositionsInput) -> PositionsReceipt:
        """See the command."""
        reports = [
            PositionReport(
                one.latitude, one.longitude, one.at, one.accuracy_metres, one.heading, one.speed_metres_per_second
            )
            for one in input.positions
        ]
        said = await commands.report_positions(actor, reports)
        ignored = [
            IgnoredPositions(reason=IgnoredReason(reason), count=count) for reason, count in said["ignored"].items()
        ]
        return PositionsReceipt(technician_id=ID(said["technician_id"]), taken=said["taken"], ignored=ignored)

    @mutation(
        Appointment,
        "Begins the work on site; the working time runs.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def start_work(actor: Actor, input: AppointmentStepInput) -> str:
        """See the command."""
        return await commands.start_work(actor, input.id, version=input.version)

    @mutation(
        Appointment,
        "Interrupts the work; the technicians can be at another visit meanwhile.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def pause_work(actor: Actor, input: PauseWorkInput) -> str:
        """See the command."""
        return await commands.pause_work(actor, input.id, version=input.version, reason_code=input.reason_code)

    @mutation(
        Appointment,
        "Goes on with paused work.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def resume_work(actor: Actor, input: AppointmentStepInput) -> str:
        """See the command."""
        return await commands.resume_work(actor, input.id, version=input.version)

    @mutation(
        Appointment,
        "Ends a visit with its result; the technicians are free again.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        problems=STEP,
    )
    async def complete_appointment(actor: Actor, input: CompleteAppointmentInput) -> str:
        """See the command."""
        return await commands.complete_appointment(
            actor, input.id, result=input.result, reason_code=input.reason_code, version=input.version
        )

    @mutation(
        Appointment,
        "Calls a visit off before its work begins.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=STEP,
    )
    async def cancel_appointment(actor: Actor, input: CancelAppointmentInput) -> str:
        """See the command."""
        return await commands.cancel_appointment(actor, input.id, input.reason_code, version=input.version)

    @mutation(
        PlanRun,
        "Asks the planner for a day, or for several. Open work without a visit gets one; nothing else changes until the "
        "plan is committed. Follow the run with planProgress.",
        permission=Permission.PLAN_SCHEDULE,
        problems=(AlreadyExists,),
    )
    async def plan_day(actor: Actor, input: PlanDayInput) -> str:
        """See the command."""
        return await commands.plan_day(
            actor,
            input.day,
            id=input.id,
            days=input.days,
            time_zone=input.time_zone,
            seconds=input.seconds,
            seed=input.seed,
            technician_ids=input.technician_ids,
            work_order_ids=input.work_order_ids,
            territory_ids=input.territory_ids,
            policy=None if input.policy is None else _weights(input.policy),
            keep_scheduled=input.keep_scheduled,
            durations_by_history=input.durations_by_history,
        )

    @mutation(
        PlanRun,
        "Asks for a better order of one technician's day; what is pinned or sent off stays, and nobody else's day changes. "
        "The run's summary has the minutes and kilometres before and after; commitPlan accepts it.",
        permission=Permission.PLAN_SCHEDULE,
        problems=(AlreadyExists,),
    )
    async def optimize_route(actor: Actor, input: OptimizeRouteInput) -> str:
        """See the command."""
        return await commands.optimize_route(
            actor, input.technician_id, input.day, id=input.id, time_zone=input.time_zone
        )

    @mutation(
        PlanRun,
        "Asks who takes over from a technician who drops out. Of their visits those are moved that have not begun, also if "
        "they were sent off or are pinned to them; as little else as can be changes. commitPlan accepts all of it or a "
        "part, undoPlan brings it back. The absence itself is entered with createAbsence.",
        permission=Permission.PLAN_SCHEDULE,
        problems=(AlreadyExists,),
    )
    async def plan_absence(actor: Actor, input: PlanAbsenceInput) -> str:
        """See the command."""
        return await commands.plan_absence(
            actor,
            input.technician_id,
            input.since,
            input.until,
            id=input.id,
            time_zone=input.time_zone,
            technician_ids=input.technician_ids,
        )

    @mutation(
        PlanRun,
        "Asks what becomes of the rest of a technician's day who runs late: visits begin later, and go to others where a "
        "promise would break. commitPlan accepts all of it or a part, undoPlan brings it back.",
        permission=Permission.PLAN_SCHEDULE,
        problems=(AlreadyExists,),
    )
    async def plan_delay(actor: Actor, input: PlanDelayInput) -> str:
        """See the command."""
        return await commands.plan_delay(
            actor,
            input.technician_id,
            input.delay_minutes,
            at=input.at,
            id=input.id,
            time_zone=input.time_zone,
            technician_ids=input.technician_ids,
        )

    @mutation(
        PlanRun,
        "Makes a plan, or a part of it, the schedule. Refused as a whole when anything it was made from moved.",
        permission=Permission.PLAN_SCHEDULE,
        problems=(PlanOutdated, ScheduleConflict, *STEP),
    )
    async def commit_plan(actor: Actor, input: CommitPlanInput) -> str:
        """See the command."""
        return await commands.commit_plan(actor, input.id, appointment_ids=input.appointment_ids, version=input.version)

    @mutation(
        PlanRun,
        "Brings back what a committed plan changed, unless one of those visits has moved on since.",
        permission=Permission.PLAN_SCHEDULE,
        problems=(PlanOutdated, ScheduleConflict, *STEP),
    )
    async def undo_plan(actor: Actor, input: PlanRunStepInput) -> str:
        """See the command."""
        return await commands.undo_plan(actor, input.id, version=input.version)

    @mutation(
        PlanRun,
        "Puts a plan away unused.",
        permission=Permission.PLAN_SCHEDULE,
        problems=STEP,
    )
    async def discard_plan(actor: Actor, input: PlanRunStepInput) -> str:
        """See the command."""
        return await commands.discard_plan(actor, input.id, version=input.version)

    @mutation(
        PlanRun,
        "Stops the planner; what it found so far is dropped.",
        permission=Permission.PLAN_SCHEDULE,
        problems=STEP,
    )
    async def cancel_plan_run(actor: Actor, input: PlanRunStepInput) -> str:
        """See the command."""
        return await commands.cancel_plan_run(actor, input.id, version=input.version)


class Subscriptions:
    """What clients may hear."""

    @watched(
        "The visit behind a link, for anyone who has it: how it stands, then whenever that differs, such as the technician's "
        "place on the way; what happens within 10 seconds is told together. It ends with NOT_FOUND when the link is revoked "
        "or past its time.",
        permission=ANYONE,
        facts=(AppointmentFact, TechnicianStatusChanged),
        topics=(technician_commands.TOPIC,),
        seconds=30.0,
        pause=10.0,
        organization_of=organization_of_link,
    )
    async def track_visit(actor: Actor, token: Annotated[str, arg(TOKEN)]) -> dict[str, TrackedVisit]:
        """The one visit; the link is looked at anew each time."""
        return {"visit": shown_to_strangers(await queries.track(await queries.find_shared_visit(token)))}

    appointment_changed = changed(
        Appointment,
        "What happens to visits: scheduled, moved, dispatched, under way, ended, and who accepts or declines; each as "
        "one fact, in order.",
        permission=Permission.VIEW_SCHEDULE,
    )
    plan_progress = changed(
        PlanRun,
        "What happens to plan runs: started, better plans found, ready, committed; name the run in ids to hear of one.",
        permission=Permission.VIEW_SCHEDULE,
    )
