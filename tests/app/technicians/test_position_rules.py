"""Which positions count, which are kept, and when somebody is at rest, as pure rules."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.kernel.errors import InvalidInput
from app.kernel.places import Point, great_circle_metres
from app.technicians.rules import (
    SAMPLE_METRES_MIN,
    SAMPLE_SECONDS_MAX,
    SAMPLE_SECONDS_MIN,
    STILL_METRES,
    DutyTime,
    IgnoredReason,
    PositionReport,
    Rest,
    is_stale,
    require_reports,
    rest_after,
    samples_of,
    usable_reports,
)

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
METRE = 1 / 111_195  # of latitude, in degrees


def at(seconds: float) -> datetime:
    return EIGHT + timedelta(seconds=seconds)


def report(seconds: float, metres: float = 0.0) -> PositionReport:
    """So many seconds after eight, so far north of a place."""
    return PositionReport(40.0 + metres * METRE, -73.0, at(seconds))


batches = some.lists(some.builds(report, some.integers(0, 7200), some.integers(0, 2000)), min_size=1, max_size=60).map(
    lambda reports: sorted(reports, key=lambda one: one.at)
)


# What is believed


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (PositionReport(91.0, 0.0, EIGHT), "latitude"),
        (PositionReport(0.0, float("inf"), EIGHT), "longitude"),
        (PositionReport(float("nan"), 0.0, EIGHT), "latitude"),
        (PositionReport(0.0, 0.0, EIGHT.replace(tzinfo=None)), "at"),
        (PositionReport(0.0, 0.0, EIGHT, accuracy_metres=-1.0), "accuracyMetres"),
        (PositionReport(0.0, 0.0, EIGHT, accuracy_metres=float("nan")), "accuracyMetres"),
        (PositionReport(0.0, 0.0, EIGHT, heading=360.0), "heading"),
        (PositionReport(0.0, 0.0, EIGHT, speed_metres_per_second=-0.1), "speedMetresPerSecond"),
        (PositionReport(0.0, 0.0, EIGHT, speed_metres_per_second=351.0), "speedMetresPerSecond"),
    ],
)
def test_refuses_a_position_that_cannot_be_and_says_which(wrong: PositionReport, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_reports([report(0), wrong])
    assert refused.value.path == ("positions", "1", path)


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_has_a_size(count: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_reports([report(0)] * count)
    assert refused.value.path == ("positions",)


def test_a_batch_is_read_oldest_first_whatever_its_order() -> None:
    assert require_reports([report(180), report(540), report(60)]) == [report(60), report(180), report(540)]


def test_each_position_is_judged_by_the_time_at_which_it_was_taken() -> None:
    now = at(0)
    duties = [DutyTime(at(-30 * 3600), at(-3600)), DutyTime(at(-600))]
    known = {
        report(-24 * 3600 - 1): IgnoredReason.TOO_OLD,
        report(-24 * 3600): None,
        report(-3601): None,
        report(-3600): IgnoredReason.OFF_DUTY,
        report(-601): IgnoredReason.OFF_DUTY,
        report(-600): None,
        report(120): None,
        report(121): IgnoredReason.FROM_THE_FUTURE,
    }
    usable, ignored = usable_reports(known, duties, now)
    assert usable == [one for one, reason in known.items() if reason is None]
    assert ignored == Counter(reason for reason in known.values() if reason is not None)


# What is kept


@given(batches)
def test_the_history_keeps_at_most_one_a_minute_and_of_who_stays_one_in_ten(reports: list[PositionReport]) -> None:
    kept = samples_of(reports, [])
    assert kept[0] == reports[0]
    for before, after in pairwise(kept):
        seconds = (after.at - before.at).total_seconds()
        assert seconds >= SAMPLE_SECONDS_MIN
        moved = great_circle_metres(before.point, after.point)
        assert seconds >= SAMPLE_SECONDS_MAX or moved >= SAMPLE_METRES_MIN


@given(batches)
def test_nothing_that_the_history_leaves_out_is_far_from_what_it_keeps(reports: list[PositionReport]) -> None:
    kept = samples_of(reports, [])
    for one in reports:
        before = [sample for sample in kept if sample.at <= one.at][-1]
        seconds = (one.at - before.at).total_seconds()
        is_near = great_circle_metres(before.point, one.point) < SAMPLE_METRES_MIN and seconds < SAMPLE_SECONDS_MAX
        assert one in kept or seconds < SAMPLE_SECONDS_MIN or is_near


@given(batches, batches)
def test_a_batch_that_comes_again_adds_nothing(earlier: list[PositionReport], late: list[PositionReport]) -> None:
    kept = samples_of(earlier, [])
    kept += samples_of(late, kept)
    assert samples_of(late, kept) == []


@given(batches, batches)
def test_however_batches_come_no_two_samples_are_within_a_minute(
    earlier: list[PositionReport], late: list[PositionReport]
) -> None:
    kept = samples_of(earlier, [])
    kept += samples_of(late, kept)
    moments = sorted(one.at for one in kept)
    assert all((after - before).total_seconds() >= SAMPLE_SECONDS_MIN for before, after in pairwise(moments))


# Who is at rest


@given(batches.map(lambda reports: list({one.at: one for one in reports}.values())))
def test_who_is_at_rest_has_stayed_near_one_place_since_then(reports: list[PositionReport]) -> None:
    rest = rest_after(None, reports)
    assert rest is not None
    since = [one for one in reports if one.at >= rest.since]
    assert all(great_circle_metres(rest.point, one.point) <= STILL_METRES for one in since[1:])


def test_who_leaves_the_circle_is_at_rest_from_then_on_elsewhere() -> None:
    here = Rest(Point(40.0, -73.0), EIGHT)
    assert rest_after(here, [report(30, 49), report(60, -49)]) == here
    assert rest_after(here, [report(30, 49), report(60, 51)]) == Rest(report(0, 51).point, at(60))
    assert rest_after(here, []) == here
    assert rest_after(None, []) is None


@pytest.mark.parametrize(("seconds", "stale"), [(0, False), (300, False), (301, True)])
def test_a_position_is_stale_after_five_minutes(seconds: int, stale: bool) -> None:
    assert is_stale(EIGHT, at(seconds)) is stale
