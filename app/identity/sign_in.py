"""Signing in and staying signed in: commands that have no actor yet.

Each is a plain function that ends in a command for the user it turned out to be. A refusal must leave its trace, so what
it records is committed before the problem is raised, unlike in a command.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.identity import attempts, commands, events, models, passwords, queries, rules
from app.identity.factors import challenges, proofs
from app.identity.factors.proofs import Proof
from app.identity.policy import SecurityPolicy, SessionLimit, policy_of
from app.identity.providers import sign_in as providers
from app.identity.secret import Secret
from app.infrastructure import journal, tokens
from app.infrastructure.command import command, idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_one, find_rows, lock_one
from app.kernel.actor import Actor, ActorKind, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotAuthenticated, NotPermitted, PasswordExpired, SecondFactorRequired

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's tokens, which are nowhere else."""

    session_id: str
    user_id: str
    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime

    def __repr__(self) -> str:
        return f"SignedIn({self.session_id})"


@dataclass(frozen=True, slots=True)
class _Pair:
    """The tokens of one turn of a session. ``turn`` is the changing half of the refresh token."""

    access: str
    turn: str


async def log_in(login: str, password: str, *, address: str = "", user_agent: str = "") -> SignedIn:
    """Sign in with a password. The answer to a wrong one, an unknown login and a deactivated user is the same, and
    takes the same time. ``RateLimited`` after several failures from the same network."""
    login, address, user_agent = (
        attempts.printable(login).strip().lower(),
        attempts.printable(address),
        attempts.printable(user_agent),
    )
    login = login[: attempts.LOGIN_LENGTH_MAX]
    user = await queries.find_user(login)
    attempt = await attempts.begin_attempt(login, user, address, user_agent)
    fits = await attempts.fits_password(user, password)
    if user is None or not fits or user.status != rules.UserStatus.ACTIVE:
        outcome = _why_refused(user, fits)
        await attempts.end_attempt(attempt, outcome)
        log.warning("login refused", outcome=outcome, user=user.id if user else None)
        raise NotAuthenticated(rules.WRONG_LOGIN)
    await _keep_up_with_the_times(user, password)
    await _ask_for_factor(user, attempt, rules.Purpose.LOG_IN)
    await _require_young_password(user, attempt)
    return await _open(user, attempt, None, address, user_agent)


async def _ask_for_factor(user: models.User, attempt: models.LoginAttempt, purpose: rules.Purpose) -> None:
    """Raise ``SecondFactorRequired`` for somebody who proved the first factor and has a second one."""
    methods = await challenges.confirmed_methods(user)
    if not methods:
        return
    await attempts.end_attempt(attempt, rules.LoginOutcome.CHALLENGED)
    asked = challenges.usable(methods, await policy_of(user.organization_id))
    question = await challenges.begin(user, purpose)
    raise SecondFactorRequired(await asyncio.to_thread(challenges.shown, question, asked))


async def _require_young_password(user: models.User, attempt: models.LoginAttempt) -> None:
    """Raise ``PasswordExpired``. It says that the password is right, so only who proved every factor hears it."""
    if passwords.is_too_old(user, await policy_of(user.organization_id), utc_now()):
        await attempts.end_attempt(attempt, rules.LoginOutcome.PASSWORD_EXPIRED)
        raise PasswordExpired()


async def complete_log_in(token: str, proof: Proof, *, address: str = "", user_agent: str = "") -> SignedIn:
    """Sign in with the second factor, after the first one was proved. A challenge bears five tries in ten minutes."""
    address, user_agent = attempts.printable(address), attempts.printable(user_agent)
    purposes = (rules.Purpose.LOG_IN, rules.Purpose.PROVIDER_LOG_IN)
    found = await proofs.answer(token, proof, *purposes, address=address, user_agent=user_agent)
    if found.challenge.purpose == rules.Purpose.LOG_IN:
        await _require_young_password(found.user, found.attempt)
    return await _open(found.user, found.attempt, found.challenge.id, address, user_agent)


