"""The companies of which something is heard: their visits, people and signed-in sessions.

Run as a module in a process of its own, because a process speaks one dialect:
``python -m tests.benchmarks.live.rows URL DISPATCHERS COMPANIES`` makes and fills the database: one company with so many
dispatchers, each signed in, and so many smaller ones with people of all kinds. Prints whom and what there is, as JSON.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

ACCESS_LASTS = timedelta(days=1)
BEGAN = datetime(2026, 6, 1, 8, tzinfo=UTC)
VISITS, TECHNICIANS, CUSTOMERS = 40, 10, 4
OFFICE = {"DISPATCHER": 8, "OPERATIONS_MANAGER": 2, "SUPPORT": 4, "FINANCE": 2}
PASSWORD = "a long bench password"  # of a database that is thrown away
WAITS_EVERY = 4
INSERTED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Visit:
    """An appointment with what it is for and whom it concerns, and whether it waits in the dispatcher's queue."""

    id: str
    work_order_id: str
    customer_id: str
    technician_id: str
    waits: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    role: str
    token: str
    technician_id: str | None = None
    customer_id: str | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """One organization."""

    id: str
    visits: list[Visit]
    people: list[Person]

    def of_role(self, role: str) -> list[Person]:
        """The people with a role."""
        return [one for one in self.people if one.role == role]


def companies_of(told: Sequence[dict[str, Any]]) -> list[Company]:
    """Companies, as JSON tells of them."""
    return [
        Company(one["id"], [Visit(**visit) for visit in one["visits"]], [Person(**person) for person in one["people"]])
        for one in told
    ]


async def found(number: int, dispatchers: int) -> Company:
    """A company and all its rows. With ``dispatchers`` it has so many of them and nobody else who signs in."""
    from app.identity.set_up import set_up_organization

    owner = await set_up_organization(
        name=f"Company {number}",
        time_zone="UTC",
        currency="USD",
        country="US",
        administrator_email=f"administrator{number}@example.com",
        administrator_name="Ada Administrator",
        password=PASSWORD,
    )
    sites, crew = await add_sites(owner), await add_technicians(owner)
    visits = await add_visits(owner, sites, crew, some_wait=not dispatchers)
    roles = ["DISPATCHER"] * dispatchers or [role for role, count in OFFICE.items() for _ in range(count)]
    people: list[dict[str, str]] = [{"role": role} for role in roles]
    if not dispatchers:
        people += [{"role": "TECHNICIAN", "technician_id": id} for id in crew]
        people += [{"role": "ACCOUNT_ADMINISTRATOR", "customer_id": one.customer_id} for one in sites]
    return Company(owner, visits, await sign_in(owner, number, people))


async def add_all(model: Any, rows: Iterable[dict[str, Any]]) -> list[Any]:
    """Rows of a table, many at once, without the commands that make them one by one."""
    from app.kernel.ids import new_id

    made = [model(id=new_id(model.prefix), **row) for row in rows]
    await model.bulk_create(made, batch_size=INSERTED_AT_ONCE)
    return made


async def add_sites(owner: str) -> list[Any]:
    """A customer for each, and their sites."""
    from app.customers import models

    shared = {"organization_id": owner, "type": "ENTERPRISE", "currency": "USD"}
    customers = await add_all(
        models.Customer,
        (
            shared | {"account_number": f"C-{index:06}", "name": f"Springfield Holdings {index}"}
            for index in range(CUSTOMERS)
        ),
    )
    shared = {"organization_id": owner, "city": "Springfield", "time_zone": "America/New_York"}
    return await add_all(
        models.Site,
        (
            shared | {"customer_id": one.id, "name": f"Building {index}, entrance at the back"}
            for index, one in enumerate(customers)
        ),
    )


async def add_technicians(owner: str) -> list[str]:
    """The crew."""
    from app.technicians import models

    shared = {"organization_id": owner, "time_zone": "UTC", "currency": "USD"}
    rows = (shared | {"number": f"T-{index:03}", "name": f"Tom Technician {index}"} for index in range(TECHNICIANS))
    return [one.id for one in await add_all(models.Technician, rows)]


