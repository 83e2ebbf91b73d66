"""Signing in by an identity provider on loopback: whom it signs in, and the tokens that open nothing."""

import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette

from app import providers as routes
from app.identity import commands as users
from app.identity import models, queries, sign_in
from app.identity.factors.proofs import Proof
from app.identity.providers import accounts, commands, oidc
from app.identity.providers import sign_in as way
from app.identity.secret import Secret
from app.infrastructure import encryption, http_client, limits, links, tokens
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotAuthenticated, NotFound, NotPermitted, SecondFactorRequired
from app.kernel.permissions import Permission, Role
from tests.app.identity.identity_provider import CLIENT, SECRET, serving
from tests.app.identity.test_accounts import hire
from tests.app.identity.test_factors import QUICK, with_app

PAGE = "the secret of the page that began"


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest_asyncio.fixture
async def idp(lamp, monkeypatch):
    """A provider that the operator lets us reach."""
    monkeypatch.setattr(tokens, "_hasher", lambda: QUICK)
    monkeypatch.setattr(links, "_address", "https://service.example")
    monkeypatch.setattr(links, "_origins", ("https://board.example",))
    oidc.forget()
    async with serving() as provider:
        await http_client.start(["127.0.0.1"])
        yield provider
        await http_client.stop()


async def set_up(company, idp, **values):
    """The provider, as the company's administrators declare it; its id."""
    said = {"name": "Office", "issuer": idp.issuer, "client_id": CLIENT, "email_domains": ["lamp.example"]}
    return await commands.create_identity_provider(company.system, **said | values, client_secret=Secret(SECRET))


async def go(idp, id):
    """To the provider and back: where the browser ends, and what stands behind the #."""
    departure = await way.depart(id, way.s256(PAGE), None)
    arrival = await way.arrive(id, **brought(idp, departure))
    return fragment(arrival)


def brought(idp, departure):
    query = idp.visit(departure.url)
    return {"state": query["state"], "code": query["code"], "issuer": query["iss"], "browser": departure.cookie}


def fragment(arrival):
    return {name: values[0] for name, values in parse_qs(urlsplit(arrival.url).fragment).items()}


async def log_in(idp, id):
    said = await go(idp, id)
    assert "signInProblem" not in said, said
    return await sign_in.complete_provider_log_in(said["signInCode"], PAGE, address="203.0.113.7")


async def test_somebody_with_an_account_signs_in_by_the_proven_address_and_then_by_name(lamp, idp):
    ada = await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    id = await set_up(lamp, idp)
    actor = await queries.actor_of_token((await log_in(idp, id)).access_token)
    assert (actor.id, actor.permissions) == (ada.id, ada.permissions)
    assert (await lamp.facts())[-2:] == ["IdentityLinked", "SessionStarted"]
    idp.person = {"email": "ada@elsewhere.example"}
    assert (await log_in(idp, id)).user_id == ada.id
    assert (await lamp.facts())[-1] == "SessionStarted"
    assert idp.asked == ["discovery", "keys"], "what it says of itself is kept for a while"


async def test_neither_secrets_nor_what_the_browser_carries_stand_in_the_database(lamp, idp):
    await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    id = await set_up(lamp, idp)
    departure = await way.depart(id, way.s256(PAGE), None)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(departure.url).query).items()}
    code = fragment(await way.arrive(id, **brought(idp, departure)))["signInCode"]
    provider = await models.IdentityProvider.get()
    assert encryption.opened(provider, "client_secret") == SECRET
    kept = str([dict(iter(provider)), *(dict(iter(one)) for one in await models.ProviderSignIn.all())])
    assert not [one for one in (SECRET, departure.cookie, asked["state"], asked["nonce"], code, PAGE) if one in kept]


