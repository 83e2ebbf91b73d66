"""What every process of ours opens at its start and closes at its end: logs, database, broadcast, background work."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from app import database
from app.database import wall
from app.identity import reactions as identity_reactions
from app.infrastructure import (
    archives,
    broadcast,
    chain,
    erasing,
    followers,
    heads,
    http_client,
    jobs,
    keyring,
    limits,
    links,
    logs,
    notes,
    outbox,
    personal_data,
    retention,
    roads,
    sealing,
    storage,
    tail,
    texts,
    timers,
)
from app.integrations import reactions as integrations_reactions
from app.kernel.errors import ConfigurationError
from app.messaging import reactions as messaging_reactions
from app.scheduling import parts, travel
from app.scheduling import reactions as scheduling_reactions
from app.settings import LogFormat, Settings, Switch, TravelProvider
from app.technicians import reactions as technicians_reactions
from app.work_orders import reactions as work_orders_reactions

# What the rooms do in the background registers itself when it is imported.
REACTIONS = (
    identity_reactions,
    technicians_reactions,
    messaging_reactions,
    work_orders_reactions,
    scheduling_reactions,
    integrations_reactions,
)
DRAIN_SECONDS = 10.0

log = structlog.get_logger(__name__)


def configure_logs(settings: Settings) -> None:
    """Log as the settings say."""
    as_json = None if settings.log_format is LogFormat.AUTO else settings.log_format is LogFormat.JSON
    logs.configure(settings.log_level, json=as_json)


def prepare_folders(settings: Settings) -> None:
    """Make the folders that the settings name, or say which one cannot be made."""
    folders = [settings.data_folder]
    if settings.embedded and (path := settings.database_url.removeprefix("sqlite:///")) != settings.database_url:
        folders.append(Path(path).parent)
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ConfigurationError(
                f"The folder {folder} cannot be made ({problem.strerror}); set TRUCKROLL_DATA_FOLDER or "
                "TRUCKROLL_DATABASE_URL to a place that can be written to."
            ) from None


def listen(host: str, port: int, port_setting: str) -> socket.socket:
    """A listening socket, or ``ConfigurationError`` when the address is taken or not ours."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise ConfigurationError(
            f"Cannot listen on {host}:{port} ({problem.strerror}); set TRUCKROLL_HOST or {port_setting}."
        ) from None
    listener.listen(2048)
    return listener


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[None]:
    """The database, connected and up to date; no background work, no broadcast."""
    prepare_folders(settings)
    chain.configure(settings.journal_keys)
    archives.configure(settings.journal_archive or settings.data_folder / "journal")
    retention.configure(settings.journal_days)
    heads.configure(settings.audit_key, settings.audit_heads or settings.data_folder / "heads")
    links.configure(settings.public_address, settings.allowed_origins)
    await database.connect(settings.database_url, pool_max=settings.database_pool_max)
    wall.raise_wall(up=settings.row_level_security is Switch.ON)
    try:
        if settings.row_level_security is Switch.ON:
            await wall.require_wall(database.connection())
        personal_data.require_rules()
        await keyring.start(settings.encryption_keys, settings.data_folder)
        yield
    finally:
        await database.drain(DRAIN_SECONDS)
        await database.disconnect()


async def set_up_wall(settings: Settings) -> None:
    """Give the tables their policies, or take them away, as the settings say. The database is PostgreSQL then."""
    await database.connect(settings.database_url)
    try:
        is_wanted = settings.row_level_security is Switch.ON
        await (wall.build_wall if is_wanted else wall.take_wall_down)(database.connection())
    finally:
        await database.disconnect()


async def require_current_schema(settings: Settings) -> None:
    """Refuse to work on a database that lacks migrations."""
    if missing := await database.pending(settings.database_url):
        raise ConfigurationError(
            f"The database lacks the migrations {', '.join(missing)}; run `truckroll migrate` first."
        )


@asynccontextmanager
async def running(settings: Settings, *, background: bool) -> AsyncIterator[None]:
    """Everything a process needs to serve; with ``background`` it also follows the journal and works off jobs."""
    async with connected(settings):
        await broadcast.start(settings.broadcast_url)
        await limits.start(settings.broadcast_url)
        await texts.start(settings.broadcast_url)
        await http_client.start(settings.outbound_allowed)
        parts.configure(settings.planner_parts_from)
        await start_travel(settings)
        open_folders(settings)
        notes.start()
        loops = [asyncio.create_task(notes.run_notes(), name="notes")]
        if background:
            loops += _start_background(settings)
        # What is there now stays. Not frozen, each full collection would look through all of it, for a tenth of a second.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await tail.stop()
            await roads.stop()
            await http_client.stop()
            await texts.stop()
            await limits.stop()
            await broadcast.stop()


def open_folders(settings: Settings) -> None:
    """Where this process keeps files, exports, what leaves the house, and copies of people's data."""
    storage.configure(settings.data_folder / "files")
    storage.configure_exports(settings.data_folder / "exports", settings.export_megabytes_max)
    outbox.configure(settings.data_folder / "outbox")
    erasing.configure(settings.data_folder)


async def start_travel(settings: Settings) -> None:
    """Estimate ways as the settings say, or ask the road server that they name."""
    travel.configure(travel.Traffic(settings.travel_kilometres_per_hour, settings.slow_hours))
    await roads.start(
        None if settings.travel_provider is TravelProvider.ESTIMATE else settings.travel_provider.value,
        settings.travel_url,
        profile=settings.travel_profile,
        timeout_seconds=settings.travel_timeout_seconds,
        places_max=settings.travel_places_max,
        concurrency=settings.travel_concurrency,
        days=settings.travel_cache_days,
    )


def _start_background(settings: Settings) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(followers.run_followers(), name="followers"),
        asyncio.create_task(sealing.run_sealing(), name="sealing"),
        asyncio.create_task(jobs.run_jobs(concurrency=settings.planner_processes + 1), name="jobs"),
        asyncio.create_task(jobs.run_jobs(concurrency=1, apart=True), name="long jobs"),
        asyncio.create_task(timers.run_timers(), name="timers"),
    ]
