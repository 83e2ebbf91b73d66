"""Times that are kept free for a customer who is choosing: how long, how many, and what becomes of them. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from app.kernel.errors import Conflict, InvalidInput
from app.kernel.lifecycle import Lifecycle

HOLD_MINUTES_DEFAULT = 10
HOLD_MINUTES_MAX = 60
# Of one customer account at a time, so that nobody keeps the whole day from the others.
HOLDS_MAX = 5
HOLDS_KEPT = timedelta(days=30)
SLOTS_MAX = 50
SLOT_DAYS_MAX = 14
WINDOW_MINUTES_MIN = 30
WINDOW_MINUTES_MAX = 12 * 60


class SlotHoldStatus(StrEnum):
    """Where a time that was kept free stands."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


S = SlotHoldStatus
SLOT_HOLD = Lifecycle[SlotHoldStatus](
    "slot hold",
    {
        S.HELD: frozenset({S.CONFIRMED, S.RELEASED, S.EXPIRED}),
        S.CONFIRMED: frozenset(),
        S.RELEASED: frozenset(),
        S.EXPIRED: frozenset(),
    },
)


def hold_ends_at(now: datetime, minutes: int) -> datetime:
    """Until when a time is kept free."""
    if not 1 <= minutes <= HOLD_MINUTES_MAX:
        raise InvalidInput(f"A time is kept free for 1 to {HOLD_MINUTES_MAX} minutes.", path=["minutes"])
    return now + timedelta(minutes=minutes)


def require_unexpired(status: str, expires_at: datetime, now: datetime) -> None:
    """Raise ``Conflict`` for a hold whose time is over, whether or not somebody has noticed it yet."""
    if status == SlotHoldStatus.HELD and expires_at <= now:
        raise Conflict("The time was kept free until a moment ago; choose anew.", path=["id"])


def require_slot_window(start: datetime, end: datetime, now: datetime) -> None:
    """A window that can be promised lies ahead and is neither tiny nor a whole day."""
    minutes = (end - start).total_seconds() / 60
    if not WINDOW_MINUTES_MIN <= minutes <= WINDOW_MINUTES_MAX:
        message = f"A window has {WINDOW_MINUTES_MIN} to {WINDOW_MINUTES_MAX} minutes."
        raise InvalidInput(message, path=["windowEnd"])
    if end <= now:
        raise InvalidInput("This window is over.", path=["windowEnd"])
