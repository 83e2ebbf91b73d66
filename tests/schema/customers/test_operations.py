"""Customers, contacts and sites through the API."""

from decimal import Decimal
from typing import Any

import pytest

from app.kernel.ids import new_id
from app.kernel.permissions import Role
from tests.app.customers.world import Company, found_company, open_account, stranger_to
from tests.schema.customers.api import asked, codes, data, done, sent


@pytest.fixture
async def company(database: object) -> Company:
    return await found_company()


async def made(company: Company, name: str, input: dict[str, Any]) -> str:
    noun = name.removeprefix("create").lower()
    return (await done(company.dispatcher, name, input, "id", noun))["id"]


async def prepared(company: Company) -> dict[str, str]:
    customer = await made(company, "createCustomer", {"name": "Lighthouse Bakery", "type": "SMALL_BUSINESS"})
    place = {"latitude": 40.7, "longitude": -73.9, "city": "New York", "accessInstructions": "gate code 4711"}
    return {
        "customer": customer,
        "contact": await made(company, "createContact", {"customerId": customer, "name": "Ada", "role": "OWNER"}),
        "site": await made(company, "createSite", {"customerId": customer, "name": "Main Street 1", **place}),
    }


async def test_a_customer_is_read_with_contacts_and_sites_in_one_question(company: Company) -> None:
    ids = await prepared(company)
    found = await data(
        company.dispatcher,
        """query($id: ID!) { customer(id: $id) {
            accountNumber name type status version currency creditLimit notes
            allowedTransitions { to blockedBy }
            contacts { totalCount nodes { name role isPrimary customer { id } } }
            sites { nodes { name coordinates { latitude longitude } timeZone accessInstructions openingHours
                    customer { name } territory { id } } }
            accountManager { id } } }""",
        id=ids["customer"],
    )
    assert found["customer"] == {
        "accountNumber": "C-000001",
        "name": "Lighthouse Bakery",
        "type": "SMALL_BUSINESS",
        "status": "ACTIVE",
        "version": 1,
        "currency": "USD",
        "creditLimit": None,
        "notes": "",
        "allowedTransitions": [{"to": "ON_HOLD", "blockedBy": []}, {"to": "INACTIVE", "blockedBy": []}],
        "contacts": {
            "totalCount": 1,
            "nodes": [{"name": "Ada", "role": "OWNER", "isPrimary": True, "customer": {"id": ids["customer"]}}],
        },
        "sites": {
            "nodes": [
                {
                    "name": "Main Street 1",
                    "coordinates": {"latitude": 40.7, "longitude": -73.9},
                    "timeZone": "America/New_York",
                    "accessInstructions": "gate code 4711",
                    "openingHours": {},
                    "customer": {"name": "Lighthouse Bakery"},
                    "territory": None,
                }
            ]
        },
        "accountManager": None,
    }


async def test_an_update_changes_what_is_given_and_null_clears(company: Company) -> None:
    id = (await prepared(company))["customer"]
    given = {"id": id, "phone": "(212) 555-0100", "slaTier": "GOLD", "creditLimit": "1500.50"}
    fields = "name phone slaTier creditLimit version"
    changed = await done(company.dispatcher, "updateCustomer", given, fields, "customer")
    assert Decimal(changed.pop("creditLimit")) == Decimal("1500.50")
    assert changed == {"name": "Lighthouse Bakery", "phone": "+12125550100", "slaTier": "GOLD", "version": 2}
    cleared = await done(company.dispatcher, "updateCustomer", {"id": id, "phone": None}, fields, "customer")
    assert (cleared["phone"], cleared["slaTier"], cleared["version"]) == (None, "GOLD", 3)


@pytest.mark.parametrize(
    ("name", "input", "code", "path"),
    [
        ("updateCustomer", {"id": "customer", "version": 7, "name": "X"}, "STALE_VERSION", []),
        ("updateCustomer", {"id": "customer", "email": "nobody"}, "INVALID_INPUT", ["email"]),
        ("updateCustomer", {"id": "customer", "externalId": "erp-1"}, "ALREADY_EXISTS", ["externalId"]),
        ("updateCustomer", {"id": "nowhere", "name": "X"}, "NOT_FOUND", ["id"]),
        ("reactivateCustomer", {"id": "customer"}, "ILLEGAL_TRANSITION", []),
        ("updateContact", {"id": "contact", "isPrimary": False}, "CONFLICT", ["isPrimary"]),
        ("updateSite", {"id": "site", "latitude": 91.0}, "INVALID_INPUT", ["latitude"]),
        ("updateSite", {"id": "site", "openingHours": {"9": []}}, "INVALID_INPUT", ["openingHours", "9"]),
    ],
)
async def test_what_cannot_be_done_is_answered_as_a_problem_and_leaves_no_trace(
    company: Company, name: str, input: dict[str, Any], code: str, path: list[str]
) -> None:
    ids = {**await prepared(company), "nowhere": new_id("cus")}
    await open_account(company, "Twin", external_id="erp-1")
    before = len(await company.facts())
    noun = "customer" if "Customer" in name else name.removeprefix("update").lower()
    payload = await sent(company.dispatcher, name, {**input, "id": ids[input["id"]]}, f"{noun} {{ id }}")
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [(code, path)]
    assert (payload[noun], payload["cursor"]) == (None, None)
    assert await company.types(after=before) == []