async def test_somebody_new_gets_an_account_where_that_is_wanted_with_the_roles_of_the_claims(lamp, idp):
    id = await set_up(lamp, idp)
    assert "no account" in (await go(idp, id))["signInProblem"]
    changes = {
        "makes_accounts": True,
        "role_claim": "groups",
        "role_map": {"desk": ["DISPATCHER"], "money": ["FINANCE"]},
    }
    await commands.update_identity_provider(lamp.system, id, **changes)
    assert "no account" in (await go(idp, id))["signInProblem"], "nobody is let in without a role"
    idp.person = {"groups": ["desk", "unknown", 7]}
    user = await models.User.get(id=(await log_in(idp, id)).user_id)
    assert (user.email, user.legal_name, user.roles, user.password_hash) == (
        "ada@lamp.example", "Ada Lovelace", ["DISPATCHER"], None,
    )  # fmt: skip
    idp.person = {"groups": ["money"]}
    await log_in(idp, id)
    assert (await models.User.get(id=user.id)).roles == ["FINANCE"]
    await users.deactivate_user(lamp.system, user.id)
    assert "no account" in (await go(idp, id))["signInProblem"]


@pytest.mark.parametrize(
    "person",
    [
        {"email_verified": False}, {"email_verified": "true"}, {"email_verified": None}, {"email": None}, {"email": 7},
        {"email": "ada@other.example"}, {"email": "ada@lamp.example.evil.example"}, {"email": "ada lamp.example"},
        {"email": "eve@rival.example"},
    ],
)  # fmt: skip
async def test_an_address_that_is_not_proved_or_not_ours_is_nobodys(lamp, rival, idp, person):
    await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    await hire(rival, "eve@rival.example", Role.ADMINISTRATOR)
    id = await set_up(lamp, idp, makes_accounts=True, default_roles=["SUPPORT"])
    await models.IdentityProvider.all().update(email_domains=["lamp.example", "rival.example"])
    idp.person = person
    assert "signInProblem" in await go(idp, id)
    assert await models.UserIdentity.all().count() == await models.Session.all().count() == 0
    assert await models.User.all().count() == 2


def part(value):
    return urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def with_claims(**changes):
    """A token of the right key that says something else; None leaves a claim out."""

    def forge(idp, claims):
        said = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "one"}, said, idp.key)

    return forge


def by_another_key(idp, claims):
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, STRANGER)


def by_a_key_it_brings_along(idp, claims):
    header = {"alg": "RS256", "jwk": STRANGER.as_dict(private=False)}
    return jwt.encode(header, claims, STRANGER)


def by_the_public_key_as_a_secret(idp, claims):
    secret = OctKey.import_key(idp.key.as_pem(private=False))
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret, algorithms=["HS256"])


def altered(idp, claims):
    header, _, signature = jwt.encode({"alg": "RS256", "kid": "one"}, claims, idp.key).split(".")
    return f"{header}.{part(claims | {'sub': 'root'})}.{signature}"


STRANGER = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
NOW = int(time.time())
FORGED = {
    "alg none": lambda idp, claims: f"{part({'alg': 'none'})}.{part(claims)}.",
    "alg None": lambda idp, claims: f"{part({'alg': 'None', 'kid': 'one'})}.{part(claims)}.",
    "no signature": lambda idp, claims: (
        jwt.encode({"alg": "RS256", "kid": "one"}, claims, idp.key).rpartition(".")[0] + "."
    ),
    "another key": by_another_key,
    "a key of its own": by_a_key_it_brings_along,
    "the public key as a secret": by_the_public_key_as_a_secret,
    "altered": altered,
    "another audience": with_claims(aud="somebody else"),
    "no audience": with_claims(aud=None),
    "several audiences": with_claims(aud=[CLIENT, "somebody else"]),
    "another party": with_claims(azp="somebody else"),
    "another issuer": with_claims(iss="https://evil.example"),
    "almost the issuer": lambda idp, claims: with_claims(iss=f"{idp.issuer}/")(idp, claims),
    "no issuer": with_claims(iss=None),
    "expired": with_claims(exp=NOW - 3600),
    "no end": with_claims(exp=None),
    "an end in words": with_claims(exp="never"),
    "of tomorrow": with_claims(iat=NOW + 86_400),
    "not yet": with_claims(nbf=NOW + 86_400),
    "another nonce": with_claims(nonce="seen elsewhere"),
    "no nonce": with_claims(nonce=None),
    "nobody": with_claims(sub=None),
    "an empty name": with_claims(sub=""),
    "a number for a name": with_claims(sub=7),
    "no token": lambda idp, claims: "nonsense",
    "no claims": lambda idp, claims: jwt.encode({"alg": "RS256", "kid": "one"}, {}, idp.key),
}


