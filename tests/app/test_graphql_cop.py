"""The thirteen questions that scanners of GraphQL servers ask without a token, each asked of ours over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.infrastructure import limits
from app.main import create_app
from app.settings import Settings

SCHEMA = "query cop { __schema { types { name fields { name } } } }"
SUGGESTIONS = ("Did you mean", "did you mean", "viewer", "rateLimit")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    app, _, _ = create_app(Settings(data_folder=tmp_path_factory.mktemp("cop")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        yield client


@pytest.fixture(autouse=True)
async def full_budgets() -> None:
    await limits.stop()


async def post(http: httpx.AsyncClient, query: Any, **more: Any) -> httpx.Response:
    return await http.post("/graphql", json={"query": query}, **more)


def said(answer: httpx.Response) -> Any:
    return answer.json()


async def test_the_control_a_plain_question_is_answered(http: httpx.AsyncClient) -> None:
    assert said(await post(http, "query cop { __typename }"))["data"] == {"__typename": "Query"}


async def test_alias_overloading_is_refused(http: httpx.AsyncClient) -> None:
    answer = await post(http, "query cop { " + " ".join(f"alias{n}: __typename" for n in range(101)) + " }")
    assert "data" not in said(answer)
    assert said(answer)["errors"][0]["extensions"]["code"] == "TOO_EXPENSIVE"


async def test_batches_are_no_requests(http: httpx.AsyncClient) -> None:
    answer = await http.post("/graphql", json=[{"query": "query cop { __typename }"}] * 10)
    assert answer.status_code == 400
    assert len(said(answer)["errors"]) == 1


async def test_directive_overloading_is_one_error(http: httpx.AsyncClient) -> None:
    answer = await post(http, "query cop { __typename " + "@aa" * 10 + " }")
    assert "data" not in said(answer)
    assert len(said(answer)["errors"]) == 1


async def test_field_duplication_is_refused(http: httpx.AsyncClient) -> None:
    answer = await post(http, "query cop { " + "__typename " * 500 + "}")
    assert "data" not in said(answer)
    assert said(answer)["errors"][0]["extensions"]["code"] == "TOO_EXPENSIVE"


async def test_circular_questions_about_the_schema_are_refused(http: httpx.AsyncClient) -> None:
    circle = "fields { type { " * 4 + "name" + " } }" * 4
    answer = await post(http, f"query cop {{ __schema {{ types {{ {circle} }} }} }}")
    assert "data" not in said(answer)


async def test_circular_fragments_are_refused(http: httpx.AsyncClient) -> None:
    answer = await post(http, "query cop { ...A } fragment A on Query { ...B } fragment B on Query { ...A }")
    assert "data" not in said(answer)
    assert answer.status_code < 500


async def test_nobody_is_told_the_schema(http: httpx.AsyncClient) -> None:
    assert "data" not in said(await post(http, SCHEMA))


@pytest.mark.parametrize("field", ["viewr", "rateLimt", "systemUpdate", "__shema"])
async def test_no_field_is_suggested(http: httpx.AsyncClient, field: str) -> None:
    told = (await post(http, f"query cop {{ {field} }}")).text
    assert not [word for word in SUGGESTIONS if word in told]


@pytest.mark.parametrize("path", ["/graphiql", "/playground", "/console", "/graphql"])
async def test_no_ide_is_shown_to_who_does_not_ask_for_a_page(http: httpx.AsyncClient, path: str) -> None:
    told = (await http.get(path, headers={"accept": "*/*"})).text
    assert not [
        word for word in ("graphiql.min.css", "GraphQL Playground", "GraphiQL", "graphql-playground") if word in told
    ]


async def test_no_answer_is_traced(http: httpx.AsyncClient) -> None:
    for query in ("query cop { __typename }", "query cop { nothing }"):
        told = said(await post(http, query, headers={"x-apollo-tracing": "1"}))
        assert "tracing" not in told.get("extensions", {})
        assert "trac" not in str(told).lower()


async def test_nothing_is_changed_by_get(http: httpx.AsyncClient) -> None:
    answer = await http.get("/graphql", params={"query": "mutation cop { logOut { session { id } errors { code } } }"})
    assert answer.status_code == 405
    assert "data" not in said(answer)


async def test_forms_and_plain_texts_which_any_page_can_send_are_no_requests(http: httpx.AsyncClient) -> None:
    body = "query=query+cop+%7B__typename%7D"
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""):
        answer = await http.post("/graphql", content=body, headers={"content-type": kind})
        assert (answer.status_code, "data" in said(answer)) == (415, False)


async def test_what_is_read_by_get_is_read_as_nobody_or_with_a_header_no_page_can_send_unasked(
    http: httpx.AsyncClient,
) -> None:
    """Scanners report that queries may come by GET, for the forgery it allows where a cookie signs people in. Here none
    does: without the header, which browsers ask about first, a GET is nobody's."""
    answer = await http.get("/graphql", params={"query": "{ viewer { kind } }"}, headers={"cookie": "session=tra_x"})
    assert said(answer)["errors"][0]["extensions"]["code"] == "NOT_AUTHENTICATED"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("query", ["qwerty cop { abc }", "{", "", "query cop { abc }", "\u202e{}"])
async def test_errors_tell_no_more_than_their_message_and_code(http: httpx.AsyncClient, query: str) -> None:
    for error in said(await post(http, query))["errors"]:
        assert set(error) <= {"message", "locations", "path", "extensions"}
        assert set(error.get("extensions", {})) <= {"code"}
        assert not [word for word in ("Traceback", ".py", "exception", "stack") if word in str(error)]
