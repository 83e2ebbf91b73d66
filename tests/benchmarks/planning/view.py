"""What every engine is told of a problem, and how its answer becomes a plan of ours.

A job is one stop of one technician. Visits that depend on one another (crews, sequences, same technician) are what peers
cannot say: they get them where our construction has put them, with technician and start held. Who can say when one
has to start after another (`links`) is told that instead, where nothing else binds them. An answer is the order of
jobs by vehicle: it is timed by our timeline, and what a rule the peer does not know has pushed out is put back by our
construction where it fits. Peers are helped by both, never hurt.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

import numpy

from optimizer import Plan, PlannedStop, Problem, Route, Stop, solve
from optimizer.construct import fill
from optimizer.draft import Draft
from optimizer.fits import Interval
from optimizer.model import Model
from optimizer.solve import sound

# What a mandatory visit is worth to engines that know prices alone: more than any wish.
MANDATORY_CENTS = 10_000_000

Answer = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Job:
    """`starts` by vehicle; `due_minute` and what each minute beyond costs; the price of leaving it out."""

    visit: int
    place: int
    starts: dict[int, tuple[Interval, ...]]
    price_cents: int
    due_minute: int | None
    lateness_cents: int


@dataclass
class View:
    """Worked out as far as it is asked for: our own engine asks for the problem alone."""

    problem: Problem
    links: bool = False
    _arrays: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.links = self.links and all(
            visit.crew_size == 1 and visit.same_technician_as is None and all(each.from_start for each in visit.after)
            for visit in self.problem.visits
        )

    @cached_property
    def model(self) -> Model:
        return Model(self.problem)

    @cached_property
    def held(self) -> Draft | None:
        """Our first plan, where linked visits stand."""
        if self.links or not any(self.model.is_linked):
            return None
        return Draft.from_plan(self.model, solve(self.problem, stop=Stop(seconds=0)))

    @cached_property
    def jobs(self) -> list[Job]:
        return [job for number in range(len(self.model.visits)) for job in self._jobs_of(number)]

    def _jobs_of(self, number: int) -> list[Job]:
        if self.links or not self.model.is_linked[number]:
            return self._job(number, {vehicle: self._starts(vehicle, number) for vehicle in range(self.vehicle_count)})
        assert self.held is not None
        if number not in self.held.served:
            return []
        start = self.held.start_of(number)
        return [job for vehicle in self.held.served[number] for job in self._job(number, {vehicle: ((start, start),)})]

    def _starts(self, vehicle: int, number: int) -> tuple[Interval, ...]:
        shift = self.model.vehicles[vehicle]
        return tuple(
            (max(low, shift.first_minute), min(high, shift.last_minute))
            for low, high in self.model.starts(shift.technician, number)
            if low <= shift.last_minute and high >= shift.first_minute
        )

    def _job(self, number: int, starts: dict[int, tuple[Interval, ...]]) -> list[Job]:
        open_to = {vehicle: each for vehicle, each in starts.items() if each}
        if not open_to:
            return []
        visit, weight = self.model.visits[number], self.problem.policy.priority_weight
        price = MANDATORY_CENTS * weight(visit.priority) if visit.mandatory else visit.price_cents
        late = visit.lateness_cents_per_minute * weight(visit.priority) if visit.due_minute is not None else 0
        return [Job(number, self.model.place[number], open_to, price, visit.due_minute, late)]

    @property
    def vehicle_count(self) -> int:
        return len(self.model.vehicles)

    def legs(self, vehicle: int, places: Sequence[int]) -> tuple[Any, Any]:
        """Cents and minutes between these places for the technician, as arrays; nowhere is everywhere near."""
        technician = self.model.vehicles[vehicle].technician
        person = self.model.technicians[technician]
        matrix = self.model.travel[technician]
        if id(matrix) not in self._arrays:
            arrays = [numpy.array(rows, dtype=numpy.int64) for rows in (self.model.minutes[technician], matrix.metres)]
            self._arrays[id(matrix)] = arrays[0], arrays[1]
        # NOWHERE is -1: a row and a column of zeros behind the last.
        minutes, metres = (
            numpy.pad(each, ((0, 1), (0, 1)))[numpy.ix_(places, places)] for each in self._arrays[id(matrix)]
        )
        cents = minutes * person.cost_cents_per_minute + (metres * person.cost_cents_per_kilometre + 500) // 1000
        return cents, minutes

    def legs_key(self, vehicle: int) -> tuple[int, int, int]:
        """Equal for technicians whose legs are equal."""
        technician = self.model.vehicles[vehicle].technician
        person = self.model.technicians[technician]
        return id(self.model.travel[technician]), person.cost_cents_per_minute, person.cost_cents_per_kilometre

    def own_cents(self, vehicle: int, job: Job) -> int:
        """What the technician costs at the job wherever it stands."""
        return self.model.own_cents(self.model.vehicles[vehicle].technician, job.visit)

    def hard_starts(self, job: Job) -> list[tuple[int, int]]:
        """For engines with one set of windows for all: those of most technicians, the due time as a hard end."""
        count = Counter(job.starts.values())
        chosen = max(count, key=lambda starts: (count[starts], starts))
        due = inf if job.due_minute is None else job.due_minute
        return [(low, int(min(high, due))) for low, high in chosen if low <= due] or list(chosen)

    def work_minutes(self, vehicle: int, job: Job) -> int:
        return self.model.duration[self.model.vehicles[vehicle].technician][job.visit]

    def plan(self, answer: Answer, starts: Mapping[int, int] | None = None) -> Plan:
        """The plan with these jobs in this order by vehicle; sound, with its score. `starts` of linked jobs are
        those of the engine where it chose them."""
        routes: list[Route] = []
        for vehicle, numbers in enumerate(answer):
            if numbers:
                one = self.model.vehicles[vehicle]
                stops = tuple(self._stop(number, starts or {}) for number in numbers)
                technician = self.model.technicians[one.technician].id
                routes.append(Route(technician, one.shift_index, 0, 0, 0, 0, stops))
        draft = Draft.from_plan(self.model, Plan(routes=tuple(routes)))
        if len(draft.served) < len(self.model.visits):
            fill(draft)
        return sound(self.problem, draft)

    def _stop(self, number: int, starts: Mapping[int, int]) -> PlannedStop:
        job = self.jobs[number]
        start = starts.get(number, 0)
        if self.held is not None and self.model.is_linked[job.visit]:
            start = self.held.start_of(job.visit)
        return PlannedStop(self.model.visits[job.visit].id, start, start, start, 0, 0)
