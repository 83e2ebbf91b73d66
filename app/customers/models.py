"""The tables of customers, contacts and sites."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from app.customers.rules import ContactRole, CustomerStatus, CustomerType, SlaTier
from app.infrastructure.conditions import Condition, column, exists
from app.infrastructure.personal_data import CONTACT, CUSTOMER, ERASED, are_people, of, personal, same_person
from app.infrastructure.search import searched
from app.infrastructure.tables import OwnedTable, listed, listed_by_rank, register
from app.kernel.actor import Actor

# Work that was offered or taken; what a technician declined or lost is no longer theirs to see.
OWN_WORK = ("PROPOSED", "ACCEPTED")


@register
class Customer(OwnedTable):
    """An account: a person or a company we work for."""

    prefix = "cus"
    noun = "customer"

    account_number = fields.CharField(max_length=40)
    name = fields.CharField(max_length=200)
    type = fields.CharField(max_length=32)
    status = fields.CharField(max_length=32, default=CustomerStatus.ACTIVE, db_default=CustomerStatus.ACTIVE.value)
    email = fields.CharField(max_length=254, null=True)
    phone = fields.CharField(max_length=20, null=True)
    language = fields.CharField(max_length=35, null=True)
    external_id = fields.CharField(max_length=200, null=True)
    account_manager: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=fields.OnDelete.RESTRICT, null=True
    )
    account_manager_id: str | None
    sla_tier = fields.CharField(max_length=32, default=SlaTier.STANDARD, db_default=SlaTier.STANDARD.value)
    credit_limit = fields.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = fields.CharField(max_length=3)
    notes = fields.TextField(default="")

    class Meta:
        table = "customer"
        unique_together = (("organization_id", "account_number"), ("organization_id", "external_id"))
        indexes = [
            listed("name"),
            listed("created_at"),
            listed("updated_at"),
            listed("status", "name"),
            listed("account_manager_id", "name"),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _of_customer(actor, "id")


@register
class Contact(OwnedTable):
    """Somebody at a customer."""

    prefix = "con"
    noun = "contact"

    customer: fields.ForeignKeyRelation[Customer] = fields.ForeignKeyField(
        "truckroll.Customer", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    customer_id: str
    name = fields.CharField(max_length=200)
    role = fields.CharField(max_length=32, default=ContactRole.OTHER, db_default=ContactRole.OTHER.value)
    email = fields.CharField(max_length=254, null=True)
    phone = fields.CharField(max_length=20, null=True)
    is_primary = fields.BooleanField(default=False, db_default=False)

    class Meta:
        table = "contact"
        indexes = [
            listed("name"),
            listed("created_at"),
            listed("customer_id", "name"),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _of_customer(actor, "customer_id")


@register
class Site(OwnedTable):
    """A place where work is done for a customer."""

    prefix = "site"
    noun = "site"
    encrypted = ("access_instructions",)

    customer: fields.ForeignKeyRelation[Customer] = fields.ForeignKeyField(
        "truckroll.Customer", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    customer_id: str
    name = fields.CharField(max_length=200)
    address_line = fields.CharField(max_length=300, default="")
    city = fields.CharField(max_length=120, default="")
    region = fields.CharField(max_length=120, default="")
    postal_code = fields.CharField(max_length=20, default="")
    country = fields.CharField(max_length=2, null=True)
    latitude = fields.FloatField(null=True)
    longitude = fields.FloatField(null=True)
    time_zone = fields.CharField(max_length=64)
    access_instructions = fields.TextField(default="")
    parking = fields.TextField(default="")
    hazards = fields.TextField(default="")
    opening_hours: fields.JSONField[dict[str, list[list[str]]]] = fields.JSONField(default=dict)
    territory: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "truckroll.Territory", related_name=False, on_delete=fields.OnDelete.RESTRICT, null=True
    )
    territory_id: str | None
    external_id = fields.CharField(max_length=200, null=True)
    is_active = fields.BooleanField(default=True, db_default=True)

    class Meta:
        table = "site"
        unique_together = (("organization_id", "external_id"),)
        indexes = [
            # Sites change rarely and are looked through in many ways, so every way has its index.
            listed("name"),
            listed("city"),
            listed("postal_code"),
            listed("created_at"),
            listed("updated_at"),
            listed("customer_id", "name"),
            listed("territory_id", "name"),
            Index(fields=("organization_id", "latitude", "longitude")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        own = super().visible_to(actor)
        if actor.is_technician_only:
            return own & visited_by(actor)
        return own & (column("customer_id") == actor.customer_id) if actor.is_customer else own


def visited_by(actor: Actor, site_column: str = "id") -> Condition:
    """The site that a column names is one to which the technician has or had an appointment."""
    visit = exists("assignment", "appointment_id", _work_of(actor))
    mine = (column("organization_id") == actor.organization_id) & visit
    return exists("appointment", "site_id", mine, ours=site_column)


def _work_of(actor: Actor) -> Condition:
    return (
        (column("organization_id") == actor.organization_id)
        & (column("technician_id") == actor.technician_id)
        & column("status").one_of(OWN_WORK)
    )


def _of_customer(actor: Actor, customer_column: str) -> Condition:
    own = column("organization_id") == actor.organization_id
    if actor.is_customer:
        return own & (column(customer_column) == actor.customer_id)
    if actor.is_technician_only:
        return own & exists("assignment", "customer_id", _work_of(actor), ours=customer_column)
    return own


# What only some may read, such as access instructions and notes, is not searched: to be found is to be told.
EXTRAS = [
    listed_by_rank(Customer, "sla_tier", SlaTier),
    searched(
        Customer, a=("account_number", "external_id"), b=("name",), c=("email", "phone"), numbers=("account_number",)
    ),
    searched(Contact, a=("name",), b=("email", "phone")),
    searched(Site, a=("name", "external_id"), b=("address_line", "city"), c=("postal_code", "region")),
]

are_people(Contact)
are_people(
    Customer,
    unless=lambda row: None if row.type == CustomerType.RESIDENTIAL else "This account is no person, but has contacts.",
    not_yet=lambda row: None if row.status == CustomerStatus.INACTIVE else "Archive the account first.",
)
same_person(Contact, "customer_id", CUSTOMER, both_ways=False)
personal(
    Customer,
    of(
        CUSTOMER,
        "id",
        erase={
            "name": ERASED,
            "status": CustomerStatus.INACTIVE.value,
            "email": None,
            "phone": None,
            "language": None,
            "external_id": None,
            "notes": "",
        },
    ),
    keeps={"account_manager_id": "who among us looked after the account"},
    mentions=("notes",),
    hidden=("notes",),
)
personal(
    Contact,
    of(CONTACT, "id", erase={"name": ERASED, "email": None, "phone": None}),
    keeps={"customer_id": "at which account somebody was"},
)
personal(
    Site,
    of(
        CUSTOMER,
        "customer_id",
        erase={
            "name": ERASED,
            "address_line": "",
            "postal_code": "",
            "latitude": None,
            "longitude": None,
            "access_instructions": "",
            "parking": "",
            "hazards": "",
            "opening_hours": {},
            "external_id": None,
        },
    ),
    keeps={"city": "figures by region", "region": "figures by region"},
    mentions=("parking", "hazards"),
    hidden=("access_instructions",),
)
