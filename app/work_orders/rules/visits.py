"""What its visits, taken together, make of a work order: two tables, and the way through the lifecycle that they lead."""

from collections import deque
from collections.abc import Iterable

from app.work_orders.rules.lifecycle import LIFECYCLE, Record
from app.work_orders.rules.words import WorkOrderStatus

S = WorkOrderStatus

# What the visits say about the work: the first row of which one of the statuses occurs decides.
ROLL_UP: tuple[tuple[frozenset[str], WorkOrderStatus], ...] = (
    (frozenset({"IN_PROGRESS", "PAUSED"}), S.IN_PROGRESS),
    (frozenset({"SCHEDULED", "DISPATCHED", "EN_ROUTE", "ON_SITE"}), S.SCHEDULED),
    (frozenset({"UNSCHEDULED"}), S.TRIAGED),
    (frozenset({"COMPLETED"}), S.COMPLETED),
    (frozenset({"CANNOT_COMPLETE"}), S.CANNOT_COMPLETE),
    (frozenset({"PARTIALLY_COMPLETED"}), S.TRIAGED),
)

# Which of the answers a work order in a status follows. Work that happens lifts a hold; a booking does not. What is over stays over.
FOLLOWED: dict[WorkOrderStatus, frozenset[WorkOrderStatus]] = {
    S.SUBMITTED: frozenset({S.SCHEDULED, S.IN_PROGRESS, S.COMPLETED, S.CANNOT_COMPLETE}),
    S.TRIAGED: frozenset({S.SCHEDULED, S.IN_PROGRESS, S.COMPLETED, S.CANNOT_COMPLETE}),
    S.SCHEDULED: frozenset({S.TRIAGED, S.IN_PROGRESS, S.COMPLETED, S.CANNOT_COMPLETE}),
    S.IN_PROGRESS: frozenset({S.TRIAGED, S.SCHEDULED, S.COMPLETED, S.CANNOT_COMPLETE}),
    S.ON_HOLD: frozenset({S.IN_PROGRESS, S.COMPLETED, S.CANNOT_COMPLETE}),
    S.CANNOT_COMPLETE: frozenset({S.SCHEDULED, S.IN_PROGRESS, S.COMPLETED}),
}


def visits_say(appointment_statuses: Iterable[str]) -> WorkOrderStatus:
    """What a work order's visits, taken together, make of it. Canceled ones say nothing; none at all: still to be planned."""
    present = set(appointment_statuses)
    return next((status for deciding, status in ROLL_UP if present & deciding), S.TRIAGED)


def steps_after_visits(status: str, appointment_statuses: Iterable[str]) -> list[WorkOrderStatus]:
    """The steps, none skipped, by which a work order follows its visits; none when it stays where it is."""
    current = WorkOrderStatus(status)
    target = visits_say(appointment_statuses)
    return way(current, target) if target in FOLLOWED.get(current, frozenset()) else []


def status_after_hold(appointment_statuses: Iterable[str], *, was_started: bool) -> WorkOrderStatus:
    """Where work goes on after a hold: where its visits say, else where it was before any visit."""
    statuses = [status for status in appointment_statuses if status != "CANCELED"]
    said = visits_say(statuses)
    if statuses and said in (S.IN_PROGRESS, S.SCHEDULED, S.TRIAGED):
        return said
    return S.IN_PROGRESS if was_started else S.TRIAGED


def way(start: WorkOrderStatus, end: WorkOrderStatus) -> list[WorkOrderStatus]:
    """The shortest way through the lifecycle, without its start. A hold is never on the way."""
    ways: deque[list[WorkOrderStatus]] = deque([[start]])
    seen = {start, S.ON_HOLD}
    while ways:
        here = ways.popleft()
        for step in (one.to for one in LIFECYCLE.allowed(here[-1], Record())):
            if step == end:
                return [*here[1:], end]
            if step not in seen:
                seen.add(step)
                ways.append([*here, step])
    return []
