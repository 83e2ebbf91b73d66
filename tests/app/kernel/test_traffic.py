"""Slow hours: read from one line, and found on local clocks."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from app.kernel.errors import ConfigurationError
from app.kernel.traffic import SlowHours, read_slow_hours, slow_spans

BERLIN = ZoneInfo("Europe/Berlin")


def test_days_hours_and_factors_are_read() -> None:
    assert read_slow_hours("mo-fr 07:00-09:00 1.3, SA-mo 10:00-12:30 2") == (
        SlowHours(frozenset(range(5)), time(7), time(9), 1.3),
        SlowHours(frozenset({5, 6, 0}), time(10), time(12, 30), 2.0),
    )
    assert read_slow_hours("none") == read_slow_hours("") == ()


@pytest.mark.parametrize(
    "wrong",
    [
        "07:00-09:00 1.3",
        "mo 07:00-09:00",
        "xx 07:00-09:00 1.3",
        "mo-xx 07:00-09:00 1.3",
        "mo 25:00-26:00 1.3",
        "mo 09:00-07:00 1.3",
        "mo 09:00-09:00 1.3",
        "mo 07:00-09:00 0.9",
        "mo 07:00-09:00 5.1",
        "mo-fr 07:00-09:00 1.3, we 08:59-10:00 1.1",
    ],
)
def test_what_cannot_be_read_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError):
        read_slow_hours(wrong)


def test_hours_that_touch_do_not_overlap() -> None:
    assert len(read_slow_hours("mo 07:00-09:00 1.3, mo 09:00-10:00 1.1")) == 2


def test_spans_lie_on_local_clocks_on_both_sides_of_a_change() -> None:
    hours = read_slow_hours("fr-mo 07:00-09:00 1.3")
    # Clocks are put forward in the night to Sunday, 28 March.
    spans = slow_spans(hours, datetime(2027, 3, 26, 7, tzinfo=UTC), datetime(2027, 3, 29, 6, tzinfo=UTC), BERLIN)
    assert [(begins.day, begins.hour, ends.hour, factor) for begins, ends, factor in spans] == [
        (26, 7, 8, 1.3),
        (27, 6, 8, 1.3),
        (28, 5, 7, 1.3),
        (29, 5, 6, 1.3),
    ]


def test_hours_that_a_change_of_clocks_leaves_out_are_none() -> None:
    hours = read_slow_hours("su 02:00-03:00 1.3")
    day = datetime(2027, 3, 28, tzinfo=UTC)
    assert slow_spans(hours, day, datetime(2027, 3, 29, tzinfo=UTC), BERLIN) == []
