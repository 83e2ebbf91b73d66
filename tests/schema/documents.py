"""Documents, arguments and inputs generated from the live schema, so that what is new is asked for without being listed."""

from collections.abc import Callable, Iterator
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from schema.kit.declarations import READABLE_BY_PREFIX
from schema.kit.execution import core_of
from schema.schema import api

CORE: GraphQLSchema = core_of(api)
Choose = Callable[[tuple[str, ...]], str]
"""Gives an id for the place in the arguments where one is wanted."""

PROBLEM = (
    "errors { __typename code message path ... on NotPermitted { permission } ... on NotFound { noun id } "
    "... on AlreadyExists { noun id } ... on IllegalTransition { state to allowed } "
    "... on StaleVersion { expected actual } ... on CompletionBlocked { missing { code message } } "
    "... on ScheduleConflict { conflicts { code message overridable appointmentId technicianId } } }"
)
SPAN = '(from: "2031-01-01", until: "2032-01-01", per: MONTH, timeZone: "Europe/Berlin")'
SCALARS: dict[str, Any] = {
    "String": "plain",
    "Int": 1,
    "Float": 1.0,
    "Boolean": False,
    "Decimal": "1",
    "DateTime": "2031-03-03T10:00:00Z",
    "Date": "2031-03-03",
    "Duration": "PT1H",
    "JSON": {},
}
# Values of fields that need more than their type says.
VALUES: dict[str, Any] = {
    "document": "{ customers { nodes { id } } }",
    "endsAt": "2031-03-03T11:00:00Z",
    "endedAt": "2031-03-03T11:00:00Z",
    "until": "2031-03-03T11:00:00Z",
    "windowEnd": "2031-03-03T11:00:00Z",
    "email": "somebody@example.com",
    "timeZone": "Europe/Berlin",
    "roles": ["DISPATCHER"],
    "reason": "Because",
    "permissions": ["VIEW_CUSTOMERS"],
}


def roots(kind: str) -> dict[str, GraphQLField]:
    """The fields of a root type."""
    found = {"query": CORE.query_type, "mutation": CORE.mutation_type, "subscription": CORE.subscription_type}[kind]
    assert found is not None
    fields: dict[str, GraphQLField] = found.fields
    return fields


def named(type: Any) -> Any:
    """The type within lists and beneath the sign that it must not be missing."""
    return get_named_type(type)


def orders(field: GraphQLField) -> list[str]:
    """What a list can be sorted by."""
    return list(named(named(field.args["orderBy"].type).fields["field"].type).values)


def types() -> Iterator[Any]:
    """All types of ours."""
    return (one for one in CORE.type_map.values() if not one.name.startswith("__"))


def is_node(type: Any) -> bool:
    """Whether a type is read from rows."""
    return isinstance(type, GraphQLObjectType) and any(one.name == "Node" for one in type.interfaces)


def is_connection(type: Any) -> bool:
    """Whether a type is a page of rows."""
    return isinstance(type, GraphQLObjectType) and type.name.endswith("Connection") and "edges" in type.fields


def row_type(type: Any) -> GraphQLObjectType | None:
    """The type of the rows that a field of this type answers with, if it does."""
    named = get_named_type(type)
    if is_connection(named):
        named = get_named_type(named.fields["nodes"].type)
    return named if is_node(named) else None


def readable_types() -> dict[str, GraphQLObjectType]:
    """The types that are read from rows, by the prefix of their ids."""
    made = {prefix: CORE.get_type(one.name) for prefix, one in READABLE_BY_PREFIX.items()}
    return {prefix: one for prefix, one in made.items() if isinstance(one, GraphQLObjectType)}


def selection(type: Any, relations: int = 1) -> str:
    """All plain fields of a type, and those of the rows it points to, so many steps far."""
    if is_leaf_type(type):
        return ""
    if isinstance(type, GraphQLInterfaceType):
        return "{ __typename id }"
    if isinstance(type, GraphQLUnionType):
        return "{ __typename ... on Node { id } }"
    if is_connection(type):
        rows = selection(get_named_type(type.fields["nodes"].type), relations)
        page = "pageInfo { hasNextPage startCursor endCursor } edges { cursor }"
        return f"{{ totalCount {page} nodes {rows} {summaries(type) if relations else ''} }}"
    parts = ["__typename"]
    for name, field in type.fields.items():
        named = get_named_type(field.type)
        if any(is_required_argument(one) for one in field.args.values()):
            continue
        if row_type(named) is None:
            parts.append(f"{name} {selection(named, relations)}")
        elif relations:
            parts.append(f"{name}{'(first: 50)' if is_connection(named) else ''} {selection(named, relations - 1)}")
    return "{ " + " ".join(parts) + " }"


