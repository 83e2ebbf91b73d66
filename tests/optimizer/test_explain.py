"""Each reason for leaving a visit out, with its deficit, on a day that has no other."""

from collections.abc import Iterable
from typing import Any

import pytest

from optimizer import Stop, check, solve
from optimizer.construct import construct
from optimizer.explain import explain_unassigned, with_reasons
from optimizer.plan import Reason, ReasonCode
from optimizer.problem import After, Break, Pin, Problem, Shift, Skill, Technician, Visit, Window
from tests.optimizer.given import driven, plan_of, problem, technician, visit

HOUR = Shift(0, 60, "depot", "depot")


def reason(question: Problem, visit_id: str = "a") -> Reason:
    """The one reason in the constructed plan, which serves everything else."""
    plan = with_reasons(question, construct(question))
    assert check(question, plan) == []
    assert [each.visit_id for each in plan.unassigned] == [visit_id]
    (found,) = plan.unassigned[0].reasons
    assert explain_unassigned(question, plan, visit_id) == (found,)
    return found


def assert_reason(
    question: Problem,
    code: ReasonCode,
    deficit: int | None = None,
    unit: str | None = None,
    visit_id: str = "a",
) -> None:
    found = reason(question, visit_id)
    assert (found.code, found.deficit, found.unit) == (code, deficit, unit)


@pytest.mark.parametrize(
    ("people", "wish", "code", "deficit", "unit"),
    [
        ([], {}, ReasonCode.NO_TECHNICIANS, None, None),
        ([Technician(id="ann", shifts=())], {}, ReasonCode.NO_TECHNICIANS, None, None),
        (technician(), {"required_skills": {"gas": 2}}, ReasonCode.NO_TECHNICIAN_HAS_SKILL, 2, "levels"),
        (
            technician(skills={"gas": 1}),
            {"required_skills": {"gas": 3}},
            ReasonCode.SKILL_LEVEL_TOO_LOW,
            2,
            "levels",
        ),
        (
            [technician("ann", skills={"gas": 1}), technician("bob", skills={"solar": 1})],
            {"required_skills": {"gas": 1, "solar": 1}},
            ReasonCode.NO_TECHNICIAN_HAS_SKILL,
            None,
            None,
        ),
        (
            technician(skills={"gas": Skill(1, expires_minute=39)}),
            {"required_skills": {"gas": 1}, "windows": (Window(10, 99),)},
            ReasonCode.SKILL_EXPIRED,
            None,
            None,
        ),
        (
            technician(),
            {"required_technicians": ("bob",)},
            ReasonCode.REQUIRED_TECHNICIAN_UNAVAILABLE,
            None,
            None,
        ),
        (technician(), {"excluded_technicians": ("ann",)}, ReasonCode.EXCLUDED_TECHNICIANS, None, None),
        (technician(territories=("south",)), {"territory": "north"}, ReasonCode.TERRITORY, None, None),
        (technician(parts={"fuse": 1}), {"parts": {"fuse": 3}}, ReasonCode.PARTS_MISSING, 2, "pieces"),
        (technician(capacity_units=4), {"load_units": 9}, ReasonCode.LOAD_TOO_LARGE, 5, "units"),
        (technician(), {"pin": Pin(("bob",))}, ReasonCode.PIN_IMPOSSIBLE, None, None),
        (
            technician(),
            {"pin": Pin(None, 30), "windows": (Window(40, 60),)},
            ReasonCode.PIN_IMPOSSIBLE,
            None,
            None,
        ),
        (technician(), {"pin": Pin(None, 230)}, ReasonCode.PIN_IMPOSSIBLE, 20, "minutes"),
        (
            technician(),
            {"minutes": 70, "windows": (Window(40, 70, ends_inside=True),)},
            ReasonCode.WINDOW_TOO_SHORT,
            40,
            "minutes",
        ),
        (
            technician(),
            {"windows": (Window(40, 60),), "promised": Window(75, 90)},
            ReasonCode.WINDOW_TOO_SHORT,
            15,
            "minutes",
        ),
        (
            technician(),
            {"windows": (Window(40, 60),), "release_minute": 65},
            ReasonCode.WINDOW_TOO_SHORT,
            5,
            "minutes",
        ),
        (technician(), {"windows": (Window(300, 400),)}, ReasonCode.WINDOW_OUTSIDE_SHIFTS, 90, "minutes"),
        (technician(), {"minutes": 250}, ReasonCode.SHIFT_TOO_SHORT, 10, "minutes"),
        (technician("ann", HOUR), {"place": "quay"}, ReasonCode.TOO_FAR, 30, "minutes"),
        (technician(), {"place": "farm", "windows": (Window(0, 25),)}, ReasonCode.TOO_FAR, 15, "minutes"),
        (technician(), {"crew_size": 3}, ReasonCode.CREW_TOO_SMALL, 2, "technicians"),
    ],
)
def test_says_what_was_lacking(
    people: Technician | Iterable[Technician],
    wish: dict[str, Any],
    code: ReasonCode,
    deficit: int | None,
    unit: str | None,
) -> None:
    assert_reason(problem(people, visit("a", **wish)), code, deficit, unit)


