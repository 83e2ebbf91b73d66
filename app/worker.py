"""Where everything meets in the background: a process that follows the journal, keeps the timers and works off the jobs."""

import asyncio
import signal

import structlog

from app import process
from app.settings import Settings

log = structlog.get_logger(__name__)


async def work(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    process.prepare_folders(settings)
    await process.require_current_schema(settings)
    async with process.running(settings, background=True):
        log.info("working", database=settings.database_url, broadcast=settings.broadcast_url)
        await stop.wait()
        log.info("stopping")
