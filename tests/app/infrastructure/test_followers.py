"""Followers handle every fact they follow, in order, once in the database, and are not stopped by one they cannot bear."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app import database as db
from app.infrastructure import followers, journal, metrics
from app.infrastructure.command import command
from app.infrastructure.followers import FOLLOWERS, Follower, Followers, follows, replay_parked_fact, status
from app.infrastructure.journal import Entry
from app.infrastructure.models import FollowerCursor, JournalEntry, ParkedFact
from app.kernel.actor import Actor, user_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput, NotFound, NotPermitted
from app.kernel.permissions import Role
from tests.app.infrastructure.happenings import (
    BellBroken,
    BellRung,
    add_note,
    break_bell,
    brief,
    facts,
    notes,
    ring_bell,
)

LONG = 30


def follower(react: Callable[[Actor, Entry], Any], *types: str, **more: Any) -> Follower:
    return Follower("test.follower", frozenset(types or ("BellRung",)), react, **more)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():
            await asyncio.sleep(0.01)


async def cursor() -> FollowerCursor | None:
    return await FollowerCursor.get_or_none(follower="test.follower", organization_id="org_ours")


async def test_hears_the_facts_it_follows_in_order_and_no_others(
    database: Dialect, actor: Actor, stranger: Actor
) -> None:
    heard: list[Entry] = []

    async def hear(who: Actor, entry: Entry) -> None:
        assert who.organization_id == entry.organization_id
        heard.append(entry)

    await ring_bell(actor, "b1", times=2)
    await break_bell(actor, "b2")
    await ring_bell(stranger, "b3")
    running = Followers([follower(hear)])
    await running.catch_up()
    ours = [entry for entry in heard if entry.organization_id == "org_ours"]
    assert brief(ours) == [(1, "BellRung", "b1"), (2, "BellRung", "b1"), (3, "BellRung", "b2")]
    assert brief([entry for entry in heard if entry not in ours]) == [(1, "BellRung", "b3")]
    await running.catch_up()
    await Followers([follower(hear)]).catch_up()
    assert len(heard) == 4


async def test_what_it_changes_and_its_place_are_one_transaction(database: Dialect, actor: Actor) -> None:
    async def note(who: Actor, entry: Entry) -> None:
        await add_note(who, f"heard {entry.seq}")
        if entry.seq == 2 and broken:
            raise ZeroDivisionError

    broken = True
    await ring_bell(actor, "rung", times=3)
    await Followers([follower(note)]).catch_up()
    stored = await cursor()
    assert stored is not None
    assert (await notes(actor), stored.seq, stored.failing_seq, stored.attempts) == (["rung", "heard 1"], 1, 2, 1)
    broken = False
    await FollowerCursor.all().update(retry_at=utc_now())
    await Followers([follower(note)]).catch_up()
    stored = await cursor()
    assert stored is not None
    assert await notes(actor) == ["rung", "heard 1", "heard 2", "heard 3"]
    assert (stored.seq, stored.failing_seq, stored.attempts, stored.retry_at) == (3, None, 0, None)


async def test_commands_in_a_reaction_join_its_transaction_and_journal(database: Dialect, actor: Actor) -> None:
    async def mend(who: Actor, entry: Entry) -> None:
        await ring_bell(who, "mended")

    await break_bell(actor, "b1")
    await Followers([follower(mend, "BellBroken")]).catch_up()
    entries = await journal.read("org_ours", 2)
    assert [(entry.seq, entry.subject_id, entry.command, entry.actor_id) for entry in entries] == [
        (3, "mended", "follower test.follower", "system")
    ]


async def test_a_fact_that_always_fails_is_set_aside_and_the_follower_goes_on(database: Dialect, actor: Actor) -> None:
    tries: list[int] = []

    async def choke(who: Actor, entry: Entry) -> None:
        tries.append(entry.seq)
        await add_note(who, f"heard {entry.seq}")
        if entry.seq == 2:
            raise ValueError("cannot bear it")

    await ring_bell(actor, "rung", times=3)
    running = Followers([follower(choke)], retry_seconds_min=0.001)
    async with asyncio.timeout(LONG):
        while not await ParkedFact.all().exists():
            await running.catch_up()
            await asyncio.sleep(0.005)
    await running.catch_up()
    assert await notes(actor) == ["rung", "heard 1", "heard 3"]
    # Once in the batch of three, then alone, as often as it may.
    assert tries.count(2) == followers.TRIES + 1
    parked = await ParkedFact.get()
    entry = (await journal.read("org_ours", 1, 1))[0]
    assert (parked.follower, parked.organization_id, parked.seq, parked.fact_id, parked.type, parked.attempts) == (
        "test.follower", "org_ours", 2, entry.id, "BellRung", followers.TRIES
    )  # fmt: skip
    assert (parked.error, parked.replayed_at) == ("ValueError: cannot bear it", None)
    stored = await cursor()
    assert stored is not None
    assert (stored.seq, stored.failing_seq, stored.attempts) == (3, None, 0)


async def test_waits_before_it_tries_again_while_the_others_go_on(
    database: Dialect, actor: Actor, stranger: Actor
) -> None:
    heard: list[tuple[str, int]] = []

    async def choke(who: Actor, entry: Entry) -> None:
        heard.append((who.organization_id, entry.seq))
        if who.organization_id == "org_ours":
            raise ValueError

    async def hear(who: Actor, entry: Entry) -> None:
        heard.append(("other", entry.seq))

    await ring_bell(actor)
    running = Followers(
        [follower(choke), Follower("test.other", frozenset({"BellRung"}), hear)], retry_seconds_min=LONG
    )
    await running.catch_up()
    await running.catch_up()
    assert sorted(heard) == [("org_ours", 1), ("other", 1)]
    await ring_bell(stranger)
    await ring_bell(actor)
    await running.catch_up()
    assert sorted(heard) == [("org_ours", 1), ("org_theirs", 1), ("other", 1), ("other", 1), ("other", 2)]


async def test_a_parked_fact_can_be_replayed_once(
    database: Dialect, actor: Actor, stranger: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hear(who: Actor, entry: Entry) -> None:
        if broken:
            raise ZeroDivisionError
        await add_note(who, f"heard {entry.seq}")

    broken = True
    monkeypatch.setattr(followers, "TRIES", 1)
    monkeypatch.setitem(FOLLOWERS, "test.follower", follower(hear))
    await ring_bell(actor, "rung")
    await Followers([follower(hear)]).catch_up()
    parked = await ParkedFact.get()
    assert [one for one in await status("org_ours") if one.follower == "test.follower"] == [
        followers.FollowerStatus("test.follower", 0, None, None, 0, 1)
    ]
    with pytest.raises(ZeroDivisionError):
        await replay_parked_fact(actor, parked.id)
    assert (await ParkedFact.get()).replayed_at is None
    broken = False
    with pytest.raises(NotFound):
        await replay_parked_fact(stranger, parked.id)
    with pytest.raises(NotPermitted):
        await replay_parked_fact(user_actor("org_ours", "usr_1", frozenset({Role.DISPATCHER})), parked.id)
    assert await notes(actor) == ["rung"]
    assert await replay_parked_fact(actor, parked.id) == parked.id
    with pytest.raises(InvalidInput):
        await replay_parked_fact(actor, parked.id)
    assert await notes(actor) == ["rung", "heard 1"]
    assert [one.parked for one in await status("org_ours") if one.follower == "test.follower"] == [0]


async def test_passes_over_facts_that_are_too_old_for_it(database: Dialect, actor: Actor) -> None:
    heard: list[int] = []

    async def hear(who: Actor, entry: Entry) -> None:
        heard.append(entry.seq)

    await ring_bell(actor, times=3)
    await JournalEntry.filter(seq__lte=2).update(at=utc_now() - timedelta(hours=2))
    await Followers([follower(hear, forget_after_hours=1)]).catch_up()
    assert heard == [3]


async def test_facts_nobody_follows_cost_no_transaction_each(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hear(who: Actor, entry: Entry) -> None:
        raise AssertionError

    units: list[object] = []
    unit_of_work = db.unit_of_work

    async def counted(work: Any, **more: Any) -> Any:
        units.append(work)
        return await unit_of_work(work, **more)

    await ring_bell(actor, times=300)
    monkeypatch.setattr(db, "unit_of_work", counted)
    running = Followers([follower(hear, "BellBroken")])
    await running.catch_up()
    assert (units, await cursor()) == ([], None)
    monkeypatch.undo()
    await ring_bell(actor, times=300)
    # Now it is worth noting how far it came, or a new process would read all of it again.
    await running.catch_up()
    stored = await cursor()
    assert stored is not None
    assert stored.seq >= 500


async def test_many_processes_handle_every_fact_once_while_it_happens(
    database: Dialect, actor: Actor, stranger: Actor, bus: None
) -> None:
    """What counts is what is in the database: a batch that lost its race was rolled back."""

    async def note(who: Actor, entry: Entry) -> None:
        await add_note(who, f"heard {entry.seq:04}")

    running = [asyncio.create_task(Followers([follower(note)], poll_seconds=0.02).run()) for _ in range(3)]
    try:
        for _ in range(20):
            await ring_bell(actor, "rung", times=2)
            await ring_bell(stranger, "rung")
        async with asyncio.timeout(LONG):
            while (len(await notes(actor)), len(await notes(stranger))) != (60, 40):
                await asyncio.sleep(0.02)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert [one for one in await notes(actor) if one != "rung"] == [f"heard {seq:04}" for seq in range(1, 41)]
    assert [one for one in await notes(stranger) if one != "rung"] == [f"heard {seq:04}" for seq in range(1, 21)]
    assert await ParkedFact.all().count() == 0


async def test_another_process_takes_over_at_once_where_one_stopped(database: Dialect, actor: Actor) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def think(who: Actor, entry: Entry) -> None:
        begun.set()
        await add_note(who, f"heard {entry.seq}")
        await go_on.wait()

    await ring_bell(actor, "rung")
    first = asyncio.create_task(Followers([follower(think)]).run())
    await begun.wait()
    if database is Dialect.POSTGRES:
        # The other one sees that it is in hand, and does not wait for it.
        other = asyncio.create_task(Followers([follower(think)]).catch_up())
        _, late = await asyncio.wait({other}, timeout=5)
        if late:
            go_on.set()
        assert not late
    first.cancel()
    await asyncio.sleep(0.05)
    assert not first.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await notes(actor) == ["rung", "heard 1"]
    await ring_bell(actor, "rung")
    await Followers([follower(think)]).catch_up()
    assert await notes(actor) == ["rung", "heard 1", "rung", "heard 2"]


async def test_outlives_a_database_that_is_away(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def note(who: Actor, entry: Entry) -> None:
        await add_note(who, f"heard {entry.seq}")

    read_rows, unit_of_work, away = db.read_rows, db.unit_of_work, True

    async def read(*args: Any) -> Any:
        if away:
            raise db.ConnectionLost
        return await read_rows(*args)

    async def work(*args: Any, **more: Any) -> Any:
        if away:
            raise db.ConnectionLost
        return await unit_of_work(*args, **more)

    await ring_bell(actor, "rung")
    monkeypatch.setattr(db, "read_rows", read)
    monkeypatch.setattr(db, "unit_of_work", work)
    running = asyncio.create_task(Followers([follower(note)], poll_seconds=0.01).run())
    await asyncio.sleep(0.1)
    away = False
    async with asyncio.timeout(LONG):
        while await notes(actor) != ["rung", "heard 1"]:
            await asyncio.sleep(0.01)
    stored = await cursor()
    assert stored is not None
    assert (stored.attempts, await ParkedFact.all().count()) == (0, 0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_reaction_that_was_too_late_with_an_effect_of_the_database_leaves_nothing(
    database: Dialect, actor: Actor
) -> None:
    """PostgreSQL refuses every statement after a failed one; the batch is begun anew without it."""

    @command(None)
    async def clash(who: Actor, seq: int) -> None:
        """Add the same row twice."""
        row = await add_note(who, f"heard {seq}")
        if seq == 2:
            await row.save(force_create=True)

    async def react(who: Actor, entry: Entry) -> None:
        await clash(who, entry.seq)

    await ring_bell(actor, "rung", times=2)
    await Followers([follower(react)]).catch_up()
    assert await notes(actor) == ["rung", "heard 1"]
    stored = await cursor()
    assert stored is not None
    assert (stored.seq, stored.failing_seq) == (1, 2)


def test_a_follower_needs_something_to_follow_and_a_name_of_its_own() -> None:
    async def react(who: Actor, entry: Entry) -> None: ...

    with pytest.raises(TypeError):
        follows()(react)
    with pytest.raises(TypeError):
        follows(BellRung, name="x" * 100)(react)
    before = dict(FOLLOWERS)
    try:
        follows(BellRung, BellBroken, name="test.bells")(react)
        assert FOLLOWERS["test.bells"].types == {"BellRung", "BellBroken"}
        with pytest.raises(TypeError):
            follows(BellRung, name="test.bells")(react)
    finally:
        FOLLOWERS.clear()
        FOLLOWERS.update(before)


async def test_the_status_counts_what_waits_and_not_what_is_not_followed(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def choke(who: Actor, entry: Entry) -> None:
        raise ValueError

    monkeypatch.setattr(followers, "FOLLOWERS", {"test.follower": follower(choke, "BellBroken", "BellBent")})
    await ring_bell(actor, times=5)
    await break_bell(actor)
    await break_bell(actor)
    [first, _] = await JournalEntry.filter(type="BellBroken").order_by("seq")
    assert await status("org_ours") == [followers.FollowerStatus("test.follower", 2, first.at, None, 0, 0)]
    await Followers(followers.FOLLOWERS.values()).catch_up()
    assert await status("org_ours") == [followers.FollowerStatus("test.follower", 2, first.at, 7, 1, 0)]
    assert await status("org_theirs") == [followers.FollowerStatus("test.follower", 0, None, None, 0, 0)]
    assert (await facts(actor))[-1] == (9, "BellBroken", "bell")


async def test_the_lag_and_what_was_set_aside_are_told_for_each_follower(
    database: Dialect, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(name: str) -> float:
        start = f'{name}{{follower="test.follower"}} '
        [line] = [line for line in metrics.render().decode().splitlines() if line.startswith(start)]
        return float(line.removeprefix(start))

    async def choke(who: Actor, entry: Entry) -> None:
        if broken:
            raise ValueError

    broken = True
    await ring_bell(actor, times=3)
    await JournalEntry.filter(seq=2).update(at=utc_now() - timedelta(hours=1))
    await JournalEntry.filter(seq=1).update(at=utc_now() - timedelta(hours=2))
    monkeypatch.setattr(followers, "TRIES", 1)
    monkeypatch.setattr(followers, "MEASURED_EVERY_SECONDS", 0.0)
    running = Followers([follower(choke)])
    await running.catch_up()
    assert told("truckroll_facts_set_aside") == 3
    assert (told("truckroll_follower_lag_facts"), told("truckroll_follower_lag_seconds")) == (0, 0)
    monkeypatch.setattr(followers, "TRIES", 5)
    await JournalEntry.filter(seq=3).update(at=utc_now() - timedelta(hours=1))
    await ring_bell(actor)
    await JournalEntry.filter(seq=4).update(at=utc_now() - timedelta(hours=1))
    await running.catch_up()
    assert told("truckroll_follower_lag_facts") == 1
    assert 3600 <= told("truckroll_follower_lag_seconds") < 3700
    broken = False
    await FollowerCursor.all().update(retry_at=None)
    await running.catch_up()
    assert (told("truckroll_follower_lag_facts"), told("truckroll_follower_lag_seconds")) == (0, 0)