async def complete_provider_log_in(code: str, page_secret: str, *, address: str = "", user_agent: str = "") -> SignedIn:
    """Sign in with the code that a page got when somebody came back from an identity provider."""
    address, user_agent = attempts.printable(address), attempts.printable(user_agent)
    user, provider = await providers.redeem(code, page_secret)
    attempt = await attempts.note_attempt(user.email, user, address, user_agent)
    if provider.replaces_second_factor:
        return await _open(user, attempt, None, address, user_agent, factor_elsewhere=True)
    await _ask_for_factor(user, attempt, rules.Purpose.PROVIDER_LOG_IN)
    return await _open(user, attempt, None, address, user_agent)


async def _open(
    user: models.User,
    attempt: models.LoginAttempt,
    challenge_id: str | None,
    address: str,
    user_agent: str,
    *,
    factor_elsewhere: bool = False,
) -> SignedIn:
    family, rotation_secret = tokens.new_token(rules.REFRESH_TOKEN), secrets.token_hex(32)
    pair = _next_pair(rotation_secret, secrets.token_hex(32))
    with idempotency_key(None):
        session_id = await open_session(
            queries.actor_of(user),
            user.password_hash,
            attempt.id,
            challenge_id,
            family=tokens.hash_token(family),
            rotation_secret=rotation_secret,
            access_hash=tokens.hash_token(pair.access),
            refresh_hash=_hash(pair.turn),
            factor_elsewhere=factor_elsewhere,
            address=address[: attempts.ADDRESS_LENGTH_MAX],
            user_agent=user_agent[: attempts.USER_AGENT_LENGTH_MAX],
        )
    return await _signed_in(session_id, family, pair)


@command(None)
async def open_session(
    actor: Actor,
    password_hash: str | None,
    attempt_id: str,
    challenge_id: str | None,
    *,
    family: str,
    rotation_secret: str,
    access_hash: str,
    refresh_hash: str,
    factor_elsewhere: bool,
    address: str,
    user_agent: str,
) -> str:
    """Start a session for a user who just proved who they are, with all factors they have. For ``log_in``."""
    user = await lock_one(models.User, actor, actor.id)
    if user.status != rules.UserStatus.ACTIVE or user.password_hash != password_hash:
        raise NotAuthenticated(rules.WRONG_LOGIN)
    methods, policy = await challenges.confirmed_methods(user), await policy_of(user.organization_id)
    if challenge_id is not None:
        await challenges.spend(challenge_id, rules.Purpose.LOG_IN)
    elif methods and not factor_elsewhere:
        # The factor came into use since the password was looked at.
        raise NotAuthenticated(rules.WRONG_LOGIN)
    now, limit = utc_now(), await _limit_of(user, policy)
    ends = rules.session_ends(now, now, limit.idle_minutes, limit.absolute_minutes)
    await _close_oldest_sessions(user)
    row = await add_row(
        models.Session,
        organization_id=user.organization_id,
        user_id=user.id,
        address=address,
        user_agent=user_agent,
        last_used_at=now,
        confirmed_at=now,
        must_enroll=not factor_elsewhere and await challenges.must_enroll(user, methods, policy),
        factor_elsewhere=factor_elsewhere,
        absolute_expires_at=ends.absolute,
        access_expires_at=ends.access,
        refresh_expires_at=ends.idle,
        family=family,
        rotation_secret=rotation_secret,
        access_hash=access_hash,
        refresh_hash=refresh_hash,
    )
    # Signing in is no change of the user that another editor should stumble over: the version stays.
    await models.User.filter(id=user.id).update(last_login_at=now)
    await models.LoginAttempt.filter(id=attempt_id).update(outcome=rules.LoginOutcome.SUCCEEDED.value)
    journal.record(events.SessionStarted(subject_id=row.id, user_id=user.id, address=address))
    return row.id


