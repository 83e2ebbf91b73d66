"""Large days in parts: splitting loses and doubles nothing, and what comes together is sound and never worse."""

import time
from collections import Counter
from collections.abc import Generator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings

from optimizer import Plan, Problem, Stop, check, score, solve
from optimizer.decompose import InParts, side_by_side, solve_in_parts
from optimizer.documents import part_from_json, part_to_json, solved_from_json, solved_to_json
from optimizer.model import Model
from optimizer.parts import Part, Run, Solved, Way, solve_part
from optimizer.search import Search
from optimizer.splitting import split
from tests.benchmarks.planning.days import field_service_day
from tests.optimizer.days import problems

FEW = Stop(seconds=60, solutions=120)


def one_by_one(parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
    for part in parts:
        yield solve_part(part)


def searched(problem: Problem) -> Search:
    search = Search.of(Model(problem), 1)
    search.construct()
    return search


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(problems(stocked=True))
def test_splitting_loses_and_doubles_nothing(problem: Problem) -> None:
    search = searched(problem)
    if not problem.visits:
        assert split(search, 2) == []
        return
    parts = split(search, 3, cap=2)
    people = Counter(each.id for part in parts for each in part.problem.technicians)
    assert people == Counter(each.id for each in problem.technicians)
    served = {
        each: [way.technician_id for part in parts for way in part.ways if each in way.visit_ids]
        for each in problem.visit_by_id
    }
    plan = search.draft().to_plan()
    assert {each: sorted(who) for each, who in served.items() if who} == {
        each: sorted(plan.technicians_of(each)) for each in plan.visit_ids
    }
    held = Counter(each.id for part in parts for each in part.problem.visits)
    for id, times in held.items():
        halves = [part.problem.visit_by_id[id] for part in parts if id in part.problem.visit_by_id]
        standing = [half for half in halves if half is not problem.visit_by_id[id]]
        assert times == 1 or len(standing) == times
        assert sum(half.crew_size for half in halves) == problem.visit_by_id[id].crew_size
    # What nobody holds is what nobody does.
    assert not (set(problem.visit_by_id) - set(held)) & plan.visit_ids
    for stock in problem.stocks:
        shared = Counter[str]()
        for part in parts:
            shared.update(part.problem.stock_by_place[stock.place].parts if part.problem.stocks else {})
        assert all(shared[name] <= amount for name, amount in stock.parts.items())


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(problems(stocked=True))
def test_a_part_begins_where_the_whole_stands(problem: Problem) -> None:
    search = searched(problem)
    for part in split(search, 3, cap=2):
        held = {each for way in part.ways for each in way.visit_ids}
        solved = solve_part(Part(part.number, part.problem, part.ways, seconds=0))
        settled = {each.id for each in part.problem.visits if each is not problem.visit_by_id[each.id]}
        assert settled <= held
        assert settled <= {each for way in solved.ways for each in way.visit_ids}


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(problems(stocked=True))
def test_what_comes_together_is_sound_never_worse_and_the_same_again(problem: Problem) -> None:
    first = solve(problem, stop=Stop(seconds=0))
    plan = solve_in_parts(problem, stop=FEW, seed=3, run=one_by_one, visits_per_part=2)
    assert check(problem, plan) == []
    assert first.score is not None
    assert plan.score == score(problem, plan)
    assert plan.score <= first.score
    backwards = solve_in_parts(problem, stop=FEW, seed=3, run=lambda parts: one_by_one(parts[::-1]), visits_per_part=2)
    assert backwards == plan


def test_threads_and_documents_give_the_same_plan() -> None:
    problem = field_service_day(60, 8)

    def by_post(parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
        for part in parts:
            assert part_from_json(part_to_json(part)) == part
            solved = solve_part(part_from_json(part_to_json(part)))
            yield None
            assert solved_from_json(solved_to_json(solved)) == solved
            yield solved_from_json(solved_to_json(solved))

    def told(run: Run, at_once: int) -> Plan:
        return solve_in_parts(problem, stop=FEW, seed=1, run=run, at_once=at_once, visits_per_part=15)

    assert told(by_post, 2) == told(side_by_side(2), 2)


def failing(parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
    yield solve_part(parts[-1])
    raise RuntimeError("the others are gone")


def inventing(parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
    """Somebody unknown, everything left out, everything twice, and everybody's visits with one technician."""
    people = [part.problem.technicians[0].id for part in parts]
    every = tuple(each for part in parts for way in part.ways for each in way.visit_ids)
    answers = [(Way("nobody", 0, ("x",)),), (), (Way(people[2], 0, every + every),), (Way(people[3], 0, every),)]
    for part, ways in zip(parts, answers, strict=True):
        yield Solved(part.number, ways)


def silent(parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
    while parts:
        time.sleep(0.01)
        yield None


@pytest.mark.parametrize("run", [failing, inventing, silent])
def test_a_runner_that_fails_lies_or_is_silent_leaves_a_sound_plan_in_time(run: Run) -> None:
    problem = field_service_day(60, 8)
    started = time.monotonic()
    plan = solve_in_parts(problem, stop=Stop(seconds=1), run=run, visits_per_part=15)
    assert time.monotonic() - started < 1.05 + 0.3
    first = solve(problem, stop=Stop(seconds=0))
    assert check(problem, plan) == []
    assert plan.score is not None
    assert first.score is not None
    assert plan.score <= first.score


@pytest.mark.slow
def test_a_large_day_is_solved_in_parts_and_stops_when_told() -> None:
    problem = field_service_day(500, 60, full=False)
    seen: list[int] = []

    def counted(parts: Sequence[Part]) -> Generator[Solved | None, None, None]:
        seen.append(len(parts))
        yield from side_by_side(1)(parts)

    heard: list[float] = []
    plan = solve(
        problem,
        stop=Stop(seconds=30, solutions=300),
        in_parts=InParts(counted),
        on_progress=lambda _, value: heard.append(float(value.levels[-1])),
    )
    assert seen == [2, 2, 2]
    assert check(problem, plan) == []
    assert len(heard) > 2
    assert all(after < before for before, after in pairwise(heard))
    started = time.monotonic()
    stopped = solve(
        problem, stop=Stop(seconds=60), in_parts=InParts(side_by_side(2), 2), should_stop=lambda: bool(seen)
    )
    assert time.monotonic() - started < 10
    assert check(problem, stopped) == []
