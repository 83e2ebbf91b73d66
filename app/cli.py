"""The command line: ``truckroll serve | worker | demo | setup | migrate | check | import | plan | followers | encrypt | rotate-keys | privacy | audit | permissions | schema``."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.kernel.actor import system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfigurationError, Problem
from app.settings import Settings, read_settings

if TYPE_CHECKING:
    from schema.stability import Changelog

T = TypeVar("T")
SNAPSHOT = Path("schema/schema.graphql")
CHANGELOG = Path("CHANGELOG.md")

# Each command imports what it needs: `truckroll --help` should not wait for the ORM, nor `schema export` for the server.


class Commands(click.Group):
    """Says expected problems in one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as problem:
            click.echo(f"truckroll: {problem}", err=True)
            sys.exit(2)
        except Problem as problem:
            click.echo(f"truckroll: {problem.message}", err=True)
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="truckroll")
def main() -> None:
    """The backend field-service companies run on. Settings come from the environment, TRUCKROLL_…; see the README."""


@main.command()
def serve() -> None:
    """Serve the API, GraphiQL and the live page."""
    from app import main as server
    from app import process

    settings = read_settings()
    process.configure_logs(settings)
    server.serve(settings)


@main.command()
def worker() -> None:
    """Do the background work: follow the journal, keep timers, work off jobs such as plans."""
    from app import process
    from app import worker as background

    settings = read_settings()
    process.configure_logs(settings)
    run(background.work(settings))


@main.command()
@click.option("--fresh", is_flag=True, help="Forget the demo's data and begin anew.")
@click.option("--speed", default=30.0, show_default=True, help="How many times faster than the clock technicians work.")
@click.option("--seed", default=7, show_default=True, help="Another number, another company.")
def demo(fresh: bool, speed: float, seed: int) -> None:
    """Run a demo company in New York City, live, with simulated technicians, on an embedded database."""
    from app.demo import running

    running.run_demo(fresh=fresh, speed=speed, seed=seed)


@main.command()
@click.option("--name", prompt="Company", help="The company's name.")
@click.option("--time-zone", prompt="Time zone", default="UTC", show_default=True, help="Such as Europe/Berlin.")
@click.option("--currency", prompt="Currency", default="USD", show_default=True, help="Such as EUR.")
@click.option("--country", prompt="Country", default="US", show_default=True, help="Two letters, such as DE.")
@click.option("--email", prompt="Administrator's e-mail", help="The first administrator's login.")
@click.option("--legal-name", prompt="Administrator's name", help="The first administrator's name.")
@click.password_option(help="The first administrator's password.", envvar="TRUCKROLL_SETUP_PASSWORD")
def setup(name: str, time_zone: str, currency: str, country: str, email: str, legal_name: str, password: str) -> None:
    """Make a company and its first administrator."""
    from app.identity.set_up import set_up_organization

    async def make() -> None:
        organization_id = await set_up_organization(
            name=name,
            time_zone=time_zone,
            currency=currency,
            country=country,
            administrator_email=email,
            administrator_name=legal_name,
            password=password,
        )
        click.echo(f"{name} is {organization_id}. Sign in as {email}.")

    run_connected(read_settings(), make)


@main.command()
@click.option("--check", "only_check", is_flag=True, help="Change nothing; fail when models and migrations differ.")
@click.option("--make", "new", metavar="NAME", help="Write the migration that the models lack.")
@click.option("--history", "show_history", is_flag=True, help="List what has been applied.")
def migrate(only_check: bool, new: str | None, show_history: bool) -> None:
    """Bring the database up to date. Safe to run at any time, and from several processes at once."""
    from app import database, process

    settings = read_settings()
    if only_check:
        process.prepare_folders(settings)
        differences = run(database.check_drift(settings.database_url))
        for difference in differences:
            click.echo(difference, err=True)
        if differences:
            sys.exit(1)
        click.echo("Models and migrations agree.")
        return
    process.prepare_folders(settings)
    if new:
        for path in run(database.make_migration(new)):
            click.echo(f"Wrote {path}.")
        return
    if show_history:
        for name, at in run(database.history(settings.database_url)):
            click.echo(f"{at:%Y-%m-%d %H:%M} {name}")
        return
    applied = run(database.migrate(settings.database_url))
    if not settings.embedded:
        run(process.set_up_wall(settings))
    click.echo("\n".join(f"Applied {name}." for name in applied) or "The database is up to date.")


