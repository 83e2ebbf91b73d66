"""A worker that is killed while it plans leaves nothing behind, and another makes the plan."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from app.infrastructure import jobs
from app.infrastructure.models import Job
from app.kernel.dialects import Dialect
from app.scheduling import commands, reactions
from app.scheduling.models import PlannedVisit, PlanRun
from tests.app.scheduling.test_plans import think_here
from tests.app.scheduling.world import DAY, Company, found, visit

ROOT = Path(__file__).resolve().parents[3]


@pytest_asyncio.fixture(loop_scope="session")
async def company(postgres_database: Dialect) -> AsyncIterator[Company]:
    yield await found("Acme")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.fault
async def test_a_plan_whose_worker_is_killed_is_made_by_another_and_no_process_stays(
    company: Company, postgres_schema: str
) -> None:
    id = await visit(company)
    run_id = await commands.plan_day(company.dispatcher, DAY, seconds=120)
    command = [sys.executable, "-m", "tests.app.scheduling.plan_worker", postgres_schema]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.DEVNULL) as worker:
        doomed = psutil.Process(worker.pid)
        await until(lambda: bool(doomed.children()))
        planners = doomed.children()
        assert all("app.scheduling.solver" in each.cmdline() for each in planners)
        assert (await PlanRun.get(id=run_id)).status == "RUNNING"
        worker.kill()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, planners, timeout=30)
    assert (len(gone), alive) == (len(planners), [])
    assert (await Job.get()).status == "RUNNING"  # nobody knows yet

    async def plan(context: jobs.JobContext) -> None:
        await reactions.answer(context, context.payload["run_id"], think_here)

    kind = jobs.JobKind(reactions.JOB, plan, jobs.KINDS[reactions.JOB].tries)
    other = asyncio.create_task(jobs.Runner(1, kinds={kind.name: kind}, poll_seconds=0.05).run())
    try:
        async with asyncio.timeout(60):
            while (await Job.get()).status != "DONE":
                await asyncio.sleep(0.05)
    finally:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
    assert ((await Job.get()).attempts, (await PlanRun.get(id=run_id)).status) == (2, "READY")
    assert [row.appointment_id for row in await PlannedVisit.filter(run_id=run_id)] == [id]
