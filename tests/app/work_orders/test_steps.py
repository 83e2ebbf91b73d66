"""Every state × every step of the life of a work order, as people take them: listed, or refused without a trace."""

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kernel.actor import Actor
from app.kernel.errors import (
    CompletionBlocked,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotPermitted,
    StaleVersion,
)
from app.kernel.ids import new_id
from app.work_orders import commands, models
from app.work_orders.rules import WorkOrderStatus as S
from tests.app.work_orders.world import Company, facts_of, give_visit, in_state, refused, submitted, told

Step = Callable[[Actor, str], Awaitable[str]]
STEPS: dict[str, tuple[Step, dict[str, str], str]] = {
    "triage": (
        commands.triage_work_order,
        {"SUBMITTED": "TRIAGED", "CANNOT_COMPLETE": "TRIAGED"},
        "WorkOrderTriaged",
    ),
    "start": (
        commands.start_work_order,
        dict.fromkeys(("TRIAGED", "SCHEDULED", "ON_HOLD"), "IN_PROGRESS"),
        "WorkOrderStarted",
    ),
    "hold": (
        lambda actor, id: commands.hold_work_order(actor, id, reason="AWAITING_PARTS"),
        dict.fromkeys(("TRIAGED", "SCHEDULED", "IN_PROGRESS"), "ON_HOLD"),
        "WorkOrderHeld",
    ),
    "resume": (commands.resume_work_order, {"ON_HOLD": "TRIAGED"}, "WorkOrderResumed"),
    "complete": (commands.complete_work_order, {"IN_PROGRESS": "COMPLETED"}, "WorkOrderCompleted"),
    "cannot complete": (
        lambda actor, id: commands.mark_cannot_complete(actor, id, reason="NO_ACCESS"),
        dict.fromkeys(("TRIAGED", "SCHEDULED", "IN_PROGRESS", "ON_HOLD"), "CANNOT_COMPLETE"),
        "WorkOrderCannotComplete",
    ),
    "approve": (commands.approve_work_order, {"COMPLETED": "APPROVED"}, "WorkOrderApproved"),
    "close": (
        commands.close_work_order,
        dict.fromkeys(("APPROVED", "CANNOT_COMPLETE"), "CLOSED"),
        "WorkOrderClosed",
    ),
    "cancel": (
        lambda actor, id: commands.cancel_work_order(actor, id, reason="DUPLICATE"),
        dict.fromkeys(("SUBMITTED", "TRIAGED", "SCHEDULED", "IN_PROGRESS", "ON_HOLD"), "CANCELED"),
        "WorkOrderCanceled",
    ),
    "decline": (
        lambda actor, id: commands.decline_work_order(actor, id, reason="OUT_OF_AREA"),
        dict.fromkeys(("SUBMITTED", "TRIAGED"), "DECLINED"),
        "WorkOrderDeclined",
    ),
}


@pytest.mark.parametrize("state", S)
async def test_every_step_is_in_the_table_or_refused_without_a_trace(company: Company, state: S) -> None:
    for step, (take, law, fact) in STEPS.items():
        id = await in_state(company, state)
        if state in law:
            expected = "WorkOrderResumed" if (step, state) == ("start", S.ON_HOLD) else fact
            assert await told(company, take(company.manager, id)) == [expected], step
            row = await models.WorkOrder.get(id=id)
            assert (row.status, row.version) == (law[state], 2), step
            assert (await facts_of(company))[-1].payload["changes"]["status"] == [state, law[state]]
        else:
            assert isinstance(await refused(take(company.manager, id)), IllegalTransition), step


async def test_a_life_stamps_every_step_and_frees_what_is_over(company: Company) -> None:
    id = await in_state(company, "SUBMITTED")
    await commands.triage_work_order(company.dispatcher, id, priority="URGENT")
    await commands.hold_work_order(company.dispatcher, id, reason="WAITING_ON_CUSTOMER", comment="Asked for a date")
    row = await models.WorkOrder.get(id=id)
    assert (row.priority, row.hold_reason, row.held_at is not None) == ("URGENT", "WAITING_ON_CUSTOMER", True)
    await commands.resume_work_order(company.dispatcher, id)
    await commands.start_work_order(company.dispatcher, id)
    await commands.complete_work_order(company.dispatcher, id)
    await commands.approve_work_order(company.finance, id)
    await commands.close_work_order(company.finance, id)
    row = await models.WorkOrder.get(id=id)
    stamps = (row.submitted_at, row.triaged_at, row.started_at, row.completed_at, row.approved_at, row.closed_at)
    assert all(stamps) and list(stamps) == sorted(stamp for stamp in stamps if stamp)
    assert (row.status, row.hold_reason, row.held_at, row.canceled_at) == ("CLOSED", None, None, None)
    assert [(note.text, note.visibility) for note in await models.Note.filter(work_order_id=id)] == [
        ("Asked for a date", "INTERNAL")
    ]


