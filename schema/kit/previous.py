"""What a fact says was different before, as far as whoever asks may read it: field by field, from before to after.

The journal keeps columns; a client gets the fields that show them, under the same rules. The type and the field ask for
their permissions, a row that may not be seen says nothing, and an id of such a row is null. A column that no field shows as
it is stays untold.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, cast

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from app.infrastructure.conditions import column
from app.infrastructure.journal import Entry
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.events import FACTS
from app.kernel.ids import prefix_of
from app.kernel.permissions import Permission
from schema.kit.context import Context
from schema.kit.declarations import (
    READABLE_BY_PREFIX,
    Column,
    Either,
    Group,
    KitField,
    Parent,
    about,
    plain,
)
from schema.kit.kinds import Kind
from schema.kit.reading.selection import Info
from schema.kit.reading.together import wait_for_neighbours
from schema.kit.scalars import moment_text

PREVIOUS = "Which fields changed, with what they were before; those that you may not read are left out."
Sees = Callable[[str], bool]


@plain
class FieldChange:
    """A field that a fact changed. What you may not read is left out."""

    id: strawberry.ID = about("Of which row: that of the event, or a part of it such as a line.")
    field: str = about("The field's name, such as status; of a part of a field as in coordinates.latitude.")
    before: JSON | None = about("What it was, as the field shows it; of a field that shows another row, that row's id.")
    after: JSON | None = about("What it became, likewise.")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A field that shows a column."""

    column: str
    field: str
    permission: Permission | None
    kind: Kind
    refers: bool = False


def previous_values(actor: Actor, entry: Entry, sees: Sees) -> list[FieldChange]:
    """What a fact changed, of what an actor may read; ``sees`` says of a row's id whether its row may be seen."""
    changes = entry.payload.get("changes")
    row_id = _changed_row(entry)
    kind = READABLE_BY_PREFIX.get(prefix_of(row_id)) if row_id is not None else None
    if not changes or row_id is None or kind is None or not kind.allows(actor) or not sees(row_id):
        return []
    found = []
    for shown in _fields_of(kind.shows):
        if shown.column not in changes or (shown.permission is not None and not actor.holds(shown.permission)):
            continue
        before, after = (_as_shown(shown, value, sees) for value in changes[shown.column])
        if before != after:
            found.append(FieldChange(id=strawberry.ID(row_id), field=shown.field, before=before, after=after))
    return found


async def changes_of(actor: Actor, entries: Sequence[Entry]) -> list[list[FieldChange]]:
    """What each of some facts changed, of what an actor may read. No statement for who may see all of a company's rows."""
    asked: dict[str, None] = {}

    def ask(id: str) -> bool:
        asked[id] = None
        return True

    for entry in entries:
        previous_values(actor, entry, ask)
    seen = await _visible(actor, list(asked))
    return [previous_values(actor, entry, seen.__contains__) for entry in entries]


def answer_differences(attribute: str) -> Callable[..., Any]:
    """The resolver of a field that tells the changes of the fact in an object's attribute."""

    async def answer(source: Any, info: Info) -> Any:
        context: Context = info.context
        actor = context.require_actor()
        entry: Entry | None = getattr(source, attribute)
        return [] if entry is None else await wait_for_neighbours(entry, info, lambda all: changes_of(actor, all))

    return answer


def _changed_row(entry: Entry) -> str | None:
    """The row whose columns a fact's changes are. Of a fact that is declared no more, nobody can tell."""
    fact = FACTS.get(entry.type)
    if fact is None:
        return None
    return entry.subject_id if fact.changes_of is None else entry.payload.get(fact.changes_of)


@cache
def _fields_of(type: Hashable) -> tuple[_Shown, ...]:
    found: list[_Shown] = []
    for one in cast(Any, type).__strawberry_definition__.fields:
        made = one.declaration if isinstance(one, KitField) and one.deprecation_reason is None else None
        name = one.graphql_name or to_camel_case(one.python_name)
        if isinstance(made, Column):
            found.append(_Shown(made.column, name, made.permission, made.kind))
        elif isinstance(made, Parent | Either):
            found.append(_Shown(made.via, name, made.permission, Kind.TEXT, refers=True))
        elif isinstance(made, Group):
            found.extend(
                _Shown(its, f"{name}.{to_camel_case(part)}", made.permission, made.kinds[part])
                for part, its in made.columns.items()
            )
    return tuple(found)


def _as_shown(shown: _Shown, value: Any, sees: Sees) -> Any:
    if value is None:
        return None
    if shown.refers:
        return value if isinstance(value, str) and sees(value) else None
    if shown.kind is Kind.MOMENT:
        return moment_text(datetime.fromisoformat(value).astimezone(UTC))
    if shown.kind is Kind.DECIMAL:
        text = format(Decimal(value), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value


async def _visible(actor: Actor, ids: Sequence[str]) -> set[str]:
    """Those of some ids whose rows an actor may see. Where that is all of the organization's, the rows need not be there."""
    found: set[str] = set()
    by_prefix: dict[str, list[str]] = {}
    for id in ids:
        by_prefix.setdefault(prefix_of(id), []).append(id)
    for prefix, those in by_prefix.items():
        kind = READABLE_BY_PREFIX.get(prefix)
        if kind is None or not kind.allows(actor):
            continue
        door = kind.model.visible_to(actor)
        if door.shape == _ALL_OF_AN_ORGANIZATION:
            found.update(those)
        else:
            found.update(row.id for row in await find_rows(kind.model, column("id").one_of(those) & door))
    return found


_ALL_OF_AN_ORGANIZATION = (column("organization_id") == "").shape
