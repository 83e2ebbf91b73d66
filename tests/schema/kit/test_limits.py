"""What a request may ask for, and how fast too much is refused."""

import time

import pytest
from graphql import OperationDefinitionNode, build_schema, get_introspection_query, parse

from schema.kit import limits, operators, weighing
from schema.kit.execution import core_of
from schema.kit.limits import BadRequest, guard, read_body, request_of
from schema.kit.measuring import Measures, TooExpensive
from schema.kit.statuses import Outcome
from schema.schema import api


def operation_of(document):
    return next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))


def judge(text, variables=None, schema=None, **options):
    document = parse(text)
    return guard(
        Measures(document, schema), operation_of(document), variables or {}, **{"may_introspect": True, **options}
    )


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ viewer }", 0),
        ("{ viewer { id } }", 1),
        ("{ workOrders(first: 100) { nodes { id customer { id } site { id } } } }", 1 + 100 * (1 + 2)),
        ("{ workOrders { edges { cursor node { id } } } }", 1 + 25 * 1),
        ("{ workOrders(first: 9) { nodes { id } edges { node { id } } pageInfo { endCursor } } }", 1 + 9 * 2 + 1),
        ("{ workOrders(first: 9) { pageInfo { endCursor } } }", 1 + 1),
        ("{ workOrders { totalCount } }", 1 + 10),
        ("{ workOrders { aggregate { count } } }", 1 + 10 + 1),
        ("{ workOrders { facets { status { values { count } } } } }", 1 + 1 + 1 + 25 * 1),
        ("{ workOrders { facets { customer(first: 5) { values { count } otherCount } } } }", 1 + 1 + 1 + 5 * 1 + 10),
        (
            "{ workOrders { facets { status { values { rows(first: 20) { nodes { customer { id } } } } } } } }",
            1 + 1 + 1 + 25 * (1 + 1 + 20 * 2),
        ),
        ("{ workOrders(first: 10) { nodes { notes(last: 5) { nodes { id } } } } }", 1 + 10 * (1 + 1 + 5)),
        ("query($n: Int) { workOrders(first: $n) { nodes { id } } }", 1 + 40),
        ("query($n: Int = 90) { workOrders(first: $n) { nodes { id } } }", 1 + 40),
        ("query($other: Int = 90) { workOrders(first: $other) { nodes { id } } }", 1 + 90),
        ("query($ten: Int) { workOrders(first: $ten) { nodes { id } } }", 1 + 10),
        ("{ workOrders(first: 2) { ...F } } fragment F on C { nodes { id } }", 1 + 2),
        ('{ nodes(ids: ["a", "b", "c"]) { id customer { id } } }', 3 * 2),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id customer { id } } }", 2 * 2),
        ('{ node(id: "a") { id } }', 1),
        ("mutation { a { b { id } } c: a { b { id } } }", 2 * (10 + 2)),
        ("{ __schema { types { name fields { name } } } }", 1000),
    ],
)
def test_cost_is_page_size_times_what_a_row_costs(text, cost):
    assert judge(text, {"n": 40, "ten": 10.0, "ids": ["a", "b"]}).cost == cost


def test_a_facet_of_an_enum_counts_all_its_values_and_no_more():
    text = "{ workOrders { facets { status { values { count rows(first: 2) { nodes { id } } } } } } }"
    statuses = len(core_of(api).get_type("WorkOrderStatus").values)
    assert judge(text, schema=core_of(api)).cost == 3 + statuses * (1 + 1 + 2)
    by_text = text.replace("status", "category")
    assert judge(by_text, schema=core_of(api)).cost == 3 + 25 * (1 + 1 + 2)


