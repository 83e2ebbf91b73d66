"""An organization's own roles: what they give and to whom, that nobody gives what they lack, and how soon a change holds."""

import pytest
import pytest_asyncio

from app.identity import commands, models, queries, rules, sign_in
from app.identity.factors import methods
from app.kernel.actor import Actor, ActorKind
from app.kernel.errors import AlreadyExists, Conflict, InvalidInput, NotFound, NotPermitted, StaleVersion
from app.kernel.ids import new_id
from app.kernel.permissions import GRANTABLE, REACHES, ROLES, Grant, Permission, Reach, Role
from tests.app.identity.test_accounts import PASSWORD, hire

P = Permission


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    queries.forget_actors()


@pytest_asyncio.fixture
async def ada(lamp):
    return await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR)


async def make(actor, name="Parts clerk", permissions=("VIEW_EQUIPMENT", "VIEW_PRICES"), **details):
    return await commands.create_role(actor, name=name, permissions=list(permissions), **details)


async def actor_of(id):
    [user] = await models.User.filter(id=id)
    return queries.actor_of(user, None, (await queries.grants_of([user]))[id])


async def log_in(email):
    return (await sign_in.log_in(email, PASSWORD, address="203.0.113.7", user_agent="pytest")).access_token


async def test_a_role_gives_its_permissions_beside_or_instead_of_built_in_roles(lamp, ada):
    role = await make(ada, description=" Counts parts. ")
    row = await models.CustomRole.get(id=role)
    assert (row.name, row.description, row.reach, row.permissions) == (
        "Parts clerk", "Counts parts.", "ORGANIZATION", ["VIEW_EQUIPMENT", "VIEW_PRICES"],
    )  # fmt: skip
    beside = await actor_of((await hire(lamp, "bob@lamp.example", Role.SUPPORT, custom_role_ids=[role])).id)
    instead = await actor_of((await hire(lamp, "eve@lamp.example", custom_role_ids=[role])).id)
    assert beside.permissions == ROLES[Role.SUPPORT] | {P.VIEW_PRICES}
    assert (instead.roles, instead.permissions) == (frozenset(), {P.VIEW_EQUIPMENT, P.VIEW_PRICES})
    assert await lamp.facts() == [
        "OrganizationCreated", "UserCreated", "RoleCreated", "UserCreated", "UserCreated",
    ]  # fmt: skip


def test_who_holds_several_roles_reaches_as_far_as_the_widest():
    def reach(roles, *reaches):
        grants = frozenset(Grant(f"role_{one}", one, frozenset()) for one in reaches)
        return Actor("org", ActorKind.USER, "usr", frozenset(roles), grants=grants).reach

    for role in Role:
        assert reach({role}) is REACHES[role]
    for one in Reach:
        assert reach((), one) is one
    assert reach({Role.TECHNICIAN}, Reach.OWN_WORK) is Reach.OWN_WORK
    assert reach({Role.TECHNICIAN}, Reach.ORGANIZATION) is Reach.ORGANIZATION
    assert reach({Role.DISPATCHER}, Reach.OWN_WORK) is Reach.ORGANIZATION
    assert reach({Role.GUEST}, Reach.ACCOUNT) is Reach.ACCOUNT


@pytest.mark.parametrize(
    ("values", "problem", "path"),
    [
        ({"permissions": []}, InvalidInput, "permissions"),
        ({"permissions": ["FLY"]}, InvalidInput, "permissions"),
        ({"permissions": ["REPORT_OWN_STATUS"]}, InvalidInput, "permissions"),
        ({"permissions": ["MANAGE_ORGANIZATION"], "reach": Reach.ACCOUNT}, InvalidInput, "permissions"),
        ({"permissions": ["MANAGE_SCHEDULE"], "reach": Reach.OWN_WORK}, InvalidInput, "permissions"),
        ({"name": " "}, InvalidInput, "name"),
        ({"name": "Known"}, AlreadyExists, "name"),
    ],
)
async def test_a_role_that_is_not_right_is_not_made(lamp, ada, values, problem, path):
    await make(ada, "Known")
    with pytest.raises(problem) as refused:
        await make(ada, **values)
    assert refused.value.path == (path,)
    assert await models.CustomRole.all().count() == 1


