"""What people do to customers, their contacts and their sites."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from app.company import queries as company
from app.company.commands import next_free_number
from app.company.models import Territory
from app.company.rules import require_country, require_currency, require_week
from app.customers import events, models, rules
from app.customers.rules import ContactRole, CustomerStatus, CustomerType, SlaTier
from app.identity.models import User
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import (
    add_row,
    change_row,
    find_one,
    find_rows,
    lock_one,
    require_text,
    require_unused,
)
from app.kernel.actor import Actor
from app.kernel.calendar import zone
from app.kernel.contact_details import email_address, phone_number
from app.kernel.errors import Conflict, InvalidInput
from app.kernel.permissions import Permission

Cleaner = Callable[[Any], Any]


class CustomerDetails(TypedDict, total=False):
    """What an account may have from the start. Currency is the organization's unless it is named."""

    email: str | None
    phone: str | None
    language: str | None
    external_id: str | None
    account_manager_id: str | None
    sla_tier: SlaTier
    credit_limit: Decimal | None
    currency: str
    notes: str


class CustomerChanges(CustomerDetails, total=False):
    """What can change about an account besides its status; its number stays."""

    name: str
    type: CustomerType


class ContactDetails(TypedDict, total=False):
    """What a contact may have."""

    role: ContactRole
    email: str | None
    phone: str | None
    is_primary: bool


class ContactChanges(ContactDetails, total=False):
    """What can change about a contact."""

    name: str


class SiteDetails(TypedDict, total=False):
    """What a site may have. Time zone and country are the organization's unless they are named."""

    address_line: str
    city: str
    region: str
    postal_code: str
    country: str
    latitude: float | None
    longitude: float | None
    time_zone: str
    access_instructions: str
    parking: str
    hazards: str
    opening_hours: Mapping[str, list[list[str]]]
    territory_id: str | None
    external_id: str | None


class SiteChanges(SiteDetails, total=False):
    """What can change about a site; it stays with its customer."""

    name: str


def _text(path: str, longest: int, shortest: int = 0) -> Cleaner:
    return lambda value: require_text(value, path, longest=longest, shortest=shortest)


def _unless_empty(clean: Cleaner) -> Cleaner:
    """Nothing and blanks alike are no value."""
    return lambda value: clean(value) if value is not None and value.strip() else None


def _opening_hours(week: object) -> dict[str, list[list[str]]]:
    if not isinstance(week, Mapping):
        raise InvalidInput("Opening hours are an object of days, 0 is Monday.", path=["openingHours"])
    try:
        return require_week(week)
    except InvalidInput as problem:
        raise InvalidInput(problem.message, path=["openingHours", *problem.path[1:]]) from None


def _as_it_is(value: Any) -> Any:
    return value


CUSTOMER_FIELDS: dict[str, Cleaner] = {
    "name": _text("name", 200, 1),
    "type": CustomerType,
    "email": _unless_empty(email_address),
    "phone": _as_it_is,  # needs the organization's country
    "language": _unless_empty(rules.require_language),
    "external_id": _unless_empty(_text("externalId", 200)),
    "account_manager_id": _as_it_is,
    "sla_tier": SlaTier,
    "credit_limit": _as_it_is,  # needs the currency
    "currency": require_currency,
    "notes": _text("notes", 10_000),
}
CONTACT_FIELDS: dict[str, Cleaner] = {
    "name": _text("name", 200, 1),
    "role": ContactRole,
    "email": _unless_empty(email_address),
    "phone": _as_it_is,  # needs the organization's country
    "is_primary": bool,
}
SITE_FIELDS: dict[str, Cleaner] = {
    "name": _text("name", 200, 1),
    "address_line": _text("addressLine", 300),
    "city": _text("city", 120),
    "region": _text("region", 120),
    "postal_code": _text("postalCode", 20),
    "country": require_country,
    "latitude": _as_it_is,
    "longitude": _as_it_is,
    "time_zone": lambda value: zone(value).key,
    "access_instructions": _text("accessInstructions", 4_000),
    "parking": _text("parking", 2_000),
    "hazards": _text("hazards", 2_000),
    "opening_hours": _opening_hours,
    "territory_id": _as_it_is,
    "external_id": _unless_empty(_text("externalId", 200)),
}


