"""Asking for work, and changing what is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict, TypeVar, Unpack

from app.company.commands import next_free_number
from app.company.models import ServiceType
from app.customers.models import Customer, Site
from app.equipment.models import Equipment
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.tables import (
    add_row,
    change_row,
    find_one,
    lock_one,
    require_text,
    require_unused,
    require_visible,
)
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import require_aware, utc_now
from app.kernel.errors import Conflict, InvalidInput
from app.kernel.permissions import Permission
from app.technicians.models import Skill
from app.work_orders import events, models, rules
from app.work_orders.queries import owed_by, technician_ids_of

CLOCK_SKEW = timedelta(minutes=5)
MOMENTS = {
    "requested_window_start": "requestedWindowStart",
    "requested_window_end": "requestedWindowEnd",
    "due_at": "dueAt",
}
Word = TypeVar("Word", bound=StrEnum)


class WorkOrderChanges(TypedDict, total=False):
    """What can be changed about open work; only the keys that are given are set."""

    summary: str
    description: str
    category: str | None
    priority: str
    service_type_id: str | None
    site_id: str
    equipment_id: str | None
    requested_window_start: datetime | None
    requested_window_end: datetime | None
    due_at: datetime | None
    duration_minutes: int
    required_skills: Mapping[str, int]
    external_id: str | None


@dataclass(frozen=True, slots=True)
class Usual:
    """What work of a kind begins with when nobody says otherwise."""

    priority: str = rules.Priority.NORMAL.value
    duration_minutes: int = rules.DURATION_MINUTES_DEFAULT
    required_skills: Mapping[str, int] = field(default_factory=dict)


@command(Permission.REQUEST_WORK)
async def create_work_order(
    actor: Actor,
    *,
    customer_id: str,
    site_id: str,
    summary: str,
    id: str | None = None,
    description: str = "",
    category: str | None = None,
    priority: str | None = None,
    channel: str | None = None,
    equipment_id: str | None = None,
    service_type_id: str | None = None,
    requested_window_start: datetime | None = None,
    requested_window_end: datetime | None = None,
    due_at: datetime | None = None,
    duration_minutes: int | None = None,
    required_skills: Mapping[str, int] | None = None,
    external_id: str | None = None,
    parent_id: str | None = None,
    submitted_at: datetime | None = None,
    credit_hold_override: str | None = None,
) -> str:
    """Ask for work at a customer's site; it begins as SUBMITTED, with the next number of the company's series.

    Duration, priority and skills come from the service type where they are not given. ``submitted_at`` dates imported
    requests back. ``credit_hold_override`` is a dispatcher's reason for working for a customer on hold all the same.
    """
    if actor.is_customer and any(value is not None for value in (channel, due_at, duration_minutes, required_skills)):
        actor.require(Permission.MANAGE_WORK_ORDERS)
    if submitted_at is not None:
        actor.require(Permission.IMPORT_DATA)
    customer = await find_one(Customer, actor, customer_id, path="customerId")
    await _require_good_standing(actor, customer, credit_hold_override)
    await _require_site(actor, site_id, customer.id)
    if equipment_id is not None:
        await _require_equipment(actor, equipment_id, customer.id, site_id)
    service_type = await _offered(actor, service_type_id)
    if parent_id is not None:
        await find_one(models.WorkOrder, actor, parent_id, path="parentId")
    usual = _usual(service_type)
    skills = usual.required_skills if required_skills is None else await _known_skills(actor, required_skills)
    external_id = _optional_text(external_id, "externalId", 200)
    window_start = _moment(requested_window_start, "requestedWindowStart")
    window_end = _moment(requested_window_end, "requestedWindowEnd")
    rules.require_window(window_start, window_end)
    values = {
        "customer_id": customer.id,
        "site_id": site_id,
        "equipment_id": equipment_id,
        "service_type_id": service_type_id,
        "parent_id": parent_id,
        "status": rules.WorkOrderStatus.SUBMITTED.value,
        "priority": _one_of(rules.Priority, priority or usual.priority, "priority"),
        "channel": _one_of(rules.Channel, channel or _channel_of(actor), "channel"),
        "category": _optional_text(category, "category", 120),
        "summary": require_text(summary, "summary", longest=200),
        "description": require_text(description, "description", shortest=0, longest=10_000),
        "requested_window_start": window_start,
        "requested_window_end": window_end,
        "due_at": _moment(due_at, "dueAt"),
        "duration_minutes": rules.require_duration(
            usual.duration_minutes if duration_minutes is None else duration_minutes
        ),
        "required_skills": skills,
        "external_id": external_id,
        "currency": customer.currency,
        "opened_by_user_id": actor.id if actor.kind is ActorKind.USER else None,
        "submitted_at": _not_in_the_future(submitted_at),
    }
    # The number first: its lock makes the look for the external id safe from a twin.
    number = await next_free_number(actor, "WORK_ORDER", models.WorkOrder)
    await require_unused(models.WorkOrder, actor, "external_id", external_id, path="externalId")
    row = await add_row(models.WorkOrder, id=id, organization_id=actor.organization_id, number=number, **values)
    journal.record(
        events.WorkOrderSubmitted(
            subject_id=row.id,
            customer_id=row.customer_id,
            number=number,
            site_id=site_id,
            priority=row.priority,
            channel=row.channel,
        )
    )
    if credit_hold_override is not None:
        journal.record(events.CreditHoldOverridden(subject_id=row.id, reason=credit_hold_override))
    return row.id


@command(Permission.MANAGE_WORK_ORDERS)
async def update_work_order(
    actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[WorkOrderChanges]
) -> str:
    """Change what is to be done while it is still to be done; only what is given is set."""
    row = await lock_one(models.WorkOrder, actor, id, version=version)
    rules.require_changeable(row.number, row.status)
    values = await _cleaned(actor, row, changes)
    changed = await change_row(row, **values)
    if changed:
        journal.record(
            events.WorkOrderUpdated(
                subject_id=row.id,
                customer_id=row.customer_id,
                technician_ids=await technician_ids_of(row.id),
                changes=changed,
            )
        )
    return row.id


async def _cleaned(actor: Actor, row: models.WorkOrder, changes: WorkOrderChanges) -> dict[str, Any]:
    """The given values, each checked alone and with what it has to fit."""
    values: dict[str, Any] = dict(changes)
    for name, path, longest in (("category", "category", 120), ("external_id", "externalId", 200)):
        if name in values:
            values[name] = _optional_text(values[name], path, longest)
    if "summary" in changes:
        values["summary"] = require_text(changes["summary"], "summary", longest=200)
    if "description" in changes:
        values["description"] = require_text(changes["description"], "description", shortest=0, longest=10_000)
    if "priority" in changes:
        values["priority"] = _one_of(rules.Priority, changes["priority"], "priority")
    if "duration_minutes" in changes:
        values["duration_minutes"] = rules.require_duration(changes["duration_minutes"])
    if "required_skills" in changes:
        values["required_skills"] = await _known_skills(actor, changes["required_skills"])
    if changes.get("service_type_id") not in (None, row.service_type_id):
        await _offered(actor, changes["service_type_id"])
    for name, path in MOMENTS.items():
        if name in values:
            values[name] = _moment(values[name], path)
    rules.require_window(
        values.get("requested_window_start", row.requested_window_start),
        values.get("requested_window_end", row.requested_window_end),
    )
    await _require_place(actor, row, changes)
    if "external_id" in values:
        await require_unused(
            models.WorkOrder, actor, "external_id", values["external_id"], path="externalId", by=row.id
        )
    return values


async def _require_place(actor: Actor, row: models.WorkOrder, changes: WorkOrderChanges) -> None:
    site_id = changes.get("site_id", row.site_id)
    equipment_id = changes.get("equipment_id", row.equipment_id)
    if site_id != row.site_id:
        if row.status not in (rules.WorkOrderStatus.SUBMITTED, rules.WorkOrderStatus.TRIAGED):
            raise Conflict(f"Work order {row.number} is {row.status}: its site no longer changes.", path=["siteId"])
        await _require_site(actor, site_id, row.customer_id)
    if equipment_id is not None and (site_id, equipment_id) != (row.site_id, row.equipment_id):
        await _require_equipment(actor, equipment_id, row.customer_id, site_id)


async def _require_site(actor: Actor, site_id: str, customer_id: str) -> None:
    site = await find_one(Site, actor, site_id, path="siteId")
    if site.customer_id != customer_id:
        raise InvalidInput("This site belongs to another customer.", path=["siteId"])
    if not site.is_active:
        raise InvalidInput("This site is no longer served.", path=["siteId"])


async def _require_equipment(actor: Actor, equipment_id: str, customer_id: str, site_id: str) -> None:
    equipment = await find_one(Equipment, actor, equipment_id, path="equipmentId")
    if equipment.customer_id != customer_id:
        raise InvalidInput("This equipment belongs to another customer.", path=["equipmentId"])
    if equipment.site_id != site_id:
        raise InvalidInput("This equipment stands at another site.", path=["equipmentId"])
    if equipment.status == "RETIRED":
        raise InvalidInput("This equipment is retired.", path=["equipmentId"])


async def _require_good_standing(actor: Actor, customer: Customer, override: str | None) -> None:
    """New work needs an active customer within the credit limit; else a dispatcher may decide otherwise and says why."""
    if override is not None:
        actor.require(Permission.MANAGE_WORK_ORDERS)
        require_text(override, "creditHoldOverride", longest=500)
    if customer.status not in ("ACTIVE", "ON_HOLD") or (customer.status == "ON_HOLD" and override is None):
        raise Conflict(f"Customer {customer.account_number} is {customer.status}: no new work.", path=["customerId"])
    if override is None and customer.credit_limit is not None and await owed_by(customer) > customer.credit_limit:
        raise Conflict(
            f"Customer {customer.account_number} owes more than the credit limit: no new work.", path=["customerId"]
        )


async def _offered(actor: Actor, service_type_id: str | None) -> ServiceType | None:
    if service_type_id is None:
        return None
    service_type = await find_one(ServiceType, actor, service_type_id, path="serviceTypeId")
    if not service_type.is_active:
        raise InvalidInput("This service is no longer offered.", path=["serviceTypeId"])
    return service_type


def _usual(service_type: ServiceType | None) -> Usual:
    if service_type is None:
        return Usual()
    return Usual(service_type.default_priority, service_type.duration_minutes, dict(service_type.required_skills))


async def _known_skills(actor: Actor, required_skills: Mapping[str, int]) -> dict[str, int]:
    levels = rules.require_skill_levels(dict(required_skills))
    await require_visible(Skill, actor, levels, "requiredSkills")
    return levels


def _channel_of(actor: Actor) -> rules.Channel:
    if actor.is_customer:
        return rules.Channel.PORTAL
    if actor.is_technician_only:
        return rules.Channel.TECHNICIAN
    kinds = {ActorKind.API_KEY: rules.Channel.PARTNER_API, ActorKind.SYSTEM: rules.Channel.MONITORING}
    return kinds.get(actor.kind, rules.Channel.PHONE)


def _one_of(words: type[Word], value: str, path: str) -> str:
    try:
        return words(value).value
    except ValueError:
        raise InvalidInput(f"{value[:40]!r} is none of {', '.join(words)}.", path=[path]) from None


def _optional_text(text: str | None, path: str, longest: int) -> str | None:
    return None if text is None else require_text(text, path, longest=longest)


def _moment(value: datetime | None, path: str) -> datetime | None:
    return None if value is None else require_aware(value, path)


def _not_in_the_future(submitted_at: datetime | None) -> datetime:
    now = utc_now()
    if submitted_at is None:
        return now
    moment = require_aware(submitted_at, "submittedAt")
    if moment > now + CLOCK_SKEW:
        raise InvalidInput("A request cannot come from the future.", path=["submittedAt"])
    return moment
