"""When each stop of one route starts, with breaks in the best gaps: exact, and without search.

Starting earlier never hurts feasibility, so one number per stop suffices for each count of breaks already
taken: `forward` holds the earliest end of stop i after k breaks, `backward` the latest minute at which one
may stand ready at stop i with k breaks taken and still finish the rest. An insertion is then judged by its
two neighbors alone. Among feasible times, the cheapest in lateness, moves, overtime and slow hours are found by
labels. What makes it exact is that who leaves later never arrives before (`matrix.py`).

A leg lasts as long as an unbroken drive from its departure would: the road, or by way of a stock the road
there, the loading, and the road on. Each break that starts on the leg prolongs it by its length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optimizer.fits import FOREVER, Interval
from optimizer.matrix import Pace
from optimizer.model import NOWHERE, Model, Vehicle
from optimizer.plan import Pickup, PlacedBreak, Route, Stop

Breaks = tuple[tuple[int, int, int], ...]
NEVER = FOREVER
LABELS_MAX = 12


@dataclass(frozen=True, slots=True)
class Fetch:
    """Parts loaded at one stock on the leg that leads to a visit."""

    stock: int
    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Road:
    """A leg that takes longer at some hours: base minutes to the stop, or to the stock and `onward` from it."""

    pace: Pace
    minutes: int
    handling_minutes: int = 0
    onward: int = 0

    def arrival(self, departure: int) -> int:
        there = self.pace.arrival(departure, self.minutes) + self.handling_minutes
        return self.pace.arrival(there, self.onward) if self.onward else there

    def departure(self, arrival: int) -> int:
        """The latest, exactly."""
        left = self.pace.departure(arrival, self.onward) if self.onward else arrival
        return self.pace.departure(left - self.handling_minutes, self.minutes)


# Minutes that are the same at every hour, or a road.
Leg = int | Road


def span(leg: Leg, departure: int) -> int:
    """Minutes of the leg that leaves then, loading included and breaks not."""
    return leg if isinstance(leg, int) else leg.arrival(departure) - departure


def ready_minute(departure: int, travel_minutes: int, breaks: Breaks, first: int, last: int) -> int:
    """When one stands ready after the leg and breaks `first` to `last` (excluded); NEVER if one is missed."""
    ready, clock = departure + travel_minutes, departure
    for earliest, latest, minutes in breaks[first:last]:
        if clock < earliest:
            clock = earliest
        if clock > latest:
            return NEVER
        clock += minutes
        ready = (ready if ready > earliest else earliest) + minutes
    return ready


def latest_departure(ready: int, leg: Leg, breaks: Breaks, first: int, last: int) -> int:
    """The inverse of `ready_minute`; -NEVER when no departure will do."""
    bound = NEVER
    for earliest, latest, minutes in reversed(breaks[first:last]):
        ready -= minutes
        bound = min(latest, bound - minutes)
        if ready < earliest or bound < earliest:
            return -NEVER
    return min(ready - leg if isinstance(leg, int) else leg.departure(ready), bound)


def first_start(intervals: tuple[Interval, ...], minute: int) -> int:
    for low, high in intervals:
        if minute <= high:
            return minute if minute > low else low
    return NEVER


def last_start(intervals: tuple[Interval, ...], minute: int) -> int:
    for low, high in reversed(intervals):
        if minute >= low:
            return minute if minute < high else high
    return -NEVER


@dataclass(frozen=True, slots=True)
class Label:
    """One way to have reached the end of a stop: when, at what price, with how many breaks taken."""

    end: int
    cents: int
    taken: int
    start: int
    origin: "Label | None"


@dataclass(slots=True)
class Timeline:
    """A route in the making: visits by number, each with the starts it is allowed, and with what is fetched
    on the leg that leads to it."""

    model: Model
    vehicle: Vehicle
    visits: list[int]
    starts: list[tuple[Interval, ...]]
    forward: list[list[int]]
    backward: list[list[int]]
    fetches: dict[int, Fetch] = field(default_factory=dict)

    @classmethod
    def empty(cls, model: Model, vehicle: Vehicle) -> "Timeline":
        timeline = cls(model, vehicle, [], [], [], [])
        timeline.refresh()
        return timeline

    def place(self, position: int) -> int:
        """Of the stop at this position; -1 is the start of the route, past the last its end."""
        if position < 0:
            return self.vehicle.start_place
        return self.model.place[self.visits[position]] if position < len(self.visits) else self.vehicle.end_place

    def leg(self, here: int, there: int, fetch: Fetch | None = None) -> Leg:
        """Between two places, by way of the stock if something is fetched; no way at all leads nowhere."""
        model, technician = self.model, self.vehicle.technician
        if there == NOWHERE:
            return 0
        if fetch is None:
            minutes = model.minutes[technician][here][there]
            return Road(model.pace[technician], minutes) if model.is_slowed[technician] else minutes
        stock, handling_minutes = model.stock_place[fetch.stock], model.stock_minutes[fetch.stock]
        first, onward = model.minutes[technician][here][stock], model.minutes[technician][stock][there]
        if model.is_slowed[technician]:
            return Road(model.pace[technician], first, handling_minutes, onward)
        return first + handling_minutes + onward

    def leg_to(self, position: int) -> Leg:
        """From the stop before to the one at this position; past the last, to the route's end."""
        fetch = self.fetches.get(self.visits[position]) if self.fetches and position < len(self.visits) else None
        return self.leg(self.place(position - 1), self.place(position), fetch)

    def cents_of_leg(self, position: int) -> int:
        """Of the leg that leads to the stop at this position, or to the route's end, on a free road."""
        fetch = self.fetches.get(self.visits[position]) if self.fetches and position < len(self.visits) else None
        by_way_of = NOWHERE if fetch is None else self.model.stock_place[fetch.stock]
        return self.model.leg_cents(self.vehicle.technician, self.place(position - 1), self.place(position), by_way_of)

    def refresh(self) -> None:
        vehicle, model = self.vehicle, self.model
        duration, legs = model.duration[vehicle.technician], [self.leg_to(at) for at in range(len(self.visits) + 1)]
        breaks, count = vehicle.breaks, len(vehicle.breaks) + 1
        self.forward = [[vehicle.first_minute] + [NEVER] * (count - 1)]
        for number, starts, leg in zip(self.visits, self.starts, legs, strict=False):
            self.forward.append(_advance(self.forward[-1], leg, duration[number], starts, breaks))
        latest = [_latest_return(vehicle, taken) for taken in range(count)]
        self.backward = [latest]
        for number, starts, leg in zip(reversed(self.visits), reversed(self.starts), reversed(legs), strict=False):
            latest = [
                max(
                    last_start(starts, latest_departure(latest[after], leg, breaks, taken, after) - duration[number])
                    for after in range(taken, count)
                )
                for taken in range(count)
            ]
            self.backward.append(latest)
        self.backward.reverse()

    def start_when_inserted(
        self, position: int, number: int, starts: tuple[Interval, ...], fetch: Fetch | None = None
    ) -> int | None:
        """The earliest start of a visit put before `position`, or None where the route would break."""
        start, _ = self._judge(position, number, starts, fetch)
        return None if start == NEVER else start

    def minutes_short(
        self, position: int, number: int, starts: tuple[Interval, ...], fetch: Fetch | None = None
    ) -> int:
        """By how much an insertion there misses; 0 when it fits."""
        start, short = self._judge(position, number, starts, fetch)
        return short if start == NEVER else 0

    def _judge(self, position: int, number: int, starts: tuple[Interval, ...], fetch: Fetch | None) -> tuple[int, int]:
        vehicle, place = self.vehicle, self.model.place[number]
        duration, breaks = self.model.duration[vehicle.technician][number], vehicle.breaks
        before, behind = self.forward[position], self.backward[position]
        leg_in = self.leg(self.place(position - 1), place, fetch)
        next_fetch = self.fetches.get(self.visits[position]) if self.fetches and position < len(self.visits) else None
        leg_out = self.leg(place, self.place(position), next_fetch)
        best, short = NEVER, NEVER
        for taken, departure in enumerate(before):
            if departure == NEVER:
                continue
            minutes_in = span(leg_in, departure)
            for here in range(taken, len(before)):
                ready = ready_minute(departure, minutes_in, breaks, taken, here)
                start = first_start(starts, ready)
                if start == NEVER:
                    if starts and ready < NEVER:
                        short = min(short, ready - starts[-1][1])
                    continue
                minutes_out = span(leg_out, start + duration)
                for after in range(here, len(before)):
                    next_ready = ready_minute(start + duration, minutes_out, breaks, here, after)
                    if next_ready <= behind[after]:
                        best = min(best, start)
                    elif next_ready < NEVER and behind[after] > -NEVER // 2:
                        short = min(short, next_ready - behind[after])
        return best, short

    def is_feasible(self) -> bool:
        minutes = span(self.leg_to(0), self.vehicle.first_minute)
        return any(
            ready_minute(self.vehicle.first_minute, minutes, self.vehicle.breaks, 0, taken) <= latest
            for taken, latest in enumerate(self.backward[0])
        )

    def begin(self) -> list[int]:
        """The start of each stop at the least price of time; the route must be feasible."""
        return [label.start for label in self._itinerary()]

    def cents_of_time(self) -> int:
        """Lateness, moves, overtime and what slow hours add to the price of the road, scaled."""
        if not self.visits:
            return 0
        label = self._itinerary()[-1]
        home = self.leg_to(len(self.visits))
        back, _ = self._return(label, home)
        return label.cents + self._overtime_cents(back) + self._slow_cents(home, label.end)

    def depart_minute(self, start: int, taken: int) -> int:
        """When the route leaves for its first stop: as late as it may, unless a break is taken on the way."""
        first = self.vehicle.first_minute
        return first if taken else max(first, latest_departure(start, self.leg_to(0), (), 0, 0))

    def _slow_cents(self, leg: Leg, departure: int) -> int:
        if isinstance(leg, int):
            return 0
        extra = leg.arrival(departure) - departure - leg.minutes - leg.handling_minutes - leg.onward
        rate = self.model.technicians[self.vehicle.technician].cost_cents_per_minute
        return extra * rate * self.model.wishes_scale

    def _return(self, label: "Label", home: Leg) -> tuple[int, int]:
        """The soonest return and how many breaks are taken before it."""
        breaks, best = self.vehicle.breaks, (NEVER, label.taken)
        minutes = span(home, label.end)
        for after in range(label.taken, len(breaks) + 1):
            ready = ready_minute(label.end, minutes, breaks, label.taken, after)
            if ready <= _latest_return(self.vehicle, after):
                best = min(best, (ready, after))
        return best

    def _overtime_cents(self, return_minute: int) -> int:
        rate = self.model.technicians[self.vehicle.technician].overtime_cents_per_minute
        return max(0, return_minute - self.vehicle.end_minute) * rate * self.model.wishes_scale

    def _itinerary(self) -> list["Label"]:
        """The cheapest way through the stops in time, one label for each."""
        duration, taken_max = self.model.duration[self.vehicle.technician], len(self.vehicle.breaks)
        labels = [Label(self.vehicle.first_minute, 0, 0, self.vehicle.first_minute, None)]
        for position, number in enumerate(self.visits):
            leg, starts = self.leg_to(position), self.starts[position]
            wished = self.model.published_start[number]
            reached: list[Label] = []
            for label in labels:
                minutes = span(leg, label.end)
                for taken in range(label.taken, taken_max + 1):
                    ready = ready_minute(label.end, minutes, self.vehicle.breaks, label.taken, taken)
                    start = first_start(starts, ready)
                    if start == NEVER:
                        continue
                    rest = sum(each for _, _, each in self.vehicle.breaks[label.taken : taken])
                    idle = start - label.end - minutes - rest
                    reached.append(self._label(position, leg, start, duration[number], taken, label, idle))
                    if wished > start and first_start(starts, wished) == wished:
                        idle += wished - start
                        reached.append(self._label(position, leg, wished, duration[number], taken, label, idle))
            labels = _undominated(reached) if len(reached) > 1 else reached
        # Parts of a minute do not exist, so price and then time decide; equal ones are the same to everyone.
        home = self.leg_to(len(self.visits))
        ends = [
            (label.cents + self._overtime_cents(back) + self._slow_cents(home, label.end), back, label.taken, label)
            for label in labels
            if (back := self._return(label, home)[0]) < NEVER
        ]
        if not ends:
            raise ArithmeticError("The route cannot be driven.")
        last: Label | None = min(ends, key=lambda each: each[:3])[3]
        itinerary: list[Label] = []
        while last is not None and last.origin is not None:
            itinerary.append(last)
            last = last.origin
        itinerary.reverse()
        return itinerary

    def _label(
        self, position: int, leg: Leg, start: int, duration: int, taken: int, origin: "Label", idle: int
    ) -> "Label":
        number = self.visits[position]
        cents = self.model.time_cents(number, start) if self.model.is_timed[number] else 0
        if position:  # to the first door one leaves later instead
            cents += idle * self.model.problem.policy.wait_cents_per_minute * self.model.wishes_scale
        if not isinstance(leg, int):
            cents += self._slow_cents(leg, origin.end if position else self.depart_minute(start, taken))
        return Label(start + duration, origin.cents + cents, taken, start, origin)

    def route(self) -> Route:
        """The finished route."""
        model, vehicle = self.model, self.vehicle
        itinerary = self._itinerary()
        stops: list[Stop] = []
        placed: list[PlacedBreak] = []
        # Nobody has to wait at the first door: leave later instead.
        clock, taken = self.depart_minute(itinerary[0].start, itinerary[0].taken), 0
        depart_minute = clock
        for position, label in enumerate(itinerary):
            number, start, after = self.visits[position], label.start, label.taken
            marks, minutes, metres = self._legs(position, clock)
            resting = self._pause(clock, marks, taken, after, placed)
            end, fetch = start + model.duration[vehicle.technician][number], self.fetches.get(number)
            pickup = (
                None
                if fetch is None
                else Pickup(model.problem.stocks[fetch.stock].place, marks[0], marks[1], dict(fetch.parts))
            )
            wait = start - marks[-1] - resting
            stops.append(Stop(model.visits[number].id, marks[-1], start, end, minutes, metres, wait, pickup))
            clock, taken = end, after
        marks, minutes, metres = self._legs(len(self.visits), clock)
        _, after = self._return(itinerary[-1], self.leg_to(len(self.visits)))
        resting = self._pause(clock, marks, taken, after, placed)
        self._pause(marks[-1] + resting, [marks[-1] + resting], after, len(vehicle.breaks), placed)
        return Route(
            model.technicians[vehicle.technician].id,
            vehicle.shift_index,
            depart_minute,
            marks[-1],
            minutes,
            metres,
            tuple(stops),
            tuple(placed),
        )

    def _legs(self, position: int, departure: int) -> tuple[list[int], int, int]:
        """When one arrives at the stock, leaves it and arrives at the stop (the last alone without a stock), breaks
        aside, and the minutes and metres of road."""
        travel, here, there = self.model.travel[self.vehicle.technician], self.place(position - 1), self.place(position)
        if there == NOWHERE:
            return [departure], 0, 0
        fetch = self.fetches.get(self.visits[position]) if position < len(self.visits) else None
        if fetch is None:
            minutes = travel.minutes_from(here, there, departure)
            return [departure + minutes], minutes, travel.metres[here][there]
        stock = self.model.stock_place[fetch.stock]
        minutes = travel.minutes_from(here, stock, departure)
        left = departure + minutes + self.model.stock_minutes[fetch.stock]
        onward = travel.minutes_from(stock, there, left)
        metres = travel.metres[here][stock] + travel.metres[stock][there]
        return [departure + minutes, left, left + onward], minutes + onward, metres

    def _pause(self, departure: int, marks: list[int], first: int, last: int, placed: list[PlacedBreak]) -> int:
        """Places the breaks of one leg: moves the marks that lie behind each, and returns the minutes of breaks
        taken after the last mark."""
        resting, clock = 0, departure
        for earliest, _, minutes in self.vehicle.breaks[first:last]:
            clock = max(clock, earliest)
            if clock >= marks[-1]:
                resting += minutes
            marks[:] = [mark + minutes if clock < mark else mark for mark in marks]
            placed.append(PlacedBreak(clock, clock + minutes))
            clock += minutes
        return resting


