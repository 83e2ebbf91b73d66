"""A plan in the making: timelines that accept visits and give them back, always feasible in between.

Visits that depend on one another are made independent by promises: once the first is placed its start is
frozen, and those after it get the starts and technicians it leaves them. Each route can then be judged alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace

from optimizer.fits import FOREVER, Interval, intersect
from optimizer.model import NOWHERE, Model
from optimizer.plan import Plan, Route, Unassigned
from optimizer.rules import Violation
from optimizer.supply import first_shortage, has_all, surplus, ways_to_supply
from optimizer.timing import NEVER, Fetch, Timeline


@dataclass(frozen=True, slots=True)
class Promise:
    """What a linked visit must keep so that the others still hold."""

    earliest_minute: int = -FOREVER
    latest_minute: int = FOREVER
    technicians: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Option:
    """One visit into one route; `price` is scaled so that lateness outweighs wishes as the policy has it."""

    price: int
    vehicle: int
    position: int
    start_minute: int
    fetch: Fetch | None = field(default=None, compare=False)


def fetches_of(model: Model, route: Route) -> dict[int, Fetch]:
    """The pickups of a plan's route, as far as the problem has the stock."""
    return {
        model.visit_number[stop.visit_id]: Fetch(
            model.stock_number[stop.pickup.place], tuple(sorted(stop.pickup.parts.items()))
        )
        for stop in route.stops
        if stop.visit_id in model.visit_number and stop.pickup is not None and stop.pickup.place in model.stock_number
    }


