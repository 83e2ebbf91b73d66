"""How a part of the API is said to go: what to use instead, and the day from which it may be gone.

``deprecated("Use accountNumber instead.", until=date(2027, 3, 15))`` marks whatever it is called with: a field, an argument,
a field of an input or a filter, an operation, or an enum value's description.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
)

_REASON = re.compile(r"\S.*[.!] Removed on (\d{4}-\d\d-\d\d)\.", re.DOTALL)


class Going(str):
    """An enum value's description, with why the value will go."""

    deprecation_reason: str


def deprecated(instead: str, *, until: date) -> Callable[[Any], Any]:
    """Mark what is to go. ``instead`` is a sentence: what to use in its place."""
    reason = f"{instead} Removed on {until}."
    removal_of(reason)

    def mark(made: Any) -> Any:
        if isinstance(made, str):
            made = Going(made)
        made.deprecation_reason = reason
        return made

    return mark


def removal_of(reason: str) -> date:
    """The day from which what is deprecated may be gone; ``TypeError`` unless the reason says it."""
    shape = _REASON.fullmatch(reason)
    try:
        if shape is None:
            raise ValueError(reason)
        return date.fromisoformat(shape[1])
    except ValueError:
        raise TypeError(f"a deprecation says what to use and when it goes, not: {reason}") from None


def deprecations(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    """Everything that is to go: its coordinate, such as ``Customer.number`` or ``Query.site(id:)``, and the reason."""
    for place, part in parts_of(schema):
        if part.deprecation_reason is not None:
            yield place, part.deprecation_reason


def require_dated(schema: GraphQLSchema) -> None:
    """Raise unless every deprecation says what to use instead and when it goes."""
    for place, reason in deprecations(schema):
        try:
            removal_of(reason)
        except TypeError as wrong:
            raise TypeError(f"{place}: {wrong}") from None


def parts_of(schema: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """Every field, argument, input field and enum value of ours, with its coordinate."""
    for type in schema.type_map.values():
        if type.name.startswith("__"):
            continue
        match type:
            case GraphQLObjectType() | GraphQLInterfaceType():
                for name, field in type.fields.items():
                    yield f"{type}.{name}", field
                    yield from ((f"{type}.{name}({argument}:)", one) for argument, one in field.args.items())
            case GraphQLInputObjectType():
                yield from ((f"{type}.{name}", part) for name, part in type.fields.items())
            case GraphQLEnumType():
                yield from ((f"{type}.{name}", value) for name, value in type.values.items())
