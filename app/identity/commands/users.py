"""Accounts: who is let in, changed and shut out. Signing in and staying signed in is in ``sign_in``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict, Unpack

from app.company.models import Organization
from app.identity import events, models, queries, rules
from app.identity.commands.roles import require_grants
from app.identity.commands.sessions import end_sessions, require_person
from app.identity.secret import Secret
from app.infrastructure import journal, tokens
from app.infrastructure.command import command, require_confirmed
from app.infrastructure.conditions import column
from app.infrastructure.tables import (
    BY_PREFIX,
    add_row,
    change_row,
    find_one,
    find_rows,
    lock_one,
    require_text,
    require_unused,
    require_visible,
)
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now, zone
from app.kernel.contact_details import phone_number
from app.kernel.errors import Conflict
from app.kernel.permissions import Permission, Role

Cleaner = Callable[[Any], Any]


class ProfileChanges(TypedDict, total=False):
    """What everybody may change about themselves."""

    phone: str | None
    time_zone: str | None
    language: str | None


class UserDetails(ProfileChanges, total=False):
    """What a user may have from the start."""

    technician_id: str | None
    customer_id: str | None
    department: str | None
    employee_number: str | None
    custom_role_ids: list[str]


class UserChanges(UserDetails, total=False):
    """What an administrator may change about a user."""

    email: str
    legal_name: str
    roles: list[str]


def _text(path: str, longest: int) -> Cleaner:
    return lambda value: require_text(value, path, longest=longest) if value else None


PROFILE_FIELDS: dict[str, Cleaner] = {
    "phone": lambda value: value or None,
    "time_zone": lambda value: zone(value).key if value else None,
    "language": _text("language", 16),
}
LINKS = ("roles", "custom_role_ids", "customer_id", "technician_id")
USER_FIELDS: dict[str, Cleaner] = {
    **PROFILE_FIELDS,
    "email": rules.require_login,
    "legal_name": lambda value: require_text(value, "legalName", longest=200),
    "roles": list,
    "custom_role_ids": list,
    "technician_id": lambda value: value or None,
    "customer_id": lambda value: value or None,
    "department": _text("department", 120),
    "employee_number": _text("employeeNumber", 40),
}

# Whoever changes these can make somebody else of a person, or of themselves.
DANGEROUS = frozenset({"email", *LINKS})


async def _cleaned(actor: Actor, cleaners: Mapping[str, Cleaner], values: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = {name: cleaners[name](value) for name, value in values.items()}
    if cleaned.get("phone"):
        organization = await find_one(Organization, actor, actor.organization_id)
        cleaned["phone"] = phone_number(cleaned["phone"], organization.country)
    return cleaned


@command(Permission.MANAGE_USERS, confirmed=True)
async def create_user(
    actor: Actor,
    *,
    email: str,
    legal_name: str,
    roles: Iterable[str],
    password: Secret | None = None,
    id: str | None = None,
    **details: Unpack[UserDetails],
) -> str:
    """Let somebody in, with roles the actor could hold. Without a password nobody signs in until one is set."""
    values = await _cleaned(actor, USER_FIELDS, {**details, "email": email, "legal_name": legal_name})
    values |= await _fitting_roles(actor, {**values, "roles": roles})
    await _require_one_user(actor, values.get("technician_id"))
    if password is not None:
        values |= await _hashed(password, [values["email"], values["legal_name"]])
    row = await add_row(models.User, id=id, organization_id=actor.organization_id, **values)
    journal.record(events.UserCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_USERS)
async def update_user(actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[UserChanges]) -> str:
    """Change a user's profile, roles or links. Other roles hold from the user's next request."""
    if changes.keys() & DANGEROUS:
        await require_confirmed(actor)
    await _lock_roles(actor)
    row = await lock_one(models.User, actor, id, version=version)
    await _require_may_grant(actor, row)
    values = await _cleaned(actor, USER_FIELDS, changes)
    if values.keys() & set(LINKS):
        values |= await _fitting_roles(actor, {name: values.get(name, getattr(row, name)) for name in LINKS})
        await _require_one_user(actor, values.get("technician_id"), by=row.id)
        if Role.ADMINISTRATOR not in values["roles"]:
            await _require_other_administrators(row)
    changed = await change_row(row, **values)
    if changed:
        queries.forget_actors(row.id)
        journal.record(events.UserUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(None)
async def update_profile(actor: Actor, *, version: int | None = None, **changes: Unpack[ProfileChanges]) -> str:
    """Change what is one's own to change: phone, time zone, language."""
    require_person(actor)
    row = await lock_one(models.User, actor, actor.id, version=version)
    changed = await change_row(row, **await _cleaned(actor, PROFILE_FIELDS, changes))
    if changed:
        journal.record(events.UserUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_USERS, confirmed=True)
