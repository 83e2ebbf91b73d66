"""Ways by road, from a server of OSRM or Valhalla, if the settings name one.

points.py    points, tables, legs, problems      server.py   HTTP: tries, limits, the circuit
provider.py  what a kind of server has to know   rows.py     what is known already, in memory and in a table
osrm.py, valhalla.py  the two kinds              network.py  all together, block by block
"""

from collections.abc import Callable, Sequence

from app.infrastructure.roads.network import RoadNetwork
from app.infrastructure.roads.osrm import Osrm
from app.infrastructure.roads.points import UNKNOWN, Point, RouteLeg, Table
from app.infrastructure.roads.provider import Provider
from app.infrastructure.roads.rows import KnownRoads, forget_old_rows
from app.infrastructure.roads.server import RoadServer
from app.infrastructure.roads.valhalla import Valhalla
from app.infrastructure.timers import every

__all__ = ["UNKNOWN", "Point", "RouteLeg", "Table", "is_on", "probe", "route", "start", "stop", "table"]

# How each kind of server is made from a profile, and the profile it has where none is set.
KINDS: dict[str, tuple[Callable[[str], Provider], str]] = {
    "osrm": (Osrm, "driving"),
    "valhalla": (Valhalla, "auto"),
}
KEPT_DAYS = 30

_network: RoadNetwork | None = None
_days = KEPT_DAYS


async def start(
    kind: str | None,
    url: str | None,
    *,
    profile: str | None = None,
    timeout_seconds: float = 5.0,
    places_max: int = 50,
    concurrency: int = 4,
    days: int = KEPT_DAYS,
) -> None:
    """Ask a server of that kind from now on; none without a kind or an address."""
    global _network, _days
    await stop()
    _days = days
    if kind is None or url is None:
        return
    make, usual = KINDS[kind]
    provider = make(profile or usual)
    server = RoadServer(provider, url, timeout_seconds=timeout_seconds, concurrency=concurrency)
    _network = RoadNetwork(server, KnownRoads(provider.name, days=days), places_max=places_max)


async def stop() -> None:
    """Close what is open; ways are estimated from now on."""
    global _network
    network, _network = _network, None
    if network is not None:
        await network.close()


def is_on() -> bool:
    """Whether there is a server to ask."""
    return _network is not None


async def probe() -> str | None:
    """What is wrong with the server, in a word or two; None when it answers as its kind does, or there is none."""
    return None if _network is None else await _network.probe()


async def table(points: Sequence[Point], *, seconds: float) -> Table | None:
    """Seconds and metres between all points, ``UNKNOWN`` where the server has not told; None without a server."""
    return None if _network is None else await _network.table(points, seconds=seconds)


async def route(points: Sequence[Point], *, seconds: float) -> list[RouteLeg | None] | None:
    """The legs along two points or more, None for each that the server has not told; None without a server."""
    return None if _network is None else await _network.route(points, seconds=seconds)


@every(seconds=6 * 3600, name="infrastructure.forget_old_roads")
async def forget_old_roads() -> int:
    """Delete what no longer counts."""
    return await forget_old_rows(_days)
