"""What a list tells of all its rows, whatever the page: how many have each value, and sums, averages and extremes.

A type says with ``facet`` and ``totals`` at its columns what may be asked; here the GraphQL types are made of that.
All of it respects the list's filter and what the actor may see. A facet counts within the whole filter, that on its own
column included: leave that part out of a side bar's list to offer the other values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Optional

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.tools import create_type
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryObjectDefinition, StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from app.infrastructure.tables import IdentifiedTable
from app.kernel.pages import PAGE_SIZE_DEFAULT
from schema.kit.connections import Connection
from schema.kit.declarations import Column, Declaration, KitField, Parent, Readable, about, plain, readable_of
from schema.kit.enums import describe_enum
from schema.kit.kinds import Kind

PERIODS_MAX = 120


class Period(StrEnum):
    """How long the steps of a timeline are."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


describe_enum(
    Period,
    "How long the steps of a timeline are.",
    {
        Period.DAY: "From midnight to midnight.",
        Period.WEEK: "From Monday to Sunday, as ISO 8601 has it.",
        Period.MONTH: "From the first to the last day of a month.",
    },
)


@dataclass(slots=True)
class Summary(Declaration):
    """Something about all rows of a list."""


@dataclass(slots=True)
class Facet(Summary):
    """How many rows have each value of a column. ``words`` are all values that there are, where they are known."""

    column: str = ""
    kind: Kind = Kind.TEXT
    nullable: bool = False
    words: tuple[str, ...] = ()
    parent: Readable | None = None
    label: str = ""


@dataclass(slots=True)
class Timeline(Summary):
    """How many rows fall into each step of time."""

    column: str = ""


@dataclass(slots=True)
class FacetRows(Summary):
    """The rows of the list that have the value."""


@dataclass(slots=True)
class Measure(Summary):
    """A column's sum, average, least or greatest, as the field around it says."""

    column: str = ""
    kind: Kind = Kind.NUMBER
    places: int = 0


@plain
class TimelineValue:
    """How many rows fall into one step of time."""

    value: date = about("Its first day, by the clocks of the time zone.")
    starts_at: datetime = about("When it begins.")
    ends_at: datetime = about("When it is over; that moment belongs to the next.")
    count: int = about("How many rows of the list fall into it.")


@plain
class TimelineFacet:
    """The rows of a list counted by time."""

    values: list[TimelineValue] = about("The steps of the span, in order, those without rows as well.")
    other_count: int = about("How many rows of the list lie outside the span, or have no such time.")


TOTALS = {
    "sum": ("Sum", "The sum of all values; null of none."),
    "average": (
        "Average",
        "The average of all values, rounded to four decimal places (half away from zero); null of none.",
    ),
    "min": ("Extreme", "The least value, or the earliest; null of none."),
    "max": ("Extreme", "The greatest value, or the latest; null of none."),
}
_MEASURES = {
    "Sum": "Sums of columns.",
    "Average": "Averages of columns.",
    "Extreme": "The least or greatest values of columns.",
}
_ADDABLE = frozenset({Kind.NUMBER, Kind.DECIMAL})
_SHOWN_AS = {Kind.DECIMAL: Decimal, Kind.MOMENT: datetime, Kind.DAY: date}


def with_summaries(definition: StrawberryObjectDefinition) -> list[StrawberryField]:
    """The fields of a type; if it is a connection, with those that are about all of its rows."""
    if definition.concrete_of is None or definition.concrete_of.origin is not Connection:
        return definition.fields
    return [*definition.fields, *_summaries(definition.type_var_map["T"])]


@cache
def _summaries(rows: Any) -> list[StrawberryField]:
    name = readable_of(rows).name
    made: list[StrawberryField] = []
    if facets := _facets(rows, name):
        says = f"The {name} rows of a list, counted by their values."
        shown = create_type(f"{name}Facets", facets, description=says)
        made.append(_field("facets", shown, "The list's rows counted by their values, whatever the page.", Summary()))
    if totals := _totals(rows, name):
        shown = create_type(f"{name}Aggregate", totals, description=f"Figures over the {name} rows of a list.")
        made.append(_field("aggregate", shown, "Figures over all rows of the list, whatever the page.", Summary()))
    return made


def _columns(rows: Any) -> list[tuple[KitField, Any]]:
    """The fields that are columns or parents, each with its type."""
    found = []
    for field in rows.__strawberry_definition__.fields:
        if isinstance(field, KitField) and isinstance(field.declaration, Column | Parent):
            type = field.type
            found.append((field, type.of_type if isinstance(type, StrawberryOptional) else type))
    return found


def _field(
    name: str, type: Any, says: str, declaration: Summary, arguments: Sequence[StrawberryArgument] = ()
) -> KitField:
    """A field that may be missing: the list itself may be hidden from somebody."""
    made = KitField(says, declaration)
    made.python_name = name
    made.type_annotation = StrawberryAnnotation(Optional[type])  # noqa: UP045  # made at run time
    made.arguments = list(arguments)
    return made


def _argument(name: str, type: Any, says: str, default: Any = strawberry.UNSET) -> StrawberryArgument:
    return StrawberryArgument(name, None, StrawberryAnnotation(type), description=says, default=default)


# Facets


