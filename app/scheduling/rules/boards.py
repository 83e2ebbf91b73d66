"""What a part of the schedule shows, such as the board of a day: which visits, with which words, and how urgently. Pure.

A visit is on the board of the day that its planned time touches; while it has no time, of the days that its promised window
touches. One that was called off is on none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.kernel.work import Severity
from app.scheduling.rules.lateness import LATE_BADLY, NOT_ARRIVED, expected_at, promised_by
from app.scheduling.rules.lifecycles import APPOINTMENT_LABELS, ENDED, AppointmentStatus

A = AppointmentStatus
DISPATCH_AHEAD = timedelta(minutes=60)


class BoardRowKind(StrEnum):
    """What a row of a board is."""

    VISIT = "VISIT"
    TECHNICIAN = "TECHNICIAN"


class BoardRemoval(StrEnum):
    """Why a row is no longer on a board."""

    CANCELED = "CANCELED"
    UNSCHEDULED = "UNSCHEDULED"
    MOVED_AWAY = "MOVED_AWAY"
    REASSIGNED = "REASSIGNED"
    OTHER_TERRITORY = "OTHER_TERRITORY"
    DEACTIVATED = "DEACTIVATED"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a visit stands: all that decides on which boards it is."""

    status: AppointmentStatus
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    technician_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """The part of the schedule that a board shows: the visits of some hours, of some technicians or of all."""

    starts_at: datetime
    ends_at: datetime
    technician_ids: frozenset[str] | None = None

    def touches(self, placement: Placement) -> bool:
        """Whether a visit's time, or what was promised while it has none, lies at least partly in the board's hours."""
        begins, ends = placement.starts_at, placement.ends_at
        if begins is None or ends is None:
            begins, ends = placement.window_start, placement.window_end
        return begins is not None and ends is not None and begins < self.ends_at and ends > self.starts_at

    def concerns(self, placement: Placement) -> bool:
        """Whether one of the board's technicians has the visit."""
        return self.technician_ids is None or not self.technician_ids.isdisjoint(placement.technician_ids)

    def shows(self, placement: Placement) -> bool:
        """Whether a visit is on the board."""
        return placement.status is not A.CANCELED and self.touches(placement) and self.concerns(placement)

    def left(self, before: Placement, after: Placement) -> BoardRemoval | None:
        """Why a visit went from the board; None when it did not, or was not on it."""
        if not self.shows(before) or self.shows(after):
            return None
        if after.status is A.CANCELED:
            return BoardRemoval.CANCELED
        if after.status is A.UNSCHEDULED:
            return BoardRemoval.UNSCHEDULED
        return BoardRemoval.REASSIGNED if self.touches(after) else BoardRemoval.MOVED_AWAY


def placements(fact: Mapping[str, Any]) -> tuple[Placement, Placement] | None:
    """Where a visit stood before and after a fact about it; None for one from before facts said so."""
    placed = fact.get("placed")
    if not placed:
        return None
    changes: Mapping[str, Sequence[Any]] = fact.get("changes") or {}
    before = {name: changes[name][0] if name in changes else value for name, value in placed.items()}
    return _placement(before), _placement(placed)


def _placement(placed: Mapping[str, Any]) -> Placement:
    return Placement(
        status=AppointmentStatus(placed["status"]),
        starts_at=_moment(placed["starts_at"]),
        ends_at=_moment(placed["ends_at"]),
        window_start=_moment(placed["window_start"]),
        window_end=_moment(placed["window_end"]),
        technician_ids=tuple(placed["technician_ids"] or ()),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a visit has come: all that decides what a board says about it."""

    status: AppointmentStatus
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    eta_at: datetime | None = None
    arrived_at: datetime | None = None
    travel_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a board says about a row: words, how urgently, and how late it is where that can be known."""

    label: str
    severity: Severity
    late_minutes: int | None = None


def late_minutes(visit: Progress, now: datetime) -> int | None:
    """How many minutes after the promise the technicians arrived, will, or can at best; 0 is in time, None where nobody can
    tell. Late is what alerts call late."""
    arrives, promised = visit.arrived_at, visit.window_end
    if visit.starts_at is not None:
        promised = promised_by(visit.starts_at, visit.window_end)
        if arrives is None and visit.status in NOT_ARRIVED:
            arrives = expected_at(
                visit.status, visit.starts_at, eta_at=visit.eta_at, travel_minutes=visit.travel_minutes, now=now
            )
    elif visit.status is A.UNSCHEDULED and promised is not None and now > promised:
        arrives = now
    if promised is None or arrives is None:
        return None
    return max(0, _whole_minutes(arrives - promised))


def say(visit: Progress, now: datetime) -> Said:
    """What a board says about a visit at a moment."""
    late = late_minutes(visit, now)
    label = APPOINTMENT_LABELS[visit.status]
    if visit.status in ENDED:
        return Said(label, _END_SEVERITIES[visit.status], late)
    if visit.status is A.UNSCHEDULED:
        return _unscheduled(visit, now, label, late)
    if visit.status in NOT_ARRIVED and late:
        severity = Severity.CRITICAL if timedelta(minutes=late) > LATE_BADLY else Severity.WARNING
        return Said(f"{label}, {_minutes(late)} late", severity, late)
    if visit.status is A.SCHEDULED and visit.starts_at is not None and visit.starts_at - now <= DISPATCH_AHEAD:
        return Said(f"{label}, to be dispatched", Severity.NOTICE, late)
    if visit.status in (A.ON_SITE, A.IN_PROGRESS) and visit.ends_at is not None and now > visit.ends_at:
        over = _minutes(_whole_minutes(now - visit.ends_at))
        return Said(f"{label}, {over} longer than planned", Severity.NOTICE, late)
    return Said(label, Severity.NOTICE if visit.status is A.PAUSED else Severity.INFO, late)


def _unscheduled(visit: Progress, now: datetime, label: str, late: int | None) -> Said:
    if visit.window_end is not None and now > visit.window_end:
        return Said(f"{label}, the promised window is over", Severity.CRITICAL, late)
    if visit.window_start is not None and now >= visit.window_start:
        return Said(f"{label}, the promised window has begun", Severity.WARNING, late)
    return Said(label, Severity.NOTICE, late)


def _whole_minutes(gap: timedelta) -> int:
    """Minutes that have begun, so that nothing late is 0 minutes late."""
    return int(-(-gap.total_seconds() // 60))


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"


_END_SEVERITIES: dict[AppointmentStatus, Severity] = {
    A.COMPLETED: Severity.INFO,
    A.PARTIALLY_COMPLETED: Severity.NOTICE,
    A.CANNOT_COMPLETE: Severity.WARNING,
    A.CANCELED: Severity.NOTICE,
}
