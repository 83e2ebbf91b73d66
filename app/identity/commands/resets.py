"""A new password without the old one: by a link that is mailed, opens once, for half an hour, and only while the password is
the one for which it was asked.

Whoever asks gets the same answer after the same time, whether there is such a person or not. A link signs nobody in: who has
set the password signs in with it, and with a second factor where one is asked for.
"""

from datetime import datetime

import structlog

from app.identity import attempts, events, models, passwords, queries, rules
from app.identity.commands.roles import require_may_touch
from app.identity.commands.sessions import end_sessions
from app.identity.even_time import in_even_time
from app.identity.policy import policy_of
from app.identity.secret import Secret
from app.infrastructure import journal, limits, links, mail, tokens
from app.infrastructure.command import command, idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one
from app.kernel.actor import Actor, ActorKind, system_actor
from app.kernel.addresses import network_of
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, Problem
from app.kernel.permissions import Permission

USELESS_LINK = "This link does not open anything any more. Ask for a new one."
REQUESTS_MAX, REQUESTS_SECONDS = 20, 3600
COMPLETIONS_MAX, COMPLETIONS_SECONDS = 30, 600

log = structlog.get_logger(__name__)


async def request_password_reset(login: str, *, address: str = "") -> None:
    """Send a link to whoever has this login, if anybody does; neither the answer nor its time tells."""
    await limits.hit(f"password-reset {network_of(address)}", REQUESTS_MAX, REQUESTS_SECONDS)
    async with in_even_time():
        try:
            user = await queries.find_user(attempts.printable(login).strip().lower()[: attempts.LOGIN_LENGTH_MAX])
            if user is not None:
                with idempotency_key(None):
                    await send_reset_link(system_actor(user.organization_id), user.id)
        except Problem as problem:
            # Told to the one who has an account only, it would tell that there is one.
            log.warning("no reset link was sent", code=problem.code)


@command(None)
async def send_reset_link(actor: Actor, user_id: str) -> bool:
    """Send somebody who may sign in a link to set a new password; whether one was sent. Not while a few are open: whoever asks
    for as many as there may be leaves the owner with links that open."""
    user, now = await lock_one(models.User, actor, user_id), utc_now()
    theirs = (column("organization_id") == user.organization_id) & (column("user_id") == user.id)
    sent = await find_rows(models.PasswordReset, theirs & (column("expires_at") > now))
    if user.status != rules.UserStatus.ACTIVE or sum(is_open(one, user, now) for one in sent) >= rules.RESETS_OPEN_MAX:
        return False
    token = tokens.new_token(rules.RESET_TOKEN)
    await add_row(
        models.PasswordReset,
        organization_id=user.organization_id,
        user_id=user.id,
        token_hash=tokens.hash_token(token),
        password_mark=passwords.mark_of(user),
        requested_by_user_id=actor.id if actor.kind is ActorKind.USER else None,
        expires_at=now + rules.RESET_LASTS,
    )
    text = (
        f"Hello {user.preferred_name or user.legal_name},\n\nset a new password here:\n\n"
        f"{links.link('/reset-password', {'token': token})}\n\nThe link opens once, for 30 minutes. "
        "If you did not ask for it, do nothing: your password stays as it is.\n"
    )
    await mail.send(actor, user.email, "A new password", text, secret=True)
    journal.record(events.PasswordResetRequested(subject_id=user.id))
    return True


@command(Permission.MANAGE_USERS, confirmed=True)
async def reset_password(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Make somebody choose a new password: the one there is opens nothing any more, sessions end, a link is sent. Nobody
    chooses another's password."""
    row = await lock_one(models.User, actor, id, version=version)
    await require_may_touch(actor, row)
    if row.status != rules.UserStatus.ACTIVE:
        raise Conflict("Only somebody who may sign in has a password to reset.", path=["id"])
    if row.password_hash is not None:
        await passwords.keep(row, None)
    await end_sessions(row, rules.RevocationReason.PASSWORD_CHANGED)
    await send_reset_link(actor, row.id)
    return row.id


async def complete_password_reset(token: str, password: Secret, *, address: str = "") -> str:
    """Set a new password by a link; what to sign in with. It signs nobody in, and ends all sessions there are."""
    await limits.hit(f"complete-reset {network_of(address)}", COMPLETIONS_MAX, COMPLETIONS_SECONDS)
    row, user = await require_open_reset(token)
    hashed = await passwords.fitting_hash(user, password, await policy_of(user.organization_id))
    with idempotency_key(None):
        return await take_reset(queries.actor_of(user), row.id, Secret(hashed))


@command(None)
async def take_reset(actor: Actor, id: str, password_hash: Secret) -> str:
    """Keep the new password of somebody whose link was just found to be good. For ``complete_password_reset``."""
    user = await lock_one(models.User, actor, actor.id)
    row = await lock_one(models.PasswordReset, actor, id)
    if not is_open(row, user, utc_now()):
        raise InvalidInput(USELESS_LINK, path=["token"])
    await change_row(row, used_at=utc_now())
    await passwords.keep(user, password_hash.value)
    # Whoever has the link is the owner, and did not guess at the password: those who did keep nobody from the new one.
    await change_row(user, unlocked_at=utc_now())
    await end_sessions(user, rules.RevocationReason.PASSWORD_CHANGED)
    journal.record(events.PasswordChanged(subject_id=user.id))
    return user.email


async def require_open_reset(token: str) -> tuple[models.PasswordReset, models.User]:
    """The reset that a link opens, and of whom; else the one answer that all other links get."""
    if tokens.is_token(token, rules.RESET_TOKEN):
        found = await find_rows(models.PasswordReset, column("token_hash") == tokens.hash_token(token))
        users = await find_rows(models.User, column("id").one_of([row.user_id for row in found])) if found else []
        if users and is_open(found[0], users[0], utc_now()):
            return found[0], users[0]
    raise InvalidInput(USELESS_LINK, path=["token"])


def is_open(row: models.PasswordReset, user: models.User, now: datetime) -> bool:
    """Whether a link still sets a password: once, in time, for the password and the address for which it was asked."""
    is_same = row.password_mark == passwords.mark_of(user) and user.status == rules.UserStatus.ACTIVE
    return is_same and row.used_at is None and now < row.expires_at
