"""Events for one listener, one after another."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.infrastructure import broadcast, journal, tail
from app.kernel.actor import Actor
from app.kernel.errors import NotAuthenticated
from schema.kit.live.audience import anyone, hears, start_of, viewer_of
from schema.kit.live.declaring import Facts, Live, State


async def follow(
    live: Live, asker: Callable[[], Actor | None], arguments: Mapping[str, Any], after: str | None, seen: str | None
) -> AsyncGenerator[tuple[Any, Actor]]:
    """The events that whoever asks hears, and for whom each was made."""
    events = _facts(live, asker, arguments, after, seen) if isinstance(live, Facts) else _state(live, asker, arguments)  # type: ignore[arg-type]  # one or the other
    async with aclosing(events) as each:
        async for event in each:
            yield event


async def _facts(
    live: Facts, asker: Callable[[], Actor | None], arguments: Mapping[str, Any], after: str | None, seen: str | None
) -> AsyncGenerator[tuple[Any, Actor]]:
    actor = _admitted(live, asker)
    start = await start_of(actor, after, seen)
    await live.events_of(viewer_of(actor, personal=live.personal)[1], [], arguments)
    async with aclosing(tail.follow(actor.organization_id, start)) as entries:
        async for entry in entries:
            if not live.wants(entry):
                continue
            actor = _admitted(live, asker)
            viewer = viewer_of(actor, personal=live.personal)[1]
            if hears(actor, entry):
                for event in await live.events_of(viewer, [entry], arguments):
                    yield event, viewer


async def _state(
    live: State, asker: Callable[[], Actor | None], arguments: Mapping[str, Any]
) -> AsyncGenerator[tuple[Any, Actor]]:
    if live.organization_of is not None:
        organization_id = await live.organization_of(**arguments)
    else:
        organization_id = _admitted(live, asker).organization_id
    told: dict[str, Any] = {}
    with broadcast.news(live.topics) as news:
        while True:
            if live.organization_of is not None:
                viewer = anyone(organization_id)
            else:
                viewer = viewer_of(_admitted(live, asker), personal=live.personal)[1]
            cursor = journal.cursor_at(organization_id, await journal.head(organization_id))
            seen = await live.look(viewer, arguments)
            gone = [replace(last, removed=True) for key, last in told.items() if key not in seen]
            fresh = [event for key, event in seen.items() if event != told.get(key)]
            told = seen
            for event in (*gone, *fresh):
                yield replace(event, cursor=cursor), viewer
            await asyncio.sleep(live.pause)
            await news.wait(live.seconds)


def _admitted(live: Live, asker: Callable[[], Actor | None]) -> Actor:
    actor = asker()
    if actor is None:
        raise NotAuthenticated()
    if live.permission is not None:
        actor.require(live.permission)
    return actor
