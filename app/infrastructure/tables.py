"""What every table has, and the few ways rows are found, locked and changed. ``save()`` of whole rows is not one of them:
it writes every column and so loses what somebody else changed meanwhile.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from tortoise import fields
from tortoise.exceptions import IntegrityError
from tortoise.expressions import F
from tortoise.indexes import Index
from tortoise.models import Model

from app import database
from app.infrastructure import encryption
from app.infrastructure.conditions import Condition, Writer, column, quoted, rank_of
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import AlreadyExists, InvalidInput, NotFound, StaleVersion
from app.kernel.ids import ID_LENGTH_MAX, new_id, require_id

WALK_SIZE = 500
_SECRET = re.compile(r"^(?!is_)(.*_)?(hash|secret|token|password)$")


class IdentifiedTable(Model):
    """A table with a typed id; ``prefix`` is its ids' first part."""

    prefix: ClassVar[str] = ""
    # Columns that are kept encrypted: a row has them sealed, ``encryption.opened`` gives the text.
    encrypted: ClassVar[tuple[str, ...]] = ()

    id = fields.CharField(max_length=ID_LENGTH_MAX, primary_key=True)

    class Meta:
        abstract = True

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """Which rows an actor may see: the one door for lists, relations, ``node``, ids in inputs and delivery.

        The condition follows from the actor alone, not from the clock or the database, and only compares columns with the
        actor's ids: the reader writes it once for all actors of one ``scope_key``.
        """
        raise NotImplementedError(f"{cls.__name__} does not say who may see it")


class Table(IdentifiedTable):
    """A table of things that change, and count how often; ``noun`` is what people call a row."""

    noun: ClassVar[str] = ""

    version = fields.IntField(default=1, db_default=1)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        abstract = True


class OwnedTable(Table):
    """A table of an organization's things. The organization leads every index; see ``Meta.indexes`` of each table."""

    organization_id = fields.CharField(max_length=ID_LENGTH_MAX)

    class Meta:
        abstract = True

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return column("organization_id") == actor.organization_id


Row = TypeVar("Row", bound=Table)
Kept = TypeVar("Kept", bound=IdentifiedTable)

BY_PREFIX: dict[str, type[Table]] = {}


def table_of(model: type[Model]) -> str:
    """The name of a model's table."""
    return model._meta.db_table


def listed(*columns: str) -> Index:
    """An index for a list that is narrowed or sorted by these columns: the organization first, the id last.

    A page is then a range of it, wherever the page begins and however many rows there are. Such an index costs every
    insert, and every update of a column in it, so a table has them for lists that people really ask for.
    """
    return Index(fields=("organization_id", *columns, "id"))


def listed_by_rank(model: type[Model], column: str, words: Iterable[str]) -> database.RunDialectSQL:
    """As ``listed``, by an order of a column's words as lists sort by it. It belongs into the module's ``EXTRAS``."""
    table = table_of(model)
    name = f"{table}_by_{column}"
    rank = rank_of(quoted(column), [str(word) for word in words])
    create = f'CREATE INDEX {quoted(name)} ON {quoted(table)} ("organization_id", {rank}, "id");'
    drop = f"DROP INDEX {quoted(name)};"
    return database.RunDialectSQL(
        {"sqlite": [create], "postgres": [create]}, {"sqlite": [drop], "postgres": [drop]}, name=name
    )


async def find_rows(
    model: type[Kept],
    condition: Condition,
    *,
    order: Sequence[str] = (),
    limit: int | None = None,
    lock: bool = False,
) -> list[Kept]:
    """Rows of which a condition is true. ``order`` names columns, ``-`` before one turns it round.

    ``lock`` keeps the rows for this transaction (SQLite's transactions are alone anyway).
    """
    client = database.connection()
    dialect = database.dialect()
    writer = Writer(dialect)
    sql = f"SELECT r.* FROM {quoted(table_of(model))} r WHERE {condition.write(writer, 'r')}"
    if order:
        terms = (f"r.{quoted(name.lstrip('-'))} {'DESC' if name.startswith('-') else 'ASC'}" for name in order)
        sql += " ORDER BY " + ", ".join(terms)
    if limit is not None:
        sql += f" LIMIT {int(limit)}"
    if lock and dialect is Dialect.POSTGRES:
        sql += " FOR UPDATE"
    found = await client.execute_query_dict(sql, writer.values)
    return [model._init_from_db(**one) for one in found]


async def walk_rows(model: type[Kept], condition: Condition, *, size: int = WALK_SIZE) -> AsyncIterator[list[Kept]]:
    """Rows of which a condition is true, page by page in the order of their ids; for work that looks through many."""
    page = await find_rows(model, condition, order=["id"], limit=size)
    while page:
        yield page
        if len(page) < size:
            return
        page = await find_rows(model, condition & (column("id") > page[-1].id), order=["id"], limit=size)


async def find_one(model: type[Row], actor: Actor, id: str, *, lock: bool = False, path: str = "id") -> Row:
    """The row of that id if the actor may see it, else ``NotFound``: the same answer as if there were none."""
    require_id(id, model.prefix, path)
    found = await find_rows(model, (column("id") == id) & model.visible_to(actor), lock=lock)
    if not found:
        raise NotFound(model.noun, id, path=[path])
    return found[0]


