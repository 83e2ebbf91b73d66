"""Shifts and skills, as pure rules."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app.kernel.errors import InvalidInput, ScheduleConflict
from app.technicians.rules import (
    STATUS_LIFECYCLE,
    HeldSkill,
    ShiftTimes,
    TechnicianStatus,
    has_skills,
    require_apart,
    require_shift,
)

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def at(hours: float) -> datetime:
    return EIGHT + timedelta(hours=hours)


def test_the_table_of_statuses_is_this_one() -> None:
    assert {state: sorted(targets) for state, targets in STATUS_LIFECYCLE.steps.items()} == {
        "OFF": ["AVAILABLE", "TRAVELLING", "WORKING"],
        "AVAILABLE": ["OFF", "ON_BREAK", "TRAVELLING", "WORKING"],
        "TRAVELLING": ["AVAILABLE", "ON_BREAK", "WORKING"],
        "WORKING": ["AVAILABLE", "ON_BREAK", "TRAVELLING"],
        "ON_BREAK": ["AVAILABLE", "OFF", "TRAVELLING", "WORKING"],
    }
    assert STATUS_LIFECYCLE.states == tuple(TechnicianStatus)


def test_a_shift_is_kept_in_utc_and_its_break_begins_whenever_it_fits() -> None:
    berlin = timezone(timedelta(hours=1))
    shift = require_shift(ShiftTimes(at(0).astimezone(berlin), at(8).astimezone(berlin), break_minutes=30))
    assert shift == ShiftTimes(at(0), at(8), 30, at(0), at(7.5))
    assert shift.starts_at.tzinfo is UTC


def test_a_shift_without_a_break_has_no_moments_of_one() -> None:
    assert require_shift(ShiftTimes(at(0), at(8), 0, at(1), at(2))) == ShiftTimes(at(0), at(8))


@pytest.mark.parametrize(
    ("shift", "path"),
    [
        (ShiftTimes(at(0), at(0)), "endsAt"),
        (ShiftTimes(at(0), at(-1)), "endsAt"),
        (ShiftTimes(at(0), at(24.1)), "endsAt"),
        (ShiftTimes(at(0).replace(tzinfo=None), at(8)), "startsAt"),
        (ShiftTimes(datetime.min.replace(tzinfo=UTC), at(8)), "startsAt"),
        (ShiftTimes(at(0), datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))), "endsAt"),
        (ShiftTimes(at(0), at(8), -1), "breakMinutes"),
        (ShiftTimes(at(0), at(8), 480), "breakMinutes"),
        (ShiftTimes(at(0), at(8), 30, at(-1)), "breakEarliestAt"),
        (ShiftTimes(at(0), at(8), 30, at(7.6)), "breakEarliestAt"),
        (ShiftTimes(at(0), at(8), 30, at(4), at(3)), "breakLatestAt"),
        (ShiftTimes(at(0), at(8), 30, at(4), at(7.6)), "breakLatestAt"),
        (ShiftTimes(at(0), at(8), overtime_minutes_max=-1), "overtimeMinutesMax"),
        (ShiftTimes(at(0), at(8), overtime_minutes_max=481), "overtimeMinutesMax"),
    ],
)
def test_refuses_a_shift_that_makes_no_sense(shift: ShiftTimes, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_shift(shift)
    assert refused.value.path == (path,)


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ((0, 4, 0), (4, 8, 0), False),
        ((4, 8, 0), (0, 4, 0), False),
        ((0, 4, 0), (3.9, 8, 0), True),
        ((0, 8, 0), (1, 2, 0), True),
        ((1, 2, 0), (0, 8, 0), True),
        ((0, 4, 0), (0, 4, 0), True),
        ((0, 4, 30), (4, 8, 0), True),
        ((4, 8, 30), (0, 4, 0), False),
        ((4, 8, 0), (0, 4, 30), True),
    ],
)
def test_shifts_are_half_open_and_reach_to_the_end_of_their_overtime(
    first: tuple[float, float, int], second: tuple[float, float, int], overlap: bool
) -> None:
    one, other = (
        ShiftTimes(at(begin), at(end), overtime_minutes_max=overtime) for begin, end, overtime in (first, second)
    )
    if not overlap:
        require_apart("tech_1", [one], [other])
        require_apart("tech_1", [one, other], [])
        return
    for fresh, taken in (([one], [other]), ([one, other], [])):
        with pytest.raises(ScheduleConflict) as refused:
            require_apart("tech_1", fresh, taken)
        (clash,) = refused.value.conflicts
        assert (clash.code, clash.technician_id, clash.overridable) == ("SHIFTS_OVERLAP", "tech_1", False)


def test_a_skill_counts_on_its_last_day_at_its_level_or_below() -> None:
    held = {"gas": HeldSkill(3, date(2026, 3, 2))}
    assert has_skills(held, {}, date(2030, 1, 1))
    assert has_skills(held, {"gas": 3}, date(2026, 3, 2))
    assert has_skills(held, {"gas": 1}, date(2026, 3, 1))
    assert not has_skills(held, {"gas": 4}, date(2026, 3, 2))
    assert not has_skills(held, {"gas": 3}, date(2026, 3, 3))
    assert not has_skills(held, {"gas": 3, "ladder": 1}, date(2026, 3, 2))
