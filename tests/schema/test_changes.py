"""The facts of the journal come with the things they are about, read together."""

from typing import Any

import pytest
import pytest_asyncio

from app import database as db
from app.infrastructure import journal
from app.kernel.dialects import Dialect
from app.kernel.ids import prefix_of
from app.kernel.permissions import Role
from app.work_orders.models import Note, WorkOrder
from tests.schema.asking import ask
from tests.schema.tenants import Tenant, found

CHANGES = """query ($after: String!) { changes(after: $after) { hasMore nodes { fact subjectId subject { __typename id
  ... on WorkOrder { summary customer { name } } ... on Customer { name } } } } }"""


@pytest_asyncio.fixture(loop_scope="session")
async def tenant(database: Dialect) -> Tenant:
    return await found("a", 910_000)


async def changes(tenant: Tenant, role: Role) -> list[dict[str, Any]]:
    answer = await ask(tenant.actors[role], CHANGES, {"after": journal.cursor_at(tenant.organization_id, 0)})
    assert "errors" not in answer, answer["errors"]
    nodes: list[dict[str, Any]] = answer["data"]["changes"]["nodes"]
    return nodes


async def test_each_fact_shows_its_subject_as_it_is_now(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    read = db.read_rows

    async def counted(sql: str, params: Any = ()) -> Any:
        statements.append(sql)
        return await read(sql, params)

    nodes = await changes(tenant, Role.OPERATIONS_MANAGER)
    monkeypatch.setattr(db, "read_rows", counted)
    assert nodes == await changes(tenant, Role.OPERATIONS_MANAGER)
    assert [node["subject"]["id"] for node in nodes] == [node["subjectId"] for node in nodes]
    kinds = {prefix_of(node["subjectId"]) for node in nodes}
    assert kinds >= {"wo", "cus", "site", "eq", "tech", "apt"}
    assert len([sql for sql in statements if "journal" not in sql]) == len(kinds)
    customers = {node["subject"]["name"] for node in nodes if node["subject"]["__typename"] == "Customer"}
    assert customers == {"afirst-renamed", "asecond-renamed"}


async def test_a_subject_that_is_gone_or_hidden_is_null(tenant: Tenant) -> None:
    made = next(node for node in await changes(tenant, Role.OPERATIONS_MANAGER) if node["fact"] == "WorkOrderSubmitted")
    await Note.filter(work_order_id=made["subjectId"]).delete()
    await WorkOrder.filter(id=made["subjectId"]).delete()
    after = [node for node in await changes(tenant, Role.OPERATIONS_MANAGER) if node["subjectId"] == made["subjectId"]]
    assert after and {node["subject"] for node in after} == {None}
    for node in await changes(tenant, Role.CUSTOMER_USER):
        assert node["subject"] is None or node["subject"]["id"] == node["subjectId"]
        assert node["subjectId"] not in {row.id for row in tenant.second.rows.values()}
