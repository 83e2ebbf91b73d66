"""The rows that everybody reads: one large company among small ones, with three years of work.

Run as a module in a process of its own, because a process speaks one dialect:
``python -m tests.benchmarks.reading.rows URL COUNT`` makes and fills the database, ``… URL`` only signs in again.
Both print a token and the ids that the works ask for, as JSON.
"""

import asyncio
import json
import random
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import asyncpg

CUSTOMERS, SITES, EQUIPMENT = 2_000, 5_000, 8_000
BUSY_CUSTOMERS, SITES_EACH, VISITS_EACH = 10, 10, 10
"""The accounts that the deep work asks for: so many sites each, with so many visits; a tenth of all work is theirs."""
OTHERS = 4
EMAIL, PASSWORD = "bench@example.com", "a long bench password"  # of a database that is thrown away
BEGAN = datetime(2023, 11, 1, 8, tzinfo=UTC)
DAYS = 3 * 365
OPEN = ("SUBMITTED", "SUBMITTED", "TRIAGED", "TRIAGED", "TRIAGED", "SCHEDULED", "SCHEDULED", "IN_PROGRESS", "ON_HOLD")
OVER = ("CLOSED",) * 85 + ("APPROVED",) * 5 + ("CANCELED",) * 5 + ("COMPLETED",) * 3 + ("TRIAGED", "ON_HOLD")
PRIORITIES = ("LOW", "NORMAL", "NORMAL", "NORMAL", "HIGH", "EMERGENCY")
CATEGORIES = ("Printer", "Copier", "Boiler", "Air conditioning", "Lift", "Door", "Network", "Lighting")
CITIES = ("Springfield", "Albany", "Newark", "Yonkers", "Stamford", "Hoboken", "Trenton", "Bridgeport")
DESCRIPTION = "It says nothing and prints nothing. " * 5

Rows = Iterator[dict[str, Any]]


def made_id(prefix: str, at: datetime, index: int) -> str:
    """An id of the usual form and order: a moment, then a count. Hexadecimal digits are digits of base 32 as well."""
    return f"{prefix}_01{int(at.timestamp() * 1000):012x}{index:012x}"


class World:
    """Generates the rows of all tables, the same ones every time."""

    def __init__(self, organization_id: str, count: int) -> None:
        self._dice = random.Random(1)
        self._count = count
        self.organizations = [organization_id, *(made_id("org", BEGAN, index) for index in range(1, OTHERS + 1))]
        self._customers: list[dict[str, Any]] = []
        self._sites: list[dict[str, Any]] = []
        self._equipment: list[dict[str, Any]] = []
        self.visited: dict[str, list[tuple[str, datetime]]] = {}

    def _owned(self, prefix: str, index: int, at: datetime = BEGAN) -> dict[str, Any]:
        """Nine of ten rows belong to the large company."""
        owner = self.organizations[index % OTHERS + 1 if index % 10 == 9 else 0]
        id = made_id(prefix, at, index)
        return {"id": id, "organization_id": owner, "version": 1, "created_at": at, "updated_at": at}

    def customers(self) -> Rows:
        for index in range(CUSTOMERS):
            row = self._owned("cus", index) | {
                "account_number": f"C-{index:06}", "name": f"{self._dice.choice(CITIES)} Holdings {index}", "type": "ENTERPRISE",
                "status": "ACTIVE", "currency": "USD", "language": "en", "sla_tier": "STANDARD", "notes": "",
            }  # fmt: skip
            self._customers.append(row)
            yield row
        busy = [one for one in self._customers if one["organization_id"] == self.organizations[0]][:BUSY_CUSTOMERS]
        self.busy = [one["id"] for one in busy]
        self._by_owner = {
            owner: [one for one in self._customers if one["organization_id"] == owner] for owner in self.organizations
        }

    def sites(self) -> Rows:
        busy = BUSY_CUSTOMERS * SITES_EACH
        for index in range(SITES):
            row = self._owned("site", index)
            if index < busy:
                row |= {"organization_id": self.organizations[0], "customer_id": self.busy[index % BUSY_CUSTOMERS]}
            else:
                row["customer_id"] = self._dice.choice(self._by_owner[row["organization_id"]][BUSY_CUSTOMERS:])["id"]
            row |= {
                "name": f"Building {index}", "address_line": f"{index} Main Street", "city": self._dice.choice(CITIES),
                "region": "NY", "postal_code": f"{10000 + index}", "country": "US", "latitude": 40 + self._dice.random(),
                "longitude": -74 + self._dice.random(), "time_zone": "America/New_York", "access_instructions": "",
                "parking": "", "hazards": "", "opening_hours": "{}", "is_active": True,
            }  # fmt: skip
            self._sites.append(row)
            yield row
        for one in self._sites[:busy]:
            self.visited[one["id"]] = []

    def equipment(self) -> Rows:
        for index in range(EQUIPMENT):
            site = self._sites[index % SITES]
            row = self._owned("eq", index) | {
                "organization_id": site["organization_id"], "customer_id": site["customer_id"], "site_id": site["id"],
                "name": f"{self._dice.choice(CATEGORIES)} {index}", "serial_number": f"SN-{index:08}",
                "status": "OPERATIONAL", "room": f"{index % 400}", "specifications": "{}",
            }  # fmt: skip
            self._equipment.append(row)
            yield row

    def work_orders(self) -> Rows:
        step = timedelta(days=DAYS) / self._count
        busy, newest = BUSY_CUSTOMERS * SITES_EACH, int(self._count * 0.95)
        for index in range(self._count):
            at = BEGAN + step * index
            place = index // 10 % busy if index % 10 == 0 else self._dice.randrange(busy, EQUIPMENT)
            machine = self._equipment[place]
            row = self._owned("wo", index, at) | {
                "organization_id": machine["organization_id"], "number": f"WO-{index:08}",
                "customer_id": machine["customer_id"], "site_id": machine["site_id"], "equipment_id": machine["id"],
                "status": self._dice.choice(OPEN if index >= newest else OVER), "priority": self._dice.choice(PRIORITIES),
                "channel": "PORTAL", "category": self._dice.choice(CATEGORIES), "summary": f"Number {index} does not work",
                "description": DESCRIPTION, "duration_minutes": self._dice.choice((30, 60, 90, 120)),
                "due_at": at + timedelta(hours=self._dice.randrange(4, 480)) if self._dice.random() < 0.9 else None,
                "required_skills": "{}", "currency": "USD", "submitted_at": at,
            }  # fmt: skip
            if index % 10 == 0:
                visits = self.visited[row["site_id"]]
                visits.append((row["id"], at))
                del visits[:-VISITS_EACH]
            yield row

    def appointments(self) -> Rows:
        customers = {one["id"]: one["customer_id"] for one in self._sites}
        for site_id, visits in self.visited.items():
            for index, (work_order_id, at) in enumerate(visits):
                starts_at = at + timedelta(days=2)
                yield {
                    "id": made_id("apt", at, index), "organization_id": self.organizations[0], "version": 1,
                    "created_at": at, "updated_at": at, "work_order_id": work_order_id, "site_id": site_id,
                    "customer_id": customers[site_id], "number": 1, "status": "SCHEDULED", "starts_at": starts_at,
                    "ends_at": starts_at + timedelta(hours=1), "duration_minutes": 60, "technician_ids": "[]",
                    "is_pinned_who": False, "is_pinned_when": False,
                }  # fmt: skip

    def tables(self) -> Iterator[tuple[str, Rows]]:
        """Each table with its rows, in the order of what points where."""
        for table in ("customer", "site", "equipment", "work_order", "appointment"):
            yield table, getattr(self, {"equipment": "equipment"}.get(table, table + "s"))()


