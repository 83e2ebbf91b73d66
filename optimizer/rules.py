"""Every planning rule, one small function each; `HARD_RULES` and `GOALS` list them, their names the policy.

A hard rule yields what breaks it. A goal yields what falling short of it costs, in the tier it belongs to.
Rules believe nothing a plan says that the problem can tell: legs, durations and ends are recomputed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from optimizer.plan import PlacedBreak, Plan, Route, Stop
from optimizer.problem import Problem, Shift, Stock, Technician, Tier, TravelMatrix, Visit, Window


@dataclass(frozen=True, slots=True)
class Violation:
    rule: str
    sentence: str
    technician_id: str | None = None
    visit_id: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """`amount` is points for mandatory visits, cents everywhere else."""

    rule: str
    tier: Tier
    amount: int
    technician_id: str | None = None
    visit_id: str | None = None


@dataclass(frozen=True, slots=True)
class Drive:
    """A leg as the problem has it, breaks on the road included in the arrival; `pickup_minutes` are when one
    arrives at the stock and leaves it, where something is fetched."""

    minutes: int
    metres: int
    arrive_minute: int
    break_minutes_there: int
    pickup_minutes: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One technician at one visit."""

    technician: Technician
    visit: Visit
    stop: Stop
    drive: Drive

    @property
    def end_minute(self) -> int:
        return self.stop.start_minute + self.technician.minutes_for(self.visit)


@dataclass(frozen=True, slots=True)
class Tour:
    """A route whose technician, shift and visits exist."""

    route: Route
    technician: Technician
    shift: Shift
    works: tuple[Work, ...]
    back: Drive


