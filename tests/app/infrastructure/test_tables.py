"""Rows are found only by those who may see them, and changed without losing what others changed."""

import asyncio

import pytest

from app import database as db
from app.infrastructure.conditions import column, everything
from app.infrastructure.models import Job, OutboxMessage, ParkedFact
from app.infrastructure.tables import (
    BY_PREFIX,
    OwnedTable,
    Table,
    add_row,
    change_row,
    find_one,
    find_rows,
    lock_one,
    register,
    require_text,
    require_visible,
)
from app.kernel.actor import Actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.errors import AlreadyExists, InvalidInput, NotFound, StaleVersion
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from tests.app.infrastructure.happenings import add_note


async def test_finds_the_row_for_its_own_organization_alone(database: Dialect, actor: Actor, stranger: Actor) -> None:
    row = await add_note(actor, "hello")
    assert (await find_one(OutboxMessage, actor, row.id)).text == "hello"
    absent = new_id("obx")
    for asker, id in ((stranger, row.id), (actor, absent)):
        with pytest.raises(NotFound) as refusal:
            await find_one(OutboxMessage, asker, id, path="message")
        assert (refusal.value.noun, refusal.value.id, refusal.value.path) == ("outgoing message", id, ("message",))


async def test_operations_tables_are_seen_with_the_permission_alone(database: Dialect, actor: Actor) -> None:
    row = await add_note(actor, "hello")
    technician = user_actor(actor.organization_id, "usr_1", frozenset({Role.TECHNICIAN}))
    with pytest.raises(NotFound):
        await find_one(OutboxMessage, technician, row.id)


async def test_refuses_ids_of_another_kind_without_asking_the_database(actor: Actor) -> None:
    for id in ("", "obx_1", new_id("wo"), "obx_" + "Z" * 26, new_id("obx") + "'"):
        with pytest.raises(InvalidInput) as refusal:
            await find_one(OutboxMessage, actor, id)
        assert refusal.value.path == ("id",)


async def test_require_visible_names_the_first_that_is_not(database: Dialect, actor: Actor, stranger: Actor) -> None:
    ours, theirs = await add_note(actor, "a"), await add_note(stranger, "b")
    found = await require_visible(OutboxMessage, actor, [ours.id, ours.id], "ids")
    assert list(found) == [ours.id]
    assert await require_visible(OutboxMessage, actor, [], "ids") == {}
    with pytest.raises(NotFound) as refusal:
        await require_visible(OutboxMessage, actor, [ours.id, theirs.id], "ids")
    assert refusal.value.id == theirs.id


async def test_orders_and_limits(database: Dialect, actor: Actor) -> None:
    for text in "bca":
        await add_note(actor, text)
    rows = await find_rows(OutboxMessage, everything(), order=["-text"], limit=2)
    assert [row.text for row in rows] == ["c", "b"]
    rows = await find_rows(OutboxMessage, column("text").one_of("ab"), order=["channel", "text"])
    assert [row.text for row in rows] == ["a", "b"]


async def test_locks_only_the_version_that_the_client_saw(database: Dialect, actor: Actor) -> None:
    row = await add_note(actor, "a")

    async def change(version: int | None) -> int:
        locked = await lock_one(OutboxMessage, actor, row.id, version=version)
        await change_row(locked, text=locked.text + "!")
        return locked.version

    assert await db.unit_of_work(lambda: change(1)) == 2
    with pytest.raises(StaleVersion) as refusal:
        await db.unit_of_work(lambda: change(1))
    assert (refusal.value.expected, refusal.value.actual) == (1, 2)
    assert await db.unit_of_work(lambda: change(None)) == 3
    assert (await find_one(OutboxMessage, actor, row.id)).text == "a!!"


async def test_changes_the_named_columns_and_nothing_else(database: Dialect, actor: Actor) -> None:
    row = await add_note(actor, "a")
    elsewhere = await find_one(OutboxMessage, actor, row.id)
    await OutboxMessage.filter(id=row.id).update(subject="set by somebody else")
    assert await change_row(elsewhere, text="b", subject="") == {"text": ["a", "b"]}
    stored = await find_one(OutboxMessage, actor, row.id)
    assert (stored.text, stored.subject, stored.version) == ("b", "set by somebody else", 2)
    assert (elsewhere.text, elsewhere.version) == ("b", 2)
    assert stored.updated_at > stored.created_at


async def test_a_change_to_the_same_value_is_none(database: Dialect, actor: Actor) -> None:
    row = await add_note(actor, "a")
    assert await change_row(row, text="a") == {}
    stored = await find_one(OutboxMessage, actor, row.id)
    assert (stored.version, stored.updated_at) == (1, row.updated_at)