def test_a_list_without_pages_counts_as_some_rows():
    schema = build_schema(
        "type Query { one: Row rows: [Row!]! texts: [String] } "
        "type Row implements Named { id: ID inner: [Row] errors: [Problem!]! } interface Named { inner: [Row] } "
        "type Problem { code: String }"
    )
    assert judge("{ one { id } }", schema=schema).cost == 1
    assert judge("{ texts }", schema=schema).cost == 0
    assert judge("{ rows { id } }", schema=schema).cost == 4
    assert judge("{ one { inner { inner { id } } } }", schema=schema).cost == 1 + 4 * (1 + 4)
    assert judge("{ one { ...F } } fragment F on Named { inner { id } }", schema=schema).cost == 1 + 4
    assert judge("{ one { ... on Named { inner { id } } ... { inner { id } } } }", schema=schema).cost == 1 + 4 + 4
    assert judge("{ one { errors { code } } }", schema=schema).cost == 1  # is empty when all goes well
    assert judge("{ nothing { rows { id } } }", schema=schema).cost == 2  # what is unknown fails in validation


FILTERED = build_schema(
    """
    type Query { jobs(first: Int, filter: JobFilter): Jobs  search(text: String!): Jobs }
    type Jobs { nodes: [Job!]! totalCount: Int! }
    type Job { id: ID  notes(first: Int, filter: NoteFilter): Notes }
    type Notes { nodes: [Note!]! }  type Note { id: ID }
    input StringFilter { eq: String in: [String!] contains: String equalsFold: String startsWith: String endsWith: String }
    input JobFilter { and: [JobFilter!] or: [JobFilter!] not: JobFilter
      title: StringFilter search: String customer: CustomerFilter notes: NoteListFilter }
    input CustomerFilter { and: [CustomerFilter!] or: [CustomerFilter!] not: CustomerFilter name: StringFilter }
    input NoteFilter { and: [NoteFilter!] or: [NoteFilter!] not: NoteFilter text: StringFilter }
    input NoteListFilter { some: NoteFilter none: NoteFilter every: NoteFilter }
    """
)
CONDITIONS = [
    ('{title: {eq: "a", in: ["b"]}}', {"title": {"eq": "a", "in": ["b"]}}, 0),
    ('{title: {contains: "a"}}', {"title": {"contains": "a"}}, 1),
    ('{title: {contains: null}, search: null, customer: null}', {"title": {"contains": None}, "search": None, "customer": None}, 0),
    ('{title: {equalsFold: "a", startsWith: "b", endsWith: "c"}}', {"title": {"equalsFold": "a", "startsWith": "b", "endsWith": "c"}}, 3),
    ('{search: "a"}', {"search": "a"}, 1),
    ('{customer: {name: {eq: "a"}}}', {"customer": {"name": {"eq": "a"}}}, 1),
    ('{customer: {not: {name: {contains: "a"}}}}', {"customer": {"not": {"name": {"contains": "a"}}}}, 2),
    ('{notes: {some: {}, none: {text: {eq: "a"}}, every: {}}}', {"notes": {"some": {}, "none": {"text": {"eq": "a"}}, "every": {}}}, 3),
    ('{or: [{search: "a"}, {and: {search: "b"}}]}', {"or": [{"search": "a"}, {"and": {"search": "b"}}]}, 2),
    ('{nothing: {contains: "a"}, title: 1, notes: [1]}', {"nothing": {"contains": "a"}, "title": 1, "notes": [1]}, 0),
    ('1', 1, 0),
]  # fmt: skip


@pytest.mark.parametrize(("literal", "value", "conditions"), CONDITIONS)
def test_each_relation_and_text_test_of_a_filter_costs_the_same_written_or_as_a_variable(literal, value, conditions):
    page = 1 + 9
    assert (
        judge(f"{{ jobs(first: 9, filter: {literal}) {{ nodes {{ id }} }} }}", schema=FILTERED).cost
        == page + 5 * conditions
    )
    by_variable = "query($f: JobFilter%s) { jobs(first: 9, filter: $f) { nodes { id } } }"
    assert judge(by_variable % "", {"f": value}, schema=FILTERED).cost == page + 5 * conditions
    in_a_list = 'query($f: JobFilter) { jobs(first: 9, filter: {or: [{search: "a"}, $f, $f]}) { nodes { id } } }'
    assert judge(in_a_list, {"f": value}, schema=FILTERED).cost == page + 5 * (1 + 2 * conditions)
    if isinstance(value, dict):
        by_default = judge(by_variable % f" = {literal}", schema=FILTERED)
        assert by_default.cost == page + 5 * conditions
        assert by_default.actual({"jobs": 0}) == 1 + 5 * conditions  # asked of rows that turn out not to be there


