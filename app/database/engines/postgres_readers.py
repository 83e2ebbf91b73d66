"""PostgreSQL connections that only read: lent to one reader at a time, without the task that asyncpg's pool starts for each."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from app.database import wall

CLOSE_SECONDS = 10.0


class PostgresReaders:
    """At most ``count`` connections, opened when they are needed. The one given back last is lent first: it is warm."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], count: int) -> None:
        self._connect = connect
        self._count = count
        self._open = 0
        self._idle: list[asyncpg.Connection] = []
        self._waiting: deque[asyncio.Future[asyncpg.Connection | None]] = deque()
        self._leaving: set[asyncio.Task[None]] = set()

    async def read(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """The rows of a SELECT. A reader who is cancelled, or finds the connection broken, takes it along."""
        connection = await self._take()
        sound = False
        try:
            await wall.tell(connection)
            rows: list[Any] = await connection.fetch(sql, *params)
            sound = True
        except asyncpg.PostgresError:
            sound = True
            raise
        finally:
            self._give_back(connection, sound=sound)
        return rows

    async def _take(self) -> asyncpg.Connection:
        while True:
            while self._idle:
                connection = self._idle.pop(self._best())
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._open < self._count:
                return await self._another()
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                lent = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():  # what was meant for us goes to the next
                    if (lent := waiter.result()) is not None:
                        self._give_back(lent, sound=True)
                    else:
                        self._wake(None)
                raise
            if lent is not None:
                return lent

    def _best(self) -> int:
        """The place of the idle connection that was given back last, of those that need not be told whose rows we want."""
        return next((-place for place, one in enumerate(reversed(self._idle), 1) if wall.is_told(one)), -1)

    async def _another(self) -> asyncpg.Connection:
        self._open += 1
        try:
            return await self._connect()
        except BaseException:
            self._open -= 1
            self._wake(None)
            raise

    def _give_back(self, connection: asyncpg.Connection, *, sound: bool) -> None:
        if sound and not connection.is_closed():
            if not self._wake(connection):
                self._idle.append(connection)
            return
        leaving = asyncio.get_running_loop().create_task(self._put_away(connection))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _put_away(self, connection: asyncpg.Connection) -> None:
        """Close a connection, and count it as open until the server has let go of what it was doing for us."""
        try:
            await connection.close(timeout=CLOSE_SECONDS)
        except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
            connection.terminate()
        finally:
            self._open -= 1
            self._wake(None)

    def _wake(self, connection: asyncpg.Connection | None) -> bool:
        """Hand a connection to whoever waits longest; None tells them that there is room for another one."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def close(self) -> None:
        """Close those that are not lent; the others go with the process."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*map(self._put_away, idle), *self._leaving)
