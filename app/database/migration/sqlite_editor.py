"""Changing SQLite's tables, most of which means rebuilding them, without losing anything that hangs on them."""

from typing import Any, cast

from tortoise.fields.relational import ForeignKeyFieldInstance, ManyToManyFieldInstance
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.migrations.schema_editor.sqlite import SqliteSchemaEditor
from tortoise.models import Model

from app.database.migration.editors import MigrationError, SafeEditor, stored_field
from app.database.scripts import split_statements

Rule = UniqueConstraint | CheckConstraint


class SafeSqliteEditor(SafeEditor, SqliteSchemaEditor):
    """Upstream's rebuild drops the old table with foreign keys on: rows that point to it are deleted with it, and its
    indexes and unique rules are not made again. This one runs with foreign keys off, copies, counts and restores.
    """

    async def _run_sql(self, sql: str) -> None:
        for statement in split_statements(sql):
            await self.client.execute_query(statement)

    async def rename_one_index(self, old_name: str, new_name: str, create: str) -> None:
        await self._run_sql(f'DROP INDEX IF EXISTS "{old_name}"')
        await self._run_sql(create)

    async def add_field(self, model: Any, field_name: str) -> None:
        field = model._meta.fields_map[field_name]
        if isinstance(field, ManyToManyFieldInstance):
            await super().add_field(model, field_name)
            return
        stored = stored_field(model, field)
        constant = stored.has_db_default() and not hasattr(stored.db_default, "get_sql")
        unconstrained = isinstance(field, ForeignKeyFieldInstance) and not field.db_constraint
        if stored.unique or stored.generated or unconstrained or not (stored.null or constant):
            await self._change_table(model)
            return
        await super().add_field(model, field_name)
        await self.add_index_of(model, stored)

    async def remove_field(self, model: Any, field: Any) -> None:
        if isinstance(field, ManyToManyFieldInstance):
            await super().remove_field(model, field)
        else:
            await self._change_table(model)

    async def alter_field(self, old_model: type[Model], new_model: type[Model], field_name: str) -> None:
        old, new = (model._meta.fields_map[field_name] for model in (old_model, new_model))
        if isinstance(old, ManyToManyFieldInstance) or old.field_type != new.field_type:
            await super().alter_field(old_model, new_model, field_name)
        else:
            await self._change_table(new_model)

    async def add_constraint(self, model: Any, constraint: Rule) -> None:
        if isinstance(constraint, UniqueConstraint) and constraint.condition:
            self.creating = model
            await self._run_sql(self.conditional_unique_sql(constraint))
            self.creating = None
        else:
            await self._change_table(model)

    async def remove_constraint(self, model: Any, constraint: Rule) -> None:
        if isinstance(constraint, UniqueConstraint) and constraint.condition:
            await self._run_sql(f'DROP INDEX "{constraint.name}"')
        else:
            await self._change_table(model)

    async def rename_constraint(self, model: Any, old_constraint: Rule, new_constraint: Rule) -> None:
        if isinstance(old_constraint, UniqueConstraint) and old_constraint.condition:
            await self.remove_constraint(model, old_constraint)
            await self.add_constraint(model, new_constraint)
        else:
            await self._change_table(model)

    async def _change_table(self, model: type[Model]) -> None:
        """Bring a model's table from before to after the operation, by its indexes alone when they are all that differs."""
        name = f"{model._meta.app}.{model.__name__}"
        before, after = self.before.apps.get_model(name), self.after.apps.get_model(name)
        if self.table_statements(before)[0] != self.table_statements(after)[0]:
            await self._rebuild(before, after)
            return
        old, new = self.index_statements(before), self.index_statements(after)
        for gone in old.keys() - new.keys():
            await self._run_sql(f'DROP INDEX IF EXISTS "{gone}"')
        for added in new.keys() - old.keys():
            await self._run_sql(new[added])

    async def _rebuild(self, before: type[Model], after: type[Model]) -> None:
        table, new_table = before._meta.db_table, f"new__{before._meta.db_table}"
        columns = await self._rows(f'PRAGMA table_xinfo("{table}")')
        if unknown := {row["name"] for row in columns} - set(before._meta.fields_db_projection.values()):
            raise MigrationError(f"{table} has columns that are not its model's: {', '.join(sorted(unknown))}")
        restored = await self._foreign_objects(table, {**self.index_statements(before), **self.index_statements(after)})
        sequence = await self._sequence(table)
        create, *indexes = self.table_statements(after)
        await self._run_sql(create.replace(f'CREATE TABLE "{table}"', f'CREATE TABLE "{new_table}"', 1))
        targets, sources = self._copied(before, after)
        if not any(row["pk"] and row["type"].upper() == "INTEGER" for row in columns):
            # Full-text tables point to rows by it.
            targets, sources = ["rowid", *targets], ["rowid", *sources]
        await self._run_sql(
            f'INSERT INTO "{new_table}" ({", ".join(targets)}) SELECT {", ".join(sources)} FROM "{table}"'
        )
        old_count, new_count = [await self._count(name) for name in (table, new_table)]
        if old_count != new_count:
            raise MigrationError(f"{table} has {old_count} rows, its copy {new_count}")
        await self._run_sql(f'DROP TABLE "{table}"')
        # The newer way of renaming also rewrites, and checks, whatever mentions the table; all of that names it already.
        await self._run_sql("PRAGMA legacy_alter_table=ON")
        await self._run_sql(f'ALTER TABLE "{new_table}" RENAME TO "{table}"')
        await self._run_sql("PRAGMA legacy_alter_table=OFF")
        if sequence is not None:
            await self.client.execute_query("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", [sequence, table])
        for statement in (*indexes, *restored):
            await self._run_sql(statement)

    def _copied(self, before: type[Model], after: type[Model]) -> tuple[list[str], list[str]]:
        """The new table's columns, and where each one's value comes from; a column left out gets its default."""
        old_columns = before._meta.fields_db_projection
        copied: dict[str, str] = {}
        for name, column in after._meta.fields_db_projection.items():
            field = after._meta.fields_map[name]
            if field.generated and not field.pk:
                continue
            default = self.default_sql(after, field)
            if name in old_columns:
                source = f'"{old_columns[name]}"'
                needed = before._meta.fields_map[name].null and not field.null and default is not None
                copied[f'"{column}"'] = f"COALESCE({source}, {default})" if needed else source
            elif default is not None and not field.has_db_default() and not field.null:
                copied[f'"{column}"'] = default
        return list(copied), list(copied.values())

    async def _foreign_objects(self, table: str, known: dict[str, str]) -> list[str]:
        """Triggers and indexes on the table that its model does not know; they go with the old table."""
        rows = await self._rows(
            "SELECT type, name, sql FROM sqlite_master "
            "WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid",
            [table],
        )
        return [row["sql"] for row in rows if row["name"] not in known]

    async def _sequence(self, table: str) -> int | None:
        if not await self._rows("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            return None
        rows = await self._rows("SELECT seq FROM sqlite_sequence WHERE name = ?", [table])
        return int(rows[0]["seq"]) if rows else None

    async def _count(self, table: str) -> int:
        return int((await self._rows(f'SELECT count(*) AS n FROM "{table}"'))[0]["n"])

    async def _rows(self, sql: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], await self.client.execute_query_dict(sql, values))
