"""What administrators look after: unused and locked accounts, requests for access; and what people are told of their own."""

import asyncio
import time
from datetime import timedelta

import pytest
import pytest_asyncio

from app.identity import commands, even_time, models, queries, reactions, rules, sign_in
from app.identity.secret import Secret
from app.infrastructure import journal, limits
from app.infrastructure.followers import FOLLOWERS
from app.infrastructure.models import OutboxMessage
from app.infrastructure.tables import find_rows
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, NotAuthenticated, NotFound, NotPermitted, RateLimited
from app.kernel.permissions import Role
from app.messaging import reactions as messaging
from app.messaging.models import Notification
from schema.identity.access import stale
from tests.app.identity.test_accounts import PASSWORD, hire
from tests.app.messaging.test_notifications import inside

LOGIN = "grace@lamp.example"
OFFICE, CAFE = "203.0.113.7", "198.51.100.9"


@pytest_asyncio.fixture
async def ada(lamp, monkeypatch):
    monkeypatch.setattr(even_time, "ANSWER_SECONDS", 0.001)
    await limits.start()
    return await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR)


@pytest_asyncio.fixture
async def grace(lamp, ada):
    return await hire(lamp, LOGIN, Role.SUPPORT, password=PASSWORD)


async def log_in(password=PASSWORD, address=OFFICE, device="Firefox"):
    return await sign_in.log_in(LOGIN, password, address=address, user_agent=device)


async def guess(times, address=CAFE):
    for _ in range(times):
        with pytest.raises(NotAuthenticated):
            await log_in("wrong", address)


# Locked and unused accounts


async def test_who_is_locked_is_listed_and_unlocked_by_an_administrator(lamp, rival, ada, grace):
    assert await queries.find_locked(ada) == []
    await guess(5)
    [locked] = await queries.find_locked(ada)
    assert (locked.user_id, locked.failures, locked.networks) == (grace.id, 5, 1)
    assert await queries.find_locked(rival.someone(Role.ADMINISTRATOR)) == []
    with pytest.raises(RateLimited):
        await log_in(address=CAFE)
    for stranger, problem in (
        (rival.someone(Role.ADMINISTRATOR), NotFound),
        (lamp.someone(Role.DISPATCHER), NotPermitted),
    ):
        with pytest.raises(problem):
            await commands.unlock_user(stranger, grace.id)
    await commands.unlock_user(ada, grace.id)
    assert await queries.find_locked(ada) == []
    await log_in(address=CAFE)
    assert "UserUnlocked" in await lamp.facts()


async def test_an_unlocked_account_is_locked_again_by_as_many_failures(lamp, ada, grace):
    await guess(5)
    await commands.unlock_user(ada, grace.id)
    await guess(5)
    with pytest.raises(RateLimited):
        await log_in(address=CAFE)
    await log_in(address=OFFICE)


async def test_accounts_are_stale_by_the_days_of_the_policy(lamp, rival, ada, grace):
    async def listed():
        visible = models.User.visible_to(ada) & await stale(ada)
        return {row.email for row in await find_rows(models.User, visible)}

    assert await listed() == set()
    await models.User.filter(id=grace.id).update(last_login_at=utc_now() - timedelta(days=91))
    await models.User.filter(id=ada.id).update(created_at=utc_now() - timedelta(days=91))
    await hire(rival, "old@rival.example", Role.SUPPORT)
    await models.User.filter(email="old@rival.example").update(created_at=utc_now() - timedelta(days=400))
    assert await listed() == {LOGIN, "ada@lamp.example"}
    await commands.set_security_policy(ada, stale_after_days=100)
    assert await listed() == set()
    await commands.set_security_policy(ada, stale_after_days=30)
    await commands.deactivate_user(ada, grace.id)
    assert await listed() == {"ada@lamp.example"}


# Requests for access


async def open_door(ada):
    await commands.set_security_policy(ada, login_domain="lamp", takes_access_requests=True)


