"""What this room does in the background: makes plans, and calls off visits of work that is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

import optimizer
from app.infrastructure.followers import follows
from app.infrastructure.jobs import JobContext, job
from app.infrastructure.journal import Entry
from app.infrastructure.tables import find_one
from app.kernel.actor import Actor
from app.kernel.errors import Problem, Unavailable
from app.scheduling import commands, planning, queries, rules
from app.scheduling.commands.runs import JOB
from app.scheduling.models import PlanRun
from app.scheduling.rules import AppointmentStatus, PlanRunStatus, ReasonCode
from app.scheduling.solver import Progress, Request, SolveCanceled, SolveFailed, score_as_json, solve_apart
from app.work_orders.events import (
    WorkOrderCanceled,
    WorkOrderCannotComplete,
    WorkOrderClosed,
    WorkOrderDeclined,
)

TRIES = 3
PROGRESS_SECONDS = 1.0


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
    await answer(context, context.payload["run_id"], solve_apart)


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
    request = await asyncio.to_thread(planning.request_of, material, seconds=run.seconds, seed=run.seed)
    told_at = 0.0

    async def tell(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_SECONDS:
            told_at = time.monotonic()
            await commands.note_plan_progress(context.actor, run_id, progress)

    async def is_canceled() -> bool:
        return context.canceled() or await queries.get_plan_status(run_id) != PlanRunStatus.RUNNING

    plan = await solve(request, on_progress=tell, should_stop=is_canceled)
    proposals = await asyncio.to_thread(planning.proposals_of, material, plan)
    await commands.store_plan(context.actor, run_id, proposals, score_as_json(plan.score))


@follows(WorkOrderCanceled, WorkOrderDeclined, WorkOrderCannotComplete, WorkOrderClosed)
async def call_off_visits(actor: Actor, entry: Entry) -> None:
    """Nobody drives to work that is over. Work under way on site is ended by who does it."""
    for visit in await queries.find_appointments_of_work_order(actor.organization_id, entry.subject_id):
        status = AppointmentStatus(visit.status)
        if AppointmentStatus.CANCELED in rules.APPOINTMENT.steps[status]:
            await commands.cancel_appointment(actor, visit.id, ReasonCode.WORK_ORDER_CLOSED)
