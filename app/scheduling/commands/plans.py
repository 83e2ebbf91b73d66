"""What a plan does to the schedule: committed as a whole or in part, undone.

A plan was made from a *base*, the versions of the visits it looked at. Commit and undo compare them under lock: when
one moved on, nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.infrastructure import journal
from app.infrastructure.batches import ROWS_AT_ONCE, change_rows
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, find_rows, lock_one, require_new
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotFound, PlanOutdated, ScheduleClash, ScheduleConflict
from app.kernel.permissions import Permission
from app.scheduling import events, planning, queries, rules
from app.scheduling.commands import office, steps
from app.scheduling.commands.runs import change_run_status, keep_proposals
from app.scheduling.models import Appointment, Assignment, PlannedVisit, PlanRun
from app.scheduling.rules import AppointmentStatus, PlanKind, PlanRunStatus, VisitChange
from app.scheduling.standing import score_as_json
from app.technicians.models import Technician
from app.work_orders import rules as work_order_rules
from app.work_orders.models import WorkOrder


@command(Permission.PLAN_SCHEDULE)
async def commit_plan(
    actor: Actor, id: str, *, appointment_ids: Sequence[str] | None = None, version: int | None = None
) -> str:
    """Make a plan, or the named visits of it, the schedule. Refused as a whole when anything it was made from moved."""
    run = await lock_one(PlanRun, actor, id, version=version)
    planned = await _planned(run)
    left = {key for key, rows in planned.items() if not rows[0].is_accepted}
    chosen = left if appointment_ids is None else set(_require_planned(appointment_ids, planned)) & left
    changing = [key for key in sorted(chosen) if planned[key][0].change != VisitChange.KEPT]
    rest = [key for key in left - chosen if planned[key][0].change != VisitChange.KEPT]
    rules.PLAN_RUN.require(
        PlanRunStatus(run.status), PlanRunStatus.PARTLY_COMMITTED if rest else PlanRunStatus.COMMITTED
    )
    appointments = await _lock_base(run, planned)
    work_orders = await steps.lock_work_orders(appointments[key] for key in changing if key in appointments)
    await _require_base(run, appointments, planned)
    _require_open_work(work_orders)
    placements = [_placement_of(appointments[key], planned[key]) for key in changing]
    await _require_fit(actor, placements, work_orders)
    await _apply(actor, run.id, placements)
    await change_rows([(row, {"is_accepted": True}) for key in sorted(chosen) for row in planned[key]])
    await change_run_status(
        run,
        PlanRunStatus.PARTLY_COMMITTED if rest else PlanRunStatus.COMMITTED,
        committed_at=utc_now(),
        # Our own changes are not what makes a plan outdated.
        base={**run.base, **{one.appointment.id: one.appointment.version for one in placements}},
    )
    journal.record(events.PlanCommitted(subject_id=run.id, appointment_ids=changing))
    return run.id


@command(Permission.PLAN_SCHEDULE)
async def insert_urgent(
    actor: Actor, taken: planning.Taken, appointment_id: str, key: str, *, id: str | None = None
) -> str:
    """Make one of the ways to serve an urgent visit the schedule, as a plan that can be undone. Refused when that way is
    not there any more, or anything it was made from moved."""
    await require_new(PlanRun, id)
    found, option = taken.found, taken.option
    if found is None or option is None:
        raise taken.problem
    run = await add_row(
        PlanRun,
        id=id,
        organization_id=actor.organization_id,
        kind=PlanKind.INSERTION.value,
        day=found.run.day,
        days=found.run.days,
        time_zone=found.run.time_zone,
        status=PlanRunStatus.RUNNING.value,
        requested_by=actor.id,
        seconds=0,
        technician_ids=found.run.technician_ids,
        question={"appointment_id": appointment_id, "key": key},
        base=found.base,
        started_at=utc_now(),
    )
    journal.record(events.PlanRunRequested(subject_id=run.id, day=run.day.isoformat(), kind=run.kind, days=run.days))
    await keep_proposals(run, option.proposals, score_as_json(option.score), None)
    return await commit_plan(actor, run.id)


@command(Permission.PLAN_SCHEDULE)
async def undo_plan(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Bring back what a committed plan changed, unless one of those visits has moved on since."""
    run = await lock_one(PlanRun, actor, id, version=version)
    rules.PLAN_RUN.require(PlanRunStatus(run.status), PlanRunStatus.UNDONE)
    planned = {
        key: rows
        for key, rows in (await _planned(run)).items()
        if rows[0].is_accepted and rows[0].change != VisitChange.KEPT
    }
    appointments = await _lock_base(run, planned)
    moved = sorted(key for key, one in appointments.items() if one.version != run.base.get(key))
    if moved:
        raise PlanOutdated(moved)
    _require_open_work(await steps.lock_work_orders(appointments.values()))
    placements = [_restored(appointments[key], rows[0].before) for key, rows in sorted(planned.items())]
    await _apply(actor, run.id, placements)
    await change_run_status(run, PlanRunStatus.UNDONE)
    journal.record(events.PlanUndone(subject_id=run.id, appointment_ids=sorted(planned)))
    return run.id


