"""The servers that read the same rows, and how each is started."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.node import PEERS, node_is_ready
from tests.benchmarks.reading import works
from tests.benchmarks.reading.works import Ids

OURS = "Truckroll"
POOL = 10


@dataclass(slots=True)
class Contestant:
    """A server, what it is asked for each work, and where it reads."""

    name: str
    command: list[str]
    asked: dict[str, dict[str, Any]]
    environment: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    port: int = 0
    pid: int = 0

    @property
    def application(self) -> str:
        """The name under which PostgreSQL knows its connections."""
        return "bench " + "".join(letter if letter.isalnum() else "_" for letter in self.name)


def contestants(url: str, ids: Ids, ports: list[int]) -> list[Contestant]:
    """All that can take part on a database. A contestant without a place in ``asked`` for a work sits it out."""
    sqlite = url.startswith("sqlite")
    python, hand = [sys.executable], works.hand_written(ids)
    with_rows = {"list", "one", "due", "deep"}

    def node(name: str, script: str, asked: dict[str, dict[str, Any]], *more: str) -> Contestant:
        own = {work: asked[work] for work in with_rows}
        return Contestant(name, ["node", str(PEERS / script), "URL", "PORT", *more], own, {"NODE_ENV": "production"})

    def ours(name: str, command: list[str], *names: str) -> Contestant:
        asked = {work: body for work, body in works.ours(ids).items() if work in names}
        settings = {
            "TRUCKROLL_DATABASE_URL": "URL",
            "TRUCKROLL_PORT": "PORT",
            "TRUCKROLL_BACKGROUND": "worker",
            "TRUCKROLL_LOG_LEVEL": "WARNING",
            "TRUCKROLL_COST_BUDGET": "off",
            "TRUCKROLL_DATABASE_POOL_MAX": str(POOL),
        }
        return Contestant(name, command, asked, settings, ids.token)

    found = [
        ours(OURS, [str(Path(sys.executable).parent / "truckroll"), "serve"], *with_rows),
        ours(f"{OURS}, plain objects", [*python, "-m", "tests.benchmarks.reading.plain_server"], "plain"),
        Contestant(
            "Strawberry + Tortoise (stock)",
            [*python, "-m", "tests.benchmarks.peers.stock", "URL", "PORT", ids.organization],
            {work: hand[work] for work in ("list", "one", "due", "plain")},
        ),
    ]
    if node_is_ready():
        if not sqlite or (PEERS / "node_modules" / "better-sqlite3" / "build").exists():
            found.append(node("Mercurius + JIT", "mercurius.mjs", hand, ids.organization))
        if not sqlite:
            found.append(node("GraphQL Yoga 5", "yoga.mjs", hand, ids.organization))
            found.append(node("PostGraphile 5", "postgraphile.mjs", works.graphile(ids)))
    for form in ("rows", "json"):
        command = [*python, "-m", "tests.benchmarks.peers.floor", "URL", "PORT", ids.organization, form]
        found.append(Contestant(f"floor, {form}", command, works.floor(ids)))
    for one, port in zip(found, ports, strict=False):
        address = url if sqlite else f"{url}?application_name={one.application.replace(' ', '%20')}"
        one.port = port
        one.command = [{"URL": address, "PORT": str(port)}.get(word, word) for word in one.command]
        one.environment = {
            name: {"URL": address, "PORT": str(port)}.get(value, value) for name, value in one.environment.items()
        }
    return found
