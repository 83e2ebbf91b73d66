"""Sessions are ended: by their owners, by administrators, and with what shuts somebody out."""

from app.identity import events, models, queries, rules
from app.identity.commands.roles import require_may_touch
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import change_row, find_one, find_rows, lock_one
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now
from app.kernel.errors import NotPermitted
from app.kernel.permissions import Permission


@command(None)
async def revoke_session(actor: Actor, id: str) -> str:
    """End a session: one's own, or with MANAGE_USERS another's. One that has ended already stays as it is."""
    row = await lock_one(models.Session, actor, id)
    if row.user_id != actor.id:
        actor.require(Permission.MANAGE_USERS)
        await require_may_touch(actor, await find_one(models.User, actor, row.user_id))
    await end_session(row, rules.RevocationReason.REVOKED)
    return row.id


@command(None)
async def revoke_all_sessions(actor: Actor, user_id: str | None = None) -> str:
    """End all of one's own sessions but this one, or with MANAGE_USERS all of another's. The answer is the user's id."""
    target = user_id or actor.id
    if target != actor.id:
        actor.require(Permission.MANAGE_USERS)
    else:
        require_person(actor)
    row = await lock_one(models.User, actor, target, path="userId")
    if target != actor.id:
        await require_may_touch(actor, row)
    await end_sessions(row, rules.RevocationReason.REVOKED, but=actor.session_id)
    return row.id


@command(None)
async def log_out(actor: Actor) -> str:
    """End the session one is signed in with."""
    row = await lock_one(models.Session, actor, rules.require_own_session(actor))
    await end_session(row, rules.RevocationReason.LOGGED_OUT)
    return row.id


async def end_session(row: models.Session, reason: rules.RevocationReason) -> None:
    """Shut a locked session and say so. For commands."""
    if row.revoked_at is not None:
        return
    await change_row(row, revoked_at=utc_now(), revoked_reason=reason.value)
    queries.forget_actors(row.id)
    journal.record(events.SessionRevoked(subject_id=row.id, user_id=row.user_id, reason=reason.value))


async def end_sessions(user: models.User, reason: rules.RevocationReason, *, but: str | None = None) -> None:
    """Shut all living sessions of a user whose row is locked. For commands."""
    living = _sessions_of(user) & column("revoked_at").is_null()
    for row in await find_rows(models.Session, living, order=["id"], lock=True):
        if row.id != but:
            await end_session(row, reason)
    queries.forget_actors(user.id)


def _sessions_of(user: models.User) -> Condition:
    return (column("organization_id") == user.organization_id) & (column("user_id") == user.id)


def require_person(actor: Actor) -> None:
    """Raise unless the actor is a person: keys and the system have no profile and no sessions."""
    if actor.kind is not ActorKind.USER:
        raise NotPermitted("a signed-in user")
