"""Users and keys: who may be let in and shut out, and that a refusal leaves everything as it was."""

import asyncio
from datetime import timedelta

import orjson
import pytest
import pytest_asyncio

from app.identity import commands, models, queries, rules
from app.identity.secret import Secret, Slip
from app.infrastructure import journal
from app.infrastructure.command import idempotency_key
from app.infrastructure.models import IdempotencyKey
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    IllegalTransition,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    StaleVersion,
)
from app.kernel.ids import new_id
from app.kernel.permissions import Permission, Role, permissions_of

PASSWORD = "a kettle sings at noon"


async def hire(company, email, *roles, password=None, **details):
    """A user of the company, as actor."""
    secret = Secret(password) if password else None
    id = await commands.create_user(
        company.system, email=email, legal_name="Ada Lovelace", roles=roles, password=secret, **details
    )
    return queries.actor_of(await models.User.get(id=id))


@pytest_asyncio.fixture
async def ada(lamp):
    return await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR)


async def test_a_new_user_is_active_and_known_by_the_address_in_small_letters(lamp, ada):
    id = new_id("usr")
    assert await commands.create_user(
        ada, id=id, email=" Grace@Lamp.Example ", legal_name=" Grace Hopper ", roles=["TECHNICIAN", "DISPATCHER"],
        phone="(212) 555-0100", time_zone="Europe/Berlin", language="de", department="Field", employee_number="7",
    ) == id  # fmt: skip
    row = await models.User.get(id=id)
    assert (row.email, row.legal_name, row.roles, row.phone, row.status, row.password_hash) == (
        "grace@lamp.example", "Grace Hopper", ["DISPATCHER", "TECHNICIAN"], "+12125550100", "ACTIVE", None,
    )  # fmt: skip
    assert await lamp.facts() == ["OrganizationCreated", "UserCreated", "UserCreated"]


async def test_a_login_name_is_one_persons_in_all_companies(lamp, rival, ada):
    for company in (lamp, rival):
        with pytest.raises(AlreadyExists) as refused:
            await hire(company, "ADA@lamp.example", Role.DISPATCHER)
        assert refused.value.path == ("email",)
    assert await models.User.all().count() == 1
    assert await rival.facts() == ["OrganizationCreated"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"email": "nobody"}, InvalidInput),
        ({"legal_name": " "}, InvalidInput),
        ({"roles": []}, InvalidInput),
        ({"roles": ["CUSTOMER_USER"]}, InvalidInput),
        ({"roles": ["CUSTOMER_USER"], "customer_id": new_id("cus")}, NotFound),
        ({"roles": ["TECHNICIAN"], "technician_id": new_id("tech")}, NotFound),
        ({"time_zone": "Nowhere"}, InvalidInput),
        ({"phone": "call me"}, InvalidInput),
        ({"password": Secret("password1234")}, InvalidInput),
    ],
)
async def test_a_user_that_cannot_be_is_refused(lamp, ada, values, problem):
    with pytest.raises(problem):
        await commands.create_user(
            ada, **({"email": "new@lamp.example", "legal_name": "New", "roles": ["SUPPORT"]} | values)
        )
    assert await models.User.all().count() == 1
    assert await lamp.facts() == ["OrganizationCreated", "UserCreated"]


async def test_a_password_leaves_no_trace_but_its_hash(lamp, ada):
    with idempotency_key("once"):
        first = await commands.create_user(
            ada, email="new@lamp.example", legal_name="New", roles=["SUPPORT"], password=Secret(PASSWORD)
        )
        again = await commands.create_user(
            ada, email="new@lamp.example", legal_name="New", roles=["SUPPORT"], password=Secret(PASSWORD)
        )
    assert first == again
    row = await models.User.get(id=first)
    assert row.password_hash is not None
    assert row.password_hash.startswith("$argon2id$")
    kept = [entry.payload for entry in await journal.read(lamp.id, 0)]
    assert PASSWORD not in orjson.dumps(kept).decode()
    assert row.password_hash not in orjson.dumps(kept).decode()
    assert PASSWORD not in repr(Secret(PASSWORD)) + str(Secret(PASSWORD)) + f"{Secret(PASSWORD)}"
    assert await IdempotencyKey.all().count() == 1


USER_COMMANDS = {
    "create_user": lambda actor, id: commands.create_user(actor, email="x@y.example", legal_name="X", roles=["GUEST"]),
    "update_user": lambda actor, id: commands.update_user(actor, id, legal_name="Mine"),
    "deactivate_user": lambda actor, id: commands.deactivate_user(actor, id),
    "reactivate_user": lambda actor, id: commands.reactivate_user(actor, id),
    "reset_password": lambda actor, id: commands.reset_password(actor, id),
    "revoke_all_sessions": lambda actor, id: commands.revoke_all_sessions(actor, id),
}


async def test_nobody_but_administrators_manages_users(lamp, ada):
    for role in Role:
        if role not in (Role.ADMINISTRATOR, Role.ACCOUNT_ADMINISTRATOR):
            for name, run in USER_COMMANDS.items():
                with pytest.raises(NotPermitted) as refused:
                    await run(lamp.someone(role), ada.id)
                assert refused.value.permission == Permission.MANAGE_USERS, (role, name)
    assert await lamp.facts() == ["OrganizationCreated", "UserCreated"]


