"""What people are told of, and how long it is kept."""

from datetime import timedelta
from enum import StrEnum

TITLE_LENGTH_MAX = 200
BODY_LENGTH_MAX = 500
EXCERPT_LENGTH = 200
READ_ONES_KEPT = timedelta(days=30)
ALL_KEPT = timedelta(days=180)
MARKED_MAX = 100


class NotificationKind(StrEnum):
    """What somebody is told."""

    ASSIGNMENT_PROPOSED = "ASSIGNMENT_PROPOSED"
    ASSIGNMENT_RELEASED = "ASSIGNMENT_RELEASED"
    VISIT_SCHEDULED = "VISIT_SCHEDULED"
    VISIT_RESCHEDULED = "VISIT_RESCHEDULED"
    VISIT_CANCELED = "VISIT_CANCELED"
    WORK_COMPLETED = "WORK_COMPLETED"
    MESSAGE_RECEIVED = "MESSAGE_RECEIVED"
    ALERT_RAISED = "ALERT_RAISED"
    API_KEY_EXPIRING = "API_KEY_EXPIRING"
    SECURITY_NOTICE = "SECURITY_NOTICE"
    ACCESS_REQUESTED = "ACCESS_REQUESTED"


def shortened(text: str, longest: int) -> str:
    """A text in one line, cut at its end if it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
