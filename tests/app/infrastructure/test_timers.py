"""Work that comes round is done by one process at a time, and once when it was missed often."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.infrastructure import timers
from app.infrastructure.models import Timer
from app.infrastructure.timers import TIMERS, Periodic, Timers, every
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect


async def test_is_due_at_once_and_then_when_its_time_has_come(database: Dialect) -> None:
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)

    running = Timers([Periodic("test", 60, work)])
    assert await running.run_due() == ["test"]
    assert await running.run_due() == []
    await Timer.filter(name="test").update(next_at=utc_now() - timedelta(hours=5))
    assert await running.run_due() == ["test"]
    assert await running.run_due() == []
    row = await Timer.get(name="test")
    assert (len(ran), row.runner, row.lease_until, row.last_error) == (2, None, None, None)
    assert row.last_run_at is not None
    assert row.next_at == row.last_run_at + timedelta(seconds=60)


async def test_ten_processes_do_it_once(database: Dialect) -> None:
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)
        await asyncio.sleep(0.02)

    await asyncio.gather(*(Timers([Periodic("test", 60, work)]).run_due() for _ in range(10)))
    assert ran == [1]


async def test_what_a_dead_process_held_is_done_by_another(database: Dialect) -> None:
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)

    now = utc_now()
    await Timer.create(name="test", next_at=now, runner="dead", lease_until=now + timedelta(seconds=60))
    running = Timers([Periodic("test", 60, work)])
    assert await running.run_due() == []
    await Timer.all().update(lease_until=now - timedelta(seconds=1))
    assert await running.run_due() == ["test"]
    assert ran == [1]


async def test_work_that_fails_is_noted_and_comes_round_again(database: Dialect) -> None:
    async def fail() -> None:
        raise ValueError("no")

    assert await Timers([Periodic("test", 60, fail)]).run_due() == ["test"]
    row = await Timer.get(name="test")
    assert (row.last_error, row.runner) == ("ValueError: no", None)
    assert row.next_at > utc_now() + timedelta(seconds=50)


async def test_long_work_keeps_its_lease(database: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "RENEW_SECONDS", 0.01)
    leases: set[object] = set()

    async def work() -> None:
        async with asyncio.timeout(20):
            while len(leases) < 3:
                await asyncio.sleep(0.01)
                leases.add((await Timer.get(name="test")).lease_until)

    await Timers([Periodic("test", 60, work)]).run_due()
    assert len(leases) == 3


async def test_stopping_finishes_the_work_in_hand_and_leaves_no_task(database: Dialect) -> None:
    begun, ended = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        await asyncio.sleep(0.1)
        ended.append(1)

    running = asyncio.create_task(Timers([Periodic("test", 60, work)], poll_seconds=0.01).run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [1]
    assert (await Timer.get(name="test")).runner is None
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("timer")]


def test_a_timer_has_a_name_of_its_own() -> None:
    async def work() -> None: ...

    assert {"infrastructure.forget_old_keys", "infrastructure.forget_old_jobs"} <= set(TIMERS)
    with pytest.raises(TypeError):
        every(seconds=1, name="infrastructure.forget_old_keys")(work)


@pytest.mark.parametrize(
    ("error", "reached"), [(ValueError("a bad row"), ["first", "second"]), (OSError("no database"), ["first"])]
)
async def test_what_fails_for_one_organization_is_done_for_the_others_unless_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reached: list[str]
) -> None:
    async def heads() -> dict[str, int]:
        return {"first": 1, "second": 1}

    ran: list[str] = []

    async def work(organization_id: str) -> None:
        ran.append(organization_id)
        if organization_id == "first":
            raise error

    monkeypatch.setattr(timers.journal, "heads", heads)
    with capture_logs(), pytest.raises(type(error)):
        await timers.for_each_organization(work)
    assert ran == reached
