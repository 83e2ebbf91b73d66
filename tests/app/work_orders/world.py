"""A small company with two customers and a technician, and somebody from another company who must never see any of it."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app import database as db
from app.company.models import Organization, ServiceType
from app.customers.models import Customer, Site
from app.equipment.models import Category, Equipment
from app.identity.models import User
from app.infrastructure import journal
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor, user_actor
from app.kernel.errors import Problem
from app.kernel.permissions import Role
from app.scheduling.models import Appointment, Assignment
from app.technicians.models import Skill, Technician
from app.work_orders import commands, models

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Company:
    """Ids and people of one service company."""

    organization_id: str
    customer_id: str
    site_id: str
    equipment_id: str
    service_type_id: str
    skill_id: str
    technician_id: str
    other_customer_id: str
    other_site_id: str
    dispatcher: Actor
    manager: Actor
    finance: Actor
    support: Actor
    technician: Actor
    customer: Actor
    other_customer: Actor
    guest: Actor


async def found(name: str) -> Company:
    """A company, put down row by row so that the journal begins empty."""
    organization = await add_row(Organization, name=name, time_zone="Europe/Berlin", currency="EUR", country="DE")
    mine = {"organization_id": organization.id}
    skill = await add_row(Skill, **mine, code="HVAC", name="Heating")
    service_type = await add_row(
        ServiceType,
        **mine,
        code="REPAIR",
        name="Repair",
        duration_minutes=90,
        required_skills={skill.id: 2},
        default_priority="HIGH",
        required_evidence=["NOTE", "TIME"],
    )
    customer, other = [
        await add_row(Customer, **mine, account_number=number, name=who, type="RESIDENTIAL", currency="EUR")
        for number, who in (("C-1", "Ada Lovelace"), ("C-2", "Grace Hopper"))
    ]
    site, other_site = [
        await add_row(Site, **mine, customer_id=one.id, name="Home", time_zone="Europe/Berlin")
        for one in (customer, other)
    ]
    category = await add_row(Category, **mine, name="Boilers")
    equipment = await add_row(
        Equipment,
        **mine,
        customer_id=customer.id,
        site_id=site.id,
        category_id=category.id,
        name="Boiler",
        status="OPERATIONAL",
    )
    technician = await add_row(
        Technician, **mine, number="T-1", name="Tess Ohm", time_zone="Europe/Berlin", currency="EUR"
    )
    people = {}
    for role, own in (
        (Role.DISPATCHER, {}),
        (Role.OPERATIONS_MANAGER, {}),
        (Role.FINANCE, {}),
        (Role.SUPPORT, {}),
        (Role.TECHNICIAN, {"technician_id": technician.id}),
        (Role.RESIDENTIAL_CUSTOMER, {"customer_id": customer.id}),
        (Role.CUSTOMER_USER, {"customer_id": other.id}),
        (Role.GUEST, {"customer_id": customer.id}),
    ):
        email = f"{role.lower()}@{name.lower()}.example"
        user = await add_row(User, **mine, email=email, legal_name=f"Our {role.lower()}", roles=[role], **own)
        people[role] = user_actor(organization.id, user.id, frozenset({role}), **own)
    return Company(
        organization_id=organization.id,
        customer_id=customer.id,
        site_id=site.id,
        equipment_id=equipment.id,
        service_type_id=service_type.id,
        skill_id=skill.id,
        technician_id=technician.id,
        other_customer_id=other.id,
        other_site_id=other_site.id,
        dispatcher=people[Role.DISPATCHER],
        manager=people[Role.OPERATIONS_MANAGER],
        finance=people[Role.FINANCE],
        support=people[Role.SUPPORT],
        technician=people[Role.TECHNICIAN],
        customer=people[Role.RESIDENTIAL_CUSTOMER],
        other_customer=people[Role.CUSTOMER_USER],
        guest=people[Role.GUEST],
    )


async def submitted(company: Company, **values: object) -> str:
    """A new work order of the company's first customer."""
    wanted: dict[str, object] = {"customer_id": company.customer_id, "site_id": company.site_id, "summary": "No heat"}
    return await commands.create_work_order(company.manager, **(wanted | values))  # type: ignore[arg-type]


async def in_state(company: Company, status: str, **values: object) -> str:
    """A work order put into a state by hand, with one line item so that the gate is open."""
    id = await submitted(company)
    await commands.add_line_item(company.manager, id, "LABOR", "Work", unit_price=Decimal("80"))
    await models.WorkOrder.filter(id=id).update(status=status, **values)
    return id


async def give_visit(
    company: Company, work_order_id: str, status: str = "SCHEDULED", assignment: str = "ACCEPTED"
) -> str:
    """A visit for the work, assigned to the technician; its id."""
    row = await models.WorkOrder.get(id=work_order_id)
    number = await Appointment.filter(work_order_id=work_order_id).count() + 1
    start = NOON + timedelta(days=number, hours=await Assignment.all().count())
    times = {"starts_at": start, "ends_at": start + timedelta(hours=1)}
    mine = {"organization_id": company.organization_id, "customer_id": row.customer_id}
    visit = await add_row(
        Appointment, **mine, **times, work_order_id=row.id, site_id=row.site_id, number=number, status=status, duration_minutes=60
    )  # fmt: skip
    await add_row(
        Assignment,
        **mine,
        **times,
        appointment_id=visit.id,
        technician_id=company.technician_id,
        work_order_id=row.id,
        status=assignment,
        is_active=assignment in ("PROPOSED", "ACCEPTED") and status not in ("COMPLETED", "CANCELED"),
    )
    return visit.id


async def snapshot() -> dict[str, list[tuple[object, ...]]]:
    """Every row of the room and the journal: what must stay the same when a command is refused."""
    tables = ("work_order", "line_item", "note", "time_entry", "journal_entry", "number_series")
    return {table: await db.read_rows(f'SELECT * FROM "{table}" ORDER BY "id"', []) for table in tables}


async def refused(attempt: Awaitable[object]) -> Problem:
    """The problem that a command answers with; it left no trace."""
    before = await snapshot()
    try:
        await attempt
    except Problem as problem:
        assert await snapshot() == before
        return problem
    raise AssertionError("nothing was refused")


async def facts_of(company: Company, after: int = 0) -> list[journal.Entry]:
    """What the company's journal says."""
    return await journal.read(company.organization_id, after)


async def told(company: Company, act: Awaitable[object]) -> list[str]:
    """The names of the facts that an act records."""
    before = await journal.head(company.organization_id)
    await act
    return [entry.type for entry in await facts_of(company, before)]
