"""Who a token stands for, and how earlier attempts to sign in went."""

import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import ip_network
from typing import Any

import orjson
from tortoise.expressions import F

from app import database
from app.identity import models, rules, usernames
from app.infrastructure import tokens
from app.infrastructure.conditions import Condition, column, quoted
from app.infrastructure.journal import mark, moment
from app.infrastructure.tables import BY_PREFIX, find_rows, table_of
from app.kernel.actor import Actor, ActorKind, user_actor
from app.kernel.addresses import network_of
from app.kernel.allowances import Allowance, KeyTerms
from app.kernel.calendar import utc_now
from app.kernel.errors import NotAuthenticated
from app.kernel.ids import prefix_of
from app.kernel.permissions import Grant, Permission, Reach, Role

# How long a revocation in another process may stay unknown here; one in this process is known at once.
ACTORS_KEPT_SECONDS = 3.0
ACTORS_KEPT_MAX = 10_000
USE_NOTED_EVERY = timedelta(minutes=1)
USES_OVERDUE = 2 * USE_NOTED_EVERY
TOKENS_AT_ONCE = 500
FAILURES_LOOKED_AT = 2000
SESSIONS_COMPARED = 50


@dataclass(frozen=True, slots=True)
class Locked:
    """Somebody whom wrong passwords keep waiting."""

    user_id: str
    until: datetime
    failures: int
    networks: int


@dataclass(slots=True)
class _Known:
    """An actor we looked up a moment ago."""

    actor: Actor
    fresh_until: float
    expires_at: datetime | None
    behind: list[Any] | None = None
    """What the rows behind it held when it was looked up, if that is known."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands behind a token that is valid, and for how long its use was not noted."""

    known: _Known
    row: models.Session | models.ApiKey
    unnoted_for: timedelta


_known: OrderedDict[str, _Known] = OrderedDict()
_uses: Counter[str] = Counter()
"""How often each key opened since that was last noted."""


async def actor_of_token(token: str, address: str = "") -> Actor:
    """Whom an access token or an API key stands for; else ``NotAuthenticated``, which does not say why."""
    hashed = tokens.hash_token(token)
    known = _known.get(hashed)
    found = None
    if known is None or known.fresh_until < time.monotonic():
        found = (await _look_up({hashed: token})).get(hashed)
        if found is None:
            raise NotAuthenticated()
        known = found.known
    if known.expires_at is not None and known.expires_at <= utc_now():
        _known.pop(hashed, None)
        raise NotAuthenticated()
    if known.actor.terms is not None:
        if not known.actor.terms.admit(address):
            raise NotAuthenticated()
        _uses[known.actor.id] += 1
    if found is not None and found.unnoted_for > USE_NOTED_EVERY:
        await _note_use(type(found.row), [found.row.id], address)
    return known.actor


async def actors_of_tokens(held: Sequence[str]) -> dict[str, Actor]:
    """Whom each of many access tokens and API keys stands for at this moment; one that is missing is valid no more.

    For who keeps connections open: looked up anew, by a few statements for 500 of them, with all at hand in one call.
    It raises when the database cannot be asked, and says nothing about anybody then.
    """
    hashes = {tokens.hash_token(token): token for token in held}
    each = list(hashes.items())
    actors: dict[str, Actor] = {}
    found: dict[str, _Found] = {}
    for start in range(0, len(each), TOKENS_AT_ONCE):
        page = dict(each[start : start + TOKENS_AT_ONCE])
        unchanged, behind = await _unchanged(list(page))
        actors |= {page[hashed]: actor for hashed, actor in unchanged.items()}
        if changed := {hashed: token for hashed, token in page.items() if hashed not in unchanged}:
            looked_up = await _look_up(changed)
            # Only now: had the look-up failed, the old actor would pass for unchanged the next time.
            for hashed, one in looked_up.items():
                one.known.behind = behind.get(hashed)
            found |= looked_up
    for model in (models.Session, models.ApiKey):
        used = [one for one in found.values() if isinstance(one.row, model) and one.unnoted_for > USE_NOTED_EVERY]
        # All that are due, once one of them is overdue: once a minute or so, however often we are asked.
        if any(one.unnoted_for > USES_OVERDUE for one in used):
            await _note_use(model, [one.row.id for one in used])
    actors |= {hashes[hashed]: one.known.actor for hashed, one in found.items()}
    return {token: actors[token] for token in held if token in actors}


