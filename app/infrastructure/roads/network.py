"""Ways between places, from what is known and from a road server: asked for what is missing alone, block by block.

What the server does not answer stays unknown, and whoever asked estimates exactly that. A no of the server is divided until
it is known what it is about: a place without a road, two places without a way, or a request that is too large.
"""

import asyncio
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ParamSpec, TypeVar

import structlog

from app import database
from app.infrastructure import metrics
from app.infrastructure.roads.blocks import Block, blocks_of
from app.infrastructure.roads.points import UNKNOWN, Point, Refusal, Refused, RoadProblem, RouteLeg, Table, point_of
from app.infrastructure.roads.rows import KnownRoads, Row, today
from app.infrastructure.roads.server import RoadServer

# Of places that have no way to one another, so many requests find out which; the rest is estimated.
DIVISIONS_MAX = 64
ROUTE_POINTS_MAX = 20
IN_THREAD_FROM = 150
SOMEWHERE = Point(52.52, 13.405)
_UNASKED = -2

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class _Sheet:
    """A table that is being filled in: each place once, a row and a column for each."""

    def __init__(self, keys: Sequence[int]) -> None:
        self.keys = keys
        self.points = [point_of(key) for key in keys]
        self.seconds = [array("i", [_UNASKED]) * len(keys) for _ in keys]
        self.metres = [array("i", [_UNASKED]) * len(keys) for _ in keys]
        self.told: dict[int, set[int]] = {}
        self.divisions = DIVISIONS_MAX
        for at in range(len(keys)):
            self.seconds[at][at] = self.metres[at][at] = 0

    def fill(self, rows: dict[int, Row], first_day: int) -> dict[int, list[int]]:
        """Put in what is known; what is missing, ``source: targets``."""
        missing = {}
        for at, key in enumerate(self.keys):
            row = rows.get(key)
            known = {} if row is None else row.known_since(first_day)
            for column, target in enumerate(self.keys):
                place = known.get(target)
                if place is not None and row is not None and column != at:
                    self.seconds[at][column], self.metres[at][column] = row.seconds[place], row.metres[place]
            missing[at] = [column for column, seconds in enumerate(self.seconds[at]) if seconds == _UNASKED]
        return missing

    def put(self, block: Block, table: Table) -> None:
        """Put in what the server told."""
        for row, source in enumerate(block.sources):
            for column, target in enumerate(block.targets):
                self.set(source, target, table.seconds[row][column], table.metres[row][column])

    def set(self, source: int, target: int, seconds: int, metres: int) -> None:
        """One way; ``UNKNOWN`` where there is none."""
        if source != target:
            self.seconds[source][target], self.metres[source][target] = seconds, metres
            self.told.setdefault(source, set()).add(target)

    def news(self) -> dict[int, dict[int, tuple[int, int, int]]]:
        """What the server told, to be kept."""
        day = today()
        return {
            self.keys[source]: {
                self.keys[target]: (self.seconds[source][target], self.metres[source][target], day)
                for target in targets
            }
            for source, targets in self.told.items()
        }

    def count(self) -> None:
        """Tell the metrics where the ways are from."""
        told = sum(map(len, self.told.values()))
        unknown = sum(one < 0 for row in self.seconds for one in row)
        no_way = sum(self.seconds[source][target] < 0 for source, targets in self.told.items() for target in targets)
        all_ways = len(self.keys) * (len(self.keys) - 1)
        metrics.count_road_ways("server", told - no_way)
        metrics.count_road_ways("estimate", unknown)
        metrics.count_road_ways("kept", all_ways - unknown - (told - no_way))

    def table(self, positions: Sequence[int]) -> Table:
        """The table of all places, also of those that are the same for a car."""
        return Table(
            [array("i", (max(UNKNOWN, self.seconds[row][one]) for one in positions)) for row in positions],
            [array("i", (max(UNKNOWN, self.metres[row][one]) for one in positions)) for row in positions],
        )


