"""``CREATE TABLE`` with every rule its model declares.

Tortoise leaves out a new model's ``Meta.constraints``, and takes an ``Index`` on a relation for a column of that name.
Both its schema generator and its migration editors are put right here, by the same mixin.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tortoise.backends.asyncpg.schema_generator import AsyncpgSchemaGenerator
from tortoise.backends.sqlite.schema_generator import SqliteSchemaGenerator
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

if TYPE_CHECKING:

    class Base:
        """What generators and editors have in common, as far as it is used here."""

        def quote(self, val: str) -> str: ...
        def _qualify_table_name(self, table_name: str, schema: str | None = None) -> str: ...
        def _get_inner_statements(self) -> list[str]: ...
        def _post_table_hook(self) -> str: ...
        def _get_index_sql(self, model: type[Model], field_names: list[str], *args: Any, **kwargs: Any) -> str: ...
        def _get_table_sql(self, model: type[Model], safe: bool = True) -> dict[str, Any]: ...
        def _get_models_to_create(self) -> list[type[Model]]: ...

else:
    Base = object


class CompleteTables(Base):
    """Mixed into a schema generator or editor: it asks ``creating`` which model's table is being written."""

    creating: type[Model] | None = None

    def _get_inner_statements(self) -> list[str]:
        rules = [self._inner_rule(rule) for rule in constraints_of(self.creating) if not _is_conditional(rule)]
        return [*super()._get_inner_statements(), *rules]

    def _post_table_hook(self) -> str:
        indexes = [self.conditional_unique_sql(rule) for rule in constraints_of(self.creating) if _is_conditional(rule)]
        hook = super()._post_table_hook() + "".join(f"\n{sql}" for sql in indexes)
        self.creating = None
        return hook

    def _inner_rule(self, rule: UniqueConstraint | CheckConstraint) -> str:
        if isinstance(rule, CheckConstraint):
            return f"CONSTRAINT {self.quote(rule.name)} CHECK ({rule.check})"
        fields = ", ".join(self.quote(column) for column in columns_of(self._creating(), rule.fields))
        return f"CONSTRAINT {self.quote(_name_of(rule))} UNIQUE ({fields})"

    def conditional_unique_sql(self, rule: UniqueConstraint | CheckConstraint) -> str:
        assert isinstance(rule, UniqueConstraint)
        model = self._creating()
        table = self._qualify_table_name(model._meta.db_table, model._meta.schema)
        fields = ", ".join(self.quote(column) for column in columns_of(model, rule.fields))
        return f"CREATE UNIQUE INDEX {self.quote(_name_of(rule))} ON {table} ({fields}) WHERE {rule.condition};"

    def _get_index_sql(self, model: type[Model], field_names: Sequence[str], *args: Any, **kwargs: Any) -> str:
        return super()._get_index_sql(model, columns_of(model, field_names), *args, **kwargs)

    def _creating(self) -> type[Model]:
        assert self.creating is not None
        return self.creating


class _Generator(CompleteTables):
    def _get_table_sql(self, model: type[Model], safe: bool = True) -> dict[str, Any]:
        self.creating = model
        return super()._get_table_sql(model, safe)

    def _get_models_to_create(self) -> list[type[Model]]:
        # Asked once per table by the base class, which made the work grow with the square of the tables.
        if not hasattr(self, "_models"):
            self._models = super()._get_models_to_create()
        return list(self._models)


class SqliteGenerator(_Generator, SqliteSchemaGenerator):
    pass


class PostgresGenerator(_Generator, AsyncpgSchemaGenerator):
    pass


def constraints_of(model: type[Model] | None) -> list[UniqueConstraint | CheckConstraint]:
    """What ``Meta.constraints`` of a model declares."""
    return list(model._meta.constraints or ()) if model is not None else []


def columns_of(model: type[Model], field_names: Sequence[str]) -> list[str]:
    """The columns of fields; what is not a field is a column, or an expression, already."""
    fields = model._meta.fields_map
    return [(fields[name].source_field or name) if name in fields else name for name in field_names]


def _is_conditional(rule: UniqueConstraint | CheckConstraint) -> bool:
    return isinstance(rule, UniqueConstraint) and bool(rule.condition)


def _name_of(rule: UniqueConstraint) -> str:
    if not rule.name:
        raise ValueError(f"a UniqueConstraint needs a name: {rule}; for one without, use unique_together")
    return rule.name