async def _unchanged(hashes: Sequence[str]) -> tuple[dict[str, Actor], dict[str, list[Any]]]:
    """Of the sessions that are known, those behind which nothing has changed since they were looked up, with their actors;
    and what stands behind each now.

    Looking thousands of sessions up row by row, every second or so, would keep a process busy that has nothing to do.
    """
    asked = [hashed for hashed in hashes if hashed in _known]
    if not asked:
        return {}, {}
    technician = BY_PREFIX.get("tech")
    named = (
        f'(SELECT t."id" FROM {quoted(table_of(technician))} t '
        'WHERE t."organization_id" = u."organization_id" AND t."user_id" = u."id")'
        if technician is not None
        else "NULL"
    )
    marks = ", ".join(mark(number + 1) for number in range(len(asked)))
    rows = await database.read_rows(
        f'SELECT s."access_hash", s."last_used_at", u."organization_id", u."custom_role_ids", s."access_expires_at", '
        f's."revoked_at", s."must_enroll", u."status", u."roles", u."technician_id", u."customer_id", {named} '
        f'FROM "session" s JOIN "user" u ON u."id" = s."user_id" '
        f'WHERE s."access_hash" IN ({marks})',
        asked,
    )
    now, fresh_until = utc_now(), time.monotonic() + ACTORS_KEPT_SECONDS
    found: dict[str, Actor] = {}
    stands: dict[str, list[Any]] = {}
    # All uses that are due are noted together, once one is overdue.
    is_overdue = any(now - moment(row[1]) > USES_OVERDUE for row in rows)
    held = {row[0]: _ids_in(row[3]) for row in rows}
    roles = await _roles({id for ids in held.values() for id in ids})
    for hashed, used_at, organization_id, _, *behind in rows:
        behind.append([(id, roles[id].version) for id in held[hashed] if _is_of(roles, id, organization_id)])
        known, stands[hashed] = _known.get(hashed), behind
        if known is None or known.behind != behind or (known.expires_at is not None and known.expires_at <= now):
            continue
        if is_overdue and now - moment(used_at) > USE_NOTED_EVERY:
            continue
        known.fresh_until = fresh_until
        found[hashed] = known.actor
    return found, stands


def forget_actors(id: str | None = None) -> None:
    """Look up anew whoever is this user, session or key, or holds this role, the next time; without an id, everybody."""
    for hashed, known in list(_known.items()):
        actor = known.actor
        if id is None or id in (actor.id, actor.session_id) or any(id == grant.role_id for grant in actor.grants):
            del _known[hashed]


async def _look_up(hashes: Mapping[str, str]) -> dict[str, _Found]:
    """What stands behind each token that is valid now, by its hash; remembered, as is that the others are not."""
    kinds: dict[str, list[str]] = {rules.ACCESS_TOKEN: [], rules.API_KEY: []}
    for hashed, token in hashes.items():
        for kind, those in kinds.items():
            if tokens.is_token(token, kind):
                those.append(hashed)
    found = await _by_sessions(kinds[rules.ACCESS_TOKEN]) | await _by_keys(kinds[rules.API_KEY])
    for hashed in hashes:
        if hashed not in found:
            _known.pop(hashed, None)
            continue
        _known[hashed] = found[hashed].known
        _known.move_to_end(hashed)
    while len(_known) > ACTORS_KEPT_MAX:
        _known.popitem(last=False)
    return found


async def _by_sessions(hashes: Sequence[str]) -> dict[str, _Found]:
    if not hashes:
        return {}
    now = utc_now()
    sessions = [
        session
        for session in await find_rows(models.Session, column("access_hash").one_of(hashes))
        if session.revoked_at is None and session.access_expires_at > now
    ]
    users = await _active_users(column("id").one_of({session.user_id for session in sessions}))
    grants = await grants_of(users.values())
    return {
        session.access_hash: _standing(
            session,
            _within(session, actor_of(users[session.user_id], session.id, grants[session.user_id])),
            session.last_used_at,
            session.access_expires_at,
        )
        for session in sessions
        if session.user_id in users
    }


def _within(session: models.Session, actor: Actor) -> Actor:
    """The actor of a session, who may do nothing while there is a second factor to set up."""
    return replace(actor, permissions=frozenset(), must_enroll=True) if session.must_enroll else actor