async def add_visits(owner: str, sites: Sequence[Any], crew: Sequence[str], *, some_wait: bool) -> list[Visit]:
    """A day of work orders with a visit each. Some may still wait to be dispatched."""
    from app.scheduling import models
    from app.work_orders.models import WorkOrder

    orders = await add_all(WorkOrder, (work_order(owner, index, sites[index % CUSTOMERS]) for index in range(VISITS)))
    waits = [some_wait and index % WAITS_EVERY == 0 for index in range(VISITS)]
    visits = await add_all(
        models.Appointment,
        (appointment(owner, index, one, crew[index % TECHNICIANS], waits[index]) for index, one in enumerate(orders)),
    )
    assignments = [
        {
            "organization_id": owner, "appointment_id": one.id, "technician_id": one.technician_ids[0],
            "work_order_id": one.work_order_id, "customer_id": one.customer_id, "status": "ACCEPTED",
            "starts_at": one.starts_at, "ends_at": one.ends_at,
        }
        for one in visits
    ]  # fmt: skip
    await add_all(models.Assignment, assignments)
    return [
        Visit(one.id, one.work_order_id, one.customer_id, one.technician_ids[0], waits[index])
        for index, one in enumerate(visits)
    ]


def work_order(owner: str, index: int, site: Any) -> dict[str, Any]:
    """What is to be done."""
    return {
        "organization_id": owner, "number": f"WO-{index:08}", "customer_id": site.customer_id, "site_id": site.id,
        "status": "SCHEDULED", "priority": "NORMAL", "channel": "PORTAL", "duration_minutes": 90, "currency": "USD",
        "summary": f"Cooling unit {index:03} on the roof makes a grinding noise", "submitted_at": BEGAN - timedelta(days=2),
    }  # fmt: skip


def appointment(owner: str, index: int, order: Any, technician_id: str, waits: bool) -> dict[str, Any]:
    """When it is to be done, and by whom."""
    starts_at = BEGAN + timedelta(hours=index // TECHNICIANS * 2)
    return {
        "organization_id": owner, "work_order_id": order.id, "site_id": order.site_id, "customer_id": order.customer_id,
        "number": 1, "status": "SCHEDULED" if waits else "DISPATCHED", "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=90), "duration_minutes": 90, "technician_ids": [technician_id],
        "dispatched_at": None if waits else BEGAN - timedelta(hours=1),
    }  # fmt: skip


async def sign_in(owner: str, number: int, people: Sequence[dict[str, str]]) -> list[Person]:
    """People with a session each, written down as signing in would leave them: a password takes too long to check."""
    from app.identity import models, rules
    from app.infrastructure import tokens
    from app.kernel.calendar import utc_now

    users = await add_all(models.User, (user(owner, number, index, one) for index, one in enumerate(people)))
    ends_at = utc_now() + ACCESS_LASTS
    given = [tokens.new_token(rules.ACCESS_TOKEN) for _ in people]
    sessions = [
        {
            "organization_id": owner, "user_id": one.id, "family": tokens.hash_token(secrets.token_hex(16)),
            "rotation_secret": secrets.token_hex(32), "access_hash": tokens.hash_token(token), "access_expires_at": ends_at,
            "refresh_hash": tokens.hash_token(secrets.token_hex(16)), "refresh_expires_at": ends_at,
            "absolute_expires_at": ends_at,
            # So that nobody's first steps are noted while others are measured.
            "last_used_at": ends_at,
        }
        for one, token in zip(users, given, strict=True)
    ]  # fmt: skip
    await add_all(models.Session, sessions)
    return [Person(token=token, **one) for token, one in zip(given, people, strict=True)]


def user(owner: str, number: int, index: int, person: dict[str, str]) -> dict[str, Any]:
    """Somebody who works there, or for whom they work."""
    own = {name: value for name, value in person.items() if name != "role"}
    return own | {
        "organization_id": owner, "email": f"person{index}@company{number}.example.com",
        "legal_name": f"Pat {person['role'].title()} {index}", "roles": [person["role"]],
    }  # fmt: skip


async def main(url: str, dispatchers: int, companies: int) -> list[dict[str, Any]]:
    """Make the database and fill it."""
    from app import database

    await database.migrate(url)
    await database.connect(url)
    made = [await found(0, dispatchers)] + [await found(number, 0) for number in range(1, companies + 1)]
    if not url.startswith("sqlite"):
        await database.read_rows("ANALYZE", [])
    await database.disconnect()
    return [asdict(one) for one in made]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
