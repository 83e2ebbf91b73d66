"""The wake-up bus: "organization X has news". A hint says where to look; the news itself is in the journal.

A hint may be lost, repeated or late: whoever listens also looks by itself every second or so. ``"*"`` means that there may
be news anywhere, as after a connection that broke. Every process has exactly one subscription; ``memory://`` serves one
process, ``redis://`` several.

A hint is an organization's id, for news in its journal, or ``<organization id>/<topic>`` for news that is no fact, such as
positions. Who waits for the journal does not hear of topics: technicians move more often than anything happens.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from broadcaster import Broadcast, BroadcastBackend, Event
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from app.infrastructure.loops import Outage
from app.kernel.errors import ConfigurationError

SETTING = "TRUCKROLL_BROADCAST_URL"
CHANNEL = "truckroll"
EVERYWHERE = "*"
TOPIC_MARK = "/"
IDS_PER_MESSAGE_MAX = 200
QUEUE_LENGTH_MAX = 1000
CONNECT_SECONDS = 3.0
PUBLISH_SECONDS = 2.0
SILENCE_SECONDS = 10.0
ANNOUNCEMENT_PAUSE_SECONDS = 0.01
REDIS_AWAY = (RedisError, OSError, TimeoutError)

Listener = Callable[[str], None]

log = structlog.get_logger(__name__)
_listeners: set[Listener] = set()
_bus: "_Bus | None" = None


def wake(organization_id: str, topic: str = "") -> None:
    """Say that an organization has news, in its journal or about a topic. Returns at once and never fails; hints of the
    same moment become one."""
    if _bus is not None:
        _bus.wake(hint_of(organization_id, topic))


def hint_of(organization_id: str, topic: str = "") -> str:
    """The word that says so."""
    return f"{organization_id}{TOPIC_MARK}{topic}" if topic else organization_id


def topic_of(hint: str) -> str:
    """The topic that a hint is about; empty for the journal, and for news that may be anywhere."""
    return hint.partition(TOPIC_MARK)[2]


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call a function with each hint, those about topics too, until the function returned here is called."""
    _listeners.add(listener)
    return lambda: _listeners.discard(listener)


class News:
    """The hints that came since the last look: of the journal, and of the topics that were asked for."""

    def __init__(self, topics: Collection[str] = ()) -> None:
        self._wanted = frozenset(["", *topics])
        self._hints: set[str] = set()
        self._event = asyncio.Event()
        self._everywhere_due = 0.0

    def hear(self, hint: str) -> None:
        """Note a hint, if it is wanted."""
        if topic_of(hint) not in self._wanted:
            return
        if len(self._hints) < QUEUE_LENGTH_MAX:
            self._hints.add(hint)
        else:
            self._hints = {EVERYWHERE}
        self._event.set()

    async def wait(self, seconds: float) -> set[str]:
        """The hints, as soon as there is one; ``"*"``, which is about topics too, is among them every so many seconds."""
        loop = asyncio.get_running_loop()
        self._everywhere_due = self._everywhere_due or loop.time() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
        heard, self._hints = self._hints, set()
        now = loop.time()
        # One busy organization must not keep the others from being looked at: their hints may have been lost.
        if not heard or now >= self._everywhere_due:
            self._everywhere_due = now + seconds
            heard.add(EVERYWHERE)
        return heard


@contextmanager
def news(topics: Collection[str] = ()) -> Iterator[News]:
    """Hints, collected while the block lasts: of the journal, and of topics that are named."""
    collected = News(topics)
    leave = subscribe(collected.hear)
    try:
        yield collected
    finally:
        leave()


async def start(url: str = "memory://", *, channel: str = CHANNEL) -> None:
    """Join the bus. A Redis that is away does not matter: it is tried again until it is there."""
    global _bus
    if _bus is not None:
        raise RuntimeError("the broadcast has started already")
    bus = _Bus(_open(url), channel)
    await bus.start()
    _bus = bus


async def stop() -> None:
    """Leave the bus; nothing happens when it was not joined."""
    global _bus
    bus, _bus = _bus, None
    if bus is not None:
        await bus.stop()


def _open(url: str) -> Broadcast:
    scheme = url.partition("://")[0]
    if scheme == "memory":
        return Broadcast("memory://")
    if scheme not in ("redis", "rediss"):
        raise ConfigurationError(f"{SETTING} must be memory:// or redis://host:port/number.")
    try:
        return Broadcast(backend=RedisBroadcast(url))
    except (ValueError, TypeError):
        # The URL may hold a password, so it is not repeated.
        raise ConfigurationError(f"{SETTING} is not a URL such as redis://host:6379/0.") from None


