"""How long the way is: by road where a road server is set up, else by the great circle; longer in slow hours.

``travel_between`` is the one way to a travel matrix. Not inside a unit of work: the server may take seconds.
"""

import asyncio
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ParamSpec
from zoneinfo import ZoneInfo

import optimizer
from app import database
from app.infrastructure import roads
from app.infrastructure.roads import UNKNOWN, Point, RouteLeg, Table
from app.kernel.traffic import SlowHours, slow_spans
from app.scheduling.estimate import KILOMETRES_PER_HOUR, MINUTES_PER_LEG, Estimate
from optimizer.invalid import METRES_MAX, MINUTES_MAX

P = ParamSpec("P")

# How long somebody waits for the road server. A request of a person waits less than a plan in the background.
SECONDS_AT_ONCE = 5.0
SECONDS_FOR_PLAN = 60.0
# Shifts reach into the days beside theirs.
BESIDE = timedelta(days=1)
# A matrix of so many places takes long enough to be made in a thread.
IN_THREAD_FROM = 150


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the settings say about roads: the speed of an estimate, and when all ways take longer."""

    kilometres_per_hour: float = KILOMETRES_PER_HOUR
    slow_hours: tuple[SlowHours, ...] = ()


@dataclass(frozen=True, slots=True)
class Leg:
    """The way from one place to the next: minutes with parking and walking, metres, and its line for a map.

    ``line`` is (longitude, latitude), as GeoJSON has it; ``is_by_road`` is false of an estimate, whose line is straight.
    """

    minutes: int
    metres: int
    line: tuple[tuple[float, float], ...]
    is_by_road: bool


_traffic = Traffic()


def configure(traffic: Traffic) -> None:
    """Estimate and slow down as the settings say."""
    global _traffic
    _traffic = traffic


def estimate_of(starts: datetime | None = None, ends: datetime | None = None, tz: ZoneInfo | None = None) -> Estimate:
    """How travel is estimated between two moments, in minutes from the first; without moments there are no slow hours."""
    if starts is None:
        return Estimate(_traffic.kilometres_per_hour)
    last = (ends or starts) + BESIDE
    spans = slow_spans(_traffic.slow_hours, starts - BESIDE, last, tz or ZoneInfo("UTC"))
    minutes = ((_minute(begins, starts), _minute(until, starts), factor) for begins, until, factor in spans)
    return Estimate(
        _traffic.kilometres_per_hour,
        tuple(optimizer.Slowdown(begins, until, factor) for begins, until, factor in minutes if begins < until),
    )


async def travel_between(
    places: Sequence[optimizer.Place],
    *,
    starts: datetime | None = None,
    ends: datetime | None = None,
    tz: ZoneInfo | None = None,
    seconds: float = SECONDS_AT_ONCE,
) -> optimizer.TravelMatrix:
    """The travel matrix of some places: by road as far as the road server tells within ``seconds``, else estimated.

    ``starts`` is the problem's origin: from there, a day beyond ``ends``, the slow hours on the clocks of ``tz`` count.
    """
    estimate = estimate_of(starts, ends, tz)
    return await by_road(places, estimate, seconds=seconds) or await _apart(places, estimate.between, places)


async def by_road(
    places: Sequence[optimizer.Place], estimate: Estimate, *, seconds: float = SECONDS_AT_ONCE
) -> optimizer.TravelMatrix | None:
    """The matrix by road, with estimates for what is not told; None without a road server."""
    if database.in_unit():
        raise RuntimeError("a road server is not waited for inside a transaction")
    table = await roads.table([_point(place) for place in places], seconds=seconds)
    if table is None:
        return None
    return await _apart(places, _matrix, places, table, estimate)


def _matrix(places: Sequence[optimizer.Place], table: Table, estimate: Estimate) -> optimizer.TravelMatrix:
    minutes, metres = [], []
    for origin, (row_seconds, row_metres) in enumerate(zip(table.seconds, table.metres, strict=True)):
        row = array("i", map(_minutes, row_seconds))
        far = array("i", (min(each, METRES_MAX) for each in row_metres))
        unknown = [column for column, each in enumerate(row_seconds) if each == UNKNOWN]
        if unknown:
            guess = estimate.between([places[origin], *(places[column] for column in unknown)])
            for number, column in enumerate(unknown, start=1):
                row[column], far[column] = guess.minutes[0][number], guess.metres[0][number]
        minutes.append(row)
        metres.append(far)
    return optimizer.TravelMatrix(tuple(minutes), tuple(metres), estimate.slowdowns)


def _minutes(seconds: int) -> int:
    return min(-(-seconds // 60) + (MINUTES_PER_LEG if seconds else 0), MINUTES_MAX)


async def route_geometry(
    places: Sequence[optimizer.Place],
    *,
    departs_at: Sequence[datetime] = (),
    tz: ZoneInfo | None = None,
    seconds: float = SECONDS_AT_ONCE,
) -> list[Leg]:
    """The ways from each place to the next, for a map; straight lines for what the road server does not tell.

    ``departs_at`` has the moment at which each leg begins, if slow hours are to count.
    """
    if len(places) < 2:
        return []
    if database.in_unit():
        raise RuntimeError("a road server is not waited for inside a transaction")
    told = await roads.route([_point(place) for place in places], seconds=seconds) or [None] * (len(places) - 1)
    legs = []
    for number, leg in enumerate(told):
        departs = departs_at[number] if number < len(departs_at) else None
        legs.append(_leg(places[number], places[number + 1], leg, estimate_of(departs, departs, tz)))
    return legs


def _leg(origin: optimizer.Place, destination: optimizer.Place, told: RouteLeg | None, estimate: Estimate) -> Leg:
    if told is None:
        matrix = estimate.between([origin, destination])
        line = ((origin.longitude, origin.latitude), (destination.longitude, destination.latitude))
        return Leg(matrix.minutes_from(0, 1, 0), matrix.metres[0][1], line, is_by_road=False)
    minutes = _minutes(told.seconds)
    matrix = optimizer.TravelMatrix(((0, minutes), (minutes, 0)), ((0, 0), (0, 0)), estimate.slowdowns)
    return Leg(matrix.minutes_from(0, 1, 0), told.metres, told.line, is_by_road=True)


def _point(place: optimizer.Place) -> Point:
    return Point(place.latitude, place.longitude)


def _minute(moment: datetime, origin: datetime) -> int:
    return math.floor((moment - origin).total_seconds() / 60)


async def _apart(
    places: Sequence[optimizer.Place],
    make: Callable[P, optimizer.TravelMatrix],
    *values: P.args,
    **named: P.kwargs,
) -> optimizer.TravelMatrix:
    return await asyncio.to_thread(make, *values, **named) if len(places) > IN_THREAD_FROM else make(*values, **named)
