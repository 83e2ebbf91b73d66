"""Signing in, staying signed in and signing out, and what an attacker gets from each."""

import asyncio
import hashlib
import re
from datetime import timedelta

import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.identity import commands, models, queries, rules, sign_in
from app.identity.secret import Secret
from app.infrastructure import tokens
from app.infrastructure.command import idempotency_key
from app.infrastructure.models import IdempotencyKey
from app.kernel.calendar import utc_now
from app.kernel.errors import (
    AlreadyExists,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RateLimited,
    Unavailable,
)
from app.kernel.permissions import Role
from app.technicians import commands as technicians
from tests.app.identity.test_accounts import hire

PASSWORD = "a kettle sings at noon"
OFFICE, CAFE = "203.0.113.7", "198.51.100.9"


@pytest_asyncio.fixture
async def grace(lamp):
    return await hire(lamp, "grace@lamp.example", Role.ADMINISTRATOR, password=PASSWORD)


@pytest.fixture(autouse=True)
def fresh_cache():
    queries.forget_actors()


async def log_in(password=PASSWORD, address=OFFICE, login="grace@lamp.example"):
    return await sign_in.log_in(login, password, address=address, user_agent="pytest")


async def outcomes():
    return [one.outcome for one in await models.LoginAttempt.all().order_by("at", "id")]


async def later(seconds, *models_and_columns):
    """Move the times of rows into the past, as if so many seconds had gone by."""
    for model, *columns in models_and_columns:
        for row in await model.all():
            moved = {name: getattr(row, name) - timedelta(seconds=seconds) for name in columns if getattr(row, name)}
            await model.filter(id=row.id).update(**moved)
    queries.forget_actors()


async def wait(seconds):
    await later(seconds, (models.LoginAttempt, "at"))


async def test_the_right_password_gives_a_session_that_stands_for_the_user(lamp, grace):
    session = await log_in()
    actor = await queries.actor_of_token(session.access_token, OFFICE)
    assert actor == queries.actor_of(await models.User.get(id=grace.id), session.session_id)
    assert (await models.User.get(id=grace.id)).last_login_at is not None
    assert (await models.User.get(id=grace.id)).version == 1
    row = await models.Session.get(id=session.session_id)
    assert (row.address, row.user_agent, row.user_id) == (OFFICE, "pytest", grace.id)
    assert timedelta(minutes=29) < session.access_expires_at - utc_now() <= timedelta(minutes=30)
    assert timedelta(days=13) < session.refresh_expires_at - utc_now() <= timedelta(days=14)
    assert await outcomes() == ["SUCCEEDED"]
    assert (await lamp.facts())[-1] == "SessionStarted"


async def test_no_token_stands_in_the_database(lamp, grace):
    session = await log_in()
    row = dict(iter(await models.Session.get(id=session.session_id)))
    halves = [session.access_token, session.refresh_token, *session.refresh_token.split(".")]
    assert not [value for value in map(str, row.values()) if any(half in value for half in halves)]
    assert session.access_token not in repr(session)


async def test_the_answer_to_wrong_unknown_and_deactivated_is_the_same(lamp, grace):
    gone = await hire(lamp, "gone@lamp.example", Role.SUPPORT, password=PASSWORD)
    await hire(lamp, "new@lamp.example", Role.SUPPORT)
    await commands.deactivate_user(grace, gone.id)
    before = await lamp.facts()
    told = set()
    for login, password in (
        ("grace@lamp.example", "wrong"),
        ("nobody@lamp.example", PASSWORD),
        ("gone@lamp.example", PASSWORD),
        ("gone@lamp.example", "wrong"),
        ("new@lamp.example", ""),
        ("", ""),
        ("x" * 5000, "y" * 5000),
        ("nul\x00 and \ud800 half@lamp.example", PASSWORD),
    ):
        with pytest.raises(NotAuthenticated) as refused:
            await log_in(password, login=login)
        told.add((refused.value.code, refused.value.message, refused.value.path, str(refused.value.data())))
    assert len(told) == 1
    assert await outcomes() == [
        "WRONG_PASSWORD", "UNKNOWN_LOGIN", "DEACTIVATED", "WRONG_PASSWORD", "WRONG_PASSWORD", "UNKNOWN_LOGIN",
        "UNKNOWN_LOGIN", "UNKNOWN_LOGIN",
    ]  # fmt: skip
    assert await models.Session.all().count() == 0
    assert await lamp.facts() == before


