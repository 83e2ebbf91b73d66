"""The tables of the machines themselves: journal, idempotency keys, followers, timers, jobs and outboxes."""

from typing import Any

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from app.infrastructure.conditions import Condition, column, nothing
from app.infrastructure.personal_data import USER, impersonal, of, personal
from app.infrastructure.search import DOCUMENTS
from app.infrastructure.tables import IdentifiedTable, OwnedTable, listed, register
from app.kernel.actor import Actor
from app.kernel.ids import ID_LENGTH_MAX
from app.kernel.permissions import Permission


class JournalHead(Model):
    """How many facts an organization has. Counting it up is a transaction's last statement, so numbers follow commits."""

    organization_id = fields.CharField(max_length=ID_LENGTH_MAX, primary_key=True)
    seq = fields.BigIntField(default=0)

    class Meta:
        table = "journal_head"


class JournalEntry(IdentifiedTable):
    """One fact. Append-only; ``seq`` has no gaps within an organization and follows the order of commits.

    ``previous_hash`` and ``hash`` are the seal of an organization's chain. A command leaves them empty, so that it never
    waits for the chain: ``sealing`` writes them afterwards, in the order of the facts.
    """

    prefix = "fact"

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
    address = fields.CharField(max_length=64, null=True)
    user_agent = fields.CharField(max_length=200, null=True)
    session_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    operation = fields.CharField(max_length=80, null=True)
    # What the seal mixes the payload with; ``redaction`` puts there what is left of it when personal data was erased.
    salt = fields.CharField(max_length=80, null=True)
    previous_hash = fields.CharField(max_length=64, null=True)
    hash = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "journal_entry"
        unique_together = (("organization_id", "seq"),)
        indexes = [
            Index(fields=("organization_id", "subject_id", "seq")),
            listed("at"),
            listed("actor_id", "at"),
            listed("type", "at"),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        if not actor.holds(Permission.VIEW_AUDIT) or actor.is_customer:
            return nothing()
        return column("organization_id") == actor.organization_id


class JournalSeal(Model):
    """How far an organization's facts are sealed, and up to which they are in the archive and no longer in the table.

    Whoever seals holds the row; ``hash`` and ``archived_hash`` are those of the last facts, with which the chain goes on.
    """

    organization_id = fields.CharField(max_length=ID_LENGTH_MAX, primary_key=True)
    seq = fields.BigIntField(default=0)
    hash = fields.CharField(max_length=64, default="")
    archived_seq = fields.BigIntField(default=0)
    archived_hash = fields.CharField(max_length=64, default="")

    class Meta:
        table = "journal_seal"


class IdempotencyKey(Model):
    """What a request with a key answered, kept so that the same request repeated answers the same and does nothing."""

    id = fields.CharField(max_length=ID_LENGTH_MAX, primary_key=True)
    organization_id = fields.CharField(max_length=ID_LENGTH_MAX)
    actor_id = fields.CharField(max_length=ID_LENGTH_MAX)
    key = fields.CharField(max_length=255)
    fingerprint = fields.CharField(max_length=64)
    # In a list of one: the ORM takes a bare text for JSON that is written already.
    result: fields.JSONField[list[Any]] = fields.JSONField()
    seq = fields.BigIntField()
    created_at = fields.DatetimeField(db_index=True)

    class Meta:
        table = "idempotency_key"
        unique_together = (("organization_id", "actor_id", "key"),)


class FollowerCursor(Model):
    """How far a follower has come in an organization's journal, and the fact it stumbles over, if there is one."""

    id = fields.CharField(max_length=128, primary_key=True)
    follower = fields.CharField(max_length=80)
    organization_id = fields.CharField(max_length=ID_LENGTH_MAX)
    seq = fields.BigIntField(default=0)
    failing_seq = fields.BigIntField(null=True)
    attempts = fields.IntField(default=0)
    retry_at = fields.DatetimeField(null=True)

    class Meta:
        table = "follower_cursor"
        indexes = [Index(fields=("organization_id", "follower"))]


class FieldKey(Model):
    """A key with which fields of this database are encrypted: its id, and what shows that a key is the one; never the key."""

    id = fields.CharField(max_length=32, primary_key=True)
    proof = fields.CharField(max_length=64)
    since = fields.DatetimeField()

    class Meta:
        table = "field_key"


@register
class ParkedFact(OwnedTable):
    """A fact that a follower failed at again and again, set aside so that the follower could go on."""

    prefix = "park"
    noun = "parked fact"

    follower = fields.CharField(max_length=80)
    seq = fields.BigIntField()
    fact_id = fields.CharField(max_length=ID_LENGTH_MAX)
    type = fields.CharField(max_length=80)
    attempts = fields.IntField()
    error = fields.TextField()
    replayed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "parked_fact"
        unique_together = (("organization_id", "follower", "seq"),)

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _of_operations(actor)


@register
class Job(OwnedTable):
    """Work to be done in the background. ``open_key`` is the key it must not share with another open job."""

    prefix = "job"
    noun = "job"

    kind = fields.CharField(max_length=80)
    status = fields.CharField(max_length=32)
    payload: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    progress: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    result: fields.JSONField[dict[str, Any]] = fields.JSONField(null=True)
    error = fields.TextField(null=True)
    open_key = fields.CharField(max_length=200, null=True)
    run_at = fields.DatetimeField()
    attempts = fields.IntField(default=0)
    cancel_requested = fields.BooleanField(default=False)
    runner = fields.CharField(max_length=80, null=True)
    lease_until = fields.DatetimeField(null=True)
    requested_by = fields.CharField(max_length=ID_LENGTH_MAX)
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "job"
        unique_together = (("organization_id", "open_key"),)
        # Runners look for work of every organization, so the status leads here.
        indexes = [Index(fields=("status", "run_at")), Index(fields=("organization_id", "kind", "created_at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _of_operations(actor)


class Timer(Model):
    """Work that comes round: when it is next, and which process has it in hand."""

    name = fields.CharField(max_length=80, primary_key=True)
    next_at = fields.DatetimeField()
    runner = fields.CharField(max_length=80, null=True)
    lease_until = fields.DatetimeField(null=True)
    last_run_at = fields.DatetimeField(null=True)
    last_error = fields.TextField(null=True)

    class Meta:
        table = "timer"


class RoadRow(Model):
    """The ways by road from one place, as a road server told them: a cache, see ``roads.rows``. It belongs to nobody: it is
    about points on the map, rounded to ten metres, and about no customer."""

    id = fields.CharField(max_length=96, primary_key=True)
    ways = fields.IntField()
    data = fields.BinaryField()
    asked_at = fields.DatetimeField(db_index=True)

    class Meta:
        table = "road_row"


@register
class OutboxMessage(OwnedTable):
    """A mail or text message on its way out. It is stored with the change that caused it, and delivered after that."""

    prefix = "obx"
    noun = "outgoing message"

    channel = fields.CharField(max_length=16)
    recipient = fields.CharField(max_length=320)
    subject = fields.CharField(max_length=400, default="")
    text = fields.TextField()
    effect_key = fields.CharField(max_length=200, null=True)
    is_secret = fields.BooleanField(default=False, db_default=False)
    sent_at = fields.DatetimeField(null=True)

    class Meta:
        table = "outbox_message"
        unique_together = (("organization_id", "effect_key"),)
        indexes = [Index(fields=("organization_id", "created_at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _of_operations(actor)


def _of_operations(actor: Actor) -> Condition:
    if not actor.holds(Permission.VIEW_OPERATIONS):
        return nothing()
    return column("organization_id") == actor.organization_id


EXTRAS = [DOCUMENTS]

MACHINES = "how far machines are, what they stumbled over, and points on the map that are about no customer"

impersonal(MACHINES, JournalHead, JournalSeal, FollowerCursor, Timer, RoadRow, FieldKey)
personal(
    JournalEntry,
    keeps={
        "actor_kind": "what kind of somebody acted",
        "actor_id": "who did something; the id says no more than that it was the same person",
        "customer_id": "of which account a fact tells",
        "technician_ids": "of whose work a fact tells",
        "payload": "erased fact by fact, see redaction",
        "address": "erased fact by fact, see redaction",
        "user_agent": "erased fact by fact, see redaction",
        "salt": "random, or a digest",
    },
)
personal(
    IdempotencyKey,
    of(USER, "actor_id", drop=True),
)
personal(ParkedFact, mentions=("error",))
personal(
    Job,
    keeps={"requested_by": "who asked for work", "open_key": "ids"},
    mentions=("payload", "progress", "result", "error"),
)
personal(OutboxMessage, recipient="recipient", keeps={"effect_key": "ids"}, mentions=("subject", "text"))
