"""Times in a calendar. They are half-open: one that ends when another begins shares no time with it."""

from datetime import datetime
from typing import Any

from app.infrastructure.conditions import Condition, all_of, column
from app.kernel.errors import InvalidInput
from schema.kit.declarations import about, inputs


@inputs
class TimeRangeInput:
    """A time from a moment up to, and without, another one. What ends when it begins does not share time with it."""

    from_: datetime = about("When it begins.", name="from")
    to: datetime = about("When it is over.")


def overlaps(range: dict[str, Any], starts: str = "starts_at", ends: str = "ends_at") -> Condition:
    """A row that begins and ends shares time with a range; one without a time does not."""
    if range["to"] <= range["from"]:
        raise InvalidInput("A range ends after it begins.", path=["to"])
    return all_of(column(starts) < range["to"], column(ends) > range["from"])
