"""Where visits, assignments and plan runs can stand, and which steps lead on from there."""

from dataclasses import dataclass
from enum import StrEnum

from app.kernel.errors import IllegalTransition
from app.kernel.lifecycle import Lifecycle

PLAN_SECONDS_MAX = 300
PLAN_VISITS_MAX = 5000
PLAN_DAYS_MAX = 14


class AppointmentStatus(StrEnum):
    """Where a visit stands."""

    UNSCHEDULED = "UNSCHEDULED"
    SCHEDULED = "SCHEDULED"
    DISPATCHED = "DISPATCHED"
    EN_ROUTE = "EN_ROUTE"
    ON_SITE = "ON_SITE"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    PARTIALLY_COMPLETED = "PARTIALLY_COMPLETED"
    CANNOT_COMPLETE = "CANNOT_COMPLETE"
    CANCELED = "CANCELED"


class AssignmentStatus(StrEnum):
    """Where a technician stands with a visit."""

    RESERVED = "RESERVED"
    PROPOSED = "PROPOSED"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    RELEASED = "RELEASED"


class PlanKind(StrEnum):
    """What the planner is asked for."""

    SCHEDULE = "SCHEDULE"
    ROUTE = "ROUTE"
    INSERTION = "INSERTION"
    ABSENCE = "ABSENCE"
    DELAY = "DELAY"


class PlanRunStatus(StrEnum):
    """Where a question to the planner stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    READY = "READY"
    PARTLY_COMMITTED = "PARTLY_COMMITTED"
    COMMITTED = "COMMITTED"
    UNDONE = "UNDONE"
    DISCARDED = "DISCARDED"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


class VisitChange(StrEnum):
    """What a plan would do with a visit."""

    ADDED = "ADDED"
    MOVED = "MOVED"
    KEPT = "KEPT"
    UNASSIGNED = "UNASSIGNED"


class ReasonCode(StrEnum):
    """Why a visit was canceled, paused or not completed."""

    CUSTOMER_NO_SHOW = "CUSTOMER_NO_SHOW"
    CUSTOMER_REQUEST = "CUSTOMER_REQUEST"
    NO_ACCESS = "NO_ACCESS"
    PARTS_UNAVAILABLE = "PARTS_UNAVAILABLE"
    SCOPE_DIFFERENT = "SCOPE_DIFFERENT"
    TECHNICIAN_UNAVAILABLE = "TECHNICIAN_UNAVAILABLE"
    UNSAFE = "UNSAFE"
    WEATHER = "WEATHER"
    RETURN_VISIT_NEEDED = "RETURN_VISIT_NEEDED"
    WORK_ORDER_CLOSED = "WORK_ORDER_CLOSED"
    DUPLICATE = "DUPLICATE"
    BREAK = "BREAK"
    OTHER = "OTHER"


A = AppointmentStatus
# On the move or at work: a technician can be so with one visit at a time.
ACTIVE = frozenset({A.EN_ROUTE, A.ON_SITE, A.IN_PROGRESS})
ENDED = frozenset({A.COMPLETED, A.PARTIALLY_COMPLETED, A.CANNOT_COMPLETE, A.CANCELED})
RESULTS = frozenset({A.COMPLETED, A.PARTIALLY_COMPLETED, A.CANNOT_COMPLETE})
# Told to the technician already: the planner leaves these as they are.
SETTLED = frozenset({A.DISPATCHED, A.PAUSED}) | ACTIVE


APPOINTMENT_LABELS: dict[AppointmentStatus, str] = {
    A.UNSCHEDULED: "Not planned yet",
    A.SCHEDULED: "Planned",
    A.DISPATCHED: "Dispatched",
    A.EN_ROUTE: "On the way",
    A.ON_SITE: "Arrived",
    A.IN_PROGRESS: "At work",
    A.PAUSED: "Paused",
    A.COMPLETED: "Done",
    A.PARTIALLY_COMPLETED: "Partly done",
    A.CANNOT_COMPLETE: "Not done",
    A.CANCELED: "Called off",
}


def appointment_label(status: str) -> str:
    """Where a visit stands, in plain words."""
    return APPOINTMENT_LABELS[AppointmentStatus(status)]


def busy_with_another(facts: object) -> str | None:
    """Refuses a second visit at a time. ``facts`` is a ``StepFacts``, or None where only the table matters."""
    if isinstance(facts, StepFacts) and facts.busy_technicians:
        names = ", ".join(facts.busy_technicians)
        return f"{names} is on the way to or at another visit; pause or finish that first."
    return None


def without_technician(facts: object) -> str | None:
    """Refuses to send nobody."""
    if isinstance(facts, StepFacts) and not facts.technician_count:
        return "no technician is assigned."
    return None


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What the guards of a step look at."""

    technician_count: int = 1
    busy_technicians: tuple[str, ...] = ()


