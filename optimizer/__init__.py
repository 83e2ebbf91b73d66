"""The planner: who goes where, and when. `solve(problem)` answers with a plan, and knows no database or web.

problem.py  what is asked        construct.py  a first answer, in Python    check.py    the judge
plan.py     what is answered     search.py     the compiled search          score.py    the price
rules.py    what a good day is   routing.py    OR-Tools over the same       explain.py  why, and why not
matrix.py   how long roads take  solve.py      all together                 supply.py   parts on board and in stock
model.py    the same, numbered   draft.py      a plan in the making         timing.py   when each stop of a route
parts.py    a part of a day      splitting.py  large days into parts        decompose.py  part by part, and together

The compiled search, imported only when it is used: `tables.py` has the model as arrays, `kernel.c` improves routes in
them, `native.py` compiles and calls it, and `assignment.py` puts known routes together.

Of a plan that exists, a dispatcher asks (`Desk` is a day prepared for many questions, `Change` what one would change;
`…_at` asks it):
repair.py   an urgent visit      slots.py      windows to offer             remedies.py what would make it fit
absence.py  who is away or late  recommend.py  whom to send, what is near   reorder.py  one technician's best order
"""

from optimizer.absence import after_delay, without_technician
from optimizer.change import Move
from optimizer.check import check
from optimizer.construct import Insertion, construct, insert
from optimizer.decompose import InParts, side_by_side, solve_in_parts
from optimizer.desk import Desk
from optimizer.documents import (
    part_from_json,
    part_to_json,
    plan_from_json,
    plan_to_json,
    problem_from_json,
    problem_to_json,
    solved_from_json,
    solved_to_json,
)
from optimizer.explain import Choice, explain_assigned, explain_unassigned
from optimizer.parts import Part, Solved, solve_part
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
from optimizer.recommend import (
    Opportunity,
    Recommendation,
    fits_in_gap,
    fits_in_gap_at,
    nearby,
    nearby_at,
    recommend,
    recommend_at,
)
from optimizer.remedies import Remedy, RemedyCode, remedies, remedies_at
from optimizer.reorder import RouteImprovement, improve_route, improve_route_at
from optimizer.repair import Repair, insert_urgent, insert_urgent_at
from optimizer.rules import Charge, Violation
from optimizer.score import charges, score
from optimizer.slots import Slot, slots, slots_at
from optimizer.solve import solve
from optimizer.stop import Stop
from optimizer.travel import estimate_travel

__all__ = [
    "After",
    "Break",
    "Charge",
    "Choice",
    "Desk",
    "InParts",
    "Insertion",
    "InvalidProblem",
    "Move",
    "Opportunity",
    "Part",
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
    "Recommendation",
    "Remedy",
    "RemedyCode",
    "Repair",
    "Route",
    "RouteImprovement",
    "Score",
    "Shift",
    "Skill",
    "Slot",
    "Slowdown",
    "Solved",
    "Stock",
    "Stop",
    "Technician",
    "Tier",
    "TravelMatrix",
    "Unassigned",
    "Violation",
    "Visit",
    "Window",
    "after_delay",
    "charges",
    "check",
    "construct",
    "estimate_travel",
    "explain_assigned",
    "explain_unassigned",
    "fits_in_gap",
    "fits_in_gap_at",
    "improve_route",
    "improve_route_at",
    "insert",
    "insert_urgent",
    "insert_urgent_at",
    "nearby",
    "nearby_at",
    "part_from_json",
    "part_to_json",
    "plan_from_json",
    "plan_to_json",
    "problem_from_json",
    "problem_to_json",
    "recommend",
    "recommend_at",
    "remedies",
    "remedies_at",
    "score",
    "side_by_side",
    "slots",
    "slots_at",
    "solve",
    "solve_in_parts",
    "solve_part",
    "solved_from_json",
    "solved_to_json",
    "split_over_days",
    "without_technician",
]
