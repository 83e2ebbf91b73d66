"""What the schema holds, as its readers look for it: by room and kind, with who may use it and where it is used."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from dataclasses import field as made_by
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)

from app.kernel.errors import Problem
from app.kernel.permissions import ROLES, Permission, Role
from schema.kit.declarations import KitField
from schema.kit.operations import Access, OperationField
from schema.kit.problems import ALWAYS_POSSIBLE, PROBLEM_TYPES
from schema.kit.reading.selection import BACKREF

ROOMS = {
    "company": "Company",
    "identity": "People and access",
    "messaging": "Alerts, messages, notifications",
    "customers": "Customers",
    "technicians": "Technicians",
    "equipment": "Equipment",
    "work_orders": "Work orders",
    "scheduling": "Schedule and planning",
    "integrations": "Integrations",
    "search": "Search",
    "journal": "Changes",
    "kit": "Shared",
}
"""The rooms by the title that readers see; one that is not named here gets its own name as title."""

OPERATION_KINDS = ("query", "mutation", "subscription")
PARTS = ("connection", "payload", "filter", "order", "event", "figure")
"""Kinds of types that come with an operation, and are looked up from there."""

_ROOM = re.compile(r"(?:schema|app)\.(\w+)\b")
_PROBLEMS = re.compile(r"\s*Problems: [A-Z_, ]+\.\s*\Z")
_ENDINGS: dict[str, tuple[str, type[GraphQLNamedType]]] = {
    "Connection": ("connection", GraphQLObjectType),
    "Edge": ("connection", GraphQLObjectType),
    "Payload": ("payload", GraphQLObjectType),
    "Event": ("event", GraphQLObjectType),
    "Filter": ("filter", GraphQLInputObjectType),
    "Order": ("order", GraphQLInputObjectType),
    "OrderField": ("order", GraphQLEnumType),
    **dict.fromkeys(("Facets", "Facet", "FacetValue", "Aggregate", "Sum", "Average", "Extreme"), ("figure", GraphQLObjectType)),
}  # fmt: skip


@dataclass(slots=True)
class Entry:
    """Something with a page of its own."""

    kind: str
    name: str
    room: str
    description: str
    part: str = ""
    uses: list[tuple["Entry", str]] = made_by(default_factory=list)

    @property
    def path(self) -> str:
        """Where its page is, from the site's root."""
        return f"{self.kind}/{self.name}.html"

    @property
    def summary(self) -> str:
        """The first paragraph, in one line."""
        return " ".join(self.description.split("\n\n")[0].split())


