"""Asking for work and changing what is asked for."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.company.models import ServiceType
from app.customers.commands import create_customer, update_customer
from app.customers.models import Customer, Site
from app.customers.rules import CustomerType
from app.equipment.models import Equipment
from app.identity.models import ApiKey, User
from app.infrastructure.command import idempotency_key
from app.infrastructure.tables import add_row
from app.kernel.actor import ActorKind, user_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import AlreadyExists, Conflict, InvalidInput, NotFound, NotPermitted, StaleVersion
from app.kernel.ids import new_id
from app.kernel.permissions import Permission, Role
from app.work_orders import commands, models
from tests.app.work_orders.world import NOON, Company, facts_of, in_state, refused, snapshot, submitted, told


async def test_a_request_begins_submitted_with_what_its_service_type_says(company: Company) -> None:
    wanted = new_id("wo")
    id = await submitted(
        company,
        id=wanted,
        service_type_id=company.service_type_id,
        equipment_id=company.equipment_id,
        summary="  No heat ",
    )
    row = await models.WorkOrder.get(id=id)
    assert id == wanted
    assert (row.status, row.number, row.version) == ("SUBMITTED", "WO-000001", 1)
    assert (row.summary, row.description, row.category, row.external_id) == ("No heat", "", None, None)
    assert (row.priority, row.duration_minutes, row.required_skills) == ("HIGH", 90, {company.skill_id: 2})
    assert (row.channel, row.currency, row.opened_by_user_id) == ("PHONE", "EUR", company.manager.id)
    [entry] = await facts_of(company)
    assert (entry.type, entry.subject_id, entry.customer_id) == ("WorkOrderSubmitted", id, company.customer_id)


async def test_what_is_said_beats_what_the_service_type_says(company: Company) -> None:
    id = await submitted(
        company, service_type_id=company.service_type_id, priority="LOW", duration_minutes=15, required_skills={}
    )
    row = await models.WorkOrder.get(id=id)
    assert (row.priority, row.duration_minutes, row.required_skills) == ("LOW", 15, {})


async def test_numbers_have_no_gap_even_after_a_refusal(company: Company) -> None:
    await submitted(company, external_id="311-1")
    assert isinstance(await refused(submitted(company, external_id="311-1")), AlreadyExists)
    second = await submitted(company, external_id="311-2")
    assert (await models.WorkOrder.get(id=second)).number == "WO-000002"


async def test_twenty_at_once_get_twenty_numbers(company: Company) -> None:
    ids = await asyncio.gather(*(submitted(company) for _ in range(20)))
    numbers = {row.number for row in await models.WorkOrder.filter(id__in=ids)}
    assert numbers == {f"WO-{number:06}" for number in range(1, 21)}


async def test_of_twins_with_one_external_id_one_is_made(company: Company) -> None:
    outcomes = await asyncio.gather(
        *(submitted(company, external_id="311-7") for _ in range(6)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["AlreadyExists"] * 5 + ["str"]
    assert await models.WorkOrder.all().count() == 1


async def test_the_same_key_twice_makes_one_work_order(company: Company) -> None:
    with idempotency_key("tap-tap"):
        first, second = await submitted(company), await submitted(company)
    assert first == second
    assert await models.WorkOrder.all().count() == 1


async def test_everybody_asks_through_their_own_channel(company: Company) -> None:
    wanted = {"customer_id": company.customer_id, "site_id": company.site_id, "summary": "No heat"}
    for actor, channel in ((company.customer, "PORTAL"), (company.support, "PHONE")):
        id = await commands.create_work_order(actor, **wanted)
        assert (await models.WorkOrder.get(id=id)).channel == channel
    id = await commands.create_work_order(company.dispatcher, channel="EMAIL", **wanted)
    assert (await models.WorkOrder.get(id=id)).channel == "EMAIL"


async def test_a_guest_may_not_ask(company: Company) -> None:
    wanted = {"customer_id": company.customer_id, "site_id": company.site_id, "summary": "No heat"}
    assert isinstance(await refused(commands.create_work_order(company.guest, **wanted)), NotPermitted)


@pytest.mark.parametrize(
    "own_say", [{"channel": "PHONE"}, {"duration_minutes": 5}, {"due_at": NOON}, {"required_skills": {}}]
)
async def test_a_customer_does_not_decide_what_is_ours(company: Company, own_say: dict[str, object]) -> None:
    wanted = {"customer_id": company.customer_id, "site_id": company.site_id, "summary": "No heat"}
    problem = await refused(commands.create_work_order(company.customer, **wanted, **own_say))  # type: ignore[arg-type]
    assert isinstance(problem, NotPermitted)


async def test_things_of_others_cannot_be_named(company: Company, stranger: Company) -> None:
    for values, path in (
        ({"customer_id": stranger.customer_id}, "customerId"),
        ({"site_id": stranger.site_id}, "siteId"),
        ({"equipment_id": stranger.equipment_id}, "equipmentId"),
        ({"service_type_id": stranger.service_type_id}, "serviceTypeId"),
        ({"required_skills": {stranger.skill_id: 1}}, "requiredSkills"),
        ({"parent_id": await submitted(stranger)}, "parentId"),
    ):
        problem = await refused(submitted(company, **values))
        assert isinstance(problem, NotFound) and problem.path == (path,)
    theirs = {"customer_id": company.other_customer_id, "site_id": company.other_site_id, "summary": "Leak"}
    assert isinstance(await refused(commands.create_work_order(company.customer, **theirs)), NotFound)


async def test_customer_site_and_equipment_belong_together(company: Company) -> None:
    other_place = {"customer_id": company.other_customer_id, "site_id": company.other_site_id}
    for values, path in (
        ({"site_id": company.other_site_id}, "siteId"),
        ({"customer_id": company.other_customer_id}, "siteId"),
        (other_place | {"equipment_id": company.equipment_id}, "equipmentId"),
    ):
        problem = await refused(submitted(company, **values))
        assert isinstance(problem, InvalidInput) and problem.path == (path,)
    await submitted(company, **other_place)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"summary": "  "}, "summary"),
        ({"summary": "x" * 201}, "summary"),
        ({"priority": "ASAP"}, "priority"),
        ({"channel": "PIGEON"}, "channel"),
        ({"duration_minutes": 0}, "durationMinutes"),
        ({"required_skills": {"x": 6}}, "requiredSkills"),
        ({"requested_window_start": NOON}, "requestedWindowEnd"),
        ({"requested_window_start": NOON, "requested_window_end": NOON}, "requestedWindowEnd"),
        ({"due_at": NOON.replace(tzinfo=None)}, "dueAt"),
        ({"submitted_at": utc_now() + timedelta(days=1)}, "submittedAt"),
        ({"external_id": ""}, "externalId"),
        ({"id": "wo_1"}, "id"),
        ({"site_id": "nonsense"}, "siteId"),
    ],
)
async def test_senseless_requests_are_refused_by_field(company: Company, values: dict[str, object], path: str) -> None:
    problem = await refused(submitted(company, **values))
    assert isinstance(problem, InvalidInput) and problem.path == (path,)


async def test_what_is_retired_or_no_longer_offered_is_not_worked_on(company: Company) -> None:
    await Equipment.filter(id=company.equipment_id).update(status="RETIRED")
    await ServiceType.filter(id=company.service_type_id).update(is_active=False)
    for values in ({"equipment_id": company.equipment_id}, {"service_type_id": company.service_type_id}):
        assert isinstance(await refused(submitted(company, **values)), InvalidInput)
    await Site.filter(id=company.site_id).update(is_active=False)
    assert isinstance(await refused(submitted(company)), InvalidInput)


async def test_a_customer_on_hold_gets_no_work_unless_a_dispatcher_says_why(company: Company) -> None:
    await Customer.filter(id=company.customer_id).update(status="ON_HOLD")
    problem = await refused(submitted(company))
    assert isinstance(problem, Conflict) and problem.path == ("customerId",)
    wanted = {"customer_id": company.customer_id, "site_id": company.site_id, "summary": "No heat"}
    bold = commands.create_work_order(company.customer, **wanted, credit_hold_override="Please")
    assert isinstance(await refused(bold), NotPermitted)
    facts = await told(company, submitted(company, credit_hold_override="Pipe burst"))
    assert facts == ["WorkOrderSubmitted", "CreditHoldOverridden"]
    assert (await facts_of(company))[-1].customer_id is None
    await Customer.filter(id=company.customer_id).update(status="INACTIVE")
    assert isinstance(await refused(submitted(company, credit_hold_override="Pipe burst")), Conflict)


async def test_who_owes_more_than_the_credit_limit_gets_no_work_unless_a_dispatcher_says_why(company: Company) -> None:
    await Customer.filter(id=company.customer_id).update(credit_limit=Decimal(100))
    first = await submitted(company)
    await commands.add_line_item(company.manager, first, "LABOR", "Hours", unit_price=Decimal("99.99"))
    second = await submitted(company)
    await commands.add_line_item(company.manager, second, "PART", "A screw", unit_price=Decimal("0.01"))
    third = await submitted(company)
    await commands.add_line_item(company.manager, third, "PART", "A nail", unit_price=Decimal("0.01"))
    problem = await refused(submitted(company))
    assert isinstance(problem, Conflict) and problem.path == ("customerId",)
    assert "100" not in problem.message
    assert await told(company, submitted(company, credit_hold_override="A flood")) == [
        "WorkOrderSubmitted",
        "CreditHoldOverridden",
    ]
    await commands.cancel_work_order(company.manager, second, reason="CUSTOMER_REQUEST")
    await submitted(company)
    await Customer.filter(id=company.customer_id).update(credit_limit=None)
    await submitted(company)


async def test_who_has_a_limit_approves_no_more_and_others_do(company: Company) -> None:
    ids = [await in_state(company, "COMPLETED") for _ in range(2)]
    for id, price in zip(ids, ("500", "500.01"), strict=True):
        await models.LineItem.filter(work_order_id=id).delete()
        row = await models.WorkOrder.get(id=id)
        await add_row(
            models.LineItem, organization_id=row.organization_id, work_order_id=id, kind="LABOR", description="Hours",
            quantity=Decimal(1), unit_price=Decimal(price), amount=Decimal(price), currency=row.currency,
        )  # fmt: skip
    approver = await add_row(
        User, organization_id=company.organization_id, email="limit@example.com", legal_name="L", roles=["FINANCE"],
        approval_limit=Decimal(500),
    )  # fmt: skip
    limited = user_actor(company.organization_id, approver.id, frozenset({Role.FINANCE}))
    before = await snapshot()
    key = await add_row(
        ApiKey, organization_id=company.organization_id, name="Theirs", shown_prefix="trk_", secret_hash="0" * 64,
        created_by_user_id=approver.id,
    )  # fmt: skip
    for actor in (limited, replace(limited, kind=ActorKind.API_KEY, id=key.id)):
        assert isinstance(await refused(commands.approve_work_orders(actor, ids)), Conflict)
    assert await snapshot() == before
    await commands.approve_work_order(limited, ids[0])
    await commands.approve_work_order(company.manager, ids[1])
    await User.filter(id=approver.id).update(approval_limit=None)


async def test_support_sees_prices_and_sets_none(company: Company) -> None:
    support = user_actor(company.organization_id, new_id("usr"), frozenset({Role.SUPPORT}))
    assert support.holds(Permission.VIEW_PRICES)
    id = await submitted(company)
    attempts = [
        commands.add_line_item(support, id, "LABOR", "Hours", unit_price=Decimal(1)),
        update_customer(support, company.customer_id, credit_limit=Decimal(5)),
        create_customer(support, name="N", type=CustomerType.RESIDENTIAL, credit_limit=Decimal(5)),
    ]
    for attempt in attempts:
        assert isinstance(await refused(attempt), NotPermitted)
    assert (await Customer.get(id=company.customer_id)).credit_limit is None


async def test_imported_requests_keep_their_own_date(company: Company) -> None:
    asked = NOON - timedelta(days=3000)
    id = await submitted(company, submitted_at=asked, channel="IMPORT")
    assert (await models.WorkOrder.get(id=id)).submitted_at == asked
    wanted = {"customer_id": company.customer_id, "site_id": company.site_id, "summary": "No heat"}
    late = commands.create_work_order(company.support, **wanted, submitted_at=asked)
    assert isinstance(await refused(late), NotPermitted)


async def test_an_id_that_is_taken_is_refused(company: Company) -> None:
    id = await submitted(company)
    assert isinstance(await refused(submitted(company, id=id)), AlreadyExists)


async def test_only_what_is_given_is_changed_and_told(company: Company) -> None:
    id = await submitted(company, description="Since Monday", due_at=NOON)
    assert await commands.update_work_order(company.dispatcher, id, priority="URGENT", due_at=None) == id
    row = await models.WorkOrder.get(id=id)
    assert (row.priority, row.due_at, row.description, row.version) == ("URGENT", None, "Since Monday", 2)
    entry = (await facts_of(company))[-1]
    assert (entry.type, sorted(entry.payload["changes"])) == ("WorkOrderUpdated", ["due_at", "priority"])
    assert entry.payload["changes"]["priority"] == ["NORMAL", "URGENT"]


async def test_a_change_to_what_it_is_already_changes_nothing(company: Company) -> None:
    id = await submitted(company)
    before = await snapshot()
    await commands.update_work_order(company.dispatcher, id, priority="NORMAL", summary=" No heat ")
    assert await snapshot() == before


async def test_a_window_is_judged_as_it_will_be(company: Company) -> None:
    id = await submitted(company, requested_window_start=NOON, requested_window_end=NOON + timedelta(hours=2))
    late = commands.update_work_order(company.dispatcher, id, requested_window_start=NOON + timedelta(hours=3))
    assert isinstance(await refused(late), InvalidInput)
    await commands.update_work_order(company.dispatcher, id, requested_window_start=None, requested_window_end=None)


async def test_what_is_over_no_longer_changes(company: Company) -> None:
    for status in ("COMPLETED", "APPROVED", "CLOSED", "CANNOT_COMPLETE", "CANCELED", "DECLINED"):
        id = await in_state(company, status)
        assert isinstance(await refused(commands.update_work_order(company.manager, id, priority="LOW")), Conflict)


async def test_the_site_is_settled_once_a_visit_is_booked(company: Company) -> None:
    second = await Site.create(
        id=new_id("site"), organization_id=company.organization_id, customer_id=company.customer_id, name="Barn",
        time_zone="Europe/Berlin",
    )  # fmt: skip
    booked, fresh = await in_state(company, "SCHEDULED"), await submitted(company)
    assert isinstance(await refused(commands.update_work_order(company.manager, booked, site_id=second.id)), Conflict)
    await commands.update_work_order(company.manager, fresh, site_id=second.id)
    wrong = commands.update_work_order(company.manager, fresh, site_id=company.other_site_id)
    assert isinstance(await refused(wrong), InvalidInput)


async def test_an_external_id_is_given_once(company: Company, stranger: Company) -> None:
    await submitted(company, external_id="A")
    await submitted(stranger, external_id="A")
    id = await submitted(company, external_id="B")
    assert isinstance(await refused(commands.update_work_order(company.manager, id, external_id="A")), AlreadyExists)
    await commands.update_work_order(company.manager, id, external_id="B")


async def test_of_two_who_take_one_external_id_one_gets_it(company: Company) -> None:
    ids = [await submitted(company) for _ in range(4)]
    changes = (commands.update_work_order(company.manager, id, external_id="A") for id in ids)
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["AlreadyExists"] * 3 + ["str"]


async def test_a_change_from_an_old_version_is_refused(company: Company) -> None:
    id = await submitted(company)
    await commands.update_work_order(company.manager, id, version=1, priority="LOW")
    stale = commands.update_work_order(company.manager, id, version=1, priority="HIGH")
    assert isinstance(await refused(stale), StaleVersion)


async def test_two_who_change_different_things_both_win(company: Company) -> None:
    id = await submitted(company)
    await asyncio.gather(
        commands.update_work_order(company.manager, id, priority="LOW"),
        commands.update_work_order(company.dispatcher, id, category="Heating"),
    )
    row = await models.WorkOrder.get(id=id)
    assert (row.priority, row.category, row.version) == ("LOW", "Heating", 3)


async def test_prices_keep_their_digits_in_every_database(company: Company) -> None:
    id = await submitted(company)
    line = await commands.add_line_item(
        company.manager, id, "PART", "Valve", quantity=Decimal("2.5"), unit_price=Decimal("9.99")
    )
    row = await models.LineItem.get(id=line)
    assert (row.quantity, row.unit_price, row.amount, row.currency) == (
        Decimal("2.5"), Decimal("9.99"), Decimal("24.98"), "EUR",
    )  # fmt: skip
