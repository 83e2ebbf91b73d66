"""What an answer and a log line give away: nothing of the schema to strangers, nothing of our insides, nothing of what was sent."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from graphql import GraphQLError

from app import database as db
from app import serving
from app.infrastructure import limits, logs
from app.kernel.actor import Actor
from app.kernel.allowances import Allowance
from app.kernel.budgets import Caller
from app.kernel.dialects import Dialect
from app.kernel.errors import NotAuthenticated
from schema.kit import Context, context
from schema.kit.execution import formatted
from schema.kit.http import GraphQLEndpoint
from schema.kit.limits import GraphQLRequest
from schema.kit.negotiation import EVENTS, GRAPHQL, JSON
from schema.kit.service import GraphQLService
from schema.kit.sessions import Sessions
from tests.schema.kit.conftest import MANAGER, Asking
from tests.schema.kit.scratch_api import GIVEN
from tests.schema.kit.test_sockets import one_by_one

SECRET = "hunter2hush"
TOUCH = "mutation($i: TouchJobInput!) { touchJob(input: $i) { job { id } } }"
SCHEMA = "{ __schema { queryType { name } } }"
WAYS_TO_ASK = [
    SCHEMA,
    '{ __type(name: "Query") { name } }',
    "{ a: __schema { queryType { name } } }",
    "{ ...F } fragment F on Query { __schema { queryType { name } } }",
    "{ ...F } fragment F on Query { ...G } fragment G on Query { b: __schema { queryType { name } } }",
    "{ ... { ... on Query { c: __schema { queryType { name } } } } }",
    "{ __schema @include(if: true) { queryType { name } } }",
    "query Hidden { __schema { queryType { name } } }",
    "mutation { __schema { queryType { name } } }",
]


async def run(service: GraphQLService, document: str, actor: Actor | None = MANAGER) -> dict[str, Any]:
    return await service.run(GraphQLRequest(document, None, {}), Context(actor, address="192.0.2.1"))


def code_of(answer: dict[str, Any]) -> str:
    return str(answer["errors"][0]["extensions"]["code"])


# The schema


@pytest.mark.parametrize("document", WAYS_TO_ASK)
@pytest.mark.parametrize(
    ("introspection", "stranger", "signed_in"),
    [("everybody", True, True), ("authenticated", False, True), ("nobody", False, False)],
)
async def test_the_schema_is_told_to_whom_the_setting_says_however_it_is_asked_for(
    schema: Any, document: str, introspection: str, stranger: bool, signed_in: bool
) -> None:
    service = GraphQLService(schema, introspection=introspection, once=frozenset())
    for actor, may in ((None, stranger), (MANAGER, signed_in)):
        answer = await run(service, document, actor)
        if not may:
            assert code_of(answer) == "TOO_EXPENSIVE" and "data" not in answer
            assert "may not be asked for" in answer["errors"][0]["message"]
        elif document.startswith(("query", "{")):
            assert "errors" not in answer
        else:
            assert "may not be asked for" not in str(answer)


async def test_the_name_of_a_type_is_not_the_schema(schema: Any) -> None:
    service = GraphQLService(schema, introspection="nobody", once=frozenset())
    assert (await run(service, "{ __typename }", None))["data"] == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("{ scratchJob }", {}),
        ("{ scratchJobz { totalCount } }", {}),
        ("{ scratchJobs }", {}),
        ("{ scratchJobs { nodez { id } } }", {}),
        ("{ scratchJobs(fist: 1) { totalCount } }", {}),
        ("{ scratchJobs { nodes { ... on Jub { id } } } }", {}),
        ("{ scratchJobs { totalCount @inclide(if: true) } }", {}),
        ("{ scratchJobs(orderBy: [{ field: TITEL }]) { totalCount } }", {}),
        ("{ scratchJobs(filter: { titel: { eq: 1 } }) { totalCount } }", {}),
        ("query($i: TouchJobInpud) { scratchHello(name: $i) }", {}),
        (TOUCH, {"i": {"id": "job_1", "titel": "x"}}),
        (TOUCH, {"i": {"ids": "job_1"}}),
    ],
)
async def test_nothing_is_suggested(scratch: Dialect, ask: Asking, document: str, variables: dict[str, Any]) -> None:
    answer = await ask(document, **variables)
    assert answer["errors"]
    assert "Did you mean" not in json.dumps(answer)


# Logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """All that is logged, as it is written."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    logs.configure("DEBUG", stream=stream, json=True)
    yield stream
    root.handlers[:], level = before[0], before[1]
    root.setLevel(level)
    structlog.reset_defaults()


