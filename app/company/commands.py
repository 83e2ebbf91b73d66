"""What people do to a company's own settings: profile, numbers, service types, territories, opening hours, holidays."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypedDict, Unpack

import orjson

from app.company import events, models, rules
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import (
    BY_PREFIX,
    Table,
    add_row,
    change_row,
    find_rows,
    lock_one,
    require_text,
    require_visible,
)
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now, zone
from app.kernel.errors import Conflict, InvalidInput, NotFound, NotPermitted
from app.kernel.ids import new_id, require_id
from app.kernel.permissions import Permission
from app.kernel.work import Priority

NAME_LENGTH_MAX = 120
Cleaner = Callable[[Any], Any]


class OrganizationChanges(TypedDict, total=False):
    """What can change about an organization. Money already recorded keeps its own currency."""

    name: str
    time_zone: str
    currency: str
    locale: str
    country: str
    settings: Mapping[str, Any]
    position_history_days: int
    arrival_radius_metres: int


class ServiceTypeChanges(TypedDict, total=False):
    """What can change about a service type; its code stays."""

    name: str
    description: str
    duration_minutes: int
    required_skills: Mapping[str, int]
    default_priority: str
    required_evidence: list[str]
    is_active: bool


class BusinessCalendarChanges(TypedDict, total=False):
    """What can change about a calendar. ``is_default=True`` takes the mark from the one that had it."""

    name: str
    time_zone: str
    week: Mapping[str, Any]
    is_default: bool


def _name(value: str) -> str:
    return require_text(value, "name", longest=NAME_LENGTH_MAX)


def _zone(value: str) -> str:
    return zone(value).key


def _settings(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput("The settings are an object: names and values.", path=["settings"])
    plain: dict[str, Any] = journal.plain(dict(value))
    if len(orjson.dumps(plain)) > rules.SETTINGS_BYTES_MAX:
        raise InvalidInput(f"The settings have at most {rules.SETTINGS_BYTES_MAX} bytes.", path=["settings"])
    return plain


ORGANIZATION_FIELDS: dict[str, Cleaner] = {
    "name": lambda value: require_text(value, "name", longest=200),
    "time_zone": _zone,
    "currency": rules.require_currency,
    "locale": rules.require_locale,
    "country": rules.require_country,
    "settings": _settings,
    "position_history_days": lambda value: rules.require_range(
        value, "positionHistoryDays", 0, rules.POSITION_HISTORY_DAYS_MAX
    ),
    "arrival_radius_metres": lambda value: rules.require_range(
        value, "arrivalRadiusMetres", rules.ARRIVAL_RADIUS_METRES_MIN, rules.ARRIVAL_RADIUS_METRES_MAX
    ),
}
SERVICE_TYPE_FIELDS: dict[str, Cleaner] = {
    "name": _name,
    "description": lambda value: require_text(value, "description", shortest=0, longest=4000),
    "duration_minutes": lambda value: rules.require_range(value, "durationMinutes", 1, rules.DURATION_MINUTES_MAX),
    "required_skills": rules.require_skill_levels,
    "default_priority": rules.require_priority,
    "required_evidence": rules.require_evidence,
    "is_active": bool,
}
CALENDAR_FIELDS: dict[str, Cleaner] = {
    "name": _name,
    "time_zone": _zone,
    "week": rules.require_week,
    "is_default": bool,
}


def _cleaned(cleaners: Mapping[str, Cleaner], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given, each checked; a name that is not in the table is a bug of the caller."""
    return {name: cleaners[name](value) for name, value in values.items()}


