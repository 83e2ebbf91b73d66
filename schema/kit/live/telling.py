"""From events to the answers that clients get: what a document asks of an event, made for many events at once.

What an event holds is shown by functions that were made for the selection once; the rows it points to are read together,
one statement for each link of the document however many events there are. What does not fit goes the executor's way, each
event by itself, with the errors in their places.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import structlog
from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import Path

from app import database
from app.kernel.actor import Actor
from app.kernel.errors import Unavailable
from app.kernel.ids import new_id, prefix_of
from schema.kit import execution
from schema.kit.context import Context
from schema.kit.declarations import READABLE_BY_PREFIX, Differences, KitField, Link
from schema.kit.limits import GraphQLRequest
from schema.kit.live.audience import Personal
from schema.kit.previous import changes_of
from schema.kit.reading import read_many
from schema.kit.reading.selection import BACKREF, Pick, Selection, object_selection, python_name, readable_behind
from schema.kit.reading.showing import shower_of
from schema.kit.straight import Info

log = structlog.get_logger(__name__)

Wanted = dict[int, dict[str, Any]]
Found = dict[int, dict[str, Any]]
Collect = Callable[[Any, Wanted], None]
Show = Callable[[Any, Found], Any]


class TooOdd(Exception):
    """A selection that only the executor can answer."""


class Teller:
    """The answers of one subscription: its document and variables, for whoever sees the same."""

    def __init__(
        self,
        schema: GraphQLSchema,
        request: GraphQLRequest,
        operation: OperationDefinitionNode,
        fragments: dict[str, Any],
        variables: VariableValues,
    ) -> None:
        node = operation.selection_set.selections[0]
        assert isinstance(node, FieldNode) and schema.subscription_type is not None
        self.key = node.alias.value if node.alias else node.name.value
        self._schema = schema
        self._request = request
        self._node = node
        self._field: GraphQLField = schema.subscription_type.fields[node.name.value]
        self._fragments = fragments
        self._variables = variables
        self._parts: _Parts | None = None
        self._is_odd = False

    async def answers(self, events: Sequence[Any], viewer: Actor) -> list[bytes]:
        """Each event's answer as JSON. Raises ``Personal`` when it would depend on who hears it, and what tells that the
        database is away; any other error is in the answers."""
        context = Context(viewer, new_id("req"))
        try:
            if not self._is_odd:
                return await self._together(events, context)
        except (Personal, Unavailable):
            raise
        except TooOdd:
            self._is_odd = True
        except Exception as problem:
            if database.is_away(problem):
                raise
            log.debug("events are told one by one", subscription=self.key, error=type(problem).__name__)
        return [await self._alone(event, viewer, context.request_id) for event in events]

    async def _together(self, events: Sequence[Any], context: Context) -> list[bytes]:
        info = self._info([self._node], self._field.type, Path(None, self.key, "Subscription"), context)
        if self._parts is None:
            self._parts = _Parts(object_selection(info, _object_type(self._field.type)))
        wanted: Wanted = {}
        for event in events:
            self._parts.collect(event, wanted)
        found: Found = {}
        for place, entries in self._parts.entries(wanted):
            made = await changes_of(context.require_actor(), list(entries.values()))
            found[place] = dict(zip(entries, made, strict=True))
        for pick in self._parts.links:
            ids = list(wanted.get(id(pick), ()))
            assert pick.field is not None
            place = self._info(pick.nodes, pick.field.type, info.path.add_key(pick.key, None), context)
            found[id(pick)] = dict(zip(ids, await read_many(ids, place), strict=True)) if ids else {}
        errors = [execution.formatted(error, context) for error in context.refused]
        told: dict[str, Any] = {"errors": errors} if errors else {}
        return [orjson.dumps({"data": {self.key: self._parts.show(event, found)}, **told}) for event in events]

    async def _alone(self, event: Any, viewer: Actor, request_id: str) -> bytes:
        request = self._request
        executor = execution.executor_of(
            self._schema,
            request.document,
            request.variables,
            request.operation_name,
            Context(viewer, request_id),
            event,
        )
        assert isinstance(executor, execution.KitExecutor)
        result = executor.execute_operation()
        if executor.is_awaitable(result):
            result = await result
        assert isinstance(result, ExecutionResult)
        for error in result.errors or ():
            cause = execution.root_cause(error)
            if isinstance(cause, Personal | Unavailable) or (cause is not None and database.is_away(cause)):
                raise cause
        return execution.encode(execution.answer(result, executor.context_value))

    def refusal(self, problem: Exception) -> dict[str, Any]:
        """The last answer of a subscription that has to end; of a database that is away it says so, and no more."""
        if database.is_away(problem):
            problem = Unavailable()
        error = GraphQLError(str(problem), original_error=problem, path=[self.key])
        return {"data": None, "errors": [execution.formatted(error)]}

    def _info(self, nodes: list[FieldNode], type: Any, path: Path, context: Context) -> Any:
        return Info(nodes, type, path, self._schema, self._fragments, self._variables, context)


class _Parts:
    """How the events of a selection are shown, and the links whose rows have to be read for it."""

    def __init__(self, selection: Selection) -> None:
        self.links: list[Pick] = []
        self._differences: list[int] = []
        self.collect, self.show = self._object(selection)

    def entries(self, wanted: Wanted) -> list[tuple[int, dict[str, Any]]]:
        """The facts whose changes are asked for, by id, and by what asks for them."""
        return [(place, wanted.get(place, {})) for place in self._differences]

    def _object(self, selection: Selection) -> tuple[Collect, Show]:
        collects: list[Collect] = []
        shows: list[tuple[str, Show]] = []
        for pick in selection.picks:
            collect, show = self._part(pick)
            shows.append((pick.key, show))
            if collect is not None:
                collects.append(collect)

        def collected(value: Any, wanted: Wanted) -> None:
            for collect in collects:
                collect(value, wanted)

        def shown(value: Any, found: Found) -> Any:
            return {key: show(value, found) for key, show in shows}

        return collected, shown

    def _part(self, pick: Pick) -> tuple[Collect | None, Show]:
        field = pick.field
        if field is None:
            return None, lambda _value, _found: pick.literal
        name = python_name(field)
        if isinstance(pick.declaration, Differences):
            return self._changes(pick, pick.declaration.attribute)
        if isinstance(pick.declaration, Link):
            return self._link(pick, pick.declaration.attribute)
        definition = field.extensions.get(BACKREF)
        if definition is None or isinstance(definition, KitField) or definition.base_resolver is not None or field.args:
            raise TooOdd(f"{pick.owner.name}.{name} is more than an attribute")
        if is_leaf_type(get_named_type(field.type)):
            leaf = shower_of(field.type, None)
            return None, lambda value, _found: leaf(getattr(value, name))
        if pick.selection is None:
            raise TooOdd(f"{pick.owner.name}.{name} is of no plain type")
        collect, show = self._nested(field.type, *self._object(pick.selection))
        return (lambda value, wanted: collect(getattr(value, name), wanted)), (
            lambda value, found: show(getattr(value, name), found)
        )

    def _changes(self, pick: Pick, attribute: str) -> tuple[Collect, Show]:
        assert pick.field is not None and pick.selection is not None
        place = id(pick)
        self._differences.append(place)
        _, show = self._nested(pick.field.type, *self._object(pick.selection))

        def collect(value: Any, wanted: Wanted) -> None:
            if (entry := getattr(value, attribute)) is not None:
                wanted.setdefault(place, {})[entry.id] = entry

        def shown(value: Any, found: Found) -> Any:
            entry = getattr(value, attribute)
            return show(found[place][entry.id] if entry is not None else [], found)

        return collect, shown

    def _nested(self, type: Any, collect: Collect, show: Show) -> tuple[Collect, Show]:
        if isinstance(type, GraphQLNonNull):
            collect, inner = self._nested(type.of_type, collect, show)

            def there(value: Any, found: Found) -> Any:
                if value is None:
                    raise TooOdd(f"a value of the type {type} is missing")
                return inner(value, found)

            return collect, there
        if isinstance(type, GraphQLList):
            each_collect, each_show = self._nested(type.of_type, collect, show)

            def collect_all(values: Iterable[Any] | None, wanted: Wanted) -> None:
                for one in values or ():
                    each_collect(one, wanted)

            return (
                collect_all,
                lambda values, found: None if values is None else [each_show(one, found) for one in values],
            )
        return (lambda value, wanted: None if value is None else collect(value, wanted)), (
            lambda value, found: None if value is None else show(value, found)
        )

    def _link(self, pick: Pick, attribute: str) -> tuple[Collect, Show]:
        assert pick.field is not None
        place, prefix = id(pick), _prefix_behind(get_named_type(pick.field.type))
        self.links.append(pick)

        def collect(value: Any, wanted: Wanted) -> None:
            row_id = getattr(value, attribute)
            if row_id is not None and (prefix is None or prefix_of(row_id) == prefix):
                wanted.setdefault(place, {})[row_id] = None

        return collect, lambda value, found: found[place].get(getattr(value, attribute))


def _prefix_behind(type: Any) -> str | None:
    """The prefix of the ids that a link's type is read by; None for one that may be of any type."""
    if is_abstract_type(type):
        return None
    target = readable_behind(type)
    if READABLE_BY_PREFIX.get(target.model.prefix) is not target:
        raise TooOdd(f"{type.name} is not what its ids are shown as")
    return target.model.prefix


def _object_type(type: Any) -> GraphQLObjectType:
    named = get_named_type(type)
    assert isinstance(named, GraphQLObjectType)
    return named
