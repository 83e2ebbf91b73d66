"""Bookable windows: every one can be kept, costs what it says, and none that is cheaper is withheld."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.construct import construct
from optimizer.desk import Desk
from optimizer.problem import InvalidProblem, Problem, Shift, Visit, Window
from optimizer.slots import Slot, slots, slots_at
from tests.optimizer.days import problems, visits
from tests.optimizer.given import driven, plan_of, problem, technician, visit

ANY_DAY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@ANY_DAY
@given(problems(visits_max=5, stocked=True), visits(99, False))
def test_each_window_costs_what_the_cheapest_way_to_keep_it_costs(question: Problem, guest: Visit) -> None:
    guest = replace(guest, windows=(), promised=None, pin=None)
    question = replace(question, travel=replace(question.travel, slowdowns=()))
    desk = Desk(question, construct(question))
    found = slots_at(desk, guest, count=99, window_minutes=40, step_minutes=20)
    assert [each.marginal_cents for each in found] == sorted(each.marginal_cents for each in found)
    by_window = {each.earliest_minute: each for each in found}
    assert len(by_window) == len(found)
    for earliest in range(0, 400, 20):
        day = desk.expecting(replace(guest, promised=Window(earliest, earliest + 40)))
        ways = list(day.ways(day.number(guest.id)))
        if earliest in by_window:
            slot = by_window[earliest]
            assert slot.marginal_cents == min(way.marginal_cents for way in ways)
            assert earliest <= slot.start_minute <= slot.latest_minute == earliest + 40
        else:
            assert ways == [] or not is_worked(question, earliest, earliest + 20)


def is_worked(question: Problem, earliest: int, latest: int) -> bool:
    shifts = [shift for each in question.technicians for shift in each.shifts]
    return any(shift.start_minute < latest and earliest < shift.last_minute for shift in shifts)


def test_a_window_near_planned_work_costs_nothing_and_names_the_neighbor() -> None:
    crew = [technician("ann", Shift(0, 480, "depot", "depot"), cost_cents_per_minute=10)]
    question = problem(crew, visit("a", "farm", windows=(Window(240, 240),)))
    plan = plan_of(question, driven(question, "ann", ("a", 240)))
    found = slots(question, plan, visit("new", "farm"), window_minutes=60, step_minutes=60)
    assert found[0] == Slot(0, 60, ("ann",), 40, 0, 0, 0, "a")
    assert {each.marginal_cents for each in found} == {0}
    assert {each.near_visit_id for each in found} == {"a"}
    assert len(found) == 7


def test_idle_capacity_elsewhere_costs_less_than_lateness_here() -> None:
    crew = [technician("ann"), technician("bob", cost_cents_per_minute=1)]
    question = problem(crew, visit("a", "mill", 60, due_minute=10, windows=(Window(10, 100),)))
    plan = plan_of(question, driven(question, "ann", ("a", 10)))
    (first, *_) = slots(question, plan, visit("new", "mill", windows=(Window(0, 20),)), window_minutes=20)
    assert (first.technician_ids, first.marginal_cents) == (("bob",), 20)


def test_a_crew_is_offered_the_windows_in_which_all_of_it_is_free() -> None:
    crew = [technician("ann"), technician("bob", Shift(120, 240, "depot", "depot"))]
    question = problem(crew, ())
    found = slots(question, plan_of(question), visit("new", "mill", crew_size=2), window_minutes=60, step_minutes=60)
    assert {(each.earliest_minute, each.technician_ids) for each in found} == {
        (120, ("ann", "bob")),
        (180, ("ann", "bob")),
    }


def test_nobody_able_means_no_slot_and_count_is_kept() -> None:
    question = problem(technician("ann"), ())
    desk = Desk(question, plan_of(question))
    assert slots_at(desk, visit("new", required_skills={"gas": 1})) == ()
    assert len(slots_at(desk, visit("new"), count=2)) == 2


def test_bad_questions_are_refused() -> None:
    question = problem(technician("ann"), visit("a"))
    desk = Desk(question, plan_of(question))
    with pytest.raises(InvalidProblem, match="step_minutes"):
        slots_at(desk, visit("new"), step_minutes=0)
    with pytest.raises(InvalidProblem, match="listed twice"):
        slots_at(desk, visit("a"))
    with pytest.raises(InvalidProblem, match="no place “moon”"):
        slots_at(desk, visit("new", "moon"))
