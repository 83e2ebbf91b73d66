"""A company whose changes are heard: accounts, technicians, work orders, and who listens."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from app.kernel.permissions import Permission
from tests.journeys.steps import hire
from tests.servers import PASSWORD, Api

OFFICE = 4
ACCOUNTS = 2
TECHNICIANS = 2
ORDERS = 4
MAY_FOLLOW = (
    Permission.VIEW_WORK_ORDERS, Permission.VIEW_SCHEDULE, Permission.VIEW_TECHNICIANS, Permission.VIEW_CUSTOMERS,
    Permission.VIEW_JOURNAL,
)  # fmt: skip


@dataclass(frozen=True)
class Audience:
    """Who listens, and for whom a fact has to be that they hear it; nobody in particular is the office."""

    name: str
    token: str
    customer_id: str | None = None
    technician_id: str | None = None
    user_id: str | None = None


@dataclass
class Company:
    """What there is before anything happens."""

    administrator: str = ""
    office: list[Audience] = field(default_factory=list)
    customer: Audience | None = None
    technician: Audience | None = None
    places: list[dict[str, str]] = field(default_factory=list)
    technicians: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    @property
    def administrator_audience(self) -> Audience:
        """The administrator as one who listens."""
        return Audience("administrator", self.administrator)


async def found(api: Api, name: str) -> Company:
    """Found it, as the administrator who is signed in; several in one organization have names of their own."""
    made = Company(administrator=api.token or "")
    made.places = [await _account(api, f"{name} account {number}") for number in range(ACCOUNTS)]
    made.technicians = await hire(api, TECHNICIANS)
    for number in range(ORDERS):
        place = made.places[number % ACCOUNTS]
        order = await api.do("createWorkOrder", "workOrder { id }", **place, summary=f"Standing order {number}")
        made.orders.append(order["workOrder"]["id"])
    made.office = [await _key(api, f"{name} board {number}") for number in range(OFFICE)]
    made.customer, made.technician = await asyncio.gather(
        sign_up(api, f"carla@{name}.example", ["CUSTOMER_USER"], customerId=made.places[0]["customerId"]),
        sign_up(api, f"theo@{name}.example", ["TECHNICIAN"], technicianId=made.technicians[0]),
    )
    return made


async def sign_up(api: Api, login: str, roles: list[str], **whose: Any) -> Audience:
    """A user who has signed in."""
    user = await api.do(
        "createUser", "user { id }", email=login, legalName=login, roles=roles, password=PASSWORD, **whose
    )
    async with Api(api.url) as theirs:
        await theirs.sign_in(login)
    return Audience(login, theirs.token or "", whose.get("customerId"), whose.get("technicianId"), user["user"]["id"])


async def _account(api: Api, name: str) -> dict[str, str]:
    customer = (await api.do("createCustomer", "customer { id }", name=name, type="ENTERPRISE"))["customer"]
    site = await api.do("createSite", "site { id }", customerId=customer["id"], name="HQ", latitude=40.7, longitude=-74)
    return {"customerId": customer["id"], "siteId": site["site"]["id"]}


async def _key(api: Api, name: str) -> Audience:
    made = await api.do("createApiKey", "issuedApiKey { secret }", name=name, scopes=[*MAY_FOLLOW])
    return Audience(name, made["issuedApiKey"]["secret"])
