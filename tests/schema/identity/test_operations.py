"""People, sessions and keys through the API: signing in, and what each kind of asker sees."""

import pytest
import pytest_asyncio

import schema.schema
from app.identity import models, queries
from app.kernel.errors import NotAuthenticated
from app.kernel.permissions import Permission, Role
from schema.identity.operations import AUTHENTICATION_MUTATIONS
from schema.kit import ANYONE, OPERATIONS, problems
from tests.app.company.api import ADDRESS, API, asked, data, refused, sent
from tests.app.identity.test_accounts import PASSWORD, hire

TOKENS = "signedIn { accessToken refreshToken accessExpiresAt refreshExpiresAt user { email } session { id address isCurrent } }"


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    monkeypatch.setattr(problems, "STRICT", True)
    queries.forget_actors()


@pytest_asyncio.fixture
async def ada(lamp):
    return await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR, password=PASSWORD)


async def log_in():
    payload = await sent(None, "logIn", {"email": "ada@lamp.example", "password": PASSWORD}, TOKENS)
    assert payload["errors"] == []
    return payload["signedIn"]


async def test_signing_in_gives_tokens_and_shows_who_signed_in(lamp, ada):
    signed_in = await log_in()
    assert signed_in["user"] == {"email": "ada@lamp.example"}
    assert (signed_in["session"]["address"], signed_in["session"]["isCurrent"]) == (ADDRESS, True)
    actor = await queries.actor_of_token(signed_in["accessToken"])
    seen = await data(
        actor,
        "{ viewer { kind roles permissions organization { name } user { email roles } session { id isCurrent } } }",
    )
    viewer = seen["viewer"]
    assert (viewer["kind"], viewer["roles"]) == ("USER", ["ADMINISTRATOR"])
    assert viewer["permissions"] == sorted(set(Permission) - {Permission.REPORT_OWN_STATUS})
    assert viewer["organization"] == {"name": "Complicated Lamp Repairs"}
    assert viewer["user"] == {"email": "ada@lamp.example", "roles": ["ADMINISTRATOR"]}
    assert viewer["session"] == {"id": signed_in["session"]["id"], "isCurrent": True}


async def test_a_wrong_password_is_data_and_signs_nobody_in(lamp, ada):
    for email, password in (("ada@lamp.example", "wrong"), ("nobody@lamp.example", PASSWORD)):
        payload = await sent(None, "logIn", {"email": email, "password": password}, "signedIn { accessToken }")
        assert payload["signedIn"] is None
        assert [(one["code"], one["message"], one["path"]) for one in payload["errors"]] == [
            ("NOT_AUTHENTICATED", "The login or the password is wrong.", [])
        ]


async def test_refreshing_signing_out_and_what_is_left(lamp, ada):
    first = await log_in()
    second = (await sent(None, "refreshSession", {"refreshToken": first["refreshToken"]}, TOKENS))["signedIn"]
    assert second["session"]["id"] == first["session"]["id"]
    assert second["refreshToken"] != first["refreshToken"]
    actor = await queries.actor_of_token(second["accessToken"])
    out = await data(actor, "mutation { logOut { session { id revokedReason } errors { code } } }")
    assert out["logOut"] == {"session": {"id": first["session"]["id"], "revokedReason": "LOGGED_OUT"}, "errors": []}
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(second["accessToken"])
    assert await refused(None, "refreshSession", {"refreshToken": second["refreshToken"]}) == "NOT_AUTHENTICATED"


async def test_users_are_let_in_changed_shut_out_and_let_in_again(lamp, ada):
    made = await sent(
        ada, "createUser",
        {"email": "grace@lamp.example", "legalName": "Grace Hopper", "roles": ["DISPATCHER"], "password": PASSWORD},
        "user { id email roles status lastLoginAt passwordChangedAt }",
    )  # fmt: skip
    user = made["user"]
    assert (user["roles"], user["status"], user["lastLoginAt"]) == (["DISPATCHER"], "ACTIVE", None)
    assert await refused(
        ada, "createUser", {"email": "grace@lamp.example", "legalName": "G", "roles": ["SUPPORT"]}
    ) == ("ALREADY_EXISTS")
    changed = await sent(
        ada, "updateUser", {"id": user["id"], "roles": ["FINANCE"], "department": "Books"}, "user { roles department }"
    )
    assert changed["user"] == {"roles": ["FINANCE"], "department": "Books"}
    assert (await sent(ada, "deactivateUser", {"id": user["id"]}, "user { status }"))["user"] == {
        "status": "DEACTIVATED"
    }
    assert await refused(ada, "deactivateUser", {"id": user["id"]}) == "ILLEGAL_TRANSITION"
    assert await refused(ada, "deactivateUser", {"id": ada.id}) == "CONFLICT"
    assert await refused(ada, "updateUser", {"id": ada.id, "roles": ["SUPPORT"]}) == "CONFLICT"
    assert (await sent(ada, "reactivateUser", {"id": user["id"]}, "user { status }"))["user"] == {"status": "ACTIVE"}
    assert (await sent(ada, "resetPassword", {"id": user["id"]}))["errors"] == []
    found = await data(
        ada, '{ users(filter: { search: "hopper" }) { totalCount nodes { legalName sessions { totalCount } } } }'
    )
    assert found["users"] == {"totalCount": 1, "nodes": [{"legalName": "Grace Hopper", "sessions": {"totalCount": 0}}]}


