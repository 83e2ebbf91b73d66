"""Facets, timelines and aggregates: exact on both databases, in the one statement of their list, and blind to what is hidden."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.kernel.actor import user_actor
from app.kernel.dialects import Dialect
from tests.schema.kit.conftest import CUSTOMER, ORGANIZATION, STRANGER, Asking
from tests.schema.kit.scratch_models import Crew, Job, Memo, Mood

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CREWS = [f"crew_01jd000000000000000000000{number}" for number in range(1, 4)]
BASE: dict[str, Any] = {"organization_id": ORGANIZATION, "created_at": NOON, "updated_at": NOON}
OTHERS = {**BASE, "organization_id": STRANGER.organization_id}


async def crew(id: str, name: str, base: dict[str, Any] = BASE, **values: Any) -> None:
    await Crew(id=id, name=name, **base, **values).save(force_create=True)


async def job(number: int, base: dict[str, Any] = BASE, **values: Any) -> None:
    filled = {"title": f"t{number}", **values}
    await Job(id=f"job_01jd00000000000000000000{number:02}", **base, **filled).save(force_create=True)


async def fill() -> None:
    """Alpha has five jobs, one of them secret; Bravo has two; Zulu is another company's and has one of ours."""
    await crew(CREWS[0], "Alpha", mood=Mood.BUSY, rate=Decimal("12.5"))
    await crew(CREWS[1], "Bravo", rate=Decimal("-0.0005"))
    await crew(CREWS[2], "Zulu", OTHERS)
    prices = ["0.1", "0.2", "-3", None, "99999999999999.9999"]
    for number, price in enumerate(prices):
        await job(
            number, crew_id=CREWS[0], is_secret=number == 3, weight=number or None, priority="HIGH" if number else "LOW",
            price=None if price is None else Decimal(price), due_at=NOON + timedelta(days=number, microseconds=number),
        )  # fmt: skip
    await job(5, crew_id=CREWS[1], weight=2, price=Decimal(7))
    await job(6, crew_id=CREWS[1], weight=2)
    await job(7, crew_id=CREWS[2])
    await job(8)
    await job(9, OTHERS, weight=1000, priority="HIGH", title="theirs", is_secret=True, due_at=NOON)
    for number in range(3):
        await Memo(
            id=f"memo_01jd000000000000000000000{number}", job_id="job_01jd0000000000000000000000", number=number + 1,
            text="m", at=NOON, **BASE,
        ).save(force_create=True)  # fmt: skip


def counts(facet: Any) -> list[tuple[str | None, str | None, int]]:
    return [(one["value"], one["label"], one["count"]) for one in facet["values"]]


VALUES = "{ values { value label count } otherCount }"


async def test_counts_rows_by_each_kind_of_value(scratch: Dialect, ask: Asking) -> None:
    await fill()
    data = await ask.data(
        f"""{{ scratchJobs {{ facets {{ isSecret {VALUES} crew {VALUES} priority {VALUES} }} }}
        scratchCrews {{ facets {{ mood {VALUES} }} }} }}"""
    )
    jobs, crews = data["scratchJobs"]["facets"], data["scratchCrews"]["facets"]
    assert counts(jobs["isSecret"]) == [("true", "True", 1), ("false", "False", 8)]
    assert counts(jobs["crew"]) == [(CREWS[0], "Alpha", 5), (CREWS[1], "Bravo", 2), (None, None, 2)]
    assert counts(jobs["priority"]) == [("HIGH", "HIGH", 4), ("NORMAL", "NORMAL", 4), ("LOW", "LOW", 1)]
    assert counts(crews["mood"]) == [("CALM", "Calm", 1), ("BUSY", "Busy", 1)]
    assert {facet["otherCount"] for facet in (*jobs.values(), *crews.values())} == {0}
    assert len(ask.statements) == 2


async def test_all_words_of_an_enum_are_there_also_of_no_rows(scratch: Dialect, ask: Asking) -> None:
    document = f"{{ scratchCrews {{ facets {{ mood {VALUES} }} }} scratchJobs {{ facets {{ crew {VALUES} title {VALUES} isSecret {VALUES} }} }} }}"
    data = await ask.data(document)
    assert counts(data["scratchCrews"]["facets"]["mood"]) == [("CALM", "Calm", 0), ("BUSY", "Busy", 0)]
    none = {"values": [], "otherCount": 0}
    assert data["scratchJobs"]["facets"] == {
        "crew": none,
        "title": none,
        "isSecret": {
            "values": [
                {"value": "true", "label": "True", "count": 0},
                {"value": "false", "label": "False", "count": 0},
            ],
            "otherCount": 0,
        },
    }


