"""A process that writes so many facts a second about one work order, for so many seconds.

``python -m tests.faults.live.flood DATABASE_URL BROADCAST_URL ORGANIZATION_ID WORK_ORDER_ID FACTS_PER_SECOND SECONDS``
"""

import asyncio
import sys
import time

from app import database as db
from app.infrastructure import broadcast, journal
from app.kernel.actor import Actor, ActorKind
from app.work_orders.events import WorkOrderUpdated

TURN_SECONDS = 0.05


async def flood(organization_id: str, work_order_id: str, per_second: int, seconds: int) -> None:
    """Write them in small commands, one after the other."""
    actor = Actor(organization_id, ActorKind.SYSTEM, "system")
    fact = WorkOrderUpdated(subject_id=work_order_id, changes={"summary": ["before", "after"]})
    began, written = time.monotonic(), 0

    async def write() -> int:
        recorder = journal.Recorder(actor, "flood")
        recorder.facts += [fact] * due
        return await journal.write(recorder)

    while written < per_second * seconds:
        due = min(int((time.monotonic() - began) * per_second), per_second * seconds) - written
        if due > 0:
            await db.unit_of_work(write)
            broadcast.wake(organization_id)
            written += due
        await asyncio.sleep(TURN_SECONDS)


async def main(database_url: str, broadcast_url: str, organization_id: str, id: str, rate: str, seconds: str) -> None:
    """Connect, write and leave."""
    await db.connect(database_url)
    await broadcast.start(broadcast_url)
    try:
        await flood(organization_id, id, int(rate), int(seconds))
    finally:
        await broadcast.stop()
        await db.disconnect()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
