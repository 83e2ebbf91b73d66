"""What clients see of boards, queues, days and figures."""

from datetime import datetime

from app.kernel.work import Severity
from app.scheduling.rules import AppointmentStatus, BoardRemoval, BoardRowKind, DispatchQueue
from app.technicians.rules import TechnicianStatus
from schema.customers.types import Coordinates
from schema.kit import ID, about, describe_enum, link, plain
from schema.scheduling.types import Appointment
from schema.technicians.types import Technician
from schema.work_orders.types import WorkOrder

describe_enum(
    Severity,
    "How much something asks for attention. Show it as a color, and the words beside it.",
    {
        Severity.INFO: "All is as it should be.",
        Severity.NOTICE: "Somebody should look at it in time.",
        Severity.WARNING: "Something goes wrong, or is about to.",
        Severity.CRITICAL: "Somebody must act now.",
    },
)
describe_enum(
    BoardRowKind,
    "What a row of a board is.",
    {
        BoardRowKind.VISIT: "A visit.",
        BoardRowKind.TECHNICIAN: "A technician, with what they do and whether they are there.",
    },
)
describe_enum(
    BoardRemoval,
    "Why a row is no longer on a board.",
    {
        BoardRemoval.CANCELED: "The visit was called off.",
        BoardRemoval.UNSCHEDULED: "The visit lost its time, and waits for another one.",
        BoardRemoval.MOVED_AWAY: "The visit is planned for another day now.",
        BoardRemoval.REASSIGNED: "The visit was given to technicians who are not on this board.",
        BoardRemoval.OTHER_TERRITORY: "The technician works in another territory now.",
        BoardRemoval.DEACTIVATED: "The technician has left.",
        BoardRemoval.GONE: "There is no such row any more.",
    },
)
describe_enum(
    DispatchQueue,
    "What waits for a dispatcher.",
    {
        DispatchQueue.UNTRIAGED: "Requests that nobody has looked at yet.",
        DispatchQueue.WITHOUT_VISIT: "Work that was taken on, or goes on after a hold, and has no visit to come.",
        DispatchQueue.UNSCHEDULED: "Visits without a time and technicians.",
        DispatchQueue.DECLINED: "Visits that a technician turned down, and that were not sent off since.",
        DispatchQueue.TO_DISPATCH: "Visits with a time, whose technicians were not told to go yet.",
    },
)


@plain
class BoardRow:
    """A row of a board: a visit or a technician, with what a board says about it."""

    row_kind: BoardRowKind = about("What it is.")
    row_id: ID = about("The id of the visit or technician: what you keep it by.")
    status_label: str = about(
        "What to show, in plain words, such as: On the way, 12 minutes late. Of a technician whose shifts and absences you may "
        "not see, it says nothing of them."
    )
    severity: Severity = about("How much it asks for attention.")
    late_minutes: int | None = about(
        "By how many minutes the promise is missed as things stand: the window's end, or a quarter of an hour after the planned "
        "begin where nothing was promised. 0 is in time; null where nobody can tell, and of technicians."
    )
    appointment_id: ID | None = about("The visit's id; null of technicians.")
    appointment: Appointment | None = link("The visit; null of technicians.", "appointment_id")
    technician_id: ID | None = about("The technician's id; null of visits.")
    technician: Technician | None = link("The technician; null of visits.", "technician_id")


@plain
class Board:
    """A page of a day's board, and where the journal stood before it was read."""

    cursor: str = about("Give the first page's to boardChanged as `after`: then nothing is missed.")
    starts_at: datetime = about("When the day begins there.")
    ends_at: datetime = about("When the day ends there.")
    nodes: list[BoardRow] = about("First the technicians, then the visits; sort them as you show them.")
    has_next_page: bool = about("Whether there are more rows.")
    end_cursor: str | None = about("Give it as `after` for the next page; null when there is no row.")


