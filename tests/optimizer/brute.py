"""Everything tried: every set of visits, in every order, by everyone, with every pickup and every start.

Naive on purpose, and apart from the planner's own code: it reads the problem, counts minutes and cents itself,
and hands back the price of the best day there is. Times must be multiples of `STEP`, unless visits start as soon
as they can: then nothing is gained in between, since every bound is a difference of two times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import ceil

from optimizer.plan import Plan
from optimizer.problem import Problem, Shift, Stock, Technician, Tier, TravelMatrix, Visit, Window

STEP = 10
Amounts = tuple[tuple[tuple[str, str], int], ...]


@dataclass(frozen=True)
class Day:
    """One way through one shift: who is served when (linked visits alone), what is loaded where, the longest
    delay, lateness and wishes in cents, minutes that count as load."""

    starts: tuple[tuple[str, int], ...] = ()
    loaded: Amounts = ()
    delay: int = 0
    late_cents: int = 0
    wish_cents: int = 0
    minutes: int = 0


@dataclass(frozen=True)
class Moment:
    """Within a day: what is free from when, and the breaks taken."""

    clock: int
    taken: int
    day: Day


def best_levels(problem: Problem, any_start: bool = False) -> tuple[int, ...]:
    """The levels of the best plan; `any_start` where starting as soon as possible may not be best."""
    return _Search(problem, any_start).run()


class _Search:
    def __init__(self, problem: Problem, any_start: bool) -> None:
        self.problem, self.policy, self.any_start = problem, problem.policy, any_start
        self.place = {place.id: index for index, place in enumerate(problem.places)}
        self.visits = {visit.id: visit for visit in problem.visits}
        self.linked = {
            name
            for visit in problem.visits
            for name in (
                *((visit.id,) if visit.crew_size > 1 or visit.after or visit.same_technician_as else ()),
                *(link.visit_id for link in visit.after),
                *((visit.same_technician_as,) if visit.same_technician_as else ()),
            )
        }
        self.told = _told(problem.published)

    def levels(self, points: int, late: int, wishes: int) -> tuple[int, ...]:
        amounts = {Tier.HARD: 0, Tier.MANDATORY: points, Tier.LATENESS: late, Tier.WISHES: wishes}
        return tuple(sum(amounts[goal] for goal in tier) for tier in self.policy.tiers)

    # ---- all shifts together

    def run(self) -> tuple[int, ...]:
        shifts = [(person, shift) for person in self.problem.technicians for shift in person.shifts]
        choices = [self.days_of(person, shift) for person, shift in shifts]
        best: tuple[int, ...] | None = None
        for chosen in product(*choices):
            served: dict[str, list[str]] = {}
            for (person, _), (order, _) in zip(shifts, chosen, strict=True):
                for name in order:
                    served.setdefault(name, []).append(person.id)
            if not self._may_be(served):
                continue
            for days in product(*(each for _, each in chosen)):
                levels = self._judge(served, shifts, days)
                if levels is not None and (best is None or levels < best):
                    best = levels
        assert best is not None
        return best

    def _may_be(self, served: dict[str, list[str]]) -> bool:
        for name, people in served.items():
            visit = self.visits[name]
            if len(people) != visit.crew_size or len(set(people)) != len(people):
                return False
            if any(link.visit_id not in served for link in visit.after):
                return False
            others = served.get(visit.same_technician_as or "", people)
            if not (set(people) <= set(others) or set(others) <= set(people)):
                return False
        return True

    def _judge(
        self, served: dict[str, list[str]], shifts: list[tuple[Technician, Shift]], days: tuple[Day, ...]
    ) -> tuple[int, ...] | None:
        starts: dict[str, set[int]] = {}
        ends: dict[str, int] = {}
        loaded: dict[tuple[str, str], int] = {}
        busy: dict[str, int] = {}
        for (person, _), day in zip(shifts, days, strict=True):
            busy[person.id] = busy.get(person.id, 0) + day.minutes
            for name, start in day.starts:
                starts.setdefault(name, set()).add(start)
                ends[name] = max(ends.get(name, start), start + person.minutes_for(self.visits[name]))
            for what, amount in day.loaded:
                loaded[what] = loaded.get(what, 0) + amount
        for (place, name), amount in loaded.items():
            if amount > next(stock.parts.get(name, 0) for stock in self.problem.stocks if stock.place == place):
                return None
        for name, minutes in starts.items():
            if len(minutes) > 1:
                return None
            for link in self.visits[name].after:
                (reference,) = starts[link.visit_id]
                gap = min(minutes) - (reference if link.from_start else ends[link.visit_id])
                if gap < link.gap_minutes_min or (link.gap_minutes_max is not None and gap > link.gap_minutes_max):
                    return None
        points = wishes = 0
        for visit in self.problem.visits:
            if visit.id not in served:
                points += self.policy.priority_weights[visit.priority - 1] if visit.mandatory else 0
                wishes += visit.price_cents
        if sum(busy.values()):
            mean = sum(busy.values()) // len(self.problem.technicians)
            wishes += (max(busy.values()) - mean) * self.policy.balance_cents_per_minute
        late = max(day.delay for day in days) * self.policy.worst_lateness_cents_per_minute if days else 0
        late += sum(day.late_cents for day in days)
        # Each of a crew counts the lateness of its visit; it is priced once.
        for name, people in served.items():
            if len(people) > 1:
                (start,) = starts[name]
                cents = self._late_cents(self.visits[name], start) * (len(people) - 1)
                late -= cents if self.visits[name].mandatory else 0
                wishes -= 0 if self.visits[name].mandatory else cents
        return self.levels(points, late, wishes + sum(day.wish_cents for day in days))

    # ---- one shift

    def days_of(self, person: Technician, shift: Shift) -> list[tuple[tuple[str, ...], list[Day]]]:
        able = [visit for visit in self.problem.visits if _may_serve(person, visit)]
        found: list[tuple[tuple[str, ...], list[Day]]] = [((), [Day()])]
        for count in range(1, len(able) + 1):
            for order in permutations(able, count):
                capacity = person.capacity_units
                if capacity is not None and sum(visit.load_units for visit in order) > capacity:
                    continue
                days = self._best(
                    day
                    for pickups in self._pickups(person, order)
                    for day in self._drive(person, shift, order, pickups)
                )
                if days:
                    found.append((tuple(visit.id for visit in order), days))
        return found

    def _best(self, days: Iterator[Day]) -> list[Day]:
        """Of days that are alike to all others, the cheapest."""
        best: dict[tuple[object, ...], Day] = {}
        for day in days:
            alike = (
                day.starts,
                day.loaded,
                day.delay if self.policy.worst_lateness_cents_per_minute else 0,
                day.minutes,
            )
            if alike not in best or self._levels_of(day) < self._levels_of(best[alike]):
                best[alike] = day
        return list(best.values())

    def _levels_of(self, day: Day) -> tuple[int, ...]:
        return self.levels(0, day.late_cents, day.wish_cents)

    def _pickups(
        self, person: Technician, order: tuple[Visit, ...]
    ) -> Iterator[tuple[tuple[Stock, dict[str, int]] | None, ...]]:
        """At each stop nothing, or at some stock what is lacking up to that stop or to a later one."""
        missing = {
            name
            for visit in order
            for name in visit.parts
            if sum(each.parts.get(name, 0) for each in order) > person.parts.get(name, 0)
        }
        if not missing:
            yield (None,) * len(order)
            return
        each = [
            [None, *((stock, until) for stock in self.problem.stocks for until in range(at, len(order)))]
            for at in range(len(order))
        ]
        for chosen in product(*each):
            loads = _loads(person, order, chosen)
            if loads is not None:
                yield loads

    def _drive(
        self,
        person: Technician,
        shift: Shift,
        order: tuple[Visit, ...],
        pickups: tuple[tuple[Stock, dict[str, int]] | None, ...],
    ) -> Iterator[Day]:
        travel = self.problem.travel_for(person)
        loaded = tuple(
            ((each[0].place, name), amount) for each in pickups if each is not None for name, amount in each[1].items()
        )
        departures = range(shift.start_minute, shift.last_minute, STEP) if self.any_start else [shift.start_minute]
        moments = [Moment(clock, 0, Day(loaded=loaded, wish_cents=person.cost_cents_per_shift)) for clock in departures]
        here = shift.start_place
        for at, (visit, pickup) in enumerate(zip(order, pickups, strict=True)):
            reached: list[Moment] = []
            for moment in moments:
                arrival, minutes, metres = self._leg(travel, here, visit.place, moment.clock, pickup)
                rate = self.policy.wait_cents_per_minute
                for taken, ready, arrived, rested in _with_breaks(shift, moment, arrival, before_leaving=at == 0):
                    for start in self._starts(person, visit, shift, ready):
                        # Whoever starts as soon as possible leaves home as late as possible.
                        waited = start - arrived - rested if at or self.any_start else 0
                        day = self._served(person, visit, start, minutes, metres, moment.day, waited * rate)
                        reached.append(Moment(start + person.minutes_for(visit), taken, day))
            moments = self._undominated(reached)
            here = visit.place
        for moment in moments:
            arrival, minutes, metres = moment.clock, 0, 0
            if shift.end_place is not None:
                arrival, minutes, metres = self._leg(travel, here, shift.end_place, moment.clock, None)
            for taken, ready, arrived, _ in _with_breaks(shift, moment, arrival):
                last = _rest_fits(shift, taken, ready)
                if arrived <= shift.last_minute and last:
                    over = max(0, arrived - shift.end_minute) * person.overtime_cents_per_minute
                    yield _plus(moment.day, minutes, person.travel_cents(minutes, metres) + over)

    def _undominated(self, moments: list[Moment]) -> list[Moment]:
        """Of moments that are alike for all that follows, the cheapest; on the same day, the earliest."""
        best: dict[tuple[object, ...], Moment] = {}
        for moment in moments:
            day = moment.day
            alike = (
                moment.taken,
                day.starts,
                day.minutes,
                day.delay if self.policy.worst_lateness_cents_per_minute else 0,
                moment.clock if self.any_start else (day.late_cents, day.wish_cents),
            )
            known = best.get(alike)
            rank = (self._levels_of(day), moment.clock)
            if known is None or rank < (self._levels_of(known.day), known.clock):
                best[alike] = moment
        return list(best.values())

    def _leg(
        self,
        travel: TravelMatrix,
        here: str,
        there: str,
        clock: int,
        pickup: tuple[Stock, dict[str, int]] | None,
    ) -> tuple[int, int, int]:
        stops, minutes, metres = [here, there], 0, 0
        if pickup is not None:
            stops.insert(1, pickup[0].place)
        for index in range(len(stops) - 1):
            origin, destination = self.place[stops[index]], self.place[stops[index + 1]]
            leg = _road(travel, travel.minutes[origin][destination], clock)
            minutes, metres, clock = minutes + leg, metres + travel.metres[origin][destination], clock + leg
            if pickup is not None and index == 0:
                clock += pickup[0].handling_minutes
        return clock, minutes, metres

    def _starts(self, person: Technician, visit: Visit, shift: Shift, ready: int) -> Iterator[int]:
        for start in range(ready, shift.last_minute + 1, STEP if self.any_start else 1):
            if _opens(person, visit, start):
                yield start
                if not self.any_start:
                    return

    def _served(
        self, person: Technician, visit: Visit, start: int, minutes: int, metres: int, day: Day, wait_cents: int
    ) -> Day:
        late = self._late_cents(visit, start)
        wishes = person.travel_cents(minutes, metres) + wait_cents
        for name, level in visit.required_skills.items():
            wishes += (person.skills[name].level - level) * self.policy.overqualification_cents_per_level
        if visit.preferred_technicians and person.id not in visit.preferred_technicians:
            wishes += self.policy.preference_cents
        if visit.id in self.told:
            people, told = self.told[visit.id]
            wishes += 0 if person.id in people else self.policy.changed_technician_cents
            wishes += abs(start - told) * self.policy.moved_cents_per_minute
        return Day(
            starts=(*day.starts, (visit.id, start)) if visit.id in self.linked else day.starts,
            loaded=day.loaded,
            delay=max(day.delay, start - visit.due_minute) if visit.due_minute is not None else day.delay,
            late_cents=day.late_cents + (late if visit.mandatory else 0),
            wish_cents=day.wish_cents + wishes + (0 if visit.mandatory else late),
            minutes=day.minutes + minutes + person.minutes_for(visit),
        )

    def _late_cents(self, visit: Visit, start: int) -> int:
        if visit.due_minute is None:
            return 0
        weight = self.policy.priority_weights[visit.priority - 1]
        return max(0, start - visit.due_minute) * visit.lateness_cents_per_minute * weight


def _plus(day: Day, minutes: int, cents: int) -> Day:
    return Day(day.starts, day.loaded, day.delay, day.late_cents, day.wish_cents + cents, day.minutes + minutes)


def _told(plan: Plan | None) -> dict[str, tuple[set[str], int]]:
    told: dict[str, tuple[set[str], int]] = {}
    for route in plan.routes if plan is not None else ():
        for stop in route.stops:
            people, start = told.get(stop.visit_id, (set(), stop.start_minute))
            told[stop.visit_id] = {*people, route.technician_id}, max(start, stop.start_minute)
    return told


def _road(travel: TravelMatrix, minutes: int, clock: int) -> int:
    """Minute by minute."""
    left, gone = minutes * 10**6, 0
    while left > 0:
        hours = (hour.factor for hour in travel.slowdowns if hour.start_minute <= clock + gone < hour.end_minute)
        left -= ceil(10**6 / next(hours, 1.0))
        gone += 1
    return gone


def _may_serve(person: Technician, visit: Visit) -> bool:
    for name, level in visit.required_skills.items():
        if name not in person.skills or person.skills[name].level < level:
            return False
    if person.id in visit.excluded_technicians:
        return False
    if visit.required_technicians and person.id not in visit.required_technicians:
        return False
    if visit.territory is not None and person.territories and visit.territory not in person.territories:
        return False
    return visit.pin is None or visit.pin.technician_ids is None or person.id in visit.pin.technician_ids


def _opens(person: Technician, visit: Visit, start: int) -> bool:
    end = start + person.minutes_for(visit)

    def inside(window: Window) -> bool:
        return window.earliest_minute <= start and (end if window.ends_inside else start) <= window.latest_minute

    if visit.windows and not any(inside(window) for window in visit.windows):
        return False
    if visit.promised is not None and not inside(visit.promised):
        return False
    if visit.release_minute is not None and start < visit.release_minute:
        return False
    if visit.pin is not None and visit.pin.start_minute is not None and start != visit.pin.start_minute:
        return False
    expiries = (person.skills[name].expires_minute for name in visit.required_skills)
    return all(expiry is None or end <= expiry for expiry in expiries)


def _with_breaks(
    shift: Shift, moment: Moment, arrival: int, before_leaving: bool = False
) -> Iterator[tuple[int, int, int, int]]:
    """Breaks taken, ready, arrived, rested after arriving: with none, one, two … of the breaks on this leg, each as
    soon as it may be. One that is over before the route leaves costs it no time."""
    clock, arrived, ready, rested = moment.clock, arrival, arrival, 0
    yield moment.taken, ready, arrived, rested
    if before_leaving:
        clock = shift.start_minute
    for taken in range(moment.taken, len(shift.breaks)):
        pause = shift.breaks[taken]
        begin = max(clock, pause.earliest_minute)
        if begin > pause.latest_minute:
            return
        clock = begin + pause.duration_minutes
        if before_leaving and clock > moment.clock > begin:
            return
        if not (before_leaving and clock <= moment.clock):
            if begin < arrived:
                arrived, ready = arrived + pause.duration_minutes, ready + pause.duration_minutes
            else:
                ready, rested = max(ready, begin) + pause.duration_minutes, rested + pause.duration_minutes
        yield taken + 1, ready, arrived, rested


def _rest_fits(shift: Shift, taken: int, clock: int) -> bool:
    """Whether the breaks not yet taken can be, at home."""
    for pause in shift.breaks[taken:]:
        clock = max(clock, pause.earliest_minute)
        if clock > pause.latest_minute:
            return False
        clock += pause.duration_minutes
    return True


def _loads(
    person: Technician, order: tuple[Visit, ...], chosen: tuple[tuple[Stock, int] | None, ...]
) -> tuple[tuple[Stock, dict[str, int]] | None, ...] | None:
    board = dict(person.parts)
    loads: list[tuple[Stock, dict[str, int]] | None] = []
    for at, choice in enumerate(chosen):
        if choice is None:
            loads.append(None)
        else:
            stock, until = choice
            ahead = order[at : until + 1]
            names = {name for visit in ahead for name in visit.parts}
            load = {name: sum(visit.parts.get(name, 0) for visit in ahead) - board.get(name, 0) for name in names}
            load = {name: amount for name, amount in sorted(load.items()) if amount > 0}
            if not load:
                return None
            for name, amount in load.items():
                board[name] = board.get(name, 0) + amount
            loads.append((stock, load))
        for name, amount in order[at].parts.items():
            board[name] = board.get(name, 0) - amount
            if board[name] < 0:
                return None
    return tuple(loads)
