"""Proof that the models and the migrations make the same database."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from app.database.connecting import APP_LABEL, tortoise_config
from app.database.migration import Database, build_schema, config_of, credentials_of, detector_of, opened
from app.database.migration.catalogue import catalogue
from app.database.migration.executor import SafeExecutor


async def check_drift(database: Database = "sqlite://:memory:") -> list[str]:
    """What the models and the migrations disagree about; nothing when all is well.

    Compares on SQLite, and when the address is PostgreSQL's, also in two new databases on that server.
    """
    config = config_of(database)
    operations, _ = await (await detector_of(config)).missing()
    drift = [f"not in a migration: {operation.describe()}" for operation in operations]
    app = config["apps"][APP_LABEL]
    memory = tortoise_config("sqlite://:memory:", model_modules=app["models"], migrations=app["migrations"])
    drift += await _compare(memory, memory)
    if "database" in credentials_of(config):
        async with _scratch_database(config) as migrated, _scratch_database(config) as built:
            drift += await _compare(migrated, built)
    return drift


async def _compare(migrated: dict[str, Any], built: dict[str, Any]) -> list[str]:
    async with opened(migrated) as client:
        await SafeExecutor(client, migrated["apps"]).run()
        by_migrations = await catalogue(client)
    async with opened(built, with_models=True) as client:
        await build_schema(client, built["apps"][APP_LABEL]["models"])
        by_models = await catalogue(client)
        dialect = client.capabilities.dialect
    return [
        f"{dialect}: only {source} make “{fact}”"
        for source, facts in (
            ("the migrations", by_migrations - by_models),
            ("the models", by_models - by_migrations),
        )
        for fact in sorted(facts)
    ]


@asynccontextmanager
async def _scratch_database(config: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """A new database on the same PostgreSQL server, for as long as the block runs."""
    credentials = credentials_of(config)
    name = f"truckroll_scratch_{secrets.token_hex(4)}"
    settings = {key: credentials[key] for key in ("host", "port", "user", "password", "database")}
    server = await asyncpg.connect(**settings, ssl=credentials.get("ssl"))
    try:
        await server.execute(f'CREATE DATABASE "{name}"')
        try:
            [(alias, one)] = config["connections"].items()
            yield {
                **config,
                "connections": {alias: {**one, "credentials": {**credentials, "database": name}}},
            }
        finally:
            await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await server.close()
