"""Worlds for journeys and fault tests: an empty database, a broadcast, and the settings that name them.

``small`` is one process on SQLite. ``large`` is PostgreSQL and Redis; it is skipped where they are not reachable, unless
TRUCKROLL_REQUIRE_SERVICES=1 says that they must be.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.servers import PASSWORD, Process, Server, run_truckroll

POSTGRES = os.environ.get("TRUCKROLL_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("TRUCKROLL_TEST_REDIS", "redis://127.0.0.1:6379/9")
ADMINISTRATOR = "ada@example.com"
CONNECT_SECONDS = 3


@dataclass
class World:
    """Where servers and workers meet."""

    name: str
    folder: Path
    environment: dict[str, str]
    servers: int = 1
    workers: int = 0
    organization_id: str = ""
    processes: list[Process] = field(default_factory=list)

    def cli(self, *arguments: str, check: bool = True):
        """Run ``truckroll`` here."""
        return run_truckroll(*arguments, environment=self.environment, check=check)

    def set_up(self) -> "World":
        """Migrate, and make a company with an administrator."""
        self.cli("migrate")
        said = self.cli(
            "setup", "--name", "Acme Field Service", "--time-zone", "America/New_York", "--currency", "USD", "--country", "US",
            "--email", ADMINISTRATOR, "--legal-name", "Ada Admin", "--password", PASSWORD,
        )  # fmt: skip
        self.organization_id = next(word.rstrip(".") for word in said.stdout.split() if word.startswith("org_"))
        return self

    def server(self) -> Server:
        """A server that is not started yet."""
        made = Server(self.environment, self.folder / f"server{len(self.processes)}.log")
        self.processes.append(made)
        return made

    def worker(self) -> Process:
        """A worker that is not started yet."""
        made = Process("worker", self.environment, self.folder / f"worker{len(self.processes)}.log")
        self.processes.append(made)
        return made

    def logs(self) -> str:
        """What all processes said."""
        return "\n".join(one.log.read_text() for one in self.processes if one.log.exists())


@contextmanager
def small_world(folder: Path) -> Iterator[World]:
    """One process, embedded."""
    environment = {
        "TRUCKROLL_DATABASE_URL": f"sqlite:///{folder}/journey.db",
        "TRUCKROLL_DATA_FOLDER": str(folder / "data"),
        "TRUCKROLL_LOG_FORMAT": "json",
    }
    yield from _lived(World("small", folder, environment))


@contextmanager
def large_world(folder: Path) -> Iterator[World]:
    """Two servers and a worker, on PostgreSQL and Redis."""
    require_services()
    name = f"truckroll_journey_{secrets.token_hex(4)}"
    asyncio.run(_administer(f'CREATE DATABASE "{name}"'))
    environment = {
        "TRUCKROLL_DATABASE_URL": urlsplit(POSTGRES)._replace(path=f"/{name}").geturl(),
        "TRUCKROLL_BROADCAST_URL": REDIS,
        "TRUCKROLL_DATA_FOLDER": str(folder / "data"),
        "TRUCKROLL_LOG_FORMAT": "json",
        "TRUCKROLL_DATABASE_POOL_MAX": "5",
    }
    try:
        yield from _lived(World("large", folder, environment, servers=2, workers=1))
    finally:
        asyncio.run(_administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def _lived(world: World) -> Iterator[World]:
    try:
        yield world
    finally:
        for process in world.processes:
            process.kill()


def require_services() -> None:
    """Skip the test where PostgreSQL or Redis does not let us in, or fail where they must."""
    missing = asyncio.run(_missing())
    if not missing:
        return
    if os.environ.get("TRUCKROLL_REQUIRE_SERVICES") == "1":
        pytest.fail(f"not reachable: {', '.join(missing)}")
    pytest.skip(f"not reachable: {', '.join(missing)}")


async def _missing() -> list[str]:
    missing = []
    try:
        await (await asyncpg.connect(POSTGRES, timeout=CONNECT_SECONDS)).close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        missing.append(f"PostgreSQL ({error})")
    client = Redis.from_url(REDIS, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS)
    try:
        await client.ping()
    except (OSError, TimeoutError, RedisError) as error:
        missing.append(f"Redis ({error})")
    finally:
        await client.aclose()
    return missing


async def _administer(statement: str) -> None:
    connection = await asyncpg.connect(POSTGRES)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
