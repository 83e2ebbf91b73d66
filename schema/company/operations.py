"""What clients may ask about the company's own settings, and do to them."""

from datetime import date
from typing import Annotated, cast

from app.company import commands
from app.infrastructure.conditions import Condition, column
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, Conflict, StaleVersion
from app.kernel.permissions import Permission
from app.kernel.work import Evidence, Priority
from schema.company.types import (
    BusinessCalendar,
    BusinessCalendarFilter,
    BusinessCalendarOrder,
    NumberSeries,
    NumberSeriesFilter,
    NumberSeriesOrder,
    Organization,
    ServiceType,
    ServiceTypeFilter,
    ServiceTypeOrder,
    Territory,
    TerritoryFilter,
    TerritoryOrder,
)
from schema.kit import ID, JSON, SIGNED_IN, Connection, Maybe, about, arg, given, inputs, many, mutation, one
from schema.kit.live import changed

VERSION = "The version you saw; refused when it is not the current one. Leave it out to change whatever is there."
NEW_ID = "Your own id for it, so that you may send this again; without it we make one."
WEEK = 'Opening hours by day, 0 is Monday: {"0": [["08:00", "17:00"]]}. 00:00 as an end is midnight.'


def own_organization(actor: Actor) -> Condition:
    """The asker's organization."""
    return column("id") == actor.organization_id


def by_code(actor: Actor, code: Annotated[str, arg("Its code, such as REPAIR.")]) -> Condition:
    """What has that code."""
    return column("code") == code.strip().upper()


class Queries:
    """What clients may ask."""

    organization: Organization | None = one("Your organization.", permission=SIGNED_IN, where=own_organization)
    service_type: ServiceType | None = one("One service type.", permission=SIGNED_IN)
    service_type_by_code: ServiceType | None = one(
        "The service type with this code.", permission=SIGNED_IN, where=by_code
    )
    service_types: Connection[ServiceType] = many(
        "The kinds of work that the company offers or offered.",
        permission=SIGNED_IN,
        filter=ServiceTypeFilter,
        order=ServiceTypeOrder,
    )
    territory: Territory | None = one("One territory.", permission=Permission.VIEW_ORGANIZATION)
    territories: Connection[Territory] = many(
        "The parts of the area served.",
        permission=Permission.VIEW_ORGANIZATION,
        filter=TerritoryFilter,
        order=TerritoryOrder,
    )
    business_calendar: BusinessCalendar | None = one("One business calendar.", permission=SIGNED_IN)
    business_calendars: Connection[BusinessCalendar] = many(
        "The company's opening hours.",
        permission=SIGNED_IN,
        filter=BusinessCalendarFilter,
        order=BusinessCalendarOrder,
    )
    number_series: Connection[NumberSeries] = many(
        "How the company numbers things. A series is listed once its first number was given out, or its look was set.",
        permission=Permission.VIEW_ORGANIZATION,
        filter=NumberSeriesFilter,
        order=NumberSeriesOrder,
    )


@inputs
class UpdateOrganizationInput:
    """Only what is given is changed."""

    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What it is called.")
    time_zone: Maybe[str] = about("Its IANA time zone.")
    currency: Maybe[str] = about("The ISO 4217 code it reckons in. Money already recorded keeps its own.")
    locale: Maybe[str] = about("Its language and region, such as en-US.")
    country: Maybe[str] = about("Its ISO 3166 country code.")
    settings: Maybe[JSON] = about("All settings of its own; they take the place of those before.")
    position_history_days: Maybe[int] = about(
        "For how many days it is kept where technicians were on duty, 0 to 90; what is older is deleted at once."
    )
    arrival_radius_metres: Maybe[int] = about(
        "How near to a site, in metres, a technician counts as being there, 30 to 2,000."
    )


@inputs
class UpdateNumberSeriesInput:
    """Only what is given is changed; numbers already given out stay."""

    kind: str = about("What is numbered, such as WORK_ORDER.")
    prefix: str | None = about("What numbers begin with.", default=None)
    digits: int | None = about("How many digits numbers are filled up to, 1 to 12.", default=None)
    next_number: int | None = about("The number to give out next; it can only grow.", default=None)


@inputs
class CreateServiceTypeInput:
    """A kind of work to offer."""

    id: ID | None = about(NEW_ID, default=None)
    code: str = about("A short code in capitals, unique in the organization.")
    name: str = about("What customers know it as.")
    description: str = about("What is done.", default="")
    duration_minutes: int = about("How long it usually takes, in minutes.", default=60)
    required_skills: JSON | None = about(
        'The skills it needs: skill id → the least level, 1 to 5, such as {"skill_01jd…": 3}.', default=None
    )
    default_priority: Priority = about("The priority its work begins with.", default=Priority.NORMAL)
    required_evidence: list[Evidence] | None = about("What there must be before its work is complete.", default=None)


@inputs
class UpdateServiceTypeInput:
    """Only what is given is changed; work already requested keeps what it has."""

    id: ID = about("Which service type.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What customers know it as.")
    description: Maybe[str] = about("What is done.")
    duration_minutes: Maybe[int] = about("How long it usually takes, in minutes.")
    required_skills: Maybe[JSON] = about(
        'The skills it needs: skill id → the least level, 1 to 5, such as {"skill_01jd…": 3}.'
    )
    default_priority: Maybe[Priority] = about("The priority its work begins with.")
    required_evidence: Maybe[list[Evidence]] = about("What there must be before its work is complete.")
    is_active: Maybe[bool] = about("Whether it is offered.")


@inputs
class DeactivateServiceTypeInput:
    """A kind of work to offer no longer."""

    id: ID = about("Which service type.")
    version: int | None = about(VERSION, default=None)


