"""What clients may ask about technicians, do to them, and hear of them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from app.infrastructure.conditions import Condition, column
from app.kernel.actor import Actor
from app.kernel.calendar import require_aware, utc_now
from app.kernel.errors import AlreadyExists, Conflict, IllegalTransition, InvalidInput, ScheduleConflict, StaleVersion
from app.kernel.ids import require_id
from app.kernel.permissions import Permission
from app.technicians import commands, models, queries, rules
from app.technicians.events import TechnicianStatusChanged
from app.technicians.rules import AbsenceKind, ShiftTimes, SkillGrant, TechnicianStatus
from schema.customers.types import Coordinates
from schema.kit import (
    ID,
    SIGNED_IN,
    BoxInput,
    Connection,
    Maybe,
    about,
    arg,
    given,
    holds,
    inputs,
    many,
    mutation,
    one,
    require_box,
)
from schema.kit.live import changed, watched
from schema.technicians.types import (
    Absence,
    AbsenceFilter,
    AbsenceOrder,
    Position,
    PositionFilter,
    PositionOrder,
    Shift,
    ShiftFilter,
    ShiftOrder,
    Skill,
    SkillFilter,
    SkillOrder,
    SkillRequirementInput,
    Technician,
    TechnicianFilter,
    TechnicianOrder,
    TechnicianPosition,
)

FOLLOWED_MAX = 100
VERSION = "The version you saw; refused when it is not the current one. Leave it out to change whatever is there."
NEW_ID = "Your own id for it, so that you may send this again; without it we make one."


def by_number(actor: Actor, number: Annotated[str, arg("The number, such as T-0001.")]) -> Condition:
    """The technician of that number."""
    return column("number") == number


async def available(
    actor: Actor,
    starts_at: Annotated[datetime, arg("When the work would begin.")],
    ends_at: Annotated[datetime, arg("When it would be over.")],
    required_skills: Annotated[list[SkillRequirementInput] | None, arg("What it asks for.")] = None,
) -> Condition:
    """Those on shift, not away and skilled for all of the time."""
    begins, ends = require_aware(starts_at, "startsAt"), require_aware(ends_at, "endsAt")
    if ends <= begins:
        raise InvalidInput("The work is over after it begins.", path=["endsAt"])
    required = {str(one.skill_id): one.level for one in required_skills or []}
    found = await queries.available_between(actor, begins, ends, required_skills=required)
    return column("id").one_of([one.technician.id for one in found])


class Queries:
    """What clients may ask."""

    technician: Technician | None = one("One technician.", permission=Permission.VIEW_TECHNICIANS)
    technician_by_number: Technician | None = one(
        "The technician with this number.", permission=Permission.VIEW_TECHNICIANS, where=by_number
    )
    technicians: Connection[Technician] = many(
        "The technicians, by name unless you say otherwise.",
        permission=Permission.VIEW_TECHNICIANS,
        filter=TechnicianFilter,
        order=TechnicianOrder,
    )
    available_technicians: Connection[Technician] = many(
        "Technicians whose shifts cover a time, who are not away in it, and who hold every skill asked for on that day. "
        "Visits they have already are not looked at.",
        permission=Permission.VIEW_SCHEDULE,
        filter=TechnicianFilter,
        order=TechnicianOrder,
        where=available,
    )
    skill: Skill | None = one("One skill.", permission=Permission.VIEW_TECHNICIANS)
    skills: Connection[Skill] = many(
        "The skills that technicians can hold and work can ask for.",
        permission=Permission.VIEW_TECHNICIANS,
        filter=SkillFilter,
        order=SkillOrder,
    )
    shifts: Connection[Shift] = many(
        "The shifts you may see, earliest first.",
        permission=Permission.VIEW_TECHNICIANS,
        filter=ShiftFilter,
        order=ShiftOrder,
    )
    absences: Connection[Absence] = many(
        "The absences you may see, earliest first.",
        permission=Permission.VIEW_TECHNICIANS,
        filter=AbsenceFilter,
        order=AbsenceOrder,
    )
    positions: Connection[Position] = many(
        "Where technicians on duty were last, newest first.",
        permission=Permission.VIEW_POSITIONS,
        filter=PositionFilter,
        order=PositionOrder,
    )


@inputs
class CreateSkillInput:
    """A new skill."""

    code: str = about("Short code: letters, digits, - or _; kept in capitals, taken once in the organization.")
    name: str = about("What it is called, 1 to 120 characters.")
    id: ID | None = about(NEW_ID, default=None)


@inputs
class UpdateSkillInput:
    """A skill to rename."""

    id: ID = about("Which skill.")
    name: str = about("What it is called from now on.")
    version: int | None = about(VERSION, default=None)


@inputs
class CreateTechnicianInput:
    """A new technician."""

    name: str = about("What they are called, 1 to 200 characters.")
    id: ID | None = about(NEW_ID, default=None)
    number: str | None = about("Their number, if they have one; else they get the next one.", default=None)
    user_id: Maybe[ID | None] = about("Their account; an account is one technician's.")
    phone: Maybe[str | None] = about("Where to call; a national number is read by the rules of your own country.")
    email: Maybe[str | None] = about("Where to write to.")
    home_latitude: Maybe[float | None] = about("Where their day begins; only together with the longitude.")
    home_longitude: Maybe[float | None] = about("Where their day begins; only together with the latitude.")
    time_zone: Maybe[str] = about("IANA zone; your organization's unless you say otherwise.")
    territory_id: Maybe[ID | None] = about("Where they work mostly.")
    cost_per_hour: Maybe[Decimal | None] = about("What an hour of theirs costs, in their currency.")
    currency: Maybe[str] = about("The currency of that; your organization's unless you say otherwise.")
    speed_factor: Maybe[float] = about("How much faster than planned they work, 0.25 to 4; 1 unless you say otherwise.")
    color: Maybe[str | None] = about("The color that boards draw them in: # and six hexadecimal digits.")


@inputs
class UpdateTechnicianInput:
    """What is to change about a technician. Only what is given is changed; null clears a value."""

    id: ID = about("Which technician.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What they are called.")
    user_id: Maybe[ID | None] = about("Their account.")
    phone: Maybe[str | None] = about("Where to call.")
    email: Maybe[str | None] = about("Where to write to.")
    home_latitude: Maybe[float | None] = about(
        "Where their day begins and ends, in degrees; both are given, or both are null."
    )
    home_longitude: Maybe[float | None] = about(
        "Where their day begins and ends, in degrees; both are given, or both are null."
    )
    time_zone: Maybe[str] = about("IANA zone.")
    territory_id: Maybe[ID | None] = about("Where they work mostly.")
    cost_per_hour: Maybe[Decimal | None] = about("What an hour of theirs costs, in their currency.")
    currency: Maybe[str] = about("The currency of what they cost, an ISO 4217 code.")
    speed_factor: Maybe[float] = about("How much faster than planned they work, 0.25 to 4.")
    color: Maybe[str | None] = about("The color that boards draw them in.")


@inputs
class DeactivateTechnicianInput:
    """A technician who leaves."""

    id: ID = about("Which technician.")
    version: int | None = about(VERSION, default=None)


@inputs
class ReactivateTechnicianInput:
    """A technician who is back."""

    id: ID = about("Which technician.")
    version: int | None = about(VERSION, default=None)


@inputs
class SkillGrantInput:
    """A skill that a technician is to hold."""

    skill_id: ID = about("Which skill.")
    level: int = about("How well, 1 to 5.")
    expires_on: date | None = about("The last day on which it counts; null means for ever.", default=None)


@inputs
class SetTechnicianSkillsInput:
    """All skills that a technician is to hold: what is not named is taken away."""

    technician_id: ID = about("Which technician.")
    skills: list[SkillGrantInput] = about("Each skill once.")
    version: int | None = about("The technician's version that you saw.", default=None)


@inputs
class ShiftInput:
    """When somebody works."""

    starts_at: datetime = about("When it begins.")
    ends_at: datetime = about("When it is over, 24 hours later at most.")
    break_minutes: int = about("How many minutes the break lasts; 0 means none.", default=0)
    break_earliest_at: datetime | None = about(
        "When the break begins at the earliest; else with the shift.", default=None
    )
    break_latest_at: datetime | None = about(
        "When the break begins at the latest; else so that it ends with the shift.", default=None
    )
    overtime_minutes_max: int = about("How much longer it may last when work runs late, 0 to 480.", default=0)


@inputs
class CreateShiftInput:
    """One shift of a technician."""

    technician_id: ID = about("Who works.")
    shift: ShiftInput = about("When.")
    id: ID | None = about(NEW_ID, default=None)


@inputs
class CreateShiftsInput:
    """Many shifts of a technician, all of them or none."""

    technician_id: ID = about("Who works.")
    shifts: list[ShiftInput] = about("When; 1 to 366 shifts that do not overlap.")


@inputs
class ReplaceShiftsOfDayInput:
    """The shifts of a technician's day, in place of those there are."""

    technician_id: ID = about("Who works.")
    day: date = about("Which day, by the clocks of the technician's time zone.")
    shifts: list[ShiftInput] = about("The shifts that begin on that day; none empties it.")


