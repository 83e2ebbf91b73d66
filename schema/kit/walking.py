"""A whole list, read page by page with the client's own selection: for files, not for answers.

The document goes through the same parser, rules and reader as any other. Before it is run it is rewritten: the root list
and the lists below get page sizes, and everything that has an id is asked for it (as ``__id``). The root is walked by
keyset in the order of the ids. A list below whose first page is full is walked to its end as well, from its own row on
by ``node(id:)``. So every page is one statement, with the conditions of the actor as they are at that time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import strawberry
from graphql import (
    ArgumentNode,
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NamedTypeNode,
    NameNode,
    Node,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    visit,
)

from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput, NotPermitted, Problem
from app.kernel.pages import encode_cursor
from schema.kit.context import Context
from schema.kit.declarations import Children, Many, Parent, Secret, Single
from schema.kit.execution import KitExecutor, Refused, core_of, executor_of, parsed, prepare
from schema.kit.limits import guard
from schema.kit.measuring import Measures, TooExpensive
from schema.kit.orders import OLDEST_ID_FIRST
from schema.kit.reading.selection import (
    BACKREF,
    Collector,
    ConnectionSelection,
    Pick,
    Selection,
    field_declaration,
)
from schema.kit.reading.statement import cursor_kind

ID = "__id"
FIRST = "__first"
AFTER = "__after"
PAGE_SIZE_MAX = 500
LIST_PAGE_SIZE = 50
PAGE_COST_MAX = 20_000
PAGE_ARGUMENTS = frozenset({"first", "after", "last", "before", "orderBy"})

N = TypeVar("N", bound=Node)
Asker = Callable[[], Awaitable[Actor]]


@dataclass(frozen=True, slots=True)
class Walked:
    """One row: what was asked of it, as the API shows it. A row of a list below says whose it is, and of which list."""

    id: str
    value: dict[str, Any]
    parent_id: str | None = None
    list: str | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """How many rows a list has, and the greatest id in it: a walk ends there, however fast rows are added meanwhile."""

    rows: int
    last_id: str | None


class Walk:
    """A document with one list at its root, ready to be walked. ``InvalidInput`` says what is wrong with another."""

    def __init__(self, schema: strawberry.Schema, text: str, variables: Mapping[str, Any], actor: Actor) -> None:
        self._core = core_of(schema)
        self._variables = dict(variables)
        document, self.row_cost = _checked(schema, text, self._variables, actor)
        self._document = _rewritten(self._core, document)
        operation = _operation_of(self._document)
        executor = self._executor(self._document, Context(actor), {FIRST: 1})
        collector = Collector(self._core, executor.fragment_definitions, executor.variable_values.coerced)
        self.root, self._nodes, self._field = _root_of(collector, self._core, operation)
        self._definition: Any = self._field.extensions[BACKREF]
        self._list = collector.connection(get_named_type(self._field.type), self._nodes)
        self.rows = _rows_of(self._list)
        self._key = self._list.parts[0].key
        self._continuations: dict[int, DocumentNode] = {}
        self.page_size = max(1, min(PAGE_SIZE_MAX, PAGE_COST_MAX // max(self.row_cost, 1)))

    @property
    def has_lists_below(self) -> bool:
        """Whether rows have lists of their own."""
        return any(True for _ in _lists_in(self.rows))

    async def measure(self, actor: Actor) -> Extent:
        """How many rows the list has right now, and which is the last."""
        asked = tuple(_measured(node) for node in self._nodes)
        operation = _changed(_operation_of(self._document), selection_set=SelectionSetNode(selections=asked))
        found = (await self._ask(DocumentNode(definitions=(operation,)), actor, {FIRST: 1}))[self.root]
        return Extent(found["totalCount"], found["nodes"][0][ID] if found["nodes"] else None)

    async def page(self, asker: Asker, after: str | None, size: int | None = None) -> list[dict[str, Any]]:
        """The rows after an id, as many as a page has; each with its id as ``__id``, to be taken apart by ``rows_of``."""
        cursor = None if after is None else self._cursor(self._list, after)
        wanted = {FIRST: size or self.page_size, AFTER: cursor}
        found = await self._ask(self._document, await asker(), wanted)
        rows: list[dict[str, Any]] = found[self.root][self._key]
        return rows

    async def rows_of(self, asker: Asker, row: dict[str, Any]) -> AsyncIterator[Walked]:
        """A row, then the rows of the lists below it, each with its own after it."""
        async for one in self._taken_apart(asker, row, self.rows, None, None):
            yield one

    async def _taken_apart(
        self, asker: Asker, row: dict[str, Any], selection: Selection, parent_id: str | None, name: str | None
    ) -> AsyncIterator[Walked]:
        lists: list[tuple[Pick, str, list[dict[str, Any]]]] = []
        value = _own(row, selection, lists)
        yield Walked(row[ID], value, parent_id, name)
        for pick, owner_id, page in lists:
            assert pick.connection is not None
            below = _rows_of(pick.connection)
            while page:
                for inner in page:
                    async for one in self._taken_apart(asker, inner, below, owner_id, pick.key):
                        yield one
                page = await self._next_page(asker, pick, owner_id, page[-1][ID]) if len(page) == LIST_PAGE_SIZE else []

    async def _next_page(self, asker: Asker, pick: Pick, owner_id: str, after: str) -> list[dict[str, Any]]:
        """The rows of a list below, beyond those that came with its owner."""
        assert pick.connection is not None
        cursor = self._cursor(pick.connection, after)
        # Kept, for the reader knows what it compiled by the document's nodes.
        if id(pick) not in self._continuations:
            self._continuations[id(pick)] = _continued(self._document, pick)
        document = self._continuations[id(pick)]
        found = await self._ask(document, await asker(), {ID: owner_id, AFTER: cursor, FIRST: 1})
        if found["node"] is None:
            return []
        rows: list[dict[str, Any]] = found["node"][pick.key][pick.connection.parts[0].key]
        return rows

    def _cursor(self, connection: ConnectionSelection, id: str) -> str:
        return encode_cursor(cursor_kind(connection.target, OLDEST_ID_FIRST), [id])

    def _executor(self, document: DocumentNode, context: Context, own: dict[str, Any]) -> KitExecutor:
        values = {**self._variables, **own}
        built = KitExecutor.build(self._core, document, None, context, values, None, hide_suggestions=True)
        if isinstance(built, list):
            raise _wrong(built[0].message, "variables")
        assert isinstance(built, KitExecutor)
        return built

    async def _ask(self, document: DocumentNode, actor: Actor, own: dict[str, Any]) -> dict[str, Any]:
        """The whole answer, or what is wrong with it: a file has no place for a part that is missing."""
        context = Context(actor, walks=True)
        executor = self._executor(document, context, own)
        result = executor.execute_operation()
        if executor.is_awaitable(result):
            result = await result
        assert isinstance(result, ExecutionResult)
        for error in (*(result.errors or ()), *context.refused):
            raise _cause(error)
        data: dict[str, Any] = orjson.loads(orjson.dumps(result.data))
        return data


def columns_of(selection: Selection) -> list[tuple[str, ...]]:
    """The plain values that are asked of a row, in the order of the document, each by its way through single objects."""
    found: list[tuple[str, ...]] = []
    for pick in selection.picks:
        if pick.key == ID:
            continue
        if pick.selection is not None and pick.field is not None and not _is_list(pick.field.type):
            found.extend((pick.key, *rest) for rest in columns_of(pick.selection))
        else:
            found.append((pick.key,))
    return found


# What is asked


def _checked(schema: strawberry.Schema, text: str, variables: dict[str, Any], actor: Actor) -> tuple[DocumentNode, int]:
    """The document as the client wrote it, if it could be run as it is, and what each row of it costs.

    As for any request, its size is judged before it is validated.
    """
    if reserved := [name for name in variables if name.startswith("__")]:
        raise _wrong(f"A variable must not be called {reserved[0][:40]}.", "variables")
    try:
        operation = parsed(schema, text).operation(None)
        if operation.operation is not OperationType.QUERY:
            raise _wrong("An export is made of a query.")
        visit(parsed(schema, text).document, _OwnNames())
        one_row = _rewritten(core_of(schema), parsed(schema, text).document, with_ids=False)
        measures = Measures(one_row, core_of(schema))
        cost = guard(measures, _operation_of(one_row), {**variables, FIRST: 1}, may_introspect=False).cost
        document = prepare(schema, text).document
        executor_of(schema, text, variables, None, Context(actor))
        types = TypeInfo(core_of(schema))
        visit(document, TypeInfoVisitor(types, _NoSecrets(types)))
    except Refused as refused:
        raise _wrong(
            refused.errors[0].message, "variables" if refused.code == "BAD_USER_INPUT" else "document"
        ) from None
    except GraphQLError as error:
        raise _wrong(error.message) from None
    except TooExpensive as problem:
        raise _wrong(f"Of one row: {problem.message}") from None
    return document, cost - 1


def _root_of(
    collector: Collector, core: GraphQLSchema, operation: OperationDefinitionNode
) -> tuple[str, list[FieldNode], Any]:
    """The one list at the root: its key, its nodes, its field."""
    query = core.query_type
    assert query is not None
    asked: Any = operation  # it has a selection set, which is all that the collector looks at
    found = collector.fields(query, [asked])
    lists = "An export has one list at its root, such as { workOrders { nodes { id } } }, and nothing beside it."
    if len(found) != 1:
        raise _wrong(lists)
    [(key, nodes)] = found.items()
    name = nodes[0].name.value
    if name not in query.fields or not isinstance(field_declaration(query.fields[name]), Many):
        raise _wrong(lists)
    return key, nodes, query.fields[name]


def _rows_of(connection: ConnectionSelection) -> Selection:
    if [part.name for part in connection.parts] != ["nodes"]:
        raise _wrong("Of a list select nodes, once, and nothing else: an export walks the pages itself.")
    rows = connection.parts[0].rows
    assert rows is not None
    for pick in _lists_in(rows):
        assert pick.connection is not None
        _rows_of(pick.connection)
    return rows


def _lists_in(selection: Selection) -> Iterator[Pick]:
    for pick in selection.picks:
        if pick.connection is not None:
            yield pick
        elif pick.selection is not None:
            yield from _lists_in(pick.selection)
        elif any(True for option in pick.options for _ in _lists_in(option.selection)):
            raise _wrong(
                f"Leave out the lists below {pick.key}: it may be of several types, and lists go by their row's."
            )


def _is_list(type: Any) -> bool:
    return isinstance(type.of_type if isinstance(type, GraphQLNonNull) else type, GraphQLList)


def _own(
    row: dict[str, Any], selection: Selection, lists: list[tuple[Pick, str, list[dict[str, Any]]]]
) -> dict[str, Any]:
    """What was asked of a row, without our ids; the lists below it are put into ``lists``."""
    value: dict[str, Any] = {}
    for pick in selection.picks:
        if pick.key == ID:
            continue
        found = row[pick.key]
        if pick.connection is not None:
            lists.append((pick, row[ID], found[pick.connection.parts[0].key]))
        elif found is not None and pick.selection is not None and isinstance(pick.declaration, Parent | Single):
            value[pick.key] = _own(found, pick.selection, lists)
        else:
            value[pick.key] = _without_ids(found) if pick.options else found
    return value


def _without_ids(value: Any) -> Any:
    """What was asked of a row of one of several types."""
    if isinstance(value, list):
        return [_without_ids(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_ids(one) for key, one in value.items() if key != ID}
    return value


# Rewriting


class _Rewriting(Visitor):
    """Gives lists their pages, and asks whatever has an id for it."""

    def __init__(self, types: TypeInfo, with_ids: bool) -> None:
        super().__init__()
        self._types = types
        self._with_ids = with_ids

    def leave_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        """Change one field; what is below it was changed before."""
        field = self._types.get_field_def()
        declaration = field_declaration(field) if field is not None else None
        if isinstance(declaration, Many | Children):
            if given := PAGE_ARGUMENTS & {one.name.value for one in node.arguments or ()}:
                raise _wrong(f"Leave out {min(given)}: an export has all rows of a list, in the order of their ids.")
            return _paged(node, at_root=isinstance(declaration, Many))
        type = get_named_type(self._types.get_type())
        is_row = isinstance(type, GraphQLObjectType) and any(one.name == "Node" for one in type.interfaces)
        if self._with_ids and is_row and node.selection_set is not None:
            return _changed(
                node, selection_set=SelectionSetNode(selections=(*node.selection_set.selections, _own_id()))
            )
        return None


class _OwnNames(Visitor):
    """Refuses names that begin as ours do: a client's ``__id`` would say where the walk goes on."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """A field under another name."""
        if node.alias is not None:
            self._refuse(node.alias.value)

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> None:
        """A variable that is declared."""
        self._refuse(node.variable.name.value)

    def _refuse(self, name: str) -> None:
        if name.startswith("__"):
            raise _wrong(f"Call nothing {name[:40]}: names that begin with two underscores are taken.")


