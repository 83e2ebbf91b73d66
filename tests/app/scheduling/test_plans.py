"""A day is planned, looked at, committed, undone; what moved meanwhile is never overwritten."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import optimizer
from app.infrastructure import jobs, journal
from app.infrastructure.models import Job
from app.infrastructure.tables import add_row, find_one
from app.kernel.actor import system_actor
from app.kernel.errors import (
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotPermitted,
    PlanOutdated,
    ScheduleConflict,
    Unavailable,
)
from app.scheduling import commands, reactions
from app.scheduling.commands.runs import JOB
from app.scheduling.models import Appointment, PlannedVisit, PlanRun
from app.scheduling.solver import Progress, Request, SolveFailed, solve_apart, think
from app.technicians.models import Absence, Shift, Technician, TechnicianSkill
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


async def think_here(request: Request, *, on_progress: Any, should_stop: Any) -> optimizer.Plan:
    """The planner's first answer, in this process: most tests are about what becomes of it."""
    heard: list[Progress] = []
    plan = think(replace(request, seconds=0), heard.append)
    await on_progress(heard[0])
    return plan


async def run_job(solve: reactions.Solve = think_here) -> None:
    """Do the one job that waits, as a worker would."""
    (row,) = await Job.filter(kind=JOB, status="QUEUED")
    await Job.filter(id=row.id).update(status="RUNNING", runner="test", attempts=1)
    row = await Job.get(id=row.id)
    await reactions.answer(jobs.JobContext(row), row.payload["run_id"], solve)
    await Job.filter(id=row.id).update(status="DONE")


async def planned(company: Company, **values: Any) -> PlanRun:
    """A plan of the day that is ready."""
    id = await commands.plan_day(company.dispatcher, DAY, **({"seconds": 1} | values))
    await run_job()
    return await PlanRun.get(id=id)


async def visits_of(run: PlanRun) -> dict[str, PlannedVisit]:
    return {row.appointment_id: row for row in await PlannedVisit.filter(run_id=run.id)}


async def schedule_now() -> list[tuple[Any, ...]]:
    """The schedule as people see it, without versions."""
    rows = await Appointment.all().order_by("id")
    held = await reactions.queries.find_assignments([row.id for row in rows])
    return [
        (
            row.id,
            row.status,
            row.starts_at,
            row.ends_at,
            tuple(row.technician_ids),
            tuple(sorted((one.technician_id, one.starts_at, one.ends_at) for one in held[row.id] if one.is_active)),
        )
        for row in rows
    ]


async def test_plans_commits_and_undoes_a_day(company: Company) -> None:
    orders = [await work(company, site_id=site) for site in (company.site_id, company.far_site_id)] + [
        await work(company, required_skills={company.skill_id: 5}),
        await work(company, requested_window_start=NINE + 24 * HOUR, requested_window_end=NINE + 26 * HOUR),
    ]
    waiting = await visit(company)
    run = await planned(company)
    assert run.status == "READY", run.error
    rows = await visits_of(run)
    by_order = {row.work_order_id: row for row in rows.values()}
    assert {by_order[id].change for id in orders[:2]} == {"ADDED"}
    assert orders[3] not in by_order
    assert rows[waiting].change == "ADDED"
    left_out = by_order[orders[2]]
    assert (left_out.change, left_out.technician_id, left_out.starts_at) == ("UNASSIGNED", None, None)
    assert [reason["code"] for reason in left_out.reasons] == ["SKILL_LEVEL_TOO_LOW"]
    assert "skill_" not in left_out.reasons[0]["sentence"]
    assert run.score["changes"] == {"ADDED": 3, "MOVED": 0, "KEPT": 0, "UNASSIGNED": 1}
    before = await schedule_now()
    assert {status for _, status, *_ in before} == {"UNSCHEDULED"}
    facts = await told(company, commands.commit_plan(company.dispatcher, run.id))
    assert [fact.type for fact in facts].count("AppointmentScheduled") == 3
    assert [fact.type for fact in facts][-1] == "PlanCommitted"
    row = await row_of(by_order[orders[0]].appointment_id)
    assert (row.status, row.starts_at) == ("SCHEDULED", by_order[orders[0]].starts_at)
    assert (await WorkOrder.get(id=orders[0])).status == "SCHEDULED"
    assert (await PlanRun.get(id=run.id)).status == "COMMITTED"
    await commands.undo_plan(company.dispatcher, run.id)
    assert await schedule_now() == before
    assert (await PlanRun.get(id=run.id)).status == "UNDONE"
    assert (await WorkOrder.get(id=orders[0])).status == "TRIAGED"


