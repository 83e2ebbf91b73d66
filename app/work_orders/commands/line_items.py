"""Pricing the work, line by line, until it is approved."""

from decimal import Decimal
from typing import Any, TypedDict, Unpack

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.tables import add_row, change_row, lock_one, require_text
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput
from app.kernel.money import parse_amount
from app.kernel.permissions import Permission
from app.work_orders import events, models, rules
from app.work_orders.queries import technician_ids_of

DESCRIPTION_LENGTH_MAX = 500
DECIMAL_PLACES_MAX = 4
PRICES = frozenset({"unit_price", "amount"})


class LineItemChanges(TypedDict, total=False):
    """What can be corrected about a line."""

    kind: str
    description: str
    quantity: Decimal
    unit_price: Decimal


@command(Permission.EXECUTE_WORK_ORDERS)
async def add_line_item(
    actor: Actor,
    work_order_id: str,
    kind: str,
    description: str,
    *,
    quantity: Decimal = Decimal(1),
    unit_price: Decimal = Decimal(0),
    id: str | None = None,
) -> str:
    """Add a line; the line's id. A price other than zero is set by those who may set prices."""
    row = await lock_one(models.WorkOrder, actor, work_order_id, path="workOrderId")
    rules.require_open_bill(row.number, row.status)
    _require_price_permission(actor, unit_price)
    quantity, unit_price = _exact(quantity, "quantity"), _exact(unit_price, "unitPrice")
    chosen = _kind(kind)
    line = await add_row(
        models.LineItem,
        id=id,
        organization_id=actor.organization_id,
        work_order_id=row.id,
        kind=chosen,
        description=require_text(description, "description", longest=DESCRIPTION_LENGTH_MAX),
        quantity=quantity,
        unit_price=unit_price,
        currency=row.currency,
        amount=rules.line_amount(chosen, quantity, unit_price, row.currency),
    )
    journal.record(
        events.LineItemAdded(
            **await _audience(row),
            line_item_id=line.id,
            kind=line.kind,
            description=line.description,
            quantity=_plain(quantity),
        )
    )
    _record_price(row, line, {"unit_price": [Decimal(0), unit_price], "amount": [Decimal(0), line.amount]})
    return line.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def update_line_item(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[LineItemChanges]
) -> str:
    """Correct a line; only what is given is set, and the amount follows."""
    line, row = await _locked(actor, id, version)
    values: dict[str, Any] = dict(changes)
    if "kind" in changes:
        values["kind"] = _kind(changes["kind"])
    if "description" in changes:
        values["description"] = require_text(changes["description"], "description", longest=DESCRIPTION_LENGTH_MAX)
    if "quantity" in changes:
        values["quantity"] = _exact(changes["quantity"], "quantity")
    if "unit_price" in changes:
        values["unit_price"] = _exact(changes["unit_price"], "unitPrice")
        if values["unit_price"] != line.unit_price:
            _require_price_permission(actor, Decimal(1))
    current: dict[str, Any] = {"kind": line.kind, "quantity": line.quantity, "unit_price": line.unit_price} | values
    values["amount"] = rules.line_amount(current["kind"], current["quantity"], current["unit_price"], line.currency)
    changed = await change_row(line, **values)
    told = {name: change for name, change in changed.items() if name not in PRICES}
    if told:
        journal.record(events.LineItemUpdated(**await _audience(row), line_item_id=line.id, changes=told))
    _record_price(row, line, {name: change for name, change in changed.items() if name in PRICES})
    return line.id


@command(Permission.EXECUTE_WORK_ORDERS)
async def remove_line_item(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Take a line away; the work order's id. A priced one is taken away by those who may set prices."""
    line, row = await _locked(actor, id, version)
    _require_price_permission(actor, line.unit_price)
    await models.LineItem.filter(id=line.id).delete()
    journal.record(
        events.LineItemRemoved(
            **await _audience(row),
            line_item_id=line.id,
            kind=line.kind,
            description=line.description,
            quantity=_plain(line.quantity),
        )
    )
    _record_price(row, line, {"unit_price": [line.unit_price, Decimal(0)], "amount": [line.amount, Decimal(0)]})
    return row.id


async def _locked(actor: Actor, id: str, version: int | None) -> tuple[models.LineItem, models.WorkOrder]:
    """The line and its work order. The work order's lock keeps completion and approval from passing by."""
    line = await lock_one(models.LineItem, actor, id, version=version)
    row = await lock_one(models.WorkOrder, actor, line.work_order_id)
    rules.require_open_bill(row.number, row.status)
    return line, row


async def _audience(row: models.WorkOrder) -> dict[str, Any]:
    return {
        "subject_id": row.id,
        "customer_id": row.customer_id,
        "technician_ids": await technician_ids_of(row.id),
    }


def _record_price(row: models.WorkOrder, line: models.LineItem, changes: dict[str, list[Any]]) -> None:
    """Prices are a fact of their own: not everybody who may hear of a line may see what it costs."""
    changed = {name: [_plain(before), _plain(after)] for name, (before, after) in changes.items() if before != after}
    if changed:
        journal.record(events.LineItemPriced(subject_id=row.id, line_item_id=line.id, changes=changed))


def _require_price_permission(actor: Actor, unit_price: Decimal) -> None:
    if unit_price:
        actor.require(Permission.SET_PRICES)


def _exact(value: Decimal, path: str) -> Decimal:
    exact = parse_amount(str(value), path)
    if exact != round(exact, DECIMAL_PLACES_MAX):
        raise InvalidInput(f"At most {DECIMAL_PLACES_MAX} decimal places.", path=[path])
    return exact


def _plain(value: Decimal) -> str:
    """Without the zeros that only some databases fill up with."""
    return format(value.normalize(), "f")


def _kind(kind: str) -> str:
    try:
        return rules.LineItemKind(kind).value
    except ValueError:
        raise InvalidInput(f"{kind[:40]!r} is none of {', '.join(rules.LineItemKind)}.", path=["kind"]) from None
