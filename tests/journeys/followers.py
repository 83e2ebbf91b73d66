"""Real subscribers that reconnect by themselves and resume by cursor: graphql-ws and an EventSource in Node, gql in Python."""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport

from tests.servers import Server

CLIENTS = Path(__file__).parent / "clients"
FOLLOW = """
subscription Follow($after: String) {
  %s(after: $after) { cursor at fact %sId %s { %s } }
}
"""


def require_node() -> str:
    """Node with the clients installed, or skip."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    # Tests run in several processes: one installs, the others wait.
    with (CLIENTS / "package.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        installed_list = CLIENTS / "node_modules" / ".package-lock.json"
        locked_list = CLIENTS / "package-lock.json"
        if not installed_list.exists() or installed_list.stat().st_mtime < locked_list.stat().st_mtime:
            installed = subprocess.run([npm, "ci", "--silent"], cwd=CLIENTS, timeout=300, check=False)
            if installed.returncode and os.environ.get("TRUCKROLL_REQUIRE_SERVICES") != "1":
                pytest.skip("the clients cannot be installed: npm does not reach its registry")
            installed.check_returncode()
    return node


class NodeFollower:
    """A subscription in a process of its own. It reconnects by itself and resumes by cursor."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            self.said.append(message)
            if message.get("event"):
                self.events.append(message["event"])

    def facts_about(self, noun: str, id: str) -> list[str]:
        """What was heard about one thing, in order."""
        return [event["fact"] for event in self.events if event.get(f"{noun}Id") == id]

    def send_signal(self, which: signal.Signals) -> None:
        """Have the machine hold it up, for instance."""
        self._process.send_signal(which)

    async def stop(self) -> None:
        """End the client."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading


@asynccontextmanager
async def node_follower(
    server: Server,
    token: str,
    field: str,
    noun: str,
    selection: str,
    after: str | None = None,
    *,
    by_events: bool = False,
) -> AsyncIterator[NodeFollower]:
    """Follow a subscription with graphql-ws, or with an EventSource."""
    document = FOLLOW % (field, noun, noun, selection)
    script, address = ("events.mjs", server.url) if by_events else ("follow.mjs", f"ws://127.0.0.1:{server.port}")
    process = await asyncio.create_subprocess_exec(
        require_node(), script, f"{address}/graphql", token, document, field, after or "",
        cwd=CLIENTS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**22,
    )  # fmt: skip
    follower = NodeFollower(process)
    try:
        yield follower
    finally:
        await follower.stop()


class GqlFollower:
    """A subscription with gql, which an app follows anew with its last cursor when the connection has broken."""

    def __init__(self, server: Server, token: str, field: str, noun: str, after: str) -> None:
        self._server = server
        self._token = token
        self._field = field
        self._document = GraphQLRequest(FOLLOW % (field, noun, noun, "id"), variable_values={"after": after})
        self.events: list[dict[str, Any]] = []
        self.ended = 0

    async def run(self) -> None:
        """Follow until canceled."""
        while True:
            transport = WebsocketsTransport(
                url=f"ws://127.0.0.1:{self._server.port}/graphql",
                init_payload={"authorization": f"Bearer {self._token}"},
                subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            )
            try:
                async with Client(transport=transport) as session:
                    async for answer in session.subscribe(self._document):
                        event = answer[self._field]
                        self._document.variable_values = {"after": event["cursor"]}
                        self.events.append(event)
            except (TransportError, OSError, TimeoutError):
                pass  # the server is away: it may also say nothing, and the events end
            self.ended += 1
            await asyncio.sleep(0.1)


@asynccontextmanager
async def gql_follower(server: Server, token: str, field: str, noun: str, after: str) -> AsyncIterator[GqlFollower]:
    """Follow a subscription with gql."""
    follower = GqlFollower(server, token, field, noun, after)
    running = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
