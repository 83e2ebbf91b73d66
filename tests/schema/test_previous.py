"""What was different before: told exactly where, and as, the field itself would show it to whoever asks."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from graphql import get_named_type

from app import database as db
from app.customers import commands as customers
from app.infrastructure import journal
from app.infrastructure.journal import Entry
from app.infrastructure.tables import Table
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.technicians import commands as technicians
from app.work_orders import commands as work_orders
from schema.kit import previous
from schema.kit.declarations import READABLE_BY_PREFIX, Column, Either, Group, Parent
from schema.kit.execution import core_of
from schema.kit.live.audience import viewer_of
from schema.kit.previous import changes_of
from schema.kit.reading.selection import field_declaration
from schema.schema import api
from tests.schema.asking import ask, codes, heard
from tests.schema.tenants import NINE, Tenant, found

CHANGES = """query ($after: String!) { changes(after: $after) { nodes {
  fact subjectId changes { id field before after } } } }"""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")
TYPES = core_of(api).type_map


@pytest_asyncio.fixture(loop_scope="session")
async def tenant(database: Dialect) -> Tenant:
    return await found("a", 910_000)


def fact_about(row: Table, changes: dict[str, list[Any]], type: str = "CustomerUpdated") -> Entry:
    return Entry(
        id=new_id("fact"), organization_id="", seq=1, at=utc_now(), actor_kind="SYSTEM", actor_id="system", command="c",
        type=type, noun=row.noun, subject_id=row.id, customer_id=None, technician_ids=(),
        payload={"changes": journal.plain(changes)},
    )  # fmt: skip


def columns_of(row: Table) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row)._meta.fields_db_projection}


def asked_of(type: Any) -> Iterator[tuple[str, str]]:
    """The fields of a type that show columns, with the text that asks for them."""
    for name, field in type.fields.items():
        match field_declaration(field):
            case Column():
                yield name, name
            case Parent() | Either():
                yield name, f"{name} {{ id }}"
            case Group():
                yield name, f"{name} {{ {' '.join(get_named_type(field.type).fields)} }}"


async def shown(actor: Actor, row: Table) -> dict[str, Any]:
    """What the API shows an actor of a row's columns, but for what is null."""
    type = TYPES[READABLE_BY_PREFIX[row.prefix].name]
    document = (
        f"query ($id: ID!) {{ node(id: $id) {{ ... on {type.name} {{ {' '.join(t for _, t in asked_of(type))} }} }} }}"
    )
    answer = await ask(actor, document, {"id": row.id})
    assert set(codes(answer)) <= {"FORBIDDEN"}, answer
    values: dict[str, Any] = {}
    for name, value in (answer["data"]["node"] or {}).items():
        if isinstance(field_declaration(type.fields[name]), Group):
            values |= {f"{name}.{part}": one for part, one in (value or {}).items()}
        elif isinstance(field_declaration(type.fields[name]), Parent | Either):
            values[name] = value and value["id"]
        else:
            values[name] = value
    return {name: exact(value) for name, value in values.items() if value is not None}


def exact(value: Any) -> Any:
    """A moment as such: PostgreSQL writes none of the zeros at the end of its fraction."""
    return datetime.fromisoformat(value) if isinstance(value, str) and MOMENT.match(value) else value


async def test_every_type_tells_every_role_what_its_fields_would_show_and_nothing_else(tenant: Tenant) -> None:
    kinds: set[str] = set()
    for role, actor in tenant.actors.items():
        for row in tenant.every_row:
            if row.prefix not in READABLE_BY_PREFIX:
                continue
            fresh = await type(row).get(id=row.id)
            entry = fact_about(row, {name: [value, None] for name, value in columns_of(fresh).items()})
            [told] = await changes_of(actor, [entry])
            assert {one.id for one in told} <= {row.id} and {one.after for one in told} <= {None}
            assert {one.field: exact(one.before) for one in told} == await shown(actor, row), (role, row.prefix)
            kinds.add(row.prefix)
    assert kinds == {
        prefix for prefix, kind in READABLE_BY_PREFIX.items() if kind.name in TYPES
    }  # every type of the API was asked


