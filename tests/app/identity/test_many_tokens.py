"""Many tokens checked at once, as for open sockets: the same answers as one by one, by a few statements."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from app import database
from app.identity import commands, models, queries, rules, sign_in
from app.identity.secret import Slip
from app.infrastructure import tokens
from app.kernel.calendar import utc_now
from app.kernel.errors import NotAuthenticated
from app.kernel.permissions import Permission, Role
from app.technicians import commands as technicians
from tests.app.identity.test_accounts import PASSWORD, hire


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    queries.forget_actors()


@pytest_asyncio.fixture
async def ada(lamp: Any) -> Any:
    return await hire(lamp, "ada@lamp.example", Role.ADMINISTRATOR, password=PASSWORD)


async def log_in(login: str) -> str:
    return (await sign_in.log_in(login, PASSWORD, address="203.0.113.7", user_agent="pytest")).access_token


async def issue(actor: Any, name: str = "Feed") -> tuple[str, str]:
    slip = Slip()
    id = await commands.create_api_key(actor, slip, name=name, scopes=["VIEW_WORK_ORDERS"])
    assert slip.secret is not None
    return id, slip.secret


async def one_by_one(held: list[str]) -> dict[str, Any]:
    """The answers of ``actor_of_token``."""
    found = {}
    for token in held:
        queries.forget_actors()
        try:
            found[token] = await queries.actor_of_token(token)
        except NotAuthenticated:
            continue
    return found


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that read or write inside."""
    statements: list[str] = []
    client = database.connection()
    for name in ("execute_query_dict", "execute_query"):
        true = getattr(type(client), name)

        def noting(true: Any = true) -> Callable[..., Awaitable[Any]]:
            async def note(self: Any, sql: str, *args: Any, **kwargs: Any) -> Any:
                statements.append(sql)
                return await true(self, sql, *args, **kwargs)

            return note

        monkeypatch.setattr(type(client), name, noting())
    yield statements
    monkeypatch.undo()


async def past(model: Any, **names: timedelta) -> None:
    for row in await model.all():
        await model.filter(id=row.id).update(**{name: utc_now() - ago for name, ago in names.items()})


SECOND = timedelta(seconds=1)


