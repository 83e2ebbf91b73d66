"""The planner: who goes where, and when. `solve(problem)` answers with a plan, and knows no database or web.

problem.py  what is asked        construct.py  an answer in milliseconds    check.py    the judge
plan.py     what is answered     routing.py    OR-Tools over the same       score.py    the price
rules.py    what a good day is   solve.py      all together                 explain.py  why, and why not
"""

from optimizer.check import check
from optimizer.construct import Insertion, construct, insert
from optimizer.documents import plan_from_json, plan_to_json, problem_from_json, problem_to_json
from optimizer.explain import Choice, explain_assigned, explain_unassigned
from optimizer.plan import Pickup, PlacedBreak, Plan, Reason, ReasonCode, Route, Score, Unassigned
from optimizer.plan import Stop as PlannedStop
from optimizer.problem import (
    After,
    Break,
    InvalidProblem,
    Pin,
    Place,
    Policy,
    Problem,
    Shift,
    Skill,
    Slowdown,
    Stock,
    Technician,
    Tier,
    TravelMatrix,
    Visit,
    Window,
    split_over_days,
)
from optimizer.rules import Charge, Violation
from optimizer.score import charges, score
from optimizer.solve import solve
from optimizer.stop import Stop
from optimizer.travel import estimate_travel

__all__ = [
    "After",
    "Break",
    "Charge",
    "Choice",
    "Insertion",
    "InvalidProblem",
    "Pickup",
    "Pin",
    "Place",
    "PlacedBreak",
    "Plan",
    "PlannedStop",
    "Policy",
    "Problem",
    "Reason",
    "ReasonCode",
    "Route",
    "Score",
    "Shift",
    "Skill",
    "Slowdown",
    "Stock",
    "Stop",
    "Technician",
    "Tier",
    "TravelMatrix",
    "Unassigned",
    "Violation",
    "Visit",
    "Window",
    "charges",
    "check",
    "construct",
    "estimate_travel",
    "explain_assigned",
    "explain_unassigned",
    "insert",
    "plan_from_json",
    "plan_to_json",
    "problem_from_json",
    "problem_to_json",
    "score",
    "solve",
    "split_over_days",
]
