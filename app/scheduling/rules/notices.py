"""Who is told what when a visit is booked, moved, taken away or called off."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.messaging.rules import NotificationKind
from app.scheduling.rules.lifecycles import ReasonCode

K = NotificationKind
TECHNICIANS_TITLES = {
    K.ASSIGNMENT_PROPOSED: "A visit for you",
    K.ASSIGNMENT_RELEASED: "You need not go",
    K.VISIT_RESCHEDULED: "Your visit was moved",
    K.VISIT_CANCELED: "The visit was called off",
}
CUSTOMERS_TITLES = {
    K.VISIT_SCHEDULED: "Your visit is booked",
    K.VISIT_RESCHEDULED: "Your visit was moved",
    K.VISIT_CANCELED: "Your visit was called off",
}
Notices = dict[NotificationKind, list[str]]


def notices_to_technicians(
    fact: str, technician_ids: Sequence[str], changes: Mapping[str, Any], released: str | None = None
) -> Notices:
    """Which technicians are told what: those whom a fact about a visit concerns, by how it stands with them now."""
    ids = list(technician_ids)
    match fact:
        case "AppointmentScheduled":
            return {K.ASSIGNMENT_PROPOSED: ids}
        case "AppointmentRescheduled":
            return _moved(ids, changes)
        case "AppointmentUnscheduled":
            return {K.ASSIGNMENT_RELEASED: ids}
        case "AppointmentCanceled":
            return {K.VISIT_CANCELED: ids}
        case "AssignmentReleased" if released is not None and len(ids) > 1:
            # Without anybody left the visit lost its time as well, and that fact tells.
            return {K.ASSIGNMENT_RELEASED: [released]}
    return {}


def notice_to_customer(fact: str, payload: Mapping[str, Any]) -> NotificationKind | None:
    """What whoever asked for the work is told. When the work is over, that says it all."""
    match fact:
        case "AppointmentScheduled":
            return K.VISIT_SCHEDULED
        case "AppointmentRescheduled" if "starts_at" in payload["changes"]:
            return K.VISIT_RESCHEDULED
        case "AppointmentCanceled" if payload["reason_code"] != ReasonCode.WORK_ORDER_CLOSED:
            return K.VISIT_CANCELED
    return None


def _moved(ids: list[str], changes: Mapping[str, Any]) -> Notices:
    before, after = changes.get("technician_ids", (ids, ids))
    is_moved = {"starts_at", "ends_at"} & changes.keys()
    told = {
        K.ASSIGNMENT_PROPOSED: [id for id in after if id not in before],
        K.ASSIGNMENT_RELEASED: [id for id in before if id not in after],
        K.VISIT_RESCHEDULED: [id for id in after if id in before and is_moved],
    }
    return {kind: concerned for kind, concerned in told.items() if concerned}
