"""Rows that plain objects of one list point to, read together: one statement for each type, however long the list is."""

import asyncio
from typing import Any

from schema.kit.context import Context
from schema.kit.reading.door import read_many
from schema.kit.reading.selection import Info


async def read_together(row_id: str | None, info: Info) -> Any:
    """What a field asks of the row of an id, of whatever type it is, or None. It waits for its neighbours in the list."""
    if row_id is None:
        return None
    context: Context = info.context
    place = tuple(map(id, info.field_nodes))
    others = context.waiting.get(place)
    if others is not None:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        others.append((row_id, answer))
        return await answer
    others = context.waiting[place] = []
    await asyncio.sleep(0)  # the list's other fields are begun before this one goes on
    del context.waiting[place]
    return (await _rows(row_id, others, info))[row_id]


async def _rows(first: str, others: list[tuple[str, "asyncio.Future[Any]"]], info: Info) -> dict[str, Any]:
    """The rows by their ids; the others that wait are told."""
    ids = list(dict.fromkeys([first, *(row_id for row_id, _ in others)]))
    try:
        found = dict(zip(ids, await read_many(ids, info), strict=True))
        for row_id, answer in others:
            if not answer.done():
                answer.set_result(found[row_id])
        return found
    except Exception as error:
        for _, answer in others:
            if not answer.done():
                answer.set_exception(error)
        raise
    finally:
        for _, answer in others:
            answer.cancel()  # that is for when this is broken off: those that were told stay as they are
