"""What a filter says is what a person would say of the rows, one by one, on both databases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import database as db
from app.kernel.actor import Actor, ActorKind
from app.kernel.dialects import Dialect
from app.kernel.errors import NotPermitted
from app.kernel.permissions import Permission
from schema.kit import DecimalFilter, by, filterable
from schema.kit.filters import DEPTH_MAX, VALUES_MAX, spec_of
from schema.kit.operators import OPTIONS_MAX
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION, STRANGER, Asking
from tests.schema.kit.scratch_models import Crew, Job, Memo, Mood

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE: dict[str, Any] = {"organization_id": ORGANIZATION, "created_at": NOON, "updated_at": NOON}
TITLES = ["École", "ÉCOLE 2", "100% _ok_", "straße\\", "", "a", "B"]


def crew_id(number: int) -> str:
    return f"crew_01jd00000000000000000000{number:02}"


def job_id(number: int) -> str:
    return f"job_01jd00000000000000000000{number:02}"


async def fill() -> tuple[list[Crew], list[Job], list[Memo]]:
    crews = [
        Crew(
            id=crew_id(number), name=name, rank=rank, rate=rate, started_on=day, mood=mood, latitude=latitude,
            is_active=number != 1, boss_id=crew_id(0) if number in (1, 2) else None, **BASE,
        )
        for number, (name, rank, rate, day, mood, latitude) in enumerate(
            [
                ("Alpha", 1, Decimal("12.5"), date(2020, 2, 29), Mood.BUSY, 0.1 + 0.2),
                ("alpha", 2, None, None, Mood.CALM, None),
                ("Ömega", None, Decimal("-3"), date(2024, 1, 1), Mood.CALM, -1.5),
                ("zeta", 7, Decimal("1000.0001"), date(2020, 3, 1), Mood.BUSY, 0.3),
            ]
        )
    ]  # fmt: skip
    jobs = [
        Job(
            id=job_id(number), title=title, is_secret=number == 3, crew_id=[crew_id(0), crew_id(1), None][number % 3],
            weight=[None, 3, 9][number % 3], price=[Decimal("1.25"), None][number % 2],
            due_at=[None, NOON, NOON + timedelta(milliseconds=1)][number // 2 % 3], **BASE,
        )
        for number, title in enumerate(TITLES)
    ]  # fmt: skip
    memos = [
        Memo(
            id=f"memo_01jd00000000000000000000{number:02}", job_id=job_id(job), text=f"m{number}", number=value,
            at=NOON + timedelta(hours=number), **BASE,
        )
        for number, (job, value) in enumerate([(0, 1), (0, None), (1, 5), (3, 9), (4, 2)])
    ]  # fmt: skip
    for model in (Memo, Job, Crew):
        await model.all().delete()
    for row in (*crews, *jobs, *memos):
        await row.save(force_create=True)
    return crews, jobs, memos


async def kept(ask: Asking, root: str, filter: Any, actor: Actor = MANAGER) -> set[int]:
    """The numbers of the rows that a filter leaves; and as many are counted."""
    kind = {"scratchCrews": "Crew", "scratchJobs": "Job", "scratchMemos": "Memo"}[root]
    document = f"query ($f: {kind}Filter) {{ {root}(first: 100, filter: $f) {{ totalCount nodes {{ id }} }} }}"
    found = (await ask.data(document, actor, f=filter))[root]
    numbers = {int(node["id"][-2:]) for node in found["nodes"]}
    assert found["totalCount"] == len(found["nodes"]) == len(numbers)
    return numbers


OPERATORS: list[tuple[str, dict[str, Any], set[int]]] = [
    ("title", {"eq": "École"}, {0}),
    ("title", {"ne": "École"}, {1, 2, 3, 4, 5, 6}),
    ("title", {"in": ["a", "B", "no"]}, {5, 6}),
    ("title", {"in": []}, set()),
    ("title", {"notIn": ["a", "B", "no"]}, {0, 1, 2, 3, 4}),
    ("title", {"notIn": []}, {0, 1, 2, 3, 4, 5, 6}),
    ("title", {"contains": "école"}, {0, 1}),
    ("title", {"contains": "%"}, {2}),
    ("title", {"contains": "_"}, {2}),
    ("title", {"contains": "\\"}, {3}),
    ("title", {"contains": "STRASSE"}, {3}),
    ("title", {"contains": ""}, {0, 1, 2, 3, 4, 5, 6}),
    ("title", {"startsWith": "É"}, {0, 1}),
    ("title", {"startsWith": "é"}, set()),
    ("title", {"startsWith": "100%"}, {2}),
    ("title", {"startsWith": "_"}, set()),
    ("title", {"startsWith": ""}, {0, 1, 2, 3, 4, 5, 6}),
    ("title", {"endsWith": "_"}, {2}),
    ("title", {"endsWith": "le"}, {0}),
    ("title", {"endsWith": "a long way before École"}, set()),
    ("title", {"endsWith": ""}, {0, 1, 2, 3, 4, 5, 6}),
    ("title", {"equalsFold": "éCOLE"}, {0}),
    ("title", {"equalsFold": ""}, {4}),
    ("title", {"equalsFold": "b"}, {6}),
    ("title", {"lt": "B"}, {2, 4}),
    ("title", {"lte": "B"}, {2, 4, 6}),
    ("title", {"gt": "a"}, {0, 1, 3}),
    ("title", {"gte": "a"}, {0, 1, 3, 5}),
    ("title", {"isNull": True}, set()),
    ("crewId", {"eq": crew_id(1)}, {1, 4}),
    ("crewId", {"ne": crew_id(1)}, {0, 2, 3, 5, 6}),
    ("crewId", {"in": [crew_id(1), crew_id(0)]}, {0, 1, 3, 4, 6}),
    ("crewId", {"notIn": [crew_id(0)]}, {1, 2, 4, 5}),
    ("crewId", {"isNull": True}, {2, 5}),
    ("crewId", {"isNull": False}, {0, 1, 3, 4, 6}),
    ("weight", {"eq": 3}, {1, 4}),
    ("weight", {"ne": 3}, {0, 2, 3, 5, 6}),
    ("weight", {"in": [3, 9]}, {1, 2, 4, 5}),
    ("weight", {"notIn": [3]}, {0, 2, 3, 5, 6}),
    ("weight", {"lt": 9}, {1, 4}),
    ("weight", {"lte": 9}, {1, 2, 4, 5}),
    ("weight", {"gt": 3}, {2, 5}),
    ("weight", {"gte": 3, "ne": 9}, {1, 4}),
    ("weight", {"isNull": True}, {0, 3, 6}),
    ("price", {"eq": "1.2500"}, {0, 2, 4, 6}),
    ("price", {"ne": "1.25"}, {1, 3, 5}),
    ("price", {"in": ["1.25", "2"]}, {0, 2, 4, 6}),
    ("price", {"notIn": ["1.25"]}, {1, 3, 5}),
    ("price", {"lt": "1.3"}, {0, 2, 4, 6}),
    ("price", {"gte": "1.3"}, set()),
    ("price", {"isNull": False}, {0, 2, 4, 6}),
    ("dueAt", {"eq": "2026-03-01T13:00:00+01:00"}, {2, 3}),
    ("dueAt", {"ne": "2026-03-01T12:00:00Z"}, {0, 1, 4, 5, 6}),
    ("dueAt", {"in": ["2026-03-01T12:00:00.001Z"]}, {4, 5}),
    ("dueAt", {"notIn": ["2026-03-01T12:00:00.001Z"]}, {0, 1, 2, 3, 6}),
    ("dueAt", {"gt": "2026-03-01T12:00:00Z"}, {4, 5}),
    ("dueAt", {"lte": "2026-03-01T12:00:00Z"}, {2, 3}),
    ("dueAt", {"isNull": True}, {0, 1, 6}),
    ("isSecret", {"eq": True}, {3}),
    ("isSecret", {"isNull": True}, set()),
]
CREW_OPERATORS: list[tuple[str, dict[str, Any], set[int]]] = [
    ("name", {"equalsFold": "ALPHA"}, {0, 1}),
    ("name", {"equalsFold": "öMEGA"}, {2}),
    ("name", {"gt": "a"}, {1, 2, 3}),
    ("startedOn", {"eq": "2020-02-29"}, {0}),
    ("startedOn", {"ne": "2020-02-29"}, {1, 2, 3}),
    ("startedOn", {"notIn": ["2020-02-29", "2024-01-01"]}, {1, 3}),
    ("startedOn", {"lt": "2020-03-01"}, {0}),
    ("startedOn", {"gte": "2020-03-01"}, {2, 3}),
    ("rate", {"gt": "12.49"}, {0, 3}),
    ("rate", {"lt": "0"}, {2}),
    ("latitude", {"eq": 0.30000000000000004}, {0}),
    ("latitude", {"ne": 0.3}, {0, 1, 2}),
    ("latitude", {"in": [0.3, -1.5]}, {2, 3}),
    ("latitude", {"notIn": [0.3]}, {0, 1, 2}),
    ("latitude", {"lte": 0.3}, {2, 3}),
    ("mood", {"eq": "BUSY"}, {0, 3}),
    ("mood", {"ne": "BUSY"}, {1, 2}),
    ("mood", {"in": ["BUSY", "CALM"]}, {0, 1, 2, 3}),
    ("mood", {"notIn": ["CALM"]}, {0, 3}),
    ("isActive", {"eq": False}, {1}),
]


async def test_every_operator_and_its_contrary_part_the_rows_exactly(scratch: Dialect, ask: Asking) -> None:
    await fill()
    for root, cases, all_of_them in (
        ("scratchJobs", OPERATORS, set(range(7))),
        ("scratchCrews", CREW_OPERATORS, set(range(4))),
    ):
        for field, operation, expected in cases:
            assert await kept(ask, root, {field: operation}) == expected, (field, operation)
            assert await kept(ask, root, {"not": {field: operation}}) == all_of_them - expected, (field, operation)
            assert await kept(ask, root, {"not": {"not": {field: operation}}}) == expected, (field, operation)


def test_every_operator_of_every_kind_is_tried(schema: Any) -> None:
    tried: dict[str, set[str]] = {}
    for kind, cases in (("JobFilter", OPERATORS), ("CrewFilter", CREW_OPERATORS)):
        for field, operation, _ in cases:
            named = schema._schema.type_map[kind].fields[field].type.name
            tried.setdefault(named, set()).update(operation)
    for text in ("StringFilter", "IdFilter", "IntFilter", "BooleanFilter"):
        assert tried[text] == set(schema._schema.type_map[text].fields)
    numbers = tried["DecimalFilter"] | tried["DateTimeFilter"] | tried["DateFilter"] | tried["FloatFilter"]
    assert numbers == set(schema._schema.type_map["DateFilter"].fields)


RELATIONS: list[tuple[str, dict[str, Any], set[int]]] = [
    ("scratchJobs", {"crew": {"name": {"eq": "Alpha"}}}, {0, 3, 6}),
    ("scratchJobs", {"not": {"crew": {"name": {"eq": "Alpha"}}}}, {1, 2, 4, 5}),
    ("scratchJobs", {"crew": {"name": {"ne": "Alpha"}}}, {1, 4}),
    ("scratchJobs", {"crew": {}}, {0, 1, 3, 4, 6}),
    ("scratchJobs", {"crew": {"boss": {"rank": {"eq": 1}}}}, {1, 4}),
    (
        "scratchJobs",
        {"crew": {"or": [{"rank": {"gt": 1}}, {"latitude": {"gt": 0.3}}]}, "weight": {"isNull": False}},
        {1, 4},
    ),
    ("scratchJobs", {"memos": {"some": {}}}, {0, 1, 3, 4}),
    ("scratchJobs", {"memos": {"none": {}}}, {2, 5, 6}),
    ("scratchJobs", {"memos": {"some": {"number": {"gt": 1}}}}, {1, 3, 4}),
    ("scratchJobs", {"memos": {"none": {"number": {"gt": 1}}}}, {0, 2, 5, 6}),
    ("scratchJobs", {"memos": {"every": {"number": {"gt": 1}}}}, {1, 2, 3, 4, 5, 6}),
    ("scratchJobs", {"memos": {"every": {"number": {"lt": 2}}, "some": {}}}, set()),
    ("scratchJobs", {"memos": {}}, {0, 1, 2, 3, 4, 5, 6}),
    ("scratchJobs", {"not": {"memos": {"every": {"number": {"gt": 1}}}}}, {0}),
    ("scratchCrews", {"jobs": {"some": {"memos": {"some": {"number": {"eq": 9}}}}}}, {0}),
    ("scratchCrews", {"jobs": {"some": {"isSecret": {"eq": True}}}}, {0}),
    ("scratchCrews", {"jobs": {"every": {"isSecret": {"eq": False}}}}, {1, 2, 3}),
    ("scratchMemos", {"job": {"crew": {"name": {"eq": "Alpha"}}, "isSecret": {"eq": False}}}, {0, 1}),
    ("scratchMemos", {"job": {}}, {0, 1, 2, 3, 4}),
]


async def test_reaches_through_declared_relations(scratch: Dialect, ask: Asking) -> None:
    await fill()
    for root, filter, expected in RELATIONS:
        assert await kept(ask, root, filter) == expected, filter
        assert len(ask.statements) == 1
        ask.statements.clear()
        assert await kept(ask, root, filter, STRANGER) == set(), filter
        ask.statements.clear()


async def test_what_is_not_visible_does_not_exist_through_a_relation_either(scratch: Dialect, ask: Asking) -> None:
    await fill()
    for filter, expected in [
        ({"jobs": {"some": {"isSecret": {"eq": True}}}}, set()),
        ({"jobs": {"every": {"isSecret": {"eq": False}}}}, {0, 1, 2, 3}),
        ({"jobs": {"none": {"title": {"eq": "straße\\"}}}}, {0, 1, 2, 3}),
        ({"jobs": {"some": {"memos": {"some": {"number": {"eq": 9}}}}}}, set()),
    ]:
        assert await kept(ask, "scratchCrews", filter, CUSTOMER) == expected, filter
    assert await kept(ask, "scratchMemos", {"job": {}}, CUSTOMER) == {0, 1, 2, 4}
    assert await kept(ask, "scratchMemos", {"not": {"job": {}}}, CUSTOMER) == {3}


def holding(*permissions: Permission) -> Actor:
    return Actor(ORGANIZATION, ActorKind.API_KEY, "key_1", frozenset(), frozenset(permissions))


RESTRICTED: list[tuple[str, dict[str, Any], Permission]] = [
    ("scratchCrews", {"rate": {"gt": "1"}}, Permission.VIEW_TECHNICIAN_COSTS),
    ("scratchCrews", {"boss": {"rate": {"gt": "1"}}}, Permission.VIEW_TECHNICIAN_COSTS),
    ("scratchJobs", {"price": {"gt": "1"}}, Permission.VIEW_PRICES),
    ("scratchJobs", {"not": {"or": [{"price": {"isNull": True}}]}}, Permission.VIEW_PRICES),
    ("scratchJobs", {"crew": {"rate": {"isNull": False}}}, Permission.VIEW_TECHNICIAN_COSTS),
    ("scratchCrews", {"jobs": {"none": {"price": {"gt": "1"}}}}, Permission.VIEW_PRICES),
    ("scratchCrews", {"jobs": {"some": {}}}, Permission.VIEW_WORK_ORDERS),
    ("scratchCrews", {"jobs": {"every": {"memos": {"some": {}}}}}, Permission.VIEW_JOURNAL),
    ("scratchMemos", {"job": {"crew": {"boss": {"rate": {"lt": "1"}}}}}, Permission.VIEW_TECHNICIAN_COSTS),
]


@pytest.mark.parametrize(("root", "filter", "permission"), RESTRICTED)
async def test_who_may_not_read_may_not_ask_through_a_relation(
    scratch: Dialect, ask: Asking, root: str, filter: dict[str, Any], permission: Permission
) -> None:
    await fill()
    every = {
        Permission.VIEW_TECHNICIAN_COSTS,
        Permission.VIEW_PRICES,
        Permission.VIEW_WORK_ORDERS,
        Permission.VIEW_JOURNAL,
    }
    await kept(ask, root, filter, holding(*every))
    kind = {"scratchCrews": "Crew", "scratchJobs": "Job", "scratchMemos": "Memo"}[root]
    document = f"query ($f: {kind}Filter) {{ {root}(filter: $f) {{ totalCount }} }}"
    ask.statements.clear()
    refused = await ask(document, holding(*(every - {permission})), f=filter)
    assert [error["extensions"] for error in refused["errors"]] == [{"code": "NOT_PERMITTED", "permission": permission}]
    assert ask.statements == []


def nested(levels: int) -> dict[str, Any]:
    return {"not": nested(levels - 1)} if levels else {"crew": {"boss": {}}}


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        (nested(DEPTH_MAX - 1), f"A filter has at most {DEPTH_MAX} levels."),
        ({"title": {"in": ["x"] * (OPTIONS_MAX + 1)}}, f"Give at most {OPTIONS_MAX} values at once."),
        ({"and": [{}] * (OPTIONS_MAX + 1)}, f"Give at most {OPTIONS_MAX} values at once."),
        (
            {"and": [{"crew": {"name": {"in": ["x"] * 100}}}] * (VALUES_MAX // 100)},
            f"A filter compares with at most {VALUES_MAX} values in all.",
        ),
    ],
)
async def test_refuses_a_filter_without_measure(scratch: Dialect, ask: Asking, filter: Any, message: str) -> None:
    answer = await ask("query ($f: JobFilter) { scratchJobs(filter: $f) { totalCount } }", f=filter)
    assert [(one["message"], one["extensions"]) for one in answer["errors"]] == [
        (message, {"code": "INVALID_INPUT", "input": ["filter"]})
    ]
    assert ask.statements == []
    assert await kept(ask, "scratchJobs", nested(DEPTH_MAX - 2)) is not None


# Any filter, against a plain evaluation


@dataclass(frozen=True)
class Rows:
    """The tables in memory, as one actor sees them."""

    crews: Sequence[Crew]
    jobs: Sequence[Job]
    memos: Sequence[Memo]

    def of(self, root: str, actor: Actor) -> list[Any]:
        if root == "scratchJobs":
            sees_all = actor.holds(Permission.VIEW_INTERNAL_NOTES)
            return [job for job in self.jobs if sees_all or not job.is_secret]
        return list(self.crews if root == "scratchCrews" else self.memos)

    def holds(self, filter: dict[str, Any], row: Any, actor: Actor) -> bool:
        return all(self._part(name, value, row, actor) for name, value in filter.items())

    def _part(self, name: str, value: Any, row: Any, actor: Actor) -> bool:
        if name == "not":
            return not self.holds(value, row, actor)
        if name in ("and", "or"):
            return (all if name == "and" else any)(self.holds(one, row, actor) for one in value)
        if name in PARENTS:
            root, column = PARENTS[name]
            theirs = [one for one in self.of(root, actor) if one.id == getattr(row, column)]
            return any(self.holds(value, one, actor) for one in theirs)
        if name in CHILDREN:
            root, column = CHILDREN[name]
            theirs = [one for one in self.of(root, actor) if getattr(one, column) == row.id]
            tests = {"some": any, "none": lambda found: not any(found), "every": all}
            return all(tests[word]([self.holds(part, one, actor) for one in theirs]) for word, part in value.items())
        return all(compare(getattr(row, COLUMNS[name][0]), word, given) for word, given in value.items())


PARENTS = {"crew": ("scratchCrews", "crew_id"), "boss": ("scratchCrews", "boss_id"), "job": ("scratchJobs", "job_id")}
CHILDREN = {"jobs": ("scratchJobs", "crew_id"), "memos": ("scratchMemos", "job_id")}
FOLDED: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, given: given.upper() in value.upper(),
    "equalsFold": lambda value, given: value.upper() == given.upper(),
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, given: value == given,
    "in": lambda value, given: value in given,
    "lt": lambda value, given: value < given,
    "lte": lambda value, given: value <= given,
    "gt": lambda value, given: value > given,
    "gte": lambda value, given: value >= given,
}


def compare(value: Any, word: str, given: Any) -> bool:
    """What an operator says of a value."""
    if word == "isNull":
        return (value is None) is given
    if word in ("ne", "notIn"):
        return not compare(value, "eq" if word == "ne" else "in", given)
    if value is None:
        return False
    if isinstance(value, datetime | Decimal | date):
        read = {datetime: datetime.fromisoformat, Decimal: Decimal, date: date.fromisoformat}[type(value)]
        given = [read(one) for one in given] if word == "in" else read(given)
    return (PLAIN.get(word) or FOLDED[word])(value, given)


TEXTS = st.sampled_from([*TITLES, "école", "É", "%", "_", "ss", "alpha", "Ω"])
MOMENTS = st.sampled_from([(NOON + timedelta(milliseconds=step)).isoformat() for step in (-1, 0, 1)])
COLUMNS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "title": ("title", TEXTS),
    "name": ("name", TEXTS),
    "text": ("text", TEXTS),
    "crewId": ("crew_id", st.sampled_from([crew_id(number) for number in range(3)])),
    "weight": ("weight", st.integers(2, 10)),
    "rank": ("rank", st.integers(0, 8)),
    "number": ("number", st.integers(0, 9)),
    "price": ("price", st.sampled_from(["1.25", "1.2500", "0", "-1"])),
    "rate": ("rate", st.sampled_from(["12.5", "-3", "1000.0001", "0"])),
    "latitude": ("latitude", st.sampled_from([0.3, 0.1 + 0.2, -1.5])),
    "dueAt": ("due_at", MOMENTS),
    "at": ("at", MOMENTS),
    "startedOn": ("started_on", st.sampled_from(["2020-02-29", "2020-03-01", "2024-01-01"])),
    "mood": ("mood", st.sampled_from(["CALM", "BUSY"])),
    "isActive": ("is_active", st.booleans()),
    "isSecret": ("is_secret", st.booleans()),
}
FIELDS = {
    "scratchCrews": ["name", "rank", "rate", "latitude", "startedOn", "mood", "isActive", "boss", "jobs"],
    "scratchJobs": ["title", "crewId", "weight", "price", "dueAt", "isSecret", "crew", "memos"],
    "scratchMemos": ["text", "number", "at", "job"],
}
COMPARING = ["lt", "lte", "gt", "gte"]
WORDS = {name: ["eq", "ne", "in", "notIn", "isNull", *COMPARING] for name in COLUMNS}
WORDS |= {name: [*WORDS[name], *FOLDED] for name in ("title", "name", "text")}
WORDS |= {name: ["eq", "ne", "in", "notIn", "isNull"] for name in ("crewId", "mood")}
WORDS |= {name: ["eq", "isNull"] for name in ("isActive", "isSecret")}


@st.composite
def filters(draw: st.DrawFn, root: str, levels: int = 4) -> dict[str, Any]:
    """Any filter of a list, as deep as filters may be."""
    names = draw(st.lists(st.sampled_from([*FIELDS[root], "and", "or", "not"]), max_size=2, unique=True))
    return {name: draw(_value(name, root, levels)) for name in names if name in COLUMNS or levels}


def _value(name: str, root: str, levels: int) -> st.SearchStrategy[Any]:
    if name == "not":
        return filters(root, levels - 1)
    if name in ("and", "or"):
        return st.lists(filters(root, levels - 1), max_size=2)
    if name in PARENTS:
        return filters(PARENTS[name][0], levels - 1)
    if name in CHILDREN:
        return st.dictionaries(
            st.sampled_from(["some", "none", "every"]), filters(CHILDREN[name][0], levels - 1), max_size=2
        )
    one = COLUMNS[name][1]
    operands = {"isNull": st.booleans(), "in": st.lists(one, max_size=3), "notIn": st.lists(one, max_size=3)}
    words = st.lists(st.sampled_from(WORDS[name]), min_size=1, max_size=2, unique=True)
    return words.flatmap(lambda chosen: st.fixed_dictionaries({word: operands.get(word, one) for word in chosen}))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
async def test_any_filter_keeps_what_a_plain_evaluation_keeps(
    scratch: Dialect, ask: Asking, data: st.DataObject
) -> None:
    known = getattr(db.connection(), "scratch_rows", None)
    if known is None:
        known = Rows(*await fill())
        db.connection().scratch_rows = known  # type: ignore[attr-defined]  # rows that stay for all examples
    root = data.draw(st.sampled_from(list(FIELDS)))
    actor = data.draw(st.sampled_from([MANAGER, holding(*(set(Permission) - {Permission.VIEW_INTERNAL_NOTES}))]))
    filter = data.draw(filters(root))
    expected = {int(row.id[-2:]) for row in known.of(root, actor) if known.holds(filter, row, actor)}
    assert await kept(ask, root, filter, actor) == expected


def test_a_field_with_a_permission_of_its_own_asks_for_that_of_its_column_too() -> None:
    @filterable(Job)
    class PriceFilter:
        """Which jobs."""

        price: DecimalFilter | None = by("What it costs.", permission=Permission.VIEW_JOURNAL)

    spec = spec_of(PriceFilter)
    spec.protect("price", Permission.VIEW_PRICES)
    both = frozenset({Permission.VIEW_JOURNAL, Permission.VIEW_PRICES})
    for held in (both, *({one} for one in both)):
        actor = Actor(ORGANIZATION, ActorKind.API_KEY, "key_1", permissions=frozenset(held))
        if held == both:
            assert spec.condition(actor, {"price": {"eq": Decimal(1)}}) is not None
        else:
            with pytest.raises(NotPermitted):
                spec.condition(actor, {"price": {"eq": Decimal(1)}})
