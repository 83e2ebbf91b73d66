"""Every remedy that is named works: made to the problem's document by hand, the visit is served and all is well."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.check import check
from optimizer.construct import construct
from optimizer.documents import problem_from_json, problem_to_json
from optimizer.problem import After, InvalidProblem, Pin, Problem, Shift, Skill, Technician, Window
from optimizer.remedies import RemedyCode, remedies
from optimizer.score import score
from tests.optimizer.days import problems
from tests.optimizer.given import driven, plan_of, problem, technician, visit

# Two hundred and more by hand: TRUCKROLL_REMEDY_CASES=200.
CASES = int(os.environ.get("TRUCKROLL_REMEDY_CASES", "40"))


def window(earliest: int, latest: int) -> dict[str, Any]:
    return {"earliest_minute": earliest, "latest_minute": latest, "ends_inside": False}


def hour(start: int = 0, overtime: int = 0) -> dict[str, Any]:
    return {
        "start_minute": start,
        "end_minute": 60,
        "start_place": "depot",
        "end_place": "depot",
        "overtime_minutes_max": overtime,
        "breaks": [],
    }


def with_change(problem: Problem, change: dict[str, Any]) -> Problem:
    document = problem_to_json(problem)
    for kind in ("visits", "technicians"):
        for each in document[kind]:
            each.update(change[kind].get(each["id"], {}))
    document["visits"] = [each for each in document["visits"] if each["id"] not in change["without_visits"]]
    return problem_from_json(document)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(stocked=True))
def test_every_remedy_serves_the_visit_and_loses_nothing_mandatory(problem: Problem) -> None:
    plan = construct(problem)
    mandatory = {visit.id for visit in problem.visits if visit.mandatory}
    for left in plan.unassigned:
        for remedy in remedies(problem, plan, left.visit_id, limit=9):
            changed = with_change(problem, remedy.change)
            assert changed == remedy.problem
            assert check(changed, remedy.plan) == []
            assert remedy.plan.score == score(changed, remedy.plan)
            assert left.visit_id in remedy.plan.visit_ids
            assert plan.visit_ids & mandatory <= remedy.plan.visit_ids


HOUR = Shift(0, 60, "depot", "depot")
GAS = {"required_skills": {"gas": 2}}


@pytest.mark.parametrize(
    ("people", "wish", "code", "change", "minutes"),
    [
        (
            [technician(skills={"gas": 1})],
            GAS,
            RemedyCode.TRAIN,
            {"skills": {"gas": {"level": 2, "expires_minute": None}}},
            None,
        ),
        (
            [technician(skills={"gas": Skill(2, expires_minute=39)})],
            GAS | {"windows": (Window(10, 99),)},
            RemedyCode.RENEW_CERTIFICATE,
            {"skills": {"gas": {"level": 2, "expires_minute": None}}},
            None,
        ),
        (
            [technician()],
            {"required_technicians": ("bob",)},
            RemedyCode.ALLOW_TECHNICIAN,
            {"required_technicians": ["bob", "ann"]},
            None,
        ),
        (
            [technician()],
            {"excluded_technicians": ("ann",)},
            RemedyCode.ALLOW_TECHNICIAN,
            {"excluded_technicians": []},
            None,
        ),
        (
            [technician(territories=("south",))],
            {"territory": "north"},
            RemedyCode.ALLOW_TERRITORY,
            {"territories": ["south", "north"]},
            None,
        ),
        ([technician(parts={"fuse": 1})], {"parts": {"fuse": 3}}, RemedyCode.LOAD_PARTS, {"parts": {"fuse": 4}}, None),
        ([technician(capacity_units=4)], {"load_units": 9}, RemedyCode.LARGER_VEHICLE, {"capacity_units": 13}, None),
        ([technician()], {"pin": Pin(("bob",))}, RemedyCode.DROP_PIN, {"pin": None}, None),
        (
            [technician()],
            {"place": "farm", "windows": (Window(0, 25),)},
            RemedyCode.WIDEN_WINDOW,
            {"windows": [window(0, 40)]},
            15,
        ),
        (
            [technician()],
            {"windows": (Window(300, 400),)},
            RemedyCode.WIDEN_WINDOW,
            {"windows": [window(200, 400)]},
            100,
        ),
        (
            [technician()],
            {"place": "farm", "promised": Window(0, 25)},
            RemedyCode.WIDEN_PROMISE,
            {"promised": window(0, 40)},
            15,
        ),
        (
            [technician()],
            {"place": "farm", "promised": Window(0, 25)},
            RemedyCode.LIFT_PROMISE,
            {"promised": None},
            None,
        ),
        ([technician("ann", HOUR)], {"place": "quay"}, RemedyCode.OVERTIME, {"shifts": [hour(overtime=30)]}, 30),
        ([technician("ann", HOUR)], {"place": "quay"}, RemedyCode.EARLIER_SHIFT, {"shifts": [hour(start=-30)]}, 30),
        (
            [technician("ann", HOUR), technician("bob", HOUR)],
            {"minutes": 60},
            RemedyCode.SECOND_TECHNICIAN,
            {"crew_size": 2, "duration_minutes": 30},
            None,
        ),
        ([technician()], {"crew_size": 2}, RemedyCode.SMALLER_CREW, {"crew_size": 1}, None),
        (
            [technician()],
            {"windows": (Window(0, 20),), "release_minute": 30},
            RemedyCode.RELEASE_EARLIER,
            {"release_minute": 20},
            10,
        ),
    ],
)
def test_names_the_least_change_of_its_kind(
    people: list[Technician], wish: dict[str, Any], code: RemedyCode, change: dict[str, Any], minutes: int | None
) -> None:
    question = problem(people, visit("a", **wish))
    found = {each.code: each for each in remedies(question, plan_of(question), "a", limit=9)}
    remedy = found[code]
    changed = remedy.change["visits"] | remedy.change["technicians"]
    assert changed == {remedy.technician_id or "a": change} or changed == {"a": change}
    assert remedy.minutes == minutes
    assert check(with_change(question, remedy.change), remedy.plan) == []


def test_what_meets_the_reason_comes_first_and_no_more_are_named_than_asked_for() -> None:
    question = problem(technician(territories=("south",)), visit("a", territory="north", promised=Window(10, 60)))
    (first,) = remedies(question, plan_of(question), "a", limit=1)
    assert first.code == RemedyCode.ALLOW_TERRITORY
    assert first.sentence == "Let ann work in “north”."


def test_an_optional_visit_goes_another_day_or_gets_a_better_price() -> None:
    busy = visit("b", minutes=150, mandatory=False, price_cents=100)
    question = problem(technician(), [visit("a", minutes=100), busy])
    plan = plan_of(question, driven(question, "ann", ("b", 10)))
    found = {each.code: each for each in remedies(question, plan, "a", limit=9)}
    moved = found[RemedyCode.MOVE_TO_ANOTHER_DAY]
    assert moved.change == {"visits": {}, "technicians": {}, "without_visits": ["b"]}
    assert moved.plan.visit_ids == {"a"}
    cheap = problem(technician(cost_cents_per_minute=5), visit("a", mandatory=False, price_cents=90))
    (first, *_) = remedies(cheap, plan_of(cheap), "a")
    assert (first.code, first.change["visits"]) == (RemedyCode.RAISE_PRICE, {"a": {"price_cents": 101}})


def test_what_comes_first_is_served_with_it() -> None:
    question = problem(technician(), [visit("a", after=(After("b"),)), visit("b", required_skills={"gas": 1})])
    (first, *_) = remedies(question, plan_of(question), "a")
    assert first.code == RemedyCode.TRAIN
    assert first.plan.visit_ids == {"a", "b"}


def test_a_sequence_may_be_loosened() -> None:
    late = visit("a", after=(After("b", 0, 5),), windows=(Window(150, 160),))
    question = problem(technician(), [late, visit("b", windows=(Window(10, 20),))])
    plan = plan_of(question, driven(question, "ann", ("b", 10)))
    found = {each.code: each for each in remedies(question, plan, "a", limit=9)}
    assert found[RemedyCode.LOOSEN_SEQUENCE].plan.stops_of("b")[0].start_minute == 10


def test_what_is_served_or_fits_needs_no_change_and_what_nothing_helps_has_no_remedy() -> None:
    question = problem(technician(), [visit("a"), visit("b")])
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    assert remedies(question, plan, "a") == ()
    assert [each.code for each in remedies(question, plan, "b")] == [RemedyCode.SERVE_AS_IT_IS]
    nobody = problem((), visit("a"))
    assert remedies(nobody, plan_of(nobody), "a") == ()
    with pytest.raises(InvalidProblem, match="no visit “x”"):
        remedies(question, plan, "x")


def test_every_code_has_a_test() -> None:
    with open(__file__, encoding="utf-8") as source:
        text = source.read()
    assert [code for code in RemedyCode if f"RemedyCode.{code}" not in text] == []
