"""What a request may ask for: sizes, depth, aliases, directives and cost, judged before validation and execution.

Fragments are measured once each, so a document whose fragments double at every step is refused as fast as any other.
The cost of a field with a selection is 1 plus its page size times the cost of what it selects; plain values are free.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
)

from app.kernel.errors import Problem
from app.kernel.pages import PAGE_SIZE_DEFAULT

BODY_BYTES_MAX = 1_048_576
DOCUMENT_BYTES_MAX = 65_536
TOKENS_MAX = 2000
DEPTH_MAX = 14
ALIASES_MAX = 15
DIRECTIVES_MAX = 20
COST_MAX = 5000
INTROSPECTION_ROOTS_MAX = 2
NESTING_MAX = 100
IDEMPOTENCY_KEY_LENGTH_MAX = 180
PAGE_SIZE_COUNTED_MAX = 10**9
MEASURES_MAX = 64
INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})
PAGE_FIELDS = frozenset({"edges", "nodes"})
_NUL = re.compile(rb"\x00|(?<!\\)(?:\\\\)*\\u0000")


class BadRequest(Exception):
    """A request that is not even a GraphQL request; the HTTP view answers with the status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class TooExpensive(Problem):
    """A document that asks for more than one request may."""

    code = "TOO_EXPENSIVE"


@dataclass(slots=True)
class Measure:
    """What a selection amounts to, fragments counted in."""

    cost: int = 0
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    roots: Counter[str] = field(default_factory=Counter)
    pages: bool = False

    def merge(self, other: "Measure") -> None:
        """Take in another selection of the same level."""
        self.nest(other, times=1, deeper=0)
        self.roots += other.roots
        self.pages |= other.pages

    def nest(self, other: "Measure", *, times: int, deeper: int) -> None:
        """Take in what lies below."""
        self.cost += other.cost * times
        self.depth = max(self.depth, other.depth + deeper)
        self.aliases += other.aliases
        self.directives += other.directives