def test_a_filter_of_a_list_below_costs_as_often_as_there_are_rows():
    text = '{ jobs(first: 9) { nodes { notes(first: 2, filter: {text: {contains: "a"}}) { nodes { id } } } } }'
    assert judge(text, schema=FILTERED).cost == 1 + 9 * (1 + 1 + 5 + 2)


def test_a_search_costs_a_look_at_all_rows():
    assert judge('{ search(text: "a") { nodes { id } } }', schema=FILTERED).cost == 1 + 10 + 25


def test_a_document_that_comes_again_is_measured_by_what_its_new_filter_weighs():
    document = parse('query($f: JobFilter = {search: "a"}) { jobs(first: 9, filter: $f) { nodes { id } } }')
    known = Measures(document, FILTERED)
    for variables, conditions in (
        ({}, 1),
        ({"f": {}}, 0),
        ({"f": {"or": [{"search": "a"}] * 3}}, 3),
        ({"f": None}, 0),
        ({}, 1),
    ):
        assert guard(known, operation_of(document), variables, may_introspect=True).cost == 10 + 5 * conditions
    with pytest.raises(TooExpensive, match="points of cost"):
        guard(known, operation_of(document), {"f": {"or": [{"search": "a"}] * 1000}}, may_introspect=True)


def test_filters_that_are_deep_or_everywhere_are_weighed_at_once():
    deep: dict = {"search": "a"}
    for _ in range(400):
        deep = {"and": [{"not": deep}]}
    many = {"or": [{"title": {"eq": "a"}}] * 3000}
    text = "query($f: JobFilter) { " + "jobs(first: 1, filter: $f) { nodes { id } } " * 20 + "}"
    started = time.process_time()
    assert judge(text, {"f": deep}, schema=FILTERED).cost == 20 * (2 + 5)
    assert judge(text, {"f": many}, schema=FILTERED).cost == 20 * 2
    assert time.process_time() - started < 1


def test_every_filter_and_text_test_of_the_api_is_weighed():
    core = core_of(api)
    tests = core.get_type("StringFilter").fields.keys() & weighing.TEXT_TESTS
    assert tests == operators._TEXT_TESTS.keys()
    work_orders = core.get_type("WorkOrderFilter")
    given = {
        "search": "a",
        "customer": {"name": {"contains": "a"}},
        "appointments": {"some": {}},
        "number": {"eq": "1"},
    }
    assert weighing.weight(work_orders, given) == 4 * weighing.CONDITION_COST


def test_what_was_read_is_the_cost_afterwards():
    measure = judge(
        "{ a(first: 50) { totalCount nodes { id b { id } } } x: c(first: 10) { nodes { id } } d { id } ...F } "
        "fragment F on Q { e(first: 3) { nodes { f(first: 9) { nodes { id } } } } }"
    )
    assert measure.cost == (1 + 10 + 50 * 2) + (1 + 10) + 1 + (1 + 3 * (1 + 1 + 9))
    assert measure.actual({}) == measure.cost
    assert measure.actual({"a": 7, "x": 0, "d": 0}) == (1 + 10 + 7 * 2) + 1 + 1 + (1 + 3 * 11)
    assert measure.actual({"a": 50, "e": 1, "f": 0, "x": 99}) == measure.cost - 2 * 11


def objects(depth):
    return "{" + "a{" * depth + "b" + "}" * depth + "}"


def pages(depth):
    return "{" + "a(first: 1) { edges { cursor node {" * depth + "b" + "}}}" * depth + "}"


def test_depth_is_counted_in_objects():
    assert judge(objects(10)).depth == 10
    assert judge(pages(10)).depth == 10
    assert judge("{ a { nodes { b { ...F } } } } fragment F on X { c { d { e } } }").depth == 4
    assert judge("{ __schema " + objects(15) + " }").depth == 0  # graphql-core bounds what matters there


