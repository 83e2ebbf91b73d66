"""How lists are narrowed: declared fields become conditions. Nothing of a client's names ever becomes SQL.

A filter may reach through a relation that it declares: the row that ours points to (``by_parent``), or the rows that point to
ours (``by_children``). What is not visible there is as if it did not exist, and the permissions of the type and of its columns
hold there as they do at home: ``schema.kit.building`` takes them from the types.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Optional, TypeVar, get_args

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from app.infrastructure.conditions import Condition, all_of, any_of, exists
from app.infrastructure.search import found_by
from app.infrastructure.tables import IdentifiedTable, table_of
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Permission
from schema.kit.kinds import Kind, column_kind
from schema.kit.operators import Compares, Untrue, operand, operation, require_few

DEPTH_MAX = 6
VALUES_MAX = 1000
T = TypeVar("T")


@dataclass(slots=True)
class Asking:
    """Who asks, and how much more may be asked in one filter."""

    actor: Actor
    values_left: int = VALUES_MAX

    def take(self, count: int) -> None:
        """Count what is asked: a filter is bounded however it is nested."""
        self.values_left -= count
        if self.values_left < 0:
            raise InvalidInput(f"A filter compares with at most {VALUES_MAX} values in all.", path=["filter"])


@dataclass(slots=True)
class FilterField:
    """A field of a filter. Who lacks its permission, or that of the column it tells of, may not ask by it."""

    description: str
    permission: Permission | None = None
    of_column: Permission | None = field(default=None, kw_only=True)
    deprecation_reason: str | None = field(default=None, kw_only=True)

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        """Take the name and the model, and refuse what does not fit them."""

    def shows(self, column: str) -> bool:
        """Whether an answer would tell something of a column."""
        return False

    def condition(self, asking: Asking, value: Any, depth: int) -> Condition:
        """The condition that a client's value stands for."""
        raise NotImplementedError


@dataclass(slots=True)
class ByColumn(FilterField):
    """A column, compared by the operators of its kind."""

    column: str = ""
    kind: Kind = Kind.TEXT
    nullable: bool = False

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        self.column = self.column or name
        self.kind, self.nullable = column_kind(model, self.column)

    def shows(self, column: str) -> bool:
        return self.column == column

    def condition(self, asking: Asking, value: Any, depth: int) -> Condition:
        if not isinstance(value, dict):
            asking.take(1)
            return Compares(self.column, self.kind, "=", value)
        given = [(name, one) for name, one in value.items() if one is not None]
        asking.take(sum(len(one) if isinstance(one, list) else 1 for _, one in given))
        return all_of(*(operation(self.column, self.kind, self.nullable, name, one) for name, one in given))


@dataclass(slots=True)
class ByFunction(FilterField):
    """A condition that a function makes of the client's value."""

    where: Callable[[Actor, Any], Condition] | None = None

    def condition(self, asking: Asking, value: Any, depth: int) -> Condition:
        assert self.where is not None
        asking.take(1)
        return self.where(asking.actor, value)


@dataclass(slots=True)
class ByRelation(FilterField):
    """Rows of another table that belong to ours, of which a filter of theirs is true."""

    ours: str = ""
    theirs: str = ""
    filter: "FilterSpec | None" = None

    @property
    def target(self) -> "FilterSpec":
        """The filter of the other table's rows."""
        assert self.filter is not None
        return self.filter

    def shows(self, column: str) -> bool:
        return self.ours == column

    def related(self, asking: Asking, value: Any, depth: int, *, untrue: bool = False) -> Condition:
        """There is such a row, of those that may be seen; or one of which the filter is not true."""
        target, actor = self.target, asking.actor
        asking.take(1)
        if target.permission is not None:
            actor.require(target.permission)
        wanted = target.term(asking, value, depth + 1)
        seen = target.model.visible_to(actor)
        return exists(
            table_of(target.model), self.theirs, seen & (Untrue(wanted) if untrue else wanted), ours=self.ours
        )


