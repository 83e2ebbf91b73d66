"""What a plan is worth, in the policy's tiers, computed from the problem alone."""

from collections import Counter
from dataclasses import replace

from optimizer.check import check
from optimizer.plan import Plan, Score
from optimizer.problem import Problem, Tier
from optimizer.rules import GOALS, Charge, Day


def charges(problem: Problem, plan: Plan) -> list[Charge]:
    """Each shortfall with its price: the score, itemized."""
    day = Day(problem, plan)
    return [charge for goal in GOALS for charge in goal(day)]


def score(problem: Problem, plan: Plan) -> Score:
    """Lower is better, level by level."""
    amounts: Counter[Tier] = Counter()
    amounts[Tier.HARD] = len(check(problem, plan))
    for charge in charges(problem, plan):
        amounts[charge.tier] += charge.amount
    return Score(
        levels=tuple(sum(amounts[goal] for goal in tier) for tier in problem.policy.tiers),
        violations=amounts[Tier.HARD],
        mandatory_points=amounts[Tier.MANDATORY],
        lateness_cents=amounts[Tier.LATENESS],
        wishes_cents=amounts[Tier.WISHES],
    )


def scored(problem: Problem, plan: Plan) -> Plan:
    """The same plan, carrying its score."""
    return replace(plan, score=score(problem, plan))
