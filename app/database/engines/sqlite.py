"""SQLite: one connection that writes, a few that only read.

Transactions take the write lock at once (``BEGIN IMMEDIATE``), so two processes wait for each other instead of failing
half way. With a file in WAL mode readers see the last commit and never wait for a writer. A database in memory has one
connection for both.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiosqlite
from tortoise.backends.base.client import (
    ConnectionWrapper,
    NestedTransactionContext,
    TransactionalDBClient,
    TransactionContext,
)
from tortoise.backends.sqlite.client import SqliteClient as PlainClient
from tortoise.backends.sqlite.client import SqliteTransactionWrapper, translate_exceptions
from tortoise.connection import get_connections
from tortoise.exceptions import TransactionManagementError

from app.database.creation import SqliteGenerator
from app.database.engines import finish
from app.database.scripts import split_statements
from app.kernel.places import Point, great_circle_metres
from app.kernel.texts import folded, search_rank

MEMORY = ":memory:"
BUSY_SECONDS = 5.0
READ_SECONDS = 10.0
READERS = 4
WAL_TRIES = 50
INSTRUCTIONS_BETWEEN_CHECKS = 50_000
# To twice as many: about a millisecond. A page of a hundred rows with three objects each takes 9,000.
INSTRUCTIONS_AT_ONCE = 15_000
UNBOUNDED = (" MATCH ", "fold_case(", "search_rank(")
LONG_KNOWN_MAX = 2000
STATEMENTS_CACHED = 512

log = logging.getLogger(__name__)


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as SQL has them: of a missing value nothing is known."""
    return lambda *values: None if None in values else function(*values)


# What statements may call on every connection. SQLite folds the case of ASCII letters only, and not every build has sines.
FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "fold_case": (1, _of_values(folded)),
    "search_rank": (-1, search_rank),
    "metres_between": (4, _of_values(lambda a, b, c, d: great_circle_metres(Point(a, b), Point(c, d)))),
}


