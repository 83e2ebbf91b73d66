"""The tables of imports and bulk exports."""

from datetime import datetime
from typing import Any

from tortoise import fields
from tortoise.indexes import Index

from app.infrastructure.conditions import Condition, column, nothing
from app.infrastructure.personal_data import personal
from app.infrastructure.tables import OwnedTable, register
from app.integrations.rules import ExportStatus, ImportStatus
from app.kernel.actor import Actor
from app.kernel.ids import ID_LENGTH_MAX
from app.kernel.permissions import Permission


@register
class Import(OwnedTable):
    """A file that came in, and what became of its rows. ``errors`` lists the first thousand that failed."""

    prefix = "imp"
    noun = "import"

    kind = fields.CharField(max_length=32)
    mapping = fields.CharField(max_length=40)
    file_name = fields.CharField(max_length=200)
    sha256 = fields.CharField(max_length=64)
    dry_run = fields.BooleanField(default=False)
    status = fields.CharField(max_length=32, default=ImportStatus.RUNNING.value)
    row_count = fields.IntField(default=0)
    created_count = fields.IntField(default=0)
    updated_count = fields.IntField(default=0)
    unchanged_count = fields.IntField(default=0)
    failed_count = fields.IntField(default=0)
    errors: fields.JSONField[list[dict[str, object]]] = fields.JSONField(default=list)
    error = fields.CharField(max_length=500, null=True)
    started_by = fields.CharField(max_length=ID_LENGTH_MAX)
    started_at = fields.DatetimeField()
    finished_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "import"
        indexes = [
            Index(fields=("organization_id", "started_at")),
            Index(fields=("organization_id", "status")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        if not actor.holds(Permission.IMPORT_DATA) or actor.is_customer:
            return nothing()
        return column("organization_id") == actor.organization_id


@register
class BulkExport(OwnedTable):
    """A whole list, written into a file by a job: what was asked, by whom, and how far it is.

    ``access`` is what the asker could see at that time: the file is for nobody who sees less. ``position`` is where to go
    on after a crash: the file, its length, the id of the last row in it, and that of the last row of all. ``runner`` counts the tries, so that one which
    was given up for dead changes nothing. ``link_secret`` signs the links to the file.
    """

    prefix = "exp"
    noun = "bulk export"

    document = fields.TextField()
    variables: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    root = fields.CharField(max_length=100)
    format = fields.CharField(max_length=16)
    file_name = fields.CharField(max_length=120)
    byte_order_mark = fields.BooleanField(default=False)
    status = fields.CharField(max_length=32, default=ExportStatus.QUEUED.value)
    requested_by = fields.CharField(max_length=ID_LENGTH_MAX)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    access: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    job_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    runner = fields.IntField(default=0)
    position: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    cursor = fields.CharField(max_length=200, null=True)
    estimated_rows = fields.IntField(null=True)
    row_count = fields.IntField(default=0)
    line_count = fields.IntField(default=0)
    byte_count = fields.BigIntField(default=0)
    link_secret = fields.CharField(max_length=64, null=True)
    error_code = fields.CharField(max_length=40, null=True)
    error = fields.CharField(max_length=500, null=True)
    started_at: datetime | None = fields.DatetimeField(null=True)
    finished_at: datetime | None = fields.DatetimeField(null=True)
    expires_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "bulk_export"
        indexes = [
            Index(fields=("organization_id", "created_at")),
            Index(fields=("organization_id", "status")),
            # The timer looks through every organization, so the status leads here.
            Index(fields=("status", "expires_at")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        if not actor.holds(Permission.EXPORT_DATA):
            return nothing()
        ours = column("organization_id") == actor.organization_id
        if actor.holds(Permission.MANAGE_ORGANIZATION) and not actor.is_customer:
            return ours
        return ours & (column("requested_by") == actor.id)


BY = "who took data in or out is part of the record of it"

personal(
    Import, keeps={"started_by": BY, "mapping": "the name of one of ours"}, mentions=("file_name", "errors", "error")
)
personal(
    BulkExport,
    keeps={"requested_by": BY, "customer_id": BY, "access": "permissions", "position": "places in a file", "cursor": "a place",
           "root": "the name of a list"},
    mentions=("document", "variables", "file_name", "error"),
    hidden=("link_secret",),
)  # fmt: skip
