"""What the planner is asked: who can work when, what is to be done where, and what matters more.

Times are whole minutes from one common origin, distances metres, money cents. Everything is immutable and
validated when made: what exists is well-formed, and what is not raises `InvalidProblem` with a path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from math import ceil, isfinite

from optimizer.invalid import (
    AMOUNT_MAX,
    CENTS_MAX,
    CENTS_PER_MINUTE_MAX,
    METRES_MAX,
    MINUTES_MAX,
    WEIGHTED_CENTS_PER_MINUTE_MAX,
    InvalidProblem,
    require,
    require_amounts,
    require_minutes,
    require_range,
    require_unique,
)
from optimizer.matrix import Slowdown, TravelMatrix
from optimizer.plan import Plan

__all__ = [
    "AMOUNT_MAX",
    "CENTS_MAX",
    "CENTS_PER_MINUTE_MAX",
    "METRES_MAX",
    "MINUTES_MAX",
    "After",
    "Break",
    "InvalidProblem",
    "Pin",
    "Place",
    "Policy",
    "Problem",
    "Shift",
    "Skill",
    "Slowdown",
    "Stock",
    "Technician",
    "Tier",
    "TravelMatrix",
    "Visit",
    "Window",
    "split_over_days",
]
SPEED_MIN, SPEED_MAX = 0.01, 100.0


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere one can be; its row in every travel matrix is its position in `Problem.places`."""

    id: str
    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        require(self.id != "", "id", "must not be empty.")
        require(-90 <= self.latitude <= 90, "latitude", "must lie between -90 and 90.")
        require(-180 <= self.longitude <= 180, "longitude", "must lie between -180 and 180.")


@dataclass(frozen=True, slots=True)
class Window:
    """Work may start from `earliest_minute` to `latest_minute`, both included; with `ends_inside`
    (opening hours rather than a promised arrival) it must also be over by `latest_minute`."""

    earliest_minute: int
    latest_minute: int
    ends_inside: bool = False

    def __post_init__(self) -> None:
        require_minutes(self, "earliest_minute", "latest_minute")
        require(self.earliest_minute <= self.latest_minute, "latest_minute", "must not be before earliest_minute.")


@dataclass(frozen=True, slots=True)
class Break:
    """A pause that starts between both minutes: at a place, or on the road, never during a visit.
    Before leaving and after returning counts as well."""

    earliest_minute: int
    latest_minute: int
    duration_minutes: int

    def __post_init__(self) -> None:
        require_minutes(self, "earliest_minute", "latest_minute")
        require(self.earliest_minute <= self.latest_minute, "latest_minute", "must not be before earliest_minute.")
        require(self.duration_minutes > 0, "duration_minutes", "must be positive.")
        require_range("duration_minutes", self.duration_minutes, 1, MINUTES_MAX)


@dataclass(frozen=True, slots=True)
class Shift:
    """One stretch of work, from place to place; no `end_place`: the day ends where the last visit does."""

    start_minute: int
    end_minute: int
    start_place: str
    end_place: str | None
    overtime_minutes_max: int = 0
    breaks: tuple[Break, ...] = ()

    def __post_init__(self) -> None:
        require_minutes(self, "start_minute", "end_minute")
        require(self.start_minute < self.end_minute, "end_minute", "must be after start_minute.")
        require_range("overtime_minutes_max", self.overtime_minutes_max, 0, MINUTES_MAX)
        free_from = self.start_minute
        for index, pause in enumerate(self.breaks):
            begin = max(free_from, pause.earliest_minute)
            path = f"breaks[{index}]"
            require(pause.earliest_minute >= self.start_minute, path, "must not open before the shift starts.")
            require(begin <= pause.latest_minute, path, "cannot be taken after the break before it.")
            free_from = begin + pause.duration_minutes
            require(free_from <= self.last_minute, path, "must fit into the shift.")

    @property
    def last_minute(self) -> int:
        """The latest end, overtime included."""
        return self.end_minute + self.overtime_minutes_max


