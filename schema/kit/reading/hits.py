"""One search over rows of several types: each type's finds in one union, and of the best of them what is asked.

What may be seen is settled within each branch of the union, so what is hidden takes no place, no rank and no count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import orjson
from graphql import GraphQLObjectType, get_named_type

from app import database
from app.infrastructure.conditions import Writer, quoted
from app.infrastructure.search import found_by, relevance, words_in
from app.kernel.errors import InvalidInput
from app.kernel.pages import decode_cursor, encode_cursor, page_of
from app.kernel.texts import place_of, words_of
from schema.kit.declarations import Readable
from schema.kit.reading.opening import open_object
from schema.kit.reading.selection import Info, Pick, Selection, object_selection
from schema.kit.reading.statement import Builder, Request

CURSOR_KIND = "Search"
EXCERPT_LENGTH_MAX = 160
# The excerpt is from the beginning of a text: what stands beyond finds its row, and is not looked at again.
LOOKED_AT_MAX = 2000
Cell = Callable[[tuple[Any, ...]], Any]


@dataclass(slots=True)
class Looking(Request):
    """A request for what answers a text: of which kinds, how many, and from where."""

    text: str = ""
    wanted: frozenset[str] = frozenset()
    size: int = 0
    cursor: tuple[int, str] | None = None

    def of(self, target: Readable) -> bool:
        """Whether rows of a type are wanted."""
        return target.model.prefix in self.wanted


@dataclass(frozen=True, slots=True)
class Finds:
    """The rows found: id, rank, the text for the excerpt, and the JSON of each node that is asked for."""

    rows: list[tuple[Any, ...]]
    total: int
    more: bool


def looking(info: Info, wanted: Sequence[Readable], text: str, first: int | None, after: str | None) -> Looking:
    """What the arguments ask for."""
    words_in(text, "text")
    page = page_of(first, after)
    cursor = None
    if page.cursor is not None:
        match decode_cursor(page.cursor, CURSOR_KIND):
            case [int(rank), str(id)] if not isinstance(rank, bool):
                cursor = (rank, id)
            case _:
                raise InvalidInput("This cursor does not belong to a search. Take it from pageInfo.", path=["after"])
    actor, prefixes = info.context.require_actor(), frozenset(target.model.prefix for target in wanted)
    return Looking(
        actor, info.variable_values, database.dialect(), text=text, wanted=prefixes, size=page.size, cursor=cursor
    )


def hits_statement(builder: Builder, selection: Selection, targets: Sequence[Readable]) -> None:
    """Finds as rows, with the number of all of them in front where it is asked for."""
    h, u, c = (quoted(builder.alias()) for _ in range(3))
    if wants_total(selection):
        builder.text(f"SELECT {c}.n, p.* FROM (SELECT count(*) AS n FROM (")
        _branches(builder, targets, ranked=False)
        builder.text(f") {u}) {c} LEFT JOIN (")
    else:
        builder.text("SELECT 0 AS n, p.* FROM (")
    builder.text(f"SELECT {h}.id, {h}.rank")
    if any(part.name == "excerpt" for part in _parts(selection)):
        builder.text(
            ', (SELECT substr(d."a" || \' \' || d."b" || \' \' || d."c", 1, '
            f'{LOOKED_AT_MAX + 1}) FROM "search_document" d WHERE d."id" = {h}.id) AS t'
        )
    else:
        builder.text(", NULL AS t")
    for number, (keys, part) in enumerate(_nodes(selection)):
        builder.text(", ")
        builder.as_text(partial(builder.either, part.options, f"{h}.id", keys, opens=part.must_open))
        builder.text(f" AS n{number}")
    builder.text(f" FROM (SELECT {u}.id, {u}.rank FROM (")
    _branches(builder, targets, ranked=True)
    builder.text(f") {u} WHERE ")
    builder.gap(lambda request, writer: _beyond(_looking(request), writer, u))
    builder.text(f" ORDER BY {u}.rank DESC, {u}.id")
    builder.gap(lambda request, writer: f" LIMIT {_looking(request).size + 1}")
    builder.text(f") {h} ORDER BY {h}.rank DESC, {h}.id) p")
    if wants_total(selection):
        builder.text(" ON TRUE")


def _branches(builder: Builder, targets: Sequence[Readable], *, ranked: bool) -> None:
    """The finds of each type. Types that are not wanted stay in the text, because it is kept, but find nothing."""
    for index, target in enumerate(targets):
        alias = builder.alias()
        builder.text(f'{" UNION ALL " if index else ""}SELECT {quoted(alias)}."id" AS id')
        if ranked:
            builder.text(", ")
            builder.gap(partial(_rank, target, alias))
            builder.text(" AS rank")
        builder.text(f" FROM {target.table} {quoted(alias)} WHERE ")
        builder.visible(target.model, alias)
        builder.text(" AND ")
        builder.gap(partial(_found, target, alias))


def _looking(request: Request) -> Looking:
    assert isinstance(request, Looking)
    return request


def _rank(target: Readable, alias: str, request: Request, writer: Writer) -> str:
    asked = _looking(request)
    return relevance(target.model, asked.actor, asked.text)(writer, alias) if asked.of(target) else "0"


def _found(target: Readable, alias: str, request: Request, writer: Writer) -> str:
    asked = _looking(request)
    return found_by(target.model, asked.actor, asked.text).write(writer, alias) if asked.of(target) else "1 = 0"


def _beyond(asked: Looking, writer: Writer, u: str) -> str:
    if asked.cursor is None:
        return "1 = 1"
    rank, id = asked.cursor
    return f"({u}.rank < {writer.bind(rank)} OR ({u}.rank = {writer.bind(rank)} AND {u}.id > {writer.bind(id)}))"


# What is asked


def wants_total(selection: Selection) -> bool:
    """Whether all finds are to be counted."""
    return any(pick.name == "totalCount" for pick in selection.picks)


def _parts(selection: Selection) -> list[Pick]:
    lists = [pick.selection for pick in selection.picks if pick.name == "nodes" and pick.selection is not None]
    return [part for one in lists for part in one.picks]


def _nodes(selection: Selection) -> list[tuple[tuple[str, ...], Pick]]:
    """Each node that is asked for: a column of its own, with the keys that lead to it."""
    return [
        ((pick.key, part.key), part)
        for pick in selection.picks
        if pick.name == "nodes" and pick.selection is not None
        for part in pick.selection.picks
        if part.options
    ]


def page_json(selection: Selection, page: Finds, request: Looking) -> dict[str, Any]:
    """A page of finds as it is asked for."""
    columns = {id(part): number for number, (_, part) in enumerate(_nodes(selection), start=3)}
    words = words_of(request.text)
    # However often it is asked for, under other names, a row's excerpt is cut once.
    cut = cache(lambda text: excerpt(text, words))
    made: dict[str, Any] = {}
    for pick in selection.picks:
        if pick.name == "totalCount":
            made[pick.key] = page.total
        elif pick.selection is None:
            made[pick.key] = pick.literal
        elif pick.name == "pageInfo":
            made[pick.key] = _page_info(pick.selection, page, request)
        else:
            cells = [(part.key, _cell(part, columns, request, cut)) for part in pick.selection.picks]
            made[pick.key] = [{key: cell(row) for key, cell in cells} for row in page.rows]
    return made


def _cell(part: Pick, columns: dict[int, int], request: Looking, cut: Callable[[str | None], str]) -> Cell:
    if part.name == "rank":
        return lambda row: row[1]
    if part.name == "excerpt":
        return lambda row: cut(row[2])
    if not part.options:
        return lambda row: part.literal
    column = columns[id(part)]
    if not part.must_open:
        return lambda row: orjson.Fragment(row[column])

    def opened(row: tuple[Any, ...]) -> Any:
        option, found = orjson.loads(row[column])
        return open_object(found, part.options[option].selection, request)

    return opened


def _page_info(selection: Selection, page: Finds, request: Looking) -> dict[str, Any]:
    cursors = [encode_cursor(CURSOR_KIND, [row[1], row[0]]) for row in (page.rows[:1] + page.rows[-1:])]
    about = {
        "hasNextPage": page.more,
        "hasPreviousPage": request.cursor is not None,
        "startCursor": cursors[0] if cursors else None,
        "endCursor": cursors[-1] if cursors else None,
    }
    return {pick.key: about.get(pick.name, pick.literal) for pick in selection.picks}


def excerpt(text: str | None, words: Sequence[str]) -> str:
    """The part of a text where the first of some words stands, cut between words."""
    looked_at = (text or "")[:LOOKED_AT_MAX]
    whole = looked_at.split()
    is_cut = len(looked_at) < len(text or "")
    first = last = place = place_of(looked_at, words) or 0
    if not whole:
        return ""
    length = len(whole[place])
    while True:
        after = len(whole[last + 1]) + 1 if last + 1 < len(whole) else None
        before = len(whole[first - 1]) + 1 if first and place - first < 4 else None
        if before is not None and length + before <= EXCERPT_LENGTH_MAX - 4:
            first, length = first - 1, length + before
        elif after is not None and length + after <= EXCERPT_LENGTH_MAX - 4:
            last, length = last + 1, length + after
        else:
            break
    shown = " ".join(whole[first : last + 1])[: EXCERPT_LENGTH_MAX - 4]
    return ("… " if first else "") + shown + (" …" if is_cut or last + 1 < len(whole) else "")


def hits_selection(info: Info) -> Selection:
    """What is asked of the page."""
    type = get_named_type(info.return_type)
    assert isinstance(type, GraphQLObjectType)
    return object_selection(info, type)
