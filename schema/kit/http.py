"""GraphQL over HTTP: one endpoint that reads a bounded body, negotiates the media type and answers with the right status.

Follows the GraphQL-over-HTTP specification; ``statuses`` has the table. Mutations only by POST with a JSON content type,
which no foreign page can send without being asked first; no cookies are read. Spoken to the server directly (ASGI): a
request costs the server less than half of what it does through a router, a request object and a response object.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

import orjson
from graphql import OperationType

from app import database
from app.infrastructure import metrics
from app.kernel.errors import Problem, RateLimited, Unavailable
from schema.kit.budgets import rate_headers
from schema.kit.compression import encodings, matches, pack, tag_for, tag_of
from schema.kit.context import Context
from schema.kit.limits import BODY_BYTES_MAX, DOCUMENT_BYTES_MAX, BadRequest, GraphQLRequest, read_body, request_of
from schema.kit.negotiation import EVENTS, GRAPHQL, HTML, JSON, accepted
from schema.kit.sessions import (
    Authenticate,
    Headers,
    Session,
    Sessions,
    bearer_token,
    client_address,
    user_agent,
)
from schema.kit.sse import Streaming, Streams
from schema.kit.statuses import BY_CODE, Edition, Outcome, outcome_of, status_of

QUERY_BYTES_MAX = DOCUMENT_BYTES_MAX
PARAMETERS_MAX = 20
METHODS = ("GET", "HEAD", "POST")
DOCUMENT_PARAMETERS = frozenset({"query", "documentId", "extensions"})

NO_STORE = (b"cache-control", b"no-store")
CACHED = (b"cache-control", b"private, no-cache")
VARY = (b"vary", b"accept-encoding")
VARY_KEPT = (b"vary", b"authorization, accept, accept-encoding")
CONTENT_TYPES = {
    media_type: (b"content-type", f"{media_type}; charset=utf-8".encode()) for media_type in (JSON, GRAPHQL, HTML)
}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Service(Streaming, Protocol):
    """What executes a request; see ``schema.kit.service``."""

    async def run(self, request: GraphQLRequest, context: Context, *, only_queries: bool = False) -> dict[str, Any]:
        """The response as GraphQL defines it; without ``data`` when the request could not be executed."""

    async def find(self, request: GraphQLRequest, context: Context) -> GraphQLRequest:
        """The request with the document that it names, if it brought none, for who may run it and has points left."""

    def kind_of(self, request: GraphQLRequest) -> OperationType | None:
        """What kind of operation a request asks for; None when that cannot be told."""


class Answer(NamedTuple):
    """What goes back to the client."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