@command(None)
async def create_organization(
    actor: Actor,
    *,
    name: str,
    time_zone: str,
    currency: str,
    country: str,
    locale: str = "en-US",
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Found a company, with a calendar of ordinary working hours.

    Only the system does this, as ``system_actor(new_id("org"))``: the actor's organization is the one that comes to be.
    """
    if actor.kind is not ActorKind.SYSTEM:
        raise NotPermitted(Permission.MANAGE_ORGANIZATION)
    values = _cleaned(
        ORGANIZATION_FIELDS,
        {
            "name": name,
            "time_zone": time_zone,
            "currency": currency,
            "country": country,
            "locale": locale,
            "settings": settings or {},
        },
    )
    row = await add_row(models.Organization, id=actor.organization_id, **values)
    await add_row(
        models.BusinessCalendar,
        organization_id=row.id,
        name="Business hours",
        time_zone=row.time_zone,
        week=rules.WORKING_WEEK,
        is_default=True,
    )
    journal.record(events.OrganizationCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_ORGANIZATION)
async def update_organization(
    actor: Actor, *, version: int | None = None, **changes: Unpack[OrganizationChanges]
) -> str:
    """Change the company's profile or settings."""
    row = await lock_one(models.Organization, actor, actor.organization_id, version=version)
    changed = await change_row(row, **_cleaned(ORGANIZATION_FIELDS, changes))
    if changed:
        journal.record(events.OrganizationUpdated(subject_id=row.id, changes=changed))
    return row.id


async def next_number(actor: Actor, kind: str) -> str:
    """The next number of a kind, such as WO-000123. For commands only: there are no gaps, because whoever comes next
    waits until this command has committed or gone back."""
    if journal.current() is None:
        raise RuntimeError("numbers are given out inside a command, or a gap could appear")
    kind = rules.require_series_kind(kind)
    row = await _locked_series(actor, kind)
    await models.NumberSeries.filter(id=row.id).update(next_number=row.next_number + 1)
    return rules.Series(row.number_prefix, row.digits).number(row.next_number)


async def next_free_number(actor: Actor, kind: str, model: type[Table], name: str = "number") -> str:
    """The next number of a kind that no row has yet: people may have brought numbers of their own. As ``next_number``."""
    while True:
        number = await next_number(actor, kind)
        taken = (column("organization_id") == actor.organization_id) & (column(name) == number)
        if not await find_rows(model, taken, limit=1):
            return number


@command(Permission.MANAGE_ORGANIZATION)
async def update_number_series(
    actor: Actor,
    kind: str,
    *,
    prefix: str | None = None,
    digits: int | None = None,
    next_number: int | None = None,
) -> str:
    """Change how numbers of a kind look, or let them jump forward. Numbers already given out stay as they are."""
    row = await _locked_series(actor, rules.require_series_kind(kind))
    values: dict[str, Any] = {}
    if prefix is not None:
        values["number_prefix"] = rules.require_series_prefix(prefix)
    if digits is not None:
        values["digits"] = rules.require_digits(digits)
    if next_number is not None:
        values["next_number"] = rules.require_later_number(next_number, row.next_number)
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.NumberSeriesUpdated(subject_id=row.id, changes=changed))
    return row.id


async def _locked_series(actor: Actor, kind: str) -> models.NumberSeries:
    mine = (column("organization_id") == actor.organization_id) & (column("kind") == kind)
    found = await find_rows(models.NumberSeries, mine, lock=True)
    if not found:
        series = rules.series_for(kind)
        fresh = _new_series(actor.organization_id, kind, series)
        # Two firsts at once: the second waits here for the first, then finds its row.
        await models.NumberSeries.bulk_create([fresh], ignore_conflicts=True)
        found = await find_rows(models.NumberSeries, mine, lock=True)
    return found[0]


def _new_series(organization_id: str, kind: str, series: rules.Series) -> models.NumberSeries:
    now = utc_now()
    return models.NumberSeries(
        id=new_id(models.NumberSeries.prefix),
        organization_id=organization_id,
        kind=kind,
        number_prefix=series.prefix,
        digits=series.digits,
        created_at=now,
        updated_at=now,
    )


@command(Permission.MANAGE_ORGANIZATION)
async def create_service_type(
    actor: Actor,
    *,
    code: str,
    name: str,
    description: str = "",
    duration_minutes: int = 60,
    required_skills: Mapping[str, int] | None = None,
    default_priority: str = Priority.NORMAL,
    required_evidence: list[str] | None = None,
    id: str | None = None,
) -> str:
    """Offer a kind of service."""
    values = _cleaned(
        SERVICE_TYPE_FIELDS,
        {
            "name": name,
            "description": description,
            "duration_minutes": duration_minutes,
            "required_skills": required_skills or {},
            "default_priority": default_priority,
            "required_evidence": required_evidence or [],
        },
    )
    await _require_skills(actor, values["required_skills"])
    code = rules.require_code(code)
    row = await add_row(models.ServiceType, id=id, organization_id=actor.organization_id, code=code, **values)
    journal.record(events.ServiceTypeCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_ORGANIZATION)
