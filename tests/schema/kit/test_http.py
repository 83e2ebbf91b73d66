"""The endpoint over HTTP, without a network: which requests are refused, with which status, and what does not happen."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app import database as db
from app.infrastructure import limits
from app.kernel.actor import Actor
from app.kernel.allowances import Allowance
from app.kernel.budgets import Caller
from app.kernel.errors import NotAuthenticated
from schema.kit import execution
from schema.kit.http import GRAPHQL, JSON, GraphQLEndpoint
from schema.kit.negotiation import EVENTS
from schema.kit.persisted import KnownDocuments
from schema.kit.service import GraphQLService
from schema.kit.sessions import Sessions
from tests.schema.kit.conftest import MANAGER
from tests.schema.kit.scratch_api import GIVEN
from tests.schema.kit.test_sockets import one_by_one

HELLO = {"query": '{ scratchHello(name: "you") }'}
TOUCH = {"query": 'mutation { touchJobs(ids: []) { cursor } touchJob(input: {id: "job_1"}) { cursor } }'}
TOKEN = {"authorization": "Bearer token"}


async def manager(token: str, address: str) -> Actor:
    if token == "away":
        raise db.ConnectionLost()
    if token != "token":
        raise NotAuthenticated()
    return MANAGER


@pytest.fixture
def endpoint(schema: Any) -> GraphQLEndpoint:
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    return GraphQLEndpoint(service, manager, Sessions(one_by_one(manager)), "<p>GraphiQL</p>")


@pytest_asyncio.fixture(loop_scope="session")
async def http(endpoint: GraphQLEndpoint) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://test") as client:
        yield client


async def test_a_body_that_is_too_large_is_refused_by_what_it_says_and_by_what_it_is(http: httpx.AsyncClient) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b" " * 65_536

    headers = {"content-type": JSON}
    announced = await http.post("/graphql", content=endless(), headers={**headers, "content-length": "1048577"})
    assert (announced.status_code, asked) == (413, 0)
    assert (await http.post("/graphql", content=endless(), headers=headers)).status_code == 413
    assert asked == 17


async def test_a_packed_body_is_refused_before_it_is_read(http: httpx.AsyncClient) -> None:
    packed = gzip.compress(json.dumps({**HELLO, "pad": " " * 10_000_000}).encode())
    for encoding in ("gzip", "br", "identity, gzip"):
        headers = {"content-type": JSON, "content-encoding": encoding}
        assert (await http.post("/graphql", content=packed, headers=headers)).status_code == 415
    plain = await http.post("/graphql", json=HELLO, headers={"content-encoding": "identity"})
    assert plain.status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_methods_read_and_change_nothing(http: httpx.AsyncClient, method: str) -> None:
    GIVEN.clear()
    assert (await http.request(method, "/graphql", params=HELLO)).status_code == 200
    refused = await http.request(method, "/graphql", params=TOUCH, headers=TOKEN)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    in_the_body = await http.request(method, "/graphql", json=TOUCH, headers=TOKEN)
    assert in_the_body.status_code == 400
    assert GIVEN == []


async def test_an_address_that_is_too_long_is_414(endpoint: GraphQLEndpoint) -> None:
    for length, status in ((100, 200), (70_000, 414)):
        query = b"query={__typename}&variables=" + b"%20" * (length // 3) + b"{}"
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/graphql",
            "query_string": query,
            "headers": [],
            "client": None,
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)  # noqa: B023  # read before the next round

        await endpoint(scope, lambda: asyncio.sleep(0, {}), send)
        assert sent[0]["status"] == status


@pytest.mark.parametrize("depth", [65, 300, 900])
async def test_values_that_are_nested_too_deeply_are_400(http: httpx.AsyncClient, depth: int) -> None:
    body = json.dumps(HELLO)[:-1] + ', "variables": {"a": ' + "[" * depth + "]" * depth + "}}"
    answer = await http.post("/graphql", content=body, headers={"content-type": JSON, "accept": GRAPHQL})
    assert answer.status_code == 400
    assert "nested" in answer.json()["errors"][0]["message"]


async def test_a_long_chain_of_fragments_is_400(http: httpx.AsyncClient) -> None:
    chain = "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(240))
    body = {"query": chain + " fragment F240 on Query { __typename }"}
    answer = await http.post("/graphql", json=body, headers={"accept": GRAPHQL})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "TOO_EXPENSIVE")


async def test_a_database_that_is_away_is_503_and_says_when_to_come_back(http: httpx.AsyncClient) -> None:
    answer = await http.post("/graphql", json=HELLO, headers={"authorization": "Bearer away"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"


async def test_answers_are_never_stored(http: httpx.AsyncClient) -> None:
    for answer in (
        await http.post("/graphql", json=HELLO),
        await http.post("/graphql", json={}),
        await http.post("/graphql", json=HELLO, headers={"authorization": "Bearer wrong"}),
        await http.get("/graphql", headers={"accept": "text/html"}),
    ):
        assert answer.headers["cache-control"] == "no-store"


async def test_a_budget_that_does_not_reach_is_429_with_the_time_to_come_back(schema: Any) -> None:
    small = {caller: Allowance(5000, 1) for caller in Caller}
    service = GraphQLService(schema, introspection="everybody", once=frozenset(), budgets=small)
    endpoint = GraphQLEndpoint(service, manager, Sessions(one_by_one(manager)), "<p>GraphiQL</p>")
    await limits.start("memory://")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://test") as client:
        told = (await client.post("/graphql", json=HELLO)).json()
        assert told["extensions"]["cost"]["budget"] == {"maximum": 5000, "available": 4999, "restoreRate": 1}
        [key] = limits._buckets._levels  # type: ignore[attr-defined]  # one address, one bucket
        await limits._buckets.settle(key, small[Caller.ANONYMOUS], -5000)
        for accept in (JSON, GRAPHQL):
            refused = await client.post("/graphql", json=HELLO, headers={"accept": accept})
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            [error] = refused.json()["errors"]
            assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}
            assert "data" not in refused.json()
        signed_in = await client.post("/graphql", json=HELLO, headers=TOKEN)
        assert signed_in.status_code == 200  # another budget
    await limits.stop()


@pytest.mark.parametrize("accept", [EVENTS, f"{JSON}, {EVENTS}"])
async def test_a_document_that_will_not_be_run_is_not_parsed_to_see_whether_it_is_streamed(
    schema: Any, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    parsed: list[str] = []
    parse = execution.parsed
    monkeypatch.setattr(execution, "parsed", lambda schema, text: parsed.append(text) or parse(schema, text))
    small = {caller: Allowance(5000, 1) for caller in Caller}
    documents = KnownDocuments({"hello": HELLO["query"]}, only_trusted=True)
    service = GraphQLService(schema, introspection="everybody", once=frozenset(), budgets=small, documents=documents)
    endpoint = GraphQLEndpoint(service, manager, Sessions(one_by_one(manager)), "<p>GraphiQL</p>")
    await limits.start("memory://")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://test") as client:
        unknown = await client.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept})
        assert unknown.json()["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
        assert parsed == []
        assert (await client.post("/graphql", json=HELLO, headers={"accept": accept})).status_code == 200
        assert set(parsed) == {HELLO["query"]}
        parsed.clear()
        [key] = limits._buckets._levels  # type: ignore[attr-defined]  # one address, one bucket
        await limits._buckets.settle(key, small[Caller.ANONYMOUS], -5000)
        refused = await client.post("/graphql", json=HELLO, headers={"accept": accept})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert parsed == []
    await limits.stop()
