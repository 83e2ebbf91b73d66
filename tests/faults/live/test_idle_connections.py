"""Three thousand connections that rest and two hundred on which half a request came: an honest client does not notice, memory
stays, and the halves are closed within half a minute."""

import asyncio
import time

import psutil
import pytest

from tests.journeys.worlds import ADMINISTRATOR, World
from tests.servers import Api

pytestmark = [pytest.mark.slow, pytest.mark.fault]

IDLE, HALF_OPEN, QUESTIONS = 3000, 200, 200
RSS_MIB_MAX = 100
ANSWER_SECONDS_MAX = 0.5  # of 99 in 100
HALF_SECONDS_MAX = 30
AT_ONCE = 50
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connections(port: int, number: int, says: bytes, *, is_answered: bool) -> list[Connection]:
    """So many connections that say something."""

    async def one() -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(says)
        if is_answered:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        return reader, writer

    made: list[Connection] = []
    for start in range(0, number, AT_ONCE):
        made.extend(await asyncio.gather(*(one() for _ in range(min(AT_ONCE, number - start)))))
    return made


async def test_connections_that_rest_or_say_half_cost_little_and_the_halves_are_closed(small: World) -> None:
    with small.server() as server:
        process = psutil.Process(server.pid)
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            await api.ask("{ viewer { __typename } }")
            before = process.memory_info().rss
            begun = time.monotonic()
            halves = await connections(
                server.port, HALF_OPEN, b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-le", is_answered=False
            )
            idle = await connections(
                server.port, IDLE, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", is_answered=True
            )
            took = []
            for _ in range(QUESTIONS):
                asked = time.monotonic()
                await api.ask("{ viewer { __typename } }")
                took.append(time.monotonic() - asked)
            growth = (process.memory_info().rss - before) / 2**20
            ends = await asyncio.wait_for(
                asyncio.gather(*(reader.read() for reader, _ in halves)), HALF_SECONDS_MAX - (time.monotonic() - begun)
            )
    for _, writer in (*halves, *idle):
        writer.close()
    assert ends == [b""] * HALF_OPEN
    assert sorted(took)[QUESTIONS * 99 // 100 - 1] < ANSWER_SECONDS_MAX
    assert growth <= RSS_MIB_MAX
