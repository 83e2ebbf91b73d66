"""Who hears what: whether a fact is for an actor, and which actors hear the same, so that it is made ready for them once."""

from typing import Any, NoReturn

from app.infrastructure import journal
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor, ActorKind
from app.kernel.events import FACTS
from app.kernel.ids import prefix_of
from schema.kit.declarations import READABLE_BY_PREFIX
from schema.kit.reading.stand_in import stand_in_for

Scope = tuple[Any, ...]


class Personal(Exception):
    """Something that is made for many was about to depend on who one of them is."""


def hears(actor: Actor, entry: Entry) -> bool:
    """Whether a fact is for an actor: one about a kind of thing the roles may see, with a customer or technician in its
    audience when it is one of these who asks."""
    fact = FACTS.get(entry.type)
    if fact is not None and fact.confidential:
        return False
    kind = READABLE_BY_PREFIX.get(prefix_of(entry.subject_id))
    if kind is None or not kind.allows(actor):
        return False
    if actor.is_customer:
        return entry.customer_id is not None and entry.customer_id == actor.customer_id
    if actor.is_technician_only:
        return actor.technician_id in entry.technician_ids or entry.actor_id == actor.id
    return True


async def start_of(actor: Actor, *cursors: str | None) -> int:
    """Where in the journal a reader begins: behind the furthest of the cursors, or at the end when there is none."""
    places = [journal.seq_of(one, actor.organization_id) for one in cursors if one is not None]
    return max(places) if places else await journal.head(actor.organization_id)


def _nobody(name: str) -> Any:
    def refuse(_: Actor) -> NoReturn:
        raise Personal(f"{name} is somebody's own; many hear this")

    # What the dataclass sets when one is made is not kept.
    return property(refuse, lambda _self, _value: None)


class Viewers(Actor):
    """All people of an organization's office who may see the same, as one. Who one of them is, nobody can tell from it."""

    id = _nobody("id")
    session_id = _nobody("session_id")
    technician_id = _nobody("technician_id")
    customer_id = _nobody("customer_id")
    roles = _nobody("roles")
    grants = _nobody("grants")
    is_customer = False
    is_technician_only = False


class Account(Actor):
    """All people of one customer who may see the same."""

    id = _nobody("id")
    session_id = _nobody("session_id")
    technician_id = _nobody("technician_id")
    roles = _nobody("roles")
    grants = _nobody("grants")
    is_customer = True
    is_technician_only = False


def anyone(organization_id: str) -> Actor:
    """Who is not signed in, where a secret lets them hear something of an organization."""
    return Actor(organization_id, ActorKind.SYSTEM, "anyone")


def viewer_of(actor: Actor, *, personal: bool = False) -> tuple[Scope, Actor]:
    """Who hears the same as an actor, as a key and as an actor who stands for all of them.

    People of the office who hold the same permissions; people of one customer; a technician is alone.
    """
    if personal or actor.is_technician_only or actor.kind is ActorKind.SYSTEM:
        return (actor.organization_id, actor), actor
    if actor.is_customer:
        return (actor.organization_id, actor.scope_key, actor.customer_id), _like(Account, actor)
    return (actor.organization_id, actor.scope_key), _like(Viewers, actor)


def _like(kind: type[Actor], actor: Actor) -> Actor:
    made: Actor = object.__new__(kind)
    object.__setattr__(made, "stand_in", stand_in_for(actor))
    for name in ("organization_id", "kind", "permissions", "scope_key", "customer_id"):
        object.__setattr__(made, name, getattr(actor, name))
    return made