class SqliteClient(PlainClient):
    """``read_seconds`` is how long one read may take, ``busy_seconds`` how long to wait for another process."""

    schema_generator = SqliteGenerator

    def __init__(
        self,
        file_path: str,
        *,
        busy_seconds: float = BUSY_SECONDS,
        read_seconds: float = READ_SECONDS,
        readers: int = READERS,
        **kwargs: Any,
    ) -> None:
        super().__init__(file_path, **kwargs)
        self.busy_seconds = busy_seconds
        self._readers = None if file_path == MEMORY else Readers(file_path, readers, read_seconds, busy_seconds)

    async def create_connection(self, with_db: bool) -> None:
        if self._connection is not None:
            return
        connection = await aiosqlite.connect(self.filename, isolation_level=None)
        try:
            connection._conn.row_factory = sqlite3.Row
            for name, (count, function) in FUNCTIONS.items():
                await connection.create_function(name, count, function, deterministic=True)
            # The waiting time comes first: switching to WAL needs it when several processes start at once.
            await connection.execute_fetchall(f"PRAGMA busy_timeout={int(self.busy_seconds * 1000)}")
            await self._switch_to_wal(connection)
            for pragma in ("journal_size_limit=67108864", "synchronous=FULL", "foreign_keys=ON"):
                await connection.execute_fetchall(f"PRAGMA {pragma}")
            if await _pragma(connection, "synchronous") != 2 or await _pragma(connection, "foreign_keys") != 1:
                raise sqlite3.NotSupportedError("this SQLite does not keep synchronous=FULL and foreign_keys=ON")
        except BaseException:
            await finish(connection.close())
            raise
        self._connection = connection
        await self._post_connect()

    async def _switch_to_wal(self, connection: aiosqlite.Connection) -> None:
        """Wait for other processes that start on the same new file: this lock ignores the busy timeout."""
        for _ in range(WAL_TRIES):
            try:
                await connection.execute_fetchall("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                await asyncio.sleep(self.busy_seconds / WAL_TRIES)
        raise sqlite3.OperationalError("database is locked")

    async def close(self) -> None:
        if self._readers is not None:
            await self._readers.close()
        await super().close()

    def _in_transaction(self) -> TransactionContext:
        return ImmediateTransaction(Transaction(self), self._lock)

    @translate_exceptions
    async def execute_query(self, query: str, values: list[Any] | None = None) -> tuple[int, Sequence[dict[str, Any]]]:
        async with self.acquire_connection() as connection:
            return await _rows_and_count(connection, query, values or [])

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        async with self._in_transaction() as transaction:
            await transaction.execute_many(query, values)

    async def read_rows(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows as they are stored, seen as of the last commit."""
        if self._readers is not None:
            return await self._readers.read(sql, params)
        async with self.acquire_connection() as connection:
            return [tuple(row) for row in await connection.execute_fetchall(sql, params)]


class Transaction(SqliteTransactionWrapper):
    """The client of one transaction. Once that is over it passes work on, for a task that outlived it."""

    _parent: PlainClient

    def acquire_connection(self) -> ConnectionWrapper[aiosqlite.Connection]:
        return self._parent.acquire_connection() if self._finalized else super().acquire_connection()

    def _in_transaction(self) -> TransactionContext:
        return self._parent._in_transaction() if self._finalized else NestedTransactionContext(Transaction(self))

    @translate_exceptions
    async def execute_query(self, query: str, values: list[Any] | None = None) -> tuple[int, Sequence[dict[str, Any]]]:
        async with self.acquire_connection() as connection:
            return await _rows_and_count(connection, query, values or [])

    @translate_exceptions
    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        if self._finalized:
            await self._parent.execute_many(query, values)
            return
        async with self.acquire_connection() as connection:
            await connection.executemany(query, values)

    async def execute_script(self, query: str) -> None:
        # The driver's own way of running a script commits first, silently.
        for statement in split_statements(query):
            await self.execute_query(statement)

    async def begin(self) -> None:
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")

    async def rollback(self) -> None:
        self._finalized = True
        if self._connection.in_transaction:
            await self._connection.rollback()

    async def commit(self) -> None:
        if not self._connection.in_transaction:
            raise TransactionManagementError("the transaction was ended by a statement inside it")
        await self._connection.commit()
        self._finalized = True

    async def read_rows(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        if self._finalized:
            return await cast(SqliteClient, self._parent).read_rows(sql, params)
        async with self.acquire_connection() as connection:
            return [tuple(row) for row in await connection.execute_fetchall(sql, params)]


class ImmediateTransaction(TransactionContext):
    """A transaction that gives its lock back whatever happens, a cancellation at any point included."""

    def __init__(self, transaction: Transaction, lock: asyncio.Lock) -> None:
        self.connection = transaction
        self.connection_name = transaction.connection_name
        self._lock = lock
        self._token: Any = None

    async def __aenter__(self) -> TransactionalDBClient:
        await self._lock.acquire()
        try:
            await finish(self._begin())
        except BaseException:
            await self._leave(self._rollback())
            raise
        self._token = get_connections().set(self.connection_name, self.connection)
        return self.connection

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        await self._leave(self._commit() if exc_type is None else self._rollback())

    async def _leave(self, ending: Any) -> None:
        try:
            await finish(ending)
        finally:
            self.connection._finalized = True
            self._lock.release()
            if self._token is not None:
                get_connections().reset(self._token)

    async def _begin(self) -> None:
        parent = self.connection._parent
        await parent.create_connection(with_db=True)
        self.connection._connection = cast(aiosqlite.Connection, parent._connection)
        if self.connection._connection.in_transaction:
            await self.connection._connection.rollback()
        await self.connection.begin()

    async def _commit(self) -> None:
        if self.connection._finalized:
            return
        try:
            await self.connection.commit()
        except BaseException:
            await self._rollback()
            raise

    async def _rollback(self) -> None:
        if self.connection._finalized or self.connection._connection is None:
            return
        try:
            await self.connection.rollback()
        except (sqlite3.Error, ValueError):
            # The reason for rolling back is on its way to the caller and says more than this.
            log.exception("rolling back failed")


class Readers:
    """Read-only connections to one file: one for the loop's own thread, and a few that are used by one thread at a time.

    What takes a few thousand of SQLite's instructions, such as a row by its id or a page by an index, is read at once: the
    hop to a thread and back, and the lock that Python's threads hand to each other for every row, cost more than such a
    read itself. It may take so many instructions and no more. What needs more is read in a thread, the next time from the
    start; so is what would wait for a lock, and what looks into the index of words or folds texts: those are single
    instructions of any length.
    """

    def __init__(self, file_path: str, count: int, read_seconds: float, busy_seconds: float) -> None:
        self._address = f"{Path(file_path).absolute().as_uri()}?mode=ro"
        self._count = count
        self._read_seconds = read_seconds
        self._busy_seconds = busy_seconds
        self._threads: ThreadPoolExecutor | None = None
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._near: sqlite3.Connection | None = None
        self._checks = 0
        self._long: OrderedDict[str, None] = OrderedDict()

    async def read(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a SELECT."""
        if sql not in self._long:
            rows = self._read_at_once(sql, params)
            if rows is not None:
                return rows
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="sqlite-reader")
        abandoned = threading.Event()
        reading = asyncio.get_running_loop().run_in_executor(self._threads, self._read, sql, params, abandoned)
        try:
            return await reading
        finally:
            abandoned.set()

    def _read_at_once(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]] | None:
        """The rows, or None of a read that is too long for the loop's thread or would have to wait."""
        if any(one in sql for one in UNBOUNDED):
            return None
        if self._near is None:
            self._near = self._connect(busy_seconds=0)
            self._near.set_progress_handler(self._is_enough, INSTRUCTIONS_AT_ONCE)
        self._checks = 0
        try:
            return self._near.execute(sql, tuple(params)).fetchall()
        except sqlite3.OperationalError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith("SQLITE_INTERRUPT"):
                self._long[sql] = None
                if len(self._long) > LONG_KNOWN_MAX:
                    self._long.popitem(last=False)
            elif not name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise
            return None

    def _is_enough(self) -> bool:
        """SQLite goes on counting where the statement's last run ended, so that the first check may come at once."""
        self._checks += 1
        return self._checks > 1

    def _read(self, sql: str, params: Sequence[Any], abandoned: threading.Event) -> list[tuple[Any, ...]]:
        connection = self._take()
        until = time.monotonic() + self._read_seconds
        try:
            connection.set_progress_handler(
                lambda: abandoned.is_set() or time.monotonic() > until, INSTRUCTIONS_BETWEEN_CHECKS
            )
            return connection.execute(sql, tuple(params)).fetchall()
        finally:
            self._idle.put(connection)

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._connect(self._busy_seconds)

    def _connect(self, busy_seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address,
            uri=True,
            isolation_level=None,
            timeout=busy_seconds,
            check_same_thread=False,
            cached_statements=STATEMENTS_CACHED,
        )
        connection.execute("PRAGMA query_only=ON")
        for name, (count, function) in FUNCTIONS.items():
            connection.create_function(name, count, function, deterministic=True)
        return connection

    async def close(self) -> None:
        """Close every connection; reads that still run are waited for."""
        if self._near is not None:
            near, self._near = self._near, None
            near.close()
        if self._threads is None:
            return
        await asyncio.get_running_loop().run_in_executor(None, partial(self._threads.shutdown, wait=True))
        self._threads = None
        while not self._idle.empty():
            self._idle.get_nowait().close()


async def _rows_and_count(connection: aiosqlite.Connection, sql: str, values: list[Any]) -> tuple[int, list[Any]]:
    """Upstream counts what triggers write as well, and then one changed row looks like several."""

    def run() -> tuple[int, list[Any]]:
        cursor = connection._conn.execute(sql, values)
        rows = cursor.fetchall()
        return max(cursor.rowcount, 0) or len(rows), rows

    return cast(tuple[int, list[Any]], await connection._execute(run))  # type: ignore[no-untyped-call]  # one hop to its thread


async def _pragma(connection: aiosqlite.Connection, name: str) -> int:
    rows = list(await connection.execute_fetchall(f"PRAGMA {name}"))
    return int(rows[0][0])


client_class = SqliteClient
