"""Putting known routes together: what CP-SAT chooses keeps every rule between routes, and is never worse."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from optimizer import Problem, Stop, check
from optimizer.assignment import POINT_CENTS, Column, choose, columns_of, fetched_by, routes_of
from optimizer.model import Model
from optimizer.problem import After, Pin, Policy, Shift, Stock, Technician, Visit
from optimizer.search import Search
from optimizer.tables import COUNT, IS_TIMED, KIND, SUM_WORST, Tables, tables_of
from tests.optimizer.days import problems
from tests.optimizer.given import INDIFFERENT, problem, technician, visit

CALM = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
ENDLESS = 10**15
DAYS = (Shift(0, 100, "depot", "depot"), Shift(1440, 1540, "depot", "depot"))


def empty(question: Problem) -> Search:
    return Search.of(Model(question), seed=1)


def chosen(question: Problem, *columns: Column) -> list[Column] | None:
    return choose(empty(question).tables, columns, ENDLESS, scale=(1, 1), seconds=5, seed=1)


def route(vehicle: int, *stops: tuple[int, int], cost: int = 10) -> Column:
    """Slots with their starts."""
    return Column(vehicle, tuple(slot for slot, _ in stops), tuple(start for _, start in stops), cost)


@pytest.mark.slow
@settings(CALM, max_examples=20)
@given(problems())
def test_what_is_put_together_is_no_worse_and_breaks_no_rule(question: Problem) -> None:
    if not question.visits:
        return
    search = empty(question)
    search.construct()
    search.assemblies.clear()
    search.run(Stop(seconds=100, solutions=120))
    before = search.score()
    better = search.assemble(5)
    assert (search.score() < before) == better
    assert better or search.score() == before
    assert check(question, search.draft().to_plan()) == []
    # The best that CP-SAT finds in the pool when it need not be better than anything.
    columns = columns_of(search.tables, [search.best.state], (1000, 1))
    found = choose(search.tables, columns, ENDLESS * 1000, scale=(1000, 1), seconds=5, seed=1)
    if found is None:
        return
    again = empty(question)
    routes = routes_of(search.tables, found)
    assert sum(map(len, routes.values())) == len({slot for slots in routes.values() for slot in slots})
    if again.best.adopt(routes):
        again.best.kernel.keep()
        assert check(question, again.draft().to_plan()) == []


def test_a_visit_is_served_once_and_a_shift_driven_once() -> None:
    question = problem([technician("ann"), technician("bob", cost_cents_per_minute=1)], [visit("a"), visit("b")])
    both = chosen(question, route(0, (0, 10)), route(0, (1, 10)), route(1, (0, 10), cost=90), route(1, (1, 10)))
    assert both == [route(0, (0, 10)), route(1, (1, 10))]


def test_nothing_is_chosen_that_is_not_better() -> None:
    question = problem(technician(), visit("a"))
    tables, column = empty(question).tables, route(0, (0, 10))
    for best_cost, found in ((11, [column]), (10, None)):
        assert choose(tables, [column], best_cost, scale=(1, 1), seconds=5, seed=1) == found
    assert choose(tables, [], ENDLESS, scale=(1, 1), seconds=5, seed=1) is None


def test_a_crew_starts_together_and_is_of_different_people() -> None:
    ann = technician("ann", *DAYS, cost_cents_per_minute=2)
    question = problem([ann, technician("bob")], visit("a", crew_size=2))
    # Vehicles: Ann's two days, then Bob's.
    together = [route(0, (0, 10)), route(2, (1, 10))]
    apart = route(2, (1, 20), cost=0)
    assert chosen(question, *together, apart) == together
    assert chosen(question, together[0], apart) == []
    assert chosen(question, together[0], route(1, (1, 10))) == []


@pytest.mark.parametrize(("start", "fits"), [(44, False), (45, True), (60, True), (61, False)])
def test_a_sequence_keeps_its_gaps(start: int, fits: bool) -> None:
    people = [technician("ann"), technician("bob", cost_cents_per_minute=1)]
    question = problem(people, [visit("a"), visit("b", after=(After("a", 5, 20),))])
    first, then = route(0, (0, 10)), route(1, (1, start))
    assert chosen(question, first, then) == ([first, then] if fits else [first])


def test_what_comes_after_is_not_served_alone() -> None:
    people = [technician("ann"), technician("bob", cost_cents_per_minute=1)]
    question = problem(people, [visit("a"), visit("b", after=(After("a"),))])
    assert chosen(question, route(1, (1, 100))) == []


def test_the_same_technician_comes_again() -> None:
    people = [technician("ann", *DAYS), technician("bob", cost_cents_per_minute=1)]
    question = problem(people, [visit("a"), visit("b", same_technician_as="a")])
    first, same, other = route(0, (0, 10)), route(1, (1, 1450), cost=99), route(2, (1, 10))
    assert chosen(question, first, same, other) == [first, same]


def test_parts_on_board_are_not_used_twice_in_two_shifts() -> None:
    needs = [visit(name, parts={"fuse": 1}) for name in "ab"]
    columns = route(0, (0, 10)), route(1, (1, 1450))
    one, two = (technician("ann", *DAYS, parts={"fuse": amount}) for amount in (1, 2))
    assert chosen(problem(two, needs), *columns) == list(columns)
    found = chosen(problem(one, needs), *columns)
    assert found is not None and len(found) == 1


def test_pinned_visits_stay_with_whom_they_are_pinned_to() -> None:
    people = [technician("ann", cost_cents_per_minute=9), technician("bob")]
    question = problem(people, [visit("a", pin=Pin(("ann",), 60)), visit("b")])
    search = empty(question)
    search.construct()
    search.run(Stop(seconds=100, solutions=50))
    search.assemble(5)
    plan = search.draft().to_plan()
    assert plan.technicians_of("a") == ("ann",)
    assert plan.stops_of("a")[0].start_minute == 60
    # Routes that the pool would never hold are refused when they are taken up.
    assert not search.best.adopt({1: [0]})


def test_an_answer_that_cannot_be_driven_leaves_the_search_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    question = problem(technician(capacity_units=3), [visit("a", load_units=2), visit("b", load_units=2)])
    search = empty(question)
    search.construct()
    before, worth = search.best.best_routes(), search.score()
    monkeypatch.setattr("optimizer.search.choose", lambda *_, **__: [route(0, (0, 10), (1, 40))])
    assert not search.assemble(5)
    assert (search.best.best_routes(), search.score()) == (before, worth)
    assert search.best.state.facts[0, COUNT] == 1


def test_amounts_too_large_for_the_solver_choose_nothing() -> None:
    dear = [visit(f"v{number}", mandatory=False, price_cents=10**12) for number in range(3)]
    question = problem(technician(), dear)
    tables = empty(question).tables
    columns = [route(0, (number, 10), cost=2**61) for number in range(3)]
    assert choose(tables, columns, 2**70, scale=(1, 10**6), seconds=5, seed=1) is None


# ---- whoever of those who are alike drives which

# What it costs to leave one visit out: only a plan that serves all is cheaper.
DEAR = 4 * POINT_CENTS


def tables_for(question: Problem) -> Tables:
    return tables_of(Model(question))


def cheaper(of: Tables, *columns: Column, best_cost: int = DEAR, seconds: float = 5.0) -> list[Column] | None:
    return choose(of, columns, best_cost, scale=(1000, 1), seconds=seconds, seed=0)


def two(**more: object) -> list[Technician]:
    return [technician(name, **more) for name in ("ann", "bob")]


def one_each(first: int, then: int, *, starts: tuple[int, int] = (10, 20)) -> tuple[Column, Column]:
    return Column(first, (0,), (starts[0],), 5), Column(then, (1,), (starts[1],), 5)


def test_of_vehicles_that_are_alike_two_routes_are_two_people() -> None:
    same = tables_for(problem(two(), [visit("a"), visit("b", "park", same_technician_as="a")]))
    assert same.vehicles[:, KIND].tolist() == [0, 0]
    together = Column(1, (0, 1), (10, 50), 15)
    # Both were driven by ann when they were seen; together they are for ann and bob.
    assert cheaper(same, *one_each(0, 0)) is None
    assert cheaper(same, *one_each(0, 0), together) == [together]
    crew = tables_for(problem(two(), visit("a", crew_size=2)))
    assert cheaper(crew, *one_each(0, 0, starts=(10, 10))) == list(one_each(0, 0, starts=(10, 10)))


def test_who_is_one_person_in_two_shifts_may_be_the_same_technician() -> None:
    ann = technician("ann", Shift(0, 100, "depot", "depot"), Shift(100, 240, "depot", "depot"))
    bob = technician("bob")
    same = tables_for(problem([ann, bob], [visit("a"), visit("b", "park", same_technician_as="a")]))
    assert cheaper(same, *one_each(0, 1)) == list(one_each(0, 1))
    assert cheaper(same, *one_each(0, 2)) is None


def test_no_stock_gives_more_than_it_has_and_what_is_on_board_is_used_first() -> None:
    needs: list[Visit] = [visit("a", parts={"fuse": 1}), visit("b", "park", parts={"fuse": 1})]
    question = problem(two(), needs, stocks=(Stock("quay", {"fuse": 1}),))
    assert cheaper(tables_for(question), *one_each(0, 1)) is None
    carried = tables_for(replace(question, technicians=(technician("ann", parts={"fuse": 1}), technician("bob"))))
    ann, bob = one_each(0, 1)
    assert (fetched_by(carried, ann), fetched_by(carried, bob)) == ({}, {(0, 0): 1})
    assert cheaper(carried, ann, bob) == [ann, bob]


def test_sums_beyond_64_bits_and_endless_time_are_no_error() -> None:
    policy = Policy(priority_weights=(10**6, 8, 4, 2, 1))
    work = [visit(f"v{number}", priority=1, lateness_cents_per_minute=1) for number in range(20)]
    of = tables_for(problem(two(), work, policy))
    assert choose(of, one_each(0, 1), 10**22, scale=(1, 1000), seconds=5, seed=0) is None
    pair = tables_for(problem(two(), [visit("a"), visit("b")]))
    assert cheaper(pair, *one_each(0, 1), seconds=math.inf) == list(one_each(0, 1))


def test_the_longest_delay_counts_where_no_minute_of_it_has_a_price() -> None:
    policy = replace(INDIFFERENT, worst_lateness_cents_per_minute=7)
    late = visit("a", due_minute=0, lateness_cents_per_minute=0)
    search = Search.of(Model(problem(technician(), late, policy)))
    search.construct()
    assert search.best.state.best_totals[SUM_WORST] == 70
    assert search.score().lateness_cents == 70
    assert np.all(search.tables.slots[:, IS_TIMED] == 0)  # nothing has to be driven in thought for it
