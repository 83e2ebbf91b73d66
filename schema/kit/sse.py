"""GraphQL over server-sent events: one operation on one HTTP connection, as the *distinct connections mode* of graphql-sse.

Each answer is an event ``next``; the event ``complete`` says that no more will come, and a stream that breaks off without it
is to be opened again. An event about a fact carries its cursor as ``id``, so that ``Last-Event-ID`` resumes. A session that
ends closes its streams within seconds, as it does sockets. A reader that does not read is not read for.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Protocol

import orjson
import structlog

from app.infrastructure import metrics
from app.kernel.errors import NotAuthenticated, Problem, Unavailable, blame
from schema.kit.context import Context
from schema.kit.limits import GraphQLRequest
from schema.kit.negotiation import EVENTS
from schema.kit.sessions import Crowd, Session, end

KEEP_ALIVE_SECONDS = 12.0
CLOSE_SECONDS_MAX = 5.0
STREAMS_PER_CALLER_MAX = 100

# A comment that ends no event: some clients take an empty line after a comment for an event without a name.
KEEP_ALIVE = b":\n"
COMPLETE = b"event: complete\ndata:\n\n"
HEADERS = [
    (b"content-type", f"{EVENTS}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Told = tuple[dict[str, Any], str | None]
log = structlog.get_logger(__name__)


class TooManyStreams(Problem):
    """Somebody has more streams open than one may."""

    code = "TOO_MANY_OPERATIONS"


class Streaming(Protocol):
    """What executes operations; see ``schema.kit.service``."""

    def stream(self, request: GraphQLRequest, context: Callable[[], Context]) -> AsyncGenerator[Told]:
        """The responses of an operation, each with the cursor of its event if it has one."""

    def encode(self, response: dict[str, Any]) -> bytes:
        """A response as JSON."""


class Streams:
    """The event streams of this process: how many each caller has, and their end when the server stops."""

    def __init__(self, service: Streaming) -> None:
        self._service = service
        self._open: set[Stream] = set()
        self._of_caller = Crowd()
        self._stops = False

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, request: GraphQLRequest, session: Session, receive: Receive, send: Send) -> None:
        """Answer a request with events until there are no more, or until the client, the session or the server ends."""
        caller = session.caller
        if self._stops:
            raise Unavailable("The server restarts. Connect again.")
        if not self._of_caller.enter(caller, STREAMS_PER_CALLER_MAX):
            raise TooManyStreams(f"At most {STREAMS_PER_CALLER_MAX} event streams are open at once.")
        stream = Stream(self._service, request, session, receive, send)
        self._open.add(stream)
        metrics.streams_open(len(self._open))
        try:
            await stream.serve()
        finally:
            self._open.discard(stream)
            self._of_caller.leave(caller)
            metrics.streams_open(len(self._open))

    def close(self) -> None:
        """End every stream, because the server stops: clients come back to another one."""
        self._stops = True
        for stream in self._open:
            stream.stop()


class Stream:
    """One operation and the connection on which its answers go."""

    def __init__(
        self, service: Streaming, request: GraphQLRequest, session: Session, receive: Receive, send: Send
    ) -> None:
        self._service = service
        self._request = request
        self._session = session
        self._receive = receive
        self._send = send
        self._sending = asyncio.Lock()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End it without a word: the client opens it again, and resumes."""
        self._stopped.set()

    async def serve(self) -> None:
        """Tell what there is to tell, until it is told or somebody ends it."""
        await self._send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        told, left, ended, *_ = parts = [
            asyncio.ensure_future(part)
            for part in (
                self._tell(), self._client_leaves(), self._session.until_it_ends(), self._stopped.wait(), self._stay_alive()
            )
        ]  # fmt: skip
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(parts)
        if left in done:
            return
        last = b""
        if told in done:
            if error := told.exception():
                log.error("an event stream failed", **blame(error))
            else:
                last = COMPLETE
        elif ended in done:
            last = _next(orjson.dumps({"errors": [_SESSION_ENDED]})) + COMPLETE
        with suppress(TimeoutError):  # a client who does not read is not waited for
            await asyncio.wait_for(self._say(last, more=False), CLOSE_SECONDS_MAX)

    async def _tell(self) -> None:
        context = partial(self._session.context, self._request.idempotency_key)
        async with aclosing(self._service.stream(self._request, context)) as responses:
            async for response, cursor in responses:
                await self._say(_next(self._service.encode(response), cursor))

    async def _client_leaves(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _stay_alive(self) -> None:
        """Say something now and then, so that no proxy takes the connection for dead, and a dead one is found out."""
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
            await self._say(KEEP_ALIVE)

    async def _say(self, text: bytes, *, more: bool = True) -> None:
        async with self._sending:
            await self._send({"type": "http.response.body", "body": text, "more_body": more})


_SESSION_ENDED = {"message": "The session has ended.", "extensions": {"code": NotAuthenticated.code}}


def _next(payload: bytes, cursor: str | None = None) -> bytes:
    # JSON from the database may be written over several lines; within its texts line ends are escaped.
    line = payload.translate(_ON_ONE_LINE) if b"\n" in payload or b"\r" in payload else payload
    id = b"id: %b\n" % cursor.encode() if cursor else b""
    return b"event: next\n%bdata: %b\n\n" % (id, line)


_ON_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
