"""What a machine asks of every process of ours over HTTP: does it live, can it serve, how does it do."""

import secrets
import time

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app import database
from app.infrastructure import metrics

log = structlog.get_logger(__name__)


def routes(metrics_token: str | None) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``; the last one asks for the token if there is one."""

    async def show_metrics(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if metrics_token is not None and not _is_same(given, f"Bearer {metrics_token}"):
            return PlainTextResponse("A token is needed\n", 401, {"www-authenticate": "Bearer"})
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)

    return [
        Route("/healthz", show_health, methods=["GET"]),
        Route("/readyz", show_readiness, methods=["GET"]),
        Route("/metrics", show_metrics, methods=["GET"]),
    ]


async def show_health(request: Request) -> Response:
    """The process lives."""
    return JSONResponse({"status": "ok"})


async def show_readiness(request: Request) -> Response:
    """The process can serve: its database answers."""
    started = time.perf_counter()
    try:
        await database.read_rows("SELECT 1")
    except (database.DatabaseError, OSError, RuntimeError) as problem:
        log.warning("not ready", reason=type(problem).__name__)
        return JSONResponse({"status": "unavailable", "database": "away"}, 503)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    return JSONResponse({"status": "ok", "database": "ok", "database_milliseconds": milliseconds})


def _is_same(given: str, wanted: str) -> bool:
    """Whether two texts are the same, without telling by the time it takes how much of them is."""
    return secrets.compare_digest(given.encode(), wanted.encode())
