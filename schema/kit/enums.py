"""Enums of the rules as clients see them, every value described."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import strawberry

from schema.kit.deprecations import Going

E = TypeVar("E", bound=StrEnum)


def describe_enum(enum: type[E], description: str, values: Mapping[E, str]) -> type[E]:
    """Offer an enum to clients. The names are what is stored, and each value says what it means."""
    undescribed = [str(value) for value in enum if not values.get(value)]
    if undescribed or not description:
        raise TypeError(f"the enum {enum.__name__} does not describe {', '.join(undescribed) or 'itself'}")
    if renamed := [value.name for value in enum if value.name != value.value]:
        raise TypeError(f"the enum {enum.__name__} stores other words than it shows: {', '.join(renamed)}")
    if not hasattr(enum, "__strawberry_definition__"):
        strawberry.enum(enum, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        said = values[enum(value.value)]
        value.description = str(said)
        value.deprecation_reason = said.deprecation_reason if isinstance(said, Going) else None
    return enum
