"""A new password, wherever it is set: held to the organization's policy and to the passwords before it, then kept."""

import hashlib
from datetime import datetime, timedelta

from app.identity import models, rules
from app.identity.policy import SecurityPolicy
from app.identity.secret import Secret
from app.infrastructure import tokens
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput


async def fitting_hash(user: models.User, password: Secret, policy: SecurityPolicy, path: str = "password") -> str:
    """The hash of a password that the policy allows somebody. Slow on purpose, so it is made before a transaction begins."""
    about = [user.email, user.legal_name, user.preferred_name or "", user.username or ""]
    text = rules.require_password(
        password.value, about, length_min=policy.password_length_min, classes_min=policy.password_classes_min, path=path
    )
    await _require_new(user, text, policy, path)
    return await tokens.hash_password(text)


async def keep(user: models.User, password_hash: str | None) -> None:
    """Set the password of a locked user, or take it away, and remember the one before. For commands."""
    if user.password_hash is not None:
        await add_row(
            models.UsedPassword,
            organization_id=user.organization_id,
            user_id=user.id,
            password_hash=user.password_hash,
            used_until=utc_now(),
        )
    await change_row(user, password_hash=password_hash, password_changed_at=utc_now())
    older = await _used_by(user)
    await models.UsedPassword.filter(id__in=[one.id for one in older[rules.USED_PASSWORDS_KEPT :]]).delete()


def is_too_old(user: models.User, policy: SecurityPolicy, now: datetime) -> bool:
    """Whether somebody needs a new password before signing in."""
    if policy.password_days_max is None or user.password_changed_at is None:
        return False
    return now - user.password_changed_at > timedelta(days=policy.password_days_max)


def mark_of(user: models.User) -> str:
    """What tells one password of somebody, and the address that links and codes go to, from the next; and tells nothing
    else."""
    return hashlib.sha256(f"{user.email} {user.password_hash or ''}".encode()).hexdigest()


async def _require_new(user: models.User, text: str, policy: SecurityPolicy, path: str) -> None:
    used = [user.password_hash] if user.password_hash is not None else []
    used += [one.password_hash for one in await _used_by(user)]
    for one in used[: policy.password_history]:
        if await tokens.verify_password(one, text):
            raise InvalidInput(f"Take a password that is none of your last {policy.password_history}.", path=[path])


async def _used_by(user: models.User) -> list[models.UsedPassword]:
    theirs = (column("organization_id") == user.organization_id) & (column("user_id") == user.id)
    return await find_rows(models.UsedPassword, theirs, order=["-used_until", "-id"])
