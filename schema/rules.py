"""Who may do what, in one table: permissions by role, whose rows each model shows, and what every field asks for.

The table is compiled from what the engine itself goes by: the roles, each model's ``visible_to`` and the declarations of the
schema. ``rules.txt`` is the same, as it was last looked at: a field, an input or a row more or less, or one that asks for
something else, and no server starts until somebody has written the file anew and seen the difference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema, get_named_type

from app.infrastructure.conditions import Condition, Writer
from app.infrastructure.tables import BY_PREFIX, Table
from app.kernel.actor import Actor, ActorKind, user_actor
from app.kernel.dialects import Dialect
from app.kernel.errors import ConfigurationError
from app.kernel.permissions import GRANTABLE, REACHES, ROLES, Grant, Permission, Reach, Role
from schema.kit.filters import spec_of
from schema.kit.operations import OPERATIONS, Access
from schema.kit.reading.selection import BACKREF, field_declaration

MANIFEST = Path(__file__).with_name("rules.txt")
KINDS = ("query", "mutation", "subscription")
AS_ITS_OBJECT = "as its object"
AS_ITS_LIST = "as its list"
# What a client never says of a row: whose it is, where it stands, what it costs, who made it, and who may do what.
# Where an input does say so, it is named here with what keeps it in bounds.
PROTECTED = frozenset(
    {
        "approvedBy", "approvedById", "balance", "createdAt", "createdBy", "createdById", "createdByUserId", "creditLimit",
        "customRoleIds", "isAdministrator", "isPaid", "orgId", "organizationId", "paid", "passwordHash", "permissions",
        "role", "roles", "scopes", "secret", "status", "total", "totalAmount", "updatedAt",
    }
)  # fmt: skip
WRITABLE: Mapping[str, str] = MappingProxyType(
    {
        "ApproveAccessRequestInput.roles": "roles that allow no more than the giver may do",
        "ChangeEquipmentStatusInput.status": "whether a device is in use; the lifecycle decides",
        "ChangeTechnicianStatusInput.status": "a technician's own state of duty; the lifecycle decides",
        "CreateApiKeyInput.scopes": "some of what the maker holds",
        "CreateContactInput.role": "what somebody is to an account, such as its owner; it allows nothing",
        "CreateCustomerInput.creditLimit": "for who manages customers, and no customer does",
        "CreateRoleInput.permissions": "some of what the maker holds, as far as the reach goes",
        "CreateUserInput.customRoleIds": "roles that allow no more than the giver may do",
        "CreateUserInput.roles": "roles that allow no more than the giver may do",
        "MappedRolesInput.roles": "roles that allow no more than whoever sets the provider up may do",
        "InviteUserInput.customRoleIds": "roles that allow no more than the giver may do",
        "InviteUserInput.roles": "roles that allow no more than the giver may do",
        "RequestRolesInput.roles": "what is asked for; it allows nothing until somebody approves",
        "RoleSessionLimitInput.role": "whose sessions a limit is about; for who manages security",
        "UpdateContactInput.role": "what somebody is to an account, such as its owner; it allows nothing",
        "UpdateCustomerInput.creditLimit": "for who manages customers, and no customer does",
        "UpdateRoleInput.permissions": "some of what the changer holds, as far as the reach goes",
        "UpdateUserInput.customRoleIds": "roles that allow no more than the giver may do",
        "UpdateUserInput.roles": "roles that allow no more than the giver may do",
    }
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The whole table. Nothing in it can be changed."""

    roles: Mapping[Role, frozenset[Permission]]
    rows: Mapping[str, Mapping[str, str]]
    """By model and kind of actor: the condition of the rows that are seen."""
    operations: Mapping[tuple[str, str], str]
    fields: Mapping[str, str]
    """By type and field: what reading it asks for."""
    inputs: Mapping[str, str]
    """By input and field: what saying it asks for."""

    def lines(self) -> Iterator[str]:
        """The table as text, a rule in a line."""
        for role, held in self.roles.items():
            yield f"role {role} reaches {REACHES[role]}"
            yield from (f"role {role} may {permission}" for permission in sorted(held))
        for reach, grantable in GRANTABLE.items():
            yield from (f"role of one's own that reaches {reach} may be given {one}" for one in sorted(grantable))
        for model, rows in self.rows.items():
            for condition in dict.fromkeys(rows.values()):
                whose = ", ".join(who for who, one in rows.items() if one == condition)
                yield f"rows {model} {condition} for {whose}"
        for (kind, name), rule in self.operations.items():
            yield f"{kind} {name}: {rule}"
        yield from (f"field {name}: {rule}" for name, rule in self.fields.items())
        yield from (f"input {name}: {rule}" for name, rule in self.inputs.items())


