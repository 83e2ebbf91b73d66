"""What plain objects of one list point to, read together: one statement for each type, however long the list is."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from schema.kit.context import Context
from schema.kit.reading.door import read_many
from schema.kit.reading.selection import Info

T = TypeVar("T")
Waiting = list[tuple[Any, "asyncio.Future[Any]"]]


async def read_together(row_id: str | None, info: Info) -> Any:
    """What a field asks of the row of an id, of whatever type it is, or None. It waits for its neighbours in the list."""
    if row_id is None:
        return None

    async def read(ids: Sequence[str]) -> list[Any]:
        once = list(dict.fromkeys(ids))
        found = dict(zip(once, await read_many(once, info), strict=True))
        return [found[id] for id in ids]

    return await wait_for_neighbours(row_id, info, read)


async def wait_for_neighbours(
    item: T, info: Info, answer_all: Callable[[Sequence[T]], Awaitable[Sequence[Any]]]
) -> Any:
    """The answer to one item, which is asked for together with those of the field's neighbours in the list."""
    context: Context = info.context
    place = tuple(map(id, info.field_nodes))
    others = context.waiting.get(place)
    if others is not None:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        others.append((item, answer))
        return await answer
    others = context.waiting[place] = []
    await asyncio.sleep(0)  # the list's other fields are begun before this one goes on
    del context.waiting[place]
    return await _first_of_all(item, others, answer_all)


async def _first_of_all(
    first: T, others: Waiting, answer_all: Callable[[Sequence[T]], Awaitable[Sequence[Any]]]
) -> Any:
    """The first one's answer; the others that wait are told theirs."""
    try:
        found = await answer_all([first, *(item for item, _ in others)])
        for (_, answer), one in zip(others, found[1:], strict=True):
            if not answer.done():
                answer.set_result(one)
        return found[0]
    except Exception as error:
        for _, answer in others:
            if not answer.done():
                answer.set_exception(error)
        raise
    finally:
        for _, answer in others:
            answer.cancel()  # that is for when this is broken off: those that were told stay as they are
