"""Where the histories play: two servers on one PostgreSQL and on a Redis of their own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.app.infrastructure.redis_server import RedisServer
from tests.faults.live import chronicle
from tests.faults.live.company import Audience, Company, found
from tests.faults.live.hearers import Hearer
from tests.faults.live.services import PostgresServer, postgres_server
from tests.journeys.worlds import ADMINISTRATOR, World
from tests.servers import Api, Process, Server


class BreakableServer(Server):
    """A server that can be broken while it runs; see ``tests.faults.live.breakable_server``."""

    program = (sys.executable, "-m", "tests.faults.live.breakable_server")


@dataclass
class Stage:
    """Two servers, a worker perhaps, and a company."""

    name: str
    world: World
    redis: RedisServer
    servers: list[Server] = field(default_factory=list)
    worker: Process | None = None
    postgres: PostgresServer | None = None
    company: Company = field(default_factory=Company)

    @property
    def urls(self) -> list[str]:
        """Where the servers are."""
        return [server.url for server in self.servers]

    @property
    def database_url(self) -> str:
        """Where the journal is."""
        return self.world.environment["TRUCKROLL_DATABASE_URL"]

    def api(self, number: int = 0) -> Api:
        """A client of one of the servers, as the administrator."""
        return Api(self.urls[number], self.company.administrator)

    async def now(self) -> str:
        """The cursor at the end of the journal."""
        async with self.api() as api:
            cursor: str = (await api.ask("{ journalCursor }"))["journalCursor"]
        return cursor

    def hearer(
        self, audience: Audience, noun: str, after: str, *, kind: type[Hearer] = Hearer, at: int | None = None,
        ids: list[str] | None = None, drops_after: int | None = None,
    ) -> Hearer:  # fmt: skip
        """Somebody who follows, at one of the servers or at both in turn."""
        urls = self.urls if at is None else [self.urls[at]]
        return kind(audience, noun, urls, after, self.world.organization_id, ids, drops_after=drops_after)

    async def complaints(self, hearers: list[Hearer], *, patience_seconds: float) -> list[str]:
        """What is wrong with what they heard; see ``chronicle.complaints``."""
        return await chronicle.complaints(
            hearers, self.database_url, self.world.organization_id, patience_seconds=patience_seconds
        )


@contextmanager
def broken(stage: Stage, how: str) -> Iterator[None]:
    """Break both servers, which are breakable ones, for as long as the block lasts."""
    fault = Path(stage.world.environment["TRUCKROLL_TEST_FAULT"])
    fault.write_text(how)
    try:
        yield
    finally:
        fault.write_text("")


@asynccontextmanager
async def with_redis(world: World) -> AsyncIterator[RedisServer]:
    """A Redis of its own for a world whose processes have not started."""
    redis = RedisServer()
    await redis.start()
    try:
        world.environment |= {"TRUCKROLL_BROADCAST_URL": redis.url, "TRUCKROLL_COST_BUDGET": "off"}
        yield redis
    finally:
        await redis.stop()


@asynccontextmanager
async def staged(world: World, redis: RedisServer, kind: type[Server], name: str) -> AsyncIterator[Stage]:
    """Two servers in a world that was set up, with a company in it: its people and customers are called after the stage."""
    servers = [kind(world.environment, world.folder / f"{name}{number}.log") for number in range(2)]
    stage = Stage(name, world, redis, servers)
    world.processes += servers
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        async with Api(stage.urls[0]) as api:
            await api.sign_in(ADMINISTRATOR)
            stage.company = await found(api, name)
        yield stage
    finally:
        for server in servers:
            server.kill()


@asynccontextmanager
async def staged_apart(folder: Path) -> AsyncIterator[Stage]:
    """The same with a worker, on a PostgreSQL and a Redis of its own, which may be restarted."""
    postgres = await asyncio.to_thread(postgres_server)
    try:
        await postgres.start()
        environment = {
            "TRUCKROLL_DATABASE_URL": postgres.url,
            "TRUCKROLL_DATA_FOLDER": str(folder / "data"),
            "TRUCKROLL_LOG_FORMAT": "json",
        }
        world = World("apart", folder, environment, servers=2, workers=1)
        await asyncio.to_thread(world.set_up)
        async with with_redis(world) as redis:
            with world.worker() as worker:
                async with staged(world, redis, Server, "apart") as stage:
                    stage.postgres, stage.worker = postgres, worker
                    yield stage
    finally:
        await postgres.clear()
