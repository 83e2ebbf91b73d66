"""The planner's advice: whom to send and why, what else fits, what would help, and how an urgent visit gets its place.

All of it is answered at once, of days that are not too large for that, and costs more points than its answer shows.
"""

from datetime import date, datetime
from typing import Annotated

from app.kernel.actor import Actor
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    IllegalTransition,
    InvalidInput,
    PlanOutdated,
    ScheduleConflict,
    StaleVersion,
)
from app.kernel.permissions import Permission
from app.kernel.places import Point
from app.scheduling import commands, planning
from schema.kit import ID, JSON, Context, about, arg, inputs, mutation, query
from schema.scheduling.advice_types import (
    AssignmentExplanation,
    InsertionOption,
    NearbyWork,
    PlanRemedy,
    TechnicianSuggestion,
    shown_explanation,
    shown_nearby,
    shown_option,
    shown_suggestion,
)
from schema.scheduling.operations import NEW_ID, ZONE
from schema.scheduling.types import Appointment, PlanRun

# What a question to the planner costs: about as much as reading a hundred rows.
POINTS = 100
DAY = "On which day, or from which on."
DAYS = "On how many days, 1 to 7."
LIMIT = "At most so many, 1 to 50."


class Queries:
    """What clients may ask."""

    @query(
        "Who should go to a visit, or to work that waits for one, and when: the best first, with figures and reasons. "
        "Everything else stays as it is planned. scheduleAppointment, rescheduleAppointment or scheduleWork takes one.",
        permission=Permission.MANAGE_SCHEDULE,
    )
    async def technician_recommendations(
        actor: Actor,
        context: Context,
        day: Annotated[date, arg(DAY)],
        appointment_id: Annotated[ID | None, arg("For which visit; or say which work.")] = None,
        work_order_id: Annotated[ID | None, arg("For which work; or say which visit.")] = None,
        days: Annotated[int, arg(DAYS)] = 1,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
        limit: Annotated[int, arg(LIMIT)] = 5,
    ) -> list[TechnicianSuggestion]:
        """The ranking."""
        await context.spend(POINTS)
        found = await planning.recommend_technicians(
            actor,
            appointment_id=appointment_id,
            work_order_id=work_order_id,
            day=day,
            days=days,
            time_zone=time_zone,
            limit=limit,
        )
        return [shown_suggestion(one) for one in found]

    @query(
        "Why a visit is with whom it is, in the schedule or in a plan, with what others would add.",
        permission=Permission.MANAGE_SCHEDULE,
    )
    async def explain_assignment(
        actor: Actor,
        context: Context,
        appointment_id: Annotated[ID, arg("Which visit.")],
        run_id: Annotated[ID | None, arg("In which plan; in the schedule unless given.")] = None,
    ) -> AssignmentExplanation:
        """The comparison."""
        await context.spend(POINTS)
        return shown_explanation(await planning.explain_assignment(actor, appointment_id, run_id=run_id))

    @query(
        "What would let a visit fit that a plan leaves out. Each remedy was tried by solving again. PLAN_OUTDATED when the "
        "schedule moved since the plan was made.",
        permission=Permission.PLAN_SCHEDULE,
    )
    async def plan_remedies(
        actor: Actor,
        context: Context,
        run_id: Annotated[ID, arg("Which plan.")],
        appointment_id: Annotated[ID, arg("Which of the visits that it leaves out.")],
        limit: Annotated[int, arg(LIMIT)] = 3,
    ) -> list[PlanRemedy]:
        """What helps."""
        await context.spend(POINTS)
        found = await planning.find_remedies(actor, run_id, appointment_id, limit=limit)
        return [
            PlanRemedy(code=one.code, sentence=one.sentence, added_cents=one.added_cents, change=JSON(dict(one.change)))
            for one in found
        ]

    @query(
        "Visits near a technician's route of a day, or near a place: first those that wait for a time, then those that "
        "others have, the nearest first. With a technician, only what they may do.",
        permission=Permission.MANAGE_SCHEDULE,
    )
    async def nearby_work(
        actor: Actor,
        context: Context,
        day: Annotated[date, arg("On which day.")],
        technician_id: Annotated[ID | None, arg("Near whose route; or say where.")] = None,
        latitude: Annotated[float | None, arg("Near which place; only together with the longitude.")] = None,
        longitude: Annotated[float | None, arg("Near which place; only together with the latitude.")] = None,
        radius_metres: Annotated[int, arg("Within how many metres by road.")] = 5000,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
        limit: Annotated[int, arg(LIMIT)] = 20,
    ) -> list[NearbyWork]:
        """What is near."""
        if (latitude is None) != (longitude is None):
            missing = "latitude" if latitude is None else "longitude"
            raise InvalidInput("A place has a latitude and a longitude.", path=[missing])
        await context.spend(POINTS)
        place = None if latitude is None or longitude is None else Point(latitude, longitude)
        found = await planning.find_nearby_work(
            actor,
            technician_id=technician_id,
            place=place,
            day=day,
            time_zone=time_zone,
            radius_metres=radius_metres,
            limit=limit,
        )
        return [shown_nearby(one) for one in found]

    @query(
        "Work that waits for a time and that a technician could do in a gap, the most valuable first. Nothing else moves.",
        permission=Permission.MANAGE_SCHEDULE,
    )
    async def work_for_gap(
        actor: Actor,
        context: Context,
        technician_id: Annotated[ID, arg("Whose gap.")],
        since: Annotated[datetime, arg("When it begins.")],
        until: Annotated[datetime, arg("When it ends, at most a day later.")],
        limit: Annotated[int, arg(LIMIT)] = 5,
    ) -> list[TechnicianSuggestion]:
        """What fits."""
        await context.spend(POINTS)
        found = await planning.find_work_for_gap(actor, technician_id, since, until, limit=limit)
        return [shown_suggestion(one) for one in found]

    @query(
        "Ways to serve an urgent visit on a day, the best first: as the day is, with others moved, or in the place of less "
        "urgent ones, each with its cost. insertUrgent takes one.",
        permission=Permission.PLAN_SCHEDULE,
    )
    async def insertion_options(
        actor: Actor,
        context: Context,
        appointment_id: Annotated[ID, arg("Which visit; it has no time yet.")],
        day: Annotated[date, arg("On which day.")],
        time_zone: Annotated[str | None, arg(ZONE)] = None,
        technician_ids: Annotated[list[ID] | None, arg("Only these technicians; all who work unless given.")] = None,
        limit: Annotated[int, arg(LIMIT)] = 5,
    ) -> list[InsertionOption]:
        """The ways."""
        await context.spend(POINTS)
        found = await planning.find_insertions(
            actor, appointment_id, day, time_zone=time_zone, technician_ids=technician_ids, limit=limit
        )
        return [shown_option(one) for one in found.options]


