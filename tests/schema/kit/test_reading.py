"""What a client asks for is one statement, on both databases, and holds nothing that the actor may not see."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
import strawberry
from graphql import Executor, parse

from app import database
from app.kernel.dialects import Dialect
from schema.kit import Context, read_one
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION, STRANGER, Asking
from tests.schema.kit.scratch_api import Job as ScratchJob
from tests.schema.kit.scratch_models import Crew, Job, Memo, Mood

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CREWS = ["crew_01jd0000000000000000000001", "crew_01jd0000000000000000000002"]
JOBS = [f"job_01jd000000000000000000000{number}" for number in range(1, 5)]
MEMOS = [f"memo_01jd000000000000000000000{number}" for number in range(1, 6)]
BASE: dict[str, Any] = {"organization_id": ORGANIZATION, "created_at": NOON, "updated_at": NOON}


async def fill() -> None:
    await Crew(
        id=CREWS[0], name="Alpha", rank=1, rate=Decimal("12.5"), started_on=date(2020, 2, 29), tags=["a", {"b": None}],
        mood=Mood.BUSY, latitude=52.5, longitude=13.25, **BASE,
    ).save(force_create=True)  # fmt: skip
    await Crew(id=CREWS[1], name='Bravo "ü" \\', boss_id=CREWS[0], is_active=False, **BASE).save(force_create=True)
    for number, (id, crew, secret) in enumerate(
        [(JOBS[0], CREWS[0], False), (JOBS[1], CREWS[0], True), (JOBS[2], CREWS[0], False), (JOBS[3], None, False)]
    ):
        await Job(
            id=id, title=f"job {number}", crew_id=crew, is_secret=secret, weight=number * 3 or None,
            due_at=NOON.replace(microsecond=number * 1000), price=Decimal(number), **BASE,
        ).save(force_create=True)  # fmt: skip
    for number, id in enumerate(MEMOS):
        await Memo(
            id=id, job_id=JOBS[0 if number < 3 else 2], text=f"memo {number}", number=number,
            at=NOON.replace(hour=number), **BASE,
        ).save(force_create=True)  # fmt: skip


async def test_reads_every_kind_of_column_as_clients_expect_it(scratch: Dialect, ask: Asking) -> None:
    await fill()
    fields = (
        "id name boss { name } rank rate startedOn isActive tags words mood place { longitude __typename latitude }"
    )
    data = await ask.data(f'{{ a: scratchCrew(id: "{CREWS[0]}") {{ {fields} }} }}'.replace("words", ""))
    assert data["a"] == {
        "id": CREWS[0], "name": "Alpha", "boss": None, "rank": 1, "rate": "12.5", "startedOn": "2020-02-29",
        "isActive": True, "tags": ["a", {"b": None}], "mood": "BUSY",
        "place": {"longitude": 13.25, "__typename": "Place", "latitude": 52.5},
    }  # fmt: skip
    assert len(ask.statements) == 1
    data = await ask.data(f'{{ b: scratchCrew(id: "{CREWS[1]}") {{ {fields} }} }}')
    assert data["b"] == {
        "id": CREWS[1], "name": 'Bravo "ü" \\', "boss": {"name": "Alpha"}, "rank": None, "rate": None, "startedOn": None,
        "isActive": False, "tags": [], "words": [], "mood": "CALM", "place": None,
    }  # fmt: skip
    job = await ask.data(f'{{ scratchJob(id: "{JOBS[2]}") {{ dueAt price weight isSecret }} }}')
    assert datetime.fromisoformat(job["scratchJob"].pop("dueAt")) == NOON.replace(microsecond=2000)
    assert job["scratchJob"] == {"price": "2", "weight": 6, "isSecret": False}


async def test_reads_four_levels_with_two_nested_lists_in_one_statement(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = """{ scratchCrews(first: 2) { nodes { name jobs(orderBy: [{field: TITLE}]) { totalCount nodes { title crew { name }
        memos(orderBy: [{field: NUMBER}], first: 2) { nodes { text job { title } } edges { node { number } } totalCount } } } } } }"""
    data = await ask.data(document)
    assert len(ask.statements) == 1
    alpha, bravo = data["scratchCrews"]["nodes"]
    assert bravo["jobs"] == {"totalCount": 0, "nodes": []}
    assert [job["title"] for job in alpha["jobs"]["nodes"]] == ["job 0", "job 1", "job 2"]
    assert alpha["jobs"]["totalCount"] == 3
    assert alpha["jobs"]["nodes"][0] == {
        "title": "job 0",
        "crew": {"name": "Alpha"},
        "memos": {
            "nodes": [{"text": f"memo {number}", "job": {"title": "job 0"}} for number in (0, 1)],
            "edges": [{"node": {"number": number}} for number in (0, 1)],
            "totalCount": 3,
        },
    }


async def test_hides_what_the_actor_may_not_see_at_every_depth(scratch: Dialect, ask: Asking) -> None:
    await fill()
    await Memo(id="memo_01jd0000000000000000000009", job_id=JOBS[1], text="hush", number=9, at=NOON, **BASE).save(
        force_create=True
    )
    document = """{ scratchMemos(orderBy: [{field: NUMBER, direction: DESC}], first: 1) { nodes { text job { title } } }
        scratchCrews { nodes { jobs { totalCount nodes { title } } } } }"""
    seen = await ask.data(document)
    assert seen["scratchMemos"]["nodes"] == [{"text": "hush", "job": {"title": "job 1"}}]
    hidden = await ask.data(document, CUSTOMER)
    assert hidden["scratchMemos"]["nodes"] == [{"text": "hush", "job": None}]
    assert hidden["scratchCrews"]["nodes"][0]["jobs"]["totalCount"] == 2
    assert {job["title"] for job in hidden["scratchCrews"]["nodes"][0]["jobs"]["nodes"]} == {"job 0", "job 2"}
    foreign = await ask.data(document + f' query B {{ scratchCrew(id: "{CREWS[0]}") {{ id }} }}'[:0], STRANGER)
    assert foreign == {"scratchMemos": {"nodes": []}, "scratchCrews": {"nodes": []}}
    assert await ask.data(
        f'{{ scratchCrew(id: "{CREWS[0]}") {{ id }} node(id: "{CREWS[0]}") {{ id }} }}', STRANGER
    ) == {
        "scratchCrew": None,
        "node": None,
    }


async def test_computes_in_sql_and_in_python(scratch: Dialect, ask: Asking) -> None:
    await fill()
    data = await ask.data(
        """query ($id: ID!) { scratchJob(id: $id) { memoCount hasMemos numberSum forWhom v: verdict { reasons w: word dueAt __typename }
        lastMemo { text } } }""",
        id=JOBS[0],
    )
    assert data["scratchJob"] == {
        "memoCount": 3,
        "hasMemos": True,
        "numberSum": 2,
        "forWhom": "usr_manager 0 True",
        "v": {"reasons": ["3 memos"], "w": "JOB 0", "dueAt": "2026-03-01T12:00:00+00:00", "__typename": "Verdict"},
        "lastMemo": {"text": "memo 2"},
    }
    assert len(ask.statements) == 1


async def test_leaves_restricted_fields_out_with_one_located_error(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = "{ scratchJobs { nodes { title price memos { nodes { id } } } } }"
    answer = await ask(document, CUSTOMER)
    assert {job["price"] for job in answer["data"]["scratchJobs"]["nodes"]} == {None}
    assert answer["errors"] == [
        {
            "message": "Your role does not hold the permission VIEW_PRICES, so this is left out.",
            "extensions": {"code": "FORBIDDEN", "permission": "VIEW_PRICES"},
            "locations": [{"line": 1, "column": 31}],
            "path": ["scratchJobs", "nodes", "price"],
        }
    ]
    assert "errors" not in await ask(document, MANAGER)
    for by in ('filter: {not: {price: {gt: "1"}}}', "orderBy: [{field: PRICE}]"):
        for told in (
            f"{{ scratchJobs({by}) {{ nodes {{ id }} }} }}",
            f"{{ scratchCrews {{ nodes {{ jobs({by}) {{ totalCount }} }} }} }}",
        ):
            refused = await ask(told, CUSTOMER)
            assert [error["extensions"]["code"] for error in refused["errors"]] == ["NOT_PERMITTED"]
            assert "errors" not in await ask(told, MANAGER)


async def test_follows_fragments_aliases_skip_and_include(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = """query ($no: Boolean!, $yes: Boolean = true, $id: ID!) {
        one: node(id: $id) { ...Anything ... on Job { title @skip(if: $no) crew @include(if: $yes) { name } } ... on Crew { rank } }
        two: scratchJob(id: $id) { ...Both crew { ...on Crew { name } n2: name } crew { id } }
      }
      fragment Anything on Node { __typename id }
      fragment Both on Job { ...Anything t: title crew { mood } }"""
    for no in (True, False, True):
        data = await ask.data(document, id=JOBS[0], no=no)
        title = {} if no else {"title": "job 0"}
        assert data["one"] == {"__typename": "Job", "id": JOBS[0], **title, "crew": {"name": "Alpha"}}
        assert list(data["two"]) == ["__typename", "id", "t", "crew"]
        assert data["two"]["crew"] == {"mood": "BUSY", "name": "Alpha", "n2": "Alpha", "id": CREWS[0]}
    assert "crew" not in (await ask.data(document, id=JOBS[0], no=False, yes=False))["one"]


async def test_finds_nodes_of_several_types_in_the_order_asked(scratch: Dialect, ask: Asking) -> None:
    await fill()
    ids = [JOBS[1], CREWS[0], "job_01jd0000000000000000000099", "nonsense", JOBS[0], JOBS[1]]
    document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Job { title } ... on Crew { name } } }"
    data = await ask.data(document, ids=ids)
    first = {"id": JOBS[1], "title": "job 1"}
    assert data["nodes"] == [
        first, {"id": CREWS[0], "name": "Alpha"}, None, None, {"id": JOBS[0], "title": "job 0"}, first,
    ]  # fmt: skip
    assert len(ask.statements) == 2
    assert (await ask.data(document, CUSTOMER, ids=ids))["nodes"][0] is None
    too_many = await ask(document, ids=[JOBS[0]] * 101)
    assert too_many["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("given", "titles"),
    [
        ("{}", [0, 1, 2, 3]),
        ('{title: {eq: "job 1"}}', [1]),
        ('{title: {ne: "job 1"}}', [0, 2, 3]),
        ('{title: {in: ["job 1", "job 3", "job 9"]}}', [1, 3]),
        ("{title: {in: []}}", []),
        ('{title: {contains: "OB 2"}}', [2]),
        ('{title: {contains: "%"}}', []),
        ('{title: {startsWith: "job"}}', [0, 1, 2, 3]),
        ('{title: {startsWith: "Job"}}', []),
        ("{weight: {gt: 3}}", [2, 3]),
        ("{weight: {gte: 3, lt: 9}}", [1, 2]),
        ("{weight: {lte: 3}}", [1]),
        ("{weight: {isNull: true}}", [0]),
        ("{weight: {isNull: false}}", [1, 2, 3]),
        ("{not: {weight: {eq: 3}}}", [0, 2, 3]),
        ('{price: {gt: "1.5"}}', [2, 3]),
        ('{price: {in: ["1", "2.0000"]}}', [1, 2]),
        ('{dueAt: {lt: "2026-03-01T13:00:00.002+01:00"}}', [0, 1]),
        ('{dueAt: {eq: "2026-03-01T12:00:00Z"}}', [0]),
        ("{isSecret: {eq: true}}", [1]),
        ("{crewId: {isNull: true}}", [3]),
        (f'{{crewId: {{eq: "{CREWS[0]}"}}, not: {{isSecret: {{eq: true}}}}}}', [0, 2]),
        ("{or: [{weight: {eq: 3}}, {and: [{weight: {gt: 5}}, {weight: {lt: 9}}]}]}", [1, 2]),
        ("{or: []}", []),
        ('{search: "b 3"}', [3]),
    ],
)
async def test_filters_as_declared(scratch: Dialect, ask: Asking, given: str, titles: list[int]) -> None:
    await fill()
    document = f"{{ scratchJobs(filter: {given}, orderBy: [{{field: TITLE}}]) {{ totalCount nodes {{ title }} }} }}"
    data = await ask.data(document)
    assert data["scratchJobs"] == {
        "totalCount": len(titles),
        "nodes": [{"title": f"job {number}"} for number in titles],
    }
    nested = f'{{ scratchCrew(id: "{CREWS[0]}") {{ jobs(filter: {given}) {{ totalCount }} }} }}'
    assert (await ask.data(nested))["scratchCrew"]["jobs"]["totalCount"] == len([one for one in titles if one < 3])


async def test_binds_values_anew_for_each_actor_and_each_request(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = "query ($t: String, $n: Int) { scratchJobs(filter: {title: {eq: $t}}, first: $n) { nodes { title } } }"
    for number in (1, 2, 1):
        assert (await ask.data(document, t=f"job {number}"))["scratchJobs"]["nodes"] == [{"title": f"job {number}"}]
    assert len((await ask.data(document, n=3))["scratchJobs"]["nodes"]) == 3
    assert (await ask.data(document, STRANGER, t="job 1"))["scratchJobs"]["nodes"] == []
    assert (await ask.data(document, t="job 1"))["scratchJobs"]["nodes"] == [{"title": "job 1"}]


async def test_answers_fields_by_arguments_of_their_own(scratch: Dialect, ask: Asking) -> None:
    await fill()
    data = await ask.data('{ scratchJobByTitle(title: "job 1") { id } other: scratchJobByTitle(title: "no") { id } }')
    assert data == {"scratchJobByTitle": {"id": JOBS[1]}, "other": None}
    late = await ask.data('{ scratchJobs(dueAfter: "2026-03-01T12:00:00.001Z") { totalCount } }')
    assert late["scratchJobs"]["totalCount"] == 2
    refused = await ask('{ scratchJobByTitle(title: "") { id } }')
    assert refused["errors"][0]["extensions"] == {"code": "INVALID_INPUT", "input": ["title"]}


async def test_reads_more_fields_than_a_function_takes_arguments(scratch: Dialect, ask: Asking) -> None:
    await fill()
    wide = " ".join(f"a{number}: title w{number}: weight" for number in range(60))
    document = f"{{ scratchJobs(first: 1, orderBy: [{{field: TITLE}}]) {{ nodes {{ {wide} dueAt crew {{ name tags }} price __typename }} }} }}"
    node = (await ask.data(document))["scratchJobs"]["nodes"][0]
    assert node["a59"] == "job 0" and node["w59"] is None
    assert node["crew"] == {"name": "Alpha", "tags": ["a", {"b": None}]} and node["__typename"] == "Job"
    assert len(node) == 124


async def test_reads_as_deep_as_a_document_may_go(scratch: Dialect, ask: Asking) -> None:
    await fill()
    up = "boss { " * 12 + "name" + " }" * 12
    assert (await ask.data(f'{{ scratchCrew(id: "{CREWS[1]}") {{ {up} }} }}'))["scratchCrew"] == {
        "boss": {"boss": None}
    }
    lists = "{ scratchJobs { nodes { crew { jobs { nodes { memos { nodes { job { memos { nodes { job { crew { name } } } } } } } } } } } } }"
    await ask.data(lists)
    assert len(ask.statements) == 1


async def test_refuses_what_sqlite_cannot_parse_and_says_so(on_sqlite: Dialect, ask: Asking) -> None:
    up = "boss { " * 60 + "name" + " }" * 60
    answer = await ask(f'{{ scratchCrew(id: "{CREWS[1]}") {{ {up} }} }}')
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID_INPUT"]
    assert "in two steps" in answer["errors"][0]["message"]


@pytest.mark.parametrize("error", [database.Busy, database.ConnectionLost, database.TookTooLong])
async def test_a_busy_database_is_said_to_be_busy(
    on_sqlite: Dialect, ask: Asking, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    async def busy(sql: str, params: Any = ()) -> Any:
        raise error()

    monkeypatch.setattr(database, "read_rows", busy)
    answer = await ask("{ scratchJobs { totalCount } }")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"]


async def test_reads_a_row_in_process_as_events_do(scratch: Dialect, schema: strawberry.Schema) -> None:
    await fill()
    told: list[Any] = []

    class Once(Executor[None]):
        def execute_field(self, parent_type: Any, source: Any, details: Any, path: Any, position: Any) -> Any:
            info = self.build_resolve_info(
                parent_type.fields["scratchJob"], [one.node for one in details], parent_type, path
            )

            async def read() -> Any:
                told.append(await read_one(ScratchJob, JOBS[0], info, Context(MANAGER)))
                told.append(await read_one(ScratchJob, JOBS[1], info, Context(CUSTOMER)))
                told.append(await read_one(ScratchJob, None, info))
                return None

            return read()

    executor = Once.build(schema._schema, parse('{ scratchJob(id: "x") { title } }'), None, Context(None))
    assert isinstance(executor, Once)
    await executor.execute_operation()  # type: ignore[misc]  # it is awaitable, because the field is
    assert orjson.loads(orjson.dumps(told)) == [{"title": "job 0"}, None, None]


async def test_links_plain_objects_to_rows(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = "query ($crew: ID) { scratchViewer(crew: $crew) { name crew { name } } }"
    assert (await ask.data(document, crew=CREWS[0]))["scratchViewer"] == {
        "name": "usr_manager",
        "crew": {"name": "Alpha"},
    }
    assert (await ask.data(document))["scratchViewer"] == {"name": "usr_manager", "crew": None}


@pytest.mark.parametrize("page", ["first: 2", "last: 2", "first: 100", 'first: 5, filter: {title: {eq: "no such"}}'])
async def test_a_page_of_rows_alone_has_the_rows_of_a_page_with_cursors_in_their_order(
    scratch: Dialect, ask: Asking, page: str
) -> None:
    await fill()
    listed = f"scratchJobs({page}{'' if 'filter' in page else ', orderBy: [{field: TITLE}]'})"
    rows = "{ id title crew { name } lastMemo { text } memos(first: 1) { nodes { number } } }"
    alone = await ask.data(f"{{ {listed} {{ __typename rows: nodes {rows} }} }}")
    assert [("json_agg(p.r)" in one) for one in ask.statements] == [scratch is Dialect.POSTGRES]
    with_cursors = await ask.data(f"{{ {listed} {{ edges {{ cursor node {rows} }} }} }}")
    assert alone["scratchJobs"]["__typename"] == "JobConnection"
    assert alone["scratchJobs"]["rows"] == [edge["node"] for edge in with_cursors["scratchJobs"]["edges"]]