@main.command()
def check() -> None:
    """Say whether the settings can be used, the database is there and up to date, and the road server answers."""
    settings = read_settings()
    from app import process
    from app.infrastructure import roads

    if settings.trusted_documents is not None:
        from schema.kit.persisted import read_manifest
        from schema.schema import api  # the whole API: heavy

        read_manifest(settings.trusted_documents, api)

    async def look() -> None:
        click.echo(f"Settings are fine; the database ({_without_password(settings)}) answers and is up to date.")
        await process.start_travel(settings)
        try:
            wrong = await roads.probe()
        finally:
            await roads.stop()
        if wrong is not None:
            raise ConfigurationError(
                f"The road server does not answer as {settings.travel_provider.value} does ({wrong}), so ways are "
                "estimated; see to it, or set TRUCKROLL_TRAVEL_URL, TRUCKROLL_TRAVEL_PROVIDER or TRUCKROLL_TRAVEL_PROFILE."
            )
        if settings.travel_url is not None:
            click.echo(f"The road server ({settings.travel_provider.value}) answers.")

    run_connected(settings, look)


@main.group("import")
def import_group() -> None:
    """Take in data from files."""


@import_group.command("work-orders")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mapping", default="generic", show_default=True, help="How columns become fields; `--mapping list` shows all."
)
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option("--organization", metavar="ID", help="Whose they are; not needed when there is one organization.")
def import_work_orders(file: Path | None, mapping: str, dry_run: bool, organization: str | None) -> None:
    """Import work orders, with their customers and sites, from a CSV file. Repeating an import changes nothing."""
    from app.integrations.commands import Progress, import_file
    from app.integrations.mappings import MAPPINGS
    from app.integrations.rules import ImportOutcome

    if mapping == "list":
        for one in MAPPINGS.values():
            click.echo(f"{one.name}: {one.description}")
        return
    if file is None:
        raise click.UsageError("Name the FILE to import.")
    source = file

    async def take_in() -> bool:
        actor = system_actor(await _organization(organization))
        with click.progressbar(length=1, label=source.name, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

            def show(progress: Progress) -> None:
                bar.length = progress.total
                bar.update(progress.done - bar.pos)

            result = await import_file(actor, source, mapping, dry_run, show)
        for row in result.rows:
            for error in row.errors:
                where = f" {error.column}:" if error.column else ""
                click.echo(f"Row {row.row} ({row.external_id or 'no id'}):{where} {error.message}")
        counts = ", ".join(f"{result.count(outcome)} {outcome.lower()}" for outcome in ImportOutcome)
        click.echo(f"{'Dry run, nothing was changed: ' if dry_run else ''}{counts}.")
        return result.failed == 0

    sys.exit(0 if run_connected(read_settings(), take_in) else 1)


async def _organization(id: str | None) -> str:
    """The organization that is meant: the one named, or the only one."""
    from app import database

    known = [str(row[0]) for row in await database.read_rows('SELECT "id" FROM "organization" ORDER BY "id"')]
    if id is not None and id in known:
        return id
    if id is None and len(known) == 1:
        return known[0]
    if not known:
        raise click.ClickException("There is no organization yet; run `truckroll setup` first.")
    raise click.ClickException(f"Name the organization with --organization: {', '.join(known)}.")


PICTURE = click.Path(dir_okay=False, path_type=Path)


@main.command("plan")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(min=0), help="How long to search.")
@click.option("--seed", default=0, show_default=True, help="The same number, the same search.")
@click.option("--workers", type=click.IntRange(min=1), help="Searches side by side; as many as there are cores.")
@click.option("--out", type=PICTURE, metavar="PLAN.json", help="Write the plan (truckroll.plan/1).")
@click.option("--map", "map_file", type=PICTURE, metavar="MAP.svg|png", help="Draw the routes on a map.")
@click.option("--gantt", "gantt_file", type=PICTURE, metavar="DAY.svg|png", help="Draw the day, a row for each shift.")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), metavar="PLAN.json", help="For --check.")
@click.option(
    "--check", "only_check", is_flag=True, help="Search nothing; judge the plan of --plan. Exits 1 if it breaks a rule."
)
@click.option("--schema", "show_schema", is_flag=True, help="Print the JSON Schema of problems and plans.")
def plan_file(
    file: Path | None,
    seconds: float,
    seed: int,
    workers: int | None,
    out: Path | None,
    map_file: Path | None,
    gantt_file: Path | None,
    plan_file: Path | None,
    only_check: bool,
    show_schema: bool,
) -> None:
    """Plan the problem in FILE (truckroll.problem/1); Ctrl-C ends the search with the best plan so far."""
    from optimizer import console

    if show_schema:
        return click.echo(console.schema_text())
    if file is None or only_check != (plan_file is not None):
        raise click.UsageError("Name the FILE of a problem; --check and --plan belong together.")
    try:
        console.require_pictures(map_file, gantt_file)
        if plan_file is not None:
            sys.exit(0 if console.judge(file, plan_file, map_file, gantt_file, click.echo) else 1)
        with console.Progress(seconds, sys.stderr) as progress:
            problem, plan = console.solve_file(file, seconds, seed, progress, workers)
        console.hand_out(problem, plan, out, map_file, gantt_file, click.echo)
    except console.ConsoleError as error:
        click.echo(f"truckroll: {error}", err=True)
        sys.exit(2)
    return None


