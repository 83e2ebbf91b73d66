"""Cursors, ids and filters that were changed on their way, of one's own and of others: refused or harmless, never a bug,
and never a row of somebody else.

TRUCKROLL_TEST_FORGERIES says how many of each kind are tried; 10,000 is a long run.
"""

import base64
import json
import os
from random import Random
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLNonNull, GraphQLScalarType

from app.infrastructure import journal
from app.kernel.dialects import Dialect
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from schema.kit import problems
from tests.schema import documents
from tests.schema.asking import ask, codes
from tests.schema.fuzzing import ANYTHING, TEXTS
from tests.schema.tenants import Tenant, found

COUNT = int(os.environ.get("TRUCKROLL_TEST_FORGERIES", "250"))
HARMLESS = {
    "INVALID_INPUT", "NOT_FOUND", "NOT_PERMITTED", "RESYNC_REQUIRED", "BAD_USER_INPUT", "TOO_EXPENSIVE",
    "GRAPHQL_VALIDATION_FAILED",
}  # fmt: skip
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/%. é\u202e"
# Lists whose arguments beyond the page make no difference here.
LISTS = sorted(
    name
    for name, field in documents.roots("query").items()
    if "after" in field.args and "first" in field.args
    and not any(isinstance(one.type, GraphQLNonNull) and one.default_value is None for one in field.args.values())
)  # fmt: skip


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(sqlite_database: Dialect) -> tuple[Tenant, Tenant]:
    return await found("a", 910_000), await found("b", 920_000)


async def page(tenant: Tenant, name: str, **variables: Any) -> dict[str, Any]:
    declared = ", ".join(f"${one}: String" for one in variables)
    given = ", ".join(f"{one}: ${one}" for one in variables)
    document = f"query({declared}) {{ {name}(first: 1, {given}) {{ edges {{ cursor node {{ id }} }} }} }}"
    return await ask(tenant.actors[Role.ADMINISTRATOR], document.replace("query()", "query"), variables)


async def cursors_of(tenant: Tenant) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in LISTS:
        edges = ((await page(tenant, name)).get("data") or {}).get(name, {}).get("edges") or []
        if edges:
            found[name] = edges[0]["cursor"]
    return found


def mutated(text: str, chance: Random) -> str:
    """A text with a small change in it, or in what it holds."""
    at = chance.randrange(len(text) + 1)
    match chance.randrange(9):
        case 0:
            return text[:at] + chance.choice(ALPHABET) + text[at + 1 :]
        case 1:
            return text[:at]
        case 2:
            return text[:at] + chance.choice(ALPHABET) * chance.choice((1, 2, 500)) + text[at:]
        case 3:
            return text[::-1]
        case 4:
            return chance.choice(TEXTS).replace("\ud800", "")
        case _:
            return _with_other_values(text, chance)


def _with_other_values(text: str, chance: Random) -> str:
    """A cursor that is well made, with something else in it."""
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        return text + "x"
    other = chance.choice((*ANYTHING, *TEXTS, 10**30, -(2**63), 2**53 + 1, "x" * 700, new_id("wo"), [[[1]]]))
    match chance.randrange(4):
        case 0:
            values.append(other)
        case 1 if len(values) > 1:
            values.pop()
        case 2:
            values[0] = other
        case _:
            values[chance.randrange(len(values))] = other
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def judge(answer: dict[str, Any], foreign: frozenset[str], what: object) -> None:
    assert set(codes(answer)) <= HARMLESS, (codes(answer), what)
    leaked = [id for id in foreign if id in json.dumps(answer.get("data"))]
    assert leaked == [], what


