"""A new password without the old one, for its owner and for nobody else."""

import asyncio
import re
import time
from datetime import timedelta

import pytest
import pytest_asyncio

from app.identity import commands, even_time, models, passwords, queries, rules, sign_in
from app.identity.commands import resets
from app.identity.secret import Secret
from app.infrastructure import limits
from app.infrastructure.models import OutboxMessage
from app.kernel.calendar import utc_now
from app.kernel.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    PasswordExpired,
    RateLimited,
)
from app.kernel.permissions import Role
from tests.app.identity.test_accounts import hire

PASSWORD, NEW = "a kettle sings at noon", "gravel under a ladder"
LOGIN = "grace@lamp.example"


@pytest_asyncio.fixture
async def grace(lamp, monkeypatch):
    monkeypatch.setattr(even_time, "ANSWER_SECONDS", 0.001)
    await limits.start()
    return await hire(lamp, LOGIN, Role.ADMINISTRATOR, password=PASSWORD)


async def link():
    """What stands in the newest mail."""
    mail = (await OutboxMessage.all().order_by("-created_at", "-id"))[0]
    return re.search(r"/reset-password#token=(\S+)", mail.text)[1]


async def asked(login=LOGIN):
    await commands.request_password_reset(login)
    return await link()


async def complete(token, password=NEW):
    return await commands.complete_password_reset(token, Secret(password))


async def test_a_link_sets_a_new_password_ends_all_sessions_and_signs_nobody_in(lamp, grace):
    session = await sign_in.log_in(LOGIN, PASSWORD)
    assert await complete(await asked(" Grace@LAMP.example ")) == LOGIN
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(session.access_token)
    assert await models.Session.filter(revoked_at=None).count() == 0
    with pytest.raises(NotAuthenticated):
        await sign_in.log_in(LOGIN, PASSWORD)
    await sign_in.log_in(LOGIN, NEW)
    assert (await lamp.facts())[3:] == [
        "PasswordResetRequested", "SessionRevoked", "PasswordChanged", "SessionStarted",
    ]  # fmt: skip


async def test_whoever_asks_for_whomever_gets_the_same_answer_and_only_an_active_owner_gets_a_mail(lamp, grace):
    await hire(lamp, "gone@lamp.example", Role.SUPPORT, password=PASSWORD)
    await commands.deactivate_user(grace, (await models.User.get(email="gone@lamp.example")).id)
    await commands.invite_user(grace, email="new@lamp.example", legal_name="New", roles=[Role.SUPPORT])
    sent = await OutboxMessage.all().count()
    for login in ("nobody@lamp.example", "gone@lamp.example", "new@lamp.example", "", "x" * 5000, "\x00\ud800@"):
        assert await commands.request_password_reset(login) is None
    assert await OutboxMessage.all().count() == sent
    assert await commands.request_password_reset(LOGIN) is None
    assert await OutboxMessage.all().count() == sent + 1
    assert await models.PasswordReset.all().values_list("user_id", flat=True) == [grace.id]


