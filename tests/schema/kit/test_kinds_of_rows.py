"""A relation to rows of several types: unions and interfaces, in the one statement of everything else."""

from datetime import UTC, datetime
from typing import Any

from app.kernel.actor import user_actor
from app.kernel.dialects import Dialect
from tests.schema.kit.conftest import CUSTOMER, ORGANIZATION, STRANGER, Asking
from tests.schema.kit.scratch_models import Crew, Job, Memo

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE: dict[str, Any] = {"organization_id": ORGANIZATION, "created_at": NOON, "updated_at": NOON}
CREW = "crew_01jd0000000000000000000001"
FOREIGN = "crew_01jd0000000000000000000002"
JOB = "job_01jd0000000000000000000001"
SECRET = "job_01jd0000000000000000000002"
MEMO = "memo_01jd0000000000000000000001"
SUBJECTS = [CREW, JOB, SECRET, MEMO, FOREIGN, "job_01jd0000000000000000000009", "cus_01jd0000000000000000000001", None]


async def fill() -> None:
    await Crew(id=CREW, name="Alpha", **BASE).save(force_create=True)
    await Crew(id=FOREIGN, name="Zulu", **{**BASE, "organization_id": STRANGER.organization_id}).save(force_create=True)
    await Job(id=JOB, title="dig", crew_id=CREW, **BASE).save(force_create=True)
    await Job(id=SECRET, title="hush", is_secret=True, **BASE).save(force_create=True)
    for number, subject in enumerate(SUBJECTS, start=1):
        await Memo(
            id=f"memo_01jd000000000000000000000{number}", job_id=JOB, text=f"m{number}", at=NOON, number=number,
            subject_id=subject, **BASE,
        ).save(force_create=True)  # fmt: skip


async def test_a_row_is_shown_as_what_it_is(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = """{ scratchMemos(orderBy: [{field: NUMBER}]) { nodes {
      subject { __typename id ... on Crew { name } ... on Job { title crew { name } } ...Said }
      work { ... on Node { id } ... on Crew { label: name } ... on Job { label: title } } } } }
      fragment Said on Memo { text job { title } }"""
    nodes = (await ask.data(document))["scratchMemos"]["nodes"]
    assert len(ask.statements) == 1
    assert [node["subject"] for node in nodes] == [
        {"__typename": "Crew", "id": CREW, "name": "Alpha"},
        {"__typename": "Job", "id": JOB, "title": "dig", "crew": {"name": "Alpha"}},
        {"__typename": "Job", "id": SECRET, "title": "hush", "crew": None},
        {"__typename": "Memo", "id": MEMO, "text": "m1", "job": {"title": "dig"}},
        None, None, None, None,
    ]  # fmt: skip
    assert [node["work"] for node in nodes] == [
        {"id": CREW, "label": "Alpha"}, {"id": JOB, "label": "dig"}, {"id": SECRET, "label": "hush"},
        None, None, None, None, None,
    ]  # fmt: skip


async def test_what_one_may_not_see_is_null_whatever_it_is(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = "{ scratchMemos(orderBy: [{field: NUMBER}]) { nodes { subject { id } work { __typename } } } }"
    nodes = (await ask.data(document, CUSTOMER))["scratchMemos"]["nodes"]
    assert [node["subject"] and node["subject"]["id"] for node in nodes[:4]] == [CREW, JOB, None, MEMO]
    assert [node["work"] for node in nodes[2:]] == [None] * 6
    nobody = user_actor(ORGANIZATION, "usr_nobody", frozenset())
    crews = await ask("{ scratchCrews { nodes { jobs { nodes { lastMemo { subject { id } } } } } } }", nobody)
    assert crews["data"]["scratchCrews"]["nodes"] == [{"jobs": {"nodes": []}}]


async def test_reads_on_from_there_at_any_depth(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = """{ scratchMemos(filter: {number: {eq: 4}}) { nodes { subject { ... on Memo { number subject { ... on Crew {
      jobs { totalCount edges { cursor node { verdict { word } lastMemo { work { ... on Job { forWhom price } } } } }
        facets { isSecret { values { count } } } } } } } } } } }"""
    data = (await ask.data(document))["scratchMemos"]["nodes"][0]["subject"]
    assert len(ask.statements) == 1
    assert data["number"] == 1
    jobs = data["subject"]["jobs"]
    assert [edge["node"] for edge in jobs["edges"]] == [{"verdict": {"word": "DIG"}, "lastMemo": {"work": None}}]
    assert jobs["facets"]["isSecret"]["values"] == [{"count": 0}, {"count": 1}]
    assert jobs["totalCount"] == 1 and jobs["edges"][0]["cursor"]


async def test_a_restricted_field_of_one_kind_is_null_and_told_once(scratch: Dialect, ask: Asking) -> None:
    await fill()
    answer = await ask("{ scratchMemos(first: 8) { nodes { work { ... on Job { price title } } } } }", CUSTOMER)
    assert [error["path"] for error in answer["errors"]] == [["scratchMemos", "nodes", "work", "price"]]
    assert {"price": None, "title": "dig"} in [node["work"] for node in answer["data"]["scratchMemos"]["nodes"]]
