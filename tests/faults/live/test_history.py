"""Whatever dies meanwhile: what 200 subscribers over two servers heard is what the journal says, each fact once, in order.

TRUCKROLL_TEST_LIVE_OUTAGES says how often Redis is killed, paused or restarted (3 unless told; 20 before a release).
"""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.app.infrastructure.redis_server import RedisServer
from tests.faults.live import chronicle
from tests.faults.live.hearers import Hearer, Poller, StreamHearer
from tests.faults.live.stage import Stage, staged_apart
from tests.faults.live.writers import Writer

pytestmark = [pytest.mark.slow, pytest.mark.fault]

OUTAGES = int(os.environ.get("TRUCKROLL_TEST_LIVE_OUTAGES", "3"))
SUBSCRIBERS = 200
WRITERS = 4
PAUSE_SECONDS = 0.25
AWAY_SECONDS = 1.5
DELIVERY_SECONDS_MAX = 2.0
MUTATION_SECONDS_MAX = 1.9  # who waits for a Redis that is paused waits for two and more
PATIENCE_SECONDS = 30
PARTS: tuple[tuple[int, type[Hearer], str], ...] = (
    (60, Hearer, "workOrder"),
    (60, Hearer, "appointment"),
    (20, Hearer, "technician"),
    (10, StreamHearer, "workOrder"),
    (10, Poller, "workOrder"),
)


def subscribers(stage: Stage, after: str) -> list[Hearer]:
    """Two hundred: boards, some of them for a few orders alone, a customer and a technician, by each of the doors."""
    company = stage.company
    assert company.customer and company.technician
    office = itertools.cycle(company.office)
    made = [stage.hearer(next(office), noun, after, kind=kind) for count, kind, noun in PARTS for _ in range(count)]
    made += [stage.hearer(next(office), "workOrder", after, ids=company.orders[:2]) for _ in range(10)]
    for who in (company.customer, company.technician):
        made += [stage.hearer(who, noun, after) for noun in ("workOrder", "appointment") for _ in range(7)]
        made.append(stage.hearer(who, "workOrder", after, kind=Poller))
    assert len(made) == SUBSCRIBERS
    return made


async def take_away(redis: RedisServer, how: str) -> tuple[float, float]:
    """Take Redis away; from when to when it was away."""
    began = time.time()
    if how == "paused":
        redis.pause()
        await asyncio.sleep(AWAY_SECONDS)
        redis.go_on()
    else:
        await redis.stop()
        await asyncio.sleep(AWAY_SECONDS if how == "killed" else 0)
        await redis.start()
    return began, time.time()


async def kill_processes(stage: Stage) -> None:
    """End a server, the worker and the database's server without a goodbye; and that once more in order."""
    assert stage.worker and stage.postgres
    stage.servers[1].kill()
    stage.worker.kill()
    await asyncio.sleep(0.5)
    stage.worker.start()
    await asyncio.to_thread(stage.servers[1].start)
    for how in (signal.SIGINT, signal.SIGQUIT):
        await stage.postgres.stop(how)
        await stage.postgres.start()
        await asyncio.sleep(0.5)


def within(moment: float, times: Sequence[tuple[float, float]]) -> bool:
    """Whether a moment lies in one of the times."""
    return any(begin <= moment < end for begin, end in times)


def nearly_the_worst(values: Sequence[float]) -> float:
    """What 99 of a hundred are below."""
    return sorted(values)[len(values) * 99 // 100]


async def test_two_hundred_histories_are_the_journals_whatever_died_meanwhile(tmp_path: Path) -> None:
    async with staged_apart(tmp_path) as stage:
        hearers = subscribers(stage, await stage.now())
        writers = [Writer(number, stage.company, stage.urls) for number in range(WRITERS)]
        stop = asyncio.Event()
        async with chronicle.following(hearers):
            writing = [asyncio.create_task(writer.run(stop, PAUSE_SECONDS)) for writer in writers]
            await asyncio.sleep(1)
            away = []
            for how in itertools.islice(itertools.cycle(("killed", "paused", "restarted")), OUTAGES):
                away.append(await take_away(stage.redis, how))
                await asyncio.sleep(0.5)
            await kill_processes(stage)
            stop.set()
            await asyncio.gather(*writing)
            assert await stage.complaints(hearers, patience_seconds=PATIENCE_SECONDS) == []
        assert [refused for writer in writers for refused in writer.refused] == []
        attempts = [one for writer in writers for one in writer.attempts if within(one.began, away)]
        assert len(attempts) > 4 * OUTAGES, "hardly anything was written while Redis was away: this run shows nothing"
        assert all(one.answered for one in attempts)
        delays = [seconds for hearer in hearers for at, seconds in hearer.delays if within(at, away)]
        slow, late = nearly_the_worst([one.seconds for one in attempts]), nearly_the_worst(delays)
        print(f"\nRedis was away {OUTAGES} times: {len(attempts)} commands, p99 {slow * 1000:.0f} ms; {len(delays)} deliveries,"
              f" p99 {late * 1000:.0f} ms; {sum(len(hearer.heard) for hearer in hearers)} events in all")  # fmt: skip
        assert slow < MUTATION_SECONDS_MAX
        assert late < chronicle.at_leisure(DELIVERY_SECONDS_MAX)
        assert '"bug"' not in stage.world.logs()
