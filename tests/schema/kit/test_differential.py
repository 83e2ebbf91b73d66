"""Random documents: the reader's one statement answers exactly as plain graphql-core resolvers over the same rows do."""

import random
import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    default_field_resolver,
    execute_sync,
    get_named_type,
    is_leaf_type,
    parse,
)
from graphql import build_schema as build_reference

from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.pages import encode_cursor
from app.kernel.permissions import Permission
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION, Asking
from tests.schema.kit.scratch_models import Crew, Job, Memo, Mood

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCUMENTS = 120
SUBJECTS = [None, "x", "crew_01jd0000000000000000000001", *(f"job_01jd00000000000000000000{number:02}" for number in range(3, 13)),
            "memo_01jd0000000000000000000003"]  # fmt: skip
ROOTS = ("scratchCrews", "scratchJobs", "scratchMemos", "scratchCrew", "scratchJob", "node", "nodes")
FILTERS = {
    "Job": ["{weight: {gt: 3}}", "{not: {weight: {gte: 4}}}", '{or: [{title: {eq: "t1"}}, {isSecret: {eq: true}}]}'],
    "Memo": ["{number: {isNull: true}}", "{number: {lt: 4}}"],
    "Crew": ['{name: {startsWith: "c"}}', "{rank: {ne: 1}}"],
}
KEPT: dict[str, Any] = {
    "{weight: {gt: 3}}": lambda row: (row.weight or 0) > 3,
    "{not: {weight: {gte: 4}}}": lambda row: not (row.weight is not None and row.weight >= 4),
    '{or: [{title: {eq: "t1"}}, {isSecret: {eq: true}}]}': lambda row: row.title == "t1" or row.is_secret,
    "{number: {isNull: true}}": lambda row: row.number is None,
    "{number: {lt: 4}}": lambda row: row.number is not None and row.number < 4,
    '{name: {startsWith: "c"}}': lambda row: row.name.startswith("c"),
    "{rank: {ne: 1}}": lambda row: row.rank != 1,
}
SUMMARY = re.compile(r"\w+(Facets?|FacetValue|TimelineValue|Aggregate|Sum|Average|Extreme)")
SHALLOW = re.compile(rf"PageInfo|Place|Verdict|{SUMMARY.pattern}")
ORDERS = {"Job": ["WEIGHT", "TITLE", "DUE_AT"], "Memo": ["NUMBER", "TEXT"], "Crew": ["RANK", "NAME"]}


async def fill(dice: random.Random) -> "Rows":
    base: dict[str, Any] = {"organization_id": ORGANIZATION, "updated_at": NOON}
    for number in range(4):
        await Crew(
            id=f"crew_01jd00000000000000000000{number:02}", name=f"c{number}", rank=dice.choice([None, 1, 2]),
            boss_id="crew_01jd0000000000000000000000" if number else None, rate=Decimal(number), mood=Mood.BUSY,
            tags=["x", "y"][:number], latitude=1.5 if number else None, longitude=2.5, created_at=NOON, **base,
        ).save(force_create=True)  # fmt: skip
    for number in range(12):
        await Job(
            id=f"job_01jd00000000000000000000{number:02}", title=f"t{number % 4}", is_secret=number % 5 == 4,
            crew_id=dice.choice([None, "crew_01jd0000000000000000000000", "crew_01jd0000000000000000000001"]),
            weight=dice.choice([None, 1, 4, 9]), price=dice.choice([None, Decimal("1.25"), Decimal(7)]),
            due_at=dice.choice([None, NOON]), created_at=NOON + timedelta(minutes=number % 3), **base,
        ).save(force_create=True)  # fmt: skip
    for number in range(20):
        await Memo(
            id=f"memo_01jd00000000000000000000{number:02}", job_id=f"job_01jd00000000000000000000{dice.randrange(12):02}",
            text=f"m{number % 3}", number=dice.choice([None, 1, 2, 5]), subject_id=dice.choice(SUBJECTS), at=NOON + timedelta(hours=number), created_at=NOON,
            **base,
        ).save(force_create=True)  # fmt: skip
    return Rows(await Crew.all(), await Job.all(), await Memo.all())


