"""Following the journal: what was missed, then what happens, each fact once and in order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from app import database as db
from app.infrastructure import journal, tail
from app.infrastructure.journal import Entry
from app.infrastructure.models import JournalEntry
from app.infrastructure.tail import Tail
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import ResyncRequired
from tests.app.infrastructure.happenings import ring_bell

LONG = 30


@pytest_asyncio.fixture(loop_scope="session")
async def end() -> AsyncIterator[Tail]:
    end = Tail(poll_seconds=0.05)
    try:
        yield end
    finally:
        await end.stop()


async def take(pages: AsyncIterator[list[Entry]], number: int) -> list[int]:
    """The numbers of the next facts; the listener leaves after them."""
    taken: list[int] = []
    async with asyncio.timeout(LONG):
        async for entries in pages:
            taken.extend(entry.seq for entry in entries)
            if len(taken) >= number:
                break
    await pages.aclose()  # type: ignore[attr-defined]
    return taken[:number]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():
            await asyncio.sleep(0.01)


async def test_gives_what_was_missed_and_then_what_happens(
    database: Dialect, actor: Actor, stranger: Actor, end: Tail, bus: None
) -> None:
    await ring_bell(actor, times=3)
    listening = asyncio.create_task(take(end.follow("org_ours", 1), 4))
    await until(lambda: end.listeners == 1)
    await ring_bell(stranger)
    await ring_bell(actor, times=2)
    assert await listening == [2, 3, 4, 5]
    assert end.listeners == 0


async def test_hears_of_news_without_a_bus_too(database: Dialect, actor: Actor, end: Tail) -> None:
    listening = asyncio.create_task(take(end.follow("org_ours", 0), 1))
    await until(lambda: end.listeners == 1)
    await ring_bell(actor)
    assert await listening == [1]


async def test_a_hint_is_faster_than_the_look_around(postgres_database: Dialect, actor: Actor, bus: None) -> None:
    end = Tail(poll_seconds=LONG)
    listening = asyncio.create_task(take(end.follow("org_ours", 0), 1))
    await until(lambda: end.listeners == 1)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await ring_bell(actor)
        assert await listening == [1]
    await end.stop()


async def test_eight_writers_and_twelve_listeners_miss_and_repeat_nothing(
    database: Dialect, actor: Actor, bus: None, end: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A short ring, so that the slow ones fall out of it and read pages.
    monkeypatch.setattr(tail, "RING_LENGTH", 10)
    monkeypatch.setattr(tail, "PAGE_SIZE", 7)
    total = 8 * 20

    async def write() -> None:
        for number in range(10):
            await ring_bell(actor, times=1 + number % 3 if number < 9 else 2)

    async def listen(pause: float) -> list[int]:
        heard = []
        async for entries in end.follow("org_ours", 0):
            heard.extend(entry.seq for entry in entries)
            await asyncio.sleep(pause)
            if heard[-1] == total:
                return heard
        return heard

    async with asyncio.timeout(LONG):
        pauses = [0.0] * 6 + [0.001] * 3 + [0.004] * 3
        results = await asyncio.gather(*(write() for _ in range(8)), *(listen(pause) for pause in pauses))
    assert await journal.head("org_ours") == total
    for heard in results[8:]:
        assert heard == list(range(1, total + 1))
    await until(lambda: end.listeners == 0)


async def test_one_reader_serves_all_listeners(
    database: Dialect, actor: Actor, end: Tail, bus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    read = journal.read

    async def counted(organization_id: str, after: int, limit: int = 500) -> list[Entry]:
        reads.append(after)
        return await read(organization_id, after, limit)

    monkeypatch.setattr(journal, "read", counted)
    listening = [asyncio.create_task(take(end.follow("org_ours", 0), 5)) for _ in range(20)]
    await until(lambda: end.listeners == 20)
    for _ in range(5):
        await ring_bell(actor)
    assert await asyncio.gather(*listening) == [[1, 2, 3, 4, 5]] * 20
    assert len(reads) <= 5


async def test_a_listener_who_reads_nothing_costs_no_more_than_the_ring(
    database: Dialect, actor: Actor, end: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "RING_LENGTH", 10)
    slow = end.follow("org_ours", 0)
    await ring_bell(actor)
    assert [entry.seq for entry in await anext(slow)] == [1]
    await ring_bell(actor, times=100)
    await until(lambda: end._streams["org_ours"].last == 101)
    assert len(end._streams["org_ours"].ring) == 10
    assert await take(slow, 100) == list(range(2, 102))


async def test_a_canceled_listener_leaves_nothing_behind(database: Dialect, actor: Actor, end: Tail, bus: None) -> None:
    await ring_bell(actor)
    for _ in range(20):
        listening = asyncio.create_task(take(end.follow("org_ours", 0), 10))
        await asyncio.sleep(0)
        await asyncio.sleep(0.002)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    await until(lambda: end.listeners == 0)
    await end.stop()
    assert end._streams == {}
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "journal tail"]
    assert await take(end.follow("org_ours", 0), 1) == [1]


async def test_facts_that_are_no_longer_kept_ask_for_a_resync(database: Dialect, actor: Actor, end: Tail) -> None:
    await ring_bell(actor, times=5)
    await JournalEntry.filter(seq__lte=3).delete()
    assert await take(end.follow("org_ours", 3), 2) == [4, 5]
    for place in (0, 2):
        with pytest.raises(ResyncRequired):
            await take(end.follow("org_ours", place), 1)


async def test_a_place_that_was_never_reached_asks_for_a_resync(database: Dialect, actor: Actor, end: Tail) -> None:
    await ring_bell(actor)
    with pytest.raises(ResyncRequired):
        await take(end.follow("org_ours", 2), 1)
    assert end.listeners == 0


@pytest.mark.parametrize("trouble", [db.ConnectionLost, RuntimeError])
async def test_outlives_a_database_that_is_away_and_other_trouble(
    database: Dialect, actor: Actor, end: Tail, monkeypatch: pytest.MonkeyPatch, trouble: type[Exception]
) -> None:
    read_rows, away = db.read_rows, False

    async def sometimes(sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        if away:
            raise trouble
        return await read_rows(sql, values)

    monkeypatch.setattr(db, "read_rows", sometimes)
    listening = asyncio.create_task(take(end.follow("org_ours", 0), 2))
    await until(lambda: end.listeners == 1)
    await ring_bell(actor)
    away = True
    await asyncio.sleep(0.1)
    await ring_bell(actor)
    away = False
    assert await listening == [1, 2]


async def test_a_page_reaches_as_far_as_a_listener_who_read_ahead_of_the_ring(
    database: Dialect, actor: Actor, end: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ring_bell(actor)
    listening = end.follow("org_ours", 0)
    first = asyncio.create_task(anext(listening))
    await until(lambda: end.listeners == 1)
    await first
    await end.stop()  # whoever reads for all is late
    await ring_bell(actor, times=2)
    assert [entry.seq for entry in await end.page("org_ours", 1)] == [2, 3]
    assert await end.page("org_ours", 3) == []
    await listening.aclose()  # type: ignore[attr-defined]  # a generator
