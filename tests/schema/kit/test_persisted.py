"""Documents that a request names: both wire formats, what is kept and what is not, trusted ones only, and tags of answers."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.infrastructure import limits, texts
from app.kernel.actor import Actor
from app.kernel.allowances import Allowance
from app.kernel.budgets import CALLERS, Caller
from app.kernel.errors import ConfigurationError
from schema.kit import persisted
from schema.kit.budgets import REFUSED_COST
from schema.kit.http import GraphQLEndpoint
from schema.kit.limits import GraphQLRequest, id_of
from schema.kit.negotiation import EVENTS, GRAPHQL
from schema.kit.persisted import KnownDocuments, read_manifest
from schema.kit.service import GraphQLService
from schema.kit.sessions import Sessions
from tests.schema.kit.conftest import MANAGER
from tests.schema.kit.scratch_api import GIVEN
from tests.schema.kit.test_sockets import Client as Socket
from tests.schema.kit.test_sockets import one_by_one

HELLO = 'query Hello($name: String = "you") { scratchHello(name: $name) }'
TOUCH = 'mutation { touchJob(input: {id: "job_1"}) { cursor } }'
INTROSPECTION = "{ __schema { queryType { name } } }"


def hash_of(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def apq(document: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(document)}}


async def manager(token: str, address: str) -> Actor:
    return MANAGER


def service_of(schema: Any, documents: KnownDocuments | None = None) -> GraphQLService:
    return GraphQLService(schema, introspection="everybody", once=frozenset(), documents=documents)


def http_of(service: GraphQLService) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(GraphQLEndpoint(service, manager, Sessions(one_by_one(manager)), "<p>page</p>")), base_url="http://test",
        headers={"accept": GRAPHQL, "authorization": "Bearer token"},
    )  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def http(schema: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with http_of(service_of(schema)) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def trusting(schema: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A server that runs what is in its manifest and nothing else."""
    async with http_of(
        service_of(schema, KnownDocuments({"md5-1": HELLO, "md5-2": TOUCH}, only_trusted=True))
    ) as client:
        yield client


def code(answer: httpx.Response) -> Any:
    return answer.json()["errors"][0]["extensions"]["code"]


# Automatic persisted queries


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_hash_is_not_found_until_its_document_came_along_once(http: httpx.AsyncClient, method: str) -> None:
    async def ask(**parameters: Any) -> httpx.Response:
        if method == "POST":
            return await http.post("/graphql", json=parameters)
        flat = {name: one if isinstance(one, str) else json.dumps(one) for name, one in parameters.items()}
        return await http.get("/graphql", params=flat)

    unknown = await ask(extensions=apq(HELLO))
    assert unknown.status_code == 404 and unknown.headers["cache-control"] == "no-store"
    assert unknown.json()["errors"] == [
        {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}
    ]
    assert (await ask(query=HELLO, extensions=apq(HELLO))).status_code == 200
    for named in ({"extensions": apq(HELLO)}, {"documentId": f"sha256:{hash_of(HELLO)}"}):
        answer = await ask(**named, variables={"name": "all"})
        assert answer.json()["data"]["scratchHello"].startswith("Hello all")


async def test_a_hash_that_is_not_the_documents_is_refused_and_not_kept(http: httpx.AsyncClient) -> None:
    refused = await http.post("/graphql", json={"query": TOUCH, "extensions": apq(HELLO)})
    assert (refused.status_code, code(refused)) == (400, "BAD_REQUEST")
    for document in (HELLO, TOUCH):
        assert code(await http.post("/graphql", json={"extensions": apq(document)})) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "document", ["{ nothing }", "{", "{ a" * 30 + "}" * 30, "subscription { scratchJobChanged { at } }"]
)
async def test_what_did_not_pass_is_not_kept(http: httpx.AsyncClient, document: str) -> None:
    assert (await http.post("/graphql", json={"query": document, "extensions": apq(document)})).status_code >= 400
    assert code(await http.post("/graphql", json={"extensions": apq(document)})) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "parameters",
    [
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "A" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 7}}},
        {"extensions": {"persistedQuery": "yes"}},
        {"documentId": 7},
        {"documentId": "a b"},
        {"documentId": "x" * 201},
        {"documentId": "md5-1", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
    ],
)
async def test_a_name_without_the_form_of_one_is_a_bad_request(http: httpx.AsyncClient, parameters: Any) -> None:
    answer = await http.post("/graphql", json=parameters)
    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")


