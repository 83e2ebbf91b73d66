"""The companies of which something is heard: their visits, people and signed-in sessions.

Run as a module in a process of its own, because a process speaks one dialect:
``python -m tests.benchmarks.live.rows URL DISPATCHERS COMPANIES`` makes and fills the database: one company with so many
dispatchers, each signed in, and so many smaller ones with people of all kinds. Prints whom and what there is, as JSON.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

ACCESS_LASTS = timedelta(days=1)
BEGAN = datetime(2026, 6, 1, 8, tzinfo=UTC)
VISITS, TECHNICIANS, CUSTOMERS = 40, 10, 4
OFFICE = {"DISPATCHER": 8, "OPERATIONS_MANAGER": 2, "SUPPORT": 4, "FINANCE": 2}
PASSWORD = "a long bench password"  # of a database that is thrown away
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
    from app.customers import models as customers
    from app.identity.set_up import set_up_organization
    from app.kernel.ids import new_id
    from app.scheduling import models as scheduling
    from app.technicians import models as technicians
    from app.work_orders import models as work_orders

    owner = await set_up_organization(
        name=f"Company {number}",
        time_zone="UTC",
        currency="USD",
        country="US",
        administrator_email=f"administrator{number}@example.com",
        administrator_name="Ada Administrator",
        password=PASSWORD,
    )

    def waits(index: int) -> bool:
        return not dispatchers and index % 4 == 0

    async def add(model: Any, count: int, values: Any) -> list[Any]:
        made = [
            model(id=new_id(model.prefix), organization_id=owner, **values(index, new_id)) for index in range(count)
        ]
        await model.bulk_create(made, batch_size=INSERTED_AT_ONCE)
        return made

    accounts = await add(
        customers.Customer,
        CUSTOMERS,
        lambda index, _: {
            "account_number": f"C-{index:06}",
            "name": f"Springfield Holdings {index}",
            "type": "ENTERPRISE",
            "currency": "USD",
        },
    )
    sites = await add(
        customers.Site,
        CUSTOMERS,
        lambda index, _: {
            "customer_id": accounts[index].id,
            "name": f"Building {index}, entrance at the back",
            "city": "Springfield",
            "time_zone": "America/New_York",
        },
    )
    crew = await add(
        technicians.Technician,
        TECHNICIANS,
        lambda index, _: {
            "number": f"T-{index:03}",
            "name": f"Tom Technician {index}",
            "time_zone": "UTC",
            "currency": "USD",
        },
    )
    work = await add(
        work_orders.WorkOrder,
        VISITS,
        lambda index, _: {
            "number": f"WO-{index:08}",
            "customer_id": accounts[index % CUSTOMERS].id,
            "site_id": sites[index % CUSTOMERS].id,
            "status": "SCHEDULED",
            "priority": "NORMAL",
            "channel": "PORTAL",
            "summary": f"Cooling unit {index:03} on the roof makes a grinding noise",
            "duration_minutes": 90,
            "currency": "USD",
            "submitted_at": BEGAN - timedelta(days=2),
        },
    )
    visits = await add(
        scheduling.Appointment,
        VISITS,
        lambda index, _: {
            "work_order_id": work[index].id,
            "site_id": work[index].site_id,
            "customer_id": work[index].customer_id,
            "number": 1,
            "status": "SCHEDULED" if waits(index) else "DISPATCHED",
            "starts_at": BEGAN + timedelta(hours=index // TECHNICIANS * 2),
            "ends_at": BEGAN + timedelta(hours=index // TECHNICIANS * 2, minutes=90),
            "duration_minutes": 90,
            "technician_ids": [crew[index % TECHNICIANS].id],
            "dispatched_at": BEGAN - timedelta(hours=1),
        },
    )
    await add(
        scheduling.Assignment,
        VISITS,
        lambda index, _: {
            "appointment_id": visits[index].id,
            "technician_id": crew[index % TECHNICIANS].id,
            "work_order_id": work[index].id,
            "customer_id": work[index].customer_id,
            "status": "ACCEPTED",
            "starts_at": visits[index].starts_at,
            "ends_at": visits[index].ends_at,
        },
    )
    roles = ["DISPATCHER"] * dispatchers or [role for role, count in OFFICE.items() for _ in range(count)]
    people: list[dict[str, str]] = [{"role": role} for role in roles]
    if not dispatchers:
        people += [{"role": "TECHNICIAN", "technician_id": one.id} for one in crew]
        people += [{"role": "ACCOUNT_ADMINISTRATOR", "customer_id": one.id} for one in accounts]
    return Company(
        owner,
        [
            Visit(one.id, one.work_order_id, one.customer_id, crew[index % TECHNICIANS].id, waits(index))
            for index, one in enumerate(visits)
        ],
        await sign_in(owner, number, people),
    )


async def sign_in(owner: str, number: int, people: Sequence[dict[str, str]]) -> list[Person]:
    """People with a session each, written down as signing in would leave them: a password takes too long to check."""
    from app.identity import models, rules
    from app.infrastructure import tokens
    from app.kernel.calendar import utc_now
    from app.kernel.ids import new_id

    now = utc_now()
    users, sessions, signed_in = [], [], []
    for index, person in enumerate(people):
        role = person["role"]
        own = {name: value for name, value in person.items() if name != "role"}
        user = models.User(
            id=new_id("usr"),
            organization_id=owner,
            email=f"person{index}@company{number}.example.com",
            legal_name=f"Pat {role.title()} {index}",
            roles=[role],
            **own,
        )
        token = tokens.new_token(rules.ACCESS_TOKEN)
        session = models.Session(
            id=new_id("ses"),
            organization_id=owner,
            user_id=user.id,
            family=tokens.hash_token(secrets.token_hex(16)),
            rotation_secret=secrets.token_hex(32),
            access_hash=tokens.hash_token(token),
            access_expires_at=now + ACCESS_LASTS,
            refresh_hash=tokens.hash_token(secrets.token_hex(16)),
            refresh_expires_at=now + ACCESS_LASTS,
            absolute_expires_at=now + ACCESS_LASTS,
            last_used_at=now + ACCESS_LASTS,  # so that nobody's first steps are noted while others are measured
        )
        users.append(user)
        sessions.append(session)
        signed_in.append(Person(role, token, **own))
    await models.User.bulk_create(users, batch_size=INSERTED_AT_ONCE)
    await models.Session.bulk_create(sessions, batch_size=INSERTED_AT_ONCE)
    return signed_in


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
