"""The table of alerts."""

from datetime import datetime

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

from app.infrastructure.conditions import Condition, column, exists, nothing
from app.infrastructure.tables import OwnedTable, listed, listed_by_rank, register
from app.kernel.actor import Actor
from app.kernel.ids import ID_LENGTH_MAX
from app.messaging.rules import AlertSeverity, AlertStatus

# Visits and who has them are a higher room's; a technician's own are those that were given and not taken away again.
HELD_ASSIGNMENT_STATUSES = ("PROPOSED", "ACCEPTED")
CAUSE_LENGTH_MAX = 120


@register
class Alert(OwnedTable):
    """Something that needs attention. Of a kind and a subject, one at most is not resolved.

    ``cause`` names what led to it: a fact, or a promise and its time. The same cause does not raise it twice, so what somebody
    resolved does not come back by itself.
    """

    prefix = "alert"
    noun = "alert"

    kind = fields.CharField(max_length=32)
    severity = fields.CharField(max_length=32)
    status = fields.CharField(max_length=32, default=AlertStatus.OPEN.value)
    subject_id = fields.CharField(max_length=ID_LENGTH_MAX)
    work_order_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    appointment_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    territory_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    technician_ids: fields.JSONField[list[str]] = fields.JSONField(default=list)
    message = fields.CharField(max_length=500)
    due_at: datetime | None = fields.DatetimeField(null=True)
    cause = fields.CharField(max_length=CAUSE_LENGTH_MAX, null=True)
    raised_at = fields.DatetimeField()
    acknowledged_at: datetime | None = fields.DatetimeField(null=True)
    acknowledged_by_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    resolved_at: datetime | None = fields.DatetimeField(null=True)
    resolved_by_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)

    class Meta:
        table = "alert"
        unique_together = (("organization_id", "kind", "cause"),)
        constraints = [
            UniqueConstraint(
                fields=("organization_id", "kind", "subject_id"),
                name="alert_unresolved_once",
                condition="\"status\" <> 'RESOLVED'",
            )
        ]
        indexes = [
            listed("raised_at"),
            listed("status", "raised_at"),
            Index(fields=("organization_id", "work_order_id")),
            Index(fields=("organization_id", "appointment_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """The office sees all, a technician what is about the own visits, a customer nothing."""
        if actor.is_customer:
            return nothing()
        owned = super().visible_to(actor)
        if not actor.is_technician_only:
            return owned
        mine = (
            (column("organization_id") == actor.organization_id)
            & (column("technician_id") == actor.technician_id)
            & column("status").one_of(HELD_ASSIGNMENT_STATUSES)
        )
        return owned & exists("assignment", "appointment_id", mine, ours="appointment_id")


EXTRAS = [listed_by_rank(Alert, "severity", AlertSeverity)]
