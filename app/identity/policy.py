"""What an organization asks of its people's passwords, second factors and sessions. One row each, made when first set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.identity import models
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.errors import InvalidInput
from app.kernel.permissions import REACHES, ROLES, Grant, Role

PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MIN_MIN = 8
PASSWORD_LENGTH_MIN_MAX = 64
PASSWORD_CLASSES_MAX = 4
PASSWORD_HISTORY_MAX = 24
PASSWORD_DAYS_MAX = 3650
STALE_AFTER_DAYS_MIN, STALE_AFTER_DAYS_MAX = 7, 730
REAUTHENTICATION_MINUTES_MIN, REAUTHENTICATION_MINUTES_MAX = 1, 24 * 60
IDLE_MINUTES_MIN, IDLE_MINUTES_MAX = 5, 90 * 24 * 60
ABSOLUTE_MINUTES_MIN, ABSOLUTE_MINUTES_MAX = 15, 366 * 24 * 60


class UsernameConvention(StrEnum):
    """What a new user's name for signing in is made of."""

    EMAIL = "EMAIL"
    INITIAL_SURNAME = "INITIAL_SURNAME"
    EMPLOYEE_NUMBER = "EMPLOYEE_NUMBER"


class FactorKind(StrEnum):
    """What can be asked for besides the password."""

    TOTP = "TOTP"
    WEBAUTHN = "WEBAUTHN"
    SMS = "SMS"
    EMAIL = "EMAIL"


@dataclass(frozen=True, slots=True)
class SessionLimit:
    """How long a session lasts without being used, and at all."""

    idle_minutes: int
    absolute_minutes: int


DEFAULT_SESSION_LIMIT = SessionLimit(14 * 24 * 60, 60 * 24 * 60)


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """An organization's rules, with the built-in ones where it set none. ``id`` is None while it set none at all."""

    id: str | None = None
    version: int = 0
    password_length_min: int = PASSWORD_LENGTH_MIN
    password_classes_min: int = 0
    password_history: int = 5
    password_days_max: int | None = None
    username_convention: UsernameConvention = UsernameConvention.EMAIL
    login_domain: str | None = None
    takes_access_requests: bool = False
    mfa_roles: frozenset[Role] = frozenset()
    mfa_methods: frozenset[FactorKind] = frozenset(FactorKind)
    session_limits: Mapping[Role, SessionLimit] | None = None
    stale_after_days: int = 90
    reauthentication_minutes: int = 15

    def requires_factor(self, roles: Iterable[Role], grants: Iterable[Grant] = ()) -> bool:
        """Whether somebody with these roles may not sign in by the password alone; neither may who is allowed, by a role of
        the organization's own, what otherwise only such roles allow."""
        return not self.mfa_roles.isdisjoint(roles) or any(givers <= self.mfa_roles for givers in _givers(grants))

    def limit_of(self, roles: Iterable[Role], grants: Iterable[Grant] = ()) -> SessionLimit:
        """How long the sessions of somebody with these roles last: the strictest of what is set for them. What a role of the
        organization's own allows is as strict as the mildest built-in role that allows it."""
        limits = [self._mildest([role]) for role in roles] + [self._mildest(givers) for givers in _givers(grants)]
        return _strictest(limits or [DEFAULT_SESSION_LIMIT])

    def _mildest(self, roles: Iterable[Role]) -> SessionLimit:
        limits = [(self.session_limits or {}).get(role, DEFAULT_SESSION_LIMIT) for role in roles]
        return SessionLimit(max(one.idle_minutes for one in limits), max(one.absolute_minutes for one in limits))


def _strictest(limits: Sequence[SessionLimit]) -> SessionLimit:
    return SessionLimit(min(one.idle_minutes for one in limits), min(one.absolute_minutes for one in limits))


def _givers(grants: Iterable[Grant]) -> Iterator[frozenset[Role]]:
    """For each thing that roles of an organization's own allow, the built-in roles that allow it: those of the same reach, or
    all where none of them does."""
    for grant in grants:
        for permission in grant.permissions:
            allow = frozenset(role for role, held in ROLES.items() if permission in held)
            yield frozenset(role for role in allow if REACHES[role] is grant.reach) or allow


async def policy_of(organization_id: str) -> SecurityPolicy:
    """What an organization asks of its people."""
    found = await find_rows(models.SecurityPolicy, column("organization_id") == organization_id)
    return as_policy(found[0]) if found else SecurityPolicy()


def as_policy(row: models.SecurityPolicy) -> SecurityPolicy:
    """A row as rules to reckon with. Roles that are not known here, such as of a later version, are left out."""
    return SecurityPolicy(
        id=row.id,
        version=row.version,
        password_length_min=row.password_length_min,
        password_classes_min=row.password_classes_min,
        password_history=row.password_history,
        password_days_max=row.password_days_max,
        username_convention=UsernameConvention(row.username_convention),
        login_domain=row.login_domain,
        takes_access_requests=row.takes_access_requests,
        mfa_roles=frozenset(Role(one) for one in row.mfa_roles if one in Role.__members__),
        mfa_methods=frozenset(FactorKind(one) for one in row.mfa_methods or FactorKind),
        session_limits={
            Role(role): SessionLimit(*limit) for role, limit in row.session_limits.items() if role in Role.__members__
        },
        stale_after_days=row.stale_after_days,
        reauthentication_minutes=row.reauthentication_minutes,
    )


def require_between(value: int, path: str, least: int, most: int) -> int:
    """A whole number within its bounds."""
    if not least <= value <= most:
        raise InvalidInput(f"This is {least} to {most}, not {value}.", path=[path])
    return value


def require_factor_kinds(kinds: Iterable[str]) -> list[str]:
    """The second factors that may be used: at least one, each once."""
    wanted = {FactorKind(one) for one in kinds}
    if not wanted:
        raise InvalidInput("Allow at least one second factor.", path=["mfaMethods"])
    return [one.value for one in FactorKind if one in wanted]


def require_session_limits(limits: Iterable[tuple[str, int, int]]) -> dict[str, list[int]]:
    """Limits by role: each role once, and no session idle for longer than it lasts."""
    found: dict[str, list[int]] = {}
    for role, idle, absolute in limits:
        name = Role(role).value
        if name in found:
            raise InvalidInput(f"{name} is named twice.", path=["sessionLimits"])
        require_between(idle, "sessionLimits", IDLE_MINUTES_MIN, IDLE_MINUTES_MAX)
        require_between(absolute, "sessionLimits", ABSOLUTE_MINUTES_MIN, ABSOLUTE_MINUTES_MAX)
        if idle > absolute:
            raise InvalidInput("A session cannot be idle for longer than it lasts.", path=["sessionLimits"])
        found[name] = [idle, absolute]
    return found


def roles_in_order(roles: Iterable[str]) -> Sequence[str]:
    """Roles, each once, in their usual order."""
    wanted = {Role(one) for one in roles}
    return [one.value for one in Role if one in wanted]


def shown_limits(policy: SecurityPolicy) -> list[tuple[Role, SessionLimit]]:
    """The limits that were set, in the roles' usual order."""
    known: Mapping[Role, Any] = policy.session_limits or {}
    return [(role, known[role]) for role in Role if role in known]
