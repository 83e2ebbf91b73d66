"""Work that is done later, or takes longer than a request may: stored with the change that asks for it, done at least once.

A runner claims a job by a lease that it keeps renewing; when its process dies, the lease runs out and another takes over.
Every change of a job's row names the runner and the try, so one that lost its lease without knowing changes nothing. A job
may run twice, and is written to be harmless then. Who asks a job to stop sets a flag; the job looks at it and returns.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import structlog
from tortoise.expressions import F, Q

from app import database
from app.infrastructure import broadcast, journal, metrics
from app.infrastructure.conditions import column
from app.infrastructure.loops import Outage, back_off, to_the_end
from app.infrastructure.models import Job
from app.infrastructure.tables import find_one
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.kernel.ids import new_id

T = TypeVar("T")

LEASE_SECONDS = 30.0
RENEW_SECONDS = 2.0
POLL_SECONDS = 1.0
GRACE_SECONDS = 20.0
TRIES = 5
RETRY_SECONDS_MIN = 2.0
RETRY_SECONDS_MAX = 600.0
KEPT_DAYS = 30
KEY_LENGTH_MAX = 100
ERROR_LENGTH_MAX = 2000
AWAY = (database.RetryableError, database.OutcomeUnknown, OSError)

log = structlog.get_logger(__name__)


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)

JobFunction = Callable[["JobContext"], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """What is to be done for jobs of a kind, and how often it is tried."""

    name: str
    function: JobFunction
    tries: int
    apart: bool = False


KINDS: dict[str, JobKind] = {}


def job(kind: str, *, tries: int = TRIES, apart: bool = False) -> Callable[[JobFunction], JobFunction]:
    """Do jobs of a kind with a function ``(context)``; what it returns, plain JSON, is the job's result.

    Jobs that take long are done ``apart``, by a runner of their own, so that they keep no others waiting.
    """

    def decorate(function: JobFunction) -> JobFunction:
        if kind in KINDS:
            raise TypeError(f"two functions do jobs of the kind {kind}")
        KINDS[kind] = JobKind(kind, function, tries, apart)
        return function

    return decorate


class JobContext:
    """What a job's function knows of its job."""

    def __init__(self, row: Job) -> None:
        self.id = row.id
        self.kind = row.kind
        self.attempt = row.attempts
        self.payload: dict[str, Any] = row.payload
        self.actor: Actor = system_actor(row.organization_id)
        self.requested_by = row.requested_by
        self._runner = row.runner
        self._canceled = row.cancel_requested
        self._lost = False
        self._stopping = False
        self._interrupted = False

    def canceled(self) -> bool:
        """Whether to stop: somebody asked for it, the process ends, or the job is in other hands by now.

        Cheap, and safe in any thread. What a job returns after it was told that the process ends does not count: the
        next runner does it anew.
        """
        if self._stopping:
            self._interrupted = True
        return self._canceled or self._lost or self._stopping

    async def progress(self, progress: Mapping[str, Any]) -> None:
        """Show how far the work has come."""
        await self._change(progress=journal.plain(dict(progress)))

    def _request_cancel(self) -> None:
        self._canceled = True

    async def _renew(self) -> None:
        """Keep the lease, and see whether the job is to be canceled."""
        await self._change(lease_until=utc_now() + timedelta(seconds=LEASE_SECONDS))
        if not self._lost:
            rows = await database.read_rows(
                f'SELECT "cancel_requested" FROM "job" WHERE "id" = {journal.mark(1)}', [self.id]
            )
            self._canceled = self._canceled or bool(rows and rows[0][0])

    async def _change(self, **values: Any) -> bool:
        """Change the row if it is still ours."""

        async def work() -> int:
            mine = Job.filter(id=self.id, runner=self._runner, attempts=self.attempt, status=JobStatus.RUNNING)
            return await mine.update(**values, version=F("version") + 1, updated_at=utc_now())

        if not await database.unit_of_work(work):
            self._lost = True
        return not self._lost


