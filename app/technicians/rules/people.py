"""What is true of technicians: the lifecycle of their status, levels of skill, and shifts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from app.kernel.calendar import require_aware
from app.kernel.errors import InvalidInput, ScheduleClash, ScheduleConflict
from app.kernel.lifecycle import Lifecycle
from app.kernel.money import Money
from app.kernel.places import Point
from app.kernel.work import Severity

LEVEL_MIN = 1
LEVEL_MAX = 5
SKILLS_MAX = 200
SHIFT_HOURS_MAX = 24
SHIFTS_AT_ONCE_MAX = 366
OVERTIME_MINUTES_MAX = 480
SHIFT_LENGTH_MAX = timedelta(hours=SHIFT_HOURS_MAX, minutes=OVERTIME_MINUTES_MAX)
ABSENCE_DAYS_MAX = 731
SPEED_FACTOR_MIN = 0.25
SPEED_FACTOR_MAX = 4.0
COST_PER_HOUR_MAX = Decimal(1_000_000)

_COLOR = re.compile(r"#[0-9a-f]{6}")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")


class TechnicianStatus(StrEnum):
    """What a technician is doing."""

    OFF = "OFF"
    AVAILABLE = "AVAILABLE"
    TRAVELLING = "TRAVELLING"
    WORKING = "WORKING"
    ON_BREAK = "ON_BREAK"


class AbsenceKind(StrEnum):
    """Why a technician is away."""

    VACATION = "VACATION"
    SICK = "SICK"
    TRAINING = "TRAINING"
    PERSONAL = "PERSONAL"
    OTHER = "OTHER"


S = TechnicianStatus

STATUS_LABELS: dict[TechnicianStatus, str] = {
    S.OFF: "Off duty",
    S.AVAILABLE: "Free",
    S.TRAVELLING: "On the road",
    S.WORKING: "At work",
    S.ON_BREAK: "On a break",
}

ABSENCE_LABELS: dict[AbsenceKind, str] = {
    AbsenceKind.VACATION: "On vacation",
    AbsenceKind.SICK: "Sick",
    AbsenceKind.TRAINING: "In training",
    AbsenceKind.PERSONAL: "Away for personal reasons",
    AbsenceKind.OTHER: "Away",
}

# Setting out or starting work is checking in, so both are reached from OFF. Nobody goes home from the road or from work:
# what was begun is finished or put off first, which makes the technician AVAILABLE.
STATUS_LIFECYCLE: Lifecycle[TechnicianStatus] = Lifecycle(
    "technician",
    {
        S.OFF: frozenset({S.AVAILABLE, S.TRAVELLING, S.WORKING}),
        S.AVAILABLE: frozenset({S.OFF, S.TRAVELLING, S.WORKING, S.ON_BREAK}),
        S.TRAVELLING: frozenset({S.AVAILABLE, S.WORKING, S.ON_BREAK}),
        S.WORKING: frozenset({S.AVAILABLE, S.TRAVELLING, S.ON_BREAK}),
        S.ON_BREAK: frozenset({S.OFF, S.AVAILABLE, S.TRAVELLING, S.WORKING}),
    },
)


def status_label(status: str) -> str:
    """What a technician is doing, in plain words."""
    return STATUS_LABELS[TechnicianStatus(status)]


def duty(status: str, *, on_shift: bool | None, absence: str | None) -> tuple[str, Severity]:
    """What a technician is doing as a board says it, in words and by how much it asks for attention.

    ``on_shift`` is whether a shift runs at the moment, None if the asker may not know; ``absence`` is the kind of one that does.
    """
    doing = TechnicianStatus(status)
    if absence is not None:
        away = ABSENCE_LABELS[AbsenceKind(absence)]
        return (away, Severity.NOTICE) if doing is S.OFF else (f"{STATUS_LABELS[doing]}, though away", Severity.WARNING)
    if doing is S.OFF and on_shift:
        return "Late: the shift has begun", Severity.WARNING
    if doing is not S.OFF and on_shift is False:
        return f"{STATUS_LABELS[doing]}, outside the shift", Severity.NOTICE
    return STATUS_LABELS[doing], Severity.INFO


@dataclass(frozen=True, slots=True)
class SkillGrant:
    """A skill a technician is to have. The expiry date is the last day on which it counts."""

    skill_id: str
    level: int
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class HeldSkill:
    """How well a skill is mastered and the last day on which it counts."""

    level: int
    expires_on: date | None = None

    def counts_on(self, day: date) -> bool:
        """Whether it has not expired by that day."""
        return self.expires_on is None or day <= self.expires_on


@dataclass(frozen=True, slots=True)
class ShiftTimes:
    """When somebody works. A break begins between both of its moments, included; without them, whenever it fits."""

    starts_at: datetime
    ends_at: datetime
    break_minutes: int = 0
    break_earliest_at: datetime | None = None
    break_latest_at: datetime | None = None
    overtime_minutes_max: int = 0

    @property
    def last_at(self) -> datetime:
        """The latest end, overtime included."""
        return self.ends_at + timedelta(minutes=self.overtime_minutes_max)


def require_skill_code(code: str) -> str:
    """A short code in capitals, such as HVAC-GAS."""
    cleaned = code.strip().upper()
    if not _CODE.fullmatch(cleaned):
        raise InvalidInput(
            "A code has 1 to 32 letters, digits, - or _, and begins with a letter or digit.", path=["code"]
        )
    return cleaned


def require_color(color: str) -> str:
    """A color as a board draws it: # and six hexadecimal digits."""
    cleaned = color.strip().lower()
    if not _COLOR.fullmatch(cleaned):
        raise InvalidInput("A color is # and six hexadecimal digits, such as #2f6fde.", path=["color"])
    return cleaned


