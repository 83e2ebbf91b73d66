"""Files, kept by what is in them: the key is the SHA-256 of the content, so the same file is kept once and never changes."""

import asyncio
import hashlib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

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
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename outlast a power failure, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
