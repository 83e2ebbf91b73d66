"""A socket and its subscriptions, without a network: what is told to whom, what ends when, and what is left behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import pytest_asyncio
from starlette.datastructures import Headers
from starlette.websockets import WebSocketDisconnect, WebSocketState
from structlog.testing import capture_logs

from app import database as db
from app.infrastructure import broadcast, journal, tail
from app.infrastructure.journal import Entry
from app.kernel import errors
from app.kernel.actor import Actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.permissions import Permission, Role
from schema.kit import sessions, sockets
from schema.kit.live import groups, hears
from schema.kit.live.groups import Outlet, Told
from schema.kit.service import GraphQLService
from schema.kit.sockets import GraphQLSockets
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION
from tests.schema.kit.scratch_api import rename_job

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB, OTHER = "job_01jd0000000000000000000001", "job_01jd0000000000000000000002"
PATIENCE_SECONDS = 10
FOLLOW = """subscription ($ids: [ID!], $after: String) {
  heard: scratchJobChanged(ids: $ids, after: $after) { fact cursor jobId job { title } } }"""
RENAME = 'mutation { renameScratchJob(id: "%s", title: "%s") { job { title } errors { code } } }'
Authenticate = Callable[[str, str], Awaitable[Actor]]


class Wire:
    """What a server gives an application for one WebSocket, with the client at the other end of two queues."""

    def __init__(self) -> None:
        self.headers = Headers({"user-agent": "test"})
        self.scope = {"subprotocols": [sockets.PROTOCOL], "headers": self.headers.raw, "client": None}
        self.application_state = WebSocketState.CONNECTING
        self.inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        self.reads.set()

    async def accept(self, _: str | None = None) -> None:
        self.application_state = WebSocketState.CONNECTED

    async def receive_text(self) -> str:
        text = await self.inbox.get()
        if text is None:
            raise WebSocketDisconnect(1006)
        return text

    async def send_text(self, text: str) -> None:
        await self.reads.wait()
        self.outbox.put_nowait(orjson.loads(text))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.reads.wait()
        self.application_state = WebSocketState.DISCONNECTED
        self.closed = (code, reason)
        self.inbox.put_nowait(None)


class Client:
    """The other end: speaks the protocol, and can go away without a word."""

    def __init__(self, service: Any, authenticate: Authenticate, endpoint: GraphQLSockets | None = None) -> None:
        self.wire = Wire()
        self.sockets = endpoint or sockets_of(service, authenticate)
        self.serving = asyncio.create_task(self.sockets.handle(self.wire))  # type: ignore[arg-type]  # a wire will do

    def send(self, **message: Any) -> None:
        self.wire.inbox.put_nowait(orjson.dumps(message).decode())

    def subscribe(self, id: str, query: str, extensions: Any = None, **variables: Any) -> None:
        payload = {"query": query, "variables": variables, "extensions": extensions}
        self.send(id=id, type="subscribe", payload=payload)

    async def receive(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.wire.outbox.get(), PATIENCE_SECONDS)

    async def event(self) -> Any:
        message = await self.receive()
        assert message["type"] == "next" and "errors" not in message["payload"], message
        return message["payload"]["data"]["heard"]

    async def sign_in(self) -> "Client":
        self.send(type="connection_init", payload={"authorization": "Bearer token"})
        assert await self.receive() == {"type": "connection_ack"}
        return self

    async def leave(self) -> None:
        """Drop the connection."""
        self.wire.inbox.put_nowait(None)
        await asyncio.wait_for(self.serving, PATIENCE_SECONDS)

    async def close_code(self) -> int:
        await asyncio.wait_for(self.serving, PATIENCE_SECONDS)
        assert self.wire.closed is not None
        return self.wire.closed[0]


class Session:
    """Who a token stands for at the moment."""

    def __init__(self) -> None:
        self.actor: Actor | None = MANAGER

    async def __call__(self, token: str, address: str) -> Actor:
        if self.actor is None:
            raise errors.NotAuthenticated()
        return self.actor


class Busy:
    """A service whose operations never end: every second one has something to say at every turn of the loop."""

    def __init__(self) -> None:
        self.running = 0
        self.told = 0

    async def open(self, request: Any, context: Any, outlet: Outlet) -> Any:
        return Bustle(self, outlet, 0 if "busy" in request.document else 3600)

    def encode(self, response: dict[str, Any]) -> bytes:
        return orjson.dumps(response)


class Bustle:
    """What such an operation is while it is heard."""

    def __init__(self, busy: Busy, outlet: Outlet, seconds: float) -> None:
        busy.running += 1
        self._busy = busy
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._tell(outlet, seconds))

    async def _tell(self, outlet: Outlet, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._busy.told += 1
            outlet.tell([Told(self._busy.told, f"c{self._busy.told}", b'{"data":{}}')], b"")

    def leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._busy.running -= 1

    def recheck(self) -> None:
        pass


def one_by_one(authenticate: Authenticate) -> sessions.Check:
    """A check of many tokens that asks for each by itself."""

    async def check(tokens: Sequence[str]) -> dict[str, Actor]:
        found = {}
        for token in tokens:
            with suppress(errors.NotAuthenticated):
                found[token] = await authenticate(token, "")
        return found

    return check


def sockets_of(service: Any, authenticate: Authenticate) -> GraphQLSockets:
    return GraphQLSockets(service, authenticate, sessions.Sessions(one_by_one(authenticate)))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSION_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(sockets, "CLOSE_SECONDS_MAX", 0.2)


@pytest.fixture
def session() -> Session:
    return Session()


@pytest_asyncio.fixture(loop_scope="session")
async def client(scratch: Dialect, schema: Any, session: Session) -> AsyncIterator[Client]:
    """A client that has signed in, with two jobs there are."""
    for id in (JOB, OTHER):
        row = models.Job(id=id, title="old", organization_id=ORGANIZATION, created_at=NOON, updated_at=NOON)
        await row.save(force_create=True)
    await broadcast.start("memory://", channel="test")
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    client = await Client(service, session).sign_in()
    try:
        yield client
    finally:
        client.wire.reads.set()
        if not client.serving.done():
            await client.leave()
        await service.hub.stop()
        await tail.stop()
        await broadcast.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


async def listening(client: Client, number: int = 1) -> None:
    await until(lambda: client.sockets._service.hub.size()[1] == number)  # type: ignore[attr-defined]  # a real one


# The connection


async def test_who_does_not_begin_in_time_is_closed(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    monkeypatch.setattr(sockets, "INIT_SECONDS_MAX", 0.05)
    client = Client(Busy(), session)
    client.send(type="ping")
    assert await client.close_code() == sockets.INIT_TIMEOUT


async def test_a_database_that_is_away_asks_to_try_later_and_does_not_say_forbidden() -> None:
    async def away(token: str, address: str) -> Actor:
        raise db.ConnectionLost()

    client = Client(Busy(), away)
    client.send(type="connection_init", payload={"authorization": "Bearer token"})
    assert await client.close_code() == sockets.TRY_LATER


async def test_a_caller_has_so_many_sockets_and_one_that_closes_makes_room(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SOCKETS_PER_CALLER_MAX", 2)
    endpoint = sockets_of(Busy(), session)
    first, second = [await Client(Busy(), session, endpoint).sign_in() for _ in range(2)]
    refused = Client(Busy(), session, endpoint)
    refused.send(type="connection_init", payload={"authorization": "Bearer token"})
    assert await refused.close_code() == sockets.TOO_MANY_SOCKETS
    assert refused.wire.outbox.empty()
    session.actor = CUSTOMER
    other = await Client(Busy(), session, endpoint).sign_in()  # another caller has room of their own
    session.actor = MANAGER
    await first.leave()
    third = await Client(Busy(), session, endpoint).sign_in()
    for client in (second, third, other):
        await client.leave()
    assert len(endpoint._of_caller) == 0


async def test_at_most_20_operations_run_on_a_socket_and_a_complete_makes_room(session: Session) -> None:
    busy = Busy()
    client = await Client(busy, session).sign_in()
    for number in range(21):
        client.subscribe(str(number), "waiting")
    refused = await client.receive()
    assert (refused["id"], refused["type"]) == ("20", "error")
    assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
    assert busy.running == 20
    client.send(id="3", type="complete")
    await until(lambda: busy.running == 19)
    client.subscribe("20", "waiting")
    await until(lambda: busy.running == 20)
    assert client.wire.outbox.empty()
    await client.leave()


async def test_a_lost_connection_ends_20_busy_and_20_waiting_operations(session: Session) -> None:
    busy = Busy()
    clients = [await Client(busy, session).sign_in() for _ in range(2)]
    for client, kind in zip(clients, ("busy", "waiting"), strict=True):
        for number in range(20):
            client.subscribe(str(number), kind)
    await until(lambda: busy.running == 40)
    for client in clients:
        await client.leave()
    assert busy.running == 0
    assert not any(client.sockets._open for client in clients)


async def test_a_session_that_ends_closes_with_4403_and_nothing_runs_any_more(session: Session) -> None:
    busy = Busy()
    client = await Client(busy, session).sign_in()
    client.subscribe("1", "waiting")
    await until(lambda: busy.running == 1)
    session.actor = None
    assert await client.close_code() == sockets.FORBIDDEN
    client.subscribe("2", "waiting")
    await asyncio.sleep(0.02)
    assert busy.running == 0


async def test_a_session_ends_even_for_a_client_who_sends_and_never_reads(session: Session) -> None:
    busy = Busy()
    client = await Client(busy, session).sign_in()
    client.wire.reads.clear()
    client.subscribe("1", "waiting")
    await until(lambda: busy.running == 1)
    session.actor = None
    await asyncio.sleep(0.1)
    client.subscribe("2", "waiting")
    await asyncio.wait_for(client.serving, PATIENCE_SECONDS)
    assert busy.running == 0


async def test_a_session_that_cannot_be_checked_for_a_moment_goes_on() -> None:
    tries = 0

    async def away_at_times(token: str, address: str) -> Actor:
        nonlocal tries
        tries += 1
        if tries in {2, 3}:
            raise db.ConnectionLost()
        return MANAGER

    with capture_logs():
        client = await Client(Busy(), away_at_times).sign_in()
        await until(lambda: tries > 4)
    assert client.wire.closed is None
    await client.leave()


async def test_a_server_that_stops_closes_its_sockets_a_few_at_a_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "CLOSED_AT_ONCE", 2)
    monkeypatch.setattr(sockets, "CLOSING_SECONDS_MAX", 0.5)
    endpoint = sockets_of(Busy(), session)
    clients = [await Client(Busy(), session, endpoint).sign_in() for _ in range(5)]
    closing = asyncio.create_task(endpoint.close())
    await asyncio.sleep(0.05)
    assert sum(client.wire.closed is not None for client in clients) == 2
    await closing
    assert [await client.close_code() for client in clients] == [1012] * 5


# Operations


async def test_a_query_and_a_mutation_answer_once_and_are_complete(client: Client) -> None:
    client.subscribe("q", f'{{ scratchJob(id: "{JOB}") {{ title }} }}')
    cost = {"requested": 1, "actual": 1, "budget": None}
    payload = {"data": {"scratchJob": {"title": "old"}}, "extensions": {"cost": cost}}
    assert await client.receive() == {"id": "q", "type": "next", "payload": payload}
    assert await client.receive() == {"id": "q", "type": "complete"}
    client.subscribe("m", RENAME % (JOB, "new"))
    renamed = {"renameScratchJob": {"job": {"title": "new"}, "errors": []}}
    assert (await client.receive())["payload"]["data"] == renamed
    assert await client.receive() == {"id": "m", "type": "complete"}


async def test_a_mutation_sent_again_with_its_key_happens_once(client: Client) -> None:
    for _ in range(2):
        client.subscribe("m", RENAME % (JOB, "new"), {"idempotencyKey": "rename once"})
        assert (await client.receive())["payload"]["data"]["renameScratchJob"]["errors"] == []
        assert (await client.receive())["type"] == "complete"
    assert await journal.head(ORGANIZATION) == 1


async def test_a_bug_is_masked_and_its_log_line_names_the_operation_by_a_request_id_of_its_own(client: Client) -> None:
    told = []
    with capture_logs() as lines:
        for id in ("a", "b"):
            client.subscribe(id, "{ scratchBug }")
            told.append((await client.receive())["payload"]["errors"][0])
            await client.receive()
    assert [one["extensions"]["code"] for one in told] == ["INTERNAL", "INTERNAL"]
    bugs = [line for line in lines if line["event"] == "bug"]
    assert len({line["request_id"] for line in bugs}) == 2 and all(line["request_id"] for line in bugs)
    assert "hunter2" not in repr([told, lines])


# Subscriptions


async def test_an_event_shows_the_row_as_it_is_and_a_complete_frees_the_listener(client: Client) -> None:
    client.subscribe("live", FOLLOW)
    await listening(client)
    await rename_job(MANAGER, JOB, "new")
    event = await client.event()
    assert (event["fact"], event["jobId"], event["job"]) == ("ScratchJobRenamed", JOB, {"title": "new"})
    client.send(id="live", type="complete")
    await listening(client, 0)
    await rename_job(MANAGER, JOB, "newer")
    client.subscribe("again", FOLLOW, after=event["cursor"])
    assert (await client.event())["job"] == {"title": "newer"}
    assert client.wire.outbox.empty()


async def test_a_lost_connection_leaves_no_listener_behind(client: Client) -> None:
    for number in range(20):
        client.subscribe(str(number), FOLLOW)
    await listening(client, 20)
    client.wire.reads.clear()
    await rename_job(MANAGER, JOB, "while nobody reads")
    await asyncio.sleep(0.05)
    client.wire.application_state = WebSocketState.DISCONNECTED
    client.wire.reads.set()
    await client.leave()
    await listening(client, 0)


async def test_of_rows_only_the_newest_waits_for_who_does_not_read_and_of_facts_each(client: Client) -> None:
    client.subscribe("rows", "subscription { heard: scratchRenamed { cursor jobId } }")
    client.subscribe("facts", FOLLOW)
    await listening(client, 2)
    await rename_job(MANAGER, JOB, "first")
    assert sorted([(await client.receive())["id"] for _ in range(2)]) == ["facts", "rows"]
    client.wire.reads.clear()
    for number in range(6):
        await rename_job(MANAGER, OTHER if number % 2 else JOB, str(number))
        await asyncio.sleep(0.06)  # each is told by itself
    client.wire.reads.set()
    places: dict[str, list[int]] = {"rows": [], "facts": []}
    while any(heard[-1:] != [7] for heard in places.values()):
        message = await client.receive()
        cursor = message["payload"]["data"]["heard"]["cursor"]
        places[message["id"]].append(journal.seq_of(cursor, ORGANIZATION))
    assert places["facts"] == [2, 3, 4, 5, 6, 7]
    # What was under way when reading stopped comes beside the newest of each row.
    assert places["rows"][-2:] == [6, 7] and len(places["rows"]) <= 3
    assert client.wire.outbox.empty()


async def test_ids_narrow_what_is_heard(client: Client) -> None:
    client.subscribe("live", FOLLOW, ids=[OTHER])
    await listening(client)
    await rename_job(MANAGER, JOB, "not asked for")
    await rename_job(MANAGER, OTHER, "asked for")
    assert (await client.event())["jobId"] == OTHER
    assert client.wire.outbox.empty()


async def test_a_row_that_is_hidden_meanwhile_is_null_at_delivery(client: Client, session: Session) -> None:
    session.actor = replace(MANAGER, permissions=MANAGER.permissions - {Permission.VIEW_INTERNAL_NOTES})
    await asyncio.sleep(0.1)
    client.subscribe("live", FOLLOW)
    await listening(client)
    await models.Job.filter(id=JOB).update(is_secret=True)
    await rename_job(MANAGER, JOB, "secret")
    event = await client.event()
    assert (event["jobId"], event["job"]) == (JOB, None)


async def test_a_permission_that_is_taken_away_ends_the_subscription(client: Client, session: Session) -> None:
    client.subscribe("live", FOLLOW)
    await listening(client)
    await rename_job(MANAGER, JOB, "heard")
    assert (await client.event())["job"] == {"title": "heard"}
    session.actor = replace(MANAGER, permissions=frozenset())
    payload = (await client.receive())["payload"]
    assert payload["data"] is None
    assert [one["extensions"]["code"] for one in payload["errors"]] == ["NOT_PERMITTED"]
    assert await client.receive() == {"id": "live", "type": "complete"}
    await listening(client, 0)


async def test_who_becomes_a_customer_hears_no_more_than_a_customer_from_the_next_event_on(
    client: Client, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def noted(actor: Actor, entry: Entry) -> bool:
        judged.append(entry.subject_id)
        return hears(actor, entry)

    monkeypatch.setattr(groups, "hears", noted)
    client.subscribe("live", FOLLOW)
    await listening(client)
    session.actor = replace(CUSTOMER, permissions=MANAGER.permissions)
    await asyncio.sleep(0.1)
    await rename_job(MANAGER, JOB, "for the office")
    await until(lambda: judged == [JOB])
    session.actor = MANAGER
    await asyncio.sleep(0.1)
    await rename_job(MANAGER, OTHER, "for all")
    assert (await client.event())["jobId"] == OTHER


async def test_a_place_that_was_never_reached_asks_for_a_resync_and_completes(client: Client) -> None:
    client.subscribe("live", FOLLOW, after=journal.cursor_at(ORGANIZATION, 99))
    message = await client.receive()
    assert message["payload"]["data"] is None
    assert [one["extensions"]["code"] for one in message["payload"]["errors"]] == ["RESYNC_REQUIRED"]
    assert message["payload"]["errors"][0]["path"] == ["heard"]
    assert await client.receive() == {"id": "live", "type": "complete"}


@pytest.mark.parametrize(("error", "code"), [(db.ConnectionLost(), "UNAVAILABLE"), (KeyError("hunter2"), "INTERNAL")])
async def test_a_subscription_that_breaks_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    async def broken(organization_id: str) -> int:
        raise error

    monkeypatch.setattr(journal, "head", broken)
    with capture_logs():
        client.subscribe("live", FOLLOW)
        message = await client.receive()
    assert [one["extensions"]["code"] for one in message["payload"]["errors"]] == [code]
    assert "hunter2" not in repr(message)
    assert await client.receive() == {"id": "live", "type": "complete"}


async def test_nobody_listens_without_signing_in(scratch: Dialect, schema: Any, session: Session) -> None:
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    client = Client(service, session)
    client.send(type="connection_init")
    await client.receive()
    client.subscribe("live", FOLLOW)
    message = await client.receive()
    assert [one["extensions"]["code"] for one in message["payload"]["errors"]] == ["NOT_AUTHENTICATED"]
    await client.leave()


# Audiences


def fact(**audience: Any) -> Entry:
    return Entry(
        id="fact_1", organization_id=ORGANIZATION, seq=1, at=NOON, actor_kind="USER", command="c",
        type="T", noun="job", payload={},
        **{"subject_id": JOB, "actor_id": "usr_1", "customer_id": None, "technician_ids": (), **audience},
    )  # fmt: skip


TECHNICIAN = user_actor(ORGANIZATION, "usr_tech", frozenset({Role.TECHNICIAN}), technician_id="tech_1")
BUYER = replace(CUSTOMER, permissions=CUSTOMER.permissions | {Permission.VIEW_WORK_ORDERS})


@pytest.mark.parametrize(
    ("actor", "audience", "heard"),
    [
        (MANAGER, {}, True),
        (replace(MANAGER, permissions=frozenset()), {}, False),
        (MANAGER, {"subject_id": "nokind_01jd0000000000000000000001"}, False),
        (BUYER, {}, False),
        (BUYER, {"customer_id": "cus_1"}, True),
        (BUYER, {"customer_id": "cus_2"}, False),
        (replace(BUYER, customer_id=None), {}, False),
        (TECHNICIAN, {}, False),
        (TECHNICIAN, {"technician_ids": ("tech_2", "tech_1")}, True),
        (TECHNICIAN, {"technician_ids": ("tech_2",)}, False),
        (TECHNICIAN, {"technician_ids": (), "actor_id": "usr_tech"}, True),
        (replace(TECHNICIAN, technician_id=None), {}, False),
    ],
)
def test_a_fact_is_heard_by_the_office_and_by_those_it_names(
    actor: Actor, audience: dict[str, Any], heard: bool
) -> None:
    assert hears(actor, fact(**audience)) is heard
