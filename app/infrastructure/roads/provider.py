"""What a kind of road server has to know: how it is asked, and how its answers are read. No HTTP is done here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.infrastructure.roads.points import Point, RouteLeg, Table


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: a path below the server's address, with parameters or a body of JSON."""

    path: str
    parameters: Mapping[str, str] | None = None
    body: Any = None


class Provider(Protocol):
    """A kind of road server. ``read_…`` answer, or raise ``Refused`` or ``Away``."""

    @property
    def name(self) -> str:
        """Its kind and profile: answers are kept under it."""
        ...

    def ask_table(self, sources: Sequence[Point], targets: Sequence[Point]) -> Ask:
        """Ask for the ways from each source to each target."""
        ...

    def read_table(self, status: int, answer: Any, rows: int, columns: int) -> Table:
        """Read the answer, of so many sources and targets."""
        ...

    def ask_route(self, points: Sequence[Point]) -> Ask:
        """Ask for the way along these points."""
        ...

    def read_route(self, status: int, answer: Any, legs: int) -> list[RouteLeg]:
        """Read the answer, of so many legs."""
        ...
