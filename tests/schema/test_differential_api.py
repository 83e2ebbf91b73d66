"""Random documents over the real types: the reader answers as plain graphql-core over the rows does, for every role."""

import base64
import json
import os
import random
import re
import zlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLInterfaceType, execute_sync, get_named_type, is_leaf_type, parse

from app.customers.models import Site
from app.infrastructure.tables import OwnedTable, Table, add_row
from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from schema.kit.declarations import READABLE_BY_PREFIX, Children, Many
from schema.kit.filters import ByColumn, ByParent, FilterSpec, spec_of
from schema.kit.kinds import Kind
from schema.kit.orders import RELEVANCE, Order
from tests.schema.asking import ask
from tests.schema.documents import CORE, is_connection, readable_types
from tests.schema.reference import Reference, behind, definition_of, knows, roots_for, rows_of
from tests.schema.tenants import Tenant, found

DOCUMENTS = int(os.environ.get("TRUCKROLL_TEST_DOCUMENTS", "10"))
SEED = int(os.environ.get("TRUCKROLL_TEST_SEED", "20260301"))
COPIES = 5
MOMENT = re.compile(r"(\.\d*[1-9])0+\+00:00$")
CURSOR = base64.urlsafe_b64encode(b'["').decode()[:2]
MARKED = re.compile(r"[ab](whole|first|second)-")
MANY = ("con", "site", "eq", "wo", "li", "note", "te", "shift", "abs", "skill", "ter", "svc")
WORDS = {
    "wo": {
        "status": ("SUBMITTED", "ON_HOLD", "CLOSED", "CANCELED"),
        "priority": ("LOW", "NORMAL", "HIGH", "EMERGENCY"),
    },
    "note": {"visibility": ("INTERNAL", "CUSTOMER")},
    "abs": {"kind": ("SICK", "VACATION")},
}
PREFIXES = {one.name: prefix for prefix, one in READABLE_BY_PREFIX.items()}
OPERATORS = {
    Kind.NUMBER: ("eq", "ne", "lt", "gte", "in", "notIn", "isNull"),
    Kind.DECIMAL: ("eq", "ne", "lte", "gt", "in", "isNull"),
    Kind.MOMENT: ("eq", "ne", "lt", "gte", "isNull"),
    Kind.DAY: ("eq", "ne", "lt", "gte", "isNull"),
    Kind.TEXT: ("eq", "ne", "in", "notIn", "startsWith", "endsWith", "contains", "equalsFold", "isNull"),
    Kind.BOOLEAN: ("eq", "isNull"),
}


Tenants = tuple[Tenant, Tenant]


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(database: Dialect) -> Tenants:
    return await two_companies()


@pytest_asyncio.fixture(loop_scope="session")
async def sqlite_tenants(sqlite_database: Dialect) -> Tenants:
    return await two_companies()


async def two_companies() -> Tenants:
    """Two companies with many rows of the kinds that people list."""
    ours, theirs = await found("a", 910_000), await found("b", 920_000)
    dice = random.Random(SEED)
    for tenant in (ours, theirs):
        for row in list(tenant.every_row):
            await multiply(row, dice)
    return ours, theirs


async def multiply(row: Table, dice: random.Random) -> None:
    """Rows like this one, with other numbers and times, and texts that some of them share or lack."""
    if row.prefix not in MANY:
        return
    meta = type(row)._meta
    unique = {name for group in meta.unique_together for name in group}
    for number in range(COPIES):
        later = timedelta(minutes=dice.randrange(4))
        values: dict[str, Any] = {}
        for name in meta.fields_db_projection:
            value, column = getattr(row, name), meta.fields_map[name]
            if name in ("id", "version", "created_at", "updated_at"):
                continue
            marked = isinstance(value, str) and MARKED.match(value) is not None
            if marked and name in unique:
                value = f"{value} {number}"
            elif column.null and not name.endswith(("_id", "latitude", "longitude")) and dice.random() < 0.3:
                value = None
            elif marked:
                value = value.partition("-")[0] + dice.choice(("-a", "-B", "-b", "-Ä"))
            elif isinstance(value, datetime):
                value += later
            elif isinstance(value, int | Decimal) and value > 900_000:
                value += dice.randint(-1, 1)
            values[name] = value
        values |= {name: dice.choice(words) for name, words in WORDS.get(row.prefix, {}).items()}
        await add_row(type(row), **values)


