"""Accounts: who is let in, changed and shut out. Signing in and staying signed in is in ``sign_in``."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from app.company.models import Organization
from app.identity import events, models, queries, rules, usernames
from app.identity.commands.roles import require_grants, require_may_touch
from app.identity.commands.sessions import end_sessions, require_person
from app.identity.policy import UsernameConvention, policy_of
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
from app.kernel.errors import Conflict, InvalidInput
from app.kernel.permissions import Permission, Role

Cleaner = Callable[[Any], Any]
MANAGERS_ABOVE_MAX = 50


class ProfileChanges(TypedDict, total=False):
    """What everybody may change about themselves."""

    preferred_name: str | None
    phone: str | None
    time_zone: str | None
    language: str | None


class UserDetails(ProfileChanges, total=False):
    """What a user may have from the start."""

    technician_id: str | None
    customer_id: str | None
    username: str | None
    department: str | None
    team: str | None
    manager_id: str | None
    start_date: date | None
    approval_limit: Decimal | None
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
    "preferred_name": _text("preferredName", 120),
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
    "username": lambda value: usernames.require_username(value) if value else None,
    "department": _text("department", 120),
    "team": _text("team", 120),
    "manager_id": lambda value: value or None,
    "start_date": lambda value: value,
    "approval_limit": rules.require_limit,
    "employee_number": _text("employeeNumber", 40),
}

# Whoever changes these can make somebody else of a person, or of themselves.
DANGEROUS = frozenset({"email", "username", "approval_limit", *LINKS})


async def clean_details(actor: Actor, cleaners: Mapping[str, Cleaner], values: Mapping[str, Any]) -> dict[str, Any]:
    """The details that were given, each checked. For commands."""
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
    hashed = await _hashed(actor, password, [email, legal_name]) if password is not None else {}
    row = await add_user(actor, id, roles, {**details, "email": email, "legal_name": legal_name}, **hashed)
    return row.id


async def add_user(
    actor: Actor, id: str | None, roles: Iterable[str], details: Mapping[str, Any], **values: Any
) -> models.User:
    """A new user with a name for signing in, and the fact of it. For commands."""
    cleaned = await clean_details(actor, USER_FIELDS, details)
    if actor.is_customer:
        cleaned["customer_id"] = cleaned.get("customer_id") or actor.customer_id
    cleaned |= await _fitting_roles(actor, {**cleaned, "roles": roles})
    cleaned["approval_limit"] = await _fitting_limit(actor, cleaned)
    await _require_one_user(actor, cleaned.get("technician_id"))
    await _require_manager(actor, cleaned.get("manager_id"))
    if not cleaned.get("username"):
        cleaned["username"] = await _free_username(actor, cleaned)
    row = await add_row(models.User, id=id, organization_id=actor.organization_id, **cleaned, **values)
    journal.record(events.UserCreated(subject_id=row.id))
    return row


@command(Permission.MANAGE_USERS)
async def update_user(actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[UserChanges]) -> str:
    """Change a user's profile, roles or links. Other roles hold from the user's next request."""
    if changes.keys() & DANGEROUS:
        await require_confirmed(actor)
    await lock_roles(actor)
    row = await lock_one(models.User, actor, id, version=version)
    await require_may_touch(actor, row)
    values = await clean_details(actor, USER_FIELDS, changes)
    if "manager_id" in values:
        await _require_manager(actor, values["manager_id"], of=row.id)
    if "approval_limit" in values:
        values["approval_limit"] = await _fitting_limit(actor, values, of=row.id)
    if values.keys() & set(LINKS):
        values |= await _fitting_roles(actor, {name: values.get(name, getattr(row, name)) for name in LINKS})
        await _require_one_user(actor, values.get("technician_id"), by=row.id)
        if Role.ADMINISTRATOR not in values["roles"]:
            await _require_other_administrators(row)
        if "approval_limit" not in values:
            # Who becomes an approver by it would approve up to the limit there is.
            await _fitting_limit(actor, {"approval_limit": row.approval_limit})
    changed = await change_row(row, **values)
    if changed:
        queries.forget_actors(row.id)
        journal.record(events.UserUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(None)
async def update_profile(actor: Actor, *, version: int | None = None, **changes: Unpack[ProfileChanges]) -> str:
    """Change what is one's own to change: what one is called, phone, time zone, language."""
    require_person(actor)
    row = await lock_one(models.User, actor, actor.id, version=version)
    changed = await change_row(row, **await clean_details(actor, PROFILE_FIELDS, changes))
    if changed:
        journal.record(events.UserUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_USERS, confirmed=True)
