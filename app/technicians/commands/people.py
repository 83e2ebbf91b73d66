"""What people do to technicians: hire, teach, roster; and what technicians say they are doing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from app.company import queries as company
from app.company.commands import next_free_number
from app.company.models import Territory
from app.company.rules import require_currency
from app.identity.models import User
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import (
    add_row,
    change_row,
    find_one,
    find_rows,
    lock_one,
    require_text,
    require_unused,
    require_visible,
)
from app.kernel.actor import Actor
from app.kernel.calendar import day_bounds, utc_now, zone
from app.kernel.contact_details import email_address, phone_number
from app.kernel.errors import Conflict, InvalidInput, NotPermitted
from app.kernel.permissions import Permission
from app.technicians import events, models, rules
from app.technicians.commands.positions import begin_duty, end_duty, own_id
from app.technicians.rules import AbsenceKind, ShiftTimes, SkillGrant, TechnicianStatus

Cleaner = Callable[[Any], Any]

COSTS = frozenset({"cost_per_hour", "currency"})


class TechnicianDetails(TypedDict, total=False):
    """What a technician may have. Time zone and currency are the organization's unless they are named."""

    user_id: str | None
    phone: str | None
    email: str | None
    home_latitude: float | None
    home_longitude: float | None
    time_zone: str
    territory_id: str | None
    cost_per_hour: Decimal | None
    currency: str
    speed_factor: float
    color: str | None


class TechnicianChanges(TechnicianDetails, total=False):
    """What can change about a technician; the number stays."""

    name: str


class ShiftChanges(TypedDict, total=False):
    """What can change about a shift; it stays with its technician."""

    starts_at: datetime
    ends_at: datetime
    break_minutes: int
    break_earliest_at: datetime | None
    break_latest_at: datetime | None
    overtime_minutes_max: int


class AbsenceChanges(TypedDict, total=False):
    """What can change about an absence; it stays with its technician."""

    starts_at: datetime
    ends_at: datetime
    kind: AbsenceKind
    reason: str


def _text(path: str, longest: int, shortest: int = 0) -> Cleaner:
    return lambda value: require_text(value, path, longest=longest, shortest=shortest)


def _unless_empty(clean: Cleaner) -> Cleaner:
    """Nothing and blanks alike are no value."""
    return lambda value: clean(value) if value is not None and value.strip() else None


def _as_it_is(value: Any) -> Any:
    return value


TECHNICIAN_FIELDS: dict[str, Cleaner] = {
    "name": _text("name", 200, 1),
    "user_id": _as_it_is,
    "phone": _as_it_is,  # needs the organization's country
    "email": _unless_empty(email_address),
    "home_latitude": _as_it_is,
    "home_longitude": _as_it_is,
    "time_zone": lambda value: zone(value).key,
    "territory_id": _as_it_is,
    "cost_per_hour": _as_it_is,  # needs the currency
    "currency": require_currency,
    "speed_factor": rules.require_speed_factor,
    "color": _unless_empty(rules.require_color),
}
ABSENCE_FIELDS: dict[str, Cleaner] = {
    "starts_at": _as_it_is,
    "ends_at": _as_it_is,
    "kind": AbsenceKind,
    "reason": _text("reason", 500),
}


