"""Changing PostgreSQL's tables: what upstream leaves undone is done here."""

from typing import Any

from tortoise.fields.base import Field
from tortoise.fields.relational import ForeignKeyFieldInstance, ManyToManyFieldInstance
from tortoise.migrations.schema_editor.asyncpg import AsyncpgSchemaEditor
from tortoise.models import Model

from app.database.migration.editors import SafeEditor, stored_field


class SafePostgresEditor(SafeEditor, AsyncpgSchemaEditor):
    async def rename_one_index(self, old_name: str, new_name: str, create: str) -> None:
        await self._run_sql(f'ALTER INDEX IF EXISTS "{old_name}" RENAME TO "{new_name}";')

    async def add_field(self, model: type[Model], field_name: str) -> None:
        field = model._meta.fields_map[field_name]
        if isinstance(field, ManyToManyFieldInstance):
            await super().add_field(model, field_name)
            return
        stored = stored_field(model, field)
        default = None if stored.null or stored.has_db_default() else self.default_sql(model, stored)
        stored.null = stored.null or default is not None
        try:
            await super().add_field(model, field_name)
        finally:
            stored.null = stored.null and default is None
        if default is not None:
            await self._require_value(model, stored, default)
        await self.add_index_of(model, stored)

    async def alter_field(self, old_model: type[Model], new_model: type[Model], field_name: str) -> None:
        await super().alter_field(old_model, new_model, field_name)
        old, new = (model._meta.fields_map[field_name] for model in (old_model, new_model))
        if isinstance(old, ForeignKeyFieldInstance) and isinstance(new, ForeignKeyFieldInstance):
            await self._alter_reference(old_model, old, new_model, new)

    async def _alter_field(self, model: type[Model], old_field: Field[Any], new_field: Field[Any]) -> None:
        if old_field.null and not new_field.null and (default := self.default_sql(model, new_field)):
            column = old_field.source_field or old_field.model_field_name
            await self._run_sql(f'UPDATE {self._table(model)} SET "{column}" = {default} WHERE "{column}" IS NULL;')
        await super()._alter_field(model, old_field, new_field)

    async def _require_value(self, model: type[Model], field: Field[Any], default: str) -> None:
        column = field.source_field or field.model_field_name
        await self._run_sql(f'UPDATE {self._table(model)} SET "{column}" = {default};')
        await self._run_sql(f'ALTER TABLE {self._table(model)} ALTER COLUMN "{column}" SET NOT NULL;')

    async def _alter_reference(
        self,
        old_model: type[Model],
        old: ForeignKeyFieldInstance[Any],
        new_model: type[Model],
        new: ForeignKeyFieldInstance[Any],
    ) -> None:
        """Upstream changes only the column; what the key points to, and what a deletion does, is changed here."""
        before, after = self._reference_sql(old_model, old), self._reference_sql(new_model, new)
        if before == after:
            return
        column = new.source_field or new.model_field_name
        if old.db_constraint:
            _, rows = await self.client.execute_query(
                "SELECT con.conname AS name FROM pg_constraint con JOIN pg_attribute att "
                "ON att.attrelid = con.conrelid AND con.conkey = ARRAY[att.attnum] "
                "WHERE con.contype = 'f' AND con.conrelid = $1::text::regclass AND att.attname = $2",
                [self._table(new_model), column],
            )
            for row in rows:
                await self._run_sql(f'ALTER TABLE {self._table(new_model)} DROP CONSTRAINT "{row["name"]}";')
        if new.db_constraint:
            await self._run_sql(f'ALTER TABLE {self._table(new_model)} ADD FOREIGN KEY ("{column}"){after};')

    def _reference_sql(self, model: type[Model], field: ForeignKeyFieldInstance[Any]) -> str:
        if not field.db_constraint:
            return ""
        target = field.to_field_instance
        related = field.related_model._meta
        return self.FK_TEMPLATE.format(
            table=self._qualify_table_name(related.db_table, related.schema),
            field=target.source_field or target.model_field_name,
            on_delete=field.on_delete,
            comment="",
        )

    def _table(self, model: type[Model]) -> str:
        return self._qualify_table_name(model._meta.db_table, model._meta.schema)
