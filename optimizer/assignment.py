"""The best plan out of a pool of routes: each visit covered once, each shift driven at most once.

The pool holds thousands of routes the search has seen. A linear program prices the visits; a route whose reduced cost
is more than the gap to the plan in hand is in no better plan, and falls out. OR-Tools' CP-SAT chooses among the rest,
crews, sequences, same faces, parts and pins being constraints between the routes chosen.
"""

import logging
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.tables import (
    CREW,
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

logger = logging.getLogger(__name__)

# A visit that must be served, left out, against cents: more than any route costs.
POINT_CENTS = 10**9
# So many routes are priced, and so many of them chosen from.
POOL_MAX = 8_000
COLUMNS_MAX = 2_000


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
) -> list[Column] | None:
    """The columns of a plan cheaper than `best_cost`, or None when there is none, or none in time."""
    if not columns:
        return None
    kept = promising(tables, columns, best_cost, scale[1], seconds / 2)
    if not kept:
        return None
    return _solve(tables, kept, best_cost, scale[1], seconds, seed, workers)


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
    slots = len(tables.slots)
    cover = [solver.Constraint(1, 1) for _ in range(slots)]
    fleet = np.bincount(tables.vehicles[:, KIND], minlength=kinds)
    limit = [solver.Constraint(-infinity, int(count)) for count in fleet]
    # Larger numbers than needed make the simplex stumble; a smaller price bounds from below all the same.
    dearest = 4.0 * max(column.cost for column in columns) + 1.0
    objective = solver.Objective()
    objective.SetMinimization()
    for visit in range(visits):
        first, crew = int(tables.visits[visit, 0]), int(tables.visits[visit, CREW])
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


def _solve(
    tables: Tables,
    columns: Sequence[Column],
    best_cost: int,
    wishes_scale: int,
    seconds: float,
    seed: int,
    workers: int,
) -> list[Column] | None:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in columns]
    served = [model.new_bool_var("") for _ in range(len(tables.visits))]
    covering: dict[int, list[int]] = defaultdict(list)
    by_kind: dict[int, list[int]] = defaultdict(list)
    for index, column in enumerate(columns):
        by_kind[int(tables.vehicles[column.vehicle, KIND])].append(index)
        for slot in column.slots:
            covering[slot].append(index)
    for slot in range(len(tables.slots)):
        literals = [chosen[index] for index in covering[slot]]
        here = served[int(tables.slots[slot, VISIT])]
        model.add_exactly_one([*literals, ~here])
    fleet = np.bincount(tables.vehicles[:, KIND]).tolist()
    for kind, members in by_kind.items():
        if fleet[kind] == 1:
            model.add_at_most_one(chosen[index] for index in members)
        else:
            model.add(sum(chosen[index] for index in members) <= fleet[kind])
    _link(tables, columns, model, chosen, served, covering)
    _share(tables, columns, model, chosen)
    out = [left_out_cost(tables, visit, wishes_scale) for visit in range(len(tables.visits))]
    cost = cp_model.LinearExpr.weighted_sum(chosen, [column.cost for column in columns])
    lost = cp_model.LinearExpr.weighted_sum(served, [-each for each in out])
    model.minimize(cost + lost + sum(out))
    model.add(cost + lost + sum(out) <= best_cost - 1)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.max_time_in_seconds = max(0.01, seconds)
    solver.parameters.random_seed = seed & 0x7FFFFFFF
    solver.parameters.linearization_level = 2
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return [column for column, literal in zip(columns, chosen, strict=True) if solver.boolean_value(literal)]


