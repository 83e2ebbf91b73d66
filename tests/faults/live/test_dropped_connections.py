"""Connections that are reset at any moment, in the middle of a read or of a change: the server goes on as if nothing had been.

TRUCKROLL_TEST_DROP_ROUNDS says how many rounds of eight there are, per database (25 unless told; 500 before a release).
"""

import asyncio
import json
import os
import random
import socket
import sqlite3
import struct
from contextlib import closing
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
import websockets

from tests.faults.live.company import ORDERS, Company, found
from tests.faults.live.stage import BreakableServer, Stage
from tests.journeys.worlds import ADMINISTRATOR, World
from tests.servers import Api, Server, until

pytestmark = [pytest.mark.slow, pytest.mark.fault]

ROUNDS = int(os.environ.get("TRUCKROLL_TEST_DROP_ROUNDS", "25"))
CONTROL_TRIES, CONTROL_ROUNDS = 10, 10
CHANGES = 2  # on each socket
SOCKETS, STREAMS, REQUESTS = 5, 1, 2
LIVE_MS_MAX = 100
AT_ONCE = 30
BUSY_SECONDS_MAX = 10
STUCK_SECONDS = 3
OPEN = ("truckroll_sockets_open", "truckroll_streams_open", "truckroll_subscriptions_open")
POOL = 5  # as the large world's setting says
FOLLOW = """subscription($after: String) { workOrderChanged(after: $after) { cursor fact
  workOrder { id number status notes(last: 20) { nodes { id text } } customer { name } } } }"""
NOTE = "mutation($input: AddNoteInput!) { addNote(input: $input) { note { id } errors { code } } }"
READ = "query($id: ID!) { workOrder(id: $id) { id number notes(first: 1) { totalCount } } }"


def reset(connection: socket.socket) -> None:
    """Have the connection end with a reset, not with a goodbye, when it is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def note(id: str, text: str = "Cut off") -> dict[str, Any]:
    """The variables of a mutation that puts a note down."""
    return {"input": {"workOrderId": id, "text": text, "visibility": "INTERNAL"}}


async def drop_a_socket(server: Server, token: str, id: str, after: str, seconds: float) -> None:
    """Subscribe from a cursor and from now on, ask and change something, all on one socket, and cut it."""
    connection = await websockets.connect(
        f"ws://127.0.0.1:{server.port}/graphql", subprotocols=["graphql-transport-ws"], ping_interval=None
    )
    await connection.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
    changes = [(NOTE, note(id))] * CHANGES
    operations = (*changes, (FOLLOW, {"after": after}), (READ, {"id": id}), (FOLLOW, {}))
    for number, (document, variables) in enumerate(operations):
        payload = {"query": document, "variables": variables}
        await connection.send(json.dumps({"id": str(number), "type": "subscribe", "payload": payload}))
    await asyncio.sleep(seconds)
    reset(connection.transport.get_extra_info("socket"))
    connection.transport.abort()
    await connection.wait_closed()


async def drop_a_request(
    server: Server, token: str, document: str, variables: dict[str, Any], accept: str, seconds: float
) -> None:
    """Send one request over HTTP, and cut the connection before or after its answer has begun."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: {accept}\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head.encode() + body)
    await asyncio.sleep(seconds)
    reset(writer.get_extra_info("socket"))
    writer.transport.abort()


async def drop_eight(server: Server, token: str, id: str, after: str, chance: random.Random) -> None:
    """One round."""

    def moment() -> float:
        return chance.uniform(0, LIVE_MS_MAX) / 1000

    await asyncio.wait_for(
        asyncio.gather(
            *(drop_a_socket(server, token, id, after, moment()) for _ in range(SOCKETS)),
            *(
                drop_a_request(server, token, FOLLOW, {"after": after}, "text/event-stream", moment())
                for _ in range(STREAMS)
            ),
            *(drop_a_request(server, token, NOTE, note(id), "application/json", moment()) for _ in range(REQUESTS)),
        ),
        10,
    )


async def left_open(api: Api) -> dict[str, float]:
    """What the server says that it still holds for anybody."""
    lines = (await api.http.get("/metrics")).text.splitlines()
    numbers = dict(line.split(" ") for line in lines if line.startswith(OPEN))
    assert set(numbers) == set(OPEN)
    return {name: float(value) for name, value in numbers.items() if float(value)}