async def test_keeps_what_is_pinned_or_sent_and_moves_only_the_rest(company: Company) -> None:
    pinned = await booked(company, at=NINE + 2 * HOUR)
    await commands.pin_appointment(company.dispatcher, pinned, who=True, when=True)
    dispatched = await sent(company, at=NINE + 4 * HOUR)
    bobs = await booked(company, company.bob_id, at=NINE + 5 * HOUR)
    await commands.pin_appointment(company.dispatcher, bobs, who=True)
    outside = await visit(company)
    await commands.schedule_appointment(
        company.dispatcher,
        outside,
        [company.ann_id],
        NINE + 9 * HOUR,
        pin_who=True,
        pin_when=True,
        override_reason="OK",
    )
    for _ in range(4):
        await visit(company)
    before = {id: await row_of(id) for id in (pinned, dispatched, outside)}
    run = await planned(company)
    rows = await visits_of(run)
    assert {id: rows[id].change for id in (pinned, dispatched, outside)} == dict.fromkeys(before, "KEPT")
    assert rows[bobs].technician_id == company.bob_id
    await commands.commit_plan(company.dispatcher, run.id)
    assert {id: (await row_of(id)).version for id in before} == {id: row.version for id, row in before.items()}
    assert "UNASSIGNED" not in {row.change for row in rows.values()}


@pytest.mark.parametrize("what", ["moved", "another came", "a kept one moved", "canceled"])
async def test_refuses_to_commit_or_undo_once_the_schedule_moved_and_changes_nothing(
    company: Company, what: str
) -> None:
    theirs = await sent(company, company.bob_id, at=NINE + 6 * HOUR)
    mine = await visit(company)
    run = await planned(company)
    match what:
        case "moved":
            await commands.schedule_appointment(company.dispatcher, mine, [company.ann_id], NINE + 7 * HOUR)
        case "another came":
            mine = await booked(company, at=NINE + 7 * HOUR)
        case "a kept one moved":
            mine = theirs
            await commands.reschedule_appointment(company.dispatcher, theirs, starts_at=NINE + 5 * HOUR)
        case "canceled":
            await commands.cancel_appointment(company.dispatcher, mine, reactions.ReasonCode.DUPLICATE)
    problem = await refused(commands.commit_plan(company.dispatcher, run.id))
    assert isinstance(problem, PlanOutdated)
    assert problem.moved == (mine,)
    await commands.discard_plan(company.dispatcher, run.id)
    assert isinstance(await refused(commands.commit_plan(company.dispatcher, run.id)), IllegalTransition)


async def test_commits_although_a_visit_it_keeps_went_on_meanwhile(company: Company) -> None:
    theirs = await sent(company, company.bob_id, at=NINE + 6 * HOUR)
    mine = await visit(company)
    run = await planned(company)
    await commands.depart(company.bob, theirs)
    await commands.commit_plan(company.dispatcher, run.id)
    assert (await row_of(mine)).status == "SCHEDULED"
    assert (await row_of(theirs)).status == "EN_ROUTE"


