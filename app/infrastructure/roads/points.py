"""What every road server is asked and answers, whichever it is: points, tables, legs, and the ways to say no.

RoadProblem
├── Away       no answer that can be used: it may be different in a minute
└── Refused    an answer, and the answer is no; `refusal` says what may be tried instead
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

# A ten-thousandth of a degree, 11 metres at most: the same door for a car.
STEPS_PER_DEGREE = 10_000
_LONGITUDES = 360 * STEPS_PER_DEGREE + 1
UNKNOWN = -1


class Point(NamedTuple):
    """Somewhere on earth, in degrees."""

    latitude: float
    longitude: float

    @property
    def key(self) -> int:
        """The number of the point that this one is rounded to."""
        north = round((self.latitude + 90) * STEPS_PER_DEGREE)
        return north * _LONGITUDES + round((self.longitude + 180) * STEPS_PER_DEGREE)


def point_of(key: int) -> Point:
    """The point of a number."""
    north, east = divmod(key, _LONGITUDES)
    return Point(
        round(north / STEPS_PER_DEGREE - 90, 4),
        round(east / STEPS_PER_DEGREE - 180, 4),
    )


@dataclass(frozen=True, slots=True)
class Table:
    """Seconds and metres by road, a row for each source; ``UNKNOWN`` in both where no road is known."""

    seconds: list["array[int]"]
    metres: list["array[int]"]


@dataclass(frozen=True, slots=True)
class RouteLeg:
    """The way from one point to the next: seconds, metres, and its line as (longitude, latitude)."""

    seconds: int
    metres: int
    line: tuple[tuple[float, float], ...]


class Refusal(StrEnum):
    """What a server's no is about."""

    NO_ROAD_NEAR = "NO_ROAD_NEAR"
    TOO_LARGE = "TOO_LARGE"
    NO_WAY = "NO_WAY"
    WRONG = "WRONG"


class RoadProblem(Exception):
    """A question to a road server without a usable answer."""


class Away(RoadProblem):
    """The server is away, busy, or talks nonsense; ``retry_seconds`` is what it asked for."""

    def __init__(self, reason: str, retry_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_seconds = retry_seconds


class Refused(RoadProblem):
    """The server says no, and will say it again."""

    def __init__(self, refusal: Refusal, said: str) -> None:
        super().__init__(said)
        self.refusal = refusal


def table_of(seconds: object, metres: object, rows: int, columns: int, *, metres_per_unit: float = 1.0) -> Table:
    """A table out of two answered matrices, else ``Away``: a shape or number that is none is a broken answer."""
    if not (_has_shape(seconds, rows, columns) and _has_shape(metres, rows, columns)):
        raise Away("the answer is not a table of the size asked for")
    assert isinstance(seconds, list) and isinstance(metres, list)
    made = Table([], [])
    for some_seconds, some_metres in zip(seconds, metres, strict=True):
        pairs = list(_pairs(some_seconds, some_metres, metres_per_unit))
        made.seconds.append(array("i", (one for one, _ in pairs)))
        made.metres.append(array("i", (one for _, one in pairs)))
    return made


def _has_shape(matrix: object, rows: int, columns: int) -> bool:
    if not isinstance(matrix, list) or len(matrix) != rows:
        return False
    return all(isinstance(row, list) and len(row) == columns for row in matrix)


def _pairs(seconds: list[object], metres: list[object], metres_per_unit: float) -> Iterator[tuple[int, int]]:
    for each_seconds, each_metres in zip(seconds, metres, strict=True):
        if each_seconds is None or each_metres is None:
            yield UNKNOWN, UNKNOWN
        else:
            yield whole(each_seconds), whole(each_metres, metres_per_unit)


def whole(value: object, factor: float = 1.0) -> int:
    """A number of an answer, rounded; ``Away`` where it is none, or no time and no distance on earth."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value * factor < 2**31:
        raise Away("the answer has a number that cannot be")
    return round(value * factor)