async def test_everybody_sees_themselves_and_their_own_sessions_only(lamp, ada):
    await log_in()
    grace = await hire(lamp, "grace@lamp.example", Role.TECHNICIAN, password=PASSWORD)
    seen = await data(
        grace,
        """query($other: ID!) { viewer { user { email } } user(id: $other) { email } sessions { totalCount }
           loginAttempts { totalCount } }""",
        other=ada.id,
    )
    assert seen == {
        "viewer": {"user": {"email": "grace@lamp.example"}}, "user": None, "sessions": {"totalCount": 0},
        "loginAttempts": {"totalCount": 0},
    }  # fmt: skip
    answer = await asked(grace, "{ users { totalCount } }")
    assert answer["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"
    profile = await sent(
        grace, "updateProfile", {"language": "de", "phone": "+49 30 123456"}, "user { language phone }"
    )
    assert profile["user"] == {"language": "de", "phone": "+4930123456"}
    seen = await data(
        ada,
        """{ sessions(filter: { isLiving: true }) { nodes { user { email } } }
             loginAttempts { nodes { outcome login user { email } } } }""",
    )
    assert seen == {
        "sessions": {"nodes": [{"user": {"email": "ada@lamp.example"}}]},
        "loginAttempts": {
            "nodes": [{"outcome": "SUCCEEDED", "login": "ada@lamp.example", "user": {"email": "ada@lamp.example"}}]
        },
    }


async def test_ones_own_password_and_other_sessions(lamp, ada):
    here, _ = await log_in(), await log_in()
    actor = await queries.actor_of_token(here["accessToken"])
    wrong = {"currentPassword": "wrong", "password": "gravel under a ladder"}
    payload = await sent(actor, "setPassword", wrong, "user { id }")
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("INVALID_INPUT", ["currentPassword"])]
    payload = await sent(
        actor,
        "setPassword",
        wrong | {"currentPassword": PASSWORD},
        "user { sessions(filter: { isLiving: true }) { totalCount } }",
    )
    assert payload["errors"] == []
    assert payload["user"]["sessions"]["totalCount"] == 1
    assert (await sent(actor, "revokeAllSessions", {}))["errors"] == []
    assert (await queries.actor_of_token(here["accessToken"])).id == ada.id
    revoked = await sent(actor, "revokeSession", {"id": here["session"]["id"]}, "session { revokedReason }")
    assert revoked["session"] == {"revokedReason": "REVOKED"}


async def test_a_keys_secret_is_shown_when_it_is_made_and_never_again(lamp, ada):
    made = await sent(
        ada, "createApiKey", {"name": "ERP", "scopes": ["VIEW_CUSTOMERS"]},
        "issuedApiKey { secret apiKey { id shownPrefix scopes createdBy { email } } }",
    )  # fmt: skip
    issued = made["issuedApiKey"]
    key = issued["apiKey"]
    assert issued["secret"].startswith(key["shownPrefix"])
    assert (key["scopes"], key["createdBy"]) == (["VIEW_CUSTOMERS"], {"email": "ada@lamp.example"})
    partner = await queries.actor_of_token(issued["secret"])
    viewer = (await data(partner, "{ viewer { kind permissions user { id } organization { name } } }"))["viewer"]
    assert viewer == {
        "kind": "API_KEY", "permissions": ["VIEW_CUSTOMERS"], "user": None,
        "organization": {"name": "Complicated Lamp Repairs"},
    }  # fmt: skip
    rotated = await sent(ada, "rotateApiKey", {"id": key["id"]}, "issuedApiKey { secret }")
    assert rotated["issuedApiKey"]["secret"] != issued["secret"]
    assert (await sent(ada, "revokeApiKey", {"id": key["id"]}, "apiKey { revokedAt }"))["apiKey"]["revokedAt"]
    assert (await data(ada, "{ apiKeys(filter: { isRevoked: false }) { totalCount } }"))["apiKeys"]["totalCount"] == 0
    assert (
        await refused(lamp.someone(Role.DISPATCHER), "createApiKey", {"name": "x", "scopes": ["VIEW_CUSTOMERS"]})
        == "NOT_PERMITTED"
    )


