"""What clients may see of equipment, and what that adds to customers and sites."""

from datetime import date, datetime

from app.customers import models as customers
from app.equipment import models, rules
from app.equipment.rules import EquipmentStatus
from app.kernel.permissions import Permission
from schema.customers.types import Customer, CustomerFilter, Site, SiteFilter
from schema.kit import (
    JSON,
    Connection,
    DateFilter,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    IntFilter,
    Node,
    StringFilter,
    about,
    by,
    by_children,
    by_parent,
    by_search,
    children,
    col,
    computed,
    describe_enum,
    exists_in,
    extends,
    extends_filter,
    filterable,
    from_parent,
    orderable,
    parent,
    plain,
    ranked,
    readable,
    sql_value,
)

describe_enum(
    EquipmentStatus,
    "Whether a device does its work.",
    {
        EquipmentStatus.OPERATIONAL: "It works.",
        EquipmentStatus.DEGRADED: "It works, but not as it should.",
        EquipmentStatus.DOWN: "It does not work.",
        EquipmentStatus.RETIRED: "Out of use for good; its history stays.",
    },
)


@plain
class AllowedEquipmentStep:
    """A step that the device's lifecycle allows from where it is."""

    to: EquipmentStatus = about("The status it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


def steps_of(status: str) -> list[AllowedEquipmentStep]:
    """The steps that the lifecycle allows from a status."""
    allowed = rules.EQUIPMENT_LIFECYCLE.allowed(EquipmentStatus(status))
    return [AllowedEquipmentStep(to=step.to, blocked_by=list(step.blocked_by)) for step in allowed]


@filterable(models.Category)
class EquipmentCategoryFilter:
    """Which categories."""

    id: IdFilter | None = by("Its id.")
    name: StringFilter | None = by("What it is called.")
    parent_id: IdFilter | None = by("Within which category; isNull for those at the top.")
    lifespan_months: IntFilter | None = by("How long its things are expected to last.")
    created_at: DateTimeFilter | None = by("When it was added.")


EquipmentCategoryOrder = orderable(
    "EquipmentCategoryOrder",
    models.Category,
    default=("name",),
    name="What it is called.",
    lifespan_months="How long its things are expected to last.",
    created_at="When it was added.",
)


@filterable(models.EquipmentModel)
class EquipmentModelFilter:
    """Which products."""

    id: IdFilter | None = by("Its id.")
    manufacturer: StringFilter | None = by("Who makes it.")
    name: StringFilter | None = by("What the maker calls it.")
    category_id: IdFilter | None = by("Of which category.")
    created_at: DateTimeFilter | None = by("When it was added.")
    category: EquipmentCategoryFilter | None = by_parent("What kind of thing it is.")
    search: str | None = by_search("the maker's name or the product's", models.EquipmentModel)


EquipmentModelOrder = orderable(
    "EquipmentModelOrder",
    models.EquipmentModel,
    default=("manufacturer", "name"),
    manufacturer="Who makes it.",
    name="What the maker calls it.",
    created_at="When it was added.",
    category_name=from_parent("The category's name.", models.Category, "name", via="category_id"),
)


@filterable(models.Equipment)
class EquipmentFilter:
    """Which pieces of equipment."""

    id: IdFilter | None = by("Its id.")
    customer_id: IdFilter | None = by("Whose.")
    site_id: IdFilter | None = by("On which site.")
    model_id: IdFilter | None = by("Of which product.")
    category_id: IdFilter | None = by("Of which category.")
    name: StringFilter | None = by("What it is called.")
    serial_number: StringFilter | None = by("The maker's number on it; null if it is not known.")
    asset_tag: StringFilter | None = by("The owner's number on it; null if it has none.")
    status: EnumFilter[EquipmentStatus] | None = by("Whether it works.")
    room: StringFilter | None = by("In which room.")
    installed_on: DateFilter | None = by("The day on which it was installed; null if it is not known.")
    external_id: StringFilter | None = by("Its id in another system.")
    created_at: DateTimeFilter | None = by("When it was registered.")
    updated_at: DateTimeFilter | None = by("When it was changed last.")
    customer: CustomerFilter | None = by_parent("Whose it is.")
    site: SiteFilter | None = by_parent("Where it stands.")
    model: EquipmentModelFilter | None = by_parent("Which product it is.")
    category: EquipmentCategoryFilter | None = by_parent("What kind of thing it is.")
    search: str | None = by_search(
        "the name, the serial number, the asset tag, the room or the external id", models.Equipment
    )


EquipmentOrder = orderable(
    "EquipmentOrder",
    models.Equipment,
    default=("name",),
    name="What it is called.",
    serial_number="The maker's number on it; null if it is not known.",
    room="In which room.",
    installed_on="When it was installed; those nobody knows of come last.",
    created_at="When it was registered.",
    updated_at="When it was changed last.",
    status=ranked("Who needs help first.", "status", [str(one) for one in rules.BY_NEED]),
    asset_tag="The owner's number on it.",
    external_id="Its id in another system, unique in the organization.",
    customer_name=from_parent("The customer's name.", customers.Customer, "name", via="customer_id"),
    site_name=from_parent("The site's name.", customers.Site, "name", via="site_id"),
    model_name=from_parent(
        "The product's name; those without come last.", models.EquipmentModel, "name", via="model_id"
    ),
    category_name=from_parent(
        "The category's name; those without come last.", models.Category, "name", via="category_id"
    ),
)


@extends_filter(EquipmentCategoryFilter)
class CategoriesNeighbors:
    """What lies around and within it."""

    broader: EquipmentCategoryFilter | None = by_parent("The category it lies in.", via="parent_id")
    narrower: EquipmentCategoryFilter | None = by_children("The categories within it.", via="parent_id")
    products: EquipmentModelFilter | None = by_children("The products of this kind.", via="category_id")
    equipment: EquipmentFilter | None = by_children("The devices of this kind.", via="category_id")


@extends_filter(EquipmentModelFilter)
class ModelsEquipment:
    """The devices of a product."""

    equipment: EquipmentFilter | None = by_children("The devices of this product.", via="model_id")


@extends_filter(CustomerFilter)
class CustomersEquipment:
    """What an account has."""

    equipment: EquipmentFilter | None = by_children("What it has that we look after.", via="customer_id")


@extends_filter(SiteFilter)
class SitesEquipment:
    """What stands on a site."""

    equipment: EquipmentFilter | None = by_children("What stands there.", via="site_id")


@readable(models.Equipment, permission=Permission.VIEW_EQUIPMENT)
class Equipment(Node):
    """One device of a customer, at a site."""

    version: int = col("Counts up with every change.")
    name: str = col("What it is called.")
    serial_number: str | None = col("The maker's number on it; null if it is not known.")
    asset_tag: str | None = col("The owner's number on it; null if it has none.")
    status: EquipmentStatus = col("Whether it works.", facet=True)
    allowed_transitions: list[AllowedEquipmentStep] = computed(
        "Steps its lifecycle allows from here. Retiring has a mutation of its own.", steps_of, needs=("status",)
    )
    room: str = col("In which room of the site it stands.")
    installed_on: date | None = col("The day on which it was installed; null if it is not known.")
    specifications: JSON = col('Named values, such as {"refrigerant": "R-32", "capacity_kw": 3.5}.')
    external_id: str | None = col("Its id in another system, unique in the organization.")
    created_at: datetime = col("When it was registered.")
    updated_at: datetime = col("When it was changed last.")
    customer: Customer = parent("Whose it is.", facet="name")
    site: Site = parent("Where it stands.", facet="name")
    model: "EquipmentModel" = parent("Which product it is.", facet="name")
    category: "EquipmentCategory" = parent("What kind of thing it is.", facet="name")


@readable(models.EquipmentModel, permission=Permission.VIEW_EQUIPMENT)
class EquipmentModel(Node):
    """What a manufacturer calls a product."""

    version: int = col("Counts up with every change.")
    manufacturer: str = col("Who makes it.")
    name: str = col("What the maker calls it.")
    created_at: datetime = col("When it was added.")
    category: "EquipmentCategory" = parent("What kind of thing it is.")
    equipment: Connection[Equipment] = children(
        "The devices of this product that you may see.", via="model_id", filter=EquipmentFilter, order=EquipmentOrder
    )


@readable(models.Category, permission=Permission.VIEW_EQUIPMENT)
class EquipmentCategory(Node):
    """A kind of equipment, within another one or at the top."""

    version: int = col("Counts up with every change.")
    name: str = col("What it is called.")
    lifespan_months: int | None = col("How many months its things are expected to last; null if nobody says.")
    is_divided: bool = sql_value("Whether there are narrower categories.", exists_in("equipment_category", "parent_id"))
    created_at: datetime = col("When it was added.")
    broader: "EquipmentCategory" = parent("The category it lies in; null at the top.", via="parent_id")
    narrower: Connection["EquipmentCategory"] = children(
        "The categories within it.", via="parent_id", filter=EquipmentCategoryFilter, order=EquipmentCategoryOrder
    )
    products: Connection[EquipmentModel] = children(
        "The products of this kind.", via="category_id", filter=EquipmentModelFilter, order=EquipmentModelOrder
    )
    equipment: Connection[Equipment] = children(
        "The devices of this kind that you may see.", via="category_id", filter=EquipmentFilter, order=EquipmentOrder
    )


@extends(Customer)
class CustomerEquipment:
    """What an account has."""

    equipment: Connection[Equipment] = children(
        "What it has that we look after.", via="customer_id", filter=EquipmentFilter, order=EquipmentOrder
    )


@extends(Site)
class SiteEquipment:
    """What stands on a site."""

    equipment: Connection[Equipment] = children(
        "What stands there.", via="site_id", filter=EquipmentFilter, order=EquipmentOrder
    )
