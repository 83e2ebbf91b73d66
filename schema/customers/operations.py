"""What clients may ask about customers, do to them, and hear of them."""

from decimal import Decimal
from typing import Annotated

from app.customers import commands
from app.customers.rules import ContactRole, CustomerType, SlaTier
from app.infrastructure.conditions import Condition, column
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, Conflict, IllegalTransition, StaleVersion
from app.kernel.permissions import Permission
from schema.customers.types import (
    Contact,
    ContactFilter,
    ContactOrder,
    Customer,
    CustomerFilter,
    CustomerOrder,
    Site,
    SiteFilter,
    SiteOrder,
)
from schema.kit import ID, JSON, Connection, Maybe, about, arg, given, inputs, many, mutation, one
from schema.kit.live import changed

VERSION = "The version you saw; refused when it is not the current one. Leave it out to change whatever is there."
NEW_ID = "Your own id for it, so that you may send this again; without it we make one."


def by_account_number(actor: Actor, account_number: Annotated[str, arg("The number, such as C-000123.")]) -> Condition:
    """The account of that number."""
    return column("account_number") == account_number


def by_external_id(actor: Actor, external_id: Annotated[str, arg("The id in the other system.")]) -> Condition:
    """What another system knows by that id."""
    return column("external_id") == external_id


class Queries:
    """What clients may ask."""

    customer: Customer | None = one("One customer.", permission=Permission.VIEW_CUSTOMERS)
    customer_by_account_number: Customer | None = one(
        "The customer with this account number.", permission=Permission.VIEW_CUSTOMERS, where=by_account_number
    )
    customer_by_external_id: Customer | None = one(
        "The customer that another system knows by this id.",
        permission=Permission.VIEW_CUSTOMERS,
        where=by_external_id,
    )
    customers: Connection[Customer] = many(
        "The customers you may see, by name unless you say otherwise.",
        permission=Permission.VIEW_CUSTOMERS,
        filter=CustomerFilter,
        order=CustomerOrder,
    )
    contact: Contact | None = one("One contact.", permission=Permission.VIEW_CUSTOMERS)
    contacts: Connection[Contact] = many(
        "The contacts you may see, of all customers.",
        permission=Permission.VIEW_CUSTOMERS,
        filter=ContactFilter,
        order=ContactOrder,
    )
    site: Site | None = one("One site.", permission=Permission.VIEW_CUSTOMERS)
    site_by_external_id: Site | None = one(
        "The site that another system knows by this id.", permission=Permission.VIEW_CUSTOMERS, where=by_external_id
    )
    sites: Connection[Site] = many(
        "The sites you may see, of all customers.",
        permission=Permission.VIEW_CUSTOMERS,
        filter=SiteFilter,
        order=SiteOrder,
    )


@inputs
class CreateCustomerInput:
    """A new account."""

    name: str = about("What it is called, 1 to 200 characters.")
    type: CustomerType = about("What kind of account it is.")
    id: ID | None = about(NEW_ID, default=None)
    account_number: str | None = about("Its number, if it has one; else it gets the next one.", default=None)
    email: Maybe[str | None] = about("Where to write to.")
    phone: Maybe[str | None] = about("Where to call; a national number is read by the rules of your own country.")
    language: Maybe[str | None] = about("What it is written to in: a BCP 47 tag.")
    external_id: Maybe[str | None] = about("Its id in another system; taken once in the organization.")
    account_manager_id: Maybe[ID | None] = about("The user who looks after it.")
    sla_tier: Maybe[SlaTier] = about("How much service it has bought; STANDARD unless you say otherwise.")
    credit_limit: Maybe[Decimal | None] = about("How much it may owe us; missing means no limit.")
    currency: Maybe[str] = about("In which currency it pays; your organization's unless you say otherwise.")
    notes: Maybe[str] = about("What we know and the customer does not read.")


@inputs
class UpdateCustomerInput:
    """What is to change about an account. Only what is given is changed; null clears a value."""

    id: ID = about("Which customer.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What it is called.")
    type: Maybe[CustomerType] = about("What kind of account it is.")
    email: Maybe[str | None] = about("Where to write to.")
    phone: Maybe[str | None] = about("Where to call.")
    language: Maybe[str | None] = about("What it is written to in: a BCP 47 tag.")
    external_id: Maybe[str | None] = about("Its id in another system.")
    account_manager_id: Maybe[ID | None] = about("The user who looks after it.")
    sla_tier: Maybe[SlaTier] = about("How much service it has bought.")
    credit_limit: Maybe[Decimal | None] = about("How much it may owe us, in its currency; null means no limit.")
    currency: Maybe[str] = about("In which currency it pays, an ISO 4217 code.")
    notes: Maybe[str] = about("What we know and the customer does not read.")