async def deactivate_user(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Shut somebody out: sessions end at once, the past keeps the name."""
    if id == actor.id:
        raise Conflict("You cannot deactivate yourself.", path=["id"])
    await lock_roles(actor)
    row = await lock_one(models.User, actor, id, version=version)
    await require_may_touch(actor, row)
    await _require_other_administrators(row)
    changed = await _change_status(row, rules.UserStatus.DEACTIVATED)
    await end_sessions(row, rules.RevocationReason.USER_DEACTIVATED)
    journal.record(events.UserDeactivated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_USERS, confirmed=True)
async def reactivate_user(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Let somebody in again, with the roles and the password there were."""
    row = await lock_one(models.User, actor, id, version=version)
    await require_may_touch(actor, row)
    if row.status == rules.UserStatus.INVITED:
        raise Conflict("Who was invited comes in by the link. Send it again.", path=["id"])
    changed = await _change_status(row, rules.UserStatus.ACTIVE)
    journal.record(events.UserReactivated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_USERS)
async def unlock_user(actor: Actor, id: str) -> str:
    """Let somebody try again whom wrong passwords keep waiting: those from before do not count any more."""
    row = await lock_one(models.User, actor, id)
    await require_may_touch(actor, row)
    await change_row(row, unlocked_at=utc_now())
    journal.record(events.UserUnlocked(subject_id=row.id))
    return row.id


async def _change_status(row: models.User, to: rules.UserStatus) -> dict[str, list[Any]]:
    rules.USER_LIFECYCLE.require(rules.UserStatus(row.status), to)
    return await change_row(row, status=to.value)


async def _fitting_roles(actor: Actor, links: Mapping[str, Any]) -> dict[str, list[str]]:
    """The roles, if they fit together, the actor may grant them, and whom they name exists.

    Customers and technicians belong to higher rooms; their tables are found by the prefixes of their ids.
    """
    customer_id, technician_id = links.get("customer_id"), links.get("technician_id")
    if actor.is_customer and customer_id is None:
        raise InvalidInput("You manage the people of your own account.", path=["customerId"])
    grants = await require_grants(actor, links.get("custom_role_ids", ()))
    wanted = rules.require_roles(links["roles"], customer_id=customer_id, technician_id=technician_id, grants=grants)
    rules.require_may_grant(actor, wanted, grants)
    if customer_id is not None:
        await require_visible(BY_PREFIX["cus"], actor, [customer_id], "customerId")
    if technician_id is not None:
        await require_visible(BY_PREFIX["tech"], actor, [technician_id], "technicianId")
    return {"roles": wanted, "custom_role_ids": [grant.role_id for grant in grants]}


async def _fitting_limit(actor: Actor, details: Mapping[str, Any], *, of: str = "") -> Decimal | None:
    """Up to what sum somebody may approve work: as much as who says so at most, and who has a limit gives it on."""
    if of == actor.id:
        raise Conflict("Somebody else sets your limit.", path=["approvalLimit"])
    wanted: Decimal | None = details.get("approval_limit")
    most = await queries.approval_limit_of(actor)
    if most is None:
        return wanted
    if "approval_limit" in details and (wanted is None or wanted > most):
        raise InvalidInput("Nobody gives a higher limit than they have.", path=["approvalLimit"])
    return most if wanted is None else wanted


async def _free_username(actor: Actor, details: Mapping[str, Any]) -> str | None:
    """A name by the organization's convention that nobody there has; none where the e-mail address is the convention. One
    at a time, so that two do not get the same."""
    convention = (await policy_of(actor.organization_id)).username_convention
    if convention is UsernameConvention.EMAIL:
        return None
    await lock_roles(actor)
    by_number = details.get("employee_number") if convention is UsernameConvention.EMPLOYEE_NUMBER else None
    name = usernames.proposed_name(details["email"], details["legal_name"], by_number)
    alike = models.User.filter(organization_id=actor.organization_id, username__startswith=name[: usernames.KEPT])
    return usernames.first_free(name, frozenset(str(row.username) for row in await alike))


async def _require_manager(actor: Actor, manager_id: str | None, *, of: str = "") -> None:
    """A manager is somebody else whom one may see, and not somebody below."""
    above = manager_id
    for _ in range(MANAGERS_ABOVE_MAX):
        if above is None:
            return
        if above == of:
            raise InvalidInput("Nobody is above themselves.", path=["managerId"])
        above = (await require_visible(models.User, actor, [above], "managerId"))[above].manager_id
    raise InvalidInput(f"There are at most {MANAGERS_ABOVE_MAX} managers above somebody.", path=["managerId"])


async def _require_one_user(actor: Actor, technician_id: str | None, *, by: str = "") -> None:
    """A technician is one person."""
    await require_unused(models.User, actor, "technician_id", technician_id, path="technicianId", by=by)


async def lock_roles(actor: Actor) -> None:
    """One change of roles at a time, so that two administrators cannot shut out each other at once. For commands."""
    await lock_one(Organization, actor, actor.organization_id)


async def _require_other_administrators(row: models.User) -> None:
    if Role.ADMINISTRATOR not in row.roles or row.status != rules.UserStatus.ACTIVE:
        return
    active = (column("organization_id") == row.organization_id) & (column("status") == rules.UserStatus.ACTIVE.value)
    others = await find_rows(models.User, active & (column("id") != row.id))
    rules.require_an_administrator_stays(sum(Role.ADMINISTRATOR in one.roles for one in others))


async def _hashed(actor: Actor, password: Secret, about: list[str]) -> dict[str, Any]:
    policy = await policy_of(actor.organization_id)
    text = rules.require_password(
        password.value, about, length_min=policy.password_length_min, classes_min=policy.password_classes_min
    )
    return {"password_hash": await tokens.hash_password(text), "password_changed_at": utc_now()}
