"""Whose account it is that a provider speaks of, and what they are here."""

from collections.abc import Mapping
from typing import Any

from app.identity import attempts, commands, events, models, rules
from app.identity.providers.oidc import ProviderRefused
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, Conflict, Problem

NO_ACCOUNT = "There is no account for you here. Ask your administrator for one."


@command(None)
async def know_again(actor: Actor, provider_id: str, claims: Mapping[str, Any]) -> str:
    """The user whom a provider's claims are about: known by its name for them, else found by their proven address, else
    made where the organization wants that. For the system, on the way back from a provider."""
    provider = await lock_one(models.IdentityProvider, actor, provider_id)
    user = await _known(provider, claims["sub"])
    if user is None:
        email = proven_address(claims, provider.email_domains)
        user = await _by_address(actor, email) or await _made(actor, provider, email, claims)
        await add_row(
            models.UserIdentity,
            organization_id=actor.organization_id,
            user_id=user.id,
            provider_id=provider.id,
            subject=claims["sub"],
        )
        journal.record(events.IdentityLinked(subject_id=user.id, provider_id=provider.id))
    if user.status != rules.UserStatus.ACTIVE:
        raise ProviderRefused(NO_ACCOUNT)
    await _follow_roles(actor, provider, user, claims)
    return user.id


def proven_address(claims: Mapping[str, Any], domains: list[str]) -> str:
    """The address that the provider says it has proved, of one of the domains that are the organization's."""
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True:
        raise ProviderRefused("The provider does not say that your mail address is yours.")
    if email.rpartition("@")[2].lower() not in domains:
        raise ProviderRefused(NO_ACCOUNT)
    try:
        return rules.require_login(email)
    except Problem:
        raise ProviderRefused(NO_ACCOUNT) from None


def mapped_roles(provider: models.IdentityProvider, claims: Mapping[str, Any]) -> list[str]:
    """The roles of the values of the claim that the organization looks at; none where none is known."""
    said = claims.get(provider.role_claim) if provider.role_claim else None
    values = said if isinstance(said, list) else [said]
    found = {role for value in values if isinstance(value, str) for role in provider.role_map.get(value, [])}
    return sorted(found)


async def _known(provider: models.IdentityProvider, subject: str) -> models.User | None:
    same = (column("provider_id") == provider.id) & (column("subject") == subject)
    for identity in await find_rows(models.UserIdentity, same):
        return (await find_rows(models.User, column("id") == identity.user_id))[0]
    return None


async def _by_address(actor: Actor, email: str) -> models.User | None:
    """A provider says nothing about other organizations' people, whatever their addresses are."""
    found = await find_rows(models.User, column("email") == email)
    if found and found[0].organization_id != actor.organization_id:
        raise ProviderRefused(NO_ACCOUNT)
    return found[0] if found else None


async def _made(actor: Actor, provider: models.IdentityProvider, email: str, claims: Mapping[str, Any]) -> models.User:
    roles = mapped_roles(provider, claims) or provider.default_roles
    if not provider.makes_accounts or not roles:
        raise ProviderRefused(NO_ACCOUNT)
    said = claims.get("name")
    name = attempts.printable(said).strip()[:200] if isinstance(said, str) else ""
    try:
        id = await commands.create_user(actor, email=email, legal_name=name or email, roles=roles)
    except AlreadyExists:
        # Another organization's, whom the database may not show us, or a twin was faster: no word of either.
        raise ProviderRefused(NO_ACCOUNT) from None
    return (await find_rows(models.User, column("id") == id))[0]


async def _follow_roles(
    actor: Actor, provider: models.IdentityProvider, user: models.User, claims: Mapping[str, Any]
) -> None:
    """Who is something else there now is so here, too; but the last administrator stays one."""
    roles = mapped_roles(provider, claims)
    if not roles or roles == sorted(user.roles) or user.customer_id is not None or user.technician_id is not None:
        return
    try:
        await commands.update_user(actor, user.id, roles=roles)
    except Conflict:
        return
