"""What clients may see of a model, said once: columns, relations, values computed in SQL or in Python.

The classes here hold what was declared; ``schema.kit.reading`` makes statements of it.
"""

import inspect
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, dataclass_transform

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument, StrawberryArgumentAnnotation
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver
from strawberry.utils.str_converters import to_camel_case
from tortoise.fields import FloatField

from app.infrastructure.conditions import Condition, Writer, quoted
from app.infrastructure.encryption import unseal
from app.infrastructure.notes import note_reading
from app.infrastructure.tables import IdentifiedTable, table_of
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from schema.kit.filters import spec_of
from schema.kit.kinds import Kind, column_kind
from schema.kit.orders import NEWEST_FIRST, Order

T = TypeVar("T")
FACETED = frozenset({Kind.TEXT, Kind.BOOLEAN, Kind.MOMENT})
TOTALS_PLACES = 4  # averages are rounded to as many
TOTALED = frozenset({Kind.NUMBER, Kind.DECIMAL, Kind.MOMENT, Kind.DAY})
Sql = Callable[[Writer, str, Actor], str]
Where = Condition | Callable[[Actor], Condition]
Function = Callable[..., Any]


@dataclass(slots=True)
class Declaration:
    """What a field is made of."""

    permission: Permission | None = None

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        """Take the name and the model, and refuse what does not fit them."""


@dataclass(slots=True)
class Column(Declaration):
    """A column of the row."""

    column: str = ""
    kind: Kind = Kind.TEXT
    nullable: bool = False
    facet: bool = False
    totals: bool = False
    places: int = 0
    sensitive: bool = False
    watched: "Computed | None" = None
    """What the reader does where it is sensitive: it shows the column, and has it noted that it was read."""

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        self.column = self.column or name
        self.kind, self.nullable = column_kind(model, self.column)
        self.places = getattr(model._meta.fields_map.get(self.column), "decimal_places", 0)
        if self.facet and self.kind not in FACETED:
            raise TypeError(f"rows cannot be counted by the {self.kind} {self.column}")
        is_float = isinstance(model._meta.fields_map.get(self.column), FloatField)
        if self.totals and (self.kind not in TOTALED or is_float or self.places > TOTALS_PLACES):
            raise TypeError(f"there are no exact totals of {self.column}")
        if self.sensitive:
            noted = _noting(model, name, lambda value, id: value)
            kinds = {self.column: self.kind, "id": Kind.TEXT}
            self.watched = Computed(self.permission, noted, (self.column, "id"), actor=True, kinds=kinds)


@dataclass(slots=True)
class Parent(Declaration):
    """The row that our column points to."""

    via: str = ""
    facet: str = ""

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        self.via = self.via or f"{name}_id"
        column_kind(model, self.via)


@dataclass(slots=True)
class Single(Declaration):
    """The one row of theirs that points to us."""

    via: str = ""
    ours: str = "id"
    where: Where | None = None

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        column_kind(model, self.ours)


@dataclass(slots=True)
class Either(Declaration):
    """The row that our column points to, which may be of one kind or another: the id's prefix says which."""

    via: str = ""

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        self.via = self.via or f"{name}_id"
        if column_kind(model, self.via)[0] is not Kind.TEXT:
            raise TypeError(f"{self.via} holds no ids")


@dataclass(slots=True)
class Children(Declaration):
    """The rows of theirs that point to us."""

    via: str = ""
    ours: str = "id"
    filter: type[Any] | None = None
    order: Order | None = None
    where: Where | None = None

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        column_kind(model, self.ours)


@dataclass(slots=True)
class Group(Declaration):
    """Several of our columns as one object."""

    columns: dict[str, str] = field(default_factory=dict)
    null_without: str | None = None
    kinds: dict[str, Kind] = field(default_factory=dict)

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        self.kinds = {part: column_kind(model, column)[0] for part, column in self.columns.items()}
        if self.null_without is not None and self.null_without not in self.columns:
            raise TypeError(f"{name} has no part {self.null_without}")


@dataclass(slots=True)
class SqlValue(Declaration):
    """A value that the database computes."""

    sql: Sql | None = None


@dataclass(slots=True)
class Computed(Declaration):
    """A value that Python computes from columns and SQL values of the same row."""

    function: Function | None = None
    needs: tuple[str | Sql, ...] = ()
    actor: bool = False
    kinds: dict[str, Kind] = field(default_factory=dict)

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        for need in self.needs:
            if isinstance(need, str):
                try:
                    self.kinds[need] = column_kind(model, need)[0]
                except TypeError:
                    continue  # then it names an SQL value of the type, which is looked up when all types are known


