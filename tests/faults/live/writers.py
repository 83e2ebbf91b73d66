"""Writers: they work through a story of commands, each with its idempotency key, and repeat what got no answer."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.kernel.ids import new_id
from tests.faults.live.company import Company

ANSWER_SECONDS_MAX = 10
# Each visit has an hour of its own, so that none is refused because of another.
_hours = itertools.count()


def free_hour() -> str:
    """The beginning of an hour, from tomorrow on, for which nobody is booked."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return (now + timedelta(days=1, hours=next(_hours))).isoformat()


@dataclass(frozen=True)
class Attempt:
    """One time a command was sent."""

    began: float
    seconds: float
    answered: bool


class Writer:
    """One of several."""

    def __init__(self, number: int, company: Company, urls: Sequence[str]) -> None:
        self.attempts: list[Attempt] = []
        self.refused: list[Any] = []
        self._number = number
        self._company = company
        self._urls = [*urls[number % len(urls) :], *urls[: number % len(urls)]]
        self._technician = company.technicians[number % len(company.technicians)]

    async def run(self, stop: asyncio.Event, pause_seconds: float) -> None:
        """Write until told to stop; the command that is under way is brought to its end."""
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as http:
            for mutation, input in self._story():
                if stop.is_set():
                    return
                await self._do(http, mutation, input)
                await asyncio.sleep(pause_seconds)

    async def write(self, count: int) -> None:
        """Write so many commands, as fast as they are answered."""
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as http:
            for mutation, input in itertools.islice(self._story(), count):
                await self._do(http, mutation, input)

    def _story(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens: orders come, are changed, planned and sent out, and technicians say how they are."""
        for round in itertools.count():
            order, visit = new_id("wo"), new_id("apt")
            place = self._company.places[(self._number + round) % len(self._company.places)]
            standing = self._company.orders[round % len(self._company.orders)]
            booked = {"technicianIds": [self._technician], "startsAt": free_hour(), "durationMinutes": 45}
            yield "createWorkOrder", {**place, "id": order, "summary": f"Order {self._number}.{round}"}
            yield "updateWorkOrder", {"id": standing, "summary": f"Changed by {self._number}.{round}"}
            yield "createAppointment", {"id": visit, "workOrderId": order}
            yield "scheduleAppointment", {"id": visit, **booked, "overrideReason": "Nobody has a shift then."}
            yield "addNote", {"workOrderId": order, "text": "For the office alone.", "visibility": "INTERNAL"}
            yield "addNote", {"workOrderId": order, "text": "For the customer.", "visibility": "CUSTOMER"}
            status = ("AVAILABLE", "ON_BREAK")[round % 2]
            yield "changeTechnicianStatus", {"technicianId": self._technician, "status": status}
            yield "dispatchAppointment", {"id": visit}

    async def _do(self, http: httpx.AsyncClient, mutation: str, input: dict[str, Any]) -> None:
        """Send a command until somebody has answered it."""
        name = mutation[0].upper() + mutation[1:]
        document = f"mutation($input: {name}Input!) {{ {mutation}(input: $input) {{ errors {{ code message }} }} }}"
        headers = {"authorization": f"Bearer {self._company.administrator}", "idempotency-key": new_id("fact")}
        for url in itertools.cycle(self._urls):
            began = time.time()
            try:
                response = await http.post(
                    f"{url}/graphql", json={"query": document, "variables": {"input": input}}, headers=headers
                )
                answer = response.json()
            except (httpx.HTTPError, ValueError):
                answer = {"errors": [{"extensions": {"code": "UNAVAILABLE"}}]}
            problems = answer.get("errors") or answer["data"][mutation]["errors"]
            codes = {one.get("code") or one["extensions"]["code"] for one in problems}
            self.attempts.append(Attempt(began, time.time() - began, "UNAVAILABLE" not in codes))
            if "UNAVAILABLE" not in codes:
                self.refused += [(mutation, problem) for problem in problems]
                return
            await asyncio.sleep(0.1)
