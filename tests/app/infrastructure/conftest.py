"""A database, two organizations, and a quiet bus between the tests of the machines."""

import logging
import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.infrastructure import broadcast
from app.kernel.actor import Actor, system_actor
from tests.app.infrastructure.redis_server import RedisServer
from tests.databases import database, postgres_database, postgres_schema, sqlite_database, sqlite_schema

__all__ = ["database", "postgres_database", "postgres_schema", "sqlite_database", "sqlite_schema"]

REDIS = os.environ.get("TRUCKROLL_TEST_REDIS", "redis://127.0.0.1:6379/13")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Failures on purpose are not worth a traceback each."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def actor() -> Actor:
    return system_actor("org_ours")


@pytest.fixture
def stranger() -> Actor:
    return system_actor("org_theirs")


@pytest_asyncio.fixture(loop_scope="session")
async def bus() -> AsyncIterator[None]:
    await broadcast.start("memory://", channel="test")
    try:
        yield
    finally:
        await broadcast.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def redis_url() -> str:
    client = Redis.from_url(REDIS, socket_connect_timeout=2)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        if os.environ.get("TRUCKROLL_REQUIRE_SERVICES") == "1":
            pytest.fail(f"no Redis for tests: {error}")
        pytest.skip(f"no Redis for tests: {error}")
    finally:
        await client.aclose()
    return REDIS


@pytest_asyncio.fixture(loop_scope="session")
async def redis_server() -> AsyncIterator[RedisServer]:
    server = RedisServer()
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
