"""Identity providers through the API: set up by administrators, found by the domain of an address, and used to sign in."""

import pytest

from app.identity import models
from app.identity.providers import sign_in as way
from app.infrastructure import encryption
from app.kernel.permissions import Role
from schema.kit import problems
from tests.app.company.api import data, refused, sent
from tests.app.identity.test_accounts import hire
from tests.app.identity.test_providers import PAGE, go, idp

__all__ = ["idp"]
WHAT = (
    "identityProvider { id version name issuer emailDomains roleMap { value roles } defaultRoles startUrl callbackUrl }"
)


@pytest.fixture
def database(sqlite_database):
    return sqlite_database


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    monkeypatch.setattr(problems, "STRICT", True)


async def test_a_provider_is_set_up_changed_found_and_signs_in(lamp, idp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    ada = await hire(lamp, "ada@lamp.example", Role.DISPATCHER)
    said = {
        "name": "Office", "issuer": idp.issuer, "clientId": "truckroll", "clientSecret": "between us",
        "emailDomains": ["@Lamp.example"], "roleMap": [{"value": "desk", "roles": ["DISPATCHER"]}],
    }  # fmt: skip
    made = (await sent(boss, "createIdentityProvider", said, WHAT))["identityProvider"]
    assert made == {
        "id": made["id"], "version": 1, "name": "Office", "issuer": idp.issuer, "emailDomains": ["lamp.example"],
        "roleMap": [{"value": "desk", "roles": ["DISPATCHER"]}], "defaultRoles": [],
        "startUrl": f"https://service.example/auth/oidc/{made['id']}/start",
        "callbackUrl": f"https://service.example/auth/oidc/{made['id']}/callback",
    }  # fmt: skip
    found = await data(None, '{ signInProviders(email: "anybody@LAMP.example") { name startUrl } }')
    assert found["signInProviders"] == [{"name": "Office", "startUrl": made["startUrl"]}]
    assert await data(None, '{ signInProviders(email: "lamp") { name } }') == {"signInProviders": []}
    code = (await go(idp, made["id"]))["signInCode"]
    given = {"code": code, "verifier": PAGE}
    payload = await sent(None, "completeProviderLogIn", given, "signedIn { mustEnroll user { id } }")
    assert payload["signedIn"] == {"mustEnroll": False, "user": {"id": ada.id}}
    assert await refused(None, "completeProviderLogIn", given) == "NOT_AUTHENTICATED"
    changed = await sent(
        boss, "updateIdentityProvider", {"id": made["id"], "isActive": False, "clientSecret": None}, WHAT
    )
    assert changed["identityProvider"]["version"] == 2
    row = await models.IdentityProvider.get()
    assert encryption.opened(row, "client_secret") is None
    assert (await data(None, '{ signInProviders(email: "a@lamp.example") { name } }')) == {"signInProviders": []}
    assert way.callback_of(made["id"]) == made["callbackUrl"]


async def test_who_does_not_manage_security_sees_no_provider(lamp, idp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    said = {"name": "Office", "issuer": idp.issuer, "clientId": "truckroll", "emailDomains": ["lamp.example"]}
    made = (await sent(boss, "createIdentityProvider", said, "identityProvider { id }"))["identityProvider"]
    assert await refused(lamp.someone(Role.DISPATCHER), "createIdentityProvider", said) == "NOT_PERMITTED"
    seen = await data(boss, "{ identityProviders { nodes { id } } }")
    assert seen["identityProviders"]["nodes"] == [{"id": made["id"]}]
