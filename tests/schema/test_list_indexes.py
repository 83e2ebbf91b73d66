"""A page of a long list is a range of an index, whatever the list is sorted by: it costs the same among a million rows."""

import json
from typing import Any

import pytest

from app import database as db
from app.kernel.actor import Actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.ids import new_id
from app.kernel.pages import encode_cursor
from app.kernel.permissions import Role
from tests.schema.asking import ask

# By what people sort the long lists. Other orders are there as well, and sort what the filter leaves.
ORDERS = {
    "workOrders": ("SUBMITTED_AT", "DUE_AT", "COMPLETED_AT", "UPDATED_AT", "PRIORITY", "STATUS"),
    "appointments": ("STARTS_AT", "ENDS_AT", "WINDOW_END", "CREATED_AT", "UPDATED_AT"),
    "assignments": ("STARTS_AT", "CREATED_AT"),
    "customers": ("NAME", "CREATED_AT", "UPDATED_AT", "SLA_TIER"),
    "contacts": ("NAME", "CREATED_AT"),
    "sites": ("NAME", "CITY", "POSTAL_CODE", "CREATED_AT", "UPDATED_AT"),
    "equipment": ("NAME", "SERIAL_NUMBER", "ROOM", "INSTALLED_ON", "CREATED_AT", "UPDATED_AT", "STATUS"),
    "shifts": ("STARTS_AT", "ENDS_AT"),
    "absences": ("STARTS_AT", "ENDS_AT"),
    "alerts": ("RAISED_AT", "SEVERITY"),
    "conversations": ("STARTED_AT", "LAST_MESSAGE_AT"),
    "messages": ("SENT_AT",),
}
A_CUSTOMER, A_SITE, A_DEVICE = (f"{prefix}_01jd0000000000000000000000" for prefix in ("cus", "site", "eq"))
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


async def plan_of(
    monkeypatch: pytest.MonkeyPatch, dialect: Dialect, actor: Actor, field: str, of: str = "Node Type"
) -> list[str]:
    """The steps of the plan by which the database finds the rows of a page, when it may neither scan nor sort.

    ``of`` says what PostgreSQL tells of each step; SQLite has one line for all.
    """
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

    return steps(page_in(json.loads(await db.unit_of_work(explain))[0]["Plan"]), of)


def page_in(node: dict[str, Any]) -> dict[str, Any]:
    """The part of a plan that finds the page's rows: all below is done for more than is shown, all above for the page."""
    while node["Node Type"] != "Limit":
        node = node["Plans"][0]
    return node


def steps(node: dict[str, Any], of: str) -> list[str]:
    """What a plan's nodes tell of one thing, those that do."""
    here = [node[of]] if of in node else []
    return [*here, *(step for inner in node.get("Plans", ()) for step in steps(inner, of))]


def sorts(plan: list[str]) -> bool:
    """Whether a plan sorts more than it shows."""
    return any("Sort" in step or "TEMP B-TREE" in step for step in plan)


@pytest.fixture
def office() -> Actor:
    return user_actor(new_id("org"), new_id("usr"), frozenset({Role.ADMINISTRATOR}))


async def test_no_order_by_which_people_sort_a_long_list_sorts_it(database, office, monkeypatch):
    sorted_anew = [name for name in ORDERS if sorts(await plan_of(monkeypatch, database, office, name))]
    for name, terms in ORDERS.items():
        for term in terms:
            for direction in ("ASC", "DESC"):
                field = f"{name}(orderBy: [{{ field: {term}, direction: {direction} }}])"
                if sorts(await plan_of(monkeypatch, database, office, field)):
                    sorted_anew.append(field)
    assert sorted_anew == []


async def test_an_order_without_an_index_sorts_the_list(database, office, monkeypatch):
    """So that the other tests can fail."""
    assert sorts(await plan_of(monkeypatch, database, office, "workOrders(orderBy: [{ field: DURATION_MINUTES }])"))


@pytest.mark.parametrize(("name", "filter", "term"), NARROWED)
async def test_what_people_look_through_is_a_range_of_an_index(database, office, monkeypatch, name, filter, term):
    for direction in ("ASC", "DESC"):
        field = f"{name}(filter: {{ {filter} }}, orderBy: [{{ field: {term}, direction: {direction} }}])"
        plan = await plan_of(monkeypatch, database, office, field)
        assert not sorts(plan)


@pytest.mark.parametrize("place", ["2031-03-03T09:00:00+00:00", None])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("turn", ["first: 25, after", "last: 25, before"])
async def test_a_page_amid_values_that_may_be_missing_begins_in_the_index(
    database, office, monkeypatch, place, direction, turn
):
    kind = f"WorkOrder {'-' if direction == 'DESC' else ''}DUE_AT {'-' if direction == 'DESC' else ''}ID"
    cursor = encode_cursor(kind, [place, new_id("wo")])
    field = f'workOrders(orderBy: [{{ field: DUE_AT, direction: {direction} }}], {turn}: "{cursor}")'
    plan = await plan_of(monkeypatch, database, office, field, of="Index Cond")
    searches = [step for step in plan if "organization_id" in step]
    assert searches
    assert all("due_at" in search for search in searches)
