"""GraphQL over WebSocket: the graphql-transport-ws protocol, and no other.

Every operation gets a context of its own; a faulty document answers ``error`` and never costs the other operations on the
socket theirs. A session that ends closes its sockets (4403) within seconds, and nothing runs on them any more. A reader that
does not read is not read for: a subscription takes its next fact from the journal only when the last frame has left.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Protocol

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app import database
from app.infrastructure import journal, metrics
from app.kernel.errors import NotAuthenticated, RateLimited
from app.kernel.ids import new_id
from schema.kit.context import Context
from schema.kit.limits import BadRequest, GraphQLRequest, read_body, request_of
from schema.kit.sessions import Authenticate, Crowd, Session, bearer_token, client_address, end, user_agent

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS_MAX = 5.0
CLOSE_SECONDS_MAX = 5.0
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
TRY_LATER = 1013
TOO_MANY_SOCKETS = 1008


class Service(Protocol):
    """What executes operations; see ``schema.kit.service``."""

    def stream(
        self, request: GraphQLRequest, context: Callable[[], Context]
    ) -> AsyncGenerator[tuple[dict[str, Any], str | None]]:
        """The responses of an operation: one of a query or mutation, one for each event of a subscription."""

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
        allowed_origins: tuple[str, ...] = (),
        trusted_proxies: int = 0,
    ) -> None:
        self._service = service
        self._authenticate = authenticate
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
        socket = Socket(websocket, self._service, session, self._of_caller)
        self._open.add(socket)
        metrics.sockets_open(len(self._open))
        try:
            await socket.serve()
        finally:
            self._open.discard(socket)
            metrics.sockets_open(len(self._open))

    async def close(self) -> None:
        """Close every socket, because the server stops: clients come back to another one."""
        await asyncio.gather(*(socket.close(1012, "Server restarts") for socket in set(self._open)))

    def _is_from_a_friend(self, websocket: WebSocket) -> bool:
        """Whether the page that opens the socket is ours or an allowed one; programs send no origin."""
        origin = websocket.headers.get("origin")
        if origin is None:
            return True
        return origin in self._allowed_origins or origin.partition("://")[2] == websocket.headers.get("host")


class Socket:
    """One connection: its session and the operations that run on it."""

    def __init__(self, websocket: WebSocket, service: Service, session: Session, of_caller: Crowd) -> None:
        self._websocket = websocket
        self._service = service
        self._session = session
        self._of_caller = of_caller
        self._counts_for: str | None = None
        self._initialized = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Read messages until the client goes, breaks the protocol or loses its session."""
        closed: Closed | None = None
        try:
            await self._initialize()
            closed = await self._listen_while_signed_in()
        except Closed as reason:
            closed = reason
        except WebSocketDisconnect:
            pass  # the client has gone: nothing to tell anybody
        finally:
            await end(self._operations.values())
            if self._counts_for is not None:
                self._of_caller.leave(self._counts_for)
        if closed is not None:
            await self.close(closed.code, str(closed))

    async def close(self, code: int, reason: str) -> None:
        """Close the socket; harmless when it is closed already, and not waiting long for a client who does not read."""
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # the client may be faster
                await asyncio.wait_for(self._websocket.close(code, reason), CLOSE_SECONDS_MAX)

    async def _listen_while_signed_in(self) -> Closed | None:
        """Why the socket must be closed; None when the client has closed it."""
        listening = asyncio.create_task(self._listen())
        ending = asyncio.create_task(self._session.until_it_ends())
        try:
            done, _ = await asyncio.wait((listening, ending), return_when=asyncio.FIRST_COMPLETED)
            return listening.result() if listening in done else Closed(FORBIDDEN, "The session has ended")
        finally:
            await end((listening, ending))

    async def _listen(self) -> Closed | None:
        try:
            while True:
                await self._receive(await self._message())
        except Closed as closed:
            return closed
        except WebSocketDisconnect:
            return None

    async def _message(self) -> dict[str, Any]:
        try:
            text = await self._websocket.receive_text()
        except KeyError:
            raise Closed(BAD_MESSAGE, "Only text messages are understood") from None
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
            try:
                message = await asyncio.wait_for(self._message(), max(left, 0.001))
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
                task = self._operations.pop(self._id_of(message), None)
                if task:
                    task.cancel()
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
        self._operations[id] = asyncio.create_task(self._run(id, request))

    async def _run(self, id: str, request: GraphQLRequest) -> None:
        """Send an operation's responses; the first without data is a request error and the operation's end."""
        me = asyncio.current_task()
        journal.request_id.set(new_id("req"))
        try:
            context = partial(self._session.context, request.idempotency_key)
            async with aclosing(self._service.stream(request, context)) as responses:
                async for response, _ in responses:
                    if "data" not in response:
                        errors = response["errors"]
                        await self._send_raw(b'{"id":%b,"type":"error","payload":%b}' % (_json(id), _json(errors)))
                        return
                    frame = b'{"id":%b,"type":"next","payload":%b}' % (_json(id), self._service.encode(response))
                    await self._send_raw(frame)
            if self._operations.get(id) is me:
                await self._send({"id": id, "type": "complete"})
        except WebSocketDisconnect:
            pass  # the client has gone
        finally:
            if self._operations.get(id) is me:
                del self._operations[id]

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
        await self._send_raw(_json(message))

    async def _send_raw(self, frame: bytes) -> None:
        async with self._sending:
            if self._websocket.application_state is not WebSocketState.CONNECTED:
                raise WebSocketDisconnect(1006)
            try:
                await self._websocket.send_text(frame.decode())
            except RuntimeError:
                raise WebSocketDisconnect(1006) from None


def _json(value: Any) -> bytes:
    return orjson.dumps(value)
