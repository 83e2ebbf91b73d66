"""From a selection to SQL. A template is text with gaps: a client's conditions, page windows and limits are written into
the gaps for each request; all the rest, what the actor may see included, is written once and only its values change.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson
from graphql import FieldNode, get_named_type
from graphql.execution.values import VariableValues

from app.infrastructure.conditions import Condition, Writer, all_of, quoted
from app.infrastructure.tables import IdentifiedTable
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.pages import PAGE_SIZE_MAX, WALKED_PAGE_SIZE_MAX, Page, decode_cursor, page_of
from app.kernel.permissions import Permission
from schema.kit.declarations import (
    Children,
    Column,
    Computed,
    Declaration,
    Either,
    Group,
    Parent,
    Readable,
    Single,
    Sql,
    SqlValue,
    Where,
    condition_of,
    sorted_by,
)
from schema.kit.filters import spec_of
from schema.kit.kinds import Kind, bind, bound, from_cursor, json_of, scalar_kind
from schema.kit.orders import OLDEST_ID_FIRST, OrderTerm, Sorted
from schema.kit.reading.grouping import Scope, write_summary
from schema.kit.reading.notation import NOTATIONS, Pairs, Write
from schema.kit.reading.rows import Columns, Objects
from schema.kit.reading.selection import (
    ConnectionPart,
    ConnectionSelection,
    Option,
    Pick,
    Selection,
    field_declaration,
    python_name,
)
from schema.kit.reading.stand_in import LastingWriter, Values, stand_in_for
from schema.kit.summaries import FacetRows

HERE = "\0"
TEMPLATES_MAX = 32


Stretch = Callable[[Writer, str], str]


@dataclass(slots=True)
class Window:
    """Which rows of a list, in which order, from where."""

    condition: Condition | None
    order: Sorted
    page: Page
    cursor: list[Any] | None
    kind: str

    def keyset(self, writer: Writer, alias: str) -> str:
        """SQL that is true of the rows beyond the cursor."""
        stretches = [stretch(writer, alias) for stretch in self.stretches()]
        return f" AND ({' OR '.join(f'({one})' for one in stretches)})" if stretches else ""

    def stretches(self) -> list[Stretch]:
        """SQL that is true of the rows beyond the cursor: a condition for each stretch that they are of an index.

        A missing value counts as the greatest, which no comparison says. Where values and missing ones lie ahead there
        are two stretches; as one condition they would have the database walk through all that lies behind as well.
        """
        if self.cursor is None:
            return []
        terms = [(term, descending is not self.page.backward) for term, descending in self.order]
        values = self.cursor
        (first, descending), value = terms[0], values[0]
        if not first.nullable or (descending and value is not None):
            return [lambda writer, alias: _ahead(writer, alias, terms, values)]

        def missing(writer: Writer, alias: str) -> str:
            return f"{first.sql(writer, alias)} IS NULL"

        if value is not None:
            return [lambda writer, alias: _ahead(writer, alias, terms, values), missing]

        def rest_of_missing(writer: Writer, alias: str) -> str:
            return f"{missing(writer, alias)} AND {_choices(writer, alias, terms[1:], values[1:])}"

        if not descending:
            return [rest_of_missing]
        return [rest_of_missing, lambda writer, alias: f"{first.sql(writer, alias)} IS NOT NULL"]

    def order_by(self, writer: Writer, alias: str, *, as_shown: bool = False) -> str:
        """SQL that sorts; backward pages are read from the other end unless they are wanted as shown."""
        turned = self.page.backward and not as_shown
        return " ORDER BY " + ", ".join(
            term.sql(writer, alias)
            + (" DESC" if descending is not turned else " ASC")
            + ((" NULLS FIRST" if descending is not turned else " NULLS LAST") if term.nullable else "")
            for term, descending in self.order
        )

    def keys(self, writer: Writer, alias: str) -> str:
        """SQL of what a row's cursor is made of, as a JSON array."""
        make = "json_array" if writer.dialect is Dialect.SQLITE else "json_build_array"
        return f"{make}({', '.join(term.json(writer, alias) for term, _ in self.order)})"


