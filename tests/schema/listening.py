"""Hears an operation's answers one by one, as a socket or a stream would, without either."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import orjson

from schema.kit import Context, plain_data
from schema.kit.limits import GraphQLRequest
from schema.kit.live.groups import Told
from schema.kit.service import GraphQLService


class Ear:
    """An outlet that keeps everything."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[tuple[dict[str, Any], str | None] | None] = asyncio.Queue()

    def tell(self, told: Sequence[Told], extra: bytes) -> None:
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
    service: GraphQLService, request: GraphQLRequest, context: Callable[[], Context]
) -> AsyncGenerator[tuple[dict[str, Any], str | None]]:
    """Each answer with its cursor; whoever stops asking has left."""
    ear = Ear()
    member = await service.open(request, context, ear)
    try:
        while (answer := await ear.answers.get()) is not None:
            yield answer
    finally:
        if member is not None:
            member.leave()
