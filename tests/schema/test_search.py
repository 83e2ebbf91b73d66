"""One search over everything: ranked over all kinds, in one statement, and blind to what the asker may not see."""

from collections.abc import Sequence
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLUnionType

from app import database as db
from app.customers.models import Customer, Site
from app.equipment.models import Equipment
from app.infrastructure.search import SEARCHED
from app.kernel.actor import user_actor
from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from app.kernel.texts import place_of
from app.technicians.models import Technician
from app.work_orders.models import WorkOrder
from schema.kit.declarations import readable_of
from schema.kit.reading import hits
from schema.kit.reading.hits import EXCERPT_LENGTH_MAX, LOOKED_AT_MAX, excerpt
from schema.search.types import KINDS, SearchKind
from tests.schema import documents
from tests.schema.asking import ask
from tests.schema.tenants import Tenant, found

SEARCH = """query ($text: String!, $kinds: [SearchKind!], $first: Int, $after: String) {
  search(text: $text, kinds: $kinds, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage hasPreviousPage endCursor __typename }
    nodes { rank excerpt node { __typename ... on Node { id } ... on WorkOrder { allowedTransitions { to } customer { name } }
      ... on Customer { name sites(first: 1) { edges { cursor } } } } } } }"""


@pytest_asyncio.fixture(loop_scope="session")
async def both(database: Dialect) -> tuple[Tenant, Tenant]:
    """Two companies in which the same words stand: in each account's name, and in the names of other things."""
    tenants = await found("a", 910_000), await found("b", 920_000)
    for tenant in tenants:
        for account in (tenant.first, tenant.second):
            await Customer.filter(id=account.customer_id).update(name="Hilltop Heating")
            await Site.filter(id=account.rows["site"].id).update(name="Hilltop", city="Hilltop")
            await Equipment.filter(id=account.rows["eq"].id).update(name="boiler on the hill")
            await Technician.filter(id=account.technician_id).update(name="Mary Hilltop")
    return tenants


async def search(tenant: Tenant, role: Role, text: str, **more: Any) -> dict[str, Any]:
    answer = await ask(tenant.actors[role], SEARCH, {"text": text, **more})
    assert "errors" not in answer, answer["errors"]
    page: dict[str, Any] = answer["data"]["search"]
    return page


def ids(page: dict[str, Any]) -> list[str]:
    return [hit["node"]["id"] for hit in page["nodes"]]


