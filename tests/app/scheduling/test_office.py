"""The office wants visits, schedules, moves and dispatches them; what does not fit is refused with every reason."""

from datetime import timedelta

import pytest

from app.infrastructure.tables import add_row
from app.kernel.errors import (
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotPermitted,
    ScheduleConflict,
    StaleVersion,
)
from app.kernel.ids import new_id
from app.scheduling import commands
from app.technicians.models import Absence, Technician, TechnicianSkill
from app.work_orders.models import WorkOrder
from tests.app.scheduling.world import (
    DAY,
    NINE,
    Company,
    assignments_of,
    booked,
    refused,
    row_of,
    sent,
    told,
    visit,
    work,
)

HOUR = timedelta(hours=1)


async def test_numbers_the_visits_of_a_work_order_and_takes_over_what_it_asks_for(company: Company) -> None:
    asked = await work(company, requested_window_start=NINE, requested_window_end=NINE + 2 * HOUR)
    first = await row_of(await commands.create_appointment(company.dispatcher, asked))
    second = await row_of(await commands.create_appointment(company.dispatcher, asked, duration_minutes=30))
    assert [(one.number, one.duration_minutes, one.window_start, one.window_end) for one in (first, second)] == [
        (1, 60, NINE, NINE + 2 * HOUR),
        (2, 30, NINE, NINE + 2 * HOUR),
    ]
    assert (first.status, first.customer_id, first.site_id) == (
        "UNSCHEDULED",
        company.customer_id,
        company.site_id,
    )


async def test_schedules_a_crew_and_rolls_the_work_order_up(company: Company) -> None:
    id = await visit(company)
    facts = await told(
        company,
        commands.schedule_appointment(company.dispatcher, id, [company.bob_id, company.ann_id], NINE, pin_when=True),
    )
    row = await row_of(id)
    assert (row.status, row.starts_at, row.ends_at) == ("SCHEDULED", NINE, NINE + HOUR)
    assert (row.technician_ids, row.is_pinned_who, row.is_pinned_when) == (
        [company.bob_id, company.ann_id],
        False,
        True,
    )
    assert [(one.technician_id, one.is_lead, one.status, one.is_active) for one in await assignments_of(id)] == [
        (company.bob_id, True, "PROPOSED", True),
        (company.ann_id, False, "PROPOSED", True),
    ]
    assert (await WorkOrder.get(id=row.work_order_id)).status == "SCHEDULED"
    scheduled = next(fact for fact in facts if fact.type == "AppointmentScheduled")
    assert scheduled.technician_ids == (company.bob_id, company.ann_id)
    assert scheduled.customer_id == company.customer_id


async def test_lists_everything_that_speaks_against_a_visit(company: Company) -> None:
    other = await booked(company)
    id = await visit(company, required_skills={company.skill_id: 5})
    await add_row(
        Absence,
        organization_id=company.organization_id,
        technician_id=company.ann_id,
        starts_at=NINE,
        ends_at=NINE + HOUR,
        kind="TRAINING",
    )
    problem = await refused(commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE))
    assert isinstance(problem, ScheduleConflict)
    assert [(clash.code, clash.overridable, clash.appointment_id) for clash in problem.conflicts] == [
        ("OVERLAP", False, other),
        ("ABSENT", True, None),
        ("SKILL_LEVEL_TOO_LOW", True, None),
    ]


async def test_bends_a_rule_for_a_reason_but_never_books_twice(company: Company) -> None:
    id = await visit(company)
    late = NINE + 9 * HOUR
    problem = await refused(commands.schedule_appointment(company.dispatcher, id, [company.ann_id], late))
    assert isinstance(problem, ScheduleConflict)
    assert [clash.code for clash in problem.conflicts] == ["OUTSIDE_SHIFT"]
    facts = await told(
        company,
        commands.schedule_appointment(
            company.dispatcher, id, [company.ann_id], late, override_reason="Ann offered to stay."
        ),
    )
    payload = next(fact.payload for fact in facts if fact.type == "AppointmentScheduled")
    assert (payload["override_reason"], payload["overridden"]) == ("Ann offered to stay.", ["OUTSIDE_SHIFT"])
    second = await visit(company)
    problem = await refused(
        commands.schedule_appointment(company.dispatcher, second, [company.ann_id], late, override_reason="Both.")
    )
    assert isinstance(problem, ScheduleConflict)


async def test_an_expired_certificate_counts_until_its_last_day(company: Company) -> None:
    held = TechnicianSkill.filter(technician_id=company.ann_id)
    id = await visit(company, required_skills={company.skill_id: 3})
    await held.update(expires_on=DAY - timedelta(days=1))
    problem = await refused(commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE))
    assert isinstance(problem, ScheduleConflict)
    assert [clash.code for clash in problem.conflicts] == ["CERTIFICATE_EXPIRED"]
    await held.update(expires_on=DAY)
    assert await commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE) == id


async def test_moves_a_visit_to_another_time_and_technician_and_releases_the_first(company: Company) -> None:
    id = await sent(company)
    facts = await told(
        company,
        commands.reschedule_appointment(company.dispatcher, id, technician_ids=[company.bob_id], starts_at=NINE + HOUR),
    )
    row = await row_of(id)
    assert (row.status, row.starts_at, row.dispatched_at) == ("SCHEDULED", NINE + HOUR, None)
    assert {(one.technician_id, one.status, one.is_active) for one in await assignments_of(id)} == {
        (company.ann_id, "RELEASED", False),
        (company.bob_id, "PROPOSED", True),
    }
    moved = next(fact for fact in facts if fact.type == "AppointmentRescheduled")
    assert set(moved.technician_ids) == {company.ann_id, company.bob_id}
    assert moved.payload["changes"]["technician_ids"] == [[company.ann_id], [company.bob_id]]


