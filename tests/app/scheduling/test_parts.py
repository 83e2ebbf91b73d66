"""Large days in parts: the queue hands them to other workers, and whoever dies or is missing, there is a plan."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import optimizer
from app.infrastructure import jobs
from app.infrastructure.models import Job
from app.kernel.actor import system_actor
from app.kernel.dialects import Dialect
from app.scheduling import commands, parts, reactions
from app.scheduling.models import PlannedVisit, PlanRun
from app.scheduling.solver import Request, SolveCanceled, solve_apart
from tests.app.scheduling.world import DAY, Company, found, visit
from tests.benchmarks.planning.days import field_service_day

ROOT = Path(__file__).resolve().parents[3]
PROBLEM = field_service_day(60, 8)
REQUEST = Request(
    technicians=PROBLEM.technicians,
    visits=PROBLEM.visits,
    places=PROBLEM.places,
    travel=PROBLEM.travel,
    policy=PROBLEM.policy,
    origin=datetime(2027, 3, 1, tzinfo=UTC),
    published=None,
    seconds=4,
    visits_per_part=15,
)


class Told(parts.PartJobs):
    """The queue, and what went over it."""

    def __init__(self, company: Company) -> None:
        super().__init__(system_actor(company.organization_id))
        self.offered, self.taken, self.solved, self.failed = 0, 0, 0, 0

    async def offer(self, packed: Any, seconds: float) -> None:
        self.offered += len(packed)
        await super().offer(packed, seconds)

    async def take(self, number: int) -> bool:
        yours = await super().take(number)
        self.taken += yours
        return yours

    async def news(self) -> list[tuple[int, str | None]]:
        fresh = await super().news()
        self.solved += sum(solved is not None for _, solved in fresh)
        self.failed += sum(solved is None for _, solved in fresh)
        return fresh


async def solved(told: parts.PartJobs, stops: Any = None, seconds: float = 3) -> optimizer.Plan:
    async def never() -> bool:
        return False

    async def ignore(progress: dict[str, Any]) -> None: ...

    return await solve_apart(
        replace(REQUEST, seconds=seconds), on_progress=ignore, should_stop=stops or never, poll_seconds=0.1, parts=told
    )


@contextmanager
def worker(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.scheduling.part_worker", url, *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


async def line_of(process: subprocess.Popen[str]) -> str:
    """What a worker says next."""
    stream = process.stdout
    assert stream is not None
    async with asyncio.timeout(30):
        return (await asyncio.to_thread(stream.readline)).strip()


@pytest_asyncio.fixture(loop_scope="session")
async def company(sqlite_database: Dialect) -> Company:
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_company(postgres_database: Dialect) -> AsyncIterator[Company]:
    yield await found("Acme")


def is_sound(plan: optimizer.Plan) -> bool:
    problem = replace(REQUEST, visits_per_part=None).problem()
    first = optimizer.solve(problem, stop=optimizer.Stop(seconds=0))
    assert plan.score is not None
    assert first.score is not None
    return optimizer.check(problem, plan) == [] and plan.score <= first.score


@pytest.mark.slow
async def test_without_other_workers_the_parent_solves_every_part_and_leaves_no_job(company: Company) -> None:
    told = Told(company)
    assert is_sound(await solved(told))
    assert told.taken == told.offered >= 4
    assert told.solved == told.failed == 0
    assert await Job.all().count() == 0


@pytest.mark.slow
async def test_a_canceled_plan_takes_its_parts_along(company: Company) -> None:
    told = Told(company)

    async def as_soon_as_offered() -> bool:
        return told.offered > 0

    with pytest.raises(SolveCanceled):
        await solved(told, as_soon_as_offered)
    assert await Job.all().count() == 0


@pytest.mark.slow
async def test_a_day_is_planned_in_parts_from_the_set_number_of_visits_on(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs.KINDS[parts.JOB].function is reactions.solve_part
    monkeypatch.setattr(parts, "_from_visits", 4)
    assert parts.visits_per_part(3) is None
    assert parts.visits_per_part(4) == 1
    offered: list[int] = []
    offer = parts.PartJobs.offer

    async def noting(self: parts.PartJobs, packed: Any, seconds: float) -> None:
        offered.append(len(packed))
        await offer(self, packed, seconds)

    monkeypatch.setattr(parts.PartJobs, "offer", noting)
    ids = {await visit(company) for _ in range(4)}
    run_id = await commands.plan_day(company.dispatcher, DAY, seconds=2)
    running = [asyncio.create_task(jobs.run_jobs(1)), asyncio.create_task(jobs.run_jobs(1, apart=True))]
    try:
        async with asyncio.timeout(60):
            while (await PlanRun.get(id=run_id)).status not in ("READY", "FAILED"):
                await asyncio.sleep(0.1)
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert offered
    assert (await PlanRun.get(id=run_id)).status == "READY"
    assert {row.appointment_id for row in await PlannedVisit.filter(run_id=run_id, change="ADDED")} == ids
    assert await Job.filter(kind=parts.JOB).count() == 0
    await commands.commit_plan(company.dispatcher, run_id)
    assert (await PlanRun.get(id=run_id)).status == "COMMITTED"


@pytest.mark.slow
@pytest.mark.fault
async def test_workers_share_the_parts_and_that_of_a_killed_one_is_done_all_the_same(
    postgres_company: Company, postgres_schema: str
) -> None:
    told = Told(postgres_company)
    with worker(postgres_schema) as good, worker(postgres_schema, "hang") as doomed:
        assert await line_of(good) == await line_of(doomed) == "ready"
        planning = asyncio.create_task(solved(told, seconds=5))
        begun = await line_of(doomed)
        assert (await Job.get(id=begun)).status == "RUNNING"
        doomed.kill()
        plan = await planning
        assert good.poll() is None
    assert is_sound(plan)
    assert told.solved >= 1
    assert told.offered >= 4
    assert await Job.all().count() == 0
