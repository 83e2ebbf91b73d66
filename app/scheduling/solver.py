"""The planner in a process of its own: it may think hard without the server noticing, and it can be stopped at once.

``solve_apart`` starts ``python -m app.scheduling.solver``, writes it one request and reads lines of JSON: progress, then
the plan. The child ends when its input is closed, so it does not outlive a server that was killed.
"""

import asyncio
import json
import os
import pickle
import struct
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import optimizer
from app.scheduling.estimate import Estimate

GRACE_SECONDS = 60.0
PROGRESS_SECONDS = 0.5
LINE_BYTES_MAX = 256 * 1024 * 1024
_LENGTH = struct.Struct(">Q")

Progress = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One question. An estimated travel matrix is made where it is needed: it is the largest part by far.

    ``travel`` is the matrix by road, where a road server told it.
    """

    technicians: tuple[optimizer.Technician, ...]
    visits: tuple[optimizer.Visit, ...]
    places: tuple[optimizer.Place, ...]
    origin: datetime
    published: optimizer.Plan | None
    seconds: float
    seed: int = 0
    estimate: Estimate = field(default_factory=Estimate)
    travel: optimizer.TravelMatrix | None = None

    def problem(self) -> optimizer.Problem:
        """The problem with its travel matrix."""
        return optimizer.Problem(
            technicians=self.technicians,
            visits=self.visits,
            places=self.places,
            travel=self.travel or self.estimate.between(self.places),
            origin=self.origin,
            published=self.published,
        )


class SolveFailed(Exception):
    """There is no plan; the message says why."""


class SolveCanceled(Exception):
    """Somebody stopped the search."""


async def solve_apart(
    request: Request,
    *,
    on_progress: Callable[[Progress], Awaitable[object]],
    should_stop: Callable[[], Awaitable[bool]],
    poll_seconds: float = 1.0,
    grace_seconds: float = GRACE_SECONDS,
) -> optimizer.Plan:
    """The plan of a child process. ``should_stop`` is asked about once a second; a yes ends the child at once."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.scheduling.solver",
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES_MAX,
        start_new_session=True,  # Ctrl-C is for the server, which then ends the child
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
    )
    try:
        await _send(process, request)
        deadline = time.monotonic() + request.seconds + grace_seconds
        return await _listen(process, on_progress, should_stop, poll_seconds, deadline)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()


async def _send(process: Process, request: Request) -> None:
    assert process.stdin is not None
    body = await asyncio.to_thread(pickle.dumps, request, protocol=pickle.HIGHEST_PROTOCOL)
    process.stdin.write(_LENGTH.pack(len(body)) + body)
    try:
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        raise SolveFailed("The planner did not start.") from None


async def _listen(
    process: Process,
    on_progress: Callable[[Progress], Awaitable[object]],
    should_stop: Callable[[], Awaitable[bool]],
    poll_seconds: float,
    deadline: float,
) -> optimizer.Plan:
    assert process.stdout is not None
    reading = asyncio.ensure_future(process.stdout.readline())
    try:
        while True:
            await asyncio.wait({reading}, timeout=poll_seconds)
            if await should_stop():
                raise SolveCanceled
            if time.monotonic() > deadline:
                raise SolveFailed("The planner took too long.")
            if not reading.done():
                continue
            line = reading.result()
            if not line:
                raise SolveFailed("The planner stopped without an answer.")
            answer = json.loads(line)
            if "error" in answer:
                raise SolveFailed(answer["error"])
            if "plan" in answer:
                return optimizer.plan_from_json(answer["plan"])
            await on_progress(answer["progress"])
            reading = asyncio.ensure_future(process.stdout.readline())
    finally:
        reading.cancel()


def score_as_json(score: optimizer.Score | None) -> dict[str, Any]:
    """What a plan is worth, lower is better, by the goals in their order."""
    if score is None:
        return {}
    return {
        "mandatory_points": score.mandatory_points,
        "lateness_cents": score.lateness_cents,
        "wishes_cents": score.wishes_cents,
    }


def main() -> None:
    """The child: one request from standard input, lines of JSON to what was standard output."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # Whatever a library prints must not mix with the answers.
    os.dup2(2, 1)
    os.nice(5)
    source = sys.stdin.buffer
    (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
    request: Request = pickle.loads(source.read(length))
    threading.Thread(target=_end_with, args=(source,), daemon=True).start()
    last = [-PROGRESS_SECONDS]

    def tell(elapsed_seconds: float, score: optimizer.Score) -> None:
        if elapsed_seconds - last[0] >= PROGRESS_SECONDS:
            last[0] = elapsed_seconds
            progress = {"elapsed_seconds": round(elapsed_seconds, 2), "score": score_as_json(score)}
            _say(answers, {"progress": progress})

    try:
        plan = optimizer.solve(
            request.problem(),
            stop=optimizer.Stop(seconds=request.seconds),
            seed=request.seed,
            on_progress=tell,
        )
    except optimizer.InvalidProblem as error:
        _say(answers, {"error": f"The planner cannot use this day: {error}"})
    else:
        _say(answers, {"plan": optimizer.plan_to_json(plan)})


def _say(answers: Any, message: dict[str, Any]) -> None:
    data = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    while data:
        data = data[answers.write(data) :]


def _end_with(source: BinaryIO) -> None:
    source.read(1)
    os._exit(1)


if __name__ == "__main__":
    main()
