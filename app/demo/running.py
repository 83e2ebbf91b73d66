"""``truckroll demo``: the company, the server and the simulated technicians, in one process that Ctrl-C ends cleanly."""

import asyncio
import contextlib
import socket
from datetime import timedelta
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
from app.main import listen, server_of
from app.settings import Introspection, Settings, read_settings
from app.technicians.models import Shift, Technician

FOLDER = Path("var/demo")
QUERIES = (
    "{ workOrders(first: 5, order: [{ by: PRIORITY, descending: true }]) { totalCount nodes { number summary priority status } } }",
    "{ technicians(first: 12) { nodes { name statusLabel position { latitude longitude } } } }",
    "subscription { appointmentChanged { at fact appointment { statusLabel workOrder { number summary } } } }",
)


def run_demo(*, fresh: bool, speed: float, seed: int) -> None:
    """Run until Ctrl-C."""
    settings = demo_settings()
    process.configure_logs(settings)
    if fresh:
        for file in FOLDER.glob("truckroll.db*"):
            file.unlink()
    process.prepare_folders(settings)
    listener = listen(settings)
    server = server_of(settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(prepare(settings, seed))
        # uvicorn takes the signals while it serves and stops; the simulation ends with it.
        runner.run(_live(server, listener, settings, speed, seed))


def demo_settings() -> Settings:
    """The environment's settings, but with a database of the demo's own unless one is named."""
    given = read_settings()
    values = given.model_dump()
    if "database_url" not in given.model_fields_set:
        values["database_url"] = f"sqlite:///{FOLDER}/truckroll.db"
    if "data_folder" not in given.model_fields_set:
        values["data_folder"] = FOLDER
    if "introspection" not in given.model_fields_set:
        values["introspection"] = Introspection.EVERYBODY
    if "log_level" not in given.model_fields_set:
        values["log_level"] = "WARNING"
    return Settings.model_validate(values)


async def prepare(settings: Settings, seed: int) -> None:
    """Bring the database up to date, found the company if it is not there yet, and put everybody on duty."""
    click.echo(f"Database: {settings.database_url}")
    await database.migrate(settings.database_url)
    async with process.connected(settings):
        found = await database.read_rows('SELECT "id" FROM "organization" ORDER BY "created_at" LIMIT 1')
        if found:
            organization_id = str(found[0][0])
            click.echo(f"{company.NAME} goes on where it stopped.")
        else:
            click.echo(f"Founding {company.NAME} …")
            organization_id = await company.found_company(seed)
        await _put_on_duty(system_actor(organization_id))


async def _put_on_duty(actor: Actor) -> None:
    technicians = await find_rows(Technician, Technician.visible_to(actor) & (column("is_active") == True))  # noqa: E712
    soon = utc_now() + timedelta(hours=1)
    covered = await find_rows(
        Shift, Shift.visible_to(actor) & (column("starts_at") <= utc_now()) & (column("ends_at") > soon)
    )
    on_duty = {shift.technician_id for shift in covered}
    await company.open_shifts(actor, [one.id for one in technicians if one.id not in on_duty])


async def _live(server: uvicorn.Server, listener: socket.socket, settings: Settings, speed: float, seed: int) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.05)
    if serving.done():
        await serving
        return
    port = listener.getsockname()[1]
    url = f"http://{settings.host}:{port}"
    _tell(url)
    simulation = asyncio.create_task(Simulator(url, speed=speed, seed=seed, tell=click.echo).run())
    await asyncio.wait({serving, simulation}, return_when=asyncio.FIRST_COMPLETED)
    simulation.cancel()
    # A simulation that failed ends the demo with its reason; one that was cancelled has done its work.
    server.should_exit = True
    await serving
    with contextlib.suppress(asyncio.CancelledError):
        await simulation
    click.echo("Stopped. The next `make demo` goes on from here; `truckroll demo --fresh` begins anew.")


def _tell(url: str) -> None:
    dispatcher = next(one for one in company.logins() if one.email.startswith("dispatcher@"))
    fragment = f"#email={quote(dispatcher.email)}&password={quote(company.PASSWORD)}"
    click.echo(f"\n  Live page   {url}/{fragment}")
    click.echo(f"  GraphiQL    {url}/graphql{fragment}")
    click.echo(f"  API         {url}/graphql  (WebSocket: the same, graphql-transport-ws)")
    click.echo(f"\n  Logins, all with the password: {company.PASSWORD}")
    for login in company.logins():
        click.echo(f"    {login.email:<28} {login.role.replace('_', ' ').lower()}")
    click.echo("\n  Three to paste into GraphiQL:")
    for query in QUERIES:
        click.echo(f"    {query}")
    click.echo("\n  Ctrl-C stops.\n")