@dataclass(frozen=True, slots=True)
class Skill:
    """How well it is mastered, and from which minute on the certificate no longer counts."""

    level: int = 1
    expires_minute: int | None = None

    def __post_init__(self) -> None:
        require_range("level", self.level, 1, AMOUNT_MAX)
        require_minutes(self, "expires_minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician:
    """Who works. `speed_factor` 2.0 does a visit in half its minutes; no `territories` means everywhere;
    `parts` are on board for all shifts together, `capacity_units` hold per shift."""

    id: str
    shifts: tuple[Shift, ...]
    skills: Mapping[str, Skill] = field(default_factory=dict)
    territories: tuple[str, ...] = ()
    speed_factor: float = 1.0
    travel_profile: str | None = None
    cost_cents_per_minute: int = 0
    cost_cents_per_kilometre: int = 0
    cost_cents_per_shift: int = 0
    overtime_cents_per_minute: int = 0
    capacity_units: int | None = None
    parts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.id != "", "id", "must not be empty.")
        require(isfinite(self.speed_factor) and self.speed_factor > 0, "speed_factor", "must be positive.")
        require(
            SPEED_MIN <= self.speed_factor <= SPEED_MAX,
            "speed_factor",
            f"must lie between {SPEED_MIN} and {SPEED_MAX}.",
        )
        for name in ("cost_cents_per_minute", "cost_cents_per_kilometre", "overtime_cents_per_minute"):
            require_range(name, getattr(self, name), 0, CENTS_PER_MINUTE_MAX)
        require_range("cost_cents_per_shift", self.cost_cents_per_shift, 0, CENTS_MAX)
        require_range("capacity_units", self.capacity_units, 0, AMOUNT_MAX)
        require_unique("territories", self.territories)
        require_amounts("parts", self.parts, least=0)
        for index, (before, after) in enumerate(pairwise(self.shifts), start=1):
            require(
                before.last_minute <= after.start_minute,
                f"shifts[{index}]",
                "must start after the shift before it has ended, overtime included.",
            )
        object.__setattr__(self, "skills", dict(self.skills))
        object.__setattr__(self, "parts", dict(self.parts))

    def minutes_for(self, visit: "Visit") -> int:
        """How long this technician takes, a begun minute counted whole."""
        if self.speed_factor == 1.0:
            return visit.duration_minutes
        return ceil(round(visit.duration_minutes / self.speed_factor, 6))

    def travel_cents(self, minutes: int, metres: int) -> int:
        """The price of one leg, rounded to the cent."""
        return minutes * self.cost_cents_per_minute + (metres * self.cost_cents_per_kilometre + 500) // 1000


@dataclass(frozen=True, slots=True)
class After:
    """This visit starts `gap_minutes_min` to `gap_minutes_max` after the other ended (or started:
    `from_start`; a gap of exactly 0 from the start makes both simultaneous)."""

    visit_id: str
    gap_minutes_min: int = 0
    gap_minutes_max: int | None = None
    from_start: bool = False

    def __post_init__(self) -> None:
        require_range("gap_minutes_min", self.gap_minutes_min, 0, MINUTES_MAX)
        require_range("gap_minutes_max", self.gap_minutes_max, 0, MINUTES_MAX)
        require(
            self.gap_minutes_max is None or self.gap_minutes_max >= self.gap_minutes_min,
            "gap_minutes_max",
            "must not be below gap_minutes_min.",
        )


@dataclass(frozen=True, slots=True)
class Pin:
    """A dispatcher's word: exactly these technicians, exactly this start, or both."""

    technician_ids: tuple[str, ...] | None = None
    start_minute: int | None = None

    def __post_init__(self) -> None:
        require(
            self.technician_ids is not None or self.start_minute is not None,
            "pin",
            "must name technicians, a start, or both.",
        )
        require_minutes(self, "start_minute")
        if self.technician_ids is not None:
            require(len(self.technician_ids) > 0, "technician_ids", "must not be empty.")
            require_unique("technician_ids", self.technician_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What is to be done. Starts in one of `windows` (none: any time) and in `promised`. `due_minute` is when
    it should have started at the latest; each minute later costs. Priority 1 is the most urgent of 5.
    A crew's members start together and each has the required skills and parts."""

    id: str
    place: str
    duration_minutes: int
    windows: tuple[Window, ...] = ()
    promised: Window | None = None
    release_minute: int | None = None
    due_minute: int | None = None
    lateness_cents_per_minute: int = 100
    priority: int = 3
    mandatory: bool = True
    price_cents: int = 0
    required_skills: Mapping[str, int] = field(default_factory=dict)
    required_technicians: tuple[str, ...] = ()
    preferred_technicians: tuple[str, ...] = ()
    excluded_technicians: tuple[str, ...] = ()
    territory: str | None = None
    crew_size: int = 1
    after: tuple[After, ...] = ()
    same_technician_as: str | None = None
    load_units: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)
    pin: Pin | None = None

    def __post_init__(self) -> None:
        require(self.id != "", "id", "must not be empty.")
        require_range("duration_minutes", self.duration_minutes, 0, MINUTES_MAX)
        require_minutes(self, "release_minute", "due_minute")
        require_range("lateness_cents_per_minute", self.lateness_cents_per_minute, 0, CENTS_PER_MINUTE_MAX)
        require(1 <= self.priority <= 5, "priority", "must lie between 1 and 5.")
        require_range("price_cents", self.price_cents, 0, CENTS_MAX)
        require(not (self.mandatory and self.price_cents), "price_cents", "belongs to optional visits only.")
        require_range("crew_size", self.crew_size, 1, AMOUNT_MAX)
        require_range("load_units", self.load_units, 0, AMOUNT_MAX)
        require_amounts("required_skills", self.required_skills)
        require_amounts("parts", self.parts)
        require_unique("after", (link.visit_id for link in self.after))
        for name in ("required_technicians", "preferred_technicians", "excluded_technicians"):
            require_unique(name, getattr(self, name))
        require(
            not set(self.required_technicians) & set(self.excluded_technicians),
            "excluded_technicians",
            "must not name a required technician.",
        )
        if self.pin is not None and self.pin.technician_ids is not None:
            require(
                len(self.pin.technician_ids) == self.crew_size,
                "pin.technician_ids",
                f"must name exactly {self.crew_size}, the crew's size.",
            )
        object.__setattr__(self, "required_skills", dict(self.required_skills))
        object.__setattr__(self, "parts", dict(self.parts))


