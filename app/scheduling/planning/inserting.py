"""A place for one urgent visit among those that are planned: the ways there are, and the one that is taken."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import optimizer
from app.infrastructure.tables import find_one, require_visible
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, PlanOutdated
from app.scheduling.models import Appointment, PlanRun
from app.scheduling.planning.advice import require_limit, run_of
from app.scheduling.planning.answer import Proposal, proposals_of
from app.scheduling.planning.laid import LaidOut, lay_out, require_place, think_beside
from app.scheduling.planning.material import gather
from app.scheduling.rules import AppointmentStatus, VisitChange
from app.technicians.models import Technician

# How long an option can be taken; what it was made from must not have moved meanwhile in any case.
OPTION_MINUTES = 15
WAYS_MAX = 20
# A key with more digits would name a time that no calendar has.
MINUTES_DIGITS_MAX = 9


@dataclass(frozen=True, slots=True)
class MovedVisit:
    """A visit that would make room: by other technicians, at another time, or not at all any more."""

    visit: Appointment
    technician_ids: tuple[str, ...]
    starts_at: datetime | None


@dataclass(frozen=True, slots=True)
class InsertionOption:
    """One way to serve an urgent visit; figures are what it adds to what is planned."""

    key: str
    technician_ids: tuple[str, ...]
    starts_at: datetime
    moved: tuple[MovedVisit, ...]
    bumped: tuple[MovedVisit, ...]
    travel_minutes: int
    travel_metres: int
    late_cents: int
    added_cents: int
    sentence: str
    proposals: tuple[Proposal, ...]
    score: optimizer.Score | None


@dataclass(frozen=True, slots=True)
class Insertions:
    """The ways there are, best first, and what they were made from."""

    run: PlanRun
    base: dict[str, int]
    options: tuple[InsertionOption, ...]


class Taken:
    """The option that somebody takes, found again, or why there is none. It is no part of the request, which names the option
    by its key: a repeated one is answered from memory, whatever the day is like by now."""

    __slots__ = ("found", "option", "problem")

    def __init__(self, found: Insertions | None, option: InsertionOption | None, problem: Conflict) -> None:
        self.found = found
        self.option = option
        self.problem = problem

    def __repr__(self) -> str:
        return "taken"


async def find_insertions(
    actor: Actor,
    appointment_id: str,
    day: date,
    *,
    time_zone: str | None = None,
    technician_ids: Sequence[str] | None = None,
    limit: int = 5,
    now: datetime | None = None,
) -> Insertions:
    """Ways to serve a visit that has no time on a day, the best first: as the day is, with others moved, or in the place of
    less urgent ones."""
    require_limit(limit)
    appointment = await find_one(Appointment, actor, appointment_id, path="appointmentId")
    if appointment.status != AppointmentStatus.UNSCHEDULED:
        raise Conflict("This visit does not wait for a time.", path=["appointmentId"])
    if technician_ids is not None:
        await require_visible(Technician, actor, technician_ids, "technicianIds")
    asked_at = (now or utc_now()).replace(second=0, microsecond=0)
    run = await run_of(actor, day, 1, time_zone)
    run.technician_ids = None if technician_ids is None else sorted(technician_ids)
    run.question = {"appointment_id": appointment_id}
    material = await gather(run)
    require_place(material, appointment)
    laid = await lay_out(material, now=asked_at)
    most = min(WAYS_MAX, limit * 2)
    found = await think_beside(
        lambda: optimizer.insert_urgent(laid.problem, laid.standing, appointment_id, ways_max=most)
    )
    options = (_option(laid, appointment, repair, asked_at) for repair in found)
    fitting = [one for one in options if one is not None]
    return Insertions(run, material.base, tuple(fitting[:limit]))


async def take_insertion(
    actor: Actor,
    appointment_id: str,
    day: date,
    key: str,
    *,
    time_zone: str | None = None,
    technician_ids: Sequence[str] | None = None,
) -> Taken:
    """The option of that key, worked out again as of when it was shown; none if the day is another one by now."""
    await find_one(Appointment, actor, appointment_id, path="appointmentId")
    if technician_ids is not None:
        await require_visible(Technician, actor, technician_ids, "technicianIds")
    asked_at, outdated = _asked_at(key), PlanOutdated([appointment_id])
    if asked_at is None or not timedelta() <= utc_now() - asked_at <= timedelta(minutes=OPTION_MINUTES):
        return Taken(None, None, outdated)
    try:
        found = await find_insertions(
            actor,
            appointment_id,
            day,
            time_zone=time_zone,
            technician_ids=technician_ids,
            limit=WAYS_MAX,
            now=asked_at,
        )
    except Conflict as problem:
        return Taken(None, None, problem)
    return Taken(found, next((one for one in found.options if one.key == key), None), outdated)


def _option(
    laid: LaidOut, appointment: Appointment, repair: optimizer.Repair, asked_at: datetime
) -> InsertionOption | None:
    """A way as it would be committed; None when something that stays as it is lies in its way."""
    material = laid.material
    droppable = {*repair.bumped, appointment.id}
    proposals = proposals_of(material, repair.plan, droppable=droppable)
    by_id = {one.appointment_id: one for one in proposals}
    own = by_id[appointment.id]
    lost = {one.appointment_id for one in proposals if one.change is VisitChange.UNASSIGNED}
    if own.starts_at is None or not lost <= set(repair.bumped):
        return None
    visits = {one.id: one for one in material.appointments}
    changed = [one for one in proposals if one.change in (VisitChange.MOVED, VisitChange.UNASSIGNED)]
    moves = [MovedVisit(visits[one.appointment_id], one.technician_ids, one.starts_at) for one in changed]
    return InsertionOption(
        key=_key(asked_at, [own, *changed]),
        technician_ids=own.technician_ids,
        starts_at=own.starts_at,
        moved=tuple(one for one in moves if one.starts_at is not None),
        bumped=tuple(one for one in moves if one.starts_at is None),
        travel_minutes=repair.added_travel_minutes,
        travel_metres=repair.added_travel_metres,
        late_cents=repair.added_lateness_cents,
        added_cents=repair.added_cents,
        sentence=laid.words(repair.sentence),
        proposals=tuple(proposals),
        score=repair.plan.score,
    )


def _key(asked_at: datetime, changes: Sequence[Proposal]) -> str:
    """When it was asked, and what would change: the same on another day would have another key."""
    text = ";".join(
        f"{one.appointment_id},{'+'.join(one.technician_ids)},{one.starts_at and one.starts_at.isoformat()}"
        for one in sorted(changes, key=lambda one: one.appointment_id)
    )
    return f"{int(asked_at.timestamp()) // 60}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _asked_at(key: str) -> datetime | None:
    minutes, _, _ = key.partition("-")
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= MINUTES_DIGITS_MAX):
        return None
    return datetime.fromtimestamp(int(minutes) * 60, UTC)
