"""Technicians carry visits out: every state with every step, clocks, statuses, and what is freed at the end."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import IllegalTransition, InvalidInput, NotFound, NotPermitted
from app.scheduling import commands
from app.scheduling.models import Appointment, Assignment
from app.scheduling.rules import AppointmentStatus, ReasonCode
from app.technicians.models import Technician
from app.work_orders.models import TimeEntry, WorkOrder
from tests.app.scheduling.test_rules import LEGAL
from tests.app.scheduling.world import (
    NINE,
    Company,
    assignments_of,
    booked,
    found,
    refused,
    row_of,
    sent,
    told,
    visit,
)

A = AppointmentStatus
Step = Callable[[Company, str], Awaitable[str]]

STEPS: dict[str, tuple[Step, AppointmentStatus, tuple[AppointmentStatus, ...]]] = {
    "schedule": (
        lambda c, id: commands.schedule_appointment(c.dispatcher, id, [c.ann_id], NINE),
        A.SCHEDULED,
        (A.UNSCHEDULED,),
    ),
    "reschedule": (
        lambda c, id: commands.reschedule_appointment(c.dispatcher, id, starts_at=NINE + timedelta(hours=2)),
        A.SCHEDULED,
        (A.SCHEDULED, A.DISPATCHED),
    ),
    "unschedule": (
        lambda c, id: commands.unschedule_appointment(c.dispatcher, id),
        A.UNSCHEDULED,
        (A.SCHEDULED, A.DISPATCHED),
    ),
    "dispatch": (lambda c, id: commands.dispatch_appointment(c.dispatcher, id), A.DISPATCHED, (A.SCHEDULED,)),
    "depart": (lambda c, id: commands.depart(c.ann, id), A.EN_ROUTE, (A.DISPATCHED,)),
    "turn back": (lambda c, id: commands.turn_back(c.ann, id), A.DISPATCHED, (A.EN_ROUTE,)),
    "arrive": (lambda c, id: commands.arrive(c.ann, id), A.ON_SITE, (A.EN_ROUTE,)),
    "start": (lambda c, id: commands.start_work(c.ann, id), A.IN_PROGRESS, (A.ON_SITE,)),
    "pause": (lambda c, id: commands.pause_work(c.ann, id), A.PAUSED, (A.IN_PROGRESS,)),
    "resume": (lambda c, id: commands.resume_work(c.ann, id), A.IN_PROGRESS, (A.PAUSED,)),
    "complete": (
        lambda c, id: commands.complete_appointment(c.ann, id),
        A.COMPLETED,
        (A.IN_PROGRESS, A.PAUSED),
    ),
    "give up": (
        lambda c, id: commands.complete_appointment(
            c.ann, id, result=A.CANNOT_COMPLETE, reason_code=ReasonCode.NO_ACCESS
        ),
        A.CANNOT_COMPLETE,
        (A.EN_ROUTE, A.ON_SITE, A.IN_PROGRESS, A.PAUSED),
    ),
    "cancel": (
        lambda c, id: commands.cancel_appointment(c.dispatcher, id, ReasonCode.CUSTOMER_REQUEST),
        A.CANCELED,
        (A.UNSCHEDULED, A.SCHEDULED, A.DISPATCHED, A.EN_ROUTE, A.ON_SITE),
    ),
}


async def in_state(company: Company, state: AppointmentStatus) -> str:
    """A visit of Ann's put into a state by hand."""
    if state is A.UNSCHEDULED:
        return await visit(company)
    id = await booked(company)
    await Appointment.filter(id=id).update(status=state)
    return id


@pytest.mark.slow
async def test_every_step_leads_from_exactly_the_states_of_its_table(sqlite_database: Dialect) -> None:
    # What the steps check is the same on every database; each step is taken on both below.
    company = await found("Acme")
    for step, to, allowed in STEPS.values():
        for state in AppointmentStatus:
            id = await in_state(company, state)
            if state in allowed:
                assert await step(company, id) == id
                assert (await row_of(id)).status == to
            else:
                # A technician does not see what was never given: then there is no such visit.
                assert isinstance(await refused(step(company, id)), IllegalTransition | NotFound)
            await clear()


async def clear() -> None:
    await TimeEntry.all().delete()
    await Assignment.all().delete()
    await Technician.all().update(status="OFF")


def test_the_steps_cover_the_table() -> None:
    covered = {(state, to) for _, to, allowed in STEPS.values() for state in allowed} - {(A.SCHEDULED, A.SCHEDULED)}
    table = {(A(state), A(to)) for state, targets in LEGAL.items() for to in targets.split()}
    assert table - covered == {(state, A.PARTIALLY_COMPLETED) for state in (A.IN_PROGRESS, A.PAUSED)}