def compile_rules(schema: GraphQLSchema) -> Rules:
    """The table of a schema. Raises where a field or an input has no rule, or says of a row what no client may."""
    operations = _operations(schema)
    inputs = _inputs(schema)
    _require_writable(inputs)
    return Rules(
        roles=MappingProxyType(dict(ROLES)),
        rows=MappingProxyType(_rows()),
        operations=MappingProxyType({key: _word(access) for key, access in operations.items()}),
        fields=MappingProxyType(_fields(schema)),
        inputs=MappingProxyType(inputs),
    )


def manifest_of(rules: Rules) -> str:
    """What ``rules.txt`` has to be."""
    return "\n".join(["# Written by `truckroll schema export`; look at what changes.", *rules.lines()]) + "\n"


def require_declared(rules: Rules) -> None:
    """Raise ``ConfigurationError`` unless every rule is the one that was looked at, and none is missing."""
    manifest = MANIFEST
    known = set(manifest.read_text(encoding="utf-8").splitlines()) if manifest.exists() else set()
    found = set(manifest_of(rules).splitlines())
    if differing := sorted(found ^ known):
        word = "is new" if differing[0] in found else "is gone"
        raise ConfigurationError(
            f"{len(differing)} rules are not those of {manifest.name}, the first of them {word}: {differing[0]!r}. "
            "Run `truckroll schema export` and look at the difference."
        )


def by_role(rules: Rules) -> str:
    """Permissions by role as a table for a terminal, the roles as columns with their names below."""
    width = max(len(permission) for permission in Permission)
    lines = [
        f"{permission:{width}} " + " ".join("x" if permission in held else "." for held in rules.roles.values())
        for permission in Permission
    ]
    for place, role in enumerate(rules.roles):
        bars = " ".join("|" * (len(rules.roles) - place))
        lines.append(f"{'':{width}} {'  ' * place}{bars}  {role} ({REACHES[role]})")
    return "\n".join(lines) + "\n"


# What fields ask for


def _operations(schema: GraphQLSchema) -> dict[tuple[str, str], Access]:
    found = {}
    for kind in KINDS:
        root = getattr(schema, f"{kind}_type")
        for name in sorted(root.fields) if root is not None else ():
            if (kind, name) not in OPERATIONS:
                raise TypeError(f"the {kind} {name} does not say who may use it")
            found[kind, name] = OPERATIONS[kind, name].access
    return found


def _word(access: Access | None) -> str:
    return str(access) if isinstance(access, Permission) else access.name if access is not None else "SIGNED_IN"


def _fields(schema: GraphQLSchema) -> dict[str, str]:
    """What each field of each type asks for. A plain object's fields belong to whoever is answered with it."""
    roots = {schema.query_type, schema.mutation_type, schema.subscription_type}
    found = {}
    for name, type in sorted(schema.type_map.items()):
        if not isinstance(type, GraphQLObjectType) or type in roots or name.startswith("__") or _is_page(name):
            continue
        readable = getattr(getattr(type.extensions.get(BACKREF), "origin", None), "__readable__", None)
        for field_name, field in sorted(type.fields.items()):
            declaration = field_declaration(field)
            if readable is None:
                asked_for = declaration.permission if declaration is not None else None
                found[f"{name}.{field_name}"] = str(asked_for) if asked_for is not None else AS_ITS_OBJECT
                continue
            if declaration is None:
                raise TypeError(f"{name}.{field_name} has no rule: it does not say where it comes from")
            below = getattr(
                getattr(get_named_type(field.type).extensions.get(BACKREF), "origin", None), "__readable__", None
            )
            asked = [readable.permission, declaration.permission, below.permission if below is not None else None]
            found[f"{name}.{field_name}"] = _all_of(asked)
    return found


def _is_page(name: str) -> bool:
    """Whether a type is only the wrapping of rows, whose own fields have rules."""
    return name.endswith(("Connection", "Edge")) or name == "PageInfo"


def _all_of(asked: list[Permission | None]) -> str:
    return " and ".join(dict.fromkeys(str(one) for one in asked if one is not None)) or "whoever sees the row"