async def refresh_session(refresh_token: str, *, address: str = "") -> SignedIn:
    """A new pair of tokens for a refresh token, which is spent with it. One that was spent before ends the session."""
    family, _, turn = refresh_token.partition(".")
    if not tokens.is_token(family, rules.REFRESH_TOKEN) or not turn:
        raise NotAuthenticated()
    found = await find_rows(models.Session, column("family") == tokens.hash_token(family))
    if not found:
        raise NotAuthenticated()
    pair = _next_pair(found[0].rotation_secret, turn)
    with idempotency_key(None):
        verdict = await rotate_session(
            system_actor(found[0].organization_id),
            found[0].id,
            presented=_hash(turn),
            refresh_hash=_hash(pair.turn),
            access_hash=tokens.hash_token(pair.access),
            address=address[: attempts.ADDRESS_LENGTH_MAX],
        )
    if verdict not in (rules.Refresh.CURRENT, rules.Refresh.REPEATED):
        log.warning("refresh refused", session=found[0].id, verdict=verdict)
        raise NotAuthenticated()
    return await _signed_in(found[0].id, family, pair)


@command(None)
async def rotate_session(
    actor: Actor, id: str, *, presented: str, refresh_hash: str, access_hash: str, address: str
) -> str:
    """Turn a session to its next pair of tokens, or end it when a spent one was presented. For ``refresh_session``.

    The answer is the verdict on the token: the end of the session must be committed, so it cannot be a problem.
    """
    row = await lock_one(models.Session, actor, id)
    [user] = await find_rows(models.User, column("id") == row.user_id)
    now, policy = utc_now(), await policy_of(row.organization_id)
    limit = await _limit_of(user, policy)
    # Limits and roles may have changed since the session began, and it was used since its last turn: what holds is what
    # holds now.
    so_far = rules.session_ends(row.created_at, row.last_used_at, limit.idle_minutes, limit.absolute_minutes)
    verdict = rules.judge_refresh(
        is_current=hmac.compare_digest(row.refresh_hash, presented),
        is_previous=hmac.compare_digest(row.previous_refresh_hash or "", presented),
        rotated_at=row.rotated_at,
        ends_at=min(row.absolute_expires_at, so_far.idle),
        is_revoked=row.revoked_at is not None,
        now=now,
    )
    if verdict is rules.Refresh.REUSED:
        await commands.end_session(row, rules.RevocationReason.TOKEN_REUSED)
    elif verdict is rules.Refresh.CURRENT:
        ends = rules.session_ends(row.created_at, now, limit.idle_minutes, limit.absolute_minutes)
        await change_row(
            row,
            previous_refresh_hash=row.refresh_hash,
            refresh_hash=refresh_hash,
            access_hash=access_hash,
            rotated_at=now,
            must_enroll=not row.factor_elsewhere
            and await challenges.must_enroll(user, await challenges.confirmed_methods(user), policy),
            access_expires_at=ends.access,
            refresh_expires_at=ends.idle,
            absolute_expires_at=ends.absolute,
            last_used_at=now,
            address=address or row.address,
        )
        queries.forget_actors(row.id)
    return verdict.value


async def set_password(actor: Actor, current: Secret, new: Secret, *, address: str = "", user_agent: str = "") -> str:
    """Change one's own password with the current one; one's other sessions end. The answer is the user's id."""
    if actor.kind is not ActorKind.USER:
        raise NotPermitted("a signed-in user")
    user = await find_one(models.User, actor, actor.id)
    attempt = await attempts.begin_attempt(user.email, user, address, user_agent)
    if not await attempts.fits_password(user, current.value):
        await attempts.end_attempt(attempt, rules.LoginOutcome.WRONG_PASSWORD)
        raise InvalidInput("The current password is wrong.", path=["currentPassword"])
    await attempts.end_attempt(attempt, rules.LoginOutcome.CONFIRMED)
    if rules.normal_password(new.value) == rules.normal_password(current.value):
        raise InvalidInput("The new password is the current one.", path=["password"])
    hashed = await passwords.fitting_hash(user, new, await policy_of(user.organization_id))
    with idempotency_key(None):
        return await store_password(actor, user.password_hash, Secret(hashed))


