"""Every remedy that is named works: made to the problem's document by hand, the visit is served and all is well."""

import os
from typing import Any

from hypothesis import HealthCheck, given, settings

from optimizer.check import check
from optimizer.construct import construct
from optimizer.documents import problem_from_json, problem_to_json
from optimizer.problem import Problem
from optimizer.remedies import remedies
from optimizer.score import score
from tests.optimizer.days import problems

CASES = int(os.environ.get("TRUCKROLL_REMEDY_CASES", "40"))


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
