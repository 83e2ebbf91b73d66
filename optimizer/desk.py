"""A plan laid out for questions: what would one more visit, or one less, change, and what would it cost?

Preparing a `Desk` costs as much as one look at everything; each question afterwards touches a few routes only.
Who is in the plan keeps their start or gets a later one, never an earlier: people were told. What is pinned or
linked to other visits keeps its start exactly. A change is priced by the rules themselves, over the routes it
touches, so that what it says of the whole plan's score is exact.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

from optimizer.change import NO_BILL, Bill, Change, Line, Starts, scored_with
from optimizer.construct import linked_placings
from optimizer.draft import Draft, Promise, fetches_of
from optimizer.fits import FOREVER, intersect
from optimizer.model import NOWHERE, Model
from optimizer.plan import Plan, Route, Score, Unassigned
from optimizer.problem import InvalidProblem, Problem, Visit
from optimizer.rules import (
    Charge,
    Day,
    be_home_on_time,
    drive_little,
    keep_experts_for_what_needs_them,
    lateness_cents,
    published_visits,
    send_whom_the_customer_prefers,
    start_few_shifts,
    surplus_levels,
    wait_little,
)
from optimizer.score import score
from optimizer.supply import surplus, ways_to_supply
from optimizer.timing import Fetch, Timeline, timeline_of

_ROUTE_GOALS: tuple[Callable[[Day], Iterator[Charge]], ...] = (
    drive_little,
    start_few_shifts,
    wait_little,
    be_home_on_time,
    send_whom_the_customer_prefers,
    keep_experts_for_what_needs_them,
)


@dataclass(frozen=True, slots=True)
class Stations:
    """A route as an insertion sees it. Each gap: the place that comes next (a stock, where one is on the way), the
    earliest end of what lies before, the latest minute to stand ready for what lies after, and what the leg between
    costs; the last, the most that one more stop could save elsewhere in the route."""

    places: list[int]
    gaps: list[tuple[int, int, int, int]]
    refundable_cents: int


def placed_in(plan: Plan) -> dict[str, tuple[frozenset[str], int]]:
    """Who comes to each served visit, and when."""
    technicians: dict[str, set[str]] = defaultdict(set)
    starts: dict[str, int] = {}
    for route in plan.routes:
        for stop in route.stops:
            technicians[stop.visit_id].add(route.technician_id)
            starts[stop.visit_id] = max(stop.start_minute, starts.get(stop.visit_id, stop.start_minute))
    return {visit_id: (frozenset(technicians[visit_id]), start) for visit_id, start in starts.items()}


class Desk:
    """One plan and what is asked of it; nothing here changes either, so threads may share it."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self.problem = problem
        self.plan = replace(plan, score=score(problem, plan))
        # Times are chosen against the plan at hand; money is counted as the problem has it.
        policy = replace(problem.policy, moved_cents_per_minute=max(1, problem.policy.moved_cents_per_minute))
        self.model = Model(replace(problem, published=plan, policy=policy))
        self.published = published_visits(problem)
        self.placed = placed_in(plan)
        self.draft = Draft(self.model)
        self.lines: list[Line] = [Line()] * len(self.model.vehicles)
        self.routes: dict[int, Route] = {}
        self.serving: dict[int, list[int]] = {}
        # Routes that cannot be timed or supplied as they are: kept as they are, and closed to changes.
        self.closed: set[int] = set()
        self.bills: dict[int, Bill] = {}
        self._stations: dict[int, tuple[Timeline, Stations]] = {}
        self._able: dict[int, list[tuple[int, Starts, int]]] = {}
        for visit_id in self.placed:
            self._promise(visit_id)
        for route in self.plan.routes:
            technician = self.model.technician_number.get(route.technician_id, NOWHERE)
            vehicle = self.model.vehicle_number.get((technician, route.shift_index))
            if vehicle is not None:
                self._lay_out(vehicle, route, self.bill(route))
        self._add_up()

    def _promise(self, visit_id: str) -> None:
        """Who is in the plan keeps the start, or gets a later one; what is fixed keeps all."""
        number = self.model.visit_number.get(visit_id)
        if number is None:
            return
        technician_ids, start = self.placed[visit_id]
        promise = Promise(start, FOREVER)
        if self.is_fixed(number):
            there = frozenset(self.model.technician_number.get(each, NOWHERE) for each in technician_ids)
            promise = Promise(start, start, there)
        self.draft.promises[number] = promise

    def _lay_out(self, vehicle: int, route: Route, bill: Bill) -> None:
        """The route into the empty line of its vehicle."""
        numbers = [
            self.model.visit_number[stop.visit_id] for stop in route.stops if stop.visit_id in self.model.visit_number
        ]
        self.routes[vehicle] = route
        self.bills[vehicle] = bill
        for number in numbers:
            insort(self.serving.setdefault(number, []), vehicle)
        self.draft.adopt(vehicle, numbers, fetches_of(self.model, route))

    def _read_lines(self) -> None:
        """The routes as the draft has taken them; those it could not take as they are stay closed."""
        for vehicle, timeline in enumerate(self.draft.timelines):
            route = self.routes.get(vehicle)
            self.lines[vehicle] = Line(tuple(timeline.visits), tuple(timeline.starts), dict(timeline.fetches))
            planned = [] if route is None else [self.model.visit_number.get(stop.visit_id) for stop in route.stops]
            fetched = {} if route is None else fetches_of(self.model, route)
            if planned == timeline.visits and fetched == timeline.fetches:
                self.closed.discard(vehicle)
            else:
                self.closed.add(vehicle)

    def _add_up(self) -> None:
        """What is known of all routes together."""
        self._read_lines()
        self._overdue = {visit_id: self._minutes_late(visit_id, start) for visit_id, (_, start) in self.placed.items()}
        self._busy: Counter[str] = Counter()
        for vehicle, bill in self.bills.items():
            self._busy[self.technician_id(vehicle)] += bill.busy_minutes

    @property
    def score(self) -> Score:
        assert self.plan.score is not None
        return self.plan.score

    def is_fixed(self, number: int) -> bool:
        """Whether nothing may be changed about it without being told: pinned, or others depend on it."""
        return self.model.visits[number].pin is not None or self.model.is_linked[number]

    def number(self, visit_id: str) -> int:
        """Raises `InvalidProblem` for a visit the problem does not have."""
        number = self.model.visit_number.get(visit_id)
        if number is None:
            raise InvalidProblem("visit_id", f"there is no visit “{visit_id}”.")
        return number

    def technician(self, technician_id: str) -> int:
        """Raises `InvalidProblem` for a technician the problem does not have."""
        number = self.model.technician_number.get(technician_id)
        if number is None:
            raise InvalidProblem("technician_id", f"there is no technician “{technician_id}”.")
        return number

    def technician_id(self, vehicle: int) -> str:
        return self.model.technicians[self.model.vehicles[vehicle].technician].id

    def is_served(self, number: int) -> bool:
        return number in self.serving

    # ---- other plans

    def after(self, change: Change) -> "Desk":
        """The same day with the change made."""
        desk = copy(self)
        desk.plan = change.plan
        desk.placed = placed_in(desk.plan)
        desk.model = self.model.expected_as(desk.placed)
        desk.draft = self.draft.copied(desk.model)
        desk.lines, desk.routes, desk.bills = list(self.lines), dict(self.routes), dict(self.bills)
        desk._stations = {}
        desk.closed = set(self.closed)
        desk.serving = {number: list(vehicles) for number, vehicles in self.serving.items()}
        for vehicle in change.routes:
            desk._clear(vehicle)
        for visit_id in change.dropped:
            desk.draft.promises.pop(desk.number(visit_id), None)
        for visit_id in change.starts:
            desk._promise(visit_id)
        for vehicle, route in change.routes.items():
            if route is not None:
                desk._lay_out(vehicle, route, change.bills[vehicle])
        desk._add_up()
        return desk

    def _clear(self, vehicle: int) -> None:
        route = self.routes.pop(vehicle, None)
        self.bills.pop(vehicle, None)
        self.draft.clear(vehicle)
        for stop in route.stops if route is not None else ():
            if stop.visit_id in self.model.visit_number:
                number = self.model.visit_number[stop.visit_id]
                self.serving[number].remove(vehicle)
                if not self.serving[number]:
                    del self.serving[number]

    def without(self, visit_id: str) -> "Desk":
        """The same day with the visit, and all that must not be served without it, left out."""
        number = self.number(visit_id)
        draft = self.draft.copied(self.model)
        draft.drop(number)
        lines = {
            vehicle: Line(tuple(timeline.visits), tuple(timeline.starts), dict(timeline.fetches))
            for vehicle, timeline in enumerate(draft.timelines)
            if tuple(timeline.visits) != self.lines[vehicle].visits
            or timeline.fetches != self.lines[vehicle].fetches
            or vehicle in self.serving.get(number, ())
        }
        return self.after(self.change(lines))

    def expecting(self, visit: Visit) -> "Desk":
        """The same day with one more visit, left out so far. Raises `InvalidProblem` if there can be no such."""
        problem = replace(self.problem, visits=(*self.problem.visits, visit))
        desk = copy(self)
        desk.problem = problem
        desk.model = self.model.with_one_more(problem)
        desk.draft = copy(self.draft)
        desk.draft.model = desk.model
        desk.draft.timelines = [replace(timeline, model=desk.model) for timeline in self.draft.timelines]
        desk._stations, desk._able = {}, {}
        points = problem.policy.priority_weight(visit.priority) if visit.mandatory else 0
        desk.plan = Plan(
            self.plan.routes,
            (*self.plan.unassigned, Unassigned(visit.id)),
            scored_with(problem, self.score, points=points, wishes_cents=visit.price_cents),
        )
        return desk

    def asked_otherwise(self, problem: Problem) -> "Desk":
        """The same plan, asked by a problem in which technicians or left-out visits are others in themselves: all
        are there, in the same order, with as many shifts. What the plan does must still be allowed."""
        desk = copy(self)
        desk.problem = problem
        people = [
            number for number, each in enumerate(problem.technicians) if each is not self.model.technicians[number]
        ]
        visits = [number for number, each in enumerate(problem.visits) if each is not self.model.visits[number]]
        desk.model = self.model.with_others(problem, people, visits)
        desk.draft = self.draft.copied(desk.model)
        desk.bills, desk._stations, desk._able = dict(self.bills), {}, {}
        points = wishes = 0
        for number in visits:
            for visit, sign in ((problem.visits[number], 1), (self.problem.visits[number], -1)):
                wishes += sign * visit.price_cents
                points += sign * problem.policy.priority_weight(visit.priority) if visit.mandatory else 0
        for vehicle in (vehicle for number in people for vehicle in desk.model.vehicles_of[number]):
            desk.draft.timelines[vehicle].vehicle = desk.model.vehicles[vehicle]
            desk.draft.timelines[vehicle].refresh()
            if vehicle in desk.bills:
                desk.bills[vehicle] = desk.bill(self.routes[vehicle])
                wishes += desk.bills[vehicle].wishes_cents - self.bills[vehicle].wishes_cents
        desk.plan = replace(self.plan, score=scored_with(problem, self.score, points, 0, wishes))
        return desk

    # ---- what a route costs

    def bill(self, route: Route) -> Bill:
        """The route's share of the wishes, by the rules of the problem; lateness is counted by visit."""
        day = Day(self.problem, Plan((route,)))
        cents = sum(charge.amount for goal in _ROUTE_GOALS for charge in goal(day))
        cents += sum(
            self.published_cents(work.visit.id, work.technician.id, work.stop.start_minute) for work in day.works
        )
        busy = 0
        for tour in day.tours:
            busy += tour.back.minutes if tour.works else 0
            busy += sum(work.drive.minutes + work.technician.minutes_for(work.visit) for work in tour.works)
        return Bill(cents, busy, route.travel_minutes, route.travel_metres)

    def published_cents(self, visit_id: str, technician_id: str, start_minute: int) -> int:
        known = self.published.get(visit_id)
        if known is None:
            return 0
        policy = self.problem.policy
        changed = 0 if technician_id in known[0] else policy.changed_technician_cents
        return changed + abs(start_minute - known[1]) * policy.moved_cents_per_minute

    def own_cents(self, vehicle: int, number: int) -> int:
        """The least a visit costs with this technician, wherever it stands."""
        technician, visit = self.model.technicians[self.model.vehicles[vehicle].technician], self.model.visits[number]
        policy = self.problem.policy
        cents = surplus_levels(technician, visit) * policy.overqualification_cents_per_level
        if visit.preferred_technicians and technician.id not in visit.preferred_technicians:
            cents += policy.preference_cents
        if visit.id in self.published and technician.id not in self.published[visit.id][0]:
            cents += policy.changed_technician_cents
        return cents

    def balance_cents(self, changes: Mapping[int, Bill]) -> int:
        """What the shared work costs more once these routes are billed so."""
        rate, crew = self.problem.policy.balance_cents_per_minute, len(self.problem.technicians)
        if not rate:
            return 0
        busy = Counter(self._busy)
        for vehicle, bill in changes.items():
            busy[self.technician_id(vehicle)] += bill.busy_minutes - self.bills.get(vehicle, NO_BILL).busy_minutes

        def above(minutes: Counter[str]) -> int:
            return max(minutes.values()) - sum(minutes.values()) // crew if minutes else 0

        return (above(busy) - above(self._busy)) * rate

    def _minutes_late(self, visit_id: str, start_minute: int) -> int:
        due = self.problem.visit_by_id[visit_id].due_minute if visit_id in self.problem.visit_by_id else None
        return 0 if due is None else max(0, start_minute - due)

    def longest_delay_cents(self, starts: Mapping[str, int], dropped: Collection[str]) -> int:
        """What the longest delay of all costs more with these starts, and without those visits."""
        rate = self.problem.policy.worst_lateness_cents_per_minute
        if not rate:
            return 0
        late = dict(self._overdue)
        late.update((visit_id, self._minutes_late(visit_id, start)) for visit_id, start in starts.items())
        for visit_id in dropped:
            late.pop(visit_id, None)
        return (max(late.values(), default=0) - max(self._overdue.values(), default=0)) * rate

    def longest_delay_saved(self, numbers: Collection[int]) -> int:
        """The most cents that the longest delay of all could cost less with other starts for these visits."""
        return -self.longest_delay_cents({}, [self.model.visits[number].id for number in numbers])

    # ---- changes

    def timeline(self, vehicle: int, line: Line) -> Timeline:
        return timeline_of(self.model, self.model.vehicles[vehicle], line.visits, line.starts, line.fetches)

    def change(self, lines: Mapping[int, Line]) -> Change:
        """These routes instead of the plan's; each must be feasible."""
        routes: dict[int, Route | None] = {}
        for vehicle, line in lines.items():
            shift, fetches = self.model.vehicles[vehicle], dict(line.fetches)
            timeline = Timeline(self.model, shift, list(line.visits), list(line.starts), [], [], fetches)
            routes[vehicle] = timeline.route() if line.visits else None
        return Change(self, lines, routes)

    def placings(
        self,
        number: int,
        *,
        vehicles: Collection[int] | None = None,
        limits: tuple[int, int] = (-FOREVER, FOREVER),
        lines: Mapping[int, Line] | None = None,
        instead: bool = False,
        below: int | None = None,
    ) -> Iterator[Change]:
        """Every way to put one more visit into one route, cheapest first, starts within `limits`; `lines` are
        routes already changed, part of every answer; `instead` of where the visit has been; at a price `below`
        the one given. Judged only as far as it is asked. Where roads are faster at some hours than on a free road
        the order is nearly so; figures are exact always."""
        lines, scale = lines or {}, self.model.wishes_scale
        heap: list[tuple[int, int, int, int, int, Change | None]] = []
        routes: dict[int, tuple[Timeline, Starts]] = {}
        fetches: dict[tuple[int, int], Fetch] = {}
        for vehicle, timeline, starts in self.open_routes(number, vehicles, limits, lines, instead):
            routes[vehicle] = timeline, starts
            for position, cents, minutes in self.gaps(number, vehicle, timeline, starts):
                heap.append((cents * scale, minutes, 0, vehicle, -position, None))
        heapify(heap)
        while heap and (below is None or heap[0][0] < below):
            price, minutes, stage, vehicle, behind, change = heappop(heap)
            # Of two that cost the same the later one disturbs fewer.
            position = -behind
            timeline, starts = routes[vehicle]
            if stage == 2:
                assert change is not None
                yield change
            elif stage == 1:
                fetch = fetches.get((vehicle, position))
                line = lines.get(vehicle, self.lines[vehicle]).adding(position, number, starts, fetch)
                change = self.change({**lines, vehicle: line})
                heappush(heap, (change.price, minutes, 2, vehicle, behind, change))
            else:
                fitting = self.fitting(number, vehicle, position, timeline, starts, lines)
                if fitting is not None:
                    start, fetch = fitting
                    if fetch is not None:
                        fetches[vehicle, position] = fetch
                    price += self.late_cents(number, start)
                    price += self.pushed_cents(timeline, position, number, start)
                    heappush(heap, (price, minutes, 1, vehicle, behind, None))

    def open_routes(
        self,
        number: int,
        vehicles: Collection[int] | None = None,
        limits: tuple[int, int] = (-FOREVER, FOREVER),
        lines: Mapping[int, Line] | None = None,
        instead: bool = False,
    ) -> Iterator[tuple[int, Timeline, Starts]]:
        """Routes that the visit may stand in, time aside, with the starts it is allowed there."""
        lines = lines or {}
        for vehicle, as_asked, _ in self.able(number):
            if vehicle in self.closed or (vehicles is not None and vehicle not in vehicles):
                continue
            starts = intersect(as_asked if instead else self.starts_for(number, vehicle), *limits)
            if starts and self._has_room(number, vehicle, lines):
                timeline = self.draft.timelines[vehicle]
                if vehicle in lines:
                    timeline = self.timeline(vehicle, lines[vehicle])
                yield vehicle, timeline, starts

    def fitting(
        self,
        number: int,
        vehicle: int,
        position: int,
        timeline: Timeline,
        starts: Starts,
        lines: Mapping[int, Line] | None = None,
    ) -> tuple[int, Fetch | None] | None:
        """The earliest start there and what is fetched for it, at the stock of the least detour that fits."""
        if not self.model.visits[number].parts:
            start = timeline.start_when_inserted(position, number, starts)
            return None if start is None else (start, None)
        supplies = self._supplies(number, vehicle, position, lines or {})
        for fetch in self.draft.by_detour(supplies, number, timeline, position):
            start = timeline.start_when_inserted(position, number, starts, fetch)
            if start is not None:
                return start, fetch
        return None

    def _supplies(self, number: int, vehicle: int, position: int, lines: Mapping[int, Line]) -> list[Fetch | None]:
        """As the draft has them, with what the changed lines fetch and use."""
        if not lines:
            return self.draft.supplies(number, vehicle, position)
        timelines, left = list(self.draft.timelines), [dict(parts) for parts in self.draft.stock_left]
        for other, line in lines.items():
            for fetches, sign in ((timelines[other].fetches, 1), (line.fetches, -1)):
                for fetch in fetches.values():
                    for name, amount in fetch.parts:
                        left[fetch.stock][name] += sign * amount
            shift = self.model.vehicles[other]
            timelines[other] = Timeline(
                self.model, shift, list(line.visits), list(line.starts), [], [], dict(line.fetches)
            )
        needed = self.model.visits[number].parts
        free = surplus(self.model, timelines, vehicle, position, needed)
        return ways_to_supply(
            {name: amount - free[name] for name, amount in needed.items() if amount > free[name]}, left
        )

    def able(self, number: int) -> list[tuple[int, Starts, int]]:
        """Who may come at all: vehicles, each with the starts it is allowed and the visit's own wishes in cents."""
        known = self._able.get(number)
        if known is None:
            known = self._able[number] = [
                (vehicle, starts, self.own_cents(vehicle, number))
                for vehicle, shift in enumerate(self.model.vehicles)
                if (starts := self.model.starts(shift.technician, number))
            ]
        return known

    def ways(self, number: int, *, limits: tuple[int, int] = (-FOREVER, FOREVER)) -> Iterator[Change]:
        """Every way to serve a visit that is left out; a crew's, or a linked visit's, by start."""
        if self.model.is_linked[number]:
            yield from sorted(self._crew_ways(number, limits), key=lambda way: way.price)
        else:
            yield from self.placings(number, limits=limits)

    def _crew_ways(self, number: int, limits: tuple[int, int]) -> Iterator[Change]:
        draft = _Limited(self.draft, *limits)
        for placing in linked_placings(draft, number):
            lines: dict[int, Line] = {}
            exactly = ((placing.start_minute, placing.start_minute),)
            for option in placing.options:
                timeline = self.draft.timelines[option.vehicle]
                fitting = self.fitting(number, option.vehicle, option.position, timeline, exactly, lines)
                if option.vehicle in self.closed or fitting is None:
                    break
                line = self.lines[option.vehicle].adding(option.position, number, exactly, fitting[1])
                lines[option.vehicle] = line
            else:
                yield self.change(lines)

    def starts_for(self, number: int, vehicle: int) -> Starts:
        """When the visit may start in this route: as the problem has it, and as the plan has it if it is in it."""
        return self.draft.starts_for(number, vehicle)

    def _has_room(self, number: int, vehicle: int, lines: Mapping[int, Line]) -> bool:
        """Whether the vehicle holds the load; parts are a matter of the position, see `fitting`."""
        capacity = self.model.technicians[self.model.vehicles[vehicle].technician].capacity_units
        if capacity is None:
            return True
        visits = self.model.visits
        aboard = lines.get(vehicle, self.lines[vehicle]).visits
        return sum(visits[each].load_units for each in aboard) + visits[number].load_units <= capacity

    def gaps(self, number: int, vehicle: int, timeline: Timeline, starts: Starts) -> list[tuple[int, int, int]]:
        """Positions where the visit may fit, each with the least it would cost: legs and its own wishes, time left
        aside; and the minutes of its two legs. What cannot fit for want of minutes is left out, breaks not looked at."""
        model, technician, place = self.model, timeline.vehicle.technician, self.model.place[number]
        person, duration = model.technicians[technician], model.duration[technician][number]
        minutes, metres = model.minutes[technician], model.travel[technician].metres
        per_minute, per_kilometre = person.cost_cents_per_minute, person.cost_cents_per_kilometre
        minutes_on, metres_on, is_slowed = minutes[place], metres[place], model.is_slowed[technician]
        by_stock = bool(model.visits[number].parts and self.problem.stocks)
        first, last, balance = starts[0][0], starts[-1][1], self.problem.policy.balance_cents_per_minute
        stations = self.stations_of(vehicle, timeline)
        own = self.own_cents(vehicle, number) - stations.refundable_cents
        found: list[tuple[int, int, int]] = []
        here = stations.places[0]
        if self.problem.stocks and (model.visits[number].parts or timeline.fetches):
            # The way past a stock may be the shorter one: of these legs nothing is known before they are looked at.
            minutes_on = metres_on = (0,) * len(minutes)
            minutes = metres = (minutes_on,) * len(minutes)
        for position, (there, opens, closes, saved) in enumerate(stations.gaps):
            # By way of a stock it may be any length.
            leg, road = (0, 0) if by_stock else (minutes[here][place], metres[here][place])
            onward = 0 if there == NOWHERE else minutes_on[there]
            start = max(opens + leg, first)
            if is_slowed or (start <= last and start + duration + onward <= closes):
                cents = own - saved + (leg + onward) * per_minute
                cents += (road * per_kilometre + 500) // 1000
                if there != NOWHERE:
                    cents += (metres_on[there] * per_kilometre + 500) // 1000
                if balance:
                    # More work for one raises the mean, and so may spare a little of what the busiest is above it.
                    cents -= balance * ((duration + leg + onward) // len(model.technicians) + 1)
                found.append((position, cents, leg + onward))
            here = stations.places[position + 1]
        return found

    def stations_of(self, vehicle: int, timeline: Timeline) -> Stations:
        """What does not depend on who is inserted; kept for the routes of the plan."""
        known = self._stations.get(vehicle)
        if known is not None and known[0] is timeline:
            return known[1]
        technician = timeline.vehicle.technician
        gaps: list[tuple[int, int, int, int]] = []
        for position in range(len(timeline.visits) + 1):
            before, after = timeline.place(position - 1), timeline.place(position)
            fetch = timeline.fetches.get(timeline.visits[position]) if position < len(timeline.visits) else None
            if fetch is not None:
                after = self.model.stock_place[fetch.stock]
            saved = self.model.leg_cents(technician, before, after)
            if not timeline.visits:
                saved = -self.model.technicians[technician].cost_cents_per_shift
            gaps.append((after, min(timeline.forward[position]), max(timeline.backward[position]), saved))
        places = [timeline.place(position) for position in range(-1, len(timeline.visits) + 1)]
        stations = Stations(places, gaps, self._refundable_cents(vehicle) if timeline.visits else 0)
        if timeline is self.draft.timelines[vehicle]:
            self._stations[vehicle] = timeline, stations
        return stations

    def _refundable_cents(self, vehicle: int) -> int:
        """The most that one more stop could save: waiting, and what lies before its published start."""
        policy, route = self.problem.policy, self.routes.get(vehicle)
        if route is None:
            return 0
        cents = sum(stop.wait_minutes for stop in route.stops) * policy.wait_cents_per_minute
        for stop in route.stops:
            known = self.published.get(stop.visit_id)
            if known is not None and known[1] > stop.start_minute:
                cents += (known[1] - stop.start_minute) * policy.moved_cents_per_minute
        return cents

    def late_cents(self, number: int, start_minute: int) -> int:
        """Scaled price of a start's lateness."""
        visit, model = self.model.visits[number], self.model
        if visit.due_minute is None or start_minute <= visit.due_minute:
            return 0
        scale = model.lateness_scale if visit.mandatory else model.wishes_scale
        return lateness_cents(self.problem, visit, start_minute) * scale

    def pushed_cents(self, timeline: Timeline, position: int, number: int, start_minute: int) -> int:
        """The least lateness caused to those behind, breaks left aside; scaled."""
        model, technician = self.model, timeline.vehicle.technician
        minutes, duration = model.minutes[technician], model.duration[technician]
        clock, here, cents = start_minute + duration[number], model.place[number], 0
        for behind in timeline.visits[position:]:
            clock += minutes[here][model.place[behind]]
            former = self.placed[model.visits[behind].id][1] if model.visits[behind].id in self.placed else clock
            if clock <= former:
                break
            cents += self.late_cents(behind, clock) - self.late_cents(behind, former)
            clock += duration[behind]
            here = model.place[behind]
        return cents


class _Limited(Draft):
    """A draft to look at, in which linked visits may only start between two minutes."""

    def __init__(self, draft: Draft, earliest_minute: int, latest_minute: int) -> None:
        self.__dict__.update(draft.__dict__)
        self.promises = dict(draft.promises)
        self.earliest_minute = earliest_minute
        self.latest_minute = latest_minute

    def promise_for(self, number: int) -> Promise | None:
        promise = super().promise_for(number)
        if promise is None:
            return None
        earliest = max(promise.earliest_minute, self.earliest_minute)
        latest = min(promise.latest_minute, self.latest_minute)
        return Promise(earliest, latest, promise.technicians)
