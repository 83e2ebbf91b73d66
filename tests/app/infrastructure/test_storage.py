"""Files are kept whole, by what is in them, and nowhere but in their folder."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from app.infrastructure import storage as storage_module
from app.infrastructure.storage import FolderStorage, key_of, write_whole
from app.kernel.errors import ConfigurationError, NotFound


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "files")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 1000])
async def test_gives_back_what_was_put(storage: FolderStorage, content: bytes) -> None:
    key = await storage.put(content)
    assert key == hashlib.sha256(content).hexdigest()
    assert await storage.get(key) == content


async def test_the_same_content_is_kept_once(storage: FolderStorage, tmp_path: Path) -> None:
    keys = await asyncio.gather(*(storage.put(b"hello") for _ in range(20)))
    assert len(set(keys)) == 1
    assert len(files(tmp_path)) == 1


async def test_forgets(storage: FolderStorage, tmp_path: Path) -> None:
    key = await storage.put(b"hello")
    assert await storage.delete(key)
    assert not await storage.delete(key)
    with pytest.raises(NotFound):
        await storage.get(key)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "key",
    ["", "../../secret", "/etc/passwd", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", "../" + "a" * 61, "a" * 65],
)
async def test_no_key_leads_out_of_the_folder(storage: FolderStorage, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_text("secret")
    for door in (storage.get, storage.delete):
        with pytest.raises(NotFound):
            await door(key)
    assert files(tmp_path) == ["secret"]


async def test_a_damaged_file_is_not_handed_out_and_can_be_put_again(storage: FolderStorage, tmp_path: Path) -> None:
    key = await storage.put(b"hello")
    path = tmp_path / files(tmp_path)[0]
    path.write_bytes(b"hel")
    with pytest.raises(NotFound):
        await storage.get(key)
    assert await storage.put(b"hello") == key
    assert await storage.get(key) == b"hello"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="TRUCKROLL_DATA_FOLDER"):
        FolderStorage(tmp_path / "file" / "folder")


def test_a_key_says_what_is_in_the_file() -> None:
    assert key_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


async def test_a_process_has_one_place_for_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "_storage", None)
    with pytest.raises(ConfigurationError):
        storage_module.files()
    storage_module.configure(tmp_path / "files")
    key = await storage_module.files().put(b"hello")
    assert await FolderStorage(tmp_path / "files").get(key) == b"hello"
