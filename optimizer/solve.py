"""Problem in, plan out: construct an answer, let the engines improve it, let nothing out that breaks a rule.

Two engines: `search` (ours, compiled) and `routing` (OR-Tools). Told both, they race from the same first plan, each on a
core. Where the compiled one is missing the other takes its place, and the log says so.
"""

import logging
import os
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from threading import Event

from optimizer.check import check
from optimizer.construct import fill
from optimizer.decompose import InParts, improve_in_parts, side_by_side
from optimizer.draft import Draft
from optimizer.explain import with_reasons
from optimizer.model import Model
from optimizer.plan import Plan, Score, Unassigned
from optimizer.problem import InvalidProblem, Problem
from optimizer.routing import improve
from optimizer.score import scored
from optimizer.stop import OnProgress, ShouldStop, Stop

logger = logging.getLogger(__name__)

ENGINES = ("search", "routing")
PROGRESS_SECONDS = 0.1
RIVAL_POLL_SECONDS = 0.02
# OR-Tools' routing keeps Python's lock but for moments; the search asks for it less often while that is at work.
RACE_STRETCH_SECONDS = 0.2
# For saying why visits are left out: a share of the time, and a little even when there is none left.
REASONS_SHARE = 0.05
REASONS_SECONDS_LEAST = 0.02
# Of the time, what is kept to time, judge and explain the answer; known better once a first plan was judged.
FINISH_SHARE_MAX = 0.25
LEFT_OUT_TRIED_MAX = 50
# From so many visits on a day is improved in parts.
PARTS_FROM = 1_500
# Without the compiled search a first plan may take so long, whatever time there is.
FIRST_PLAN_SECONDS = 2.0


def solve(
    problem: Problem,
    *,
    stop: Stop | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    engines: Sequence[str] = ("search",),
    workers: int = 1,
    in_parts: InParts | None = None,
) -> Plan:
    """The best plan found in time, with its score and a reason for each visit left out; it passes `check`.

    `on_progress(elapsed_seconds, score)` hears of better plans, `should_stop()` is asked often and ends the
    search with the best plan so far. Both are called in the caller's thread, and exceptions from either come out of
    here. Of two `engines`, each on a core, the better answer counts, the search's where they are equal, and of
    `PARTS_FROM` visits and more always the search's; `workers` search side by side, each on a core. With `in_parts`
    the search improves the day part by part (see `decompose.py`), parts being solved wherever it says; days of
    `PARTS_FROM` visits and more are always improved so, by the workers unless told.
    """
    for name in engines:
        if name not in ENGINES:
            raise InvalidProblem("engines", f"must be of {', '.join(ENGINES)}, not “{name}”.")
    if workers < 1:
        raise InvalidProblem("workers", "must be at least 1.")
    cores = min(workers, os.cpu_count() or 1)
    if in_parts is None and len(problem.visits) >= PARTS_FROM:
        in_parts = InParts(side_by_side(cores, should_stop), cores)
    return _Solving(problem, stop or Stop(), seed, on_progress, should_stop, tuple(engines), cores, in_parts).run()


