"""What is true of requests about personal data and of consents: kinds, the lifecycle, how long things take and last."""

from datetime import timedelta
from enum import StrEnum

from app.kernel.errors import Conflict
from app.kernel.lifecycle import Lifecycle

DUE_AFTER = timedelta(days=30)
COPY_KEPT = timedelta(days=7)
LINK_LASTS = timedelta(minutes=15)
REASON_LENGTH_MAX = 500
ERROR_LENGTH_MAX = 500
TEXT_VERSION_LENGTH_MAX = 80


class DataRequestKind(StrEnum):
    """What somebody wants done with what is kept of a person."""

    EXPORT = "EXPORT"
    ERASURE = "ERASURE"


class DataRequestStatus(StrEnum):
    """Where a request stands."""

    RECEIVED = "RECEIVED"
    APPROVED = "APPROVED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    REFUSED = "REFUSED"


S = DataRequestStatus
OPEN = (S.RECEIVED, S.APPROVED, S.RUNNING)

# What broke off goes back to approved, with the reason, so that it can be begun again.
DATA_REQUEST: Lifecycle[DataRequestStatus] = Lifecycle(
    "data request",
    {
        S.RECEIVED: frozenset({S.APPROVED, S.REFUSED}),
        S.APPROVED: frozenset({S.RUNNING, S.REFUSED}),
        S.RUNNING: frozenset({S.DONE, S.APPROVED}),
        S.DONE: frozenset(),
        S.REFUSED: frozenset(),
    },
)


class ConsentPurpose(StrEnum):
    """What a consent is for."""

    LOCATION_SHARING = "LOCATION_SHARING"
    MARKETING = "MARKETING"


class ConsentChannel(StrEnum):
    """How somebody said it."""

    APP = "APP"
    WEB = "WEB"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    PAPER = "PAPER"
    IN_PERSON = "IN_PERSON"


class ConsentWithdrawn(Conflict):
    """Whom it is about took back what they had agreed to."""
