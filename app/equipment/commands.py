"""What people do to equipment: sort it, register it, keep its record right, retire it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypedDict, Unpack

from app.customers.models import Customer, Site
from app.equipment import events, models, rules
from app.equipment.rules import EquipmentStatus
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import (
    add_row,
    change_row,
    find_one,
    find_rows,
    lock_one,
    require_text,
    require_unused,
)
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, InvalidInput, NotPermitted, Problem
from app.kernel.permissions import Permission

Cleaner = Callable[[Any], Any]


class CategoryChanges(TypedDict, total=False):
    """What can change about a category."""

    name: str
    parent_id: str | None
    lifespan_months: int | None


class EquipmentModelChanges(TypedDict, total=False):
    """What can change about a product."""

    category_id: str
    manufacturer: str
    name: str


class EquipmentDetails(TypedDict, total=False):
    """What a device may have. Its category is its model's unless it is named."""

    model_id: str | None
    category_id: str | None
    serial_number: str | None
    asset_tag: str | None
    room: str
    installed_on: date | None
    specifications: Mapping[str, Any]
    external_id: str | None


class EquipmentChanges(EquipmentDetails, total=False):
    """What can change about a device besides its status. It stays with its customer, but may move between sites."""

    name: str
    site_id: str


@dataclass(frozen=True, slots=True)
class EquipmentUpdate:
    """One device's part of a batch."""

    id: str
    version: int | None = None
    changes: EquipmentChanges = field(default_factory=EquipmentChanges)


def _text(path: str, longest: int, shortest: int = 0) -> Cleaner:
    return lambda value: require_text(value, path, longest=longest, shortest=shortest)


def _unless_empty(clean: Cleaner) -> Cleaner:
    """Nothing and blanks alike are no value."""
    return lambda value: clean(value) if value is not None and value.strip() else None


def _as_it_is(value: Any) -> Any:
    return value


CATEGORY_FIELDS: dict[str, Cleaner] = {
    "name": _text("name", 120, 1),
    "parent_id": _as_it_is,
    "lifespan_months": rules.require_lifespan,
}
MODEL_FIELDS: dict[str, Cleaner] = {
    "category_id": _as_it_is,
    "manufacturer": _text("manufacturer", 120, 1),
    "name": _text("name", 120, 1),
}
EQUIPMENT_FIELDS: dict[str, Cleaner] = {
    "name": _text("name", 200, 1),
    "site_id": _as_it_is,
    "model_id": _as_it_is,
    "category_id": _as_it_is,
    "serial_number": _unless_empty(_text("serialNumber", 120)),
    "asset_tag": _unless_empty(_text("assetTag", 120)),
    "room": _text("room", 120),
    "installed_on": _as_it_is,
    "specifications": rules.require_specifications,
    "external_id": _unless_empty(_text("externalId", 200)),
}