async def test_to_name_what_is_not_known_costs_points(schema: Any) -> None:
    budgets = {**CALLERS, Caller.PEOPLE: Allowance(3 * REFUSED_COST, 1)}
    await limits.start("memory://")
    service = GraphQLService(schema, introspection="everybody", once=frozenset(), budgets=budgets)
    async with http_of(service) as http:
        statuses = [
            (await http.post("/graphql", json={"extensions": apq(f"{{ a{number} }}")})).status_code
            for number in range(5)
        ]
    await limits.stop()
    assert statuses[:3] == [404, 404, 404] and 429 in statuses


async def test_what_was_not_used_for_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisted, "KEPT_LENGTH_MAX", 30)
    known = KnownDocuments()
    requests = [_request(document) for document in ("{ aaaaaa }", "{ bbbbbb }", "{ cccccc }", "{ dddddd }")]
    for request in requests[:3]:
        await known.keep(request)
    assert (await known.find(_request(id=requests[0].document_id))).document == "{ aaaaaa }"
    await known.keep(requests[3])
    assert list(known._kept.values()) == ["{ cccccc }", "{ aaaaaa }", "{ dddddd }"]


def _request(document: str = "", id: str | None = None) -> Any:
    return GraphQLRequest(document, None, {}, document_id=id or id_of(document))


async def test_another_process_finds_it_unless_somebody_has_put_something_else_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared: dict[str, str] = {}

    async def find(name: str) -> str | None:
        return shared.get(name)

    async def keep(name: str, text: str) -> None:
        shared[name] = text

    monkeypatch.setattr(texts, "find", find)
    monkeypatch.setattr(texts, "keep", keep)
    await KnownDocuments().keep(_request(HELLO))
    assert (await KnownDocuments().find(_request(id=id_of(HELLO)))).document == HELLO
    shared[id_of(HELLO)] = TOUCH
    with pytest.raises(persisted.PersistedQueryNotFound):
        await KnownDocuments().find(_request(id=id_of(HELLO)))


# Over sockets and as events


async def test_a_document_is_named_over_sockets_and_for_events_as_well(schema: Any) -> None:
    service = service_of(schema, KnownDocuments({"md5-1": HELLO}))
    socket = await Socket(service, manager).sign_in()
    socket.send(id="1", type="subscribe", payload={"documentId": "md5-1"})
    assert (await socket.receive())["payload"]["data"]["scratchHello"].startswith("Hello you")
    assert (await socket.receive())["type"] == "complete"
    socket.send(id="2", type="subscribe", payload={"documentId": "md5-9"})
    unknown = await socket.receive()
    assert (unknown["type"], unknown["payload"][0]["extensions"]["code"]) == ("error", "PERSISTED_QUERY_NOT_FOUND")
    await socket.leave()
    async with http_of(service) as http:
        answer = await http.post("/graphql", json={"documentId": "md5-1"}, headers={"accept": EVENTS})
    assert answer.text.startswith("event: next\ndata: ") and "Hello you" in answer.text


async def test_trusted_only_holds_for_sockets_too(schema: Any) -> None:
    socket = await Socket(service_of(schema, KnownDocuments({"a": HELLO}, only_trusted=True)), manager).sign_in()
    socket.subscribe("1", "{ __typename }")
    refused = await socket.receive()
    assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "DOCUMENT_NOT_TRUSTED")
    await socket.leave()


# Trusted documents


