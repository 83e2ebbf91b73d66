"""The best order of one technician's visits, everybody else's day left alone.

Up to eight stops every order is considered, save those that cannot beat what is known; beyond, stops and short
chains are moved and turned around as long as that pays. Promises, pins and what other visits depend on hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optimizer.change import Change, Line, Starts
from optimizer.desk import Desk
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Problem
from optimizer.timing import NEVER, timeline_of

EXACT_UP_TO = 8
CHAIN_MAX = 3


@dataclass(frozen=True, slots=True)
class RouteImprovement:
    """The plan with the technician's visits in the better `order`, or the plan as it was; minutes and metres
    are those of the technician's travel."""

    plan: Plan
    minutes_before: int
    minutes_after: int
    metres_before: int
    metres_after: int
    order: tuple[str, ...]


def improve_route(
    problem: Problem, plan: Plan, technician_id: str, *, shift_index: int | None = None
) -> RouteImprovement:
    """Every shift of the technician (or the one named), each by itself, in the best order: what the plan is
    worth decides, then minutes of travel, then metres; never worse in any tier than before.
    Raises `InvalidProblem` for a technician or shift the problem does not have."""
    return improve_route_at(Desk(problem, plan), technician_id, shift_index=shift_index)


def improve_route_at(desk: Desk, technician_id: str, *, shift_index: int | None = None) -> RouteImprovement:
    """`improve_route` for a day that is prepared."""
    vehicles = desk.model.vehicles_of[desk.technician(technician_id)]
    if shift_index is not None:
        if not 0 <= shift_index < len(vehicles):
            raise InvalidProblem("shift_index", f"{technician_id} has no shift {shift_index}.")
        vehicles = [vehicles[shift_index]]
    before = [desk.bills[vehicle] for vehicle in vehicles if vehicle in desk.bills]
    for vehicle in vehicles:
        if len(desk.lines[vehicle].visits) > 1 and vehicle not in desk.closed:
            better = _Ordering(desk, vehicle).best()
            if better is not None:
                desk = desk.after(better)
    after = [desk.bills[vehicle] for vehicle in vehicles if vehicle in desk.bills]
    return RouteImprovement(
        plan=desk.plan,
        minutes_before=sum(bill.travel_minutes for bill in before),
        minutes_after=sum(bill.travel_minutes for bill in after),
        metres_before=sum(bill.travel_metres for bill in before),
        metres_after=sum(bill.travel_metres for bill in after),
        order=tuple(
            stop.visit_id for vehicle in vehicles if vehicle in desk.routes for stop in desk.routes[vehicle].stops
        ),
    )


Worth = tuple[int, int, int]


class _Ordering:
    """One route's orders, the best so far kept."""

    def __init__(self, desk: Desk, vehicle: int) -> None:
        self.desk = desk
        self.vehicle = vehicle
        self.visits = list(desk.lines[vehicle].visits)
        self.starts = {number: self._starts(number) for number in self.visits}
        self.shift = desk.model.vehicles[vehicle]
        # The most that another order could save: all legs, all lateness, and all that depends on the hour.
        fixed = sum(desk.own_cents(vehicle, number) for number in self.visits)
        fixed += desk.model.technicians[self.shift.technician].cost_cents_per_shift
        self.free_cents = desk.bills[vehicle].wishes_cents - fixed
        self.free_cents += (desk.bills[vehicle].travel_minutes + 1) * desk.problem.policy.balance_cents_per_minute
        self.late_cents = desk.longest_delay_saved(self.visits) * desk.model.lateness_scale + sum(
            desk.late_cents(number, desk.placed[desk.model.visits[number].id][1]) for number in self.visits
        )
        self.best_change: Change | None = None
        self.best_worth: Worth = (0, 0, 0)

    def _starts(self, number: int) -> Starts:
        """Anything the visit itself allows; what is pinned or linked stays where it is."""
        if self.desk.is_fixed(number):
            return self.desk.starts_for(number, self.vehicle)
        return self.desk.model.starts(self.desk.model.vehicles[self.vehicle].technician, number)

    def best(self) -> Change | None:
        if len(self.visits) <= EXACT_UP_TO:
            self._descend([], list(self.visits))
        else:
            self._climb()
        return self.best_change

    def _judge(self, order: Sequence[int]) -> bool:
        """Whether the order is the best so far; it becomes it."""
        starts = [self.starts[number] for number in order]
        line = Line(tuple(order), tuple(starts), self.desk.lines[self.vehicle].fetches)
        if not self.desk.timeline(self.vehicle, line).is_feasible():
            return False
        change = self.desk.change({self.vehicle: line})
        worth = change.price, change.added_travel_minutes, change.added_travel_metres
        if worth < self.best_worth and change.score <= self.desk.score and change.keeps_the_rules:
            self.best_worth, self.best_change = worth, change
            return True
        return False

    # ---- every order

    def _descend(self, order: list[int], left: list[int], cents: int = 0, late: int = 0) -> None:
        if not left:
            self._judge(order)
            return
        model, technician = self.desk.model, self.shift.technician
        here = model.place[order[-1]] if order else self.shift.start_place
        for number in sorted(left, key=lambda each: (model.leg_cents(technician, here, model.place[each]), each)):
            longer, others = [*order, number], [each for each in left if each != number]
            timeline = timeline_of(model, self.shift, longer, [self.starts[each] for each in longer])
            end = min(timeline.forward[-1])
            if end == NEVER:
                continue
            travelled = cents + model.leg_cents(technician, here, model.place[number])
            later = late + self.desk.late_cents(number, end - model.duration[technician][number])
            if not self._cannot_win(number, others, travelled, later, end):
                self._descend(longer, others, travelled, later)

    def _cannot_win(self, last: int, left: Sequence[int], cents: int, late: int, clock: int) -> bool:
        """Whether it is too dear already: the cheapest legs imaginable, what is late and what cannot but be."""
        model, technician = self.desk.model, self.shift.technician
        if model.is_slowed[technician]:
            return False
        stops = [model.place[number] for number in (last, *left)]
        ends = [model.place[number] for number in left] + [self.shift.end_place]
        cents += sum(min(model.leg_cents(technician, origin, end) for origin in stops) for end in ends)
        late += sum(self.desk.late_cents(number, max(clock, self.starts[number][0][0])) for number in left)
        return (cents - self.free_cents) * model.wishes_scale + late - self.late_cents > self.best_worth[0]

    # ---- better and better orders

    def _climb(self) -> None:
        order = list(self.visits)
        while True:
            better = next((other for other in _neighbors(order) if self._judge(other)), None)
            if better is None:
                return
            order = better


def _neighbors(order: list[int]) -> Iterator[list[int]]:
    """Chains of one to three stops put elsewhere, either way round, and stretches turned around."""
    for length in range(1, CHAIN_MAX + 1):
        for at in range(len(order) - length + 1):
            chain, rest = order[at : at + length], order[:at] + order[at + length :]
            for to in range(len(rest) + 1):
                if to != at:
                    yield [*rest[:to], *chain, *rest[to:]]
                if length > 1:
                    yield [*rest[:to], *reversed(chain), *rest[to:]]
    for first in range(len(order) - 1):
        for last in range(first + CHAIN_MAX + 1, len(order) + 1):
            yield [*order[:first], *reversed(order[first:last]), *order[last:]]
