"""What is to come, as those who plan may ask: how long visits take, and how much work there will be."""

from datetime import date, datetime
from typing import Annotated

from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.scheduling import queries, rules
from app.scheduling.queries.forecasts import HORIZON_DAYS_MAX
from app.scheduling.rules import DemandMethod, DurationBasis
from schema.kit import ID, about, arg, describe_enum, plain, query
from schema.scheduling.operations import ZONE

describe_enum(
    DurationBasis,
    "The visits that a forecast of a duration rests on: the finest kind of which enough is known.",
    {
        DurationBasis.ALL_VISITS: "Completed visits of all kinds.",
        DurationBasis.SERVICE_TYPE: "Those of the service type.",
        DurationBasis.EQUIPMENT_MODEL: "Those of the service type to devices of the model.",
        DurationBasis.TECHNICIAN: "Those of the technician among them.",
    },
)
describe_enum(
    DemandMethod,
    "How a forecast of demand is made. Each was tried on the past; the simplest that no other clearly beats is used.",
    {
        DemandMethod.SEASONAL_NAIVE: "As much as on the same weekday of last week.",
        DemandMethod.WEEKDAY_LEVEL: "A level that follows what happens, times what the weekday is worth.",
        DemandMethod.HOLT_WINTERS: "A level, a damped trend and what the weekday adds, all of which follow what happens.",
        DemandMethod.WEEKDAY_AND_YEAR: "As WEEKDAY_LEVEL, times what the time of the year is worth; with two years or more.",
    },
)

SERVICE_TYPE = "Of this service type."


@plain
class DurationForecastError:
    """How wrong such forecasts were: visits of the past, each forecast from those before it."""

    visits: int = about("How many visits were forecast.")
    mean_absolute_minutes: float = about("By how many minutes they were wrong, on average.")
    bias_minutes: float = about("Forecast minus fact, on average: positive where visits took less.")
    planned_mean_absolute_minutes: float | None = about(
        "By how many minutes what was planned for the same visits was wrong, on average."
    )
    planned_bias_minutes: float | None = about("Planned minus fact, on average.")
    p80_coverage: float = about("Of 1, the share of visits that kept within p80Minutes; 0.8 is as it should be.")
    beats_plan: bool = about("Whether forecasts were less wrong than what was planned.")


@plain
class DurationForecast:
    """How long a visit of a kind takes on site, learned from completed visits."""

    expected_minutes: int | None = about("Minutes of work to expect, on average; null while too little is known.")
    p80_minutes: int | None = about("Minutes that four of five visits keep within; null while too little is known.")
    basis: DurationBasis | None = about("The visits it mostly rests on; null without a forecast.")
    observations: int = about("How many visits those are.")
    history_visits: int = about("How many completed visits were learned from, of all kinds; at most the latest 5,000.")
    history_since: datetime | None = about("When the first of them was completed; null without any.")
    error: DurationForecastError | None = about(
        "How wrong forecasts of all kinds were; null while that cannot be said."
    )
    sentence: str = about("What it rests on and how far to trust it, in plain words.")


@plain
class DemandDay:
    """How much new work to expect on a day."""

    day: date = about("The day.")
    expected: float = about("How many work orders to expect; 0 on a holiday.")
    low: float = about("On four of five days there are at least as many …")
    high: float = about("… and at most as many as this.")
    is_holiday: bool = about("Whether the organization's own calendar is closed that day by a holiday.")


@plain
class DemandForecastError:
    """How wrong such forecasts were: days of the past, each forecast from those before it."""

    origins: int = about("From how many moments of the past forecasts were made.")
    days: int = about("How many days they were about.")
    wape: float | None = about("All errors by all work: 0.1 is wrong by a tenth; null when there was no work.")
    mase: float | None = about("The error by that of as-last-week within the history: below 1 is better than that.")
    naive_wape: float | None = about("The wape that as-last-week would have had on the same days.")
    coverage: float | None = about(
        "Of 1, the share of days from low to high; 0.8 is as it should be. Null while that cannot be said."
    )


