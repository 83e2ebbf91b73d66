"""What happens to a plan run until there is a plan: asked for, begun, under way, ready, failed, canceled, discarded."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from app.company.models import Territory
from app.infrastructure import jobs, journal
from app.infrastructure.command import command
from app.infrastructure.tables import add_row, change_row, lock_one, require_visible
from app.kernel.actor import Actor
from app.kernel.calendar import day_bounds, local_day, require_aware, utc_now
from app.kernel.errors import InvalidInput
from app.kernel.ids import new_id
from app.kernel.permissions import Permission
from app.scheduling import events, planning, queries, rules
from app.scheduling.commands import office
from app.scheduling.models import PlannedVisit, PlanRun
from app.scheduling.planning import Material, Proposal
from app.scheduling.rules import PlanKind, PlanRunStatus, VisitChange
from app.technicians.models import Technician
from app.work_orders.models import WorkOrder
from app.work_orders.rules import WorkOrderStatus

JOB = "scheduling.plan_day"
SECONDS_DEFAULT = 10
NEW_VISITS = (WorkOrderStatus.SUBMITTED, WorkOrderStatus.TRIAGED)
ROWS_AT_ONCE = 500


@command(Permission.PLAN_SCHEDULE)
async def plan_day(
    actor: Actor,
    day: date,
    *,
    id: str | None = None,
    days: int = 1,
    time_zone: str | None = None,
    seconds: int = SECONDS_DEFAULT,
    seed: int = 0,
    technician_ids: Sequence[str] | None = None,
    work_order_ids: Sequence[str] | None = None,
    territory_ids: Sequence[str] | None = None,
    policy: Mapping[str, int] | None = None,
    keep_scheduled: bool = False,
    durations_by_history: bool = False,
) -> str:
    """Ask the planner for some days, for all open work and technicians or for some. Open work without a visit gets one.

    ``policy`` changes some of the planner's weights; with ``keep_scheduled`` only what has no time yet is planned;
    with ``durations_by_history`` visits with their service type's usual minutes take what such visits took.
    """
    if not 1 <= seconds <= rules.PLAN_SECONDS_MAX:
        raise InvalidInput(f"The planner takes 1 to {rules.PLAN_SECONDS_MAX} seconds.", path=["seconds"])
    planning.policy_of(policy or {})
    if technician_ids is not None:
        await require_visible(Technician, actor, technician_ids, "technicianIds")
    if work_order_ids is not None:
        await require_visible(WorkOrder, actor, work_order_ids, "workOrderIds")
    if territory_ids is not None:
        await require_visible(Territory, actor, territory_ids, "territoryIds")
    run = await _add_run(
        actor,
        day,
        days,
        time_zone,
        id=id,
        seconds=seconds,
        seed=seed,
        technician_ids=_listed(technician_ids),
        work_order_ids=_listed(work_order_ids),
        territory_ids=_listed(territory_ids),
        question={
            "policy": dict(policy or {}),
            "keep_scheduled": keep_scheduled,
            "durations_by_history": durations_by_history,
        },
    )
    await _want_visits(run)
    await jobs.enqueue(actor, JOB, {"run_id": run.id})
    return run.id


@command(Permission.PLAN_SCHEDULE)
async def optimize_route(
    actor: Actor, technician_id: str, day: date, *, id: str | None = None, time_zone: str | None = None
) -> str:
    """Ask for a better order of one technician's day; nobody else's changes."""
    await require_visible(Technician, actor, [technician_id], "technicianId")
    run = await _add_run(
        actor,
        day,
        1,
        time_zone,
        id=id,
        kind=PlanKind.ROUTE.value,
        technician_ids=[technician_id],
        question={"technician_id": technician_id},
    )
    await jobs.enqueue(actor, JOB, {"run_id": run.id})
    return run.id


@command(Permission.PLAN_SCHEDULE)
async def plan_absence(
    actor: Actor,
    technician_id: str,
    since: datetime,
    until: datetime,
    *,
    id: str | None = None,
    time_zone: str | None = None,
    technician_ids: Sequence[str] | None = None,
) -> str:
    """Ask who takes over the visits of a technician who drops out, changing as little else as can be."""
    begins, ends = require_aware(since, "since"), require_aware(until, "until")
    if ends <= begins:
        raise InvalidInput("An absence ends after it begins.", path=["until"])
    if technician_ids is not None:
        await require_visible(Technician, actor, technician_ids, "technicianIds")
    return await _ask_for_change(
        actor,
        PlanKind.ABSENCE,
        technician_id,
        (begins, ends),
        id=id,
        time_zone=time_zone,
        technician_ids=technician_ids,
    )


@command(Permission.PLAN_SCHEDULE)
async def plan_delay(
    actor: Actor,
    technician_id: str,
    delay_minutes: int,
    *,
    at: datetime | None = None,
    id: str | None = None,
    time_zone: str | None = None,
    technician_ids: Sequence[str] | None = None,
) -> str:
    """Ask what becomes of the rest of a technician's day who runs late: shifted, and handed over where a promise would
    break."""
    if not 1 <= delay_minutes <= rules.DURATION_MINUTES_MAX:
        message = f"A delay is of 1 to {rules.DURATION_MINUTES_MAX} minutes."
        raise InvalidInput(message, path=["delayMinutes"])
    begins = utc_now() if at is None else require_aware(at, "at")
    if technician_ids is not None:
        await require_visible(Technician, actor, technician_ids, "technicianIds")
    tz = await queries.get_time_zone(actor, time_zone)
    ends = day_bounds(local_day(begins, tz), tz)[1]
    return await _ask_for_change(
        actor,
        PlanKind.DELAY,
        technician_id,
        (begins, ends),
        id=id,
        time_zone=time_zone,
        technician_ids=technician_ids,
        delay_minutes=delay_minutes,
    )


async def _ask_for_change(
    actor: Actor,
    kind: PlanKind,
    technician_id: str,
    stretch: tuple[datetime, datetime],
    *,
    id: str | None,
    time_zone: str | None,
    technician_ids: Sequence[str] | None,
    **asked: int,
) -> str:
    """A run about what happens to one technician; ``technician_ids`` are who may take over."""
    await require_visible(Technician, actor, [technician_id], "technicianId")
    tz = await queries.get_time_zone(actor, time_zone)
    since, until = stretch
    first, last = local_day(since, tz), local_day(until - timedelta(microseconds=1), tz)
    days = (last - first).days + 1
    if days > rules.PLAN_DAYS_MAX:
        raise InvalidInput(f"This is asked of at most {rules.PLAN_DAYS_MAX} days, not {days}.", path=["until"])
    run = await _add_run(
        actor,
        first,
        days,
        time_zone,
        id=id,
        kind=kind.value,
        technician_ids=None if technician_ids is None else sorted({*technician_ids, technician_id}),
        question={
            "technician_id": technician_id,
            "since": since.isoformat(),
            "until": until.isoformat(),
            **asked,
        },
    )
    await jobs.enqueue(actor, JOB, {"run_id": run.id})
    return run.id


async def _add_run(
    actor: Actor, day: date, days: int, time_zone: str | None, *, id: str | None, **values: Any
) -> PlanRun:
    """A run that waits for a worker."""
    if not 1 <= days <= rules.PLAN_DAYS_MAX:
        raise InvalidInput(f"A plan is about 1 to {rules.PLAN_DAYS_MAX} days.", path=["days"])
    tz = await queries.get_time_zone(actor, time_zone)
    # Said now, not by a worker later.
    day_bounds(day, tz)
    day_bounds(day + timedelta(days=days - 1), tz)
    run = await add_row(
        PlanRun,
        id=id,
        organization_id=actor.organization_id,
        day=day,
        days=days,
        time_zone=tz.key,
        status=PlanRunStatus.QUEUED.value,
        requested_by=actor.id,
        **({"seconds": SECONDS_DEFAULT} | values),
    )
    journal.record(events.PlanRunRequested(subject_id=run.id, day=day.isoformat(), kind=run.kind, days=days))
    return run


def _listed(ids: Sequence[str] | None) -> list[str] | None:
    return None if ids is None else list(ids)


async def _want_visits(run: PlanRun) -> None:
    """Open work that waits for a visit gets an appointment, so that the plan can be about appointments alone."""
    waiting = await queries.find_work_without_visit(run, NEW_VISITS, rules.PLAN_VISITS_MAX)
    for work_order in waiting:
        # A visit without a time changes nothing about work that has none, so nothing is rolled up.
        await office.add_appointment(
            work_order,
            window_start=work_order.requested_window_start,
            window_end=work_order.requested_window_end,
            duration_minutes=min(work_order.duration_minutes, rules.DURATION_MINUTES_MAX),
        )


@command(Permission.PLAN_SCHEDULE)
async def begin_plan_run(actor: Actor, id: str) -> Material | None:
    """Read the day and remember its base; None when the run was canceled meanwhile. A repeated try begins anew."""
    run = await lock_one(PlanRun, actor, id)
    if run.status not in (PlanRunStatus.QUEUED, PlanRunStatus.RUNNING):
        return None
    material = await planning.gather(run)
    if len(material.appointments) > rules.PLAN_VISITS_MAX:
        raise InvalidInput(
            f"A plan is about at most {rules.PLAN_VISITS_MAX} visits, not {len(material.appointments)}; name some."
        )
    if run.status == PlanRunStatus.QUEUED:
        await change_run_status(run, PlanRunStatus.RUNNING, started_at=utc_now(), base=material.base)
        journal.record(
            events.PlanRunStarted(subject_id=run.id, visits=len(material.appointments), technicians=len(material.crew))
        )
    else:
        await change_row(run, base=material.base)
    return material


@command(Permission.PLAN_SCHEDULE)
async def note_plan_progress(actor: Actor, id: str, progress: Mapping[str, Any]) -> str:
    """Show how far the planner has come."""
    run = await lock_one(PlanRun, actor, id)
    if run.status == PlanRunStatus.RUNNING:
        await change_row(run, progress=dict(progress))
        journal.record(events.PlanProgressed(subject_id=run.id, progress=dict(progress)))
    return run.id


@command(Permission.PLAN_SCHEDULE)
async def store_plan(
    actor: Actor,
    id: str,
    proposals: Sequence[Proposal],
    score: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
) -> str:
    """Keep the planner's answer, ready to be looked at. One that was canceled meanwhile is dropped. ``before`` is what
    the schedule cost as it stood."""
    run = await lock_one(PlanRun, actor, id)
    if run.status == PlanRunStatus.RUNNING:
        await keep_proposals(run, proposals, score, before)
    return run.id


async def keep_proposals(
    run: PlanRun, proposals: Sequence[Proposal], score: Mapping[str, Any], before: Mapping[str, Any] | None
) -> None:
    """Write down what a plan would do; the run is ready with it."""
    rows = [row for proposal in proposals for row in _rows_of(run, proposal)]
    await PlannedVisit.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    counts = {change.value: sum(one.change is change for one in proposals) for change in VisitChange}
    travel = [leg for one in proposals for leg in one.travel.values()]
    totals = {
        **score,
        "travel_minutes": sum(minutes for _, minutes, _ in travel),
        "travel_metres": sum(metres for _, _, metres in travel),
        "changes": counts,
        "before": dict(before or {}),
        "moved_minutes": sum(map(_moved_minutes, proposals)),
        "technicians_changed": sum(map(_is_other_crew, proposals)),
    }
    await change_run_status(run, PlanRunStatus.READY, finished_at=utc_now(), score=totals)
    journal.record(events.PlanReady(subject_id=run.id, counts=counts))


def _moved_minutes(one: Proposal) -> int:
    """By how many minutes a visit would begin earlier or later than it was told."""
    if one.before is None or one.starts_at is None:
        return 0
    return abs(int((one.starts_at - datetime.fromisoformat(one.before["starts_at"])).total_seconds() // 60))


def _is_other_crew(one: Proposal) -> bool:
    return (
        one.before is not None and bool(one.technician_ids) and {*one.before["technician_ids"]} != {*one.technician_ids}
    )


def _rows_of(run: PlanRun, proposal: Proposal) -> list[PlannedVisit]:
    now = utc_now()
    rows = []
    for technician_id in proposal.technician_ids or (None,):
        sequence, minutes, metres = proposal.travel.get(technician_id or "", (0, 0, 0))
        rows.append(
            PlannedVisit(
                id=new_id(PlannedVisit.prefix),
                created_at=now,
                updated_at=now,
                organization_id=run.organization_id,
                run_id=run.id,
                appointment_id=proposal.appointment_id,
                work_order_id=proposal.work_order_id,
                technician_id=technician_id,
                sequence=sequence,
                starts_at=proposal.starts_at,
                ends_at=proposal.ends_at,
                travel_minutes=minutes,
                travel_metres=metres,
                change=proposal.change.value,
                before=proposal.before,
                reasons=list(proposal.reasons),
            )
        )
    return rows


@command(Permission.PLAN_SCHEDULE)
async def fail_plan_run(actor: Actor, id: str, error: str) -> str:
    """Say that there will be no plan, and why."""
    run = await lock_one(PlanRun, actor, id)
    if run.status in (PlanRunStatus.QUEUED, PlanRunStatus.RUNNING):
        await change_run_status(run, PlanRunStatus.FAILED, finished_at=utc_now(), error=error[:500])
        journal.record(events.PlanRunFailed(subject_id=run.id, error=error[:500]))
    return run.id


@command(Permission.PLAN_SCHEDULE)
async def cancel_plan_run(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Stop the planner; what it found so far is dropped."""
    run = await lock_one(PlanRun, actor, id, version=version)
    await change_run_status(run, PlanRunStatus.CANCELED, finished_at=utc_now())
    journal.record(events.PlanRunCanceled(subject_id=run.id))
    return run.id


@command(Permission.PLAN_SCHEDULE)
async def discard_plan(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Put a plan away unused."""
    run = await lock_one(PlanRun, actor, id, version=version)
    await change_run_status(run, PlanRunStatus.DISCARDED)
    journal.record(events.PlanDiscarded(subject_id=run.id))
    return run.id


async def change_run_status(run: PlanRun, to: PlanRunStatus, **values: Any) -> dict[str, list[Any]]:
    """The one way a run's status changes: checked against the table."""
    rules.PLAN_RUN.require(PlanRunStatus(run.status), to)
    return await change_row(run, status=to.value, **values)
