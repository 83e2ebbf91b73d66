"""Home care with skills and synchronised visits (Mankowska et al. 2014): `25_1` to `100_3`.

The cost is a third of distance, total tardiness and largest tardiness together. A patient who needs two caregivers is
two visits, the second bound to the first from start to start. `file_cost` knows nothing of how the problem was put to
the planner: it takes times and caregivers from the plan and everything else from the file.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from optimizer import After, Place, Plan, Policy, Problem, Shift, Skill, Technician, Tier, TravelMatrix, Visit
from optimizer.score import score
from tests.benchmarks.planning.instances import Instance, best_known, folder

# Distances have three decimals; thousandths stand for minutes and cents.
SCALE = 1000
# Nobody has to be home at any time: the longest shift the planner knows, with as much overtime for nothing.
HORIZON = 1_000 * SCALE
ROUNDING = 1e-6


def file_name(name: str) -> str:
    return f"Instanz{'VNS' if int(name.split('_')[0]) >= 100 else 'CPLEX'}_HCSRP_{name}.json"


def names() -> list[str]:
    where = folder("hhcrsp")
    found = [path.stem.partition("HCSRP_")[2] for path in where.glob("*.json")] if where else []
    return sorted(found, key=lambda name: [int(part) for part in name.split("_")])


def read(name: str) -> Instance:
    where = folder("hhcrsp")
    if where is None:
        raise FileNotFoundError("The instances of home care are not here.")
    document = json.loads((where / file_name(name)).read_text())
    problem = problem_of(document)
    known = best_known("hhcrsp", "total_cost").get(file_name(name))
    return Instance(f"hhcrsp/{name}", problem, partial(cost, document, problem), known)


def problem_of(document: Mapping[str, Any]) -> Problem:
    places = ["office", *(patient["id"] for patient in document["patients"])]
    legs = tuple(tuple(_scaled(each) for each in row) for row in document["distances"])
    # The largest tardiness is a goal of newer planners; without it the plan is judged by it all the same.
    fair = {"worst_lateness_cents_per_minute": 1} if _knows_worst_lateness() else {}
    return Problem(
        technicians=tuple(
            Technician(
                id=caregiver["id"],
                shifts=(Shift(0, HORIZON, "office", "office", HORIZON),),
                skills={service: Skill() for service in caregiver["abilities"]},
                cost_cents_per_minute=1,
            )
            for caregiver in document["caregivers"]
        ),
        visits=tuple(visit for patient in document["patients"] for visit in _visits(patient)),
        places=tuple(Place(place, 0, 0) for place in places),
        travel=TravelMatrix(legs, legs),
        policy=Policy(
            tiers=((Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS, Tier.WISHES)),
            priority_weights=(1, 1, 1, 1, 1),
            **fair,
        ),
    )


def _knows_worst_lateness() -> bool:
    return "worst_lateness_cents_per_minute" in {each.name for each in fields(Policy)}


def _scaled(value: float) -> int:
    return round(value * SCALE)


def _visits(patient: Mapping[str, Any]) -> list[Visit]:
    found: list[Visit] = []
    earliest, latest = (_scaled(each) for each in patient["time_window"])
    for index, service in enumerate(patient["required_caregivers"]):
        after: tuple[After, ...] = ()
        if index:
            shortest, longest = _gap(patient)
            after = (After(found[0].id, shortest, longest, from_start=True),)
        found.append(
            Visit(
                id=f"{patient['id']} {index}",
                place=patient["id"],
                duration_minutes=_scaled(service["duration"]),
                release_minute=earliest,
                due_minute=latest,
                lateness_cents_per_minute=1,
                required_skills={service["service"]: 1},
                after=after,
            )
        )
    return found


def _gap(patient: Mapping[str, Any]) -> tuple[int, int]:
    """How long after the first caregiver's start the second may start, scaled."""
    bond = patient["synchronization"]
    if bond["type"] == "simultaneous":
        return 0, 0
    shortest, longest = bond["distance"]
    return _scaled(shortest), _scaled(longest)


def cost(document: Mapping[str, Any], problem: Problem, plan: Plan) -> float | None:
    """The file's cost, which must be ours as well: otherwise the mapping would be wrong."""
    if plan.unassigned:
        return None
    true = file_cost(document, plan)
    if _knows_worst_lateness():
        value = score(problem, plan)
        ours = (value.lateness_cents + value.wishes_cents) / (3 * SCALE)
        if abs(ours - true) > ROUNDING:
            raise ValueError(f"By the file the plan costs {true:.6f}, by its score {ours:.6f}.")
    return true


def file_cost(document: Mapping[str, Any], plan: Plan) -> float:
    """By the file alone; raises `ValueError` for a plan the file forbids."""
    row = {"office": 0} | {patient["id"]: number for number, patient in enumerate(document["patients"], start=1)}
    patients = {patient["id"]: patient for patient in document["patients"]}
    abilities = {caregiver["id"]: set(caregiver["abilities"]) for caregiver in document["caregivers"]}
    served: dict[str, dict[int, tuple[str, float]]] = {each: {} for each in patients}
    distance = 0.0
    for route in plan.routes:
        here, free = 0, 0.0
        for stop in route.stops:
            name, _, index = stop.visit_id.rpartition(" ")
            service = patients[name]["required_caregivers"][int(index)]
            leg, start = document["distances"][here][row[name]], stop.start_minute / SCALE
            _require(service["service"] in abilities[route.technician_id], f"{name}: not qualified")
            _require(start >= free + leg - ROUNDING, f"{name}: too early for the way")
            _require(int(index) not in served[name], f"{name}: served twice")
            served[name][int(index)] = route.technician_id, start
            distance, here, free = distance + leg, row[name], start + service["duration"]
        distance += document["distances"][here][0]
    tardiness: list[float] = []
    for name, patient in patients.items():
        _require(len(served[name]) == len(patient["required_caregivers"]), f"{name}: not served")
        earliest, latest = patient["time_window"]
        _require(all(start >= earliest - ROUNDING for _, start in served[name].values()), f"{name}: too early")
        tardiness.extend(max(0.0, start - latest) for _, start in served[name].values())
        if len(served[name]) == 2:
            (first, start), (second, then) = served[name][0], served[name][1]
            shortest, longest = _gap(patient)
            _require(first != second, f"{name}: the same caregiver twice")
            _require(shortest / SCALE - ROUNDING <= then - start <= longest / SCALE + ROUNDING, f"{name}: not in step")
    return (distance + sum(tardiness) + max(tardiness)) / 3


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)
