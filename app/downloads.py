"""Bulk exports, and copies of a person's data, over HTTP: the link is the key to one file, for some minutes, for one who may have
it still."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app import database
from app.identity.commands.privacy import note_copy_taken
from app.identity.data_copies import CopyLinkExpired, find_copy
from app.infrastructure import limits
from app.infrastructure.command import idempotency_key
from app.integrations import commands, rules
from app.integrations.queries import Download, find_download
from app.integrations.rules import ExportFormat, LinkExpired
from app.kernel.errors import NotFound, NotPermitted, Problem, RateLimited, Unavailable

PIECE_BYTES = 256 * 1024
RANGE_LENGTH_MAX = 60
GZIP_LEVEL = 1
STATUS: dict[type[Problem], int] = {
    NotFound: 404,
    LinkExpired: 410,
    CopyLinkExpired: 410,
    NotPermitted: 403,
    RateLimited: 429,
    Unavailable: 503,
}
# One range. Several in one request would be work without bound for a line of text; they are answered with the whole file.
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_GZIP = re.compile(r"gzip(;q=(1(\.0*)?|0\.\d*[1-9]\d*))?")
_UNTIL = re.compile(r"\d{1,12}")

log = structlog.get_logger(__name__)


def routes() -> list[Route]:
    """``/exports/<id>`` and ``/data-requests/<id>``."""
    return [
        Route("/exports/{id}", download, methods=["GET"]),
        Route("/data-requests/{id}", download_copy, methods=["GET"]),
    ]


async def download_copy(request: Request) -> Response:
    """The copy of a person's data behind a link, whole, or why there is none."""
    query = request.query_params
    until = query.get("until", "")
    try:
        if not _UNTIL.fullmatch(until) or "\x00" in request.path_params["id"]:
            raise NotFound("data request", request.path_params["id"][:60])
        found = await find_copy(request.path_params["id"], query.get("for", ""), int(until), query.get("token", ""))
        link = f"copy {found.request.id} {until}"
        await limits.hit(f"{link} {found.actor.id}", rules.LINK_REQUESTS_MAX, rules.LINK_LASTS.total_seconds())
        size = (await asyncio.to_thread(found.path.stat)).st_size
        if request.method == "GET":
            with idempotency_key(link):
                await note_copy_taken(found.actor, found.request)
    except Problem as problem:
        return _refusal(problem)
    except FileNotFoundError:
        return _refusal(NotFound("data request", request.path_params["id"][:60]))
    except Exception as error:
        if not (database.is_away(error) or isinstance(error, database.OutcomeUnknown)):
            raise
        return _refusal(Unavailable())
    headers = {
        "content-type": "application/zip",
        "content-disposition": f'attachment; filename="{found.request.id}.zip"',
        "cache-control": "no-store",
        "content-length": str(size),
    }
    return _answer(request, 200, headers, _pieces(found.path, range(size)))


async def download(request: Request) -> Response:
    """The file behind a link, or why there is none."""
    query = request.query_params
    until = query.get("until", "")
    try:
        if not _UNTIL.fullmatch(until) or "\x00" in request.path_params["id"]:
            raise NotFound("bulk export", request.path_params["id"][:60])
        found = await find_download(request.path_params["id"], query.get("for", ""), int(until), query.get("token", ""))
        link = f"download {found.export.id} {until}"
        await limits.hit(f"{link} {found.actor.id}", rules.LINK_REQUESTS_MAX, rules.LINK_LASTS.total_seconds())
        size = (await asyncio.to_thread(found.path.stat)).st_size
        part = _part(request, found, size)
        if request.method == "GET" and part != range(0):
            with idempotency_key(link):
                await commands.note_download(found.actor, found.export)
    except Problem as problem:
        return _refusal(problem)
    except FileNotFoundError:
        return _refusal(NotFound("bulk export", request.path_params["id"][:60]))
    except Exception as error:
        if not (database.is_away(error) or isinstance(error, database.OutcomeUnknown)):
            raise
        return _refusal(Unavailable())
    headers = _headers(found)
    if part is None:
        if _takes_gzip(request) and "range" not in request.headers:
            headers |= {"content-encoding": "gzip", "etag": f'"{_tag(found)}-gzip"'}
            return _answer(request, 200, headers, _zipped(found.path))
        return _answer(request, 200, headers | {"content-length": str(size)}, _pieces(found.path, range(size)))
    if not part:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{size}"})
    headers |= {"content-range": f"bytes {part.start}-{part.stop - 1}/{size}", "content-length": str(len(part))}
    return _answer(request, 206, headers, _pieces(found.path, part))


def _answer(request: Request, status: int, headers: dict[str, str], body: AsyncIterator[bytes]) -> Response:
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(body, status, headers)


def _headers(found: Download) -> dict[str, str]:
    name = found.export.file_name
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", name)
    return {
        "content-type": rules.MEDIA_TYPES[ExportFormat(found.export.format)],
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "cache-control": "no-store",
        "accept-ranges": "bytes",
        "vary": "accept-encoding",
        "etag": f'"{_tag(found)}"',
    }


def _tag(found: Download) -> str:
    """A file never changes once it has its name."""
    return found.path.name


def _part(request: Request, found: Download, size: int) -> range | None:
    """The bytes that are asked for: none for a range beyond the end; None for the whole file."""
    wanted = request.headers.get("range", "")
    shape = _RANGE.fullmatch(wanted) if len(wanted) <= RANGE_LENGTH_MAX else None
    condition = request.headers.get("if-range")
    if shape is None or shape[1] == shape[2] == "" or condition not in (None, f'"{_tag(found)}"'):
        return None
    if not shape[1]:
        return range(max(size - int(shape[2]), 0), size) if int(shape[2]) else range(0)
    first = int(shape[1])
    last = min(int(shape[2]), size - 1) if shape[2] else size - 1
    if shape[2] and int(shape[2]) < first:
        return None
    return range(first, last + 1) if first < size else range(0)


def _takes_gzip(request: Request) -> bool:
    accepted = request.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
    return any(_GZIP.fullmatch(one) for one in accepted[:16])


async def _pieces(path: Path, part: range) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        await asyncio.to_thread(file.seek, part.start)
        left = len(part)
        while left and (piece := await asyncio.to_thread(file.read, min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece
    finally:
        file.close()


async def _zipped(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        pieces = _deflated(file)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
    finally:
        file.close()


def _deflated(file: BinaryIO) -> Iterator[bytes]:
    zipper = zlib.compressobj(GZIP_LEVEL, wbits=31)
    while piece := file.read(PIECE_BYTES):
        if done := zipper.compress(piece):
            yield done
    yield zipper.flush()


def _refusal(problem: Problem) -> Response:
    status = next((STATUS[kind] for kind in type(problem).__mro__ if kind in STATUS), 400)
    log.info("no download", code=problem.code)
    body = {"errors": [{"message": problem.message, "extensions": {"code": problem.code}}]}
    headers = {"cache-control": "no-store"}
    if isinstance(problem, RateLimited):
        headers["retry-after"] = str(problem.retry_after_seconds)
    return JSONResponse(body, status, headers)
