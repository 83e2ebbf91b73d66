"""Runs an operation, for HTTP, sockets, events and tests alike: parse and validate once per document, execute,
and answer with a plain dict whose JSON parts from the database are spliced in as they came.
"""

import asyncio
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import orjson
import strawberry
import structlog
from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)

from app import database
from app.kernel.errors import Problem, Unavailable, blame
from schema.kit.context import Context
from schema.kit.limits import DOCUMENT_BYTES_MAX, TOKENS_MAX
from schema.kit.measuring import Measures
from schema.kit.scalars import require_strict_literals, strict_values
from schema.kit.straight import Walker, Way, way_of

DOCUMENTS_MAX = 1024
DOCUMENTS_LENGTH_MAX = 1_000_000
JUDGED_MAX = 64
JUDGED_LENGTH_MAX = 200_000
ERRORS_MAX = 20
_REPEATED = re.compile(
    r"[,;.]? [fF]ound: .*|(?P<kept>cannot represent [^:'\"]*): .*|(?<=Value )'.*' (?=does not exist)", re.DOTALL
)

log = structlog.get_logger(__name__)
Key = tuple[int, str]


class KitExecutor(Executor[None]):
    """Hands through what the reader made, which is complete JSON already."""

    def complete_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        if type(result) is orjson.Fragment:
            return result
        return super().complete_value(return_type, field_details_list, info, path, result, position_context)


@dataclass(slots=True)
class Prepared:
    """A document that is parsed, and its operations by name."""

    document: DocumentNode
    length: int
    operations: dict[str, OperationDefinitionNode]
    measures: Measures
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    ways: dict[str | None, Way | None] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation of that name, or the only one."""
        if name is None and len(self.operations) != 1:
            raise GraphQLError("Must provide operation name if query contains multiple operations.")
        if name is not None and name not in self.operations:
            raise GraphQLError("There is no operation of that name in the document.")
        return next(iter(self.operations.values())) if name is None else self.operations[name]

    def way(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> Way | None:
        """The straight way through an operation, if it can go it; found once."""
        name = operation.name.value if operation.name else None
        if name not in self.ways:
            self.ways[name] = way_of(schema, operation, self.fragments)
        return self.ways[name]


class Refused(Exception):
    """The request cannot be executed at all. ``status`` says which part of it is wrong."""

    def __init__(self, errors: list[GraphQLError], code: str) -> None:
        super().__init__(code)
        self.errors = errors
        self.code = code


class Documents:
    """The documents used last. Their length is bounded as well: parsed, each character takes about 160 bytes."""

    def __init__(self, count_max: int, length_max: int) -> None:
        self._count_max = count_max
        self._length_max = length_max
        self._length = 0
        self._known: OrderedDict[Key, Prepared] = OrderedDict()

    def get(self, key: Key) -> Prepared | None:
        """The document, now the one used last."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def keep(self, key: Key, made: Prepared) -> Prepared:
        """Keep a document, and forget others for it."""
        self.pop(key)
        self._known[key] = made
        self._length += made.length
        while len(self._known) > self._count_max or (self._length > self._length_max and len(self._known) > 1):
            self.pop(next(iter(self._known)))
        return made

    def pop(self, key: Key) -> Prepared | None:
        """Forget a document."""
        found = self._known.pop(key, None)
        self._length -= found.length if found is not None else 0
        return found


_prepared = Documents(DOCUMENTS_MAX, DOCUMENTS_LENGTH_MAX)
_judged = Documents(JUDGED_MAX, JUDGED_LENGTH_MAX)


def core_of(schema: strawberry.Schema | GraphQLSchema) -> GraphQLSchema:
    """The graphql-core schema inside."""
    return schema if isinstance(schema, GraphQLSchema) else schema._schema


def parsed(schema: strawberry.Schema | GraphQLSchema, text: str) -> Prepared:
    """A document that can be parsed, to be judged before it is validated. ``Refused`` when it cannot."""
    key = (id(core_of(schema)), text)
    return _prepared.get(key) or _judged.get(key) or _judged.keep(key, _prepared_of(core_of(schema), text))


def prepare(schema: strawberry.Schema | GraphQLSchema, text: str) -> Prepared:
    """Parse and validate a document; those that passed are kept. ``Refused`` with all that is wrong otherwise."""
    core = core_of(schema)
    key = (id(core), text)
    found = _prepared.get(key)
    if found is not None:
        return found
    made = _judged.pop(key) or _prepared_of(core, text)
    rules = [*specified_rules, *core.extensions.get("rules", ())]
    errors = validate(core, made.document, rules, max_errors=ERRORS_MAX, hide_suggestions=True)
    if errors:
        raise Refused(errors, "GRAPHQL_VALIDATION_FAILED")
    return _prepared.keep(key, made)


def _prepared_of(core: GraphQLSchema, text: str) -> Prepared:
    document = _parsed(text)
    named = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    operations = {one.name.value if one.name else "": one for one in named}
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    return Prepared(document, len(text), operations, Measures(document, core), fragments)


def _parsed(text: str) -> DocumentNode:
    try:
        if len(text) > DOCUMENT_BYTES_MAX:
            raise GraphQLError(f"A document has at most {DOCUMENT_BYTES_MAX} characters.")
        document = parse(text, max_tokens=TOKENS_MAX)
        require_strict_literals(document)
    except GraphQLError as error:
        raise Refused([error], "GRAPHQL_PARSE_FAILED") from None
    except RecursionError:
        raise Refused([GraphQLError("The document is nested too deeply.")], "GRAPHQL_PARSE_FAILED") from None
    return document


