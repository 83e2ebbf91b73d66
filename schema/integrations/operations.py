"""What clients may ask about imports, and how they import."""

from app.integrations import commands
from app.integrations.mappings import MAPPINGS
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from schema.integrations.types import Import, ImportFilter, ImportMapping, ImportOrder, ImportReport, shown_row
from schema.kit import Connection, about, inputs, many, mutation, one, query


class Queries:
    """What clients may ask."""

    data_import: Import | None = one("One import.", permission=Permission.IMPORT_DATA)
    imports: Connection[Import] = many(
        "Past imports, the newest first.", permission=Permission.IMPORT_DATA, filter=ImportFilter, order=ImportOrder
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


class Mutations:
    """What clients may do."""

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
