"""What stands between uvicorn and the application: the envelope of every answer, and a stop that also ends event streams."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from importlib.util import find_spec
from typing import Any

import orjson
import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.infrastructure import journal
from app.kernel.errors import blame

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SWITCHING_PROTOCOLS = 101
REQUEST_SECONDS_MAX = 20.0  # for the head of a request, and between two parts of its body
TEXT_FRAME = 0x81
ALWAYS = (b"x-content-type-options", b"nosniff")
# What is no JSON may be shown as a page.
ON_PAGES = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# What says nothing of it is kept by nobody; a file that has a tag may be, and is asked for each time.
NO_STORE, NO_CACHE = (b"cache-control", b"no-store"), (b"cache-control", b"no-cache")

Message = MutableMapping[str, Any]
Header = tuple[bytes, bytes]
log = structlog.get_logger(__name__)


class Envelope:
    """Gives each request an id, answers carry it back, and pages get their security headers; the last resort for bugs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        id = f"req_{os.urandom(12).hex()}"
        token = journal.request_id.set(id)
        begun = False

        def send_with_headers(message: Message) -> Awaitable[None]:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = _enveloped(message.get("headers", ()), id)
            return send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001  # the last resort: the client gets a reference, the log where it happened
            log.error("a request failed", path=scope.get("path"), **blame(error))
            if scope["type"] == "http" and not begun:
                await _say_sorry(id, send_with_headers)
        finally:
            journal.request_id.reset(token)


def _enveloped(headers: Iterable[Header], id: str) -> list[Header]:
    given = dict(headers)
    made = [*headers, (b"x-request-id", id.encode()), ALWAYS]
    if not given.get(b"content-type", b"").startswith(b"application/"):
        made += ON_PAGES
    if b"cache-control" not in given:
        made.append(NO_CACHE if b"etag" in given else NO_STORE)
    return made


async def _say_sorry(id: str, send: Send) -> None:
    error = {"message": f"Something went wrong here. Reference: {id}", "extensions": {"code": "INTERNAL"}}
    body = orjson.dumps({"errors": [error]})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """Says first that it stops: an answer that never ends would keep it from stopping until its patience is over, and
    sockets that are all closed in one moment would all come to another server in the next."""

    def __init__(
        self, config: uvicorn.Config, stops: Callable[[], None], close_sockets: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._stops = stops
        self._close_sockets = close_sockets

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in order."""
        for server in self.servers:
            server.close()  # nobody comes to us any more
        for listener in sockets or []:
            listener.close()
        self._stops()
        await self._close_sockets()
        await super().shutdown(sockets)


class SocketProtocol(WebSocketsSansIOProtocol):
    """Offers applications a way to write frames to a WebSocket at once (``extensions["truckroll.wire"]``).

    A message by way of ASGI costs a coroutine, a frame object and several copies; told to thousands, that is most of what it
    costs at all. And a close frame goes out behind a client's unread backlog, which the usual way waits for without end.
    """

    _on_ready: Callable[[], None] | None = None
    ready = True
    """Whether what is written leaves at once, or nearly so."""

    def handle_connect(self, event: Any) -> None:
        """A client asks for a socket."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["truckroll.wire"] = self

    def begin(self, on_ready: Callable[[], None]) -> None:
        """The socket is open: call a function whenever its client has read what was written. What the handshake held, a
        tenth of a socket's memory, is needed no more."""
        self._on_ready = on_ready
        del self.request, self.response

    def framed(self, messages: Sequence[tuple[bytes, ...]]) -> bytes:
        """Text messages, each in parts, as they are written to any socket: servers do not mask, and we do not compress."""
        return b"".join([frame for parts in messages for frame in (_header(parts), *parts)])

    def write(self, messages: Sequence[tuple[bytes, ...]]) -> None:
        """Send text messages, each in parts."""
        self.write_framed(self.framed(messages))

    def write_framed(self, frames: bytes) -> None:
        """Send what ``framed`` made."""
        if self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing()):
            self.transport.write(frames)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        super().pause_writing()
        self.ready = False

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self.ready = True
        if self._on_ready is not None:
            self._on_ready()

    def hang_up(self, code: int, reason: str) -> None:
        """Say goodbye behind whatever the client has not read, and do not wait long for it to be read."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            self._do_not_linger()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def handle_ping(self) -> None:
        """The client asks whether we live. One who asks and does not read is not answered: it would pile up."""
        if self.ready:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def keepalive_timeout(self) -> None:
        """The client does not answer."""
        super().keepalive_timeout()
        self._do_not_linger()

    def handle_close(self, event: Any) -> None:
        """The client closes."""
        super().handle_close(event)
        self._do_not_linger()

    def handle_parser_exception(self) -> None:
        """The client breaks the protocol."""
        super().handle_parser_exception()
        self._do_not_linger()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: whoever waits for it to read need not wait."""
        super().connection_lost(exc)
        self.ready = True
        if self._on_ready is not None:
            on_ready, self._on_ready = self._on_ready, None
            on_ready()

    def _do_not_linger(self) -> None:
        """A transport that closes waits until all is read, which may be never."""
        if not self.disconnected:
            self.loop.call_later(self.close_timeout, self._abort)

    def _abort(self) -> None:
        if not self.disconnected:
            self.transport.abort()


