"""The wire: GraphQL over HTTP and WebSocket as their specifications say, and bad input that never becomes a 500."""

import asyncio
import json
import socket
import struct
import subprocess
import time

import httpx
import pytest
import websockets

from tests.journeys.followers import CLIENTS, require_node
from tests.journeys.worlds import ADMINISTRATOR
from tests.servers import PASSWORD, Api, until

pytestmark = pytest.mark.slow

JSON = {"content-type": "application/json"}
SPEC = {**JSON, "accept": "application/graphql-response+json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for all tests of this file."""
    from tests.journeys.worlds import small_world

    with small_world(tmp_path_factory.mktemp("wire")) as world:
        world.set_up()
        with world.server() as server:
            yield server, world


async def test_passes_every_audit_of_graphql_http(served):
    server, _ = served
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
    ran = subprocess.run(
        [require_node(), "audit.mjs", f"{server.url}/graphql", api.token or ""], cwd=CLIENTS, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    results = json.loads(ran.stdout)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b"42", 400),
        (b'{"query": "\xff"}', 400),
        (b'{"query": "{ a \\u0000 }"}', 400),
        (b"[" * 50_000, 400),
        (b'{"query":"{a}","variables":' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}", 400),
        (b'{"query":"{a}","variables":{"a":' + b"9" * 5000 + b"}}", 400),
        (b'[{"query": "{ __typename }"}, {"query": "{ __typename }"}]', 400),
        (b'{"variables": {}}', 400),
        (b'{"query": "{ nothing }"}', 400),
        (b'{"query": "{ viewer {"}', 400),
        (b'{"query": "query($n: Int!) { __typename }"}', 400),
        (b'{"query": "' + b" " * 70_000 + b'{a}"}', 413),
        (b" " * 1_100_000, 413),
    ],
)
async def test_a_bad_request_gets_its_status_and_an_error_and_never_a_500(served, body, status):
    server, _ = served
    async with httpx.AsyncClient(base_url=server.url) as http:
        response = await http.post("/graphql", content=body, headers=SPEC)
    assert response.status_code == status
    assert response.json()["errors"][0]["message"]
    assert "data" not in response.json()


async def test_a_connection_goes_on_after_a_body_that_was_refused(served):
    server, _ = served
    head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
    body = json.dumps({"query": "{ __typename }"}).encode()
    for content_type, status in (("application/json", b"413"), ("text/plain", b"415")):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write((head % (content_type, 2_000_000)).encode() + b" " * 2_000_000)
        writer.write((head % ("application/json", len(body))).encode() + body)
        async with asyncio.timeout(10):
            assert status in await reader.readuntil(b"]}")
            assert b"200 OK" in await reader.readuntil(b"}}")
        writer.close()
        await writer.wait_closed()


async def test_text_with_control_characters_is_refused_and_nothing_is_made(served):
    server, _ = served
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        before = await api.ask("{ customers { totalCount } journalCursor }")
        document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } } }"
        for name in ("bell \x07", "escape \x1b[31m", "half \ud800"):
            body = json.dumps({"query": document, "variables": {"input": {"name": name, "type": "ENTERPRISE"}}})
            response = await api.http.post(
                "/graphql", content=body.encode(), headers={**SPEC, "authorization": f"Bearer {api.token}"}
            )
            assert response.status_code == 400, response.text
        assert await api.ask("{ customers { totalCount } journalCursor }") == before


async def test_the_wrong_content_type_verb_or_accept_is_refused(served):
    server, _ = served
    async with httpx.AsyncClient(base_url=server.url) as http:
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert (await http.post("/graphql", content=b"query={a}", headers=form)).status_code == 415
        assert (await http.post("/graphql", content=b"{}", headers={})).status_code == 415
        assert (await http.post("/graphql", content=b"{}", headers={**JSON, "accept": "image/png"})).status_code == 406
        for verb in ("PUT", "DELETE", "PATCH", "TRACE"):
            assert (await http.request(verb, "/graphql")).status_code == 405
        mutation = {"query": 'mutation { logIn(input: {email: "a", password: "b"}) { signedIn { accessToken } } }'}
        refused = await http.get("/graphql", params=mutation, headers={"accept": "application/json"})
        assert refused.status_code == 405
        assert refused.headers["allow"] == "POST"


