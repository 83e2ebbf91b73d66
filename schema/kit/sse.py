"""GraphQL over server-sent events: one operation on one HTTP connection, as the *distinct connections mode* of graphql-sse.

Each answer is an event ``next``; the event ``complete`` says that no more will come, and a stream that breaks off without it
is to be opened again. An event about a fact carries its cursor as ``id``, so that ``Last-Event-ID`` resumes. A session that
ends closes its streams within seconds, as it does sockets. Who does not read is closed, and resumes from the last cursor.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import orjson

from app.infrastructure import metrics
from app.kernel.errors import NotAuthenticated, Problem, Unavailable
from schema.kit.context import Context
from schema.kit.execution import internal
from schema.kit.limits import GraphQLRequest
from schema.kit.live.groups import Member, Outlet, Shared, Told
from schema.kit.live.outbox import Outbox, Parts, TaskWire
from schema.kit.negotiation import EVENTS
from schema.kit.sessions import Crowd, Session, Sessions, end

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


class TooManyStreams(Problem):
    """Somebody has more streams open than one may."""

    code = "TOO_MANY_OPERATIONS"


class Streaming(Protocol):
    """What executes operations; see ``schema.kit.service``."""

    async def open(self, request: GraphQLRequest, context: Callable[[], Context], outlet: Outlet) -> Member | None:
        """Run an operation and give the outlet its answer, or let it hear a subscription."""

    def encode(self, response: dict[str, Any]) -> bytes:
        """A response as JSON."""


class Streams:
    """The event streams of this process: how many each caller has, and their end when the server stops."""

    def __init__(self, service: Streaming, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
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
            with self._sessions.watched(session):
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
        self._heard: Member | None = None
        self._wire = TaskWire(self._say)
        self._outbox = Outbox(self._wire, self._too_slow)
        self._over: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._alive: asyncio.TimerHandle | None = None
        session.on_change = self._recheck
        session.on_end = self._session_ends

    def stop(self) -> None:
        """End it without a word: the client opens it again, and resumes."""
        self._end(b"")

    async def serve(self) -> None:
        """Tell what there is to tell, until it is told or somebody ends it."""
        await self._send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        listening = asyncio.create_task(self._client_leaves())
        beginning = asyncio.create_task(self._begin())
        self._alive = asyncio.get_running_loop().call_later(KEEP_ALIVE_SECONDS, self._stay_alive)
        try:
            last = await self._over
            # Answers that wait go first: the stream's end, said before them, would lose them.
            with suppress(TimeoutError):  # a client who does not read is not waited for
                await asyncio.wait_for(self._finish(last), CLOSE_SECONDS_MAX)
        finally:
            if self._alive is not None:
                self._alive.cancel()
            await end((listening, beginning))
            if self._heard is not None:
                self._heard.leave()
            self._outbox.close()
            await self._wire.end()

    def tell(self, told: Sequence[Told], extra: bytes, shared: Shared | None = None) -> None:
        """Send events."""
        messages: list[Parts] = [_parts(one.payload, one.cursor) for one in told]
        if extra:
            messages[0] = _parts(b"%b,%b}" % (told[0].payload[:-1], extra), told[0].cursor)
        self._outbox.put(messages, None if told[0].key is None else [one.key for one in told])

    def finish(self, response: dict[str, Any] | None) -> None:
        """Send the last answer, and that there are no more."""
        self._heard = None
        if response is not None:
            self._outbox.put([_parts(self._service.encode(response))])
        self._end(COMPLETE)

    async def room(self) -> None:
        """Wait until what was told has left."""
        await self._outbox.room()

    def _end(self, last: bytes) -> None:
        if not self._over.done():
            self._over.set_result(last)

    def _session_ends(self) -> None:
        self._hear_no_more()
        self._end(_next(orjson.dumps({"errors": [_SESSION_ENDED]})) + COMPLETE)

    def _too_slow(self) -> None:
        metrics.count_closed_slow()
        self._hear_no_more()
        self._end(b"")

    def _hear_no_more(self) -> None:
        if self._heard is not None:
            self._heard.leave()
            self._heard = None

    def _recheck(self) -> None:
        if self._heard is not None:
            self._heard.recheck()

    async def _begin(self) -> None:
        context = partial(self._session.context, self._request.idempotency_key)
        try:
            self._heard = await self._service.open(self._request, context, self)
        except Exception as error:  # noqa: BLE001  # told in any case: the client would wait for ever
            self.finish(internal(error))

    async def _finish(self, last: bytes) -> None:
        await self._outbox.room()
        await self._wire.idle()
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def _client_leaves(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._outbox.close()
        self._end(b"")

    def _stay_alive(self) -> None:
        """Say something now and then, so that no proxy takes the connection for dead, and a dead one is found out."""
        if not len(self._outbox):
            self._outbox.put([(KEEP_ALIVE,)])
        self._alive = asyncio.get_running_loop().call_later(KEEP_ALIVE_SECONDS, self._stay_alive)

    async def _say(self, text: bytes) -> None:
        await self._send({"type": "http.response.body", "body": text, "more_body": True})


_SESSION_ENDED = {"message": "The session has ended.", "extensions": {"code": NotAuthenticated.code}}


def _next(payload: bytes, cursor: str | None = None) -> bytes:
    return b"".join(_parts(payload, cursor))


def _parts(payload: bytes, cursor: str | None = None) -> Parts:
    # JSON from the database may be written over several lines; within its texts line ends are escaped.
    line = payload.translate(_ON_ONE_LINE) if b"\n" in payload or b"\r" in payload else payload
    id = b"id: %b\n" % cursor.encode() if cursor else b""
    return b"event: next\n", id, b"data: ", line, b"\n\n"


_ON_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
