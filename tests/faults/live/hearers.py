"""Clients that follow the journal, each by one of the doors there are. They connect again by themselves, now to one server
and now to another, with the cursor of the last event they have; what they heard is their history.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import httpx
import orjson
import websockets

from app.infrastructure import journal
from tests.faults.live.company import Audience

PREFIXES = {"workOrder": "wo", "appointment": "apt", "technician": "tech"}
NOUNS = ("work order", "appointment", "technician")
FOLLOW = "subscription($after: String, $ids: [ID!]) { %(noun)sChanged(after: $after, ids: $ids) { cursor at fact %(noun)sId } }"
POLL = """query($after: String!, $nouns: [String!]) { changes(after: $after, nouns: $nouns) {
  nodes { cursor at fact subjectId } cursor hasMore } }"""
BREAKS = (OSError, TimeoutError, EOFError, websockets.WebSocketException, httpx.HTTPError)
# The server says so of itself, or of its database: whoever hears it asks again.
PASSING = frozenset({"UNAVAILABLE", "RATE_LIMITED"})


class Told(NamedTuple):
    """A fact, as a client hears it or as the journal has it."""

    seq: int
    fact: str
    subject_id: str


class Hearer:
    """One subscription on a socket of its own."""

    door = "socket"

    def __init__(
        self, audience: Audience, noun: str, urls: Sequence[str], after: str, organization_id: str,
        ids: Sequence[str] | None = None, *, drops_after: int | None = None,
    ) -> None:  # fmt: skip
        self.audience = audience
        self.noun = noun
        self.ids = None if ids is None else list(ids)
        self.after = after
        self.start = journal.seq_of(after, organization_id)
        self.heard: list[Told] = []
        self.delays: list[tuple[float, float]] = []
        self.ended: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._organization_id = organization_id
        self._urls = list(urls)
        self._drops_after = drops_after

    def __str__(self) -> str:
        return f"{self.audience.name} at {self.noun} by {self.door}"

    def concerns(self, subject_id: str) -> bool:
        """Whether a fact about this is what was asked for."""
        return subject_id.partition("_")[0] == PREFIXES[self.noun] and (self.ids is None or subject_id in self.ids)

    async def run(self) -> None:
        """Follow until canceled."""
        while True:
            try:
                self.ended[await self._listen(random.choice(self._urls))] += 1
            except BREAKS as broken:
                self.ended[type(broken).__name__] += 1
            await asyncio.sleep(random.uniform(0.02, 0.1))

    async def _listen(self, url: str) -> str:
        """Hear what comes over one connection; why it is over."""
        address = f"{url.replace('http', 'ws', 1)}/graphql"
        async with websockets.connect(
            address, subprotocols=["graphql-transport-ws"], ping_interval=None, compression=None, close_timeout=0.1
        ) as socket:
            hello = {"type": "connection_init", "payload": {"authorization": f"Bearer {self.audience.token}"}}
            await socket.send(orjson.dumps(hello).decode())
            subscribe = {"id": "1", "type": "subscribe", "payload": self._request()}
            await socket.send(orjson.dumps(subscribe).decode())
            left = self._drops_after
            async for text in socket:
                message = orjson.loads(text)
                if message["type"] == "next":
                    self._take(message["payload"])
                    left = None if left is None else left - 1
                    if left == 0:
                        socket.transport.abort()
                        return "dropped"
                elif message["type"] == "error":
                    self._refused(message["payload"])
                    return "error"
                elif message["type"] == "complete":
                    return "complete"
            return f"closed {socket.close_code}"

    def _request(self) -> dict[str, Any]:
        return {"query": FOLLOW % {"noun": self.noun}, "variables": {"after": self.after, "ids": self.ids}}

    def _take(self, payload: dict[str, Any]) -> None:
        if payload.get("errors"):
            self._refused(payload["errors"])
            return
        event = payload["data"][f"{self.noun}Changed"]
        self._note(event, event[f"{self.noun}Id"])

    def _note(self, event: dict[str, Any], subject_id: str) -> None:
        self.after = event["cursor"]
        seq = journal.seq_of(event["cursor"], self._organization_id)
        self.heard.append(Told(seq, event["fact"], subject_id))
        happened = datetime.fromisoformat(event["at"]).timestamp()
        self.delays.append((happened, time.time() - happened))

    def _refused(self, errors: list[dict[str, Any]]) -> None:
        self.wrong += [str(error) for error in errors if error["extensions"]["code"] not in PASSING]


class StreamHearer(Hearer):
    """One subscription as server-sent events, resumed by ``Last-Event-ID`` alone."""

    door = "events"

    async def _listen(self, url: str) -> str:
        headers = {"authorization": f"Bearer {self.audience.token}", "accept": "text/event-stream"}
        headers["last-event-id"] = self.after
        body = {**self._request(), "variables": {"ids": self.ids}}
        async with (
            httpx.AsyncClient(timeout=httpx.Timeout(5, read=None)) as http,
            http.stream("POST", f"{url}/graphql", json=body, headers=headers) as response,
        ):
            if response.status_code != 200:
                self._refused(orjson.loads(await response.aread())["errors"])
                return f"status {response.status_code}"
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self._take(orjson.loads(line.removeprefix("data: ")))
                elif line == "event: complete":
                    return "complete"
        return "broken off"


class Poller(Hearer):
    """One who asks ``changes`` again and again instead."""

    door = "polling"

    def concerns(self, subject_id: str) -> bool:
        """All kinds at once."""
        return subject_id.partition("_")[0] in PREFIXES.values()

    async def _listen(self, url: str) -> str:
        headers = {"authorization": f"Bearer {self.audience.token}"}
        async with httpx.AsyncClient(base_url=url, timeout=5, headers=headers) as http:
            while True:
                body = {"query": POLL, "variables": {"after": self.after, "nouns": [*NOUNS]}}
                answer = (await http.post("/graphql", json=body)).json()
                if answer.get("errors"):
                    self._refused(answer["errors"])
                    return "error"
                page = answer["data"]["changes"]
                for event in page["nodes"]:
                    self._note(event, event["subjectId"])
                self.after = page["cursor"]
                if not page["hasMore"]:
                    await asyncio.sleep(0.3)
