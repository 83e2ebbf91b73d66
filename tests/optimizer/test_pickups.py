"""Parts on the way: what is not on board is fetched at a stock, once for several stops where that is cheaper."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer import Break, Pickup, Problem, Shift, Slowdown, Stock, check, construct, insert, rules, score
from optimizer.absence import after_delay, without_technician
from optimizer.construct import fill
from optimizer.draft import Draft
from optimizer.explain import explain_unassigned
from optimizer.model import Model
from optimizer.plan import Plan, ReasonCode
from optimizer.problem import TravelMatrix
from optimizer.reorder import improve_route
from optimizer.repair import insert_urgent
from optimizer.search import Search
from optimizer.slots import slots
from tests.optimizer.days import problems
from tests.optimizer.given import LINE, NAMES, driven, given_day, plan_of, problem, technician, visit
from tests.optimizer.given import given as asked

CALM = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
AT_PARK = (Stock("park", {"fuse": 2}),)
PAID = {"cost_cents_per_minute": 5}


def built(question: Problem) -> Plan:
    plan = construct(question)
    assert check(question, plan) == []
    return plan


def test_what_is_not_on_board_is_fetched_on_the_leg_that_leads_to_the_visit() -> None:
    question = problem(technician(parts={"fuse": 1}), visit("a", "quay", parts={"fuse": 2}), stocks=AT_PARK)
    (route,) = built(question).routes
    (stop,) = route.stops
    assert stop.pickup == Pickup("park", 20, 30, {"fuse": 1})
    assert (stop.travel_minutes, stop.travel_metres, stop.arrive_minute, stop.start_minute) == (30, 30_000, 40, 40)


def test_what_is_on_board_is_used_first() -> None:
    question = problem(technician(parts={"fuse": 1}), visit("a", parts={"fuse": 1}), stocks=AT_PARK)
    assert built(question).routes[0].stops[0].pickup is None


def test_the_stock_of_the_least_detour_is_chosen_among_those_that_have_everything() -> None:
    needs = visit("a", "park", parts={"fuse": 1, "pump": 1})
    near, far = Stock("mill", {"fuse": 5}), Stock("quay", {"fuse": 1, "pump": 1})
    (stop,) = built(problem(technician(), needs, stocks=(near, far))).routes[0].stops
    assert stop.pickup is not None
    assert stop.pickup.place == "quay"
    both = built(problem(technician(), needs, stocks=(far, replace(near, parts={"fuse": 1, "pump": 1})))).routes[0]
    assert both.stops[0].pickup is not None
    assert both.stops[0].pickup.place == "mill"


def test_a_stock_is_shared_by_all_and_gives_no_more_than_it_has() -> None:
    shift = Shift(0, 80, "depot", "depot")
    people = [technician(name, shift) for name in ("ann", "bob", "cid")]
    visits = [visit(name, "park", parts={"fuse": 1}) for name in "abc"]
    plan = built(problem(people, visits, stocks=AT_PARK))
    assert len(plan.visit_ids) == 2
    question = problem(people, visits, stocks=AT_PARK)
    (left_out,) = plan.unassigned
    (reason,) = explain_unassigned(question, plan, left_out.visit_id)
    assert reason.code is ReasonCode.NO_CAPACITY_LEFT


def test_two_of_a_crew_do_not_both_take_the_last_part() -> None:
    crew = visit("a", "park", crew_size=2, parts={"fuse": 1})
    people = [technician("ann"), technician("bob")]
    assert built(problem(people, crew, stocks=(Stock("park", {"fuse": 1}),))).visit_ids == set()
    assert built(problem(people, crew, stocks=AT_PARK)).visit_ids == {"a"}


def test_parts_are_missing_only_where_neither_technician_nor_stock_has_them() -> None:
    needs = visit("a", "park", parts={"fuse": 3})
    for on_board, code in ((0, ReasonCode.PARTS_MISSING), (1, None)):
        question = problem(technician(parts={"fuse": on_board}), needs, stocks=AT_PARK)
        plan = built(question)
        codes = [explain_unassigned(question, plan, "a")[0].code] if plan.unassigned else [None]
        assert codes == [code]


def test_one_pickup_loads_for_the_stops_behind_it_where_that_saves_a_detour() -> None:
    visits = [visit("a", "quay", parts={"fuse": 1}), visit("b", "farm", parts={"fuse": 1})]
    plan = built(problem(technician(**PAID), visits, stocks=AT_PARK))
    first, second = plan.routes[0].stops
    assert first.pickup == Pickup("park", 20, 30, {"fuse": 2})
    assert second.pickup is None
    assert plan.routes[0].travel_minutes == 80


def test_a_break_may_be_taken_on_the_way_to_the_stock_while_loading_and_on_the_way_from_it() -> None:
    for earliest, pickup in ((5, (35, 45)), (22, (20, 45)), (32, (20, 30))):
        shift = Shift(0, 240, "depot", "depot", breaks=(Break(earliest, earliest, 15),))
        question = problem(
            technician("ann", shift),
            visit("a", "quay", windows=(), due_minute=0, parts={"fuse": 1}),
            stocks=AT_PARK,
        )
        (stop,) = built(question).routes[0].stops
        assert stop.pickup is not None
        assert (stop.pickup.arrive_minute, stop.pickup.leave_minute) == pickup
        assert stop.arrive_minute == 55


def test_slow_hours_are_felt_before_and_behind_the_stock() -> None:
    travel = replace(LINE, slowdowns=(Slowdown(10, 40, 2.0),))
    question = problem(technician(), visit("a", "quay", due_minute=0, parts={"fuse": 1}), travel=travel, stocks=AT_PARK)
    (stop,) = built(question).routes[0].stops
    # Ten free, ten at half the pace; loading takes what it takes; the last ten are free again.
    assert stop.pickup == Pickup("park", 30, 40, {"fuse": 1})
    assert (stop.travel_minutes, stop.arrive_minute) == (40, 50)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"place": "moon"}, rules.name_only_what_exists),
        ({"arrive_minute": 19}, rules.take_the_time_the_road_takes),
        ({"leave_minute": 31}, rules.take_the_time_the_road_takes),
        ({"parts": {}}, rules.carry_the_parts),
        ({"parts": {"fuse": 3}}, rules.carry_the_parts),
    ],
)
def test_a_pickup_that_is_not_so_is_refused(changes: dict[str, object], rule: object) -> None:
    question = problem(technician(), visit("a", "quay", parts={"fuse": 1}), stocks=AT_PARK)
    route = driven(question, "ann", ("a", 40), fetches={"a": ("park", {"fuse": 1})})
    given_day(question, route).keeps(rule)  # type: ignore[arg-type]
    assert check(question, plan_of(question, route)) == []
    stop = route.stops[0]
    assert stop.pickup is not None
    wrong = replace(route, stops=(replace(stop, pickup=replace(stop.pickup, **changes)),))  # type: ignore[arg-type]
    asked(question, plan_of(question, wrong)).breaks(rule)  # type: ignore[arg-type]


def test_what_is_picked_up_after_it_is_used_is_missing() -> None:
    visits = [visit("a", "quay", parts={"fuse": 1}), visit("b", "quay")]
    question = problem(technician(), visits, stocks=AT_PARK)
    late = driven(question, "ann", ("a", 30), ("b", 100), fetches={"b": ("park", {"fuse": 1})})
    given_day(question, late).breaks(rules.carry_the_parts)
    early = driven(question, "ann", ("b", 40), ("a", 70), fetches={"b": ("park", {"fuse": 1})})
    given_day(question, early).keeps(rules.carry_the_parts)


def test_who_takes_out_the_stop_that_loads_leaves_the_loading_to_the_next() -> None:
    visits = [visit("a", "quay", parts={"fuse": 1}), visit("b", "farm", parts={"fuse": 1})]
    question = problem(technician(**PAID), visits, stocks=AT_PARK)
    for number in (0, 1):
        draft = Draft.from_plan(Model(question), built(question))
        draft.drop(number)
        plan = draft.to_plan()
        assert check(question, plan) == []
        assert plan.routes[0].stops[0].pickup == Pickup("park", 20, 30, {"fuse": 1})
        assert draft.stock_left == [{"fuse": 1}]


@settings(CALM, max_examples=60)
@given(problems(visits_max=8, stocked=True))
def test_a_plan_made_a_draft_keeps_its_pickups_and_any_visit_can_be_taken_out_of_it(question: Problem) -> None:
    plan = construct(question)
    model = Model(question)
    kept = Draft.from_plan(model, plan).to_plan()
    assert pickups(kept) == pickups(plan)
    assert kept.visit_ids == plan.visit_ids
    for number in range(len(model.visits)):
        draft = Draft.from_plan(model, plan)
        draft.drop(number)
        assert check(question, draft.to_plan()) == []
        assert stock_used(draft) == taken(draft.to_plan())
        fill(draft)
        assert check(question, draft.to_plan()) == []


@settings(CALM, max_examples=40)
@given(problems(visits_max=8, stocked=True))
def test_loading_at_once_never_makes_a_plan_worse(question: Problem) -> None:
    draft = Draft.from_plan(Model(question), construct(question))
    for vehicle, timeline in enumerate(draft.timelines):
        # Each stop for itself again.
        for number in [each for each in timeline.visits if each in timeline.fetches]:
            draft.remove(number, vehicle)
    fill(draft)
    before = score(question, draft.to_plan())
    fill(draft)
    assert score(question, draft.to_plan()) <= before


def pickups(plan: Plan) -> dict[tuple[str, str], tuple[str, dict[str, int]]]:
    return {
        (route.technician_id, stop.visit_id): (stop.pickup.place, dict(stop.pickup.parts))
        for route in plan.routes
        for stop in route.stops
        if stop.pickup is not None
    }


def taken(plan: Plan) -> Counter[tuple[str, str]]:
    amounts: Counter[tuple[str, str]] = Counter()
    for place, parts in pickups(plan).values():
        amounts.update({(place, name): amount for name, amount in parts.items()})
    return amounts


def stock_used(draft: Draft) -> Counter[tuple[str, str]]:
    return Counter(
        {
            (stock.place, name): amount - left[name]
            for stock, left in zip(draft.model.problem.stocks, draft.stock_left, strict=True)
            for name, amount in stock.parts.items()
            if amount != left[name]
        }
    )


def test_an_inserted_visit_fetches_what_it_needs() -> None:
    question = problem(technician(**PAID), [visit("a", "farm"), visit("b", "quay", parts={"fuse": 1})], stocks=AT_PARK)
    plan = plan_of(question, driven(question, "ann", ("a", 40)))
    way = insert(question, plan, "b")[0]
    assert check(question, way.plan) == []
    assert (way.added_travel_minutes, way.start_minute) == (0, 40)
    assert way.plan.stops_of("b")[0].pickup == Pickup("park", 20, 30, {"fuse": 1})


def test_a_pickup_may_be_the_shorter_way() -> None:
    rows = tuple(
        tuple(90 if {here, there} == {0, 3} else 10 * abs(here - there) for there in range(5)) for here in range(5)
    )
    question = problem(
        technician("ann", Shift(0, 120, "depot", None)),
        visit("a", "quay", parts={"fuse": 1}, windows=()),
        travel=TravelMatrix(rows, rows),
        stocks=AT_PARK,
    )
    assert built(question).routes[0].stops[0].start_minute == 40


@settings(CALM, max_examples=15)
@given(problems(stocked=True))
def test_a_dispatcher_who_inserts_or_misses_somebody_sends_nobody_without_parts(question: Problem) -> None:
    plan = construct(question)
    for each in question.visits:
        for repair in insert_urgent(question, plan, each.id):
            assert check(question, repair.plan) == []
            assert repair.plan.score == score(question, repair.plan)
        for slot in slots(
            question, plan, replace(each, id="new", after=(), same_technician_as=None, pin=None), count=2
        ):
            assert slot.earliest_minute <= slot.start_minute
    for minute in (0, 100):
        repair = without_technician(question, plan, "ann", from_minute=minute)
        assert check(repair.problem, repair.plan) == []
        repair = after_delay(question, plan, "ann", at_minute=minute, delay_minutes=30)
        assert check(repair.problem, repair.plan) == []
    assert check(question, improve_route(question, plan, "ann").plan) == []


def test_what_the_search_fetches_by_fast_and_slow_hours_is_in_its_draft_as_well() -> None:
    """Its one leg past the stock is never shorter than the two halves, each rounded, with the loading between."""
    for seed in range(200):
        dice = random.Random(seed)
        minutes = tuple(tuple(0 if a == b else dice.randint(1, 9) for b in range(5)) for a in range(5))
        hours = tuple(Slowdown(begin, begin + 20, dice.choice((0.3, 0.7, 1.1, 3.0))) for begin in (0, 20, 40))
        places = [dice.choice(NAMES) for _ in range(4)]
        question = problem(
            technician("ann", Shift(0, dice.randint(20, 60), "depot", "depot")),
            [visit(f"v{index}", place, dice.randint(1, 9), parts={"fuse": 1}) for index, place in enumerate(places)],
            travel=replace(LINE, minutes=minutes, slowdowns=hours),
            stocks=(Stock(dice.choice(NAMES), {"fuse": 3}, handling_minutes=dice.choice((0, 1, 10))),),
        )
        search = Search.of(Model(question))
        search.construct()
        assert len(search.draft().served) == search.best.state.best_counts.sum(), seed
