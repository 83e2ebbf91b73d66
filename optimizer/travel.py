"""Travel without a road network: the great circle, stretched by how much longer roads are."""

from array import array
from collections.abc import Sequence
from math import asin, ceil, cos, isfinite, radians, sin, sqrt

from optimizer.invalid import METRES_MAX, MINUTES_MAX, require, require_range
from optimizer.matrix import Row, Slowdown, TravelMatrix
from optimizer.problem import Place

EARTH_RADIUS_METRES = 6_371_008.8
HALF_WAY_ROUND_METRES = 20_016_000
# Roads are about a third longer than the crow flies, in town and country alike.
ROAD_FACTOR = 1.3
# From here on numpy, where it is there, is worth its import, and rows are arrays.
MANY_PLACES = 200


def great_circle_metres(origin: Place, destination: Place) -> float:
    latitudes = radians(origin.latitude), radians(destination.latitude)
    half_rise = sin((latitudes[1] - latitudes[0]) / 2)
    half_turn = sin(radians(destination.longitude - origin.longitude) / 2)
    chord = half_rise * half_rise + cos(latitudes[0]) * cos(latitudes[1]) * half_turn * half_turn
    return 2 * EARTH_RADIUS_METRES * asin(min(1.0, sqrt(chord)))


def estimate_travel(
    places: Sequence[Place],
    *,
    kilometres_per_hour: float = 45.0,
    road_factor: float = ROAD_FACTOR,
    minutes_per_leg: int = 0,
    slowdowns: tuple[Slowdown, ...] = (),
) -> TravelMatrix:
    """The matrix of these places; `minutes_per_leg` is parking and walking, where a leg leads anywhere."""
    require(isfinite(kilometres_per_hour) and kilometres_per_hour > 0, "kilometres_per_hour", "must be positive.")
    require(isfinite(road_factor) and road_factor >= 1, "road_factor", "must be at least 1.")
    require(road_factor * HALF_WAY_ROUND_METRES <= METRES_MAX, "road_factor", "must be at most 4.")
    require_range("minutes_per_leg", minutes_per_leg, 0, MINUTES_MAX)
    metres_per_minute = kilometres_per_hour * 1000 / 60
    try:
        import numpy  # Optional: a thousand places take 50 ms with it and a second without.
    except ImportError:
        numpy = None  # type: ignore[assignment]
    if numpy is None or len(places) < MANY_PLACES:
        metres = tuple(tuple(round(distance * road_factor) for distance in row) for row in _distances(places))
        minutes = tuple(
            tuple(ceil(each / metres_per_minute) + (minutes_per_leg if each else 0) for each in row) for row in metres
        )
        return TravelMatrix(minutes, metres, slowdowns)
    metres_by_row, minutes_by_row = list[Row](), list[Row]()
    latitude = numpy.radians(numpy.array([place.latitude for place in places]))
    longitude = numpy.radians(numpy.array([place.longitude for place in places]))
    cosine = numpy.cos(latitude)
    for here in range(len(places)):
        half_rise = numpy.sin((latitude - latitude[here]) / 2)
        half_turn = numpy.sin((longitude - longitude[here]) / 2)
        chord = half_rise**2 + cosine[here] * cosine * half_turn**2
        row = numpy.rint(2 * EARTH_RADIUS_METRES * numpy.arcsin(numpy.sqrt(chord.clip(0, 1))) * road_factor)
        legs = numpy.ceil(row / metres_per_minute) + minutes_per_leg * (row > 0)
        require(legs.max() <= MINUTES_MAX, f"minutes[{here}]", f"must not hold more than {MINUTES_MAX:,}.")
        metres_by_row.append(array("i", row.astype("int32").tobytes()))
        minutes_by_row.append(array("i", legs.astype("int32").tobytes()))
    return TravelMatrix(tuple(minutes_by_row), tuple(metres_by_row), slowdowns)


def _distances(places: Sequence[Place]) -> list[list[float]]:
    return [[great_circle_metres(origin, destination) for destination in places] for origin in places]
