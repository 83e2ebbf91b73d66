"""Each rule by itself: a plan that breaks it is refused or priced, the one beside it is not."""

from dataclasses import replace
from typing import Any

import pytest

from optimizer import rules
from optimizer.check import check
from optimizer.plan import Plan, Unassigned
from optimizer.problem import (
    After,
    Break,
    Pin,
    Policy,
    Shift,
    Skill,
    Slowdown,
    Tier,
    Window,
)
from optimizer.score import charges, score
from tests.optimizer.given import (
    INDIFFERENT,
    LINE,
    driven,
    given,
    given_day,
    plan_of,
    problem,
    technician,
    visit,
    with_stop,
)


def test_a_plain_day_breaks_nothing() -> None:
    question = problem(technician(), [visit("a"), visit("b", "park")])
    assert check(question, plan_of(question, driven(question, "ann", ("a", 10), ("b", 50)))) == []


def test_names_that_do_not_exist_are_refused() -> None:
    question = problem(technician(), visit("a"))
    route = driven(question, "ann", ("a", 10))
    for wrong in (
        replace(route, technician_id="zoe"),
        replace(route, shift_index=1),
        replace(route, shift_index=-1),
    ):
        given(question, Plan((wrong,), (Unassigned("a"),))).breaks(rules.name_only_what_exists)
    given(question, Plan((route,), (Unassigned("z"),))).breaks(rules.name_only_what_exists)
    stranger = replace(route.stops[0], visit_id="z")
    given(question, Plan((replace(route, stops=(stranger,)),), (Unassigned("a"),))).breaks(rules.name_only_what_exists)


def test_one_shift_has_one_route() -> None:
    question = problem(technician(), [visit("a"), visit("b")])
    both = plan_of(question, driven(question, "ann", ("a", 10)), driven(question, "ann", ("b", 50)))
    given(question, both).breaks(rules.work_each_shift_once)


def test_a_visit_is_served_or_left_out_and_never_both_or_neither() -> None:
    question = problem([technician("ann"), technician("bob")], visit("a"))
    ann, bob = driven(question, "ann", ("a", 10)), driven(question, "bob", ("a", 10))
    rule = rules.account_for_each_visit_once
    given(question, Plan((ann,))).keeps(rule)
    given(question, Plan((), (Unassigned("a"),))).keeps(rule)
    given(question, Plan()).breaks(rule)
    given(question, Plan((), (Unassigned("a"), Unassigned("a")))).breaks(rule)
    given(question, Plan((ann,), (Unassigned("a"),))).breaks(rule)
    given(question, Plan((ann, bob))).breaks(rule)


def test_a_crew_is_complete() -> None:
    question = problem([technician("ann"), technician("bob")], visit("a", crew_size=2))
    ann, bob = driven(question, "ann", ("a", 10)), driven(question, "bob", ("a", 10))
    given(question, Plan((ann,))).breaks(rules.account_for_each_visit_once)
    given(question, Plan((ann, bob))).keeps(rules.account_for_each_visit_once)
    assert check(question, Plan((ann, bob))) == []


def test_a_crew_starts_together_and_is_made_of_different_people() -> None:
    question = problem([technician("ann"), technician("bob")], visit("a", crew_size=2))
    ann, late = driven(question, "ann", ("a", 10)), driven(question, "bob", ("a", 11))
    given(question, Plan((ann, late))).breaks(rules.work_together_as_a_crew)
    twice = driven(question, "ann", ("a", 10), ("a", 10))
    given(question, Plan((twice,))).breaks(rules.work_together_as_a_crew)


@pytest.mark.parametrize("field", ["travel_minutes", "travel_metres", "arrive_minute"])
def test_a_leg_is_what_the_matrix_says(field: str) -> None:
    question = problem(technician(), visit("a"))
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    given(question, plan).keeps(rules.take_the_time_the_road_takes)
    given(question, with_stop(plan, **{field: 9})).breaks(rules.take_the_time_the_road_takes)


