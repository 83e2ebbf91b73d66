"""What clients may see of customers, contacts and sites."""

from datetime import datetime
from decimal import Decimal

from app.company.models import Territory as TerritoryRow
from app.customers import models, rules
from app.customers.rules import ContactRole, CustomerStatus, CustomerType, SlaTier
from app.kernel.permissions import Permission
from schema.company.types import Territory, TerritoryFilter
from schema.identity.types import User
from schema.kit import (
    JSON,
    AreaInput,
    BooleanFilter,
    Connection,
    DateTimeFilter,
    DecimalFilter,
    EnumFilter,
    FloatFilter,
    IdFilter,
    Node,
    StringFilter,
    about,
    by,
    by_children,
    by_parent,
    by_search,
    children,
    col,
    computed,
    describe_enum,
    extends_filter,
    filterable,
    from_parent,
    group,
    orderable,
    parent,
    plain,
    ranked,
    readable,
    secret,
    within,
)

describe_enum(
    CustomerType,
    "What kind of account it is.",
    {
        CustomerType.RESIDENTIAL: "A private household.",
        CustomerType.SMALL_BUSINESS: "A company with few sites.",
        CustomerType.ENTERPRISE: "A company with many sites or a framework contract.",
        CustomerType.GOVERNMENT: "A public body.",
        CustomerType.NON_PROFIT: "A charity, school, church or association.",
    },
)
describe_enum(
    CustomerStatus,
    "Whether we work for the account.",
    {
        CustomerStatus.ACTIVE: "New work may be requested.",
        CustomerStatus.ON_HOLD: "What is promised is kept, nothing new is started.",
        CustomerStatus.INACTIVE: "Archived; everything stays readable.",
    },
)
describe_enum(
    SlaTier,
    "How much service the account has bought.",
    {
        SlaTier.STANDARD: "The usual terms.",
        SlaTier.SILVER: "Better than the usual terms.",
        SlaTier.GOLD: "Before silver when time is short.",
        SlaTier.PLATINUM: "Before everybody else.",
    },
)
describe_enum(
    ContactRole,
    "What somebody is to the account.",
    {
        ContactRole.OWNER: "It is their company or their home.",
        ContactRole.DECISION_MAKER: "Approves estimates and changes of scope.",
        ContactRole.SITE_MANAGER: "Looks after a site and lets technicians in.",
        ContactRole.TECHNICAL: "Knows the equipment.",
        ContactRole.BILLING: "Receives and pays invoices.",
        ContactRole.RESIDENT: "Lives where the work is done.",
        ContactRole.OTHER: "Anything else.",
    },
)


