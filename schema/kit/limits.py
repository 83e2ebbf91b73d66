"""What a request may hold and ask for, judged before validation and execution. Most of the numbers that bound a document,
and the rule of its cost, are in ``schema.kit.measuring``.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import OperationDefinitionNode, OperationType

from schema.kit.measuring import INTROSPECTION_FIELDS, Measure, Measures, TooExpensive
from schema.kit.statuses import Outcome

BODY_BYTES_MAX = 1_048_576
DOCUMENT_BYTES_MAX = 65_536
TOKENS_MAX = 2000
VALUES_MAX = 10_000
COST_MAX = 5000
INTROSPECTION_ROOTS_MAX = 2
IDEMPOTENCY_KEY_LENGTH_MAX = 180
DOCUMENT_ID = re.compile(r"[A-Za-z0-9:._~-]{1,200}")
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_NUL = re.compile(rb"\x00|(?<!\\)(?:\\\\)*\\u0000")


class BadRequest(Exception):
    """A request that cannot be taken at all; over HTTP its outcome decides the status."""

    def __init__(self, message: str, outcome: Outcome = Outcome.MALFORMED) -> None:
        super().__init__(message)
        self.message = message
        self.outcome = outcome


def read_body(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; anything else is a ``BadRequest``."""
    if _NUL.search(body):
        raise BadRequest("The request contains a NUL character.", Outcome.UNREADABLE)
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON in UTF-8, or is nested too deeply.", Outcome.UNREADABLE) from None
    if not isinstance(parsed, dict):
        raise BadRequest('The body must be a JSON object such as {"query": "{ viewer { id } }"}.')
    return parsed


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of one GraphQL request. A request that names its document may bring none."""

    document: str
    operation_name: str | None
    variables: dict[str, Any]
    idempotency_key: str | None = None
    last_event_id: str | None = None
    document_id: str | None = None


def request_of(
    parameters: Mapping[str, Any], idempotency_key: str | None = None, last_event_id: str | None = None
) -> GraphQLRequest:
    """The parameters, each of the right kind, else ``BadRequest``. The idempotency key comes with the request's headers,
    or as ``extensions.idempotencyKey``."""
    extensions = parameters.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest("The parameter extensions must be an object.")
    document_id = _document_id(parameters.get("documentId"), extensions)
    document = parameters.get("query")
    if document is None and document_id is not None:
        document = ""
    if not isinstance(document, str):
        raise BadRequest("The parameter query must be a string with a GraphQL document.")
    if len(document.encode("utf-8", "surrogatepass")) > DOCUMENT_BYTES_MAX:
        raise BadRequest(f"The document is larger than {DOCUMENT_BYTES_MAX} bytes.", Outcome.TOO_LARGE)
    if document and document_id not in {None, id_of(document)}:
        raise BadRequest("The document is not the one that its hash names: send the SHA-256 of its exact text.")
    variables = parameters.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("The parameter variables must be an object.")
    if _has_too_many_values(variables):
        raise BadRequest(f"The variables hold more than {VALUES_MAX} values.", Outcome.TOO_LARGE)
    operation_name = parameters.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest("The parameter operationName must be a string.")
    key = (extensions or {}).get("idempotencyKey", idempotency_key)
    if key is not None and not (isinstance(key, str) and 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX):
        raise BadRequest(f"An idempotency key is a string of 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters.")
    return GraphQLRequest(document, operation_name or None, variables or {}, key, last_event_id, document_id)


def id_of(document: str) -> str:
    """A document's id by its text."""
    return "sha256:" + hashlib.sha256(document.encode("utf-8", "surrogatepass")).hexdigest()


def _document_id(id: object, extensions: dict[str, Any] | None) -> str | None:
    """What a request calls its document, be it as ``documentId`` or in Apollo's way."""
    if id is not None and not (isinstance(id, str) and DOCUMENT_ID.fullmatch(id)):
        raise BadRequest("The parameter documentId must be an identifier such as sha256: and 64 hexadecimal digits.")
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return id
    named = persisted.get("sha256Hash") if isinstance(persisted, dict) and persisted.get("version") == 1 else None
    hash = f"sha256:{named}"
    if not SHA256.fullmatch(hash) or id not in {None, hash}:
        raise BadRequest("extensions.persistedQuery must be version 1 with a sha256Hash of 64 hexadecimal digits.")
    return hash


def _has_too_many_values(value: object) -> bool:
    """Whether lists and objects within each other hold too many values. Looks no further than that."""
    count = 0
    waiting = [value]
    while waiting and count <= VALUES_MAX:
        one = waiting.pop()
        if isinstance(one, dict):
            count += len(one)
            waiting.extend(each for each in one.values() if isinstance(each, dict | list))
        elif isinstance(one, list):
            count += len(one)
            waiting.extend(each for each in one if isinstance(each, dict | list))
    return count > VALUES_MAX


def guard(
    measures: Measures,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    *,
    may_introspect: bool,
    once: frozenset[str] = frozenset(),
) -> Measure:
    """What an operation amounts to; ``TooExpensive`` when it goes beyond a bound.

    ``once`` names the fields of which only one may stand in an operation, such as sign-ins.
    """
    measure = measures.of(operation, variables)
    introspections = sum(measure.names[name] for name in INTROSPECTION_FIELDS)
    if introspections and not may_introspect:
        raise TooExpensive("The schema may not be asked for here. Sign in, or read the published schema.graphql.")
    if introspections > INTROSPECTION_ROOTS_MAX:
        raise TooExpensive(f"Ask for the schema at most {INTROSPECTION_ROOTS_MAX} times in one operation.")
    if introspections and introspections + measure.names["__typename"] != measure.names.total():
        raise TooExpensive("Ask for the schema in an operation of its own.")
    if sum(measure.names[name] for name in once) > 1:
        raise TooExpensive("One sign-in per request: send the others on their own.")
    if operation.operation is OperationType.SUBSCRIPTION and measure.names.total() != 1:
        raise TooExpensive("A subscription has exactly one root field.")
    if measure.cost > COST_MAX:
        said = measure.cost if measure.cost < 10**9 else "over a billion"
        raise TooExpensive(f"This operation has {said} points of cost; at most {COST_MAX} are allowed.")
    return measure
