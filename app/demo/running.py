"""``truckroll demo``: the company, the server and the simulated technicians, in one process that Ctrl-C ends cleanly."""

import asyncio
import contextlib
import socket
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import click
import uvicorn

from app import database, process
from app.demo import company
from app.demo.simulator import Simulator
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfigurationError, Problem
from app.kernel.permissions import Role
from app.main import server_of
from app.settings import Introspection, Settings, read_settings
from app.technicians.models import Shift, Technician

FOLDER = Path("var/demo")
OWN_DATABASE = f"sqlite:///{FOLDER}/truckroll.db"
SHIFT_CHECK_SECONDS = 300.0
# Each is valid against the schema, and a test says so.
QUERIES = (
    "{ workOrders(first: 5, orderBy: [{ field: PRIORITY, direction: DESC }]) { totalCount nodes { number summary priority statusLabel customer { name } } } }",
    "{ technicians(first: 12) { nodes { name statusLabel position { coordinates { latitude longitude } at } } } }",
    "subscription { appointmentChanged { at fact appointment { statusLabel workOrder { number summary } } } }",
)


def run_demo(*, fresh: bool, speed: float, seed: int) -> None:
    """Run until Ctrl-C."""
    settings = demo_settings()
    process.configure_logs(settings)
    listener = process.listen(
        settings.host, settings.port, "TRUCKROLL_PORT"
    )  # first: a demo that runs already keeps its data
    if fresh:
        _forget(settings)
    process.prepare_folders(settings)
    server = server_of(settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        organization_id = runner.run(prepare(settings, seed))
        # uvicorn takes the signals while it serves, and raises them again when it has stopped.
        with contextlib.suppress(KeyboardInterrupt):
            runner.run(_live(server, listener, settings, organization_id, speed, seed))
    click.echo("\nStopped. `truckroll demo` goes on from here; `truckroll demo --fresh` begins anew.")


def _forget(settings: Settings) -> None:
    if settings.database_url != OWN_DATABASE:
        raise ConfigurationError(
            "--fresh deletes the demo's own database only, and TRUCKROLL_DATABASE_URL names another; unset it, or empty "
            "that database yourself."
        )
    for file in FOLDER.glob("truckroll.db*"):
        file.unlink()


def demo_settings() -> Settings:
    """The environment's settings, but with a database of the demo's own unless one is named."""
    given = read_settings()
    values = given.model_dump()
    if "database_url" not in given.model_fields_set:
        values["database_url"] = OWN_DATABASE
    if "data_folder" not in given.model_fields_set:
        values["data_folder"] = FOLDER
    if "introspection" not in given.model_fields_set:
        values["introspection"] = Introspection.EVERYBODY
    if "log_level" not in given.model_fields_set:
        values["log_level"] = "WARNING"
    return Settings.model_validate(values)


async def prepare(settings: Settings, seed: int) -> str:
    """Bring the database up to date, found the company if it is not there yet, put everybody on duty; its id."""
    click.echo(f"Database: {settings.database_url}")
    await database.migrate(settings.database_url)
    async with process.connected(settings):
        actor = system_actor(await _company_id())
        # The organization comes first, all the rest at once: without people, the start was broken off between the two.
        if await find_rows(Technician, Technician.visible_to(actor), limit=1):
            click.echo(f"{company.NAME} goes on where it stopped.")
        else:
            await company.furnish_company(actor, seed)
        await put_on_duty(actor)
    return actor.organization_id


async def _company_id() -> str:
    found = await database.read_rows('SELECT "id", "name" FROM "organization" ORDER BY "created_at" LIMIT 1')
    if not found:
        click.echo(f"Founding {company.NAME} …")
        return await company.found_company()
    if found[0][1] != company.NAME:
        raise ConfigurationError(
            f"This database belongs to {found[0][1]}, and the demo invents things; unset TRUCKROLL_DATABASE_URL, or name an "
            "empty database."
        )
    return str(found[0][0])


async def put_on_duty(actor: Actor) -> None:
    """Open shifts for all whose shift does not last another hour."""
    crew = await find_rows(Technician, Technician.visible_to(actor) & (column("is_active") == True))  # noqa: E712
    now = utc_now()
    on_duty = await _working_at(actor, now) & await _working_at(actor, now + timedelta(hours=1))
    idle = [one.id for one in crew if one.id not in on_duty]
    if idle:
        await company.open_shifts(actor, idle)


async def _working_at(actor: Actor, moment: datetime) -> set[str]:
    during = (column("starts_at") <= moment) & (column("ends_at") > moment)
    return {shift.technician_id for shift in await find_rows(Shift, Shift.visible_to(actor) & during)}


async def _live(
    server: uvicorn.Server, listener: socket.socket, settings: Settings, organization_id: str, speed: float, seed: int
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.05)
    if not serving.done():
        url = f"http://{settings.host}:{listener.getsockname()[1]}"
        _tell(url)
        people = asyncio.create_task(Simulator(url, speed=speed, seed=seed, tell=click.echo).run())
        roster = asyncio.create_task(_keep_on_duty(system_actor(organization_id)))
        while not server.should_exit and not serving.done() and not people.done():  # noqa: ASYNC110  # nor for this
            await asyncio.sleep(0.2)
        # The people stop first: nobody should see a server that goes away.
        people.cancel()
        roster.cancel()
        ended = await asyncio.gather(people, roster, return_exceptions=True)
        server.should_exit = True
        await serving
        if isinstance(ended[0], Exception):
            raise ended[0]
    await serving


async def _keep_on_duty(actor: Actor) -> None:
    while True:
        await asyncio.sleep(SHIFT_CHECK_SECONDS)
        with contextlib.suppress(Problem):  # the next look will do
            await put_on_duty(actor)


def _tell(url: str) -> None:
    click.echo(f"\n  Live page   {url}/{fragment()}")
    click.echo(f"  GraphiQL    {url}/graphql{fragment()}")
    click.echo(f"  API         {url}/graphql  (WebSocket: the same, graphql-transport-ws)")
    click.echo(f"\n  Logins, all with the password: {company.PASSWORD}")
    for login in company.logins():
        click.echo(f"    {login.email:<28} {login.role.replace('_', ' ').lower()}")
    click.echo("\n  Three to paste into GraphiQL:")
    for query in QUERIES:
        click.echo(f"    {query}")
    click.echo("\n  Ctrl-C stops.\n")


def fragment() -> str:
    """What signs the dispatcher in, as the part of an address that never leaves the browser."""
    dispatcher = next(one for one in company.logins() if one.role is Role.DISPATCHER)
    return f"#email={quote(dispatcher.email)}&password={quote(company.PASSWORD)}"
