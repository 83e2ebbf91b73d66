"""What happened to visits and plans. A fact about an assignment is a fact about its appointment: boards show visits."""

from dataclasses import dataclass, field
from typing import Any

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class AppointmentFact(Fact):
    """Something that happened to a visit; ``technician_ids`` are all it concerns, before and after.

    ``placed`` is where it stands afterwards: status, times, window and crew. With ``changes`` that says where it stood
    before, so that whoever shows a part of the schedule knows from the fact alone what came into it and what left.
    """

    noun = "appointment"
    work_order_id: str
    placed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AppointmentCreated(AppointmentFact):
    """A visit is needed; it has no time yet."""


@dataclass(frozen=True, kw_only=True)
class AppointmentScheduled(AppointmentFact):
    """A visit got a time and technicians. ``overridden`` lists the clashes accepted for ``override_reason``."""

    starts_at: str
    ends_at: str
    run_id: str | None = None
    override_reason: str | None = None
    overridden: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class AppointmentRescheduled(AppointmentScheduled):
    """A visit got another time or other technicians."""


@dataclass(frozen=True, kw_only=True)
class AppointmentPinned(AppointmentFact):
    """Whether the planner may change who or when was decided."""


@dataclass(frozen=True, kw_only=True)
class AppointmentUnscheduled(AppointmentFact):
    """A visit lost its time and technicians."""

    reason: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AppointmentDispatched(AppointmentFact):
    """The technicians were told to go."""


@dataclass(frozen=True, kw_only=True)
class AppointmentDeparted(AppointmentFact):
    """The technicians are on their way; ``eta_at`` is when they should arrive."""

    eta_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class AppointmentTurnedBack(AppointmentFact):
    """The technicians are no longer on their way; the visit waits again."""

    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class ArrivalSuggested(AppointmentFact):
    """The device of a technician on the way says that they have come to the site; they have not said so yet."""

    technician_id: str


@dataclass(frozen=True, kw_only=True)
class AppointmentArrived(AppointmentFact):
    """The technicians are on site; ``distance_metres`` is how far from it their device said they were, and
    ``is_near_site`` whether that counts as there."""

    distance_metres: int | None = None
    is_near_site: bool | None = None


@dataclass(frozen=True, kw_only=True)
class AppointmentStarted(AppointmentFact):
    """Work began."""


@dataclass(frozen=True, kw_only=True)
class AppointmentPaused(AppointmentFact):
    """Work was interrupted."""

    reason_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class AppointmentResumed(AppointmentFact):
    """Work went on."""


@dataclass(frozen=True, kw_only=True)
class AppointmentCompleted(AppointmentFact):
    """The visit is over; ``result`` says how."""

    result: str
    reason_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class AppointmentCanceled(AppointmentFact):
    """The visit will not take place."""

    reason_code: str


@dataclass(frozen=True, kw_only=True)
class VisitShared(AppointmentFact):
    """There is a link that shows the visit to whoever has it."""

    share_id: str


@dataclass(frozen=True, kw_only=True)
class VisitShareRevoked(AppointmentFact):
    """A link to the visit was shut."""

    share_id: str


@dataclass(frozen=True, kw_only=True)
class AssignmentAccepted(AppointmentFact):
    """A technician agreed to come."""

    assignment_id: str


@dataclass(frozen=True, kw_only=True)
class AssignmentDeclined(AppointmentFact):
    """A technician turned the visit down."""

    assignment_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AssignmentReleased(AppointmentFact):
    """A technician was taken off the visit."""

    assignment_id: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlanFact(Fact):
    """Something that happened to a plan run."""

    noun = "plan run"


@dataclass(frozen=True, kw_only=True)
class PlanRunRequested(PlanFact):
    """Somebody asked for a plan of some days, or what becomes of them."""

    day: str
    days: int = 1
    kind: str = "SCHEDULE"


@dataclass(frozen=True, kw_only=True)
class PlanRunStarted(PlanFact):
    """The planner set to work."""

    visits: int
    technicians: int


@dataclass(frozen=True, kw_only=True)
class PlanProgressed(PlanFact):
    """The planner found a better plan."""

    progress: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PlanReady(PlanFact):
    """The plan can be looked at and committed. Counts by change."""

    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PlanRunFailed(PlanFact):
    """There will be no plan; ``error`` says why."""

    error: str


@dataclass(frozen=True, kw_only=True)
class PlanRunCanceled(PlanFact):
    """Somebody stopped the planner."""


@dataclass(frozen=True, kw_only=True)
class PlanCommitted(PlanFact):
    """The plan, or a part of it, became the schedule."""

    appointment_ids: list[str]


@dataclass(frozen=True, kw_only=True)
class PlanDiscarded(PlanFact):
    """The plan was put away unused."""


@dataclass(frozen=True, kw_only=True)
class PlanUndone(PlanFact):
    """The schedule is again as it was before the plan was committed."""

    appointment_ids: list[str]


@dataclass(frozen=True, kw_only=True)
class SlotFact(Fact):
    """Something that happened to a time that was kept free for a customer."""

    noun = "slot hold"
    work_order_id: str
    appointment_id: str
    window_start: str
    window_end: str


@dataclass(frozen=True, kw_only=True)
class SlotHeld(SlotFact):
    """A time is kept free until ``expires_at``."""

    expires_at: str


@dataclass(frozen=True, kw_only=True)
class SlotConfirmed(SlotFact):
    """The time is the visit's, and the window its promise."""


@dataclass(frozen=True, kw_only=True)
class SlotReleased(SlotFact):
    """The time was given back."""


@dataclass(frozen=True, kw_only=True)
class SlotExpired(SlotFact):
    """Nobody confirmed the time while it was kept free."""
