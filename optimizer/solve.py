"""Problem in, plan out: construct an answer, let OR-Tools improve it, let nothing out that breaks a rule."""

import logging
import time
from dataclasses import replace

from optimizer.check import check
from optimizer.construct import fill
from optimizer.draft import Draft
from optimizer.explain import with_reasons
from optimizer.model import Model
from optimizer.plan import Plan, Unassigned
from optimizer.problem import Problem
from optimizer.routing import improve
from optimizer.score import scored
from optimizer.stop import OnProgress, ShouldStop, Stop

logger = logging.getLogger(__name__)


def solve(
    problem: Problem,
    *,
    stop: Stop | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Plan:
    """The best plan found in time, with its score and a reason for each visit left out; it passes `check`.

    `on_progress(elapsed_seconds, score)` hears of better plans, `should_stop()` is asked often and ends the
    search with the best plan so far. Exceptions from either come out of here.
    """
    stop, started = stop or Stop(), time.monotonic()
    model = Model(problem)
    draft = Draft(model)
    fill(draft, should_stop)
    best = sound(problem, draft)
    best_draft = draft
    if on_progress is not None and best.score is not None:
        on_progress(time.monotonic() - started, best.score)
    if model.vehicles and model.visits and not (should_stop is not None and should_stop()):
        improved = _improved(best_draft, stop, started, seed, on_progress, should_stop)
        if improved is not None:
            better = sound(problem, improved)
            if best.score is not None and better.score is not None and better.score < best.score:
                best = better
                if on_progress is not None:
                    on_progress(time.monotonic() - started, better.score)
    return with_reasons(problem, best, model)


def _improved(
    draft: Draft,
    stop: Stop,
    started: float,
    seed: int,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> Draft | None:
    left = replace(stop, seconds=max(0.0, stop.seconds - (time.monotonic() - started)))
    offset = time.monotonic() - started
    report = None if on_progress is None else lambda seconds, value: on_progress(seconds + offset, value)
    try:
        improved = improve(draft, stop=left, seed=seed, on_progress=report, should_stop=should_stop)
    except ImportError:
        logger.warning("OR-Tools is not installed; the plan is the constructed one.")
        return None
    fill(improved, should_stop)
    return improved


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