async def test_taking_up_undone_work_forgets_why_it_was_undone(company: Company) -> None:
    id = await in_state(company, "TRIAGED")
    await commands.mark_cannot_complete(company.dispatcher, id, reason="WEATHER")
    row = await models.WorkOrder.get(id=id)
    assert (row.reason_code, row.canceled_at is not None) == ("WEATHER", True)
    await commands.triage_work_order(company.dispatcher, id)
    row = await models.WorkOrder.get(id=id)
    assert (row.status, row.reason_code, row.canceled_at) == ("TRIAGED", None, None)


async def test_completion_is_refused_with_everything_missing_and_no_trace(company: Company) -> None:
    id = await submitted(company, service_type_id=company.service_type_id)
    await models.WorkOrder.filter(id=id).update(status="IN_PROGRESS")
    await commands.start_timer(company.manager, id, "REPAIR", technician_id=company.technician_id)
    problem = await refused(commands.complete_work_order(company.manager, id))
    assert isinstance(problem, CompletionBlocked)
    assert [one.code for one in problem.missing] == ["LINE_ITEM", "RUNNING_TIMER", "NOTE", "TIME"]


async def test_a_line_priced_zero_opens_the_gate(company: Company) -> None:
    id = await submitted(company)
    await models.WorkOrder.filter(id=id).update(status="IN_PROGRESS")
    await commands.add_line_item(company.manager, id, "FEE", "Goodwill")
    await commands.complete_work_order(company.manager, id)
    assert (await models.WorkOrder.get(id=id)).status == "COMPLETED"


async def test_calling_work_off_stops_its_timers(company: Company) -> None:
    id = await in_state(company, "IN_PROGRESS")
    timer = await commands.start_timer(company.manager, id, "REPAIR", technician_id=company.technician_id)
    facts = await told(company, commands.cancel_work_order(company.manager, id, reason="CUSTOMER_REQUEST"))
    assert facts == ["TimerStopped", "WorkOrderCanceled"]
    assert (await models.TimeEntry.get(id=timer)).ended_at is not None


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (commands.hold_work_order, "LUNCH"),
        (commands.cancel_work_order, "NO_ACCESS"),
        (commands.mark_cannot_complete, "DUPLICATE"),
    ],
)
async def test_a_reason_is_one_of_its_own_list(
    company: Company, act: Callable[..., Awaitable[str]], reason: str
) -> None:
    id = await in_state(company, "IN_PROGRESS")
    problem = await refused(act(company.manager, id, reason=reason))
    assert isinstance(problem, InvalidInput) and problem.path == ("reason",)


async def test_other_is_a_reason_only_with_a_comment(company: Company) -> None:
    id = await in_state(company, "TRIAGED")
    problem = await refused(commands.cancel_work_order(company.manager, id, reason="OTHER", comment="  "))
    assert problem.path == ("comment",)
    await commands.cancel_work_order(company.manager, id, reason="OTHER", comment="The house was sold")
    assert (await models.WorkOrder.get(id=id)).reason_code == "OTHER"


async def test_a_version_that_is_behind_is_refused(company: Company) -> None:
    id = await in_state(company, "SUBMITTED")
    await commands.update_work_order(company.manager, id, version=1, summary="No heat at all")
    problem = await refused(commands.triage_work_order(company.manager, id, version=1))
    assert isinstance(problem, StaleVersion) and (problem.expected, problem.actual) == (1, 2)
    await commands.triage_work_order(company.manager, id, version=2)


async def test_nobody_takes_a_step_without_the_permission(company: Company) -> None:
    for step, (take, law, _) in STEPS.items():
        id = await in_state(company, next(iter(law)))
        for actor in (company.customer, company.guest, company.support):
            assert isinstance(await refused(take(actor, id)), NotPermitted), step


async def test_another_companys_work_is_not_there(company: Company, stranger: Company) -> None:
    for step, (take, law, _) in STEPS.items():
        id = await in_state(company, next(iter(law)))
        assert isinstance(await refused(take(stranger.manager, id)), NotFound), step
        assert isinstance(await refused(take(company.manager, new_id("wo"))), NotFound), step
        assert isinstance(await refused(take(company.manager, new_id("cus"))), InvalidInput), step
    follow = commands.follow_appointments(stranger.dispatcher, id, ["IN_PROGRESS"])
    assert isinstance(await refused(follow), NotFound)