def _facets(rows: Any, name: str) -> list[StrawberryField]:
    columns = [(field, type) for field, type in _columns(rows) if getattr(field.declaration, "facet", False)]
    if not columns:
        return []
    shown = _facet_type(rows, name)
    return [_facet(field, type, shown, readable_of(rows).model) for field, type in columns]


def _facet(field: KitField, type: Any, shown: Any, model: type[IdentifiedTable]) -> KitField:
    declaration, says = field.declaration, field.description or ""
    name = field.python_name
    if isinstance(declaration, Column) and declaration.kind is Kind.MOMENT:
        return _field(name, TimelineFacet, says, Timeline(declaration.permission, declaration.column), _TIMELINE)
    made = _facet_of(field, type, model)
    if made.words:
        return _field(name, shown, f"{says} All values, in their own order, those without rows as well.", made)
    first = _argument("first", int, "At most so many values, 1 to 100.", PAGE_SIZE_DEFAULT)
    return _field(name, shown, f"{says} The values with the most rows come first.", made, [first])


def _facet_of(field: KitField, type: Any, model: Any) -> Facet:
    declaration = field.declaration
    if isinstance(declaration, Parent):
        target = readable_of(type)
        label = next(
            (
                one.declaration
                for one in type.__strawberry_definition__.fields
                if isinstance(one, KitField)
                and isinstance(one.declaration, Column)
                and one.declaration.column == declaration.facet
            ),
            None,
        )
        if label is None or label.permission is not None:
            raise TypeError(f"{target.name} does not show everybody its {declaration.facet}")
        return Facet(declaration.permission, declaration.via, Kind.TEXT, True, (), target, declaration.facet)
    assert isinstance(declaration, Column)
    words: tuple[str, ...] = ()
    if isinstance(type, StrawberryEnumDefinition):
        words = tuple(one.name for one in type.values)
    elif declaration.kind is Kind.BOOLEAN:
        words = ("true", "false")
    if len(words) > PAGE_SIZE_DEFAULT:
        raise TypeError(f"{field.python_name} has too many values to show them all")
    return Facet(declaration.permission, declaration.column, declaration.kind, declaration.nullable, words)


def _facet_type(rows: Any, name: str) -> Any:
    """A facet whose values give their rows."""
    first = _argument("first", int, "At most so many rows of each value, 1 to 100.", PAGE_SIZE_DEFAULT)
    page = _field(
        "rows",
        Connection[rows],
        "The list's rows that have the value, sorted as the list is. For more of them, ask for the list narrowed to the "
        "value, with the same orderBy, after this page's endCursor.",
        FacetRows(),
        [first],
    )
    page.type_annotation = StrawberryAnnotation(Connection[rows])
    value = create_type(
        f"{name}FacetValue",
        [
            _plain(
                "value",
                str | None,
                "The value: a word of the enum, true or false, an id, a text; null where there is none.",
            ),
            _plain("label", str | None, "What to show people; null where there is no value."),
            _plain("count", int, "How many rows of the list have it."),
            page,
        ],
        description=f"One value, and the {name} rows that have it.",
    )
    return create_type(
        f"{name}Facet",
        [
            _plain("values", list[value], "The values."),  # type: ignore[valid-type]  # made at run time
            _plain("other_count", int, "How many rows of the list have values that are not shown."),
        ],
        description=f"The {name} rows of a list counted by one of their values.",
    )


def _plain(name: str, annotation: Any, says: str) -> StrawberryField:
    made: StrawberryField = strawberry.field(description=says)
    made.python_name = name
    made.type_annotation = StrawberryAnnotation(annotation)
    return made


_TIMELINE = (
    _argument("from", date, "The first day."),
    _argument("until", date, f"The day after the last one. At most {PERIODS_MAX} steps lie between the two."),
    _argument("per", Period, "How long the steps are; the first and the last may be cut short.", Period.DAY),
    _argument("time_zone", str, "The IANA zone by whose clocks days begin, such as Europe/Berlin."),
)


# Totals


def _totals(rows: Any, name: str) -> list[StrawberryField]:
    columns = [
        field for field, _ in _columns(rows) if isinstance(field.declaration, Column) and field.declaration.totals
    ]
    if not columns:
        return []
    made: list[StrawberryField] = [_plain("count", int, "How many rows the list has.")]
    types: dict[str, Any] = {}
    for operation, (suffix, says) in TOTALS.items():
        adds = suffix != "Extreme"
        fields: list[StrawberryField] = [
            _measure(one, exact=not adds) for one in columns if not adds or _column(one).kind in _ADDABLE
        ]
        if fields:
            if suffix not in types:
                types[suffix] = create_type(f"{name}{suffix}", fields, description=_MEASURES[suffix])
            made.append(_plain(operation, types[suffix], says))
    return made


def _column(field: KitField) -> Column:
    assert isinstance(field.declaration, Column)
    return field.declaration


def _measure(field: KitField, *, exact: bool) -> KitField:
    column = _column(field)
    # A sum of whole numbers may be greater than an Int; as a Float it is exact up to 2^53.
    shown = _SHOWN_AS.get(column.kind, int if exact else float)
    measure = Measure(column.permission, column.column, column.kind, column.places)
    return _field(field.python_name, shown, field.description or "", measure)
