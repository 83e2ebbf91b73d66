"""The planner's answer as changes of ours, with reasons in names and by the clock."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import optimizer
from app.scheduling.models import Appointment
from app.scheduling.planning.material import Material
from app.scheduling.rules import (
    Availability,
    Visit,
    VisitChange,
    outside_shift,
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a plan would do with one visit. ``technicians`` are in order, the lead first."""

    appointment_id: str
    work_order_id: str
    change: VisitChange
    technician_ids: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    travel: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    before: dict[str, Any] | None = None
    reasons: tuple[dict[str, Any], ...] = ()


def before_of(appointment: Appointment) -> dict[str, Any] | None:
    """How a visit stood, so that a plan can be undone; None for one that had no time."""
    if appointment.starts_at is None or appointment.ends_at is None:
        return None
    return {
        "status": appointment.status,
        "technician_ids": list(appointment.technician_ids or []),
        "starts_at": appointment.starts_at.isoformat(),
        "ends_at": appointment.ends_at.isoformat(),
        "travel_minutes": appointment.travel_minutes,
        "is_pinned_who": appointment.is_pinned_who,
        "is_pinned_when": appointment.is_pinned_when,
    }


def proposals_of(
    material: Material, plan: optimizer.Plan, *, droppable: Collection[str] | None = None
) -> list[Proposal]:
    """A planner's answer as what it would change, one proposal for each visit it was asked about.

    A visit that the plan leaves out loses its time, or only if it is ``droppable`` where that is said: of a change, the
    others stay as they stand, even where they break a rule that somebody overrode.
    """
    stops: dict[str, list[tuple[str, optimizer.PlannedStop, int]]] = defaultdict(list)
    for route in plan.routes:
        for index, stop in enumerate(route.stops):
            stops[stop.visit_id].append((route.technician_id, stop, index))
    reasons = {one.visit_id: tuple(_reason(material, each) for each in one.reasons) for one in plan.unassigned}
    found = []
    for appointment in material.appointments:
        if material.is_fixed(appointment):
            found.append(_kept(appointment, stops.get(appointment.id, [])))
        elif appointment.id in stops:
            found.append(_placed(material, appointment, stops[appointment.id]))
        elif droppable is not None and appointment.starts_at is not None and appointment.id not in droppable:
            found.append(_kept(appointment, ()))
        else:
            found.append(_left_out(appointment, reasons.get(appointment.id, (_no_coordinates(),))))
    return _sound(material, found)


def _kept(appointment: Appointment, stops: Sequence[tuple[str, optimizer.PlannedStop, int]]) -> Proposal:
    return Proposal(
        appointment_id=appointment.id,
        work_order_id=appointment.work_order_id,
        change=VisitChange.KEPT,
        technician_ids=tuple(appointment.technician_ids or []),
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        travel={id: (index, stop.travel_minutes, stop.travel_metres) for id, stop, index in stops},
        before=before_of(appointment),
    )


def _placed(
    material: Material, appointment: Appointment, stops: Sequence[tuple[str, optimizer.PlannedStop, int]]
) -> Proposal:
    crew = {id for id, _, _ in stops}
    before = before_of(appointment)
    was = list(appointment.technician_ids or [])
    # A crew that stays keeps its lead.
    ids = tuple(was) if set(was) == crew else tuple(sorted(crew, key=lambda id: (id not in was, id)))
    starts_at = material.moment(stops[0][1].start_minute)
    if appointment.starts_at is not None and material.minute(appointment.starts_at) == stops[0][1].start_minute:
        starts_at = appointment.starts_at
    kept = before is not None and starts_at == appointment.starts_at and set(was) == crew
    longest = max(stop.end_minute - stop.start_minute for _, stop, _ in stops)
    return Proposal(
        appointment_id=appointment.id,
        work_order_id=appointment.work_order_id,
        change=VisitChange.ADDED if before is None else VisitChange.KEPT if kept else VisitChange.MOVED,
        technician_ids=ids,
        starts_at=starts_at,
        ends_at=appointment.ends_at if kept else starts_at + timedelta(minutes=max(1, longest)),
        travel={id: (index, stop.travel_minutes, stop.travel_metres) for id, stop, index in stops},
        before=before,
    )


