"""OR-Tools' routing library over the same `Problem`, started from a draft that construction made.

One vehicle per shift. Linked visits (crews, sequences, same technician) keep the technician and start the
draft gave them, which keeps the rest independent and the answer sound. What its model lacks (balance, travel
by time of day, windows that differ by technician and have holes) the draft rebuilt from its routes restores
or refuses.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from optimizer.draft import Draft, Promise
from optimizer.fits import Interval
from optimizer.model import NOWHERE, Vehicle
from optimizer.score import score
from optimizer.stop import OnProgress, ShouldStop, Stop

logger = logging.getLogger(__name__)

# Lateness against wishes in one 64-bit objective; the exact tiers decide between answers afterwards.
LATENESS_SCALE = 1_000
MANDATORY_PENALTY = 10**13
# Beyond these, sums would leave 64 bits or lateness outweigh a mandatory visit.
LARGEST_RATE = 10**7
LARGEST_WEIGHT = 1_000
# Beyond these many cells in all, who serves a visit is not priced by the library, only by the final score.
MATRIX_CELLS_MAX = 10_000_000
PROGRESS_SECONDS = 0.25
LEAST_SECONDS = 0.05


def import_ortools() -> tuple[ModuleType, ModuleType]:
    """Imported when first needed: it takes a while, and planning works without it."""
    with warnings.catch_warnings():
        # Its bindings warn about themselves on newer Pythons.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ortools.constraint_solver import pywrapcp, routing_enums_pb2
    return pywrapcp, routing_enums_pb2


@dataclass(frozen=True, slots=True)
class _Node:
    """One visit for one technician; a crew of three is three nodes."""

    visit: int
    vehicles: tuple[int, ...]
    starts: tuple[tuple[Interval, ...], ...]


def improve(
    draft: Draft,
    *,
    stop: Stop,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Draft:
    """A draft at least as good in the library's eyes; the given one stays as it is."""
    nodes = _nodes(draft)
    if len(nodes) < 2 or stop.seconds == 0:
        return draft  # construction has looked at every place for one visit
    return _Search(draft, nodes, stop, seed, on_progress, should_stop).run()


def _nodes(draft: Draft) -> list[_Node]:
    nodes: list[_Node] = []
    for number, linked in enumerate(draft.model.is_linked):
        if linked:
            choices: Iterable[Iterable[int]] = [[vehicle] for vehicle in draft.served.get(number, [])]
        else:
            choices = [range(len(draft.model.vehicles))]
        for vehicles in choices:
            fitting = tuple((vehicle, starts) for vehicle in vehicles if (starts := _starts(draft, number, vehicle)))
            if fitting:
                nodes.append(
                    _Node(
                        number,
                        tuple(vehicle for vehicle, _ in fitting),
                        tuple(starts for _, starts in fitting),
                    )
                )
    return nodes


def _starts(draft: Draft, number: int, vehicle: int) -> tuple[Interval, ...]:
    """Open starts within the shift."""
    shift = draft.model.vehicles[vehicle]
    if draft.model.is_linked[number]:
        start = draft.start_of(number)
        return ((start, start),)
    return tuple(
        (max(low, shift.first_minute), min(high, shift.last_minute))
        for low, high in draft.starts_for(number, vehicle)
        if low <= shift.last_minute and high >= shift.first_minute
    )