@dataclass(slots=True)
class ByParent(ByRelation):
    """The row that our column points to."""

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        self.ours, self.theirs = self.ours or f"{name}_id", "id"
        column_kind(model, self.ours)

    def condition(self, asking: Asking, value: Any, depth: int) -> Condition:
        return self.related(asking, value, depth)


@dataclass(slots=True)
class ByChildren(ByRelation):
    """The rows whose column points to us: some, none or every one of those that may be seen."""

    def bind(self, name: str, model: type[IdentifiedTable]) -> None:
        self.ours = "id"
        column_kind(self.target.model, self.theirs)

    def condition(self, asking: Asking, value: Any, depth: int) -> Condition:
        terms = []
        for quantifier, wanted in value.items():
            if wanted is not None:
                found = self.related(asking, wanted, depth, untrue=quantifier == "every")
                terms.append(found if quantifier == "some" else Untrue(found))
        return all_of(*terms)


@dataclass(slots=True)
class FilterSpec:
    """The fields of a filter by their GraphQL names. ``permission`` is what a row of the model asks of its reader."""

    name: str
    model: type[IdentifiedTable]
    fields: dict[str, FilterField]
    permission: Permission | None = None
    listed: type[Any] | None = None

    def condition(self, actor: Actor, given: dict[str, Any] | None) -> Condition:
        """The condition that a client's filter stands for; of an empty filter everything is true."""
        return self.term(Asking(actor), given or {}, 0)

    def term(self, asking: Asking, given: dict[str, Any], depth: int) -> Condition:
        """As ``condition``, somewhere within a filter."""
        if depth > DEPTH_MAX:
            raise InvalidInput(f"A filter has at most {DEPTH_MAX} levels.", path=["filter"])
        return all_of(*(self._part(asking, name, value, depth) for name, value in given.items() if value is not None))

    def protect(self, column: str, permission: Permission) -> None:
        """Ask for a permission wherever a column is filtered by."""
        for one in self.fields.values():
            if one.shows(column) and one.permission is None:
                one.permission = permission
            elif one.shows(column) and one.permission is not permission:
                one.of_column = permission

    def relations(self) -> Iterator[ByRelation]:
        """The fields that lead to other tables."""
        return (one for one in self.fields.values() if isinstance(one, ByRelation))

    def _part(self, asking: Asking, name: str, value: Any, depth: int) -> Condition:
        if name == "not":
            return Untrue(self.term(asking, value, depth + 1))
        if name in ("and", "or"):
            asking.take(len(require_few(value)))
            combine = all_of if name == "and" else any_of
            return combine(*(self.term(asking, one, depth + 1) for one in value))
        chosen = self.fields[name]
        for permission in (chosen.permission, chosen.of_column):
            if permission is not None:
                asking.actor.require(permission)
        return chosen.condition(asking, value, depth)


def by(
    description: str,
    *,
    column: str | None = None,
    where: Callable[[Actor, Any], Condition] | None = None,
    permission: Permission | None = None,
) -> Any:
    """Declare a field of a filter: on the column of its name or another one, or a function of the client's value."""
    if where is not None:
        return ByFunction(description, permission, where)
    return ByColumn(description, permission, column or "")


def by_search(places: str, model: type[IdentifiedTable]) -> Any:
    """Declare free-text search in a filter of a model that says what of it is searched, and where that is."""
    return by(
        f"Every word begins a word in {places}. Case, accents of Latin letters and signs do not count.",
        where=lambda actor, text: found_by(model, actor, text),
    )


def by_parent(description: str, *, via: str | None = None) -> Any:
    """Declare a field on the row that our column ``via`` (by default the name and ``_id``) points to.

    The annotation names the filter of that row. A row that may not be seen fulfils nothing.
    """
    return ByParent(description, ours=via or "")


def by_children(description: str, *, via: str) -> Any:
    """Declare a field on the rows whose column ``via`` points to us. The annotation names the filter of one such row."""
    return ByChildren(description, theirs=via)


