"""Companies in one database whose every text and number says whose it is.

A company has two customer accounts with one row of every readable type each (or one of the company's own), put down row by
row; some of it is then touched by commands, so that the journal has something to tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tortoise import fields
from tortoise.models import Model

from app import database as db
from app.company.models import BusinessCalendar, Holiday, NumberSeries, Organization, ServiceType, Territory
from app.customers import commands as customers
from app.customers.models import Contact, Customer, Site
from app.equipment import commands as equipment
from app.equipment.models import Category, Equipment, EquipmentModel
from app.identity.models import (
    AccessRequest,
    ApiKey,
    Consent,
    CustomRole,
    DataRequest,
    IdentityProvider,
    Invitation,
    LoginAttempt,
    MfaMethod,
    Session,
    User,
)
from app.infrastructure.models import JournalEntry, JournalHead
from app.infrastructure.tables import IdentifiedTable, Table, add_row, table_of
from app.integrations.models import BulkExport, Import
from app.kernel.actor import Actor, ActorKind, system_actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.permissions import CUSTOMER_ROLES, GRANTABLE, REACHES, ROLES, Grant, Permission, Reach, Role
from app.messaging import commands as messaging
from app.messaging.models import Alert, Conversation, Message, Notification
from app.messaging.rules import MessageVisibility
from app.scheduling import commands as scheduling
from app.scheduling.models import Appointment, Assignment, PlannedVisit, PlanRun, SlotHold, VisitShare
from app.technicians import commands as technicians
from app.technicians.models import Absence, Position, PositionSample, Shift, Skill, Technician, TechnicianSkill
from app.work_orders import commands as work_orders
from app.work_orders.models import LineItem, Note, TimeEntry, WorkOrder

# Who asks without a built-in role, with what they hold and the built-in role whose reach is theirs.
OWN_ROLES = {f"OWN_ROLE_{reach}": reach for reach in Reach}
OTHERS: dict[str, tuple[frozenset[Permission], Role]] = {
    **{
        name: (GRANTABLE[reach], next(role for role in Role if REACHES[role] is reach))
        for name, reach in OWN_ROLES.items()
    },
    "OWN_ROLE_NARROW": (frozenset({Permission.VIEW_WORK_ORDERS, Permission.VIEW_PRICES}), Role.DISPATCHER),
    "API_KEY": (ROLES[Role.PARTNER] - {Permission.MANAGE_EQUIPMENT}, Role.PARTNER),
    "SYSTEM": (frozenset(Permission), Role.ADMINISTRATOR),
}

# A Monday; nothing here depends on the day on which it runs.
NINE = datetime(2031, 3, 3, 9, tzinfo=UTC)
DAY = date(2031, 3, 3)
HIDDEN = "hushhush"
"""Stands in every internal note."""


@dataclass(frozen=True)
class Mark:
    """What a party's texts begin with, and its number."""

    text: str
    number: int

    def stands_in(self, value: object) -> bool:
        """Whether a JSON value gives something of the party away."""
        if isinstance(value, str):
            return f"{self.text}-" in value or value.startswith(f"{self.number}.") or value == str(self.number)
        return isinstance(value, int | float) and not isinstance(value, bool) and value == self.number


@dataclass
class Account:
    """A customer account and all that hangs on it: the rows by their ids' prefix."""

    mark: Mark
    customer_id: str = ""
    technician_id: str = ""
    rows: dict[str, IdentifiedTable] = field(default_factory=dict)


@dataclass
class Tenant:
    """A company, its two accounts, and an actor for each role; customers are of the first account."""

    organization_id: str
    mark: Mark
    first: Account
    second: Account
    rows: dict[str, IdentifiedTable] = field(default_factory=dict)
    actors: dict[Role, Actor] = field(default_factory=dict)
    others: dict[str, Actor] = field(default_factory=dict)
    """Who asks without a built-in role: roles of the company's own, a key, the system. See ``OTHERS``."""
    ids: frozenset[str] = frozenset()

    def row(self, prefix: str, account: Account | None = None) -> IdentifiedTable:
        """The row of a kind: an account's, or the company's own."""
        return (account or self.first).rows.get(prefix) or self.rows[prefix]

    @property
    def every_row(self) -> list[IdentifiedTable]:
        """All rows that were put down by hand."""
        return [*self.rows.values(), *self.first.rows.values(), *self.second.rows.values()]


