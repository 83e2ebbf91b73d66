"""What scheduling and the planner ask about technicians, answered with plain values."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from app import database
from app.infrastructure import journal
from app.infrastructure.conditions import Condition, column
from app.infrastructure.sharing import SharedReads
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import day_bounds, local_day, zone
from app.kernel.places import Point
from app.technicians import models
from app.technicians.rules import HeldSkill, TechnicianStatus, has_skills


@dataclass(frozen=True, slots=True)
class Profile:
    """A technician as a planner sees one."""

    id: str
    name: str
    is_active: bool
    tz: ZoneInfo
    home: Point | None
    territory_id: str | None
    cost_per_hour: Decimal | None
    currency: str
    speed_factor: float


@dataclass(frozen=True, slots=True)
class RosteredShift:
    """A shift of a technician, UTC. The break's moments are both there when it has minutes, and say when it begins."""

    id: str
    technician_id: str
    starts_at: datetime
    ends_at: datetime
    break_minutes: int
    break_earliest_at: datetime | None
    break_latest_at: datetime | None
    overtime_minutes_max: int


@dataclass(frozen=True, slots=True)
class Away:
    """An absence of a technician, UTC."""

    id: str
    technician_id: str
    starts_at: datetime
    ends_at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class Available:
    """A technician on shift, not away and skilled for all of a time. Visits are another room's question."""

    technician: Profile
    shifts: tuple[RosteredShift, ...]
    skills: Mapping[str, HeldSkill] = field(default_factory=dict)


async def profiles(actor: Actor, technician_ids: Iterable[str] | None = None) -> dict[str, Profile]:
    """Technicians by id: the ones named, or all active ones, in the order of their names."""
    chosen = column("is_active") == True if technician_ids is None else _is_one_of(technician_ids)  # noqa: E712
    rows = await find_rows(models.Technician, models.Technician.visible_to(actor) & chosen, order=["name", "id"])
    return {row.id: _profile(row) for row in rows}


async def skills_of(actor: Actor, technician_ids: Iterable[str]) -> dict[str, dict[str, HeldSkill]]:
    """Technician id → skill id → how it is held. Everyone asked for is there; whoever has no skills has none."""
    wanted = list(dict.fromkeys(technician_ids))
    held: dict[str, dict[str, HeldSkill]] = {technician_id: {} for technician_id in wanted}
    of_these = models.TechnicianSkill.visible_to(actor) & column("technician_id").one_of(wanted)
    for row in await find_rows(models.TechnicianSkill, of_these):
        held[row.technician_id][row.skill_id] = HeldSkill(row.level, row.expires_on)
    return held


async def shifts_between(
    actor: Actor, starts_at: datetime, ends_at: datetime, technician_ids: Iterable[str] | None = None
) -> list[RosteredShift]:
    """Shifts that share time with [starts_at, ends_at), overtime not counted; in order of start."""
    chosen = _sharing(starts_at, ends_at, technician_ids)
    rows = await find_rows(models.Shift, models.Shift.visible_to(actor) & chosen, order=["starts_at", "id"])
    return [
        RosteredShift(
            row.id,
            row.technician_id,
            row.starts_at,
            row.ends_at,
            row.break_minutes,
            row.break_earliest_at,
            row.break_latest_at,
            row.overtime_minutes_max,
        )
        for row in rows
    ]


async def find_last_position(organization_id: str, technician_id: str) -> models.Position | None:
    """Where a technician on duty was last."""
    of_this = (column("organization_id") == organization_id) & (column("technician_id") == technician_id)
    found = await find_rows(models.Position, of_this)
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class LastPosition:
    """Where a technician on duty was last."""

    technician_id: str
    point: Point
    at: datetime
    still_since: datetime
    accuracy_metres: float | None
    heading: float | None
    speed_metres_per_second: float | None


async def find_last_positions(organization_id: str) -> dict[str, LastPosition]:
    """Where all technicians on duty were last, by their ids. Boards look whenever somebody moves, and many at once: those
    of one moment look together."""
    return await _last_positions.get(organization_id)


