"""What follows when work is over: its visits are called off, once, whatever else they were."""

from datetime import timedelta

import pytest

from app.infrastructure import journal
from app.kernel.actor import system_actor
from app.scheduling import commands, reactions
from app.technicians.models import Technician
from app.work_orders import commands as work_orders
from tests.app.scheduling.world import NINE, Company, row_of, sent, visit


@pytest.mark.parametrize("again", [False, True])
async def test_nobody_drives_to_work_that_was_canceled(company: Company, again: bool) -> None:
    on_the_way = await sent(company)
    order = (await row_of(on_the_way)).work_order_id
    wanted = await commands.create_appointment(company.dispatcher, order)
    await commands.depart(company.ann, on_the_way)
    other = await visit(company)
    before = await journal.head(company.organization_id)
    await work_orders.cancel_work_order(company.dispatcher, order, reason="CUSTOMER_REQUEST")
    entry = next(one for one in await journal.read(company.organization_id, before) if one.type == "WorkOrderCanceled")
    for _ in range(2 if again else 1):
        await reactions.call_off_visits(system_actor(company.organization_id), entry)
    assert [(await row_of(id)).status for id in (on_the_way, wanted, other)] == [
        "CANCELED",
        "CANCELED",
        "UNSCHEDULED",
    ]
    assert (await row_of(on_the_way)).reason_code == "WORK_ORDER_CLOSED"
    facts = [fact.type for fact in await journal.read(company.organization_id, entry.seq)]
    assert facts.count("AppointmentCanceled") == 2
    assert (await Technician.get(id=company.ann_id)).status == "AVAILABLE"


async def test_work_under_way_on_site_is_ended_by_who_does_it(company: Company) -> None:
    id = await sent(company, at=NINE + timedelta(hours=1))
    await commands.depart(company.ann, id)
    await commands.arrive(company.ann, id)
    await commands.start_work(company.ann, id)
    order = (await row_of(id)).work_order_id
    before = await journal.head(company.organization_id)
    await work_orders.cancel_work_order(company.dispatcher, order, reason="CUSTOMER_REQUEST")
    for entry in await journal.read(company.organization_id, before):
        await reactions.call_off_visits(system_actor(company.organization_id), entry)
    assert (await row_of(id)).status == "IN_PROGRESS"
    await commands.complete_appointment(company.ann, id)
    assert (await row_of(id)).status == "COMPLETED"
