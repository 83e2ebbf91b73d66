"""The table of imports."""

from datetime import datetime

from tortoise import fields
from tortoise.indexes import Index

from app.infrastructure.conditions import Condition, column, nothing
from app.infrastructure.tables import OwnedTable, register
from app.integrations.rules import ImportStatus
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
