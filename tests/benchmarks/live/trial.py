"""One server with so many subscribers: connecting, doing nothing, a steady trickle, bursts, and as much as it bears.

CPU is that of the server's process. What it uses while nothing happens is measured first and taken off.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from math import ceil, isnan
from statistics import mean, median
from time import monotonic
from typing import Any

from tests.benchmarks.live.contestants import Contestant, Moments, Publisher, Running
from tests.benchmarks.live.crowd import Heard, Remote, crowd
from tests.benchmarks.live.judging import Expectation, Verdict, judge
from tests.benchmarks.live.processes import backends, spent
from tests.benchmarks.measuring import exact_cpu_seconds, memory_kilobytes

PACE = 530
LATE_MILLISECONDS = 250
RATES = (1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 40_000, 60_000, 80_000, 100_000, 150_000, 200_000)
WARM_SUBSCRIBERS, WARM_EVENTS = 20, 50
PUBLICATIONS_PER_SECOND_MAX = 100
QUIET_SHARE, QUIET_SECONDS, QUIET_SECONDS_MAX = 0.05, 1.0, 30.0
STALLED_SECONDS = 15.0
BUSY_SHARE, REACHED_SHARE = 0.9, 0.9
EVENTS_MIN, PACED_EVENTS_MIN, BURSTS_MIN = 5, 3, 3


@dataclass(slots=True)
class Plan:
    """How long each part lasts. What servers do by themselves has a beat, such as a ping every 20 seconds: idleness and the
    trickle last for whole beats."""

    beat_seconds: float
    paced_seconds: float
    burst_deliveries: int
    burst_seconds: float
    step_seconds: float


@dataclass(slots=True)
class Figures:
    """What was measured. CPU is in milliseconds: per connection, per second of idleness, per 1,000 deliveries."""

    subscribers: int
    connects_per_second: float = 0
    connect_cpu: float = 0
    resident: float = 0
    proportional: float = 0
    idle_cpu: float = 0
    idle_database: float | None = None
    frame_bytes: int = 0
    paced_cpu: float = float("nan")
    paced_give_or_take: float = float("nan")
    paced_database: float | None = None
    paced_p50: float = float("nan")
    paced_p99: float = float("nan")
    burst_cpu: float = float("nan")
    burst_database: float | None = None
    burst_per_second: float = float("nan")
    most_per_second: float = float("nan")
    most_p50: float = float("nan")
    most_p99: float = float("nan")
    most_cpu: float = float("nan")
    stopped: str = ""
    frame: str = ""
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Window:
    """A stretch of time in which events happened and were heard."""

    verdict: Verdict
    deliveries: int
    server_cpu: float
    database_cpu: float | None
    seconds: float
    published_per_second: float
    crowd_share: float
    heard: Heard
    moments: Moments

    @property
    def per_thousand(self) -> float:
        """Milliseconds of the server's CPU per 1,000 deliveries."""
        return self.server_cpu * 1000 / max(self.deliveries, 1) * 1000

    @property
    def database_per_thousand(self) -> float | None:
        """The same of the database, for this server's statements."""
        return None if self.database_cpu is None else self.database_cpu * 1000 / max(self.deliveries, 1) * 1000

    @property
    def burst_per_second(self) -> float:
        """Deliveries per second, from the moment of a burst to its last arrival; the middle of all bursts."""
        last: dict[float, float] = {}
        count: Counter[float] = Counter()
        for which, when in zip(self.heard.which, self.heard.when, strict=True):
            moment = self.moments[which]
            last[moment] = max(when, last.get(moment, when))
            count[moment] += 1
        return median(count[moment] / (when - moment) for moment, when in last.items())