def test_says_how_much_room_a_full_day_lacks() -> None:
    busy = [visit("a", "mill", 30), visit("b", "mill", 40, priority=1)]
    assert_reason(problem(technician("ann", HOUR), busy), ReasonCode.NO_CAPACITY_LEFT, 30, "minutes")


def test_says_when_the_vehicles_are_full() -> None:
    loads = [visit("a", load_units=2), visit("b", load_units=2, priority=1)]
    assert_reason(problem(technician(capacity_units=3), loads), ReasonCode.NO_CAPACITY_LEFT)


def test_says_by_how_much_it_is_cheaper_to_leave_out() -> None:
    optional = visit("a", mandatory=False, price_cents=90)
    question = problem(technician(cost_cents_per_minute=5), optional)
    assert_reason(question, ReasonCode.CHEAPER_TO_LEAVE_OUT, 10, "cents")


def test_says_when_serving_it_would_make_a_mandatory_visit_late() -> None:
    visits = [
        visit("a", "mill", mandatory=False, price_cents=99_999, windows=(Window(10, 10),)),
        visit("b", "mill", due_minute=10, windows=(Window(10, 200),)),
    ]
    assert_reason(problem(technician(), visits), ReasonCode.CHEAPER_TO_LEAVE_OUT)


def test_says_that_what_comes_first_is_left_out() -> None:
    question = problem(technician(), [visit("a", after=(After("b"),)), visit("b", required_skills={"gas": 1})])
    plan = with_reasons(question, construct(question))
    assert [each.reasons[0].code for each in plan.unassigned] == [
        ReasonCode.EARLIER_VISIT_UNASSIGNED,
        ReasonCode.NO_TECHNICIAN_HAS_SKILL,
    ]
    assert plan.unassigned[0].reasons[0].subject == "b"


def test_says_that_a_crew_finds_no_common_start() -> None:
    morning, evening = Shift(0, 100, "depot", "depot"), Shift(100, 200, "depot", "depot")
    question = problem([technician("ann", morning), technician("bob", evening)], visit("a", crew_size=2))
    assert_reason(question, ReasonCode.LINKED_VISITS_DO_NOT_FIT)


def test_says_that_it_was_stopped_before_it_came_to_a_visit() -> None:
    question = problem(technician(), visit("a"))
    plan = solve(question, should_stop=lambda: True)
    assert [each.reasons[0].code for each in plan.unassigned] == [ReasonCode.STOPPED_EARLY]


def test_every_code_has_a_test() -> None:
    with open(__file__, encoding="utf-8") as source:
        text = source.read()
    assert [code for code in ReasonCode if f"ReasonCode.{code}" not in text] == []


def test_a_day_with_a_break_reasons_with_it() -> None:
    shift = Shift(0, 90, "depot", "depot", breaks=(Break(10, 40, 30),))
    question = problem(technician("ann", shift), visit("a", minutes=50))
    assert_reason(question, ReasonCode.TOO_FAR, 10, "minutes")


def test_reasons_do_not_change_the_routes() -> None:
    question: Problem = problem(technician(), [visit("a"), visit("b", required_skills={"gas": 1})])
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    explained = with_reasons(question, plan)
    assert explained.routes == plan.routes
    assert explained.unassigned[0].reasons[0].code == ReasonCode.NO_TECHNICIAN_HAS_SKILL
    assert solve(question, stop=Stop(seconds=0)).unassigned == explained.unassigned


def test_visits_are_named_once_each() -> None:
    visits: list[Visit] = [visit(name, required_skills={"gas": 1}) for name in "cab"]
    plan = solve(problem(technician(), visits), stop=Stop(seconds=0))
    assert [each.visit_id for each in plan.unassigned] == ["a", "b", "c"]