def _left_out(appointment: Appointment, reasons: tuple[dict[str, Any], ...]) -> Proposal:
    return Proposal(
        appointment_id=appointment.id,
        work_order_id=appointment.work_order_id,
        change=VisitChange.UNASSIGNED,
        before=before_of(appointment),
        reasons=reasons,
    )


def _sound(material: Material, proposals: Sequence[Proposal]) -> list[Proposal]:
    """What may be proposed. The planner drops a fixed visit that it cannot reach in time, and works longer where one
    lies outside a shift; we keep such visits, so nothing else may take their place or use that time."""
    taken: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for technician_id, reserved in material.reserved.items():
        taken[technician_id] += reserved
    for one in proposals:
        if one.change is VisitChange.KEPT:
            _take(taken, one)
    found = []
    for one in proposals:
        sentence = _objection(material, one, taken) if one.change is not VisitChange.KEPT else None
        if sentence is None:
            if one.change is not VisitChange.KEPT:
                _take(taken, one)
            found.append(one)
            continue
        reason = {"code": "NO_CAPACITY_LEFT", "sentence": sentence}
        found.append(
            replace(
                one,
                change=VisitChange.UNASSIGNED,
                technician_ids=(),
                starts_at=None,
                ends_at=None,
                travel={},
                reasons=(reason,),
            )
        )
    return found


def _take(taken: dict[str, list[tuple[datetime, datetime]]], proposal: Proposal) -> None:
    if proposal.starts_at is not None and proposal.ends_at is not None:
        for technician_id in proposal.technician_ids:
            taken[technician_id].append((proposal.starts_at, proposal.ends_at))


def _objection(
    material: Material, one: Proposal, taken: Mapping[str, Sequence[tuple[datetime, datetime]]]
) -> str | None:
    if one.starts_at is None or one.ends_at is None:
        return None
    for id in one.technician_ids:
        if any(begins < one.ends_at and one.starts_at < ends for begins, ends in taken.get(id, ())):
            return "It would overlap with a visit that stays as it is."
        shifts = [
            (shift.starts_at, shift.ends_at + timedelta(minutes=shift.overtime_minutes_max))
            for shift in material.shifts.get(id, [])
        ]
        at_work = Availability(id, "", material.tz, shifts=shifts)
        if outside_shift(Visit(one.starts_at, one.ends_at), at_work):
            return "It would lie outside the technician's shift."
    return None


def in_words(material: Material, sentence: str) -> str:
    """The planner knows ids and minutes; people know names and the clock."""
    several_days = material.day_end - material.day_start > timedelta(hours=26)

    def clock(match: re.Match[str]) -> str:
        local = material.moment(int(match[1])).astimezone(material.tz)
        return local.strftime("%a %H:%M" if several_days else "%H:%M")

    said = re.sub(r"\b[a-z]{2,8}_[0-9a-z]{26}\b", lambda match: material.names.get(match[0], match[0]), sentence)
    return re.sub(r"\bminute (-?\d+)\b", clock, said)


def _reason(material: Material, reason: optimizer.Reason) -> dict[str, Any]:
    return {
        "code": reason.code.value,
        "sentence": in_words(material, reason.sentence),
        "deficit": reason.deficit,
        "unit": reason.unit,
        "subject": reason.subject,
    }


def _no_coordinates() -> dict[str, Any]:
    return {
        "code": "SITE_WITHOUT_COORDINATES",
        "sentence": "The site has no coordinates, so no way to it can be planned.",
        "deficit": None,
        "unit": None,
        "subject": None,
    }