def executor_of(
    schema: strawberry.Schema | GraphQLSchema,
    text: str,
    variables: dict[str, Any] | None,
    operation_name: str | None,
    context: Context,
    root: Any = None,
) -> KitExecutor | Walker:
    """What runs the operation: prepared, its variables coerced. Raises ``Refused``. Subscriptions use it per event."""
    prepared = prepare(schema, text)
    try:
        operation = prepared.operation(operation_name)
    except GraphQLError as error:
        raise Refused([error], "OPERATION_RESOLUTION_FAILURE") from None
    try:
        raw = strict_values(variables or {})
    except GraphQLError as error:
        raise Refused([error], "BAD_USER_INPUT") from None
    name = operation.name.value if operation.name else None
    way = prepared.way(core_of(schema), operation)
    if way is not None:
        variable_values = way.variables(raw, ERRORS_MAX)
        if isinstance(variable_values, list):
            raise Refused(variable_values, "BAD_USER_INPUT")
        return Walker(way, variable_values, context)
    built = KitExecutor.build(
        core_of(schema),
        prepared.document,
        root,
        context,
        raw,
        name,
        max_coercion_errors=ERRORS_MAX,
        hide_suggestions=True,
    )
    if isinstance(built, list):
        raise Refused(built, "BAD_USER_INPUT")
    assert isinstance(built, KitExecutor)
    return built


async def execute(
    schema: strawberry.Schema | GraphQLSchema,
    text: str,
    variables: dict[str, Any] | None,
    operation_name: str | None,
    context: Context,
    root: Any = None,
) -> dict[str, Any]:
    """Run an operation: ``{"data", "errors"}``. A request that cannot be executed at all has no data."""
    try:
        executor = executor_of(schema, text, variables, operation_name, context, root)
    except Refused as refused:
        return refusal(refused)
    return await run(executor)


async def run(
    executor: Executor[None] | Walker, *, serially: bool | None = None, aside: bool = False
) -> dict[str, Any]:
    """The answer of an executor that is ready; ``aside`` in a thread, for work that keeps the loop for long."""
    if isinstance(executor, Walker):
        return answer(await executor.result(), executor.context_value)
    result = await asyncio.to_thread(executor.execute_operation) if aside else executor.execute_operation(serially)
    if executor.is_awaitable(result):
        result = await result
    assert isinstance(result, ExecutionResult)
    return answer(result, executor.context_value)


def answer(result: ExecutionResult, context: Context) -> dict[str, Any]:
    """A result as clients get it: bugs masked, and what the reader had to refuse among the errors."""
    made: dict[str, Any] = {"data": result.data}
    errors = [formatted(error, context) for error in (*(result.errors or ()), *context.refused)]
    if errors:
        made["errors"] = errors
    return made


def refusal(refused: Refused) -> dict[str, Any]:
    """The answer to a request that cannot be executed."""
    return {"errors": [_with_code(error, refused.code) for error in refused.errors]}


def formatted(error: GraphQLError, context: Context | None = None) -> dict[str, Any]:
    """An error as clients get it. A problem keeps its words; a bug is logged and becomes a reference number."""
    original = root_cause(error)
    if original is not None and not isinstance(original, Problem) and database.is_away(original):
        original = Unavailable()
    if isinstance(original, Problem):
        extensions: dict[str, Any] = {"code": original.code, **original.data()}
        if original.path:
            extensions["input"] = list(original.path)
        return _placed({"message": original.message, "extensions": extensions}, error)
    if original is None or isinstance(original, GraphQLError):
        return _with_code(error, "BAD_USER_INPUT")
    reference = secrets.token_hex(6)
    # Of the path only the field's own name: the rest are names that the client gave.
    field = error.nodes[0] if error.nodes else None
    log.error("bug", reference=reference, request_id=context.request_id if context else "",
              field=field.name.value if isinstance(field, FieldNode) else None, **blame(original))  # fmt: skip
    said = f"Something went wrong on our side. If you report it, give this reference: {reference}."
    return _placed({"message": said, "extensions": {"code": "INTERNAL", "reference": reference}}, error)


def internal(bug: Exception) -> dict[str, Any]:
    """The answer where something failed around the execution itself."""
    return {"data": None, "errors": [formatted(GraphQLError("", original_error=bug))]}


def root_cause(error: GraphQLError) -> BaseException | None:
    original: BaseException | None = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    return original


def _with_code(error: GraphQLError, code: str) -> dict[str, Any]:
    extensions = {"code": code, **(error.extensions or {})}
    # graphql-core suggests a selection even where suggestions are off; and repeats what was sent, a password for one, to
    # whoever keeps errors of clients.
    said = _REPEATED.sub(_unrepeated, error.message.partition(" Did you mean ")[0])
    return _placed({"message": said, "extensions": extensions}, error)


def _unrepeated(match: re.Match[str]) -> str:
    return "" if match[0].startswith("'") else f"{match['kept'] or ''}."


def _placed(made: dict[str, Any], error: GraphQLError) -> dict[str, Any]:
    if error.locations:
        made["locations"] = [{"line": one.line, "column": one.column} for one in error.locations]
    if error.path is not None:
        made["path"] = list(error.path)
    return made


def encode(result: dict[str, Any]) -> bytes:
    """The answer as JSON."""
    return orjson.dumps(result)


def plain_data(result: dict[str, Any]) -> Any:
    """The answer with every part as plain Python values, as a client would parse it."""
    return orjson.loads(encode(result))


__all__ = [
    "KitExecutor",
    "Prepared",
    "Refused",
    "Walker",
    "answer",
    "encode",
    "execute",
    "executor_of",
    "formatted",
    "parsed",
    "plain_data",
    "prepare",
    "refusal",
    "run",
]
