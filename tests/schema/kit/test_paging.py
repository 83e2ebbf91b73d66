"""Pages by cursor: walking a list page by page, either way, finds each row once in the order of a plain sort."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kernel.dialects import Dialect
from app.kernel.pages import encode_cursor
from tests.schema.kit.conftest import ORGANIZATION, Asking
from tests.schema.kit.scratch_models import Crew, Job

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE: dict[str, Any] = {"organization_id": ORGANIZATION, "created_at": NOON, "updated_at": NOON}
CREW = "crew_01jd0000000000000000000001"
RANKS = {"LOW": 0, "NORMAL": 1, "HIGH": 2}
WALK = """query ($o: [JobOrder!], $first: Int, $after: String, $last: Int, $before: String) {
  list: scratchJobs(orderBy: $o, first: $first, after: $after, last: $last, before: $before) { ...Page }
  crew: scratchCrew(id: "crew_01jd0000000000000000000001") {
    jobs(orderBy: $o, first: $first, after: $after, last: $last, before: $before) { ...Page } } }
fragment Page on JobConnection { nodes { id } edges { cursor } totalCount
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }"""
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 2),
        st.none() | st.sampled_from([0, 1, 1_500_000, 2_000_000]),
        st.none() | st.sampled_from([Decimal("9"), Decimal("10.5"), Decimal("-3")]),
        st.sampled_from(["LOW", "NORMAL", "HIGH"]),
    ),
    max_size=14,
)
TERMS = st.lists(
    st.tuples(st.sampled_from(["WEIGHT", "DUE_AT", "PRICE", "PRIORITY", "TITLE"]), st.sampled_from(["ASC", "DESC"])),
    max_size=3,
    unique_by=lambda term: term[0],
)


def expected(jobs: list[dict[str, Any]], terms: list[tuple[str, str]]) -> list[str]:
    """A plain sort, least term first: a missing value is the greatest, and the id breaks ties in the last direction."""
    ids = sorted(jobs, key=lambda job: job["id"], reverse=terms[-1][1] == "DESC" if terms else True)
    for name, direction in reversed(terms or [("CREATED_AT", "DESC")]):
        ids = sorted(ids, key=lambda job: _key(job, name), reverse=direction == "DESC")
    return [job["id"] for job in ids]


def _key(job: dict[str, Any], name: str) -> tuple[bool, Any]:
    value = RANKS[job["priority"]] if name == "PRIORITY" else job.get(name.lower(), job.get("due_at"))
    return (value is None, 0 if value is None else value)


async def fill(rows: list[Any]) -> list[dict[str, Any]]:
    await Job.all().delete()
    await Crew.all().delete()
    await Crew(id=CREW, name="Alpha", **BASE).save(force_create=True)
    jobs = []
    for number, (weight, microseconds, price, priority) in enumerate(rows):
        due = None if microseconds is None else NOON + timedelta(microseconds=microseconds)
        job = {"id": f"job_01jd00000000000000000000{number:02}", "weight": weight, "due_at": due, "price": price,
               "priority": priority, "title": f"t{number % 3}", "created_at": NOON}  # fmt: skip
        await Job(crew_id=CREW, organization_id=ORGANIZATION, updated_at=NOON, **job).save(force_create=True)
        jobs.append(job)
    return jobs


async def walk(ask: Asking, terms: list[tuple[str, str]], size: int, place: str, backward: bool) -> list[str]:
    order = [{"field": name, "direction": direction} for name, direction in terms]
    found: list[str] = []
    cursor = None
    for _ in range(40):
        page: dict[str, Any] = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        data = await ask.data(WALK, o=order, **page)
        shown = data["list"] if place == "list" else data["crew"]["jobs"]
        ids = [node["id"] for node in shown["nodes"]]
        info = shown["pageInfo"]
        assert len(shown["edges"]) == len(ids) <= size
        assert [info["startCursor"], info["endCursor"]] == (
            [shown["edges"][0]["cursor"], shown["edges"][-1]["cursor"]] if ids else [None, None]
        )
        assert info["hasNextPage" if not backward else "hasPreviousPage"] is (
            len(found) + len(ids) < shown["totalCount"]
        )
        assert info["hasPreviousPage" if not backward else "hasNextPage"] is (cursor is not None)
        found = [*ids, *found] if backward else [*found, *ids]
        cursor = info["startCursor" if backward else "endCursor"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return found
    raise AssertionError("the walk does not end")


async def check(ask: Asking, rows: list[Any], terms: list[tuple[str, str]], size: int) -> None:
    jobs = await fill(rows)
    for place in ("list", "crew"):
        for backward in (False, True):
            assert await walk(ask, terms, size, place, backward) == expected(jobs, terms), (place, backward)


LIGHT = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.mark.parametrize(
    "terms",
    [
        [],
        [("WEIGHT", "ASC")],
        [("WEIGHT", "DESC")],
        [("DUE_AT", "DESC"), ("PRICE", "ASC")],
        [("PRIORITY", "ASC"), ("TITLE", "ASC")],
        [("TITLE", "DESC"), ("WEIGHT", "ASC")],
    ],
)
async def test_walks_a_list_with_gaps_and_ties_either_way(
    scratch: Dialect, ask: Asking, terms: list[tuple[str, str]]
) -> None:
    rows = [
        (number % 3 or None, [None, 0, 1_500_000][number % 3], [None, Decimal(9), Decimal("10.5")][number // 2 % 3],
         ["LOW", "HIGH", "NORMAL"][number % 3])
        for number in range(10)
    ]  # fmt: skip
    for size in (1, 3, 10):
        await check(ask, rows, terms, size)


@LIGHT
@given(rows=ROWS, terms=TERMS, size=st.integers(1, 6))
async def test_walks_any_list_in_any_order(
    scratch: Dialect, ask: Asking, rows: list[Any], terms: list[tuple[str, str]], size: int
) -> None:
    await check(ask, rows, terms, size)


@pytest.mark.parametrize("arguments", ["first: 0", "first: 101", "last: -1", "first: 1, last: 1", 'last: 1, after: "x"',
                                       'before: "x"'])  # fmt: skip
async def test_refuses_senseless_pages(scratch: Dialect, ask: Asking, arguments: str) -> None:
    answer = await ask(f"{{ scratchJobs({arguments}) {{ nodes {{ id }} }} }}")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID_INPUT"]
    assert ask.statements == []


CURSORS = {
    "nonsense": "nonsense",
    "empty": "",
    "of another list": encode_cursor("Crew NAME ID", ["a", "crew_1"]),
    "of another order": encode_cursor("Job WEIGHT ID", [1, "job_1"]),
    "too short": encode_cursor("Job -CREATED_AT -ID", ["2026-03-01T12:00:00+00:00"]),
    "no time": encode_cursor("Job -CREATED_AT -ID", ["yesterday", "job_1"]),
    "a time without offset": encode_cursor("Job -CREATED_AT -ID", ["2026-03-01T12:00:00", "job_1"]),
    "a number for an id": encode_cursor("Job -CREATED_AT -ID", ["2026-03-01T12:00:00+00:00", 1]),
    "an object": encode_cursor("Job -CREATED_AT -ID", [{"a": 1}, ["b"]]),
}


@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS.keys())
async def test_refuses_a_cursor_that_is_not_of_this_list(scratch: Dialect, ask: Asking, cursor: str) -> None:
    answer = await ask("query ($c: String) { scratchJobs(after: $c) { nodes { id } } }", c=cursor)
    assert answer["errors"][0]["extensions"] == {"code": "INVALID_INPUT", "input": ["after"]}
    assert ask.statements == []


async def test_a_cursor_of_a_row_that_is_gone_still_holds_its_place(scratch: Dialect, ask: Asking) -> None:
    jobs = await fill([(1, 0, None, "LOW"), (2, 0, None, "LOW"), (3, 0, None, "LOW")])
    order = [{"field": "WEIGHT"}]
    page = (await ask.data(WALK, o=order, first=1))["list"]
    await Job.filter(id=jobs[0]["id"]).delete()
    after = (await ask.data(WALK, o=order, first=5, after=page["pageInfo"]["endCursor"]))["list"]
    assert [node["id"] for node in after["nodes"]] == [jobs[1]["id"], jobs[2]["id"]]


@pytest.mark.parametrize("rank", [10**12, 2**63, 1.5])
async def test_a_number_beyond_its_column_in_a_cursor_is_bad_input(scratch: Dialect, ask: Asking, rank: float) -> None:
    await Crew(id=CREW, name="Alpha", rank=1, **BASE).save(force_create=True)
    cursor = encode_cursor("Crew RANK ID", [rank, CREW])
    answer = await ask(f'{{ scratchCrews(orderBy: [{{ field: RANK }}], after: "{cursor}") {{ nodes {{ name }} }} }}')
    told = [error["extensions"]["code"] for error in answer.get("errors", ())]
    assert told == ([] if rank < (2**63 if scratch is Dialect.SQLITE else 2**31) else ["INVALID_INPUT"])