@main.group("followers")
def followers_group() -> None:
    """What follows the journal: how far it is, and what it could not do."""


@followers_group.command("status")
@click.option("--organization", metavar="ID", help="Whose journal; not needed when there is one organization.")
def show_followers(organization: str | None) -> None:
    """Show how many facts each follower has yet to handle and since when, and those set aside after the last try."""

    async def look() -> None:
        from app.infrastructure import followers

        organization_id = await _organization(organization)
        for one in await followers.status(organization_id):
            failing = "" if one.failing_seq is None else f", fact {one.failing_seq} failed {one.attempts} times"
            since = "" if one.oldest_at is None else f" for {_duration(utc_now() - one.oldest_at)}"
            click.echo(f"{one.follower}: {one.waiting} waiting{since}, {one.parked} set aside{failing}")
        for fact in await followers.find_parked_facts(organization_id):
            click.echo(f"{fact.id}: {fact.follower} failed at fact {fact.seq}, {fact.type}: {fact.error}")

    run_connected(read_settings(), look)


@followers_group.command("replay")
@click.argument("id", required=False)
@click.option("--follower", metavar="NAME", help="All that this follower set aside.")
@click.option("--all", "everything", is_flag=True, help="All that any follower set aside.")
@click.option("--organization", metavar="ID", help="Whose facts; not needed when there is one organization.")
def replay(id: str | None, follower: str | None, everything: bool, organization: str | None) -> None:
    """Let followers try again what was set aside, the oldest first: one by the ID that `followers status` shows, or many."""
    if sum((id is not None, follower is not None, everything)) != 1:
        raise click.UsageError("Name the ID of a fact, or a --follower, or say --all.")

    async def try_again() -> bool:
        from app.infrastructure import followers

        actor = system_actor(await _organization(organization))
        if id is not None:
            chosen = [id]
        else:
            if follower is not None and follower not in followers.FOLLOWERS:
                raise click.ClickException(f"There is no follower called {follower}.")
            parked = await followers.find_parked_facts(actor.organization_id)
            chosen = [one.id for one in parked if follower in (None, one.follower)]
        failures = []
        for one in chosen:
            try:
                await followers.replay_parked_fact(actor, one)
            except (Problem, ConfigurationError) as problem:
                if id is not None:
                    raise
                failures.append(f"{one}: {problem}")
            except Exception as error:  # noqa: BLE001  # whatever the follower stumbled over the first time
                failures.append(
                    f"{one}: the follower failed again, and nothing was changed: {type(error).__name__}: {error}"
                )
        click.echo(f"The followers have handled {len(chosen) - len(failures)} of {len(chosen)} facts.")
        click.echo("".join(f"{failure}\n" for failure in failures), nl=False, err=True)
        return not failures

    sys.exit(0 if run_connected(read_settings(), try_again) else 1)


