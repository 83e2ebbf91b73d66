"""The planner in a process of its own: it may think hard without the server noticing, and it can be stopped at once.

``solve_apart`` starts ``python -m app.scheduling.solver``, writes it one request and reads lines of JSON: progress, then
the plan. The child ends when its input is closed, so it does not outlive a server that was killed.
"""

import asyncio
import json
import os
import pickle
import queue
import struct
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import optimizer
from app.scheduling.estimate import Estimate
from app.scheduling.part_runner import PartRequest, Shared, pack, unpack
from app.scheduling.rules import PlanKind
from app.scheduling.standing import as_it_stands, figures_of, score_as_json

if TYPE_CHECKING:
    from app.scheduling.parts import PartJobs

GRACE_SECONDS = 60.0
PARTS_POLL_SECONDS = 0.2
PROGRESS_SECONDS = 0.5
LINE_BYTES_MAX = 256 * 1024 * 1024
_LENGTH = struct.Struct(">Q")

Progress = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one technician, or that their day alone is to be improved. Minutes are those of the request."""

    kind: PlanKind
    technician_id: str
    from_minute: int = 0
    until_minute: int | None = None
    delay_minutes: int = 0


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
    policy: optimizer.Policy = field(default_factory=optimizer.Policy)
    change: Change | None = None
    # So many visits make a part; None: the day is planned whole.
    visits_per_part: int | None = None

    def problem(self) -> optimizer.Problem:
        """The problem with its travel matrix."""
        return optimizer.Problem(
            technicians=self.technicians,
            visits=self.visits,
            places=self.places,
            travel=self.travel or self.estimate.between(self.places),
            origin=self.origin,
            published=self.published,
            policy=self.policy,
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
    parts: "PartJobs | None" = None,
) -> optimizer.Plan:
    """The plan of a child process. ``should_stop`` is asked about once a second; a yes ends the child at once. Parts of
    a large day go to ``parts``."""
    try:
        answer = await _answer_of(request, on_progress, should_stop, poll_seconds, grace_seconds, parts)
    finally:
        if parts is not None:
            await parts.close()
    return optimizer.plan_from_json(answer["plan"])


async def solve_part_apart(part: str, *, should_stop: Callable[[], Awaitable[bool]]) -> str:
    """The answer of a child process to a part, both packed."""

    async def ignore(progress: Progress) -> None:
        """A part tells nothing on the way."""

    answer = await _answer_of(PartRequest(part), ignore, should_stop, PARTS_POLL_SECONDS, GRACE_SECONDS, None)
    return str(answer["solved"])


async def _answer_of(
    request: Request | PartRequest,
    on_progress: Callable[[Progress], Awaitable[object]],
    should_stop: Callable[[], Awaitable[bool]],
    poll_seconds: float,
    grace_seconds: float,
    parts: "PartJobs | None",
) -> dict[str, Any]:
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
        return await _listen(process, on_progress, should_stop, poll_seconds, deadline, parts)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()


async def _send(process: Process, request: Request | PartRequest) -> None:
    body = await asyncio.to_thread(pickle.dumps, request, protocol=pickle.HIGHEST_PROTOCOL)
    await _write(process, body)


async def _write(process: Process, body: bytes) -> None:
    assert process.stdin is not None
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
    parts: "PartJobs | None",
) -> dict[str, Any]:
    assert process.stdout is not None
    reading = asyncio.ensure_future(process.stdout.readline())
    desk, asked_at = None if parts is None else _PartsDesk(process, parts), 0.0
    try:
        while True:
            await asyncio.wait({reading}, timeout=desk.poll_seconds(poll_seconds) if desk is not None else poll_seconds)
            if time.monotonic() - asked_at >= poll_seconds or desk is None:
                asked_at = time.monotonic()
                if await should_stop():
                    raise SolveCanceled
            if desk is not None:
                await desk.hand_on()
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
            if "plan" in answer or "solved" in answer:
                return dict(answer)
            if "progress" in answer:
                await on_progress(answer["progress"])
            elif desk is not None:
                await desk.heed(answer)
            reading = asyncio.ensure_future(process.stdout.readline())
    finally:
        reading.cancel()


class _PartsDesk:
    """What the child says about parts goes to the queue, and back."""

    def __init__(self, process: Process, parts: "PartJobs") -> None:
        self._process, self._parts = process, parts
        self._round = 0

    def poll_seconds(self, otherwise: float) -> float:
        return min(otherwise, PARTS_POLL_SECONDS) if self._round else otherwise

    async def heed(self, message: dict[str, Any]) -> None:
        """Put a round on the queue, or take one part back from it."""
        self._round = message["round"]
        if "parts" in message:
            await self._parts.offer(message["parts"], message["seconds"])
        else:
            number = message["take"]
            await self._tell({"number": number, "yours": await self._parts.take(number)})

    async def hand_on(self) -> None:
        """Tell the child what others have solved, or failed to."""
        for number, solved in await self._parts.news():
            await self._tell({"number": number, "yours": solved is None, "solved": solved})

    async def _tell(self, message: dict[str, Any]) -> None:
        await _write(self._process, json.dumps({"round": self._round, **message}).encode())


def think(
    request: Request, tell: Callable[[Progress], None], in_parts: optimizer.InParts | None = None
) -> optimizer.Plan:
    """The answer. First it tells what the schedule costs as it stands (``before``), then of each better plan."""
    problem = request.problem()
    standing = as_it_stands(problem)
    tell({"before": figures_of(problem, standing)})

    def on_progress(elapsed_seconds: float, score: optimizer.Score) -> None:
        tell({"elapsed_seconds": round(elapsed_seconds, 2), "score": score_as_json(score)})

    if request.change is not None:
        return changed_plan(problem, standing, request.change)
    return optimizer.solve(
        problem,
        stop=optimizer.Stop(seconds=request.seconds),
        seed=request.seed,
        on_progress=on_progress,
        in_parts=in_parts,
    )


def changed_plan(problem: optimizer.Problem, standing: optimizer.Plan, change: Change) -> optimizer.Plan:
    """The schedule with as little of it changed as the day demands."""
    if change.kind is PlanKind.ROUTE:
        return optimizer.improve_route(problem, standing, change.technician_id).plan
    if change.kind is PlanKind.ABSENCE:
        return optimizer.without_technician(
            problem,
            standing,
            change.technician_id,
            from_minute=change.from_minute,
            until_minute=change.until_minute,
        ).plan
    return optimizer.after_delay(
        problem,
        standing,
        change.technician_id,
        at_minute=change.from_minute,
        delay_minutes=change.delay_minutes,
    ).plan


def main() -> None:
    """The child: one request from standard input, lines of JSON to what was standard output."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # Whatever a library prints must not mix with the answers.
    os.dup2(2, 1)
    os.nice(5)
    source = sys.stdin.buffer
    (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
    request: Request | PartRequest = pickle.loads(source.read(length))
    inbox: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_hear, args=(source, inbox), daemon=True).start()
    if isinstance(request, PartRequest):
        part = optimizer.part_from_json(unpack(request.part))
        _say(answers, {"solved": pack(optimizer.solved_to_json(optimizer.solve_part(part)))})
        return
    told_at = [-PROGRESS_SECONDS]

    def tell(progress: Progress) -> None:
        elapsed_seconds = progress.get("elapsed_seconds")
        if elapsed_seconds is None or elapsed_seconds - told_at[0] >= PROGRESS_SECONDS:
            told_at[0] = told_at[0] if elapsed_seconds is None else elapsed_seconds
            _say(answers, {"progress": progress})

    in_parts = None
    if request.visits_per_part is not None:
        shared = Shared(lambda message: _say(answers, message), inbox)
        in_parts = optimizer.InParts(shared, visits_per_part=request.visits_per_part)
    try:
        plan = think(request, tell, in_parts)
    except optimizer.InvalidProblem as error:
        _say(answers, {"error": f"The planner cannot use this day: {error}"})
    else:
        _say(answers, {"plan": optimizer.plan_to_json(plan)})


def _say(answers: Any, message: dict[str, Any]) -> None:
    data = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    while data:
        data = data[answers.write(data) :]


def _hear(source: BinaryIO, inbox: "queue.Queue[dict[str, Any]]") -> None:
    """What the worker says, until it is gone: then nobody waits for an answer."""
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        inbox.put(json.loads(source.read(length)))
    os._exit(1)


if __name__ == "__main__":
    main()