async def deactivate_user(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Shut somebody out: sessions end at once, the past keeps the name."""
    if id == actor.id:
        raise Conflict("You cannot deactivate yourself.", path=["id"])
    await _lock_roles(actor)
    row = await lock_one(models.User, actor, id, version=version)
    await _require_may_grant(actor, row)
    await _require_other_administrators(row)
    changed = await _change_status(row, rules.UserStatus.DEACTIVATED)
    await end_sessions(row, rules.RevocationReason.USER_DEACTIVATED)
    journal.record(events.UserDeactivated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_USERS, confirmed=True)
async def reactivate_user(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Let somebody in again, with the roles and the password there were."""
    row = await lock_one(models.User, actor, id, version=version)
    await _require_may_grant(actor, row)
    changed = await _change_status(row, rules.UserStatus.ACTIVE)
    journal.record(events.UserReactivated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_USERS, confirmed=True)
async def reset_password(actor: Actor, id: str, *, password: Secret, version: int | None = None) -> str:
    """Give somebody a new password; all sessions of that person end."""
    row = await lock_one(models.User, actor, id, version=version)
    await _require_may_grant(actor, row)
    await change_row(row, **await _hashed(password, [row.email, row.legal_name]))
    await end_sessions(row, rules.RevocationReason.PASSWORD_CHANGED)
    journal.record(events.PasswordChanged(subject_id=row.id))
    return row.id


async def _change_status(row: models.User, to: rules.UserStatus) -> dict[str, list[Any]]:
    rules.USER_LIFECYCLE.require(rules.UserStatus(row.status), to)
    return await change_row(row, status=to.value)


async def _fitting_roles(actor: Actor, links: Mapping[str, Any]) -> dict[str, list[str]]:
    """The roles, if they fit together, the actor may grant them, and whom they name exists.

    Customers and technicians belong to higher rooms; their tables are found by the prefixes of their ids.
    """
    customer_id, technician_id = links.get("customer_id"), links.get("technician_id")
    grants = await require_grants(actor, links.get("custom_role_ids", ()))
    wanted = rules.require_roles(links["roles"], customer_id=customer_id, technician_id=technician_id, grants=grants)
    rules.require_may_grant(actor, wanted, grants)
    if customer_id is not None:
        await require_visible(BY_PREFIX["cus"], actor, [customer_id], "customerId")
    if technician_id is not None:
        await require_visible(BY_PREFIX["tech"], actor, [technician_id], "technicianId")
    return {"roles": wanted, "custom_role_ids": [grant.role_id for grant in grants]}


async def _require_may_grant(actor: Actor, row: models.User) -> None:
    """Nobody touches the account of somebody who may do more."""
    rules.require_may_grant(actor, row.roles, (await queries.grants_of([row]))[row.id])


async def _require_one_user(actor: Actor, technician_id: str | None, *, by: str = "") -> None:
    """A technician is one person."""
    await require_unused(models.User, actor, "technician_id", technician_id, path="technicianId", by=by)


async def _lock_roles(actor: Actor) -> None:
    """One change of roles at a time, so that two administrators cannot shut out each other at once."""
    await lock_one(Organization, actor, actor.organization_id)


async def _require_other_administrators(row: models.User) -> None:
    if Role.ADMINISTRATOR not in row.roles or row.status != rules.UserStatus.ACTIVE:
        return
    active = (column("organization_id") == row.organization_id) & (column("status") == rules.UserStatus.ACTIVE.value)
    others = await find_rows(models.User, active & (column("id") != row.id))
    rules.require_an_administrator_stays(sum(Role.ADMINISTRATOR in one.roles for one in others))


async def _hashed(password: Secret, about: list[str]) -> dict[str, Any]:
    text = rules.require_password(password.value, about)
    return {"password_hash": await tokens.hash_password(text), "password_changed_at": utc_now()}
