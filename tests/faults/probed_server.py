"""A server that says how it felt: the longest time its loop was kept by one piece of work, its CPU time, and its memory.

Times are of the CPU that the loop's own thread used, so that a busy machine does not count: a loop that is kept from its
next turn by a computation has used as much CPU meanwhile. ``/probe`` tells, and begins anew. With
``TRUCKROLL_TEST_UNGUARDED=1`` nothing judges what a document asks for: the control, which must show what the guard is for.
"""

import asyncio
import os
import time
from typing import Any

import orjson
import psutil

from app import main
from app.process import configure_logs
from app.settings import read_settings
from schema.kit import measuring, scalars, service

TURN_SECONDS = 0.002


class Probe:
    """An application with ``/probe`` before another one."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._watching: asyncio.Task[None] | None = None
        self._process = psutil.Process()
        self._begin()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        if scope.get("path") != "/probe":
            await self._app(scope, receive, send)
            return
        self._look()
        told = {
            "stall_ms": self._longest * 1000,
            "cpu_ms": (time.thread_time() - self._begun) * 1000,
            "rss_mib": self._process.memory_info().rss / 2**20,
        }
        self._begin()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": orjson.dumps(told)})

    def _begin(self) -> None:
        self._longest = 0.0
        self._begun = self._last = time.thread_time()

    def _look(self) -> None:
        now = time.thread_time()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TURN_SECONDS)
            self._look()


def unguard() -> None:
    """Let everything through that the guard, the parser's count of tokens and the rule for texts would refuse."""
    service.guard = lambda *_, **__: measuring.Measure()  # type: ignore[assignment]
    scalars.MARKS_MAX = 10**9
    from schema.kit import execution, limits

    for module in (execution, limits):
        module.DOCUMENT_BYTES_MAX = module.TOKENS_MAX = 10**9


if __name__ == "__main__":
    if os.environ.get("TRUCKROLL_TEST_UNGUARDED") == "1":
        unguard()
    settings = read_settings()
    configure_logs(settings)
    server = main.server_of(settings)
    server.config.app = Probe(server.config.app)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve())
