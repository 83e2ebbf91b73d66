"""How many visits there will be: weekdays, holidays, level, trend and season, by the simplest method that does."""

import random
from datetime import date, timedelta
from math import cos, pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.forecast import Method, demand

LAST = date(2026, 10, 31)
WEEK = (1.2, 1.0, 1.0, 1.0, 0.8, 0.2, 0.0)


def history(
    days: int, *, mean: float = 30, noise: bool = True, season: float = 0.0, growth: float = 0.0
) -> dict[date, float]:
    dice = random.Random(days)
    made = {}
    for at in range(days):
        day = LAST - timedelta(days=days - 1 - at)
        year = 1 + season * cos(2 * pi * day.timetuple().tm_yday / 365.25)
        expected = mean * WEEK[day.weekday()] * year * (1 + growth * at / days)
        made[day] = max(0.0, round(dice.gauss(expected, expected**0.5 if noise else 0)))
    return made


def test_four_weeks_are_too_short_and_one_day_more_is_not() -> None:
    assert demand({}, last=LAST, horizon=7) is None
    assert demand({LAST: 0.0}, last=LAST, horizon=7) is None
    assert demand(history(27, mean=100), last=LAST, horizon=7) is None
    made = demand(dict.fromkeys((LAST - timedelta(days=at) for at in range(28)), 5.0), last=LAST, horizon=7)
    assert made is not None and made.error is None
    assert [round(one.expected, 6) for one in made.days] == [5.0] * 7


@pytest.mark.parametrize("horizon", [0, -1, 367])
def test_an_absurd_horizon_is_refused(horizon: int) -> None:
    with pytest.raises(ValueError, match="horizon"):
        demand(history(60), last=LAST, horizon=horizon)


def test_days_follow_the_last_one_and_weekdays_are_worth_what_they_were() -> None:
    made = demand(history(200), last=LAST, horizon=14)
    assert made is not None
    assert [one.day for one in made.days] == [LAST + timedelta(days=ahead) for ahead in range(1, 15)]
    by_weekday = {one.day.weekday(): one.expected for one in made.days}
    assert by_weekday[6] == 0
    assert by_weekday[0] == pytest.approx(36, rel=0.15)
    assert by_weekday[5] == pytest.approx(6, rel=0.4)
    assert all(0 <= one.low <= one.expected <= one.high for one in made.days)


def test_a_holiday_has_no_visits_and_teaches_nothing() -> None:
    full = history(200, noise=False)
    shut = {LAST - timedelta(days=at) for at in (8, 15, 44)} | {LAST + timedelta(days=2)}
    gaps = {day: count for day, count in full.items() if day not in shut}
    made, whole = (demand(one, last=LAST, horizon=7, closed=shut) for one in (gaps, full))
    assert made is not None and made == whole
    closed = made.days[1]
    assert (closed.is_closed, closed.expected, closed.low, closed.high) == (True, 0.0, 0.0, 0.0)
    assert made.days[2].expected == pytest.approx(30, rel=0.05)
    assert made.error is not None and made.error.wape == pytest.approx(0, abs=0.02)


def test_noise_is_smoothed_rather_than_repeated() -> None:
    made = demand(history(364), last=LAST, horizon=28)
    assert made is not None and made.error is not None
    assert made.method is not Method.SEASONAL_NAIVE
    assert made.error.wape is not None and made.error.naive_wape is not None and made.error.mase is not None
    assert made.error.wape < 0.9 * made.error.naive_wape
    assert made.error.mase < 0.85
    assert made.error.coverage == pytest.approx(0.8, abs=0.1)


def test_what_repeats_exactly_needs_nothing_but_the_last_week() -> None:
    made = demand(history(200, noise=False), last=LAST, horizon=7)
    assert made is not None and made.method is Method.SEASONAL_NAIVE
    assert made.error is not None and made.error.wape == 0


def test_growth_is_followed() -> None:
    steep = demand(history(300, mean=20, growth=3.0), last=LAST, horizon=7)
    assert steep is not None
    assert sum(one.expected for one in steep.days) == pytest.approx(80 * sum(WEEK), rel=0.12)


def test_the_time_of_the_year_counts_once_two_years_are_known() -> None:
    """Winter is three times summer: what is to come after October is more than there was in October."""
    long, short = (demand(history(days, mean=40, season=0.5), last=LAST, horizon=90) for days in (1095, 400))
    assert long is not None and short is not None
    assert long.method is Method.WEEKDAY_AND_YEAR
    assert short.method is not Method.WEEKDAY_AND_YEAR
    truth = sum(
        40 * WEEK[one.day.weekday()] * (1 + 0.5 * cos(2 * pi * one.day.timetuple().tm_yday / 365.25))
        for one in long.days
    )
    assert sum(one.expected for one in long.days) == pytest.approx(truth, rel=0.1)


def test_three_years_at_most_are_looked_at() -> None:
    made = demand(history(2000), last=LAST, horizon=1)
    assert made is not None and made.history_days == 3 * 366


def test_days_after_the_last_are_not_looked_at() -> None:
    known = history(200)
    assert demand(known | {LAST + timedelta(days=1): 1000.0}, last=LAST, horizon=7) == demand(
        known, last=LAST, horizon=7
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 60), min_size=28, max_size=120),
    st.integers(1, 40),
    st.sets(st.integers(-100, 40), max_size=12),
)
def test_a_forecast_is_never_negative_and_its_interval_holds_it(
    counts: list[int], horizon: int, shut: set[int]
) -> None:
    known = {LAST - timedelta(days=at): float(count) for at, count in enumerate(counts)}
    closed = {LAST + timedelta(days=at) for at in shut}
    made = demand(known, last=LAST, horizon=horizon, closed=closed)
    if made is None:
        return
    assert len(made.days) == horizon
    assert all(0 <= one.low <= one.expected <= one.high < 10_000 for one in made.days)
    assert all((one.expected == 0) for one in made.days if one.day in closed)
    assert made.error is None or made.error.coverage is None or 0 <= made.error.coverage <= 1
