"""Thousands of subscribers in a process of their own, which parse frames themselves and keep up with any server.

A process of the benchmark asks for things over a pipe: to connect, to say what was heard, to leave. What it notes of each
event is who heard it, which one it was and when; whether that is right is for others to judge.
"""

import asyncio
import json
import multiprocessing
import os
import resource
import signal
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

import uvloop

from app.kernel.pages import decode_cursor

CURSOR = b'"cursor"'
CURSOR_KIND = "j"
AT_ONCE = 64
SOCKETS_PER_ADDRESS = 20_000
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
UPGRADE = (
    "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber asks for, and as whom. Those of one ``kind`` must hear the very same bytes."""

    kind: int
    document: str
    variables: dict[str, Any]
    token: str | None = None


@dataclass(slots=True)
class Heard:
    """What the crowd heard since it was asked last: one place in the three columns for each event that came in.

    ``wrong`` says what was not as it must be, each thing once: errors, frames that differ, sockets that were closed.
    """

    who: array = field(default_factory=lambda: array("I"))
    which: array = field(default_factory=lambda: array("q"))
    when: array = field(default_factory=lambda: array("d"))
    wrong: dict[str, int] = field(default_factory=dict)
    frame: bytes = b""


class Subscriber(asyncio.Protocol):
    """One socket with one subscription."""

    __slots__ = ("_crowd", "_number", "_rest", "_transport", "_upgraded", "_wish", "ready")

    def __init__(self, crowd: "Crowd", number: int, wish: Wish) -> None:
        self._crowd, self._number, self._wish = crowd, number, wish
        self._rest = b""
        self._upgraded = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(UPGRADE.format(port=self._crowd.port).encode())

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        if self._rest:
            data = self._rest + data
        if not self._upgraded:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._begin(head)
        at = 0
        for opcode, start, end in frames(data):
            at = end
            if opcode == TEXT:
                self._hear(data[start:end], now)
            elif opcode == PING:
                self._transport.write(framed(PONG, data[start:end]))
            elif opcode == CLOSE:
                self._crowd.note(f"closed: {data[start + 2 : end].decode(errors='replace')}")
            elif opcode != PONG:
                self._crowd.note(f"a frame of the unknown kind {opcode:#x}")
        self._rest = data[at:]

    def leave(self) -> None:
        """Close the connection without a word."""
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._crowd.leaving:
            self._crowd.note("a connection was lost")
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("refused, or lost before it was ready"))

    def _begin(self, head: bytes) -> None:
        if b" 101 " not in head.partition(b"\r\n")[0]:
            self._crowd.note(f"no upgrade: {head[:60]!r}")
            self._transport.abort()
            return
        self._upgraded = True
        payload = {"Authorization": f"Bearer {self._wish.token}"} if self._wish.token else {}
        self._say({"type": "connection_init", "payload": payload})

    def _say(self, message: dict[str, Any]) -> None:
        self._transport.write(framed(TEXT, json.dumps(message).encode()))

    def _hear(self, text: bytes, now: float) -> None:
        at = text.find(CURSOR)
        if at < 0:
            self._obey(json.loads(text))
            return
        begin = text.index(b'"', at + len(CURSOR)) + 1
        self._crowd.hear(self._number, self._wish.kind, text[begin : text.index(b'"', begin)], text, now)

    def _obey(self, message: dict[str, Any]) -> None:
        """Everything that is not an event. A pong behind the subscription says that the server has taken note of it."""
        match message["type"]:
            case "connection_ack":
                query = {"query": self._wish.document, "variables": self._wish.variables}
                self._say({"id": "1", "type": "subscribe", "payload": query})
                self._say({"type": "ping"})
            case "pong":
                if not self.ready.done():
                    self.ready.set_result(None)
            case "ping":
                self._say({"type": "pong"})
            case _:
                self._crowd.note(f"{message}"[:300])


