"""When each stop of one route starts, with breaks in the best gaps: exact, and without search.

Starting earlier never hurts feasibility, so one number per stop suffices for each count of breaks already
taken: `forward` holds the earliest end of stop i after k breaks, `backward` the latest minute at which one
may stand ready at stop i with k breaks taken and still finish the rest. An insertion is then judged by its
two neighbors alone. Among feasible times, the cheapest in lateness, moves and overtime are found by labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optimizer.fits import FOREVER, Interval
from optimizer.model import NOWHERE, Model, Vehicle
from optimizer.plan import PlacedBreak, Route, Stop

Breaks = tuple[tuple[int, int, int], ...]
Drive = Callable[[int, int, int], int]
NEVER = FOREVER
LABELS_MAX = 12


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


def latest_departure(ready: int, travel_minutes: int, breaks: Breaks, first: int, last: int) -> int:
    """The inverse of `ready_minute`; -NEVER when no departure will do."""
    bound = NEVER
    for earliest, latest, minutes in reversed(breaks[first:last]):
        ready -= minutes
        bound = min(latest, bound - minutes)
        if ready < earliest or bound < earliest:
            return -NEVER
    return min(ready - travel_minutes, bound)


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
    """A route in the making: visits by number, each with the starts it is allowed."""

    model: Model
    vehicle: Vehicle
    visits: list[int]
    starts: list[tuple[Interval, ...]]
    forward: list[list[int]]
    backward: list[list[int]]

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

    def refresh(self) -> None:
        vehicle, model = self.vehicle, self.model
        duration, minutes = model.duration[vehicle.technician], model.minutes[vehicle.technician]
        breaks, count = vehicle.breaks, len(vehicle.breaks) + 1
        self.forward = [[vehicle.first_minute] + [NEVER] * (count - 1)]
        here = vehicle.start_place
        for number, starts in zip(self.visits, self.starts, strict=True):
            there = model.place[number]
            self.forward.append(_advance(self.forward[-1], minutes[here][there], duration[number], starts, breaks))
            here = there
        latest = [_latest_return(vehicle, taken) for taken in range(count)]
        self.backward = [latest]
        there = vehicle.end_place
        for number, starts in zip(reversed(self.visits), reversed(self.starts), strict=True):
            here = model.place[number]
            leg = 0 if there == NOWHERE else minutes[here][there]
            latest = [
                max(
                    last_start(starts, latest_departure(latest[after], leg, breaks, taken, after) - duration[number])
                    for after in range(taken, count)
                )
                for taken in range(count)
            ]
            self.backward.append(latest)
            there = here
        self.backward.reverse()

    def start_when_inserted(self, position: int, number: int, starts: tuple[Interval, ...]) -> int | None:
        """The earliest start of a visit put before `position`, or None where the route would break."""
        start, _ = self._judge(position, number, starts)
        return None if start == NEVER else start

    def minutes_short(self, position: int, number: int, starts: tuple[Interval, ...]) -> int:
        """By how much an insertion there misses; 0 when it fits."""
        start, short = self._judge(position, number, starts)
        return short if start == NEVER else 0

    def _judge(self, position: int, number: int, starts: tuple[Interval, ...]) -> tuple[int, int]:
        vehicle, place = self.vehicle, self.model.place[number]
        minutes, breaks = self.model.minutes[vehicle.technician], vehicle.breaks
        duration = self.model.duration[vehicle.technician][number]
        before = self.forward[position]
        behind, following = self.backward[position], self.place(position)
        leg_in = minutes[self.place(position - 1)][place]
        leg_out = 0 if following == NOWHERE else minutes[place][following]
        best, short = NEVER, NEVER
        for taken, departure in enumerate(before):
            if departure == NEVER:
                continue
            for here in range(taken, len(before)):
                ready = ready_minute(departure, leg_in, breaks, taken, here)
                start = first_start(starts, ready)
                if start == NEVER:
                    if starts and ready < NEVER:
                        short = min(short, ready - starts[-1][1])
                    continue
                for after in range(here, len(before)):
                    next_ready = ready_minute(start + duration, leg_out, breaks, here, after)
                    if next_ready <= behind[after]:
                        best = min(best, start)
                    elif next_ready < NEVER and behind[after] > -NEVER // 2:
                        short = min(short, next_ready - behind[after])
        return best, short

    def is_feasible(self) -> bool:
        leg = self._leg(self.vehicle.start_place, self.place(0), self.vehicle.first_minute, None)
        return any(
            ready_minute(self.vehicle.first_minute, leg, self.vehicle.breaks, 0, taken) <= latest
            for taken, latest in enumerate(self.backward[0])
        )

    def begin(self) -> list[int]:
        """The start of each stop at the least price of time; the route must be feasible."""
        return [label.start for label in self._itinerary(None)]

    def cents_of_time(self) -> int:
        """Lateness, moves and overtime of the route, scaled, travel at its slowest."""
        if not self.visits:
            return 0
        label = self._itinerary(None)[-1]
        return label.cents + self._overtime_cents(self._return(label, None)[0])

    def _leg(self, here: int, there: int, departure: int, drive: Drive | None) -> int:
        if there == NOWHERE:
            return 0
        if drive is None:
            return self.model.minutes[self.vehicle.technician][here][there]
        return drive(here, there, departure)

    def _return(self, label: "Label", drive: Drive | None) -> tuple[int, int]:
        """The soonest return and how many breaks are taken before it."""
        breaks, best = self.vehicle.breaks, (NEVER, label.taken)
        leg = self._leg(self.place(len(self.visits) - 1), self.vehicle.end_place, label.end, drive)
        for after in range(label.taken, len(breaks) + 1):
            ready = ready_minute(label.end, leg, breaks, label.taken, after)
            if ready <= _latest_return(self.vehicle, after):
                best = min(best, (ready, after))
        return best

    def _overtime_cents(self, return_minute: int) -> int:
        rate = self.model.technicians[self.vehicle.technician].overtime_cents_per_minute
        return max(0, return_minute - self.vehicle.end_minute) * rate * self.model.wishes_scale

    def _itinerary(self, drive: Drive | None) -> list["Label"]:
        """The cheapest way through the stops in time, one label for each."""
        duration, taken_max = self.model.duration[self.vehicle.technician], len(self.vehicle.breaks)
        labels = [Label(self.vehicle.first_minute, 0, 0, self.vehicle.first_minute, None)]
        for position, number in enumerate(self.visits):
            here, there, starts = self.place(position - 1), self.place(position), self.starts[position]
            wished = self.model.published_start[number]
            reached: list[Label] = []
            for label in labels:
                leg = self._leg(here, there, label.end, drive)
                for taken in range(label.taken, taken_max + 1):
                    start = first_start(starts, ready_minute(label.end, leg, self.vehicle.breaks, label.taken, taken))
                    if start == NEVER:
                        continue
                    reached.append(self._label(number, start, duration[number], taken, label))
                    if wished > start and first_start(starts, wished) == wished:
                        reached.append(self._label(number, wished, duration[number], taken, label))
            labels = _undominated(reached) if len(reached) > 1 else reached
        # Parts of a minute do not exist, so price and then time decide; equal ones are the same to everyone.
        ends = [
            (label.cents + self._overtime_cents(back), back, label.taken, label)
            for label in labels
            if (back := self._return(label, drive)[0]) < NEVER
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

    def _label(self, number: int, start: int, duration: int, taken: int, origin: "Label") -> "Label":
        cents = self.model.time_cents(number, start) if self.model.is_timed[number] else 0
        return Label(start + duration, origin.cents + cents, taken, start, origin)

    def route(self) -> Route:
        """The finished route, with travel as it is at each departure."""
        model, vehicle = self.model, self.vehicle
        travel = model.travel[vehicle.technician]
        drive: Drive | None = travel.minutes_from if travel.slowdowns else None
        itinerary = self._itinerary(drive)
        stops: list[Stop] = []
        placed: list[PlacedBreak] = []
        clock, taken = vehicle.first_minute, 0
        if itinerary and itinerary[0].taken == 0 and drive is None:
            # Nobody has to wait at the first door: leave later instead.
            clock = max(clock, itinerary[0].start - self._leg(self.place(-1), self.place(0), clock, None))
        depart_minute = clock
        for position, label in enumerate(itinerary):
            number, start, after = self.visits[position], label.start, label.taken
            leg = self._leg(self.place(position - 1), self.place(position), clock, drive)
            arrive, resting = self._pause(clock, leg, taken, after, placed)
            end = start + model.duration[vehicle.technician][number]
            metres = travel.metres[self.place(position - 1)][self.place(position)]
            stops.append(Stop(model.visits[number].id, arrive, start, end, leg, metres, start - arrive - resting))
            clock, taken = end, after
        leg = self._leg(self.place(len(self.visits) - 1), vehicle.end_place, clock, drive)
        _, after = self._return(itinerary[-1], drive)
        home, resting = self._pause(clock, leg, taken, after, placed)
        self._pause(home + resting, 0, after, len(vehicle.breaks), placed)
        metres = (
            0 if vehicle.end_place == NOWHERE else travel.metres[self.place(len(self.visits) - 1)][vehicle.end_place]
        )
        return Route(
            model.technicians[vehicle.technician].id,
            vehicle.shift_index,
            depart_minute,
            home,
            leg,
            metres,
            tuple(stops),
            tuple(placed),
        )

    def _pause(self, departure: int, leg: int, first: int, last: int, placed: list[PlacedBreak]) -> tuple[int, int]:
        """Places the breaks of one leg: the arrival, and the minutes of breaks taken after it."""
        arrive, resting, clock = departure + leg, 0, departure
        for earliest, _, minutes in self.vehicle.breaks[first:last]:
            clock = max(clock, earliest)
            if clock < arrive:
                arrive += minutes
            else:
                resting += minutes
            placed.append(PlacedBreak(clock, clock + minutes))
            clock += minutes
        return arrive, resting


def _advance(ends: Sequence[int], leg: int, duration: int, starts: tuple[Interval, ...], breaks: Breaks) -> list[int]:
    row = [NEVER] * len(ends)
    for taken, departure in enumerate(ends):
        if departure == NEVER:
            continue
        for after in range(taken, len(ends)):
            start = first_start(starts, ready_minute(departure, leg, breaks, taken, after))
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
    model: Model, vehicle: Vehicle, visits: Sequence[int], starts: Sequence[tuple[Interval, ...]]
) -> Timeline:
    timeline = Timeline(model, vehicle, list(visits), list(starts), [], [])
    timeline.refresh()
    return timeline