class Day:
    """A plan beside its problem, with the known told from the unknown once for all rules."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self.problem = problem
        self.plan = plan

    @cached_property
    def tours(self) -> tuple[Tour, ...]:
        return tuple(self._tour(route) for route in self.plan.routes if self._is_known(route))

    @cached_property
    def works(self) -> tuple[Work, ...]:
        return tuple(work for tour in self.tours for work in tour.works)

    @cached_property
    def works_by_visit(self) -> Mapping[str, list[Work]]:
        works: dict[str, list[Work]] = defaultdict(list)
        for work in self.works:
            works[work.visit.id].append(work)
        return works

    def _is_known(self, route: Route) -> bool:
        technician = self.problem.technician_by_id.get(route.technician_id)
        return technician is not None and 0 <= route.shift_index < len(technician.shifts)

    def _tour(self, route: Route) -> Tour:
        technician = self.problem.technician_by_id[route.technician_id]
        shift = technician.shifts[route.shift_index]
        travel = self.problem.travel_for(technician)
        position, free_minute = self.problem.place_index[shift.start_place], route.depart_minute
        works: list[Work] = []
        for stop in route.stops:
            visit = self.problem.visit_by_id.get(stop.visit_id)
            if visit is not None:
                place = self.problem.place_index[visit.place]
                stock = None if stop.pickup is None else self.problem.stock_by_place.get(stop.pickup.place)
                way = _way(self.problem, travel, position, place, free_minute, stock)
                drive = _drive(way, free_minute, stop.start_minute, route.breaks)
                works.append(Work(technician, visit, stop, drive))
                position, free_minute = place, works[-1].end_minute
        if shift.end_place is None:
            back = Drive(0, 0, free_minute, 0)
        else:
            home = self.problem.place_index[shift.end_place]
            way = _way(self.problem, travel, position, home, free_minute, None)
            back = _drive(way, free_minute, None, route.breaks)
        return Tour(route, technician, shift, tuple(works), back)


def _way(
    problem: Problem, travel: TravelMatrix, origin: int, destination: int, departure_minute: int, stock: Stock | None
) -> tuple[list[int], int, int]:
    """The leg without breaks: when one arrives at the stock and leaves it, if one goes by way of it, and when one
    arrives at the stop; minutes and metres of road."""
    if stock is None:
        minutes = travel.minutes_from(origin, destination, departure_minute)
        return [departure_minute + minutes], minutes, travel.metres[origin][destination]
    by_way_of = problem.place_index[stock.place]
    first = travel.minutes_from(origin, by_way_of, departure_minute)
    left_minute = departure_minute + first + stock.handling_minutes
    onward = travel.minutes_from(by_way_of, destination, left_minute)
    metres = travel.metres[origin][by_way_of] + travel.metres[by_way_of][destination]
    return [departure_minute + first, left_minute, left_minute + onward], first + onward, metres


def _drive(
    way: tuple[list[int], int, int],
    departure_minute: int,
    until_minute: int | None,
    breaks: tuple[PlacedBreak, ...],
) -> Drive:
    """The leg, prolonged by each break that starts on it; those after it are taken at the place."""
    marks, minutes, metres = way
    there = 0
    for pause in breaks:
        if pause.start_minute < departure_minute:
            continue
        length = pause.end_minute - pause.start_minute
        if pause.start_minute < marks[-1]:
            marks = [mark + length if pause.start_minute < mark else mark for mark in marks]
        elif until_minute is not None and pause.start_minute < until_minute:
            there += length
    return Drive(minutes, metres, marks[-1], there, (marks[0], marks[1]) if len(marks) == 3 else None)


def opens_for(window: Window, work: Work) -> bool:
    last = work.end_minute if window.ends_inside else work.stop.start_minute
    return window.earliest_minute <= work.stop.start_minute and last <= window.latest_minute


Found = Iterator[Violation]
Charged = Iterator[Charge]


def _broken(rule: Callable[[Day], Found], work: Work, sentence: str) -> Violation:
    return Violation(rule.__name__, sentence, work.technician.id, work.visit.id)


# ---- hard rules


def name_only_what_exists(day: Day) -> Found:
    rule = name_only_what_exists.__name__
    for route in day.plan.routes:
        technician = day.problem.technician_by_id.get(route.technician_id)
        if technician is None:
            yield Violation(rule, f"There is no technician “{route.technician_id}”.", route.technician_id)
        elif not 0 <= route.shift_index < len(technician.shifts):
            yield Violation(rule, f"There is no shift {route.shift_index}.", route.technician_id)
        for stop in route.stops:
            if stop.pickup is not None and stop.pickup.place not in day.problem.stock_by_place:
                sentence = f"There is no stock at “{stop.pickup.place}”."
                yield Violation(rule, sentence, route.technician_id, stop.visit_id)
    named = [stop.visit_id for route in day.plan.routes for stop in route.stops]
    for visit_id in [*named, *(each.visit_id for each in day.plan.unassigned)]:
        if visit_id not in day.problem.visit_by_id:
            yield Violation(rule, f"There is no visit “{visit_id}”.", visit_id=visit_id)


def work_each_shift_once(day: Day) -> Found:
    for (technician_id, shift_index), count in Counter(
        (route.technician_id, route.shift_index) for route in day.plan.routes
    ).items():
        if count > 1:
            yield Violation(work_each_shift_once.__name__, f"Shift {shift_index} has {count} routes.", technician_id)


def account_for_each_visit_once(day: Day) -> Found:
    """Served by as many technicians as it takes, or listed as left out; never both, never neither."""
    rule = account_for_each_visit_once.__name__
    left_out = Counter(each.visit_id for each in day.plan.unassigned)
    for visit in day.problem.visits:
        served, listed = len(day.works_by_visit.get(visit.id, ())), left_out[visit.id]
        if served and listed:
            yield Violation(rule, "It is served and left out at once.", visit_id=visit.id)
        elif not served and listed != 1:
            yield Violation(rule, f"It is not served and listed {listed} times as left out.", visit_id=visit.id)
        elif served and served != visit.crew_size:
            yield Violation(rule, f"It is served by {served}, not {visit.crew_size}.", visit_id=visit.id)


def work_together_as_a_crew(day: Day) -> Found:
    """Different technicians, one start."""
    for visit_id, works in day.works_by_visit.items():
        if len({work.technician.id for work in works}) != len(works):
            yield _broken(work_together_as_a_crew, works[0], "The same technician is sent twice.")
        if len({work.stop.start_minute for work in works}) > 1:
            yield Violation(work_together_as_a_crew.__name__, "The crew does not start together.", visit_id=visit_id)


def take_the_time_the_road_takes(day: Day) -> Found:
    for tour in day.tours:
        for work in tour.works:
            stop, drive = work.stop, work.drive
            said = (stop.travel_minutes, stop.travel_metres, stop.arrive_minute)
            true = (drive.minutes, drive.metres, drive.arrive_minute)
            if said != true:
                yield _broken(
                    take_the_time_the_road_takes,
                    work,
                    f"Minutes, metres and arrival are {said}, by road {true}.",
                )
            fetched = None if stop.pickup is None else (stop.pickup.arrive_minute, stop.pickup.leave_minute)
            if drive.pickup_minutes is not None and fetched != drive.pickup_minutes:
                yield _broken(
                    take_the_time_the_road_takes,
                    work,
                    f"The stock is reached and left at {fetched}, by road at {drive.pickup_minutes}.",
                )
        said = (tour.route.return_travel_minutes, tour.route.return_travel_metres, tour.route.return_minute)
        true = (tour.back.minutes, tour.back.metres, tour.back.arrive_minute)
        if tour.works and said != true:
            yield Violation(
                take_the_time_the_road_takes.__name__,
                f"Minutes, metres and return are {said}, by road {true}.",
                tour.technician.id,
            )


def take_the_time_the_work_takes(day: Day) -> Found:
    for work in day.works:
        idle_minutes = work.stop.start_minute - work.drive.arrive_minute - work.drive.break_minutes_there
        if idle_minutes < 0:
            yield _broken(take_the_time_the_work_takes, work, f"Work starts {-idle_minutes} min before it can.")
        elif work.stop.wait_minutes != idle_minutes:
            yield _broken(
                take_the_time_the_work_takes,
                work,
                f"The wait is {idle_minutes} min, not {work.stop.wait_minutes}.",
            )
        if work.stop.end_minute != work.end_minute:
            yield _broken(
                take_the_time_the_work_takes,
                work,
                f"Work ends at minute {work.end_minute}, not {work.stop.end_minute}.",
            )


def stay_inside_the_shift(day: Day) -> Found:
    rule = stay_inside_the_shift.__name__
    for tour in day.tours:
        early = tour.shift.start_minute - tour.route.depart_minute
        late = tour.back.arrive_minute - tour.shift.last_minute
        if early > 0:
            yield Violation(rule, f"The route leaves {early} min before the shift.", tour.technician.id)
        if tour.works and late > 0:
            yield Violation(rule, f"The route returns {late} min after the longest shift.", tour.technician.id)


def take_every_break(day: Day) -> Found:
    """Each in its own window and full length, one after the other, never during a visit."""
    rule = take_every_break.__name__
    for tour in day.tours:
        placed, wanted = tour.route.breaks, tour.shift.breaks
        if len(placed) != len(wanted):
            yield Violation(rule, f"{len(placed)} of {len(wanted)} breaks are taken.", tour.technician.id)
            continue
        for pause, wish in zip(placed, wanted, strict=True):
            if not wish.earliest_minute <= pause.start_minute <= wish.latest_minute:
                yield Violation(
                    rule,
                    f"The break at minute {pause.start_minute} is out of its window.",
                    tour.technician.id,
                )
            if pause.end_minute - pause.start_minute != wish.duration_minutes:
                yield Violation(
                    rule,
                    f"The break at minute {pause.start_minute} is not {wish.duration_minutes} min.",
                    tour.technician.id,
                )
            for work in tour.works:
                if pause.start_minute < work.end_minute and work.stop.start_minute < pause.end_minute:
                    yield _broken(take_every_break, work, "The break falls into the visit.")
        for before, after in pairwise(placed):
            if after.start_minute < before.end_minute:
                yield Violation(rule, "Two breaks overlap.", tour.technician.id)
        for pause in placed:
            if pause.start_minute < tour.route.depart_minute < pause.end_minute:
                yield Violation(rule, "The route leaves during a break.", tour.technician.id)


def arrive_inside_the_window(day: Day) -> Found:
    for work in day.works:
        if work.visit.windows and not any(opens_for(window, work) for window in work.visit.windows):
            yield _broken(arrive_inside_the_window, work, "No window of the visit is met.")


def keep_the_promise(day: Day) -> Found:
    for work in day.works:
        if work.visit.promised is not None and not opens_for(work.visit.promised, work):
            yield _broken(keep_the_promise, work, "The promised window is not met.")


def start_after_the_release(day: Day) -> Found:
    for work in day.works:
        if work.visit.release_minute is not None and work.stop.start_minute < work.visit.release_minute:
            early = work.visit.release_minute - work.stop.start_minute
            yield _broken(start_after_the_release, work, f"Work starts {early} min before the release.")


def have_the_skills(day: Day) -> Found:
    """At the level asked for, and with a certificate that holds until the work is done."""
    for work in day.works:
        for name, level in work.visit.required_skills.items():
            skill = work.technician.skills.get(name)
            if skill is None:
                yield _broken(have_the_skills, work, f"The skill “{name}” is missing.")
            elif skill.level < level:
                yield _broken(have_the_skills, work, f"“{name}” is level {skill.level}, not {level}.")
            elif skill.expires_minute is not None and skill.expires_minute < work.end_minute:
                yield _broken(have_the_skills, work, f"“{name}” expires before the work is done.")


def send_only_who_may_come(day: Day) -> Found:
    for work in day.works:
        if work.technician.id in work.visit.excluded_technicians:
            yield _broken(send_only_who_may_come, work, "The technician is excluded.")
        elif work.visit.required_technicians and work.technician.id not in work.visit.required_technicians:
            yield _broken(send_only_who_may_come, work, "The technician is not among the required.")


def stay_in_the_territory(day: Day) -> Found:
    for work in day.works:
        own = work.technician.territories
        if work.visit.territory is not None and own and work.visit.territory not in own:
            yield _broken(stay_in_the_territory, work, f"“{work.visit.territory}” is not the technician's territory.")


def keep_the_pins(day: Day) -> Found:
    for work in day.works:
        pin = work.visit.pin
        if pin is None:
            continue
        if pin.technician_ids is not None and work.technician.id not in pin.technician_ids:
            yield _broken(keep_the_pins, work, "The visit is pinned to someone else.")
        if pin.start_minute is not None and work.stop.start_minute != pin.start_minute:
            yield _broken(keep_the_pins, work, f"The visit is pinned to minute {pin.start_minute}.")


def keep_the_order(day: Day) -> Found:
    for work in day.works:
        for link in work.visit.after:
            before = day.works_by_visit.get(link.visit_id)
            if not before:
                yield _broken(keep_the_order, work, f"“{link.visit_id}” comes first and is not served.")
                continue
            reference = max(each.stop.start_minute if link.from_start else each.end_minute for each in before)
            gap = work.stop.start_minute - reference
            if gap < link.gap_minutes_min:
                yield _broken(
                    keep_the_order,
                    work,
                    f"{link.gap_minutes_min - gap} min too soon after “{link.visit_id}”.",
                )
            elif link.gap_minutes_max is not None and gap > link.gap_minutes_max:
                yield _broken(
                    keep_the_order,
                    work,
                    f"{gap - link.gap_minutes_max} min too late after “{link.visit_id}”.",
                )


def send_the_same_technician(day: Day) -> Found:
    """The smaller of both crews comes from the larger."""
    for visit_id, works in day.works_by_visit.items():
        other_id = works[0].visit.same_technician_as
        others = day.works_by_visit.get(other_id) if other_id is not None else None
        if others:
            here, there = ({work.technician.id for work in each} for each in (works, others))
            if not (here <= there or there <= here):
                yield Violation(send_the_same_technician.__name__, f"Not who serves “{other_id}”.", visit_id=visit_id)


def carry_the_parts(day: Day) -> Found:
    """What is used was on board, or picked up before; no stock gives more than it has."""
    rule = carry_the_parts.__name__
    lowest: dict[tuple[str, str], int] = {}
    balance: Counter[tuple[str, str]] = Counter()
    taken: Counter[tuple[str, str]] = Counter()
    for tour in sorted(day.tours, key=lambda each: each.route.shift_index):
        person = tour.technician
        for work in tour.works:
            pickup = work.stop.pickup
            for name, amount in ({} if pickup is None else pickup.parts).items():
                assert pickup is not None
                if amount < 1:
                    yield _broken(carry_the_parts, work, f"{amount} of “{name}” are not a pickup.")
                balance[(person.id, name)] += max(0, amount)
                taken[(pickup.place, name)] += max(0, amount)
            for name, amount in work.visit.parts.items():
                key = (person.id, name)
                balance[key] -= amount
                lowest[key] = min(lowest.get(key, 0), balance[key] + person.parts.get(name, 0))
    for (technician_id, name), left in lowest.items():
        if left < 0:
            yield Violation(rule, f"{-left} of “{name}” are missing.", technician_id)
    for (place, name), amount in taken.items():
        stock = day.problem.stock_by_place.get(place)
        if stock is not None and amount > stock.parts.get(name, 0):
            missing = amount - stock.parts.get(name, 0)
            who = next(
                work
                for work in reversed(day.works)
                if work.stop.pickup is not None and work.stop.pickup.place == place and name in work.stop.pickup.parts
            )
            yield _broken(carry_the_parts, who, f"The stock at “{place}” lacks {missing} of “{name}”.")


def stay_within_the_capacity(day: Day) -> Found:
    for tour in day.tours:
        capacity, load = tour.technician.capacity_units, sum(work.visit.load_units for work in tour.works)
        if capacity is not None and load > capacity:
            yield Violation(stay_within_the_capacity.__name__, f"{load - capacity} units too many.", tour.technician.id)


HARD_RULES: tuple[Callable[[Day], Found], ...] = (
    name_only_what_exists,
    work_each_shift_once,
    account_for_each_visit_once,
    work_together_as_a_crew,
    take_the_time_the_road_takes,
    take_the_time_the_work_takes,
    stay_inside_the_shift,
    take_every_break,
    arrive_inside_the_window,
    keep_the_promise,
    start_after_the_release,
    have_the_skills,
    send_only_who_may_come,
    stay_in_the_territory,
    keep_the_pins,
    keep_the_order,
    send_the_same_technician,
    carry_the_parts,
    stay_within_the_capacity,
)


# ---- goals


def _unserved(day: Day) -> Iterator[Visit]:
    return (visit for visit in day.problem.visits if visit.id not in day.works_by_visit)


def serve_every_mandatory_visit(day: Day) -> Charged:
    for visit in _unserved(day):
        if visit.mandatory:
            points = day.problem.policy.priority_weight(visit.priority)
            yield Charge(serve_every_mandatory_visit.__name__, Tier.MANDATORY, points, visit_id=visit.id)


def start_before_it_is_due(day: Day) -> Charged:
    """An optional visit's lateness is weighed with its price: a tier above, leaving out would always win."""
    for works in day.works_by_visit.values():
        visit, start_minute = works[0].visit, max(work.stop.start_minute for work in works)
        cents = lateness_cents(day.problem, visit, start_minute)
        if cents:
            tier = Tier.LATENESS if visit.mandatory else Tier.WISHES
            yield Charge(start_before_it_is_due.__name__, tier, cents, visit_id=visit.id)