BUSY = " ".join(f"fragment F{one} on Q {{ a }}" for one in range(51))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (objects(11), "11 levels deep; at most 10"),
        (pages(11), "11 levels deep"),
        ("{" + " ".join(f"x{i}: a" for i in range(16)) + "}", "16 aliases; at most 15"),
        ("{ ...F ...G } fragment F on Q {" + " ".join(f"x{i}: a" for i in range(8)) + "} fragment G on Q { ...F }", "16 aliases"),
        ("{ __schema { " + " ".join(f"x{i}: types {{ name }}" for i in range(16)) + " } }", "16 aliases"),
        ("{ " + "a @skip(if: false) " * 21 + "}", "21 directives; at most 20"),
        ("query " + "@x " * 5 + "{ a }", "5 directives on one field; at most 4"),
        ("{ a " + "@skip(if: false) " * 5 + "}", "5 directives on one field"),
        ("{ ...F @a @a @a @a @a } fragment F on Q { a }", "5 directives on one field"),
        ("{ ...F } fragment F on Q @a @a @a @a @a { a }", "5 directives on one field"),
        ("{ ... @a @a @a @a @a { a } }", "5 directives on one field"),
        ("{" + " ".join(f"a{i}" for i in range(401)) + "}", "401 fields and fragments; at most 400"),
        ("{ __schema {" + " ".join(f"a{i}" for i in range(400)) + "} }", "401 fields and fragments"),
        ("{ " + "... { a } " * 201 + " }", "402 fields and fragments"),
        ("{" + "a " * 21 + "}", "a stands 21 times at one place; at most 20"),
        ("{" + "x: a { b } " * 7 + "x: a { b b b } " * 7 + "}", "28 times|14 aliases|at one place"),
        ("{ " + "a { b b b } " * 7 + "}", "b stands 21 times"),
        ("{ ...F " + "a { b } " * 11 + "} fragment F on Q {" + " ... { a { b } } " * 10 + "}", "a stands 21 times"),
        (" ".join(f"query Q{i} {{ a }}" for i in range(11)), "11 operations; at most 10"),
        ("{ a } " + BUSY, "51 fragments; at most 50"),
        ("{ a } query Other " + objects(11), "levels deep"),  # it is validated with the other one
        ("{ a } fragment Unused on Q " + objects(11), "levels deep"),
        ("{ a } fragment Unused on Q { " + "a " * 21 + "}", "21 times"),
        ("{ ...A } fragment A on Q { ...B } fragment B on Q { a ...A }", "fragment A contains itself"),
        ("{ a } fragment A on Q { a { ...A } }", "fragment A contains itself"),
        ("{ a(first: 100) { nodes { b(first: 100) { nodes { c } } } } }", "points of cost"),
        ("mutation {" + " ".join(f"a{i}(first: 400) {{ nodes {{ c }} }}" for i in range(13)) + "}", "5343 points of cost"),
        ("{ __schema { types { name } } __type { name } __type { fields } }", "at most 2 times"),
        ("{ viewer { id } __schema { types { name } } }", "operation of its own"),
        ("subscription { a b }", "exactly one root field"),
        ("subscription { ...F } fragment F on S { a b }", "exactly one root field"),
    ],
)  # fmt: skip
def test_too_much_is_refused_and_says_of_what(text, what):
    with pytest.raises(TooExpensive, match=what):
        judge(text)


def test_what_is_at_the_bounds_passes():
    directive = "@skip(if: false) "
    for text in (
        "{" + " ".join(f"x{i}: a" for i in range(15)) + "}",
        "{ " + f"a {directive * 4}" + f"b {directive * 4}" * 4 + "}",
        "{" + " ".join(f"a{i}" for i in range(400)) + "}",
        "{" + "a " * 20 + "}",
        " ".join(f"query Q{i} {{ a }}" for i in range(10)),
        "{ a { ...F } b { ...F } } fragment F on Q {" + "a " * 20 + "}",
        "{ ...F ...F ...F } fragment F on Q {" + "a " * 20 + "}",  # the same fragment is compared with itself once
        get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True),
    ):
        judge(text)


