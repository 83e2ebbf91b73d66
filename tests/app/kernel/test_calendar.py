"""Calendars: business minutes, holidays, zones, and days of 23, 24, 25 hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.calendar import BusinessCalendar, Hours, at_local, day_bounds, require_aware, zone
from app.kernel.errors import InvalidInput

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = BusinessCalendar(
    BERLIN,
    {day: (Hours(time(9), time(12)), Hours(time(13), time(17))) for day in range(5)},
    frozenset({date(2026, 12, 25)}),
)


def berlin(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize("year", [1, 1899, 2200, 9999])
def test_moments_and_days_at_the_ends_of_the_calendar_are_refused(year):
    for attempt in (
        lambda: require_aware(datetime(year, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")), "startsAt"),
        lambda: require_aware(datetime(year, 12, 31, 23, 59, tzinfo=ZoneInfo("America/New_York")), "startsAt"),
        lambda: day_bounds(date(year, 1, 1), ZoneInfo("Asia/Tokyo"), "startsAt"),
        lambda: day_bounds(date(year, 12, 31), ZoneInfo("America/New_York"), "startsAt"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            attempt()
        assert refusal.value.path == ("startsAt",)


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2026-11-23 09:00", 60, "2026-11-23 10:00"),
        ("2026-11-23 11:30", 60, "2026-11-23 13:30"),
        ("2026-11-27 16:30", 60, "2026-11-30 09:30"),
        ("2026-12-24 16:00", 120, "2026-12-28 10:00"),
        ("2026-11-22 03:00", 240, "2026-11-23 14:00"),
    ],
)
def test_a_promise_counts_open_minutes_only(start, minutes, due):
    assert OFFICE.add(berlin(start), minutes) == berlin(due)


@given(st.integers(0, 5000), st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)))
def test_the_minutes_until_a_promise_are_those_promised(minutes, start):
    begun = start.replace(second=0, microsecond=0, tzinfo=UTC)
    assert OFFICE.minutes_between(begun, OFFICE.add(begun, minutes)) == minutes


def test_nothing_passes_while_it_is_closed():
    assert OFFICE.minutes_between(berlin("2026-11-27 17:00"), berlin("2026-11-30 09:00")) == 0
    assert not OFFICE.is_open(berlin("2026-11-23 12:00"))
    assert OFFICE.is_open(berlin("2026-11-23 13:00"))


def test_an_end_before_the_start_is_no_time():
    assert OFFICE.minutes_between(berlin("2026-11-24 10:00"), berlin("2026-11-23 10:00")) == 0


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/London", date(2026, 3, 29), 23),
        ("Europe/London", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("UTC", date(2026, 3, 29), 24),
    ],
)
def test_a_local_day_is_as_long_as_its_clocks_say(name, day, hours):
    start, end = day_bounds(day, ZoneInfo(name))
    assert end - start == timedelta(hours=hours)


def test_a_skipped_local_time_moves_forward_and_a_doubled_one_is_the_first():
    assert at_local(date(2026, 3, 29), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert at_local(date(2026, 10, 25), time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_around_the_clock_is_open_in_every_minute():
    always = BusinessCalendar.around_the_clock(BERLIN)
    assert always.minutes_between(berlin("2026-03-28 00:00"), berlin("2026-03-30 00:00")) == 47 * 60


def test_a_time_without_offset_is_refused():
    with pytest.raises(InvalidInput) as refusal:
        require_aware(datetime(2026, 1, 1), "startsAt")
    assert refusal.value.path == ("startsAt",)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe/Berlin\x00", "a" * 500])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(InvalidInput):
        zone(name)
