"""An urgent visit, an absence, a delay, slots, recommendations: every answer is sound, true, and changes little."""

from hypothesis import HealthCheck, given, settings

from optimizer.absence import after_delay, without_technician
from optimizer.check import check
from optimizer.construct import construct
from optimizer.plan import Plan
from optimizer.problem import Problem
from optimizer.reorder import improve_route
from optimizer.repair import insert_urgent
from optimizer.score import score
from tests.optimizer.days import problems

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def assert_sound(problem: Problem, plan: Plan) -> None:
    assert check(problem, plan) == []
    assert plan.score == score(problem, plan)


@QUICK
@given(problems())
def test_every_way_to_insert_is_sound_and_priced_truly(problem: Problem) -> None:
    plan = construct(problem)
    for visit in problem.visits:
        for repair in insert_urgent(problem, plan, visit.id):
            assert_sound(problem, repair.plan)
            assert visit.id in repair.plan.visit_ids


@QUICK
@given(problems())
def test_an_absence_or_a_delay_leaves_a_sound_plan(problem: Problem) -> None:
    plan = construct(problem)
    for minute in (0, 100):
        repair = without_technician(problem, plan, "ann", from_minute=minute)
        assert_sound(repair.problem, repair.plan)
        repair = after_delay(problem, plan, "ann", at_minute=minute, delay_minutes=30)
        assert_sound(repair.problem, repair.plan)
    repair = without_technician(problem, plan, "ann", from_minute=100, until_minute=150)
    assert_sound(repair.problem, repair.plan)


@QUICK
@given(problems())
def test_a_reordered_route_is_sound_and_never_worse(problem: Problem) -> None:
    plan = construct(problem)
    better = improve_route(problem, plan, "ann")
    assert_sound(problem, better.plan)
    assert plan.score is not None
    assert better.plan.score is not None
    assert better.plan.score <= plan.score