class Writer:
    """Puts rows down and fills in what is not said with the party's mark."""

    def __init__(self, organization_id: str) -> None:
        self.organization_id = organization_id
        self._serial = iter(range(1, 10_000))

    async def add(self, rows: dict[str, IdentifiedTable], mark: Mark, model: type[Table], **values: Any) -> str:
        """A new row; its id."""
        filled = dict(self._filled(model, mark, values))
        row = await add_row(model, organization_id=self.organization_id, **filled, **values)
        rows[model.prefix] = row
        return row.id

    def text(self, mark: Mark) -> str:
        """A text that is nobody else's."""
        return f"{mark.text}-{next(self._serial)}"

    def _filled(self, model: type[Table], mark: Mark, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, column in model._meta.fields_map.items():
            if name in values or name in Table._meta.fields_map or (name.endswith("_id") and name != "external_id"):
                continue
            if not _is_open(column):
                continue
            if isinstance(column, fields.CharField | fields.TextField):
                if getattr(column, "max_length", 99) >= len(mark.text) + 5:
                    yield name, self.text(mark)
            elif isinstance(column, fields.IntField | fields.FloatField):
                yield name, mark.number
            elif isinstance(column, fields.DecimalField):
                yield name, Decimal(mark.number)


def _is_open(column: Any) -> bool:
    return not column.pk and column.default in (None, "", 0) and not isinstance(column.default, bool)


async def found(letter: str, number: int) -> Tenant:
    """A company whose marks begin with a letter and whose numbers begin with a number."""
    mark = Mark(f"{letter}whole", number)
    organization = await add_row(
        Organization, name=f"{mark.text}-0", time_zone="Europe/Berlin", currency="EUR", country="DE", locale="de",
        settings={"color": f"{mark.text}-0"},
    )  # fmt: skip
    first, second = Account(Mark(f"{letter}first", number + 1)), Account(Mark(f"{letter}second", number + 2))
    tenant = Tenant(organization.id, mark, first, second, {"org": organization})
    writer = Writer(organization.id)
    await _company_rows(writer, tenant)
    for account in (first, second):
        await _account_rows(writer, tenant, account)
        await _said(writer, tenant, account)
    await _plan_rows(writer, tenant)
    await _people(writer, tenant)
    await _own_roles(writer, tenant)
    await _deeds(tenant)
    tenant.rows["fact"] = await JournalEntry.get(organization_id=organization.id, subject_id=first.customer_id)
    tenant.ids = frozenset(await ids_of(organization.id))
    return tenant


async def _company_rows(writer: Writer, tenant: Tenant) -> None:
    async def add(model: type[Table], **values: Any) -> str:
        return await writer.add(tenant.rows, tenant.mark, model, **values)

    calendar = await add(BusinessCalendar, time_zone="Europe/Berlin", week={"0": [["08:00", "17:00"]]}, is_default=True)
    await add(Holiday, calendar_id=calendar, day=DAY)
    await add(NumberSeries, kind="WORK_ORDER", number_prefix=f"{tenant.mark.text}-", next_number=tenant.mark.number)
    skill = await add(Skill)
    await add(ServiceType, required_skills={skill: 2}, required_evidence=["NOTE"], duration_minutes=60)
    await add(Territory)
    narrow = await add(Category)
    await add(EquipmentModel, category_id=narrow)
    await add(Category, parent_id=narrow)
    role = await add(CustomRole, permissions=["VIEW_CUSTOMERS"])
    user = await add(
        User, email=f"{writer.text(tenant.mark)}@example.com", roles=["ADMINISTRATOR"], time_zone=None,
        custom_role_ids=[role],
    )  # fmt: skip
    hour = timedelta(hours=1)
    await add(
        Session, user_id=user, access_expires_at=NINE, refresh_expires_at=NINE + hour, absolute_expires_at=NINE + hour,
        last_used_at=NINE, revoked_reason=None,
    )  # fmt: skip
    await add(DataRequest, kind="EXPORT", status="RECEIVED", person_id=user, requested_by=user, due_at=NINE)
    await add(
        Consent,
        person_id=user,
        purpose="MARKETING",
        channel="WEB",
        given_at=NINE,
        given_by=user,
        withdrawn_channel=None,
    )
    await add(Invitation, user_id=user, sent_at=NINE, expires_at=NINE, invited_by_user_id=user)
    await add(
        IdentityProvider,
        client_id=writer.text(tenant.mark),
        email_domains=[writer.text(tenant.mark)],
        role_map={writer.text(tenant.mark): ["SUPPORT"]},
    )
    await add(MfaMethod, user_id=user, kind="SMS", confirmed_at=NINE, public_key=None, secret=None, last_step=None)
    asks = f"{writer.text(tenant.mark)}@example.com"
    await add(AccessRequest, email=asks, roles=["FINANCE"], decided_by_user_id=user, decided_at=NINE)
    await add(LoginAttempt, user_id=user, at=NINE, outcome="SUCCEEDED")
    await add(ApiKey, scopes=["VIEW_CUSTOMERS"])
    await add(
        Import, kind="WORK_ORDERS", status="FINISHED", started_by=user, started_at=NINE, row_count=tenant.mark.number,
        errors=[{"row": 1, "line": 2, "external_id": writer.text(tenant.mark), "outcome": "FAILED",
                 "errors": [{"column": "status", "message": writer.text(tenant.mark)}]}],
    )  # fmt: skip
    await _export(writer, tenant.rows, tenant.mark, user, None)


async def _export(
    writer: Writer, rows: dict[str, IdentifiedTable], mark: Mark, requested_by: str, customer: str | None
) -> None:
    access = {"permissions": ["EXPORT_DATA"], "customer_id": customer, "technician_id": None}
    await writer.add(
        rows, mark, BulkExport, format="NDJSON", status="READY", requested_by=requested_by, customer_id=customer,
        access=access, variables={"name": writer.text(mark)}, finished_at=NINE, expires_at=NINE,
    )  # fmt: skip


async def _account_rows(writer: Writer, tenant: Tenant, account: Account) -> None:
    async def add(model: type[Table], **values: Any) -> str:
        return await writer.add(account.rows, account.mark, model, **values)

    number, company = account.mark.number, tenant.rows
    coordinates = {"latitude": 52.5, "longitude": 13.4}
    customer = await add(Customer, type="RESIDENTIAL", currency="EUR", account_manager_id=company["usr"].id)
    account.customer_id = customer
    await add(Contact, customer_id=customer, role="OWNER")
    site = await add(
        Site, customer_id=customer, time_zone="Europe/Berlin", country="DE", territory_id=company["ter"].id,
        opening_hours={"0": [["08:00", "17:00"]]}, **coordinates,
    )  # fmt: skip
    device = await add(
        Equipment, customer_id=customer, site_id=site, model_id=company["emod"].id, category_id=company["ecat"].id,
        specifications={"code": writer.text(account.mark)},
    )  # fmt: skip
    user = await add(User, email=f"{writer.text(account.mark)}@example.com", roles=["TECHNICIAN"], time_zone=None)
    technician = await add(
        Technician, user_id=user, time_zone="Europe/Berlin", currency="EUR", territory_id=company["ter"].id,
        home_latitude=52.4, home_longitude=13.3, status="AVAILABLE", color="#102030",
    )  # fmt: skip
    account.technician_id = technician
    await _export(writer, account.rows, account.mark, user, customer)
    await User.filter(id=user).update(technician_id=technician)
    await add(
        TechnicianSkill, technician_id=technician, skill_id=company["skill"].id, level=3, expires_on=date(2040, 1, 1)
    )
    times = {"starts_at": NINE + timedelta(days=7), "ends_at": NINE + timedelta(days=7, hours=8)}
    await add(Shift, technician_id=technician, **times, break_minutes=30, overtime_minutes_max=0)
    await add(
        Absence,
        technician_id=technician,
        starts_at=NINE + timedelta(days=9),
        ends_at=NINE + timedelta(days=10),
        kind="SICK",
    )
    still = {"still_latitude": 52.5, "still_longitude": 13.4, "still_since": NINE}
    await add(Position, technician_id=technician, at=NINE, **still, **coordinates)
    await add(PositionSample, technician_id=technician, at=NINE, **coordinates)
    work_order = await add(
        WorkOrder, customer_id=customer, site_id=site, equipment_id=device, service_type_id=company["svc"].id,
        status="SUBMITTED", priority="HIGH", channel="PHONE", duration_minutes=60, currency="EUR", hold_reason=None,
        reason_code=None, required_skills={company["skill"].id: 2}, submitted_at=NINE, opened_by_user_id=company["usr"].id,
    )  # fmt: skip
    await add(LineItem, work_order_id=work_order, kind="LABOR", currency="EUR", quantity=Decimal(1))
    said = {"work_order_id": work_order, "author_kind": "STAFF", "author_id": company["usr"].id, "at": NINE}
    await writer.add({}, account.mark, Note, **said, visibility="CUSTOMER")
    await add(Note, **said, visibility="INTERNAL", text=f"{HIDDEN} {writer.text(account.mark)}")
    visit = {"work_order_id": work_order, "customer_id": customer}
    hour = {"starts_at": NINE, "ends_at": NINE + timedelta(hours=1)}
    appointment = await add(
        Appointment, **visit, **hour, site_id=site, number=number, status="SCHEDULED", duration_minutes=60,
        technician_ids=[technician], arrived_latitude=52.5, arrived_longitude=13.4, reason_code=None,
    )  # fmt: skip
    await add(
        SlotHold, **visit, **hour, appointment_id=appointment, status="CONFIRMED", window_start=NINE, window_end=NINE,
        technician_ids=[technician], held_by=company["usr"].id, expires_at=NINE,
    )  # fmt: skip
    await add(VisitShare, appointment_id=appointment, customer_id=customer, created_by=company["usr"].id)
    await add(Assignment, **visit, **hour, appointment_id=appointment, technician_id=technician)
    await add(
        TimeEntry,
        work_order_id=work_order,
        appointment_id=appointment,
        technician_id=technician,
        kind="REPAIR",
        started_at=NINE,
    )


async def _said(writer: Writer, tenant: Tenant, account: Account) -> None:
    """What is said to people about an account's visit."""
    rows = account.rows
    await writer.add(
        rows, account.mark, Alert, kind="VISIT_LATE", severity="WARNING", status="OPEN", subject_id=rows["apt"].id,
        work_order_id=rows["wo"].id, appointment_id=rows["apt"].id, customer_id=account.customer_id,
        territory_id=tenant.rows["ter"].id, technician_ids=[account.technician_id], raised_at=NINE, due_at=NINE,
        acknowledged_by_id=tenant.rows["usr"].id, resolved_by_id=tenant.rows["usr"].id,
    )  # fmt: skip
    about = {"work_order_id": rows["wo"].id, "customer_id": account.customer_id}
    conversation = await writer.add(
        rows, account.mark, Conversation, about_id=rows["wo"].id, **about, message_count=2, last_message_at=NINE,
        last_public_message_at=NINE,
    )  # fmt: skip
    written = {
        "conversation_id": conversation,
        "author_kind": "STAFF",
        "author_id": tenant.rows["usr"].id,
        "sent_at": NINE,
    }
    secret = f"{HIDDEN} {writer.text(account.mark)}"
    await writer.add({}, account.mark, Message, **about, **written, number=1, visibility="INTERNAL", text=secret)
    await writer.add(rows, account.mark, Message, **about, **written, number=2, visibility="EVERYONE")


async def _plan_rows(writer: Writer, tenant: Tenant) -> None:
    number = tenant.mark.number
    score = {"mandatory_points": number, "lateness_cents": number, "wishes_cents": number}
    figures = score | {"travel_minutes": number, "travel_metres": number}
    changes = dict.fromkeys(("ADDED", "MOVED", "KEPT", "UNASSIGNED"), number)
    run = await writer.add(
        tenant.rows, tenant.mark, PlanRun, day=DAY, time_zone="Europe/Berlin", status="READY", seconds=5,
        requested_by=tenant.rows["usr"].id, score=figures | {"changes": changes},
        progress={"elapsed_seconds": number, "score": score},
    )  # fmt: skip
    before = {"status": "SCHEDULED", "technician_ids": [tenant.second.technician_id],
              "starts_at": NINE.isoformat(), "ends_at": NINE.isoformat()}  # fmt: skip
    why = {"code": "FAR", "sentence": writer.text(tenant.mark), "subject": writer.text(tenant.mark), "deficit": number}
    await writer.add(
        tenant.rows, tenant.mark, PlannedVisit, run_id=run, appointment_id=tenant.first.rows["apt"].id,
        work_order_id=tenant.first.rows["wo"].id, technician_id=tenant.first.technician_id, change="MOVED",
        before=before, reasons=[why],
    )  # fmt: skip


async def _people(writer: Writer, tenant: Tenant) -> None:
    for role in Role:
        own: dict[str, str] = {}
        if role in CUSTOMER_ROLES:
            own = {"customer_id": tenant.first.customer_id}
        elif role is Role.TECHNICIAN:
            own = {"technician_id": tenant.first.technician_id}
        email = f"{role.lower()}.{writer.text(tenant.mark)}@example.com"
        user = await writer.add({}, tenant.mark, User, email=email, roles=[role.value], time_zone=None, **own)
        tenant.actors[role] = user_actor(tenant.organization_id, user, frozenset({role}), **own)
        rows = tenant.rows if role is Role.ADMINISTRATOR else {}
        about = {"user_id": user, "kind": "MESSAGE_RECEIVED", "subject_id": tenant.first.rows["msg"].id}
        await writer.add(rows, tenant.first.mark, Notification, **about)
    about["user_id"] = tenant.rows["usr"].id
    await writer.add({}, tenant.second.mark, Notification, **about)


async def _own_roles(writer: Writer, tenant: Tenant) -> None:
    """Who asks without a built-in role."""
    of_the_first: dict[str, Any] = {
        "customer_id": tenant.first.customer_id,
        "technician_id": tenant.first.technician_id,
    }
    wanted = {
        Reach.ORGANIZATION: (),
        Reach.OWN_WORK: ("technician_id",),
        Reach.ACCOUNT: ("customer_id",),
    }
    for name in (*OWN_ROLES, "OWN_ROLE_NARROW"):
        held, like = OTHERS[name]
        reach = REACHES[like]
        own = {word: of_the_first[word] for word in wanted[reach]}
        role = await writer.add(
            {}, tenant.mark, CustomRole, name=writer.text(tenant.mark), reach=reach.value, permissions=sorted(held)
        )
        email = f"{name.lower()}.{writer.text(tenant.mark)}@example.com"
        user = await writer.add(
            {}, tenant.mark, User, email=email, roles=[], custom_role_ids=[role], time_zone=None, **own
        )
        grants = frozenset({Grant(role, reach, held)})
        tenant.others[name] = user_actor(tenant.organization_id, user, frozenset(), grants=grants, **own)
    partner = frozenset({Role.PARTNER})
    tenant.others["API_KEY"] = Actor(
        tenant.organization_id, ActorKind.API_KEY, tenant.rows["key"].id, partner, OTHERS["API_KEY"][0]
    )
    tenant.others["SYSTEM"] = system_actor(tenant.organization_id)


async def _deeds(tenant: Tenant) -> None:
    manager = tenant.actors[Role.OPERATIONS_MANAGER]
    for account in (tenant.first, tenant.second):
        id = await work_orders.create_work_order(
            manager,
            customer_id=account.customer_id,
            site_id=account.rows["site"].id,
            summary=f"{account.mark.text}-deed",
        )
        await work_orders.add_note(manager, id, f"{HIDDEN} {account.mark.text}-deed")
        about = messaging.About(work_order_id=account.rows["wo"].id)
        for visibility in MessageVisibility:
            await messaging.send_message(manager, about, f"{account.mark.text}-deed", visibility=visibility)
        said = f"{account.mark.text}-renamed"
        await customers.update_customer(manager, account.customer_id, name=said)
        await customers.update_site(manager, account.rows["site"].id, name=said)
        await equipment.update_equipment(manager, account.rows["eq"].id, name=said)
        await technicians.update_technician(manager, account.technician_id, name=said)
        await scheduling.pin_appointment(manager, account.rows["apt"].id, when=True)


def _tables() -> dict[str, str]:
    """Tables with rows of an organization, and the column that says of which."""
    models: list[type[Model]] = [*_subclasses(Model)]
    owned = {
        table_of(one): "organization_id"
        for one in models
        if "organization_id" in one._meta.fields_map and not one._meta.abstract
    }
    return owned | {table_of(Organization): "id"}


def _subclasses(model: type[Model]) -> Iterator[type[Model]]:
    for one in model.__subclasses__():
        if one.__module__.startswith("app."):
            yield one
        yield from _subclasses(one)


async def ids_of(organization_id: str) -> set[str]:
    """The ids of all rows of an organization."""
    known = await snapshot(organization_id)
    return {str(row["id"]) for rows in known.values() for row in rows if "id" in row}


async def snapshot(organization_id: str) -> dict[str, list[dict[str, object]]]:
    """Every row of an organization, its journal and the head of it included."""
    mark = "?" if db.dialect() is Dialect.SQLITE else "$1"
    client = db.connection()
    assert table_of(JournalHead) in _tables()
    return {
        name: sorted(
            (
                dict(row)
                for row in await client.execute_query_dict(
                    f'SELECT * FROM "{name}" WHERE "{column}" = {mark}', [organization_id]
                )
            ),
            key=repr,
        )
        for name, column in sorted(_tables().items())
    }