class _NoSecrets(Visitor):
    """Refuses what is kept encrypted: a file would lie there in the clear."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """A field that is asked for."""
        field = self._types.get_field_def()
        if field is not None and isinstance(field_declaration(field), Secret):
            raise _wrong(f"{node.name.value} is kept encrypted and goes into no file; ask for it where it is needed.")


def _rewritten(core: GraphQLSchema, document: DocumentNode, *, with_ids: bool = True) -> DocumentNode:
    types = TypeInfo(core)
    changed = visit(document, TypeInfoVisitor(types, _Rewriting(types, with_ids)))
    return _declaring(changed, _variable(FIRST, "Int", required=True), _variable(AFTER, "String"))


def _measured(node: FieldNode) -> FieldNode:
    """The list's length and its last row alone."""
    own = tuple(one for one in node.arguments or () if one.name.value not in PAGE_ARGUMENTS)
    last = ArgumentNode(name=NameNode(value="last"), value=IntValueNode(value="1"))
    rows = FieldNode(name=NameNode(value="nodes"), selection_set=SelectionSetNode(selections=(_own_id(),)))
    total = FieldNode(name=NameNode(value="totalCount"))
    return _changed(node, arguments=(*own, last), selection_set=SelectionSetNode(selections=(total, rows)))


