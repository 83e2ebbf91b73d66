"""What is known of the roads already: for each place the ways from there, in memory, and in a table behind it.

A row is one place with all ways from it, packed: twenty bytes for each. Reading a day of two hundred places is two hundred
small rows instead of forty thousand. Rows are a cache: two processes that add to one at the same time may lose what one of
them added, and it is asked for again.
"""

import asyncio
import struct
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from app import database
from app.infrastructure import journal
from app.infrastructure.conditions import column
from app.infrastructure.models import RoadRow
from app.kernel.calendar import utc_now

WAYS_PER_ROW_MAX = 4096
WAYS_IN_MEMORY_MAX = 1_000_000
ROWS_MAX = 50_000
ROWS_AT_ONCE = 100
_HEAD = struct.Struct("<I")


def today() -> int:
    """The day as a number: how old something is, is counted in days."""
    return utc_now().date().toordinal()


@dataclass(slots=True)
class Row:
    """All ways from a place: to which points, seconds and metres, and the day on which that was said."""

    targets: "array[int]" = field(default_factory=lambda: array("q"))
    seconds: "array[int]" = field(default_factory=lambda: array("i"))
    metres: "array[int]" = field(default_factory=lambda: array("i"))
    days: "array[int]" = field(default_factory=lambda: array("i"))

    def __len__(self) -> int:
        return len(self.targets)

    def known_since(self, day: int) -> dict[int, int]:
        """Where in the row each target is that was asked for on that day or later."""
        return {target: at for at, (target, on) in enumerate(zip(self.targets, self.days, strict=True)) if on >= day}

    def with_ways(self, ways: Mapping[int, tuple[int, int, int]]) -> "Row":
        """The row with more ways, ``target: (seconds, metres, day)``; the oldest go where it would be too long."""
        joined = dict(zip(self.targets, zip(self.seconds, self.metres, self.days, strict=True), strict=True))
        for target, way in ways.items():
            if target not in joined or joined[target][2] <= way[2]:
                joined[target] = way
        kept = sorted(joined.items(), key=lambda one: -one[1][2])[:WAYS_PER_ROW_MAX]
        return Row(
            array("q", (target for target, _ in kept)),
            array("i", (way[0] for _, way in kept)),
            array("i", (way[1] for _, way in kept)),
            array("i", (way[2] for _, way in kept)),
        )

    def ways(self) -> dict[int, tuple[int, int, int]]:
        """The ways, as ``with_ways`` takes them."""
        return dict(zip(self.targets, zip(self.seconds, self.metres, self.days, strict=True), strict=True))

    def pack(self) -> bytes:
        """The row as bytes."""
        count = len(self)
        return _HEAD.pack(count) + struct.pack(
            f"<{count}q{3 * count}i", *self.targets, *self.seconds, *self.metres, *self.days
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Row":
        """The row of bytes; an empty one where they are none of ours."""
        try:
            (count,) = _HEAD.unpack_from(data)
            values = struct.unpack(f"<{count}q{3 * count}i", data[_HEAD.size :])
        except struct.error:
            return cls()
        return cls(
            array("q", values[:count]),
            array("i", values[count : 2 * count]),
            array("i", values[2 * count : 3 * count]),
            array("i", values[3 * count :]),
        )


class KnownRoads:
    """The rows of one server's answers; ``days`` is for how long they count, 0 keeps nothing."""

    def __init__(self, name: str, *, days: int, ways_max: int = WAYS_IN_MEMORY_MAX) -> None:
        self._name = name
        self._days = days
        self._ways_max = ways_max
        self._rows: OrderedDict[int, Row] = OrderedDict()
        self._ways = 0

    def __len__(self) -> int:
        return self._ways

    @property
    def first_day(self) -> int:
        """What was said on this day or later counts."""
        return today() - self._days

    async def find(self, origins: Sequence[int]) -> dict[int, Row]:
        """The rows of some places, as far as there are any."""
        if not self._days:
            return {}
        absent = [key for key in origins if key not in self._rows]
        for begin in range(0, len(absent), ROWS_AT_ONCE):
            part = absent[begin : begin + ROWS_AT_ONCE]
            for key, row in (await self._read(part)).items():
                self._remember(key, row)
        found = {key: self._rows[key] for key in origins if key in self._rows}
        for key in found:
            self._rows.move_to_end(key)
        self._forget()
        return found

    async def keep(self, ways: Mapping[int, Mapping[int, tuple[int, int, int]]]) -> None:
        """Keep what was answered, ``origin: {target: (seconds, metres, day)}``."""
        if not self._days:
            return
        origins = list(ways)
        for begin in range(0, len(origins), ROWS_AT_ONCE):
            part = origins[begin : begin + ROWS_AT_ONCE]
            for key, row in (await self._store({key: ways[key] for key in part})).items():
                self._remember(key, row)
        self._forget()

    async def _store(self, ways: Mapping[int, Mapping[int, tuple[int, int, int]]]) -> dict[int, Row]:
        stored = await self._read(ways)
        rows, made = await asyncio.to_thread(self._joined, stored, ways)

        async def work() -> None:
            await RoadRow.bulk_create(made, on_conflict=["id"], update_fields=["ways", "data", "asked_at"])

        await database.unit_of_work(work)
        return rows

    def _joined(
        self, stored: Mapping[int, Row], ways: Mapping[int, Mapping[int, tuple[int, int, int]]]
    ) -> tuple[dict[int, Row], list[RoadRow]]:
        now = utc_now()
        # In one order, so that two who store the same rows wait for each other and not both.
        rows = {key: stored.get(key, Row()).with_ways(ways[key]) for key in sorted(ways)}
        return rows, [
            RoadRow(id=self._id(key), ways=len(row), data=row.pack(), asked_at=now) for key, row in rows.items()
        ]

    async def _read(self, keys: Iterable[int]) -> dict[int, Row]:
        ids = {self._id(key): key for key in keys}
        where, values = column("id").one_of(ids).sql("r", database.dialect())
        rows = await database.read_rows(f'SELECT "id", "data" FROM "road_row" "r" WHERE {where}', values)
        return await asyncio.to_thread(lambda: {ids[row[0]]: Row.unpack(bytes(row[1])) for row in rows})

    def _id(self, key: int) -> str:
        return f"{self._name}:{key}"

    def _remember(self, key: int, row: Row) -> None:
        before = self._rows.pop(key, None)
        self._ways += len(row) - (0 if before is None else len(before))
        self._rows[key] = row

    def _forget(self) -> None:
        while self._ways > self._ways_max and self._rows:
            _, row = self._rows.popitem(last=False)
            self._ways -= len(row)


async def forget_old_rows(days: int, *, rows_max: int = ROWS_MAX) -> int:
    """Delete the rows that nobody added to for so many days, and the oldest of too many; how many."""
    total = 0
    limit = utc_now() - timedelta(days=days)
    while ids := await _ids_of('WHERE "asked_at" < {} ORDER BY "asked_at" LIMIT {}', [limit, ROWS_AT_ONCE]):
        total += await _delete(ids)
    while ids := await _ids_of('ORDER BY "asked_at" DESC LIMIT {} OFFSET {}', [ROWS_AT_ONCE, rows_max]):
        total += await _delete(ids)
    return total


async def _ids_of(rest: str, values: list[object]) -> list[str]:
    marks = [journal.mark(number) for number in range(1, len(values) + 1)]
    rows = await database.read_rows(f'SELECT "id" FROM "road_row" {rest.format(*marks)}', values)
    return [row[0] for row in rows]


async def _delete(ids: list[str]) -> int:
    async def work() -> int:
        return await RoadRow.filter(id__in=ids).delete()

    return await database.unit_of_work(work)
