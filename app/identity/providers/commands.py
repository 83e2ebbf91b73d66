"""What administrators do to the organization's identity providers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from app.identity import events, models, rules
from app.identity.secret import Secret
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.http_client import require_outbound_url
from app.infrastructure.tables import add_row, change_row, lock_one, require_new, require_text
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput
from app.kernel.permissions import CUSTOMER_ROLES, Permission, Role

DOMAINS_MAX = 50
VALUES_MAX = 200


class ProviderChanges(TypedDict, total=False):
    """What there is to say of a provider."""

    name: str
    issuer: str
    client_id: str
    client_secret: Secret | None
    email_domains: Sequence[str]
    role_claim: str | None
    role_map: Mapping[str, Sequence[str]]
    default_roles: Sequence[str]
    makes_accounts: bool
    replaces_second_factor: bool
    is_active: bool


def _text(path: str, longest: int) -> Callable[[Any], Any]:
    return lambda value: require_text(value, path, longest=longest)


def _domains(values: Sequence[str]) -> list[str]:
    found = sorted({value.strip().lower().removeprefix("@") for value in values})
    if not 1 <= len(found) <= DOMAINS_MAX:
        raise InvalidInput(f"Name 1 to {DOMAINS_MAX} domains of mail addresses.", path=["emailDomains"])
    for domain in found:
        rules.require_login(f"somebody@{domain}", "emailDomains")
    return found


CLEANERS: dict[str, Callable[[Any], Any]] = {
    "name": _text("name", 80),
    "issuer": lambda value: require_outbound_url(value, "issuer"),
    "client_id": _text("clientId", 200),
    "client_secret": lambda value: require_text(value.value, "clientSecret", longest=500) if value else None,
    "email_domains": _domains,
    "role_claim": lambda value: require_text(value, "roleClaim", longest=80) if value else None,
}


@command(Permission.MANAGE_SECURITY, confirmed=True)
async def create_identity_provider(actor: Actor, *, id: str | None = None, **values: Unpack[ProviderChanges]) -> str:
    """Let another company's server say who the organization's people are, by mail addresses of some domains."""
    _require_may_vouch(actor)
    await require_new(models.IdentityProvider, id)
    cleaned = _cleaned(actor, dict(values))
    row = await add_row(models.IdentityProvider, id=id, organization_id=actor.organization_id, **cleaned)
    journal.record(events.IdentityProviderAdded(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_SECURITY, confirmed=True)
async def update_identity_provider(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[ProviderChanges]
) -> str:
    """Change what is said of a provider. Another issuer calls its people by other names, so those known are forgotten."""
    _require_may_vouch(actor)
    row = await lock_one(models.IdentityProvider, actor, id, version=version)
    cleaned = _cleaned(actor, dict(changes))
    if cleaned.get("issuer", row.issuer) != row.issuer:
        await models.UserIdentity.filter(provider_id=row.id).delete()
    changed = await change_row(row, **cleaned)
    if changed:
        journal.record(events.IdentityProviderChanged(subject_id=row.id, changes=changed))
    return row.id


def _require_may_vouch(actor: Actor) -> None:
    """Whoever says who vouches for people could come in as any of them: so it is for those who may do all that they may."""
    rules.require_may_grant(actor, [Role.ADMINISTRATOR])


def _cleaned(actor: Actor, values: dict[str, Any]) -> dict[str, Any]:
    cleaned = {name: CLEANERS.get(name, lambda value: value)(value) for name, value in values.items()}
    if "default_roles" in values:
        cleaned["default_roles"] = _roles(actor, values["default_roles"], "defaultRoles")
    if "role_map" in values:
        if len(values["role_map"]) > VALUES_MAX:
            raise InvalidInput(f"Name at most {VALUES_MAX} values.", path=["roleMap"])
        cleaned["role_map"] = {
            require_text(value, "roleMap", longest=200): _roles(actor, roles, "roleMap")
            for value, roles in values["role_map"].items()
        }
    return cleaned


def _roles(actor: Actor, roles: Sequence[str], path: str) -> list[str]:
    """Roles of the company, no more than the actor could give by hand. A customer's people need their account named."""
    wanted = {Role(role) for role in roles}
    if wanted & CUSTOMER_ROLES:
        raise InvalidInput("Customers' people are let in one by one.", path=[path])
    rules.require_may_grant(actor, wanted)
    return sorted(role.value for role in wanted)
