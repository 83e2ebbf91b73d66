"""Proving once more who one is, before something that a stolen session must not be able to do."""

from app.identity import attempts, events, models, rules
from app.identity.secret import Secret
from app.infrastructure import journal
from app.infrastructure.command import command, confirm_with, idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_one, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfirmationRequired, InvalidInput, NotAuthenticated


async def require_fresh_confirmation(actor: Actor) -> None:
    """Raise ``ConfirmationRequired`` unless the person proved who they are in this session a short while ago."""
    found = await find_rows(models.Session, column("id") == actor.session_id)
    if not found:
        raise NotAuthenticated()
    if not rules.is_confirmed(found[0].confirmed_at or found[0].created_at, utc_now()):
        raise ConfirmationRequired(rules.CONFIRMATION_MINUTES)


confirm_with(require_fresh_confirmation)


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
async def keep_confirmation(actor: Actor) -> str:
    """Note that the person behind a session just proved who they are. For ``confirm_identity``."""
    row = await lock_one(models.Session, actor, rules.require_own_session(actor))
    await models.Session.filter(id=row.id).update(confirmed_at=utc_now())
    journal.record(events.IdentityConfirmed(subject_id=row.id, user_id=row.user_id))
    return row.id
