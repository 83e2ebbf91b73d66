"""How a road server is talked to: some requests at a time, tried again while it is busy, left alone while it is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import orjson
import structlog

from app.infrastructure import metrics
from app.infrastructure.http_client import Answer, HttpClient, OutboundError
from app.infrastructure.loops import Outage, back_off
from app.infrastructure.roads.points import Away, Point, Refusal, Refused, RouteLeg, Table
from app.infrastructure.roads.provider import Ask, Provider
from app.kernel.addresses import Declared
from app.kernel.calendar import utc_now

T = TypeVar("T")

TRIES = 3
RETRY_SECONDS_MIN = 0.1
RETRY_SECONDS_MAX = 2.0
REST_SECONDS_MIN = 5.0
REST_SECONDS_MAX = 60.0
# A server that asks to be left alone for longer is asked again after that all the same.
RESPECTED_SECONDS_MAX = 600.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
BUSY = 429
TOO_LONG = (413, 414, 431)

log = structlog.get_logger(__name__)


class Circuit:
    """Whether a server is asked at all. After a failure it rests for a while, then one question tries whether it is back."""

    def __init__(
        self,
        what: str,
        *,
        seconds_min: float = REST_SECONDS_MIN,
        seconds_max: float = REST_SECONDS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outage = Outage(what, seconds_min=seconds_min, seconds_max=seconds_max)
        self._clock = clock
        self._rests_until = 0.0
        self._trial_until = 0.0

    def may_ask(self, trial_seconds: float) -> bool:
        """Whether to ask now; of many who ask after a rest, one may, and the others when that took too long."""
        now = self._clock()
        if not self._outage.failures:
            return True
        if now < self._rests_until or now < self._trial_until:
            return False
        self._trial_until = now + trial_seconds
        return True

    def failed(self, error: Exception) -> None:
        """There was no answer, or one that says that we are set up wrongly."""
        now = self._clock()
        # Questions that were under way together fail together: that is one failure.
        if now >= self._rests_until:
            asked_for = error.retry_seconds if isinstance(error, Away) else None
            self._rests_until = now + max(self._outage.failed(error), min(asked_for or 0.0, RESPECTED_SECONDS_MAX))
        self._trial_until = 0.0

    def answered(self) -> None:
        """It answers."""
        self._outage.recovered()
        self._trial_until = 0.0


class RoadServer:
    """One server of roads by its address."""

    def __init__(
        self,
        provider: Provider,
        url: str,
        *,
        timeout_seconds: float = 5.0,
        concurrency: int = 4,
        tries: int = TRIES,
        circuit: Circuit | None = None,
    ) -> None:
        self.provider = provider
        self.concurrency = concurrency
        # Only what tells servers apart: an address may carry a key.
        self.circuit = circuit or Circuit(f"the road server at {urlsplit(url).hostname}")
        self._tries = tries
        self._timeout_seconds = timeout_seconds
        self._places = asyncio.Semaphore(concurrency)
        address = urlsplit(url)
        self._parameters = dict(parse_qsl(address.query))
        self._base = address._replace(query="", fragment="").geturl().rstrip("/") + "/"
        self._http = HttpClient(
            Declared.of(url),
            timeout_seconds=timeout_seconds,
            answer_bytes_max=ANSWER_BYTES_MAX,
            connections_max=concurrency,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def table(self, sources: list[Point], targets: list[Point]) -> Table:
        """The ways from each source to each target, by one request; ``Away`` or ``Refused`` otherwise."""
        return await self._patiently(
            self.provider.ask_table(sources, targets),
            lambda status, answer: self.provider.read_table(status, answer, len(sources), len(targets)),
        )

    async def route(self, points: list[Point]) -> list[RouteLeg]:
        """The way along some points; ``Away`` or ``Refused`` otherwise."""
        return await self._patiently(
            self.provider.ask_route(points),
            lambda status, answer: self.provider.read_route(status, answer, len(points) - 1),
        )

    async def _patiently(self, ask: Ask, read: Callable[[int, Any], T]) -> T:
        async with self._places:
            if not self.circuit.may_ask(self._tries * (self._timeout_seconds + RETRY_SECONDS_MAX)):
                raise Away("it is given a rest")
            try:
                made = await self._again_and_again(lambda: self._once(ask, read))
            except Refused as error:
                metrics.count_road_request("refused")
                if error.refusal is Refusal.WRONG:
                    log.error("the road server refuses what it is asked; see TRUCKROLL_TRAVEL_…", said=str(error))
                    self.circuit.failed(error)
                else:
                    self.circuit.answered()
                raise
            except Away as error:
                metrics.count_road_request("failed")
                self.circuit.failed(error)
                raise
        metrics.count_road_request("answered")
        self.circuit.answered()
        return made

    async def _again_and_again(self, work: Callable[[], Awaitable[T]]) -> T:
        for failures in range(1, self._tries):
            try:
                return await work()
            except Away as error:
                wait = back_off(failures, RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
                if error.retry_seconds is not None and error.retry_seconds > RETRY_SECONDS_MAX:
                    raise
                await asyncio.sleep(max(wait, error.retry_seconds or 0.0))
        return await work()

    async def _once(self, ask: Ask, read: Callable[[int, Any], T]) -> T:
        try:
            answer = await self._send(ask)
        except OutboundError as error:
            raise Away(error.cause) from None
        if answer.status in TOO_LONG:
            raise Refused(Refusal.TOO_LARGE, f"HTTP {answer.status}")
        if answer.status == BUSY or (answer.status >= 500 and answer.status != 501):
            raise Away(f"HTTP {answer.status}", _retry_seconds(answer.headers.get("retry-after", "")))
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            if answer.status == 200:
                raise Away("the answer is not JSON") from None
            said = None
        return read(answer.status, said)

    async def _send(self, ask: Ask) -> Answer:
        return await self._http.send(
            "GET" if ask.body is None else "POST",
            self._base + ask.path.lstrip("/"),
            headers={"accept": "application/json"},
            parameters={**self._parameters, **(ask.parameters or {})} or None,
            json=ask.body,
        )


def _retry_seconds(text: str) -> float | None:
    """What ``Retry-After`` asks for: seconds, or a date."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - utc_now()).total_seconds())
    except (TypeError, ValueError):
        return None
