"""A small company in Berlin: two sites, two technicians on shift, and people who may see more or less."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from app import database as db
from app.company.models import Organization
from app.customers.models import Customer, Site
from app.identity.models import User
from app.infrastructure import journal
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor, user_actor
from app.kernel.errors import Problem
from app.kernel.permissions import Role
from app.scheduling import commands
from app.scheduling.models import Appointment, Assignment
from app.technicians.models import Shift, Skill, Technician, TechnicianSkill
from app.work_orders import commands as work_orders

# A Monday; the shifts are from 8 to 17 o'clock in Berlin, which is 7 to 16 in UTC.
DAY = date(2027, 3, 1)
NINE = datetime(2027, 3, 1, 8, tzinfo=UTC)
TABLES = (
    "appointment",
    "assignment",
    "plan_run",
    "planned_visit",
    "time_entry",
    "work_order",
    "technician",
    "journal_entry",
)


@dataclass(frozen=True)
class Company:
    """Ids and people of one service company."""

    organization_id: str
    customer_id: str
    site_id: str
    far_site_id: str
    skill_id: str
    ann_id: str
    bob_id: str
    dispatcher: Actor
    support: Actor
    ann: Actor
    bob: Actor
    customer: Actor


async def found(name: str) -> Company:
    """A company, put down row by row so that the journal begins empty."""
    organization = await add_row(Organization, name=name, time_zone="Europe/Berlin", currency="EUR", country="DE")
    mine = {"organization_id": organization.id}
    skill = await add_row(Skill, **mine, code="GAS", name="Gas fitting")
    customer = await add_row(Customer, **mine, account_number="C-1", name="Ada", type="RESIDENTIAL", currency="EUR")
    site, far = [
        await add_row(
            Site,
            **mine,
            customer_id=customer.id,
            name=where,
            time_zone="Europe/Berlin",
            latitude=latitude,
            longitude=13.4,
        )
        for where, latitude in (("Home", 52.50), ("Cottage", 52.60))
    ]
    technicians = []
    for number, who in (("T-1", "Ann"), ("T-2", "Bob")):
        row = await add_row(
            Technician,
            **mine,
            number=number,
            name=who,
            time_zone="Europe/Berlin",
            currency="EUR",
            home_latitude=52.52,
            home_longitude=13.41,
        )
        technicians.append(row)
        await give_shift(organization.id, row.id, DAY)
        await add_row(TechnicianSkill, **mine, technician_id=row.id, skill_id=skill.id, level=3)
    ann, bob = technicians
    people = {}
    for who, role, own in (
        ("dispatcher", Role.DISPATCHER, {}),
        ("support", Role.SUPPORT, {}),
        ("ann", Role.TECHNICIAN, {"technician_id": ann.id}),
        ("bob", Role.TECHNICIAN, {"technician_id": bob.id}),
        ("customer", Role.RESIDENTIAL_CUSTOMER, {"customer_id": customer.id}),
    ):
        email = f"{who}@{name.lower()}.example"
        user = await add_row(User, **mine, email=email, legal_name=who, roles=[role], **own)
        people[who] = user_actor(organization.id, user.id, frozenset({role}), **own)
    return Company(
        organization_id=organization.id,
        customer_id=customer.id,
        site_id=site.id,
        far_site_id=far.id,
        skill_id=skill.id,
        ann_id=ann.id,
        bob_id=bob.id,
        **people,
    )


async def give_shift(organization_id: str, technician_id: str, day: date, **values: object) -> None:
    """A shift from 7 to 16 o'clock in UTC."""
    start = datetime(day.year, day.month, day.day, 7, tzinfo=UTC)
    times = {"starts_at": start, "ends_at": start + timedelta(hours=9)}
    await add_row(Shift, organization_id=organization_id, technician_id=technician_id, **(times | values))


async def work(company: Company, **values: object) -> str:
    """A work order that asks for an hour; its id."""
    wanted: dict[str, object] = {
        "customer_id": company.customer_id,
        "site_id": company.site_id,
        "summary": "No heat",
        "duration_minutes": 60,
    }
    return await work_orders.create_work_order(company.dispatcher, **(wanted | values))  # type: ignore[arg-type]


async def visit(company: Company, **values: object) -> str:
    """A visit without a time; its id."""
    return await commands.create_appointment(company.dispatcher, await work(company, **values))


async def booked(company: Company, *technician_ids: str, at: datetime = NINE, **values: object) -> str:
    """A visit of Ann's, or of others, at nine or another time; its id."""
    id = await visit(company, **values)
    return await commands.schedule_appointment(company.dispatcher, id, technician_ids or [company.ann_id], at)


async def sent(company: Company, *technician_ids: str, at: datetime = NINE) -> str:
    """A visit that was dispatched."""
    return await commands.dispatch_appointment(company.dispatcher, await booked(company, *technician_ids, at=at))


async def row_of(id: str) -> Appointment:
    return await Appointment.get(id=id)


async def assignments_of(id: str) -> list[Assignment]:
    return await Assignment.filter(appointment_id=id).order_by("-is_lead", "id")


async def snapshot() -> dict[str, list[tuple[object, ...]]]:
    """Every row that a command of this room could touch, and the journal."""
    return {table: await db.read_rows(f'SELECT * FROM "{table}" ORDER BY "id"', []) for table in TABLES}


async def refused(attempt: Awaitable[object]) -> Problem:
    """The problem that a command answers with; it left no trace."""
    before = await snapshot()
    try:
        await attempt
    except Problem as problem:
        assert await snapshot() == before
        return problem
    raise AssertionError("nothing was refused")


async def told(company: Company, act: Awaitable[object]) -> list[journal.Entry]:
    """The facts that an act records."""
    before = await journal.head(company.organization_id)
    await act
    return await journal.read(company.organization_id, before)
