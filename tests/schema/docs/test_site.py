"""The reference is whole, links to what is there, holds nothing but our own markup, and is for those who may ask."""

import json
import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated
from urllib.parse import urljoin

import httpx
import pytest
from graphql import GraphQLObjectType, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from app.kernel.actor import Actor, system_actor
from app.kernel.errors import NotAuthenticated
from app.kernel.permissions import ROLES, Permission
from app.main import create_app
from app.settings import Settings
from schema import kit
from schema.docs import pages, site
from schema.docs.catalogue import Catalogue, OperationEntry
from schema.docs.examples import least, written
from schema.docs.guides import Guide, guides
from schema.docs.markup import html, tag
from schema.docs.serving import Documentation, SchemaDoor
from schema.docs.site import Site
from schema.kit import (
    ANYONE,
    OPERATIONS,
    SIGNED_IN,
    about,
    arg,
    deprecated,
    describe_enum,
    inputs,
    mutation,
    plain,
    query,
)
from schema.kit.execution import core_of
from schema.kit.limits import COST_MAX, guard
from schema.kit.measuring import Measures
from schema.schema import api, sdl

CORE = core_of(api)
SITE = Site(CORE)
CATALOGUE = Catalogue(CORE)
VOID = {"br", "hr", "img", "input", "link", "meta"}


