"""The API once more, written naively: graphql-core over rows that Tortoise loaded, one resolver a field, nothing compiled.

Of the product it takes what was declared (which column, which relation, who may see which rows), and nothing of how the
reader makes one statement of it. It knows columns, groups, relations, values computed in SQL or Python, pages, filters and
orders; ``knows`` says of a field whether it is one of these.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLScalarType, GraphQLSchema, build_schema, get_named_type

from app import database
from app.infrastructure.conditions import Writer
from app.infrastructure.tables import Table, find_rows, table_of
from app.kernel.actor import Actor
from app.kernel.ids import prefix_of
from schema.kit.declarations import (
    READABLE_BY_PREFIX,
    Children,
    Column,
    Computed,
    Declaration,
    Group,
    KitField,
    Many,
    One,
    Parent,
    Readable,
    Single,
    SqlValue,
    condition_of,
    readable_of,
)
from schema.kit.filters import ByColumn, ByParent, FilterSpec, spec_of
from schema.kit.kinds import Kind
from schema.kit.operations import ANYONE, OPERATIONS, SIGNED_IN, OperationField
from schema.kit.orders import Order, OrderTerm
from schema.kit.reading.selection import BACKREF
from schema.kit.scalars import duration_text
from schema.schema import sdl
from tests.schema.documents import CORE, is_connection

Resolve = Callable[..., Any]


def definition_of(type: Any, name: str) -> Any:
    """What our field of that name was declared to be; ``__typename`` and the fields of plain objects are no such thing."""
    field: GraphQLField = type.fields[name]
    definition = field.extensions.get(BACKREF)
    return definition if isinstance(definition, KitField) else None


def behind(type: Any) -> Readable | None:
    """What a type is read from."""
    origin = getattr(type.extensions.get(BACKREF), "origin", None)
    return readable_of(origin) if hasattr(origin, "__readable__") else None


def rows_of(field: GraphQLField) -> Any:
    """The type of the rows that a field answers with."""
    named = get_named_type(field.type)
    return get_named_type(named.fields["nodes"].type) if is_connection(named) else named


def knows(type: GraphQLObjectType, name: str) -> bool:
    """Whether a field of a readable type, or of Query, is answered here too."""
    definition = definition_of(type, name)
    match definition.declaration if definition is not None else None:
        case Computed() as declaration:
            return all(isinstance(need, str) for need in declaration.needs)
        case Column() | Parent() | Single() | Children() | Group() | SqlValue():
            return True
        case One(where=None) | Many(where=None):
            return isinstance(definition, OperationField)
    return name in ("node", "nodes") and type is CORE.query_type


class Reference:
    """What one actor after the other sees of rows that do not change meanwhile."""

    actor: Actor

    def __init__(self) -> None:
        self._seen: dict[type[Table], list[Any]] = {}
        self.everything: dict[type[Table], list[Any]] = {}
        self._held: dict[int, frozenset[str]] = {}
        self._computed: dict[tuple[str, str], dict[str, Any]] = {}
        self.schema = self._schema()

    async def become(self, actor: Actor) -> "Reference":
        """Ask of each row of every table whether the actor may see it."""
        self.actor = actor
        self._seen.clear()
        for type in CORE.type_map.values():
            readable = behind(type)
            if readable is None or not isinstance(type, GraphQLObjectType):
                continue
            model = readable.model
            if model not in self.everything:
                self.everything[model] = await model.all()
            if model not in self._seen:
                visible = {row.id for row in await find_rows(model, model.visible_to(self.actor))}
                self._seen[model] = [row for row in self.everything[model] if row.id in visible]
            for name in type.fields:
                definition = definition_of(type, name)
                if definition is not None:
                    await self._prepare(type, readable, name, definition.declaration)
        return self

    async def _prepare(self, type: Any, readable: Readable, name: str, declaration: Declaration) -> None:
        if isinstance(declaration, Children | Single) and declaration.where is not None:
            target = behind(rows_of(type.fields[name]))
            condition = condition_of(declaration.where, self.actor)
            assert target is not None and condition is not None
            self._held[id(declaration)] = frozenset(row.id for row in await find_rows(target.model, condition))
        elif isinstance(declaration, SqlValue):
            self._computed[readable.name, definition_of(type, name).python_name] = await self._values(
                readable, declaration, get_named_type(type.fields[name].type).name
            )

    async def _values(self, readable: Readable, declaration: SqlValue, scalar: str) -> dict[str, Any]:
        """A value that SQL computes, of every row, one row after the other."""
        assert declaration.sql is not None
        writer = Writer(database.dialect())
        sql = declaration.sql(writer, "r", self.actor)
        found = await database.connection().execute_query_dict(
            f'SELECT r.id, {sql} AS value FROM "{table_of(readable.model)}" r', writer.values
        )
        return {row["id"]: _of_scalar(scalar, row["value"]) for row in found}

    def rows(self, type: Any) -> list[Any]:
        """The rows of a type that the actor sees."""
        readable = behind(type)
        assert readable is not None
        return self._seen[readable.model] if readable.allows(self.actor) else []

    def row(self, type: Any, id: str | None) -> Any:
        """The row of that id, if the actor sees it."""
        return next((row for row in self.rows(type) if row.id == id), None)

    def holds(self, permission: Any) -> bool:
        """Whether the actor has a permission, if one is asked for."""
        return permission is None or self.actor.holds(permission)

    # The schema

    def _schema(self) -> GraphQLSchema:
        schema = build_schema(sdl())
        for type in schema.type_map.values():
            if isinstance(type, GraphQLScalarType):
                type.coerce_output_value = _plain  # type: ignore[method-assign]
            elif isinstance(type, GraphQLObjectType) and not type.name.startswith("__"):  # those are every schema's
                ours: Any = CORE.type_map[type.name]
                for name, field in type.fields.items():
                    field.resolve = self._resolve(ours, name)
        node: Any = schema.type_map["Node"]
        node.resolve_type = lambda row, *_: READABLE_BY_PREFIX[row.prefix].name
        return schema

    def _resolve(self, type: Any, name: str) -> Resolve:
        if type is CORE.query_type and name in ("node", "nodes"):
            return self._by_id if name == "node" else lambda _, info, ids: [self._by_id(_, info, id) for id in ids]
        definition = definition_of(type, name)
        field = type.fields[name]
        if definition is None or not knows(type, name):
            python_name = getattr(field.extensions.get(BACKREF), "python_name", name)
            return lambda value, info, **_: _attribute(value, python_name, name)
        resolve = self._declared(type, field, definition)
        permission = definition.declaration.permission
        return lambda row, info, **given: resolve(row, **given) if self.holds(permission) else None

    def _declared(self, type: Any, field: GraphQLField, definition: KitField) -> Resolve:
        target = rows_of(field)
        match definition.declaration:
            case Column(column=column):
                return lambda row: getattr(row, column)
            case Parent(via=via):
                return lambda row: self.row(target, getattr(row, via))
            case Single() as single:
                return lambda row: max(self._theirs(row, target, single), key=lambda one: one.id, default=None)
            case Children() as children:
                return lambda row, **given: self._page(target, self._theirs(row, target, children), children, given)
            case Group() as group:
                return lambda row: _grouped(row, group)
            case SqlValue():
                values = (type.name, definition.python_name)
                return lambda row: self._computed[values][row.id]
            case Computed() as computed:
                return lambda row: self._called(type.name, computed, row)
            case One():
                return lambda _, id: self.row(target, id)
            case Many() as many:
                return lambda _, **given: self._page(target, self.rows(target), many, given)
        raise AssertionError(definition)

    def _by_id(self, _source: Any, _info: Any, id: str) -> Any:
        readable = READABLE_BY_PREFIX.get(prefix_of(id))
        return self.row(CORE.type_map[readable.name], id) if readable is not None else None

    def _theirs(self, row: Any, target: Any, declaration: Children | Single) -> list[Any]:
        ours = getattr(row, declaration.ours)
        kept = self._held.get(id(declaration))
        return [
            one
            for one in self.rows(target)
            if ours is not None and getattr(one, declaration.via) == ours and (kept is None or one.id in kept)
        ]

    def _called(self, name: str, declaration: Computed, row: Any) -> Any:
        assert declaration.function is not None
        values = [
            getattr(row, need) if need in declaration.kinds else self._computed[name, str(need)][row.id]
            for need in declaration.needs
        ]
        return declaration.function(*([self.actor] if declaration.actor else []), *values)

    # Pages

    def _page(self, target: Any, rows: list[Any], declaration: Children | Many, given: dict[str, Any]) -> Any:
        if given.get("filter") is not None:
            assert declaration.filter is not None
            spec = spec_of(declaration.filter)
            rows = [row for row in rows if self._is_true(spec, given["filter"], row)]
        rows = self._sorted(rows, declaration.order, given.get("orderBy"))
        backward = given.get("last") is not None
        size = given.get("last") or given.get("first") or 25
        shown = rows[-size:] if backward else rows[:size]
        more = len(rows) > size
        return {
            "nodes": shown,
            "edges": [{"node": row, "cursor": row.id} for row in shown],
            "total_count": len(rows),
            "page_info": {
                "has_next_page": more and not backward,
                "has_previous_page": more and backward,
                "start_cursor": shown[0].id if shown else None,
                "end_cursor": shown[-1].id if shown else None,
            },
        }

    def _sorted(self, rows: list[Any], order: Order | None, asked: Any) -> list[Any]:
        if asked:
            terms = {}
            for one in asked:
                terms.setdefault(one["field"], one.get("direction") == "DESC")
            sorts = [(order.terms[name], down) for name, down in terms.items()] if order is not None else []
        else:
            sorts = [*order.default[:-1]] if order is not None else []
        rows = sorted(rows, key=lambda row: row.id, reverse=sorts[-1][1] if sorts else True)
        for term, down in reversed(sorts):
            rows = sorted(rows, key=lambda row: _last_if_missing(self._sorts_by(term, row)), reverse=down)
        return rows

    def _sorts_by(self, term: OrderTerm, row: Any) -> Any:
        if term.parent is not None:
            seen = (one for one in self._seen[term.parent.model] if one.id == getattr(row, term.parent.via))
            return getattr(next(seen, None), term.column, None)
        value = getattr(row, term.column)
        if term.ranks:
            return term.ranks.index(value) if value in term.ranks else len(term.ranks)
        return value

    # Filters

    def _is_true(self, spec: FilterSpec, given: Mapping[str, Any], row: Any) -> bool:
        return all(self._part(spec, name, value, row) for name, value in given.items())

    def _part(self, spec: FilterSpec, name: str, value: Any, row: Any) -> bool:
        if name == "not":
            return not self._is_true(spec, value, row)
        if name in ("and", "or"):
            return (all if name == "and" else any)(self._is_true(spec, one, row) for one in value)
        match spec.fields[name]:
            case ByColumn(column=column, kind=kind):
                found = getattr(row, column)
                if not isinstance(value, Mapping):
                    return bool(found == value)
                return all(_holds(operator, found, _of_kind(kind, wanted)) for operator, wanted in value.items())
            case ByParent() as parent:
                seen = self._seen[parent.target.model]
                there = next((one for one in seen if one.id == getattr(row, parent.ours)), None)
                return there is not None and self._is_true(parent.target, value, there)
        raise AssertionError(name)


def _holds(operator: str, found: Any, wanted: Any) -> bool:
    """A comparison with what is missing is false, but for those that say otherwise."""
    if operator == "isNull":
        return (found is None) == wanted
    if operator in ("ne", "notIn"):
        return found is None or (found != wanted if operator == "ne" else found not in wanted)
    if found is None:
        return False
    compared: dict[str, Callable[[], bool]] = {
        "eq": lambda: found == wanted,
        "in": lambda: found in wanted,
        "lt": lambda: found < wanted,
        "lte": lambda: found <= wanted,
        "gt": lambda: found > wanted,
        "gte": lambda: found >= wanted,
        "startsWith": lambda: found.startswith(wanted),
        "endsWith": lambda: found.endswith(wanted),
        "contains": lambda: wanted.upper() in found.upper(),
        "equalsFold": lambda: wanted.upper() == found.upper(),
    }
    return compared[operator]()


def _of_kind(kind: Kind, value: Any) -> Any:
    """What a client wrote, as the column's values are; ``true`` stays ``true``."""
    if isinstance(value, list):
        return [_of_kind(kind, one) for one in value]
    if isinstance(value, str):
        made = {Kind.MOMENT: datetime.fromisoformat, Kind.DAY: date.fromisoformat, Kind.DECIMAL: Decimal}.get(kind)
        return made(value) if made is not None else value
    return value


def _of_scalar(name: str, value: Any) -> Any:
    """What the database says, as a Python value."""
    if value is None:
        return None
    if name == "Boolean":
        return bool(value)
    if name == "Decimal":
        return Decimal(str(value))
    if name == "DateTime" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if name == "Date" and isinstance(value, str):
        return date.fromisoformat(value)
    return value


def _last_if_missing(value: Any) -> tuple[bool, Any]:
    return (value is None, 0 if value is None else value)


def _grouped(row: Any, group: Group) -> Any:
    if group.null_without is not None and getattr(row, group.columns[group.null_without]) is None:
        return None
    return {part: getattr(row, column) for part, column in group.columns.items()}


def _attribute(value: Any, python_name: str, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(python_name, value.get(name))
    return getattr(value, python_name)


def _plain(value: Any) -> Any:
    """A scalar as JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return duration_text(value) if isinstance(value, timedelta) else value


def roots_for(actor: Actor) -> list[str]:
    """The queries that are known here and that an actor may use."""
    query: Any = CORE.query_type
    return [
        name
        for name in query.fields
        if knows(query, name)
        and (
            OPERATIONS["query", name].access in (SIGNED_IN, ANYONE)
            or OPERATIONS["query", name].access in actor.permissions
        )
    ]