def _cleaned(cleaners: Mapping[str, Cleaner], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given, each checked; a name that is not in the table is a bug of the caller."""
    return {name: cleaners[name](value) for name, value in values.items()}


@command(Permission.MANAGE_EQUIPMENT)
async def create_category(
    actor: Actor,
    *,
    name: str,
    parent_id: str | None = None,
    lifespan_months: int | None = None,
    id: str | None = None,
) -> str:
    """Add a kind of equipment, within another or at the top."""
    values = _cleaned(CATEGORY_FIELDS, {"name": name, "parent_id": parent_id, "lifespan_months": lifespan_months})
    await _require_tree(actor, "", parent_id)
    row = await add_row(models.Category, id=id, organization_id=actor.organization_id, **values)
    journal.record(events.CategoryCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_EQUIPMENT)
async def update_category(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[CategoryChanges]
) -> str:
    """Rename a category, move it in the tree, or change how long its things last."""
    row = await lock_one(models.Category, actor, id, version=version)
    values = _cleaned(CATEGORY_FIELDS, changes)
    if "parent_id" in values:
        await _require_tree(actor, row.id, values["parent_id"])
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.CategoryUpdated(subject_id=row.id, changes=changed))
    return row.id


async def _require_tree(actor: Actor, id: str, parent_id: str | None) -> None:
    """The whole tree is locked, in one order, so that two moves cannot make a circle together."""
    if parent_id is None:
        return
    await find_one(models.Category, actor, parent_id, path="parentId")
    tree = await find_rows(models.Category, models.Category.visible_to(actor), order=["id"], lock=True)
    rules.require_tree(id, parent_id, {row.id: row.parent_id for row in tree})


@command(Permission.MANAGE_EQUIPMENT)
async def create_equipment_model(
    actor: Actor, *, category_id: str, manufacturer: str, name: str, id: str | None = None
) -> str:
    """Add a product to the catalog."""
    values = _cleaned(MODEL_FIELDS, {"category_id": category_id, "manufacturer": manufacturer, "name": name})
    await find_one(models.Category, actor, category_id, path="categoryId")
    await _require_new_model(actor, values["manufacturer"], values["name"])
    row = await add_row(models.EquipmentModel, id=id, organization_id=actor.organization_id, **values)
    journal.record(events.EquipmentModelCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_EQUIPMENT)
async def update_equipment_model(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[EquipmentModelChanges]
) -> str:
    """Change a product's name, maker or category."""
    row = await lock_one(models.EquipmentModel, actor, id, version=version)
    values = _cleaned(MODEL_FIELDS, changes)
    if "category_id" in values:
        await find_one(models.Category, actor, values["category_id"], path="categoryId")
    named = {"manufacturer": row.manufacturer, "name": row.name, **values}
    await _require_new_model(actor, named["manufacturer"], named["name"], by=row.id)
    changed = await change_row(row, **values)
    if changed:
        journal.record(events.EquipmentModelUpdated(subject_id=row.id, changes=changed))
    return row.id


async def _require_new_model(actor: Actor, manufacturer: str, name: str, *, by: str = "") -> None:
    same = (
        (column("organization_id") == actor.organization_id)
        & (column("manufacturer") == manufacturer)
        & (column("name") == name)
        & (column("id") != by)
    )
    if await find_rows(models.EquipmentModel, same, limit=1):
        raise AlreadyExists(models.EquipmentModel.noun, f"{manufacturer} {name}", path=["name"])


@command(None)
async def register_equipment(
    actor: Actor,
    *,
    customer_id: str,
    site_id: str,
    name: str,
    id: str | None = None,
    **details: Unpack[EquipmentDetails],
) -> str:
    """Add a device. Customers who may request work add their own; they see no other customer."""
    if not (actor.is_customer and actor.holds(Permission.REQUEST_WORK)) and not actor.holds(
        Permission.MANAGE_EQUIPMENT
    ):
        raise NotPermitted(Permission.MANAGE_EQUIPMENT)
    customer = await find_one(Customer, actor, customer_id, path="customerId")
    values = _cleaned(EQUIPMENT_FIELDS, {"name": name, "site_id": site_id, **details})
    values = await _checked_equipment(actor, values, customer_id=customer.id)
    row = await add_row(
        models.Equipment,
        id=id,
        organization_id=actor.organization_id,
        customer_id=customer.id,
        status=EquipmentStatus.OPERATIONAL,
        **values,
    )
    journal.record(
        events.EquipmentRegistered(
            subject_id=row.id,
            customer_id=customer.id,
            changes={name: [None, value] for name, value in values.items() if value not in (None, "", {})},
        )
    )
    return row.id


@command(Permission.MANAGE_EQUIPMENT)
async def update_equipment(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[EquipmentChanges]
) -> str:
    """Correct or complete a device's record, or move it to another site of its customer. A retired one too."""
    row = await lock_one(models.Equipment, actor, id, version=version)
    values = _cleaned(EQUIPMENT_FIELDS, changes)
    checked = await _checked_equipment(actor, values, customer_id=row.customer_id, by=row.id)
    changed = await change_row(row, **checked)
    if changed:
        journal.record(events.EquipmentUpdated(subject_id=row.id, customer_id=row.customer_id, changes=changed))
    return row.id


@command(Permission.MANAGE_EQUIPMENT)
async def update_equipment_batch(actor: Actor, updates: Sequence[EquipmentUpdate]) -> list[str]:
    """Update many devices, all or none. The problem of the first that cannot be updated names its place in the batch."""
    if not 1 <= len(updates) <= rules.BATCH_SIZE_MAX:
        raise InvalidInput(f"A batch has 1 to {rules.BATCH_SIZE_MAX} devices.", path=["updates"])
    ids = [update.id for update in updates]
    if len(set(ids)) < len(ids):
        raise InvalidInput("A device is named once in a batch.", path=["updates"])
    # One order of locks for everybody: two batches over the same devices wait for each other instead of blocking.
    for place, update in sorted(enumerate(updates), key=lambda numbered: numbered[1].id):
        try:
            await update_equipment(actor, update.id, version=update.version, **update.changes)
        except Problem as problem:
            problem.path = ("updates", str(place), *problem.path)
            raise
    return ids


@command(Permission.MANAGE_EQUIPMENT)
async def change_equipment_status(
    actor: Actor, id: str, status: EquipmentStatus, *, reason: str = "", version: int | None = None
) -> str:
    """Say whether a device works. To retire it there is a command of its own, which asks why."""
    if status is EquipmentStatus.RETIRED:
        raise InvalidInput("Retire a device by retiring it; that asks for a reason.", path=["status"])
    row, changed = await _change_status(actor, id, status, version)
    journal.record(
        events.EquipmentStatusChanged(
            subject_id=row.id,
            customer_id=row.customer_id,
            reason=_text("reason", 500)(reason),
            changes=changed,
        )
    )
    return row.id


@command(Permission.MANAGE_EQUIPMENT)
async def retire_equipment(actor: Actor, id: str, *, reason: str, version: int | None = None) -> str:
    """Take a device out of use for good. Its record and its history stay."""
    reason = _text("reason", 500, 1)(reason)
    row, changed = await _change_status(actor, id, EquipmentStatus.RETIRED, version)
    journal.record(
        events.EquipmentRetired(subject_id=row.id, customer_id=row.customer_id, reason=reason, changes=changed)
    )
    return row.id


async def _change_status(
    actor: Actor, id: str, to: EquipmentStatus, version: int | None
) -> tuple[models.Equipment, dict[str, list[Any]]]:
    row = await lock_one(models.Equipment, actor, id, version=version)
    rules.EQUIPMENT_LIFECYCLE.require(EquipmentStatus(row.status), to)
    return row, await change_row(row, status=to)


async def _checked_equipment(actor: Actor, values: dict[str, Any], *, customer_id: str, by: str = "") -> dict[str, Any]:
    """The values once more, where a check needs the database: every id is one the actor may see, the site is theirs."""
    if "site_id" in values:
        site = await find_one(Site, actor, values["site_id"], path="siteId")
        if site.customer_id != customer_id:
            raise InvalidInput("This site belongs to another customer.", path=["siteId"])
    if values.get("model_id") is not None:
        model = await find_one(models.EquipmentModel, actor, values["model_id"], path="modelId")
        values.setdefault("category_id", model.category_id)
    if values.get("category_id") is not None:
        await find_one(models.Category, actor, values["category_id"], path="categoryId")
    await require_unused(models.Equipment, actor, "external_id", values.get("external_id"), path="externalId", by=by)
    return values
