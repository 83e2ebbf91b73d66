"""What it costs that the list read looks at who asks: the conditions on rows, and PostgreSQL's row-level security behind them.

The work is *list* of ``bench_reading.py``, 100 work orders with three nested objects each, in one process without HTTP; the
time is that of the whole operation. The variants take turns, and a figure is the time that one operation in
ten stays below, which what else the machine does disturbs least. *bare* compares the
organization of the work orders alone and nothing of what is nested; *conditions* is how the server reads; *wall* is the
same with TRUCKROLL_ROW_LEVEL_SECURITY=on. No figure makes this fail.

    python tests/benchmarks/bench_rights.py [--size 10000] [--rounds 9] [--seconds 0.7]
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit, urlunsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import asyncpg  # type: ignore[import-untyped]

from tests.benchmarks.measuring import on_postgres, postgres_url, print_table, run
from tests.benchmarks.reading.works import Ids, ours

NAME = "truckroll_bench_rights"


@contextmanager
def bare() -> Iterator[None]:
    """No conditions on what is nested."""
    from app.customers.models import Customer, Site
    from app.equipment.models import Equipment
    from app.infrastructure.conditions import everything

    known = {model: model.__dict__["visible_to"] for model in (Customer, Site, Equipment)}
    for model in known:
        model.visible_to = lambda actor: everything()  # type: ignore[method-assign,assignment]  # a benchmark may
    try:
        yield
    finally:
        for model, method in known.items():
            model.visible_to = method  # type: ignore[method-assign]  # as it was


async def compare(url: str, ids: Ids, rounds: int, seconds: float) -> dict[str, float]:
    """Milliseconds of the list read in each variant."""
    from app import database
    from app.database import wall
    from app.identity.queries import actor_of_token
    from schema.kit import Context, execute
    from schema.schema import api

    await database.connect(url)
    actor = await actor_of_token(ids.token, "127.0.0.1")
    query = ours(ids)["list"]["query"]
    texts = {name: f"{query} # {name}" for name in ("bare", "conditions", "wall")}

    async def read(name: str) -> Any:
        answer = await execute(api, texts[name], None, None, Context(actor))
        assert not answer.get("errors"), answer
        return answer

    async def timed(name: str) -> list[float]:
        wall.raise_wall(up=name == "wall")
        for _ in range(12):
            await read(name)
        spent, ends = [], time.perf_counter() + seconds
        while time.perf_counter() < ends:
            began = time.perf_counter()
            await read(name)
            spent.append((time.perf_counter() - began) * 1000)
        return spent

    with bare():
        await read("bare")  # its statement is kept from here on
    found: dict[str, list[float]] = {name: [] for name in texts}
    for _ in range(rounds):
        for name, figures in found.items():
            await (wall.build_wall if name == "wall" else wall.take_wall_down)(database.connection())
            figures.extend(await timed(name))
    await database.disconnect()
    return {name: quantiles(figures, n=10)[0] for name, figures in found.items()}


async def _give_away(url: str) -> None:
    """Make the tables another's: a superuser is not bound by policies."""
    connection = await asyncpg.connect(url)
    for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        await connection.execute(f'ALTER TABLE "{row[0]}" OWNER TO "{NAME}"')
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.7)
    options = parser.parse_args()
    drop = f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)', f'DROP ROLE IF EXISTS "{NAME}"'
    asyncio.run(on_postgres(*drop, f'CREATE ROLE "{NAME}" LOGIN', f'CREATE DATABASE "{NAME}" '))
    try:
        address = urlsplit(postgres_url(NAME))
        owner = urlunsplit(address._replace(netloc=f"{NAME}@{address.hostname}:{address.port or 5432}"))
        ids = Ids(**run("tests.benchmarks.reading.rows", postgres_url(NAME), str(options.size)))
        asyncio.run(_give_away(postgres_url(NAME)))
        figures = asyncio.run(compare(owner, ids, options.rounds, options.seconds))
    finally:
        asyncio.run(on_postgres(*drop))
    rows = [(name, f"{spent:.2f}", f"{(spent / figures['bare'] - 1) * 100:+.1f} %") for name, spent in figures.items()]
    print_table(f"The list read, {options.size:,} work orders", ("variant", "ms", "against bare"), rows)


if __name__ == "__main__":
    main()
