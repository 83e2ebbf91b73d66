"""Our own burst: facts of ten companies at once, heard by five hundred subscribers who asked for different things."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from tests.benchmarks.live.contestants import Running, Services, Writer, our_server, our_worker, writer
from tests.benchmarks.live.crowd import Heard, Remote, crowd
from tests.benchmarks.live.judging import Expectation, judge
from tests.benchmarks.live.processes import backends, spent
from tests.benchmarks.live.rows import Company
from tests.benchmarks.live.works import Fact, Mixed, mixed_facts, mixed_subscriptions
from tests.benchmarks.measuring import exact_cpu_seconds

FACTS_PER_SECOND = 1_000
TICKS_PER_SECOND = 20
WRITER = ("bench_live_writer",)
WARM_FACTS = 200
STALLED_SECONDS, SETTLE_SECONDS = 5.0, 2.0

Transaction = tuple[str, list[Fact]]


@dataclass(slots=True)
class MixedFigures:
    """What was measured. CPU is in milliseconds per 1,000 facts, for each who had a part in it."""

    subscribers: int
    facts: int = 0
    transactions: int = 0
    facts_per_second: float = 0
    deliveries: int = 0
    conflated: int = 0
    p50: float = float("nan")
    p99: float = float("nan")
    server: float | None = None
    worker: float | None = None
    database: float | None = None
    writer_database: float | None = None
    caught_up_seconds: float = 0
    wrong: list[str] = field(default_factory=list)

    def per_thousand(self, seconds: float | None) -> float | None:
        """Milliseconds per 1,000 facts."""
        return None if seconds is None else seconds / self.facts * 1_000_000


async def burst(services: Services, companies: Sequence[Company], seconds: float) -> MixedFigures:
    """All figures of one burst."""
    subscriptions = mixed_subscriptions(companies)
    with our_server(services) as server, our_worker(services) as worker, crowd() as people:
        async with writer(services) as one:
            await people.ask("connect", server.port, [each.wish for each in subscriptions])
            await asyncio.sleep(SETTLE_SECONDS)
            for count in (WARM_FACTS, int(FACTS_PER_SECOND * seconds)):
                transactions = mixed_facts(companies, count)
                figures = await _measured(one, people, (server, worker), companies, subscriptions, transactions)
                if figures.wrong:
                    break
            return figures


async def _measured(
    one: Writer,
    people: Remote,
    ours: tuple[Running, Running],
    companies: Sequence[Company],
    subscriptions: Sequence[Mixed],
    transactions: Sequence[Transaction],
) -> MixedFigures:
    figures = MixedFigures(len(subscriptions), sum(len(facts) for _, facts in transactions), len(transactions))
    applications = tuple(name for each in ours for name in each.applications)
    cpu = [exact_cpu_seconds(each.pid) for each in ours]
    database, for_writer = await backends(applications), await backends(WRITER)
    began = monotonic()
    written = await write_paced(one, transactions)
    wrote = monotonic()
    expected, moments = _expected(companies, subscriptions, transactions, written)
    await _all_heard(people, sum(len(each.numbers) for each in expected))
    figures.server, figures.worker = (
        figures.per_thousand(exact_cpu_seconds(each.pid) - then) for each, then in zip(ours, cpu, strict=True)
    )
    figures.database = figures.per_thousand(spent(database, await backends(applications)))
    figures.writer_database = figures.per_thousand(spent(for_writer, await backends(WRITER)))
    heard: Heard = await people.ask("take")
    verdict = judge(heard, expected, moments)
    figures.wrong, figures.deliveries = verdict.wrong, len(heard.who)
    figures.conflated = sum(len(each.numbers) for each in expected) - len(heard.who)
    figures.facts_per_second = figures.facts / (wrote - began)
    figures.caught_up_seconds = max(heard.when, default=wrote) - wrote
    figures.p50, figures.p99 = verdict.percentile(50), verdict.percentile(99)
    return figures


async def write_paced(one: Writer, transactions: Sequence[Transaction]) -> list[tuple[str, int, float]]:
    """Write at the pace of the burst, a twentieth of a second's worth at once, and at once what was late; what was written, in
    the same order."""
    done: list[tuple[str, int, float]] = []
    began, at, facts = monotonic(), 0, 0
    while at < len(transactions):
        await asyncio.sleep(max(began + facts / FACTS_PER_SECOND - monotonic(), 0))
        batch: list[Transaction] = []
        due = (monotonic() - began + 1 / TICKS_PER_SECOND) * FACTS_PER_SECOND
        while at < len(transactions) and facts < due:
            batch.append(transactions[at])
            facts += len(transactions[at][1])
            at += 1
        of_organization = defaultdict(list)
        for each in await one.write(batch):
            of_organization[each[0]].append(each)
        done += [of_organization[organization].pop(0) for organization, _ in batch]
    return done


def _expected(
    companies: Sequence[Company],
    subscriptions: Sequence[Mixed],
    transactions: Sequence[Transaction],
    written: Sequence[tuple[str, int, float]],
) -> tuple[list[Expectation], list[Mapping[int, float]]]:
    """Which facts each subscriber must hear, and when those of its company happened."""
    happened: dict[str, list[tuple[int, Fact]]] = {company.id: [] for company in companies}
    moments: dict[str, dict[int, float]] = {company.id: {} for company in companies}
    for (organization, facts), (_, last, moment) in zip(transactions, written, strict=True):
        for back in range(len(facts)):
            moments[organization][last - back] = moment
        first = last - len(facts) + 1
        happened[organization] += [(first + index, fact) for index, fact in enumerate(facts)]
    expected: list[Expectation] = []
    for each in subscriptions:
        mine = {which: fact for which, fact in happened[companies[each.company].id] if each.hears(fact)}
        rows = {which: fact[1] for which, fact in mine.items()} if each.look.conflates else None
        expected.append(Expectation(list(mine), rows))
    return expected, [moments[companies[each.company].id] for each in subscriptions]


async def _all_heard(people: Remote, expected: int) -> None:
    """Wait until everything has arrived, or nothing more does."""
    count, since = -1, monotonic()
    while count < expected and monotonic() - since < STALLED_SECONDS:
        await asyncio.sleep(0.02)
        now = await people.ask("count")
        count, since = (now, monotonic()) if now != count else (count, since)
