"""What the API looks like from outside: everything described, mutations of one form, and nothing that helps to guess."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_introspection_query,
    get_named_type,
    print_schema,
    validate_schema,
)

from app.kernel import errors
from app.kernel.errors import Problem
from app.kernel.permissions import Role
from schema import kit
from schema.kit import OPERATIONS
from schema.kit.execution import core_of
from schema.kit.problems import ALWAYS_POSSIBLE, PROBLEM_TYPES
from schema.schema import ROOMS, api, sdl
from tests.schema import documents
from tests.schema.asking import ask

CLIENT = re.compile(r"[a-z][a-zA-Z0-9]*")
TYPE = re.compile(r"[A-Z][a-zA-Z0-9]*")
WORD = re.compile(r"[A-Z][A-Z0-9_]*")


def described(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Everything of ours that has a name, and what is said about it."""
    for type in schema.type_map.values():
        if type.name.startswith("__"):
            continue
        yield type.name, type.description
        if isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type.fields.items():
                yield f"{type.name}.{name}", field.description
                for argument, definition in field.args.items():
                    yield f"{type.name}.{name}({argument})", definition.description
        elif isinstance(type, GraphQLInputObjectType | GraphQLEnumType):
            parts: dict[str, Any] = type.fields if isinstance(type, GraphQLInputObjectType) else type.values
            for name, part in parts.items():
                yield f"{type.name}.{name}", part.description


def test_the_schema_is_valid() -> None:
    assert validate_schema(documents.CORE) == []


def test_everything_has_a_description() -> None:
    assert [name for name, said in described(documents.CORE) if not (said or "").strip()] == []


def test_what_has_no_description_is_noticed() -> None:
    bare = build_schema('"Asked." type Query { "Said." a("Which." x: Int, y: Int): B } "B." enum B { "C." C D }')
    ours = [name for name, said in described(bare) if not said and name.split(".")[0] in ("Query", "B")]
    assert ours == ["Query.a(y)", "B.D"]


def test_names_are_written_alike() -> None:
    wrong = []
    for type in documents.types():
        if not TYPE.fullmatch(type.name):
            wrong.append(type.name)
        names = type.values if isinstance(type, GraphQLEnumType) else getattr(type, "fields", {})
        shape = WORD if isinstance(type, GraphQLEnumType) else CLIENT
        wrong.extend(f"{type.name}.{name}" for name in names if not shape.fullmatch(name))
    assert wrong == []


def test_every_mutation_takes_one_input_or_nothing_and_answers_with_its_problems_and_a_cursor() -> None:
    problem = documents.CORE.get_type("Problem")
    for name, field in documents.roots("mutation").items():
        assert list(field.args) in ([], ["input"]), name
        for argument in field.args.values():
            assert isinstance(argument.type, GraphQLNonNull), name
            assert isinstance(argument.type.of_type, GraphQLInputObjectType), name
        payload = documents.named(field.type)
        assert payload.name == f"{name[0].upper()}{name[1:]}Payload"
        assert len(payload.fields) == 3, name
        [result] = [one for one in payload.fields if one not in ("errors", "cursor")]
        assert not isinstance(payload.fields[result].type, GraphQLNonNull), name
        assert str(payload.fields["errors"].type) == "[Problem!]!", name
        assert get_named_type(payload.fields["errors"].type) is problem, name
        assert str(payload.fields["cursor"].type) == "String", name


def test_every_mutation_names_exactly_the_codes_of_the_problems_it_declares() -> None:
    known = {one.code for one in subclasses(Problem)}
    for name, field in documents.roots("mutation").items():
        said = (field.description or "").rpartition("Problems: ")[2].rstrip(".").split(", ")
        declared = {one.code for one in (*ALWAYS_POSSIBLE, *OPERATIONS["mutation", name].problems)}
        assert set(said) == declared, name
        assert said == sorted(said), name
        assert declared <= known, name


