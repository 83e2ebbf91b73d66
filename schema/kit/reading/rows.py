"""The rows a statement answers with, column by column, and the Python that makes the client's objects of them.

Who writes the JSON was measured, for a page of a hundred with three objects in each. PostgreSQL makes it of records for
a third more of its own time, and Python is spared two thirds of its: there each row comes as one text, unless Python has
to look into it. SQLite takes twice as long to join JSON as to hand over columns: there, and where Python computes
something, a row and those it points to come as plain columns. Nested lists come as JSON text always, and are spliced in.

The objects are made by one generated function, because a page has thousands of values. Its source holds nothing but
numbered names and the response's keys.
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from app.infrastructure.conditions import quoted
from app.kernel.dialects import Dialect
from schema.kit.declarations import Column, Computed, Declaration, Group, Parent, Single
from schema.kit.kinds import Kind, json_of, python_of
from schema.kit.reading.notation import Write
from schema.kit.reading.opening import open_value
from schema.kit.reading.selection import Pick, Selection, python_name
from schema.kit.reading.showing import shower

JOINS_MAX = 24  # SQLite joins at most 64 tables, and PostgreSQL takes its time over many

Objects = Callable[[Sequence[Any], Any], Any]
"""Rows and the request → a list of objects, ready to become JSON."""


class Columns:
    """The columns and joins of one statement, in the making."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.sqlite = builder.dialect is Dialect.SQLITE
        self.joins: list[Write] = []
        self._writes: list[Write] = []
        self._places: dict[Any, str] = {}
        self._names: dict[str, Any] = {"Fragment": orjson.Fragment, "loads": orjson.loads}

    def write(self) -> None:
        """The select list; its names are numbers, because columns of several tables may be called the same."""
        for index, write in enumerate(self._writes):
            self.builder.text(", " if index else "")
            write()
            self.builder.text(f" AS c{index}")

    def add(self, write: Write, key: Any = None) -> str:
        """A column, and the name of its value in the generated function; the same key gives the same column."""
        name = self._places.get(key) if key is not None else None
        if name is None:
            name = f"c{len(self._writes)}"
            self._writes.append(write)
            if key is not None:
                self._places[key] = name
        return name

    def objects(self, expression: str, *, leading: str = "") -> Objects:
        """The function that evaluates an expression for every row; ``leading`` names what stands before the columns."""
        names = leading + "".join(f"c{index}, " for index in range(len(self._writes)))
        made: Objects = eval(
            f"lambda rows, request: [{expression} for {names}in rows]", self._names
        )  # its source: see above
        return made

    def _named(self, value: Any) -> str:
        name = f"v{len(self._names)}"
        self._names[name] = value
        return name

    # What is asked, as Python that makes it

    def root(self, selection: Selection, alias: str, keys: tuple[str, ...]) -> str:
        """What is asked of a row of the statement's own table."""
        if self.sqlite or selection.must_open:
            return self.object(selection, alias, keys)
        text = self.add(lambda: self.builder.as_text(lambda: self.builder.object(selection, alias, keys)))
        return f"Fragment({text})"

    def object(self, selection: Selection, alias: str, keys: tuple[str, ...]) -> str:
        """An object of what is asked of the row called ``alias``."""
        pairs = (f"{pick.key!r}: {self._value(pick, alias, (*keys, pick.key))}" for pick in selection.picks)
        return "{" + ", ".join(pairs) + "}"

    def _value(self, pick: Pick, alias: str, keys: tuple[str, ...]) -> str:
        declaration = pick.declaration
        if declaration is None:
            return repr(pick.literal)
        if self.builder.missing(declaration, pick.target) is None:
            if isinstance(declaration, Column):
                return self._column(declaration.column, declaration.kind, alias, nullable=True)
            if isinstance(declaration, Parent | Single) and len(self.joins) < JOINS_MAX:
                return self._joined(pick, declaration, alias, keys)
            if isinstance(declaration, Group):
                return self._group(pick, declaration, alias)
            if isinstance(declaration, Computed):
                return self._computed(pick, declaration, alias)
        return self._json(pick, alias, keys)

    def _json(self, pick: Pick, alias: str, keys: tuple[str, ...]) -> str:
        """JSON that the database writes, and that is opened where Python has to look into it."""
        text = self.add(lambda: self.builder.as_text(lambda: self.builder.value(pick, alias, keys)))
        if not pick.must_open or isinstance(pick.declaration, Computed):  # of the latter only those that are refused
            return f"(Fragment({text}) if {text} is not None else None)"
        opened = self._named(lambda text, request: open_value(orjson.loads(text), pick, request) if text else None)
        return f"{opened}({text}, request)"

    def _column(self, column: str, kind: Kind, alias: str, *, nullable: bool) -> str:
        cell = f"{quoted(alias)}.{quoted(column)}"
        name = self.add(lambda: self.builder.text(self._selected(kind, cell)), (cell, "shown"))
        shown = self._shown(kind, name)
        return shown if shown == name or not nullable else f"({shown} if {name} is not None else None)"

    def _selected(self, kind: Kind, cell: str) -> str:
        if kind is Kind.DECIMAL:
            return json_of(kind, cell, self.builder.dialect)
        if kind in (Kind.MOMENT, Kind.JSON) and not self.sqlite:
            return f"CAST({cell} AS TEXT)"
        return cell

    def _shown(self, kind: Kind, name: str) -> str:
        """Python that makes of a column's value what JSON shows; both databases keep moments as text in UTC."""
        if kind is Kind.MOMENT:
            return f"{name}[:10] + 'T' + {name}[11:]" + ("" if self.sqlite else " + ':00'")
        if kind is Kind.JSON:
            return f"Fragment({name})"
        if kind is Kind.BOOLEAN and self.sqlite:
            return f"{name} == 1"
        return name

    def _group(self, pick: Pick, declaration: Group, alias: str) -> str:
        assert pick.selection is not None
        parts = []
        for part in pick.selection.picks:
            if part.field is None:
                parts.append(f"{part.key!r}: {part.literal!r}")
                continue
            name = python_name(part.field)
            shown = self._column(declaration.columns[name], declaration.kinds[name], alias, nullable=True)
            parts.append(f"{part.key!r}: {shown}")
        made = "{" + ", ".join(parts) + "}"
        if declaration.null_without is None:
            return made
        column = declaration.columns[declaration.null_without]
        kind = declaration.kinds[declaration.null_without]
        cell = f"{quoted(alias)}.{quoted(column)}"
        there = self.add(lambda: self.builder.text(self._selected(kind, cell)), (cell, "shown"))
        return f"({made} if {there} is not None else None)"

    def _computed(self, pick: Pick, declaration: Computed, alias: str) -> str:
        """A call of the declared function, with columns as they are and what SQL computes as one JSON array."""
        function, convert = declaration.function, shower(pick)
        written = [need for need in declaration.needs if callable(need) or need not in declaration.kinds]
        array = ""
        if written:
            only = Computed(None, function, tuple(written), kinds=declaration.kinds)
            text = self.add(lambda: self.builder.as_text(lambda: self.builder.needs(pick, only, alias)))
            array = f"loads({text})"
        values, position = [], 0
        for need in declaration.needs:
            if isinstance(need, str) and need in declaration.kinds:
                values.append(self._python(need, declaration.kinds[need], alias))
            else:
                kind = self.builder.kind_of_need(pick, need)
                item = f"array[{position}]"
                values.append(item if kind is None else f"{self._named(_decoder(kind))}({item})")
                position += 1
        arguments = ", ".join((["request.actor"] if declaration.actor else []) + values)
        call = f"{self._named(convert)}({self._named(function)}({arguments}))"
        return f"(lambda array: {call})({array})" if array else call

    def _python(self, column: str, kind: Kind, alias: str) -> str:
        """A column's value as the declared function wants it."""
        cell = f"{quoted(alias)}.{quoted(column)}"
        if kind in (Kind.TEXT, Kind.NUMBER) or (kind is Kind.BOOLEAN and not self.sqlite):
            return self.add(lambda: self.builder.text(cell), (cell, "shown"))
        if kind is Kind.JSON:
            name = self.add(lambda: self.builder.text(self._selected(kind, cell)), (cell, "shown"))
            return f"(loads({name}) if {name} is not None else None)"
        native = not self.sqlite and kind in (Kind.MOMENT, Kind.DAY)
        name = self.add(
            lambda: self.builder.text(cell if native else json_of(kind, cell, self.builder.dialect)),
            (cell, "python"),
        )
        if kind is Kind.BOOLEAN:
            return f"(None if {name} is None else {name} == 'true')"
        return name if native else f"{self._named(_decoder(kind))}({name})"

    # Rows that the row points to

    def _joined(self, pick: Pick, declaration: Parent | Single, alias: str, keys: tuple[str, ...]) -> str:
        assert pick.selection is not None and pick.target is not None
        inner = self.builder.alias()
        self.joins.append(lambda: self._join(pick, declaration, alias, inner))
        there = self.add(lambda: self.builder.text(f'{quoted(inner)}."id"'), (f'{quoted(inner)}."id"', "shown"))
        return f"({self.object(pick.selection, inner, keys)} if {there} is not None else None)"

    def _join(self, pick: Pick, declaration: Parent | Single, alias: str, inner: str) -> None:
        """LATERAL with a LIMIT keeps PostgreSQL from reading whole tables in order to join a page of rows with them."""
        assert pick.target is not None
        text, table, name = self.builder.text, pick.target.table, quoted(inner)
        ours = f"{quoted(alias)}.{quoted(declaration.via if isinstance(declaration, Parent) else declaration.ours)}"
        theirs = "id" if isinstance(declaration, Parent) else declaration.via
        if not self.sqlite:
            text(f" LEFT JOIN LATERAL (SELECT * FROM {table} {name} WHERE {name}.{quoted(theirs)} = {ours} AND ")
            self._belongs(pick, declaration, inner)
            text(f" LIMIT 1) {name} ON TRUE")
        elif isinstance(declaration, Parent):
            text(f" LEFT JOIN {table} {name} ON {name}.{quoted(theirs)} = {ours} AND ")
            self._belongs(pick, declaration, inner)
        else:
            text(f' LEFT JOIN {table} {name} ON {name}."id" = (SELECT {name}."id" FROM {table} {name} WHERE ')
            text(f"{name}.{quoted(theirs)} = {ours} AND ")
            self._belongs(pick, declaration, inner)
            text(" LIMIT 1)")

    def _belongs(self, pick: Pick, declaration: Declaration, inner: str) -> None:
        """Which of the other table's rows it may be: one that the actor may see, and the newest if there are several."""
        assert pick.target is not None
        self.builder.visible(pick.target.model, inner)
        if isinstance(declaration, Single):
            self.builder.narrowed(declaration.where, inner)
            self.builder.text(f' ORDER BY {quoted(inner)}."id" DESC')


def _decoder(kind: Kind) -> Callable[[Any], Any]:
    return lambda value: python_of(kind, value)
