"""Migrations: Tortoise's own operations and files, carried out by an executor and editors that keep every row and rule.

``migrate`` moves a database, ``make_migration`` writes what the models say and the migrations do not, ``build_schema``
builds a database from the models at once.
"""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tortoise.apps import Apps
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.migration import Migration
from tortoise.migrations.operations import Operation, RenameModel
from tortoise.migrations.writer import ImportManager, MigrationWriter, format_migration_name, render_value

from app.database.connecting import APP_LABEL, connection, open_connections, tortoise_config
from app.database.engines.sqlite import MEMORY
from app.database.migration.editors import MigrationError
from app.database.migration.executor import SafeExecutor
from app.database.migration.operations import RunDialectSQL, schema_extras
from app.database.migration.state import LazyState
from app.database.scripts import split_statements
from app.kernel.errors import ConfigurationError

# Another process may be migrating: that is worth waiting for.
WAIT_SECONDS = 600

Database = str | dict[str, Any]


async def migrate(database: Database, target: str | None = None) -> list[str]:
    """Take a database to a migration (``0003`` or its whole name; None: the latest; ``zero``: before the first).

    Returns the names of those applied or taken back, in order. Safe to call from several processes at once.
    """
    config = config_of(database)
    if credentials_of(config).get("file_path") == MEMORY:
        raise ConfigurationError("A database in memory is built from the models; there is nothing to migrate.")
    async with opened(config) as client:
        return await SafeExecutor(client, config["apps"]).run(target)


async def pending(database: Database) -> list[str]:
    """The migrations a database does not have yet, in order."""
    config = config_of(database)
    async with opened(config) as client:
        return await SafeExecutor(client, config["apps"]).pending()


async def history(database: Database) -> list[tuple[str, datetime]]:
    """The migrations a database has, and since when."""
    config = config_of(database)
    async with opened(config) as client:
        return [(key.name, at) for key, at in await SafeExecutor(client, config["apps"]).ledger.history()]


async def make_migration(name: str, database: Database = "sqlite://:memory:") -> list[Path]:
    """Write what the models have and the migrations have not as the next migration; no file when that is nothing."""
    config = config_of(database)
    detector = await detector_of(config)
    operations, dependencies = await detector.missing()
    if not operations:
        return []
    if renamed := next((one for one in operations if isinstance(one, RenameModel)), None):
        raise MigrationError(
            f"renaming the model {renamed.old_name} to {renamed.new_name} cannot be migrated; "
            "keep the class's name, or add the new table and delete the old one in two migrations"
        )
    number = detector._next_number(APP_LABEL)
    writer = _Writer(
        format_migration_name(number, name),
        APP_LABEL,
        operations,
        dependencies=dependencies,
        initial=True if number == 1 else None,
        migrations_module=config["apps"][APP_LABEL]["migrations"],
    )
    path = writer.write()
    importlib.invalidate_caches()
    return [path]


async def build_schema(client: BaseDBAsyncClient | None = None, model_modules: list[str] | None = None) -> None:
    """Create every table, rule and extra in the connected, empty database from the models at once."""
    client = client or connection()
    generator = client.schema_generator(client)
    modules = model_modules or list(dict.fromkeys(model.__module__ for model in generator._get_models_to_create()))
    await generator.generate_from_string(generator.get_create_schema_sql(safe=False))
    dialect = client.capabilities.dialect
    for extra in schema_extras(modules):
        for sql in extra.sql.get(dialect, ()):
            for statement in split_statements(sql) if dialect == "sqlite" else [sql]:
                await client.execute_script(statement)


class _Detector(MigrationAutodetector):
    def __init__(self, apps: Apps, config: dict[str, Any]) -> None:
        super().__init__(apps, config["apps"])
        self.model_modules: list[str] = config["apps"][APP_LABEL]["models"]

    async def missing(self) -> tuple[list[Operation], list[tuple[str, str]]]:
        """The operations that are missing, and the migrations they build on."""
        writers = await self.changes()
        operations: list[Operation] = [operation for writer in writers for operation in writer.operations]
        wanted = {extra.name: extra for extra in schema_extras(self.model_modules)}
        present = self._present_extras()
        gone = [extra.dropped() for name, extra in present.items() if wanted.get(name) != extra]
        new = [extra for name, extra in wanted.items() if present.get(name) != extra]
        leaves = sorted((key.app_label, key.name) for key in self.loader.graph.leaf_nodes(APP_LABEL))
        return [*gone, *operations, *new], leaves

    def _present_extras(self) -> dict[str, RunDialectSQL]:
        extras: dict[str, RunDialectSQL] = {}
        for key in self._full_plan():
            for operation in getattr(self.loader.graph.nodes[key], "operations", ()):
                if isinstance(operation, RunDialectSQL) and operation.name:
                    if operation.drops:
                        extras.pop(operation.name, None)
                    else:
                        extras[operation.name] = operation
        return extras

    async def _project_state(self) -> LazyState:
        state = LazyState.empty()
        for key in self._full_plan():
            migration = self.loader.graph.nodes[key]
            assert isinstance(migration, Migration)
            await migration.apply(state, dry_run=True)
        return state


class _Writer(MigrationWriter):
    def _format_operation(self, operation: Operation, imports: ImportManager, *, indent: str) -> list[str]:
        if not isinstance(operation, RunDialectSQL):
            return super()._format_operation(operation, imports, indent=indent)
        imports.add_from("app.database", "RunDialectSQL")
        arguments = [
            f"sql={render_value(operation.sql, imports)}",
            f"reverse={render_value(operation.reverse, imports)}",
        ]
        arguments += [f"name={operation.name!r}", *(["drops=True"] if operation.drops else [])]
        return [
            f"{indent}RunDialectSQL(",
            *(f"{indent}    {argument}," for argument in arguments),
            f"{indent}),",
        ]


async def detector_of(config: dict[str, Any]) -> _Detector:
    importlib.invalidate_caches()
    context = TortoiseContext()
    with context:
        await context.init(config=config, init_connections=False)
        assert context.apps is not None
        return _Detector(context.apps, config)


@asynccontextmanager
async def opened(config: dict[str, Any], *, with_models: bool = False) -> AsyncIterator[BaseDBAsyncClient]:
    """A connection of one's own, beside whatever this process is connected to."""
    EXECUTOR_CACHE.clear()
    context = TortoiseContext()
    with context:
        await context.init(config=_patient(config), init_connections=with_models)
        try:
            await open_connections(context)
            yield context.db()
        finally:
            await context.close_connections()
            EXECUTOR_CACHE.clear()


def _patient(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with time enough to wait for another process's migration."""
    connections = {
        name: {**one, "credentials": {**one["credentials"], "busy_seconds": WAIT_SECONDS}}
        if "file_path" in one["credentials"]
        else one
        for name, one in config["connections"].items()
    }
    return {**config, "connections": connections}


def config_of(database: Database) -> dict[str, Any]:
    return database if isinstance(database, dict) else tortoise_config(database)


def credentials_of(config: dict[str, Any]) -> dict[str, Any]:
    [one] = config["connections"].values()
    credentials: dict[str, Any] = one["credentials"]
    return credentials
