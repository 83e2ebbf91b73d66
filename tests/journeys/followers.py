"""Real subscribers: the graphql-ws client from npm in a Node process, and the gql client in Python."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

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
    """A graphql-ws subscription in a process of its own. It reconnects by itself and resumes by cursor."""

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
    server: Server, token: str, field: str, noun: str, selection: str, after: str | None = None
) -> AsyncIterator[NodeFollower]:
    """Follow a subscription with graphql-ws."""
    document = FOLLOW % (field, noun, noun, selection)
    process = await asyncio.create_subprocess_exec(
        require_node(), "follow.mjs", f"ws://127.0.0.1:{server.port}/graphql", token, document, field, after or "",
        cwd=CLIENTS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**22,
    )  # fmt: skip
    follower = NodeFollower(process)
    try:
        yield follower
    finally:
        await follower.stop()