async def test_contacts_and_sites_come_and_go(company: Company) -> None:
    ids = await prepared(company)
    left = await done(
        company.dispatcher, "removeContact", {"id": ids["contact"]}, "id contacts { totalCount }", "customer"
    )
    assert left == {"id": ids["customer"], "contacts": {"totalCount": 0}}
    assert await done(company.dispatcher, "archiveSite", {"id": ids["site"]}, "isActive", "site") == {"isActive": False}
    assert await done(company.dispatcher, "restoreSite", {"id": ids["site"]}, "isActive", "site") == {"isActive": True}
    held = await done(
        company.dispatcher, "holdCustomer", {"id": ids["customer"], "reason": "unpaid"}, "status", "customer"
    )
    assert held == {"status": "ON_HOLD"}
    archived = await done(company.dispatcher, "archiveCustomer", {"id": ids["customer"]}, "status", "customer")
    assert archived == {"status": "INACTIVE"}


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        ({"search": "main bakery"}, []),
        ({"search": "MAIN"}, ["Main Street 1"]),
        ({"search": "main york"}, ["Main Street 1"]),
        ({"within": {"box": {"south": 40, "west": -74, "north": 41, "east": -73}}}, ["Main Street 1"]),
        ({"within": {"box": {"south": 40, "west": 170, "north": 41, "east": -73}}}, ["Main Street 1"]),
        ({"within": {"box": {"south": 40, "west": -73, "north": 41, "east": -72}}}, []),
        ({"isActive": {"eq": False}}, []),
        ({"city": {"eq": "New York"}, "country": {"eq": "US"}}, ["Main Street 1"]),
        ({"territoryId": {"isNull": True}}, ["Main Street 1"]),
    ],
)
async def test_sites_are_found_by_words_and_on_the_map(
    company: Company, filter: dict[str, Any], names: list[str]
) -> None:
    await prepared(company)
    found = await data(
        company.dispatcher, "query($filter: SiteFilter) { sites(filter: $filter) { nodes { name } } }", filter=filter
    )
    assert [site["name"] for site in found["sites"]["nodes"]] == names


@pytest.mark.parametrize(
    "filter", [{"search": "  "}, {"within": {"box": {"south": 2, "west": 0, "north": 1, "east": 1}}}]
)
async def test_a_senseless_filter_is_an_error_that_says_so(company: Company, filter: dict[str, Any]) -> None:
    document = "query($filter: SiteFilter) { sites(filter: $filter) { nodes { name } } }"
    assert codes(await asked(company.dispatcher, document, filter=filter)) == ["INVALID_INPUT"]


async def test_customers_are_found_by_number_and_by_external_id(company: Company) -> None:
    id = await open_account(company, external_id="erp-1", account_number="LB-1")
    found = await data(
        company.dispatcher,
        '{ a: customerByAccountNumber(accountNumber: "LB-1") { id } b: customerByExternalId(externalId: "erp-1") { id } '
        'c: customerByExternalId(externalId: "erp-2") { id } d: siteByExternalId(externalId: "erp-1") { id } }',
    )
    assert found == {"a": {"id": id}, "b": {"id": id}, "c": None, "d": None}


EVERYTHING = "{ customers { nodes { id } } contacts { nodes { id } } sites { nodes { id } } }"


async def test_customers_read_their_own_account_without_our_notes_or_the_gate_code(company: Company) -> None:
    ids, _others = await prepared(company), await open_account(company, "Harbor Dental")
    actor = company.actor(Role.CUSTOMER_USER, customer_id=ids["customer"])
    assert await data(actor, EVERYTHING) == {
        "customers": {"nodes": [{"id": ids["customer"]}]},
        "contacts": {"nodes": [{"id": ids["contact"]}]},
        "sites": {"nodes": [{"id": ids["site"]}]},
    }
    answer = await asked(actor, "{ customers { nodes { notes } } sites { nodes { accessInstructions name } } }")
    assert answer["data"] == {
        "customers": {"nodes": [{"notes": None}]},
        "sites": {"nodes": [{"accessInstructions": None, "name": "Main Street 1"}]},
    }
    assert codes(answer) == ["FORBIDDEN"] * 2
    payload = await sent(actor, "updateCustomer", {"id": ids["customer"], "name": "Mine"}, "customer { id }")
    assert [error["code"] for error in payload["errors"]] == ["NOT_PERMITTED"]


async def test_strangers_and_nobody_read_nothing(company: Company) -> None:
    ids = await prepared(company)
    assert await data(stranger_to(company), EVERYTHING) == {
        "customers": {"nodes": []},
        "contacts": {"nodes": []},
        "sites": {"nodes": []},
    }
    for name, id in ids.items():
        found = await data(stranger_to(company), "query($id: ID!) { node(id: $id) { id } }", id=id)
        assert found == {"node": None}, name
    assert set(codes(await asked(None, EVERYTHING))) == {"NOT_AUTHENTICATED"}
