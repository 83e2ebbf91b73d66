"""The keys of encrypted fields as they are written down: ``id:base64`` each, the one that writes first. Pure."""

import re
from base64 import b64decode
from collections.abc import Mapping

from app.kernel.errors import ConfigurationError

KEY_BYTES = 32
HOW = "each is an id of up to 32 letters, digits, - or _, a colon, and 32 random bytes as base64, as in k1:$(openssl rand -base64 32)"
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


def read_field_keys(text: str) -> Mapping[str, bytes]:
    """The keys by their ids, the one that writes first; ``ConfigurationError`` says which entry is wrong, never what it says."""
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(filter(None, re.split(r"[,\s]+", text.strip())), start=1):
        id, colon, encoded = entry.partition(":")
        if not colon or not _ID.fullmatch(id):
            raise ConfigurationError(f"key number {number} has no id; {HOW}")
        try:
            key = b64decode(encoded, validate=True)
        except ValueError:
            raise ConfigurationError(f"the key {id} is not base64; {HOW}") from None
        if len(key) != KEY_BYTES:
            raise ConfigurationError(f"the key {id} has {len(key)} bytes instead of {KEY_BYTES}; {HOW}")
        if id in keys:
            raise ConfigurationError(f"the key {id} is there twice; each has an id of its own")
        keys[id] = key
    if not keys:
        raise ConfigurationError(f"there is no key in it; {HOW}")
    return keys
