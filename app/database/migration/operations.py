"""SQL that differs by database: triggers, exclusion constraints, full-text indexes."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from tortoise.migrations.operations import TortoiseOperation

Statements = Mapping[str, Sequence[str]]


class RunDialectSQL(TortoiseOperation):
    """Statements by dialect, ``{"sqlite": […], "postgres": […]}``; a dialect left out does nothing.

    A model module lists the ones its tables need beyond what models can say as ``EXTRAS``, each with a ``name``. They are
    part of a database built from the models, and ``make_migration`` writes the new and changed ones into migrations.
    """

    def __init__(
        self, sql: Statements, reverse: Statements | None = None, *, name: str = "", drops: bool = False
    ) -> None:
        for statements in (sql, reverse or {}):
            if unknown := set(statements) - {"sqlite", "postgres"}:
                raise ValueError(f"unknown dialect: {', '.join(sorted(unknown))}")
        self.sql = {dialect: list(lines) for dialect, lines in sql.items()}
        self.reverse = {dialect: list(lines) for dialect, lines in reverse.items()} if reverse is not None else None
        self.name = name
        self.drops = drops
        self.reversible = reverse is not None

    def describe(self) -> str:
        return f"{'Drop' if self.drops else 'Run SQL for'} {self.name or 'one database'}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunDialectSQL) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self.name)

    def _key(self) -> tuple[Any, ...]:
        return self.sql, self.reverse, self.name, self.drops

    def dropped(self) -> "RunDialectSQL":
        """The operation that takes this one back."""
        if self.reverse is None:
            raise ValueError(f"{self.name or 'an extra'} cannot be dropped or changed: it has no reverse")
        return RunDialectSQL(self.reverse, self.sql, name=self.name, drops=True)

    async def database_forward(self, app_label: str, old_state: Any, new_state: Any, state_editor: Any = None) -> None:
        await self._run(self.sql, state_editor)

    async def database_backward(self, app_label: str, old_state: Any, new_state: Any, state_editor: Any = None) -> None:
        await self._run(self.reverse or {}, state_editor)

    async def _run(self, sql: dict[str, list[str]], editor: Any) -> None:
        for statement in sql.get(editor.DIALECT, ()):
            await editor._run_sql(statement)


def schema_extras(model_modules: Sequence[str]) -> list[RunDialectSQL]:
    """The ``EXTRAS`` of model modules, in their order."""
    extras = [extra for module in model_modules for extra in getattr(import_module(module), "EXTRAS", ())]
    names = [extra.name for extra in extras]
    if "" in names or len(names) != len(set(names)):
        raise ValueError("every one of EXTRAS needs a name of its own")
    return extras
