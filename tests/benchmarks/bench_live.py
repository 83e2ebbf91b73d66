"""Live: one event to thousands of subscribers, ours beside Strawberry with broadcaster, graphql-ws on Node and a floor.

Every server is one process; each subscriber has a socket of its own with the same subscription and gets the same event of
about 600 bytes. Ours is `truckroll serve` on PostgreSQL and Redis where they are reachable: everybody is signed in,
permissions and visibility are judged at delivery, and events are facts that another process commits. The peers are told
over HTTP what to pass on, and check nothing. Servers, database and subscribers share this machine. Times count from just
before COMMIT, or from just before the request, to the arrival at the subscriber. Every event must arrive at everybody
once and in order: where one does not, the figure is void. No figure makes this fail.

    python tests/benchmarks/bench_live.py [--quick] [--subscribers 100,1000,5000] [--peers ours,node] [--only same,mixed]

Same: everybody subscribes to the same. Mixed: 1,000 facts per second of ten companies and five hundred different
subscriptions; ours alone, with a worker that follows the journal.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from math import isnan
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.benchmarks.live import contestants
from tests.benchmarks.live.contestants import NODE, OURS, Contestant, Services
from tests.benchmarks.live.crowd import raise_file_limit
from tests.benchmarks.live.mixed import FACTS_PER_SECOND, MixedFigures, burst
from tests.benchmarks.live.rows import Company, companies_of
from tests.benchmarks.live.trial import LATE_MILLISECONDS, PACE, REACHED_SHARE, Figures, Plan, try_out
from tests.benchmarks.live.works import leaves
from tests.benchmarks.measuring import has_postgres, keep, on_postgres, postgres_url, print_table, run, versions
from tests.benchmarks.node import node_versions

REDIS = os.environ.get("TRUCKROLL_TEST_REDIS", "redis://127.0.0.1:6379/0")
PACKAGES = (
    "strawberry-graphql",
    "graphql-core",
    "broadcaster",
    "starlette",
    "uvicorn",
    "websockets",
    "uvloop",
    "orjson",
)
COMPANIES = 10
FILES_TO_SPARE = 200
COLUMNS = (
    "server", "connects/s", "CPU each, ms", "kB each, PSS", "RSS", "idle CPU, ms/s", "database", "CPU per 1,000, paced", "±", "database",
    "p50, ms", "p99, ms", "CPU per 1,000, bursts", "database", "deliveries/s in bursts",
    f"most/s with p99 < {LATE_MILLISECONDS} ms", "CPU per 1,000 then", "p99 then", "bytes",
)  # fmt: skip
MIXED_COLUMNS = (
    "subscribers", "facts/s", "transactions", "deliveries", "conflated", "p50, ms", "p99, ms", "caught up after, s",
    "CPU per 1,000 facts: server", "worker", "database for both", "database for the writer", "server CPU per 1,000 deliveries",
)  # fmt: skip


def has_redis() -> bool:
    """Whether the server is there."""

    async def ask() -> None:
        async with Redis.from_url(REDIS, socket_connect_timeout=2) as client:
            await client.ping()

    try:
        asyncio.run(ask())
    except (RedisError, OSError):
        return False
    return True


@contextmanager
def services(options: argparse.Namespace) -> Iterator[tuple[Services, list[Company]]]:
    """A database of our own, filled, on the best there is; it is thrown away at the end."""
    broadcast_url = REDIS if has_redis() else "memory://"
    if broadcast_url != REDIS:
        print("Redis is not reachable: our server looks for facts once a second, and its times say no more than that.")
    counts = str(max(options.subscribers)), str(COMPANIES)
    with tempfile.TemporaryDirectory() as folder:
        if not has_postgres():
            print("PostgreSQL is not reachable: ours stands on SQLite.")
            url = f"sqlite:///{folder}/bench.db"
            yield Services(url, broadcast_url), companies_of(run("tests.benchmarks.live.rows", url, *counts))
            return
        url, drop = postgres_url(options.database), f'DROP DATABASE IF EXISTS "{options.database}" WITH (FORCE)'
        asyncio.run(on_postgres(drop, f'CREATE DATABASE "{options.database}"'))
        try:
            yield Services(url, broadcast_url), companies_of(run("tests.benchmarks.live.rows", url, *counts))
        finally:
            asyncio.run(on_postgres(drop))


def contest(taking_part: Sequence[Contestant], subscribers: int, plan: Plan) -> dict[str, Figures]:
    """The figures of every contestant with so many subscribers."""
    figures: dict[str, Figures] = {}
    for one in taking_part:
        try:
            figures[one.name] = asyncio.run(try_out(one, subscribers, plan))
        except (RuntimeError, OSError) as error:
            print(f"{one.name} with {subscribers:,} subscribers: {error}")
    require_same_work(figures)
    return figures


def require_same_work(figures: dict[str, Figures]) -> None:
    """All events carry the same leaves, or the contest is not one."""
    found = {name: leaves(json.loads(one.frame)["payload"]["data"]) for name, one in figures.items() if one.frame}
    if len({str(one) for one in found.values()}) > 1:
        raise RuntimeError(f"not the same work: {found}")


def show(subscribers: int, figures: dict[str, Figures]) -> None:
    """A table, the cheapest first, and what is void."""
    rows = [
        [name, f"{one.connects_per_second:.0f}", f"{one.connect_cpu:.2f}", f"{one.proportional:.1f}", f"{one.resident:.1f}",
         f"{one.idle_cpu:.1f}", number(one.idle_database), number(one.paced_cpu), number(one.paced_give_or_take), number(one.paced_database),
         number(one.paced_p50), number(one.paced_p99), number(one.burst_cpu), number(one.burst_database), number(one.burst_per_second, 0),
         number(one.most_per_second, 0), number(one.most_cpu), number(one.most_p99), one.frame_bytes]
        for name, one in sorted(figures.items(), key=lambda pair: (isnan(pair[1].paced_cpu), pair[1].paced_cpu))
    ]  # fmt: skip
    print_table(f"{subscribers:,} subscribers to the same, paced at {PACE} deliveries/s", COLUMNS, rows)
    for name, one in figures.items():
        if one.stopped:
            print(f"\nNo more: {name}, {one.stopped}")
        for wrong in one.wrong:
            print(f"\nVoid: {name}, {wrong}")


def show_targets(results: dict[int, dict[str, Figures]], mixed: MixedFigures | None) -> None:
    """What ours is to reach, beside what it does."""
    rows = []
    for subscribers, figures in results.items():
        if (ours := figures.get(OURS)) is None:
            continue
        rows += [
            [subscribers, "CPU per 1,000 deliveries, paced", "≤ 15 ms", number(ours.paced_cpu)],
            [subscribers, "CPU per 1,000 deliveries, bursts", "≤ 15 ms", number(ours.burst_cpu)],
            [subscribers, "memory per idle subscriber (PSS)", "≤ 32 kB", number(ours.proportional)],
            [subscribers, f"deliveries/s with p99 < {LATE_MILLISECONDS} ms", "20,000", number(ours.most_per_second, 0)],
        ]
        if (node := figures.get(NODE)) is not None:
            rows += [
                [
                    subscribers,
                    "CPU of graphql-ws on Node ÷ ours, paced",
                    "≥ 10",
                    number(node.paced_cpu / ours.paced_cpu),
                ],
                [subscribers, "the same, bursts", "≥ 10", number(node.burst_cpu / ours.burst_cpu)],
            ]
    if mixed is not None:
        rows.append(
            [
                mixed.subscribers,
                f"p99 of the mixed burst, {FACTS_PER_SECOND:,} facts/s",
                "< 1,000 ms",
                number(mixed.p99),
            ]
        )
    print_table("Targets", ("subscribers", "of", "target", "figure"), rows)


def show_mixed(one: MixedFigures) -> None:
    """The table of the mixed burst."""
    cells = [
        one.subscribers, number(one.facts_per_second, 0), one.transactions, one.deliveries, one.conflated, number(one.p50),
        number(one.p99), number(one.caught_up_seconds), number(one.server), number(one.worker), number(one.database),
        number(one.writer_database), number((one.server or 0) * one.facts / max(one.deliveries, 1)),
    ]  # fmt: skip
    print_table(f"Mixed: {FACTS_PER_SECOND:,} facts per second of {COMPANIES} companies", MIXED_COLUMNS, [cells])
    if one.facts_per_second < REACHED_SHARE * FACTS_PER_SECOND:
        print("\nThe pace was not reached: what wrote the facts had no time left, or the database none for it.")
    for wrong in one.wrong[:5]:
        print(f"\nVoid: {wrong} ({len(one.wrong)} in all)")


def number(value: float | None, digits: int = 1) -> str:
    """A figure for people; nothing where there is none."""
    return "–" if value is None or isnan(value) else f"{value:,.{digits}f}"


def parsed_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few subscribers and short parts: does it run at all?")
    parser.add_argument("--subscribers", help="how many, with commas; 100,1000,5000 unless told")
    parser.add_argument("--only", default="same,mixed", help="same, mixed or both, with commas")
    parser.add_argument("--peers", default="", help="only servers whose names contain one of these words, with commas")
    parser.add_argument("--seconds", type=float, help="of the paced part; 20 unless told")
    parser.add_argument("--database", default="truckroll_bench_live", help="the database's name")
    options = parser.parse_args()
    asked = options.subscribers or ("100,500" if options.quick else "100,1000,5000")
    options.subscribers = [int(one) for one in asked.split(",")]
    options.seconds = options.seconds or (3.0 if options.quick else 20.0)
    options.peers = [one.replace("ours", OURS).lower() for one in options.peers.split(",")]
    return options


def main() -> None:
    """Measure what is there."""
    options = parsed_options()
    files = raise_file_limit()
    if (most := files - FILES_TO_SPARE) < max(options.subscribers):
        print(f"Only {files:,} files may be open here: at most {most:,} subscribers.")
        options.subscribers = [min(one, most) for one in options.subscribers]
    known = versions(PACKAGES) | node_versions()
    plan = Plan(
        beat_seconds=3 if options.quick else 20,
        paced_seconds=options.seconds,
        burst_deliveries=4_000 if options.quick else 20_000,
        burst_seconds=2 if options.quick else 8,
        step_seconds=1.5 if options.quick else 4,
    )
    results: dict[int, dict[str, Figures]] = {}
    mixed: MixedFigures | None = None
    with services(options) as (ours, companies):
        everybody = [contestants.ours(ours, companies[0]), *contestants.peers()]
        taking_part = [one for one in everybody if any(word in one.name.lower() for word in options.peers)]
        if "same" in options.only:
            for subscribers in options.subscribers:
                results[subscribers] = contest(taking_part, subscribers, plan)
                show(subscribers, results[subscribers])
        if "mixed" in options.only and everybody[0] in taking_part:
            mixed = asyncio.run(burst(ours, companies[1:], 4 if options.quick else 20))
            show_mixed(mixed)
    show_targets(results, mixed)
    print("\n" + ", ".join(f"{package} {version}" for package, version in known.items()))
    plain = {count: {name: asdict(one) for name, one in figures.items()} for count, figures in results.items()}
    keep("live", {"versions": known, "same": plain, "mixed": asdict(mixed) if mixed else None})


if __name__ == "__main__":
    main()
