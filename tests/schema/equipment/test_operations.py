"""Categories, products and equipment through the API."""

from typing import Any

import pytest

from app.customers.commands import create_site
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from tests.app.customers.world import Company, found_company, open_account, stranger_to
from tests.schema.customers.api import asked, codes, data, done, sent


@pytest.fixture
async def company(database: object) -> Company:
    return await found_company()


async def prepared(company: Company) -> dict[str, str]:
    customer = await open_account(company)
    site = await create_site(company.dispatcher, customer_id=customer, name="Main Street 1")
    made: dict[str, str] = {"customer": customer, "site": site}

    async def make(name: str, input: dict[str, Any], noun: str) -> str:
        return (await done(company.dispatcher, name, input, "id", noun))["id"]

    kitchen = await make("createEquipmentCategory", {"name": "Kitchen"}, "equipmentCategory")
    made["kitchen"] = kitchen
    made["ovens"] = await make(
        "createEquipmentCategory", {"name": "Ovens", "parentId": kitchen, "lifespanMonths": 120}, "equipmentCategory"
    )
    product = {"categoryId": made["ovens"], "manufacturer": "Rational", "name": "iCombi Pro 6"}
    made["model"] = await make("createEquipmentModel", product, "equipmentModel")
    device = {
        "customerId": customer,
        "siteId": site,
        "name": "Oven 1",
        "modelId": made["model"],
        "serialNumber": "SN-1",
        "installedOn": "2024-05-01",
        "specifications": {"power_kw": 10.8, "gas": False},
    }
    made["device"] = await make("registerEquipment", device, "equipment")
    return made


async def test_equipment_is_reached_from_customer_site_product_and_category(company: Company) -> None:
    ids = await prepared(company)
    found = await data(
        company.dispatcher,
        """query($customer: ID!, $site: ID!, $kitchen: ID!) {
            customer(id: $customer) { equipment { totalCount nodes {
                name status serialNumber installedOn specifications room version
                allowedTransitions { to }
                site { name } customer { id } model { manufacturer name } category { name broader { name } } } } }
            site(id: $site) { equipment { nodes { name } } }
            equipmentCategory(id: $kitchen) { isDivided narrower { nodes { name lifespanMonths isDivided
                products { nodes { name equipment { nodes { name } } } } equipment { nodes { name } } } } } }""",
        **{name: ids[name] for name in ("customer", "site", "kitchen")},
    )
    assert found["customer"]["equipment"] == {
        "totalCount": 1,
        "nodes": [
            {
                "name": "Oven 1",
                "status": "OPERATIONAL",
                "serialNumber": "SN-1",
                "installedOn": "2024-05-01",
                "specifications": {"power_kw": 10.8, "gas": False},
                "room": "",
                "version": 1,
                "allowedTransitions": [{"to": to} for to in ("DEGRADED", "DOWN", "RETIRED")],
                "site": {"name": "Main Street 1"},
                "customer": {"id": ids["customer"]},
                "model": {"manufacturer": "Rational", "name": "iCombi Pro 6"},
                "category": {"name": "Ovens", "broader": {"name": "Kitchen"}},
            }
        ],
    }
    assert found["site"]["equipment"]["nodes"] == [{"name": "Oven 1"}]
    ovens = [{"name": "Oven 1"}]
    assert found["equipmentCategory"] == {
        "isDivided": True,
        "narrower": {
            "nodes": [
                {
                    "name": "Ovens",
                    "lifespanMonths": 120,
                    "isDivided": False,
                    "products": {"nodes": [{"name": "iCombi Pro 6", "equipment": {"nodes": ovens}}]},
                    "equipment": {"nodes": ovens},
                }
            ]
        },
    }


