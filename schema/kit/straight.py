"""The straight way through a query: what the reader answers, or a function of ours with plain objects, needs no executor.

graphql-core walks through every value of an answer, and takes some forty steps before the first. The reader's answer is
finished JSON, though, and a plain object is shown by functions that were made for its selection once. So for a query of
such root fields alone this module does what the executor would: arguments, the fields side by side, errors in their places,
null where an error leaves nothing. Whatever else is asked goes the executor's way.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableNode,
    get_named_type,
    is_leaf_type,
    located_error,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    get_argument_values,
    get_variable_values,
)
from graphql.pyutils import Path

from schema.kit.context import Context
from schema.kit.declarations import Call, KitField, Link
from schema.kit.operations import OperationField
from schema.kit.reading.selection import BACKREF, object_selection
from schema.kit.reading.showing import Show, shower_of

_SIMPLE: dict[str, type] = {"ID": str, "String": str, "Boolean": bool}
_ABSENT = object()


@dataclass(slots=True)
class Info:
    """What the kit's answers ask of graphql-core's own info."""

    field_nodes: list[FieldNode]
    return_type: Any
    path: Path
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variable_values: VariableValues
    context: Context


class Root:
    """One root field of an operation."""

    def __init__(self, node: FieldNode, field: GraphQLField) -> None:
        self.key = node.alias.value if node.alias else node.name.value
        self.nodes = [node]
        self.field = field
        self.path = Path(None, self.key, "Query")
        self.shows = isinstance(field.extensions[BACKREF].declaration, Call) and node.name.value not in _READ
        self.shower: Show | None = None
        self._fixed, self._by_variable = _arguments_of(node, field)

    def arguments(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments, coerced; those that are text or variables alone without asking graphql-core again."""
        if self._fixed is not None:
            made = dict(self._fixed)
            for name, variable in self._by_variable:
                value = variables.coerced.get(variable)
                if value is None:
                    break  # left out or null: both have rules of their own
                made[name] = value
            else:
                return made
        return get_argument_values(self.field, self.nodes[0], variables, hide_suggestions=True)


_READ = frozenset({"node", "nodes"})
"""Functions in name only: the reader answers them."""


def _arguments_of(node: FieldNode, field: GraphQLField) -> tuple[dict[str, Any] | None, list[tuple[str, str]]]:
    """Arguments without variables, coerced, and those that are a variable; None where something is in between."""
    given = {one.name.value: one for one in node.arguments or ()}
    if any(field.args[name].out_name not in (None, name) for name in given):
        return None, []
    if any(name not in given and one.default_value is not Undefined for name, one in field.args.items()):
        return None, []
    by_variable = [(name, one.value.name.value) for name, one in given.items() if isinstance(one.value, VariableNode)]
    if len(by_variable) == len(given):
        return {}, by_variable
    if by_variable or _mentions_variables(node):
        return None, []
    try:
        return get_argument_values(field, node, None, hide_suggestions=True), []
    except GraphQLError:
        return None, []  # it will be told when it is asked for


def _mentions_variables(node: FieldNode) -> bool:
    waiting: list[Any] = [one.value for one in node.arguments or ()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, VariableNode):
            return True
        waiting.extend(getattr(value, "values", None) or ())
        waiting.extend(one.value for one in getattr(value, "fields", None) or ())
    return False


