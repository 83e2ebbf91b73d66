"""Old facts go to the archive: whole months, only what nobody needs any more, and none is lost or there twice."""

import asyncio
import gzip
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app import database as db
from app.infrastructure import archives, chain, followers, journal, retention, sealing, tail
from app.infrastructure.archives import ArchiveWriter
from app.infrastructure.audit import Verdict, verify
from app.infrastructure.chain import BrokenChain
from app.infrastructure.followers import Follower, Followers
from app.infrastructure.models import JournalEntry, JournalSeal, ParkedFact
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import ResyncRequired
from tests.app.infrastructure.happenings import break_bell, ring_bell

BEFORE = datetime(2026, 3, 1, tzinfo=UTC)
MONTHS = (("2026-01", 7), ("2026-02", 5), ("2026-03", 3))
ALL = sum(count for _, count in MONTHS)
OLD = ALL - MONTHS[-1][1]


class Killed(Exception):
    """The process was."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    chain.configure(["a key that is known to few people only"])
    archives.configure(tmp_path)
    monkeypatch.setattr(archives, "PAGE_SIZE", 2)
    monkeypatch.setattr(retention, "DELETED_AT_ONCE", 3)
    monkeypatch.setattr(retention, "FOLLOWERS", {})
    monkeypatch.setattr(retention, "_keepers", [])
    yield tmp_path
    chain.configure([])


async def months_of_facts(actor: Actor, *, seal: bool = True) -> list[dict[str, Any]]:
    """Facts of three months, as the table holds them."""
    seq = 0
    for month, count in MONTHS:
        for _ in range(count):
            seq += 1
            await ring_bell(actor)
            at = datetime.fromisoformat(f"{month}-01T00:00:00+00:00") + timedelta(minutes=seq)
            await JournalEntry.filter(organization_id=actor.organization_id, seq=seq).update(at=at)
    if seal:
        await sealing.seal_everything()
    return await JournalEntry.filter(organization_id=actor.organization_id).order_by("seq").values()


async def in_table() -> list[int]:
    return [entry.seq for entry in await journal.read("org_ours", 0)]


async def in_archive() -> list[int]:
    return [
        record.entry.seq
        for file in archives.files_of("org_ours")
        async for page in archives.pages(file)
        for record in page
    ]


def names(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "org_ours").iterdir())


async def test_whole_months_go_into_a_file_each_and_the_chain_goes_through_them(
    database: Dialect, actor: Actor, stranger: Actor, place: Path
) -> None:
    whole = await months_of_facts(actor)
    await break_bell(stranger)
    await sealing.seal_everything()
    assert await retention.archive("org_ours", BEFORE) == OLD
    january, february = "2026-01.000000000001-000000000007.ndjson.gz", "2026-02.000000000008-000000000012.ndjson.gz"
    assert names(place) == sorted([january, february, f"{january}.sha256", f"{february}.sha256"])
    for name in (january, february):
        content = (place / "org_ours" / name).read_bytes()
        assert (place / "org_ours" / f"{name}.sha256").read_text() == f"{hashlib.sha256(content).hexdigest()}  {name}\n"
    assert await in_table() == list(range(OLD + 1, ALL + 1))
    records = [one for file in archives.files_of("org_ours") for one in file.records()]
    assert [
        {"id": r.entry.id, "payload": r.entry.payload, "at": r.entry.at, "hash": r.hash, "request_id": r.request_id}
        for r in records
    ] == [{name: row[name] for name in ("id", "payload", "at", "hash", "request_id")} for row in whole[:OLD]]
    assert await verify("org_ours") == Verdict("org_ours", ALL, ALL, OLD, None)
    assert await verify("org_theirs") == Verdict("org_theirs", 2, 2, 0, None)
    assert not (place / "org_theirs").exists()
    assert await retention.archive("org_ours", BEFORE) == 0
    await ring_bell(actor)
    await sealing.seal_everything()
    assert await verify("org_ours") == Verdict("org_ours", ALL + 1, ALL + 1, OLD, None)


async def test_even_the_newest_fact_may_go_and_the_next_one_follows_it(database: Dialect, actor: Actor) -> None:
    await months_of_facts(actor)
    assert await retention.archive("org_ours", utc_now() + timedelta(days=1)) == ALL
    assert await in_table() == []
    await ring_bell(actor)
    await sealing.seal_everything()
    assert await in_table() == [ALL + 1]
    assert await verify("org_ours") == Verdict("org_ours", ALL + 1, ALL + 1, ALL, None)


async def test_a_file_holds_so_many_facts_at_most(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FACTS_PER_FILE_MAX", 5)
    await months_of_facts(actor)
    assert await retention.archive("org_ours", BEFORE) == OLD
    assert [(file.first, file.last) for file in archives.files_of("org_ours")] == [(1, 5), (6, 7), (8, 12)]
    assert (await verify("org_ours")).broken is None


async def test_what_has_no_seal_stays(database: Dialect, actor: Actor) -> None:
    await months_of_facts(actor, seal=False)
    assert await retention.archive("org_ours", BEFORE) == 0
    assert await in_table() == list(range(1, ALL + 1))


async def test_what_a_follower_has_yet_to_handle_stays(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    async def hear(_: Actor, entry: journal.Entry) -> None:
        if entry.seq == 6 and not heard_all:
            raise ZeroDivisionError
        heard.append(entry.seq)

    heard_all = False
    one = Follower("test.one", frozenset({"BellRung"}), hear)
    forgetful = Follower("test.forgetful", frozenset({"BellRung"}), hear, forget_after_hours=24)
    other = Follower("test.other", frozenset({"BellBroken"}), hear)
    monkeypatch.setattr(retention, "FOLLOWERS", {each.name: each for each in (one, forgetful, other)})
    await months_of_facts(actor)
    assert await retention.archive("org_ours", BEFORE) == 0
    running = Followers([one], retry_seconds_min=0.0)
    await running.catch_up()
    assert await retention.archive("org_ours", BEFORE) == 5
    heard_all = True
    await running.catch_up()
    assert await retention.archive("org_ours", BEFORE) == OLD - 5
    assert sorted(set(heard)) == list(range(1, ALL + 1))
    assert [(file.first, file.last) for file in archives.files_of("org_ours")] == [(1, 5), (6, 7), (8, 12)]


async def test_what_somebody_goes_on_from_stays(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed: dict[str, int | None] = {"org_ours": 3}

    async def keeper(organization_id: str) -> int | None:
        return needed[organization_id]

    retention.keeps_facts(keeper)
    await months_of_facts(actor)
    assert await retention.archive("org_ours", BEFORE) == 3
    needed["org_ours"] = None
    assert await retention.archive("org_ours", BEFORE) == OLD - 3


async def test_a_fact_that_was_set_aside_is_replayed_from_the_archive(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    async def hear(_: Actor, entry: journal.Entry) -> None:
        if broken:
            raise ZeroDivisionError
        heard.append(entry.seq)

    broken = True
    one = Follower("test.one", frozenset({"BellRung"}), hear)
    monkeypatch.setitem(followers.FOLLOWERS, one.name, one)
    monkeypatch.setattr(followers, "TRIES", 1)
    await months_of_facts(actor)
    await Followers([one]).catch_up()
    assert await ParkedFact.all().count() == ALL
    await retention.archive("org_ours", BEFORE)
    broken = False
    for parked in await ParkedFact.filter(seq__in=[2, OLD, ALL]).order_by("seq"):
        await followers.replay_parked_fact(actor, parked.id)
    assert heard == [2, OLD, ALL]


async def test_who_comes_from_before_what_is_kept_is_told_where_to_begin_anew(database: Dialect, actor: Actor) -> None:
    await months_of_facts(actor)
    await retention.archive("org_ours", BEFORE)
    head = journal.cursor_at("org_ours", ALL)
    for seq in (0, OLD - 1, ALL + 1):
        with pytest.raises(ResyncRequired) as told:
            await anext(tail.follow("org_ours", seq))
        assert told.value.data() == {"cursor": head}
    assert [entry.seq for entry in await anext(tail.follow("org_ours", OLD))] == list(range(OLD + 1, ALL + 1))
    await tail.stop()


# Crashes


class Faults:
    """Kills at the n-th step, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        self.deadly: tuple[int, bool] | None = None
        writer = SimpleNamespace(add=ArchiveWriter.add, finish=ArchiveWriter.finish)
        monkeypatch.setattr(ArchiveWriter, "add", self._sync(writer.add))
        monkeypatch.setattr(ArchiveWriter, "finish", self._sync(writer.finish))
        # Whoever is killed does not tidy up.
        leave = ArchiveWriter.__exit__

        def left(writer: ArchiveWriter, kind: Any = None, *rest: object) -> None:
            if kind is not Killed:
                leave(writer, kind, *rest)
            writer._close()

        monkeypatch.setattr(ArchiveWriter, "__exit__", left)
        monkeypatch.setattr(archives, "write_whole", self._sync(archives.write_whole))
        monkeypatch.setattr(Path, "replace", self._sync(Path.replace))
        unit_of_work = self._async(db.unit_of_work)
        monkeypatch.setattr(retention, "database", SimpleNamespace(unit_of_work=unit_of_work, read_rows=db.read_rows))

    def _step(self, after: bool) -> None:
        if self.deadly == (self.steps, after):
            raise Killed

    def _sync(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            self.steps += 1
            step = self.steps
            self._step(after=False)
            result = true(*args)
            if self.deadly == (step, True):
                raise Killed
            return result

        return run

    def _async(self, true: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(*args: Any) -> Any:
            self.steps += 1
            step = self.steps
            self._step(after=False)
            result = await true(*args)
            if self.deadly == (step, True):
                raise Killed
            return result

        return run


async def test_killed_at_any_step_nothing_is_lost_or_there_twice(
    database: Dialect, actor: Actor, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await months_of_facts(actor)
    seal = await JournalSeal.filter(organization_id="org_ours").values("seq", "hash", "archived_seq", "archived_hash")
    faults = Faults(monkeypatch)
    await retention.archive("org_ours", BEFORE)
    steps = faults.steps
    content = {name: (place / "org_ours" / name).read_bytes() for name in names(place)}
    assert steps > 12
    for deadly in [(step, after) for step in range(1, steps + 1) for after in (False, True)]:
        for name in names(place):
            (place / "org_ours" / name).unlink()
        await JournalEntry.all().delete()
        await JournalEntry.bulk_create([JournalEntry(**row) for row in whole])
        await JournalSeal.filter(organization_id="org_ours").update(**seal[0])
        faults.steps, faults.deadly = 0, deadly
        with pytest.raises(Killed):
            await retention.archive("org_ours", BEFORE)
        faults.deadly = None
        assert (await verify("org_ours")).broken is None, deadly
        assert set(await in_table()) | set(await in_archive()) == set(range(1, ALL + 1)), deadly
        await retention.archive("org_ours", BEFORE)
        assert await in_archive() == list(range(1, OLD + 1)), deadly
        assert await in_table() == list(range(OLD + 1, ALL + 1)), deadly
        assert await verify("org_ours") == Verdict("org_ours", ALL, ALL, OLD, None), deadly
        left = {name: (place / "org_ours" / name).read_bytes() for name in names(place) if not name.startswith(".")}
        assert left == content, deadly


async def test_what_a_dead_process_left_unfinished_goes_after_a_day(
    database: Dialect, actor: Actor, place: Path
) -> None:
    await months_of_facts(actor)
    (place / "org_ours").mkdir()
    fresh, stale = place / "org_ours" / ".2026-01.a.tmp", place / "org_ours" / ".2026-01.b.tmp"
    for one in (fresh, stale):
        one.write_bytes(b"half")
    os.utime(stale, (0, 0))
    await retention.archive("org_ours", BEFORE)
    assert fresh.exists() and not stale.exists()


async def test_two_who_archive_at_once_archive_each_fact_once(database: Dialect, actor: Actor) -> None:
    await months_of_facts(actor)
    await asyncio.gather(*(retention.archive("org_ours", BEFORE) for _ in range(3)), return_exceptions=True)
    await retention.archive("org_ours", BEFORE)
    assert await in_archive() == list(range(1, OLD + 1))
    assert await in_table() == list(range(OLD + 1, ALL + 1))
    assert (await verify("org_ours")).broken is None


@pytest.mark.parametrize(("lost", "won"), [(4, 7), (7, 4)])
async def test_who_is_overtaken_by_another_leaves_no_file_of_the_same_facts(
    database: Dialect, actor: Actor, lost: int, won: int
) -> None:
    await months_of_facts(actor)
    slow = await retention._write("org_ours", 0, lost)
    fast = await retention._write("org_ours", 0, won)
    assert slow is not None and fast is not None
    reading = archives.pages
    archives_read = 0

    async def pages(file: archives.ArchiveFile) -> AsyncIterator[list[journal.Record]]:
        nonlocal archives_read
        archives_read += 1
        if archives_read == 1:
            await retention._take_over("org_ours", fast)
        async for page in reading(file):
            yield page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "pages", pages)
        with pytest.raises(OSError, match="another process"):
            await retention._take_over("org_ours", slow)
    assert [(file.first, file.last) for file in archives.files_of("org_ours")] == [(1, won)]
    await retention.archive("org_ours", BEFORE)
    assert await in_archive() == list(range(1, OLD + 1))
    assert await verify("org_ours") == Verdict("org_ours", ALL, ALL, OLD, None)


@pytest.mark.parametrize(("lost", "won"), [(4, 7), (7, 4)])
async def test_a_file_that_one_who_was_overtaken_left_behind_breaks_no_chain(
    database: Dialect, actor: Actor, lost: int, won: int
) -> None:
    await months_of_facts(actor)
    assert await retention._write("org_ours", 0, lost) is not None
    fast = await retention._write("org_ours", 0, won)
    assert fast is not None
    await retention._take_over("org_ours", fast)
    assert await verify("org_ours") == Verdict("org_ours", ALL, ALL, won, None)
    await retention.archive("org_ours", BEFORE)
    assert await in_table() == list(range(OLD + 1, ALL + 1))
    assert await verify("org_ours") == Verdict("org_ours", ALL, ALL, OLD, None)
    await damage(archives.files_of("org_ours")[-1])
    broken = (await verify("org_ours")).broken
    assert broken is not None and broken.seq == 8


async def test_the_name_of_an_organizations_folder_is_brought_to_the_disk(
    sqlite_database: Dialect, actor: Actor, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(archives, "sync_folder", synced.append)
    await months_of_facts(actor)
    assert await retention.archive("org_ours", BEFORE) == OLD
    assert synced == [place, place / "org_ours"] * 2


# Damage


async def alter(file: archives.ArchiveFile) -> None:
    lines = gzip.decompress(file.path.read_bytes()).replace(b"BellRung", b"BellHung", 1)
    content = gzip.compress(lines)
    file.path.write_bytes(content)
    file.checksum.write_text(f"{hashlib.sha256(content).hexdigest()}  {file.path.name}\n")


async def damage(file: archives.ArchiveFile) -> None:
    content = bytearray(file.path.read_bytes())
    content[len(content) // 2] ^= 255
    file.path.write_bytes(bytes(content))


async def take_away(file: archives.ArchiveFile) -> None:
    file.path.unlink()


async def take_checksum_away(file: archives.ArchiveFile) -> None:
    file.checksum.unlink()


async def shorten(file: archives.ArchiveFile) -> None:
    lines = gzip.decompress(file.path.read_bytes()).splitlines(keepends=True)
    content = gzip.compress(b"".join(lines[:-1]))
    file.path.write_bytes(content)
    file.checksum.write_text(f"{hashlib.sha256(content).hexdigest()}  {file.path.name}\n")


@pytest.mark.parametrize(
    ("harm", "wrong"),
    [(alter, 8), (damage, 8), (take_away, 8), (take_checksum_away, 8), (shorten, 12)],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
async def test_an_archive_that_is_not_what_was_written_is_found(
    sqlite_database: Dialect, actor: Actor, harm: Callable[..., Awaitable[None]], wrong: int
) -> None:
    await months_of_facts(actor)
    await retention.archive("org_ours", BEFORE)
    await harm(archives.files_of("org_ours")[1])
    broken = (await verify("org_ours")).broken
    assert broken is not None and broken.seq == wrong


@pytest.mark.parametrize("seq", [1, 5, OLD])
async def test_facts_that_are_not_as_they_were_sealed_are_neither_archived_nor_deleted(
    database: Dialect, actor: Actor, seq: int
) -> None:
    await months_of_facts(actor)
    await JournalEntry.filter(seq=seq).update(actor_id="usr_nobody")
    with pytest.raises(BrokenChain) as told:
        await retention.archive("org_ours", BEFORE)
    assert told.value.seq == seq
    assert set(range(seq, ALL + 1)) <= set(await in_table())
    await JournalEntry.filter(seq=seq).delete()
    with pytest.raises(BrokenChain):
        await retention.archive("org_ours", BEFORE)


async def test_by_the_clock_one_that_cannot_be_archived_holds_up_no_other(
    database: Dialect, actor: Actor, stranger: Actor
) -> None:
    await months_of_facts(actor)
    await months_of_facts(stranger)
    await JournalEntry.filter(organization_id="org_ours", seq=2).update(actor_id="usr_nobody")
    assert await retention.archive_old_facts() == 0
    retention.configure(1)
    try:
        with pytest.raises(BrokenChain):
            await retention.archive_old_facts()
    finally:
        retention.configure(0)
    assert await in_table() == list(range(1, ALL + 1))
    assert await journal.read("org_theirs", 0) == []


async def test_facts_are_verified_while_they_are_archived(database: Dialect, actor: Actor) -> None:
    await months_of_facts(actor)
    archiving = asyncio.create_task(retention.archive("org_ours", BEFORE))
    verdicts: list[Verdict] = []
    while not archiving.done():
        verdicts.append(await verify("org_ours"))
        await asyncio.sleep(0)
    assert await archiving == OLD
    assert [one.broken for one in verdicts] == [None] * len(verdicts)
