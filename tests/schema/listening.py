"""Hears an operation's answers one by one, as a socket or a stream would, without either."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import orjson

from schema.kit import Context, plain_data
from schema.kit.limits import GraphQLRequest
from schema.kit.live.groups import FactsGroup, Member, PagesGroup, Shared, StateGroup, Told
from schema.kit.service import GraphQLService

POLL_SECONDS = 0.005
QUIET_SECONDS = 0.5


class Ear:
    """An outlet that keeps everything."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[tuple[dict[str, Any], str | None] | None] = asyncio.Queue()
        self.told = 0

    def tell(self, told: Sequence[Told], extra: bytes, shared: Shared | None = None) -> None:
        self.told += len(told)
        for index, one in enumerate(told):
            payload = one.payload if index or not extra else b"%b,%b}" % (one.payload[:-1], extra)
            self.answers.put_nowait((plain(payload), one.cursor))

    def finish(self, response: dict[str, Any] | None) -> None:
        if response is not None:
            self.answers.put_nowait((plain_data(response), None))
        self.answers.put_nowait(None)

    async def room(self) -> None:
        """There always is."""


def plain(payload: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(payload)
    return answer


async def answers(
    service: GraphQLService, request: GraphQLRequest, context: Callable[[], Context], *, ends: bool = False
) -> AsyncGenerator[tuple[dict[str, Any], str | None]]:
    """Each answer with its cursor, for as long as somebody asks; or only until all is told that there is to tell now."""
    ear = Ear()
    member = await service.open(request, context, ear)
    settling = asyncio.create_task(settle(member, ear)) if ends and member is not None else None
    try:
        while (answer := await ear.answers.get()) is not None:
            yield answer
    finally:
        if settling is not None:
            settling.cancel()
        if member is not None:
            member.leave()


async def settle(member: Member, ear: Ear) -> None:
    """End when a member has heard all that there is."""
    told = -1
    while not is_settled(member):
        await asyncio.sleep(POLL_SECONDS)
    while isinstance(member.group, PagesGroup) and ear.told > told:
        told = ear.told
        await asyncio.sleep(QUIET_SECONDS)
    if member.group is not None:
        ear.finish(None)


def is_settled(member: Member) -> bool:
    """Whether a member waits for something new."""
    match member.group:
        case FactsGroup() as group:
            return member in group.members
        case StateGroup() as group:
            return group._seen is not None
        case _:
            return True
