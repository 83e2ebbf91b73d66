"""The tables of the machines themselves: journal, idempotency keys, followers, timers, jobs and outboxes."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from app.kernel.ids import ID_LENGTH_MAX


class JournalHead(Model):
    """How many facts an organization has. Counting it up is a transaction's last statement, so numbers follow commits."""

    organization_id = fields.CharField(max_length=ID_LENGTH_MAX, primary_key=True)
    seq = fields.BigIntField(default=0)

    class Meta:
        table = "journal_head"


class JournalEntry(Model):
    """One fact. Append-only; ``seq`` has no gaps within an organization and follows the order of commits."""

    id = fields.CharField(max_length=ID_LENGTH_MAX, primary_key=True)
    organization_id = fields.CharField(max_length=ID_LENGTH_MAX)
    seq = fields.BigIntField()
    at = fields.DatetimeField()
    actor_kind = fields.CharField(max_length=16)
    actor_id = fields.CharField(max_length=ID_LENGTH_MAX)
    command = fields.CharField(max_length=80)
    type = fields.CharField(max_length=80)
    noun = fields.CharField(max_length=40)
    subject_id = fields.CharField(max_length=ID_LENGTH_MAX)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    technician_ids: fields.JSONField[list[str]] = fields.JSONField(default=list)
    payload: fields.JSONField[dict[str, object]] = fields.JSONField(default=dict)
    request_id = fields.CharField(max_length=64, null=True)
    previous_hash = fields.CharField(max_length=64, null=True)
    hash = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "journal_entry"
        unique_together = (("organization_id", "seq"),)
        indexes = [Index(fields=("organization_id", "subject_id", "seq"))]


class IdempotencyKey(Model):
    """What a request with a key answered, kept so that the same request repeated answers the same and does nothing."""

    id = fields.CharField(max_length=ID_LENGTH_MAX, primary_key=True)
    organization_id = fields.CharField(max_length=ID_LENGTH_MAX)
    actor_id = fields.CharField(max_length=ID_LENGTH_MAX)
    key = fields.CharField(max_length=255)
    fingerprint = fields.CharField(max_length=64)
    result: fields.JSONField[object] = fields.JSONField(null=True)
    seq = fields.BigIntField()
    created_at = fields.DatetimeField(db_index=True)

    class Meta:
        table = "idempotency_key"
        unique_together = (("organization_id", "actor_id", "key"),)
