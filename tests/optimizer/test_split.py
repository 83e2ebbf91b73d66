"""Work that takes more than a shift is a chain of visits, by the same technicians, day after day."""

import pytest

from optimizer import InvalidProblem, Pin, Shift, Stop, check, solve, split_over_days
from optimizer.problem import After, Window
from tests.optimizer.given import problem, technician, visit

QUICK = Stop(seconds=1, solutions=40, unimproved_seconds=0.2)
DAY = 1440
THREE_DAYS = tuple(Shift(day * DAY, day * DAY + 240, "depot", "depot") for day in range(3))


def test_a_chain_is_worked_off_over_several_shifts_by_the_same_technician() -> None:
    roof = split_over_days(visit("roof", "park", 450), (180, 180, 90))
    people = [technician("ann", *THREE_DAYS), technician("bob", *THREE_DAYS)]
    question = problem(people, [*roof, visit("a", "mill", 150), visit("b", "mill", 150)])
    plan = solve(question, stop=QUICK)
    assert check(question, plan) == []
    assert plan.unassigned == ()
    starts = [plan.stops_of(f"roof#{number}")[0].start_minute for number in (1, 2, 3)]
    assert [start // DAY for start in starts] == [0, 1, 2]
    assert len({plan.technicians_of(f"roof#{number}") for number in (1, 2, 3)}) == 1


def test_a_crew_stays_together_over_the_days() -> None:
    roof = split_over_days(visit("roof", "park", 360, crew_size=2), (180, 180))
    question = problem([technician(name, *THREE_DAYS) for name in ("ann", "bob", "cid")], roof)
    plan = solve(question, stop=QUICK)
    assert check(question, plan) == []
    assert len(plan.technicians_of("roof#1")) == 2
    assert plan.technicians_of("roof#1") == plan.technicians_of("roof#2")


def test_without_a_second_day_mandatory_work_is_begun_and_optional_work_is_not() -> None:
    for more, begun in (({}, {"roof#1"}), ({"mandatory": False, "price_cents": 5000}, set[str]())):
        roof = split_over_days(visit("roof", "park", 360, **more), (180, 180))
        question = problem(technician("ann", THREE_DAYS[0], cost_cents_per_minute=1), roof)
        plan = solve(question, stop=QUICK)
        assert check(question, plan) == []
        assert plan.visit_ids == begun


def test_the_first_part_begins_the_work_and_the_last_ends_it() -> None:
    whole = visit(
        "roof",
        "park",
        400,
        windows=(Window(0, 5000),),
        promised=Window(0, 60),
        due_minute=30,
        mandatory=False,
        price_cents=900,
        required_skills={"roof": 2},
        after=(After("plan"),),
        load_units=2,
        parts={"tile": 40},
        pin=Pin(("ann",), 20),
    )
    first, second, third = split_over_days(whole, (200, 150, 60))
    assert [part.id for part in (first, second, third)] == ["roof#1", "roof#2", "roof#3"]
    assert [part.duration_minutes for part in (first, second, third)] == [200, 150, 60]
    assert (first.promised, first.due_minute, first.after) == (whole.promised, 30, whole.after)
    assert (first.pin, first.parts, first.load_units, first.price_cents) == (whole.pin, {"tile": 40}, 2, 0)
    assert (second.promised, second.due_minute, second.after) == (None, None, (After("roof#1"),))
    assert (second.pin, second.parts, second.load_units, second.price_cents) == (Pin(("ann",)), {}, 0, 0)
    assert (third.after, third.same_technician_as, third.price_cents) == ((After("roof#2"),), "roof#1", 900)
    assert all(part.windows == whole.windows and part.required_skills == {"roof": 2} for part in (second, third))


def test_one_part_is_the_visit_by_another_name() -> None:
    (only,) = split_over_days(visit("roof", mandatory=False, price_cents=7), (30,))
    assert (only.id, only.duration_minutes, only.price_cents, only.after) == ("roof#1", 30, 7, ())


@pytest.mark.parametrize(("minutes", "path"), [((), "minutes"), ((30, 0), "minutes[1]"), ((10, 10), "minutes")])
def test_parts_that_are_not_the_work_are_refused(minutes: tuple[int, ...], path: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        split_over_days(visit("roof", minutes=30), minutes)
    assert refused.value.path == path
