"""Reads that many want at the same moment: done once, and never older than the question."""

import asyncio

import pytest

from app.infrastructure.sharing import SharedReads


class Source:
    """Something that changes while it is read."""

    def __init__(self) -> None:
        self.value = 0
        self.reads: list[str] = []
        self.open = asyncio.Event()

    async def read(self, key: str) -> int:
        self.reads.append(key)
        seen = self.value
        await self.open.wait()
        return seen


async def test_all_who_ask_at_once_share_one_read_by_key() -> None:
    source = Source()
    source.open.set()
    shared = SharedReads(source.read)
    assert await asyncio.gather(*[shared.get(key) for key in "aabab"]) == [0] * 5
    assert sorted(source.reads) == ["a", "b"]
    await shared.get("a")
    assert source.reads.count("a") == 2


async def test_who_asks_while_a_read_is_under_way_does_not_get_what_it_saw() -> None:
    source = Source()
    shared = SharedReads(source.read)
    early = asyncio.create_task(shared.get("a"))
    await asyncio.sleep(0.01)
    source.value = 1
    late = [asyncio.create_task(shared.get("a")) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert source.reads == ["a"]
    source.open.set()
    assert await early == 0
    assert await asyncio.gather(*late) == [1, 1, 1]
    assert source.reads == ["a", "a"]


async def test_who_leaves_does_not_take_the_answer_from_the_others() -> None:
    source = Source()
    shared = SharedReads(source.read)
    first, second = (asyncio.create_task(shared.get("a")) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    source.open.set()
    assert await second == 0
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_read_that_fails_fails_for_those_who_asked_and_not_for_the_next() -> None:
    failing = True

    async def read(key: str) -> str:
        if failing:
            raise ZeroDivisionError
        return key

    shared = SharedReads(read)
    answers = await asyncio.gather(shared.get("a"), shared.get("a"), return_exceptions=True)
    assert [type(one) for one in answers] == [ZeroDivisionError] * 2
    failing = False
    assert await shared.get("a") == "a"
