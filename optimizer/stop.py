"""When to stop searching."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from optimizer.plan import Score
from optimizer.problem import InvalidProblem

OnProgress = Callable[[float, Score], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Stop:
    """After this many seconds; sooner after so many `solutions` looked at (the same answer on every machine
    as long as the seconds do not run out first), or after `unimproved_seconds` without a better one."""

    seconds: float = 10.0
    solutions: int | None = None
    unimproved_seconds: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < inf:
            raise InvalidProblem("stop.seconds", "must be a number, and not negative.")
        if self.solutions is not None and self.solutions < 1:
            raise InvalidProblem("stop.solutions", "must be at least 1.")
        if self.unimproved_seconds is not None and not self.unimproved_seconds > 0:
            raise InvalidProblem("stop.unimproved_seconds", "must be positive.")