async def test_users_of_another_company_are_not_found_and_stay(lamp, rival, ada):
    intruder = rival.someone(Role.ADMINISTRATOR)
    for name, run in USER_COMMANDS.items():
        if name != "create_user":
            with pytest.raises(NotFound):
                await run(intruder, ada.id)
    assert (await models.User.get(id=ada.id)).version == 1
    assert await rival.facts() == ["OrganizationCreated"]


async def test_only_what_is_given_changes_and_the_change_is_recorded(lamp, ada):
    grace = await hire(lamp, "grace@lamp.example", Role.DISPATCHER, department="Office")
    await commands.update_user(ada, grace.id, version=1, legal_name="Grace", roles=["TECHNICIAN"], department=None)
    row = await models.User.get(id=grace.id)
    assert (row.legal_name, row.roles, row.department, row.email) == (
        "Grace",
        ["TECHNICIAN"],
        None,
        "grace@lamp.example",
    )
    with pytest.raises(StaleVersion):
        await commands.update_user(ada, grace.id, version=1, legal_name="Late")
    with pytest.raises(AlreadyExists):
        await commands.update_user(ada, grace.id, email="ada@lamp.example")
    last = (await journal.read(lamp.id, 0))[-1]
    assert (last.type, last.subject_id) == ("UserUpdated", grace.id)
    assert last.payload["changes"] == {
        "legal_name": ["Ada Lovelace", "Grace"],
        "roles": [["DISPATCHER"], ["TECHNICIAN"]],
        "department": ["Office", None],
    }


async def test_everybody_changes_their_own_profile_and_nothing_else_of_it(lamp, ada):
    grace = await hire(lamp, "grace@lamp.example", Role.TECHNICIAN)
    await commands.update_profile(grace, phone="+49 30 123456", language="de", time_zone="Europe/Berlin")
    row = await models.User.get(id=grace.id)
    assert (row.phone, row.language, row.time_zone, row.roles) == ("+4930123456", "de", "Europe/Berlin", ["TECHNICIAN"])
    with pytest.raises(KeyError):
        await commands.update_profile(grace, roles=["ADMINISTRATOR"])
    with pytest.raises(NotPermitted):
        await commands.update_profile(lamp.system, language="de")


