"""The wake-up bus: hints arrive, also after Redis died and came back, and nobody ever waits or fails because of it."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from broadcaster import Broadcast

from app.infrastructure import broadcast
from app.infrastructure.broadcast import EVERYWHERE, RedisBroadcast
from app.kernel.errors import ConfigurationError
from tests.app.infrastructure.redis_server import RedisServer

CHANNEL = "truckroll-test-broadcast"


@pytest_asyncio.fixture(loop_scope="session")
async def left() -> AsyncIterator[None]:
    try:
        yield
    finally:
        await broadcast.stop()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not {name for name in names if name.startswith("broadcast")}


async def hear(news: broadcast.News, wanted: str, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while wanted not in await news.wait(seconds * 2):
            pass


async def test_hints_arrive_in_this_process(left: None) -> None:
    await broadcast.start("memory://")
    with broadcast.news() as news, broadcast.news() as others:
        broadcast.wake("org_1")
        await hear(news, "org_1")
        await hear(others, "org_1")


async def test_hints_of_the_same_moment_become_one(left: None) -> None:
    heard: list[str] = []
    await broadcast.start("memory://")
    leave = broadcast.subscribe(heard.append)
    for _ in range(1000):
        broadcast.wake("org_1")
    broadcast.wake("org_2")
    await asyncio.sleep(0.05)
    assert sorted(heard) == ["org_1", "org_2"]
    for number in range(broadcast.IDS_PER_MESSAGE_MAX + 1):
        broadcast.wake(f"org_{number}")
    await asyncio.sleep(0.05)
    assert heard[2:] == [EVERYWHERE]
    leave()
    broadcast.wake("org_3")
    await asyncio.sleep(0.05)
    assert len(heard) == 3


async def test_news_of_a_topic_reaches_only_who_asked_for_it(left: None) -> None:
    await broadcast.start("memory://")
    with broadcast.news() as journal, broadcast.news(["positions"]) as news, broadcast.news(["plans"]) as others:
        broadcast.wake("org_1", "positions")
        await hear(news, "org_1/positions")
        broadcast.wake("org_2")
        for one in (journal, news, others):
            assert await one.wait(5) == {"org_2"}


async def test_very_many_hints_of_a_topic_are_shortened_without_a_look_at_the_journal(left: None) -> None:
    heard: list[str] = []
    await broadcast.start("memory://")
    leave = broadcast.subscribe(heard.append)
    for number in range(broadcast.IDS_PER_MESSAGE_MAX + 1):
        broadcast.wake(f"org_{number}", "positions")
    await asyncio.sleep(0.05)
    leave()
    assert heard == ["*/positions"]
    assert broadcast.topic_of("*/positions") == "positions"


async def test_no_hint_for_a_while_means_to_look_everywhere(left: None) -> None:
    with broadcast.news() as news:
        assert await news.wait(0.01) == {EVERYWHERE}


async def test_waking_before_the_start_and_after_the_end_does_nothing(left: None) -> None:
    broadcast.wake("org_1")
    await broadcast.start("memory://")
    await broadcast.stop()
    broadcast.wake("org_1")
    await broadcast.stop()


async def test_a_listener_that_fails_does_not_disturb_the_others(left: None) -> None:
    def fail(organization_id: str) -> None:
        raise ZeroDivisionError

    await broadcast.start("memory://")
    leave = broadcast.subscribe(fail)
    with broadcast.news() as news:
        for organization_id in ("org_1", "org_2"):
            broadcast.wake(organization_id)
            await hear(news, organization_id)
    leave()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        "kafka://x",
        "postgres://x",
        "redis-stream://localhost",
        "redis://host:port/0",
        "redis://h:1/0?socket_x=1",
    ],
)
async def test_a_url_that_cannot_be_used_names_the_setting(url: str, left: None) -> None:
    with pytest.raises(ConfigurationError, match="TRUCKROLL_BROADCAST_URL"):
        await broadcast.start(url)


async def test_a_refused_url_does_not_tell_its_password(left: None) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        await broadcast.start("redis://me:s3cret@host:port/0")
    assert "s3cret" not in str(refusal.value)


async def test_processes_hear_each_other_over_redis(redis_url: str, left: None) -> None:
    await broadcast.start(redis_url, channel=CHANNEL)
    other = Broadcast(backend=RedisBroadcast(redis_url))
    await other.connect()
    try:
        async with other.subscribe(CHANNEL) as subscriber:
            with broadcast.news() as news:
                assert (await subscriber.get()).message == EVERYWHERE
                broadcast.wake("org_1")
                await hear(news, "org_1")
                assert (await subscriber.get()).message.split()[1:] == ["org_1"]
                await other.publish(CHANNEL, "other org_2 org_3")
                await hear(news, "org_3")
    finally:
        await other.disconnect()
        await asyncio.sleep(0)


async def test_a_message_in_no_encoding_does_not_end_the_listening(redis_url: str, left: None) -> None:
    await broadcast.start(redis_url, channel=CHANNEL)
    with broadcast.news() as news:
        await hear(news, EVERYWHERE)
        other = RedisBroadcast(redis_url)
        for message in (b"\xff\xfe", b"", b" ", b"\x00"):
            await other.publish(CHANNEL, message)
        await other.publish(CHANNEL, "other org_1")
        await hear(news, "org_1")
        await other.disconnect()


async def test_a_redis_that_is_away_holds_nobody_up_and_hints_stay_in_the_house(left: None) -> None:
    started = time.perf_counter()
    await broadcast.start("redis://127.0.0.1:1/0", channel=CHANNEL)
    with broadcast.news() as news:
        broadcast.wake("org_1")
        await hear(news, "org_1")
    assert time.perf_counter() - started < 2


async def test_hears_every_hint_of_its_own_once(redis_url: str, left: None) -> None:
    heard: list[str] = []
    await broadcast.start(redis_url, channel=CHANNEL)
    with broadcast.news() as news:
        await hear(news, EVERYWHERE)
    leave = broadcast.subscribe(heard.append)
    broadcast.wake("org_1")
    await asyncio.sleep(0.1)
    leave()
    assert heard == ["org_1"]


@pytest.mark.slow
@pytest.mark.fault
async def test_a_redis_that_hangs_holds_no_hint_up_in_this_process(redis_server: RedisServer, left: None) -> None:
    await broadcast.start(redis_server.url, channel=CHANNEL)
    with broadcast.news() as news:
        await hear(news, EVERYWHERE)
        redis_server.pause()
        started = time.perf_counter()
        broadcast.wake("org_1")
        await hear(news, "org_1")
        assert time.perf_counter() - started < 0.5
        redis_server.go_on()


@pytest.mark.slow
@pytest.mark.fault
async def test_notices_a_connection_that_went_silent(
    redis_server: RedisServer, left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "SILENCE_SECONDS", 0.2)
    await broadcast.start(redis_server.url, channel=CHANNEL)
    with broadcast.news() as news:
        await hear(news, EVERYWHERE)
        heard: list[str] = []
        leave = broadcast.subscribe(heard.append)
        await asyncio.sleep(1)
        # A Redis that answers pings is not left.
        assert heard == []
        redis_server.pause()
        await asyncio.sleep(1)
        redis_server.go_on()
        async with asyncio.timeout(20):
            while EVERYWHERE not in heard:
                await asyncio.sleep(0.05)
        leave()


@pytest.mark.slow
@pytest.mark.fault
async def test_hears_again_after_redis_was_killed_and_started_empty(redis_server: RedisServer, left: None) -> None:
    await broadcast.start(redis_server.url, channel=CHANNEL)
    publisher = RedisBroadcast(redis_server.url)
    with broadcast.news() as news:
        await hear(news, EVERYWHERE)
        for _ in range(3):
            await publisher.publish(CHANNEL, "other org_1")
            await hear(news, "org_1")
            await redis_server.stop()
            broadcast.wake("org_2")
            await hear(news, "org_2")
            await redis_server.start()
            # Nobody knows what was said meanwhile, so it says to look everywhere.
            await hear(news, EVERYWHERE, 20)
    await publisher.disconnect()


@pytest.mark.slow
@pytest.mark.fault
async def test_the_packages_own_back_end_does_not_hear_again(redis_server: RedisServer) -> None:
    """The control: should this fail one day, our own back end may be dropped."""
    stock = Broadcast(redis_server.url)
    # It hears nothing at all with a time limit on the socket, the client's default; without one it is at its best.
    stock._backend._conn.connection_pool.connection_kwargs["socket_timeout"] = None
    await stock.connect()
    publisher = RedisBroadcast(redis_server.url)
    async with stock.subscribe(CHANNEL) as subscriber:
        await asyncio.sleep(0.2)
        await publisher.publish(CHANNEL, "before")
        async with asyncio.timeout(5):
            assert (await subscriber.get()).message == "before"
        await redis_server.stop()
        await redis_server.start()
        heard = 0
        for _ in range(20):
            try:
                await publisher.publish(CHANNEL, "after")
                async with asyncio.timeout(0.1):
                    await subscriber.get()
                    heard += 1
            except (TimeoutError, ConnectionError):
                pass
        assert heard == 0
    listener = stock._backend._listener
    await asyncio.gather(listener, return_exceptions=True)
    await stock.disconnect()
    await publisher.disconnect()
    await asyncio.sleep(0)
