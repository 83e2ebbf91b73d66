"""What contradicts itself is refused, with the place and a sentence."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from optimizer.plan import Plan, Unassigned
from optimizer.problem import (
    After,
    Break,
    InvalidProblem,
    Pin,
    Place,
    Policy,
    Shift,
    Skill,
    Slowdown,
    Tier,
    TravelMatrix,
    Window,
)
from tests.optimizer.given import LINE, MORNING, problem, technician, visit


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: Place("", 0, 0), "id"),
        (lambda: Place("a", 91, 0), "latitude"),
        (lambda: Place("a", 0, float("nan")), "longitude"),
        (lambda: Window(2, 1), "latest_minute"),
        (lambda: Break(2, 1, 30), "latest_minute"),
        (lambda: Break(1, 2, 0), "duration_minutes"),
        (lambda: Shift(5, 5, "depot", None), "end_minute"),
        (lambda: Shift(0, 5, "depot", None, overtime_minutes_max=-1), "overtime_minutes_max"),
        (lambda: Shift(10, 50, "depot", None, breaks=(Break(5, 20, 10),)), "breaks[0]"),
        (lambda: Shift(0, 50, "depot", None, breaks=(Break(45, 50, 10),)), "breaks[0]"),
        (lambda: Shift(0, 50, "depot", None, breaks=(Break(0, 5, 10), Break(0, 5, 10))), "breaks[1]"),
        (lambda: Skill(0), "level"),
        (lambda: technician(""), "id"),
        (lambda: technician(speed_factor=0.0), "speed_factor"),
        (lambda: technician(cost_cents_per_minute=-1), "cost_cents_per_minute"),
        (lambda: technician(capacity_units=-1), "capacity_units"),
        (lambda: technician(parts={"fuse": -1}), "parts[fuse]"),
        (lambda: technician("ann", MORNING, Shift(239, 300, "depot", None)), "shifts[1]"),
        (lambda: After("a", -1), "gap_minutes_min"),
        (lambda: After("a", 5, 4), "gap_minutes_max"),
        (lambda: Pin(), "pin"),
        (lambda: Pin(()), "technician_ids"),
        (lambda: visit("", minutes=1), "id"),
        (lambda: visit("a", minutes=-1), "duration_minutes"),
        (lambda: visit("a", priority=6), "priority"),
        (lambda: visit("a", price_cents=5), "price_cents"),
        (lambda: visit("a", crew_size=0), "crew_size"),
        (lambda: visit("a", required_skills={"gas": 0}), "required_skills[gas]"),
        (lambda: visit("a", pin=Pin(("ann", "bob"))), "pin.technician_ids"),
        (
            lambda: visit("a", required_technicians=("ann",), excluded_technicians=("ann",)),
            "excluded_technicians",
        ),
        (lambda: Slowdown(1, 1, 2.0), "end_minute"),
        (lambda: Slowdown(1, 2, 0.0), "factor"),
        (lambda: TravelMatrix(((0, 1),), ((0,),)), "minutes[0]"),
        (lambda: TravelMatrix(((-1,),), ((0,),)), "minutes[0]"),
        (lambda: TravelMatrix(((0,),), ()), "metres"),
        (lambda: replace(LINE, slowdowns=(Slowdown(5, 9, 2.0), Slowdown(8, 10, 2.0))), "slowdowns[1]"),
        (lambda: Policy(tiers=((Tier.HARD,),)), "tiers"),
        (
            lambda: Policy(tiers=((Tier.WISHES,), (Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS,))),
            "tiers",
        ),
        (lambda: Policy(priority_weights=(1, 2)), "priority_weights"),
        (lambda: Policy(priority_weights=(1, 2, 10**6 + 1, 4, 5)), "priority_weights[2]"),
        (lambda: Policy(preference_cents=-1), "preference_cents"),
        (lambda: problem([technician(), technician()], []), "technicians"),
        (lambda: problem(technician(), [visit("a"), visit("a")]), "visits"),
        (lambda: problem(technician(), visit("a", "moon")), "visits[a].place"),
        (
            lambda: problem(technician("ann", Shift(0, 9, "moon", None)), []),
            "technicians[ann].shifts[0].start_place",
        ),
        (lambda: problem(technician(travel_profile="bike"), []), "technicians[ann].travel_profile"),
        (lambda: problem(technician(), visit("a", same_technician_as="z")), "visits[a]"),
        (lambda: problem(technician(), visit("a", after=(After("a"),))), "visits[a]"),
        (
            lambda: problem(technician(), [visit("a", after=(After("b"),)), visit("b", after=(After("a"),))]),
            "visits[a].after",
        ),
        (lambda: problem(technician(), [], travel=TravelMatrix((), ())), "travel"),
        (
            lambda: problem(technician(), [], travel_by_profile={"bike": TravelMatrix((), ())}),
            "travel_by_profile[bike]",
        ),
        (lambda: problem(technician(), [], origin=datetime(2026, 1, 1)), "origin"),
    ],
)
def test_a_contradiction_is_refused_with_its_path(make: Callable[[], object], path: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        make()
    assert refused.value.path == path
    assert refused.value.sentence.endswith(".")


def test_a_diamond_of_visits_is_not_a_circle() -> None:
    diamond = [
        visit("a"),
        visit("b", after=(After("a"),)),
        visit("c", after=(After("a"),)),
        visit("d", after=(After("b"), After("c"))),
    ]
    assert len(problem(technician(), diamond).visits) == 4


def test_a_problem_does_not_change_with_what_it_was_made_of() -> None:
    skills = {"gas": Skill(1)}
    ann = technician(skills=skills)
    skills["gas"] = Skill(3)
    assert ann.skills["gas"] == Skill(1)


def test_equal_plans_are_equal_whatever_the_order() -> None:
    assert Plan((), (Unassigned("b"), Unassigned("a"))) == Plan((), (Unassigned("a"), Unassigned("b")))


def test_problems_and_their_errors_can_be_sent_to_another_process() -> None:
    question = problem(technician(), visit("a"))
    assert pickle.loads(pickle.dumps(question)) == question
    error = pickle.loads(pickle.dumps(InvalidProblem("a.b", "is wrong.")))
    assert (error.path, error.sentence) == ("a.b", "is wrong.")
