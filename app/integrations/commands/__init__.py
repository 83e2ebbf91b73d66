"""What people do here: bring other systems' data in, and take ours out."""

from app.integrations.commands.exports import (
    begin_export,
    bulk_export,
    cancel_bulk_export,
    expire_export,
    fail_export,
    finish_export,
    note_download,
    note_export_extent,
    note_export_progress,
)
from app.integrations.commands.imports import (
    Progress,
    finish_import,
    import_batch,
    import_file,
    import_work_orders,
    start_import,
)

__all__ = [
    "Progress",
    "begin_export",
    "bulk_export",
    "cancel_bulk_export",
    "expire_export",
    "fail_export",
    "finish_export",
    "finish_import",
    "import_batch",
    "import_file",
    "import_work_orders",
    "note_download",
    "note_export_extent",
    "note_export_progress",
    "start_import",
]