async def update_service_type(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[ServiceTypeChanges]
) -> str:
    """Change what work of a kind begins with; work already requested keeps what it has."""
    row = await lock_one(models.ServiceType, actor, id, version=version)
    values = _cleaned(SERVICE_TYPE_FIELDS, changes)
    await _require_skills(actor, values.get("required_skills", {}))
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.ServiceTypeUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_ORGANIZATION)
async def deactivate_service_type(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Stop offering a kind of service. It stays readable, because past work refers to it."""
    row = await lock_one(models.ServiceType, actor, id, version=version)
    changed = await change_row(row, is_active=False)
    if changed:
        journal.record(events.ServiceTypeDeactivated(subject_id=row.id, changes=changed))
    return row.id


async def _require_skills(actor: Actor, skills: Mapping[str, int]) -> None:
    """Skills belong to a higher room; their table is found by the prefix of their ids."""
    if not skills:
        return
    for skill in skills:
        require_id(skill, "skill", "requiredSkills")
    await require_visible(BY_PREFIX["skill"], actor, skills, "requiredSkills")


@command(Permission.MANAGE_ORGANIZATION)
async def create_territory(actor: Actor, *, code: str, name: str, id: str | None = None) -> str:
    """Add a part of the area served."""
    code, name = rules.require_code(code), _name(name)
    row = await add_row(models.Territory, id=id, organization_id=actor.organization_id, code=code, name=name)
    journal.record(events.TerritoryCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_ORGANIZATION)
async def update_territory(actor: Actor, id: str, *, name: str, version: int | None = None) -> str:
    """Rename a territory."""
    row = await lock_one(models.Territory, actor, id, version=version)
    changed = await change_row(row, name=_name(name))
    if changed:
        journal.record(events.TerritoryUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_ORGANIZATION)
async def create_business_calendar(
    actor: Actor,
    *,
    name: str,
    time_zone: str,
    week: Mapping[str, Any],
    is_default: bool = False,
    id: str | None = None,
) -> str:
    """Add opening hours. The first calendar of an organization is its default whatever is asked."""
    values = _cleaned(CALENDAR_FIELDS, {"name": name, "time_zone": time_zone, "week": week})
    default = await _locked_default(actor)
    if is_default and default is not None:
        await _give_up_default(default)
    row = await add_row(
        models.BusinessCalendar,
        id=id,
        organization_id=actor.organization_id,
        is_default=is_default or default is None,
        **values,
    )
    journal.record(events.BusinessCalendarCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_ORGANIZATION)
async def update_business_calendar(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[BusinessCalendarChanges]
) -> str:
    """Change opening hours, their zone, or which calendar is the default; the default itself cannot be given up."""
    default = await _locked_default(actor)
    row = await lock_one(models.BusinessCalendar, actor, id, version=version)
    values = _cleaned(CALENDAR_FIELDS, changes)
    if row.is_default and values.get("is_default") is False:
        raise Conflict("Make another calendar the default instead; one always is.", path=["isDefault"])
    if values.get("is_default") and default is not None and default.id != row.id:
        await _give_up_default(default)
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.BusinessCalendarUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_ORGANIZATION)
async def add_holiday(actor: Actor, calendar_id: str, *, day: date, name: str) -> str:
    """Close a calendar on a day. The answer is the calendar's id."""
    calendar = await lock_one(models.BusinessCalendar, actor, calendar_id, path="calendarId")
    name = _name(name)
    await add_row(models.Holiday, organization_id=actor.organization_id, calendar_id=calendar.id, day=day, name=name)
    journal.record(events.HolidayAdded(subject_id=calendar.id, day=day.isoformat(), name=name))
    return calendar.id


@command(Permission.MANAGE_ORGANIZATION)
async def remove_holiday(actor: Actor, calendar_id: str, *, day: date) -> str:
    """Open a calendar again on a day. The answer is the calendar's id."""
    calendar = await lock_one(models.BusinessCalendar, actor, calendar_id, path="calendarId")
    holiday = await models.Holiday.get_or_none(organization_id=actor.organization_id, calendar_id=calendar.id, day=day)
    if holiday is None:
        raise NotFound(models.Holiday.noun, day.isoformat(), path=["day"])
    await models.Holiday.filter(id=holiday.id).delete()
    journal.record(events.HolidayRemoved(subject_id=calendar.id, day=day.isoformat(), name=holiday.name))
    return calendar.id


async def _locked_default(actor: Actor) -> models.BusinessCalendar | None:
    """The default calendar. The organization's row is locked, so that two changes cannot leave two defaults, or none."""
    await lock_one(models.Organization, actor, actor.organization_id)
    mine = (column("organization_id") == actor.organization_id) & (column("is_default") == True)  # noqa: E712
    found = await find_rows(models.BusinessCalendar, mine, lock=True)
    return found[0] if found else None


async def _give_up_default(row: models.BusinessCalendar) -> None:
    changed = await change_row(row, is_default=False)
    journal.record(events.BusinessCalendarUpdated(subject_id=row.id, changes=changed))
