"""So many tries within so many seconds, over a moving window, in memory and in Redis alike."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.infrastructure import limits
from app.infrastructure.limits import MemoryCounter, RedisCounter
from app.kernel.errors import RateLimited
from tests.app.infrastructure.redis_server import RedisServer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture(loop_scope="session")
async def counter(redis_url: str) -> AsyncIterator[RedisCounter]:
    counter = RedisCounter(redis_url, prefix=f"test-{secrets.token_hex(4)}:")
    try:
        yield counter
    finally:
        await counter.close()


async def test_counts_over_a_moving_window() -> None:
    clock = Clock()
    counter = MemoryCounter(clock=clock)
    assert await counter.hit("k", 2, 10) == 0
    clock.now += 4
    assert await counter.hit("k", 2, 10) == 0
    clock.now += 1
    assert await counter.hit("k", 2, 10) == 5
    assert await counter.hit("other", 2, 10) == 0
    clock.now += 5
    # The first try has left the window, the second has not; refused ones were not counted.
    assert await counter.hit("k", 2, 10) == 0
    assert await counter.hit("k", 2, 10) == 4


async def test_forgets_the_keys_that_were_not_used_for_longest() -> None:
    counter = MemoryCounter(keys_max=3, clock=Clock())
    for key in ("a", "b", "c", "a", "d"):
        await counter.hit(key, 5, 10)
    assert len(counter) == 3
    assert await counter.hit("a", 2, 10) > 0
    assert await counter.hit("b", 1, 10) == 0


async def test_nothing_at_all_may_be_the_limit() -> None:
    assert await MemoryCounter().hit("k", 0, 10) == 10


async def test_raises_with_the_seconds_to_wait() -> None:
    await limits.start("memory://")
    for _ in range(3):
        await limits.hit("sign in: ada", 3, 60)
    with pytest.raises(RateLimited) as refusal:
        await limits.hit("sign in: ada", 3, 60)
    assert refusal.value.data() == {"retryAfterSeconds": 60}
    await limits.hit("sign in: bob", 3, 60)
    await limits.stop()
    await limits.hit("sign in: ada", 3, 60)
    await limits.stop()


async def test_counts_for_all_processes_together(counter: RedisCounter, redis_url: str) -> None:
    other = RedisCounter(redis_url, prefix=counter._prefix)
    answers = await asyncio.gather(*((counter, other)[n % 2].hit("k", 5, 30) for n in range(20)))
    await other.close()
    assert sorted(answers)[:15] == [0.0] * 5 + sorted(answers)[5:15]
    assert sum(answer == 0 for answer in answers) == 5
    assert all(29 < answer <= 30 for answer in answers if answer)
    assert await counter.hit("k2", 5, 30) == 0
    assert await counter.hit("k3", 0, 30) == 30


async def test_the_window_moves_in_redis_too(counter: RedisCounter) -> None:
    assert await counter.hit("k", 1, 0.1) == 0
    assert 0 < await counter.hit("k", 1, 0.1) <= 0.1
    await asyncio.sleep(0.11)
    assert await counter.hit("k", 1, 0.1) == 0


async def test_keys_vanish_from_redis_and_name_nobody(counter: RedisCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_counter", counter)
    await limits.hit("sign in: ada@example.com", 1, 30)
    keys = await counter._redis.keys(f"{counter._prefix}*")
    assert len(keys) == 1
    assert b"ada" not in keys[0]
    assert 0 < await counter._redis.pttl(keys[0]) <= 30_000


async def test_counts_for_itself_while_redis_is_away() -> None:
    counter = RedisCounter("redis://127.0.0.1:1/0")
    started = time.perf_counter()
    answers = [await counter.hit("k", 3, 60) for _ in range(200)]
    assert (answers[:3], all(answers[3:])) == ([0.0] * 3, True)
    assert time.perf_counter() - started < 2
    await counter.close()


@pytest.mark.slow
@pytest.mark.fault
async def test_counts_in_redis_again_when_it_is_back(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REDIS_PAUSE_SECONDS", 0.1)
    counter = RedisCounter(redis_server.url)
    assert await counter.hit("k", 1, 60) == 0
    await redis_server.stop()
    assert await counter.hit("k", 1, 60) == 0
    assert await counter.hit("k", 1, 60) > 0
    await redis_server.start()
    await asyncio.sleep(0.15)
    assert await counter.hit("k", 1, 60) == 0
    assert await counter.hit("k", 1, 60) > 0
    await counter.close()