async def test_guessing_is_slowed_down_and_then_the_right_password_waits_too(lamp, grace):
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await log_in("wrong")
    with pytest.raises(RateLimited) as refused:
        await log_in()
    assert 8 <= refused.value.retry_after_seconds <= 10
    assert (await outcomes())[-1] == "SLOWED_DOWN"
    await wait(11)
    with pytest.raises(NotAuthenticated):
        await log_in("wrong")
    with pytest.raises(RateLimited) as refused:
        await log_in()
    assert 18 <= refused.value.retry_after_seconds <= 20
    await wait(21)
    await log_in()
    for _ in range(4):
        with pytest.raises(NotAuthenticated):
            await log_in("wrong")
    await log_in()


async def test_whoever_guesses_does_not_lock_the_owner_out(lamp, grace):
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await log_in("wrong", address=CAFE)
    with pytest.raises(RateLimited):
        await log_in(address=CAFE)
    assert (await log_in(address=OFFICE)).user_id == grace.id
    with pytest.raises(RateLimited):
        await log_in(address=CAFE)


async def test_an_unknown_login_is_slowed_down_just_the_same(lamp, grace):
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await log_in("wrong", login="nobody@lamp.example")
    with pytest.raises(RateLimited):
        await log_in("wrong", login="nobody@lamp.example")


async def test_of_a_login_that_nobody_has_what_was_typed_is_not_kept(lamp, grace):
    for login in (PASSWORD, PASSWORD, "another", "grace@lamp.example"):
        with pytest.raises(NotAuthenticated):
            await log_in("wrong", login=login)
    first, second, other, known = [one.login for one in await models.LoginAttempt.all().order_by("at", "id")]
    assert first == second != other, "it is known again"
    assert known == "grace@lamp.example"
    assert all(re.fullmatch("nobody:[0-9a-f]{64}", one) for one in (first, other))
    assert hashlib.sha256(PASSWORD.encode()).hexdigest() not in first, "nobody finds it by trying"


async def test_guesses_that_come_at_once_get_no_further_than_one_after_the_other(lamp, grace):
    answers = await asyncio.gather(*(log_in("wrong") for _ in range(25)), return_exceptions=True)
    assert {type(one) for one in answers} <= {NotAuthenticated, RateLimited, Unavailable}
    verified = [one for one in await outcomes() if one == "WRONG_PASSWORD"]
    assert len(verified) <= rules.FREE_TRIES


async def test_a_network_that_tries_many_logins_waits_but_not_its_known_people(lamp, grace, monkeypatch):
    monkeypatch.setattr(rules, "NETWORK_FAILURES_MAX", 6)
    await log_in()
    for index in range(6):
        with pytest.raises(NotAuthenticated):
            await log_in("wrong", login=f"guess{index}@lamp.example")
    with pytest.raises(RateLimited):
        await log_in("wrong", login="guess7@lamp.example")
    assert (await log_in()).user_id == grace.id
    with pytest.raises(NotAuthenticated):
        await log_in("wrong", login="guess7@lamp.example", address=CAFE)


async def test_an_access_token_ends_after_half_an_hour(lamp, grace):
    session = await log_in()
    await queries.actor_of_token(session.access_token)
    await later(29 * 60, (models.Session, "access_expires_at"))
    await queries.actor_of_token(session.access_token)
    await later(61, (models.Session, "access_expires_at"))
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(session.access_token)


async def test_a_refresh_gives_a_new_pair_and_spends_the_old(lamp, grace):
    first = await log_in()
    second = await sign_in.refresh_session(first.refresh_token, address=CAFE)
    assert second.session_id == first.session_id
    assert len({first.access_token, first.refresh_token, second.access_token, second.refresh_token}) == 4
    assert (await queries.actor_of_token(second.access_token)).id == grace.id
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(first.access_token)
    assert (await models.Session.get(id=first.session_id)).address == CAFE
    assert (await lamp.facts())[-1] == "SessionStarted"


