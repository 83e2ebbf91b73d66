"""A plan in the making: timelines that accept visits and give them back, always feasible in between.

Visits that depend on one another are made independent by promises: once the first is placed its start is
frozen, and those after it get the starts and technicians it leaves them. Each route can then be judged alone.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from optimizer.fits import FOREVER, Interval, intersect
from optimizer.model import NOWHERE, Model
from optimizer.plan import Plan, Unassigned
from optimizer.rules import Violation
from optimizer.timing import Timeline, timeline_of


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


class Draft:
    """Numbers everywhere; see `Model`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.timelines = [Timeline.empty(model, vehicle) for vehicle in model.vehicles]
        self.served: dict[int, list[int]] = {}
        self.promises: dict[int, Promise] = {}
        self._loads = [0] * len(model.vehicles)
        self._parts: list[Counter[str]] = [Counter() for _ in model.technicians]
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
        return all(
            self._parts[technician][name] + amount <= person.parts.get(name, 0) for name, amount in visit.parts.items()
        )

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
            start = timeline.start_when_inserted(position, number, starts)
            if start is not None:
                before, after = timeline.place(position - 1), timeline.place(position)
                cents = own + model.leg_cents(technician, before, place) + model.leg_cents(technician, place, after)
                if timeline.visits:
                    cents -= model.leg_cents(technician, before, after)
                price = cents * model.wishes_scale + model.time_cents(number, start)
                found.append(Option(price, vehicle, position, start))
        found.sort()
        return found

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
            after = Timeline(self.model, timeline.vehicle, visits, windows, [], [])
            before = self.model.time_cents(number, option.start_minute)
            price = option.price - before + after.cents_of_time() - self._timed_cents[vehicle]
            judged = Option(price, vehicle, option.position, option.start_minute)
            best = judged if best is None else min(best, judged)
        return best

    def _is_timed(self, vehicle: int) -> bool:
        timeline = self.timelines[vehicle]
        person = self.model.technicians[timeline.vehicle.technician]
        overtime = person.overtime_cents_per_minute and timeline.vehicle.last_minute > timeline.vehicle.end_minute
        slow = person.cost_cents_per_minute and self.model.is_slowed[timeline.vehicle.technician]
        return bool(overtime or slow) or any(self.model.is_timed[number] for number in timeline.visits)

    # ---- changing

    def insert(self, number: int, vehicle: int, position: int, starts: tuple[Interval, ...] | None = None) -> None:
        starts = self.starts_for(number, vehicle) if starts is None else starts
        timeline = self.timelines[vehicle]
        timeline.visits.insert(position, number)
        timeline.starts.insert(position, starts)
        self._account(number, vehicle, 1)

    def remove(self, number: int, vehicle: int) -> None:
        timeline = self.timelines[vehicle]
        position = timeline.visits.index(number)
        del timeline.visits[position], timeline.starts[position]
        self._account(number, vehicle, -1)

    def drop(self, number: int) -> None:
        """Takes the visit, and every one that must not be served without it, out of the plan."""
        for vehicle in self.served.get(number, [])[:]:
            self.remove(number, vehicle)
        self.promises.pop(number, None)
        for other, visit in enumerate(self.model.visits):
            if other in self.served and any(self.model.visit_number[link.visit_id] == number for link in visit.after):
                self.drop(other)

    def _account(self, number: int, vehicle: int, sign: int) -> None:
        self.timelines[vehicle].refresh()
        self._count(number, vehicle, sign)
        self._retime(vehicle)

    def _count(self, number: int, vehicle: int, sign: int) -> None:
        technician, visit = self.model.vehicles[vehicle].technician, self.model.visits[number]
        self._loads[vehicle] += sign * visit.load_units
        for name, amount in visit.parts.items():
            self._parts[technician][name] += sign * amount
        where = self.served.setdefault(number, [])
        if sign > 0:
            where.append(vehicle)
        else:
            where.remove(vehicle)
            if not where:
                del self.served[number]

    def _retime(self, vehicle: int) -> None:
        self._timed_cents[vehicle] = self.timelines[vehicle].cents_of_time() if self._is_timed(vehicle) else 0

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
                draft.adopt(
                    vehicle,
                    [model.visit_number[stop.visit_id] for stop in route.stops if stop.visit_id in model.visit_number],
                )
        draft.drop_half_served()
        return draft

    def adopt(self, vehicle: int, numbers: Iterable[int]) -> None:
        """Fills an empty route with these visits in this order, or with those of them that it can hold."""
        technician = self.model.vehicles[vehicle].technician
        fitting = [
            number
            for number in dict.fromkeys(numbers)
            if self.starts_for(number, vehicle)
            and not any(self.model.vehicles[other].technician == technician for other in self.served.get(number, []))
        ]
        held: list[int] = []
        for number in fitting:
            if self.has_room(number, vehicle):
                self._count(number, vehicle, 1)
                held.append(number)
        timeline = timeline_of(
            self.model,
            self.model.vehicles[vehicle],
            held,
            [self.starts_for(number, vehicle) for number in held],
        )
        if timeline.is_feasible():
            self.timelines[vehicle] = timeline
            self._retime(vehicle)
            return
        for number in held:
            self._count(number, vehicle, -1)
        for number in held:
            position, starts = len(self.timelines[vehicle].visits), self.starts_for(number, vehicle)
            if self.timelines[vehicle].start_when_inserted(position, number, starts) is not None:
                self.insert(number, vehicle, position, starts)

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
