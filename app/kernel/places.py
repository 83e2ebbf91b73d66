"""Where things are: a point in WGS 84 degrees, and the great circle between two of them."""

import math
from dataclasses import dataclass

from app.kernel.errors import InvalidInput

EARTH_RADIUS_METRES = 6_371_008.8  # mean radius R1; source: IUGG / Moritz 2000


@dataclass(frozen=True, slots=True)
class Point:
    """Latitude and longitude in degrees, WGS 84."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90):
            raise InvalidInput(f"A latitude lies between -90 and 90, not at {self.latitude}.", path=["latitude"])
        if not (-180 <= self.longitude <= 180):
            raise InvalidInput(f"A longitude lies between -180 and 180, not at {self.longitude}.", path=["longitude"])


def great_circle_metres(a: Point, b: Point) -> float:
    """Metres along the surface between two points (haversine)."""
    north = math.radians(b.latitude - a.latitude)
    east = math.radians(b.longitude - a.longitude)
    h = (
        math.sin(north / 2) ** 2
        + math.cos(math.radians(a.latitude)) * math.cos(math.radians(b.latitude)) * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_RADIUS_METRES * math.asin(math.sqrt(min(1.0, h)))