@inputs
class InsertUrgentInput:
    """The way in which an urgent visit gets its place: what insertionOptions was asked, and what it answered."""

    appointment_id: ID = about("Which visit.")
    day: date = about("On which day.")
    key: str = about("Which of the options.")
    id: ID | None = about(NEW_ID, default=None)
    time_zone: str | None = about(ZONE, default=None)
    technician_ids: list[ID] | None = about("Only these technicians, as it was asked.", default=None)


@inputs
class ScheduleWorkInput:
    """When and by whom some work is to be done."""

    work_order_id: ID = about("Which work.")
    technician_ids: list[ID] = about("Who goes, the lead first.")
    starts_at: datetime = about("When it begins.")
    duration_minutes: int | None = about("How many minutes it takes; as it was unless given.", default=None)
    override_reason: str | None = about(
        "Why it is scheduled although something speaks against it; needs OVERRIDE_SCHEDULE_CONFLICTS.",
        default=None,
    )


class Mutations:
    """What clients may do."""

    @mutation(
        PlanRun,
        "Makes one of the ways to serve an urgent visit the schedule, as a plan that undoPlan takes back. Refused as a whole "
        "when anything it was made from moved.",
        permission=Permission.PLAN_SCHEDULE,
        problems=(AlreadyExists, PlanOutdated, ScheduleConflict, IllegalTransition, StaleVersion, Conflict),
    )
    async def insert_urgent(actor: Actor, context: Context, input: InsertUrgentInput) -> str:
        """See the command."""
        await context.spend(POINTS)
        taken = await planning.take_insertion(
            actor,
            input.appointment_id,
            input.day,
            input.key,
            time_zone=input.time_zone,
            technician_ids=input.technician_ids,
        )
        return await commands.insert_urgent(actor, taken, input.appointment_id, input.key, id=input.id)

    @mutation(
        Appointment,
        "Gives some work its visit with time and technicians at once: the one that waits for a time, or a new one. "
        "Everything that speaks against it is listed.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(ScheduleConflict, IllegalTransition, StaleVersion, Conflict),
    )
    async def schedule_work(actor: Actor, input: ScheduleWorkInput) -> str:
        """See the command."""
        return await commands.schedule_work(
            actor,
            input.work_order_id,
            input.technician_ids,
            input.starts_at,
            duration_minutes=input.duration_minutes,
            override_reason=input.override_reason,
        )
