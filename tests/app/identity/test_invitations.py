"""Somebody new comes in by a link that opens once, and by no other."""

import asyncio
import re
from datetime import date, timedelta

import pytest
import pytest_asyncio

from app.identity import commands, models, queries, rules, sign_in
from app.identity.commands import invitations
from app.identity.secret import Secret
from app.infrastructure import outbox
from app.infrastructure.jobs import KINDS, Runner
from app.infrastructure.models import OutboxMessage
from app.kernel.calendar import utc_now
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    IllegalTransition,
    InvalidInput,
    LimitReached,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RateLimited,
)
from app.kernel.permissions import Role
from tests.app.identity.test_accounts import hire

PASSWORD = "a kettle sings at noon"


@pytest_asyncio.fixture
async def ada(lamp):
    return await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR)


async def invite(actor, email="grace@lamp.example", **details):
    values = {"legal_name": "Grace Hopper", "roles": [Role.DISPATCHER]} | details
    return await commands.invite_user(actor, email=email, **values)


async def token_of(id):
    """What stands in the newest mail of an invitation."""
    row = await models.Invitation.get(id=id)
    mail = (await OutboxMessage.filter(recipient=row.email).order_by("-created_at", "-id"))[0]
    return re.search(r"/invitation#token=(\S+)", mail.text)[1]


async def accept(token, password=PASSWORD, **profile):
    return await commands.accept_invitation(token, Secret(password), **profile)


async def test_who_is_invited_sets_a_password_completes_the_profile_and_signs_in(lamp, ada):
    id = await invite(ada, team="North", start_date=date(2031, 3, 3))
    row = await models.Invitation.get(id=id)
    user = await models.User.get(id=row.user_id)
    assert (user.status, user.password_hash, user.team, user.start_date) == ("INVITED", None, "North", date(2031, 3, 3))
    assert row.expires_at - row.sent_at == timedelta(days=7)
    assert await accept(await token_of(id), legal_name="Grace B. Hopper", preferred_name="Amazing Grace") == user.email
    user = await models.User.get(id=row.user_id)
    assert (user.status, user.legal_name, user.preferred_name) == ("ACTIVE", "Grace B. Hopper", "Amazing Grace")
    session = await sign_in.log_in("grace@lamp.example", PASSWORD)
    assert session.user_id == user.id
    assert (await lamp.facts())[2:] == [
        "UserCreated",
        "UserInvited",
        "InvitationAccepted",
        "UserUpdated",
        "SessionStarted",
    ]


async def test_the_token_stands_in_the_mail_alone_and_not_there_either_once_it_is_delivered(lamp, ada, tmp_path):
    id = await invite(ada)
    token = await token_of(id)
    row = dict(iter(await models.Invitation.get(id=id)))
    assert token not in str(row)
    outbox.configure(tmp_path)
    await Runner(kinds={outbox.DELIVER: KINDS[outbox.DELIVER]}).run_due()
    [mail] = await OutboxMessage.all()
    assert (mail.text, mail.sent_at is None) == ("", False)
    [path] = tmp_path.glob("*.eml")
    assert "Your invitation to Complicated Lamp Repairs" in path.read_text()


async def spoiled(ada, how):
    """A token that opens nothing any more."""
    if how == "unknown":
        return "tri_" + "A" * 43 + "_aaaaaa"
    id = await invite(ada)
    token = await token_of(id)
    match how:
        case "used":
            await accept(token)
        case "revoked":
            await commands.revoke_invitation(ada, id)
        case "resent":
            await models.Invitation.filter(id=id).update(sent_at=utc_now() - timedelta(minutes=2))
            await commands.resend_invitation(ada, id)
        case "too old":
            await models.Invitation.filter(id=id).update(expires_at=utc_now())
        case "shut out":
            await commands.deactivate_user(ada, (await models.Invitation.get(id=id)).user_id)
    return token


