"""How long the road takes, and how long at this hour: whoever leaves later never arrives before.

A slowdown of factor f makes the clock of the road run f times slower: within it one base minute of road takes
f minutes, outside one. A leg that leads into or out of a slowdown is slowed for that part alone. In whole
numbers, so that every engine finds the same minute: an ordinary minute does `FREE_PROGRESS` units of road, a
minute of a slowdown `ceil(FREE_PROGRESS / f)` of them, and a leg of m base minutes needs m · FREE_PROGRESS.
With P(t) the units done from a fixed origin to minute t:

    arrival(t, m)   = the least  a with P(a) - P(t) >= m · FREE_PROGRESS
    departure(a, m) = the latest t with P(a) - P(t) >= m · FREE_PROGRESS

P rises strictly, so both are monotone, and arrival(t, m) <= a exactly where t <= departure(a, m).
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, isfinite

from optimizer.invalid import METRES_MAX, MINUTES_MAX, require, require_minutes

FREE_PROGRESS = 10**6
FACTOR_MIN, FACTOR_MAX = 0.01, 100.0
Row = Sequence[int]


@dataclass(frozen=True, slots=True)
class Slowdown:
    """From `start_minute` until before `end_minute` one base minute of road takes `factor` minutes."""

    start_minute: int
    end_minute: int
    factor: float

    def __post_init__(self) -> None:
        require_minutes(self, "start_minute", "end_minute")
        require(self.start_minute < self.end_minute, "end_minute", "must be after start_minute.")
        require(isfinite(self.factor) and self.factor > 0, "factor", "must be positive.")
        require(FACTOR_MIN <= self.factor <= FACTOR_MAX, "factor", f"must lie between {FACTOR_MIN} and {FACTOR_MAX}.")

    @property
    def progress(self) -> int:
        """Units of road that one minute does."""
        return ceil(round(FREE_PROGRESS / self.factor, 6))


class Pace:
    """How far one gets by the clock. Segment k lasts from `minutes[k]` until `minutes[k + 1]`, the last forever,
    and what lies before the first is free; `progress[k]` is what each of its minutes does, `done[k]` is P at
    its start, counted from `minutes[0]`."""

    __slots__ = ("done", "minutes", "progress")

    def __init__(self, slowdowns: Sequence[Slowdown]) -> None:
        changes: dict[int, int] = {}
        for slowdown in slowdowns:
            changes[slowdown.start_minute] = slowdown.progress
            changes[slowdown.end_minute] = FREE_PROGRESS
        self.minutes = list(changes)
        self.progress = list(changes.values())
        self.done = [0]
        for index, (start, end) in enumerate(pairwise(self.minutes)):
            self.done.append(self.done[-1] + (end - start) * self.progress[index])

    def arrival(self, departure_minute: int, base_minutes: int) -> int:
        """The first minute by which as much road is done; the departure itself for no road."""
        if not self.minutes:
            return departure_minute + base_minutes
        goal = self._done_by(departure_minute) + base_minutes * FREE_PROGRESS
        segment = bisect_left(self.done, goal) - 1
        if segment < 0:
            return self.minutes[0] - -goal // FREE_PROGRESS
        return self.minutes[segment] - (self.done[segment] - goal) // self.progress[segment]

    def departure(self, arrive_minute: int, base_minutes: int) -> int:
        """The last minute from which as much road is done by then: the inverse of `arrival`."""
        if not self.minutes:
            return arrive_minute - base_minutes
        goal = self._done_by(arrive_minute) - base_minutes * FREE_PROGRESS
        segment = bisect_right(self.done, goal) - 1
        if segment < 0:
            return self.minutes[0] + goal // FREE_PROGRESS
        return self.minutes[segment] + (goal - self.done[segment]) // self.progress[segment]

    def _done_by(self, minute: int) -> int:
        segment = bisect_right(self.minutes, minute) - 1
        if segment < 0:
            return (minute - self.minutes[0]) * FREE_PROGRESS
        return self.done[segment] + (minute - self.minutes[segment]) * self.progress[segment]


FREE = Pace(())


@dataclass(frozen=True, slots=True, eq=False)
class TravelMatrix:
    """Minutes and metres by road, n × n, origin by row, in the order of `Problem.places`. Rows are tuples, or
    `array('i')` where there are many: 5,000 places are 25 million cells. Minutes are those of a free road."""

    minutes: tuple[Row, ...]
    metres: tuple[Row, ...]
    slowdowns: tuple[Slowdown, ...] = ()
    pace: Pace = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _require_square("minutes", self.minutes, MINUTES_MAX)
        _require_square("metres", self.metres, METRES_MAX)
        require(len(self.minutes) == len(self.metres), "metres", "must have as many rows as minutes.")
        for index, (before, after) in enumerate(pairwise(self.slowdowns), start=1):
            require(
                before.end_minute <= after.start_minute,
                f"slowdowns[{index}]",
                "must come after the one before.",
            )
        object.__setattr__(self, "pace", Pace(self.slowdowns) if self.slowdowns else FREE)

    def __eq__(self, other: object) -> bool:
        """By content: whether a row is a tuple or an array makes no difference."""
        if not isinstance(other, TravelMatrix):
            return NotImplemented
        return (
            self.slowdowns == other.slowdowns
            and _are_equal(self.minutes, other.minutes)
            and _are_equal(self.metres, other.metres)
        )

    def __hash__(self) -> int:
        return hash((len(self.minutes), self.slowdowns))

    def minutes_from(self, origin: int, destination: int, departure_minute: int) -> int:
        """Minutes of the leg that leaves at this minute; whoever leaves later never arrives before."""
        minutes = self.minutes[origin][destination]
        return self.pace.arrival(departure_minute, minutes) - departure_minute if self.slowdowns else minutes

    def depart_by(self, origin: int, destination: int, arrive_minute: int) -> int:
        """The latest departure that arrives by this minute, exactly."""
        return self.pace.departure(arrive_minute, self.minutes[origin][destination])

    def minutes_at_worst(self) -> tuple[Row, ...]:
        """The matrix at the slowest time, a bound: no leg takes longer, whenever it leaves."""
        slowest = min((slowdown.progress for slowdown in self.slowdowns), default=FREE_PROGRESS)
        if slowest >= FREE_PROGRESS:
            return self.minutes
        return tuple(tuple(-(-minutes * FREE_PROGRESS // slowest) for minutes in row) for row in self.minutes)


def _are_equal(rows: tuple[Row, ...], others: tuple[Row, ...]) -> bool:
    return len(rows) == len(others) and all(
        row == other if type(row) is type(other) else tuple(row) == tuple(other)
        for row, other in zip(rows, others, strict=True)
    )


def _require_square(path: str, rows: tuple[Row, ...], most: int) -> None:
    for index, row in enumerate(rows):
        where = f"{path}[{index}]"
        require(len(row) == len(rows), where, f"must have {len(rows)} columns.")
        if isinstance(row, array):
            require(row.typecode in "bBhHiIlLqQ", where, "must hold whole numbers.")
            least, largest = _bounds(row)
        else:
            require(set(map(type, row)) <= {int}, where, "must hold whole numbers.")
            least, largest = min(row), max(row)
        require(least >= 0, where, "must not hold a negative number.")
        require(largest <= most, where, f"must not hold more than {most:,}.")


def _bounds(row: "array[int]") -> tuple[int, int]:
    try:
        import numpy  # Optional: it looks at millions of cells in no time.
    except ImportError:
        return min(row), max(row)
    cells = numpy.frombuffer(row, dtype=row.typecode)
    return int(cells.min()), int(cells.max())
