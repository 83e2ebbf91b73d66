"""How lists are narrowed: declared fields become conditions. Nothing of a client's names ever becomes SQL."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, Optional, TypeVar

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from app.infrastructure.conditions import Condition, Writer, all_of, any_of, nothing, quoted
from app.infrastructure.search import found_by
from app.infrastructure.tables import Table
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Permission
from schema.kit.kinds import Kind, bind, column_kind, comparable

OPTIONS_MAX = 200
DEPTH_MAX = 6
T = TypeVar("T")
_UNSET: Any = strawberry.UNSET


def _operand(description: str, name: str | None = None) -> Any:
    return strawberry.field(description=description, default=_UNSET, name=name)


@strawberry.input(description="A condition on a text. Several at once must all be true.")
class StringFilter:
    """A condition on a text."""

    eq: str | None = _operand("Is exactly this.")
    ne: str | None = _operand("Is not this, or missing.")
    in_: list[str] | None = _operand("Is one of these.", "in")
    contains: str | None = _operand("Has this in it; upper and lower case count the same.")
    starts_with: str | None = _operand("Begins with this.")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on an id.")
class IdFilter:
    """A condition on an id."""

    eq: strawberry.ID | None = _operand("Is this.")
    ne: strawberry.ID | None = _operand("Is not this, or missing.")
    in_: list[strawberry.ID] | None = _operand("Is one of these.", "in")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on a word of a fixed list.")
class EnumFilter(Generic[T]):
    """A condition on an enum."""

    eq: T | None = _operand("Is this.")
    ne: T | None = _operand("Is not this, or missing.")
    in_: list[T] | None = _operand("Is one of these.", "in")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on a yes or no.")
class BooleanFilter:
    """A condition on a boolean."""

    eq: bool | None = _operand("Is this.")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on a whole number.")
class IntFilter:
    """A condition on an integer."""

    eq: int | None = _operand("Is this.")
    in_: list[int] | None = _operand("Is one of these.", "in")
    lt: int | None = _operand("Is less.")
    lte: int | None = _operand("Is less or the same.")
    gt: int | None = _operand("Is greater.")
    gte: int | None = _operand("Is greater or the same.")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on a number.")
class FloatFilter:
    """A condition on a float."""

    eq: float | None = _operand("Is this.")
    in_: list[float] | None = _operand("Is one of these.", "in")
    lt: float | None = _operand("Is less.")
    lte: float | None = _operand("Is less or the same.")
    gt: float | None = _operand("Is greater.")
    gte: float | None = _operand("Is greater or the same.")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on an exact decimal.")
class DecimalFilter:
    """A condition on a decimal."""

    eq: Decimal | None = _operand("Is this.")
    in_: list[Decimal] | None = _operand("Is one of these.", "in")
    lt: Decimal | None = _operand("Is less.")
    lte: Decimal | None = _operand("Is less or the same.")
    gt: Decimal | None = _operand("Is greater.")
    gte: Decimal | None = _operand("Is greater or the same.")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on a moment. A span is half-open: gte its start, lt its end.")
class DateTimeFilter:
    """A condition on a moment."""

    eq: datetime | None = _operand("Is this.")
    in_: list[datetime] | None = _operand("Is one of these.", "in")
    lt: datetime | None = _operand("Is earlier.")
    lte: datetime | None = _operand("Is earlier or the same.")
    gt: datetime | None = _operand("Is later.")
    gte: datetime | None = _operand("Is later or the same.")
    is_null: bool | None = _operand("Is missing, or is not.")


@strawberry.input(description="A condition on a day.")
class DateFilter:
    """A condition on a day."""

    eq: date | None = _operand("Is this.")
    in_: list[date] | None = _operand("Is one of these.", "in")
    lt: date | None = _operand("Is earlier.")
    lte: date | None = _operand("Is earlier or the same.")
    gt: date | None = _operand("Is later.")
    gte: date | None = _operand("Is later or the same.")
    is_null: bool | None = _operand("Is missing, or is not.")


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
        return f"{cell} {self.operator} {bind(writer, self.kind, self.value)}"


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


@dataclass(frozen=True, slots=True)
class Contains(Condition):
    """A text has another in it, or begins with it. SQLite folds the case of ASCII letters only."""

    column: str
    text: str
    from_start: bool = False

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("contains", self.column, self.from_start)

    def write(self, writer: Writer, alias: str) -> str:
        cell = f"{quoted(alias)}.{quoted(self.column)}"
        if self.from_start:
            return f"substr({cell}, 1, {len(self.text)}) = {writer.bind(self.text)}"
        escaped = self.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        like = "LIKE" if writer.dialect is Dialect.SQLITE else "ILIKE"
        return f"{cell} {like} {writer.bind(f'%{escaped}%')} ESCAPE '\\'"


def contains(column: str, text: str) -> Condition:
    """The column has the text in it; upper and lower case count the same."""
    return Contains(column, text)


@dataclass(slots=True)
class FilterField:
    """A field of a filter: a column, or a function of the value."""

    description: str
    column: str | None
    where: Callable[[Actor, Any], Condition] | None
    permission: Permission | None
    kind: Kind = Kind.TEXT
    nullable: bool = False
    deprecation_reason: str | None = None

    def condition(self, actor: Actor, value: Any) -> Condition:
        """The condition that a client's value stands for."""
        if self.permission is not None:
            actor.require(self.permission)
        if self.where is not None:
            return self.where(actor, value)
        if not isinstance(value, dict):
            return self._compares("=", value)
        return all_of(*(self._operation(name, operand) for name, operand in value.items() if operand is not None))

    def _operation(self, name: str, operand: Any) -> Condition:
        column = self.column or ""
        if name == "in":
            if len(operand) > OPTIONS_MAX:
                raise InvalidInput(f"Give at most {OPTIONS_MAX} values at once.", path=["filter"])
            return any_of(*(self._compares("=", one) for one in operand)) if operand else nothing()
        if name == "ne":
            different = self._compares("<>", operand)
            return any_of(different, Missing(column, True)) if self.nullable else different
        if name == "isNull":
            return Missing(column, operand)
        if name in ("contains", "startsWith"):
            return Contains(column, operand, from_start=name == "startsWith")
        return self._compares(_OPERATORS[name], operand)

    def _compares(self, operator: str, value: Any) -> Condition:
        return Compares(self.column or "", self.kind, operator, value)


