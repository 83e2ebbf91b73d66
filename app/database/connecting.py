"""From an address to a connected database: ``connect``, ``disconnect`` and the raw read door."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext, get_current_context
from tortoise.exceptions import DBConnectionError

from app.database import wall
from app.database.engines.sqlite import MEMORY
from app.database.errors import ConnectionLost, translate
from app.kernel.dialects import Dialect
from app.kernel.errors import ConfigurationError

SETTING = "TRUCKROLL_DATABASE_URL"
APP_LABEL = "truckroll"
POSTGRES_PORT = 5432
READ_ATTEMPTS = 3
READ_AGAIN_SECONDS = 0.02
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_context: TortoiseContext | None = None
_dialect: Dialect | None = None


def tortoise_config(
    database_url: str,
    *,
    model_modules: Sequence[str] | None = None,
    migrations: str = "migrations",
    pool_min: int = 1,
    pool_max: int = 10,
    statement_seconds: float = 10,
    lock_seconds: float = 5,
    idle_in_transaction_seconds: float = 30,
) -> dict[str, Any]:
    """Tortoise's configuration for one of our addresses.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://:memory:`` or
    ``postgresql://user:password@host:port/database?sslmode=…&pool_min=…&pool_max=…&application_name=…``.
    Connections are named by dialect: Tortoise caches statements by connection and table, and theirs differ.
    """
    address = _split(database_url)
    if address.scheme == "sqlite":
        dialect = Dialect.SQLITE
        credentials = _sqlite_credentials(database_url)
        credentials |= {"busy_seconds": lock_seconds, "read_seconds": statement_seconds}
        engine = "app.database.engines.sqlite"
    elif address.scheme in ("postgres", "postgresql"):
        dialect = Dialect.POSTGRES
        credentials = _postgres_credentials(address, pool_min, pool_max)
        credentials["server_settings"] = {
            "statement_timeout": _milliseconds(statement_seconds),
            "lock_timeout": _milliseconds(lock_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_seconds),
            "timezone": "UTC",
            wall.VARIABLE: wall.EVERYWHERE,
            # The reader's statements look expensive to the planner and are not: compiling them costs more than it saves.
            "jit": "off",
        }
        engine = "app.database.engines.asyncpg"
    else:
        raise ConfigurationError(f"{SETTING} must start with sqlite:// or postgresql://.")
    return {
        "connections": {dialect.value: {"engine": engine, "credentials": credentials}},
        "apps": {
            APP_LABEL: {
                "models": list(MODEL_MODULES if model_modules is None else model_modules),
                "default_connection": dialect.value,
                "migrations": migrations,
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


async def connect(database: str | dict[str, Any], **options: Any) -> None:
    """Connect this process to a database: an address with the options of ``tortoise_config``, or its result."""
    global _context, _dialect
    if _context is not None:
        raise RuntimeError("a database is connected already; disconnect() first")
    config = database if isinstance(database, dict) else tortoise_config(database, **options)
    # Statements of another database, or of other models with tables of the same name, must not be found there.
    EXECUTOR_CACHE.clear()
    context = TortoiseContext()
    try:
        with context:
            await context.init(config=config, _enable_global_fallback=True)
        await open_connections(context)
    except BaseException:
        await context.close_connections()
        raise
    _context, _dialect = context, Dialect(context.db().capabilities.dialect)


async def disconnect() -> None:
    """Close every connection; nothing happens when there is none."""
    global _context, _dialect
    if _context is not None:
        context, _context, _dialect = _context, None, None
        await context.close_connections()


async def open_connections(context: TortoiseContext) -> None:
    """Connect now rather than at the first query, and say in one sentence what is wrong."""
    for client in context.connections.all():
        try:
            await client.create_connection(with_db=True)
        except (sqlite3.Error, OSError, TimeoutError, DBConnectionError) as error:
            raise ConfigurationError(_explain(client, error)) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise ConfigurationError(_explain(client, error)) from error


def connection() -> BaseDBAsyncClient:
    """The client of this task: its transaction's inside a unit of work, the pool's (or the file's) outside."""
    context = get_current_context()
    if context is None:
        raise RuntimeError("no database is connected")
    return context.db()


def dialect() -> Dialect:
    """Which of the two databases is connected."""
    return _dialect or Dialect(connection().capabilities.dialect)


async def read_rows(sql: str, params: Sequence[Any] = ()) -> list[Any]:
    """Rows of a SELECT, sequences as the driver gives them, past the ORM, by connections that cannot change anything.

    Inside a unit of work they show what it wrote so far.
    """
    client = connection()
    # A pooled connection may have died since its last use. Reading again is harmless, outside a transaction.
    attempts = 1 if hasattr(client, "_finalized") else READ_ATTEMPTS
    for attempt in range(1, attempts + 1):
        try:
            return cast(list[Any], await cast(Any, client).read_rows(sql, params))
        except Exception as error:
            known = translate(error)
            if known is None:
                raise
            if attempt == attempts or not isinstance(known, ConnectionLost):
                raise known from error
        await asyncio.sleep(READ_AGAIN_SECONDS * attempt)
    raise AssertionError("unreachable")


def find_model_modules() -> list[str]:
    """Every room's tables: ``app/<room>/models.py`` (or the folder it grew into), first those that others build on."""
    app = Path(__file__).resolve().parent.parent
    found = {path.parent.name for path in app.glob("*/models.py")} | {
        path.parent.parent.name for path in app.glob("*/models/__init__.py")
    }
    return [f"app.{room}.models" for room in sorted(found, key=lambda room: (room != "infrastructure", room))]


MODEL_MODULES: list[str] = find_model_modules()


def _split(database_url: str) -> SplitResult:
    try:
        return urlsplit(database_url)
    except ValueError:
        raise ConfigurationError(f"{SETTING} is not a URL.") from None


def _sqlite_credentials(database_url: str) -> dict[str, Any]:
    rest = database_url.removeprefix("sqlite://")
    if rest in (MEMORY, f"/{MEMORY}"):
        return {"file_path": MEMORY}
    if not rest.startswith("/") or len(rest) < 2 or "?" in rest or "#" in rest:
        raise ConfigurationError(
            f"{SETTING} must name a file as sqlite:///relative.db or sqlite:////absolute.db, without parameters."
        )
    path = unquote(rest[1:])
    if not (folder := Path(path).parent).is_dir():
        raise ConfigurationError(f"{SETTING} names a file in the folder {folder}, which does not exist.")
    return {"file_path": path}


def _postgres_credentials(address: SplitResult, pool_min: int, pool_max: int) -> dict[str, Any]:
    try:
        port = address.port or POSTGRES_PORT
        parameters = dict(parse_qsl(address.query, strict_parsing=True)) if address.query else {}
        pool_min = int(parameters.pop("pool_min", pool_min))
        pool_max = int(parameters.pop("pool_max", pool_max))
    except ValueError:
        raise ConfigurationError(
            f"{SETTING} has a port or a parameter that is not a number, or not name=value."
        ) from None
    database = unquote(address.path.lstrip("/"))
    ssl_mode = parameters.pop("sslmode", None)
    host = parameters.pop("host", None) or address.hostname
    application_name = parameters.pop("application_name", "truckroll")
    if parameters:
        raise ConfigurationError(f"{SETTING} has a parameter that is not known: {', '.join(sorted(parameters))}.")
    if not database or not host:
        raise ConfigurationError(
            f"{SETTING} must name a host and a database: postgresql://user:password@host:port/database."
        )
    if ssl_mode is not None and ssl_mode not in SSL_MODES:
        raise ConfigurationError(f"{SETTING} has an unknown sslmode; it is one of {', '.join(SSL_MODES)}.")
    if not 0 <= pool_min <= pool_max or pool_max < 1:
        raise ConfigurationError(f"{SETTING} asks for a pool of {pool_min} to {pool_max} connections.")
    return {
        "host": host,
        "port": port,
        "user": unquote(address.username) if address.username else None,
        "password": unquote(address.password) if address.password else None,
        "database": database,
        "minsize": pool_min,
        "maxsize": pool_max,
        "application_name": application_name,
    } | ({"ssl": ssl_mode} if ssl_mode else {})


def _explain(client: BaseDBAsyncClient, error: Exception) -> str:
    """One sentence that names the setting and never the password."""
    if filename := getattr(client, "filename", None):
        return f"{SETTING} names the file {filename}, which cannot be opened as a database: {error}."
    where = f"{getattr(client, 'host', '')}:{getattr(client, 'port', '')}/{getattr(client, 'database', '')}"
    reason = str(error) or type(error).__name__
    password = getattr(client, "password", None)
    if isinstance(password, str) and password:
        reason = reason.replace(password, "…")
    return f"{SETTING} names the database {where}, which cannot be reached: {reason.rstrip('.')}."


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
