"""What a document amounts to: how deep, how many fields, how often the same, and what its answer may cost at most.

Taken from the document and the schema's types alone, before validation. Fragments are measured once each, so a document
whose fragments double at every step is measured as fast as any other.

**Cost.** An object is 1 point, plain values are free. A list is as many rows as its page size says, each with what is asked
of a row, and so is a facet with its values; a list of objects without pages counts as ``LIST_COUNTED`` rows.
``totalCount`` and the like are ``SCAN_COST``, because they look at all rows; a mutation is ``MUTATION_COST`` more; the
schema itself is ``SCHEMA_COST``. Of a filter cost what ``schema.kit.weighing`` says.

**Depth** is measured in objects: Relay's ``edges``, ``node`` and ``nodes`` are no level of their own, nor are plain values.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_list_type,
)

from app.kernel.errors import Problem
from app.kernel.pages import PAGE_SIZE_DEFAULT
from schema.kit.weighing import is_filter, weight

DEPTH_MAX = 10
ALIASES_MAX = 15
DIRECTIVES_MAX = 20
DIRECTIVES_PER_NODE_MAX = 4
SELECTIONS_MAX = 400
REPEATS_MAX = 20
OPERATIONS_MAX = 10
FRAGMENTS_MAX = 50
NESTING_MAX = 100
PAGE_SIZE_COUNTED_MAX = 10**9
MEASURES_MAX = 64

LIST_COUNTED = 4
SCAN_COST = 10
MUTATION_COST = 10
SCHEMA_COST = 1000

INTROSPECTION_FIELDS = {"__schema": "__Schema", "__type": "__Type"}
# How many there are of what the schema tells about itself, about; of types as many as there are.
SCHEMA_ROWS = {
    "fields": 8, "args": 2, "inputFields": 6, "enumValues": 5, "interfaces": 1, "possibleTypes": 2, "directives": 6, "ofType": 0,
}  # fmt: skip
SCHEMA_ROWS_PER_TYPE_MAX = 200
PROBLEM = "Problem"  # lists of them are empty when all goes well
PLUMBING = frozenset({"edges", "nodes", "node", "values"})
VALUES = "truckroll values"  # among a field's extensions: how many values a facet has
SCANS = frozenset({"totalCount", "otherCount", "aggregate", "search"})


class TooExpensive(Problem):
    """A document that asks for more than one request may."""

    code = "TOO_EXPENSIVE"


@dataclass(frozen=True, slots=True)
class Rows:
    """A list at the root of an operation: its key in the answer, how many rows were counted, and what each costs."""

    key: str
    counted: int
    cost: int


@dataclass(slots=True)
class Measure:
    """What a selection amounts to, fragments counted in. ``row_cost`` is that of its rows, if it is a page."""

    cost: int = 0
    row_cost: int = 0
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    directives_per_node: int = 0
    selections: int = 0
    names: Counter[str] = field(default_factory=Counter)
    rows: list[Rows] = field(default_factory=list)

    def add(self, other: "Measure") -> None:
        """Take in another selection of the same level."""
        self.count(other)
        self.cost += other.cost
        self.row_cost += other.row_cost
        self.depth = max(self.depth, other.depth)
        self.names += other.names
        self.rows += other.rows

    def count(self, other: "Measure") -> None:
        """Take in what is only counted, wherever it stands."""
        self.aliases += other.aliases
        self.directives += other.directives
        self.directives_per_node = max(self.directives_per_node, other.directives_per_node)
        self.selections += other.selections

    def actual(self, read: Mapping[str, int]) -> int:
        """The cost when so many rows were read at the root instead of those that were counted."""
        cost = self.cost
        for one in self.rows if read else ():
            if (rows := read.get(one.key, one.counted)) < one.counted:
                cost -= (one.counted - rows) * one.cost
        return cost


Given = tuple[str, GraphQLInputObjectType]
"""A variable, and what it is given as."""


class Measures:
    """What a document's operations amount to, by the page sizes and filters that come as variables."""

    def __init__(self, document: DocumentNode, schema: GraphQLSchema | None = None) -> None:
        self._document = document
        self._schema = schema
        self._known: dict[tuple[object, ...], Measure] = {}
        self._sizes: dict[str | None, list[str]] = {}
        self._filters: dict[str | None, list[Given]] = {}
        self._bounded = False

    def of(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Measure:
        """An operation's measure, taken anew only when a page size is another than before, or a filter weighs otherwise.
        ``TooExpensive`` when the document goes beyond a bound, be it in an operation that is not asked for: all of it is validated."""
        if not self._bounded:
            _require_bounds(self._document, self._schema)
            self._bounded = True
        name = operation.name.value if operation.name else None
        if name in self._sizes:
            found = self._known.get(self._key(name, variables))
            if found is not None:
                return found
        ruler = _Ruler(self._document, self._schema, {**_defaults(operation), **variables})
        measure = ruler.operation(operation)
        self._sizes[name] = sorted(ruler.sizes)
        self._filters[name] = list(ruler.filters)
        if len(self._known) >= MEASURES_MAX:
            self._known.clear()
        self._known[self._key(name, variables)] = measure
        return measure

    def _key(self, name: str | None, variables: Mapping[str, Any]) -> tuple[object, ...]:
        """What of the variables a measure depends on."""
        sizes = (_size(variables.get(one)) for one in self._sizes[name])
        weights = (weight(type, variables[one]) if one in variables else None for one, type in self._filters[name])
        return (name, *sizes, *weights)


def _require_bounds(document: DocumentNode, schema: GraphQLSchema | None) -> None:
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    ruler = _Ruler(document, schema, {})
    for what, count, largest in (
        ("operations", len(operations), OPERATIONS_MAX),
        ("fragments", len(ruler.fragments), FRAGMENTS_MAX),
    ):
        if count > largest:
            raise TooExpensive(f"This document has {count} {what}; at most {largest} are allowed.")
    for operation in operations:
        _require_bounded(ruler.operation(operation))
        _require_few_repeats(ruler, [operation.selection_set])
    for name, fragment in ruler.fragments.items():  # those that nobody spreads are validated as well
        _require_bounded(ruler.fragment(name))
        _require_few_repeats(ruler, [fragment.selection_set])


def _require_bounded(measure: Measure) -> None:
    for what, size, largest in (
        ("levels deep", measure.depth, DEPTH_MAX),
        ("aliases", measure.aliases, ALIASES_MAX),
        ("directives", measure.directives, DIRECTIVES_MAX),
        ("directives on one field", measure.directives_per_node, DIRECTIVES_PER_NODE_MAX),
        ("fields and fragments", measure.selections, SELECTIONS_MAX),
    ):
        if size > largest:
            raise TooExpensive(f"This operation has {_short(size)} {what}; at most {largest} are allowed.")


def _require_few_repeats(ruler: "_Ruler", sets: Iterable[SelectionSetNode]) -> None:
    """Validation compares each two fields of one key at one place: that is quadratic, so it is kept small.

    Walks the document as it is expanded, which is known to be small by now and to have no circles.
    """
    places: dict[str, list[SelectionSetNode]] = {}
    keys: Counter[str] = Counter()
    spread: set[str] = set()
    waiting = list(sets)
    while waiting:
        for selection in waiting.pop().selections:
            match selection:
                case FieldNode():
                    key = selection.alias.value if selection.alias else selection.name.value
                    keys[key] += 1
                    if selection.selection_set is not None:
                        places.setdefault(key, []).append(selection.selection_set)
                case InlineFragmentNode():
                    waiting.append(selection.selection_set)
                case FragmentSpreadNode() if selection.name.value in ruler.fragments:
                    if selection.name.value not in spread:
                        spread.add(selection.name.value)
                        waiting.append(ruler.fragments[selection.name.value].selection_set)
    for key, count in keys.items():
        if count > REPEATS_MAX:
            raise TooExpensive(f"The field {key} stands {count} times at one place; at most {REPEATS_MAX} are allowed.")
    for inner in places.values():
        _require_few_repeats(ruler, inner)


def _size(value: object) -> int | None:
    """The page size that a variable's value stands for: a number, 25.0 as well, or a list of ids."""
    if isinstance(value, list):
        return max(len(value), 1)
    return int(max(min(value, PAGE_SIZE_COUNTED_MAX), 1)) if isinstance(value, int | float) else None


def _defaults(operation: OperationDefinitionNode) -> dict[str, object]:
    """What the variables of page sizes and filters are when the request leaves them out."""
    found: dict[str, object] = {}
    for one in operation.variable_definitions or ():
        if isinstance(one.default_value, IntValueNode):
            found[one.variable.name.value] = int(one.default_value.value[:9])
        elif isinstance(one.default_value, ListValueNode):
            found[one.variable.name.value] = list(one.default_value.values)
        elif isinstance(one.default_value, ObjectValueNode):
            found[one.variable.name.value] = one.default_value
    return found


def _short(number: int) -> str:
    return str(number) if number < 10**9 else "over a billion"


class _Ruler:
    """Measures selections with the types they are of; what the schema does not know is measured by its looks."""

    def __init__(self, document: DocumentNode, schema: GraphQLSchema | None, variables: Mapping[str, Any]) -> None:
        self.fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self.sizes: set[str] = set()
        self.filters: dict[Given, int] = {}
        self._schema = schema
        self._variables = variables
        self._known: dict[str, Measure] = {}
        self._open: set[str] = set()
        self._level = 0

    def operation(self, operation: OperationDefinitionNode) -> Measure:
        """What an operation amounts to."""
        root = self._schema.get_root_type(operation.operation) if self._schema else None
        measure = Measure()
        measure.add(self._selection(operation.selection_set, root))
        _count_directives(measure, operation)
        if operation.operation is OperationType.MUTATION:
            measure.cost += MUTATION_COST * measure.names.total()
        return measure

    def fragment(self, name: str) -> Measure:
        """What a fragment amounts to, measured once. One that contains itself would have no end."""
        if name in self._open:
            raise TooExpensive(f"The fragment {name} contains itself.")
        if name in self._known or name not in self.fragments:
            return self._known.get(name) or Measure()
        self._open.add(name)
        node = self.fragments[name]
        measure = Measure()
        measure.add(self._selection(node.selection_set, self._type(node.type_condition.name.value)))
        _count_directives(measure, node)
        if node.type_condition.name.value.startswith("__"):
            measure.depth = 0  # the schema's own types, whose depth graphql-core bounds
        self._open.discard(name)
        self._known[name] = measure
        return measure

    def _type(self, name: str) -> Any:
        return self._schema.get_type(name) if self._schema else None

    def _selection(self, selection_set: SelectionSetNode, parent: Any) -> Measure:
        self._level += 1
        if self._level > NESTING_MAX:
            raise TooExpensive(f"Selections and fragments are nested at most {NESTING_MAX} deep.")
        total = Measure()
        for selection in selection_set.selections:
            total.selections += 1
            _count_directives(total, selection)
            match selection:
                case FieldNode():
                    self._field(selection, parent, total)
                case InlineFragmentNode():
                    condition = selection.type_condition
                    type = self._type(condition.name.value) if condition is not None else parent
                    total.add(self._selection(selection.selection_set, type))
                case FragmentSpreadNode():
                    total.add(self.fragment(selection.name.value))
        self._level -= 1
        return total

    def _field(self, node: FieldNode, parent: Any, total: Measure) -> None:
        name = node.name.value
        total.names[name] += 1
        total.aliases += node.alias is not None
        if name in SCANS:
            total.cost += SCAN_COST
        if node.selection_set is None:
            return
        known = parent.fields.get(name) if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else None
        about = self._type(INTROSPECTION_FIELDS[name]) if name in INTROSPECTION_FIELDS else known and known.type
        inner = self._selection(node.selection_set, get_named_type(about))
        total.count(inner)
        if name in INTROSPECTION_FIELDS:
            self._require_small(inner)
            total.cost += SCHEMA_COST
        elif name in PLUMBING and not node.arguments:
            total.depth = max(total.depth, inner.depth)
            total.row_cost += inner.cost + inner.row_cost + (name != "edges")
        else:
            total.depth = max(total.depth, inner.depth + 1)
            self._rows(node, known, parent, inner, total)

    def _require_small(self, inner: Measure) -> None:
        """The schema's own answer is bounded by its size, thrice over: the usual questions are far below."""
        types = len(self._schema.type_map) if self._schema else LIST_COUNTED
        if inner.cost > SCHEMA_ROWS_PER_TYPE_MAX * types:
            raise TooExpensive("This asks for too much of the schema at once.")

    def _counted_unpaged(self, node: FieldNode, known: GraphQLField | None, parent: Any) -> int:
        """The rows of a list without pages, or 1 of what is no list."""
        if getattr(parent, "name", "").startswith("__"):
            types = len(self._schema.type_map) if self._schema else LIST_COUNTED
            return types if node.name.value == "types" else SCHEMA_ROWS.get(node.name.value, 1)
        if known is None or not _is_list(known):
            return 1
        return 0 if get_named_type(known.type).name == PROBLEM else LIST_COUNTED

    def _rows(self, node: FieldNode, known: GraphQLField | None, parent: Any, inner: Measure, total: Measure) -> None:
        """The cost of an object, of a page with its rows, or of a list."""
        key = node.alias.value if node.alias else node.name.value
        if _is_list(known) or node.name.value in PLUMBING or node.name.value == "ofType":  # node(id:), nodes(ids:)
            own, row = 0, 1 + inner.cost + inner.row_cost
            counted = self._page_size(node, frozenset({"ids"}))
            counted = self._counted_unpaged(node, known, parent) if counted is None else counted
        else:
            own, row = 1 + inner.cost, inner.row_cost
            counted = (self._page_size(node, frozenset({"first", "last"})) or _all_values(known)) if row else 0
        total.cost += own + self._conditions(node, known) + counted * row
        total.rows.append(Rows(key, counted, row))

    def _conditions(self, node: FieldNode, known: GraphQLField | None) -> int:
        """The cost of a field's filters."""
        points = 0
        accepts = known.args if known is not None else {}
        for argument in node.arguments or ():
            accepted = accepts.get(argument.name.value)
            type = get_named_type(accepted.type) if accepted is not None else None
            if isinstance(type, GraphQLInputObjectType) and is_filter(type):
                points += weight(type, argument.value, self._weight_of)
        return points

    def _weight_of(self, name: str, type: GraphQLInputObjectType) -> int:
        """The cost of a variable as a filter, or as a part of one; looked at once, wherever it stands."""
        if (name, type) not in self.filters:
            self.filters[(name, type)] = weight(type, self._variables.get(name))
        return self.filters[(name, type)]

    def _page_size(self, node: FieldNode, names: frozenset[str]) -> int | None:
        for argument in node.arguments or ():
            if argument.name.value in names:
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
        return None


def _count_directives(measure: Measure, node: Any) -> None:
    count = len(node.directives or ())
    measure.directives += count
    measure.directives_per_node = max(measure.directives_per_node, count)


def _all_values(field: GraphQLField | None) -> int:
    """How many rows a page has when nobody says: as many as a facet has values, if these are known."""
    return field.extensions.get(VALUES, PAGE_SIZE_DEFAULT) if field is not None else PAGE_SIZE_DEFAULT


def _is_list(field: GraphQLField | None) -> bool:
    type = field.type if field is not None else None
    return is_list_type(type.of_type if isinstance(type, GraphQLNonNull) else type)
