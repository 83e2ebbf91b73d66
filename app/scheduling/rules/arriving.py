"""Whether a technician has come to a site, as their device sees it: near it, and not driving past."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.kernel.places import Point, great_circle_metres

# Who has not moved on for so long has stopped; a little sooner, when the device itself says that it hardly moves. A car at
# a red light moves on before that, mostly.
STOPPED_SECONDS = 30
SLOW_SECONDS = 10
SLOW_METRES_PER_SECOND = 1.5


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where somebody is, and since when they have been near there."""

    point: Point
    at: datetime
    still_since: datetime
    accuracy_metres: float | None = None
    speed_metres_per_second: float | None = None


def has_arrived(sighting: Sighting, site: Point, radius_metres: float) -> bool:
    """Whether somebody has stopped at a site. A position that may be off by more than the radius says nothing."""
    metres = great_circle_metres(sighting.point, site)
    return metres + (sighting.accuracy_metres or 0) <= radius_metres and has_stopped(sighting)


def has_stopped(sighting: Sighting) -> bool:
    """Whether somebody stays where they are, instead of passing through."""
    stayed = sighting.at - sighting.still_since
    speed = sighting.speed_metres_per_second
    is_slow = speed is not None and speed <= SLOW_METRES_PER_SECOND
    return stayed >= timedelta(seconds=SLOW_SECONDS if is_slow else STOPPED_SECONDS)


def may_be_there(metres: float, radius_metres: float, accuracy_metres: float | None = None) -> bool:
    """Whether a device that is so far from a site may be there, as far as it knows itself: the benefit of the doubt."""
    return metres - (accuracy_metres or 0) <= radius_metres
