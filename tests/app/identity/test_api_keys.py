"""What a partner's key is held to besides its scopes, how its use is told, and that its end is announced."""

from datetime import timedelta

import pytest

from app.identity import commands, models, queries, rules
from app.identity.secret import Slip
from app.infrastructure import journal
from app.infrastructure.followers import FOLLOWERS, Followers
from app.kernel.allowances import Allowance, KeyTerms
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotAuthenticated, NotFound, NotPermitted, StaleVersion
from app.kernel.permissions import Role
from app.messaging import reactions
from app.messaging.models import Notification
from app.messaging.rules import NotificationKind
from tests.app.company.companies import Company

OFFICE = "198.51.100.7"


@pytest.fixture
def ada(lamp: Company):
    return lamp.someone(Role.ADMINISTRATOR)


async def made(actor, **options):
    slip = Slip()
    id = await commands.create_api_key(actor, slip, name="ERP", scopes=["VIEW_CUSTOMERS"], **options)
    return await models.ApiKey.get(id=id), slip.secret


async def looked_up_anew(secret, address=""):
    queries.forget_actors()
    return await queries.actor_of_token(secret, address)


async def test_a_key_carries_the_limits_it_was_given(ada):
    plain, secret = await made(ada)
    assert (await queries.actor_of_token(secret)).terms == KeyTerms()
    assert (plain.networks, plain.use_count) == (None, 0)
    limits = {"budget_points": 6000, "budget_per_second": 20, "requests_per_minute": 30}
    row, secret = await made(ada, **limits, networks=["198.51.100.0/24", "2001:db8::/32", "198.51.100.0/24 "])
    assert row.networks == ["198.51.100.0/24", "2001:db8::/32"]
    terms = (await queries.actor_of_token(secret, OFFICE)).terms
    assert (terms.allowance, terms.requests_per_minute) == (Allowance(6000, 20), 30)


@pytest.mark.parametrize("address", [OFFICE, "::ffff:198.51.100.7", "2001:db8::1"])
async def test_a_key_opens_from_its_networks(ada, address):
    _, secret = await made(ada, networks=["198.51.100.0/24", "2001:db8::/32"])
    assert (await queries.actor_of_token(secret, address)).organization_id == ada.organization_id


@pytest.mark.parametrize("address", ["198.51.101.7", "2001:db9::1", "", "testclient", "127.0.0.1"])
async def test_a_key_opens_from_nowhere_else_however_well_it_is_known(ada, address):
    row, secret = await made(ada, networks=["198.51.100.0/24", "2001:db8::/32"])
    await queries.actor_of_token(secret, OFFICE)
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(secret, address)
    with pytest.raises(NotAuthenticated):
        await looked_up_anew(secret, address)
    await row.refresh_from_db()
    assert row.last_used_from == OFFICE


async def test_a_change_of_a_key_holds_from_its_next_request_and_is_recorded(lamp, ada):
    row, secret = await made(ada, networks=["198.51.100.0/24"])
    await queries.actor_of_token(secret, OFFICE)
    changes = {"name": "CRM", "networks": ["203.0.113.0/24"], "requests_per_minute": 5}
    await commands.update_api_key(ada, row.id, version=1, **changes)
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(secret, OFFICE)
    assert (await queries.actor_of_token(secret, "203.0.113.9")).terms.requests_per_minute == 5
    fact = (await journal.read(lamp.id, 0))[-1]
    assert fact.type == "ApiKeyUpdated"
    assert fact.payload["changes"] == {
        "name": ["ERP", "CRM"],
        "networks": [["198.51.100.0/24"], ["203.0.113.0/24"]],
        "requests_per_minute": [None, 5],
    }
    with pytest.raises(StaleVersion):
        await commands.update_api_key(ada, row.id, version=1, name="ERP")
    await commands.update_api_key(ada, row.id, networks=[], requests_per_minute=None)
    assert (await queries.actor_of_token(secret, OFFICE)).terms == KeyTerms()


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        ({"budget_points": 6000}, "budgetPoints"),
        ({"budget_per_second": 5}, "budgetPoints"),
        ({"budget_points": 4999, "budget_per_second": 5}, "budgetPoints"),
        ({"budget_points": 1_000_001, "budget_per_second": 5}, "budgetPoints"),
        ({"budget_points": 6000, "budget_per_second": 0}, "budgetPerSecond"),
        ({"requests_per_minute": 0}, "requestsPerMinute"),
        ({"requests_per_minute": 100_001}, "requestsPerMinute"),
        ({"networks": ["198.51.100.1/24"]}, "networks"),
        ({"networks": ["crm.example"]}, "networks"),
        ({"networks": [f"10.0.{n}.0/24" for n in range(51)]}, "networks"),
        ({"expires_at": utc_now() - timedelta(days=1)}, "expiresAt"),
    ],
)
async def test_limits_that_make_no_sense_change_nothing(lamp, ada, limits, path):
    row, _ = await made(ada)
    facts = await lamp.facts()
    for attempt in (commands.update_api_key(ada, row.id, **limits), made(ada, **limits)):
        with pytest.raises(InvalidInput) as refused:
            await attempt
        assert refused.value.path == (path,)
    assert await lamp.facts() == facts
    assert await models.ApiKey.all().count() == 1


