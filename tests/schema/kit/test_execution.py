"""Documents and values at the edge: what is refused, how it is said, and what is kept."""

import time
from datetime import timedelta
from typing import Any

import pytest
from graphql import GraphQLError, parse

from schema.kit import Context, encode, execute, execution
from schema.kit.measuring import Measures
from schema.kit.scalars import SCALARS, duration_text, strict_text
from tests.schema.kit.conftest import MANAGER, Asking


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothingLikeThis }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { scratchBug } query B { scratchBug }", "OPERATION_RESOLUTION_FAILURE"),
        ("query ($n: Int!) { scratchJobs(first: $n) { totalCount } }", "BAD_USER_INPUT"),
        ('{ scratchHello(name: "a\\u0000b") }', "GRAPHQL_PARSE_FAILED"),
        ('{ scratchHello(name: "e\\u0301") }', "GRAPHQL_PARSE_FAILED"),
        ("{" * 3000, "GRAPHQL_PARSE_FAILED"),
        ("{ a }" + " " * 100_001, "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_refuses_a_request_that_cannot_be_executed(ask: Asking, document: str, code: str) -> None:
    for _ in range(2):
        answer = await ask(document)
        assert "data" not in answer
        assert {error["extensions"]["code"] for error in answer["errors"]} == {code}


async def test_makes_no_suggestions(ask: Asking) -> None:
    answer = await ask(
        "query ($x: JobFilterr) { scratchJob(idd: 1) { titel } scratchJobs(filter: {titel: 1}) { totalCount } }"
    )
    assert len(answer["errors"]) >= 4
    assert not any("Did you mean" in error["message"] for error in answer["errors"])


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("plain", True),
        ("tab\tline\r\nüñí 🚚", True),
        ("a\x00b", False),
        ("a\x1bb", False),
        ("a\x7fb", False),
        ("half \ud83d", False),
        ("x" * 65_536, True),
        ("x" * 65_537, False),
    ],
)
async def test_accepts_texts_that_are_texts(ask: Asking, text: str, accepted: bool) -> None:
    answer = await ask("query ($n: String!) { scratchHello(name: $n) }", None, n=text)
    if accepted:
        assert answer["data"] == {"scratchHello": f"Hello {text} at 192.0.2.1"}
    else:
        assert "data" not in answer and answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_normalises_texts_in_variables(ask: Asking) -> None:
    answer = await ask("query ($n: String!) { scratchHello(name: $n) }", None, n="Cafe\u0301")
    assert answer["data"]["scratchHello"] == "Hello Caf\u00e9 at 192.0.2.1"
    with pytest.raises(GraphQLError):
        strict_text("\ud800")


def test_a_letter_under_a_pile_of_marks_is_refused_before_it_is_composed() -> None:
    pile = "\u0301\u0323"
    assert len(strict_text("a" + pile * 15)) == 30  # 'ạ' and 29 marks
    started = time.process_time()
    for text in ("a" + pile * 16, "a" + pile * 30_000):
        with pytest.raises(GraphQLError, match="at most 30 marks"):
            strict_text(text)
    assert time.process_time() - started < 0.5  # composing the second takes seconds


DATED = "query ($w: DateTime) { scratchJobs(dueAfter: $w) { __typename } }"


@pytest.mark.parametrize(
    "moment", ["2026-03-01T12:00:00", "2026-03-01", "tomorrow", 5, "2026-02-30T12:00:00Z", "20260301T120000Z"]
)
async def test_refuses_times_that_nobody_can_place(ask: Asking, moment: Any) -> None:
    answer = await ask(DATED, w=moment)
    assert "data" not in answer and answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("value", [1, 1.5, "1e400", "NaN", "twelve", "1.12345678"])
async def test_refuses_decimals_that_are_not_exact(ask: Asking, value: Any) -> None:
    answer = await ask("query ($v: Decimal) { scratchJobs(filter: {price: {eq: $v}}) { totalCount } }", v=value)
    assert "data" not in answer and answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT1H30M", timedelta(minutes=90)),
        ("PT90M", timedelta(minutes=90)),
        ("P2D", timedelta(days=2)),
        ("P1DT1S", timedelta(days=1, seconds=1)),
        ("P1W", timedelta(weeks=1)),
        ("-PT5M", timedelta(minutes=-5)),
        ("PT0S", timedelta()),
    ],
)
def test_reads_and_writes_durations(text: str, duration: timedelta) -> None:
    parse: Any = SCALARS[timedelta].parse_value
    assert parse(text) == duration
    assert parse(duration_text(duration)) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "1H", "P1Y", "PT1.5H", "P1H", 90, None])
def test_refuses_what_is_no_duration(text: Any) -> None:
    parse: Any = SCALARS[timedelta].parse_value
    with pytest.raises(GraphQLError):
        parse(text)


async def test_parses_and_validates_a_document_once(schema: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"parse": 0, "validate": 0}

    def counting(name: str) -> Any:
        original = getattr(execution, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return original(*args, **kwargs)

        return run

    for name in counted:
        monkeypatch.setattr(execution, name, counting(name))
    document = '{ counted: scratchHello(name: "x") }'
    assert execution.parsed(schema, document).operation(None).operation.value == "query"
    for _ in range(3):
        result = await execute(schema, document, None, None, Context(MANAGER))
    assert counted == {"parse": 1, "validate": 1}
    assert encode(result) == b'{"data":{"counted":"Hello x at "}}'


def test_keeps_the_documents_used_last_and_no_more_of_them_than_memory_allows() -> None:
    known = execution.Documents(3, 100)
    document = parse("{ a }")
    made = {number: execution.Prepared(document, 30, {}, Measures(document)) for number in range(5)}
    for number in range(4):
        known.keep((0, str(number)), made[number])
        known.get((0, "0"))
    assert [known.get((0, str(number))) for number in range(4)] == [made[0], None, made[2], made[3]]
    known.keep((0, "long"), execution.Prepared(document, 71, {}, Measures(document)))
    assert [known.get((0, str(number))) for number in range(4)] == [None] * 4
    assert known.pop((0, "long")) is not None and known.pop((0, "long")) is None
    known.keep((0, "4"), made[4])
    known.keep((0, "4"), made[4])
    assert known._length == 30


async def test_introspection_describes_everything(ask: Asking) -> None:
    data = await ask.data(
        """{ __schema { types { name description specifiedByURL fields { name description args { name description } }
        inputFields { name description } enumValues { name description } } } }"""
    )
    types = [one for one in data["__schema"]["types"] if not one["name"].startswith("__")]
    for one in types:
        assert one["description"], one["name"]
        for part in [*(one["fields"] or []), *(one["inputFields"] or []), *(one["enumValues"] or [])]:
            assert part["description"], (one["name"], part["name"])
            assert all(argument["description"] for argument in part.get("args", []))
    urls = {one["name"]: one["specifiedByURL"] for one in types}
    assert all(urls[name] for name in ("DateTime", "Date", "JSON"))