async def test_a_stranger_asks_and_is_invited(lamp, ada):
    await open_door(ada)
    await commands.request_access("Lamp", "New@Lamp.example", "New Person", "I am the new one")
    [row] = await models.AccessRequest.all()
    assert (row.email, row.status, row.roles, row.user_id) == ("new@lamp.example", "PENDING", [], None)
    with pytest.raises(InvalidInput):
        await commands.approve_access_request(ada, row.id)
    await commands.approve_access_request(ada, row.id, roles=[Role.SUPPORT])
    user = await models.User.get(email="new@lamp.example")
    assert (user.status, user.roles) == ("INVITED", ["SUPPORT"])
    row = await models.AccessRequest.get(id=row.id)
    assert (row.status, row.decided_by_user_id) == ("APPROVED", ada.id)
    for again in (commands.approve_access_request, commands.decline_access_request):
        with pytest.raises(Conflict):
            await again(ada, row.id)


async def test_a_stranger_is_told_the_same_whatever_there_is(lamp, ada, grace):
    asked = ("lamp", "new@lamp.example", "New")
    assert await commands.request_access(*asked) is None  # no such domain
    await commands.set_security_policy(ada, login_domain="lamp")
    assert await commands.request_access(*asked, address="1.1.1.1") is None  # takes none
    await open_door(ada)
    assert await commands.request_access("lamp", LOGIN, "Grace", address="1.1.1.2") is None  # has an account
    assert await models.AccessRequest.all().count() == 0
    for number in range(2):
        assert await commands.request_access(*asked, address=f"1.1.2.{number}") is None
    assert await models.AccessRequest.all().count() == 1
    with pytest.raises(RateLimited):
        for _ in range(6):
            await commands.request_access("nobody", "a@b.example", "A", address="1.1.1.3")


async def test_a_user_asks_for_more_roles_and_gets_them_or_not(lamp, ada, grace):
    id = await commands.request_roles(grace, roles=[Role.DISPATCHER, Role.SUPPORT], message="I plan now")
    assert (await models.AccessRequest.get(id=id)).roles == ["DISPATCHER"]
    with pytest.raises(Conflict):
        await commands.request_roles(grace, roles=[Role.FINANCE])
    with pytest.raises(NotPermitted):
        await commands.approve_access_request(lamp.someone(Role.OPERATIONS_MANAGER), id)
    assert (await models.User.get(id=grace.id)).roles == ["SUPPORT"]
    await commands.approve_access_request(ada, id)
    assert (await models.User.get(id=grace.id)).roles == ["DISPATCHER", "SUPPORT"]
    second = await commands.request_roles(grace, roles=[Role.FINANCE])
    await commands.decline_access_request(ada, second, note="Not yours")
    assert (await models.User.get(id=grace.id)).roles == ["DISPATCHER", "SUPPORT"]
    [mail] = await OutboxMessage.filter(recipient=LOGIN)
    assert "Not yours" in mail.text


async def test_strangers_who_ask_do_not_keep_users_from_asking(lamp, ada, grace, monkeypatch):
    monkeypatch.setattr(rules, "ACCESS_REQUESTS_PENDING_MAX", 1)
    await open_door(ada)
    for number in range(2):
        await commands.request_access("lamp", f"new{number}@lamp.example", "New")
    assert await models.AccessRequest.all().count() == 1
    await commands.request_roles(grace, roles=[Role.DISPATCHER])
    assert await models.AccessRequest.filter(user_id=grace.id).count() == 1


