"""Texts that processes hold in common for a while, by key: a cache in Redis, from which anything may be missing.

A bounded number of them: the one not used for longest is forgotten first. Without Redis, or while it is away, nothing is
found and nothing is kept; whoever asks keeps what matters to them.
"""

from app.infrastructure.scripts import RedisScript

KEY = "{truckroll:texts}"
TEXTS_MAX = 1000
LENGTH_MAX = 16_384
KEPT_SECONDS = 7 * 24 * 3600

# A hash with the texts, and a sorted set with the second in which each was used last.
_SCRIPT = """
local used = KEYS[1] .. ':used'
local name, text, seconds, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if text == '' then
  text = redis.call('HGET', KEYS[1], name)
  if not text then return false end
else
  redis.call('HSET', KEYS[1], name, text)
end
redis.call('ZADD', used, redis.call('TIME')[1], name)
local surplus = redis.call('ZCARD', used) - most
if surplus > 0 then
  redis.call('HDEL', KEYS[1], unpack(redis.call('ZRANGE', used, 0, surplus - 1)))
  redis.call('ZREMRANGEBYRANK', used, 0, surplus - 1)
end
redis.call('EXPIRE', KEYS[1], seconds)
redis.call('EXPIRE', used, seconds)
return text
"""

_script: RedisScript | None = None
_key = KEY


async def start(url: str = "memory://", *, key: str = KEY) -> None:
    """Hold texts in common with other processes, when the URL is one of Redis."""
    global _script, _key
    await stop()
    if url.startswith(("redis://", "rediss://")):
        _script, _key = RedisScript(url, _SCRIPT, "texts"), key


async def stop() -> None:
    """Close what is open."""
    global _script
    script, _script = _script, None
    if script is not None:
        await script.close()


async def find(name: str) -> str | None:
    """The text of that name, if it is there."""
    return await _ask(name, "")


async def keep(name: str, text: str) -> None:
    """Keep a text. One that is long is not kept: a thousand of them must not fill Redis."""
    if 0 < len(text) <= LENGTH_MAX:
        await _ask(name, text)


async def forget() -> None:
    """Forget all texts: clients send them again."""
    if _script is not None:
        await _script.redis.delete(_key, f"{_key}:used")


async def _ask(name: str, text: str) -> str | None:
    if _script is None:
        return None
    answer = await _script.ask(_key, name, text, KEPT_SECONDS, TEXTS_MAX)
    return answer.decode("utf-8", errors="replace") if isinstance(answer, bytes) else None
