"""What all rooms' types and operations are made of. Rooms import from here."""

from strawberry import ID, Maybe, Private, Some
from strawberry.scalars import JSON

from schema.kit.areas import AreaInput, BoxInput, RadiusInput, holds, require_box, within
from schema.kit.building import build_schema
from schema.kit.connections import Connection, Edge, PageInfo
from schema.kit.context import Context
from schema.kit.declarations import (
    Node,
    about,
    arg,
    children,
    col,
    computed,
    differences,
    either,
    extends,
    given,
    group,
    inputs,
    link,
    one_of,
    parent,
    plain,
    readable,
    secret,
    single,
    sql_value,
)
from schema.kit.deprecations import deprecated
from schema.kit.enums import describe_enum
from schema.kit.execution import encode, execute, plain_data
from schema.kit.filters import by, by_children, by_parent, by_search, extends_filter, filterable
from schema.kit.live import changed, heard, watched
from schema.kit.operations import ANYONE, OPEN_WHILE_ENROLLING, OPERATIONS, SIGNED_IN, found, many, mutation, one, query
from schema.kit.operators import (
    BooleanFilter,
    DateFilter,
    DateTimeFilter,
    DecimalFilter,
    EnumFilter,
    FloatFilter,
    IdFilter,
    IntFilter,
    StringFilter,
    contains,
)
from schema.kit.orders import from_parent, of_column, orderable, ranked
from schema.kit.problems import Problem
from schema.kit.reading import read_many, read_one
from schema.kit.spans import TimeRangeInput, overlaps
from schema.kit.values import count_of, exists_in, sum_of

__all__ = [
    "ANYONE",
    "ID",
    "JSON",
    "OPEN_WHILE_ENROLLING",
    "OPERATIONS",
    "SIGNED_IN",
    "AreaInput",
    "BooleanFilter",
    "BoxInput",
    "Connection",
    "Context",
    "DateFilter",
    "DateTimeFilter",
    "DecimalFilter",
    "Edge",
    "EnumFilter",
    "FloatFilter",
    "IdFilter",
    "IntFilter",
    "Maybe",
    "Node",
    "PageInfo",
    "Private",
    "Problem",
    "RadiusInput",
    "Some",
    "StringFilter",
    "TimeRangeInput",
    "about",
    "arg",
    "build_schema",
    "by",
    "by_children",
    "by_parent",
    "by_search",
    "changed",
    "children",
    "col",
    "computed",
    "contains",
    "count_of",
    "deprecated",
    "describe_enum",
    "differences",
    "either",
    "encode",
    "execute",
    "exists_in",
    "extends",
    "extends_filter",
    "filterable",
    "found",
    "from_parent",
    "given",
    "group",
    "heard",
    "holds",
    "inputs",
    "link",
    "many",
    "mutation",
    "of_column",
    "one",
    "one_of",
    "orderable",
    "overlaps",
    "parent",
    "plain",
    "plain_data",
    "query",
    "ranked",
    "read_many",
    "read_one",
    "readable",
    "require_box",
    "secret",
    "single",
    "sql_value",
    "sum_of",
    "watched",
    "within",
]