async def test_of_all_forged_tokens_none_is_accepted_and_the_true_one_is(lamp, idp):
    await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    id = await set_up(lamp, idp)
    accepted = []
    for name, forge in FORGED.items():
        idp.forge = forge
        if "signInProblem" not in await go(idp, id):
            accepted.append(name)
    assert accepted == []
    assert await models.UserIdentity.all().count() == 0
    idp.forge = with_claims(azp=CLIENT, aud=[CLIENT, "somebody else"])
    assert "signInCode" in await go(idp, id)


async def test_a_provider_that_is_another_or_says_too_little_is_not_asked(lamp, idp):
    id = await set_up(lamp, idp)
    for says in ({"issuer": "https://evil.example"}, {"token_endpoint": None}, {"jwks_uri": 7}):
        idp.says = says
        oidc.forget()
        with pytest.raises(oidc.ProviderRefused):
            await way.depart(id, way.s256(PAGE), None)


async def test_where_the_operator_did_not_allow_it_no_private_address_is_asked(lamp, idp):
    id = await set_up(lamp, idp)
    await http_client.stop()
    with pytest.raises(oidc.ProviderRefused):
        await way.depart(id, way.s256(PAGE), None)
    assert idp.asked == []


async def test_who_comes_back_began_here_in_this_browser_a_short_while_ago_and_once(lamp, idp):
    await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    id, other = await set_up(lamp, idp), await set_up(lamp, idp, name="Other")
    begun, elsewhere = await way.depart(id, way.s256(PAGE), None), await way.depart(id, way.s256(PAGE), None)
    back = brought(idp, begun)
    for wrong in ({"browser": elsewhere.cookie}, {"browser": None}, {"state": "forged"}, {"state": begun.cookie}):
        with pytest.raises(NotAuthenticated):
            await way.arrive(id, **back | wrong)
    with pytest.raises(NotAuthenticated):
        await way.arrive(other, **back)
    assert "signInCode" in fragment(await way.arrive(id, **back))
    with pytest.raises(NotAuthenticated):
        await way.arrive(id, **back)
    late = brought(idp, elsewhere)
    await models.ProviderSignIn.all().update(expires_at=utc_now())
    with pytest.raises(NotAuthenticated):
        await way.arrive(id, **late)


async def test_an_answer_of_another_provider_or_without_a_code_is_a_problem_for_the_page(lamp, idp):
    id = await set_up(lamp, idp)
    for wrong in ({"issuer": "https://evil.example"}, {"code": None}, {"code": "stolen elsewhere"}):
        departure = await way.depart(id, way.s256(PAGE), None)
        assert "signInProblem" in fragment(await way.arrive(id, **brought(idp, departure) | wrong))


@pytest.mark.parametrize(
    "person",
    [{"email": "x" * 300 + "@lamp.example"}, {"sub": "a\x00b"}, {"sub": ["ada"]}, {"sub": ""}],
    ids=["address", "control sign", "list", "nobody"],
)
async def test_whatever_is_wrong_with_somebody_is_a_sentence_for_the_page_and_makes_nobody(lamp, idp, person):
    id = await set_up(lamp, idp, makes_accounts=True, default_roles=["SUPPORT"])
    idp.person = person
    assert (await go(idp, id)).keys() == {"signInProblem"}
    assert await models.User.all().count() == await models.UserIdentity.all().count() == 0


