"""Many rows at once, by few statements: for commands that are about thousands of rows.

One row is added and changed by ``tables``. The same holds here: only what differs is written, each row's version counts
up, and a row that is not as it was read is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from app import database
from app.infrastructure import encryption
from app.infrastructure.conditions import column, quoted
from app.infrastructure.journal import mark
from app.infrastructure.tables import Table, change_row, find_rows, is_kept_back, table_of
from app.kernel.calendar import utc_now
from app.kernel.errors import StaleVersion
from app.kernel.ids import new_id

ROWS_AT_ONCE = 500
Row = TypeVar("Row", bound=Table)


async def add_rows(model: type[Row], wanted: Iterable[Mapping[str, Any]]) -> list[Row]:
    """New rows with fresh ids."""
    now = utc_now()
    rows = [model(id=new_id(model.prefix), created_at=now, updated_at=now, **values) for values in wanted]
    if rows:
        _require_plain(model, model.encrypted)
        await model.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    return rows


async def change_rows(wanted: Sequence[tuple[Row, Mapping[str, Any]]]) -> list[dict[str, list[Any]]]:
    """Set the named columns of locked rows of one table; what changed in each, as ``change_row`` tells it."""
    if len(wanted) == 1:
        return [await change_row(wanted[0][0], **wanted[0][1])]
    changes = [
        {name: [getattr(row, name), value] for name, value in values.items() if getattr(row, name) != value}
        for row, values in wanted
    ]
    alike: dict[tuple[str, ...], list[Row]] = {}
    after: dict[str, dict[str, Any]] = {}
    for (row, _), changed in zip(wanted, changes, strict=True):
        if changed:
            alike.setdefault(tuple(changed), []).append(row)
            after[row.id] = {name: value for name, (_, value) in changed.items()}
    for names, rows in alike.items():
        for start in range(0, len(rows), ROWS_AT_ONCE):
            await _update(names, rows[start : start + ROWS_AT_ONCE], after)
    for (row, _), changed in zip(wanted, changes, strict=True):
        for name in changed:
            if is_kept_back(type(row), name):
                changed[name] = [encryption.KEPT_SECRET] * 2
    return changes


async def _update(names: Sequence[str], rows: Sequence[Row], after: Mapping[str, Mapping[str, Any]]) -> None:
    model = type(rows[0])
    _require_plain(model, names)
    columns = [model._meta.fields_map[name] for name in names]
    sets = [f"{quoted(model._meta.fields_db_projection[name])} = {mark(at)}" for at, name in enumerate(names, 1)]
    at = len(names)
    now = utc_now()
    await database.connection().execute_many(
        f'UPDATE {quoted(table_of(model))} SET {", ".join(sets)}, "version" = "version" + 1, "updated_at" = {mark(at + 1)} '
        f'WHERE "id" = {mark(at + 2)} AND "version" = {mark(at + 3)}',
        [
            [
                *(each.to_db_value(after[row.id][name], row) for name, each in zip(names, columns, strict=True)),
                now,
                row.id,
                row.version,
            ]
            for row in rows
        ],
    )
    # Statements that are sent together do not tell how many rows each of them found.
    found = {one.id: one.version for one in await find_rows(model, column("id").one_of([row.id for row in rows]))}
    for row in rows:
        if found.get(row.id) != row.version + 1:
            raise StaleVersion(row.noun, row.version, found.get(row.id, 0))
        for name in names:
            setattr(row, name, after[row.id][name])
        row.version += 1


def _require_plain(model: type[Table], names: Iterable[str]) -> None:
    if sealed := sorted(set(model.encrypted) & set(names)):
        raise TypeError(f"{model.__name__}.{sealed[0]} is kept encrypted: such rows are written one by one")