@dataclass(slots=True)
class _Solving:
    problem: Problem
    stop: Stop
    seed: int
    on_progress: OnProgress | None
    should_stop: ShouldStop | None
    engines: tuple[str, ...]
    workers: int
    in_parts: InParts | None = None
    started: float = 0.0
    told_at: float = -1.0
    told: Score | None = None
    rival: "_Rival | None" = None

    def run(self) -> Plan:
        self.started = time.monotonic()
        model = Model(self.problem)
        draft = None
        try:
            if "search" in self.engines and model.vehicles and model.visits and not self._must_stop():
                draft = self._searched(model)
            if draft is None:
                draft = self._constructed(model)
                best = sound(self.problem, draft)
                self._tell(best.score)
                best = self._routed(draft, best, self.stop)
            else:
                best = sound(self.problem, draft)
                if self.rival is not None:
                    best = self._better(best, self.rival.answer(self._must_stop))
        finally:
            if self.rival is not None:
                self.rival.close()
        self._tell(best.score)
        until = max(self._elapsed() + REASONS_SECONDS_LEAST, self.stop.seconds)
        return with_reasons(self.problem, best, model, lambda: self._elapsed() > until)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _left(self) -> float:
        return max(0.0, self.stop.seconds - self._elapsed())

    def _must_stop(self) -> bool:
        if self.rival is not None:
            for score in self.rival.news():
                self._tell_at_times(score)
        return self.should_stop is not None and self.should_stop()

    def _tell(self, value: Score | None) -> None:
        if self.on_progress is None or value is None or (self.told is not None and not value < self.told):
            return
        self.told, self.told_at = value, self._elapsed()
        self.on_progress(self.told_at, value)

    def _tell_at_times(self, value: Score) -> None:
        if self._elapsed() - self.told_at >= PROGRESS_SECONDS:
            self._tell(value)

    def _constructed(self, model: Model) -> Draft:
        draft, most = Draft(model), max(self.stop.seconds, FIRST_PLAN_SECONDS)
        fill(draft, lambda: self._must_stop() or self._elapsed() > most)
        return draft

    def _searched(self, model: Model) -> Draft | None:
        """The compiled search's answer; None where there is no compiled search."""
        from optimizer.native import NoCompiler

        try:
            from optimizer.search import Search

            search = Search.of(model, self.seed, 1 if self.in_parts is not None else self.workers)
        except (ImportError, NoCompiler) as error:
            logger.warning("The compiled search is not there, OR-Tools plans alone: %s", error)
            return None
        search.construct()
        begun = time.monotonic()
        first = self._completed(search.draft())
        self._tell(sound(self.problem, first).score)
        # Timing and judging the answer at the end will take about as long as now, and saying why not longer.
        finish = 1.5 * (time.monotonic() - begun) + (REASONS_SHARE * self.stop.seconds if search.leaves_out else 0.0)
        seconds = max(0.0, self._left() - min(finish, FINISH_SHARE_MAX * self.stop.seconds))
        if seconds == 0 or self._must_stop():
            return first
        if "routing" in self.engines and len(model.visits) < PARTS_FROM:
            self.rival = _Rival(first, replace(self.stop, seconds=seconds), self.seed)
            search.stretch_seconds = RACE_STRETCH_SECONDS
        stop, report = (
            replace(self.stop, seconds=seconds),
            self._tell_at_times if self.on_progress is not None else None,
        )
        if self.in_parts is not None:
            improve_in_parts(search, stop, self.in_parts, seed=self.seed, on_better=report, should_stop=self._must_stop)
        else:
            search.run(stop, on_better=report, should_stop=self._must_stop)
        return self._completed(search.draft())

    def _completed(self, draft: Draft) -> Draft:
        """The last few visits left out are tried once more: a draft knows every stock, the search only the nearest."""
        out = len(draft.model.visits) - len(draft.served)
        if out and (self.problem.stocks or out <= LEFT_OUT_TRIED_MAX):
            fill(draft, lambda: self._must_stop() or self._elapsed() > self.stop.seconds)
        return draft

    def _routed(self, draft: Draft, best: Plan, stop: Stop) -> Plan:
        """The better of this plan and OR-Tools', which goes on from it."""
        if not draft.model.vehicles or not draft.model.visits or self._must_stop():
            return best
        left, offset = replace(stop, seconds=self._left()), self._elapsed()
        report = None if self.on_progress is None else lambda at, value: self._tell_later(at + offset, value)
        try:
            improved = improve(draft, stop=left, seed=self.seed, on_progress=report, should_stop=self.should_stop)
        except ImportError:
            logger.warning("OR-Tools is not installed; the plan is the constructed one.")
            return best
        return self._better(best, improved)

    def _better(self, best: Plan, improved: Draft | None) -> Plan:
        """This plan, or that of the draft where it is better."""
        if improved is None:
            return best
        until = self._elapsed() + FINISH_SHARE_MAX * self.stop.seconds
        fill(improved, lambda: self._must_stop() or self._elapsed() > until)
        better = sound(self.problem, improved)
        return better if better.score is not None and best.score is not None and better.score < best.score else best

    def _tell_later(self, _: float, value: Score) -> None:
        self._tell_at_times(value)


class _Rival:
    """OR-Tools' routing in a thread of its own, from a draft nobody else changes. It never calls the caller's
    functions: what it tells waits until it is asked for, and it ends when it is told."""

    def __init__(self, draft: Draft, stop: Stop, seed: int) -> None:
        self._over = Event()
        self._told: queue.SimpleQueue[Score] = queue.SimpleQueue()
        self._thread = ThreadPoolExecutor(1)
        self._draft: Future[Draft] = self._thread.submit(
            improve,
            draft,
            stop=stop,
            seed=seed,
            on_progress=lambda _, score: self._told.put(score),
            should_stop=self._over.is_set,
        )

    def news(self) -> list[Score]:
        """What it has found since it was last asked."""
        found: list[Score] = []
        while not self._told.empty():
            found.append(self._told.get())
        return found

    def answer(self, must_stop: Callable[[], bool]) -> Draft | None:
        """Waits for it; None where OR-Tools is not installed."""
        while not self._draft.done():
            if must_stop():
                self._over.set()
            wait([self._draft], RIVAL_POLL_SECONDS)
        try:
            return self._draft.result()
        except ImportError:
            logger.warning("OR-Tools is not installed; the plan is the search's.")
            return None

    def close(self) -> None:
        self._over.set()
        self._thread.shutdown()


def sound(problem: Problem, draft: Draft) -> Plan:
    """The draft's plan; what breaks a rule after all is taken out, and told to the log."""
    plan = draft.to_plan()
    while violations := check(problem, plan):
        dropped = draft.drop_violating(violations)
        logger.error("The engine broke %s; left out: %s.", violations[0], ", ".join(dropped) or "everything")
        if not dropped:
            return scored(problem, Plan(unassigned=tuple(Unassigned(visit.id) for visit in problem.visits)))
        plan = draft.to_plan()
    return scored(problem, plan)
