"""Second factors through the API: from setting one up to signing in with it, and what is open to who has none yet."""

import pyotp
import pytest
import pytest_asyncio

from app.identity import commands, models, queries
from app.infrastructure import links, tokens
from app.kernel.permissions import Role
from schema.kit import OPEN_WHILE_ENROLLING, OPERATIONS, SIGNED_IN, problems
from tests.app.company.api import asked, data, refused, sent
from tests.app.identity.authenticator import SecurityKey
from tests.app.identity.test_accounts import PASSWORD, hire
from tests.app.identity.test_factors import QUICK

LOGIN = {"email": "ada@lamp.example", "password": PASSWORD}
TOKENS = "signedIn { accessToken mustEnroll user { email } }"


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    monkeypatch.setattr(problems, "STRICT", True)
    monkeypatch.setattr(tokens, "_hasher", lambda: QUICK)
    monkeypatch.setattr(links, "_address", "https://service.example")
    queries.forget_actors()


@pytest_asyncio.fixture
async def ada(lamp):
    await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR, password=PASSWORD)
    return await signed_in(await sent(None, "logIn", LOGIN, TOKENS))


async def signed_in(payload):
    assert payload["errors"] == []
    return await queries.actor_of_token(payload["signedIn"]["accessToken"])


async def challenge():
    """What logging in answers to who has a second factor."""
    answer = await data(
        None,
        "mutation($input: LogInInput!) { logIn(input: $input) { signedIn { accessToken } errors { code message "
        "... on SecondFactorRequired { challenge { token expiresInSeconds passkeyOptions methods { id kind name hint } } } } } }",
        input=LOGIN,
    )
    [problem] = answer["logIn"]["errors"]
    assert (answer["logIn"]["signedIn"], problem["code"]) == (None, "SECOND_FACTOR_REQUIRED")
    return problem["challenge"]


async def test_an_app_from_its_picture_to_signing_in_with_it(lamp, ada):
    made = (
        await sent(
            ada, "enrollMfaMethod", {"kind": "TOTP"}, "mfaEnrollment { challenge secret uri qrCode method { id } }"
        )
    )["mfaEnrollment"]
    totp = pyotp.TOTP(made["secret"])
    confirmed = await sent(
        ada, "confirmMfaMethod", {"challenge": made["challenge"], "code": totp.now()},
        "confirmedMfaMethod { recoveryCodes method { kind name confirmedAt } }",
    )  # fmt: skip
    assert len(confirmed["confirmedMfaMethod"]["recoveryCodes"]) == 10
    asked_for = await challenge()
    assert asked_for["methods"] == [{"id": made["method"]["id"], "kind": "TOTP", "name": "App", "hint": None}]
    assert 590 < asked_for["expiresInSeconds"] <= 600
    answer = {"challenge": asked_for["token"], "methodId": made["method"]["id"]}
    assert await refused(None, "completeLogIn", answer | {"code": totp.now()}) == "INVALID_INPUT"
    await models.MfaMethod.all().update(last_step=None)
    payload = await sent(None, "completeLogIn", answer | {"code": totp.now()}, TOKENS)
    assert payload["signedIn"] | {"accessToken": ""} == {
        "accessToken": "", "mustEnroll": False, "user": {"email": "ada@lamp.example"},
    }  # fmt: skip
    assert await refused(None, "completeLogIn", answer | {"code": totp.now()}) == "NOT_AUTHENTICATED"


