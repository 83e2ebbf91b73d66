"""A large day's parts as the planner's child sees them: others take them from the front, it takes them from the back.

What it knows of the others comes from its worker (see ``parts.py``); here is no database, so that a child starts at once.
"""

import base64
import json
import queue
import time
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import structlog

import optimizer
from app.scheduling.rules import PLAN_SECONDS_MAX

# A part that another worker has is solved here as well when it is overdue by so much.
OVERDUE_SECONDS = 2.0
TICK_SECONDS = 0.05

log = structlog.get_logger(__name__)


def pack(document: Mapping[str, Any]) -> str:
    return base64.b85encode(zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)).decode()


def unpack(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(base64.b85decode(text)))
    return document


@dataclass(frozen=True, slots=True)
class PartRequest:
    """A part for a child process, packed. It knows itself how long it may take; longer than a plan none does."""

    part: str
    seconds: float = PLAN_SECONDS_MAX


class Shared:
    """The child's side, a runner of parts: others take them from the front, it takes them from the back."""

    def __init__(self, say: Callable[[dict[str, Any]], None], inbox: "queue.Queue[dict[str, Any]]") -> None:
        self._say, self._inbox = say, inbox
        self._round = 0

    def __call__(self, parts: Sequence[optimizer.Part], /) -> Generator[optimizer.Solved | None, None, None]:
        self._round += 1
        if not parts:
            return
        packed = [pack(optimizer.part_to_json(part)) for part in parts]
        self._say({"parts": packed, "round": self._round, "seconds": parts[0].seconds * len(parts)})
        over = Event()
        thread = ThreadPoolExecutor(1)
        try:
            yield from _Round(parts, self._round, self._say, self._inbox, thread, over).results()
        finally:
            over.set()
            thread.shutdown(cancel_futures=True)


class _Round:
    def __init__(
        self,
        parts: Sequence[optimizer.Part],
        number: int,
        say: Callable[[dict[str, Any]], None],
        inbox: "queue.Queue[dict[str, Any]]",
        thread: ThreadPoolExecutor,
        over: Event,
    ) -> None:
        self.parts, self.number, self.say, self.inbox, self.thread, self.over = parts, number, say, inbox, thread, over
        self.open = set(range(len(parts)))
        # Parts nobody else has: those that were given to us, or failed elsewhere.
        self.free: set[int] = set()
        self.elsewhere: set[int] = set()
        self.asked: int | None = None
        self.mine: tuple[int, Future[optimizer.Solved]] | None = None
        self.idle_since: float | None = None

    def results(self) -> Generator[optimizer.Solved | None, None, None]:
        while self.open:
            self._begin_one()
            found = self._heard() or self._done()
            if found is not None and found.number in self.open:
                self.open.discard(found.number)
                yield found
            elif found is None:
                yield None

    def _begin_one(self) -> None:
        """Solve a part that is free, or ask for the last that others may not have begun."""
        if self.mine is not None or self.asked is not None:
            return
        if free := self.free & self.open:
            self._solve(max(free))
        elif waiting := self.open - self.elsewhere:
            self.asked = max(waiting)
            self.say({"take": self.asked, "round": self.number})
        elif self.open:
            self._solve_overdue(max(self.open))

    def _solve(self, number: int) -> None:
        self.idle_since = None
        self.mine = number, self.thread.submit(optimizer.solve_part, self.parts[number], self.over.is_set)

    def _solve_overdue(self, number: int) -> None:
        now = time.monotonic()
        self.idle_since = self.idle_since or now
        if now - self.idle_since > self.parts[number].seconds + OVERDUE_SECONDS:
            self._solve(number)

    def _heard(self) -> optimizer.Solved | None:
        try:
            message = self.inbox.get(timeout=TICK_SECONDS)
        except queue.Empty:
            return None
        if message.get("round") != self.number:
            return None
        number = int(message["number"])
        if message.get("solved") is not None:
            return optimizer.solved_from_json(unpack(message["solved"]))
        if number == self.asked:
            self.asked = None
        (self.free if message["yours"] else self.elsewhere).add(number)
        return None

    def _done(self) -> optimizer.Solved | None:
        if self.mine is None or not self.mine[1].done():
            return None
        (number, future), self.mine = self.mine, None
        try:
            return future.result()
        except (ImportError, RuntimeError, ValueError) as error:
            log.warning("a part of the day was not solved", part=number, error=repr(error))
            self.open.discard(number)
            return None