async def test_two_windows_that_refresh_at_once_get_the_same_pair(lamp, grace):
    first = await log_in()
    pairs = await asyncio.gather(*(sign_in.refresh_session(first.refresh_token) for _ in range(6)))
    assert len({(pair.access_token, pair.refresh_token) for pair in pairs}) == 1
    assert (await queries.actor_of_token(pairs[0].access_token)).id == grace.id
    third = await sign_in.refresh_session(pairs[5].refresh_token)
    assert third.session_id == first.session_id


async def test_a_refresh_token_used_again_after_the_grace_ends_the_session(lamp, grace):
    first = await log_in()
    second = await sign_in.refresh_session(first.refresh_token)
    await later(11, (models.Session, "rotated_at"))
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(first.refresh_token)
    for attempt in (
        sign_in.refresh_session(second.refresh_token),
        queries.actor_of_token(second.access_token),
        sign_in.refresh_session(first.refresh_token),
    ):
        with pytest.raises(NotAuthenticated):
            await attempt
    assert (await models.Session.get(id=first.session_id)).revoked_reason == "TOKEN_REUSED"
    assert (await lamp.facts())[-2:] == ["SessionStarted", "SessionRevoked"]


async def test_a_token_from_turns_ago_is_recognized_even_within_the_grace_of_the_last(lamp, grace):
    stolen = await log_in()
    session = stolen
    for _ in range(3):
        session = await sign_in.refresh_session(session.refresh_token)
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(stolen.refresh_token)
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(session.refresh_token)


async def test_who_knows_only_ids_or_half_a_token_ends_nobodys_session(lamp, grace):
    session = await log_in()
    family, _, turn = session.refresh_token.partition(".")
    other = tokens.new_token(rules.REFRESH_TOKEN)
    for forged in (
        "", ".", family, f"{family}.", f".{turn}", f"{other}.{turn}", session.session_id, f"{session.session_id}.{turn}",
        session.access_token, f"{family}{turn}",
    ):  # fmt: skip
        with pytest.raises(NotAuthenticated):
            await sign_in.refresh_session(forged)
    assert (await sign_in.refresh_session(session.refresh_token)).session_id == session.session_id


async def test_a_session_ends_when_idle_for_two_weeks_and_after_sixty_days_whatever_happens(lamp, grace):
    idle, busy = await log_in(), await log_in()
    await later(14 * 86400 + 1, (models.Session, "refresh_expires_at", "last_used_at"))
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(idle.refresh_token)
    # It was used a day ago, though with the same tokens.
    await models.Session.filter(id=busy.session_id).update(
        last_used_at=utc_now() - timedelta(days=1), created_at=utc_now() - timedelta(days=60, minutes=-10)
    )
    last = await sign_in.refresh_session(busy.refresh_token)
    ends = (await models.Session.get(id=busy.session_id)).absolute_expires_at
    assert (last.access_expires_at, last.refresh_expires_at) == (ends, ends)
    await later(601, (models.Session, "absolute_expires_at"))
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(last.refresh_token)


async def test_a_roles_own_limits_end_its_sessions_and_no_others(lamp, grace):
    await commands.set_security_policy(grace, session_limits=[("ADMINISTRATOR", 10, 25)])
    await hire(lamp, "tom@lamp.example", Role.SUPPORT, password=PASSWORD)
    idle, busy, other = await log_in(), await log_in(), await log_in(login="tom@lamp.example")
    times = (
        "last_used_at",
        "created_at",
        "access_expires_at",
        "refresh_expires_at",
        "absolute_expires_at",
        "rotated_at",
    )
    await later(540, (models.Session, *times))
    busy = await sign_in.refresh_session(busy.refresh_token)
    await later(61, (models.Session, *times))
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(idle.access_token)
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(idle.refresh_token)
    await later(470, (models.Session, *times))
    busy = await sign_in.refresh_session(busy.refresh_token)
    await later(430, (models.Session, *times))
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(busy.access_token)
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(busy.refresh_token)
    assert (await queries.actor_of_token(other.access_token)).id != grace.id


