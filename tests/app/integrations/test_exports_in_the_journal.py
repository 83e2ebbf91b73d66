"""The facts behind an export's cursor stay in the journal for as long as somebody can go on from it."""

import pytest

from app.infrastructure import journal, retention
from app.infrastructure.tables import add_row
from app.integrations import queries, reactions
from app.integrations.models import BulkExport
from app.integrations.rules import ExportStatus
from app.kernel.dialects import Dialect


async def export(organization_id: str, status: ExportStatus, seq: int | None) -> None:
    cursor = None if seq is None else journal.cursor_at(organization_id, seq)
    await add_row(
        BulkExport, organization_id=organization_id, document="", root="customers", format="CSV", file_name="x",
        requested_by="usr_1", status=status, cursor=cursor,
    )  # fmt: skip


@pytest.mark.parametrize("status", ExportStatus)
async def test_facts_are_kept_for_exports_that_are_open_or_ready(database: Dialect, status: ExportStatus) -> None:
    await export("org_ours", status, 7)
    needed = status in (ExportStatus.QUEUED, ExportStatus.RUNNING, ExportStatus.READY)
    assert await queries.seq_needed("org_ours") == (7 if needed else None)
    assert await queries.seq_needed("org_theirs") is None


async def test_the_earliest_counts_and_one_that_has_not_begun_does_not(database: Dialect) -> None:
    for seq in (9, 4, None, 6):
        await export("org_ours", ExportStatus.READY if seq else ExportStatus.QUEUED, seq)
    assert await queries.seq_needed("org_ours") == 4


def test_the_archive_asks_about_exports() -> None:
    assert reactions.queries.seq_needed in retention._keepers
