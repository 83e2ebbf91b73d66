"""Old facts in files: for each organization and month, lines of JSON, packed, beside a checksum as ``sha256sum`` writes it.

A file is written under another name, brought to the disk, and then gets its own: first the checksum, then the facts. So a
file that is there is whole. None is ever changed, but when personal data is erased: then it is written anew, and while the new
file takes the place of the old, the checksum names both.
"""

import asyncio
import gzip
import hashlib
import os
import re
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self, cast

import orjson

from app.infrastructure.journal import Entry, Origin, Record
from app.infrastructure.storage import sync_folder, write_whole
from app.kernel.errors import ConfigurationError

PAGE_SIZE = 1000
LEFT_BEHIND_SECONDS = 86_400
_NAME = re.compile(r"(?P<month>\d{4}-\d\d)\.(?P<first>\d{12})-(?P<last>\d{12})\.ndjson\.gz")

_folder: Path | None = None


def configure(folder: Path) -> None:
    """Keep this process's archives in a folder."""
    global _folder
    _folder = folder


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """The facts of one organization from ``first`` to ``last``, all of one month."""

    path: Path
    first: int
    last: int

    @property
    def checksum(self) -> Path:
        """The file beside it."""
        return self.path.with_name(f"{self.path.name}.sha256")

    def is_whole(self) -> bool:
        """Whether the content is the one that was written."""
        try:
            told = self.checksum.read_text(encoding="ascii").splitlines()
            return _digest(self.path) in {line.partition(" ")[0] for line in told}
        except (OSError, UnicodeDecodeError):
            return False

    def delete(self) -> None:
        """Let it go."""
        self.path.unlink(missing_ok=True)
        self.checksum.unlink(missing_ok=True)

    def rewrite(self, records: Sequence[Record]) -> None:
        """Put other versions of the same facts in their place."""
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.tmp")
        try:
            with temporary.open("xb") as file:
                with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
                    packed.write(b"".join(map(_line, records)))
                file.flush()
                os.fsync(file.fileno())
            old, new = _digest(self.path), _digest(temporary)
            write_whole(self.checksum, f"{old}  {self.path.name}\n{new}  {self.path.name}\n".encode())
            temporary.replace(self.path)
            sync_folder(self.path.parent)
            write_whole(self.checksum, f"{new}  {self.path.name}\n".encode())
        finally:
            temporary.unlink(missing_ok=True)

    def records(self) -> Iterator[Record]:
        """Its facts, oldest first; ``OSError`` or ``ValueError`` when it cannot be read."""
        try:
            with gzip.open(self.path, "rb") as lines:
                yield from map(_record, lines)
        except (EOFError, zlib.error) as damage:
            raise ValueError(str(damage)) from damage


def files_of(organization_id: str) -> list[ArchiveFile]:
    """The files of an organization, oldest first."""
    try:
        names = [path.name for path in _folder_of(organization_id).iterdir()]
    except FileNotFoundError:
        return []
    found = [
        ArchiveFile(_folder_of(organization_id) / name, int(match["first"]), int(match["last"]))
        for name in names
        if (match := _NAME.fullmatch(name))
    ]
    return sorted(found, key=lambda one: (one.first, one.last))


def files_from(organization_id: str, first: int) -> list[ArchiveFile]:
    """The files that begin with a fact, the longest first: there are two when two processes archived the same facts."""
    return [one for one in reversed(files_of(organization_id)) if one.first == first]


def files_with(organization_id: str, seq: int, archived_seq: int) -> list[ArchiveFile]:
    """The files that hold a fact and none behind ``archived_seq``; those that go on farthest come first."""
    holding = [one for one in files_of(organization_id) if one.first <= seq <= one.last <= archived_seq]
    return sorted(holding, key=lambda one: one.last, reverse=True)


async def pages(file: ArchiveFile) -> AsyncIterator[list[Record]]:
    """A file's facts in pages, read beside the loop."""
    records = file.records()
    while page := await asyncio.to_thread(lambda: list(islice(records, PAGE_SIZE))):
        yield page


async def find_record(organization_id: str, seq: int) -> Record | None:
    """A fact that is in the archive."""

    def look() -> Record | None:
        for file in files_of(organization_id):
            if file.first <= seq <= file.last:
                return next((one for one in file.records() if one.entry.seq == seq), None)
        return None

    return await asyncio.to_thread(look)


class ArchiveWriter:
    """A file that is being written. It appears with ``finish``, and leaves nothing behind when the block ends without."""

    def __init__(self, organization_id: str, month: str, first: int) -> None:
        self._folder = _folder_of(organization_id)
        self._month = month
        self._first = self._last = first
        self._temporary = self._folder / f".{month}.{secrets.token_hex(6)}.tmp"
        self._file: IO[bytes] | None = None
        self._packed: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self._folder.parent)
        for left in self._folder.glob(".*.tmp"):
            if left.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS:
                left.unlink(missing_ok=True)
        self._file = self._temporary.open("xb")
        self._packed = cast(IO[bytes], gzip.GzipFile(fileobj=self._file, mode="wb", filename="", mtime=0))
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        with suppress(FileNotFoundError):
            self._temporary.unlink()

    def add(self, records: Sequence[Record]) -> None:
        """Write down the next facts."""
        assert self._packed is not None
        self._packed.write(b"".join(_line(record) for record in records))
        self._last = records[-1].entry.seq

    def finish(self) -> ArchiveFile:
        """Give the file its name."""
        self._close()
        name = f"{self._month}.{self._first:012d}-{self._last:012d}.ndjson.gz"
        made = ArchiveFile(self._folder / name, self._first, self._last)
        write_whole(made.checksum, f"{_digest(self._temporary)}  {name}\n".encode())
        self._temporary.replace(made.path)
        sync_folder(self._folder)
        return made

    def _close(self) -> None:
        if self._packed is not None and self._file is not None:
            packed, file, self._packed, self._file = self._packed, self._file, None, None
            packed.close()
            file.flush()
            os.fsync(file.fileno())
            file.close()


def month_of(moment: datetime) -> str:
    """The month of a time, as in ``2026-03``."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def _folder_of(organization_id: str) -> Path:
    if _folder is None:
        raise ConfigurationError("no archive was configured; set TRUCKROLL_JOURNAL_ARCHIVE to a folder.")
    return _folder / organization_id


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(record: Record) -> bytes:
    entry = record.entry
    fields: dict[str, Any] = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    seal: dict[str, Any] = {"request_id": record.request_id, "previous_hash": record.previous_hash, "hash": record.hash}
    place = record.origin
    if place.is_known:
        seal["origin"] = [place.address, place.user_agent, place.session_id, place.operation]
    if record.salt is not None:
        seal["salt"] = record.salt
    return orjson.dumps(fields | seal, option=orjson.OPT_APPEND_NEWLINE)


def _record(line: bytes) -> Record:
    try:
        told = orjson.loads(line)
        seal = {name: told.pop(name) for name in ("request_id", "previous_hash", "hash")}
        origin, salt = Origin(*told.pop("origin", ())), told.pop("salt", None)
        told |= {"at": datetime.fromisoformat(told["at"]), "technician_ids": tuple(told["technician_ids"])}
        return Record(Entry(**told), **seal, origin=origin, salt=salt)
    except (KeyError, TypeError) as damage:
        raise ValueError(f"this is no fact: {damage}") from damage