def _duration(time: timedelta) -> str:
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"


@main.command("encrypt")
def encrypt() -> None:
    """Encrypt what encrypted columns keep from before there was encryption. Safe to repeat, and to break off."""
    _seal_anew()


@main.command("rotate-keys")
def rotate_keys() -> None:
    """Encrypt all fields anew with the first key of TRUCKROLL_FIELD_KEYS; then the others can go. Safe to break off."""
    _seal_anew()


def _seal_anew() -> None:
    from app.infrastructure import rotation

    async def seal() -> bool:
        columns = await rotation.seal_anew(lambda one: click.echo(f"{one}: {one.sealed} so far", err=True))
        for one in columns:
            failed = f", {one.failed} cannot be decrypted: the log says which" if one.failed else ""
            click.echo(f"{one}: {one.sealed} encrypted{failed}.")
        whole = not any(one.failed for one in columns)
        click.echo(
            "All is encrypted with the first key; no other is needed." if whole else "Other keys are still needed."
        )
        return whole

    sys.exit(0 if run_connected(read_settings(), seal) else 1)


@main.group("privacy")
def privacy_group() -> None:
    """People who were erased."""


ERASURES = click.Path(exists=True, dir_okay=False, path_type=Path)


@privacy_group.command("list")
@click.option("--from", "source", type=ERASURES, metavar="FILE", help="A list that was kept elsewhere.")
def list_erasures(source: Path | None) -> None:
    """Show who was erased and when, by ids, as the data folder has it."""
    from app.infrastructure import erasing

    erasing.configure(read_settings().data_folder)
    for one in erasing.read_list(source):
        click.echo(f"{one.at:%Y-%m-%d %H:%M} {one.organization_id} {one.person_id} {one.request_id}")


@privacy_group.command("reapply")
@click.option("--from", "source", type=ERASURES, metavar="FILE", help="A list that was kept elsewhere.")
def reapply(source: Path | None) -> None:
    """Erase again who came back with an older backup. Safe to repeat; do it before the processes start."""
    from app import process
    from app.identity.commands.privacy import reapply_erasure
    from app.infrastructure import erasing

    settings = read_settings()

    async def again() -> None:
        process.open_folders(settings)
        done = 0
        listed = erasing.read_list(source)
        for one in listed:
            done += await reapply_erasure(system_actor(one.organization_id), one)
        click.echo(f"{done} of {len(listed)} people were there again, and are erased.")

    run_connected(settings, again)


@main.group("audit")
def audit_group() -> None:
    """The journal as evidence: whether it is what was written."""


