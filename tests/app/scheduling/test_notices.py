"""Who is told when a visit is booked, moved, taken away or called off."""

from datetime import timedelta
from typing import Any

import pytest

from app import database as db
from app.identity.models import User
from app.infrastructure import journal
from app.kernel.actor import system_actor
from app.messaging.models import Notification
from app.messaging.rules import NotificationKind
from app.scheduling import commands, reactions
from app.scheduling.models import Appointment
from app.scheduling.rules import (
    CUSTOMERS_TITLES,
    TECHNICIANS_TITLES,
    ReasonCode,
    notice_to_customer,
    notices_to_technicians,
)
from app.work_orders import commands as work_orders
from app.work_orders import reactions as work_order_reactions
from app.work_orders.models import WorkOrder
from tests.app.scheduling.world import NINE, Company, assignments_of, booked, row_of, sent, visit, work

K = NotificationKind
HOUR = timedelta(hours=1)
TIMES = {"starts_at": ["9", "10"], "ends_at": ["10", "11"]}


@pytest.mark.parametrize(
    ("fact", "changes", "released", "notices"),
    [
        ("AppointmentScheduled", {}, None, {K.ASSIGNMENT_PROPOSED: ["a", "b"]}),
        ("AppointmentRescheduled", TIMES, None, {K.VISIT_RESCHEDULED: ["a", "b"]}),
        (
            "AppointmentRescheduled",
            TIMES | {"technician_ids": [["a"], ["a", "b"]]},
            None,
            {K.ASSIGNMENT_PROPOSED: ["b"], K.VISIT_RESCHEDULED: ["a"]},
        ),
        (
            "AppointmentRescheduled",
            {"technician_ids": [["a", "c"], ["a", "b"]]},
            None,
            {K.ASSIGNMENT_PROPOSED: ["b"], K.ASSIGNMENT_RELEASED: ["c"]},
        ),
        ("AppointmentRescheduled", {"is_pinned_who": [False, True]}, None, {}),
        ("AppointmentUnscheduled", {"technician_ids": [["a", "b"], []]}, None, {K.ASSIGNMENT_RELEASED: ["a", "b"]}),
        ("AppointmentCanceled", {}, None, {K.VISIT_CANCELED: ["a", "b"]}),
        ("AssignmentReleased", {}, "b", {K.ASSIGNMENT_RELEASED: ["b"]}),
        ("AppointmentArrived", {}, None, {}),
    ],
)
def test_technicians_are_told_how_it_stands_with_them(
    fact: str, changes: dict[str, Any], released: str | None, notices: dict[str, list[str]]
) -> None:
    assert notices_to_technicians(fact, ("a", "b"), changes, released) == notices
    assert set(notices) <= set(TECHNICIANS_TITLES)


def test_whoever_is_released_as_the_last_is_told_by_the_visit_that_lost_its_time() -> None:
    assert notices_to_technicians("AssignmentReleased", ("a",), {}, "a") == {}


@pytest.mark.parametrize(
    ("fact", "payload", "notice"),
    [
        ("AppointmentScheduled", {"changes": {}}, K.VISIT_SCHEDULED),
        ("AppointmentRescheduled", {"changes": TIMES}, K.VISIT_RESCHEDULED),
        ("AppointmentRescheduled", {"changes": {"technician_ids": [[], []]}}, None),
        ("AppointmentUnscheduled", {"changes": TIMES}, None),
        ("AppointmentCanceled", {"changes": {}, "reason_code": "WEATHER"}, K.VISIT_CANCELED),
        ("AppointmentCanceled", {"changes": {}, "reason_code": "WORK_ORDER_CLOSED"}, None),
    ],
)
def test_the_customer_is_told_of_the_time(fact: str, payload: dict[str, Any], notice: K | None) -> None:
    assert notice_to_customer(fact, payload) == notice
    assert notice is None or notice in CUSTOMERS_TITLES


async def follow(company: Company, after: int = 0) -> None:
    """Hand each fact to whoever tells people of it, twice: a follower may run twice."""
    system = system_actor(company.organization_id)
    followed = {
        "AppointmentScheduled": reactions.tell_people_of_visits,
        "AppointmentRescheduled": reactions.tell_people_of_visits,
        "AppointmentUnscheduled": reactions.tell_people_of_visits,
        "AppointmentCanceled": reactions.tell_people_of_visits,
        "AssignmentReleased": reactions.tell_people_of_visits,
        "WorkOrderCompleted": work_order_reactions.tell_whoever_asked,
    }
    for entry in await journal.read(company.organization_id, after):
        if entry.type in followed:
            for _ in range(2):
                recorder = journal.Recorder(system, "follower")

                async def react(entry: journal.Entry = entry, recorder: journal.Recorder = recorder) -> None:
                    token = journal.collect(recorder)
                    try:
                        await followed[entry.type](system, entry)
                    finally:
                        journal.release(token)
                    await journal.write(recorder)

                await db.unit_of_work(react, attempts=1)