def _inputs(schema: GraphQLSchema) -> dict[str, str]:
    """Who may say what: the operations that take an input, by what they ask for; a list's terms are for who may read it."""
    users: dict[str, set[str]] = {}
    for type in schema.type_map.values():
        if isinstance(type, GraphQLObjectType) and not type.name.startswith("__"):
            kind = next((one for one in KINDS if getattr(schema, f"{one}_type") is type), None)
            for name, field in type.fields.items():
                rule = _word(OPERATIONS[kind, name].access) if kind is not None else AS_ITS_LIST
                for word, argument in field.args.items():
                    is_of_a_list = word in ("filter", "orderBy")
                    _note_users(users, get_named_type(argument.type), AS_ITS_LIST if is_of_a_list else rule)
    found = {}
    for name, type in sorted(schema.type_map.items()):
        if not isinstance(type, GraphQLInputObjectType):
            continue
        if name not in users:
            raise TypeError(f"the input {name} has no rule: nothing takes it")
        terms = _terms(type)
        for field_name in sorted(type.fields):
            besides = terms.get(field_name)
            found[f"{name}.{field_name}"] = " or ".join(sorted(users[name])) + (f", with {besides}" if besides else "")
    return found


def _note_users(users: dict[str, set[str]], type: Any, rule: str) -> None:
    if isinstance(type, GraphQLInputObjectType) and rule not in users.setdefault(type.name, set()):
        users[type.name].add(rule)
        for field in type.fields.values():
            _note_users(users, get_named_type(field.type), rule)


def _terms(type: GraphQLInputObjectType) -> dict[str, str]:
    """What a filter's terms ask for besides."""
    try:
        spec = spec_of(type.extensions[BACKREF].origin)
    except TypeError:
        return {}
    asked = {name: (spec.permission, one.permission, one.of_column) for name, one in spec.fields.items()}
    return {name: " and ".join(dict.fromkeys(str(one) for one in each if one)) for name, each in asked.items()}


def _require_writable(inputs: Mapping[str, str]) -> None:
    protected = {name for name in inputs if name.split(".")[1] in PROTECTED and "Filter" not in name.split(".")[0]}
    if unlisted := sorted(protected - WRITABLE.keys()):
        raise TypeError(f"{unlisted[0]} lets clients say what is not theirs to say; see WRITABLE in schema/rules.py")
    if gone := sorted(WRITABLE.keys() - protected):
        raise TypeError(f"WRITABLE in schema/rules.py names {gone[0]}, which there is not")


# Whose rows


def askers() -> dict[str, Actor]:
    """One of each kind who asks, with marks in place of ids: each built-in role, roles of one's own by reach, a key."""
    own: dict[str, Any] = {"technician_id": ":technician", "customer_id": ":customer"}
    found = {str(role): user_actor(":organization", ":actor", frozenset({role}), **own) for role in Role}
    for reach in Reach:
        grants = frozenset({Grant("role_", reach, GRANTABLE[reach])})
        found[f"OWN_ROLE_{reach}"] = user_actor(":organization", ":actor", frozenset(), grants=grants, **own)
    partner = frozenset({Role.PARTNER})
    found["API_KEY"] = Actor(":organization", ActorKind.API_KEY, ":actor", partner, frozenset(Permission))
    return found


def _rows() -> dict[str, Mapping[str, str]]:
    """Whose rows each model shows to each kind of actor, as a condition in SQL."""
    models: dict[str, type[Table]] = {
        one.__name__: one for one in BY_PREFIX.values() if one.__module__.startswith("app.")
    }
    return {
        name: MappingProxyType({who: written(model.visible_to(actor)) for who, actor in askers().items()})
        for name, model in sorted(models.items())
    }


def written(condition: Condition) -> str:
    """A condition as text, its values in their places."""
    writer = Writer(Dialect.SQLITE)
    text = condition.write(writer, "r").replace('"r".', "").replace('"', "")
    for value in writer.values:
        text = text.replace("?", str(value), 1)
    return {"1 = 0": "none", "1 = 1": "all"}.get(text, text)


@cache
def rules_of_the_api() -> Rules:
    """The table of the whole API."""
    from schema.kit.execution import core_of  # the whole API: heavy
    from schema.schema import api  # the whole API: heavy

    return compile_rules(core_of(api))