async def test_changed_and_foreign_cursors_give_no_bug_and_no_row_of_others(tenants: tuple[Tenant, Tenant]) -> None:
    ours, theirs = tenants
    own, foreign = await cursors_of(ours), await cursors_of(theirs)
    assert len(own) > 20 and len(foreign) > 20, "there is something to forge"
    chance = Random(7)
    pool = [*own.values(), *foreign.values(), await journal_cursor(ours), await journal_cursor(theirs)]
    seen = 0
    for number in range(COUNT):
        name = LISTS[number % len(LISTS)]
        kept = number % 5 == 0
        cursor = chance.choice(pool) if kept else mutated(own.get(name) or chance.choice(pool), chance)
        answer = await page(ours, name, after=cursor)
        judge(answer, theirs.ids, (name, cursor))
        seen += "data" in answer and answer["data"] is not None
    assert seen, "some cursors still lead somewhere"


async def journal_cursor(tenant: Tenant) -> str:
    return str((await ask(tenant.actors[Role.ADMINISTRATOR], "{ journalCursor }"))["data"]["journalCursor"])


async def test_changed_cursors_of_the_journal_give_no_bug_and_no_fact_of_others(tenants: tuple[Tenant, Tenant]) -> None:
    ours, theirs = tenants
    chance = Random(8)
    pool = [await journal_cursor(ours), await journal_cursor(theirs)]
    heads = {one.id for one in await journal.read(theirs.organization_id, 0)}
    document = "query($c: String!) { changes(after: $c, first: 20) { nodes { id subjectId } } }"
    for number in range(COUNT // 4):
        cursor = pool[number % 2] if number % 7 == 0 else mutated(chance.choice(pool), chance)
        answer = await ask(ours.actors[Role.ADMINISTRATOR], document, {"c": cursor})
        judge(answer, theirs.ids | heads, cursor)


async def test_changed_and_foreign_ids_are_nobodys(tenants: tuple[Tenant, Tenant]) -> None:
    ours, theirs = tenants
    chance = Random(9)
    known, foreign = sorted(ours.ids), sorted(theirs.ids)
    document = "query($id: ID!, $ids: [ID!]!) { node(id: $id) { id } nodes(ids: $ids) { id } }"
    for number in range(COUNT):
        id = foreign[number % len(foreign)] if number % 2 else mutated(chance.choice(known), chance)
        ids = [chance.choice(foreign), mutated(chance.choice(known), chance), new_id("wo")]
        answer = await ask(ours.actors[Role.ADMINISTRATOR], document, {"id": id, "ids": ids})
        judge(answer, theirs.ids, (id, ids))
        if id in theirs.ids:
            alike = await ask(
                ours.actors[Role.ADMINISTRATOR], document, {"id": new_id(id.partition("_")[0]), "ids": ids[2:]}
            )
            assert (answer.get("data") or {}).get("node") == (alike.get("data") or {}).get("node")


async def test_filters_with_anything_in_them_give_no_bug_and_no_row_of_others(tenants: tuple[Tenant, Tenant]) -> None:
    ours, theirs = tenants
    chance = Random(10)
    shown = {
        name: documents.roots("query")[name].args["filter"].type
        for name in LISTS
        if "filter" in documents.roots("query")[name].args
    }
    names = sorted(shown)
    for number in range(COUNT):
        name = names[number % len(names)]
        fields = sorted(documents.named(shown[name]).fields.items())
        field, declared = chance.choice(fields)
        operators = getattr(documents.named(declared.type), "fields", None)
        value: Any = chance.choice((*TEXTS, *ANYTHING, *sorted(theirs.ids)))
        if operators is not None and not isinstance(declared.type, GraphQLScalarType):
            value = {chance.choice(sorted(operators)): chance.choice((value, [value], {"eq": value}))}
        filter = chance.choice(
            ({field: value}, {"not": {field: value}}, {"or": [{field: value}]}, {"and": [{field: value}]})
        )
        document = f"query($f: {documents.named(shown[name])}) {{ {name}(first: 5, filter: $f) {{ nodes {{ id }} }} }}"
        answer = await ask(ours.actors[Role.ADMINISTRATOR], document, {"f": filter})
        judge(answer, theirs.ids, (name, filter))
