"""A load of requests on a few connections, and what it cost: the server's CPU, the database's, and the clients' time."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import asyncpg
import uvloop

from tests.benchmarks.measuring import CONNECTIONS, cpu_seconds


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round measured. CPU is in milliseconds per request; ``database`` is None where it cannot be seen."""

    server: float
    database: float | None
    per_second: float
    p50: float
    p99: float
    bytes: int


def middle(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure."""
    columns = zip(*([getattr(one, name) for name in Figures.__slots__] for one in rounds), strict=True)
    return Figures(*(None if None in column else median(column) for column in columns))  # type: ignore[arg-type]


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it was answered, until a moment."""

    def __init__(self, request: bytes, until: float, times: list[float]) -> None:
        self._request, self._until, self._times = request, until, times
        self._received = bytearray()
        self._end = -1
        self.body = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._received.clear()
        self._end = -1
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._end < 0:
            self._end = self._find_end()
        if 0 <= self._end <= len(self._received):
            now = time.perf_counter()
            self._times.append(now - self._asked)
            if now < self._until:
                self._ask()
                return
            self.body = bytes(self._received).partition(b"\r\n\r\n")[2]
            self._transport.close()

    def _find_end(self) -> int:
        """Where the response ends, or -1 while its head is not there yet."""
        head, found, _ = bytes(self._received).partition(b"\r\n\r\n")
        if not found:
            return -1
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(bytes(self._received).decode(errors="replace"))
        lower = head.lower()
        if (at := lower.find(b"content-length:")) < 0:
            raise RuntimeError(f"an answer without its length: {head!r}")
        return len(head) + 4 + int(lower[at + 15 :].partition(b"\r\n")[0])

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            if self.body:
                self.done.set_result(None)
            else:
                self.done.set_exception(error or RuntimeError(f"hung up: {bytes(self._received)!r}"))


async def load(port: int, request: bytes, seconds: float, connections: int = CONNECTIONS) -> tuple[list[float], Caller]:
    """The time of every request, in seconds, and one of the callers at the end."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    until = time.perf_counter() + seconds
    callers = [
        (await loop.create_connection(lambda: Caller(request, until, times), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(one.done for one in callers))
    return times, callers[0]


def answer(port: int, request: bytes) -> Any:
    """The parsed answer to one request."""
    _, caller = uvloop.run(load(port, request, 0, 1))
    return json.loads(caller.body)


def measure(pid: int, port: int, request: bytes, seconds: float, backends: Sequence[int] = ()) -> Figures:
    """One round of load. ``backends`` are the database's processes that work for this server alone."""
    server, database, began = cpu_seconds(pid), backend_seconds(backends), time.perf_counter()
    times, caller = uvloop.run(load(port, request, seconds))
    took, count = time.perf_counter() - began, len(times)
    spent = backend_seconds(backends)
    cuts = quantiles(times, n=100)
    return Figures(
        server=(cpu_seconds(pid) - server) / count * 1000,
        database=None if spent is None or database is None else (spent - database) / count * 1000,
        per_second=count / took,
        p50=cuts[49] * 1000,
        p99=cuts[98] * 1000,
        bytes=len(caller.body),
    )


def backend_seconds(pids: Sequence[int]) -> float | None:
    """CPU of single-threaded processes of this machine, to the nanosecond; None where there are none to be seen."""
    try:
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9 if pids else None
    except OSError:
        return None


def backends_of(url: str, application: str) -> list[int]:
    """The processes of the database that serve an application's connections, if they run on this machine."""

    async def find() -> list[int]:
        connection = await asyncpg.connect(url)
        rows = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = $1", application)
        await connection.close()
        return [row[0] for row in rows]

    pids = uvloop.run(find())
    return pids if all("postgres" in _command(pid) for pid in pids) else []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