class RoadNetwork:
    """The roads as one server knows them."""

    def __init__(self, server: RoadServer, known: KnownRoads, *, places_max: int) -> None:
        self._server = server
        self._known = known
        self.places_max = places_max

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def probe(self) -> str | None:
        """What is wrong with the server; None when it answers as its kind does, about whatever part of the earth."""
        try:
            await self._server.table([SOMEWHERE], [SOMEWHERE])
        except Refused as error:
            return str(error) if error.refusal is Refusal.WRONG else None
        except RoadProblem as error:
            return str(error)
        return None

    async def table(self, points: Sequence[Point], *, seconds: float) -> Table:
        """The ways between all points; what is not told within so many seconds is unknown."""
        places = {key: at for at, key in enumerate(dict.fromkeys(point.key for point in points))}
        positions = [places[point.key] for point in points]
        sheet = _Sheet(list(places))
        rows = await self._find(sheet)
        missing = await _apart(len(places), sheet.fill, rows, self._known.first_day)
        blocks = blocks_of(missing, self.places_max)
        try:
            async with asyncio.timeout(seconds):
                await self._ask_for(blocks, sheet)
        except TimeoutError:
            log.warning("the road server did not tell all ways in time", seconds=seconds)
        await self._keep(sheet)
        await _apart(len(places), sheet.count)
        return await _apart(len(places), sheet.table, positions)

    async def route(self, points: Sequence[Point], *, seconds: float) -> list[RouteLeg | None]:
        """The way along some points, leg by leg; None for a leg that the server does not tell."""
        legs: list[RouteLeg | None] = [None] * (len(points) - 1)
        try:
            async with asyncio.timeout(seconds):
                for begin in range(0, len(points) - 1, ROUTE_POINTS_MAX - 1):
                    part = list(points[begin : begin + ROUTE_POINTS_MAX])
                    legs[begin : begin + len(part) - 1] = await self._legs(part)
        except TimeoutError:
            log.warning("the road server did not tell a route in time", seconds=seconds)
        return legs

    async def _legs(self, points: list[Point]) -> list[RouteLeg | None]:
        try:
            return list(await self._server.route(points))
        except Refused as error:
            if error.refusal is Refusal.WRONG or len(points) == 2:
                return [None] * (len(points) - 1)
            # One leg without a way spoils the answer for all: each is asked for by itself.
            return [leg for pair in pairwise(points) for leg in await self._legs(list(pair))]
        except RoadProblem:
            return [None] * (len(points) - 1)

    async def _find(self, sheet: _Sheet) -> dict[int, Row]:
        try:
            return await self._known.find(sheet.keys)
        except database.DatabaseError as error:
            log.warning("kept ways by road could not be read", error=type(error).__name__)
            return {}

    async def _keep(self, sheet: _Sheet) -> None:
        if sheet.told:
            try:
                await self._known.keep(await _apart(len(sheet.keys), sheet.news))
            except database.DatabaseError as error:
                # Whoever asks has the answer. It will be asked for again.
                log.warning("ways by road could not be kept", error=type(error).__name__)

    async def _ask_for(self, blocks: list[Block], sheet: _Sheet) -> None:
        waiting = list(reversed(blocks))

        async def work() -> None:
            while waiting:
                await self._ask(waiting.pop(), sheet)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._server.concurrency, len(blocks))):
                tasks.create_task(work())

    async def _ask(self, block: Block, sheet: _Sheet) -> None:
        if not len(block):
            return
        try:
            table = await self._server.table(_at(sheet, block.sources), _at(sheet, block.targets))
        except Refused as error:
            await self._ask_otherwise(block, sheet, error)
        except RoadProblem:
            # The circuit has said so once.
            return
        else:
            sheet.put(block, table)

    async def _ask_otherwise(self, block: Block, sheet: _Sheet, error: Refused) -> None:
        if error.refusal is Refusal.NO_ROAD_NEAR:
            await self._ask_without_lonely(block, sheet)
        elif error.refusal is Refusal.TOO_LARGE and len(block) > 1:
            side = max(len(block.sources), len(block.targets)) // 2
            if side < self.places_max:
                log.warning("requests are too large for the road server; set TRUCKROLL_TRAVEL_PLACES_MAX", places=side)
                self.places_max = max(1, side)
            for half in block.halves():
                await self._ask(half, sheet)
        elif error.refusal is Refusal.NO_WAY:
            if len(block) == 1:
                sheet.set(block.sources[0], block.targets[0], UNKNOWN, UNKNOWN)
            elif sheet.divisions > 0:
                sheet.divisions -= 1
                for half in block.halves():
                    await self._ask(half, sheet)

    async def _ask_without_lonely(self, block: Block, sheet: _Sheet) -> None:
        """Some place has no road near: find it, and ask for the others."""
        lonely = await self._lonely(list(block.places), sheet)
        for source in block.sources:
            for target in block.targets:
                if source in lonely or target in lonely:
                    sheet.set(source, target, UNKNOWN, UNKNOWN)
        if lonely:
            await self._ask(block.without(lonely), sheet)

    async def _lonely(self, places: list[int], sheet: _Sheet) -> list[int]:
        """Those of some places that have no road near, by asking for smaller and smaller groups."""
        try:
            points = _at(sheet, places)
            await self._server.table(points[:1], points)
        except Refused as error:
            if error.refusal is not Refusal.NO_ROAD_NEAR:
                return []
            if len(places) == 1:
                return places
            cut = len(places) // 2
            return [*await self._lonely(places[:cut], sheet), *await self._lonely(places[cut:], sheet)]
        except RoadProblem:
            return []
        return []


def _at(sheet: _Sheet, places: Sequence[int]) -> list[Point]:
    return [sheet.points[at] for at in places]


async def _apart(size: int, work: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
    """Do something that takes a while for many places in a thread, and at once for few."""
    return await asyncio.to_thread(work, *values, **named) if size > IN_THREAD_FROM else work(*values, **named)
