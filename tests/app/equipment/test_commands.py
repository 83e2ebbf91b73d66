"""Categories, products and devices."""

from datetime import date
from typing import Any

import pytest

from app.customers.commands import create_site
from app.equipment import commands, models, rules
from app.equipment.commands import EquipmentUpdate
from app.equipment.rules import EQUIPMENT_LIFECYCLE, EquipmentStatus
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.errors import (
    AlreadyExists,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotPermitted,
    Problem,
    StaleVersion,
)
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.scheduling.rules import AssignmentStatus
from tests.app.customers.world import Company, found_company, hire, open_account, send, stranger_to

ROOM = (models.Category, models.EquipmentModel, models.Equipment)


@pytest.fixture
async def company(database: object) -> Company:
    return await found_company()


async def site_of(company: Company, customer_id: str, name: str = "Main Street 1") -> str:
    return await create_site(company.dispatcher, customer_id=customer_id, name=name)


async def category_of(company: Company, name: str, parent_id: str | None = None) -> str:
    return await commands.create_category(company.dispatcher, name=name, parent_id=parent_id)


async def prepared(company: Company) -> dict[str, str]:
    customer = await open_account(company)
    site = await site_of(company, customer)
    category = await category_of(company, "Ovens")
    model = await commands.create_equipment_model(
        company.dispatcher, category_id=category, manufacturer="Rational", name="iCombi Pro 6"
    )
    device = await commands.register_equipment(
        company.dispatcher, customer_id=customer, site_id=site, name="Oven 1", model_id=model, serial_number="SN-1"
    )
    return {"customer": customer, "site": site, "category": category, "model": model, "device": device}


async def everything() -> list[list[dict[str, Any]]]:
    """All rows of the room."""
    return [[dict(row) for row in await model.all().order_by("id")] for model in ROOM]


async def refused_without_a_trace(company: Company, change: Any, problem: type[Problem]) -> Problem:
    facts, kept = len(await company.facts()), await everything()
    with pytest.raises(problem) as refused:
        await change
    assert await everything() == kept
    assert await company.types(after=facts) == []
    assert type(refused.value) is problem
    return refused.value


async def test_a_device_has_its_models_category_and_its_first_record_is_in_the_journal(company: Company) -> None:
    ids = await prepared(company)
    row = await models.Equipment.get(id=ids["device"])
    assert (row.status, row.category_id, row.model_id) == ("OPERATIONAL", ids["category"], ids["model"])
    fact = (await company.facts())[-1]
    assert (fact.type, fact.customer_id) == ("EquipmentRegistered", ids["customer"])
    assert fact.payload["changes"] == {
        "name": [None, "Oven 1"],
        "site_id": [None, ids["site"]],
        "model_id": [None, ids["model"]],
        "category_id": [None, ids["category"]],
        "serial_number": [None, "SN-1"],
    }


async def test_every_change_is_recorded_with_who_before_and_after(company: Company) -> None:
    ids = await prepared(company)
    annex = await site_of(company, ids["customer"], "Annex")
    before = len(await company.facts())
    actor = company.dispatcher
    await commands.update_equipment(
        actor,
        ids["device"],
        site_id=annex,
        serial_number=None,
        installed_on=date(2024, 5, 1),
        specifications={"power_kw": 10.8, "gas": False},
    )
    (fact,) = (await company.facts())[before:]
    assert (fact.type, fact.actor_id, fact.customer_id) == ("EquipmentUpdated", actor.id, ids["customer"])
    assert fact.payload["changes"] == {
        "site_id": [ids["site"], annex],
        "serial_number": ["SN-1", None],
        "installed_on": [None, "2024-05-01"],
        "specifications": [{}, {"power_kw": 10.8, "gas": False}],
    }
    row = await models.Equipment.get(id=ids["device"])
    assert (row.specifications, row.installed_on) == ({"power_kw": 10.8, "gas": False}, date(2024, 5, 1))


async def step(company: Company, id: str, to: EquipmentStatus) -> str:
    if to is EquipmentStatus.RETIRED:
        return await commands.retire_equipment(company.dispatcher, id, reason="burnt out")
    return await commands.change_equipment_status(company.dispatcher, id, to, reason="no heat")


@pytest.mark.parametrize("to", list(EquipmentStatus))
@pytest.mark.parametrize("state", list(EquipmentStatus))
async def test_a_device_takes_exactly_the_steps_of_its_lifecycle(
    company: Company, state: EquipmentStatus, to: EquipmentStatus
) -> None:
    device = (await prepared(company))["device"]
    await models.Equipment.filter(id=device).update(status=state)
    before = len(await company.facts())
    if to not in EQUIPMENT_LIFECYCLE.steps[state]:
        await refused_without_a_trace(company, step(company, device, to), IllegalTransition)
        return
    await step(company, device, to)
    assert (await models.Equipment.get(id=device)).status == to
    (fact,) = (await company.facts())[before:]
    assert fact.type == ("EquipmentRetired" if to is EquipmentStatus.RETIRED else "EquipmentStatusChanged")
    assert fact.payload["changes"] == {"status": [state, to]}


