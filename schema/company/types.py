"""What clients may see of the company's own settings."""

from collections.abc import Callable
from datetime import date, datetime

from app.company import models
from app.infrastructure.conditions import Condition
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.kernel.work import Evidence, Priority
from schema.kit import (
    JSON,
    BooleanFilter,
    Connection,
    DateFilter,
    EnumFilter,
    IdFilter,
    IntFilter,
    Node,
    StringFilter,
    by,
    children,
    col,
    contains,
    describe_enum,
    filterable,
    of_column,
    orderable,
    ranked,
    readable,
)

describe_enum(
    Priority,
    "How urgent work is.",
    {
        Priority.LOW: "When it fits.",
        Priority.NORMAL: "In its turn.",
        Priority.HIGH: "Before the normal ones.",
        Priority.URGENT: "Today if at all possible.",
        Priority.EMERGENCY: "Now: somebody is in danger or much is being lost.",
    },
)
describe_enum(
    Evidence,
    "What a kind of service asks for before its work counts as complete.",
    {
        Evidence.NOTE: "A note on what was done.",
        Evidence.TIME: "Time that was recorded.",
    },
)


def _search(*columns: str) -> Callable[[Actor, str], Condition]:
    def where(actor: Actor, text: str) -> Condition:
        first, *others = columns
        condition = contains(first, text)
        for name in others:
            condition = condition | contains(name, text)
        return condition

    return where


@readable(models.Organization, permission=None)
class Organization(Node):
    """A service company: everything belongs to one, and nobody sees into another."""

    version: int = col("Counts up with every change.")
    name: str = col("What it is called.")
    time_zone: str = col("Its IANA time zone, such as Europe/Berlin; sites may have their own.")
    currency: str = col("The ISO 4217 code of the currency it reckons in.")
    locale: str = col("Its language and region, such as en-US.")
    country: str = col("Its ISO 3166 country code.")
    settings: JSON | None = col("Settings of its own, by name.", permission=Permission.VIEW_ORGANIZATION)
    position_history_days: int | None = col(
        "For how many days it is kept where technicians were on duty; 0 means not at all.",
        permission=Permission.VIEW_ORGANIZATION,
    )
    arrival_radius_metres: int | None = col(
        "How near to a site, in metres, a technician counts as being there.", permission=Permission.VIEW_ORGANIZATION
    )
    created_at: datetime = col("When it was founded here.")


@filterable(models.Holiday)
class HolidayFilter:
    """Which holidays."""

    id: IdFilter | None = by("Its id.")
    day: DateFilter | None = by("The day it is on.")
    name: StringFilter | None = by("Its name.")


HolidayOrder = orderable("HolidayOrder", models.Holiday, default=("day",), day="The day it is on.", name="Its name.")


@readable(models.Holiday, permission=None)
class Holiday(Node):
    """A day on which a calendar is closed."""

    day: date = col("The day, as a calendar at the place shows it.")
    name: str = col("What is celebrated.")


@filterable(models.BusinessCalendar)
class BusinessCalendarFilter:
    """Which business calendars."""

    id: IdFilter | None = by("Its id.")
    name: StringFilter | None = by("Its name.")
    is_default: BooleanFilter | None = by("Whether it holds where no other is named.")
    time_zone: StringFilter | None = by("The IANA time zone its hours are meant in.")


BusinessCalendarOrder = orderable(
    "BusinessCalendarOrder",
    models.BusinessCalendar,
    default=("name",),
    name="Its name.",
    created_at="When it was added.",
    time_zone="The IANA time zone its hours are meant in.",
    is_default="Whether it holds where no other is named; one of an organization's calendars always does.",
)


@readable(models.BusinessCalendar, permission=None)
class BusinessCalendar(Node):
    """Opening hours of a week in a time zone, with the days that are closed."""

    version: int = col("Counts up with every change.")
    name: str = col("Its name, unique in the organization.")
    time_zone: str = col("The IANA time zone its hours are meant in.")
    week: JSON = col(
        'Opening hours by day, 0 is Monday: {"0": [["08:00", "17:00"]]}. 00:00 as an end is midnight; other days are closed.'
    )
    is_default: bool = col("Whether it holds where no other is named; one of an organization's calendars always does.")
    holidays: Connection["Holiday"] = children(
        "The days on which it is closed.", via="calendar_id", filter=HolidayFilter, order=HolidayOrder
    )


