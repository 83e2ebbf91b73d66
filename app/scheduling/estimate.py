"""How travel is estimated where nobody asks a road server. Light to import: the planner's process needs it, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import optimizer

# Walking from the van to the door and back, once per leg.
MINUTES_PER_LEG = 5
KILOMETRES_PER_HOUR = 45.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """The great circle by a speed, longer in slow hours. It is small, where a matrix is large, and goes to other processes."""

    kilometres_per_hour: float = KILOMETRES_PER_HOUR
    slowdowns: tuple[optimizer.Slowdown, ...] = ()

    def between(self, places: Sequence[optimizer.Place]) -> optimizer.TravelMatrix:
        """The matrix of some places."""
        return optimizer.estimate_travel(
            places,
            kilometres_per_hour=self.kilometres_per_hour,
            minutes_per_leg=MINUTES_PER_LEG,
            slowdowns=self.slowdowns,
        )