@pytest.mark.parametrize("field", ["return_minute", "return_travel_minutes", "return_travel_metres"])
def test_the_way_home_is_what_the_matrix_says(field: str) -> None:
    question = problem(technician(), visit("a"))
    route = replace(driven(question, "ann", ("a", 10)), **{field: 9})  # type: ignore[arg-type]
    given_day(question, route).breaks(rules.take_the_time_the_road_takes)


def test_a_leg_takes_as_long_as_its_departure_makes_it() -> None:
    slow = replace(LINE, slowdowns=(Slowdown(0, 5, 1.5),))
    question = problem(technician(), visit("a"), travel=slow)
    given_day(question, driven(question, "ann", ("a", 15))).keeps(rules.take_the_time_the_road_takes)
    assert driven(question, "ann", ("a", 15)).stops[0].arrive_minute == 12
    assert driven(question, "ann", ("a", 15), depart_minute=5).stops[0].arrive_minute == 15


def test_work_starts_after_the_arrival_and_takes_its_time() -> None:
    question = problem(technician(), visit("a"))
    rule, plan = rules.take_the_time_the_work_takes, plan_of(question, driven(question, "ann", ("a", 12)))
    given(question, plan).keeps(rule)
    given(question, with_stop(plan, wait_minutes=0)).breaks(rule)
    given(question, with_stop(plan, end_minute=41)).breaks(rule)
    given(question, with_stop(plan, start_minute=9, end_minute=39, wait_minutes=-1)).breaks(rule)


def test_a_fast_technician_takes_a_begun_minute_whole() -> None:
    question = problem(technician(speed_factor=4.0), visit("a", minutes=30))
    assert driven(question, "ann", ("a", 10)).stops[0].end_minute == 18


def test_a_route_stays_inside_its_shift_and_its_overtime() -> None:
    shift = Shift(0, 50, "depot", "depot", overtime_minutes_max=5)
    question = problem(technician("ann", shift), visit("a"))
    rule = rules.stay_inside_the_shift
    given_day(question, driven(question, "ann", ("a", 15))).keeps(rule)
    given_day(question, driven(question, "ann", ("a", 16))).breaks(rule)
    given_day(question, driven(question, "ann", ("a", 9), depart_minute=-1)).breaks(rule)


def test_an_open_ended_shift_ends_at_the_last_visit() -> None:
    question = problem(technician("ann", Shift(0, 40, "depot", None)), visit("a"))
    assert check(question, plan_of(question, driven(question, "ann", ("a", 10)))) == []


@pytest.mark.parametrize(
    ("breaks", "violations"),
    [
        (((60, 90),), 0),  # at the place, after work
        (((45, 75),), 0),  # on the road home
        (((50, 80),), 0),  # at home
        ((), 1),
        (((60, 80),), 1),  # too short
        (((39, 69),), 1),  # before its window, and during the visit: see below
        (((101, 131),), 1),
    ],
)
def test_breaks_are_taken_in_their_window_and_in_full(breaks: tuple[tuple[int, int], ...], violations: int) -> None:
    shift = Shift(0, 240, "depot", "depot", breaks=(Break(40, 100, 30),))
    question = problem(technician("ann", shift), visit("a", minutes=29))
    given_day(question, driven(question, "ann", ("a", 10), breaks=breaks)).breaks(rules.take_every_break, violations)


def test_no_break_falls_into_a_visit() -> None:
    shift = Shift(0, 240, "depot", "depot", breaks=(Break(0, 100, 30),))
    question = problem(technician("ann", shift), visit("a"))
    rule = rules.take_every_break
    given_day(question, driven(question, "ann", ("a", 10), breaks=((40, 70),))).keeps(rule)
    given_day(question, driven(question, "ann", ("a", 10), breaks=((39, 69),))).breaks(rule)
    on_the_road = driven(question, "ann", ("a", 40), breaks=((5, 35),))
    given_day(question, on_the_road).keeps(rule)
    assert check(question, plan_of(question, on_the_road)) == []


