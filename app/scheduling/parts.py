"""Large days in parts: the planner's child offers them, other workers take them from the queue of jobs, it does the rest.

The child says which parts there are (``parts``) and asks before it solves one itself (``take``); its worker puts them on
the queue, takes back what nobody has begun, and hands on what is solved. A part whose worker is gone is solved by the
child in the end, so nothing is waited for in vain. Parts and answers travel packed: JSON, compressed, as text.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app import database
from app.infrastructure import broadcast, jobs
from app.infrastructure.models import Job
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now

JOB = "scheduling.solve_part"
VISITS_PER_PART_MAX = 250

_from_visits = 600


def configure(from_visits: int) -> None:
    """From how many visits on plans are made in parts."""
    global _from_visits
    _from_visits = from_visits


def visits_per_part(visits: int) -> int | None:
    """How many visits a part of such a day has; None for a day that is planned whole."""
    if visits < _from_visits:
        return None
    return max(1, min(VISITS_PER_PART_MAX, _from_visits * 5 // 12))


class PartJobs:
    """The worker's side: one round of parts on the queue."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._ids: dict[int, str] = {}

    async def offer(self, packed: Sequence[str], seconds: float) -> None:
        """Put the parts of a round on the queue, and forget those of the round before."""
        await self.close()
        until = utc_now() + timedelta(seconds=seconds)

        async def work() -> list[str]:
            return [await jobs.enqueue(self._actor, JOB, {"part": part, "until": until.isoformat()}) for part in packed]

        self._ids = dict(enumerate(await database.unit_of_work(work)))
        broadcast.wake(self._actor.organization_id)

    async def take(self, number: int) -> bool:
        """Take a part back that nobody has begun; False when somebody has."""
        id = self._ids.get(number)
        if id is None or not await jobs.remove(self._actor, [id], only_waiting=True):
            return False
        del self._ids[number]
        return True

    async def news(self) -> list[tuple[int, str | None]]:
        """The parts that are over since it was asked before, and their answers; None for those that failed."""
        if not self._ids:
            return []
        over = await Job.filter(id__in=list(self._ids.values()), status__not_in=jobs.OPEN)
        answers = {row.id: (row.result or {}).get("solved") for row in over}
        found = [(number, answers[id]) for number, id in self._ids.items() if id in answers]
        await self._forget([number for number, _ in found])
        return found

    async def close(self) -> None:
        """Leave nothing on the queue; who solves a part is told to stop."""
        await self._forget(list(self._ids))

    async def _forget(self, numbers: Sequence[int]) -> None:
        if numbers:
            await jobs.remove(self._actor, [self._ids[number] for number in numbers])
            for number in numbers:
                del self._ids[number]


def is_over(payload: Mapping[str, Any]) -> bool:
    """Whether nobody waits for the part any more."""
    return utc_now() > datetime.fromisoformat(payload["until"])
