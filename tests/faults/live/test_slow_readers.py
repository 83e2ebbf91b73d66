"""Two hundred clients that never read, at a thousand facts a second: they cost the server little memory and the others nothing,
are closed with 4490, and resume from their cursor.

TRUCKROLL_TEST_FLOOD_SECONDS says for how long (5 unless told; 30 before a release).
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
import psutil
import pytest

from tests.faults.live import chronicle
from tests.faults.live.company import Audience
from tests.faults.live.hearers import Hearer
from tests.faults.live.stage import Stage, broken
from tests.faults.live.wire import CLOSE, TEXT, Wire
from tests.journeys.followers import node_follower
from tests.servers import ROOT, Api, Server, until

pytestmark = [pytest.mark.slow, pytest.mark.fault]

SECONDS = int(os.environ.get("TRUCKROLL_TEST_FLOOD_SECONDS", "5"))
CONTROL_SECONDS, CONTROL_TIMES = 3, 3
FACTS_PER_SECOND = 1000
OFFENDERS = 200
LATE = 3  # of them, who read once they are closed
READERS = 3  # at each server
RSS_MIB_MAX = 64
DELIVERY_SECONDS_MAX = 2.0
PATIENCE_SECONDS = 90
TOO_SLOW = 4490
FOLLOW = """subscription($after: String, $ids: [ID!]) { workOrderChanged(after: $after, ids: $ids) { cursor at fact workOrderId
  workOrder { id number summary description status priority customer { id name } site { id name } } } }"""


class Reader(Hearer):
    """Somebody who reads; an offender begins with that only when told to."""

    def __init__(self, stage: Stage, audience: Audience, after: str, *, at: int = 0, offends: bool = False) -> None:
        super().__init__(audience, "workOrder", [stage.urls[at]], after, stage.world.organization_id)
        self._server = stage.servers[at]
        self._offends = offends
        self.reads = asyncio.Event()
        self.listens = asyncio.Event()
        if not offends:
            self.reads.set()

    async def _listen(self, url: str) -> str:
        wire = await Wire.open(self._server.port, self.audience.token, small=self._offends)
        try:
            wire.send({"id": "1", "type": "subscribe", "payload": {**self._request(), "query": FOLLOW}})
            self.listens.set()
            await self.reads.wait()
            while True:
                opcode, payload = await wire.frame()
                if opcode == CLOSE:
                    return f"closed {int.from_bytes(payload[:2])}"
                if opcode == TEXT:
                    message = orjson.loads(payload)
                    assert message["type"] == "next", message
                    self._take(message["payload"])
        finally:
            wire.drop()


@dataclass
class Flood:
    """What a flood did."""

    growth_mib: float = 0.0
    closed: float = 0.0
    cpu_seconds: float = 0.0


@asynccontextmanager
async def watched(server: Server, api: Api) -> AsyncIterator[Flood]:
    """How a server's memory grows while the block lasts, and how many clients it closes because they are too slow."""
    seen, process = Flood(), psutil.Process(server.pid)
    before, closed, used = process.memory_info().rss, await closed_slow(api), process.cpu_times()

    async def watch() -> None:
        while True:
            seen.growth_mib = max(seen.growth_mib, (process.memory_info().rss - before) / 2**20)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()
        seen.closed = await closed_slow(api) - closed
        seen.cpu_seconds = sum(process.cpu_times()[:2]) - sum(used[:2])


async def closed_slow(api: Api) -> float:
    """How many clients the server has closed because they did not read."""
    lines = (await api.http.get("/metrics")).text.splitlines()
    return sum(float(line.split(" ")[1]) for line in lines if line.startswith("truckroll_live_closed_slow_total "))


async def flood(stage: Stage, seconds: int, times: int = 1) -> None:
    """A thousand facts a second about one work order, or that many times."""
    what = (stage.database_url, stage.redis.url, stage.world.organization_id, stage.company.orders[0])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.live.flood", *what, str(times * FACTS_PER_SECOND), str(seconds)), cwd=ROOT
    )
    try:
        assert await asyncio.wait_for(process.wait(), 6 * seconds + 30) == 0
    finally:
        if process.returncode is None:
            process.kill()


async def offending(stage: Stage) -> list[Reader]:
    """Two hundred who do not read, with the description of the work order in what they asked for."""
    start, office = await stage.now(), stage.company.office
    async with stage.api() as api:
        await api.do("updateWorkOrder", id=stage.company.orders[0], description="The boiler drips. " * 20)
    return [Reader(stage, office[number % len(office)], start, offends=True) for number in range(OFFENDERS)]


