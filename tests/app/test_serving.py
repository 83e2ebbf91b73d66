"""What stands between uvicorn and the application: half a request is not waited for, and a whole one always is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from app import serving

SECONDS = 0.3
PATIENCE_SECONDS = 10
WHOLE = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
HALVES = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: te",
    "half a body": b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf",
}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    answer = b"got " + body
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@pytest_asyncio.fixture(loop_scope="session")
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(serving, "REQUEST_SECONDS_MAX", SECONDS)
    config = uvicorn.Config(
        echo, port=0, http=serving.http_protocol(), ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the tests' own stay
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends."""
    return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


@pytest.mark.parametrize("half", HALVES)
async def test_half_a_request_is_not_waited_for(port: int, half: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALVES[half])
    assert await ended(reader) == b""
    writer.close()


async def test_half_a_request_behind_a_whole_one_is_not_waited_for_either(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(WHOLE)
    assert await answer(reader) == b"got "
    await asyncio.sleep(2 * SECONDS)  # between two requests a connection may rest
    writer.write(HALVES["half a head"])
    assert await ended(reader) == b""
    writer.close()


async def test_a_body_that_comes_slowly_but_comes_is_waited_for(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\n")
    for letter in b"slowly":
        await asyncio.sleep(SECONDS / 2)
        writer.write(bytes([letter]))
    assert await answer(reader) == b"got slowly"
    writer.close()
