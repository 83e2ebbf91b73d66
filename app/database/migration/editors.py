"""What both editors share: tables with every rule, defaults for rows that exist, indexes named after their columns.

The executor tells an editor the models ``before`` and ``after`` each operation, so that none has to guess.
"""

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, cast

from tortoise.fields.base import Field
from tortoise.fields.relational import ForeignKeyFieldInstance, ManyToManyFieldInstance
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.migrations.schema_editor.data import ModelSqlData
from tortoise.models import Model

from app.database.creation import CompleteTables, columns_of
from app.database.migration.state import LazyState
from app.database.scripts import split_statements

Rule = UniqueConstraint | CheckConstraint
_INDEX_NAME = re.compile(r'CREATE (?:UNIQUE )?INDEX "([^"]+)"')


class MigrationError(Exception):
    """A migration cannot be done; nothing of it stays."""


class SafeEditor(CompleteTables):
    """What both editors share."""

    DIALECT: str
    client: Any
    before: LazyState
    after: LazyState
    _constrained = True

    def _get_model_sql_data(self, model: type[Model]) -> ModelSqlData:
        self.creating = model
        return super()._get_model_sql_data(model)  # type: ignore[misc, no-any-return]

    def _get_fk_field_definition(self, model: type[Model], key_field_name: str) -> str:
        reference = cast(ForeignKeyFieldInstance[Any], model._meta.fields_map[key_field_name].reference)
        self._constrained = reference.db_constraint
        try:
            return cast(str, super()._get_fk_field_definition(model, key_field_name))  # type: ignore[misc]
        finally:
            self._constrained = True

    def _get_fk_reference_string(self, *args: Any, **kwargs: Any) -> str:
        return cast(str, super()._get_fk_reference_string(*args, **kwargs)) if self._constrained else ""  # type: ignore[misc]

    async def delete_model(self, model: type[Model]) -> None:
        """Its own many-to-many tables go with it; upstream also drops those of the models that point to it, twice."""
        meta = model._meta
        relations = [cast(ManyToManyFieldInstance[Any], meta.fields_map[name]) for name in meta.m2m_fields]
        for table in (*(one.through for one in relations if not one._generated), meta.db_table):
            qualified = self._qualify_table_name(table, meta.schema)
            await cast(Any, self)._run_sql(cast(Any, self).DELETE_TABLE_TEMPLATE.format(table=qualified))

    def _index_name_for_model(self, model: type[Model], index: Index) -> str:
        if index.name:
            return index.name
        index.resolve_expressions(model)
        return cast(str, self._generate_index_name("idx", model, columns_of(model, index.field_names)))  # type: ignore[attr-defined]

    async def add_index_of(self, model: type[Model], field: Field[Any]) -> None:
        """The index that ``db_index=True`` asks for."""
        if field.index and not field.pk:
            column = field.source_field or field.model_field_name
            await cast(Any, self).add_index(model, Index(fields=(column,)))

    async def follow_renamed_columns(self, before: type[Model], after: type[Model]) -> None:
        """Indexes are named after their columns; a later migration looks for them under the new name."""
        old, new = (self.index_statements(model) for model in (before, after))
        for old_name, new_name in zip(old, new, strict=True):
            if old_name != new_name:
                await self.rename_one_index(old_name, new_name, new[new_name])

    async def rename_one_index(self, old_name: str, new_name: str, create: str) -> None:
        raise NotImplementedError

    def table_statements(self, model: type[Model]) -> list[str]:
        """CREATE TABLE and its CREATE INDEXes."""
        return list(split_statements(self._get_model_sql_data(model).table_sql))

    def index_statements(self, model: type[Model]) -> dict[str, str]:
        statements = self.table_statements(model)[1:]
        return {found[1]: sql for sql in statements if (found := _INDEX_NAME.match(sql))}

    def default_sql(self, model: type[Model], field: Field[Any]) -> str | None:
        """What existing rows get: the column's default, else the plain Python one; None when there is neither."""
        if field.has_db_default():
            default: Any = field.db_default
            if hasattr(default, "get_sql"):
                return str(default.get_sql(dialect=self.DIALECT))
        else:
            default = field.default
        if default is None or callable(default):
            return None
        return self._literal(field.to_db_value(default, model))

    def _literal(self, value: Any) -> str:
        match value:
            case bool():
                return str(value).upper() if self.DIALECT == "postgres" else str(int(value))
            case int() | float():
                return repr(value)
            case bytes():
                return f"'\\x{value.hex()}'" if self.DIALECT == "postgres" else f"x'{value.hex()}'"
            case Decimal() | date() | datetime() | time():
                return f"'{value}'"
        text = str(value).replace("'", "''")
        return f"'{text}'"


def stored_field(model: type[Model], field: Field[Any]) -> Field[Any]:
    """The field that is a column: of a relation, its key."""
    if isinstance(field, ForeignKeyFieldInstance):
        return model._meta.fields_map[field.source_field or f"{field.model_field_name}_id"]
    return field