Terms = Sequence[tuple[OrderTerm, bool]]


def _ahead(writer: Writer, alias: str, terms: Terms, values: Sequence[Any]) -> str:
    """SQL that is true of the rows beyond some values, of which the first is not missing, as those rows' is not."""
    first, descending = terms[0]
    if all(turned is descending and (term is first or not term.nullable) for term, turned in terms):
        left = ", ".join(term.sql(writer, alias) for term, _ in terms)
        right = ", ".join(bind(writer, term.kind, value) for (term, _), value in zip(terms, values, strict=True))
        return f"({left}) {'<' if descending else '>'} ({right})"
    # What the comparison says is said again by the choices, but it shows an index where to begin.
    begin = f"{first.sql(writer, alias)} {'<=' if descending else '>='} {bind(writer, first.kind, values[0])}"
    return f"{begin} AND {_choices(writer, alias, terms, values)}"


def _choices(writer: Writer, alias: str, terms: Terms, values: Sequence[Any]) -> str:
    """SQL that is true of the rows beyond any values: beyond the first, or the same there and beyond the second, …"""
    choices = []
    for last in range(len(terms)):
        ties = [_tie(writer, alias, terms[i][0], values[i]) for i in range(last)]
        choices.append("(" + " AND ".join([*ties, _beyond(writer, alias, *terms[last], values[last])]) + ")")
    return f"({' OR '.join(choices)})"


def _tie(writer: Writer, alias: str, term: Any, value: Any) -> str:
    cell = term.sql(writer, alias)
    return f"{cell} IS NULL" if value is None else f"{cell} = {bind(writer, term.kind, value)}"


def _beyond(writer: Writer, alias: str, term: Any, descending: bool, value: Any) -> str:
    """A missing value counts as the greatest. The term is written as often as it stands: it may bind values."""
    if value is None:
        return f"{term.sql(writer, alias)} IS NOT NULL" if descending else "1 = 0"
    if descending:
        return f"{term.sql(writer, alias)} < {bind(writer, term.kind, value)}"
    greater = f"{term.sql(writer, alias)} > {bind(writer, term.kind, value)}"
    return f"({greater} OR {term.sql(writer, alias)} IS NULL)" if term.nullable else greater


def cursor_kind(target: Readable, order: Sorted) -> str:
    """What a cursor belongs to: a type in an order."""
    return target.name + "".join(f" {'-' if descending else ''}{term.name}" for term, descending in order)


def window_of(
    actor: Actor,
    target: Readable,
    declaration: Any,
    arguments: dict[str, Any],
    extra: Condition | None = None,
    *,
    walks: bool = False,
) -> Window:
    """The window that a connection's arguments ask for; in a walk through a whole list the ids are the order."""
    order = (
        OLDEST_ID_FIRST
        if walks
        else sorted_by(declaration.order, actor, arguments.get("orderBy"), arguments.get("filter"))
    )
    page = page_of(
        arguments.get("first"),
        arguments.get("after"),
        arguments.get("last"),
        arguments.get("before"),
        size_max=WALKED_PAGE_SIZE_MAX if walks else PAGE_SIZE_MAX,
    )
    kind = cursor_kind(target, order)
    cursor = None
    if page.cursor is not None:
        path = "before" if page.backward else "after"
        values = decode_cursor(page.cursor, kind, path)
        if len(values) != len(order):
            raise InvalidInput("This cursor does not belong to this list. Take it from pageInfo as it is.", path=[path])
        cursor = [from_cursor(term.kind, value, path) for (term, _), value in zip(order, values, strict=True)]
    conditions = [extra] if extra is not None else []
    if arguments.get("filter"):
        conditions.append(spec_of(declaration.filter).condition(actor, arguments["filter"]))
    return Window(all_of(*conditions) if conditions else None, order, page, cursor, kind)


