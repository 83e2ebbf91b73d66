"""Heads of the journal as documents that can be kept elsewhere: signed, if there is a key, and written to a folder every day.

A document is lines of text: what it is and when it was made, a head per organization, and a signature over all lines before
it (Ed25519). Whoever has the public key can tell later that the document is ours, and by its heads whether the journal still
begins as it did: also where the end was cut off, and where somebody who has the key of the seals made them anew.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.infrastructure import audit, journal
from app.infrastructure.audit import Head
from app.infrastructure.command import command
from app.infrastructure.models import JournalEntry
from app.infrastructure.storage import write_whole
from app.infrastructure.timers import every
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfigurationError, InvalidInput
from app.kernel.events import Fact
from app.kernel.permissions import Permission

TITLE = "truckroll-heads-1"
SIGNED = "signed"
DAY_SECONDS, HOUR_SECONDS = 86_400, 3600
KEY_BYTES = 32

_key: Ed25519PrivateKey | None = None
_folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class HeadExported(Fact):
    """The head of the journal was written to a file, signed or not."""

    noun: ClassVar[str] = "journal"
    confidential: ClassVar[bool] = True

    seq: int
    seal: str
    file: str
    public_key: str | None


@dataclass(frozen=True, kw_only=True)
class JournalVerified(Fact):
    """Somebody walked along all facts up to this one, and every seal held."""

    noun: ClassVar[str] = "journal"
    confidential: ClassVar[bool] = True

    seq: int
    seal: str


@dataclass(frozen=True, slots=True)
class Document:
    """Heads that were read: when the document was made, and the public key that signed it, if it was signed."""

    heads: tuple[Head, ...]
    at: datetime | None = None
    public_key: str | None = None


def configure(key: str | None, folder: Path) -> None:
    """Sign with a private key, if there is one, and write each day's heads to a folder."""
    global _key, _folder
    _key, _folder = (read_private_key(key) if key is not None else None), folder


def new_private_key() -> str:
    """A fresh private key, as the setting takes it."""
    return b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def read_private_key(text: str) -> Ed25519PrivateKey:
    """A private key as it was printed."""
    return Ed25519PrivateKey.from_private_bytes(_bytes_of(text))


def public_key_of(key: Ed25519PrivateKey) -> str:
    """The public half, as people hand it on."""
    return b64encode(key.public_key().public_bytes_raw()).decode()


def public_key() -> str | None:
    """The public half of our key, if we have one."""
    return public_key_of(_key) if _key is not None else None


def require_key() -> Ed25519PrivateKey:
    """Our key, else ``ConfigurationError``."""
    if _key is None:
        raise ConfigurationError(
            "there is no key to sign with; set TRUCKROLL_AUDIT_KEY to what `truckroll audit key` prints."
        )
    return _key


def document_of(heads: Sequence[Head], at: datetime, key: Ed25519PrivateKey | None = None) -> str:
    """Heads as a document, signed if a key is given."""
    lines = [f"{TITLE} {at.astimezone(UTC).isoformat(timespec='seconds')}", *map(str, heads)]
    text = "".join(f"{line}\n" for line in lines)
    if key is None:
        return text
    return f"{text}{SIGNED} {public_key_of(key)} {b64encode(key.sign(text.encode())).decode()}\n"


def document_now(heads: Sequence[Head]) -> str:
    """Heads as a document of this moment, signed if we have a key."""
    return document_of(heads, utc_now(), _key)


def read_document(text: str, trusted: str | None = None) -> Document:
    """The heads of a document, or of plain lines as `audit head` prints them.

    A signature is checked against the key that is trusted, or else ours; with neither, or with a wrong signature, the
    document is refused. So is one without a signature where a key is named.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    at, signer = None, None
    if lines and lines[-1].startswith(f"{SIGNED} "):
        signer = _require_signature(text, lines.pop(), trusted or public_key())
    elif trusted is not None:
        raise InvalidInput("This document has no signature, and so it may be anybody's.")
    if lines and lines[0].startswith(f"{TITLE} "):
        at = datetime.fromisoformat(lines.pop(0).split()[1])
    return Document(tuple(map(audit.read_head, lines)), at, signer)


def _require_signature(text: str, line: str, trusted: str | None) -> str:
    match line.split():
        case [_, signer, signature]:
            pass
        case _:
            raise InvalidInput("The signature of this document was altered.")
    if trusted is None:
        raise InvalidInput(f"This document is signed with {signer[:60]}; say that you trust it with --public-key.")
    if signer != trusted:
        raise InvalidInput(f"This document is signed with {signer[:60]}, and not with the key that is trusted.")
    try:
        signed = text[: text.rindex(line)].encode()
        decoded = b64decode(signature, validate=True)
        if b64encode(decoded).decode() != signature:
            raise ValueError("base64 has bits to spare")
        Ed25519PublicKey.from_public_bytes(_bytes_of(signer)).verify(decoded, signed)
    except (InvalidSignature, ValueError):
        raise InvalidInput("The signature does not fit: this document was altered.") from None
    return signer


def _bytes_of(text: str) -> bytes:
    try:
        found = b64decode(text.strip(), validate=True)
    except ValueError:
        found = b""
    if len(found) != KEY_BYTES:
        raise InvalidInput(f"A key to sign with is {KEY_BYTES} bytes in base64.")
    return found


@every(seconds=DAY_SECONDS, name="infrastructure.export_heads", first_after=HOUR_SECONDS)
async def export_heads() -> int:
    """Write the heads of all journals to the day's file, and a fact of it into each; how many."""
    assert _folder is not None, "no folder for heads was configured"
    folder, now = _folder, utc_now()
    heads = [head for id in await audit.organizations() if (head := await audit.find_head(id)) is not None]
    if not heads:
        return 0
    path = folder / f"{now:%Y-%m-%dT%H%M%S}.txt"

    def write() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, document_of(heads, now, _key).encode())

    await asyncio.to_thread(write)
    for head in heads:
        await note_exported_head(system_actor(head.organization_id), head.seq, head.hash, path.name)
    return len(heads)


@command(Permission.VIEW_AUDIT)
async def note_exported_head(actor: Actor, seq: int, seal: str, file: str) -> str:
    """Record that a head was written to a file."""
    about = {"seq": seq, "seal": seal, "file": file, "public_key": public_key()}
    journal.record(HeadExported(subject_id=actor.organization_id, **about))  # type: ignore[arg-type]  # each is as declared
    return file


@command(Permission.VIEW_AUDIT)
async def note_verified_journal(actor: Actor, seq: int, seal: str) -> str:
    """Record that the journal was found to be what was written."""
    journal.record(JournalVerified(subject_id=actor.organization_id, seq=seq, seal=seal))
    return seal


async def last_of(organization_id: str, fact: type[Fact]) -> JournalEntry | None:
    """The newest fact of a kind that is still in the database."""
    found = JournalEntry.filter(organization_id=organization_id, type=fact.__name__)
    return await found.order_by("-at", "-id").first()


def seq_in(entry: JournalEntry | None) -> int | None:
    """Up to which fact a head that was exported, or a journal that was verified, went."""
    seq = entry.payload.get("seq") if entry is not None else None
    return seq if isinstance(seq, int) else None
