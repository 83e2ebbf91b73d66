"""Files are kept whole, by what is in them, and nowhere but in their folder."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from app.infrastructure import storage as storage_module
from app.infrastructure.storage import FolderStorage, GrowingFiles, key_of, write_whole
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


@pytest.fixture
def growing(tmp_path: Path) -> GrowingFiles:
    return GrowingFiles(tmp_path / "growing", megabytes_max=2)


async def test_a_file_that_grows_is_not_there_until_it_is_finished(growing: GrowingFiles) -> None:
    file = await growing.begin("a.1")
    await file.append(b"hello ")
    await file.append(b"world")
    assert await file.save() == 11
    with pytest.raises(NotFound):
        await growing.find("a.1")
    file.close()
    await growing.finish("a.1")
    assert (await growing.find("a.1")).read_bytes() == b"hello world"
    assert await growing.names() == {"a.1"}
    assert growing.bytes_max == 2 * 1024 * 1024


async def test_one_goes_on_from_as_much_of_another_as_was_saved(
    growing: GrowingFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "COPY_BYTES", 3)
    first = await growing.begin("a.1")
    await first.append(b"0123456789 and what came after the last note")
    await first.save()
    second = await growing.begin("a.2", like="a.1", length=10)
    await first.append(b"!")
    await second.append(b"abc")
    assert await second.save() == 13
    first.close()
    second.close()
    await growing.finish("a.2")
    assert (await growing.find("a.2")).read_bytes() == b"0123456789abc"
    for like, length in (("a.1", 1000), ("a.9", 1)):
        with pytest.raises(NotFound):
            await growing.begin("a.3", like=like, length=length)
    await growing.delete("a.1")
    await growing.delete("a.1")
    assert files(tmp_path) == ["growing/a.2"]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".a", "A", "a" * 90, "a\x00"])
async def test_no_name_leads_out_of_the_folder(growing: GrowingFiles, name: str) -> None:
    for attempt in (growing.begin, growing.finish, growing.find, growing.delete):
        with pytest.raises(NotFound):
            await attempt(name)