@pytest.mark.parametrize("how", ["unknown", "used", "revoked", "resent", "too old", "shut out"])
async def test_a_link_that_is_no_good_is_answered_alike_whatever_is_wrong_and_does_nothing(lamp, ada, how):
    token = await spoiled(ada, how)
    before = await lamp.facts()
    with pytest.raises(InvalidInput) as refused:
        await accept(token, "another kettle at noon")
    assert (refused.value.message, refused.value.path) == (invitations.USELESS_LINK, ("token",))
    assert await lamp.facts() == before


async def test_a_sent_again_link_lets_in(lamp, ada):
    id = await invite(ada)
    with pytest.raises(RateLimited):
        await commands.resend_invitation(ada, id)
    await models.Invitation.filter(id=id).update(sent_at=utc_now() - timedelta(minutes=2), expires_at=utc_now())
    await commands.resend_invitation(ada, id)
    await accept(await token_of(id))
    with pytest.raises(Conflict):
        await commands.resend_invitation(ada, id)
    with pytest.raises(Conflict):
        await commands.revoke_invitation(ada, id)


async def test_an_invitation_is_not_sent_for_ever(lamp, ada):
    id = await invite(ada)
    await models.Invitation.filter(id=id).update(sent_count=10, sent_at=utc_now() - timedelta(minutes=2))
    with pytest.raises(LimitReached):
        await commands.resend_invitation(ada, id)


async def test_a_link_is_taken_once_by_however_many_at_once(lamp, ada):
    token = await token_of(await invite(ada))
    row, user = await commands.require_open_invitation(token)
    actor = queries.actor_of(user)
    taken = await asyncio.gather(
        *(invitations.take_invitation(actor, row.id, row.token_hash, Secret("$argon2id$x"), {}) for _ in range(20)),
        return_exceptions=True,
    )
    assert [one for one in taken if not isinstance(one, Exception)] == [user.email]
    assert {type(one) for one in taken if isinstance(one, Exception)} == {InvalidInput}
    assert (await lamp.facts()).count("InvitationAccepted") == 1


async def test_who_is_invited_and_has_not_come_cannot_sign_in_or_be_reactivated_twice(lamp, ada):
    id = await invite(ada)
    user_id = (await models.Invitation.get(id=id)).user_id
    with pytest.raises(NotAuthenticated):
        await sign_in.log_in("grace@lamp.example", "")
    with pytest.raises(NotAuthenticated):
        await queries.actor_now(lamp.id, user_id)
    await commands.revoke_invitation(ada, id)
    assert (await models.User.get(id=user_id)).status == "DEACTIVATED"
    with pytest.raises(IllegalTransition):
        await commands.deactivate_user(ada, user_id)


async def test_a_weak_password_leaves_the_link_as_it_was(lamp, ada):
    await commands.set_security_policy(ada, password_length_min=20, password_classes_min=2)
    token = await token_of(await invite(ada))
    for password in ("too short for us", "long enough but of one kind".replace(" ", "")):
        with pytest.raises(InvalidInput) as refused:
            await accept(token, password)
        assert refused.value.path == ("password",)
    await accept(token, "long enough and of two kinds")


async def test_invitations_are_the_company_s_own_and_its_administrators(lamp, rival, ada):
    id = await invite(ada)
    for run in (commands.resend_invitation, commands.revoke_invitation):
        with pytest.raises(NotFound):
            await run(rival.someone(Role.ADMINISTRATOR), id)
        with pytest.raises(NotPermitted):
            await run(lamp.someone(Role.OPERATIONS_MANAGER), id)
    with pytest.raises(NotPermitted):
        await invite(lamp.someone(Role.OPERATIONS_MANAGER), "new@lamp.example")
    with pytest.raises(AlreadyExists):
        await invite(rival.someone(Role.ADMINISTRATOR))
    assert (await models.Invitation.get(id=id)).version == 1
    assert await OutboxMessage.all().count() == 1