def require_speed_factor(factor: float) -> float:
    """How much faster than planned somebody works: 2.0 does a visit in half its minutes."""
    if not SPEED_FACTOR_MIN <= factor <= SPEED_FACTOR_MAX:
        raise InvalidInput(
            f"A speed factor lies between {SPEED_FACTOR_MIN} and {SPEED_FACTOR_MAX}.", path=["speedFactor"]
        )
    return factor


def require_home(latitude: float | None, longitude: float | None) -> None:
    """Both coordinates of a home base or neither."""
    if (latitude is None) != (longitude is None):
        missing = "homeLatitude" if latitude is None else "homeLongitude"
        raise InvalidInput("A home base needs a latitude and a longitude.", path=[missing])
    if latitude is not None and longitude is not None:
        Point(latitude, longitude)


def require_cost_per_hour(amount: Decimal | None, currency: str) -> Decimal | None:
    """What an hour costs, at the precision of its currency; None is unknown."""
    if amount is None:
        return None
    if not amount.is_finite() or not 0 <= amount <= COST_PER_HOUR_MAX:
        raise InvalidInput(f"A cost per hour lies between 0 and {COST_PER_HOUR_MAX:,}.", path=["costPerHour"])
    return Money(amount, currency).amount


def require_grants(grants: Sequence[SkillGrant]) -> dict[str, HeldSkill]:
    """The skills by id, each once, at a level from 1 to 5."""
    if len(grants) > SKILLS_MAX:
        raise InvalidInput(f"A technician has at most {SKILLS_MAX} skills.", path=["skills"])
    held: dict[str, HeldSkill] = {}
    for place, grant in enumerate(grants):
        path = ["skills", str(place)]
        if isinstance(grant.level, bool) or not LEVEL_MIN <= grant.level <= LEVEL_MAX:
            raise InvalidInput(f"A level lies between {LEVEL_MIN} and {LEVEL_MAX}.", path=[*path, "level"])
        if grant.skill_id in held:
            raise InvalidInput("This skill is named twice.", path=[*path, "skillId"])
        held[grant.skill_id] = HeldSkill(grant.level, grant.expires_on)
    return held


