"""Which keys encrypted fields have: those of the settings, else one that is made in the data folder at the first start.

The database notes which keys its fields are sealed with. A process that lacks one of them does not start, so that nobody begins
with a key of their own beside the others, or after the old one was lost.
"""

import hmac
import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from app import database
from app.infrastructure import encryption
from app.infrastructure.models import FieldKey
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfigurationError
from app.kernel.field_keys import KEY_BYTES, read_field_keys

FILE = "field-keys"


async def start(keys: Mapping[str, bytes] | None, folder: Path) -> None:
    """Use the keys of the settings, else the one in the data folder; ``ConfigurationError`` when the database needs others."""
    known = {row.id: row.proof for row in await FieldKey.all()}
    if keys is None:
        keys = _keys_of_file(folder / FILE, make=not known)
    for id, proof in known.items():
        if id not in keys:
            raise ConfigurationError(
                f"The database has fields that are encrypted with the key {id}, and it is not there; add it to "
                f"TRUCKROLL_FIELD_KEYS, or bring {folder / FILE} back."
            )
        if not hmac.compare_digest(proof, _proof(keys[id])):
            raise ConfigurationError(
                f"The key {id} is another than the one of that id with which the database's fields are encrypted; "
                "set TRUCKROLL_FIELD_KEYS to the right one."
            )
    encryption.configure(keys)
    first = encryption.writing_key()
    if first not in known:
        row = FieldKey(id=first, proof=_proof(keys[first]), since=utc_now())
        await database.unit_of_work(lambda: FieldKey.bulk_create([row], ignore_conflicts=True))
        # Somebody else may have begun with another key at the same moment, from another folder.
        await start(keys, folder)


async def forget_keys_but_the_first() -> list[str]:
    """Note that nothing is encrypted with other keys than ours any more; their ids."""
    gone = [row.id for row in await FieldKey.all() if row.id != encryption.writing_key()]
    await database.unit_of_work(lambda: FieldKey.filter(id__in=gone).delete())
    return gone


def _proof(key: bytes) -> str:
    return hmac.digest(key, b"truckroll field key", "sha256").hex()


def _keys_of_file(path: Path, *, make: bool) -> Mapping[str, bytes]:
    if make and not path.exists():
        _make(path)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise ConfigurationError(
            f"The database has encrypted fields, and {path} with their key is gone; bring it back, or set "
            "TRUCKROLL_FIELD_KEYS."
        ) from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} cannot be read; make it readable, or set TRUCKROLL_FIELD_KEYS.") from None
    if mode & 0o077:
        raise ConfigurationError(f"Others than its owner may read {path}; run `chmod 600 {path}`.")
    try:
        return read_field_keys(text)
    except ConfigurationError as problem:
        raise ConfigurationError(f"{path} cannot be used: {problem}.") from None


def _make(path: Path) -> None:
    """A key of our own, for whoever sets none. Of two processes that make one at the same time, the first's counts."""
    key = f"k{secrets.token_hex(4)}:{b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
