"""Whom to send, which visits fit a gap, what lies near: ranked, with figures, and a sentence each."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.construct import construct
from optimizer.desk import Desk
from optimizer.problem import InvalidProblem, Policy, Problem, Shift
from optimizer.recommend import Opportunity, fits_in_gap, nearby, recommend
from tests.optimizer.days import problems
from tests.optimizer.given import driven, plan_of, problem, technician, visit

ANY_DAY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@ANY_DAY
@given(problems(stocked=True))
def test_each_crew_is_named_once_at_its_best_and_the_best_comes_first(question: Problem) -> None:
    question = replace(question, travel=replace(question.travel, slowdowns=()))
    plan = construct(question)
    for wanted in question.visits:
        found = recommend(question, plan, wanted.id)
        assert len({each.technician_ids for each in found}) == len(found)
        desk = Desk(question, plan)
        day = desk.without(wanted.id) if wanted.id in desk.placed else desk
        ways = [way for way in day.ways(day.number(wanted.id)) if way.keeps_the_rules]
        assert bool(found) == bool(ways)
        if found:
            best = min(way.price for way in ways)
            scale = day.model
            prices = [
                each.added_lateness_cents * scale.lateness_scale + each.added_cents * scale.wishes_scale
                for each in found
            ]
            assert prices == sorted(prices)
            assert prices[0] == best
        for each in found:
            assert set(wanted.excluded_technicians).isdisjoint(each.technician_ids)
            assert len(each.technician_ids) == wanted.crew_size
            assert each.is_preferred == (
                bool(wanted.preferred_technicians) and set(each.technician_ids) <= set(wanted.preferred_technicians)
            )


def test_tells_the_figures() -> None:
    crew = [
        technician("ann", skills={"gas": 3}, cost_cents_per_minute=10),
        technician("bob", Shift(0, 240, "farm", "farm"), skills={"gas": 1}, cost_cents_per_minute=10),
    ]
    wanted = visit("new", "mill", required_skills={"gas": 1}, preferred_technicians=("ann",))
    policy = Policy(preference_cents=500, overqualification_cents_per_level=50)
    question = problem(crew, [visit("a", "mill"), wanted], policy=policy)
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    ann, bob = recommend(question, plan, "new")
    assert (ann.technician_ids, ann.start_minute, ann.travel_minutes, ann.travel_metres) == (("ann",), 40, 0, 0)
    assert (ann.skill_surplus_levels, ann.gap_minutes, ann.workload_minutes, ann.is_preferred) == (2, 160, 50, True)
    assert (ann.added_cents, ann.added_lateness_cents) == (100, 0)
    assert ann.sentence == (
        "ann could start at minute 40, with 0 min and 0.0 km more to drive, whom the customer prefers, "
        "skilled 2 levels beyond the need, 50 min planned so far, 160 min left in the gap; it adds 100 cents."
    )
    assert (bob.technician_ids, bob.travel_minutes, bob.added_cents, bob.is_preferred) == (("bob",), 60, 1100, False)


def test_a_gap_takes_what_fits_into_it_and_disturbs_nobody() -> None:
    question = problem(
        technician("ann"),
        [
            visit("a", "mill"),
            visit("b", "mill"),
            visit("long", "mill", 90),
            visit("far", "farm", 20),
            visit("fits", "mill", 40, mandatory=False, price_cents=500),
            visit("must", "mill", 50),
        ],
    )
    plan = plan_of(question, driven(question, "ann", ("a", 10), ("b", 100)))
    found = fits_in_gap(question, plan, "ann", from_minute=40, until_minute=100)
    assert [(each.visit_id, each.start_minute) for each in found] == [("must", 40), ("fits", 40)]
    assert fits_in_gap(question, plan, "ann", from_minute=40, until_minute=60) == ()
    with pytest.raises(InvalidProblem, match="until_minute"):
        fits_in_gap(question, plan, "ann", from_minute=40, until_minute=30)


def test_what_is_near_a_route_or_a_place() -> None:
    crew = [technician("ann"), technician("bob", Shift(0, 240, "farm", "farm"))]
    gas = {"required_skills": {"gas": 1}}
    question = problem(crew, [visit("a", "mill"), visit("b", "park"), visit("c", "quay"), visit("d", "mill", **gas)])
    plan = plan_of(question, driven(question, "ann", ("a", 10)), driven(question, "bob", ("b", 20)))
    assert nearby(question, plan, technician_id="ann", radius_metres=20_000) == (
        Opportunity("c", 20_000, "a", (), None),
        Opportunity("b", 10_000, "a", ("bob",), 20),
    )
    assert [each.visit_id for each in nearby(question, plan, place="mill", radius_metres=0)] == ["d", "a"]
    with pytest.raises(InvalidProblem, match="not both"):
        nearby(question, plan, radius_metres=1)
    with pytest.raises(InvalidProblem, match="no place “moon”"):
        nearby(question, plan, place="moon", radius_metres=1)