async def test_moving_a_visit_by_a_little_does_not_clash_with_itself(company: Company) -> None:
    id = await booked(company)
    await commands.reschedule_appointment(company.dispatcher, id, starts_at=NINE + HOUR / 2)
    (assignment,) = await assignments_of(id)
    assert (assignment.starts_at, assignment.ends_at) == (NINE + HOUR / 2, NINE + 3 * HOUR / 2)


async def test_moving_a_visit_to_where_it_is_changes_and_tells_nothing(company: Company) -> None:
    id = await booked(company)
    before = await row_of(id)
    assert await told(company, commands.reschedule_appointment(company.dispatcher, id, starts_at=NINE)) == []
    assert (await row_of(id)).version == before.version


async def test_takes_a_visit_out_of_the_schedule_and_the_work_order_waits_again(company: Company) -> None:
    id = await booked(company)
    await commands.unschedule_appointment(company.dispatcher, id, reason="The customer is away.")
    row = await row_of(id)
    assert (row.status, row.starts_at, row.ends_at, row.technician_ids) == ("UNSCHEDULED", None, None, [])
    (assignment,) = await assignments_of(id)
    assert (assignment.status, assignment.is_active, assignment.reason) == (
        "RELEASED",
        False,
        "The customer is away.",
    )
    assert (await WorkOrder.get(id=row.work_order_id)).status == "TRIAGED"
    assert await booked(company)


async def test_dispatches_a_whole_day_for_the_technicians_named(company: Company) -> None:
    mine = await booked(company)
    theirs = await booked(company, company.bob_id)
    tomorrow = await booked_tomorrow(company)
    assert await commands.dispatch_day(company.dispatcher, DAY, technician_ids=[company.ann_id]) == [mine]
    assert [(await row_of(id)).status for id in (mine, theirs, tomorrow)] == [
        "DISPATCHED",
        "SCHEDULED",
        "SCHEDULED",
    ]
    assert await commands.dispatch_day(company.dispatcher, DAY) == [theirs]


async def booked_tomorrow(company: Company) -> str:
    id = await visit(company)
    return await commands.schedule_appointment(
        company.dispatcher, id, [company.ann_id], NINE + timedelta(days=1), override_reason="On call."
    )


async def test_dispatches_several_or_none(company: Company) -> None:
    ready, unready = await booked(company), await visit(company)
    problem = await refused(commands.dispatch_appointments(company.dispatcher, [ready, unready]))
    assert isinstance(problem, IllegalTransition)
    assert await commands.dispatch_appointments(company.dispatcher, [ready, ready]) == [ready]


@pytest.mark.parametrize("who", ["support", "ann", "customer"])
async def test_only_who_manages_the_schedule_schedules(company: Company, who: str) -> None:
    id = await visit(company)
    actor = getattr(company, who)
    assert isinstance(await refused(commands.schedule_appointment(actor, id, [company.ann_id], NINE)), NotPermitted)


async def test_ids_of_another_company_do_not_exist_here(company: Company, stranger: Company) -> None:
    theirs, ours = await visit(stranger), await visit(company)
    for attempt in (
        commands.schedule_appointment(company.dispatcher, theirs, [company.ann_id], NINE),
        commands.schedule_appointment(company.dispatcher, ours, [stranger.ann_id], NINE),
        commands.create_appointment(company.dispatcher, (await row_of(theirs)).work_order_id),
        commands.dispatch_day(company.dispatcher, DAY, technician_ids=[stranger.ann_id]),
        commands.plan_day(company.dispatcher, DAY, technician_ids=[stranger.ann_id]),
        commands.plan_day(company.dispatcher, DAY, work_order_ids=[(await row_of(theirs)).work_order_id]),
    ):
        assert isinstance(await refused(attempt), NotFound)


async def test_refuses_senseless_input(company: Company) -> None:
    id = await visit(company)
    schedule = commands.schedule_appointment
    for attempt in (
        schedule(company.dispatcher, id, [], NINE),
        schedule(company.dispatcher, id, [company.ann_id, company.ann_id], NINE),
        schedule(company.dispatcher, id, [company.ann_id], NINE.replace(tzinfo=None)),
        schedule(company.dispatcher, id, [company.ann_id], NINE, duration_minutes=0),
        schedule(company.dispatcher, new_id("wo"), [company.ann_id], NINE),
        commands.pin_appointment(company.dispatcher, id, who=True),
        commands.dispatch_appointments(company.dispatcher, []),
    ):
        assert isinstance(await refused(attempt), InvalidInput)
    stale = schedule(company.dispatcher, id, [company.ann_id], NINE, version=7)
    assert isinstance(await refused(stale), StaleVersion)


async def test_a_technician_who_left_cannot_be_sent_for_any_reason(company: Company) -> None:
    await Technician.filter(id=company.ann_id).update(is_active=False)
    attempt = commands.schedule_appointment(
        company.dispatcher, await visit(company), [company.ann_id], NINE, override_reason="Please."
    )
    problem = await refused(attempt)
    assert isinstance(problem, ScheduleConflict)
    assert [clash.code for clash in problem.conflicts] == ["INACTIVE"]
