"""How soon the planner answers, by size of the day: one process, CPU milliseconds, as JSON.

    python -m tests.benchmarks.planning.latency 200x20

The first plan is the first of which `solve` tells, judged and sound; told to stop there, it hands it over with a reason for
each visit left out. The other questions are what an office asks of a day while somebody is on the phone: each
of several visits in turn, the median of all. Laying out the day (`Desk`) is counted once and for itself, as a server does
it once for many questions; it is asked with a visit that is new to the day, or taken out of it before.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from optimizer import Desk, Plan, Problem, Stop, Visit, check, insert_urgent_at, recommend_at, slots_at, solve
from tests.benchmarks.planning.days import field_service_day
from tests.benchmarks.planning.ours import one_core
from tests.benchmarks.planning.trial import warm

QUESTIONS = 9
T = TypeVar("T")


def main() -> None:
    visits, technicians = map(int, sys.argv[1].split("x"))
    warm()
    first_plan(field_service_day(40, 4))
    problem = field_service_day(visits, technicians)
    handed_over, (told, plan) = timed(lambda: first_plan(problem))
    assert check(problem, plan) == []
    laying_out, desk = timed(lambda: Desk(problem, plan))
    asked = questions(problem, plan)
    guests = [replace(visit, id="new", windows=(), promised=None) for visit in asked]
    figures = {
        "first plan, ms": told,
        "handed over with reasons, ms": handed_over,
        "left out": len(plan.unassigned),
        "day laid out, ms": laying_out,
        "one insertion, ms": median(lambda visit: insert_urgent_at(desk, visit.id), asked),
        "ten slots, ms": median(lambda visit: slots_at(desk, visit), guests),
        "recommendations, ms": median(lambda visit: recommend_at(desk, visit.id), asked),
    }
    print(json.dumps(figures))


def first_plan(problem: Problem) -> tuple[float, Plan]:
    """When `solve` told of its first plan, and that plan."""
    told: list[float] = []
    started = time.process_time()
    plan = solve(
        problem,
        stop=Stop(seconds=600),
        on_progress=lambda elapsed, value: told.append(1000 * (time.process_time() - started)),
        should_stop=lambda: bool(told),
        **one_core(),
    )
    return told[0], plan


def timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.process_time()
    answer = work()
    return 1000 * (time.process_time() - started), answer


def questions(problem: Problem, plan: Plan) -> list[Visit]:
    """Visits from all over the day that stand alone."""
    linked = {link.visit_id for each in problem.visits for link in each.after}
    free = [
        visit
        for visit in problem.visits
        if visit.id in plan.visit_ids
        and not (visit.after or visit.crew_size > 1 or visit.pin or visit.same_technician_as or visit.id in linked)
    ]
    return free[:: max(1, len(free) // QUESTIONS)][:QUESTIONS]


def median(work: Callable[[Visit], object], asked: Sequence[Visit]) -> float:
    # What is worked out when it is first asked is there afterwards, for a server as for us.
    work(asked[0])
    return statistics.median(timed(lambda visit=visit: work(visit))[0] for visit in asked)


if __name__ == "__main__":
    main()