async def test_shows_the_values_with_most_rows_and_counts_the_others(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = f"query ($n: Int! = 1) {{ scratchJobs {{ facets {{ crew(first: $n) {VALUES} one: title(first: 2) {VALUES} }} }} }}"
    facets = (await ask.data(document))["scratchJobs"]["facets"]
    assert counts(facets["crew"]) == [(CREWS[0], "Alpha", 5)]
    assert facets["crew"]["otherCount"] == 4
    assert counts(facets["one"]) == [("t0", "t0", 1), ("t1", "t1", 1)]
    assert facets["one"]["otherCount"] == 7
    more = (await ask.data(document, n=2))["scratchJobs"]["facets"]["crew"]
    assert (len(more["values"]), more["otherCount"]) == (2, 2)
    refused = await ask(document, n=101)
    assert [error["extensions"]["code"] for error in refused["errors"]] == ["INVALID_INPUT"]


async def test_counts_only_what_the_filter_lets_through_and_the_actor_may_see(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = f"""query ($f: JobFilter) {{ scratchJobs(filter: $f) {{ totalCount facets {{ crew {VALUES} isSecret {VALUES} }}
      aggregate {{ count sum {{ weight }} max {{ weight }} }} }} }}"""
    seen = (await ask.data(document, CUSTOMER))["scratchJobs"]
    assert counts(seen["facets"]["isSecret"]) == [("true", "True", 0), ("false", "False", 8)]
    assert counts(seen["facets"]["crew"])[0] == (CREWS[0], "Alpha", 4)
    assert seen["aggregate"] == {"count": 8, "sum": {"weight": 11}, "max": {"weight": 4}}
    narrow = (await ask.data(document, f={"weight": {"gte": 2}}))["scratchJobs"]
    assert narrow["totalCount"] == 5
    assert counts(narrow["facets"]["crew"]) == [(CREWS[0], "Alpha", 3), (CREWS[1], "Bravo", 2)]
    assert narrow["aggregate"] == {"count": 5, "sum": {"weight": 13}, "max": {"weight": 4}}
    foreign = (await ask.data(document, STRANGER))["scratchJobs"]
    assert counts(foreign["facets"]["crew"]) == [(None, None, 1)]
    assert foreign["aggregate"] == {"count": 1, "sum": {"weight": 1000}, "max": {"weight": 1000}}


BOARD = """query Board($f: JobFilter, $o: [JobOrder!], $n: Int! = 2) {
  scratchJobs(filter: $f, orderBy: $o, first: 1) {
    nodes { title }
    facets { crew { values { value label count rows(first: $n) {
      nodes { title crew { name } verdict { word } memos(first: 2, orderBy: [{field: NUMBER}]) { nodes { number } totalCount } }
      pageInfo { hasNextPage endCursor } totalCount } } } } } }"""


async def test_gives_the_columns_of_a_board_each_a_page_to_go_on_from(scratch: Dialect, ask: Asking) -> None:
    await fill()
    order = [{"field": "WEIGHT", "direction": "DESC"}]
    data = (await ask.data(BOARD, o=order))["scratchJobs"]
    assert len(ask.statements) == 1
    columns = {one["label"]: one["rows"] for one in data["facets"]["crew"]["values"]}
    titles = {name: [row["title"] for row in page["nodes"]] for name, page in columns.items()}
    assert titles == {"Alpha": ["t0", "t4"], "Bravo": ["t6", "t5"], None: ["t8", "t7"]}
    assert {name: page["totalCount"] for name, page in columns.items()} == {"Alpha": 5, "Bravo": 2, None: 2}
    assert {name: page["pageInfo"]["hasNextPage"] for name, page in columns.items()} == {
        "Alpha": True, "Bravo": False, None: False,
    }  # fmt: skip
    assert columns["Alpha"]["nodes"][0] == {
        "title": "t0", "crew": {"name": "Alpha"}, "verdict": {"word": "T0"},
        "memos": {"nodes": [{"number": 1}, {"number": 2}], "totalCount": 3},
    }  # fmt: skip
    # The crew of t7 is another company's: it counts as none.
    assert [row["crew"] for row in columns[None]["nodes"]] == [None, None]
    following = await ask.data(
        """query ($after: String, $o: [JobOrder!], $f: JobFilter) { scratchJobs(after: $after, orderBy: $o, filter: $f) {
          nodes { title } pageInfo { hasNextPage } } }""",
        after=columns["Alpha"]["pageInfo"]["endCursor"], o=order, f={"crewId": {"eq": CREWS[0]}},
    )  # fmt: skip
    assert [row["title"] for row in following["scratchJobs"]["nodes"]] == ["t3", "t2", "t1"]


async def test_facets_within_facets_and_nested_lists_are_one_statement(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = """{ scratchCrews { nodes { name jobs(filter: {weight: {gt: 0}}) { totalCount edges { cursor }
      facets { priority { values { value count rows { aggregate { sum { weight } }
        facets { isSecret { values { value count rows { edges { cursor node { title } } pageInfo { endCursor } } } } } } } } }
      aggregate { average { weight } } } } } }"""
    data = await ask.data(document)
    assert len(ask.statements) == 1
    alpha, bravo = data["scratchCrews"]["nodes"]
    assert (alpha["jobs"]["totalCount"], alpha["jobs"]["aggregate"]) == (4, {"average": {"weight": 2.5}})
    [high] = alpha["jobs"]["facets"]["priority"]["values"]
    assert (high["value"], high["count"], high["rows"]["aggregate"]) == ("HIGH", 4, {"sum": {"weight": 10}})
    secret, others = high["rows"]["facets"]["isSecret"]["values"]
    assert [edge["node"]["title"] for edge in secret["rows"]["edges"]] == ["t3"]
    assert [edge["node"]["title"] for edge in others["rows"]["edges"]] == ["t4", "t2", "t1"]
    assert others["rows"]["pageInfo"]["endCursor"] == others["rows"]["edges"][-1]["cursor"]
    assert others["rows"]["edges"][0]["cursor"] == alpha["jobs"]["edges"][0]["cursor"]
    assert bravo["jobs"]["facets"]["priority"]["values"][0]["count"] == 2


async def test_adds_decimals_exactly_and_rounds_averages_as_documented(scratch: Dialect, ask: Asking) -> None:
    await fill()
    figures = "sum { price weight } average { price weight } min { price weight dueAt } max { price weight dueAt }"
    data = (await ask.data(f"{{ scratchJobs {{ aggregate {{ __typename count {figures} }} }} }}"))["scratchJobs"]
    assert data["aggregate"] == {
        "__typename": "JobAggregate",
        "count": 9,
        "sum": {"price": "100000000000004.2999", "weight": 14},
        "average": {"price": "20000000000000.86", "weight": 2.3333},
        "min": {"price": "-3", "weight": 1, "dueAt": "2026-03-01T12:00:00+00:00"},
        "max": {"price": "99999999999999.9999", "weight": 4, "dueAt": "2026-03-05T12:00:00.000004+00:00"},
    }
    crews = (await ask.data("{ scratchCrews { aggregate { sum { rate } average { rate } min { rate } } } }"))[
        "scratchCrews"
    ]
    # The average is 6.24975, which has more than four places, and the half is rounded away from zero.
    assert crews["aggregate"] == {"sum": {"rate": "12.4995"}, "average": {"rate": "6.2498"}, "min": {"rate": "-0.0005"}}
    nothing = (await ask.data(f"{{ scratchJobs(filter: {{or: []}}) {{ aggregate {{ count {figures} }} }} }}"))[
        "scratchJobs"
    ]
    assert nothing["aggregate"] == {
        "count": 0,
        "sum": {"price": None, "weight": None},
        "average": {"price": None, "weight": None},
        "min": {"price": None, "weight": None, "dueAt": None},
        "max": {"price": None, "weight": None, "dueAt": None},
    }


async def test_what_one_may_not_read_is_neither_counted_by_nor_added_up(scratch: Dialect, ask: Asking) -> None:
    await fill()
    document = """{ scratchJobs { nodes { title } aggregate { count sum { price weight } top: max { p: price } } }
      scratchMemos { facets { job { values { count } } } }
      scratchCrews { nodes { name jobs { aggregate { min { price } } } } } }"""
    everything = await ask(document)
    assert "errors" not in everything
    answer = await ask(document, CUSTOMER)
    assert answer["data"]["scratchJobs"]["aggregate"] == {
        "count": 8,
        "sum": {"price": None, "weight": 11},
        "top": {"p": None},
    }
    assert answer["data"]["scratchCrews"]["nodes"][0]["jobs"] == {"aggregate": {"min": {"price": None}}}
    told = sorted(error["path"] for error in answer["errors"])
    assert told == [
        ["scratchCrews", "nodes", "jobs", "aggregate", "min", "price"],
        ["scratchJobs", "aggregate", "sum", "price"],
        ["scratchJobs", "aggregate", "top", "p"],
    ]
    assert {error["extensions"]["permission"] for error in answer["errors"]} == {"VIEW_PRICES"}


async def test_a_list_that_one_may_not_read_has_no_summaries(scratch: Dialect, ask: Asking) -> None:
    await fill()
    nobody = user_actor(ORGANIZATION, "usr_nobody", frozenset())
    summaries = "facets { job { otherCount } } aggregate { count }"
    answer = await ask(f"{{ scratchMemos {{ totalCount {summaries} }} }}", nobody)
    assert answer["data"] == {"scratchMemos": {"totalCount": 0, "facets": None, "aggregate": None}}
    assert [error["extensions"]["permission"] for error in answer["errors"]] == ["VIEW_JOURNAL"]
    nested = "jobs { totalCount pageInfo { endCursor } facets { isSecret { otherCount } } aggregate { count } }"
    for part in (nested, nested.replace("pageInfo { endCursor }", "")):
        crews = (await ask(f"{{ scratchCrews(first: 1) {{ nodes {{ {part} }} }} }}", nobody))["data"]["scratchCrews"]
        assert {**crews["nodes"][0]["jobs"], "pageInfo": None} == {
            "totalCount": 0, "pageInfo": None, "facets": None, "aggregate": None,
        }  # fmt: skip


TIMELINE = """query ($from: Date!, $until: Date!, $per: Period! = DAY, $zone: String!) { scratchJobs { facets {
  dueAt(from: $from, until: $until, per: $per, timeZone: $zone) { values { value startsAt endsAt count } otherCount } } } }"""


def expected(
    moments: list[datetime | None], first: date, until: date, per: str, zone: ZoneInfo
) -> list[tuple[str, int]]:
    """The steps by a plain walk over the days, each with the moments whose local day lies in it."""
    steps: dict[date, date] = {}
    found: dict[date, int] = {}
    for day in (first + timedelta(days=number) for number in range((until - first).days)):
        whole = {"DAY": day, "WEEK": day - timedelta(days=day.weekday()), "MONTH": day.replace(day=1)}[per]
        found.setdefault(steps.setdefault(whole, day), 0)
        for moment in moments:
            if moment is not None and moment.astimezone(zone).date() == day:
                found[steps[whole]] += 1
    return [(day.isoformat(), count) for day, count in found.items()]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize(
    ("per", "first", "until"),
    [("DAY", "2026-03-20", "2026-04-10"), ("WEEK", "2026-01-01", "2026-12-31"), ("MONTH", "2025-12-15", "2026-11-02")],
)
async def test_counts_by_the_clocks_of_a_time_zone(
    scratch: Dialect, ask: Asking, zone: str, per: str, first: str, until: str
) -> None:
    changes = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC),
               datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]  # fmt: skip
    moments: list[datetime | None] = [None, datetime(1970, 1, 1, tzinfo=UTC)]
    for change in changes:
        moments += [change + timedelta(minutes=30 * step, microseconds=step % 2) for step in range(-30, 30, 4)]
    await Job.bulk_create(
        Job(id=f"job_01jd0000000000000000000{number:03}", title="t", due_at=moment, **BASE)
        for number, moment in enumerate(moments)
    )  # fmt: skip
    given = {"from": first, "until": until, "per": per, "zone": zone}
    data = (await ask.data(TIMELINE, **given))["scratchJobs"]["facets"]["dueAt"]
    steps = expected(moments, date.fromisoformat(first), date.fromisoformat(until), per, ZoneInfo(zone))
    assert [(one["value"], one["count"]) for one in data["values"]] == steps
    assert data["otherCount"] == len(moments) - sum(count for _, count in steps)
    bounds = [(one["startsAt"], one["endsAt"]) for one in data["values"]]
    assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]
    assert datetime.fromisoformat(bounds[0][0]).astimezone(ZoneInfo(zone)).isoformat()[:19] == f"{first}T00:00:00"
    assert len(ask.statements) == 1


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"from": "2026-03-01", "until": "2026-03-01"}, "until"),
        ({"from": "2026-01-01", "until": "2026-12-31"}, "until"),
        ({"from": "9999-12-30", "until": "9999-12-31", "per": "MONTH"}, "until"),
        ({"from": "0001-01-01", "until": "0001-01-02"}, "from"),
        ({"from": "2026-03-01", "until": "2026-03-02", "zone": "Mars/Olympus"}, "timeZone"),
    ],
)
async def test_refuses_spans_that_are_none(scratch: Dialect, ask: Asking, given: dict[str, str], path: str) -> None:
    answer = await ask(TIMELINE, **{"zone": "Europe/Berlin", **given})
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "INVALID_INPUT", "input": [path]}]
    assert ask.statements == []
