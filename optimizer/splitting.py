"""How a large day is split into parts: by where its technicians work, those at one place by skill."""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from optimizer.construct import groups_of
from optimizer.matrix import TravelMatrix
from optimizer.parts import Part, visits_by_vehicle, ways_of
from optimizer.plan import Plan, Route
from optimizer.problem import Pin, Problem, Stock, Technician, Visit

if TYPE_CHECKING:
    from optimizer.search import Search

VISITS_PER_PART = 250
# Technicians bound by linked visits stay together up to this share of a part.
BOUND_SHARE_MAX = 0.3


@dataclass(frozen=True, slots=True)
class _Circle:
    """Technicians who stay together, where they work, and how much."""

    technicians: tuple[int, ...]
    east: float
    north: float
    skills: tuple[str, ...]
    weight: float


def split(search: "Search", count: int, *, turn: float = 0.0, cap: int = VISITS_PER_PART) -> list[Part]:
    """Parts that hold each technician once, and each visit at most once but for linked ones on a border.
    `turn` says by which share of a right angle the borders are turned."""
    model = search.model
    day = _Split(search)
    angle = turn * math.pi / 2
    circles = day.circles(BOUND_SHARE_MAX * cap)
    groups = _bisected(circles, count, math.cos(angle), math.sin(angle))
    crews = [sorted(each for circle in group for each in circle.technicians) for group in groups]
    return day.parts([crew for crew in crews if crew]) if model.visits else []