class Tier(StrEnum):
    """The goals that are never traded against one another unless a policy puts them on one level."""

    HARD = "HARD"
    MANDATORY = "MANDATORY"
    LATENESS = "LATENESS"
    WISHES = "WISHES"


@dataclass(frozen=True, slots=True)
class Policy:
    """What matters how much. `tiers` are compared first to last; goals in one tier are added up.
    `priority_weights` multiply lateness, and the loss of a mandatory visit, from priority 1 to 5.
    `worst_lateness_cents_per_minute` prices, once, the minutes by which the latest of all visits is late."""

    tiers: tuple[tuple[Tier, ...], ...] = ((Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS,), (Tier.WISHES,))
    priority_weights: tuple[int, ...] = (16, 8, 4, 2, 1)
    wait_cents_per_minute: int = 0
    preference_cents: int = 500
    overqualification_cents_per_level: int = 50
    balance_cents_per_minute: int = 0
    changed_technician_cents: int = 1000
    moved_cents_per_minute: int = 5
    worst_lateness_cents_per_minute: int = 0

    def __post_init__(self) -> None:
        named = [goal for tier in self.tiers for goal in tier]
        require(sorted(named) == sorted(Tier), "tiers", "must name each goal exactly once.")
        require(self.tiers[0] == (Tier.HARD,), "tiers", "must put the hard rules first, and alone.")
        require(self.tiers[1] == (Tier.MANDATORY,), "tiers", "must put the mandatory visits second, and alone.")
        require(
            len(self.priority_weights) == 5,
            "priority_weights",
            "must hold one weight for each of 5 priorities.",
        )
        require(min(self.priority_weights) >= 1, "priority_weights", "must be positive.")
        for index, weight in enumerate(self.priority_weights):
            require_range(f"priority_weights[{index}]", weight, 1, AMOUNT_MAX)
        for name in (
            "wait_cents_per_minute",
            "balance_cents_per_minute",
            "moved_cents_per_minute",
            "worst_lateness_cents_per_minute",
        ):
            require_range(name, getattr(self, name), 0, CENTS_PER_MINUTE_MAX)
        for name in ("preference_cents", "overqualification_cents_per_level", "changed_technician_cents"):
            require_range(name, getattr(self, name), 0, AMOUNT_MAX)

    def priority_weight(self, priority: int) -> int:
        return self.priority_weights[priority - 1]