@plain
class AllowedCustomerStep:
    """A step that the account's lifecycle allows from where it is."""

    to: CustomerStatus = about("The status it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


@plain
class Coordinates:
    """A point on the map, WGS 84."""

    latitude: float = about("Degrees north, -90 to 90.")
    longitude: float = about("Degrees east, -180 to 180.")


@filterable(models.Contact)
class ContactFilter:
    """Which contacts."""

    id: IdFilter | None = by("Its id.")
    customer_id: IdFilter | None = by("At which customer.")
    name: StringFilter | None = by("What they are called.")
    role: EnumFilter[ContactRole] | None = by("What they are to the account.")
    email: StringFilter | None = by("Their e-mail address.")
    phone: StringFilter | None = by("Their phone number, as E.164.")
    is_primary: BooleanFilter | None = by("Whether they are asked first.")
    created_at: DateTimeFilter | None = by("When they were added.")
    updated_at: DateTimeFilter | None = by("When they were changed last.")
    search: str | None = by_search("the name, the e-mail address or the phone number", models.Contact)


ContactOrder = orderable(
    "ContactOrder",
    models.Contact,
    default=("name",),
    name="What they are called.",
    created_at="When they were added.",
    role="What they are to the account.",
    email="Where to write to.",
    phone="Where to call, as E.164, such as +12125550100.",
    is_primary="Whether they are asked first. Every account with contacts has one such contact.",
    updated_at="When they were changed last.",
    customer_name=from_parent("The customer's name.", models.Customer, "name", via="customer_id"),
)


@readable(models.Contact, permission=Permission.VIEW_CUSTOMERS)
class Contact(Node):
    """Somebody to call or write to at a customer."""

    version: int = col("Counts up with every change.")
    name: str = col("What they are called.")
    role: ContactRole = col("What they are to the account.")
    email: str | None = col("The e-mail address; null if none is known.")
    phone: str | None = col("The phone number as E.164, such as +12125550100; null if none is known.")
    is_primary: bool = col("Whether they are asked first. Every account with contacts has one such contact.")
    created_at: datetime = col("When they were added.")
    updated_at: datetime = col("When they were changed last.")
    customer: "Customer" = parent("At whom they are.")


@filterable(models.Site)
class SiteFilter:
    """Which sites."""

    id: IdFilter | None = by("Its id.")
    customer_id: IdFilter | None = by("Of which customer.")
    name: StringFilter | None = by("What it is called.")
    address_line: StringFilter | None = by("Street and number.")
    city: StringFilter | None = by("City.")
    region: StringFilter | None = by("State, province or canton.")
    postal_code: StringFilter | None = by("Postal code.")
    country: StringFilter | None = by("Two-letter country code.")
    territory_id: IdFilter | None = by("In which territory.")
    external_id: StringFilter | None = by("Its id in another system.")
    is_active: BooleanFilter | None = by("Whether it is in use; archived sites are not.")
    latitude: FloatFilter | None = by("How far north.")
    longitude: FloatFilter | None = by("How far east.")
    time_zone: StringFilter | None = by("IANA zone by whose clocks visits are promised, such as America/New_York.")
    parking: StringFilter | None = by("Where to leave the van.")
    hazards: StringFilter | None = by("What to be careful of: dogs, asbestos, roofs.")
    created_at: DateTimeFilter | None = by("When it was added.")
    updated_at: DateTimeFilter | None = by("When it was changed last.")
    within: AreaInput | None = by("On this part of the map.", where=lambda _actor, area: within(area))
    territory: TerritoryFilter | None = by_parent("The part of the area served that it lies in.")
    search: str | None = by_search("the name, the address or the external id", models.Site)


SiteOrder = orderable(
    "SiteOrder",
    models.Site,
    default=("name",),
    name="What it is called.",
    city="City.",
    postal_code="Postal code.",
    created_at="When it was added.",
    updated_at="When it was changed last.",
    address_line="Street and number.",
    region="State, province or canton.",
    country="Two-letter country code, ISO 3166-1.",
    time_zone="IANA zone by whose clocks visits are promised, such as America/New_York.",
    external_id="Its id in another system, unique in the organization.",
    is_active="Whether it is in use; an archived site takes no new work.",
    customer_name=from_parent("The customer's name.", models.Customer, "name", via="customer_id"),
    territory_name=from_parent(
        "The territory's name; those without come last.", TerritoryRow, "name", via="territory_id"
    ),
)


@readable(models.Site, permission=Permission.VIEW_CUSTOMERS)
class Site(Node):
    """A place where work is done for a customer."""

    version: int = col("Counts up with every change.")
    name: str = col("What it is called.")
    address_line: str = col("Street and number.")
    city: str = col("City.", facet=True)
    region: str = col("State, province or canton.")
    postal_code: str = col("Postal code.")
    country: str | None = col("Two-letter country code, ISO 3166-1.", facet=True)
    coordinates: Coordinates | None = group(
        "Where it is on the map; missing until somebody says.",
        latitude="latitude",
        longitude="longitude",
        null_without="latitude",
    )
    time_zone: str = col("IANA zone by whose clocks visits are promised, such as America/New_York.")
    access_instructions: str | None = secret(
        "How to get in: codes, keys, whom to ring.", permission=Permission.VIEW_ACCESS_CODES
    )
    parking: str = col("Where to leave the van.")
    hazards: str = col("What to be careful of: dogs, asbestos, roofs.")
    opening_hours: JSON = col('When it is open, 0 is Monday: {"0": [["08:00", "17:00"]]}; empty means always.')
    external_id: str | None = col("Its id in another system, unique in the organization.")
    is_active: bool = col("Whether it is in use; an archived site takes no new work.", facet=True)
    created_at: datetime = col("When it was added.")
    updated_at: datetime = col("When it was changed last.")
    customer: "Customer" = parent("Whose site it is.", facet="name")
    territory: Territory = parent("The part of the area served that it lies in.", facet="name")


def steps_of(status: str) -> list[AllowedCustomerStep]:
    """The steps that the lifecycle allows from a status."""
    allowed = rules.CUSTOMER_LIFECYCLE.allowed(CustomerStatus(status))
    return [AllowedCustomerStep(to=step.to, blocked_by=list(step.blocked_by)) for step in allowed]


@filterable(models.Customer)
class CustomerFilter:
    """Which customers."""

    id: IdFilter | None = by("Its id.")
    account_number: StringFilter | None = by("Its number.")
    name: StringFilter | None = by("What it is called.")
    type: EnumFilter[CustomerType] | None = by("What kind of account it is.")
    status: EnumFilter[CustomerStatus] | None = by("Whether we work for it.")
    sla_tier: EnumFilter[SlaTier] | None = by("How much service it has bought.")
    email: StringFilter | None = by("Its e-mail address.")
    phone: StringFilter | None = by("Its phone number, as E.164.")
    external_id: StringFilter | None = by("Its id in another system.")
    account_manager_id: IdFilter | None = by("Whose account it is among us.", permission=Permission.VIEW_INTERNAL_NOTES)
    created_at: DateTimeFilter | None = by("When it was opened.")
    updated_at: DateTimeFilter | None = by("When it was changed last.")
    language: StringFilter | None = by("What it is written to in: a BCP 47 tag, such as en or pt-BR.")
    currency: StringFilter | None = by("In which currency it pays, ISO 4217.")
    credit_limit: DecimalFilter | None = by("How much it may owe us; missing means no limit.")
    notes: StringFilter | None = by("What we know and the customer does not read.")
    search: str | None = by_search(
        "the number, the name, the e-mail address, the phone number or the external id", models.Customer
    )
    contacts: ContactFilter | None = by_children("Whom to call or write to.", via="customer_id")
    sites: SiteFilter | None = by_children("Where work is done for it.", via="customer_id")


CustomerOrder = orderable(
    "CustomerOrder",
    models.Customer,
    default=("name",),
    name="What it is called.",
    account_number="Its number.",
    created_at="When it was opened.",
    updated_at="When it was changed last.",
    sla_tier=ranked("How much service it has bought, least first.", "sla_tier", [tier.value for tier in SlaTier]),
    type="What kind of account it is.",
    status="Whether we work for it.",
    email="Where to write to.",
    phone="Where to call, as E.164, such as +12125550100.",
    language="What it is written to in: a BCP 47 tag, such as en or pt-BR.",
    external_id="Its id in another system, unique in the organization.",
    currency="In which currency it pays, ISO 4217.",
    credit_limit="How much it may owe us; missing means no limit.",
)


@extends_filter(ContactFilter)
class ContactsCustomer:
    """At whom they are."""

    customer: CustomerFilter | None = by_parent("At whom they are.")


@extends_filter(SiteFilter)
class SitesCustomer:
    """Whose site it is."""

    customer: CustomerFilter | None = by_parent("Whose site it is.")


@readable(models.Customer, permission=Permission.VIEW_CUSTOMERS)
class Customer(Node):
    """An account: a person or a company we work for."""

    version: int = col("Counts up with every change.")
    account_number: str = col("Human number, unique in the organization.")
    name: str = col("What it is called.")
    type: CustomerType = col("What kind of account it is.", facet=True)
    status: CustomerStatus = col("Whether we work for it.", facet=True)
    allowed_transitions: list[AllowedCustomerStep] = computed(
        "Steps its lifecycle allows from here.", steps_of, needs=("status",)
    )
    email: str | None = col("The e-mail address; null if none is known.")
    phone: str | None = col("The phone number as E.164, such as +12125550100; null if none is known.")
    language: str | None = col("What it is written to in: a BCP 47 tag, such as en or pt-BR.")
    external_id: str | None = col("Its id in another system, unique in the organization.")
    sla_tier: SlaTier = col("How much service it has bought.", facet=True)
    currency: str = col("In which currency it pays, ISO 4217.")
    credit_limit: Decimal | None = col(
        "How much it may owe us, in its currency; null means no limit.", permission=Permission.VIEW_PRICES, totals=True
    )
    notes: str | None = col("What we know and the customer does not read.", permission=Permission.VIEW_INTERNAL_NOTES)
    created_at: datetime = col("When it was opened.", facet=True)
    updated_at: datetime = col("When it was changed last.")
    account_manager: User = parent("Who looks after it among us.")
    contacts: Connection[Contact] = children(
        "Whom to call or write to.", via="customer_id", filter=ContactFilter, order=ContactOrder
    )
    sites: Connection[Site] = children(
        "Where work is done for it.", via="customer_id", filter=SiteFilter, order=SiteOrder
    )
