"""Companies for tests, and people who work for them."""

from dataclasses import dataclass

from app.company import commands
from app.infrastructure import journal
from app.kernel.actor import Actor, ActorKind, system_actor
from app.kernel.ids import new_id
from app.kernel.permissions import Role, permissions_of


@dataclass(frozen=True)
class Company:
    """A company, its system and some of its people."""

    id: str
    system: Actor

    def someone(self, *roles: Role) -> Actor:
        """A person with these roles."""
        chosen = frozenset(roles)
        return Actor(self.id, ActorKind.USER, new_id("usr"), chosen, permissions_of(chosen))

    async def facts(self) -> list[str]:
        """What the journal says happened, in order."""
        return [entry.type for entry in await journal.read(self.id, 0)]


async def found(name: str, **details: str) -> Company:
    system = system_actor(new_id("org"))
    values = {"time_zone": "America/New_York", "currency": "USD", "country": "US"} | details
    await commands.create_organization(system, name=name, **values)
    return Company(system.organization_id, system)
