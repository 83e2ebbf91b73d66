"""Simulated people: a dispatcher who plans the day, and technicians who drive, arrive, work and finish.

They are clients like any other: everything goes through the public API, as from a board and from phones. A day takes
minutes: ``speed`` says how many times faster than the clock they drive and work.
"""

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from app.demo.client import TROUBLE, Client, Refused, Tell
from app.demo.company import TECHNICIANS, technician_email
from app.demo.dispatcher import SimulatedDispatcher
from app.kernel.calendar import utc_now
from app.kernel.places import Point, great_circle_metres

TICK_SECONDS = 2.0
IDLE_SECONDS = 5.0
DRIVING_METRES_PER_MINUTE = 420.0  # city traffic, stops and parking included
ACCURACY_METRES = 8.0
POSITIONS_AT_ONCE = 2
SHORTEST_DRIVE_SECONDS = 4.0
SHORTEST_WORK_SECONDS = 4.0

VISITS = """
query Visits {
  appointments(
    first: 50
    filter: { status: { in: [DISPATCHED, EN_ROUTE, ON_SITE, IN_PROGRESS, PAUSED] } }
    orderBy: [{ field: STARTS_AT }]
  ) {
    nodes {
      id status durationMinutes
      site { name coordinates { latitude longitude } }
      workOrder { id number summary }
    }
  }
}
"""
WHO = "{ viewer { user { technicianId } } }"
ME = "query Me($id: ID!) { technician(id: $id) { name status position { coordinates { latitude longitude } } } }"


@dataclass(slots=True)
class Pace:
    """How fast simulated time goes."""

    speed: float

    async def pass_minutes(self, minutes: float, at_least: float) -> None:
        """Wait as long as so many simulated minutes take."""
        await asyncio.sleep(self.seconds(minutes, at_least))

    def seconds(self, minutes: float, at_least: float) -> float:
        """So many simulated minutes as seconds of the clock."""
        return max(minutes * 60 / self.speed, at_least)


class Simulator:
    """Everybody at once."""

    def __init__(self, url: str, *, speed: float, seed: int, tell: Tell) -> None:
        self._url = url
        self._pace = Pace(max(speed, 1.0))
        self._random = Random(seed)
        self._tell = tell

    async def run(self) -> None:
        """Plan the day, then live it until canceled."""
        dispatcher = SimulatedDispatcher(self._url, Random(self._random.random()), self._tell)
        try:
            await dispatcher.begin_the_day()
            homes = await dispatcher.find_homes()
            async with asyncio.TaskGroup() as people:
                people.create_task(dispatcher.take_calls())
                for number in range(TECHNICIANS):
                    random = Random(self._random.random())
                    technician = SimulatedTechnician(self._url, number, homes, self._pace, random, self._tell)
                    people.create_task(technician.run())
        finally:
            await dispatcher.close()