@dataclass(slots=True)
class Secret(Computed):
    """An encrypted column, opened where it is shown. Who reads it is noted. No file is written of it."""

    column: str = ""

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        column = self.column = self.column or name
        if column not in model.encrypted:
            raise TypeError(f"{column} is not encrypted")
        table = table_of(model)

        def show(stored: str, id: str, organization_id: str) -> str:
            return unseal(table, column, id, organization_id, stored)

        self.function, self.needs = _noting(model, name, show), (column, "id", "organization_id")
        self.actor = True
        self.kinds = dict.fromkeys((column, "id", "organization_id"), Kind.TEXT)


def _noting(model: type[IdentifiedTable], name: str, show: Function) -> Function:
    """As ``show``, called with who asks besides: it is noted who read the field of which row, if there was anything to read."""
    field = f"{model.__name__}.{to_camel_case(name)}"

    def shown(actor: Actor, value: Any, id: str, *more: Any) -> Any:
        if value is None or value == "":
            return value
        note_reading(actor, field, id)
        return show(value, id, *more)

    return shown


@dataclass(slots=True)
class Link(Declaration):
    """The row whose id is in an attribute of a plain object."""

    attribute: str = ""


@dataclass(slots=True)
class Differences(Link):
    """What changed by the fact that is in an attribute of a plain object."""


@dataclass(slots=True)
class One(Declaration):
    """A query for one row."""

    where: Function | None = None


@dataclass(slots=True)
class Many(Declaration):
    """A query for a list."""

    filter: type[Any] | None = None
    order: Order | None = None
    where: Function | None = None