async def count_notes(api: Api, id: str) -> int:
    """How many notes a work order has."""
    found: int = (await api.ask(READ, id=id))["workOrder"]["notes"]["totalCount"]
    return found


def several(company: Company) -> list[str]:
    """So many work orders, of those that stand: changes to one wait for each other."""
    return [company.orders[number % ORDERS] for number in range(AT_ONCE)]


async def complaints(api: Api, company: Company, seconds: float = BUSY_SECONDS_MAX) -> list[str]:
    """What is wrong with a server after its connections were cut."""
    said = []

    async def let_go() -> bool:
        return await left_open(api) == {}

    try:
        await until(let_go, seconds=10, what="that the server lets go")
    except AssertionError:
        said.append(f"still holds {await left_open(api)}")
    try:
        async with asyncio.timeout(seconds):
            assert (await api.http.get("/readyz")).json()["status"] == "ok"
            changes = (api.do("addNote", "note { id }", **note(one, "Still here")["input"]) for one in several(company))
            reads = (count_notes(api, one) for one in several(company))
            notes = [one["note"] for one in (await asyncio.gather(*changes, *reads))[:AT_ONCE] if isinstance(one, dict)]
            found = await api.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[one["id"] for one in notes])
            if found["nodes"] != notes or len(notes) != AT_ONCE:
                said.append("lost what it said it had put down")
    except (TimeoutError, httpx.HTTPError, AssertionError) as problem:
        said.append(f"does not answer: {problem!r}")
    return said


async def connections(server: Server, database_url: str) -> tuple[int, int]:
    """How many of a server's connections to PostgreSQL worked within a moment, and how many wait inside a transaction."""
    port = int(database_url.rpartition(":")[2].partition("/")[0])
    theirs = [
        each.laddr.port
        for each in psutil.Process(server.pid).net_connections()
        if each.raddr and each.raddr.port == port
    ]
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT state, now() - state_change < interval '5 seconds' FROM pg_stat_activity WHERE client_port = ANY($1)",
            theirs,
        )
    finally:
        await connection.close()
    return sum(bool(recent) for _, recent in rows), sum(state.startswith("idle in") for state, _ in rows)


async def storm(server: Server, api: Api, company: Company, rounds: int) -> None:
    """Round after round."""
    chance = random.Random(20261122)
    for _ in range(rounds):
        start = (await api.ask("{ journalCursor }"))["journalCursor"]
        await drop_eight(server, api.token or "", company.orders[0], start, chance)


async def test_postgres_connections_that_are_cut_leave_a_server_that_is_whole(stage: Stage) -> None:
    server, company = stage.servers[0], stage.company
    async with stage.api() as api:
        before = await count_notes(api, company.orders[0])
        await storm(server, api, company, ROUNDS)
        after = await count_notes(api, company.orders[0])
        assert after - before > REQUESTS * ROUNDS, "hardly a change on a socket came through: this run shows nothing"
        assert await complaints(api, company) == []
        assert await connections(server, stage.database_url) == (POOL, 0)
    said = server.log.read_text()
    assert '"bug"' not in said and "Traceback" not in said


async def test_sqlite_connections_that_are_cut_leave_a_server_that_is_whole_and_no_lock(small: World) -> None:
    with small.server() as server:
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            company = await found(api, "small")
            await storm(server, api, company, ROUNDS)
            changes = await count_notes(api, company.orders[0])
            assert changes > REQUESTS * ROUNDS, "hardly a change on a socket came through: this run shows nothing"
            assert await complaints(api, company) == []
            with closing(sqlite3.connect(small.folder / "journey.db", timeout=1, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
    said = small.logs()
    assert '"bug"' not in said and "Traceback" not in said


async def test_the_control_a_server_whose_changes_are_torn_apart_is_not_whole_afterwards(small: World) -> None:
    fault = small.folder / "fault"
    fault.write_text("")
    small.environment["TRUCKROLL_TEST_FAULT"] = str(fault)
    with BreakableServer(small.environment, small.folder / "broken.log") as server:
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            company = await found(api, "small")
            fault.write_text("tears transactions")
            try:
                for _ in range(CONTROL_TRIES):
                    await storm(server, api, company, CONTROL_ROUNDS)
                    if said := await complaints(api, company, STUCK_SECONDS):
                        break
            finally:
                server.kill()
    assert any(one.startswith("does not answer") for one in said), said
