"""The table of statuses: every outcome in both editions, and what real requests get by it."""

import json
from typing import Any

import httpx
import pytest

from app import database as db
from app.kernel.actor import Actor
from app.kernel.errors import NotAuthenticated
from schema.kit.http import GraphQLEndpoint
from schema.kit.negotiation import GRAPHQL, JSON
from schema.kit.service import GraphQLService
from schema.kit.sessions import Sessions
from schema.kit.statuses import BY_CODE, TABLE, Edition, Outcome, outcome_of, status_of
from tests.schema.kit.conftest import MANAGER
from tests.schema.kit.test_sockets import one_by_one

UNKNOWN = {"version": 1, "sha256Hash": "0" * 64}


async def somebody(token: str, address: str) -> Actor:
    if token == "away":
        raise db.ConnectionLost()
    if token != "token":
        raise NotAuthenticated()
    return MANAGER


async def ask(schema: Any, edition: Edition, media_type: str, *, token: str | None = "token", **request: Any) -> Any:
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    endpoint = GraphQLEndpoint(service, somebody, Sessions(one_by_one(somebody)), "", edition=edition)
    headers = {"accept": media_type, "content-type": JSON} | ({"authorization": f"Bearer {token}"} if token else {})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://test") as http:
        given = {"method": "POST", "headers": headers | request.pop("headers", {}), **request}
        return await http.request(url="/graphql", **given)


# what is sent, then the status as a GraphQL response and as plain JSON in 2025, and as each in the draft
SENT: list[tuple[str, dict[str, Any], tuple[int, int, int, int]]] = [
    ("data", {"json": {"query": "{ __typename }"}}, (200, 200, 200, 200)),
    ("data and errors", {"json": {"query": "{ __typename scratchBug }"}}, (200, 200, 294, 200)),
    ("no JSON", {"content": b'{"query":'}, (400, 400, 400, 400)),
    ("not UTF-8", {"content": b'{"query": "\xff"}'}, (400, 400, 400, 400)),
    ("another charset", {"content": b"{}", "headers": {"content-type": f"{JSON}; charset=utf-16"}}, (415, 415, 415, 415)),
    ("a batch", {"json": [{"query": "{ __typename }"}]}, (400, 400, 422, 422)),
    ("a misspelled parameter", {"json": {"qeury": "{ __typename }"}}, (400, 400, 422, 422)),
    ("variables in a list", {"json": {"query": "{ __typename }", "variables": [7]}}, (400, 400, 422, 422)),
    ("no GraphQL", {"json": {"query": "{"}}, (400, 200, 400, 400)),
    ("an unknown field", {"json": {"query": "{ nothing }"}}, (400, 200, 422, 422)),
    ("@defer", {"json": {"query": "{ ... @defer { __typename } }"}}, (400, 200, 422, 422)),
    ("@stream", {"json": {"query": "{ nodes(ids: []) @stream { id } }"}}, (400, 200, 422, 422)),
    ("two operations", {"json": {"query": "query A { __typename } query B { __typename }"}}, (400, 200, 422, 422)),
    ("no such operation", {"json": {"query": "query A { __typename }", "operationName": "B"}}, (400, 200, 422, 422)),
    (
        "a variable of the wrong type",
        {"json": {"query": "query($n: String!) { scratchHello(name: $n) }", "variables": {"n": 7}}},
        (400, 200, 422, 422),
    ),
    ("too deep", {"json": {"query": "{ a" * 30 + "}" * 30}}, (400, 200, 422, 422)),
    ("an unknown hash", {"json": {"extensions": {"persistedQuery": UNKNOWN}}}, (404, 200, 404, 404)),
    ("a wrong token", {"json": {"query": "{ __typename }"}, "token": "wrong"}, (401, 401, 401, 401)),
    ("a mutation by GET", {"method": "GET", "params": {"query": "mutation { touchJobs(ids: []) { cursor } }"}}, (405,) * 4),
    ("another method", {"method": "PUT", "json": {"query": "{ __typename }"}}, (405, 405, 405, 405)),
    ("a subscription", {"json": {"query": "subscription { scratchJobChanged { fact } }"}}, (406, 406, 406, 406)),
    ("a form", {"data": {"query": "{ __typename }"}, "headers": {"content-type": "application/x-www-form-urlencoded"}}, (415,) * 4),
    ("files", {"content": b"--x--", "headers": {"content-type": "multipart/form-data; boundary=x"}}, (415, 415, 415, 415)),
    ("too much", {"json": {"query": "{ __typename }", "pad": " " * 1_100_000}}, (413, 413, 413, 413)),
    ("a database that is away", {"json": {"query": "{ __typename }"}, "token": "away"}, (503, 503, 503, 503)),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "statuses"), [pytest.param(*rest, id=name) for name, *rest in SENT])
async def test_a_request_gets_the_status_of_its_outcome(
    schema: Any, request_: dict[str, Any], statuses: tuple[int, int, int, int]
) -> None:
    answers = [
        await ask(schema, edition, media_type, **request_) for edition in Edition for media_type in (GRAPHQL, JSON)
    ]
    assert tuple(answer.status_code for answer in answers) == statuses
    bodies = [json.loads(answer.content) for answer in answers]
    for body in bodies:  # the words are the same; a bug's reference and what there is left to spend are not
        assert [one["extensions"]["code"] for one in body.get("errors", ())] == [
            one["extensions"]["code"] for one in bodies[0].get("errors", ())
        ]
        assert body.get("data") == bodies[0].get("data")


async def test_in_the_draft_what_is_no_success_is_told_as_a_graphql_response_to_plain_json_as_well(schema: Any) -> None:
    for query, media_type in (("{ __typename }", JSON), ("{ nothing }", GRAPHQL)):
        answer = await ask(schema, Edition.DRAFT, JSON, json={"query": query})
        assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"


def test_every_outcome_and_every_code_has_its_line() -> None:
    assert set(TABLE) == set(Outcome)
    assert set(BY_CODE.values()) <= set(TABLE)
    for outcome, (of_2025, as_json, draft) in TABLE.items():
        assert as_json in {200, of_2025}, outcome
        assert (of_2025 < 300) == (draft < 300), outcome
    assert status_of(Outcome.PARTIAL, JSON, Edition.DRAFT) == (200, JSON)


def test_an_answer_without_data_and_with_a_code_nobody_knows_is_refused() -> None:
    assert outcome_of({"errors": [{"message": "no", "extensions": {"code": "WHATEVER"}}]}) is Outcome.REFUSED
    assert outcome_of({"data": None, "errors": [{"message": "no"}]}) is Outcome.PARTIAL