async def told() -> list[tuple[str, str]]:
    """Who was told what, in order."""
    names = {user.id: user.legal_name for user in await User.all()}
    rows = await Notification.all().order_by("created_at", "id")
    return [(names[one.user_id], one.kind) for one in rows]


async def asked_for(company: Company, visit_id: str) -> str:
    """The visit's work was asked for by the customer; its id."""
    order = (await row_of(visit_id)).work_order_id
    await WorkOrder.filter(id=order).update(opened_by_user_id=company.customer.id)
    return order


async def test_a_booked_visit_is_told_to_whoever_goes_and_whoever_asked(company: Company) -> None:
    id = await visit(company)
    await asked_for(company, id)
    await commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE)
    await follow(company)
    assert await told() == [("ann", "ASSIGNMENT_PROPOSED"), ("customer", "VISIT_SCHEDULED")]
    number = (await WorkOrder.get(id=(await row_of(id)).work_order_id)).number
    place = f"{number} at Home, 09:00 on 1 March"
    rows = {one.kind: (one.title, one.body, one.subject_id) for one in await Notification.all()}
    assert rows == {
        "ASSIGNMENT_PROPOSED": (f"A visit for you: {place}", "No heat", id),
        "VISIT_SCHEDULED": (f"Your visit is booked: {place}", "No heat", id),
    }


async def test_a_visit_that_moves_to_others_is_told_to_both(company: Company) -> None:
    id = await booked(company)
    before = await journal.head(company.organization_id)
    await commands.reschedule_appointment(company.dispatcher, id, technician_ids=[company.bob_id])
    await commands.reschedule_appointment(company.dispatcher, id, starts_at=NINE + HOUR)
    await follow(company, before)
    assert sorted(await told()) == sorted(
        [("bob", "ASSIGNMENT_PROPOSED"), ("ann", "ASSIGNMENT_RELEASED"), ("bob", "VISIT_RESCHEDULED")]
    )


@pytest.mark.parametrize("how", ["unscheduled", "released"])
async def test_whoever_need_not_go_is_told_once(company: Company, how: str) -> None:
    id = await booked(company)
    before = await journal.head(company.organization_id)
    if how == "unscheduled":
        await commands.unschedule_appointment(company.dispatcher, id)
    else:
        [assignment] = await assignments_of(id)
        await commands.release_assignment(company.dispatcher, assignment.id)
    await follow(company, before)
    assert await told() == [("ann", "ASSIGNMENT_RELEASED")]


async def test_one_of_a_crew_who_is_taken_off_is_told_and_the_others_not(company: Company) -> None:
    id = await booked(company, company.ann_id, company.bob_id)
    before = await journal.head(company.organization_id)
    bobs = next(one for one in await assignments_of(id) if one.technician_id == company.bob_id)
    await commands.release_assignment(company.dispatcher, bobs.id)
    await follow(company, before)
    assert await told() == [("bob", "ASSIGNMENT_RELEASED")]


async def test_whoever_declined_is_not_told_of_it(company: Company) -> None:
    id = await booked(company)
    [assignment] = await assignments_of(id)
    before = await journal.head(company.organization_id)
    await commands.decline_assignment(company.ann, assignment.id, "No.")
    await follow(company, before)
    assert await told() == []


async def test_a_visit_that_is_called_off_is_told_to_both_sides(company: Company) -> None:
    id = await sent(company)
    await asked_for(company, id)
    before = await journal.head(company.organization_id)
    await commands.cancel_appointment(company.dispatcher, id, ReasonCode.WEATHER)
    await follow(company, before)
    assert await told() == [("ann", "VISIT_CANCELED"), ("customer", "VISIT_CANCELED")]


async def test_work_that_is_done_is_told_to_whoever_asked_for_it(company: Company) -> None:
    other, id = await work(company), await sent(company)
    order = await asked_for(company, id)
    await work_orders.add_line_item(company.dispatcher, order, "LABOR", "Work")
    await work_orders.add_line_item(company.dispatcher, other, "LABOR", "Work")
    for one in (order, other):
        await WorkOrder.filter(id=one).update(status="IN_PROGRESS")
    before = await journal.head(company.organization_id)
    for one in (order, other):
        await work_orders.complete_work_order(company.dispatcher, one)
    await follow(company, before)
    assert await told() == [("customer", "WORK_COMPLETED")]
    row = await Notification.get()
    assert (row.subject_id, row.title.endswith(" is done"), row.body) == (order, True, "No heat")


async def test_nobody_of_another_account_or_company_is_told(company: Company, stranger: Company) -> None:
    id = await visit(company)
    order = (await row_of(id)).work_order_id
    await WorkOrder.filter(id=order).update(opened_by_user_id=stranger.customer.id)
    await commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE)
    await follow(company)
    assert await told() == [("ann", "ASSIGNMENT_PROPOSED")]
    assert await Appointment.all().count() == 1