def _bisected(circles: Sequence[_Circle], count: int, cosine: float, sine: float) -> list[list[_Circle]]:
    """Halves of halves, cut across where they are longest."""
    if count <= 1 or len(circles) <= 1:
        return [list(circles)]

    def along(circle: _Circle) -> float:
        return circle.east * cosine + circle.north * sine

    def across(circle: _Circle) -> float:
        return circle.north * cosine - circle.east * sine

    def spread(way: Callable[[_Circle], float]) -> float:
        values = sorted(map(way, circles))
        return values[len(values) * 9 // 10] - values[len(values) // 10]

    way = along if spread(along) >= spread(across) else across
    ordered = sorted(circles, key=lambda each: (round(way(each), 3), each.skills, each.technicians))
    first = count // 2
    goal = sum(each.weight for each in ordered) * first / count
    cut, weight = 0, 0.0
    while cut < len(ordered) - 1 and weight + ordered[cut].weight / 2 < goal:
        weight += ordered[cut].weight
        cut += 1
    cut = max(1, cut)
    halves = (ordered[:cut], first), (ordered[cut:], count - first)
    return [part for half, each in halves for part in _bisected(half, each, cosine, sine)]


class _Split:
    """What splitting needs to know of the best solution: who serves what, when linked visits start, what is fetched."""

    def __init__(self, search: "Search") -> None:
        self.search, self.model = search, search.model
        self.ways = visits_by_vehicle(search, search.best.best_routes())
        self.who: dict[int, list[int]] = defaultdict(list)
        self.start: dict[int, int] = {}
        starts = search.best.state.best_starts
        for vehicle, numbers in self.ways.items():
            for position, number in enumerate(numbers, start=1):
                self.who[number].append(self.model.vehicles[vehicle].technician)
                self.start[number] = int(starts[vehicle, position])
        self.groups = groups_of(self.model)
        self.grouped = {number for group in self.groups for number in group}

    def circles(self, weight_max: float) -> list[_Circle]:
        """Who shares linked visits is joined, the smallest circles first, while that is few enough work."""
        root = list(range(len(self.model.technicians)))
        weight = [0.0] * len(root)
        for vehicle, numbers in self.ways.items():
            weight[self.model.vehicles[vehicle].technician] += len(numbers)

        def find(each: int) -> int:
            while root[each] != each:
                root[each] = root[root[each]]
                each = root[each]
            return each

        for group in self.groups:
            met = sorted({find(person) for number in group for person in self.who.get(number, ())})
            if len(met) > 1 and sum(weight[each] for each in met) <= weight_max:
                for other in met[1:]:
                    root[other] = met[0]
                    weight[met[0]] += weight[other]
        members: dict[int, list[int]] = defaultdict(list)
        for person in range(len(root)):
            members[find(person)].append(person)
        return [self._circle(tuple(people), weight[one]) for one, people in sorted(members.items())]

    def _circle(self, people: tuple[int, ...], weight: float) -> _Circle:
        places = [
            self.model.place[number]
            for person in people
            for vehicle in self.model.vehicles_of[person]
            for number in self.ways.get(vehicle, ())
        ] or [
            self.model.vehicles[vehicle].start_place for person in people for vehicle in self.model.vehicles_of[person]
        ]
        points = [self._point(place) for place in places] or [(0.0, 0.0)]
        east, north = (sum(axis) / len(points) for axis in zip(*points, strict=True))
        skills = tuple(sorted({name for person in people for name in self.model.technicians[person].skills}))
        # Who has nothing to do yet may take over from others.
        return _Circle(people, east, north, skills, weight + 0.5 * len(people))

    def _point(self, index: int) -> tuple[float, float]:
        """Kilometres from where both coordinates are 0."""
        place = self.model.problem.places[index]
        return 111.2 * place.longitude * math.cos(math.radians(place.latitude)), 111.2 * place.latitude

    def parts(self, crews: Sequence[Sequence[int]]) -> list[Part]:
        part_of = {person: number for number, crew in enumerate(crews) for person in crew}
        own, still = self._shared_out(part_of, len(crews))
        stocks = self._stocks_of(own, part_of)
        return [self._part(number, crew, own[number], still, stocks[number]) for number, crew in enumerate(crews)]

    def _shared_out(self, part_of: Mapping[int, int], count: int) -> tuple[list[list[int]], set[int]]:
        """The visits of each part, and those that stand still: linked ones of a group that lies in several parts.
        What such a group leaves out, nobody looks at in this round."""
        own: list[list[int]] = [[] for _ in range(count)]
        still: set[int] = set()
        singles = [[number] for number in range(len(self.model.visits)) if number not in self.grouped]
        for group in [*singles, *self.groups]:
            met = {part_of[person] for number in group for person in self.who.get(number, ())}
            if not met:
                near = self._near(group, part_of, count)
                if near is not None:
                    own[near].extend(group)
            elif len(met) == 1:
                own[met.pop()].extend(group)
            else:
                still.update(number for number in group if number in self.who)
                for number in group:
                    for part in sorted({part_of[person] for person in self.who.get(number, ())}):
                        own[part].append(number)
        return [sorted(each) for each in own], still

    def _near(self, group: Sequence[int], part_of: Mapping[int, int], count: int) -> int | None:
        """The part of the nearest visit whose technicians may serve the whole group; None when no part can."""
        able = self._able(group, part_of, count)
        for other in self.search.tables.neighbours[group[0]].tolist():
            for person in self.who.get(other, ()):
                if part_of[person] in able:
                    return part_of[person]
        return min(able, key=lambda part: (-able[part], part), default=None)

    def _able(self, group: Sequence[int], part_of: Mapping[int, int], count: int) -> dict[int, int]:
        """Parts with enough technicians for each visit of the group, and how many there are for the first."""
        tables, found = self.search.tables, []
        for number in group:
            vehicles = tables.candidates[tables.candidates_from[number] : tables.candidates_from[number + 1]].tolist()
            people = {self.model.vehicles[vehicle].technician for vehicle in vehicles}
            found.append(Counter(part_of[person] for person in people))
        return {
            part: found[0][part]
            for part in range(count)
            if all(each[part] >= self.model.visits[number].crew_size for number, each in zip(group, found, strict=True))
        }

    def _stocks_of(self, own: Sequence[Sequence[int]], part_of: Mapping[int, int]) -> list[tuple[Stock, ...]]:
        """What the routes of a part fetch is theirs, and an equal share of what is left."""
        stocks = self.model.problem.stocks
        if not stocks:
            return [()] * len(own)
        taken = self._fetched(part_of)
        needed = [{name for number in each for name in self.model.visits[number].parts} for each in own]
        shares: list[list[Stock]] = [[] for _ in own]
        for index, stock in enumerate(stocks):
            parts: list[dict[str, int]] = [dict(taken[number, index]) for number in range(len(own))]
            for name, amount in sorted(stock.parts.items()):
                asking = [number for number in range(len(own)) if name in needed[number]]
                left = amount - sum(each.get(name, 0) for each in parts)
                for place, number in enumerate(asking):
                    share = left // len(asking) + (place < left % len(asking))
                    parts[number][name] = parts[number].get(name, 0) + share
            for number, each in enumerate(parts):
                if needed[number]:
                    shares[number].append(replace(stock, parts=each))
        return [tuple(each) for each in shares]

    def _fetched(self, part_of: Mapping[int, int]) -> dict[tuple[int, int], Counter[str]]:
        """Parts fetched by the technicians of each part from each stock."""
        from optimizer.tables import FETCH_STOCK, VISIT

        tables, state = self.search.tables, self.search.best.state
        found: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        for vehicle, slots in self.search.best.best_routes().items():
            part = part_of[self.model.vehicles[vehicle].technician]
            fetched = state.best_fetched[vehicle, 1 : len(slots) + 1].tolist()
            for slot, is_fetched in zip(slots, fetched, strict=True):
                if is_fetched:
                    visit = self.model.visits[int(tables.slots[slot, VISIT])]
                    found[part, int(tables.slots[slot, FETCH_STOCK])].update(visit.parts)
        return found

    def _part(
        self, number: int, crew: Sequence[int], own: Sequence[int], still: set[int], stocks: tuple[Stock, ...]
    ) -> Part:
        model, problem = self.model, self.model.problem
        people = tuple(model.technicians[person] for person in crew)
        visits = tuple(self._standing(each, set(crew)) if each in still else model.visits[each] for each in own)
        names = {visit.id for visit in visits}
        part = _problem_of(problem, people, visits, stocks, _published(problem.published, names))
        members = set(crew)
        ways = {key: each for key, each in self.ways.items() if model.vehicles[key].technician in members}
        return Part(number, part, ways_of(model, ways), seconds=0.0)

    def _standing(self, number: int, crew: set[int]) -> Visit:
        """A visit on a border: who comes and when is settled, and it must not be given up."""
        who = [person for person in self.who[number] if person in crew]
        return replace(
            self.model.visits[number],
            crew_size=len(who),
            pin=Pin(tuple(self.model.technicians[person].id for person in who), self.start[number]),
            required_technicians=(),
            after=(),
            same_technician_as=None,
            mandatory=True,
            price_cents=0,
        )


def _published(plan: Plan | None, names: set[str]) -> Plan | None:
    """What was published about these visits. Whoever else was to come to them is still named."""
    if plan is None:
        return None
    routes: list[Route] = [
        replace(route, stops=tuple(stop for stop in route.stops if stop.visit_id in names)) for route in plan.routes
    ]
    return Plan(routes=tuple(routes))


def _problem_of(
    problem: Problem,
    technicians: tuple[Technician, ...],
    visits: tuple[Visit, ...],
    stocks: tuple[Stock, ...],
    published: Plan | None,
) -> Problem:
    shifts = [shift for technician in technicians for shift in technician.shifts]
    used = {visit.place for visit in visits} | {stock.place for stock in stocks}
    used |= {place for shift in shifts for place in (shift.start_place, shift.end_place) if place is not None}
    indices = sorted(problem.place_index[place] for place in used)
    profiles = {technician.travel_profile for technician in technicians}
    return replace(
        problem,
        technicians=technicians,
        visits=visits,
        places=tuple(problem.places[index] for index in indices),
        travel=_cut(problem.travel, indices),
        travel_by_profile={
            name: _cut(matrix, indices) for name, matrix in problem.travel_by_profile.items() if name in profiles
        },
        stocks=stocks,
        published=published,
    )


def _cut(matrix: TravelMatrix, indices: Sequence[int]) -> TravelMatrix:
    if not indices:
        return TravelMatrix((), (), matrix.slowdowns)
    # Of one index alone itemgetter makes no tuple.
    pick: Any = itemgetter(*indices) if len(indices) > 1 else lambda row: (row[indices[0]],)
    minutes = tuple(array("i", pick(matrix.minutes[index])) for index in indices)
    metres = tuple(array("i", pick(matrix.metres[index])) for index in indices)
    return TravelMatrix(minutes, metres, matrix.slowdowns)
