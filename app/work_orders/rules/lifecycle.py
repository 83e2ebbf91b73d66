"""The life of a work order as a table, and the gate before its completion. Commands, GraphQL and diagrams read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.kernel.errors import CompletionBlocked, Conflict, IllegalTransition, Missing
from app.kernel.lifecycle import Guard, Lifecycle
from app.work_orders.rules.words import Evidence, HoldReason, WorkOrderStatus

S = WorkOrderStatus


@dataclass(frozen=True, slots=True)
class Record:
    """What has been put down for a work order so far: the figures that its guards look at."""

    line_items: int = 0
    running_timers: int = 0
    notes: int = 0
    finished_time_entries: int = 0
    required_evidence: tuple[str, ...] = ()


def needs_a_line_item(record: Record) -> str | None:
    """Nothing reaches accounting without a line; one priced zero counts."""
    return None if record.line_items else "Add at least one line item; one priced zero counts."


def timers_are_stopped(record: Record) -> str | None:
    """Work that is still being clocked is not over."""
    return "Stop the running timer." if record.running_timers else None


def has_a_note(record: Record) -> str | None:
    """Where the service type asks for one."""
    return None if record.notes or Evidence.NOTE not in record.required_evidence else "Write a note on what was done."


def has_time(record: Record) -> str | None:
    """Where the service type asks for it."""
    if record.finished_time_entries or Evidence.TIME not in record.required_evidence:
        return None
    return "Enter the time that was spent."


def evidence_is_known(record: Record) -> str | None:
    """A requirement that nobody can check keeps the gate shut rather than open."""
    unknown = sorted(set(record.required_evidence) - set(Evidence))
    return f"The service type asks for {', '.join(unknown)}, which cannot be recorded: correct it." if unknown else None


COMPLETION_GATE: dict[str, Guard] = {
    "LINE_ITEM": needs_a_line_item,
    "RUNNING_TIMER": timers_are_stopped,
    "NOTE": has_a_note,
    "TIME": has_time,
    "UNKNOWN_EVIDENCE": evidence_is_known,
}


def missing_for_completion(record: Record) -> list[Missing]:
    """Everything that stands between the work and its completion, not only the first thing."""
    return [Missing(code, said) for code, guard in COMPLETION_GATE.items() if (said := guard(record))]


LIFECYCLE = Lifecycle(
    "work order",
    {
        S.SUBMITTED: frozenset({S.TRIAGED, S.CANCELED, S.DECLINED}),
        S.TRIAGED: frozenset({S.SCHEDULED, S.IN_PROGRESS, S.ON_HOLD, S.CANNOT_COMPLETE, S.CANCELED, S.DECLINED}),
        S.SCHEDULED: frozenset({S.TRIAGED, S.IN_PROGRESS, S.ON_HOLD, S.CANNOT_COMPLETE, S.CANCELED}),
        S.IN_PROGRESS: frozenset({S.TRIAGED, S.SCHEDULED, S.ON_HOLD, S.COMPLETED, S.CANNOT_COMPLETE, S.CANCELED}),
        S.ON_HOLD: frozenset({S.TRIAGED, S.SCHEDULED, S.IN_PROGRESS, S.CANNOT_COMPLETE, S.CANCELED}),
        S.COMPLETED: frozenset({S.APPROVED}),
        S.APPROVED: frozenset({S.CLOSED}),
        S.CLOSED: frozenset(),
        S.CANNOT_COMPLETE: frozenset({S.TRIAGED, S.CLOSED}),
        S.CANCELED: frozenset(),
        S.DECLINED: frozenset(),
    },
    guards={S.COMPLETED: tuple(COMPLETION_GATE.values()), S.APPROVED: (needs_a_line_item,)},
)


def require_step(status: str, to: WorkOrderStatus, record: Record) -> None:
    """Refuse what is not a step of the table, and a step that a guard blocks; completion says everything that is missing."""
    current = WorkOrderStatus(status)
    if to is S.COMPLETED and to in LIFECYCLE.steps[current] and (missing := missing_for_completion(record)):
        raise CompletionBlocked(missing)
    LIFECYCLE.require(current, to, record)


def require_from(status: str, sources: frozenset[WorkOrderStatus], to: WorkOrderStatus) -> None:
    """A deed that begins in some states only, though other ways lead to the same state."""
    if status not in sources:
        allowed = [str(one.to) for one in LIFECYCLE.allowed(WorkOrderStatus(status), Record())]
        names = " or ".join(sorted(sources))
        raise IllegalTransition(LIFECYCLE.noun, status, str(to), allowed, because=f"this begins with {names}")


def is_up_to_visits(status: WorkOrderStatus, to: WorkOrderStatus) -> bool:
    """Whether a step is taken by booking, moving or canceling visits, and by no command of its own."""
    return (to is S.SCHEDULED and status is not S.ON_HOLD) or (
        to is S.TRIAGED and status in (S.SCHEDULED, S.IN_PROGRESS)
    )


TRIAGED_FROM = frozenset({S.SUBMITTED, S.CANNOT_COMPLETE})
RESUMED_FROM = frozenset({S.ON_HOLD})
OPEN = frozenset({S.SUBMITTED, S.TRIAGED, S.SCHEDULED, S.IN_PROGRESS, S.ON_HOLD})
CLOCKED = OPEN - {S.SUBMITTED}
"""States in which a timer may run."""
BILL_IS_OPEN = OPEN | {S.COMPLETED, S.CANNOT_COMPLETE}
"""States in which lines and times may still be added or corrected; approval freezes them."""
# Of such work the lines count as owed: what was called off costs nothing, and what is closed is settled.
OWED = frozenset(WorkOrderStatus) - {S.CLOSED, S.CANNOT_COMPLETE, S.CANCELED, S.DECLINED}

STATUS_LABELS: dict[WorkOrderStatus, str] = {
    S.SUBMITTED: "We have received your request",
    S.TRIAGED: "We are arranging a visit",
    S.SCHEDULED: "Your visit is booked",
    S.IN_PROGRESS: "We are working on it",
    S.ON_HOLD: "Paused",
    S.COMPLETED: "The work is done",
    S.APPROVED: "The work is done and checked",
    S.CLOSED: "Finished",
    S.CANNOT_COMPLETE: "We could not finish the work",
    S.CANCELED: "Canceled",
    S.DECLINED: "We cannot take on this request",
}

HOLD_LABELS: dict[HoldReason, str] = {
    HoldReason.AWAITING_PARTS: "Paused: we are waiting for parts",
    HoldReason.WAITING_ON_VENDOR: "Paused: we are waiting for a supplier",
    HoldReason.WAITING_ON_CUSTOMER: "Paused: we are waiting to hear from you",
    HoldReason.CUSTOMER_DECISION: "Paused: we need your decision",
    HoldReason.ESCALATED: "Paused: a specialist is looking into it",
}


def status_label(status: str, hold_reason: str | None = None) -> str:
    """Where the work stands, in words for a customer."""
    if status == S.ON_HOLD and hold_reason is not None:
        return HOLD_LABELS[HoldReason(hold_reason)]
    return STATUS_LABELS[WorkOrderStatus(status)]


UP_TO_VISITS = "Book, move or cancel its visits; the work order follows them."


@dataclass(frozen=True, slots=True)
class AllowedStep:
    """A step that the lifecycle has from here, and the sentences of what blocks it right now."""

    to: WorkOrderStatus
    blocked_by: tuple[str, ...]


def allowed_steps(status: str, record: Record) -> list[AllowedStep]:
    """The steps out of a status, in the order of the table, each with the sentences of what blocks it."""
    current = WorkOrderStatus(status)
    return [
        AllowedStep(one.to, (UP_TO_VISITS, *one.blocked_by) if is_up_to_visits(current, one.to) else one.blocked_by)
        for one in LIFECYCLE.allowed(current, record)
    ]


STAMP_OF: dict[WorkOrderStatus, str] = {
    S.TRIAGED: "triaged_at",
    S.SCHEDULED: "scheduled_at",
    S.IN_PROGRESS: "started_at",
    S.ON_HOLD: "held_at",
    S.COMPLETED: "completed_at",
    S.APPROVED: "approved_at",
    S.CLOSED: "closed_at",
    S.CANNOT_COMPLETE: "canceled_at",
    S.CANCELED: "canceled_at",
    S.DECLINED: "canceled_at",
}
FIRST_TIME_COUNTS = frozenset({S.TRIAGED, S.IN_PROGRESS})


def stamps(
    status: str, to: WorkOrderStatus, now: datetime, stamped: Mapping[str, datetime | None]
) -> dict[str, object]:
    """The columns that a step sets beside the status: when it happened, and what is over with it.

    ``stamped`` are the stamps so far. Work is taken on and begun once; what was so before a hold is so after it.
    """
    stamp = STAMP_OF[to]
    stays = stamped[stamp] is not None and (to in FIRST_TIME_COUNTS or status == S.ON_HOLD)
    values: dict[str, object] = {} if stays else {stamp: now}
    if status == S.ON_HOLD:
        values |= {"hold_reason": None, "held_at": None}
    if to == S.TRIAGED:
        values |= {"scheduled_at": None, "canceled_at": None, "reason_code": None}
    return values


def require_open_bill(number: str, status: str) -> None:
    """Lines and times are frozen once the work is approved, closed or called off."""
    if status not in BILL_IS_OPEN:
        raise Conflict(f"Work order {number} is {status}: its lines and times no longer change.")


def require_clocked(number: str, status: str) -> None:
    """A timer runs on accepted work that is not over."""
    if status not in CLOCKED:
        raise Conflict(f"Work order {number} is {status}: no timer can run on it.")


def require_changeable(number: str, status: str) -> None:
    """What is to be done can be changed while it is still to be done."""
    if status not in OPEN:
        raise Conflict(f"Work order {number} is {status} and no longer changes.")
