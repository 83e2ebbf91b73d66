"""What becomes of a desk's plan when some of its routes are others: who moves, what it costs, whether it may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from optimizer.fits import Interval
from optimizer.plan import Plan, Reason, ReasonCode, Route, Score, Unassigned
from optimizer.problem import Problem, Tier
from optimizer.rules import (
    HARD_RULES,
    Day,
    account_for_each_visit_once,
    carry_the_parts,
    keep_the_order,
    lateness_cents,
    send_the_same_technician,
    work_together_as_a_crew,
)
from optimizer.timing import Fetch

if TYPE_CHECKING:
    from optimizer.desk import Desk

Starts = tuple[Interval, ...]
# These look at several routes, or at all visits: a change keeps them by what it may touch.
_RULES_BETWEEN_ROUTES = (
    account_for_each_visit_once,
    work_together_as_a_crew,
    keep_the_order,
    send_the_same_technician,
    carry_the_parts,
)
_ROUTE_RULES = tuple(rule for rule in HARD_RULES if rule not in _RULES_BETWEEN_ROUTES)


@dataclass(frozen=True, slots=True)
class Move:
    """A visit that stays in the plan, at another time, with others, or both."""

    visit_id: str
    from_technician_ids: tuple[str, ...]
    from_start_minute: int
    to_technician_ids: tuple[str, ...]
    to_start_minute: int


@dataclass(frozen=True, slots=True)
class Line:
    """A route in the making: visits by number, each with the starts it is allowed, and what is fetched for it."""

    visits: tuple[int, ...] = ()
    starts: tuple[Starts, ...] = ()
    fetches: Mapping[int, Fetch] = field(default_factory=dict)

    def adding(self, position: int, number: int, starts: Starts, fetch: Fetch | None = None) -> "Line":
        return Line(
            (*self.visits[:position], number, *self.visits[position:]),
            (*self.starts[:position], starts, *self.starts[position:]),
            self.fetches if fetch is None else {**self.fetches, number: fetch},
        )

    def without(self, number: int) -> "Line":
        at = self.visits.index(number)
        return Line(
            self.visits[:at] + self.visits[at + 1 :],
            self.starts[:at] + self.starts[at + 1 :],
            {each: fetch for each, fetch in self.fetches.items() if each != number},
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """One route: its wishes in cents, and the minutes that count as its technician's load."""

    wishes_cents: int = 0
    busy_minutes: int = 0
    travel_minutes: int = 0
    travel_metres: int = 0


NO_BILL = Bill()