def _header(parts: tuple[bytes, ...]) -> bytes:
    """The head of a text frame from a server, RFC 6455 §5.2: whole, not masked."""
    length = sum(map(len, parts))
    if length < 126:
        return bytes((TEXT_FRAME, length))
    if length < 65_536:
        return bytes((TEXT_FRAME, 126)) + length.to_bytes(2)
    return bytes((TEXT_FRAME, 127)) + length.to_bytes(8)


def http_protocol() -> Any:
    """uvicorn's name of, or class for, what speaks HTTP: httptools where there is one for the platform."""
    if not find_spec("httptools"):
        return "h11"
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # needs a package that not every platform has

    class Protocol(HttpToolsProtocol):
        """Tells the request that is being answered that its client has gone, and does not wait for ever for half a request.

        uvicorn tells the one that came last: behind a client that sent another request after it, as HTTP/1.1 allows, an
        event stream would never end. And a connection on which a request is begun and not ended it keeps as long as it lasts.
        """

        answered: Any = None
        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            """Somebody comes, to ask something."""
            super().connection_made(transport)
            self._wait()

        def on_message_begin(self) -> None:
            """A request begins."""
            super().on_message_begin()
            if self._waiting is None:  # another one on the same connection
                self._wait()

        def on_headers_complete(self) -> None:
            """Its body, if it has one, may take time, as long as it comes."""
            super().on_headers_complete()
            self._wait()

        def on_body(self, body: bytes) -> None:
            """A part of it has come."""
            super().on_body(body)
            self._wait()

        def on_message_complete(self) -> None:
            """All of it has."""
            self._wait_no_more()
            super().on_message_complete()

        def handle_websocket_upgrade(self) -> None:
            """It is a socket from now on."""
            self._wait_no_more()
            super().handle_websocket_upgrade()

        def _wait(self) -> None:
            self._wait_no_more()
            self._waiting = self.loop.call_later(REQUEST_SECONDS_MAX, self._give_up)

        def _wait_no_more(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _give_up(self) -> None:
            self._waiting = None
            if not self.transport.is_closing():
                self.transport.close()

        def _start_asgi_task(self, cycle: Any, app: Any) -> None:
            self.answered = cycle
            super()._start_asgi_task(cycle, app)

        def connection_lost(self, exc: Exception | None) -> None:
            """The client has gone."""
            self._wait_no_more()
            if self.answered is not None and not self.answered.response_complete:
                self.answered.disconnected = True
                self.answered.message_event.set()
            super().connection_lost(exc)

    return Protocol