APPOINTMENT = Lifecycle[AppointmentStatus](
    "appointment",
    {
        A.UNSCHEDULED: frozenset({A.SCHEDULED, A.CANCELED}),
        A.SCHEDULED: frozenset({A.UNSCHEDULED, A.DISPATCHED, A.CANCELED}),
        A.DISPATCHED: frozenset({A.UNSCHEDULED, A.SCHEDULED, A.EN_ROUTE, A.CANCELED}),
        A.EN_ROUTE: frozenset({A.DISPATCHED, A.ON_SITE, A.CANNOT_COMPLETE, A.CANCELED}),
        A.ON_SITE: frozenset({A.IN_PROGRESS, A.CANNOT_COMPLETE, A.CANCELED}),
        A.IN_PROGRESS: frozenset({A.PAUSED, A.COMPLETED, A.PARTIALLY_COMPLETED, A.CANNOT_COMPLETE}),
        A.PAUSED: frozenset({A.IN_PROGRESS, A.COMPLETED, A.PARTIALLY_COMPLETED, A.CANNOT_COMPLETE}),
        A.COMPLETED: frozenset(),
        A.PARTIALLY_COMPLETED: frozenset(),
        A.CANNOT_COMPLETE: frozenset(),
        A.CANCELED: frozenset(),
    },
    {
        A.DISPATCHED: (without_technician,),
        A.EN_ROUTE: (without_technician, busy_with_another),
        A.IN_PROGRESS: (busy_with_another,),
    },
)

ASSIGNMENT = Lifecycle[AssignmentStatus](
    "assignment",
    {
        AssignmentStatus.RESERVED: frozenset({AssignmentStatus.PROPOSED, AssignmentStatus.RELEASED}),
        AssignmentStatus.PROPOSED: frozenset(
            {AssignmentStatus.ACCEPTED, AssignmentStatus.DECLINED, AssignmentStatus.RELEASED}
        ),
        AssignmentStatus.ACCEPTED: frozenset({AssignmentStatus.DECLINED, AssignmentStatus.RELEASED}),
        AssignmentStatus.DECLINED: frozenset(),
        AssignmentStatus.RELEASED: frozenset(),
    },
)

R = PlanRunStatus
PLAN_RUN = Lifecycle[PlanRunStatus](
    "plan run",
    {
        R.QUEUED: frozenset({R.RUNNING, R.CANCELED, R.FAILED}),
        R.RUNNING: frozenset({R.READY, R.CANCELED, R.FAILED}),
        R.READY: frozenset({R.PARTLY_COMMITTED, R.COMMITTED, R.DISCARDED}),
        R.PARTLY_COMMITTED: frozenset({R.PARTLY_COMMITTED, R.COMMITTED, R.UNDONE}),
        R.COMMITTED: frozenset({R.UNDONE}),
        R.UNDONE: frozenset(),
        R.DISCARDED: frozenset(),
        R.CANCELED: frozenset(),
        R.FAILED: frozenset(),
    },
)


def require_step_from(state: AppointmentStatus, to: AppointmentStatus, start: AppointmentStatus) -> None:
    """Raise ``IllegalTransition`` unless the visit is where this step begins; another way there does not count."""
    if state is not start:
        allowed = [step.to.value for step in APPOINTMENT.allowed(state) if step.to is not to]
        raise IllegalTransition(APPOINTMENT.noun, state, to, allowed, because=f"this step begins at {start}")


def require_open(state: AppointmentStatus) -> None:
    """Raise ``IllegalTransition`` when the visit has ended: then its assignments stay as they are."""
    if state in ENDED:
        raise IllegalTransition(ASSIGNMENT.noun, state, "CHANGED", [], because="its visit has ended")


def require_not_begun(state: AppointmentStatus) -> None:
    """Raise ``IllegalTransition`` once the technicians have set out: then nobody drops out."""
    if state not in (AppointmentStatus.SCHEDULED, AppointmentStatus.DISPATCHED):
        raise IllegalTransition(ASSIGNMENT.noun, state, "TAKEN OFF", [], because="its visit is under way or has ended")
