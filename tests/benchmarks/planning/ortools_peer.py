"""OR-Tools' routing library from its own first solution: guided local search, or iterated local search with SISR ruin."""

from typing import Any

from optimizer.routing import import_ortools
from tests.benchmarks.planning.engines import Clock, Found
from tests.benchmarks.planning.view import Job, View

# Who serves a visit is priced for each technician while the matrices stay below this; after that only the score knows.
MATRIX_CELLS_MAX = 20_000_000
TRACE_SECONDS = 0.02
# Sums of more than this leave 64 bits.
LARGEST_RATE = 10**7


def run(view: View, seconds: float, seed: int, method: str) -> list[Found]:
    model = _Model(view, method)
    clock = Clock()
    return model.run(seconds, seed, clock)


class _Model:
    def __init__(self, view: View, method: str) -> None:
        self.cp, self.enums = import_ortools()
        self.view, self.method = view, method
        self.origin = min(each.first_minute for each in view.model.vehicles)
        self.horizon = max(each.last_minute for each in view.model.vehicles) - self.origin
        count, fleet = len(view.jobs), view.vehicle_count
        self.places = [
            *(job.place for job in view.jobs),
            *(each.start_place for each in view.model.vehicles),
            *(each.end_place for each in view.model.vehicles),
        ]
        starts, ends = list(range(count, count + fleet)), list(range(count + fleet, count + 2 * fleet))
        self.manager = self.cp.RoutingIndexManager(count + 2 * fleet, fleet, starts, ends)
        self.routing = self.cp.RoutingModel(self.manager)
        self._price_legs()
        self._keep_time()
        self._limit_load()
        for number, job in enumerate(view.jobs):
            self._admit(self.manager.NodeToIndex(number), job)
        if view.links:
            self._link()

    def _price_legs(self) -> None:
        view, size = self.view, len(self.places)
        with_own = size * size * view.vehicle_count <= MATRIX_CELLS_MAX
        shared: dict[Any, int] = {}
        for vehicle in range(view.vehicle_count):
            own = tuple(view.own_cents(vehicle, job) for job in view.jobs) if with_own else ()
            key = (view.legs_key(vehicle), own)
            if key not in shared:
                cents, _ = view.legs(vehicle, self.places)
                for number, more in enumerate(own):
                    cents[:, number] += more
                shared[key] = self.routing.RegisterTransitMatrix(cents.tolist())
            self.routing.SetArcCostEvaluatorOfVehicle(shared[key], vehicle)
            person = view.model.technicians[view.model.vehicles[vehicle].technician]
            if person.cost_cents_per_shift:
                self.routing.SetFixedCostOfVehicle(person.cost_cents_per_shift, vehicle)

    def _keep_time(self) -> None:
        view, shared, transits = self.view, {}, []
        for vehicle, one in enumerate(view.model.vehicles):
            person = view.model.technicians[one.technician]
            key = (view.legs_key(vehicle), person.speed_factor)
            if key not in shared:
                _, minutes = view.legs(vehicle, self.places)
                for number, job in enumerate(view.jobs):
                    minutes[number, :] += view.work_minutes(vehicle, job)
                shared[key] = self.routing.RegisterTransitMatrix(minutes.tolist())
            transits.append(shared[key])
        self.routing.AddDimensionWithVehicleTransits(transits, self.horizon, self.horizon, False, "time")
        self.time = self.routing.GetDimensionOrDie("time")
        for vehicle, one in enumerate(view.model.vehicles):
            rate = view.model.technicians[one.technician].overtime_cents_per_minute
            end = self.routing.End(vehicle)
            for index in (self.routing.Start(vehicle), end):
                self.time.CumulVar(index).SetRange(one.first_minute - self.origin, one.last_minute - self.origin)
            if rate and one.last_minute > one.end_minute:
                self.time.SetCumulVarSoftUpperBound(end, one.end_minute - self.origin, rate)
            if one.breaks:
                self._take_breaks(vehicle)

    def _take_breaks(self, vehicle: int) -> None:
        view, solver = self.view, self.routing.solver()
        work = [0] * self.routing.Size()
        for number, job in enumerate(view.jobs):
            work[self.manager.NodeToIndex(number)] = view.work_minutes(vehicle, job)
        breaks = [
            solver.FixedDurationIntervalVar(earliest - self.origin, latest - self.origin, minutes, False, f"{vehicle}.{n}")
            for n, (earliest, latest, minutes) in enumerate(view.model.vehicles[vehicle].breaks)
        ]  # fmt: skip
        self.time.SetBreakIntervalsOfVehicle(breaks, vehicle, work)

    def _limit_load(self) -> None:
        view = self.view
        loads = [view.model.visits[job.visit].load_units for job in view.jobs]
        capacities = [view.model.technicians[each.technician].capacity_units for each in view.model.vehicles]
        if any(loads) and any(each is not None for each in capacities):
            evaluator = self.routing.RegisterUnaryTransitVector(loads + [0] * (2 * view.vehicle_count))
            limits = [sum(loads) if each is None else each for each in capacities]
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, limits, True, "load")

    def _admit(self, index: int, job: Job) -> None:
        self.routing.VehicleVar(index).SetValues([-1, *job.starts])
        start = self.time.CumulVar(index)
        open_to = sorted({interval for starts in job.starts.values() for interval in starts})
        start.SetRange(open_to[0][0] - self.origin, max(high for _, high in open_to) - self.origin)
        closed_from = open_to[0][1] + 1
        for low, high in open_to[1:]:
            if closed_from < low:
                start.RemoveInterval(closed_from - self.origin, low - 1 - self.origin)
            closed_from = max(closed_from, high + 1)
        if job.due_minute is not None and job.lateness_cents:
            due = min(max(0, job.due_minute - self.origin), self.horizon)
            self.time.SetCumulVarSoftUpperBound(index, due, min(job.lateness_cents, LARGEST_RATE))
        self.routing.AddDisjunction([index], job.price_cents)

    def _link(self) -> None:
        solver, number_of = self.routing.solver(), {job.visit: number for number, job in enumerate(self.view.jobs)}
        for number, job in enumerate(self.view.jobs):
            for link in self.view.model.visits[job.visit].after:
                first = self.manager.NodeToIndex(number_of[self.view.model.visit_number[link.visit_id]])
                gap = self.time.CumulVar(self.manager.NodeToIndex(number)) - self.time.CumulVar(first)
                solver.Add(gap >= link.gap_minutes_min)
                if link.gap_minutes_max is not None:
                    solver.Add(gap <= link.gap_minutes_max)

    def _parameters(self, seconds: float) -> Any:
        parameters = self.cp.DefaultRoutingSearchParameters()
        parameters.first_solution_strategy = self.enums.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
        if self.method == "gls":
            # The limit is CPU, watched by a monitor; the library's own clock is only a net below it.
            parameters.time_limit.FromMilliseconds(int(seconds * 10_000))
            parameters.local_search_metaheuristic = self.enums.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
            return parameters
        # It cools down by the library's own clock, which is the wall's.
        parameters.time_limit.FromMilliseconds(int(seconds * 1000))
        parameters.use_iterated_local_search = True
        search = parameters.iterated_local_search_parameters
        ruin = search.ruin_recreate_parameters.ruin_strategies.add().sisr
        ruin.max_removed_sequence_size, ruin.avg_num_removed_visits, ruin.bypass_factor = 10, 10, 0.01
        search.reference_solution_acceptance_strategy.simulated_annealing.automatic_temperatures = True
        return parameters

    def run(self, seconds: float, seed: int, clock: Clock) -> list[Found]:
        self.found: list[Found] = []
        self.lowest: int | None = None
        solver, spent = self.routing.solver(), clock.until(seconds)
        solver.ReSeed(seed)

        def look() -> None:
            cost, now = int(self.routing.CostVar().Min()), clock()
            if (self.lowest is None or cost < self.lowest) and (
                not self.found or now - self.found[-1].cpu_seconds >= TRACE_SECONDS
            ):
                self.lowest = cost
                routes = self._routes(lambda index: int(self.routing.NextVar(index).Value()))
                self.found.append(Found(now, routes, self._starts(lambda start: int(start.Min()))))

        self.routing.AddAtSolutionCallback(look)
        self.routing.AddSearchMonitor(solver.CustomLimit(spent))
        parameters = self._parameters(seconds)
        search = self.routing.SolveWithIteratedLocalSearch if self.method == "ils" else self.routing.SolveWithParameters
        answer = search(parameters)
        if answer is not None:
            last = self._routes(lambda index: int(answer.Value(self.routing.NextVar(index))))
            self.found.append(Found(clock(), last, self._starts(lambda start: int(answer.Min(start)))))
        return self.found

    def _starts(self, minute_of: Any) -> dict[int, int] | None:
        """Of jobs that are bound to others, where the engine chose them."""
        if not self.view.links:
            return None
        return {
            number: self.origin + minute_of(self.time.CumulVar(self.manager.NodeToIndex(number)))
            for number, job in enumerate(self.view.jobs)
            if self.view.model.is_linked[job.visit]
        }

    def _routes(self, following: Any) -> list[list[int]]:
        routes: list[list[int]] = []
        for vehicle in range(self.view.vehicle_count):
            routes.append([])
            index = following(self.routing.Start(vehicle))
            while not self.routing.IsEnd(index):
                routes[-1].append(self.manager.IndexToNode(index))
                index = following(index)
        return routes
