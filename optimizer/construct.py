"""An answer in milliseconds: regret insertion, and the best place for one more visit.

First come visits that depend on one another, placed as groups. Then, again and again, the visit that would
lose most by waiting takes its best place; optional visits come last, and only where they are worth it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import islice

from optimizer.draft import Draft, Option
from optimizer.model import Model
from optimizer.plan import Plan, Score
from optimizer.problem import Problem
from optimizer.score import score, scored

ShouldStop = Callable[[], bool]
REGRET_DEPTH = 3
# A route that is not open to a visit counts as this many cents worse than the best; scaled like lateness.
MISSING_ROUTE_CENTS = 10**7
GROUP_BREADTH = 4
GROUP_TRIES = 64
CREW_STARTS = 40
# So many optional visits left out are looked at for what they are worth together, so many at a time.
TOGETHER_MAX = 30
CHAIN_MAX = 4


def construct(problem: Problem, should_stop: ShouldStop | None = None) -> Plan:
    """A sound plan, scored; left-out visits carry no reasons yet."""
    draft = Draft(Model(problem))
    fill(draft, should_stop)
    return scored(problem, draft.to_plan())


def fill(draft: Draft, should_stop: ShouldStop | None = None) -> None:
    """Puts everything that fits, and is worth it, into the draft."""
    _place_groups(draft, should_stop)
    visits, linked = draft.model.visits, draft.model.is_linked
    for mandatory in (True, False):
        waiting = [
            number
            for number, visit in enumerate(visits)
            if number not in draft.served and not linked[number] and visit.mandatory is mandatory
        ]
        _insert_by_regret(draft, waiting, should_stop)
    _try_again(draft, should_stop)
    _serve_together(draft, should_stop)
    load_at_once(draft)


def load_at_once(draft: Draft) -> None:
    """Where one pickup could serve two stops of a route, the detour of the other is saved; kept only if all in all
    the plan is better for it."""
    if not any(len(timeline.fetches) > 1 for timeline in draft.timelines):
        return
    before, known = score(draft.model.problem, draft.to_plan()), draft.fetches()
    if draft.join_fetches() and score(draft.model.problem, draft.to_plan()) > before:
        draft.restore_fetches(known)


def _serve_together(draft: Draft, should_stop: ShouldStop | None) -> None:
    """Optional visits that pay only together: for one alone nobody would begin a shift, or drive that far. Kept
    only if all in all the plan is better for it."""
    model = draft.model
    left = [
        number
        for number, visit in enumerate(model.visits)
        if visit.price_cents and number not in draft.served and not model.is_linked[number]
    ]
    if not 2 <= len(left) <= TOGETHER_MAX:
        return
    before, added = score(model.problem, draft.to_plan()), list[tuple[int, int]]()
    for vehicle in range(len(model.vehicles)):
        if should_stop is not None and should_stop():
            break
        able = [number for number in left if number not in draft.served and draft.starts_for(number, vehicle)]
        added += [(number, vehicle) for number in _chain_worth_it(draft, vehicle, able)]
    if added and score(model.problem, draft.to_plan()) > before:
        for number, vehicle in reversed(added):
            draft.remove(number, vehicle)


def _chain_worth_it(draft: Draft, vehicle: int, able: list[int]) -> list[int]:
    """Puts one after the other into the route, the least loss first, and keeps as many as gain the most."""
    chain, gain, most, kept = list[int](), 0, 0, 0
    while len(able) + len(chain) > 1 and len(chain) < CHAIN_MAX:
        options = [
            (option.price - draft.model.visits[number].price_cents * draft.model.wishes_scale, number, option)
            for number in able
            if (option := draft.best_option(number, vehicle)) is not None
        ]
        if not options:
            break
        loss, number, option = min(options)
        if not draft.insert(number, vehicle, option.position, fetch=option.fetch):
            break
        chain.append(number)
        able = [each for each in able if each != number]
        gain -= loss
        if gain > most:
            most, kept = gain, len(chain)
    for number in reversed(chain[kept:]):
        draft.remove(number, vehicle)
    return chain[:kept]


def _try_again(draft: Draft, should_stop: ShouldStop | None) -> None:
    """A last look at what was left: what came after it may have brought someone near, or made room."""
    visits = draft.model.visits
    left = [number for number in range(len(visits)) if number not in draft.served]
    for number in sorted(left, key=lambda each: (not visits[each].mandatory, visits[each].priority, each)):
        if should_stop is not None and should_stop():
            return
        placings = _placings_of_any(draft, number)
        worth = visits[number].price_cents * draft.model.wishes_scale
        if placings and (visits[number].mandatory or placings[0].price < worth):
            _place(draft, number, placings[0])


# ---- visits on their own


class _Choices:
    """One visit's best option in each route, the few best of them at hand."""

    def __init__(self, draft: Draft, number: int) -> None:
        self.draft = draft
        self.number = number
        self.by_vehicle: dict[int, Option] = {}
        for vehicle in range(len(draft.model.vehicles)):
            if draft.starts_for(number, vehicle):
                self._judge(vehicle)
        self._rank()

    def _judge(self, vehicle: int) -> None:
        option = self.draft.best_option(self.number, vehicle)
        if option is None:
            self.by_vehicle.pop(vehicle, None)
        else:
            self.by_vehicle[vehicle] = option

    def refresh(self, vehicles: Sequence[int]) -> None:
        # A route that had no place for the visit has none once it is fuller.
        changed = [vehicle for vehicle in vehicles if vehicle in self.by_vehicle]
        for vehicle in changed:
            self._judge(vehicle)
        if changed:
            self._rank()

    def _distinct(self) -> Iterator[Option]:
        """Unused routes that cost the same are one choice: losing one of them would lose nothing."""
        unused: set[tuple[int, int]] = set()
        for vehicle, option in self.by_vehicle.items():
            if not self.draft.timelines[vehicle].visits:
                if (option.price, option.start_minute) in unused:
                    continue
                unused.add((option.price, option.start_minute))
            yield option

    def _rank(self) -> None:
        self.ranked = nsmallest(REGRET_DEPTH, self._distinct())
        self.regret = 0
        if self.ranked:
            best = self.ranked[0].price
            missing = REGRET_DEPTH - len(self.ranked)
            scale = max(self.draft.model.lateness_scale, self.draft.model.wishes_scale)
            self.regret = sum(option.price - best for option in self.ranked) + missing * MISSING_ROUTE_CENTS * scale


