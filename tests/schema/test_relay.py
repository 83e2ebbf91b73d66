"""What Relay and other clients take for granted: nodes, connections, one-of inputs, and scalars that say what they are."""

from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    build_schema,
    get_named_type,
    is_specified_scalar_type,
    print_schema,
)

from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from schema import kit
from schema.kit import ANYONE, Context, Maybe, about, execute, given, inputs, mutation, one_of, plain, plain_data
from schema.kit.execution import core_of
from tests.schema import documents
from tests.schema.asking import ask
from tests.schema.tenants import found

CORE = documents.CORE
PAGE_ARGUMENTS = {"first": "Int", "after": "String", "last": "Int", "before": "String"}


def shape(name: str) -> dict[str, str]:
    """The fields of a type, with their types."""
    type: Any = CORE.type_map[name]
    return {field: str(one.type) for field, one in type.fields.items()}


def nodes() -> list[str]:
    """The types that have a global id."""
    node = CORE.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    return sorted(one.name for one in CORE.get_possible_types(node))


# https://relay.dev/graphql/objectidentification.htm


def test_a_node_has_an_id_and_is_found_by_it() -> None:
    assert shape("Node") == {"id": "ID!"}
    fields = documents.roots("query")
    assert (str(fields["node"].type), {name: str(one.type) for name, one in fields["node"].args.items()}) == ("Node", {"id": "ID!"})  # fmt: skip
    assert (str(fields["nodes"].type), {name: str(one.type) for name, one in fields["nodes"].args.items()}) == ("[Node]!", {"ids": "[ID!]!"})  # fmt: skip
    assert [name for name in nodes() if shape(name)["id"] != "ID!"] == []
    assert set(nodes()) == {one.name for one in documents.readable_types().values()}


async def test_every_node_is_fetched_again_by_its_id_as_what_it_is(sqlite_database: Dialect) -> None:
    tenant = await found("a", 910_000)
    by_prefix = {prefix: type.name for prefix, type in documents.readable_types().items()}
    rows = [row for row in tenant.every_row if row.prefix in by_prefix]
    actor = tenant.actors[Role.ADMINISTRATOR]
    seen = set()
    for row in rows:
        answer = await ask(actor, "query($id: ID!) { node(id: $id) { __typename id } }", {"id": row.id})
        assert answer["data"] == {"node": {"__typename": by_prefix[row.prefix], "id": row.id}}
        seen.add(by_prefix[row.prefix])
    assert seen == set(nodes())
    ids = [row.id for row in rows[:50]]
    several = await ask(actor, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [*ids, "wo_nothing"]})
    assert several["data"]["nodes"] == [*({"id": id} for id in ids), None]


# https://relay.dev/graphql/connections.htm


def test_a_page_says_where_it_stands() -> None:
    assert shape("PageInfo") == {
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
        "startCursor": "String",
        "endCursor": "String",
    }


def test_every_connection_has_edges_with_cursors_and_the_same_rows_without() -> None:
    connections = [name for name in CORE.type_map if name.endswith("Connection")]
    assert len(connections) > 25
    for name in connections:
        row = name.removesuffix("Connection")
        fields = shape(name)
        assert fields["edges"] == f"[{row}Edge!]!"
        assert fields["pageInfo"] == "PageInfo!"
        assert fields["nodes"] == f"[{row}!]!"
        assert fields["totalCount"] == "Int!"
        assert shape(f"{row}Edge") == {"cursor": "String!", "node": f"{row}!"}


def test_whatever_answers_with_a_connection_takes_a_page() -> None:
    """All but the first rows beneath a facet's value, which go on in the list itself."""
    paged = 0
    for type in documents.types():
        for name, field in type.fields.items() if isinstance(type, GraphQLObjectType) else ():
            if documents.is_connection(get_named_type(field.type)) and not type.name.endswith("FacetValue"):
                taken = {one: str(field.args[one].type) for one in PAGE_ARGUMENTS}
                assert taken == PAGE_ARGUMENTS, (type.name, name)
                paged += 1
    assert paged > 40


# Scalars


def test_every_scalar_of_ours_names_a_specification() -> None:
    ours = {
        name: type.specified_by_url
        for name, type in CORE.type_map.items()
        if isinstance(type, GraphQLScalarType) and not is_specified_scalar_type(type)
    }
    assert set(ours) == {"DateTime", "Date", "Decimal", "Duration", "JSON"} & set(CORE.type_map)
    for name, url in ours.items():
        assert (url or "").startswith(("https://www.rfc-editor.org/rfc/", "https://www.w3.org/TR/")), name


async def test_introspection_tells_a_scalars_specification() -> None:
    answer = await ask(None, '{ __type(name: "Decimal") { specifiedByURL } }')
    assert answer["data"]["__type"] == {"specifiedByURL": "https://www.w3.org/TR/xmlschema11-2/#decimal"}


# Inputs


def test_what_is_null_unless_given_has_no_default() -> None:
    for type in documents.types():
        parts = list(type.fields.items()) if isinstance(type, GraphQLInputObjectType) else []
        if isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
            parts = [one for field in type.fields.values() for one in field.args.items()]
        assert [name for name, part in parts if part.default_value is None] == [], type.name


@one_of
class WantedInput:
    """Which one is meant."""

    id: Maybe[str] = about("By its id.")
    number: Maybe[str] = about("By its number.")


@plain
class Wanted:
    """What was asked for."""

    by: str = about("By what.")


@inputs
class ToldInput:
    """What is said."""

    by: str = about("By what.")


class Room:
    """One input of which exactly one field is given."""

    class Queries:
        """What clients may ask."""

        @kit.query("Says hello.", permission=ANYONE)
        async def one_of_hello() -> str:
            return "hello"

    class Mutations:
        """What clients may do."""

        @mutation(Wanted, "Tells what was given.", permission=ANYONE)
        async def want(input: WantedInput) -> Wanted:
            [(name, value)] = given(input).items()
            return Wanted(by=f"{name} {value}")

        @mutation(Wanted, "Tells what was said.", permission=ANYONE)
        async def tell(input: ToldInput) -> Wanted:
            return Wanted(by=input.by)


@pytest.mark.parametrize(
    ("sent", "by"),
    [
        ({"id": "a"}, "id a"),
        ({"number": "1"}, "number 1"),
        ({}, None),
        ({"id": "a", "number": "1"}, None),
        ({"id": None}, None),
    ],
)
async def test_of_a_one_of_input_exactly_one_field_is_given(sent: dict[str, Any], by: str | None) -> None:
    schema = kit.build_schema([Room])
    document = "mutation($input: WantInput!) { want(input: $input) { wanted { by } } }"
    answer: dict[str, Any] = plain_data(await execute(schema, document, {"input": sent}, None, Context(None)))
    if by is None:
        assert [one["extensions"]["code"] for one in answer["errors"]] == ["BAD_USER_INPUT"]
    else:
        assert answer["data"] == {"want": {"wanted": {"by": by}}}


async def test_a_one_of_input_says_so() -> None:
    schema = kit.build_schema([Room])
    text = print_schema(core_of(schema))
    assert '"""Which one is meant."""\ninput WantInput @oneOf {\n' in text
    read_back = build_schema(text).type_map["WantInput"]
    assert isinstance(read_back, GraphQLInputObjectType)
    assert read_back.is_one_of
    document = '{ one: __type(name: "WantInput") { isOneOf } no: __type(name: "TellInput") { isOneOf } }'
    answer: dict[str, Any] = plain_data(await execute(schema, document, {}, None, Context(None)))
    assert answer["data"] == {"one": {"isOneOf": True}, "no": {"isOneOf": False}}