@audit_group.command("verify")
@click.option("--organization", metavar="ID", help="Whose journal; without it, all.")
@click.option("--head", "heads", multiple=True, metavar="LINE", help="A line of `audit head` from earlier.")
@click.option(
    "--heads", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with such lines."
)
@click.option("--public-key", metavar="KEY", help="Take heads only if they are signed with this key's private half.")
@click.option("--record", is_flag=True, help="Leave a fact in each journal that is as it was written.")
@click.option(
    "--unkeyed-to", default=0, metavar="SEQ", help="Up to this fact seals may be without the key, which came later."
)
def verify(
    organization: str | None,
    heads: tuple[str, ...],
    file: Path | None,
    public_key: str | None,
    record: bool,
    unkeyed_to: int,
) -> None:
    """Walk along every fact and its seal; name the first one that was altered, taken out, put in or moved."""
    from app.infrastructure import audit
    from app.infrastructure import heads as documents

    document = file.read_text(encoding="utf-8") if file is not None else None

    async def walk() -> bool:
        kept = [audit.read_head(line) for line in heads if line.strip()]
        if document is not None:
            kept += documents.read_document(document, public_key).heads
        wanted = [organization] if organization is not None else await audit.organizations()
        asked: list[tuple[str, audit.Head | None]] = [
            (one.organization_id, one) for one in kept if organization in (None, one.organization_id)
        ]
        asked += [(id, None) for id in wanted if id not in {one.organization_id for one in kept}]
        verdicts = [await audit.verify(id, head=head, unkeyed_to=unkeyed_to) for id, head in sorted(asked, key=str)]
        for one in verdicts:
            if one.broken is not None:
                click.echo(f"{one.organization_id}: fact {one.broken.seq} is wrong: {one.broken.reason}.", err=True)
            else:
                where = f", {one.archived} in the archive" if one.archived else ""
                told = f"{one.facts} facts, {one.sealed} of them sealed{where}: as they were written."
                click.echo(f"{one.organization_id}: {told}")
                if record and one.hash:
                    await documents.note_verified_journal(system_actor(one.organization_id), one.sealed, one.hash)
        return all(one.broken is None for one in verdicts)

    sys.exit(0 if run_connected(read_settings(), walk) else 1)


@audit_group.command("head")
@click.option("--organization", metavar="ID", help="Whose journal; without it, all.")
@click.option("--sign", is_flag=True, help="As a document that is signed with TRUCKROLL_AUDIT_KEY.")
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the terminal.")
def show_head(organization: str | None, sign: bool, target: Path | None) -> None:
    """Print the last sealed fact of each journal, to be kept elsewhere and given to `audit verify` later."""
    from app.infrastructure import audit
    from app.infrastructure import heads as documents

    async def look() -> tuple[str, int]:
        wanted = [organization] if organization is not None else await audit.organizations()
        found = [head for id in wanted if (head := await audit.find_head(id)) is not None]
        if sign:
            return documents.document_of(found, utc_now(), documents.require_key()), len(found)
        return "".join(f"{head}\n" for head in found), len(found)

    text, count = run_connected(read_settings(), look)
    if target is None:
        click.echo(text.rstrip() if count else "Nothing is sealed yet.", err=not count)
    else:
        target.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {count} heads to {target}.")


@audit_group.command("key")
@click.option("--public", is_flag=True, help="The public half of TRUCKROLL_AUDIT_KEY instead.")
def audit_key(public: bool) -> None:
    """Print a new private key to sign heads with, for TRUCKROLL_AUDIT_KEY."""
    from app.infrastructure import heads as documents

    if public:
        settings = read_settings()
        documents.configure(settings.audit_key, settings.data_folder)
        click.echo(documents.public_key_of(documents.require_key()))
    else:
        click.echo(documents.new_private_key())


@main.command()
@click.option("--all", "everything", is_flag=True, help="The whole table: rows, operations, fields and inputs, too.")
def permissions(everything: bool) -> None:
    """Print who may do what: permissions by role."""
    from schema import rules

    table = rules.rules_of_the_api()
    click.echo(rules.manifest_of(table).partition("\n")[2] if everything else rules.by_role(table), nl=False)


@main.group("schema")
def schema_group() -> None:
    """The API's schema as clients see it."""


