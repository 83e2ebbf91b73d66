"""The tables of alerts, conversations and their messages, and notifications."""

from datetime import datetime

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

from app.infrastructure.conditions import Condition, any_of, column, everything, exists, nothing
from app.infrastructure.personal_data import CUSTOMER, ERASED, TECHNICIAN, USER, Through, of, personal
from app.infrastructure.tables import OwnedTable, listed, listed_by_rank, register
from app.kernel.actor import Actor
from app.kernel.ids import ID_LENGTH_MAX
from app.kernel.permissions import Permission
from app.messaging.rules import BODY_LENGTH_MAX, TITLE_LENGTH_MAX, AlertSeverity, AlertStatus, MessageVisibility

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


@register
class Conversation(OwnedTable):
    """What is written about a work order, with a customer's account, or with a technician: one conversation of each.

    ``message_count`` is the number of the last message; it is counted up under the row's lock.
    """

    prefix = "conv"
    noun = "conversation"

    about_id = fields.CharField(max_length=ID_LENGTH_MAX)
    work_order_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    technician_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    message_count = fields.IntField(default=0)
    last_message_at: datetime | None = fields.DatetimeField(null=True)
    last_public_message_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "conversation"
        unique_together = (("organization_id", "about_id"),)
        indexes = [
            listed("created_at"),
            listed("last_message_at"),
            listed("customer_id", "last_public_message_at"),
            Index(fields=("organization_id", "work_order_id")),
            Index(fields=("organization_id", "technician_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """The office sees all, a customer the account's own once there is something to read, a technician those about the
        work assigned to or opened by this person, and the own with the office."""
        owned = super().visible_to(actor)
        if actor.is_customer:
            return owned & (column("customer_id") == actor.customer_id) & ~column("last_public_message_at").is_null()
        if not actor.is_technician_only:
            return owned
        mine = column("organization_id") == actor.organization_id
        held = (column("technician_id") == actor.technician_id) & column("status").one_of(HELD_ASSIGNMENT_STATUSES)
        return owned & any_of(
            column("technician_id") == actor.technician_id,
            exists("assignment", "work_order_id", mine & held, ours="work_order_id"),
            exists("work_order", "id", mine & (column("opened_by_user_id") == actor.id), ours="work_order_id"),
        )


@register
class Message(OwnedTable):
    """Something written in a conversation. It stays as it was written."""

    prefix = "msg"
    noun = "message"

    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "truckroll.Conversation", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    conversation_id: str
    number = fields.IntField()
    work_order_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    author_kind = fields.CharField(max_length=32)
    author_id = fields.CharField(max_length=ID_LENGTH_MAX)
    author_name = fields.CharField(max_length=200)
    visibility = fields.CharField(max_length=32)
    text = fields.TextField()
    sent_at = fields.DatetimeField()

    class Meta:
        table = "message"
        unique_together = (("conversation", "number"),)
        indexes = [
            listed("sent_at"),
            Index(fields=("organization_id", "conversation", "sent_at")),
            Index(fields=("organization_id", "work_order_id", "sent_at")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """With its conversation; internal ones only to those who may read internal notes."""
        owned = super().visible_to(actor)
        if actor.is_customer:
            owned = owned & (column("customer_id") == actor.customer_id)
        elif actor.is_technician_only:
            owned = owned & exists("conversation", "id", Conversation.visible_to(actor), ours="conversation_id")
        return owned & readable_by(actor)


def readable_by(actor: Actor) -> Condition:
    """Messages of a kind that an actor may read at all."""
    if actor.holds(Permission.VIEW_INTERNAL_NOTES) and not actor.is_customer:
        return everything()
    return column("visibility") == MessageVisibility.EVERYONE.value


class ConversationReader(OwnedTable):
    """How far somebody has read a conversation: up to the message of that number."""

    prefix = "read"
    noun = "reader of a conversation"

    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "truckroll.Conversation", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    conversation_id: str
    user_id = fields.CharField(max_length=ID_LENGTH_MAX)
    read_number = fields.IntField(default=0)

    class Meta:
        table = "conversation_reader"
        unique_together = (("conversation", "user_id"),)

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return super().visible_to(actor) & (column("user_id") == actor.id)


@register
class Notification(OwnedTable):
    """Something that one person is told. ``cause`` is the fact that led to it: nobody is told of it twice."""

    prefix = "ntf"
    noun = "notification"

    user_id = fields.CharField(max_length=ID_LENGTH_MAX)
    kind = fields.CharField(max_length=32)
    title = fields.CharField(max_length=TITLE_LENGTH_MAX)
    body = fields.CharField(max_length=BODY_LENGTH_MAX)
    subject_id = fields.CharField(max_length=ID_LENGTH_MAX)
    cause = fields.CharField(max_length=CAUSE_LENGTH_MAX)
    read_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "notification"
        unique_together = (("organization_id", "user_id", "cause"),)
        indexes = [
            listed("user_id", "created_at"),
            Index(fields=("organization_id", "user_id", "read_at")),
            # The timer looks through every organization.
            Index(fields=("read_at",)),
            Index(fields=("created_at",)),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """Whoever it is for, and nobody else."""
        return super().visible_to(actor) & (column("user_id") == actor.id)


class NotificationPreference(OwnedTable):
    """Of what somebody does not want to be told."""

    prefix = "npref"
    noun = "notification preference"

    user_id = fields.CharField(max_length=ID_LENGTH_MAX)
    muted_kinds: fields.JSONField[list[str]] = fields.JSONField(default=list)

    class Meta:
        table = "notification_preference"
        unique_together = (("organization_id", "user_id"),)

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return super().visible_to(actor) & (column("user_id") == actor.id)


EXTRAS = [listed_by_rank(Alert, "severity", AlertSeverity)]

WHO = "ids say who was concerned; what they were called is with them"

personal(
    Alert,
    of(CUSTOMER, "customer_id", erase={"message": ERASED}, told=nothing()),
    keeps={"technician_ids": WHO, "acknowledged_by_id": WHO, "resolved_by_id": WHO, "cause": "ids and times"},
    mentions=("message",),
)
personal(Conversation, of(CUSTOMER, "customer_id"), of(TECHNICIAN, "technician_id"))
personal(ConversationReader, of(USER, "user_id", drop=True))
personal(
    Message,
    of(USER, "author_id", erase={"author_name": ERASED, "text": ERASED}),
    of(
        CUSTOMER,
        "customer_id",
        erase={"text": ERASED},
        told=column("visibility") == MessageVisibility.EVERYONE.value,
    ),
    of(TECHNICIAN, Through("conversation_id", Conversation, "technician_id"), erase={"text": ERASED}),
    mentions=("text",),
)
personal(Notification, of(USER, "user_id", drop=True), mentions=("title", "body"))
personal(NotificationPreference, of(USER, "user_id", drop=True))
