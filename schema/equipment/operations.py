"""What clients may ask about equipment, do to it, and hear of it."""

from datetime import date
from typing import Annotated, cast

from app.equipment import commands
from app.equipment.commands import EquipmentChanges, EquipmentUpdate
from app.equipment.rules import EquipmentStatus
from app.infrastructure.conditions import Condition, column
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, IllegalTransition, StaleVersion
from app.kernel.permissions import Permission
from schema.equipment.types import (
    Equipment,
    EquipmentCategory,
    EquipmentCategoryFilter,
    EquipmentCategoryOrder,
    EquipmentFilter,
    EquipmentModel,
    EquipmentModelFilter,
    EquipmentModelOrder,
    EquipmentOrder,
)
from schema.kit import ID, JSON, SIGNED_IN, Connection, Maybe, about, arg, given, inputs, many, mutation, one
from schema.kit.live import changed

VERSION = "The version you saw; refused when it is not the current one. Leave it out to change whatever is there."
NEW_ID = "Your own id for it, so that you may send this again; without it we make one."


def by_external_id(actor: Actor, external_id: Annotated[str, arg("The id in the other system.")]) -> Condition:
    """What another system knows by that id."""
    return column("external_id") == external_id


class Queries:
    """What clients may ask."""

    equipment_item: Equipment | None = one("One piece of equipment.", permission=Permission.VIEW_EQUIPMENT)
    equipment_by_external_id: Equipment | None = one(
        "The piece of equipment that another system knows by this id.",
        permission=Permission.VIEW_EQUIPMENT,
        where=by_external_id,
    )
    equipment: Connection[Equipment] = many(
        "The equipment you may see, by name unless you say otherwise.",
        permission=Permission.VIEW_EQUIPMENT,
        filter=EquipmentFilter,
        order=EquipmentOrder,
    )
    equipment_category: EquipmentCategory | None = one("One category.", permission=Permission.VIEW_EQUIPMENT)
    equipment_categories: Connection[EquipmentCategory] = many(
        "The categories of equipment; filter parentId by isNull for the top of the tree.",
        permission=Permission.VIEW_EQUIPMENT,
        filter=EquipmentCategoryFilter,
        order=EquipmentCategoryOrder,
    )
    equipment_model: EquipmentModel | None = one("One product.", permission=Permission.VIEW_EQUIPMENT)
    equipment_models: Connection[EquipmentModel] = many(
        "The catalog of products.",
        permission=Permission.VIEW_EQUIPMENT,
        filter=EquipmentModelFilter,
        order=EquipmentModelOrder,
    )


@inputs
class CreateEquipmentCategoryInput:
    """A new kind of equipment."""

    name: str = about("What it is called, 1 to 120 characters.")
    parent_id: ID | None = about("The category it lies in; none for the top.", default=None)
    lifespan_months: int | None = about("How many months its things are expected to last.", default=None)
    id: ID | None = about(NEW_ID, default=None)


@inputs
class UpdateEquipmentCategoryInput:
    """What is to change about a category. Only what is given is changed; null clears a value."""

    id: ID = about("Which category.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What it is called.")
    parent_id: Maybe[ID | None] = about("The category it lies in; null for the top.")
    lifespan_months: Maybe[int | None] = about("How many months its things are expected to last.")


@inputs
class CreateEquipmentModelInput:
    """A new product."""

    category_id: ID = about("What kind of thing it is.")
    manufacturer: str = about("Who makes it.")
    name: str = about("What the maker calls it; taken once for a maker.")
    id: ID | None = about(NEW_ID, default=None)


@inputs
class UpdateEquipmentModelInput:
    """What is to change about a product. Only what is given is changed."""

    id: ID = about("Which product.")
    version: int | None = about(VERSION, default=None)
    category_id: Maybe[ID] = about("What kind of thing it is.")
    manufacturer: Maybe[str] = about("Who makes it.")
    name: Maybe[str] = about("What the maker calls it.")


@inputs
class RegisterEquipmentInput:
    """A device to look after."""

    customer_id: ID = about("Whose it is.")
    site_id: ID = about("Where it stands: a site of that customer.")
    name: str = about("What it is called, 1 to 200 characters.")
    id: ID | None = about(NEW_ID, default=None)
    model_id: Maybe[ID | None] = about("Which product it is.")
    category_id: Maybe[ID | None] = about("What kind of thing it is; its product's kind unless you say otherwise.")
    serial_number: Maybe[str | None] = about("The maker's number on it.")
    asset_tag: Maybe[str | None] = about("The owner's number on it.")
    room: Maybe[str] = about("In which room it stands.")
    installed_on: Maybe[date | None] = about("When it was installed.")
    specifications: Maybe[JSON] = about("Named values: a flat object of numbers, texts, true and false.")
    external_id: Maybe[str | None] = about("Its id in another system; taken once in the organization.")


