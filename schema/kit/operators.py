"""What a value can be compared by: the operators that clients have for each kind of column, and their SQL.

What is missing fulfils no comparison, save for ``ne`` and ``notIn``, which say what a value is not. Case is folded as Unicode
does it, on both databases alike: SQLite by a function of ours that every connection has, PostgreSQL by the collation
``und-x-icu``, because its own folding depends on the locale that the database was made with. Texts are greater and less by
code point, again on both. Nothing in a client's text is a wildcard.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import strawberry

from app.infrastructure.conditions import Condition, Writer, any_of, everything, nothing, quoted
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from schema.kit.kinds import Kind, bind, comparable

OPTIONS_MAX = 200
T = TypeVar("T")
_UNSET: Any = strawberry.UNSET


def operand(description: str, name: str | None = None) -> Any:
    """What an operator compares with; left out, it says nothing."""
    return strawberry.field(description=description, default=_UNSET, name=name)


@strawberry.input(description="A condition on a text. Several at once must all be true.")
class StringFilter:
    """A condition on a text."""

    eq: str | None = operand("Is exactly this.")
    ne: str | None = operand("Is not this, or missing.")
    in_: list[str] | None = operand("Is one of these.", "in")
    not_in: list[str] | None = operand("Is none of these, or missing.")
    equals_fold: str | None = operand("Is this; upper and lower case count the same.")
    contains: str | None = operand("Has this in it; upper and lower case count the same.")
    starts_with: str | None = operand("Begins with exactly this.")
    ends_with: str | None = operand("Ends with exactly this.")
    lt: str | None = operand("Comes before this, by code point.")
    lte: str | None = operand("Comes before this, by code point, or is the same.")
    gt: str | None = operand("Comes after this, by code point.")
    gte: str | None = operand("Comes after this, by code point, or is the same.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on an id. Several at once must all be true.")
class IdFilter:
    """A condition on an id."""

    eq: strawberry.ID | None = operand("Is this.")
    ne: strawberry.ID | None = operand("Is not this, or missing.")
    in_: list[strawberry.ID] | None = operand("Is one of these.", "in")
    not_in: list[strawberry.ID] | None = operand("Is none of these, or missing.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on a word of a fixed list. Several at once must all be true.")
class EnumFilter(Generic[T]):
    """A condition on an enum."""

    eq: T | None = operand("Is this.")
    ne: T | None = operand("Is not this, or missing.")
    in_: list[T] | None = operand("Is one of these.", "in")
    not_in: list[T] | None = operand("Is none of these, or missing.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on a yes or no.")
class BooleanFilter:
    """A condition on a boolean."""

    eq: bool | None = operand("Is this.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on a whole number. Several at once must all be true.")
class IntFilter:
    """A condition on an integer."""

    eq: int | None = operand("Is this.")
    ne: int | None = operand("Is not this, or missing.")
    in_: list[int] | None = operand("Is one of these.", "in")
    not_in: list[int] | None = operand("Is none of these, or missing.")
    lt: int | None = operand("Is less.")
    lte: int | None = operand("Is less or the same.")
    gt: int | None = operand("Is greater.")
    gte: int | None = operand("Is greater or the same.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on a number. Several at once must all be true.")
class FloatFilter:
    """A condition on a float."""

    eq: float | None = operand("Is this.")
    ne: float | None = operand("Is not this, or missing.")
    in_: list[float] | None = operand("Is one of these.", "in")
    not_in: list[float] | None = operand("Is none of these, or missing.")
    lt: float | None = operand("Is less.")
    lte: float | None = operand("Is less or the same.")
    gt: float | None = operand("Is greater.")
    gte: float | None = operand("Is greater or the same.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on an exact decimal. Several at once must all be true.")
class DecimalFilter:
    """A condition on a decimal."""

    eq: Decimal | None = operand("Is this.")
    ne: Decimal | None = operand("Is not this, or missing.")
    in_: list[Decimal] | None = operand("Is one of these.", "in")
    not_in: list[Decimal] | None = operand("Is none of these, or missing.")
    lt: Decimal | None = operand("Is less.")
    lte: Decimal | None = operand("Is less or the same.")
    gt: Decimal | None = operand("Is greater.")
    gte: Decimal | None = operand("Is greater or the same.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on a moment. A span is half-open: gte its start, lt its end.")
class DateTimeFilter:
    """A condition on a moment."""

    eq: datetime | None = operand("Is this.")
    ne: datetime | None = operand("Is not this, or missing.")
    in_: list[datetime] | None = operand("Is one of these.", "in")
    not_in: list[datetime] | None = operand("Is none of these, or missing.")
    lt: datetime | None = operand("Is earlier.")
    lte: datetime | None = operand("Is earlier or the same.")
    gt: datetime | None = operand("Is later.")
    gte: datetime | None = operand("Is later or the same.")
    is_null: bool | None = operand("Is missing, or is not.")


@strawberry.input(description="A condition on a day. Several at once must all be true.")
class DateFilter:
    """A condition on a day."""

    eq: date | None = operand("Is this.")
    ne: date | None = operand("Is not this, or missing.")
    in_: list[date] | None = operand("Is one of these.", "in")
    not_in: list[date] | None = operand("Is none of these, or missing.")
    lt: date | None = operand("Is earlier.")
    lte: date | None = operand("Is earlier or the same.")
    gt: date | None = operand("Is later.")
    gte: date | None = operand("Is later or the same.")
    is_null: bool | None = operand("Is missing, or is not.")


@dataclass(frozen=True, slots=True)
class Compares(Condition):
    """A column of a kind against a value; ``operator`` is one of ours."""

    column: str
    kind: Kind
    operator: str
    value: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("compares", self.column, self.kind, self.operator)

    def write(self, writer: Writer, alias: str) -> str:
        cell = comparable(self.kind, f"{quoted(alias)}.{quoted(self.column)}", writer.dialect)
        if self.kind is Kind.TEXT and self.operator in ("<", "<=", ">", ">=") and writer.dialect is Dialect.POSTGRES:
            cell += ' COLLATE "C"'
        return f"{cell} {self.operator} {bind(writer, self.kind, self.value)}"


@dataclass(frozen=True, slots=True)
class Among(Condition):
    """A column of a kind has one of some values, of which there is at least one."""

    column: str
    kind: Kind
    options: tuple[Any, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("among", self.column, self.kind, len(self.options))

    def write(self, writer: Writer, alias: str) -> str:
        cell = comparable(self.kind, f"{quoted(alias)}.{quoted(self.column)}", writer.dialect)
        return f"{cell} IN ({', '.join(bind(writer, self.kind, option) for option in self.options)})"


@dataclass(frozen=True, slots=True)
class Missing(Condition):
    """Whether a column has no value."""

    column: str
    missing: bool

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("missing", self.column, self.missing)

    def write(self, writer: Writer, alias: str) -> str:
        return f"{quoted(alias)}.{quoted(self.column)} IS {'' if self.missing else 'NOT '}NULL"


@dataclass(frozen=True, slots=True)
class Untrue(Condition):
    """The contrary, for people: what is missing does not fulfil a condition, so it fulfils the contrary."""

    condition: Condition

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("untrue", self.condition.shape)

    def write(self, writer: Writer, alias: str) -> str:
        return f"(({self.condition.write(writer, alias)}) IS NOT TRUE)"


# The text is bound wherever it stands, because SQLite's placeholders are counted.
_TEXT_TESTS: dict[str, dict[Dialect, str]] = {
    "contains": {
        Dialect.SQLITE: "instr(fold_case({cell}), fold_case({text})) > 0",
        Dialect.POSTGRES: 'strpos(upper({cell} COLLATE "und-x-icu"), upper({text} COLLATE "und-x-icu")) > 0',
    },
    "equalsFold": {
        Dialect.SQLITE: "fold_case({cell}) = fold_case({text})",
        Dialect.POSTGRES: 'upper({cell} COLLATE "und-x-icu") = upper({text} COLLATE "und-x-icu")',
    },
    "startsWith": {
        Dialect.SQLITE: "substr({cell}, 1, length({text})) = {text}",
        Dialect.POSTGRES: "starts_with({cell}, {text})",
    },
    "endsWith": {
        Dialect.SQLITE: "substr({cell}, -length({text})) = {text}",
        Dialect.POSTGRES: "right({cell}, length({text})) = {text}",
    },
}


@dataclass(frozen=True, slots=True)
class HasText(Condition):
    """A text has another one in it, in one of the ways of ``_TEXT_TESTS``."""

    column: str
    test: str
    text: str

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("has text", self.column, self.test)

    def write(self, writer: Writer, alias: str) -> str:
        before, *after = _TEXT_TESTS[self.test][writer.dialect].split("{text}")
        typed = "" if writer.dialect is Dialect.SQLITE else "::text"
        whole = before + "".join(f"{writer.bind(self.text)}{typed}{part}" for part in after)
        return whole.replace("{cell}", f"{quoted(alias)}.{quoted(self.column)}")


def contains(column: str, text: str) -> Condition:
    """The column has the text in it; upper and lower case count the same."""
    return HasText(column, "contains", text) if text else Missing(column, False)


_SIGNS = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def operation(column: str, kind: Kind, nullable: bool, name: str, value: Any) -> Condition:
    """What an operator, by its GraphQL name, says of a column."""
    if name == "isNull":
        return Missing(column, value)
    if name == "ne":
        different = Compares(column, kind, "<>", value)
        return any_of(different, Missing(column, True)) if nullable else different
    if name == "in":
        return Among(column, kind, tuple(require_few(value))) if value else nothing()
    if name == "notIn":
        return Untrue(Among(column, kind, tuple(require_few(value)))) if value else everything()
    if name in _TEXT_TESTS:
        # Every text begins and ends with an empty one, and SQLite's substr thinks otherwise.
        return HasText(column, name, value) if value or name == "equalsFold" else Missing(column, False)
    return Compares(column, kind, _SIGNS[name], value)


def require_few(values: list[Any]) -> list[Any]:
    """The values, unless they are too many at once."""
    if len(values) > OPTIONS_MAX:
        raise InvalidInput(f"Give at most {OPTIONS_MAX} values at once.", path=["filter"])
    return values