async def test_a_name_is_kept_without_what_no_database_takes(lamp, idp):
    id = await set_up(lamp, idp, makes_accounts=True, default_roles=["SUPPORT"])
    idp.person = {"name": " Ada\x00 "}
    assert (await go(idp, id)).keys() == {"signInCode"}
    assert (await models.User.get()).legal_name == "Ada"


async def test_a_role_that_cannot_be_given_is_a_sentence_for_the_page(lamp, idp):
    id = await set_up(lamp, idp, makes_accounts=True, default_roles=["SUPPORT"])
    await models.IdentityProvider.all().update(default_roles=["CUSTOMER_USER"])
    assert (await go(idp, id)).keys() == {"signInProblem"}
    assert await models.User.all().count() == 0


async def test_our_code_is_good_once_for_a_minute_and_for_the_page_that_began(lamp, idp):
    await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    id = await set_up(lamp, idp)

    async def refused(code, secret):
        with pytest.raises(NotAuthenticated):
            await sign_in.complete_provider_log_in(code, secret)

    code = (await go(idp, id))["signInCode"]
    await refused(code, "another page's")
    await refused(code, PAGE)
    late = (await go(idp, id))["signInCode"]
    await models.ProviderSignIn.all().update(code_expires_at=utc_now())
    await refused(late, PAGE)
    good = (await go(idp, id))["signInCode"]
    await sign_in.complete_provider_log_in(good, PAGE)
    await refused(good, PAGE)
    for forged in ("", "tro_", good[:-1], "\ud800"):
        await refused(forged, PAGE)
    assert await models.Session.all().count() == 1


async def test_one_comes_back_to_a_page_of_ours_only(lamp, idp):
    id = await set_up(lamp, idp)
    for ours in (None, "https://service.example/board", "https://board.example/?day=1"):
        await way.depart(id, way.s256(PAGE), ours)
    for theirs in ("https://evil.example/", "//evil.example", "https://service.example.evil.example/", "/", "javascript:x",
                   "https://service.example@evil.example/", "https://board.example/#x"):  # fmt: skip
        with pytest.raises(InvalidInput):
            await way.depart(id, way.s256(PAGE), theirs)
    with pytest.raises(InvalidInput):
        await way.depart(id, "short", None)


async def test_who_has_a_second_factor_is_asked_for_it_unless_the_provider_does_that(lamp, idp):
    ada = await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    await with_app(ada)
    id = await set_up(lamp, idp)
    code = (await go(idp, id))["signInCode"]
    with pytest.raises(SecondFactorRequired):
        await sign_in.complete_provider_log_in(code, PAGE)
    await commands.update_identity_provider(lamp.system, id, replaces_second_factor=True)
    await log_in(idp, id)


async def test_who_signs_in_by_a_provider_is_not_kept_out_by_an_old_password(lamp, idp):
    ada = await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    *_, recovery = await with_app(ada)
    await users.set_security_policy(lamp.system, password_days_max=30)
    await models.User.all().update(password_changed_at=utc_now() - timedelta(days=31))
    id = await set_up(lamp, idp)
    with pytest.raises(SecondFactorRequired) as asked:
        await sign_in.complete_provider_log_in((await go(idp, id))["signInCode"], PAGE)
    proof = Proof(recovery_code=Secret(recovery[0]))
    assert (await sign_in.complete_log_in(asked.value.challenge["token"], proof)).user_id == ada.id


async def test_a_trusted_provider_is_enough_where_a_factor_is_asked_for_and_stays_so(lamp, idp):
    await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    await users.set_security_policy(lamp.system, mfa_roles=["DISPATCHER"])
    id = await set_up(lamp, idp)
    assert (await queries.actor_of_token((await log_in(idp, id)).access_token)).must_enroll
    await commands.update_identity_provider(lamp.system, id, replaces_second_factor=True)
    session = await sign_in.refresh_session((await log_in(idp, id)).refresh_token)
    assert not (await queries.actor_of_token(session.access_token)).must_enroll