async def test_the_answer_comes_at_a_time_that_does_not_tell(lamp, grace, monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(even_time, "ANSWER_SECONDS", 30.0)
    monkeypatch.setattr(even_time.asyncio, "sleep", sleep)
    for login in (LOGIN, "nobody@lamp.example"):
        began = time.monotonic()
        await commands.request_password_reset(login)
        # What was slept and what it took make up the same whole.
        assert waits[-1] + (time.monotonic() - began) == pytest.approx(30.0, abs=0.5)


async def test_no_more_links_are_sent_while_a_few_are_open_so_that_the_owner_always_has_one(lamp, grace):
    for _ in range(5):
        await commands.request_password_reset(LOGIN)
    assert await OutboxMessage.all().count() == 3
    await models.PasswordReset.all().update(expires_at=utc_now())
    await commands.request_password_reset(LOGIN)
    assert await OutboxMessage.all().count() == 4


async def test_strangers_who_ask_for_links_do_not_keep_an_administrator_from_sending_one(lamp, grace):
    for _ in range(3):
        await commands.request_password_reset(LOGIN)
    await commands.reset_password(lamp.system, grace.id)
    assert await OutboxMessage.all().count() == 4
    await complete(await link())


async def test_who_has_a_link_gets_in_although_others_used_up_the_guesses(lamp, grace, monkeypatch):
    monkeypatch.setattr(rules, "STRANGERS_GUESSES_MAX", 2)
    for number in range(2):
        with pytest.raises(NotAuthenticated):
            await sign_in.log_in(LOGIN, "wrong", address=f"198.51.{number}.1")
    with pytest.raises(RateLimited):
        await sign_in.log_in(LOGIN, PASSWORD, address="192.0.2.77")
    await complete(await asked())
    await sign_in.log_in(LOGIN, NEW, address="192.0.2.77")


async def test_one_network_asks_only_so_often_whomever_it_asks_for(lamp, grace, monkeypatch):
    monkeypatch.setattr(resets, "REQUESTS_MAX", 2)
    for login in ("nobody@lamp.example", LOGIN):
        await commands.request_password_reset(login, address="198.51.100.9")
    for login in ("nobody@lamp.example", LOGIN):
        with pytest.raises(RateLimited):
            await commands.request_password_reset(login, address="198.51.100.9")
    await commands.request_password_reset(LOGIN, address="203.0.113.7")


async def spoil(grace, how):
    """A token that opens nothing any more."""
    if how == "unknown":
        return "trp_" + "A" * 43 + "_aaaaaa"
    token = await asked()
    match how:
        case "used":
            await complete(token, "three umbrellas in june")
        case "too old":
            await models.PasswordReset.all().update(expires_at=utc_now())
        case "other password meanwhile":
            await passwords.keep(await models.User.get(id=grace.id), "$argon2id$another")
        case "sent to an address from before":
            await commands.update_user(grace, grace.id, email="hopper@lamp.example")
        case "another link used":
            await complete(await asked(), "three umbrellas in june")
        case "deactivated":
            await models.User.filter(id=grace.id).update(status=rules.UserStatus.DEACTIVATED.value)
    return token


@pytest.mark.parametrize(
    "how",
    [
        "unknown",
        "used",
        "too old",
        "other password meanwhile",
        "another link used",
        "deactivated",
        "sent to an address from before",
    ],
)
async def test_a_link_that_is_no_good_is_answered_alike_whatever_is_wrong_and_does_nothing(lamp, grace, how):
    token = await spoil(grace, how)
    before, row = await lamp.facts(), await models.User.get(id=grace.id)
    with pytest.raises(InvalidInput) as refused:
        await complete(token)
    assert (refused.value.message, refused.value.path) == (resets.USELESS_LINK, ("token",))
    assert await lamp.facts() == before
    assert (await models.User.get(id=grace.id)).password_hash == row.password_hash


async def test_of_twenty_who_use_a_link_at_once_one_wins(lamp, grace):
    row, user = await commands.require_open_reset(await asked())
    taken = await asyncio.gather(
        *(resets.take_reset(queries.actor_of(user), row.id, Secret(f"$argon2id${one}")) for one in range(20)),
        return_exceptions=True,
    )
    assert [one for one in taken if not isinstance(one, Exception)] == [LOGIN]
    assert {type(one) for one in taken if isinstance(one, Exception)} == {InvalidInput}
    assert (await lamp.facts()).count("PasswordChanged") == 1
    assert (await models.User.get(id=grace.id)).password_hash == f"$argon2id${taken.index(LOGIN)}"


async def test_no_token_stands_in_the_row(lamp, grace):
    token = await asked()
    row = dict(iter(await models.PasswordReset.get()))
    assert token not in str(row)
    assert (await models.User.get(id=grace.id)).password_hash not in row.values()
    assert row["expires_at"] - row["created_at"] <= timedelta(minutes=30)


async def test_an_administrator_starts_a_reset_and_learns_and_chooses_no_password(lamp, grace):
    bob = await hire(lamp, "bob@lamp.example", Role.SUPPORT, password=PASSWORD)
    session = await sign_in.log_in("bob@lamp.example", PASSWORD)
    assert await commands.reset_password(grace, bob.id) == bob.id
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(session.access_token)
    with pytest.raises(NotAuthenticated):
        await sign_in.log_in("bob@lamp.example", PASSWORD)
    with pytest.raises(InvalidInput):
        await complete(await link(), PASSWORD)
    await complete(await link())
    await sign_in.log_in("bob@lamp.example", NEW)
    await commands.deactivate_user(grace, bob.id)
    with pytest.raises(Conflict):
        await commands.reset_password(grace, bob.id)


async def test_the_last_passwords_are_not_taken_again(lamp, grace):
    await commands.set_security_policy(grace, password_history=2)
    words = [NEW, "three umbrellas in june", "seven quiet harbors"]
    current = PASSWORD
    for word in words:
        await sign_in.set_password(grace, Secret(current), Secret(word))
        current = word
    with pytest.raises(InvalidInput) as refused:
        await sign_in.set_password(grace, Secret(current), Secret(words[1]))
    assert refused.value.path == ("password",)
    await sign_in.set_password(grace, Secret(current), Secret(words[0]))
    assert await models.UsedPassword.all().count() == 4


async def test_a_password_that_is_too_old_signs_nobody_in_until_it_is_renewed(lamp, grace):
    await commands.set_security_policy(grace, password_days_max=90)
    await models.User.filter(id=grace.id).update(password_changed_at=utc_now() - timedelta(days=91))
    with pytest.raises(NotAuthenticated):
        await sign_in.log_in(LOGIN, "wrong")
    with pytest.raises(PasswordExpired):
        await sign_in.log_in(LOGIN, PASSWORD)
    assert await models.Session.all().count() == 0
    assert [one.outcome for one in await models.LoginAttempt.all().order_by("at", "id")][-1] == "PASSWORD_EXPIRED"
    await complete(await asked())
    await sign_in.log_in(LOGIN, NEW)
