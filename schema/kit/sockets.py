"""GraphQL over WebSocket: the graphql-transport-ws protocol, and no other.

Every operation gets a context of its own; a faulty document answers ``error`` and never costs the other operations on the
socket theirs. A session that ends closes its sockets (4403) within seconds, and nothing runs on them any more. Everything
that is sent goes through one bounded outbox: who does not read is closed (4490) and resumes from the last cursor.

An idle socket is one task, which waits for the client; a subscription that is up to date has none.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app import database
from app.infrastructure import journal, metrics
from app.kernel.errors import NotAuthenticated, RateLimited
from app.kernel.ids import new_id
from schema.kit.context import Context
from schema.kit.execution import internal
from schema.kit.limits import BadRequest, GraphQLRequest, read_body, request_of
from schema.kit.live.groups import Member, Outlet, Shared, Told
from schema.kit.live.outbox import Outbox, Parts, TaskWire, Wire
from schema.kit.sessions import Authenticate, Crowd, Session, Sessions, bearer_token, client_address, end, user_agent

PROTOCOL = "graphql-transport-ws"
WIRE = "truckroll.wire"
"""In a connection's ``extensions``: the way to write frames without asking the event loop, where the server has one."""
INIT_SECONDS_MAX = 5.0
CLOSE_SECONDS_MAX = 5.0
CLOSED_AT_ONCE = 50
CLOSING_SECONDS_MAX = 15.0  # for all sockets when the server stops
CLOSING_PAUSE_SECONDS_MAX = 0.5
OPERATIONS_MAX = 20
SOCKETS_PER_CALLER_MAX = 50
ID_LENGTH_MAX = 128

BAD_MESSAGE = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
NO_PROTOCOL = 4406
INIT_TIMEOUT = 4408
DUPLICATE_ID = 4409
TOO_MANY_INITS = 4429
TOO_SLOW = 4490
TRY_LATER = 1013
TOO_MANY_SOCKETS = 1008


class Service(Protocol):
    """What executes operations; see ``schema.kit.service``."""

    async def open(self, request: GraphQLRequest, context: Callable[[], Context], outlet: Outlet) -> Member | None:
        """Run an operation and give the outlet its answer, or let it hear a subscription."""

    def encode(self, response: dict[str, Any]) -> bytes:
        """A response as JSON."""


