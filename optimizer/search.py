"""Our search: compiled ruin and recreate over the whole model, and CP-SAT putting its best routes together.

The kernel runs in short stretches; between them we look at the clock, tell of progress, and now and then let
`assignment.py` choose the best combination out of every good route seen. Annealing goes on from its answer.
More workers anneal side by side, each from its own seed; their routes meet where plans are put together.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from optimizer.assignment import POINT_CENTS, Column, choose, columns_of, routes_of
from optimizer.draft import Draft, Promise
from optimizer.model import Model
from optimizer.native import Kernel, kernel_of
from optimizer.plan import Score
from optimizer.problem import Tier
from optimizer.stop import ShouldStop, Stop
from optimizer.tables import (
    COUNT,
    FETCH_STOCK,
    FIRST_SLOT,
    LATENESS,
    POOL_COUNT,
    POOL_ENERGY,
    POOL_LATENESS,
    POOL_VEHICLE,
    POOL_WISHES,
    PRICE,
    ROUTE,
    START,
    SUM_LATENESS,
    SUM_POINTS,
    SUM_WISHES,
    SUM_WORST,
    VISIT,
    WISHES,
    State,
    Tables,
    state_of,
    tables_of,
)
from optimizer.timing import Fetch

logger = logging.getLogger(__name__)

# Temperatures, in mean cents of the plan per visit. Heat needs time to go: with few iterations for each visit it begins
# less hot (measured on days of 200 and 1,500 visits).
HOT, COLD, HOT_LEAST = 3.0, 0.03, 0.06
ITERATIONS_FOR_HEAT = 60
ITERATIONS_OF_A_CYCLE = 1500
REMOVED_MEAN, STRING_MAX, BLINK = 10.0, 10.0, 0.01
# Routes are remembered from solutions that are at most so many mean visits dearer than the best.
POOL_WITHIN = 10.0
STRETCH_SECONDS = 0.02
STRETCH_ITERATIONS = 200
# When CP-SAT puts routes together, as shares of the time, and the most it may take of the time each time.
ASSEMBLIES = (0.5, 0.75, 0.9, 0.97)
ASSEMBLY_SHARE = 0.05
# Loading OR-Tools takes half a second; with less time than this, annealing makes more of it.
ASSEMBLY_SECONDS_LEAST = 4.0
OnBetter = Callable[[Score], None]


@dataclass(slots=True)
class Worker:
    """One solution that is annealed, and the compiled code that does it."""

    state: State
    kernel: Kernel

    def adopt(self, routes: Mapping[int, Sequence[int]]) -> bool:
        """Goes on from these routes, slots by vehicle; False when they cannot be driven."""
        state = self.state
        state.routes[:] = -1
        state.facts[:, COUNT] = 0
        for vehicle, slots in routes.items():
            state.facts[vehicle, COUNT] = len(slots)
            state.routes[vehicle, 1 : len(slots) + 1] = slots
        return self.kernel.begin()

    def best_routes(self) -> dict[int, list[int]]:
        return {
            vehicle: self.state.best_routes[vehicle, 1 : count + 1].tolist()
            for vehicle, count in enumerate(self.state.best_counts.tolist())
            if count
        }


class Schedule:
    """How far the search has come, and how hot it is. Counted by iterations where those are limited, so that the clock
    changes nothing; by time otherwise. With many iterations for each visit it heats up again: each time another valley."""

    def __init__(self, stop: Stop, visits: int, stretch_seconds: float = STRETCH_SECONDS) -> None:
        self.stop, self.visits, self.stretch_seconds = stop, max(1, visits), stretch_seconds
        self.started = self.improved_at = self.now = time.monotonic()
        self.done = 0
        self.stretch = STRETCH_ITERATIONS
        self.hot, self.cycles = COLD, 1
        if stop.solutions is not None:
            self.stretch = min(STRETCH_ITERATIONS, stop.solutions)
            self._expect(stop.solutions)

    def _expect(self, iterations: float) -> None:
        each = iterations / self.visits
        self.hot = min(HOT, max(HOT_LEAST, HOT * (each / ITERATIONS_FOR_HEAT) ** 3))
        self.cycles = max(1, int(each / ITERATIONS_OF_A_CYCLE))

    def _elapsed(self) -> float:
        return self.now - self.started

    def left(self) -> float:
        return max(0.0, self.stop.seconds - self._elapsed())

    def share(self) -> float:
        if self.stop.solutions is not None:
            return self.done / self.stop.solutions
        return self._elapsed() / self.stop.seconds if self.stop.seconds > 0 else 1.0

    def is_over(self) -> bool:
        """Looks at the clock; all else goes by what it showed then."""
        self.now = time.monotonic()
        patience = self.stop.unimproved_seconds
        if patience is not None and self.now - self.improved_at >= patience:
            return True
        return self.share() >= 1 or self._elapsed() >= self.stop.seconds

    def temperature(self) -> float:
        return self.hot * float((COLD / self.hot) ** (self.share() * self.cycles % 1.0))

    def note(self, took: float) -> None:
        """A stretch is done; the next is as long as a glance at the clock is worth."""
        self.done += self.stretch
        if self.stop.solutions is not None:
            self.stretch = max(1, min(STRETCH_ITERATIONS, self.stop.solutions - self.done))
            return
        took = max(1e-6, took)
        if self.done == self.stretch:
            self._expect(self.stop.seconds * self.stretch / took)
        self.stretch = max(1, min(100_000, int(self.stretch * min(4.0, self.stretch_seconds / took))))

    def improved(self) -> None:
        self.improved_at = time.monotonic()


@dataclass(slots=True)
class Search:
    """One search on one model. `construct` comes first; then `run`, and `draft` is the answer."""

    model: Model
    tables: Tables
    workers: list[Worker]
    seed: int
    assemblies: list[float] = field(default_factory=lambda: list(ASSEMBLIES))
    stretch_seconds: float = STRETCH_SECONDS

    @classmethod
    def of(cls, model: Model, seed: int = 0, workers: int = 1) -> "Search":
        """Raises `NoCompiler` or `ImportError` where there is no compiled search."""
        tables = tables_of(model)
        made: list[Worker] = []
        for number in range(max(1, workers)):
            state = state_of(tables, seed + number * 7919)
            made.append(Worker(state, kernel_of(tables, state)))
        return cls(model, tables, made, seed)

    @property
    def best(self) -> Worker:
        """The worker with the best solution."""
        return min(self.workers, key=self._rank)

    def _rank(self, worker: Worker) -> tuple[float, ...]:
        state, weight = worker.state, self.tables.weights[1]
        lateness = int(state.best_totals[SUM_LATENESS] + state.best_totals[SUM_WORST])
        wishes = int(state.best_totals[SUM_WISHES] + state.best_balance[0])
        points = int(state.best_totals[SUM_POINTS])
        if weight == 1:
            return points, lateness + wishes
        return (points, lateness, wishes) if weight > 1 else (points, wishes, lateness)

    @property
    def leaves_out(self) -> bool:
        """Whether the best solution leaves some visit out."""
        served = int(self.best.state.best_counts.sum())
        return served < len(self.tables.slots)

    def construct(self, start: Mapping[int, Sequence[int]] | None = None) -> None:
        """A first solution within milliseconds: from the given routes if there are any, filled up."""
        for worker in self.workers:
            if start is None or not worker.adopt(start):
                worker.adopt({})
            worker.kernel.construct(order=0)
            worker.kernel.keep()

    def run(self, stop: Stop, *, on_better: OnBetter | None = None, should_stop: ShouldStop | None = None) -> None:
        """Improves the solutions until it is time."""
        mean = self._mean_cents()
        schedule = Schedule(stop, len(self.tables.visits), self.stretch_seconds)
        if stop.seconds < ASSEMBLY_SECONDS_LEAST:
            self.assemblies.clear()
        assembled = 0.0
        with ThreadPoolExecutor(len(self.workers)) as threads:
            while not schedule.is_over() and not (should_stop is not None and should_stop()):
                if self.assemblies and schedule.share() >= self.assemblies[0]:
                    self.assemblies.pop(0)
                    # On large days the routes take longer to list than to choose from: what does not fit is left.
                    counted = stop.solutions is not None
                    allowed = schedule.left() if counted else min(schedule.left(), ASSEMBLY_SHARE * stop.seconds)
                    better = (counted or assembled * 1.2 < schedule.left()) and self.assemble(allowed, counted=counted)
                    assembled = max(assembled, time.monotonic() - schedule.now)
                else:
                    temperature = mean * schedule.temperature()
                    better = self._anneal(threads, schedule.stretch, temperature, POOL_WITHIN * mean)
                    schedule.note(time.monotonic() - schedule.now)
                if better:
                    schedule.improved()
                    if on_better is not None:
                        on_better(self.score())

    def _anneal(self, threads: ThreadPoolExecutor, iterations: int, temperature: float, pool_within: float) -> bool:
        before = self._rank(self.best)

        def work(worker: Worker) -> None:
            worker.kernel.anneal(
                iterations,
                temperature,
                temperature,
                removed_mean=REMOVED_MEAN,
                string_max=STRING_MAX,
                blink=BLINK,
                pool_within=pool_within,
            )

        if len(self.workers) == 1:
            work(self.workers[0])
        else:
            list(threads.map(work, self.workers))
        return self._rank(self.best) < before

    def _mean_cents(self) -> float:
        """What one visit costs in the first solution, those left out aside."""
        state = self.best.state
        served = state.where[self.tables.visits[:, FIRST_SLOT], ROUTE] >= 0
        out = float(self.tables.visits[~served, PRICE].sum())
        return max(1.0, (float(state.totals[SUM_WISHES]) - out) / max(1, int(served.sum())))

    # ---- putting plans together

    def scale(self) -> tuple[int, int]:
        """What a cent of lateness and one of wishes weigh where both are added up."""
        weight = float(self.tables.weights[1])
        return (int(weight), 1) if weight >= 1 else (1, round(1 / weight))

    def _best_cost(self) -> int:
        lateness, wishes = self.scale()
        totals = self.best.state.best_totals
        points = int(totals[SUM_POINTS]) * POINT_CENTS * wishes
        return points + int(totals[SUM_LATENESS]) * lateness + int(totals[SUM_WISHES]) * wishes

    def assemble(self, seconds: float, more: Sequence[Column] = (), *, counted: bool = False) -> bool:
        """Lets CP-SAT put known routes together; whether the best solution became better. Where iterations are
        `counted` its effort is counted too, so that the answer is the same however fast the machine."""
        if not len(self.tables.visits):
            return False
        columns: list[Column] = columns_of(self.tables, [each.state for each in self.workers], self.scale())
        columns += more
        found = choose(
            self.tables,
            columns,
            self._best_cost(),
            scale=self.scale(),
            seconds=seconds,
            seed=self.seed,
            counted=counted,
        )
        if found is None:
            return False
        best = self.best
        before = best.best_routes()
        if best.adopt(routes_of(self.tables, found)) and best.kernel.keep_if_better():
            return True
        if not best.adopt(before):
            best.adopt({})
            best.kernel.construct(order=0)
        return False

    def pool_routes(self, most: int) -> list[tuple[int, tuple[int, ...], tuple[int, ...], int, int]]:
        """Vehicle, slots, starts, cents of lateness and of wishes of the routes seen in the best solutions."""
        found: list[tuple[int, tuple[int, ...], tuple[int, ...], int, int]] = []
        for state in (worker.state for worker in self.workers):
            rows = np.flatnonzero(state.pool_facts[:, POOL_COUNT] > 0)
            nearest = rows[np.argsort(state.pool_facts[rows, POOL_ENERGY], kind="stable")]
            for row in nearest[: most // len(self.workers)].tolist():
                facts = state.pool_facts[row]
                count = int(facts[POOL_COUNT])
                slots, starts = state.pool[row, :count].tolist(), state.pool_starts[row, :count].tolist()
                costs = int(facts[POOL_LATENESS]), int(facts[POOL_WISHES])
                found.append((int(facts[POOL_VEHICLE]), tuple(slots), tuple(starts), *costs))
        return found

    def best_columns(self) -> list[Column]:
        """The routes of the best solution, which is driven for that; none if it cannot be driven alone."""
        best, scale = self.best, self.scale()
        routes = best.best_routes()
        if not best.adopt(routes):
            return []
        facts, where = best.state.facts, best.state.where
        return [
            Column(
                vehicle,
                tuple(slots),
                tuple(where[slots, START].tolist()),
                int(facts[vehicle, LATENESS]) * scale[0] + int(facts[vehicle, WISHES]) * scale[1],
            )
            for vehicle, slots in routes.items()
        ]

    # ---- what comes out

    def score(self) -> Score:
        """What the best solution is worth, by the kernel's own account."""
        state, policy = self.best.state, self.model.problem.policy
        amounts = {
            Tier.HARD: 0,
            Tier.MANDATORY: int(state.best_totals[SUM_POINTS]),
            Tier.LATENESS: int(state.best_totals[SUM_LATENESS] + state.best_totals[SUM_WORST]),
            Tier.WISHES: int(state.best_totals[SUM_WISHES] + state.best_balance[0]),
        }
        return Score(
            levels=tuple(sum(amounts[goal] for goal in tier) for tier in policy.tiers),
            violations=0,
            mandatory_points=amounts[Tier.MANDATORY],
            lateness_cents=amounts[Tier.LATENESS],
            wishes_cents=amounts[Tier.WISHES],
        )

    def draft(self) -> Draft:
        """The best solution; linked visits are promised the starts they have."""
        state, visit_of = self.best.state, self.tables.slots[:, VISIT].tolist()
        draft = Draft(self.model)
        routes = self.best.best_routes()
        for vehicle, slots in routes.items():
            for position, slot in enumerate(slots, start=1):
                number = visit_of[slot]
                if self.model.is_linked[number]:
                    start = int(state.best_starts[vehicle, position])
                    draft.promises[number] = Promise(start, start)
        for vehicle, slots in routes.items():
            fetched = state.best_fetched[vehicle, 1 : len(slots) + 1].tolist()
            fetches = {
                visit_of[slot]: Fetch(
                    int(self.tables.slots[slot, FETCH_STOCK]),
                    tuple(sorted(self.model.visits[visit_of[slot]].parts.items())),
                )
                for slot, is_fetched in zip(slots, fetched, strict=True)
                if is_fetched
            }
            draft.adopt(vehicle, [visit_of[slot] for slot in slots], fetches)
        draft.drop_half_served()
        return draft