@readable(models.NumberSeries, permission=Permission.VIEW_ORGANIZATION)
class NumberSeries(Node):
    """How the numbers of a kind look, and which is next. There are no gaps."""

    version: int = col("Counts up when its look changes.")
    kind: str = col("What it numbers, such as WORK_ORDER.")
    prefix: str = col("What numbers begin with, such as WO-.", column="number_prefix")
    next_number: int = col("The number that is given out next.")
    digits: int = col("How many digits numbers have at least, filled up with zeros in front.")


@filterable(models.NumberSeries)
class NumberSeriesFilter:
    """Which series of numbers."""

    id: IdFilter | None = by("Its id.")
    kind: StringFilter | None = by("What it numbers.")
    prefix: StringFilter | None = by("What its numbers begin with.", column="number_prefix")
    next_number: IntFilter | None = by("The number that is given out next.")
    digits: IntFilter | None = by("How many digits its numbers have at least.")


NumberSeriesOrder = orderable(
    "NumberSeriesOrder",
    models.NumberSeries,
    default=("kind",),
    kind="What it numbers.",
    prefix=of_column("What its numbers begin with.", "number_prefix"),
    next_number="The number that is given out next.",
    digits="How many digits its numbers have at least.",
)


@filterable(models.ServiceType)
class ServiceTypeFilter:
    """Which service types."""

    id: IdFilter | None = by("Its id.")
    code: StringFilter | None = by("Its code.")
    name: StringFilter | None = by("Its name.")
    is_active: BooleanFilter | None = by("Whether it is offered.")
    default_priority: EnumFilter[Priority] | None = by("The priority its work begins with.")
    description: StringFilter | None = by("What is done.")
    duration_minutes: IntFilter | None = by("How long it usually takes, in minutes.")
    search: str | None = by("Text in code, name or description.", where=_search("code", "name", "description"))


ServiceTypeOrder = orderable(
    "ServiceTypeOrder",
    models.ServiceType,
    default=("name",),
    name="Its name.",
    code="Its code.",
    created_at="When it was added.",
    duration_minutes="How long it usually takes.",
    default_priority=ranked("The most urgent last.", "default_priority", [one.value for one in Priority]),
    is_active="Whether it is offered. Past work keeps one that is not.",
)


@readable(models.ServiceType, permission=None)
class ServiceType(Node):
    """A kind of work the company offers, and what work of that kind begins with."""

    version: int = col("Counts up with every change.")
    code: str = col("A short code, unique in the organization.")
    name: str = col("What customers know it as.")
    description: str = col("What is done.")
    duration_minutes: int = col("How long it usually takes, in minutes.")
    required_skills: JSON = col('The skills it needs: skill id → the least level, 1 to 5, such as {"skill_01jd…": 3}.')
    default_priority: Priority = col("The priority that work of this kind begins with.")
    required_evidence: list[Evidence] = col("What there must be before its work counts as complete.")
    is_active: bool = col("Whether it is offered. Past work keeps one that is not.")


@filterable(models.Territory)
class TerritoryFilter:
    """Which territories."""

    id: IdFilter | None = by("Its id.")
    code: StringFilter | None = by("Its code.")
    name: StringFilter | None = by("Its name.")
    search: str | None = by("Text in code or name.", where=_search("code", "name"))


TerritoryOrder = orderable(
    "TerritoryOrder",
    models.Territory,
    default=("name",),
    name="Its name.",
    code="Its code.",
    created_at="When it was added.",
)


@readable(models.Territory, permission=None)
class Territory(Node):
    """A part of the area served."""

    version: int = col("Counts up with every change.")
    code: str = col("A short code, unique in the organization.")
    name: str = col("What it is called.")
