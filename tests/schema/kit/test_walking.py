"""A whole list, page by page: every row once, in the order of the ids, whatever its fields are made of."""

from typing import Any

import pytest
import strawberry

from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from schema.kit import walking
from schema.kit.walking import Walk, columns_of
from tests.schema.kit.conftest import CUSTOMER, MANAGER, Asking
from tests.schema.kit.scratch_models import Job
from tests.schema.kit.test_kinds_of_rows import BASE, CREW, fill

JOBS = [f"job_01jd00000000000000000000{number}" for number in range(10, 35)]


async def walked(schema: strawberry.Schema, document: str, actor: Actor = MANAGER, **variables: Any) -> list[Any]:
    """Each row of a walk: its value, and whose it is in which list."""
    walk = Walk(schema, document, variables, actor)

    async def asker() -> Actor:
        return actor

    found: list[Any] = []
    after = None
    while page := await walk.page(asker, after):
        for row in page:
            async for one in walk.rows_of(asker, row):
                found.append((one.value, one.parent_id, one.list) if one.list else one.value)
        after = page[-1]["__id"]
    return found


async def jobs(crew: str | None = None) -> None:
    for number, id in enumerate(JOBS):
        await Job(id=id, title=f"j{24 - number}", weight=number % 3, crew_id=crew, **BASE).save(force_create=True)


async def test_every_row_comes_once_in_the_order_of_the_ids(
    scratch: Dialect, schema: strawberry.Schema, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await jobs()
    monkeypatch.setattr(walking, "PAGE_SIZE_MAX", 4)
    ask.statements.clear()
    found = await walked(schema, "{ scratchJobs { nodes { id title } } }")
    assert found == [{"id": id, "title": f"j{24 - number}"} for number, id in enumerate(JOBS)]
    assert len(ask.statements) == 8, "each page is one statement, the last one finds nothing"


async def test_a_row_that_moves_in_the_lists_own_order_is_neither_left_out_nor_repeated(
    scratch: Dialect, schema: strawberry.Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    await jobs()
    monkeypatch.setattr(walking, "PAGE_SIZE_MAX", 5)
    walk = Walk(schema, "{ scratchJobs { nodes { id } } }", {}, MANAGER)

    async def asker() -> Actor:
        return MANAGER

    found: list[str] = []
    while page := await walk.page(asker, found[-1] if found else None):
        found += [row["id"] for row in page]
        for id in (found[0], JOBS[-1]):
            await Job.filter(id=id).update(title=f"{'a' if len(found) % 2 else 'z'}{len(found)}")
    assert found == JOBS


async def test_a_list_below_is_walked_to_its_end(
    scratch: Dialect, schema: strawberry.Schema, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill()
    await jobs(CREW)
    monkeypatch.setattr(walking, "LIST_PAGE_SIZE", 10)
    ask.statements.clear()
    document = "query($w: Int!) { scratchCrews { nodes { name some: jobs(filter: {weight: {eq: $w}}) { nodes { ...J } } jobs { nodes { title } } } } } fragment J on Job { id }"
    found = await walked(schema, document, w=1)
    light = [({"id": id}, CREW, "some") for number, id in enumerate(JOBS) if number % 3 == 1]
    every = [({"title": f"j{24 - number}"}, CREW, "jobs") for number in range(25)]
    assert found == [{"name": "Alpha"}, *light, ({"title": "dig"}, CREW, "jobs"), *every]
    assert len(ask.statements) == 2 + 2, "a page of crews and an empty one, and two further pages of the longer list"


async def test_what_may_be_of_several_types_is_shown_as_it_is_without_ids_of_ours(
    scratch: Dialect, schema: strawberry.Schema, ask: Asking
) -> None:
    await fill()
    document = """{ scratchMemos { nodes { number subject { __typename ... on Job { title crew { name } } ... on Memo { job { title } } } } } }"""
    answer = await ask.data(document.replace("scratchMemos", "scratchMemos(orderBy: {field: NUMBER})"))
    assert await walked(schema, document) == answer["scratchMemos"]["nodes"]
    below = "{ scratchMemos { nodes { subject { ... on Crew { jobs { nodes { id } } } } } } }"
    with pytest.raises(InvalidInput, match="several types"):
        Walk(schema, below, {}, MANAGER)


async def test_what_one_may_not_see_is_not_there(scratch: Dialect, schema: strawberry.Schema) -> None:
    await fill()
    seen = await walked(schema, "{ scratchJobs { nodes { title } } }", CUSTOMER)
    assert {row["title"] for row in seen} == {"dig"}
    assert {row["title"] for row in await walked(schema, "{ scratchJobs { nodes { title } } }")} == {"dig", "hush"}


async def test_the_extent_of_a_list_is_its_length_and_its_greatest_id(
    scratch: Dialect, schema: strawberry.Schema
) -> None:
    walk = Walk(
        schema, "query($w: Int) { scratchJobs(filter: {weight: {eq: $w}}) { nodes { id } } }", {"w": 1}, MANAGER
    )
    assert await walk.measure(MANAGER) == walking.Extent(0, None)
    await jobs()
    assert await walk.measure(MANAGER) == walking.Extent(8, JOBS[22])


def test_columns_are_the_plain_values_in_the_order_of_the_document(schema: strawberry.Schema) -> None:
    document = """{ scratchJobs { nodes { title crew { boss: name } ...More crew { id } forWhom verdict { word } } } }
        fragment More on Job { weight title }"""
    walk = Walk(schema, document, {}, MANAGER)
    assert [".".join(way) for way in columns_of(walk.rows)] == [
        "title", "crew.boss", "crew.id", "weight", "forWhom", "verdict.word",
    ]  # fmt: skip


def test_the_dearer_a_row_the_smaller_the_pages(schema: strawberry.Schema) -> None:
    sizes = [
        Walk(schema, document, {}, MANAGER).page_size
        for document in (
            "{ scratchCrews { nodes { id } } }",
            "{ scratchCrews { nodes { jobs { nodes { id } } } } }",
            "{ scratchCrews { nodes { jobs { nodes { crew { jobs { nodes { id } } } } } } } }",
        )
    ]
    assert sizes == [500, 384, 7]
