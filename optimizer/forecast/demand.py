"""How many visits to expect each day, learned from how many there were.

Four methods, from simple to less simple. Each forecasts the past from what came before it (rolling origin), and the
simplest that is not clearly beaten is used:

    SEASONAL_NAIVE     as on the same weekday of last week
    WEEKDAY_LEVEL      a level that follows what happens, times what the weekday is worth
    HOLT_WINTERS       level, damped trend and weekday, all of them following (additive, weekly)
    WEEKDAY_AND_YEAR   as WEEKDAY_LEVEL, times what the time of the year is worth; with two years or more

A closed day (a holiday) has no visits, and nothing is learned from it. Errors: WAPE is the sum of all errors by the sum
of all visits; MASE is the mean error by that of "as last week" within the history: below 1 is better than that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from math import sqrt
from statistics import fmean

WEEK = 7
YEAR = 365.25
DAYS_MIN = 28
DAYS_MAX = 3 * 366
HORIZON_MAX = 366
ORIGINS_MAX = 8
WEEKS_BETWEEN_MAX = 6
TESTED_DAYS = 28
# A less simple method has to be better by this share.
CLEARLY = 0.02
INTERVAL = (0.1, 0.9)
LEVELS = (0.02, 0.05, 0.1, 0.2)
HOLT_WINTERS = [(level, trend, season) for level in (0.05, 0.2) for trend in (0.0, 0.02) for season in (0.05, 0.2)]
DAMPING = 0.98
# What a week of the year is worth rests on the weeks around it, and a year counts for as much as this many of them say.
YEAR_WEEKS_AROUND = 2
YEAR_PRIOR_DAYS = 14.0


class Method(StrEnum):
    """How a forecast was made."""

    SEASONAL_NAIVE = "SEASONAL_NAIVE"
    WEEKDAY_LEVEL = "WEEKDAY_LEVEL"
    HOLT_WINTERS = "HOLT_WINTERS"
    WEEKDAY_AND_YEAR = "WEEKDAY_AND_YEAR"


@dataclass(frozen=True, slots=True)
class DemandDay:
    """What to expect of a day: four of five days lie from `low` to `high`."""

    day: date
    expected: float
    low: float
    high: float
    is_closed: bool


@dataclass(frozen=True, slots=True)
class DemandError:
    """How wrong the method was on `days` days of the past, from `origins` moments, beside "as last week".
    `coverage` is the share of days within the interval that was known then; None with too few moments."""

    origins: int
    days: int
    wape: float | None
    mase: float | None
    naive_wape: float | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class DemandForecast:
    """The forecast, and how far the method that made it can be trusted; `error` is None where nothing could be tested."""

    method: Method
    days: tuple[DemandDay, ...]
    history_days: int
    error: DemandError | None


@dataclass(frozen=True, slots=True)
class _Past:
    """Days without a gap, which of them were open, and in which week of the year each lies; of weeks, those of the
    days to come are known as well."""

    counts: Sequence[float]
    opened: Sequence[bool]
    weeks: Sequence[int]

    def __len__(self) -> int:
        return len(self.counts)

    def is_open(self, at: int) -> bool:
        return self.opened[at]

    def until(self, length: int) -> "_Past":
        return _Past(self.counts[:length], self.opened, self.weeks)


def demand(
    history: Mapping[date, float],
    *,
    last: date,
    horizon: int,
    closed: Collection[date] = (),
) -> DemandForecast | None:
    """What to expect on the `horizon` days after `last`, the last whole day that the history knows.

    The history begins with its first day, and days that it does not name had none. None when it is shorter than
    `DAYS_MIN` days, which say too little. `closed` are holidays, past and to come.
    """
    if not 1 <= horizon <= HORIZON_MAX:
        raise ValueError(f"horizon: must lie between 1 and {HORIZON_MAX}.")
    known = [day for day, count in history.items() if day <= last and count > 0]
    if not known:
        return None
    first = max(min(known), last - timedelta(days=DAYS_MAX - 1))
    length = (last - first).days + 1
    shut = frozenset(closed)
    calendar = [first + timedelta(days=at) for at in range(length + horizon)]
    past = _Past(
        [history.get(day, 0.0) for day in calendar[:length]],
        [day not in shut for day in calendar],
        [(day.timetuple().tm_yday - 1) // WEEK for day in calendar],
    )
    if sum(past.is_open(at) for at in range(length)) < DAYS_MIN:
        return None
    methods = [one for one in Method if one is not Method.WEEKDAY_AND_YEAR or length >= 2 * YEAR]
    tests = {method: _tested(past, method, min(horizon, TESTED_DAYS)) for method in methods}
    chosen = _simplest(tests)
    expected = _forecast(past, chosen, horizon)
    residuals = [(fact - guess) / _deviation(guess) for test in tests[chosen] for guess, fact in test]
    low, high = _interval(residuals)
    days = []
    for day, each in zip(calendar[length:], expected, strict=True):
        is_closed = day in shut
        value = 0.0 if is_closed else each
        spread = 0.0 if is_closed else _deviation(value)
        days.append(DemandDay(day, value, max(0.0, value + low * spread), max(0.0, value + high * spread), is_closed))
    return DemandForecast(chosen, tuple(days), length, _error(past, tests[chosen], tests[Method.SEASONAL_NAIVE]))


Test = list[tuple[float, float]]


def _tested(past: _Past, method: Method, horizon: int) -> list[Test]:
    """What the method would have said at some moments of the past, and what came; closed days do not count."""
    tests = []
    # With a long history over the whole year: what is right in autumn may be wrong in spring.
    step = WEEK * max(1, min(WEEKS_BETWEEN_MAX, len(past) // 2 // WEEK // ORIGINS_MAX))
    for origin in range(ORIGINS_MAX, 0, -1):
        begin = len(past) - origin * step
        end = min(len(past), begin + horizon)
        if begin < DAYS_MIN:
            continue
        guesses = _forecast(past.until(begin), method, end - begin)
        tests.append(
            [(guess, past.counts[at]) for at, guess in zip(range(begin, end), guesses, strict=True) if past.is_open(at)]
        )
    return tests


def _simplest(tests: Mapping[Method, list[Test]]) -> Method:
    """The first method that is not clearly beaten by a later one; the weekday's level where nothing could be tested."""
    errors = {method: sum(abs(guess - fact) for test in each for guess, fact in test) for method, each in tests.items()}
    if not any(tests[Method.SEASONAL_NAIVE]):
        return Method.WEEKDAY_LEVEL
    best = min(errors.values())
    return next(method for method in Method if method in errors and errors[method] <= best * (1 + CLEARLY))


