"""Time as a company counts it: opening hours in a zone, holidays, business minutes, local wall times and DST.

Everything stored is UTC; a promise is computed in the zone where it is kept. Intervals are half-open: [start, end).
A local time that a clock skips (spring) is moved forward by the gap; one that occurs twice (autumn) means the first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.kernel.errors import InvalidInput

SEARCH_DAYS_MAX = 3660
ONE_DAY = timedelta(days=1)
# Far from the ends of the calendar, so that whatever is added to a moment is still a moment.
YEARS = range(1900, 2200)
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip


def zone(name: str, path: str = "timeZone") -> ZoneInfo:
    """The IANA time zone of that name, else ``InvalidInput``."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"{name[:60]!r} is not a time zone such as Europe/Berlin.", path=[path]) from None


def utc_now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def require_aware(moment: datetime, path: str) -> datetime:
    """The moment in UTC; a time without an offset is refused, because nobody knows what it means."""
    if moment.year not in YEARS:
        raise InvalidInput(f"A time lies in the years {YEARS[0]} to {YEARS[-1]}.", path=[path])
    if moment.tzinfo is None:
        raise InvalidInput("A time needs its offset, such as 2026-03-01T09:00:00+01:00.", path=[path])
    return moment.astimezone(UTC)


def at_local(day: date, wall: time, tz: ZoneInfo) -> datetime:
    """The UTC instant at which clocks in a zone show a wall time on a day."""
    return datetime.combine(day, wall, tzinfo=tz).astimezone(UTC)


def local_day(moment: datetime, tz: ZoneInfo) -> date:
    """The date that a calendar in the zone shows at a moment."""
    return moment.astimezone(tz).date()


def spoken(moment: datetime, tz: ZoneInfo) -> str:
    """A moment as people say it where it matters, such as 14:30 on 2 March."""
    local = moment.astimezone(tz)
    return f"{local:%H:%M} on {local.day} {MONTHS[local.month - 1]}"


def day_bounds(day: date, tz: ZoneInfo, path: str = "day") -> tuple[datetime, datetime]:
    """The UTC instants between which a local day lies; 23 or 25 hours apart when clocks change."""
    if day.year not in YEARS:
        raise InvalidInput(f"A day lies in the years {YEARS[0]} to {YEARS[-1]}.", path=[path])
    return at_local(day, time.min, tz), at_local(day + ONE_DAY, time.min, tz)


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours of one day: from, to; ``to`` may be 24:00, written as ``time.min``."""

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.closes != time.min and self.closes <= self.opens:
            raise InvalidInput("Opening hours end after they begin.", path=["closes"])


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """Weekly opening hours (0 is Monday) in a zone, without the holidays."""

    tz: ZoneInfo
    week: Mapping[int, tuple[Hours, ...]]
    holidays: frozenset[date] = field(default_factory=frozenset)

    @classmethod
    def around_the_clock(cls, tz: ZoneInfo) -> "BusinessCalendar":
        """Open always."""
        return cls(tz, {day: (Hours(time.min, time.min),) for day in range(7)})

    def openings(self, day: date) -> list[tuple[datetime, datetime]]:
        """The open intervals of a local day as UTC instants, in order."""
        if day in self.holidays:
            return []
        return [
            (
                at_local(day, hours.opens, self.tz),
                at_local(day + ONE_DAY if hours.closes == time.min else day, hours.closes, self.tz),
            )
            for hours in self.week.get(day.weekday(), ())
        ]

    def _openings_from(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        day = local_day(moment, self.tz)
        for _ in range(SEARCH_DAYS_MAX):
            for opens, closes in self.openings(day):
                if closes > moment:
                    yield max(opens, moment), closes
            day += ONE_DAY

    def is_open(self, moment: datetime) -> bool:
        """Whether business is open at a moment."""
        return any(opens <= moment < closes for opens, closes in self.openings(local_day(moment, self.tz)))

    def add(self, start: datetime, minutes: int) -> datetime:
        """The moment at which so many open minutes have passed since ``start``."""
        left = timedelta(minutes=minutes)
        for opens, closes in self._openings_from(start):
            if closes - opens >= left:
                return opens + left
            left -= closes - opens
        raise InvalidInput("This business calendar is never open long enough.", path=["calendar"])

    def minutes_between(self, start: datetime, end: datetime) -> int:
        """Open minutes between two moments, whole minutes rounded down; 0 when the end is not after the start."""
        total = timedelta()
        for opens, closes in self._openings_from(start):
            if opens >= end:
                break
            total += min(closes, end) - opens
        return int(total.total_seconds() // 60)
