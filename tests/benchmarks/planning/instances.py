"""The instances by name: `solomon/R101`, `hhcrsp/25_1`, `homberger/RC2_400`, `plain/200x20`, `day/1500x216`.

Each is a problem, what a plan for it costs in the instance's own measure, and the best cost known.
"""

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from optimizer import Plan, Problem
from tests.benchmarks.measuring import ROOT

Cost = Callable[[Plan], float | None]


@dataclass(frozen=True, slots=True)
class Instance:
    """`cost` of a sound plan in the instance's own units, None while it leaves out what must be served."""

    name: str
    problem: Problem
    cost: Cost
    best_known: float | None = None


def instance(name: str) -> Instance:
    from tests.benchmarks.planning import days, hhcrsp, homberger, solomon

    kind, _, rest = name.partition("/")
    readers = {
        "solomon": solomon.read,
        "hhcrsp": hhcrsp.read,
        "homberger": homberger.generate,
        "plain": days.plain_day,
        "day": days.full_day,
    }
    if kind not in readers:
        raise ValueError(f"“{name}” is no instance; its kind is one of {', '.join(readers)}.")
    return readers[kind](rest)


def folder(kind: str) -> Path | None:
    """Where the public instances of a kind are: in `$TRUCKROLL_SHARED_DATA`, or beside the repository."""
    told = os.environ.get("TRUCKROLL_SHARED_DATA")
    for place in ([Path(told)] if told else []) + [ROOT.parent / "shared" / "data"]:
        if (place / kind / "best_known.csv").is_file():
            return place / kind
    return None


@cache
def best_known(kind: str, column: str) -> dict[str, float]:
    """The column of `best_known.csv` by instance."""
    where = folder(kind)
    if where is None:
        return {}
    with (where / "best_known.csv").open() as table:
        return {row["instance"]: float(row[column]) for row in csv.DictReader(table)}


def routing_cost(problem: Problem, plan: Plan, scale: float) -> float | None:
    """The wishes, in the instance's units, when everybody is served."""
    from optimizer import score

    value = score(problem, plan)
    return None if value.violations or plan.unassigned else value.wishes_cents / scale
