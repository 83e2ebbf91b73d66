"""A day laid out for questions that are answered at once: what would one more visit change, who else could come.

The planner's figures are plain Python, so they are worked out in a few threads beside the event loop, and only of days that
are not too large for that; a larger one is planned in the background.
"""

import asyncio
import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import optimizer
from app.kernel.errors import Conflict, LimitReached, Unavailable
from app.scheduling.models import Appointment
from app.scheduling.planning.answer import in_words
from app.scheduling.planning.material import Material
from app.scheduling.planning.question import ask
from app.scheduling.rules import AppointmentStatus
from app.scheduling.standing import as_it_stands

VISITS_AT_ONCE_MAX = 1000
THREADS = 2
WAITING_MAX = 16
T = TypeVar("T")

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="planner")
_waiting = 0


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A material as the planner's problem, with the schedule as it stands."""

    material: Material
    problem: optimizer.Problem
    standing: optimizer.Plan

    def words(self, sentence: str) -> str:
        """A sentence of the planner with names and the clock."""
        return in_words(self.material, sentence)

    def minutes_of(self, technician_ids: tuple[str, ...], visit_id: str) -> int:
        """How long a visit takes the slowest of some technicians."""
        visit = self.problem.visit_by_id[visit_id]
        return max(self.problem.technician_by_id[id].minutes_for(visit) for id in technician_ids)


async def lay_out(material: Material, *, now: datetime | None = None) -> LaidOut:
    """The problem of a material, and what stands. ``LimitReached`` for too large a day."""
    if len(material.appointments) > VISITS_AT_ONCE_MAX:
        message = (
            f"There are {len(material.appointments)} visits in this time, and at most {VISITS_AT_ONCE_MAX} are looked at in "
            "one request: ask for fewer days, technicians or territories."
        )
        raise LimitReached(message, limit=VISITS_AT_ONCE_MAX)
    request = await ask(material, now=now)

    def prepare() -> LaidOut:
        problem = request.problem()
        return LaidOut(material, problem, as_it_stands(problem))

    return await think_beside(prepare)


async def think_beside(work: Callable[[], T]) -> T:
    """Work of the planner in a thread, a few at a time. ``Unavailable`` when too many wait for it already."""
    global _waiting
    if _waiting >= WAITING_MAX:
        raise Unavailable("The planner is busy at the moment. Try again.")
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work)
    except optimizer.InvalidProblem as error:
        raise Conflict(f"The planner cannot use this day: {error}") from None
    finally:
        _waiting -= 1


def wanted(appointment: Appointment) -> Appointment:
    """A visit as one that waits for a time, wherever it stands now."""
    free = copy.copy(appointment)
    free.status = AppointmentStatus.UNSCHEDULED.value
    free.starts_at = free.ends_at = None
    free.is_pinned_who = free.is_pinned_when = False
    return free


def require_place(material: Material, appointment: Appointment) -> None:
    """Raise ``Conflict`` for a visit that nobody knows the way to."""
    site = material.sites.get(appointment.site_id)
    if site is None or site.latitude is None or site.longitude is None:
        raise Conflict("The site has no coordinates, so no way to it can be planned.")
