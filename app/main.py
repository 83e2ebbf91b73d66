"""Where everything meets for HTTP: routes, GraphQL, sockets, and the beginning and end of a server process."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from app import probes, process
from app.identity.queries import actor_of_token
from app.infrastructure import journal
from app.kernel.ids import new_id
from app.settings import Settings
from schema.docs.serving import Documentation, SchemaDoor
from schema.docs.site import Site
from schema.identity.operations import AUTHENTICATION_MUTATIONS
from schema.kit.execution import core_of
from schema.kit.http import GraphQLEndpoint
from schema.kit.service import GraphQLService
from schema.kit.sockets import GraphQLSockets
from schema.schema import api, sdl

BOARD = Path(str(files("app") / "board"))
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
GRACE_SECONDS = 10
MESSAGE_BYTES_MAX = 65_536
CONNECTIONS_MAX = 10_000


log = structlog.get_logger(__name__)
Message = MutableMapping[str, Any]


def create_app(settings: Settings) -> Starlette:
    """The application of one server process."""
    service = GraphQLService(
        api,
        introspection=settings.introspection.value,
        once=AUTHENTICATION_MUTATIONS,
        budgets=settings.budgets,
    )
    page = (BOARD / "graphiql.html").read_text(encoding="utf-8")
    endpoint = GraphQLEndpoint(service, actor_of_token, page, settings.trusted_proxies)
    sockets = GraphQLSockets(service, actor_of_token, settings.allowed_origins, settings.trusted_proxies)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with process.running(settings, background=settings.runs_background_inside):
            log.info("serving", database=settings.database_url, broadcast=settings.broadcast_url)
            yield
            await sockets.close()

    door = SchemaDoor(settings.introspection.value, actor_of_token)
    documentation = Documentation(Site(core_of(api)), door)

    async def show_schema(request: Request) -> Response:
        return await door.refusal(request) or PlainTextResponse(sdl())

    middleware = [Middleware(Envelope)]
    if settings.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.allowed_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "idempotency-key"],
                expose_headers=["x-request-id", "retry-after"],
                max_age=600,
            )
        )
    return Starlette(
        routes=[
            Route("/", show_board, methods=["GET"]),
            Route("/graphql", endpoint.handle, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", sockets.handle),
            Route("/schema.graphql", show_schema, methods=["GET"]),
            Route("/docs{path:path}", documentation.handle, methods=["GET"]),
            *probes.routes(settings.metrics_token),
            Mount("/assets", StaticFiles(directory=BOARD)),
        ],
        middleware=middleware,
        lifespan=lifespan,
    )


async def show_board(request: Request) -> Response:
    """The small live page."""
    return FileResponse(BOARD / "index.html")


class Envelope:
    """Gives each request an id, answers carry it back, and pages get their security headers; the last resort for bugs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        id = new_id("req")
        token = journal.request_id.set(id)
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", ()), *_headers(id)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:  # the last resort: the client gets a reference, the log the reason
            log.exception("a request failed", path=scope.get("path"))
            if scope["type"] == "http" and not begun:
                failed = JSONResponse(
                    {
                        "errors": [
                            {
                                "message": f"Something went wrong here. Reference: {id}",
                                "extensions": {"code": "INTERNAL"},
                            }
                        ]
                    },
                    500,
                )
                await failed(scope, receive, send_with_headers)
        finally:
            journal.request_id.reset(token)


def _headers(request_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", request_id.encode()),
        (b"content-security-policy", CONTENT_POLICY.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]


def server_of(settings: Settings) -> uvicorn.Server:
    """A server that is not started yet."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        http="httptools" if find_spec("httptools") else "h11",
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        access_log=False,
        server_header=False,
        log_config=None,
        proxy_headers=False,
    )
    return uvicorn.Server(config)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. What keeps it from serving is said before it begins."""
    process.prepare_folders(settings)
    listener = process.listen(settings.host, settings.port, "TRUCKROLL_PORT")
    server = server_of(settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(process.require_current_schema(settings))
        runner.run(server.serve(sockets=[listener]))
