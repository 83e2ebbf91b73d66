"""The chain of an organization's facts: each fact's seal covers all of it and the seal before. Pure.

A seal is HMAC-SHA-256 under the key that is configured, else plain SHA-256. It covers the fact as JSON with sorted names. What
the chain shows: a fact that was altered, taken out, put in between or moved no longer fits the seals around it. Without a
key, whoever can write into the database can make all seals anew; with one, only who has the key can. That the end was cut off
shows only against a head that was kept elsewhere.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

import orjson

from app.infrastructure.journal import Record

VERSION = "truckroll-journal-1"
VERSION_WITH_ORIGIN = "truckroll-journal-2"
PLAIN = "sha256-"
KEYED = "hmac-sha256-"

_keys: tuple[bytes, ...] = ()


def configure(keys: Sequence[str]) -> None:
    """Seal with the first of some keys, and take the others for keys of earlier times; without any, seal with none."""
    global _keys
    _keys = tuple(key.encode() for key in keys)


def seal_of(record: Record, previous: str) -> str:
    """The seal of a fact that comes after the fact with the seal ``previous``."""
    return _seal(_content(record, previous), _keys[0] if _keys else None)


class BrokenChain(Exception):
    """The first fact that is not as it was sealed: its number, and what is wrong with it."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"fact {seq}: {reason}")
        self.seq = seq
        self.reason = reason


@dataclass(slots=True)
class Chain:
    """A walk along the facts of an organization, oldest first, from the beginning or from a place in between.

    ``unkeyed_to``: up to there seals without the key are as good, because there was no key yet.
    """

    seq: int = 0
    hash: str = ""
    unkeyed_to: int = 0
    sealed_seq: int = 0

    def follow(self, record: Record) -> None:
        """Go on to the next fact; ``BrokenChain`` when it is not the one that was sealed there."""
        seq = record.entry.seq
        if seq != self.seq + 1:
            raise BrokenChain(self.seq + 1, "it is missing")
        if record.hash is not None:
            self._require_sealed(record, record.hash)
            self.sealed_seq, self.hash = seq, record.hash
        self.seq = seq

    def _require_sealed(self, record: Record, hash: str) -> None:
        seq = record.entry.seq
        if self.sealed_seq != self.seq:
            raise BrokenChain(self.sealed_seq + 1, "it has lost its seal, or never had one while a later fact has")
        if (record.previous_hash or "") != self.hash:
            raise BrokenChain(seq, "it does not follow the fact before it: one was put in, taken out or moved")
        if hash.startswith(KEYED) and not _keys:
            raise BrokenChain(seq, "it was sealed with a key; set TRUCKROLL_JOURNAL_KEY to it")
        if _keys and not hash.startswith(KEYED) and seq > self.unkeyed_to:
            raise BrokenChain(seq, "it was sealed without the key")
        content = _content(record, self.hash)
        keys: Sequence[bytes | None] = _keys if hash.startswith(KEYED) else (None,)
        if not any(hmac.compare_digest(hash, _seal(content, key)) for key in keys):
            raise BrokenChain(seq, "it was altered, or sealed with another key")


def _content(record: Record, previous: str) -> bytes:
    entry, origin = record.entry, record.origin
    # Facts from before there was an origin are sealed without one. Whose origin is taken away later no longer fits.
    known = [origin.address, origin.user_agent, origin.session_id, origin.operation] if origin.is_known else []
    return orjson.dumps(
        [
            VERSION_WITH_ORIGIN if known else VERSION,
            entry.organization_id,
            entry.seq,
            entry.id,
            entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
            entry.actor_kind,
            entry.actor_id,
            entry.command,
            entry.type,
            entry.noun,
            entry.subject_id,
            entry.customer_id,
            list(entry.technician_ids),
            entry.payload,
            record.request_id,
            *known,
            previous,
        ],
        option=orjson.OPT_SORT_KEYS,
    )


def _seal(content: bytes, key: bytes | None) -> str:
    if key is None:
        return PLAIN + _text(hashlib.sha256(content).digest())
    return KEYED + _text(hmac.digest(key, content, "sha256"))


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode().rstrip("=")