@dataclass(slots=True)
class Request:
    """Whose request fills the gaps, and with what."""

    actor: Actor
    variables: VariableValues
    dialect: Dialect
    root: Window | None = None
    condition: Condition | None = None
    walks: bool = False
    windows: dict[int, Window] = field(default_factory=dict)

    def window(self, pick: Pick) -> Window:
        """The window of a nested connection."""
        found = self.windows.get(id(pick))
        if found is None:
            declaration = pick.declaration
            arguments = pick.arguments(self.variables)
            if isinstance(declaration, FacetRows):
                around = _root(self) if pick.around is None else self.window(pick.around)
                found = replace(around, page=page_of(arguments.get("first")), cursor=None)
            else:
                assert isinstance(declaration, Children) and pick.target is not None
                extra = condition_of(declaration.where, self.actor)
                found = window_of(self.actor, pick.target, declaration, arguments, extra, walks=self.walks)
            self.windows[id(pick)] = found
        return found


Gap = Callable[[Request, Writer], str]


@dataclass(slots=True)
class Refusal:
    """A field that the actor may not read: where it is, and what is missing."""

    keys: tuple[str, ...]
    nodes: list[FieldNode]
    permission: Permission


@dataclass(slots=True)
class Template:
    """A statement with gaps.

    Placeholders of PostgreSQL have numbers: those of the lasting text come first. SQLite counts them in the order of the
    text, so there each piece of lasting text is followed by its own values.
    """

    parts: list[str | Values | Gap]
    leading: Values
    aliases: int
    refusals: list[Refusal]
    objects: list[Objects] = field(default_factory=list)
    is_array: bool = False

    def fill(self, request: Request) -> tuple[str, list[Any]]:
        """The statement and its values for one request."""
        actor, dialect = request.actor, request.dialect
        pieces: list[str] = []
        writer = Writer(dialect, self.leading.of(actor), self.aliases)
        for part in self.parts:
            if type(part) is str:
                pieces.append(part)
            elif type(part) is Values:
                writer.values.extend(part.of(actor))
            else:
                before = len(writer.values)
                pieces.append(part(request, writer))  # type: ignore[operator]  # what is neither text nor values is a gap
                writer.values[before:] = bound(writer.values[before:], dialect)
        return "".join(pieces), writer.values


def kept_template(
    owner: Selection | ConnectionSelection, request: Request, make: Callable[["Builder"], None]
) -> Template:
    """The template of a selection for the shape of what an actor may see; made once, kept with the selection."""
    key = (request.actor.scope_key, request.dialect, request.walks)
    found: Template | None = owner.templates.get(key)
    if found is None:
        builder = Builder(request.dialect, request.actor, walks=request.walks)
        make(builder)
        found = builder.template()
        if len(owner.templates) >= TEMPLATES_MAX:
            owner.templates.clear()
        owner.templates[key] = found
    return found