async def test_a_change_on_top_of_an_unseen_one_is_refused(database: Dialect, actor: Actor) -> None:
    row = await add_note(actor, "a")
    other = await find_one(OutboxMessage, actor, row.id)
    await change_row(row, text="b")
    with pytest.raises(StaleVersion) as refusal:
        await change_row(other, text="c")
    assert (refusal.value.expected, refusal.value.actual) == (1, 2)
    assert (await find_one(OutboxMessage, actor, row.id)).text == "b"
    await OutboxMessage.filter(id=row.id).delete()
    with pytest.raises(StaleVersion) as refusal:
        await change_row(row, text="d")
    assert refusal.value.actual == 0


async def test_a_taken_id_is_refused_and_the_row_stays(database: Dialect, actor: Actor) -> None:
    id = new_id("obx")
    values = {"organization_id": actor.organization_id, "channel": "NOTE", "recipient": "x"}
    await add_row(OutboxMessage, id=id, text="first", **values)
    with pytest.raises(AlreadyExists):
        await add_row(OutboxMessage, id=id, text="second", **values)
    with pytest.raises(InvalidInput):
        await add_row(OutboxMessage, id=new_id("wo"), text="third", **values)
    assert [row.text for row in await OutboxMessage.all()] == ["first"]


async def test_of_two_at_the_same_moment_one_has_the_id_and_the_other_hears_that_it_is_taken(
    database: Dialect, actor: Actor
) -> None:
    id, added, go_on = new_id("obx"), asyncio.Event(), asyncio.Event()
    values = {"id": id, "organization_id": actor.organization_id, "channel": "NOTE", "recipient": "x"}

    async def first() -> None:
        await add_row(OutboxMessage, text="first", **values)
        added.set()
        await go_on.wait()

    async def second() -> None:
        await add_row(OutboxMessage, text="second", **values)

    faster = asyncio.create_task(db.unit_of_work(first))
    await added.wait()
    slower = asyncio.create_task(db.unit_of_work(second))
    await asyncio.sleep(0.1)
    go_on.set()
    await faster
    with pytest.raises(AlreadyExists) as refusal:
        await slower
    assert (refusal.value.noun, refusal.value.path) == ("outgoing message", ("id",))
    assert [row.text for row in await OutboxMessage.all()] == ["first"]


async def test_what_must_be_unique_and_is_taken_is_said_by_name(database: Dialect, actor: Actor) -> None:
    values = {"organization_id": actor.organization_id, "channel": "NOTE", "recipient": "x", "text": "a"}
    await add_row(OutboxMessage, effect_key="first", **values)
    other = await add_row(OutboxMessage, effect_key="second", **values)
    for again in (
        lambda: add_row(OutboxMessage, effect_key="first", **values),
        lambda: change_row(other, effect_key="first"),
    ):
        with pytest.raises(AlreadyExists) as refusal:
            await again()
        assert refusal.value.path == ("effectKey",)
    assert (other.effect_key, other.version) == ("second", 1)
    assert await OutboxMessage.all().count() == 2


async def test_rows_keep_json_moments_and_nothing_as_they_were(database: Dialect, actor: Actor) -> None:
    row = await add_row(
        Job,
        organization_id=actor.organization_id,
        kind="k",
        status="QUEUED",
        payload={"a": [1, None, "ü"]},
        run_at=(await add_note(actor, "x")).created_at,
        requested_by="usr_1",
    )
    found = await find_one(Job, actor, row.id)
    assert (found.payload, found.result, found.run_at, found.cancel_requested) == (row.payload, None, row.run_at, False)
    assert await change_row(found, payload={"b": 1}, cancel_requested=True) == {
        "payload": [{"a": [1, None, "ü"]}, {"b": 1}],
        "cancel_requested": [False, True],
    }
    assert (await find_one(Job, actor, row.id)).payload == {"b": 1}


def test_text_is_stripped_and_bounded() -> None:
    assert require_text("  a b ", "name", longest=3) == "a b"
    assert require_text("", "name", longest=3, shortest=0) == ""
    for text in ("", "   ", "abcd"):
        with pytest.raises(InvalidInput) as refusal:
            require_text(text, "name", longest=3)
        assert refusal.value.path == ("name",)


def test_a_prefix_belongs_to_one_table() -> None:
    assert BY_PREFIX["park"] is ParkedFact

    class Nameless(OwnedTable):
        class Meta:
            abstract = True

    class Thief(Nameless):
        prefix, noun = "park", "thief"

        class Meta:
            abstract = True

    for model in (Nameless, Thief):
        with pytest.raises(TypeError):
            register(model)
    assert BY_PREFIX["park"] is ParkedFact


def test_a_table_that_does_not_say_who_may_see_it_is_seen_by_nobody(actor: Actor) -> None:
    with pytest.raises(NotImplementedError):
        Table.visible_to(actor)
