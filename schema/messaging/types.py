"""What clients may see of alerts, conversations and messages, and of their own notifications."""

from datetime import datetime

from app.infrastructure.conditions import Writer, quoted
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.messaging import models, rules
from app.messaging.rules import AlertKind, AlertSeverity, AlertStatus, AuthorKind, MessageVisibility, NotificationKind
from schema.company.types import Territory
from schema.identity.types import User
from schema.kit import (
    ID,
    Connection,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    Node,
    StringFilter,
    about,
    by,
    by_children,
    by_parent,
    children,
    col,
    computed,
    describe_enum,
    either,
    extends_filter,
    filterable,
    link,
    of_column,
    orderable,
    parent,
    plain,
    ranked,
    readable,
    sql_value,
)

K = AlertKind
describe_enum(
    AlertKind,
    "What an alert is about.",
    {
        K.ASSIGNMENT_DECLINED: "A technician turned a visit down. Over when the visit is given a time or technicians again.",
        K.VISIT_FAILED: "A visit ended without success. Over when another one is booked, or the work is decided on.",
        K.VISIT_LATE: "A visit has not begun and is late, or will be by its ETA: later than its window, or than 15 minutes "
        "after its planned start where it has none. Over when the technicians arrive or the visit is moved.",
        K.SLA_AT_RISK: "Open work is due soon: within 24 hours for LOW, 8 for NORMAL, 4 for HIGH, 2 for URGENT, 1 for "
        "EMERGENCY. Over when it is done, or due at another time.",
        K.SLA_BREACHED: "Open work is overdue. Over when it is done, or due at another time.",
        K.EMERGENCY_WAITING: "An emergency has waited for 15 minutes without a visit being booked.",
        K.PLAN_FAILED: "The planner could not make a plan. Over when there is one for that day.",
    },
)
describe_enum(
    AlertSeverity,
    "How grave an alert is.",
    {
        AlertSeverity.INFO: "Good to know.",
        AlertSeverity.WARNING: "Needs attention.",
        AlertSeverity.CRITICAL: "Act now.",
    },
)
describe_enum(
    AlertStatus,
    "Whether somebody still has to look.",
    {
        AlertStatus.OPEN: "Nobody has taken it up.",
        AlertStatus.ACKNOWLEDGED: "Somebody takes care of it.",
        AlertStatus.RESOLVED: "Over: somebody said so, or what it is about is seen to.",
    },
)

describe_enum(
    AuthorKind,
    "What the writer of a note or a message is.",
    {
        AuthorKind.STAFF: "The service company's office.",
        AuthorKind.TECHNICIAN: "A technician.",
        AuthorKind.CUSTOMER: "The customer.",
        AuthorKind.PARTNER: "A partner's system.",
        AuthorKind.SYSTEM: "The system itself.",
    },
)
describe_enum(
    MessageVisibility,
    "Who may read a message.",
    {
        MessageVisibility.INTERNAL: "Only the service company.",
        MessageVisibility.EVERYONE: "The customer too.",
    },
)


@filterable(models.Alert)
class AlertFilter:
    """Which alerts."""

    id: IdFilter | None = by("Its id.")
    kind: EnumFilter[AlertKind] | None = by("What it is about.")
    severity: EnumFilter[AlertSeverity] | None = by("How grave it is.")
    status: EnumFilter[AlertStatus] | None = by("Whether somebody still has to look.")
    subject_id: IdFilter | None = by("The id of the visit, work order or plan run that it is about.")
    work_order_id: IdFilter | None = by("About which work.")
    appointment_id: IdFilter | None = by("About which visit.")
    territory_id: IdFilter | None = by("In which territory.")
    acknowledged_by_id: IdFilter | None = by("Who takes care of it.")
    resolved_by_id: IdFilter | None = by("Who said that it is over.")
    message: StringFilter | None = by("What it says.")
    due_at: DateTimeFilter | None = by("By when something was promised.")
    raised_at: DateTimeFilter | None = by("When it was raised.")
    acknowledged_at: DateTimeFilter | None = by("When somebody took it up.")
    resolved_at: DateTimeFilter | None = by("When it was over.")


AlertOrder = orderable(
    "AlertOrder",
    models.Alert,
    default=("-raised_at",),
    raised_at="When it was raised.",
    severity=ranked("The gravest last.", "severity", [str(one) for one in AlertSeverity]),
    kind="What it is about.",
    status="Whether somebody still has to look.",
    message="What it says.",
    due_at="By when something was promised; those without come last.",
    acknowledged_at="When somebody took it up.",
    resolved_at="When it was over.",
)


