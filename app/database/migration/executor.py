"""Applies migrations: each one locked, checked and recorded in its own single transaction, or not at all.

Because the lock and the record are in that transaction, processes that start together take turns, and a crash leaves a
migration wholly done or not begun.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget, PlanStep
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.migration import Migration
from tortoise.migrations.operations import CreateModel, DeleteModel, Operation, RenameField, RunPython
from tortoise.migrations.recorder import MigrationRecorder

from app.database.migration.editors import MigrationError
from app.database.migration.postgres_editor import SafePostgresEditor
from app.database.migration.sqlite_editor import SafeSqliteEditor
from app.database.migration.state import LazyState

# Any number, the same in every process: one migration at a time per database.
ADVISORY_LOCK = 7_461_223_981
LOCK_SECONDS = 10
# So many models are made one by one, each with those it points to; with more, making all there are costs less.
SINGLES_MAX = 6

log = logging.getLogger(__name__)


class Recorder(MigrationRecorder):
    """Upstream takes any error for an empty history, and would then apply everything again."""

    async def applied_migrations(self) -> list[MigrationKey]:
        return [key for key, _ in await self.history()]

    async def history(self) -> list[tuple[MigrationKey, datetime]]:
        sqlite = self._dialect == "sqlite"
        table = self.table_name
        exists = (
            f"SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = '{table}'"
            if sqlite
            else f"SELECT 1 AS found WHERE to_regclass('\"{table}\"') IS NOT NULL"
        )
        if not await self.connection.execute_query_dict(exists):
            return []
        rows = await self.connection.execute_query_dict(f'SELECT app, name, applied_at FROM "{table}" ORDER BY id')
        return [(MigrationKey(row["app"], row["name"]), _moment(row["applied_at"])) for row in rows]


@dataclass(frozen=True)
class Stage:
    """Operations that are carried out between two states of the models."""

    operations: list[Operation]
    before: LazyState
    after: LazyState


class SafeExecutor(MigrationExecutor):
    def __init__(self, connection: BaseDBAsyncClient, apps_config: dict[str, dict[str, Any]]) -> None:
        super().__init__(connection, apps_config)
        self.ledger = Recorder(connection)
        self.recorder = self.loader.recorder = self.ledger

    async def run(self, target: str | None = None) -> list[str]:
        """Go to a migration (forwards or back; None: the latest, ``zero``: before the first); the names, in order."""
        await self.loader.build_graph()
        targets = self._targets(target)
        await self._unguard_foreign_keys()
        done: list[str] = []
        # Two processes sent to different places would go on for ever; each gives up after walking the whole way once.
        for _ in range(len(self.loader.graph.nodes)):
            step = await self._take_step(targets)
            if step is None:
                break
            done.append(step.migration.name)
        EXECUTOR_CACHE.clear()
        return done

    async def pending(self) -> list[str]:
        await self.loader.build_graph()
        applied = await self.recorder.applied_migrations()
        return [key.name for key in self._full_plan() if key not in applied]

    async def _take_step(self, targets: list[MigrationTarget]) -> PlanStep | None:
        async with self.connection._in_transaction() as transaction:
            await self._lock(transaction)
            recorder = Recorder(transaction)
            await recorder.ensure_schema(self._editor(transaction))
            applied = set(await recorder.applied_migrations())
            plan = self._migration_plan(targets, applied, self.loader.graph)
            if not plan:
                return None
            step = plan[0]
            await self._carry_out(step, applied, transaction, recorder)
            return step

    async def _carry_out(
        self, step: PlanStep, applied: set[MigrationKey], transaction: Any, recorder: Recorder
    ) -> None:
        migration = step.migration
        log.info("migrating", extra={"migration": migration.name, "backward": step.backward})
        if not migration.atomic:
            raise MigrationError(f"{migration.name} asks not to be atomic, which is not supported")
        state = await self._project_state(applied, upto=MigrationKey(migration.app_label, migration.name))
        editor = self._editor(transaction)
        try:
            stages = _stages(migration, state)
            for stage in reversed(list(stages)) if step.backward else stages:
                EXECUTOR_CACHE.clear()
                await _apply(stage, migration.app_label, editor, backward=step.backward)
            await self._check_foreign_keys(transaction)
        except MigrationError:
            raise
        except Exception as error:
            raise MigrationError(f"{migration.name} failed and was rolled back: {error}") from error
        if step.backward:
            await recorder.record_unapplied(migration.app_label, migration.name)
        else:
            await recorder.record_applied(migration.app_label, migration.name)

    async def _project_state(self, applied: set[MigrationKey], *, upto: MigrationKey | None = None) -> LazyState:
        connections = {label: config["default_connection"] for label, config in self.loader.apps_config.items()}
        state = LazyState.empty(connections)
        for key in self._full_plan():
            if key == upto:
                break
            if key in applied:
                migration = self.loader.graph.nodes[key]
                assert isinstance(migration, Migration)
                await migration.apply(state, dry_run=True)
        return state

    def _targets(self, target: str | None) -> list[MigrationTarget]:
        app_label = next(iter(self.loader.apps_config))
        if target is None:
            return [MigrationTarget(app_label, "__latest__")]
        if target == "zero":
            return [MigrationTarget(app_label, "__first__")]
        names = [key.name for key in self.loader.graph.nodes if key.name == target or key.name.startswith(f"{target}_")]
        if len(names) != 1:
            raise MigrationError(f"there is no one migration {target}")
        return [MigrationTarget(app_label, names[0])]

    def _editor(self, client: Any) -> SafeSqliteEditor | SafePostgresEditor:
        return SafeSqliteEditor(client) if self._is_sqlite else SafePostgresEditor(client)

    @property
    def _is_sqlite(self) -> bool:
        return self.connection.capabilities.dialect == "sqlite"

    async def _unguard_foreign_keys(self) -> None:
        """A rebuilt table is dropped under those that point to it. Cannot be said inside a transaction."""
        if self._is_sqlite:
            await self.connection.execute_query("PRAGMA foreign_keys=OFF")

    async def _check_foreign_keys(self, transaction: Any) -> None:
        if not self._is_sqlite:
            return
        broken = await transaction.execute_query_dict("PRAGMA foreign_key_check")
        if broken:
            pairs = sorted({f"{row['table']} → {row['parent']}" for row in broken})
            raise MigrationError(f"{len(broken)} rows would point nowhere: {', '.join(pairs)}")

    async def _lock(self, transaction: Any) -> None:
        """SQLite's transaction holds the only write lock already."""
        if self._is_sqlite:
            return
        for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            await transaction.execute_script(f"SET LOCAL {setting} = 0")
        await transaction.execute_query("SELECT pg_advisory_xact_lock($1)", [ADVISORY_LOCK])
        # From here on others may be waiting for us: a table somebody keeps locked is not waited for long.
        await transaction.execute_script(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


def _stages(migration: Migration, state: LazyState) -> Iterator[Stage]:
    """New models come in one stage, so that their classes are made once."""
    operations = list(migration.operations)
    before = state.clone()
    while operations:
        count = 1
        if isinstance(operations[0], CreateModel):
            count = next((i for i, one in enumerate(operations) if not isinstance(one, CreateModel)), len(operations))
        taken, operations = operations[:count], operations[count:]
        for operation in taken:
            operation.state_forward(migration.app_label, state)
        after = state.clone()
        yield Stage(taken, before, after)
        before = after


async def _apply(stage: Stage, app_label: str, editor: Any, *, backward: bool) -> None:
    before, after = (stage.after, stage.before) if backward else (stage.before, stage.after)
    editor.before, editor.after = before, after
    first = stage.operations[0]
    if isinstance(first, RunPython) or (
        isinstance(first, CreateModel | DeleteModel) and len(stage.operations) > SINGLES_MAX
    ):
        before.apps.complete()
        after.apps.complete()
    for operation in reversed(stage.operations) if backward else stage.operations:
        if not backward:
            await operation.database_forward(app_label, before, after, editor)
        elif getattr(operation, "reversible", True):
            await operation.database_backward(app_label, before, after, editor)
        else:
            raise MigrationError(f"“{operation.describe()}” cannot be taken back")
        if isinstance(operation, RenameField):
            name = f"{app_label}.{operation.model_name}"
            await editor.follow_renamed_columns(before.apps.get_model(name), after.apps.get_model(name))


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