@plain
class BoardEvent:
    """A row of a board came, changed or went."""

    cursor: str = about("Where you stand after this event; resume with it.")
    at: datetime = about("When it happened.")
    fact: str = about("What happened, such as AppointmentDeparted.")
    row_kind: BoardRowKind = about("What the row is.")
    row_id: ID = about("The id of the visit or technician: put this row in the place of the one that you keep by it.")
    removed: bool = about("Whether the row is no longer on the board: take it away.")
    reason: BoardRemoval | None = about("Why it is not; null while it is.")
    status_label: str | None = about("What to show, in plain words; null when you may not see the row (any more).")
    severity: Severity = about("How much it asks for attention.")
    late_minutes: int | None = about("By how many minutes the promise is missed; null where nobody can tell.")
    appointment_id: ID | None = about("The visit's id; null of technicians.")
    appointment: Appointment | None = link(
        "The visit as it is now; null of technicians, and when you may not see it (any more).", "appointment_id"
    )
    technician_id: ID | None = about("The technician's id; null of visits.")
    technician: Technician | None = link(
        "The technician as they are now; null of visits, and when you may not see them (any more).", "technician_id"
    )


@plain
class DispatchQueueSize:
    """How much waits in one of the dispatcher's queues."""

    queue: DispatchQueue = about("Which queue.")
    count: int = about("How many visits or work orders of those you may see.")


@plain
class DispatchQueues:
    """The dispatcher's queues, and where the journal stood before they were counted."""

    cursor: str = about("Give it to queueChanged as `after`: then nothing is missed.")
    sizes: list[DispatchQueueSize] = about("All queues, in the order in which work comes through them.")


@plain
class QueuedRow:
    """What waits: a visit with its work order, or a work order alone."""

    row_id: ID = about("The id of the visit, or of the work order: what you keep it by.")
    queues: list[DispatchQueue] = about("The queues in which it stands.")
    appointment_id: ID | None = about("The visit's id; null of a work order.")
    appointment: Appointment | None = link("The visit; null of a work order.", "appointment_id")
    work_order_id: ID = about("The work order's id.")
    work_order: WorkOrder | None = link("The work order; null where you may not see it.", "work_order_id")


@plain
class QueuedRows:
    """A page of what stands in a queue, oldest first."""

    cursor: str = about("Give the first page's to queueChanged as `after`: then nothing is missed.")
    nodes: list[QueuedRow] = about("What waits.")
    has_next_page: bool = about("Whether there is more.")
    end_cursor: str | None = about("Give it as `after` for the next page; null when nothing waits.")


@plain
class QueueEvent:
    """Something came into a queue, changed in it, or left it."""

    cursor: str = about("Where you stand after this event; resume with it.")
    at: datetime = about("When it happened.")
    fact: str = about("What happened, such as AssignmentDeclined.")
    row_id: ID = about("The id of the visit, or of the work order.")
    in_queue: bool = about("Whether it stands in one of the queues that you follow; if not, take it away.")
    queues: list[DispatchQueue] = about("All queues in which it stands now.")
    appointment_id: ID | None = about("The visit's id; null of a work order.")
    appointment: Appointment | None = link(
        "The visit as it is now; null of a work order, and when you may not see it (any more).", "appointment_id"
    )
    work_order_id: ID = about("The work order's id.")
    work_order: WorkOrder | None = link(
        "The work order as it is now; null when you may not see it (any more).", "work_order_id"
    )
    work_order_queues: list[DispatchQueue] = about(
        "The queues in which the work order itself stands now: a visit that comes takes its work out of WITHOUT_VISIT."
    )
    sizes: list[DispatchQueueSize] = about("How much waits in each queue now.")


@plain
class DayVisit:
    """A visit of a technician's day."""

    position: int = about("Its place in the day, from 1.")
    appointment_id: ID = about("The visit's id.")
    appointment: Appointment | None = link("The visit, with all that a technician has to know.", "appointment_id")
    starts_at: datetime = about("When it is to begin.")
    ends_at: datetime = about("When it is to be over.")
    travel_minutes: int | None = about("Minutes on the road to it, by plan; null while no plan says.")
    free_minutes: int | None = about(
        "Minutes between the end of the visit before and this one, the way not taken off; null of the first."
    )
    status_label: str = about("Where it stands, in plain words.")
    severity: Severity = about("How much it asks for attention.")
    late_minutes: int | None = about("By how many minutes the promise is missed; null where nobody can tell.")


