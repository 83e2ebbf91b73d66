"""Large days in parts: technicians who work near each other, with their visits, are a day of their own.

A first plan of the whole day says who works where. Its technicians are split by geography, those at one place by
skill, into parts of about as many visits; whoever shares linked visits stays together while that is a small group,
and linked visits that are shared across a border stand still while the parts are solved. A part is a problem of its
own (`Part`) that can be solved anywhere: in threads, in processes, by other machines. What comes back (`Solved`) is
put into the whole plan where that makes it better, the routes that all parts have seen are put together by CP-SAT,
and the next round cuts along other borders. The whole never gets worse than it was.
"""

import logging
import math
import time
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING

from optimizer.parts import KnownWay, Part, Run, Solved, slots_by_vehicle, solve_part, vehicle_visits, visits_by_vehicle
from optimizer.plan import Plan
from optimizer.problem import Problem
from optimizer.splitting import VISITS_PER_PART, split
from optimizer.stop import OnProgress, ShouldStop, Stop

if TYPE_CHECKING:
    from optimizer.search import OnBetter, Search

logger = logging.getLogger(__name__)

# So often the day is cut anew, and never so often that a part has less time than this.
ROUNDS_MAX, PART_SECONDS_LEAST = 3, 1.5
# Of the time, what putting all known routes together may take.
ASSEMBLY_SHARE = 0.08
TICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class InParts:
    """How a large day is to be solved: `run` solves `at_once` parts at the same time."""

    run: Run
    at_once: int = 1
    visits_per_part: int = VISITS_PER_PART


def solve_in_parts(
    problem: Problem,
    *,
    stop: Stop | None = None,
    seed: int = 0,
    run: Run | None = None,
    at_once: int = 1,
    visits_per_part: int = VISITS_PER_PART,
    should_stop: ShouldStop | None = None,
    on_progress: OnProgress | None = None,
) -> Plan:
    """The best plan found in time, as `solve` makes it, the parts being solved by `run`: one after the other here,
    unless told. The same seed and `stop.solutions` give the same plan, whoever solves the parts."""
    from optimizer.solve import solve

    way = InParts(run or side_by_side(1, should_stop), at_once, visits_per_part)
    return solve(problem, stop=stop, seed=seed, on_progress=on_progress, should_stop=should_stop, in_parts=way)


