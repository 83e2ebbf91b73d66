"""Problems and plans survive the way to another process, and damaged ones are refused with a path."""

import json
from array import array
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from optimizer import InvalidProblem, Plan, Problem, construct
from optimizer.documents import LONG_ROW, plan_from_json, plan_to_json, problem_from_json, problem_to_json
from optimizer.explain import with_reasons
from optimizer.plan import Pickup, Route, Stop
from optimizer.problem import Place, TravelMatrix
from tests.optimizer.days import problems
from tests.optimizer.given import LINE, problem, technician, visit


@settings(deadline=None, derandomize=True, max_examples=30)
@given(problems(stocked=True))
def test_problems_and_plans_come_back_equal(question: Problem) -> None:
    plan = with_reasons(question, construct(question))
    asked = replace(
        question, published=plan, origin=datetime(2026, 3, 1, 6, tzinfo=UTC), travel_by_profile={"bike": LINE}
    )
    assert problem_from_json(json.loads(json.dumps(problem_to_json(asked)))) == asked
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_long_rows_of_travel_come_back_as_arrays_and_pickups_as_they_were() -> None:
    rows = tuple(array("i", [here ^ there for there in range(LONG_ROW)]) for here in range(LONG_ROW))
    places = tuple(Place(str(index), 52.0, 13.0) for index in range(LONG_ROW))
    asked = Problem(technicians=(), visits=(), places=places, travel=TravelMatrix(rows, rows))
    found = problem_from_json(json.loads(json.dumps(problem_to_json(asked))))
    assert found == asked
    assert {type(row) for row in found.travel.minutes} == {array}
    document = problem_to_json(asked)
    document["travel"]["minutes"][3][5] = 2**31
    with pytest.raises(InvalidProblem, match=r"^travel\.minutes\[3\]"):
        problem_from_json(document)
    stop = Stop("a", 40, 40, 70, 30, 30_000, 0, Pickup("park", 20, 30, {"fuse": 2}))
    plan = Plan((Route("ann", 0, 0, 100, 30, 30_000, (stop,)),))
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_fields_left_out_have_their_defaults() -> None:
    document = {
        "format": "truckroll.problem/1",
        "technicians": [
            {
                "id": "ann",
                "shifts": [{"start_minute": 0, "end_minute": 240, "start_place": "depot", "end_place": "depot"}],
            }
        ],
        "visits": [{"id": "a", "place": "depot", "duration_minutes": 30}],
        "places": [{"id": "depot", "latitude": 52.0, "longitude": 13}],
        "travel": {"minutes": [[0]], "metres": [[0]]},
    }
    found = problem_from_json(document)
    assert found.technicians == (technician(),)
    assert found.visits == (visit("a", "depot"),)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"format": "truckroll.problem/2"}, "format"),
        ({"surprise": 1}, "surprise"),
        ({"visits": [{"id": "a", "place": "mill"}]}, "visits[0].duration_minutes"),
        ({"visits": [{"id": "a", "place": "mill", "duration_minutes": 1.5}]}, "visits[0].duration_minutes"),
        ({"visits": [{"id": "a", "place": "mill", "duration_minutes": True}]}, "visits[0].duration_minutes"),
        ({"visits": [{"id": "a", "place": "mill", "duration_minutes": -1}]}, "visits[0].duration_minutes"),
        ({"visits": [{"id": "a", "place": "moon", "duration_minutes": 1}]}, "visits[a].place"),
        ({"visits": {}}, "visits"),
        ({"visits": [3]}, "visits[0]"),
        ({"travel": {"minutes": [[0, "x"]], "metres": []}}, "travel.minutes[0][1]"),
        ({"policy": {"tiers": [["HARD"], ["SPEED"]]}}, "policy.tiers[1][0]"),
        ({"origin": "today"}, "origin"),
        ({"origin": "2026-03-01T06:00:00"}, "origin"),
    ],
)
def test_a_damaged_document_is_refused_with_the_path(change: dict[str, object], path: str) -> None:
    document = {**problem_to_json(problem(technician(), visit("a"))), **change}
    with pytest.raises(InvalidProblem) as refused:
        problem_from_json(document)
    assert refused.value.path == path


def test_a_plan_is_not_taken_for_a_problem() -> None:
    with pytest.raises(InvalidProblem):
        problem_from_json(plan_to_json(Plan()))