def has_skills(held: Mapping[str, HeldSkill], required: Mapping[str, int], day: date) -> bool:
    """Whether every required skill is held at its level or above, and counts on that day."""
    return all(
        skill_id in held and held[skill_id].level >= level and held[skill_id].counts_on(day)
        for skill_id, level in required.items()
    )


def require_shift(shift: ShiftTimes) -> ShiftTimes:
    """The shift in UTC, with the moments of its break filled in, if all of it makes sense."""
    starts_at = require_aware(shift.starts_at, "startsAt")
    ends_at = require_aware(shift.ends_at, "endsAt")
    if not timedelta(0) < ends_at - starts_at <= timedelta(hours=SHIFT_HOURS_MAX):
        raise InvalidInput(f"A shift ends after it begins, within {SHIFT_HOURS_MAX} hours.", path=["endsAt"])
    if not 0 <= shift.overtime_minutes_max <= OVERTIME_MINUTES_MAX:
        raise InvalidInput(f"Overtime is 0 to {OVERTIME_MINUTES_MAX} minutes.", path=["overtimeMinutesMax"])
    return _with_break(replace(shift, starts_at=starts_at, ends_at=ends_at))


def _with_break(shift: ShiftTimes) -> ShiftTimes:
    if shift.break_minutes == 0:
        return replace(shift, break_earliest_at=None, break_latest_at=None)
    last_begin = shift.ends_at - timedelta(minutes=shift.break_minutes)
    if shift.break_minutes < 0 or last_begin <= shift.starts_at:
        raise InvalidInput("A break is shorter than its shift.", path=["breakMinutes"])
    earliest, latest = shift.break_earliest_at, shift.break_latest_at
    earliest = require_aware(earliest, "breakEarliestAt") if earliest else shift.starts_at
    latest = require_aware(latest, "breakLatestAt") if latest else last_begin
    if not shift.starts_at <= earliest <= last_begin:
        raise InvalidInput("The break cannot be taken within the shift.", path=["breakEarliestAt"])
    if not earliest <= latest <= last_begin:
        raise InvalidInput("The break is over before the shift is.", path=["breakLatestAt"])
    return replace(shift, break_earliest_at=earliest, break_latest_at=latest)


def require_apart(technician_id: str, fresh: Sequence[ShiftTimes], taken: Iterable[ShiftTimes]) -> None:
    """Raise ``ScheduleConflict`` that lists every pair of shifts that overlap, possible overtime included."""
    kept = list(taken)
    clashes = [
        _overlap(technician_id, shift, other)
        for place, shift in enumerate(fresh)
        for other in [*kept, *fresh[:place]]
        if shift.starts_at < other.last_at and other.starts_at < shift.last_at
    ]
    if clashes:
        raise ScheduleConflict(clashes)


def _overlap(technician_id: str, shift: ShiftTimes, other: ShiftTimes) -> ScheduleClash:
    return ScheduleClash(
        "SHIFTS_OVERLAP",
        f"The shift from {shift.starts_at.isoformat()} overlaps the one from {other.starts_at.isoformat()} "
        f"to {other.last_at.isoformat()}, overtime included.",
        overridable=False,
        technician_id=technician_id,
    )


def require_absence(starts_at: datetime, ends_at: datetime) -> tuple[datetime, datetime]:
    """Both ends in UTC, in order, not years apart."""
    begins, ends = require_aware(starts_at, "startsAt"), require_aware(ends_at, "endsAt")
    if not timedelta(0) < ends - begins <= timedelta(days=ABSENCE_DAYS_MAX):
        raise InvalidInput(f"An absence ends after it begins, within {ABSENCE_DAYS_MAX} days.", path=["endsAt"])
    return begins, ends