async def enqueue(
    actor: Actor,
    kind: str,
    payload: Mapping[str, Any] | None = None,
    run_at: datetime | None = None,
    dedupe_key: str | None = None,
) -> str:
    """Ask for a job, in the transaction of the command that runs; its id.

    With a key there is at most one open job of the kind: while there is, its id is the answer and nothing is added.
    """
    if dedupe_key is not None and not 1 <= len(dedupe_key) <= KEY_LENGTH_MAX:
        raise InvalidInput(f"A job's key has 1 to {KEY_LENGTH_MAX} characters.", path=["dedupeKey"])
    now = utc_now()
    row = Job(
        id=new_id(Job.prefix),
        created_at=now,
        updated_at=now,
        organization_id=actor.organization_id,
        kind=kind,
        status=JobStatus.QUEUED,
        payload=journal.plain(dict(payload or {})),
        open_key=None if dedupe_key is None else f"{kind}:{dedupe_key}",
        run_at=run_at or now,
        requested_by=actor.id,
    )

    async def work() -> str:
        if row.open_key is None:
            await row.save(force_create=True)
            return row.id
        for _ in range(3):
            # Not "look, then insert": two who look at the same time would both insert.
            await Job.bulk_create([row], ignore_conflicts=True)
            if found := await Job.filter(organization_id=actor.organization_id, open_key=row.open_key).first():
                return found.id
        raise database.Busy("the job's key is taken and set free again and again")

    id = await database.unit_of_work(work)
    if not database.in_unit():
        broadcast.wake(actor.organization_id)
    return id


async def cancel(actor: Actor, id: str) -> bool:
    """Cancel a job that waits, or ask one that runs to stop; False when it was over already."""
    await find_one(Job, actor, id)
    now = utc_now()

    async def work() -> bool:
        same = Job.filter(id=id, organization_id=actor.organization_id)
        waiting = await same.filter(status=JobStatus.QUEUED).update(
            status=JobStatus.CANCELED, open_key=None, finished_at=now, version=F("version") + 1, updated_at=now
        )
        running = not waiting and await same.filter(status=JobStatus.RUNNING).update(
            cancel_requested=True, version=F("version") + 1, updated_at=now
        )
        return bool(waiting or running)

    found = await database.unit_of_work(work)
    if found and (context := _running.get(id)):
        context._request_cancel()
    return found


async def remove(actor: Actor, ids: Sequence[str], *, only_waiting: bool = False) -> int:
    """Delete jobs whose result nobody wants any more; how many. Who is doing one is told to stop."""

    async def work() -> int:
        mine = Job.filter(id__in=list(ids), organization_id=actor.organization_id)
        return await (mine.filter(status=JobStatus.QUEUED) if only_waiting else mine).delete()

    return await database.unit_of_work(work)


async def forget_old_jobs() -> int:
    """Delete jobs that were over long ago; how many."""

    async def work() -> int:
        limit = utc_now() - timedelta(days=KEPT_DAYS)
        return await Job.filter(status__not_in=OPEN, finished_at__lt=limit).delete()

    return await database.unit_of_work(work)


async def run_jobs(concurrency: int = 4, *, apart: bool = False) -> None:
    """Do jobs until cancelled. Those in hand then get some seconds to end; what does not is left for the next runner."""
    await Runner(concurrency, kinds={name: kind for name, kind in KINDS.items() if kind.apart is apart}).run()


_running: dict[str, JobContext] = {}


