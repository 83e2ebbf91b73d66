"""Conditions on rows: a small tree that a model's ``visible_to``, filters and the reader share, and that becomes SQL.

>>> (column("status").one_of(["OPEN", "NEW"]) & (column("organization_id") == "org_1")).sql("w", Dialect.SQLITE)
('("w"."status" IN (?,?) AND "w"."organization_id" = ?)', ['OPEN', 'NEW', 'org_1'])

``shape`` is the tree without its values: equal shapes give equal SQL, so a compiled statement can be kept and only the
values bound anew. Names of columns and tables come from our code, never from a client.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.kernel.dialects import Dialect

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def quoted(name: str) -> str:
    """A table's or column's name in double quotes; anything but a plain lower-case name is a bug of ours."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain name")
    return f'"{name}"'


class Writer:
    """Collects the values while SQL is written, and numbers the placeholders as the dialect wants them."""

    def __init__(self, dialect: Dialect, values: list[Any] | None = None, aliases: int = 0) -> None:
        self.dialect = dialect
        self.values: list[Any] = values if values is not None else []
        self.aliases = aliases

    def bind(self, value: Any) -> str:
        """A placeholder for one value. Moments are bound in UTC: SQLite compares them as text."""
        self.values.append(value.astimezone(UTC) if isinstance(value, datetime) else value)
        return "?" if self.dialect is Dialect.SQLITE else f"${len(self.values)}"

    def alias(self) -> str:
        """A fresh alias for a table in a sub-query."""
        self.aliases += 1
        return f"x{self.aliases}"


class Condition:
    """True or false of a row."""

    def __and__(self, other: "Condition") -> "Condition":
        return all_of(self, other)

    def __or__(self, other: "Condition") -> "Condition":
        return any_of(self, other)

    def __invert__(self) -> "Condition":
        return Not(self)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The tree without its values."""
        raise NotImplementedError

    @property
    def values(self) -> list[Any]:
        """The values, in the order in which the SQL binds them."""
        writer = Writer(Dialect.SQLITE)
        self.write(writer, "t")
        return writer.values

    def write(self, writer: Writer, alias: str) -> str:
        """SQL that is true of the row called ``alias``."""
        raise NotImplementedError

    def sql(self, alias: str, dialect: Dialect) -> tuple[str, list[Any]]:
        """The SQL and its values."""
        writer = Writer(dialect)
        return self.write(writer, alias), writer.values


@dataclass(frozen=True, slots=True, eq=False)
class Compare(Condition):
    """A column against one value; ``operator`` is one of ours, never a client's."""

    column: str
    operator: str
    value: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("compare", self.column, self.operator)

    def write(self, writer: Writer, alias: str) -> str:
        return f"{quoted(alias)}.{quoted(self.column)} {self.operator} {writer.bind(self.value)}"


@dataclass(frozen=True, slots=True)
class IsNull(Condition):
    """A column without a value."""

    column: str

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("null", self.column)

    def write(self, writer: Writer, alias: str) -> str:
        return f"{quoted(alias)}.{quoted(self.column)} IS NULL"


