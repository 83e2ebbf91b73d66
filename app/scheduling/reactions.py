"""What this room does in the background: makes plans, calls off visits of work that is over,
says what needs attention, and forgets old links."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import structlog

import optimizer
from app.customers.models import Site
from app.infrastructure.conditions import column, exists
from app.infrastructure.followers import follows
from app.infrastructure.jobs import JobContext, job
from app.infrastructure.journal import Entry
from app.infrastructure.tables import find_one
from app.infrastructure.timers import every, for_each_organization
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import spoken, utc_now, zone
from app.kernel.errors import Problem, Unavailable
from app.messaging import commands as messaging
from app.messaging import queries as messaging_queries
from app.messaging.rules import AlertKind
from app.scheduling import commands, parts, planning, queries, rules
from app.scheduling.commands.runs import JOB
from app.scheduling.events import (
    AppointmentArrived,
    AppointmentCanceled,
    AppointmentCompleted,
    AppointmentDeparted,
    AppointmentDispatched,
    AppointmentRescheduled,
    AppointmentScheduled,
    AppointmentTurnedBack,
    AppointmentUnscheduled,
    AssignmentDeclined,
    AssignmentReleased,
    PlanReady,
    PlanRunFailed,
)
from app.scheduling.models import Appointment, Assignment, PlanRun
from app.scheduling.rules import AppointmentStatus, PlanRunStatus, ReasonCode
from app.scheduling.solver import Progress, Request, SolveCanceled, SolveFailed, solve_apart, solve_part_apart
from app.scheduling.standing import score_as_json
from app.work_orders.events import (
    WorkOrderCanceled,
    WorkOrderCannotComplete,
    WorkOrderClosed,
    WorkOrderCompleted,
    WorkOrderDeclined,
    WorkOrderTriaged,
)
from app.work_orders.models import WorkOrder

TRIES = 3
PROGRESS_SECONDS = 1.0
POLL_SECONDS = 1.0
WATCHED_AT_ONCE = 200
OLD_HOURS = 7 * 24
NEWS_HOURS = 24


class Solve(Protocol):
    """How a request is answered: ``solve_apart``, or another way to the same plan."""

    async def __call__(
        self,
        request: Request,
        *,
        on_progress: Callable[[Progress], Awaitable[object]],
        should_stop: Callable[[], Awaitable[bool]],
    ) -> optimizer.Plan: ...


log = structlog.get_logger(__name__)


@job(JOB, tries=TRIES)
async def make_plan(context: JobContext) -> None:
    """Read the day, think in another process, keep the answer. A second try begins anew."""

    async def solve(
        request: Request,
        *,
        on_progress: Callable[[Progress], Awaitable[object]],
        should_stop: Callable[[], Awaitable[bool]],
    ) -> optimizer.Plan:
        visits = parts.visits_per_part(len(request.visits)) if request.change is None else None
        return await solve_apart(
            replace(request, visits_per_part=visits),
            on_progress=on_progress,
            should_stop=should_stop,
            parts=None if visits is None else parts.PartJobs(context.actor),
        )

    await answer(context, context.payload["run_id"], solve)


@job(parts.JOB, tries=TRIES, apart=True)
async def solve_part(context: JobContext) -> dict[str, Any] | None:
    """Solve a part of a large day for whoever plans it."""

    async def is_canceled() -> bool:
        return context.canceled()

    if parts.is_over(context.payload):
        return None
    try:
        return {"solved": await solve_part_apart(context.payload["part"], should_stop=is_canceled)}
    except SolveCanceled:
        return None


async def answer(context: JobContext, run_id: str, solve: Solve) -> None:
    """Make a plan, or say why there is none."""
    try:
        await _answer(context, run_id, solve)
    except SolveCanceled:
        log.info("plan stopped", run=run_id)
    except (SolveFailed, optimizer.InvalidProblem) as error:
        await commands.fail_plan_run(context.actor, run_id, str(error))
    except Unavailable as busy:
        # It says nothing about the day: the next try may find the database free.
        if context.attempt >= TRIES:
            await commands.fail_plan_run(context.actor, run_id, busy.message)
        raise
    except Problem as problem:
        await commands.fail_plan_run(context.actor, run_id, problem.message)
    except Exception:
        if context.attempt >= TRIES:
            await commands.fail_plan_run(context.actor, run_id, "The planner failed; the log says why.")
        raise


async def _answer(context: JobContext, run_id: str, solve: Solve) -> None:
    material = await commands.begin_plan_run(context.actor, run_id)
    if material is None:
        return
    run = await find_one(PlanRun, context.actor, run_id)
    told_at = 0.0
    before: dict[str, Any] = {}

    async def tell(progress: Progress) -> None:
        nonlocal told_at, before
        if "before" in progress:
            before = progress["before"]
        elif time.monotonic() - told_at >= PROGRESS_SECONDS:
            told_at = time.monotonic()
            await commands.note_plan_progress(context.actor, run_id, progress)

    async def is_canceled() -> bool:
        return context.canceled() or await queries.get_plan_status(run_id) != PlanRunStatus.RUNNING

    request = await _unless(is_canceled, planning.ask_as_run(material, run))
    plan = await solve(request, on_progress=tell, should_stop=is_canceled)
    droppable = None if request.change is None else planning.freed_ids(material)
    proposals = await asyncio.to_thread(planning.proposals_of, material, plan, droppable=droppable)
    await commands.store_plan(context.actor, run_id, proposals, score_as_json(plan.score), before)


async def _unless(is_canceled: Callable[[], Awaitable[bool]], asking: Coroutine[Any, Any, Request]) -> Request:
    """The planner's question, which a road server may keep waiting; nobody waits for it once the plan is canceled."""
    task = asyncio.ensure_future(asking)
    try:
        while not (await asyncio.wait({task}, timeout=POLL_SECONDS))[0]:
            if await is_canceled():
                raise SolveCanceled
        return task.result()
    finally:
        task.cancel()


