"""Who runs what when: trials in processes of their own, interleaved, one core for each, and what comes of them."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from tests.benchmarks.measuring import ROOT

# Beside the CPU it may use, for reading the instance, compiling, and a busy machine.
PATIENCE_SECONDS, PATIENCE_FACTOR = 300, 8
# From here on the table says that an engine took more than it was allowed.
OVERRUN = 1.08


@dataclass(frozen=True, slots=True)
class Trial:
    instance: str
    engine: str
    seconds: tuple[float, ...]
    seed: int

    def run(self, core: int) -> dict[str, Any]:
        told = {"instance": self.instance, "engine": self.engine, "seconds": self.seconds, "seed": self.seed}
        command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.planning.trial"]
        try:
            done = subprocess.run(
                [*command, json.dumps({**told, "core": core})],
                cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
                timeout=PATIENCE_SECONDS + PATIENCE_FACTOR * sum(self.seconds),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {**told, "points": [], "failure": "it did not end"}
        if done.returncode:
            return {**told, "points": [], "failure": done.stderr.strip()[-500:]}
        said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return said


def race(trials: Iterable[Trial], jobs: int) -> list[dict[str, Any]]:
    """The results, in the order of the trials; what each said is told as it comes."""
    waiting: queue.SimpleQueue[tuple[int, Trial]] = queue.SimpleQueue()
    for entry in enumerate(trials):
        waiting.put(entry)
    results: dict[int, dict[str, Any]] = {}
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))

    def work(core: int) -> None:
        while True:
            try:
                number, trial = waiting.get_nowait()
            except queue.Empty:
                return
            results[number] = trial.run(core)
            print(_line(results[number]), file=sys.stderr, flush=True)

    threads = [threading.Thread(target=work, args=(core,)) for core in cores[: max(1, jobs)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in sorted(results)]


def _line(result: dict[str, Any]) -> str:
    points = ", ".join(f"{point['seconds']:g} s: {_said(point['cost'])}" for point in result["points"])
    return f"{result['instance']} {result['engine']} seed {result['seed']}: {points or result.get('failure')}"


def _said(cost: float | None) -> str:
    return "none yet" if cost is None else f"{cost:,.1f}"


def reference(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What gaps are measured from: the best known, or the best of this run."""
    lowest: dict[str, float] = {}
    for result in results:
        name = result["instance"]
        if result.get("best_known") is not None:
            lowest[name] = result["best_known"]
        elif costs := [point["cost"] for point in result["points"] if point["cost"] is not None]:
            lowest[name] = min(*costs, lowest[name]) if name in lowest else min(costs)
    return lowest


def gaps(results: Sequence[dict[str, Any]], engine: str, seconds: float) -> tuple[list[float], int]:
    """Percent above the reference for each instance and seed, and how many had no sound answer yet."""
    best = reference(results)
    found, missing = [], 0
    for result in results:
        if result["engine"] != engine:
            continue
        point = next((each for each in result["points"] if each["seconds"] == seconds), None)
        if point is None or point["cost"] is None or result["instance"] not in best:
            missing += 1
        else:
            found.append(100 * (point["cost"] / best[result["instance"]] - 1))
    return found, missing


def summary_rows(
    results: Sequence[dict[str, Any]], engines: Sequence[str], seconds: Sequence[float]
) -> list[tuple[str, ...]]:
    """By engine: the mean gap at each checkpoint, and where an answer was not there in time."""
    rows: list[tuple[str, ...]] = []
    for engine in engines:
        cells = [engine]
        for limit in seconds:
            found, missing = gaps(results, engine, limit)
            cell = (f"{fmean(found):.2f} %" if found else "none yet") + _overrun(results, engine, limit)
            cells.append(f"{cell} ({missing} without)" if found and missing else cell)
        rows.append(tuple(cells))
    return rows


def _overrun(results: Sequence[dict[str, Any]], engine: str, limit: float) -> str:
    """The CPU it took, where that was more than it was allowed."""
    spent = [
        point["cpu_seconds"]
        for result in results
        if result["engine"] == engine
        for point in result["points"]
        if point["seconds"] == limit and point["cpu_seconds"] is not None
    ]
    return f" in {fmean(spent):.1f} s" if spent and fmean(spent) > OVERRUN * limit else ""


def instance_rows(results: Sequence[dict[str, Any]], engines: Sequence[str], seconds: float) -> list[tuple[str, ...]]:
    """By instance: the reference and each engine's mean cost at the last checkpoint."""
    best, rows = reference(results), []
    for name in dict.fromkeys(result["instance"] for result in results):
        cells = [name, f"{best[name]:,.1f}" if name in best else "none"]
        for engine in engines:
            points = [
                point
                for result in results
                if result["instance"] == name and result["engine"] == engine
                for point in result["points"]
                if point["seconds"] == seconds
            ]
            costs = [point["cost"] for point in points if point["cost"] is not None]
            gap = f" ({100 * (fmean(costs) / best[name] - 1):+.2f} %)" if costs else ""
            left = max((point["left_out"] or 0 for point in points), default=0)
            cells.append(
                (f"{fmean(costs):,.1f}{gap}" if costs else "none yet") + (f", {left} left out" if left else "")
            )
        rows.append(tuple(cells))
    return rows