async def test_a_key_that_manages_users_makes_nobody_mightier_than_itself(lamp, ada):
    grace = await hire(lamp, "grace@lamp.example", Role.SUPPORT)
    key = Actor(
        lamp.id, ActorKind.API_KEY, new_id("key"), frozenset({Role.PARTNER}),
        permissions_of({Role.SUPPORT}) | {Permission.MANAGE_USERS},
    )  # fmt: skip
    before = await lamp.facts()
    for attempt in (
        commands.create_user(key, email="x@lamp.example", legal_name="X", roles=["ADMINISTRATOR"]),
        commands.update_user(key, grace.id, roles=["ADMINISTRATOR"]),
        commands.update_user(key, ada.id, email="taken.over@evil.example"),
        commands.reset_password(key, ada.id),
        commands.deactivate_user(key, ada.id),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    assert await lamp.facts() == before
    await commands.update_user(key, grace.id, legal_name="Grace")


async def test_the_last_administrator_stays(lamp, ada):
    with pytest.raises(Conflict):
        await commands.update_user(ada, ada.id, roles=["DISPATCHER"])
    with pytest.raises(Conflict):
        await commands.deactivate_user(lamp.system, ada.id)
    with pytest.raises(Conflict):
        await commands.deactivate_user(ada, ada.id)
    grace = await hire(lamp, "grace@lamp.example", Role.ADMINISTRATOR)
    outcomes = await asyncio.gather(
        commands.deactivate_user(ada, grace.id), commands.deactivate_user(grace, ada.id), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["Conflict", "str"]
    assert await models.User.filter(status="ACTIVE").count() == 1


async def test_every_step_of_a_users_life_is_in_the_table_or_refused(lamp, ada):
    steps = {
        rules.UserStatus.DEACTIVATED: commands.deactivate_user,
        rules.UserStatus.ACTIVE: commands.reactivate_user,
    }
    for state in rules.USER_LIFECYCLE.states:
        for to, step in steps.items():
            user = await hire(lamp, f"{state}.{to}@lamp.example".lower(), Role.SUPPORT)
            await models.User.filter(id=user.id).update(status=state.value)
            before = await lamp.facts()
            by_link = (state, to) == (rules.UserStatus.INVITED, rules.UserStatus.ACTIVE)
            if to in rules.USER_LIFECYCLE.steps[state] and not by_link:
                await step(ada, user.id)
                assert (await models.User.get(id=user.id)).status == to
            else:
                with pytest.raises(Conflict if by_link else IllegalTransition):
                    await step(ada, user.id)
                assert (await models.User.get(id=user.id)).status == state
                assert await lamp.facts() == before


async def test_who_sees_whom(lamp, rival, ada):
    grace = await hire(lamp, "grace@lamp.example", Role.TECHNICIAN)
    await hire(rival, "rita@rival.example", Role.ADMINISTRATOR)

    async def seen_by(actor):
        from app.infrastructure.tables import find_rows

        return {row.email for row in await find_rows(models.User, models.User.visible_to(actor))}

    everybody = {"ada@lamp.example", "grace@lamp.example"}
    assert await seen_by(ada) == everybody
    assert await seen_by(lamp.someone(Role.DISPATCHER)) == everybody
    assert await seen_by(grace) == {"grace@lamp.example"}
    assert await seen_by(lamp.someone(Role.ACCOUNT_ADMINISTRATOR)) == set()
    assert await seen_by(lamp.someone(Role.PARTNER)) == set()
    assert await seen_by(rival.system) == {"rita@rival.example"}


async def test_a_key_is_shown_once_and_opens_what_it_was_given(lamp, ada):
    slip = Slip()
    id = await commands.create_api_key(ada, slip, name="ERP", scopes=["VIEW_CUSTOMERS", "VIEW_WORK_ORDERS"])
    row = await models.ApiKey.get(id=id)
    assert slip.secret is not None
    assert slip.secret.startswith(row.shown_prefix)
    assert slip.secret not in orjson.dumps([str(value) for _, value in row]).decode()
    actor = await queries.actor_of_token(slip.secret)
    assert (actor.organization_id, actor.kind, actor.id) == (lamp.id, ActorKind.API_KEY, id)
    assert actor.permissions == {Permission.VIEW_CUSTOMERS, Permission.VIEW_WORK_ORDERS}
    assert (await models.ApiKey.get(id=id)).last_used_at is not None
    assert (await lamp.facts())[-1] == "ApiKeyCreated"


async def test_a_repeated_request_for_a_key_makes_no_second_one_and_shows_nothing(lamp, ada):
    slips = [Slip(), Slip()]
    with idempotency_key("once"):
        ids = [await commands.create_api_key(ada, slip, name="ERP", scopes=["VIEW_CUSTOMERS"]) for slip in slips]
    assert ids[0] == ids[1]
    assert slips[0].secret is not None
    assert slips[1].secret is None
    assert await models.ApiKey.all().count() == 1


async def test_a_rotated_key_opens_with_both_secrets_until_the_overlap_is_over(lamp, ada):
    old, new = Slip(), Slip()
    id = await commands.create_api_key(ada, old, name="ERP", scopes=["VIEW_CUSTOMERS"])
    await commands.rotate_api_key(ada, new, id, overlap_minutes=5)
    for slip in (old, new):
        assert (await queries.actor_of_token(slip.secret)).id == id
    await models.ApiKey.filter(id=id).update(previous_expires_at=utc_now() - timedelta(seconds=1))
    queries.forget_actors()
    assert (await queries.actor_of_token(new.secret)).id == id
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(old.secret)


async def test_a_revoked_or_expired_key_opens_nothing_at_once(lamp, ada):
    slip, other = Slip(), Slip()
    id = await commands.create_api_key(ada, slip, name="ERP", scopes=["VIEW_CUSTOMERS"])
    soon = utc_now() + timedelta(seconds=60)
    expiring = await commands.create_api_key(ada, other, name="Old", scopes=["VIEW_CUSTOMERS"], expires_at=soon)
    await queries.actor_of_token(slip.secret)
    await commands.revoke_api_key(ada, id)
    await models.ApiKey.filter(id=expiring).update(expires_at=utc_now() - timedelta(seconds=1))
    for secret in (slip.secret, other.secret):
        with pytest.raises(NotAuthenticated):
            await queries.actor_of_token(secret)
    for attempt in (commands.revoke_api_key(ada, id), commands.rotate_api_key(ada, Slip(), id)):
        with pytest.raises(NotFound):
            await attempt


async def test_keys_are_the_administrators_and_hold_no_more_than_their_maker(lamp, rival, ada):
    slip = Slip()
    with pytest.raises(NotPermitted):
        await commands.create_api_key(lamp.someone(Role.DISPATCHER), slip, name="x", scopes=["VIEW_CUSTOMERS"])
    with pytest.raises(NotPermitted):
        await commands.create_api_key(ada, slip, name="x", scopes=["REPORT_OWN_STATUS"])
    assert slip.secret is None
    assert await models.ApiKey.all().count() == 0
    id = await commands.create_api_key(ada, slip, name="x", scopes=["VIEW_CUSTOMERS"])
    with pytest.raises(NotFound):
        await commands.revoke_api_key(rival.someone(Role.ADMINISTRATOR), id)
    assert (await queries.actor_of_token(slip.secret)).id == id


@pytest.mark.parametrize("token", ["", "nonsense", "tra_" + "x" * 43 + "_aaaaaa", "é" * 60, "trk_", "\x00", "Bearer x"])
async def test_a_text_that_is_no_token_of_ours_is_nobody(lamp, token):
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(token)
