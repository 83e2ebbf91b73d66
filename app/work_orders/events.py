"""What happens to work orders. The subject is always the work order; parts are named by their own id.

Audience: facts that a customer must not hear (internal notes, prices, hours) carry no ``customer_id``; prices carry no
``technician_ids`` either.
"""

from dataclasses import dataclass
from typing import ClassVar

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class WorkOrderFact(Fact):
    """Something happened to a work order."""

    noun: ClassVar[str] = "work order"


@dataclass(frozen=True, kw_only=True)
class WorkOrderSubmitted(WorkOrderFact):
    """Somebody asked for work."""

    number: str
    site_id: str
    priority: str
    channel: str


@dataclass(frozen=True, kw_only=True)
class WorkOrderUpdated(WorkOrderFact):
    """What is to be done was changed; ``changes`` says how."""


@dataclass(frozen=True, kw_only=True)
class WorkOrderStepped(WorkOrderFact):
    """A work order took a step of its lifecycle; ``changes["status"]`` says from where to where."""


class WorkOrderTriaged(WorkOrderStepped):
    """It was looked at and taken on, or came back to be planned again."""


class WorkOrderScheduled(WorkOrderStepped):
    """A visit is booked."""


class WorkOrderStarted(WorkOrderStepped):
    """Work began."""


class WorkOrderHeld(WorkOrderStepped):
    """It waits for something."""


class WorkOrderResumed(WorkOrderStepped):
    """The wait is over."""


class WorkOrderCompleted(WorkOrderStepped):
    """The work is done, and everything that was asked for is put down."""


class WorkOrderCannotComplete(WorkOrderStepped):
    """The work ends undone."""


class WorkOrderApproved(WorkOrderStepped):
    """The done work was reviewed; its lines may be billed."""


class WorkOrderClosed(WorkOrderStepped):
    """Nothing is left to do."""


class WorkOrderCanceled(WorkOrderStepped):
    """The work was called off."""


class WorkOrderDeclined(WorkOrderStepped):
    """The request was not taken on."""


@dataclass(frozen=True, kw_only=True)
class CreditHoldOverridden(WorkOrderFact):
    """Work was taken on although the customer is on hold."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class NoteAdded(WorkOrderFact):
    """A note was written."""

    note_id: str
    visibility: str


@dataclass(frozen=True, kw_only=True)
class LineItemFact(WorkOrderFact):
    """Something happened to a line."""

    changes_of: ClassVar[str | None] = "line_item_id"

    line_item_id: str


@dataclass(frozen=True, kw_only=True)
class LineItemAdded(LineItemFact):
    """A line was added."""

    kind: str
    description: str
    quantity: str


class LineItemUpdated(LineItemFact):
    """A line was corrected."""


@dataclass(frozen=True, kw_only=True)
class LineItemRemoved(LineItemFact):
    """A line was taken away."""

    kind: str
    description: str
    quantity: str


class LineItemPriced(LineItemFact):
    """A line's price was set, changed or taken away; for the office alone."""


@dataclass(frozen=True, kw_only=True)
class TimeFact(WorkOrderFact):
    """Something happened to a stretch of time."""

    time_entry_id: str
    technician_id: str
    kind: str


class TimerStarted(TimeFact):
    """A technician's clock runs."""


@dataclass(frozen=True, kw_only=True)
class TimerStopped(TimeFact):
    """A technician's clock was stopped."""

    worked_minutes: int
    billed_minutes: int


@dataclass(frozen=True, kw_only=True)
class TimeEntryAdded(TimeFact):
    """A finished stretch of time was entered."""

    worked_minutes: int
    billed_minutes: int
