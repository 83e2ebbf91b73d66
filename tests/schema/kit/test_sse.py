"""Event streams, without a network: what is told to whom, how it looks on the wire, what ends when, and what is left behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from app.infrastructure import broadcast, journal, tail
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import NotAuthenticated
from schema.kit import sessions, sse
from schema.kit.http import GraphQLEndpoint
from schema.kit.live.outbox import MESSAGES_MAX
from schema.kit.negotiation import EVENTS, GRAPHQL, JSON
from schema.kit.service import GraphQLService
from schema.kit.sessions import Sessions
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import MANAGER, ORGANIZATION
from tests.schema.kit.scratch_api import rename_job
from tests.schema.kit.test_sockets import FOLLOW, JOB, NOON, OTHER, Busy, one_by_one, until

PATIENCE_SECONDS = 10
HELLO = '{ scratchHello(name: "you") }'
RENAME = f'mutation {{ renameScratchJob(id: "{JOB}", title: "by stream") {{ job {{ title }} errors {{ code }} }} }}'
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)


class Session:
    """Who a token stands for at the moment."""

    def __init__(self) -> None:
        self.actor: Actor | None = MANAGER

    async def __call__(self, token: str, address: str) -> Actor:
        if self.actor is None:
            raise NotAuthenticated()
        return self.actor


class Client:
    """One request and what comes back, piece by piece."""

    def __init__(
        self, endpoint: GraphQLEndpoint, query: str, variables: dict[str, Any] | None = None, *,
        accept: str = EVENTS, method: str = "POST", token: str | None = "token", **headers: str,
    ) -> None:  # fmt: skip
        parameters = {"query": query, "variables": variables or {}}
        self.body = json.dumps(parameters).encode() if method == "POST" else b""
        given = {"accept": accept, "content-type": JSON} | {
            name.replace("_", "-"): one for name, one in headers.items()
        }
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        in_address = {"query": query, "variables": json.dumps(variables or {})}
        scope = {
            "type": "http", "method": method, "path": "/graphql", "client": ("192.0.2.1", 4711),
            "query_string": b"" if method == "POST" else urlencode(in_address).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }  # fmt: skip
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.finished = False
        self.reads = asyncio.Event()
        self.reads.set()
        self._asked = False
        self._left = asyncio.Event()
        self.serving = asyncio.create_task(endpoint(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.pieces.put_nowait(message["body"])
            self.finished = not message.get("more_body", False)

    async def piece(self) -> bytes:
        return await asyncio.wait_for(self.pieces.get(), PATIENCE_SECONDS)

    async def event(self) -> Any:
        """The data of the next event, which must have come whole."""
        lines = (await self.piece()).decode().split("\n")
        assert lines[0] == "event: next" and lines[-2:] == ["", ""], lines
        return json.loads(lines[-3].removeprefix("data: "))

    async def heard(self) -> Any:
        event = await self.event()
        assert "errors" not in event, event
        return event["data"]["heard"]

    async def all(self) -> bytes:
        """Everything, once the answer has ended."""
        await asyncio.wait_for(self.serving, PATIENCE_SECONDS)
        return b"".join(self.pieces.get_nowait() for _ in range(self.pieces.qsize()))

    async def leave(self) -> None:
        self._left.set()
        await asyncio.wait_for(self.serving, PATIENCE_SECONDS)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SESSION_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(sse, "CLOSE_SECONDS_MAX", 0.2)


@pytest.fixture
def session() -> Session:
    return Session()


@pytest_asyncio.fixture(loop_scope="session")
async def endpoint(scratch: Dialect, schema: Any, session: Session) -> AsyncIterator[GraphQLEndpoint]:
    """An endpoint with two jobs behind it."""
    for id in (JOB, OTHER):
        row = models.Job(id=id, title="old", organization_id=ORGANIZATION, created_at=NOON, updated_at=NOON)
        await row.save(force_create=True)
    await broadcast.start("memory://", channel="test")
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    endpoint = GraphQLEndpoint(service, session, Sessions(one_by_one(session)), "")
    try:
        yield endpoint
    finally:
        await service.hub.stop()
        await tail.stop()
        await broadcast.stop()
    assert len(endpoint.streams) == 0


def busy_endpoint(busy: Any, session: Session) -> GraphQLEndpoint:
    return GraphQLEndpoint(busy, session, Sessions(one_by_one(session)), "")


class Asked(Busy):
    """Busy, and as much of a service as an endpoint asks for."""

    async def find(self, request: Any, context: Any) -> Any:
        return request

    def kind_of(self, request: Any) -> None:
        return None


async def listening(endpoint: GraphQLEndpoint, number: int = 1) -> None:
    await until(lambda: endpoint._service.hub.size()[1] == number)  # type: ignore[attr-defined]  # a real one


# On the wire


async def test_a_query_is_one_event_and_a_complete_with_lf_line_ends(endpoint: GraphQLEndpoint) -> None:
    for method in ("POST", "GET"):
        client = Client(endpoint, HELLO, method=method)
        event, complete, rest = (await client.all()).split(b"\n\n")
        assert event.startswith(b'event: next\ndata: {"data":{"scratchHello":"Hello you at 192.0.2.1"}')
        assert (complete, rest) == (b"event: complete\ndata:", b"") and b"\r" not in event
        assert client.finished and client.status == 200
        assert client.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert client.headers[b"cache-control"] == b"no-store"


async def test_a_mutation_is_sent_by_post_and_by_get_changes_nothing(endpoint: GraphQLEndpoint) -> None:
    refused = Client(endpoint, RENAME, method="GET")
    assert b"BAD_REQUEST" in await refused.all()
    assert (refused.status, refused.headers[b"allow"]) == (405, b"POST")
    assert await journal.head(ORGANIZATION) == 0
    client = Client(endpoint, RENAME)
    assert (await client.event())["data"]["renameScratchJob"] == {"job": {"title": "by stream"}, "errors": []}
    assert await client.all() == sse.COMPLETE
    assert await journal.head(ORGANIZATION) == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ scratchHello(", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { __typename @skip(if: $n) }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "OPERATION_RESOLUTION_FAILURE"),
    ],
)
async def test_a_document_that_cannot_be_run_is_an_event_with_errors(
    endpoint: GraphQLEndpoint, query: str, code: str
) -> None:
    client = Client(endpoint, query)
    event = await client.event()
    assert client.status == 200 and "data" not in event
    assert event["errors"][0]["extensions"]["code"] == code
    assert await client.all() == sse.COMPLETE


async def test_what_is_no_request_or_no_caller_is_refused_with_its_status(endpoint: GraphQLEndpoint) -> None:
    for headers, status in (({"content_type": "text/plain"}, 415), ({"authorization": "Basic x"}, 401)):
        client = Client(endpoint, HELLO, token=None, **headers)
        assert b"errors" in await client.all()
        assert (client.status, client.headers[b"content-type"]) == (status, b"application/json; charset=utf-8")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/*", None),
        ("text/event-stream", EVENTS),
        ("text/event-stream, application/json", EVENTS),
        ("application/json, text/event-stream", JSON),
        (URQL, GRAPHQL),
        ("application/json;q=0.5, text/event-stream", EVENTS),
        ("text/event-stream;q=0.5, */*;q=0.1", EVENTS),
        ("text/event-stream;q=0.5, */*", JSON),
        ("text/event-stream;q=0", None),
        ("application/json;q=0, */*", GRAPHQL),
        ("application/graphql-response+json;q=0.9, application/json", JSON),
        ("application/graphql-response+json, application/json", GRAPHQL),
        ("image/png, application/json;q=nonsense", None),
    ],
)
async def test_order_and_quality_decide_and_a_bare_mention_does_not(
    schema: Any, session: Session, accept: str, media_type: str | None
) -> None:
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    client = Client(GraphQLEndpoint(service, session, Sessions(one_by_one(session)), ""), HELLO, accept=accept)
    await client.all()
    said = client.headers[b"content-type"].decode().partition(";")[0]
    assert (client.status, said) == ((200, media_type) if media_type else (406, JSON))


@pytest.mark.parametrize("accept", [JSON, GRAPHQL, "*/*"])
async def test_a_subscription_for_who_takes_no_events_is_told_where_to_hear_it(
    endpoint: GraphQLEndpoint, accept: str
) -> None:
    client = Client(endpoint, FOLLOW, accept=accept)
    said = json.loads(await client.all())["errors"][0]["message"]
    assert client.status == 406 and "graphql-transport-ws" in said and "text/event-stream" in said
    await listening(endpoint, 0)


async def test_a_subscription_is_streamed_to_who_takes_events_as_well(endpoint: GraphQLEndpoint) -> None:
    client = Client(endpoint, FOLLOW, accept=URQL)
    await listening(endpoint)
    await rename_job(MANAGER, JOB, "new")
    assert (await client.heard())["job"] == {"title": "new"}
    await client.leave()


async def test_a_comment_keeps_a_silent_stream_alive(
    endpoint: GraphQLEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.01)
    client = Client(endpoint, FOLLOW)
    assert [await client.piece(), await client.piece()] == [b":\n", b":\n"]
    await client.leave()


def test_json_over_several_lines_stays_one_line() -> None:
    assert sse._next(b'{"a":\r\n"b\\n"}') == b'event: next\ndata: {"a":  "b\\n"}\n\n'


# Events


async def test_an_event_shows_the_row_as_it_is_and_its_id_resumes(endpoint: GraphQLEndpoint) -> None:
    client = Client(endpoint, FOLLOW)
    await listening(endpoint)
    await rename_job(MANAGER, JOB, "first")
    piece = (await client.piece()).decode()
    event = json.loads(piece.split("data: ")[1])["data"]["heard"]
    assert piece.split("\n")[1] == f"id: {event['cursor']}" and event["job"] == {"title": "first"}
    await client.leave()
    await rename_job(MANAGER, JOB, "missed")
    again = Client(endpoint, FOLLOW, last_event_id=event["cursor"])
    assert (await again.heard())["job"] == {"title": "missed"}
    await listening(endpoint)
    assert again.pieces.empty()
    await again.leave()


async def test_the_further_of_last_event_id_and_after_counts(endpoint: GraphQLEndpoint) -> None:
    for title in ("one", "two", "three"):
        await rename_job(MANAGER, JOB, title)
    early, late = (journal.cursor_at(ORGANIZATION, seq) for seq in (1, 2))
    for after, seen in ((early, late), (late, early)):
        client = Client(endpoint, FOLLOW, {"after": after}, last_event_id=seen)
        assert (await client.heard())["cursor"] == journal.cursor_at(ORGANIZATION, 3)
        await listening(endpoint)
        assert client.pieces.empty()
        await client.leave()


async def test_a_last_event_id_of_nowhere_is_an_error_and_completes(endpoint: GraphQLEndpoint) -> None:
    for cursor in ("nonsense", journal.cursor_at("org_01jd0000000000000000000009", 1)):
        client = Client(endpoint, FOLLOW, last_event_id=cursor)
        assert (await client.event())["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
        assert await client.all() == sse.COMPLETE


# The end


async def test_a_client_who_goes_leaves_no_listener_behind(endpoint: GraphQLEndpoint) -> None:
    clients = [Client(endpoint, FOLLOW) for _ in range(20)]
    await listening(endpoint, 20)
    for client in clients[:10]:
        client.reads.clear()  # and some have stopped reading before
    await rename_job(MANAGER, JOB, "while half do not read")
    await asyncio.sleep(0.05)
    for client in clients:
        await client.leave()
    await listening(endpoint, 0)
    assert not endpoint.streams._of_caller


async def test_a_session_that_ends_says_so_completes_and_nothing_runs_any_more(session: Session) -> None:
    busy = Asked()
    client = Client(busy_endpoint(busy, session), "waiting")
    await until(lambda: busy.running == 1)
    session.actor = None
    last = await client.all()
    assert b'"code":"NOT_AUTHENTICATED"' in last and last.endswith(sse.COMPLETE) and client.finished
    assert busy.running == 0


async def test_a_session_ends_even_for_a_client_who_never_reads(session: Session) -> None:
    busy = Asked()
    client = Client(busy_endpoint(busy, session), "busy")
    await until(lambda: busy.running == 1)
    client.reads.clear()
    session.actor = None
    await asyncio.wait_for(client.serving, PATIENCE_SECONDS)
    assert busy.running == 0


async def test_who_does_not_read_is_closed_and_what_waits_is_bounded(session: Session) -> None:
    busy = Asked()
    client = Client(busy_endpoint(busy, session), "busy")
    await until(lambda: busy.told > 3)
    client.reads.clear()
    told = busy.told
    await asyncio.wait_for(client.serving, PATIENCE_SECONDS)
    assert told + MESSAGES_MAX <= busy.told <= told + MESSAGES_MAX + 3
    assert busy.running == 0 and not client.finished


async def test_a_caller_has_so_many_streams_and_one_that_ends_makes_room(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "STREAMS_PER_CALLER_MAX", 2)
    busy = Asked()
    endpoint = busy_endpoint(busy, session)
    first, second = Client(endpoint, "waiting"), Client(endpoint, "waiting")
    await until(lambda: busy.running == 2)
    refused = Client(endpoint, "waiting")
    assert b"TOO_MANY_OPERATIONS" in await refused.all()
    assert (refused.status, busy.running) == (429, 2)
    await first.leave()
    third = Client(endpoint, "waiting")
    await until(lambda: busy.running == 2)
    for client in (second, third):
        await client.leave()


async def test_a_server_that_stops_ends_its_streams_without_a_complete_and_opens_no_other(session: Session) -> None:
    busy = Asked()
    endpoint = busy_endpoint(busy, session)
    client = Client(endpoint, "waiting")
    await until(lambda: busy.running == 1)
    endpoint.streams.close()
    assert await client.all() == b"" and client.finished
    refused = Client(endpoint, "waiting")
    assert b"UNAVAILABLE" in await refused.all()
    assert (refused.status, refused.headers[b"retry-after"], busy.running) == (503, b"1", 0)
