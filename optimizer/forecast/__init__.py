"""What is to come, from what was: how long visits take, and how many there will be. Each with its error on the past.

durations.py  minutes by kind of visit     demand.py  visits by day
"""

from optimizer.forecast.demand import DemandDay, DemandError, DemandForecast, Method, demand
from optimizer.forecast.durations import (
    DurationError,
    DurationForecast,
    Durations,
    Observation,
    duration_error,
    durations,
)

__all__ = [
    "DemandDay",
    "DemandError",
    "DemandForecast",
    "DurationError",
    "DurationForecast",
    "Durations",
    "Method",
    "Observation",
    "demand",
    "duration_error",
    "durations",
]
