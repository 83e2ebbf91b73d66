"""Where everything meets for HTTP: routes, GraphQL, sockets, and the beginning and end of a server process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import structlog
import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from app import downloads, probes, process, providers
from app.identity.queries import actor_of_token, actors_of_tokens
from app.serving import Envelope, Server, SocketProtocol, http_protocol
from app.settings import Documents, Settings
from schema.docs.serving import Documentation, SchemaDoor
from schema.docs.site import Site
from schema.identity.operations import AUTHENTICATION_MUTATIONS
from schema.integrations import exporting
from schema.kit.compression import Packed, tag_for
from schema.kit.execution import core_of
from schema.kit.http import GraphQLEndpoint
from schema.kit.persisted import KnownDocuments, read_manifest
from schema.kit.service import GraphQLService
from schema.kit.sessions import Sessions
from schema.kit.sockets import GraphQLSockets
from schema.kit.sse import Streams
from schema.kit.statuses import Edition
from schema.rules import require_declared, rules_of_the_api
from schema.schema import api, sdl

BOARD = Path(str(files("app") / "board"))
GRAPHQL_PATH = "/graphql"
GRACE_SECONDS = 10
MESSAGE_BYTES_MAX = 65_536
CONNECTIONS_MAX = 10_000


log = structlog.get_logger(__name__)


def create_app(settings: Settings) -> tuple[ASGIApp, Streams, GraphQLSockets]:
    """The application of one server process, and its event streams and sockets, which have to end before it can stop."""
    require_declared(rules_of_the_api())
    trusted = read_manifest(settings.trusted_documents, api) if settings.trusted_documents else {}
    documents = KnownDocuments(trusted, only_trusted=settings.documents is Documents.TRUSTED)
    exporting.export_from(api, documents.require_trusted)
    service = GraphQLService(
        api,
        introspection=settings.introspection.value,
        once=AUTHENTICATION_MUTATIONS,
        budgets=settings.budgets,
        documents=documents,
    )
    page = (BOARD / "graphiql.html").read_text(encoding="utf-8")
    edition = Edition(settings.http_statuses.value)
    sessions = Sessions(actors_of_tokens)
    endpoint = GraphQLEndpoint(service, actor_of_token, sessions, page, settings.trusted_proxies, edition)
    sockets = GraphQLSockets(service, actor_of_token, sessions, settings.allowed_origins, settings.trusted_proxies)

    @asynccontextmanager
    async def lifespan(app: Router) -> AsyncIterator[None]:
        async with process.running(settings, background=settings.runs_background_inside):
            log.info("serving", database=settings.database_url, broadcast=settings.broadcast_url)
            yield
            await service.hub.stop()

    pages = Packed(ExceptionMiddleware(Router(routes=routes(settings), lifespan=lifespan)))

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        """GraphQL goes straight to its endpoints, everything else through the routes: each layer costs time per request,
        and memory for as long as a socket is open."""
        if scope["type"] == "lifespan" or scope["path"] != GRAPHQL_PATH:
            await pages(scope, receive, send)
        elif scope["type"] == "websocket":
            await sockets.handle(WebSocket(scope, receive, send))
        else:
            await endpoint(scope, receive, send)

    app: ASGIApp = serve
    if settings.allowed_origins:
        app = CORSMiddleware(
            app,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "idempotency-key", "last-event-id"],
            expose_headers=["x-request-id", "retry-after", "ratelimit", "ratelimit-policy"],
            max_age=600,
        )
    return Envelope(app), endpoint.streams, sockets


def routes(settings: Settings) -> list[BaseRoute]:
    """Everything that is served over HTTP, but for GraphQL itself."""
    door = SchemaDoor(settings.introspection.value, actor_of_token, settings.trusted_proxies)
    documentation = Documentation(Site(core_of(api)), door)

    async def show_schema(request: Request) -> Response:
        refused = await door.refusal(request)
        if refused is not None:
            return refused
        body = sdl().encode()
        headers = {"etag": tag_for(body).decode(), "cache-control": "private, no-cache", "vary": "authorization"}
        return PlainTextResponse(body, headers=headers)

    return [
        Route("/", show_board, methods=["GET"]),
        Route("/track", show_tracking, methods=["GET"]),
        Route("/invitation", show_account, methods=["GET"]),
        Route("/reset-password", show_account, methods=["GET"]),
        Route("/schema.graphql", show_schema, methods=["GET"]),
        Route("/docs{path:path}", documentation.handle, methods=["GET"]),
        *downloads.routes(),
        *providers.routes(settings.trusted_proxies),
        *probes.routes(settings.metrics_token),
        Mount("/assets", StaticFiles(directory=BOARD)),
    ]


async def show_board(request: Request) -> Response:
    """The small live page."""
    return FileResponse(BOARD / "index.html")


async def show_tracking(request: Request) -> Response:
    """The page of one visit, for whoever has its link: the secret stays in the browser."""
    return FileResponse(BOARD / "track.html")


async def show_account(request: Request) -> Response:
    """The page on which somebody sets a password by a link: the secret stays in the browser."""
    return FileResponse(BOARD / "account.html")


def server_of(settings: Settings) -> uvicorn.Server:
    """A server that is not started yet."""
    app, streams, sockets = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        http=http_protocol(),
        ws=SocketProtocol,
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
    return Server(config, streams.close, sockets.close)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. What keeps it from serving is said before it begins."""
    process.prepare_folders(settings)
    listener = process.listen(settings.host, settings.port, "TRUCKROLL_PORT")
    server = server_of(settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(process.require_current_schema(settings))
        runner.run(server.serve(sockets=[listener]))
