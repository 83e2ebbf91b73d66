"""The one way out: every request that we send to another server goes through here.

An address that a tenant wrote, such as a provider for signing in, must not reach what only this machine or its network may.
So a name is resolved once for each connection, every address it has is checked, and the connection goes to the checked
address itself; TLS and ``Host`` keep the name. Only https, only the usual ports, no redirects, no proxy from the
environment, no cookies, an answer of bounded length in bounded time.

What the operator declares, by a setting or as the address of an own server, may also be private, plain http, on any port.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from app.kernel.addresses import Declared, IPAddress, is_public, plain_address
from app.kernel.errors import InvalidInput

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES_MAX = 65_536
CONNECTIONS_MAX = 100
ADDRESSES_TRIED_MAX = 4
URL_LENGTH_MAX = 2000
PORTS = frozenset({443, 8443})
USER_AGENT = "truckroll"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class OutboundError(Exception):
    """There is no answer that could be used. Its message names no address: who chose the name must not learn what it is here.

    ::

        OutboundError
        ├── AddressRefused    we do not go there; asking again will not help
        ├── NoAnswer          no connection, no trust, or not in time; later it may be different
        └── AnswerRefused     an answer that is too long, packed, or not what it says

    ``cause`` is the name of what went wrong, for a log.
    """

    def __init__(self, message: str, cause: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause or type(self).__name__


class AddressRefused(OutboundError):
    """We do not go there: not https, an unusual port, or an address that is not public."""


class NoAnswer(OutboundError):
    """No connection, no trust, or no whole answer in time."""


class AnswerRefused(OutboundError):
    """An answer that is longer than it may be, packed, or not JSON where JSON was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What another server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ``AnswerRefused`` when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise AnswerRefused("The answer is not JSON.") from None