class Draft:
    """Numbers everywhere; see `Model`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.timelines = [Timeline.empty(model, vehicle) for vehicle in model.vehicles]
        self.served: dict[int, list[int]] = {}
        self.promises: dict[int, Promise] = {}
        self._loads = [0] * len(model.vehicles)
        self.stock_left = [dict(stock.parts) for stock in model.problem.stocks]
        self._timed_cents = [0] * len(model.vehicles)

    # ---- what may stand where

    def starts_for(self, number: int, vehicle: int) -> tuple[Interval, ...]:
        """The starts open to the visit in this route, promises kept; empty where it must not stand."""
        technician = self.model.vehicles[vehicle].technician
        starts = self.model.starts(technician, number)
        promise = self.promises.get(number)
        if promise is None or not starts:
            return starts
        if promise.technicians is not None and technician not in promise.technicians:
            return ()
        return intersect(starts, promise.earliest_minute, promise.latest_minute)

    def has_room(self, number: int, vehicle: int) -> bool:
        visit, technician = self.model.visits[number], self.model.vehicles[vehicle].technician
        person = self.model.technicians[technician]
        if person.capacity_units is not None and self._loads[vehicle] + visit.load_units > person.capacity_units:
            return False
        return not visit.parts or bool(self.supplies(number, vehicle, len(self.timelines[vehicle].visits)))

    def supplies(self, number: int, vehicle: int, position: int) -> list[Fetch | None]:
        """The ways to have the visit's parts when it is put before `position`: nothing to fetch where they are on
        board, else one way for each stock that still has what lacks; none where nobody has it. The further back
        the position, the more is free."""
        needed = self.model.visits[number].parts
        if not needed:
            return [None]
        free = surplus(self.model, self.timelines, vehicle, position, needed)
        lacking = {name: amount - free[name] for name, amount in needed.items() if amount > free[name]}
        return ways_to_supply(lacking, self.stock_left)

    # ---- judging

    def options(self, number: int, vehicle: int, starts: tuple[Interval, ...] | None = None) -> list[Option]:
        """Every position that fits, cheapest first, the effect on later stops left aside."""
        starts = self.starts_for(number, vehicle) if starts is None else starts
        if not starts or not self.has_room(number, vehicle):
            return []
        model, timeline = self.model, self.timelines[vehicle]
        technician, place = timeline.vehicle.technician, model.place[number]
        own = model.own_cents(technician, number)
        if not timeline.visits:
            own += model.technicians[technician].cost_cents_per_shift
        found: list[Option] = []
        for position in range(len(timeline.visits) + 1):
            fitting = self._fitting(number, vehicle, position, starts)
            if fitting is not None:
                start, fetch = fitting
                by_way_of = NOWHERE if fetch is None else model.stock_place[fetch.stock]
                cents = own + model.leg_cents(technician, timeline.place(position - 1), place, by_way_of)
                if timeline.visits:
                    cents -= timeline.cents_of_leg(position)
                cents += self._cents_onward(timeline, place, position)
                price = cents * model.wishes_scale + model.time_cents(number, start)
                found.append(Option(price, vehicle, position, start, fetch))
        found.sort()
        return found

    def _fitting(
        self, number: int, vehicle: int, position: int, starts: tuple[Interval, ...]
    ) -> tuple[int, Fetch | None] | None:
        """The earliest start there, and what is fetched for it, at the stock of the least detour that fits."""
        timeline = self.timelines[vehicle]
        if not self.model.visits[number].parts:
            start = timeline.start_when_inserted(position, number, starts)
            return None if start is None else (start, None)
        for fetch in self.by_detour(self.supplies(number, vehicle, position), number, timeline, position):
            start = timeline.start_when_inserted(position, number, starts, fetch)
            if start is not None:
                return start, fetch
        return None

    def by_detour(
        self, fetches: list[Fetch | None], number: int, timeline: Timeline, position: int
    ) -> list[Fetch | None]:
        def detour(fetch: Fetch | None) -> tuple[int, int]:
            if fetch is None:
                return 0, 0
            technician, here, there = (
                timeline.vehicle.technician,
                timeline.place(position - 1),
                self.model.place[number],
            )
            stock, minutes = self.model.stock_place[fetch.stock], self.model.minutes[technician]
            return self.model.leg_cents(technician, here, there, stock), minutes[here][stock] + minutes[stock][there]

        return sorted(fetches, key=detour) if len(fetches) > 1 else fetches

    def _cents_onward(self, timeline: Timeline, place: int, position: int) -> int:
        """From a place to the stop at this position, which may fetch something on the way."""
        fetch = timeline.fetches.get(timeline.visits[position]) if position < len(timeline.visits) else None
        by_way_of = NOWHERE if fetch is None else self.model.stock_place[fetch.stock]
        return self.model.leg_cents(timeline.vehicle.technician, place, timeline.place(position), by_way_of)

    def best_option(self, number: int, vehicle: int, starts: tuple[Interval, ...] | None = None) -> Option | None:
        """The cheapest position, what it does to later stops included."""
        starts = self.starts_for(number, vehicle) if starts is None else starts
        options = self.options(number, vehicle, starts)
        if not options:
            return None
        timeline = self.timelines[vehicle]
        if not self._is_timed(vehicle) and not self.model.is_timed[number]:
            return options[0]
        best: Option | None = None
        for option in options[:2]:
            visits, windows = list(timeline.visits), list(timeline.starts)
            visits.insert(option.position, number)
            windows.insert(option.position, starts)
            # Known to be feasible: only its price is asked, for which nothing needs preparing.
            fetches = timeline.fetches if option.fetch is None else {**timeline.fetches, number: option.fetch}
            after = Timeline(self.model, timeline.vehicle, visits, windows, [], [], fetches)
            before = self.model.time_cents(number, option.start_minute)
            price = option.price - before + after.cents_of_time() - self._timed_cents[vehicle]
            judged = Option(price, vehicle, option.position, option.start_minute, option.fetch)
            best = judged if best is None else min(best, judged)
        return best

    def _is_timed(self, vehicle: int) -> bool:
        timeline = self.timelines[vehicle]
        person = self.model.technicians[timeline.vehicle.technician]
        overtime = person.overtime_cents_per_minute and timeline.vehicle.last_minute > timeline.vehicle.end_minute
        slow = person.cost_cents_per_minute and self.model.is_slowed[timeline.vehicle.technician]
        return bool(overtime or slow) or any(self.model.is_timed[number] for number in timeline.visits)

    # ---- changing

    def insert(
        self,
        number: int,
        vehicle: int,
        position: int,
        starts: tuple[Interval, ...] | None = None,
        fetch: Fetch | None = None,
    ) -> bool:
        """Puts a visit where an option said; what it lacks is fetched, as given or where it is nearest. False, and
        nothing has changed, where its parts have gone elsewhere meanwhile."""
        starts = self.starts_for(number, vehicle) if starts is None else starts
        timeline = self.timelines[vehicle]
        if fetch is not None and not has_all(self.stock_left[fetch.stock], dict(fetch.parts)):
            return False
        if fetch is None and self.model.visits[number].parts:
            fitting = self._fitting(number, vehicle, position, starts)
            if fitting is None:
                return False
            fetch = fitting[1]
        timeline.visits.insert(position, number)
        timeline.starts.insert(position, starts)
        self._load(number, vehicle, fetch)
        timeline.refresh()
        self._count(number, vehicle, 1)
        self._retime(vehicle)
        return True

    def remove(self, number: int, vehicle: int) -> None:
        """What was fetched on its way for later stops is fetched for them; those that cannot have it, or cannot be
        reached in time without it (a way past it may be the shorter one), are dropped."""
        timeline = self.timelines[vehicle]
        position = timeline.visits.index(number)
        del timeline.visits[position], timeline.starts[position]
        fetch = self._unload(number, vehicle)
        timeline.refresh()
        self._count(number, vehicle, -1)
        self._mend(vehicle)
        self._retime(vehicle)
        if fetch is not None:
            self._resupply(timeline.vehicle.technician)
        if self.model.visits[number].parts:
            self._put_back(timeline.vehicle.technician)

    def _put_back(self, technician: int) -> None:
        """What was loaded for a stop that is no longer there stays in the stock."""
        for vehicle in self.model.vehicles_of[technician]:
            timeline = self.timelines[vehicle]
            for number in [each for each in timeline.visits if each in timeline.fetches]:
                loaded = dict(timeline.fetches[number].parts)
                free = surplus(self.model, self.timelines, vehicle, timeline.visits.index(number) + 1, loaded)
                needed = {name: amount - free[name] for name, amount in loaded.items() if amount > free[name]}
                if needed != loaded:
                    self._reload(number, vehicle, tuple(sorted(needed.items())))

    def _reload(self, number: int, vehicle: int, parts: tuple[tuple[str, int], ...]) -> None:
        timeline, fetch = self.timelines[vehicle], self._unload(number, vehicle)
        assert fetch is not None
        self._load(number, vehicle, replace(fetch, parts=parts) if parts else None)
        timeline.refresh()
        if not timeline.is_feasible():
            self._unload(number, vehicle)
            self._load(number, vehicle, fetch)  # the way past the stock is the shorter one
            timeline.refresh()
        self._retime(vehicle)

    def _mend(self, vehicle: int) -> None:
        """Drops what a route has no time for, from its end on."""
        while not self.timelines[vehicle].is_feasible():
            visits = self.timelines[vehicle].visits
            number = next(
                (
                    each
                    for each, ends in zip(visits, self.timelines[vehicle].forward[1:], strict=True)
                    if min(ends) == NEVER
                ),
                visits[-1],
            )
            self.drop(number)

    def _load(self, number: int, vehicle: int, fetch: Fetch | None) -> None:
        if fetch is not None:
            self.timelines[vehicle].fetches[number] = fetch
            for name, amount in fetch.parts:
                self.stock_left[fetch.stock][name] -= amount

    def _unload(self, number: int, vehicle: int) -> Fetch | None:
        fetch = self.timelines[vehicle].fetches.pop(number, None)
        if fetch is not None:
            for name, amount in fetch.parts:
                self.stock_left[fetch.stock][name] += amount
        return fetch

    def _resupply(self, technician: int) -> None:
        """Each stop that now lacks parts fetches them itself, or is dropped."""
        while (short := first_shortage(self.model, self.timelines, technician)) is not None:
            vehicle, number, lacking = short
            timeline = self.timelines[vehicle]
            fetch = self._unload(number, vehicle)
            needed = Counter(dict(fetch.parts) if fetch is not None else {}) + Counter(lacking)
            ways = ways_to_supply(needed, self.stock_left)
            for way in self.by_detour(ways, number, timeline, timeline.visits.index(number)):
                self._load(number, vehicle, way)
                timeline.refresh()
                if timeline.is_feasible():
                    self._retime(vehicle)
                    break
                self._unload(number, vehicle)
            else:
                self._load(number, vehicle, fetch)
                self.drop(number)

    def drop(self, number: int) -> None:
        """Takes the visit, and every one that must not be served without it, out of the plan."""
        for vehicle in self.served.get(number, [])[:]:
            if vehicle in self.served.get(number, []):
                self.remove(number, vehicle)
        self.promises.pop(number, None)
        for other, visit in enumerate(self.model.visits):
            if other in self.served and any(self.model.visit_number[link.visit_id] == number for link in visit.after):
                self.drop(other)

    def _count(self, number: int, vehicle: int, sign: int) -> None:
        self._loads[vehicle] += sign * self.model.visits[number].load_units
        where = self.served.setdefault(number, [])
        if sign > 0:
            where.append(vehicle)
        else:
            where.remove(vehicle)
            if not where:
                del self.served[number]

    def _retime(self, vehicle: int) -> None:
        self._timed_cents[vehicle] = self.timelines[vehicle].cents_of_time() if self._is_timed(vehicle) else 0

    # ---- fetching for several stops at once

    def fetches(self) -> list[dict[int, Fetch]]:
        return [dict(timeline.fetches) for timeline in self.timelines]

    def restore_fetches(self, known: list[dict[int, Fetch]]) -> None:
        """As `fetches` told them, for the same visits in the same order."""
        for vehicle, fetches in enumerate(known):
            for number in list(self.timelines[vehicle].fetches):
                self._unload(number, vehicle)
            for number, fetch in fetches.items():
                self._load(number, vehicle, fetch)
            self.timelines[vehicle].refresh()
            self._retime(vehicle)

    def join_fetches(self) -> bool:
        """Loads for later stops of a route where one loads anyway, as far as that makes the route cheaper."""
        joined = [self._join_in(vehicle) for vehicle in range(len(self.timelines))]
        return any(joined)

    def _join_in(self, vehicle: int) -> bool:
        joined = False
        fetching = [number for number in self.timelines[vehicle].visits if number in self.timelines[vehicle].fetches]
        for index, earlier in enumerate(fetching):
            for later in fetching[index + 1 :]:
                fetches = self.timelines[vehicle].fetches
                if earlier in fetches and later in fetches:
                    joined |= self._join(vehicle, earlier, later)
        return joined

    def _join(self, vehicle: int, earlier: int, later: int) -> bool:
        timeline, before = self.timelines[vehicle], self._cents(vehicle)
        first, second = timeline.fetches[earlier], timeline.fetches[later]
        self._unload(earlier, vehicle)
        self._unload(later, vehicle)
        parts = Counter(dict(first.parts)) + Counter(dict(second.parts))
        for way in ways_to_supply(parts, self.stock_left):
            if way is not None and way.stock in (first.stock, second.stock):
                self._load(earlier, vehicle, way)
                timeline.refresh()
                if timeline.is_feasible() and self._cents(vehicle) < before:
                    self._retime(vehicle)
                    return True
                self._unload(earlier, vehicle)
        self._load(earlier, vehicle, first)
        self._load(later, vehicle, second)
        timeline.refresh()
        return False

    def _cents(self, vehicle: int) -> tuple[int, int]:
        """Road and time of a route, scaled, and then the fewer pickups."""
        timeline = self.timelines[vehicle]
        road = sum(timeline.cents_of_leg(position) for position in range(len(timeline.visits) + 1))
        return road * self.model.wishes_scale + timeline.cents_of_time(), len(timeline.fetches)

    # ---- promises between linked visits

    def promise_for(self, number: int) -> Promise | None:
        """What the linked visits already placed leave open; None when one it must follow is not served."""
        model, visit = self.model, self.model.visits[number]
        earliest, latest = -FOREVER, FOREVER
        for link in visit.after:
            before = model.visit_number[link.visit_id]
            if before not in self.served:
                return None
            start = self.start_of(before)
            ends = [
                start + (0 if link.from_start else model.duration[model.vehicles[vehicle].technician][before])
                for vehicle in self.served[before]
            ]
            earliest = max(earliest, max(ends) + link.gap_minutes_min)
            if link.gap_minutes_max is not None:
                latest = min(latest, max(ends) + link.gap_minutes_max)
        return Promise(earliest, latest, self._companions(number))

    def _companions(self, number: int) -> frozenset[int] | None:
        """The only technicians who may come, so that linked visits see the same faces."""
        model, allowed = self.model, None
        for other, visit in enumerate(model.visits):
            linked = visit.same_technician_as == model.visits[number].id or (
                model.visits[number].same_technician_as == visit.id
            )
            if linked and other in self.served:
                there = frozenset(model.vehicles[vehicle].technician for vehicle in self.served[other])
                allowed = there if allowed is None else allowed & there
        return allowed

    def start_of(self, number: int) -> int:
        """Latest start among the crew."""
        starts: list[int] = []
        for vehicle in self.served[number]:
            timeline = self.timelines[vehicle]
            starts.append(timeline.begin()[timeline.visits.index(number)])
        return max(starts)

    # ---- from and to plans

    @classmethod
    def from_plan(cls, model: Model, plan: Plan) -> "Draft":
        """The plan's order of visits, timed anew; linked visits keep the start and the technicians they have.
        What cannot be kept is left out."""
        draft = cls(model)
        starts: dict[int, int] = {}
        for route in plan.routes:
            for stop in route.stops:
                number = model.visit_number.get(stop.visit_id)
                if number is not None:
                    starts[number] = max(stop.start_minute, starts.get(number, stop.start_minute))
        for number, start in starts.items():
            if model.is_linked[number]:
                draft.promises[number] = Promise(start, start)
        for route in plan.routes:
            technician = model.technician_number.get(route.technician_id, NOWHERE)
            vehicle = model.vehicle_number.get((technician, route.shift_index))
            if vehicle is not None:
                numbers = [
                    model.visit_number[stop.visit_id] for stop in route.stops if stop.visit_id in model.visit_number
                ]
                draft.adopt(vehicle, numbers, fetches_of(model, route))
        draft.drop_half_served()
        return draft

    def copied(self, model: Model) -> "Draft":
        """A draft of its own, whose routes may change, by another model of the same numbers."""
        other = copy(self)
        other.model = model
        other.timelines = [
            replace(each, model=model, visits=list(each.visits), starts=list(each.starts), fetches=dict(each.fetches))
            for each in self.timelines
        ]
        other.served = {number: list(vehicles) for number, vehicles in self.served.items()}
        other.promises = dict(self.promises)
        other._loads, other._timed_cents = list(self._loads), list(self._timed_cents)
        other.stock_left = [dict(parts) for parts in self.stock_left]
        return other

    def adopt(self, vehicle: int, numbers: Iterable[int], fetches: Mapping[int, Fetch] | None = None) -> None:
        """Fills an empty route with these visits in this order, or with those of them that it can hold; parts are
        fetched as given, and else where it is nearest."""
        technician = self.model.vehicles[vehicle].technician
        fitting = [
            number
            for number in dict.fromkeys(numbers)
            if self.starts_for(number, vehicle)
            and not any(self.model.vehicles[other].technician == technician for other in self.served.get(number, []))
        ]
        wanted = fetches or {}
        if not self._adopt_all(vehicle, fitting, wanted):
            for number in fitting:
                if self.has_room(number, vehicle):
                    self._append(number, vehicle, wanted.get(number))
        if wanted:
            self._resupply(technician)

    def _append(self, number: int, vehicle: int, fetch: Fetch | None) -> None:
        timeline, starts = self.timelines[vehicle], self.starts_for(number, vehicle)
        position = len(timeline.visits)
        kept = fetch is not None and timeline.start_when_inserted(position, number, starts, fetch) is not None
        if kept and self.insert(number, vehicle, position, starts, fetch):
            return
        if self._fitting(number, vehicle, position, starts) is not None:
            self.insert(number, vehicle, position, starts)

    def _adopt_all(self, vehicle: int, numbers: list[int], fetches: Mapping[int, Fetch]) -> bool:
        """All that there is room for, timed once at the end; False, and nothing has changed, where time is short."""
        timeline = self.timelines[vehicle]
        for number in numbers:
            position, fetch = len(timeline.visits), fetches.get(number)
            if not self.has_room(number, vehicle):
                continue
            if fetch is None or not has_all(self.stock_left[fetch.stock], dict(fetch.parts)):
                ways = self.supplies(number, vehicle, position)
                fetch = self.by_detour(ways, number, timeline, position)[0]
            timeline.visits.append(number)
            timeline.starts.append(self.starts_for(number, vehicle))
            self._load(number, vehicle, fetch)
            self._count(number, vehicle, 1)
        timeline.refresh()
        if timeline.is_feasible():
            self._retime(vehicle)
            return True
        self.clear(vehicle)
        return False

    def clear(self, vehicle: int) -> None:
        """Takes everything out of a route at once; what others have loaded, and the crews, are not looked at."""
        timeline = self.timelines[vehicle]
        for number in timeline.visits:
            self._unload(number, vehicle)
            self._count(number, vehicle, -1)
        self.timelines[vehicle] = Timeline.empty(self.model, timeline.vehicle)
        self._retime(vehicle)

    def drop_half_served(self) -> None:
        """No crew may be short, no successor without its predecessor."""
        for number, visit in enumerate(self.model.visits):
            if number in self.served and (
                len(self.served[number]) != visit.crew_size
                or any(self.model.visit_number[link.visit_id] not in self.served for link in visit.after)
            ):
                self.drop(number)

    def drop_violating(self, violations: Iterable[Violation]) -> list[str]:
        """Takes out what broke a rule; where a rule names no visit, the last stop of the route."""
        dropped: list[str] = []
        for violation in violations:
            number = self.model.visit_number.get(violation.visit_id or "")
            if number is None and violation.technician_id in self.model.technician_number:
                technician = self.model.technician_number[violation.technician_id]
                number = next(
                    (
                        self.timelines[vehicle].visits[-1]
                        for vehicle in self.model.vehicles_of[technician]
                        if self.timelines[vehicle].visits
                    ),
                    None,
                )
            if number is not None and number in self.served:
                self.drop(number)
                dropped.append(self.model.visits[number].id)
        return dropped

    def to_plan(self) -> Plan:
        """Routes and what is left out, without reasons and score."""
        return Plan(
            routes=tuple(timeline.route() for timeline in self.timelines if timeline.visits),
            unassigned=tuple(
                Unassigned(visit.id) for number, visit in enumerate(self.model.visits) if number not in self.served
            ),
        )