async def test_nobody_makes_changes_deletes_or_gives_a_role_that_allows_more_than_they_may(lamp, ada):
    wide = await make(ada, "Money", ["VIEW_PRICES", "VIEW_TECHNICIAN_COSTS"])
    narrow = await make(ada, "People", ["VIEW_USERS", "MANAGE_USERS", "MANAGE_ROLES", "VIEW_PRICES"])
    ben = await actor_of((await hire(lamp, "ben@lamp.example", custom_role_ids=[narrow])).id)
    before = await models.CustomRole.all().order_by("id").values()
    for attempt in (
        make(ben, "More", ["VIEW_TECHNICIAN_COSTS"]),
        commands.update_role(ben, narrow, permissions=["VIEW_PRICES", "VIEW_ALERTS"]),
        commands.update_role(ben, wide, permissions=["VIEW_PRICES"]),
        commands.update_role(ben, wide, name="Mine"),
        commands.delete_role(ben, wide),
        commands.create_user(ben, email="x@lamp.example", legal_name="X", roles=[], custom_role_ids=[wide]),
        commands.update_user(ben, ben.id, custom_role_ids=[narrow, wide]),
        commands.update_user(ben, ben.id, roles=["ADMINISTRATOR"]),
        commands.deactivate_user(ben, (await hire(lamp, "cy@lamp.example", custom_role_ids=[wide])).id),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    assert await models.CustomRole.all().order_by("id").values() == before
    assert await models.User.filter(email="x@lamp.example").count() == 0
    assert (await models.User.get(id=ben.id)).custom_role_ids == [narrow]
    assert await make(ben, "Fewer", ["VIEW_PRICES"])


async def test_without_the_permission_no_role_is_made(lamp, ada):
    with pytest.raises(NotPermitted):
        await make(lamp.someone(Role.OPERATIONS_MANAGER))
    assert await models.CustomRole.all().count() == 0


async def test_another_organizations_role_is_not_found_and_gives_nothing(lamp, rival, ada):
    theirs = await make(rival.system)
    for id in (theirs, new_id("role")):
        with pytest.raises(NotFound) as refused:
            await commands.update_user(ada, ada.id, custom_role_ids=[id])
        assert (refused.value.path, refused.value.id) == (("customRoleIds",), id)
        for attempt in (commands.update_role(ada, id, name="Ours"), commands.delete_role(ada, id)):
            with pytest.raises(NotFound):
                await attempt
    eve = await hire(lamp, "eve@lamp.example", Role.SUPPORT)
    await models.User.filter(id=eve.id).update(custom_role_ids=[theirs])  # as if it had got there
    assert (await actor_of(eve.id)).permissions == ROLES[Role.SUPPORT]


async def test_a_role_that_somebody_holds_stays_even_if_they_may_not_sign_in(lamp, ada):
    role = await make(ada)
    eve = await hire(lamp, "eve@lamp.example", custom_role_ids=[role])
    await commands.deactivate_user(ada, eve.id)
    with pytest.raises(Conflict):
        await commands.delete_role(ada, role)
    await commands.update_user(ada, eve.id, roles=["SUPPORT"], custom_role_ids=[])
    with pytest.raises(StaleVersion):
        await commands.delete_role(ada, role, version=7)
    assert await commands.delete_role(ada, role) == lamp.id
    assert await models.CustomRole.all().count() == 0
    assert (await lamp.facts())[-1] == "RoleDeleted"


async def test_a_user_has_a_role_of_one_kind_or_the_other(lamp, ada):
    role = await make(ada, "Window", ["VIEW_WORK_ORDERS"], reach=Reach.ACCOUNT)
    for values in (
        {"roles": [], "custom_role_ids": []},
        {"roles": ["SUPPORT"], "custom_role_ids": [role]},
        {"roles": [], "custom_role_ids": [role]},
    ):
        with pytest.raises(InvalidInput):
            await commands.create_user(ada, email="x@lamp.example", legal_name="X", **values)
    assert await models.User.all().count() == 1


async def test_a_changed_role_holds_from_the_next_request_and_on_open_sockets(lamp, ada):
    role = await make(ada)
    await hire(lamp, "eve@lamp.example", password=PASSWORD, custom_role_ids=[role])
    token = await log_in("eve@lamp.example")
    assert (await queries.actor_of_token(token)).permissions == {P.VIEW_EQUIPMENT, P.VIEW_PRICES}
    await queries.actors_of_tokens([token])  # from here on it is known what stands behind it
    await commands.update_role(ada, role, permissions=["VIEW_EQUIPMENT"])
    assert (await queries.actor_of_token(token)).permissions == {P.VIEW_EQUIPMENT}
    await queries.actors_of_tokens([token])
    await models.CustomRole.filter(id=role).update(permissions=["VIEW_ALERTS"], version=9)  # as another process would
    assert (await queries.actors_of_tokens([token]))[token].permissions == {P.VIEW_ALERTS}
    assert (await queries.actor_of_token(token)).permissions == {P.VIEW_ALERTS}


async def test_a_role_that_was_taken_away_elsewhere_is_noticed(lamp, ada):
    role = await make(ada)
    eve = await hire(lamp, "eve@lamp.example", Role.SUPPORT, password=PASSWORD, custom_role_ids=[role])
    token = await log_in("eve@lamp.example")
    await queries.actors_of_tokens([token])
    unchanged = (await queries.actors_of_tokens([token]))[token]
    assert P.VIEW_PRICES in unchanged.permissions
    await models.User.filter(id=eve.id).update(custom_role_ids=[])  # as another process would
    assert (await queries.actors_of_tokens([token]))[token].permissions == ROLES[Role.SUPPORT]


def test_a_permission_that_is_beyond_a_reach_is_not_given_by_a_row_that_names_it():
    stored = rules.grant_of("role_1", "ACCOUNT", ["VIEW_WORK_ORDERS", "MANAGE_ORGANIZATION", "GONE"])
    assert stored.permissions == {P.VIEW_WORK_ORDERS}
    assert GRANTABLE[Reach.OWN_WORK] >= ROLES[Role.TECHNICIAN]


def test_the_table_cannot_be_changed_while_a_process_runs():
    for table, key in ((ROLES, Role.GUEST), (REACHES, Role.GUEST), (GRANTABLE, Reach.ACCOUNT)):
        with pytest.raises(TypeError):
            table[key] = frozenset(Permission)


async def with_own_role(lamp, email, *permissions, **details):
    """Somebody who may do just this, by a role of the company's own."""
    role = await make(lamp.system, email, permissions)
    return await actor_of((await hire(lamp, email, custom_role_ids=[role], **details)).id)


async def test_who_manages_users_takes_nothing_from_somebody_who_may_do_more_by_whichever_role(lamp):
    helper = await with_own_role(lamp, "help@lamp.example", "MANAGE_USERS", "VIEW_USERS")
    officer = await with_own_role(lamp, "boss@lamp.example", "MANAGE_SECURITY", "VIEW_USERS", password=PASSWORD)
    session = await sign_in.log_in("boss@lamp.example", PASSWORD)
    for attempt in (
        methods.reset_methods(helper, officer.id),
        commands.revoke_session(helper, session.session_id),
        commands.revoke_all_sessions(helper, officer.id),
    ):
        with pytest.raises(NotPermitted) as refused:
            await attempt
        assert refused.value.permission == P.MANAGE_SECURITY
    assert (await queries.actor_of_token(session.access_token)).id == officer.id


async def test_who_may_do_what_administrators_alone_may_is_held_to_what_is_asked_of_them(lamp):
    await commands.set_security_policy(
        lamp.system,
        mfa_roles=["ADMINISTRATOR"],
        session_limits=[("ADMINISTRATOR", 30, 480), ("DISPATCHER", 60, 480)],
    )
    await with_own_role(lamp, "like@lamp.example", "MANAGE_USERS", password=PASSWORD)
    await with_own_role(lamp, "less@lamp.example", "PLAN_SCHEDULE", "VIEW_SCHEDULE", password=PASSWORD)
    like, less = await log_in("like@lamp.example"), await log_in("less@lamp.example")
    assert (await queries.actor_of_token(like)).must_enroll
    assert not (await queries.actor_of_token(less)).must_enroll
    lasts = [one.refresh_expires_at - one.created_at for one in await models.Session.all().order_by("created_at")]
    assert [round(one.total_seconds() / 60) for one in lasts] == [30, 14 * 24 * 60]