async def test_providers_are_set_up_by_administrators_for_their_own_people(lamp, rival, idp):
    id = await set_up(lamp, idp)
    for other, problem in (
        (lamp.someone(Role.DISPATCHER), NotPermitted),
        (rival.someone(Role.ADMINISTRATOR), NotFound),
    ):
        with pytest.raises(problem):
            await commands.update_identity_provider(other, id, is_active=False)
    for wrong in (
        {"email_domains": []}, {"email_domains": ["no domain"]}, {"default_roles": ["CUSTOMER_USER"]},
        {"role_map": {"x": ["GUEST"]}}, {"issuer": "http://10.0.0.1/"}, {"issuer": "ftp://idp.example"}, {"name": ""},
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            await commands.update_identity_provider(lamp.system, id, **wrong)
    await commands.update_identity_provider(lamp.system, id, is_active=False)
    with pytest.raises(NotFound):
        await way.depart(id, way.s256(PAGE), None)
    assert (await lamp.facts())[-2:] == ["IdentityProviderAdded", "IdentityProviderChanged"]


async def test_over_http_the_browser_is_sent_there_and_back_and_no_token_stands_in_an_address(lamp, idp, monkeypatch):
    await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    id = await set_up(lamp, idp)

    async def free(*arguments):
        return None

    monkeypatch.setattr(limits, "hit", free)
    app = Starlette(routes=routes.routes(0))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://service.example") as browser:
        away = await browser.get(f"/auth/oidc/{id}/start", params={"challenge": way.s256(PAGE)})
        assert (away.status_code, away.headers["cache-control"]) == (303, "no-store")
        cookie = away.headers["set-cookie"]
        assert "HttpOnly" in cookie and "Secure" in cookie and "SameSite=lax" in cookie and "Path=/auth/oidc" in cookie
        back = await browser.get(f"/auth/oidc/{id}/callback", params=idp.visit(away.headers["location"]))
        assert back.status_code == 303
        page, _, behind = back.headers["location"].partition("#")
        assert page == "https://service.example/"
        assert (await browser.get(f"/auth/oidc/{id}/callback", params={"state": "x", "code": "y"})).status_code == 400
        good = {"challenge": way.s256(PAGE)}
        assert (await browser.get("/auth/oidc/idp_nothing/start")).status_code == 400
        assert (await browser.get("/auth/oidc/idp_nothing/start", params=good)).status_code == 404
        assert (await browser.get("/auth/oidc/%00/start", params=good)).status_code == 404
        oidc.forget()
        idp.says = {"jwks_uri": None}
        turned_back = (await browser.get(f"/auth/oidc/{id}/start", params=good)).headers["location"]
        assert turned_back.startswith("https://service.example/#signInProblem=The+provider+does+not+say")
    session = await sign_in.complete_provider_log_in(parse_qs(behind)["signInCode"][0], PAGE)
    assert session.access_token not in back.headers["location"]


async def test_nobody_who_may_do_less_than_an_administrator_says_who_vouches_for_administrators(lamp, idp):
    id = await set_up(lamp, idp)
    office = lamp.someone(Role.ADMINISTRATOR)
    officer = replace(office, roles=frozenset(), permissions=frozenset({Permission.MANAGE_SECURITY}))
    for attempt in (
        commands.update_identity_provider(officer, id, issuer="https://evil.example", replaces_second_factor=True),
        commands.create_identity_provider(
            officer, name="Ours", issuer="https://evil.example", client_id="x", email_domains=["lamp.example"]
        ),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    assert await models.IdentityProvider.all().values_list("issuer", flat=True) == [idp.issuer]
    await commands.update_identity_provider(office, id, name="Desk")


async def test_an_address_of_another_company_gets_no_account_and_no_word_where_the_database_hides_it(
    lamp, rival, idp, monkeypatch
):
    async def hidden(actor, email):
        return None

    await hire(rival, "ada@lamp.example", Role.DISPATCHER)
    id = await set_up(lamp, idp, makes_accounts=True, default_roles=["DISPATCHER"])
    monkeypatch.setattr(accounts, "_by_address", hidden)
    assert await go(idp, id) == {"signInProblem": accounts.NO_ACCOUNT}