class Trial:
    """A running server, its crowd, and what makes things happen."""

    def __init__(self, running: Running, people: Remote, publisher: Publisher, subscribers: int, plan: Plan) -> None:
        self._running, self._people, self._publisher = running, people, publisher
        self._subscribers, self._plan = subscribers, plan
        self._idle_shares: list[float] = []
        self._idle_database_shares: list[float] = []
        self.figures = Figures(subscribers)

    async def warm_up(self, contestant: Contestant) -> None:
        """A few subscribers and events, so that everything is compiled that will be."""
        await self._people.ask("connect", self._running.port, contestant.wishes(WARM_SUBSCRIBERS))
        await self._quiet()
        for _ in range(WARM_EVENTS):
            await self._publisher.publish(1)
        await self._quiet()
        await self._people.ask("leave")
        await self._quiet()
        await self._people.ask("take")

    async def connect(self, contestant: Contestant) -> None:
        """Everybody comes; what that takes, and what each of them weighs."""
        before = memory_kilobytes(self._running.pid)
        cpu, began = self._cpu(), monotonic()
        seconds = await self._people.ask("connect", self._running.port, contestant.wishes(self._subscribers))
        await self._quiet()
        spent_seconds, took = self._cpu() - cpu, monotonic() - began
        after = memory_kilobytes(self._running.pid)
        self.figures.resident, self.figures.proportional = (
            (now - then) / self._subscribers for now, then in zip(after, before, strict=True)
        )
        await self._idle()
        # Those who are there already cost something while the others come: half of them, on average.
        idle_seconds = self.figures.idle_cpu / 1000 * (took - seconds / 2)
        self.figures.connects_per_second = self._subscribers / seconds
        self.figures.connect_cpu = max(spent_seconds - idle_seconds, 0) / self._subscribers * 1000

    async def _idle(self) -> None:
        """Nothing happens."""
        database, cpu, began = await backends(self._running.applications), self._cpu(), monotonic()
        await asyncio.sleep(self._plan.beat_seconds)
        seconds = monotonic() - began
        self._idle_shares.append((self._cpu() - cpu) / seconds)
        self.figures.idle_cpu = mean(self._idle_shares) * 1000
        if (database_cpu := spent(database, await backends(self._running.applications))) is not None:
            self._idle_database_shares.append(database_cpu / seconds)
            self.figures.idle_database = mean(self._idle_database_shares) * 1000

    async def first_event(self) -> None:
        """Everybody must hear one event before anything is measured."""
        window = await self._window(self._paced(1000.0, 1))
        self.figures.frame, self.figures.frame_bytes = window.heard.frame.decode(), len(window.heard.frame)
        self._note("first event", window.verdict)

    async def paced(self) -> None:
        """A steady trickle, with idleness before and after."""
        rate = PACE / self._subscribers
        events = max(ceil(rate * self._plan.paced_seconds), PACED_EVENTS_MIN)
        window = await self._window(self._paced(rate, events), self._plan.beat_seconds)
        before, database_before = self.figures.idle_cpu, self.figures.idle_database or 0
        await self._idle()
        # What the window took off was the idleness before it alone.
        window.server_cpu -= (self.figures.idle_cpu - before) / 1000 * window.seconds
        if window.database_cpu is not None:
            window.database_cpu -= ((self.figures.idle_database or 0) - database_before) / 1000 * window.seconds
        if self._note("paced", window.verdict):
            unsure = (max(self._idle_shares) - min(self._idle_shares)) / 2 * window.seconds
            self.figures.paced_give_or_take = unsure / window.deliveries * 1_000_000
            self.figures.paced_cpu, self.figures.paced_database = window.per_thousand, window.database_per_thousand
            self.figures.paced_p50 = window.verdict.percentile(50)
            self.figures.paced_p99 = window.verdict.percentile(99)

    async def bursts(self) -> None:
        """Many events at once, again and again."""
        window = await self._window(self._bursts(max(self._plan.burst_deliveries // self._subscribers, 2)))
        if self._note("bursts", window.verdict):
            self.figures.burst_cpu, self.figures.burst_database = window.per_thousand, window.database_per_thousand
            self.figures.burst_per_second = window.burst_per_second

    async def most(self) -> None:
        """The highest of some rates at which 99 of 100 deliveries are not late, looked for from where the bursts point."""
        if self.figures.paced_p99 >= LATE_MILLISECONDS:
            self.figures.stopped = "late at a trickle already"
            return
        start = max((index for index, rate in enumerate(RATES) if rate <= self.figures.burst_per_second), default=0)
        for rate in RATES[start:]:
            if (refusal := await self._try(rate)) is not None:
                self.figures.stopped = refusal
                break
        if isnan(self.figures.most_per_second):
            for rate in reversed(RATES[:start]):
                if (refusal := await self._try(rate)) is None:
                    break
                self.figures.stopped = refusal

    async def _try(self, per_second: int) -> str | None:
        """Why a rate is not borne; if it is, it is the best so far."""
        rate = per_second / self._subscribers
        events = max(ceil(rate * self._plan.step_seconds), EVENTS_MIN)
        window = await self._window(self._paced(rate, events))
        verdict, p99 = window.verdict, window.verdict.percentile(99)
        if verdict.wrong:
            return f"{per_second:,}/s: {verdict.wrong[0]}"
        if window.crowd_share > BUSY_SHARE:
            return f"{per_second:,}/s: the subscribers' own process had no time left"
        if p99 >= LATE_MILLISECONDS:
            return f"{per_second:,}/s: p99 {p99:,.0f} ms"
        if window.published_per_second < REACHED_SHARE * per_second:
            return f"{per_second:,}/s: only {window.published_per_second:,.0f}/s were published"
        self.figures.most_per_second, self.figures.most_cpu = per_second, window.per_thousand
        self.figures.most_p50, self.figures.most_p99 = verdict.percentile(50), p99
        return None

    async def _bursts(self, events: int) -> Moments:
        """So many events at once, the next when all have been heard."""
        moments: Moments = {}
        deadline, bursts, all_heard = monotonic() + self._plan.burst_seconds, 0, True
        while all_heard and (bursts < BURSTS_MIN or monotonic() < deadline):
            moments |= await self._publisher.publish(events)
            all_heard = await self._all_heard(len(moments))
            bursts += 1
        return moments

    async def _paced(self, rate: float, events: int) -> Moments:
        """So many events per second. What is due at the same time, or was late, happens together: one command may record
        several facts."""
        pause = 1 / PUBLICATIONS_PER_SECOND_MAX
        moments: Moments = {}
        began = monotonic()
        while len(moments) < events:
            await asyncio.sleep(max(began + len(moments) / rate - monotonic(), 0))
            due = int((monotonic() + pause - began) * rate) + 1 - len(moments)
            moments |= await self._publisher.publish(min(max(due, 1), events - len(moments)))
        return moments

    async def _window(self, happening: Coroutine[Any, Any, Moments], beat_seconds: float = 0) -> Window:
        """Let things happen, wait until all was heard and whole beats are over, and judge it."""
        database = await backends(self._running.applications)
        cpu, crowd_cpu, began = self._cpu(), exact_cpu_seconds(self._people.pid), monotonic()
        moments = await happening
        await self._all_heard(len(moments))
        if beat_seconds:
            await asyncio.sleep(beat_seconds - (monotonic() - began) % beat_seconds)
        seconds = monotonic() - began
        server_cpu = self._cpu() - cpu - self.figures.idle_cpu / 1000 * seconds
        database_cpu = spent(database, await backends(self._running.applications))
        if database_cpu is not None:
            database_cpu -= (self.figures.idle_database or 0) / 1000 * seconds
        crowd_share = (exact_cpu_seconds(self._people.pid) - crowd_cpu) / seconds
        heard: Heard = await self._people.ask("take")
        expected = Expectation(sorted(moments))
        verdict = judge(heard, [expected] * self._subscribers, [moments] * self._subscribers)
        # The first event begins the time in which the others happen.
        published = (len(moments) - 1) * self._subscribers / max(max(moments.values()) - min(moments.values()), 1e-6)
        return Window(
            verdict, len(heard.who), server_cpu, database_cpu, seconds, published, crowd_share, heard, moments
        )

    async def _all_heard(self, events: int) -> bool:
        """Wait until everybody has heard so many events, or nothing more arrives."""
        count, since = -1, monotonic()
        while count < events * self._subscribers and monotonic() - since < STALLED_SECONDS:
            await asyncio.sleep(0.02)
            now = await self._people.ask("count")
            count, since = (now, monotonic()) if now != count else (count, since)
        return count >= events * self._subscribers

    async def _quiet(self) -> None:
        """Until the server has little to do, or no longer less than a moment ago."""
        deadline, before = monotonic() + QUIET_SECONDS_MAX, float("inf")
        await asyncio.sleep(0.2)
        while monotonic() < deadline:
            cpu = self._cpu()
            await asyncio.sleep(QUIET_SECONDS)
            share = (self._cpu() - cpu) / QUIET_SECONDS
            if share < QUIET_SHARE or (share < BUSY_SHARE / 2 and share > 0.7 * before):
                return
            before = share

    def _cpu(self) -> float:
        return exact_cpu_seconds(self._running.pid)

    def _note(self, part: str, *verdicts: Verdict) -> bool:
        """Whether the figures of a part count."""
        wrong = [each for one in verdicts for each in one.wrong]
        if wrong:
            self.figures.wrong.append(f"{part}: {'; '.join(wrong[:3])} ({len(wrong)} in all)")
        return not wrong


async def try_out(contestant: Contestant, subscribers: int, plan: Plan) -> Figures:
    """All figures of a server with so many subscribers."""
    with contestant.running() as running, crowd() as people:
        async with contestant.publisher(running) as publisher:
            trial = Trial(running, people, publisher, subscribers, plan)
            await trial.warm_up(contestant)
            await trial.connect(contestant)
            await trial.first_event()
            if not trial.figures.wrong:
                await trial.paced()
                await trial.bursts()
                await trial.most()
            await people.ask("leave")
        return trial.figures