def filterable(model: type[IdentifiedTable]) -> Callable[[type[T]], type[T]]:
    """Make a class of ``by`` fields a filter of a model's rows; ``and``, ``or`` and ``not`` come by themselves."""

    def decorate(cls: type[T]) -> type[T]:
        if not cls.__doc__:
            raise TypeError(f"the filter {cls.__name__} does not say what it narrows")
        spec = FilterSpec(cls.__name__, model, {})
        for name, made in _bound(cls, spec).items():
            setattr(cls, name, made)
        _add_combinations(cls)
        narrowing = strawberry.input(cls, description=cls.__doc__.strip())
        _bind_combinations(narrowing)
        narrowing.__filter__ = spec  # type: ignore[attr-defined]  # what the reader finds behind it
        return narrowing

    return decorate


def extends_filter(target: type[Any]) -> Callable[[type[T]], type[T]]:
    """Add the decorated class's ``by`` fields to a filter of a lower room, or of what was declared before it."""

    def decorate(cls: type[T]) -> type[T]:
        spec, definition = spec_of(target), target.__strawberry_definition__
        for name, made in _bound(cls, spec).items():
            made.python_name = name
            made.origin = cls
            made.type_annotation = StrawberryAnnotation(cls.__annotations__[name])
            definition.fields.append(made)
        return cls

    return decorate


def _bound(cls: type[Any], spec: FilterSpec) -> dict[str, StrawberryField]:
    """The fields that a class declares, put into a filter, as Strawberry wants them."""
    made = {}
    for name, annotation in list(inspect.get_annotations(cls).items()):
        declared, word = cls.__dict__.get(name), to_camel_case(name)
        if not isinstance(declared, FilterField) or not declared.description:
            raise TypeError(f"{cls.__name__}.{name} needs by(…) with a description")
        if word in spec.fields:
            raise TypeError(f"{spec.name} has a field {word} already")
        if isinstance(declared, ByRelation):
            target = next((one for one in get_args(annotation) if hasattr(one, "__filter__")), None)
            if target is None:
                raise TypeError(f"{cls.__name__}.{name} names no filter that is declared before it")
            declared.filter = spec_of(target)
            cls.__annotations__[name] = Optional[_listed(target) if isinstance(declared, ByChildren) else target]  # noqa: UP045
        declared.bind(name, spec.model)
        spec.fields[word] = declared
        made[name] = strawberry.field(
            description=declared.description, default=strawberry.UNSET, deprecation_reason=declared.deprecation_reason
        )
    return made


_QUANTIFIERS = {
    "some": "At least one of them, of those you may see.",
    "none": "None of them, of those you may see.",
    "every": "All of them, of those you may see; of none at all, this is true.",
}


def _listed(target: type[Any]) -> type[Any]:
    """The input that says of how many rows a filter must be true; one for each filter."""
    spec = spec_of(target)
    if spec.listed is None:
        namespace = {
            "__annotations__": dict.fromkeys(_QUANTIFIERS, Optional[target]),  # noqa: UP045  # made at run time
            "__module__": __name__,
            **{name: operand(says) for name, says in _QUANTIFIERS.items()},
        }
        name = f"{spec.name.removesuffix('Filter')}ListFilter"
        spec.listed = strawberry.input(type(name, (), namespace), description="How many rows a condition is true of.")
    return spec.listed


_COMBINATIONS = {"and_": "All of these are true.", "or_": "At least one of these is true.", "not_": "This is not true."}


def _add_combinations(cls: type[Any]) -> None:
    for name, description in _COMBINATIONS.items():
        cls.__annotations__[name] = object
        setattr(cls, name, operand(description, name.rstrip("_")))


def _bind_combinations(cls: Any) -> None:
    fields: list[StrawberryField] = cls.__strawberry_definition__.fields
    for part in fields:
        if part.python_name in _COMBINATIONS:
            one = Optional[cls] if part.python_name == "not_" else Optional[list[cls]]  # noqa: UP045  # made at run time
            part.type_annotation = StrawberryAnnotation(one)


def spec_of(filter: type[Any]) -> FilterSpec:
    """The fields behind a filter's class."""
    spec = getattr(filter, "__filter__", None)
    if not isinstance(spec, FilterSpec):
        raise TypeError(f"{filter.__name__} is not a filter: decorate it with filterable(model)")
    return spec
