"""Typed, sortable ids: a short prefix, ``_`` and a UUIDv7 in Crockford base32 (the TypeID form), such as ``wo_01jd…``.

They are primary keys and global GraphQL ids. Clients may make them, so creating is idempotent and works offline.
An id is not a secret and never authorizes anything.
"""

import os
import re
import time
from threading import Lock

from app.kernel.errors import InvalidInput

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_LENGTH_MAX = 40
_SHAPE = re.compile(r"([a-z]{2,8})_([0-7][0-9a-hjkmnp-tv-z]{25})")

_lock = Lock()
_last_tick = 0


def _uuid7() -> int:
    """A version 7 UUID (RFC 9562) that never goes backwards within one process: milliseconds and a 12-bit counter."""
    global _last_tick
    with _lock:
        tick = max((time.time_ns() * 4096) // 1_000_000, _last_tick + 1)
        _last_tick = tick
    milliseconds, counter = tick >> 12, tick & 0xFFF
    random_bits = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random_bits


def _base32(number: int) -> str:
    return "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_id(prefix: str) -> str:
    """A fresh id of the kind that ``prefix`` names."""
    return f"{prefix}_{_base32(_uuid7())}"


def prefix_of(id: str) -> str:
    """The kind an id is of, or "" when it has not the form of an id."""
    match = _SHAPE.fullmatch(id)
    return match[1] if match else ""


def require_id(id: str, prefix: str, path: str = "id") -> str:
    """The id itself if it has the right form and prefix; else ``InvalidInput`` that names the field."""
    if prefix_of(id) != prefix:
        raise InvalidInput(
            f"{id[:60]!r} is not an id of this kind: it must look like {prefix}_ and 26 letters and digits.",
            path=[path],
        )
    return id