class Closed(Exception):
    """The socket must be closed with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class GraphQLSockets:
    """The WebSocket side of the endpoint."""

    def __init__(
        self,
        service: Service,
        authenticate: Authenticate,
        sessions: Sessions,
        allowed_origins: tuple[str, ...] = (),
        trusted_proxies: int = 0,
    ) -> None:
        self._service = service
        self._authenticate = authenticate
        self._sessions = sessions
        self._allowed_origins = allowed_origins
        self._trusted_proxies = trusted_proxies
        self._open: set[Socket] = set()
        self._of_caller = Crowd()

    async def handle(self, websocket: WebSocket) -> None:
        """Serve one socket until either side closes it."""
        if not self._is_from_a_friend(websocket):
            await websocket.close(code=FORBIDDEN)
            return
        if PROTOCOL not in websocket.scope.get("subprotocols", []):
            await websocket.accept()
            await websocket.close(NO_PROTOCOL, "Subprotocol not acceptable")
            return
        await websocket.accept(PROTOCOL)
        address = client_address(websocket.scope, self._trusted_proxies)
        session = Session(self._authenticate, address, user_agent(dict(websocket.scope["headers"])))
        socket = Socket(websocket, self._service, session, self._sessions, self._of_caller)
        self._open.add(socket)
        metrics.sockets_open(len(self._open))
        try:
            await socket.serve()
        finally:
            self._open.discard(socket)
            metrics.sockets_open(len(self._open))

    async def close(self) -> None:
        """Close every socket, because the server stops: a few at a time, so that their clients do not all come to another
        server in the same moment."""
        waiting = list(self._open)
        for start in range(0, len(waiting), CLOSED_AT_ONCE):
            some = waiting[start : start + CLOSED_AT_ONCE]
            await asyncio.gather(*(socket.close(1012, "Server restarts") for socket in some))
            if start + CLOSED_AT_ONCE < len(waiting):
                await asyncio.sleep(min(CLOSING_SECONDS_MAX * CLOSED_AT_ONCE / len(waiting), CLOSING_PAUSE_SECONDS_MAX))

    def _is_from_a_friend(self, websocket: WebSocket) -> bool:
        """Whether the page that opens the socket is ours or an allowed one; programs send no origin."""
        origin = websocket.headers.get("origin")
        if origin is None:
            return True
        return origin in self._allowed_origins or origin.partition("://")[2] == websocket.headers.get("host")


class Socket:
    """One connection: its session and the operations that run on it."""

    __slots__ = (
        "_closing", "_counts_for", "_initialized", "_of_caller", "_operations", "_outbox", "_service", "_serving", "_session",
        "_sessions", "_websocket", "_wire",
    )  # fmt: skip

    def __init__(
        self, websocket: WebSocket, service: Service, session: Session, sessions: Sessions, of_caller: Crowd
    ) -> None:
        self._websocket = websocket
        self._service = service
        self._session = session
        self._sessions = sessions
        self._of_caller = of_caller
        self._counts_for: str | None = None
        self._initialized = False
        self._operations: dict[str, Operation] = {}
        self._closing: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._wire: Wire = websocket.scope.get("extensions", {}).get(WIRE) or TaskWire(self._send_text)
        self._outbox = Outbox(self._wire, self._too_slow)
        session.on_change = self._recheck
        session.on_end = partial(self._close_soon, FORBIDDEN, "The session has ended")

    async def serve(self) -> None:
        """Read messages until the client goes, breaks the protocol or loses its session."""
        closed: Closed | None = None
        self._serving = asyncio.current_task()
        try:
            await self._initialize()
            with self._sessions.watched(self._session):
                while True:
                    await self._receive(await self._message())
        except Closed as reason:
            closed = reason
        except WebSocketDisconnect:
            pass  # the client has gone, or we closed it: nothing to tell anybody
        except asyncio.CancelledError:
            if self._closing is None:
                raise
        finally:
            self._serving = None
            await self._end()
        if closed is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.room(), CLOSE_SECONDS_MAX)
            await self.close(closed.code, str(closed))
        self._outbox.close()
        if isinstance(self._wire, TaskWire):
            await self._wire.end()

    async def close(self, code: int, reason: str) -> None:
        """Close the socket; harmless when it is closed already, and not waiting long for a client who does not read."""
        self._outbox.close()
        if self._websocket.application_state is WebSocketState.CONNECTED:
            self._wire.hang_up(code, reason)
            try:
                with suppress(RuntimeError, WebSocketDisconnect):  # the client may be faster
                    await asyncio.wait_for(self._websocket.close(code, reason), CLOSE_SECONDS_MAX)
            except TimeoutError:
                if self._serving is not None and self._serving is not asyncio.current_task():
                    self._serving.cancel()

    async def _end(self) -> None:
        operations, self._operations = self._operations, {}
        for operation in operations.values():
            operation.leave()
        await end(one.task for one in operations.values() if one.task is not None)
        if self._counts_for is not None:
            self._of_caller.leave(self._counts_for)
            self._counts_for = None
        if self._closing is not None:
            await asyncio.gather(self._closing, return_exceptions=True)

    def _close_soon(self, code: int, reason: str) -> None:
        """Close from where nobody can wait for it. Whoever reads from the client hears that it is closed, and ends."""
        if self._closing is None:
            for operation in self._operations.values():
                operation.leave()
            self._closing = asyncio.create_task(self.close(code, reason))

    def _too_slow(self) -> None:
        metrics.count_closed_slow()
        self._close_soon(TOO_SLOW, "Too slow: resume from your last cursor")

    def _recheck(self) -> None:
        for operation in list(self._operations.values()):
            operation.recheck()

    async def _message(self) -> dict[str, Any]:
        try:
            text = await self._websocket.receive_text()
        except KeyError:
            raise Closed(BAD_MESSAGE, "Only text messages are understood") from None
        except RuntimeError:
            raise WebSocketDisconnect(1006) from None  # closed by us while a message was being read
        try:
            message = read_body(text.encode())
        except (BadRequest, UnicodeEncodeError):
            raise Closed(BAD_MESSAGE, "The message is not a JSON object") from None
        if not isinstance(message.get("type"), str):
            raise Closed(BAD_MESSAGE, "The message has no type")
        return message

    async def _initialize(self) -> None:
        deadline = asyncio.get_running_loop().time() + INIT_SECONDS_MAX
        while not self._initialized:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise Closed(INIT_TIMEOUT, "Connection initialisation timeout")
            try:
                message = await asyncio.wait_for(self._message(), left)
            except TimeoutError:
                raise Closed(INIT_TIMEOUT, "Connection initialisation timeout") from None
            match message["type"]:
                case "connection_init":
                    await self._sign_in(message.get("payload"))
                    self._require_room(self._session.caller)
                    self._initialized = True
                    await self._send({"type": "connection_ack"})
                case "ping":
                    await self._pong(message)
                case "pong":
                    pass
                case "subscribe":
                    raise Closed(UNAUTHORIZED, "Unauthorized")
                case _:
                    raise Closed(BAD_MESSAGE, "Unknown message before connection_init")

    async def _sign_in(self, payload: Any) -> None:
        if payload is None:
            return
        if not isinstance(payload, dict):
            raise Closed(BAD_MESSAGE, "The payload of connection_init must be an object")
        header = payload.get("authorization") or payload.get("Authorization")
        if header is None:
            return
        try:
            await self._session.sign_in(bearer_token(header if isinstance(header, str) else "?") or "")
        except (NotAuthenticated, RateLimited):
            raise Closed(FORBIDDEN, "Forbidden") from None
        except Exception as error:
            if not database.is_away(error):
                raise
            raise Closed(TRY_LATER, "Busy at the moment") from None

    def _require_room(self, caller: str) -> None:
        if not self._of_caller.enter(caller, SOCKETS_PER_CALLER_MAX):
            raise Closed(TOO_MANY_SOCKETS, f"At most {SOCKETS_PER_CALLER_MAX} sockets are open at once")
        self._counts_for = caller

    async def _receive(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                operation = self._operations.pop(self._id_of(message), None)
                if operation is not None:
                    operation.leave()
            case "ping":
                await self._pong(message)
            case "pong":
                pass
            case "connection_init":
                raise Closed(TOO_MANY_INITS, "Too many initialisation requests")
            case _:
                raise Closed(BAD_MESSAGE, "Unknown message type")

    async def _subscribe(self, message: dict[str, Any]) -> None:
        id = self._id_of(message)
        if id in self._operations:
            raise Closed(DUPLICATE_ID, f"Subscriber for {id} already exists")
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise Closed(BAD_MESSAGE, "The payload of subscribe must be an object")
        if len(self._operations) >= OPERATIONS_MAX:
            await self._fail(id, f"At most {OPERATIONS_MAX} operations run on one socket.", "TOO_MANY_OPERATIONS")
            return
        try:
            request = request_of(payload)
        except BadRequest as bad:
            if not isinstance(payload.get("query"), str):
                raise Closed(BAD_MESSAGE, bad.message) from None
            await self._fail(id, bad.message, "BAD_REQUEST")
            return
        self._operations[id] = Operation(self, id)
        self._operations[id].begin(request)

    async def run(self, operation: "Operation", request: GraphQLRequest) -> Member | None:
        """Run an operation of the socket; what is heard, if it is a subscription."""
        journal.request_id.set(new_id("req"))
        return await self._service.open(request, partial(self._session.context, request.idempotency_key), operation)

    def send(self, messages: list[Parts], keys: list[Hashable] | None = None) -> None:
        """Send messages, or keep them until the client reads."""
        self._outbox.put(messages, keys)

    def send_shared(self, shared: Shared, key: bytes, make: Callable[[], list[Parts]]) -> bool:
        """Send what was made ready for others, if this client reads as they do."""
        return self._outbox.put_shared(shared, key, make)

    async def room(self) -> None:
        """Wait until what was sent has left."""
        await self._outbox.room()

    def encode(self, response: dict[str, Any]) -> bytes:
        """A response as JSON."""
        return self._service.encode(response)

    def forget(self, operation: "Operation") -> None:
        """An operation has ended."""
        if self._operations.get(operation.id) is operation:
            del self._operations[operation.id]

    def is_running(self, operation: "Operation") -> bool:
        """Whether the client still waits for an operation."""
        return self._operations.get(operation.id) is operation

    def _id_of(self, message: dict[str, Any]) -> str:
        id = message.get("id")
        if not isinstance(id, str) or not 1 <= len(id) <= ID_LENGTH_MAX:
            raise Closed(BAD_MESSAGE, f"The id must be a string of 1 to {ID_LENGTH_MAX} characters")
        return id

    async def _pong(self, message: dict[str, Any]) -> None:
        payload = message.get("payload")
        await self._send({"type": "pong", **({"payload": payload} if payload is not None else {})})

    async def _fail(self, id: str, text: str, code: str) -> None:
        await self._send({"id": id, "type": "error", "payload": [{"message": text, "extensions": {"code": code}}]})

    async def _send(self, message: dict[str, Any]) -> None:
        """Send a message; a client who sends without reading is not read from."""
        await self.room()
        self.send([(_json(message),)])

    async def _send_text(self, frame: bytes) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.send_text(frame.decode())


class Operation:
    """One operation on a socket, and where its answers go."""

    __slots__ = ("_head", "_heard", "_socket", "id", "task")

    def __init__(self, socket: Socket, id: str) -> None:
        self.id = id
        self.task: asyncio.Task[None] | None = None
        self._socket = socket
        self._heard: Member | None = None
        self._head = b'{"id":%b,"type":"next","payload":' % _json(id)

    def begin(self, request: GraphQLRequest) -> None:
        """Run it."""
        self.task = asyncio.create_task(self._run(request), name="operation")

    def leave(self) -> None:
        """The client does not wait for it any more."""
        if self._heard is not None:
            self._heard.leave()
            self._heard = None
        elif self.task is not None:
            self.task.cancel()

    def recheck(self) -> None:
        """The session has changed."""
        if self._heard is not None:
            self._heard.recheck()

    def tell(self, told: Sequence[Told], extra: bytes, shared: Shared | None = None) -> None:
        """Send events. Clients number their operations alike, so the same frames serve many sockets."""
        if (
            shared is not None
            and not extra
            and self._socket.send_shared(shared, self._head, partial(self._messages, told))
        ):
            return
        messages = self._messages(told)
        if extra:
            messages[0] = (self._head, told[0].payload[:-1], b",", extra, b"}}")
        keys = None if told[0].key is None else [(self.id, one.key) for one in told]
        self._socket.send(messages, keys)  # type: ignore[arg-type]  # a list of hashable things

    def _messages(self, told: Sequence[Told]) -> list[Parts]:
        return [(self._head, one.payload, b"}") for one in told]

    def finish(self, response: dict[str, Any] | None) -> None:
        """Send the last answer, and that there are no more; a request error is the end by itself."""
        self._heard = None
        if not self._socket.is_running(self):
            return
        self._socket.forget(self)
        if response is not None and "data" not in response:
            errors = _json(response["errors"])
            self._socket.send([(b'{"id":%b,"type":"error","payload":%b}' % (_json(self.id), errors),)])
            return
        messages: list[Parts] = []
        if response is not None:
            messages.append((self._head, self._socket.encode(response), b"}"))
        messages.append((b'{"id":%b,"type":"complete"}' % _json(self.id),))
        self._socket.send(messages)

    async def room(self) -> None:
        """Wait until what was told has left."""
        await self._socket.room()

    async def _run(self, request: GraphQLRequest) -> None:
        try:
            await self.room()
            heard = await self._socket.run(self, request)
        except asyncio.CancelledError:
            self._socket.forget(self)
            raise
        except Exception as bug:  # noqa: BLE001  # told in any case: the client would wait for ever
            self.finish(internal(bug))
            return
        finally:
            self.task = None
        if heard is not None and self._socket.is_running(self):
            self._heard = heard
        elif heard is not None:
            heard.leave()


def _json(value: Any) -> bytes:
    return orjson.dumps(value)
