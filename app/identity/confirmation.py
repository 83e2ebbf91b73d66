"""Proving once more who one is, before something that a stolen session must not be able to do."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.identity import attempts, events, models, rules
from app.identity.factors import challenges, proofs
from app.identity.factors.proofs import Proof
from app.identity.policy import policy_of
from app.identity.secret import Secret
from app.infrastructure import journal
from app.infrastructure.command import command, confirm_with, idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_one, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfirmationRequired, Conflict, InvalidInput, NotAuthenticated


async def require_fresh_confirmation(actor: Actor) -> None:
    """Raise ``ConfirmationRequired`` unless the person proved who they are in this session a short while ago."""
    found = await find_rows(models.Session, column("id") == actor.session_id)
    if not found:
        raise NotAuthenticated()
    minutes = (await policy_of(actor.organization_id)).reauthentication_minutes
    if not rules.is_confirmed(found[0].confirmed_at or found[0].created_at, utc_now(), minutes):
        raise ConfirmationRequired(minutes)


confirm_with(require_fresh_confirmation)


async def begin_confirmation(actor: Actor) -> Mapping[str, Any]:
    """Ask for one's own second factors instead of the password."""
    session_id = rules.require_own_session(actor)
    user = await find_one(models.User, actor, actor.id)
    methods = await challenges.confirmed_methods(user)
    if not methods:
        raise Conflict("You have no second factor yet. Confirm with your password.")
    question = await challenges.begin(user, rules.Purpose.CONFIRM, session_id=session_id)
    asked = challenges.usable(methods, await policy_of(user.organization_id))
    return await asyncio.to_thread(challenges.shown, question, asked)


async def require_method(actor: Actor, id: str) -> None:
    """Raise ``NotFound`` unless there is such a second factor."""
    await find_one(models.MfaMethod, actor, id, path="methodId")


async def confirm_by_factor(actor: Actor, token: str, proof: Proof, *, address: str = "", user_agent: str = "") -> str:
    """Prove with a second factor that it is still oneself who holds the session; the session's id."""
    session_id = rules.require_own_session(actor)
    found = await proofs.answer(token, proof, rules.Purpose.CONFIRM, address=address, user_agent=user_agent)
    if found.challenge.session_id != session_id:
        raise challenges.ended(rules.Purpose.CONFIRM)
    await attempts.end_attempt(found.attempt, rules.LoginOutcome.CONFIRMED)
    with idempotency_key(None):
        return await keep_confirmation(actor, found.challenge.id)


async def confirm_identity(actor: Actor, password: Secret, *, address: str = "", user_agent: str = "") -> str:
    """Prove with the password that it is still oneself who holds the session; the session's id."""
    rules.require_own_session(actor)
    user = await find_one(models.User, actor, actor.id)
    attempt = await attempts.begin_attempt(user.email, user, address, user_agent)
    if not await attempts.fits_password(user, password.value):
        await attempts.end_attempt(attempt, rules.LoginOutcome.WRONG_PASSWORD)
        raise InvalidInput("The password is wrong.", path=["password"])
    await attempts.end_attempt(attempt, rules.LoginOutcome.CONFIRMED)
    with idempotency_key(None):
        return await keep_confirmation(actor)


@command(None)
async def keep_confirmation(actor: Actor, challenge_id: str | None = None) -> str:
    """Note that the person behind a session just proved who they are. For ``confirm_identity``."""
    if challenge_id is not None:
        await challenges.spend(challenge_id, rules.Purpose.CONFIRM)
    row = await lock_one(models.Session, actor, rules.require_own_session(actor))
    await models.Session.filter(id=row.id).update(confirmed_at=utc_now())
    journal.record(events.IdentityConfirmed(subject_id=row.id, user_id=row.user_id))
    return row.id
