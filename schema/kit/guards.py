"""Who may not read something may not filter, sort or search by it either: that would tell it.

What types ask of their readers is carried over to all filters and orders, those that reach through relations included.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema

from app.infrastructure.search import SEARCHED
from app.infrastructure.tables import IdentifiedTable
from app.kernel.permissions import Permission
from schema.kit.declarations import Children, Column, Declaration, Either, Group, Many, Parent, readable_of
from schema.kit.filters import FilterSpec, spec_of
from schema.kit.orders import Order
from schema.kit.reading.selection import BACKREF, field_declaration


@dataclass(slots=True)
class Guard:
    """What rows of a model, and some of their columns, ask of their readers."""

    permission: Permission | None
    columns: dict[str, Permission] = field(default_factory=dict)


def guard_lists(schema: GraphQLSchema) -> None:
    """Hold every filter and order of a schema to what its types ask."""
    guards = _guards(schema)
    filters, orders = _lists(schema)
    for spec in filters:
        guard = guards.get(spec.model)
        if guard is None:
            raise TypeError(f"{spec.name} narrows {spec.model.__name__}, which no type shows: so nobody may ask by it")
        spec.permission = guard.permission
        for column, permission in guard.columns.items():
            spec.protect(column, permission)
    for order in orders:
        for model, guard in guards.items():
            order.protect_parents(model, guard.permission, guard.columns)
            for column, permission in guard.columns.items() if model is order.model else ():
                order.protect(column, permission)
    for model, searched in SEARCHED.items():
        known = {name for names in searched.columns.values() for name in names}
        lent = {(one.model, name) for one in searched.borrows for name in one.columns}
        for owner, name in lent | {(model, name) for name in known}:
            if owner in guards and name in guards[owner].columns:
                raise TypeError(f"{name} of {owner.__name__} is searched for all, and only some may read it")


def _guards(schema: GraphQLSchema) -> dict[type[IdentifiedTable], Guard]:
    """What the types of a schema ask for each model."""
    guards: dict[type[IdentifiedTable], Guard] = {}
    for shown in schema.type_map.values():
        origin: Any = getattr(shown.extensions.get(BACKREF), "origin", None)  # a union has none
        if not isinstance(shown, GraphQLObjectType) or not hasattr(origin, "__readable__"):
            continue
        readable = readable_of(origin)
        guard = guards.setdefault(readable.model, Guard(readable.permission))
        for one in shown.fields.values():
            declaration = field_declaration(one)
            if declaration is not None and declaration.permission is not None:
                guard.columns.update(dict.fromkeys(_columns(declaration), declaration.permission))
    return guards


def _columns(declaration: Declaration) -> list[str]:
    """The columns that a field shows."""
    if isinstance(declaration, Column):
        return [declaration.column]
    if isinstance(declaration, Parent | Either):
        return [declaration.via]
    return list(declaration.columns.values()) if isinstance(declaration, Group) else []


def _lists(schema: GraphQLSchema) -> tuple[list[FilterSpec], list[Order]]:
    """All filters that can be asked by, and all orders."""
    filters: dict[int, FilterSpec] = {}
    orders: dict[int, Order] = {}
    for declaration in _declarations(schema):
        if declaration.order is not None:
            orders[id(declaration.order)] = declaration.order
        waiting = [spec_of(declaration.filter)] if declaration.filter is not None else []
        while waiting:
            spec = waiting.pop()
            if id(spec) not in filters:
                filters[id(spec)] = spec
                waiting.extend(relation.target for relation in spec.relations())
    return list(filters.values()), list(orders.values())


def _declarations(schema: GraphQLSchema) -> Iterator[Children | Many]:
    for shown in schema.type_map.values():
        for one in shown.fields.values() if isinstance(shown, GraphQLObjectType) else ():
            declaration = field_declaration(one)
            if isinstance(declaration, Children | Many):
                yield declaration