@readable(models.Alert, permission=Permission.VIEW_ALERTS)
class Alert(Node):
    """Something that needs attention, until somebody or time takes care of it. The office sees all, a technician what is about
    the own visits, a customer none."""

    version: int = col("Counts up with every change.")
    kind: AlertKind = col("What it is about.", facet=True)
    kind_label: str = computed("What it is about, in plain words.", rules.kind_label, needs=("kind",))
    severity: AlertSeverity = col("How grave it is.", facet=True)
    severity_label: str = computed("How grave it is, in plain words.", rules.severity_label, needs=("severity",))
    status: AlertStatus = col("Whether somebody still has to look.", facet=True)
    message: str = col("What is the matter, in plain words.")
    subject_id: ID = col("The id of the visit, work order or plan run that it is about.")
    subject: Node = either("What it is about; null when you may not see it, or when it is gone.")
    due_at: datetime | None = col("By when something was promised; null when nothing was.")
    raised_at: datetime = col("When it was raised.", facet=True)
    acknowledged_at: datetime | None = col("When somebody took it up; null until then.")
    acknowledged_by: User = parent("The person who takes care of it.")
    resolved_at: datetime | None = col("When it was over; null until then.")
    resolved_by: User = parent("The person who said that it is over; null when time or an event did.")
    territory: Territory = parent("Where it is about.", facet="name")


@filterable(models.Conversation)
class ConversationFilter:
    """Which conversations."""

    id: IdFilter | None = by("Its id.")
    about_id: IdFilter | None = by("The id of the work order, customer or technician that it is about.")
    work_order_id: IdFilter | None = by("About which work; isNull for those about none.")
    customer_id: IdFilter | None = by("With which customer; those about the customer's work as well.")
    technician_id: IdFilter | None = by("Between the office and which technician.")
    started_at: DateTimeFilter | None = by("When it began.", column="created_at")
    last_message_at: DateTimeFilter | None = by("When the last message was sent.")
    last_public_message_at: DateTimeFilter | None = by("When the last message for everyone was sent.")


ConversationOrder = orderable(
    "ConversationOrder",
    models.Conversation,
    default=("-started_at",),
    started_at=of_column("When it began.", "created_at"),
    last_message_at="When the last message was sent.",
    last_public_message_at="When the last message for everyone was sent; those without come last.",
)


@filterable(models.Message)
class MessageFilter:
    """Which messages."""

    id: IdFilter | None = by("Its id.")
    conversation_id: IdFilter | None = by("Of which conversation.")
    work_order_id: IdFilter | None = by("About which work.")
    author_id: IdFilter | None = by("Who wrote it.")
    text: StringFilter | None = by("What it says.")
    visibility: EnumFilter[MessageVisibility] | None = by("Who may read it.")
    author_kind: EnumFilter[AuthorKind] | None = by("What the writer is.")
    author_name: StringFilter | None = by("The writer's name at that time.")
    sent_at: DateTimeFilter | None = by("When it was sent.")
    conversation: ConversationFilter | None = by_parent("Of which conversation.")


@extends_filter(ConversationFilter)
class ConversationsMessages:
    """What is written in it."""

    messages: MessageFilter | None = by_children("What is written in it.", via="conversation_id")


MessageOrder = orderable(
    "MessageOrder",
    models.Message,
    default=("-sent_at",),
    sent_at="When it was sent.",
    visibility="Who may read it.",
    author_kind="What the writer is.",
    author_name="The writer's name at that time.",
)


def unread(writer: Writer, alias: str, actor: Actor) -> str:
    """How many messages of a conversation the actor may read, has not written and not read."""
    message, reader = writer.alias(), writer.alias()
    of_this = f'"conversation_id" = {quoted(alias)}."id"'
    # In the order of the text: SQLite's values have no numbers.
    others = f'{quoted(message)}."author_id" <> {writer.bind(actor.id)}'
    seen = models.readable_by(actor).write(writer, message)
    mine = f'{quoted(reader)}."user_id" = {writer.bind(actor.id)}'
    read = (
        f'coalesce((SELECT {quoted(reader)}."read_number" FROM "conversation_reader" {quoted(reader)} '
        f"WHERE {quoted(reader)}.{of_this} AND {mine}), 0)"
    )
    return (
        f'(SELECT count(*) FROM "message" {quoted(message)} WHERE {quoted(message)}.{of_this} AND {others} AND {seen} '
        f'AND {quoted(message)}."number" > {read})'
    )


