"""How lists may be sorted. A list is always sorted by something unique in the end: the id breaks ties.

A missing value counts as the greatest, on both databases: last when ascending, first when descending. So does a value of a
parent that is not there, or that the actor may not see: the two look the same on purpose.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any

import strawberry
from tortoise.fields import FloatField

from app.infrastructure.conditions import Condition, Writer, quoted, rank_of
from app.infrastructure.search import SEARCHED, relevance
from app.infrastructure.tables import IdentifiedTable, table_of
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
class ParentColumn:
    """A column of the row that our column ``via`` points to, if the actor may see that row."""

    model: type[IdentifiedTable]
    via: str
    seen: Condition | None = None


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """Something a list can be sorted by.

    Its SQL is written anew wherever it stands, because it may bind values: who asks, or what is searched for.
    """

    name: str
    column: str
    kind: Kind
    nullable: bool
    ranks: tuple[str, ...] = ()
    permissions: frozenset[Permission] = frozenset()
    parent: ParentColumn | None = None
    is_float: bool = False
    computed: Callable[[Writer, str], str] | None = None

    def raw(self, writer: Writer, alias: str) -> str:
        """SQL of the value to sort by, on the row of that alias."""
        if self.computed is not None:
            return self.computed(writer, alias)
        if self.parent is not None:
            return self._of_parent(writer, alias, self.parent)
        cell = f"{quoted(alias)}.{quoted(self.column)}"
        return rank_of(cell, self.ranks) if self.ranks else cell

    def sql(self, writer: Writer, alias: str) -> str:
        """As ``raw``, in a form that compares rightly."""
        return comparable(self.kind, self.raw(writer, alias), writer.dialect)

    def json(self, writer: Writer, alias: str) -> str:
        """As ``raw``, in the form a cursor carries."""
        cell = self.raw(writer, alias)
        if self.is_float and writer.dialect is Dialect.SQLITE:
            # Its JSON functions round to 15 digits, and a rounded cursor lies beside its row.
            return f"CASE WHEN {cell} IS NOT NULL THEN json(printf('%!.17g', {cell})) END"
        return json_of(self.kind, cell, writer.dialect)

    def _of_parent(self, writer: Writer, alias: str, parent: ParentColumn) -> str:
        assert parent.seen is not None, "a term on a parent is bound to an actor first"
        inner = writer.alias()
        return (
            f"(SELECT {quoted(inner)}.{quoted(self.column)} FROM {quoted(table_of(parent.model))} {quoted(inner)} "
            f'WHERE {quoted(inner)}."id" = {quoted(alias)}.{quoted(parent.via)} AND {parent.seen.write(writer, inner)})'
        )


RELEVANCE = "RELEVANCE"
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
class OfColumn:
    """A column that clients know under another name."""

    description: str
    column: str


def of_column(description: str, column: str) -> OfColumn:
    """Sort by a column under another name, the one that the type shows it by."""
    return OfColumn(description, column)


@dataclass(frozen=True, slots=True)
class FromParent:
    """A column of the row that ours points to."""

    description: str
    model: type[IdentifiedTable]
    via: str
    column: str


def from_parent(description: str, model: type[IdentifiedTable], column: str, *, via: str) -> FromParent:
    """Sort by a column of the row that our column ``via`` points to; without one, or one that may be seen, it is missing."""
    return FromParent(description, model, via, column)


@dataclass(frozen=True, slots=True)
class Order:
    """What a list of a model can be sorted by."""

    name: str
    model: type[IdentifiedTable]
    terms: dict[str, OrderTerm]
    default: Sorted
    input: type[Any]

    def protect(self, column: str, permission: Permission) -> None:
        """Ask for a permission wherever a column is sorted by."""
        for name, term in self.terms.items():
            own = term.parent.via if term.parent is not None else term.column
            if own == column:
                self.terms[name] = _asking(term, permission)

    def protect_parents(
        self, model: type[IdentifiedTable], permission: Permission | None, columns: dict[str, Permission]
    ) -> None:
        """Ask for what a type asks for wherever rows of its model are sorted by."""
        for name, term in self.terms.items():
            if term.parent is None or term.parent.model is not model:
                continue
            if term.column in columns:
                raise TypeError(
                    f"{self.name} cannot sort by {term.column} of {model.__name__}, which only some may read"
                )
            self.terms[name] = _asking(term, permission)

    def sorted_by(
        self, actor: Actor, asked: Sequence[dict[str, Any]] | None, filter: dict[str, Any] | None = None
    ) -> Sorted:
        """The terms that a client asked for, or else the default ones, ending in the id."""
        if not asked:
            return self.default
        if len(asked) > ORDER_TERMS_MAX:
            raise InvalidInput(f"A list is sorted by at most {ORDER_TERMS_MAX} things.", path=["orderBy"])
        chosen: dict[str, tuple[OrderTerm, bool]] = {}
        for one in asked:
            field = one["field"]
            term = self.terms[field.value if isinstance(field, Enum) else str(field)]
            for permission in sorted(term.permissions):
                actor.require(permission)
            bound = self._bound(term, actor, filter or {})
            chosen.setdefault(term.name, (bound, one.get("direction") == OrderDirection.DESC))
        return ending_in_id(tuple(chosen.values()))

    def _bound(self, term: OrderTerm, actor: Actor, filter: dict[str, Any]) -> OrderTerm:
        """The term for an actor and a search."""
        if term.parent is not None:
            return replace(term, parent=replace(term.parent, seen=term.parent.model.visible_to(actor)))
        if term.name != RELEVANCE:
            return term
        text = filter.get("search")
        if text is None:
            raise InvalidInput("There is no relevance without a search: give filter.search too.", path=["orderBy"])
        rank = relevance(self.model, actor, text)
        return replace(term, computed=lambda writer, alias: f"-{rank(writer, alias)}")


def _asking(term: OrderTerm, permission: Permission | None) -> OrderTerm:
    """The term for those who hold the permission as well as what it asks for already."""
    return replace(term, permissions=term.permissions | _set_of(permission))


def _set_of(permission: Permission | None) -> frozenset[Permission]:
    return frozenset() if permission is None else frozenset({permission})


def ending_in_id(terms: Sorted) -> Sorted:
    """The terms with the id as the tie-breaker, in the direction of the last one."""
    return (*terms, (ID_TERM, terms[-1][1] if terms else True))


NEWEST_FIRST: Sorted = ending_in_id(())
OLDEST_ID_FIRST: Sorted = ((ID_TERM, False),)


def orderable(
    name: str,
    model: type[IdentifiedTable],
    /,
    *,
    default: Sequence[str],
    permission: Permission | None = None,
    **terms: str | OfColumn | Ranked | FromParent,
) -> Order:
    """Declare what a list can be sorted by: described columns, ``ranked`` or ``from_parent``; the default by own columns
    only, where ``-`` means descending. A list of what is searched can be sorted by relevance too.
    """
    known: dict[str, OrderTerm] = {}
    says: dict[str, str] = {}
    for term_name, declared in terms.items():
        word = term_name.upper()
        term = OfColumn(declared, term_name) if isinstance(declared, str) else declared
        known[word] = _term(name, word, model, term, permission)
        says[word] = term.description
    if model in SEARCHED:
        known[RELEVANCE] = OrderTerm(RELEVANCE, "", Kind.NUMBER, False)
        says[RELEVANCE] = "The best answers to filter.search first; only together with it."
    field = StrEnum(f"{name}Field", {word: word for word in known})  # type: ignore[misc]  # the values are data here
    describe_enum(field, f"What {name} can sort by.", {field(word): said for word, said in says.items()})
    chosen = tuple((known[one.lstrip("-").upper()], one.startswith("-")) for one in default)
    if any(term.parent is not None or term.name == RELEVANCE for term, _ in chosen):
        raise TypeError(f"{name} sorts by its own columns unless asked")
    return Order(name, model, known, ending_in_id(chosen), _order_input(name, field))


def _term(
    name: str,
    word: str,
    model: type[IdentifiedTable],
    term: OfColumn | Ranked | FromParent,
    permission: Permission | None,
) -> OrderTerm:
    """What was declared, unless it does not fit the model."""
    if isinstance(term, Ranked):
        column_kind(model, term.column)
        return OrderTerm(word, term.column, Kind.NUMBER, False, term.words, _set_of(term.permission))
    if isinstance(term, FromParent):
        column_kind(model, term.via)
        kind, _ = column_kind(term.model, term.column)
        if kind not in (Kind.TEXT, Kind.NUMBER, Kind.DAY, Kind.MOMENT) or _is_float(term.model, term.column):
            raise TypeError(f"{name} cannot sort by {term.column}: a parent's value is written but once")
        parent = ParentColumn(term.model, term.via)
        return OrderTerm(word, term.column, kind, True, permissions=_set_of(permission), parent=parent)
    kind, nullable = column_kind(model, term.column)
    if kind is Kind.JSON:
        raise TypeError(f"{name} cannot sort by the JSON column {term.column}")
    is_float = _is_float(model, term.column)
    return OrderTerm(word, term.column, kind, nullable, permissions=_set_of(permission), is_float=is_float)


def _is_float(model: type[IdentifiedTable], column: str) -> bool:
    return isinstance(model._meta.fields_map.get(column), FloatField)


def _order_input(name: str, field: type[Any]) -> type[Any]:
    namespace = {
        "__annotations__": {"field": field, "direction": OrderDirection},
        "__module__": __name__,
        "field": strawberry.field(description="By what."),
        "direction": strawberry.field(description="Which way round.", default=OrderDirection.ASC),
    }
    return strawberry.input(type(name, (), namespace), description="One thing to sort by; the first counts most.")
