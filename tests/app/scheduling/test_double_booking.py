"""Nobody is in two places: not through twenty commands at once, and not past the commands either."""

import asyncio
from datetime import timedelta

import pytest

from app import database as db
from app.infrastructure.tables import add_row
from app.kernel.errors import ScheduleConflict
from app.scheduling import commands
from app.scheduling.commands.steps import no_overlap
from app.scheduling.models import Appointment, Assignment
from tests.app.scheduling.world import DAY, NINE, Company, assignments_of, booked, row_of, visit, work

HALF_HOUR = timedelta(minutes=30)


async def test_exactly_one_of_twenty_who_want_the_same_technician_at_the_same_time_wins(
    company: Company,
) -> None:
    ids = [await visit(company) for _ in range(20)]

    async def attempt(place: int, id: str) -> str:
        try:
            return await commands.schedule_appointment(
                company.dispatcher, id, [company.ann_id], NINE + timedelta(minutes=place)
            )
        except ScheduleConflict as problem:
            return problem.code

    answers = await asyncio.gather(*(attempt(place, id) for place, id in enumerate(ids)))
    won = [answer for answer in answers if answer in ids]
    assert len(won) == 1
    assert [answer for answer in answers if answer not in ids] == ["SCHEDULE_CONFLICT"] * 19
    assert [(await row_of(id)).status for id in ids].count("SCHEDULED") == 1
    assert [one.appointment_id for one in await Assignment.all()] == won


async def test_two_visits_that_change_crews_crosswise_at_once_do_not_wait_for_each_other_for_ever(
    company: Company,
) -> None:
    one, other = await booked(company), await booked(company, company.bob_id)

    async def move(id: str, technician_ids: list[str]) -> str:
        try:
            return await commands.reschedule_appointment(company.dispatcher, id, technician_ids=technician_ids)
        except ScheduleConflict as problem:
            return problem.code

    answers = await asyncio.gather(
        *(move(id, crew) for id in (one, other) for crew in ([company.bob_id, company.ann_id], [company.ann_id]))
    )
    assert set(answers) <= {one, other, "SCHEDULE_CONFLICT"}
    rows = await Assignment.filter(is_active=True)
    assert len({row.technician_id for row in rows}) == len(rows)


async def test_work_that_two_plans_find_without_a_visit_at_once_gets_one_visit(company: Company) -> None:
    ids = {await work(company) for _ in range(4)}
    await asyncio.gather(*(commands.plan_day(company.dispatcher, DAY, seconds=1) for _ in range(6)))
    wanted = [one.work_order_id for one in await Appointment.all()]
    assert sorted(wanted) == sorted(ids)


@pytest.mark.parametrize("shift", [timedelta(0), -HALF_HOUR, HALF_HOUR])
async def test_the_database_itself_refuses_an_overlap(company: Company, shift: timedelta) -> None:
    taken = await booked(company)
    free = await booked(company, at=NINE + timedelta(hours=3))
    (first,), (second,) = await assignments_of(taken), await assignments_of(free)
    times = {"starts_at": NINE + shift, "ends_at": NINE + shift + timedelta(hours=1)}

    async def insert() -> None:
        await add_row(
            Assignment,
            organization_id=company.organization_id,
            appointment_id=free,
            technician_id=company.ann_id,
            work_order_id=second.work_order_id,
            customer_id=second.customer_id,
            **times,
        )

    async def move() -> None:
        await Assignment.filter(id=second.id).update(**times)

    for attempt in (insert, move):
        with pytest.raises(db.Overlap):
            await db.unit_of_work(attempt)
    await Assignment.filter(id=first.id).update(is_active=False)
    await db.unit_of_work(move)
    with pytest.raises(db.Overlap):
        await db.unit_of_work(lambda: reactivate(first.id))


async def reactivate(id: str) -> None:
    await Assignment.filter(id=id).update(is_active=True)


async def test_the_databases_refusal_reaches_people_as_a_conflict(company: Company) -> None:
    taken = await row_of(await booked(company))
    (assignment,) = await assignments_of(taken.id)

    async def insert() -> None:
        with no_overlap():
            await add_row(
                Assignment,
                organization_id=company.organization_id,
                appointment_id=taken.id,
                technician_id=company.ann_id,
                work_order_id=assignment.work_order_id,
                customer_id=assignment.customer_id,
                starts_at=NINE,
                ends_at=NINE + HALF_HOUR,
            )

    with pytest.raises(ScheduleConflict) as caught:
        await db.unit_of_work(insert)
    assert [(clash.code, clash.overridable) for clash in caught.value.conflicts] == [("OVERLAP", False)]


async def test_time_must_pass(company: Company) -> None:
    (assignment,) = await assignments_of(await booked(company))

    async def empty() -> None:
        await Assignment.filter(id=assignment.id).update(ends_at=NINE, is_active=False)

    with pytest.raises(db.CheckFailed):
        await db.unit_of_work(empty)