async def test_user_names_follow_the_convention_and_equal_ones_are_numbered(lamp, rival, ada):
    await commands.set_security_policy(ada, username_convention="INITIAL_SURNAME")
    for number, name in enumerate(["Grace Hopper", "Gina Hopper", "Jürgen von Großmann", "李 小龙"]):
        await hire_named(ada, f"p{number}@lamp.example", name)
    await commands.set_security_policy(ada, username_convention="EMPLOYEE_NUMBER")
    await hire_named(ada, "p7@lamp.example", "Grace Hopper", employee_number="A-17")
    await hire_named(ada, "p8@lamp.example", "Guy Hopper")
    found = await models.User.filter(organization_id=lamp.id).order_by("email").values_list("username", flat=True)
    assert found == [None, "ghopper", "ghopper2", "jgrossmann", "p3", "a17", "ghopper3"]


async def hire_named(actor, email, name, **details):
    return await commands.create_user(actor, email=email, legal_name=name, roles=[Role.SUPPORT], **details)


async def test_an_administrator_changes_user_names_within_reason(lamp, ada):
    id = await hire_named(ada, "grace@lamp.example", "Grace Hopper", username="Grace")
    await hire_named(ada, "gina@lamp.example", "Gina Hopper", username="gina")
    assert (await models.User.get(id=id)).username == "grace"
    for taken, problem in (("gina", AlreadyExists), ("gina@lamp", InvalidInput), ("a b", InvalidInput)):
        with pytest.raises(problem) as refused:
            await commands.update_user(ada, id, username=taken)
        assert refused.value.path == ("username",)
    assert (await models.User.get(id=id)).version == 1


async def test_one_signs_in_with_the_user_name_and_the_domain_of_the_organization_and_not_of_another(lamp, rival, ada):
    boss = rival.someone(Role.ADMINISTRATOR)
    await commands.set_security_policy(ada, login_domain="Lamp")
    with pytest.raises(AlreadyExists):
        await commands.set_security_policy(boss, login_domain="lamp")
    with pytest.raises(InvalidInput):
        await commands.set_security_policy(boss, login_domain="lamp.example")
    await commands.set_security_policy(boss, login_domain="rival")
    ours = await commands.create_user(
        ada, email="g@lamp.example", legal_name="G", roles=["SUPPORT"], username="grace", password=Secret(PASSWORD)
    )
    await commands.create_user(boss, email="g@rival.example", legal_name="G", roles=["SUPPORT"], username="grace")
    assert (await queries.find_user("grace@rival")).organization_id == rival.id
    assert [await queries.find_user(one) for one in ("grace", "grace@", "@lamp", "grace@other", "")] == [None] * 5
    assert (await sign_in.log_in("Grace@LAMP", PASSWORD)).user_id == ours
    with pytest.raises(NotAuthenticated):
        await sign_in.log_in("grace@rival", PASSWORD)


async def test_nobody_is_above_themselves(lamp, ada):
    first = await hire_named(ada, "first@lamp.example", "First")
    second = await hire_named(ada, "second@lamp.example", "Second", manager_id=first)
    for manager in (first, second):
        with pytest.raises(InvalidInput) as refused:
            await commands.update_user(ada, first, manager_id=manager)
        assert refused.value.path == ("managerId",)
    assert rules.UserStatus((await models.User.get(id=first)).status) is rules.UserStatus.ACTIVE


async def test_a_link_that_went_to_a_wrong_address_opens_nothing_once_that_is_corrected(lamp, ada):
    id = await invite(ada, "tpyo@lamp.example")
    token, row = await token_of(id), await models.Invitation.get(id=id)
    await commands.update_user(ada, row.user_id, email="typo@lamp.example")
    with pytest.raises(InvalidInput):
        await accept(token)
    await models.Invitation.all().update(sent_at=utc_now() - timedelta(hours=1))
    await commands.resend_invitation(ada, id)
    assert await accept(await token_of(id)) == "typo@lamp.example"


async def test_who_was_invited_comes_in_by_the_link_alone(lamp, ada):
    user = (await models.Invitation.get(id=await invite(ada))).user_id
    with pytest.raises(Conflict):
        await commands.reactivate_user(ada, user)
    assert (await models.User.get(id=user)).status == "INVITED"
