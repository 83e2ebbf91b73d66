"""A list may be sorted by what its rows' parents are, and by floats to the last digit, page by page, on both databases."""

from typing import Any

import pytest

from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import NotPermitted
from app.kernel.permissions import Permission
from schema.kit import from_parent, orderable, ranked
from tests.schema.kit.conftest import CUSTOMER, MANAGER, Asking
from tests.schema.kit.scratch_models import Crew, Job
from tests.schema.kit.test_filters import fill, holding

Key = tuple[bool, Any]


async def walk(ask: Asking, root: str, terms: list[tuple[str, str]], actor: Actor, *, backward: bool) -> list[str]:
    """All ids, two rows at a time."""
    kind = {"scratchCrews": "Crew", "scratchJobs": "Job", "scratchMemos": "Memo"}[root]
    size, place, end = ("last", "before", "startCursor") if backward else ("first", "after", "endCursor")
    document = (
        f"query ($o: [{kind}Order!], $c: String) {{ {root}(orderBy: $o, {size}: 2, {place}: $c) "
        f"{{ nodes {{ id }} pageInfo {{ {end} }} }} }}"
    )
    found: list[str] = []
    cursor = None
    for _ in range(20):
        order = [{"field": field, "direction": direction} for field, direction in terms]
        page = (await ask.data(document, actor, o=order, c=cursor))[root]
        ids = [node["id"] for node in page["nodes"]]
        if not ids:
            return found
        found = [*ids, *found] if backward else [*found, *ids]
        cursor = page["pageInfo"][end]
    raise AssertionError("the walk does not end")


def key(value: Any) -> Key:
    """A missing value is the greatest."""
    return (value is None, value if value is not None else 0)


def plainly(rows: list[tuple[str, list[Any]]], directions: list[str]) -> list[str]:
    """Ids with what they are sorted by, sorted by Python."""
    rows = sorted(rows, key=lambda row: row[0], reverse=directions[-1] == "DESC")
    for place in reversed(range(len(directions))):
        rows = sorted(rows, key=lambda row: key(row[1][place]), reverse=directions[place] == "DESC")
    return [id for id, _ in rows]


@pytest.mark.parametrize("directions", [["ASC", "ASC"], ["DESC", "ASC"], ["DESC", "DESC"]])
@pytest.mark.parametrize("backward", [False, True])
async def test_walks_a_list_by_its_parents(
    scratch: Dialect, ask: Asking, directions: list[str], backward: bool
) -> None:
    crews, jobs, memos = await fill()
    crew = {one.id: one for one in crews}
    rows = [
        (job.id, [crew[job.crew_id].rank if job.crew_id else None, job.weight])  # type: ignore[attr-defined]
        for job in jobs
    ]
    terms = list(zip(["CREW_RANK", "WEIGHT"], directions, strict=True))
    assert await walk(ask, "scratchJobs", terms, MANAGER, backward=backward) == plainly(rows, directions)
    due = {job.id: job.due_at for job in jobs}
    for actor in (MANAGER, CUSTOMER):
        unseen = {job.id for job in jobs if job.is_secret and actor is CUSTOMER}
        told = [
            (memo.id, [None if memo.job_id in unseen else due[memo.job_id], memo.number])  # type: ignore[attr-defined]
            for memo in memos
        ]
        terms = list(zip(["JOB_DUE_AT", "NUMBER"], directions, strict=True))
        assert await walk(ask, "scratchMemos", terms, actor, backward=backward) == plainly(told, directions)


async def test_a_nested_list_is_sorted_by_its_parents_too(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = """{ scratchJobs(orderBy: [{field: CREW_NAME, direction: DESC}, {field: TITLE}], first: 3) { nodes { title
        memos(orderBy: [{field: JOB_DUE_AT}, {field: NUMBER, direction: DESC}], last: 1) { edges { cursor node { text } } } } } }"""
    nodes = (await ask.data(document))["scratchJobs"]["nodes"]
    assert [node["title"] for node in nodes] == ["100% _ok_", "a", ""]
    assert [[edge["node"]["text"] for edge in node["memos"]["edges"]] for node in nodes] == [[], [], ["m4"]]
    assert len(ask.statements) == 1


async def test_who_may_not_read_the_parents_may_not_sort_by_them(scratch: Dialect, ask: Asking) -> None:
    await fill()
    ask.statements.clear()
    refused = await ask(
        "{ scratchMemos(orderBy: [{field: JOB_DUE_AT}]) { totalCount } }", holding(Permission.VIEW_JOURNAL)
    )
    assert [error["extensions"] for error in refused["errors"]] == [
        {"code": "NOT_PERMITTED", "permission": "VIEW_WORK_ORDERS"}
    ]
    assert ask.statements == []


def test_a_term_with_a_permission_of_its_own_asks_for_its_targets_too() -> None:
    name = from_parent("By its crew's name.", Crew, "name", via="crew_id")
    weight = ranked("By weight.", "title", ["a", "b"], permission=Permission.VIEW_PRICES)
    order = orderable(
        "TwiceGuarded", Job, default=["-title"], permission=Permission.VIEW_PRICES, title="T.", name=name, weight=weight
    )
    order.protect_parents(Crew, Permission.VIEW_TECHNICIANS, {})
    order.protect_parents(Crew, None, {})
    order.protect("title", Permission.VIEW_TECHNICIANS)
    both = (Permission.VIEW_PRICES, Permission.VIEW_TECHNICIANS)
    for field in ("NAME", "WEIGHT", "TITLE"):
        for missing, held in (both, both[::-1]):
            with pytest.raises(NotPermitted) as refused:
                order.sorted_by(holding(held), [{"field": field}])
            assert refused.value.permission == missing
        assert order.sorted_by(holding(*both), [{"field": field}])[0][0].name == field


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_walks_by_floats_that_differ_in_their_last_digit(scratch: Dialect, ask: Asking, direction: str) -> None:
    crews, _, _ = await fill()
    values = [0.1 + 0.2, 0.3, 0.30000000000000010, None]
    for crew, latitude in zip(crews, values, strict=True):
        await Crew.filter(id=crew.id).update(latitude=latitude)
    rows = [(crew.id, [latitude]) for crew, latitude in zip(crews, values, strict=True)]
    for backward in (False, True):
        found = await walk(ask, "scratchCrews", [("LATITUDE", direction)], MANAGER, backward=backward)
        assert found == plainly(rows, [direction])
