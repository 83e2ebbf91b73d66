"""Answers in fewer bytes: who gets which encoding, what is never packed, and tags that tell the encodings apart."""

import asyncio
import gzip
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
import pytest_asyncio
from graphql import OperationType
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles

from app.kernel.actor import Actor
from schema.kit import compression
from schema.kit.compression import Encodings, Packed, encodings, pack, packed, tag_of
from schema.kit.http import GraphQLEndpoint
from schema.kit.persisted import KnownDocuments
from schema.kit.service import GraphQLService
from schema.kit.sessions import Sessions
from tests.schema.kit.conftest import MANAGER
from tests.schema.kit.test_sockets import one_by_one

HELLO = "query($name: String!) { scratchHello(name: $name) }"
GREET = "mutation { greet { viewer { __typename } } }"


async def manager(token: str, address: str) -> Actor:
    return MANAGER


@pytest.fixture
def service(schema: Any) -> GraphQLService:
    return GraphQLService(
        schema, introspection="everybody", once=frozenset(), documents=KnownDocuments({"hello": HELLO})
    )


@pytest_asyncio.fixture(loop_scope="session")
async def http(service: GraphQLService) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(GraphQLEndpoint(service, manager, Sessions(one_by_one(manager)), ""))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def ask(
    http: httpx.AsyncClient, length: int, encoding: str | None, **headers: str
) -> tuple[httpx.Response, bytes]:
    """The answer with so many characters in it, and the bytes as they came."""
    named = {"documentId": "hello", "variables": json.dumps({"name": "x" * length})}
    async with http.stream(
        "GET", "/graphql", params=named, headers={"accept-encoding": encoding or "", **headers}
    ) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("header", "best", "plain"),
    [
        (b"", None, True),
        (b"gzip", "gzip", True),
        (b"br", "br", True),
        (b"gzip, deflate, br, zstd", "br", True),
        (b"gzip;q=1.0, br;q=0.5", "gzip", True),
        (b"GZIP", "gzip", True),
        (b"*", "br", True),
        (b"*, br;q=0", "gzip", True),
        (b"gzip;q=0", None, True),
        (b"identity, gzip;q=0.5", None, True),
        (b"identity;q=0.5, gzip;q=0.5", "gzip", True),
        (b"identity;q=0, gzip", "gzip", False),
        (b"identity;q=0", None, False),
        (b"*;q=0", None, False),
        (b"*;q=0, identity", None, True),
        (b"deflate, zstd", None, True),
        (b"gzip;q=nonsense", None, True),
        (b",;,q=1,,", None, True),
    ],
)
def test_quality_decides_and_at_the_same_quality_brotli(header: bytes, best: str | None, plain: bool) -> None:
    assert encodings(header) == Encodings(best, plain)