def _cleaned(cleaners: Mapping[str, Cleaner], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given, each checked; a name that is not in the table is a bug of the caller."""
    return {name: cleaners[name](value) for name, value in values.items()}


@command(Permission.MANAGE_CUSTOMERS)
async def create_customer(
    actor: Actor,
    *,
    name: str,
    type: CustomerType,
    account_number: str | None = None,
    id: str | None = None,
    **details: Unpack[CustomerDetails],
) -> str:
    """Open an account. It gets the next account number unless it brings its own."""
    if details.get("credit_limit") is not None:
        actor.require(Permission.SET_PRICES)
    organization = await company.get_organization(actor)
    values = _cleaned(CUSTOMER_FIELDS, {"name": name, "type": type, "currency": organization.currency, **details})
    values = await _checked_customer(actor, values, country=organization.country)
    number = _unless_empty(_text("accountNumber", 40))(account_number)
    await require_unused(models.Customer, actor, "account_number", number, path="accountNumber")
    row = await add_row(
        models.Customer,
        id=id,
        organization_id=actor.organization_id,
        account_number=number or await next_free_number(actor, "CUSTOMER", models.Customer, "account_number"),
        status=CustomerStatus.ACTIVE,
        **values,
    )
    journal.record(events.CustomerCreated(subject_id=row.id, customer_id=row.id, account_number=row.account_number))
    return row.id


@command(Permission.MANAGE_CUSTOMERS)
async def update_customer(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[CustomerChanges]
) -> str:
    """Change an account's details."""
    row = await lock_one(models.Customer, actor, id, version=version)
    values = _cleaned(CUSTOMER_FIELDS, changes)
    country = (await company.get_organization(actor)).country if values.get("phone") else None
    if "credit_limit" in changes and changes["credit_limit"] != row.credit_limit:
        actor.require(Permission.SET_PRICES)
    if "credit_limit" in values or "currency" in values:
        values = {"credit_limit": row.credit_limit, "currency": row.currency, **values}
    changed = await change_row(row, **await _checked_customer(actor, values, country=country, by=row.id))
    terms = {name: change for name, change in changed.items() if name in rules.CUSTOMER_TERMS}
    details = {name: change for name, change in changed.items() if name not in rules.CUSTOMER_TERMS}
    if details:
        journal.record(events.CustomerUpdated(subject_id=row.id, customer_id=row.id, changes=details))
    if terms:
        journal.record(events.CustomerTermsUpdated(subject_id=row.id, changes=terms))
    return row.id


@command(Permission.MANAGE_CUSTOMERS)
async def hold_customer(actor: Actor, id: str, *, reason: str, version: int | None = None) -> str:
    """Put an account on hold: nothing new is started for it until it is reactivated."""
    return await _change_status(actor, id, CustomerStatus.ON_HOLD, require_text(reason, "reason", longest=500), version)


@command(Permission.MANAGE_CUSTOMERS)
async def reactivate_customer(actor: Actor, id: str, *, reason: str = "", version: int | None = None) -> str:
    """Take an account up again that was on hold or archived."""
    return await _change_status(actor, id, CustomerStatus.ACTIVE, _text("reason", 500)(reason), version)


@command(Permission.MANAGE_CUSTOMERS)
async def archive_customer(actor: Actor, id: str, *, reason: str = "", version: int | None = None) -> str:
    """Make an account inactive; everything it had stays readable."""
    return await _change_status(actor, id, CustomerStatus.INACTIVE, _text("reason", 500)(reason), version)


async def _change_status(actor: Actor, id: str, to: CustomerStatus, reason: str, version: int | None) -> str:
    row = await lock_one(models.Customer, actor, id, version=version)
    rules.CUSTOMER_LIFECYCLE.require(CustomerStatus(row.status), to)
    changed = await change_row(row, status=to)
    journal.record(events.CustomerStatusChanged(subject_id=row.id, reason=reason, changes=changed))
    return row.id


async def _checked_customer(
    actor: Actor, values: dict[str, Any], *, country: str | None, by: str = ""
) -> dict[str, Any]:
    """The values once more, where a check needs the database or another value."""
    if values.get("account_manager_id") is not None:
        await find_one(User, actor, values["account_manager_id"], path="accountManagerId")
    await require_unused(models.Customer, actor, "external_id", values.get("external_id"), path="externalId", by=by)
    if "credit_limit" in values:
        values["credit_limit"] = rules.require_credit_limit(values["credit_limit"], values["currency"])
    return _with_phone(values, country)


def _with_phone(values: dict[str, Any], country: str | None) -> dict[str, Any]:
    if "phone" in values:
        values["phone"] = _unless_empty(lambda text: phone_number(text, country))(values["phone"])
    return values


@command(Permission.MANAGE_CUSTOMERS)
async def create_contact(
    actor: Actor, *, customer_id: str, name: str, id: str | None = None, **details: Unpack[ContactDetails]
) -> str:
    """Add somebody to call or write to. The first one is the primary contact whatever is asked."""
    customer = await lock_one(models.Customer, actor, customer_id, path="customerId")
    values = await _checked_contact(actor, _cleaned(CONTACT_FIELDS, {"name": name, **details}))
    primary = await _primary_contact(customer)
    if primary is not None and values.get("is_primary"):
        await _give_up_primary(primary)
    row = await add_row(
        models.Contact,
        id=id,
        organization_id=actor.organization_id,
        customer_id=customer.id,
        **{**values, "is_primary": primary is None or bool(values.get("is_primary"))},
    )
    journal.record(events.ContactCreated(subject_id=row.id, customer_id=customer.id))
    return row.id


@command(Permission.MANAGE_CUSTOMERS)
async def update_contact(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[ContactChanges]
) -> str:
    """Change a contact. Making one the primary contact takes the mark from the other; it cannot just be given up."""
    customer_id = (await find_one(models.Contact, actor, id)).customer_id
    customer = await lock_one(models.Customer, actor, customer_id)
    row = await lock_one(models.Contact, actor, id, version=version)
    values = await _checked_contact(actor, _cleaned(CONTACT_FIELDS, changes))
    if row.is_primary and values.get("is_primary") is False:
        raise Conflict("Make another contact the primary one instead.", path=["isPrimary"])
    if values.get("is_primary") and not row.is_primary and (primary := await _primary_contact(customer)):
        await _give_up_primary(primary)
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.ContactUpdated(subject_id=row.id, customer_id=customer.id, changes=changed))
    return row.id