@dataclass(slots=True)
class Found(Declaration):
    """A query for whatever answers a text: the types that are searched, by the words that clients call them."""

    kinds: dict[Any, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Call(Declaration):
    """A query or mutation that is a function of ours."""

    function: Function | None = None
    result: Any = None
    problems: tuple[type[Any], ...] = ()


class KitField(StrawberryField):
    """A field that the kit answers, with what it was declared to be."""

    def __init__(self, description: str, declaration: Declaration, **options: Any) -> None:
        if not description:
            raise TypeError("a field needs a description")
        super().__init__(description=description, **options)
        self.declaration = declaration

    def __copy__(self) -> "KitField":
        copied = KitField(self.description or "", self.declaration, graphql_name=self.graphql_name)
        copied.python_name = self.python_name
        copied.type_annotation = self.type_annotation
        copied.arguments = list(self.arguments)
        copied.deprecation_reason = self.deprecation_reason
        return copied


def col(
    description: str,
    *,
    column: str | None = None,
    permission: Permission | None = None,
    facet: bool = False,
    totals: bool = False,
    sensitive: bool = False,
) -> Any:
    """A column; of the field's name unless said otherwise. With a permission it is null for those without it.

    Lists count their rows by a ``facet``; of a column with ``totals`` they tell the sum, the least and the greatest. Who
    reads a ``sensitive`` one is noted for the audit.
    """
    return KitField(description, Column(permission, column or "", facet=facet, totals=totals, sensitive=sensitive))


def parent(
    description: str, *, via: str | None = None, permission: Permission | None = None, facet: str | None = None
) -> Any:
    """The row that our column ``via`` (by default the name and ``_id``) points to; null where it may not be seen.

    Lists count their rows by it where ``facet`` names the column of theirs that people know it by.
    """
    return KitField(description, Parent(permission, via or "", facet or ""))


def either(description: str, *, via: str | None = None, permission: Permission | None = None) -> Any:
    """The row, of one of several types, that our column ``via`` holds the id of; null where it may not be seen.

    The field's type says of which types it may be: a union of readable types, or an interface that some have.
    """
    return KitField(description, Either(permission, via or ""))


def single(
    description: str, *, via: str, ours: str = "id", where: Where | None = None, permission: Permission | None = None
) -> Any:
    """The one row of theirs whose column ``via`` points to us, or null."""
    return KitField(description, Single(permission, via, ours, where))


def children(
    description: str,
    *,
    via: str,
    ours: str = "id",
    filter: type[Any] | None = None,
    order: Order | None = None,
    where: Where | None = None,
    permission: Permission | None = None,
) -> Any:
    """The rows of theirs whose column ``via`` points to us, as a connection; newest first unless ``order`` says else."""
    made = KitField(description, Children(permission, via, ours, filter, order, where))
    made.arguments = page_arguments(filter, order)
    return made


def group(
    description: str, /, *, null_without: str | None = None, permission: Permission | None = None, **columns: str
) -> Any:
    """A plain object out of our columns: its field = our column. ``null_without`` names the part it cannot lack."""
    return KitField(description, Group(permission, columns, null_without))


def sql_value(description: str, sql: Sql, *, permission: Permission | None = None) -> Any:
    """A value that the database computes: ``sql(writer, alias, actor)`` writes the expression."""
    return KitField(description, SqlValue(permission, sql))


def computed(
    description: str,
    function: Function,
    *,
    needs: Sequence[str | Sql],
    actor: bool = False,
    permission: Permission | None = None,
) -> Any:
    """A value of a pure function, called with what it needs, in that order: columns, SQL values by name, or SQL."""
    return KitField(description, Computed(permission, function, tuple(needs), actor))


def secret(description: str, *, permission: Permission, column: str | None = None) -> Any:
    """An encrypted column, for those who hold a permission; of the field's name unless said otherwise."""
    return KitField(description, Secret(permission, column=column or ""))


def link(description: str, attribute: str, *, init: Literal[False] = False) -> Any:
    """In a plain object: the row whose id the object's attribute holds; null where it may not be seen."""
    return KitField(description, Link(None, attribute), default=None)


def differences(description: str, attribute: str, *, init: Literal[False] = False) -> Any:
    """In a plain object: what changed by the fact, an ``Entry`` of the journal, that the object's attribute holds."""
    return KitField(description, Differences(None, attribute), default=None)


def about(description: str, *, default: Any = strawberry.UNSET, name: str | None = None) -> Any:
    """A field of a plain object or an input, with its description."""
    if not description:
        raise TypeError("a field needs a description")
    if default is strawberry.UNSET:
        return strawberry.field(description=description, name=name)
    return strawberry.field(description=description, default=default, name=name)


def arg(description: str, name: str | None = None) -> StrawberryArgumentAnnotation:
    """In ``Annotated[…]``: the description of an argument."""
    return strawberry.argument(description=description, name=name)


def described(cls: type[Any], what: str) -> str:
    """A class's docstring, which is its description to clients."""
    said = cls.__dict__.get("__doc__")
    if not said:
        raise TypeError(f"the {what} {cls.__name__} does not say what it is")
    return " ".join(said.split())


@strawberry.interface(description="Everything that has an id of its own. The id's prefix tells its kind.")
class Node:
    """Something with a global id."""

    id: strawberry.ID = col("The global id, such as wo_01jd….", column="id")


@dataclass(frozen=True, slots=True)
class Readable:
    """A type that is read from a model."""

    name: str
    model: type[IdentifiedTable]
    permission: Permission | None
    sql_values: dict[str, KitField]
    shows: Any

    @property
    def table(self) -> str:
        """The table's name as SQL wants it."""
        return quoted(table_of(self.model))

    def allows(self, actor: Actor) -> bool:
        """Whether an actor may read rows of this type at all."""
        return self.permission is None or actor.holds(self.permission)


READABLE_BY_PREFIX: dict[str, Readable] = {}
"""Of several types that are read from one model, the first is what ``node`` shows."""


def readable(model: type[IdentifiedTable], *, permission: Permission | None) -> Callable[[type[T]], type[T]]:
    """Show a model's rows to clients as the decorated class says."""

    def decorate(cls: type[T]) -> type[T]:
        description = described(cls, "type")
        made = Readable(cls.__name__, model, permission, {}, cls)
        _bind_fields(cls, made)
        cls.__readable__ = made  # type: ignore[attr-defined]  # what the reader finds behind the class
        result = strawberry.type(cls, description=description)
        if model.prefix:
            READABLE_BY_PREFIX.setdefault(model.prefix, made)
        return result

    return decorate


def extends(target: type[Any]) -> Callable[[type[T]], type[T]]:
    """Add the decorated class's fields to a type that a lower room declared."""

    def decorate(cls: type[T]) -> type[T]:
        base = readable_of(target)
        definition = target.__strawberry_definition__
        known = {field.python_name for field in definition.fields}
        for name, made in _bind_fields(cls, base).items():
            if name in known:
                raise TypeError(f"{base.name} has a field {name} already")
            made.python_name = name
            made.origin = cls
            made.type_annotation = annotation_in(cls, name)
            definition.fields.append(made)
        return cls

    return decorate


def _bind_fields(cls: type[Any], base: Readable) -> dict[str, KitField]:
    made: dict[str, KitField] = {}
    for name, annotation in list(inspect.get_annotations(cls).items()):
        declared = cls.__dict__.get(name)
        if not isinstance(declared, KitField):
            raise TypeError(f"{cls.__name__}.{name} does not say where it comes from: col, parent, children, …")
        try:
            declared.declaration.bind(name, base.model)
        except TypeError as wrong:
            raise TypeError(f"{cls.__name__}.{name}: {wrong}") from None
        if isinstance(declared.declaration, SqlValue):
            base.sql_values[name] = declared
        if isinstance(declared.declaration, Parent | Single | Either):
            cls.__annotations__[name] = optional(annotation)
        made[name] = declared
    return made


def optional(annotation: Any) -> Any:
    """The annotation with None beside it, forward references included."""
    if isinstance(annotation, str):
        return f"({annotation}) | None"
    return annotation | None


def annotation_in(cls: type[Any], name: str) -> StrawberryAnnotation:
    """A field's annotation, to be evaluated where its class was written."""
    return StrawberryAnnotation(cls.__annotations__[name], namespace=sys.modules[cls.__module__].__dict__)


def readable_of(cls: type[Any]) -> Readable:
    """What is behind a class that is readable."""
    found = getattr(cls, "__readable__", None)
    if not isinstance(found, Readable):
        raise TypeError(f"{getattr(cls, '__name__', cls)} is not a readable type")
    return found


@dataclass_transform(kw_only_default=True, field_specifiers=(about, link, differences))
def plain(cls: type[T]) -> type[T]:
    """A plain object for clients, which is not a row: every field described with ``about``."""
    return strawberry.type(cls, description=described(cls, "type"))


@dataclass_transform(kw_only_default=True, field_specifiers=(about,))
def inputs(cls: type[T]) -> type[T]:
    """What clients send, every field described with ``about``."""
    return strawberry.input(cls, description=described(cls, "input"))


@dataclass_transform(kw_only_default=True, field_specifiers=(about,))
def one_of(cls: type[T]) -> type[T]:
    """What clients send as exactly one of the fields, each a ``Maybe`` described with ``about``."""
    return strawberry.input(cls, one_of=True, description=described(cls, "input"))


def given(input: object) -> dict[str, Any]:
    """The ``Maybe`` fields that the client sent, by Python name."""
    values = ((name, getattr(input, name)) for name in getattr(input, "__dataclass_fields__", {}))
    return {name: value.value for name, value in values if isinstance(value, strawberry.Some)}


def condition_of(where: Where | None, actor: Actor) -> Condition | None:
    """The fixed condition of a relation for an actor."""
    return where(actor) if callable(where) else where


PAGE_ARGUMENTS = {
    "first": (int, "At most so many rows from the front, 1 to 100; 25 unless told."),
    "after": (str, "Only rows after this cursor."),
    "last": (int, "At most so many rows from the end, 1 to 100."),
    "before": (str, "Only rows before this cursor."),
}


def page_arguments(filter: type[Any] | None, order: Order | None) -> list[StrawberryArgument]:
    """The arguments of a connection."""
    made = [_argument(name, annotation | None, says) for name, (annotation, says) in PAGE_ARGUMENTS.items()]
    if filter is not None:
        spec_of(filter)
        made.append(_argument("filter", filter | None, "Only rows of which this is true."))
    if order is not None:
        terms = list[order.input] | None  # type: ignore[name-defined]  # the input is made at run time
        made.append(_argument("order_by", terms, "How to sort; the first term counts most."))
    return made


def _argument(name: str, annotation: Any, description: str) -> StrawberryArgument:
    return StrawberryArgument(name, None, StrawberryAnnotation(annotation), description=description)


def function_arguments(function: Function) -> list[StrawberryArgument]:
    """The GraphQL arguments of a function of ours: its parameters but ``actor`` and ``context``."""
    found = StrawberryResolver(function).arguments
    return [one for one in found if one.python_name not in ("actor", "context")]


def sorted_by(order: Order | None, actor: Actor, asked: Any, filter: Any = None) -> Any:
    """The terms a list is sorted by."""
    return NEWEST_FIRST if order is None else order.sorted_by(actor, asked, filter)


Answer = Callable[..., Awaitable[Any]]