class _Bus:
    """This process on the bus: one task that announces, one that hears."""

    def __init__(self, broadcast: Broadcast, channel: str) -> None:
        self._broadcast = broadcast
        self._channel = channel
        self._name = secrets.token_hex(6)
        self._pending: set[str] = set()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stops = False

    async def start(self) -> None:
        await self._broadcast.connect()
        ready = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._hear(ready), name="broadcast hears"),
            asyncio.create_task(self._announce(), name="broadcast announces"),
        ]
        await ready.wait()

    async def stop(self) -> None:
        self._stops = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        listening: asyncio.Task[None] = self._broadcast._listener_task
        await self._broadcast.disconnect()
        await asyncio.gather(listening, return_exceptions=True)

    def wake(self, hint: str) -> None:
        self._pending.add(hint)
        # A command that outlives its server's event loop has nobody to wake.
        with suppress(RuntimeError):
            self._wanted.set()

    async def _announce(self) -> None:
        # A cancellation may end as a time-out within the client of Redis, and that is passed over below.
        while not self._stops:
            await self._wanted.wait()
            self._wanted.clear()
            hints, self._pending = self._pending, set()
            if len(hints) > IDS_PER_MESSAGE_MAX:
                hints = _shortened(hints)
            # The listeners in this process need no Redis; those in others look by themselves while it is away.
            _tell(hints)
            with suppress(*REDIS_AWAY):
                await self._broadcast.publish(self._channel, " ".join([self._name, *hints]))
            # The first hint leaves at once; of a burst's many, those of the same moment become one message.
            await asyncio.sleep(ANNOUNCEMENT_PAUSE_SECONDS)

    async def _hear(self, ready: asyncio.Event) -> None:
        async with self._broadcast.subscribe(self._channel) as subscriber:
            ready.set()
            while True:
                sender, *hints = (await subscriber.get()).message.split() or [""]
                if sender == EVERYWHERE:
                    _tell([EVERYWHERE])
                elif sender != self._name:
                    _tell(hints)


def _shortened(hints: Iterable[str]) -> set[str]:
    """Instead of very many organizations any of them, for the journal and for each topic apart."""
    return {hint_of(EVERYWHERE, topic) for topic in map(topic_of, hints)}


def _tell(hints: Iterable[str]) -> None:
    for hint in hints:
        for listener in list(_listeners):
            try:
                listener(hint)
            except Exception:
                log.exception("a listener failed", hint=hint)


class RedisBroadcast(BroadcastBackend):
    """Redis publish/subscribe that outlives Redis: it connects again, subscribes again, and says that news may be anywhere.

    The back end of the broadcaster package never hears anything again after a restart of Redis, and does not say so.
    """

    def __init__(self, url: str) -> None:
        # The listener waits for as long as nothing happens: a time limit on its socket would end that.
        self._listening = Redis.from_url(
            url,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        # A connection that lay idle may be dead, so a message is tried twice.
        self._publishing = Redis.from_url(
            url, socket_timeout=PUBLISH_SECONDS, socket_connect_timeout=PUBLISH_SECONDS, retry=Retry(NoBackoff(), 1)
        )
        # Parameters of the URL that mean nothing are found now, not at the first connection.
        self._listening.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis has no types here
        self._channels: set[str] = set()
        self._heard: deque[Event] = deque(maxlen=QUEUE_LENGTH_MAX)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Nothing to do before there is a channel."""

    async def disconnect(self) -> None:
        """Stop listening and close the connections."""
        await self._stop_listening()
        for client in (self._listening, self._publishing):
            with suppress(*REDIS_AWAY):
                await client.aclose()

    async def subscribe(self, group: str) -> None:
        """Hear a channel, now or as soon as Redis is there."""
        self._channels.add(group)
        await self._stop_listening()
        self._task = asyncio.create_task(self._listen(), name="broadcast listens to Redis")

    async def unsubscribe(self, group: str) -> None:
        """Hear a channel no more."""
        self._channels.discard(group)
        await self._stop_listening()
        if self._channels:
            self._task = asyncio.create_task(self._listen(), name="broadcast listens to Redis")

    async def publish(self, channel: str, message: Any) -> None:
        """Send one message; raises when Redis is away."""
        await self._publishing.publish(channel, message)

    async def next_published(self) -> Event:
        """The next message. When too many wait, the oldest have been dropped and a hint to look everywhere remains."""
        while not self._heard:
            self._news.clear()
            await self._news.wait()
        return self._heard.popleft()

    async def _stop_listening(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _put(self, channel: str, message: str) -> None:
        if len(self._heard) == QUEUE_LENGTH_MAX:
            self._heard.clear()
            message = EVERYWHERE
        self._heard.append(Event(channel, message))
        self._news.set()

    async def _listen(self) -> None:
        outage = Outage("Redis")
        while True:
            try:
                async with self._listening.pubsub() as pubsub:
                    await pubsub.subscribe(*self._channels)
                    await self._listen_until_it_breaks(pubsub, outage)
            except REDIS_AWAY as error:
                await asyncio.sleep(outage.failed(error))
            except Exception:
                log.exception("listening to Redis failed")
                await asyncio.sleep(CONNECT_SECONDS)

    async def _listen_until_it_breaks(self, pubsub: PubSub, outage: Outage) -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=SILENCE_SECONDS)
            if message is None:
                if asked:
                    raise RedisConnectionError("Redis did not answer a ping")
                await pubsub.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "subscribe":
                outage.recovered()
                self._put(_text(message["channel"]), EVERYWHERE)
            elif message["type"] == "message":
                self._put(_text(message["channel"]), _text(message["data"]))


def _text(raw: bytes | str) -> str:
    """Text whatever somebody else may have sent: one message in another encoding must not end the listening."""
    return raw if isinstance(raw, str) else raw.decode("utf-8", errors="replace")
