"""Which positions to believe, which to keep, and for how long. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.kernel.calendar import require_aware
from app.kernel.errors import InvalidInput
from app.kernel.places import Point, great_circle_metres

REPORTS_MAX = 1000
CLOCK_SKEW_SECONDS_MAX = 120
POSITION_AGE_HOURS_MAX = 24
ACCURACY_METRES_MAX = 1_000_000
SPEED_METRES_PER_SECOND_MAX = 350
# Of somebody who moves the history keeps a place a minute; of somebody who stays, one in ten.
SAMPLE_SECONDS_MIN = 60
SAMPLE_SECONDS_MAX = 600
SAMPLE_METRES_MIN = 50
# Who has not left this circle around where they came to rest is still there: a receiver at rest wanders about.
STILL_METRES = 50
# A position older than this is shown as stale: phones report every few seconds, and every few minutes at rest.
STALE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Where a device was, and when. The heading is in degrees from north, clockwise."""

    latitude: float
    longitude: float
    at: datetime
    accuracy_metres: float | None = None
    heading: float | None = None
    speed_metres_per_second: float | None = None

    @property
    def point(self) -> Point:
        """The place alone."""
        return Point(self.latitude, self.longitude)


class IgnoredReason(StrEnum):
    """Why a position that was uploaded is not kept."""

    TOO_OLD = "TOO_OLD"
    FROM_THE_FUTURE = "FROM_THE_FUTURE"
    OFF_DUTY = "OFF_DUTY"
    NOT_NEEDED = "NOT_NEEDED"


@dataclass(frozen=True, slots=True)
class DutyTime:
    """A time on duty; without an end it lasts."""

    starts_at: datetime
    ends_at: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Whether a moment is part of it."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class Rest:
    """Where somebody came to rest, and when: each position since lies near there."""

    point: Point
    since: datetime


def require_reports(reports: Sequence[PositionReport]) -> list[PositionReport]:
    """The reports of a batch, oldest first and in UTC. One that cannot be true of any device is ``InvalidInput``."""
    if not 1 <= len(reports) <= REPORTS_MAX:
        raise InvalidInput(f"A batch has 1 to {REPORTS_MAX} positions.", path=["positions"])
    return sorted((_checked(report, place) for place, report in enumerate(reports)), key=lambda one: one.at)


def _checked(report: PositionReport, place: int) -> PositionReport:
    path = ["positions", str(place)]
    try:
        Point(report.latitude, report.longitude)
        at = require_aware(report.at, "at")
    except InvalidInput as problem:
        raise InvalidInput(problem.message, path=[*path, *problem.path]) from None
    if report.accuracy_metres is not None and not 0 <= report.accuracy_metres <= ACCURACY_METRES_MAX:
        raise InvalidInput(f"An accuracy is 0 to {ACCURACY_METRES_MAX:,} metres.", path=[*path, "accuracyMetres"])
    if report.heading is not None and not 0 <= report.heading < 360:
        raise InvalidInput("A heading is 0 to 360 degrees, 360 excluded.", path=[*path, "heading"])
    speed = report.speed_metres_per_second
    if speed is not None and not 0 <= speed <= SPEED_METRES_PER_SECOND_MAX:
        raise InvalidInput(
            f"A speed is 0 to {SPEED_METRES_PER_SECOND_MAX} metres per second.", path=[*path, "speedMetresPerSecond"]
        )
    return replace(report, at=at)


def usable_reports(
    reports: Iterable[PositionReport], duties: Sequence[DutyTime], now: datetime
) -> tuple[list[PositionReport], Counter[IgnoredReason]]:
    """The reports that were taken on duty, and not too long ago; and how many were not, by the reason."""
    usable: list[PositionReport] = []
    ignored: Counter[IgnoredReason] = Counter()
    for report in reports:
        if report.at > now + timedelta(seconds=CLOCK_SKEW_SECONDS_MAX):
            ignored[IgnoredReason.FROM_THE_FUTURE] += 1
        elif report.at < now - timedelta(hours=POSITION_AGE_HOURS_MAX):
            ignored[IgnoredReason.TOO_OLD] += 1
        elif not any(duty.covers(report.at) for duty in duties):
            ignored[IgnoredReason.OFF_DUTY] += 1
        else:
            usable.append(report)
    return usable, ignored


def samples_of(reports: Iterable[PositionReport], kept: Iterable[PositionReport]) -> list[PositionReport]:
    """Those of the reports, oldest first, that a history with some samples already keeps besides.

    It keeps at most one in a minute, and that only when the technician moved on, or ten minutes have passed. Reports may
    come late; a batch that comes again adds nothing.
    """
    line = sorted(kept, key=_at)
    fresh: list[PositionReport] = []
    for report in reports:
        place = bisect_right(line, report.at, key=_at)
        before = line[place - 1] if place else None
        after = line[place] if place < len(line) else None
        if _is_worth_keeping(report, before, after):
            line.insert(place, report)
            fresh.append(report)
    return fresh


def _is_worth_keeping(report: PositionReport, before: PositionReport | None, after: PositionReport | None) -> bool:
    if after is not None and (after.at - report.at).total_seconds() < SAMPLE_SECONDS_MIN:
        return False
    if before is None:
        return True
    seconds = (report.at - before.at).total_seconds()
    if seconds < SAMPLE_SECONDS_MIN:
        return False
    return seconds >= SAMPLE_SECONDS_MAX or great_circle_metres(before.point, report.point) >= SAMPLE_METRES_MIN


def _at(report: PositionReport) -> datetime:
    return report.at


def rest_after(rest: Rest | None, reports: Iterable[PositionReport]) -> Rest | None:
    """Where and since when somebody is at rest, after further reports, oldest first."""
    for report in reports:
        if rest is None or great_circle_metres(rest.point, report.point) > STILL_METRES:
            rest = Rest(report.point, report.at)
    return rest


def is_stale(at: datetime, now: datetime) -> bool:
    """Whether a position says little about where somebody is by now."""
    return now - at > timedelta(seconds=STALE_SECONDS)
