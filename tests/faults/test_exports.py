"""SIGKILL while a file is written: the next process goes on where it was, and the file has every row once."""

import sqlite3

import httpx
import orjson
import pytest

from tests.journeys.worlds import ADMINISTRATOR, World
from tests.servers import Api, until

pytestmark = [pytest.mark.slow, pytest.mark.fault]

ROWS = 80_000
FILL = """
INSERT INTO customer (id, version, created_at, updated_at, organization_id, account_number, name, type, status, sla_tier,
    currency, notes)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
SELECT 'cus_' || printf('%026d', i), 1, c.created_at, c.updated_at, c.organization_id, 'K' || i, 'Customer ' || i, c.type,
    c.status, c.sla_tier, c.currency, '' FROM n, customer c
"""
DOCUMENT = """{ customers { nodes { id name sites { nodes { id } } contacts { nodes { id } } equipment { nodes { id } }
    appointments { nodes { id } } } } }"""
STATE = "query($id: ID!) { dataExport(id: $id) { status rowCount error url } }"


def in_database(world: World, statement: str, *values: object) -> None:
    """Say something to the database while nobody serves."""
    connection = sqlite3.connect(world.environment["TRUCKROLL_DATABASE_URL"].removeprefix("sqlite:///"))
    with connection:
        connection.execute(statement, values)
    connection.close()


async def test_an_export_goes_on_after_its_process_was_killed_and_has_every_row_once(small: World) -> None:
    server = small.server()
    server.start()
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        one = await api.do("createCustomer", "customer { id }", name="Acme", type="ENTERPRISE")
        in_database(small, FILL, ROWS)
        export = (await api.do("bulkExport", "bulkExport { id }", document=DOCUMENT))["bulkExport"]

        async def under_way() -> int:
            state = (await api.ask(STATE, id=export["id"]))["dataExport"]
            return int(state["rowCount"]) if state["status"] == "RUNNING" else 0

        seen = await until(under_way, 30, "progress")
        server.kill()
        # As if the half minute were over after which another may take the job.
        in_database(
            small,
            "UPDATE job SET lease_until = '2000-01-01 00:00:00+00:00' WHERE kind = ?",
            "integrations.bulk_export",
        )
        server.start()
        assert 0 < seen < ROWS

        async def ready() -> dict | None:
            state = (await api.ask(STATE, id=export["id"]))["dataExport"]
            assert state["status"] in ("RUNNING", "READY"), state
            return state if state["status"] == "READY" else None

        state = await until(ready, 60, "the export")
    async with httpx.AsyncClient(base_url=server.url) as http:
        response = await http.get(state["url"])
    found = [orjson.loads(line)["id"] for line in response.content.splitlines()]
    assert found == sorted([f"cus_{number:026d}" for number in range(1, ROWS + 1)] + [one["customer"]["id"]])
    assert state["rowCount"] == ROWS + 1
    parts = [path.name for path in (small.folder / "data" / "exports").glob("*")]
    assert parts == [f"{export['id']}.2"]
    server.stop()
