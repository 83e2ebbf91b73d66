"""The unit of work: everything or nothing, tried again when another was in the way, finished even if the caller leaves.

A task cancelled inside a transaction can leave the ORM's lock taken or its connection lost for ever. So no cancellation
reaches a transaction: it runs in a task of its own, its caller waits behind a shield, and at shutdown ``drain`` waits for
those nobody waits for any more. Limits on time are the database's (statement, lock and busy timeouts), never asyncio's.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from tortoise.transactions import in_transaction

from app.database.errors import ConnectionLost, OutcomeUnknown, RetryableError, translate
from app.kernel.errors import blame

T = TypeVar("T")

BACK_OFF_SECONDS = 0.02

log = logging.getLogger(__name__)


class _Unit:
    """One try. It is over before the tasks it started may be, so they look at ``open``."""

    def __init__(self) -> None:
        self.open = True
        self.committing = False


_unit: ContextVar[_Unit | None] = ContextVar("unit_of_work", default=None)
_running: set["asyncio.Task[object]"] = set()


def in_unit() -> bool:
    """Whether this task works inside a unit of work that is still open."""
    unit = _unit.get()
    return unit is not None and unit.open


async def unit_of_work(work: Callable[[], Awaitable[T]], *, attempts: int = 3, nested: bool = False) -> T:
    """Run ``work`` in one transaction and return its result once that is committed.

    It may run up to ``attempts`` times, each time from the start, so what it does besides the database must bear that.
    Inside another unit it joins that one; with ``nested`` it can fail alone, back to a savepoint.
    """
    if in_unit():
        return await (_savepoint(work) if nested else work())
    task = asyncio.create_task(_try_until_done(work, attempts))
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            task.add_done_callback(_report_if_failed)
        raise


async def drain(seconds: float | None = None) -> int:
    """Wait for the units that still run, at most so long; how many are left."""
    if _running:
        await asyncio.wait(set(_running), timeout=seconds)
    return len(_running)


async def _try_until_done(work: Callable[[], Awaitable[T]], attempts: int) -> T:
    for attempt in range(1, attempts):
        try:
            # A task of its own for each try: what one leaves in its context does not reach the next.
            return await asyncio.create_task(_run_once(work))
        except RetryableError as error:
            log.info("unit of work tried again", extra={"attempt": attempt, "reason": type(error).__name__})
            await asyncio.sleep(random.uniform(0, BACK_OFF_SECONDS * 2**attempt))
    return await asyncio.create_task(_run_once(work))


async def _run_once(work: Callable[[], Awaitable[T]]) -> T:
    unit = _Unit()
    _unit.set(unit)
    try:
        async with in_transaction():
            result = await work()
            unit.committing = True
        return result
    except Exception as error:
        known = translate(error)
        if unit.committing and isinstance(known, ConnectionLost):
            raise OutcomeUnknown() from error
        if known is None or known is error:
            raise
        raise known from error
    finally:
        unit.open = False


async def _savepoint(work: Callable[[], Awaitable[T]]) -> T:
    try:
        async with in_transaction():
            return await work()
    except Exception as error:
        known = translate(error)
        if known is None or known is error:
            raise
        raise known from error


def _report_if_failed(task: "asyncio.Task[object]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a unit of work failed after its caller had left", extra=blame(error))
