"""Whatever the day, every engine's answer passes the judge, and none beats the true optimum."""

import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer import Plan, PlannedStop, Problem, Score, Stop, check, construct, insert, score, solve
from optimizer.explain import explain_assigned, with_reasons
from optimizer.problem import Policy, Technician, Tier, Visit, Window
from tests.optimizer import given as days_by_hand
from tests.optimizer.days import problems, with_published
from tests.optimizer.given import driven, plan_of, problem, technician, visit

CALM = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def assert_sound(question: Problem, plan: Plan) -> None:
    assert check(question, plan) == []
    assert plan.score == score(question, plan)
    assert all(each.reasons for each in plan.unassigned)


@pytest.mark.slow
@settings(CALM, max_examples=120)
@given(problems(stocked=True))
def test_construction_keeps_every_rule(question: Problem) -> None:
    assert_sound(question, with_reasons(question, construct(question)))


@pytest.mark.slow
@settings(CALM, max_examples=40)
@given(problems(stocked=True))
def test_routing_keeps_every_rule_and_is_never_worse_than_construction(
    caplog: pytest.LogCaptureFixture, question: Problem
) -> None:
    plan = solve(question, stop=Stop(seconds=0.5, solutions=20), engines=("routing",))
    assert_sound(question, plan)
    built = construct(question).score
    assert plan.score is not None
    assert built is not None
    assert plan.score <= built
    # Nothing had to be taken out to get there.
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@settings(CALM, max_examples=60)
@given(problems(stocked=True))
def test_the_search_keeps_every_rule_and_takes_nothing_out(caplog: pytest.LogCaptureFixture, question: Problem) -> None:
    assert_sound(question, solve(question, stop=Stop(seconds=3, solutions=200)))
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@settings(CALM, max_examples=25)
@given(problems(stocked=True))
def test_a_published_plan_is_held_to_the_same_rules(question: Problem) -> None:
    again = with_published(question, construct(question))
    assert_sound(again, solve(again, stop=Stop(seconds=0.3, solutions=5)))


@settings(CALM, max_examples=40)
@given(problems(visits_max=5, stocked=True))
def test_each_way_to_insert_keeps_every_rule_and_adds_what_it_says(question: Problem) -> None:
    for each in question.visits[:1]:
        without = replace(question, visits=tuple(other for other in question.visits if not _depends(other, each)))
        base = construct(replace(without, visits=tuple(other for other in without.visits if other.id != each.id)))
        base = replace(base, unassigned=plan_of(without, *base.routes).unassigned, score=None)
        before = score(without, base)
        for way in insert(without, base, each.id):
            assert check(without, way.plan) == []
            assert len(way.technician_ids) == each.crew_size
            if way.plan.visit_ids == base.visit_ids | {each.id}:
                assert way.added_cents == way.score.wishes_cents - before.wishes_cents + each.price_cents


def _depends(other: Visit, on: Visit) -> bool:
    return (
        any(link.visit_id == on.id for link in other.after)
        or other.same_technician_as == on.id
        or (other.id != on.id and bool(other.after or other.same_technician_as))
    )


# ---- against the optimum

ONE_SUM = Policy(
    tiers=((Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS, Tier.WISHES)),
    preference_cents=300,
    overqualification_cents_per_level=40,
)


def tiny(seed: int) -> Problem:
    """Four visits, two technicians, no breaks: small enough to try everything."""
    dice = random.Random(seed)
    crew = [
        technician(
            name,
            skills={"gas": dice.randint(1, 3)},
            cost_cents_per_minute=dice.randint(1, 20),
            cost_cents_per_kilometre=dice.randint(0, 9),
        )
        for name in ("ann", "bob")
    ]
    work = []
    for number in range(4):
        opens, mandatory = dice.choice((0, 30, 60, 120)), dice.random() < 0.5
        work.append(
            visit(
                f"v{number}",
                dice.choice(days_by_hand.NAMES),
                dice.choice((10, 30, 50)),
                windows=(Window(opens, opens + dice.choice((20, 90))),) if dice.random() < 0.6 else (),
                due_minute=dice.choice((None, 60, 90)),
                lateness_cents_per_minute=dice.randint(1, 5),
                mandatory=mandatory,
                price_cents=0 if mandatory else dice.randint(100, 1500),
                required_skills={"gas": 2} if dice.random() < 0.3 else {},
                preferred_technicians=("bob",) if dice.random() < 0.3 else (),
            )
        )
    return problem(crew, work, ONE_SUM)


