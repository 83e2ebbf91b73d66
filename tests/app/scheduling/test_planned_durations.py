"""Plans by history: visits with their service type's usual minutes are planned with what such visits really took."""

from collections.abc import Iterator

import pytest
import pytest_asyncio

from app.kernel.dialects import Dialect
from app.scheduling import commands, planning, queries
from app.scheduling.models import Appointment
from app.scheduling.planning.durations import expected_minutes, with_minutes
from tests.app.scheduling.test_forecasts import add_visits, service
from tests.app.scheduling.test_planning import material_of
from tests.app.scheduling.test_plans import planned, visits_of
from tests.app.scheduling.world import NINE, Company, found, visit


@pytest_asyncio.fixture(loop_scope="session")
async def company(sqlite_database: Dialect) -> Company:
    return await found("Acme")


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    queries.forget_forecasts()
    yield
    queries.forget_forecasts()


async def of_history(company: Company, minutes: int) -> str:
    """A service type whose visits are planned with an hour and took so many minutes."""
    kind = await service(company, "check")
    await add_visits(company, 40, minutes, service_type_id=kind)
    await add_visits(company, 40, 90, service_type_id=await service(company, "repair"))
    return kind


async def test_visits_with_the_usual_minutes_get_those_of_history_and_others_keep_theirs(company: Company) -> None:
    kind = await of_history(company, 20)
    usual = await visit(company, service_type_id=kind, duration_minutes=60)
    longer = await visit(company, service_type_id=kind, duration_minutes=75)
    of_no_kind = await visit(company)
    settled = await visit(company, service_type_id=kind, duration_minutes=60)
    await commands.schedule_appointment(company.dispatcher, settled, [company.ann_id], NINE)
    await commands.dispatch_appointment(company.dispatcher, settled)
    material = await material_of(company)
    assert {one.id for one in material.appointments} >= {usual, longer, of_no_kind, settled}
    assert await expected_minutes(company.dispatcher, material) == {usual: 21}
    request = planning.request_of(material, seconds=0, seed=0, now=NINE)
    minutes = {one.id: one.duration_minutes for one in with_minutes(request, {usual: 22}).visits}
    assert minutes == {one.id: one.duration_minutes for one in request.visits} | {usual: 22}


async def test_nothing_changes_while_what_was_planned_was_as_good(company: Company) -> None:
    kind = await of_history(company, 20)
    for one in await Appointment.all():
        took = one.completed_at and one.started_at and (one.completed_at - one.started_at).total_seconds()
        await Appointment.filter(id=one.id).update(duration_minutes=int((took or 0) // 60))
    await visit(company, service_type_id=kind, duration_minutes=60)
    times = await queries.visit_times(company.dispatcher)
    assert times.error is not None and not times.error.beats_plan
    assert await expected_minutes(company.dispatcher, await material_of(company)) == {}


async def test_nothing_changes_without_history(company: Company) -> None:
    kind = await service(company, "check")
    await visit(company, service_type_id=kind, duration_minutes=60)
    assert await expected_minutes(company.dispatcher, await material_of(company)) == {}


async def test_a_plan_by_history_ends_visits_earlier_and_can_be_committed(company: Company) -> None:
    kind = await of_history(company, 20)
    await visit(company, service_type_id=kind, duration_minutes=60)
    lengths = []
    for by_history in (False, True):
        run = await planned(company, durations_by_history=by_history)
        (row,) = (await visits_of(run)).values()
        assert row.starts_at is not None and row.ends_at is not None
        lengths.append(int((row.ends_at - row.starts_at).total_seconds() // 60))
    assert lengths == [60, 21]
    await commands.commit_plan(company.dispatcher, run.id)
    committed = await Appointment.get(id=row.appointment_id)
    assert (committed.starts_at, committed.ends_at) == (row.starts_at, row.ends_at)
