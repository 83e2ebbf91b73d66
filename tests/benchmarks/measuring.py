"""What the benchmarks share: server processes, a light HTTP client, CPU from /proc, tables and JSON."""

import asyncio
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "benchmarks"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 16


def cpu_seconds(pid: int) -> float:
    """User and system CPU of a process so far. Source: proc(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    """A server process that answers on a port; its pid. It is stopped at the end."""
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            if process.poll() is not None:
                error = process.stderr.read().decode() if process.stderr else ""
                raise RuntimeError(f"{command} ended: {error[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not listen")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def request_bytes(port: int, body: dict[str, object], token: str | None = None) -> bytes:
    """One HTTP/1.1 request to /graphql, ready to be sent as it is."""
    payload = json.dumps(body).encode()
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\n{authorization}Content-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of one response."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode(errors="replace"))
    lower = head.lower()
    at = lower.index(b"content-length:") + 15
    return await reader.readexactly(int(lower[at : lower.index(b"\r\n", at)]))


async def ask(port: int, request: bytes, count: int, connections: int = CONNECTIONS) -> bytes:
    """Send a request so many times over some connections; the last answer."""
    left = count
    last = b""

    async def connection() -> None:
        nonlocal left, last
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        while left > 0:
            left -= 1
            writer.write(request)
            last = await answer(reader)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(min(connections, count))))
    return last


def cpu_per_request(pid: int, port: int, request: bytes, seconds: float) -> float:
    """Milliseconds of the server's CPU for one request, over about so many seconds."""
    asyncio.run(ask(port, request, CONNECTIONS))
    spent, done, batch = 0.0, 0, CONNECTIONS * 2
    while spent < seconds:
        before = cpu_seconds(pid)
        asyncio.run(ask(port, request, batch))
        spent += cpu_seconds(pid) - before
        done += batch
        batch = min(batch * 2, 4000)
    return spent / done * 1000


def interleaved(rounds: int, contestants: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median figure of each contestant, all of them measured in every round."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            figures[name].append(measure())
    return {name: statistics.median(values) for name, values in figures.items()}


def report(
    name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], packages: Sequence[str]
) -> None:
    """Print a table with the versions it was made with, and keep it as JSON."""
    versions = {package: version(package) for package in packages} | {"python": platform.python_version()}
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print("\n" + ", ".join(f"{package} {number}" for package, number in versions.items()))
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = {"title": title, "columns": list(columns), "rows": [list(row) for row in rows], "versions": versions}
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1, default=str) + "\n")


def is_quick() -> bool:
    """Whether a short run was asked for."""
    return "--quick" in sys.argv