def keep_the_longest_delay_short(day: Day) -> Charged:
    """The largest lateness among all served visits, in minutes, whatever their priority; priced once."""
    late = [
        (work.stop.start_minute - work.visit.due_minute, work.visit.id)
        for work in day.works
        if work.visit.due_minute is not None and work.stop.start_minute > work.visit.due_minute
    ]
    minutes, visit_id = max(late, default=(0, None))
    cents = minutes * day.problem.policy.worst_lateness_cents_per_minute
    if cents:
        yield Charge(keep_the_longest_delay_short.__name__, Tier.LATENESS, cents, visit_id=visit_id)


def lateness_cents(problem: Problem, visit: Visit, start_minute: int) -> int:
    if visit.due_minute is None or start_minute <= visit.due_minute:
        return 0
    weight = problem.policy.priority_weight(visit.priority)
    return (start_minute - visit.due_minute) * visit.lateness_cents_per_minute * weight


def serve_what_is_worth_it(day: Day) -> Charged:
    for visit in _unserved(day):
        if visit.price_cents:
            yield Charge(serve_what_is_worth_it.__name__, Tier.WISHES, visit.price_cents, visit_id=visit.id)


def drive_little(day: Day) -> Charged:
    for tour in day.tours:
        drives = [*(work.drive for work in tour.works), tour.back]
        cents = sum(tour.technician.travel_cents(drive.minutes, drive.metres) for drive in drives)
        if cents and tour.works:
            yield Charge(drive_little.__name__, Tier.WISHES, cents, tour.technician.id)