@command(None)
async def store_password(actor: Actor, seen_hash: str | None, new_hash: Secret) -> str:
    """Keep the hash of one's own new password, unless another change came first. For ``set_password``."""
    user = await lock_one(models.User, actor, actor.id)
    if user.password_hash != seen_hash:
        raise InvalidInput("The current password is wrong.", path=["currentPassword"])
    await passwords.keep(user, new_hash.value)
    await commands.end_sessions(user, rules.RevocationReason.PASSWORD_CHANGED, but=actor.session_id)
    journal.record(events.PasswordChanged(subject_id=user.id))
    return user.id


async def forget_old_sign_ins() -> int:
    """Delete attempts, ended sessions and links of resets that are kept no longer; how many."""
    now = utc_now()
    attempts = await models.LoginAttempt.filter(at__lt=now - rules.ATTEMPTS_KEPT).delete()
    sessions = await models.Session.filter(refresh_expires_at__lt=now - rules.SESSIONS_KEPT).delete()
    resets = await models.PasswordReset.filter(expires_at__lt=now - rules.RESETS_KEPT).delete()
    return attempts + sessions + resets


async def _keep_up_with_the_times(user: models.User, password: str) -> None:
    """Hash a password anew whose hash was made with weaker parameters than today's. It is the same password still."""
    if user.password_hash is None or not tokens.needs_new_hash(user.password_hash):
        return
    fresh = await tokens.hash_password(rules.normal_password(password))

    async def keep() -> None:
        if await models.User.filter(id=user.id, password_hash=user.password_hash).update(password_hash=fresh):
            user.password_hash = fresh

    await attempts.saved(keep)


def _why_refused(user: models.User | None, fits: bool) -> rules.LoginOutcome:
    if user is None:
        return rules.LoginOutcome.UNKNOWN_LOGIN
    return rules.LoginOutcome.DEACTIVATED if fits else rules.LoginOutcome.WRONG_PASSWORD


async def _limit_of(user: models.User, policy: SecurityPolicy) -> SessionLimit:
    grants = await queries.grants_of([user])
    return policy.limit_of(rules.known_roles(user.roles), grants[user.id])


async def _close_oldest_sessions(user: models.User) -> None:
    living = (
        (column("organization_id") == user.organization_id)
        & (column("user_id") == user.id)
        & column("revoked_at").is_null()
        & (column("refresh_expires_at") > utc_now())
    )
    rows = await find_rows(models.Session, living, order=["-created_at"], lock=True)
    for row in rows[rules.SESSIONS_PER_USER_MAX - 1 :]:
        await commands.end_session(row, rules.RevocationReason.TOO_MANY_SESSIONS)


def _next_pair(rotation_secret: str, turn: str) -> _Pair:
    """The pair that follows a turn. The same turn gives the same pair, but only to whoever has the row's secret too."""
    return _Pair(
        access=tokens.new_token(rules.ACCESS_TOKEN, _derived(rotation_secret, "access", turn)),
        turn=base64.urlsafe_b64encode(_derived(rotation_secret, "refresh", turn)).decode().rstrip("="),
    )


def _derived(rotation_secret: str, purpose: str, turn: str) -> bytes:
    return hmac.digest(bytes.fromhex(rotation_secret), f"{purpose}:{turn}".encode(), "sha256")


def _hash(turn: str) -> str:
    return hashlib.sha256(turn.encode("utf-8", "surrogatepass")).hexdigest()


async def _signed_in(session_id: str, family: str, pair: _Pair) -> SignedIn:
    row = (await find_rows(models.Session, column("id") == session_id))[0]
    return SignedIn(
        session_id=row.id,
        user_id=row.user_id,
        access_token=pair.access,
        access_expires_at=row.access_expires_at,
        refresh_token=f"{family}.{pair.turn}",
        refresh_expires_at=row.refresh_expires_at,
    )