def read_body(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; anything else is a ``BadRequest``."""
    if _NUL.search(body):
        raise BadRequest("The request contains a NUL character.")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON in UTF-8, or is nested too deeply.") from None
    if not isinstance(parsed, dict):
        raise BadRequest('The body must be a JSON object such as {"query": "{ viewer { id } }"}.')
    return parsed


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of one GraphQL request."""

    document: str
    operation_name: str | None
    variables: dict[str, Any]
    idempotency_key: str | None = None


def request_of(parameters: Mapping[str, Any], idempotency_key: str | None = None) -> GraphQLRequest:
    """The parameters, each of the right kind, else ``BadRequest``. The idempotency key comes with the request's headers,
    or as ``extensions.idempotencyKey``."""
    document = parameters.get("query")
    if not isinstance(document, str):
        raise BadRequest("The parameter query must be a string with a GraphQL document.")
    if len(document.encode("utf-8", "surrogatepass")) > DOCUMENT_BYTES_MAX:
        raise BadRequest(f"The document is larger than {DOCUMENT_BYTES_MAX} bytes.", 413)
    variables = parameters.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("The parameter variables must be an object.")
    operation_name = parameters.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest("The parameter operationName must be a string.")
    extensions = parameters.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest("The parameter extensions must be an object.")
    key = (extensions or {}).get("idempotencyKey", idempotency_key)
    if key is not None and not (isinstance(key, str) and 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX):
        raise BadRequest(f"An idempotency key is a string of 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters.")
    return GraphQLRequest(document, operation_name or None, variables or {}, key)


def guard(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    *,
    may_introspect: bool,
    once: frozenset[str] = frozenset(),
    known: "Measures | None" = None,
) -> int:
    """The cost of an operation; ``TooExpensive`` when it goes beyond a bound.

    ``once`` names the fields of which only one may stand in an operation, such as sign-ins. ``known`` keeps what was
    measured for a document that comes again.
    """
    measure = (known if known is not None else Measures()).of(document, operation, variables)
    introspections = sum(measure.roots[name] for name in INTROSPECTION_FIELDS)
    if introspections and not may_introspect:
        raise TooExpensive("The schema may not be asked for here. Sign in, or read the published schema.graphql.")
    if introspections > INTROSPECTION_ROOTS_MAX:
        raise TooExpensive(f"Ask for the schema at most {INTROSPECTION_ROOTS_MAX} times in one operation.")
    if sum(measure.roots[name] for name in once) > 1:
        raise TooExpensive("One sign-in per request: send the others on their own.")
    if operation.operation is OperationType.SUBSCRIPTION and measure.roots.total() != 1:
        raise TooExpensive("A subscription has exactly one root field.")
    for what, size, largest in (
        ("levels deep", measure.depth, DEPTH_MAX),
        ("aliases", measure.aliases, ALIASES_MAX),
        ("directives", measure.directives, DIRECTIVES_MAX),
        ("points of cost", measure.cost, COST_MAX),
    ):
        if size > largest:
            raise TooExpensive(f"This operation has {_short(size)} {what}; at most {largest} are allowed.")
    return measure.cost


class Measures:
    """What a document's operations amount to, by the page sizes that come as variables."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Measure] = {}
        self._sizes: dict[str | None, list[str]] = {}

    def of(self, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Measure:
        """An operation's measure, taken anew only when a page size is another than before."""
        name = operation.name.value if operation.name else None
        if (sizes := self._sizes.get(name)) is not None:
            found = self._known.get((name, *(_size(variables.get(one)) for one in sizes)))
            if found is not None:
                return found
        ruler = _Ruler(document, {**_defaults(operation), **variables})
        measure = ruler.operation(operation)
        sizes = self._sizes[name] = sorted(ruler.sizes)
        if len(self._known) >= MEASURES_MAX:
            self._known.clear()
        self._known[(name, *(_size(variables.get(one)) for one in sizes))] = measure
        return measure


def _size(value: object) -> int | None:
    """The page size that a variable's value stands for: a number, 25.0 as well, or a list of ids."""
    if isinstance(value, list):
        return max(len(value), 1)
    return int(max(min(value, PAGE_SIZE_COUNTED_MAX), 1)) if isinstance(value, int | float) else None


def _defaults(operation: OperationDefinitionNode) -> dict[str, object]:
    """What the variables of page sizes are when the request leaves them out."""
    found: dict[str, object] = {}
    for one in operation.variable_definitions or ():
        if isinstance(one.default_value, IntValueNode):
            found[one.variable.name.value] = int(one.default_value.value[:9])
        elif isinstance(one.default_value, ListValueNode):
            found[one.variable.name.value] = list(one.default_value.values)
    return found


def _short(number: int) -> str:
    return str(number) if number < 10**9 else "over a billion"


class _Ruler:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self._variables = variables
        self._known: dict[str, Measure] = {}
        self._open: set[str] = set()
        self._level = 0
        self.sizes: set[str] = set()

    def operation(self, operation: OperationDefinitionNode) -> Measure:
        measure = self._selection(operation.selection_set)
        measure.directives += len(operation.directives or ())
        return measure

    def _selection(self, selection_set: SelectionSetNode) -> Measure:
        self._level += 1
        if self._level > NESTING_MAX:
            raise TooExpensive(f"Selections and fragments are nested at most {NESTING_MAX} deep.")
        total = Measure()
        for selection in selection_set.selections:
            total.directives += len(selection.directives or ())
            match selection:
                case FieldNode():
                    self._field(selection, total)
                case InlineFragmentNode():
                    total.merge(self._selection(selection.selection_set))
                case FragmentSpreadNode():
                    total.merge(self._fragment(selection.name.value))
        self._level -= 1
        return total

    def _fragment(self, name: str) -> Measure:
        """A fragment's measure, taken once. A circle measures nothing here: validation refuses it."""
        if name in self._known or name in self._open or name not in self._fragments:
            return self._known.get(name) or Measure()
        self._open.add(name)
        self._known[name] = self._selection(self._fragments[name].selection_set)
        self._open.discard(name)
        return self._known[name]

    def _field(self, node: FieldNode, total: Measure) -> None:
        name = node.name.value
        total.roots[name] += 1
        total.aliases += node.alias is not None
        total.pages |= name in PAGE_FIELDS
        if node.selection_set is None or name in INTROSPECTION_FIELDS:
            total.depth = max(total.depth, 1)
            return
        inner = self._selection(node.selection_set)
        total.nest(inner, times=self._page_size(node, inner), deeper=1)
        total.cost += 1

    def _page_size(self, node: FieldNode, inner: Measure) -> int:
        sizes = {"ids"} if node.name.value == "nodes" else {"first", "last"}
        for argument in node.arguments or ():
            if argument.name.value in sizes:
                value = argument.value
                if isinstance(value, IntValueNode):
                    return max(int(value.value[:9]), 1)
                if isinstance(value, ListValueNode):
                    return max(len(value.values), 1)
                if isinstance(value, VariableNode):
                    self.sizes.add(value.name.value)
                    given = _size(self._variables.get(value.name.value))
                    if given is not None:
                        return given
        return PAGE_SIZE_DEFAULT if inner.pages else 1