async def lock_one(model: type[Row], actor: Actor, id: str, *, version: int | None = None, path: str = "id") -> Row:
    """As ``find_one``, kept for this transaction; ``StaleVersion`` when the client saw another version."""
    row = await find_one(model, actor, id, lock=True, path=path)
    if version is not None and version != row.version:
        raise StaleVersion(model.noun, version, row.version)
    return row


async def require_visible(model: type[Row], actor: Actor, ids: Iterable[str], path: str) -> dict[str, Row]:
    """The rows of all the ids; ``NotFound`` for the first one that the actor may not see."""
    wanted = list(dict.fromkeys(require_id(id, model.prefix, path) for id in ids))
    if not wanted:
        return {}
    found = {row.id: row for row in await find_rows(model, column("id").one_of(wanted) & model.visible_to(actor))}
    for id in wanted:
        if id not in found:
            raise NotFound(model.noun, id, path=[path])
    return found


async def require_new(model: type[Row], id: str | None) -> None:
    """Raise ``AlreadyExists`` when the client's own id for a new row is taken."""
    if id is not None and await model.filter(id=require_id(id, model.prefix)).exists():
        raise AlreadyExists(model.noun, id, path=["id"])


async def add_row(model: type[Row], *, id: str | None = None, **values: Any) -> Row:
    """A new row, with the client's id or a fresh one. ``AlreadyExists`` when the id, or what must be unique, is taken."""
    await require_new(model, id)
    chosen = id if id is not None else new_id(model.prefix)
    now = utc_now()
    owner = values.get("organization_id", "")
    values |= {name: _sealed(model, chosen, owner, name, values[name]) for name in model.encrypted if name in values}
    row = model(id=chosen, created_at=now, updated_at=now, **values)
    with _telling_what_is_taken(model, {"id": chosen, **values}):
        await row.save(force_create=True)
    return row


async def change_row(row: Row, **values: Any) -> dict[str, list[Any]]:
    """Set the named columns of a locked row, count its version up, and return what changed: name → [before, after].

    Of an encrypted column, of a secret and of a hash of one it tells only that it changed.
    """
    changes = {name: [_text_of(row, name), value] for name, value in values.items() if _text_of(row, name) != value}
    if not changes:
        return {}
    after = {name: value for name, (_, value) in changes.items()}
    for name in set(row.encrypted) & set(changes):
        after[name] = _sealed(type(row), row.id, getattr(row, "organization_id", ""), name, after[name])
    for name in changes:
        if is_kept_back(type(row), name):
            changes[name] = [encryption.KEPT_SECRET] * 2
    with _telling_what_is_taken(type(row), after):
        changed = (
            await type(row)
            .filter(id=row.id, version=row.version)
            .update(**after, version=F("version") + 1, updated_at=utc_now())
        )
    if changed != 1:
        current = await type(row).get_or_none(id=row.id).values("version")
        raise StaleVersion(row.noun, row.version, current["version"] if current else 0)
    for name, value in after.items():
        setattr(row, name, value)
    row.version += 1
    return changes


def is_kept_back(model: type[Table], name: str) -> bool:
    """Whether no fact may tell what a column holds, only that it changed."""
    return name in model.encrypted or _SECRET.search(name) is not None


def _text_of(row: Table, name: str) -> Any:
    return encryption.opened(row, name) if name in row.encrypted else getattr(row, name)


def _sealed(model: type[Table], id: str, organization_id: str, name: str, text: str | None) -> str | None:
    return None if text is None else encryption.seal(table_of(model), name, id, organization_id, text)


async def require_unused(
    model: type[Row], actor: Actor, name: str, value: str | None, *, path: str, by: str = ""
) -> None:
    """Raise ``AlreadyExists`` when another row of the organization than ``by`` has this value, which must be unique."""
    if value is None:
        return
    taken = (column("organization_id") == actor.organization_id) & (column(name) == value) & (column("id") != by)
    if await find_rows(model, taken, limit=1):
        raise AlreadyExists(model.noun, value, path=[path])


@contextmanager
def _telling_what_is_taken(model: type[Row], values: Mapping[str, Any]) -> Iterator[None]:
    """What a unique rule refuses is ``AlreadyExists``: whoever looked first, a twin may have come after the look."""
    try:
        yield
    except IntegrityError as error:
        known = database.translate(error)
        if not isinstance(known, database.DuplicateRow):
            raise
        name = known.columns[-1] if known.columns else "id"
        first, *others = name.split("_")
        path = first + "".join(word.title() for word in others)
        raise AlreadyExists(model.noun, str(values.get(name, name)), path=[path]) from error


def require_text(text: str, path: str, *, longest: int, shortest: int = 1) -> str:
    """Text without surrounding blanks, of a sensible length, else ``InvalidInput``."""
    cleaned = text.strip()
    if not shortest <= len(cleaned) <= longest:
        raise InvalidInput(f"This text has {shortest} to {longest} characters, not {len(cleaned)}.", path=[path])
    return cleaned


def register(model: type[Row]) -> type[Row]:
    """Make a model's ids resolvable: by prefix, for ``node(id:)``. A decorator for tables."""
    if not model.prefix or not model.noun:
        raise TypeError(f"{model.__name__} needs a prefix and a noun")
    if BY_PREFIX.setdefault(model.prefix, model) is not model:
        raise TypeError(f"the prefix {model.prefix} is taken by {BY_PREFIX[model.prefix].__name__}")
    return model