def _insert_by_regret(draft: Draft, waiting: list[int], should_stop: ShouldStop | None) -> None:
    visits = draft.model.visits
    weight = draft.model.problem.policy.priority_weight
    choices: dict[int, _Choices] = {}
    for number in waiting:
        if should_stop is not None and should_stop():
            return
        choices[number] = _Choices(draft, number)
    while choices:
        if should_stop is not None and should_stop():
            return
        worthwhile = [choice for choice in choices.values() if choice.ranked and _is_worth_it(draft, choice)]
        if not worthwhile:
            return
        chosen = max(
            worthwhile,
            key=lambda choice: (
                weight(visits[choice.number].priority) * (choice.regret + 1),
                -choice.ranked[0].price,
                -choice.number,
            ),
        )
        option = chosen.ranked[0]
        draft.insert(chosen.number, option.vehicle, option.position, fetch=option.fetch)
        del choices[chosen.number]
        touched = draft.model.vehicles_of[draft.model.vehicles[option.vehicle].technician]
        for choice in choices.values():
            # What was fetched is gone from the stock for everyone.
            gone = option.fetch is not None and visits[choice.number].parts
            choice.refresh(range(len(draft.model.vehicles)) if gone else touched)


def _is_worth_it(draft: Draft, choice: _Choices) -> bool:
    visit = draft.model.visits[choice.number]
    return visit.mandatory or choice.ranked[0].price < visit.price_cents * draft.model.wishes_scale


# ---- visits that depend on one another


def _place_groups(draft: Draft, should_stop: ShouldStop | None) -> None:
    groups = sorted(
        groups_of(draft.model),
        key=lambda group: (
            not any(draft.model.visits[number].mandatory for number in group),
            min(draft.model.visits[number].priority for number in group),
            group,
        ),
    )
    for group in groups:
        if should_stop is not None and should_stop():
            return
        if not any(number in draft.served for number in group):
            _GroupSearch(draft, group).run()


def groups_of(model: Model) -> list[list[int]]:
    """Connected visits, each after those it depends on."""
    neighbors: dict[int, set[int]] = {number: set() for number, linked in enumerate(model.is_linked) if linked}
    before: dict[int, set[int]] = {number: set() for number in neighbors}
    for number in neighbors:
        visit = model.visits[number]
        before[number] = {model.visit_number[link.visit_id] for link in visit.after}
        others = before[number] | (
            set() if visit.same_technician_as is None else {model.visit_number[visit.same_technician_as]}
        )
        for other in others:
            neighbors[number].add(other)
            neighbors[other].add(number)
    groups: list[list[int]] = []
    seen: set[int] = set()
    for root in neighbors:
        members, frontier = set[int](), [root]
        while frontier:
            number = frontier.pop()
            if number not in seen:
                seen.add(number)
                members.add(number)
                frontier.extend(neighbors[number])
        ordered: list[int] = []
        while members:
            ready = min(number for number in members if not before[number] & members)
            members.remove(ready)
            ordered.append(ready)
        if ordered:
            groups.append(ordered)
    return groups


