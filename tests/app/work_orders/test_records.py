"""What is put down for the work: lines, notes and times."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from app.infrastructure.tables import add_row
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, NotFound, NotPermitted, StaleVersion
from app.technicians.models import Technician
from app.work_orders import commands, models
from tests.app.work_orders.world import Company, facts_of, give_visit, in_state, refused, submitted, told

FROZEN = ("APPROVED", "CLOSED", "CANCELED", "DECLINED")


async def test_a_line_is_told_without_its_price_and_the_price_to_the_office(company: Company) -> None:
    id = await submitted(company)
    await give_visit(company, id)
    line = await commands.add_line_item(
        company.manager, id, "PART", "Valve", quantity=Decimal(2), unit_price=Decimal("9.50")
    )
    added, priced = (await facts_of(company))[-2:]
    assert (added.type, added.customer_id, added.technician_ids) == (
        "LineItemAdded", company.customer_id, (company.technician_id,),
    )  # fmt: skip
    assert added.payload == {
        "line_item_id": line, "kind": "PART", "description": "Valve", "quantity": "2", "changes": {},
    }  # fmt: skip
    assert (priced.type, priced.customer_id, priced.technician_ids) == ("LineItemPriced", None, ())
    assert priced.payload["changes"] == {"unit_price": ["0", "9.5"], "amount": ["0", "19"]}


@pytest.mark.parametrize("price", ["100000000000000", "99999999999999.9999"])
async def test_a_price_or_an_amount_that_is_too_large_to_be_kept_is_refused(company: Company, price: str) -> None:
    id = await submitted(company)
    problem = await refused(commands.add_line_item(company.manager, id, "LABOR", "Hours", unit_price=Decimal(price)))
    assert isinstance(problem, InvalidInput)
    line = await commands.add_line_item(company.manager, id, "LABOR", "Hours", unit_price=Decimal("99999999999999.99"))
    assert (await models.LineItem.get(id=line)).amount == Decimal("99999999999999.99")


async def test_a_corrected_line_keeps_its_amount_right(company: Company) -> None:
    id = await submitted(company)
    line = await commands.add_line_item(company.manager, id, "LABOR", "Hours", unit_price=Decimal(80))
    facts = await told(company, commands.update_line_item(company.manager, line, quantity=Decimal("1.5"), version=1))
    assert facts == ["LineItemUpdated", "LineItemPriced"]
    await commands.update_line_item(company.manager, line, kind="DISCOUNT")
    row = await models.LineItem.get(id=line)
    assert (row.kind, row.quantity, row.amount, row.version) == ("DISCOUNT", Decimal("1.5"), Decimal(-120), 3)
    stale = commands.update_line_item(company.manager, line, description="Hrs", version=1)
    assert isinstance(await refused(stale), StaleVersion)


async def test_a_removed_line_is_gone(company: Company) -> None:
    id = await submitted(company)
    line = await commands.add_line_item(company.manager, id, "TRIP", "Trip")
    assert await told(company, commands.remove_line_item(company.manager, line)) == ["LineItemRemoved"]
    assert await models.LineItem.filter(work_order_id=id).count() == 0
    assert isinstance(await refused(commands.remove_line_item(company.manager, line)), NotFound)


async def test_who_may_not_see_prices_sets_none(company: Company) -> None:
    id = await in_state(company, "IN_PROGRESS")
    await give_visit(company, id, "IN_PROGRESS")
    priced = (await models.LineItem.filter(work_order_id=id))[0].id
    free = await commands.add_line_item(company.technician, id, "PART", "Washer", quantity=Decimal(4))
    for attempt in (
        commands.add_line_item(company.technician, id, "PART", "Valve", unit_price=Decimal(9)),
        commands.update_line_item(company.technician, free, unit_price=Decimal(9)),
        commands.remove_line_item(company.technician, priced),
    ):
        assert isinstance(await refused(attempt), NotPermitted)
    await commands.update_line_item(company.technician, free, quantity=Decimal(5))
    await commands.remove_line_item(company.technician, free)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"kind": "TIP"}, "kind"),
        ({"description": ""}, "description"),
        ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": Decimal("0.00001")}, "quantity"),
        ({"unit_price": Decimal(-1)}, "unitPrice"),
        ({"unit_price": Decimal("NaN")}, "unitPrice"),
        ({"unit_price": Decimal("1e20")}, "unitPrice"),
        ({"quantity": Decimal(1_000_000), "unit_price": Decimal("1e13")}, "amount"),
    ],
)
async def test_senseless_lines_are_refused_by_field(company: Company, values: dict[str, object], path: str) -> None:
    id = await submitted(company)
    usual: dict[str, object] = {"kind": "PART", "description": "Valve"}
    problem = await refused(commands.add_line_item(company.manager, id, **(usual | values)))  # type: ignore[arg-type]
    assert isinstance(problem, InvalidInput) and problem.path == (path,)


@pytest.mark.parametrize("status", FROZEN)
async def test_lines_and_times_are_frozen_with_the_work(company: Company, status: str) -> None:
    id = await in_state(company, status)
    line = (await models.LineItem.filter(work_order_id=id))[0].id
    earlier, now = utc_now() - timedelta(hours=1), utc_now()
    for attempt in (
        commands.add_line_item(company.manager, id, "FEE", "Late fee"),
        commands.update_line_item(company.manager, line, description="Other"),
        commands.remove_line_item(company.manager, line),
        commands.start_timer(company.manager, id, "REPAIR", technician_id=company.technician_id),
        commands.add_time_entry(
            company.manager, id, "REPAIR", technician_id=company.technician_id, started_at=earlier, ended_at=now
        ),
    ):
        assert isinstance(await refused(attempt), Conflict)


async def test_a_note_names_its_writer_and_reaches_its_readers(company: Company) -> None:
    id = await in_state(company, "TRIAGED")
    await give_visit(company, id)
    for actor, visibility, kind, readers in (
        (company.customer, None, "CUSTOMER", "CUSTOMER"),
        (company.dispatcher, None, "STAFF", "INTERNAL"),
        (company.dispatcher, "CUSTOMER", "STAFF", "CUSTOMER"),
        (company.technician, None, "TECHNICIAN", "INTERNAL"),
    ):
        note = await models.Note.get(id=await commands.add_note(actor, id, " Hello ", visibility=visibility))
        assert (note.author_kind, note.visibility, note.text, note.author_id) == (kind, readers, "Hello", actor.id)
        assert note.author_name.startswith("Our ")
        entry = (await facts_of(company))[-1]
        assert entry.customer_id == (company.customer_id if readers == "CUSTOMER" else None)
        assert entry.technician_ids == (company.technician_id,)
        assert "Hello" not in str(entry.payload)


async def test_notes_are_written_by_those_who_may(company: Company) -> None:
    id = await submitted(company)
    for actor, visibility in (
        (company.customer, "INTERNAL"),
        (company.guest, "CUSTOMER"),
        (company.guest, None),
        (company.finance, "CUSTOMER"),
    ):
        assert isinstance(await refused(commands.add_note(actor, id, "Hello", visibility=visibility)), NotPermitted)
    assert isinstance(await refused(commands.add_note(company.other_customer, id, "Hello")), NotFound)
    for text in ("", "   ", "x" * 10_001):
        assert isinstance(await refused(commands.add_note(company.manager, id, text)), InvalidInput)
    assert isinstance(await refused(commands.add_note(company.manager, id, "x", visibility="ALL")), InvalidInput)
    await commands.add_note(company.finance, id, "Paid in advance")


async def test_a_timer_measures_and_the_technician_assesses(company: Company) -> None:
    id = await in_state(company, "IN_PROGRESS")
    visit = await give_visit(company, id, "IN_PROGRESS")
    start = utc_now() - timedelta(minutes=50)
    entry = await commands.start_timer(company.technician, id, "REPAIR", appointment_id=visit, started_at=start)
    facts = await told(company, commands.stop_timer(company.technician, entry, billed_minutes=30))
    assert facts == ["TimerStopped"]
    row = await models.TimeEntry.get(id=entry)
    assert (row.technician_id, row.appointment_id, row.kind) == (company.technician_id, visit, "REPAIR")
    assert (row.worked_minutes, row.billed_minutes) == (50, 30)
    assert (await facts_of(company))[-1].customer_id is None
    assert await told(company, commands.stop_timer(company.technician, entry, billed_minutes=99)) == []
    assert (await models.TimeEntry.get(id=entry)).billed_minutes == 30


async def test_a_timer_that_a_fast_clock_started_in_our_future_can_be_stopped_at_once(company: Company) -> None:
    id = await in_state(company, "IN_PROGRESS")
    await give_visit(company, id)
    ahead = utc_now() + timedelta(minutes=3)
    entry = await commands.start_timer(company.technician, id, "REPAIR", started_at=ahead)
    await commands.stop_timer(company.technician, entry)
    row = await models.TimeEntry.get(id=entry)
    assert (row.started_at, row.ended_at, row.worked_minutes) == (ahead, ahead, 0)


async def test_a_technician_has_one_running_timer(company: Company) -> None:
    first, second = await in_state(company, "IN_PROGRESS"), await in_state(company, "IN_PROGRESS")
    for id in (first, second):
        await give_visit(company, id)
    running = await commands.start_timer(company.technician, first, "TRAVEL")
    problem = await refused(commands.start_timer(company.technician, second, "REPAIR"))
    assert isinstance(problem, Conflict) and "WO-000001" in problem.message
    facts = await told(company, commands.start_timer(company.technician, second, "REPAIR", stop_running=True))
    assert facts == ["TimerStopped", "TimerStarted"]
    assert (await models.TimeEntry.get(id=running)).ended_at is not None


async def test_of_eight_timers_started_at_once_on_different_work_one_runs(company: Company) -> None:
    ids = [await in_state(company, "IN_PROGRESS") for _ in range(8)]
    for id in ids:
        await give_visit(company, id)
    starts = (commands.start_timer(company.technician, id, "REPAIR") for id in ids)
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["Conflict"] * 7 + ["str"]
    assert await models.TimeEntry.filter(ended_at__isnull=True).count() == 1


async def test_a_forgotten_timer_can_still_be_stopped(company: Company) -> None:
    id = await in_state(company, "IN_PROGRESS")
    entry = await commands.start_timer(
        company.manager, id, "REPAIR", technician_id=company.technician_id, started_at=utc_now() - timedelta(days=3)
    )
    await commands.stop_timer(company.manager, entry)
    assert (await models.TimeEntry.get(id=entry)).worked_minutes == 24 * 60


async def test_time_is_ones_own_unless_one_manages_work(company: Company, stranger: Company) -> None:
    id = await in_state(company, "IN_PROGRESS")
    await give_visit(company, id)
    colleague = await add_row(
        Technician, organization_id=company.organization_id, number="T-2", name="Watt", time_zone="UTC", currency="EUR"
    )
    theirs = commands.start_timer(company.technician, id, "REPAIR", technician_id=colleague.id)
    assert isinstance(await refused(theirs), NotPermitted)
    entry = await commands.start_timer(company.dispatcher, id, "REPAIR", technician_id=colleague.id)
    assert isinstance(await refused(commands.stop_timer(company.technician, entry)), NotPermitted)
    nobody = commands.start_timer(company.dispatcher, id, "REPAIR")
    assert isinstance(await refused(nobody), InvalidInput)
    foreign = commands.start_timer(company.dispatcher, id, "REPAIR", technician_id=stranger.technician_id)
    assert isinstance(await refused(foreign), NotFound)
    for attempt in (commands.stop_timer(stranger.manager, entry), commands.stop_timer(company.customer, entry)):
        assert isinstance(await refused(attempt), NotFound | NotPermitted)


@pytest.mark.parametrize("status", ["SUBMITTED", "COMPLETED", "CANNOT_COMPLETE", "CANCELED"])
async def test_no_timer_runs_on_work_that_is_not_under_way(company: Company, status: str) -> None:
    id = await in_state(company, status)
    attempt = commands.start_timer(company.manager, id, "REPAIR", technician_id=company.technician_id)
    assert isinstance(await refused(attempt), Conflict)


async def test_time_can_be_entered_afterwards_until_approval(company: Company) -> None:
    id = await in_state(company, "COMPLETED")
    end = utc_now() - timedelta(hours=1)
    entry = await commands.add_time_entry(
        company.manager,
        id,
        "BREAK",
        technician_id=company.technician_id,
        started_at=end - timedelta(minutes=20),
        ended_at=end,
    )
    row = await models.TimeEntry.get(id=entry)
    assert (row.worked_minutes, row.billed_minutes) == (20, 0)
    for start, stop in (
        (end, end - timedelta(minutes=1)),
        (end - timedelta(hours=25), end),
        (end, end + timedelta(hours=9)),
    ):
        attempt = commands.add_time_entry(
            company.manager, id, "REPAIR", technician_id=company.technician_id, started_at=start, ended_at=stop
        )
        assert isinstance(await refused(attempt), InvalidInput)


async def test_a_visit_of_other_work_is_not_clocked(company: Company) -> None:
    id, other = await in_state(company, "IN_PROGRESS"), await in_state(company, "IN_PROGRESS")
    visit = await give_visit(company, other)
    await give_visit(company, id)
    problem = await refused(commands.start_timer(company.technician, id, "REPAIR", appointment_id=visit))
    assert isinstance(problem, NotFound) and problem.path == ("appointmentId",)


async def test_completion_and_a_vanishing_line_never_pass_each_other(company: Company) -> None:
    for _ in range(5):
        id = await in_state(company, "IN_PROGRESS")
        line = (await models.LineItem.filter(work_order_id=id))[0].id
        await asyncio.gather(
            commands.complete_work_order(company.manager, id),
            commands.remove_line_item(company.manager, line),
            return_exceptions=True,
        )
        row = await models.WorkOrder.get(id=id)
        if row.status == "COMPLETED" and await models.LineItem.filter(work_order_id=id).count() == 0:
            problem = await refused(commands.approve_work_order(company.manager, id))
            assert problem.code == "ILLEGAL_TRANSITION"