async def test_logging_out_ends_this_session_at_once_and_no_other(lamp, grace):
    here, there = await log_in(), await log_in(address=CAFE)
    await commands.log_out(await queries.actor_of_token(here.access_token))
    for attempt in (queries.actor_of_token(here.access_token), sign_in.refresh_session(here.refresh_token)):
        with pytest.raises(NotAuthenticated):
            await attempt
    assert (await queries.actor_of_token(there.access_token)).id == grace.id
    with pytest.raises(InvalidInput):
        await commands.log_out(lamp.system)


async def test_sessions_are_revoked_by_their_owner_or_an_administrator(lamp, rival, grace):
    bob = await hire(lamp, "bob@lamp.example", Role.SUPPORT, password=PASSWORD)
    mine, his = await log_in(), await log_in(login="bob@lamp.example")
    for stranger in (bob, rival.someone(Role.ADMINISTRATOR), lamp.someone(Role.OPERATIONS_MANAGER)):
        with pytest.raises(NotFound):
            await commands.revoke_session(stranger, mine.session_id)
    with pytest.raises(NotPermitted):
        await commands.revoke_all_sessions(bob, grace.id)
    assert (await queries.actor_of_token(mine.access_token)).id == grace.id
    await commands.revoke_session(grace, his.session_id)
    await commands.revoke_session(grace, his.session_id)
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(his.access_token)
    assert (await lamp.facts()).count("SessionRevoked") == 1


async def test_revoking_all_keeps_the_session_one_is_in(lamp, grace):
    sessions = [await log_in() for _ in range(3)]
    await commands.revoke_all_sessions(await queries.actor_of_token(sessions[1].access_token))
    alive = await models.Session.filter(revoked_at=None)
    assert [row.id for row in alive] == [sessions[1].session_id]


async def test_a_deactivated_user_is_out_at_once(lamp, grace):
    await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR)
    session = await log_in()
    await queries.actor_of_token(session.access_token)
    await commands.deactivate_user(lamp.system, grace.id)
    for attempt in (
        queries.actor_of_token(session.access_token),
        sign_in.refresh_session(session.refresh_token),
        log_in(),
    ):
        with pytest.raises(NotAuthenticated):
            await attempt


async def test_other_roles_hold_from_the_next_request(lamp, grace):
    bob = await hire(lamp, "bob@lamp.example", Role.SUPPORT, password=PASSWORD)
    session = await log_in(login="bob@lamp.example")
    assert (await queries.actor_of_token(session.access_token)).roles == {Role.SUPPORT}
    await commands.update_user(grace, bob.id, roles=["FINANCE"])
    assert (await queries.actor_of_token(session.access_token)).roles == {Role.FINANCE}


