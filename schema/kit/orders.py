"""How lists may be sorted. A list is always sorted by something unique in the end: the id breaks ties.

A missing value counts as the greatest, on both databases: last when ascending, first when descending.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any

import strawberry
from tortoise.fields import FloatField

from app.infrastructure.conditions import quoted
from app.infrastructure.tables import Table
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Permission
from schema.kit.enums import describe_enum
from schema.kit.kinds import Kind, column_kind, comparable, json_of

ORDER_TERMS_MAX = 4
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_]+")


class OrderDirection(StrEnum):
    """Which way round."""

    ASC = "ASC"
    DESC = "DESC"


describe_enum(
    OrderDirection,
    "Which way round a list is sorted.",
    {
        OrderDirection.ASC: "Smallest or earliest first; those without a value come last.",
        OrderDirection.DESC: "Greatest or latest first; those without a value come first.",
    },
)


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """Something a list can be sorted by."""

    name: str
    column: str
    kind: Kind
    nullable: bool
    ranks: tuple[str, ...] = ()
    permission: Permission | None = None

    def raw(self, alias: str) -> str:
        """SQL of the value to sort by, on the row of that alias."""
        cell = f"{quoted(alias)}.{quoted(self.column)}"
        if not self.ranks:
            return cell
        steps = " ".join(f"WHEN '{word}' THEN {rank}" for rank, word in enumerate(self.ranks))
        return f"(CASE {cell} {steps} ELSE {len(self.ranks)} END)"

    def sql(self, alias: str, dialect: Dialect) -> str:
        """As ``raw``, in a form that compares rightly."""
        return comparable(self.kind, self.raw(alias), dialect)

    def json(self, alias: str, dialect: Dialect) -> str:
        """As ``raw``, in the form a cursor carries."""
        return json_of(self.kind, self.raw(alias), dialect)


ID_TERM = OrderTerm("ID", "id", Kind.TEXT, nullable=False)
Sorted = tuple[tuple[OrderTerm, bool], ...]
"""Terms, each with whether it descends; the last one is always the id."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Words of a column in an order of their own, such as LOW before HIGH."""

    description: str
    column: str
    words: tuple[str, ...]
    permission: Permission | None = None


def ranked(description: str, column: str, words: Sequence[str], *, permission: Permission | None = None) -> Ranked:
    """Sort by a column's words in the order given; other words come after them."""
    if wrong := [word for word in words if not _PLAIN_WORD.fullmatch(word)]:
        raise TypeError(f"not plain words: {wrong}")
    return Ranked(description, column, tuple(str(word) for word in words), permission)


@dataclass(frozen=True, slots=True)
class Order:
    """What a list of a model can be sorted by."""

    name: str
    model: type[Table]
    terms: dict[str, OrderTerm]
    default: Sorted
    input: type[Any]

    def protect(self, column: str, permission: Permission) -> None:
        """Ask for a permission wherever a column is sorted by."""
        for name, term in self.terms.items():
            if term.column == column and term.permission is None:
                self.terms[name] = replace(term, permission=permission)

    def sorted_by(self, actor: Actor, asked: Sequence[dict[str, Any]] | None) -> Sorted:
        """The terms that a client asked for, or else the default ones, ending in the id."""
        if not asked:
            return self.default
        if len(asked) > ORDER_TERMS_MAX:
            raise InvalidInput(f"A list is sorted by at most {ORDER_TERMS_MAX} things.", path=["orderBy"])
        chosen: dict[str, tuple[OrderTerm, bool]] = {}
        for one in asked:
            field = one["field"]
            term = self.terms[field.value if isinstance(field, Enum) else str(field)]
            if term.permission is not None:
                actor.require(term.permission)
            chosen.setdefault(term.name, (term, one.get("direction") == OrderDirection.DESC))
        return ending_in_id(tuple(chosen.values()))


def ending_in_id(terms: Sorted) -> Sorted:
    """The terms with the id as the tie-breaker, in the direction of the last one."""
    return (*terms, (ID_TERM, terms[-1][1] if terms else True))


NEWEST_FIRST: Sorted = ending_in_id(())


def orderable(
    name: str,
    model: type[Table],
    /,
    *,
    default: Sequence[str],
    permission: Permission | None = None,
    **terms: str | Ranked,
) -> Order:
    """Declare what a list can be sorted by: described columns, or ``ranked``. In the default ``-`` means descending."""
    known: dict[str, OrderTerm] = {}
    says: dict[str, str] = {}
    for column, term in terms.items():
        word = column.upper()
        if isinstance(term, Ranked):
            column_kind(model, term.column)
            known[word] = OrderTerm(word, term.column, Kind.NUMBER, False, term.words, term.permission)
            says[word] = term.description
        else:
            kind, nullable = column_kind(model, column)
            if kind is Kind.JSON:
                raise TypeError(f"{name} cannot sort by the JSON column {column}")
            if isinstance(model._meta.fields_map.get(column), FloatField):
                raise TypeError(f"{name} cannot sort by the float {column}: SQLite's JSON, so its cursors, lose digits")
            known[word] = OrderTerm(word, column, kind, nullable, permission=permission)
            says[word] = term
    field = StrEnum(f"{name}Field", {word: word for word in known})  # type: ignore[misc]  # the values are data here
    describe_enum(field, f"What {name} can sort by.", {field(word): said for word, said in says.items()})
    chosen = tuple((known[one.lstrip("-").upper()], one.startswith("-")) for one in default)
    return Order(name, model, known, ending_in_id(chosen), _order_input(name, field))


def _order_input(name: str, field: type[Any]) -> type[Any]:
    namespace = {
        "__annotations__": {"field": field, "direction": OrderDirection},
        "__module__": __name__,
        "field": strawberry.field(description="By what."),
        "direction": strawberry.field(description="Which way round.", default=OrderDirection.ASC),
    }
    return strawberry.input(type(name, (), namespace), description="One thing to sort by; the first counts most.")
