"""A worker that does nothing but parts of large days: ``python -m tests.app.scheduling.part_worker DATABASE_URL``.

It writes a line when it is ready, and the job's id when it begins one; told ``hang``, it never gets further.
"""

import asyncio
import sys

from app import database
from app.infrastructure import jobs
from app.scheduling import reactions


async def work(url: str, hangs: bool) -> None:
    await database.connect(url)
    print("ready", flush=True)
    kind = jobs.KINDS[reactions.parts.JOB]

    async def solve(context: jobs.JobContext) -> object:
        print(context.id, flush=True)
        return await (asyncio.Event().wait() if hangs else kind.function(context))

    doing = jobs.JobKind(kind.name, solve, kind.tries, apart=True)  # type: ignore[arg-type]
    await jobs.Runner(1, kinds={kind.name: doing}, poll_seconds=0.05).run()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], "hang" in sys.argv))