@pytest.mark.parametrize("what", ["ill", "no shift", "no skill", "gone"])
async def test_refuses_to_commit_when_the_technician_can_no_longer_come(company: Company, what: str) -> None:
    id = await visit(company, required_skills={company.skill_id: 2})
    run = await planned(company, technician_ids=[company.ann_id])
    match what:
        case "ill":
            times = {"starts_at": NINE - HOUR, "ends_at": NINE + 20 * HOUR}
            mine = {"organization_id": company.organization_id, "technician_id": company.ann_id}
            await add_row(Absence, **mine, **times, kind="SICK")
        case "no shift":
            await Shift.filter(technician_id=company.ann_id).delete()
        case "no skill":
            await TechnicianSkill.filter(technician_id=company.ann_id).delete()
        case "gone":
            await Technician.filter(id=company.ann_id).update(is_active=False)
    problem = await refused(commands.commit_plan(company.dispatcher, run.id))
    assert isinstance(problem, ScheduleConflict)
    codes = {"ill": "ABSENT", "no shift": "OUTSIDE_SHIFT", "no skill": "SKILL_MISSING", "gone": "INACTIVE"}
    assert [(clash.code, clash.appointment_id) for clash in problem.conflicts] == [(codes[what], id)]


async def test_undo_is_refused_when_a_visit_moved_since_the_commit(company: Company) -> None:
    id = await visit(company)
    run = await planned(company)
    await commands.commit_plan(company.dispatcher, run.id)
    await commands.dispatch_appointment(company.dispatcher, id)
    problem = await refused(commands.undo_plan(company.dispatcher, run.id))
    assert isinstance(problem, PlanOutdated)
    assert problem.moved == (id,)


async def test_undo_is_refused_when_its_old_time_was_given_away(company: Company) -> None:
    id = await booked(company, company.ann_id, at=NINE + 6 * HOUR)
    run = await moved_by_hand(company, id, company.bob_id, NINE + 2 * HOUR)
    await commands.commit_plan(company.dispatcher, run.id)
    taker = await booked(company, at=NINE + 6 * HOUR)
    problem = await refused(commands.undo_plan(company.dispatcher, run.id))
    assert isinstance(problem, ScheduleConflict)
    assert [clash.appointment_id for clash in problem.conflicts] == [taker]


async def moved_by_hand(company: Company, id: str, technician_id: str, at: datetime) -> PlanRun:
    """A plan that moves one visit to where the test wants it."""
    run = await planned(company)
    rows = PlannedVisit.filter(run_id=run.id, appointment_id=id)
    await rows.update(technician_id=technician_id, starts_at=at, ends_at=at + HOUR, change="MOVED")
    return await PlanRun.get(id=run.id)


async def test_two_visits_change_places_in_one_commit(company: Company) -> None:
    one, other = await booked(company), await booked(company, at=NINE + 3 * HOUR)
    await moved_by_hand(company, one, company.ann_id, NINE + 3 * HOUR)
    run = await PlanRun.all().first()
    assert run is not None
    await PlannedVisit.filter(run_id=run.id, appointment_id=other).update(
        technician_id=company.ann_id, starts_at=NINE, ends_at=NINE + HOUR, change="MOVED"
    )
    before = await schedule_now()
    half = commands.commit_plan(company.dispatcher, run.id, appointment_ids=[one])
    assert isinstance(await refused(half), ScheduleConflict)
    await commands.commit_plan(company.dispatcher, run.id)
    assert [(await row_of(id)).starts_at for id in (one, other)] == [NINE + 3 * HOUR, NINE]
    await commands.undo_plan(company.dispatcher, run.id)
    assert await schedule_now() == before


