"""What a request may ask for, and how fast too much is refused."""

import time

import pytest
from graphql import OperationDefinitionNode, parse

from schema.kit import limits
from schema.kit.limits import BadRequest, TooExpensive, guard, read_body, request_of


def operation_of(document):
    return next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))


def judge(text, variables=None, **options):
    document = parse(text)
    return guard(document, operation_of(document), variables or {}, **{"may_introspect": True, **options})


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ viewer }", 0),
        ("{ viewer { id } }", 1),
        ("{ workOrders(first: 100) { nodes { id customer { id } site { id } } } }", 1 + 100 * (1 + 2)),
        ("{ workOrders { edges { node { id } } } }", 1 + 25 * (1 + 1)),
        ("{ workOrders(first: 10) { nodes { notes(last: 5) { nodes { id } } } } }", 1 + 10 * (1 + 1 + 5)),
        ("query($n: Int) { workOrders(first: $n) { nodes { id } } }", 1 + 40),
        ("query($n: Int = 90) { workOrders(first: $n) { nodes { id } } }", 1 + 40),
        ("query($other: Int = 90) { workOrders(first: $other) { nodes { id } } }", 1 + 90),
        ("query($ten: Int) { workOrders(first: $ten) { nodes { id } } }", 1 + 10),
        ("{ workOrders(first: 2) { ...F } } fragment F on C { nodes { id } }", 1 + 2),
        ('{ nodes(ids: ["a", "b", "c"]) { id customer { id } } }', 1 + 3 * 1),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id customer { id } } }", 1 + 2 * 1),
    ],
)
def test_cost_is_page_size_times_what_a_row_costs(text, cost):
    assert judge(text, {"n": 40, "ten": 10.0, "ids": ["a", "b"]}) == cost


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{" + "a{" * 20 + "b" + "}" * 20 + "}", "levels deep"),
        ("{" + " ".join(f"x{i}: a" for i in range(16)) + "}", "aliases"),
        ("{ a " + "@skip(if: false) " * 21 + "}", "directives"),
        ("{ a(first: 100) { nodes { b(first: 100) { nodes { c } } } } }", "points of cost"),
        ("{ __schema { types { name } } a: __schema { types { name } } b: __type { name } }", "at most 2 times"),
        ("subscription { a b }", "exactly one root field"),
        ("subscription { ...F } fragment F on S { a b }", "exactly one root field"),
    ],
)
def test_too_much_is_refused_and_says_of_what(text, what):
    with pytest.raises(TooExpensive, match=what):
        judge(text)


def test_only_one_sign_in_stands_in_a_request_however_it_is_hidden():
    once = frozenset({"logIn"})
    assert judge("mutation { logIn }", once=once) == 0
    for text in (
        "mutation { a: logIn b: logIn }",
        "mutation { ...A ...B } fragment A on M { logIn } fragment B on M { x: logIn }",
        "mutation { logIn ... { y: logIn } }",
    ):
        with pytest.raises(TooExpensive, match="One sign-in"):
            judge(text, once=once)


def test_the_schema_is_not_told_to_those_who_may_not_ask():
    for text in ("{ __schema { types { name } } }", '{ ...F } fragment F on Q { __type(name: "Q") { name } }'):
        with pytest.raises(TooExpensive, match="schema may not be asked"):
            judge(text, may_introspect=False)
    assert judge("{ __typename }", may_introspect=False) == 0


@pytest.mark.parametrize("count", [20, 45, 200])
def test_fragments_that_double_at_every_step_are_refused_at_once(count):
    bomb = "query { ...F0 } " + " ".join(
        f"fragment F{index} on Q {{ a {{ ...F{index + 1} }} b: c {{ ...F{index + 1} }} }}" for index in range(count)
    )
    bomb += f" fragment F{count} on Q {{ x }}"
    document = parse(bomb)
    started = time.process_time()
    with pytest.raises(TooExpensive):
        guard(document, operation_of(document), {}, may_introspect=True)
    assert time.process_time() - started < 1  # without memory 2^20 steps alone take seconds


@pytest.mark.parametrize("count", [200, 1000])
def test_a_long_chain_of_fragments_is_refused_before_the_stack_ends(count):
    chain = "{ ...F0 } " + " ".join(f"fragment F{one} on Q {{ ...F{one + 1} }}" for one in range(count))
    with pytest.raises(TooExpensive, match="deep"):
        judge(chain + f" fragment F{count} on Q {{ x }}")


def test_a_circle_of_fragments_ends():
    assert judge("{ ...A } fragment A on Q { ...B } fragment B on Q { a ...A }") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"{",
        b'{"query": "\xff"}',
        b'{"query": "a\x00"}',
        b'{"query": "a\\u0000"}',
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"query": "{a}", "variables": {"n": ' + b"9" * 5000 + b"}}",
        b'{"a": NaN}',
    ],
)
def test_a_body_that_is_no_json_object_is_a_bad_request(body):
    with pytest.raises(BadRequest) as refusal:
        read_body(body)
    assert refusal.value.status == 400


def test_an_escaped_backslash_before_u0000_is_no_nul():
    assert read_body(b'{"query": "\\\\u0000"}') == {"query": "\\u0000"}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": 7},
        {"query": None},
        {"query": "{a}", "variables": []},
        {"query": "{a}", "variables": "x"},
        {"query": "{a}", "operationName": 1},
        {"query": "{a}", "extensions": []},
    ],
)
def test_parameters_of_the_wrong_kind_are_a_bad_request(parameters):
    with pytest.raises(BadRequest):
        request_of(parameters)


def test_a_document_that_is_too_large_is_refused_before_it_is_parsed():
    with pytest.raises(BadRequest) as refusal:
        request_of({"query": "#" * (limits.DOCUMENT_BYTES_MAX + 1)})
    assert refusal.value.status == 413


def test_a_document_that_comes_again_is_measured_by_its_new_page_sizes():
    text = "query($n: Int, $m: Int) { a(first: $n) { nodes { b(last: $m) { nodes { c } } } } }"
    document = parse(text)
    operation = operation_of(document)
    known = limits.Measures()
    for first, last in ((1, 1), (10, 2), (1, 1), (None, 3), (10, 2)):
        fresh = guard(document, operation, {"n": first, "m": last}, may_introspect=True)
        assert guard(document, operation, {"n": first, "m": last}, may_introspect=True, known=known) == fresh
    with pytest.raises(TooExpensive):
        guard(document, operation, {"n": 100, "m": 100}, may_introspect=True, known=known)
