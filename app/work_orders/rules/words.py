"""The words of the room: what work orders, their lines, notes and times can be."""

from enum import StrEnum

from app.kernel.work import Evidence as Evidence
from app.kernel.work import Priority as Priority
from app.messaging.rules import AuthorKind as AuthorKind


class WorkOrderStatus(StrEnum):
    """Where a work order stands."""

    SUBMITTED = "SUBMITTED"
    TRIAGED = "TRIAGED"
    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    ON_HOLD = "ON_HOLD"
    COMPLETED = "COMPLETED"
    APPROVED = "APPROVED"
    CLOSED = "CLOSED"
    CANNOT_COMPLETE = "CANNOT_COMPLETE"
    CANCELED = "CANCELED"
    DECLINED = "DECLINED"


class HoldReason(StrEnum):
    """What a work order on hold waits for."""

    AWAITING_PARTS = "AWAITING_PARTS"
    WAITING_ON_VENDOR = "WAITING_ON_VENDOR"
    WAITING_ON_CUSTOMER = "WAITING_ON_CUSTOMER"
    CUSTOMER_DECISION = "CUSTOMER_DECISION"
    ESCALATED = "ESCALATED"


class CancelReason(StrEnum):
    """Why work is called off."""

    CUSTOMER_REQUEST = "CUSTOMER_REQUEST"
    PROBLEM_SOLVED = "PROBLEM_SOLVED"
    DUPLICATE = "DUPLICATE"
    CREATED_IN_ERROR = "CREATED_IN_ERROR"
    QUOTE_REFUSED = "QUOTE_REFUSED"
    CUSTOMER_UNREACHABLE = "CUSTOMER_UNREACHABLE"
    OTHER = "OTHER"


class DeclineReason(StrEnum):
    """Why a request is not taken on."""

    OUT_OF_AREA = "OUT_OF_AREA"
    SERVICE_NOT_OFFERED = "SERVICE_NOT_OFFERED"
    NO_CAPACITY = "NO_CAPACITY"
    CUSTOMER_ON_HOLD = "CUSTOMER_ON_HOLD"
    DUPLICATE = "DUPLICATE"
    OTHER = "OTHER"


class CannotCompleteReason(StrEnum):
    """Why work that was begun or booked ends undone."""

    CUSTOMER_NO_SHOW = "CUSTOMER_NO_SHOW"
    NO_ACCESS = "NO_ACCESS"
    CONTACT_UNREACHABLE = "CONTACT_UNREACHABLE"
    PARTS_UNAVAILABLE = "PARTS_UNAVAILABLE"
    SCOPE_DIFFERENT = "SCOPE_DIFFERENT"
    UNSAFE = "UNSAFE"
    WEATHER = "WEATHER"
    CUSTOMER_REFUSED = "CUSTOMER_REFUSED"
    BEYOND_REPAIR = "BEYOND_REPAIR"
    OTHER = "OTHER"


class Channel(StrEnum):
    """How a request reached us."""

    PORTAL = "PORTAL"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    TECHNICIAN = "TECHNICIAN"
    MONITORING = "MONITORING"
    MAINTENANCE_PLAN = "MAINTENANCE_PLAN"
    PARTNER_API = "PARTNER_API"
    IMPORT = "IMPORT"


class LineItemKind(StrEnum):
    """What a line charges for."""

    LABOR = "LABOR"
    PART = "PART"
    TRIP = "TRIP"
    FEE = "FEE"
    DISCOUNT = "DISCOUNT"


class NoteVisibility(StrEnum):
    """Who may read a note."""

    INTERNAL = "INTERNAL"
    CUSTOMER = "CUSTOMER"


class TimeKind(StrEnum):
    """What time was spent on."""

    TRAVEL = "TRAVEL"
    DIAGNOSIS = "DIAGNOSIS"
    REPAIR = "REPAIR"
    TESTING = "TESTING"
    WAITING = "WAITING"
    BREAK = "BREAK"


class WorkQueue(StrEnum):
    """Named lists of work that wants somebody's attention."""

    UNTRIAGED = "UNTRIAGED"
    UNASSIGNED = "UNASSIGNED"
    ON_HOLD = "ON_HOLD"
    AWAITING_PARTS = "AWAITING_PARTS"
    WAITING_ON_CUSTOMER = "WAITING_ON_CUSTOMER"
    ESCALATED = "ESCALATED"
    ISSUES = "ISSUES"
    OVERDUE = "OVERDUE"
    OPEN_OVER_A_WEEK = "OPEN_OVER_A_WEEK"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    WITHOUT_LINE_ITEMS = "WITHOUT_LINE_ITEMS"
    READY_TO_CLOSE = "READY_TO_CLOSE"