def test_breaks_do_not_overlap_each_other_or_the_departure() -> None:
    shift = Shift(0, 240, "depot", "depot", breaks=(Break(0, 200, 30), Break(0, 200, 30)))
    question = problem(technician("ann", shift), visit("a", minutes=10))
    rule = rules.take_every_break
    given_day(question, driven(question, "ann", ("a", 10), breaks=((60, 90), (90, 120)))).keeps(rule)
    given_day(question, driven(question, "ann", ("a", 10), breaks=((60, 90), (80, 110)))).breaks(rule)
    leaving = driven(question, "ann", ("a", 30), breaks=((0, 30), (60, 90)), depart_minute=20)
    given_day(question, leaving).breaks(rule)


def test_work_starts_in_one_of_the_windows() -> None:
    question = problem(technician(), visit("a", windows=(Window(10, 20), Window(40, 60))))
    rule = rules.arrive_inside_the_window
    for start in (10, 20, 40, 60):
        given_day(question, driven(question, "ann", ("a", start))).keeps(rule)
    for start in (21, 39, 61):
        given_day(question, driven(question, "ann", ("a", start))).breaks(rule)


def test_opening_hours_hold_the_whole_visit() -> None:
    question = problem(technician(), visit("a", windows=(Window(10, 60, ends_inside=True),)))
    given_day(question, driven(question, "ann", ("a", 30))).keeps(rules.arrive_inside_the_window)
    given_day(question, driven(question, "ann", ("a", 31))).breaks(rules.arrive_inside_the_window)


def test_a_promise_is_kept() -> None:
    question = problem(technician(), visit("a", promised=Window(20, 30)))
    given_day(question, driven(question, "ann", ("a", 30))).keeps(rules.keep_the_promise)
    given_day(question, driven(question, "ann", ("a", 31))).breaks(rules.keep_the_promise)


def test_nothing_starts_before_its_release() -> None:
    question = problem(technician(), visit("a", release_minute=20))
    given_day(question, driven(question, "ann", ("a", 20))).keeps(rules.start_after_the_release)
    given_day(question, driven(question, "ann", ("a", 19))).breaks(rules.start_after_the_release)


@pytest.mark.parametrize(
    ("skill", "violations"),
    [
        (None, 1),
        (Skill(1), 1),
        (Skill(2), 0),
        (Skill(2, expires_minute=39), 1),
        (Skill(2, expires_minute=40), 0),
    ],
)
def test_skills_are_there_at_their_level_until_the_work_is_done(skill: Skill | None, violations: int) -> None:
    question = problem(
        technician(skills={} if skill is None else {"gas": skill}), visit("a", required_skills={"gas": 2})
    )
    given_day(question, driven(question, "ann", ("a", 10))).breaks(rules.have_the_skills, violations)


@pytest.mark.parametrize(
    ("wish", "violations"),
    [
        ({"excluded_technicians": ("ann",)}, 1),
        ({"excluded_technicians": ("bob",)}, 0),
        ({"required_technicians": ("bob",)}, 1),
        ({"required_technicians": ("bob", "ann")}, 0),
    ],
)
def test_only_who_may_come_is_sent(wish: dict[str, Any], violations: int) -> None:
    question = problem(technician(), visit("a", **wish))
    given_day(question, driven(question, "ann", ("a", 10))).breaks(rules.send_only_who_may_come, violations)


@pytest.mark.parametrize(("own", "violations"), [((), 0), (("north",), 0), (("south",), 1)])
def test_a_territory_is_served_by_its_own(own: tuple[str, ...], violations: int) -> None:
    question = problem(technician(territories=own), visit("a", territory="north"))
    given_day(question, driven(question, "ann", ("a", 10))).breaks(rules.stay_in_the_territory, violations)


@pytest.mark.parametrize(
    ("pin", "violations"),
    [(Pin(("ann",)), 0), (Pin(("bob",)), 1), (Pin(None, 10), 0), (Pin(None, 11), 1), (Pin(("bob",), 11), 2)],
)
def test_pins_hold_who_and_when(pin: Pin, violations: int) -> None:
    question = problem(technician(), visit("a", pin=pin))
    given_day(question, driven(question, "ann", ("a", 10))).breaks(rules.keep_the_pins, violations)


