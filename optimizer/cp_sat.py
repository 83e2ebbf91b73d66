"""Programs for OR-Tools' CP-SAT in its own protocol: literals are numbers, sums are amounts by literal.

OR-Tools' usual Python interface imports pandas, for series of variables. That takes twenty times as long as the solver
itself, in each process that makes a plan.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

INT64_MAX = (1 << 63) - 1

Literal = int
Sum = Counter[Literal]


def negated(literal: Literal) -> Literal:
    return -1 - literal


class Program:
    """Constraints over literals, and what is to be as little as possible."""

    def __init__(self) -> None:
        from ortools.sat.python import cp_model_helper

        self._library: Any = cp_model_helper
        self._proto: Any = cp_model_helper.CpModelProto()
        self._count = 0

    def literal(self) -> Literal:
        self._proto.variables.add().domain.extend([0, 1])
        self._count += 1
        return self._count - 1

    def exactly_one(self, literals: Iterable[Literal]) -> None:
        self._proto.constraints.add().exactly_one.literals.extend(list(literals))

    def at_most_one(self, literals: Iterable[Literal]) -> None:
        self._proto.constraints.add().at_most_one.literals.extend(list(literals))

    def implies(self, one: Literal, other: Literal) -> None:
        self._proto.constraints.add().bool_or.literals.extend([negated(one), other])

    def at_least(self, amounts: Mapping[Literal, int], bound: int, *, only_if: Iterable[Literal] = ()) -> None:
        """The sum is no less than the bound, where all these literals are true."""
        self._within(amounts, bound, INT64_MAX, only_if)

    def at_most(self, amounts: Mapping[Literal, int], bound: int, *, only_if: Iterable[Literal] = ()) -> None:
        self._within(amounts, -INT64_MAX - 1, bound, only_if)

    def _within(self, amounts: Mapping[Literal, int], low: int, high: int, only_if: Iterable[Literal]) -> None:
        constraint = self._proto.constraints.add()
        constraint.enforcement_literal.extend(list(only_if))
        constraint.linear.vars.extend(list(amounts))
        constraint.linear.coeffs.extend(list(amounts.values()))
        constraint.linear.domain.extend([low, high])

    def minimize(self, amounts: Mapping[Literal, int]) -> None:
        self._proto.objective.vars.extend(list(amounts))
        self._proto.objective.coeffs.extend(list(amounts.values()))

    def solve(self, seconds: float, seed: int, *, workers: int = 1, effort: float | None = None) -> list[bool] | None:
        """The value of each literal; None when there is no solution, or none in time."""
        parameters = self._library.SatParameters()
        parameters.num_workers = workers
        parameters.max_time_in_seconds = seconds
        if effort is not None:
            parameters.max_deterministic_time = effort
        parameters.random_seed = seed & 0x7FFFFFFF
        parameters.linearization_level = 2
        wrapper = self._library.SolveWrapper()
        wrapper.set_parameters(parameters)
        answer = wrapper.solve(self._proto)
        if answer.status not in (self._library.OPTIMAL, self._library.FEASIBLE):
            return None
        return [bool(value) for value in answer.solution]