@plain
class DemandForecast:
    """How much new work to expect by day, from today on, learned from the work orders of up to three years."""

    days: list[DemandDay] = about("The days in their order, today first; none while too little is known.")
    method: DemandMethod | None = about("How it was made; null without a forecast.")
    history_days: int = about("How many days were learned from.")
    error: DemandForecastError | None = about("How wrong such forecasts were; null while that cannot be said.")
    sentence: str = about("How it was made and how far to trust it, in plain words.")


class Queries:
    """What clients may ask."""

    @query(
        "How long a visit takes, with how far that can be trusted. Without a kind, of any visit. An answer is up to ten "
        "minutes old.",
        permission=Permission.PLAN_SCHEDULE,
    )
    async def duration_forecast(
        actor: Actor,
        service_type_id: Annotated[ID | None, arg(SERVICE_TYPE)] = None,
        equipment_model_id: Annotated[
            ID | None,
            arg("To a device of this model; with a service type. Without it to any, or to none if for a technician."),
        ] = None,
        technician_id: Annotated[ID | None, arg("By this technician; with a service type.")] = None,
    ) -> DurationForecast:
        """The forecast and its error."""
        times, found = await queries.forecast_duration(
            actor, service_type_id=service_type_id, equipment_model_id=equipment_model_id, technician_id=technician_id
        )
        error = times.error
        basis = None if found is None else rules.BASES[found.level]
        observations = 0 if found is None else found.observations
        return DurationForecast(
            expected_minutes=None if found is None else max(1, round(found.expected_minutes)),
            p80_minutes=None if found is None else max(1, round(found.p80_minutes)),
            basis=basis,
            observations=observations,
            history_visits=times.visits,
            history_since=times.since,
            error=None
            if error is None
            else DurationForecastError(
                visits=error.visits,
                mean_absolute_minutes=error.mean_absolute_minutes,
                bias_minutes=error.bias_minutes,
                planned_mean_absolute_minutes=error.planned_mean_absolute_minutes,
                planned_bias_minutes=error.planned_bias_minutes,
                p80_coverage=error.p80_coverage,
                beats_plan=error.beats_plan,
            ),
            sentence=rules.duration_in_words(
                basis,
                observations,
                times.visits,
                None if error is None else error.mean_absolute_minutes,
                None if error is None else error.planned_mean_absolute_minutes,
            ),
        )

    @query(
        "How many new work orders to expect by day, of all kinds or of one, with how far that can be trusted. An answer is up "
        "to ten minutes old.",
        permission=Permission.PLAN_SCHEDULE,
    )
    async def demand_forecast(
        actor: Actor,
        days: Annotated[int, arg(f"How many days from today on, 1 to {HORIZON_DAYS_MAX}.")] = 14,
        service_type_id: Annotated[ID | None, arg(SERVICE_TYPE)] = None,
        territory_id: Annotated[ID | None, arg("At sites of this territory.")] = None,
        skill_id: Annotated[ID | None, arg("That requires this skill.")] = None,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
    ) -> DemandForecast:
        """The forecast and its error."""
        found = await queries.forecast_demand(
            actor,
            days,
            service_type_id=service_type_id,
            territory_id=territory_id,
            skill_id=skill_id,
            time_zone=time_zone,
        )
        if found is None:
            return DemandForecast(
                days=[], method=None, history_days=0, error=None, sentence=rules.demand_in_words(None, 0, None, None)
            )
        error, method = found.error, DemandMethod(found.method)
        return DemandForecast(
            days=[
                DemandDay(day=one.day, expected=one.expected, low=one.low, high=one.high, is_holiday=one.is_closed)
                for one in found.days[:days]
            ],
            method=method,
            history_days=found.history_days,
            error=None
            if error is None
            else DemandForecastError(
                origins=error.origins,
                days=error.days,
                wape=error.wape,
                mase=error.mase,
                naive_wape=error.naive_wape,
                coverage=error.coverage,
            ),
            sentence=rules.demand_in_words(
                method,
                found.history_days,
                None if error is None else error.wape,
                None if error is None else error.naive_wape,
            ),
        )
