"""The organization's rules for passwords, second factors and sessions are changed."""

from collections.abc import Callable, Iterable
from typing import Any, TypedDict, Unpack

from app.company.models import Organization
from app.identity import events, models, policy, usernames
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.errors import StaleVersion
from app.kernel.permissions import Permission


class PolicyChanges(TypedDict, total=False):
    """What an organization may ask of its people."""

    password_length_min: int
    password_classes_min: int
    password_history: int
    password_days_max: int | None
    username_convention: str
    login_domain: str | None
    takes_access_requests: bool
    mfa_roles: Iterable[str]
    mfa_methods: Iterable[str]
    session_limits: Iterable[tuple[str, int, int]]
    stale_after_days: int
    reauthentication_minutes: int


def _number(path: str, least: int, most: int) -> Callable[[Any], Any]:
    return lambda value: policy.require_between(value, path, least, most)


POLICY_FIELDS: dict[str, Callable[[Any], Any]] = {
    "password_length_min": _number("passwordLengthMin", policy.PASSWORD_LENGTH_MIN_MIN, policy.PASSWORD_LENGTH_MIN_MAX),
    "password_classes_min": _number("passwordClassesMin", 0, policy.PASSWORD_CLASSES_MAX),
    "password_history": _number("passwordHistory", 0, policy.PASSWORD_HISTORY_MAX),
    "password_days_max": lambda value: (
        None if value is None else policy.require_between(value, "passwordDaysMax", 1, policy.PASSWORD_DAYS_MAX)
    ),
    "username_convention": lambda value: policy.UsernameConvention(value).value,
    "login_domain": lambda value: usernames.require_login_domain(value) if value else None,
    "takes_access_requests": bool,
    "mfa_roles": policy.roles_in_order,
    "mfa_methods": policy.require_factor_kinds,
    "session_limits": policy.require_session_limits,
    "stale_after_days": _number("staleAfterDays", policy.STALE_AFTER_DAYS_MIN, policy.STALE_AFTER_DAYS_MAX),
    "reauthentication_minutes": _number(
        "reauthenticationMinutes", policy.REAUTHENTICATION_MINUTES_MIN, policy.REAUTHENTICATION_MINUTES_MAX
    ),
}


@command(Permission.MANAGE_SECURITY, confirmed=True)
async def set_security_policy(actor: Actor, *, version: int | None = None, **changes: Unpack[PolicyChanges]) -> str:
    """Change what the organization asks of its people; the organization's id. It holds from the next time it is asked."""
    given: dict[str, Any] = dict(changes)
    values = {name: POLICY_FIELDS[name](value) for name, value in given.items()}
    await lock_one(Organization, actor, actor.organization_id)
    found = await find_rows(models.SecurityPolicy, column("organization_id") == actor.organization_id, lock=True)
    if version is not None and version != (found[0].version if found else 0):
        raise StaleVersion(models.SecurityPolicy.noun, version, found[0].version if found else 0)
    row = found[0] if found else await add_row(models.SecurityPolicy, organization_id=actor.organization_id)
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.SecurityPolicyChanged(subject_id=row.id, changes=changed))
    return actor.organization_id
