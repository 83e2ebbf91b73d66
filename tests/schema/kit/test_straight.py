"""The straight way answers exactly as graphql-core's executor does, errors and nulls in the same places."""

from typing import Any

import pytest
import strawberry

from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from schema.kit import Context, execution, plain_data
from tests.schema.kit.conftest import CUSTOMER, MANAGER, STRANGER
from tests.schema.kit.test_reading import CREWS, JOBS, fill

ID = f'"{JOBS[0]}"'
STRAIGHT: list[tuple[str, dict[str, Any]]] = [
    (f"{{ scratchJob(id: {ID}) {{ id t: title price crew {{ name }} }} }}", {}),
    ("query($id: ID!) { scratchJob(id: $id) { id } }", {"id": JOBS[1]}),
    ("query($id: ID!) { scratchJob(id: $id) { id } }", {"id": "job_01jd000000000000000000000z"}),
    ("query($id: ID!) { scratchJob(id: $id) { id } }", {}),
    ("query($id: ID!) { scratchJob(id: $id) { id } }", {"id": None}),
    ("query($id: ID!) { scratchJob(id: $id) { id } }", {"id": 7}),
    ("query($id: ID!) { scratchJob(id: $id) { id } }", {"id": ["x"]}),
    ("query($n: Int = 2) { scratchJobs(first: $n) { totalCount nodes { title } } }", {}),
    ("query($n: Int = 2) { scratchJobs(first: $n) { totalCount nodes { title } } }", {"n": None}),
    ("query($n: Int) { scratchJobs(first: $n) { pageInfo { hasNextPage endCursor } } }", {"n": 1}),
    ("query($n: Int) { scratchJobs(first: $n) { nodes { title } } }", {"n": 101}),
    ("query($n: Int) { scratchJobs(first: $n) { nodes { title } } }", {"n": 3_000_000_000}),
    ("query($t: String) { scratchJobs(filter: {title: {eq: $t}}) { totalCount } }", {"t": "job 1"}),
    ("query($t: String) { scratchJobs(filter: {title: {eq: $t}}) { totalCount } }", {}),
    ("query($f: JobFilter) { scratchJobs(filter: $f) { totalCount } }", {"f": {"weight": {"gt": 3}}}),
    ("query($f: JobFilter) { scratchJobs(filter: $f) { totalCount } }", {"f": {"weight": {"gt": "x"}}}),
    ('{ scratchJobs(after: "nonsense") { nodes { title } } }', {}),
    ('{ scratchJobs(filter: {price: {gt: "1"}}) { totalCount } }', {}),
    (
        f'{{ a: scratchJob(id: {ID}) {{ title }} b: scratchCrew(id: "{CREWS[0]}") {{ name tags place {{ latitude }} }} }}',
        {},
    ),
    (f"{{ scratchJob(id: {ID}) {{ title }} scratchJobs(first: 0) {{ totalCount }} scratchBug }}", {}),
    ("query($yes: Boolean!) { scratchCrews { nodes { id @include(if: $yes) name @skip(if: $yes) } } }", {"yes": True}),
    ("query($yes: Boolean!) { scratchCrews { nodes { id @include(if: $yes) name @skip(if: $yes) } } }", {"yes": False}),
    ("query($yes: Boolean!) { scratchCrews { nodes { id @include(if: $yes) } } }", {"yes": "true"}),
    ('{ scratchHello(name: "you") }', {}),
    ("query($who: String!) { scratchHello(name: $who) again: scratchHello(name: $who) }", {"who": "all"}),
    ("query($who: String!) { scratchHello(name: $who) }", {"who": "a\u0000b"}),
    ("{ scratchBug }", {}),
    ("{ scratchMoods { word level more { word } list { word __typename } } }", {}),
    ("query A { scratchBug } query B { scratchJobs { totalCount } }", {}),
    (f"{{ node(id: {ID}) {{ id ... on Job {{ title }} }} }}", {}),
    (f'{{ nodes(ids: [{ID}, "job_x", "{CREWS[1]}"]) {{ __typename id }} }}', {}),
]
AROUND = [
    "{ __typename }",
    "{ ...F } fragment F on Query { scratchBug }",
    "{ scratchBug @include(if: true) }",
    "{ scratchBug scratchBug }",
    "{ scratchViewer { name crew { name } } }",
]


async def by_executor(schema: strawberry.Schema, document: str, variables: dict[str, Any], context: Context) -> Any:
    """The answer of graphql-core's own executor."""
    try:
        prepared = execution.prepare(schema, document)
        prepared.ways = dict.fromkeys([*prepared.operations, None])
        return await execution.execute(schema, document, variables, None, context)
    finally:
        prepared.ways = {}


def told(answer: dict[str, Any]) -> Any:
    """An answer without the references of bugs, which are another each time; errors in any order."""
    plain = plain_data(answer)
    for error in plain.get("errors", ()):
        if error["extensions"].get("code") == "INTERNAL":
            error["message"] = error["extensions"]["reference"] = "…"
    return plain | {"errors": sorted(plain.get("errors", ()), key=str)}


@pytest.mark.parametrize(
    "actor", [MANAGER, CUSTOMER, STRANGER, None], ids=["manager", "customer", "stranger", "nobody"]
)
async def test_answers_as_the_executor_does(scratch: Dialect, schema: strawberry.Schema, actor: Actor | None) -> None:
    await fill()
    walked = 0
    for document, variables in STRAIGHT:
        straight = await execution.execute(schema, document, variables, None, Context(actor, address="192.0.2.1"))
        walked += any(way is not None for way in execution.prepare(schema, document).ways.values())
        executed = await by_executor(schema, document, variables, Context(actor, address="192.0.2.1"))
        ours, theirs = told(straight), told(executed)
        if ours.get("data", 0) is None:  # the executor stops at the first error that leaves nothing; we tell them all
            assert theirs["errors"] and all(error in ours["errors"] for error in theirs["errors"])
            ours["errors"] = theirs["errors"]
        assert ours == theirs, (document, variables)
    assert walked >= len(STRAIGHT) - 3  # all but those whose operation cannot be told, or whose value is refused before


@pytest.mark.parametrize("document", AROUND)
def test_leaves_to_the_executor_what_is_more_than_plain_root_fields(schema: strawberry.Schema, document: str) -> None:
    prepared = execution.prepare(schema, document)
    [operation] = prepared.operations.values()
    assert prepared.way(execution.core_of(schema), operation) is None