async def test_pages_and_the_schema_come_packed_and_are_not_sent_twice(served):
    server, _ = served
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        for path in ("/", "/assets/board.js", "/assets/track.js", "/schema.graphql", "/docs/"):
            headers = {"authorization": f"Bearer {api.token}"}
            plain = await api.http.get(path, headers={**headers, "accept-encoding": "identity"})
            for encoding in ("br", "gzip"):
                page = await api.http.get(path, headers={**headers, "accept-encoding": encoding})
                assert (page.status_code, page.headers["content-encoding"]) == (200, encoding)
                assert page.content == plain.content
                assert int(page.headers["content-length"]) < len(plain.content) / 2
                assert "accept-encoding" in page.headers["vary"].lower()
                if "etag" in page.headers:
                    again = await api.http.get(
                        path, headers={**headers, "accept-encoding": encoding, "if-none-match": page.headers["etag"]}
                    )
                    assert (again.status_code, again.headers["etag"]) == (304, page.headers["etag"])


async def test_a_server_that_trusts_a_manifest_runs_nothing_else_over_http_and_sockets(served, tmp_path):
    _, world = served
    manifest = tmp_path / "documents.json"
    log_in = (
        "mutation L($input: LogInInput!) { logIn(input: $input) { signedIn { accessToken } errors { code message } } }"
    )
    manifest.write_text(json.dumps({"login": log_in, "cursor": "{ journalCursor }"}))
    world.environment |= {"TRUCKROLL_TRUSTED_DOCUMENTS": str(manifest), "TRUCKROLL_DOCUMENTS": "trusted"}
    try:
        with world.server() as server:
            async with httpx.AsyncClient(base_url=server.url, headers=SPEC) as http, connect(server) as connection:
                given = {"input": {"email": ADMINISTRATOR, "password": PASSWORD}}
                signed_in = await http.post("/graphql", json={"documentId": "login", "variables": given})
                token = signed_in.json()["data"]["logIn"]["signedIn"]["accessToken"]
                headers = {"authorization": f"Bearer {token}"}
                named = await http.get("/graphql", params={"documentId": "cursor"}, headers=headers)
                assert named.json()["data"]["journalCursor"] and named.headers["etag"]
                for query in ("{ __typename }", "{ __schema { types { name } } }"):
                    refused = await http.post("/graphql", json={"query": query}, headers=headers)
                    assert refused.status_code == 403
                    assert refused.json()["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
                socket = Socket(connection)
                await socket.send({**INIT, "payload": headers})
                await socket.receive()
                await socket.send({"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}})
                assert (await socket.receive())["payload"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
        manifest.write_text('{"old": "{ nothing }"}')
        for command in ("check", "serve"):
            said = world.cli(command, check=False)
            assert said.returncode != 0 and "the document old does not fit the schema" in said.stderr + said.stdout
            assert "Traceback" not in said.stderr
    finally:
        del world.environment["TRUCKROLL_TRUSTED_DOCUMENTS"], world.environment["TRUCKROLL_DOCUMENTS"]


async def test_an_unknown_token_is_401_and_no_token_sees_nothing(served):
    server, _ = served
    async with httpx.AsyncClient(base_url=server.url) as http:
        body = {"query": "{ workOrders { totalCount } }"}
        unknown = await http.post("/graphql", json=body, headers={"authorization": "Bearer nonsense"})
        assert unknown.status_code == 401
        nobody = (await http.post("/graphql", json=body)).json()
        assert nobody["errors"][0]["extensions"]["code"] == "NOT_AUTHENTICATED"
        schema = (await http.post("/graphql", json={"query": "{ __schema { types { name } } }"})).json()
        assert schema["errors"][0]["extensions"]["code"] == "TOO_EXPENSIVE"
        assert "data" not in schema


async def test_a_sign_in_that_is_wrong_says_no_more_than_that(served):
    server, world = served
    document = (
        "mutation($input: LogInInput!) { logIn(input: $input) { signedIn { accessToken } errors { code message } } }"
    )
    async with Api(server.url) as api:
        answers = [
            await api.ask(document, input={"email": login, "password": "certainly wrong"})
            for login in (ADMINISTRATOR, "nobody@example.com")
        ]
    assert answers[0] == answers[1]
    assert answers[0]["logIn"]["signedIn"] is None
    assert "certainly wrong" not in world.logs()


class Socket:
    """A raw graphql-transport-ws conversation."""

    def __init__(self, connection):
        self.connection = connection

    async def send(self, message):
        """Send text as it is, anything else as JSON."""
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self):
        """The next message."""
        return json.loads(await asyncio.wait_for(self.connection.recv(), 10))

    async def close_code(self):
        """The code with which the server closes."""
        await asyncio.wait_for(self.connection.wait_closed(), 10)
        return self.connection.close_code


def connect(server, **options):
    """A socket with the right subprotocol unless told otherwise."""
    return websockets.connect(
        f"ws://127.0.0.1:{server.port}/graphql", **{"subprotocols": ["graphql-transport-ws"], **options}
    )


INIT = {"type": "connection_init"}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["null"], 4400),
        (["[]"], 4400),
        (["7"], 4400),
        (["{"], 4400),
        ([{"type": "nonsense"}], 4400),
        ([{"no": "type"}], 4400),
        ([{"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}}], 4401),
        ([INIT, INIT], 4429),
        ([INIT, "null"], 4400),
        ([INIT, {"id": "", "type": "subscribe", "payload": {"query": "{ __typename }"}}], 4400),
        ([INIT, {"id": 7, "type": "subscribe", "payload": {"query": "{ __typename }"}}], 4400),
        ([INIT, {"id": "1", "type": "subscribe", "payload": {"query": 7}}], 4400),
        ([INIT, {"id": "1", "type": "subscribe"}], 4400),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer nonsense"}}], 4403),
        ([{"type": "connection_init", "payload": []}], 4400),
        ([{"type": "connection_init", "payload": "Bearer"}], 4400),
        ([{"type": "complete", "id": "1"}], 4400),
        ([INIT, {"type": "complete"}], 4400),
        ([INIT, {"id": "i" * 129, "type": "subscribe", "payload": {"query": "{ __typename }"}}], 4400),
        ([INIT, {"id": "1", "type": "subscribe", "payload": []}], 4400),
        *(
            ([INIT, {"id": "1", "type": type, "payload": {}}], 4400)
            for type in ("next", "error", "connection_ack", "start")
        ),
        ([INIT, {"type": "ping", "payload": "p" * 70_000}], 1009),
    ],
)
async def test_a_message_against_the_protocol_closes_with_its_code(served, messages, code):
    server, _ = served
    async with connect(server) as connection:
        socket = Socket(connection)
        for message in messages:
            await socket.send(message)
        assert await socket.close_code() == code


async def test_binary_frames_and_other_protocols_are_refused(served):
    server, _ = served
    async with connect(server) as connection:
        await connection.send(b"{}")
        assert await Socket(connection).close_code() == 4400
    for others in (None, ["graphql-ws"], ["graphql-ws", "mqtt"]):
        async with connect(server, subprotocols=others) as connection:
            assert await Socket(connection).close_code() == 4406


async def test_the_protocol_is_chosen_of_several_and_every_frame_is_text(served):
    server, _ = served
    async with connect(server, subprotocols=["mqtt", "graphql-transport-ws", "graphql-ws"]) as connection:
        assert connection.subprotocol == "graphql-transport-ws"
        await connection.send(json.dumps({"type": "ping"}))
        await connection.send(json.dumps({**INIT, "payload": None}))
        for query in ("{ __typename }", "{ viewer {"):
            await connection.send(json.dumps({"id": query, "type": "subscribe", "payload": {"query": query}}))
        frames = [await asyncio.wait_for(connection.recv(), 10) for _ in range(5)]
        assert all(isinstance(frame, str) for frame in frames)
        types = [json.loads(frame)["type"] for frame in frames]
        assert types[:2] == ["pong", "connection_ack"]
        assert sorted(types[2:]) == ["complete", "error", "next"]


async def test_what_asks_for_nothing_gets_no_answer_and_an_id_that_is_done_is_free_again(served):
    server, _ = served
    async with Api(server.url) as api, connect(server) as connection:
        await api.sign_in(ADMINISTRATOR)
        socket = Socket(connection)
        await socket.send({**INIT, "payload": {"authorization": f"Bearer {api.token}"}})
        assert await socket.receive() == {"type": "connection_ack"}
        await socket.send({"type": "pong", "payload": {"nobody": "asked"}})
        await socket.send({"id": "unknown", "type": "complete"})
        live = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { customerChanged { fact } }"}}
        ask = {"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}}
        for _ in range(2):
            await socket.send(live)
            await socket.send({"id": "1", "type": "complete"})
            await socket.send(ask)
            assert (await socket.receive())["payload"]["data"] == {"__typename": "Query"}
            assert await socket.receive() == {"id": "1", "type": "complete"}
        await api.do("createCustomer", "customer { id }", name="Heard by nobody", type="ENTERPRISE")
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


async def test_each_operation_on_a_socket_sees_what_the_one_before_it_changed(served):
    server, _ = served
    rename = """mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) {
      customer { name } errors { code } } }"""
    read = {"query": "query($id: ID!) { customer(id: $id) { name } }"}
    async with Api(server.url) as api, connect(server) as connection:
        await api.sign_in(ADMINISTRATOR)
        made = await api.do("createCustomer", "customer { id }", name="Name 0", type="ENTERPRISE")
        id = made["customer"]["id"]
        socket = Socket(connection)
        await socket.send({**INIT, "payload": {"authorization": f"Bearer {api.token}"}})
        await socket.receive()

        async def ask(payload):
            await socket.send({"id": "1", "type": "subscribe", "payload": payload})
            answer = (await socket.receive())["payload"]
            assert (await socket.receive())["type"] == "complete"
            return answer["data"]

        for number in range(1, 4):
            assert await ask({**read, "variables": {"id": id}}) == {"customer": {"name": f"Name {number - 1}"}}
            renamed = await ask({"query": rename, "variables": {"input": {"id": id, "name": f"Name {number}"}}})
            assert renamed == {"updateCustomer": {"customer": {"name": f"Name {number}"}, "errors": []}}


async def test_variables_that_do_not_fit_are_an_error_and_a_missing_permission_comes_with_the_data(served):
    server, _ = served
    async with connect(server) as connection:
        socket = Socket(connection)
        await socket.send(INIT)
        await socket.receive()
        wrong = {"query": "query($n: Int!) { customers(first: $n) { totalCount } }", "variables": {"n": "many"}}
        await socket.send({"id": "1", "type": "subscribe", "payload": wrong})
        answer = await socket.receive()
        assert (answer["id"], answer["type"]) == ("1", "error")
        await socket.send({"id": "1", "type": "subscribe", "payload": {"query": "{ customers { totalCount } }"}})
        answer = await socket.receive()
        assert (answer["id"], answer["type"]) == ("1", "next")
        assert answer["payload"]["errors"][0]["extensions"]["code"] == "NOT_AUTHENTICATED"
        assert await socket.receive() == {"id": "1", "type": "complete"}


async def test_a_foreign_page_cannot_open_a_socket(served):
    server, _ = served
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await connect(server, origin="http://evil.example").__aenter__()
    assert refusal.value.response.status_code == 403


async def test_a_faulty_document_answers_error_and_leaves_the_others_alone(served):
    server, _ = served
    async with Api(server.url) as api, connect(server) as connection:
        await api.sign_in(ADMINISTRATOR)
        socket = Socket(connection)
        await socket.send({**INIT, "payload": {"authorization": f"Bearer {api.token}"}})
        assert (await socket.receive())["type"] == "connection_ack"
        live = {"query": "subscription { customerChanged { fact customer { name } } }"}
        await socket.send({"id": "live", "type": "subscribe", "payload": live})
        for query, operation in (("{ viewer {", None), ("{ nothing }", None), ("query A { __typename }", "B")):
            payload = {"query": query, "operationName": operation}
            await socket.send({"id": "bad", "type": "subscribe", "payload": payload})
            answer = await socket.receive()
            assert (answer["id"], answer["type"]) == ("bad", "error")
            assert answer["payload"][0]["message"]
        await socket.send({"id": "q", "type": "subscribe", "payload": {"query": "{ __typename }"}})
        answer = await socket.receive()
        assert (answer["id"], answer["type"], answer["payload"]["data"]) == ("q", "next", {"__typename": "Query"})
        assert await socket.receive() == {"id": "q", "type": "complete"}
        await socket.send({"type": "ping", "payload": {"a": 1}})
        assert await socket.receive() == {"type": "pong", "payload": {"a": 1}}
        await api.do("createCustomer", "customer { id }", name="Still heard", type="ENTERPRISE")
        event = await socket.receive()
        assert event["payload"]["data"]["customerChanged"] == {
            "fact": "CustomerCreated",
            "customer": {"name": "Still heard"},
        }


async def test_the_same_id_twice_closes_and_a_cursor_of_nowhere_is_an_error(served):
    server, _ = served
    async with Api(server.url) as api, connect(server) as connection:
        await api.sign_in(ADMINISTRATOR)
        socket = Socket(connection)
        await socket.send({**INIT, "payload": {"authorization": f"Bearer {api.token}"}})
        await socket.receive()
        for cursor in ("nonsense", "WyJqIiwib3JnXzAxIiwxXQ"):
            payload = {
                "query": "subscription($a: String) { customerChanged(after: $a) { fact } }",
                "variables": {"a": cursor},
            }
            await socket.send({"id": "x", "type": "subscribe", "payload": payload})
            answer = await socket.receive()
            assert answer["payload"]["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
            assert (await socket.receive())["type"] == "complete"
        live = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { customerChanged { fact } }"}}
        await socket.send(live)
        await socket.send(live)
        assert await socket.close_code() == 4409


async def test_a_session_that_ends_closes_its_socket_within_five_seconds(served):
    server, _ = served
    async with Api(server.url) as api, connect(server) as connection:
        await api.sign_in(ADMINISTRATOR)
        socket = Socket(connection)
        await socket.send({**INIT, "payload": {"authorization": f"Bearer {api.token}"}})
        await socket.receive()
        await api.ask("mutation { logOut { errors { code } } }")
        async with asyncio.timeout(5):
            assert await socket.close_code() == 4403


async def test_pages_health_and_metrics_answer_with_their_headers(served):
    server, _ = served
    async with httpx.AsyncClient(base_url=server.url) as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        ide = await http.get("/graphql", headers={"accept": "text/html"})
        assert "GraphiQL" in ide.text
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).json()["database"] == "ok"
        assert "truckroll_request_seconds" in (await http.get("/metrics")).text
        assert (await http.get("/assets/../pyproject.toml")).status_code == 404
        assert (await http.get("/nothing")).status_code == 404


STREAM = (
    "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"
    "authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n%s"
)
LIVE = json.dumps({"query": "subscription { customerChanged { fact customer { name } } }"})


async def open_stream(server, token):
    """A raw connection on which events come, once it says so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write((STREAM % (token, len(LIVE), LIVE)).encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 200") and b"content-type: text/event-stream" in head
    return reader, writer


async def streams_open(api):
    """What the server says of its open event streams."""
    lines = (await api.http.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("truckroll_streams_open "))


async def test_streams_that_are_reset_leave_nothing_behind_even_with_a_request_sent_after_them(served):
    server, world = served
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        streams = [await open_stream(server, api.token) for _ in range(20)]
        assert await streams_open(api) == 20
        for number, (_, writer) in enumerate(streams):
            if number % 2:  # HTTP/1.1 lets a client send its next request before the answer to this one has ended
                writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                await asyncio.sleep(0.01)
            linger = writer.get_extra_info("socket")
            linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        await api.do("createCustomer", "customer { id }", name="Heard by nobody", type="ENTERPRISE")

        async def all_gone():
            return await streams_open(api) == 0

        await until(all_gone, seconds=5, what="no open stream")
        assert (await api.ask("{ __typename }")) == {"__typename": "Query"}
    assert "without completing response" not in world.logs()


async def test_a_session_that_ends_closes_its_stream_within_five_seconds(served):
    server, _ = served
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        reader, writer = await open_stream(server, api.token)
        await api.do("createCustomer", "customer { id }", name="Streamed", type="ENTERPRISE")
        event = await asyncio.wait_for(reader.readuntil(b"\n\n"), 10)
        assert b"event: next\nid: " in event and b'{"fact":"CustomerCreated","customer":{"name":"Streamed"}}' in event
        await api.ask("mutation { logOut { errors { code } } }")
        async with asyncio.timeout(5):
            rest = await reader.readuntil(b"0\r\n\r\n")
        assert b"NOT_AUTHENTICATED" in rest and b"event: complete" in rest
        writer.close()


async def test_a_server_stops_at_once_though_a_stream_is_open(served):
    _, world = served
    with world.server() as server:
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            reader, writer = await open_stream(server, api.token)
            begun = time.monotonic()
            stopped = asyncio.create_task(asyncio.to_thread(server.stop))
            rest = await asyncio.wait_for(reader.read(), 10)
            await stopped
            assert time.monotonic() - begun < 5
            assert b"event: complete" not in rest and rest.endswith(b"0\r\n\r\n")
            writer.close()