def start_few_shifts(day: Day) -> Charged:
    for tour in day.tours:
        if tour.works and tour.technician.cost_cents_per_shift:
            yield Charge(
                start_few_shifts.__name__,
                Tier.WISHES,
                tour.technician.cost_cents_per_shift,
                tour.technician.id,
            )


def wait_little(day: Day) -> Charged:
    for work in day.works:
        waited = work.stop.start_minute - work.drive.arrive_minute - work.drive.break_minutes_there
        cents = max(0, waited) * day.problem.policy.wait_cents_per_minute
        if cents:
            yield Charge(wait_little.__name__, Tier.WISHES, cents, work.technician.id, work.visit.id)


def be_home_on_time(day: Day) -> Charged:
    for tour in day.tours:
        overtime_minutes = max(0, tour.back.arrive_minute - tour.shift.end_minute)
        cents = overtime_minutes * tour.technician.overtime_cents_per_minute
        if cents and tour.works:
            yield Charge(be_home_on_time.__name__, Tier.WISHES, cents, tour.technician.id)


def send_whom_the_customer_prefers(day: Day) -> Charged:
    for work in day.works:
        preferred, cents = work.visit.preferred_technicians, day.problem.policy.preference_cents
        if cents and preferred and work.technician.id not in preferred:
            yield Charge(send_whom_the_customer_prefers.__name__, Tier.WISHES, cents, work.technician.id, work.visit.id)


