"""How often something may be tried, and how much may be asked for.

Tries: so many times within so many seconds, over a window that moves. Points: a bucket for each key, from which points are
taken and which fills up again with time. Both in this process's memory, or in Redis when several processes share the
count. When Redis is away each process counts for itself: a limit then is looser by the number of processes, and nobody is
shut out.

Points are asked for with every request, so a process does not go to Redis for each: it takes a slice of a bucket (a tenth,
or more when one request needs more), spends it by itself, and forgets what is left after ten seconds. Nobody can spend more
in all than their bucket gives. The price: somebody may be refused too early by what other processes hold of their bucket,
at most a fifth of it each, for ten seconds.
"""

import hashlib
import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from app.infrastructure.scripts import RedisScript
from app.kernel.allowances import Allowance
from app.kernel.errors import RateLimited

KEYS_MAX = 50_000
SLICES = 10
SLICE_SECONDS = 10.0

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


# A bucket is a hash of its level and when that was. Takes up to ARGV[4] points, but none when there are fewer than ARGV[3];
# a negative number gives points back. Answers what was taken and what is left.
_TAKE_SCRIPT = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local maximum, per_second, least, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = math.min(maximum, (tonumber(known[1]) or maximum) + (now - (tonumber(known[2]) or now)) * per_second)
local taken = 0
if level >= least then
  taken = math.min(most, level)
  level = math.min(maximum, level - taken)
end
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((maximum - level) / per_second * 1000) + 1000)
return {tostring(taken), tostring(level)}
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
        self._shared = RedisScript(url, _SCRIPT, "limits")
        self._prefix = prefix
        self._memory = MemoryCounter()
        self._name = secrets.token_hex(8)
        self._number = 0

    async def hit(self, key: str, limit: int, seconds: float) -> float:
        """Count one try; the seconds to wait when it is one too many, else 0."""
        self._number += 1
        answer = await self._shared.ask(self._prefix + key, limit, seconds, f"{self._name}-{self._number}")
        if answer is None:
            return await self._memory.hit(key, limit, seconds)
        return max(0.0, float(answer))

    async def close(self) -> None:
        """Close the connection."""
        await self._shared.close()


@dataclass(slots=True)
class Level:
    """What is in a bucket, and when that was."""

    points: float
    at: float


class Taken(NamedTuple):
    """``wait`` is 0 when the points were taken, else the seconds until there are enough. ``left`` is what there is now."""

    wait: float
    left: float


class Buckets(Protocol):
    """Points by key."""

    async def take(self, key: str, allowance: Allowance, points: float) -> Taken:
        """Take points, or none of them when there are too few."""
        ...

    async def settle(self, key: str, allowance: Allowance, points: float) -> float:
        """Give points back, or take what there is of them when the number is negative. What there is now."""
        ...

    def is_empty(self, key: str, allowance: Allowance) -> bool:
        """Whether this process knows that there is not one point. Asks nobody."""
        ...


