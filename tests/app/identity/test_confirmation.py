"""What a stolen session cannot do: its owner has to prove once more who they are."""

from datetime import timedelta

import pytest
import pytest_asyncio

import app.main  # noqa: F401  # every command there is
from app.identity import commands, confirmation, models, queries, sign_in
from app.identity.commands import privacy
from app.identity.secret import Secret, Slip
from app.infrastructure import command as commanding
from app.infrastructure.command import CONFIRMED
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfirmationRequired, InvalidInput, NotPermitted, RateLimited
from app.kernel.permissions import Role
from tests.app.identity.test_accounts import PASSWORD, hire

DANGEROUS = {
    "create_user", "invite_user", "approve_access_request", "deactivate_user", "reactivate_user", "reset_password",
    "reset_methods", "create_role", "update_role", "delete_role", "set_security_policy", "create_identity_provider",
    "update_identity_provider", "create_api_key", "update_api_key", "rotate_api_key", "revoke_api_key", "add_method",
    "remove_method", "keep_recovery_codes", "request_data_export", "approve_data_request",
}  # fmt: skip


@pytest_asyncio.fixture
async def ada(lamp):
    """An administrator who signed in just now."""
    await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR, password=PASSWORD)
    session = await sign_in.log_in("ada@lamp.example", PASSWORD, address="203.0.113.7")
    return await queries.actor_of_token(session.access_token)


async def confirmed(actor, minutes_ago):
    await models.Session.filter(id=actor.session_id).update(confirmed_at=utc_now() - timedelta(minutes=minutes_ago))


async def confirm(actor, password=PASSWORD):
    return await confirmation.confirm_identity(actor, Secret(password), address="203.0.113.7")


async def make_key(actor):
    return await commands.create_api_key(actor, Slip(), name="CRM", scopes=["VIEW_CUSTOMERS"])


def test_what_makes_people_and_keys_and_takes_data_away_is_confirmed():
    assert {name.rpartition(".")[2] for name in CONFIRMED if name.startswith("app.identity.")} == DANGEROUS


async def test_a_stolen_session_takes_no_copy_of_what_is_kept_of_its_owner(lamp, ada):
    await confirmed(ada, 16)
    with pytest.raises(ConfirmationRequired):
        await privacy.request_data_export(ada)
    assert await models.DataRequest.all().count() == 0
    await confirm(ada)
    await privacy.request_data_export(ada)


async def test_signing_in_counts_as_confirmation_for_a_quarter_of_an_hour(lamp, ada):
    await confirmed(ada, 14)
    await make_key(ada)
    await confirmed(ada, 15)
    with pytest.raises(ConfirmationRequired) as refused:
        await make_key(ada)
    assert refused.value.data() == {"minutes": 15}
    assert await models.ApiKey.all().count() == 1


async def test_the_password_confirms_and_the_same_request_goes_through(lamp, ada):
    await confirmed(ada, 60)
    assert await confirm(ada) == ada.session_id
    await make_key(ada)
    assert (await lamp.facts())[-2:] == ["IdentityConfirmed", "ApiKeyCreated"]


async def test_a_wrong_password_confirms_nothing_and_is_slowed_down_like_guessing(lamp, ada):
    await confirmed(ada, 60)
    for _ in range(5):
        with pytest.raises(InvalidInput):
            await confirm(ada, "wrong")
    with pytest.raises(RateLimited):
        await confirm(ada)
    with pytest.raises(ConfirmationRequired):
        await make_key(ada)


async def test_roles_and_logins_need_it_and_a_phone_number_does_not(lamp, ada):
    somebody = await hire(lamp, "bob@lamp.example", Role.SUPPORT)
    await confirmed(ada, 60)
    await commands.update_user(ada, somebody.id, department="Desk")
    for changes in ({"roles": [Role.ADMINISTRATOR]}, {"email": "eve@lamp.example"}):
        with pytest.raises(ConfirmationRequired):
            await commands.update_user(ada, somebody.id, **changes)
    row = await models.User.get(id=somebody.id)
    assert (row.roles, row.email, row.department) == (["SUPPORT"], "bob@lamp.example", "Desk")


async def test_a_refresh_does_not_confirm(lamp, ada):
    session = await sign_in.log_in("ada@lamp.example", PASSWORD)
    actor = await queries.actor_of_token(session.access_token)
    await confirmed(actor, 60)
    await sign_in.refresh_session(session.refresh_token)
    with pytest.raises(ConfirmationRequired):
        await make_key(actor)


async def test_who_lacks_the_permission_is_not_asked_to_confirm(lamp):
    await hire(lamp, "bob@lamp.example", Role.SUPPORT, password=PASSWORD)
    session = await sign_in.log_in("bob@lamp.example", PASSWORD)
    actor = await queries.actor_of_token(session.access_token)
    await confirmed(actor, 60)
    with pytest.raises(NotPermitted):
        await make_key(actor)


async def test_without_anybody_to_ask_a_session_is_refused(lamp, ada, monkeypatch):
    monkeypatch.setattr(commanding, "_confirm", [])
    with pytest.raises(RuntimeError):
        await make_key(ada)
    await make_key(await hire(lamp, "eve@lamp.example", Role.ADMINISTRATOR))
