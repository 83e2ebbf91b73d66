"""Partners' keys: made, changed, given a new secret, shut. A secret is shown once, on a slip."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from app.identity import events, models, queries, rules
from app.identity.secret import Slip
from app.infrastructure import journal, tokens
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one, require_text
from app.kernel.actor import Actor, ActorKind, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotFound
from app.kernel.permissions import Permission


class KeyLimits(TypedDict, total=False):
    """What a key is held to besides its scopes; None, or left out: only what the server allows each key."""

    budget_points: int | None
    budget_per_second: int | None
    requests_per_minute: int | None
    networks: list[str] | None


class KeyChanges(KeyLimits, total=False):
    """What may be changed about a key. Its scopes may not: another key tells more clearly who may do what."""

    name: str
    expires_at: datetime | None


@command(Permission.MANAGE_API_KEYS, confirmed=True)
async def create_api_key(
    actor: Actor,
    slip: Slip,
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    id: str | None = None,
    **limits: Unpack[KeyLimits],
) -> str:
    """Make a key that holds some of the actor's permissions. Its secret comes on the slip, this once."""
    now = utc_now()
    values = {
        "name": require_text(name, "name", longest=120),
        "scopes": rules.require_scopes(actor, scopes),
        "expires_at": rules.require_key_end(expires_at, now),
        "created_by_user_id": actor.id if actor.kind is ActorKind.USER else None,
        **_limits({}, limits),
    }
    row = await add_row(models.ApiKey, id=id, organization_id=actor.organization_id, **values, **_fresh_secret(slip))
    journal.record(events.ApiKeyCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_API_KEYS, confirmed=True)
async def update_api_key(actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[KeyChanges]) -> str:
    """Change a key's name, end, budget or networks; it holds from the key's next request."""
    row = await _lock_living_key(actor, id, version)
    rules.require_scopes(actor, row.scopes)
    values = _limits({name: getattr(row, name) for name in KeyLimits.__annotations__}, changes)
    if "name" in changes:
        values["name"] = require_text(changes["name"], "name", longest=120)
    if "expires_at" in changes and changes["expires_at"] != row.expires_at:
        values["expires_at"] = rules.require_key_end(changes["expires_at"], utc_now())
        values["expiry_told_at"] = None
    changed = await change_row(row, **values)
    if changed:
        queries.forget_actors(row.id)
        journal.record(events.ApiKeyUpdated(subject_id=row.id, changes=changed))
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


async def tell_of_keys_that_end() -> int:
    """Say of each key that ends soon that it does, once; of how many."""
    now = utc_now()
    soon = (
        column("revoked_at").is_null()
        & column("expiry_told_at").is_null()
        & (column("expires_at") > now)
        & (column("expires_at") <= now + rules.KEY_ENDS_SOON)
    )
    keys = await find_rows(models.ApiKey, soon, order=["id"], limit=rules.KEYS_TOLD_AT_ONCE)
    for key in keys:
        await note_expiry(system_actor(key.organization_id), key.id)
    return len(keys)


@command(Permission.MANAGE_API_KEYS)
async def note_expiry(actor: Actor, id: str) -> str:
    """Record that a key ends soon, unless that was done, or it has been shut or prolonged meanwhile."""
    row = await lock_one(models.ApiKey, actor, id)
    now = utc_now()
    ends = row.expires_at
    if row.revoked_at is None and row.expiry_told_at is None and ends is not None and ends <= now + rules.KEY_ENDS_SOON:
        # Whoever edits the key must not stumble over this: the version stays.
        await models.ApiKey.filter(id=row.id).update(expiry_told_at=now)
        journal.record(events.ApiKeyExpiring(subject_id=row.id, name=row.name, expires_at=ends.isoformat()))
    return row.id


def _limits(before: dict[str, Any], given: KeyLimits) -> dict[str, Any]:
    """The limits that are given, checked together with those that stay."""
    values: dict[str, Any] = {name: given[name] for name in KeyLimits.__annotations__ if name in given}  # type: ignore[literal-required]
    if "networks" in values:
        values["networks"] = rules.require_networks(values["networks"])
    after = before | values
    rules.require_key_limits(
        *(after.get(name) for name in ("budget_points", "budget_per_second", "requests_per_minute"))
    )
    return values


async def _lock_living_key(actor: Actor, id: str, version: int | None = None) -> models.ApiKey:
    row = await lock_one(models.ApiKey, actor, id, version=version)
    if row.revoked_at is not None:
        raise NotFound(models.ApiKey.noun, id, path=["id"])
    return row


def _fresh_secret(slip: Slip) -> dict[str, str]:
    secret = tokens.new_token(rules.API_KEY)
    slip.secret = secret
    return {"secret_hash": tokens.hash_token(secret), "shown_prefix": secret[:12]}
