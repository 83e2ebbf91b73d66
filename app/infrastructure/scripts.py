"""Small programs that run inside Redis, so that what they read and write belongs together."""

import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.infrastructure.loops import Outage

REDIS_SECONDS = 0.5
REDIS_PAUSE_SECONDS = 5.0
AWAY = (RedisError, OSError, TimeoutError)


class RedisScript:
    """A script in Redis; left alone for a while when it is away."""

    def __init__(self, url: str, script: str, what: str) -> None:
        self.redis = Redis.from_url(
            url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._script = self.redis.register_script(script)
        self._outage = Outage(f"Redis ({what})")
        self._paused_until = 0.0

    async def ask(self, key: str, *arguments: Any) -> Any | None:
        """What the script answers; None when Redis is away."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            answer = await self._script(keys=[key], args=list(arguments))
        except AWAY as error:
            self._outage.failed(error)
            self._paused_until = time.monotonic() + REDIS_PAUSE_SECONDS
            return None
        self._outage.recovered()
        return answer

    async def close(self) -> None:
        """Close the connection."""
        await self.redis.aclose()