@readable(models.Conversation, permission=Permission.VIEW_MESSAGES)
class Conversation(Node):
    """What is written about a work order, with a customer's account, or between the office and a technician. There is one of
    each. The office sees all, a technician those about the own work, a customer those that have something for everyone."""

    about_id: ID = col("The id of the work order, customer or technician that it is about.")
    about: Node = either("The work order, customer or technician that it is about; null when you may not see it.")
    started_at: datetime = col("When it began.", column="created_at")
    last_message_at: datetime | None = col(
        "When the last message was sent; null without the permission VIEW_INTERNAL_NOTES.",
        permission=Permission.VIEW_INTERNAL_NOTES,
    )
    last_public_message_at: datetime | None = col(
        "When the last message for everyone was sent; null while there is none."
    )
    unread_count: int = sql_value(
        "How many messages of others you have not read yet; see markConversationRead.", unread
    )
    messages: Connection["Message"] = children(
        "What is written in it, as far as you may read it; the newest first.",
        via="conversation_id",
        filter=MessageFilter,
        order=MessageOrder,
    )


@readable(models.Message, permission=Permission.VIEW_MESSAGES)
class Message(Node):
    """Something written in a conversation. It stays as it was written."""

    text: str = col("What was written.")
    visibility: MessageVisibility = col("Who may read it.", facet=True)
    author_kind: AuthorKind = col("What the writer is.", facet=True)
    author_name: str = col("The writer's name at that time.")
    sent_at: datetime = col("When it was sent.")
    conversation: Conversation = parent("What it belongs to.")
    author: User = parent("The person who wrote it; null for a partner's system, or when you may not see users.")


@plain
class MessageEvent:
    """Somebody wrote."""

    cursor: str = about("Where you stand after this event; resume with it.")
    at: datetime = about("When it was sent.")
    visibility: MessageVisibility = about("Who may read it.")
    message_id: ID = about("Which message.")
    message: Message | None = link("The message; null when you may not see it (any more).", "message_id")
    conversation_id: ID = about("In which conversation.")


N = NotificationKind
describe_enum(
    NotificationKind,
    "What somebody is told.",
    {
        N.ASSIGNMENT_PROPOSED: "A technician is given a visit.",
        N.ASSIGNMENT_RELEASED: "A visit is taken from a technician.",
        N.VISIT_SCHEDULED: "The customer's visit is booked.",
        N.VISIT_RESCHEDULED: "A visit has another time.",
        N.VISIT_CANCELED: "A visit will not take place.",
        N.WORK_COMPLETED: "The work that a customer asked for is done.",
        N.MESSAGE_RECEIVED: "Somebody wrote.",
        N.ALERT_RAISED: "Something needs a dispatcher's attention, or is graver than it was.",
        N.API_KEY_EXPIRING: "A partner's key ends within two weeks.",
        N.SECURITY_NOTICE: "Somebody signed in to your account unusually, or how one signs in to it was changed.",
        N.ACCESS_REQUESTED: "Somebody asks to be let in, or for more roles.",
    },
)


@filterable(models.Notification)
class NotificationFilter:
    """Which notifications."""

    id: IdFilter | None = by("Its id.")
    kind: EnumFilter[NotificationKind] | None = by("What it tells.")
    subject_id: IdFilter | None = by("The id of what it is about.")
    title: StringFilter | None = by("What it says, in a line.")
    body: StringFilter | None = by("What it says besides.")
    created_at: DateTimeFilter | None = by("When you were told.")
    read_at: DateTimeFilter | None = by("When you read it; isNull for what is unread.")


NotificationOrder = orderable(
    "NotificationOrder",
    models.Notification,
    default=("-created_at",),
    created_at="When you were told.",
    kind="What it tells.",
    title="What it says, in a line.",
    body="What it says besides.",
    read_at="When you read it; what is unread comes last.",
)


@readable(models.Notification, permission=None)
class Notification(Node):
    """Something that you are told. You see your own; they are deleted 30 days after you read them."""

    kind: NotificationKind = col("What it tells.", facet=True)
    title: str = col("What it says, in a line.")
    body: str = col("What it says besides.")
    subject_id: ID = col("The id of what it is about, such as a visit, a message or a session.")
    subject: Node = either("What it is about, as it is now; null when you may not see it any more, or when it is gone.")
    created_at: datetime = col("When you were told.")
    read_at: datetime | None = col("When you read it; null until then.")


@plain
class NotificationPreferences:
    """Of what you are told."""

    muted_kinds: list[NotificationKind] = about("Of what you do not want to be told.")


@plain
class ReadNotifications:
    """What marking notifications as read came to."""

    count: int = about("How many had not been read before.")
    unread_count: int = about("How many are left that you have not read.")


@plain
class NotificationEvent:
    """You are told something, or have read something, here or elsewhere."""

    cursor: str = about("Where you stand after this event; resume with it.")
    at: datetime = about("When it happened.")
    fact: str = about("NotificationAdded or NotificationsRead.")
    unread_count: int = about("How many you have not read, as of now.")
    notification_id: ID = about("Which; of those that were read, the newest.")
    notification: Notification | None = link("The notification; null when it is gone.", "notification_id")