@pytest.mark.parametrize(
    ("link", "start", "violations"),
    [
        (After("a"), 50, 0),
        (After("a", 15), 54, 1),
        (After("a", 15), 55, 0),
        (After("a", 0, 10), 50, 0),
        (After("a", 0, 10), 51, 1),
        (After("a", 40, 45, from_start=True), 50, 0),
        (After("a", 40, 45, from_start=True), 56, 1),
    ],
)
def test_a_sequence_keeps_its_gap(link: After, start: int, violations: int) -> None:
    question = problem(technician(), [visit("a"), visit("b", "park", after=(link,))])
    given_day(question, driven(question, "ann", ("a", 10), ("b", start))).breaks(rules.keep_the_order, violations)


def test_a_successor_is_not_served_alone() -> None:
    question = problem(technician(), [visit("a"), visit("b", after=(After("a"),))])
    given_day(question, driven(question, "ann", ("b", 10))).breaks(rules.keep_the_order)


def test_the_same_technician_comes_to_both() -> None:
    question = problem([technician("ann"), technician("bob")], [visit("a"), visit("b", "park", same_technician_as="a")])
    rule, ann = rules.send_the_same_technician, driven(question, "ann", ("a", 10))
    given_day(question, ann, driven(question, "bob", ("b", 20))).breaks(rule)
    given_day(question, driven(question, "ann", ("a", 10), ("b", 50))).keeps(rule)
    given_day(question, driven(question, "bob", ("b", 20))).keeps(rule)


def test_parts_on_board_last_for_all_shifts_together() -> None:
    shifts = (Shift(0, 100, "depot", "depot"), Shift(100, 200, "depot", "depot"))
    for on_board, violations in ((2, 1), (3, 0)):
        question = problem(
            technician("ann", *shifts, parts={"fuse": on_board}),
            [visit("a", parts={"fuse": 1}), visit("b", parts={"fuse": 2})],
        )
        late = driven(question, "ann", ("b", 110), shift_index=1, depart_minute=100)
        given_day(question, driven(question, "ann", ("a", 10)), late).breaks(rules.carry_the_parts, violations)


def test_capacity_holds_for_each_shift() -> None:
    for capacity, violations in ((None, 0), (3, 0), (2, 1)):
        question = problem(technician(capacity_units=capacity), [visit("a", load_units=1), visit("b", load_units=2)])
        route = driven(question, "ann", ("a", 10), ("b", 40))
        given_day(question, route).breaks(rules.stay_within_the_capacity, violations)


def test_a_mandatory_visit_left_out_costs_its_priority_and_an_optional_one_its_price() -> None:
    question = problem(
        technician(),
        [visit("a", priority=1), visit("b", priority=4), visit("c", mandatory=False, price_cents=700)],
    )
    given(question, plan_of(question)).pays(rules.serve_every_mandatory_visit, 16 + 2)
    given(question, plan_of(question)).pays(rules.serve_what_is_worth_it, 700)


def test_lateness_is_priced_by_minute_and_priority() -> None:
    for start, cents in ((20, 0), (25, 5 * 3 * 8)):
        question = problem(technician(), visit("a", due_minute=20, priority=2, lateness_cents_per_minute=3))
        given_day(question, driven(question, "ann", ("a", start))).pays(rules.start_before_it_is_due, cents)


def test_lateness_of_an_optional_visit_is_weighed_with_its_price() -> None:
    for mandatory, tier in ((True, Tier.LATENESS), (False, Tier.WISHES)):
        question = problem(technician(), visit("a", due_minute=0, mandatory=mandatory))
        plan = plan_of(question, driven(question, "ann", ("a", 10)))
        assert [(each.tier, each.amount) for each in charges(question, plan)] == [(tier, 10 * 100 * 4)]


def test_driving_costs_by_minute_and_kilometre() -> None:
    question = problem(technician(cost_cents_per_minute=7, cost_cents_per_kilometre=3), visit("a"))
    given_day(question, driven(question, "ann", ("a", 10))).pays(rules.drive_little, 20 * 7 + 20 * 3)