class Builder:
    """Writes a template from left to right."""

    def __init__(self, dialect: Dialect, actor: Actor, *, walks: bool = False) -> None:
        self.dialect = dialect
        self.walks = walks
        self.actor = stand_in_for(actor)
        self.notation = NOTATIONS[dialect]
        self.objects: list[Objects] = []
        self.is_array = False
        self._parts: list[str | Values | Gap] = []
        self._text: list[str] = []
        self._refusals: list[Refusal] = []
        self._aliases = 0
        self._writer = LastingWriter(dialect)
        self._placed = 0

    def text(self, text: str) -> None:
        """Add text."""
        self._text.append(text)

    def lasting(self, write: Callable[[Writer, Actor], str]) -> None:
        """Add what is the same for every request of actors who may see the same, but for the values it binds."""
        self.text(self._writer.written(lambda writer: write(writer, self.actor)))

    def gap(self, gap: Gap) -> None:
        """Add what is written for each request."""
        self._close_text()
        self._parts.append(gap)

    def template(self) -> Template:
        """What was written."""
        self._close_text()
        leading = self._writer.values if self.dialect is Dialect.POSTGRES else []
        return Template(
            self._parts,
            Values(leading, self.dialect),
            self._writer.aliases,
            self._refusals,
            self.objects,
            self.is_array,
        )

    def _close_text(self) -> None:
        self._parts.append("".join(self._text))
        self._text = []
        if self.dialect is Dialect.SQLITE:
            self._parts.append(Values(self._writer.values[self._placed :], self.dialect))
            self._placed = len(self._writer.values)

    def alias(self) -> str:
        """A fresh alias of a table."""
        self._aliases += 1
        return f"t{self._aliases}"

    def visible(self, model: type[IdentifiedTable], alias: str) -> None:
        """The model's own condition on what the actor may see."""
        self.lasting(lambda writer, actor: model.visible_to(actor).write(writer, alias))

    # Objects

    def root_objects(self, selection: Selection, target: Readable) -> None:
        """The rows of which the request's condition is true, as pairs of id and object."""
        alias = self.alias()
        columns = Columns(self)
        id = columns.add(lambda: self.text(f'{quoted(alias)}."id"'), (f'{quoted(alias)}."id"', "shown"))
        self.objects = [columns.objects(f"({id}, {columns.root(selection, alias, ())})")]
        self.text("SELECT ")
        columns.write()
        self.text(f" FROM {target.table} {quoted(alias)}")
        for join in columns.joins:
            join()
        self.text(" WHERE ")
        self.gap(lambda request, writer: _written(request.condition, writer, alias))
        self.text(" AND ")
        self.visible(target.model, alias)

    def as_text(self, write: Write) -> None:
        """JSON as the text that it is."""
        self.between(self.notation.whole, write)

    def between(self, ends: tuple[str, str], write: Write) -> None:
        """Something between two texts."""
        self.text(ends[0])
        write()
        self.text(ends[1])

    def object(self, selection: Selection, alias: str, keys: tuple[str, ...]) -> None:
        """A JSON object of what is asked of the row called ``alias``."""
        pairs = [(pick.key, self._writer_of(pick, alias, (*keys, pick.key))) for pick in selection.picks]
        self.notation.write_row(self.text, pairs)

    def _writer_of(self, pick: Pick, alias: str, keys: tuple[str, ...]) -> Write:
        return lambda: self.value(pick, alias, keys)

    def pairs(self, pairs: Pairs) -> None:
        """A JSON object."""
        self.notation.write_object(self.text, pairs)

    def value(self, pick: Pick, alias: str, keys: tuple[str, ...]) -> None:
        """The value of one pick."""
        declaration = pick.declaration
        if declaration is None:
            self.text(self.notation.literal(pick.literal))
        elif self.refuses(declaration, pick.target, pick, keys):
            self._refused(pick)
        elif isinstance(declaration, Column):
            self.text(self.column(declaration.column, declaration.kind, alias))
        elif isinstance(declaration, Parent):
            self.related(pick, "id", declaration.via, alias, keys, None)
        elif isinstance(declaration, Single):
            self.related(pick, declaration.via, declaration.ours, alias, keys, declaration)
        elif isinstance(declaration, Either):
            self.either(pick.options, f"{quoted(alias)}.{quoted(declaration.via)}", keys, opens=pick.must_open)
        elif isinstance(declaration, Children):
            self.nested_connection(pick, declaration, alias, keys)
        elif isinstance(declaration, Group):
            self.group(pick, declaration, alias)
        elif isinstance(declaration, SqlValue):
            self.sql_value(pick.field, declaration, alias)
        elif isinstance(declaration, Computed):
            self.needs(pick, declaration, alias)
        else:
            raise TypeError(f"{pick.name} cannot be read from a row")

    def column(self, column: str, kind: Any, alias: str) -> str:
        """A column's JSON."""
        return self.notation.value(kind, f"{quoted(alias)}.{quoted(column)}")

    def missing(self, declaration: Declaration, target: Readable | None) -> Permission | None:
        """The permission that the actor lacks for a field, if one is lacking."""
        for permission in (declaration.permission, target.permission if target is not None else None):
            if permission is not None and not self.actor.holds(permission):
                return permission
        return None

    def refuses(self, declaration: Declaration, target: Readable | None, pick: Pick, keys: tuple[str, ...]) -> bool:
        """Whether the actor may not read something; then that is noted, once for each place."""
        missing = self.missing(declaration, target)
        if missing is not None and all(known.keys != keys for known in self._refusals):
            self._refusals.append(Refusal(keys, pick.nodes, missing))
        return missing is not None

    def _refused(self, pick: Pick) -> None:
        connection = pick.connection
        if connection is None:
            self.text(self.notation.null)
        elif pick.must_open:
            no_rows = self._fixed(self.notation.no_rows)
            rows = [(f"r{index}", no_rows) for index in range(len(connection.rows))]
            null = self._fixed(self.notation.null)
            summaries = [(f"s{part.key}", null) for part in connection.parts if part.summary is not None]
            self.pairs([*rows, *summaries, ("k", no_rows), ("c", self._fixed(self.notation.zero))])
        else:
            self.pairs([(part.key, self._empty_part(part)) for part in connection.parts])

    def _empty_part(self, part: ConnectionPart) -> Write:
        if part.name == "pageInfo":
            return self._literals(part)
        if part.name == "totalCount":
            return self._fixed(self.notation.zero)
        if part.summary is not None:
            return self._fixed(self.notation.null)
        return self._fixed(self.notation.literal(part.literal) if part.literal else self.notation.no_rows)

    def _fixed(self, text: str) -> Write:
        return lambda: self.text(text)

    def _literal(self, text: str) -> Write:
        return self._fixed(self.notation.literal(text))

    def _literals(self, part: ConnectionPart) -> Write:
        return lambda: self.pairs([(key, self._literal(type)) for key, _, _, type in part.parts])

    def related(
        self, pick: Pick, theirs: str, ours: str, alias: str, keys: tuple[str, ...], single: Single | None
    ) -> None:
        """The one row of another table that belongs to ours, or null."""
        assert pick.selection is not None and pick.target is not None
        inner = self.alias()
        ends = self.notation.related if single is None else self.notation.first_related
        self.text(ends[0])
        self.object(pick.selection, inner, keys)
        self.text(f" FROM {pick.target.table} {quoted(inner)} WHERE {quoted(inner)}.{quoted(theirs)} = ")
        self.text(f"{quoted(alias)}.{quoted(ours)} AND ")
        self.visible(pick.target.model, inner)
        if single is not None:
            self.narrowed(single.where, inner)
            self.text(f' ORDER BY {quoted(inner)}."id" DESC LIMIT 1')
        self.text(ends[1])

    def either(self, options: Sequence[Option], id: str, keys: tuple[str, ...], *, opens: bool) -> None:
        """The row of an id, whichever of some types it is of, or null. If Python is to open it, behind the option's number."""
        open_to = [(index, option) for index, option in enumerate(options) if option.target.allows(self.actor)]
        self.text("CASE" if open_to else self.notation.null)
        for index, option in open_to:
            prefix = f"{option.target.model.prefix}_"
            self.text(f" WHEN substr({id}, 1, {len(prefix)}) = '{prefix}' THEN ")
            self.between(self.notation.first_related, partial(self._option, index, option, id, keys, opens))
        self.text(f" ELSE {self.notation.null} END" if open_to else "")

    def _option(self, index: int, option: Option, id: str, keys: tuple[str, ...], opens: bool) -> None:
        inner = self.alias()
        self.between(
            self.notation.numbered(index) if opens else self.notation.document,
            lambda: self.object(option.selection, inner, keys),
        )
        self.text(f' FROM {option.target.table} {quoted(inner)} WHERE {quoted(inner)}."id" = {id} AND ')
        self.visible(option.target.model, inner)

    def narrowed(self, where: Where | None, alias: str) -> None:
        """The fixed condition of a relation; one that is made for each actor is made for each request."""
        if callable(where):
            self.text(" AND ")
            self.gap(lambda request, writer: where(request.actor).write(writer, alias))
        elif where is not None:
            self.text(" AND ")
            self.lasting(lambda writer, actor: where.write(writer, alias))

    def group(self, pick: Pick, declaration: Group, alias: str) -> None:
        """Some columns of the row as an object."""
        assert pick.selection is not None
        if declaration.null_without is not None:
            column = declaration.columns[declaration.null_without]
            self.text(f"CASE WHEN {quoted(alias)}.{quoted(column)} IS NOT NULL THEN ")
        parts = [(part.key, self._part_of(part, declaration, alias)) for part in pick.selection.picks]
        self.notation.write_row(self.text, parts)
        if declaration.null_without is not None:
            self.text(f"{self.notation.otherwise} END")

    def _part_of(self, part: Pick, declaration: Group, alias: str) -> Write:
        if part.field is None:
            return self._literal(part.literal)
        name = python_name(part.field)
        return lambda: self.text(self.column(declaration.columns[name], declaration.kinds[name], alias))

    def sql_value(self, field: Any, declaration: SqlValue, alias: str) -> None:
        """A value that our SQL computes."""
        assert declaration.sql is not None
        self.computed_by(declaration.sql, self.notation.value(_kind_of(field), HERE), alias)

    def computed_by(self, sql: Sql, form: str, alias: str) -> None:
        """What our SQL computes, in a form that names it ``HERE``."""
        before, after = form.split(HERE)
        self.text(before + "(")
        self.lasting(lambda writer, actor: sql(writer, alias, actor))
        self.text(")" + after)

    def needs(self, pick: Pick, declaration: Computed, alias: str) -> None:
        """What a Python function needs, as an array in its place."""
        self.text(self.notation.array + "(")
        for index, need in enumerate(declaration.needs):
            self.text(", " if index else "")
            if callable(need):
                self.computed_by(need, HERE, alias)
            elif need in declaration.kinds:
                cell = f"{quoted(alias)}.{quoted(need)}"
                self.text(json_of(declaration.kinds[need], cell, self.dialect))
            else:
                field, value = self._named_value(pick, need)
                assert value.sql is not None
                self.computed_by(value.sql, json_of(_kind_of(field), HERE, self.dialect), alias)
        self.text(")")

    def kind_of_need(self, pick: Pick, need: str | Sql) -> Kind | None:
        """What an SQL value that is needed by name holds; None of SQL that has no name."""
        return None if callable(need) else _kind_of(self._named_value(pick, need)[0])

    def _named_value(self, pick: Pick, need: str) -> tuple[Any, SqlValue]:
        for known in pick.owner.fields.values():
            declaration = field_declaration(known)
            if isinstance(declaration, SqlValue) and python_name(known) == need:
                return known, declaration
        raise TypeError(f"{pick.name} needs {need}, which is neither a column nor an SQL value of its type")

    # Connections

    def nested_connection(self, pick: Pick, declaration: Children, alias: str, keys: tuple[str, ...]) -> None:
        """A page of the rows that belong to ours, as one JSON object."""
        assert pick.connection is not None and pick.target is not None

        def joins(inner: str) -> None:
            self.text(f"{quoted(inner)}.{quoted(declaration.via)} = {quoted(alias)}.{quoted(declaration.ours)} AND ")

        self.connection(pick.connection, Scope(pick.target, joins, lambda request: request.window(pick)), keys)

    def connection(self, connection: ConnectionSelection, scope: Scope, keys: tuple[str, ...]) -> None:
        """A page of a list, as one JSON object."""
        inner = self.alias()
        pairs: list[tuple[str, Write]] = []

        def total() -> None:
            self.text("(SELECT count(*)")
            self.matching(scope, inner)
            self.text(")")

        def rows(selection: Selection) -> Write:
            return lambda: self.collected(lambda: self.object(selection, inner, (*keys, *selection.path)))

        def summary(part: ConnectionPart) -> Write:
            return lambda: write_summary(self, part, scope, (*keys, part.key))

        if connection.must_open:
            pairs = [(f"r{index}", rows(selection)) for index, selection in enumerate(connection.rows)]
            pairs += [(f"s{part.key}", summary(part)) for part in connection.parts if part.summary is not None]
            if connection.wants_more or connection.wants_keys:
                pairs.append(("k", lambda: self.collected(lambda: self.keys(scope, inner))))
            if connection.wants_total:
                pairs.append(("c", total))
        else:
            for part in connection.parts:
                if part.name == "nodes" and part.rows is not None:
                    pairs.append((part.key, rows(part.rows)))
                elif part.name == "edges":
                    pairs.append((part.key, self._edges(part.parts, inner, keys)))
                elif part.name == "totalCount":
                    pairs.append((part.key, total))
                elif part.name == "pageInfo":
                    pairs.append((part.key, self._literals(part)))
                elif part.summary is not None:
                    pairs.append((part.key, summary(part)))
                else:
                    pairs.append((part.key, self._literal(part.literal)))
        self.text("(SELECT ")
        self.pairs(pairs)
        if connection.wants_page:
            self.text(" FROM (")
            self.page(connection, scope, inner)
            self.text(f") {quoted(inner)}")
        self.text(")")

    def _edges(self, parts: list[Any], inner: str, keys: tuple[str, ...]) -> Write:
        def edge() -> None:
            self.pairs([(key, self._edge_part(selection, type, inner, keys)) for key, _, selection, type in parts])

        return lambda: self.collected(edge)

    def _edge_part(self, selection: Selection | None, type: str, inner: str, keys: tuple[str, ...]) -> Write:
        if selection is None:
            return self._literal(type)
        return lambda: self.object(selection, inner, (*keys, *selection.path))

    def collected(self, write: Write) -> None:
        """The rows of a sub-query as a JSON array."""
        self.between(self.notation.collected, write)

    def keys(self, scope: Scope, alias: str) -> None:
        """What a row's cursor is made of."""
        self.gap(lambda request, writer: scope.window(request).keys(writer, alias))

    def matching(self, scope: Scope, alias: str, *, by_id: bool = False) -> None:
        """FROM and WHERE of all rows of a list, whatever the page."""
        self.text(f" FROM {scope.target.table} {quoted(alias)} WHERE ")
        scope.joins(alias)
        # SQLite would take the organization's index, and sort all its rows for each page. It has no index for a sum.
        ends = ("+(", ")") if by_id and self.dialect is Dialect.SQLITE else ("", "")
        self.between(ends, lambda: self.visible(scope.target.model, alias))
        self.gap(lambda request, writer: _narrowed(scope.window(request), writer, alias))

    def page(self, connection: ConnectionSelection, scope: Scope, alias: str) -> None:
        """The rows of a nested page, in the order in which they are shown."""
        more = 1 if connection.wants_more else 0
        self.gap(lambda request, writer: "SELECT * FROM (" if scope.window(request).page.backward else "")
        self.text("SELECT *")
        self.matching(scope, alias)

        def rest(request: Request, writer: Writer) -> str:
            window = scope.window(request)
            text = window.keyset(writer, alias) + window.order_by(writer, alias)
            text += f" LIMIT {window.page.size + more:d}"
            if window.page.backward:
                text += f") {quoted(alias)}{window.order_by(writer, alias, as_shown=True)}"
            return text

        self.gap(rest)

    def root_connection(self, connection: ConnectionSelection) -> None:
        """A page as rows, with what is told of the whole list in front: its total, and in the first row its summaries."""
        scope, alias = _root_scope(connection), self.alias()
        if connection.front:
            shown = ["c.n"] if connection.wants_total else []
            shown += [
                f"CASE WHEN row_number() OVER () = 1 THEN c.{name} END AS {name}"
                for name in connection.front[len(shown) :]
            ]
            self.text(f"SELECT {', '.join(shown)}{', p.*' if connection.wants_page else ''} FROM (SELECT ")
            self._write_front(connection, scope)
            self.text(") c")
            if not connection.wants_page:
                return
            self.text(" LEFT JOIN (")
        self.root_page(connection, scope, alias)
        if connection.front:
            self.text(") p ON TRUE")

    def _write_front(self, connection: ConnectionSelection, scope: Scope) -> None:
        if connection.wants_total:
            self.text("(SELECT count(*)")
            self.matching(scope, self.alias())
            self.text(") AS n")
        for index, part in enumerate(part for part in connection.parts if part.summary is not None):
            self.text(", " if index or connection.wants_total else "")
            self.as_text(partial(write_summary, self, part, scope, (part.key,)))
            self.text(f" AS s{index}")

    def root_page(self, connection: ConnectionSelection, scope: Scope, alias: str) -> None:
        """The rows of the page: first a mark that there is one, then what is asked, last what cursors are made of."""
        if self.dialect is Dialect.POSTGRES and connection.wants_rows_alone:
            self.root_array(connection, scope, alias)
            return
        columns = Columns(self)
        columns.add(lambda: self.text("1"))
        expressions = [columns.root(selection, alias, selection.path) for selection in connection.rows]
        if connection.wants_keys:
            columns.add(lambda: self.as_text(lambda: self.gap(lambda request, w: _root(request).keys(w, alias))))
        leading = "".join(f"{name}, " for name in connection.front)
        self.objects = [columns.objects(expression, leading=leading) for expression in expressions]
        self.text("SELECT ")
        columns.write()
        # Which rows are on the page is settled before anything is fetched for them: both databases would compute some of
        # what is selected for all rows before they sort them.
        name, order = quoted(alias), lambda request, w: _root(request).order_by(w, alias)
        if self.dialect is Dialect.SQLITE:
            self.text(" FROM (SELECT rowid AS r")
            self.root_rows(connection, scope, alias)
            self.text(f") p CROSS JOIN {scope.target.table} {name} ON {name}.rowid = p.r")
        else:
            self.text(" FROM (SELECT *")
            self.root_rows(connection, scope, alias)
            self.text(f") {name}")
        for join in columns.joins:
            join()
        self.gap(order)

    def root_array(self, connection: ConnectionSelection, scope: Scope, alias: str) -> None:
        """How many rows the page has, and all of them as one text: a third less work for the server than a text for each."""
        [selection] = connection.rows
        self.is_array = True
        self.objects = [lambda rows, request: orjson.Fragment(rows[0][1])]
        self.text("SELECT count(*), CAST(coalesce(json_agg(p.r), CAST('[]' AS json)) AS TEXT) FROM (SELECT ")
        self.object(selection, alias, selection.path)
        self.text(" AS r FROM (SELECT *")
        self.root_rows(connection, scope, alias)
        self.text(f") {quoted(alias)}")
        self.gap(lambda request, w: _root(request).order_by(w, alias, as_shown=True))
        self.text(") p")

    def root_rows(self, connection: ConnectionSelection, scope: Scope, alias: str) -> None:
        """FROM, WHERE, ORDER BY and LIMIT of the page; one row more shows whether the list goes on.

        Where the rows ahead are two stretches of an index, each gives a page of its own, and the page is the first of both.
        """
        name, more = quoted(alias), 1 if connection.wants_more else 0
        head = "SELECT rowid, *" if self.dialect is Dialect.SQLITE else "SELECT *"

        def opening(request: Request, writer: Writer) -> str:
            return f" FROM (SELECT * FROM ({head}" if len(_root(request).stretches()) > 1 else ""

        def rest(request: Request, writer: Writer) -> str:
            window = _root(request)

            def page() -> str:
                # Written out: with a placeholder PostgreSQL thinks of a tenth of all rows, and plans anew each time.
                return f"{window.order_by(writer, alias)} LIMIT {window.page.size + more:d}"

            stretches = window.stretches()
            text = f" AND {stretches[0](writer, alias)}{page()}" if stretches else page()
            for stretch in stretches[1:]:
                text += f") {name} UNION ALL SELECT * FROM ({head} FROM {scope.target.table} {name} WHERE "
                text += scope.target.model.visible_to(request.actor).write(writer, alias)
                text += (
                    _narrowed(window, writer, alias) + f" AND {stretch(writer, alias)}{page()}) {name}) {name}{page()}"
                )
            return text

        self.gap(opening)
        self.matching(scope, alias, by_id=self.walks)
        self.gap(rest)


def _kind_of(field: Any) -> Kind:
    return scalar_kind(get_named_type(field.type).name)


def _root_scope(connection: ConnectionSelection) -> Scope:
    """A list at the root hangs on nothing."""
    return Scope(connection.target, lambda alias: None, _root)


def _root(request: Request) -> Window:
    assert request.root is not None
    return request.root


def _narrowed(window: Window, writer: Writer, alias: str) -> str:
    return "" if window.condition is None else f" AND {window.condition.write(writer, alias)}"


def _written(condition: Condition | None, writer: Writer, alias: str) -> str:
    return "1 = 1" if condition is None else condition.write(writer, alias)
