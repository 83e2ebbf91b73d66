"""What other rooms ask about the company: its profile and when it is open."""

from datetime import date

from app import database
from app.company import models, rules
from app.infrastructure import journal
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_one, find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import BusinessCalendar, zone


async def get_organization(actor: Actor) -> models.Organization:
    """The actor's own organization."""
    return await find_one(models.Organization, actor, actor.organization_id)


async def get_own_time_zone(actor: Actor) -> str:
    """The name of the own organization's zone, without the rest of it: live boards ask for it with every batch of facts."""
    rows = await database.read_rows(
        f'SELECT "time_zone" FROM "organization" WHERE "id" = {journal.mark(1)}', [actor.organization_id]
    )
    return str(rows[0][0])


async def business_calendar(actor: Actor, calendar_id: str | None = None) -> BusinessCalendar:
    """A calendar to reckon with, its holidays included: the one named, or the organization's default.

    An organization without any calendar is open around the clock in its own zone.
    """
    if calendar_id is not None:
        return await _reckoning(await find_one(models.BusinessCalendar, actor, calendar_id, path="calendarId"))
    mine = (column("organization_id") == actor.organization_id) & (column("is_default") == True)  # noqa: E712
    found = await find_rows(models.BusinessCalendar, mine, limit=1)
    if found:
        return await _reckoning(found[0])
    return BusinessCalendar.around_the_clock(zone((await get_organization(actor)).time_zone))


async def find_service_type(actor: Actor, code: str) -> models.ServiceType | None:
    """The service type of that code, if there is one."""
    by_code = models.ServiceType.visible_to(actor) & (column("code") == rules.require_code(code))
    found = await find_rows(models.ServiceType, by_code)
    return found[0] if found else None


async def find_holidays(actor: Actor, calendar_id: str) -> dict[date, str]:
    """The holidays of a calendar by day, oldest first."""
    calendar = await find_one(models.BusinessCalendar, actor, calendar_id, path="calendarId")
    return {holiday.day: holiday.name for holiday in await _holidays(calendar)}


async def _reckoning(calendar: models.BusinessCalendar) -> BusinessCalendar:
    closed = frozenset(holiday.day for holiday in await _holidays(calendar))
    return BusinessCalendar(zone(calendar.time_zone), rules.hours_of(calendar.week), closed)


async def _holidays(calendar: models.BusinessCalendar) -> list[models.Holiday]:
    of_this = (column("organization_id") == calendar.organization_id) & (column("calendar_id") == calendar.id)
    return await find_rows(models.Holiday, of_this, order=["day"])