@inputs
class CreateTerritoryInput:
    """A part of the area served."""

    id: ID | None = about(NEW_ID, default=None)
    code: str = about("A short code in capitals, unique in the organization.")
    name: str = about("What it is called.")


@inputs
class UpdateTerritoryInput:
    """A territory's new name."""

    id: ID = about("Which territory.")
    version: int | None = about(VERSION, default=None)
    name: str = about("What it is called.")


@inputs
class CreateBusinessCalendarInput:
    """Opening hours."""

    id: ID | None = about(NEW_ID, default=None)
    name: str = about("Its name, unique in the organization.")
    time_zone: str = about("The IANA time zone its hours are meant in.")
    week: JSON = about(WEEK)
    is_default: bool = about("Whether it is to hold where no other is named.", default=False)


@inputs
class UpdateBusinessCalendarInput:
    """Only what is given is changed."""

    id: ID = about("Which calendar.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("Its name, unique in the organization.")
    time_zone: Maybe[str] = about("The IANA time zone its hours are meant in.")
    week: Maybe[JSON] = about(WEEK)
    is_default: Maybe[bool] = about("true makes it the default; the default is given up by naming another.")


@inputs
class AddHolidayInput:
    """A day to be closed on."""

    calendar_id: ID = about("Which calendar.")
    day: date = about("The day.")
    name: str = about("What is celebrated.")


@inputs
class RemoveHolidayInput:
    """A day to be open on after all."""

    calendar_id: ID = about("Which calendar.")
    day: date = about("The day.")


class Mutations:
    """What clients may do."""

    @mutation(
        Organization,
        "Changes the company's profile or settings.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(StaleVersion,),
    )
    async def update_organization(actor: Actor, input: UpdateOrganizationInput) -> str:
        return await commands.update_organization(actor, version=input.version, **given(input))

    @mutation(
        NumberSeries,
        "Changes how numbers of a kind look, or lets them jump forward.",
        permission=Permission.MANAGE_ORGANIZATION,
    )
    async def update_number_series(actor: Actor, input: UpdateNumberSeriesInput) -> str:
        return await commands.update_number_series(
            actor, input.kind, prefix=input.prefix, digits=input.digits, next_number=input.next_number
        )

    @mutation(
        ServiceType,
        "Offers a kind of work.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(AlreadyExists,),
    )
    async def create_service_type(actor: Actor, input: CreateServiceTypeInput) -> str:
        return await commands.create_service_type(
            actor,
            id=input.id,
            code=input.code,
            name=input.name,
            description=input.description,
            duration_minutes=input.duration_minutes,
            required_skills=cast(dict[str, int] | None, input.required_skills),
            default_priority=input.default_priority,
            required_evidence=[one.value for one in input.required_evidence or []],
        )

    @mutation(
        ServiceType,
        "Changes what work of a kind begins with.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(StaleVersion,),
    )
    async def update_service_type(actor: Actor, input: UpdateServiceTypeInput) -> str:
        return await commands.update_service_type(actor, input.id, version=input.version, **given(input))

    @mutation(
        ServiceType,
        "Stops offering a kind of work; past work keeps it.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(StaleVersion,),
    )
    async def deactivate_service_type(actor: Actor, input: DeactivateServiceTypeInput) -> str:
        return await commands.deactivate_service_type(actor, input.id, version=input.version)

    @mutation(
        Territory,
        "Adds a part of the area served.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(AlreadyExists,),
    )
    async def create_territory(actor: Actor, input: CreateTerritoryInput) -> str:
        return await commands.create_territory(actor, id=input.id, code=input.code, name=input.name)

    @mutation(Territory, "Renames a territory.", permission=Permission.MANAGE_ORGANIZATION, problems=(StaleVersion,))
    async def update_territory(actor: Actor, input: UpdateTerritoryInput) -> str:
        return await commands.update_territory(actor, input.id, name=input.name, version=input.version)

    @mutation(
        BusinessCalendar,
        "Adds opening hours.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(AlreadyExists,),
    )
    async def create_business_calendar(actor: Actor, input: CreateBusinessCalendarInput) -> str:
        return await commands.create_business_calendar(
            actor,
            id=input.id,
            name=input.name,
            time_zone=input.time_zone,
            week=cast(dict[str, object], input.week),
            is_default=input.is_default,
        )

    @mutation(
        BusinessCalendar,
        "Changes opening hours, their time zone, or which calendar is the default.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(StaleVersion, AlreadyExists, Conflict),
    )
    async def update_business_calendar(actor: Actor, input: UpdateBusinessCalendarInput) -> str:
        return await commands.update_business_calendar(actor, input.id, version=input.version, **given(input))

    @mutation(
        BusinessCalendar,
        "Closes a calendar on a day.",
        permission=Permission.MANAGE_ORGANIZATION,
        problems=(AlreadyExists,),
    )
    async def add_holiday(actor: Actor, input: AddHolidayInput) -> str:
        return await commands.add_holiday(actor, input.calendar_id, day=input.day, name=input.name)

    @mutation(BusinessCalendar, "Opens a calendar again on a day.", permission=Permission.MANAGE_ORGANIZATION)
    async def remove_holiday(actor: Actor, input: RemoveHolidayInput) -> str:
        return await commands.remove_holiday(actor, input.calendar_id, day=input.day)


class Subscriptions:
    """What clients may hear."""

    organization_changed = changed(
        Organization, "The company's profile or settings changed.", permission=Permission.VIEW_ORGANIZATION
    )
    service_type_changed = changed(
        ServiceType, "A kind of work was added, changed or withdrawn.", permission=Permission.VIEW_ORGANIZATION
    )
