"""Putting known routes together: what CP-SAT chooses keeps every rule between routes, and is never worse."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from optimizer import Problem, Stop, check
from optimizer.assignment import Column, choose, columns_of, routes_of
from optimizer.model import Model
from optimizer.problem import After, Pin, Shift
from optimizer.search import Search
from optimizer.tables import COUNT
from tests.optimizer.days import problems
from tests.optimizer.given import problem, technician, visit

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
