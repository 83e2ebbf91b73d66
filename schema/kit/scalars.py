"""Values as they cross the edge: strict on the way in, one form on the way out."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import strawberry
from graphql import DocumentNode, GraphQLError, StringValueNode, Visitor, visit
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from app.kernel.errors import InvalidInput
from app.kernel.money import parse_amount

TEXT_LENGTH_MAX = 65_536
VALUE_DEPTH_MAX = 64
MARKS_MAX = 30  # on one letter, as Unicode's stream-safe format has it
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d{1,5})W|(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9})S)?)?)"
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)?")


def strict_text(text: str) -> str:
    """The text in Unicode's composed form (NFC); control characters, lone surrogates and too long texts are refused, and
    so are letters under a pile of marks: composing those takes the square of their number."""
    if len(text) > TEXT_LENGTH_MAX:
        raise GraphQLError(f"A text has at most {TEXT_LENGTH_MAX} characters, not {len(text)}.")
    if _FORBIDDEN.search(text):
        raise GraphQLError("A text must not contain control characters or half a surrogate pair.")
    if text.isascii():
        return text
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MARKS_MAX:
            raise GraphQLError(f"A letter carries at most {MARKS_MAX} marks.")
    return unicodedata.normalize("NFC", text)


def strict_values(value: Any, depth: int = 0) -> Any:
    """A variable's raw value with every text in it, keys included, made strict."""
    if isinstance(value, str):
        return strict_text(value)
    if depth > VALUE_DEPTH_MAX:
        raise GraphQLError(f"A value is nested at most {VALUE_DEPTH_MAX} deep.")
    if isinstance(value, list):
        return [strict_values(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {strict_text(str(key)): strict_values(one, depth + 1) for key, one in value.items()}
    return value


class _StrictLiterals(Visitor):
    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        try:
            same = strict_text(node.value) == node.value
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from None
        if not same:
            raise GraphQLError("Write this text in Unicode's composed form (NFC).", node)


def require_strict_literals(document: DocumentNode) -> None:
    """Hold the texts written inside a document to the same rule as those in variables."""
    visit(document, _StrictLiterals())


def moment_text(moment: datetime) -> str:
    """A time as RFC 3339 has it."""
    return moment.isoformat()


def _parse_moment(value: Any) -> datetime:
    if not isinstance(value, str) or not (shape := _MOMENT.fullmatch(value)):
        raise GraphQLError("A time is written like 2026-03-01T09:00:00+01:00.")
    if shape[3] is None:
        raise GraphQLError("A time needs its offset, such as 2026-03-01T09:00:00+01:00 or …Z.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise GraphQLError(f"There is no such time as {value}.") from None


def _parse_day(value: Any) -> date:
    try:
        if not isinstance(value, str) or len(value) != 10:
            raise ValueError(value)
        return date.fromisoformat(value)
    except ValueError:
        raise GraphQLError("A date is written like 2026-03-01.") from None


def _parse_decimal(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise GraphQLError('A decimal is written as text, such as "12.50": numbers would lose exactness on the way.')
    try:
        return parse_amount(value)
    except InvalidInput as problem:
        raise GraphQLError(problem.message) from None


def duration_text(duration: timedelta) -> str:
    """A duration as ISO 8601 has it, in hours, minutes and seconds: PT90M is written PT1H30M."""
    total = round(duration.total_seconds())
    hours, rest = divmod(abs(total), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count]
    return ("-" if total < 0 else "") + "PT" + ("".join(parts) or "0S")


def _parse_duration(value: Any) -> timedelta:
    shape = _DURATION.fullmatch(value) if isinstance(value, str) else None
    parts = {name: int(count) for name, count in shape.groupdict().items() if count and name != "sign"} if shape else {}
    if shape is None or not parts:
        raise GraphQLError("A duration is written like PT1H30M or P2D.")
    duration = timedelta(**parts)
    return -duration if shape["sign"] else duration


def _scalar(
    name: str, says: str, serialize: Callable[[Any], Any], parse: Callable[[Any], Any], url: str
) -> ScalarDefinition:
    return strawberry.scalar(name=name, description=says, serialize=serialize, parse_value=parse, specified_by_url=url)


def _text_or(function: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: value if isinstance(value, str) else function(value)


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: _scalar(
        "DateTime", "A moment as RFC 3339 has it. The offset is required on input; output is UTC.",
        _text_or(moment_text), _parse_moment, "https://www.rfc-editor.org/rfc/rfc3339",
    ),
    date: _scalar(
        "Date", "A day of the calendar, such as 2026-03-01 (ISO 8601, RFC 3339 full-date).",
        _text_or(date.isoformat), _parse_day, "https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
    ),
    Decimal: _scalar(
        "Decimal", "An exact decimal number, written as text such as \"12.50\".", _text_or(str), _parse_decimal,
        "https://www.w3.org/TR/xmlschema11-2/#decimal",
    ),
    timedelta: _scalar(
        "Duration", "A length of time as ISO 8601 has it, such as PT1H30M.",
        _text_or(duration_text), _parse_duration, "https://www.rfc-editor.org/rfc/rfc3339#appendix-A",
    ),
    JSON: _scalar("JSON", "Any JSON value.", lambda value: value, lambda value: value,
                  "https://www.rfc-editor.org/rfc/rfc8259"),
}  # fmt: skip