@pytest.mark.parametrize(("encoding", "unpack"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
async def test_a_large_answer_comes_packed_and_says_so(http: httpx.AsyncClient, encoding: str, unpack: Any) -> None:
    plain, body = await ask(http, 5000, None)
    answer, raw = await ask(http, 5000, encoding)
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == encoding
    assert int(answer.headers["content-length"]) == len(raw) < 500
    assert unpack(raw) == body
    assert answer.headers["vary"] == "authorization, accept, accept-encoding"
    assert answer.headers["etag"] == plain.headers["etag"][:-1] + f'-{encoding}"'
    for tag, status in ((answer.headers["etag"], 304), (plain.headers["etag"], 200)):
        again, _ = await ask(http, 5000, encoding, **{"if-none-match": tag})
        assert (again.status_code, again.headers["etag"]) == (status, answer.headers["etag"])


async def test_a_small_answer_is_left_as_it_is_unless_that_is_refused(http: httpx.AsyncClient) -> None:
    answer, _ = await ask(http, 10, "gzip, br")
    assert "content-encoding" not in answer.headers
    answer, raw = await ask(http, 10, "identity;q=0, gzip")
    assert answer.headers["content-encoding"] == "gzip" and b"Hello" in gzip.decompress(raw)


async def test_who_takes_nothing_that_we_have_is_refused_before_anything_is_run(http: httpx.AsyncClient) -> None:
    for header in ("identity;q=0", "*;q=0", "zstd, identity;q=0"):
        answer = await http.post("/graphql", json={"query": GREET}, headers={"accept-encoding": header})
        assert answer.status_code == 406


async def test_a_post_says_that_it_varies(http: httpx.AsyncClient) -> None:
    request = {"query": HELLO, "variables": {"name": "x" * 2000}}
    answer = await http.post("/graphql", json=request, headers={"accept-encoding": "br"})
    assert answer.headers["content-encoding"] == "br" and answer.headers["vary"] == "accept-encoding"
    assert answer.headers["cache-control"] == "no-store" and "etag" not in answer.headers


class Telling:
    """A service that answers anything at length."""

    def __init__(self, kind: OperationType | None) -> None:
        self.kind = kind

    async def run(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"data": {"logIn": {"signedIn": {"accessToken": "s" * 5000}}}}

    def kind_of(self, _: Any) -> OperationType | None:
        return self.kind

    def encode(self, response: Any) -> bytes:
        return json.dumps(response).encode()


@pytest.mark.parametrize(
    ("kind", "encoding"), [(OperationType.QUERY, "gzip"), (OperationType.MUTATION, None), (None, None)]
)
async def test_answers_with_tokens_are_never_packed(kind: OperationType | None, encoding: str | None) -> None:
    endpoint: Any = GraphQLEndpoint(Telling(kind), manager, Sessions(one_by_one(manager)), "")  # type: ignore[arg-type]  # as much of one as it needs
    async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://test") as http:
        for header in ("gzip", "gzip, identity;q=0"):
            answer = await http.post("/graphql", json={"query": "?"}, headers={"accept-encoding": header})
            assert answer.headers.get("content-encoding") == encoding


async def test_a_very_large_body_is_packed_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def noted(encoding: str, body: bytes) -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return b""

    monkeypatch.setattr(compression, "packed", noted)
    await pack("br", b"x" * (compression.ASIDE_BYTES_MIN - 1))
    await pack("br", b"x" * compression.ASIDE_BYTES_MIN)
    assert threads == [True, False]


# Pages


class Pages:
    """An application with a page, a picture and an answer without a tag."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.headers = dict(scope["headers"])
        types = {"/page": b"text/html", "/picture": b"image/png", "/untagged": b"application/json"}
        headers = [(b"content-type", types[scope["path"]]), (b"vary", b"authorization")]
        if scope["path"] != "/untagged":
            headers.append((b"etag", b'"1"'))
        if self.headers.get(b"if-none-match") == b'"1"':
            await send({"type": "http.response.start", "status": 304, "headers": [(b"etag", b'"1"')]})
            await send({"type": "http.response.body"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * 3000, "more_body": True})
        await send({"type": "http.response.body", "body": b"y" * 3000})


@pytest_asyncio.fixture(loop_scope="session")
async def pages() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Packed(Pages())), base_url="http://test") as client:
        yield client


async def test_a_page_is_packed_once_and_known_by_a_tag_of_its_own(
    pages: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(encoding: str, body: bytes, *, once: bool = False) -> bytes:
        made.append((encoding, once))
        return packed(encoding, body, once=once)

    monkeypatch.setattr(compression, "packed", counted)
    for _ in range(3):
        page = await pages.get("/page", headers={"accept-encoding": "br"})
        assert page.content == b"x" * 3000 + b"y" * 3000
        assert page.headers["etag"] == '"1-br"' and page.headers["vary"] == "authorization, accept-encoding"
    assert made == [("br", True)]
    for header, tag, status in (("br", '"1-br"', 304), ("gzip", '"1-br"', 200), ("identity", '"1"', 304)):
        again = await pages.get("/page", headers={"accept-encoding": header, "if-none-match": tag})
        assert again.status_code == status
        assert again.headers["etag"] == ('"1-gzip"' if header == "gzip" else tag)


async def test_a_page_without_a_tag_is_packed_anew_and_a_picture_never(pages: httpx.AsyncClient) -> None:
    answer = await pages.get("/untagged", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and len(answer.content) == 6000
    picture = await pages.get("/picture", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in picture.headers and picture.headers["etag"] == '"1"'


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "PACKED_BYTES_MAX", 1600)
    holder = Packed(Pages())
    await asyncio.gather(*(holder._packed("br", b"x" * 9000, (b'"%d"' % (n % 9), "br")) for n in range(50)))
    assert len(holder._known) == 3  # each counts for 500 bytes, however little is left of it
    assert holder._length == sum(len(one) + 500 for one in holder._known.values()) <= 1600


async def test_one_file_is_packed_once_under_however_many_addresses(tmp_path: Path) -> None:
    """Two files of the same size and time have the same tag, and are told apart nevertheless."""
    for name, letter in (("a.css", "a"), ("b.css", "b")):
        (tmp_path / name).write_text(letter * 5000)
        os.utime(tmp_path / name, (1, 1))
    holder = Packed(Router([Mount("/assets", StaticFiles(directory=tmp_path))]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(holder), base_url="http://test") as http:
        for path in ("a.css", "./a.css", "././a.css", "x/../a.css", "b.css", "/b.css"):
            url = httpx.URL("http://test").copy_with(raw_path=f"/assets/{path}".encode())
            answer = await http.get(url, headers={"accept-encoding": "br"})
            assert (answer.headers["content-encoding"], answer.text) == ("br", path[-5] * 5000)
    assert len(holder._known) == 2


def test_a_tag_names_its_encoding() -> None:
    assert [tag_of(b'"1"', None), tag_of(b'"1"', "gzip")] == [b'"1"', b'"1-gzip"']