@inputs
class UpdateShiftInput:
    """What is to change about a shift. Only what is given is changed."""

    id: ID = about("Which shift.")
    version: int | None = about(VERSION, default=None)
    starts_at: Maybe[datetime] = about("When it begins.")
    ends_at: Maybe[datetime] = about("When it is over.")
    break_minutes: Maybe[int] = about("How many minutes the break lasts; 0 means none.")
    break_earliest_at: Maybe[datetime | None] = about("When the break begins at the earliest.")
    break_latest_at: Maybe[datetime | None] = about("When the break begins at the latest.")
    overtime_minutes_max: Maybe[int] = about("How many minutes longer it may last when work runs late.")


@inputs
class DeleteShiftInput:
    """A shift to take off the roster."""

    id: ID = about("Which shift.")
    version: int | None = about(VERSION, default=None)


@inputs
class CreateAbsenceInput:
    """A time at which a technician is away."""

    technician_id: ID = about("Who is away.")
    starts_at: datetime = about("When it begins.")
    ends_at: datetime = about("When it is over.")
    kind: AbsenceKind = about("Why.")
    reason: str = about("In your words, at most 500 characters.", default="")
    id: ID | None = about(NEW_ID, default=None)


@inputs
class UpdateAbsenceInput:
    """What is to change about an absence. Only what is given is changed."""

    id: ID = about("Which absence.")
    version: int | None = about(VERSION, default=None)
    starts_at: Maybe[datetime] = about("When it begins.")
    ends_at: Maybe[datetime] = about("When it is over.")
    kind: Maybe[AbsenceKind] = about("Why.")
    reason: Maybe[str] = about("In your words.")


