"""The independent judge: does a plan, whoever made it, keep every hard rule?"""

from optimizer.plan import Plan
from optimizer.problem import Problem
from optimizer.rules import HARD_RULES, Day, Violation


def check(problem: Problem, plan: Plan) -> list[Violation]:
    """Everything that is wrong with the plan; empty when it may be carried out."""
    day = Day(problem, plan)
    return [violation for rule in HARD_RULES for violation in rule(day)]
