"""Who a token stands for, and how earlier attempts to sign in went."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from app import database
from app.identity import models, rules
from app.infrastructure import tokens
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import BY_PREFIX, find_rows
from app.kernel.actor import Actor, ActorKind, user_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import NotAuthenticated
from app.kernel.ids import prefix_of
from app.kernel.permissions import Permission, Role

# How long a revocation in another process may stay unknown here; one in this process is known at once.
ACTORS_KEPT_SECONDS = 3.0
ACTORS_KEPT_MAX = 10_000
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Known:
    """An actor we looked up a moment ago."""

    actor: Actor
    fresh_until: float
    expires_at: datetime | None


_known: OrderedDict[str, _Known] = OrderedDict()


async def actor_of_token(token: str, address: str = "") -> Actor:
    """Whom an access token or an API key stands for; else ``NotAuthenticated``, which does not say why."""
    hashed = tokens.hash_token(token)
    known = _known.get(hashed)
    if known is None or known.fresh_until < time.monotonic():
        if tokens.is_token(token, rules.ACCESS_TOKEN):
            known = await _by_session(hashed, address)
        elif tokens.is_token(token, rules.API_KEY):
            known = await _by_key(hashed)
        else:
            raise NotAuthenticated()
        _known[hashed] = known
        _known.move_to_end(hashed)
        while len(_known) > ACTORS_KEPT_MAX:
            _known.popitem(last=False)
    if known.expires_at is not None and known.expires_at <= utc_now():
        _known.pop(hashed, None)
        raise NotAuthenticated()
    return known.actor


def forget_actors(id: str | None = None) -> None:
    """Look up anew whoever is this user, session or key the next time; without an id, everybody."""
    for hashed, known in list(_known.items()):
        if id is None or id in (known.actor.id, known.actor.session_id):
            del _known[hashed]


async def _by_session(hashed: str, address: str) -> _Known:
    found = await find_rows(models.Session, column("access_hash") == hashed)
    now = utc_now()
    if not found or found[0].revoked_at is not None or found[0].access_expires_at <= now:
        raise NotAuthenticated()
    session = found[0]
    user = await _active_user(column("id") == session.user_id)
    if now - session.last_used_at > USE_NOTED_EVERY:
        await _note_use(models.Session, session.id, last_used_at=now, address=address[:64] or session.address)
    return _Known(actor_of(user, session.id), time.monotonic() + ACTORS_KEPT_SECONDS, session.access_expires_at)


async def _by_key(hashed: str) -> _Known:
    found = await find_rows(
        models.ApiKey, (column("secret_hash") == hashed) | (column("previous_secret_hash") == hashed)
    )
    now = utc_now()
    if not found or found[0].revoked_at is not None:
        raise NotAuthenticated()
    key = found[0]
    ends = [end for end in (key.expires_at, key.previous_expires_at if key.secret_hash != hashed else None) if end]
    if any(end <= now for end in ends):
        raise NotAuthenticated()
    if key.last_used_at is None or now - key.last_used_at > USE_NOTED_EVERY:
        await _note_use(models.ApiKey, key.id, last_used_at=now)
    return _Known(_actor_of_key(key), time.monotonic() + ACTORS_KEPT_SECONDS, min(ends, default=None))


async def actor_now(organization_id: str, id: str) -> Actor:
    """What a user or key may do at this moment, for work that goes on without them; else ``NotAuthenticated``."""
    same = (column("organization_id") == organization_id) & (column("id") == id)
    if prefix_of(id) == models.User.prefix:
        return actor_of(await _active_user(same))
    keys = await find_rows(models.ApiKey, same)
    if (
        not keys
        or keys[0].revoked_at is not None
        or (keys[0].expires_at is not None and keys[0].expires_at <= utc_now())
    ):
        raise NotAuthenticated("The user or key that asked for this may not sign in any more.")
    return _actor_of_key(keys[0])


async def _active_user(condition: Condition) -> models.User:
    users = await find_rows(models.User, condition)
    if not users or users[0].status != rules.UserStatus.ACTIVE:
        raise NotAuthenticated()
    user = users[0]
    if user.technician_id is None and Role.TECHNICIAN in user.roles:
        user.technician_id = await _technician_id_of(user)
    return user


def _actor_of_key(key: models.ApiKey) -> Actor:
    return Actor(
        key.organization_id,
        ActorKind.API_KEY,
        key.id,
        frozenset({Role.PARTNER}),
        frozenset(Permission(scope) for scope in key.scopes if scope in Permission.__members__),
    )


async def _technician_id_of(user: models.User) -> str | None:
    """The technician who names this user, when the user names none. The table is of a higher room, so found by its ids."""
    table = BY_PREFIX.get("tech")
    if table is None:
        return None
    found = await find_rows(table, (column("organization_id") == user.organization_id) & (column("user_id") == user.id))
    return found[0].id if found else None


async def _note_use(model: type[models.Session] | type[models.ApiKey], id: str, **values: object) -> None:
    """When something was last used is worth knowing, but not worth refusing a request for."""

    async def work() -> None:
        await model.filter(id=id).update(**values)

    try:
        await database.unit_of_work(work, attempts=1)
    except database.RetryableError:
        return


def actor_of(user: models.User, session_id: str | None = None) -> Actor:
    """A user as an actor, with what the roles allow."""
    return user_actor(
        user.organization_id,
        user.id,
        frozenset(Role(role) for role in user.roles),
        technician_id=user.technician_id,
        customer_id=user.customer_id,
        session_id=session_id,
    )


async def find_user(login: str) -> models.User | None:
    """The user of a login name, in whichever organization."""
    found = await find_rows(models.User, column("email") == login)
    return found[0] if found else None


async def earlier_tries(login: str, network: str, but: str) -> list[rules.Try]:
    """The last attempts at a login from a network, newest first, without the one that is under way."""
    since = utc_now() - rules.TRIES_REMEMBERED
    from_there = (column("login") == login) & (column("network") == network) & (column("at") >= since)
    found = await find_rows(models.LoginAttempt, from_there & (column("id") != but), order=["-at"], limit=100)
    return [rules.Try(one.at, one.outcome) for one in found]


async def is_flooding(login: str, network: str) -> bool:
    """Whether so many attempts at any logins failed from a network that one more has to wait.

    One who signed in from there in the last weeks does not wait for what the neighbors do.
    """
    now = utc_now()
    there = column("network") == network
    failed = there & (column("at") >= now - rules.NETWORK_WINDOW) & column("outcome").one_of(rules.FAILED)
    if await _count_up_to(failed, rules.NETWORK_FAILURES_MAX + 1) <= rules.NETWORK_FAILURES_MAX:
        return False
    before = there & (column("login") == login) & (column("at") >= now - rules.KNOWN_NETWORK_LASTS)
    return await _count_up_to(before & (column("outcome") == rules.LoginOutcome.SUCCEEDED), 1) == 0


async def _count_up_to(condition: Condition, most: int) -> int:
    return len(await find_rows(models.LoginAttempt, condition, limit=most))
