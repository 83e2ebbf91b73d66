"""The chain of an organization's facts: each fact's seal covers all of it and the seal before. Pure.

A seal is HMAC-SHA-256 under the key that is configured, else plain SHA-256. It covers the fact as JSON with sorted names, and
in place of its payload and its origin a digest of them with a random salt (facts from before there were salts: them). When
personal data is erased the salt goes too, and the digest is kept: the seal still holds, and nobody can try what the payload may
have been. What is left of the payload is then vouched for by a later fact, ``FactsErased``, with a proof that needs the key as
the seals do. What the chain shows: a fact that was altered, taken out, put in between or moved no longer fits the seals around it. Without a
key, whoever can write into the database can make all seals anew; with one, only who has the key can. That the end was cut off
shows only against a head that was kept elsewhere.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC

import orjson

from app.infrastructure.journal import SALTED, Record

VERSION = "truckroll-journal-1"
VERSION_WITH_ORIGIN = "truckroll-journal-2"
SALTED_VERSION = "truckroll-journal-3"
ERASURE_VERSION = "truckroll-erasure-1"
ERASURE = "FactsErased"
DIGEST = "digest:"
UNSALTED = "unsalted"
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


def is_erased(record: Record) -> bool:
    """Whether personal data was erased from a fact's payload."""
    return record.salt is not None and not record.salt.startswith(SALTED)


def is_as_sealed(record: Record) -> bool:
    """Whether a fact is the one that got its seal; of a fact from before there were salts that was erased, nobody can tell."""
    if record.salt == UNSALTED or record.hash is None:
        return True
    return _fits(record.hash, _content(record, record.previous_hash or ""))


def salt_after_erasure(record: Record) -> str:
    """What takes the place of a fact's salt when its payload is to be changed."""
    if is_erased(record):
        return record.salt or UNSALTED
    return UNSALTED if record.salt is None else DIGEST + _commitment(record)


def proof_of_erasure(record: Record) -> str:
    """What says that a fact, as it is now, is what an erasure of ours has left of it."""
    return _seal(_left(record), _keys[0] if _keys else None)


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
    unproven: dict[int, bytes] = field(default_factory=dict)

    def follow(self, record: Record) -> None:
        """Go on to the next fact; ``BrokenChain`` when it is not the one that was sealed there."""
        seq = record.entry.seq
        if seq != self.seq + 1:
            raise BrokenChain(self.seq + 1, "it is missing")
        if record.hash is not None:
            self._require_sealed(record, record.hash)
            self.sealed_seq, self.hash = seq, record.hash
        if is_erased(record):
            self.unproven[seq] = _left(record)
        if record.entry.type == ERASURE:
            self._take_proofs(record)
        self.seq = seq

    def require_end(self, written: int, sealed: int) -> None:
        """After the last fact: ``BrokenChain`` unless so many were met, and so many of them sealed."""
        if self.seq < written:
            raise BrokenChain(self.seq + 1, "it is missing: the end was cut off")
        if self.sealed_seq < sealed:
            raise BrokenChain(self.sealed_seq + 1, "it has lost its seal")

    def require_proofs(self) -> None:
        """``BrokenChain`` when a fact was changed, as an erasure would, and no erasure says so."""
        if self.unproven:
            raise BrokenChain(min(self.unproven), "its payload was changed, and no erasure of ours says so")

    def _take_proofs(self, record: Record) -> None:
        for seq, proof in record.entry.payload.get("facts", ()):
            left = self.unproven.get(seq)
            is_keyed = proof.startswith(KEYED) or not _keys or record.entry.seq <= self.unkeyed_to
            if left is not None and is_keyed and _fits(proof, left):
                del self.unproven[seq]

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
        if record.salt != UNSALTED and not _fits(hash, _content(record, self.hash)):
            raise BrokenChain(seq, "it was altered, or sealed with another key")


def _fits(seal: str, content: bytes) -> bool:
    keys: Sequence[bytes | None] = _keys if seal.startswith(KEYED) else (None,)
    return any(hmac.compare_digest(seal, _seal(content, key)) for key in keys)


def _commitment(record: Record) -> str:
    """The payload and where the fact came from, salted, as one digest."""
    if record.salt is not None and record.salt.startswith(DIGEST):
        return record.salt.removeprefix(DIGEST)
    payload = orjson.dumps([record.salt, record.entry.payload, _origin(record)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(payload).hexdigest()


def _left(record: Record) -> bytes:
    """All of a fact as it is now, erased parts and its seal included."""
    left = [ERASURE_VERSION, record.entry.payload, *_origin(record), record.salt, record.hash]
    return orjson.dumps([*_parts(record), *left], option=orjson.OPT_SORT_KEYS)


def _content(record: Record, previous: str) -> bytes:
    # Facts from before there was an origin are sealed without one, those from before there were salts with it in the open.
    # Whose origin or salt is taken away later no longer fits.
    known = _origin(record) if record.origin.is_known else []
    if record.salt is not None:
        content = [SALTED_VERSION, *_parts(record), _commitment(record), record.request_id, previous]
    else:
        version = VERSION_WITH_ORIGIN if known else VERSION
        content = [version, *_parts(record), record.entry.payload, record.request_id, *known, previous]
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _origin(record: Record) -> list[object]:
    place = record.origin
    return [place.address, place.user_agent, place.session_id, place.operation]


def _parts(record: Record) -> list[object]:
    entry = record.entry
    return [
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
    ]


def _seal(content: bytes, key: bytes | None) -> str:
    if key is None:
        return PLAIN + _text(hashlib.sha256(content).digest())
    return KEYED + _text(hmac.digest(key, content, "sha256"))


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode().rstrip("=")
