"""Sockets that are dropped at any moment, in the middle of a read or of a change: the server goes on as if nothing had been."""

import asyncio
import json
import random

import httpx
import pytest
import websockets

from tests.journeys.steps import open_account
from tests.journeys.worlds import ADMINISTRATOR
from tests.servers import Api, until

pytestmark = [pytest.mark.slow, pytest.mark.fault]

ROUNDS = 60
SOCKETS = 8
LIVE_MS_MAX = 40
FOLLOW = """subscription($after: String) { workOrderChanged(after: $after) { cursor fact
  workOrder { id number status notes(last: 20) { nodes { id text } } customer { name } } } }"""
NOTE = "mutation($input: AddNoteInput!) { addNote(input: $input) { note { id } errors { code } } }"
COUNT = "query($id: ID!) { workOrder(id: $id) { notes(first: 1) { totalCount } } }"


async def live_and_die(port: int, token: str, work_order_id: str, after: str, milliseconds: float) -> None:
    """One socket: subscribe from a cursor and from now on, change something, and be cut off without a word."""
    connection = await websockets.connect(
        f"ws://127.0.0.1:{port}/graphql", subprotocols=["graphql-transport-ws"], ping_interval=None
    )
    operations = (
        (FOLLOW, {"after": after}),
        (NOTE, {"input": {"workOrderId": work_order_id, "text": "Cut off", "visibility": "INTERNAL"}}),
        (FOLLOW, {}),
    )
    await connection.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
    for id, (document, variables) in enumerate(operations):
        payload = {"query": document, "variables": variables}
        await connection.send(json.dumps({"id": str(id), "type": "subscribe", "payload": payload}))
    await asyncio.sleep(milliseconds / 1000)
    connection.transport.abort()
    await connection.wait_closed()


async def sockets_open(http: httpx.AsyncClient) -> float:
    """What the server says of its open sockets."""
    lines = (await http.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("truckroll_sockets_open "))


async def test_480_sockets_that_are_cut_off_leave_a_server_that_reads_writes_and_counts_no_socket(world):
    server = world.server().start()
    chance = random.Random(20261122)
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        order = await api.do("createWorkOrder", "workOrder { id }", **await open_account(api), summary="Under fire")
        id = order["workOrder"]["id"]
        for _ in range(ROUNDS):
            start = (await api.ask("{ journalCursor }"))["journalCursor"]
            lives = (
                live_and_die(server.port, api.token, id, start, chance.uniform(0, LIVE_MS_MAX)) for _ in range(SOCKETS)
            )
            await asyncio.wait_for(asyncio.gather(*lives), 10)

        async def all_gone() -> bool:
            return await sockets_open(api.http) == 0

        await until(all_gone, seconds=10, what="no open socket")
        assert (await api.http.get("/readyz")).json()["status"] == "ok"
        changed = (await api.ask(COUNT, id=id))["workOrder"]["notes"]["totalCount"]
        assert changed > ROUNDS, "hardly a change came through before the cut: this run shows nothing"
        note = {"workOrderId": id, "text": "Still here", "visibility": "INTERNAL"}
        notes = [(await api.do("addNote", "note { id }", **note))["note"] for _ in range(10)]
        found = await api.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[one["id"] for one in notes])
        assert found["nodes"] == notes
    assert [line for line in world.logs().splitlines() if '"bug"' in line or "Traceback" in line] == []
    server.stop()
