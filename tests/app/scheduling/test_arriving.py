"""Who has arrived, as a device sees it: who stops at a site has, who drives past never."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.kernel.places import Point, great_circle_metres
from app.scheduling.rules import (
    SLOW_METRES_PER_SECOND,
    SLOW_SECONDS,
    STOPPED_SECONDS,
    Sighting,
    has_arrived,
    may_be_there,
)
from app.technicians.rules import PositionReport, rest_after

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SITE = Point(40.0, -73.0)
METRE = 1 / 111_195  # of latitude, in degrees


def seen(metres: float = 0, stayed: float = 60, accuracy: float | None = None, speed: float | None = None) -> Sighting:
    """Somebody so far north of the site who has been there for so many seconds."""
    point = Point(SITE.latitude + metres * METRE, SITE.longitude)
    return Sighting(point, NOON, NOON - timedelta(seconds=stayed), accuracy, speed)


@pytest.mark.parametrize(
    ("sighting", "arrived"),
    [
        (seen(0), True),
        (seen(149), True),
        (seen(151), False),
        (seen(100, accuracy=49), True),
        (seen(100, accuracy=51), False),
        (seen(0, accuracy=151), False),
        (seen(stayed=STOPPED_SECONDS), True),
        (seen(stayed=STOPPED_SECONDS - 1), False),
        (seen(stayed=SLOW_SECONDS, speed=SLOW_METRES_PER_SECOND), True),
        (seen(stayed=SLOW_SECONDS - 1, speed=0), False),
        (seen(stayed=STOPPED_SECONDS - 1, speed=SLOW_METRES_PER_SECOND + 0.1), False),
    ],
)
def test_who_has_stopped_surely_within_the_radius_has_arrived(sighting: Sighting, arrived: bool) -> None:
    assert has_arrived(sighting, SITE, 150) is arrived


@given(
    speed=some.floats(4.5, 40),
    aside=some.floats(-150, 150),
    every=some.floats(1, 60),
    offset=some.floats(0, 60),
    radius=some.integers(30, 2000),
    accuracy=some.none() | some.floats(0, 50),
    tells_speed=some.booleans(),
)
def test_who_drives_past_never_arrives(
    speed: float, aside: float, every: float, offset: float, radius: int, accuracy: float | None, tells_speed: bool
) -> None:
    """Straight on at 16 to 144 km/h, however close, and however often the device looks."""
    east = aside * METRE / 0.766
    seconds = [offset - every + step * every for step in range(int(2 * 2100 / speed / every) + 3)]
    rest = None
    for since in seconds:
        point = Point(SITE.latitude + (since * speed - 2100) * METRE, SITE.longitude + east)
        at = NOON + timedelta(seconds=since)
        rest = rest_after(rest, [PositionReport(point.latitude, point.longitude, at)])
        assert rest is not None
        sighting = Sighting(point, at, rest.since, accuracy, speed if tells_speed else None)
        assert not has_arrived(sighting, SITE, radius)


@given(
    metres=some.floats(0, 100),
    wander=some.lists(some.floats(-20, 20), min_size=8, max_size=8),
    accuracy=some.none() | some.floats(0, 20),
)
def test_who_parks_at_the_site_arrives_within_a_minute_although_the_receiver_wanders(
    metres: float, wander: list[float], accuracy: float | None
) -> None:
    rest = None
    for number, off in enumerate(wander):
        at = NOON + timedelta(seconds=8 * number)
        place = PositionReport(SITE.latitude + (metres + off) * METRE, SITE.longitude, at, accuracy)
        rest = rest_after(rest, [place])
    assert rest is not None
    assert has_arrived(Sighting(place.point, at, rest.since, accuracy), SITE, 150)


@given(metres=some.floats(0, 5000), accuracy=some.floats(0, 5000), radius=some.integers(30, 2000))
def test_who_surely_is_there_may_be_there(metres: float, accuracy: float, radius: int) -> None:
    if has_arrived(seen(metres, accuracy=accuracy), SITE, radius):
        assert may_be_there(great_circle_metres(seen(metres).point, SITE), radius, accuracy)


@pytest.mark.parametrize(
    ("metres", "accuracy", "there"), [(150, None, True), (151, None, False), (500, 350, True), (500, 349, False)]
)
def test_who_says_to_have_arrived_has_the_benefit_of_the_doubt(
    metres: float, accuracy: float | None, there: bool
) -> None:
    assert may_be_there(metres, 150, accuracy) is there
