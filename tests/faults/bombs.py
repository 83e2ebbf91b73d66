"""Requests that are small to send and dear to answer. Each must be refused, with the right status, before it costs anything;
those of ``HEAVY`` are as dear as the limits allow, and must cost little.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import get_introspection_query

GRAPHQL = "application/graphql-response+json"


@dataclass(frozen=True)
class Bomb:
    """One request, the statuses it may get, and the code of its first error."""

    name: str
    status: int
    code: str
    document: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    chunks: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str | None = None
    operation: str | None = None

    @property
    def content(self) -> bytes | AsyncIterator[bytes]:
        """The body."""
        if self.chunks:
            return _mebibytes(self.chunks)
        return (
            self.body
            if self.body is not None
            else json.dumps(
                {"query": self.document, "variables": self.variables, "operationName": self.operation}
            ).encode()
        )


async def _mebibytes(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 2**20


def dag(depth: int, wide: int = 2) -> str:
    """Fragments that spread the next one several times each."""
    spreads = " ".join(f"a{number}: viewer {{ user {{ ...F%d }} }}" if number else "...F%d" for number in range(wide))
    chain = " ".join(f"fragment F{n} on Query {{ {spreads % ((n + 1,) * wide)} }}" for n in range(depth))
    return f"{{ ...F0 }} {chain} fragment F{depth} on Query {{ __typename }}"


def spreads(depth: int) -> str:
    """The same with nothing but spreads: there is no field to count."""
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ... {{ ...F{n + 1} }} }}" for n in range(depth))
    return f"{{ ...F0 }} {chain} fragment F{depth} on Query {{ __typename }}"


def nested(opens: str, closes: str, times: int, inner: str = "") -> str:
    return opens * times + inner + closes * times


def filters(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"not": made}
    return made


LIST = "query($f: CustomerFilter) { customers(filter: $f) { nodes { id } } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
LOG_IN = 'logIn(input: { email: "ada@example.com", password: "guess %d" }) { errors { code } }'
DEEP = "sites(first: 1) { nodes { customer { "
TOO, PARSE, VALID, USER, BAD, INVALID = (
    "TOO_EXPENSIVE", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "BAD_REQUEST", "INVALID_INPUT",
)  # fmt: skip


def bombs() -> Iterator[Bomb]:
    """All of them."""
    yield Bomb("depth", 400, TOO, "{ customers(first: 1) { nodes { " + nested(DEEP, " } } }", 6, "id") + " } } }")
    yield Bomb("depth of 150", 400, TOO, "{" + nested("a {", "}", 60, "b") + "}")
    yield Bomb("depth of 20,000", 400, PARSE, "{" + nested("a{", "}", 20_000, "b") + "}")
    yield Bomb("aliases", 400, TOO, "{" + " ".join(f"a{n}: journalCursor" for n in range(490)) + "}")
    yield Bomb(
        "aliases in fragments", 400, TOO,
        "{ ...F ...G ...H } " + " ".join(
            f"fragment {one} on Query {{ {' '.join(f'{one}{n}: journalCursor' for n in range(14))} }}" for one in "FGH"
        ),
    )  # fmt: skip
    yield Bomb("directives", 400, TOO, "{" + "viewer @skip(if: false) { kind } " * 100 + "}")
    yield Bomb("directives on one field", 400, TOO, "{ viewer " + "@skip(if: false) " * 240 + "{ kind } }")
    yield Bomb("unknown directives", 400, TOO, "{ viewer " + "@a " * 900 + "{ kind } }")
    yield Bomb("a fragment DAG, k=20", 400, TOO, dag(20))
    yield Bomb("a fragment DAG, k=30", 400, TOO, dag(30))
    yield Bomb("a fragment DAG, k=45", 400, TOO, dag(45))
    yield Bomb("a fragment DAG, 7 wide", 400, TOO, dag(20, 7))
    yield Bomb("spreads only, k=45", 400, TOO, spreads(45))
    yield Bomb("a circle of fragments", 400, TOO, "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }")
    yield Bomb("250 fragments", 400, TOO, "{ a } " + " ".join(f"fragment F{n} on Query {{ a }}" for n in range(250)))
    yield Bomb("a field 390 times", 400, TOO, "{" + "viewer { kind } " * 390 + "}")
    yield Bomb("a leaf 1,990 times", 400, TOO, "{" + "journalCursor " * 1990 + "}")
    yield Bomb(
        "a field again at every level",
        400,
        TOO,
        "{" + nested("viewer { user { id ", "} } " + "viewer { kind } " * 2, 30) + "}",
    )
    yield Bomb("arguments to compare", 400, TOO, "{" + 'customers(search: "x", first: 1) { totalCount } ' * 130 + "}")
    yield Bomb(
        "in an operation not asked for",
        400,
        TOO,
        "query A { viewer { kind } } query B {" + "viewer { kind } " * 390 + "}",
        operation="A",
    )
    yield Bomb(
        "lists in lists", 400, TOO,
        "{ customers(first: 100) { nodes { sites(first: 100) { nodes { equipment(first: 100) { nodes { id } } } } } } }",
    )  # fmt: skip
    yield Bomb(
        "lists in lists by variables", 400, TOO,
        "query($n: Int) { customers(first: $n) { nodes { sites(first: $n) { nodes { workOrders(first: $n) { nodes { id } } } } } } }",
        {"n": 100},
    )  # fmt: skip
    yield Bomb("a page of 2^31 rows", 400, TOO, "{ customers(first: 2147483647) { nodes { id } } }")
    yield Bomb(
        "introspection in itself",
        400,
        TOO,
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
    )
    yield Bomb("introspection 30 times", 400, TOO, "{" + "__schema { types { name } } " * 30 + "}")
    yield Bomb(
        "introspection, wide", 400, TOO,
        "{ __schema { types {" + " ".join(f"a{n}: fields {{ name args {{ name type {{ name }} }} }}" for n in range(15)) + "} } }",
    )  # fmt: skip
    yield Bomb(
        "introspection, again and again", 400, TOO,
        "{ __schema { types {" + "fields { args { type { name } } type { name } } inputFields { name } " * 19 + "} } }",
    )  # fmt: skip
    yield Bomb("introspection with data", 400, TOO, "{ viewer { kind } __schema { types { name } } }")
    yield Bomb("a literal of 5 MB", 413, BAD, '{ customers(search: "' + "a" * 5_000_000 + '") { totalCount } }')
    yield Bomb("a document of 70 kB", 413, BAD, "{ viewer { kind } } #" + "x" * 70_000)
    yield Bomb("32,000 comments", 400, PARSE, "#\n" * 32_000 + "{ viewer { kind } }")
    yield Bomb("a body of 100 MB", 413, BAD, body=b" " * 100_000_000)
    yield Bomb("a body of 100 MB, unannounced", 413, BAD, chunks=100)
    yield Bomb("deep JSON arrays", 400, BAD, body=b"[" * 500_000)
    yield Bomb(
        "deep JSON objects", 400, BAD, body=b'{"query": "{a}", "variables": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001
    )
    yield Bomb("variables 900 deep", 400, USER, LIST, {"f": filters(900)})
    yield Bomb("a filter of 60 levels", 200, INVALID, LIST, {"f": filters(60)})
    yield Bomb(
        "an integer of 900,000 digits", 400, BAD, body=b'{"query": "{a}", "variables": {"a": ' + b"9" * 900_000 + b"}}"
    )
    yield Bomb(
        "a literal of 60,000 digits",
        400,
        VALID,
        "{ customers(filter: { latitude: { gt: " + "9" * 60_000 + " } }) { totalCount } }",
    )
    yield Bomb(
        "240 operations", 400, TOO, " ".join(f"query Q{n} {{ viewer {{ kind }} }}" for n in range(240)), operation="Q0"
    )
    yield Bomb(
        "490 variables", 400, VALID, "query(" + " ".join(f"$v{n}: Int" for n in range(490)) + ") { viewer { kind } }"
    )
    yield Bomb("a type of 900 lists", 400, PARSE, "query($v: " + nested("[", "]", 900, "Int") + ") { viewer { kind } }")
    yield Bomb("a literal of 900 lists", 400, PARSE, "{ nodes(ids: " + nested("[", "]", 900) + ") { id } }")
    yield Bomb("1,000 ids", 200, INVALID, NODES, {"ids": ["wo_01m80tq4r0fqx9w0e30n4n32an"] * 1000})
    yield Bomb("9,000 ids", 400, TOO, NODES, {"ids": ["wo_01m80tq4r0fqx9w0e30n4n32an"] * 9000})
    yield Bomb("300,000 values", 413, BAD, LIST, {"f": {"and": [{}] * 300_000}})
    yield Bomb("or, 200 of 200", 413, BAD, LIST, {"f": {"or": [{"and": [{"name": {"eq": "x"}}] * 200}] * 200}})
    yield Bomb("9,000 options", 200, INVALID, LIST, {"f": {"name": {"in": ["x"] * 9000}}})
    yield Bomb("8,000 wrong values", 400, USER, LIST, {"f": {"and": [{"nothing": 1}] * 4000}})
    yield Bomb("marks on a letter", 400, USER, LIST, {"f": {"name": {"eq": "a" + "\u0301\u0323" * 30_000}}})
    yield Bomb("a text of 400 kB", 400, USER, LIST, {"f": {"name": {"contains": "a" * 400_000}}})
    yield Bomb(
        "a cursor of 60 kB",
        200,
        INVALID,
        "query($a: String) { customers(after: $a) { nodes { id } } }",
        {"a": "W1tb" * 15_000},
    )
    yield Bomb("60 sign-ins", 400, TOO, "mutation {" + " ".join(f"a{n}: {LOG_IN % n}" for n in range(60)) + "}")
    yield Bomb("15 sign-ins", 400, TOO, "mutation {" + " ".join(f"a{n}: {LOG_IN % n}" for n in range(15)) + "}")
    yield Bomb(
        "sign-ins in fragments",
        400,
        TOO,
        f"mutation {{ ...F ...F ...G }} fragment F on Mutation {{ a: {LOG_IN % 1} }} fragment G on Mutation {{ b: {LOG_IN % 2} }}",
    )
    yield Bomb("a batch of 1,000", 400, BAD, body=json.dumps([{"query": "{ viewer { kind } }"}] * 1000).encode())
    yield Bomb(
        "an operation name of 1 MB",
        400,
        "",
        body=b'{"query": "{ __typename }", "operationName": "' + b"x" * 1_000_000 + b'"}',
    )
    unknown = json.dumps({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}})
    yield Bomb("a hash that nobody knows", 404, "PERSISTED_QUERY_NOT_FOUND", body=unknown.encode())
    wrong = unknown.replace("{", '{"query": "{ __typename }", ', 1)
    yield Bomb("a hash of something else", 400, BAD, body=wrong.encode())
    yield Bomb(
        "a form", 415, BAD, body=b"query={a}&" * 50_000, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    yield Bomb(
        "an upload", 415, BAD, body=b"--x\r\n" * 100_000, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    yield Bomb(
        "an Accept of 6,000 types", 406, BAD, "{ __typename }", headers={"accept": ",".join(["image/png;q=0.1"] * 3500)}
    )
    yield Bomb("an idempotency key of 50 kB", 400, BAD, "{ __typename }", headers={"idempotency-key": "k" * 50_000})
    yield Bomb("a query string of 10,000 parameters", 400, BAD, query="&".join(f"a{n}=1" for n in range(6000)))
    yield Bomb(
        "a mutation by GET", 405, BAD, query="query=mutation{logOut{cursor}}&variables={}&extensions={}&operationName="
    )
    yield Bomb("variables by GET", 400, BAD, query="query={a}&variables=" + "[" * 20_000)


def heavy() -> Iterator[Bomb]:
    """What is allowed, at its dearest. The code is empty: some of it is refused by validation, some is answered."""
    order = "id number summary status customer { id name email } site { id name } serviceType { id name }"
    fragments = " ".join(f"fragment F{n} on WorkOrder {{ {order} }}" for n in range(19))
    yield Bomb(
        "19 equal fragments",
        200,
        "",
        "{ workOrders { nodes {" + " ".join(f"...F{n}" for n in range(19)) + "} } }" + fragments,
    )
    yield Bomb(
        "20 equal fields with arguments",
        200,
        "",
        "{" + 'customers(filter: { or: [{ name: { eq: "x" } }, { name: { eq: "y" } }] }) { nodes { id } } ' * 20 + "}",
    )
    yield Bomb("399 unknown fields", 400, "", "{" + " ".join(f"a{n}" for n in range(399)) + "}")
    yield Bomb(
        "480 unknown arguments", 400, "", "{ viewer(" + " ".join(f"a{n}: 1" for n in range(480)) + ") { kind } }"
    )
    yield Bomb(
        "10 operations with 19 fields",
        400,
        "",
        " ".join(f"query Q{n} {{ {'viewer { kind } ' * 19} }}" for n in range(10)),
    )
    yield Bomb("64 kB of commas", 200, "", "{" + "," * 65_000 + "viewer { kind } }")
    yield Bomb("a name of 60 kB", 400, "", "{" + "x" * 60_000 + "}")
    yield Bomb(
        "a block string of 20,000 lines",
        200,
        "",
        '{ customers(filter: { name: { eq: """' + "\n a" * 20_000 + '""" } }) { totalCount } }',
    )
    yield Bomb("64 kB of signs that are composed", 200, "", LIST, {"f": {"name": {"eq": "\ufdfa" * 65_000}}})
    yield Bomb("a pattern", 200, "", LIST, {"f": {"name": {"contains": "(a+)+$%_\\" * 100}}})
    yield Bomb("filters as many as may be", 200, "", LIST, {"f": {"or": [{"name": {"in": ["x"] * 9}}] * 100}})
    yield Bomb("the whole schema", 200, "", get_introspection_query())
    yield Bomb(
        "a page of pages",
        200,
        "",
        "{ customers(first: 60) { nodes { sites(first: 25) { nodes { id customer { id } } } } } }",
    )