async def _by_keys(hashes: Sequence[str]) -> dict[str, _Found]:
    if not hashes:
        return {}
    now = utc_now()
    wanted = frozenset(hashes)
    keys = await find_rows(
        models.ApiKey, column("secret_hash").one_of(hashes) | column("previous_secret_hash").one_of(hashes)
    )
    found = {}
    for key in keys:
        if key.revoked_at is not None:
            continue
        for hashed in wanted & {key.secret_hash, key.previous_secret_hash}:
            ends = [key.expires_at, key.previous_expires_at if hashed != key.secret_hash else None]
            end = min((one for one in ends if one is not None), default=None)
            if end is None or end > now:
                found[hashed] = _standing(key, _actor_of_key(key), key.last_used_at, end)
    return found


def _standing(
    row: models.Session | models.ApiKey, actor: Actor, used_at: datetime | None, expires_at: datetime | None
) -> _Found:
    unnoted_for = timedelta.max if used_at is None else utc_now() - used_at
    return _Found(_Known(actor, time.monotonic() + ACTORS_KEPT_SECONDS, expires_at), row, unnoted_for)


async def actor_now(organization_id: str, id: str) -> Actor:
    """What a user or key may do at this moment, for work that goes on without them; else ``NotAuthenticated``."""
    same = (column("organization_id") == organization_id) & (column("id") == id)
    if prefix_of(id) == models.User.prefix:
        users = await _active_users(same)
        if id not in users:
            raise NotAuthenticated()
        return actor_of(users[id], None, (await grants_of(users.values()))[id])
    keys = await find_rows(models.ApiKey, same)
    if (
        not keys
        or keys[0].revoked_at is not None
        or (keys[0].expires_at is not None and keys[0].expires_at <= utc_now())
    ):
        raise NotAuthenticated("The user or key that asked for this may not sign in any more.")
    return _actor_of_key(keys[0])


async def _active_users(condition: Condition) -> dict[str, models.User]:
    """The users that may sign in, with the technicians they are, by id."""
    users = {
        user.id: user for user in await find_rows(models.User, condition) if user.status == rules.UserStatus.ACTIVE
    }
    grants = await grants_of(users.values())
    unnamed = [
        user for user in users.values() if user.technician_id is None and may_be_technician(user, grants[user.id])
    ]
    if unnamed:
        technician_ids = await _technician_ids_of(unnamed)
        for user in unnamed:
            user.technician_id = technician_ids.get((user.organization_id, user.id))
    return users


def _actor_of_key(key: models.ApiKey) -> Actor:
    return Actor(
        key.organization_id,
        ActorKind.API_KEY,
        key.id,
        frozenset({Role.PARTNER}),
        frozenset(Permission(scope) for scope in key.scopes if scope in Permission.__members__),
        terms=KeyTerms(
            Allowance(key.budget_points, key.budget_per_second)
            if key.budget_points is not None and key.budget_per_second is not None
            else None,
            key.requests_per_minute,
            tuple(ip_network(one) for one in key.networks or ()),
        ),
    )


async def _technician_ids_of(users: Sequence[models.User]) -> dict[tuple[str, str], str]:
    """The technicians who name users that name none themselves, by organization and user. The table is of a higher
    room, so found by its ids."""
    table = BY_PREFIX.get("tech")
    if table is None:
        return {}
    organizations = {user.organization_id for user in users}
    same = column("organization_id").one_of(organizations) & column("user_id").one_of([user.id for user in users])
    rows: list[Any] = await find_rows(table, same)
    return {(row.organization_id, row.user_id): row.id for row in rows}


async def _note_use(
    model: type[models.Session] | type[models.ApiKey], ids: Sequence[str], address: str | None = None
) -> None:
    """When something was last used is worth knowing, but not worth refusing a request for."""
    values: dict[str, object] = {"last_used_at": utc_now()}
    if address:
        values["address" if model is models.Session else "last_used_from"] = address[:64]
    counts = {id: _uses.pop(id) for id in ids if id in _uses} if model is models.ApiKey else {}

    async def work() -> None:
        await model.filter(id__in=list(ids)).update(**values)
        for id, count in counts.items():
            await models.ApiKey.filter(id=id).update(use_count=F("use_count") + count)

    try:
        await database.unit_of_work(work, attempts=1)
    except database.RetryableError:
        _uses.update(counts)  # they are noted the next time