@follows(WorkOrderCanceled, WorkOrderDeclined, WorkOrderCannotComplete, WorkOrderClosed)
async def call_off_visits(actor: Actor, entry: Entry) -> None:
    """Nobody drives to work that is over. Work under way on site is ended by who does it."""
    for visit in await queries.find_appointments_of_work_order(actor.organization_id, entry.subject_id):
        status = AppointmentStatus(visit.status)
        if AppointmentStatus.CANCELED in rules.APPOINTMENT.steps[status]:
            await commands.cancel_appointment(actor, visit.id, ReasonCode.WORK_ORDER_CLOSED)


# An alert is raised and resolved by one follower, in the order of the facts: two would overtake each other.


@follows(
    AppointmentScheduled,
    AppointmentRescheduled,
    AppointmentUnscheduled,
    AppointmentDeparted,
    AppointmentTurnedBack,
    AppointmentArrived,
    AppointmentCompleted,
    AppointmentCanceled,
    AssignmentDeclined,
    AssignmentReleased,
    forget_after_hours=OLD_HOURS,
)
async def keep_lateness_true(actor: Actor, entry: Entry) -> None:
    """Who sets out, arrives or gets another time is late no more, or late by more; or others are late now."""
    await commands.watch_visit(actor, entry.subject_id, now=utc_now())


every(seconds=6 * 3600, name="scheduling.forget_old_shares")(commands.forget_old_shares)
every(seconds=6 * 3600, name="scheduling.forget_old_holds")(commands.forget_old_holds)


@every(seconds=10, name="scheduling.expire_slots")
async def expire_slots(now: datetime | None = None) -> None:
    """What was kept free long enough is free for others."""
    at = now or utc_now()
    await for_each_organization(lambda organization_id: commands.expire_slots(organization_id, at))


@every(seconds=60, name="scheduling.watch_visits")
async def watch_visits(now: datetime | None = None) -> None:
    """Time alone makes visits late. After a downtime only what is true now is told, and some of it at a time."""
    at = now or utc_now()

    async def watch(organization_id: str) -> None:
        for id in await queries.find_visits_to_watch(organization_id, at, WATCHED_AT_ONCE):
            await commands.watch_visit(system_actor(organization_id), id, now=at)

    await for_each_organization(watch)


@follows(
    AssignmentDeclined,
    AppointmentScheduled,
    AppointmentRescheduled,
    AppointmentDispatched,
    AppointmentDeparted,
    AppointmentCompleted,
    AppointmentCanceled,
    forget_after_hours=OLD_HOURS,
)
async def tell_of_declines(actor: Actor, entry: Entry) -> None:
    """A visit that somebody turned down needs somebody else, until the office has seen to it."""
    if entry.type != AssignmentDeclined.__name__:
        about = column("subject_id") == entry.subject_id
        await messaging.resolve_alerts(actor, [AlertKind.ASSIGNMENT_DECLINED], about)
        return
    crew, assignment_id = entry.technician_ids, entry.payload["assignment_id"]
    await commands.tell_of_decline(actor, assignment_id, crew, entry.id)


