"""Files. Most are kept by what is in them: the key is the SHA-256 of the content, so the same file is kept once and never
changes. Bulk exports grow piece by piece and go on where they were after a crash: those are kept by name."""

import asyncio
import hashlib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from app.kernel.errors import ConfigurationError, NotFound

_KEY = re.compile(r"[0-9a-f]{64}")


class Storage(Protocol):
    """A place for files."""

    async def put(self, content: bytes) -> str:
        """Keep a content; its key."""
        ...

    async def get(self, key: str) -> bytes:
        """The content of a key, else ``NotFound``."""
        ...

    async def delete(self, key: str) -> bool:
        """Forget a content; whether there was one."""
        ...


def key_of(content: bytes) -> str:
    """The key under which a content is kept."""
    return hashlib.sha256(content).hexdigest()


class FolderStorage:
    """Files in a folder, two levels deep. A file appears whole or not at all, also when the power fails."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"TRUCKROLL_DATA_FOLDER: the folder {folder} cannot be made ({error.strerror}); set one that can be written."
            ) from None
        self._folder = folder.resolve()

    async def put(self, content: bytes) -> str:
        """Keep a content; its key."""
        return await asyncio.to_thread(self._put, content)

    async def get(self, key: str) -> bytes:
        """The content of a key, else ``NotFound``; a file that was damaged is not handed out."""
        return await asyncio.to_thread(self._get, key)

    async def delete(self, key: str) -> bool:
        """Forget a content; whether there was one."""
        return await asyncio.to_thread(self._delete, key)

    def _put(self, content: bytes) -> str:
        key = key_of(content)
        path = self._path(key)
        if not (path.is_file() and path.stat().st_size == len(content)):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        return key

    def _get(self, key: str) -> bytes:
        try:
            content = self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound("file", key) from None
        if key_of(content) != key:
            raise NotFound("file", key)
        return content

    def _delete(self, key: str) -> bool:
        try:
            self._path(key).unlink()
        except FileNotFoundError:
            return False
        return True

    def _path(self, key: str) -> Path:
        """Where a key's file is. A key is checked, so no key leads out of the folder."""
        if not _KEY.fullmatch(key):
            raise NotFound("file", key[:80])
        return self._folder / key[:2] / key[2:4] / key


_storage: Storage | None = None


def configure(folder: Path) -> None:
    """Keep this process's files in a folder."""
    global _storage
    _storage = FolderStorage(folder)


def files() -> Storage:
    """Where this process keeps its files."""
    if _storage is None:
        raise ConfigurationError("no storage was configured; set TRUCKROLL_DATA_FOLDER to a folder for files.")
    return _storage


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what a folder names outlast a power failure, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Files that grow


_NAME = re.compile(r"[a-z0-9_.]{1,80}")
PART = ".part"
COPY_BYTES = 1024 * 1024


class GrowingFiles:
    """Large files that are written piece by piece, in a folder of their own. One that is not finished is a ``.part``."""

    def __init__(self, folder: Path, megabytes_max: int) -> None:
        self._folder = folder
        self.bytes_max = megabytes_max * 1024 * 1024

    async def begin(self, name: str, *, like: str | None = None, length: int = 0) -> "GrowingFile":
        """A new file: empty, or with the first bytes of another that was not finished. ``NotFound`` when that has less."""
        return await asyncio.to_thread(self._begin, name, like, length)

    async def finish(self, name: str) -> None:
        """Give a file that was saved its name: it appears whole."""
        await asyncio.to_thread(self._finish, name)

    async def delete(self, name: str) -> None:
        """Forget a file, finished or not, if there is one."""
        await asyncio.to_thread(self._delete, name)

    async def find(self, name: str) -> Path:
        """Where a finished file is, else ``NotFound``."""
        path = self._path(name)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("file", name)
        return path

    async def names(self) -> set[str]:
        """The names of all files, finished or not."""
        return await asyncio.to_thread(
            lambda: {path.name.removesuffix(PART) for path in self._folder.glob("*") if _NAME.fullmatch(path.name)}
        )

    def _begin(self, name: str, like: str | None, length: int) -> "GrowingFile":
        self._folder.mkdir(parents=True, exist_ok=True)
        made = GrowingFile(self._path(name + PART).open("w+b"))
        try:
            if like is not None:
                self._copy(like, length, made)
        except BaseException:
            made.close()
            self._delete(name)
            raise
        return made

    def _copy(self, name: str, length: int, to: "GrowingFile") -> None:
        try:
            with self._path(name + PART).open("rb") as file:
                while to.size < length and (piece := file.read(min(COPY_BYTES, length - to.size))):
                    to.write(piece)
        except FileNotFoundError:
            raise NotFound("file", name) from None
        if to.size < length:
            raise NotFound("file", name)

    def _finish(self, name: str) -> None:
        self._path(name + PART).replace(self._path(name))
        sync_folder(self._folder)

    def _delete(self, name: str) -> None:
        for path in (self._path(name), self._path(name + PART)):
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """Where a file is. A name is checked, so none leads out of the folder."""
        if not _NAME.fullmatch(name) or name.startswith("."):
            raise NotFound("file", name[:80])
        return self._folder / name


class GrowingFile:
    """One file that is being written. What was saved outlasts a crash; what was not, may not."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add to the end."""
        self._file.write(data)
        self.size += len(data)

    async def append(self, data: bytes) -> None:
        """Add to the end, in a thread."""
        await asyncio.to_thread(self.write, data)

    async def save(self) -> int:
        """Make what was written outlast a crash; how long the file is."""
        await asyncio.to_thread(self._save)
        return self.size

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _save(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


_exports: GrowingFiles | None = None


def configure_exports(folder: Path, megabytes_max: int = 1024) -> None:
    """Keep this process's bulk exports in a folder, each of at most so many megabytes."""
    global _exports
    _exports = GrowingFiles(folder, megabytes_max)


def exports() -> GrowingFiles:
    """Where this process keeps bulk exports."""
    if _exports is None:
        raise ConfigurationError(
            "no folder for exports was configured; set TRUCKROLL_DATA_FOLDER to a folder for files."
        )
    return _exports
