"""A server that can be broken on purpose while it runs, for controls: what the file at TRUCKROLL_TEST_FAULT says is wrong with it.

Each fault takes away one thing that a guarantee rests on. Nothing is wrong while the file is empty.
"""

import asyncio
import os
import random
import sys
import time
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import asyncpg
from tortoise.backends.sqlite.client import SqliteTransactionContext

from app import database, main
from app.database import units
from app.database.engines.sqlite import SqliteClient, Transaction
from app.infrastructure import broadcast, journal
from app.kernel.pages import decode_cursor
from app.process import configure_logs
from app.settings import read_settings
from schema.kit import live
from schema.kit.live import outbox
from schema.kit.live.hub import Hub
from schema.kit.live.outbox import Outbox
from schema.kit.sessions import Sessions

FAULT = Path(os.environ["TRUCKROLL_TEST_FAULT"])
FOR_EVER = 10**9
TURN_SECONDS = 0.05
BEGIN_SECONDS = 0.01


_read = (0.0, "")


def is_broken(how: str) -> bool:
    """Whether this is what is wrong at the moment."""
    global _read
    now = time.monotonic()
    if now >= _read[0]:
        _read = (now + TURN_SECONDS, FAULT.read_text())
    return _read[1] == how


def replace(function: Any, by: Any) -> None:
    """Put another function in the place of one, under whatever name it was imported."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if module else ():
            if value is function:
                setattr(module, name, by)


def hear_hints_alone() -> None:
    """The journal is read when a hint says so, and never just to look."""
    waiting = broadcast.News.wait

    async def wait(self: broadcast.News, seconds: float) -> set[str]:
        while is_broken("hints alone") and not self._event.is_set():
            await asyncio.sleep(TURN_SECONDS)
        return await waiting(self, seconds)

    broadcast.News.wait = wait  # type: ignore[method-assign]


def forget_cursors() -> None:
    """Who resumes hears from now on, or once more what they have."""
    joining = Hub.join

    async def join(self: Hub, asked: Any, member: Any, after: str | None, seen: str | None = None) -> None:
        if is_broken("forgets cursors"):
            after = seen = None
        if is_broken("repeats itself"):
            after, seen = _one_before(after), _one_before(seen)
        await joining(self, asked, member, after, seen)

    Hub.join = join  # type: ignore[method-assign]


def _one_before(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    organization_id, seq = decode_cursor(cursor, journal.CURSOR_KIND)
    return journal.cursor_at(organization_id, max(seq - 1, 0))


def tell_everybody() -> None:
    """Whoever may follow a kind of thing hears all that happens to it."""
    judging = live.hears

    def hears(actor: Any, entry: Any) -> bool:
        return is_broken("tells everybody") or judging(actor, entry)

    replace(judging, hears)


_number: ContextVar[int | None] = ContextVar("number", default=None)


class Numbered:
    """A connection that has got a number for its facts elsewhere."""

    def __init__(self, connection: Any, number: int) -> None:
        self._connection = connection
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute_query_dict(self, sql: str, values: Any = None) -> Any:
        """Say the number, and leave the counter alone."""
        if '"journal_head"' in sql:
            return [{"seq": self._number}]
        return await self._connection.execute_query_dict(sql, values)


def number_before_commit(database_url: str) -> None:
    """Facts get their numbers as from a sequence: at once, and in another order than they are committed."""
    writing, connecting = journal.write, database.connection

    def connection() -> Any:
        number = _number.get()
        return connecting() if number is None else Numbered(connecting(), number)

    async def write(recorder: Any) -> int:
        if not is_broken("numbers before commit") or not recorder.facts:
            return await writing(recorder)
        another = await asyncpg.connect(database_url)
        try:
            number = await another.fetchval(
                "UPDATE journal_head SET seq = seq + $2 WHERE organization_id = $1 RETURNING seq",
                recorder.actor.organization_id,
                len(recorder.facts),
            )
        finally:
            await another.close()
        await asyncio.sleep(random.uniform(0, 0.1))
        token = _number.set(number)
        try:
            return await writing(recorder)
        finally:
            _number.reset(token)

    database.connection = connection
    replace(writing, write)


def wait_for_redis() -> None:
    """A command is answered only when others have been told of it."""
    working = units.unit_of_work

    async def unit_of_work(work: Any, **options: Any) -> Any:
        result = await working(work, **options)
        if is_broken("waits for Redis") and not units.in_unit() and broadcast._bus:
            with suppress(*broadcast.REDIS_AWAY):
                await broadcast._bus._broadcast.publish(broadcast.CHANNEL, "somebody org_somewhere")
        return result

    replace(working, unit_of_work)


class SlowTransaction(Transaction):
    """Takes its time, as on a machine that has much to do."""

    async def begin(self) -> None:
        """Begin, in a while."""
        await asyncio.sleep(BEGIN_SECONDS)
        await super().begin()


def tear_transactions() -> None:
    """A caller who leaves tears the transaction apart: units have no shield, and transactions are the ORM's own."""
    working, beginning = units.unit_of_work, SqliteClient._in_transaction

    async def unit_of_work(work: Any, **options: Any) -> Any:
        if is_broken("tears transactions") and not units.in_unit():
            return await units._run_once(work)
        return await working(work, **options)

    def _in_transaction(self: SqliteClient) -> Any:
        if is_broken("tears transactions"):
            return SqliteTransactionContext(SlowTransaction(self), self._lock)
        return beginning(self)

    replace(working, unit_of_work)
    SqliteClient._in_transaction = _in_transaction  # type: ignore[method-assign]


def keep_everything() -> None:
    """Whatever a client does not read waits for them."""
    putting, most = Outbox.put, (outbox.MESSAGES_MAX, outbox.BYTES_MAX)

    def put(self: Outbox, *messages: Any) -> None:
        outbox.MESSAGES_MAX, outbox.BYTES_MAX = (FOR_EVER, FOR_EVER) if is_broken("keeps everything") else most
        putting(self, *messages)

    Outbox.put = put  # type: ignore[method-assign]


def never_look_again() -> None:
    """Who has signed in stays signed in."""
    looking = Sessions._look

    async def look(self: Sessions, tokens: Any) -> None:
        if not is_broken("never looks again"):
            await looking(self, tokens)

    Sessions._look = look  # type: ignore[method-assign]


if __name__ == "__main__":
    settings = read_settings()
    configure_logs(settings)
    for change in (
        hear_hints_alone, forget_cursors, tell_everybody, wait_for_redis, tear_transactions, keep_everything, never_look_again,
    ):  # fmt: skip
        change()
    number_before_commit(settings.database_url)
    main.serve(settings)