class Rows:
    """The same tables, in memory, seen by one actor at a time."""

    def __init__(self, crews: list[Crew], jobs: list[Job], memos: list[Memo]) -> None:
        self.all: dict[str, list[Any]] = {"Crew": crews, "Job": jobs, "Memo": memos}
        self.actor: Actor = MANAGER

    def of(self, name: str) -> list[Any]:
        rows = self.all[name]
        hides = name == "Job" and not self.actor.holds(Permission.VIEW_INTERNAL_NOTES)
        return [row for row in rows if not (hides and row.is_secret)]

    def by_id(self, name: str, id: str | None) -> Any:
        return next((row for row in self.of(name) if row.id == id), None)

    def anything(self, id: str) -> Any:
        return next((row for name in self.all for row in self.of(name) if row.id == id), None)

    def page(self, name: str, rows: list[Any], arguments: dict[str, Any], default: str, down: bool = False) -> Any:
        terms = [(one["field"], one.get("direction") == "DESC") for one in arguments.get("orderBy") or []]
        terms = terms or ([] if default == "ID" else [(default, down)])
        last_down = terms[-1][1] if terms else True
        rows = sorted(rows, key=lambda row: row.id, reverse=last_down)
        for field, reverse in reversed(terms):
            rows = sorted(rows, key=lambda row: _sortable(getattr(row, field.lower())), reverse=reverse)
        kind = " ".join([name, *(("-" if reverse else "") + field for field, reverse in terms)])
        kind += " -ID" if last_down else " ID"
        size = arguments.get("first") or arguments.get("last") or 25
        shown = rows[:size] if not arguments.get("last") else rows[-size:]
        more = len(rows) > size
        cursors = [
            encode_cursor(kind, [*(_plain(getattr(row, field.lower())) for field, _ in terms), row.id]) for row in shown
        ]
        return {
            "nodes": shown,
            "edges": [{"node": row, "cursor": cursor} for row, cursor in zip(shown, cursors, strict=True)],
            "totalCount": len(rows),
            "pageInfo": {
                "hasNextPage": more and not arguments.get("last"),
                "hasPreviousPage": more and bool(arguments.get("last")),
                "startCursor": cursors[0] if cursors else None,
                "endCursor": cursors[-1] if cursors else None,
            },
            "facets": lambda info: self.facets(name, rows, arguments, default, down),
            "aggregate": lambda info: self.aggregate(name, rows),
        }

    def facets(self, name: str, rows: list[Any], arguments: dict[str, Any], default: str, down: bool) -> Any:
        """Each facet as a function of its arguments; the rows of a value are a page of those that have it."""

        def value(shown: str | None, label: str | None, having: list[Any]) -> Any:
            return {
                "value": shown,
                "label": label,
                "count": len(having),
                "rows": lambda info, first: self.page(
                    name, having, {"orderBy": arguments.get("orderBy"), "first": first}, default, down
                ),
            }

        def words(column: str, known: dict[Any, tuple[str, str]]) -> Any:
            having = {raw: [row for row in rows if getattr(row, column) == raw] for raw in known}
            return {"values": [value(*known[raw], having[raw]) for raw in known], "otherCount": 0}

        def most(first: int, key: Any, label: Any) -> Any:
            groups: dict[Any, list[Any]] = {}
            for row in rows:
                groups.setdefault(key(row), []).append(row)
            ordered = sorted(groups, key=lambda raw: (-len(groups[raw]), raw is None, raw or ""))
            return {
                "values": [value(raw, label(raw), groups[raw]) for raw in ordered[:first]],
                "otherCount": sum(len(groups[raw]) for raw in ordered[first:]),
            }

        def parent(kind: str, via: str, label: str) -> Any:
            def known(row: Any) -> str | None:
                found = self.by_id(kind, getattr(row, via))
                return found.id if found else None

            return lambda info, first: most(first, known, lambda id: id and getattr(self.by_id(kind, id), label))

        def timeline(column: str) -> Any:
            days = [NOON.date() + timedelta(days=number) for number in (0, 1)]
            values = [
                {
                    "value": day.isoformat(),
                    "startsAt": f"{day}T00:00:00+00:00",
                    "endsAt": f"{day + timedelta(days=1)}T00:00:00+00:00",
                    "count": sum(1 for row in rows if (at := getattr(row, column)) and at.date() == day),
                }
                for day in days
            ]
            return {"values": values, "otherCount": len(rows) - sum(one["count"] for one in values)}

        return {
            "Job": {
                "title": lambda info, first: most(first, lambda row: row.title, lambda raw: raw),
                "priority": lambda info, first: most(first, lambda row: row.priority, lambda raw: raw),
                "isSecret": lambda info: words("is_secret", {True: ("true", "True"), False: ("false", "False")}),
                "crew": parent("Crew", "crew_id", "name"),
                "dueAt": lambda info, **_: timeline("due_at"),
            },
            "Memo": {"job": parent("Job", "job_id", "title"), "at": lambda info, **_: timeline("at")},
            "Crew": {"mood": lambda info: words("mood", {"CALM": ("CALM", "Calm"), "BUSY": ("BUSY", "Busy")})},
        }[name]

    def aggregate(self, name: str, rows: list[Any]) -> Any:
        columns = {"Job": ("weight", "price", "dueAt"), "Memo": ("number", "at"), "Crew": ("rate",)}[name]
        restricted = {"price": Permission.VIEW_PRICES, "rate": Permission.VIEW_TECHNICIAN_COSTS}

        def figures(of: Any) -> Any:
            made = {}
            for column in columns:
                values = [getattr(row, {"dueAt": "due_at"}.get(column, column)) for row in rows]
                there = [one for one in values if one is not None]
                may = column not in restricted or self.actor.holds(restricted[column])
                made[column] = (
                    of(there) if there and may and (of in (min, max) or column not in ("at", "dueAt")) else None
                )
            return made

        return {"count": len(rows), "sum": figures(sum), "average": figures(_average), "min": figures(min),
                "max": figures(max)}  # fmt: skip


