"""Planning on a console: a file in, tables, files and pictures out. What `truckroll plan` does, without the command line."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TextIO

from optimizer.check import check
from optimizer.drawing import SUFFIXES, NothingToDraw, draw_gantt, draw_map
from optimizer.files import UnreadableFile, read_plan, read_problem, write_plan
from optimizer.json_schema import json_schema
from optimizer.plan import Plan, Score
from optimizer.problem import Problem
from optimizer.report import cost_table, report, score_line, violations_table
from optimizer.solve import solve
from optimizer.stop import Stop

ConsoleError = (UnreadableFile, NothingToDraw)
Say = Callable[[str], Any]
BAR_CHARACTERS, REDRAW_SECONDS = 30, 0.2


def schema_text() -> str:
    return json.dumps(json_schema(), indent=1)


def require_pictures(*paths: Path | None) -> None:
    """Before anything is searched. Raises `UnreadableFile` where a name does not say what is to be drawn."""
    for path in paths:
        if path is not None and path.suffix not in SUFFIXES:
            raise UnreadableFile(f"{path}: must end in {' or '.join(SUFFIXES)}.")


class Progress:
    """What the search has reached: in place with a bar on a terminal, a line for each better plan elsewhere. While
    it is open, Ctrl-C ends the search instead of the process."""

    def __init__(self, seconds: float, stream: TextIO) -> None:
        self.seconds, self.stream = seconds, stream
        self.is_interrupted = False
        self.problem: Problem | None = None
        self.value: Score | None = None
        self.started = self.drawn = time.monotonic()
        self.width = 0

    def __enter__(self) -> "Progress":
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self.width:
            self._draw()
            self.stream.write("\n")

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.is_interrupted = True

    def hear(self, elapsed_seconds: float, value: Score) -> None:
        """Of a better plan."""
        if value == self.value:
            return
        self.value = value
        if self.stream.isatty():
            self._draw()
        else:
            self.stream.write(f"{elapsed_seconds:6.1f} s  {self._reached()}\n")

    def must_stop(self) -> bool:
        """Asked often while nothing better is found: the bar moves all the same."""
        if self.stream.isatty() and time.monotonic() - self.drawn >= REDRAW_SECONDS:
            self._draw()
        return self.is_interrupted

    def _reached(self) -> str:
        return score_line(self.problem, self.value) if self.problem is not None and self.value is not None else ""

    def _draw(self) -> None:
        self.drawn = time.monotonic()
        elapsed = self.drawn - self.started
        done = min(1.0, elapsed / self.seconds) if self.seconds else 1.0
        text = f"{'█' * round(BAR_CHARACTERS * done):·<{BAR_CHARACTERS}} {elapsed:6.1f} s  {self._reached()}"
        self.stream.write(f"\r{text:<{self.width}}")
        self.stream.flush()
        self.width = len(text)


def solve_file(
    path: Path, seconds: float, seed: int, progress: Progress, workers: int | None = None
) -> tuple[Problem, Plan]:
    """As many workers as there are cores, unless told. Raises `UnreadableFile`."""
    problem = read_problem(path)
    progress.problem = problem
    plan = solve(
        problem,
        stop=Stop(seconds=seconds),
        seed=seed,
        on_progress=progress.hear,
        should_stop=progress.must_stop,
        workers=workers or os.cpu_count() or 1,
    )
    return problem, plan


def hand_out(problem: Problem, plan: Plan, out: Path | None, map_: Path | None, gantt: Path | None, say: Say) -> None:
    """The tables, then the files that were asked for. Raises `UnreadableFile` and `NothingToDraw`."""
    say(report(problem, plan))
    if out is not None:
        write_plan(out, plan)
        say(f"\nWrote {out}.")
    _draw(problem, plan, map_, gantt, say)


def judge(path: Path, plan_path: Path, map_: Path | None, gantt: Path | None, say: Say) -> bool:
    """Whether the plan keeps every rule; says which it breaks and what it costs."""
    problem, plan = read_problem(path), read_plan(plan_path)
    violations = check(problem, plan)
    say(violations_table(violations) if violations else "The plan keeps every rule.")
    say("\n" + cost_table(problem, plan))
    _draw(problem, plan, map_, gantt, say)
    return not violations


def _draw(problem: Problem, plan: Plan, map_: Path | None, gantt: Path | None, say: Say) -> None:
    for path, draw in ((map_, draw_map), (gantt, draw_gantt)):
        if path is not None:
            for written in draw(problem, plan, path):
                say(f"Wrote {written}.")
