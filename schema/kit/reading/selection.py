"""What a client asks for: field nodes, fragments, aliases, @skip and @include resolved into a tree of picks.

A selection depends on the document and on the variables of its @skip and @include only, so it is made once and
kept. The nodes are kept with it, because an ``id()`` names a node only as long as it lives.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.schema.schema_converter import GraphQLCoreConverter

from schema.kit.declarations import (
    Children,
    Column,
    Computed,
    Declaration,
    Group,
    KitField,
    Parent,
    Readable,
    Single,
    readable_of,
)
from schema.kit.summaries import FacetRows

T = TypeVar("T")
SELECTIONS_MAX = 2048
BACKREF = GraphQLCoreConverter.DEFINITION_BACKREF
Info = GraphQLResolveInfo[Any]
Fragments = Mapping[str, FragmentDefinitionNode]


@dataclass(slots=True, eq=False)
class Pick:
    """One field that is asked for, under its response key."""

    key: str
    name: str
    nodes: list[FieldNode]
    owner: GraphQLObjectType
    field: GraphQLField | None = None
    declaration: Declaration | None = None
    target: Readable | None = None
    selection: "Selection | None" = None
    connection: "ConnectionSelection | None" = None
    literal: str = ""
    must_open: bool = False
    constant_arguments: dict[str, Any] | None = None
    show: Callable[[Any], Any] | None = None
    options: "tuple[Option, ...]" = ()
    around: "Pick | None" = None
    """Of the rows of a facet's value: the list that is counted, unless that is the root's."""

    def arguments(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments, coerced; those without variables are coerced once."""
        if self.constant_arguments is not None:
            return self.constant_arguments
        if self.field is None or not self.field.args:
            return {}
        arguments = get_argument_values(self.field, self.nodes[0], variables, hide_suggestions=True)
        if not any(_mentions_variable(one.value) for one in self.nodes[0].arguments or ()):
            self.constant_arguments = arguments
        return arguments


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One of the types that a row may be of, and what is asked of it then."""

    target: Readable
    selection: "Selection"


@dataclass(slots=True, eq=False)
class Selection:
    """What is asked of one object."""

    type: GraphQLObjectType
    picks: list[Pick]
    must_open: bool = False
    path: tuple[str, ...] = ()
    templates: dict[Any, Any] = field(default_factory=dict)
    show: Callable[[Any], Any] | None = None


@dataclass(slots=True, eq=False)
class ConnectionPart:
    """One of a connection's own fields: nodes, edges, pageInfo, totalCount, facets, aggregate or __typename."""

    key: str
    name: str
    literal: str = ""
    rows: Selection | None = None
    summary: Selection | None = None
    parts: list[tuple[str, str, Selection | None, str]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ConnectionSelection:
    """What is asked of a page: its parts, and what they need."""

    target: Readable
    parts: list[ConnectionPart]
    rows: list[Selection]
    wants_rows: bool = False
    wants_more: bool = False
    wants_cursors: bool = False
    wants_ends: bool = False
    wants_total: bool = False
    summaries: list[Selection] = field(default_factory=list)
    templates: dict[Any, Any] = field(default_factory=dict)

    @property
    def front(self) -> list[str]:
        """The names of what is told of the whole list, in front of each row at the root."""
        return [*(["n"] if self.wants_total else []), *(f"s{index}" for index in range(len(self.summaries)))]

    @property
    def wants_rows_alone(self) -> bool:
        """Whether nothing is asked but rows that Python need not look into, and each of them once."""
        return (
            len(self.rows) == 1
            and all(part.name in ("nodes", "__typename") for part in self.parts)
            and not (self.must_open or self.front)
        )

    @property
    def wants_keys(self) -> bool:
        """Whether cursors have to be made, of every row or of the first and last."""
        return self.wants_cursors or self.wants_ends

    @property
    def wants_page(self) -> bool:
        """Whether rows have to be read."""
        return self.wants_rows or self.wants_more or self.wants_keys

    @property
    def must_open(self) -> bool:
        """Whether Python has to look into the page."""
        return self.wants_keys or self.wants_more or any(one.must_open for one in (*self.rows, *self.summaries))


def field_declaration(field: GraphQLField) -> Declaration | None:
    """What a GraphQL field was declared to be, if the kit made it."""
    definition = field.extensions.get(BACKREF)
    return definition.declaration if isinstance(definition, KitField) else None


def python_name(field: GraphQLField) -> str:
    """The Python name behind a GraphQL field."""
    return str(field.extensions[BACKREF].python_name)


def readable_behind(type: Any) -> Readable:
    """What a GraphQL type is read from."""
    return readable_of(type.extensions[BACKREF].origin)


def connection_target(type: Any) -> GraphQLObjectType:
    """The type of a connection's nodes."""
    found = get_named_type(type.fields["nodes"].type)
    assert isinstance(found, GraphQLObjectType)
    return found


class Collector:
    """Walks one document's nodes with one set of variables."""

    def __init__(self, schema: GraphQLSchema, fragments: Fragments, variables: Mapping[str, Any]) -> None:
        self.schema = schema
        self.fragments = fragments
        self.variables = variables
        self._list: Pick | None = None

    def fields(self, type: GraphQLObjectType, nodes: Iterable[FieldNode]) -> dict[str, list[FieldNode]]:
        """The fields asked of an object, merged under their response keys, in the order of the document."""
        found: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for node in nodes:
            if node.selection_set is not None:
                self._collect(type, node.selection_set, found, seen)
        return found

    def _collect(
        self, type: GraphQLObjectType, selections: SelectionSetNode, found: dict[str, list[FieldNode]], seen: set[str]
    ) -> None:
        for one in selections.selections:
            if one.directives and not self._included(one.directives):
                continue
            if isinstance(one, FieldNode):
                key = one.alias.value if one.alias else one.name.value
                found.setdefault(key, []).append(one)
            elif isinstance(one, InlineFragmentNode):
                if one.type_condition is None or self._applies(one.type_condition.name.value, type):
                    self._collect(type, one.selection_set, found, seen)
            elif isinstance(one, FragmentSpreadNode) and one.name.value not in seen:
                seen.add(one.name.value)
                fragment = self.fragments[one.name.value]
                if self._applies(fragment.type_condition.name.value, type):
                    self._collect(type, fragment.selection_set, found, seen)

    def _included(self, directives: Iterable[Any]) -> bool:
        for directive in directives:
            name = directive.name.value
            if name in ("skip", "include"):
                value = directive.arguments[0].value
                holds = self.variables[value.name.value] if isinstance(value, VariableNode) else value.value
                if holds is (name == "skip"):
                    return False
        return True

    def _applies(self, condition: str, type: GraphQLObjectType) -> bool:
        if condition == type.name:
            return True
        wider = self.schema.get_type(condition)
        return is_abstract_type(wider) and self.schema.is_sub_type(wider, type)

    def selection(self, type: GraphQLObjectType, nodes: Iterable[FieldNode]) -> Selection:
        """What is asked of an object of a type."""
        picks = [self._pick(type, key, merged) for key, merged in self.fields(type, nodes).items()]
        return Selection(type, picks, any(pick.must_open for pick in picks))

    def _pick(self, type: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Pick:
        name = nodes[0].name.value
        if name == "__typename":
            return Pick(key, name, nodes, type, literal=type.name)
        field = type.fields[name]
        declaration = field_declaration(field)
        if isinstance(declaration, Column) and declaration.watched is not None:
            declaration = declaration.watched
        pick = Pick(key, name, nodes, type, field, declaration)
        named = get_named_type(field.type)
        if isinstance(pick.declaration, Children):
            pick.connection = self.connection(named, nodes, pick)
            pick.target = pick.connection.target
            pick.must_open = pick.connection.must_open
        elif isinstance(pick.declaration, FacetRows):
            pick.around = self._list
            pick.connection = self.connection(named, nodes, pick)
            pick.must_open = pick.connection.must_open
        elif isinstance(pick.declaration, Parent | Single):
            assert isinstance(named, GraphQLObjectType)
            pick.target = readable_behind(named)
            pick.selection = self.selection(named, nodes)
            pick.must_open = pick.selection.must_open
        elif is_abstract_type(named):
            pick.options = self.options(named, nodes)
            pick.must_open = any(one.selection.must_open for one in pick.options)
        elif isinstance(pick.declaration, Group):
            assert isinstance(named, GraphQLObjectType)
            pick.selection = self.selection(named, nodes)
        elif isinstance(pick.declaration, Computed):
            pick.must_open = True
            if isinstance(named, GraphQLObjectType):
                pick.selection = self.selection(named, nodes)
        elif isinstance(named, GraphQLObjectType):
            pick.selection = self.selection(named, nodes)
            pick.must_open = pick.selection.must_open
        return pick

    def options(self, type: Any, nodes: list[FieldNode]) -> tuple[Option, ...]:
        """What is asked of a row that may be of any of a union's or an interface's types."""
        types = self.schema.get_possible_types(type)
        return tuple(Option(readable_behind(one), self.selection(one, nodes)) for one in types)

    def connection(self, type: Any, nodes: Iterable[FieldNode], pick: Pick | None = None) -> ConnectionSelection:
        """What is asked of a connection: of the root's unless a pick is given."""
        rows_type = connection_target(type)
        found = ConnectionSelection(readable_behind(rows_type), [], [])
        for key, merged in self.fields(type, nodes).items():
            name = merged[0].name.value
            part = ConnectionPart(key, name)
            found.parts.append(part)
            if name == "__typename":
                part.literal = type.name
            elif name == "nodes":
                part.rows = self._rows(found, rows_type, merged, (key,))
            elif name == "totalCount":
                found.wants_total = True
            elif name == "edges":
                self._edges(found, part, rows_type, get_named_type(type.fields["edges"].type), merged)
            elif name in ("facets", "aggregate"):
                around, self._list = self._list, pick
                part.summary = self.selection(get_named_type(type.fields[name].type), merged)
                self._list = around
                found.summaries.append(part.summary)
            else:
                self._page_info(found, part, get_named_type(type.fields["pageInfo"].type), merged)
        return found

    def _rows(
        self, found: ConnectionSelection, type: GraphQLObjectType, nodes: list[FieldNode], path: tuple[str, ...]
    ) -> Selection:
        rows = self.selection(type, nodes)
        rows.path = path
        found.rows.append(rows)
        found.wants_rows = True
        return rows

    def _edges(
        self,
        found: ConnectionSelection,
        part: ConnectionPart,
        rows: GraphQLObjectType,
        edge: Any,
        nodes: list[FieldNode],
    ) -> None:
        found.wants_rows = True
        for key, merged in self.fields(edge, nodes).items():
            name = merged[0].name.value
            chosen = self._rows(found, rows, merged, (part.key, key)) if name == "node" else None
            found.wants_cursors |= name == "cursor"
            part.parts.append((key, name, chosen, edge.name))

    def _page_info(self, found: ConnectionSelection, part: ConnectionPart, type: Any, nodes: list[FieldNode]) -> None:
        for key, merged in self.fields(type, nodes).items():
            name = merged[0].name.value
            if name in ("hasNextPage", "hasPreviousPage"):
                found.wants_more = True
            elif name != "__typename":
                found.wants_ends = True
            part.parts.append((key, name, None, type.name))


_names: OrderedDict[Any, tuple[list[FieldNode], tuple[str, ...]]] = OrderedDict()
_selections: OrderedDict[Any, tuple[list[FieldNode], Any]] = OrderedDict()


def object_selection(info: Info, type: GraphQLObjectType) -> Selection:
    """What a field's nodes ask of an object of a type; kept."""
    return _kept(info, type, lambda collector: collector.selection(type, info.field_nodes))


def connection_selection(info: Info, type: GraphQLObjectType) -> ConnectionSelection:
    """What a field's nodes ask of a connection; kept."""
    return _kept(info, type, lambda collector: collector.connection(type, info.field_nodes))


def _kept(info: Info, type: GraphQLObjectType, make: Callable[[Collector], T]) -> T:
    nodes = info.field_nodes
    place = (id(info.schema), type.name, *map(id, nodes))
    variables = info.variable_values.coerced
    known = _names.get(place)
    if known is None:
        known = _keep(_names, place, (list(nodes), _switches(nodes, info.fragments)))
    key = (place, *(variables.get(name) for name in known[1])) if known[1] else place
    found = _selections.get(key)
    if found is None:
        made = make(Collector(info.schema, info.fragments, variables))
        found = _keep(_selections, key, (list(nodes), made))
    else:
        _selections.move_to_end(key)
        _names.move_to_end(place)
    kept: T = found[1]
    return kept


def _keep(cache: OrderedDict[Any, Any], key: Any, value: Any) -> Any:
    cache[key] = value
    if len(cache) > SELECTIONS_MAX:
        cache.popitem(last=False)
    return value


def _switches(nodes: Iterable[FieldNode], fragments: Fragments) -> tuple[str, ...]:
    """The variables that decide in @skip and @include below some nodes."""
    names: dict[str, None] = {}
    seen: set[str] = set()
    waiting: list[Any] = list(nodes)
    while waiting:
        node = waiting.pop()
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                value = directive.arguments[0].value
                if isinstance(value, VariableNode):
                    names[value.name.value] = None
        if isinstance(node, FragmentSpreadNode):
            if node.name.value not in seen:
                seen.add(node.name.value)
                waiting.extend(fragments[node.name.value].selection_set.selections)
        elif node.selection_set is not None:
            waiting.extend(node.selection_set.selections)
    return tuple(names)


def _mentions_variable(value: Any) -> bool:
    if isinstance(value, VariableNode):
        return True
    inner = getattr(value, "values", None) or [one.value for one in getattr(value, "fields", None) or ()]
    return any(_mentions_variable(one) for one in inner)
