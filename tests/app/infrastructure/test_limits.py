"""So many tries within so many seconds, and points that are spent and come back, in memory and in Redis alike."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from app.infrastructure import limits, scripts
from app.infrastructure.limits import MemoryBuckets, MemoryCounter, RedisBuckets, RedisCounter, Taken
from app.kernel.allowances import Allowance
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
    keys = await counter._shared.redis.keys(f"{counter._prefix}*")
    assert len(keys) == 1
    assert b"ada" not in keys[0]
    assert 0 < await counter._shared.redis.pttl(keys[0]) <= 30_000


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
    monkeypatch.setattr(scripts, "REDIS_PAUSE_SECONDS", 0.1)
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


# Points


ALLOWANCE = Allowance(1000, 100)


@pytest_asyncio.fixture(loop_scope="session")
async def shared(redis_url: str) -> AsyncIterator[Callable[[], RedisBuckets]]:
    prefix = f"test-{secrets.token_hex(4)}:"
    made: list[RedisBuckets] = []

    def another() -> RedisBuckets:
        made.append(RedisBuckets(redis_url, prefix=prefix))
        return made[-1]

    try:
        yield another
    finally:
        for one in made:
            await one.close()


async def test_a_bucket_gives_what_it_holds_and_fills_up_with_time() -> None:
    clock = Clock()
    buckets = MemoryBuckets(clock=clock)
    assert await buckets.take("k", ALLOWANCE, 900) == Taken(0, 100)
    assert await buckets.take("k", ALLOWANCE, 250) == Taken(1.5, 100)  # and nothing is taken
    assert await buckets.take("other", ALLOWANCE, 1000) == Taken(0, 0)
    clock.now += 1.5
    assert await buckets.take("k", ALLOWANCE, 250) == Taken(0, 0)
    assert buckets.is_empty("k", ALLOWANCE)
    clock.now += 0.02
    assert not buckets.is_empty("k", ALLOWANCE)
    clock.now += 3600
    assert await buckets.take("k", ALLOWANCE, 1) == Taken(0, 999)
    assert not buckets.is_empty("never seen", ALLOWANCE)


async def test_points_that_come_back_never_overfill_a_bucket_and_what_is_drained_never_goes_below_nothing() -> None:
    buckets = MemoryBuckets(clock=Clock())
    await buckets.take("k", ALLOWANCE, 600)
    assert await buckets.settle("k", ALLOWANCE, 200) == 600
    assert await buckets.settle("k", ALLOWANCE, 5000) == 1000
    assert await buckets.settle("k", ALLOWANCE, -5000) == 0


async def test_forgets_the_buckets_that_were_not_used_for_longest() -> None:
    buckets = MemoryBuckets(keys_max=2, clock=Clock())
    for key in ("a", "b", "a", "c"):
        await buckets.take(key, ALLOWANCE, 10)
    assert len(buckets) == 2
    assert await buckets.take("a", ALLOWANCE, 0) == Taken(0, 980)


async def test_processes_share_a_bucket_and_never_spend_more_than_it_holds(
    shared: Callable[[], RedisBuckets],
) -> None:
    small = Allowance(1000, 1)
    processes = [shared() for _ in range(3)]
    answers = [await processes[number % 3].take("k", small, 7) for number in range(300)]
    spent = 7 * sum(one.wait == 0 for one in answers)
    # What three processes hold of it in the end is less than one request each.
    assert 1000 - 3 * 7 < spent <= 1000 + 3
    assert all(0 < one.wait <= 7 for one in answers[-20:])
    assert all(one.is_empty("k", small) or one._slice("k").points >= 1 for one in processes)


async def test_redis_is_asked_once_for_many_small_requests(shared: Callable[[], RedisBuckets]) -> None:
    buckets = shared()
    asked = 0
    ask = buckets._shared.ask

    async def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return await ask(*arguments)

    buckets._shared.ask = counted  # type: ignore[method-assign]
    for number in range(100):
        left = (await buckets.take("k", ALLOWANCE, 1)).left
        assert 999 - number <= left <= 1000
    assert asked == 1
    assert (await buckets.take("k", ALLOWANCE, 800)).wait == 0  # more than a slice: at once all the same
    assert asked == 2


async def test_many_at_once_get_no_more_than_the_bucket_holds(shared: Callable[[], RedisBuckets]) -> None:
    buckets = shared()
    small = Allowance(1000, 0.001)
    await buckets.take("k", small, 20)  # so that each sees the rest of a slice, and counts on it
    taken = await asyncio.gather(*(buckets.take("k", small, 250) for _ in range(8)))
    assert sum(250 for one in taken if one.wait == 0) <= 980
    assert buckets._slice("k").points >= 0


async def test_points_given_back_are_there_for_the_other_processes(shared: Callable[[], RedisBuckets]) -> None:
    small = Allowance(1000, 1)
    one, other = shared(), shared()
    assert (await one.take("k", small, 1000)).wait == 0
    assert (await other.take("k", small, 500)).wait > 490
    assert await one.settle("k", small, 990) >= 985
    assert (await other.take("k", small, 500)).wait == 0
    await one.settle("k", small, -5000)
    assert (await other.take("k", small, 990)).wait > 0


async def test_a_slice_that_lies_unused_is_forgotten(shared: Callable[[], RedisBuckets]) -> None:
    buckets = shared()
    await buckets.take("k", ALLOWANCE, 1)
    assert buckets._slice("k").points == 99
    buckets._clock = lambda: time.monotonic() + limits.SLICE_SECONDS
    assert buckets._slice("k").points == 0


async def test_buckets_vanish_from_redis_when_they_are_full_again(shared: Callable[[], RedisBuckets]) -> None:
    buckets = shared()
    await buckets.take("k", ALLOWANCE, 1000)
    assert 10_000 < await buckets._shared.redis.pttl(f"{buckets._prefix}k") <= 11_000


async def test_each_process_has_the_whole_bucket_while_redis_is_away() -> None:
    buckets = RedisBuckets("redis://127.0.0.1:1/0", clock=Clock())
    assert [(await buckets.take("k", ALLOWANCE, 400)).wait for _ in range(3)] == [0, 0, 2]
    await buckets.settle("k", ALLOWANCE, 400)
    assert (await buckets.take("k", ALLOWANCE, 400)).wait == 0
    assert buckets._shared._outage.failures == 1  # then it is left alone for a while
    await buckets.close()


async def test_a_bucket_is_named_after_nobody_and_refuses_with_the_seconds_to_wait() -> None:
    await limits.start("memory://")
    assert await limits.take("people:usr_1", ALLOWANCE, 1000) == pytest.approx(0, abs=50)
    with pytest.raises(RateLimited) as refusal:
        await limits.take("people:usr_1", ALLOWANCE, 950)
    assert refusal.value.data() == {"retryAfterSeconds": 10}
    await limits.settle("people:usr_1", ALLOWANCE, -1000)
    with pytest.raises(RateLimited):
        limits.require_points("people:usr_1", ALLOWANCE)
    limits.require_points("people:usr_2", ALLOWANCE)
    assert isinstance(limits._buckets, MemoryBuckets)
    assert all("usr" not in key for key in limits._buckets._levels)
    await limits.stop()