async def test_a_retired_device_keeps_its_row_and_its_history(company: Company) -> None:
    device = (await prepared(company))["device"]
    refused = commands.change_equipment_status(company.dispatcher, device, EquipmentStatus.RETIRED)
    await refused_without_a_trace(company, refused, InvalidInput)
    await refused_without_a_trace(
        company, commands.retire_equipment(company.dispatcher, device, reason=""), InvalidInput
    )
    await step(company, device, EquipmentStatus.DOWN)
    await step(company, device, EquipmentStatus.RETIRED)
    await commands.update_equipment(company.dispatcher, device, room="scrap yard")
    about = [fact.type for fact in await company.facts() if fact.subject_id == device]
    assert about == ["EquipmentRegistered", "EquipmentStatusChanged", "EquipmentRetired", "EquipmentUpdated"]


@pytest.mark.parametrize(
    ("details", "path"),
    [
        ({"name": " "}, ("name",)),
        ({"specifications": {"": 1}}, ("specifications",)),
        ({"specifications": {str(place): 1 for place in range(101)}}, ("specifications",)),
        ({"specifications": {"nested": {"a": 1}}}, ("specifications", "nested")),
        ({"specifications": {"long": "x" * 1001}}, ("specifications", "long")),
        ({"specifications": {"endless": float("inf")}}, ("specifications", "endless")),
        ({"specifications": {"number": float("nan")}}, ("specifications", "number")),
        ({"specifications": {"huge": 10**30}}, ("specifications", "huge")),
        ({"specifications": {"nul": "a\x00b"}}, ("specifications", "nul")),
        ({"specifications": ["R-32"]}, ("specifications",)),
        ({"serial_number": "x" * 121}, ("serialNumber",)),
        ({"model_id": "iCombi"}, ("modelId",)),
        ({"category_id": "ovens"}, ("categoryId",)),
        ({"site_id": "here"}, ("siteId",)),
    ],
)
async def test_refuses_values_that_cannot_be(company: Company, details: dict[str, Any], path: tuple[str, ...]) -> None:
    ids = await prepared(company)
    values = {"customer_id": ids["customer"], "site_id": ids["site"], "name": "Oven 2", **details}
    problem = await refused_without_a_trace(
        company, commands.register_equipment(company.dispatcher, **values), InvalidInput
    )
    assert problem.path == path
    change = commands.update_equipment(company.dispatcher, ids["device"], **details)
    assert (await refused_without_a_trace(company, change, InvalidInput)).path == path


async def test_a_device_stands_on_a_site_of_its_own_customer(company: Company) -> None:
    ids = await prepared(company)
    foreign = await site_of(company, await open_account(company, "Harbor Dental"))
    change = commands.update_equipment(company.dispatcher, ids["device"], site_id=foreign)
    assert (await refused_without_a_trace(company, change, InvalidInput)).path == ("siteId",)


async def test_ids_of_another_company_are_not_there(company: Company) -> None:
    ids, other = await prepared(company), await found_company("Elsewhere")
    theirs = await prepared(other)
    for name in ("site", "model", "category"):
        change = commands.update_equipment(company.dispatcher, ids["device"], **{f"{name}_id": theirs[name]})
        problem = await refused_without_a_trace(company, change, NotFound)
        assert problem.path == (f"{name}Id",)


async def test_external_ids_and_products_are_taken_once(company: Company) -> None:
    ids = await prepared(company)
    await commands.update_equipment(company.dispatcher, ids["device"], external_id="erp-1")
    twin = commands.register_equipment(
        company.dispatcher, customer_id=ids["customer"], site_id=ids["site"], name="Twin", external_id="erp-1"
    )
    await refused_without_a_trace(company, twin, AlreadyExists)
    product = commands.create_equipment_model(
        company.dispatcher, category_id=ids["category"], manufacturer="Rational", name="iCombi Pro 6"
    )
    await refused_without_a_trace(company, product, AlreadyExists)
    await commands.update_equipment_model(company.dispatcher, ids["model"], name="iCombi Pro 6")
    await commands.update_equipment(company.dispatcher, ids["device"], external_id="erp-1")


async def test_categories_make_a_tree_without_circles_and_not_too_deep(company: Company) -> None:
    chain = [await category_of(company, "0")]
    for level in range(1, rules.CATEGORY_DEPTH_MAX):
        chain.append(await category_of(company, str(level), chain[-1]))
    await refused_without_a_trace(company, category_of(company, "deeper", chain[-1]), InvalidInput)
    for parent in (chain[0], chain[3], chain[-1]):
        circle = commands.update_category(company.dispatcher, chain[0], parent_id=parent)
        await refused_without_a_trace(company, circle, InvalidInput)
    top = await category_of(company, "top")
    too_deep = commands.update_category(company.dispatcher, chain[0], parent_id=top)
    await refused_without_a_trace(company, too_deep, InvalidInput)
    await commands.update_category(company.dispatcher, chain[4], parent_id=None)
    await commands.update_category(company.dispatcher, chain[0], parent_id=top)
    assert (await models.Category.get(id=chain[0])).parent_id == top


