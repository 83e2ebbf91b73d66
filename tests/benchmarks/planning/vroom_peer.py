"""VROOM, at its deepest exploration: who may come is a skill for each set of technicians, prices are priorities."""

from datetime import timedelta
from typing import Any

from tests.benchmarks.planning.engines import Clock, Found
from tests.benchmarks.planning.view import MANDATORY_CENTS, Job, View

EXPLORATION = 5
PRIORITY_MAX = 100


def run(view: View, seconds: float, seed: int) -> list[Found]:
    """It knows no seed: the same problem gives the same answer."""
    problem = _input(view)
    clock = Clock()
    solution = problem.solve(exploration_level=EXPLORATION, nb_threads=1, timeout=timedelta(seconds=seconds))
    spent = clock()
    answer: list[list[int]] = [[] for _ in range(view.vehicle_count)]
    for route in solution.to_dict()["routes"]:
        answer[route["vehicle"]] = [step["id"] for step in route["steps"] if step["type"] == "job"]
    return [Found(spent, answer)]


def _input(view: View) -> Any:
    import vroom

    problem = vroom.Input()
    places = range(len(view.problem.places))
    profiles: dict[tuple[int, int, int], str] = {}
    for vehicle in range(view.vehicle_count):
        key = view.legs_key(vehicle)
        if key not in profiles:
            profiles[key] = f"profile {len(profiles)}"
            cents, minutes = view.legs(vehicle, places)
            problem.set_durations_matrix(profiles[key], minutes)
            problem.set_costs_matrix(profiles[key], cents)
    skill_of: dict[frozenset[int], int] = {}
    for job in view.jobs:
        skill_of.setdefault(frozenset(job.starts), len(skill_of))
    problem.add_vehicle([_vehicle(view, vehicle, profiles[view.legs_key(vehicle)], skill_of)
                         for vehicle in range(view.vehicle_count)])  # fmt: skip
    dearest = max((job.price_cents for job in view.jobs if job.price_cents < MANDATORY_CENTS), default=1) or 1
    problem.add_job([_job(view, number, job, skill_of, dearest) for number, job in enumerate(view.jobs)])
    return problem


def _vehicle(view: View, vehicle: int, profile: str, skill_of: dict[frozenset[int], int]) -> Any:
    import vroom

    one = view.model.vehicles[vehicle]
    person = view.model.technicians[one.technician]
    load = sum(visit.load_units for visit in view.model.visits)
    return vroom.Vehicle(
        vehicle,
        start=one.start_place,
        end=None if one.end_place < 0 else one.end_place,
        profile=profile,
        capacity=[load if person.capacity_units is None else person.capacity_units],
        skills={skill for vehicles, skill in skill_of.items() if vehicle in vehicles},
        time_window=vroom.TimeWindow(one.first_minute, one.end_minute),
        breaks=[
            vroom.Break(number, time_windows=[vroom.TimeWindow(earliest, latest)], service=minutes)
            for number, (earliest, latest, minutes) in enumerate(one.breaks)
        ],
        costs=vroom.VehicleCosts(fixed=person.cost_cents_per_shift),
        type=str(person.speed_factor),
    )


def _job(view: View, number: int, job: Job, skill_of: dict[frozenset[int], int], dearest: int) -> Any:
    import vroom

    speeds = {str(view.model.technicians[view.model.vehicles[vehicle].technician].speed_factor): vehicle
              for vehicle in job.starts}  # fmt: skip
    minutes = {speed: view.work_minutes(vehicle, job) for speed, vehicle in speeds.items()}
    return vroom.Job(
        number,
        job.place,
        default_service=max(minutes.values()),
        service_per_type=minutes if len(set(minutes.values())) > 1 else {},
        delivery=[view.model.visits[job.visit].load_units],
        skills={skill_of[frozenset(job.starts)]},
        priority=min(PRIORITY_MAX, PRIORITY_MAX * job.price_cents // dearest),
        time_windows=[vroom.TimeWindow(low, high) for low, high in view.hard_starts(job)],
    )
