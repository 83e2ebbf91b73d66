"""The tables of categories, models and pieces of equipment."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from app.customers.models import visited_by
from app.equipment.rules import BY_NEED, EquipmentStatus
from app.infrastructure.conditions import Condition, column
from app.infrastructure.personal_data import CUSTOMER, ERASED, impersonal, of, personal
from app.infrastructure.search import searched
from app.infrastructure.tables import OwnedTable, listed, listed_by_rank, register
from app.kernel.actor import Actor


@register
class Category(OwnedTable):
    """A kind of equipment, within another or at the top."""

    prefix = "ecat"
    noun = "equipment category"

    name = fields.CharField(max_length=120)
    parent: fields.ForeignKeyNullableRelation["Category"] = fields.ForeignKeyField(
        "truckroll.Category", related_name=False, on_delete=fields.OnDelete.RESTRICT, null=True
    )
    parent_id: str | None
    lifespan_months = fields.IntField(null=True)

    class Meta:
        table = "equipment_category"
        indexes = [
            Index(fields=("organization_id", "name")),
            Index(fields=("organization_id", "parent_id", "name")),
        ]


@register
class EquipmentModel(OwnedTable):
    """What a manufacturer calls a product."""

    prefix = "emod"
    noun = "equipment model"

    category: fields.ForeignKeyRelation[Category] = fields.ForeignKeyField(
        "truckroll.Category", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    category_id: str
    manufacturer = fields.CharField(max_length=120)
    name = fields.CharField(max_length=120)

    class Meta:
        table = "equipment_model"
        unique_together = (("organization_id", "manufacturer", "name"),)
        indexes = [Index(fields=("organization_id", "category_id", "name"))]


@register
class Equipment(OwnedTable):
    """One device of a customer, at a site."""

    prefix = "eq"
    noun = "piece of equipment"

    customer: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField(
        "truckroll.Customer", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    customer_id: str
    site: fields.ForeignKeyRelation[Model] = fields.ForeignKeyField(
        "truckroll.Site", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    site_id: str
    model: fields.ForeignKeyNullableRelation[EquipmentModel] = fields.ForeignKeyField(
        "truckroll.EquipmentModel", related_name=False, on_delete=fields.OnDelete.RESTRICT, null=True
    )
    model_id: str | None
    category: fields.ForeignKeyNullableRelation[Category] = fields.ForeignKeyField(
        "truckroll.Category", related_name=False, on_delete=fields.OnDelete.RESTRICT, null=True
    )
    category_id: str | None
    name = fields.CharField(max_length=200)
    serial_number = fields.CharField(max_length=120, null=True)
    asset_tag = fields.CharField(max_length=120, null=True)
    status = fields.CharField(
        max_length=32, default=EquipmentStatus.OPERATIONAL, db_default=EquipmentStatus.OPERATIONAL.value
    )
    room = fields.CharField(max_length=120, default="")
    installed_on = fields.DateField(null=True)
    specifications: fields.JSONField[dict[str, object]] = fields.JSONField(default=dict)
    external_id = fields.CharField(max_length=200, null=True)

    class Meta:
        table = "equipment"
        unique_together = (("organization_id", "external_id"),)
        indexes = [
            # As with sites: devices change rarely and are looked through in many ways.
            listed("name"),
            listed("serial_number"),
            listed("room"),
            listed("installed_on"),
            listed("created_at"),
            listed("updated_at"),
            listed("status", "name"),
            listed("customer_id", "name"),
            listed("site_id", "name"),
            listed("model_id", "name"),
            listed("category_id", "name"),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        own = super().visible_to(actor)
        if actor.is_customer:
            return own & (column("customer_id") == actor.customer_id)
        if not actor.is_technician_only:
            return own
        # All that stands where the technician is sent: the faulty device is not always the one that was reported.
        return own & visited_by(actor, "site_id")


EXTRAS = [
    listed_by_rank(Equipment, "status", BY_NEED),
    searched(EquipmentModel, a=("name",), b=("manufacturer",)),
    searched(Equipment, a=("serial_number", "asset_tag", "external_id"), b=("name",), c=("room",)),
]

impersonal("kinds of things", Category, EquipmentModel)
personal(
    Equipment,
    of(CUSTOMER, "customer_id", erase={"name": ERASED, "room": "", "external_id": None}),
    keeps=dict.fromkeys(("specifications", "serial_number", "asset_tag"), "what a thing is, technically"),
    mentions=("name",),
)
