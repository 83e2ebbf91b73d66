"""A company whose people ask for files, and the worker that writes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.customers.models import Customer, Site
from app.identity.models import User
from app.infrastructure import storage
from app.infrastructure.conditions import column
from app.infrastructure.jobs import KINDS, Runner
from app.infrastructure.tables import add_row, find_rows
from app.integrations.commands.exports import JOB
from app.integrations.models import BulkExport
from app.kernel.actor import Actor, user_actor
from app.kernel.calendar import utc_now
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from tests.app.company.companies import found
from tests.schema.asking import ask

FIELDS = (
    "id version status errorCode error url cursor rowCount lineCount byteCount estimatedRows fileName root startedAt "
    "expiresAt finishedAt"
)
CUSTOMERS = "{ customers { nodes { id name } } }"


@dataclass(frozen=True, slots=True)
class Office:
    """A company and one of its people who may export."""

    organization_id: str
    boss: Actor

    async def person(self, *roles: Role, customer_id: str | None = None) -> Actor:
        """Somebody with these roles, who is really there: exports look at them anew."""
        user = await add_row(
            User,
            organization_id=self.organization_id,
            email=f"{new_id('usr')}@example.com",
            legal_name="Somebody",
            roles=[role.value for role in roles],
            customer_id=customer_id,
        )
        return user_actor(self.organization_id, user.id, frozenset(roles), customer_id=customer_id)

    async def customers(self, number: int, name: str = "Customer") -> list[Customer]:
        """So many customers, put down without ceremony, in the order of their ids."""
        now = utc_now()
        rows = [
            Customer(
                id=new_id("cus"), organization_id=self.organization_id, name=f"{name} {index}", type="RESIDENTIAL", account_number=f"{name} {index}",
                currency="USD", created_at=now, updated_at=now,
            )
            for index in range(number)
        ]  # fmt: skip
        await Customer.bulk_create(rows)
        return rows

    async def sites(self, customer: Customer, number: int) -> list[Site]:
        """So many sites of a customer."""
        now = utc_now()
        rows = [
            Site(
                id=new_id("site"), organization_id=self.organization_id, customer_id=customer.id, name=f"Site {index}",
                address_line=f"{index} Pier Street", time_zone="America/New_York", country="US", created_at=now,
                updated_at=now,
            )
            for index in range(number)
        ]  # fmt: skip
        await Site.bulk_create(rows)
        return rows


async def an_office(folder: Path) -> Office:
    storage.configure_exports(folder / "exports")
    company = await found("Complicated Lamp Repairs")
    office = Office(company.id, company.system)
    return Office(company.id, await office.person(Role.ADMINISTRATOR))


async def request(actor: Actor, document: str = CUSTOMERS, **input: Any) -> dict[str, Any]:
    """The payload of bulkExport."""
    answer = await ask(
        actor,
        "mutation($input: BulkExportInput!) { bulkExport(input: $input) { bulkExport { "
        + FIELDS
        + " } cursor errors { "
        "__typename code message path ... on LimitReached { limit } ... on NotPermitted { permission } } } }",
        {"input": {"document": document, **input}},
    )
    assert "errors" not in answer, answer
    payload: dict[str, Any] = answer["data"]["bulkExport"]
    return payload


async def requested(actor: Actor, document: str = CUSTOMERS, **input: Any) -> str:
    """The id of an export that was asked for."""
    payload = await request(actor, document, **input)
    assert payload["errors"] == [], payload
    return str(payload["bulkExport"]["id"])


async def work() -> int:
    """Do what is due; how many jobs."""
    return await Runner(kinds={JOB: KINDS[JOB]}).run_due()


async def shown(actor: Actor, id: str) -> dict[str, Any]:
    """An export as somebody sees it."""
    answer = await ask(actor, "query($id: ID!) { dataExport(id: $id) { " + FIELDS + " } }", {"id": id})
    assert "errors" not in answer, answer
    export: dict[str, Any] = answer["data"]["dataExport"]
    return export


async def row_of(id: str) -> BulkExport:
    [row] = await find_rows(BulkExport, column("id") == id)
    return row


async def content(id: str) -> bytes:
    """What is in the file."""
    return (await storage.exports().find((await row_of(id)).position["file"])).read_bytes()


async def exported(actor: Actor, document: str = CUSTOMERS, **input: Any) -> bytes:
    """The file of an export that went well."""
    id = await requested(actor, document, **input)
    await work()
    export = await shown(actor, id)
    assert (export["status"], export["error"]) == ("READY", None)
    return await content(id)


def lines(content: bytes) -> list[dict[str, Any]]:
    """The rows of an NDJSON file."""
    assert content == b"" or content.endswith(b"\n")
    return [orjson.loads(line) for line in content.splitlines()]
