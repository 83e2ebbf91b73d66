"""No rule without its case: each hard rule has a plan that breaks it alone, each goal one that pays for it alone.

A rule that is added to `HARD_RULES` or `GOALS` without a case here fails by its name.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from optimizer.check import check
from optimizer.plan import Plan, Unassigned
from optimizer.problem import After, Break, Pin, Policy, Problem, Shift, Skill, Stock, Tier, Window
from optimizer.rules import GOALS, HARD_RULES
from optimizer.score import charges, score
from tests.optimizer.given import INDIFFERENT, driven, plan_of, problem, technician, visit, with_stop

Asked = tuple[Problem, Plan]
PAIR = (technician("ann"), technician("bob"))


def plan(question: Problem, *stops: tuple[str, int], **more: object) -> Asked:
    return question, plan_of(question, driven(question, "ann", *stops, **more))  # type: ignore[arg-type]


def one(start: int = 10, **more: object) -> Asked:
    return plan(problem(technician(), visit("a", **more)), ("a", start))


def crew(first: int, second: int) -> Asked:
    question = problem(PAIR, visit("a", crew_size=2))
    return question, plan_of(question, driven(question, "ann", ("a", first)), driven(question, "bob", ("a", second)))


def stranger() -> Asked:
    question, answer = one()
    return question, replace(answer, unassigned=(Unassigned("z"),))


def twice_in_one_shift() -> Asked:
    question = problem(technician(), [visit("a"), visit("b")])
    return question, plan_of(question, driven(question, "ann", ("a", 10)), driven(question, "ann", ("b", 50)))


def changed(**changes: object) -> Asked:
    question, answer = one()
    return question, with_stop(answer, **changes)


def rested(minutes: int) -> Asked:
    shift = Shift(0, 240, "depot", "depot", breaks=(Break(60, 100, 30),))
    return plan(problem(technician("ann", shift), visit("a")), ("a", 10), breaks=((60, 60 + minutes),))


def by(name: str, **more: object) -> Asked:
    question = problem(PAIR, visit("a", **more))
    return question, plan_of(question, driven(question, name, ("a", 10)))


def of_two(start: int, **more: object) -> Asked:
    return plan(problem(technician(), [visit("a"), visit("b", **more)]), ("a", 10), ("b", start))


def the_same(name: str) -> Asked:
    question = problem(PAIR, [visit("a"), visit("b", same_technician_as="a")])
    if name == "ann":
        return question, plan_of(question, driven(question, "ann", ("a", 10), ("b", 40)))
    return question, plan_of(question, driven(question, "ann", ("a", 10)), driven(question, name, ("b", 40)))


def fetched(pieces: int) -> Asked:
    question = problem(technician(), visit("a", parts={"fuse": 2}), stocks=(Stock("mill", {"fuse": 2}),))
    return plan(question, ("a", 20), fetches={"a": ("mill", {"fuse": pieces})})


# A plan that breaks the rule and nothing else, and one beside it that breaks nothing at all.
BROKEN: dict[str, tuple[Callable[[], Asked], Callable[[], Asked]]] = {
    "name_only_what_exists": (stranger, one),
    "work_each_shift_once": (twice_in_one_shift, lambda: of_two(40)),
    "account_for_each_visit_once": (lambda: (problem(PAIR, visit("a")), Plan()), one),
    "work_together_as_a_crew": (lambda: crew(10, 11), lambda: crew(10, 10)),
    "take_the_time_the_road_takes": (lambda: changed(travel_metres=9), one),
    "take_the_time_the_work_takes": (lambda: changed(end_minute=39), one),
    "stay_inside_the_shift": (lambda: one(start=201), lambda: one(start=200)),
    "take_every_break": (lambda: rested(29), lambda: rested(30)),
    "arrive_inside_the_window": (
        lambda: one(windows=(Window(11, 20), Window(0, 9))),
        lambda: one(windows=(Window(11, 20), Window(0, 10))),
    ),
    "keep_the_promise": (lambda: one(promised=Window(11, 20)), lambda: one(promised=Window(10, 20))),
    "start_after_the_release": (lambda: one(release_minute=11), lambda: one(release_minute=10)),
    "have_the_skills": (
        lambda: plan(problem(technician(skills={"gas": Skill(1, 39)}), visit("a", required_skills={"gas": 1})), ("a", 10)),
        lambda: plan(problem(technician(skills={"gas": Skill(1, 40)}), visit("a", required_skills={"gas": 1})), ("a", 10)),
    ),
    "send_only_who_may_come": (
        lambda: by("ann", excluded_technicians=("ann",)),
        lambda: by("bob", excluded_technicians=("ann",)),
    ),
    "stay_in_the_territory": (
        lambda: plan(problem(technician(territories=("south",)), visit("a", territory="north")), ("a", 10)),
        lambda: plan(problem(technician(territories=("north",)), visit("a", territory="north")), ("a", 10)),
    ),
    "keep_the_pins": (lambda: one(pin=Pin(("ann",), 11)), lambda: one(pin=Pin(("ann",), 10))),
    "keep_the_order": (lambda: of_two(49, after=(After("a", 10),)), lambda: of_two(50, after=(After("a", 10),))),
    "send_the_same_technician": (lambda: the_same("bob"), lambda: the_same("ann")),
    "carry_the_parts": (lambda: fetched(1), lambda: fetched(2)),
    "stay_within_the_capacity": (
        lambda: plan(problem(technician(capacity_units=1), visit("a", load_units=2)), ("a", 10)),
        lambda: plan(problem(technician(capacity_units=2), visit("a", load_units=2)), ("a", 10)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", [rule.__name__ for rule in HARD_RULES])
def test_a_plan_that_breaks_a_rule_is_refused_and_the_one_beside_it_is_not(rule: str) -> None:
    broken, kept = BROKEN[rule]
    question, answer = broken()
    found = check(question, answer)
    assert {each.rule for each in found} == {rule}
    assert score(question, answer).levels[0] == len(found)
    assert not score(question, answer).is_feasible
    assert check(*kept()) == []


def told(start: int, name: str = "ann") -> Asked:
    question = problem(PAIR, visit("a"), replace(INDIFFERENT, changed_technician_cents=70, moved_cents_per_minute=3))
    question = replace(question, published=plan_of(question, driven(question, "ann", ("a", 10))))
    return question, plan_of(question, driven(question, name, ("a", start)))


def left_out(**more: object) -> Asked:
    return problem(technician(), visit("a", **more)), Plan((), (Unassigned("a"),))


def paid(start: int = 10, wishes: Policy = INDIFFERENT, **more: object) -> Asked:
    shift = Shift(0, 40, "depot", "depot", overtime_minutes_max=200)
    return plan(problem(technician("ann", shift, **more), visit("a"), wishes), ("a", start), depart_minute=0)


def late(*starts: tuple[str, int]) -> Asked:
    visits = [visit(name, due_minute=5, lateness_cents_per_minute=0, priority=1) for name, _ in starts]
    question = problem(technician(), visits, replace(INDIFFERENT, worst_lateness_cents_per_minute=7))
    return plan(question, *starts)


# A plan that pays for the goal and for nothing else: its tier and its price.
PRICED: dict[str, tuple[Callable[[], Asked], Tier, int]] = {
    "serve_every_mandatory_visit": (lambda: left_out(priority=2), Tier.MANDATORY, 8),
    "start_before_it_is_due": (
        lambda: one(start=15, due_minute=10, lateness_cents_per_minute=3, priority=5),
        Tier.LATENESS,
        15,
    ),
    "keep_the_longest_delay_short": (lambda: late(("a", 10), ("b", 45)), Tier.LATENESS, 40 * 7),
    "serve_what_is_worth_it": (lambda: left_out(mandatory=False, price_cents=900), Tier.WISHES, 900),
    "drive_little": (lambda: paid(cost_cents_per_minute=4, cost_cents_per_kilometre=2), Tier.WISHES, 20 * 4 + 20 * 2),
    "start_few_shifts": (lambda: paid(cost_cents_per_shift=50), Tier.WISHES, 50),
    "wait_little": (lambda: paid(13, replace(INDIFFERENT, wait_cents_per_minute=6)), Tier.WISHES, 18),
    "be_home_on_time": (lambda: paid(overtime_cents_per_minute=9), Tier.WISHES, 90),
    "send_whom_the_customer_prefers": (
        lambda: plan(
            problem(technician(), visit("a", preferred_technicians=("bob",)), replace(INDIFFERENT, preference_cents=11)),
            ("a", 10),
        ),
        Tier.WISHES,
        11,
    ),
    "keep_experts_for_what_needs_them": (
        lambda: plan(
            problem(
                technician(skills={"gas": 3}),
                visit("a", required_skills={"gas": 1}),
                replace(INDIFFERENT, overqualification_cents_per_level=13),
            ),
            ("a", 10),
        ),
        Tier.WISHES,
        26,
    ),
    "share_the_work": (
        lambda: plan(problem(PAIR, visit("a"), replace(INDIFFERENT, balance_cents_per_minute=2)), ("a", 10)),
        Tier.WISHES,
        (50 - 25) * 2,
    ),
    "keep_what_was_published": (lambda: told(14, "bob"), Tier.WISHES, 70 + 4 * 3),
}  # fmt: skip


@pytest.mark.parametrize("goal", [goal.__name__ for goal in GOALS])
def test_a_plan_that_falls_short_of_a_goal_pays_its_price_in_its_tier(goal: str) -> None:
    make, tier, amount = PRICED[goal]
    question, answer = make()
    assert check(question, answer) == []
    found = charges(question, answer)
    assert {(each.rule, each.tier) for each in found} == {(goal, tier)}
    assert sum(each.amount for each in found) == amount
    worth = score(question, answer)
    priced = {
        Tier.MANDATORY: worth.mandatory_points,
        Tier.LATENESS: worth.lateness_cents,
        Tier.WISHES: worth.wishes_cents,
    }
    assert priced == {each: amount if each is tier else 0 for each in priced}


def test_there_is_no_case_without_its_rule() -> None:
    assert set(BROKEN) == {rule.__name__ for rule in HARD_RULES}
    assert set(PRICED) == {goal.__name__ for goal in GOALS}


def test_only_the_longest_delay_counts_and_whoever_is_in_time_pays_nothing() -> None:
    for starts, minutes in (((("a", 15), ("b", 45)), 40), ((("a", 15),), 10)):
        question, answer = late(*starts)
        assert [(each.amount, each.visit_id) for each in charges(question, answer)] == [(7 * minutes, starts[-1][0])]
    question, answer = one(due_minute=10)
    assert charges(replace(question, policy=replace(INDIFFERENT, worst_lateness_cents_per_minute=7)), answer) == []
