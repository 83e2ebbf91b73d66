"""What clients may see of imports and bulk exports."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.integrations import models, rules
from app.integrations.queries import link_to
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from schema.kit import (
    ID,
    JSON,
    BooleanFilter,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    IntFilter,
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

describe_enum(
    rules.ExportFormat,
    "What an export's file is made of.",
    {
        rules.ExportFormat.NDJSON: "A JSON object on each line, exactly as the API shows it; rows of lists below follow on "
        "lines of their own.",
        rules.ExportFormat.CSV: "A table with a header (RFC 4180), for one list without lists below.",
    },
)
describe_enum(
    rules.ExportStatus,
    "Where a bulk export stands.",
    {
        rules.ExportStatus.QUEUED: "It waits for a free worker.",
        rules.ExportStatus.RUNNING: "The file is being written; rowCount says how far it is.",
        rules.ExportStatus.READY: "The file is there until expiresAt.",
        rules.ExportStatus.FAILED: "There is no file; errorCode and error say why.",
        rules.ExportStatus.CANCELED: "Stopped before there was a file.",
        rules.ExportStatus.EXPIRED: "The file was kept long enough, and is gone.",
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

    id: IdFilter | None = by("Its id.")
    mapping: StringFilter | None = by("How the file was read.")
    file_name: StringFilter | None = by("The file's name.")
    status: EnumFilter[rules.ImportStatus] | None = by("How far it is.")
    dry_run: BooleanFilter | None = by("Whether it only tried.")
    started_at: DateTimeFilter | None = by("When it began.")
    kind: EnumFilter[rules.ImportKind] | None = by("What was imported.")
    sha256: StringFilter | None = by("The SHA-256 of the file, in hexadecimal.")
    row_count: IntFilter | None = by("How many rows the file has.")
    created_count: IntFilter | None = by("How many rows became new work orders.")
    updated_count: IntFilter | None = by("How many rows changed something that was there.")
    unchanged_count: IntFilter | None = by("How many rows said nothing new.")
    failed_count: IntFilter | None = by("How many rows could not be used.")
    error: StringFilter | None = by("Why it broke off, if it did.")
    started_by: IdFilter | None = by("The user or key that began it, or system.")
    finished_at: DateTimeFilter | None = by("When it ended.")


ImportOrder = orderable(
    "ImportOrder",
    models.Import,
    default=("-started_at",),
    started_at="When it began.",
    kind="What was imported.",
    mapping="How the file was read; see importMappings.",
    file_name="The file's name.",
    sha256="The SHA-256 of the file, in hexadecimal.",
    dry_run="Whether it only tried, and took everything back.",
    status="How far it is.",
    row_count="How many rows the file has.",
    created_count="How many rows became new work orders.",
    updated_count="How many rows changed something that was there.",
    unchanged_count="How many rows said nothing new.",
    failed_count="How many rows could not be used.",
    error="Why it broke off, if it did.",
    finished_at="When it ended.",
)


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


@plain
class AllowedExportStep:
    """A step that a bulk export can take from where it stands."""

    to: rules.ExportStatus = about("The status it leads to.")
    blocked_by: list[str] = about("What keeps it from being taken right now; empty if nothing does.")


def _steps(status: str) -> list[AllowedExportStep]:
    return [
        AllowedExportStep(to=step.to, blocked_by=list(step.blocked_by))
        for step in rules.EXPORT.allowed(rules.ExportStatus(status))
    ]


def _url(
    actor: Actor, id: str, status: str, requested_by: str, access: dict[str, Any], secret: str | None
) -> str | None:
    """A fresh link for who reads this."""
    if status != rules.ExportStatus.READY or secret is None or not rules.may_download(actor, requested_by, access):
        return None
    return link_to(actor, id, secret)


@filterable(models.BulkExport)
class BulkExportFilter:
    """Which bulk exports."""

    id: IdFilter | None = by("Its id.")
    status: EnumFilter[rules.ExportStatus] | None = by("Where it stands.")
    format: EnumFilter[rules.ExportFormat] | None = by("What the file is made of.")
    root: StringFilter | None = by("Which list, such as workOrders.")
    requested_by: StringFilter | None = by("The id of the user or key that asked.")
    created_at: DateTimeFilter | None = by("When it was asked for.")
    document: StringFilter | None = by("The query that was asked.")
    file_name: StringFilter | None = by("Under what name the file is offered.")
    byte_order_mark: BooleanFilter | None = by("Whether a CSV file begins with a byte order mark.")
    estimated_rows: IntFilter | None = by("How many rows the list had when the work began; null until then.")
    row_count: IntFilter | None = by("How many rows of the list are in the file so far.")
    line_count: IntFilter | None = by(
        "How many lines are in the file so far, rows of lists below counted in, the header not."
    )
    byte_count: IntFilter | None = by("How long the file is so far, in bytes.")
    started_at: DateTimeFilter | None = by("When a worker set to work.")
    finished_at: DateTimeFilter | None = by("When it ended.")
    expires_at: DateTimeFilter | None = by("Until when the file is kept.")
    error_code: StringFilter | None = by(
        "A stable word for why there is no file: the code of a problem, ABANDONED or INTERNAL."
    )
    error: StringFilter | None = by("Why there is no file.")


BulkExportOrder = orderable(
    "BulkExportOrder",
    models.BulkExport,
    default=("-created_at",),
    created_at="When it was asked for.",
    root="The list at the query's root, such as workOrders.",
    format="What the file is made of.",
    file_name="Under what name the file is offered.",
    byte_order_mark="Whether a CSV file begins with a byte order mark.",
    status="Where it stands.",
    estimated_rows="How many rows the list had when the work began; null until then.",
    row_count="How many rows of the list are in the file so far.",
    line_count="How many lines are in the file so far, rows of lists below counted in, the header not.",
    byte_count="How long the file is so far, in bytes.",
    started_at="When a worker set to work.",
    finished_at="When it ended.",
    expires_at="Until when the file is kept.",
    error_code="A stable word for why there is no file: the code of a problem, ABANDONED or INTERNAL.",
    error="Why there is no file.",
)


@readable(models.BulkExport, permission=Permission.EXPORT_DATA)
class BulkExport(Node):
    """A whole list as a file. Those who asked see it, and who manages the company."""

    version: int = col("Counts up with every change.")
    document: str = col("The query that was asked.")
    variables: JSON = col("The query's variables.")
    root: str = col("The list at the query's root, such as workOrders.")
    format: rules.ExportFormat = col("What the file is made of.")
    file_name: str = col("Under what name the file is offered.")
    byte_order_mark: bool = col("Whether a CSV file begins with a byte order mark.")
    status: rules.ExportStatus = col("Where it stands.")
    requested_by: ID = col("The user or key that asked. The file has what they may see.")
    estimated_rows: int | None = col("How many rows the list had when the work began; null until then.")
    row_count: int = col("How many rows of the list are in the file so far.")
    line_count: int = col("How many lines are in the file so far, rows of lists below counted in, the header not.")
    byte_count: int = col("How long the file is so far, in bytes.")
    cursor: str | None = col(
        "Where the journal stood before the first row was read; null until then. Everything that happened since comes with "
        "changes(after:), so the file and the changes together leave nothing out."
    )
    created_at: datetime = col("When it was asked for.")
    started_at: datetime | None = col("When a worker set to work.")
    finished_at: datetime | None = col("When it ended.")
    expires_at: datetime | None = col("Until when the file is kept.")
    error_code: str | None = col(
        "A stable word for why there is no file: the code of a problem, ABANDONED or INTERNAL."
    )
    error: str | None = col("Why there is no file.")
    url: str | None = computed(
        "A link to the file, made for you just now and good for 15 minutes, from the root of this API's address. Whoever has "
        "it has the file, so keep it as secret. Null unless the file is ready, and you asked for it or manage the company, "
        "and may see all that the asker could.",
        _url,
        needs=("id", "status", "requested_by", "access", "link_secret"),
        actor=True,
    )
    allowed_transitions: list[AllowedExportStep] = computed(
        "Steps the lifecycle allows from here.", _steps, needs=("status",)
    )
