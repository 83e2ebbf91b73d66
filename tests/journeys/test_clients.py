"""Real clients, as partners use them, against a running server: what their documentation promises works here."""

import asyncio
import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from gql import Client, GraphQLRequest
from gql.dsl import DSLQuery, DSLSchema, dsl_gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport
from gql.transport.websockets import WebsocketsTransport
from graphql import OperationDefinitionNode, parse

from tests.journeys.followers import CLIENTS, require_node
from tests.journeys.steps import open_account
from tests.journeys.worlds import ADMINISTRATOR, large_world, small_world
from tests.servers import PASSWORD, ROOT, Api, until

pytestmark = pytest.mark.slow

BUG = "ALTER TABLE territory RENAME TO territory_elsewhere"
README = re.findall(r"^```graphql\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
JSON_TYPE = "application/graphql-response+json; charset=utf-8"
EVENT_TYPE = "text/event-stream; charset=utf-8"
SOCKET, STREAM = [1, 1, 0], [1, 0, 1]  # subscriptions, sockets and event streams that a server holds
PAGES = [[f"Account {number}" for number in page] for page in ((1, 2, 3), (4, 5, 6), (7,))]
GROWING = [[name for page in PAGES[: count + 1] for name in page] for count in range(3)]


@pytest.fixture(scope="module")
async def served(tmp_path_factory):
    """A server on SQLite, with what the clients read, and a bug: a table is not there."""
    folder = tmp_path_factory.mktemp("clients")
    with small_world(folder) as world, world.set_up().server() as server:
        async with Api(server.url) as api:
            await fill(api)
            with closing(sqlite3.connect(folder / "journey.db")) as database:
                database.execute(BUG)
            yield api


@pytest.fixture(scope="module")
def spread(tmp_path_factory):
    """Two servers on PostgreSQL and Redis, with the same: what asks goes to one, what follows listens on the other."""

    async def prepare(url: str, database_url: str) -> None:
        async with Api(url) as api:
            await fill(api)
        database = await asyncpg.connect(database_url)
        await database.execute(BUG)
        await database.close()

    with large_world(tmp_path_factory.mktemp("clients")) as world:
        world.set_up()
        with world.server() as one, world.server() as other:
            asyncio.run(prepare(one.url, world.environment["TRUCKROLL_DATABASE_URL"]))
            yield one.url, other.url


async def fill(api: Api) -> None:
    """What the clients read: seven accounts and two work orders."""
    await api.sign_in(ADMINISTRATOR)
    for number in range(1, 8):
        await api.do("createCustomer", name=f"Account {number}", type="ENTERPRISE", externalId=f"acc-{number}")
    account = await open_account(api)
    for number in (1, 2):
        await api.do("createWorkOrder", summary=f"Boiler {number}", dueAt="2026-12-01T09:00:00-05:00", **account)


def run(script: str, *arguments: str, folder: Path = CLIENTS) -> Any:
    """What a script of ours prints as JSON; fails with what it said when it fails or complains."""
    ran = subprocess.run(
        [require_node(), script, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def workshop(folder: Path, name: str) -> Path:
    """A copy of a small project beside the installed packages, so that what is generated stays out of the house."""
    made = folder / name
    shutil.copytree(CLIENTS / name, made)
    (made / "node_modules").symlink_to(CLIENTS / "node_modules")
    (made / "package.json").write_text('{"type": "module"}')
    (made / "schema.graphql").write_text((ROOT / "schema" / "schema.graphql").read_text())
    return made


def compiled(tool: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool that the packages brought along."""
    require_node()
    return subprocess.run(
        [CLIENTS / "node_modules" / ".bin" / tool, *arguments], cwd=folder, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def expected(
    name: str,
    pages: list[list[str]],
    *,
    typename: bool = False,
    refused: str | int = "NOT_AUTHENTICATED",
    held: list[int] = SOCKET,
) -> dict[str, Any]:
    """What every app sees, whatever its client."""

    def named(type: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"__typename": type, **fields} if typename else fields

    stale = {"code": "STALE_VERSION", "path": [], "expected": 1, "actual": 2}
    return {
        "pages": pages,
        "totalCount": 7,
        "node": named("Customer", {"id": True, "version": 1, "name": name, "status": "ACTIVE"}),
        "renamed": {"version": 2, "cursor": True, "errors": []},
        "cached": f"{name} 2",
        "problems": named(
            "UpdateCustomerPayload", {"customer": None, "errors": [named("StaleVersion", stale)], "cursor": None}
        ),
        "mistake": ["GRAPHQL_VALIDATION_FAILED"],
        "broken": ["INTERNAL"],
        "unknownToken": [refused],
        "nobody": ["NOT_AUTHENTICATED"],
        "listening": held,
        "heard": [f"CustomerUpdated {what}" for what in ("Missed", "Live", "While away", "Unheard")],
    }


def apollo_sees() -> dict[str, Any]:
    """What the app on Apollo Client sees."""
    return {
        **expected("Apollo", GROWING, typename=True),
        "aborted": "AbortError",
        "after": "Unheard",
        "mediaTypes": [JSON_TYPE],
    }


def urql_sees(*, streamed: bool) -> dict[str, Any]:
    """What the app on urql sees; subscriptions come over sockets, or over event streams."""
    accepts = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
    return {
        **expected("urql", GROWING, held=STREAM if streamed else SOCKET),
        "aborted": "AbortError",
        "after": "Unheard",
        "accepts": [accepts, *(["text/event-stream, multipart/mixed"] if streamed else [])],
        "mediaTypes": [JSON_TYPE, *([EVENT_TYPE] if streamed else [])],
    }


def graphql_sse_sees() -> dict[str, Any]:
    """What the app on graphql-sse sees. A request without a valid session gets no stream, but a status."""
    return {
        **expected("graphql-sse", PAGES, refused=401, held=STREAM),
        "mediaTypes": ["application/json; charset=utf-8", EVENT_TYPE],
    }


async def test_apollo_client_pages_changes_follows_and_lets_go(served):
    assert run("apollo.mjs", served.url, ADMINISTRATOR, PASSWORD) == apollo_sees()


async def test_urql_pages_changes_follows_and_lets_go(served):
    assert run("urql.mjs", served.url, ADMINISTRATOR, PASSWORD) == urql_sees(streamed=False)


async def test_urql_follows_over_event_streams_too(served):
    seen = run("urql.mjs", served.url, ADMINISTRATOR, PASSWORD, served.url, "sse")
    assert seen == urql_sees(streamed=True)


async def test_graphql_ws_asks_changes_and_follows_over_one_socket(served):
    assert run("ws.mjs", served.url, ADMINISTRATOR, PASSWORD) == expected("graphql-ws", PAGES, refused=4403)


async def test_graphql_sse_asks_changes_and_follows_over_event_streams(served):
    assert run("sse.mjs", served.url, ADMINISTRATOR, PASSWORD) == graphql_sse_sees()


async def test_apollo_and_urql_send_a_document_once_and_then_its_hash(served):
    def asked(unknown: str, told: str, known: str) -> dict[str, Any]:
        return {
            "sent": [[unknown, "hash", 404], [told, "document", 200], [known, "hash", 200]],
            "names": [["Account 1"]] * 2,
        }

    assert run("persisted.mjs", served.url, ADMINISTRATOR, PASSWORD) == {
        "ApolloPost": asked("POST", "POST", "POST"),
        "ApolloGet": asked("GET", "POST", "GET"),
        "UrqlPost": asked("POST", "POST", "POST"),
        "UrqlGet": asked("GET", "GET", "GET"),
    }


async def test_follows_on_one_server_what_is_done_on_another(spread):
    one, other = spread
    assert run("apollo.mjs", one, ADMINISTRATOR, PASSWORD, other) == apollo_sees()
    assert run("sse.mjs", one, ADMINISTRATOR, PASSWORD, other) == graphql_sse_sees()


async def test_relay_compiles_and_pages_appends_and_loads_anew(served, tmp_path):
    folder = workshop(tmp_path, "relay")
    artifacts = folder / "__generated__"
    artifacts.mkdir()
    done = compiled("relay-compiler", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (artifacts / "package.json").write_text('{"type": "commonjs"}')
    stale = {"__typename": "StaleVersion", "code": "STALE_VERSION", "expected": 2, "actual": 3}
    assert run("accounts.js", served.url, ADMINISTRATOR, PASSWORD, folder=folder) == {
        "pages": GROWING,
        "totalCount": 7,
        "appended": "Relay",
        "requests": 1,
        "stale": "Relay",
        "refetched": "Renamed elsewhere",
        "renamed": "Relay 2",
        "problems": {"customer": None, "errors": [stale]},
        "unchanged": "Relay 2",
    }
    # The control: a document with a mistake is not compiled.
    (folder / "mistake.js").write_text("graphql`query mistakeQuery { viewer { nothing } }`;")
    refused = compiled("relay-compiler", folder=folder)
    assert refused.returncode != 0
    assert "nothing" in refused.stdout + refused.stderr


async def test_codegen_makes_types_that_a_strict_program_works_with(served, tmp_path):
    folder = workshop(tmp_path, "typed")
    documents = folder / "documents.graphql"
    documents.write_text("\n".join(operations_by_name().values()))
    generated = run(str(CLIENTS / "codegen.mjs"), str(folder), str(documents), str(folder / "board.graphql"))
    assert {"schema.ts", "operations.ts", "gql/graphql.ts"} <= set(generated)
    # The control: a switch that forgets a kind of problem is not compiled.
    forgetful = compiled("tsc", "--project", ".", folder=folder)
    assert forgetful.returncode != 0
    assert "'never'" in forgetful.stdout
    program = folder / "program.ts"
    others = "\n".join(f'    case "{name}":' for name in problem_types() if f'"{name}"' not in program.read_text())
    program.write_text(
        program.read_text().replace("    // The test writes a case for each of the others here.", others)
    )
    done = compiled("tsc", "--project", ".", folder=folder)
    assert (done.returncode, done.stdout) == (0, "")
    found = await served.ask('{ workOrders(filter: { summary: { eq: "Boiler 1" } }) { nodes { id } } }')
    assert run("built/program.js", served.url, served.token, found["workOrders"]["nodes"][0]["id"], folder=folder) == {
        "total": 2,
        "lines": ["Boiler 1 | blue | Acme | none | 40.7 | 2026", "Boiler 2 | blue | Acme | none | 40.7 | 2026"],
        "raised": "HIGH",
        "advice": ["read again: 1 is 2 by now"],
    }


def problem_types() -> list[str]:
    """The names of all types that are problems."""
    return re.findall(
        r"^type (\w+) implements Problem ", (ROOT / "schema" / "schema.graphql").read_text(), re.MULTILINE
    )


def operations_by_name() -> dict[str, str]:
    """The README's documents that have a name; of those of one name, the first."""
    named: dict[str, str] = {}
    for text in README:
        [operation] = (one for one in parse(text).definitions if isinstance(one, OperationDefinitionNode))
        if operation.name:
            named.setdefault(operation.name.value, text)
    return named


async def test_inspector_finds_the_running_server_to_be_the_committed_schema(served, tmp_path):
    documents = tmp_path / "documents.json"
    documents.write_text(json.dumps(README))
    seen = run("inspector.mjs", served.url, served.token, str(documents))
    assert seen.pop("documents") == len(README) > 10
    assert seen == {
        "toLive": [],
        "toCommitted": [],
        "control": [
            ["FIELD_REMOVED", "Customer.accountNumber", "BREAKING"],
            ["FIELD_ADDED", "Customer.renamed", "NON_BREAKING"],
            ["FIELD_DESCRIPTION_ADDED", "Customer.renamed", "NON_BREAKING"],
            ["ENUM_VALUE_ADDED", "SlaTier.ZINC", "DANGEROUS"],
        ],
        "complaints": [],
        "complaintsOfControl": 1,
    }


CUSTOMERS = "query($prefix: String!) { customers(filter: { externalId: { startsWith: $prefix } }) { totalCount } }"
FOLLOW = "subscription($after: String) { customerChanged(after: $after) { fact customer { name } } }"


async def test_gql_fetches_the_schema_and_asks_with_it(served):
    headers = {"authorization": f"Bearer {served.token}"}
    transport = HTTPXTransport(url=f"{served.url}/graphql", headers=headers)
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        assert session.client.schema is not None
        schema = DSLSchema(session.client.schema)
        page = schema.Query.customers(
            first=2, filter={"externalId": {"startsWith": "acc-"}}, orderBy=[{"field": "NAME"}]
        )
        connection, customer = schema.CustomerConnection, schema.Customer
        written = dsl_gql(DSLQuery(page.select(connection.totalCount, connection.nodes.select(customer.name))))
        names = [{"name": "Account 1"}, {"name": "Account 2"}]
        assert session.execute(written) == {"customers": {"totalCount": 7, "nodes": names}}
        with pytest.raises(Exception, match="nothing"):  # before it is sent, by the schema that was fetched
            session.execute(GraphQLRequest("{ viewer { nothing } }"))
        with pytest.raises(TransportQueryError) as refusal:
            session.execute(GraphQLRequest("{ territories { totalCount } }"))
        assert [one["extensions"]["code"] for one in refusal.value.errors or []] == ["INTERNAL"]


async def test_gql_asks_and_follows_asynchronously(served):
    headers = {"authorization": f"Bearer {served.token}"}
    asked = GraphQLRequest(CUSTOMERS, variable_values={"prefix": "acc-"})
    async with Client(transport=HTTPXAsyncTransport(url=f"{served.url}/graphql", headers=headers)) as session:
        assert await session.execute(asked) == {"customers": {"totalCount": 7}}
    before = (await served.ask("{ journalCursor }"))["journalCursor"]
    await served.do("createCustomer", name="gql 1", type="ENTERPRISE")
    live = WebsocketsTransport(
        url=f"{served.url}/graphql".replace("http", "ws", 1),
        init_payload=headers,
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    async with Client(transport=live) as session:
        assert await session.execute(asked) == {"customers": {"totalCount": 7}}
        events = session.subscribe(GraphQLRequest(FOLLOW, variable_values={"after": before}))
        heard = [(await anext(events))["customerChanged"]]
        await served.do("createCustomer", name="gql 2", type="ENTERPRISE")
        heard.append((await anext(events))["customerChanged"])
        await events.aclose()
    assert heard == [{"fact": "CustomerCreated", "customer": {"name": name}} for name in ("gql 1", "gql 2")]
    await until(lambda: is_free(served), what="that the server lets go")


async def is_free(api: Api) -> bool:
    """Whether the server follows the journal for nobody and holds no socket."""
    told = (await api.http.get("/metrics")).text
    return "truckroll_subscriptions_open 0.0" in told and "truckroll_sockets_open 0.0" in told


def test_the_readme_names_the_versions_that_are_tested():
    packages = json.loads((CLIENTS / "package.json").read_text())["dependencies"]
    [section] = re.findall(r"^### Clients\n(.*?)^### ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    named = (
        "@apollo/client", "@urql/core", "relay-compiler", "relay-runtime", "graphql-ws", "graphql-sse", "eventsource",
        "@graphql-codegen/client-preset", "@graphql-inspector/core",
    )  # fmt: skip
    assert [name for name in named if packages[name] not in section] == []