async def test_a_technician_moves_only_the_work_that_is_assigned(company: Company) -> None:
    id = await in_state(company, "SCHEDULED")
    assert isinstance(await refused(commands.start_work_order(company.technician, id)), NotFound)
    await give_visit(company, id, assignment="DECLINED")
    assert isinstance(await refused(commands.start_work_order(company.technician, id)), NotFound)
    await give_visit(company, id)
    await commands.start_work_order(company.technician, id)
    entry = (await facts_of(company))[-1]
    assert (entry.customer_id, entry.technician_ids) == (company.customer_id, (company.technician_id,))


async def test_resumed_work_goes_on_where_its_visits_are(company: Company) -> None:
    id = await in_state(company, "SCHEDULED")
    await commands.hold_work_order(company.manager, id, reason="ESCALATED")
    await give_visit(company, id)
    await commands.resume_work_order(company.manager, id)
    row = await models.WorkOrder.get(id=id)
    assert (row.status, row.scheduled_at is not None) == ("SCHEDULED", True)


async def test_work_follows_its_visits_by_every_step_between(company: Company) -> None:
    id = await in_state(company, "SUBMITTED")
    facts = await told(company, commands.follow_appointments(company.dispatcher, id, ["IN_PROGRESS"]))
    assert facts == ["WorkOrderTriaged", "WorkOrderStarted"]
    facts = await told(company, commands.follow_appointments(company.dispatcher, id, ["COMPLETED"]))
    assert facts == ["WorkOrderCompleted"]
    assert await told(company, commands.follow_appointments(company.dispatcher, id, ["IN_PROGRESS"])) == []


async def test_done_visits_with_papers_missing_leave_the_work_in_progress(company: Company) -> None:
    id = await submitted(company)
    await commands.follow_appointments(company.dispatcher, id, ["COMPLETED"])
    assert (await models.WorkOrder.get(id=id)).status == "IN_PROGRESS"
    assert await told(company, commands.follow_appointments(company.dispatcher, id, ["COMPLETED"])) == []


async def test_a_failed_visit_brings_its_reason_along(company: Company) -> None:
    id = await in_state(company, "SCHEDULED")
    await commands.follow_appointments(company.dispatcher, id, ["CANNOT_COMPLETE"], reason="WEATHER")
    row = await models.WorkOrder.get(id=id)
    assert (row.status, row.reason_code) == ("CANNOT_COMPLETE", "WEATHER")


async def test_a_batch_is_done_whole_or_not_at_all(company: Company) -> None:
    done, other, open_one = [await in_state(company, status) for status in ("COMPLETED", "COMPLETED", "TRIAGED")]
    problem = await refused(commands.approve_work_orders(company.finance, [done, open_one, other]))
    assert isinstance(problem, IllegalTransition) and problem.path == ("ids", "1")
    assert await commands.approve_work_orders(company.finance, [done, other, done]) == [done, other]
    assert await commands.close_work_orders(company.finance, [other, done]) == [other, done]
    assert isinstance(await refused(commands.close_work_orders(company.finance, [])), InvalidInput)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(walk=st.lists(st.sampled_from(sorted(STEPS)), max_size=10))
async def test_any_walk_ends_where_a_plain_dictionary_says(company: Company, walk: list[str]) -> None:
    id = await in_state(company, "SUBMITTED")
    model = {"status": "SUBMITTED", "facts": 0, "started": False}
    start = len(await facts_of(company))
    for step in walk:
        take, law, _ = STEPS[step]
        state = str(model["status"])
        if state in law:
            await take(company.manager, id)
            after = "IN_PROGRESS" if step == "resume" and model["started"] else law[state]
            model |= {
                "status": after,
                "facts": int(model["facts"]) + 1,
                "started": model["started"] or after == "IN_PROGRESS",
            }
        else:
            with pytest.raises(IllegalTransition):
                await take(company.manager, id)
        row = await models.WorkOrder.get(id=id)
        assert (row.status, len(await facts_of(company)) - start) == (model["status"], model["facts"])
        assert (row.hold_reason is not None) == (row.status == "ON_HOLD")
        assert (row.reason_code is not None) == (row.status in ("CANNOT_COMPLETE", "CANCELED", "DECLINED")) or (
            row.status == "CLOSED"
        )