async def grants_of(users: Iterable[models.User]) -> dict[str, frozenset[Grant]]:
    """What the organization's own roles give to users, by user."""
    held = list(users)
    roles = await _roles({id for user in held for id in user.custom_role_ids})
    return {
        user.id: frozenset(
            rules.grant_of(id, roles[id].reach, roles[id].permissions)
            for id in user.custom_role_ids
            if _is_of(roles, id, user.organization_id)
        )
        for user in held
    }


async def find_held_roles(actor: Actor) -> list[models.CustomRole]:
    """The organization's own roles that an actor holds."""
    mine = (column("organization_id") == actor.organization_id) & column("id").one_of(
        sorted(grant.role_id for grant in actor.grants)
    )
    return await find_rows(models.CustomRole, mine) if actor.grants else []


async def approval_limit_of(actor: Actor) -> Decimal | None:
    """Up to what sum an actor may approve work, None for any: a person's own limit, and a key's that of who made it."""
    ours = column("organization_id") == actor.organization_id
    id: str | None = actor.id
    for key in await find_rows(models.ApiKey, ours & (column("id") == id)) if actor.kind is ActorKind.API_KEY else ():
        id = key.created_by_user_id
    people = await find_rows(models.User, ours & (column("id") == id)) if id is not None else []
    return people[0].approval_limit if people else None


async def is_held(role: models.CustomRole) -> bool:
    """Whether a user of the organization has a role, deactivated ones included."""
    rows = await database.read_rows(
        f'SELECT 1 FROM "user" WHERE "organization_id" = {mark(1)} AND CAST("custom_role_ids" AS text) LIKE {mark(2)} LIMIT 1',
        [role.organization_id, f'%"{role.id}"%'],
    )
    return bool(rows)


async def _roles(ids: Collection[str]) -> dict[str, models.CustomRole]:
    """Roles by id, of whatever organization: see ``_is_of``."""
    return {row.id: row for row in await find_rows(models.CustomRole, column("id").one_of(ids))} if ids else {}


def _is_of(roles: Mapping[str, models.CustomRole], id: str, organization_id: str) -> bool:
    """Whether there is a role and it is the organization's own. That of another would give nothing, however it got there."""
    return id in roles and roles[id].organization_id == organization_id


def _ids_in(stored: Any) -> list[str]:
    """The ids in a column of JSON, as a driver gives it."""
    ids: list[str] = orjson.loads(stored) if isinstance(stored, str) else stored
    return ids


def may_be_technician(user: models.User, grants: Iterable[Grant]) -> bool:
    """Whether somebody has a role of technicians, be it the organization's own."""
    return Role.TECHNICIAN in user.roles or any(grant.reach is Reach.OWN_WORK for grant in grants)


def actor_of(user: models.User, session_id: str | None = None, grants: Iterable[Grant] = ()) -> Actor:
    """A user as an actor, with what the roles allow; ``grants_of`` says what the organization's own do."""
    return user_actor(
        user.organization_id,
        user.id,
        frozenset(Role(role) for role in user.roles),
        technician_id=user.technician_id,
        customer_id=user.customer_id,
        session_id=session_id,
        grants=frozenset(grants),
    )


async def find_user(login: str) -> models.User | None:
    """The user of a login, in whichever organization: an e-mail address, or a user name and the organization's domain.

    Both are looked for whatever the login is, so that it takes as long for each.
    """
    name, domain = usernames.split_login(login)
    policies = await find_rows(models.SecurityPolicy, column("login_domain") == domain)
    there = column("organization_id").one_of([one.organization_id for one in policies] or [""])
    found = await find_rows(models.User, (column("email") == login) | (there & (column("username") == name)))
    return found[0] if found else None


async def earlier_tries(login: str, network: str, but: str, user: models.User | None = None) -> list[rules.Try]:
    """The last attempts at a login from a network, newest first, without the one that is under way, and without those from
    before somebody was unlocked."""
    since = _counted_from(user, rules.TRIES_REMEMBERED)
    from_there = (column("login") == login) & (column("network") == network) & (column("at") >= since)
    found = await find_rows(models.LoginAttempt, from_there & (column("id") != but), order=["-at"], limit=100)
    return [rules.Try(one.at, one.outcome) for one in found]


def _counted_from(user: models.User | None, remembered: timedelta) -> datetime:
    """From when on wrong passwords count."""
    since = utc_now() - remembered
    return max(since, user.unlocked_at) if user is not None and user.unlocked_at is not None else since


