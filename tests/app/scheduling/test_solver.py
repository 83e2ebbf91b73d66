"""The planner in a process of its own: it answers as in ours, reports, stops when told, and its failures are told."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

import optimizer
from app.scheduling.solver import Request, SolveCanceled, SolveFailed, solve_apart

DAY = datetime(2027, 3, 1, tzinfo=UTC)
REQUEST = Request(
    technicians=(optimizer.Technician(id="ann", shifts=(optimizer.Shift(480, 960, "depot", "depot"),)),),
    visits=tuple(optimizer.Visit(id=f"v{number}", place="mill", duration_minutes=30) for number in range(3)),
    places=(optimizer.Place("depot", 52.5, 13.4), optimizer.Place("mill", 52.55, 13.4)),
    origin=DAY,
    published=None,
    seconds=0,
)


async def never() -> bool:
    return False


async def test_answers_as_the_planner_does_and_reports_on_the_way() -> None:
    heard: list[dict[str, Any]] = []

    async def hear(progress: dict[str, Any]) -> None:
        heard.append(progress)

    plan = await solve_apart(REQUEST, on_progress=hear, should_stop=never)
    assert plan.visit_ids == {"v0", "v1", "v2"}
    assert optimizer.check(REQUEST.problem(), plan) == []
    assert set(heard[0]) == {"before"}
    assert heard[0]["before"]["mandatory_points"] > 0
    assert set(heard[1]) == {"elapsed_seconds", "score"}


async def test_the_loop_goes_on_and_a_cancel_leaves_no_process() -> None:
    beats = 0

    async def beat() -> bool:
        nonlocal beats
        beats += 1
        return beats > 5

    started = time.monotonic()
    with pytest.raises(SolveCanceled):
        await solve_apart(replace(REQUEST, seconds=300), on_progress=ignore, should_stop=beat, poll_seconds=0.02)
    assert time.monotonic() - started < 30
    assert children() == []


async def test_a_caller_that_leaves_takes_the_process_along() -> None:
    task = asyncio.create_task(
        solve_apart(replace(REQUEST, seconds=300), on_progress=ignore, should_stop=never, poll_seconds=0.02)
    )
    while not children():
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []


async def test_a_process_that_dies_or_dawdles_is_told_as_a_failure() -> None:
    async def kill_it() -> bool:
        for child in children():
            child.kill()
        return False

    with pytest.raises(SolveFailed, match=r"stopped without an answer|did not start"):
        await solve_apart(REQUEST, on_progress=ignore, should_stop=kill_it, poll_seconds=0.02)
    with pytest.raises(SolveFailed, match="too long"):
        await solve_apart(
            replace(REQUEST, seconds=300),
            on_progress=ignore,
            should_stop=never,
            poll_seconds=0.02,
            grace_seconds=-300,
        )
    assert children() == []


async def test_a_question_that_contradicts_itself_is_told_in_a_sentence() -> None:
    twice = replace(REQUEST, visits=(REQUEST.visits[0], REQUEST.visits[0]))
    with pytest.raises(SolveFailed, match=r"The planner cannot use this day: visits: “v0” is listed twice\."):
        await solve_apart(twice, on_progress=ignore, should_stop=never)


async def ignore(progress: dict[str, Any]) -> None:
    return None


def children() -> list[psutil.Process]:
    """The planner's processes that we have."""
    found = []
    for child in psutil.Process().children():
        try:
            if "app.scheduling.solver" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found
