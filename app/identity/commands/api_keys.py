"""Partners' keys: made, given a new secret, shut. A secret is shown once, on a slip."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from app.identity import events, models, queries, rules
from app.identity.secret import Slip
from app.infrastructure import journal, tokens
from app.infrastructure.command import command
from app.infrastructure.tables import add_row, change_row, lock_one, require_text
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotFound
from app.kernel.permissions import Permission


@command(Permission.MANAGE_API_KEYS, confirmed=True)
async def create_api_key(
    actor: Actor,
    slip: Slip,
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    id: str | None = None,
) -> str:
    """Make a key that holds some of the actor's permissions. Its secret comes on the slip, this once."""
    now = utc_now()
    values = {
        "name": require_text(name, "name", longest=120),
        "scopes": rules.require_scopes(actor, scopes),
        "expires_at": rules.require_key_end(expires_at, now),
        "created_by_user_id": actor.id if actor.kind is ActorKind.USER else None,
    }
    row = await add_row(models.ApiKey, id=id, organization_id=actor.organization_id, **values, **_fresh_secret(slip))
    journal.record(events.ApiKeyCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_API_KEYS, confirmed=True)
async def rotate_api_key(actor: Actor, slip: Slip, id: str, *, overlap_minutes: int = 60) -> str:
    """Give a key a new secret, on the slip. The old one still opens for some minutes, so that nobody is cut off."""
    if not 0 <= overlap_minutes <= rules.OVERLAP_MINUTES_MAX:
        raise InvalidInput(f"The overlap is 0 to {rules.OVERLAP_MINUTES_MAX} minutes.", path=["overlapMinutes"])
    row = await _lock_living_key(actor, id)
    rules.require_scopes(actor, row.scopes)
    await change_row(
        row,
        previous_secret_hash=row.secret_hash,
        previous_expires_at=utc_now() + timedelta(minutes=overlap_minutes),
        **_fresh_secret(slip),
    )
    queries.forget_actors(row.id)
    journal.record(events.ApiKeyRotated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_API_KEYS, confirmed=True)
async def revoke_api_key(actor: Actor, id: str) -> str:
    """Shut a key, its old secret included."""
    row = await _lock_living_key(actor, id)
    changed = await change_row(row, revoked_at=utc_now())
    queries.forget_actors(row.id)
    journal.record(events.ApiKeyRevoked(subject_id=row.id, changes=changed))
    return row.id


async def _lock_living_key(actor: Actor, id: str) -> models.ApiKey:
    row = await lock_one(models.ApiKey, actor, id)
    if row.revoked_at is not None:
        raise NotFound(models.ApiKey.noun, id, path=["id"])
    return row


def _fresh_secret(slip: Slip) -> dict[str, str]:
    secret = tokens.new_token(rules.API_KEY)
    slip.secret = secret
    return {"secret_hash": tokens.hash_token(secret), "shown_prefix": secret[:12]}