async def find_locked(actor: Actor) -> list[Locked]:
    """Whom wrong passwords keep waiting at this moment, from one network or from all they are not known in; the longest first.

    It is reckoned as signing in reckons, from the newest failures of a day.
    """
    now = utc_now()
    lately = (column("organization_id") == actor.organization_id) & (column("at") >= now - rules.TRIES_REMEMBERED)
    failed = lately & column("outcome").one_of(rules.FAILED) & ~column("user_id").is_null()
    tries = await find_rows(models.LoginAttempt, failed, order=["-at"], limit=FAILURES_LOOKED_AT)
    by_user: dict[str, list[models.LoginAttempt]] = {}
    for one in tries:
        by_user.setdefault(one.user_id or "", []).append(one)
    seen = column("id").one_of(list(by_user)) & models.User.visible_to(actor)
    found = []
    for user in await find_rows(models.User, seen) if by_user else []:
        counted = [one for one in by_user[user.id] if one.at >= _counted_from(user, rules.TRIES_REMEMBERED)]
        waits = []
        for login, network in {(one.login, one.network) for one in counted}:
            waits.append(rules.seconds_to_wait(await earlier_tries(login, network, "", user), now))
        guesses = [one.at for one in reversed(counted) if one.at >= now - rules.GUESSES_WINDOW]
        waits.append(rules.seconds_until_fewer_guesses(guesses, now, is_known=False))
        if any(waits):
            networks = {one.network for one in counted}
            found.append(Locked(user.id, now + timedelta(seconds=max(waits)), len(counted), len(networks)))
    return sorted(found, key=lambda one: (one.until, one.user_id), reverse=True)


async def find_oddities(session: models.Session) -> list[rules.SignInOddity]:
    """What is unusual about how somebody signed in, next to how they did before; nothing of who did for the first time."""
    theirs = (column("organization_id") == session.organization_id) & (column("user_id") == session.user_id)
    earlier = await find_rows(
        models.Session,
        theirs & (column("created_at") < session.created_at) & (column("id") != session.id),
        order=["-created_at"],
        limit=SESSIONS_COMPARED,
    )
    failed = (
        theirs
        & column("outcome").one_of(rules.FAILED)
        & (column("at") > session.created_at - rules.TRIES_REMEMBERED)
        & (column("at") < session.created_at)
    )
    tries = await _count_up_to(failed, rules.FAILURES_WORTH_TELLING)
    return rules.oddities_of(
        network_of(session.address),
        session.user_agent,
        networks={network_of(one.address) for one in earlier},
        devices={one.user_agent for one in earlier},
        failures=tries,
    )


async def is_flooding(login: str, user: models.User | None, network: str) -> bool:
    """Whether so many attempts at any logins failed from a network that one more has to wait.

    One who signed in from there in the last weeks does not wait for what the neighbors do.
    """
    now = utc_now()
    there = column("network") == network
    failed = there & (column("at") >= now - rules.NETWORK_WINDOW) & column("outcome").one_of(rules.FAILED)
    if await _count_up_to(failed, rules.NETWORK_FAILURES_MAX + 1) <= rules.NETWORK_FAILURES_MAX:
        return False
    return not await is_known_network(login, user, network)


async def is_known_network(login: str, user: models.User | None, network: str) -> bool:
    """Whether somebody signed in from a network in the last weeks, by whichever of their names."""
    since = utc_now() - rules.KNOWN_NETWORK_LASTS
    before = (column("network") == network) & _tried_at(login, user) & (column("at") >= since)
    return await _count_up_to(before & (column("outcome") == rules.LoginOutcome.SUCCEEDED), 1) == 1


async def recent_guesses(login: str, user: models.User | None, but: str) -> list[datetime]:
    """When it was guessed at somebody's password lately, by whichever of their names and from wherever, oldest first."""
    since = _counted_from(user, rules.GUESSES_WINDOW)
    failed = _tried_at(login, user) & (column("at") >= since) & column("outcome").one_of(rules.FAILED)
    found = await find_rows(
        models.LoginAttempt, failed & (column("id") != but), order=["at"], limit=rules.GUESSES_MAX + 50
    )
    return [one.at for one in found]


def _tried_at(login: str, user: models.User | None) -> Condition:
    """Attempts to be somebody; to be nobody, those with that login."""
    if user is None:
        return column("login") == login
    return (column("organization_id") == user.organization_id) & (column("user_id") == user.id)


async def _count_up_to(condition: Condition, most: int) -> int:
    return len(await find_rows(models.LoginAttempt, condition, limit=most))