def every_plan(question: Problem) -> Iterator[Plan]:
    names = [each.id for each in question.technicians]
    for owners in product([None, *names], repeat=len(question.visits)):
        own = [[each for each, owner in zip(question.visits, owners, strict=True) if owner == name] for name in names]
        for orders in product(*(permutations(each) for each in own)):
            yield plan_of(
                question,
                *(
                    driven(question, name, *earliest(question, question.technician_by_id[name], order))
                    for name, order in zip(names, orders, strict=True)
                    if order
                ),
            )


def earliest(question: Problem, person: Technician, order: tuple[Visit, ...]) -> Iterator[tuple[str, int]]:
    here, clock = question.place_index["depot"], 0
    for each in order:
        there = question.place_index[each.place]
        start = clock + question.travel.minutes[here][there]
        for window in each.windows:
            start = max(start, window.earliest_minute)
        yield each.id, start
        here, clock = there, start + person.minutes_for(each)


def optimum(question: Problem) -> Score:
    return min(score(question, plan) for plan in every_plan(question))


@pytest.mark.parametrize("seed", range(6))
def test_no_engine_beats_the_optimum_and_routing_finds_it(seed: int) -> None:
    question = tiny(seed)
    best = optimum(question)
    built = construct(question).score
    found = solve(question, stop=Stop(seconds=10, solutions=200)).score
    assert built is not None
    assert best <= built
    assert found == best


def test_the_same_seed_and_number_of_solutions_give_the_same_plan() -> None:
    question = days_of(12)
    stop = Stop(seconds=20, solutions=30)
    assert solve(question, stop=stop, seed=3) == solve(question, stop=stop, seed=3)


def days_of(count: int) -> Problem:
    dice = random.Random(5)
    crew = [technician("ann", cost_cents_per_minute=5), technician("bob", cost_cents_per_minute=7)]
    return problem(
        crew,
        [
            visit(
                f"v{number}",
                dice.choice(days_by_hand.NAMES),
                dice.choice((10, 20)),
                mandatory=False,
                price_cents=400,
            )
            for number in range(count)
        ],
    )


def test_explaining_the_chosen_compares_it_with_the_next_best() -> None:
    question = problem(
        [technician("ann", cost_cents_per_minute=5), technician("bob", cost_cents_per_minute=9)], visit("a")
    )
    plan = construct(question)
    choice = explain_assigned(question, plan, "a")
    assert choice.technician_ids == ("ann",)
    assert choice.chosen is not None
    assert (choice.chosen.added_travel_minutes, choice.chosen.added_cents) == (20, 100)
    assert [(way.technician_ids, way.added_cents) for way in choice.alternatives] == [(("bob",), 180)]
    assert choice.sentence.startswith("ann adds 20 min and 20.0 km of travel, 100 cents; bob, next best, adds 20 min")


def test_an_insertion_names_who_when_and_at_what_price() -> None:
    question = problem(
        technician("ann", cost_cents_per_minute=5),
        [visit("a", "mill"), visit("b", "quay"), visit("c", "park")],
    )
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 60)))
    (way,) = insert(question, plan, "c")
    assert (way.technician_ids, way.shift_indexes, way.start_minute) == (("ann",), (0,), 50)
    assert (way.added_travel_minutes, way.added_travel_metres, way.added_cents) == (0, 0, 0)
    assert [stop.visit_id for stop in way.plan.routes[0].stops] == ["a", "c", "b"]
    assert isinstance(way.plan.routes[0].stops[0], PlannedStop)
