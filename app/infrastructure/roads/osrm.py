"""OSRM's HTTP API, version 1: ``/table/v1/{profile}/{longitude},{latitude};…`` and ``/route/v1/…``; seconds and metres."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.infrastructure.roads import lines
from app.infrastructure.roads.points import Away, Point, Refusal, Refused, RouteLeg, Table, table_of, whole
from app.infrastructure.roads.provider import Ask

REFUSALS = {
    "NoSegment": Refusal.NO_ROAD_NEAR,
    "TooBig": Refusal.TOO_LARGE,
    "NoTable": Refusal.NO_WAY,
    "NoRoute": Refusal.NO_WAY,
}


@dataclass(frozen=True, slots=True)
class Osrm:
    """A server of OSRM; the profile is the one its data were prepared with."""

    profile: str

    @property
    def name(self) -> str:
        """Its kind and profile."""
        return f"osrm:{self.profile}"

    def ask_table(self, sources: Sequence[Point], targets: Sequence[Point]) -> Ask:
        """Sources first, then targets, told apart by their places in the list."""
        count = len(sources)
        return Ask(
            f"table/v1/{self.profile}/{_coordinates([*sources, *targets])}",
            {
                "sources": ";".join(map(str, range(count))),
                "destinations": ";".join(map(str, range(count, count + len(targets)))),
                "annotations": "duration,distance",
                "generate_hints": "false",
            },
        )

    def read_table(self, status: int, answer: Any, rows: int, columns: int) -> Table:
        """``durations`` in seconds and ``distances`` in metres, row by row; null where there is no way."""
        _require_ok(status, answer)
        return table_of(answer.get("durations"), answer.get("distances"), rows, columns)

    def ask_route(self, points: Sequence[Point]) -> Ask:
        """With steps: only they have a line for each leg."""
        return Ask(
            f"route/v1/{self.profile}/{_coordinates(points)}",
            {"overview": "false", "steps": "true", "geometries": "polyline6", "generate_hints": "false"},
        )

    def read_route(self, status: int, answer: Any, legs: int) -> list[RouteLeg]:
        """The legs of the first route."""
        _require_ok(status, answer)
        try:
            found = answer["routes"][0]["legs"]
            made = [RouteLeg(whole(leg["duration"]), whole(leg["distance"]), _line(leg["steps"])) for leg in found]
        except (KeyError, IndexError, TypeError):
            raise Away("the answer is no route") from None
        if len(made) != legs:
            raise Away("the answer has another number of legs")
        return made


def _coordinates(points: Sequence[Point]) -> str:
    return ";".join(f"{point.longitude:.6f},{point.latitude:.6f}" for point in points)


def _line(steps: Any) -> lines.Line:
    """The lines of all steps, each of which begins where the one before ended."""
    joined: list[tuple[float, float]] = []
    for step in steps:
        joined.extend(at for at in lines.decode(step["geometry"]) if not joined or joined[-1] != at)
    return tuple(joined)


def _require_ok(status: int, answer: Any) -> None:
    code = answer.get("code") if isinstance(answer, dict) else None
    if code == "Ok" and status == 200:
        return
    if not isinstance(code, str):
        raise Refused(Refusal.WRONG, f"HTTP {status}") if status != 200 else Away("the answer is not OSRM's")
    raise Refused(REFUSALS.get(code, Refusal.WRONG), f"{code}: {answer.get('message', '')}"[:200])
