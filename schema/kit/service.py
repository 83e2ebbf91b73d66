"""One GraphQL service for HTTP and sockets: prepares a request, judges what it asks for, and runs it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import strawberry
from graphql import FieldNode, GraphQLError, Node, OperationDefinitionNode, OperationType, VariableNode
from graphql.execution.values import get_argument_values

from app.kernel.allowances import Allowance
from app.kernel.budgets import Caller
from app.kernel.errors import Problem, RateLimited
from schema.kit import execution
from schema.kit.budgets import Budgets
from schema.kit.context import Context
from schema.kit.limits import BadRequest, GraphQLRequest, guard
from schema.kit.live import SUBSCRIPTIONS
from schema.kit.live.groups import Asked, Member, Outlet
from schema.kit.live.hub import Hub
from schema.kit.live.telling import Teller
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
        self.hub = Hub()

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

    async def open(self, request: GraphQLRequest, context: Callable[[], Context], outlet: Outlet) -> Member | None:
        """Run a query or mutation and give the outlet its answer; or let it hear a subscription, as the member returned.

        The first event tells what the start cost. What is heard is paid for together with all who hear the same; who cannot
        pay hears no more, and comes again with the cursor of the last event.
        """
        first = context()
        try:
            self._budgets.require_points(first)
            request = await self._documents.find(request)
            operation, measure = self._admitted(request, first)
            executor = self._executor(request, first)
            await self._documents.keep(request)
            if operation.operation is not OperationType.SUBSCRIPTION:
                outlet.finish(await self._run(executor, measure, first))
                return None
            asked, after = self._asked(request, operation, executor, measure)
            charge = await self._budgets.charge(first, measure)
        except execution.Refused as refused:
            await self._budgets.drain(first)
            outlet.finish(execution.refusal(refused))
            return None
        except (Problem, GraphQLError) as problem:
            if not isinstance(problem, RateLimited):
                await self._budgets.drain(first)
            outlet.finish({"errors": [_told(problem, first)]})
            return None
        cost = orjson.dumps({"cost": await charge.settle(first)})
        member = Member(outlet, lambda: context().actor, self._budgets.payer(first), b'"extensions":' + cost)
        try:
            await self.hub.join(asked, member, after, request.last_event_id)
        except Exception as problem:  # noqa: BLE001  # told in any case: who hears nothing would wait for ever
            outlet.finish(asked.teller.refusal(problem))
            return None
        return member

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

    def _asked(
        self,
        request: GraphQLRequest,
        operation: OperationDefinitionNode,
        executor: execution.KitExecutor | execution.Walker,
        measure: Measure,
    ) -> tuple[Asked, str | None]:
        """What a subscription asks for, and the cursor from which."""
        node = next(iter(operation.selection_set.selections))
        assert self._core.subscription_type is not None and isinstance(executor, execution.KitExecutor)
        if not isinstance(node, FieldNode):
            raise GraphQLError("Write the subscription's field directly, without a fragment.")
        raw = get_argument_values(
            self._core.subscription_type.fields[node.name.value], node, executor.variable_values, hide_suggestions=True
        )
        live = SUBSCRIPTIONS[node.name.value]
        fragments = executor.fragment_definitions
        teller = Teller(self._core, request, operation, fragments, executor.variable_values)
        document = document_key(request, node, [operation.selection_set, *fragments.values()])
        return Asked(live, document, live.converted(self._schema, raw), teller, measure.cost), raw.get("after")


def document_key(request: GraphQLRequest, node: FieldNode, parts: Sequence[Node]) -> str:
    """The same for all who ask the same from wherever in the journal: the document with its variables, but for the cursor."""
    variables = dict(request.variables or {})
    for argument in node.arguments or ():
        if argument.name.value == "after" and isinstance(argument.value, VariableNode):
            name = argument.value.name.value
            if _mentions(parts, name) == 1:
                variables.pop(name, None)
    asked = [request.document, request.operation_name, variables]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _mentions(parts: Sequence[Node], variable: str) -> int:
    """How often parts of a document use a variable."""
    names: list[str] = []
    waiting: list[Any] = list(parts)
    while waiting:
        node = waiting.pop()
        if isinstance(node, VariableNode):
            names.append(node.name.value)
            continue
        for key in node.keys:
            value = getattr(node, key, None)
            waiting.extend(value if isinstance(value, list | tuple) else [value] if isinstance(value, Node) else [])
    return names.count(variable)


def _told(problem: Exception, context: Context, key: str | None = None) -> dict[str, Any]:
    if not isinstance(problem, GraphQLError):
        problem = GraphQLError(str(problem), original_error=problem, path=[key] if key else None)
    return execution.formatted(problem, context)
