"""What a forecast rests on, in words of the API and in plain ones."""

from enum import StrEnum


class DurationBasis(StrEnum):
    """The visits that a forecast of a duration rests on, from coarse to fine."""

    ALL_VISITS = "ALL_VISITS"
    SERVICE_TYPE = "SERVICE_TYPE"
    EQUIPMENT_MODEL = "EQUIPMENT_MODEL"
    TECHNICIAN = "TECHNICIAN"


class DemandMethod(StrEnum):
    """How a forecast of demand is made, from simple to less simple."""

    SEASONAL_NAIVE = "SEASONAL_NAIVE"
    WEEKDAY_LEVEL = "WEEKDAY_LEVEL"
    HOLT_WINTERS = "HOLT_WINTERS"
    WEEKDAY_AND_YEAR = "WEEKDAY_AND_YEAR"


BASES = tuple(DurationBasis)
_VISITS_OF = {
    DurationBasis.ALL_VISITS: "of all kinds",
    DurationBasis.SERVICE_TYPE: "of this service type",
    DurationBasis.EQUIPMENT_MODEL: "of this service type to such devices",
    DurationBasis.TECHNICIAN: "of this kind by this technician",
}
_METHODS = {
    DemandMethod.SEASONAL_NAIVE: "As on the same weekdays before",
    DemandMethod.WEEKDAY_LEVEL: "By the weekday, at the level of late",
    DemandMethod.HOLT_WINTERS: "By the weekday, at the level of late and where it is going",
    DemandMethod.WEEKDAY_AND_YEAR: "By the weekday and the time of the year, at the level of late",
}


def duration_in_words(
    basis: DurationBasis | None, observations: int, visits: int, error: float | None, planned_error: float | None
) -> str:
    """What a forecast of a duration rests on, and how wrong such forecasts were."""
    if basis is None:
        return f"Too little is known: {_count(visits, 'visit was', 'visits were')} completed so far."
    said = f"Rests on {_count(observations, 'visit', 'visits')} {_VISITS_OF[basis]}"
    if error is None:
        return f"{said}; too few to say how wrong it may be."
    if planned_error is None:
        return f"{said}; such forecasts were wrong by {error:.0f} minutes on average."
    return (
        f"{said}; such forecasts were wrong by {error:.0f} minutes on average, what was planned by {planned_error:.0f}."
    )


def demand_in_words(method: DemandMethod | None, days: int, error: float | None, naive_error: float | None) -> str:
    """How a forecast of demand is made, and how wrong such forecasts were."""
    if method is None:
        return "Too little is known: a forecast needs four weeks of work."
    said = f"{_METHODS[method]}, learned from {_count(days, 'day', 'days')}"
    if error is None or naive_error is None:
        return f"{said}; too few to say how wrong it may be."
    return f"{said}; wrong by {error:.0%} of the work in the past, where as last week would have been by {naive_error:.0%}."


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
