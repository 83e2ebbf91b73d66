"""Databases for tests: an empty one with the whole schema for each test, real commits included, in a few milliseconds.

``sqlite_database`` builds the schema once, keeps it as an image and gives each test a copy in memory. ``postgres_database``
builds one database per run and empties the tables that have rows before each test. ``database`` is both in turn.
PostgreSQL is looked for at TRUCKROLL_TEST_POSTGRES, else on this machine; without one its tests are skipped, or fail when
TRUCKROLL_REQUIRE_SERVICES is 1. Both may be used in one process: each connection clears Tortoise's statement cache.
"""

import os
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio

from app import database as db
from app.kernel.dialects import Dialect

POSTGRES = os.environ.get("TRUCKROLL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
SQLITE = "sqlite://:memory:"
CONNECT_SECONDS = 5

EMPTY_TABLES = """
DO $$
DECLARE one record; filled boolean; sequence_name text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT c.oid::regclass AS name, c.oid FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', one.name) INTO filled;
        IF filled THEN
            EXECUTE format('DELETE FROM %s', one.name);
        END IF;
    END LOOP;
    FOR sequence_name IN SELECT format('%I', sequencename) FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL
    LOOP
        PERFORM setval(sequence_name::regclass, 1, false);
    END LOOP;
END $$
"""


async def sqlite_image(model_modules: Sequence[str] | None = None) -> bytes:
    """An empty SQLite database with the models' schema, as bytes."""
    await db.connect(SQLITE, model_modules=model_modules)
    try:
        await db.build_schema()
        connection = db.connection()._connection
        image: bytes = await connection._execute(connection._conn.serialize)
        return image
    finally:
        await db.disconnect()


async def connect_image(image: bytes, model_modules: Sequence[str] | None = None) -> None:
    """Connect to a copy of an image in memory."""
    await db.connect(SQLITE, model_modules=model_modules)
    connection = db.connection()._connection
    await connection._execute(connection._conn.deserialize, image)


def postgres_url(name: str) -> str:
    """The address of another database on the test server."""
    return urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))


async def require_postgres() -> None:
    """Skip, or fail where services are required, unless the test server answers."""
    try:
        await (await asyncpg.connect(POSTGRES, timeout=CONNECT_SECONDS)).close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        missing = f"no PostgreSQL for tests: {error}"
        if os.environ.get("TRUCKROLL_REQUIRE_SERVICES") == "1":
            pytest.fail(missing)
        pytest.skip(missing)


async def create_postgres(name: str) -> str:
    """A new database on the test server, in place of one of that name; its address."""
    server = await asyncpg.connect(POSTGRES)
    try:
        await server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await server.execute(f'CREATE DATABASE "{name}"')
    finally:
        await server.close()
    return postgres_url(name)


async def drop_postgres(name: str) -> None:
    server = await asyncpg.connect(POSTGRES)
    try:
        await server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await server.close()


async def leave() -> None:
    """Let units of work end whose callers left, then disconnect."""
    await db.drain(10)
    await db.disconnect()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sqlite_schema() -> bytes:
    return await sqlite_image()


@pytest_asyncio.fixture(loop_scope="session")
async def sqlite_database(sqlite_schema: bytes) -> AsyncIterator[Dialect]:
    await connect_image(sqlite_schema)
    try:
        yield Dialect.SQLITE
    finally:
        await leave()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_schema() -> AsyncIterator[str]:
    await require_postgres()
    name = f"truckroll_test_{os.getpid()}"
    url = await create_postgres(name)
    try:
        await db.connect(url)
        try:
            await db.build_schema()
        finally:
            await db.disconnect()
        yield url
    finally:
        await drop_postgres(name)


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_database(postgres_schema: str) -> AsyncIterator[Dialect]:
    await db.connect(postgres_schema)
    try:
        await db.connection().execute_script(EMPTY_TABLES)
        yield Dialect.POSTGRES
    finally:
        await leave()


@pytest.fixture(params=[Dialect.SQLITE, Dialect.POSTGRES])
def database(request: pytest.FixtureRequest) -> Dialect:
    dialect: Dialect = request.getfixturevalue(f"{request.param}_database")
    return dialect
