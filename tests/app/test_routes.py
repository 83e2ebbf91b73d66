"""Everything that is served over HTTP: which addresses and verbs there are, and what every answer says to browsers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.routing import Mount, Route

from app.infrastructure import limits
from app.main import create_app, routes
from app.settings import Settings

BOARD, EVIL = "https://board.example", "https://evil.example"
READ = {"GET", "HEAD"}
# The whole surface. Whoever adds an address adds it here, with what stands before it.
ROUTES = {
    "/": READ,  # the live page: static, without data
    "/track": READ,  # the page of a visit: static; its secret stays in the browser
    "/invitation": READ,  # the page of a link that sets a password: the same
    "/reset-password": READ,  # the same
    "/schema.graphql": READ,  # who may ask for the schema
    "/docs{path:path}": READ,  # the same
    "/exports/{id}": READ,  # a signed link, and its holder's rights at this moment
    "/data-requests/{id}": READ,  # the same, for the copy of what is kept of a person
    "/auth/oidc/{provider}/start": READ,  # anybody, so many a minute: it only leads to the provider
    "/auth/oidc/{provider}/callback": READ,  # who began there, in the same browser
    "/healthz": READ,  # anybody: it lives
    "/readyz": READ,  # anybody: it serves
    "/metrics": READ,  # a token, if one is set
    "/assets": None,  # files of the pages
}
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY")
PATHS = (
    "/", "/track", "/invitation", "/reset-password", "/schema.graphql", "/docs", "/docs/", "/docs/assets/docs.css", "/exports/exp_1",
    "/auth/oidc/x/start", "/auth/oidc/x/callback", "/healthz", "/readyz",
    "/metrics", "/assets/board.js", "/assets/", "/assets/../main.py", "/assets/%2e%2e/main.py", "/nothing", "/graphql",
    "/graphql?query={__typename}", "/.git/config", "/.env",
)  # fmt: skip


def settings(folder: Path) -> Settings:
    return Settings(data_folder=folder, allowed_origins=(BOARD,), metrics_token="a token of sixteen")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    await limits.stop()
    app, _, _ = create_app(settings(tmp_path_factory.mktemp("routes")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def answers(http: httpx.AsyncClient) -> dict[tuple[str, str], httpx.Response]:
    return {(verb, path): await http.request(verb, path, headers={"accept": "*/*"}) for path in PATHS for verb in VERBS}


def test_the_addresses_are_these_and_no_others(tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    for one in routes(settings(tmp_path)):
        assert isinstance(one, Route | Mount)
        assert one.path not in found
        found[one.path] = one.methods if isinstance(one, Route) else None
    assert found == ROUTES


def test_no_answer_leaves_out_what_browsers_need_to_be_told(answers: dict[tuple[str, str], httpx.Response]) -> None:
    for (verb, path), answer in answers.items():
        said = answer.headers
        assert said["x-content-type-options"] == "nosniff", path
        assert said["x-request-id"].startswith("req_"), path
        assert "cache-control" in said, path
        assert "set-cookie" not in said, path
        assert "server" not in said and "x-powered-by" not in said, path
        if not said.get("content-type", "").startswith("application/json"):
            policy = dict(part.strip().split(" ", 1) for part in said["content-security-policy"].split(";"))
            assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'"), path
            assert (policy["base-uri"], policy["frame-ancestors"]) == ("'none'", "'none'"), path
            assert said["referrer-policy"] == "no-referrer", path
            assert said["cross-origin-opener-policy"] == "same-origin", path
            assert said["cross-origin-resource-policy"] == "same-origin", path
        assert answer.status_code != 500 and answer.status_code != 501, (verb, path)


def test_only_files_are_kept_and_they_are_asked_for_each_time(answers: dict[tuple[str, str], httpx.Response]) -> None:
    kept = {path: one.headers["cache-control"] for (_, path), one in answers.items() if one.is_success}
    assert kept == dict.fromkeys(("/", "/track", "/invitation", "/reset-password", "/assets/board.js"), "no-cache") | {
        "/docs/assets/docs.css": "private, no-cache",
        "/healthz": "no-store",
        "/graphql?query={__typename}": "no-store",
    }
    refused = {one.headers["cache-control"] for one in answers.values() if not one.is_success}
    assert refused == {"no-store"}


def test_nothing_is_changed_by_any_verb_but_post_and_only_graphql_takes_that(
    answers: dict[tuple[str, str], httpx.Response],
) -> None:
    taken = {(verb, path): one.status_code for (verb, path), one in answers.items() if verb not in READ}
    wrong = {key: status for key, status in taken.items() if status not in (404, 405)}
    # 415: a POST without JSON. Nothing else is even looked at.
    assert wrong == {("POST", "/graphql"): 415, ("POST", "/graphql?query={__typename}"): 415}
    assert all("allow" in one.headers for one in answers.values() if one.status_code == 405)


def test_files_outside_the_pages_are_not_there(answers: dict[tuple[str, str], httpx.Response]) -> None:
    for path in ("/assets/", "/assets/../main.py", "/assets/%2e%2e/main.py", "/nothing", "/.git/config", "/.env"):
        assert answers["GET", path].status_code == 404
        assert answers["GET", path].text.strip() == "Not Found"


def test_what_is_for_somebody_is_shown_to_nobody(answers: dict[tuple[str, str], httpx.Response]) -> None:
    shut = {
        path: answers["GET", path].status_code for path in ("/schema.graphql", "/docs/", "/exports/exp_1", "/metrics")
    }
    assert shut == {"/schema.graphql": 401, "/docs/": 401, "/exports/exp_1": 404, "/metrics": 401}


@pytest.mark.parametrize("path", ["/graphql", "/", "/exports/exp_1"])
@pytest.mark.parametrize("origin", [EVIL, "null", "https://board.example.evil.example", "http://board.example"])
async def test_no_other_origin_may_read_or_send(http: httpx.AsyncClient, origin: str, path: str) -> None:
    plain = await http.get(path, headers={"origin": origin})
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    before = await http.options(path, headers=asked)
    for answer in (plain, before):
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
    assert before.status_code == 400


async def test_an_origin_that_was_named_may_and_without_cookies(http: httpx.AsyncClient) -> None:
    asked = {
        "origin": BOARD,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = await http.options("/graphql", headers=asked)
    assert answer.headers["access-control-allow-origin"] == BOARD
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert "access-control-allow-credentials" not in answer.headers


async def test_cookies_sign_nobody_in(http: httpx.AsyncClient) -> None:
    token = "tra_" + "x" * 43 + "_aaaaaa"
    named = {"authorization": f"Bearer {token}", "token": token, "session": token}
    cookie = "; ".join(f"{name}={value}" for name, value in named.items())
    asked = {"query": "{ viewer { kind } }"}
    answer = (await http.post("/graphql", json=asked, headers={"cookie": cookie})).json()
    assert answer["errors"][0]["extensions"]["code"] == "NOT_AUTHENTICATED"
