"""Fourteen ways to forge a token, tried on each kind there is: none opens anything, and the real one does."""

import base64
import hmac
import json

import pytest
import pytest_asyncio

from app.identity import commands, models, queries, rules, sign_in
from app.identity.commands import invitations, resets
from app.identity.secret import Slip
from app.infrastructure import tokens
from app.kernel.errors import InvalidInput, NotAuthenticated
from app.kernel.permissions import Role
from tests.app.identity.test_accounts import hire

PASSWORD = "a kettle sings at noon"
KINDS = (rules.ACCESS_TOKEN, rules.REFRESH_TOKEN, rules.API_KEY, rules.INVITATION_TOKEN, rules.RESET_TOKEN)


def unsigned(head, body):
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (head, body)) + "."
    )


def forgeries(token, others):
    """What somebody might send who saw a token once, or knows how they are made."""
    kind, body = token[:3], token[4:47]
    claims = {"sub": "usr_1", "org": "org_1", "role": "ADMINISTRATOR", "exp": 9999999999}
    made = base64.urlsafe_b64decode(body + "=")
    signed = unsigned({"alg": "HS256", "typ": "JWT"}, claims)
    mark = base64.urlsafe_b64encode(hmac.digest(b"secret", signed[:-1].encode(), "sha256")).decode().rstrip("=")
    return {
        "nothing": "",
        "its end is missing": token[:-1],
        "one character is another": token.replace(body, ("B" if body[0] != "B" else "C") + body[1:], 1),
        "one bit is another, and the checksum fits": tokens.new_token(kind, bytes([made[0] ^ 1]) + made[1:]),
        "made up, and the checksum fits": tokens.new_token(kind),
        "the same secret as another kind": [tokens.new_token(one, made) for one in KINDS if one != kind],
        "real ones of other kinds": others,
        "another spelling": [token.swapcase(), token.upper()],
        "something around it": [f" {token}", f"{token} ", f"{token}\n", f"{token}\x00", f'"{token}"', f"Bearer {token}"],
        "signs that look alike": token.replace("_", "＿").replace("a", "а"),
        "the hash of it, as the database has it": [tokens.hash_token(token), f"{kind}_{tokens.hash_token(token)[:43]}_aaaaaa"],
        "a signature that says there is none": unsigned({"alg": "none", "typ": "JWT"}, claims),
        "signed with a guessed secret": signed + mark,
        "twice": [token + token, f"{token},{token}", f"{token}.{token}"],
    }  # fmt: skip


def flat(forged):
    return [text for one in forged.values() for text in (one if isinstance(one, list) else [one])]


@pytest_asyncio.fixture
async def genuine(lamp, monkeypatch):
    """A real token of each kind, by kind."""

    async def verify(stored, password):
        return stored is not None and password == PASSWORD

    issued = {}
    real = tokens.new_token

    def new_token(kind, secret=None):
        issued[kind] = real(kind, secret)
        return issued[kind]

    ada = await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR, password=PASSWORD)
    with monkeypatch.context() as patched:
        patched.setattr(tokens, "new_token", new_token)
        await commands.create_api_key(ada, Slip(), name="ERP", scopes=["VIEW_CUSTOMERS"])
        await invitations.invite_user(ada, email="new@lamp.example", legal_name="New", roles=["SUPPORT"])
        await resets.send_reset_link(lamp.system, ada.id)
    monkeypatch.setattr(tokens, "verify_password", verify)
    session = await sign_in.log_in("ada@lamp.example", PASSWORD, address="203.0.113.7")
    queries.forget_actors()
    return issued | {rules.ACCESS_TOKEN: session.access_token, rules.REFRESH_TOKEN: session.refresh_token}


OPENED = {
    rules.ACCESS_TOKEN: queries.actor_of_token,
    rules.REFRESH_TOKEN: sign_in.refresh_session,
    rules.API_KEY: queries.actor_of_token,
    rules.INVITATION_TOKEN: invitations.require_open_invitation,
    rules.RESET_TOKEN: resets.require_open_reset,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_forged_token_opens_anything(genuine, kind):
    assert set(genuine) == set(KINDS), "there is a kind of token that nobody forges here"
    others = [token for other, token in genuine.items() if other != kind and OPENED[other] is not OPENED[kind]]
    forged = forgeries(genuine[kind], others)
    assert len(forged) == 14
    opened = []
    for text in flat(forged):
        try:
            opened.append((text, await OPENED[kind](text)))
        except (NotAuthenticated, InvalidInput):
            # A refresh token with a wrong half ends its session, as it should; the next forgery finds it alive again.
            await models.Session.all().update(revoked_at=None, revoked_reason=None)
    assert opened == []
    assert await OPENED[kind](genuine[kind]), "the control: the real one opens"


async def test_half_of_a_refresh_token_opens_nothing_and_another_half_ends_the_session(genuine):
    family, _, turn = genuine[rules.REFRESH_TOKEN].partition(".")
    for text in (
        family,
        f"{family}.",
        f".{turn}",
        turn,
        f"{turn}.{family}",
        f"{tokens.new_token(rules.REFRESH_TOKEN)}.{turn}",
    ):
        with pytest.raises(NotAuthenticated):
            await sign_in.refresh_session(text)
    assert (await models.Session.get()).revoked_at is None
    with pytest.raises(NotAuthenticated):
        await sign_in.refresh_session(f"{family}.{turn[::-1]}")
    assert (await models.Session.get()).revoked_reason == "TOKEN_REUSED"