class SimulatedTechnician:
    """One technician with a phone: drives to each visit in turn, works, writes down what was done, and finishes."""

    def __init__(self, url: str, number: int, homes: dict[str, Point], pace: Pace, random: Random, tell: Tell) -> None:
        self._client = Client(url, technician_email(number))
        self._pace = pace
        self._random = random
        self._tell = tell
        self._homes = homes
        self._where: Point | None = None
        self._name = technician_email(number)

    async def run(self) -> None:
        """Work until canceled; what goes wrong once is tried again."""
        started = False
        try:
            while True:
                try:
                    if not started:
                        await self._begin()
                        started = True
                    visit = await self._next_visit()
                    if visit is None:
                        await asyncio.sleep(IDLE_SECONDS)
                    else:
                        await self._make(visit)
                except (Refused, *TROUBLE) as problem:
                    self._tell(f"  {self._name} will try again: {problem}")
                    await asyncio.sleep(IDLE_SECONDS)
        finally:
            await self._client.close()

    async def _begin(self) -> None:
        who = (await self._client.ask(WHO))["viewer"]["user"]
        me = (await self._client.ask(ME, id=who["technicianId"]))["technician"]
        self._name = me["name"]
        # A real phone knows where it is; a simulated one begins at home, or where it was last.
        self._where = Point(**me["position"]["coordinates"]) if me["position"] else self._homes[who["technicianId"]]
        if me["status"] == "OFF":
            await self._client.do("checkIn")
        await self._client.do("reportPositions", positions=[self._position()])

    async def _next_visit(self) -> dict[str, Any] | None:
        visits = (await self._client.ask(VISITS))["appointments"]["nodes"]
        begun = [visit for visit in visits if visit["status"] != "DISPATCHED"]
        return next(iter(begun or visits), None)

    async def _make(self, visit: dict[str, Any]) -> None:
        id, site = visit["id"], visit["site"]
        there = Point(**site["coordinates"])
        status = visit["status"]
        if status == "DISPATCHED":
            await self._client.do("depart", id=id, etaAt=self._eta(there).isoformat())
            status = "EN_ROUTE"
        if status == "EN_ROUTE":
            await self._drive(there)
            await self._client.do(
                "arrive", id=id, latitude=there.latitude, longitude=there.longitude, accuracyMetres=ACCURACY_METRES,
            )  # fmt: skip
            status = "ON_SITE"
        if status == "ON_SITE":
            await self._pace.pass_minutes(3, 1.0)
            await self._client.do("startWork", id=id)
        elif status == "PAUSED":
            await self._client.do("resumeWork", id=id)
        await self._pace.pass_minutes(visit["durationMinutes"] * self._random.uniform(0.7, 1.25), SHORTEST_WORK_SECONDS)
        await self._finish(visit)

    async def _finish(self, visit: dict[str, Any]) -> None:
        work_order_id = visit["workOrder"]["id"]
        await self._client.do(
            "addNote", workOrderId=work_order_id, text=f"Found: {visit['workOrder']['summary']}. Mended and tested.",
            visibility="CUSTOMER",
        )  # fmt: skip
        await self._client.do(
            "addLineItem", workOrderId=work_order_id, kind="LABOR", description="On-site service", quantity="1",
        )  # fmt: skip
        # The last visit's end completes the work order, for its papers are in order.
        await self._client.do("completeAppointment", id=visit["id"], result="COMPLETED")

    def _minutes_to(self, there: Point) -> float:
        assert self._where is not None
        return 1.3 * great_circle_metres(self._where, there) / DRIVING_METRES_PER_MINUTE

    def _eta(self, there: Point) -> datetime:
        return utc_now() + timedelta(seconds=self._pace.seconds(self._minutes_to(there), SHORTEST_DRIVE_SECONDS))

    async def _drive(self, there: Point) -> None:
        assert self._where is not None
        start = self._where
        seconds = self._pace.seconds(self._minutes_to(there), SHORTEST_DRIVE_SECONDS)
        steps = max(2, math.ceil(seconds / TICK_SECONDS))
        heading = heading_between(start, there)
        noted: list[dict[str, Any]] = []
        for step in range(1, steps + 1):
            await asyncio.sleep(seconds / steps)
            done = step / steps
            self._where = Point(
                start.latitude + (there.latitude - start.latitude) * done,
                start.longitude + (there.longitude - start.longitude) * done,
            )
            moves = step < steps
            noted.append(self._position(heading=heading, speed=DRIVING_METRES_PER_MINUTE / 60 if moves else 0.0))
            # As a phone does that saves its battery: some at once, and what did not get through comes along next time.
            if len(noted) >= POSITIONS_AT_ONCE or not moves:
                with suppress(Refused):  # positions that are refused are no reason to stop driving
                    await self._client.do("reportPositions", positions=noted)
                    noted = []

    def _position(self, *, heading: float | None = None, speed: float = 0.0) -> dict[str, Any]:
        assert self._where is not None
        return {
            "latitude": self._where.latitude,
            "longitude": self._where.longitude,
            "at": utc_now().isoformat(),
            "accuracyMetres": ACCURACY_METRES,
            "heading": heading,
            "speedMetresPerSecond": speed,
        }


def heading_between(start: Point, there: Point) -> float:
    """In which direction somebody drives: degrees from north, clockwise. In a city the earth is flat."""
    north = there.latitude - start.latitude
    east = (there.longitude - start.longitude) * math.cos(math.radians(start.latitude))
    return math.degrees(math.atan2(east, north)) % 360