async def test_no_role_is_told_a_text_of_a_column_that_no_field_shows(tenant: Tenant) -> None:
    for row in tenant.every_row:
        hidden = {"password_hash": ["x-secret", "y-secret"], "secret_hash": ["x-secret", None], "no such": [1, 2]}
        for actor in tenant.actors.values():
            assert await changes_of(actor, [fact_about(row, hidden)]) == [[]]


async def test_a_line_of_a_work_order_is_not_taken_for_the_work_order(tenant: Tenant) -> None:
    manager = tenant.actors[Role.OPERATIONS_MANAGER]
    order = tenant.first.rows["wo"].id
    line = await work_orders.add_line_item(
        manager, order, kind="PART", description="Filter", quantity=Decimal(1), unit_price=Decimal("9.50")
    )
    start = await journal.head(tenant.organization_id)
    await work_orders.update_line_item(manager, line, description="Fine filter", unit_price=Decimal("12.50"))
    told = {}
    for role in (Role.OPERATIONS_MANAGER, Role.SUPPORT, Role.TECHNICIAN, Role.CUSTOMER_USER, Role.FINANCE):
        answer = await ask(tenant.actors[role], CHANGES, {"after": journal.cursor_at(tenant.organization_id, start)})
        told[role] = {
            (one["id"], one["field"]): (one["before"], one["after"])
            for node in answer["data"]["changes"]["nodes"]
            for one in node["changes"]
        }
    words = {(line, "description"): ("Filter", "Fine filter")}
    prices = {(line, "unitPrice"): ("9.5", "12.5"), (line, "amount"): ("9.5", "12.5")}
    # Support sees what things cost, and sets none of it.
    assert told[Role.OPERATIONS_MANAGER] == told[Role.FINANCE] == told[Role.SUPPORT] == words | prices
    assert told[Role.TECHNICIAN].items() <= words.items()
    assert told[Role.CUSTOMER_USER].items() <= words.items()


async def test_money_times_and_ids_are_told_as_the_api_shows_them(tenant: Tenant) -> None:
    manager = tenant.actors[Role.OPERATIONS_MANAGER]
    customer, appointment = tenant.first.customer_id, tenant.first.rows["apt"]
    await customers.update_customer(manager, customer, credit_limit=Decimal("100.00"), account_manager_id=None)
    [entry] = await journal.read(tenant.organization_id, await journal.head(tenant.organization_id) - 1)
    [told] = await changes_of(manager, [entry])
    assert {one.field: (one.before, one.after) for one in told} == {
        "creditLimit": (str(tenant.first.mark.number), "100"), "accountManager": (tenant.rows["usr"].id, None),
    }  # fmt: skip
    gone = new_id("wo")
    changes = {
        "starts_at": [NINE, None],
        "is_pinned_who": [False, True],
        "work_order_id": [gone, appointment.work_order_id],
    }
    [told] = await changes_of(manager, [fact_about(appointment, changes)])
    assert {one.field: (one.before, one.after) for one in told} == {
        "startsAt": ("2031-03-03T09:00:00+00:00", None), "isPinnedWho": (False, True),
        "workOrder": (gone, appointment.work_order_id),
    }  # fmt: skip


async def test_an_id_of_a_row_that_one_may_not_see_is_null(tenant: Tenant) -> None:
    changes = {"site_id": [tenant.second.rows["site"].id, tenant.first.rows["site"].id]}
    entry = fact_about(tenant.first.rows["wo"], changes)
    for role, before in ((Role.DISPATCHER, tenant.second.rows["site"].id), (Role.CUSTOMER_USER, None)):
        [told] = await changes_of(tenant.actors[role], [entry])
        assert [(one.field, one.before, one.after) for one in told] == [("site", before, changes["site_id"][1])]


