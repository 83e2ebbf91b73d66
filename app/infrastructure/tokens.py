"""Secrets people carry: random tokens, of which only a hash is stored, and passwords, hashed slowly on purpose.

A token reads ``<kind>_<43 random characters>_<6 check characters>``: the kind and the checksum let a scanner recognize one
that leaked, and let us refuse a mistyped one without asking the database.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from app.kernel.errors import RateLimited

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

TOKEN_BYTES = 32
TOKEN_PATTERN = re.compile(r"\b[a-z]{2,10}_[A-Za-z0-9_-]{43}_[A-Za-z2-7]{6}(?![A-Za-z0-9])")
HASHING_THREADS = 2
HASHING_QUEUE_MAX = 32
# The least that OWASP recommends for argon2id: 19 MiB, two passes, one lane. About 42 ms of one core.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

_waiting = 0


def new_token(kind: str, secret: bytes | None = None) -> str:
    """A fresh token with 256 random bits, or with those of a secret. Show it once; store ``hash_token`` of it."""
    bits = secret if secret is not None else secrets.token_bytes(TOKEN_BYTES)
    if len(bits) != TOKEN_BYTES:
        raise ValueError(f"the secret of a token has {TOKEN_BYTES} bytes")
    body = f"{kind}_{base64.urlsafe_b64encode(bits).decode().rstrip('=')}"
    return f"{body}_{_checksum(body)}"


def is_token(text: str, kind: str) -> bool:
    """Whether a text has the form of a token of that kind, checksum included. It says nothing of who holds it."""
    if len(text) > 80 or not TOKEN_PATTERN.fullmatch(text) or not text.startswith(f"{kind}_"):
        return False
    body, _, checksum = text.rpartition("_")
    return len(body) == len(kind) + 1 + 43 and secrets.compare_digest(checksum, _checksum(body))


def hash_token(token: str) -> str:
    """What is stored and looked up instead of a token. Plain SHA-256 will do: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", errors="surrogatepass")).hexdigest()


def signed_token(kind: str, secret: str, *claims: str | int) -> str:
    """A token that proves some claims to whoever knows the secret; nothing of it need be stored."""
    return new_token(kind, hmac.digest(secret.encode(), json.dumps(claims).encode(), "sha256"))


def is_signed(token: str, kind: str, secret: str, *claims: str | int) -> bool:
    """Whether a token was made with this secret for just these claims."""
    return secrets.compare_digest(token.encode("utf-8", "replace"), signed_token(kind, secret, *claims).encode())


async def hash_password(password: str) -> str:
    """The hash of a password, as it is stored. ``RateLimited`` when too many wait for theirs."""
    return await _slowly(lambda: _hasher().hash(_bytes(password)))


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one. Without a stored one it takes as long, and is false."""
    return await _slowly(lambda: _verify(stored, password))


def needs_new_hash(stored: str) -> bool:
    """Whether a stored hash was made with other parameters than today's: then hash again at the next sign-in."""
    return _hasher().check_needs_rehash(stored)


def _verify(stored: str | None, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored or _hash_of_nobody(), _bytes(password)) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


async def _slowly(work: Callable[[], T]) -> T:
    """In one of two threads, for hashing takes 19 MiB and a core each; those who come when too many wait are sent away."""
    global _waiting
    if _waiting >= HASHING_THREADS + HASHING_QUEUE_MAX:
        raise RateLimited(retry_after_seconds=2)
    _waiting += 1
    try:
        future = _threads().submit(work)
        future.add_done_callback(_one_less)
    except BaseException:
        _one_less()
        raise
    return await asyncio.wrap_future(future)


def _one_less(_: object = None) -> None:
    global _waiting
    _waiting -= 1


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="passwords")


@cache
def _hasher() -> "PasswordHasher":
    # Imported here because it loads a native library that most processes never need.
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash(secrets.token_bytes(TOKEN_BYTES))


def _bytes(password: str) -> bytes:
    """Exactly what was typed: not trimmed, not shortened, whatever characters it has."""
    return password.encode("utf-8", errors="surrogatepass")


def _checksum(body: str) -> str:
    return base64.b32encode(zlib.crc32(body.encode()).to_bytes(4)).decode().lower()[:6]