async def test_one_changes_ones_own_password_with_the_current_one(lamp, grace):
    here, there = await log_in(), await log_in()
    actor = await queries.actor_of_token(here.access_token)
    new = Secret("gravel under a ladder")
    for current, chosen, path in (
        (Secret("wrong"), new, "currentPassword"),
        (Secret(PASSWORD), Secret("short"), "password"),
        (Secret(PASSWORD), Secret(PASSWORD), "password"),
        (Secret(PASSWORD), Secret("grace@lamp.example"), "password"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await sign_in.set_password(actor, current, chosen, address=OFFICE)
        assert refused.value.path == (path,)
    assert "PasswordChanged" not in await lamp.facts()
    await sign_in.set_password(actor, Secret(PASSWORD), new, address=OFFICE)
    assert (await queries.actor_of_token(here.access_token)).id == grace.id
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(there.access_token)
    with pytest.raises(NotAuthenticated):
        await log_in()
    await log_in("gravel under a ladder")


async def test_a_stolen_session_cannot_guess_the_password_by_changing_it(lamp, grace):
    actor = await queries.actor_of_token((await log_in()).access_token)
    for _ in range(5):
        with pytest.raises(InvalidInput):
            await sign_in.set_password(actor, Secret("wrong"), Secret("gravel under a ladder"), address=OFFICE)
    with pytest.raises(RateLimited):
        await sign_in.set_password(actor, Secret(PASSWORD), Secret("gravel under a ladder"), address=OFFICE)


STEPS = st.one_of(
    st.sampled_from(["newest", "newest", "twice at once", "wait", "forged half"]),
    st.sampled_from(["revoke"]),
    st.integers(0, 20),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEPS, min_size=1, max_size=12))
@example(steps=["newest", "wait", 0])
@example(steps=["newest", "newest", 0, "newest"])
@example(steps=["twice at once", "twice at once", "wait", "newest", "revoke", "newest"])
async def test_any_sequence_of_refreshes_and_revocations_follows_the_model(lamp, grace, steps):
    """A number is the so-manieth token that was issued. Whatever is presented once too often ends the whole family."""
    session = await log_in()
    issued = [session.refresh_token]
    current, previous, alive = issued[0], None, True

    async def presented(token):
        nonlocal current, previous, alive
        if alive and token == current:
            previous, current = current, (await sign_in.refresh_session(token)).refresh_token
            issued.append(current)
        elif alive and token == previous:
            assert (await sign_in.refresh_session(token)).refresh_token == current
        else:
            with pytest.raises(NotAuthenticated):
                await sign_in.refresh_session(token)
            alive = False

    for step in steps:
        if step == "wait":
            row = await models.Session.get(id=session.session_id)
            if row.rotated_at is not None:
                await models.Session.filter(id=row.id).update(rotated_at=row.rotated_at - timedelta(seconds=11))
            previous = None
        elif step == "revoke":
            await commands.revoke_all_sessions(lamp.system, grace.id)
            alive = False
        elif step == "forged half":
            await presented(current[:-1] + ("A" if current[-1] != "A" else "B"))
        elif step == "twice at once" and alive:
            pairs = await asyncio.gather(*(sign_in.refresh_session(current) for _ in range(2)))
            assert pairs[0].refresh_token == pairs[1].refresh_token
            previous, current = current, pairs[0].refresh_token
            issued.append(current)
        else:
            await presented(issued[step % len(issued)] if isinstance(step, int) else current)
        row = await models.Session.get(id=session.session_id)
        assert (row.revoked_at is None) == alive


async def test_a_technician_who_names_the_user_is_that_users(lamp, grace):
    bob = await hire(lamp, "bob@lamp.example", Role.TECHNICIAN, password=PASSWORD)
    session = await log_in(login="bob@lamp.example")
    assert (await queries.actor_of_token(session.access_token)).technician_id is None
    technician = await technicians.create_technician(lamp.system, name="Bob", user_id=bob.id)
    queries.forget_actors()
    assert (await queries.actor_of_token(session.access_token)).technician_id == technician
    await commands.update_user(grace, bob.id, technician_id=technician)
    with pytest.raises(AlreadyExists):
        await hire(lamp, "twin@lamp.example", Role.TECHNICIAN, technician_id=technician)


async def test_an_old_weak_hash_is_made_anew_at_the_next_sign_in(lamp, grace):
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    await models.User.filter(id=grace.id).update(password_hash=weak)
    await log_in()
    stronger = (await models.User.get(id=grace.id)).password_hash
    assert stronger != weak
    await log_in()
    assert (await models.User.get(id=grace.id)).password_hash == stronger


async def test_an_idempotency_key_keeps_no_answer_of_a_login(lamp, grace):
    with idempotency_key("same"):
        first, second = await log_in(), await log_in()
        await sign_in.refresh_session(first.refresh_token)
    assert first.session_id != second.session_id
    assert await IdempotencyKey.all().count() == 0


async def test_somebody_with_too_many_sessions_loses_the_oldest(lamp, grace, monkeypatch):
    monkeypatch.setattr(rules, "SESSIONS_PER_USER_MAX", 3)
    sessions = [await log_in() for _ in range(5)]
    alive = {row.id for row in await models.Session.filter(revoked_at=None)}
    assert alive == {one.session_id for one in sessions[2:]}


async def test_old_attempts_and_sessions_are_forgotten_and_young_ones_kept(lamp, grace):
    await log_in()
    await later(86400 * 91, (models.LoginAttempt, "at"), (models.Session, "refresh_expires_at"))
    await log_in()
    assert await sign_in.forget_old_sign_ins() == 2
    assert await models.LoginAttempt.all().count() == 1
    assert await models.Session.all().count() == 1
