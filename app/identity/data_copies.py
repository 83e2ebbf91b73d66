"""Copies of a person's data: links to them, and the way from a link to the file; and what somebody has agreed to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.identity import models
from app.identity.commands.privacy import is_own
from app.identity.privacy import LINK_LASTS, ConsentPurpose, ConsentWithdrawn, DataRequestKind, DataRequestStatus
from app.identity.queries import actor_now
from app.infrastructure import erasing, tokens
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, NotAuthenticated, NotFound, NotPermitted
from app.kernel.permissions import Permission

LINK = "dc"


class CopyLinkExpired(Conflict):
    """The link was good for some minutes, which are over."""

    code = "LINK_EXPIRED"


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that may be taken, and by whom."""

    request: models.DataRequest
    actor: Actor
    path: Path


def may_take(actor: Actor, person_id: str, requested_by: str) -> bool:
    """Whether somebody may have a person's copy: the person who asked for it, and who manages privacy."""
    if actor.holds(Permission.MANAGE_PRIVACY) and not actor.is_customer:
        return True
    return is_own(actor, person_id) and requested_by == actor.id


def link_to(actor: Actor, id: str, secret: str) -> str:
    """A link to the file for one actor, good for some minutes. Whoever has it has the file, so it is a secret."""
    until = int((utc_now() + LINK_LASTS).timestamp())
    return f"/data-requests/{id}?for={actor.id}&until={until}&token={tokens.signed_token(LINK, secret, id, actor.id, until)}"


async def find_copy(id: str, for_: str, until: int, token: str) -> Copy:
    """The file behind a link. One that was made up is ``NotFound``; for whom it was made is looked at anew."""
    done = (column("id") == id) & (column("status") == DataRequestStatus.DONE.value)
    found = await find_rows(models.DataRequest, done & (column("kind") == DataRequestKind.EXPORT.value))
    if (
        not found
        or not found[0].link_secret
        or not tokens.is_signed(token, LINK, found[0].link_secret, id, for_, until)
    ):
        raise NotFound(models.DataRequest.noun, id[:60])
    [row] = found
    now = utc_now()
    if datetime.fromtimestamp(until, UTC) <= now:
        raise CopyLinkExpired("This link was good for some minutes, which are over: ask for another.")
    try:
        actor = await actor_now(row.organization_id, for_)
    except NotAuthenticated:
        raise NotPermitted(Permission.MANAGE_PRIVACY) from None
    if not may_take(actor, row.person_id, row.requested_by):
        raise NotPermitted(Permission.MANAGE_PRIVACY)
    path = erasing.file_of(row.id)
    if row.expires_at is None or row.expires_at <= now or not path.is_file():
        raise NotFound(models.DataRequest.noun, id)
    return Copy(row, actor, path)


async def find_copies_to_expire(limit: int) -> list[models.DataRequest]:
    """Requests whose file was kept long enough, in every organization."""
    return await find_rows(models.DataRequest, column("expires_at") <= utc_now(), order=["expires_at"], limit=limit)


async def require_not_withdrawn(organization_id: str, person_ids: Sequence[str], purpose: ConsentPurpose) -> None:
    """``ConsentWithdrawn`` when the newest of a person's consents to a purpose was taken back. Who never was asked is not held
    back: then the purpose rests on other grounds."""
    theirs = (column("organization_id") == organization_id) & column("person_id").one_of(person_ids)
    newest = await find_rows(
        models.Consent, theirs & (column("purpose") == purpose.value), order=["-given_at", "-id"], limit=1
    )
    if newest and newest[0].withdrawn_at is not None:
        raise ConsentWithdrawn("The person took their consent to this back.")