def test_every_problem_has_a_type_that_clients_can_tell_apart() -> None:
    for one in subclasses(Problem):
        assert any(parent in PROBLEM_TYPES for parent in one.__mro__), one
    shown = documents.CORE.get_type("Problem")
    assert isinstance(shown, GraphQLInterfaceType)
    names = {one.name for one in documents.CORE.get_possible_types(shown)}
    assert names == {one.__name__ for one in PROBLEM_TYPES}


def subclasses(kind: type[Problem]) -> Iterator[type[Problem]]:
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
        yield from subclasses(one)


def test_every_list_can_be_paged_and_every_single_row_may_be_missing() -> None:
    for name, field in documents.roots("query").items():
        named = get_named_type(field.type)
        if documents.is_connection(named):
            assert {"first", "after", "last", "before", "orderBy"} <= set(field.args), name
        elif documents.is_node(named):
            assert not isinstance(field.type, GraphQLNonNull), name


def test_no_secret_can_be_read() -> None:
    secret = re.compile(r"hash|password(?!Changed)|secret|token", re.IGNORECASE)
    issued = {
        "FactorChallenge.token",
        "MfaEnrollment.secret",
        "IssuedApiKey.secret",
        "SharedVisit.token",
        "SignedIn.accessToken",
        "SignedIn.refreshToken",
    }
    found = {
        f"{type.name}.{name}"
        for type in documents.types()
        if isinstance(type, GraphQLObjectType) and type.name not in ("Mutation", "Query", "Subscription")
        for name, field in type.fields.items()
        if secret.search(name) and get_named_type(field.type).name == "String"
    }
    assert found == issued


@pytest.mark.parametrize(
    "document",
    [
        "{ organizatio { id } }",
        "{ organization { nam } }",
        "{ workOrders(firs: 1) { totalCount } }",
        "{ workOrders(filter: {statu: {eq: TRIAGED}}) { totalCount } }",
        "{ workOrders(filter: {status: {eq: TRIAGE}}) { totalCount } }",
        '{ node(id: "x") { ... on WorkOrdr { id } } }',
        "mutation { createWorkOrdr { cursor } }",
        "mutation ($input: CreateWorkOrdrInput!) { createWorkOrder(input: $input) { cursor } }",
        "{ organization @skipp(if: true) { id } }",
    ],
)
async def test_a_misspelled_name_is_refused_without_a_suggestion(document: str) -> None:
    answer = await ask(None, document)
    assert "data" not in answer
    assert answer["errors"]
    assert not any("did you mean" in one["message"].lower() for one in answer["errors"])


@pytest.mark.parametrize(
    "wrong",
    [{"customerI": "cus_x"}, {"customerId": 1.5, "siteId": [], "summary": {}}, {"priority": "HIG"}, "text", None, []],
)
async def test_a_misspelled_input_is_refused_without_a_suggestion(wrong: Any) -> None:
    document = "mutation ($input: CreateWorkOrderInput!) { createWorkOrder(input: $input) { cursor } }"
    answer = await ask(None, document, {"input": wrong})
    assert {one["extensions"]["code"] for one in answer["errors"]} == {"BAD_USER_INPUT"}
    assert not any("did you mean" in one["message"].lower() for one in answer["errors"])


async def test_introspection_tells_the_whole_schema() -> None:
    answer = await ask(None, get_introspection_query(descriptions=True, input_value_deprecation=True))
    assert "errors" not in answer
    told = {one["name"]: one for one in answer["data"]["__schema"]["types"]}
    assert set(told) == set(documents.CORE.type_map)
    assert {one["name"] for one in told["Mutation"]["fields"]} == set(documents.roots("mutation"))
    assert {one["name"] for one in told["Role"]["enumValues"]} == set(Role)


def test_the_schema_is_built_to_the_same_text_again() -> None:
    again = kit.build_schema(ROOMS)
    assert print_schema(core_of(again)) + "\n" == sdl()
    assert core_of(again) is not core_of(api)


def test_the_text_of_the_schema_can_be_read_back() -> None:
    assert print_schema(build_schema(sdl())) + "\n" == sdl()
