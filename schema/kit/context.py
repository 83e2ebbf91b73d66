"""What every resolver knows about its request: who asks, from where, and what the reader had to refuse."""

from dataclasses import dataclass, field

from graphql import GraphQLError

from app.kernel.actor import Actor
from app.kernel.errors import NotAuthenticated


@dataclass(slots=True)
class Context:
    """One operation's context. It is made anew for each operation and each event, never kept for a socket's life."""

    actor: Actor | None
    request_id: str = ""
    address: str = ""
    user_agent: str = ""
    idempotency_key: str | None = None
    refused: list[GraphQLError] = field(default_factory=list)

    def require_actor(self) -> Actor:
        """The actor, else ``NotAuthenticated``."""
        if self.actor is None:
            raise NotAuthenticated()
        return self.actor