@dataclass(slots=True)
class OperationEntry(Entry):
    """A root field."""

    _: KW_ONLY
    field: GraphQLField
    access: Access
    problems: tuple[type[Problem], ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that hold the permission it asks for; none where it asks for none."""
        return tuple(role for role in Role if isinstance(self.access, Permission) and self.access in ROLES[role])


@dataclass(slots=True)
class TypeEntry(Entry):
    """A named type."""

    _: KW_ONLY
    type: GraphQLNamedType


class Catalogue:
    """All operations and types of a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.operations = {kind: dict(self._operations(kind)) for kind in OPERATION_KINDS}
        self.types = {one.name: TypeEntry(_kind(one), one.name, "", one.description or "", _part(one), type=one)
                      for one in schema.type_map.values() if not one.name.startswith("__") and not self._is_root(one)}  # fmt: skip
        self._note_uses()
        self._give_rooms()

    @cached_property
    def entries(self) -> list[Entry]:
        """Everything, operations first."""
        return [*(one for kind in OPERATION_KINDS for one in self.operations[kind].values()), *self.types.values()]

    @cached_property
    def rooms(self) -> dict[str, str]:
        """The rooms that have something to show, with their titles, in reading order."""
        there = dict.fromkeys([*ROOMS, *sorted({one.room for one in self.entries})])
        used = {one.room for one in self.entries}
        return {room: ROOMS.get(room) or room.replace("_", " ").capitalize() for room in there if room in used}

    def problem(self, kind: type[Problem]) -> TypeEntry:
        """The type that clients get for a problem."""
        return next(self.types[PROBLEM_TYPES[one].__name__] for one in kind.__mro__ if one in PROBLEM_TYPES)

    def _is_root(self, type: GraphQLNamedType) -> bool:
        return type in (self.schema.query_type, self.schema.mutation_type, self.schema.subscription_type)

    def _operations(self, kind: str) -> Iterator[tuple[str, OperationEntry]]:
        root: GraphQLObjectType | None = getattr(self.schema, f"{kind}_type")
        for name, field in (root.fields if root is not None else {}).items():
            made = field.extensions[BACKREF]
            assert isinstance(made, OperationField) and made.operation is not None
            problems = (*ALWAYS_POSSIBLE, *made.operation.problems) if kind == "mutation" else ()
            yield name, OperationEntry(
                kind, name, _room_of(made.operation.module) or "kit", _PROBLEMS.sub("", field.description or ""),
                field=field, access=made.access, problems=tuple(dict.fromkeys(problems)),
            )  # fmt: skip

    def _note_uses(self) -> None:
        """Beneath every type, who answers with it, takes it or has it."""
        for entry in self.entries:
            for place, type in _references(entry):
                if type.name in self.types:
                    self.types[type.name].uses.append((entry, place))

    def _give_rooms(self) -> None:
        """A type stands in the room that wrote it; what the kit made of others', in the room that uses it first."""
        used_by: dict[str, list[TypeEntry]] = defaultdict(list)
        for one in self.types.values():
            one.room = _written_in(one.type)
            for user, _ in one.uses:
                used_by[user.path].append(one)
        reached = [one for one in self.entries if one.room]
        for entry in reached:
            for used in used_by[entry.path]:
                if not used.room:
                    used.room = entry.room
                    reached.append(used)
        for one in self.types.values():
            one.room = one.room or "kit"


def permission_of(field: GraphQLField) -> Permission | None:
    """The permission without which a field is null."""
    made = field.extensions.get(BACKREF)
    return made.declaration.permission if isinstance(made, KitField) and not isinstance(made, OperationField) else None


def _references(entry: Entry) -> Iterator[tuple[str, GraphQLNamedType]]:
    """The types that an entry names, with where."""
    if isinstance(entry, OperationEntry):
        yield "", get_named_type(entry.field.type)
        yield from (("", get_named_type(one.type)) for one in entry.field.args.values())
        return
    assert isinstance(entry, TypeEntry)
    type: Any = entry.type
    if isinstance(type, GraphQLUnionType):
        yield from (("", one) for one in type.types)
    if isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
        yield from (("", one) for one in type.interfaces)
    if isinstance(type, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        for name, field in type.fields.items():
            yield name, get_named_type(field.type)
            yield from ((name, get_named_type(one.type)) for one in getattr(field, "args", {}).values())


def _kind(type: GraphQLNamedType) -> str:
    kinds = {
        GraphQLObjectType: "type", GraphQLInterfaceType: "interface", GraphQLUnionType: "union",
        GraphQLInputObjectType: "input", GraphQLEnumType: "enum", GraphQLScalarType: "scalar",
    }  # fmt: skip
    return next(word for kind, word in kinds.items() if isinstance(type, kind))


def _part(type: GraphQLNamedType) -> str:
    fitting = (part for end, (part, kind) in _ENDINGS.items() if type.name.endswith(end) and isinstance(type, kind))
    return next(fitting, "")


def _room_of(module: str) -> str:
    found = _ROOM.match(module)
    return found[1] if found is not None and (found[1] in ROOMS or module.startswith("schema.")) else ""


def _written_in(type: GraphQLNamedType) -> str:
    """The room whose file a type stands in; nothing for what is made of other types."""
    if isinstance(type, GraphQLScalarType):
        return "kit"
    made: Any = type.extensions.get(BACKREF)
    origin = getattr(made, "origin", None) or getattr(made, "wrapped_cls", None)
    module = getattr(origin, "__module__", "")
    return "" if module in ("schema.kit.orders", "schema.kit.live.declaring") else _room_of(module)
