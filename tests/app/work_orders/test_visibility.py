"""Who sees which work, lines, notes and times; and the named queues."""

from datetime import timedelta

from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.work_orders import commands, models
from app.work_orders.queries import in_queue
from app.work_orders.rules import WorkQueue
from tests.app.work_orders.world import Company, give_visit, in_state, submitted


async def seen(actor: Actor, model: type[models.OwnedTable]) -> set[str]:
    return {row.id for row in await find_rows(model, model.visible_to(actor))}


async def test_everybody_sees_their_own_work_and_no_more(company: Company, stranger: Company) -> None:
    ours, assigned, released = [await submitted(company) for _ in range(3)]
    other = await submitted(company, customer_id=company.other_customer_id, site_id=company.other_site_id)
    theirs = await submitted(stranger)
    await give_visit(company, assigned)
    await give_visit(company, released, assignment="RELEASED")
    own = {"customer_id": company.customer_id, "site_id": company.site_id, "summary": "Seen on the way"}
    everything = {ours, assigned, released, other}
    for office in (company.dispatcher, company.manager, company.finance, company.support):
        assert await seen(office, models.WorkOrder) == everything
    assert await seen(company.customer, models.WorkOrder) == everything - {other}
    assert await seen(company.guest, models.WorkOrder) == everything - {other}
    assert await seen(company.other_customer, models.WorkOrder) == {other}
    assert await seen(company.technician, models.WorkOrder) == {assigned}
    assert await seen(stranger.dispatcher, models.WorkOrder) == {theirs}
    found = await commands.create_work_order(company.technician, **own)
    assert await seen(company.technician, models.WorkOrder) == {assigned, found}


async def test_lines_notes_and_times_follow_their_work(company: Company, stranger: Company) -> None:
    id, other = await in_state(company, "IN_PROGRESS"), await in_state(company, "IN_PROGRESS")
    await give_visit(company, id)
    inside = await commands.add_note(company.dispatcher, id, "Dog bites")
    outside = await commands.add_note(company.dispatcher, id, "On our way", visibility="CUSTOMER")
    elsewhere = await commands.add_note(company.dispatcher, other, "Key is under the mat")
    entry = await commands.start_timer(company.technician, id, "REPAIR")
    lines = {row.work_order_id: row.id for row in await models.LineItem.all()}
    assert await seen(company.dispatcher, models.Note) == {inside, outside, elsewhere}
    assert await seen(company.technician, models.Note) == {inside, outside}
    assert await seen(company.customer, models.Note) == {outside}
    assert await seen(company.technician, models.LineItem) == {lines[id]}
    assert await seen(company.customer, models.LineItem) == set(lines.values())
    assert await seen(company.technician, models.TimeEntry) == {entry}
    assert await seen(company.dispatcher, models.TimeEntry) == {entry}
    assert await seen(company.customer, models.TimeEntry) == set()
    for model in (models.Note, models.LineItem, models.TimeEntry):
        assert await seen(stranger.manager, model) == set()
        assert await seen(company.other_customer, model) == set()


QUEUES: dict[WorkQueue, set[str]] = {
    WorkQueue.UNTRIAGED: {"new", "old"},
    WorkQueue.UNASSIGNED: {"new", "old", "triaged", "released"},
    WorkQueue.ON_HOLD: {"parts", "answer", "escalated"},
    WorkQueue.AWAITING_PARTS: {"parts"},
    WorkQueue.WAITING_ON_CUSTOMER: {"answer"},
    WorkQueue.ESCALATED: {"escalated"},
    WorkQueue.ISSUES: {"escalated", "undone"},
    WorkQueue.OVERDUE: {"late"},
    WorkQueue.OPEN_OVER_A_WEEK: {"old"},
    WorkQueue.AWAITING_APPROVAL: {"done"},
    WorkQueue.WITHOUT_LINE_ITEMS: {"late"},
    WorkQueue.READY_TO_CLOSE: {"approved", "undone"},
}


async def test_every_queue_holds_exactly_its_work(company: Company) -> None:
    now = utc_now()
    names = {
        await submitted(company): "new",
        await submitted(company, submitted_at=now - timedelta(days=8)): "old",
        await in_state(company, "TRIAGED", due_at=now + timedelta(hours=1)): "triaged",
        (booked := await in_state(company, "SCHEDULED")): "booked",
        (released := await in_state(company, "SCHEDULED")): "released",
        (late := await in_state(company, "IN_PROGRESS", due_at=now - timedelta(minutes=1))): "late",
        await in_state(company, "ON_HOLD", hold_reason="AWAITING_PARTS"): "parts",
        await in_state(company, "ON_HOLD", hold_reason="CUSTOMER_DECISION"): "answer",
        await in_state(company, "ON_HOLD", hold_reason="ESCALATED"): "escalated",
        await in_state(company, "COMPLETED", due_at=now - timedelta(days=1)): "done",
        await in_state(company, "APPROVED"): "approved",
        await in_state(company, "CANNOT_COMPLETE"): "undone",
        await in_state(company, "CLOSED"): "closed",
        await in_state(company, "CANCELED"): "canceled",
    }
    await models.LineItem.filter(work_order_id=late).delete()
    await give_visit(company, booked)
    await give_visit(company, released, assignment="RELEASED")
    for queue in WorkQueue:
        mine = models.WorkOrder.visible_to(company.dispatcher) & in_queue(queue, now)
        assert {names[row.id] for row in await find_rows(models.WorkOrder, mine)} == QUEUES[queue], queue
