"""Texts in common: found by other processes, a bounded number of them, and missing without harm."""

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from app.infrastructure import texts
from tests.app.infrastructure.redis_server import RedisServer


@pytest_asyncio.fixture(loop_scope="session")
async def key(redis_url: str) -> AsyncIterator[str]:
    key = f"{{test-{secrets.token_hex(4)}}}"
    await texts.start(redis_url, key=key)
    try:
        yield key
    finally:
        client = Redis.from_url(redis_url)
        await client.delete(key, f"{key}:used")
        await client.aclose()
        await texts.stop()


async def test_a_text_is_there_for_other_processes_for_a_while(key: str, redis_url: str) -> None:
    await texts.keep("a", "{ größe }")
    await texts.start(redis_url, key=key)  # as another process would
    assert await texts.find("a") == "{ größe }"
    assert await texts.find("b") is None
    client = Redis.from_url(redis_url)
    assert 0 < await client.ttl(key) <= texts.KEPT_SECONDS
    assert 0 < await client.ttl(f"{key}:used") <= texts.KEPT_SECONDS
    await client.aclose()


async def test_no_more_than_so_many_are_kept_and_none_that_is_long(
    key: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "TEXTS_MAX", 3)
    await texts.keep("long", "x" * (texts.LENGTH_MAX + 1))
    for name in "abcde":
        await texts.keep(name, name * 3)
    client = Redis.from_url(redis_url)
    assert await client.hlen(key) == await client.zcard(f"{key}:used") == 3
    await client.aclose()
    assert await texts.find("long") is None


async def test_nothing_is_shared_in_memory() -> None:
    await texts.start("memory://")
    await texts.keep("a", "text")
    assert await texts.find("a") is None


async def test_a_redis_that_is_away_finds_nothing_and_fails_nothing(redis_server: RedisServer) -> None:
    await texts.start(redis_server.url)
    await texts.keep("a", "text")
    assert await texts.find("a") == "text"
    await redis_server.stop()
    assert await texts.find("a") is None
    await texts.keep("b", "text")
    await texts.stop()
