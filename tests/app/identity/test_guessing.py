"""How often somebody's password can be guessed at, by whatever mix of names, networks and ways; and who still gets in."""

from datetime import timedelta

import pytest
import pytest_asyncio

from app.identity import commands, models, queries, rules, sign_in
from app.identity.factors.proofs import Proof
from app.identity.secret import Secret
from app.infrastructure import tokens
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput, NotAuthenticated, RateLimited, SecondFactorRequired
from app.kernel.permissions import Role
from tests.app.identity.test_accounts import hire
from tests.app.identity.test_factors import code_of, with_app

PASSWORD = "a kettle sings at noon"
OFFICE = "203.0.113.7"
LOGIN = "grace@lamp.example"


@pytest_asyncio.fixture
async def grace(lamp):
    return await hire(lamp, LOGIN, Role.ADMINISTRATOR, password=PASSWORD)


@pytest.fixture
def verified(monkeypatch):
    """The passwords that were really compared, quickly: what is counted here is how many, not how long each takes."""
    compared = []

    async def verify(stored, password):
        compared.append((stored, password))
        return stored is not None and password == PASSWORD

    monkeypatch.setattr(tokens, "verify_password", verify)
    return compared


async def tried(password, address, login=LOGIN):
    try:
        await sign_in.log_in(login, password, address=address, user_agent="pytest")
    except NotAuthenticated:
        return "wrong"
    except RateLimited:
        return "wait"
    return "in"


async def pass_time(seconds):
    for row in await models.LoginAttempt.all():
        await models.LoginAttempt.filter(id=row.id).update(at=row.at - timedelta(seconds=seconds))
    queries.forget_actors()


@pytest.mark.parametrize("database", [Dialect.SQLITE], indirect=True)
async def test_from_however_many_networks_a_password_is_guessed_at_so_often_in_an_hour(lamp, grace, verified):
    for number in range(60):
        await tried("wrong", f"198.51.{number // 250}.{number % 250}")
    assert len(verified) == rules.STRANGERS_GUESSES_MAX


@pytest.mark.parametrize("database", [Dialect.SQLITE], indirect=True)
async def test_over_any_mix_at_most_twenty_guesses_an_hour_are_looked_at_and_the_owner_still_gets_in(
    lamp, grace, verified
):
    assert await tried(PASSWORD, OFFICE) == "in"
    actor = queries.actor_of(await models.User.get(id=grace.id))
    verified.clear()
    for number in range(12):
        for login in (LOGIN, LOGIN.upper(), f" {LOGIN} ", f"{LOGIN}\u200b"):
            await tried("wrong", f"198.51.100.{number}", login)
        with pytest.raises((InvalidInput, RateLimited)):
            await sign_in.set_password(
                actor, Secret("wrong"), Secret("gravel under a ladder"), address=f"192.0.2.{number}"
            )
    assert len(verified) <= rules.STRANGERS_GUESSES_MAX
    assert await tried(PASSWORD, OFFICE) == "in", "the owner is at a place they are known from"
    for number in range(12):
        await tried("wrong", OFFICE)
        await tried("wrong", f"198.51.101.{number}")
        await pass_time(200)
        rows = await models.LoginAttempt.filter(at__gte=utc_now() - rules.GUESSES_WINDOW, outcome__in=rules.FAILED)
        assert len(rows) <= rules.GUESSES_MAX


@pytest.mark.parametrize("database", [Dialect.SQLITE], indirect=True)
async def test_a_login_that_nobody_has_is_refused_just_as_soon(lamp, grace, verified):
    answers = [
        [await tried("wrong", f"198.51.100.{number}", login) for number in range(20)]
        for login in (LOGIN, "nobody@lamp.example")
    ]
    assert answers[0] == answers[1] == ["wrong"] * 12 + ["wait"] * 8


@pytest.mark.parametrize("database", [Dialect.SQLITE], indirect=True)
async def test_after_an_hour_there_are_guesses_again(lamp, grace, verified):
    for number in range(15):
        await tried("wrong", f"198.51.100.{number}")
    assert await tried(PASSWORD, "198.51.100.99") == "wait"
    await pass_time(3601)
    assert await tried(PASSWORD, "198.51.100.99") == "in"


@pytest.mark.parametrize("database", [Dialect.SQLITE], indirect=True)
async def test_every_sign_in_compares_one_password_whoever_it_is_for(lamp, grace, verified):
    """Known or not, with a password or without: the costly part is the same, and what answers comes after it."""
    await hire(lamp, "new@lamp.example", Role.SUPPORT)
    for login in (LOGIN, "new@lamp.example", "nobody@lamp.example", "", "x" * 5000):
        before = len(verified)
        assert await tried("wrong", OFFICE, login) == "wrong"
        assert len(verified) == before + 1
    assert [stored is None for stored, _ in verified] == [False, True, True, True, True]


def test_a_password_is_hashed_as_costly_for_nobody_as_for_somebody(monkeypatch):
    hashes = []
    real = tokens._hasher()

    class Counting:
        def verify(self, stored, password):
            hashes.append(stored)
            return real.verify(stored, password)

    monkeypatch.setattr(tokens, "_hasher", lambda: Counting())
    monkeypatch.setattr(tokens, "_hash_of_nobody", lambda: real.hash(b"nobody"))
    assert not tokens._verify(None, "wrong")
    assert not tokens._verify(real.hash(b"somebody"), "wrong")
    costs = {stored.split("$")[3] for stored in hashes}
    assert (len(hashes), costs) == (2, {f"m={tokens.MEMORY_KIB},t={tokens.PASSES},p={tokens.LANES}"})


@pytest.mark.parametrize(
    ("minutes", "is_known", "wait"),
    [
        ([], False, 0),
        ([1] * 11, False, 0),
        ([1] * 12, False, 3540),
        ([1] * 19, True, 0),
        ([50] * 8 + [1] * 12, True, 600),
    ],
)
def test_strangers_wait_until_one_of_twelve_guesses_is_an_hour_old_and_known_places_for_one_of_twenty(
    minutes, is_known, wait
):
    now = utc_now()
    guesses = [now - timedelta(minutes=one) for one in minutes]
    assert rules.seconds_until_fewer_guesses(guesses, now, is_known=is_known) == wait


async def test_an_owner_is_known_from_where_they_signed_in_by_whichever_name_and_with_a_second_factor(
    lamp, grace, verified, monkeypatch
):
    await commands.set_security_policy(lamp.system, login_domain="lamp")
    await commands.update_user(lamp.system, grace.id, username="grace")
    app, secret, _ = await with_app(grace)
    with pytest.raises(SecondFactorRequired) as asked:
        await sign_in.log_in("grace@lamp", PASSWORD, address=OFFICE)
    proof = Proof(app, Secret(code_of(secret)))
    await sign_in.complete_log_in(asked.value.challenge["token"], proof, address=OFFICE)
    for number in range(rules.STRANGERS_GUESSES_MAX):
        await tried("wrong", f"198.51.100.{number}", "grace@lamp")
    assert await tried(PASSWORD, "198.51.100.99", "grace@lamp") == "wait"
    monkeypatch.setattr(rules, "NETWORK_FAILURES_MAX", 0)
    await tried("wrong", OFFICE, "nobody@lamp.example")
    with pytest.raises(SecondFactorRequired):
        await sign_in.log_in("grace@lamp", PASSWORD, address=OFFICE)