@inputs
class DeleteAbsenceInput:
    """An absence that is none after all."""

    id: ID = about("Which absence.")
    version: int | None = about(VERSION, default=None)


@inputs
class ChangeTechnicianStatusInput:
    """What a technician is doing now."""

    technician_id: ID = about("Who: yourself, or anybody if you manage the schedule.")
    status: TechnicianStatus = about("What they are doing. Saying again what is known already changes nothing.")
    version: int | None = about("The technician's version that you saw.", default=None)


@inputs
class CheckInInput:
    """Who goes on duty."""

    technician_id: ID | None = about("Who; yourself unless you say otherwise.", default=None)


@inputs
class CheckOutInput:
    """Who goes off duty."""

    technician_id: ID | None = about("Who; yourself unless you say otherwise.", default=None)


def shift_times(shift: ShiftInput) -> ShiftTimes:
    """The input as the rules know it."""
    return ShiftTimes(
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        break_minutes=shift.break_minutes,
        break_earliest_at=shift.break_earliest_at,
        break_latest_at=shift.break_latest_at,
        overtime_minutes_max=shift.overtime_minutes_max,
    )


def _followed(technician_ids: list[ID] | None) -> frozenset[str] | None:
    if technician_ids is None:
        return None
    if len(technician_ids) > FOLLOWED_MAX:
        raise InvalidInput(f"Follow at most {FOLLOWED_MAX} technicians by their ids.", path=["technicianIds"])
    return frozenset(require_id(id, models.Technician.prefix, "technicianIds") for id in technician_ids)


