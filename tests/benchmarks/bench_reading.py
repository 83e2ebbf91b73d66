"""Reading: ours beside a stock server, the fastest of the Node world and a hand-written floor, over the same rows.

Every server is one process with ten connections to the database and gets the same load: 16 connections that ask again
as soon as they are answered. All are measured in every round, in turns; a figure is the median of the rounds. Ours checks
sign-in, permissions and visibility; the peers check nothing. PostgreSQL is measured where it is reachable, with one
database for each size; SQLite always. No figure makes this fail.

    python tests/benchmarks/bench_reading.py [--quick] [--sizes 10000,1000000] [--only list,one] [--peers ours,mercurius]

The works: list, one, due (filter and order), deep (two nested lists), plain (objects that no database answers).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.measuring import (
    cpu_seconds,
    free_port,
    has_postgres,
    keep,
    on_postgres,
    postgres_url,
    print_table,
    request_bytes,
    run,
    server,
    versions,
)
from tests.benchmarks.node import node_versions
from tests.benchmarks.reading.contestants import OURS, Contestant, contestants
from tests.benchmarks.reading.load import Figures, answer, backends_of, measure, middle
from tests.benchmarks.reading.works import WORKS, Ids, ids_in, leaves

COLUMNS = (
    "server", "server CPU, ms", "database CPU, ms", "together", "× ours", "requests/s", "p50, ms", "p99, ms", "kB",
)  # fmt: skip
PACKAGES = ("strawberry-graphql", "graphql-core", "tortoise-orm", "uvicorn", "uvloop", "asyncpg", "aiosqlite", "orjson")
WARM_SECONDS, TOUCH_SECONDS = 1.5, 0.1


def seeded(url: str, size: int | None = None) -> Ids:
    """Fill a database if a size is given; whom we ask as there, and for what."""
    return Ids(**run("tests.benchmarks.reading.rows", url, *([str(size)] if size else [])))


def measure_postgres(size: int, options: argparse.Namespace) -> dict[str, object]:
    """All figures for a size on PostgreSQL, in a database of its own."""
    name = f"{options.database}_{size}"
    url, drop = postgres_url(name), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    label = f"PostgreSQL, {size:,} work orders"
    ids = kept_ids(url) if options.keep else None
    if ids is None:
        asyncio.run(on_postgres(drop, f'CREATE DATABASE "{name}"'))
        ids = seeded(url, size)
    figures = contest(url, ids, options)
    show(label, figures)
    costs = {}
    if any(OURS.lower().startswith(word) for word in options.peers):
        told = json.dumps(asdict(ids))
        costs = run("tests.benchmarks.reading.statements", url, told, str(options.seconds / 4), ",".join(options.works))
        show_statements(label, costs)
    if not options.keep:
        asyncio.run(on_postgres(drop))
    return {"database": label, "figures": plain(figures), "statements": costs}


def kept_ids(url: str) -> Ids | None:
    """Whom we ask as in a database that an earlier run left, if there is one of today's form."""
    try:
        return seeded(url)
    except RuntimeError:
        return None


def measure_sqlite(size: int, options: argparse.Namespace) -> dict[str, object]:
    """All figures for a size on SQLite, in a file that is thrown away."""
    label = f"SQLite, {size:,} work orders"
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        figures = contest(url, seeded(url, size), options)
    show(label, figures)
    return {"database": label, "figures": plain(figures)}


def plain(figures: dict[str, dict[str, Figures]]) -> dict[str, dict[str, dict[str, float]]]:
    """Figures as JSON has them."""
    return {work: {name: asdict(one) for name, one in found.items()} for work, found in figures.items()}


def contest(url: str, ids: Ids, options: argparse.Namespace) -> dict[str, dict[str, Figures]]:
    """The figures of every contestant for every work."""
    ports = [free_port() for _ in range(12)]
    taking_part = [
        one
        for one in contestants(url, ids, ports)
        if set(one.asked) & set(options.works) and any(word in one.name.lower() for word in options.peers)
    ]
    figures: dict[str, dict[str, Figures]] = {}
    with ExitStack() as stack:
        for one in taking_part:
            one.pid = stack.enter_context(server(one.command, one.port, {"PYTHONPATH": ".", **one.environment}))
        for work in options.works:
            able = [one for one in taking_part if work in one.asked]
            require_same_work(work, able)
            for one in able:
                warm(one, asking(one, work), min(options.seconds, WARM_SECONDS))
            rounds = [
                {one.name: round_of(url, one, work, options.seconds) for one in able} for _ in range(options.rounds)
            ]
            figures[work] = {one.name: middle([each[one.name] for each in rounds]) for one in able}
    return figures


def warm(contestant: Contestant, request: bytes, seconds: float) -> None:
    """Let a server compile what it compiles, for so many seconds of its CPU: on a busy machine they take longer."""
    enough, patience = cpu_seconds(contestant.pid) + seconds, time.monotonic() + 5 * seconds
    while cpu_seconds(contestant.pid) < enough and time.monotonic() < patience:
        measure(contestant.pid, contestant.port, request, seconds / 4)