def test_a_used_shift_has_its_price() -> None:
    question = problem(
        [technician("ann", cost_cents_per_shift=90), technician("bob", cost_cents_per_shift=5)], visit("a")
    )
    given_day(question, driven(question, "ann", ("a", 10))).pays(rules.start_few_shifts, 90)


def test_waiting_is_priced_without_breaks() -> None:
    shift = Shift(0, 240, "depot", "depot", breaks=(Break(10, 100, 30),))
    policy = replace(INDIFFERENT, wait_cents_per_minute=2)
    question = problem(technician("ann", shift), visit("a"), policy)
    given_day(question, driven(question, "ann", ("a", 50), breaks=((10, 40),))).pays(rules.wait_little, 20)


def test_overtime_is_priced() -> None:
    shift = Shift(0, 45, "depot", "depot", overtime_minutes_max=60)
    question = problem(technician("ann", shift, overtime_cents_per_minute=9), visit("a"))
    given_day(question, driven(question, "ann", ("a", 10))).pays(rules.be_home_on_time, 45)


def test_a_stranger_to_the_customer_costs_the_preference() -> None:
    policy = replace(INDIFFERENT, preference_cents=11)
    for preferred, cents in (((), 0), (("ann",), 0), (("bob",), 11)):
        question = problem(technician(), visit("a", preferred_technicians=preferred), policy)
        given_day(question, driven(question, "ann", ("a", 10))).pays(rules.send_whom_the_customer_prefers, cents)


def test_an_expert_on_simple_work_costs_the_surplus() -> None:
    policy = replace(INDIFFERENT, overqualification_cents_per_level=10)
    question = problem(technician(skills={"gas": 3, "solar": 9}), visit("a", required_skills={"gas": 1}), policy)
    given_day(question, driven(question, "ann", ("a", 10))).pays(rules.keep_experts_for_what_needs_them, 20)


def test_balance_prices_the_busiest_above_the_mean() -> None:
    policy = replace(INDIFFERENT, balance_cents_per_minute=2)
    question = problem([technician("ann"), technician("bob")], visit("a"), policy)
    given_day(question, driven(question, "ann", ("a", 10))).pays(rules.share_the_work, 2 * (50 - 25))


def test_leaving_what_was_published_costs_who_and_when() -> None:
    policy = replace(INDIFFERENT, changed_technician_cents=100, moved_cents_per_minute=3)
    base = problem([technician("ann"), technician("bob")], visit("a"), policy)
    published = plan_of(base, driven(base, "ann", ("a", 20)))
    question = replace(base, published=published)
    for name, start, cents in (("ann", 20, 0), ("ann", 15, 15), ("bob", 20, 100), ("bob", 22, 106)):
        given_day(question, driven(question, name, ("a", start))).pays(rules.keep_what_was_published, cents)


def test_tiers_decide_in_the_policys_order() -> None:
    late_but_near = visit("a", due_minute=15)
    question = problem(technician(cost_cents_per_minute=1), late_but_near)
    early, late = (plan_of(question, driven(question, "ann", ("a", start))) for start in (15, 20))
    nobody = plan_of(question)
    assert score(question, early).levels == (0, 0, 0, 20)
    assert score(question, late).levels == (0, 0, 5 * 100 * 4, 20)
    assert score(question, nobody).levels == (0, 4, 0, 0)
    assert score(question, early) < score(question, late) < score(question, nobody)
    joined = Policy(tiers=((Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS, Tier.WISHES)))
    assert score(replace(question, policy=joined), late).levels == (0, 0, 2020)


def test_a_broken_rule_outweighs_everything() -> None:
    question = problem(technician(), visit("a", release_minute=20))
    broken = plan_of(question, driven(question, "ann", ("a", 10)))
    assert score(question, broken).levels == (1, 0, 0, 0)
    assert not score(question, broken).is_feasible
    assert score(question, plan_of(question)) < score(question, broken)


def test_every_rule_and_goal_is_in_the_list() -> None:
    public = {
        name
        for name, each in vars(rules).items()
        if callable(each) and not name.startswith("_") and getattr(each, "__annotations__", {}).get("day") is rules.Day
    }
    assert public == {each.__name__ for each in (*rules.HARD_RULES, *rules.GOALS)}
