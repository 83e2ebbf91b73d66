"""A part of a large day: what is sent to whoever solves it, what comes back, and how it is solved."""

import time
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from optimizer.model import Model
from optimizer.problem import Problem
from optimizer.stop import ShouldStop, Stop

if TYPE_CHECKING:
    from optimizer.search import Search

# Routes that a part sends back besides its answer.
POOL_PER_PART = 300


@dataclass(frozen=True, slots=True)
class Way:
    """Whom one technician visits in one shift, in this order."""

    technician_id: str
    shift_index: int
    visit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownWay:
    """One that a search has seen: who of the crew this is and when it starts, for each visit, and what the way costs
    in both tiers, in cents."""

    way: Way
    members: tuple[int, ...]
    starts: tuple[int, ...]
    lateness: int
    wishes: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part to be solved: its problem, the ways to begin with, and how long it may take. Can be pickled."""

    number: int
    problem: Problem
    ways: tuple[Way, ...]
    seconds: float
    solutions: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Solved:
    """The answer to the part of this number, and other good ways that were seen."""

    number: int
    ways: tuple[Way, ...]
    pool: tuple[KnownWay, ...] = ()


class Run(Protocol):
    """Solves parts anywhere and in any order, and says None now and then while it waits. A part that cannot be solved
    is left out. Closed, it lets go of what is not done."""

    def __call__(self, parts: Sequence[Part], /) -> Generator[Solved | None, None, None]: ...


def solve_part(part: Part, should_stop: ShouldStop | None = None) -> Solved:
    """Raises `NoCompiler` or `ImportError` where there is no compiled search."""
    from optimizer.search import Search

    started = time.monotonic()
    search = Search.of(Model(part.problem), part.seed)
    search.construct(slots_by_vehicle(search, vehicle_visits(search.model, part.ways)))
    left = max(0.0, part.seconds - (time.monotonic() - started))
    search.run(Stop(left, part.solutions), should_stop=should_stop)
    best = visits_by_vehicle(search, search.best.best_routes())
    return Solved(part.number, ways_of(search.model, best), known_ways(search, POOL_PER_PART))


def vehicle_visits(model: Model, ways: Iterable[Way]) -> dict[int, list[int]]:
    """Numbers of vehicles and visits. Raises `KeyError` for what the model does not know."""
    return {
        model.vehicle_number[model.technician_number[way.technician_id], way.shift_index]: [
            model.visit_number[each] for each in way.visit_ids
        ]
        for way in ways
    }


def ways_of(model: Model, visits: Mapping[int, Sequence[int]]) -> tuple[Way, ...]:
    return tuple(
        Way(
            model.technicians[model.vehicles[vehicle].technician].id,
            model.vehicles[vehicle].shift_index,
            tuple(model.visits[number].id for number in numbers),
        )
        for vehicle, numbers in sorted(visits.items())
        if numbers
    )


def slots_by_vehicle(search: "Search", visits: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
    """The members of a crew get its slots in the order of their vehicles; a visit that not all of its crew come to is
    left out."""
    from optimizer.tables import CREW, FIRST_SLOT

    table = search.tables.visits
    come = Counter(number for numbers in visits.values() for number in numbers)
    whole = {number for number, count in come.items() if count == table[number, CREW]}
    free = {number: int(table[number, FIRST_SLOT]) for number in whole}
    slots: dict[int, list[int]] = {}
    for vehicle, numbers in sorted(visits.items()):
        slots[vehicle] = []
        for number in numbers:
            if number in whole:
                slots[vehicle].append(free[number])
                free[number] += 1
    return slots


def visits_by_vehicle(search: "Search", slots: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
    from optimizer.tables import VISIT

    visit_of = search.tables.slots[:, VISIT].tolist()
    return {vehicle: [visit_of[slot] for slot in each] for vehicle, each in slots.items()}


def known_ways(search: "Search", most: int) -> tuple[KnownWay, ...]:
    """The best of the pools: those of solutions nearest to the best one."""
    from optimizer.tables import FIRST_SLOT, VISIT

    table, first = search.tables.slots, search.tables.visits[:, FIRST_SLOT]
    return tuple(
        KnownWay(
            ways_of(search.model, visits_by_vehicle(search, {vehicle: slots}))[0],
            tuple(int(slot - first[table[slot, VISIT]]) for slot in slots),
            starts,
            lateness,
            wishes,
        )
        for vehicle, slots, starts, lateness, wishes in search.pool_routes(most)
    )
