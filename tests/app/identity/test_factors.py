"""Second factors: set up, asked for at sign-in, used once, and what a thief of the password gets from each."""

import asyncio
import re
from datetime import timedelta

import pyotp
import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from app.identity import commands, confirmation, models, queries, rules, sign_in
from app.identity.factors import challenges, methods, security_keys, totp
from app.identity.factors.proofs import Proof
from app.identity.policy import FactorKind
from app.identity.secret import Secret
from app.infrastructure import encryption, links, tokens
from app.infrastructure.models import OutboxMessage
from app.kernel.calendar import utc_now
from app.kernel.errors import (
    Conflict,
    InvalidInput,
    LimitReached,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    PasswordExpired,
    RateLimited,
    SecondFactorRequired,
)
from app.kernel.permissions import Role
from tests.app.identity.authenticator import SecurityKey
from tests.app.identity.test_accounts import PASSWORD, hire

LOGIN = "grace@lamp.example"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HOME, ABROAD = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def database(request):
    """The embedded database; where many come at the same moment, the other one."""
    name = "postgres_database" if request.node.get_closest_marker("slow") else "sqlite_database"
    return request.getfixturevalue(name)


@pytest.fixture(autouse=True)
def public(monkeypatch):
    monkeypatch.setattr(tokens, "_hasher", lambda: QUICK)
    monkeypatch.setattr(links, "_address", "https://service.example")
    monkeypatch.setattr(links, "_origins", ())


@pytest_asyncio.fixture
async def grace(lamp):
    """An administrator without a session: what she does needs no confirmation."""
    return await hire(lamp, LOGIN, Role.ADMINISTRATOR, password=PASSWORD)


async def asked(address=HOME):
    """The challenge that a right password brings."""
    with pytest.raises(SecondFactorRequired) as answer:
        await sign_in.log_in(LOGIN, PASSWORD, address=address, user_agent="pytest")
    return answer.value.challenge


async def complete(challenge, proof, address=HOME):
    return await sign_in.complete_log_in(challenge["token"], proof, address=address, user_agent="pytest")


async def refused(challenge, proof, kind=InvalidInput, address=HOME):
    with pytest.raises(kind) as answer:
        await complete(challenge, proof, address)
    return answer.value


async def with_app(actor):
    """An app in use: the method's id, its secret and the recovery codes. Its first code is used, so the clock moves back."""
    made = await methods.enroll(actor, FactorKind.TOTP)
    confirmed = await methods.confirm_enrollment(actor, made.token, code=Secret(pyotp.TOTP(made.secret).now()))
    await models.MfaMethod.filter(id=made.method_id).update(last_step=None)
    return made.method_id, made.secret, confirmed.recovery_codes


def code_of(secret, steps=0):
    return pyotp.TOTP(secret).at(utc_now() + timedelta(seconds=30 * steps))


def wrong(code):
    return f"{(int(code) + 111_111) % 1_000_000:06d}"


async def sent():
    """The newest code that was sent, and to where."""
    row = await OutboxMessage.filter(text__contains="Your code is").order_by("-created_at", "-id").first()
    return re.search(r"\d{6}", row.text)[0], row.recipient, row.channel


# Apps


async def test_an_app_is_set_up_confirmed_and_then_asked_for(lamp, grace):
    made = await methods.enroll(grace, FactorKind.TOTP, name="My phone")
    assert re.fullmatch("[A-Z2-7]{32}", made.secret)
    assert made.uri.startswith("otpauth://totp/Complicated%20Lamp%20Repairs:grace%40lamp.example?secret=")
    assert made.qr_code.startswith("<svg ")
    assert (await sign_in.log_in(LOGIN, PASSWORD)).access_token, "one that waits for confirmation is not asked for"
    with pytest.raises(InvalidInput):
        await methods.confirm_enrollment(grace, made.token, code=Secret(wrong(code_of(made.secret))))
    confirmed = await methods.confirm_enrollment(grace, made.token, code=Secret(code_of(made.secret)))
    assert (confirmed.method_id, len(set(confirmed.recovery_codes))) == (made.method_id, 10)
    challenge = await asked()
    assert challenge["methods"] == [{"id": made.method_id, "kind": "TOTP", "name": "My phone", "hint": None}]
    assert challenge["passkeyOptions"] is None
    session = await complete(challenge, Proof(made.method_id, Secret(code_of(made.secret, 1))))
    assert (await queries.actor_of_token(session.access_token)).id == grace.id
    assert (await lamp.facts())[-2:] == ["SecondFactorAdded", "SessionStarted"]
    told = await OutboxMessage.get(recipient=LOGIN, subject="Your sign-in has changed")
    assert "My phone" in told.text


