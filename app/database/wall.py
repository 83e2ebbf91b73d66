"""PostgreSQL's row-level security as a second wall between organizations.

The first wall is in every statement: ``visible_to``. Where that is forgotten or wrong, the database itself still shows and
takes only the rows of the organization for which the work is done. Each owned table has a policy that compares its rows with
the session's ``app.organization``. A connection begins with ``*``, for work that is nobody's in particular: signing in,
migrations, looking for what is due. ``within`` narrows it; commands, the reader and queries do so for their actor.

On SQLite there is no such thing, and without the setting nothing here costs anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast
from weakref import WeakKeyDictionary

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import get_current_context

from app.kernel.dialects import Dialect
from app.kernel.errors import ConfigurationError

SETTING = "TRUCKROLL_ROW_LEVEL_SECURITY"
VARIABLE = "app.organization"
EVERYWHERE = "*"
POLICY = "organization_wall"
# Their rows tell nothing but through rows behind the wall: the words of a search lead to ids. An index of words cannot be used
# behind a policy, because PostgreSQL does not trust the operator with rows that it may not show.
OPEN_TABLES = frozenset({"search_document"})

_within: ContextVar[str] = ContextVar("organization", default=EVERYWHERE)
_is_up = False
_told: "WeakKeyDictionary[Any, str | None]" = WeakKeyDictionary()
"""What each connection was last told outside of a transaction; None where that is not certain."""


@contextmanager
def within(organization_id: str) -> Iterator[None]:
    """What is read and written inside is one organization's; anything else does not exist for it."""
    token = _within.set(organization_id)
    try:
        yield
    finally:
        _within.reset(token)


def raise_wall(*, up: bool) -> None:
    """Whether this process tells its connections whose rows they are about."""
    global _is_up
    _is_up = up


async def tell(connection: Any, *, for_this_transaction: bool = False) -> None:
    """Tell a connection for which organization it works from now on, unless it knows."""
    if not _is_up:
        return
    wanted, known = _within.get(), getattr(connection, "_con", connection)
    if _told.get(known, EVERYWHERE) == wanted:
        return
    scope = "true" if for_this_transaction else "false"
    if not for_this_transaction:
        _told[known] = None
    await connection.execute(f"SELECT set_config('{VARIABLE}', $1, {scope})", wanted)
    if not for_this_transaction:
        _told[known] = wanted


def is_told(connection: Any) -> bool:
    """Whether a connection works for the right organization already."""
    return not _is_up or _told.get(connection, EVERYWHERE) == _within.get()


def owned_tables() -> dict[str, str]:
    """The tables whose every row is an organization's, and the column that says whose."""
    context = get_current_context()
    assert context is not None and context.apps is not None
    found = {}
    for models in context.apps.values():
        for model in models.values():
            column = model._meta.fields_map.get("organization_id")
            if model._meta.db_table == "organization":
                found["organization"] = "id"
            elif column is not None and not column.null and model._meta.db_table not in OPEN_TABLES:
                found[model._meta.db_table] = "organization_id"
    return dict(sorted(found.items()))


async def build_wall(client: BaseDBAsyncClient) -> None:
    """Give every owned table its policy. Whoever owns the tables is bound by it, too."""
    for table, column in owned_tables().items():
        asked = f"(SELECT current_setting('{VARIABLE}', true))"
        rule = f"{asked} = '{EVERYWHERE}' OR \"{column}\" = {asked}"
        await client.execute_script(
            f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY; ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY; '
            f'DROP POLICY IF EXISTS "{POLICY}" ON "{table}"; CREATE POLICY "{POLICY}" ON "{table}" USING ({rule});'
        )


async def take_wall_down(client: BaseDBAsyncClient) -> None:
    """Take every policy of ours away."""
    for row in await client.execute_query_dict(
        f"SELECT tablename FROM pg_policies WHERE policyname = '{POLICY}' AND schemaname = current_schema()"
    ):
        table = row["tablename"]
        await client.execute_script(
            f'DROP POLICY "{POLICY}" ON "{table}"; ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY; '
            f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY;'
        )


async def require_wall(client: BaseDBAsyncClient) -> None:
    """Raise ``ConfigurationError`` unless the wall stands, and binds who signs in to the database."""
    if client.capabilities.dialect != Dialect.POSTGRES:
        raise ConfigurationError(f"{SETTING} needs PostgreSQL: set TRUCKROLL_DATABASE_URL to one, or {SETTING} to off.")
    [user] = await client.execute_query_dict(
        "SELECT current_user AS name, rolsuper OR rolbypassrls AS unbound FROM pg_roles WHERE rolname = current_user"
    )
    if user["unbound"]:
        raise ConfigurationError(
            f"{SETTING} does not bind {user['name']}, who is a superuser or has BYPASSRLS: let TRUCKROLL_DATABASE_URL sign "
            "in as another role."
        )
    standing = await client.execute_query_dict(
        "SELECT c.relname AS name FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid "
        f"WHERE p.polname = '{POLICY}' AND c.relrowsecurity AND c.relforcerowsecurity "
        "AND c.relnamespace = current_schema()::regnamespace"
    )
    if missing := sorted(owned_tables().keys() - {cast(str, row["name"]) for row in standing}):
        raise ConfigurationError(
            f"The table {missing[0]} has no row-level security yet; run `truckroll migrate` first."
        )
