"""Reading: server CPU for a list of 100 work orders with three nested objects each, and for one, ours against stock.

The work is that of the table in the README: 12 fields and three nested objects of three fields, 2,100 leaves in the list.
Ours is the whole server with authorization; the stock peer has none. Runs on PostgreSQL where it is reachable (database
``truckroll_bench``), and on SQLite always. Usage: python tests/benchmarks/bench_reading.py [--quick]
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.measuring import (
    ROOT,
    ask,
    cpu_per_request,
    free_port,
    interleaved,
    is_quick,
    report,
    request_bytes,
    server,
)

ROWS = 2000
FIELDS = (
    "id number status priority channel category summary description submittedAt dueAt durationMinutes version "
    "customer { id name accountNumber } site { id name city } equipment { id name serialNumber }"
)
POSTGRES = os.environ.get("TRUCKROLL_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")


async def seed(url: str) -> tuple[str, str]:
    """Fill a fresh database; a token and the id of one work order."""
    from app import database
    from app.customers import models as customers
    from app.equipment import models as equipment
    from app.identity.set_up import set_up_organization
    from app.identity.sign_in import log_in
    from app.infrastructure.tables import add_row
    from app.kernel.calendar import utc_now
    from app.kernel.ids import new_id
    from app.work_orders import models as work

    await database.migrate(url)
    await database.connect(url)
    organization_id = await set_up_organization(
        name="Bench",
        time_zone="UTC",
        currency="USD",
        country="US",
        administrator_email="bench@example.com",
        administrator_name="Bea Bench",
        password="a long bench password",
    )
    now = utc_now()
    own = {"organization_id": organization_id}
    customer = await add_row(customers.Customer, **own, account_number="C-1", name="Big Customer", type="ENTERPRISE",
                             status="ACTIVE", currency="USD", language="en")  # fmt: skip
    site = await add_row(customers.Site, **own, customer_id=customer.id, name="Head office", address_line="1 Main Street",
                         city="Springfield", country="US", latitude=40.7, longitude=-74.0, time_zone="UTC")  # fmt: skip
    machine = await add_row(equipment.Equipment, **own, customer_id=customer.id, site_id=site.id, name="Printer",
                            serial_number="SN-1", status="OPERATIONAL")  # fmt: skip
    rows = [
        work.WorkOrder(
            id=new_id("wo"), created_at=now, updated_at=now, **own, number=f"WO-{index:06}", customer_id=customer.id,
            site_id=site.id, equipment_id=machine.id, status="SUBMITTED", priority="NORMAL", channel="PORTAL",
            category="Printer", summary=f"Printer {index} does not print", description="It says nothing and prints nothing. " * 5,
            duration_minutes=60, currency="USD", submitted_at=now, due_at=now,
        )
        for index in range(ROWS)
    ]  # fmt: skip
    await work.WorkOrder.bulk_create(rows, batch_size=500)
    session = await log_in("bench@example.com", "a long bench password", address="127.0.0.1")
    await database.disconnect()
    return session.access_token, rows[ROWS // 2].id


def contest(label: str, url: str) -> list[list[object]]:
    """The rows of the table for one database."""
    # The seed runs in a process of its own: one dialect per process.
    seeded = subprocess.run(
        [sys.executable, __file__, "--seed", url], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if seeded.returncode:
        raise RuntimeError(seeded.stderr[-3000:])
    token, id = json.loads(seeded.stdout.strip().splitlines()[-1])
    seconds, rounds = (0.5, 2) if is_quick() else (2.0, 5)
    ours_port, stock_port = free_port(), free_port()
    environment = {
        "TRUCKROLL_DATABASE_URL": url,
        "TRUCKROLL_PORT": str(ours_port),
        "TRUCKROLL_BACKGROUND": "worker",
        "TRUCKROLL_LOG_LEVEL": "WARNING",
    }
    with (
        server([str(Path(sys.executable).parent / "truckroll"), "serve"], ours_port, environment) as ours,
        server([sys.executable, "tests/benchmarks/peers/stock.py", url, str(stock_port)], stock_port, {"PYTHONPATH": "."}) as stock,
    ):  # fmt: skip
        queries = {
            "list": (
                {"query": f"{{ workOrders(first: 100) {{ nodes {{ {FIELDS} }} }} }}"},
                {"query": f"{{ workOrders(first: 100) {{ {FIELDS} }} }}"},
            ),
            "one": (
                {"query": f"query One($id: ID!) {{ workOrder(id: $id) {{ {FIELDS} }} }}", "variables": {"id": id}},
                {"query": f"query One($id: ID!) {{ workOrder(id: $id) {{ {FIELDS} }} }}", "variables": {"id": id}},
            ),
        }
        table: list[list[object]] = []
        for name, (our_query, stock_query) in queries.items():
            our_request = request_bytes(ours_port, our_query, token)
            stock_request = request_bytes(stock_port, stock_query)
            same_work(ours_port, our_request, stock_port, stock_request)
            figures = interleaved(
                rounds,
                {
                    "ours": lambda request=our_request: cpu_per_request(ours, ours_port, request, seconds),
                    "stock": lambda request=stock_request: cpu_per_request(stock, stock_port, request, seconds),
                },
            )
            ratio = figures["stock"] / figures["ours"]
            table.append([label, name, f"{figures['ours']:.2f}", f"{figures['stock']:.2f}", f"{ratio:.1f} ×"])
        return table


def same_work(our_port: int, our_request: bytes, stock_port: int, stock_request: bytes) -> None:
    """Both answers carry the same number of leaves, or the contest is not one."""
    counts = []
    for port, request in ((our_port, our_request), (stock_port, stock_request)):
        parsed = json.loads(asyncio.run(ask(port, request, 1)))
        if parsed.get("errors"):
            raise RuntimeError(parsed["errors"])
        counts.append(leaves(parsed["data"]))
    if counts[0] != counts[1]:
        raise RuntimeError(f"not the same work: {counts}")


def leaves(value: object) -> int:
    """How many plain values a response carries."""
    if isinstance(value, dict):
        return sum(leaves(one) for one in value.values())
    if isinstance(value, list):
        return sum(leaves(one) for one in value)
    return 1


def fresh_postgres() -> str | None:
    """The address of an empty database, or None without a server."""
    import asyncpg

    async def make() -> str:
        connection = await asyncpg.connect(POSTGRES, timeout=3)
        await connection.execute("DROP DATABASE IF EXISTS truckroll_bench WITH (FORCE)")
        await connection.execute("CREATE DATABASE truckroll_bench")
        await connection.close()
        return POSTGRES.rpartition("/")[0] + "/truckroll_bench"

    try:
        return asyncio.run(make())
    except (OSError, asyncpg.PostgresError):
        return None


def main() -> None:
    """Run the contest on the databases that are there."""
    if "--seed" in sys.argv:
        print(json.dumps(asyncio.run(seed(sys.argv[-1]))))
        return
    rows: list[list[object]] = []
    if url := fresh_postgres():
        rows += contest("PostgreSQL", url)
    else:
        print("PostgreSQL is not reachable; only SQLite is measured.")
    with tempfile.TemporaryDirectory() as folder:
        rows += contest("SQLite", f"sqlite:///{folder}/bench.db")
    report(
        "reading",
        "Reading: server CPU per request, milliseconds",
        ["database", "work", "Truckroll", "Strawberry + Tortoise (stock)", "ratio"],
        rows,
        ["strawberry-graphql", "graphql-core", "tortoise-orm", "uvicorn", "asyncpg"],
    )


if __name__ == "__main__":
    main()
