"""A worker that makes plans and is there to be killed: ``python -m tests.app.scheduling.plan_worker DATABASE_URL``."""

import asyncio
import sys

from app import database
from app.infrastructure import jobs
from app.scheduling import reactions

LEASE_SECONDS = 2.0


async def work(url: str) -> None:
    jobs.LEASE_SECONDS, jobs.RENEW_SECONDS = LEASE_SECONDS, 0.5
    await database.connect(url)
    print("ready", flush=True)
    await jobs.Runner(1, kinds={reactions.JOB: jobs.KINDS[reactions.JOB]}, poll_seconds=0.05).run()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
