"""One GraphQL service for HTTP and sockets: prepares a request, judges what it asks for, and runs it."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import strawberry
from graphql import FieldNode, GraphQLError, OperationDefinitionNode, OperationType
from graphql.execution.values import get_argument_values

from app import database
from app.kernel.budgets import Allowance, Caller
from app.kernel.errors import Problem, RateLimited, Unavailable
from schema.kit import execution
from schema.kit.budgets import Budgets
from schema.kit.context import Context
from schema.kit.limits import BadRequest, GraphQLRequest, guard
from schema.kit.live import SUBSCRIPTIONS, Live
from schema.kit.live.following import follow
from schema.kit.measuring import INTROSPECTION_FIELDS, Measure
from schema.kit.persisted import KnownDocuments
from schema.kit.statuses import Outcome

ONLY_STREAMED = (
    "Subscriptions are heard over WebSocket (graphql-transport-ws) or as server-sent events "
    "(Accept: text/event-stream)."
)
EVERYBODY = "everybody"
AUTHENTICATED = "authenticated"


class GraphQLService:
    """The schema, with the rules of who may ask for it and which fields stand once in a request at most."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        introspection: str,
        once: frozenset[str],
        budgets: Mapping[Caller, Allowance] | None = None,
        documents: KnownDocuments | None = None,
    ) -> None:
        self._schema = schema
        self._core = execution.core_of(schema)
        self._introspection = introspection
        self._once = once
        self._budgets = Budgets(budgets)
        self._documents = documents or KnownDocuments()

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> dict[str, Any]:
        """The answer to a query or mutation; without ``data`` when the request could not be executed.

        Raises ``RateLimited`` when the caller's budget does not reach.
        """
        self._budgets.require_points(context)
        try:
            request = await self._documents.find(request)
            operation, measure = self._admitted(request, context)
            if operation.operation is OperationType.SUBSCRIPTION:
                raise BadRequest(ONLY_STREAMED, Outcome.ONLY_STREAMED)
            if only_queries and operation.operation is not OperationType.QUERY:
                raise BadRequest("Mutations are sent by POST.", Outcome.WRONG_METHOD)
            executor = self._executor(request, context)
            await self._documents.keep(request)
        except execution.Refused as refused:
            await self._budgets.drain(context)
            return execution.refusal(refused)
        except (Problem, GraphQLError) as problem:
            await self._budgets.drain(context)
            return {"errors": [_told(problem, context)]}
        return await self._run(executor, measure, context)

    async def stream(
        self, request: GraphQLRequest, context: Callable[[], Context]
    ) -> AsyncGenerator[tuple[dict[str, Any], str | None]]:
        """The answers to an operation: one to a query or mutation, one for each event of a subscription, with its cursor.

        Each event is run in a context of its own, with the actor as it is then. The first tells what the start cost. An
        event that its hearer cannot pay for ends the subscription: it comes again when they resume from the one before.
        """
        first = context()
        try:
            self._budgets.require_points(first)
            request = await self._documents.find(request)
            operation, measure = self._admitted(request, first)
            executor = self._executor(request, first)
            await self._documents.keep(request)
            if operation.operation is not OperationType.SUBSCRIPTION:
                yield await self._run(executor, measure, first), None
                return
            live, arguments, key = self._subscription(operation, executor)
            charge = await self._budgets.charge(first, measure)
        except execution.Refused as refused:
            await self._budgets.drain(first)
            yield execution.refusal(refused), None
            return
        except (Problem, GraphQLError) as problem:
            if not isinstance(problem, RateLimited):
                await self._budgets.drain(first)
            yield {"errors": [_told(problem, first)]}, None
            return
        cost: dict[str, Any] | None = await charge.settle(first)
        try:
            own = live.converted(self._schema, arguments)
            heard = follow(live, lambda: context().actor, own, arguments.get("after"), request.last_event_id)
            async with aclosing(heard) as events:
                async for event, viewer in events:
                    current = context()
                    await self._budgets.charge(current, measure)
                    shared = replace(current, actor=viewer)
                    response = await execution.run(self._executor(request, shared, event))
                    if cost is not None:
                        response["extensions"], cost = {"cost": cost}, None
                    yield response, event.cursor
        except RateLimited as problem:
            yield {"errors": [_told(problem, first)]}, None
        except Exception as problem:  # noqa: BLE001  # told in any case: who hears nothing would wait for ever
            told = Unavailable() if database.is_away(problem) else problem
            yield {"data": None, "errors": [_told(told, first, key)]}, None

    async def find(self, request: GraphQLRequest, context: Context) -> GraphQLRequest:
        """The request with the document that it names, if it brought none, for who may run it and has points left: nothing
        is made of the text before. To name what is not known is paid for."""
        self._budgets.require_points(context)
        try:
            request = await self._documents.find(request)
            self._documents.require_trusted(request.document)
            return request
        except Problem:
            await self._budgets.drain(context)
            raise

    def kind_of(self, request: GraphQLRequest) -> OperationType | None:
        """What kind of operation a request asks for; None when that cannot be told."""
        try:
            return execution.parsed(self._schema, request.document).operation(request.operation_name).operation
        except (execution.Refused, GraphQLError):
            return None

    async def _run(
        self, executor: execution.KitExecutor | execution.Walker, measure: Measure, context: Context
    ) -> dict[str, Any]:
        """The answer, paid for before and settled after."""
        charge = await self._budgets.charge(context, measure)
        response = await execution.run(executor, aside=not measure.names.keys().isdisjoint(INTROSPECTION_FIELDS))
        response["extensions"] = {"cost": await charge.settle(context)}
        return response

    def encode(self, response: dict[str, Any]) -> bytes:
        """The answer as JSON."""
        return execution.encode(response)

    def _admitted(self, request: GraphQLRequest, context: Context) -> tuple[OperationDefinitionNode, Measure]:
        """The operation, once it is known to ask for no more than one may. Judged before it is validated."""
        self._documents.require_trusted(request.document)
        prepared = execution.parsed(self._schema, request.document)
        try:
            operation = prepared.operation(request.operation_name)
        except GraphQLError as error:
            raise execution.Refused([error], "OPERATION_RESOLUTION_FAILURE") from None
        may_introspect = self._introspection == EVERYBODY or (
            self._introspection == AUTHENTICATED and context.actor is not None
        )
        measure = guard(prepared.measures, operation, request.variables, may_introspect=may_introspect, once=self._once)
        return operation, measure

    def _executor(
        self, request: GraphQLRequest, context: Context, root: Any = None
    ) -> execution.KitExecutor | execution.Walker:
        return execution.executor_of(
            self._schema, request.document, request.variables, request.operation_name, context, root
        )

    def _subscription(
        self, operation: OperationDefinitionNode, executor: execution.KitExecutor | execution.Walker
    ) -> tuple[Live, dict[str, Any], str]:
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