async def test_neither_secrets_nor_codes_nor_tokens_stand_in_the_database(lamp, grace):
    id, secret, recovery = await with_app(grace)
    challenge = await asked()
    row = await models.MfaMethod.get(id=id)
    assert row.secret.startswith("enc1:")
    assert encryption.opened(row, "secret") == secret
    rows = [*await models.FactorChallenge.all(), *await models.RecoveryCode.all(), row]
    text = " ".join(str(dict(iter(one))) for one in rows)
    assert not [one for one in (secret, challenge["token"], *recovery) if one in text or one.replace("-", "") in text]


async def test_a_code_of_an_app_works_once_for_anybody(lamp, grace):
    id, secret, _ = await with_app(grace)
    first, second, code = await asked(), await asked(ABROAD), code_of(secret)
    await complete(first, Proof(id, Secret(code)))
    await refused(second, Proof(id, Secret(code)), address=ABROAD)
    await refused(second, Proof(id, Secret(code_of(secret, -1))), address=ABROAD)
    await complete(second, Proof(id, Secret(code_of(secret, 1))), ABROAD)


@pytest.mark.slow
async def test_of_two_who_show_the_same_code_at_the_same_moment_one_gets_in(lamp, grace):
    id, secret, _ = await with_app(grace)
    questions = [await asked(), await asked(ABROAD)]
    proof = Proof(id, Secret(code_of(secret)))
    each = [complete(one, proof, where) for one, where in zip(questions, (HOME, ABROAD), strict=True)]
    answers = await asyncio.gather(*each, return_exceptions=True)
    assert [type(one).__name__ for one in answers if isinstance(one, Exception)] == ["InvalidInput"]


def test_a_code_fits_half_a_minute_aside_and_no_more():
    secret, now = totp.new_secret(), utc_now()
    step = int(now.timestamp()) // 30
    codes = {aside: pyotp.TOTP(secret).at(now + timedelta(seconds=30 * aside)) for aside in range(-3, 4)}
    fitting = [aside for aside, code in codes.items() if totp.fitting_step(secret, code, now, None)]
    assert fitting == [-1, 0, 1]
    assert totp.fitting_step(secret, codes[0], now, step) is None
    for hostile in ("", "12345", "１２３４５６", "\ud800", "a" * 5000):
        assert totp.fitting_step(secret, hostile, now, None) is None


# Challenges


async def test_a_challenge_bears_five_tries_and_then_the_right_code_is_too_late(lamp, grace):
    id, secret, _ = await with_app(grace)
    challenge = await asked()
    for number in range(5):
        await refused(challenge, Proof(id, Secret(wrong(code_of(secret)))), address=f"10.0.{number}.1")
    await refused(challenge, Proof(id, Secret(code_of(secret))), NotAuthenticated, address="10.0.9.1")
    assert await models.Session.all().count() == 0


async def test_wrong_codes_slow_down_the_network_as_wrong_passwords_do(lamp, grace):
    id, secret, _ = await with_app(grace)
    questions = [await asked() for _ in range(2)]
    for number in range(5):
        await refused(questions[number % 2], Proof(id, Secret(wrong(code_of(secret)))))
    await refused(questions[1], Proof(id, Secret(code_of(secret))), RateLimited)


async def test_codes_cannot_be_guessed_from_many_networks_and_the_owner_still_gets_in(lamp, grace, monkeypatch):
    monkeypatch.setattr(rules, "WRONG_CODES_MAX", 3)
    id, secret, recovery = await with_app(grace)
    await complete(await asked(), Proof(id, Secret(code_of(secret, -1))))
    for number in range(3):
        await refused(await asked(f"10.0.{number}.1"), Proof(id, Secret("000000")), address=f"10.0.{number}.1")
    late = await asked(ABROAD)
    await refused(late, Proof(id, Secret(code_of(secret))), RateLimited, address=ABROAD)
    await complete(late, Proof(recovery_code=Secret(recovery[0])), ABROAD)
    await complete(await asked(), Proof(id, Secret(code_of(secret))))


async def test_a_challenge_is_answered_once_and_ends_with_time_password_and_person(lamp, grace):
    _, _, recovery = await with_app(grace)
    spent = await asked()
    await complete(spent, Proof(recovery_code=Secret(recovery[0])))
    await refused(spent, Proof(recovery_code=Secret(recovery[1])), NotAuthenticated)
    late = await asked()
    await models.FactorChallenge.all().update(expires_at=utc_now())
    await refused(late, Proof(recovery_code=Secret(recovery[1])), NotAuthenticated)
    before = await asked()
    await models.User.filter(id=grace.id).update(password_hash="another")
    await refused(before, Proof(recovery_code=Secret(recovery[1])), NotAuthenticated)
    assert await models.Session.all().count() == 1
    for forged in ("", "trc_", before["token"][:-1], before["token"].replace("trc_", "tra_")):
        await refused({"token": forged}, Proof(recovery_code=Secret(recovery[1])), NotAuthenticated)