@dataclass(frozen=True, slots=True)
class Stock:
    """Where technicians may fetch parts on their way to a visit. `parts` are what is there for all technicians
    together over the whole plan; loading takes `handling_minutes`, however much is loaded."""

    place: str
    parts: Mapping[str, int]
    handling_minutes: int = 10

    def __post_init__(self) -> None:
        require_amounts("parts", self.parts, least=0)
        require_range("handling_minutes", self.handling_minutes, 0, MINUTES_MAX)
        object.__setattr__(self, "parts", dict(self.parts))


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One question to the planner. `published` is the plan people already rely on; changing it costs."""

    technicians: tuple[Technician, ...]
    visits: tuple[Visit, ...]
    places: tuple[Place, ...]
    travel: TravelMatrix
    travel_by_profile: Mapping[str, TravelMatrix] = field(default_factory=dict)
    policy: Policy = Policy()
    origin: datetime | None = None
    published: Plan | None = None
    stocks: tuple[Stock, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "travel_by_profile", dict(self.travel_by_profile))
        require_unique("technicians", (technician.id for technician in self.technicians))
        require_unique("visits", (visit.id for visit in self.visits))
        require_unique("places", (place.id for place in self.places))
        require(self.origin is None or self.origin.utcoffset() is not None, "origin", "must have an offset.")
        for path, matrix in [
            ("travel", self.travel),
            *((f"travel_by_profile[{name}]", each) for name, each in self.travel_by_profile.items()),
        ]:
            require(len(matrix.minutes) == len(self.places), path, "must have one row for each place.")
        require_unique("stocks", (stock.place for stock in self.stocks))
        for stock in self.stocks:
            require(stock.place in self.place_index, f"stocks[{stock.place}].place", "there is no such place.")
        for technician in self.technicians:
            self._require_known_technician_references(technician)
        for visit in self.visits:
            self._require_known_visit_references(visit)
            require(
                visit.lateness_cents_per_minute * self.policy.priority_weight(visit.priority)
                <= WEIGHTED_CENTS_PER_MINUTE_MAX,
                f"visits[{visit.id}].lateness_cents_per_minute",
                f"must be at most {WEIGHTED_CENTS_PER_MINUTE_MAX:,} times its priority's weight.",
            )
        self._require_acyclic_sequences()

    def _require_known_technician_references(self, technician: Technician) -> None:
        path = f"technicians[{technician.id}]"
        profile = technician.travel_profile
        require(
            profile is None or profile in self.travel_by_profile,
            f"{path}.travel_profile",
            f"“{profile}” has no travel matrix.",
        )
        for index, shift in enumerate(technician.shifts):
            for name, place in (("start_place", shift.start_place), ("end_place", shift.end_place)):
                require(
                    place is None or place in self.place_index,
                    f"{path}.shifts[{index}].{name}",
                    f"there is no place “{place}”.",
                )

    def _require_known_visit_references(self, visit: Visit) -> None:
        path = f"visits[{visit.id}]"
        require(visit.place in self.place_index, f"{path}.place", f"there is no place “{visit.place}”.")
        # Technicians may be named who are off that day; visits that do not exist would hide a mistake.
        for other in [*(link.visit_id for link in visit.after), visit.same_technician_as]:
            require(other != visit.id, path, "must not refer to itself.")
            require(other is None or other in self.visit_by_id, path, f"there is no visit “{other}”.")

    def _require_acyclic_sequences(self) -> None:
        done: set[str] = set()
        for visit in self.visits:
            trail: list[tuple[str, bool]] = [(visit.id, False)]
            open_ids: set[str] = set()
            while trail:
                current, leaving = trail.pop()
                if leaving:
                    open_ids.discard(current)
                    done.add(current)
                elif current not in done:
                    require(current not in open_ids, f"visits[{current}].after", "must not lead back to itself.")
                    open_ids.add(current)
                    trail.append((current, True))
                    trail.extend((link.visit_id, False) for link in self.visit_by_id[current].after)

    @cached_property
    def place_index(self) -> dict[str, int]:
        return {place.id: index for index, place in enumerate(self.places)}

    @cached_property
    def visit_by_id(self) -> dict[str, Visit]:
        return {visit.id: visit for visit in self.visits}

    @cached_property
    def technician_by_id(self) -> dict[str, Technician]:
        return {technician.id: technician for technician in self.technicians}

    @cached_property
    def stock_by_place(self) -> dict[str, Stock]:
        return {stock.place: stock for stock in self.stocks}

    def travel_for(self, technician: Technician) -> TravelMatrix:
        return self.travel if technician.travel_profile is None else self.travel_by_profile[technician.travel_profile]


def split_over_days(visit: Visit, minutes: Sequence[int]) -> tuple[Visit, ...]:
    """Work that takes more than a shift, as a chain: parts `X#1`, `X#2`, … of so many minutes, each after the one
    before, by the same technicians. The first keeps what holds when work begins (promise, due minute, pinned
    start, parts and load, what it follows), the last the price of leaving it out; the rest is the same for all.
    Whoever follows the whole must follow the last part. Raises `InvalidProblem`."""
    require(len(minutes) > 0, "minutes", "must not be empty.")
    for index, each in enumerate(minutes):
        require_range(f"minutes[{index}]", each, 1, MINUTES_MAX)
    missing = visit.duration_minutes - sum(minutes)
    require(missing <= 0, "minutes", f"must add up to the work; {missing} min are missing.")
    names = [f"{visit.id}#{number}" for number in range(1, len(minutes) + 1)]
    who = None if visit.pin is None or visit.pin.technician_ids is None else Pin(visit.pin.technician_ids)
    first = replace(visit, id=names[0], duration_minutes=minutes[0], price_cents=0)
    later = [
        replace(
            first,
            id=name,
            duration_minutes=each,
            promised=None,
            due_minute=None,
            after=(After(before),),
            same_technician_as=names[0],
            load_units=0,
            parts={},
            pin=who,
        )
        for (before, name), each in zip(pairwise(names), minutes[1:], strict=True)
    ]
    chain = [first, *later]
    chain[-1] = replace(chain[-1], price_cents=visit.price_cents)
    return tuple(chain)
