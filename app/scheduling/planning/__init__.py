"""The bridge to the planner: a day of ours as its problem, its plan as changes of ours.

What is pinned, dispatched or under way enters as it is and leaves as it is, even where it breaks a rule somebody
overrode; the planner works around it. Times are minutes from the local midnight of the day, so a day of 23 or 25 hours
is just that.
"""

from app.scheduling.planning.answer import Proposal, proposals_of
from app.scheduling.planning.material import Material, gather
from app.scheduling.planning.question import ask, request_of

__all__ = ["Material", "Proposal", "ask", "gather", "proposals_of", "request_of"]
