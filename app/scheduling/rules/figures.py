"""The figures of a dispatcher's day, counted from its visits, shifts and requests. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.scheduling.rules.boards import Progress, late_minutes
from app.scheduling.rules.lateness import NOT_ARRIVED
from app.scheduling.rules.lifecycles import ENDED, AppointmentStatus

A = AppointmentStatus


@dataclass(frozen=True, slots=True)
class DayVisit:
    """A visit of the day: how far it has come, and how many go there."""

    progress: Progress
    crew: int = 0


@dataclass(frozen=True, slots=True)
class DayShift:
    """A shift that shares time with the day."""

    starts_at: datetime
    ends_at: datetime
    break_minutes: int = 0


@dataclass(frozen=True, slots=True)
class DayFigures:
    """How a day goes. A share is of 1; what nothing is known about is None."""

    visits: dict[AppointmentStatus, int] = field(default_factory=dict)
    on_time_share: float | None = None
    late_now: int = 0
    unassigned: int = 0
    utilisation: float | None = None
    travel_minutes_mean: float | None = None
    first_response_minutes_mean: float | None = None


def day_figures(
    visits: Sequence[DayVisit],
    shifts: Sequence[DayShift],
    responses: Sequence[tuple[datetime, datetime]],
    *,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> DayFigures:
    """The figures of the hours between two moments. ``responses`` are requests: when asked for, when taken on."""
    counts = Counter(visit.progress.status for visit in visits)
    arrived = [late_minutes(one.progress, now) for one in visits if one.progress.arrived_at is not None]
    waiting = [one.progress for one in visits if one.progress.status in (*NOT_ARRIVED, A.UNSCHEDULED)]
    planned = sum(
        one.crew * _shared_minutes(one.progress.starts_at, one.progress.ends_at, starts_at, ends_at)
        for one in visits
        if one.progress.status is not A.CANCELED
    )
    worked = sum(
        max(0.0, _shared_minutes(one.starts_at, one.ends_at, starts_at, ends_at) - one.break_minutes) for one in shifts
    )
    travel = [minutes for one in visits if (minutes := one.progress.travel_minutes) is not None]
    waits = [(taken_on - asked_for).total_seconds() / 60 for asked_for, taken_on in responses]
    return DayFigures(
        visits={status: counts[status] for status in AppointmentStatus},
        on_time_share=_mean([1.0 if not late else 0.0 for late in arrived]),
        late_now=sum(bool(late_minutes(one, now)) for one in waiting),
        unassigned=sum(not one.crew and one.progress.status not in ENDED for one in visits),
        utilisation=round(planned / worked, 4) if worked else None,
        travel_minutes_mean=_mean(travel),
        first_response_minutes_mean=_mean(waits),
    )


def _shared_minutes(begins: datetime | None, over: datetime | None, start: datetime, end: datetime) -> float:
    if begins is None or over is None:
        return 0.0
    return max(0.0, (min(over, end) - max(begins, start)).total_seconds() / 60)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
