"""What every resolver knows about its request: who asks, from where, and what the reader had to refuse."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError

from app.kernel.actor import Actor
from app.kernel.errors import NotAuthenticated, Unavailable

OPERATION_SECONDS_MAX = 10.0


@dataclass(slots=True)
class Balance:
    """What a budget of the asker's holds, in points."""

    maximum: int
    available: int
    restore_rate: int


@dataclass(slots=True)
class Context:
    """One operation's context. It is made anew for each operation and each event, never kept for a socket's life.

    ``walks`` is for exports: lists come in the order of their ids, whatever they are sorted by, so that a walk through all
    pages neither leaves out nor repeats a row that changes meanwhile; and their pages may be larger than a client's.
    """

    actor: Actor | None
    request_id: str = ""
    address: str = ""
    user_agent: str = ""
    idempotency_key: str | None = None
    walks: bool = False
    refused: list[GraphQLError] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """How many rows the lists at the operation's root held, by their key in the answer."""
    waiting: dict[Any, Any] = field(default_factory=dict)
    """The rows that fields of one list wait for, to be read together."""
    balances: dict[str, Balance] = field(default_factory=dict)
    """What the budgets hold that pay for this, by name; none where nobody keeps count."""
    started: float = field(default_factory=time.monotonic)
    pay: Callable[[float], Awaitable[object]] | None = None
    """Takes points from the asker's budget; None where nobody keeps count."""
    spent: int = 0
    """The points for work that the document does not show."""

    def require_actor(self) -> Actor:
        """The actor, else ``NotAuthenticated``."""
        if self.actor is None:
            raise NotAuthenticated()
        return self.actor

    async def spend(self, points: int) -> None:
        """Pay for work that the document does not show, before it is done; ``RateLimited`` when the budget does not reach."""
        if self.pay is not None:
            await self.pay(points)
        self.spent += points

    def require_time(self) -> None:
        """Raise ``Unavailable`` when the operation has run too long to begin another of its parts. Nothing that has begun
        is broken off: the database's own time limits end what takes too long there."""
        if time.monotonic() - self.started > OPERATION_SECONDS_MAX:
            raise Unavailable(
                f"This operation has run for more than {OPERATION_SECONDS_MAX:.0f} seconds, so this part of it was not "
                "begun. Send it on its own."
            )