def surplus_levels(technician: Technician, visit: Visit) -> int:
    """How many levels of skill the visit does not need."""
    return sum(
        max(0, technician.skills[name].level - level)
        for name, level in visit.required_skills.items()
        if name in technician.skills
    )


def keep_experts_for_what_needs_them(day: Day) -> Charged:
    for work in day.works:
        cents = surplus_levels(work.technician, work.visit) * day.problem.policy.overqualification_cents_per_level
        if cents:
            yield Charge(
                keep_experts_for_what_needs_them.__name__,
                Tier.WISHES,
                cents,
                work.technician.id,
                work.visit.id,
            )


def share_the_work(day: Day) -> Charged:
    """Priced by how far the busiest technician lies above the mean, travel included."""
    cents_per_minute = day.problem.policy.balance_cents_per_minute
    if not cents_per_minute or not day.problem.technicians:
        return
    minutes: Counter[str] = Counter()
    for tour in day.tours:
        minutes[tour.technician.id] += tour.back.minutes if tour.works else 0
        for work in tour.works:
            minutes[tour.technician.id] += work.drive.minutes + work.technician.minutes_for(work.visit)
    if minutes:
        busiest, most = max(minutes.items(), key=lambda item: (item[1], item[0]))
        above = most - sum(minutes.values()) // len(day.problem.technicians)
        if above:
            yield Charge(share_the_work.__name__, Tier.WISHES, above * cents_per_minute, busiest)


