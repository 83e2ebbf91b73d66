"""A customer's administrators manage the customer's people, and nobody else."""

from decimal import Decimal

import pytest
import pytest_asyncio

from app.customers.models import Customer
from app.identity import commands, models, queries
from app.identity.secret import Slip
from app.infrastructure.models import OutboxMessage
from app.infrastructure.tables import add_row, find_rows
from app.kernel.errors import Conflict, InvalidInput, LimitReached, NotFound, NotPermitted
from app.kernel.permissions import Role
from tests.app.identity.test_accounts import hire


@pytest_asyncio.fixture
async def accounts(lamp):
    """Two customers of the company."""
    common = {"organization_id": lamp.id, "type": "ENTERPRISE", "currency": "USD"}
    return [(await add_row(Customer, account_number=one, name=one, **common)).id for one in ("own", "other")]


@pytest_asyncio.fixture
async def head(lamp, accounts):
    return await hire(lamp, "head@own.example", Role.ACCOUNT_ADMINISTRATOR, customer_id=accounts[0])


@pytest_asyncio.fixture
async def others(lamp, accounts):
    """Somebody of the company, and somebody of the other customer."""
    await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR)
    await hire(lamp, "them@other.example", Role.CUSTOMER_USER, customer_id=accounts[1])
    return await models.User.filter(email__in=["ada@lamp.example", "them@other.example"])


async def invite(actor, email="new@own.example", roles=(Role.CUSTOMER_USER,), **details):
    return await commands.invite_user(actor, email=email, legal_name="New", roles=roles, **details)


async def test_they_invite_change_and_shut_out_their_own(lamp, accounts, head):
    id = await invite(head)
    user = await models.User.get(email="new@own.example")
    assert (user.customer_id, user.status) == (accounts[0], "INVITED")
    await commands.update_user(head, user.id, roles=[Role.GUEST], department="Office")
    await commands.revoke_invitation(head, id)
    user = await models.User.get(id=user.id)
    assert (user.roles, user.department, user.status) == (["GUEST"], "Office", "DEACTIVATED")


async def test_they_see_their_own_people_and_invitations_alone(lamp, accounts, head, others):
    await invite(head)
    await invite(lamp.system, "x@other.example", customer_id=accounts[1])
    seen = {row.email for row in await find_rows(models.User, models.User.visible_to(head))}
    assert seen == {"head@own.example", "new@own.example"}
    invited = {row.email for row in await find_rows(models.Invitation, models.Invitation.visible_to(head))}
    assert invited == {"new@own.example"}
    colleague = await hire(lamp, "user@own.example", Role.CUSTOMER_USER, customer_id=accounts[0])
    assert [row.id for row in await find_rows(models.User, models.User.visible_to(colleague))] == [colleague.id]


async def test_whoever_is_not_theirs_is_not_found_and_stays(lamp, accounts, head, others):
    for user in others:
        for run in (
            commands.deactivate_user, commands.reset_password, commands.unlock_user, commands.reactivate_user,
            commands.revoke_all_sessions,
        ):  # fmt: skip
            with pytest.raises(NotFound):
                await run(head, user.id)
        with pytest.raises(NotFound):
            await commands.update_user(head, user.id, legal_name="Mine")
    assert {(row.version, row.status) for row in await models.User.all()} == {(1, "ACTIVE")}
    assert await OutboxMessage.all().count() == 0


@pytest.mark.parametrize("role", [role for role in Role if role not in {
    Role.ACCOUNT_ADMINISTRATOR, Role.CUSTOMER_USER, Role.RESIDENTIAL_CUSTOMER, Role.GUEST,
}])  # fmt: skip
async def test_they_give_no_role_of_the_company(lamp, head, role):
    for customer_id in ({}, {"customer_id": None}):
        with pytest.raises((InvalidInput, NotPermitted)):
            await invite(head, roles=[role], **customer_id)
    with pytest.raises((InvalidInput, NotPermitted)):
        await commands.update_user(head, head.id, roles=[role], customer_id=None)
    assert await models.User.all().count() == 1


