"""What a technician's phone carries, so that work goes on without a network, and which facts change it. Pure.

The *briefcase* are the technician's visits from some days back to some days ahead, older ones that are still under way, and
all that belongs to them. A visit that was called off is not in it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from app.kernel.calendar import day_bounds, local_day
from app.scheduling.rules.lifecycles import ENDED, SETTLED, AppointmentStatus

DAYS_BACK = 7
DAYS_AHEAD = 14
# Whoever was away for longer begins anew: that is less to send than all that happened.
DAYS_AWAY_MAX = 30
FACTS_AWAY_MAX = 20_000


class SyncKind(StrEnum):
    """What a briefcase holds, in an order in which nothing comes before what it points to."""

    SERVICE_TYPE = "SERVICE_TYPE"
    SKILL = "SKILL"
    CUSTOMER = "CUSTOMER"
    CONTACT = "CONTACT"
    SITE = "SITE"
    EQUIPMENT = "EQUIPMENT"
    WORK_ORDER = "WORK_ORDER"
    APPOINTMENT = "APPOINTMENT"
    ASSIGNMENT = "ASSIGNMENT"
    NOTE = "NOTE"
    LINE_ITEM = "LINE_ITEM"
    TIME_ENTRY = "TIME_ENTRY"


class SyncRemoval(StrEnum):
    """Why something is no longer in a briefcase."""

    REASSIGNED = "REASSIGNED"
    CANCELED = "CANCELED"
    COMPLETED_LONG_AGO = "COMPLETED_LONG_AGO"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    NO_LONGER_VISIBLE = "NO_LONGER_VISIBLE"
    DELETED = "DELETED"


# Steps of a visit that change neither who has it nor when it is.
STEPS = frozenset(
    {
        "AppointmentPinned", "AppointmentDispatched", "AppointmentDeparted", "AppointmentTurnedBack", "AppointmentArrived",
        "AppointmentStarted", "AppointmentPaused", "AppointmentResumed", "AppointmentCompleted", "AssignmentAccepted",
    }
)  # fmt: skip
# Where a fact about a work order names the part that it is about.
PARTS = ("note_id", "line_item_id", "time_entry_id")


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when visits are carried, half-open."""

    starts_at: datetime
    ends_at: datetime

    def holds(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether a visit's time lies in it, at least partly."""
        return starts_at < self.ends_at and ends_at > self.starts_at


def span_at(now: datetime, tz: ZoneInfo) -> Span:
    """The days around a moment, as the technician's clocks show them."""
    today = local_day(now, tz)
    starts, _ = day_bounds(today - timedelta(days=DAYS_BACK), tz)
    _, ends = day_bounds(today + timedelta(days=DAYS_AHEAD), tz)
    return Span(starts, ends)


@dataclass(frozen=True, slots=True)
class Carried:
    """A visit as the briefcase needs it; ``is_held`` is whether the technician still has it."""

    id: str
    work_order_id: str
    site_id: str
    customer_id: str
    status: AppointmentStatus
    starts_at: datetime | None
    ends_at: datetime | None
    is_held: bool
    is_visible: bool

    def is_in(self, span: Span) -> bool:
        """Whether the briefcase of a span holds it."""
        if not (self.is_held and self.is_visible) or self.starts_at is None or self.ends_at is None:
            return False
        if self.status is AppointmentStatus.CANCELED or self.starts_at >= span.ends_at:
            return False
        return self.ends_at > span.starts_at or self.status in SETTLED

    def is_within(self, span: Span) -> bool:
        """Whether its time alone keeps it in."""
        return self.starts_at is not None and self.ends_at is not None and span.holds(self.starts_at, self.ends_at)

    def removal(self, span: Span) -> SyncRemoval:
        """Why the briefcase does not hold it (any more)."""
        if self.status is AppointmentStatus.CANCELED:
            return SyncRemoval.CANCELED
        if not self.is_held:
            return SyncRemoval.REASSIGNED
        if not self.is_visible:
            return SyncRemoval.NO_LONGER_VISIBLE
        if self.status in ENDED and self.ends_at is not None and self.ends_at <= span.starts_at:
            return SyncRemoval.COMPLETED_LONG_AGO
        return SyncRemoval.OUT_OF_SCOPE


class Heard(Protocol):
    """A fact as the journal keeps it."""

    @property
    def type(self) -> str: ...
    @property
    def noun(self) -> str: ...
    @property
    def subject_id(self) -> str: ...
    @property
    def customer_id(self) -> str | None: ...
    @property
    def technician_ids(self) -> tuple[str, ...]: ...
    @property
    def payload(self) -> dict[str, Any]: ...


@dataclass(slots=True)
class News:
    """What facts may change in a technician's briefcase.

    ``visits`` are the technician's own, by whether all their facts are mere steps. ``rows`` are whatever else a fact is
    about, whoever has it. ``gone`` are rows that are no more, by the work order or customer that they belonged to, and
    ``moved`` devices with the sites at which they stood before.
    """

    visits: dict[str, bool] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)
    gone: dict[str, str] = field(default_factory=dict)
    moved: set[tuple[str, str]] = field(default_factory=set)

    def hear(self, fact: Heard, who: str) -> None:
        """Take in one more fact, for a technician."""
        subject = fact.subject_id
        if fact.noun == "appointment":
            if who in fact.technician_ids:
                self.visits[subject] = self.visits.get(subject, True) and fact.type in STEPS
            return
        self.rows.add(subject)
        self.rows.update(fact.payload[name] for name in PARTS if fact.payload.get(name))
        if fact.type == "LineItemRemoved":
            self.gone[fact.payload["line_item_id"]] = subject
        if fact.type == "ContactRemoved" and fact.customer_id is not None:
            self.gone[subject] = fact.customer_id
        before = (fact.payload.get("changes") or {}).get("site_id", [None])[0]
        if fact.noun == "equipment" and before:
            self.moved.add((subject, before))