async def test_a_day_on_the_road_stamps_clocks_and_statuses(company: Company) -> None:
    id = await sent(company)
    facts = await told(company, commands.depart(company.ann, id))
    assert [fact.type for fact in facts if fact.noun == "appointment"] == ["AppointmentDeparted"]
    assert (await Technician.get(id=company.ann_id)).status == "TRAVELLING"
    assert [one.status for one in await assignments_of(id)] == ["ACCEPTED"]
    facts = await told(company, commands.arrive(company.ann, id, latitude=52.5, longitude=13.401))
    assert [fact.payload["distance_metres"] for fact in facts if fact.noun == "appointment"] == [68]
    await commands.start_work(company.ann, id)
    assert (await WorkOrder.get(id=(await row_of(id)).work_order_id)).status == "IN_PROGRESS"
    await commands.pause_work(company.ann, id, reason_code=ReasonCode.BREAK)
    assert (await Technician.get(id=company.ann_id)).status == "AVAILABLE"
    await commands.resume_work(company.ann, id)
    await commands.complete_appointment(company.ann, id)
    row = await row_of(id)
    assert None not in (row.dispatched_at, row.en_route_at, row.arrived_at, row.started_at, row.completed_at)
    assert (row.paused_at, row.arrived_latitude) == (None, 52.5)
    assert (await Technician.get(id=company.ann_id)).status == "AVAILABLE"
    entries = await TimeEntry.filter(appointment_id=id).order_by("id")
    assert [(one.kind, one.ended_at is not None) for one in entries] == [
        ("TRAVEL", True),
        ("REPAIR", True),
        ("REPAIR", True),
    ]


async def test_goes_to_one_visit_at_a_time_and_to_another_while_the_first_is_paused(company: Company) -> None:
    first, second = await sent(company), await sent(company, at=NINE + timedelta(hours=2))
    await commands.depart(company.ann, first)
    problem = await refused(commands.depart(company.ann, second))
    assert isinstance(problem, IllegalTransition)
    assert "Ann is on the way" in problem.message
    await commands.arrive(company.ann, first)
    await commands.start_work(company.ann, first)
    await commands.pause_work(company.ann, first)
    await commands.depart(company.ann, second)
    assert isinstance(await refused(commands.resume_work(company.ann, first)), IllegalTransition)
    await commands.turn_back(company.ann, second)
    await commands.resume_work(company.ann, first)


async def test_an_early_end_frees_the_time_and_a_late_one_is_no_error(company: Company) -> None:
    early, late = await sent(company), await sent(company, company.bob_id)
    for who, id in ((company.ann, early), (company.bob, late)):
        await commands.depart(who, id)
        await commands.arrive(who, id)
        await commands.start_work(who, id)
    # Bob's visit was planned for long ago, and another of his began since.
    long_ago = utc_now() - timedelta(hours=5)
    times = {"starts_at": long_ago, "ends_at": long_ago + timedelta(hours=1)}
    (assignment,) = await assignments_of(late)
    await type(assignment).filter(id=assignment.id).update(**times)
    await Appointment.filter(id=late).update(**times)
    await commands.complete_appointment(company.ann, early)
    await commands.complete_appointment(company.bob, late)
    (assignment,) = await assignments_of(early)
    assert (assignment.is_active, assignment.status, assignment.ends_at < NINE) == (False, "ACCEPTED", True)
    (assignment,) = await assignments_of(late)
    assert (assignment.is_active, assignment.starts_at) == (False, long_ago)
    assert assignment.ends_at > long_ago + timedelta(hours=4)
    assert (await row_of(early)).starts_at == NINE
    assert await booked(company)


async def test_a_visit_that_did_not_succeed_says_why_and_a_return_visit_can_be_wanted(
    company: Company,
) -> None:
    id = await sent(company)
    await commands.depart(company.ann, id)
    await commands.arrive(company.ann, id)
    await commands.start_work(company.ann, id)
    attempt = commands.complete_appointment(company.ann, id, result=A.PARTIALLY_COMPLETED)
    assert isinstance(await refused(attempt), InvalidInput)
    attempt = commands.complete_appointment(company.ann, id, result=A.CANCELED)
    assert isinstance(await refused(attempt), InvalidInput)
    await commands.complete_appointment(
        company.ann, id, result=A.PARTIALLY_COMPLETED, reason_code=ReasonCode.RETURN_VISIT_NEEDED
    )
    row = await row_of(id)
    assert (row.status, row.reason_code) == ("PARTIALLY_COMPLETED", "RETURN_VISIT_NEEDED")
    assert (await WorkOrder.get(id=row.work_order_id)).status == "TRIAGED"
    again = await row_of(await commands.create_appointment(company.dispatcher, row.work_order_id))
    assert (again.number, again.status) == (2, "UNSCHEDULED")


async def test_others_than_the_assigned_technician_do_not_even_see_the_visit(
    company: Company, stranger: Company
) -> None:
    id = await sent(company)
    for actor in (company.bob, stranger.dispatcher, stranger.ann):
        assert isinstance(await refused(commands.depart(actor, id)), NotFound)
    assert isinstance(await refused(commands.depart(company.customer, id)), NotPermitted)


async def test_cancels_what_is_under_way_and_frees_who_was_on_the_road(company: Company) -> None:
    id = await sent(company)
    await commands.depart(company.ann, id)
    await commands.cancel_appointment(company.dispatcher, id, ReasonCode.CUSTOMER_REQUEST)
    assert (await Technician.get(id=company.ann_id)).status == "AVAILABLE"
    assert await TimeEntry.filter(ended_at=None).count() == 0
    assert [one.is_active for one in await assignments_of(id)] == [False]
    assert await booked(company)
