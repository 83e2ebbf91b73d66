"""GraphQL over HTTP: one endpoint that reads a bounded body, negotiates the media type and answers with the right status.

Follows the GraphQL-over-HTTP specification. With ``application/graphql-response+json`` a request that could not be
executed answers 4xx; with plain ``application/json`` it answers 200, as older clients expect. Mutations only by POST with
a JSON content type, which no foreign page can send without being asked first; no cookies are read.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app import database
from app.database.errors import translate
from app.infrastructure import journal, metrics
from app.kernel.actor import Actor
from app.kernel.errors import NotAuthenticated, RateLimited, Unavailable
from schema.kit.context import Context
from schema.kit.limits import BODY_BYTES_MAX, DOCUMENT_BYTES_MAX, BadRequest, GraphQLRequest, read_body, request_of

QUERY_BYTES_MAX = DOCUMENT_BYTES_MAX
JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
HTML = "text/html"
HEADERS = {"cache-control": "no-store"}

Authenticate = Callable[[str, str], Awaitable[Actor]]


class Service(Protocol):
    """What executes a request; see ``schema.kit.service``."""

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> dict[str, Any]:
        """The response as GraphQL defines it; without ``data`` when the request could not be executed."""

    def encode(self, response: dict[str, Any]) -> bytes:
        """The response as JSON."""


class GraphQLEndpoint:
    """The endpoint. ``page`` is what a browser gets that asks for HTML."""

    def __init__(self, service: Service, authenticate: Authenticate, page: str, trusted_proxies: int = 0) -> None:
        self._service = service
        self._authenticate = authenticate
        self._page = page.encode()
        self._trusted_proxies = trusted_proxies

    async def handle(self, request: Request) -> Response:
        """Answer one HTTP request."""
        reads = request.method != "POST"  # HEAD is GET without the body
        if reads and "query" not in request.query_params and _prefers_html(request):
            return Response(self._page, media_type=HTML, headers=HEADERS)
        started = time.perf_counter()
        media_type = _negotiate(request.headers.get("accept", ""))
        if media_type is None:
            return _refusal(406, f"This endpoint answers with {GRAPHQL} or {JSON}.", JSON)
        try:
            parameters = request_of(await _parameters(request), request.headers.get("idempotency-key"))
            context = await self._context(request)
            context.idempotency_key = parameters.idempotency_key
            response = await self._service.run(parameters, context, only_queries=reads)
        except BadRequest as bad:
            return _refusal(bad.status, bad.message, media_type, extra={"allow": "POST"} if bad.status == 405 else None)
        except NotAuthenticated as problem:
            return _refusal(401, problem.message, media_type, problem.code, {"www-authenticate": "Bearer"})
        except RateLimited as problem:
            retry = {"retry-after": str(problem.retry_after_seconds)}
            return _refusal(429, problem.message, media_type, problem.code, retry, problem.data())
        except Exception as error:
            if not is_away(error):
                raise
            busy = Unavailable()
            retry = {"retry-after": str(busy.retry_after_seconds)}
            return _refusal(503, busy.message, media_type, busy.code, retry)
        status = 200 if "data" in response or media_type == JSON else 400
        metrics.observe_request("data" in response, time.perf_counter() - started)
        return Response(
            self._service.encode(response), status, headers=HEADERS, media_type=f"{media_type}; charset=utf-8"
        )

    async def _context(self, request: Request) -> Context:
        address = client_address(request, self._trusted_proxies)
        token = bearer_token(request.headers.get("authorization", ""))
        actor = await self._authenticate(token, address) if token else None
        return Context(actor, journal.request_id.get() or "", address, request.headers.get("user-agent", "")[:200])


def is_away(error: Exception) -> bool:
    """Whether the database is busy or away, so that the same request may work a little later."""
    known = translate(error) or error
    return isinstance(known, database.RetryableError | database.TookTooLong | OSError)


def bearer_token(header: str) -> str | None:
    """The token in an Authorization header, if there is one; another scheme is refused as no valid token."""
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated()
    return token.strip()


def client_address(request: Any, trusted_proxies: int) -> str:
    """The client's address: the peer's, or what the so many trusted proxies in front say it was."""
    peer = request.client.host if request.client else ""
    if trusted_proxies:
        chain = [one.strip() for one in request.headers.get("x-forwarded-for", "").split(",") if one.strip()]
        if chain:
            return str(chain[-min(trusted_proxies, len(chain))])[:64]
    return str(peer)


async def _parameters(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        if len(request.url.query) > QUERY_BYTES_MAX:
            raise BadRequest(f"The query in the address is larger than {QUERY_BYTES_MAX} bytes. Use POST.", 414)
        return _query_parameters(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise BadRequest(f"Send the request as {JSON}.", 415)
    charset = request.headers.get("content-type", "").lower().partition("charset=")[2].strip('" ')
    if charset not in {"", "utf-8", "utf8"}:
        raise BadRequest("Send the request in UTF-8.", 415)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise BadRequest("Send the request without a content encoding.", 415)
    return read_body(await _body(request))


async def _body(request: Request) -> bytes:
    """The body, unless it is too large: one that says so of itself is not even asked for."""
    too_large = BadRequest(f"The body is larger than {BODY_BYTES_MAX} bytes.", 413)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:12]) > BODY_BYTES_MAX:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > BODY_BYTES_MAX:
                raise too_large
            chunks.append(chunk)
    except ClientDisconnect:
        raise BadRequest("The body broke off.") from None  # nobody reads this: it only is no bug of ours
    return b"".join(chunks)


def _query_parameters(request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in parameters:
            try:
                parameters[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError:
                raise BadRequest(f"The parameter {name} is not JSON.") from None
    if any("\x00" in value for value in parameters.values() if isinstance(value, str)):
        raise BadRequest("The request contains a NUL character.")
    return parameters


def _accepted(header: str) -> list[tuple[float, str]]:
    """The media types of an Accept header with their quality, best first, in their order."""
    accepted = []
    for part in header.split(",")[:32]:
        media_type, *options = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for option in options:
            if option.startswith("q="):
                try:
                    quality = float(option[2:])
                except ValueError:
                    quality = 0.0
        if media_type and quality > 0:
            accepted.append((quality, media_type))
    return sorted(accepted, key=lambda one: -one[0])


def _negotiate(header: str) -> str | None:
    if not header.strip():
        return JSON
    for _, media_type in _accepted(header):
        if media_type in {GRAPHQL, "application/*", "*/*"}:
            return GRAPHQL if media_type == GRAPHQL else JSON
        if media_type == JSON:
            return JSON
    return None


def _prefers_html(request: Request) -> bool:
    accepted = _accepted(request.headers.get("accept", ""))
    return any(media_type == HTML for _, media_type in accepted)


def _refusal(
    status: int,
    message: str,
    media_type: str,
    code: str = "BAD_REQUEST",
    extra: dict[str, str] | None = None,
    figures: dict[str, Any] | None = None,
) -> Response:
    body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code, **(figures or {})}}]})
    return Response(body, status, headers={**HEADERS, **(extra or {})}, media_type=f"{media_type}; charset=utf-8")
