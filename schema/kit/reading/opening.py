"""Where Python has to look into the JSON: values that a function computes, and nested pages that want cursors."""

from typing import TYPE_CHECKING, Any

from graphql import get_named_type

from app.kernel.pages import encode_cursor
from schema.kit.declarations import Computed, SqlValue
from schema.kit.kinds import python_of, scalar_kind
from schema.kit.reading.selection import (
    ConnectionPart,
    ConnectionSelection,
    Pick,
    Selection,
    field_declaration,
    python_name,
)
from schema.kit.reading.showing import shower

if TYPE_CHECKING:
    from schema.kit.reading.statement import Request, Window


def open_object(value: dict[str, Any], selection: Selection, request: "Request") -> dict[str, Any]:
    """Put what Python has to compute into an object that the database made."""
    for pick in selection.picks:
        if pick.must_open:
            value[pick.key] = open_value(value[pick.key], pick, request)
    return value


def open_value(found: Any, pick: Pick, request: "Request") -> Any:
    """A field's value, of which Python computes something, out of what the database made for it."""
    if found is None:
        return None
    if isinstance(pick.declaration, Computed):
        return _computed(found, pick, pick.declaration, request)
    if pick.connection is not None:
        return nested_page(found, pick.connection, request.window(pick), request)
    if pick.options:
        option, row = found
        return open_object(row, pick.options[option].selection, request)
    if pick.selection is None:
        return found
    if isinstance(found, list):
        return [open_object(one, pick.selection, request) for one in found]
    return open_object(found, pick.selection, request)


def _computed(needs: list[Any], pick: Pick, declaration: Computed, request: "Request") -> Any:
    assert declaration.function is not None and pick.field is not None
    values = [_need(pick, declaration, need, value) for need, value in zip(declaration.needs, needs, strict=True)]
    arguments = [request.actor, *values] if declaration.actor else values
    return shower(pick)(declaration.function(*arguments))


def _need(pick: Pick, declaration: Computed, need: Any, value: Any) -> Any:
    if not isinstance(need, str):
        return value
    if need in declaration.kinds:
        return python_of(declaration.kinds[need], value)
    for field in pick.owner.fields.values():
        if isinstance(field_declaration(field), SqlValue) and python_name(field) == need:
            return python_of(scalar_kind(get_named_type(field.type).name), value)
    return value


# Pages


def nested_page(
    found: dict[str, Any], connection: ConnectionSelection, window: "Window", request: "Request"
) -> dict[str, Any]:
    """A nested list's page as its connection shows it."""
    columns = [found[f"r{index}"] for index in range(len(connection.rows))]
    keys: list[list[Any]] = found.get("k", [])
    size = window.page.size
    more = connection.wants_more and len(keys) > size
    kept = slice(1, None) if more and window.page.backward else slice(0, size)
    columns = [
        [open_object(row, selection, request) if selection.must_open else row for row in column[kept]]
        for column, selection in zip(columns, connection.rows, strict=True)
    ]
    keyed = keys[kept]
    if not connection.wants_cursors:
        keyed = [keyed[0], keyed[-1]] if keyed and connection.wants_ends else []
    cursors = [encode_cursor(window.kind, one) for one in keyed]
    count = len(keys[kept]) if "k" in found else len(columns[0]) if columns else 0
    rows = dict(zip(map(id, connection.rows), columns, strict=True))
    info = page_info(window, more, cursors)
    opened = {part.key: page_part(part, rows, count, cursors, info, found.get("c", 0)) for part in connection.parts}
    for part in connection.parts:
        if part.summary is not None:
            summary = found[f"s{part.key}"]
            opens = part.summary.must_open and summary is not None
            opened[part.key] = open_object(summary, part.summary, request) if opens else summary
    return opened


def page_part(
    part: ConnectionPart, rows: dict[int, list[Any]], count: int, cursors: list[str], info: dict[str, Any], total: int
) -> Any:
    """One of a connection's own fields."""
    if part.name == "nodes":
        return rows[id(part.rows)]
    if part.name == "totalCount":
        return total
    if part.summary is not None:
        return None
    if part.name == "pageInfo":
        return {key: info.get(name, type) for key, name, _, type in part.parts}
    if part.name == "edges":
        return [
            {
                key: cursors[index] if name == "cursor" else type if selection is None else rows[id(selection)][index]
                for key, name, selection, type in part.parts
            }
            for index in range(count)
        ]
    return part.literal


def page_info(window: "Window", more: bool, cursors: list[str]) -> dict[str, Any]:
    """What PageInfo says of a page."""
    came_from_somewhere = window.page.cursor is not None
    backward = window.page.backward
    return {
        "hasNextPage": came_from_somewhere if backward else more,
        "hasPreviousPage": more if backward else came_from_somewhere,
        "startCursor": cursors[0] if cursors else None,
        "endCursor": cursors[-1] if cursors else None,
    }
