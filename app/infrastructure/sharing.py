"""Reads that many want at the same moment, done once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedReads(Generic[K, V]):
    """Reads by key. Who asks while a read is under way waits for the next one, together with all who asked meanwhile: an
    answer is never older than its question, as what is kept for a time would be.
    """

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._running: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """What there is to read, as it is now or a moment later."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._read_next(key), name="shared read")
        # Who leaves does not take the answer from the others.
        return await asyncio.shield(task)

    async def _read_next(self, key: K) -> V:
        if key in self._running:
            await asyncio.wait({self._running[key]})
        # From here on a further question is for another read.
        task = self._running[key] = self._next.pop(key)
        try:
            return await self._read(key)
        finally:
            if self._running.get(key) is task:
                del self._running[key]