async def test_the_answer_comes_at_a_time_that_does_not_tell(lamp, ada, grace, monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    await open_door(ada)
    monkeypatch.setattr(even_time, "ANSWER_SECONDS", 30.0)
    monkeypatch.setattr(even_time.asyncio, "sleep", sleep)
    for domain, email in (("lamp", "new@lamp.example"), ("lamp", LOGIN), ("nobody", LOGIN)):
        began = time.monotonic()
        await commands.request_access(domain, email, "New")
        assert waits[-1] + (time.monotonic() - began) == pytest.approx(30.0, abs=0.5)
    assert len(waits) == 3


@pytest.mark.slow
async def test_a_role_that_is_taken_away_meanwhile_does_not_come_back_with_the_one_that_was_asked_for(lamp, ada, grace):
    for _ in range(6):
        await commands.update_user(ada, grace.id, roles=["SUPPORT", "FINANCE"])
        id = await commands.request_roles(grace, roles=[Role.DISPATCHER])
        await asyncio.gather(
            commands.update_user(ada, grace.id, roles=["SUPPORT"]), commands.approve_access_request(ada, id)
        )
        assert "FINANCE" not in (await models.User.get(id=grace.id)).roles


@pytest.mark.parametrize("roles", [[], [Role.SUPPORT], [Role.CUSTOMER_USER]])
async def test_roles_that_one_has_or_that_do_not_fit_are_not_asked_for(lamp, grace, roles):
    with pytest.raises(InvalidInput):
        await commands.request_roles(grace, roles=roles)
    assert await models.AccessRequest.all().count() == 0


# What people are told


async def react(lamp, *pairs):
    """Let reactions follow the journal from its start, as followers run them."""
    for entry in await journal.read(lamp.id, 0):
        for reaction, facts in pairs:
            if entry.type in facts:
                await inside(lamp.system, reaction(lamp.system, entry))


SIGN_INS = (reactions.note_unusual_sign_ins, {"SessionStarted"})
IN_APP = (messaging.tell_of_unusual_sign_ins, {"UnusualSignIn"})
ODDITIES = rules.SignInOddity


async def test_a_sign_in_as_never_before_is_told_by_mail_and_in_the_application(lamp, ada, grace):
    await log_in()
    await log_in()
    await react(lamp, SIGN_INS)
    assert await OutboxMessage.all().count() == 0
    await log_in(address=CAFE, device="curl")
    await react(lamp, SIGN_INS)
    [mail] = await OutboxMessage.all()
    assert (mail.recipient, mail.subject) == (LOGIN, "A sign-in to your account")
    assert CAFE in mail.text
    noted = [entry.payload["oddities"] for entry in await journal.read(lamp.id, 0) if entry.type == "UnusualSignIn"]
    assert noted == [["NEW_NETWORK", "NEW_DEVICE"]]
    await react(lamp, IN_APP)
    [told] = await Notification.all()
    assert (told.user_id, told.kind) == (grace.id, "SECURITY_NOTICE")


@pytest.mark.parametrize(
    ("network", "device", "failures", "found"),
    [
        ("a", "x", 0, []),
        ("b", "x", 0, [ODDITIES.NEW_NETWORK]),
        ("a", "y", 4, [ODDITIES.NEW_DEVICE]),
        ("a", "x", 5, [ODDITIES.AFTER_FAILURES]),
    ],
)
def test_oddities_are_what_differs_from_before(network, device, failures, found):
    assert rules.oddities_of(network, device, networks={"a"}, devices={"x"}, failures=failures) == found
    assert ODDITIES.NEW_NETWORK not in rules.oddities_of(network, device, networks=(), devices=(), failures=0)


async def test_a_new_password_and_a_new_address_are_told_at_every_address(lamp, ada, grace):
    await sign_in.set_password(grace, Secret(PASSWORD), Secret("gravel under a ladder"))
    await commands.update_user(ada, grace.id, email="hopper@lamp.example", team="North")
    await commands.update_user(ada, grace.id, team="South")
    mails = ((reactions.mail_of_new_passwords, {"PasswordChanged"}), (reactions.mail_of_new_addresses, {"UserUpdated"}))
    await react(lamp, *mails, (messaging.tell_of_changed_logins, {"PasswordChanged", "UserUpdated"}))
    sent = {(mail.subject, mail.recipient) for mail in await OutboxMessage.all()}
    assert sent == {
        ("Your password was changed", "hopper@lamp.example"),
        ("Your login was changed", LOGIN),
        ("Your login was changed", "hopper@lamp.example"),
    }
    assert await Notification.filter(user_id=grace.id).count() == await Notification.all().count() == 2


def test_the_reactions_follow_the_journal():
    names = {name.rpartition(".")[2] for name in FOLLOWERS}
    assert {"note_unusual_sign_ins", "mail_of_new_passwords", "mail_of_new_addresses"} <= names
    assert {"tell_of_unusual_sign_ins", "tell_of_changed_logins", "tell_of_access_requests"} <= names