_OPERATORS = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """The fields of a filter by their GraphQL names."""

    name: str
    fields: dict[str, FilterField]

    def condition(self, actor: Actor, given: dict[str, Any] | None, depth: int = 0) -> Condition:
        """The condition that a client's filter stands for; of an empty filter everything is true."""
        if depth > DEPTH_MAX:
            raise InvalidInput(f"A filter has at most {DEPTH_MAX} levels.", path=["filter"])
        terms = [self._term(actor, name, value, depth) for name, value in (given or {}).items() if value is not None]
        return all_of(*terms)

    def protect(self, column: str, permission: Permission) -> None:
        """Ask for a permission wherever a column is filtered by."""
        for field in self.fields.values():
            if field.column == column and field.permission is None:
                field.permission = permission

    def _term(self, actor: Actor, name: str, value: Any, depth: int) -> Condition:
        if name == "not":
            return Untrue(self.condition(actor, value, depth + 1))
        if name in ("and", "or"):
            if len(value) > OPTIONS_MAX:
                raise InvalidInput(f"Combine at most {OPTIONS_MAX} filters.", path=["filter"])
            combine = all_of if name == "and" else any_of
            return combine(*(self.condition(actor, one, depth + 1) for one in value))
        return self.fields[name].condition(actor, value)


def by(
    description: str,
    *,
    column: str | None = None,
    where: Callable[[Actor, Any], Condition] | None = None,
    permission: Permission | None = None,
) -> Any:
    """Declare a field of a filter: on the column of its name or another one, or a function of the client's value."""
    return FilterField(description, column, where, permission)


def by_search(places: str, model: type[Table]) -> Any:
    """Declare free-text search in a filter of a model that says what of it is searched, and where that is."""
    return by(
        f"Every word begins a word in {places}. Case, accents of Latin letters and signs do not count.",
        where=lambda actor, text: found_by(model, actor, text),
    )


def filterable(model: type[Table]) -> Callable[[type[T]], type[T]]:
    """Make a class of ``by`` fields a filter of a model's rows; ``and``, ``or`` and ``not`` come by themselves."""

    def decorate(cls: type[T]) -> type[T]:
        if not cls.__doc__:
            raise TypeError(f"the filter {cls.__name__} does not say what it narrows")
        known: dict[str, FilterField] = {}
        for name in list(inspect.get_annotations(cls)):
            declared = cls.__dict__.get(name)
            if not isinstance(declared, FilterField) or not declared.description:
                raise TypeError(f"{cls.__name__}.{name} needs by(…) with a description")
            if declared.where is None:
                declared.column = declared.column or name
                declared.kind, declared.nullable = column_kind(model, declared.column)
            known[to_camel_case(name)] = declared
            made = strawberry.field(
                description=declared.description, default=_UNSET, deprecation_reason=declared.deprecation_reason
            )
            setattr(cls, name, made)
        _add_combinations(cls)
        narrowing = strawberry.input(cls, description=cls.__doc__.strip())
        _bind_combinations(narrowing)
        narrowing.__filter__ = FilterSpec(cls.__name__, known)  # type: ignore[attr-defined]  # what the reader finds behind it
        return narrowing

    return decorate


_COMBINATIONS = {"and_": "All of these are true.", "or_": "At least one of these is true.", "not_": "This is not true."}


def _add_combinations(cls: type[Any]) -> None:
    for name, description in _COMBINATIONS.items():
        cls.__annotations__[name] = object
        setattr(cls, name, strawberry.field(description=description, default=_UNSET, name=name.rstrip("_")))


def _bind_combinations(cls: Any) -> None:
    fields: list[StrawberryField] = cls.__strawberry_definition__.fields
    for field in fields:
        if field.python_name in _COMBINATIONS:
            one = Optional[cls] if field.python_name == "not_" else Optional[list[cls]]  # noqa: UP045  # made at run time
            field.type_annotation = StrawberryAnnotation(one)


def spec_of(filter: type[Any]) -> FilterSpec:
    """The fields behind a filter's class."""
    spec = getattr(filter, "__filter__", None)
    if not isinstance(spec, FilterSpec):
        raise TypeError(f"{filter.__name__} is not a filter: decorate it with filterable(model)")
    return spec
