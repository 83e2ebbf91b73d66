"""The journal as evidence: every fact is sealed, and whatever is done to a sealed one is found and named."""

import asyncio
import contextvars
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app import database as db
from app.infrastructure import audit, chain, journal, metrics, sealing
from app.infrastructure.audit import Verdict, find_head, read_head, verify
from app.infrastructure.models import JournalEntry, JournalHead, JournalSeal
from app.kernel.actor import Actor, system_actor
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from tests.app.infrastructure.happenings import break_bell, ring_bell

KEY, OTHER_KEY = "a key that is known to few people only", "another key that is as long as the first"
FACTS = 1000
DAMAGES_EACH = 5


@pytest.fixture(autouse=True)
def keyed() -> Iterator[None]:
    chain.configure([KEY])
    yield
    chain.configure([])


async def broken(organization_id: str = "org_ours", **more: Any) -> int | None:
    """The first fact that is wrong."""
    found = (await verify(organization_id, **more)).broken
    return None if found is None else found.seq


async def rows() -> list[dict[str, Any]]:
    return await JournalEntry.filter(organization_id="org_ours").order_by("seq").values()


async def put_back(whole: list[dict[str, Any]]) -> None:
    await JournalEntry.all().delete()
    await JournalEntry.bulk_create([JournalEntry(**row) for row in whole])


async def test_facts_of_all_kinds_are_sealed_in_their_order_each_organization_alone(
    database: Dialect, actor: Actor, stranger: Actor
) -> None:
    await ring_bell(actor, "b1", times=3)
    await break_bell(stranger, "b2")
    assert await sealing.seal_everything() == 5
    for organization_id, count in (("org_ours", 3), ("org_theirs", 2)):
        records = await journal.read_records(organization_id, 0)
        assert [record.previous_hash for record in records] == ["", *(record.hash for record in records[:-1])]
        assert len({record.hash for record in records}) == count
        assert await verify(organization_id) == Verdict(organization_id, count, count, 0, None)
    assert await sealing.seal_everything() == 0
    await break_bell(actor)
    assert await verify("org_ours") == Verdict("org_ours", 5, 3, 0, None)
    assert await sealing.seal_everything() == 2
    assert await verify("org_ours") == Verdict("org_ours", 5, 5, 0, None)


async def alter(whole: list[dict[str, Any]], index: int, chance: random.Random) -> int:
    row = whole[index]
    values: dict[str, Any] = {
        "actor_id": "usr_nobody", "command": "nothing", "type": "BellBroken", "noun": "gong", "subject_id": "b9",
        "customer_id": "cus_9", "technician_ids": ["tech_9"], "payload": {"changes": {"times": [7, 8]}},
        "request_id": "r9", "at": row["at"].replace(microsecond=(row["at"].microsecond + 1) % 10**6), "id": f"fact_{index}",
        "hash": "hmac-sha256-" + "A" * 43, "previous_hash": "hmac-sha256-" + "B" * 43, "actor_kind": "USER",
    }  # fmt: skip
    name = chance.choice(sorted(values))
    await JournalEntry.filter(id=row["id"]).delete()
    await JournalEntry.bulk_create([JournalEntry(**{**row, name: values[name]})])
    return index + 1


async def delete(whole: list[dict[str, Any]], index: int, chance: random.Random) -> int:
    await JournalEntry.filter(id=whole[index]["id"]).delete()
    return index + 1


async def insert(whole: list[dict[str, Any]], index: int, chance: random.Random) -> int:
    """One more in between; those behind it move up."""
    await JournalEntry.filter(seq__gt=index + 1).delete()
    more = {**whole[index], "id": "fact_more", "seq": index + 2}
    later = [{**row, "seq": row["seq"] + 1} for row in whole[index + 1 :]]
    await JournalEntry.bulk_create([JournalEntry(**row) for row in [more, *later]])
    await JournalHead.filter(organization_id="org_ours").update(seq=len(whole) + 1)
    return index + 2


