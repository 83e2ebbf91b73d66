"""When roads are slow: hours of the week, and by how much longer every drive takes that leaves in them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.kernel.errors import ConfigurationError

NONE = "none"
DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
FACTOR_MAX = 5.0
_PART = re.compile(
    r"(?P<first>[a-z]{2})(?:-(?P<last>[a-z]{2}))? (?P<from>\d\d:\d\d)-(?P<until>\d\d:\d\d) (?P<factor>\d+(?:\.\d+)?)"
)


@dataclass(frozen=True, slots=True)
class SlowHours:
    """Hours of some weekdays (0 is Monday), on local clocks, in which drives take ``factor`` times as long."""

    weekdays: frozenset[int]
    begins: time
    ends: time
    factor: float


def read_slow_hours(text: str) -> tuple[SlowHours, ...]:
    """``mo-fr 07:00-09:00 1.3, fr 13:00-15:00 1.2``, or ``none``; else ``ConfigurationError``."""
    if text.strip() == NONE:
        return ()
    found = tuple(_read(part.strip().lower()) for part in text.split(",") if part.strip())
    for weekday in range(7):
        on_day = sorted((one.begins, one.ends) for one in found if weekday in one.weekdays)
        if any(ends > begins for (_, ends), (begins, _) in pairwise(on_day)):
            raise ConfigurationError(f"the slow hours of {DAYS[weekday]} overlap")
    return found


def _read(part: str) -> SlowHours:
    match = _PART.fullmatch(part)
    if match is None or match["first"] not in DAYS or (match["last"] or match["first"]) not in DAYS:
        raise ConfigurationError(f"{part} is no slow hours such as mo-fr 07:00-09:00 1.3")
    try:
        begins, ends = time.fromisoformat(match["from"]), time.fromisoformat(match["until"])
    except ValueError:
        raise ConfigurationError(f"{part} names no time of day") from None
    if begins >= ends:
        raise ConfigurationError(f"{part} ends before it begins")
    if not 1 <= float(match["factor"]) <= FACTOR_MAX:
        raise ConfigurationError(f"{part} has no factor from 1 to {FACTOR_MAX:.0f}")
    first, last = DAYS.index(match["first"]), DAYS.index(match["last"] or match["first"])
    days = range(first, last + 1 if last >= first else last + 8)
    return SlowHours(frozenset(day % 7 for day in days), begins, ends, float(match["factor"]))


def slow_spans(
    hours: Sequence[SlowHours], starts: datetime, ends: datetime, tz: ZoneInfo
) -> list[tuple[datetime, datetime, float]]:
    """The slow hours from one moment to another, in their order: from when, until when, by which factor."""
    spans = [
        (max(begins, starts), min(until, ends), one.factor)
        for day in _days(starts, ends, tz)
        for one in hours
        if day.weekday() in one.weekdays
        and (begins := datetime.combine(day, one.begins, tz).astimezone(starts.tzinfo)) < ends
        and (until := datetime.combine(day, one.ends, tz).astimezone(starts.tzinfo)) > starts
    ]
    # Where clocks are put forward, hours may be gone.
    return sorted(span for span in spans if span[0] < span[1])


def _days(starts: datetime, ends: datetime, tz: ZoneInfo) -> Iterator[date]:
    day, last = starts.astimezone(tz).date(), ends.astimezone(tz).date()
    while day <= last:
        yield day
        day += timedelta(days=1)
