"""Putting known routes together: what comes out can be driven, whoever of those who are alike drives which."""

import math
from dataclasses import replace

import numpy as np

from optimizer.assignment import POINT_CENTS, Column, choose, fetched_by
from optimizer.model import Model
from optimizer.problem import Policy, Problem, Shift, Stock, Technician, Visit
from optimizer.search import Search
from optimizer.tables import IS_TIMED, KIND, SUM_WORST, Tables, tables_of
from tests.optimizer.given import INDIFFERENT, problem, technician, visit

# What it costs to leave one visit out: only a plan that serves all is cheaper.
DEAR = 4 * POINT_CENTS


def tables(question: Problem) -> Tables:
    return tables_of(Model(question))


def chosen(of: Tables, *columns: Column, best_cost: int = DEAR, seconds: float = 5.0) -> list[Column] | None:
    return choose(of, columns, best_cost, scale=(1000, 1), seconds=seconds, seed=0)


def two(**more: object) -> list[Technician]:
    return [technician(name, **more) for name in ("ann", "bob")]


def one_each(first: int, then: int, *, starts: tuple[int, int] = (10, 20)) -> tuple[Column, Column]:
    return Column(first, (0,), (starts[0],), 5), Column(then, (1,), (starts[1],), 5)


def test_of_vehicles_that_are_alike_two_routes_are_two_people() -> None:
    same = tables(problem(two(), [visit("a"), visit("b", "park", same_technician_as="a")]))
    assert same.vehicles[:, KIND].tolist() == [0, 0]
    together = Column(1, (0, 1), (10, 50), 15)
    # Both were driven by ann when they were seen; together they are for ann and bob.
    assert chosen(same, *one_each(0, 0)) is None
    assert chosen(same, *one_each(0, 0), together) == [together]
    crew = tables(problem(two(), visit("a", crew_size=2)))
    assert chosen(crew, *one_each(0, 0, starts=(10, 10))) == list(one_each(0, 0, starts=(10, 10)))


def test_who_is_one_person_in_two_shifts_may_be_the_same_technician() -> None:
    ann = technician("ann", Shift(0, 100, "depot", "depot"), Shift(100, 240, "depot", "depot"))
    bob = technician("bob")
    same = tables(problem([ann, bob], [visit("a"), visit("b", "park", same_technician_as="a")]))
    assert chosen(same, *one_each(0, 1)) == list(one_each(0, 1))
    assert chosen(same, *one_each(0, 2)) is None


def test_no_stock_gives_more_than_it_has_and_what_is_on_board_is_used_first() -> None:
    needs: list[Visit] = [visit("a", parts={"fuse": 1}), visit("b", "park", parts={"fuse": 1})]
    question = problem(two(), needs, stocks=(Stock("quay", {"fuse": 1}),))
    assert chosen(tables(question), *one_each(0, 1)) is None
    carried = tables(replace(question, technicians=(technician("ann", parts={"fuse": 1}), technician("bob"))))
    ann, bob = one_each(0, 1)
    assert (fetched_by(carried, ann), fetched_by(carried, bob)) == ({}, {(0, 0): 1})
    assert chosen(carried, ann, bob) == [ann, bob]


def test_sums_beyond_64_bits_and_endless_time_are_no_error() -> None:
    policy = Policy(priority_weights=(10**6, 8, 4, 2, 1))
    work = [visit(f"v{number}", priority=1, lateness_cents_per_minute=1) for number in range(20)]
    of = tables(problem(two(), work, policy))
    assert choose(of, one_each(0, 1), 10**22, scale=(1, 1000), seconds=5, seed=0) is None
    pair = tables(problem(two(), [visit("a"), visit("b")]))
    assert chosen(pair, *one_each(0, 1), seconds=math.inf) == list(one_each(0, 1))


def test_the_longest_delay_counts_where_no_minute_of_it_has_a_price() -> None:
    policy = replace(INDIFFERENT, worst_lateness_cents_per_minute=7)
    late = visit("a", due_minute=0, lateness_cents_per_minute=0)
    search = Search.of(Model(problem(technician(), late, policy)))
    search.construct()
    assert search.best.state.best_totals[SUM_WORST] == 70
    assert search.score().lateness_cents == 70
    assert np.all(search.tables.slots[:, IS_TIMED] == 0)  # nothing has to be driven in thought for it