@command(Permission.MANAGE_CUSTOMERS)
async def remove_contact(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Forget a contact. The oldest one left becomes the primary contact if this was it. Answers the customer's id."""
    customer_id = (await find_one(models.Contact, actor, id)).customer_id
    customer = await lock_one(models.Customer, actor, customer_id)
    row = await lock_one(models.Contact, actor, id, version=version)
    await models.Contact.filter(id=row.id).delete()
    journal.record(events.ContactRemoved(subject_id=row.id, customer_id=customer.id))
    left = await find_rows(models.Contact, _contacts_of(customer), order=["created_at", "id"], limit=1)
    if row.is_primary and left:
        changed = await change_row(left[0], is_primary=True)
        journal.record(events.ContactUpdated(subject_id=left[0].id, customer_id=customer.id, changes=changed))
    return customer.id


async def _checked_contact(actor: Actor, values: dict[str, Any]) -> dict[str, Any]:
    country = (await company.get_organization(actor)).country if values.get("phone") else None
    return _with_phone(values, country)


def _contacts_of(customer: models.Customer) -> Any:
    return (column("organization_id") == customer.organization_id) & (column("customer_id") == customer.id)


async def _primary_contact(customer: models.Customer) -> models.Contact | None:
    """Whoever has the mark. The customer's row is locked by the caller, so that two changes cannot leave two."""
    found = await find_rows(models.Contact, _contacts_of(customer) & (column("is_primary") == True))  # noqa: E712
    return found[0] if found else None


async def _give_up_primary(row: models.Contact) -> None:
    changed = await change_row(row, is_primary=False)
    journal.record(events.ContactUpdated(subject_id=row.id, customer_id=row.customer_id, changes=changed))


@command(Permission.MANAGE_CUSTOMERS)
async def create_site(
    actor: Actor, *, customer_id: str, name: str, id: str | None = None, **details: Unpack[SiteDetails]
) -> str:
    """Add a place where work is done for a customer."""
    customer = await find_one(models.Customer, actor, customer_id, path="customerId")
    organization = await company.get_organization(actor)
    defaults = {"time_zone": organization.time_zone, "country": organization.country}
    values = _cleaned(SITE_FIELDS, {**defaults, "name": name, **details})
    await _require_site(actor, values)
    row = await add_row(models.Site, id=id, organization_id=actor.organization_id, customer_id=customer.id, **values)
    journal.record(events.SiteCreated(subject_id=row.id, customer_id=customer.id))
    return row.id


@command(Permission.MANAGE_CUSTOMERS)
async def update_site(actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[SiteChanges]) -> str:
    """Change a site's details."""
    row = await lock_one(models.Site, actor, id, version=version)
    values = _cleaned(SITE_FIELDS, changes)
    if "latitude" in values or "longitude" in values:
        values = {"latitude": row.latitude, "longitude": row.longitude, **values}
    await _require_site(actor, values, by=row.id)
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.SiteUpdated(subject_id=row.id, customer_id=row.customer_id, changes=changed))
    return row.id


@command(Permission.MANAGE_CUSTOMERS)
async def archive_site(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Take a site out of use; its history stays readable. An archived one stays as it is."""
    row = await lock_one(models.Site, actor, id, version=version)
    changed = await change_row(row, is_active=False)
    if changed:
        journal.record(events.SiteArchived(subject_id=row.id, customer_id=row.customer_id, changes=changed))
    return row.id


@command(Permission.MANAGE_CUSTOMERS)
async def restore_site(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Take an archived site into use again."""
    row = await lock_one(models.Site, actor, id, version=version)
    changed = await change_row(row, is_active=True)
    if changed:
        journal.record(events.SiteRestored(subject_id=row.id, customer_id=row.customer_id, changes=changed))
    return row.id


async def _require_site(actor: Actor, values: Mapping[str, Any], *, by: str = "") -> None:
    """What a site's values need from the database or from each other."""
    rules.require_place(values.get("latitude"), values.get("longitude"))
    if values.get("territory_id") is not None:
        await find_one(Territory, actor, values["territory_id"], path="territoryId")
    await require_unused(models.Site, actor, "external_id", values.get("external_id"), path="externalId", by=by)