async def reorder(whole: list[dict[str, Any]], index: int, chance: random.Random) -> int:
    first, second = sorted((index, chance.choice([one for one in range(len(whole)) if one != index])))
    await JournalEntry.filter(id__in=[whole[first]["id"], whole[second]["id"]]).delete()
    swapped = [{**whole[first], "seq": second + 1}, {**whole[second], "seq": first + 1}]
    await JournalEntry.bulk_create([JournalEntry(**row) for row in swapped])
    return first + 1


async def truncate(whole: list[dict[str, Any]], index: int, chance: random.Random) -> int:
    await JournalEntry.filter(seq__gt=index).delete()
    return index + 1


async def truncate_with_all_marks(whole: list[dict[str, Any]], index: int, chance: random.Random) -> int:
    """As somebody would who knows the tables: only a head that was kept elsewhere tells."""
    await JournalEntry.filter(seq__gt=index).delete()
    await JournalHead.filter(organization_id="org_ours").update(seq=index)
    await JournalSeal.filter(organization_id="org_ours").update(
        seq=index, hash=whole[index - 1]["hash"] if index else ""
    )
    assert await broken() is None
    return index + 1


async def unseal(whole: list[dict[str, Any]], index: int, chance: random.Random) -> int:
    await JournalEntry.filter(seq__gt=index).update(hash=None, previous_hash=None)
    return index + 1


@pytest.mark.parametrize(
    "damage", [alter, delete, insert, reorder, truncate, truncate_with_all_marks, unseal], ids=lambda one: one.__name__
)
async def test_whatever_is_done_to_a_fact_is_found_and_the_first_wrong_one_is_named(
    database: Dialect, actor: Actor, damage: Callable[..., Any]
) -> None:
    await ring_bell(actor, "bell", times=FACTS)
    await sealing.seal_everything()
    whole, kept, last = await rows(), await find_head("org_ours"), (await JournalSeal.get()).hash
    chance = random.Random(damage.__name__)
    for index in [0, FACTS - 1, *chance.sample(range(1, FACTS - 1), DAMAGES_EACH - 2)]:
        wrong = await damage(whole, index, chance)
        assert await broken(head=kept) == wrong, (damage.__name__, index)
        await put_back(whole)
        await JournalHead.filter(organization_id="org_ours").update(seq=FACTS)
        await JournalSeal.filter(organization_id="org_ours").update(seq=FACTS, hash=last)
    assert await broken(head=kept) is None


async def test_a_fact_that_was_added_behind_the_end_is_found(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, "bell", times=3)
    await sealing.seal_everything()
    [*_, last] = await rows()
    await JournalEntry.bulk_create([JournalEntry(**{**last, "id": "fact_more", "seq": 4, "hash": None})])
    assert await broken() == 4


async def test_a_chain_that_was_made_anew_shows_without_the_key_and_against_a_head(
    database: Dialect, actor: Actor
) -> None:
    await ring_bell(actor, "bell", times=10)
    await sealing.seal_everything()
    kept = await find_head("org_ours")

    async def forge(*keys: str) -> None:
        chain.configure(keys)
        await JournalEntry.filter(seq=4).update(actor_id="usr_nobody")
        await JournalEntry.filter(seq__gte=4).update(hash=None, previous_hash=None)
        before = await JournalEntry.get(seq=3)
        await JournalSeal.filter(organization_id="org_ours").update(seq=3, hash=before.hash)
        await sealing.seal_everything()
        chain.configure([KEY])

    await forge()
    assert await broken() == 4
    await forge(OTHER_KEY)
    assert await broken() == 4
    await forge(KEY)
    assert await broken() is None
    assert await broken(head=kept) == 10


async def test_seals_from_before_there_was_a_key_are_good_up_to_where_one_says(database: Dialect, actor: Actor) -> None:
    chain.configure([])
    await ring_bell(actor, "bell", times=3)
    await sealing.seal_everything()
    assert await broken() is None
    chain.configure([KEY])
    await ring_bell(actor, "bell", times=2)
    await sealing.seal_everything()
    assert await broken() == 1
    assert await broken(unkeyed_to=2) == 3
    assert await broken(unkeyed_to=3) is None
    chain.configure([])
    assert await broken() == 4