async def manager(token: str, address: str) -> Actor:
    if token != "token":
        raise NotAuthenticated()
    return MANAGER


@pytest_asyncio.fixture(loop_scope="session")
async def http(schema: Any) -> AsyncIterator[httpx.AsyncClient]:
    budgets = {caller: Allowance(5000, 1) for caller in Caller}
    service = GraphQLService(schema, introspection="nobody", once=frozenset({"greet"}), budgets=budgets)
    app = serving.Envelope(GraphQLEndpoint(service, manager, Sessions(one_by_one(manager)), "<p>GraphiQL</p>"))
    await limits.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client
    await limits.stop()


HELLO = "query($n: String!) { scratchHello(name: $n) }"
PATHS: list[tuple[str, dict[str, Any], str]] = [
    ("{ " + SECRET + " ", {}, "GRAPHQL_PARSE_FAILED"),
    (f'{{ scratchHello(name: "{SECRET}\\u0007") }}', {}, "GRAPHQL_PARSE_FAILED"),
    (f"{{ {SECRET} }}", {}, "GRAPHQL_VALIDATION_FAILED"),
    (f'{{ scratchHello(name: "{SECRET}", {SECRET}: 1) }}', {}, "GRAPHQL_VALIDATION_FAILED"),
    (HELLO, {"n": [SECRET]}, "BAD_USER_INPUT"),
    (HELLO, {"n": SECRET + "\x07"}, "BAD_USER_INPUT"),
    (HELLO, {"n": {SECRET: SECRET}}, "BAD_USER_INPUT"),
    (f"query {SECRET} {{ __typename }} query B {{ __typename }}", {}, "OPERATION_RESOLUTION_FAILURE"),
    ("{" + " ".join(f"{SECRET}{n}: scratchBug" for n in range(16)) + "}", {}, "TOO_EXPENSIVE"),
    (f'mutation {{ a: greet(name: "{SECRET}") {{ cursor }} greet(name: "{SECRET}") {{ cursor }} }}', {}, "TOO_EXPENSIVE"),
    (f'{{ scratchJobs(after: "{SECRET}") {{ totalCount }} }}', {}, "INVALID_INPUT"),
    (f"query {SECRET} {{ {SECRET}: scratchBug }}", {}, "INTERNAL"),
    (TOUCH.replace("touchJob(", f"{SECRET}: touchJob("), {"i": {"id": SECRET, "fail": "bug", "title": SECRET}}, "INTERNAL"),
]  # fmt: skip


@pytest.mark.parametrize("accept", [JSON, GRAPHQL, EVENTS])
async def test_no_log_line_holds_what_was_sent_whatever_goes_wrong(
    scratch: Dialect, http: httpx.AsyncClient, out: io.StringIO, accept: str
) -> None:
    headers = {"authorization": "Bearer token", "accept": accept}
    for document, variables, code in PATHS:
        # As escapes, so that every sign arrives.
        body = json.dumps({"query": document, "variables": variables})
        answer = await http.post("/graphql", content=body, headers={**headers, "content-type": JSON})
        assert f'"code":"{code}"' in answer.text, (document, answer.text)
    wrong = {"authorization": f"Bearer {SECRET}"}
    assert (
        await http.post("/graphql", json={"query": f'{{ scratchHello(name: "{SECRET}") }}'}, headers=wrong)
    ).status_code == 401
    assert (
        await http.post("/graphql", content=f'{{"query": "{SECRET}'.encode(), headers={**headers, "content-type": JSON})
    ).status_code == 400
    assert (
        await http.get("/graphql", params={"query": f"{{ {SECRET} }}", "variables": SECRET}, headers=headers)
    ).status_code == 400
    said = out.getvalue()
    assert said.count('"event":"bug"') == 2  # those are to be seen, with where they happened
    assert "scratch_bug" in said and "RuntimeError" in said
    assert SECRET not in said
    assert "db password" not in said


