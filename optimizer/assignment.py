"""The best plan out of a pool of routes: each visit covered once, each shift driven at most once.

The pool holds thousands of routes the search has seen. A linear program prices the visits; a route whose reduced cost
is more than the gap to the plan in hand is in no better plan, and falls out. OR-Tools' CP-SAT chooses among the rest,
crews, sequences, same faces, parts and pins being constraints between the routes chosen.
"""

import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.cp_sat import Literal, Program, Sum, negated
from optimizer.tables import (
    CREW,
    FETCH_STOCK,
    FIRST_SLOT,
    IS_LINKED,
    KIND,
    MINUTES,
    POINTS,
    POOL_COUNT,
    POOL_ENERGY,
    POOL_LATENESS,
    POOL_VEHICLE,
    POOL_WISHES,
    PRICE,
    SAME_AS,
    TECHNICIAN,
    VISIT,
    State,
    Tables,
)

# A visit that must be served, left out, against cents: more than any route costs.
POINT_CENTS = 10**9
# So many routes are priced, and so many of them chosen from.
POOL_MAX = 8_000
COLUMNS_MAX = 2_000
# Sums beyond this are not for the solver, whose numbers have 64 bits, nor times beyond that one.
SUM_MAX = 1 << 61
SECONDS_MAX = 3600.0
# About a second of the solver's work, by its own count.
EFFORT = 0.5


@dataclass(frozen=True, slots=True)
class Column:
    """One route: who drives it, its slots in order, their starts, and what it costs, weighed and whole."""

    vehicle: int
    slots: tuple[int, ...]
    starts: tuple[int, ...]
    cost: int


def columns_of(tables: Tables, states: Sequence[State], scale: tuple[int, int]) -> list[Column]:
    """The pools' routes, the cheapest for each kind of vehicle and set of slots."""
    found: dict[tuple[int, frozenset[int]], Column] = {}
    kinds = tables.vehicles[:, KIND].tolist()
    most = POOL_MAX // len(states)
    for state in states:
        rows = np.flatnonzero(state.pool_facts[:, POOL_COUNT] > 0)
        if len(rows) > most:
            nearest = np.argpartition(state.pool_facts[rows, POOL_ENERGY], most)[:most]
            rows = rows[np.sort(nearest)]
        facts = state.pool_facts[rows]
        costs = facts[:, POOL_LATENESS] * scale[0] + facts[:, POOL_WISHES] * scale[1]
        for row, vehicle, count, cost in zip(
            rows.tolist(),
            facts[:, POOL_VEHICLE].tolist(),
            facts[:, POOL_COUNT].tolist(),
            costs.tolist(),
            strict=True,
        ):
            slots = tuple(state.pool[row, :count].tolist())
            key = kinds[vehicle], frozenset(slots)
            if key not in found or cost < found[key].cost:
                found[key] = Column(vehicle, slots, tuple(state.pool_starts[row, :count].tolist()), cost)
    return list(found.values())


def left_out_cost(tables: Tables, visit: int, wishes_scale: int) -> int:
    points, price = int(tables.visits[visit, POINTS]), int(tables.visits[visit, PRICE])
    return points * POINT_CENTS * wishes_scale + price * wishes_scale


def choose(
    tables: Tables,
    columns: Sequence[Column],
    best_cost: int,
    *,
    scale: tuple[int, int],
    seconds: float,
    seed: int,
    workers: int = 1,
    counted: bool = False,
) -> list[Column] | None:
    """The columns of a plan cheaper than `best_cost`, or None when there is none, or none in time. `counted`: effort
    is limited by the solver's own count of its work besides, so that a faster machine finds the same."""
    started = time.monotonic()
    dearest = sum(left_out_cost(tables, visit, scale[1]) for visit in range(len(tables.visits)))
    if not columns or max(dearest, best_cost) > SUM_MAX:
        return None
    kept = promising(tables, columns, best_cost, scale[1], min(seconds, SECONDS_MAX) * (1.0 if counted else 0.5))
    if not kept:
        return None
    assembly = _Assembly(tables, kept, best_cost, scale[1])
    left = min(seconds, SECONDS_MAX) - (time.monotonic() - started)
    return assembly.solve(left, seed, workers, EFFORT if counted else None) if left > 0 else None


