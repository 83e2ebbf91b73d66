"""Brings every encrypted column under the key that seals now: what was never encrypted, and what another key sealed.

It goes through rows in batches, each its own transaction, and a row that is done is not found again: one that was killed goes
on where it was. A row that somebody changes meanwhile is left to them, because they write with the same key.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from tortoise import Tortoise

from app import database
from app.infrastructure import encryption, keyring
from app.infrastructure.conditions import quoted
from app.infrastructure.encryption import MARK, Undecipherable
from app.infrastructure.journal import mark
from app.infrastructure.tables import Table, table_of

BATCH_SIZE = 500

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Column:
    """An encrypted column: how many of its values were sealed anew, and how many cannot be opened."""

    model: type[Table]
    name: str
    sealed: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"{table_of(self.model)}.{self.name}"


def encrypted_columns() -> list[Column]:
    """Every encrypted column of every table."""
    models = Tortoise.apps[database.APP_LABEL].values() if Tortoise.apps else ()
    tables = sorted((one for one in models if issubclass(one, Table)), key=table_of)
    return [Column(model, name) for model in tables for name in model.encrypted]


async def seal_anew(tell: Callable[[Column], None] = lambda _: None) -> list[Column]:
    """Seal with our first key whatever is not; what was done, column by column. When nothing failed, other keys may go."""
    columns = encrypted_columns()
    for column in columns:
        after = ""
        while (last := await _batch(column, after)) is not None:
            after = last
            tell(column)
    if not any(column.failed for column in columns):
        await keyring.forget_keys_but_the_first()
    return columns


async def _batch(column: Column, after: str) -> str | None:
    """Seal the next values; the id of the last row, None when there are no more."""
    table, name, ours = table_of(column.model), column.name, f"{MARK}{encryption.writing_key()}:"
    rows = await database.read_rows(
        f'SELECT "id", "organization_id", {quoted(name)} FROM {quoted(table)} WHERE "id" > {mark(1)} '
        f"AND {quoted(name)} <> '' AND substr({quoted(name)}, 1, {len(ours)}) <> {mark(2)} "
        f'ORDER BY "id" LIMIT {BATCH_SIZE}',
        [after, ours],
    )
    changed: list[list[str]] = []
    for id, organization_id, stored in rows:
        try:
            text = encryption.unseal(table, name, id, organization_id, stored)
        except Undecipherable as problem:
            log.error("a field cannot be decrypted", reason=str(problem))
            column.failed += 1
            continue
        changed.append([encryption.seal(table, name, id, organization_id, text), id, stored])

    async def work() -> None:
        await database.connection().execute_many(
            f'UPDATE {quoted(table)} SET {quoted(name)} = {mark(1)} WHERE "id" = {mark(2)} AND {quoted(name)} = {mark(3)}',
            changed,
        )

    if changed:
        await database.unit_of_work(work)
    column.sealed += len(changed)
    return rows[-1][0] if rows else None
