"""One engine on one instance, in a process of its own on one core: what it had found at each checkpoint, as JSON.

python -m tests.benchmarks.planning.trial '{"instance": "solomon/R101", "engine": "ours", "seconds": [1, 5]}'
"""

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import tests.benchmarks.planning.cpu_clock  # noqa: F401  # before the planner
from optimizer import Plan, Shift, Stop, Technician, Visit, solve
from optimizer.problem import Place, Problem, TravelMatrix
from tests.benchmarks.planning.engines import ENGINES, PACKAGES, Engine, Found
from tests.benchmarks.planning.instances import Instance, instance
from tests.benchmarks.planning.ours import one_core
from tests.benchmarks.planning.view import View


@dataclass(frozen=True, slots=True)
class Point:
    """What stood at a checkpoint; no cost: nothing sound yet. `cpu_seconds` is when it was found."""

    seconds: float
    cpu_seconds: float | None = None
    cost: float | None = None
    left_out: int | None = None
    levels: tuple[int, ...] | None = None


def main() -> None:
    asked = json.loads(sys.argv[1])
    if (core := asked.get("core")) is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    sys.path.append(str(PACKAGES))
    engine = ENGINES[asked["engine"]]
    if engine.name == "ours":
        warm()
    begun = time.perf_counter()
    chosen = instance(asked["instance"])
    view = View(chosen.problem, links=engine.links)
    said: dict[str, Any] = {**asked, "best_known": chosen.best_known, "set_up_seconds": time.perf_counter() - begun}
    try:
        points = trial(engine, chosen, view, asked["seconds"], asked.get("seed", 1))
    except Exception as error:  # noqa: BLE001  # whatever an engine stumbles over is its figure
        said["failure"] = f"{type(error).__name__}: {error}"
        points = []
    print(json.dumps({**said, "points": [asdict(point) for point in points]}))


def trial(engine: Engine, chosen: Instance, view: View, seconds: list[float], seed: int) -> list[Point]:
    """One point for each limit. What ends of itself is not run again for a longer one."""
    if engine.anytime:
        found = engine.run(view, max(seconds), seed)
        return [judged(chosen, view, limit, at(found, limit)) for limit in seconds]
    points: list[Point] = []
    ended: Point | None = None
    for limit in sorted(seconds, reverse=engine.ends_of_itself):
        if ended is not None and ended.cpu_seconds is not None and ended.cpu_seconds <= limit:
            points.append(Point(limit, ended.cpu_seconds, ended.cost, ended.left_out, ended.levels))
            continue
        point = judged(chosen, view, limit, last(engine.run(view, limit, seed)))
        points.append(point)
        ended = point if engine.ends_of_itself else None
    return sorted(points, key=lambda point: point.seconds)


def at(found: list[Found], limit: float) -> Found | None:
    """What was known by then; engines look at their clock now and then, so a little more is allowed."""
    known = [each for each in found if each.cpu_seconds <= limit * 1.02 + 0.05]
    return known[-1] if known else None


def last(found: list[Found]) -> Found | None:
    return found[-1] if found else None


def judged(chosen: Instance, view: View, limit: float, found: Found | None) -> Point:
    if found is None:
        return Point(limit)
    plan = found.answer if isinstance(found.answer, Plan) else view.plan(found.answer, found.starts)
    assert plan.score is not None
    return Point(limit, found.cpu_seconds, chosen.cost(plan), len(plan.unassigned), plan.score.levels)


def warm() -> None:
    """Libraries and compiled code are loaded before the clock starts, as the peers' are."""
    import ortools.linear_solver.pywraplp
    import ortools.sat.python.cp_model  # noqa: F401

    places = (Place("a", 0, 0), Place("b", 0, 0.1))
    travel = TravelMatrix(((0, 5), (5, 0)), ((0, 9), (9, 0)))
    visits = tuple(Visit(id=name, place="b", duration_minutes=5) for name in "xyz")
    technicians = (Technician(id="t", shifts=(Shift(0, 90, "a", "a"),)),)
    solve(
        Problem(technicians=technicians, visits=visits, places=places, travel=travel),
        stop=Stop(seconds=0.2),
        **one_core(),
    )


if __name__ == "__main__":
    main()
