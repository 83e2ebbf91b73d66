"""The ways into the reader: one row, some rows by id, a page. Each is one statement."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLObjectType, get_named_type

from app import database
from app.infrastructure.conditions import Condition, column
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput, Unavailable
from app.kernel.ids import prefix_of
from app.kernel.pages import encode_cursor
from schema.kit.context import Context
from schema.kit.declarations import READABLE_BY_PREFIX, Readable, readable_of
from schema.kit.reading.hits import Finds, hits_selection, hits_statement, looking, page_json
from schema.kit.reading.opening import open_object, page_info, page_part
from schema.kit.reading.rows import Objects
from schema.kit.reading.selection import (
    ConnectionPart,
    ConnectionSelection,
    Info,
    connection_selection,
    object_selection,
)
from schema.kit.reading.statement import Refusal, Request, Template, Window, kept_template


async def read_one(type: Any, id: str | None, info: Info, context: Context | None = None) -> Any:
    """What a field asks of the row of that id: an ``orjson.Fragment``, or None where the actor may not see it."""
    if id is None:
        return None
    return await read_where(type, column("id") == id, info, context)


async def read_where(type: Any, condition: Condition, info: Info, context: Context | None = None) -> Any:
    """What a field asks of the one row of which a condition is true. More than one is a bug of ours."""
    target = type if isinstance(type, Readable) else readable_of(type)
    context = info.context if context is None else context
    actor = context.require_actor()
    if not _allowed(target, actor, context, info):
        return None
    selection = object_selection(info, _object_type(info, target))
    request = Request(actor, info.variable_values, database.dialect(), condition=condition, walks=context.walks)
    template = kept_template(selection, request, lambda builder: builder.root_objects(selection, target))
    rows = await _read(template, request, context, info)
    if len(rows) > 1:
        raise RuntimeError(f"the condition for one {target.name} is true of several")
    return _complete(template.objects[0](rows, request)[0][1]) if rows else None


async def read_many(ids: Sequence[str], info: Info, context: Context | None = None) -> list[Any]:
    """What a field asks of the rows of some ids, in their order, None where there is none that the actor may see.

    The ids may be of different types; there is one statement for each type.
    """
    context = info.context if context is None else context
    actor = context.require_actor()
    found: dict[str, Any] = {}
    for prefix in dict.fromkeys(map(prefix_of, ids)):
        target = READABLE_BY_PREFIX.get(prefix)
        if target is None or target.name not in info.schema.type_map or not _allowed(target, actor, context, info):
            continue
        wanted = [id for id in dict.fromkeys(ids) if prefix_of(id) == prefix]
        found |= await _read_ids(target, wanted, actor, context, info)
    return [found.get(id) for id in ids]


async def _read_ids(target: Readable, ids: list[str], actor: Actor, context: Context, info: Info) -> dict[str, Any]:
    selection = object_selection(info, _object_type(info, target))
    request = Request(actor, info.variable_values, database.dialect(), condition=column("id").one_of(ids))
    template = kept_template(selection, request, lambda builder: builder.root_objects(selection, target))
    rows = await _read(template, request, context, info)
    return {id: _complete(made) for id, made in template.objects[0](rows, request)}


async def read_connection(type: Any, window: Window, info: Info, context: Context | None = None) -> orjson.Fragment:
    """What a field asks of a page of rows."""
    context = info.context if context is None else context
    actor = context.require_actor()
    connection_type = get_named_type(info.return_type)
    assert isinstance(connection_type, GraphQLObjectType)
    connection = connection_selection(info, connection_type)
    request = Request(actor, info.variable_values, database.dialect(), root=window, walks=context.walks)
    if not _allowed(connection.target, actor, context, info):
        return _page([], [_nothing] * len(connection.rows), connection, request)
    template = kept_template(connection, request, lambda builder: builder.root_connection(connection))
    wants_statement = connection.wants_page or connection.front
    rows = await _read(template, request, context, info) if wants_statement else []
    if connection.wants_page and info.path.prev is None:
        front = len(connection.front)  # with something in front an empty page has a row, of nothing else
        found = 0 if front and len(rows) == 1 and rows[0][front] is None else len(rows)
        if template.is_array:
            found = rows[0][0]
        context.rows[str(info.path.key)] = min(found, window.page.size)
    return _page(rows, template.objects, connection, request)


async def read_hits(
    targets: Sequence[Readable],
    wanted: Sequence[Readable],
    text: str,
    first: int | None,
    after: str | None,
    info: Info,
) -> orjson.Fragment:
    """What a field asks of a page of whatever answers a text: of some types, of which some are wanted."""
    asked, selection = looking(info, wanted, text, first, after), hits_selection(info)
    open_to = [target for target in targets if target.allows(asked.actor)]
    rows: list[Any] = []
    if open_to:
        template = kept_template(selection, asked, lambda builder: hits_statement(builder, selection, open_to))
        rows = await _read(template, asked, info.context, info)
    found = [row[1:] for row in rows if row[1] is not None]
    if info.path.prev is None:
        info.context.rows[str(info.path.key)] = min(len(found), asked.size)
    finds = Finds(found[: asked.size], rows[0][0] if rows else 0, len(found) > asked.size)
    return orjson.Fragment(orjson.dumps(page_json(selection, finds, asked)))


async def _read(template: Template, request: Request, context: Context, info: Info) -> list[Any]:
    sql, values = template.fill(request)
    try:
        with database.within(request.actor.organization_id):
            rows = await database.read_rows(sql, values)
    except (database.RetryableError, database.TookTooLong) as busy:
        raise Unavailable() from busy
    except database.OutOfRange as beyond:
        raise InvalidInput("A number here is out of the range of what it is compared with.") from beyond
    except sqlite3.OperationalError as error:
        if "parser stack overflow" in str(error):
            raise InvalidInput("This selection is nested too deeply to be read at once: ask in two steps.") from error
        raise
    for refusal in template.refusals:
        context.refused.append(_refusal(refusal, info))
    return rows


def _refusal(refusal: Refusal, info: Info) -> GraphQLError:
    return GraphQLError(
        f"Your role does not hold the permission {refusal.permission}, so this is left out.",
        refusal.nodes,
        path=[*info.path.as_list(), *refusal.keys],
        extensions={"code": "FORBIDDEN", "permission": str(refusal.permission)},
    )


def _allowed(target: Readable, actor: Actor, context: Context, info: Info) -> bool:
    if target.permission is None or actor.holds(target.permission):
        return True
    context.refused.append(_refusal(Refusal((), info.field_nodes, target.permission), info))
    return False


def _object_type(info: Info, target: Readable) -> GraphQLObjectType:
    found = info.schema.get_type(target.name)
    if not isinstance(found, GraphQLObjectType):
        raise TypeError(f"the schema has no type {target.name}")
    return found


def _complete(made: Any) -> orjson.Fragment:
    return made if type(made) is orjson.Fragment else orjson.Fragment(orjson.dumps(made))


def _nothing(_rows: Any, _request: Any) -> list[Any]:
    return []


def _page(
    rows: list[Any], objects: list[Objects], connection: ConnectionSelection, request: Request
) -> orjson.Fragment:
    window, front = request.root, len(connection.front)
    assert window is not None
    told = list(rows[0][:front]) if rows else []
    total = told.pop(0) if connection.wants_total and told else 0
    if front:
        rows = [row for row in rows if len(row) > front and row[front] is not None]
    more = len(rows) > window.page.size
    kept = rows[: window.page.size]
    if window.page.backward:
        kept.reverse()
    columns = {id(selection): make(kept, request) for selection, make in zip(connection.rows, objects, strict=True)}
    keyed = kept if connection.wants_cursors else [kept[0], kept[-1]] if kept and connection.wants_ends else []
    cursors = [encode_cursor(window.kind, orjson.loads(row[-1])) for row in keyed]
    about = page_info(window, more, cursors)
    made = {part.key: page_part(part, columns, len(kept), cursors, about, total) for part in connection.parts}
    summed_up = [part for part in connection.parts if part.summary is not None]
    for part, text in zip(summed_up, told, strict=False):  # where nobody may see the list, nothing was told
        made[part.key] = _summary(part, text, request)
    return orjson.Fragment(orjson.dumps(made))


def _summary(part: ConnectionPart, text: str, request: Request) -> Any:
    assert part.summary is not None
    if not part.summary.must_open:
        return orjson.Fragment(text)
    return open_object(orjson.loads(text), part.summary, request)