def round_of(url: str, contestant: Contestant, work: str, seconds: float) -> Figures:
    """One round, after a touch that opens what connections were closed while the others ran."""
    request = asking(contestant, work)
    backends: list[int] = []
    if not url.startswith("sqlite"):
        measure(contestant.pid, contestant.port, request, TOUCH_SECONDS)
        backends = backends_of(url, contestant.application)
    return measure(contestant.pid, contestant.port, request, seconds, backends)


def asking(contestant: Contestant, work: str) -> bytes:
    """The request for a work."""
    return request_bytes(contestant.port, contestant.asked[work], contestant.token)


def require_same_work(work: str, able: list[Contestant]) -> None:
    """All answers carry the same number of leaves and the same ids in the same order, or the contest is not one."""
    answers = {}
    for one in able:
        parsed = answer(one.port, asking(one, work))
        if parsed.get("errors"):
            raise RuntimeError(f"{one.name}, {work}: {parsed['errors']}")
        answers[one.name] = (leaves(parsed["data"]), ids_in(parsed["data"]))
    if len({str(one) for one in answers.values()}) > 1:
        raise RuntimeError(
            f"not the same work, {work}: { {name: (one[0], one[1][:4]) for name, one in answers.items()} }"
        )


def show(label: str, figures: dict[str, dict[str, Figures]]) -> None:
    """A table for each work, the cheapest first."""
    for work, found in figures.items():
        ours = next((one for name, one in found.items() if name.startswith(OURS)), None)
        rows = []
        for name, one in sorted(found.items(), key=lambda pair: total(pair[1])):
            ratio = f"{total(one) / total(ours):.2f}" if ours else ""
            database = "" if one.database is None else f"{one.database:.3f}"
            rows.append(
                [name, f"{one.server:.3f}", database, f"{total(one):.3f}", ratio, f"{one.per_second:.0f}", f"{one.p50:.1f}",
                 f"{one.p99:.1f}", f"{one.bytes / 1000:.1f}"]
            )  # fmt: skip
        print_table(f"{label}, {work}: {WORKS[work]}", COLUMNS, rows)


def total(figures: Figures) -> float:
    """CPU of server and database together."""
    return figures.server + (figures.database or 0)


def show_statements(label: str, costs: dict[str, dict[str, float]]) -> None:
    """What our statements cost beside those written by hand."""
    rows = [
        [work, *(f"{one[form]:.3f}" for form in ("ours", "rows", "json")), f"{one['ours'] / one['rows']:.2f}",
         f"{one['ours'] / one['json']:.2f}"]
        for work, one in costs.items()
    ]  # fmt: skip
    columns = ("work", "ours, ms", "by hand, rows", "by hand, JSON", "ours / rows", "ours / JSON")
    print_table(f"{label}: the database's CPU for the statements alone", columns, rows)


def parsed_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small size and short rounds: does it run at all?")
    parser.add_argument("--sizes", help="work orders on PostgreSQL, with commas; 10000,1000000 unless told")
    parser.add_argument("--sqlite-sizes", help="work orders on SQLite; 10000 unless told; 0 leaves it out")
    parser.add_argument("--only", default=",".join(WORKS), help="works, with commas")
    parser.add_argument("--peers", default="", help="only servers whose names contain one of these words, with commas")
    parser.add_argument("--seconds", type=float, help="of each round; 2 unless told")
    parser.add_argument("--rounds", type=int, help="5 unless told")
    parser.add_argument("--database", default="truckroll_bench", help="what the databases' names begin with")
    parser.add_argument("--keep", action="store_true", help="use databases that a run with this left, and leave them")
    options = parser.parse_args()
    numbers = lambda text: [int(one) for one in text.split(",") if int(one)]  # noqa: E731
    options.sizes = numbers(options.sizes or ("10000" if options.quick else "10000,1000000"))
    options.sqlite_sizes = numbers(options.sqlite_sizes or "10000")
    options.seconds = options.seconds or (0.3 if options.quick else 2.0)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.works = options.only.split(",")
    options.peers = [one.replace("ours", OURS).lower() for one in options.peers.split(",")]
    return options


def main() -> None:
    """Measure what is there."""
    options = parsed_options()
    known = versions(PACKAGES) | node_versions()
    if "node" not in known:
        print("Node or its packages cannot be had: the peers that run on it are left out.")
    results = []
    if has_postgres():
        results += [measure_postgres(size, options) for size in options.sizes]
    else:
        print("PostgreSQL is not reachable; only SQLite is measured.")
    results += [measure_sqlite(size, options) for size in options.sqlite_sizes]
    print("\n" + ", ".join(f"{package} {number}" for package, number in known.items()))
    keep("reading", {"versions": known, "results": results})


if __name__ == "__main__":
    main()
