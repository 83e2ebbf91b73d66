"""The problem as numbered things and plain integers, prepared once for engines that must be fast."""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property

from optimizer.fits import FOREVER, Interval, may_serve, start_intervals
from optimizer.problem import Problem, Shift, Tier
from optimizer.rules import published_visits, surplus_levels

NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One technician in one shift; `breaks` as (earliest start, latest start, minutes)."""

    technician: int
    shift_index: int
    first_minute: int
    end_minute: int
    last_minute: int
    start_place: int
    end_place: int
    breaks: tuple[tuple[int, int, int], ...]


class Model:
    """Technicians, visits and vehicles by number. `minutes[technician]` are those of a free road; where
    `is_slowed[technician]`, `pace[technician]` says how long they take at each hour."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.technicians = problem.technicians
        self.visits = problem.visits
        self.place = [problem.place_index[visit.place] for visit in problem.visits]
        self.visit_number = {visit.id: number for number, visit in enumerate(problem.visits)}
        self.technician_number = {each.id: number for number, each in enumerate(problem.technicians)}
        self.vehicles = [
            self._vehicle(number, index, shift)
            for number, technician in enumerate(problem.technicians)
            for index, shift in enumerate(technician.shifts)
        ]
        self.vehicle_number = {
            (vehicle.technician, vehicle.shift_index): number for number, vehicle in enumerate(self.vehicles)
        }
        self.vehicles_of = [
            [number for number, vehicle in enumerate(self.vehicles) if vehicle.technician == technician]
            for technician in range(len(self.technicians))
        ]
        self.travel = [problem.travel_for(technician) for technician in problem.technicians]
        self.minutes = [matrix.minutes for matrix in self.travel]
        self.pace = [matrix.pace for matrix in self.travel]
        self.is_slowed = [bool(matrix.slowdowns) for matrix in self.travel]
        self.stock_place = [problem.place_index[stock.place] for stock in problem.stocks]
        self.stock_number = {stock.place: number for number, stock in enumerate(problem.stocks)}
        self.stock_minutes = [stock.handling_minutes for stock in problem.stocks]
        self.duration = [
            [technician.minutes_for(visit) for visit in problem.visits] for technician in problem.technicians
        ]
        self._starts: list[list[tuple[Interval, ...] | None]] = [[None] * len(problem.visits) for _ in self.technicians]
        self._own_cents: list[list[int | None]] = [[None] * len(problem.visits) for _ in self.technicians]
        # How many cents in the lateness tier outweigh any number of cents in the wishes.
        joined = any({Tier.LATENESS, Tier.WISHES} <= set(tier) for tier in problem.policy.tiers)
        order = [goal for tier in problem.policy.tiers for goal in tier]
        self.lateness_scale = 1 if joined else 10**9
        self.wishes_scale = 1
        if not joined and order.index(Tier.WISHES) < order.index(Tier.LATENESS):
            self.lateness_scale, self.wishes_scale = 1, 10**9

    def _vehicle(self, number: int, index: int, shift: Shift) -> Vehicle:
        places = self.problem.place_index
        return Vehicle(
            technician=number,
            shift_index=index,
            first_minute=shift.start_minute,
            end_minute=shift.end_minute,
            last_minute=shift.last_minute,
            start_place=places[shift.start_place],
            end_place=NOWHERE if shift.end_place is None else places[shift.end_place],
            breaks=tuple((each.earliest_minute, each.latest_minute, each.duration_minutes) for each in shift.breaks),
        )

    @cached_property
    def published(self) -> Mapping[str, tuple[frozenset[str], int]]:
        return published_visits(self.problem)

    def starts(self, technician: int, number: int) -> tuple[Interval, ...]:
        """When the technician may start the visit; empty for never. Worked out when first asked."""
        known = self._starts[technician][number]
        if known is None:
            person, visit = self.technicians[technician], self.visits[number]
            known = start_intervals(person, visit) if may_serve(person, visit, self.problem.stocks) else ()
            self._starts[technician][number] = known
        return known

    def own_cents(self, technician: int, number: int) -> int:
        """Wishes a visit costs with a technician wherever it stands: preference, surplus skill, change."""
        known = self._own_cents[technician][number]
        if known is None:
            known = self._own_cents[technician][number] = self._count_own_cents(technician, number)
        return known

    def _count_own_cents(self, technician: int, number: int) -> int:
        person, visit, policy = self.technicians[technician], self.visits[number], self.problem.policy
        cents = surplus_levels(person, visit) * policy.overqualification_cents_per_level
        if visit.preferred_technicians and person.id not in visit.preferred_technicians:
            cents += policy.preference_cents
        if visit.id in self.published and person.id not in self.published[visit.id][0]:
            cents += policy.changed_technician_cents
        return cents

    def time_cents(self, number: int, start_minute: int) -> int:
        """Scaled price of starting then: lateness, and distance from what was published."""
        visit, policy = self.visits[number], self.problem.policy
        cents = 0
        if visit.due_minute is not None and start_minute > visit.due_minute:
            late = (start_minute - visit.due_minute) * visit.lateness_cents_per_minute
            scale = self.lateness_scale if visit.mandatory else self.wishes_scale
            cents = late * policy.priority_weight(visit.priority) * scale
        if visit.id in self.published:
            moved = abs(start_minute - self.published[visit.id][1])
            cents += moved * policy.moved_cents_per_minute * self.wishes_scale
        return cents

    @cached_property
    def is_timed(self) -> list[bool]:
        """Whether it matters within its window when a visit starts."""
        return [visit.due_minute is not None or visit.id in self.published for visit in self.visits]

    @cached_property
    def published_start(self) -> list[int]:
        """When people expect each visit; far in the past when nobody was told."""
        return [self.published[visit.id][1] if visit.id in self.published else -FOREVER for visit in self.visits]

    def leg_cents(self, technician: int, origin: int, destination: int, by_way_of: int = NOWHERE) -> int:
        """On a free road, past a stock's place if one is named; what slow hours add is part of the price of time
        (`Timeline.cents_of_time`)."""
        if destination == NOWHERE:
            return 0
        minutes, metres = self.minutes[technician], self.travel[technician].metres
        if by_way_of != NOWHERE:
            return self.technicians[technician].travel_cents(
                minutes[origin][by_way_of] + minutes[by_way_of][destination],
                metres[origin][by_way_of] + metres[by_way_of][destination],
            )
        return self.technicians[technician].travel_cents(minutes[origin][destination], metres[origin][destination])

    @cached_property
    def is_linked(self) -> list[bool]:
        """Visits that depend on another, are depended upon, or need several technicians at once."""
        linked = {link.visit_id for visit in self.visits for link in visit.after}
        linked |= {visit.same_technician_as for visit in self.visits if visit.same_technician_as is not None}
        return [
            bool(visit.crew_size > 1 or visit.after or visit.same_technician_as is not None or visit.id in linked)
            for visit in self.visits
        ]

    # ---- the model of nearly the same problem

    def expected_as(self, placed: dict[str, tuple[frozenset[str], int]]) -> "Model":
        """The same with another plan that people rely on."""
        other = copy(self)
        other.__dict__["published"] = placed
        other._own_cents = [[None] * len(self.visits) for _ in self.technicians]
        for name in ("is_timed", "published_start"):
            other.__dict__.pop(name, None)
        return other

    def with_others(self, problem: Problem, people: Collection[int], visits: Collection[int]) -> "Model":
        """With these technicians and visits as another problem has them."""
        other = copy(self)
        other.technicians, other.visits = problem.technicians, problem.visits
        other.place, other.vehicles = list(self.place), list(self.vehicles)
        other.duration = [list(row) for row in self.duration] if visits else list(self.duration)
        other._starts = [list(row) for row in self._starts] if visits else list(self._starts)
        for number in visits:
            visit = problem.visits[number]
            other.place[number] = problem.place_index[visit.place]
            for technician, person in enumerate(problem.technicians):
                other.duration[technician][number] = person.minutes_for(visit)
                other._starts[technician][number] = None
        for technician in people:
            person = problem.technicians[technician]
            other.duration[technician] = [person.minutes_for(visit) for visit in problem.visits]
            other._starts[technician] = [None] * len(problem.visits)
            for index, shift in enumerate(person.shifts):
                other.vehicles[self.vehicle_number[technician, index]] = self._vehicle(technician, index, shift)
        other._own_cents = [[None] * len(problem.visits) for _ in problem.technicians]
        for name in ("is_timed", "is_linked"):
            other.__dict__.pop(name, None)
        return other

    def with_one_more(self, problem: Problem) -> "Model":
        """Of a problem that has one more visit at its end."""
        visit, grown = problem.visits[-1], copy(self)
        grown.visits = problem.visits
        grown.place = [*self.place, problem.place_index[visit.place]]
        grown.visit_number = {**self.visit_number, visit.id: len(self.visits)}
        grown.duration = [
            [*row, technician.minutes_for(visit)]
            for row, technician in zip(self.duration, self.technicians, strict=True)
        ]
        grown._starts = [[*row, None] for row in self._starts]
        grown._own_cents = [[*row, None] for row in self._own_cents]
        for name in ("is_timed", "published_start", "is_linked"):
            grown.__dict__.pop(name, None)
        return grown