@inputs
class HoldCustomerInput:
    """An account to put on hold, and why."""

    id: ID = about("Which customer.")
    reason: str = about("Why; the customer does not read it.")
    version: int | None = about(VERSION, default=None)


@inputs
class ReactivateCustomerInput:
    """An account to take up again."""

    id: ID = about("Which customer.")
    reason: str = about("Why; the customer does not read it.", default="")
    version: int | None = about(VERSION, default=None)


@inputs
class ArchiveCustomerInput:
    """An account to archive."""

    id: ID = about("Which customer.")
    reason: str = about("Why; the customer does not read it.", default="")
    version: int | None = about(VERSION, default=None)


@inputs
class CreateContactInput:
    """Somebody to call or write to at a customer."""

    customer_id: ID = about("At which customer.")
    name: str = about("What they are called, 1 to 200 characters.")
    id: ID | None = about(NEW_ID, default=None)
    role: Maybe[ContactRole] = about("What they are to the account; OTHER unless you say otherwise.")
    email: Maybe[str | None] = about("Where to write to.")
    phone: Maybe[str | None] = about("Where to call; a national number is read by the rules of your own country.")
    is_primary: Maybe[bool] = about("Ask them first. The first contact of an account is asked first in any case.")


@inputs
class UpdateContactInput:
    """What is to change about a contact. Only what is given is changed; null clears a value."""

    id: ID = about("Which contact.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What they are called.")
    role: Maybe[ContactRole] = about("What they are to the account.")
    email: Maybe[str | None] = about("Where to write to.")
    phone: Maybe[str | None] = about("Where to call.")
    is_primary: Maybe[bool] = about("True takes the mark from who has it; it cannot just be given up.")


@inputs
class RemoveContactInput:
    """A contact to forget."""

    id: ID = about("Which contact.")
    version: int | None = about(VERSION, default=None)


@inputs
class CreateSiteInput:
    """A place where work is done."""

    customer_id: ID = about("Whose site it is.")
    name: str = about("What it is called, 1 to 200 characters.")
    id: ID | None = about(NEW_ID, default=None)
    address_line: Maybe[str] = about("Street and number.")
    city: Maybe[str] = about("City.")
    region: Maybe[str] = about("State, province or canton.")
    postal_code: Maybe[str] = about("Postal code.")
    country: Maybe[str] = about("Two-letter country code; your organization's unless you say otherwise.")
    latitude: Maybe[float | None] = about("Degrees north; only together with the longitude.")
    longitude: Maybe[float | None] = about("Degrees east; only together with the latitude.")
    time_zone: Maybe[str] = about("IANA zone; your organization's unless you say otherwise.")
    access_instructions: Maybe[str] = about("How to get in. Shown only to those who may see access codes.")
    parking: Maybe[str] = about("Where to leave the van.")
    hazards: Maybe[str] = about("What to be careful of.")
    opening_hours: Maybe[JSON] = about('When it is open, 0 is Monday: {"0": [["08:00", "17:00"]]}.')
    territory_id: Maybe[ID | None] = about("The part of the area served that it lies in.")
    external_id: Maybe[str | None] = about("Its id in another system; taken once in the organization.")


@inputs
class UpdateSiteInput:
    """What is to change about a site. Only what is given is changed; null clears a value."""

    id: ID = about("Which site.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What it is called.")
    address_line: Maybe[str] = about("Street and number.")
    city: Maybe[str] = about("City.")
    region: Maybe[str] = about("State, province or canton.")
    postal_code: Maybe[str] = about("Postal code.")
    country: Maybe[str] = about("Two-letter country code, ISO 3166-1.")
    latitude: Maybe[float | None] = about("Degrees north, -90 to 90; null for both takes the site off the map.")
    longitude: Maybe[float | None] = about("Degrees east, -180 to 180; null for both takes the site off the map.")
    time_zone: Maybe[str] = about("IANA zone by whose clocks visits are promised, such as America/New_York.")
    access_instructions: Maybe[str] = about("How to get in.")
    parking: Maybe[str] = about("Where to leave the van.")
    hazards: Maybe[str] = about("What to be careful of.")
    opening_hours: Maybe[JSON] = about('When it is open, 0 is Monday: {"0": [["08:00", "17:00"]]}.')
    territory_id: Maybe[ID | None] = about("The part of the area served that it lies in.")
    external_id: Maybe[str | None] = about("Its id in another system.")


@inputs
class ArchiveSiteInput:
    """A site to take out of use."""

    id: ID = about("Which site.")
    version: int | None = about(VERSION, default=None)