class Placement:
    """Where a locked visit is to go; without technicians, out of the schedule."""

    def __init__(
        self,
        appointment: Appointment,
        technician_ids: Sequence[str] = (),
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        **values: Any,
    ) -> None:
        self.appointment = appointment
        self.technician_ids = list(technician_ids)
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.values = values

    @property
    def given(self) -> steps.Given | None:
        """The time that the visit gets; None for one that leaves the schedule."""
        if self.starts_at is None or self.ends_at is None:
            return None
        travel = self.values.get("travel_minutes")
        return steps.Given(self.appointment, self.technician_ids, self.starts_at, self.ends_at, travel)


def _placement_of(appointment: Appointment, rows: Sequence[PlannedVisit]) -> Placement:
    first = rows[0]
    if first.technician_id is None:
        return Placement(appointment)
    ids = [row.technician_id for row in rows if row.technician_id is not None]
    return Placement(appointment, ids, first.starts_at, first.ends_at, travel_minutes=first.travel_minutes)


def _restored(appointment: Appointment, before: dict[str, Any] | None) -> Placement:
    if before is None:
        return Placement(appointment)
    return Placement(
        appointment,
        before["technician_ids"],
        datetime.fromisoformat(before["starts_at"]),
        datetime.fromisoformat(before["ends_at"]),
        travel_minutes=before["travel_minutes"],
        is_pinned_who=before["is_pinned_who"],
        is_pinned_when=before["is_pinned_when"],
    )


async def _apply(actor: Actor, run_id: str, placements: Sequence[Placement]) -> None:
    """Write all places at once: first every visit lets go of its time, so that two can change places.

    A visit that had no time and gets none keeps what is held for it: somebody may be choosing a time at this moment.
    """
    placements = [one for one in placements if one.starts_at is not None or one.appointment.starts_at is not None]
    ids = [placement.appointment.id for placement in placements]
    for start in range(0, len(ids), ROWS_AT_ONCE):
        await Assignment.filter(appointment_id__in=ids[start : start + ROWS_AT_ONCE], is_active=True).update(
            is_active=False
        )
    await _lock_technicians(placements)
    await _require_free(actor, placements)
    await office.take_out([one.appointment for one in placements if one.given is None], run_id=run_id)
    await _put([one for one in placements if one.given is not None], run_id)
    await steps.roll_up(actor, *(placement.appointment for placement in placements))


async def _require_free(actor: Actor, placements: Sequence[Placement]) -> None:
    """Raise ``ScheduleConflict`` for every visit that is not part of the change and stands in its way."""
    found = [
        rules.taken(technician_id, busy.appointment_id)
        for technician_id, busy in await queries.find_overlaps(
            actor.organization_id,
            [
                (technician_id, placement.starts_at, placement.ends_at)
                for placement in placements
                if placement.starts_at is not None and placement.ends_at is not None
                for technician_id in placement.technician_ids
            ],
        )
    ]
    if found:
        raise ScheduleConflict(found)


async def _require_fit(actor: Actor, placements: Sequence[Placement], work_orders: Mapping[str, WorkOrder]) -> None:
    """Raise ``ScheduleConflict`` where a technician fell ill, lost a shift or a skill since the plan was made."""
    placed = [one for one in placements if one.starts_at is not None and one.ends_at is not None]
    if not placed:
        return
    crew = await find_rows(Technician, column("id").one_of(sorted({id for one in placed for id in one.technician_ids})))
    available = await queries.find_availability(
        actor.organization_id,
        crew,
        min(one.starts_at for one in placed if one.starts_at is not None),
        max(one.ends_at for one in placed if one.ends_at is not None),
        without={one.appointment.id for one in placements},
    )
    by_id = {one.technician_id: one for one in available}
    visits = await queries.visits_of(
        (one.appointment, work_orders[one.appointment.work_order_id], one.starts_at, one.ends_at)
        for one in placed
        if one.starts_at is not None and one.ends_at is not None
    )
    found: list[ScheduleClash] = []
    for one in placed:
        pins = {"pinned_who": one.appointment.is_pinned_who, "pinned_when": one.appointment.is_pinned_when}
        clashes = rules.clashes(visits[one.appointment.id], [by_id[id] for id in one.technician_ids])
        found.extend(
            replace(clash, appointment_id=clash.appointment_id or one.appointment.id)
            for clash in clashes
            if not rules.is_decided(clash, **pins)
        )
    if found:
        raise ScheduleConflict(found)


