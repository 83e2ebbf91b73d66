"""The CPU of the database's processes that work for an application, where they run on this machine."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

from tests.benchmarks.measuring import POSTGRES

Snapshot = dict[int, int]


async def backends(applications: Sequence[str]) -> Snapshot:
    """The database's processes that serve some applications, and the nanoseconds of CPU each has used so far."""
    if not applications:
        return {}
    try:
        connection = await asyncpg.connect(POSTGRES, timeout=3)
    except (OSError, asyncpg.PostgresError):
        return {}
    statement = "SELECT pid FROM pg_stat_activity WHERE application_name = ANY($1)"
    pids = [row[0] for row in await connection.fetch(statement, list(applications))]
    await connection.close()
    return {pid: nanoseconds for pid in pids if (nanoseconds := _nanoseconds(pid)) is not None}


def spent(before: Snapshot, after: Snapshot) -> float | None:
    """Seconds of CPU between two looks; what a process that has ended used since the first is lost. None: not to be seen."""
    if not after:
        return None
    return sum(nanoseconds - before.get(pid, 0) for pid, nanoseconds in after.items()) / 1e9


def _nanoseconds(pid: int) -> int | None:
    """Of a process with one thread that is PostgreSQL's and of this machine. Source: proc(5), schedstat."""
    try:
        if "postgres" not in Path(f"/proc/{pid}/cmdline").read_text():
            return None
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except OSError:
        return None