async def test_only_documents_of_the_manifest_are_run_by_id_by_hash_and_by_text(trusting: httpx.AsyncClient) -> None:
    for named in ({"documentId": "md5-1"}, {"documentId": id_of(HELLO)}, {"extensions": apq(HELLO)}, {"query": HELLO}):
        assert (await trusting.post("/graphql", json=named)).status_code == 200
    for other in (
        {"query": "{ __typename }"},
        {"query": INTROSPECTION},
        {"query": HELLO + " "},
        {"query": "{ __typename }", "extensions": apq("{ __typename }")},
        {"extensions": apq("{ __typename }")},
        {"documentId": "md5-3"},
    ):
        refused = await trusting.post("/graphql", json=other)
        assert (refused.status_code, code(refused)) == (403, "DOCUMENT_NOT_TRUSTED")
        assert "data" not in refused.json()


@pytest.mark.parametrize("write", [
    lambda documents: documents,
    lambda documents: {
        "format": "apollo-persisted-query-manifest", "version": 1,
        "operations": [{"id": id, "name": "x", "type": "query", "body": text} for id, text in documents.items()],
    },
])  # fmt: skip
def test_manifests_of_relay_codegen_and_apollo_are_read(
    schema: Any, tmp_path: Path, write: Callable[[Any], Any]
) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(write({"a": HELLO, "b": TOUCH})))
    assert read_manifest(file, schema) == {"a": HELLO, "b": TOUCH}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "is no manifest"),
        ('{"a": 7}', "is no manifest"),
        ('{"operations": [{"id": "a"}]}', "is no manifest"),
        ('{"good": "{ __typename }", "bad": "{ nothing }"}', "the document bad does not fit the schema"),
        ('{"bad": "{"}', "the document bad does not fit the schema"),
    ],
)
def test_a_manifest_that_cannot_be_used_stops_the_start_with_one_sentence(
    schema: Any, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "manifest.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError) as problem:
        read_manifest(file, schema)
    assert said in str(problem.value) and "TRUCKROLL_TRUSTED_DOCUMENTS" in str(problem.value)
    assert "\n" not in str(problem.value)


# Tags


async def test_a_named_query_by_get_is_told_once_and_then_that_nothing_changed(http: httpx.AsyncClient) -> None:
    await http.post("/graphql", json={"query": HELLO, "extensions": apq(HELLO)})
    named = {"documentId": id_of(HELLO), "variables": '{"name":"you"}'}
    first = await http.get("/graphql", params=named)
    assert first.json() == {"data": {"scratchHello": "Hello you at 127.0.0.1"}}
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "authorization, accept, accept-encoding"
    tag = first.headers["etag"]
    assert tag.startswith('"') and len(tag) == 34
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await http.get("/graphql", params=named, headers={"if-none-match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in again.headers
    other = await http.get("/graphql", params=named | {"variables": '{"name":"me"}'}, headers={"if-none-match": tag})
    assert other.status_code == 200 and other.headers["etag"] != tag
    by_head = await http.head("/graphql", params=named)
    assert by_head.headers["etag"] == tag


async def test_nothing_else_gets_a_tag(http: httpx.AsyncClient) -> None:
    bug = "{ scratchBug }"
    for document in (HELLO, bug):
        await http.post("/graphql", json={"query": document, "extensions": apq(document)})
    for answer in (
        await http.get("/graphql", params={"query": HELLO}),
        await http.post("/graphql", json={"documentId": id_of(HELLO)}),
        await http.get("/graphql", params={"documentId": id_of(bug)}),
        await http.get("/graphql", params={"documentId": id_of(HELLO), "variables": '{"name":7}'}),
    ):
        assert "etag" not in answer.headers and answer.headers["cache-control"] == "no-store"


async def test_a_named_mutation_by_get_is_405_and_changes_nothing(trusting: httpx.AsyncClient) -> None:
    GIVEN.clear()
    refused = await trusting.get("/graphql", params={"documentId": "md5-2"})
    assert (refused.status_code, refused.headers["allow"], GIVEN) == (405, "POST", [])