def _advance(ends: Sequence[int], leg: Leg, duration: int, starts: tuple[Interval, ...], breaks: Breaks) -> list[int]:
    row = [NEVER] * len(ends)
    for taken, departure in enumerate(ends):
        if departure == NEVER:
            continue
        minutes = span(leg, departure)
        for after in range(taken, len(ends)):
            start = first_start(starts, ready_minute(departure, minutes, breaks, taken, after))
            if start < NEVER and start + duration < row[after]:
                row[after] = start + duration
    return row


def _undominated(labels: list[Label]) -> list[Label]:
    """For each count of breaks: the earliest, and those later that are cheaper; a few are enough."""
    kept: list[Label] = []
    cheapest: dict[int, int] = {}
    for label in sorted(labels, key=lambda each: (each.taken, each.end, each.cents)):
        if label.taken not in cheapest or label.cents < cheapest[label.taken]:
            cheapest[label.taken] = label.cents
            kept.append(label)
    return kept if len(kept) <= LABELS_MAX else _thinned(kept)


def _thinned(labels: list[Label]) -> list[Label]:
    """The earliest of each count of breaks must stay: it is what makes the rest feasible."""
    earliest = {label.taken: label for label in reversed(labels)}
    cheap = sorted(labels, key=lambda each: (each.cents, each.end))[:LABELS_MAX]
    return [*earliest.values(), *(label for label in cheap if earliest[label.taken] is not label)]


def _latest_return(vehicle: Vehicle, taken: int) -> int:
    """The end of the longest shift, or sooner where breaks are still to be taken afterwards."""
    return min(vehicle.last_minute, latest_departure(NEVER, 0, vehicle.breaks, taken, len(vehicle.breaks)))


def timeline_of(
    model: Model,
    vehicle: Vehicle,
    visits: Sequence[int],
    starts: Sequence[tuple[Interval, ...]],
    fetches: Mapping[int, Fetch] | None = None,
) -> Timeline:
    timeline = Timeline(model, vehicle, list(visits), list(starts), [], [], dict(fetches or {}))
    timeline.refresh()
    return timeline