class Way:
    """An operation that goes the straight way: its root fields, and how its variables are coerced."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        roots: list[Root],
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.fragments = fragments
        self.roots = roots
        signatures = [get_variable_signature(schema, one) for one in operation.variable_definitions or ()]
        self.signatures = [one for one in signatures if isinstance(one, GraphQLVariableSignature)]

    def variables(self, given: dict[str, Any], errors_max: int) -> VariableValues | list[GraphQLError]:
        """The variables, coerced. Plain words and ids are seen at once to be right; the rest is graphql-core's to judge."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature in self.signatures:
            value = given.get(signature.name, _ABSENT)
            named, required = signature.type, False
            if isinstance(named, GraphQLNonNull):
                named, required = named.of_type, True
            if value is _ABSENT and not required and signature.default is None:
                sources[signature.name] = VariableValueSource(signature)
            elif value is not _ABSENT and value.__class__ is _SIMPLE.get(getattr(named, "name", "")):
                sources[signature.name] = VariableValueSource(signature, value)
                coerced[signature.name] = value
            else:
                nodes = self.operation.variable_definitions or ()
                return get_variable_values(self.schema, nodes, given, errors_max, hide_suggestions=True)
        return VariableValues(sources, coerced)


def way_of(
    schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Way | None:
    """The straight way, if a validated operation can go it."""
    if operation.operation is not OperationType.QUERY or operation.directives or schema.query_type is None:
        return None
    roots: dict[str, Root] = {}
    for node in operation.selection_set.selections:
        field = schema.query_type.fields.get(node.name.value) if isinstance(node, FieldNode) else None
        if not isinstance(node, FieldNode) or node.directives or field is None:
            return None
        if not isinstance(field.extensions.get(BACKREF), OperationField):
            return None
        root = Root(node, field)
        if root.key in roots or (root.shows and not _is_plain(field.type)):
            return None
        roots[root.key] = root
    return Way(schema, operation, fragments, list(roots.values()))


def _is_plain(type: Any, known: frozenset[str] = frozenset()) -> bool:
    """Whether the values of a type are shown by looking at their attributes alone."""
    named = get_named_type(type)
    if is_leaf_type(named) or named.name in known:
        return True
    if not isinstance(named, GraphQLObjectType) or BACKREF not in named.extensions:
        return False
    if hasattr(named.extensions[BACKREF].origin, "__readable__"):
        return False
    return all(_is_attribute(field) and _is_plain(field.type, known | {named.name}) for field in named.fields.values())


def _is_attribute(field: GraphQLField) -> bool:
    definition = field.extensions.get(BACKREF)
    if isinstance(definition, KitField):
        return not isinstance(definition.declaration, Link)
    return definition is not None and definition.base_resolver is None and not field.args


class Walker:
    """One request on its way."""

    def __init__(self, way: Way, variables: VariableValues, context: Context) -> None:
        self.way = way
        self.variable_values = variables
        self.context_value = context
        self._errors: list[GraphQLError] = []

    async def result(self) -> ExecutionResult:
        """The answer, as the executor would give it."""
        roots = self.way.roots
        if len(roots) == 1:
            found = [await self._value(roots[0])]
        else:
            found = await asyncio.gather(*map(self._value, roots))
        missing = any(
            value is None and isinstance(root.field.type, GraphQLNonNull)
            for root, value in zip(roots, found, strict=True)
        )
        data = None if missing else {root.key: value for root, value in zip(roots, found, strict=True)}
        return ExecutionResult(data, self._errors or None)

    async def _value(self, root: Root) -> Any:
        way, variables = self.way, self.variable_values
        info: Any = Info(
            root.nodes, root.field.type, root.path, way.schema, way.fragments, variables, self.context_value
        )
        try:
            value = await root.field.resolve(None, info, **root.arguments(variables))  # type: ignore[misc]
            return self._shown(value, root, info) if root.shows else value
        except Exception as error:  # noqa: BLE001  # every error of a field is told in its place
            self._errors.append(located_error(error, root.nodes, root.path.as_list()))
            return None

    def _shown(self, value: Any, root: Root, info: Any) -> Any:
        named = get_named_type(root.field.type)
        if is_leaf_type(named):
            root.shower = root.shower or shower_of(root.field.type, None)
            return root.shower(value)
        assert isinstance(named, GraphQLObjectType)
        # A selection depends on the variables of @skip and @include; it is kept where they are known.
        selection = object_selection(info, named)
        if selection.show is None:
            selection.show = shower_of(root.field.type, selection)
        return selection.show(value)
