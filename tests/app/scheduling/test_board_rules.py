"""What boards say, as tables over every status: on which board a visit is, with which words, how late, in which queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.kernel.work import Severity
from app.scheduling import rules
from app.scheduling.rules import (
    AppointmentStatus,
    Board,
    BoardRemoval,
    DayShift,
    DayVisit,
    DispatchQueue,
    Placement,
    Progress,
    Said,
)
from app.technicians.rules import AbsenceKind, TechnicianStatus, duty
from app.work_orders.rules import WorkOrderStatus

A = AppointmentStatus
Q = DispatchQueue
T = TechnicianStatus
INFO, NOTICE, WARNING, CRITICAL = Severity
NINE = datetime(2027, 3, 1, 9, tzinfo=UTC)
DAY = datetime(2027, 3, 1, tzinfo=UTC)
MONDAY = Board(DAY, DAY + timedelta(days=1))


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def placed(status: AppointmentStatus = A.SCHEDULED, day: int = 0, *who: str, **more: Any) -> Placement:
    start = NINE + timedelta(days=day)
    return Placement(status, **{"starts_at": start, "ends_at": start + minutes(60), "technician_ids": who} | more)


NO_TIME = {"starts_at": None, "ends_at": None}
PROMISED = {**NO_TIME, "window_start": NINE, "window_end": NINE + minutes(120)}


# On which board


@pytest.mark.parametrize("status", AppointmentStatus)
def test_a_visit_in_any_status_but_called_off_is_on_the_board_of_its_day_alone(status: AppointmentStatus) -> None:
    assert MONDAY.shows(placed(status)) == (status is not A.CANCELED)
    assert not MONDAY.shows(placed(status, 1))


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        (NO_TIME, False),
        (PROMISED, True),
        (PROMISED | {"window_start": NINE - timedelta(days=3), "window_end": DAY}, False),
        (PROMISED | {"window_start": NINE - timedelta(days=3), "window_end": DAY + minutes(1)}, True),
        (PROMISED | {"starts_at": NINE + timedelta(days=1), "ends_at": NINE + timedelta(days=1, hours=1)}, False),
        ({"starts_at": DAY - minutes(30), "ends_at": DAY}, False),
        ({"starts_at": DAY - minutes(30), "ends_at": DAY + minutes(1)}, True),
        ({"starts_at": DAY + timedelta(days=1), "ends_at": DAY + timedelta(days=1, hours=1)}, False),
    ],
)
def test_the_planned_time_decides_and_the_promise_while_there_is_none(more: dict[str, Any], shown: bool) -> None:
    assert MONDAY.shows(placed(A.UNSCHEDULED, **more)) == shown


@pytest.mark.parametrize(("who", "shown"), [((), False), (("ann",), True), (("bob",), False), (("bob", "ann"), True)])
def test_a_board_of_some_technicians_shows_what_one_of_them_has(who: tuple[str, ...], shown: bool) -> None:
    assert Board(DAY, DAY + timedelta(days=1), frozenset({"ann"})).shows(placed(A.SCHEDULED, 0, *who)) == shown


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (placed(), placed(day=1), BoardRemoval.MOVED_AWAY),
        (placed(), placed(A.CANCELED), BoardRemoval.CANCELED),
        (placed(), placed(A.UNSCHEDULED, **NO_TIME), BoardRemoval.UNSCHEDULED),
        (placed(), placed(A.UNSCHEDULED, **PROMISED), None),
        (placed(), placed(A.EN_ROUTE), None),
        (placed(day=1), placed(), None),
        (placed(day=1), placed(day=2), None),
        (placed(day=1), placed(A.CANCELED, 1), None),
        (placed(A.CANCELED), placed(A.CANCELED), None),
    ],
)
def test_what_leaves_the_board_says_why_and_what_was_not_on_it_says_nothing(
    before: Placement, after: Placement, reason: BoardRemoval | None
) -> None:
    assert MONDAY.left(before, after) is reason


def test_what_is_given_to_others_leaves_the_board_of_some_technicians() -> None:
    anns = Board(DAY, DAY + timedelta(days=1), frozenset({"ann"}))
    before = placed(A.SCHEDULED, 0, "ann")
    assert anns.left(before, placed(A.SCHEDULED, 0, "bob")) is BoardRemoval.REASSIGNED
    assert anns.left(before, placed(A.SCHEDULED, 1, "bob")) is BoardRemoval.MOVED_AWAY
    assert anns.left(before, placed(A.SCHEDULED, 0, "bob", "ann")) is None


def test_a_fact_says_where_the_visit_stood_before_and_after_it() -> None:
    fact = {
        "placed": {
            "status": "SCHEDULED",
            "starts_at": "2027-03-02T09:00:00+00:00",
            "ends_at": "2027-03-02T10:00:00+00:00",
            "window_start": None,
            "window_end": None,
            "technician_ids": ["bob"],
        },
        "changes": {
            "starts_at": ["2027-03-01T09:00:00+00:00", "2027-03-02T09:00:00+00:00"],
            "ends_at": ["2027-03-01T10:00:00+00:00", "2027-03-02T10:00:00+00:00"],
            "technician_ids": [["ann"], ["bob"]],
            "travel_minutes": [3, None],
        },
    }
    assert rules.placements(fact) == (placed(A.SCHEDULED, 0, "ann"), placed(A.SCHEDULED, 1, "bob"))


def test_a_fact_from_before_facts_said_so_says_nothing() -> None:
    assert rules.placements({"changes": {"starts_at": ["2027-03-01T09:00:00+00:00", None]}}) is None


# With which words

TIMED = {"starts_at": NINE, "ends_at": NINE + minutes(60)}
WINDOW = {"window_start": NINE, "window_end": NINE + minutes(120)}


@pytest.mark.parametrize(
    ("status", "more", "now", "said"),
    [
        (A.UNSCHEDULED, {}, 0, Said("Not planned yet", NOTICE)),
        (A.UNSCHEDULED, WINDOW, -1, Said("Not planned yet", NOTICE)),
        (A.UNSCHEDULED, WINDOW, 0, Said("Not planned yet, the promised window has begun", WARNING)),
        (A.UNSCHEDULED, WINDOW, 125, Said("Not planned yet, the promised window is over", CRITICAL, 5)),
        (A.SCHEDULED, TIMED, -61, Said("Planned", INFO, 0)),
        (A.SCHEDULED, TIMED, -60, Said("Planned, to be dispatched", NOTICE, 0)),
        (A.SCHEDULED, TIMED, 15, Said("Planned, to be dispatched", NOTICE, 0)),
        (A.SCHEDULED, TIMED, 16, Said("Planned, 1 minute late", WARNING, 1)),
        (A.SCHEDULED, TIMED | {"travel_minutes": 20}, 0, Said("Planned, 5 minutes late", WARNING, 5)),
        (A.SCHEDULED, TIMED, 45, Said("Planned, 30 minutes late", WARNING, 30)),
        (A.SCHEDULED, TIMED, 46, Said("Planned, 31 minutes late", CRITICAL, 31)),
        (A.SCHEDULED, TIMED | WINDOW, 30, Said("Planned, to be dispatched", NOTICE, 0)),
        (A.DISPATCHED, TIMED, -10, Said("Dispatched", INFO, 0)),
        (A.DISPATCHED, TIMED, 27, Said("Dispatched, 12 minutes late", WARNING, 12)),
        (A.EN_ROUTE, TIMED | {"eta_at": NINE}, -10, Said("On the way", INFO, 0)),
        (A.EN_ROUTE, TIMED | {"eta_at": NINE + minutes(27)}, -10, Said("On the way, 12 minutes late", WARNING, 12)),
        (A.EN_ROUTE, TIMED | {"eta_at": NINE + minutes(60)}, 0, Said("On the way, 45 minutes late", CRITICAL, 45)),
        (A.EN_ROUTE, TIMED | {"eta_at": NINE + minutes(3)}, 24, Said("On the way, 9 minutes late", WARNING, 9)),
        (A.EN_ROUTE, TIMED | WINDOW | {"eta_at": NINE + minutes(27)}, -10, Said("On the way", INFO, 0)),
        (A.ON_SITE, TIMED | {"arrived_at": NINE}, 5, Said("Arrived", INFO, 0)),
        (A.IN_PROGRESS, TIMED | {"arrived_at": NINE + minutes(22)}, 30, Said("At work", INFO, 7)),
        (
            A.IN_PROGRESS,
            TIMED | {"arrived_at": NINE},
            75,
            Said("At work, 15 minutes longer than planned", NOTICE, 0),
        ),
        (A.PAUSED, TIMED | {"arrived_at": NINE}, 20, Said("Paused", NOTICE, 0)),
        (A.COMPLETED, TIMED | {"arrived_at": NINE + minutes(55)}, 999, Said("Done", INFO, 40)),
        (A.PARTIALLY_COMPLETED, TIMED | {"arrived_at": NINE}, 999, Said("Partly done", NOTICE, 0)),
        (A.CANNOT_COMPLETE, TIMED, 999, Said("Not done", WARNING)),
        (A.CANCELED, TIMED, 999, Said("Called off", NOTICE)),
    ],
)
def test_what_a_board_says_of_a_visit(status: AppointmentStatus, more: dict[str, Any], now: int, said: Said) -> None:
    assert rules.say(Progress(status, **more), NINE + minutes(now)) == said


@pytest.mark.parametrize("status", AppointmentStatus)
@pytest.mark.parametrize("now", [-600, -30, 0, 45, 600])
@pytest.mark.parametrize("more", [{}, TIMED, WINDOW, TIMED | WINDOW])
def test_every_visit_has_words_that_begin_with_where_it_stands(
    status: AppointmentStatus, now: int, more: dict[str, Any]
) -> None:
    said = rules.say(Progress(status, **more), NINE + minutes(now))
    assert said.label.startswith(rules.APPOINTMENT_LABELS[status])
    assert ("late" in said.label) <= (said.severity in (WARNING, CRITICAL))
    assert said.late_minutes is None or said.late_minutes >= 0


@pytest.mark.parametrize(
    ("status", "on_shift", "absence", "said"),
    [
        (T.OFF, False, None, ("Off duty", INFO)),
        (T.OFF, True, None, ("Late: the shift has begun", WARNING)),
        (T.OFF, True, AbsenceKind.SICK, ("Sick", NOTICE)),
        (T.AVAILABLE, True, None, ("Free", INFO)),
        (T.AVAILABLE, False, None, ("Free, outside the shift", NOTICE)),
        (T.TRAVELLING, True, None, ("On the road", INFO)),
        (T.WORKING, False, None, ("At work, outside the shift", NOTICE)),
        (T.WORKING, True, AbsenceKind.VACATION, ("At work, though away", WARNING)),
        (T.ON_BREAK, True, None, ("On a break", INFO)),
        (T.OFF, None, None, ("Off duty", INFO)),
        (T.AVAILABLE, None, None, ("Free", INFO)),
        (T.WORKING, None, None, ("At work", INFO)),
    ],
)
def test_what_a_board_says_of_a_technician(
    status: str, on_shift: bool | None, absence: str | None, said: tuple[str, Severity]
) -> None:
    assert duty(status, on_shift=on_shift, absence=absence) == said


# In which queue

QUEUES_OF_VISITS = {
    (A.UNSCHEDULED, False): (Q.UNSCHEDULED,),
    (A.UNSCHEDULED, True): (Q.UNSCHEDULED, Q.DECLINED),
    (A.SCHEDULED, False): (Q.TO_DISPATCH,),
    (A.SCHEDULED, True): (Q.DECLINED, Q.TO_DISPATCH),
}


@pytest.mark.parametrize("status", AppointmentStatus)
@pytest.mark.parametrize("declined", [False, True])
def test_the_queues_of_a_visit(status: AppointmentStatus, declined: bool) -> None:
    assert rules.queues_of_visit(status, is_declined=declined) == QUEUES_OF_VISITS.get((status, declined), ())


@pytest.mark.parametrize("status", WorkOrderStatus)
@pytest.mark.parametrize("has_visit", [False, True])
def test_the_queues_of_a_work_order(status: WorkOrderStatus, has_visit: bool) -> None:
    expected: tuple[DispatchQueue, ...] = ()
    if status == "SUBMITTED":
        expected = (Q.UNTRIAGED,)
    elif status == "TRIAGED" and not has_visit:
        expected = (Q.WITHOUT_VISIT,)
    assert rules.queues_of_work(status, has_open_visit=has_visit) == expected


@pytest.mark.parametrize("queue", DispatchQueue)
def test_a_queue_holds_visits_or_work_orders_and_never_both(queue: DispatchQueue) -> None:
    assert bool(list(rules.visits_in(queue))) == rules.holds_visits(queue)
    assert bool(list(rules.work_in(queue))) != rules.holds_visits(queue)


# In figures


def figures(visits: list[DayVisit], **more: Any) -> rules.DayFigures:
    given: dict[str, Any] = {"shifts": [], "responses": [], "now": NINE + minutes(60)} | more
    return rules.day_figures(
        visits, given["shifts"], given["responses"], starts_at=DAY, ends_at=DAY + timedelta(days=1), now=given["now"]
    )


def test_a_day_without_anything_has_figures_of_nothing() -> None:
    assert figures([]) == rules.DayFigures(visits=dict.fromkeys(AppointmentStatus, 0))


def test_the_figures_of_a_day() -> None:
    made = figures(
        [
            DayVisit(Progress(A.COMPLETED, **TIMED, arrived_at=NINE, travel_minutes=20), 1),
            DayVisit(Progress(A.IN_PROGRESS, **TIMED, arrived_at=NINE + minutes(16), travel_minutes=10), 2),
            DayVisit(Progress(A.PAUSED, **TIMED, **WINDOW, arrived_at=NINE + minutes(119)), 1),
            DayVisit(Progress(A.SCHEDULED, **TIMED), 1),
            DayVisit(Progress(A.CANCELED, **TIMED), 1),
            DayVisit(Progress(A.UNSCHEDULED, **WINDOW), 0),
        ],
        shifts=[DayShift(NINE, NINE + minutes(480), 30), DayShift(DAY - minutes(60), DAY + minutes(50))],
        responses=[(NINE, NINE + minutes(30)), (NINE, NINE + minutes(60))],
    )
    assert {status: count for status, count in made.visits.items() if count} == {
        A.COMPLETED: 1, A.IN_PROGRESS: 1, A.PAUSED: 1, A.SCHEDULED: 1, A.CANCELED: 1, A.UNSCHEDULED: 1,
    }  # fmt: skip
    assert made.on_time_share == 0.6667
    assert made.late_now == 1
    assert made.unassigned == 1
    assert made.utilisation == 0.6  # five hours of people in 450 + 50 minutes of shifts
    assert made.travel_minutes_mean == 15
    assert made.first_response_minutes_mean == 45


def test_of_a_visit_and_a_shift_over_midnight_only_the_days_own_minutes_count() -> None:
    late = Progress(A.SCHEDULED, starts_at=DAY - minutes(30), ends_at=DAY + minutes(30))
    made = figures([DayVisit(late, 1)], shifts=[DayShift(DAY - minutes(60), DAY + minutes(60))])
    assert made.utilisation == 0.5