def _cleaned(cleaners: Mapping[str, Cleaner], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given, each checked; a name that is not in the table is a bug of the caller."""
    return {name: cleaners[name](value) for name, value in values.items()}


@command(Permission.MANAGE_TECHNICIANS)
async def create_skill(actor: Actor, *, code: str, name: str, id: str | None = None) -> str:
    """Name something technicians can be good at, so that work can ask for it."""
    code = rules.require_skill_code(code)
    await require_unused(models.Skill, actor, "code", code, path="code")
    row = await add_row(
        models.Skill,
        id=id,
        organization_id=actor.organization_id,
        code=code,
        name=_text("name", 120, 1)(name),
    )
    journal.record(events.SkillCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_TECHNICIANS)
async def update_skill(actor: Actor, id: str, *, name: str, version: int | None = None) -> str:
    """Rename a skill; its code stays."""
    row = await lock_one(models.Skill, actor, id, version=version)
    changed = await change_row(row, name=_text("name", 120, 1)(name))
    if changed:
        journal.record(events.SkillUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_TECHNICIANS)
async def create_technician(
    actor: Actor,
    *,
    name: str,
    number: str | None = None,
    id: str | None = None,
    **details: Unpack[TechnicianDetails],
) -> str:
    """Add a technician, off duty. They get the next number unless they bring their own."""
    organization = await company.get_organization(actor)
    defaults = {"time_zone": organization.time_zone, "currency": organization.currency}
    values = _cleaned(TECHNICIAN_FIELDS, {**defaults, "name": name, **details})
    values = await _checked_technician(actor, values, country=organization.country)
    own_number = _unless_empty(_text("number", 40))(number)
    await require_unused(models.Technician, actor, "number", own_number, path="number")
    row = await add_row(
        models.Technician,
        id=id,
        organization_id=actor.organization_id,
        number=own_number or await next_free_number(actor, "TECHNICIAN", models.Technician),
        status=TechnicianStatus.OFF,
        **values,
    )
    journal.record(events.TechnicianCreated(subject_id=row.id, technician_ids=(row.id,), number=row.number))
    return row.id


@command(Permission.MANAGE_TECHNICIANS)
async def update_technician(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[TechnicianChanges]
) -> str:
    """Change a technician's details."""
    row = await lock_one(models.Technician, actor, id, version=version)
    values = _cleaned(TECHNICIAN_FIELDS, changes)
    country = (await company.get_organization(actor)).country if values.get("phone") else None
    for pair in (("home_latitude", "home_longitude"), ("cost_per_hour", "currency")):
        if any(name in values for name in pair):
            values = {**{name: getattr(row, name) for name in pair}, **values}
    changed = await change_row(row, **await _checked_technician(actor, values, country=country, by=row.id))
    costs = {name: change for name, change in changed.items() if name in COSTS}
    details = {name: change for name, change in changed.items() if name not in COSTS}
    if details:
        journal.record(events.TechnicianUpdated(subject_id=row.id, technician_ids=(row.id,), changes=details))
    if costs:
        journal.record(events.TechnicianCostsUpdated(subject_id=row.id, changes=costs))
    return row.id


async def _checked_technician(
    actor: Actor, values: dict[str, Any], *, country: str | None, by: str = ""
) -> dict[str, Any]:
    """The values once more, where a check needs the database or another value."""
    rules.require_home(values.get("home_latitude"), values.get("home_longitude"))
    if values.get("user_id") is not None:
        await find_one(User, actor, values["user_id"], path="userId")
        await require_unused(models.Technician, actor, "user_id", values["user_id"], path="userId", by=by)
    if values.get("territory_id") is not None:
        await find_one(Territory, actor, values["territory_id"], path="territoryId")
    if "phone" in values:
        values["phone"] = _unless_empty(lambda text: phone_number(text, country))(values["phone"])
    if "cost_per_hour" in values:
        values["cost_per_hour"] = rules.require_cost_per_hour(values["cost_per_hour"], values["currency"])
    return values


@command(Permission.MANAGE_TECHNICIANS)
async def deactivate_technician(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Give a technician no more work; the past keeps them. Refused on duty."""
    row = await lock_one(models.Technician, actor, id, version=version)
    if row.status != TechnicianStatus.OFF:
        raise Conflict("This technician is on duty: check them out first.", path=["id"])
    changed = await change_row(row, is_active=False)
    if changed:
        journal.record(events.TechnicianDeactivated(subject_id=row.id, technician_ids=(row.id,), changes=changed))
    return row.id


@command(Permission.MANAGE_TECHNICIANS)
async def reactivate_technician(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Take a technician back."""
    row = await lock_one(models.Technician, actor, id, version=version)
    changed = await change_row(row, is_active=True)
    if changed:
        journal.record(events.TechnicianReactivated(subject_id=row.id, technician_ids=(row.id,), changes=changed))
    return row.id


@command(Permission.MANAGE_TECHNICIANS)
async def set_technician_skills(
    actor: Actor, technician_id: str, skills: Sequence[SkillGrant], *, version: int | None = None
) -> str:
    """Make these the technician's skills: what is not named is taken away. The technician's version counts up."""
    wanted = rules.require_grants(skills)
    technician = await lock_one(models.Technician, actor, technician_id, version=version, path="technicianId")
    await require_visible(models.Skill, actor, wanted, "skills")
    held = {row.skill_id: row for row in await find_rows(models.TechnicianSkill, _of(technician))}
    before = {skill_id: _told(rules.HeldSkill(row.level, row.expires_on)) for skill_id, row in held.items()}
    after = {skill_id: _told(skill) for skill_id, skill in wanted.items()}
    if before == after:
        return technician.id
    gone = [row.id for skill_id, row in held.items() if skill_id not in wanted]
    await models.TechnicianSkill.filter(id__in=gone).delete()
    for skill_id, skill in wanted.items():
        values: dict[str, Any] = {"level": skill.level, "expires_on": skill.expires_on}
        if skill_id in held:
            await change_row(held[skill_id], **values)
        else:
            owner = {"organization_id": actor.organization_id, "technician_id": technician.id}
            await add_row(models.TechnicianSkill, **owner, skill_id=skill_id, **values)
    await _count_up(technician)
    journal.record(
        events.TechnicianSkillsChanged(
            subject_id=technician.id, technician_ids=(technician.id,), changes={"skills": [before, after]}
        )
    )
    return technician.id


def _told(skill: rules.HeldSkill) -> dict[str, Any]:
    return {"level": skill.level, "expires_on": skill.expires_on.isoformat() if skill.expires_on else None}


async def _count_up(technician: models.Technician) -> None:
    """What belongs to the technician changed: whoever saw the old version has to look again."""
    await models.Technician.filter(id=technician.id).update(version=technician.version + 1, updated_at=utc_now())


def _of(technician: models.Technician) -> Condition:
    return (column("organization_id") == technician.organization_id) & (column("technician_id") == technician.id)


# Shifts ---------------------------------------------------------------------------------------------------------------
# The technician's row is locked first by everything that changes shifts, so that two changes cannot make an overlap.


@command(Permission.MANAGE_SCHEDULE)
async def create_shift(actor: Actor, technician_id: str, shift: ShiftTimes, *, id: str | None = None) -> str:
    """Roster a technician for one shift."""
    technician = await lock_one(models.Technician, actor, technician_id, path="technicianId")
    checked = rules.require_shift(shift)
    await _require_free(technician, [checked])
    return (await _add_shift(technician, checked, id)).id


@command(Permission.MANAGE_SCHEDULE)
async def create_shifts(actor: Actor, technician_id: str, shifts: Sequence[ShiftTimes]) -> list[str]:
    """Roster a technician for many shifts, all of them or none."""
    technician = await lock_one(models.Technician, actor, technician_id, path="technicianId")
    checked = _checked_shifts(shifts, least=1)
    await _require_free(technician, checked)
    return [(await _add_shift(technician, shift)).id for shift in checked]


@command(Permission.MANAGE_SCHEDULE)
async def replace_shifts_of_day(actor: Actor, technician_id: str, day: date, shifts: Sequence[ShiftTimes]) -> list[str]:
    """Make these the shifts that begin on a day, by the clocks where the technician works; none empties the day."""
    technician = await lock_one(models.Technician, actor, technician_id, path="technicianId")
    begins, ends = day_bounds(day, zone(technician.time_zone))
    checked = _checked_shifts(shifts, least=0)
    for place, shift in enumerate(checked):
        if not begins <= shift.starts_at < ends:
            raise InvalidInput("This shift begins on another day.", path=["shifts", str(place), "startsAt"])
    of_day = _of(technician) & (column("starts_at") >= begins) & (column("starts_at") < ends)
    old = await find_rows(models.Shift, of_day, order=["starts_at"])
    kept = [row.id for row in old if _times(row) in checked]
    gone = [row for row in old if row.id not in kept]
    fresh = [shift for shift in checked if shift not in [_times(row) for row in old]]
    await _require_free(technician, fresh, but=[row.id for row in gone])
    for row in gone:
        await _delete_shift(row)
    return [*kept, *[(await _add_shift(technician, shift)).id for shift in fresh]]


@command(Permission.MANAGE_SCHEDULE)
async def update_shift(actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[ShiftChanges]) -> str:
    """Change when a shift is."""
    technician_id = (await find_one(models.Shift, actor, id)).technician_id
    technician = await lock_one(models.Technician, actor, technician_id)
    row = await lock_one(models.Shift, actor, id, version=version)
    merged = rules.require_shift(ShiftTimes(**{**_values(_times(row)), **changes}))
    await _require_free(technician, [merged], but=[row.id])
    changed = await change_row(row, **_values(merged))
    if changed:
        journal.record(
            events.ShiftUpdated(
                subject_id=row.id,
                technician_id=technician.id,
                technician_ids=(technician.id,),
                changes=changed,
            )
        )
    return row.id


@command(Permission.MANAGE_SCHEDULE)
async def delete_shift(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Take a shift off the roster. Answers the technician's id."""
    technician_id = (await find_one(models.Shift, actor, id)).technician_id
    await lock_one(models.Technician, actor, technician_id)
    row = await lock_one(models.Shift, actor, id, version=version)
    await _delete_shift(row)
    return technician_id


def _checked_shifts(shifts: Sequence[ShiftTimes], *, least: int) -> list[ShiftTimes]:
    if not least <= len(shifts) <= rules.SHIFTS_AT_ONCE_MAX:
        raise InvalidInput(f"{least} to {rules.SHIFTS_AT_ONCE_MAX} shifts can be given at once.", path=["shifts"])
    checked = []
    for place, shift in enumerate(shifts):
        try:
            checked.append(rules.require_shift(shift))
        except InvalidInput as problem:
            raise InvalidInput(problem.message, path=["shifts", str(place), *problem.path]) from None
    return checked


async def _require_free(technician: models.Technician, fresh: Sequence[ShiftTimes], *, but: Sequence[str] = ()) -> None:
    """None of the shifts overlaps another one of the technician, apart from those that will be gone."""
    if not fresh:
        return
    # A shift has a longest length, so whatever reaches into these began no earlier than that before.
    earliest = min(shift.starts_at for shift in fresh) - rules.SHIFT_LENGTH_MAX
    latest = max(shift.last_at for shift in fresh)
    near = _of(technician) & (column("starts_at") >= earliest) & (column("starts_at") < latest)
    taken = [_times(row) for row in await find_rows(models.Shift, near) if row.id not in but]
    rules.require_apart(technician.id, fresh, taken)


async def _add_shift(technician: models.Technician, shift: ShiftTimes, id: str | None = None) -> models.Shift:
    row = await add_row(
        models.Shift,
        id=id,
        organization_id=technician.organization_id,
        technician_id=technician.id,
        **_values(shift),
    )
    journal.record(
        events.ShiftCreated(
            subject_id=row.id,
            technician_id=technician.id,
            technician_ids=(technician.id,),
            changes={"starts_at": [None, shift.starts_at], "ends_at": [None, shift.ends_at]},
        )
    )
    return row


async def _delete_shift(row: models.Shift) -> None:
    await models.Shift.filter(id=row.id).delete()
    journal.record(
        events.ShiftDeleted(
            subject_id=row.id,
            technician_id=row.technician_id,
            technician_ids=(row.technician_id,),
            changes={"starts_at": [row.starts_at, None], "ends_at": [row.ends_at, None]},
        )
    )


SHIFT_FIELDS = (
    "starts_at",
    "ends_at",
    "break_minutes",
    "break_earliest_at",
    "break_latest_at",
    "overtime_minutes_max",
)


def _values(shift: ShiftTimes) -> dict[str, Any]:
    return {name: getattr(shift, name) for name in SHIFT_FIELDS}


def _times(row: models.Shift) -> ShiftTimes:
    return ShiftTimes(**{name: getattr(row, name) for name in SHIFT_FIELDS})


# Absences -------------------------------------------------------------------------------------------------------------


@command(Permission.MANAGE_SCHEDULE)
async def create_absence(
    actor: Actor,
    technician_id: str,
    *,
    starts_at: datetime,
    ends_at: datetime,
    kind: AbsenceKind,
    reason: str = "",
    id: str | None = None,
) -> str:
    """Note that a technician will be away. Visits already promised for that time stay, and show as conflicts."""
    technician = await lock_one(models.Technician, actor, technician_id, path="technicianId")
    begins, ends = rules.require_absence(starts_at, ends_at)
    values = _cleaned(ABSENCE_FIELDS, {"starts_at": begins, "ends_at": ends, "kind": kind, "reason": reason})
    owner = {"organization_id": actor.organization_id, "technician_id": technician.id}
    row = await add_row(models.Absence, id=id, **owner, **values)
    journal.record(
        events.AbsenceCreated(
            subject_id=row.id,
            technician_id=technician.id,
            technician_ids=(technician.id,),
            changes={"starts_at": [None, begins], "ends_at": [None, ends]},
        )
    )
    return row.id


@command(Permission.MANAGE_SCHEDULE)
async def update_absence(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[AbsenceChanges]
) -> str:
    """Change when or why a technician is away."""
    row = await lock_one(models.Absence, actor, id, version=version)
    values = _cleaned(ABSENCE_FIELDS, {"starts_at": row.starts_at, "ends_at": row.ends_at, **changes})
    values["starts_at"], values["ends_at"] = rules.require_absence(values["starts_at"], values["ends_at"])
    changed = await change_row(row, **values)
    if changed:
        journal.record(
            events.AbsenceUpdated(
                subject_id=row.id,
                technician_id=row.technician_id,
                technician_ids=(row.technician_id,),
                changes=changed,
            )
        )
    return row.id


@command(Permission.MANAGE_SCHEDULE)
async def delete_absence(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Note that a technician will not be away after all. Answers the technician's id."""
    row = await lock_one(models.Absence, actor, id, version=version)
    await models.Absence.filter(id=row.id).delete()
    journal.record(
        events.AbsenceDeleted(
            subject_id=row.id,
            technician_id=row.technician_id,
            technician_ids=(row.technician_id,),
            changes={"starts_at": [row.starts_at, None], "ends_at": [row.ends_at, None]},
        )
    )
    return row.technician_id


# What technicians report ----------------------------------------------------------------------------------------------


@command(None)
async def change_status(
    actor: Actor, technician_id: str, status: TechnicianStatus, *, version: int | None = None
) -> str:
    """Say what a technician is doing: technicians of themselves, dispatchers of anybody.

    Saying again what is known already changes nothing: a phone may repeat itself.
    """
    _require_own_or_dispatch(actor, technician_id)
    row = await lock_one(models.Technician, actor, technician_id, version=version, path="technicianId")
    before = TechnicianStatus(row.status)
    if before is status:
        return row.id
    rules.STATUS_LIFECYCLE.require(before, status)
    if not row.is_active:
        raise Conflict("This technician is not active: reactivate them first.", path=["technicianId"])
    changed = await change_row(row, status=status)
    if before is TechnicianStatus.OFF:
        await begin_duty(row)
    elif status is TechnicianStatus.OFF:
        await end_duty(row)
    journal.record(events.TechnicianStatusChanged(subject_id=row.id, technician_ids=(row.id,), changes=changed))
    return row.id


@command(None)
async def check_in(actor: Actor, technician_id: str | None = None) -> str:
    """Go on duty, oneself unless a technician is named. Whoever is on duty stays as they are."""
    technician_id = technician_id or own_id(actor)
    _require_own_or_dispatch(actor, technician_id)
    row = await lock_one(models.Technician, actor, technician_id, path="technicianId")
    if row.status != TechnicianStatus.OFF:
        return row.id
    return await change_status(actor, row.id, TechnicianStatus.AVAILABLE)


@command(None)
async def check_out(actor: Actor, technician_id: str | None = None) -> str:
    """Go off duty, oneself unless a technician is named. Refused on the road and at work."""
    return await change_status(actor, technician_id or own_id(actor), TechnicianStatus.OFF)


def _require_own_or_dispatch(actor: Actor, technician_id: str) -> None:
    is_own = actor.technician_id == technician_id and actor.holds(Permission.REPORT_OWN_STATUS)
    if not is_own and not actor.holds(Permission.MANAGE_SCHEDULE):
        raise NotPermitted(Permission.MANAGE_SCHEDULE)
