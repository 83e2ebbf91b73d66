"""From the rooms' declarations to the schema: Strawberry makes the types, the kit's own answers are put behind
the fields, and whatever is not described, or does not fit, is refused before the first request.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Annotated, Any, Optional

import strawberry
from graphql import (
    ASTValidationRule,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
)
from strawberry.annotation import StrawberryAnnotation
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from app.kernel.errors import InvalidInput
from app.kernel.ids import prefix_of
from app.kernel.pages import PAGE_SIZE_MAX
from schema.kit.declarations import (
    READABLE_BY_PREFIX,
    Children,
    Computed,
    Differences,
    Either,
    Found,
    Group,
    KitField,
    Link,
    Many,
    Node,
    One,
    Parent,
    Single,
    SqlValue,
    arg,
    optional,
)
from schema.kit.deprecations import require_dated
from schema.kit.guards import guard_lists
from schema.kit.kinds import column_kind
from schema.kit.measuring import VALUES
from schema.kit.operations import (
    SIGNED_IN,
    OperationField,
    answer_found,
    answer_many,
    answer_mutation,
    answer_noun,
    answer_one,
    answer_query,
    query,
)
from schema.kit.previous import answer_differences
from schema.kit.problems import PROBLEM_TYPES, Problem
from schema.kit.reading import read_many, read_one, read_together
from schema.kit.reading.selection import (
    BACKREF,
    Info,
    connection_target,
    python_name,
    readable_behind,
)
from schema.kit.scalars import SCALARS
from schema.kit.summaries import Facet, Summary, with_summaries

Resolve = Callable[..., Any]
NODES_MAX = PAGE_SIZE_MAX


class NodeQueries:
    """Anything by its id alone."""

    @query("Anything with a global id, or null where the asker may not see it.", permission=SIGNED_IN)
    async def node(id: Annotated[strawberry.ID, arg("The global id.")]) -> Optional[Node]:  # noqa: UP045  # a GraphQL name
        raise NotImplementedError("the kit answers this field itself")

    @query(f"Up to {NODES_MAX} things by their global ids, in that order, with null for each that may not be seen.",
           permission=SIGNED_IN)  # fmt: skip
    async def nodes(ids: Annotated[list[strawberry.ID], arg("The global ids.")]) -> list[Optional[Node]]:  # noqa: UP045
        raise NotImplementedError("the kit answers this field itself")


class _Schema(strawberry.Schema):
    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        return with_summaries(type_definition)


def build_schema(
    rooms: Iterable[ModuleType | type[Any]],
    *,
    types: Sequence[type[Any]] = (),
    rules: Sequence[type[ASTValidationRule]] = (),
) -> strawberry.Schema:
    """The schema of all rooms. ``rooms`` are modules with classes Queries, Mutations, Subscriptions, or such holders.

    ``rules`` are validation rules beside GraphQL's own; ``schema.kit.execution`` applies them.
    """
    holders = list(rooms)
    queries = _fields(holders, "Queries")
    queries.extend(_class_fields(NodeQueries))
    mutations = _fields(holders, "Mutations")
    subscriptions = _fields(holders, "Subscriptions")
    for field in mutations:
        if isinstance(field, OperationField) and field.payload is not None:
            field.type_annotation = StrawberryAnnotation(Optional[_payload_type(field)])  # noqa: UP045  # made at run time
    schema = _Schema(
        query=create_type("Query", queries, description="What can be asked."),
        mutation=create_type("Mutation", mutations, description="What can be done.") if mutations else None,
        subscription=create_type("Subscription", subscriptions, description="What can be heard.")
        if subscriptions
        else None,
        types=[*PROBLEM_TYPES.values(), *types],
        config=StrawberryConfig(auto_camel_case=True, disable_field_suggestions=True, scalar_map=SCALARS),
    )
    core = schema._schema
    core.extensions["rules"] = tuple(rules)
    _leave_out_nulls(core)
    _mark_one_ofs(core)
    _answer_fields(core)
    guard_lists(core)
    require_described(core)
    require_dated(core)
    return schema


def _fields(holders: Iterable[ModuleType | type[Any]], name: str) -> list[StrawberryField]:
    return [field for holder in holders if hasattr(holder, name) for field in _class_fields(getattr(holder, name))]


def _class_fields(cls: type[Any]) -> list[StrawberryField]:
    fields = []
    for name, value in vars(cls).items():
        if isinstance(value, StrawberryField):
            value.python_name = name
            if isinstance(value, KitField) and isinstance(value.declaration, One | Many | Found):
                annotation = cls.__annotations__[name]
                value.type_annotation = StrawberryAnnotation(annotation, namespace=sys.modules[cls.__module__].__dict__)
            fields.append(value)
    return fields


def _payload_type(field: OperationField) -> type[Any]:
    payload = field.payload
    assert payload is not None
    result = strawberry.field(description="What it is now; null where there are errors.", name=None)
    result.python_name = payload.noun
    result.type_annotation = StrawberryAnnotation(optional(payload.result))
    errors = strawberry.field(description="What kept it from being done; empty when it was done.")
    errors.python_name = "errors"
    errors.type_annotation = StrawberryAnnotation(list[Problem])
    cursor = strawberry.field(
        description="Where the journal stood afterwards: follow changes from here. Null when nothing changed."
    )
    cursor.python_name = "cursor"
    cursor.type_annotation = StrawberryAnnotation(Optional[str])  # noqa: UP045  # as the others
    return create_type(
        payload.type_name,
        [result, errors, cursor],
        description=f"What {to_camel_case(field.python_name)} answers with.",
    )


def _leave_out_nulls(schema: GraphQLSchema) -> None:
    """What is null unless it is given needs no default: clients see an optional field or argument, and no more."""
    for type in schema.type_map.values():
        parts: list[GraphQLInputField | GraphQLArgument] = []
        if isinstance(type, GraphQLInputObjectType):
            parts.extend(type.fields.values())
        elif isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
            parts.extend(argument for field in type.fields.values() for argument in field.args.values())
        for part in parts:
            if part.default_value is None:
                part.default_value = Undefined


def _mark_one_ofs(schema: GraphQLSchema) -> None:
    """Strawberry knows which inputs are one-of; graphql-core, which prints the schema, is told."""
    for type in schema.type_map.values():
        if isinstance(type, GraphQLInputObjectType):
            type.is_one_of = type.extensions[BACKREF].is_one_of


# The kit's own answers behind the fields


def _answer_fields(schema: GraphQLSchema) -> None:
    payloads: dict[str, OperationField] = {}
    for root in (schema.query_type, schema.mutation_type):
        for name, field in (root.fields if root is not None else {}).items():
            definition = field.extensions[BACKREF]
            if name in ("node", "nodes") and root is schema.query_type:
                field.resolve = _node if name == "node" else _nodes
            elif isinstance(definition, OperationField):
                field.resolve = _resolver(definition, field)
                if definition.payload is not None:
                    payloads[definition.payload.type_name] = definition
    for field in (schema.subscription_type.fields if schema.subscription_type is not None else {}).values():
        if isinstance(field.extensions[BACKREF], OperationField):
            field.resolve = _event
    for type in schema.type_map.values():
        if isinstance(type, GraphQLObjectType) and not type.name.startswith("__"):
            if type.name in payloads:
                _answer_payload(type, payloads[type.name])
            else:
                _answer_object(schema, type)


def _resolver(definition: OperationField, field: GraphQLField) -> Resolve:
    if definition.payload is not None:
        return lambda _source, info, **raw: answer_mutation(definition, info, raw)
    if isinstance(definition.declaration, One):
        target = _origin(get_named_type(field.type))
        _require_nullable(field, definition.python_name)
        return lambda _source, info, **raw: answer_one(definition, info, raw, target)
    if isinstance(definition.declaration, Many):
        target = _origin(connection_target(get_named_type(field.type)))
        return lambda _source, info, **raw: answer_many(definition, info, raw, target)
    if isinstance(definition.declaration, Found):
        return lambda _source, info, **raw: answer_found(definition, info, raw)
    return lambda _source, info, **raw: answer_query(definition, info, raw)


def _event(source: Any, _info: Info, **_raw: Any) -> Any:
    """An event is the root value of its own execution."""
    return source


async def _node(_source: Any, info: Info, id: str) -> Any:
    info.context.require_actor()
    target = READABLE_BY_PREFIX.get(prefix_of(id))
    return await read_one(target, id, info) if target is not None and target.name in info.schema.type_map else None


async def _nodes(_source: Any, info: Info, ids: list[str]) -> Any:
    if len(ids) > NODES_MAX:
        raise InvalidInput(f"Ask for at most {NODES_MAX} things at once.", path=["ids"])
    return await read_many(ids, info)


def _answer_payload(type: GraphQLObjectType, definition: OperationField) -> None:
    payload = definition.payload
    assert payload is not None
    for field in type.fields.values():
        name = python_name(field)
        if name == payload.noun:
            field.resolve = lambda outcome, info: answer_noun(payload, outcome, info)
        else:
            field.resolve = _attribute(name)


def _attribute(name: str) -> Resolve:
    return lambda source, _info: getattr(source, name)


def _answer_object(schema: GraphQLSchema, type: GraphQLObjectType) -> None:
    origin = type.extensions[BACKREF].origin if BACKREF in type.extensions else None
    for name, field in type.fields.items():
        definition = field.extensions.get(BACKREF)
        if not isinstance(definition, KitField) or isinstance(definition, OperationField):
            continue
        where = f"{type.name}.{name}"
        if isinstance(definition.declaration, Differences):
            field.resolve = answer_differences(definition.declaration.attribute)
        elif isinstance(definition.declaration, Link):
            _require_nullable(field, where)
            field.resolve = _link(definition.declaration.attribute, get_named_type(field.type))
        elif isinstance(definition.declaration, Facet) and definition.declaration.words:
            field.extensions[VALUES] = len(definition.declaration.words) + definition.declaration.nullable
        elif isinstance(definition.declaration, Summary):
            continue
        elif not hasattr(origin, "__readable__"):
            raise TypeError(f"{where} belongs to a readable type, and {type.name} is none")
        else:
            _require_fit(schema, field, definition, where)


def _link(attribute: str, type: Any) -> Resolve:
    target = None if isinstance(type, GraphQLInterfaceType) else _origin(type)
    if target is None or READABLE_BY_PREFIX.get(target.__readable__.model.prefix) is target.__readable__:
        return lambda source, info: read_together(getattr(source, attribute), info)
    return lambda source, info: read_one(target, getattr(source, attribute), info)


def _require_fit(schema: GraphQLSchema, field: GraphQLField, definition: KitField, where: str) -> None:
    declaration = definition.declaration
    if declaration.permission is not None and not isinstance(declaration, Children):
        _require_nullable(field, where)
    named = get_named_type(field.type)
    try:
        if isinstance(declaration, Children):
            column_kind(readable_behind(connection_target(named)).model, declaration.via)
        elif isinstance(declaration, Single):
            column_kind(readable_behind(named).model, declaration.via)
        elif isinstance(declaration, Parent):
            readable_behind(named)
        elif isinstance(declaration, Either):
            if not isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
                raise TypeError("a row of one type is a parent")
            for one in schema.get_possible_types(named):
                if not readable_behind(one).model.prefix:
                    raise TypeError(f"the ids of {one.name} have no prefix")
        elif isinstance(declaration, Group):
            assert isinstance(named, GraphQLObjectType)
            for part in named.fields.values():
                if python_name(part) not in declaration.columns:
                    raise TypeError(f"no column for {python_name(part)}")
            if declaration.null_without is not None:
                _require_nullable(field, where)
        elif isinstance(declaration, SqlValue | Computed) and isinstance(named, GraphQLInterfaceType):
            raise TypeError("a computed value has one type")
    except (TypeError, KeyError, AttributeError) as wrong:
        raise TypeError(f"{where}: {wrong}") from None


def _require_nullable(field: GraphQLField, where: str) -> None:
    if isinstance(field.type, GraphQLNonNull):
        raise TypeError(f"{where} may be missing for some, so its type must allow null")


def _origin(type: Any) -> Any:
    origin = type.extensions[BACKREF].origin
    if not hasattr(origin, "__readable__"):
        raise TypeError(f"{type.name} is not a readable type")
    return origin


# Descriptions


def require_described(schema: GraphQLSchema) -> None:
    """Raise unless every type, field, argument, enum value and input field of ours says what it is."""
    missing: list[str] = []
    for type in schema.type_map.values():
        if type.name.startswith("__"):
            continue
        _note(missing, type.name, type.description)
        if isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type.fields.items():
                _note(missing, f"{type.name}.{name}", field.description)
                for argument, definition in field.args.items():
                    _note(missing, f"{type.name}.{name}({argument})", definition.description)
        elif isinstance(type, GraphQLInputObjectType):
            for name, part in type.fields.items():
                _note(missing, f"{type.name}.{name}", part.description)
        elif isinstance(type, GraphQLEnumType):
            for name, value in type.values.items():
                _note(missing, f"{type.name}.{name}", value.description)
    if missing:
        raise TypeError("not described: " + ", ".join(missing))


def _note(missing: list[str], name: str, description: str | None) -> None:
    if not description:
        missing.append(name)
