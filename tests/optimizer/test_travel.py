"""Estimated travel: the great circle by road."""

import sys

import pytest

from optimizer.problem import InvalidProblem, Place, Slowdown
from optimizer.travel import estimate_travel, great_circle_metres

BERLIN, HAMBURG = Place("berlin", 52.5200, 13.4050), Place("hamburg", 53.5511, 9.9937)


def test_the_great_circle_is_right_to_a_hundred_metres() -> None:
    assert great_circle_metres(BERLIN, HAMBURG) == pytest.approx(255_250, abs=100)


def test_roads_are_longer_and_minutes_rounded_up() -> None:
    travel = estimate_travel([BERLIN, HAMBURG], kilometres_per_hour=60, road_factor=2, minutes_per_leg=3)
    metres = travel.metres[0][1]
    assert metres == round(2 * great_circle_metres(BERLIN, HAMBURG))
    assert travel.minutes == ((0, metres // 1000 + 4), (metres // 1000 + 4, 0))


def test_it_is_the_same_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = estimate_travel([BERLIN, HAMBURG])
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert estimate_travel([BERLIN, HAMBURG]) == fast


def test_slow_hours_stretch_a_leg_by_its_departure() -> None:
    travel = estimate_travel([BERLIN, HAMBURG], slowdowns=(Slowdown(60, 120, 1.5),))
    calm = travel.minutes[0][1]
    assert [travel.minutes_from(0, 1, minute) for minute in (59, 60, 119, 120)] == [
        calm,
        -(-calm * 3 // 2),
        -(-calm * 3 // 2),
        calm,
    ]
    assert travel.minutes_at_worst()[0][1] == -(-calm * 3 // 2)


@pytest.mark.parametrize("wrong", [{"kilometres_per_hour": 0}, {"road_factor": 0.9}, {"minutes_per_leg": -1}])
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidProblem):
        estimate_travel([BERLIN], **wrong)  # type: ignore[arg-type]


def test_no_places_have_no_travel() -> None:
    assert estimate_travel([]).minutes == ()