async def test_finds_all_kinds_the_best_first_in_one_statement(
    both: tuple[Tenant, Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, statements = both[0], []
    read = db.read_rows

    async def counted(sql: str, params: Any = ()) -> Any:
        statements.append(sql)
        return await read(sql, params)

    monkeypatch.setattr(db, "read_rows", counted)
    page = await search(ours, Role.DISPATCHER, "hilltop")
    assert len(statements) == 1
    kinds = [hit["node"]["__typename"] for hit in page["nodes"]]
    ranks = [hit["rank"] for hit in page["nodes"]]
    assert ranks == sorted(ranks, reverse=True)
    assert kinds[:2] == ["Site", "Site"]  # a whole word in what weighs most
    assert set(kinds[2:]) >= {"Customer", "Technician", "WorkOrder"}
    assert page["totalCount"] == len(kinds)
    everybody = {account.customer_id for account in (ours.first, ours.second)}
    assert {hit["node"]["id"] for hit in page["nodes"] if hit["node"]["__typename"] == "Customer"} == everybody
    assert all(
        "Hilltop" in hit["excerpt"] for hit in page["nodes"] if hit["node"]["__typename"] in ("Site", "Customer")
    )
    [work, *_] = [hit["node"] for hit in page["nodes"] if hit["node"]["__typename"] == "WorkOrder"]
    assert work["customer"] == {"name": "Hilltop Heating"} and work["allowedTransitions"]


async def test_every_word_must_begin_a_word_of_what_is_found(both: tuple[Tenant, Tenant]) -> None:
    ours = both[0]
    assert {hit["node"]["__typename"] for hit in (await search(ours, Role.DISPATCHER, "BOIL hill"))["nodes"]} == {
        "Equipment"
    }
    assert (await search(ours, Role.DISPATCHER, "boiler nowhere"))["totalCount"] == 0
    for text, path in (("", "text"), ("--", "text"), ("x" * 300, "text")):
        refused = await ask(ours.actors[Role.DISPATCHER], SEARCH, {"text": text})
        assert [one["extensions"] for one in refused["errors"]] == [{"code": "INVALID_INPUT", "input": [path]}]


async def test_looks_only_for_the_kinds_that_are_wanted(both: tuple[Tenant, Tenant]) -> None:
    ours = both[0]
    for kinds, names in ((["SITE"], {"Site"}), (["TECHNICIAN", "SITE"], {"Site", "Technician"}), ([], set())):
        page = await search(ours, Role.DISPATCHER, "hilltop", kinds=kinds)
        assert {hit["node"]["__typename"] for hit in page["nodes"]} == names
        assert page["totalCount"] == len(page["nodes"])


async def test_walks_page_by_page_over_all_kinds(both: tuple[Tenant, Tenant]) -> None:
    ours = both[0]
    whole = await search(ours, Role.DISPATCHER, "hilltop", first=100)
    for size in (1, 3, 5):
        walked: list[str] = []
        after = None
        while True:
            page = await search(ours, Role.DISPATCHER, "hilltop", first=size, after=after)
            walked += ids(page)
            assert page["totalCount"] == whole["totalCount"]
            assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert walked == ids(whole)
    for cursor in ("nonsense", whole["pageInfo"]["endCursor"][:-3]):
        refused = await ask(ours.actors[Role.DISPATCHER], SEARCH, {"text": "hilltop", "after": cursor})
        assert [one["extensions"] for one in refused["errors"]] == [{"code": "INVALID_INPUT", "input": ["after"]}]


@pytest.mark.parametrize("role", [Role.DISPATCHER, Role.TECHNICIAN, Role.CUSTOMER_USER, Role.GUEST])
async def test_what_one_may_not_see_is_not_found_not_ranked_and_not_counted(
    both: tuple[Tenant, Tenant], role: Role
) -> None:
    ours, theirs = both
    page = await search(ours, role, "hilltop", first=100)
    assert page["totalCount"] == len(page["nodes"]) > 0
    assert not set(ids(page)) & theirs.ids
    if role is not Role.DISPATCHER:
        hidden = {row.id for row in ours.second.rows.values()} - {ours.second.technician_id}
        assert not set(ids(page)) & hidden
        assert ours.first.customer_id in ids(page)


async def test_who_may_see_nothing_finds_nothing(both: tuple[Tenant, Tenant]) -> None:
    nobody = user_actor(both[0].organization_id, "usr_nobody", frozenset())
    page = (await ask(nobody, SEARCH, {"text": "hilltop", "kinds": ["CUSTOMER", "SITE", "WORK_ORDER"]}))["data"][
        "search"
    ]
    assert (page["totalCount"], page["nodes"]) == (0, [])
    anonymous = await ask(None, SEARCH, {"text": "hilltop"})
    assert [one["extensions"]["code"] for one in anonymous["errors"]] == ["NOT_AUTHENTICATED"]


def test_an_excerpt_is_the_part_of_the_text_where_the_words_stand() -> None:
    assert excerpt("Hilltop Heating", ["hill"]) == "Hilltop Heating"
    long = " ".join(f"word{number}" for number in range(60))
    shown = excerpt(f"{long} École {long}", ["ecole"])
    assert shown.startswith("… word56 word57 word58 word59 École word0") and shown.endswith(" …")
    assert len(shown) <= EXCERPT_LENGTH_MAX
    assert excerpt(long, ["nowhere"]).startswith("word0 word1")
    assert len(excerpt("x" * 999, ["x"])) <= EXCERPT_LENGTH_MAX
    assert excerpt(None, ["x"]) == excerpt("", ["x"]) == ""
    assert excerpt("a-b x/École-Straße c", ["stra"]) == "a-b x/École-Straße c"


def test_an_excerpt_looks_at_the_beginning_of_a_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def noted(text: str, words: Sequence[str]) -> int | None:
        looked.append(len(text))
        return place_of(text, words)

    monkeypatch.setattr(hits, "place_of", noted)
    assert excerpt("é " * 10_000 + "needle", ["needle"]).startswith("é é é")
    assert excerpt("word " * 399 + "last", ["last"]).endswith(" word last")
    assert excerpt("word " * 399 + "last and more", ["last"]).endswith("last …")
    assert looked == [LOOKED_AT_MAX, 1999, LOOKED_AT_MAX]


@pytest.mark.parametrize("parts", [1, 3])
async def test_a_row_has_one_excerpt_however_often_it_is_asked_for(
    both: tuple[Tenant, Tenant], monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    looked: list[str] = []

    def noted(text: str, words: Sequence[str]) -> int | None:
        looked.append(text)
        return place_of(text, words)

    await WorkOrder.filter(organization_id=both[0].organization_id).update(description="Hilltop " + "é " * 2000)
    monkeypatch.setattr(hits, "place_of", noted)
    names = " ".join(f"e{number}: excerpt" for number in range(parts))
    document = f"query ($text: String!) {{ search(text: $text) {{ nodes {{ {names} }} }} }}"
    answer = await ask(both[0].actors[Role.DISPATCHER], document, {"text": "hilltop"})
    rows = answer["data"]["search"]["nodes"]
    assert rows and all(len(set(row.values())) == 1 for row in rows)
    assert len(looked) == len(set(looked)) <= len(rows)
    assert max(map(len, looked)) == LOOKED_AT_MAX


def test_every_kind_that_can_be_wanted_is_searched_and_can_be_shown() -> None:
    union = documents.CORE.get_type("SearchResult")
    assert isinstance(union, GraphQLUnionType)
    assert [one.name for one in union.types] == [readable_of(one).name for one in KINDS.values()]
    assert list(KINDS) == list(SearchKind)
    assert {readable_of(one).model for one in KINDS.values()} <= set(SEARCHED)
