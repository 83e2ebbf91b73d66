"""PostgreSQL through asyncpg: a transaction that never leaks its connection, and connections that only read.

No session state is ever set outside a transaction (``SET LOCAL`` only) but for whose rows a connection is about, which the
``wall`` keeps account of. So connections go back to the pool without the round trip of a RESET; an open transaction is
still rolled back there.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import asyncpg  # type: ignore[import-untyped]
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import (
    ConnectionWrapper,
    NestedTransactionContext,
    PoolConnectionWrapper,
    TransactionalDBClient,
    TransactionContext,
    TransactionContextPooled,
)
from tortoise.connection import get_connections
from tortoise.exceptions import DBConnectionError

from app.database import wall
from app.database.creation import PostgresGenerator
from app.database.engines import finish
from app.database.engines.postgres_readers import PostgresReaders

CONNECT_SECONDS = 10.0
STATEMENTS_CACHED = 512


class PostgresClient(AsyncpgDBClient):
    """Half of the connections only read, the others change. Both halves have one at least."""

    schema_generator = PostgresGenerator
    _readers: PostgresReaders | None = None

    async def create_pool(self, **kwargs: Any) -> asyncpg.Pool:
        settings = {
            "timeout": CONNECT_SECONDS,
            "statement_cache_size": STATEMENTS_CACHED,
            "max_cached_statement_lifetime": 0,
            "max_cacheable_statement_size": 0,
            **kwargs,
        }
        count, smallest = settings.pop("max_size"), settings.pop("min_size")
        reading = max(1, count // 2)
        changing = max(1, count - reading)
        only_reads = {**settings["server_settings"], "default_transaction_read_only": "on"}
        self._readers = PostgresReaders(
            partial(asyncpg.connect, **{**settings, "server_settings": only_reads}), reading
        )
        return await asyncpg.create_pool(
            None, reset=_keep_session, min_size=min(smallest, changing), max_size=changing, **settings
        )

    async def _close(self) -> None:
        if self._readers is not None:
            readers, self._readers = self._readers, None
            await readers.close()
        await super()._close()

    async def _translate_exceptions(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._translate_exceptions(func, *args, **kwargs)
        except OSError as error:
            raise DBConnectionError("the database cannot be reached") from error

    def _in_transaction(self) -> TransactionContext:
        return GuardedTransaction(Transaction(self), self._pool_init_lock)

    def acquire_connection(self) -> PoolConnectionWrapper[Any]:
        return Told(self, self._pool_init_lock)

    async def read_rows(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """Rows as the server sends them, JSON as text."""
        if self._readers is None:
            raise DBConnectionError("the database is not connected")
        try:
            return await self._readers.read(sql, params)
        except OSError as error:
            raise DBConnectionError("the database cannot be reached") from error


class Told(PoolConnectionWrapper[Any]):
    """A connection for one statement, which is told whose rows it is about."""

    async def __aenter__(self) -> Any:
        connection = await super().__aenter__()
        try:
            await wall.tell(connection)
        except BaseException:
            await finish(super().__aexit__(None, None, None))
            raise
        return connection


class Transaction(TransactionWrapper):
    """The client of one transaction. Once that is over it passes work on, for a task that outlived it."""

    def acquire_connection(self) -> ConnectionWrapper[asyncpg.Connection] | PoolConnectionWrapper[Any]:  # type: ignore[override]
        return self._parent.acquire_connection() if self._finalized else super().acquire_connection()

    def _in_transaction(self) -> TransactionContext:
        return self._parent._in_transaction() if self._finalized else NestedTransactionContext(Transaction(self))

    async def read_rows(self, sql: str, params: Sequence[Any]) -> list[Any]:
        if self._finalized:
            return await cast(PostgresClient, self._parent).read_rows(sql, params)
        async with self.acquire_connection() as connection:
            return list(await connection.fetch(sql, *params))


class GuardedTransaction(TransactionContextPooled):
    """A transaction whose connection goes back to the pool whatever happens.

    The task learns of the transaction only once BEGIN has worked: a connection that was dead must not stay its client.
    """

    async def __aenter__(self) -> TransactionalDBClient:
        client = cast(Transaction, self.client)
        try:
            await self.ensure_connection()
            pool = cast(asyncpg.Pool, client._parent._pool)
            client._connection = await pool.acquire()
        except (TimeoutError, OSError) as error:
            raise DBConnectionError("the database cannot be reached") from error
        try:
            await finish(self._begin(client))
        except BaseException:
            await finish(self._release(broken=True))
            raise
        self.token = get_connections().set(self.connection_name, client)
        return client

    async def _begin(self, client: Transaction) -> None:
        await client.begin()
        await wall.tell(client._connection, for_this_transaction=True)

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        try:
            await finish(self._end(commit=exc_type is None))
        finally:
            get_connections().reset(self.token)

    async def _end(self, *, commit: bool) -> None:
        client = cast(Transaction, self.client)
        try:
            if not client._finalized:
                await (client.commit() if commit else client.rollback())
        except Exception:
            # After a failed rollback the connection is thrown away, which rolls back; its reason says less than ours.
            if commit:
                raise
        finally:
            await self._release(broken=client._connection.is_in_transaction())

    async def _release(self, *, broken: bool) -> None:
        client = cast(Transaction, self.client)
        client._finalized = True
        if broken and not client._connection.is_closed():
            client._connection.terminate()
        if pool := client._parent._pool:
            await pool.release(client._connection)


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Nothing to reset: asyncpg itself has rolled back whatever was still open."""


client_class = PostgresClient