async def test_half_of_a_budget_may_be_changed_and_not_be_taken_away(ada):
    row, _ = await made(ada, budget_points=6000, budget_per_second=20)
    await commands.update_api_key(ada, row.id, budget_per_second=10)
    with pytest.raises(InvalidInput):
        await commands.update_api_key(ada, row.id, budget_per_second=None)
    await row.refresh_from_db()
    assert (row.budget_points, row.budget_per_second) == (6000, 10)


async def test_keys_are_changed_by_their_administrators_who_hold_what_the_key_holds(lamp, rival, ada):
    row, _ = await made(ada)
    with pytest.raises(NotPermitted):
        await commands.update_api_key(lamp.someone(Role.DISPATCHER), row.id, name="x")
    with pytest.raises(NotFound):
        await commands.update_api_key(rival.someone(Role.ADMINISTRATOR), row.id, name="x")
    await commands.revoke_api_key(ada, row.id)
    with pytest.raises(NotFound):
        await commands.update_api_key(ada, row.id, name="x")


async def test_uses_are_counted_though_they_are_noted_once_a_minute(ada):
    row, secret = await made(ada)
    for _ in range(5):
        await queries.actor_of_token(secret, OFFICE)
    await row.refresh_from_db()
    assert (row.use_count, row.last_used_from) == (1, OFFICE)
    await models.ApiKey.filter(id=row.id).update(last_used_at=utc_now() - timedelta(minutes=2))
    await looked_up_anew(secret, OFFICE)
    await row.refresh_from_db()
    assert row.use_count == 6


async def test_that_a_key_ends_soon_is_told_to_the_administrators_once_for_each_end(lamp, rival, ada):
    boss = await models.User.create(
        id="usr_01jd0000000000000000000001", organization_id=lamp.id, email="ada@lamp.example",
        legal_name="Ada", roles=["ADMINISTRATOR"],
    )  # fmt: skip
    await models.User.create(
        id="usr_01jd0000000000000000000002", organization_id=rival.id, email="rita@rival.example",
        legal_name="Rita", roles=["ADMINISTRATOR"],
    )  # fmt: skip
    soon = utc_now() + rules.KEY_ENDS_SOON - timedelta(hours=1)
    row, _ = await made(ada, expires_at=soon)
    await made(ada, expires_at=soon + timedelta(days=1))
    await made(ada)
    shut, _ = await made(ada, expires_at=soon)
    await commands.revoke_api_key(ada, shut.id)

    async def told():
        assert reactions.tell_of_keys_that_end.__module__ == "app.messaging.reactions"
        await commands.tell_of_keys_that_end()
        await Followers(FOLLOWERS.values()).catch_up()
        kind = NotificationKind.API_KEY_EXPIRING.value
        return [(one.user_id, one.subject_id) for one in await Notification.filter(kind=kind).order_by("id")]

    assert await told() == [(boss.id, row.id)]
    assert await told() == [(boss.id, row.id)]
    await row.refresh_from_db()
    assert row.version == 1, "nobody who edits the key stumbles over it"
    await commands.update_api_key(ada, row.id, expires_at=utc_now() + timedelta(days=3))
    assert await told() == [(boss.id, row.id)] * 2
    assert (await lamp.facts()).count("ApiKeyExpiring") == 2
