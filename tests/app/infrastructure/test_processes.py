"""Processes that are killed in the middle lose nothing and repeat nothing that is in the database."""

import asyncio
import os
import random
import sys
from pathlib import Path

import asyncpg
import pytest

from app import database as db
from app.infrastructure.jobs import enqueue
from app.infrastructure.models import Job, ParkedFact
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from tests.app.infrastructure.happenings import notes, ring_bell
from tests.databases import leave

pytestmark = [pytest.mark.slow, pytest.mark.fault]

ROOT = Path(__file__).parents[3]
FACTS = 120
JOBS = 30
KILLS = 4


class Workers:
    def __init__(self, url: str) -> None:
        self.url = url
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.app.infrastructure.worker_process", self.url),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._processes.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert (await process.stdout.readline()).strip() == b"ready"

    async def kill_one(self) -> None:
        process = self._processes.pop(0)
        process.kill()
        await process.wait()

    async def kill_all(self) -> None:
        while self._processes:
            await self.kill_one()


async def live_through(url: str, actor: Actor, disturb: bool) -> None:
    workers = Workers(url)
    chance = random.Random(7)
    try:
        await workers.start()
        await workers.start()
        for number in range(JOBS):
            await enqueue(actor, "test", {"number": number})
        for _ in range(KILLS):
            await ring_bell(actor, "rung", times=FACTS // KILLS)
            await asyncio.sleep(chance.uniform(0.02, 0.2))
            if disturb:
                await end_connections(url)
            await workers.kill_one()
            await workers.start()
        async with asyncio.timeout(60):
            while await Job.filter(status="DONE").count() < JOBS or len(await heard(actor)) < FACTS:
                await asyncio.sleep(0.1)
    finally:
        await workers.kill_all()
    assert await heard(actor) == [f"heard {seq:04}" for seq in range(1, FACTS + 1)]
    done = {text for text in await notes(actor) if text.startswith("did")}
    assert done == {f"did {number:04}" for number in range(JOBS)}
    assert (await ParkedFact.all().count(), await Job.all().count()) == (0, JOBS)


async def heard(actor: Actor) -> list[str]:
    return [text for text in await notes(actor) if text.startswith("heard")]


async def end_connections(url: str) -> None:
    """As a restart of the server would."""
    server = await asyncpg.connect(url)
    try:
        await server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name = 'truckroll'"
        )
    finally:
        await server.close()


async def test_on_sqlite(tmp_path: Path, actor: Actor) -> None:
    url = f"sqlite:///{tmp_path / 'truckroll.db'}"
    await db.connect(url)
    try:
        await db.build_schema()
        await live_through(url, actor, disturb=False)
    finally:
        await leave()


async def test_on_postgres_with_its_connections_ended_too(
    postgres_database: Dialect, postgres_schema: str, actor: Actor
) -> None:
    await live_through(postgres_schema, actor, disturb=True)
