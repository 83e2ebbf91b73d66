"""What clients may ask about imports and bulk exports, and how they import and export."""

from typing import Any

from app.integrations import commands
from app.integrations.mappings import MAPPINGS
from app.integrations.rules import ExportFormat
from app.kernel.actor import Actor
from app.kernel.errors import IllegalTransition, LimitReached, StaleVersion
from app.kernel.permissions import Permission
from schema.integrations.exporting import planned
from schema.integrations.types import (
    BulkExport,
    BulkExportFilter,
    BulkExportOrder,
    Import,
    ImportFilter,
    ImportMapping,
    ImportOrder,
    ImportReport,
    shown_row,
)
from schema.kit import ID, JSON, Connection, about, inputs, many, mutation, one, query
from schema.kit.context import Context
from schema.kit.live import changed


class Queries:
    """What clients may ask."""

    data_import: Import | None = one("One import.", permission=Permission.IMPORT_DATA)
    imports: Connection[Import] = many(
        "Past imports, the newest first.", permission=Permission.IMPORT_DATA, filter=ImportFilter, order=ImportOrder
    )

    data_export: BulkExport | None = one("One bulk export.", permission=Permission.EXPORT_DATA)
    bulk_exports: Connection[BulkExport] = many(
        "Bulk exports, the newest first: your own, or the whole company's for who manages it.",
        permission=Permission.EXPORT_DATA,
        filter=BulkExportFilter,
        order=BulkExportOrder,
    )

    @query("The kinds of files that can be imported.", permission=Permission.IMPORT_DATA)
    async def import_mappings(actor: Actor) -> list[ImportMapping]:
        return [
            ImportMapping(
                name=mapping.name,
                description=mapping.description,
                required_columns=list(mapping.required_columns),
                optional_columns=list(mapping.optional_columns),
            )
            for mapping in MAPPINGS.values()
        ]


@inputs
class ImportWorkOrdersInput:
    """A CSV file: UTF-8, commas, a header. Larger ones are imported with the command line."""

    mapping: str = about("How to read it; see importMappings.")
    file_name: str = about("Its name, to know it again.", default="requests.csv")
    text: list[str] = about(
        "The text of the file, in pieces of at most 65,536 characters that are put together as they come."
    )
    dry_run: bool = about("Whether to do everything and take it all back, to see what would happen.", default=False)


@inputs
class BulkExportInput:
    """What to export, and as what."""

    id: ID | None = about("The export's id, if you make it yourself; a fresh one otherwise.", default=None)
    document: str = about(
        "A query with one list at its root and nothing beside it, such as { workOrders { nodes { id number } } }, with any "
        "filter. Of each list select nodes only, without first, after or orderBy: an export has all rows, in the order of "
        "their ids."
    )
    variables: JSON | None = about("The query's variables, an object.", default=None)
    format: ExportFormat = about("What the file is made of.", default=ExportFormat.NDJSON)
    file_name: str | None = about("Under what name to offer the file; that of the list otherwise.", default=None)
    byte_order_mark: bool = about("Whether a CSV file begins with a byte order mark, as Excel wants it.", default=False)


@inputs
class CancelBulkExportInput:
    """Which export to stop."""

    id: ID = about("The export.")
    version: int | None = about("The version you saw, to be told when it changed since.", default=None)


class Mutations:
    """What clients may do."""

    @mutation(
        BulkExport,
        "Asks for a whole list as a file. The query is judged and tried at once; a job then writes the file with your "
        "permissions as they are at each page, so it fails if they are taken away. Follow it with bulkExportChanged, then "
        "read its url.",
        permission=Permission.EXPORT_DATA,
        problems=[LimitReached],
    )
    async def bulk_export(actor: Actor, context: Context, input: BulkExportInput) -> str:
        variables: Any = input.variables if input.variables is not None else {}
        root = await planned(context, input.document, variables, input.format)
        return await commands.bulk_export(
            actor,
            id=input.id,
            document=input.document,
            variables=variables,
            root=root,
            format=input.format,
            file_name=input.file_name,
            byte_order_mark=input.byte_order_mark,
        )

    @mutation(
        BulkExport,
        "Stops an export that waits or is under way; what was written is deleted.",
        permission=Permission.EXPORT_DATA,
        problems=[IllegalTransition, StaleVersion],
    )
    async def cancel_bulk_export(actor: Actor, input: CancelBulkExportInput) -> str:
        return await commands.cancel_bulk_export(actor, input.id, version=input.version)

    @mutation(
        ImportReport,
        "Imports work orders with their customers and sites. Each is found again by its external id, so the same file twice "
        "changes nothing the second time. A row that cannot be used is reported and stops no other; a file that is no CSV is "
        "INVALID_INPUT whose path names the line.",
        permission=Permission.IMPORT_DATA,
        noun="report",
    )
    async def import_work_orders(actor: Actor, input: ImportWorkOrdersInput) -> ImportReport:
        result = await commands.import_work_orders(
            actor,
            "".join(input.text).encode(),
            mapping=input.mapping,
            file_name=input.file_name,
            dry_run=input.dry_run,
        )
        return ImportReport(
            created=result.created,
            updated=result.updated,
            unchanged=result.unchanged,
            failed=result.failed,
            rows=[shown_row(row) for row in result.rows],
            import_id=result.id,
        )


class Subscriptions:
    """What clients may hear."""

    bulk_export_changed = changed(
        BulkExport,
        "How far bulk exports are: asked for, begun, progressing every few seconds, ready, failed, canceled, expired.",
        permission=Permission.EXPORT_DATA,
    )