async def test_a_new_key_seals_and_the_old_ones_still_verify(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor)
    await sealing.seal_everything()
    chain.configure([OTHER_KEY, KEY])
    await ring_bell(actor)
    await sealing.seal_everything()
    assert await broken() is None
    chain.configure([OTHER_KEY])
    assert await broken() == 1


async def test_when_the_mark_of_how_far_we_are_is_lost_nothing_is_sealed_anew(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, "bell", times=5)
    await sealing.seal_everything()
    before = await rows()
    await JournalEntry.filter(seq=2).update(actor_id="usr_nobody")
    await JournalSeal.all().delete()
    await ring_bell(actor)
    await sealing.seal_everything()
    assert [row["hash"] for row in (await rows())[:5]] == [row["hash"] for row in before]
    assert await broken() == 2


async def test_facts_are_sealed_while_many_write_and_several_seal(database: Dialect) -> None:
    organizations = [f"org_{number}" for number in range(3)]
    done = asyncio.Event()

    async def write(number: int) -> None:
        for _ in range(8):
            await ring_bell(system_actor(organizations[number % 3]), "bell", times=number % 4 + 1)

    async def seal() -> None:
        while not done.is_set():
            await sealing.seal_everything()
            await asyncio.sleep(0)

    sealers = [asyncio.create_task(seal()) for _ in range(3)]
    verdicts = []
    writers = asyncio.gather(*(write(number) for number in range(12)))
    while not writers.done():
        verdicts.append(await verify("org_0"))
        await asyncio.sleep(0)
    await writers
    done.set()
    await asyncio.gather(*sealers)
    await sealing.seal_everything()
    assert [one.broken for one in verdicts] == [None] * len(verdicts)
    for organization_id in organizations:
        head = await journal.head(organization_id)
        assert await verify(organization_id) == Verdict(organization_id, head, head, 0, None)


async def test_two_who_seal_the_same_facts_do_it_once(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, "bell", times=sealing.BATCH_SIZE + 10)
    counts = await asyncio.gather(*(sealing.seal_batch("org_ours") for _ in range(4)))
    assert sum(counts) in (sealing.BATCH_SIZE, sealing.BATCH_SIZE + 10)
    await sealing.seal_everything()
    assert await broken() is None


async def test_a_gap_stays_visible_and_what_comes_after_it_is_sealed(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, "bell", times=5)
    await JournalEntry.filter(seq=3).delete()
    assert await sealing.seal_everything() == 4
    assert await broken() == 3


async def test_the_lag_is_told_in_facts_and_seconds(database: Dialect, actor: Actor, stranger: Actor) -> None:
    await ring_bell(actor, "bell", times=4)
    await ring_bell(stranger)
    facts, seconds = await sealing.lag()
    assert facts == 5 and 0 < seconds < 60
    assert (await sealing.lag("org_theirs"))[0] == 1
    await sealing.seal_everything()
    assert await sealing.lag() == (0, 0.0)
    told = metrics.render()
    assert b"truckroll_journal_unsealed_facts 0.0" in told
    assert b'truckroll_journal_facts{place="table"} 5.0' in told
    assert b'truckroll_journal_facts{place="archive"} 0.0' in told


async def test_a_command_does_not_wait_for_whoever_seals(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor)
    await sealing.seal_everything()
    if database is Dialect.SQLITE:
        pytest.skip("one writer at a time, whoever it is")

    outside = contextvars.copy_context()

    async def hold() -> None:
        await JournalSeal.filter(organization_id="org_ours").select_for_update().first()
        async with asyncio.timeout(20):
            await asyncio.get_running_loop().create_task(ring_bell(actor), context=outside)

    await db.unit_of_work(hold)
    assert await journal.head("org_ours") == 2


def test_a_head_is_read_as_it_was_printed() -> None:
    head = audit.Head("org_1", 12, "sha256-abc")
    assert read_head(f" {head}\n") == head
    for line in ("", "org_1 twelve x", "org_1 12"):
        with pytest.raises(InvalidInput):
            read_head(line)