def _forecast(past: _Past, method: Method, horizon: int) -> list[float]:
    make = {
        Method.SEASONAL_NAIVE: _seasonal_naive,
        Method.WEEKDAY_LEVEL: _weekday_level,
        Method.HOLT_WINTERS: _holt_winters,
        Method.WEEKDAY_AND_YEAR: _weekday_and_year,
    }[method]
    return [max(0.0, each) for each in make(past, horizon)]


def _seasonal_naive(past: _Past, horizon: int) -> list[float]:
    """As on the last open day of the same weekday."""
    by_weekday: dict[int, float] = {}
    for at in range(len(past)):
        if past.is_open(at):
            by_weekday[at % WEEK] = past.counts[at]
    return [by_weekday.get((len(past) + ahead) % WEEK, 0.0) for ahead in range(horizon)]


def _weekday_level(past: _Past, horizon: int) -> list[float]:
    factors = _weekday_factors(past, past.counts)
    level = _best_level(past, past.counts, factors)
    return [level * factors[(len(past) + ahead) % WEEK] for ahead in range(horizon)]


def _weekday_factors(past: _Past, counts: Sequence[float]) -> list[float]:
    """What each weekday is worth beside the mean of all, by the last year; 0 where nothing ever happens."""
    days: list[list[float]] = [[] for _ in range(WEEK)]
    for at in range(max(0, len(past) - 364), len(past)):
        if past.is_open(at):
            days[at % WEEK].append(counts[at])
    means = [fmean(each) if each else 0.0 for each in days]
    middle = fmean(means)
    return [mean / middle if middle else 0.0 for mean in means]


def _best_level(past: _Past, counts: Sequence[float], factors: Sequence[float]) -> float:
    """The level in the end, by the smoothing that would have been least wrong one week ahead."""
    return min((_smoothed(past, counts, factors, share) for share in LEVELS), key=lambda one: one[0])[1]


def _smoothed(past: _Past, counts: Sequence[float], factors: Sequence[float], share: float) -> tuple[float, float]:
    opened = [at for at in range(len(past)) if past.is_open(at)]
    level = fmean(counts[at] for at in opened[: 2 * WEEK]) if opened else 0.0
    error = 0.0
    history = [level]
    for number, at in enumerate(opened):
        factor = factors[at % WEEK]
        # A week ahead, as forecasts are: the day before would favour whatever follows fastest.
        error += abs(counts[at] - factor * history[max(0, number - WEEK)])
        # In one step for the day's share of the week, so that a quiet Sunday does not move the level by its noise.
        level += share * (counts[at] - factor * level)
        history.append(level)
    return error, level


def _holt_winters(past: _Past, horizon: int) -> list[float]:
    """Additive, with a damped trend, by the parameters that would have been least wrong."""
    fits = (_holt_winters_with(past, horizon, *parameters) for parameters in HOLT_WINTERS)
    return min(fits, key=lambda one: one[0])[1]