def _average(values: list[Any]) -> Any:
    exact = (Decimal(sum(values)) / len(values)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return exact if isinstance(values[0], Decimal) else float(exact)


def _sortable(value: Any) -> Any:
    return (value is None, 0 if value is None else value)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, datetime) else value


def reference_schema(sdl: str, rows: Rows) -> GraphQLSchema:
    schema = build_reference(sdl)
    resolvers: dict[tuple[str, str], Any] = {
        ("Crew", "boss"): lambda row, info: rows.by_id("Crew", row.boss_id),
        ("Crew", "words"): lambda row, info: row.tags,
        ("Crew", "place"): lambda row, info: (
            None if row.latitude is None else {"latitude": row.latitude, "longitude": row.longitude}
        ),
        ("Crew", "jobs"): lambda row, info, **given: rows.page(
            "Job", _kept(rows.of("Job"), given, crew_id=row.id), given, "CREATED_AT", True
        ),
        ("Crew", "heavyJobs"): lambda row, info, **given: rows.page(
            "Job", [one for one in rows.of("Job") if one.crew_id == row.id and (one.weight or 0) > 5], given, "ID", True
        ),
        ("Job", "crew"): lambda row, info: rows.by_id("Crew", row.crew_id),
        ("Job", "price"): lambda row, info: row.price if rows.actor.holds(Permission.VIEW_PRICES) else None,
        ("Crew", "rate"): lambda row, info: row.rate if rows.actor.holds(Permission.VIEW_TECHNICIAN_COSTS) else None,
        ("Job", "memos"): lambda row, info, **given: rows.page(
            "Memo", _kept(rows.of("Memo"), given, job_id=row.id), given, "AT", True
        ),
        ("Job", "memoCount"): lambda row, info: len(_kept(rows.all["Memo"], {}, job_id=row.id)),
        ("Job", "hasMemos"): lambda row, info: bool(_kept(rows.all["Memo"], {}, job_id=row.id)),
        ("Job", "numberSum"): lambda row, info: sum(
            one.number for one in _kept(rows.all["Memo"], {}, job_id=row.id) if (one.number or 0) > 1
        ),
        ("Job", "verdict"): lambda row, info: {
            "word": row.title.upper(),
            "reasons": [f"{len(_kept(rows.all['Memo'], {}, job_id=row.id))} memos"],
            "dueAt": row.due_at,
        },
        ("Job", "forWhom"): lambda row, info: (
            f"{rows.actor.id} {_plain(row.price)} {bool(_kept(rows.all['Memo'], {}, job_id=row.id))}"
        ),
        ("Job", "lastMemo"): lambda row, info: max(
            _kept(rows.of("Memo"), {}, job_id=row.id), key=lambda one: one.id, default=None
        ),
        ("Memo", "job"): lambda row, info: rows.by_id("Job", row.job_id),
        ("Memo", "subject"): lambda row, info: rows.anything(row.subject_id),
        ("Memo", "work"): lambda row, info: (
            rows.anything(row.subject_id) if (row.subject_id or "")[:4] in ("job_", "crew") else None
        ),
        ("Query", "scratchCrews"): lambda _, info, **given: rows.page(
            "Crew", _kept(rows.of("Crew"), given), given, "NAME"
        ),
        ("Query", "scratchJobs"): lambda _, info, **given: rows.page(
            "Job", _kept(rows.of("Job"), given), given, "CREATED_AT", True
        ),
        ("Query", "scratchMemos"): lambda _, info, **given: rows.page(
            "Memo", _kept(rows.of("Memo"), given), given, "AT", True
        ),
        ("Query", "scratchCrew"): lambda _, info, id: rows.by_id("Crew", id),
        ("Query", "scratchJob"): lambda _, info, id: rows.by_id("Job", id),
        ("Query", "node"): lambda _, info, id: rows.anything(id),
        ("Query", "nodes"): lambda _, info, ids: [rows.anything(id) for id in ids],
    }
    for (owner, field), resolve in resolvers.items():
        schema.type_map[owner].fields[field].resolve = resolve  # type: ignore[attr-defined]
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and type_.name in ("Crew", "Job", "Memo"):
            for name, field_ in type_.fields.items():
                field_.resolve = field_.resolve or _column(name)
        elif isinstance(type_, GraphQLScalarType) and type_.name in ("DateTime", "Decimal"):
            type_.coerce_output_value = _plain
            type_.serialize = _plain  # type: ignore[method-assign]
    for name in ("Node", "JobOrCrew"):
        schema.type_map[name].resolve_type = lambda row, *_: type(row).__name__  # type: ignore[attr-defined]
    return schema