@inputs
class RestoreSiteInput:
    """A site to take into use again."""

    id: ID = about("Which site.")
    version: int | None = about(VERSION, default=None)


class Mutations:
    """What clients may do."""

    @mutation(Customer, "Opens an account.", permission=Permission.MANAGE_CUSTOMERS, problems=(AlreadyExists,))
    async def create_customer(actor: Actor, input: CreateCustomerInput) -> str:
        return await commands.create_customer(
            actor,
            id=input.id,
            name=input.name,
            type=input.type,
            account_number=input.account_number,
            **given(input),
        )

    @mutation(
        Customer,
        "Changes an account's details.",
        permission=Permission.MANAGE_CUSTOMERS,
        problems=(AlreadyExists, StaleVersion),
    )
    async def update_customer(actor: Actor, input: UpdateCustomerInput) -> str:
        return await commands.update_customer(actor, input.id, version=input.version, **given(input))

    @mutation(
        Customer,
        "Puts an account on hold: what is promised is kept, nothing new is started.",
        permission=Permission.MANAGE_CUSTOMERS,
        problems=(IllegalTransition, StaleVersion),
    )
    async def hold_customer(actor: Actor, input: HoldCustomerInput) -> str:
        return await commands.hold_customer(actor, input.id, reason=input.reason, version=input.version)

    @mutation(
        Customer,
        "Takes an account up again that was on hold or archived.",
        permission=Permission.MANAGE_CUSTOMERS,
        problems=(IllegalTransition, StaleVersion),
    )
    async def reactivate_customer(actor: Actor, input: ReactivateCustomerInput) -> str:
        return await commands.reactivate_customer(actor, input.id, reason=input.reason, version=input.version)

    @mutation(
        Customer,
        "Makes an account inactive; everything it had stays readable.",
        permission=Permission.MANAGE_CUSTOMERS,
        problems=(IllegalTransition, StaleVersion),
    )
    async def archive_customer(actor: Actor, input: ArchiveCustomerInput) -> str:
        return await commands.archive_customer(actor, input.id, reason=input.reason, version=input.version)

    @mutation(Contact, "Adds a contact.", permission=Permission.MANAGE_CUSTOMERS, problems=(AlreadyExists,))
    async def create_contact(actor: Actor, input: CreateContactInput) -> str:
        return await commands.create_contact(
            actor, id=input.id, customer_id=input.customer_id, name=input.name, **given(input)
        )

    @mutation(Contact, "Changes a contact.", permission=Permission.MANAGE_CUSTOMERS, problems=(Conflict, StaleVersion))
    async def update_contact(actor: Actor, input: UpdateContactInput) -> str:
        return await commands.update_contact(actor, input.id, version=input.version, **given(input))

    @mutation(
        Customer,
        "Forgets a contact. The answer is the customer; another contact becomes the primary one if this was it.",
        permission=Permission.MANAGE_CUSTOMERS,
        problems=(StaleVersion,),
    )
    async def remove_contact(actor: Actor, input: RemoveContactInput) -> str:
        return await commands.remove_contact(actor, input.id, version=input.version)

    @mutation(Site, "Adds a site.", permission=Permission.MANAGE_CUSTOMERS, problems=(AlreadyExists,))
    async def create_site(actor: Actor, input: CreateSiteInput) -> str:
        return await commands.create_site(
            actor, id=input.id, customer_id=input.customer_id, name=input.name, **given(input)
        )

    @mutation(
        Site,
        "Changes a site's details.",
        permission=Permission.MANAGE_CUSTOMERS,
        problems=(AlreadyExists, StaleVersion),
    )
    async def update_site(actor: Actor, input: UpdateSiteInput) -> str:
        return await commands.update_site(actor, input.id, version=input.version, **given(input))

    @mutation(
        Site,
        "Takes a site out of use; its history stays readable.",
        permission=Permission.MANAGE_CUSTOMERS,
        problems=(StaleVersion,),
    )
    async def archive_site(actor: Actor, input: ArchiveSiteInput) -> str:
        return await commands.archive_site(actor, input.id, version=input.version)

    @mutation(
        Site, "Takes an archived site into use again.", permission=Permission.MANAGE_CUSTOMERS, problems=(StaleVersion,)
    )
    async def restore_site(actor: Actor, input: RestoreSiteInput) -> str:
        return await commands.restore_site(actor, input.id, version=input.version)


class Subscriptions:
    """What clients may hear."""

    customer_changed = changed(
        Customer, "Customers, as they are opened, changed, held or archived.", permission=Permission.VIEW_CUSTOMERS
    )
    site_changed = changed(
        Site, "Sites, as they are added, changed, archived or restored.", permission=Permission.VIEW_CUSTOMERS
    )
