"""What people do to an organization's own roles. Nobody makes a role that allows more than they may do themselves."""

from collections.abc import Iterable
from typing import Any, TypedDict, Unpack

from app.company.models import Organization
from app.identity import events, models, queries, rules
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one, require_text
from app.kernel.actor import Actor
from app.kernel.errors import Conflict, InvalidInput, NotFound
from app.kernel.ids import new_id, require_id
from app.kernel.permissions import Grant, Permission, Reach

NAME_LENGTH_MAX = 80
DESCRIPTION_LENGTH_MAX = 500


class RoleChanges(TypedDict, total=False):
    """What may be changed about a role; whose rows it is about stays."""

    name: str
    description: str
    permissions: list[str]


@command(Permission.MANAGE_ROLES, confirmed=True)
async def create_role(
    actor: Actor,
    *,
    name: str,
    permissions: Iterable[str],
    reach: Reach = Reach.ORGANIZATION,
    description: str = "",
    id: str | None = None,
) -> str:
    """Put some of the actor's own permissions together under a name, to be given to users."""
    await lock_one(Organization, actor, actor.organization_id)
    mine = await find_rows(models.CustomRole, models.CustomRole.visible_to(actor))
    if len(mine) >= rules.CUSTOM_ROLES_MAX:
        raise Conflict(f"An organization has at most {rules.CUSTOM_ROLES_MAX} roles of its own.", path=["name"])
    chosen = require_id(id, models.CustomRole.prefix) if id is not None else new_id(models.CustomRole.prefix)
    grant = rules.require_grant(actor, chosen, reach, permissions)
    row = await add_row(
        models.CustomRole,
        id=chosen,
        organization_id=actor.organization_id,
        name=_name(name),
        description=_description(description),
        reach=reach.value,
        permissions=sorted(grant.permissions),
    )
    journal.record(events.RoleCreated(subject_id=row.id))
    return row.id


@command(Permission.MANAGE_ROLES, confirmed=True)
async def update_role(actor: Actor, id: str, *, version: int | None = None, **changes: Unpack[RoleChanges]) -> str:
    """Change what a role is called or allows. It holds from the next request of whoever has it."""
    row = await lock_one(models.CustomRole, actor, id, version=version)
    # Taking away, too, is only for who could give it.
    rules.require_may_grant(actor, (), [_grant(row)])
    values: dict[str, Any] = {}
    if "name" in changes:
        values["name"] = _name(changes["name"])
    if "description" in changes:
        values["description"] = _description(changes["description"])
    if "permissions" in changes:
        wanted = rules.require_grant(actor, row.id, Reach(row.reach), changes["permissions"])
        values["permissions"] = sorted(wanted.permissions)
    changed = await change_row(row, **values)
    if changed:
        queries.forget_actors(row.id)
        journal.record(events.RoleUpdated(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_ROLES, confirmed=True)
async def delete_role(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Take away a role that no user holds, whether they may sign in or not. Answers the organization's id."""
    row = await lock_one(models.CustomRole, actor, id, version=version)
    rules.require_may_grant(actor, (), [_grant(row)])
    if await queries.is_held(row):
        raise Conflict("Somebody has this role. Give them another first.", path=["id"])
    await models.CustomRole.filter(id=row.id).delete()
    journal.record(events.RoleDeleted(subject_id=row.id, changes={"name": [row.name, None]}))
    return row.organization_id


async def require_grants(actor: Actor, role_ids: Iterable[str]) -> list[Grant]:
    """What the organization's own roles give, each once; ``NotFound`` for one that there is not. For commands.

    The roles stay as they are until the transaction ends: none is deleted while somebody gets it.
    """
    ids = sorted({require_id(id, models.CustomRole.prefix, "customRoleIds") for id in role_ids})
    if len(ids) > rules.CUSTOM_ROLES_PER_USER_MAX:
        raise InvalidInput(
            f"A user has at most {rules.CUSTOM_ROLES_PER_USER_MAX} roles of the organization's own.",
            path=["customRoleIds"],
        )
    mine = models.CustomRole.visible_to(actor) & column("id").one_of(ids)
    found = {row.id: row for row in await find_rows(models.CustomRole, mine, order=["id"], lock=True)} if ids else {}
    for id in ids:
        if id not in found:
            raise NotFound(models.CustomRole.noun, id, path=["customRoleIds"])
    return [_grant(found[id]) for id in ids]


async def require_may_touch(actor: Actor, row: models.User) -> None:
    """Nobody touches the account of somebody who may do more."""
    rules.require_may_grant(actor, row.roles, (await queries.grants_of([row]))[row.id])


def _grant(row: models.CustomRole) -> Grant:
    return rules.grant_of(row.id, row.reach, row.permissions)


def _name(text: str) -> str:
    return require_text(text, "name", longest=NAME_LENGTH_MAX)


def _description(text: str) -> str:
    return require_text(text, "description", shortest=0, longest=DESCRIPTION_LENGTH_MAX)
