"""Encrypted columns: what even somebody who reads the database must not read, such as access codes and secrets.

A table names its columns in ``encrypted``; ``add_row`` and ``change_row`` seal them, ``opened`` gives a row's text. A value is
``enc1:<key id>:<base64 of nonce and AES-256-GCM text>``. The cipher also covers where the value stands (table, column, row and
organization), so it cannot be moved to where somebody else may read it. What does not begin with ``enc1:`` was written before
there was encryption: it is read as it is, and ``truckroll encrypt`` seals it.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.kernel.errors import ConfigurationError

MARK = "enc1:"
NONCE_BYTES = 12
KEPT_SECRET = "[kept secret]"


class Undecipherable(Exception):
    """A value that none of our keys opens, that was altered, or that belongs to another place."""


_ciphers: dict[str, AESGCM] = {}
_marking = b""


def configure(keys: Mapping[str, bytes]) -> None:
    """Seal with the first of some keys, and open with any of them."""
    global _ciphers, _marking
    _ciphers = {id: AESGCM(key) for id, key in keys.items()}
    _marking = hmac.digest(next(iter(keys.values())), b"truckroll marks", "sha256") if keys else b""


def writing_key() -> str:
    """The id of the key that seals."""
    if not _ciphers:
        raise ConfigurationError("no key for encrypted fields was configured; set TRUCKROLL_FIELD_KEYS.")
    return next(iter(_ciphers))


def seal(table: str, column: str, row_id: str, organization_id: str, text: str) -> str:
    """A text as an encrypted column keeps it. Nothing is kept as nothing."""
    if text == "":
        return ""
    id, nonce = writing_key(), secrets.token_bytes(NONCE_BYTES)
    sealed = _ciphers[id].encrypt(nonce, text.encode(), _place(table, column, row_id, organization_id))
    return f"{MARK}{id}:{urlsafe_b64encode(nonce + sealed).decode()}"


def unseal(table: str, column: str, row_id: str, organization_id: str, stored: str) -> str:
    """The text of a value that stands there; ``Undecipherable`` when it was altered, moved, or its key is not ours."""
    if not stored.startswith(MARK):
        return stored
    where = f"{table}.{column} of {row_id}"
    id, _, encoded = stored.removeprefix(MARK).partition(":")
    if id not in _ciphers:
        raise Undecipherable(f"{where} is encrypted with the key {id!r}, which TRUCKROLL_FIELD_KEYS lacks")
    try:
        both = urlsafe_b64decode(encoded)
        place = _place(table, column, row_id, organization_id)
        return _ciphers[id].decrypt(both[:NONCE_BYTES], both[NONCE_BYTES:], place).decode()
    except (InvalidTag, ValueError):
        raise Undecipherable(f"{where} was altered, or put there from elsewhere") from None


def opened(row: Any, column: str) -> Any:
    """The text of a row's encrypted column; None where there is none."""
    stored = getattr(row, column)
    return None if stored is None else unseal(row._meta.db_table, column, row.id, row.organization_id, stored)


def mark(purpose: str, text: str) -> str:
    """What a text is known by again that must not be kept itself. Nobody who lacks our key finds the text by trying."""
    writing_key()
    return hmac.digest(_marking, f"{purpose}:{text}".encode("utf-8", "replace"), "sha256").hex()


def _place(table: str, column: str, row_id: str, organization_id: str) -> bytes:
    return f"{table}:{column}:{row_id}:{organization_id}".encode()
