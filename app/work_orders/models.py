"""The tables of work: orders, their priced lines, notes and times."""

from tortoise import fields
from tortoise.fields import OnDelete
from tortoise.indexes import Index
from tortoise.models import Model

from app.customers.models import Customer, Site
from app.infrastructure.conditions import Condition, column, exists, nothing
from app.infrastructure.personal_data import CUSTOMER, ERASED, TECHNICIAN, USER, Through, of, personal
from app.infrastructure.search import Borrowed, searched
from app.infrastructure.tables import OwnedTable, listed, listed_by_rank, register
from app.kernel.actor import Actor
from app.kernel.ids import ID_LENGTH_MAX
from app.kernel.permissions import Permission
from app.kernel.work import Priority
from app.work_orders.rules import NoteVisibility, WorkOrderStatus

HELD_ASSIGNMENT_STATUSES = ("PROPOSED", "ACCEPTED")


@register
class WorkOrder(OwnedTable):
    """What is to be done for a customer at a site."""

    prefix = "wo"
    noun = "work order"

    number = fields.CharField(max_length=32)
    customer: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField(
        "truckroll.Customer", related_name=False, on_delete=OnDelete.RESTRICT
    )
    customer_id: str
    site: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField(
        "truckroll.Site", related_name=False, on_delete=OnDelete.RESTRICT
    )
    site_id: str
    equipment: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "truckroll.Equipment", related_name=False, on_delete=OnDelete.RESTRICT, null=True
    )
    equipment_id: str | None
    service_type: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "truckroll.ServiceType", related_name=False, on_delete=OnDelete.RESTRICT, null=True
    )
    service_type_id: str | None
    parent: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "truckroll.WorkOrder", related_name=False, on_delete=OnDelete.RESTRICT, null=True
    )
    parent_id: str | None
    status = fields.CharField(max_length=32)
    hold_reason = fields.CharField(max_length=32, null=True)
    reason_code = fields.CharField(max_length=32, null=True)
    priority = fields.CharField(max_length=32)
    channel = fields.CharField(max_length=32)
    category = fields.CharField(max_length=120, null=True)
    summary = fields.CharField(max_length=200)
    description = fields.TextField(default="")
    requested_window_start = fields.DatetimeField(null=True)
    requested_window_end = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True)
    duration_minutes = fields.IntField()
    required_skills: fields.JSONField[dict[str, int]] = fields.JSONField(default=dict)
    external_id = fields.CharField(max_length=200, null=True)
    currency = fields.CharField(max_length=3)
    opened_by_user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    submitted_at = fields.DatetimeField()
    triaged_at = fields.DatetimeField(null=True)
    scheduled_at = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField(null=True)
    held_at = fields.DatetimeField(null=True)
    completed_at = fields.DatetimeField(null=True)
    approved_at = fields.DatetimeField(null=True)
    closed_at = fields.DatetimeField(null=True)
    canceled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "work_order"
        unique_together = (("organization_id", "number"), ("organization_id", "external_id"))
        indexes = [
            listed("submitted_at"),
            listed("due_at"),
            listed("completed_at"),
            # What changed since a partner asked last.
            listed("updated_at"),
            # The columns of a board: the newest of a status, and what of it is due first.
            listed("status", "submitted_at"),
            listed("status", "due_at"),
            # The history of a customer, a site, a device.
            listed("customer_id", "submitted_at"),
            listed("site_id", "submitted_at"),
            listed("equipment_id", "submitted_at"),
            listed("service_type_id", "submitted_at"),
            Index(fields=("organization_id", "parent_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """A customer sees the account's own; a technician the work assigned to or opened by this person; the office all."""
        owned = super().visible_to(actor)
        if actor.is_customer:
            return owned & (column("customer_id") == actor.customer_id)
        if actor.is_technician_only:
            held = held_by(actor, actor.technician_id)
            return owned & (held | (column("opened_by_user_id") == actor.id))
        return owned


def held_by(actor: Actor, technician_id: str | None) -> Condition:
    """Work with a visit that a technician has or had, as far as the actor may see who is given what.

    The assignments are a higher room's, so who sees which of them is said once more here: a customer those of the account,
    a technician the own.
    """
    seen = (column("organization_id") == actor.organization_id) & (column("technician_id") == technician_id)
    if actor.is_customer:
        seen = seen & (column("customer_id") == actor.customer_id)
    elif actor.is_technician_only and technician_id != actor.technician_id:
        seen = nothing()
    return exists("assignment", "work_order_id", seen & column("status").one_of(HELD_ASSIGNMENT_STATUSES))


def _of_visible_work(actor: Actor) -> Condition:
    """Of a work order that the actor may see; the office sees all of them, so nothing needs to be looked up."""
    owned = column("organization_id") == actor.organization_id
    if actor.is_customer or actor.is_technician_only:
        return owned & exists("work_order", "id", WorkOrder.visible_to(actor), ours="work_order_id")
    return owned


@register
class LineItem(OwnedTable):
    """One line of what work costs."""

    prefix = "li"
    noun = "line item"

    work_order: fields.ForeignKeyRelation[WorkOrder] = fields.ForeignKeyField(
        "truckroll.WorkOrder", related_name=False, on_delete=OnDelete.CASCADE
    )
    work_order_id: str
    kind = fields.CharField(max_length=32)
    description = fields.CharField(max_length=500)
    quantity = fields.DecimalField(max_digits=12, decimal_places=4)
    unit_price = fields.DecimalField(max_digits=18, decimal_places=4)
    currency = fields.CharField(max_length=3)
    amount = fields.DecimalField(max_digits=18, decimal_places=4)

    class Meta:
        table = "line_item"
        indexes = [Index(fields=("organization_id", "work_order_id"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """With its work order."""
        return _of_visible_work(actor)


@register
class Note(OwnedTable):
    """What somebody wrote about the work."""

    prefix = "note"
    noun = "note"

    work_order: fields.ForeignKeyRelation[WorkOrder] = fields.ForeignKeyField(
        "truckroll.WorkOrder", related_name=False, on_delete=OnDelete.CASCADE
    )
    work_order_id: str
    author_kind = fields.CharField(max_length=32)
    author_id = fields.CharField(max_length=ID_LENGTH_MAX)
    author_name = fields.CharField(max_length=200)
    visibility = fields.CharField(max_length=32)
    text = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "note"
        indexes = [Index(fields=("organization_id", "work_order_id", "at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """With its work order; internal ones only to those who may read internal notes."""
        seen = _of_visible_work(actor)
        if actor.holds(Permission.VIEW_INTERNAL_NOTES):
            return seen
        return seen & (column("visibility") == str(NoteVisibility.CUSTOMER))


@register
class TimeEntry(OwnedTable):
    """A stretch of a technician's time on the work; it has no end while the timer runs."""

    prefix = "te"
    noun = "time entry"

    work_order: fields.ForeignKeyRelation[WorkOrder] = fields.ForeignKeyField(
        "truckroll.WorkOrder", related_name=False, on_delete=OnDelete.CASCADE
    )
    work_order_id: str
    appointment_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    technician: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=OnDelete.RESTRICT
    )
    technician_id: str
    kind = fields.CharField(max_length=32)
    started_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    worked_minutes = fields.IntField(default=0)
    billed_minutes = fields.IntField(default=0)

    class Meta:
        table = "time_entry"
        indexes = [
            Index(fields=("organization_id", "work_order_id", "started_at")),
            Index(fields=("organization_id", "technician_id", "started_at")),
            Index(fields=("organization_id", "appointment_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        """With its work order, and to nobody on the customer's side."""
        return nothing() if actor.is_customer else _of_visible_work(actor)


EXTRAS = [
    listed_by_rank(WorkOrder, "priority", Priority),
    listed_by_rank(WorkOrder, "status", WorkOrderStatus),
    searched(
        WorkOrder,
        a=("number", "external_id"),
        b=("summary", "category"),
        c=("description",),
        numbers=("number",),
        borrows=(
            Borrowed(Customer, "customer_id", ("name",), Permission.VIEW_CUSTOMERS),
            Borrowed(Site, "site_id", ("name", "address_line", "city"), Permission.VIEW_CUSTOMERS),
        ),
    ),
    searched(Note, a=("text",), b=("author_name",)),
]

WORK = "what was done, by whom and for which account, is the company's record of its work and its money"

personal(
    WorkOrder,
    of(CUSTOMER, "customer_id", erase={"summary": ERASED, "description": "", "hold_reason": None, "external_id": None}),
    keeps={
        "customer_id": WORK,
        "opened_by_user_id": WORK,
        "required_skills": WORK,
        "reason_code": WORK,
        "category": WORK,
    },
    mentions=("summary", "description", "hold_reason"),
)
personal(LineItem, keeps={"description": "what was sold is on the invoice"}, mentions=("description",))
personal(
    Note,
    of(USER, "author_id", erase={"author_name": ERASED}),
    of(
        CUSTOMER,
        Through("work_order_id", WorkOrder, "customer_id"),
        erase={"text": ERASED},
        told=column("visibility") == NoteVisibility.CUSTOMER.value,
    ),
    mentions=("text", "author_name"),
)
personal(TimeEntry, of(TECHNICIAN, "technician_id"), keeps={"technician_id": "hours are pay and invoices"})
