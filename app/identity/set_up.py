"""A company's first minute: the organization and its first administrator, both or neither."""

from app.company.commands import create_organization
from app.identity import rules
from app.identity.commands import create_user
from app.identity.secret import Secret
from app.infrastructure.command import command
from app.kernel.actor import Actor, system_actor
from app.kernel.ids import new_id
from app.kernel.permissions import Role


async def set_up_organization(
    *,
    name: str,
    time_zone: str,
    currency: str,
    country: str,
    administrator_email: str,
    administrator_name: str,
    password: str,
) -> str:
    """Found a company with an administrator who can sign in; the organization's id."""
    rules.require_password(password, [administrator_email, administrator_name])
    return await _set_up(
        system_actor(new_id("org")),
        name=name,
        time_zone=time_zone,
        currency=currency,
        country=country,
        email=administrator_email,
        legal_name=administrator_name,
        password=Secret(password),
    )


@command(None)
async def _set_up(
    actor: Actor,
    *,
    name: str,
    time_zone: str,
    currency: str,
    country: str,
    email: str,
    legal_name: str,
    password: Secret,
) -> str:
    """Found a company with an administrator."""
    id = await create_organization(actor, name=name, time_zone=time_zone, currency=currency, country=country)
    await create_user(actor, email=email, legal_name=legal_name, roles=[Role.ADMINISTRATOR], password=password)
    return id