@dataclass(frozen=True, slots=True, order=True)
class _Placing:
    """One way to serve a linked visit: its crew's options, at one start."""

    price: int
    start_minute: int
    options: tuple[Option, ...]


class _GroupSearch:
    """Depth first over a few placings for each member, the best group served so far kept."""

    def __init__(self, draft: Draft, group: list[int]) -> None:
        self.draft = draft
        self.group = group
        self.tries = GROUP_TRIES
        self.best: tuple[int, int] | None = None
        self.best_placings: dict[int, _Placing] = {}
        self.chosen: dict[int, _Placing] = {}

    def run(self) -> None:
        self._descend(0)
        for number in self.group:
            if number in self.best_placings:
                self._put(number, self.best_placings[number])

    def _descend(self, depth: int) -> None:
        if depth == len(self.group):
            self.tries -= 1
            rank = self._rank()
            if self.best is None or rank < self.best:
                self.best, self.best_placings = rank, dict(self.chosen)
            return
        number = self.group[depth]
        for placing in islice(_spread(linked_placings(self.draft, number)), GROUP_BREADTH):
            self._put(number, placing)
            self._descend(depth + 1)
            self._take_back(number)
            if self.tries <= 0 or self._is_good():
                return
        self._descend(depth + 1)

    def _is_good(self) -> bool:
        """All are served, and the optional ones are worth it together."""
        worth = sum(self.draft.model.visits[number].price_cents for number in self.group)
        mandatory = all(self.draft.model.visits[number].mandatory for number in self.group)
        return (
            len(self.best_placings) == len(self.group)
            and self.best is not None
            and (mandatory or self.best[1] <= worth * self.draft.model.wishes_scale)
        )

    def _rank(self) -> tuple[int, int]:
        """Loss of mandatory points first, then money; an optional member counts its price."""
        model = self.draft.model
        points = cents = 0
        for number in self.group:
            visit = model.visits[number]
            if number in self.chosen:
                cents += self.chosen[number].price
            else:
                points += model.problem.policy.priority_weight(visit.priority) if visit.mandatory else 0
                cents += visit.price_cents * model.wishes_scale
        return points, cents

    def _put(self, number: int, placing: _Placing) -> None:
        if _place(self.draft, number, placing):
            self.chosen[number] = placing

    def _take_back(self, number: int) -> None:
        for vehicle in self.draft.served.get(number, [])[:]:
            self.draft.remove(number, vehicle)
        self.draft.promises.pop(number, None)
        self.chosen.pop(number, None)


def _place(draft: Draft, number: int, placing: _Placing) -> bool:
    """Linked visits are frozen where they are put; False when one that comes first is not served."""
    if draft.model.is_linked[number]:
        promise = draft.promise_for(number)
        if promise is None:
            return False
        frozen = replace(promise, earliest_minute=placing.start_minute, latest_minute=placing.start_minute)
        draft.promises[number] = frozen
    for index, option in enumerate(placing.options):
        if not draft.insert(number, option.vehicle, option.position):
            # Two of a crew wanted the last part of a stock.
            for placed in placing.options[:index]:
                draft.remove(number, placed.vehicle)
            draft.promises.pop(number, None)
            return False
    return True


