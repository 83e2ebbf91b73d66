"""The lifecycles as tables, the guards, and when a visit fits."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from app.kernel.errors import IllegalTransition, InvalidInput, NotPermitted, ScheduleConflict
from app.scheduling import rules
from app.scheduling.rules import (
    AppointmentStatus,
    AssignmentStatus,
    Availability,
    Busy,
    PlanRunStatus,
    SkillHeld,
    SlotHoldStatus,
    Visit,
)

LEGAL = {
    "UNSCHEDULED": "SCHEDULED CANCELED",
    "SCHEDULED": "UNSCHEDULED DISPATCHED CANCELED",
    "DISPATCHED": "UNSCHEDULED SCHEDULED EN_ROUTE CANCELED",
    "EN_ROUTE": "DISPATCHED ON_SITE CANNOT_COMPLETE CANCELED",
    "ON_SITE": "IN_PROGRESS CANNOT_COMPLETE CANCELED",
    "IN_PROGRESS": "PAUSED COMPLETED PARTIALLY_COMPLETED CANNOT_COMPLETE",
    "PAUSED": "IN_PROGRESS COMPLETED PARTIALLY_COMPLETED CANNOT_COMPLETE",
    "COMPLETED": "",
    "PARTIALLY_COMPLETED": "",
    "CANNOT_COMPLETE": "",
    "CANCELED": "",
}
LEGAL_ASSIGNMENT = {
    "RESERVED": "PROPOSED RELEASED",
    "PROPOSED": "ACCEPTED DECLINED RELEASED",
    "ACCEPTED": "DECLINED RELEASED",
    "DECLINED": "",
    "RELEASED": "",
}
LEGAL_PLAN = {
    "QUEUED": "RUNNING CANCELED FAILED",
    "RUNNING": "READY CANCELED FAILED",
    "READY": "PARTLY_COMMITTED COMMITTED DISCARDED",
    "PARTLY_COMMITTED": "PARTLY_COMMITTED COMMITTED UNDONE",
    "COMMITTED": "UNDONE",
    "UNDONE": "",
    "DISCARDED": "",
    "CANCELED": "",
    "FAILED": "",
}
LEGAL_HOLD = {"HELD": "CONFIRMED RELEASED EXPIRED", "CONFIRMED": "", "RELEASED": "", "EXPIRED": ""}
TABLES = [
    (rules.APPOINTMENT, AppointmentStatus, LEGAL),
    (rules.ASSIGNMENT, AssignmentStatus, LEGAL_ASSIGNMENT),
    (rules.PLAN_RUN, PlanRunStatus, LEGAL_PLAN),
    (rules.SLOT_HOLD, SlotHoldStatus, LEGAL_HOLD),
]
STEPS = [
    (lifecycle, state, to, str(to) in legal[state].split())
    for lifecycle, states, legal in TABLES
    for state, to in product(states, states)
]


@pytest.mark.parametrize(("lifecycle", "state", "to", "legal"), STEPS)
def test_has_exactly_the_steps_of_the_table(lifecycle, state, to, legal) -> None:  # type: ignore[no-untyped-def]
    if legal:
        lifecycle.require(state, to, rules.StepFacts())
    else:
        with pytest.raises(IllegalTransition):
            lifecycle.require(state, to, rules.StepFacts())


def test_nobody_sets_out_for_two_visits_or_without_a_technician() -> None:
    busy = rules.StepFacts(technician_count=1, busy_technicians=("Ann",))
    blocked = {step.to: step.blocked_by for step in rules.APPOINTMENT.allowed(AppointmentStatus.DISPATCHED, busy)}
    assert blocked[AppointmentStatus.EN_ROUTE] == (
        "Ann is on the way to or at another visit; pause or finish that first.",
    )
    assert blocked[AppointmentStatus.CANCELED] == ()
    nobody = rules.StepFacts(technician_count=0)
    (dispatch,) = [
        step.blocked_by
        for step in rules.APPOINTMENT.allowed(AppointmentStatus.SCHEDULED, nobody)
        if step.to is AppointmentStatus.DISPATCHED
    ]
    assert dispatch == ("no technician is assigned.",)


NINE = datetime(2027, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")


def a_visit(**values: object) -> Visit:
    return Visit(**({"starts_at": NINE, "ends_at": NINE + HOUR} | values))  # type: ignore[arg-type]


def ann(**values: object) -> Availability:
    usual: dict[str, object] = {
        "technician_id": "ann",
        "name": "Ann",
        "tz": BERLIN,
        "shifts": [(NINE - HOUR, NINE + 8 * HOUR)],
    }
    return Availability(**(usual | values))  # type: ignore[arg-type]


TOUCHING = [(NINE - HOUR, NINE), (NINE + HOUR, NINE + 2 * HOUR)]
GAS = {"required_skills": {"gas": 2}, "skill_names": {"gas": "Gas"}}


@pytest.mark.parametrize(
    ("visit", "technician", "codes"),
    [
        (a_visit(), ann(), []),
        (a_visit(), ann(is_active=False), ["INACTIVE"]),
        (a_visit(), ann(busy=[Busy("x", start, end) for start, end in TOUCHING]), []),
        (a_visit(), ann(busy=[Busy("x", NINE + HOUR / 2, NINE + HOUR)]), ["OVERLAP"]),
        (a_visit(), ann(busy=[Busy("x", NINE - HOUR, NINE + 9 * HOUR)]), ["OVERLAP"]),
        (a_visit(), ann(shifts=[]), ["OUTSIDE_SHIFT"]),
        (a_visit(), ann(shifts=[(NINE, NINE + HOUR)]), []),
        (a_visit(), ann(shifts=[(NINE, NINE + HOUR / 2)]), ["OUTSIDE_SHIFT"]),
        (a_visit(), ann(shifts=[(NINE + HOUR / 2, NINE + HOUR), (NINE, NINE + HOUR / 2)]), []),
        (a_visit(), ann(shifts=[(NINE, NINE + HOUR / 4), (NINE + HOUR / 2, NINE + HOUR)]), ["OUTSIDE_SHIFT"]),
        (a_visit(), ann(absences=[(start, end, "SICK") for start, end in TOUCHING]), []),
        (a_visit(), ann(absences=[(NINE, NINE + HOUR, "SICK")]), ["ABSENT"]),
        (a_visit(**GAS), ann(), ["SKILL_MISSING"]),
        (a_visit(**GAS), ann(skills={"gas": SkillHeld(1)}), ["SKILL_LEVEL_TOO_LOW"]),
        (a_visit(**GAS), ann(skills={"gas": SkillHeld(2)}), []),
        (a_visit(**GAS), ann(skills={"gas": SkillHeld(2, date(2027, 3, 1))}), []),
        (a_visit(**GAS), ann(skills={"gas": SkillHeld(2, date(2027, 2, 28))}), ["CERTIFICATE_EXPIRED"]),
        (a_visit(window_start=NINE, window_end=NINE + HOUR), ann(), []),
        (a_visit(window_start=NINE - HOUR, window_end=NINE), ann(), []),
        (a_visit(window_start=NINE - HOUR, window_end=NINE - HOUR / 2), ann(), ["OUTSIDE_WINDOW"]),
        (a_visit(window_start=NINE + HOUR / 2, window_end=NINE + HOUR), ann(), ["OUTSIDE_WINDOW"]),
        (a_visit(territory_id="north"), ann(), []),
        (a_visit(territory_id="north"), ann(territory_id="north"), []),
        (a_visit(), ann(territory_id="south"), []),
        (a_visit(territory_id="north"), ann(territory_id="south"), ["OUTSIDE_TERRITORY"]),
        (a_visit(declined_by=["bob"]), ann(), []),
        (a_visit(declined_by=["ann"]), ann(), ["EXCLUDED"]),
    ],
)
def test_names_what_does_not_fit(visit: Visit, technician: Availability, codes: list[str]) -> None:
    found = rules.clashes(visit, [technician])
    assert [clash.code for clash in found] == codes
    assert [clash.code for clash in found if not clash.overridable] == [
        code for code in codes if code in ("OVERLAP", "INACTIVE")
    ]


def test_says_how_far_a_visit_misses_its_window_and_its_shift() -> None:
    late = a_visit(window_start=NINE - HOUR, window_end=NINE - timedelta(minutes=40))
    (window, shift) = rules.clashes(late, [ann(shifts=[(NINE, NINE + timedelta(minutes=35))])])
    assert window.message == "The visit starts 40 minutes after the promised window."
    assert shift.message == "The visit ends 25 minutes after the shift of Ann."


def test_a_clash_gives_way_to_a_reason_and_the_permission_and_only_if_it_may() -> None:
    soft = rules.clashes(a_visit(), [ann(shifts=[])])
    hard = rules.clashes(a_visit(), [ann(busy=[Busy("x", NINE, NINE + HOUR)])])
    rules.require_fit([], override_reason=None, may_override=False)
    rules.require_fit(soft, override_reason="Agreed.", may_override=True)
    with pytest.raises(ScheduleConflict):
        rules.require_fit(soft, override_reason=None, may_override=True)
    with pytest.raises(NotPermitted):
        rules.require_fit(soft, override_reason="Agreed.", may_override=False)
    with pytest.raises(ScheduleConflict):
        rules.require_fit([*soft, *hard], override_reason="Agreed.", may_override=True)


def test_an_hour_is_an_hour_on_the_night_the_clocks_change() -> None:
    before = datetime(2027, 3, 28, 1, 30, tzinfo=BERLIN)
    assert rules.ends_at(before.astimezone(UTC), 60).astimezone(BERLIN).hour == 3


@pytest.mark.parametrize(("start", "end"), [(NINE, None), (None, NINE), (NINE, NINE), (NINE + HOUR, NINE)])
def test_refuses_a_window_that_is_none(start: datetime | None, end: datetime | None) -> None:
    with pytest.raises(InvalidInput):
        rules.require_window(start, end)
