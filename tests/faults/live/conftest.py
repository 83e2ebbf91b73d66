"""One database and one Redis for all tests here that restart neither: with servers that are whole, and with breakable ones."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.app.infrastructure.redis_server import RedisServer
from tests.faults.live.stage import BreakableServer, Stage, staged, with_redis
from tests.journeys.worlds import World, large_world
from tests.servers import Server


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A company on PostgreSQL."""
    with large_world(tmp_path_factory.mktemp("live")) as made:
        made.environment["TRUCKROLL_TEST_FAULT"] = str(made.folder / "fault")
        (made.folder / "fault").write_text("")
        yield made.set_up()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_redis(shared_world: World) -> AsyncIterator[RedisServer]:
    """Its Redis."""
    async with with_redis(shared_world) as redis:
        yield redis


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(shared_world: World, shared_redis: RedisServer) -> AsyncIterator[Stage]:
    """Two servers as they are."""
    async with staged(shared_world, shared_redis, Server, "whole") as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def breakable(shared_world: World, shared_redis: RedisServer) -> AsyncIterator[Stage]:
    """Two servers that can be broken."""
    async with staged(shared_world, shared_redis, BreakableServer, "breakable") as made:
        yield made
