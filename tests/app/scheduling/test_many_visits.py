"""A plan of many visits is committed and undone by few statements, however many visits it has."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import aiosqlite
import pytest

from app import database as db
from app.infrastructure.tables import add_row, change_row
from app.kernel.calendar import utc_now
from app.scheduling import commands
from app.scheduling.models import Appointment, Assignment, PlannedVisit, PlanRun
from app.work_orders.models import WorkOrder
from tests.app.scheduling.world import DAY, NINE, Company, visit

FEW, MANY = 3, 12


async def laid(company: Company, ids: list[str]) -> str:
    """A plan that is ready and gives the visits to Ann and Bob, one after another."""
    mine = {"organization_id": company.organization_id}
    run = await add_row(
        PlanRun,
        **mine,
        kind="SCHEDULE",
        day=DAY,
        days=1,
        time_zone="Europe/Berlin",
        status="READY",
        requested_by=company.dispatcher.id,
        seconds=1,
        question={},
        started_at=utc_now(),
        base={row.id: row.version for row in await Appointment.filter(id__in=ids)},
    )
    for index, row in enumerate(await Appointment.filter(id__in=ids)):
        starts_at = NINE + timedelta(minutes=30 * (index // 2))
        await add_row(
            PlannedVisit,
            **mine,
            run_id=run.id,
            appointment_id=row.id,
            work_order_id=row.work_order_id,
            technician_id=(company.ann_id, company.bob_id)[index % 2],
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            change="ADDED",
        )
    return run.id


async def trips(monkeypatch: pytest.MonkeyPatch, attempt: Awaitable[object]) -> int:
    """How many times a command went to the database."""
    count = 0
    original = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, *args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return await original(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(aiosqlite.Connection, "_execute", counted)
        await attempt
    return count


@pytest.fixture
def database(sqlite_database: Any) -> Any:
    return sqlite_database


async def test_a_commit_and_an_undo_go_to_the_database_as_often_for_many_visits_as_for_few(
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {}
    for count in (FEW, MANY):
        ids = [await visit(company, duration_minutes=30) for _ in range(count)]
        run_id = await laid(company, ids)
        committed = await trips(monkeypatch, commands.commit_plan(company.dispatcher, run_id))
        rows = await Appointment.filter(id__in=ids)
        assert {row.status for row in rows} == {"SCHEDULED"}
        assert await Assignment.filter(appointment_id__in=ids, is_active=True).count() == count
        works = WorkOrder.filter(id__in=[row.work_order_id for row in rows])
        assert {work.status for work in await works} == {"SCHEDULED"}
        assert await PlannedVisit.filter(run_id=run_id, is_accepted=False).count() == 0
        undone = await trips(monkeypatch, commands.undo_plan(company.dispatcher, run_id))
        assert {row.status for row in await Appointment.filter(id__in=ids)} == {"UNSCHEDULED"}
        assert await Assignment.filter(appointment_id__in=ids, is_active=True).count() == 0
        found[count] = (committed, undone)
    assert found[MANY] == found[FEW]


async def test_the_count_sees_a_command_that_goes_once_for_each_visit(
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def one_by_one(ids: list[str]) -> None:
        async def work() -> None:
            for row in await Appointment.filter(id__in=ids):
                await change_row(row, duration_minutes=45)

        await db.unit_of_work(work)

    ids = [await visit(company) for _ in range(MANY)]
    few = await trips(monkeypatch, one_by_one(ids[:FEW]))
    assert await trips(monkeypatch, one_by_one(ids[FEW:])) > few
