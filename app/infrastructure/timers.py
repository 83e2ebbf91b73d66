"""Work that comes round, such as cleaning up: declared with ``@every``, done by one process at a time, whoever is first.

The next time is counted from the end of the last run. When every process was down for long, the work is done once, not as
often as it was missed.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from tortoise.expressions import Q

from app import database
from app.infrastructure import journal
from app.infrastructure.command import forget_old_keys
from app.infrastructure.jobs import forget_old_jobs
from app.infrastructure.loops import Outage, to_the_end
from app.infrastructure.models import Timer
from app.kernel.calendar import utc_now

LEASE_SECONDS = 60.0
RENEW_SECONDS = 15.0
POLL_SECONDS = 1.0
ERROR_LENGTH_MAX = 2000
AWAY = (database.RetryableError, database.OutcomeUnknown, OSError)

Work = Callable[[], Awaitable[object]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Periodic:
    """Work and how many seconds lie between two runs, and before the first."""

    name: str
    seconds: float
    work: Work
    first_after: float = 0.0


TIMERS: dict[str, Periodic] = {}


def every(*, seconds: float, name: str, first_after: float = 0.0) -> Callable[[Work], Work]:
    """Do something again and again. The name is the timer's identity in the database."""

    def decorate(work: Work) -> Work:
        if name in TIMERS:
            raise TypeError(f"two timers are called {name}")
        TIMERS[name] = Periodic(name, seconds, work, first_after)
        return work

    return decorate


async def for_each_organization(work: Callable[[str], Awaitable[object]]) -> None:
    """Do something for every organization. One for which it fails holds up no other; the failure is raised in the end."""
    failure: Exception | None = None
    for organization_id in await journal.heads():
        try:
            await work(organization_id)
        except AWAY:
            raise
        except Exception as error:
            log.exception("a timer's work failed for an organization", organization=organization_id)
            failure = error
    if failure is not None:
        raise failure


async def run_timers() -> None:
    """Do what is due until cancelled; the work in hand is finished then."""
    await Timers(TIMERS.values()).run()


class Timers:
    """The timers as one process runs them."""

    def __init__(self, timers: Iterable[Periodic], *, poll_seconds: float = POLL_SECONDS) -> None:
        self.name = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._timers = {timer.name: timer for timer in timers}
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        """Do what is due until cancelled."""
        outage = Outage("the database (timers)")
        while True:
            try:
                await self.run_due()
                outage.recovered()
                await asyncio.sleep(self._poll_seconds)
            except AWAY as error:
                await asyncio.sleep(outage.failed(error))
            except Exception:
                log.exception("the timers stumbled")
                await asyncio.sleep(self._poll_seconds)

    async def run_due(self) -> list[str]:
        """Do everything that is due and in nobody else's hand; the names."""
        return [name for name in await self._due() if await to_the_end(self._run_one(self._timers[name]))]

    async def _due(self) -> list[str]:
        rows = await database.read_rows('SELECT "name", "next_at" FROM "timer"', [])
        known = {row[0] for row in rows}
        if missing := [name for name in self._timers if name not in known]:
            await database.unit_of_work(lambda: _introduce([self._timers[name] for name in missing]))
            return await self._due()
        now = utc_now()
        return [row[0] for row in rows if row[0] in self._timers and journal.moment(row[1]) <= now]

    async def _run_one(self, timer: Periodic) -> bool:
        if not await database.unit_of_work(lambda: self._claim(timer)):
            return False
        renewing = asyncio.create_task(self._keep_renewing(timer), name=f"timer {timer.name} lease")
        error: str | None = None
        try:
            await timer.work()
        except Exception as problem:
            log.warning("a timer's work failed", timer=timer.name, exc_info=problem)
            error = f"{type(problem).__name__}: {problem}"[:ERROR_LENGTH_MAX].replace("\x00", "")
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        await database.unit_of_work(lambda: self._release(timer, error))
        return True

    async def _claim(self, timer: Periodic) -> bool:
        now = utc_now()
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        claimed = await Timer.filter(free, name=timer.name, next_at__lte=now).update(
            runner=self.name, lease_until=now + timedelta(seconds=LEASE_SECONDS)
        )
        return bool(claimed)

    async def _release(self, timer: Periodic, error: str | None) -> None:
        now = utc_now()
        await Timer.filter(name=timer.name, runner=self.name).update(
            runner=None,
            lease_until=None,
            last_run_at=now,
            last_error=error,
            next_at=now + timedelta(seconds=timer.seconds),
        )

    async def _keep_renewing(self, timer: Periodic) -> None:
        async def renew() -> None:
            until = utc_now() + timedelta(seconds=LEASE_SECONDS)
            await Timer.filter(name=timer.name, runner=self.name).update(lease_until=until)

        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await database.unit_of_work(renew)
            except AWAY:
                log.warning("a timer's lease could not be renewed", timer=timer.name)


async def _introduce(timers: list[Periodic]) -> None:
    now = utc_now()
    rows = [Timer(name=one.name, next_at=now + timedelta(seconds=one.first_after)) for one in timers]
    await Timer.bulk_create(rows, ignore_conflicts=True)


every(seconds=3600, name="infrastructure.forget_old_keys")(forget_old_keys)
every(seconds=3600, name="infrastructure.forget_old_jobs")(forget_old_jobs)
