"""A process of its own that follows the journal and does jobs: ``python worker_process.py <database url>``."""

import asyncio
import sys

from app import database as db
from app.infrastructure import jobs
from app.infrastructure.followers import Follower, Followers
from app.infrastructure.jobs import JobContext, JobKind, Runner
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from tests.app.infrastructure.happenings import add_note

LEASE_SECONDS = 2.0


async def note(actor: Actor, entry: Entry) -> None:
    await add_note(actor, f"heard {entry.seq:04}")
    # Long enough to be killed in the middle of.
    await asyncio.sleep(0.005)


async def work(context: JobContext) -> None:
    await asyncio.sleep(0.05)
    await db.unit_of_work(lambda: add_note(context.actor, f"did {context.payload['number']:04}"))


async def main(url: str) -> None:
    jobs.LEASE_SECONDS, jobs.RENEW_SECONDS = LEASE_SECONDS, 0.5
    await db.connect(url)
    follower = Follower("test.follower", frozenset({"BellRung"}), note)
    runner = Runner(kinds={"test": JobKind("test", work, 50)}, poll_seconds=0.1)
    print("ready", flush=True)
    await asyncio.gather(Followers([follower], poll_seconds=0.05).run(), runner.run())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