def _position(last: queries.LastPosition, now: datetime) -> TechnicianPosition:
    return TechnicianPosition(
        technician_id=ID(last.technician_id),
        coordinates=Coordinates(latitude=last.point.latitude, longitude=last.point.longitude),
        at=last.at,
        is_stale=rules.is_stale(last.at, now),
        still_since=last.still_since,
        accuracy_metres=last.accuracy_metres,
        heading=last.heading,
        speed_metres_per_second=last.speed_metres_per_second,
    )


class Mutations:
    """What clients may do."""

    @mutation(Skill, "Adds a skill.", permission=Permission.MANAGE_TECHNICIANS, problems=(AlreadyExists,))
    async def create_skill(actor: Actor, input: CreateSkillInput) -> str:
        return await commands.create_skill(actor, code=input.code, name=input.name, id=input.id)

    @mutation(Skill, "Renames a skill.", permission=Permission.MANAGE_TECHNICIANS, problems=(StaleVersion,))
    async def update_skill(actor: Actor, input: UpdateSkillInput) -> str:
        return await commands.update_skill(actor, input.id, name=input.name, version=input.version)

    @mutation(
        Technician,
        "Adds a technician, off duty.",
        permission=Permission.MANAGE_TECHNICIANS,
        problems=(AlreadyExists,),
    )
    async def create_technician(actor: Actor, input: CreateTechnicianInput) -> str:
        return await commands.create_technician(
            actor, id=input.id, name=input.name, number=input.number, **given(input)
        )

    @mutation(
        Technician,
        "Changes a technician's details.",
        permission=Permission.MANAGE_TECHNICIANS,
        problems=(AlreadyExists, StaleVersion),
    )
    async def update_technician(actor: Actor, input: UpdateTechnicianInput) -> str:
        return await commands.update_technician(actor, input.id, version=input.version, **given(input))

    @mutation(
        Technician,
        "Gives a technician no more work; the past keeps them. Refused on duty.",
        permission=Permission.MANAGE_TECHNICIANS,
        problems=(Conflict, StaleVersion),
    )
    async def deactivate_technician(actor: Actor, input: DeactivateTechnicianInput) -> str:
        return await commands.deactivate_technician(actor, input.id, version=input.version)

    @mutation(
        Technician,
        "Takes a technician back.",
        permission=Permission.MANAGE_TECHNICIANS,
        problems=(StaleVersion,),
    )
    async def reactivate_technician(actor: Actor, input: ReactivateTechnicianInput) -> str:
        return await commands.reactivate_technician(actor, input.id, version=input.version)

    @mutation(
        Technician,
        "Sets a technician's skills as a whole.",
        permission=Permission.MANAGE_TECHNICIANS,
        problems=(StaleVersion,),
    )
    async def set_technician_skills(actor: Actor, input: SetTechnicianSkillsInput) -> str:
        grants = [SkillGrant(one.skill_id, one.level, one.expires_on) for one in input.skills]
        return await commands.set_technician_skills(actor, input.technician_id, grants, version=input.version)

    @mutation(
        Shift,
        "Rosters a technician for one shift.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(AlreadyExists, ScheduleConflict),
    )
    async def create_shift(actor: Actor, input: CreateShiftInput) -> str:
        return await commands.create_shift(actor, input.technician_id, shift_times(input.shift), id=input.id)

    @mutation(
        list[Shift],
        "Rosters a technician for many shifts, all of them or none.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(ScheduleConflict,),
        noun="shifts",
    )
    async def create_shifts(actor: Actor, input: CreateShiftsInput) -> list[str]:
        return await commands.create_shifts(actor, input.technician_id, [shift_times(one) for one in input.shifts])

    @mutation(
        list[Shift],
        "Replaces the shifts that begin on a technician's day. Shifts that stay as they are keep their ids.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(ScheduleConflict,),
        noun="shifts",
    )
    async def replace_shifts_of_day(actor: Actor, input: ReplaceShiftsOfDayInput) -> list[str]:
        shifts = [shift_times(one) for one in input.shifts]
        return await commands.replace_shifts_of_day(actor, input.technician_id, input.day, shifts)

    @mutation(
        Shift,
        "Changes when a shift is.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(ScheduleConflict, StaleVersion),
    )
    async def update_shift(actor: Actor, input: UpdateShiftInput) -> str:
        return await commands.update_shift(actor, input.id, version=input.version, **given(input))

    @mutation(
        Technician,
        "Takes a shift off the roster. The answer is the technician.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(StaleVersion,),
    )
    async def delete_shift(actor: Actor, input: DeleteShiftInput) -> str:
        return await commands.delete_shift(actor, input.id, version=input.version)

    @mutation(
        Absence,
        "Notes that a technician will be away. Visits promised for that time stay, and show as conflicts.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(AlreadyExists,),
    )
    async def create_absence(actor: Actor, input: CreateAbsenceInput) -> str:
        return await commands.create_absence(
            actor,
            input.technician_id,
            starts_at=input.starts_at,
            ends_at=input.ends_at,
            kind=input.kind,
            reason=input.reason,
            id=input.id,
        )

    @mutation(
        Absence,
        "Changes when or why a technician is away.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(StaleVersion,),
    )
    async def update_absence(actor: Actor, input: UpdateAbsenceInput) -> str:
        return await commands.update_absence(actor, input.id, version=input.version, **given(input))

    @mutation(
        Technician,
        "Notes that a technician will not be away after all. The answer is the technician.",
        permission=Permission.MANAGE_SCHEDULE,
        problems=(StaleVersion,),
    )
    async def delete_absence(actor: Actor, input: DeleteAbsenceInput) -> str:
        return await commands.delete_absence(actor, input.id, version=input.version)

    @mutation(
        Technician,
        "Says what a technician is doing: technicians of themselves (REPORT_OWN_STATUS), dispatchers of anybody "
        "(MANAGE_SCHEDULE).",
        permission=SIGNED_IN,
        problems=(Conflict, IllegalTransition, StaleVersion),
    )
    async def change_technician_status(actor: Actor, input: ChangeTechnicianStatusInput) -> str:
        return await commands.change_status(actor, input.technician_id, input.status, version=input.version)

    @mutation(
        Technician,
        "Goes on duty: oneself (REPORT_OWN_STATUS), or anybody (MANAGE_SCHEDULE). May be repeated.",
        permission=SIGNED_IN,
        problems=(Conflict, IllegalTransition),
    )
    async def check_in(actor: Actor, input: CheckInInput) -> str:
        return await commands.check_in(actor, input.technician_id)

    @mutation(
        Technician,
        "Goes off duty: oneself (REPORT_OWN_STATUS), or anybody (MANAGE_SCHEDULE). Refused on the road and at work.",
        permission=SIGNED_IN,
        problems=(Conflict, IllegalTransition),
    )
    async def check_out(actor: Actor, input: CheckOutInput) -> str:
        return await commands.check_out(actor, input.technician_id)


