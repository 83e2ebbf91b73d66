"""What waits to be written to one connection. It is bounded: who does not read is closed, and resumes from a cursor.

An answer that is told to many is kept once, whatever number of connections it waits for. Of answers about the same thing
only the newest waits, where the newest is enough.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol

from app.infrastructure import metrics

MESSAGES_MAX = 256
BYTES_MAX = 1_048_576

Parts = tuple[bytes, ...]


class Wire(Protocol):
    """The way to a client. ``write`` may be called while it is ``ready``."""

    def begin(self, on_ready: Callable[[], None]) -> None:
        """Call a function whenever it is ready again."""

    @property
    def ready(self) -> bool:
        """Whether what is written leaves at once, or nearly so."""

    def write(self, messages: list[Parts]) -> None:
        """Send messages, each in parts. Nothing happens when the client has gone."""

    def framed(self, messages: list[Parts]) -> bytes | None:
        """What is written for messages, to be written to many wires of the kind; None where nothing is gained by it."""

    def write_framed(self, frames: bytes) -> None:
        """Send what ``framed`` made."""

    def hang_up(self, code: int, reason: str) -> None:
        """Let nothing more wait, and see to it that a client who does not read cannot keep the connection."""


class Outbox:
    """The messages that wait for a wire to be ready, in their order."""

    __slots__ = ("_bytes", "_count", "_empty", "_waiting", "_wire", "closed", "on_overflow")

    def __init__(self, wire: Wire, on_overflow: Callable[[], None]) -> None:
        self._wire = wire
        self._waiting: dict[Hashable, Parts] = {}
        self._bytes = 0
        self._count = 0
        self._empty: asyncio.Event | None = None
        self.on_overflow = on_overflow
        self.closed = False
        wire.begin(self._flush)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, messages: list[Parts], keys: list[Hashable] | None = None) -> None:
        """Send messages, or keep them until the wire is ready. More than may wait is the end of it: ``on_overflow``.

        A message with a key takes the place of the one that waits with the same key.
        """
        if self.closed:
            return
        if not self._waiting and self._wire.ready:
            self._wire.write(messages)
            return
        for index, parts in enumerate(messages):
            self._keep(parts, keys[index] if keys is not None else None)
        if len(self._waiting) > MESSAGES_MAX or (self._bytes > BYTES_MAX and len(self._waiting) > 1):
            self.close()
            self.on_overflow()

    def put_shared(self, shared: dict[bytes, Any], key: bytes, make: Callable[[], list[Parts]]) -> bool:
        """Send what was made ready for others already, if this wire is ready too."""
        if self.closed or self._waiting or not self._wire.ready:
            return False
        frames = shared.get(key)
        if frames is None:
            frames = shared[key] = self._wire.framed(make())
        if frames is None:
            return False
        self._wire.write_framed(frames)
        return True

    def close(self) -> None:
        """Forget what waits, and take no more."""
        self.closed = True
        self._waiting.clear()
        self._bytes = 0
        if self._empty is not None:
            self._empty.set()

    async def room(self) -> None:
        """Wait until nothing waits, and the wire is ready: for whoever can wait with what they have to say."""
        while (self._waiting or not self._wire.ready) and not self.closed:
            if self._empty is None:
                self._empty = asyncio.Event()
            self._empty.clear()
            await self._empty.wait()

    def _keep(self, parts: Parts, key: Hashable | None) -> None:
        if key is None:
            self._count += 1
            key = self._count
        elif (older := self._waiting.pop(key, None)) is not None:
            self._bytes -= sum(map(len, older))
            metrics.count_conflated()
        self._waiting[key] = parts
        self._bytes += sum(map(len, parts))

    def _flush(self) -> None:
        if self.closed:
            return
        messages = list(self._waiting.values())
        self._waiting.clear()
        self._bytes = 0
        if messages:
            self._wire.write(messages)
        if self._empty is not None and not self._waiting:
            self._empty.set()


class TaskWire:
    """A wire made of an async function that sends one message, for connections whose transport is not at hand."""

    __slots__ = ("_on_ready", "_send", "_task", "_waiting")

    def __init__(self, send: Callable[[bytes], Awaitable[Any]]) -> None:
        self._send = send
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[Parts] = []
        self._on_ready: Callable[[], None] | None = None

    def begin(self, on_ready: Callable[[], None]) -> None:
        """Call a function whenever nothing is under way any more."""
        self._on_ready = on_ready

    @property
    def ready(self) -> bool:
        """Whether nothing is under way."""
        return self._task is None

    def write(self, messages: list[Parts]) -> None:
        """Send messages, one after another."""
        self._waiting.extend(messages)
        if self._task is None:
            self._task = asyncio.create_task(self._write())

    def framed(self, messages: list[Parts]) -> bytes | None:
        """Nothing is gained: each message is sent by itself."""
        return None

    def write_framed(self, frames: bytes) -> None:
        """Never asked for."""
        raise NotImplementedError

    def hang_up(self, code: int, reason: str) -> None:
        """Send nothing more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def end(self) -> None:
        """Send nothing more, and wait until nothing is under way."""
        task, self._task = self._task, None
        self._waiting.clear()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._task is not None:
            await asyncio.wait({self._task})

    async def _write(self) -> None:
        me = asyncio.current_task()
        try:
            while self._waiting:
                messages, self._waiting = self._waiting, []
                for parts in messages:
                    await self._send(b"".join(parts))
        except Exception:  # noqa: BLE001  # the client has gone: whoever reads from it finds out
            self._waiting.clear()
        finally:
            if self._task is me:
                self._task = None
        if self._task is None and self._on_ready is not None:
            self._on_ready()