async def _put(placements: Sequence[Placement], run_id: str) -> None:
    for one in placements:
        status = AppointmentStatus(one.appointment.status)
        if status is not AppointmentStatus.SCHEDULED:
            rules.APPOINTMENT.require(status, AppointmentStatus.SCHEDULED)
    before = [(one.appointment.starts_at, list(one.appointment.technician_ids or [])) for one in placements]
    await steps.give_times([one.given for one in placements if one.given is not None])
    changes = await change_rows([(one.appointment, _values_of(one)) for one in placements])
    for one, (starts_at, crew), changed in zip(placements, before, changes, strict=True):
        assert one.starts_at is not None and one.ends_at is not None
        kind = events.AppointmentScheduled if starts_at is None else events.AppointmentRescheduled
        journal.record(
            kind(
                **steps.audience(one.appointment, *crew),
                starts_at=one.starts_at.isoformat(),
                ends_at=one.ends_at.isoformat(),
                run_id=run_id,
                changes=changed,
            )
        )


def _values_of(placement: Placement) -> dict[str, Any]:
    return {
        **steps.UNSENT,
        "status": AppointmentStatus.SCHEDULED.value,
        "starts_at": placement.starts_at,
        "ends_at": placement.ends_at,
        "technician_ids": placement.technician_ids,
        **placement.values,
    }


async def _planned(run: PlanRun) -> dict[str, list[PlannedVisit]]:
    """The rows of a plan by appointment, in the order in which they were made: the lead first."""
    own = (column("organization_id") == run.organization_id) & (column("run_id") == run.id)
    found: dict[str, list[PlannedVisit]] = {}
    for row in await find_rows(PlannedVisit, own, order=["id"]):
        found.setdefault(row.appointment_id, []).append(row)
    return found


def _require_planned(ids: Sequence[str], planned: Mapping[str, object]) -> Sequence[str]:
    for id in ids:
        if id not in planned:
            raise NotFound(Appointment.noun, id, path=["appointmentIds"])
    if not ids:
        raise InvalidInput("Name at least one visit, or none at all for the whole plan.", path=["appointmentIds"])
    return ids


def _stands_where_it_stood(row: Appointment, planned: Sequence[PlannedVisit]) -> bool:
    before = planned[0].before if planned and planned[0].change == VisitChange.KEPT else None
    if before is None or row.starts_at is None or row.ends_at is None:
        return False
    now = (list(row.technician_ids or []), row.starts_at.isoformat(), row.ends_at.isoformat())
    return now == (before["technician_ids"], before["starts_at"], before["ends_at"])


async def _lock_base(run: PlanRun, planned: Mapping[str, object]) -> dict[str, Appointment]:
    own = (column("organization_id") == run.organization_id) & column("id").one_of(sorted(planned))
    return {row.id: row for row in await find_rows(Appointment, own, order=["id"], lock=True)}


def _require_open_work(work_orders: Mapping[str, WorkOrder]) -> None:
    for work_order in work_orders.values():
        work_order_rules.require_changeable(work_order.number, work_order.status)


async def _lock_technicians(placements: Sequence[Placement]) -> None:
    ids = {id for placement in placements for id in placement.technician_ids}
    await find_rows(Technician, column("id").one_of(sorted(ids)), order=["id"], lock=True)


async def _require_base(
    run: PlanRun, locked: Mapping[str, Appointment], planned: Mapping[str, Sequence[PlannedVisit]]
) -> None:
    """Raise ``PlanOutdated`` when a visit of the base changed, or another one came to the days.

    A visit that the plan keeps as it is may go through its steps meanwhile: work goes on while a plan is looked at. It has
    moved when its time or its crew is another one.
    """
    moved = set()
    for id, version in run.base.items():
        row = locked.get(id)
        if row is None or (row.version != version and not _stands_where_it_stood(row, planned.get(id, ()))):
            moved.add(id)
    technicians = await queries.find_technicians_of_run(run)
    await find_rows(Technician, column("id").one_of(technicians), order=["id"], lock=True)
    own = column("organization_id") == run.organization_id
    on_the_board = [AppointmentStatus.SCHEDULED.value, *sorted(status.value for status in rules.SETTLED)]
    placed = (
        own
        & column("status").one_of(on_the_board)
        & queries.within(*queries.span_of_run(run))
        & queries.of_technicians(run.organization_id, technicians)
    )
    moved |= {row.id for row in await find_rows(Appointment, placed) if row.id not in run.base}
    if moved:
        raise PlanOutdated(sorted(moved))
