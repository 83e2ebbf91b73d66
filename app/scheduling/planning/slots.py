"""Windows that a customer may be offered for work that waits for a time, each with what it would cost us."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import optimizer
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput
from app.scheduling import rules
from app.scheduling.models import Appointment, PlanRun
from app.scheduling.planning.advice import overlaps, run_of, taken_time, visit_for, wanted_for, work_at
from app.scheduling.planning.laid import LaidOut, lay_out, require_place, think_beside, wanted
from app.scheduling.planning.material import gather
from app.work_orders.models import WorkOrder

STEP_MINUTES = 60
# A window in which a technician is so near anyway that the way adds no more than this.
NEAR_MINUTES = 10


@dataclass(frozen=True, slots=True)
class BookableSlot:
    """A window, and who could come in it, when, and at what cost."""

    window_start: datetime
    window_end: datetime
    technician_ids: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    added_cents: int
    travel_minutes: int
    travel_metres: int
    near_visit_id: str | None

    @property
    def is_nearby(self) -> bool:
        """Whether somebody is near at that time anyway."""
        return self.near_visit_id is not None and self.travel_minutes <= NEAR_MINUTES


async def find_slots(
    actor: Actor,
    work_order_id: str | None = None,
    *,
    site_id: str | None = None,
    service_type_id: str | None = None,
    duration_minutes: int | None = None,
    day: date,
    days: int = 1,
    time_zone: str | None = None,
    count: int = 10,
    window_minutes: int = 120,
) -> list[BookableSlot]:
    """The cheapest windows in which somebody could come, cheapest first: for some work, or for what somebody is about to ask
    for at a site."""
    if (work_order_id is None) == (site_id is None):
        raise InvalidInput("Name some work, or a site.", path=["workOrderId"])
    if work_order_id is not None and (service_type_id is not None or duration_minutes is not None):
        named = "durationMinutes" if service_type_id is None else "serviceTypeId"
        raise InvalidInput("Of some work that is known already.", path=[named])
    if not 1 <= count <= rules.SLOTS_MAX:
        raise InvalidInput(f"Ask for 1 to {rules.SLOTS_MAX} windows.", path=["count"])
    if not rules.WINDOW_MINUTES_MIN <= window_minutes <= rules.WINDOW_MINUTES_MAX:
        message = f"A window has {rules.WINDOW_MINUTES_MIN} to {rules.WINDOW_MINUTES_MAX} minutes."
        raise InvalidInput(message, path=["windowMinutes"])
    run = await run_of(actor, day, days, time_zone)
    if work_order_id is not None:
        return await _slots(run, wanted(await wanted_for(actor, work_order_id)), count, window_minutes, None)
    work_order = await work_at(actor, site_id or "", service_type_id, duration_minutes)
    return await _slots(run, visit_for(work_order), count, window_minutes, None, work_order)


async def best_start(run: PlanRun, subject: Appointment, window: tuple[datetime, datetime]) -> BookableSlot | None:
    """The cheapest way to be there in one window; None when nobody can."""
    minutes = int((window[1] - window[0]).total_seconds() // 60)
    found = await _slots(run, wanted(subject), 1, minutes, window)
    return found[0] if found else None


async def _slots(
    run: PlanRun,
    subject: Appointment,
    count: int,
    window_minutes: int,
    within: tuple[datetime, datetime] | None,
    work_order: WorkOrder | None = None,
) -> list[BookableSlot]:
    subject.window_start, subject.window_end = within or (None, None)
    material = await gather(run, subject, work_order)
    require_place(material, subject)
    laid = await lay_out(material)
    # Offered is what is not asked for yet: the visit is no part of the day.
    visit = laid.problem.visit_by_id[subject.id]
    problem = replace(laid.problem, visits=tuple(one for one in laid.problem.visits if one.id != subject.id))
    left = tuple(one for one in laid.standing.unassigned if one.visit_id != subject.id)
    standing = replace(laid.standing, unassigned=left)
    # Some may turn out to be taken by what the planner cannot see.
    found: Sequence[optimizer.Slot] = await think_beside(
        lambda: optimizer.slots(
            problem,
            standing,
            visit,
            count=count * 2,
            window_minutes=window_minutes,
            step_minutes=STEP_MINUTES,
        )
    )
    made = (_bookable(laid, visit, one, within) for one in found)
    return [one for one in made if _is_free(laid, subject, one)][:count]


def _bookable(
    laid: LaidOut, visit: optimizer.Visit, slot: optimizer.Slot, within: tuple[datetime, datetime] | None
) -> BookableSlot:
    material = laid.material
    begins = material.moment(slot.start_minute)
    window = (material.moment(slot.earliest_minute), material.moment(slot.latest_minute))
    return BookableSlot(
        *(within or window),
        technician_ids=tuple(slot.technician_ids),
        starts_at=begins,
        ends_at=begins + timedelta(minutes=max(1, laid.minutes_of(slot.technician_ids, visit.id))),
        added_cents=slot.marginal_cents,
        travel_minutes=slot.added_travel_minutes,
        travel_metres=slot.added_travel_metres,
        near_visit_id=slot.near_visit_id,
    )


def _is_free(laid: LaidOut, subject: Appointment, slot: BookableSlot) -> bool:
    taken = taken_time(laid.material, slot.technician_ids, without={subject.id})
    return not overlaps(taken, slot.starts_at, slot.ends_at)