def promising(
    tables: Tables, columns: Sequence[Column], best_cost: int, wishes_scale: int, seconds: float
) -> list[Column]:
    """The columns that may be part of a plan cheaper than `best_cost`, by the prices of the linear relaxation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from ortools.linear_solver import pywraplp
    solver: Any = pywraplp.Solver("prices", pywraplp.Solver.GLOP_LINEAR_PROGRAMMING)
    solver.SetTimeLimit(max(1, int(seconds * 1000)))
    infinity = solver.infinity()
    visits, kinds = len(tables.visits), int(tables.vehicles[:, KIND].max()) + 1
    # A crew is covered by slots, each its own row.
    cover = [solver.Constraint(1, 1) for _ in range(len(tables.slots))]
    fleet = np.bincount(tables.vehicles[:, KIND], minlength=kinds)
    limit = [solver.Constraint(-infinity, int(count)) for count in fleet]
    # Larger numbers than needed make the simplex stumble; a smaller price bounds from below all the same.
    dearest = 4.0 * max(column.cost for column in columns) + 1.0
    objective = solver.Objective()
    objective.SetMinimization()
    for visit in range(visits):
        first, crew = int(tables.visits[visit, FIRST_SLOT]), int(tables.visits[visit, CREW])
        out = solver.NumVar(0, 1, "")
        objective.SetCoefficient(out, min(dearest, float(left_out_cost(tables, visit, wishes_scale))))
        for slot in range(first, first + crew):
            cover[slot].SetCoefficient(out, 1)
    kind_of = tables.vehicles[:, KIND].tolist()
    for column in columns:
        chosen = solver.NumVar(0, infinity, "")
        objective.SetCoefficient(chosen, float(column.cost))
        limit[kind_of[column.vehicle]].SetCoefficient(chosen, 1)
        for slot in column.slots:
            cover[slot].SetCoefficient(chosen, 1)
    if solver.Solve() != pywraplp.Solver.OPTIMAL:
        return sorted(columns, key=lambda each: each.cost / max(1, len(each.slots)))[:COLUMNS_MAX]
    bound = objective.Value()
    gap = best_cost - bound
    if gap < 0.5:
        return []
    prices = np.array([each.dual_value() for each in cover])
    shares = np.array([each.dual_value() for each in limit])
    reduced = [
        (column.cost - float(prices[list(column.slots)].sum()) - float(shares[kind_of[column.vehicle]]), index)
        for index, column in enumerate(columns)
    ]
    kept = sorted(each for each in reduced if each[0] < gap)[:COLUMNS_MAX]
    return [columns[index] for _, index in kept]


class _Assembly:
    """The constraint program: one literal for each route, one for each visit that says whether it is served."""

    def __init__(self, tables: Tables, columns: Sequence[Column], best_cost: int, wishes_scale: int) -> None:
        self.tables = tables
        self.columns = columns
        self.program = Program()
        self.chosen = [self.program.literal() for _ in columns]
        self.served = [self.program.literal() for _ in range(len(tables.visits))]
        self.technician: list[int] = tables.vehicles[:, TECHNICIAN].tolist()
        self.kind: list[int] = tables.vehicles[:, KIND].tolist()
        self.fleet: list[int] = np.bincount(tables.vehicles[:, KIND]).tolist()
        self.covering: dict[int, list[int]] = defaultdict(list)
        for index, column in enumerate(columns):
            for slot in column.slots:
                self.covering[slot].append(index)
        self._cover()
        self._keep_gaps()
        self._meet()
        self._share_what_is_on_board()
        self._share_stocks()
        out = [left_out_cost(tables, visit, wishes_scale) for visit in range(len(tables.visits))]
        cost = {literal: column.cost for literal, column in zip(self.chosen, columns, strict=True)}
        cost.update((literal, -each) for literal, each in zip(self.served, out, strict=True))
        self.program.minimize(cost)
        self.program.at_most(cost, best_cost - 1 - sum(out))

    def solve(self, seconds: float, seed: int, workers: int, effort: float | None = None) -> list[Column] | None:
        values = self.program.solve(seconds, seed, workers=workers, effort=effort)
        if values is None:
            return None
        return [column for column, literal in zip(self.columns, self.chosen, strict=True) if values[literal]]

    def _slots_of(self, visit: int) -> range:
        first = int(self.tables.visits[visit, FIRST_SLOT])
        return range(first, first + int(self.tables.visits[visit, CREW]))

    def _cover(self) -> None:
        """Each slot of a served visit by one route, and no more routes of a kind than there are vehicles."""
        for visit, served in enumerate(self.served):
            for slot in self._slots_of(visit):
                self.program.exactly_one([*(self.chosen[index] for index in self.covering[slot]), negated(served)])
        by_kind: dict[int, list[Literal]] = defaultdict(list)
        for column, literal in zip(self.columns, self.chosen, strict=True):
            by_kind[self.kind[column.vehicle]].append(literal)
        for kind, literals in by_kind.items():
            if self.fleet[kind] == 1:
                self.program.at_most_one(literals)
            else:
                self.program.at_most(Counter(literals), self.fleet[kind])

    def _keep_gaps(self) -> None:
        """Crews start together, and sequences keep their gaps."""
        tables, start, minutes = self.tables, dict[int, Sum](), dict[int, Sum]()
        for slot in np.flatnonzero(tables.slots[:, IS_LINKED]).tolist():
            start[slot], minutes[slot] = Counter(), Counter()
            for index in self.covering[slot]:
                route, literal = self.columns[index], self.chosen[index]
                start[slot][literal] = route.starts[route.slots.index(slot)]
                minutes[slot][literal] = int(tables.fits[self.technician[route.vehicle], slot, MINUTES])
        for first, then, gap, after_end, before_end in tables.arcs.tolist():
            if first == then:
                continue  # the row that stands for no arcs at all
            between: Sum = Counter(start[then])
            between.subtract(start[first])
            if after_end:
                between.subtract(minutes[first])
            if before_end:
                between.update(minutes[then])
            both = [self.served[int(tables.slots[slot, VISIT])] for slot in (first, then)]
            self.program.at_least(between, gap, only_if=both)

    def _meet(self) -> None:
        """Crew mates are different people, nobody comes before what must come first, and who must be the same is."""
        tables = self.tables
        for visit, served in enumerate(self.served):
            if tables.visits[visit, CREW] > 1:
                for literals in self._by_person(visit).values():
                    self.program.at_most_one(literals)
            for before in tables.before[tables.before_from[visit] : tables.before_from[visit + 1]].tolist():
                self.program.implies(served, self.served[before])
            other = int(tables.visits[visit, SAME_AS])
            if other >= 0:
                small, large = sorted((visit, other), key=lambda each: int(tables.visits[each, CREW]))
                there = self._by_person(large)
                for person, literals in self._by_person(small).items():
                    missing: Sum = Counter(literals)
                    missing.subtract(Counter(there.get(person, [])))
                    self.program.at_most(missing, 0, only_if=[self.served[large]])

    def _by_person(self, visit: int) -> dict[tuple[bool, int], list[Literal]]:
        """The routes that lead to a visit, by who drives them. Routes of vehicles that are alike may go to any of
        them, and each of them has but one route: there the route stands for the person."""
        found: dict[tuple[bool, int], list[Literal]] = defaultdict(list)
        for slot in self._slots_of(visit):
            for index in self.covering[slot]:
                vehicle = self.columns[index].vehicle
                known = self.fleet[self.kind[vehicle]] == 1
                found[known, self.technician[vehicle] if known else index].append(self.chosen[index])
        return found

    def _share_what_is_on_board(self) -> None:
        """Parts on board are for all shifts of a technician together."""
        tables = self.tables
        shifts = np.bincount(tables.vehicles[:, TECHNICIAN], minlength=len(tables.fits))
        for technician in np.flatnonzero(shifts > 1).tolist():
            own = [index for index, each in enumerate(self.columns) if self.technician[each.vehicle] == technician]
            for part in range(tables.parts_needed.shape[1]):
                used = {
                    self.chosen[index]: sum(
                        int(tables.parts_needed[tables.slots[slot, VISIT], part]) for slot in self.columns[index].slots
                    )
                    for index in own
                }
                if any(used.values()):
                    self.program.at_most(used, int(tables.parts_carried[technician, part]))

    def _share_stocks(self) -> None:
        """What is fetched from a stock was there, for all together."""
        if not len(self.tables.stocked) or not self.tables.parts_needed.shape[1]:
            return
        taken: dict[tuple[int, int], Sum] = defaultdict(Counter)
        for column, literal in zip(self.columns, self.chosen, strict=True):
            for place, amount in fetched_by(self.tables, column).items():
                taken[place][literal] = amount
        for place, amounts in taken.items():
            self.program.at_most(amounts, int(self.tables.stocked[place]))


def fetched_by(tables: Tables, column: Column) -> Counter[tuple[int, int]]:
    """What a route takes by stock and part: as the kernel has it, all that a visit needs where some of it lacks."""
    aboard = tables.parts_carried[tables.vehicles[column.vehicle, TECHNICIAN]].copy()
    taken: Counter[tuple[int, int]] = Counter()
    for slot in column.slots:
        needed, stock = tables.parts_needed[tables.slots[slot, VISIT]], int(tables.slots[slot, FETCH_STOCK])
        if (needed <= aboard).all():
            aboard -= needed
        elif stock >= 0:
            taken.update({(stock, part): int(needed[part]) for part in np.flatnonzero(needed).tolist()})
    return taken


def routes_of(tables: Tables, columns: Iterable[Column]) -> dict[int, list[int]]:
    """Slots by vehicle; routes of vehicles that are alike go to any of them."""
    free: dict[int, list[int]] = defaultdict(list)
    for vehicle in range(len(tables.vehicles) - 1, -1, -1):
        free[int(tables.vehicles[vehicle, KIND])].append(vehicle)
    return {free[int(tables.vehicles[column.vehicle, KIND])].pop(): list(column.slots) for column in columns}