async def test_a_challenge_is_answered_from_another_network_than_it_was_asked_from(lamp, grace):
    id, secret, _ = await with_app(grace)
    await complete(await asked(HOME), Proof(id, Secret(code_of(secret))), ABROAD)


async def test_an_answer_is_exactly_one_thing(lamp, grace):
    id, secret, recovery = await with_app(grace)
    code, challenge = Secret(code_of(secret)), await asked()
    for proof in (
        Proof(),
        Proof(id),
        Proof(code=code),
        Proof(id, code, {}),
        Proof(id, code, None, Secret(recovery[0])),
    ):
        await refused(challenge, proof)
    assert (await models.FactorChallenge.get(purpose="LOG_IN")).tries == 0


async def test_that_a_password_is_right_but_too_old_hears_only_who_proved_the_second_factor(lamp, grace):
    id, secret, _ = await with_app(grace)
    await commands.set_security_policy(grace, password_days_max=30)
    await models.User.all().update(password_changed_at=utc_now() - timedelta(days=31))
    challenge = await asked()
    await refused(challenge, Proof(id, Secret(wrong(code_of(secret)))))
    await refused(challenge, Proof(id, Secret(code_of(secret))), PasswordExpired)
    assert await models.Session.all().count() == 0


async def test_the_challenge_of_one_purpose_is_good_for_no_other(lamp, grace):
    id, secret, recovery = await with_app(grace)
    session = await complete(await asked(), Proof(id, Secret(code_of(secret, -1))))
    actor = await queries.actor_of_token(session.access_token)
    other = await confirmation.begin_confirmation(actor)
    proof = Proof(recovery_code=Secret(recovery[0]))
    await refused(other, proof, NotAuthenticated)
    with pytest.raises(InvalidInput):
        await confirmation.confirm_by_factor(actor, (await asked())["token"], proof)
    await confirmation.confirm_by_factor(actor, other["token"], proof)
    assert (await lamp.facts())[-2:] == ["RecoveryCodeUsed", "IdentityConfirmed"]


# Codes that are sent and written down


@pytest.mark.parametrize(
    ("kind", "target", "reached", "channel", "hint"),
    [
        (FactorKind.SMS, "(212) 555-0100", "+12125550100", "SMS", "•••••••••100"),
        (FactorKind.EMAIL, "g.hopper@home.example", "g.hopper@home.example", "MAIL", "g•••@home.example"),
    ],
)
async def test_a_code_is_sent_where_its_owner_said_and_works_once(lamp, grace, kind, target, reached, channel, hint):
    made = await methods.enroll(grace, kind, target=target)
    assert (await sent())[1:] == (reached, channel)
    await methods.confirm_enrollment(grace, made.token, code=Secret((await sent())[0]))
    challenge, twin = await asked(), await asked()
    assert challenge["methods"][0]["hint"] == hint
    await challenges.send_code(challenge["token"], made.method_id)
    code = (await sent())[0]
    await refused(twin, Proof(made.method_id, Secret(code)))
    await complete(challenge, Proof(made.method_id, Secret(f"{code[:3]} {code[3:]}")))
    await refused(challenge, Proof(made.method_id, Secret(code)), NotAuthenticated)


async def test_codes_are_sent_seldom_and_the_last_one_counts(lamp, grace, monkeypatch):
    made = await methods.enroll(grace, FactorKind.EMAIL, target=LOGIN)
    await methods.confirm_enrollment(grace, made.token, code=Secret((await sent())[0]))
    challenge = await asked()
    await challenges.send_code(challenge["token"], made.method_id)
    first = (await sent())[0]
    with pytest.raises(RateLimited):
        await challenges.send_code(challenge["token"], made.method_id)
    monkeypatch.setattr(rules, "CODE_RESENT_AFTER", timedelta(0))
    await models.FactorChallenge.filter(purpose="LOG_IN").update(code_hash="0" * 64)
    await challenges.send_code(challenge["token"], made.method_id)
    await refused(challenge, Proof(made.method_id, Secret(first)))
    await challenges.send_code(challenge["token"], made.method_id)
    with pytest.raises(NotAuthenticated):
        await challenges.send_code(challenge["token"], made.method_id)
    monkeypatch.setattr(rules, "CODES_PER_HOUR_MAX", 4)
    with pytest.raises(RateLimited):
        await challenges.send_code((await asked())["token"], made.method_id)
    assert await OutboxMessage.filter(text__contains="Your code is").count() == 4


