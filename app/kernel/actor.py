"""Who acts: a person, a partner's key or the system itself, for one organization, with what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from app.kernel.allowances import KeyTerms
from app.kernel.errors import NotPermitted
from app.kernel.permissions import REACHES, Grant, Permission, Reach, Role, permissions_of


class ActorKind(StrEnum):
    """What stands behind a request."""

    USER = "USER"
    API_KEY = "API_KEY"
    SYSTEM = "SYSTEM"


_SCOPES: dict[tuple[object, ...], int] = {}


@dataclass(frozen=True)
class Actor:
    """One organization's user, key or system. A key may hold fewer permissions than its roles would give (its scopes).

    ``scope_key`` is the same number for all actors who differ in ids only: what they may see has the same shape, and
    statements written for one serve the others with other values.
    """

    organization_id: str
    kind: ActorKind
    id: str
    roles: frozenset[Role] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    technician_id: str | None = None
    customer_id: str | None = None
    session_id: str | None = None
    grants: frozenset[Grant] = frozenset()
    """The organization's own roles that are held; what they allow is among the permissions."""
    terms: KeyTerms | None = None
    """What a key is held to besides its permissions; None for people and for the system."""
    must_enroll: bool = False
    """Whether this is a person who has yet to set up the second factor that is asked for, and may do nothing else."""
    scope_key: int = field(init=False, compare=False, repr=False)
    reach: Reach = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reach", _reach_of(self.roles, self.grants))
        shape = (
            self.kind,
            tuple(sorted(self.permissions)),
            self.is_customer,
            self.is_technician_only,
            self.technician_id is not None,
            self.customer_id is not None,
            self.session_id is not None,
            self.must_enroll,
        )
        object.__setattr__(self, "scope_key", _SCOPES.setdefault(shape, len(_SCOPES)))

    @property
    def is_customer(self) -> bool:
        """Whether this is a customer's person, who sees that account only."""
        return self.reach is Reach.ACCOUNT

    @property
    def is_technician_only(self) -> bool:
        """Whether this is a technician without an office role, who sees the own work only."""
        return self.reach is Reach.OWN_WORK

    def holds(self, permission: Permission) -> bool:
        """Whether the permission is held."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise ``NotPermitted`` unless the permission is held."""
        if permission not in self.permissions:
            raise NotPermitted(permission)


def _reach_of(roles: Iterable[Role], grants: Iterable[Grant]) -> Reach:
    """The widest reach of all roles; keys and the system have no roles that narrow them."""
    reaches = {REACHES[role] for role in roles} | {grant.reach for grant in grants}
    return reaches.pop() if len(reaches) == 1 else Reach.ORGANIZATION


def user_actor(
    organization_id: str,
    user_id: str,
    roles: frozenset[Role],
    *,
    technician_id: str | None = None,
    customer_id: str | None = None,
    session_id: str | None = None,
    grants: frozenset[Grant] = frozenset(),
) -> Actor:
    """The actor of a signed-in person, with all that the roles allow, the organization's own included."""
    return Actor(
        organization_id,
        ActorKind.USER,
        user_id,
        roles,
        permissions_of(roles).union(*(grant.permissions for grant in grants)),
        technician_id=technician_id,
        customer_id=customer_id,
        session_id=session_id,
        grants=grants,
    )


def system_actor(organization_id: str) -> Actor:
    """The organization's own system: followers, timers, jobs, the command line. It holds every permission."""
    return Actor(organization_id, ActorKind.SYSTEM, "system", frozenset(), frozenset(Permission))