async def fill(url: str, count: int) -> None:
    """A company that can sign in, and all the rows."""
    from app import database
    from app.identity.set_up import set_up_organization

    await database.migrate(url)
    await database.connect(url)
    organization_id = await set_up_organization(
        name="Bench",
        time_zone="UTC",
        currency="USD",
        country="US",
        administrator_email=EMAIL,
        administrator_name="Bea Bench",
        password=PASSWORD,
    )
    await database.disconnect()
    world = World(organization_id, count)
    if url.startswith("sqlite"):
        _fill_sqlite(url.removeprefix("sqlite:///"), world)
    else:
        await _fill_postgres(url, world)


async def _fill_postgres(url: str, world: World) -> None:
    connection = await asyncpg.connect(url)
    name = urlsplit(url).path.lstrip("/")
    # Compiling statements and parallel workers would only blur the figures of all peers alike.
    await connection.execute(f'ALTER DATABASE "{name}" SET jit = off')
    await connection.execute(f'ALTER DATABASE "{name}" SET max_parallel_workers_per_gather = 0')
    # No work here searches, so a million rows need not be put into the index of words.
    await connection.execute("SET session_replication_role = replica")
    for table, rows in world.tables():
        while batch := list(islice(rows, 50_000)):
            names = list(batch[0])
            await connection.copy_records_to_table(table, records=map(_values(names), batch), columns=names)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _fill_sqlite(path: str, world: World) -> None:
    connection = sqlite3.connect(path)
    for table, rows in world.tables():
        while batch := list(islice(rows, 50_000)):
            names = list(batch[0])
            marks = ", ".join("?" * len(names))
            texts = ({key: _sqlite_value(value) for key, value in row.items()} for row in batch)
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", map(_values(names), texts)
            )
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def _values(names: Sequence[str]) -> Any:
    return lambda row: tuple(row[name] for name in names)


def _sqlite_value(value: Any) -> Any:
    return value.isoformat(" ") if isinstance(value, datetime) else value


async def known(url: str) -> dict[str, str]:
    """A fresh token, and the ids that the works ask for."""
    from app import database
    from app.identity.sign_in import log_in
    from app.infrastructure import encryption

    await database.connect(url)
    encryption.configure({"bench": bytes(32)})  # for this sign-in alone: no column of these rows is encrypted
    session = await log_in(EMAIL, PASSWORD, address="127.0.0.1")
    ids = {}
    for name, sql in {
        "organization": "SELECT id FROM organization",
        "one": "SELECT id FROM work_order WHERE organization_id = (SELECT id FROM organization) AND number > 'WO-00005' "
        "ORDER BY number LIMIT 1",
        "customer": "SELECT customer_id FROM site WHERE name = 'Building 3'",
    }.items():
        ids[name] = (await database.read_rows(sql))[0][0]
    await database.disconnect()
    return {"token": session.access_token} | ids


async def main(url: str, count: int | None) -> dict[str, str]:
    """Fill if a count is given, then say what is known."""
    if count is not None:
        await fill(url, count)
    return await known(url)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None))))