async def test_a_recovery_code_works_once_however_it_is_typed(lamp, grace):
    _, _, recovery = await with_app(grace)
    assert all(re.fullmatch("([A-Z2-7]{4}-){3}[A-Z2-7]{4}", one) for one in recovery)
    await complete(await asked(), Proof(recovery_code=Secret(recovery[3].lower().replace("-", " "))))
    await refused(await asked(), Proof(recovery_code=Secret(recovery[3])))
    assert await methods.count_recovery_codes(grace.id) == 9
    fresh = await methods.replace_recovery_codes(grace)
    await refused(await asked(), Proof(recovery_code=Secret(recovery[4])))
    await complete(await asked(), Proof(recovery_code=Secret(fresh[0])))


# Security keys


async def with_key(actor, key):
    made = await methods.enroll(actor, FactorKind.WEBAUTHN)
    await methods.confirm_enrollment(actor, made.token, credential=key.create(made.options))
    return made


async def test_a_security_key_is_registered_and_signs_in(lamp, grace):
    key = SecurityKey("https://service.example", "service.example")
    made = await with_key(grace, key)
    assert made.options["rp"] == {"name": "Truckroll", "id": "service.example"}
    challenge = await asked()
    options = challenge["passkeyOptions"]
    assert [one["id"] for one in options["allowCredentials"]] == [key.create(made.options)["id"]]
    await complete(challenge, Proof(credential=key.get(options)))
    assert (await models.MfaMethod.get(id=made.method_id)).sign_count == 1
    with pytest.raises(InvalidInput):
        await with_key(grace, SecurityKey("https://service.evil", "service.example"))


async def test_what_a_security_key_did_not_sign_here_and_now_is_refused(lamp, grace, monkeypatch):
    monkeypatch.setattr(rules, "FREE_TRIES", 100)
    key = SecurityKey("https://service.example", "service.example")
    await with_key(grace, key)
    first = (await asked())["passkeyOptions"]
    stranger = SecurityKey(key.origin, key.host)
    stranger.id = key.id
    elsewhere, other_site = key.get(first), None
    key.origin = "https://phishing.example"
    phished = key.get(first)
    key.origin, key.host = "https://service.example", "phishing.example"
    other_site = key.get(first)
    key.host = "service.example"
    created = key.get(first, kind="webauthn.create")
    for answer in (stranger.get(first), phished, other_site, created, {}, {"id": elsewhere["id"]}, "text", [1], 7):
        challenge = await asked()
        if answer is phished or answer is other_site:
            await models.FactorChallenge.filter(purpose="LOG_IN").update(passkey_challenge=first["challenge"])
        await refused(challenge, Proof(credential=answer))
    replayed = await asked()
    await refused(replayed, Proof(credential=elsewhere))
    await complete(replayed, Proof(credential=key.get(replayed["passkeyOptions"])))
    key.count = 0
    copied = await asked()
    await refused(copied, Proof(credential=key.get(copied["passkeyOptions"])))


async def test_a_security_key_belongs_to_one_factor(lamp, grace):
    key = SecurityKey("https://service.example", "service.example")
    await with_key(grace, key)
    other = await hire(lamp, "ada@lamp.example", Role.SUPPORT)
    with pytest.raises(Conflict):
        await with_key(other, key)
    assert await models.MfaMethod.filter(user_id=other.id).exclude(confirmed_at=None).count() == 0


def test_hostile_answers_of_a_browser_are_refused_and_break_nothing():
    row = models.MfaMethod(public_key="AAAA", sign_count=0)
    for answer in (None, 1, {}, {"id": "x", "rawId": "x", "response": {}}, {"x": "y" * 30_000}):
        assert security_keys.registered_key("AAAA", answer) is None
        assert security_keys.asserted_count("AAAA", answer, row) is None


# What people do to their factors


async def test_factors_are_renamed_and_removed_by_their_owner_alone(lamp, rival, grace):
    id, _, _ = await with_app(grace)
    boss = await hire(lamp, "boss@lamp.example", Role.ADMINISTRATOR)
    stranger = await hire(rival, "eve@rival.example", Role.ADMINISTRATOR)
    for other in (boss, stranger, lamp.someone(Role.SUPPORT)):
        for act in (methods.rename_method(other, id, name="Mine"), methods.remove_method(other, id)):
            with pytest.raises(NotFound):
                await act
    assert (await models.MfaMethod.get(id=id)).name == "App"
    await methods.rename_method(grace, id, name="Old phone")
    await methods.remove_method(grace, id)
    assert await models.MfaMethod.all().count() == await models.RecoveryCode.all().count() == 0
    assert (await lamp.facts())[-2:] == ["SecondFactorRenamed", "SecondFactorRemoved"]
    await sign_in.log_in(LOGIN, PASSWORD)