async def test_who_may_not_see_the_row_any_more_is_told_nothing_of_it(tenant: Tenant) -> None:
    entry = fact_about(tenant.second.rows["wo"], {"summary": ["a", "b"]})
    assert await changes_of(tenant.actors[Role.TECHNICIAN], [entry]) == [[]]
    assert await changes_of(tenant.actors[Role.CUSTOMER_USER], [entry]) == [[]]
    assert len((await changes_of(tenant.actors[Role.DISPATCHER], [entry]))[0]) == 1


async def test_what_was_before_is_told_of_a_row_that_is_gone(tenant: Tenant) -> None:
    manager = tenant.actors[Role.OPERATIONS_MANAGER]
    start = await journal.head(tenant.organization_id)
    absence = tenant.first.rows["abs"].id
    await technicians.delete_absence(manager, absence)
    answer = await ask(manager, CHANGES, {"after": journal.cursor_at(tenant.organization_id, start)})
    [node] = answer["data"]["changes"]["nodes"]
    assert [one["field"] for one in node["changes"]] == ["startsAt", "endsAt"]
    assert all(one["before"] and one["after"] is None for one in node["changes"])


async def test_a_fact_that_is_declared_no_more_tells_no_values(tenant: Tenant) -> None:
    manager = tenant.actors[Role.OPERATIONS_MANAGER]
    entry = fact_about(tenant.first.rows["wo"], {"summary": ["a", "b"]}, type="ForgottenFact")
    assert await changes_of(manager, [entry]) == [[]]


async def test_all_of_an_office_are_told_the_same_without_a_statement(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = await journal.read(tenant.organization_id, 0)
    for role in (Role.OPERATIONS_MANAGER, Role.DISPATCHER, Role.SUPPORT):
        own = await changes_of(tenant.actors[role], entries)
        assert any(own)
        with monkeypatch.context() as patch:
            patch.setattr(db, "connection", None)
            assert await changes_of(viewer_of(tenant.actors[role])[1], entries) == own


async def test_a_page_of_facts_asks_once_for_each_kind_of_row(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = tenant.actors[Role.CUSTOMER_USER]
    statements: list[str] = []
    find = previous.find_rows

    async def counted(model: Any, *rest: Any) -> Any:
        statements.append(model.__name__)
        return await find(model, *rest)

    monkeypatch.setattr(previous, "find_rows", counted)
    answer = await ask(customer, CHANGES, {"after": journal.cursor_at(tenant.organization_id, 0)})
    assert sum(len(node["changes"]) for node in answer["data"]["changes"]["nodes"]) >= 3
    assert len(statements) == len(set(statements)) > 1
    statements.clear()
    without = CHANGES.replace("changes { id field before after }", "")
    await ask(customer, without, {"after": journal.cursor_at(tenant.organization_id, 0)})
    assert statements == []


async def test_a_subscriber_hears_what_was_before_with_the_event(tenant: Tenant) -> None:
    manager, customer = tenant.actors[Role.OPERATIONS_MANAGER], tenant.actors[Role.CUSTOMER_USER]
    after = journal.cursor_at(tenant.organization_id, await journal.head(tenant.organization_id))
    site = tenant.first.rows["site"].id
    await customers.update_site(manager, site, name="North gate", access_instructions="Code 4711")
    document = (
        """subscription ($after: String) { siteChanged(after: $after) { siteId changes { field before after } } }"""
    )
    for actor, fields in ((manager, {"name", "accessInstructions"}), (customer, {"name"})):
        [answer] = await heard(actor, document, {"after": after}, most=1)
        event = answer["data"]["siteChanged"]
        told = {one["field"]: (one["before"], one["after"]) for one in event["changes"]}
        assert (event["siteId"], told["name"]) == (site, ("afirst-renamed", "North gate"))
        assert "4711" not in str(answer)
        assert set(told) <= fields
