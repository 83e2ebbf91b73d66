"""Writes bulk exports: a job that asks the API what the client asked, page by page, with the eyes of the asker.

It lives here and not in ``app.integrations`` because it needs the whole API, which the rooms do not know: imports go down.
Where the API is put together, ``schema.schema``, it is handed over once with ``export_from``; a worker imports that module,
and with it the job registers itself, as the rooms' reactions do.

A file is written under a name of its own for each try. What is safely on the disk is noted in the export's row every second
or so: the file's length and the id of the last row in it. Whoever goes on after a crash begins with a copy of just that
length, behind just that row, so no line is lost or doubled; and one who was given up for dead, and comes to, writes into a
file that nobody reads any more.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson
import strawberry
import structlog

from app.infrastructure import storage
from app.infrastructure.conditions import column
from app.infrastructure.jobs import JobContext, job
from app.infrastructure.storage import GrowingFile
from app.infrastructure.tables import find_rows
from app.integrations import commands, queries, rules
from app.integrations.commands.exports import JOB, Written
from app.integrations.models import BulkExport
from app.integrations.rules import ExportFormat, ExportStatus
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput, LimitReached, NotFound, Problem, Unavailable
from schema.kit.context import Context
from schema.kit.walking import ID, Walk, Walked, columns_of

TRIES = 5
PROGRESS_SECONDS = 1.0
PIECE_BYTES = 256 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

log = structlog.get_logger(__name__)
_api: strawberry.Schema | None = None
_require_trusted: Callable[[str], None] | None = None


class _Stopped(Exception):
    """The export was canceled, is in other hands, or the process ends."""


def export_from(api: strawberry.Schema, require_trusted: Callable[[str], None] | None = None) -> None:
    """Ask this API from now on, and only for documents that are trusted, where that is asked for."""
    global _api, _require_trusted
    _api, _require_trusted = api, require_trusted


async def planned(context: Context, document: str, variables: Any, format: ExportFormat) -> str:
    """The list that a document exports, once it was judged and a row was read and paid for; a ``Problem`` that says what is
    wrong. Nothing is read where there is no room for the export: the command refuses it, or knows that it had it before."""
    actor = context.require_actor()
    if _require_trusted is not None:
        try:
            _require_trusted(document)
        except Problem as problem:
            raise InvalidInput(problem.message, path=["document"]) from None
    walk = _walk(actor, document, variables, format)

    async def asker() -> Actor:
        return actor

    if await queries.has_room(actor):
        await context.spend(1 + walk.row_cost)
        await walk.page(asker, None, 1)
    return walk.root


def _walk(actor: Actor, document: str, variables: Any, format: ExportFormat) -> Walk:
    if _api is None:
        raise RuntimeError("there is no API to export from")
    if not isinstance(variables, dict):
        raise InvalidInput("Variables are an object.", path=["variables"])
    walk = Walk(_api, document, variables, actor)
    if format is ExportFormat.CSV and walk.has_lists_below:
        raise InvalidInput("A CSV file is one table: export lists below their rows as NDJSON.", path=["document"])
    return walk


@job(JOB, tries=TRIES, apart=True)
async def write_export(context: JobContext) -> None:
    """Write the file, or say why there is none."""
    id = context.payload["export_id"]
    export = await commands.begin_export(context.actor, id)
    if export is None:
        return
    writer = _Writer(context, export)
    try:
        await writer.write()
    except _Stopped:
        log.info("export stopped", export=id)
    except Unavailable as busy:
        # It says nothing about the export: the next try may find the database free, and goes on.
        if context.attempt >= TRIES:
            await commands.fail_export(context.actor, id, busy.code, busy.message)
        raise
    except Problem as problem:
        await commands.fail_export(context.actor, id, problem.code, problem.message)
    except Exception:
        if context.attempt >= TRIES:
            await commands.fail_export(
                context.actor, id, "INTERNAL", "The export failed on our side; the log says why."
            )
        raise
    finally:
        await writer.leave()


class _Writer:
    """One try at one export."""

    def __init__(self, context: JobContext, export: BulkExport) -> None:
        self._context = context
        self._export = export
        self._name = queries.file_of(export)
        self._file: GrowingFile | None = None
        self._before: str | None = None
        self._after: str | None = None
        self._until: str | None = None
        self._rows = 0
        self._lines = 0
        self._told_at = time.monotonic()

    async def write(self) -> None:
        """The whole file, from where it was left."""
        export, format = self._export, ExportFormat(self._export.format)
        asker = await self._asker()
        walk = _walk(asker, export.document, export.variables, format)
        self._until = await self._end_of(walk, asker)
        line_of = _line_of(format, walk)
        file = await self._begin(_head(format, walk, export.byte_order_mark))
        while self._until is not None:
            page = [row for row in await walk.page(self._asker, self._after) if row[ID] <= self._until]
            await self._add(file, walk, page, line_of)
            if len(page) < walk.page_size:
                break
            if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
                await self._note(file)
        await self._finish(file)

    async def _end_of(self, walk: Walk, asker: Actor) -> str | None:
        """The last row that was there when the work began: those that are added meanwhile are told by the changes."""
        if self._export.estimated_rows is not None:
            return self._export.position.get("until")
        extent = await walk.measure(asker)
        self._go_on(
            await commands.note_export_extent(
                self._context.actor, self._export.id, self._export.runner, extent.rows, extent.last_id
            )
        )
        return extent.last_id

    async def leave(self) -> None:
        """Close the file, and delete what nobody is going to go on with."""
        if self._file is not None:
            self._file.close()
        [export] = await find_rows(BulkExport, column("id") == self._export.id)
        if export.position.get("file") != self._name or export.status in (ExportStatus.FAILED, ExportStatus.CANCELED):
            await storage.exports().delete(self._name)
        if export.status not in rules.OPEN:
            await self._delete_before()

    async def _asker(self) -> Actor:
        """The asker as they are now, before each page."""
        if self._context.canceled():
            raise _Stopped
        [export] = await find_rows(BulkExport, column("id") == self._export.id)
        if export.runner != self._export.runner or export.status != ExportStatus.RUNNING:
            raise _Stopped
        return await queries.asker_of(export)

    async def _begin(self, head: bytes) -> GrowingFile:
        """The file as far as it was noted; from the beginning when there is none."""
        position = self._export.position
        if "file" in position:
            try:
                self._file = await storage.exports().begin(self._name, like=position["file"], length=position["length"])
            except NotFound:
                log.warning("an export begins anew: its file is gone", export=self._export.id)
            else:
                self._before, self._after = position["file"], position["after"]
                self._rows, self._lines = self._export.row_count, self._export.line_count
                return self._file
        self._file = await storage.exports().begin(self._name)
        await self._file.append(head)
        return self._file

    async def _add(self, file: GrowingFile, walk: Walk, page: list[dict[str, Any]], line_of: "LineOf") -> None:
        piece = bytearray()
        for row in page:
            async for walked in walk.rows_of(self._asker, row):
                piece += line_of(walked)
                self._lines += 1
                if len(piece) >= PIECE_BYTES:
                    await self._append(file, piece)
                    piece = bytearray()
            self._rows += 1
        await self._append(file, piece)
        self._after = page[-1][ID] if page else self._after
        if self._rows > rules.ROWS_MAX:
            raise LimitReached(f"An export has at most {rules.ROWS_MAX} rows: filter the list.", rules.ROWS_MAX)

    async def _append(self, file: GrowingFile, piece: bytearray) -> None:
        limit = storage.exports().bytes_max
        if file.size + len(piece) > limit:
            raise LimitReached(f"A file has at most {limit} bytes: filter the list, or select less.", limit)
        await file.append(bytes(piece))

    async def _note(self, file: GrowingFile) -> None:
        written = await self._saved(file)
        self._go_on(
            await commands.note_export_progress(self._context.actor, self._export.id, self._export.runner, written)
        )
        self._told_at = time.monotonic()
        await self._delete_before()

    async def _finish(self, file: GrowingFile) -> None:
        written = await self._saved(file)
        await storage.exports().finish(self._name)
        await self._asker()
        self._go_on(await commands.finish_export(self._context.actor, self._export.id, self._export.runner, written))
        await self._delete_before()

    async def _saved(self, file: GrowingFile) -> Written:
        length = await file.save()
        position = {"file": self._name, "length": length, "after": self._after, "until": self._until}
        return Written(position, self._rows, self._lines)

    async def _delete_before(self) -> None:
        """The file of the try before is not needed once ours is noted."""
        if self._before is not None:
            await storage.exports().delete(self._before)
            self._before = None

    def _go_on(self, ours: bool) -> None:
        if not ours:
            raise _Stopped


# Lines

LineOf = Callable[[Walked], bytes]


def _head(format: ExportFormat, walk: Walk, byte_order_mark: bool) -> bytes:
    if format is ExportFormat.NDJSON:
        return b""
    header = ",".join(rules.csv_cell(".".join(way)) for way in columns_of(walk.rows)) + "\r\n"
    return (BYTE_ORDER_MARK if byte_order_mark else b"") + header.encode()


def _line_of(format: ExportFormat, walk: Walk) -> LineOf:
    if format is ExportFormat.NDJSON:
        return json_line
    columns = columns_of(walk.rows)
    return lambda walked: csv_line(walked.value, columns)


def json_line(walked: Walked) -> bytes:
    """A row as it was asked for, its id in any case; one of a list below says of whose."""
    value = walked.value if "id" in walked.value else {"id": walked.id, **walked.value}
    if walked.parent_id is not None:
        value = {**value, "__parentId": walked.parent_id, "__list": walked.list}
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def csv_line(value: dict[str, Any], columns: list[tuple[str, ...]]) -> bytes:
    """A row of cells."""
    return (",".join(rules.csv_cell(_cell(value, way)) for way in columns) + "\r\n").encode()


def _cell(value: Any, way: tuple[str, ...]) -> Any:
    for key in way:
        if value is None:
            return None
        value = value[key]
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value
