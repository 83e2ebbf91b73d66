"""How a file becomes rows, and a row becomes a customer, a site and a work order. Pure; mappings are in ``mappings``."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.kernel.errors import InvalidInput

FILE_BYTES_MAX = 20 * 1024 * 1024
ROWS_MAX = 50_000
COLUMNS_MAX = 300
CELL_LENGTH_MAX = 20_000
ROWS_PER_BATCH = 50
REPORTED_ROWS_MAX = 1_000
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


class ImportKind(StrEnum):
    """What is imported."""

    WORK_ORDERS = "WORK_ORDERS"


class ImportStatus(StrEnum):
    """How far an import is."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


class ImportOutcome(StrEnum):
    """What became of a row."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class CellError:
    """Why a row failed: in which column, if it was one, and what to do."""

    column: str | None
    message: str


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row. ``row`` counts as a spreadsheet does (the header is 1), ``line`` as a text editor does."""

    row: int
    line: int
    external_id: str | None
    outcome: ImportOutcome
    errors: tuple[CellError, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The outcome as an import keeps it."""
        return {
            "row": self.row,
            "line": self.line,
            "external_id": self.external_id,
            "outcome": self.outcome.value,
            "errors": [{"column": one.column, "message": one.message} for one in self.errors],
        }


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a file: how many rows of each outcome, and every row."""

    id: str
    dry_run: bool
    rows: tuple[RowOutcome, ...]

    def count(self, outcome: ImportOutcome) -> int:
        """How many rows ended so."""
        return sum(row.outcome is outcome for row in self.rows)

    @property
    def created(self) -> int:
        """Rows that became new work orders."""
        return self.count(ImportOutcome.CREATED)

    @property
    def updated(self) -> int:
        """Rows whose work order, site or customer was there and changed."""
        return self.count(ImportOutcome.UPDATED)

    @property
    def unchanged(self) -> int:
        """Rows that said nothing new."""
        return self.count(ImportOutcome.UNCHANGED)

    @property
    def failed(self) -> int:
        """Rows that could not be used."""
        return self.count(ImportOutcome.FAILED)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: its cells by column. ``fault`` says why it could not be cut into cells, if so."""

    row: int
    line: int
    cells: Map[str, str]
    fault: str | None = None


class Reject(Exception):
    """A transform cannot use what a cell says. The message is for the person who has the file."""


Transform = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Field:
    """Where a value goes, and out of which columns it is made.

    ``target`` is the noun and the name, such as ``site.latitude``. The transform is given the cells, trimmed, in the order
    of the columns; None as its answer means that the file says nothing. A required field must be given a value, and its
    columns must be there; the columns of others may be missing from the file.
    """

    target: str
    columns: tuple[str, ...]
    transform: Transform
    required: bool = False
    missing: str = "There is no value."


@dataclass(frozen=True, slots=True)
class Mapping:
    """How one kind of file is read. Constants are set on every row."""

    name: str
    description: str
    fields: tuple[Field, ...]
    constants: Map[str, Any] = field(default_factory=dict)

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns that a file of this kind must have."""
        return tuple(dict.fromkeys(name for one in self.fields if one.required for name in one.columns))

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """The columns that are read if a file has them."""
        known = dict.fromkeys(name for one in self.fields for name in one.columns)
        return tuple(name for name in known if name not in self.required_columns)


@dataclass(frozen=True, slots=True)
class Translated:
    """What a row says in our terms: noun → name → value; or why it cannot be used."""

    values: dict[str, dict[str, Any]]
    errors: tuple[CellError, ...]

    @property
    def external_id(self) -> str | None:
        """The work order's id in the other system."""
        known: str | None = self.values.get("work_order", {}).get("external_id")
        return known


def translate(mapping: Mapping, row: Row) -> Translated:
    """A row by a mapping, with everything that is wrong with it and not only the first."""
    values: dict[str, dict[str, Any]] = {}
    errors = [CellError(None, row.fault)] if row.fault else []
    for target, constant in mapping.constants.items():
        _put(values, target, constant)
    for one in () if row.fault else mapping.fields:
        try:
            value = one.transform(*(row.cells.get(name, "").strip() for name in one.columns))
        except Reject as reason:
            errors.append(CellError(one.columns[0], str(reason)))
            continue
        if value is not None:
            _put(values, one.target, value)
        elif one.required:
            errors.append(CellError(one.columns[0], one.missing))
    return Translated(values, tuple(errors))


def _put(values: dict[str, dict[str, Any]], target: str, value: Any) -> None:
    noun, name = target.split(".")
    values.setdefault(noun, {})[name] = value


def read_rows(data: bytes, required_columns: tuple[str, ...]) -> list[Row]:
    """The rows of a CSV file: UTF-8, commas, a header. A file that is none is one ``InvalidInput`` that names the line."""
    records = _records(_decoded(data))
    line, header = next(records, (1, []))
    columns = _require_header([name.strip() for name in header], line, required_columns)
    rows: list[Row] = []
    for number, (line, cells) in enumerate(records, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(rows) == ROWS_MAX:
            raise _refused(line, f"a file has at most {ROWS_MAX} rows; split it")
        rows.append(_row(number, line, columns, cells))
    return rows


def _decoded(data: bytes) -> str:
    if len(data) > FILE_BYTES_MAX:
        raise InvalidInput(f"A file has at most {FILE_BYTES_MAX // 1024**2} MiB; split it.", path=["file"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise _refused(
            data.count(b"\n", 0, wrong.start) + 1, "this is not UTF-8; save the file as CSV in UTF-8"
        ) from None
    if "\x00" in text:
        raise _refused(text.count("\n", 0, text.index("\x00")) + 1, "there is a NUL character, so this is no text")
    return unicodedata.normalize("NFC", text)


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            raise _refused(line, _told(str(wrong))) from None
        longest = max(cells, key=len, default="")
        if len(longest) > CELL_LENGTH_MAX:
            raise _refused(
                line, f"a cell has {len(longest)} characters, at most {CELL_LENGTH_MAX} are read; is a quote missing?"
            )
        yield line, cells


def _told(wrong: str) -> str:
    if "unexpected end" in wrong:
        return 'a cell in quotes that begins in this row never ends; a quote inside one is written twice, ""'
    if "expected after" in wrong:
        return 'something follows the quote that ends a cell; a quote inside one is written twice, ""'
    if "field larger" in wrong:
        return f"a cell has more than {CELL_LENGTH_MAX} characters; is a quote missing?"
    return f"this is not CSV ({wrong})"


def _require_header(columns: list[str], line: int, required: tuple[str, ...]) -> list[str]:
    if not any(columns):
        raise _refused(line, "the file has no header")
    if len(columns) > COLUMNS_MAX:
        raise _refused(line, f"the header has {len(columns)} columns, at most {COLUMNS_MAX} are read")
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise _refused(line, f"the header names {twice[0][:60]!r} twice")
    lacking = [name for name in required if name not in columns]
    if lacking:
        raise _refused(line, f"the header lacks {', '.join(lacking)}")
    return columns


def _row(number: int, line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        return Row(number, line, {}, f"The row has {len(cells)} cells, the header has {len(columns)}.")
    for name, cell in zip(columns, cells, strict=True):
        if _CONTROL.search(cell):
            return Row(number, line, {}, f"The cell {name[:60]!r} contains control characters.")
    return Row(number, line, dict(zip(columns, cells, strict=True)))


def _refused(line: int, reason: str) -> InvalidInput:
    return InvalidInput(f"Line {line}: {reason}.", path=["file", str(line)])