async def all_listen(readers: Sequence[Reader]) -> None:
    """Wait until everybody has subscribed, and the server has had the time to say what they missed."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(reader.listens.wait() for reader in readers))
    await asyncio.sleep(0.5)


def nearly_the_longest(readers: Sequence[Reader], since: float) -> float:
    """The delay in seconds that 99 of a hundred deliveries to somebody are below."""
    delays = sorted(delay for reader in readers for at, delay in reader.delays if at >= since)
    assert len(delays) >= len(readers) * SECONDS * FACTS_PER_SECOND
    return delays[len(delays) * 99 // 100]


async def until_closed(api: Api, count: float) -> None:
    """Wait until the server has closed so many clients in all because they were too slow."""
    while await closed_slow(api) < count:
        await asyncio.sleep(0.2)


async def test_two_hundred_who_never_read_cost_little_memory_and_the_others_nothing_and_can_resume(
    stage: Stage,
) -> None:
    offenders, start, who = await offending(stage), await stage.now(), stage.company.administrator_audience
    # Those at the other server, where everybody reads, say what the machine makes of it at the moment.
    beside, elsewhere = [[Reader(stage, who, start, at=at) for _ in range(READERS)] for at in range(2)]
    late = offenders[:LATE]
    async with stage.api() as api, chronicle.following([*offenders, *beside, *elsewhere]):
        await all_listen([*offenders, *beside, *elsewhere])

        async def read_at_last() -> None:
            await until_closed(api, closed + OFFENDERS)
            for reader in late:
                reader.reads.set()

        closed, began = await closed_slow(api), time.time()
        async with watched(stage.servers[0], api) as seen:
            await asyncio.gather(flood(stage, SECONDS), asyncio.wait_for(read_at_last(), PATIENCE_SECONDS))
            assert await stage.complaints([*beside, *elsewhere, *late], patience_seconds=PATIENCE_SECONDS) == []
    ours, theirs = nearly_the_longest(beside, began), nearly_the_longest(elsewhere, began)
    print(f"\n{OFFENDERS} never read: {seen.growth_mib:.1f} MiB and {seen.cpu_seconds:.1f} s of CPU, {seen.closed:.0f} closed;"
          f" others hear with p99 {ours * 1000:.0f} ms, those at the other server {theirs * 1000:.0f} ms")  # fmt: skip
    assert [set(reader.ended) for reader in late] == [{f"closed {TOO_SLOW}"}] * LATE
    assert [reader.ended for reader in (*beside, *elsewhere)] == [{}] * 2 * READERS, "who reads was closed, too"
    assert seen.growth_mib <= RSS_MIB_MAX
    assert ours < chronicle.at_leisure(DELIVERY_SECONDS_MAX)


async def test_graphql_ws_that_could_not_read_for_a_while_resumes_by_itself(stage: Stage) -> None:
    start = await stage.now()
    selection = "id number summary description status priority customer { id name }"
    like = stage.hearer(stage.company.administrator_audience, "workOrder", start, at=0)
    async with (
        stage.api() as api,
        node_follower(stage.servers[0], api.token or "", "workOrderChanged", "workOrder", selection, start) as follower,
    ):

        async def connected() -> bool:
            return any("connected" in one for one in follower.said)

        await until(connected, what="the connection")
        before = await closed_slow(api)
        follower.send_signal(signal.SIGSTOP)
        flooding = asyncio.create_task(flood(stage, SECONDS))
        await asyncio.wait_for(until_closed(api, before + 1), PATIENCE_SECONDS)
        follower.send_signal(signal.SIGCONT)
        await flooding
        journal = chronicle.expected(await chronicle.read(stage.database_url, stage.world.organization_id), like)

        async def heard_all() -> bool:
            return len(follower.events) >= len(journal)

        await until(heard_all, PATIENCE_SECONDS, "every fact")
    assert {"closed": TOO_SLOW} in follower.said
    assert [event["fact"] for event in follower.events] == [told.fact for told in journal]
    assert len({event["cursor"] for event in follower.events}) == len(journal) >= SECONDS * FACTS_PER_SECOND


async def test_the_control_a_server_that_keeps_everything_for_whoever_does_not_read_grows(breakable: Stage) -> None:
    offenders = await offending(breakable)
    reader = Reader(breakable, breakable.company.administrator_audience, await breakable.now())
    async with breakable.api() as api, chronicle.following([*offenders, reader]):
        await all_listen([*offenders, reader])
        with broken(breakable, "keeps everything"):
            async with watched(breakable.servers[0], api) as seen:
                await flood(breakable, CONTROL_SECONDS, CONTROL_TIMES)
                assert await breakable.complaints([reader], patience_seconds=PATIENCE_SECONDS) == []
    assert seen.closed == 0
    assert seen.growth_mib > RSS_MIB_MAX
