"""What the benchmarks share: server processes and databases, CPU and memory of processes, tables and JSON."""

import asyncio
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "benchmarks"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 16
POSTGRES = os.environ.get("TRUCKROLL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


def cpu_seconds(pid: int) -> float:
    """User and system CPU of a process so far. Source: proc(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def exact_cpu_seconds(pid: int) -> float:
    """As ``cpu_seconds``, to the nanosecond, threads that have ended included. Source: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def memory_kilobytes(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and its proportional share of it (RSS, PSS), in 1,000 bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {line.split()[0]: int(line.split()[1]) * 1.024 for line in lines[1:]}
    return found["Rss:"], found["Pss:"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    """A server process that answers on a port; its pid. It is stopped at the end."""
    said = tempfile.TemporaryFile()  # noqa: SIM115  # a pipe that nobody reads would stop a server that says much
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=said
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            if process.poll() is not None:
                said.seek(0)
                raise RuntimeError(f"{command} ended: {said.read().decode()[-2000:]}")
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
        said.close()


def run(module: str, *arguments: str) -> Any:
    """What a module of the benchmark prints as JSON, in a process of its own: a process speaks one dialect."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def postgres_url(name: str) -> str:
    """The address of a database of that name."""
    return POSTGRES.rpartition("/")[0].replace("postgres://", "postgresql://") + f"/{name}"


def has_postgres() -> bool:
    """Whether the server is there."""
    try:
        asyncio.run(on_postgres())
    except (OSError, asyncpg.PostgresError):
        return False
    return True


async def on_postgres(*statements: str) -> None:
    """Run statements outside of the benchmark's databases."""
    connection = await asyncpg.connect(POSTGRES, timeout=3)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def request_bytes(port: int, body: dict[str, object], token: str | None = None) -> bytes:
    """One HTTP/1.1 request to /graphql, ready to be sent as it is."""
    payload = json.dumps(body).encode()
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\n{authorization}Content-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people, as Markdown."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of Python and some packages."""
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def keep(name: str, results: object) -> None:
    """Leave results as JSON where `make bench` leaves them."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1, default=str) + "\n")
