"""Parts of the map: a box, or a circle around a point on the surface of the earth."""

import math
from dataclasses import dataclass
from typing import Any

from app.infrastructure.conditions import Condition, Writer, column, quoted
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.places import EARTH_RADIUS_METRES, Point
from schema.kit.declarations import about, inputs, one_of
from schema.kit.operators import operand

METRES_MAX = 20_000_000
# A box is compared by degrees and a circle by metres: the box around a circle is this much wider than it need be.
_SLACK_DEGREES = 1e-7


@inputs
class BoxInput:
    """A rectangle on the map, its edges included. One whose west lies east of its east crosses the 180th meridian."""

    south: float = about("The least latitude.")
    west: float = about("The longitude of the left edge.")
    north: float = about("The greatest latitude.")
    east: float = about("The longitude of the right edge.")


@inputs
class RadiusInput:
    """Everything within a distance of a point, along the surface of the earth."""

    latitude: float = about("Degrees north of the point, -90 to 90.")
    longitude: float = about("Degrees east of the point, -180 to 180.")
    metres: float = about(f"How far it may be, more than 0 and up to {METRES_MAX}.")


@one_of
class AreaInput:
    """A part of the map: exactly one of these."""

    box: BoxInput | None = operand("Within this rectangle.")
    radius: RadiusInput | None = operand("Within this distance.")


def within(area: dict[str, Any], latitude: str = "latitude", longitude: str = "longitude") -> Condition:
    """A row's place lies in the area; a row without a place lies in none."""
    if (box := area.get("box")) is not None:
        return _in_box(box, latitude, longitude)
    circle = area["radius"]
    center = Point(circle["latitude"], circle["longitude"])
    if not 0 < circle["metres"] <= METRES_MAX:
        raise InvalidInput(f"A radius is more than 0 and up to {METRES_MAX} metres.", path=["metres"])
    return _around(center, circle["metres"], latitude, longitude) & Nearer(
        center, circle["metres"], latitude, longitude
    )


def holds(box: BoxInput, point: Point) -> bool:
    """Whether a point lies within a box, by the same rule as rows do."""
    is_east, is_west = point.longitude >= box.west, point.longitude <= box.east
    is_between = is_east and is_west if box.west <= box.east else is_east or is_west
    return is_between and box.south <= point.latitude <= box.north


def require_box(south: float, west: float, north: float, east: float) -> None:
    """Raise ``InvalidInput`` when this is no box."""
    if not -90 <= south <= north <= 90:
        raise InvalidInput("The south of a box lies below its north, both between -90 and 90.", path=["south"])
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidInput("The edges of a box lie between -180 and 180.", path=["west"])


def _in_box(box: dict[str, float], latitude: str, longitude: str) -> Condition:
    require_box(**box)
    rows = (column(latitude) >= box["south"]) & (column(latitude) <= box["north"])
    return rows & _between_meridians(box["west"], box["east"], longitude)


def _between_meridians(west: float, east: float, longitude: str) -> Condition:
    from_west, to_east = column(longitude) >= west, column(longitude) <= east
    return from_west & to_east if west <= east else from_west | to_east


def _around(center: Point, metres: float, latitude: str, longitude: str) -> Condition:
    """The box around a circle, which an index can find. Around a pole lie all meridians."""
    angle = metres / EARTH_RADIUS_METRES
    degrees = math.degrees(angle) + _SLACK_DEGREES
    south, north = center.latitude - degrees, center.latitude + degrees
    rows = (column(latitude) >= max(south, -90.0)) & (column(latitude) <= min(north, 90.0))
    if south <= -90 or north >= 90:
        return rows
    sine = math.sin(angle) / math.cos(math.radians(center.latitude))
    aside = math.degrees(math.asin(min(sine, 1.0))) + _SLACK_DEGREES
    if aside >= 180:
        return rows
    west, east = center.longitude - aside, center.longitude + aside
    return rows & _between_meridians(west + 360 if west < -180 else west, east - 360 if east > 180 else east, longitude)


@dataclass(frozen=True, slots=True)
class Nearer(Condition):
    """A row's place is no further from a point than so many metres: the haversine of ``app.kernel.places``, in SQL."""

    center: Point
    metres: float
    latitude: str
    longitude: str

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("nearer", self.latitude, self.longitude)

    def write(self, writer: Writer, alias: str) -> str:
        north, east = (f"{quoted(alias)}.{quoted(name)}" for name in (self.latitude, self.longitude))
        if writer.dialect is Dialect.SQLITE:
            center = f"{writer.bind(self.center.latitude)}, {writer.bind(self.center.longitude)}"
            return f"metres_between({north}, {east}, {center}) <= {writer.bind(self.metres)}"
        here_north, here_east, far = (
            f"{writer.bind(value)}::float8" for value in (self.center.latitude, self.center.longitude, self.metres)
        )
        h = (
            f"power(sin(radians({north} - {here_north}) / 2), 2) + cos(radians({here_north})) * cos(radians({north})) "
            f"* power(sin(radians({east} - {here_east}) / 2), 2)"
        )
        return f"2 * {EARTH_RADIUS_METRES} * asin(sqrt(least(1, {h}))) <= {far}"