@inputs
class UpdateEquipmentInput:
    """What is to change about a device. Only what is given is changed; null clears a value."""

    id: ID = about("Which device.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What it is called.")
    site_id: Maybe[ID] = about("Where it stands: a site of the same customer.")
    model_id: Maybe[ID | None] = about("Which product it is.")
    category_id: Maybe[ID | None] = about("What kind of thing it is.")
    serial_number: Maybe[str | None] = about("The maker's number on it.")
    asset_tag: Maybe[str | None] = about("The owner's number on it.")
    room: Maybe[str] = about("In which room it stands.")
    installed_on: Maybe[date | None] = about("When it was installed.")
    specifications: Maybe[JSON] = about("Named values, all of them anew.")
    external_id: Maybe[str | None] = about("Its id in another system.")


@inputs
class UpdateEquipmentBatchInput:
    """Many devices to change, all of them or none."""

    updates: list[UpdateEquipmentInput] = about("1 to 200 devices, each once.")


@inputs
class ChangeEquipmentStatusInput:
    """Whether a device works now."""

    id: ID = about("Which device.")
    status: EquipmentStatus = about("Anything but RETIRED, which has a mutation of its own.")
    reason: str = about("What happened, at most 500 characters.", default="")
    version: int | None = about(VERSION, default=None)


@inputs
class RetireEquipmentInput:
    """A device that goes out of use for good."""

    id: ID = about("Which device.")
    reason: str = about("Why.")
    version: int | None = about(VERSION, default=None)


class Mutations:
    """What clients may do."""

    @mutation(
        EquipmentCategory,
        "Adds a kind of equipment.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(AlreadyExists,),
    )
    async def create_equipment_category(actor: Actor, input: CreateEquipmentCategoryInput) -> str:
        return await commands.create_category(
            actor, id=input.id, name=input.name, parent_id=input.parent_id, lifespan_months=input.lifespan_months
        )

    @mutation(
        EquipmentCategory,
        "Renames a category, moves it in the tree, or changes how long its things last.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(StaleVersion,),
    )
    async def update_equipment_category(actor: Actor, input: UpdateEquipmentCategoryInput) -> str:
        return await commands.update_category(actor, input.id, version=input.version, **given(input))

    @mutation(
        EquipmentModel,
        "Adds a product to the catalog.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(AlreadyExists,),
    )
    async def create_equipment_model(actor: Actor, input: CreateEquipmentModelInput) -> str:
        return await commands.create_equipment_model(
            actor, id=input.id, category_id=input.category_id, manufacturer=input.manufacturer, name=input.name
        )

    @mutation(
        EquipmentModel,
        "Changes a product's name, maker or category.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(AlreadyExists, StaleVersion),
    )
    async def update_equipment_model(actor: Actor, input: UpdateEquipmentModelInput) -> str:
        return await commands.update_equipment_model(actor, input.id, version=input.version, **given(input))

    @mutation(
        Equipment,
        "Registers a device. Staff need MANAGE_EQUIPMENT; customers with REQUEST_WORK register their own.",
        permission=SIGNED_IN,
        problems=(AlreadyExists,),
    )
    async def register_equipment(actor: Actor, input: RegisterEquipmentInput) -> str:
        return await commands.register_equipment(
            actor,
            id=input.id,
            customer_id=input.customer_id,
            site_id=input.site_id,
            name=input.name,
            **given(input),
        )

    @mutation(
        Equipment,
        "Corrects or completes a device's record, or moves it to another site of its customer.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(AlreadyExists, StaleVersion),
    )
    async def update_equipment(actor: Actor, input: UpdateEquipmentInput) -> str:
        return await commands.update_equipment(actor, input.id, version=input.version, **given(input))

    @mutation(
        list[Equipment],
        "Updates many devices, all of them or none. A problem's path names the place in the batch.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(AlreadyExists, StaleVersion),
        noun="equipment",
    )
    async def update_equipment_batch(actor: Actor, input: UpdateEquipmentBatchInput) -> list[str]:
        updates = [EquipmentUpdate(one.id, one.version, cast(EquipmentChanges, given(one))) for one in input.updates]
        return await commands.update_equipment_batch(actor, updates)

    @mutation(
        Equipment,
        "Says whether a device works.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(IllegalTransition, StaleVersion),
    )
    async def change_equipment_status(actor: Actor, input: ChangeEquipmentStatusInput) -> str:
        return await commands.change_equipment_status(
            actor, input.id, input.status, reason=input.reason, version=input.version
        )

    @mutation(
        Equipment,
        "Takes a device out of use for good. Its record and its history stay.",
        permission=Permission.MANAGE_EQUIPMENT,
        problems=(IllegalTransition, StaleVersion),
    )
    async def retire_equipment(actor: Actor, input: RetireEquipmentInput) -> str:
        return await commands.retire_equipment(actor, input.id, reason=input.reason, version=input.version)


class Subscriptions:
    """What clients may hear."""

    equipment_changed = changed(
        Equipment,
        "Equipment, as it is registered, changed, fails, recovers or is retired.",
        permission=Permission.VIEW_EQUIPMENT,
    )