async def test_what_nobody_catches_is_a_reference_and_no_more(
    http: httpx.AsyncClient, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise ValueError(f"cannot digest {SECRET}")

    monkeypatch.setattr(GraphQLService, "run", broken)
    answer = await http.post("/graphql", json={"query": "{ __typename }"})
    assert answer.status_code == 500
    assert "INTERNAL" in answer.text and "digest" not in answer.text
    assert "a request failed" in out.getvalue() and "ValueError" in out.getvalue()
    assert SECRET not in out.getvalue()


async def test_a_database_that_is_busy_or_away_is_no_bug(out: io.StringIO) -> None:
    for error in (db.TookTooLong(), db.ConnectionLost()):
        told = formatted(GraphQLError("a statement of a customer's", original_error=error))
        assert told["extensions"] == {"code": "UNAVAILABLE", "retryAfterSeconds": 1}
        assert "statement" not in told["message"]
    assert out.getvalue() == ""


# Time


async def test_an_operation_past_its_time_begins_no_further_part_and_says_so(
    scratch: Dialect, schema: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = GraphQLService(schema, introspection="nobody", once=frozenset())
    GIVEN.clear()
    late = Context(MANAGER)
    touch = (
        'touchJob(input: { id: "job_1" }) { errors { code message ... on Unavailable { retryAfterSeconds } } cursor }'
    )
    late.started -= context.OPERATION_SECONDS_MAX - 0.5
    in_time = await service.run(GraphQLRequest(f"mutation {{ {touch} }}", None, {}), late)
    assert in_time["data"]["touchJob"]["errors"] == [] and len(GIVEN) == 1
    late.started -= 1
    answer = await service.run(GraphQLRequest(f"mutation {{ {touch} b: {touch} }}", None, {}), late)
    for key in ("touchJob", "b"):
        [problem] = answer["data"][key]["errors"]
        assert (problem["code"], problem["retryAfterSeconds"]) == ("UNAVAILABLE", 1)
        assert "more than 10 seconds" in problem["message"]
    assert len(GIVEN) == 1
    queried = await service.run(GraphQLRequest('{ scratchHello(name: "x") }', None, {}), late)
    assert queried["data"] is None and code_of(queried) == "UNAVAILABLE"


async def test_a_mutation_that_takes_long_keeps_the_next_from_beginning(
    scratch: Dialect, schema: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is looked at between the parts: what has begun is finished, and stays done."""
    monkeypatch.setattr(context, "OPERATION_SECONDS_MAX", 0.0)
    monkeypatch.setattr(Context, "require_time", _once_then(Context.require_time))
    service = GraphQLService(schema, introspection="nobody", once=frozenset())
    GIVEN.clear()
    touch = 'touchJob(input: { id: "job_1" }) { errors { code } }'
    answer = await service.run(GraphQLRequest(f"mutation {{ a: {touch} b: {touch} }}", None, {}), Context(MANAGER))
    assert answer["data"] == {"a": {"errors": []}, "b": {"errors": [{"code": "UNAVAILABLE"}]}}
    assert len(GIVEN) == 1


def _once_then(check: Any) -> Any:
    calls = iter([lambda _: None])
    return lambda self: next(calls, check)(self)
