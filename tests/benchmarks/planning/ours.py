"""Ours, through the front door: `optimizer.solve` with a limit and a seed. `cpu_clock` comes before its import."""

import inspect
from typing import Any

from optimizer import Stop, solve
from tests.benchmarks.planning.engines import Clock, Found
from tests.benchmarks.planning.view import View


def run(view: View, seconds: float, seed: int) -> list[Found]:
    clock = Clock()
    plan = solve(view.problem, stop=Stop(seconds=seconds), seed=seed, **one_core())
    return [Found(clock(), plan)]


def one_core() -> dict[str, Any]:
    """Where `solve` can be told, it is to race on one core alone."""
    return {"engines": ("search",)} if "engines" in inspect.signature(solve).parameters else {}