def _link(
    tables: Tables,
    columns: Sequence[Column],
    model: Any,
    chosen: Sequence[Any],
    served: Sequence[Any],
    covering: Mapping[int, Sequence[int]],
) -> None:
    """Crews start together, sequences keep their gaps, and who must be the same person is."""
    linked = np.flatnonzero(tables.slots[:, IS_LINKED]).tolist()
    if not linked:
        return
    position = {(index, slot): place for index, column in enumerate(columns) for place, slot in enumerate(column.slots)}
    technician = tables.vehicles[:, TECHNICIAN].tolist()
    start: dict[int, Any] = {}
    minutes: dict[int, Any] = {}
    for slot in linked:
        at = [columns[index].starts[position[index, slot]] for index in covering[slot]]
        took = [int(tables.fits[technician[columns[index].vehicle], slot, MINUTES]) for index in covering[slot]]
        literals = [chosen[index] for index in covering[slot]]
        start[slot] = sum(literal * each for literal, each in zip(literals, at, strict=True))
        minutes[slot] = sum(literal * each for literal, each in zip(literals, took, strict=True))
    for first, then, gap, after_end, before_end in tables.arcs.tolist():
        if first == then:
            continue  # the row that stands for no arcs at all
        both = [served[int(tables.slots[first, VISIT])], served[int(tables.slots[then, VISIT])]]
        bound = start[first] + gap
        if after_end:
            bound = bound + minutes[first]
        if before_end:
            bound = bound - minutes[then]
        model.add(start[then] >= bound).only_enforce_if(both)
    _meet(tables, columns, model, chosen, served, covering, technician)


def _meet(
    tables: Tables,
    columns: Sequence[Column],
    model: Any,
    chosen: Sequence[Any],
    served: Sequence[Any],
    covering: Mapping[int, Sequence[int]],
    technician: Sequence[int],
) -> None:
    def by_technician(visit: int) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = defaultdict(list)
        first, crew = int(tables.visits[visit, 0]), int(tables.visits[visit, CREW])
        for slot in range(first, first + crew):
            for index in covering[slot]:
                found[technician[columns[index].vehicle]].append(chosen[index])
        return found

    for visit in range(len(tables.visits)):
        if tables.visits[visit, CREW] > 1:
            for literals in by_technician(visit).values():
                model.add_at_most_one(literals)
        for before in tables.before[tables.before_from[visit] : tables.before_from[visit + 1]].tolist():
            model.add_implication(served[visit], served[before])
        other = int(tables.visits[visit, SAME_AS])
        if other >= 0:
            small, large = (
                (visit, other) if tables.visits[visit, CREW] <= tables.visits[other, CREW] else (other, visit)
            )
            here, there = by_technician(small), by_technician(large)
            for person, literals in here.items():
                model.add(sum(literals) <= sum(there.get(person, []))).only_enforce_if(served[large])


def _share(tables: Tables, columns: Sequence[Column], model: Any, chosen: Sequence[Any]) -> None:
    """Parts on board are for all shifts of a technician together."""
    if not tables.parts_needed.shape[1]:
        return
    shifts = np.bincount(tables.vehicles[:, TECHNICIAN], minlength=len(tables.fits))
    for technician in np.flatnonzero(shifts > 1).tolist():
        own = [
            index for index, column in enumerate(columns) if tables.vehicles[column.vehicle, TECHNICIAN] == technician
        ]
        for part in range(tables.parts_needed.shape[1]):
            needs = [
                (index, sum(int(tables.parts_needed[tables.slots[slot, VISIT], part]) for slot in columns[index].slots))
                for index in own
            ]
            if any(amount for _, amount in needs):
                model.add(
                    sum(chosen[index] * amount for index, amount in needs)
                    <= int(tables.parts_carried[technician, part])
                )


def routes_of(tables: Tables, columns: Iterable[Column]) -> dict[int, list[int]]:
    """Slots by vehicle; routes of vehicles that are alike go to any of them."""
    free: dict[int, list[int]] = defaultdict(list)
    for vehicle in range(len(tables.vehicles) - 1, -1, -1):
        free[int(tables.vehicles[vehicle, KIND])].append(vehicle)
    return {free[int(tables.vehicles[column.vehicle, KIND])].pop(): list(column.slots) for column in columns}
