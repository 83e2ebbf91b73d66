"""Customers, contacts and sites."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from app.customers import commands, models, queries
from app.customers.rules import CUSTOMER_LIFECYCLE, ContactRole, CustomerStatus, CustomerType, SlaTier
from app.infrastructure.conditions import Condition
from app.infrastructure.encryption import opened
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotPermitted,
    Problem,
    StaleVersion,
)
from app.kernel.ids import new_id
from app.kernel.permissions import Permission, Role
from app.scheduling.rules import AssignmentStatus
from tests.app.customers.world import Company, found_company, hire, open_account, send, stranger_to


@pytest.fixture
async def company(database: object) -> Company:
    return await found_company()


async def row_of(id: str) -> Any:
    model = {"cus": models.Customer, "con": models.Contact, "site": models.Site}[id.partition("_")[0]]
    return await model.get(id=id)


async def state_of(id: str) -> dict[str, Any]:
    return dict(await row_of(id))


async def ids_visible(model: Any, actor: Actor, extra: Condition | None = None) -> set[str]:
    condition = model.visible_to(actor)
    return {row.id for row in await find_rows(model, condition & extra if extra else condition)}


async def test_gives_each_account_the_next_number_the_companys_currency_and_a_fact(company: Company) -> None:
    before = len(await company.facts())
    first = await open_account(company, "Lighthouse Bakery")
    second = await open_account(company, "Harbor Dental", account_number="HD-7")
    third = await open_account(company, "Pine Street School")
    rows = [await row_of(id) for id in (first, second, third)]
    assert [row.account_number for row in rows] == ["C-000001", "HD-7", "C-000002"]
    assert [(row.currency, row.status, row.sla_tier) for row in rows] == [("USD", "ACTIVE", "STANDARD")] * 3
    facts = (await company.facts())[before:]
    assert [(fact.type, fact.subject_id, fact.customer_id) for fact in facts] == [
        ("CustomerCreated", first, first),
        ("CustomerCreated", second, second),
        ("CustomerCreated", third, third),
    ]


async def test_passes_over_the_numbers_that_accounts_brought_with_them(company: Company) -> None:
    await open_account(company, "Lighthouse Bakery", account_number="C-000001")
    await open_account(company, "Harbor Dental", account_number="C-000002")
    fresh = await open_account(company, "Pine Street School")
    assert (await row_of(fresh)).account_number == "C-000003"


async def test_keeps_phones_emails_and_money_in_one_form(company: Company) -> None:
    id = await open_account(
        company,
        phone="(212) 555-0100",
        email=" Orders@Bakery.EXAMPLE ",
        credit_limit=Decimal("1000.005"),
        external_id="  ",
        language="en",
    )
    row = await row_of(id)
    assert (row.phone, row.email, row.credit_limit) == ("+12125550100", "Orders@bakery.example", Decimal("1000.00"))
    assert (row.external_id, row.language) == (None, "en")


@pytest.mark.parametrize(
    ("details", "path"),
    [
        ({"name": "  "}, ("name",)),
        ({"name": "x" * 201}, ("name",)),
        ({"phone": "call me"}, ("phone",)),
        ({"phone": "+1"}, ("phone",)),
        ({"email": "nobody"}, ("email",)),
        ({"language": "english!"}, ("language",)),
        ({"credit_limit": Decimal(-1)}, ("creditLimit",)),
        ({"credit_limit": Decimal("NaN")}, ("creditLimit",)),
        ({"credit_limit": Decimal("1e14")}, ("creditLimit",)),
        ({"currency": "dollars"}, ("currency",)),
        ({"id": "site_01jd0000000000000000000000"}, ("id",)),
        ({"account_manager_id": "bob"}, ("accountManagerId",)),
        ({"account_number": "x" * 41}, ("accountNumber",)),
        ({"external_id": "x" * 201}, ("externalId",)),
    ],
)
async def test_refuses_an_account_that_makes_no_sense_and_keeps_nothing_of_it(
    company: Company, details: dict[str, Any], path: tuple[str, ...]
) -> None:
    before = len(await company.facts())
    with pytest.raises(InvalidInput) as refused:
        await open_account(company, **details)
    assert refused.value.path == path
    assert await models.Customer.all().count() == 0
    assert len(await company.facts()) == before


@pytest.mark.parametrize(
    ("taken", "path"),
    [({"account_number": "A-1"}, "accountNumber"), ({"external_id": "erp-1"}, "externalId")],
)
async def test_numbers_and_external_ids_are_taken_once_in_a_company_and_free_in_another(
    company: Company, taken: dict[str, Any], path: str
) -> None:
    first = await open_account(company, **taken)
    with pytest.raises(AlreadyExists) as refused:
        await open_account(company, "Twin", **taken)
    assert refused.value.path == (path,)
    assert await ids_visible(models.Customer, company.system) == {first}
    other = await found_company("Elsewhere")
    assert (await row_of(await open_account(other, **taken))).organization_id == other.organization_id


async def test_a_client_made_id_is_the_id_and_is_taken_once(company: Company) -> None:
    id = new_id("cus")
    assert await open_account(company, id=id) == id
    with pytest.raises(AlreadyExists):
        await open_account(company, "Twin", id=id)
    assert (await row_of(id)).name == "Lighthouse Bakery"


async def test_an_update_changes_what_it_names_only_and_tells_the_customer_nothing_of_our_terms(
    company: Company,
) -> None:
    id = await open_account(company, email="a@b.example")
    before = len(await company.facts())
    await commands.update_customer(
        company.dispatcher, id, name="Lighthouse Bakery & Café", sla_tier=SlaTier.GOLD, notes="pays late"
    )
    row = await row_of(id)
    assert (row.name, row.sla_tier, row.notes, row.email) == (
        "Lighthouse Bakery & Café",
        "GOLD",
        "pays late",
        "a@b.example",
    )
    assert row.version == 2
    shown, own = (await company.facts())[before:]
    assert (shown.type, shown.customer_id) == ("CustomerUpdated", id)
    assert shown.payload["changes"] == {"name": ["Lighthouse Bakery", "Lighthouse Bakery & Café"]}
    assert (own.type, own.customer_id) == ("CustomerTermsUpdated", None)
    assert own.payload["changes"] == {"sla_tier": ["STANDARD", "GOLD"], "notes": ["", "pays late"]}


async def test_an_update_that_changes_nothing_records_nothing(company: Company) -> None:
    id = await open_account(company)
    before = len(await company.facts())
    await commands.update_customer(company.dispatcher, id, name="Lighthouse Bakery", type=CustomerType.SMALL_BUSINESS)
    assert (await row_of(id)).version == 1
    assert await company.types(after=before) == []


async def test_null_clears_a_value(company: Company) -> None:
    id = await open_account(company, phone="+4930123456", external_id="erp-1")
    await commands.update_customer(company.dispatcher, id, phone=None, external_id=None)
    row = await row_of(id)
    assert (row.phone, row.external_id) == (None, None)


STEPS = {
    CustomerStatus.ACTIVE: lambda actor, id: commands.reactivate_customer(actor, id),
    CustomerStatus.ON_HOLD: lambda actor, id: commands.hold_customer(actor, id, reason="unpaid"),
    CustomerStatus.INACTIVE: lambda actor, id: commands.archive_customer(actor, id),
}


@pytest.mark.parametrize("to", list(CustomerStatus))
@pytest.mark.parametrize("state", list(CustomerStatus))
async def test_an_account_takes_exactly_the_steps_of_its_lifecycle(
    company: Company, state: CustomerStatus, to: CustomerStatus
) -> None:
    id = await open_account(company)
    await models.Customer.filter(id=id).update(status=state)
    before, kept = len(await company.facts()), await state_of(id)
    if to in CUSTOMER_LIFECYCLE.steps[state]:
        await STEPS[to](company.dispatcher, id)
        assert (await row_of(id)).status == to
        (fact,) = (await company.facts())[before:]
        assert (fact.type, fact.payload["changes"]) == ("CustomerStatusChanged", {"status": [state, to]})
        return
    with pytest.raises(IllegalTransition):
        await STEPS[to](company.dispatcher, id)
    assert await state_of(id) == kept
    assert await company.types(after=before) == []


async def test_a_hold_needs_a_reason(company: Company) -> None:
    id = await open_account(company)
    with pytest.raises(InvalidInput):
        await commands.hold_customer(company.dispatcher, id, reason=" ")
    assert (await row_of(id)).status == "ACTIVE"


async def contact_of(company: Company, customer_id: str, name: str, **details: Any) -> str:
    return await commands.create_contact(company.dispatcher, customer_id=customer_id, name=name, **details)


async def primary_of(customer_id: str) -> list[str]:
    rows = await models.Contact.filter(customer_id=customer_id, is_primary=True)
    return [row.name for row in rows]


async def test_an_account_with_contacts_has_exactly_one_primary_contact(company: Company) -> None:
    customer = await open_account(company)
    ada = await contact_of(company, customer, "Ada", is_primary=False, role=ContactRole.OWNER)
    assert await primary_of(customer) == ["Ada"]
    bo = await contact_of(company, customer, "Bo")
    assert await primary_of(customer) == ["Ada"]
    cy = await contact_of(company, customer, "Cy", is_primary=True)
    assert await primary_of(customer) == ["Cy"]
    await commands.update_contact(company.dispatcher, bo, is_primary=True)
    assert await primary_of(customer) == ["Bo"]
    with pytest.raises(Conflict):
        await commands.update_contact(company.dispatcher, bo, is_primary=False)
    assert await primary_of(customer) == ["Bo"]
    assert await commands.remove_contact(company.dispatcher, bo) == customer
    assert await primary_of(customer) == ["Ada"]
    for id in (ada, cy):
        await commands.remove_contact(company.dispatcher, id)
    assert await models.Contact.all().count() == 0


async def site_of(company: Company, customer_id: str, name: str = "Main Street 1", **details: Any) -> str:
    return await commands.create_site(company.dispatcher, customer_id=customer_id, name=name, **details)


async def test_a_site_lies_in_the_companys_time_zone_and_country_unless_it_says_otherwise(company: Company) -> None:
    customer = await open_account(company)
    here = await row_of(await site_of(company, customer))
    there = await row_of(await site_of(company, customer, time_zone="Europe/Berlin", country="de"))
    assert (here.time_zone, here.country, here.is_active) == ("America/New_York", "US", True)
    assert (there.time_zone, there.country) == ("Europe/Berlin", "DE")


@pytest.mark.parametrize(
    ("details", "path"),
    [
        ({"latitude": 91.0, "longitude": 0.5}, ("latitude",)),
        ({"latitude": 40.7, "longitude": -181.0}, ("longitude",)),
        ({"latitude": float("nan"), "longitude": 1.0}, ("latitude",)),
        ({"latitude": 40.7}, ("longitude",)),
        ({"longitude": -73.9}, ("latitude",)),
        ({"latitude": 0.0, "longitude": 0.0}, ("latitude",)),
        ({"time_zone": "New York"}, ("timeZone",)),
        ({"time_zone": "../../etc/passwd"}, ("timeZone",)),
        ({"country": "USA"}, ("country",)),
        ({"opening_hours": {"7": [["08:00", "17:00"]]}}, ("openingHours", "7")),
        ({"opening_hours": {"0": [["17:00", "08:00"]]}}, ("openingHours", "0")),
        ({"opening_hours": "always"}, ("openingHours",)),
        ({"name": ""}, ("name",)),
    ],
)
async def test_refuses_a_site_that_cannot_be_and_keeps_nothing_of_it(
    company: Company, details: dict[str, Any], path: tuple[str, ...]
) -> None:
    customer = await open_account(company)
    before = len(await company.facts())
    with pytest.raises(InvalidInput) as refused:
        await site_of(company, customer, **{"name": "Main Street 1", **details})
    assert refused.value.path == path
    assert await models.Site.all().count() == 0
    assert await company.types(after=before) == []


async def test_a_sites_coordinates_change_together_or_are_refused(company: Company) -> None:
    site = await site_of(company, await open_account(company), latitude=40.7, longitude=-73.9)
    await commands.update_site(company.dispatcher, site, latitude=40.8)
    row = await row_of(site)
    assert (row.latitude, row.longitude) == (40.8, -73.9)
    with pytest.raises(InvalidInput):
        await commands.update_site(company.dispatcher, site, longitude=None)
    await commands.update_site(company.dispatcher, site, latitude=None, longitude=None)
    assert (await row_of(site)).latitude is None


async def test_access_codes_never_reach_the_journal(company: Company) -> None:
    site = await site_of(company, await open_account(company), access_instructions="gate code 4711")
    await commands.update_site(company.dispatcher, site, access_instructions="gate code 0815", parking="yard")
    assert opened(await row_of(site), "access_instructions") == "gate code 0815"
    facts = await company.facts()
    assert facts[-1].payload["changes"] == {
        "access_instructions": ["[kept secret]", "[kept secret]"],
        "parking": ["", "yard"],
    }
    assert not [fact for fact in facts if "4711" in str(fact.payload) or "0815" in str(fact.payload)]


async def test_archiving_a_site_is_undone_by_restoring_it_and_repeats_record_nothing(company: Company) -> None:
    site = await site_of(company, await open_account(company))
    before = len(await company.facts())
    for step in (commands.archive_site, commands.archive_site, commands.restore_site, commands.restore_site):
        await step(company.dispatcher, site)
    assert (await row_of(site)).is_active is True
    assert await company.types(after=before) == ["SiteArchived", "SiteRestored"]


async def test_finds_what_another_system_knows_by_its_own_id(company: Company) -> None:
    customer = await open_account(company, external_id="erp-1")
    site = await site_of(company, customer, external_id="erp-1")
    found_customer = await queries.find_customer_by_external_id(company.dispatcher, "erp-1")
    found_site = await queries.find_site_by_external_id(company.dispatcher, "erp-1")
    assert found_customer is not None
    assert found_site is not None
    assert (found_customer.id, found_site.id) == (customer, site)
    assert await queries.find_customer_by_external_id(company.dispatcher, "erp-2") is None
    assert await queries.find_site_by_external_id(stranger_to(company), "erp-1") is None


CHANGES: dict[str, Any] = {
    "update_customer": lambda actor, ids: commands.update_customer(actor, ids["customer"], name="Changed"),
    "hold_customer": lambda actor, ids: commands.hold_customer(actor, ids["customer"], reason="unpaid"),
    "archive_customer": lambda actor, ids: commands.archive_customer(actor, ids["customer"]),
    "create_contact": lambda actor, ids: commands.create_contact(actor, customer_id=ids["customer"], name="Eve"),
    "update_contact": lambda actor, ids: commands.update_contact(actor, ids["contact"], name="Changed"),
    "remove_contact": lambda actor, ids: commands.remove_contact(actor, ids["contact"]),
    "create_site": lambda actor, ids: commands.create_site(actor, customer_id=ids["customer"], name="Elsewhere"),
    "update_site": lambda actor, ids: commands.update_site(actor, ids["site"], name="Changed"),
    "archive_site": lambda actor, ids: commands.archive_site(actor, ids["site"]),
    "restore_site": lambda actor, ids: commands.restore_site(actor, ids["site"]),
}


async def prepared(company: Company) -> dict[str, str]:
    customer = await open_account(company)
    return {
        "customer": customer,
        "contact": await contact_of(company, customer, "Ada"),
        "site": await site_of(company, customer),
    }


async def refused_without_a_trace(
    company: Company, ids: dict[str, str], change: Any, actor: Actor, problem: type[Problem]
) -> None:
    facts = len(await company.facts())
    kept = {id: await state_of(id) for id in ids.values()}
    counts = [await model.all().count() for model in (models.Customer, models.Contact, models.Site)]
    with pytest.raises(problem):
        await change(actor, ids)
    assert {id: await state_of(id) for id in ids.values()} == kept
    assert [await model.all().count() for model in (models.Customer, models.Contact, models.Site)] == counts
    assert await company.types(after=facts) == []


@pytest.mark.parametrize("name", CHANGES)
async def test_another_companys_things_are_not_there(company: Company, name: str) -> None:
    ids = await prepared(company)
    await refused_without_a_trace(company, ids, CHANGES[name], stranger_to(company), NotFound)


@pytest.mark.parametrize("name", CHANGES)
async def test_who_may_not_manage_customers_changes_nothing(company: Company, name: str) -> None:
    ids = await prepared(company)
    for role in (Role.TECHNICIAN, Role.ACCOUNT_ADMINISTRATOR, Role.GUEST, Role.FINANCE):
        actor = company.actor(role, customer_id=ids["customer"])
        assert not actor.holds(Permission.MANAGE_CUSTOMERS)
        await refused_without_a_trace(company, ids, CHANGES[name], actor, NotPermitted)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("customer", lambda actor, id: commands.update_customer(actor, id, version=1, name="Mine")),
        ("customer", lambda actor, id: commands.hold_customer(actor, id, version=1, reason="unpaid")),
        ("contact", lambda actor, id: commands.update_contact(actor, id, version=1, name="Mine")),
        ("contact", lambda actor, id: commands.remove_contact(actor, id, version=1)),
        ("site", lambda actor, id: commands.update_site(actor, id, version=1, name="Mine")),
        ("site", lambda actor, id: commands.archive_site(actor, id, version=1)),
    ],
)
async def test_refuses_a_change_made_on_an_old_version(company: Company, key: str, change: Any) -> None:
    ids = await prepared(company)
    await CHANGES[f"update_{key}"](company.dispatcher, ids)
    kept = await state_of(ids[key])
    facts = len(await company.facts())
    with pytest.raises(StaleVersion) as refused:
        await change(company.dispatcher, ids[key])
    assert (refused.value.expected, refused.value.actual) == (1, 2)
    assert await state_of(ids[key]) == kept
    assert await company.types(after=facts) == []


async def test_customers_see_their_own_account_and_nothing_else(company: Company) -> None:
    ids, others = await prepared(company), await prepared(company)
    for role in (Role.ACCOUNT_ADMINISTRATOR, Role.CUSTOMER_USER, Role.RESIDENTIAL_CUSTOMER, Role.GUEST):
        actor = company.actor(role, customer_id=ids["customer"])
        assert await ids_visible(models.Customer, actor) == {ids["customer"]}
        assert await ids_visible(models.Contact, actor) == {ids["contact"]}
        assert await ids_visible(models.Site, actor) == {ids["site"]}
    nobody = company.actor(Role.GUEST)
    assert await ids_visible(models.Customer, nobody) == set()
    assert await ids_visible(models.Site, company.dispatcher) == {ids["site"], others["site"]}
    assert await ids_visible(models.Site, stranger_to(company)) == set()


@pytest.mark.parametrize(
    ("status", "is_visible"),
    [
        (AssignmentStatus.PROPOSED, True),
        (AssignmentStatus.ACCEPTED, True),
        (AssignmentStatus.DECLINED, False),
        (AssignmentStatus.RELEASED, False),
    ],
)
async def test_technicians_see_the_customers_and_sites_of_the_work_they_were_given(
    company: Company, status: AssignmentStatus, is_visible: bool
) -> None:
    ids, others = await prepared(company), await prepared(company)
    second_site = await site_of(company, ids["customer"], "Annex")
    technician = await hire(company)
    await send(company, technician, ids["site"], status)
    await send(company, await hire(company, "Sam"), others["site"], AssignmentStatus.ACCEPTED)
    actor = company.actor(Role.TECHNICIAN, technician_id=technician)
    assert await ids_visible(models.Customer, actor) == ({ids["customer"]} if is_visible else set())
    assert await ids_visible(models.Contact, actor) == ({ids["contact"]} if is_visible else set())
    assert await ids_visible(models.Site, actor) == ({ids["site"]} if is_visible else set())
    lead = company.actor(Role.TECHNICIAN, Role.DISPATCHER, technician_id=technician)
    assert await ids_visible(models.Site, lead) == {ids["site"], others["site"], second_site}


@pytest.mark.parametrize("taken", [{"external_id": "erp-1"}, {"account_number": "A-1"}, {"id": new_id("cus")}])
async def test_of_twins_that_come_at_once_one_is_made_and_the_others_are_told(
    company: Company, taken: dict[str, Any]
) -> None:
    tries = [open_account(company, f"Twin {place}", **taken) for place in range(6)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AlreadyExists"] * 5 + ["str"]
    assert await models.Customer.all().count() == 1
    assert (await company.types()).count("CustomerCreated") == 1
    other = await open_account(company, "Other")
    if "external_id" in taken:
        changes = [commands.update_customer(company.dispatcher, other, **taken) for _ in range(2)]
        for result in await asyncio.gather(*changes, return_exceptions=True):
            assert isinstance(result, AlreadyExists)
            assert result.path == ("externalId",)
