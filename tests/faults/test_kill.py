"""SIGKILL at any moment: what was acknowledged is there, what was not is settled by sending it again with its key.

TRUCKROLL_TEST_KILL_ROUNDS sets the number of rounds per database (5 unless told; 50 before a release).
"""

import asyncio
import os
import random

import httpx
import pytest

from app.kernel.ids import new_id
from tests.journeys.steps import open_account
from tests.journeys.worlds import ADMINISTRATOR
from tests.servers import Api, Server

pytestmark = [pytest.mark.slow, pytest.mark.fault]

ROUNDS = int(os.environ.get("TRUCKROLL_TEST_KILL_ROUNDS", "5"))
WRITERS = 8
CREATE = """mutation($input: CreateWorkOrderInput!) {
  createWorkOrder(input: $input) { workOrder { id number } errors { code message } } }"""


class History:
    """What a writer knows: acknowledged, refused, or unknown because the answer never came."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self.unknown: dict[str, dict] = {}
        self.refused: list[object] = []

    def note(self, input: dict, answer: dict) -> None:
        """Keep an answer."""
        payload = answer["data"]["createWorkOrder"]
        if payload["errors"]:
            self.refused.append(payload["errors"])
        else:
            # The broken server of the control cannot read what it says it wrote.
            self.acknowledged[input["id"]] = (payload["workOrder"] or {"number": "?"})["number"]
            self.unknown.pop(input["id"], None)


async def send(http: httpx.AsyncClient, token: str, input: dict) -> dict:
    """One creation with its idempotency key; the answer."""
    headers = {"authorization": f"Bearer {token}", "idempotency-key": f"create {input['id']}"}
    response = await http.post("/graphql", json={"query": CREATE, "variables": {"input": input}}, headers=headers)
    return response.json()


async def write(server: Server, token: str, place: dict, history: History, stop: asyncio.Event) -> None:
    """Create work orders one after the other until told to stop or cut off."""
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as http:
        while not stop.is_set():
            input = {**place, "id": new_id("wo"), "summary": "Under fire"}
            history.unknown[input["id"]] = input
            try:
                history.note(input, await send(http, token, input))
            except httpx.HTTPError:
                return


async def all_numbers(api: Api) -> dict[str, str]:
    """Every work order there is: id and number."""
    found: dict[str, str] = {}
    after = None
    while True:
        page = (
            await api.ask(
                "query($after: String) { workOrders(first: 100, after: $after) "
                "{ nodes { id number } pageInfo { hasNextPage endCursor } } }",
                after=after,
            )
        )["workOrders"]
        found |= {node["id"]: node["number"] for node in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def journal_of(api: Api, cursor: str) -> list[str]:
    """The ids of all work orders whose submission the journal tells, in order."""
    told: list[str] = []
    while True:
        page = (
            await api.ask(
                "query($after: String!) { changes(after: $after) { nodes { fact subjectId } cursor hasMore } }",
                after=cursor,
            )
        )["changes"]
        told += [node["subjectId"] for node in page["nodes"] if node["fact"] == "WorkOrderSubmitted"]
        cursor = page["cursor"]
        if not page["hasMore"]:
            return told


async def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(world):
    server = world.server()
    server.start()
    history = History()
    chance = random.Random(20261122)
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        start = (await api.ask("{ journalCursor }"))["journalCursor"]
        place = await open_account(api)
        for _ in range(ROUNDS):
            stop = asyncio.Event()
            writers = [asyncio.create_task(write(server, api.token, place, history, stop)) for _ in range(WRITERS)]
            await asyncio.sleep(chance.uniform(0.05, 0.6))
            server.kill()
            stop.set()
            await asyncio.gather(*writers)
            await asyncio.to_thread(server.start)
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        there = await all_numbers(api)
        lost = {id: number for id, number in history.acknowledged.items() if there.get(id) != number}
        assert lost == {}
        assert len(history.acknowledged) > ROUNDS, "the writers hardly wrote: this run shows nothing"
        # What nobody knows the outcome of is sent again with its key, and then known.
        async with httpx.AsyncClient(base_url=server.url, timeout=10) as http:
            for input in list(history.unknown.values()):
                history.note(input, await send(http, api.token, input))
        assert history.unknown == {}
        assert history.refused == []
        there = await all_numbers(api)
        assert there == history.acknowledged
        assert len(set(there.values())) == len(there), "a number was given twice"
        told = await journal_of(api, start)
        assert sorted(told) == sorted(there), "every effect has exactly one fact"
    server.stop()


async def test_the_control_a_server_that_answers_before_it_commits_loses(small):
    """The same check on a server broken on purpose must find a loss, or it proves nothing."""
    server = small.server()
    server.start()
    history = History()
    async with Api(server.url) as api:
        await api.sign_in(ADMINISTRATOR)
        place = await open_account(api)
        server.kill()
        server.environment["PYTHONPATH"] = "tests/faults/broken"
        await asyncio.to_thread(server.start)
        stop = asyncio.Event()
        writers = [asyncio.create_task(write(server, api.token, place, history, stop)) for _ in range(WRITERS)]
        # What it acknowledges it commits half a second later: kill it in between, however slow the machine.
        async with asyncio.timeout(30):
            while not history.acknowledged:
                await asyncio.sleep(0.005)
        server.kill()
        stop.set()
        await asyncio.gather(*writers)
        del server.environment["PYTHONPATH"]
        await asyncio.to_thread(server.start)
        there = await all_numbers(api)
    assert [id for id in history.acknowledged if id not in there]
    server.stop()
