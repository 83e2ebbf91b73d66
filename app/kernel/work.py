"""Words about work that both a company's services and the work itself use."""

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