class Writer:
    """Writes random documents that are valid, for somebody who may use what they ask for."""

    def __init__(self, reference: Reference, dice: random.Random) -> None:
        self.actor, self.tables, self.dice = reference.actor, reference.everything, dice
        self.ids = [row.id for rows in self.tables.values() for row in rows if row.prefix in READABLE_BY_PREFIX]
        self.roots = roots_for(self.actor)
        self.fragments: list[str] = []

    def document(self) -> str:
        """A query of one to three root fields."""
        self.fragments = []
        query: Any = CORE.query_type
        fields = [
            f"r{number}: {self.field(query, self.dice.choice(self.roots), 0)}"
            for number in range(self.dice.randint(1, 3))
        ]
        both = "both: __typename @include(if: $yes) @skip(if: $no)"
        return f"query ($yes: Boolean!, $no: Boolean!) {{ {both} {' '.join(fields)} }} {' '.join(self.fragments)}"

    def field(self, type: Any, name: str, depth: int, when: str = "") -> str:
        """A field with arguments and a directive, and what is asked of what it answers with."""
        field = type.fields[name]
        named = get_named_type(field.type)
        asked = f"{name}{self.arguments(type, name)}{when}"
        if is_leaf_type(named):
            return asked
        return f"{asked} {self.page(named, depth) if is_connection(named) else self.selection(named, depth)}"

    def arguments(self, type: Any, name: str) -> str:
        """Ids, or a page's size, filter and order."""
        field = type.fields[name]
        if name == "nodes":
            return f"(ids: {json.dumps([*self.dice.sample(self.ids, 6), 'x'])})"
        if "id" in field.args:
            prefix = "" if name == "node" else f"{PREFIXES[get_named_type(field.type).name]}_"
            return f"(id: {json.dumps(self.dice.choice([id for id in self.ids if id.startswith(prefix)]))})"
        declaration = getattr(definition_of(type, name), "declaration", None)
        if not isinstance(declaration, Children | Many):
            return ""
        given = []
        if self.dice.random() < 0.7:
            given.append(f"{self.dice.choice(['first', 'last'])}: {self.dice.randint(1, 7)}")
        if declaration.filter is not None and self.dice.random() < 0.5:
            given.append(f"filter: {self.filter(spec_of(declaration.filter), 0)}")
        if declaration.order is not None and self.dice.random() < 0.6:
            given.append(f"orderBy: [{', '.join(self.terms(declaration.order))}]")
        return f"({', '.join(given)})" if given else ""

    def terms(self, order: Order) -> list[str]:
        """What to sort by."""
        known = [
            one.name for one in order.terms.values() if all(map(self.may, one.permissions)) and one.name != RELEVANCE
        ]
        chosen = self.dice.sample(known, min(len(known), self.dice.randint(1, 3)))
        return [f"{{field: {one}, direction: {self.dice.choice(['ASC', 'DESC'])}}}" for one in chosen]

    def may(self, permission: Any) -> bool:
        """Whether the asker holds a permission, if one is asked for."""
        return permission is None or self.actor.holds(permission)

    def filter(self, spec: FilterSpec, depth: int) -> str:
        """A filter of one or two conditions, some of them turned round or combined."""
        kind = self.dice.random()
        if depth < 2 and kind < 0.15:
            return f"{{not: {self.filter(spec, depth + 1)}}}"
        if depth < 2 and kind < 0.35:
            return f"{{{self.dice.choice(['and', 'or'])}: [{self.filter(spec, depth + 1)}, {self.filter(spec, depth + 1)}]}}"
        known = {
            name: one
            for name, one in spec.fields.items()
            if self.may(one.permission)
            and (
                isinstance(one, ByColumn)
                or (isinstance(one, ByParent) and depth < 2 and self.may(one.target.permission))
            )
        }
        if not known:
            return "{}"
        chosen = self.dice.sample(sorted(known), min(len(known), self.dice.randint(1, 2)))
        return "{" + ", ".join(f"{name}: {self.condition(spec, name, known[name], depth)}" for name in chosen) + "}"

    def condition(self, spec: FilterSpec, name: str, field: Any, depth: int) -> str:
        """A comparison with a value that some row has, or what must be true of the row it points to."""
        if isinstance(field, ByParent):
            return self.filter(field.target, depth + 1)
        type: Any = get_named_type(CORE.type_map[spec.name].fields[name].type)  # type: ignore[union-attr]
        values = [one for row in self.tables[spec.model] if (one := getattr(row, field.column)) is not None]
        if is_leaf_type(type):
            return self.literal(self.dice.choice(values) if values else None, type)
        operator = self.dice.choice([one for one in OPERATORS[field.kind] if one in type.fields])
        operand = get_named_type(type.fields[operator].type)
        if operator == "isNull" or not values:
            return f"{{isNull: {self.dice.choice(['true', 'false'])}}}" if "isNull" in type.fields else "{}"
        picked = [self.literal(self.dice.choice(values), operand) for _ in range(2)]
        if operator in ("startsWith", "endsWith", "contains", "equalsFold"):
            text = str(self.dice.choice(values))
            part = {"startsWith": text[:3], "endsWith": text[-2:], "contains": text[1:4], "equalsFold": text}[operator]
            return f"{{{operator}: {json.dumps(self.dice.choice([part, part.swapcase()]), ensure_ascii=False)}}}"
        return f"{{{operator}: {'[' + ', '.join(picked) + ']' if operator in ('in', 'notIn') else picked[0]}}}"

    def literal(self, value: Any, type: Any) -> str:
        """A value as a document has it."""
        if value is None:
            return "null"
        if isinstance(value, datetime | date):
            return json.dumps(value.isoformat())
        if isinstance(value, Decimal):
            return json.dumps(str(value))
        return str(value) if type.name in CORE.type_map and hasattr(type, "values") else json.dumps(value)

    def page(self, type: Any, depth: int) -> str:
        """Some fields of a connection."""
        row = get_named_type(type.fields["nodes"].type)
        made = {
            "nodes": lambda: f"nodes {self.selection(row, depth + 1)}",
            "edges": lambda: f"edges {{ cursor node {self.selection(row, depth + 1)} }}",
            "pageInfo": lambda: "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }",
            "totalCount": lambda: "totalCount",
            "__typename": lambda: "__typename",
        }
        return "{ " + " ".join(made[name]() for name in self.dice.sample(list(made), self.dice.randint(1, 4))) + " }"

    def selection(self, type: Any, depth: int, *, among_others: bool = False) -> str:
        """Some fields of an object; under names of their own where fields of other types stand beside them."""
        if isinstance(type, GraphQLInterfaceType):
            kinds = self.dice.sample(list(readable_types().values()), 3)
            return (
                "{ __typename id "
                + " ".join(f"... on {one.name} {self.selection(one, depth + 1, among_others=True)}" for one in kinds)
                + " }"
            )
        names = [name for name in type.fields if behind(type) is None or knows(type, name)]
        if depth > 2:
            names = [name for name in names if behind(rows_of(type.fields[name])) is None]
        parts = ["__typename"] if self.dice.random() < 0.2 else []
        for name in self.dice.sample(names, min(len(names), self.dice.randint(2, 6))):
            own_name = among_others or type.fields[name].args or self.dice.random() < 0.15
            alias = f"a{self.dice.randrange(10**9)}: " if own_name else ""
            when = self.dice.choice(["", "", "", "", " @include(if: $yes)", " @skip(if: $yes)"])
            parts.append(alias + self.field(type, name, depth + 1, when))
        if behind(type) is not None and not among_others and depth < 3 and self.dice.random() < 0.25:
            parts.append(self.spread(type, depth))
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def spread(self, type: Any, depth: int) -> str:
        """The same type again, as a fragment."""
        inner = self.selection(type, depth + 1)
        if self.dice.random() < 0.5:
            return f"... on Node {{ id }} ... @include(if: ${self.dice.choice(['yes', 'no'])}) {inner}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {type.name} {inner}")
        return f"...{name}"