def side_by_side(workers: int, should_stop: ShouldStop | None = None) -> Run:
    """Solves parts in threads of this process: the compiled search and CP-SAT leave the interpreter to others."""

    def run(parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
        over = Event()
        threads = ThreadPoolExecutor(workers)

        def is_over() -> bool:
            return over.is_set() or (should_stop is not None and should_stop())

        try:
            waiting = {threads.submit(solve_part, part, is_over) for part in parts}
            while waiting:
                done, waiting = wait(waiting, TICK_SECONDS, FIRST_COMPLETED)
                for each in done:
                    yield each.result()
                if not done:
                    yield None
        finally:
            over.set()
            threads.shutdown(cancel_futures=True)

    return run


def improve_in_parts(
    search: "Search",
    stop: Stop,
    in_parts: InParts,
    *,
    seed: int = 0,
    on_better: "OnBetter | None" = None,
    should_stop: ShouldStop | None = None,
) -> None:
    """Improves the best solution of a search of the whole day, part by part, until it is time."""
    _Rounds(search, stop, in_parts, seed, on_better, should_stop).run()


@dataclass(slots=True)
class _Rounds:
    search: "Search"
    stop: Stop
    in_parts: InParts
    seed: int
    on_better: "OnBetter | None"
    should_stop: ShouldStop | None
    started: float = field(default_factory=time.monotonic)
    pool: dict[tuple[str, int, frozenset[str]], KnownWay] = field(default_factory=dict)

    def run(self) -> None:
        count = part_count(len(self.search.model.visits), self.in_parts)
        at_once = min(count, self.in_parts.at_once)
        rounds = ROUNDS_MAX if count > 1 else 1
        if self.stop.solutions is None:
            rounds = max(1, min(rounds, int(self._left() * at_once / (count * PART_SECONDS_LEAST))))
        improved_at = time.monotonic()
        for number in range(rounds):
            if self._must_stop():
                return
            if number > 0:
                self._assemble()
            # What remains is for this round and those after it, and for putting routes together before each of them.
            later = rounds - number - 1
            until = self._elapsed() + self._left() * (1.0 - ASSEMBLY_SHARE * (later > 0)) / (later + 1)
            begun, seconds = self._elapsed(), (until - self._elapsed()) / math.ceil(count / at_once)
            if self._solve_parts(number, rounds, count, until, seconds):
                improved_at = time.monotonic()
            # Whoever solves them may be more, or fewer, than was said.
            at_once = min(count, max(1, round(count * seconds / max(1e-3, self._elapsed() - begun))))
            patience = self.stop.unimproved_seconds
            if patience is not None and time.monotonic() - improved_at >= patience:
                return
        if rounds > 1 and not self._must_stop():
            self._assemble()

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _left(self) -> float:
        return max(0.0, self.stop.seconds - self._elapsed())

    def _must_stop(self) -> bool:
        return self._left() <= 0 or (self.should_stop is not None and self.should_stop())

    def _tell(self) -> None:
        if self.on_better is not None:
            self.on_better(self.search.score())

    def _solve_parts(self, number: int, rounds: int, count: int, until: float, seconds: float) -> bool:
        """One round; whether the whole became better."""
        parts = [
            replace(
                part,
                seconds=seconds,
                solutions=_share(self.stop.solutions, rounds * count),
                seed=self.seed + 104_729 * (number + 1) + part.number,
            )
            for part in split(self.search, count, turn=number / ROUNDS_MAX, cap=self.in_parts.visits_per_part)
        ]
        solved: dict[int, Solved] = {}
        better, following = False, 0
        with closing(self._heard(parts)) as results:
            for result in results:
                if result is not None:
                    solved[result.number] = result
                # Whoever is first, they are put in by their numbers, so that the same plan comes of them.
                while following in solved:
                    better |= self._put_in(parts[following], solved.pop(following))
                    following += 1
                if self._must_stop() or self._elapsed() > until + seconds:
                    break
        for each in sorted(set(solved) & set(range(len(parts)))):
            better |= self._put_in(parts[each], solved[each])
        return better

    def _heard(self, parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
        """What the runner says, until it ends or fails: the day goes on without the parts that are missing."""
        with closing(self.in_parts.run(parts)) as results:
            while True:
                try:
                    result = next(results)
                except StopIteration:
                    return
                except Exception as error:  # noqa: BLE001 - whatever befell a part somewhere, the whole is as good as before
                    logger.warning("Not every part of the day was solved: %r", error)
                    return
                yield result

    def _put_in(self, part: Part, solved: Solved) -> bool:
        """Takes the part's answer over where the whole becomes better by it."""
        search, model = self.search, self.search.model
        try:
            fresh = vehicle_visits(model, solved.ways)
            settled = {visit.id for visit in part.problem.visits if visit is not model.problem.visit_by_id[visit.id]}
            for known in solved.pool:
                # What stands on a border costs something else when it is seen alone.
                if settled.isdisjoint(known.way.visit_ids):
                    self._remember(known)
        except KeyError as error:
            logger.warning("The answer to a part is about something else: there is no %s", error)
            return False
        names = {technician.id for technician in part.problem.technicians}
        own = {number for number, each in enumerate(model.vehicles) if model.technicians[each.technician].id in names}
        best = search.best
        before = best.best_routes()
        visits = {key: each for key, each in visits_by_vehicle(search, before).items() if key not in own}
        visits.update((key, each) for key, each in fresh.items() if key in own)
        slots = slots_by_vehicle(search, visits)
        is_whole = sum(map(len, slots.values())) == sum(map(len, visits.values()))
        if is_whole and best.adopt(slots) and best.kernel.keep_if_better():
            self._tell()
            return True
        best.adopt(before)
        return False

    def _remember(self, known: KnownWay) -> None:
        key = known.way.technician_id, known.way.shift_index, frozenset(known.way.visit_ids)
        if key not in self.pool or (known.lateness, known.wishes) < (self.pool[key].lateness, self.pool[key].wishes):
            self.pool[key] = known

    def _assemble(self) -> None:
        """CP-SAT puts together what the parts of all rounds have seen."""
        from optimizer.assignment import Column
        from optimizer.tables import FIRST_SLOT

        search = self.search
        lateness, wishes = search.scale()
        first = search.tables.visits[:, FIRST_SLOT].tolist()
        columns = search.best_columns()
        for known in self.pool.values():
            ((vehicle, numbers),) = vehicle_visits(search.model, [known.way]).items()
            slots = tuple(first[number] + member for number, member in zip(numbers, known.members, strict=True))
            cost = known.lateness * lateness + known.wishes * wishes
            columns.append(Column(vehicle, slots, known.starts, cost))
        seconds = min(self._left(), ASSEMBLY_SHARE * self.stop.seconds)
        if search.assemble(seconds, columns, counted=self.stop.solutions is not None):
            self._tell()


def _share(solutions: int | None, of: int) -> int | None:
    return None if solutions is None else max(1, solutions // of)


def part_count(visits: int, in_parts: InParts) -> int:
    """As many parts as keep all at work."""
    count = max(1, round(visits / in_parts.visits_per_part))
    if count > in_parts.at_once:
        count = math.ceil(count / in_parts.at_once) * in_parts.at_once
    return count