def published_visits(problem: Problem) -> dict[str, tuple[frozenset[str], int]]:
    """Who comes to each published visit, and when."""
    if problem.published is None:
        return {}
    technicians: dict[str, set[str]] = defaultdict(set)
    starts: dict[str, int] = {}
    for route in problem.published.routes:
        for stop in route.stops:
            technicians[stop.visit_id].add(route.technician_id)
            starts[stop.visit_id] = max(stop.start_minute, starts.get(stop.visit_id, stop.start_minute))
    return {visit_id: (frozenset(technicians[visit_id]), start) for visit_id, start in starts.items()}


def keep_what_was_published(day: Day) -> Charged:
    policy, published = day.problem.policy, published_visits(day.problem)
    for visit_id, works in day.works_by_visit.items():
        if visit_id not in published:
            continue
        technician_ids, start_minute = published[visit_id]
        for work in works:
            changed = 0 if work.technician.id in technician_ids else policy.changed_technician_cents
            cents = changed + abs(work.stop.start_minute - start_minute) * policy.moved_cents_per_minute
            if cents:
                yield Charge(keep_what_was_published.__name__, Tier.WISHES, cents, work.technician.id, visit_id)


GOALS: tuple[Callable[[Day], Charged], ...] = (
    serve_every_mandatory_visit,
    start_before_it_is_due,
    keep_the_longest_delay_short,
    serve_what_is_worth_it,
    drive_little,
    start_few_shifts,
    wait_little,
    be_home_on_time,
    send_whom_the_customer_prefers,
    keep_experts_for_what_needs_them,
    share_the_work,
    keep_what_was_published,
)
