"""A PostgreSQL of our own on a free port, to be restarted: the one that others use is left alone."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import pytest

from tests.servers import free_port

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")
START_SECONDS_MAX = 60
SETTINGS = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "60", "shared_buffers": "64MB",
}  # fmt: skip


class PostgresServer:
    """A cluster in a folder of its own. PostgreSQL does not run as root: there it runs as another user."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="truckroll_postgres_"))
        self._user = _user()
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"postgres://postgres@127.0.0.1:{self._port}/postgres"

    def make(self) -> None:
        """Put an empty cluster into the folder."""
        if self._user:
            shutil.chown(self._folder, self._user)
        words = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync")
        subprocess.run(
            [self._programs / "initdb", *words, "--pgdata", self._folder / "data"], user=self._user, cwd=self._folder,
            capture_output=True, timeout=START_SECONDS_MAX, check=True,
        )  # fmt: skip

    async def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        settings = {**SETTINGS, "port": str(self._port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = await asyncio.create_subprocess_exec(
            self._programs / "postgres", "-D", self._folder / "data", *options, user=self._user, cwd=self._folder,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                try:
                    await (await asyncpg.connect(self.url)).close()
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.05)
                else:
                    return

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends all connections in order, SIGQUIT as a crash does."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(how)
            await asyncio.wait_for(process.wait(), START_SECONDS_MAX)

    async def clear(self) -> None:
        """End it and leave nothing."""
        await self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)


def postgres_server() -> PostgresServer:
    """An empty one that is not started yet; the test is skipped where PostgreSQL's own programs are not installed."""
    found = [Path(each).parent for each in (shutil.which("postgres"),) if each]
    found += [each for place in PLACES for each in sorted(Path("/").glob(place[1:]), reverse=True)]
    for programs in found:
        if (programs / "initdb").exists() and (programs / "postgres").exists():
            made = PostgresServer(programs)
            made.make()
            return made
    pytest.skip("no PostgreSQL to restart: initdb and postgres are not installed here")


def _user() -> str | None:
    """Whom it runs as: who we are, unless that is root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