def _spread(placings: list[_Placing]) -> Iterator[_Placing]:
    """The cheapest first, then others: a later start may be what the rest of the group needs."""
    if placings:
        yield placings[0]
        by_start = sorted(placings[1:], key=lambda placing: placing.start_minute)
        for step in (len(by_start) - 1, len(by_start) // 2, len(by_start) // 4):
            if 0 <= step < len(by_start):
                yield by_start[step]


def linked_placings(draft: Draft, number: int) -> list[_Placing]:
    """Ways to serve a linked visit now, cheapest first: for each start worth trying, the cheapest crew."""
    promise = draft.promise_for(number)
    if promise is None:
        return []
    draft.promises[number] = promise
    found = [
        placing
        for start in _starts_worth_trying(draft, number)
        if (placing := _crew_at(draft, number, start)) is not None
    ]
    del draft.promises[number]
    return sorted(found)


def _starts_worth_trying(draft: Draft, number: int) -> list[int]:
    """The earliest start at each position of each route, the openings of windows, and steps between them."""
    starts: set[int] = set()
    for vehicle in range(len(draft.model.vehicles)):
        intervals = draft.starts_for(number, vehicle)
        shift = draft.model.vehicles[vehicle]
        starts.update(option.start_minute for option in draft.options(number, vehicle, intervals))
        for low, high in intervals:
            low, high = max(low, shift.first_minute), min(high, shift.last_minute)
            if low <= high:
                starts.update((low, high, *range(low, high, max(15, (high - low) // 8))))
    ordered = sorted(starts)
    step = max(1, len(ordered) // CREW_STARTS)
    return ordered[::step]


def _crew_at(draft: Draft, number: int, start: int) -> _Placing | None:
    """The cheapest crew of different technicians that can all start then."""
    model, best = draft.model, dict[int, Option]()
    for vehicle, shift in enumerate(model.vehicles):
        allowed = draft.starts_for(number, vehicle)
        if any(low <= start <= high for low, high in allowed):
            option = draft.best_option(number, vehicle, ((start, start),))
            if option is not None and (shift.technician not in best or option < best[shift.technician]):
                best[shift.technician] = option
    crew = nsmallest(model.visits[number].crew_size, best.values())
    if len(crew) < model.visits[number].crew_size:
        return None
    return _Placing(sum(option.price for option in crew), start, tuple(crew))


# ---- one more visit


@dataclass(frozen=True, slots=True)
class Insertion:
    """One way to add a visit to a plan; figures are differences to it, `plan` is the result, scored."""

    visit_id: str
    technician_ids: tuple[str, ...]
    shift_indexes: tuple[int, ...]
    start_minute: int
    added_travel_minutes: int
    added_travel_metres: int
    added_lateness_cents: int
    added_cents: int
    plan: Plan

    @property
    def score(self) -> Score:
        assert self.plan.score is not None
        return self.plan.score


def insert(problem: Problem, plan: Plan, visit_id: str, *, ways_max: int = 10) -> tuple[Insertion, ...]:
    """The best way for each technician (for a crew: for each start), best first; empty when it fits nowhere.
    The other visits keep their technicians and order. The visit must be part of the problem."""
    draft = Draft.from_plan(Model(problem), plan)
    return ways_to_insert(problem, draft, visit_id, ways_max)


def _placings_of_any(draft: Draft, number: int) -> list[_Placing]:
    if draft.model.is_linked[number]:
        return linked_placings(draft, number)
    options = (draft.best_option(number, vehicle) for vehicle in range(len(draft.model.vehicles)))
    return sorted(_Placing(option.price, option.start_minute, (option,)) for option in options if option is not None)


def placings_price(draft: Draft, number: int) -> int | None:
    """The scaled price of serving a left-out visit where it is cheapest, or None where it does not fit."""
    placings = _placings_of_any(draft, number)
    return placings[0].price if placings else None


def ways_to_insert(problem: Problem, draft: Draft, visit_id: str, ways_max: int) -> tuple[Insertion, ...]:
    """`insert` for a draft; a visit already served is taken out first."""
    model = draft.model
    number = model.visit_number[visit_id]
    if number in draft.served:
        draft.drop(number)
    base = draft.to_plan()
    base_score = score(problem, base)
    ways: list[Insertion] = []
    for placing in _placings_of_any(draft, number)[:ways_max]:
        if not _place(draft, number, placing):
            continue
        ways.append(_insertion(problem, draft, number, base, base_score))
        for option in placing.options:
            draft.remove(number, option.vehicle)
        draft.promises.pop(number, None)
    return tuple(sorted(ways, key=lambda way: (way.score.levels, way.technician_ids)))


def _insertion(problem: Problem, draft: Draft, number: int, base: Plan, base_score: Score) -> Insertion:
    model, visit = draft.model, draft.model.visits[number]
    after = scored(problem, draft.to_plan())
    assert after.score is not None
    served = sorted(
        (model.technicians[model.vehicles[vehicle].technician].id, model.vehicles[vehicle].shift_index)
        for vehicle in draft.served[number]
    )
    return Insertion(
        visit_id=visit.id,
        technician_ids=tuple(name for name, _ in served),
        shift_indexes=tuple(index for _, index in served),
        start_minute=after.stops_of(visit.id)[0].start_minute,
        added_travel_minutes=_total(after)[0] - _total(base)[0],
        added_travel_metres=_total(after)[1] - _total(base)[1],
        added_lateness_cents=after.score.lateness_cents - base_score.lateness_cents,
        # What leaving it out would have cost is not saved by serving it: the price stays out of the figure.
        added_cents=after.score.wishes_cents - base_score.wishes_cents + visit.price_cents,
        plan=after,
    )


def _total(plan: Plan) -> tuple[int, int]:
    return sum(route.travel_minutes for route in plan.routes), sum(route.travel_metres for route in plan.routes)