class Exchange:
    """One request, and the way back to its client."""

    __slots__ = ("accepts", "encodings", "headers", "method", "receive", "scope", "send", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.scope = scope
        self.method: str = scope["method"]
        self.headers: Headers = dict(scope["headers"])
        self.accepts = accepted(self.headers.get(b"accept", b""))
        self.encodings = encodings(self.headers.get(b"accept-encoding", b""))
        self.receive = receive
        self.send = send

    @property
    def reads(self) -> bool:
        """Whether it must change nothing. HEAD is GET without the body."""
        return self.method != "POST"

    @property
    def media_type(self) -> str:
        """What a single answer is told in."""
        return GRAPHQL if self.accepts.media_type == GRAPHQL else JSON

    def text(self, name: bytes) -> str | None:
        """A header, if there is one."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def tell(self, answer: Answer) -> None:
        """Send the whole answer."""
        headers = answer.headers
        if answer.status != 304:
            headers = [*headers, (b"content-length", b"%d" % len(answer.body))]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})


class GraphQLEndpoint:
    """The endpoint. ``page`` is what a browser gets that asks for HTML."""

    def __init__(
        self,
        service: Service,
        authenticate: Authenticate,
        sessions: Sessions,
        page: str,
        trusted_proxies: int = 0,
        edition: Edition = Edition.OF_2025,
    ) -> None:
        self._service = service
        self._authenticate = authenticate
        self._page = page.encode()
        self._trusted_proxies = trusted_proxies
        self._edition = edition
        self.streams = Streams(service, sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        exchange = Exchange(scope, receive, send)
        try:
            answer = await self._answer(exchange)
        except (BadRequest, Problem) as problem:
            answer = self._refusal(exchange, problem)
        except Exception as error:
            if not database.is_away(error):
                raise
            answer = self._refusal(exchange, Unavailable())
        if answer is not None:
            await exchange.tell(answer)

    async def _answer(self, exchange: Exchange) -> Answer | None:
        """What to answer; None when it has been said already, as events."""
        if exchange.method not in METHODS:
            raise BadRequest(f"This endpoint understands {', '.join(METHODS)}.", Outcome.WRONG_METHOD)
        given = _query_parameters(exchange.scope["query_string"]) if exchange.reads else None
        if given is not None and exchange.accepts.html and not DOCUMENT_PARAMETERS & given.keys():
            return Answer(200, self._page, [CONTENT_TYPES[HTML], NO_STORE])
        if exchange.encodings.best is None and not exchange.encodings.plain:
            raise BadRequest("This endpoint answers as it is, or packed as br or gzip.", Outcome.NOT_ACCEPTABLE)
        if exchange.accepts.media_type is None:
            raise BadRequest(f"This endpoint answers with {GRAPHQL}, {JSON} or {EVENTS}.", Outcome.NOT_ACCEPTABLE)
        if given is None:
            _require_json(exchange.headers)
            given = read_body(await _body(exchange))
        request = request_of(given, exchange.text(b"idempotency-key"), exchange.text(b"last-event-id"))
        session = await self._session(exchange)
        if request.document_id is not None or exchange.accepts.events:
            request = await self._service.find(request, session.context())
        if exchange.accepts.events and self._is_streamed(exchange, request):
            await self.streams.serve(request, session, exchange.receive, exchange.send)
            return None
        return await self._run(exchange, request, session)

    async def _run(self, exchange: Exchange, request: GraphQLRequest, session: Session) -> Answer:
        context = session.context(request.idempotency_key)
        response = await self._service.run(request, context, only_queries=exchange.reads)
        metrics.observe_request("data" in response, time.perf_counter() - exchange.started)
        outcome = outcome_of(response)
        may_be_kept = exchange.reads and request.document_id is not None and outcome is Outcome.ANSWERED
        if may_be_kept:
            response.pop("extensions", None)  # what it cost is another number each time, and the tag would never match
        status, media_type = status_of(outcome, exchange.media_type, self._edition)
        body = self._service.encode(response)
        headers = [CONTENT_TYPES[media_type], CACHED if may_be_kept else NO_STORE]
        if "extensions" in response:
            headers += rate_headers(response["extensions"]["cost"])
        encoding = exchange.encodings.of(len(body))
        # Mutations answer with tokens and keys. How well a body packs tells what is in it (BREACH), and theirs are small.
        if encoding is not None and self._service.kind_of(request) is not OperationType.QUERY:
            encoding = None
        if may_be_kept:
            tag = tag_of(tag_for(body), encoding)
            headers += [(b"etag", tag), VARY_KEPT]
            if matches(exchange.headers.get(b"if-none-match", b""), tag):
                return Answer(304, b"", headers[1:])
        if encoding is not None:
            body = await pack(encoding, body)
            headers.append((b"content-encoding", encoding.encode()))
            if not may_be_kept:
                headers.append(VARY)
        return Answer(status, body, headers)

    async def _session(self, exchange: Exchange) -> Session:
        address = client_address(exchange.scope, self._trusted_proxies)
        session = Session(self._authenticate, address, user_agent(exchange.headers))
        await session.sign_in(bearer_token(exchange.text(b"authorization") or ""))
        return session

    def _is_streamed(self, exchange: Exchange, request: GraphQLRequest) -> bool:
        """Whether to answer with events: when the client likes them best, or when there is nothing else to be had."""
        kind = self._service.kind_of(request)
        if exchange.method == "HEAD" or (exchange.reads and kind is OperationType.MUTATION):
            return False
        return exchange.accepts.media_type == EVENTS or kind is OperationType.SUBSCRIPTION

    def _refusal(self, exchange: Exchange, problem: BadRequest | Problem) -> Answer:
        """What to answer to a request that is not carried out."""
        metrics.observe_request(False, time.perf_counter() - exchange.started)
        if isinstance(problem, BadRequest):
            outcome, extensions = problem.outcome, {"code": "BAD_REQUEST"}
        else:
            outcome = BY_CODE.get(problem.code, Outcome.REFUSED)
            extensions = {"code": problem.code, **problem.data()}
        status, media_type = status_of(outcome, exchange.media_type, self._edition)
        headers = [CONTENT_TYPES[media_type], NO_STORE]
        if status == 405:
            headers.append((b"allow", b"POST" if exchange.method in METHODS else ", ".join(METHODS).encode()))
        elif status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if isinstance(problem, RateLimited | Unavailable):
            headers.append((b"retry-after", b"%d" % problem.retry_after_seconds))
        body = orjson.dumps({"errors": [{"message": problem.message, "extensions": extensions}]})
        return Answer(status, body, headers)


def _require_json(headers: Headers) -> None:
    content_type = headers.get(b"content-type", b"").decode("latin-1").lower()
    if content_type != JSON:
        media_type, _, options = content_type.partition(";")
        if media_type.strip() != JSON:
            raise BadRequest(f"Send the request as {JSON}.", Outcome.WRONG_CONTENT)
        if options.partition("charset=")[2].strip('" ') not in {"", "utf-8", "utf8"}:
            raise BadRequest("Send the request in UTF-8.", Outcome.WRONG_CONTENT)
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise BadRequest("Send the request without a content encoding.", Outcome.WRONG_CONTENT)


async def _body(exchange: Exchange) -> bytes:
    """The body, unless it is too large: one that says so of itself is not even asked for."""
    announced = exchange.headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:12]) > BODY_BYTES_MAX:
        raise _too_large()
    message = await exchange.receive()
    chunks: list[bytes] = [message.get("body", b"")]
    size = len(chunks[0])
    while message.get("more_body") and size <= BODY_BYTES_MAX:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("The body broke off.", Outcome.UNREADABLE)  # nobody reads this: it only is no bug of ours
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
    if size > BODY_BYTES_MAX:
        raise _too_large()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large() -> BadRequest:
    return BadRequest(f"The body is larger than {BODY_BYTES_MAX} bytes.", Outcome.TOO_LARGE)


def _query_parameters(query: bytes) -> dict[str, Any]:
    if len(query) > QUERY_BYTES_MAX:
        raise BadRequest(
            f"The query in the address is larger than {QUERY_BYTES_MAX} bytes. Use POST.", Outcome.ADDRESS_TOO_LONG
        )
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise BadRequest("The query in the address is not UTF-8, or has too many parts.") from None
    parameters: dict[str, Any] = dict(pairs)
    if any("\x00" in value for value in parameters.values()):
        raise BadRequest("The request contains a NUL character.", Outcome.UNREADABLE)
    for name in ("variables", "extensions"):
        if name in parameters:
            try:
                parameters[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError:
                raise BadRequest(f"The parameter {name} is not JSON.", Outcome.UNREADABLE) from None
    return parameters
