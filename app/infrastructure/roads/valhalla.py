"""Valhalla's HTTP API: ``/sources_to_targets`` and ``/route``; seconds, and kilometres or miles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.infrastructure.roads import lines
from app.infrastructure.roads.points import Away, Point, Refusal, Refused, RouteLeg, Table, table_of, whole
from app.infrastructure.roads.provider import Ask

METRES_PER_UNIT = {"kilometers": 1000.0, "km": 1000.0, "miles": 1609.344, "mi": 1609.344}
# Its `error_code`s: 150 too many locations, 154 too far apart; 170 and 442 no way, 441 one that cannot be reached;
# 171 no road near a location.
REFUSALS = {
    150: Refusal.TOO_LARGE,
    154: Refusal.NO_WAY,
    170: Refusal.NO_WAY,
    171: Refusal.NO_ROAD_NEAR,
    441: Refusal.NO_WAY,
    442: Refusal.NO_WAY,
}


@dataclass(frozen=True, slots=True)
class Valhalla:
    """A server of Valhalla; the profile is its `costing`."""

    profile: str

    @property
    def name(self) -> str:
        """Its kind and costing."""
        return f"valhalla:{self.profile}"

    def ask_table(self, sources: Sequence[Point], targets: Sequence[Point]) -> Ask:
        """Not verbose: a quarter of the bytes. Older servers do not know the word and answer verbosely."""
        return Ask(
            "sources_to_targets",
            body={
                "sources": [_location(point) for point in sources],
                "targets": [_location(point) for point in targets],
                "costing": self.profile,
                "units": "kilometers",
                "verbose": False,
            },
        )

    def read_table(self, status: int, answer: Any, rows: int, columns: int) -> Table:
        """Two matrices, or one of objects with `time` and `distance`; null where there is no way."""
        _require_ok(status, answer)
        found = answer.get("sources_to_targets")
        if isinstance(found, dict):
            seconds, distances = found.get("durations"), found.get("distances")
        else:
            seconds, distances = _of_all(found, "time"), _of_all(found, "distance")
        return table_of(seconds, distances, rows, columns, metres_per_unit=_metres_per_unit(answer))

    def ask_route(self, points: Sequence[Point]) -> Ask:
        """Without directions in words."""
        return Ask(
            "route",
            body={
                "locations": [{**_location(point), "type": "break"} for point in points],
                "costing": self.profile,
                "units": "kilometers",
                "directions_type": "none",
            },
        )

    def read_route(self, status: int, answer: Any, legs: int) -> list[RouteLeg]:
        """The legs of the trip."""
        _require_ok(status, answer)
        try:
            trip = answer["trip"]
            metres_per_unit = _metres_per_unit(trip)
            made = [
                RouteLeg(
                    whole(leg["summary"]["time"]),
                    whole(leg["summary"]["length"], metres_per_unit),
                    lines.decode(leg["shape"]),
                )
                for leg in trip["legs"]
            ]
        except (KeyError, TypeError):
            raise Away("the answer is no trip") from None
        if len(made) != legs:
            raise Away("the answer has another number of legs")
        return made


def _location(point: Point) -> dict[str, float]:
    return {"lat": point.latitude, "lon": point.longitude}


def _of_all(matrix: Any, name: str) -> Any:
    try:
        return [[cell[name] for cell in row] for row in matrix]
    except (KeyError, TypeError):
        raise Away("the answer is no matrix") from None


def _metres_per_unit(answer: Any) -> float:
    try:
        return METRES_PER_UNIT[answer.get("units", "kilometers")]
    except (AttributeError, KeyError, TypeError):
        raise Away("the answer is in a unit that is not known") from None


def _require_ok(status: int, answer: Any) -> None:
    if status == 200 and isinstance(answer, dict) and ("sources_to_targets" in answer or "trip" in answer):
        return
    code = answer.get("error_code") if isinstance(answer, dict) else None
    if not isinstance(code, int):
        raise Refused(Refusal.WRONG, f"HTTP {status}") if status != 200 else Away("the answer is not Valhalla's")
    raise Refused(REFUSALS.get(code, Refusal.WRONG), f"{code}: {answer.get('error', '')}"[:200])
