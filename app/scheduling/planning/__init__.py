"""The bridge to the planner: some days of ours as its problem, its plan as changes of ours.

What is pinned, dispatched or under way enters as it is and leaves as it is, even where it breaks a rule somebody
overrode; the planner works around it. Times are minutes from the local midnight of the first day, so a day of 23 or 25
hours is just that.
"""

from app.scheduling.planning.advice import (
    Explanation,
    Nearby,
    Remedy,
    Suggestion,
    days_of,
    explain_assignment,
    find_nearby_work,
    find_remedies,
    find_work_for_gap,
    recommend_technicians,
    wanted_for,
)
from app.scheduling.planning.answer import Proposal, proposals_of
from app.scheduling.planning.inserting import (
    InsertionOption,
    Insertions,
    MovedVisit,
    Taken,
    find_insertions,
    take_insertion,
)
from app.scheduling.planning.material import Material, freed_ids, gather
from app.scheduling.planning.question import ask, ask_as_run, policy_of, request_of
from app.scheduling.planning.route import RouteLeg, find_route
from app.scheduling.planning.slots import BookableSlot, best_start, find_slots

__all__ = [
    "BookableSlot",
    "Explanation",
    "InsertionOption",
    "Insertions",
    "Material",
    "MovedVisit",
    "Nearby",
    "Proposal",
    "Remedy",
    "RouteLeg",
    "Suggestion",
    "Taken",
    "ask",
    "ask_as_run",
    "best_start",
    "days_of",
    "explain_assignment",
    "find_insertions",
    "find_nearby_work",
    "find_remedies",
    "find_route",
    "find_slots",
    "find_work_for_gap",
    "freed_ids",
    "gather",
    "policy_of",
    "proposals_of",
    "recommend_technicians",
    "request_of",
    "take_insertion",
    "wanted_for",
]