class Crowd:
    """All subscribers of one process."""

    def __init__(self) -> None:
        self.port = 0
        self.leaving = False
        self._subscribers: list[Subscriber] = []
        self._known: dict[tuple[int, bytes], tuple[int, bytes]] = {}
        self._heard = Heard()

    def note(self, wrong: str) -> None:
        """Something is not as it must be."""
        self._heard.wrong[wrong] = self._heard.wrong.get(wrong, 0) + 1

    def hear(self, number: int, kind: int, cursor: bytes, text: bytes, now: float) -> None:
        """Somebody heard an event. The first frame of an event is looked into, the others must be the same."""
        known = self._known.get((kind, cursor))
        if known is None:
            known = self._known[kind, cursor] = (self._number_of(cursor, text), text)
        elif known[1] != text:
            self.note("two subscribers with the same wish got different frames")
        heard = self._heard
        heard.who.append(number)
        heard.which.append(known[0])
        heard.when.append(now)

    def _number_of(self, cursor: bytes, text: bytes) -> int:
        self._heard.frame = text
        message = json.loads(text)
        if message["type"] != "next" or "errors" in message["payload"]:
            self.note(f"an event with errors: {message}"[:300])
        return int(decode_cursor(cursor.decode(), CURSOR_KIND)[-1])

    async def connect(self, port: int, wishes: Sequence[Wish]) -> float:
        """Connect and subscribe everybody, so many at once; the seconds until the last subscription was taken note of."""
        self.port, self.leaving = port, False
        self._known.clear()
        places = asyncio.Semaphore(AT_ONCE)
        began = monotonic()
        await asyncio.gather(*(self._join(number, wish, places) for number, wish in enumerate(wishes)))
        return monotonic() - began

    async def _join(self, number: int, wish: Wish, places: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        source = (f"127.0.0.{1 + number // SOCKETS_PER_ADDRESS}", 0)
        async with places:
            try:
                _, one = await loop.create_connection(
                    lambda: Subscriber(self, number, wish), "127.0.0.1", self.port, local_addr=source
                )
                self._subscribers.append(one)
                await asyncio.wait_for(one.ready, 60)
            except (OSError, TimeoutError) as error:
                self.note(f"did not connect: {error!r}")

    def count(self) -> int:
        """How many events came in since they were taken last."""
        return len(self._heard.who)

    def take(self) -> Heard:
        """What was heard since the last time."""
        heard, self._heard = self._heard, Heard()
        self._known.clear()
        return heard

    async def leave(self) -> None:
        """Everybody goes."""
        self.leaving = True
        for one in self._subscribers:
            one.leave()
        self._subscribers.clear()
        await asyncio.sleep(0.2)


def frames(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The whole frames at the beginning of some bytes: first byte, and where the content begins and ends (RFC 6455)."""
    at, size = 0, len(data)
    while size - at >= 2:
        length, start = data[at + 1], at + 2
        if length > 125:
            start += 2 if length == 126 else 8
            if size < start:
                return
            length = int.from_bytes(data[at + 2 : start])
        if size < start + length:
            return
        yield data[at], start, start + length
        at = start + length


def framed(opcode: int, content: bytes) -> bytes:
    """A client's frame. Its mask is zero, which leaves the content as it is."""
    length = len(content)
    if length < 126:
        return bytes((opcode, 0x80 | length, 0, 0, 0, 0)) + content
    return bytes((opcode, 0x80 | 126)) + length.to_bytes(2) + bytes(4) + content


async def _serve(pipe: Connection) -> None:
    """Do what is asked for over the pipe until that is closed."""
    crowd, loop, asked = Crowd(), asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), asked.set)
    os.set_blocking(pipe.fileno(), True)  # being watched has made it one that does not wait while it sends
    while True:
        await asked.wait()
        asked.clear()
        while pipe.poll():
            try:
                name, arguments = pipe.recv()
            except EOFError:
                return
            answer = getattr(crowd, name)(*arguments)
            pipe.send(await answer if asyncio.iscoroutine(answer) else answer)


def _run(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_file_limit()
    uvloop.run(_serve(pipe))


def raise_file_limit() -> int:
    """Allow this process and its children as many open files as may be; how many."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class Remote:
    """The crowd, as the benchmark's own process sees it."""

    def __init__(self, pipe: Connection, pid: int) -> None:
        self._pipe = pipe
        self.pid = pid

    async def ask(self, name: str, *arguments: Any) -> Any:
        """What a method of the crowd returns."""
        return await asyncio.to_thread(self._ask, name, arguments)

    def _ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        self._pipe.send((name, arguments))
        return self._pipe.recv()


@contextmanager
def crowd() -> Iterator[Remote]:
    """A crowd in a process of its own."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_run, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Remote(ours, process.pid or 0)
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.kill()
