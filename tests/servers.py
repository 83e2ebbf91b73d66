"""Real processes for journeys and fault tests: servers and workers on loopback, stopped by their pid, and a small client."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
TRUCKROLL = Path(sys.executable).parent / "truckroll"
START_SECONDS_MAX = 60
PASSWORD = "a password for tests only"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_truckroll(*arguments: str, environment: dict[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    return subprocess.run(
        [TRUCKROLL, *arguments], cwd=ROOT, env=clean_environment() | environment, capture_output=True, text=True,
        timeout=120, check=check,
    )  # fmt: skip


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of Truckroll, and with compiled modules kept: starts take half as long."""
    dropped = ("TRUCKROLL_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


class Process:
    """A server or worker of ours in a process of its own."""

    program: tuple[str, ...] = (str(TRUCKROLL),)

    def __init__(self, command: str, environment: dict[str, str], log: Path) -> None:
        self.command = command
        self.environment = dict(environment)
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Process":
        """Start it; for a server ``wait_until_ready`` says when it serves."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*self.program, self.command],
                cwd=ROOT,
                env=clean_environment() | self.environment,
                stdout=out,
                stderr=out,
            )
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
                raise
        return int(self.process.returncode)

    def __enter__(self) -> "Process":
        return self.start()

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()


class Server(Process):
    """A server on a port of its own."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        super().__init__("serve", environment | {"TRUCKROLL_PORT": str(self.port)}, log)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Server":
        """Start it and wait until it is ready."""
        super().start()
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Wait until it can serve, or fail with what it said."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.log.read_text()[-4000:]}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server was not ready in time:\n{self.log.read_text()[-4000:]}")

    def __enter__(self) -> "Server":
        return self.start()


class Refused(AssertionError):
    """An answer with errors where none was expected."""


class Api:
    """A client that signs in and asks."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        self.http = httpx.AsyncClient(base_url=url, timeout=30)

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def sign_in(self, login: str, password: str = PASSWORD) -> "Api":
        """Sign in and keep the access token."""
        document = "mutation($input: LogInInput!) { logIn(input: $input) { signedIn { accessToken } errors { code message } } }"
        data = await self.ask(document, input={"email": login, "password": password})
        if data["logIn"]["errors"]:
            raise Refused(data["logIn"]["errors"])
        self.token = data["logIn"]["signedIn"]["accessToken"]
        return self

    async def post(self, document: str, **variables: Any) -> dict[str, Any]:
        """The whole response."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        response = await self.http.post("/graphql", json={"query": document, "variables": variables}, headers=headers)
        parsed: dict[str, Any] = response.json()
        return parsed

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data; ``Refused`` when the response has errors."""
        response = await self.post(document, **variables)
        if response.get("errors"):
            raise Refused(response["errors"])
        data: dict[str, Any] = response["data"]
        return data

    async def do(self, mutation: str, selection: str = "", **input: Any) -> dict[str, Any]:
        """One mutation; its payload, ``Refused`` when it has errors."""
        name = mutation[0].upper() + mutation[1:]
        document = (
            f"mutation($input: {name}Input!) {{ {mutation}(input: $input) "
            f"{{ {selection} cursor errors {{ code message path }} }} }}"
        )
        payload: dict[str, Any] = (await self.ask(document, input=input))[mutation]
        if payload["errors"]:
            raise Refused(payload["errors"])
        return payload


async def until(condition: Any, seconds: float = 20, what: str = "it") -> Any:
    """The first true answer of an async function, asked again and again; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true in {seconds} s")
        await asyncio.sleep(0.05)
