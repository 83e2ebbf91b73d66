"""A process that writes facts as the commands of a server process do: in transactions, through the journal, with a hint.

Each line it reads is a list of transactions, ``[organization, [[fact, subject, customer, technicians, more], …]]``; for each
line it prints ``[[organization, number of the last fact, moment], …]``. The transactions of one organization are made in
their order, those of several at the same time. The moment is just before COMMIT is sent, by the clock that all processes
of a machine share, so the commit counts as part of the way to the subscriber.

Usage: python -m tests.benchmarks.live.writer DATABASE_URL BROADCAST_URL
"""

import asyncio
import json
import sys
from time import monotonic
from typing import Any

import uvloop

from app import database
from app.infrastructure import broadcast, journal
from app.kernel.actor import system_actor
from app.kernel.events import FACTS
from app.scheduling import events as scheduling_events
from app.technicians import events as technicians_events
from app.work_orders import events as work_orders_events

# The facts of these rooms are known once their modules are imported.
ROOMS = (scheduling_events, technicians_events, work_orders_events)
COMMAND = "bench"
LINE_BYTES_MAX = 64 * 1024 * 1024

Transaction = tuple[str, list[list[Any]]]


async def write(organization_id: str, told: list[list[Any]]) -> tuple[str, int, float]:
    """One transaction: the organization, the number of its last fact, and the moment before it was committed."""
    facts = [
        FACTS[name](subject_id=subject, customer_id=customer, technician_ids=tuple(technicians), **more)
        for name, subject, customer, technicians, more in told
    ]

    async def work() -> tuple[int, float]:
        recorder = journal.Recorder(system_actor(organization_id), COMMAND, facts)
        return await journal.write(recorder), monotonic()

    last, moment = await database.unit_of_work(work)
    broadcast.wake(organization_id)
    return organization_id, last, moment


async def write_all(transactions: list[Transaction]) -> list[tuple[str, int, float]]:
    """All transactions of a line."""
    of_organization: dict[str, list[Transaction]] = {}
    for one in transactions:
        of_organization.setdefault(one[0], []).append(one)

    async def in_turn(mine: list[Transaction]) -> list[tuple[str, int, float]]:
        return [await write(*one) for one in mine]

    return [one for done in await asyncio.gather(*map(in_turn, of_organization.values())) for one in done]


async def main(url: str, broadcast_url: str) -> None:
    """Serve lines until somebody ends the process."""
    await database.connect(url, pool_max=12)
    await broadcast.start(broadcast_url)
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while line := await reader.readline():
        print(json.dumps(await write_all(json.loads(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
