"""How often something may be tried: so many times within so many seconds, over a window that moves.

In this process's memory, or in Redis when several processes share the count. When Redis is away each process counts for
itself: a limit then is looser by the number of processes, and nobody is shut out.
"""

import hashlib
import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.infrastructure.loops import Outage
from app.kernel.errors import RateLimited

KEYS_MAX = 50_000
REDIS_SECONDS = 0.5
REDIS_PAUSE_SECONDS = 5.0
AWAY = (RedisError, OSError, TimeoutError)

# One sorted set per key: its members are tries, their scores Redis' own time, so that clocks of processes do not matter.
_SCRIPT = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local limit, seconds = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - seconds)
if redis.call('ZCARD', KEYS[1]) >= limit then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return tostring((tonumber(oldest[2]) or now) + seconds - now)
end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(seconds * 1000))
return '-1'
"""


class Counter(Protocol):
    """Counts tries."""

    async def hit(self, key: str, limit: int, seconds: float) -> float:
        """Count one try; the seconds to wait when it is one too many (it is not counted then), else 0."""
        ...


class MemoryCounter:
    """Counts in this process, of a bounded number of keys: the one not used for longest is forgotten first."""

    def __init__(self, *, keys_max: int = KEYS_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._keys_max = keys_max
        self._clock = clock

    def __len__(self) -> int:
        return len(self._tries)

    async def hit(self, key: str, limit: int, seconds: float) -> float:
        """Count one try; the seconds to wait when it is one too many, else 0."""
        now = self._clock()
        tries = self._tries.setdefault(key, deque())
        self._tries.move_to_end(key)
        while tries and tries[0] <= now - seconds:
            tries.popleft()
        if len(tries) >= limit:
            return tries[0] + seconds - now if tries else seconds
        tries.append(now)
        while len(self._tries) > self._keys_max:
            self._tries.popitem(last=False)
        return 0.0


class RedisCounter:
    """Counts in Redis, for all processes together; in memory for a while when Redis is away."""

    def __init__(self, url: str, *, prefix: str = "truckroll:limit:") -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._prefix = prefix
        self._memory = MemoryCounter()
        self._outage = Outage("Redis (limits)")
        self._paused_until = 0.0
        self._name = secrets.token_hex(8)
        self._number = 0

    async def hit(self, key: str, limit: int, seconds: float) -> float:
        """Count one try; the seconds to wait when it is one too many, else 0."""
        if time.monotonic() >= self._paused_until:
            self._number += 1
            try:
                answer: Any = await self._script(
                    keys=[self._prefix + key], args=[limit, seconds, f"{self._name}-{self._number}"]
                )
                self._outage.recovered()
                return max(0.0, float(answer))
            except AWAY as error:
                self._outage.failed(error)
                self._paused_until = time.monotonic() + REDIS_PAUSE_SECONDS
        return await self._memory.hit(key, limit, seconds)

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()


_counter: Counter = MemoryCounter()


async def start(url: str = "memory://") -> None:
    """Count in memory, or in Redis when the URL is one of Redis."""
    global _counter
    await stop()
    if url.startswith(("redis://", "rediss://")):
        _counter = RedisCounter(url)


async def stop() -> None:
    """Close what is open, and forget all counts."""
    global _counter
    old, _counter = _counter, MemoryCounter()
    if isinstance(old, RedisCounter):
        await old.close()


async def hit(key: str, limit: int, seconds: float) -> None:
    """Count one try under a key (such as ``"sign in:" + address``); ``RateLimited`` when it is one too many."""
    wait = await _counter.hit(_short(key), limit, seconds)
    if wait > 0:
        raise RateLimited(retry_after_seconds=max(1, math.ceil(wait)))


def _short(key: str) -> str:
    """A key of bounded length that tells no login name to those who look into Redis."""
    return hashlib.sha256(key.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]
