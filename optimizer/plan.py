"""What the planner answers: routes with times, what is left out and why, and what the whole is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering


class ReasonCode(StrEnum):
    """Why a visit is left out."""

    NO_TECHNICIANS = "NO_TECHNICIANS"
    NO_TECHNICIAN_HAS_SKILL = "NO_TECHNICIAN_HAS_SKILL"
    SKILL_LEVEL_TOO_LOW = "SKILL_LEVEL_TOO_LOW"
    SKILL_EXPIRED = "SKILL_EXPIRED"
    REQUIRED_TECHNICIAN_UNAVAILABLE = "REQUIRED_TECHNICIAN_UNAVAILABLE"
    EXCLUDED_TECHNICIANS = "EXCLUDED_TECHNICIANS"
    TERRITORY = "TERRITORY"
    PARTS_MISSING = "PARTS_MISSING"
    LOAD_TOO_LARGE = "LOAD_TOO_LARGE"
    PIN_IMPOSSIBLE = "PIN_IMPOSSIBLE"
    WINDOW_TOO_SHORT = "WINDOW_TOO_SHORT"
    WINDOW_OUTSIDE_SHIFTS = "WINDOW_OUTSIDE_SHIFTS"
    SHIFT_TOO_SHORT = "SHIFT_TOO_SHORT"
    TOO_FAR = "TOO_FAR"
    CREW_TOO_SMALL = "CREW_TOO_SMALL"
    EARLIER_VISIT_UNASSIGNED = "EARLIER_VISIT_UNASSIGNED"
    LINKED_VISITS_DO_NOT_FIT = "LINKED_VISITS_DO_NOT_FIT"
    NO_CAPACITY_LEFT = "NO_CAPACITY_LEFT"
    CHEAPER_TO_LEAVE_OUT = "CHEAPER_TO_LEAVE_OUT"
    STOPPED_EARLY = "STOPPED_EARLY"


@dataclass(frozen=True, slots=True)
class Reason:
    """`deficit` is how much was lacking, counted in `unit` (minutes, cents, levels, units, technicians)."""

    code: ReasonCode
    sentence: str
    deficit: int | None = None
    unit: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Unassigned:
    visit_id: str
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Pickup:
    """Parts fetched on the way to a stop, for it and for later ones: from arriving at the stock's place until
    leaving it, breaks that fall in between included."""

    place: str
    arrive_minute: int
    leave_minute: int
    parts: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", dict(self.parts))

    def __hash__(self) -> int:
        return hash((self.place, self.arrive_minute, self.leave_minute, frozenset(self.parts.items())))


@dataclass(frozen=True, slots=True)
class Stop:
    """`travel_…` is the leg that leads here (by way of the stock where `pickup` says so, both halves together),
    `wait_minutes` idle time before work, breaks not counted."""

    visit_id: str
    arrive_minute: int
    start_minute: int
    end_minute: int
    travel_minutes: int
    travel_metres: int
    wait_minutes: int = 0
    pickup: Pickup | None = None


@dataclass(frozen=True, slots=True)
class PlacedBreak:
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class Route:
    """One technician's way through one shift; `breaks` in the order of the shift's own."""

    technician_id: str
    shift_index: int
    depart_minute: int
    return_minute: int
    return_travel_minutes: int
    return_travel_metres: int
    stops: tuple[Stop, ...]
    breaks: tuple[PlacedBreak, ...] = ()

    @property
    def travel_minutes(self) -> int:
        return sum(stop.travel_minutes for stop in self.stops) + self.return_travel_minutes

    @property
    def travel_metres(self) -> int:
        return sum(stop.travel_metres for stop in self.stops) + self.return_travel_metres


@total_ordering
@dataclass(frozen=True, slots=True)
class Score:
    """Lower is better; `levels` are the policy's tiers, compared first to last."""

    levels: tuple[int, ...]
    violations: int
    mandatory_points: int
    lateness_cents: int
    wishes_cents: int

    def __lt__(self, other: "Score") -> bool:
        return self.levels < other.levels

    @property
    def is_feasible(self) -> bool:
        return self.violations == 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Routes without stops are not listed; routes and left-out visits stand in order of their ids,
    so that equal plans are equal."""

    routes: tuple[Route, ...] = ()
    unassigned: tuple[Unassigned, ...] = ()
    score: Score | None = None

    def __post_init__(self) -> None:
        routes = sorted(
            (route for route in self.routes if route.stops),
            key=lambda route: (route.technician_id, route.shift_index),
        )
        object.__setattr__(self, "routes", tuple(routes))
        object.__setattr__(self, "unassigned", tuple(sorted(self.unassigned, key=lambda each: each.visit_id)))

    def technicians_of(self, visit_id: str) -> tuple[str, ...]:
        return tuple(
            route.technician_id for route in self.routes if any(stop.visit_id == visit_id for stop in route.stops)
        )

    def stops_of(self, visit_id: str) -> tuple[Stop, ...]:
        return tuple(stop for route in self.routes for stop in route.stops if stop.visit_id == visit_id)

    @property
    def visit_ids(self) -> frozenset[str]:
        """Everything that is served."""
        return frozenset(stop.visit_id for route in self.routes for stop in route.stops)
