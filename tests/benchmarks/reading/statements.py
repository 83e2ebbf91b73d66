"""What our statements cost PostgreSQL beside those written by hand for the same work.

Run as a module in a process of its own: ``python -m tests.benchmarks.reading.statements URL IDS SECONDS WORKS``, where
IDS is the JSON that ``rows`` prints. Prints, for each work, milliseconds of the backend's CPU for ours, for plain rows and for JSON.
"""

import asyncio
import json
import sys
import time
from statistics import median
from typing import Any

import asyncpg

from tests.benchmarks.peers.floor import PAGES, json_sql, rows_sql
from tests.benchmarks.reading import works
from tests.benchmarks.reading.load import backend_seconds
from tests.benchmarks.reading.works import Ids

ROUNDS = 7
Statement = tuple[str, list[Any]]


async def ours(url: str, ids: Ids, names: list[str]) -> dict[str, list[Statement]]:
    """The statements that our reader runs for each work, with their values."""
    from app import database
    from app.identity.queries import actor_of_token
    from schema.kit import Context, execute
    from schema.schema import api

    kept: list[Statement] = []
    read = database.read_rows

    async def keep(sql: str, params: Any = ()) -> Any:
        kept.append((sql, list(params)))
        return await read(sql, params)

    await database.connect(url)
    actor = await actor_of_token(ids.token, "127.0.0.1")
    database.read_rows = keep
    found: dict[str, list[Statement]] = {}
    for name, body in works.ours(ids).items():
        if name in PAGES and name in names:
            kept.clear()
            await execute(api, body["query"], body.get("variables"), None, Context(actor))
            found[name] = list(kept)
    await database.disconnect()
    return found


async def cost(connection: Any, statements: list[Statement], seconds: float) -> float:
    """Milliseconds of CPU of the connection's backend for all of some statements; by the clock where CPU is not seen."""
    prepared = [(await connection.prepare(sql), values) for sql, values in statements]
    for _ in range(10):  # PostgreSQL decides on a plan for all values after five
        for statement, values in prepared:
            await statement.fetch(*values)
    pid = connection.get_server_pid()
    before, began, count = backend_seconds([pid]), time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for statement, values in prepared:
            await statement.fetch(*values)
        count += 1
    after = backend_seconds([pid])
    spent = time.perf_counter() - began if before is None or after is None else after - before
    return spent / count * 1000


async def main(url: str, ids: Ids, seconds: float, names: list[str]) -> dict[str, dict[str, float]]:
    """The median cost of each work's statements, taken in turns."""
    mine = await ours(url, ids, names)
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    result = {}
    for name, statements in mine.items():
        values = [ids.organization, ids.one] if name == "one" else [ids.organization]
        forms = {
            "ours": statements,
            "rows": [(rows_sql(name), values)],
            "json": [(json_sql(name, sqlite=False), values)],
        }
        rounds = [{form: await cost(connection, one, seconds) for form, one in forms.items()} for _ in range(ROUNDS)]
        result[name] = {form: median(one[form] for one in rounds) for form in forms}
    await connection.close()
    return result


if __name__ == "__main__":
    url, told, seconds, names = sys.argv[1:]
    print(json.dumps(asyncio.run(main(url, Ids(**json.loads(told)), float(seconds), names.split(",")))))
