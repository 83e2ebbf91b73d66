"""Minutes as people read them: by the clock where the problem says when minute 0 is, as plain numbers elsewhere."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from optimizer.problem import Problem


@dataclass(frozen=True, slots=True)
class Clock:
    """`days` tells whether a time needs its day to be understood."""

    origin: datetime | None
    days: bool = False

    @classmethod
    def of(cls, problem: Problem) -> "Clock":
        """Shows days where the shifts begin on several."""
        origin = problem.origin
        if origin is None:
            return cls(None)
        starts = {
            (origin + timedelta(minutes=shift.start_minute)).date()
            for technician in problem.technicians
            for shift in technician.shifts
        }
        return cls(origin, len(starts) > 1)

    def __call__(self, minute: int) -> str:
        if self.origin is None:
            return str(minute)
        time = self.origin + timedelta(minutes=minute)
        return f"{time:%a %H:%M}" if self.days else f"{time:%H:%M}"


def hours(minutes: int) -> str:
    """`95` is `1:35`."""
    return f"{minutes // 60}:{minutes % 60:02}"