@pytest.mark.slow
async def test_answers_as_plain_resolvers_do_for_every_role(tenants: Tenants) -> None:
    compared = 0
    reference = Reference()
    for role in Role:
        writer = Writer(
            await reference.become(tenants[0].actors[role]), random.Random(SEED + zlib.crc32(role.encode()))
        )
        for _ in range(DOCUMENTS):
            document = writer.document()
            compared += await agrees(reference, document)
    assert compared > DOCUMENTS * len(Role) * 0.8


async def test_a_reader_that_shows_too_much_is_noticed(
    sqlite_tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = sqlite_tenants
    reference = await Reference().become(ours.actors[Role.CUSTOMER_USER])
    writer = Writer(reference, random.Random(SEED))
    monkeypatch.setattr(Site, "visible_to", OwnedTable.__dict__["visible_to"])
    with pytest.raises(AssertionError):
        for _ in range(100):
            await agrees(reference, writer.document())


async def agrees(reference: Reference, document: str) -> bool:
    """Whether both answer the same; not, where the document is none because two random fields of one name do not merge."""
    answer = await ask(reference.actor, document, {"yes": True, "no": False})
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    if "data" not in answer:
        assert codes <= {"GRAPHQL_VALIDATION_FAILED"}, (document, answer)
        return False
    assert codes <= {"FORBIDDEN", "NOT_PERMITTED"}, (document, answer["errors"])
    expected = execute_sync(reference.schema, parse(document), variable_values={"yes": True, "no": False})
    assert expected.errors is None, (document, expected.errors)
    told = first_difference(with_ids(answer["data"]), expected.data)
    assert told is None, (reference.actor.roles, *told, document)
    return True


def first_difference(ours: Any, theirs: Any, path: tuple[Any, ...] = ()) -> Any:
    """Where two answers differ first, and what stands there."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        pairs = ((name, ours[name], theirs[name]) for name in ours)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = zip(range(len(ours)), ours, theirs, strict=True)
    else:
        same = as_written(ours) == as_written(theirs) and isinstance(ours, bool) == isinstance(theirs, bool)
        return None if same else (path, ours, theirs)
    return next((one for name, a, b in pairs if (one := first_difference(a, b, (*path, name)))), None)


def with_ids(value: Any, key: str = "") -> Any:
    """An answer whose cursors are the ids of the rows that they stand for."""
    if isinstance(value, dict):
        return {name: with_ids(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [with_ids(one) for one in value]
    if key in ("cursor", "startCursor", "endCursor") and str(value).startswith(CURSOR):
        return json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))[-1]
    return value


def as_written(value: Any) -> Any:
    """A value without the last zeros of a second, which PostgreSQL leaves out."""
    return MOMENT.sub(r"\1+00:00", value) if isinstance(value, str) else value
