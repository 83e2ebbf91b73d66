"""Where everything meets in the background: a process that follows the journal, keeps the timers and works off the jobs."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import structlog
import uvicorn
from starlette.applications import Starlette

from app import probes, process
from app.settings import Settings
from schema import schema

# The API is asked by jobs that write exports; they register themselves with it.
ASKED_BY_JOBS = schema.api

log = structlog.get_logger(__name__)


async def work(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    process.prepare_folders(settings)
    listener = None
    if settings.worker_port is not None:
        listener = process.listen(settings.host, settings.worker_port, "TRUCKROLL_WORKER_PORT")
    await process.require_current_schema(settings)
    async with process.running(settings, background=True), _answering_probes(listener, settings.metrics_token):
        log.info("working", database=settings.database_url, broadcast=settings.broadcast_url)
        await stop.wait()
        log.info("stopping")


@contextlib.asynccontextmanager
async def _answering_probes(listener: socket.socket | None, metrics_token: str | None) -> AsyncIterator[None]:
    """Serve the probes and nothing else, if there is something to listen on."""
    if listener is None:
        yield
        return
    config = uvicorn.Config(
        Starlette(routes=probes.routes(metrics_token)),
        access_log=False,
        server_header=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="probes")
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({serving})


class _Server(uvicorn.Server):
    """A server that is a guest of its process: signals are the host's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield
