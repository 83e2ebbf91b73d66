"""The tables of the room: lifecycle, gate, roll-up, score, figures."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.errors import CompletionBlocked, IllegalTransition, InvalidInput
from app.scheduling.rules import AppointmentStatus
from app.work_orders import rules
from app.work_orders.rules import Record
from app.work_orders.rules import WorkOrderStatus as S

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOT_DONE = "CANNOT_COMPLETE CANCELED"
LAW = {
    "SUBMITTED": "TRIAGED CANCELED DECLINED",
    "TRIAGED": "SCHEDULED IN_PROGRESS ON_HOLD CANNOT_COMPLETE CANCELED DECLINED",
    "SCHEDULED": "TRIAGED IN_PROGRESS ON_HOLD CANNOT_COMPLETE CANCELED",
    "IN_PROGRESS": "TRIAGED SCHEDULED ON_HOLD COMPLETED CANNOT_COMPLETE CANCELED",
    "ON_HOLD": "TRIAGED SCHEDULED IN_PROGRESS CANNOT_COMPLETE CANCELED",
    "COMPLETED": "APPROVED",
    "APPROVED": "CLOSED",
    "CLOSED": "",
    "CANNOT_COMPLETE": "TRIAGED CLOSED",
    "CANCELED": "",
    "DECLINED": "",
}
FULL = Record(line_items=1, notes=1, finished_time_entries=1, required_evidence=("NOTE", "TIME"))


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("to", S)
def test_every_step_is_listed_or_refused(state: S, to: S) -> None:
    if to in LAW[state].split():
        rules.require_step(state, to, FULL)
    else:
        with pytest.raises(IllegalTransition) as refusal:
            rules.require_step(state, to, FULL)
        assert set(refusal.value.allowed) == set(LAW[state].split())


def test_every_open_state_can_be_left_for_a_final_one() -> None:
    final = {S.CLOSED, S.CANCELED, S.DECLINED}
    assert {state for state in S if rules.LIFECYCLE.is_final(state)} == final
    assert all(any(rules.way(state, end) for end in final) for state in set(S) - final)


def test_completion_names_everything_that_is_missing_at_once() -> None:
    nothing = Record(running_timers=1, required_evidence=("NOTE", "TIME", "PHOTO"))
    with pytest.raises(CompletionBlocked) as refusal:
        rules.require_step("IN_PROGRESS", S.COMPLETED, nothing)
    assert [one.code for one in refusal.value.missing] == [
        "LINE_ITEM", "RUNNING_TIMER", "NOTE", "TIME", "UNKNOWN_EVIDENCE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "missing"),
    [
        (Record(line_items=1), []),
        (Record(), ["LINE_ITEM"]),
        (Record(line_items=1, running_timers=1), ["RUNNING_TIMER"]),
        (Record(line_items=1, required_evidence=("NOTE",)), ["NOTE"]),
        (Record(line_items=1, notes=1, required_evidence=("NOTE",)), []),
        (Record(line_items=1, required_evidence=("TIME",)), ["TIME"]),
        (Record(line_items=1, finished_time_entries=1, required_evidence=("TIME",)), []),
        (Record(line_items=1, required_evidence=("SIGNATURE",)), ["UNKNOWN_EVIDENCE"]),
    ],
)
def test_the_gate_waits_for_what_the_service_asks_and_no_more(record: Record, missing: list[str]) -> None:
    assert [one.code for one in rules.missing_for_completion(record)] == missing


def test_a_wrong_state_is_told_before_anything_that_is_missing() -> None:
    with pytest.raises(IllegalTransition):
        rules.require_step("SUBMITTED", S.COMPLETED, Record())


def test_nothing_is_approved_without_a_line() -> None:
    with pytest.raises(IllegalTransition):
        rules.require_step("COMPLETED", S.APPROVED, Record())


def test_allowed_steps_say_what_blocks_them() -> None:
    steps = {one.to: one.blocked_by for one in rules.allowed_steps("IN_PROGRESS", Record(running_timers=1))}
    assert steps == {
        S.TRIAGED: (rules.UP_TO_VISITS,),
        S.SCHEDULED: (rules.UP_TO_VISITS,),
        S.ON_HOLD: (),
        S.COMPLETED: ("Add at least one line item; one priced zero counts.", "Stop the running timer."),
        S.CANNOT_COMPLETE: (),
        S.CANCELED: (),
    }


@pytest.mark.parametrize(
    ("visits", "said"),
    [
        ("", "TRIAGED"),
        ("CANCELED", "TRIAGED"),
        ("UNSCHEDULED", "TRIAGED"),
        ("SCHEDULED", "SCHEDULED"),
        ("DISPATCHED", "SCHEDULED"),
        ("EN_ROUTE", "SCHEDULED"),
        ("ON_SITE", "SCHEDULED"),
        ("IN_PROGRESS", "IN_PROGRESS"),
        ("PAUSED", "IN_PROGRESS"),
        ("COMPLETED", "COMPLETED"),
        ("PARTIALLY_COMPLETED", "TRIAGED"),
        ("CANNOT_COMPLETE", "CANNOT_COMPLETE"),
        ("COMPLETED IN_PROGRESS", "IN_PROGRESS"),
        ("COMPLETED SCHEDULED", "SCHEDULED"),
        ("COMPLETED UNSCHEDULED", "TRIAGED"),
        ("COMPLETED CANCELED", "COMPLETED"),
        ("PARTIALLY_COMPLETED COMPLETED", "COMPLETED"),
        ("CANNOT_COMPLETE COMPLETED", "COMPLETED"),
        ("CANNOT_COMPLETE SCHEDULED", "SCHEDULED"),
        ("CANNOT_COMPLETE PARTIALLY_COMPLETED", "CANNOT_COMPLETE"),
        ("PARTIALLY_COMPLETED UNSCHEDULED", "TRIAGED"),
        ("UNSCHEDULED SCHEDULED", "SCHEDULED"),
        ("PAUSED ON_SITE CANCELED", "IN_PROGRESS"),
    ],
)
def test_visits_taken_together_say_where_the_work_stands(visits: str, said: str) -> None:
    assert rules.visits_say(visits.split()) == said


def test_the_roll_up_knows_every_status_of_a_visit() -> None:
    known = frozenset().union(*(deciding for deciding, _ in rules.ROLL_UP))
    assert known | {"CANCELED"} == set(AppointmentStatus)


@pytest.mark.parametrize(
    ("status", "visits", "steps"),
    [
        ("SUBMITTED", "UNSCHEDULED", ""),
        ("SUBMITTED", "SCHEDULED", "TRIAGED SCHEDULED"),
        ("SUBMITTED", "IN_PROGRESS", "TRIAGED IN_PROGRESS"),
        ("TRIAGED", "SCHEDULED", "SCHEDULED"),
        ("TRIAGED", "COMPLETED", "IN_PROGRESS COMPLETED"),
        ("SCHEDULED", "CANCELED", "TRIAGED"),
        ("SCHEDULED", "IN_PROGRESS", "IN_PROGRESS"),
        ("SCHEDULED", "ON_SITE", ""),
        ("IN_PROGRESS", "PAUSED", ""),
        ("IN_PROGRESS", "COMPLETED", "COMPLETED"),
        ("IN_PROGRESS", "COMPLETED SCHEDULED", "SCHEDULED"),
        ("IN_PROGRESS", "PARTIALLY_COMPLETED", "TRIAGED"),
        ("IN_PROGRESS", "CANNOT_COMPLETE", "CANNOT_COMPLETE"),
        ("ON_HOLD", "SCHEDULED", ""),
        ("ON_HOLD", "CANCELED", ""),
        ("ON_HOLD", "IN_PROGRESS", "IN_PROGRESS"),
        ("ON_HOLD", "COMPLETED", "IN_PROGRESS COMPLETED"),
        ("CANNOT_COMPLETE", "", ""),
        ("CANNOT_COMPLETE", "CANNOT_COMPLETE SCHEDULED", "TRIAGED SCHEDULED"),
        *((over, "IN_PROGRESS", "") for over in ("COMPLETED", "APPROVED", "CLOSED", "CANCELED", "DECLINED")),
    ],
)
def test_work_follows_its_visits_step_by_step(status: str, visits: str, steps: str) -> None:
    assert [str(step) for step in rules.steps_after_visits(status, visits.split())] == steps.split()


def test_following_visits_never_skips_a_step_and_settles() -> None:
    for state in S:
        for visits in _multisets(AppointmentStatus, 2):
            here: S = state
            for step in rules.steps_after_visits(state, visits):
                assert step in LAW[here].split(), (state, visits)
                here = step
            assert rules.steps_after_visits(here, visits) == [], (state, visits)


@pytest.mark.parametrize(
    ("visits", "was_started", "goes_on"),
    [
        ("", False, "TRIAGED"),
        ("", True, "IN_PROGRESS"),
        ("CANCELED", True, "IN_PROGRESS"),
        ("SCHEDULED", False, "SCHEDULED"),
        ("PARTIALLY_COMPLETED SCHEDULED", True, "SCHEDULED"),
        ("PARTIALLY_COMPLETED", True, "TRIAGED"),
        ("PAUSED", True, "IN_PROGRESS"),
        ("COMPLETED", True, "IN_PROGRESS"),
        ("CANNOT_COMPLETE", False, "TRIAGED"),
    ],
)
def test_after_a_hold_work_goes_on_where_its_visits_say(visits: str, was_started: bool, goes_on: str) -> None:
    assert rules.status_after_hold(visits.split(), was_started=was_started) == goes_on


EARLIER = NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "to", "stamped", "values"),
    [
        (
            "SUBMITTED",
            "TRIAGED",
            {},
            {"triaged_at": NOW, "scheduled_at": None, "canceled_at": None, "reason_code": None},
        ),
        (
            "SCHEDULED",
            "TRIAGED",
            {"triaged_at": EARLIER},
            {"scheduled_at": None, "canceled_at": None, "reason_code": None},
        ),
        ("TRIAGED", "SCHEDULED", {}, {"scheduled_at": NOW}),
        ("IN_PROGRESS", "SCHEDULED", {"scheduled_at": EARLIER}, {"scheduled_at": NOW}),
        ("ON_HOLD", "SCHEDULED", {"scheduled_at": EARLIER}, {"hold_reason": None, "held_at": None}),
        ("ON_HOLD", "SCHEDULED", {}, {"scheduled_at": NOW, "hold_reason": None, "held_at": None}),
        ("SCHEDULED", "IN_PROGRESS", {}, {"started_at": NOW}),
        ("SCHEDULED", "IN_PROGRESS", {"started_at": EARLIER}, {}),
        ("IN_PROGRESS", "ON_HOLD", {}, {"held_at": NOW}),
        ("IN_PROGRESS", "COMPLETED", {"started_at": EARLIER}, {"completed_at": NOW}),
        ("COMPLETED", "APPROVED", {}, {"approved_at": NOW}),
        ("APPROVED", "CLOSED", {}, {"closed_at": NOW}),
        ("ON_HOLD", "CANCELED", {}, {"canceled_at": NOW, "hold_reason": None, "held_at": None}),
        ("SUBMITTED", "DECLINED", {}, {"canceled_at": NOW}),
        ("SCHEDULED", "CANNOT_COMPLETE", {}, {"canceled_at": NOW}),
    ],
)
def test_a_step_stamps_its_time_and_ends_what_is_over(
    status: str, to: str, stamped: dict[str, datetime], values: dict[str, object]
) -> None:
    known = dict.fromkeys(rules.STAMP_OF.values()) | stamped
    assert rules.stamps(status, S(to), NOW, known) == values


def test_every_status_has_words_for_a_customer() -> None:
    assert all(rules.status_label(status) for status in S)
    labels = {rules.status_label("ON_HOLD", reason) for reason in rules.HoldReason}
    assert len(labels) == len(rules.HoldReason)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({}, {"URGENCY": 20}),
        ({"priority": "EMERGENCY"}, {"URGENCY": 100}),
        ({"priority": "LOW"}, {}),
        ({"submitted_at": NOW - timedelta(days=3)}, {"URGENCY": 20, "AGE": 6}),
        ({"submitted_at": NOW - timedelta(days=300)}, {"URGENCY": 20, "AGE": 20}),
        ({"due_at": NOW + timedelta(hours=12)}, {"URGENCY": 20, "DUE_SOON": 10}),
        ({"due_at": NOW + timedelta(days=9)}, {"URGENCY": 20}),
        ({"due_at": NOW - timedelta(hours=5)}, {"URGENCY": 20, "OVERDUE": 25}),
        ({"due_at": NOW - timedelta(days=50)}, {"URGENCY": 20, "OVERDUE": 40}),
        ({"status": "COMPLETED", "due_at": NOW - timedelta(days=50)}, {}),
    ],
)
def test_the_score_is_the_sum_of_its_explained_parts(values: dict[str, object], parts: dict[str, int]) -> None:
    usual: dict[str, object] = {
        "status": "TRIAGED",
        "priority": "NORMAL",
        "submitted_at": NOW,
        "due_at": None,
        "now": NOW,
    }
    score = rules.priority_score(**(usual | values))  # type: ignore[arg-type]
    assert {part.code: part.points for part in score.parts} == parts
    assert score.points == sum(parts.values())
    assert all(part.explanation.endswith(".") for part in score.parts)


@given(hours=st.integers(-2000, 2000), later=st.integers(0, 500))
def test_waiting_never_lowers_the_score(hours: int, later: int) -> None:
    def points(now: datetime) -> int:
        due = NOW + timedelta(hours=hours)
        return rules.priority_score(status="TRIAGED", priority="NORMAL", submitted_at=NOW, due_at=due, now=now).points

    assert points(NOW) <= points(NOW + timedelta(hours=later))


@pytest.mark.parametrize(
    ("kind", "quantity", "price", "currency", "amount"),
    [
        ("LABOR", "1.5", "80", "EUR", "120.00"),
        ("PART", "3", "0.335", "EUR", "1.00"),
        ("PART", "1", "100.5", "JPY", "100"),
        ("DISCOUNT", "1", "15", "EUR", "-15.00"),
        ("FEE", "1", "0", "EUR", "0.00"),
    ],
)
def test_an_amount_is_rounded_once_by_its_currency(
    kind: str, quantity: str, price: str, currency: str, amount: str
) -> None:
    assert str(rules.line_amount(kind, Decimal(quantity), Decimal(price), currency)) == amount


@pytest.mark.parametrize(("quantity", "price"), [("0", "1"), ("-1", "1"), ("1000001", "1"), ("1", "-0.01")])
def test_senseless_lines_are_refused(quantity: str, price: str) -> None:
    with pytest.raises(InvalidInput):
        rules.line_amount("PART", Decimal(quantity), Decimal(price), "EUR")


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 0), (29, 0), (30, 1), (90, 2), (3600, 60), (86400, 1440)])
def test_minutes_are_rounded_half_up(seconds: int, minutes: int) -> None:
    assert rules.minutes_worked(NOW, NOW + timedelta(seconds=seconds)) == minutes


@pytest.mark.parametrize("seconds", [-1, 86401])
def test_time_that_makes_no_sense_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidInput):
        rules.minutes_worked(NOW, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(("kind", "assessed", "billed"), [("REPAIR", None, 50), ("BREAK", None, 0), ("REPAIR", 30, 30)])
def test_billed_minutes_are_the_assessed_ones_else_those_worked(kind: str, assessed: int | None, billed: int) -> None:
    assert rules.minutes_billed(kind, 50, assessed) == billed


def _multisets(words: Iterable[str], most: int) -> list[tuple[str, ...]]:
    names = [str(word) for word in words]
    return [one for size in range(most + 1) for one in combinations_with_replacement(names, size)]