async def logs_out(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await commands.log_out(await queries.actor_of_token(held["office"]))


async def session_expires(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await past(models.Session, access_expires_at=SECOND)


async def refreshes(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    session = await sign_in.log_in("bob@lamp.example", PASSWORD)
    await sign_in.refresh_session(session.refresh_token)
    held["refreshed"] = session.access_token


async def revokes_all(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await commands.revoke_all_sessions(lamp.system, ada.id)


async def is_deactivated(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await commands.deactivate_user(ada, (await models.User.get(email="bob@lamp.example")).id)


async def key_is_revoked(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await commands.revoke_api_key(ada, held["key id"])


async def key_expires(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await past(models.ApiKey, expires_at=SECOND)


async def key_is_rotated(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    slip = Slip()
    await commands.rotate_api_key(ada, slip, held["key id"], overlap_minutes=5)
    held["new key"] = slip.secret or ""


async def key_was_rotated_long_ago(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await key_is_rotated(lamp, ada, held)
    await past(models.ApiKey, previous_expires_at=SECOND)


async def rows_vanish(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    await models.Session.all().delete()
    await models.ApiKey.all().delete()


async def nothing_happens(lamp: Any, ada: Any, held: dict[str, str]) -> None:
    return


WAYS = {
    nothing_happens: set(),
    logs_out: {"office"},
    session_expires: {"office", "field"},
    refreshes: {"refreshed"},
    revokes_all: {"office"},
    is_deactivated: {"field"},
    key_is_revoked: {"key"},
    key_expires: {"key"},
    key_is_rotated: set(),
    key_was_rotated_long_ago: {"key"},
    rows_vanish: {"office", "field", "key"},
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_every_way_a_session_or_key_ends_is_told_as_token_by_token(lamp, rival, ada, way):
    bob = await hire(lamp, "bob@lamp.example", Role.TECHNICIAN, password=PASSWORD)
    await technicians.create_technician(lamp.system, name="Bob", user_id=bob.id)
    key_id, secret = await issue(ada)
    held = {"office": await log_in("ada@lamp.example"), "field": await log_in("bob@lamp.example"), "key": secret}
    before = await queries.actors_of_tokens(list(held.values()))
    assert set(before) == set(held.values())
    held["key id"] = key_id
    await way(lamp, ada, held)
    held.pop("key id")
    held["strange"] = tokens.new_token(rules.ACCESS_TOKEN)
    held["refresh"] = tokens.new_token(rules.REFRESH_TOKEN)
    held["nonsense"] = "nonsense"
    found = await queries.actors_of_tokens(list(held.values()))
    assert set(found) == {held[name] for name in held.keys() - WAYS[way] - {"strange", "refresh", "nonsense"}}
    assert found == await one_by_one(list(held.values()))


async def test_who_has_other_roles_is_told_with_them(lamp, ada):
    bob = await hire(lamp, "bob@lamp.example", Role.SUPPORT, password=PASSWORD)
    token = await log_in("bob@lamp.example")
    assert (await queries.actors_of_tokens([token]))[token].roles == {Role.SUPPORT}
    await models.User.filter(id=bob.id).update(roles=["FINANCE"])  # as another process would
    assert (await queries.actors_of_tokens([token]))[token].roles == {Role.FINANCE}
    assert (await queries.actor_of_token(token)).roles == {Role.FINANCE}


async def test_who_has_a_role_of_the_organizations_own_is_told_with_what_it_allows_now(lamp, ada):
    both = {Permission.VIEW_WORK_ORDERS, Permission.VIEW_CUSTOMERS}
    role = await commands.create_role(ada, name="Reader", permissions=sorted(both))
    await hire(lamp, "bob@lamp.example", password=PASSWORD, custom_role_ids=[role])
    token = await log_in("bob@lamp.example")
    assert both <= (await queries.actors_of_tokens([token]))[token].permissions
    narrow = {"permissions": ["VIEW_CUSTOMERS"], "version": 2}
    await models.CustomRole.filter(id=role).update(**narrow)  # as another process would
    held = (await queries.actors_of_tokens([token]))[token].permissions
    assert both & held == {Permission.VIEW_CUSTOMERS}


async def test_who_was_shut_out_elsewhere_is_out_here_from_that_moment(lamp, ada):
    token = await log_in("ada@lamp.example")
    await queries.actor_of_token(token)
    await models.Session.all().update(revoked_at=utc_now())  # as another process would
    assert (await queries.actor_of_token(token)).id == ada.id
    assert await queries.actors_of_tokens([token]) == {}
    with pytest.raises(NotAuthenticated):
        await queries.actor_of_token(token)


async def test_hundreds_are_looked_up_by_a_few_statements(lamp, ada, monkeypatch):
    bob = await hire(lamp, "bob@lamp.example", Role.TECHNICIAN, password=PASSWORD)
    await technicians.create_technician(lamp.system, name="Bob", user_id=bob.id)
    pattern = await models.Session.get(access_hash=tokens.hash_token(await log_in("ada@lamp.example")))
    held = [tokens.new_token(rules.ACCESS_TOKEN) for _ in range(queries.TOKENS_AT_ONCE)]
    copies = [
        models.Session(
            **dict(iter(pattern)) | {
                "id": f"ses_{number:026d}", "family": f"family {number}", "access_hash": tokens.hash_token(token),
                "user_id": bob.id if number % 2 else ada.id,
            }
        )
        for number, token in enumerate(held)
    ]  # fmt: skip
    await models.Session.bulk_create(copies)
    with counted(monkeypatch) as statements:
        found = await queries.actors_of_tokens(held)
    assert len(statements) == 3  # the sessions, their users, the technicians whom users did not name
    assert set(found) == set(held)
    assert [one.id for one in found.values()] == [copy.user_id for copy in copies]
    with counted(monkeypatch) as statements:
        assert await queries.actors_of_tokens([]) == {}
        assert [await queries.actor_of_token(token) for token in held] == list(found.values())
    assert statements == []


async def test_the_use_of_many_is_noted_at_once_and_rarely(lamp, ada, monkeypatch):
    held = [await log_in("ada@lamp.example") for _ in range(3)]
    _, secret = await issue(ada)
    held.append(secret)
    await queries.actors_of_tokens(held)
    assert (await models.ApiKey.get()).last_used_at is not None
    noted: list[int] = []
    note_use = queries._note_use

    async def note(model: Any, ids: Any) -> None:
        noted.append(len(ids))
        await note_use(model, ids)

    monkeypatch.setattr(queries, "_note_use", note)
    minute = queries.USE_NOTED_EVERY
    await past(models.Session, last_used_at=minute + SECOND)
    before = await models.Session.all().order_by("id").values_list("last_used_at", flat=True)
    await queries.actors_of_tokens(held)
    assert noted == []
    assert await models.Session.all().order_by("id").values_list("last_used_at", flat=True) == before
    await models.Session.filter(access_hash=tokens.hash_token(held[1])).update(last_used_at=utc_now() - 2 * minute)
    await queries.actors_of_tokens(held)
    assert noted == [3]
    assert min(await models.Session.all().values_list("last_used_at", flat=True)) > utc_now() - minute
    assert set(await models.Session.all().values_list("address", flat=True)) == {"203.0.113.7"}
    await queries.actors_of_tokens(held)
    assert noted == [3]


async def test_nobody_is_out_because_the_database_is_away(lamp, ada, monkeypatch):
    token = await log_in("ada@lamp.example")

    async def away(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(type(database.connection()), "execute_query_dict", away)
    with pytest.raises(ConnectionRefusedError):
        await queries.actors_of_tokens([token])
    monkeypatch.undo()
    assert (await queries.actors_of_tokens([token]))[token].id == ada.id


async def test_a_change_that_could_not_be_looked_up_at_first_is_seen_the_next_time(lamp, ada, monkeypatch):
    token = await log_in("ada@lamp.example")
    for _ in range(2):
        before = await queries.actors_of_tokens([token])
    await models.User.filter(id=ada.id).update(roles=[Role.SUPPORT])
    look_up = queries._look_up

    async def away(hashes: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(queries, "_look_up", away)
    with pytest.raises(ConnectionRefusedError):
        await queries.actors_of_tokens([token])
    monkeypatch.setattr(queries, "_look_up", look_up)
    assert before[token].roles != {Role.SUPPORT}
    assert (await queries.actors_of_tokens([token]))[token].roles == {Role.SUPPORT}
