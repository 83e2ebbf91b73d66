"""What clients may see of technicians: who they are, what they can do, when they work, where they are."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.company.models import Territory as TerritoryRow
from app.infrastructure.conditions import Condition, column, exists, selected
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.technicians import models, rules
from app.technicians.rules import AbsenceKind, IgnoredReason, TechnicianStatus
from schema.company.types import Territory, TerritoryFilter
from schema.customers.types import Coordinates
from schema.identity.types import User
from schema.kit import (
    ID,
    AreaInput,
    BooleanFilter,
    Connection,
    DateFilter,
    DateTimeFilter,
    DecimalFilter,
    EnumFilter,
    FloatFilter,
    IdFilter,
    IntFilter,
    Node,
    StringFilter,
    TimeRangeInput,
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
    inputs,
    link,
    orderable,
    overlaps,
    parent,
    plain,
    ranked,
    readable,
    single,
    within,
)

describe_enum(
    TechnicianStatus,
    "What a technician is doing.",
    {
        TechnicianStatus.OFF: "Not on duty; no position is taken.",
        TechnicianStatus.AVAILABLE: "On duty and free.",
        TechnicianStatus.TRAVELLING: "On the road to a visit.",
        TechnicianStatus.WORKING: "At work on a site.",
        TechnicianStatus.ON_BREAK: "On duty, but pausing.",
    },
)
describe_enum(
    IgnoredReason,
    "Why a position that was uploaded is not kept.",
    {
        IgnoredReason.TOO_OLD: "It was taken more than 24 hours ago.",
        IgnoredReason.FROM_THE_FUTURE: "It says that it was taken later than now: set the device's clock.",
        IgnoredReason.OFF_DUTY: "It was taken while the technician was not on duty.",
        IgnoredReason.NOT_NEEDED: "It came before, or says no more than others: of many the newest counts, and a few are kept.",
    },
)
describe_enum(
    AbsenceKind,
    "Why a technician is away.",
    {
        AbsenceKind.VACATION: "Planned time off.",
        AbsenceKind.SICK: "Ill.",
        AbsenceKind.TRAINING: "At a course or a meeting.",
        AbsenceKind.PERSONAL: "Something of their own.",
        AbsenceKind.OTHER: "Anything else.",
    },
)


@plain
class AllowedTechnicianStep:
    """A step that the technician's lifecycle allows from where they are."""

    to: TechnicianStatus = about("The status it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


@plain
class IgnoredPositions:
    """How many positions of a batch are not kept for a reason."""

    reason: IgnoredReason = about("Why.")
    count: int = about("How many.")


@inputs
class SkillRequirementInput:
    """A skill that somebody must have."""

    skill_id: ID = about("Which skill.")
    level: int = about("The least level, 1 to 5.", default=1)


def holding(actor: Actor, required: dict[str, Any]) -> Condition:
    """A technician holds a skill at a level or above. Expiry is asked by date, because today differs by zone."""
    held = (
        models.TechnicianSkill.visible_to(actor)
        & (column("skill_id") == required["skillId"])
        & (column("level") >= required.get("level", rules.LEVEL_MIN))
    )
    return exists("technician_skill", "technician_id", held)


def last_seen(actor: Actor, area: dict[str, Any]) -> Condition:
    """A technician's last position, as far as the actor may see it, lies in an area."""
    return selected("position", "technician_id", models.Position.visible_to(actor) & within(area), ours="id")


@filterable(models.Skill)
class SkillFilter:
    """Which skills."""

    id: IdFilter | None = by("Its id.")
    code: StringFilter | None = by("Its code.")
    name: StringFilter | None = by("What it is called.")
    created_at: DateTimeFilter | None = by("When it was added.")


SkillOrder = orderable(
    "SkillOrder",
    models.Skill,
    default=("name",),
    name="What it is called.",
    code="Its code.",
    created_at="When it was added.",
)


@filterable(models.TechnicianSkill)
class TechnicianSkillFilter:
    """Which of the skills that are held."""

    id: IdFilter | None = by("Its id.")
    technician_id: IdFilter | None = by("Held by whom.")
    skill_id: IdFilter | None = by("Which skill.")
    level: IntFilter | None = by("How well, 1 to 5.")
    expires_on: DateFilter | None = by("The last day on which it counts.")
    skill: SkillFilter | None = by_parent("Which skill.")


TechnicianSkillOrder = orderable(
    "TechnicianSkillOrder",
    models.TechnicianSkill,
    default=("-level",),
    level="How well it is mastered.",
    expires_on="The last day on which it counts; those that never expire come last.",
    skill_name=from_parent("The skill's name.", models.Skill, "name", via="skill_id"),
)


@readable(models.TechnicianSkill, permission=Permission.VIEW_TECHNICIANS)
class TechnicianSkill(Node):
    """A skill that a technician holds."""

    level: int = col("How well it is mastered, 1 to 5.")
    expires_on: date | None = col("The last day on which it counts; missing means for ever.")
    technician: "Technician" = parent("Who holds it.", facet="name")
    skill: "Skill" = parent("Which skill.", facet="name")


@readable(models.Skill, permission=Permission.VIEW_TECHNICIANS)
class Skill(Node):
    """Something a technician can be good at or certified for, and work can ask for."""

    version: int = col("Counts up with every change.")
    code: str = col("Short code, unique in the organization.")
    name: str = col("What it is called.")
    created_at: datetime = col("When it was added.")
    holders: Connection[TechnicianSkill] = children(
        "Who holds it, and how well.", via="skill_id", filter=TechnicianSkillFilter, order=TechnicianSkillOrder
    )


@filterable(models.Shift)
class ShiftFilter:
    """Which shifts."""

    id: IdFilter | None = by("Its id.")
    technician_id: IdFilter | None = by("Whose.")
    starts_at: DateTimeFilter | None = by("When it begins.")
    ends_at: DateTimeFilter | None = by("When it is over.")
    break_minutes: IntFilter | None = by("How long the break is; 0 means none.")
    break_earliest_at: DateTimeFilter | None = by("When the break begins at the earliest; missing without a break.")
    break_latest_at: DateTimeFilter | None = by("When the break begins at the latest; missing without a break.")
    overtime_minutes_max: IntFilter | None = by("How much longer it may last when work runs late.")
    during: TimeRangeInput | None = by(
        "Shares time with this. What ends when the range begins, or begins when it ends, does not.",
        where=lambda _actor, range: overlaps(range),
    )


ShiftOrder = orderable(
    "ShiftOrder",
    models.Shift,
    default=("starts_at",),
    starts_at="When it begins.",
    ends_at="When it is over.",
    break_minutes="How long the break is; 0 means none.",
    break_earliest_at="When the break begins at the earliest; missing without a break.",
    break_latest_at="When the break begins at the latest; missing without a break.",
    overtime_minutes_max="How much longer it may last when work runs late.",
    technician_name=from_parent("The technician's name.", models.Technician, "name", via="technician_id"),
)


@readable(models.Shift, permission=Permission.VIEW_TECHNICIANS)
class Shift(Node):
    """When a technician works. Shifts of one technician do not overlap. Technicians see their own."""

    version: int = col("Counts up with every change.")
    starts_at: datetime = col("When it begins.")
    ends_at: datetime = col("When it is over.")
    break_minutes: int = col("How many minutes the break lasts; 0 means none.")
    break_earliest_at: datetime | None = col("When the break begins at the earliest; missing without a break.")
    break_latest_at: datetime | None = col("When the break begins at the latest; missing without a break.")
    overtime_minutes_max: int = col("How many minutes longer it may last when work runs late.")
    technician: "Technician" = parent("Who works.")


@filterable(models.Absence)
class AbsenceFilter:
    """Which absences."""

    id: IdFilter | None = by("Its id.")
    technician_id: IdFilter | None = by("Whose.")
    kind: EnumFilter[AbsenceKind] | None = by("Why.")
    starts_at: DateTimeFilter | None = by("When it begins.")
    ends_at: DateTimeFilter | None = by("When it is over.")
    reason: StringFilter | None = by("In somebody's words; often empty.")
    during: TimeRangeInput | None = by(
        "Shares time with this. What ends when the range begins, or begins when it ends, does not.",
        where=lambda _actor, range: overlaps(range),
    )


AbsenceOrder = orderable(
    "AbsenceOrder",
    models.Absence,
    default=("starts_at",),
    starts_at="When it begins.",
    ends_at="When it is over.",
    kind="Why.",
    reason="In somebody's words; often empty.",
    technician_name=from_parent("The technician's name.", models.Technician, "name", via="technician_id"),
)


@readable(models.Absence, permission=Permission.VIEW_TECHNICIANS)
class Absence(Node):
    """When a technician is away. Technicians see their own."""

    version: int = col("Counts up with every change.")
    starts_at: datetime = col("When it begins.")
    ends_at: datetime = col("When it is over.")
    kind: AbsenceKind = col("Why.", facet=True)
    reason: str = col("In somebody's words; often empty.")
    technician: "Technician" = parent("Who is away.", facet="name")


@filterable(models.Position)
class PositionFilter:
    """Which positions."""

    id: IdFilter | None = by("Its id.")
    technician_id: IdFilter | None = by("Whose.")
    at: DateTimeFilter | None = by("When it was taken.")
    accuracy_metres: FloatFilter | None = by("How far off it may be.")
    heading: FloatFilter | None = by("In which direction they moved: degrees from north, clockwise.")
    speed_metres_per_second: FloatFilter | None = by("How fast they moved.")
    still_since: DateTimeFilter | None = by("Since when they have been near there.")
    within: AreaInput | None = by("On this part of the map.", where=lambda _actor, area: within(area))


PositionOrder = orderable(
    "PositionOrder",
    models.Position,
    default=("-at",),
    at="When it was taken.",
    accuracy_metres="How far off it may be.",
    heading="In which direction they moved: degrees from north, clockwise.",
    speed_metres_per_second="How fast they moved.",
    still_since="Since when they have been near there.",
    technician_name=from_parent("The technician's name.", models.Technician, "name", via="technician_id"),
)


@readable(models.Position, permission=None)
class Position(Node):
    """Where a technician on duty was last. The office sees all with VIEW_POSITIONS, technicians their own."""

    coordinates: Coordinates | None = group(
        "Where on the map.", latitude="latitude", longitude="longitude", null_without="latitude"
    )
    accuracy_metres: float | None = col("How many metres off it may be; null if the device did not say.")
    heading: float | None = col(
        "In which direction they moved: degrees from north, clockwise; null if the device did not say."
    )
    speed_metres_per_second: float | None = col("How fast they moved; null if the device did not say.")
    at: datetime = col("When the device was there.")
    still_since: datetime = col("Since when they have been near there, within about 50 metres.")
    technician: "Technician" = parent("Who.")


@filterable(models.PositionSample)
class PositionSampleFilter:
    """Which of the positions that are kept."""

    id: IdFilter | None = by("Its id.")
    technician_id: IdFilter | None = by("Whose.")
    at: DateTimeFilter | None = by("When it was taken.")
    accuracy_metres: FloatFilter | None = by("How far off it may be.")
    heading: FloatFilter | None = by("In which direction they moved: degrees from north, clockwise.")
    speed_metres_per_second: FloatFilter | None = by("How fast they moved.")
    within: AreaInput | None = by("On this part of the map.", where=lambda _actor, area: within(area))


PositionSampleOrder = orderable(
    "PositionSampleOrder",
    models.PositionSample,
    default=("at",),
    at="When it was taken.",
    accuracy_metres="How far off it may be.",
    heading="In which direction they moved: degrees from north, clockwise.",
    speed_metres_per_second="How fast they moved.",
    technician_name=from_parent("The technician's name.", models.Technician, "name", via="technician_id"),
)


@readable(models.PositionSample, permission=None)
class PositionSample(Node):
    """Where a technician on duty was at a moment: at most one in a minute is kept of who moves, one in ten minutes of who
    stays, for as many days as the organization says. The office sees all with VIEW_POSITIONS, technicians their own."""

    coordinates: Coordinates | None = group(
        "Where on the map.", latitude="latitude", longitude="longitude", null_without="latitude"
    )
    accuracy_metres: float | None = col("How many metres off it may be; null if the device did not say.")
    heading: float | None = col(
        "In which direction they moved: degrees from north, clockwise; null if the device did not say."
    )
    speed_metres_per_second: float | None = col("How fast they moved; null if the device did not say.")
    at: datetime = col("When the device was there.")
    technician: "Technician" = parent("Who.")


def steps_of(status: str) -> list[AllowedTechnicianStep]:
    """The steps that the lifecycle allows from a status."""
    allowed = rules.STATUS_LIFECYCLE.allowed(TechnicianStatus(status))
    return [AllowedTechnicianStep(to=step.to, blocked_by=list(step.blocked_by)) for step in allowed]


@filterable(models.Technician)
class TechnicianFilter:
    """Which technicians."""

    id: IdFilter | None = by("Its id.")
    number: StringFilter | None = by("Their number.")
    name: StringFilter | None = by("What they are called.")
    status: EnumFilter[TechnicianStatus] | None = by("What they are doing.")
    is_active: BooleanFilter | None = by("Whether they still work here.")
    territory_id: IdFilter | None = by("Where they work mostly.")
    user_id: IdFilter | None = by("Whose account it is.", permission=Permission.VIEW_TECHNICIANS)
    phone: StringFilter | None = by("Where to call, as E.164.")
    email: StringFilter | None = by("Where to write to.")
    time_zone: StringFilter | None = by("IANA zone by whose clocks their days are reckoned.")
    cost_per_hour: DecimalFilter | None = by("What an hour of theirs costs us.")
    currency: StringFilter | None = by("The currency of what they cost, ISO 4217.")
    speed_factor: FloatFilter | None = by(
        "How much faster than planned they work: 2.0 does a visit in half its minutes."
    )
    color: StringFilter | None = by("The color that boards draw them in, such as #2f6fde.")
    created_at: DateTimeFilter | None = by("When they were added.")
    updated_at: DateTimeFilter | None = by("When they were changed last.")
    has_skill: SkillRequirementInput | None = by(
        "Holds this skill at this level or above.", where=holding, permission=Permission.VIEW_TECHNICIANS
    )
    within: AreaInput | None = by(
        "Whose last position is on this part of the map.", where=last_seen, permission=Permission.VIEW_POSITIONS
    )
    territory: TerritoryFilter | None = by_parent("Where they work mostly.")
    skills: TechnicianSkillFilter | None = by_children("What they can do.", via="technician_id")
    shifts: ShiftFilter | None = by_children("When they work.", via="technician_id")
    absences: AbsenceFilter | None = by_children("When they are away.", via="technician_id")
    search: str | None = by_search("the number or the name", models.Technician)


TechnicianOrder = orderable(
    "TechnicianOrder",
    models.Technician,
    default=("name",),
    name="What they are called.",
    number="Their number.",
    created_at="When they were added.",
    status=ranked("Who is off last.", "status", ["AVAILABLE", "TRAVELLING", "WORKING", "ON_BREAK", "OFF"]),
    is_active="Whether they still work here.",
    phone="Where to call, as E.164.",
    email="Where to write to.",
    time_zone="IANA zone by whose clocks their days are reckoned.",
    cost_per_hour="What an hour of theirs costs us.",
    currency="The currency of what they cost, ISO 4217.",
    speed_factor="How much faster than planned they work: 2.0 does a visit in half its minutes.",
    color="The color that boards draw them in, such as #2f6fde.",
    updated_at="When they were changed last.",
    territory_name=from_parent(
        "The territory's name; those without come last.", TerritoryRow, "name", via="territory_id"
    ),
)


@plain
class TechnicianPosition:
    """Where a technician on duty is, as far as it is known."""

    technician_id: ID = about("Who.")
    technician: "Technician | None" = link(
        "Them as they are now; null when you may not see them (any more).", "technician_id"
    )
    coordinates: Coordinates = about("Where on the map.")
    at: datetime = about("When the device was there.")
    is_stale: bool = about("Whether that was more than five minutes ago, so that it says little about now.")
    still_since: datetime = about("Since when they have been near there, within about 50 metres.")
    accuracy_metres: float | None = about("How many metres off it may be; null if the device did not say.")
    heading: float | None = about(
        "In which direction they moved: degrees from north, clockwise; null if the device did not say."
    )
    speed_metres_per_second: float | None = about("How fast they moved; null if the device did not say.")
    removed: bool = about(
        "Take them off the map: they went off duty, left the box, or you may not see them any more.", default=False
    )
    cursor: str = about("Where the journal stood when this was looked at.", default="")


@plain
class PositionsReceipt:
    """What became of a batch of positions. The device can let go of all of them."""

    technician_id: ID = about("Who was there.")
    technician: "Technician | None" = link("As they are now, with the position that is shown.", "technician_id")
    taken: int = about("How many are kept.")
    ignored: list[IgnoredPositions] = about("How many are not, by the reason; empty when all are kept.")


@extends_filter(SkillFilter)
class SkillsHolders:
    """Who holds it."""

    holders: TechnicianSkillFilter | None = by_children("Who holds it, and how well.", via="skill_id")


@extends_filter(TechnicianSkillFilter)
class SkillsTechnician:
    """Who holds it."""

    technician: TechnicianFilter | None = by_parent("Who holds it.")


@extends_filter(ShiftFilter)
class ShiftsTechnician:
    """Who works."""

    technician: TechnicianFilter | None = by_parent("Who works.")


@extends_filter(AbsenceFilter)
class AbsencesTechnician:
    """Who is away."""

    technician: TechnicianFilter | None = by_parent("Who is away.")


@extends_filter(PositionFilter)
class PositionsTechnician:
    """Who was there."""

    technician: TechnicianFilter | None = by_parent("Who was there.")


@extends_filter(PositionSampleFilter)
class PositionSamplesTechnician:
    """Who was there."""

    technician: TechnicianFilter | None = by_parent("Who was there.")


@readable(models.Technician, permission=None)
class Technician(Node):
    """Somebody who goes out to work. Customers see the name of whoever is sent to them, and little else."""

    version: int = col("Counts up with every change, of the skills too.")
    number: str = col("Human number, unique in the organization.")
    name: str = col("What they are called.")
    status: TechnicianStatus = col("What they are doing.", facet=True)
    status_label: str = computed("What they are doing, in plain words.", rules.status_label, needs=("status",))
    allowed_transitions: list[AllowedTechnicianStep] = computed(
        "Steps their lifecycle allows from here.", steps_of, needs=("status",)
    )
    is_active: bool = col("Whether they still work here.", facet=True)
    phone: str | None = col(
        "The phone number as E.164, such as +12125550100; null if none is known.",
        permission=Permission.VIEW_TECHNICIANS,
    )
    email: str | None = col("The e-mail address; null if none is known.", permission=Permission.VIEW_TECHNICIANS)
    home: Coordinates | None = group(
        "Where their day begins and ends.",
        latitude="home_latitude",
        longitude="home_longitude",
        null_without="latitude",
        permission=Permission.VIEW_POSITIONS,
    )
    time_zone: str = col("IANA zone by whose clocks their days are reckoned.")
    cost_per_hour: Decimal | None = col(
        "What an hour of theirs costs us, in their currency; null without the permission VIEW_TECHNICIAN_COSTS.",
        permission=Permission.VIEW_TECHNICIAN_COSTS,
        totals=True,
        sensitive=True,
    )
    currency: str = col("The currency of what they cost, ISO 4217.")
    speed_factor: float | None = col(
        "How much faster than planned they work: 2.0 does a visit in half its minutes.",
        permission=Permission.VIEW_TECHNICIANS,
    )
    color: str | None = col("The color that boards draw them in, such as #2f6fde.")
    created_at: datetime = col("When they were added.")
    updated_at: datetime = col("When they were changed last.")
    user: User = parent("Their account.", permission=Permission.VIEW_TECHNICIANS)
    territory: Territory = parent("Where they work mostly.", facet="name")
    position: Position = single(
        "Where they were last; only on duty, and only for those who may see it.", via="technician_id"
    )
    position_history: Connection[PositionSample] = children(
        "Where they were on duty in the last days, oldest first; only for those who may see it. Narrow it by time with "
        "`at`.",
        via="technician_id",
        filter=PositionSampleFilter,
        order=PositionSampleOrder,
    )
    skills: Connection[TechnicianSkill] = children(
        "What they can do, best first.", via="technician_id", filter=TechnicianSkillFilter, order=TechnicianSkillOrder
    )
    shifts: Connection[Shift] = children(
        "When they work, earliest first.", via="technician_id", filter=ShiftFilter, order=ShiftOrder
    )
    absences: Connection[Absence] = children(
        "When they are away, earliest first.", via="technician_id", filter=AbsenceFilter, order=AbsenceOrder
    )
