"""What clients may see of imports."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.integrations import models, rules
from app.kernel.permissions import Permission
from schema.kit import (
    ID,
    BooleanFilter,
    DateTimeFilter,
    EnumFilter,
    Node,
    Private,
    StringFilter,
    about,
    by,
    col,
    computed,
    describe_enum,
    filterable,
    link,
    orderable,
    plain,
    readable,
)

describe_enum(
    rules.ImportKind,
    "What is imported.",
    {rules.ImportKind.WORK_ORDERS: "Work orders, with their customers and sites."},
)
describe_enum(
    rules.ImportStatus,
    "How far an import is.",
    {
        rules.ImportStatus.RUNNING: "It is being read; one that stays so broke off with its server.",
        rules.ImportStatus.FINISHED: "It was read to its end.",
        rules.ImportStatus.FAILED: "It broke off; what it had done until then stays. Import the file again.",
    },
)
describe_enum(
    rules.ImportOutcome,
    "What became of a row, or would have in a dry run.",
    {
        rules.ImportOutcome.CREATED: "A new work order.",
        rules.ImportOutcome.UPDATED: "A work order, site or customer that was there and changed.",
        rules.ImportOutcome.UNCHANGED: "The row says nothing new.",
        rules.ImportOutcome.FAILED: "The row cannot be used; its errors say why. It changed nothing.",
    },
)


@plain
class ImportCellError:
    """Why a row cannot be used."""

    column: str | None = about("The file's column that it is about; null if it is about the whole row.")
    message: str = about("What is wrong, in a sentence.")


@plain
class ImportRow:
    """What became of one row of a file."""

    row: int = about("Its number as a spreadsheet counts: the header is 1.")
    line: int = about("The line it begins on, as a text editor counts.")
    external_id: str | None = about("The work order's id in the other system, as far as it could be read.")
    outcome: rules.ImportOutcome = about("What became of it.")
    errors: list[ImportCellError] = about("Everything that is wrong with it.")


def shown_row(row: Any) -> ImportRow:
    """A row's outcome, fresh or as an import keeps it."""
    kept = row.as_json() if isinstance(row, rules.RowOutcome) else row
    return ImportRow(
        row=kept["row"],
        line=kept["line"],
        external_id=kept["external_id"],
        outcome=rules.ImportOutcome(kept["outcome"]),
        errors=[ImportCellError(column=one["column"], message=one["message"]) for one in kept["errors"]],
    )


def _shown_rows(kept: Sequence[Any]) -> list[ImportRow]:
    return [shown_row(row) for row in kept]


@filterable(models.Import)
class ImportFilter:
    """Which imports."""

    mapping: StringFilter | None = by("How the file was read.")
    file_name: StringFilter | None = by("The file's name.")
    status: EnumFilter[rules.ImportStatus] | None = by("How far it is.")
    dry_run: BooleanFilter | None = by("Whether it only tried.")
    started_at: DateTimeFilter | None = by("When it began.")


ImportOrder = orderable("ImportOrder", models.Import, default=("-started_at",), started_at="When it began.")


@readable(models.Import, permission=Permission.IMPORT_DATA)
class Import(Node):
    """A file that came in, and what became of its rows."""

    kind: rules.ImportKind = col("What was imported.")
    mapping: str = col("How the file was read; see importMappings.")
    file_name: str = col("The file's name.")
    sha256: str = col("The SHA-256 of the file, in hexadecimal.")
    dry_run: bool = col("Whether it only tried, and took everything back.")
    status: rules.ImportStatus = col("How far it is.", facet=True)
    row_count: int = col("How many rows the file has.", totals=True)
    created_count: int = col("How many rows became new work orders.")
    updated_count: int = col("How many rows changed something that was there.")
    unchanged_count: int = col("How many rows said nothing new.")
    failed_count: int = col("How many rows could not be used.", totals=True)
    failed_rows: list[ImportRow] = computed(
        "The first thousand rows that could not be used.", _shown_rows, needs=("errors",)
    )
    error: str | None = col("Why it broke off, if it did.")
    started_by: ID = col("The user or key that began it, or system.")
    started_at: datetime = col("When it began.", facet=True)
    finished_at: datetime | None = col("When it ended.")


@plain
class ImportReport:
    """An import and what became of every row."""

    created: int = about("How many rows became, or would become, new work orders.")
    updated: int = about("How many rows changed, or would change, something that is there.")
    unchanged: int = about("How many rows say nothing new.")
    failed: int = about("How many rows cannot be used.")
    rows: list[ImportRow] = about("Every row, in the order of the file.")
    record: Import | None = link("The import as it is kept.", "import_id")
    import_id: Private[str]


@plain
class ImportMapping:
    """A kind of file that can be imported."""

    name: str = about("What to name in importWorkOrders.")
    description: str = about("What kind of file it reads, and what becomes of a row.")
    required_columns: list[str] = about("The columns that the file must have.")
    optional_columns: list[str] = about("The columns that are read if they are there.")
