"""How a column's value becomes JSON in each database, and how a value from outside is bound."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import Any

from tortoise import fields
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.models import Model

from app.infrastructure.conditions import Writer
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput


class Kind(StrEnum):
    """What a column holds."""

    TEXT = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    DECIMAL = auto()
    MOMENT = auto()
    DAY = auto()
    JSON = auto()


_BY_FIELD: tuple[tuple[type[Any], Kind], ...] = (
    (fields.BooleanField, Kind.BOOLEAN),
    (fields.DecimalField, Kind.DECIMAL),
    (fields.DatetimeField, Kind.MOMENT),
    (fields.DateField, Kind.DAY),
    (fields.JSONField, Kind.JSON),
    (fields.IntField, Kind.NUMBER),
    (fields.FloatField, Kind.NUMBER),
    (fields.CharField, Kind.TEXT),
    (fields.TextField, Kind.TEXT),
)
_BY_SCALAR = {"Boolean": Kind.BOOLEAN, "Decimal": Kind.DECIMAL, "DateTime": Kind.MOMENT, "Date": Kind.DAY,
              "JSON": Kind.JSON, "Int": Kind.NUMBER, "Float": Kind.NUMBER}  # fmt: skip


def column_kind(model: type[Model], column: str) -> tuple[Kind, bool]:
    """What a column holds, and whether it may be empty. A column that the model does not have is a bug of ours."""
    known = model._meta.fields_map
    if column in getattr(model, "encrypted", ()):
        raise TypeError(
            f"{column} is encrypted: nothing is compared, sorted or counted by it, and only secret(…) shows it"
        )
    if column in known and not isinstance(known[column], ForeignKeyFieldInstance):
        field = known[column]
        for field_class, kind in _BY_FIELD:
            if isinstance(field, field_class):
                return kind, bool(field.null)
    elif isinstance(relation := known.get(column.removesuffix("_id")), ForeignKeyFieldInstance):
        return Kind.TEXT, bool(relation.null)
    raise TypeError(f"{model.__name__} has no column {column!r} that can be read")


def scalar_kind(name: str) -> Kind:
    """The kind of a value that is shown as a scalar of that name."""
    return _BY_SCALAR.get(name, Kind.TEXT)


def json_of(kind: Kind, expression: str, dialect: Dialect) -> str:
    """SQL for the JSON form of an expression."""
    sqlite = dialect is Dialect.SQLITE
    if kind is Kind.BOOLEAN and sqlite:
        return f"json(CASE {expression} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
    if kind is Kind.MOMENT and sqlite:
        return f"replace({expression}, ' ', 'T')"  # PostgreSQL writes it like this in JSON, in UTC as the session's zone is
    if kind is Kind.DECIMAL:
        # The same text for the same amount on both: without the zeros that a column's scale adds.
        if sqlite:
            text = f"CAST({expression} AS TEXT)"
            return f"CASE WHEN instr({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
        return f"trim_scale({expression})::text"
    if kind is Kind.JSON and sqlite:
        return f"json({expression})"
    return expression


def comparable(kind: Kind, expression: str, dialect: Dialect) -> str:
    """SQL that compares and sorts as the value does: SQLite keeps decimals as text."""
    if kind is Kind.DECIMAL and dialect is Dialect.SQLITE:
        return f"CAST({expression} AS NUMERIC)"
    return expression


def bind(writer: Writer, kind: Kind, value: Any) -> str:
    """A placeholder for a value that is compared with an expression of a kind."""
    return comparable(kind, writer.bind(value), writer.dialect)


def bound(values: list[Any], dialect: Dialect) -> list[Any]:
    """Values as the database's driver wants them."""
    return [_bound(value, dialect is Dialect.SQLITE) for value in values]


def _bound(value: Any, sqlite: bool) -> Any:
    if value is None or type(value) in (str, int, float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return moment.isoformat(" ") if sqlite else moment
    if sqlite and isinstance(value, date):
        return value.isoformat()
    if sqlite and isinstance(value, Decimal):
        return str(value)
    if isinstance(value, str):
        return str(value)
    return value


def python_of(kind: Kind, value: Any) -> Any:
    """The Python value of a kind out of its JSON form."""
    if value is None:
        return None
    if kind is Kind.MOMENT:
        return datetime.fromisoformat(value)
    if kind is Kind.DAY:
        return date.fromisoformat(value)
    if kind is Kind.DECIMAL:
        return Decimal(value)
    if kind is Kind.BOOLEAN:
        return bool(value)
    return value


def from_cursor(kind: Kind, value: Any, path: str) -> Any:
    """The value that a cursor carries; a cursor is a client's text, so nothing about it is believed."""
    expected = (bool,) if kind is Kind.BOOLEAN else (int, float) if kind is Kind.NUMBER else (str,)
    try:
        if value is not None and (not isinstance(value, expected) or (kind is Kind.NUMBER and isinstance(value, bool))):
            raise ValueError(value)
        moment = python_of(kind, value)
        if isinstance(moment, datetime) and moment.tzinfo is None:
            raise ValueError(value)
        if isinstance(moment, Decimal) and not moment.is_finite():
            raise ValueError(value)
        return moment
    except (ValueError, ArithmeticError):
        raise InvalidInput(
            "This cursor does not belong to this list. Take it from pageInfo as it is.", path=[path]
        ) from None