def _holt_winters_with(past: _Past, horizon: int, alpha: float, beta: float, gamma: float) -> tuple[float, list[float]]:
    beginning = past.until(min(len(past), DAYS_MIN))
    opened = [at for at in range(len(beginning)) if past.is_open(at)]
    level, trend = fmean(past.counts[at] for at in opened) if opened else 0.0, 0.0
    season = [
        fmean([past.counts[at] - level for at in opened if at % WEEK == weekday] or [-level]) for weekday in range(WEEK)
    ]
    error = 0.0
    for at in range(len(past)):
        trend *= DAMPING
        if not past.is_open(at):
            level += trend
            continue
        weekday, count = at % WEEK, past.counts[at]
        guess = level + trend + season[weekday]
        error += abs(count - guess)
        before = level
        level = alpha * (count - season[weekday]) + (1 - alpha) * (level + trend)
        trend = beta * (level - before) + (1 - beta) * trend
        season[weekday] = gamma * (count - level) + (1 - gamma) * season[weekday]
    made, ahead_trend = [], 0.0
    for ahead in range(horizon):
        ahead_trend += trend * DAMPING ** (ahead + 1)
        made.append(level + ahead_trend + season[(len(past) + ahead) % WEEK])
    return error, made


def _weekday_and_year(past: _Past, horizon: int) -> list[float]:
    weekdays = _weekday_factors(past, past.counts)
    weeks = _year_factors(past, weekdays)
    calm = [count / weeks[past.weeks[at]] for at, count in enumerate(past.counts)]
    factors = _weekday_factors(past, calm)
    level = _best_level(past, calm, factors)
    return [level * factors[at % WEEK] * weeks[past.weeks[at]] for at in range(len(past), len(past) + horizon)]


def _year_factors(past: _Past, weekdays: Sequence[float]) -> list[float]:
    """What each week of the year is worth beside its year, drawn to 1 the less is known of it; each 0.2 to 5."""
    size = round(YEAR)
    got, usual = [0.0] * 53, [0.0] * 53
    for end in range(len(past), size - 1, -size):
        days = [at for at in range(end - size, end) if past.is_open(at)]
        level = sum(past.counts[at] for at in days) / (sum(weekdays[at % WEEK] for at in days) or 1.0)
        for at in days:
            got[past.weeks[at]] += past.counts[at]
            usual[past.weeks[at]] += level * weekdays[at % WEEK]
    mean = sum(usual) / max(1, sum(past.is_open(at) for at in range(len(past))))
    prior = YEAR_PRIOR_DAYS * mean
    factors = []
    for week in range(53):
        around = [(week + step) % 53 for step in range(-YEAR_WEEKS_AROUND, YEAR_WEEKS_AROUND + 1)]
        expected = sum(usual[one] for one in around)
        factor = (sum(got[one] for one in around) + prior) / (expected + prior) if expected + prior else 1.0
        factors.append(max(0.2, min(5.0, factor)))
    return factors


def _deviation(expected: float) -> float:
    """Counts spread with the root of what is expected, and a day with next to none is not without surprise."""
    return sqrt(max(expected, 0.25))


def _interval(residuals: Sequence[float]) -> tuple[float, float]:
    """How many deviations below and above four of five days lie; as counts by chance do, where too few are known."""
    if len(residuals) < DAYS_MIN:
        return -1.28, 1.28
    ordered = sorted(residuals)
    low, high = (ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] for share in INTERVAL)
    return min(low, 0.0), max(high, 0.0)


def _error(past: _Past, tests: list[Test], naive: list[Test]) -> DemandError | None:
    flat = [pair for test in tests for pair in test]
    if not flat:
        return None
    visits = sum(fact for _, fact in flat)
    wrong = fmean(abs(guess - fact) for guess, fact in flat)
    pairs = [at for at in range(WEEK, len(past)) if past.is_open(at) and past.is_open(at - WEEK)]
    usual = [abs(past.counts[at] - past.counts[at - WEEK]) for at in pairs]
    step = fmean(usual) if usual else 0.0
    wrong_naive = sum(abs(guess - fact) for test in naive for guess, fact in test)
    return DemandError(
        origins=len(tests),
        days=len(flat),
        wape=wrong * len(flat) / visits if visits else None,
        mase=wrong / step if step else None,
        naive_wape=wrong_naive / visits if visits else None,
        coverage=_coverage(tests),
    )


def _coverage(tests: list[Test]) -> float | None:
    """The share of days within intervals that were made from the moments before theirs."""
    inside: list[bool] = []
    for number in range(1, len(tests)):
        before = [(fact - guess) / _deviation(guess) for test in tests[:number] for guess, fact in test]
        if len(before) < DAYS_MIN:
            continue
        low, high = _interval(before)
        inside += [
            max(0.0, guess + low * _deviation(guess)) <= fact <= guess + high * _deviation(guess)
            for guess, fact in tests[number]
        ]
    return fmean(inside) if inside else None
