"""Everything a database's schema consists of, as sorted sentences that two databases can be compared by.

Names that a database or the ORM made up are left out; so is the order of columns.
"""

import re
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

IGNORED_TABLES = ("tortoise_migrations",)


async def catalogue(client: BaseDBAsyncClient) -> set[str]:
    """The schema's facts: tables, columns, keys, rules, indexes, triggers, functions, policies."""
    if client.capabilities.dialect == "sqlite":
        return await _sqlite(client)
    return await _postgres(client)


async def _sqlite(client: BaseDBAsyncClient) -> set[str]:
    facts: set[str] = set()
    objects = await client.execute_query_dict(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    for found in objects:
        if found["tbl_name"] in IGNORED_TABLES:
            continue
        if found["type"] == "table":
            facts |= await _sqlite_table(client, found["name"], found["sql"])
        elif found["type"] in ("trigger", "view"):
            facts.add(f"{found['type']} {found['name']}: {_one_line(found['sql'])}")
    return facts


async def _sqlite_table(client: BaseDBAsyncClient, table: str, sql: str) -> set[str]:
    facts = {f"table {table}"}
    if sql.upper().startswith("CREATE VIRTUAL"):
        return {f"table {table}: {_one_line(sql)}"}
    for row in await client.execute_query_dict(f'PRAGMA table_xinfo("{table}")'):
        parts = [row["type"], "not null" if row["notnull"] else "", f"key {row['pk']}" if row["pk"] else ""]
        parts += [
            f"default {row['dflt_value']}" if row["dflt_value"] is not None else "",
            f"kind {row['hidden']}",
        ]
        facts.add(f"column {table}.{row['name']}: {' '.join(part for part in parts if part)}")
    for row in await client.execute_query_dict(f'PRAGMA foreign_key_list("{table}")'):
        facts.add(f"reference {table}.{row['from']} → {row['table']}.{row['to']} on delete {row['on_delete']}")
    for row in await client.execute_query_dict(f'PRAGMA index_list("{table}")'):
        facts.add(await _sqlite_index(client, table, row))
    facts |= {f"check {table}: {rule}" for rule in _checks(sql)}
    return facts


async def _sqlite_index(client: BaseDBAsyncClient, table: str, row: dict[str, Any]) -> str:
    if row["origin"] == "c":
        [found] = await client.execute_query_dict("SELECT sql FROM sqlite_master WHERE name = ?", [row["name"]])
        return f"index {table}: {_one_line(found['sql'])}"
    columns = await client.execute_query_dict(f'PRAGMA index_info("{row["name"]}")')
    kind = "key" if row["origin"] == "pk" else "unique"
    return f"{kind} {table} ({', '.join(str(column['name']) for column in columns)})"


def _checks(sql: str) -> list[str]:
    """The text of each ``CONSTRAINT … CHECK (…)`` in a CREATE TABLE, its brackets balanced."""
    found = []
    for match in re.finditer(r'(?:CONSTRAINT\s+"[^"]+"\s+)?CHECK\s*\(', sql, re.IGNORECASE):
        depth, end = 1, match.end()
        while depth and end < len(sql):
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        found.append(_one_line(sql[match.start() : end]))
    return found


_POSTGRES_FACTS = """
    SELECT 'table ' || c.relname || CASE WHEN c.relrowsecurity THEN ' row security' ELSE '' END
        || CASE WHEN c.relforcerowsecurity THEN ' forced' ELSE '' END
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> ALL($1)
UNION ALL
    SELECT 'column ' || c.relname || '.' || a.attname || ': ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || a.attidentity::text || a.attgenerated::text
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace = 'public'::regnamespace AND c.relname <> ALL($1)
UNION ALL
    SELECT 'constraint ' || c.relname || ': '
        || CASE WHEN con.contype IN ('c', 'x') THEN con.conname || ' ' ELSE '' END || pg_get_constraintdef(con.oid)
    FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid
    WHERE con.connamespace = 'public'::regnamespace AND con.contype <> 't' AND c.relname <> ALL($1)
UNION ALL
    SELECT 'index ' || pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> ALL($1)
        AND NOT EXISTS (SELECT 1 FROM pg_constraint con WHERE con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x'))
UNION ALL
    SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL
    SELECT 'function ' || pg_get_functiondef(p.oid) FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL
    SELECT 'view ' || c.relname || ': ' || pg_get_viewdef(c.oid)
    FROM pg_class c WHERE c.relkind IN ('v', 'm') AND c.relnamespace = 'public'::regnamespace
UNION ALL
    SELECT 'policy ' || tablename || '.' || policyname || ' ' || permissive || ' ' || cmd || ' ' || roles::text
        || ' using ' || coalesce(qual, '') || ' check ' || coalesce(with_check, '')
    FROM pg_policies WHERE schemaname = 'public'
UNION ALL
    SELECT 'extension ' || extname FROM pg_extension
UNION ALL
    SELECT 'sequence ' || c.relname FROM pg_class c
    WHERE c.relkind = 'S' AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'tortoise_migrations%'
"""


async def _postgres(client: BaseDBAsyncClient) -> set[str]:
    rows = await client.execute_query_dict(
        f"SELECT fact::text FROM ({_POSTGRES_FACTS}) AS facts (fact)", [list(IGNORED_TABLES)]
    )
    return {_one_line(row["fact"]) for row in rows}


def _one_line(sql: str) -> str:
    return " ".join(sql.split()).rstrip(";")