class Change:
    """Some routes of a desk's plan replaced; every figure is the difference to that plan, and exact."""

    def __init__(self, desk: "Desk", lines: Mapping[int, Line], routes: Mapping[int, Route | None]) -> None:
        self.desk = desk
        self.lines = lines
        self.routes = routes
        self.bills = {vehicle: NO_BILL if route is None else desk.bill(route) for vehicle, route in routes.items()}
        before = [desk.bills.get(vehicle, NO_BILL) for vehicle in routes]
        after = self.bills.values()
        self.added_travel_minutes = sum(bill.travel_minutes for bill in after) - sum(
            bill.travel_minutes for bill in before
        )
        self.added_travel_metres = sum(bill.travel_metres for bill in after) - sum(
            bill.travel_metres for bill in before
        )
        self._count_visits()
        # What leaving a visit out would have cost is not saved by serving it: prices stay out of this figure.
        self.added_cents = (
            sum(bill.wishes_cents for bill in after)
            - sum(bill.wishes_cents for bill in before)
            + desk.balance_cents(self.bills)
            + self.optional_lateness_cents
        )

    def _count_visits(self) -> None:
        """Who is served now and was not, the other way round, and what both and the new times do to lateness."""
        desk, model = self.desk, self.desk.model
        before = {
            stop.visit_id for vehicle in self.routes if vehicle in desk.routes for stop in desk.routes[vehicle].stops
        }
        starts: dict[str, int] = {}
        for route in self.routes.values():
            for stop in route.stops if route is not None else ():
                starts[stop.visit_id] = max(stop.start_minute, starts.get(stop.visit_id, stop.start_minute))
        self.starts = starts
        self.served = tuple(sorted(each for each in starts if each not in desk.placed))
        self.dropped = tuple(sorted(each for each in before - starts.keys() if not self._is_served_elsewhere(each)))
        self.added_lateness_cents = self.optional_lateness_cents = 0
        for visit_id in before | starts.keys():
            visit = model.visits[model.visit_number[visit_id]]
            if visit.due_minute is None:
                continue
            cents = 0
            if visit_id in starts:
                cents += lateness_cents(desk.problem, visit, starts[visit_id])
            if visit_id in desk.placed and (visit_id in starts or visit_id in self.dropped):
                cents -= lateness_cents(desk.problem, visit, desk.placed[visit_id][1])
            if visit.mandatory:
                self.added_lateness_cents += cents
            else:
                self.optional_lateness_cents += cents
        self.added_lateness_cents += desk.longest_delay_cents(starts, self.dropped)

    def _is_served_elsewhere(self, visit_id: str) -> bool:
        number = self.desk.model.visit_number[visit_id]
        return any(vehicle not in self.routes for vehicle in self.desk.serving.get(number, ()))

    @cached_property
    def price(self) -> int:
        """One number to compare changes that serve the same visits, lateness outweighing wishes as it should."""
        model = self.desk.model
        return self.added_lateness_cents * model.lateness_scale + self.added_cents * model.wishes_scale

    @cached_property
    def marginal_cents(self) -> int:
        return self.added_cents + self.added_lateness_cents

    @cached_property
    def score(self) -> Score:
        """Of the whole plan after the change."""
        problem, points, wishes = self.desk.problem, 0, self.added_cents
        for visit_ids, sign in ((self.served, -1), (self.dropped, 1)):
            for visit_id in visit_ids:
                visit = problem.visit_by_id[visit_id]
                wishes += sign * visit.price_cents
                points += sign * problem.policy.priority_weight(visit.priority) if visit.mandatory else 0
        return scored_with(problem, self.desk.score, points, self.added_lateness_cents, wishes)

    def technicians_of(self, visit_id: str) -> tuple[str, ...]:
        """Who comes to a visit after the change."""
        number, desk = self.desk.model.visit_number[visit_id], self.desk
        elsewhere = {desk.technician_id(each) for each in desk.serving.get(number, ()) if each not in self.routes}
        here = {
            route.technician_id
            for route in self.routes.values()
            if route is not None and any(stop.visit_id == visit_id for stop in route.stops)
        }
        return tuple(sorted(elsewhere | here))

    @cached_property
    def moved(self) -> tuple[Move, ...]:
        """Who was in the plan and still is, and not as before."""
        moves: list[Move] = []
        for visit_id, start in sorted(self.starts.items()):
            if visit_id in self.desk.placed:
                technician_ids, former = self.desk.placed[visit_id]
                now = self.technicians_of(visit_id)
                if start != former or set(now) != technician_ids:
                    moves.append(Move(visit_id, tuple(sorted(technician_ids)), former, now, start))
        return tuple(moves)

    @cached_property
    def keeps_the_rules(self) -> bool:
        """Every rule that one route can break, asked again of the finished routes."""
        desk = self.desk
        day = Day(desk.problem, Plan(tuple(route for route in self.routes.values() if route is not None)))
        if any(True for rule in _ROUTE_RULES for _ in rule(day)):
            return False
        if not any(work.visit.parts or work.stop.pickup is not None for work in day.works):
            return True
        # What is on board in one shift depends on the shifts before it.
        people = {desk.model.vehicles[vehicle].technician for vehicle in self.routes}
        routes = {**desk.routes, **self.routes}
        theirs = [routes.get(vehicle) for technician in people for vehicle in desk.model.vehicles_of[technician]]
        stocked = Day(desk.problem, Plan(tuple(route for route in theirs if route is not None)))
        return not any(True for _ in carry_the_parts(stocked))

    @cached_property
    def plan(self) -> Plan:
        """The whole plan after the change, scored; who had to go says so."""
        desk = self.desk
        routes = {**desk.routes, **self.routes}
        left = [each for each in desk.plan.unassigned if each.visit_id not in self.served]
        return Plan(
            routes=tuple(route for route in routes.values() if route is not None),
            unassigned=(*left, *(Unassigned(each, self._reasons(each)) for each in self.dropped)),
            score=self.score,
        )

    def _reasons(self, visit_id: str) -> tuple[Reason, ...]:
        for_whom = ", ".join(f"“{each}”" for each in self.served) or "the rest of the day"
        return (Reason(ReasonCode.NO_CAPACITY_LEFT, f"It gave way to {for_whom}.", subject=for_whom),)


def scored_with(
    problem: Problem, before: Score, points: int = 0, lateness_cents: int = 0, wishes_cents: int = 0
) -> Score:
    """The score with so much more of each."""
    amounts = {
        Tier.HARD: before.violations,
        Tier.MANDATORY: before.mandatory_points + points,
        Tier.LATENESS: before.lateness_cents + lateness_cents,
        Tier.WISHES: before.wishes_cents + wishes_cents,
    }
    return Score(
        levels=tuple(sum(amounts[goal] for goal in tier) for tier in problem.policy.tiers),
        violations=before.violations,
        mandatory_points=amounts[Tier.MANDATORY],
        lateness_cents=amounts[Tier.LATENESS],
        wishes_cents=amounts[Tier.WISHES],
    )