def _own_id() -> FieldNode:
    return FieldNode(name=NameNode(value="id"), alias=NameNode(value=ID))


def _continued(document: DocumentNode, pick: Pick) -> DocumentNode:
    """A document that asks one row, by its id, for the list alone, from a cursor on."""
    lists = tuple(_with_arguments(node, _argument("after", AFTER)) for node in pick.nodes)
    of_type = InlineFragmentNode(
        type_condition=NamedTypeNode(name=NameNode(value=pick.owner.name)),
        selection_set=SelectionSetNode(selections=lists),
    )
    node = FieldNode(
        name=NameNode(value="node"),
        arguments=(_argument("id", ID),),
        selection_set=SelectionSetNode(selections=(of_type,)),
    )
    asked = _changed(_operation_of(document), selection_set=SelectionSetNode(selections=(node,)))
    fragments = [one for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
    return _declaring(DocumentNode(definitions=(asked, *fragments)), _variable(ID, "ID", required=True))


def _declaring(document: DocumentNode, *variables: VariableDefinitionNode) -> DocumentNode:
    definitions = [
        _changed(one, variable_definitions=(*(one.variable_definitions or ()), *variables))
        if isinstance(one, OperationDefinitionNode)
        else one
        for one in document.definitions
    ]
    return DocumentNode(definitions=tuple(definitions))


def _paged(node: FieldNode, *, at_root: bool) -> FieldNode:
    if at_root:
        return _with_arguments(node, _argument("first", FIRST), _argument("after", AFTER))
    size = IntValueNode(value=str(LIST_PAGE_SIZE))
    return _with_arguments(node, ArgumentNode(name=NameNode(value="first"), value=size))


def _with_arguments(node: FieldNode, *arguments: ArgumentNode) -> FieldNode:
    return _changed(node, arguments=(*(node.arguments or ()), *arguments))


def _argument(name: str, variable: str) -> ArgumentNode:
    return ArgumentNode(name=NameNode(value=name), value=VariableNode(name=NameNode(value=variable)))


def _variable(name: str, type: str, *, required: bool = False) -> VariableDefinitionNode:
    named = NamedTypeNode(name=NameNode(value=type))
    return VariableDefinitionNode(
        variable=VariableNode(name=NameNode(value=name)), type=NonNullTypeNode(type=named) if required else named
    )


def _changed(node: N, **values: Any) -> N:
    """A node like another; nodes themselves never change."""
    return type(node)(**{name: getattr(node, name) for name in node.keys if name != "loc"} | values)


def _operation_of(document: DocumentNode) -> OperationDefinitionNode:
    return next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))


# What is wrong


def _wrong(message: str, path: str = "document") -> InvalidInput:
    return InvalidInput(message, path=[path])


def _cause(error: GraphQLError) -> BaseException:
    """Why there is no whole answer: a problem as it is, a field that may not be read as a missing permission."""
    original: BaseException | None = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, Problem):
        return original
    extensions = error.extensions or {}
    if extensions.get("code") == "FORBIDDEN":
        return NotPermitted(extensions["permission"])
    return original if original is not None else _wrong(error.message)


__all__ = ["ID", "Extent", "Walk", "Walked", "columns_of"]