async def test_nobody_is_let_in_to_another_account_or_moved_there(lamp, accounts, head):
    with pytest.raises(NotFound):
        await invite(head, customer_id=accounts[1])
    with pytest.raises(NotFound):
        await commands.update_user(head, head.id, customer_id=accounts[1])
    assert await models.User.all().count() == 1


async def test_who_has_a_limit_gives_it_on_and_no_higher_one(lamp, head):
    await models.User.filter(id=head.id).update(approval_limit=Decimal(500))
    for limit in (None, Decimal(501)):
        with pytest.raises(InvalidInput) as refused:
            await invite(head, approval_limit=limit)
        assert refused.value.path == ("approvalLimit",)
    await invite(head)
    await invite(head, "less@own.example", approval_limit=Decimal(20))
    limits = await models.User.all().order_by("email").values_list("approval_limit", flat=True)
    assert limits == [Decimal(500), Decimal(20), Decimal(500)]
    with pytest.raises(Conflict):
        await commands.update_user(head, head.id, approval_limit=Decimal(1))
    with pytest.raises(InvalidInput):
        await invite(lamp.system, "minus@own.example", roles=[Role.SUPPORT], approval_limit=Decimal(-1))


async def test_who_has_a_limit_makes_nobody_an_approver_without_one(lamp, head):
    boss = await hire(lamp, "boss@lamp.example", Role.ADMINISTRATOR, approval_limit=Decimal(500))
    clerk = await hire(lamp, "clerk@lamp.example", Role.SUPPORT)
    with pytest.raises(InvalidInput) as refused:
        await commands.update_user(boss, clerk.id, roles=[Role.FINANCE])
    assert refused.value.path == ("approvalLimit",)
    assert (await models.User.get(id=clerk.id)).roles == ["SUPPORT"]
    await commands.update_user(boss, clerk.id, roles=[Role.FINANCE], approval_limit=Decimal(500))
    await commands.update_user(boss, clerk.id, roles=[Role.QUALITY_MANAGER])


async def test_a_key_has_the_limit_of_who_made_it(lamp, head):
    boss = await hire(lamp, "boss@lamp.example", Role.ADMINISTRATOR, approval_limit=Decimal(500))
    limits = []
    for maker in (boss, lamp.system):
        slip = Slip()
        await commands.create_api_key(maker, slip, name="Key", scopes=["APPROVE_WORK_ORDERS", "MANAGE_USERS"])
        key = await queries.actor_of_token(slip.secret)
        limits.append(await queries.approval_limit_of(key))
    assert limits == [Decimal(500), None]
    assert await queries.approval_limit_of(boss) == Decimal(500)
    assert await queries.approval_limit_of(lamp.system) is None


async def test_an_account_has_so_many_open_invitations(lamp, head, monkeypatch):
    monkeypatch.setattr(commands.invitations.rules, "INVITATIONS_OPEN_OF_AN_ACCOUNT_MAX", 1)
    await invite(head)
    with pytest.raises(LimitReached):
        await invite(head, "second@own.example")
    await invite(lamp.system, "third@lamp.example", roles=[Role.SUPPORT])


async def test_others_of_the_account_manage_nobody(lamp, accounts, head):
    for role in (Role.CUSTOMER_USER, Role.RESIDENTIAL_CUSTOMER, Role.GUEST):
        person = await hire(lamp, f"{role.lower()}@own.example", role, customer_id=accounts[0])
        with pytest.raises(NotPermitted):
            await invite(person)
        with pytest.raises(NotPermitted):
            await commands.deactivate_user(person, head.id)


async def test_nobody_of_the_company_or_of_another_account_becomes_a_manager(lamp, head, others):
    for user in others:
        with pytest.raises(NotFound) as refused:
            await invite(head, manager_id=user.id)
        assert refused.value.path == ("managerId",)
    assert await models.User.filter(status="INVITED").count() == 0