def _column(name: str) -> Any:
    column = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return lambda row, info: getattr(row, column)


def _kept(rows: list[Any], given: dict[str, Any], **equal: Any) -> list[Any]:
    wanted = [row for row in rows if all(getattr(row, name) == value for name, value in equal.items())]
    holds = KEPT[_written(given["filter"])] if given.get("filter") else lambda row: True
    return [row for row in wanted if holds(row)]


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_written(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value] if value in (None, True, False) and not (
        isinstance(value, int) and not isinstance(value, bool)
    ) else (f'"{value}"' if isinstance(value, str) else str(value))  # fmt: skip


class Writer:
    """Writes random documents that are valid."""

    def __init__(self, schema: GraphQLSchema, dice: random.Random) -> None:
        self.schema, self.dice = schema, dice
        self.fragments: list[str] = []

    def document(self) -> str:
        roots = []
        for number in range(self.dice.randint(1, 3)):
            name = self.dice.choice(ROOTS)
            field = self.schema.query_type.fields[name]  # type: ignore[union-attr]
            roots.append(
                f"r{number}: {name}{self.arguments(name, field)} {self.selection(get_named_type(field.type), 0)}"
            )
        return f"query ($yes: Boolean!, $no: Boolean!) {{ {' '.join(roots)} }} {' '.join(self.fragments)}"

    def arguments(self, name: str, field: Any) -> str:
        jobs = [f"job_01jd00000000000000000000{number:02}" for number in range(13)]
        if name == "nodes":
            ids = [
                *self.dice.sample(jobs, 3),
                "crew_01jd0000000000000000000001",
                "memo_01jd0000000000000000000003",
                "x",
            ]
            return "(ids: [" + ", ".join(f'"{id}"' for id in ids) + "])"
        if "id" in field.args:
            kind = "crew_01jd0000000000000000000001" if name == "scratchCrew" else self.dice.choice(jobs)
            return f'(id: "{kind}")'
        target = get_named_type(field.type).name.removesuffix("Connection")
        given = []
        if self.dice.random() < 0.7:
            sizes = [one for one in ("first", "last") if one in field.args]
            given.append(f"{self.dice.choice(sizes)}: {self.dice.randint(1, 6)}")
        if "filter" in field.args and self.dice.random() < 0.4:
            given.append(f"filter: {self.dice.choice(FILTERS[target])}")
        if "orderBy" in field.args and self.dice.random() < 0.6:
            chosen = self.dice.sample(ORDERS[target], self.dice.randint(1, 2))
            terms = (f"{{field: {one}, direction: {self.dice.choice(['ASC', 'DESC'])}}}" for one in chosen)
            given.append(f"orderBy: [{', '.join(terms)}]")
        return f"({', '.join(given)})" if given else ""

    def selection(self, type: Any, depth: float) -> str:
        parts = ["__typename"] if self.dice.random() < 0.3 else []
        if type.name in ("Node", "JobOrCrew"):
            parts += ["... on Node { id }", f"... on Job {self.selection(self.schema.type_map['Job'], depth + 1)}",
                      f"... on Crew {self.selection(self.schema.type_map['Crew'], depth + 1)}"]  # fmt: skip
            return "{ " + " ".join(parts) + " }"
        names = self.dice.sample(sorted(type.fields), min(len(type.fields), self.dice.randint(1, 5)))
        for name in names:
            named = get_named_type(type.fields[name].type)
            leaf = is_leaf_type(named) or isinstance(named, GraphQLEnumType)
            if not leaf and depth > 3 and not SHALLOW.fullmatch(named.name):
                continue
            parts.append(self.field(type.fields[name], name, named, leaf, depth))
        if type.name in ("Crew", "Job", "Memo") and depth < 3 and self.dice.random() < 0.3:
            parts.append(self.spread(type, depth))
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def field(self, field: Any, name: str, named: Any, leaf: bool, depth: float) -> str:
        alias = f"a{self.dice.randrange(10**9)}: " if field.args or self.dice.random() < 0.2 else ""
        directive = self.dice.choice(["", "", "", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: $no)"])
        arguments = ""
        if "timeZone" in field.args:
            arguments = '(from: "2026-03-01", until: "2026-03-03", timeZone: "UTC")'
        elif "first" in field.args:
            arguments = self.arguments(name, field)
        deeper = 0.5 if SUMMARY.fullmatch(named.name) else 1
        return f"{alias}{name}{arguments}{directive} {'' if leaf else self.selection(named, depth + deeper)}"

    def spread(self, type: Any, depth: float) -> str:
        inner = f"{{ w{int(depth)}: __typename {self.selection(type, depth + 1)[1:]}"
        if self.dice.random() < 0.5:
            return f"... on {self.dice.choice([type.name, 'Node'])} {{ id }} ... @skip(if: $no) {inner.replace('{ w', '{ i', 1)}"
        name = f"F{len(self.fragments)}"
        self.fragments.append("")
        self.fragments[int(name[1:])] = f"fragment {name} on {type.name} {inner}"
        return f"...{name}"


@pytest.mark.slow
@pytest.mark.parametrize("actor", [MANAGER, CUSTOMER], ids=["manager", "customer"])
async def test_answers_as_plain_resolvers_do(
    scratch: Dialect, ask: Asking, schema: strawberry.Schema, actor: Actor
) -> None:
    dice = random.Random(20260301)
    rows = await fill(dice)
    rows.actor = actor
    reference = reference_schema(schema.as_str(), rows)
    compared = 0
    for _ in range(DOCUMENTS):
        document = Writer(schema._schema, dice).document()
        answer = await ask(document, actor, yes=True, no=False)
        if "data" not in answer:
            # Two random fields of one name may not merge, and some documents are too long: there is nothing to compare.
            codes = {error["extensions"]["code"] for error in answer["errors"]}
            assert codes <= {"GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"}
            continue
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        assert codes <= {"FORBIDDEN"}, (document, answer["errors"])
        expected = execute_sync(
            reference,
            parse(document),
            variable_values={"yes": True, "no": False},
            field_resolver=default_field_resolver,
        )
        assert expected.errors is None, (document, expected.errors)
        assert answer["data"] == expected.data, document
        roots = document.count(" r0: ") + document.count(" r1: ") + document.count(" r2: ")
        assert len(ask.statements) <= max(roots, 1) * 3
        compared += 1
    assert compared > DOCUMENTS * 0.8