async def test_a_keys_limits_are_set_shown_and_told_to_who_asks_with_it(lamp, ada):
    wanted = {"budgetPoints": 6000, "budgetPerSecond": 20, "requestsPerMinute": 30, "networks": ["198.51.100.0/24"]}
    shown = "id budgetPoints budgetPerSecond requestsPerMinute networks useCount lastUsedFrom version"
    made = await sent(
        ada,
        "createApiKey",
        {"name": "ERP", "scopes": ["VIEW_CUSTOMERS"], **wanted},
        f"issuedApiKey {{ secret apiKey {{ {shown} }} }}",
    )
    key, secret = made["issuedApiKey"]["apiKey"], made["issuedApiKey"]["secret"]
    assert {name: key[name] for name in wanted} == wanted
    assert (key["useCount"], key["lastUsedFrom"]) == (0, None)
    partner = await queries.actor_of_token(secret, "198.51.100.7")
    assert partner.terms.requests_per_minute == 30
    changed = await sent(
        ada, "updateApiKey", {"id": key["id"], "networks": None, "requestsPerMinute": 5}, f"apiKey {{ {shown} }}"
    )
    assert changed["apiKey"] == key | {
        "networks": None, "requestsPerMinute": 5, "version": 2, "useCount": 1, "lastUsedFrom": "198.51.100.7",
    }  # fmt: skip
    assert await refused(ada, "updateApiKey", {"id": key["id"], "version": 1, "name": "x"}) == "STALE_VERSION"
    assert (
        await refused(lamp.someone(Role.DISPATCHER), "updateApiKey", {"id": key["id"], "name": "x"}) == "NOT_PERMITTED"
    )


async def test_only_signing_in_and_ones_own_budget_are_open_to_anyone():
    assert schema.schema.api is not None  # every operation is there
    here = {one.name: one for one in OPERATIONS.values() if one.module.startswith("schema.identity.")}
    open_to_all = {"logIn", "refreshSession", "rateLimit", "openInvitation", "acceptInvitation"}
    open_to_all |= {
        "requestPasswordReset",
        "openPasswordReset",
        "completePasswordReset",
        "completeLogIn",
        "sendFactorCode",
        "completeProviderLogIn",
        "signInProviders",
    }
    open_to_all |= {"requestPasswordReset", "openPasswordReset", "completePasswordReset", "requestAccess"}
    assert {name for name, one in here.items() if one.access is ANYONE} == open_to_all
    assert set(here) >= AUTHENTICATION_MUTATIONS


def test_no_type_shows_a_hash_or_a_secret_of_the_row():
    shown = {name.lower() for type in API._schema.type_map.values() for name in getattr(type, "fields", {})}
    assert not {name for name in shown if "hash" in name or "rotation" in name or "family" in name}


async def test_roles_of_the_organizations_own_are_made_given_shown_and_deleted(lamp, ada):
    made = await sent(
        ada,
        "createRole",
        {"name": "Window", "description": "Looks on", "permissions": ["VIEW_WORK_ORDERS"]},
        "customRole { id name reach permissions version }",
    )
    assert made["errors"] == []
    role = made["customRole"]
    assert role == {
        "id": role["id"], "name": "Window", "reach": "ORGANIZATION", "permissions": ["VIEW_WORK_ORDERS"], "version": 1,
    }  # fmt: skip
    given = await sent(
        ada,
        "createUser",
        {"email": "eve@lamp.example", "legalName": "Eve", "roles": [], "customRoleIds": [role["id"]]},
        "user { id roles customRoleIds customRoles { roleId name } }",
    )
    held = {"roleId": role["id"], "name": "Window"}
    user = given["user"]
    assert user == {"id": user["id"], "roles": [], "customRoleIds": [role["id"]], "customRoles": [held]}
    [row] = await models.User.filter(id=user["id"])
    eve = queries.actor_of(row, None, (await queries.grants_of([row]))[row.id])
    seen = await data(eve, "{ viewer { roles permissions reach customRoles { roleId name } } }")
    assert seen["viewer"] == {
        "roles": [], "permissions": ["VIEW_WORK_ORDERS"], "reach": "ORGANIZATION", "customRoles": [held],
    }  # fmt: skip
    listed = await data(ada, "{ roles { nodes { name } facets { reach { values { value count } } } } }")
    assert listed["roles"]["nodes"] == [{"name": "Window"}]
    assert listed["roles"]["facets"]["reach"]["values"][0] == {"value": "ORGANIZATION", "count": 1}
    kept = await sent(ada, "deleteRole", {"id": role["id"]}, "organization { id }")
    assert [one["code"] for one in kept["errors"]] == ["CONFLICT"]
    await sent(ada, "deactivateUser", {"id": user["id"]}, "user { id }")
    await sent(ada, "updateUser", {"id": user["id"], "roles": ["SUPPORT"], "customRoleIds": []}, "user { id }")
    gone = await sent(ada, "deleteRole", {"id": role["id"]}, "organization { id }")
    assert (gone["organization"], gone["errors"]) == ({"id": lamp.id}, [])
    assert (await data(ada, "{ roles { totalCount } }")) == {"roles": {"totalCount": 0}}