@schema_group.command("export")
@click.option("--to", "target", default=SNAPSHOT, type=click.Path(dir_okay=False, path_type=Path), show_default=True)
def export(target: Path) -> None:
    """Write the schema to a file, and beside it the rules of who may do what."""
    from schema import rules
    from schema.schema import sdl

    target.write_text(sdl(), encoding="utf-8")
    manifest = target.with_name(rules.MANIFEST.name)
    manifest.write_text(rules.manifest_of(rules.rules_of_the_api()), encoding="utf-8")
    click.echo(f"Wrote {target} and {manifest}.")


@schema_group.command("check")
def check_schema() -> None:
    """Fail when the committed schema is not the one the code makes, or breaks what was released without saying so."""
    from datetime import date

    from schema import rules, stability
    from schema.kit.execution import core_of
    from schema.schema import api, sdl

    rules.require_declared(rules.rules_of_the_api())
    if not SNAPSHOT.exists() or SNAPSHOT.read_text(encoding="utf-8") != sdl():
        click.echo(f"{SNAPSHOT} is not up to date; run `truckroll schema export` and look at the difference.", err=True)
        sys.exit(1)
    now, released, changelog = core_of(api), stability.released_schema(), _changelog()
    if breaks := stability.unannounced(released, now, changelog, date.today()):  # noqa: DTZ011  # the maintainer's day
        click.echo(
            f"This breaks what was released. Name it under **Breaking** in {CHANGELOG}, or take it back:", err=True
        )
        click.echo("\n".join(f"- `{change.place}`: {change.description}" for change in breaks), err=True)
        sys.exit(1)
    if faults := stability.deprecation_faults(now, changelog):
        click.echo("\n".join(faults), err=True)
        sys.exit(1)
    notes = [f"Means something else than when it was released: {one.description}"
             for one in stability.changed_meanings(released, now)]  # fmt: skip
    for note in (*notes, *stability.overdue(now, date.today())):  # noqa: DTZ011  # as above
        click.echo(note, err=True)
    click.echo("The schema is the committed one, and breaks nothing that was released without saying so.")


@schema_group.command("docs")
@click.option(
    "--output", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Where to."
)
def write_docs(output: Path) -> None:
    """Write the reference that the server shows at /docs into a folder, as a static site."""
    from schema.docs.site import Site
    from schema.kit.execution import core_of
    from schema.schema import api

    click.echo(f"Wrote {Site(core_of(api)).write(output)} files to {output}.")


@schema_group.command("release")
def release_schema() -> None:
    """Make the schema the released one, with which `schema check` compares. The changelog must have the release's day."""
    from schema import stability
    from schema.schema import sdl

    version = stability.release(sdl(), _changelog())
    click.echo(f"{stability.RELEASED.name} is the schema of {version}.")


def _changelog() -> "Changelog":
    from schema.stability import read_changelog

    if not CHANGELOG.exists():
        raise ConfigurationError(f"There is no {CHANGELOG} here: run this in the checkout's folder.")
    return read_changelog(CHANGELOG.read_text(encoding="utf-8"))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end, on uvloop where there is one for the platform: background work gains a fifth by it."""
    with asyncio.Runner(loop_factory=_new_event_loop()) as runner:
        return runner.run(work)


def _new_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not find_spec("uvloop"):
        return None
    from uvloop import new_event_loop  # not on every platform

    return new_event_loop


def run_connected(settings: Settings, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run one coroutine function with the database, which must be there and up to date."""
    from app import process

    async def connected() -> T:
        await process.require_current_schema(settings)
        async with process.connected(settings):
            return await work()

    process.prepare_folders(settings)
    return run(connected())


def _without_password(settings: Settings) -> str:
    from urllib.parse import urlsplit

    address = urlsplit(settings.database_url)
    return settings.database_url if address.password is None else settings.database_url.replace(address.password, "…")


if __name__ == "__main__":
    main()
