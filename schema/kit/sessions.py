"""Who is at the other end of a connection: the token they came with, their address, and whether their session still stands."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from app.infrastructure import journal
from app.infrastructure.journal import Origin
from app.kernel.actor import Actor
from app.kernel.addresses import network_of
from app.kernel.errors import NotAuthenticated
from schema.kit.context import Context

SESSION_CHECK_SECONDS = 1.5  # beside the seconds for which identity keeps an actor, five in all at most
TOKENS_AT_ONCE = 500
ADDRESS_LENGTH_MAX = 64
USER_AGENT_LENGTH_MAX = 200

Authenticate = Callable[[str, str], Awaitable[Actor]]
Check = Callable[[Sequence[str]], Awaitable[Mapping[str, Actor]]]
Headers = Mapping[bytes, bytes]
log = structlog.get_logger(__name__)


class Session:
    """One caller for as long as their connection lasts: an actor, or nobody in particular."""

    __slots__ = ("_authenticate", "actor", "address", "on_change", "on_end", "token", "user_agent")

    def __init__(self, authenticate: Authenticate, address: str, user_agent: str) -> None:
        self._authenticate = authenticate
        self.token: str | None = None
        self.actor: Actor | None = None
        self.address = address
        self.user_agent = user_agent
        self.on_change: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None

    @property
    def caller(self) -> str:
        """Who counts as one: a user or a key with all their connections, or the network of who is not signed in."""
        return self.actor.id if self.actor else network_of(self.address)

    async def sign_in(self, token: str | None) -> None:
        """Find out whom a token stands for; ``NotAuthenticated`` when for nobody. Without a token nobody signs in."""
        if token is not None:
            self.token = token
            self.actor = await self._authenticate(token, self.address)

    def checked(self, actor: Actor | None) -> None:
        """Take over who the token stands for now; None ends the session."""
        if actor is None or (actor.terms is not None and not actor.terms.admit(self.address)):
            if self.on_end is not None:
                self.on_end()
        elif actor != self.actor:
            self.actor = actor
            if self.on_change is not None:
                self.on_change()

    def context(self, idempotency_key: str | None = None) -> Context:
        """A context for one operation or event, with the actor as they are now. The journal learns from where they ask."""
        asker = self.actor
        session_id, caller = (asker.session_id, asker.id) if asker is not None else (None, None)
        journal.origin.set(Origin(self.address, self.user_agent, session_id, caller=caller))
        return Context(self.actor, journal.request_id.get() or "", self.address, self.user_agent, idempotency_key)


class Sessions:
    """The sessions of the connections that stay open, looked at every few seconds, all together: whether they still stand,
    and whether roles have changed."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._open: dict[str, set[Session]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watched(self, session: Session) -> Iterator[None]:
        """Look at a session while the block lasts. Who has no token is not looked at."""
        token = session.token
        if token is None:
            yield
            return
        self._open.setdefault(token, set()).add(session)
        if self._task is None:
            self._task = asyncio.create_task(self._look_again_and_again(), name="sessions")
        try:
            yield
        finally:
            self._open[token].discard(session)
            if not self._open[token]:
                del self._open[token]
            if not self._open and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(SESSION_CHECK_SECONDS)
            tokens = list(self._open)
            for start in range(0, len(tokens), TOKENS_AT_ONCE):
                try:
                    await self._look(tokens[start : start + TOKENS_AT_ONCE])
                except Exception:  # the database may be away for a moment; the next look decides
                    log.warning("could not check sessions", exc_info=True)

    async def _look(self, tokens: Sequence[str]) -> None:
        found = await self._check(tokens)
        for token in tokens:
            for session in list(self._open.get(token, ())):
                session.checked(found.get(token))


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
