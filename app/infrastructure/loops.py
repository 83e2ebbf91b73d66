"""What every loop in the background needs: patience while a service is away, and an end that leaves nothing half done."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

DELAY_SECONDS_MIN = 0.2
DELAY_SECONDS_MAX = 15.0

log = structlog.get_logger(__name__)


class Outage:
    """Waiting times that grow while something is away. The log says once that it went, and once that it is back."""

    def __init__(
        self, what: str, *, seconds_min: float = DELAY_SECONDS_MIN, seconds_max: float = DELAY_SECONDS_MAX
    ) -> None:
        self.what = what
        self.failures = 0
        self._seconds_min = seconds_min
        self._seconds_max = seconds_max

    def failed(self, error: BaseException) -> float:
        """Note a failure; the seconds to wait before the next try."""
        self.failures += 1
        if self.failures == 1:
            log.warning("away", what=self.what, error=type(error).__name__)
        return back_off(self.failures, self._seconds_min, self._seconds_max)

    def recovered(self) -> None:
        """Note that it works."""
        if self.failures:
            log.info("back", what=self.what, failures=self.failures)
            self.failures = 0


def back_off(failures: int, seconds_min: float, seconds_max: float) -> float:
    """Twice as long after every failure, up to a limit, and never for everybody at the same moment."""
    return float(min(seconds_max, seconds_min * 2 ** min(failures - 1, 30)) * random.uniform(0.75, 1))


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await work that a cancellation must not tear apart: it is finished first, then the cancellation goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            log.error("failed while stopping", exc_info=error)
        raise