async def test_a_security_key_confirms_identity_and_recovery_codes_are_counted(lamp, ada):
    key = SecurityKey("https://service.example", "service.example")
    made = await sent(
        ada, "enrollMfaMethod", {"kind": "WEBAUTHN", "name": "Blue"}, "mfaEnrollment { challenge passkeyOptions }"
    )
    credential = key.create(made["mfaEnrollment"]["passkeyOptions"])
    await sent(ada, "confirmMfaMethod", {"challenge": made["mfaEnrollment"]["challenge"], "credential": credential})
    begun = await data(
        ada, "mutation { beginConfirmation { factorChallenge { token passkeyOptions } errors { code } } }"
    )
    question = begun["beginConfirmation"]["factorChallenge"]
    answer = {"challenge": question["token"], "credential": key.get(question["passkeyOptions"])}
    payload = await sent(ada, "confirmIdentity", answer, "session { id }")
    assert (payload["session"], payload["errors"]) == ({"id": ada.session_id}, [])
    assert await data(ada, "{ recoveryCodesLeft mfaMethods { nodes { name kind hint } } }") == {
        "recoveryCodesLeft": 10, "mfaMethods": {"nodes": [{"name": "Blue", "kind": "WEBAUTHN", "hint": None}]},
    }  # fmt: skip
    fresh = await data(ada, "mutation { replaceRecoveryCodes { recoveryCodes { codes } errors { code } } }")
    assert len(fresh["replaceRecoveryCodes"]["recoveryCodes"]["codes"]) == 10
    id = (await models.MfaMethod.get()).id
    renamed = await sent(ada, "renameMfaMethod", {"id": id, "name": "Red"}, "mfaMethod { name }")
    assert renamed["mfaMethod"] == {"name": "Red"}
    removed = await sent(ada, "removeMfaMethod", {"id": id}, "user { email }")
    assert removed["user"] == {"email": "ada@lamp.example"}


async def test_who_has_yet_to_set_up_a_factor_gets_nowhere_else(lamp, ada):
    await commands.set_security_policy(lamp.system, mfa_roles=["ADMINISTRATOR"])
    payload = await sent(None, "logIn", LOGIN, TOKENS)
    assert payload["signedIn"]["mustEnroll"]
    limited = await signed_in(payload)
    seen = await data(limited, "{ viewer { mustEnroll permissions } mfaMethods { nodes { id } } }")
    assert seen == {"viewer": {"mustEnroll": True, "permissions": []}, "mfaMethods": {"nodes": []}}
    answer = await asked(limited, "{ sessions { nodes { id } } }")
    assert answer["errors"][0]["extensions"]["code"] == "ENROLLMENT_REQUIRED"
    assert await refused(limited, "updateProfile", {"language": "de"}) == "ENROLLMENT_REQUIRED"
    made = await sent(limited, "enrollMfaMethod", {"kind": "TOTP"}, "mfaEnrollment { challenge secret }")
    code = pyotp.TOTP(made["mfaEnrollment"]["secret"]).now()
    await sent(limited, "confirmMfaMethod", {"challenge": made["mfaEnrollment"]["challenge"], "code": code})
    whole = await queries.actor_of_token(payload["signedIn"]["accessToken"])
    assert not (await data(whole, "{ viewer { mustEnroll } sessions { nodes { id } } }"))["viewer"]["mustEnroll"]


def test_what_is_open_to_who_has_no_factor_yet_is_open_to_everybody_signed_in():
    known = {one.name: one for one in OPERATIONS.values()}
    assert [
        name
        for name in OPEN_WHILE_ENROLLING
        if name in known and known[name].access not in (SIGNED_IN, known["logIn"].access)
    ] == []
    assert known.keys() >= OPEN_WHILE_ENROLLING


async def test_an_administrator_resets_the_factors_of_somebody_else_only(lamp, rival, ada):
    bob = await hire(lamp, "bob@lamp.example", Role.SUPPORT)
    eve = await hire(rival, "eve@rival.example", Role.SUPPORT)
    assert await refused(ada, "resetMfaMethods", {"userId": ada.id}) == "CONFLICT"
    assert await refused(ada, "resetMfaMethods", {"userId": eve.id}) == "NOT_FOUND"
    payload = await sent(ada, "resetMfaMethods", {"userId": bob.id}, "user { id }")
    assert payload["user"] == {"id": bob.id}
