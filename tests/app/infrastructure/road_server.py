"""A road server on loopback, over real HTTP, that answers as OSRM and Valhalla do, and fails when told to.

Its country: roads run north, south, east and west; going north takes half as long again. North of the 60th degree is an
island without a bridge, north of the 80th degree there is no road at all.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

METRES_PER_DEGREE = 100_000
METRES_PER_SECOND = 10
ISLAND, WILDERNESS = 60, 80

Place = tuple[float, float]  # latitude, longitude


def way(origin: Place, destination: Place) -> tuple[float, float] | None:
    """Seconds and metres, None without a way."""
    if (origin[0] >= ISLAND) != (destination[0] >= ISLAND):
        return None
    metres = METRES_PER_DEGREE * (abs(destination[0] - origin[0]) + abs(destination[1] - origin[1]))
    return metres / METRES_PER_SECOND * (1.5 if destination[0] > origin[0] else 1), metres


@dataclass
class RoadServer:
    """Answers, or does what ``faults`` says, one fault for each request."""

    port: int = 0
    table_max: int = 100
    verbose: bool = False
    units: str = "kilometers"
    slow_seconds: float = 5.0
    faults: list[str] = field(default_factory=list)
    always: str = ""
    requests: list[tuple[str, int, int]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    under_way: int = 0
    under_way_most: int = 0
    pause_seconds: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, target, _ = line.decode().split(" ", 2)
                length = 0
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                self.under_way += 1
                self.under_way_most = max(self.under_way_most, self.under_way)
                try:
                    if not await self._answer(writer, method, target, body):
                        return
                finally:
                    self.under_way -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, method: str, target: str, body: bytes) -> bool:
        fault = self.faults.pop(0) if self.faults else self.always
        status, answer = self.osrm(target) if method == "GET" else self.valhalla(target, json.loads(body))
        if self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)
        text, extra = json.dumps(answer).encode(), ""
        if fault == "drop":
            return False
        if fault == "slow":
            await asyncio.sleep(self.slow_seconds)
        elif fault == "busy":
            status, text, extra = 429, b'{"message":"Too Many Requests"}', "Retry-After: 0\r\n"
        elif fault == "come back much later":
            status, text, extra = 429, b"", "Retry-After: 3600\r\n"
        elif fault in ("500", "502", "503", "504"):
            status, text = int(fault), b"<html>sorry</html>"
        elif fault == "not json":
            text = text[: len(text) // 2]
        elif fault == "not a table":
            text = json.dumps({**answer, "durations": [[0]], "sources_to_targets": [[]]}).encode()
        elif fault == "a number that cannot be":
            text = text.replace(b"0.0", b"-7", 1)
        elif fault.startswith("{"):
            status, text = 400, fault.encode()
        elif fault == "not found":
            status, text = 404, b"<html>no such page</html>"
        length = len(text) + (10 if fault == "cut off" else 0)
        head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{extra}\r\n"
        writer.write(head.encode() + text)
        await writer.drain()
        return fault != "cut off"

    def osrm(self, target: str) -> tuple[int, dict[str, Any]]:
        address = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        _, service, version, profile, text = unquote(address.path).split("/")
        if version != "v1" or not profile:
            return 400, {"code": "InvalidUrl", "message": "URL string malformed close to position 1"}
        places = [(float(lat), float(lon)) for lon, lat in (one.split(",") for one in text.split(";"))]
        if service == "route":
            return self._osrm_route(places, query)
        rows = [places[int(at)] for at in query["sources"].split(";")]
        columns = [places[int(at)] for at in query["destinations"].split(";")]
        self.requests.append(("table", len(rows), len(columns)))
        if len(rows) * len(columns) > self.table_max**2:
            return 400, {"code": "TooBig", "message": "Too many table coordinates"}
        for at, place in enumerate(places):
            if place[0] >= WILDERNESS:
                return 400, {
                    "code": "NoSegment",
                    "message": f"Could not find a matching segment for coordinate {at}",
                }
        ways = [[way(row, column) for column in columns] for row in rows]
        return 200, {
            "code": "Ok",
            "durations": [[None if one is None else round(one[0], 1) for one in row] for row in ways],
            "distances": [[None if one is None else round(one[1], 1) for one in row] for row in ways],
        }

    def _osrm_route(self, places: list[Place], query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.requests.append(("route", len(places), 1))
        ways = [way(*pair) for pair in pairwise(places)]
        if None in ways:
            return 400, {"code": "NoRoute", "message": "Impossible route between points"}
        assert query["geometries"] == "polyline6" and query["steps"] == "true"
        legs = []
        for (origin, destination), one in zip(pairwise(places), ways, strict=True):
            assert one is not None
            corner = (origin[0], destination[1])
            steps = [{"geometry": polyline([origin, corner])}, {"geometry": polyline([corner, destination])}]
            steps.append({"geometry": polyline([destination, destination])})
            legs.append({"duration": one[0], "distance": one[1], "steps": steps, "summary": ""})
        return 200, {"code": "Ok", "routes": [{"legs": legs}], "waypoints": []}

    def valhalla(self, target: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.bodies.append(asked)
        per_unit = 1609.344 if self.units == "miles" else 1000.0
        if asked.get("costing") not in ("auto", "truck"):
            return 400, failed(125, "No costing method found")
        if target == "/route":
            return self._valhalla_route(asked, per_unit)
        rows, columns = ([(one["lat"], one["lon"]) for one in asked[side]] for side in ("sources", "targets"))
        self.requests.append(("table", len(rows), len(columns)))
        if len(rows) * len(columns) > self.table_max**2:
            return 400, failed(150, f"Exceeded max locations: {self.table_max}")
        if any(place[0] >= WILDERNESS for place in (*rows, *columns)):
            return 400, failed(171, "No suitable edges near location")
        ways = [[way(row, column) for column in columns] for row in rows]
        if all(one is None for row in ways for one in row):
            return 400, failed(442, "No path could be found for input")
        times = [[None if one is None else round(one[0]) for one in row] for row in ways]
        far = [[None if one is None else round(one[1] / per_unit, 3) for one in row] for row in ways]
        found: Any = {"durations": times, "distances": far}
        if self.verbose or asked.get("verbose", True):
            found = [
                [
                    {"from_index": row, "to_index": column, "time": times[row][column], "distance": far[row][column]}
                    for column in range(len(columns))
                ]
                for row in range(len(rows))
            ]
        return 200, {"algorithm": "costmatrix", "units": self.units, "sources_to_targets": found}

    def _valhalla_route(self, asked: dict[str, Any], per_unit: float) -> tuple[int, dict[str, Any]]:
        places = [(one["lat"], one["lon"]) for one in asked["locations"]]
        self.requests.append(("route", len(places), 1))
        pairs = list(pairwise(places))
        ways = [way(*pair) for pair in pairs]
        if None in ways:
            return 400, failed(442, "No path could be found for input")
        legs = [
            {
                "summary": {"time": one[0], "length": round(one[1] / per_unit, 3)},
                "shape": polyline([origin, (origin[0], destination[1]), destination]),
            }
            for (origin, destination), one in zip(pairs, ways, strict=True)
            if one is not None
        ]
        return 200, {"trip": {"status": 0, "units": self.units, "legs": legs}}


def failed(code: int, text: str) -> dict[str, Any]:
    """An error as Valhalla says it."""
    return {"error_code": code, "error": text, "status_code": 400, "status": "Bad Request"}


def polyline(places: list[Place]) -> str:
    """An encoded polyline with six digits."""
    text, before = "", (0, 0)
    for place in places:
        here = (round(place[0] * 1e6), round(place[1] * 1e6))
        for value, last in zip(here, before, strict=True):
            rest = (value - last) << 1
            rest = ~rest if value < last else rest
            while rest >= 0x20:
                text += chr((0x20 | (rest & 0x1F)) + 63)
                rest >>= 5
            text += chr(rest + 63)
        before = here
    return text


@asynccontextmanager
async def road_server() -> AsyncIterator[RoadServer]:
    """A server for a test."""
    made = RoadServer()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
