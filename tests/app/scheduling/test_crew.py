"""Technicians accept and decline; the office takes somebody off."""

from app.kernel.errors import IllegalTransition, NotFound, NotPermitted, ScheduleConflict
from app.scheduling import commands
from tests.app.scheduling.world import NINE, Company, assignments_of, booked, refused, row_of, sent, told


async def test_a_technician_accepts_the_own_assignment_only(company: Company) -> None:
    id = await booked(company)
    (assignment,) = await assignments_of(id)
    assert isinstance(await refused(commands.accept_assignment(company.bob, assignment.id)), NotFound)
    assert isinstance(await refused(commands.accept_assignment(company.customer, assignment.id)), NotPermitted)
    (fact,) = await told(company, commands.accept_assignment(company.ann, assignment.id))
    assert (fact.type, fact.subject_id, fact.technician_ids) == ("AssignmentAccepted", id, (company.ann_id,))
    (assignment,) = await assignments_of(id)
    assert (assignment.status, assignment.is_active, assignment.decided_at is not None) == (
        "ACCEPTED",
        True,
        True,
    )
    assert isinstance(await refused(commands.accept_assignment(company.ann, assignment.id)), IllegalTransition)


async def test_a_visit_that_the_last_technician_declines_waits_for_a_new_time(company: Company) -> None:
    id = await booked(company)
    (assignment,) = await assignments_of(id)
    facts = await told(company, commands.decline_assignment(company.ann, assignment.id, "My van broke down."))
    assert {"AssignmentDeclined", "AppointmentUnscheduled"} <= {fact.type for fact in facts}
    row = await row_of(id)
    assert (row.status, row.technician_ids, row.starts_at) == ("UNSCHEDULED", [], None)
    (assignment,) = await assignments_of(id)
    assert (assignment.status, assignment.is_active, assignment.reason) == (
        "DECLINED",
        False,
        "My van broke down.",
    )
    problem = await refused(commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE))
    assert isinstance(problem, ScheduleConflict)
    assert [clash.code for clash in problem.conflicts] == ["EXCLUDED"]
    await commands.schedule_appointment(company.dispatcher, id, [company.bob_id], NINE)


async def test_the_next_of_a_crew_leads_when_the_lead_drops_out(company: Company) -> None:
    id = await booked(company, company.ann_id, company.bob_id)
    before = await row_of(id)
    lead = (await assignments_of(id))[0]
    await commands.release_assignment(company.dispatcher, lead.id, reason="Needed elsewhere.")
    row = await row_of(id)
    assert (row.status, row.technician_ids, row.version) == (
        "SCHEDULED",
        [company.bob_id],
        before.version + 1,
    )
    assert [(one.technician_id, one.is_lead) for one in await assignments_of(id)] == [
        (company.bob_id, True),
        (company.ann_id, False),
    ]


async def test_nobody_drops_out_of_a_visit_under_way(company: Company) -> None:
    id = await sent(company)
    (assignment,) = await assignments_of(id)
    await commands.depart(company.ann, id)
    attempt = commands.decline_assignment(company.ann, assignment.id, "Too late.")
    assert isinstance(await refused(attempt), IllegalTransition)
    assert isinstance(await refused(commands.release_assignment(company.dispatcher, assignment.id)), IllegalTransition)
    assert isinstance(await refused(commands.release_assignment(company.ann, assignment.id)), NotPermitted)
