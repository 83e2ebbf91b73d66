"""Travel without a road network: the great circle, stretched by how much longer roads are."""

from collections.abc import Sequence
from math import asin, ceil, cos, radians, sin, sqrt

from optimizer.problem import InvalidProblem, Place, Slowdown, TravelMatrix

EARTH_RADIUS_METRES = 6_371_008.8
# Roads are about a third longer than the crow flies, in town and country alike.
ROAD_FACTOR = 1.3


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
    if kilometres_per_hour <= 0:
        raise InvalidProblem("kilometres_per_hour", "must be positive.")
    if road_factor < 1:
        raise InvalidProblem("road_factor", "must be at least 1.")
    if minutes_per_leg < 0:
        raise InvalidProblem("minutes_per_leg", "must not be negative.")
    metres_per_minute = kilometres_per_hour * 1000 / 60
    metres = tuple(tuple(round(distance * road_factor) for distance in row) for row in _distances(places))
    minutes = tuple(
        tuple(ceil(each / metres_per_minute) + (minutes_per_leg if each else 0) for each in row) for row in metres
    )
    return TravelMatrix(minutes, metres, slowdowns)


def _distances(places: Sequence[Place]) -> list[list[float]]:
    try:
        import numpy  # Optional: a thousand places take 20 ms with it and a second without.
    except ImportError:
        return [[great_circle_metres(origin, destination) for destination in places] for origin in places]
    latitude = numpy.radians(numpy.array([place.latitude for place in places], dtype=float))
    longitude = numpy.radians(numpy.array([place.longitude for place in places], dtype=float))
    half_rise = numpy.sin((latitude[None, :] - latitude[:, None]) / 2)
    half_turn = numpy.sin((longitude[None, :] - longitude[:, None]) / 2)
    cosine = numpy.cos(latitude)
    chord = half_rise**2 + cosine[:, None] * cosine[None, :] * half_turn**2
    distances: list[list[float]] = (2 * EARTH_RADIUS_METRES * numpy.arcsin(numpy.sqrt(chord.clip(0, 1)))).tolist()
    return distances