async def test_a_batch_is_done_as_a_whole_or_not_at_all(company: Company) -> None:
    ids = await prepared(company)
    second = await commands.register_equipment(
        company.dispatcher, customer_id=ids["customer"], site_id=ids["site"], name="Oven 2"
    )
    good = EquipmentUpdate(ids["device"], changes={"room": "kitchen"})
    for bad, problem in (
        (EquipmentUpdate(second, changes={"name": ""}), InvalidInput),
        (EquipmentUpdate(second, version=9, changes={"room": "kitchen"}), StaleVersion),
        (EquipmentUpdate(new_id("eq"), changes={"room": "kitchen"}), NotFound),
        (good, InvalidInput),
    ):
        batch = commands.update_equipment_batch(company.dispatcher, [good, bad])
        refused = await refused_without_a_trace(company, batch, problem)
        assert refused.path[:2] in {("updates", "1"), ("updates",)}
    before = len(await company.facts())
    done = await commands.update_equipment_batch(
        company.dispatcher, [EquipmentUpdate(second, changes={"room": "kitchen"}), good]
    )
    assert done == [second, ids["device"]]
    assert {row.room for row in await models.Equipment.all()} == {"kitchen"}
    assert await company.types(after=before) == ["EquipmentUpdated"] * 2


CHANGES: dict[str, Any] = {
    "update_category": lambda actor, ids: commands.update_category(actor, ids["category"], name="Mine"),
    "update_equipment_model": lambda actor, ids: commands.update_equipment_model(actor, ids["model"], name="Mine"),
    "register_equipment": lambda actor, ids: commands.register_equipment(
        actor, customer_id=ids["customer"], site_id=ids["site"], name="Mine"
    ),
    "update_equipment": lambda actor, ids: commands.update_equipment(actor, ids["device"], name="Mine"),
    "update_equipment_batch": lambda actor, ids: commands.update_equipment_batch(
        actor, [EquipmentUpdate(ids["device"], changes={"name": "Mine"})]
    ),
    "change_equipment_status": lambda actor, ids: commands.change_equipment_status(
        actor, ids["device"], EquipmentStatus.DOWN
    ),
    "retire_equipment": lambda actor, ids: commands.retire_equipment(actor, ids["device"], reason="old"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_strangers_find_nothing_and_who_may_not_changes_nothing(company: Company, name: str) -> None:
    ids = await prepared(company)
    await refused_without_a_trace(company, CHANGES[name](stranger_to(company), ids), NotFound)
    for actor in (
        company.actor(Role.TECHNICIAN, technician_id=new_id("tech")),
        company.actor(Role.GUEST, customer_id=ids["customer"]),
        company.actor(Role.FINANCE),
    ):
        await refused_without_a_trace(company, CHANGES[name](actor, ids), NotPermitted)


async def test_customers_register_their_own_devices_and_nobody_elses(company: Company) -> None:
    ids, others = await prepared(company), await prepared_twin(company)
    actor = company.actor(Role.CUSTOMER_USER, customer_id=ids["customer"])
    for customer, site in ((others["customer"], others["site"]), (ids["customer"], others["site"])):
        change = commands.register_equipment(actor, customer_id=customer, site_id=site, name="Fridge")
        await refused_without_a_trace(company, change, NotFound)
    own = await commands.register_equipment(actor, customer_id=ids["customer"], site_id=ids["site"], name="Fridge")
    assert (await models.Equipment.get(id=own)).customer_id == ids["customer"]
    await refused_without_a_trace(company, commands.update_equipment(actor, own, name="Mine"), NotPermitted)


async def prepared_twin(company: Company) -> dict[str, str]:
    customer = await open_account(company, "Harbor Dental")
    site = await site_of(company, customer)
    device = await commands.register_equipment(
        company.dispatcher, customer_id=customer, site_id=site, name="Chair", serial_number="SN-2"
    )
    return {"customer": customer, "site": site, "device": device}


async def names_visible(actor: Actor) -> list[str]:
    rows = await find_rows(models.Equipment, models.Equipment.visible_to(actor), order=["name"])
    return [row.name for row in rows]


async def test_each_kind_of_person_sees_the_devices_that_concern_them(company: Company) -> None:
    ids, others = await prepared(company), await prepared_twin(company)
    technician, declined = await hire(company), await hire(company, "Sam")
    await send(company, technician, ids["site"], AssignmentStatus.ACCEPTED)
    await send(company, declined, others["site"], AssignmentStatus.DECLINED)
    seen = {
        "dispatcher": company.dispatcher,
        "customer": company.actor(Role.GUEST, customer_id=others["customer"]),
        "nobody's customer": company.actor(Role.GUEST),
        "technician": company.actor(Role.TECHNICIAN, technician_id=technician),
        "declined": company.actor(Role.TECHNICIAN, technician_id=declined),
        "stranger": stranger_to(company),
    }
    assert {who: await names_visible(actor) for who, actor in seen.items()} == {
        "dispatcher": ["Chair", "Oven 1"],
        "customer": ["Chair"],
        "nobody's customer": [],
        "technician": ["Oven 1"],
        "declined": [],
        "stranger": [],
    }