@pytest.mark.parametrize(
    ("filter", "count"),
    [
        ({"serialNumber": {"eq": "SN-1"}}, 1),
        ({"search": "oven sn-1"}, 1),
        ({"search": "oven sn-2"}, 0),
        ({"status": {"in": ["DOWN", "DEGRADED"]}}, 0),
        ({"installedOn": {"lt": "2024-05-02"}, "status": {"eq": "OPERATIONAL"}}, 1),
        ({"assetTag": {"isNull": True}}, 1),
    ],
)
async def test_equipment_is_found_by_any_combination(company: Company, filter: dict[str, Any], count: int) -> None:
    await prepared(company)
    text = "query($filter: EquipmentFilter) { equipment(filter: $filter) { totalCount } }"
    assert await data(company.dispatcher, text, filter=filter) == {"equipment": {"totalCount": count}}


async def test_a_device_fails_recovers_and_is_retired_for_good(company: Company) -> None:
    id = (await prepared(company))["device"]
    down = {"id": id, "status": "DOWN", "reason": "no heat", "version": 1}
    assert await done(company.dispatcher, "changeEquipmentStatus", down, "status version", "equipment") == {
        "status": "DOWN",
        "version": 2,
    }
    stale = await sent(company.dispatcher, "changeEquipmentStatus", down, "equipment { id }")
    assert [error["code"] for error in stale["errors"]] == ["STALE_VERSION"]
    retired = await done(
        company.dispatcher,
        "retireEquipment",
        {"id": id, "reason": "burnt out"},
        "status allowedTransitions { to }",
        "equipment",
    )
    assert retired == {"status": "RETIRED", "allowedTransitions": []}
    back = await sent(
        company.dispatcher, "changeEquipmentStatus", {"id": id, "status": "OPERATIONAL"}, "equipment { id }"
    )
    assert [error["code"] for error in back["errors"]] == ["ILLEGAL_TRANSITION"]


async def test_a_batch_with_a_flaw_changes_nothing_and_names_the_place(company: Company) -> None:
    ids = await prepared(company)
    before = len(await company.facts())
    batch = {"updates": [{"id": ids["device"], "room": "kitchen"}, {"id": new_id("eq"), "room": "kitchen"}]}
    payload = await sent(company.dispatcher, "updateEquipmentBatch", batch, "equipment { id }")
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("NOT_FOUND", ["updates", "1", "id"])]
    assert await company.types(after=before) == []
    good = {"updates": batch["updates"][:1]}
    assert await done(company.dispatcher, "updateEquipmentBatch", good, "room serialNumber", "equipment") == [
        {"room": "kitchen", "serialNumber": "SN-1"}
    ]


async def test_customers_register_and_read_their_own(company: Company) -> None:
    ids = await prepared(company)
    other = await open_account(company, "Harbor Dental")
    actor = company.actor(Role.CUSTOMER_USER, customer_id=ids["customer"])
    own = {"customerId": ids["customer"], "siteId": ids["site"], "name": "Fridge"}
    assert await done(actor, "registerEquipment", own, "name", "equipment") == {"name": "Fridge"}
    payload = await sent(actor, "registerEquipment", {**own, "customerId": other}, "equipment { id }")
    assert [error["code"] for error in payload["errors"]] == ["NOT_FOUND"]
    text = "{ equipment { nodes { name } } }"
    assert await data(actor, text) == {"equipment": {"nodes": [{"name": "Fridge"}, {"name": "Oven 1"}]}}
    assert await data(company.actor(Role.GUEST, customer_id=other), text) == {"equipment": {"nodes": []}}
    guest = await sent(
        company.actor(Role.GUEST, customer_id=ids["customer"]), "registerEquipment", own, "equipment { id }"
    )
    assert [error["code"] for error in guest["errors"]] == ["NOT_PERMITTED"]


async def test_strangers_and_nobody_find_nothing(company: Company) -> None:
    ids = await prepared(company)
    text = "{ equipment { totalCount } equipmentCategories { totalCount } equipmentModels { totalCount } }"
    nothing = {name: {"totalCount": 0} for name in ("equipment", "equipmentCategories", "equipmentModels")}
    assert await data(stranger_to(company), text) == nothing
    for id in ids.values():
        assert await data(stranger_to(company), "query($id: ID!) { node(id: $id) { id } }", id=id) == {"node": None}
    assert set(codes(await asked(None, text))) == {"NOT_AUTHENTICATED"}
