"""Somebody asks to be let in, or a user for more roles; an administrator says yes or no.

A stranger names the organization by its login domain, and gets the same answer after the same time whether there is one,
whether it takes such requests, and whether the address is known there already.
"""

from collections.abc import Iterable

import structlog

from app.identity import events, models, rules
from app.identity.commands.invitations import invite_user
from app.identity.commands.sessions import require_person
from app.identity.commands.users import lock_roles, update_user
from app.identity.even_time import in_even_time
from app.identity.policy import as_policy
from app.infrastructure import journal, limits, mail
from app.infrastructure.command import command, idempotency_key
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import add_row, change_row, find_one, find_rows, lock_one, require_text
from app.kernel.actor import Actor, ActorKind, system_actor
from app.kernel.addresses import network_of
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, Problem
from app.kernel.permissions import Permission, Role

MESSAGE_LENGTH_MAX = 1000
REQUESTS_MAX, REQUESTS_SECONDS = 5, 3600

log = structlog.get_logger(__name__)


async def request_access(
    login_domain: str, email: str, legal_name: str, message: str = "", *, address: str = ""
) -> None:
    """Ask, as a stranger, to be let in to an organization. Only what is wrong with the words themselves is told."""
    email = rules.require_login(email)
    legal_name = require_text(legal_name, "legalName", longest=200)
    message = require_text(message, "message", shortest=0, longest=MESSAGE_LENGTH_MAX)
    await limits.hit(f"access-request {network_of(address)}", REQUESTS_MAX, REQUESTS_SECONDS)
    async with in_even_time():
        found = await find_rows(models.SecurityPolicy, column("login_domain") == login_domain.strip().lower())
        if not found or not as_policy(found[0]).takes_access_requests:
            return
        try:
            with idempotency_key(None):
                await note_request(system_actor(found[0].organization_id), email, legal_name, message)
        except Problem as problem:
            # Told, it would tell that there is such an organization.
            log.warning("no access request was noted", code=problem.code)


@command(None)
async def note_request(actor: Actor, email: str, legal_name: str, message: str) -> str | None:
    """Note a stranger's request, unless there are many or the address has one or an account there. For ``request_access``."""
    waiting = _waiting(actor)
    ours = column("organization_id") == actor.organization_id
    has_account = await find_rows(models.User, ours & (column("email") == email), limit=1)
    has_request = await find_rows(models.AccessRequest, waiting & (column("email") == email), limit=1)
    if has_account or has_request or await _is_full(actor):
        return None
    row = await add_row(
        models.AccessRequest,
        organization_id=actor.organization_id,
        email=email,
        legal_name=legal_name,
        message=message,
    )
    journal.record(events.AccessRequested(subject_id=row.id))
    return row.id


@command(None)
async def request_roles(actor: Actor, *, roles: Iterable[str], message: str = "") -> str:
    """Ask for more roles, besides those one has."""
    require_person(actor)
    user = await lock_one(models.User, actor, actor.id)
    wanted = {Role(role).value for role in roles}
    rules.require_roles([*user.roles, *wanted], customer_id=user.customer_id, technician_id=user.technician_id)
    if not wanted - set(user.roles):
        raise InvalidInput("You have these roles already.", path=["roles"])
    if await find_rows(models.AccessRequest, _waiting(actor) & (column("user_id") == user.id), limit=1):
        raise Conflict("You asked already, and were not answered yet.", path=["roles"])
    row = await add_row(
        models.AccessRequest,
        organization_id=actor.organization_id,
        user_id=user.id,
        email=user.email,
        legal_name=user.legal_name,
        roles=sorted(wanted - set(user.roles)),
        message=require_text(message, "message", shortest=0, longest=MESSAGE_LENGTH_MAX),
    )
    journal.record(events.AccessRequested(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_USERS, confirmed=True)
async def approve_access_request(
    actor: Actor,
    id: str,
    *,
    roles: Iterable[Role] | None = None,
    customer_id: str | None = None,
    note: str | None = None,
) -> str:
    """Say yes: a user gets the roles, a stranger an invitation with those that are given here."""
    row = await _lock_waiting(actor, id)
    # What the user has already stays as it is until the rest is added.
    await lock_roles(actor)
    given = [str(role) for role in roles] if roles is not None else list(row.roles)
    if row.user_id is not None:
        user = await find_one(models.User, actor, row.user_id)
        await update_user(actor, user.id, roles=sorted({*user.roles, *given}))
    else:
        await invite_user(actor, email=row.email, legal_name=row.legal_name, roles=given, customer_id=customer_id)
    await _decide(actor, row, rules.AccessRequestStatus.APPROVED, note)
    journal.record(events.AccessRequestApproved(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_USERS)
async def decline_access_request(actor: Actor, id: str, *, note: str | None = None) -> str:
    """Say no, and why."""
    row = await _lock_waiting(actor, id)
    await _decide(actor, row, rules.AccessRequestStatus.DECLINED, note)
    because = f"\n\n{row.decision_note}" if row.decision_note else ""
    await mail.send(actor, row.email, "Your request for access", f"Your request for access was declined.{because}\n")
    journal.record(events.AccessRequestDeclined(subject_id=row.id))
    return row.id


async def _lock_waiting(actor: Actor, id: str) -> models.AccessRequest:
    row = await lock_one(models.AccessRequest, actor, id)
    if row.status != rules.AccessRequestStatus.PENDING:
        raise Conflict("This request was answered already.", path=["id"])
    return row


async def _decide(actor: Actor, row: models.AccessRequest, status: rules.AccessRequestStatus, note: str | None) -> None:
    await change_row(
        row,
        status=status.value,
        decided_by_user_id=actor.id if actor.kind is ActorKind.USER else None,
        decided_at=utc_now(),
        decision_note=require_text(note, "note", longest=500) if note else None,
    )


def _waiting(actor: Actor) -> Condition:
    pending = rules.AccessRequestStatus.PENDING.value
    return (column("organization_id") == actor.organization_id) & (column("status") == pending)


async def _is_full(actor: Actor) -> bool:
    """Whether so many strangers wait that one more is not heard. Users have one request each, whatever strangers do."""
    most = rules.ACCESS_REQUESTS_PENDING_MAX
    strangers = _waiting(actor) & column("user_id").is_null()
    return len(await find_rows(models.AccessRequest, strangers, limit=most)) >= most