def summaries(connection: GraphQLObjectType) -> str:
    """Every facet and figure of a list, the facets with the ids of their rows."""
    parts = []
    if "facets" in connection.fields:
        asked = []
        for name, facet in named(connection.fields["facets"].type).fields.items():
            by_time = "timeZone" in facet.args
            values = "value startsAt endsAt count" if by_time else "value label count rows(first: 50) { nodes { id } }"
            asked.append(f"{name}{SPAN if by_time else ''} {{ otherCount values {{ {values} }} }}")
        parts.append(f"facets {{ {' '.join(asked)} }}")
    if "aggregate" in connection.fields:
        parts.append(f"aggregate {selection(named(connection.fields['aggregate'].type))}")
    return " ".join(parts)


def payload_selection(type: Any) -> str:
    """A mutation's answer: its plain fields, and every problem with its figures."""
    named = get_named_type(type)
    parts = [
        f"{name} {selection(get_named_type(field.type), 0)}" for name, field in named.fields.items() if name != "errors"
    ]
    return "{ " + " ".join([*parts, PROBLEM]) + " }"


def document(kind: str, name: str, arguments: dict[str, Any], chosen: str) -> str:
    """An operation with one root field, whose arguments are variables."""
    field = roots(kind)[name]
    declared = ", ".join(f"${one}: {field.args[one].type}" for one in arguments)
    passed = ", ".join(f"{one}: ${one}" for one in arguments)
    return f"{kind}{f' ({declared})' if declared else ''} {{ {name}{f'({passed})' if passed else ''} {chosen} }}"


def least(field: GraphQLField, choose: Choose) -> dict[str, Any]:
    """The arguments that a field cannot do without."""
    return {
        name: value_of(argument.type, (name,), choose)
        for name, argument in field.args.items()
        if is_required_argument(argument)
    }


def value_of(type: Any, path: tuple[str, ...], choose: Choose) -> Any:
    """A small valid value of an input type."""
    if isinstance(type, GraphQLNonNull):
        return value_of(type.of_type, path, choose)
    if isinstance(type, GraphQLList):
        return VALUES[path[-1]] if path[-1] in ("roles", "permissions") else [value_of(type.of_type, path, choose)]
    if isinstance(type, GraphQLInputObjectType):
        if type.is_one_of:
            name, field = next(iter(type.fields.items()))
            return {name: value_of(field.type, (*path, name), choose)}
        return {
            name: value_of(field.type, (*path, name), choose)
            for name, field in type.fields.items()
            if is_required_input_field(field)
        }
    if isinstance(type, GraphQLEnumType):
        return next(iter(type.values))
    if type.name == "ID":
        return choose(path)
    if path[-1] in VALUES and type.name in ("String", "DateTime"):
        return VALUES[path[-1]]
    return SCALARS[type.name]


def id_places(field: GraphQLField) -> list[tuple[str, ...]]:
    """Every place in a field's arguments where an id may stand, optional ones included."""
    return [place for name, argument in field.args.items() for place in _id_places(argument.type, (name,))]


