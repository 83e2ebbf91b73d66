"""Somebody new is invited: a mail with a link that opens once, by which a password is set and the profile completed.

Whatever is wrong with a link (unknown, used, revoked, too old), the answer is the same. The link lets nobody in by itself:
who has set the password signs in with it, and with a second factor where one is asked for.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Unpack

from app.company.models import Organization
from app.identity import events, models, passwords, queries, rules
from app.identity.commands.roles import require_may_touch
from app.identity.commands.users import (
    PROFILE_FIELDS,
    ProfileChanges,
    UserDetails,
    add_user,
    clean_details,
)
from app.identity.policy import policy_of
from app.identity.secret import Secret
from app.infrastructure import journal, limits, links, mail, tokens
from app.infrastructure.command import command, idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_one, find_rows, lock_one, require_text
from app.kernel.actor import Actor, ActorKind
from app.kernel.addresses import network_of
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, LimitReached, RateLimited
from app.kernel.permissions import Permission

USELESS_LINK = "This link does not open anything any more. Ask for a new one."
ACCEPTANCES_MAX, ACCEPTANCES_SECONDS = 30, 600


@command(Permission.MANAGE_USERS, confirmed=True)
async def invite_user(
    actor: Actor,
    *,
    email: str,
    legal_name: str,
    roles: Iterable[str],
    id: str | None = None,
    **details: Unpack[UserDetails],
) -> str:
    """Add somebody who cannot sign in yet, and send a link to do so; the invitation's id. ``id`` is the user's own."""
    await _require_room(actor)
    values: Mapping[str, Any] = {**details, "email": email, "legal_name": legal_name}
    user = await add_user(actor, id, roles, values, status=rules.UserStatus.INVITED.value)
    token, now = tokens.new_token(rules.INVITATION_TOKEN), utc_now()
    row = await add_row(
        models.Invitation,
        organization_id=user.organization_id,
        user_id=user.id,
        email=user.email,
        customer_id=user.customer_id,
        token_hash=tokens.hash_token(token),
        invited_by_user_id=actor.id if actor.kind is ActorKind.USER else None,
        sent_at=now,
        expires_at=now + rules.INVITATION_LASTS,
    )
    await _send(actor, row, user, token)
    journal.record(events.UserInvited(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_USERS)
async def resend_invitation(actor: Actor, id: str) -> str:
    """Send a new link; the one before opens nothing any more."""
    row, user = await _lock_open(actor, id)
    now = utc_now()
    if row.sent_count >= rules.INVITATION_MAILS_MAX:
        raise LimitReached("This invitation was sent often enough. Is the address right?", rules.INVITATION_MAILS_MAX)
    wait = row.sent_at + rules.INVITATION_MAILS_APART - now
    if wait.total_seconds() > 0:
        raise RateLimited(int(wait.total_seconds()) + 1, "This invitation was sent a moment ago.")
    token = tokens.new_token(rules.INVITATION_TOKEN)
    await change_row(
        row,
        email=user.email,
        token_hash=tokens.hash_token(token),
        sent_at=now,
        sent_count=row.sent_count + 1,
        expires_at=now + rules.INVITATION_LASTS,
    )
    await _send(actor, row, user, token)
    journal.record(events.InvitationResent(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_USERS)
async def revoke_invitation(actor: Actor, id: str) -> str:
    """Take an invitation back: its link opens nothing, and whom it was for is shut out."""
    row, user = await _lock_open(actor, id)
    await change_row(row, revoked_at=utc_now())
    changed = await change_row(user, status=rules.UserStatus.DEACTIVATED.value)
    journal.record(events.InvitationRevoked(subject_id=row.id))
    journal.record(events.UserDeactivated(subject_id=user.id, changes=changed))
    return row.id


async def accept_invitation(
    token: str, password: Secret, *, address: str = "", legal_name: str | None = None, **profile: Unpack[ProfileChanges]
) -> str:
    """Set the password of somebody new and complete the profile; what to sign in with. It signs nobody in."""
    await limits.hit(f"accept-invitation {network_of(address)}", ACCEPTANCES_MAX, ACCEPTANCES_SECONDS)
    row, user = await require_open_invitation(token)
    hashed = await passwords.fitting_hash(user, password, await policy_of(user.organization_id))
    changes: dict[str, Any] = {**profile} | ({"legal_name": legal_name} if legal_name is not None else {})
    with idempotency_key(None):
        return await take_invitation(queries.actor_of(user), row.id, row.token_hash, Secret(hashed), changes)


@command(None)
async def take_invitation(
    actor: Actor, id: str, token_hash: str, password_hash: Secret, profile: Mapping[str, Any]
) -> str:
    """Let somebody in whose link was just found to be good; what to sign in with. For ``accept_invitation``."""
    row = await lock_one(models.Invitation, actor, id)
    user = await lock_one(models.User, actor, row.user_id)
    if row.token_hash != token_hash or not is_open(row, user, utc_now()):
        raise InvalidInput(USELESS_LINK, path=["token"])
    now = utc_now()
    cleaners = {**PROFILE_FIELDS, "legal_name": lambda value: require_text(value, "legalName", longest=200)}
    values = await clean_details(actor, cleaners, profile)
    rules.USER_LIFECYCLE.require(rules.UserStatus(user.status), rules.UserStatus.ACTIVE)
    changed = await change_row(user, status=rules.UserStatus.ACTIVE.value, **values)
    await passwords.keep(user, password_hash.value)
    await change_row(row, accepted_at=now)
    journal.record(events.InvitationAccepted(subject_id=row.id))
    journal.record(events.UserUpdated(subject_id=user.id, changes=changed))
    return user.email


async def require_open_invitation(token: str) -> tuple[models.Invitation, models.User]:
    """The invitation that a link opens, and whom it is for; else the one answer that all other links get."""
    if tokens.is_token(token, rules.INVITATION_TOKEN):
        found = await find_rows(models.Invitation, column("token_hash") == tokens.hash_token(token))
        users = await find_rows(models.User, column("id").one_of([row.user_id for row in found])) if found else []
        if users and is_open(found[0], users[0], utc_now()):
            return found[0], users[0]
    raise InvalidInput(USELESS_LINK, path=["token"])


def is_open(row: models.Invitation, user: models.User, now: datetime) -> bool:
    """Whether an invitation still lets somebody in."""
    is_waiting = row.accepted_at is None and row.revoked_at is None and user.status == rules.UserStatus.INVITED
    # A link that went to another address was for somebody else.
    return is_waiting and row.email == user.email and now < row.expires_at


async def _lock_open(actor: Actor, id: str) -> tuple[models.Invitation, models.User]:
    """An invitation that waits, in time or not, and whom it is for, both locked."""
    row = await lock_one(models.Invitation, actor, id)
    user = await lock_one(models.User, actor, row.user_id)
    await require_may_touch(actor, user)
    if row.accepted_at is not None or row.revoked_at is not None or user.status != rules.UserStatus.INVITED:
        raise Conflict("This invitation was accepted or taken back already.", path=["id"])
    return row, user


async def _require_room(actor: Actor) -> None:
    """So many may be invited and not have come yet: of an organization, and fewer of a customer's account."""
    invited = column("status") == rules.UserStatus.INVITED.value
    waiting = (column("organization_id") == actor.organization_id) & invited & models.User.visible_to(actor)
    most = rules.INVITATIONS_OPEN_OF_AN_ACCOUNT_MAX if actor.is_customer else rules.INVITATIONS_OPEN_MAX
    if len(await find_rows(models.User, waiting, limit=most)) >= most:
        raise LimitReached("Many who were invited have not come yet.", most)


async def _send(actor: Actor, row: models.Invitation, user: models.User, token: str) -> None:
    organization = await find_one(Organization, actor, actor.organization_id)
    company = " ".join(organization.name.split())
    text = (
        f"Hello {user.preferred_name or user.legal_name},\n\n{company} invites you to its service platform. "
        f"Set your password here:\n\n{links.link('/invitation', {'token': token})}\n\n"
        f"The link opens once, until {row.expires_at:%d %B %Y, %H:%M} UTC. If you did not expect this mail, do nothing.\n"
    )
    await mail.send(actor, row.email, f"Your invitation to {company}"[:200], text, secret=True)