class HttpClient:
    """Sends requests, to public servers and to what is declared. Connections are kept for a while."""

    def __init__(
        self,
        declared: Declared | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        connections_max: int = CONNECTIONS_MAX,
        ports: frozenset[int] = PORTS,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        transport = Transport(
            declared or Declared(),
            timeout_seconds=timeout_seconds,
            answer_bytes_max=answer_bytes_max,
            connections_max=connections_max,
            ports=ports,
            resolve=resolve,
            tls=tls,
        )
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=timeout_seconds,
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": USER_AGENT},
            # What one server sets must not come back with a request that is made for somebody else.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """The answer to one request, whatever its status, a redirect as well; else an ``OutboundError``."""
        try:
            response = await self._http.request(
                method, url, headers=headers, params=parameters, json=json, data=form, content=content
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise AddressRefused("This is not an address that we go to.") from None
        except (httpx.HTTPError, OSError) as error:
            raise NoAnswer("There is no answer.", type(error).__name__) from None
        return Answer(response.status_code, response.headers, response.content)

    async def get(self, url: str, **more: Any) -> Answer:
        """The answer to a GET."""
        return await self.send("GET", url, **more)

    async def post(self, url: str, **more: Any) -> Answer:
        """The answer to a POST."""
        return await self.send("POST", url, **more)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class Transport(httpx.AsyncBaseTransport):
    """What an ``httpx`` client sends with: the checks of the way out, for libraries that bring a client of their own."""

    def __init__(
        self,
        declared: Declared,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        connections_max: int = CONNECTIONS_MAX,
        ports: frozenset[int] = PORTS,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._answer_bytes_max = answer_bytes_max
        limits = httpx.Limits(max_connections=connections_max, max_keepalive_connections=connections_max)
        context = tls or httpx.create_ssl_context(trust_env=False)
        self._by_scheme = {
            scheme: _Pool(_Door(declared, ports if scheme == "https" else None, resolve or resolved), limits, context)
            for scheme in ("http", "https")
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        pool = self._by_scheme.get(request.url.scheme)
        if pool is None or not request.url.host:
            raise AddressRefused("This is not an address that we go to.")
        request.headers["accept-encoding"] = "identity"
        ends_at = asyncio.get_running_loop().time() + self._timeout_seconds
        try:
            # The client's own timeouts are per read: a server that trickles would hold us for ever.
            async with asyncio.timeout_at(ends_at):
                response = await pool.handle_async_request(request)
        except TimeoutError:
            raise NoAnswer("There is no answer in time.") from None
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._answer_bytes_max, ends_at)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise AnswerRefused("The answer is packed, though it was asked for as it is.")
        return response

    async def aclose(self) -> None:
        for pool in self._by_scheme.values():
            await pool.aclose()


class _Pool(httpx.AsyncHTTPTransport):
    """Connections that are made through a door; kept ones are found by their host's name, so TLS was for that name."""

    def __init__(self, door: "_Door", limits: httpx.Limits, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False, limits=limits)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=door,
        )


class _Door(httpcore.AsyncNetworkBackend):
    """Where a name becomes a connection. ``ports`` are those open to all; None: only what is declared may pass at all."""

    def __init__(self, declared: Declared, ports: frozenset[int] | None, resolve: Resolve) -> None:
        self._declared = declared
        self._ports = ports
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in (await self._checked(host, port, timeout))[:ADDRESSES_TRIED_MAX]:
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("no address")

    async def _checked(self, host: str, port: int, timeout: float | None) -> list[IPAddress]:
        """The addresses of a host, each of which may be reached; one that may not refuses them all."""
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("no address in time") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("no such host") from None
        addresses = []
        for text in found:
            address = plain_address(text)
            if address is None or not self._may_pass(host, port, address):
                raise AddressRefused("This is not an address that we go to.")
            addresses.append(address)
        return addresses

    def _may_pass(self, host: str, port: int, address: IPAddress) -> bool:
        if self._declared.covers(host, address):
            return True
        return self._ports is not None and port in self._ports and is_public(address)


class _Bounded(httpx.AsyncByteStream):
    """The body of an answer, as long as it is neither too long nor too late."""

    def __init__(self, inner: httpx.AsyncByteStream, bytes_max: int, ends_at: float) -> None:
        self._inner = inner
        self._bytes_max = bytes_max
        self._ends_at = ends_at

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, length = aiter(self._inner), 0
        while True:
            try:
                async with asyncio.timeout_at(self._ends_at):
                    part = await anext(parts, None)
            except TimeoutError:
                raise NoAnswer("There is no whole answer in time.") from None
            if part is None:
                return
            length += len(part)
            if length > self._bytes_max:
                raise AnswerRefused(f"The answer is longer than {self._bytes_max} bytes.")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them, each once."""
    if plain_address(host) is not None:
        return [host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def require_outbound_url(text: str, path: str) -> str:
    """An address that a tenant may have us go to, as far as its text shows; where it leads is judged at each connection."""
    address = text.strip()
    try:
        url = httpx.URL(address)
        port = url.port or 443
    except (httpx.InvalidURL, ValueError):
        raise InvalidInput("This is not an address such as https://hooks.example.com/in.", path=[path]) from None
    if len(address) > URL_LENGTH_MAX:
        raise InvalidInput(f"An address has at most {URL_LENGTH_MAX} characters.", path=[path])
    literal = plain_address(url.host)
    if not url.host or url.userinfo or url.fragment:
        raise InvalidInput("An address has a host, and neither a password nor a fragment.", path=[path])
    if _declared.covers(url.host, literal):
        return address
    if url.scheme != "https":
        raise InvalidInput("An address begins with https://.", path=[path])
    if literal and not is_public(literal):
        raise InvalidInput("This is not an address that we go to.", path=[path])
    # A name may lead into a declared network, which only the connection can tell; there any port will do.
    if port not in PORTS and not _declared.networks:
        raise InvalidInput(f"The port is one of {', '.join(map(str, sorted(PORTS)))}.", path=[path])
    return address


_declared = Declared()
_shared: HttpClient | None = None


async def start(names: Iterable[str] = ()) -> None:
    """Reach these hosts and networks too, from now on."""
    global _declared
    await stop()
    _declared = Declared.read(names)


def outside() -> HttpClient:
    """The process's client for addresses that tenants choose."""
    global _shared
    if _shared is None:
        _shared = HttpClient(_declared)
    return _shared


def outside_transport() -> Transport:
    """The same for a library that brings its own ``httpx`` client. Whoever takes it closes it."""
    return Transport(_declared)


async def stop() -> None:
    """Close the process's client; one that is asked for later reaches only what is public."""
    global _declared, _shared
    client, _shared, _declared = _shared, None, Declared()
    if client is not None:
        await client.close()