async def test_an_administrator_takes_away_what_somebody_lost_and_they_are_told(lamp, rival, grace):
    id, secret, _ = await with_app(grace)
    session, waiting = await complete(await asked(), Proof(id, Secret(code_of(secret)))), await asked()
    boss = await hire(lamp, "boss@lamp.example", Role.ADMINISTRATOR)
    for other, problem in (
        (await hire(lamp, "help@lamp.example", Role.SUPPORT), NotPermitted),
        (await hire(rival, "eve@rival.example", Role.ADMINISTRATOR), NotFound),
        (grace, Conflict),
    ):
        with pytest.raises(problem):
            await methods.reset_methods(other, grace.id)
    assert await methods.reset_methods(boss, grace.id) == grace.id
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(session.access_token)
    await refused(waiting, Proof(id, Secret(code_of(secret, 1))), NotAuthenticated)
    assert (await lamp.facts())[-2:] == ["SessionRevoked", "SecondFactorsReset"]
    assert await OutboxMessage.filter(recipient=LOGIN, text__contains="removed all").count() == 1
    await sign_in.log_in(LOGIN, PASSWORD)


async def test_there_are_not_more_factors_than_anybody_needs(lamp, grace, monkeypatch):
    monkeypatch.setattr(rules, "METHODS_PER_USER_MAX", 1)
    await methods.enroll(grace, FactorKind.TOTP)
    with pytest.raises(LimitReached):
        await methods.enroll(grace, FactorKind.TOTP)


async def test_what_was_never_confirmed_is_forgotten(lamp, grace):
    kept, _, _ = await with_app(grace)
    await methods.enroll(grace, FactorKind.TOTP)
    long_ago = utc_now() - timedelta(days=2)
    await models.MfaMethod.all().update(created_at=long_ago)
    await models.FactorChallenge.all().update(expires_at=long_ago)
    assert await methods.forget_old_challenges() == 3
    assert [one.id for one in await models.MfaMethod.all()] == [kept]


# Organizations that ask for one


async def ask_for(lamp, **changes):
    await commands.set_security_policy(lamp.system, mfa_roles=["ADMINISTRATOR"], **changes)


async def test_who_lacks_the_factor_that_is_asked_for_can_do_nothing_until_there_is_one(lamp, grace):
    await ask_for(lamp)
    session = await sign_in.log_in(LOGIN, PASSWORD)
    limited = await queries.actor_of_token(session.access_token)
    assert (limited.must_enroll, limited.permissions) == (True, frozenset())
    await with_app(limited)
    whole = await queries.actor_of_token(session.access_token)
    assert (whole.must_enroll, whole.permissions) == (False, grace.permissions)
    assert (await queries.actors_of_tokens([session.access_token]))[session.access_token] == whole


async def test_who_is_asked_for_a_factor_keeps_the_last_one(lamp, grace):
    await ask_for(lamp)
    id, _, _ = await with_app(grace)
    with pytest.raises(Conflict):
        await methods.remove_method(grace, id)
    other, _, _ = await with_app(grace)
    await methods.remove_method(grace, id)
    assert [one.id for one in await models.MfaMethod.all()] == [other]


async def test_a_kind_that_is_not_allowed_cannot_be_set_up_and_an_old_one_is_still_asked_for(lamp, grace):
    id, secret, _ = await with_app(grace)
    await ask_for(lamp, mfa_methods=["WEBAUTHN"])
    with pytest.raises(InvalidInput):
        await methods.enroll(grace, FactorKind.SMS, target="+12125550100")
    session = await complete(await asked(), Proof(id, Secret(code_of(secret))))
    assert (await queries.actor_of_token(session.access_token)).must_enroll


async def test_a_rule_that_is_new_holds_from_the_next_refresh_and_a_demotion_lifts_it(lamp, grace):
    session = await sign_in.log_in(LOGIN, PASSWORD)
    await ask_for(lamp)
    session = await sign_in.refresh_session(session.refresh_token)
    assert (await queries.actor_of_token(session.access_token)).must_enroll
    await models.User.filter(id=grace.id).update(roles=["DISPATCHER"])
    session = await sign_in.refresh_session(session.refresh_token)
    assert not (await queries.actor_of_token(session.access_token)).must_enroll
