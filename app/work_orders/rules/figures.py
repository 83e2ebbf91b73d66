"""Figures that make sense, and what is reckoned from them: amounts, minutes, windows, skill levels."""

from datetime import datetime
from decimal import Decimal

from app.kernel.errors import InvalidInput
from app.kernel.money import rounded
from app.work_orders.rules.words import LineItemKind, TimeKind

DURATION_MINUTES_DEFAULT = 60
DURATION_MINUTES_MAX = 60 * 24 * 14
TIME_ENTRY_MINUTES_MAX = 60 * 24
QUANTITY_MAX = Decimal(1_000_000)
SKILL_LEVELS = range(1, 6)


def line_amount(kind: str, quantity: Decimal, unit_price: Decimal, currency: str) -> Decimal:
    """What a line adds to the bill, rounded once; a discount takes it off."""
    if not 0 < quantity <= QUANTITY_MAX:
        raise InvalidInput(f"A quantity lies above 0 and up to {QUANTITY_MAX}.", path=["quantity"])
    if unit_price < 0:
        raise InvalidInput("A price is not negative; a line of kind DISCOUNT takes it off.", path=["unitPrice"])
    amount = rounded(quantity * unit_price, currency)
    return -amount if kind == LineItemKind.DISCOUNT else amount


def minutes_worked(started_at: datetime, ended_at: datetime) -> int:
    """Whole minutes between two moments, half a minute rounded up; ``InvalidInput`` unless they make a sensible stretch."""
    seconds = (ended_at - started_at).total_seconds()
    if seconds < 0:
        raise InvalidInput("Time ends after it begins.", path=["endedAt"])
    if seconds > TIME_ENTRY_MINUTES_MAX * 60:
        raise InvalidInput("One entry holds at most 24 hours.", path=["endedAt"])
    return int(seconds + 30) // 60


def minutes_billed(kind: str, worked_minutes: int, assessed_minutes: int | None) -> int:
    """The technician's own assessment where given; else what was worked, breaks left out."""
    if assessed_minutes is None:
        return 0 if kind == TimeKind.BREAK else worked_minutes
    if not 0 <= assessed_minutes <= TIME_ENTRY_MINUTES_MAX:
        raise InvalidInput("Billed time is 0 minutes to 24 hours.", path=["billedMinutes"])
    return assessed_minutes


def require_duration(minutes: int) -> int:
    """A visit's expected length in minutes, if it is a sensible one."""
    if not 1 <= minutes <= DURATION_MINUTES_MAX:
        raise InvalidInput(f"A duration is 1 to {DURATION_MINUTES_MAX} minutes.", path=["durationMinutes"])
    return minutes


def require_window(start: datetime | None, end: datetime | None) -> None:
    """A requested window has both ends or none, and time between them."""
    if (start is None) != (end is None):
        raise InvalidInput(
            "A window has a start and an end.",
            path=["requestedWindowEnd" if start else "requestedWindowStart"],
        )
    if start is not None and end is not None and end <= start:
        raise InvalidInput("A window ends after it begins.", path=["requestedWindowEnd"])


def require_skill_levels(required_skills: dict[str, int]) -> dict[str, int]:
    """Skill ids with the level needed, 1 to 5."""
    for level in required_skills.values():
        if isinstance(level, bool) or level not in SKILL_LEVELS:
            raise InvalidInput("A skill level is 1 to 5.", path=["requiredSkills"])
    return required_skills
