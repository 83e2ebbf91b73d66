"""What a filter costs beyond comparing columns: its conditions that reach through a relation, and those that test a text.

Taken from the filter's types and from what is given, written in the document or as a variable's value, before either is
validated: what does not fit the types weighs nothing here, and fails a little later.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    VariableNode,
    get_named_type,
)

CONDITION_COST = 5
COMBINATIONS = frozenset({"and", "or", "not"})
TEXT_TESTS = frozenset({"contains", "equalsFold", "startsWith", "endsWith", "search"})
TYPES_KEPT_MAX = 1024

OfVariable = Callable[[str, GraphQLInputObjectType], int]


def is_filter(type: Any) -> bool:
    """Whether an input holds conditions on a row."""
    return isinstance(type, GraphQLInputObjectType) and type.fields.keys() >= COMBINATIONS


def weight(type: GraphQLInputObjectType, given: Any, of_variable: OfVariable = lambda name, type: 0) -> int:
    """The points for what is given as an input of a type: plain values, or nodes of a document with variables in them.

    Walks through it without recursion, because it may be nested as deeply as a client likes.
    """
    points = 0
    waiting: list[tuple[GraphQLInputObjectType, Any]] = [(type, given)]
    while waiting:
        type, one = waiting.pop()
        if isinstance(one, VariableNode):
            points += of_variable(one.name.value, type)
        elif isinstance(one, list):
            waiting.extend((type, each) for each in one)
        elif isinstance(one, ListValueNode):
            waiting.extend((type, each) for each in one.values)
        elif isinstance(one, dict | ObjectValueNode):
            terms = _terms(type)
            for name, value in _fields(one):
                if name in terms and value is not None and not isinstance(value, NullValueNode):
                    cost, deeper = terms[name]
                    points += cost
                    if deeper is not None:
                        waiting.append((deeper, value))
    return points


def _fields(given: dict[str, Any] | ObjectValueNode) -> Iterator[tuple[str, Any]]:
    if isinstance(given, dict):
        yield from given.items()
    else:
        yield from ((one.name.value, one.value) for one in given.fields)


@lru_cache(maxsize=TYPES_KEPT_MAX)
def _terms(type: GraphQLInputObjectType) -> Mapping[str, tuple[int, GraphQLInputObjectType | None]]:
    """The fields of an input that cost something, or may have such fields within."""
    terms: dict[str, tuple[int, GraphQLInputObjectType | None]] = {}
    for name, field in type.fields.items():
        inner = get_named_type(field.type)
        deeper = inner if isinstance(inner, GraphQLInputObjectType) else None
        costs = name not in COMBINATIONS and is_filter(inner) if deeper is not None else name in TEXT_TESTS
        if costs or deeper is not None:
            terms[name] = (CONDITION_COST if costs else 0, deeper)
    return terms
