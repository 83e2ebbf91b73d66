"""How long visits take: few visits lean on many, what is absurd pulls nothing away, and the error is told honestly."""

import random
from math import exp
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.forecast import Observation, duration_error, durations


def visits(
    count: int, *, minutes: float, spread: float = 0.3, kind: tuple[str | None, ...] = (), seed: int = 0
) -> list[Observation]:
    dice = random.Random(f"{seed} {kind}")
    return [Observation(number, kind, minutes * exp(dice.gauss(0, spread)), minutes) for number in range(count)]


REPAIRS, CHECKS = visits(200, minutes=90, kind=("repair",)), visits(200, minutes=30, kind=("check",))


def test_too_few_visits_say_nothing() -> None:
    assert durations([]) is None
    assert durations(visits(9, minutes=60)) is None
    assert durations(visits(10, minutes=60)) is not None
    assert duration_error(visits(19, minutes=60)) is None
    assert durations([Observation(0, (), 0.0)] * 50) is None


def test_kinds_with_many_visits_speak_for_themselves() -> None:
    model = durations([*REPAIRS, *CHECKS])
    assert model is not None
    repair, check = model.forecast(("repair",)), model.forecast(("check",))
    assert (repair.level, repair.observations) == (check.level, check.observations) == (1, 200)
    # The mean of log-normal times lies above their median by half their variance.
    assert repair.expected_minutes == pytest.approx(90 * exp(0.3**2 / 2), rel=0.05)
    assert check.expected_minutes == pytest.approx(30 * exp(0.3**2 / 2), rel=0.05)
    assert repair.p80_minutes == pytest.approx(90 * exp(0.8416 * 0.3), rel=0.06)


def test_a_kind_nobody_has_seen_is_as_all_are_and_less_certain() -> None:
    model = durations([*REPAIRS, *CHECKS])
    assert model is not None
    unseen, anything = model.forecast(("piano", "grand")), model.forecast()
    assert unseen == anything
    assert (anything.level, anything.observations) == (0, 400)
    assert (
        anything.p80_minutes / anything.expected_minutes
        > model.forecast(("check",)).p80_minutes / model.forecast(("check",)).expected_minutes
    )


def test_two_long_visits_lean_on_the_others_and_two_hundred_do_not() -> None:
    kinds = [
        one
        for number in range(8)
        for one in visits(40, minutes=60 * exp(0.1 * (number - 4)), kind=("repair", f"m{number}"))
    ]
    few, many = (
        durations([*kinds, *visits(count, minutes=150, spread=0.3, kind=("repair", "new"))]) for count in (2, 200)
    )
    assert few is not None and many is not None
    usual = few.forecast(("repair",)).expected_minutes
    assert usual + 10 < few.forecast(("repair", "new")).expected_minutes < 130
    assert many.forecast(("repair", "new")).expected_minutes == pytest.approx(150 * exp(0.045), rel=0.1)
    assert few.forecast(("repair", "unseen")).level == 0
    assert many.forecast(("repair", "new")).level == 2


def test_kinds_that_differ_by_chance_are_drawn_together() -> None:
    alike = [one for number in range(10) for one in visits(20, minutes=60, kind=("repair", f"t{number}"))]
    model = durations(alike)
    assert model is not None
    answers = [model.forecast(("repair", f"t{number}")).expected_minutes for number in range(10)]
    own = [fmean(one.minutes for one in alike if one.kind[1] == f"t{number}") for number in range(10)]
    assert max(answers) - min(answers) < 0.6 * (max(own) - min(own))


def test_a_visit_that_was_never_ended_changes_next_to_nothing() -> None:
    clean = durations(REPAIRS)
    dirty = durations([*REPAIRS, Observation(500, ("repair",), 60 * 24 * 30), Observation(501, ("repair",), 0.1)])
    assert clean is not None and dirty is not None
    assert dirty.forecast(("repair",)).expected_minutes == pytest.approx(
        clean.forecast(("repair",)).expected_minutes, rel=0.02
    )


def test_visits_that_all_took_the_same_are_forecast_so() -> None:
    model = durations([Observation(number, ("check",), 45.0) for number in range(20)])
    assert model is not None
    assert model.forecast(("check",)).expected_minutes == pytest.approx(45, rel=0.01)


def test_the_error_is_of_visits_that_came_later_beside_what_was_planned() -> None:
    history = [
        Observation(number, (kind,), minutes * exp(random.Random(number).gauss(0, 0.2)), 60.0)
        for number, (kind, minutes) in enumerate([("repair", 90), ("check", 30)] * 100)
    ]
    error = duration_error(history)
    assert error is not None
    assert error.visits == 100
    assert error.beats_plan
    assert error.mean_absolute_minutes < 12 < 25 < (error.planned_mean_absolute_minutes or 0)
    assert abs(error.bias_minutes) < 3
    assert 0.7 <= error.p80_coverage <= 0.9


def test_a_perfect_plan_is_not_beaten_and_a_missing_one_is_not_compared() -> None:
    perfect = duration_error([Observation(one.at, one.kind, one.minutes, one.minutes) for one in REPAIRS])
    assert perfect is not None and perfect.planned_mean_absolute_minutes == 0 and not perfect.beats_plan
    unplanned = duration_error([Observation(one.at, one.kind, one.minutes) for one in REPAIRS])
    assert unplanned is not None and unplanned.planned_bias_minutes is None and not unplanned.beats_plan


def test_nothing_is_learned_from_the_future() -> None:
    """Times double in the later half: forecasts of its first fifth cannot know that."""
    history = [Observation(number, ("repair",), 30.0 if number < 100 else 60.0) for number in range(200)]
    error = duration_error(history, folds=1)
    assert error is not None
    assert error.bias_minutes == pytest.approx(-30, abs=0.5)
    assert duration_error(list(reversed(history)), folds=1) == error


keys = st.sampled_from(["a", "b", "c", None])
observations = st.builds(
    Observation,
    at=st.floats(0, 1e6),
    kind=st.tuples(keys, keys, keys),
    minutes=st.floats(0.5, 10_000),
    planned_minutes=st.none() | st.floats(1, 600),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(observations, min_size=10, max_size=30), st.tuples(keys, keys, keys))
def test_every_forecast_lies_within_what_was_seen_and_is_the_same_in_any_order(
    history: list[Observation], kind: tuple[str | None, ...]
) -> None:
    model = durations(history)
    assert model is not None
    made = model.forecast(kind)
    assert 0 < made.expected_minutes <= 1.0001 * max(one.minutes for one in history)
    assert 0 < made.p80_minutes <= 1.0001 * max(one.minutes for one in history)
    assert made.observations <= len(history)
    again = durations(sorted(history, key=lambda one: one.minutes))
    assert again is not None
    assert again.forecast(kind).expected_minutes == pytest.approx(made.expected_minutes, rel=1e-6)