class Runner:
    """One process's runner of jobs."""

    def __init__(
        self,
        concurrency: int = 4,
        *,
        kinds: Mapping[str, JobKind] | None = None,
        poll_seconds: float = POLL_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.name = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._kinds = KINDS if kinds is None else kinds
        self._concurrency = concurrency
        self._poll_seconds = poll_seconds
        self._grace_seconds = grace_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Do jobs until cancelled."""
        outage = Outage("the database (jobs)")
        try:
            with broadcast.news() as news:
                while True:
                    try:
                        await to_the_end(self._start_what_is_due())
                        outage.recovered()
                    except AWAY as error:
                        await asyncio.sleep(outage.failed(error))
                    except Exception:
                        log.exception("no job could be claimed")
                        await asyncio.sleep(self._poll_seconds)
                    if len(self._tasks) >= self._concurrency:
                        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                    else:
                        await news.wait(self._poll_seconds)
        finally:
            await self._end()

    async def run_due(self) -> int:
        """Do every job that is due, and return when all are over; how many."""
        done = 0
        while started := await self._start_what_is_due():
            done += started
            await asyncio.wait(set(self._tasks))
        return done

    async def _start_what_is_due(self) -> int:
        free = self._concurrency - len(self._tasks)
        if free < 1 or not await self._is_any_due():
            return 0
        rows = await database.unit_of_work(lambda: self._claim(free))
        for row in rows:
            task = asyncio.create_task(self._do(row), name=f"job {row.kind}")
            self._tasks.add(task)
            task.add_done_callback(self._over)
        return len(rows)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # The lease runs out, and another runner takes the job over.
            log.error("the end of a job could not be written", task=task.get_name(), exc_info=error)

    async def _is_any_due(self) -> bool:
        """A look without a transaction, for most of the time there is nothing to do."""
        now = utc_now()
        waiting = (column("status") == JobStatus.QUEUED) & (column("run_at") <= now)
        abandoned = (column("status") == JobStatus.RUNNING) & (column("lease_until") < now)
        due = (waiting | abandoned) & column("kind").one_of(self._kinds)
        where, values = due.sql("j", database.dialect())
        return bool(await database.read_rows(f'SELECT 1 FROM "job" "j" WHERE {where} LIMIT 1', values))

    async def _claim(self, number: int) -> list[Job]:
        now = utc_now()
        waiting = Q(status=JobStatus.QUEUED, run_at__lte=now)
        abandoned = Q(status=JobStatus.RUNNING, lease_until__lt=now)
        due = Job.filter(waiting | abandoned, kind__in=list(self._kinds)).order_by("run_at", "id").limit(number)
        rows = await due.select_for_update(skip_locked=True)
        for row in rows:
            row.status, row.runner, row.attempts = JobStatus.RUNNING, self.name, row.attempts + 1
            row.lease_until = now + timedelta(seconds=LEASE_SECONDS)
            await Job.filter(id=row.id).update(
                status=row.status,
                runner=row.runner,
                attempts=row.attempts,
                lease_until=row.lease_until,
                version=F("version") + 1,
                updated_at=now,
            )
        return rows

    async def _do(self, row: Job) -> None:
        kind = self._kinds[row.kind]
        context = JobContext(row)
        _running[row.id] = context
        renewing = asyncio.create_task(_keep_renewing(context), name="job lease")
        started = time.perf_counter()
        outcome = "failed"
        try:
            if row.attempts > kind.tries:
                # It took its process down with it, try after try.
                raise RuntimeError(f"given up after {kind.tries} tries that did not come to an end")
            with database.within(row.organization_id):
                result = await kind.function(context)
            if context._interrupted and not context._canceled:
                raise _Interrupted
            outcome = await to_the_end(_finish(context, result))
        except asyncio.CancelledError:
            await to_the_end(_finish_badly(context, _Interrupted(), kind.tries))
            raise
        except _Interrupted as error:
            outcome = await to_the_end(_finish_badly(context, error, kind.tries))
        except Exception as error:
            log.warning("a job failed", kind=row.kind, job=row.id, attempt=row.attempts, exc_info=error)
            outcome = await to_the_end(_finish_badly(context, error, kind.tries))
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            if _running.get(row.id) is context:
                del _running[row.id]
            metrics.observe_job(row.kind, outcome, time.perf_counter() - started)

    async def _end(self) -> None:
        if not self._tasks:
            return
        for context in list(_running.values()):
            if context._runner == self.name:
                context._stopping = True
        _, late = await asyncio.wait(self._tasks, timeout=self._grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class _Interrupted(Exception):
    """The process stopped under the job."""


async def _keep_renewing(context: JobContext) -> None:
    outage = Outage(f"the database (lease of a job {context.kind})", seconds_max=RENEW_SECONDS)
    while not context._lost:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await to_the_end(context._renew())
            outage.recovered()
        except AWAY as error:
            await asyncio.sleep(outage.failed(error))


async def _finish(context: JobContext, result: Mapping[str, Any] | None) -> str:
    now = utc_now()

    async def write() -> JobStatus:
        rows = await database.read_rows(
            f'SELECT "cancel_requested" FROM "job" WHERE "id" = {journal.mark(1)}', [context.id]
        )
        status = JobStatus.CANCELED if rows and rows[0][0] else JobStatus.DONE
        await context._change(
            status=status,
            result=None if result is None else journal.plain(dict(result)),
            error=None,
            open_key=None,
            lease_until=None,
            finished_at=now,
        )
        return status

    return (await _patiently(write)).lower()


async def _finish_badly(context: JobContext, error: Exception, tries: int) -> str:
    now = utc_now()
    text = f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX].replace("\x00", "")
    if context._canceled:
        values: dict[str, Any] = {"status": JobStatus.CANCELED, "open_key": None, "finished_at": now, "error": text}
    elif isinstance(error, _Interrupted):
        values = {"status": JobStatus.QUEUED, "run_at": now, "attempts": context.attempt - 1}
    elif context.attempt >= tries:
        values = {"status": JobStatus.FAILED, "open_key": None, "finished_at": now, "error": text}
    else:
        wait = timedelta(seconds=back_off(context.attempt, RETRY_SECONDS_MIN, RETRY_SECONDS_MAX))
        values = {"status": JobStatus.QUEUED, "run_at": now + wait, "error": text}
    await _patiently(lambda: context._change(**values, runner=None, lease_until=None))
    return str(values["status"]).lower()


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    """Write the end of a try, also when the database is away at the moment; for as long as the lease would have lasted."""
    outage = Outage("the database (end of a job)", seconds_max=2)
    deadline = time.monotonic() + LEASE_SECONDS
    while True:
        try:
            return await write()
        except AWAY as error:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(outage.failed(error))