def _id_places(type: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    named = get_named_type(type)
    if isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            if get_named_type(field.type) is not named:
                yield from _id_places(field.type, (*path, name))
    elif named.name == "ID":
        yield path


def with_id(field: GraphQLField, place: tuple[str, ...], id: str, choose: Choose) -> dict[str, Any]:
    """The least arguments, with an id put into one place."""
    made = least(field, choose)
    name, *inner = place
    made[name] = _put(field.args[name].type, made.get(name), tuple(inner), id, (name,), choose)
    return made


def input_places(field: GraphQLField) -> list[tuple[str, ...]]:
    """Every place in a mutation's input, optional ones included, one step deep into each list and object."""
    found: list[tuple[str, ...]] = []
    for name, argument in field.args.items():
        named = get_named_type(argument.type)
        if isinstance(named, GraphQLInputObjectType):
            found.extend((name, *rest) for rest in _input_places(named, 1))
    return found


def _input_places(type: GraphQLInputObjectType, steps: int) -> Iterator[tuple[str, ...]]:
    for name, field in type.fields.items():
        yield (name,)
        named = get_named_type(field.type)
        if steps and isinstance(named, GraphQLInputObjectType):
            yield from ((name, *rest) for rest in _input_places(named, steps - 1))


def with_value(field: GraphQLField, place: tuple[str, ...], choose: Choose) -> dict[str, Any]:
    """The least arguments, with a small valid value put into one place."""
    made = least(field, choose)
    name, *inner = place
    type = field.args[name].type
    for word in inner:
        type = get_named_type(type).fields[word].type
    value = value_of(type, place, choose)
    made[name] = _put(field.args[name].type, made.get(name), tuple(inner), value, (name,), choose, whole=True)
    return made


def _put(
    type: Any,
    value: Any,
    inner: tuple[str, ...],
    id: Any,
    path: tuple[str, ...],
    choose: Choose,
    *,
    whole: bool = False,
) -> Any:
    if whole and not inner:
        return id
    if isinstance(type, GraphQLNonNull):
        return _put(type.of_type, value, inner, id, path, choose, whole=whole)
    if isinstance(type, GraphQLList):
        return [_put(type.of_type, value[0] if value else None, inner, id, path, choose, whole=whole)]
    if not inner:
        return id
    name, *rest = inner
    made = dict(value) if value is not None else value_of(type, path, choose)
    if type.is_one_of:
        made = {one: given for one, given in made.items() if one == name}
    made[name] = _put(type.fields[name].type, made.get(name), tuple(rest), id, (*path, name), choose, whole=whole)
    return made


# What kind of thing an id in an input is about

_BY_NAME = {
    "accountManagerId": "usr",
    "appointmentId": "apt",
    "appointmentIds": "apt",
    "calendarId": "cal",
    "categoryId": "ecat",
    "conversationId": "conv",
    "customRoleIds": "role",
    "customerId": "cus",
    "equipmentId": "eq",
    "equipmentModelId": "emod",
    "managerId": "usr",
    "messageId": "msg",
    "methodId": "mfa",
    "modelId": "emod",
    "openedByUserId": "usr",
    "parentId": "",
    "personId": "usr",
    "runId": "run",
    "serviceTypeId": "svc",
    "siteId": "site",
    "skillId": "skill",
    "technicianId": "tech",
    "technicianIds": "tech",
    "territoryId": "ter",
    "territoryIds": "ter",
    "userId": "usr",
    "workOrderId": "wo",
    "workOrderIds": "wo",
}
# Operations whose name does not name what they are about.
_SUBJECTS = {
    "approveAccessRequest": "acr",
    "arrive": "apt",
    "commitPlan": "run",
    "confirmSlot": "hold",
    "dataExport": "exp",
    "dataImport": "imp",
    "createRole": "role",
    "deleteRole": "role",
    "depart": "apt",
    "discardPlan": "run",
    "equipmentItem": "eq",
    "holdSlot": "hold",
    "inviteUser": "usr",
    "insertUrgent": "run",
    "markCannotComplete": "wo",
    "pauseWork": "apt",
    "optimizeRoute": "run",
    "planAbsence": "run",
    "planDay": "run",
    "planDelay": "run",
    "releaseSlot": "hold",
    "requestDataExport": "dr",
    "requestErasure": "dr",
    "resetPassword": "usr",
    "resumeWork": "apt",
    "role": "role",
    "roleChanged": "role",
    "startTimer": "te",
    "startWork": "apt",
    "stopTimer": "te",
    "turnBack": "apt",
    "undoPlan": "run",
    "updateRole": "role",
}


def prefix_at(operation: str, place: tuple[str, ...]) -> str:
    """The kind of id that is wanted at a place of an operation's arguments. An unknown place fails: name it above."""
    word = place[-1]
    if word not in ("id", "ids"):
        return _BY_NAME[word] or _subject(operation)
    return _subject(operation)


def _subject(operation: str) -> str:
    if operation in _SUBJECTS:
        return _SUBJECTS[operation]
    name = operation.lower()
    fitting = [(len(type.name), prefix) for prefix, type in readable_types().items() if type.name.lower() in name]
    assert fitting, f"what is {operation} about?"
    return max(fitting)[1]
