"""Words about work that several rooms use."""

from enum import StrEnum


class Priority(StrEnum):
    """How urgent work is, least first."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"
    EMERGENCY = "EMERGENCY"


class Evidence(StrEnum):
    """What a service type can ask for, and the work order can show, before its work is complete."""

    NOTE = "NOTE"
    TIME = "TIME"


class Severity(StrEnum):
    """How much something on a board asks for attention, least first. A board's color goes with the word."""

    INFO = "INFO"
    NOTICE = "NOTICE"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"