@dataclass(frozen=True, slots=True)
class OneOf(Condition):
    """A column that has one of some values; of none, never."""

    column: str
    options: tuple[Any, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("one of", self.column, len(self.options))

    def write(self, writer: Writer, alias: str) -> str:
        if not self.options:
            return "1 = 0"
        marks = ",".join(writer.bind(option) for option in self.options)
        return f"{quoted(alias)}.{quoted(self.column)} IN ({marks})"


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """The contrary. A comparison with a missing value is neither true nor false in SQL, and stays so."""

    condition: Condition

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("not", self.condition.shape)

    def write(self, writer: Writer, alias: str) -> str:
        return f"NOT ({self.condition.write(writer, alias)})"


@dataclass(frozen=True, slots=True)
class Several(Condition):
    """All of some conditions, or any of them."""

    word: str
    conditions: tuple[Condition, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        return (self.word, *(condition.shape for condition in self.conditions))

    def write(self, writer: Writer, alias: str) -> str:
        if not self.conditions:
            return "1 = 1" if self.word == "AND" else "1 = 0"
        return "(" + f" {self.word} ".join(one.write(writer, alias) for one in self.conditions) + ")"


@dataclass(frozen=True, slots=True)
class Exists(Condition):
    """A row of another table whose ``theirs`` column equals our ``ours`` column, and of which a condition is true."""

    table: str
    theirs: str
    ours: str
    where: Condition

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("exists", self.table, self.theirs, self.ours, self.where.shape)

    def write(self, writer: Writer, alias: str) -> str:
        inner = writer.alias()
        return (
            f"EXISTS (SELECT 1 FROM {quoted(self.table)} {quoted(inner)} WHERE {quoted(inner)}.{quoted(self.theirs)} = "
            f"{quoted(alias)}.{quoted(self.ours)} AND {self.where.write(writer, inner)})"
        )


@dataclass(frozen=True, slots=True)
class Selected(Condition):
    """Our ``ours`` column equals the ``theirs`` column of a row of another table of which a condition is true."""

    table: str
    theirs: str
    ours: str
    where: Condition

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("selected", self.table, self.theirs, self.ours, self.where.shape)

    def write(self, writer: Writer, alias: str) -> str:
        inner = writer.alias()
        return (
            f"{quoted(alias)}.{quoted(self.ours)} IN (SELECT {quoted(inner)}.{quoted(self.theirs)} "
            f"FROM {quoted(self.table)} {quoted(inner)} WHERE {self.where.write(writer, inner)})"
        )


@dataclass(frozen=True, slots=True)
class Column:
    """A column, to be compared."""

    name: str

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]  # builds a condition, as SQL builders do
        return Compare(self.name, "=", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]  # builds a condition, as SQL builders do
        return Compare(self.name, "<>", value)

    def __lt__(self, value: Any) -> Condition:
        return Compare(self.name, "<", value)

    def __le__(self, value: Any) -> Condition:
        return Compare(self.name, "<=", value)

    def __gt__(self, value: Any) -> Condition:
        return Compare(self.name, ">", value)

    def __ge__(self, value: Any) -> Condition:
        return Compare(self.name, ">=", value)

    def __hash__(self) -> int:
        return hash(self.name)

    def one_of(self, options: Iterable[Any]) -> Condition:
        """The column has one of the values."""
        return OneOf(self.name, tuple(options))

    def is_null(self) -> Condition:
        """The column has no value."""
        return IsNull(self.name)


def column(name: str) -> Column:
    """The column of that name."""
    return Column(name)


def all_of(*conditions: Condition) -> Condition:
    """True when every one is; of none, always."""
    return _several("AND", conditions)


def any_of(*conditions: Condition) -> Condition:
    """True when at least one is; of none, never."""
    return _several("OR", conditions)


def everything() -> Condition:
    """True of every row."""
    return Several("AND", ())


def nothing() -> Condition:
    """True of no row."""
    return Several("OR", ())


def exists(table: str, theirs: str, where: Condition | None = None, *, ours: str = "id") -> Condition:
    """There is a row in ``table`` whose column ``theirs`` points to our column ``ours``, and of which ``where`` is true."""
    return Exists(table, theirs, ours, where if where is not None else everything())


def rank_of(cell: str, words: Sequence[str]) -> str:
    """SQL of the place of a column's word in an order of its own; other words come after them.

    A list that is sorted by it finds an index on it only while both are written the same.
    """
    steps = " ".join(f"WHEN '{word}' THEN {rank}" for rank, word in enumerate(words))
    return f"(CASE {cell} {steps} ELSE {len(words)} END)"


def selected(table: str, theirs: str, where: Condition, *, ours: str) -> Condition:
    """As ``exists``, for a condition that few rows fulfil and an index finds: SQLite looks them up first, and but once."""
    return Selected(table, theirs, ours, where)


def _several(word: str, conditions: Sequence[Condition]) -> Condition:
    flat: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, Several) and condition.word == word:
            flat.extend(condition.conditions)
        else:
            flat.append(condition)
    return flat[0] if len(flat) == 1 else Several(word, tuple(flat))
