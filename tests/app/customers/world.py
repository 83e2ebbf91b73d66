"""A small company to test with, and people in each of the roles that matter."""

from dataclasses import dataclass
from datetime import timedelta

from app.company.commands import create_organization
from app.customers import commands
from app.customers.models import Site
from app.customers.rules import CustomerType
from app.infrastructure import journal
from app.infrastructure.journal import Entry
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor, system_actor, user_actor
from app.kernel.calendar import utc_now
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.scheduling.models import Appointment, Assignment
from app.scheduling.rules import AssignmentStatus
from app.technicians.commands import create_technician
from app.work_orders.models import WorkOrder


@dataclass(frozen=True, slots=True)
class Company:
    """An organization and its system actor."""

    organization_id: str
    system: Actor

    def actor(self, *roles: Role, technician_id: str | None = None, customer_id: str | None = None) -> Actor:
        """Somebody with these roles."""
        return user_actor(
            self.organization_id,
            new_id("usr"),
            frozenset(roles),
            technician_id=technician_id,
            customer_id=customer_id,
        )

    @property
    def dispatcher(self) -> Actor:
        return self.actor(Role.DISPATCHER)

    @property
    def manager(self) -> Actor:
        return self.actor(Role.OPERATIONS_MANAGER)

    async def facts(self) -> list[Entry]:
        """Everything in the journal, oldest first."""
        return await journal.read(self.organization_id, 0)

    async def types(self, *, after: int = 0) -> list[str]:
        """The names of the facts after the first so many."""
        return [entry.type for entry in (await self.facts())[after:]]


async def found_company(name: str = "Brightwater Services", time_zone: str = "America/New_York") -> Company:
    """A company in New York, which counts in dollars."""
    system = system_actor(new_id("org"))
    await create_organization(system, name=name, time_zone=time_zone, currency="USD", country="US")
    return Company(system.organization_id, system)


async def open_account(company: Company, name: str = "Lighthouse Bakery", **details: object) -> str:
    """A customer's id."""
    return await commands.create_customer(
        company.dispatcher,
        name=name,
        type=CustomerType.SMALL_BUSINESS,
        **details,  # type: ignore[arg-type]
    )


def stranger_to(company: Company) -> Actor:
    """Somebody with every permission, in another organization."""
    return system_actor(new_id("org"))


async def hire(company: Company, name: str = "Toni Park", **details: object) -> str:
    """A technician's id."""
    return await create_technician(company.manager, name=name, **details)  # type: ignore[arg-type]


async def send(company: Company, technician_id: str, site_id: str, status: AssignmentStatus) -> None:
    """A visit of a technician to a site; what scheduling does besides is not of interest here."""
    site = await Site.get(id=site_id)
    owner = {"organization_id": company.organization_id, "customer_id": site.customer_id}
    now = utc_now()
    order = await add_row(
        WorkOrder, **owner, site_id=site_id, number=new_id("x"), status="SUBMITTED", priority="NORMAL", channel="PHONE",
        summary="Leak", duration_minutes=60, currency="USD", submitted_at=now,
    )  # fmt: skip
    visit = await add_row(Appointment, **owner, work_order_id=order.id, site_id=site_id, number=1, duration_minutes=60)
    await add_row(
        Assignment, **owner, appointment_id=visit.id, work_order_id=order.id, technician_id=technician_id,
        status=status, is_active=False, starts_at=now, ends_at=now + timedelta(hours=1),
    )  # fmt: skip