async def _read_last_positions(organization_id: str) -> dict[str, LastPosition]:
    rows = await database.read_rows(
        'SELECT p."technician_id", p."latitude", p."longitude", p."at", p."still_since", p."accuracy_metres", '
        'p."heading", p."speed_metres_per_second" FROM "position" p JOIN "technician" t ON t."id" = p."technician_id" '
        f'WHERE p."organization_id" = {journal.mark(1)} AND t."status" <> {journal.mark(2)} ORDER BY p."technician_id"',
        [organization_id, TechnicianStatus.OFF.value],
    )
    return {
        row[0]: LastPosition(row[0], Point(row[1], row[2]), journal.moment(row[3]), journal.moment(row[4]), *row[5:8])
        for row in rows
    }


_last_positions = SharedReads(_read_last_positions)


async def shifts_on(
    actor: Actor, day: date, tz: ZoneInfo, technician_ids: Iterable[str] | None = None
) -> list[RosteredShift]:
    """Shifts that share time with a day in a zone, in order of start."""
    return await shifts_between(actor, *day_bounds(day, tz), technician_ids)


async def absences_between(
    actor: Actor, starts_at: datetime, ends_at: datetime, technician_ids: Iterable[str] | None = None
) -> list[Away]:
    """Absences that share time with [starts_at, ends_at), in order of start."""
    chosen = _sharing(starts_at, ends_at, technician_ids)
    rows = await find_rows(models.Absence, models.Absence.visible_to(actor) & chosen, order=["starts_at", "id"])
    return [Away(row.id, row.technician_id, row.starts_at, row.ends_at, row.kind) for row in rows]


async def available_between(
    actor: Actor,
    starts_at: datetime,
    ends_at: datetime,
    *,
    required_skills: Mapping[str, int] | None = None,
    technician_ids: Collection[str] | None = None,
) -> list[Available]:
    """Active technicians whose shifts cover all of [starts_at, ends_at), who are not away in it, and who hold every
    required skill on its last day; in the order of their names.
    """
    people = await profiles(actor, technician_ids)
    shifts: dict[str, list[RosteredShift]] = defaultdict(list)
    for shift in await shifts_between(actor, starts_at, ends_at, technician_ids):
        shifts[shift.technician_id].append(shift)
    away = {one.technician_id for one in await absences_between(actor, starts_at, ends_at, technician_ids)}
    there = [
        person
        for person in people.values()
        if person.is_active and person.id not in away and _covers(shifts[person.id], starts_at, ends_at)
    ]
    skills = await skills_of(actor, [person.id for person in there])
    return [
        Available(person, tuple(shifts[person.id]), skills[person.id])
        for person in there
        if has_skills(skills[person.id], required_skills or {}, local_day(ends_at, person.tz))
    ]


def _is_one_of(technician_ids: Iterable[str]) -> Condition:
    """The row is one of these technicians."""
    return column("id").one_of(dict.fromkeys(technician_ids))


def _sharing(starts_at: datetime, ends_at: datetime, technician_ids: Iterable[str] | None) -> Condition:
    shared = (column("starts_at") < ends_at) & (column("ends_at") > starts_at)
    if technician_ids is None:
        return shared
    return shared & column("technician_id").one_of(dict.fromkeys(technician_ids))


def _covers(shifts: Iterable[RosteredShift], starts_at: datetime, ends_at: datetime) -> bool:
    """Whether shifts, in order, cover a time without a gap."""
    reached = starts_at
    for shift in shifts:
        if shift.starts_at <= reached < shift.ends_at:
            reached = shift.ends_at
    return reached >= ends_at


def _profile(row: models.Technician) -> Profile:
    latitude, longitude = row.home_latitude, row.home_longitude
    return Profile(
        id=row.id,
        name=row.name,
        is_active=row.is_active,
        tz=zone(row.time_zone),
        home=Point(latitude, longitude) if latitude is not None and longitude is not None else None,
        territory_id=row.territory_id,
        cost_per_hour=row.cost_per_hour,
        currency=row.currency,
        speed_factor=row.speed_factor,
    )
