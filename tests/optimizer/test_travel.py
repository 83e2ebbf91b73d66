"""Estimated travel: the great circle by road."""

import pickle
import sys
from array import array
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.problem import InvalidProblem, Place, Slowdown, TravelMatrix
from optimizer.travel import MANY_PLACES, estimate_travel, great_circle_metres

BERLIN, HAMBURG = Place("berlin", 52.5200, 13.4050), Place("hamburg", 53.5511, 9.9937)


def test_the_great_circle_is_right_to_a_hundred_metres() -> None:
    assert great_circle_metres(BERLIN, HAMBURG) == pytest.approx(255_250, abs=100)


def test_roads_are_longer_and_minutes_rounded_up() -> None:
    travel = estimate_travel([BERLIN, HAMBURG], kilometres_per_hour=60, road_factor=2, minutes_per_leg=3)
    metres = travel.metres[0][1]
    assert metres == round(2 * great_circle_metres(BERLIN, HAMBURG))
    assert travel.minutes == ((0, metres // 1000 + 4), (metres // 1000 + 4, 0))


def test_it_is_the_same_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [Place(str(index), 50 + index / 97, 8 + index % 13) for index in range(MANY_PLACES)]
    fast = estimate_travel(places, minutes_per_leg=3)
    assert type(fast.minutes[0]) is array
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert estimate_travel(places, minutes_per_leg=3) == fast


def test_slow_hours_stretch_the_part_of_a_leg_they_last() -> None:
    travel = TravelMatrix(((0, 60), (60, 0)), ((0, 0), (0, 0)), (Slowdown(60, 120, 1.5), Slowdown(120, 150, 3.0)))
    assert [travel.minutes_from(0, 1, minute) for minute in (-60, 0, 30, 60, 90, 120, 149, 150)] == [
        60,
        60,
        75,  # 30 free, 30 at 1.5
        60 + 30 + 10,  # 40 of road by minute 120, 10 by 150, and 10 free
        30 + 30 + 30,
        30 + 50,
        61,
        60,
    ]
    assert travel.minutes_from(1, 1, 100) == 0
    assert travel.minutes_at_worst()[0][1] == 180


def test_a_faster_hour_is_faster() -> None:
    travel = TravelMatrix(((0, 60), (60, 0)), ((0, 0), (0, 0)), (Slowdown(0, 100, 0.5),))
    assert [travel.minutes_from(0, 1, minute) for minute in (-10, 0, 90)] == [35, 30, 50]
    assert travel.minutes_at_worst()[0][1] == 60


@st.composite
def slow_hours(draw: st.DrawFn) -> tuple[Slowdown, ...]:
    hours, clock = list[Slowdown](), draw(st.integers(-50, 50))
    for _ in range(draw(st.integers(0, 4))):
        start = clock + draw(st.integers(0, 30))
        clock = start + draw(st.integers(1, 60))
        hours.append(Slowdown(start, clock, draw(st.sampled_from((0.05, 0.5, 0.9, 1.0, 1.1, 1.5, 3.0, 40.0)))))
    return tuple(hours)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(slow_hours(), st.integers(0, 90))
def test_whoever_leaves_later_never_arrives_before_and_the_latest_departure_is_the_last_in_time(
    hours: tuple[Slowdown, ...], minutes: int
) -> None:
    travel = TravelMatrix(((0, minutes), (minutes, 0)), ((0, 0), (0, 0)), hours)
    worst = travel.minutes_at_worst()[0][1]
    arrivals = {clock: clock + travel.minutes_from(0, 1, clock) for clock in range(-200, 300)}
    assert list(arrivals.values()) == sorted(arrivals.values())
    assert all(clock <= arrival <= clock + worst for clock, arrival in arrivals.items())
    for due in range(0, 300, 7):
        latest = travel.depart_by(0, 1, due)
        in_time = [clock for clock, arrival in arrivals.items() if arrival <= due]
        assert latest == max(in_time) if in_time else latest < -200


@settings(deadline=None, derandomize=True, max_examples=200)
@given(slow_hours(), st.integers(0, 90), st.integers(-120, 250))
def test_a_leg_takes_what_adding_up_its_minutes_takes(hours: tuple[Slowdown, ...], minutes: int, clock: int) -> None:
    travel = TravelMatrix(((0, minutes), (minutes, 0)), ((0, 0), (0, 0)), hours)
    left, arrival = Fraction(minutes), clock
    while left > Fraction(1, 1000):
        factor = next((hour.factor for hour in hours if hour.start_minute <= arrival < hour.end_minute), 1.0)
        left -= 1 / Fraction(str(factor))
        arrival += 1
    assert travel.minutes_from(0, 1, clock) == arrival - clock


def test_long_rows_may_be_arrays() -> None:
    rows = tuple(array("i", [abs(here - there) for there in range(300)]) for here in range(300))
    travel = TravelMatrix(rows, rows)
    plain = tuple(map(tuple, rows))
    assert travel == TravelMatrix(plain, plain)
    assert travel != TravelMatrix(plain, tuple(array("i", [1] * 300) for _ in rows))
    assert hash(travel) == hash(TravelMatrix(plain, plain))
    assert travel.minutes_from(0, 7, 100) == 7
    assert pickle.loads(pickle.dumps(travel)) == travel
    for wrong in (array("i", [-1] * 300), array("i", [10**9] * 300), array("d", [0.5] * 300)):
        with pytest.raises(InvalidProblem, match=r"minutes\[0\]"):
            TravelMatrix((wrong, *rows[1:]), rows)  # type: ignore[arg-type]


def test_arrays_are_judged_the_same_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert TravelMatrix((array("i", [3]),), (array("i", [0]),)).minutes_from(0, 0, 9) == 3
    with pytest.raises(InvalidProblem):
        TravelMatrix((array("i", [-1]),), (array("i", [0]),))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kilometres_per_hour": 0},
        {"kilometres_per_hour": float("nan")},
        {"kilometres_per_hour": 1e-9},
        {"road_factor": 0.9},
        {"road_factor": float("inf")},
        {"minutes_per_leg": -1},
    ],
)
@pytest.mark.parametrize("count", [2, MANY_PLACES])
def test_nonsense_is_refused(wrong: dict[str, int], count: int) -> None:
    places = [Place(str(index), 50 + index, 8) for index in range(2)] * (count // 2)
    with pytest.raises(InvalidProblem):
        estimate_travel(places, **wrong)  # type: ignore[arg-type]


def test_no_places_have_no_travel() -> None:
    assert estimate_travel([]).minutes == ()
