"""How soon the planner answers, by size of the day: one process, CPU milliseconds, as JSON.

python -m tests.benchmarks.planning.latency 200x20
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import optimizer
from optimizer import Plan, Problem, construct, insert
from tests.benchmarks.planning.days import field_service_day
from tests.benchmarks.planning.trial import warm

QUESTIONS = 7


def main() -> None:
    visits, technicians = map(int, sys.argv[1].split("x"))
    warm()
    problem = field_service_day(visits, technicians)
    construct(field_service_day(40, 4))
    spent, plan = timed(lambda: construct(problem))
    figures: dict[str, float | None] = {"first plan, ms": spent, "left out": float(len(plan.unassigned))}
    served = [visit for visit in problem.visits if visit.id in plan.visit_ids and is_free(problem, visit.id)]
    asked = served[:: max(1, len(served) // QUESTIONS)][:QUESTIONS]
    # What an office asks of a day again and again, it asks a planner that has seen the day.
    if asked:
        insert(problem, plan, asked[0].id, ways_max=3)
    figures["one insertion, ms"] = median(lambda id: insert(problem, plan, id, ways_max=3), asked)
    figures["ten slots, ms"] = slots_of(problem, plan, asked)
    print(json.dumps(figures))


def timed(work: Callable[[], Plan]) -> tuple[float, Plan]:
    started = time.process_time()
    plan = work()
    return 1000 * (time.process_time() - started), plan


def is_free(problem: Problem, visit_id: str) -> bool:
    visit = problem.visit_by_id[visit_id]
    linked = {link.visit_id for each in problem.visits for link in each.after}
    return not (visit.after or visit.crew_size > 1 or visit.pin or visit.same_technician_as or visit_id in linked)


def median(work: Callable[[str], object], asked: list[optimizer.Visit]) -> float | None:
    times = []
    for visit in asked:
        started = time.process_time()
        work(visit.id)
        times.append(1000 * (time.process_time() - started))
    return statistics.median(times) if times else None


def slots_of(problem: Problem, plan: Plan, asked: list[optimizer.Visit]) -> float | None:
    """For a visit like those of the day that nobody has promised anything yet."""
    slots = getattr(optimizer, "slots", None)
    if not callable(slots):
        return None
    fresh = {visit.id: replace(visit, id="new", windows=(), promised=None) for visit in asked}
    return median(lambda id: slots(problem, plan, fresh[id]), asked)


if __name__ == "__main__":
    main()