async def test_commits_a_plan_in_parts_and_undoes_all_of_them(company: Company) -> None:
    ids = [await visit(company) for _ in range(3)]
    before = await schedule_now()
    run = await planned(company)
    await commands.commit_plan(company.dispatcher, run.id, appointment_ids=ids[:1])
    assert (await PlanRun.get(id=run.id)).status == "PARTLY_COMMITTED"
    assert [(await row_of(id)).status for id in ids] == ["SCHEDULED", "UNSCHEDULED", "UNSCHEDULED"]
    await commands.commit_plan(company.dispatcher, run.id, appointment_ids=ids[1:2])
    await commands.commit_plan(company.dispatcher, run.id)
    assert (await PlanRun.get(id=run.id)).status == "COMMITTED"
    assert [(await row_of(id)).status for id in ids] == ["SCHEDULED"] * 3
    await commands.undo_plan(company.dispatcher, run.id)
    assert await schedule_now() == before


async def test_a_canceled_run_ends_its_process_and_leaves_no_plan(company: Company) -> None:
    await visit(company)
    id = await commands.plan_day(company.dispatcher, DAY, seconds=300)
    await commands.cancel_plan_run(company.dispatcher, id)
    await run_job(solve_apart)
    assert (await PlanRun.get(id=id)).status == "CANCELED"
    assert await PlannedVisit.all().count() == 0


async def test_a_database_that_is_busy_fails_a_run_at_the_last_try_alone(company: Company) -> None:
    async def too_busy(request: Request, **more: Any) -> optimizer.Plan:
        raise Unavailable()

    await visit(company)
    id = await commands.plan_day(company.dispatcher, DAY)
    (row,) = await Job.filter(kind=JOB)
    for attempt, status in ((1, "RUNNING"), (reactions.TRIES, "FAILED")):
        await Job.filter(id=row.id).update(status="RUNNING", runner="test", attempts=attempt)
        with pytest.raises(Unavailable):
            await reactions.answer(jobs.JobContext(await Job.get(id=row.id)), id, too_busy)
        assert (await PlanRun.get(id=id)).status == status


async def test_a_certificate_without_an_end_in_sight_is_one_that_counts(company: Company) -> None:
    await TechnicianSkill.filter(organization_id=company.organization_id).update(expires_on=date(9999, 12, 31))
    id = await visit(company, required_skills={company.skill_id: 3})
    run = await planned(company)
    await commands.commit_plan(company.dispatcher, run.id)
    assert (await row_of(id)).status == "SCHEDULED"


async def test_a_run_of_many_seconds_is_stopped_while_it_runs(company: Company) -> None:
    for _ in range(3):
        await visit(company)
    id = await commands.plan_day(company.dispatcher, DAY, seconds=300)
    (row,) = await Job.filter(kind=JOB)
    await Job.filter(id=row.id).update(status="RUNNING", runner="test", attempts=1)
    context = jobs.JobContext(await Job.get(id=row.id))
    started = datetime.now(UTC)

    async def solve(request: Request, *, on_progress: Any, should_stop: Any) -> optimizer.Plan:
        async def tell_and_cancel(progress: Progress) -> None:
            await on_progress(progress)
            if "score" in progress:
                await commands.cancel_plan_run(company.dispatcher, id)

        return await solve_apart(request, on_progress=tell_and_cancel, should_stop=should_stop, poll_seconds=0.05)

    await reactions.answer(context, id, solve)
    assert datetime.now(UTC) - started < timedelta(seconds=60)
    run = await PlanRun.get(id=id)
    assert run.status == "CANCELED"
    assert set(run.progress["score"]) == {"mandatory_points", "lateness_cents", "wishes_cents"}
    assert await PlannedVisit.all().count() == 0


async def test_only_planners_plan_and_only_the_office_sees_plans(company: Company, stranger: Company) -> None:
    for actor in (company.ann, company.customer, company.support):
        assert isinstance(await refused(commands.plan_day(actor, DAY)), NotPermitted)
    run = await planned(company)
    for actor in (company.ann, company.customer, stranger.dispatcher, system_actor(stranger.organization_id)):
        with pytest.raises(NotFound):
            await find_one(PlanRun, actor, run.id)
    assert isinstance(await refused(commands.commit_plan(stranger.dispatcher, run.id)), NotFound)
    foreign = await visit(stranger)
    attempt = commands.commit_plan(company.dispatcher, run.id, appointment_ids=[foreign])
    assert isinstance(await refused(attempt), NotFound)
    assert isinstance(await refused(commands.plan_day(company.dispatcher, DAY, seconds=0)), InvalidInput)


