"""One GraphQL service for HTTP and sockets: prepares a request, judges what it asks for, and runs it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import strawberry
from graphql import FieldNode, GraphQLError, OperationDefinitionNode, OperationType
from graphql.execution.values import get_argument_values

from app.kernel.errors import Problem, Unavailable
from schema.kit import execution
from schema.kit.context import Context
from schema.kit.http import is_away
from schema.kit.limits import BadRequest, GraphQLRequest, guard
from schema.kit.live import SUBSCRIPTIONS, Live

EVERYBODY = "everybody"
AUTHENTICATED = "authenticated"


class GraphQLService:
    """The schema, with the rules of who may ask for it and which fields stand once in a request at most."""

    def __init__(self, schema: strawberry.Schema, *, introspection: str, once: frozenset[str]) -> None:
        self._schema = schema
        self._core = execution.core_of(schema)
        self._introspection = introspection
        self._once = once

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> dict[str, Any]:
        """The answer to a query or mutation; without ``data`` when the request could not be executed."""
        try:
            operation = self._admitted(request, context)
            if operation.operation is OperationType.SUBSCRIPTION:
                raise GraphQLError("Subscriptions are heard over WebSocket (graphql-transport-ws).")
            if only_queries and operation.operation is not OperationType.QUERY:
                raise BadRequest("Mutations are sent by POST.", 405)
            return await execution.run(self._executor(request, context))
        except execution.Refused as refused:
            return execution.refusal(refused)
        except (Problem, GraphQLError) as problem:
            return {"errors": [_told(problem, context)]}

    async def stream(self, request: GraphQLRequest, context: Callable[[], Context]) -> AsyncGenerator[dict[str, Any]]:
        """The answers to an operation: one to a query or mutation, one for each event of a subscription.

        Each event is run in a context of its own, with the actor as it is then.
        """
        first = context()
        try:
            operation = self._admitted(request, first)
            if operation.operation is not OperationType.SUBSCRIPTION:
                yield await execution.run(self._executor(request, first))
                return
            live, arguments, key = self._subscription(operation, request, first)
        except execution.Refused as refused:
            yield execution.refusal(refused)
            return
        except (Problem, GraphQLError) as problem:
            yield {"errors": [_told(problem, first)]}
            return
        try:
            async with aclosing(live.events(lambda: context().require_actor(), arguments)) as events:
                async for event in events:
                    yield await execution.run(self._executor(request, context(), event))
        except Exception as problem:  # noqa: BLE001  # told in any case: who hears nothing would wait for ever
            told = Unavailable() if is_away(problem) else problem
            yield {"data": None, "errors": [_told(told, first, key)]}

    def encode(self, response: dict[str, Any]) -> bytes:
        """The answer as JSON."""
        return execution.encode(response)

    def _admitted(self, request: GraphQLRequest, context: Context) -> OperationDefinitionNode:
        """The operation, once it is known to ask for no more than one may. Judged before it is validated."""
        prepared = execution.parsed(self._schema, request.document)
        operation = prepared.operation(request.operation_name)
        may_introspect = self._introspection == EVERYBODY or (
            self._introspection == AUTHENTICATED and context.actor is not None
        )
        guard(
            prepared.document,
            operation,
            request.variables,
            may_introspect=may_introspect,
            once=self._once,
            known=prepared.measures,
        )
        return operation

    def _executor(self, request: GraphQLRequest, context: Context, root: Any = None) -> execution.KitExecutor:
        return execution.executor_of(
            self._schema, request.document, request.variables, request.operation_name, context, root
        )

    def _subscription(
        self, operation: OperationDefinitionNode, request: GraphQLRequest, context: Context
    ) -> tuple[Live, dict[str, Any], str]:
        executor = self._executor(request, context)
        node = next(iter(operation.selection_set.selections))
        assert self._core.subscription_type is not None
        if not isinstance(node, FieldNode):
            raise GraphQLError("Write the subscription's field directly, without a fragment.")
        field = self._core.subscription_type.fields[node.name.value]
        arguments = get_argument_values(field, node, executor.variable_values)
        return SUBSCRIPTIONS[node.name.value], arguments, node.alias.value if node.alias else node.name.value


def _told(problem: Exception, context: Context, key: str | None = None) -> dict[str, Any]:
    if not isinstance(problem, GraphQLError):
        problem = GraphQLError(str(problem), original_error=problem, path=[key] if key else None)
    return execution.formatted(problem, context)
