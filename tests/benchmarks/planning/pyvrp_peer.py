"""PyVRP: a profile for each technician, on whose edges lie work, own costs and a ban on what they cannot do."""

from typing import Any

import numpy

from tests.benchmarks.planning.engines import Clock, Found
from tests.benchmarks.planning.view import View

# Beyond this the matrices, one pair for each kind of technician, do not fit.
MATRIX_BYTES_MAX = 3_000_000_000
FORBIDDEN = 1 << 40


class TooLarge(Exception):
    """The instance cannot be said to the engine."""


def run(view: View, seconds: float, seed: int) -> list[Found]:
    import pyvrp

    model = _Model(view)
    callbacks = _Trace()
    ils = pyvrp.IteratedLocalSearchParams(callbacks=callbacks)
    clock = callbacks.clock = Clock()
    stop = clock.until(seconds)
    result = pyvrp.solve(
        model.data, stop=lambda best: stop(), seed=seed, collect_stats=False, params=pyvrp.SolveParams(ils=ils)
    )
    found = [Found(at, model.answer(solution)) for at, solution in callbacks.found]
    return [*found, Found(clock(), model.answer(result.best))] if result.best.is_feasible() else found


class _Trace:
    """Feasible bests; PyVRP calls each of these."""

    clock: Clock

    def __init__(self) -> None:
        self.found: list[tuple[float, Any]] = []

    def on_start(self, algorithm: Any) -> None:
        if algorithm.initial_solution.is_feasible():
            self.found.append((self.clock(), algorithm.initial_solution))

    def on_best(self, best: Any) -> None:
        if best.is_feasible():
            self.found.append((self.clock(), best))

    def on_iteration(self, *_: Any) -> None: ...
    def on_restart(self, best: Any) -> None: ...
    def on_end(self, result: Any) -> None: ...


class _Model:
    def __init__(self, view: View) -> None:
        import pyvrp

        self.view, self.vrp = view, pyvrp
        self.depots = sorted({place for one in view.model.vehicles for place in (one.start_place, one.end_place)})
        self.kinds: dict[Any, list[int]] = {}
        for vehicle in range(view.vehicle_count):
            self.kinds.setdefault(self._kind(vehicle), []).append(vehicle)
        # One client for each window of a job, of which one is served.
        self.client_jobs = [
            (number, interval) for number, job in enumerate(view.jobs) for interval in view.hard_starts(job)
        ]
        # What even the fastest takes; the rest lies on the edges of those who are slower.
        self.service = [min(view.work_minutes(vehicle, job) for vehicle in job.starts) for job in view.jobs]
        self.locations = [*self.depots, *(view.jobs[number].place for number, _ in self.client_jobs)]
        profiles = {kind[0]: vehicles[0] for kind, vehicles in self.kinds.items()}
        if len(profiles) * len(self.locations) ** 2 * 16 > MATRIX_BYTES_MAX:
            raise TooLarge(f"{len(profiles)} pairs of matrices of {len(self.locations)}²")
        matrices = [self._matrices(vehicle) for vehicle in profiles.values()]
        # On plain routing problems everybody is served; on days of field service leaving out must be possible.
        self.all_must_be_served = all(visit.mandatory for visit in view.model.visits)
        groups, clients = self._clients()
        self.data = pyvrp.ProblemData(
            locations=[pyvrp.Location(0, 0) for _ in self.locations],
            clients=clients,
            depots=[pyvrp.Depot(index) for index in range(len(self.depots))],
            vehicle_types=[self._vehicle_type(vehicles, list(profiles).index(kind[0]))
                           for kind, vehicles in self.kinds.items()],
            distance_matrices=[cents for cents, _ in matrices],
            duration_matrices=[minutes for _, minutes in matrices],
            groups=groups,
        )  # fmt: skip

    def _kind(self, vehicle: int) -> Any:
        """What makes vehicles interchangeable, with what makes profiles so in front."""
        view = self.view
        one = view.model.vehicles[vehicle]
        person = view.model.technicians[one.technician]
        skills = tuple(
            (number, view.own_cents(vehicle, job), view.work_minutes(vehicle, job))
            for number, job in enumerate(view.jobs)
            if vehicle in job.starts
        )
        profile = (view.legs_key(vehicle), skills)
        return (profile, one.start_place, one.end_place, one.first_minute, one.end_minute, one.last_minute,
                person.capacity_units, person.cost_cents_per_shift, person.overtime_cents_per_minute)  # fmt: skip

    def _matrices(self, vehicle: int) -> tuple[Any, Any]:
        view = self.view
        cents, minutes = view.legs(vehicle, self.locations)
        for index, (number, _) in enumerate(self.client_jobs, start=len(self.depots)):
            job = view.jobs[number]
            if vehicle in job.starts:
                cents[:, index] += view.own_cents(vehicle, job)
                minutes[index, :] += view.work_minutes(vehicle, job) - self.service[number]
            else:
                cents[:, index] = minutes[:, index] = FORBIDDEN
        numpy.fill_diagonal(cents, 0)
        numpy.fill_diagonal(minutes, 0)
        return cents, minutes

    def _clients(self) -> tuple[list[Any], list[Any]]:
        view, clients, groups = self.view, [], []
        by_job: dict[int, list[int]] = {}
        for index, (number, _) in enumerate(self.client_jobs):
            by_job.setdefault(number, []).append(index)
        group_of: dict[int, int] = {}
        for number, members in by_job.items():
            if len(members) > 1:
                group_of[number] = len(groups)
                groups.append(self.vrp.ClientGroup(members, required=False))
        for index, (number, (earliest, latest)) in enumerate(self.client_jobs):
            job = view.jobs[number]
            load = view.model.visits[job.visit].load_units
            must = self.all_must_be_served and number not in group_of
            clients.append(
                self.vrp.Client(
                    location=len(self.depots) + index, delivery=[load], service_duration=self.service[number], tw_early=earliest, tw_late=latest,
                    prize=0 if must else job.price_cents, required=must, group=group_of.get(number),
                )
            )  # fmt: skip
        return groups, clients

    def _vehicle_type(self, vehicles: list[int], profile: int) -> Any:
        one = self.view.model.vehicles[vehicles[0]]
        person = self.view.model.technicians[one.technician]
        load = sum(visit.load_units for visit in self.view.model.visits)
        return self.vrp.VehicleType(
            num_available=len(vehicles),
            capacity=[load if person.capacity_units is None else person.capacity_units],
            start_depot=self.depots.index(one.start_place),
            end_depot=self.depots.index(one.end_place),
            fixed_cost=person.cost_cents_per_shift,
            tw_early=one.first_minute,
            tw_late=one.last_minute,
            shift_duration=one.end_minute - one.first_minute,
            max_overtime=one.last_minute - one.end_minute,
            unit_overtime_cost=person.overtime_cents_per_minute,
            unit_distance_cost=1,
            profile=profile,
        )

    def answer(self, solution: Any) -> list[list[int]]:
        routes: list[list[int]] = [[] for _ in range(self.view.vehicle_count)]
        free = {index: list(vehicles) for index, vehicles in enumerate(self.kinds.values())}
        for route in solution.routes():
            vehicle = free[route.vehicle_type()].pop(0)
            routes[vehicle] = [self.client_jobs[stop.idx][0] for stop in route if stop.is_client()]
        return routes
