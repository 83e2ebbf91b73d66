"""The delta feed: each fact once and in order, however many write; and nothing for those it is not for."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest_asyncio

from app.customers import commands as customers
from app.infrastructure import journal
from app.infrastructure.models import JournalEntry
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.pages import encode_cursor
from app.kernel.permissions import Role
from tests.schema.asking import ask, codes
from tests.schema.integrations.exports import Office, an_office

CHANGES = """query($after: String!, $first: Int = 100, $nouns: [String!], $facts: [String!]) {
  changes(after: $after, first: $first, nouns: $nouns, facts: $facts) {
    cursor hasMore nodes { cursor id fact noun subjectId actorId } } }"""


@pytest_asyncio.fixture
async def office(database: Dialect, tmp_path: Path) -> Office:
    return await an_office(tmp_path)


async def page(actor: Actor, after: str, **more: Any) -> dict[str, Any]:
    answer = await ask(actor, CHANGES, {"after": after, **more})
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]["changes"]
    return found


async def refused(actor: Actor, after: str, **more: Any) -> list[str]:
    return codes(await ask(actor, CHANGES, {"after": after, **more}))


async def head_of(office: Office) -> str:
    return journal.cursor_at(office.organization_id, await journal.head(office.organization_id))


async def created(office: Office, name: str) -> str:
    return await customers.create_customer(office.boss, name=name, type="RESIDENTIAL", currency="USD")


async def test_two_dozen_writers_and_three_readers_miss_and_repeat_no_fact(office: Office) -> None:
    start = await head_of(office)
    done = asyncio.Event()

    async def write(number: int) -> list[str]:
        made = [await created(office, f"W{number}") for _ in range(3)]
        await customers.update_customer(office.boss, made[0], name="Renamed")
        return made

    async def read(size: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = start
        while True:
            finished = done.is_set()
            one = await page(office.boss, cursor, first=size)
            found += one["nodes"]
            cursor = one["cursor"]
            if finished and not one["hasMore"]:
                return found
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read(size)) for size in (1, 7, 100)]
    written = await asyncio.gather(*(write(number) for number in range(24)))
    done.set()
    expected = Counter(("CustomerCreated", id) for made in written for id in made)
    expected.update(("CustomerUpdated", made[0]) for made in written)
    whole = [entry.id for entry in await journal.read(office.organization_id, 0, 1000)][-sum(expected.values()) :]
    for found in await asyncio.gather(*readers):
        assert Counter((one["fact"], one["subjectId"]) for one in found) == expected
        assert [one["id"] for one in found] == whole


async def test_each_facts_own_cursor_is_a_place_to_go_on_from(office: Office) -> None:
    start = await head_of(office)
    ids = [await created(office, f"C{number}") for number in range(5)]
    facts = (await page(office.boss, start))["nodes"]
    assert [one["subjectId"] for one in facts] == ids
    for index, one in enumerate(facts):
        rest = await page(office.boss, one["cursor"])
        assert [other["subjectId"] for other in rest["nodes"]] == ids[index + 1 :]
    at_end = await page(office.boss, facts[-1]["cursor"])
    assert at_end == {"cursor": facts[-1]["cursor"], "hasMore": False, "nodes": []}


async def test_facts_that_are_not_for_somebody_are_passed_over_and_the_cursor_moves_on(office: Office) -> None:
    ours, theirs = await created(office, "Ours"), await created(office, "Theirs")
    start = await head_of(office)
    owner = await office.person(Role.ACCOUNT_ADMINISTRATOR, customer_id=ours)
    for _ in range(3):
        await customers.update_customer(office.boss, theirs, name=f"Theirs {_}")
    await customers.update_customer(office.boss, ours, name="Ours anew")
    first = await page(owner, start, first=3)
    assert (first["nodes"], first["hasMore"], first["cursor"] != start) == ([], True, True)
    second = await page(owner, first["cursor"])
    assert [(one["fact"], one["subjectId"]) for one in second["nodes"]] == [("CustomerUpdated", ours)]
    assert second["hasMore"] is False


async def test_only_the_facts_that_are_asked_for_come_and_the_others_are_passed_over(office: Office) -> None:
    start = await head_of(office)
    id = await created(office, "A")
    site = await customers.create_site(office.boss, customer_id=id, name="Pier", address_line="1 Pier Street")
    await customers.update_customer(office.boss, id, name="B")
    end = await head_of(office)
    for wanted, told in (
        ({"nouns": ["site"]}, [site]),
        ({"facts": ["CustomerUpdated"]}, [id]),
        ({"nouns": ["site"], "facts": ["CustomerUpdated"]}, []),
        ({"nouns": []}, []),
        ({"nouns": ["site", "customer"]}, [id, site, id]),
    ):
        found = await page(office.boss, start, **wanted)
        assert [one["subjectId"] for one in found["nodes"]] == told, wanted
        assert (found["cursor"], found["hasMore"]) == (end, False)
    assert await refused(office.boss, start, nouns=["sight"]) == ["INVALID_INPUT"]
    assert await refused(office.boss, start, facts=["CustomerRenamed"]) == ["INVALID_INPUT"]


async def test_a_cursor_of_another_company_or_a_made_up_one_is_refused(office: Office) -> None:
    await created(office, "A")
    other = encode_cursor("j", ["org_01jd0000000000000000000000", 1])
    for cursor in (
        other,
        "",
        "x",
        encode_cursor("j", [office.organization_id, -1]),
        encode_cursor("x", [office.organization_id, 1]),
    ):
        assert await refused(office.boss, cursor) == ["INVALID_INPUT"], cursor
    assert await refused(office.boss, await head_of(office), first=0) == ["INVALID_INPUT"]
    assert await refused(office.boss, await head_of(office), first=101) == ["INVALID_INPUT"]


async def test_a_place_that_is_no_longer_kept_or_not_there_yet_means_to_read_everything_anew(office: Office) -> None:
    start = await head_of(office)
    for number in range(4):
        await created(office, f"C{number}")
    head = await journal.head(office.organization_id)
    beyond = journal.cursor_at(office.organization_id, head + 1)
    assert await refused(office.boss, beyond) == ["RESYNC_REQUIRED"]
    await JournalEntry.filter(organization_id=office.organization_id, seq__lte=head - 2).delete()
    assert await refused(office.boss, start) == ["RESYNC_REQUIRED"]
    kept = await page(office.boss, journal.cursor_at(office.organization_id, head - 2))
    assert len(kept["nodes"]) == 2
    await JournalEntry.filter(organization_id=office.organization_id).delete()
    answer = await ask(office.boss, CHANGES, {"after": start})
    assert answer["errors"][0]["extensions"] == {"code": "RESYNC_REQUIRED", "cursor": await head_of(office)}
    assert (await page(office.boss, await head_of(office)))["nodes"] == []


async def test_who_may_not_follow_hears_nothing(office: Office) -> None:
    start = await head_of(office)
    specialist = await office.person(Role.INVENTORY_SPECIALIST)
    assert (await page(specialist, start))["nodes"] == []
    answer = await ask(None, CHANGES, {"after": start})
    assert codes(answer) == ["NOT_AUTHENTICATED"]