class Subscriptions:
    """What clients may hear."""

    @watched(
        "Where technicians on duty are: first of all of them, then of each who moves. It needs VIEW_POSITIONS; a technician "
        "hears of the own position.",
        permission=Permission.VIEW_TECHNICIANS,
        facts=(TechnicianStatusChanged,),
        topics=(commands.TOPIC,),
    )
    async def technician_positions(
        actor: Actor,
        box: Annotated[BoxInput | None, arg("Only those on this part of the map.")] = None,
        technician_ids: Annotated[
            list[ID] | None, arg(f"Only these, at most {FOLLOWED_MAX}; without it, all that you may see.")
        ] = None,
    ) -> dict[str, TechnicianPosition]:
        """By technician; all who look at the same moment read once."""
        if not actor.is_technician_only:
            actor.require(Permission.VIEW_POSITIONS)
        if box is not None:
            require_box(box.south, box.west, box.north, box.east)
        wanted = _followed(technician_ids)
        now = utc_now()
        return {
            id: _position(last, now)
            for id, last in (await queries.find_last_positions(actor.organization_id)).items()
            if (not actor.is_technician_only or id == actor.technician_id)
            and (wanted is None or id in wanted)
            and (box is None or holds(box, last.point))
        }

    technician_changed = changed(
        Technician,
        "Technicians, as they are added, change their status, learn, leave.",
        permission=Permission.VIEW_TECHNICIANS,
    )
    shift_changed = changed(
        Shift, "Shifts, as they are rostered, moved or taken off.", permission=Permission.VIEW_TECHNICIANS
    )
    absence_changed = changed(
        Absence, "Absences, as they are noted, changed or taken back.", permission=Permission.VIEW_TECHNICIANS
    )
