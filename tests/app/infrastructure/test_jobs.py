"""Jobs are done at least once, by one runner at a time, and end as they should whatever happens to it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from app import database as db
from app.infrastructure import jobs
from app.infrastructure.command import command
from app.infrastructure.jobs import JobContext, JobKind, JobStatus, Runner, cancel, enqueue, forget_old_jobs
from app.infrastructure.models import Job
from app.kernel.actor import Actor, user_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput, NotFound
from app.kernel.permissions import Role

LONG = 30


def runner(function: Callable[[JobContext], Any], *, tries: int = 5, **more: Any) -> Runner:
    return Runner(kinds={"test": JobKind("test", function, tries)}, **{"poll_seconds": 0.02, **more})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():
            await asyncio.sleep(0.01)


async def test_does_what_is_due_and_keeps_the_result(database: Dialect, actor: Actor) -> None:
    seen: list[tuple[Any, ...]] = []

    async def work(context: JobContext) -> Mapping[str, Any]:
        await context.progress({"percent": 50})
        row = await Job.get(id=context.id)
        seen.append((context.payload, context.actor, context.requested_by, context.attempt, row.status, row.progress))
        return {"answer": 42}

    person = user_actor(actor.organization_id, "usr_1", frozenset({Role.DISPATCHER}))
    id = await enqueue(person, "test", {"a": [1]})
    await enqueue(actor, "unknown")
    await enqueue(actor, "test", run_at=utc_now() + timedelta(minutes=1))
    assert await runner(work).run_due() == 1
    assert seen == [({"a": [1]}, actor, "usr_1", 1, "RUNNING", {"percent": 50})]
    row = await Job.get(id=id)
    assert (row.status, row.result, row.error, row.attempts, row.lease_until) == ("DONE", {"answer": 42}, None, 1, None)
    assert row.finished_at is not None
    assert sorted([one.status for one in await Job.all()]) == ["DONE", "QUEUED", "QUEUED"]


async def test_is_asked_for_with_the_command_or_not_at_all(database: Dialect, actor: Actor) -> None:
    @command(None)
    async def ask(actor: Actor, fail: bool) -> str:
        """Ask for a job."""
        id = await enqueue(actor, "test")
        if fail:
            raise InvalidInput("No.")
        return id

    with pytest.raises(InvalidInput):
        await ask(actor, True)
    assert await Job.all().count() == 0
    assert await ask(actor, False) == (await Job.get()).id


async def test_one_open_job_per_key_and_organization(database: Dialect, actor: Actor, stranger: Actor) -> None:
    async def work(context: JobContext) -> None: ...

    ids = await asyncio.gather(*(enqueue(actor, "test", {"n": n}, dedupe_key="day") for n in range(10)))
    assert len(set(ids)) == 1
    assert await enqueue(stranger, "test", dedupe_key="day") not in ids
    assert await enqueue(actor, "other", dedupe_key="day") not in ids
    await runner(work).run_due()
    assert await enqueue(actor, "test", dedupe_key="day") not in ids
    assert await Job.all().count() == 4
    for key in ("", "k" * 101):
        with pytest.raises(InvalidInput):
            await enqueue(actor, "test", dedupe_key=key)


async def test_two_runners_claim_each_job_once(database: Dialect, actor: Actor) -> None:
    done: list[str] = []

    async def work(context: JobContext) -> None:
        await asyncio.sleep(0.001)
        done.append(context.id)

    ids = [await enqueue(actor, "test") for _ in range(30)]
    counts = await asyncio.gather(runner(work, concurrency=3).run_due(), runner(work, concurrency=3).run_due())
    assert sorted(done) == sorted(ids)
    assert sum(counts) == 30
    assert {row.attempts for row in await Job.all()} == {1}


async def test_tries_again_later_and_then_gives_up(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(context: JobContext) -> None:
        raise ValueError(f"try {context.attempt}\x00")

    id = await enqueue(actor, "test", dedupe_key="k")
    running = runner(fail, tries=2)
    before = utc_now()
    assert await running.run_due() == 1
    row = await Job.get(id=id)
    assert (row.status, row.attempts, row.error) == ("QUEUED", 1, "ValueError: try 1")
    assert row.run_at >= before + timedelta(seconds=1)
    assert row.open_key is not None
    await Job.all().update(run_at=utc_now())
    assert await running.run_due() == 1
    row = await Job.get(id=id)
    assert (row.status, row.attempts, row.error, row.open_key) == ("FAILED", 2, "ValueError: try 2", None)
    assert await running.run_due() == 0


async def test_a_job_whose_process_died_is_taken_over_and_the_dead_one_changes_nothing(
    database: Dialect, actor: Actor
) -> None:
    contexts: list[JobContext] = []
    go_on = asyncio.Event()

    async def work(context: JobContext) -> Mapping[str, Any]:
        contexts.append(context)
        if context.attempt == 1:
            await go_on.wait()
        return {"by": context.attempt}

    id = await enqueue(actor, "test")
    first = asyncio.create_task(runner(work).run_due())
    await until(lambda: len(contexts) == 1)
    assert await runner(work).run_due() == 0
    await Job.filter(id=id).update(lease_until=utc_now() - timedelta(seconds=1))
    assert await runner(work).run_due() == 1
    assert (await Job.get(id=id)).result == {"by": 2}
    assert not contexts[0].canceled()
    await contexts[0].progress({"percent": 99})
    assert contexts[0].canceled()
    go_on.set()
    await first
    row = await Job.get(id=id)
    assert (row.status, row.result, row.progress, row.attempts) == ("DONE", {"by": 2}, {}, 2)


async def test_a_job_that_takes_its_process_down_every_time_is_given_up(database: Dialect, actor: Actor) -> None:
    ran: list[int] = []

    async def work(context: JobContext) -> None:
        ran.append(context.attempt)

    id = await enqueue(actor, "test")
    await Job.all().update(status="RUNNING", attempts=2, runner="dead", lease_until=utc_now() - timedelta(seconds=1))
    assert await runner(work, tries=2).run_due() == 1
    row = await Job.get(id=id)
    assert (row.status, ran) == ("FAILED", [])
    assert row.error is not None
    assert "2 tries" in row.error


async def test_keeps_its_lease_while_it_works(database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.01)
    leases: set[Any] = set()

    async def work(context: JobContext) -> None:
        async with asyncio.timeout(LONG):
            while len(leases) < 3:
                await asyncio.sleep(0.01)
                leases.add((await Job.get(id=context.id)).lease_until)

    await enqueue(actor, "test")
    await runner(work).run_due()
    assert len(leases) == 3


async def test_a_job_that_waits_is_canceled_at_once(database: Dialect, actor: Actor, stranger: Actor) -> None:
    async def work(context: JobContext) -> None:
        raise AssertionError

    id = await enqueue(actor, "test", dedupe_key="k")
    with pytest.raises(NotFound):
        await cancel(stranger, id)
    assert await cancel(actor, id)
    assert not await cancel(actor, id)
    assert await runner(work).run_due() == 0
    row = await Job.get(id=id)
    assert (row.status, row.open_key) == ("CANCELED", None)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_job_that_runs_is_asked_to_stop(
    database: Dialect, actor: Actor, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.01)
    begun = asyncio.Event()

    async def work(context: JobContext) -> Mapping[str, Any]:
        begun.set()
        async with asyncio.timeout(LONG):
            while not context.canceled():
                await asyncio.sleep(0.005)
        return {"so far": 1}

    id = await enqueue(actor, "test")
    running = asyncio.create_task(runner(work).run_due())
    await begun.wait()
    if elsewhere:
        await Job.filter(id=id).update(cancel_requested=True)
    else:
        assert await cancel(actor, id)
    await running
    row = await Job.get(id=id)
    assert (row.status, row.result) == ("CANCELED", {"so far": 1})


async def test_stopping_waits_for_the_jobs_in_hand_and_leaves_no_task(
    database: Dialect, actor: Actor, bus: None
) -> None:
    begun: list[str] = []

    async def work(context: JobContext) -> None:
        begun.append(context.id)
        if context.payload["how"] == "short":
            await asyncio.sleep(0.1)
        elif context.payload["how"] == "attentive":
            while not context.canceled():
                await asyncio.sleep(0.01)
        else:
            await asyncio.sleep(LONG)

    ids = {how: await enqueue(actor, "test", {"how": how}) for how in ("short", "attentive", "long")}
    running = asyncio.create_task(runner(work, grace_seconds=0.5).run())
    await until(lambda: len(begun) == 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    rows = {how: await Job.get(id=id) for how, id in ids.items()}
    assert {how: (row.status, row.attempts) for how, row in rows.items()} == {
        "short": ("DONE", 1),
        # These are for the next runner, and these tries do not count.
        "attentive": ("QUEUED", 0),
        "long": ("QUEUED", 0),
    }
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("job")]


async def test_starts_soon_after_it_was_asked_for(database: Dialect, actor: Actor, bus: None) -> None:
    done = asyncio.Event()

    async def work(context: JobContext) -> None:
        done.set()

    running = asyncio.create_task(runner(work, poll_seconds=LONG).run())
    await asyncio.sleep(0.05)
    await enqueue(actor, "test")
    async with asyncio.timeout(5):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_outlives_a_database_that_is_away(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, runs = False, 0
    unit_of_work, read_rows = db.unit_of_work, db.read_rows

    async def work(context: JobContext) -> Mapping[str, Any]:
        nonlocal away, runs
        runs += 1
        # It goes away while the job works, so that the job's end cannot be written at first.
        away = True
        return {"runs": runs}

    async def unit(*args: Any, **more: Any) -> Any:
        if away:
            raise db.ConnectionLost
        return await unit_of_work(*args, **more)

    async def read(*args: Any) -> Any:
        if away:
            raise db.ConnectionLost
        return await read_rows(*args)

    await enqueue(actor, "test")
    monkeypatch.setattr(db, "unit_of_work", unit)
    monkeypatch.setattr(db, "read_rows", read)
    running = asyncio.create_task(runner(work).run())
    await until(lambda: away)
    await asyncio.sleep(0.1)
    away = False
    async with asyncio.timeout(LONG):
        while (row := await Job.get()).status != JobStatus.DONE:
            await asyncio.sleep(0.01)
    assert (row.result, row.attempts, runs) == ({"runs": 1}, 1, 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_forgets_jobs_that_were_over_long_ago(database: Dialect, actor: Actor) -> None:
    async def work(context: JobContext) -> None: ...

    old, new = await enqueue(actor, "test"), await enqueue(actor, "test")
    await runner(work).run_due()
    waiting = await enqueue(actor, "test")
    long_ago = utc_now() - timedelta(days=jobs.KEPT_DAYS + 1)
    await Job.filter(id=old).update(finished_at=long_ago)
    await Job.filter(id=waiting).update(created_at=long_ago, run_at=long_ago)
    assert await forget_old_jobs() == 1
    assert {row.id for row in await Job.all()} == {new, waiting}


async def test_long_jobs_have_a_runner_of_their_own_and_keep_no_others_waiting(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()

    async def long(context: JobContext) -> None:
        await release.wait()

    async def short(context: JobContext) -> None: ...

    monkeypatch.setattr(
        jobs, "KINDS", {"long": JobKind("long", long, 5, apart=True), "short": JobKind("short", short, 5)}
    )
    waiting = [await enqueue(actor, "long") for _ in range(3)]
    quick = await enqueue(actor, "short")
    running = [asyncio.create_task(jobs.run_jobs(1)), asyncio.create_task(jobs.run_jobs(1, apart=True))]
    async with asyncio.timeout(LONG):
        while (await Job.get(id=quick)).status != JobStatus.DONE:
            await asyncio.sleep(0.01)
        assert {(await Job.get(id=id)).status for id in waiting} == {JobStatus.QUEUED, JobStatus.RUNNING}
        release.set()
        while not all([(await Job.get(id=id)).status == JobStatus.DONE for id in waiting]):
            await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