@follows(
    AppointmentCompleted,
    AppointmentScheduled,
    WorkOrderTriaged,
    WorkOrderCompleted,
    WorkOrderClosed,
    WorkOrderCanceled,
    forget_after_hours=OLD_HOURS,
)
async def tell_of_failures(actor: Actor, entry: Entry) -> None:
    """A visit without success needs a decision: another visit, or the end of the work."""
    if entry.type == AppointmentCompleted.__name__:
        if entry.payload["result"] == AppointmentStatus.CANNOT_COMPLETE:
            await commands.tell_of_failure(actor, entry.subject_id, entry.id)
        return
    if entry.type == WorkOrderTriaged.__name__ and entry.payload["changes"]["status"][0] != "CANNOT_COMPLETE":
        return
    id = entry.payload.get("work_order_id", entry.subject_id)
    await messaging.resolve_alerts(actor, [AlertKind.VISIT_FAILED], column("work_order_id") == id)


@follows(PlanRunFailed, PlanReady, forget_after_hours=OLD_HOURS)
async def tell_of_plans(actor: Actor, entry: Entry) -> None:
    """A day without the plan that somebody asked for needs attention until there is one of that kind."""
    if entry.type == PlanRunFailed.__name__:
        await commands.tell_of_failed_plan(actor, entry.subject_id, entry.id)
        return
    run = await find_one(PlanRun, actor, entry.subject_id)
    same_day = (column("day") == run.day) & (column("kind") == run.kind)
    about = exists("plan_run", "id", same_day, ours="subject_id")
    await messaging.resolve_alerts(actor, [AlertKind.PLAN_FAILED], about)


@follows(
    AppointmentScheduled,
    AppointmentRescheduled,
    AppointmentUnscheduled,
    AppointmentCanceled,
    AssignmentReleased,
    forget_after_hours=NEWS_HOURS,
)
async def tell_people_of_visits(actor: Actor, entry: Entry) -> None:
    """The technicians whom a visit was given to or taken from, and the customer's person who asked for the work, are told."""
    visit = await find_one(Appointment, actor, entry.subject_id)
    work = await find_one(WorkOrder, actor, visit.work_order_id)
    site = await find_one(Site, actor, visit.site_id)
    released = await _released(actor, entry)
    crew = await messaging_queries.find_users_of_technicians(actor.organization_id, entry.technician_ids)
    place = f"{work.number} at {site.name}{_when(entry, visit, zone(site.time_zone))}"
    notices = rules.notices_to_technicians(entry.type, entry.technician_ids, entry.payload["changes"], released)
    for kind, technician_ids in notices.items():
        # Who did it knows it.
        users = [crew[id] for id in technician_ids if id in crew and crew[id].id != entry.actor_id]
        title = f"{rules.TECHNICIANS_TITLES[kind]}: {place}"
        await messaging.notify(actor, users, kind, title, work.summary, subject_id=visit.id, cause=entry.id)
    told = rules.notice_to_customer(entry.type, entry.payload)
    if told is not None:
        opener = await messaging_queries.find_opener(actor.organization_id, work.opened_by_user_id, work.customer_id)
        title = f"{rules.CUSTOMERS_TITLES[told]}: {place}"
        await messaging.notify(actor, opener, told, title, work.summary, subject_id=visit.id, cause=entry.id)


def _when(entry: Entry, visit: Appointment, tz: ZoneInfo) -> str:
    """The time that a fact is about: the new one, else the one that was given up, else the visit's."""
    said = entry.payload.get("starts_at") or entry.payload["changes"].get("starts_at", (None,))[0]
    moment = datetime.fromisoformat(said) if said else visit.starts_at
    return f", {spoken(moment, tz)}" if moment is not None else ""


async def _released(actor: Actor, entry: Entry) -> str | None:
    """The technician whom a fact takes off a visit, if it is about one assignment."""
    id = entry.payload.get("assignment_id")
    return None if id is None else (await find_one(Assignment, actor, id)).technician_id