class Reader(HTMLParser):
    """What a browser sees: elements with their attributes, balanced or not, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.stray: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.stray.extend(self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.stray.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def read() -> dict[str, Reader]:
    """Every page of the site."""
    return {path: Reader(page_at(path)) for path in SITE.paths if path.endswith(".html")}


def page_at(path: str) -> str:
    file = SITE.file(path)
    assert file is not None
    return file.body.decode()


def operations() -> Iterator[OperationEntry]:
    for entries in CATALOGUE.operations.values():
        yield from entries.values()


# What there is


def test_everything_in_the_schema_has_a_page(read: dict[str, Reader]) -> None:
    for kind, root in (
        ("query", CORE.query_type),
        ("mutation", CORE.mutation_type),
        ("subscription", CORE.subscription_type),
    ):
        assert root is not None
        assert [name for name in root.fields if f"{kind}/{name}.html" not in read] == []
    roots = {"Query", "Mutation", "Subscription"}
    named = {path.partition("/")[2].removesuffix(".html") for path in read}
    assert {name for name in CORE.type_map if not name.startswith("__")} - roots <= named


def test_every_room_that_declares_operations_has_a_page_with_them(read: dict[str, Reader]) -> None:
    for entry in operations():
        hrefs = {
            attributes.get("href")
            for element, attributes in read[pages.room_path(entry.room)].elements
            if element == "a"
        }
        assert f"../{entry.path}" in hrefs, entry.name
    declared = {one.module.split(".")[1] for one in OPERATIONS.values() if one.module.startswith("schema.")}
    assert declared <= set(CATALOGUE.rooms)


def test_every_link_leads_somewhere(read: dict[str, Reader]) -> None:
    anchors = {path: {attributes.get("id") for _, attributes in page.elements} for path, page in read.items()}
    broken = []
    for path, page in read.items():
        for element, attributes in page.elements:
            target = attributes.get("href") or attributes.get("src")
            if target is None or target.startswith(("https://www.rfc-editor.org/", "https://www.w3.org/")):
                continue
            where, _, anchor = urljoin(f"http://here/{path}", target).removeprefix("http://here/").partition("#")
            if where not in SITE.paths or (anchor and anchor not in anchors[where]):
                broken.append((path, element, target))
    assert broken == []


def test_every_page_is_well_formed_and_holds_no_script_style_or_handler_of_its_own(read: dict[str, Reader]) -> None:
    for path, page in read.items():
        assert page.stray == [], path
        scripts = [attributes for element, attributes in page.elements if element == "script"]
        assert [one["src"].rpartition("/")[2] for one in scripts if one["src"]] == ["docs.js"], path
        assert not any(element == "style" for element, _ in page.elements), path
        assert not [
            name for _, attributes in page.elements for name in attributes if name.startswith("on") or name == "style"
        ], path


def test_an_operation_says_who_may_use_it_what_it_refuses_and_what_it_costs(read: dict[str, Reader]) -> None:
    for entry in operations():
        text = read[entry.path].text
        if isinstance(entry.access, Permission):
            assert f"holds the permission {entry.access}." in text
            for role in (role for role, held in ROLES.items() if entry.access in held):
                assert role.lower().replace("_", " ") in text, (entry.name, role)
        else:
            assert ("Anyone, signed in or not." if entry.access is ANYONE else "Anyone who is signed in") in text
        assert f"of the {COST_MAX} that one operation may" in text
        if entry.kind == "mutation":
            codes = {one.code for one in (*kit.problems.ALWAYS_POSSIBLE, *OPERATIONS[entry.kind, entry.name].problems)}
            assert not [code for code in codes if code not in text], entry.name
        assert "Problems: " not in text


def test_every_description_can_be_read(read: dict[str, Reader]) -> None:
    for entry in CATALOGUE.types.values():
        parts = getattr(entry.type, "fields", None) or getattr(entry.type, "values", {})
        text = read[entry.path].text
        for said in (entry.type.description, *(part.description for part in parts.values())):
            assert re.sub(r"\s+", " ", (said or "").replace("`", "")).split("  ")[0] in text, entry.name


def test_the_search_finds_every_operation_type_and_field() -> None:
    rows = json.loads(site.search_index(pages.Reference.of(CATALOGUE, guides())))
    assert {(kind, name) for name, kind, _, _ in rows} >= {(one.kind, one.name) for one in CATALOGUE.entries}
    assert ["WorkOrder.priority", "field", "type/WorkOrder.html#priority", ""] in rows
    assert {path.partition("#")[0] for _, _, path, _ in rows} <= set(SITE.paths)


def test_the_plain_text_names_every_operation() -> None:
    text = SITE.paths["llms.txt"]()
    assert [one.name for one in operations() if f"- {one.kind} {one.name} (" not in text] == []
    assert "<" not in re.sub(r"`[^`]*`|<day>|<noun>", "", text)


# Examples


def test_the_smallest_example_of_every_operation_is_valid_and_within_the_limits() -> None:
    for entry in operations():
        example = least(entry.kind, entry.name, entry.field)
        assert validate(CORE, parse(example.document)) == [], example.document
        [operation] = parse(example.document).definitions
        assert guard(
            Measures(example.node, CORE), operation, example.shown_variables, may_introspect=False
        ).cost == example.cost(CORE)


def test_examples_by_hand_are_valid_and_have_a_title() -> None:
    for example in written():
        assert validate(CORE, parse(example.document)) == [], example.name
        assert example.title
        assert example.purpose


# Markup


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_text_comes_back_as_it_was_and_makes_no_element(text: str, attribute: str) -> None:
    made = Reader(tag("p", text, title=attribute))
    assert [element for element, _ in made.elements] == ["p"]
    assert "".join(made.words) == text
    assert html([text, None, [text]]) == html(text) + html(text)


EVIL = '</script><script>alert("x")</script><img src=x onerror=alert(1)> &amp; `<b>code</b>`'
BAD = ("<script>alert", "<img src=x", "<b>code")


class EvilWord(StrEnum):
    """A word whose description is up to no good."""

    ONE = "ONE"


describe_enum(EvilWord, EVIL, {EvilWord.ONE: EVIL})


@plain
class EvilAnswer:
    __doc__ = EVIL
    word: EvilWord = about(EVIL)


@inputs
class EvilInput:
    __doc__ = EVIL
    word: EvilWord = about(EVIL)
    text: str = about(EVIL, default=EVIL)


class EvilRoom:
    """All that can be described."""

    class Queries:
        """What clients may ask."""

        @deprecated(EVIL + ".", until=date(2027, 3, 15))
        @query(EVIL, permission=SIGNED_IN)
        async def evil_query(word: Annotated[str, arg(EVIL)] = EVIL) -> EvilAnswer:
            raise NotImplementedError

    class Mutations:
        """What clients may do."""

        @mutation(EvilAnswer, EVIL, permission=SIGNED_IN)
        async def evil_mutation(input: EvilInput) -> EvilAnswer:
            raise NotImplementedError


def test_a_description_cannot_add_markup() -> None:
    evil = core_of(kit.build_schema([EvilRoom]))
    made = Site(evil)
    for path, write in made.paths.items():
        if path.endswith(".html") and not path.startswith("guide/"):
            page = write()
            assert not any(one in page for one in BAD), path
            assert Reader(page).stray == [], path
    assert 'alert("x")' in Reader(made.paths["query/evilQuery.html"]()).text


def test_html_in_a_guide_is_shown_and_not_used() -> None:
    page = pages.guide_page(
        pages.Reference.of(CATALOGUE, ()), Guide("x", f"# Evil\n\n{EVIL}\n\n[x](javascript:alert(1))\n")
    )
    assert not any(one in page for one in BAD)
    assert 'href="javascript' not in page


# Serving


async def actor_of(token: str, address: str) -> Actor:
    if token != "good":
        raise NotAuthenticated()
    return system_actor("org_1")


def client(introspection: str, door: SchemaDoor | None = None) -> httpx.AsyncClient:
    documentation = Documentation(SITE, door or SchemaDoor(introspection, actor_of))
    app = Starlette(routes=[Route("/docs{path:path}", documentation.handle, methods=["GET"])])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


GOOD = {"authorization": "Bearer good"}
BROWSER = {"accept": "text/html,*/*"}


async def test_everybody_reads_where_everybody_may_ask_for_the_schema() -> None:
    async with client("everybody") as http:
        moved = await http.get("/docs")
        assert (moved.status_code, moved.headers["location"]) == (308, "/docs/")
        for path, kind in (("", "text/html"), ("query/workOrders.html", "text/html"), ("search.json", "application/json"),
                           ("assets/docs.css", "text/css"), ("assets/icon.svg", "image/svg+xml")):  # fmt: skip
            answer = await http.get(f"/docs/{path}")
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        for path in ("nothing.html", "../main.py", "%2e%2e/site.py", "assets/", "assets/../site.py", "query/"):
            assert (await http.get(f"/docs/{path}")).status_code == 404, path


async def test_an_anonymous_visitor_gets_a_sign_in_without_a_word_of_the_schema() -> None:
    async with client("authenticated") as http:
        for path in ("", "query/workOrders.html", "search.json", "llms.txt", "nothing.html"):
            for headers in (BROWSER, BROWSER | {"authorization": "Bearer bad"}):
                gate = await http.get(f"/docs/{path}", headers=headers)
                assert (gate.status_code, gate.headers["www-authenticate"]) == (401, "Bearer")
                assert gate.headers["cache-control"] == "no-store"
                assert "Sign in" in gate.text
                assert not re.search("workOrder|WorkOrder|permission", gate.text)
            plain_answer = await http.get(f"/docs/{path}")
            assert (plain_answer.status_code, "<" in plain_answer.text) == (401, False)
        for path in ("assets/docs.css", "assets/docs.js", "assets/gate.js"):
            assert (await http.get(f"/docs/{path}")).status_code == 200
        assert "workOrders" in (await http.get("/docs/query/workOrders.html", headers=GOOD)).text


async def test_what_is_not_there_is_not_remembered() -> None:
    kept = SITE._drawn.cache_info().currsize
    async with client("authenticated") as http:
        for number in range(5):
            assert (await http.get(f"/docs/assets/{number}.css")).status_code == 404
    assert SITE._drawn.cache_info().currsize == kept


@pytest.mark.parametrize(("proxies", "address"), [(0, "127.0.0.1"), (1, "192.0.2.7")])
async def test_a_key_is_looked_at_with_the_address_of_the_client_and_not_of_the_proxy(
    proxies: int, address: str
) -> None:
    seen = []

    async def noted(token: str, address: str) -> Actor:
        seen.append(address)
        return await actor_of(token, address)

    async with client("", SchemaDoor("authenticated", noted, proxies)) as http:
        said = {"x-forwarded-for": "198.51.100.1, 192.0.2.7"}
        assert (await http.get("/docs/", headers=GOOD | said)).status_code == 200
    assert seen == [address]


async def test_nobody_reads_where_nobody_may_ask_for_the_schema() -> None:
    async with client("nobody") as http:
        for path in ("", "query/workOrders.html", "search.json"):
            assert (await http.get(f"/docs/{path}", headers=GOOD | BROWSER)).status_code == 404


async def test_a_page_that_has_not_changed_is_not_sent_again() -> None:
    async with client("authenticated") as http:
        first = await http.get("/docs/", headers=GOOD)
        again = await http.get("/docs/", headers=GOOD | {"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert first.headers["vary"] == "authorization"
        assert first.headers["cache-control"] == "private, no-cache"
        refused = await http.get("/docs/", headers={"if-none-match": first.headers["etag"]})
        assert refused.status_code == 401


async def test_the_server_shows_it_beside_the_schema() -> None:
    app, *_ = create_app(Settings(introspection="everybody"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        assert "The Truckroll API" in (await http.get("/docs/")).text
        assert (await http.get("/schema.graphql")).text.startswith('"""')
        assert (await http.get("/schema.graphql")).text == sdl()
        assert sdl() is sdl(), "printed once, for it takes as long as a hundred requests"
        policy = (await http.get("/docs/")).headers["content-security-policy"]
    assert "script-src 'self';" in policy


def test_starting_a_server_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("drawn at the start")

    monkeypatch.setattr(site, "Catalogue", never)
    create_app(Settings(introspection="everybody"))
    with pytest.raises(AssertionError, match="drawn at the start"):
        Site(CORE).file("index.html")


def test_it_can_be_written_to_a_folder(tmp_path: Path) -> None:
    count = SITE.write(tmp_path)
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) == count
    assert set(files) == set(SITE.paths)
    served = SITE.file("type/WorkOrder.html")
    assert served is not None
    assert served.body == files["type/WorkOrder.html"]


def test_the_figures_in_the_guides_are_those_of_the_code() -> None:
    limits = next(one for one in guides() if one.name == "limits")
    assert f"| cost of one operation | {COST_MAX:,} points |" in limits.text
    assert not [one.name for one in guides() if "{{" in one.text]


def test_restricted_fields_name_their_permission(read: dict[str, Reader]) -> None:
    line_item = CORE.type_map["LineItem"]
    assert isinstance(line_item, GraphQLObjectType)
    assert "Null without the permission VIEW_PRICES" in read["type/LineItem.html"].text
