"""A page of a long list is a range of an index, whatever the list is sorted by: it costs the same among a million rows."""

import json
from typing import Any

import pytest

from app import database as db
from app.kernel.actor import Actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from schema.kit.execution import core_of
from schema.kit.orders import RELEVANCE
from schema.kit.reading.selection import field_declaration
from schema.schema import api
from tests.schema.asking import ask

LONG = (
    "workOrders",
    "appointments",
    "assignments",
    "customers",
    "contacts",
    "sites",
    "equipment",
    "shifts",
    "absences",
)
# What has no index, and why.
SORTED_ANEW = {
    ("appointments", "NUMBER"): "numbers count within a work order, whose visits are few",
}
# Found by an index that ends there: no two rows are the same in it, though PostgreSQL does not make use of that.
UNIQUE = {("workOrders", "NUMBER"), ("customers", "ACCOUNT_NUMBER")}
A_CUSTOMER, A_SITE, A_DEVICE = new_id("cus"), new_id("site"), new_id("eq")
# What people look through: the filter, and by what it is sorted if not as always.
NARROWED = (
    ("workOrders", "status: { eq: TRIAGED }", "SUBMITTED_AT"),
    ("workOrders", "status: { eq: TRIAGED }", "DUE_AT"),
    ("workOrders", f'customerId: {{ eq: "{A_CUSTOMER}" }}', "SUBMITTED_AT"),
    ("workOrders", f'siteId: {{ eq: "{A_SITE}" }}', "SUBMITTED_AT"),
    ("workOrders", f'equipmentId: {{ eq: "{A_DEVICE}" }}', "SUBMITTED_AT"),
    ("appointments", "status: { eq: SCHEDULED }", "STARTS_AT"),
    ("customers", "status: { eq: ON_HOLD }", "NAME"),
    ("sites", f'customerId: {{ eq: "{A_CUSTOMER}" }}', "NAME"),
    ("equipment", "status: { eq: DOWN }", "NAME"),
    ("equipment", f'siteId: {{ eq: "{A_SITE}" }}', "NAME"),
)


def orders() -> list[tuple[str, str]]:
    """Each long list with each of its own columns that it can be sorted by."""
    found = []
    for name in LONG:
        order = field_declaration(core_of(api).query_type.fields[name]).order
        found.extend(
            (name, term.name) for term in order.terms.values() if term.parent is None and term.name != RELEVANCE
        )
    return found


async def plan_of(monkeypatch: pytest.MonkeyPatch, dialect: Dialect, actor: Actor, field: str) -> list[str]:
    """The steps of the plan by which the database finds the rows of a page, when it may neither scan nor sort."""
    kept: list[tuple[str, list[Any]]] = []
    read = db.read_rows

    async def keep(sql: str, params: Any = ()) -> Any:
        kept.append((sql, list(params)))
        return await read(sql, params)

    monkeypatch.setattr(db, "read_rows", keep)
    answer = await ask(actor, f"{{ {field} {{ nodes {{ id }} }} }}")
    monkeypatch.undo()
    assert "errors" not in answer
    [(sql, params)] = kept
    if dialect is Dialect.SQLITE:
        # The last sort is of the page alone; what finds its rows stands within a step.
        return [row[3] for row in await read(f"EXPLAIN QUERY PLAN {sql}", params) if row[1]]

    async def explain() -> str:
        for way in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            await db.connection().execute_query(f"SET LOCAL enable_{way} = off")
        [[plan]] = await read(f"EXPLAIN (FORMAT JSON) {sql}", params)
        return plan

    return steps(json.loads(await db.unit_of_work(explain))[0]["Plan"])


def steps(node: dict[str, Any]) -> list[str]:
    """The kinds of a plan's nodes."""
    return [node["Node Type"], *(step for inner in node.get("Plans", ()) for step in steps(inner))]


def sorts(plan: list[str]) -> bool:
    """Whether a plan sorts more than it shows."""
    return any("Sort" in step or "TEMP B-TREE" in step for step in plan)


@pytest.fixture
def office() -> Actor:
    return user_actor(new_id("org"), new_id("usr"), frozenset({Role.ADMINISTRATOR}))


async def test_no_order_of_a_long_list_sorts_the_list(database, office, monkeypatch):
    sorted_anew = set()
    for name, term in orders():
        for direction in ("ASC", "DESC"):
            field = f"{name}(orderBy: [{{ field: {term}, direction: {direction} }}])"
            if sorts(await plan_of(monkeypatch, database, office, field)):
                sorted_anew.add((name, term))
    assert sorted_anew - UNIQUE == set(SORTED_ANEW)


@pytest.mark.parametrize(("name", "filter", "term"), NARROWED)
async def test_what_people_look_through_is_a_range_of_an_index(database, office, monkeypatch, name, filter, term):
    for direction in ("ASC", "DESC"):
        field = f"{name}(filter: {{ {filter} }}, orderBy: [{{ field: {term}, direction: {direction} }}])"
        plan = await plan_of(monkeypatch, database, office, field)
        assert not sorts(plan)