class _Search:
    def __init__(
        self,
        draft: Draft,
        nodes: list[_Node],
        stop: Stop,
        seed: int,
        on_progress: OnProgress | None,
        should_stop: ShouldStop | None,
    ) -> None:
        self.cp, self.enums = import_ortools()
        self.draft, self.model, self.nodes, self.stop, self.seed = draft, draft.model, nodes, stop, seed
        self.on_progress, self.should_stop = on_progress, should_stop
        self.vehicles: list[Vehicle] = self.model.vehicles
        # The library knows one time for each leg: what holds with the longest holds at every hour.
        worst = {id(matrix): matrix.minutes_at_worst() for matrix in self.model.travel}
        self.minutes = [worst[id(matrix)] for matrix in self.model.travel]
        self.origin = min(vehicle.first_minute for vehicle in self.vehicles)
        self.horizon = max(vehicle.last_minute for vehicle in self.vehicles) - self.origin
        self.started = self.improved_at = time.monotonic()
        self.reported_at = 0.0
        self.lowest: int | None = None
        self.failure: BaseException | None = None
        count, fleet = len(nodes), len(self.vehicles)
        self.manager = self.cp.RoutingIndexManager(
            count + 2 * fleet,
            fleet,
            list(range(count, count + fleet)),
            list(range(count + fleet, count + 2 * fleet)),
        )
        self.routing = self.cp.RoutingModel(self.manager)
        self.index = [self.manager.NodeToIndex(node) for node in range(count)]

    def run(self) -> Draft:
        self._price_legs()
        self._keep_time()
        self._limit_amounts()
        for node, index in zip(self.nodes, self.index, strict=True):
            self._admit(node, index)
        self.routing.solver().ReSeed(self.seed)
        self.routing.AddAtSolutionCallback(self._guarded(self._look))
        self.routing.AddSearchMonitor(self.routing.solver().CustomLimit(self._must_stop))
        parameters = self._parameters()
        self.routing.CloseModelWithParameters(parameters)
        initial = self.routing.ReadAssignmentFromRoutes(self._initial_routes(), True)
        self.improved_at = time.monotonic()
        if initial is None:
            answer = self.routing.SolveWithParameters(parameters)
        else:
            answer = self.routing.SolveFromAssignmentWithParameters(initial, parameters)
        if self.failure is not None:
            raise self.failure
        if answer is None:
            logger.warning("OR-Tools found no plan in time; the constructed one stands.")
        return (
            self.draft
            if answer is None
            else self._rebuilt(lambda index: int(answer.Value(self.routing.NextVar(index))))
        )

    def _parameters(self) -> Any:
        parameters = self.cp.DefaultRoutingSearchParameters()
        parameters.first_solution_strategy = self.enums.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
        parameters.local_search_metaheuristic = self.enums.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
        # Building the model took its share; a little is left in any case, to hand back what is known.
        left = max(LEAST_SECONDS, self.stop.seconds - (time.monotonic() - self.started))
        parameters.time_limit.FromMilliseconds(int(min(left, 10**6) * 1000))
        if self.stop.solutions is not None:
            parameters.solution_limit = self.stop.solutions
        return parameters

    # ---- the model

    def _places(self, vehicle: Vehicle) -> list[int]:
        return [
            *(self.model.place[node.visit] for node in self.nodes),
            *(each.start_place for each in self.vehicles),
            *(each.end_place for each in self.vehicles),
        ]

    def _price_legs(self) -> None:
        """What a technician costs at a visit is added to each leg that leads there. It could be a dimension of
        its own, but one that differs by vehicle refuses every plan that leaves a visit out."""
        size = len(self.nodes) + 2 * len(self.vehicles)
        with_own = size * size * len(self.model.technicians) <= MATRIX_CELLS_MAX
        shared: dict[tuple[int, int, int, tuple[int, ...]], int] = {}
        for number, vehicle in enumerate(self.vehicles):
            person = self.model.technicians[vehicle.technician]
            own = tuple(self.model.own_cents(vehicle.technician, node.visit) for node in self.nodes)
            rates = person.cost_cents_per_minute, person.cost_cents_per_kilometre
            key = (id(self.model.travel[vehicle.technician]), *rates, own if with_own else ())
            if key not in shared:
                shared[key] = self.routing.RegisterTransitMatrix(self._legs(vehicle, own if with_own else ()))
            self.routing.SetArcCostEvaluatorOfVehicle(shared[key], number)
            if person.cost_cents_per_shift:
                self.routing.SetFixedCostOfVehicle(person.cost_cents_per_shift, number)

    def _legs(self, vehicle: Vehicle, own: tuple[int, ...]) -> list[list[int]]:
        places = self._places(vehicle)
        known: dict[int, list[int]] = {}
        extra = [*own, *([0] * (len(places) - len(own)))] if own else [0] * len(places)
        for here in set(places):
            legs = (self._leg_cents(vehicle, here, there) for there in places)
            known[here] = [cents + more for cents, more in zip(legs, extra, strict=True)]
        return [known[here] for here in places]

    def _leg_cents(self, vehicle: Vehicle, here: int, there: int) -> int:
        return 0 if NOWHERE in (here, there) else self.model.leg_cents(vehicle.technician, here, there)

    def _keep_time(self) -> None:
        shared: dict[tuple[int, float], int] = {}
        transits: list[int] = []
        for vehicle in self.vehicles:
            key = (
                id(self.minutes[vehicle.technician]),
                self.model.technicians[vehicle.technician].speed_factor,
            )
            if key not in shared:
                shared[key] = self.routing.RegisterTransitMatrix(self._minutes(vehicle))
            transits.append(shared[key])
        self.routing.AddDimensionWithVehicleTransits(transits, self.horizon, self.horizon, False, "time")
        self.time = self.routing.GetDimensionOrDie("time")
        policy = self.model.problem.policy
        for number, vehicle in enumerate(self.vehicles):
            first, last = vehicle.first_minute - self.origin, vehicle.last_minute - self.origin
            self.time.CumulVar(self.routing.Start(number)).SetRange(first, last)
            self.time.CumulVar(self.routing.End(number)).SetRange(first, last)
            rate = self.model.technicians[vehicle.technician].overtime_cents_per_minute
            if rate and vehicle.last_minute > vehicle.end_minute:
                self.time.SetCumulVarSoftUpperBound(self.routing.End(number), vehicle.end_minute - self.origin, rate)
            if policy.wait_cents_per_minute:
                self.time.SetSlackCostCoefficientForVehicle(policy.wait_cents_per_minute, number)
            if vehicle.breaks:
                self._take_breaks(number, vehicle)

    def _minutes(self, vehicle: Vehicle) -> list[list[int]]:
        """Work at the origin, then the road."""
        places, minutes = self._places(vehicle), self.minutes[vehicle.technician]
        duration = self.model.duration[vehicle.technician]
        work = [*(duration[node.visit] for node in self.nodes), *([0] * (2 * len(self.vehicles)))]
        return [
            [work[row] + (0 if NOWHERE in (here, there) else minutes[here][there]) for there in places]
            for row, here in enumerate(places)
        ]

    def _take_breaks(self, number: int, vehicle: Vehicle) -> None:
        solver, duration = self.routing.solver(), self.model.duration[vehicle.technician]
        work = [0] * self.routing.Size()
        for node, index in zip(self.nodes, self.index, strict=True):
            work[index] = duration[node.visit]
        breaks = [
            solver.FixedDurationIntervalVar(
                earliest - self.origin, latest - self.origin, minutes, False, f"break {number}.{order}"
            )
            for order, (earliest, latest, minutes) in enumerate(vehicle.breaks)
        ]
        self.time.SetBreakIntervalsOfVehicle(breaks, number, work)

    def _limit_amounts(self) -> None:
        visits, people = self.model.visits, self.model.technicians
        loads = [visits[node.visit].load_units for node in self.nodes]
        if any(loads) and any(person.capacity_units is not None for person in people):
            capacities = [people[vehicle.technician].capacity_units for vehicle in self.vehicles]
            self._limit("load", loads, [sum(loads) if each is None else each for each in capacities])
        # What a stock has can be fetched; by which way, the draft finds out.
        fetched = {name for stock in self.model.problem.stocks for name in stock.parts}
        for name in sorted({name for node in self.nodes for name in visits[node.visit].parts} - fetched):
            amounts = [visits[node.visit].parts.get(name, 0) for node in self.nodes]
            on_board = [people[vehicle.technician].parts.get(name, 0) for vehicle in self.vehicles]
            self._limit(f"part {name}", amounts, on_board)
            used = self.routing.GetDimensionOrDie(f"part {name}")
            for technician, vehicles in enumerate(self.model.vehicles_of):
                if len(vehicles) > 1:
                    ends = [used.CumulVar(self.routing.End(vehicle)) for vehicle in vehicles]
                    solver = self.routing.solver()
                    solver.Add(solver.Sum(ends) <= people[technician].parts.get(name, 0))

    def _limit(self, name: str, amounts: list[int], limits: list[int]) -> None:
        evaluator = self.routing.RegisterUnaryTransitVector(amounts + [0] * (2 * len(self.vehicles)))
        self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, limits, True, name)

    def _admit(self, node: _Node, index: int) -> None:
        """Who may serve a node, when, and what it costs not to."""
        visit, policy = self.model.visits[node.visit], self.model.problem.policy
        weight = policy.priority_weight(visit.priority)
        self.routing.VehicleVar(index).SetValues([-1, *node.vehicles])
        start = self.time.CumulVar(index)
        self._open(node, start, index)
        if visit.due_minute is not None and visit.lateness_cents_per_minute:
            due = min(max(0, visit.due_minute - self.origin), self.horizon)
            scale = LATENESS_SCALE if visit.mandatory and self.model.lateness_scale > 1 else 1
            self.time.SetCumulVarSoftUpperBound(
                index, due, min(visit.lateness_cents_per_minute * weight * scale, LARGEST_RATE)
            )
        if visit.id in self.model.published and policy.moved_cents_per_minute:
            published = min(max(0, self.model.published[visit.id][1] - self.origin), self.horizon)
            self.time.SetCumulVarSoftLowerBound(index, published, policy.moved_cents_per_minute)
            if visit.due_minute is None:
                self.time.SetCumulVarSoftUpperBound(index, published, policy.moved_cents_per_minute)
        keep = visit.mandatory or self.model.is_linked[node.visit]
        penalty = MANDATORY_PENALTY * min(weight, LARGEST_WEIGHT) if keep else visit.price_cents
        self.routing.AddDisjunction([index], penalty)

    def _open(self, node: _Node, start: Any, index: int) -> None:
        everywhere = sorted({interval for starts in node.starts for interval in starts})
        start.SetRange(everywhere[0][0] - self.origin, max(high for _, high in everywhere) - self.origin)
        closed_from = everywhere[0][1] + 1
        for low, high in everywhere[1:]:
            if closed_from < low:
                start.RemoveInterval(closed_from - self.origin, low - 1 - self.origin)
            closed_from = max(closed_from, high + 1)
        hulls = {(starts[0][0], starts[-1][1]) for starts in node.starts}
        if len(hulls) > 1:
            # Expiring skills and opening hours make the last start depend on who comes; -1 is nobody.
            earliest, latest = [0] * (len(self.vehicles) + 1), [self.horizon] * (len(self.vehicles) + 1)
            for vehicle, starts in zip(node.vehicles, node.starts, strict=True):
                earliest[vehicle + 1], latest[vehicle + 1] = (
                    starts[0][0] - self.origin,
                    starts[-1][1] - self.origin,
                )
            solver, who = self.routing.solver(), self.routing.VehicleVar(index) + 1
            solver.Add(start >= solver.Element(earliest, who.Var()))
            solver.Add(start <= solver.Element(latest, who.Var()))

    # ---- from and to drafts

    def _initial_routes(self) -> list[list[int]]:
        index_of: dict[tuple[int, int], int] = {}
        for node, index in zip(self.nodes, self.index, strict=True):
            for vehicle in node.vehicles:
                index_of[(node.visit, vehicle)] = index
        return [
            [index_of[(visit, number)] for visit in timeline.visits if (visit, number) in index_of]
            for number, timeline in enumerate(self.draft.timelines)
        ]

    def _rebuilt(self, following: Callable[[int], int]) -> Draft:
        draft = Draft(self.model)
        for number in self.draft.served:
            if self.model.is_linked[number]:
                start = self.draft.start_of(number)
                draft.promises[number] = Promise(start, start)
        for number in range(len(self.vehicles)):
            visits: list[int] = []
            index = following(self.routing.Start(number))
            while not self.routing.IsEnd(index):
                visits.append(self.nodes[self.manager.IndexToNode(index)].visit)
                index = following(index)
            draft.adopt(number, visits)
        draft.drop_half_served()
        return draft

    # ---- while it searches

    def _guarded(self, report: Callable[[], None]) -> Callable[[], None]:
        """An exception must not cross the solver; it is kept, the search ends, and `run` raises it."""

        def guarded() -> None:
            try:
                if self.failure is None:
                    report()
            except BaseException as failure:  # noqa: BLE001 — raised by `run`
                self.failure = failure

        return guarded

    def _look(self) -> None:
        now, cost = time.monotonic(), int(self.routing.CostVar().Value())
        if self.lowest is not None and cost >= self.lowest:
            return
        self.lowest, self.improved_at = cost, now
        if self.on_progress is not None and now - self.reported_at >= PROGRESS_SECONDS:
            self.reported_at = now
            plan = self._rebuilt(lambda index: int(self.routing.NextVar(index).Value())).to_plan()
            self.on_progress(now - self.started, score(self.model.problem, plan))

    def _must_stop(self) -> bool:
        try:
            if self.failure is not None or (self.should_stop is not None and self.should_stop()):
                return True
        except BaseException as failure:  # noqa: BLE001 — raised by `run`
            self.failure = failure
            return True
        patience = self.stop.unimproved_seconds
        return patience is not None and time.monotonic() - self.improved_at >= patience
