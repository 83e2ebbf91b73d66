"""Larger routing instances made by the scheme of Gehring and Homberger: `R1_200`, `RC2_400`, with seed `R1_400_7`.

Customers lie uniform (R), in clusters (C) or half and half (RC) in a square with the depot in its middle. Class 1 has a
short day and small vehicles, class 2 a long day and large ones. Windows lie around a start that is reached in time and
leaves time to return; three of four customers have one of random width. Best costs are not known: gaps are to the
best of the run.
"""

import random
from functools import partial
from math import hypot

from tests.benchmarks.planning.instances import Instance, routing_cost
from tests.benchmarks.planning.solomon import SCALE, routing_problem

CAPACITY = {"R1": 200, "R2": 1000, "C1": 200, "C2": 700, "RC1": 200, "RC2": 1000}
SIDE = {200: 140, 400: 200}
NAMES = tuple(f"{kind}_{size}" for size in SIDE for kind in CAPACITY)


def generate(name: str) -> Instance:
    kind, size, *seed = name.split("_")
    count = int(size)
    dice = random.Random(f"{kind} {count} {seed[0] if seed else 1}")
    side = SIDE.get(count, round(10 * count**0.5))
    places = [(side / 2, side / 2), *_places(dice, kind[:-1], count, side)]
    service = 90 if kind.startswith("C") else 10
    horizon = _horizon(kind, side, service)
    rows = [[0.0, *places[0], 0, 0, horizon, 0]]
    for number, (x, y) in enumerate(places[1:], start=1):
        away = hypot(x - places[0][0], y - places[0][1])
        latest = int(horizon - away - service) - 1
        ready, due = 0, latest
        if dice.random() < 0.75:
            middle = dice.uniform(away, latest)
            half = dice.uniform(5, 30) * (1 if kind.endswith("1") else 6)
            ready, due = max(0, int(middle - half)), min(latest, max(int(away) + 1, int(middle + half)))
        rows.append([number, x, y, dice.randint(1, 5) * 10 if kind.startswith("C") else dice.randint(1, 41),
                     ready, due, service])  # fmt: skip
    problem = routing_problem(count // 4, CAPACITY[kind], rows)
    return Instance(f"homberger/{name}", problem, partial(routing_cost, problem, scale=SCALE))


def _horizon(kind: str, side: int, service: int) -> int:
    """Class 1: about ten customers for each route; class 2: some fifty."""
    across = round(side * 1.7)
    return across + (10 if kind.endswith("1") else 45) * (service + 5)


def _places(dice: random.Random, shape: str, count: int, side: int) -> list[tuple[int, int]]:
    """Whole coordinates, no two customers at one place."""
    centers = [(dice.uniform(0.1, 0.9) * side, dice.uniform(0.1, 0.9) * side) for _ in range(max(4, count // 18))]
    found: dict[tuple[int, int], None] = {}
    while len(found) < count:
        clustered = shape == "C" or (shape == "RC" and len(found) < count // 2)
        if clustered:
            center = dice.choice(centers)
            x, y = dice.gauss(center[0], side / 35), dice.gauss(center[1], side / 35)
        else:
            x, y = dice.uniform(0, side), dice.uniform(0, side)
        if 0 <= x <= side and 0 <= y <= side:
            found[(round(x), round(y))] = None
    return list(found)
