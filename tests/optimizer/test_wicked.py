"""Whatever is asked, the answer is a sound plan or `InvalidProblem` with a path, in time, and never a traceback."""

import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from optimizer import InvalidProblem, Plan, Problem, Score, Stop, check, estimate_travel, score, solve
from optimizer.problem import (
    CENTS_MAX,
    CENTS_PER_MINUTE_MAX,
    METRES_MAX,
    MINUTES_MAX,
    After,
    Break,
    Pin,
    Place,
    Policy,
    Shift,
    Skill,
    Slowdown,
    Stock,
    TravelMatrix,
    Window,
)
from tests.optimizer.given import INDIFFERENT, LINE, problem, technician, visit

SECONDS = 1.0
QUICK = Stop(seconds=SECONDS, solutions=30, unimproved_seconds=0.1)
# OR-Tools finds nothing better for most of these and would only wait longer.
BY = {"search": QUICK, "routing": Stop(seconds=SECONDS, solutions=5, unimproved_seconds=0.03)}
PEOPLE = (technician("ann", skills={"gas": 1}), technician("bob"))


def answered(question: Problem, stop: Stop = QUICK, **more: Any) -> Plan:
    plan = solve(question, stop=stop, **more)
    assert check(question, plan) == []
    assert plan.score == score(question, plan)
    assert all(each.reasons for each in plan.unassigned)
    return plan


def at(*coordinates: tuple[float, float]) -> Problem:
    """A visit at each of the places, from the first."""
    places = tuple(Place(str(index), *each) for index, each in enumerate(coordinates))
    return Problem(
        technicians=(technician("ann", Shift(0, MINUTES_MAX, "0", "0")),),
        visits=tuple(visit(f"v{place.id}", place.id) for place in places),
        places=places,
        travel=estimate_travel(places),
    )


def far(minutes: int, metres: int = 0) -> TravelMatrix:
    rows = tuple(tuple(0 if here == there else minutes for there in range(5)) for here in range(5))
    lengths = tuple(tuple(0 if here == there else metres for there in range(5)) for here in range(5))
    return TravelMatrix(rows, lengths)


DEAR = {
    "cost_cents_per_minute": CENTS_PER_MINUTE_MAX,
    "cost_cents_per_kilometre": CENTS_PER_MINUTE_MAX,
    "cost_cents_per_shift": CENTS_MAX,
    "overtime_cents_per_minute": CENTS_PER_MINUTE_MAX,
}
LONG = Shift(-MINUTES_MAX, MINUTES_MAX, "depot", "depot", overtime_minutes_max=MINUTES_MAX)
STRICT = Policy(
    priority_weights=(100,) * 5,
    wait_cents_per_minute=CENTS_PER_MINUTE_MAX,
    balance_cents_per_minute=CENTS_PER_MINUTE_MAX,
    moved_cents_per_minute=CENTS_PER_MINUTE_MAX,
    worst_lateness_cents_per_minute=CENTS_PER_MINUTE_MAX,
)