async def test_plans_the_named_work_around_everything_else(company: Company) -> None:
    other = await booked(company, at=NINE + 2 * HOUR)
    wanted, ignored = await work(company), await work(company)
    run = await planned(company, work_order_ids=[wanted], technician_ids=[company.ann_id])
    rows = list((await visits_of(run)).values())
    assert {(row.work_order_id, row.change) for row in rows} == {
        (wanted, "ADDED"),
        ((await row_of(other)).work_order_id, "KEPT"),
    }
    assert {row.technician_id for row in rows} == {company.ann_id}
    assert await Appointment.filter(work_order_id=ignored).count() == 0


async def test_an_unassigned_visit_that_was_scheduled_leaves_the_schedule_and_comes_back_with_undo(
    company: Company,
) -> None:
    id = await booked(company)
    run = await planned(company)
    await PlannedVisit.filter(run_id=run.id).update(
        technician_id=None, starts_at=None, ends_at=None, change="UNASSIGNED"
    )
    before = await schedule_now()
    await commands.commit_plan(company.dispatcher, run.id)
    assert ((await row_of(id)).status, await active(id)) == ("UNSCHEDULED", [])
    await commands.undo_plan(company.dispatcher, run.id)
    assert await schedule_now() == before


async def active(id: str) -> list[str]:
    return [one.technician_id for one in await assignments_of(id) if one.is_active]


async def test_a_worker_makes_the_plan_in_the_background_and_tells(company: Company) -> None:
    id = await visit(company)
    before = await journal.head(company.organization_id)
    run_id = await commands.plan_day(company.dispatcher, DAY, seconds=1)
    worker = asyncio.create_task(jobs.run_jobs(1))
    try:
        async with asyncio.timeout(60):
            while (await PlanRun.get(id=run_id)).status != "READY":
                await asyncio.sleep(0.1)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    assert {key: row.change for key, row in (await visits_of(await PlanRun.get(id=run_id))).items()} == {id: "ADDED"}
    told_types = [fact.type for fact in await journal.read(company.organization_id, before)]
    assert told_types[:2] == ["PlanRunRequested", "PlanRunStarted"]
    assert set(told_types[2:-1]) <= {"PlanProgressed"}
    assert told_types[-1] == "PlanReady"


async def test_a_run_that_cannot_be_answered_says_why(company: Company) -> None:
    async def solve(request: Request, *, on_progress: Any, should_stop: Any) -> optimizer.Plan:
        raise SolveFailed("The planner took too long.")

    id = await commands.plan_day(company.dispatcher, DAY)
    await run_job(solve)
    run = await PlanRun.get(id=id)
    assert (run.status, run.error) == ("FAILED", "The planner took too long.")
    assert isinstance(await refused(commands.commit_plan(company.dispatcher, id)), IllegalTransition)
    assert isinstance(await refused(commands.cancel_plan_run(company.dispatcher, id)), IllegalTransition)


async def test_a_second_try_after_a_crash_begins_anew_from_the_schedule_as_it_is_then(
    company: Company,
) -> None:
    first = await visit(company)
    id = await commands.plan_day(company.dispatcher, DAY)
    await commands.begin_plan_run(system_actor(company.organization_id), id)
    await commands.schedule_appointment(company.dispatcher, first, [company.ann_id], NINE)
    await run_job()
    run = await PlanRun.get(id=id)
    assert run.status == "READY"
    assert run.base == {first: (await row_of(first)).version}
    await commands.commit_plan(company.dispatcher, id)
