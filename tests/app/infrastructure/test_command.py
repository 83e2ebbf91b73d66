"""Commands: all or nothing, once per idempotency key, and facts with the transaction or not at all."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app import database as db
from app.infrastructure import broadcast, command, journal, metrics
from app.infrastructure.command import COMMANDS, forget_old_keys, idempotency_key, last_cursor
from app.infrastructure.command import command as a_command
from app.infrastructure.models import IdempotencyKey
from app.kernel.actor import Actor, user_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import IdempotencyMismatch, InvalidInput, NotPermitted, Unavailable
from app.kernel.permissions import Permission, Role
from tests.app.infrastructure.happenings import BellRung, add_note, break_bell, facts, notes, ring_bell


async def test_changes_and_facts_are_committed_together(database: Dialect, actor: Actor) -> None:
    await ring_bell(actor, "b1", times=2)
    assert await facts(actor) == [(1, "BellRung", "b1"), (2, "BellRung", "b1")]
    assert await notes(actor) == ["b1"]
    cursor = last_cursor()
    assert cursor is not None
    assert journal.seq_of(cursor, actor.organization_id) == 2


async def test_a_refused_command_leaves_no_row_and_no_fact(database: Dialect, actor: Actor) -> None:
    with pytest.raises(InvalidInput):
        await ring_bell(actor, "b1", fail=True)
    assert (await facts(actor), await notes(actor), await journal.head(actor.organization_id)) == ([], [], 0)


async def test_refuses_who_lacks_the_permission_before_anything_happens(database: Dialect, actor: Actor) -> None:
    guest = user_actor(actor.organization_id, "usr_1", frozenset({Role.GUEST}))
    with pytest.raises(NotPermitted) as refusal:
        await ring_bell(guest, "b1")
    assert refusal.value.permission == Permission.MANAGE_WORK_ORDERS
    assert (await facts(actor), await notes(actor)) == ([], [])


async def test_a_command_inside_another_joins_it(database: Dialect, actor: Actor) -> None:
    assert await break_bell(actor, "b1") == {"bell": "b1"}
    entries = await journal.read(actor.organization_id, 0)
    assert [(entry.seq, entry.type, entry.command) for entry in entries] == [
        (1, "BellRung", "break_bell"),
        (2, "BellBroken", "break_bell"),
    ]


async def test_wakes_the_bus_after_a_commit_with_facts_only(database: Dialect, actor: Actor, bus: None) -> None:
    with broadcast.news() as news:
        with pytest.raises(InvalidInput):
            await ring_bell(actor, fail=True)
        await ring_bell(actor, times=0)
        assert await news.wait(0.1) == {broadcast.EVERYWHERE}
        await ring_bell(actor)
        assert await news.wait(2) == {actor.organization_id}


async def test_wakes_for_a_topic_after_the_commit_although_nothing_was_recorded(
    database: Dialect, actor: Actor, bus: None
) -> None:
    @a_command(None)
    async def move_bell(actor: Actor, *, fail: bool = False) -> None:
        """Move a bell, which is no fact."""
        journal.announce("bells")
        if fail:
            raise InvalidInput("It is too heavy.")

    with broadcast.news(["bells"]) as news, broadcast.news() as others:
        with pytest.raises(InvalidInput):
            await move_bell(actor, fail=True)
        assert await news.wait(0.1) == {broadcast.EVERYWHERE}
        with idempotency_key("k1"):
            await move_bell(actor)
            assert await news.wait(2) == {f"{actor.organization_id}/bells"}
            await move_bell(actor)
        assert await news.wait(0.1) == {broadcast.EVERYWHERE}
        assert await others.wait(0.1) == {broadcast.EVERYWHERE}
    with pytest.raises(RuntimeError):
        journal.announce("bells")


async def test_a_repeated_key_answers_the_same_and_does_nothing(database: Dialect, actor: Actor) -> None:
    with idempotency_key("k1"):
        first = await ring_bell(actor, "b1")
    cursor = last_cursor()
    with idempotency_key("k1"):
        assert await ring_bell(actor, "b1") == first
    assert last_cursor() == cursor
    assert (await notes(actor), len(await facts(actor))) == (["b1"], 1)


async def test_a_repeated_key_answers_structures_and_nothing_as_they_were(database: Dialect, actor: Actor) -> None:
    @a_command(None)
    async def look(actor: Actor, answer: Any) -> Any:
        """Answer what was asked."""
        return answer

    answers: list[Any] = [None, "", "1", "null", 1, {"a": ["b", None]}, ["x"], True]
    for number, answer in enumerate(answers):
        for _ in range(2):
            with idempotency_key(f"k{number}"):
                assert await look(actor, answer) == answer
    assert await IdempotencyKey.all().count() == len(answers)


async def test_a_key_with_another_request_is_refused(database: Dialect, actor: Actor) -> None:
    with idempotency_key("k1"):
        await ring_bell(actor, "b1")
    for other in (
        lambda: ring_bell(actor, "b2"),
        lambda: ring_bell(actor, "b1", times=2),
        lambda: break_bell(actor, "b1"),
    ):
        with pytest.raises(IdempotencyMismatch), idempotency_key("k1"):
            await other()
    assert (await notes(actor), len(await facts(actor))) == (["b1"], 1)


async def test_keys_of_other_actors_and_organizations_are_other_keys(
    database: Dialect, actor: Actor, stranger: Actor
) -> None:
    colleague = user_actor(actor.organization_id, "usr_1", frozenset({Role.DISPATCHER}))
    with idempotency_key("k1"):
        ids = {await ring_bell(one, "b1") for one in (actor, stranger, colleague)}
    assert len(ids) == 3
    assert (await notes(actor), await notes(stranger)) == (["b1", "b1"], ["b1"])


async def test_a_refused_request_does_not_use_up_its_key(database: Dialect, actor: Actor) -> None:
    with pytest.raises(InvalidInput), idempotency_key("k1"):
        await ring_bell(actor, "b1", fail=True)
    with idempotency_key("k1"):
        await ring_bell(actor, "b2")
    assert await notes(actor) == ["b2"]


async def test_twenty_twins_have_one_effect_and_one_answer(database: Dialect, actor: Actor) -> None:
    async def twin() -> str:
        with idempotency_key("k1"):
            return await ring_bell(actor, "b1")

    answers = await asyncio.gather(*(twin() for _ in range(20)))
    assert len(set(answers)) == 1
    assert (await notes(actor), await facts(actor)) == (["b1"], [(1, "BellRung", "b1")])


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_refuses_keys_of_no_sensible_length(key: str) -> None:
    with pytest.raises(InvalidInput), idempotency_key(key):
        pass


async def test_forgets_keys_after_their_time_and_not_before(database: Dialect, actor: Actor) -> None:
    for key in ("old", "new"):
        with idempotency_key(key):
            await ring_bell(actor, key)
    long_ago = utc_now() - timedelta(hours=command.KEYS_KEPT_HOURS, minutes=1)
    await IdempotencyKey.filter(key="old").update(created_at=long_ago)
    assert await forget_old_keys() == 1
    assert [row.key for row in await IdempotencyKey.all()] == ["new"]


async def test_a_fact_outside_a_command_is_a_bug_of_ours(database: Dialect, actor: Actor) -> None:
    with pytest.raises(RuntimeError, match="outside a command"):
        journal.record(BellRung(subject_id="b"))


async def test_a_task_that_outlives_its_command_cannot_add_to_it(database: Dialect, actor: Actor) -> None:
    over = asyncio.Event()
    late: list[asyncio.Task[str]] = []

    async def later() -> str:
        await over.wait()
        with pytest.raises(RuntimeError, match="outside a command"):
            journal.record(BellRung(subject_id="lost"))
        return await ring_bell(actor, "later")

    @a_command(None)
    async def leave_something_behind(actor: Actor) -> None:
        """Start a task and go."""
        late.append(asyncio.create_task(later()))
        journal.record(BellRung(subject_id="now"))

    await leave_something_behind(actor)
    over.set()
    await late[0]
    assert await facts(actor) == [(1, "BellRung", "now"), (2, "BellRung", "later")]


@pytest.mark.parametrize("error", [db.Busy, db.ConnectionLost, db.TookTooLong, db.StorageFull])
async def test_a_database_that_cannot_now_is_unavailable_and_nothing_is_changed(
    database: Dialect, actor: Actor, error: type[Exception]
) -> None:
    @a_command(None)
    async def hit_the_wall(actor: Actor) -> None:
        """Write, then hit the wall."""
        await add_note(actor, "half done")
        raise error

    with pytest.raises(Unavailable) as refusal:
        await hit_the_wall(actor)
    assert refusal.value.data() == {"retryAfterSeconds": 1}
    assert await notes(actor) == []


async def test_an_unknown_outcome_is_cleared_up_by_the_key(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = db.unit_of_work

    async def commit_and_lose_the_answer(work: Any) -> Any:
        await commit(work)
        raise db.OutcomeUnknown

    monkeypatch.setattr(db, "unit_of_work", commit_and_lose_the_answer)
    with idempotency_key("k1"):
        assert isinstance(await ring_bell(actor, "b1"), str)
    with pytest.raises(Unavailable, match="may have been saved or not"):
        await ring_bell(actor, "b2")


async def test_counts_what_became_of_commands(database: Dialect, actor: Actor) -> None:
    def count(outcome: str) -> float:
        sample = f'truckroll_commands_total{{command="ring_bell",outcome="{outcome}"}} '
        lines = [line for line in metrics.render().decode().splitlines() if line.startswith(sample)]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    done, refused = count("DONE"), count("INVALID_INPUT")
    await ring_bell(actor)
    with pytest.raises(InvalidInput):
        await ring_bell(actor, fail=True)
    assert (count("DONE"), count("INVALID_INPUT")) == (done + 1, refused + 1)


def test_a_command_that_does_not_say_what_it_does_does_not_load() -> None:
    async def silent(actor: Actor) -> None:
        pass

    with pytest.raises(TypeError, match="does not say"):
        a_command(None)(silent)
    assert not [name for name in COMMANDS if name.endswith("silent")]