@plain
class DayLeg:
    """The way from one visit of a day to the next, or between a visit and home."""

    from_appointment_id: ID | None = about("The visit that is left; null for home.")
    to_appointment_id: ID | None = about("The visit that is driven to; null for home.")
    drive_minutes: int = about("Minutes on the road, parking and the way to the door included.")
    drive_metres: int = about("Metres on the road.")
    is_by_road: bool = about("Whether a road server told it; otherwise it is estimated, and its line is straight.")
    line: list[Coordinates] = about("The way on a map, point by point.")


@plain
class Day:
    """A technician's visits of a day in their order, and where the journal stood before they were read."""

    cursor: str = about("Give it to the subscription myDay as `after`: then nothing is missed.")
    starts_at: datetime = about("When the day begins.")
    ends_at: datetime = about("When the day ends.")
    technician_id: ID = about("Whose day it is.")
    technician: Technician | None = link("Who.", "technician_id")
    visits: list[DayVisit] = about("The visits, in the order in which they are planned.")
    work_minutes: int = about("Minutes of work that are planned for all of them.")
    travel_minutes: int = about("Minutes on the road to them, as far as a plan says.")
    legs: list[DayLeg] = about(
        "With `route`: the way from home to each visit and back. Home is left out for those who may not know where that is, "
        "and customers are told no ways; empty without `route`."
    )


@plain
class DayEvent:
    """A visit of a technician's day came, changed or went."""

    cursor: str = about("Where you stand after this event; resume with it.")
    at: datetime = about("When it happened.")
    fact: str = about("What happened, such as AppointmentRescheduled.")
    appointment_id: ID = about("Which visit.")
    appointment: Appointment | None = link("As it is now; null when it is not yours any more.", "appointment_id")
    removed: bool = about("Whether it is no longer a visit of this day: take it away.")
    reason: BoardRemoval | None = about("Why it is not; null while it is.")
    order: list[ID] = about("All visits of the day as of now, in their order.")
    status_label: str | None = about("Where it stands, in plain words; null when it is not yours any more.")
    severity: Severity = about("How much it asks for attention.")
    late_minutes: int | None = about("By how many minutes the promise is missed; null where nobody can tell.")


@plain
class VisitCount:
    """How many visits stand somewhere."""

    status: AppointmentStatus = about("Where they stand.")
    count: int = about("How many.")


@plain
class TechnicianCount:
    """How many technicians do something."""

    status: TechnicianStatus = about("What they are doing.")
    count: int = about("How many.")


@plain
class DispatchMetrics:
    """How a day goes, in figures, of what you may see. A share is of 1, so 0.95 is 95 percent."""

    cursor: str = about("Where the journal stood before it was counted.", default="")
    visits: list[VisitCount] = about("The day's visits, those that were called off included, by where they stand.")
    on_time_share: float | None = about(
        "Of the visits at which somebody arrived: at how many before the window ended, or within a quarter of an hour of the "
        "planned begin where nothing was promised. Null before the first arrival."
    )
    late_now: int = about("Visits at which nobody has arrived, and that can be reached late only as things stand.")
    unassigned: int = about("Visits that are promised or planned for the day and that nobody has.")
    technicians: list[TechnicianCount] = about("The technicians at this moment, by what they are doing.")
    utilisation: float | None = about(
        "Planned minutes of work by minutes on shift, breaks taken off; null while nobody is on shift that day, and "
        "when you may not see shifts."
    )
    travel_minutes_mean: float | None = about("Minutes on the road to a visit, on average; null while no plan says.")
    first_response_minutes_mean: float | None = about(
        "Minutes from a request to its being taken on, on average over the work taken on that day; null without any, "
        "and when you may not see work orders."
    )


@plain
class Heartbeat:
    """A sign of life."""

    cursor: str = about(
        "Where the journal stands: compare it with your last event's to see whether you are behind.", default=""
    )
    at: datetime = about("The server's time, rounded down to the interval.")
