"""When a visit fits a technician: one small function for each rule, and which of them may bend."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.kernel.calendar import local_day
from app.kernel.errors import InvalidInput, NotPermitted, ScheduleClash, ScheduleConflict
from app.kernel.permissions import Permission

DURATION_MINUTES_MAX = 24 * 60
CREW_MAX = 8
ABOUT_WHO = frozenset({"SKILL_MISSING", "SKILL_LEVEL_TOO_LOW", "CERTIFICATE_EXPIRED", "OUTSIDE_TERRITORY", "EXCLUDED"})
ABOUT_WHEN = frozenset({"OUTSIDE_WINDOW"})


@dataclass(frozen=True, slots=True)
class Busy:
    """A stretch of time that an appointment has taken, half-open."""

    appointment_id: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class SkillHeld:
    """How well a skill is mastered, and the last day on which the certificate counts."""

    level: int
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """What speaks for and against giving a technician a visit at some time. Shifts end with their overtime."""

    technician_id: str
    name: str
    tz: ZoneInfo
    is_active: bool = True
    skills: Mapping[str, SkillHeld] = field(default_factory=dict)
    shifts: Sequence[tuple[datetime, datetime]] = ()
    absences: Sequence[tuple[datetime, datetime, str]] = ()
    busy: Sequence[Busy] = ()
    territory_id: str | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """When a visit is to be and what it asks for. The promised window says when the technician arrives."""

    starts_at: datetime
    ends_at: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    required_skills: Mapping[str, int] = field(default_factory=dict)
    skill_names: Mapping[str, str] = field(default_factory=dict)
    territory_id: str | None = None
    declined_by: Collection[str] = ()


def ends_at(starts_at: datetime, duration_minutes: int) -> datetime:
    """When a visit that starts then is over."""
    return starts_at + timedelta(minutes=duration_minutes)


def require_duration(minutes: int, path: str = "durationMinutes") -> int:
    """A visit takes 1 minute to one day."""
    if not 1 <= minutes <= DURATION_MINUTES_MAX:
        raise InvalidInput(f"A visit takes 1 to {DURATION_MINUTES_MAX} minutes, not {minutes}.", path=[path])
    return minutes


def require_window(start: datetime | None, end: datetime | None) -> None:
    """A promised window has both ends, in order, or none."""
    if (start is None) != (end is None):
        raise InvalidInput(
            "A promised window has a start and an end.",
            path=["windowStart" if start is None else "windowEnd"],
        )
    if start is not None and end is not None and end <= start:
        raise InvalidInput("A promised window ends after it begins.", path=["windowEnd"])


def clashes(visit: Visit, technicians: Iterable[Availability]) -> list[ScheduleClash]:
    """Every reason why the visit does not fit these technicians, in the order of the rules."""
    found = outside_window(visit)
    for technician in technicians:
        for rule in TECHNICIAN_RULES:
            found.extend(rule(visit, technician))
    return found


def require_fit(found: Sequence[ScheduleClash], *, override_reason: str | None, may_override: bool) -> None:
    """Raise ``ScheduleConflict`` for clashes, unless all bend to a reason given by somebody who may override."""
    if not found:
        return
    if override_reason is None or not all(clash.overridable for clash in found):
        raise ScheduleConflict(found)
    if not may_override:
        raise NotPermitted(Permission.OVERRIDE_SCHEDULE_CONFLICTS)


def outside_window(visit: Visit) -> list[ScheduleClash]:
    """The technician arrives when the customer was told."""
    if visit.window_start is None or visit.window_end is None:
        return []
    if visit.window_start <= visit.starts_at <= visit.window_end:
        return []
    early = visit.starts_at < visit.window_start
    gap = visit.window_start - visit.starts_at if early else visit.starts_at - visit.window_end
    word = "before" if early else "after"
    return [
        ScheduleClash(
            "OUTSIDE_WINDOW",
            f"The visit starts {_minutes(gap)} minutes {word} the promised window.",
            overridable=True,
        )
    ]


def inactive(visit: Visit, technician: Availability) -> list[ScheduleClash]:
    """Who has left cannot be sent."""
    if technician.is_active:
        return []
    return [_clash(technician, "INACTIVE", f"{technician.name} no longer works here.", overridable=False)]


def overlap(visit: Visit, technician: Availability) -> list[ScheduleClash]:
    """Nobody is in two places; no reason in the world changes that."""
    return [
        _clash(
            technician,
            "OVERLAP",
            f"{technician.name} has another visit at that time.",
            overridable=False,
            appointment_id=busy.appointment_id,
        )
        for busy in technician.busy
        if busy.starts_at < visit.ends_at and visit.starts_at < busy.ends_at
    ]


def taken(technician_id: str, appointment_id: str) -> ScheduleClash:
    """A visit that stands in the way of a plan."""
    message = "Another visit has taken that time since."
    return ScheduleClash("OVERLAP", message, False, appointment_id, technician_id)


def outside_shift(visit: Visit, technician: Availability) -> list[ScheduleClash]:
    """The visit lies within one shift, or within shifts that follow each other without a gap."""
    reached = visit.starts_at
    for begins, ends in sorted(technician.shifts):
        if begins <= reached < ends:
            reached = ends
    if reached >= visit.ends_at:
        return []
    if reached == visit.starts_at:
        message = f"{technician.name} has no shift at that time."
    else:
        message = f"The visit ends {_minutes(visit.ends_at - reached)} minutes after the shift of {technician.name}."
    return [_clash(technician, "OUTSIDE_SHIFT", message)]


def absent(visit: Visit, technician: Availability) -> list[ScheduleClash]:
    """Who is on leave is not called in without a reason."""
    return [
        _clash(
            technician,
            "ABSENT",
            f"{technician.name} is absent at that time ({kind.lower().replace('_', ' ')}).",
        )
        for begins, ends, kind in technician.absences
        if begins < visit.ends_at and visit.starts_at < ends
    ]


def unskilled(visit: Visit, technician: Availability) -> list[ScheduleClash]:
    """Each required skill is held, well enough, on a certificate that counts on the day of the visit."""
    found = []
    day = local_day(visit.starts_at, technician.tz)
    for skill_id, level in visit.required_skills.items():
        skill = visit.skill_names.get(skill_id, skill_id)
        held = technician.skills.get(skill_id)
        if held is None:
            found.append(_clash(technician, "SKILL_MISSING", f"{technician.name} does not have the skill {skill}."))
        elif held.level < level:
            message = f"{technician.name} has {skill} at level {held.level}; level {level} is needed."
            found.append(_clash(technician, "SKILL_LEVEL_TOO_LOW", message))
        elif held.expires_on is not None and held.expires_on < day:
            message = f"The certificate of {technician.name} for {skill} ends on {held.expires_on.isoformat()}."
            found.append(_clash(technician, "CERTIFICATE_EXPIRED", message))
    return found


def outside_territory(visit: Visit, technician: Availability) -> list[ScheduleClash]:
    """A technician with a territory stays in it; one without goes anywhere."""
    if technician.territory_id is None or visit.territory_id in (None, technician.territory_id):
        return []
    return [_clash(technician, "OUTSIDE_TERRITORY", f"The site is not in the territory of {technician.name}.")]


def excluded(visit: Visit, technician: Availability) -> list[ScheduleClash]:
    """Who turned this visit down is not given it again without a reason."""
    if technician.technician_id not in visit.declined_by:
        return []
    return [_clash(technician, "EXCLUDED", f"{technician.name} turned this visit down.")]


def is_decided(clash: ScheduleClash, *, pinned_who: bool, pinned_when: bool) -> bool:
    """Whether a pin answers a clash: who pins a technician or a time has weighed what speaks against it."""
    return (pinned_who and clash.code in ABOUT_WHO) or (pinned_when and clash.code in ABOUT_WHEN)


TECHNICIAN_RULES = (inactive, overlap, outside_shift, absent, unskilled, outside_territory, excluded)


def _clash(
    technician: Availability,
    code: str,
    message: str,
    *,
    overridable: bool = True,
    appointment_id: str | None = None,
) -> ScheduleClash:
    return ScheduleClash(code, message, overridable, appointment_id, technician.technician_id)


def _minutes(gap: timedelta) -> int:
    return int(-(-gap.total_seconds() // 60))
