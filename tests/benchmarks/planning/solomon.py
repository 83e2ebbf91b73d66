"""Solomon's 56 instances: distances truncated to one decimal, vehicles free, the sum of distances counts."""

from collections.abc import Sequence
from functools import partial
from math import hypot
from pathlib import Path

from optimizer import Place, Problem, Shift, Technician, TravelMatrix, Visit, Window
from tests.benchmarks.planning.instances import Instance, best_known, folder, routing_cost

# Tenths of Solomon's units stand for minutes and cents, so that one decimal is kept.
SCALE = 10


def names() -> list[str]:
    return sorted(best_known("solomon", "bks_distance_trunc1"))


def read(name: str) -> Instance:
    where = folder("solomon")
    if where is None:
        raise FileNotFoundError("Solomon's instances are not here.")
    count, capacity, rows = _read_rows(where / f"{name}.txt")
    problem = routing_problem(count, capacity, rows)
    known = best_known("solomon", "bks_distance_trunc1")[name]
    return Instance(f"solomon/{name}", problem, partial(routing_cost, problem, scale=SCALE), known)


def _read_rows(path: Path) -> tuple[int, int, list[list[float]]]:
    rows: list[list[float]] = []
    count = capacity = 0
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 2 and all(word.isdigit() for word in words):
            count, capacity = map(int, words)
        elif len(words) == 7 and words[0].isdigit():
            rows.append([float(word) for word in words])
    return count, capacity, rows


def routing_problem(count: int, capacity: int, rows: Sequence[Sequence[float]]) -> Problem:
    """Rows of number, x, y, demand, ready, due and service as Solomon has them; the first is the depot."""
    tenths = tuple(tuple(int(SCALE * hypot(one[1] - other[1], one[2] - other[2])) for other in rows) for one in rows)
    depot, customers = rows[0], rows[1:]
    shift = Shift(int(depot[4]) * SCALE, int(depot[5]) * SCALE, "0", "0")
    return Problem(
        technicians=tuple(
            Technician(id=f"{number:03}", shifts=(shift,), cost_cents_per_minute=1, capacity_units=capacity)
            for number in range(count)
        ),
        visits=tuple(
            Visit(
                id=f"{int(row[0]):03}",
                place=str(int(row[0])),
                duration_minutes=int(row[6]) * SCALE,
                windows=(Window(int(row[4]) * SCALE, int(row[5]) * SCALE),),
                load_units=int(row[3]),
            )
            for row in customers
        ),
        places=tuple(Place(str(int(row[0])), 0, 0) for row in rows),
        travel=TravelMatrix(tenths, tenths),
    )