class MemoryBuckets:
    """Buckets in this process, a bounded number of them: the one not used for longest is forgotten first, and so is full."""

    def __init__(self, *, keys_max: int = KEYS_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self._levels: OrderedDict[str, Level] = OrderedDict()
        self._keys_max = keys_max
        self._clock = clock

    def __len__(self) -> int:
        return len(self._levels)

    async def take(self, key: str, allowance: Allowance, points: float) -> Taken:
        """Take points, or none of them when there are too few."""
        level = self._level(key, allowance)
        if level.points < points:
            return Taken((points - level.points) / allowance.per_second, level.points)
        level.points -= points
        return Taken(0.0, level.points)

    async def settle(self, key: str, allowance: Allowance, points: float) -> float:
        """Give points back, or take what there is of them when the number is negative."""
        level = self._level(key, allowance)
        level.points = min(max(level.points + points, 0.0), allowance.maximum)
        return level.points

    def is_empty(self, key: str, allowance: Allowance) -> bool:
        """Whether there is not one point."""
        return key in self._levels and self._level(key, allowance).points < 1

    def _level(self, key: str, allowance: Allowance) -> Level:
        """The level as it is now."""
        now = self._clock()
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = Level(allowance.maximum, now)
            if len(self._levels) > self._keys_max:
                self._levels.popitem(last=False)
            return level
        self._levels.move_to_end(key)
        level.points = min(level.points + (now - level.at) * allowance.per_second, allowance.maximum)
        level.at = now
        return level


@dataclass(slots=True)
class Slice:
    """What a process holds of a bucket in Redis: its own points, and what was left there when it asked last."""

    points: float
    ends_at: float
    left: float
    seen_at: float


class RedisBuckets:
    """Buckets in Redis, for all processes together, spent slice by slice; in memory for a while when Redis is away."""

    def __init__(
        self, url: str, *, prefix: str = "truckroll:points:", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shared = RedisScript(url, _TAKE_SCRIPT, "limits")
        self._prefix = prefix
        self._clock = clock
        self._memory = MemoryBuckets(clock=clock)
        self._slices: OrderedDict[str, Slice] = OrderedDict()

    async def take(self, key: str, allowance: Allowance, points: float) -> Taken:
        """Take points, or none of them when there are too few. Redis is asked only when the slice is used up."""
        held = self._slice(key)
        while held.points < points:
            short = points - held.points
            answer = await self._ask(key, allowance, short, max(short, allowance.maximum / SLICES))
            if answer is None:
                return await self._memory.take(key, allowance, points)
            held = self._slice(key)  # others may have spent of it while Redis was asked
            if answer == 0 and held.points < points:
                return Taken((short - held.left) / allowance.per_second, self._left(held, allowance))
        held.points -= points
        return Taken(0.0, self._left(held, allowance))

    async def settle(self, key: str, allowance: Allowance, points: float) -> float:
        """Give points back, or take what there is of them when the number is negative."""
        held = self._slice(key)
        most = allowance.maximum / SLICES
        lives = self._clock() < held.ends_at
        held.points += points
        if not lives or not 0 <= held.points <= 2 * most:
            beyond = most - held.points if lives and held.points > 0 else -held.points
            answer = await self._ask(key, allowance, min(beyond, 0.0), beyond)
            held.points = min(max(held.points, 0.0), 2 * most)
            if answer is None and not lives:
                return await self._memory.settle(key, allowance, points)
        return self._left(held, allowance)

    def is_empty(self, key: str, allowance: Allowance) -> bool:
        """Whether there was not one point when Redis was last asked, nor can there be one by now."""
        held = self._slices.get(key)
        if held is None:
            return self._memory.is_empty(key, allowance)
        return held.points < 1 and self._left(held, allowance) < 1

    async def close(self) -> None:
        """Close the connection."""
        await self._shared.close()

    async def _ask(self, key: str, allowance: Allowance, least: float, most: float) -> float | None:
        """The points that Redis gave, added to the slice; None when it is away."""
        answer = await self._shared.ask(self._prefix + key, allowance.maximum, allowance.per_second, least, most)
        if answer is None:
            return None
        held = self._slice(key)  # looked up again: others may have come in between
        taken, left = float(answer[0]), float(answer[1])
        held.points += taken
        held.left, held.seen_at = left, self._clock()
        held.ends_at = held.seen_at + SLICE_SECONDS
        return taken

    def _slice(self, key: str) -> Slice:
        now = self._clock()
        held = self._slices.get(key)
        if held is None:
            held = self._slices[key] = Slice(0.0, 0.0, 0.0, now)
            if len(self._slices) > KEYS_MAX:
                self._slices.popitem(last=False)
        elif now >= held.ends_at:
            held.points = 0.0
        self._slices.move_to_end(key)
        return held

    def _left(self, held: Slice, allowance: Allowance) -> float:
        """What there is in all, as far as this process can know."""
        restored = (self._clock() - held.seen_at) * allowance.per_second
        return min(held.points + held.left + restored, float(allowance.maximum))


_counter: Counter = MemoryCounter()
_buckets: Buckets = MemoryBuckets()


async def start(url: str = "memory://") -> None:
    """Count in memory, or in Redis when the URL is one of Redis."""
    global _counter, _buckets
    await stop()
    if url.startswith(("redis://", "rediss://")):
        _counter, _buckets = RedisCounter(url), RedisBuckets(url)


async def stop() -> None:
    """Close what is open, and forget all counts."""
    global _counter, _buckets
    old = (_counter, _buckets)
    _counter, _buckets = MemoryCounter(), MemoryBuckets()
    for one in old:
        if isinstance(one, RedisCounter | RedisBuckets):
            await one.close()


async def hit(key: str, limit: int, seconds: float) -> None:
    """Count one try under a key (such as ``"sign in:" + address``); ``RateLimited`` when it is one too many."""
    wait = await _counter.hit(_short(key), limit, seconds)
    if wait > 0:
        raise RateLimited(retry_after_seconds=max(1, math.ceil(wait)))


async def take(key: str, allowance: Allowance, points: float) -> float:
    """Take points from a key's bucket; what is left, or ``RateLimited`` when there are too few, and then none is taken."""
    taken = await _buckets.take(_short(key), allowance, points)
    if taken.wait > 0:
        raise RateLimited(max(1, math.ceil(taken.wait)), "This costs more points than you have left.")
    return taken.left


async def settle(key: str, allowance: Allowance, points: float) -> float:
    """Give points back, or take what there is of them when the number is negative; what there is now."""
    return await _buckets.settle(_short(key), allowance, points)


def require_points(key: str, allowance: Allowance) -> None:
    """``RateLimited`` when it is known here that not one point is left: for what is done before it can be counted."""
    if _buckets.is_empty(_short(key), allowance):
        raise RateLimited(max(1, math.ceil(1 / allowance.per_second)), "You have no points left.")


@lru_cache(maxsize=10_000)
def _short(key: str) -> str:
    """A key of bounded length that tells no login name to those who look into Redis."""
    return hashlib.sha256(key.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]
