"""The servers that tell thousands of one event, how each is started, and how something is made to happen there."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from app.infrastructure.journal import cursor_at
from tests.benchmarks.live.crowd import Wish
from tests.benchmarks.live.rows import Company
from tests.benchmarks.live.works import SAME_DOCUMENT, Fact, plain_event, visit_fact
from tests.benchmarks.measuring import ROOT, free_port, server
from tests.benchmarks.node import PEERS, node_is_ready

OURS = "Truckroll"
STOCK = "Strawberry + broadcaster"
NODE = "graphql-ws on Node"
FLOOR = "floor, prepared frames"
MADE_UP_ORGANIZATION = "org_01m89qp647fnkt805d7438tqyc"
TRUCKROLL = str(Path(sys.executable).parent / "truckroll")
IDLE_SECONDS_MAX = 2.0
LINE_BYTES_MAX = 64 * 1024 * 1024

Moments = dict[int, float]


class Publisher(Protocol):
    """Makes the event happen that everybody subscribes to."""

    async def publish(self, count: int) -> Moments:
        """Let it happen so many times, one right after the other: the numbers of the events, and when each happened."""


@dataclass(slots=True)
class Contestant:
    """A server that takes part."""

    name: str
    running: Callable[[], AbstractContextManager["Running"]]
    publisher: Callable[["Running"], Any]
    tokens: Sequence[str | None] = (None,)

    def wishes(self, count: int) -> list[Wish]:
        """The subscriptions of so many subscribers, all the same."""
        return [Wish(0, SAME_DOCUMENT, {}, self.tokens[index % len(self.tokens)]) for index in range(count)]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs. ``applications`` are the names under which the database knows it."""

    pid: int
    port: int
    applications: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Services:
    """What ours stands on here."""

    database_url: str
    broadcast_url: str

    def database_for(self, application: str) -> str:
        """The database's address, with a name for who connects."""
        return self.database_url + ("" if self.is_sqlite else f"?application_name={application}")

    @property
    def is_sqlite(self) -> bool:
        """Whether it is the embedded database."""
        return self.database_url.startswith("sqlite")

    def environment(self, application: str, folder: str) -> dict[str, str]:
        """The settings of a server or worker of ours. Nobody is kept from asking for much: a few do the work of thousands."""
        return {
            "TRUCKROLL_DATABASE_URL": self.database_for(application),
            "TRUCKROLL_BROADCAST_URL": self.broadcast_url,
            "TRUCKROLL_DATA_FOLDER": folder,
            "TRUCKROLL_BACKGROUND": "worker",
            "TRUCKROLL_LOG_LEVEL": "WARNING",
            "TRUCKROLL_COST_BUDGET": "off",
        }


@contextmanager
def our_server(services: Services) -> Iterator[Running]:
    """`truckroll serve`."""
    port, application = free_port(), "bench_live_server"
    with tempfile.TemporaryDirectory() as folder:
        settings = services.environment(application, folder) | {"TRUCKROLL_PORT": str(port)}
        with server([TRUCKROLL, "serve"], port, settings) as pid:
            yield Running(pid, port, (application,))


@contextmanager
def our_worker(services: Services) -> Iterator[Running]:
    """`truckroll worker`."""
    port, application = free_port(), "bench_live_worker"
    with tempfile.TemporaryDirectory() as folder:
        settings = services.environment(application, folder) | {"TRUCKROLL_WORKER_PORT": str(port)}
        with server([TRUCKROLL, "worker"], port, settings) as pid:
            yield Running(pid, port, (application,))


class Writer:
    """The process that writes facts into our journal."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def write(self, transactions: Sequence[tuple[str, list[Fact]]]) -> list[tuple[str, int, float]]:
        """Write transactions: of each its organization, the number of its last fact, and the moment of its commit."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(transactions).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the writer has ended")
        return [(organization, last, moment) for organization, last, moment in json.loads(line)]


@asynccontextmanager
async def writer(services: Services) -> AsyncIterator[Writer]:
    """A writer that is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.live.writer", services.database_for("bench_live_writer"),
        services.broadcast_url, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )  # fmt: skip
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield Writer(process)
    finally:
        process.terminate()
        await process.wait()


class OurPublisher:
    """Events of ours are facts about the visits of a company."""

    def __init__(self, writer: Writer, company: Company) -> None:
        self._writer, self._company = writer, company
        self._count = 0

    async def publish(self, count: int) -> Moments:
        """All of one call are facts of one transaction."""
        visits = self._company.visits
        facts = [visit_fact(visits[(self._count + index) % len(visits)]) for index in range(count)]
        self._count += count
        [(_, last, moment)] = await self._writer.write([(self._company.id, facts)])
        return {last - index: moment for index in range(count)}


class PostingPublisher:
    """Events of the peers are posted to them; the moment is just before."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._used = 0.0
        self._count = 0

    async def publish(self, count: int) -> Moments:
        """All of one call are in one request."""
        numbers = range(self._count + 1, self._count + count + 1)
        self._count += count
        body = json.dumps([plain_event(number, cursor_at(MADE_UP_ORGANIZATION, number)) for number in numbers]).encode()
        head = f"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = await self._connection()
        moment = self._used = monotonic()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 204 " not in answer:
            raise RuntimeError(answer.decode())
        return dict.fromkeys(numbers, moment)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The one we have, or a new one when it lay idle so long that the server may be closing it."""
        if self._reader is None or self._writer is None or monotonic() - self._used > IDLE_SECONDS_MAX:
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self._reader, self._writer

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()


def ours(services: Services, company: Company) -> Contestant:
    """The server as it is, with people who are signed in."""

    @asynccontextmanager
    async def publisher(running: Running) -> AsyncIterator[Publisher]:
        async with writer(services) as one:
            yield OurPublisher(one, company)

    tokens = [person.token for person in company.of_role("DISPATCHER")]
    return Contestant(OURS, lambda: our_server(services), publisher, tokens)


def peers() -> list[Contestant]:
    """The others, who ask nobody to sign in."""

    def peer(name: str, *command: str) -> Contestant:
        @contextmanager
        def running() -> Iterator[Running]:
            port = free_port()
            with server([*command, str(port)], port, {"PYTHONPATH": ".", "NODE_ENV": "production"}) as pid:
                yield Running(pid, port)

        return Contestant(name, running, _posting)

    found = [peer(STOCK, sys.executable, "-m", "tests.benchmarks.peers.live_stock")]
    found.append(peer(FLOOR, sys.executable, "-m", "tests.benchmarks.peers.live_floor"))
    if node_is_ready():
        found.append(peer(NODE, "node", str(PEERS / "live_graphql_ws.mjs")))
    return found


@asynccontextmanager
async def _posting(running: Running) -> AsyncIterator[Publisher]:
    one = PostingPublisher(running.port)
    try:
        yield one
    finally:
        one.close()