def test_only_one_sign_in_stands_in_a_request_however_it_is_hidden():
    once = frozenset({"logIn"})
    assert judge("mutation { logIn }", once=once).cost == 10
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
    assert judge("{ __typename }", may_introspect=False).cost == 0


@pytest.mark.parametrize("count", [20, 45, 200])
def test_fragments_that_double_at_every_step_are_refused_at_once(count):
    bomb = "query { ...F0 } " + " ".join(
        f"fragment F{index} on Q {{ a {{ ...F{index + 1} }} b: c {{ ...F{index + 1} }} }}" for index in range(count)
    )
    bomb += f" fragment F{count} on Q {{ x }}"
    document = parse(bomb)
    started = time.process_time()
    with pytest.raises(TooExpensive):
        guard(Measures(document), operation_of(document), {}, may_introspect=True)
    assert time.process_time() - started < 1  # without memory 2^20 steps alone take seconds


@pytest.mark.parametrize("each", [1, 4])
def test_a_long_chain_of_fragments_is_refused_before_the_stack_ends(each):
    chain = "{ ...F0 } " + " ".join(
        f"fragment F{one} on Q {{ {'... { ' * each} ...F{one + 1} {'} ' * each} }}" for one in range(49)
    )
    if each == 1:
        assert judge(chain + " fragment F49 on Q { x }").selections == 1 + 49 * 2 + 1
    else:
        with pytest.raises(TooExpensive, match="nested at most 100 deep"):
            judge(chain + " fragment F49 on Q { x }")
    with pytest.raises(TooExpensive, match="101 fragments"):
        judge("{ ...F0 } " + " ".join(f"fragment F{one} on Q {{ ...F{one + 1} }}" for one in range(101)))


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
    assert refusal.value.outcome in {Outcome.UNREADABLE, Outcome.MALFORMED}


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
    assert refusal.value.outcome is Outcome.TOO_LARGE


def test_a_document_that_comes_again_is_measured_by_its_new_page_sizes():
    text = "query($n: Int, $m: Int) { a(first: $n) { nodes { b(last: $m) { nodes { c } } } } }"
    document = parse(text)
    operation = operation_of(document)
    known = Measures(document)
    for first, last in ((1, 1), (10, 2), (1, 1), (None, 3), (10, 2)):
        fresh = judge(text, {"n": first, "m": last})
        assert guard(known, operation, {"n": first, "m": last}, may_introspect=True) == fresh
    with pytest.raises(TooExpensive):
        guard(known, operation, {"n": 100, "m": 100}, may_introspect=True)


@pytest.mark.parametrize(
    "values",
    [
        {"a": [0] * limits.VALUES_MAX},
        {"a": [[] for _ in range(limits.VALUES_MAX)]},
        {"a": {str(one): one for one in range(limits.VALUES_MAX)}},
        {"a": [[0] * 100 for _ in range(100)]},
    ],
)
def test_variables_hold_a_bounded_number_of_values(values):
    with pytest.raises(BadRequest) as refusal:
        request_of({"query": "{a}", "variables": values})
    assert refusal.value.outcome is Outcome.TOO_LARGE
    assert request_of({"query": "{a}", "variables": {"a": [0] * (limits.VALUES_MAX - 1)}}).variables


def test_the_schema_is_told_whole_but_not_many_times_over():
    schema = build_schema("type Query { " + " ".join(f"a{n}: Int" for n in range(50)) + " }")
    for text in (
        get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True),
        '{ __type(name: "Query") { fields { name type { name ofType { name } } } } }',
        '{ a: __type(name: "Query") { name } __schema { types { name } } __typename }',
    ):
        assert judge(text, schema=schema).cost in (1000, 2000)
    fields = "fields { args { type { name } } type { name } }"
    for inner in (
        " ".join(f"a{n}: {fields}" for n in range(12)),
        fields * 12,
        "fields { type { fields { args { type { fields { name } } } } } }",
    ):
        with pytest.raises(TooExpensive, match="too much of the schema"):
            judge("{ __schema { types { " + inner + " } } }", schema=schema)