# What is asked, and which visits are served.
WICKED: list[tuple[str, Callable[[], Problem], set[str]]] = [
    ("nobody and nothing", lambda: problem([], []), set()),
    ("nothing to do", lambda: problem(PEOPLE, []), set()),
    ("nobody to do it", lambda: problem([], [visit("a"), visit("b", crew_size=2)]), set()),
    ("technicians without shifts", lambda: problem(replace(PEOPLE[0], shifts=()), visit("a")), set()),
    ("one technician, one visit", lambda: problem(PEOPLE[0], visit("a")), {"a"}),
    ("no places at all", lambda: Problem(technicians=(), visits=(), places=(), travel=TravelMatrix((), ())), set()),
    (
        "everything is pinned",
        lambda: problem(
            PEOPLE,
            [visit("a", pin=Pin(("ann",), 10)), visit("b", pin=Pin(("bob",), 40)), visit("c", pin=Pin(("ann",), 90))],
        ),
        {"a", "b", "c"},
    ),
    (
        "two pinned to one technician at one minute",
        lambda: problem(PEOPLE, [visit("a", pin=Pin(("ann",), 60)), visit("b", pin=Pin(("ann",), 60))]),
        {"a"},
    ),
    ("pinned outside the shift", lambda: problem(PEOPLE, visit("a", pin=Pin(("ann",), 5000))), set()),
    ("pinned before time began", lambda: problem(PEOPLE, visit("a", pin=Pin(None, -MINUTES_MAX))), set()),
    ("pinned to a stranger", lambda: problem(PEOPLE, visit("a", pin=Pin(("zoe",), 60))), set()),
    ("pinned against its window", lambda: problem(PEOPLE, visit("a", windows=(Window(0, 9),), pin=Pin(None, 10))), set()),
    (
        "pinned to whom it excludes",
        lambda: problem(PEOPLE, visit("a", excluded_technicians=("ann",), pin=Pin(("ann",)))),
        set(),
    ),
    ("a window of no length", lambda: problem(PEOPLE, visit("a", windows=(Window(50, 50),))), {"a"}),
    (
        "two windows of no length at once",
        lambda: problem(PEOPLE[0], [visit(name, windows=(Window(50, 50),)) for name in "ab"]),
        {"a"},
    ),
    (
        "work of no length in a window of no length",
        lambda: problem(PEOPLE[0], [visit(name, minutes=0, windows=(Window(50, 50, True),)) for name in "abc"]),
        {"a", "b", "c"},
    ),
    ("a window too short to end inside", lambda: problem(PEOPLE, visit("a", windows=(Window(50, 60, True),))), set()),
    ("windows that never meet the promise", lambda: problem(PEOPLE, visit("a", windows=(Window(0, 5),), promised=Window(9, 9))), set()),
    ("a skill nobody has heard of", lambda: problem(PEOPLE, visit("a", required_skills={"alchemy": 1})), set()),
    ("a skill that expired long ago", lambda: problem(technician(skills={"gas": Skill(1, -MINUTES_MAX)}), visit("a", required_skills={"gas": 1})), set()),
    ("a crew larger than the company", lambda: problem(PEOPLE, visit("a", crew_size=1000)), set()),
    ("a load no vehicle takes", lambda: problem(technician(capacity_units=0), visit("a", load_units=10**6)), set()),
    ("parts nobody has", lambda: problem(PEOPLE, visit("a", parts={"fuse": 10**6}), stocks=(Stock("mill", {}),)), set()),
    (
        "a stock an age away",
        lambda: problem(PEOPLE, visit("a", parts={"fuse": 1}), stocks=(Stock("farm", {"fuse": 1}, MINUTES_MAX),)),
        set(),
    ),
    ("work longer than life", lambda: problem(PEOPLE, visit("a", minutes=MINUTES_MAX)), set()),
    ("roads longer than life", lambda: problem(PEOPLE, visit("a"), travel=far(MINUTES_MAX, METRES_MAX)), set()),
    (
        "the longest and dearest of all",
        lambda: problem(
            [technician(name, LONG, **DEAR) for name in ("ann", "bob")],
            [
                visit(
                    name,
                    "farm",
                    MINUTES_MAX,
                    due_minute=-MINUTES_MAX,
                    lateness_cents_per_minute=CENTS_PER_MINUTE_MAX,
                    priority=1,
                )
                for name in "ab"
            ],
            STRICT,
            travel=far(1000, METRES_MAX),
        ),
        {"a", "b"},
    ),
    (
        "the slowest hours of all",
        lambda: problem(
            technician("ann", Shift(0, 30_000, "depot", "depot")),
            [visit("a"), visit("b", "farm")],
            travel=replace(LINE, slowdowns=(Slowdown(-MINUTES_MAX, MINUTES_MAX, 100.0),)),
        ),
        {"a", "b"},
    ),
    (
        "a slowdown every other minute",
        lambda: problem(
            PEOPLE[0],
            visit("a", "farm"),
            travel=replace(LINE, slowdowns=tuple(Slowdown(each, each + 1, 1.7) for each in range(0, 400, 2))),
        ),
        {"a"},
    ),
    (
        "breaks without a minute between them",
        lambda: problem(
            technician("ann", Shift(0, 240, "depot", "depot", breaks=tuple(Break(each, each, 10) for each in range(0, 240, 10)))),
            visit("a"),
        ),
        set(),
    ),
    (
        "a chain of which no link fits",
        lambda: problem(
            PEOPLE,
            [
                visit("v0", minutes=500),
                *(visit(f"v{number}", after=(After(f"v{number - 1}"),), same_technician_as="v0") for number in range(1, 30)),
            ],
        ),
        set(),
    ),
    (
        "two that must be at once by one technician",
        lambda: problem(PEOPLE[1], [visit("a"), visit("b", after=(After("a", 0, 0, from_start=True),), same_technician_as="a")]),
        {"a"},
    ),
    ("all at one place", lambda: at(*[(52.0, 13.0)] * 12), {f"v{number}" for number in range(12)}),
    ("the poles", lambda: at((90.0, 0.0), (-90.0, 0.0), (90.0, 180.0), (-90.0, -180.0)), {"v0", "v1", "v2", "v3"}),
    ("antipodes", lambda: at((0.0, 0.0), (0.0, 180.0), (0.0, -180.0), (45.0, 90.0), (-45.0, -90.0)), {f"v{number}" for number in range(5)}),
    (
        "many places at one pole",
        lambda: at(*[(90.0, float(number % 360) - 180) for number in range(300)]),
        {f"v{number}" for number in range(300)},
    ),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["search", pytest.param("routing", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("ask", "served"), [each[1:] for each in WICKED], ids=[each[0] for each in WICKED])
def test_whatever_is_asked_has_an_answer_in_time(ask: Callable[[], Problem], served: set[str], engine: str) -> None:
    question, started = ask(), time.monotonic()
    plan = answered(question, BY[engine], engines=(engine,))
    assert time.monotonic() - started < 5 * SECONDS
    if engine == "routing" and len(served) > 100:
        return  # its first plan is made without compiled code, and so many in one shift take longer
    assert len(plan.visit_ids) == len(served)
    assert plan.visit_ids == served or not {"a", "b"} - served or len(served) == 1


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (lambda: at((nan, 0.0)), "latitude"),
        (lambda: at((0.0, inf)), "longitude"),
        (lambda: at((-inf, 0.0)), "latitude"),
        (lambda: at((90.1, 0.0)), "latitude"),
        (lambda: visit("a", minutes=MINUTES_MAX + 1), "duration_minutes"),
        (lambda: visit("a", due_minute=-MINUTES_MAX - 1), "due_minute"),
        (lambda: visit("a", release_minute=2**63), "release_minute"),
        (lambda: visit("a", price_cents=CENTS_MAX + 1, mandatory=False), "price_cents"),
        (lambda: visit("a", lateness_cents_per_minute=CENTS_PER_MINUTE_MAX + 1), "lateness_cents_per_minute"),
        (lambda: visit("a", load_units=2**31), "load_units"),
        (lambda: visit("a", crew_size=2**31), "crew_size"),
        (lambda: visit("a", parts={"fuse": 2**31}), "parts[fuse]"),
        (lambda: visit("a", required_skills={"gas": 2**31}), "required_skills[gas]"),
        (lambda: Window(0, 2**31), "latest_minute"),
        (lambda: Pin(None, 2**31), "start_minute"),
        (lambda: After("a", 0, 2**31), "gap_minutes_max"),
        (lambda: Skill(1, 2**31), "expires_minute"),
        (lambda: Break(0, 1, 2**31), "duration_minutes"),
        (lambda: Shift(-(2**31), 0, "depot", None), "start_minute"),
        (lambda: Shift(0, 1, "depot", None, 2**31), "overtime_minutes_max"),
        (lambda: Slowdown(0, 1, nan), "factor"),
        (lambda: Slowdown(0, 1, 1e9), "factor"),
        (lambda: Stock("depot", {"fuse": -1}), "parts[fuse]"),
        (lambda: Stock("depot", {}, -1), "handling_minutes"),
        (lambda: technician(speed_factor=nan), "speed_factor"),
        (lambda: technician(speed_factor=1e-9), "speed_factor"),
        (lambda: technician(cost_cents_per_minute=2**31), "cost_cents_per_minute"),
        (lambda: technician(cost_cents_per_shift=2**63), "cost_cents_per_shift"),
        (lambda: technician(capacity_units=2**31), "capacity_units"),
        (lambda: Policy(worst_lateness_cents_per_minute=-1), "worst_lateness_cents_per_minute"),
        (lambda: Policy(preference_cents=2**31), "preference_cents"),
        (lambda: far(MINUTES_MAX + 1), "minutes[0]"),
        (lambda: far(0, METRES_MAX + 1), "metres[0]"),
        (lambda: TravelMatrix((array("i", [2**31 - 1]),), (array("i", [0]),)), "minutes[0]"),
        (lambda: problem((), (), stocks=(Stock("moon", {}),)), "stocks[moon].place"),
        (lambda: problem((), (), stocks=(Stock("mill", {}), Stock("mill", {}))), "stocks"),
        (
            lambda: problem((), visit("a", lateness_cents_per_minute=CENTS_PER_MINUTE_MAX), Policy(priority_weights=(101,) * 5)),
            "visits[a].lateness_cents_per_minute",
        ),
        (lambda: Stop(seconds=nan), "stop.seconds"),
        (lambda: Stop(seconds=inf), "stop.seconds"),
        (lambda: Stop(seconds=-1), "stop.seconds"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_path(ask: Callable[[], object], path: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        ask()
    assert refused.value.path == path
    assert refused.value.sentence.endswith(".")


# ---- canceled, and out of time


def a_large_day() -> Problem:
    places = tuple(Place(str(number), 50 + number % 17 / 40, 8 + number % 23 / 40) for number in range(250))
    people = tuple(technician(f"t{number}", Shift(0, 480, str(number), str(number))) for number in range(20))
    work = tuple(
        visit(f"v{number}", str(number), 30, windows=(Window(number % 7 * 60, number % 7 * 60 + 90),))
        for number in range(20, 250)
    )
    return Problem(technicians=people, visits=work, places=places, travel=estimate_travel(places), policy=INDIFFERENT)


def test_a_canceled_search_ends_at_once_with_a_plan() -> None:
    started = time.monotonic()
    plan = solve(a_large_day(), stop=Stop(seconds=60), should_stop=lambda: True)
    assert time.monotonic() - started < 2
    assert check(a_large_day(), plan) == []


def test_who_cancels_in_the_middle_gets_the_best_so_far() -> None:
    heard: list[Score] = []

    def on_progress(_: float, value: Score) -> None:
        heard.append(value)

    started = time.monotonic()
    plan = answered(
        a_large_day(), Stop(seconds=60), on_progress=on_progress, should_stop=lambda: time.monotonic() - started > 1
    )
    assert time.monotonic() - started < 3
    assert plan.score is not None
    assert plan.score <= heard[0]


def test_the_time_limit_holds() -> None:
    question, took = a_large_day(), list[float]()
    # Five hundredths, and a quarter of a second for the last look; other processes may hold up one try, not each.
    most = 1.5 * 1.05 + 0.25
    while len(took) < 4 and not any(each <= most for each in took):
        started = time.monotonic()
        solve(question, stop=Stop(seconds=1.5))
        took.append(time.monotonic() - started)
    assert min(took) <= most, took


def test_without_any_time_there_is_the_first_plan() -> None:
    question, started = a_large_day(), time.monotonic()
    assert len(answered(question, Stop(seconds=0)).visit_ids) > 100
    assert time.monotonic() - started < 10


def test_an_exception_of_the_listener_comes_out_as_it_is() -> None:
    def on_progress(_: float, __: Score) -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        solve(problem(PEOPLE, [visit("a"), visit("b")]), stop=QUICK, on_progress=on_progress)
