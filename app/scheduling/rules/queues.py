"""What waits for a dispatcher: which visits and work orders stand in which queue. Pure; the table is the law."""

from collections.abc import Iterator
from enum import StrEnum

from app.scheduling.rules.lifecycles import AppointmentStatus


class DispatchQueue(StrEnum):
    """What waits for a dispatcher, in the order in which it comes up."""

    UNTRIAGED = "UNTRIAGED"
    WITHOUT_VISIT = "WITHOUT_VISIT"
    UNSCHEDULED = "UNSCHEDULED"
    DECLINED = "DECLINED"
    TO_DISPATCH = "TO_DISPATCH"


Q = DispatchQueue
A = AppointmentStatus

# By status, and whether a technician turned it down: a visit that was sent off again is in good hands.
VISITS: dict[tuple[AppointmentStatus, bool], tuple[DispatchQueue, ...]] = {
    (A.UNSCHEDULED, False): (Q.UNSCHEDULED,),
    (A.UNSCHEDULED, True): (Q.UNSCHEDULED, Q.DECLINED),
    (A.SCHEDULED, False): (Q.TO_DISPATCH,),
    (A.SCHEDULED, True): (Q.DECLINED, Q.TO_DISPATCH),
}
# By status, and whether it has a visit that is not over. Work that comes back from a hold without a visit waits for one.
WORK: dict[tuple[str, bool], tuple[DispatchQueue, ...]] = {
    ("SUBMITTED", False): (Q.UNTRIAGED,),
    ("SUBMITTED", True): (Q.UNTRIAGED,),
    ("TRIAGED", False): (Q.WITHOUT_VISIT,),
}


def queues_of_visit(status: str, *, is_declined: bool) -> tuple[DispatchQueue, ...]:
    """The queues in which a visit stands."""
    return VISITS.get((AppointmentStatus(status), is_declined), ())


def queues_of_work(status: str, *, has_open_visit: bool) -> tuple[DispatchQueue, ...]:
    """The queues in which a work order itself stands."""
    return WORK.get((status, has_open_visit), ())


def visits_in(queue: DispatchQueue) -> Iterator[tuple[str, bool]]:
    """The status, and whether it was turned down, of all visits of a queue."""
    return ((status.value, declined) for (status, declined), queues in VISITS.items() if queue in queues)


def work_in(queue: DispatchQueue) -> Iterator[tuple[str, bool]]:
    """The status, and whether it has an open visit, of all work orders of a queue."""
    return ((status, open) for (status, open), queues in WORK.items() if queue in queues)


def holds_visits(queue: DispatchQueue) -> bool:
    """Whether a queue is one of visits; the others are of work orders."""
    return any(queue in queues for queues in VISITS.values())
