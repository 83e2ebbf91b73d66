"""Who is at the other end of a connection: the token they came with, their address, and whether their session still stands."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import structlog

from app.infrastructure import journal
from app.kernel.actor import Actor
from app.kernel.addresses import network_of
from app.kernel.errors import NotAuthenticated, Problem
from schema.kit.context import Context

SESSION_CHECK_SECONDS = 1.5  # beside the seconds for which identity keeps an actor, five in all at most
ADDRESS_LENGTH_MAX = 64
USER_AGENT_LENGTH_MAX = 200

Authenticate = Callable[[str, str], Awaitable[Actor]]
Headers = Mapping[bytes, bytes]
log = structlog.get_logger(__name__)


class Session:
    """One caller for as long as their connection lasts: an actor, or nobody in particular."""

    __slots__ = ("_authenticate", "_token", "actor", "address", "user_agent")

    def __init__(self, authenticate: Authenticate, address: str, user_agent: str) -> None:
        self._authenticate = authenticate
        self._token: str | None = None
        self.actor: Actor | None = None
        self.address = address
        self.user_agent = user_agent

    @property
    def caller(self) -> str:
        """Who counts as one: a user or a key with all their connections, or the network of who is not signed in."""
        return self.actor.id if self.actor else network_of(self.address)

    async def sign_in(self, token: str | None) -> None:
        """Find out whom a token stands for; ``NotAuthenticated`` when for nobody. Without a token nobody signs in."""
        if token is not None:
            self._token = token
            self.actor = await self._authenticate(token, self.address)

    async def until_it_ends(self) -> None:
        """Look every few seconds whether the session still stands, and take over changed roles. Without a token: for ever."""
        while True:
            await asyncio.sleep(SESSION_CHECK_SECONDS)
            if self._token is None:
                continue
            try:
                self.actor = await self._authenticate(self._token, self.address)
            except Problem:
                return
            except Exception:  # the database may be away for a moment; the next look decides
                log.warning("could not check a session", exc_info=True)

    def context(self, idempotency_key: str | None = None) -> Context:
        """A context for one operation or event, with the actor as they are now."""
        return Context(self.actor, journal.request_id.get() or "", self.address, self.user_agent, idempotency_key)


class Crowd:
    """How many connections of one kind each caller has open in this process."""

    def __init__(self) -> None:
        self._of_caller: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._of_caller)

    def enter(self, caller: str, most: int) -> bool:
        """Count one more, unless there are so many already."""
        if self._of_caller[caller] >= most:
            return False
        self._of_caller[caller] += 1
        return True

    def leave(self, caller: str) -> None:
        """Count one less."""
        self._of_caller[caller] -= 1
        if not self._of_caller[caller]:
            del self._of_caller[caller]


def bearer_token(header: str) -> str | None:
    """The token in an Authorization header, if there is one; another scheme is refused as no valid token."""
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated()
    return token.strip()


def client_address(scope: Mapping[str, Any], trusted_proxies: int) -> str:
    """The client's address: the peer's, or what the so many trusted proxies in front say it was."""
    if trusted_proxies:
        said = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
        chain = [one.strip() for one in said.split(",") if one.strip()]
        if chain:
            return chain[-min(trusted_proxies, len(chain))][:ADDRESS_LENGTH_MAX]
    client = scope.get("client")
    return str(client[0]) if client else ""


def user_agent(headers: Headers) -> str:
    """What the client says it is."""
    return headers.get(b"user-agent", b"")[:USER_AGENT_LENGTH_MAX].decode("latin-1")


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
